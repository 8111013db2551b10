//! mqtt-proto 0.4, which has the name of our codec and nothing else of it. It returns a new buffer for each packet.

use std::hint::black_box;

use bytes::Bytes;
use mqtt_proto_peer::{Pid, QosPid, TopicName, VarBytes, v3, v5};

use super::Held;
use crate::contestant::{Contestant, Kind, Message, Output, SIX, Seen};

/// mqtt-proto 0.4 for 3.1.1.
#[derive(Default)]
pub struct V3 {
    held: Held,
}

impl Contestant for V3 {
    const NAME: &'static str = "mqtt-proto 0.4";
    const KIND: Kind = Kind::Peer { owned: true };
    type Packet = v3::Packet;
    type Output = Last;

    fn receive(&mut self, read: &[u8], seen: &mut Seen) {
        self.held.put(read);
        self.held.each(|frame| {
            let Ok(Some(packet)) = &v3::Packet::decode(frame) else { panic!("the stream is right") };
            seen.packet();
            match black_box(packet) {
                v3::Packet::Publish(publish) => {
                    seen.topic(publish.topic_name.len());
                    seen.payload(publish.payload.len());
                }
                v3::Packet::Connect(connect) => {
                    seen.topic(connect.client_id.len());
                    if let Some(will) = &connect.last_will {
                        seen.topic(will.topic_name.len());
                        seen.payload(will.message.len());
                    }
                }
                v3::Packet::Subscribe(subscribe) => {
                    subscribe.topics.iter().for_each(|(filter, _)| seen.topic(filter.len()));
                }
                v3::Packet::Unsubscribe(unsubscribe) => {
                    unsubscribe.topics.iter().for_each(|filter| seen.topic(filter.len()));
                }
                _ => {}
            }
        });
    }

    fn packet(&mut self, wire: &'static [u8]) -> Option<v3::Packet> {
        v3::Packet::decode(wire).expect("the packet is right")
    }

    fn encode(&mut self, packet: &v3::Packet, out: &mut Last) {
        out.0 = Some(packet.encode().expect("the packet is right"));
    }

    fn publish(&mut self, message: &Message, out: &mut Last) -> bool {
        let topic = TopicName::try_from(message.topic).expect("it is a name");
        let publish = v3::Publish::new(qos_pid(message), topic, message.payload.clone());
        out.0 = Some(v3::Packet::Publish(publish).encode().expect("the packet is right"));
        true
    }
}

/// mqtt-proto 0.4 for 5.0.
#[derive(Default)]
pub struct V5 {
    held: Held,
}

impl Contestant for V5 {
    const NAME: &'static str = "mqtt-proto 0.4";
    const KIND: Kind = Kind::Peer { owned: true };
    type Packet = v5::Packet;
    type Output = Last;

    fn receive(&mut self, read: &[u8], seen: &mut Seen) {
        self.held.put(read);
        self.held.each(|frame| {
            let Ok(Some(packet)) = &v5::Packet::decode(frame) else { panic!("the stream is right") };
            seen.packet();
            match black_box(packet) {
                v5::Packet::Publish(publish) => {
                    seen.topic(publish.topic_name.len());
                    seen.payload(publish.payload.len());
                    for property in &publish.properties.user_properties {
                        seen.user_property(property.name.len(), property.value.len());
                    }
                }
                v5::Packet::Connect(connect) => {
                    seen.topic(connect.client_id.len());
                    if let Some(will) = &connect.last_will {
                        seen.topic(will.topic_name.len());
                        seen.payload(will.payload.len());
                    }
                    for property in &connect.properties.user_properties {
                        seen.user_property(property.name.len(), property.value.len());
                    }
                }
                v5::Packet::Subscribe(subscribe) => {
                    subscribe.topics.iter().for_each(|(filter, _)| seen.topic(filter.len()));
                }
                v5::Packet::Unsubscribe(unsubscribe) => {
                    unsubscribe.topics.iter().for_each(|filter| seen.topic(filter.len()));
                }
                _ => {}
            }
        });
    }

    fn packet(&mut self, wire: &'static [u8]) -> Option<v5::Packet> {
        v5::Packet::decode(wire).expect("the packet is right")
    }

    fn encode(&mut self, packet: &v5::Packet, out: &mut Last) {
        out.0 = Some(packet.encode().expect("the packet is right"));
    }

    fn publish(&mut self, message: &Message, out: &mut Last) -> bool {
        let topic = TopicName::try_from(message.topic).expect("it is a name");
        let mut publish = v5::Publish::new(qos_pid(message), topic, message.payload.clone());
        if message.six_properties {
            let properties = &mut publish.properties;
            properties.message_expiry_interval = Some(SIX.message_expiry_interval);
            properties.content_type = Some(SIX.content_type.into());
            properties.response_topic = Some(TopicName::try_from(SIX.response_topic).expect("it is a name"));
            properties.correlation_data = Some(Bytes::copy_from_slice(SIX.correlation_data));
            let pair = |(name, value): (&str, &str)| v5::UserProperty { name: name.into(), value: value.into() };
            properties.user_properties = SIX.user_properties.map(pair).into();
        }
        out.0 = Some(v5::Packet::Publish(publish).encode().expect("the packet is right"));
        true
    }
}

/// What it returned last.
#[derive(Default)]
pub struct Last(Option<VarBytes>);

impl Output for Last {
    fn clear(&mut self) {
        self.0 = None;
    }

    fn flat(&self) -> Vec<u8> {
        self.0.as_ref().map_or(&[][..], AsRef::as_ref).to_vec()
    }

    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |bytes| bytes.as_ref().len())
    }
}

fn qos_pid(message: &Message) -> QosPid {
    match message.packet_id {
        None => QosPid::Level0,
        Some(id) => QosPid::Level1(Pid::try_from(id).expect("it is not zero")),
    }
}
