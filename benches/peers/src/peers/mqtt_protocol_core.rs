//! mqtt-protocol-core 0.7: the packets of its connection, without the connection. It returns a new buffer for each packet.

use std::hint::black_box;

use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{PacketBuildResult, PacketBuilder, PacketData, RawPacket};
use mqtt_protocol_core::mqtt::packet::{
    ContentType, CorrelationData, GenericPacketTrait, MessageExpiryInterval, Packet, Property, Qos, ResponseTopic,
    SubEntry, UserProperty, v3_1_1, v5_0,
};
use mqtt_protocol_core::mqtt::result_code::MqttError;

use crate::contestant::{Contestant, Kind, Message, SIX, Seen};

/// mqtt-protocol-core for one version.
pub struct Any {
    parse: fn(RawPacket) -> Result<Packet, MqttError>,
    publish: fn(&Message) -> Result<Vec<u8>, MqttError>,
    builder: PacketBuilder,
    held: Vec<u8>,
}

impl Any {
    /// For 3.1.1.
    pub fn v3() -> Self {
        Self { parse: parse_v3, publish: publish_v3, builder: PacketBuilder::new(), held: Vec::new() }
    }

    /// For 5.0.
    pub fn v5() -> Self {
        Self { parse: parse_v5, publish: publish_v5, builder: PacketBuilder::new(), held: Vec::new() }
    }
}

impl Contestant for Any {
    const NAME: &'static str = "mqtt-protocol-core";
    const KIND: Kind = Kind::Peer { owned: true };
    type Packet = Packet;
    type Output = Vec<u8>;

    fn receive(&mut self, read: &[u8], seen: &mut Seen) {
        // Its builder keeps what is unfinished.
        self.held.clear();
        self.held.extend_from_slice(read);
        let mut input = Cursor::new(&self.held[..]);
        while let Some(raw) = complete(self.builder.feed(&mut input)) {
            let Ok(packet) = &(self.parse)(raw) else { panic!("the stream is right") };
            note(black_box(packet), seen);
        }
    }

    fn packet(&mut self, wire: &'static [u8]) -> Option<Packet> {
        let raw = complete(PacketBuilder::new().feed(&mut Cursor::new(wire)))?;
        Some((self.parse)(raw).expect("the packet is right"))
    }

    fn encode(&mut self, packet: &Packet, out: &mut Vec<u8>) {
        *out = packet.to_continuous_buffer();
    }

    fn publish(&mut self, message: &Message, out: &mut Vec<u8>) -> bool {
        *out = (self.publish)(message).expect("the packet is right");
        true
    }
}

fn complete(result: PacketBuildResult) -> Option<RawPacket> {
    match result {
        PacketBuildResult::Complete(raw) => Some(raw),
        PacketBuildResult::Incomplete => None,
        PacketBuildResult::Error(error) => panic!("{error:?}"),
    }
}

fn parse_v3(raw: RawPacket) -> Result<Packet, MqttError> {
    let flags = raw.flags();
    Ok(match raw.packet_type() {
        1 => raw.parse_exact(v3_1_1::Connect::parse)?.into(),
        3 => match raw.data {
            PacketData::Publish(data) => v3_1_1::Publish::parse(flags, data)?.0.into(),
            PacketData::Normal(_) => return Err(MqttError::MalformedPacket),
        },
        4 => raw.parse_exact(v3_1_1::Puback::parse)?.into(),
        5 => raw.parse_exact(v3_1_1::Pubrec::parse)?.into(),
        6 => raw.parse_exact(v3_1_1::Pubrel::parse)?.into(),
        7 => raw.parse_exact(v3_1_1::Pubcomp::parse)?.into(),
        8 => raw.parse_exact(v3_1_1::Subscribe::parse)?.into(),
        10 => raw.parse_exact(v3_1_1::Unsubscribe::parse)?.into(),
        12 => raw.parse_exact(v3_1_1::Pingreq::parse)?.into(),
        _ => return Err(MqttError::MalformedPacket),
    })
}

