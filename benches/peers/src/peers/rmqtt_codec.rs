//! rmqtt-codec 0.3, the codec of RMQTT. It encodes packets by value, so each one is cloned first.

use std::hint::black_box;
use std::num::{NonZeroU16, NonZeroU32};

use bytes::{Bytes, BytesMut};
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::{v3, v5};
use tokio_util::codec::{Decoder, Encoder};

use crate::contestant::{Contestant, Kind, Message, SIX, Seen};

/// rmqtt-codec for 3.1.1.
pub struct V3 {
    codec: v3::Codec,
    held: BytesMut,
}

impl Default for V3 {
    fn default() -> Self {
        Self { codec: v3::Codec::new(1 << 20), held: BytesMut::new() }
    }
}

impl Contestant for V3 {
    const NAME: &'static str = "rmqtt-codec";
    const KIND: Kind = Kind::Peer { owned: true };
    type Packet = v3::Packet;
    type Output = BytesMut;

    fn receive(&mut self, read: &[u8], seen: &mut Seen) {
        self.held.extend_from_slice(read);
        while let Ok(Some((packet, _))) = &self.codec.decode(&mut self.held) {
            seen.packet();
            match black_box(packet) {
                v3::Packet::Publish(publish) => note_publish(publish, seen),
                v3::Packet::Connect(connect) => {
                    seen.topic(connect.client_id.len());
                    if let Some(will) = &connect.last_will {
                        seen.topic(will.topic.len());
                        seen.payload(will.message.len());
                    }
                }
                v3::Packet::Subscribe { topic_filters, .. } => {
                    topic_filters.iter().for_each(|(filter, _)| seen.topic(filter.len()));
                }
                v3::Packet::Unsubscribe { topic_filters, .. } => {
                    topic_filters.iter().for_each(|filter| seen.topic(filter.len()));
                }
                _ => {}
            }
        }
    }

    fn packet(&mut self, wire: &'static [u8]) -> Option<v3::Packet> {
        let decoded = v3::Codec::new(1 << 20).decode(&mut BytesMut::from(wire));
        decoded.expect("the packet is right").map(|(packet, _)| packet)
    }

    fn encode(&mut self, packet: &v3::Packet, out: &mut BytesMut) {
        self.codec.encode(packet.clone(), out).expect("the packet is right");
    }

    fn publish(&mut self, message: &Message, out: &mut BytesMut) -> bool {
        let packet = v3::Packet::Publish(Box::new(publish(message, None)));
        self.codec.encode(packet, out).expect("the packet is right");
        true
    }
}

/// rmqtt-codec for 5.0.
pub struct V5 {
    codec: v5::Codec,
    held: BytesMut,
}

impl Default for V5 {
    fn default() -> Self {
        Self { codec: v5::Codec::new(1 << 20, 1 << 20), held: BytesMut::new() }
    }
}

impl Contestant for V5 {
    const NAME: &'static str = "rmqtt-codec";
    const KIND: Kind = Kind::Peer { owned: true };
    type Packet = v5::Packet;
    type Output = BytesMut;

    fn receive(&mut self, read: &[u8], seen: &mut Seen) {
        self.held.extend_from_slice(read);
        while let Ok(Some((packet, _))) = &self.codec.decode(&mut self.held) {
            seen.packet();
            match black_box(packet) {
                v5::Packet::Publish(publish) => note_publish(publish, seen),
                v5::Packet::Connect(connect) => {
                    seen.topic(connect.client_id.len());
                    if let Some(will) = &connect.last_will {
                        seen.topic(will.topic.len());
                        seen.payload(will.message.len());
                    }
                    for (name, value) in &connect.user_properties {
                        seen.user_property(name.len(), value.len());
                    }
                }
                v5::Packet::Subscribe(subscribe) => {
                    subscribe.topic_filters.iter().for_each(|(filter, _)| seen.topic(filter.len()));
                }
                v5::Packet::Unsubscribe(unsubscribe) => {
                    unsubscribe.topic_filters.iter().for_each(|filter| seen.topic(filter.len()));
                }
                _ => {}
            }
        }
    }

    fn packet(&mut self, wire: &'static [u8]) -> Option<v5::Packet> {
        let decoded = v5::Codec::new(1 << 20, 1 << 20).decode(&mut BytesMut::from(wire));
        decoded.expect("the packet is right").map(|(packet, _)| packet)
    }

    fn encode(&mut self, packet: &v5::Packet, out: &mut BytesMut) {
        self.codec.encode(packet.clone(), out).expect("the packet is right");
    }

    fn publish(&mut self, message: &Message, out: &mut BytesMut) -> bool {
        let mut properties = v5::PublishProperties::default();
        if message.six_properties {
            properties.message_expiry_interval = NonZeroU32::new(SIX.message_expiry_interval);
            properties.content_type = Some(SIX.content_type.into());
            properties.response_topic = Some(SIX.response_topic.into());
            properties.correlation_data = Some(Bytes::copy_from_slice(SIX.correlation_data));
            properties.user_properties = SIX.user_properties.map(|(name, value)| (name.into(), value.into())).into();
        }
        let packet = v5::Packet::Publish(Box::new(publish(message, Some(properties))));
        self.codec.encode(packet, out).expect("the packet is right");
        true
    }
}

fn note_publish(publish: &Publish, seen: &mut Seen) {
    seen.topic(publish.topic.len());
    seen.payload(publish.payload.len());
    for (name, value) in publish.properties.iter().flat_map(|properties| &properties.user_properties) {
        seen.user_property(name.len(), value.len());
    }
}

fn publish(message: &Message, properties: Option<v5::PublishProperties>) -> Publish {
    Publish {
        dup: false,
        retain: false,
        qos: if message.packet_id.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce },
        topic: message.topic.into(),
        packet_id: message.packet_id.and_then(NonZeroU16::new),
        payload: message.payload.clone(),
        properties,
    }
}
