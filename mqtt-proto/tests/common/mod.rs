//! What several tests share.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part, and the fuzz targets are a crate of their own")]

pub mod golden;
pub mod packets;

/// The fuzz targets' equations, and their packets out of any bytes.
#[path = "../../../fuzz/src/lib.rs"]
pub mod fuzz;

use std::num::{NonZeroU16, NonZeroU32};

use mqtt_proto::{Codec, Property, QoS, Role, SubscriptionId, Text, TopicAlias, TopicName, Version};

/// Both ends of a connection, in every version.
pub fn codecs() -> impl Iterator<Item = Codec> {
    Version::ALL.into_iter().flat_map(|version| [Codec::client(version), Codec::server(version)])
}

/// One end of a connection.
pub fn codec(version: Version, role: Role) -> Codec {
    match role {
        Role::Client => Codec::client(version),
        Role::Server => Codec::server(version),
    }
}

/// Bytes as they are written in this house: hexadecimal, and text in quotes.
pub fn bytes(written: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, part) in written.split('\'').enumerate() {
        if index % 2 == 1 {
            bytes.extend(part.as_bytes());
        } else {
            bytes.extend(part.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect(byte)));
        }
    }
    bytes
}

/// One of each, each with a value that it may have.
pub fn every_property() -> [Property<'static>; 27] {
    let text = Text::new("x").unwrap();
    [
        Property::PayloadFormatIndicator(true),
        Property::MessageExpiryInterval(1),
        Property::ContentType(text),
        Property::ResponseTopic(TopicName::new("r").unwrap()),
        Property::CorrelationData(b"d"),
        Property::SubscriptionIdentifier(SubscriptionId::new(1).unwrap()),
        Property::SessionExpiryInterval(1),
        Property::AssignedClientIdentifier(text),
        Property::ServerKeepAlive(1),
        Property::AuthenticationMethod(text),
        Property::AuthenticationData(b"d"),
        Property::RequestProblemInformation(false),
        Property::WillDelayInterval(1),
        Property::RequestResponseInformation(true),
        Property::ResponseInformation(text),
        Property::ServerReference(text),
        Property::ReasonString(text),
        Property::ReceiveMaximum(NonZeroU16::MIN),
        Property::TopicAliasMaximum(1),
        Property::TopicAlias(TopicAlias::new(1).unwrap()),
        Property::MaximumQos(QoS::AtLeastOnce),
        Property::RetainAvailable(false),
        Property::UserProperty((text, text)),
        Property::MaximumPacketSize(NonZeroU32::MIN),
        Property::WildcardSubscriptionAvailable(false),
        Property::SubscriptionIdentifierAvailable(false),
        Property::SharedSubscriptionAvailable(false),
    ]
}
