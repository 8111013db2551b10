//! flowsdk 0.7: its parser, with all that it checks by default; it appends to a buffer that is reused.

use std::hint::black_box;

use flowsdk::mqtt_serde::control_packet::{MqttControlPacket, MqttPacket};
use flowsdk::mqtt_serde::mqttv5::Property;
use flowsdk::mqtt_serde::parser::stream::MqttParser;
use flowsdk::mqtt_serde::{mqttv3, mqttv5};

use crate::contestant::{Contestant, Kind, Message, SIX, Seen};

/// flowsdk for one version.
pub struct Any {
    level: u8,
    parser: MqttParser,
}

impl Any {
    /// For 3.1.1.
    pub fn v3() -> Self {
        Self::new(4)
    }

    /// For 5.0.
    pub fn v5() -> Self {
        Self::new(5)
    }

    fn new(level: u8) -> Self {
        Self { level, parser: MqttParser::new(64 * 1024, level) }
    }
}

impl Contestant for Any {
    const NAME: &'static str = "flowsdk";
    const KIND: Kind = Kind::Peer { owned: true };
    type Packet = MqttPacket;
    type Output = Vec<u8>;

    fn receive(&mut self, read: &[u8], seen: &mut Seen) {
        self.parser.feed(read);
        while let Ok(Some(packet)) = &self.parser.next_packet() {
            note(black_box(packet), seen);
        }
    }

    fn packet(&mut self, wire: &'static [u8]) -> Option<MqttPacket> {
        let mut parser = MqttParser::new(wire.len(), self.level);
        parser.feed(wire);
        parser.next_packet().expect("the packet is right")
    }

    fn encode(&mut self, packet: &MqttPacket, out: &mut Vec<u8>) {
        match packet {
            MqttPacket::Publish3(packet) => packet.encode_to_buffer(out),
            MqttPacket::PubAck3(packet) => packet.encode_to_buffer(out),
            MqttPacket::Connect3(packet) => packet.encode_to_buffer(out),
            MqttPacket::Subscribe3(packet) => packet.encode_to_buffer(out),
            MqttPacket::Publish5(packet) => packet.encode_to_buffer(out),
            MqttPacket::PubAck5(packet) => packet.encode_to_buffer(out),
            MqttPacket::Connect5(packet) => packet.encode_to_buffer(out),
            MqttPacket::Subscribe5(packet) => packet.encode_to_buffer(out),
            other => panic!("there is no case that encodes {other:?}"),
        }
        .expect("the packet is right");
    }

    fn publish(&mut self, message: &Message, out: &mut Vec<u8>) -> bool {
        let (topic, payload) = (message.topic.to_owned(), message.payload.to_vec());
        let qos = u8::from(message.packet_id.is_some());
        if self.level == 4 {
            mqttv3::publish::MqttPublish::new(topic, qos, payload, message.packet_id, false, false)
                .encode_to_buffer(out)
        } else {
            let properties = if message.six_properties { six() } else { Vec::new() };
            let id = message.packet_id;
            mqttv5::publish::MqttPublish::new_with_prop(qos, topic, id, payload, false, false, properties)
                .encode_to_buffer(out)
        }
        .expect("the packet is right");
        true
    }
}

fn six() -> Vec<Property> {
    let mut properties = vec![
        Property::MessageExpiryInterval(SIX.message_expiry_interval),
        Property::ContentType(SIX.content_type.into()),
        Property::ResponseTopic(SIX.response_topic.into()),
        Property::CorrelationData(SIX.correlation_data.into()),
    ];
    let pair = |(name, value): (&str, &str)| Property::UserProperty(name.into(), value.into());
    properties.extend(SIX.user_properties.map(pair));
    properties
}

fn note(packet: &MqttPacket, seen: &mut Seen) {
    seen.packet();
    match packet {
        MqttPacket::Publish3(publish) => {
            seen.topic(publish.topic_name.len());
            seen.payload(publish.payload.len());
        }
        MqttPacket::Publish5(publish) => {
            seen.topic(publish.topic_name.len());
            seen.payload(publish.payload.len());
            note_properties(&publish.properties, seen);
        }
        MqttPacket::Connect3(connect) => {
            seen.topic(connect.client_id.len());
            if let Some(will) = &connect.will {
                seen.topic(will.topic.len());
                seen.payload(will.message.len());
            }
        }
        MqttPacket::Connect5(connect) => {
            seen.topic(connect.client_id.len());
            if let Some(will) = &connect.will {
                seen.topic(will.will_topic.len());
                seen.payload(will.will_message.len());
            }
            note_properties(&connect.properties, seen);
        }
        MqttPacket::Subscribe3(subscribe) => {
            subscribe.subscriptions.iter().for_each(|subscription| seen.topic(subscription.topic_filter.len()));
        }
        MqttPacket::Subscribe5(subscribe) => {
            subscribe.subscriptions.iter().for_each(|subscription| seen.topic(subscription.topic_filter.len()));
        }
        MqttPacket::Unsubscribe3(unsubscribe) => {
            unsubscribe.topic_filters.iter().for_each(|filter| seen.topic(filter.len()));
        }
        MqttPacket::Unsubscribe5(unsubscribe) => {
            unsubscribe.topic_filters.iter().for_each(|filter| seen.topic(filter.len()));
        }
        _ => {}
    }
}

fn note_properties(properties: &[Property], seen: &mut Seen) {
    for property in properties {
        if let Property::UserProperty(name, value) = property {
            seen.user_property(name.len(), value.len());
        }
    }
}
