//! mqtt5-protocol 0.16, the codec of mqtt5.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use mqtt5_protocol::QoS;
use mqtt5_protocol::packet::publish::PublishPacket;
use mqtt5_protocol::packet::{FixedHeader, MqttPacket, Packet};
use mqtt5_protocol::protocol::v5::properties::{Properties, PropertyId, PropertyValue};

use super::Held;
use crate::contestant::{Contestant, Kind, Message, SIX, Seen};

/// mqtt5-protocol for one version.
pub struct Any {
    level: u8,
    held: Held,
}

impl Any {
    /// For 3.1.1.
    pub fn v3() -> Self {
        Self { level: 4, held: Held::default() }
    }

    /// For 5.0.
    pub fn v5() -> Self {
        Self { level: 5, held: Held::default() }
    }

    fn decode(&self, frame: &mut Bytes) -> Packet {
        let header = FixedHeader::decode(frame).expect("the stream is right");
        Packet::decode_from_body_with_version(header.packet_type, &header, frame, self.level)
            .expect("the stream is right")
    }
}

impl Contestant for Any {
    const NAME: &'static str = "mqtt5-protocol";
    const KIND: Kind = Kind::Peer { owned: true };
    type Packet = Packet;
    type Output = BytesMut;

    fn receive(&mut self, read: &[u8], seen: &mut Seen) {
        self.held.put(read);
        while let Some(mut frame) = self.held.next() {
            note(black_box(&self.decode(&mut frame)), seen);
        }
    }

    fn packet(&mut self, wire: &'static [u8]) -> Option<Packet> {
        Some(self.decode(&mut Bytes::from_static(wire)))
    }

    fn encode(&mut self, packet: &Packet, out: &mut BytesMut) {
        match packet {
            Packet::Publish(packet) => packet.encode(out),
            Packet::PubAck(packet) => packet.encode(out),
            Packet::Connect(packet) => packet.encode(out),
            Packet::Subscribe(packet) => packet.encode(out),
            other => panic!("there is no case that encodes {other:?}"),
        }
        .expect("the packet is right");
    }

    fn publish(&mut self, message: &Message, out: &mut BytesMut) -> bool {
        let qos = if message.packet_id.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        let payload = message.payload.clone();
        let mut packet = match self.level {
            4 => PublishPacket::new_v311(message.topic, payload, qos),
            _ => PublishPacket::new(message.topic, payload, qos),
        };
        packet.packet_id = message.packet_id;
        if message.six_properties {
            packet = packet
                .with_message_expiry_interval(SIX.message_expiry_interval)
                .with_content_type(SIX.content_type.into())
                .with_response_topic(SIX.response_topic.into())
                .with_correlation_data(SIX.correlation_data.into());
            for (name, value) in SIX.user_properties {
                packet = packet.with_user_property(name.into(), value.into());
            }
        }
        packet.encode(out).expect("the packet is right");
        true
    }
}

fn note(packet: &Packet, seen: &mut Seen) {
    seen.packet();
    match packet {
        Packet::Publish(publish) => {
            seen.topic(publish.topic_name.len());
            seen.payload(publish.payload.len());
            note_properties(&publish.properties, seen);
        }
        Packet::Connect(connect) => {
            seen.topic(connect.client_id.len());
            if let Some(will) = &connect.will {
                seen.topic(will.topic.len());
                seen.payload(will.payload.len());
            }
            note_properties(&connect.properties, seen);
        }
        Packet::Subscribe(subscribe) => {
            subscribe.filters.iter().for_each(|filter| seen.topic(filter.filter.len()));
        }
        Packet::Unsubscribe(unsubscribe) => unsubscribe.filters.iter().for_each(|filter| seen.topic(filter.len())),
        _ => {}
    }
}

fn note_properties(properties: &Properties, seen: &mut Seen) {
    for value in properties.get_all(PropertyId::UserProperty).unwrap_or_default() {
        if let PropertyValue::Utf8StringPair(name, value) = value {
            seen.user_property(name.len(), value.len());
        }
    }
}
