//! The async loop around `mqtt-session`, written once, for any runtime.
//!
//! This crate knows futures and wakers, and no runtime: no sockets, no timers, no threads. Those come through the four traits of an adapter
//! ([`Transport`], [`Connector`], [`Clock`], [`Timer`]). To write an application, take such an adapter: `mqtt-tokio`, `mqtt-smol` or
//! `mqtt-async-std`. To bring MQTT to another executor, write one; they are short.
//!
//! # What is in it
//!
//! * [`client`] makes a [`Client`], which is a handle, and a [`Driver`], which is its loop. A publish runs the protocol in the caller's context
//!   and wakes the loop once; the loop writes everything that has gathered since its last turn in one write.
//! * [`Messages`] is the queue of one subscription. QoS 1 and 2 messages are acknowledged when they are taken from it.
//! * [`Options`] say where to connect to and how, and what to do when the connection is lost.
//!
//! # Promises
//!
//! * *Cancel-safe*: any future may be dropped at any await. All changes happen in synchronous functions, so nothing is lost and nothing is stuck.
//! * *No deadlock*: reading never stops for long because an application is slow (a full queue at QoS 0 gets a tenth of a second). A task that takes messages may publish and wait for it.
//! * *Settled once*: each publish, subscribe and unsubscribe ends in exactly one way, across reconnects, and also when the client ends.
//! * Every queue has a bound.

mod desk;
mod driver;
mod error;
mod handle;
mod input;
mod options;
mod publish;
mod random;
mod ready;
mod reconnect;
mod requests;
mod shard;
mod shared;
mod stream;
mod subscribe;
mod transport;
mod url;
mod wake;
mod write;

pub use desk::BrokerHandle;
pub use driver::{Driver, client};
pub use error::{
    ConnectError, Error, HostError, ListenError, PublishError, Retry, SubscribeError, UnsubscribeError, UrlError,
};
pub use handle::{Client, ClientStats};
pub use options::Options;
pub use publish::{Delivery, Payload, Publish, Publishing};
pub use random::random_seed;
pub use reconnect::Reconnect;
pub use shard::{Shard, broker};
pub use stream::{Message, Messages};
pub use subscribe::{Subscribe, Subscribing, Unsubscribing};
pub use transport::{Clock, Connector, Listener, Timer, Transport};

pub use bytes::Bytes;
pub use mqtt_proto::{Properties, PropertiesBuf, Property, QoS, ReasonCode, RetainHandling, Text, TopicName, Version};
pub use mqtt_session::Message as HostMessage;
pub use mqtt_session::{
    Agreed, BrokerCounts, BrokerOptions, ConnectOptions, DisconnectCause, Instant, Limits, Outcome, ServerOptions,
    WhenFull, WillOptions,
};
