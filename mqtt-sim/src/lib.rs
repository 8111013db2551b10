//! A hostile world for MQTT programs, in one thread and from one seed.
//!
//! Real [`Client`](mqtt_session::Client)s and real [`Server`](mqtt_session::Server)s meet in it over a wire that splits, joins, delays, stalls, trickles and breaks what
//! it carries, at any byte; connections are refused, or accepted and never answered; processes crash and come back with what they had written down. All of it
//! happens in virtual time, and all of it follows from one number: the same seed gives the same bytes in the same order, and a failing run prints it.
//!
//! After the faults comes peace, and then everything that can still be delivered must be, in bounded time.
//!
//! # Your own program
//!
//! An application is a value that is called when something has happened to its client: see [`App`]. Put it into a [`World`], and strike it with a [`Fault`] of your
//! choice. Or let a [`Trial`] do that, by chance, over many seeds:
//!
//! ```
//! use mqtt_proto::{QoS, Subscription, TopicFilter, TopicName};
//! use mqtt_session::{ConnectOptions, Event, Message};
//! use mqtt_sim::{App, Handle, Trial};
//!
//! /// Asks for the time, and asks again if the question may have been lost.
//! #[derive(Default)]
//! struct Asker {
//!     answer: Option<String>,
//! }
//!
//! impl App for Asker {
//!     fn on_event(&mut self, event: &Event<'_>, client: &mut Handle<'_>) {
//!         match event {
//!             Event::Connected(_) => {
//!                 let answers = TopicFilter::new("time/answer").unwrap();
//!                 client.subscribe(&[Subscription::new(answers, QoS::AtLeastOnce)]).unwrap();
//!             }
//!             Event::Subscribed { .. } if self.answer.is_none() => {
//!                 let mut question = Message::new(TopicName::new("time/question").unwrap(), "?");
//!                 question.qos = QoS::AtLeastOnce;
//!                 client.publish(&question).unwrap();
//!             }
//!             Event::Received(message) => self.answer = String::from_utf8(message.payload().into()).ok(),
//!             _ => {}
//!         }
//!     }
//!
//!     fn is_done(&self) -> bool {
//!         self.answer.is_some()
//!     }
//! }
//!
//! /// Answers, whoever asks.
//! struct Clock;
//!
//! impl App for Clock {
//!     fn on_event(&mut self, event: &Event<'_>, client: &mut Handle<'_>) {
//!         match event {
//!             Event::Connected(_) => {
//!                 let questions = TopicFilter::new("time/question").unwrap();
//!                 client.subscribe(&[Subscription::new(questions, QoS::AtLeastOnce)]).unwrap();
//!             }
//!             Event::Received(_) => {
//!                 let mut answer = Message::new(TopicName::new("time/answer").unwrap(), "noon");
//!                 answer.qos = QoS::AtLeastOnce;
//!                 client.publish(&answer).unwrap();
//!             }
//!             _ => {}
//!         }
//!     }
//! }
//!
//! let trial = Trial::new(|world| {
//!     // Subscriptions have to outlive connections here, or a question could pass by while nobody listens.
//!     let mut options = ConnectOptions::new("asker");
//!     options.clean_start = false;
//!     options.session_expiry_interval = u32::MAX;
//!     world.add(options.clone(), Asker::default());
//!     options.client_id = "clock".into();
//!     world.add(options, Clock);
//! });
//! // Twenty faults within twenty seconds, another twenty for each seed. Each run ends with peace, and then with an answer.
//! let report = trial.run(0..50)?;
//! assert_eq!(report.schedules, 50);
//! # Ok::<(), Box<mqtt_sim::Failure>>(())
//! ```
//!
//! Where a run fails, the [`Failure`] says which seed it was, what has to go wrong (as little of it as possible) and what happened then. That seed belongs into a test.
//!
//! # What is checked
//!
//! Everything in [`Check`], in every world: what applications are told, what the machines hold, and every packet that either end writes. Who gets which message, how often
//! and in which order, is checked where [payloads are unique](World::payloads_are_unique).
//!
//! # Our own use
//!
//! [`simulate`] is how `mqtt-session` is tested: a crowd of clients of both versions, at least 200 deeds and faults, everything at once. The example `simulate` runs it over
//! many seeds, and fails if one of the [`Mark`]s was never met, since a simulator in which nothing goes wrong proves nothing.
//!
//! # What is promised
//!
//! A world has no clock, no thread, no randomness and no file of its own. So a run can be had again, on any machine; it takes a few milliseconds.

#![forbid(unsafe_code)]

mod app;
mod checks;
mod clock;
#[cfg(test)]
mod controls;
mod fault;
mod host;
mod hub;
mod marks;
mod minimise;
mod node;
mod random;
mod seam;
mod trace;
mod trial;
mod wire;
mod workload;
mod world;

pub use app::{App, Handle};
pub use checks::{Breach, Check};
pub use fault::{Fault, TimedFault, random_faults};
pub use hub::Hub;
pub use marks::{Mark, Marks};
pub use node::{Node, Report as NodeReport};
pub use random::Random;
pub use trial::{Failure, Report, Step, Trial, simulate};
pub use wire::{End, LinkId, Weather};
pub use workload::Deed;
pub use world::World;
