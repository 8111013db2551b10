//! rumqttc-next 0.34, the continuation of rumqttc by others.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use rumqttc_next_v3::mqttbytes as mqttbytes4;
use rumqttc_next_v3::mqttbytes::v4;
use rumqttc_next_v5::mqttbytes as mqttbytes5;
use rumqttc_next_v5::mqttbytes::v5;

use super::contestant;
use crate::contestant::{Contestant, Kind, Message, SIX, Seen};

contestant!(V3, "rumqttc-next", v4::Packet, mqttbytes4::Error, 1 << 20, note_v3, publish_v3);
contestant!(V5, "rumqttc-next", v5::Packet, mqttbytes5::Error, Some(1 << 20), note_v5, publish_v5);

fn note_v3(packet: &v4::Packet, seen: &mut Seen) {
    match packet {
        v4::Packet::Publish(publish) => {
            seen.topic(publish.topic.len());
            seen.payload(publish.payload.len());
        }
        v4::Packet::Connect(connect) => {
            seen.topic(connect.client_id.len());
            if let Some(will) = &connect.last_will {
                seen.topic(will.topic.len());
                seen.payload(will.message.len());
            }
        }
        v4::Packet::Subscribe(subscribe) => subscribe.filters.iter().for_each(|filter| seen.topic(filter.path.len())),
        v4::Packet::Unsubscribe(unsubscribe) => unsubscribe.topics.iter().for_each(|filter| seen.topic(filter.len())),
        _ => {}
    }
}

fn note_v5(packet: &v5::Packet, seen: &mut Seen) {
    match packet {
        v5::Packet::Publish(publish) => {
            seen.topic(publish.topic.len());
            seen.payload(publish.payload.len());
            for (name, value) in publish.properties.iter().flat_map(|properties| &properties.user_properties) {
                seen.user_property(name.len(), value.len());
            }
        }
        v5::Packet::Connect(connect, will, _) => {
            seen.topic(connect.client_id.len());
            if let Some(will) = will {
                seen.topic(will.topic.len());
                seen.payload(will.message.len());
            }
            for (name, value) in connect.properties.iter().flat_map(|properties| &properties.user_properties) {
                seen.user_property(name.len(), value.len());
            }
        }
        v5::Packet::Subscribe(subscribe) => subscribe.filters.iter().for_each(|filter| seen.topic(filter.path.len())),
        v5::Packet::Unsubscribe(unsubscribe) => unsubscribe.filters.iter().for_each(|filter| seen.topic(filter.len())),
        _ => {}
    }
}

fn publish_v3(message: &Message) -> v4::Packet {
    let qos = match message.packet_id {
        None => mqttbytes4::QoS::AtMostOnce,
        Some(_) => mqttbytes4::QoS::AtLeastOnce,
    };
    let mut publish = v4::Publish::from_bytes(message.topic, qos, message.payload.clone());
    publish.pkid = message.packet_id.unwrap_or(0);
    v4::Packet::Publish(publish)
}

fn publish_v5(message: &Message) -> v5::Packet {
    let qos = match message.packet_id {
        None => mqttbytes5::QoS::AtMostOnce,
        Some(_) => mqttbytes5::QoS::AtLeastOnce,
    };
    let properties = message.six_properties.then(|| v5::PublishProperties {
        message_expiry_interval: Some(SIX.message_expiry_interval),
        content_type: Some(SIX.content_type.into()),
        response_topic: Some(SIX.response_topic.into()),
        correlation_data: Some(Bytes::copy_from_slice(SIX.correlation_data)),
        user_properties: SIX.user_properties.map(|(name, value)| (name.into(), value.into())).into(),
        ..v5::PublishProperties::default()
    });
    let mut publish = v5::Publish::new(message.topic, qos, message.payload.clone(), properties);
    publish.pkid = message.packet_id.unwrap_or(0);
    v5::Packet::Publish(publish)
}
