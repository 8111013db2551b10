//! This project: borrowed packets, and two ways to keep them.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use mqtt_proto::{
    Codec, Delivery, Framer, Packet, PacketBuf, PacketId, PacketType, Payload, PropertiesBuf, Property, Publish,
    PublishBuf, Subscribe, Text, TopicName, TransmitBuf, Version,
};

use crate::contestant::{Contestant, Kind, Message, SIX, Seen};

/// Packets borrow the receive buffer.
pub struct View {
    ends: Ends,
    framer: Framer,
    held: Vec<u8>,
}

impl View {
    /// For one version.
    pub fn new(version: Version) -> Self {
        let ends = Ends::new(version);
        Self { framer: Framer::new(ends.server.packet_bytes_max), ends, held: Vec::new() }
    }

    /// Decodes what is complete. Apart from `receive`, which has next to nothing to do for a read of one byte.
    #[inline(never)]
    fn take(&mut self, seen: &mut Seen) {
        let mut input = &self.held[..];
        while let Some(frame) = self.framer.next(&mut input).expect("the stream is right") {
            match &self.ends.server.decode_frame(&frame) {
                Ok(packet) => note(black_box(packet), seen),
                Err(error) => panic!("{error}"),
            }
        }
        let taken = self.held.len() - input.len();
        if taken > 0 {
            self.held.drain(..taken);
        }
    }
}

impl Contestant for View {
    const NAME: &'static str = "ours";
    const KIND: Kind = Kind::Ours { owned: false };
    type Packet = Packet<'static>;
    type Output = TransmitBuf;

    fn receive(&mut self, read: &[u8], seen: &mut Seen) {
        self.held.extend_from_slice(read);
        if !self.framer.is_waiting(self.held.len()) {
            self.take(seen);
        }
    }

    fn packet(&mut self, mut wire: &'static [u8]) -> Option<Self::Packet> {
        let packet = self.ends.server.decode(&mut wire).expect("the packet is right")?;
        let Packet::Subscribe(subscribe) = packet else { return Some(packet) };
        // As an application has it: a slice, not what was decoded.
        let subscriptions = subscribe.subscriptions.iter().collect::<Vec<_>>().leak();
        Some(Packet::Subscribe(Subscribe { subscriptions: (&*subscriptions).into(), ..subscribe }))
    }

    fn encode(&mut self, packet: &Self::Packet, out: &mut TransmitBuf) {
        self.ends.client.encode(packet, out).expect("the packet is right");
    }

    fn publish(&mut self, message: &Message, out: &mut TransmitBuf) -> bool {
        self.ends.publish(message, Payload::from(&message.payload[..]), out);
        true
    }
}

/// Each packet is copied into an allocation of its own size: what one keeps for long.
pub struct Copied {
    ends: Ends,
    framer: Framer,
    held: Vec<u8>,
}

impl Copied {
    /// For one version.
    pub fn new(version: Version) -> Self {
        let ends = Ends::new(version);
        Self { framer: Framer::new(ends.server.packet_bytes_max), ends, held: Vec::new() }
    }
}

impl Contestant for Copied {
    const NAME: &'static str = "ours, copied";
    const KIND: Kind = Kind::Ours { owned: true };
    type Packet = ();
    type Output = TransmitBuf;

    fn receive(&mut self, read: &[u8], seen: &mut Seen) {
        self.held.extend_from_slice(read);
        let mut input = &self.held[..];
        while let Some(frame) = self.framer.next(&mut input).expect("the stream is right") {
            if frame.packet_type() == PacketType::Publish {
                let Ok(Packet::Publish(publish)) = &self.ends.server.decode_frame(&frame) else {
                    panic!("the stream is right");
                };
                let topic = publish.topic.expect("nobody uses aliases here");
                let kept = PublishBuf::new(topic, publish);
                note(&Packet::Publish(black_box(&kept).publish(publish.delivery)), seen);
            } else {
                let kept = PacketBuf::copy(self.ends.server, &frame).expect("the stream is right");
                note(&black_box(kept).packet(), seen);
            }
        }
        let taken = self.held.len() - input.len();
        if taken > 0 {
            self.held.drain(..taken);
        }
    }

    fn packet(&mut self, _: &'static [u8]) -> Option<()> {
        None
    }

    fn encode(&mut self, (): &(), _: &mut TransmitBuf) {}

    fn publish(&mut self, _: &Message, _: &mut TransmitBuf) -> bool {
        false
    }
}

/// Packets share the receive buffer by reference count, as most peers do it; large payloads leave by reference, too.
pub struct Shared {
    ends: Ends,
    framer: Framer,
    held: BytesMut,
}

