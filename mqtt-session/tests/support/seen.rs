//! PUBLISH packets as they are on the wire.

use mqtt_proto::{Codec, Packet, QoS};

/// What a test may want to know about one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) topic: Option<String>,
    pub(crate) alias: Option<u16>,
    pub(crate) interval: Option<u32>,
    pub(crate) payload: String,
    pub(crate) qos: QoS,
    pub(crate) dup: bool,
}

/// All in `bytes`, as `codec` decodes them.
pub(crate) fn publishes(codec: Codec, mut bytes: &[u8]) -> Vec<Seen> {
    let mut all = Vec::new();
    while let Some(packet) = codec.decode(&mut bytes).unwrap() {
        if let Packet::Publish(publish) = packet {
            all.push(Seen {
                topic: publish.topic.map(|topic| topic.as_str().to_owned()),
                alias: publish.properties.topic_alias().map(|alias| alias.get()),
                interval: publish.properties.message_expiry_interval(),
                payload: String::from_utf8(publish.payload.to_vec()).unwrap(),
                qos: publish.delivery.qos(),
                dup: publish.delivery.dup(),
            });
        }
    }
    all
}

/// Payloads, each with its Message Expiry Interval.
pub(crate) fn intervals(seen: &[Seen]) -> Vec<(&str, Option<u32>)> {
    seen.iter().map(|seen| (seen.payload.as_str(), seen.interval)).collect()
}
