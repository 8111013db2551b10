//! mqrstt 0.4: 5.0 only, and only decoding, since its encoder is private.

use std::hint::black_box;

use bytes::BytesMut;
use mqrstt::packets::Packet;
use mqrstt::packets::error::ReadBytes;

use crate::contestant::{Contestant, Kind, Message, Seen};

/// mqrstt for 5.0.
#[derive(Default)]
pub struct V5 {
    held: BytesMut,
}

impl Contestant for V5 {
    const NAME: &'static str = "mqrstt";
    const KIND: Kind = Kind::Peer { owned: true };
    type Packet = ();
    type Output = BytesMut;

    fn receive(&mut self, read: &[u8], seen: &mut Seen) {
        self.held.extend_from_slice(read);
        loop {
            match &Packet::read(&mut self.held) {
                Ok(packet) => note(black_box(packet), seen),
                Err(ReadBytes::InsufficientBytes(missing)) => return self.held.reserve(*missing),
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    fn packet(&mut self, _: &'static [u8]) -> Option<()> {
        None
    }

    fn encode(&mut self, (): &(), _: &mut BytesMut) {}

    fn publish(&mut self, _: &Message, _: &mut BytesMut) -> bool {
        false
    }
}

fn note(packet: &Packet, seen: &mut Seen) {
    seen.packet();
    match packet {
        Packet::Publish(publish) => {
            seen.topic(publish.topic.len());
            seen.payload(publish.payload.len());
            for (name, value) in &publish.publish_properties.user_properties {
                seen.user_property(name.len(), value.len());
            }
        }
        Packet::Connect(connect) => {
            seen.topic(connect.client_id.len());
            if let Some(will) = &connect.last_will {
                seen.topic(will.topic.len());
                seen.payload(will.payload.len());
            }
            for (name, value) in &connect.connect_properties.user_properties {
                seen.user_property(name.len(), value.len());
            }
        }
        Packet::Subscribe(subscribe) => subscribe.topics.iter().for_each(|(filter, _)| seen.topic(filter.len())),
        Packet::Unsubscribe(unsubscribe) => unsubscribe.topics.iter().for_each(|filter| seen.topic(filter.len())),
        _ => {}
    }
}