impl Shared {
    /// For one version.
    pub fn new(version: Version) -> Self {
        let ends = Ends::new(version);
        Self { framer: Framer::new(ends.server.packet_bytes_max), ends, held: BytesMut::new() }
    }
}

impl Contestant for Shared {
    const NAME: &'static str = "ours, shared";
    const KIND: Kind = Kind::Ours { owned: true };
    type Packet = (PublishBuf, Delivery);
    type Output = TransmitBuf;

    fn receive(&mut self, read: &[u8], seen: &mut Seen) {
        self.held.extend_from_slice(read);
        while let Some(frame) = self.framer.next(&mut &self.held[..]).expect("the stream is right") {
            let len = frame.as_bytes().len();
            let bytes = self.held.split_to(len).freeze();
            match &PacketBuf::new(self.ends.server, bytes) {
                Ok(kept) => note(&black_box(kept).packet(), seen),
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn packet(&mut self, mut wire: &'static [u8]) -> Option<Self::Packet> {
        let Packet::Publish(publish) = self.ends.server.decode(&mut wire).expect("the packet is right")? else {
            return None;
        };
        let payload = Bytes::from_static(publish.payload.as_slice());
        let publish = Publish { payload: Payload::from(&payload), ..publish };
        Some((PublishBuf::new(publish.topic?, &publish), publish.delivery))
    }

    fn encode(&mut self, (kept, delivery): &Self::Packet, out: &mut TransmitBuf) {
        let packet = Packet::Publish(kept.publish(*delivery));
        self.ends.client.encode(&packet, out).expect("the packet is right");
    }

    fn publish(&mut self, message: &Message, out: &mut TransmitBuf) -> bool {
        self.ends.publish(message, Payload::from(&message.payload), out);
        true
    }
}

/// A server that decodes and a client that encodes: a codec takes only what the other end may send.
struct Ends {
    server: Codec,
    client: Codec,
    /// Reused, as the output is.
    properties: PropertiesBuf,
}

impl Ends {
    fn new(version: Version) -> Self {
        Self { server: Codec::server(version), client: Codec::client(version), properties: PropertiesBuf::new() }
    }

    fn publish(&mut self, message: &Message, payload: Payload<'_>, out: &mut TransmitBuf) {
        let topic = TopicName::new(message.topic).expect("it is a name");
        self.properties.clear();
        if message.six_properties {
            put_six(&mut self.properties);
        }
        let delivery = match message.packet_id {
            None => Delivery::AtMostOnce,
            Some(id) => Delivery::AtLeastOnce { packet_id: PacketId::new(id).expect("it is not zero"), dup: false },
        };
        let publish = Publish { delivery, properties: self.properties.as_properties(), ..Publish::new(topic, payload) };
        self.client.encode(&Packet::Publish(publish), out).expect("the packet is right");
    }
}

/// [`SIX`] as we build them.
pub fn six() -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    put_six(&mut properties);
    properties
}

fn put_six(properties: &mut PropertiesBuf) {
    let text = |text| Text::new(text).expect("it is text");
    let mut push = |property| properties.push(property).expect("each may stand there");
    push(Property::MessageExpiryInterval(SIX.message_expiry_interval));
    push(Property::ContentType(text(SIX.content_type)));
    push(Property::ResponseTopic(TopicName::new(SIX.response_topic).expect("it is a name")));
    push(Property::CorrelationData(SIX.correlation_data));
    for (name, value) in SIX.user_properties {
        push(Property::UserProperty((text(name), text(value))));
    }
}

fn note(packet: &Packet<'_>, seen: &mut Seen) {
    seen.packet();
    match packet {
        Packet::Publish(publish) => {
            seen.topic(publish.topic.map_or(0, |topic| topic.as_bytes().len()));
            seen.payload(publish.payload.len());
            for (name, value) in publish.properties.user_properties() {
                seen.user_property(name.len(), value.len());
            }
        }
        Packet::Connect(connect) => {
            seen.topic(connect.client_id.len());
            if let Some(will) = &connect.will {
                seen.topic(will.topic.as_bytes().len());
                seen.payload(will.payload.len());
            }
            for (name, value) in connect.properties.user_properties() {
                seen.user_property(name.len(), value.len());
            }
        }
        Packet::Subscribe(subscribe) => {
            for subscription in &subscribe.subscriptions {
                seen.topic(subscription.filter.as_bytes().len());
            }
        }
        Packet::Unsubscribe(unsubscribe) => {
            for filter in &unsubscribe.filters {
                seen.topic(filter.as_bytes().len());
            }
        }
        _ => {}
    }
}
