//! The rules of MQTT as state machines: bytes in, events and bytes out, time passed explicitly.
//!
//! Three machines with the same manners: [`Client`], [`Server`] (one connection of a server) and [`Broker`] (all of them, and what is between
//! them). None of them touches a socket, a clock, a thread or a source of randomness; all three run in any event loop, in a simulator, and
//! without `std`.
//!
//! # The run loop
//!
//! Methods come in four families: getters; `handle_*` (the network or the clock tells us); verbs (the host asks); `poll_*` (what comes out).
//! Any order is safe. This one is good, whenever something has happened:
//!
//! 1. input: `handle_input` until it returns `None`,
//! 2. events: `poll_event` until `None`,
//! 3. output: `poll_transmit` until `Idle`, writing after each `Ready`, and closing the transport after `Close`,
//! 4. sleep until `poll_timeout`, new input, or a wish of the application; then `handle_timeout`, if it is time.
//!
//! ```
//! use mqtt_proto::{QoS, Subscription, TopicFilter, TopicName, TransmitBuf};
//! use mqtt_session::{Client, ConnectOptions, Event, Instant, Message, Transmit};
//!
//! /// Whatever carries bytes and knows the time.
//! trait Host {
//!     fn now(&mut self) -> Instant;
//!     /// Appends what has arrived; false: nothing more will.
//!     fn read(&mut self, into: &mut Vec<u8>, until: Option<Instant>) -> bool;
//!     fn write(&mut self, from: &[u8]);
//! }
//!
//! fn run(host: &mut impl Host, client: &mut Client) -> Result<(), Box<dyn std::error::Error>> {
//!     let (mut held, mut out) = (Vec::new(), TransmitBuf::new());
//!     client.connect(host.now())?;
//!     loop {
//!         let now = host.now();
//!         let mut input = &held[..];
//!         while let Some(event) = client.handle_input(now, &mut input) {
//!             match event {
//!                 Event::Connected(_) => {
//!                     let all = [Subscription::new(TopicFilter::new("greetings/#")?, QoS::ExactlyOnce)];
//!                     client.subscribe(now, &all, Default::default())?;
//!                 }
//!                 Event::Subscribed { .. } => {
//!                     client.publish(now, &Message::new(TopicName::new("greetings/world")?, "hello"))?;
//!                 }
//!                 Event::Received(message) => println!("{}: {:?}", message.topic(), message.payload()),
//!                 _ => {}
//!             }
//!         }
//!         held = input.to_vec();
//!         while let Some(event) = client.poll_event() {
//!             println!("{event:?}");
//!         }
//!         loop {
//!             match client.poll_transmit(now, &mut out) {
//!                 Transmit::Ready => {
//!                     out.slices().for_each(|slice| host.write(slice));
//!                     out.clear();
//!                 }
//!                 Transmit::Idle => break,
//!                 Transmit::Close => return Ok(client.handle_closed(now)),
//!             }
//!         }
//!         if !host.read(&mut held, client.poll_timeout()) {
//!             return Ok(client.handle_closed(now));
//!         }
//!         client.handle_timeout(host.now());
//!     }
//! }
//! # struct Once(bool);
//! # impl Host for Once {
//! #     fn now(&mut self) -> Instant { Instant::ZERO }
//! #     fn read(&mut self, _: &mut Vec<u8>, _: Option<Instant>) -> bool { std::mem::take(&mut self.0) }
//! #     fn write(&mut self, _: &[u8]) {}
//! # }
//! # run(&mut Once(true), &mut Client::new(ConnectOptions::new("doc")))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Input
//!
//! An event borrows the *host's* buffer, so verbs may be called while it is held, and nothing is copied for a message that is only looked at. What is not
//! consumed stays with the host, which offers it again with more behind it. Bad bytes end the connection with an [`Event::Disconnected`], and never in a
//! panic.
//!
//! # Output
//!
//! A message is encoded at once while the connection's output is below [`Limits::output_bytes_max`]; above, it stays queued. So a host that writes once per turn writes
//! everything that gathered since, in one piece. Acknowledgements, answers and pings never wait behind messages.
//!
//! # Back-pressure
//!
//! Reading never has to stop because an application is slow. With [`Acknowledge::Manually`], a message at QoS 1 or 2 is acknowledged when the host says that it has been
//! taken, in the order of arrival, and the Receive Maximum bounds how many are not. Publishing is bounded by [`Limits::queued_messages_max`] and
//! [`Limits::queued_bytes_max`]: beyond, the verb returns an error and nothing has happened, or [`Limits::when_full`] says what is dropped.
//!
//! # Time
//!
//! [`Instant`] is microseconds since an epoch of the host's choice. There is one deadline, `poll_timeout`, valid until the next call. Late calls to `handle_timeout` make things late;
//! early or repeated ones do nothing. There may be a deadline without a connection, too: messages that wait can expire ([`Outgoing::expires`], [`Limits::queued_time_max`]).
//!
//! # What is promised
//!
//! * Every publish that was accepted is settled exactly once: by [`Published::Sent`], or by one [`Event::Published`], also across reconnects and lost sessions. Its [`Outcome`] says that
//!   the peer has it, or that it does not and why, or why nobody knows. So is every subscribe and unsubscribe. `abandon` settles all that is left, for a host that waits no longer.
//! * What outlives a connection is a value, [`SessionState`]. On a new connection it is taken up where it was left, if the server still has its half;
//!   [`export`](SessionState::export) and [`import`](SessionState::import) take it from one process to another.
//! * Same calls, same results, byte for byte; the machines are `Clone + Eq + Hash` values.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason
    )
)]

extern crate alloc;

mod broker;
mod client;
mod connection;
mod error;
mod event;
mod message;
mod options;
mod outgoing;
mod parts;
mod redirect;
mod saved;
mod server;
mod time;

pub use broker::{
    Broker, BrokerCounts, BrokerEvent, BrokerOptions, ConnectionId, Matches, OpenError, RetainedFull, RetainedMatches,
    RetainedStore, SubscriptionTree, TreeFull,
};
pub use client::Client;
pub use connection::Transmit;
pub use error::{AckError, AnswerError, ConnectError, PublishError, RequestError, Violation};
pub use event::{DisconnectCause, Disconnected, Event, Outcome, PublishId, Published, RequestId};
pub use message::{AckToken, Message, Received};
pub use options::{Acknowledge, Agreed, Authentication, ConnectOptions, Limits, ServerOptions, WhenFull, WillOptions};
pub use outgoing::Outgoing;
pub use redirect::{ServerReference, ServerReferences};
pub use saved::{ImportError, SessionState};
pub use server::{Accept, Server};
pub use time::Instant;
