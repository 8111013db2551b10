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
//! 1. input: `handle_input` until it returns `None`; then `handle_timeout`, if it is time,
//! 2. events: `poll_event` until `None`,
//! 3. output: `poll_transmit` until `Idle`; after each `Ready`, write, and see to events again; after `Close`, close the transport,
//! 4. sleep until `poll_timeout`, new input, or a wish of the application.
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
//!         client.handle_timeout(now);
//!         loop {
//!             while let Some(event) = client.poll_event() {
//!                 println!("{event:?}");
//!             }
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
//! The examples have it for other hosts, each to be read at once: `blocking` (the standard library's sockets), `mio` (many clients in one thread), `no_std`
//! (a board and its ticks), `mini_broker` (a broker by hand on [`Server`]), `broker` (one on [`Broker`], in sixty lines), `dialect`. `cargo run -p mqtt-session --example blocking`.
//!
//! # Order
//!
//! Input before the time, so that an answer that is there is not taken for missing, even by a host that has slept for long. Input before events, so that what it settles is
//! said in the same turn. Events before output, so that what the host says to them goes out with it, in one write; and after it, since a message at QoS 0 that waited is
//! settled when it goes out. The deadline last, since everything else moves it. A verb may be called at any point, also while an event is held: an event borrows the *host's*
//! buffer, and nothing is copied for a message that is only looked at. What is not consumed stays with the host, which offers it again with more behind it.
//! `None` with input left means that its packet is not complete, or that it has to wait: for the host's answer, or for the peer to read what it is owed (`wants_input`).
//! With its transport, a connection's input is gone, too: offer nothing of it to the next.
//!
//! Whoever is wrong is told so. The peer: [`Event::Disconnected`] with the [`Violation`] or the fault, the DISCONNECT that its version allows, then
//! [`Transmit::Close`]. The caller: an `Err`, and nothing has happened. Nobody gets a panic.
//!
//! # Back-pressure
//!
//! Out: a message is encoded at once while less than [`Limits::output_bytes_max`] waits to be written; above that, and beyond what the peer takes unacknowledged, it is
//! queued, up to [`Limits::queued_messages_max`] and [`Limits::queued_bytes_max`]. What then happens is [`Limits::when_full`]'s to say. Acknowledgements, answers and
//! pings wait for nothing.
//!
//! In: reading never has to stop because an application is slow. With [`Acknowledge::Manually`] a message at QoS 1 or 2 is acknowledged when the host says
//! that it has been taken, and the Receive Maximum bounds how many are not:
//!
//! ```
//! # use mqtt_proto::{Properties, ReasonCode, TransmitBuf};
//! # use mqtt_session::{Acknowledge, Client, ConnectOptions, Event, Instant};
//! # let now = Instant::ZERO;
//! let mut options = ConnectOptions::new("printer");
//! options.acknowledge = Acknowledge::Manually;
//! options.receive_maximum = 2;
//! let mut client = Client::new(options);
//! # client.connect(now)?;
//! # client.handle_input(now, &mut &[0x20, 3, 0, 0, 0][..]);
//! # client.poll_transmit(now, &mut TransmitBuf::new());
//!
//! let mut input = &b"\x32\x0E\0\x03job\0\x07\0a page"[..]; // PUBLISH at QoS 1, with identifier 7
//! let Some(Event::Received(job)) = client.handle_input(now, &mut input) else { panic!() };
//! let (job, token) = (job.to_buf(), job.token().unwrap());
//!
//! // Some time later, on paper:
//! client.acknowledge(now, token, ReasonCode::Success, Properties::EMPTY)?;
//! let mut out = TransmitBuf::new();
//! client.poll_transmit(now, &mut out);
//! assert_eq!(out.slices().next(), Some(&[0x40, 2, 0, 7][..])); // PUBACK
//! # assert_eq!(&job.payload()[..], b"a page");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Time
//!
//! [`Instant`] is microseconds since an epoch of the host's choice, on a clock that never goes back. There is one deadline, `poll_timeout`, valid until the next call; keep
//! alive, the handshake and expiry are all in it. Late calls to `handle_timeout` make things late; early or repeated ones do nothing.
//!
//! Keep alive: a client asks a server whether it is there, and takes every byte that comes as a sign of life, also of a packet that is not complete; so offer input as it
//! comes. A server counts packets, as the standard demands.
//!
//! # Messages that wait
//!
//! [`Client::publish`] needs no connection: without one, messages wait for the next, in order and within the limits. ([`SessionState::enqueue`] is the same for a server's client that is
//! away.) A message with a Message Expiry Interval waits no longer than that, and goes out with what is left of it; [`Limits::queued_time_max`] bounds the wait of all.
//!
//! # Connections end, sessions stay
//!
//! What is left to be sent then, the DISCONNECT for one, has [`Limits::close_timeout`] to go out; the rest is dropped, and `poll_transmit` says `Close`. Bytes that it has handed out are the host's. A host
//! whose write is blocked goes on with the clock, and closes the transport without writing them when the connection is overdue ([`Client::is_overdue`], [`Server::is_overdue`]).
//!
//! After `Transmit::Close`, or when the transport is gone, say `handle_closed`; then [`Client::connect`] may be called for the next transport. With `clean_start` off and a
//! `session_expiry_interval`, both ends go on where they were. Otherwise the session ends with the connection; then, or if the server has forgotten ([`Agreed::session_present`] tells), what waits still goes out, at QoS 1 also what was
//! in flight, and subscriptions have to be made again. A 3.1 server can't tell whether it has forgotten: with `clean_start` off such a client goes on
//! ([`Agreed::is_resumed`]), and makes its subscriptions again all the same.
//!
//! What stays is a value, [`SessionState`]. It can be kept in bytes, and taken up by another process on another clock:
//!
//! ```
//! # use mqtt_proto::{QoS, TopicName};
//! use mqtt_session::{Client, ConnectOptions, Instant, Message, SessionState};
//!
//! let mut options = ConnectOptions::new("thermometer-7");
//! options.clean_start = false;
//! options.session_expiry_interval = 3600;
//!
//! let now = Instant::from_micros(1_000_000);
//! let mut client = Client::new(options.clone());
//! let mut message = Message::new(TopicName::new("attic/temperature")?, "21");
//! message.qos = QoS::AtLeastOnce;
//! client.publish(now, &message)?; // There is no connection yet.
//! let bytes = client.session().export(now);
//!
//! let now = Instant::ZERO; // After a restart.
//! let client = Client::with_session(options, SessionState::import(now, &bytes)?);
//! assert_eq!(client.pending(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is promised
//!
//! * *Settlement.* Every publish that was accepted is settled exactly once: by [`Published::Sent`], or by one [`Event::Published`], across reconnects. Its [`Outcome`] says whether the peer has it,
//!   does not have it, or nobody knows. A request is answered, or lost with its connection ([`Event::RequestLost`]).
//! * *Reconnecting.* While both ends keep the session, a message at QoS 1 arrives at least once, and one at QoS 2 is handed out once (with
//!   [`Acknowledge::Manually`], until it has been acknowledged).
//! * *Cancelling.* No verb waits, so none can be left half done. A host that stops in the middle of a turn goes on with the next. [`Client::abandon`] settles all that is left.
//! * *Crashing.* What has not been exported is gone, and an old export repeats what has happened since. To lose and repeat nothing, export after `poll_transmit`
//!   and before the write: what goes out is in it by then. Between [`Event::Received`] and the export, a message may still come twice.
//! * *Determinism.* Same calls, same results, byte for byte; `Client` and `Server` are `Clone + Eq + Hash` values.
//!
//! # Further on
//!
//! * Authentication in several steps: [`ConnectOptions::authentication`], [`Event::Auth`], [`Client::authenticate`], [`Client::reauthenticate`], [`Server::authenticate`], [`Server::approve`].
//! * Questions and answers: [`Message::request`], [`Received::reply`]. Other servers: [`Disconnected::server_references`].
//! * Products that depart from the standard: [`ConnectOptions::dialect`], [`ServerOptions::dialect`], and the example `dialect`.
//! * What of the standard is kept where: `tests/ledger.tsv` has every normative statement of 3.1.1 and 5.0.

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
mod by_packet_id;
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
    Access, AccessRules, Action, AskId, Broker, BrokerCounts, BrokerEvent, BrokerOptions, ConnectionId, Credentials,
    Drops, Matches, NotAsked, OpenError, Policy, Principal, Question, Retained, RetainedFull, RetainedMatches,
    RetainedStore, RuleError, SessionInfo, SubscriptionTree, TreeFull, Verdict,
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
