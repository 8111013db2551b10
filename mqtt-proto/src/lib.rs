//! MQTT on the wire: bytes to packets and back, for 3.1, 3.1.1 and 5.0.
//!
//! This crate knows bytes. It does not know what came before them: sessions, acknowledgements and timers are the business of `mqtt-session`.
//! It is `no_std` (with `alloc`), has no `unsafe`, and never allocates to decode.
//!
//! # The tour
//!
//! A [`Codec`] says which version we speak, which end we are, and how large a packet we take. It turns bytes into a [`Packet`], which borrows
//! them, and a packet into bytes in a [`TransmitBuf`]:
//!
//! ```
//! use mqtt_proto::{Codec, Packet, Publish, TopicName, TransmitBuf, Version};
//!
//! let client = Codec::client(Version::V5);
//! let server = Codec::server(Version::V5);
//!
//! let mut out = TransmitBuf::new();
//! let hello = Publish::new(TopicName::new("greetings/world")?, b"hello");
//! client.encode(&Packet::Publish(hello), &mut out)?;
//!
//! let bytes: Vec<u8> = out.slices().flatten().copied().collect();
//! let mut input = &bytes[..];
//! let Some(Packet::Publish(publish)) = server.decode(&mut input)? else { panic!() };
//! assert_eq!(publish.topic.unwrap(), "greetings/world");
//! assert_eq!(&publish.payload[..], b"hello");
//! assert!(input.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! * Input that ends inside a packet is no error: [`Codec::decode`] returns `Ok(None)` until the rest is there. A [`Framer`] remembers how
//!   much that is.
//! * Whatever is wrong with input has a [`Cause`], with its reason code and its place in the specification.
//! * Types carry proofs: a [`TopicName`] is a valid topic name, a [`PacketId`] is not zero, a [`Delivery`] has a packet identifier exactly when its QoS
//!   needs one. What remains is checked before the first byte is written.
//! * 5.0's [`Properties`] are one checked range of bytes with typed accessors. Build them in a [`PropertiesBuf`].
//! * To keep a packet beyond its input, put it into a [`PacketBuf`].
//!
//! # Dialects
//!
//! Many products speak "something based on MQTT". A [`Dialect`] in [`Codec::dialect`] says what: protocol names and levels of their own
//! ([`Protocol`]; mosquitto's bridges are [`Dialect::MOSQUITTO_BRIDGE`]), a CONNECT with an opaque body, bytes behind CONNACK, packets of reserved
//! types ([`Opaque`]), and what they get wrong, each by name ([`Leniency`]). Without one, everything is the standard's, and refused otherwise.
//!
//! ```
//! use mqtt_proto::{Codec, Dialect, Packet, Version};
//!
//! let mut server = Codec::server(Version::V3_1_1);
//! server.dialect = Dialect::MOSQUITTO_BRIDGE;
//! let bytes = b"\x10\x0C\0\x04MQTT\x84\x02\0\x3C\0\0";
//! let Some(Packet::Connect(connect)) = server.decode(&mut &bytes[..])? else { panic!() };
//! assert_eq!(connect.protocol.unwrap().level, 0x84);
//! # Ok::<(), mqtt_proto::DecodeError>(())
//! ```
//!
//! A [`Framer`] has to know it, too: [`Framer::for_codec`]. The example `dialect` makes a product up and shows its bytes.
//!
//! # For your tests
//!
//! Two features, both off, make packets of every type in every version, for tests of code that uses this crate. Neither changes what there is
//! without it.
//!
//! * `proptest`: strategies, `mqtt_proto::proptest`, without `std`.
//! * `arbitrary`: implementations of `Arbitrary` for [`PacketBuf`], [`Codec`], [`Text`], and topic names and filters, borrowed and owned. The crate of that name
//!   uses `std`.

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

mod ack;
#[cfg(feature = "arbitrary")]
mod arbitrary;
mod auth;
#[cfg(any(feature = "arbitrary", feature = "proptest"))]
pub mod choices;
mod codec;
mod connack;
mod connect;
mod dialect;
mod disconnect;
mod error;
mod framer;
mod header;
mod list;
mod opaque;
mod packet;
mod packet_buf;
mod property;
#[cfg(feature = "proptest")]
pub mod proptest;
mod publish;
mod publish_buf;
mod qos;
mod reader;
mod reason;
mod subscribe;
mod text;
mod topic;
mod unsubscribe;
mod varint;
mod version;
mod writer;

pub use ack::Ack;
pub use auth::Auth;
pub use codec::Codec;
pub use connack::ConnAck;
pub use connect::{Connect, Will};
pub use dialect::{Dialect, Leniency, Protocol};
pub use disconnect::Disconnect;
pub use error::{Cause, DecodeError, EncodeError};
pub use framer::{Frame, Framer};
pub use header::{PACKET_BYTES_MAX, PacketType};
pub use list::{List, ListIter};
pub use opaque::{Opaque, OpaqueConnect};
pub use packet::{Packet, PacketId};
pub use packet_buf::PacketBuf;
pub use property::{Properties, PropertiesBuf, PropertiesIter, Property, SubscriptionId, TopicAlias};
pub use publish::{Delivery, Payload, Publish};
pub use publish_buf::PublishBuf;
pub use qos::QoS;
pub use reason::ReasonCode;
pub use subscribe::{RetainHandling, SubAck, Subscribe, Subscription, SubscriptionOptions};
pub use text::Text;
pub use topic::{TopicFilter, TopicFilterBuf, TopicName, TopicNameBuf};
pub use unsubscribe::{UnsubAck, Unsubscribe};
pub use varint::VARINT_MAX;
pub use version::{Role, Version};
pub use writer::{SHARED_BYTES_MIN, TransmitBuf};