fn parse_v5(raw: RawPacket) -> Result<Packet, MqttError> {
    let flags = raw.flags();
    Ok(match raw.packet_type() {
        1 => raw.parse_exact(v5_0::Connect::parse)?.into(),
        3 => match raw.data {
            PacketData::Publish(data) => v5_0::Publish::parse(flags, data)?.0.into(),
            PacketData::Normal(_) => return Err(MqttError::MalformedPacket),
        },
        4 => raw.parse_exact(v5_0::Puback::parse)?.into(),
        5 => raw.parse_exact(v5_0::Pubrec::parse)?.into(),
        6 => raw.parse_exact(v5_0::Pubrel::parse)?.into(),
        7 => raw.parse_exact(v5_0::Pubcomp::parse)?.into(),
        8 => raw.parse_exact(v5_0::Subscribe::parse)?.into(),
        10 => raw.parse_exact(v5_0::Unsubscribe::parse)?.into(),
        12 => raw.parse_exact(v5_0::Pingreq::parse)?.into(),
        _ => return Err(MqttError::MalformedPacket),
    })
}

fn publish_v3(message: &Message) -> Result<Vec<u8>, MqttError> {
    let builder = v3_1_1::Publish::builder().topic_name(message.topic)?.payload(&message.payload[..]);
    let builder = match message.packet_id {
        None => builder.qos(Qos::AtMostOnce),
        Some(id) => builder.qos(Qos::AtLeastOnce).packet_id(id),
    };
    Ok(builder.build()?.to_continuous_buffer())
}

fn publish_v5(message: &Message) -> Result<Vec<u8>, MqttError> {
    let mut builder = v5_0::Publish::builder().topic_name(message.topic)?.payload(&message.payload[..]);
    if message.six_properties {
        builder = builder.props(six()?);
    }
    let builder = match message.packet_id {
        None => builder.qos(Qos::AtMostOnce),
        Some(id) => builder.qos(Qos::AtLeastOnce).packet_id(id),
    };
    Ok(builder.build()?.to_continuous_buffer())
}

fn six() -> Result<Vec<Property>, MqttError> {
    let mut properties: Vec<Property> = vec![
        MessageExpiryInterval::new(SIX.message_expiry_interval)?.into(),
        ContentType::new(SIX.content_type)?.into(),
        ResponseTopic::new(SIX.response_topic)?.into(),
        CorrelationData::new(SIX.correlation_data.to_vec())?.into(),
    ];
    for (name, value) in SIX.user_properties {
        properties.push(UserProperty::new(name, value)?.into());
    }
    Ok(properties)
}

fn note(packet: &Packet, seen: &mut Seen) {
    seen.packet();
    match packet {
        Packet::V3_1_1Publish(publish) => {
            seen.topic(publish.topic_name().len());
            seen.payload(publish.payload().len());
        }
        Packet::V5_0Publish(publish) => {
            seen.topic(publish.topic_name().len());
            seen.payload(publish.payload().len());
            note_properties(publish.props(), seen);
        }
        Packet::V3_1_1Connect(connect) => {
            seen.topic(connect.client_id().len());
            seen.topic(connect.will_topic().map_or(0, str::len));
            seen.payload(connect.will_payload().map_or(0, <[u8]>::len));
        }
        Packet::V5_0Connect(connect) => {
            seen.topic(connect.client_id().len());
            seen.topic(connect.will_topic().map_or(0, str::len));
            seen.payload(connect.will_payload().map_or(0, <[u8]>::len));
            note_properties(connect.props(), seen);
        }
        Packet::V3_1_1Subscribe(subscribe) => note_entries(subscribe.entries(), seen),
        Packet::V5_0Subscribe(subscribe) => note_entries(subscribe.entries(), seen),
        Packet::V3_1_1Unsubscribe(unsubscribe) => {
            unsubscribe.entries().iter().for_each(|filter| seen.topic(filter.len()));
        }
        Packet::V5_0Unsubscribe(unsubscribe) => {
            unsubscribe.entries().iter().for_each(|filter| seen.topic(filter.len()));
        }
        _ => {}
    }
}

fn note_entries(entries: &[SubEntry], seen: &mut Seen) {
    entries.iter().for_each(|entry| seen.topic(entry.topic_filter().len()));
}

fn note_properties(properties: &[Property], seen: &mut Seen) {
    for property in properties {
        if let Property::UserProperty(property) = property {
            seen.user_property(property.key().len(), property.val().len());
        }
    }
}
