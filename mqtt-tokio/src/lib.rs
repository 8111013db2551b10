//! MQTT 5.0, 3.1.1 and 3.1 on tokio: a client and a broker.
//!
//! ```no_run
//! #[tokio::main]
//! async fn main() -> Result<(), mqtt_tokio::Error> {
//!     let client = mqtt_tokio::connect("mqtt://localhost:1883").await?;
//!     let mut greetings = client.subscribe("greetings/#").await?; // SUBACK has arrived
//!     client.publish("greetings/world", "hello").await?; // settled as its QoS promises
//!     while let Some(message) = greetings.next().await {
//!         println!("{} {:?}", message.topic(), message.payload());
//!     }
//!     Ok(())
//! }
//! ```
//!
//! There is no event loop to be polled and no channel to be sized. A task that receives may publish, and wait for it. Any future may be
//! dropped at any time. When the connection is lost the client connects again, subscribes again what the server has forgotten, and goes on with what was not
//! acknowledged.
//!
//! * [`connect`] takes a URL, [`connect_with`] takes [`Options`]; both yield a [`Client`].
//! * [`Client::publish`] sends at QoS 0, unless `.qos(QoS::AtLeastOnce)` or `.qos(QoS::ExactlyOnce)` is put between it and its `.await`.
//! * [`Client::subscribe`] yields [`Messages`].
//! * [`Broker::bind`] starts a broker.
//!
//! All of it is [`mqtt_driver`], which knows no runtime; this crate brings the sockets, the timer and the tasks.

mod broker;
mod client;
mod net;

pub use broker::Broker;
pub use client::{connect, connect_with, start};
pub use mqtt_driver::{
    Agreed, BrokerCounts, BrokerOptions, Bytes, Client, ClientStats, ConnectError, ConnectOptions, Delivery,
    DisconnectCause, Error, HostError, HostMessage, Limits, ListenError, Message, Messages, Options, Outcome, Payload,
    Properties, PropertiesBuf, Property, Publish, PublishError, Publishing, QoS, ReasonCode, Reconnect, RetainHandling,
    Retry, ServerOptions, Subscribe, SubscribeError, Subscribing, Text, TopicName, UnsubscribeError, Unsubscribing,
    UrlError, Version, WhenFull, WillOptions,
};
