//! mqttrs 0.4: 3.1.1 only, and the only peer whose packets borrow.

use std::hint::black_box;

use mqttrs::{Packet, Pid, Publish, QosPid, decode_slice, encode_slice};

use super::packet_len;
use crate::contestant::{Contestant, Kind, Message, Output, Seen};

/// mqttrs for 3.1.1.
#[derive(Default)]
pub struct V3 {
    held: Vec<u8>,
}

impl Contestant for V3 {
    const NAME: &'static str = "mqttrs";
    const KIND: Kind = Kind::Peer { owned: false };
    type Packet = Packet<'static>;
    type Output = Fixed;

    fn receive(&mut self, read: &[u8], seen: &mut Seen) {
        self.held.extend_from_slice(read);
        let mut input = &self.held[..];
        while let Ok(Some(packet)) = &decode_slice(input) {
            note(black_box(packet), seen);
            // It does not say how much it took.
            let taken = packet_len(input).expect("it has just been decoded");
            input = &input[taken..];
        }
        let taken = self.held.len() - input.len();
        self.held.drain(..taken);
    }

    fn packet(&mut self, wire: &'static [u8]) -> Option<Packet<'static>> {
        decode_slice(wire).expect("the packet is right")
    }

    fn encode(&mut self, packet: &Packet<'static>, out: &mut Fixed) {
        out.put(packet);
    }

    fn publish(&mut self, message: &Message, out: &mut Fixed) -> bool {
        let qospid = match message.packet_id {
            None => QosPid::AtMostOnce,
            Some(id) => QosPid::AtLeastOnce(Pid::try_from(id).expect("it is not zero")),
        };
        let payload = &message.payload;
        out.put(&Packet::Publish(Publish { dup: false, qospid, retain: false, topic_name: message.topic, payload }));
        true
    }
}

/// It writes into a slice that has to be large enough.
pub struct Fixed {
    bytes: Box<[u8]>,
    len: usize,
}

impl Fixed {
    fn put(&mut self, packet: &Packet<'_>) {
        self.len += encode_slice(packet, &mut self.bytes[self.len..]).expect("the packet is right");
    }
}

impl Default for Fixed {
    fn default() -> Self {
        Self { bytes: vec![0; 64 * 1024].into(), len: 0 }
    }
}

impl Output for Fixed {
    fn clear(&mut self) {
        self.len = 0;
    }

    fn flat(&self) -> Vec<u8> {
        self.bytes[..self.len].to_vec()
    }

    fn len(&self) -> usize {
        self.len
    }
}

fn note(packet: &Packet<'_>, seen: &mut Seen) {
    seen.packet();
    match packet {
        Packet::Publish(publish) => {
            seen.topic(publish.topic_name.len());
            seen.payload(publish.payload.len());
        }
        Packet::Connect(connect) => {
            seen.topic(connect.client_id.len());
            if let Some(will) = &connect.last_will {
                seen.topic(will.topic.len());
                seen.payload(will.message.len());
            }
        }
        Packet::Subscribe(subscribe) => subscribe.topics.iter().for_each(|topic| seen.topic(topic.topic_path.len())),
        Packet::Unsubscribe(unsubscribe) => unsubscribe.topics.iter().for_each(|topic| seen.topic(topic.len())),
        _ => {}
    }
}
