//! The others, each by its public interface, fed as its own client would feed it.

use bytes::{Buf, Bytes, BytesMut};

pub mod flowsdk;
pub mod mqrstt;
pub mod mqtt5_protocol;
pub mod mqtt_proto_peer;
pub mod mqtt_protocol_core;
pub mod mqttrs;
pub mod rmqtt_codec;
pub mod rumqttc;
pub mod rumqttc_next;

/// How long the packet at the front is going to be; for the peers that leave this to their user.
fn packet_len(bytes: &[u8]) -> Option<usize> {
    let mut remaining = 0;
    for (index, &byte) in bytes.get(1..)?.iter().take(4).enumerate() {
        remaining |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some(2 + index + remaining);
        }
    }
    None
}

/// A receive buffer for those that want to be handed whole packets; it remembers how long the unfinished one will be.
#[derive(Default)]
struct Held {
    bytes: BytesMut,
    expected: usize,
}

impl Held {
    fn put(&mut self, read: &[u8]) {
        self.bytes.extend_from_slice(read);
    }

    /// The next whole packet, cut off by reference count.
    fn next(&mut self) -> Option<Bytes> {
        let len = self.whole(0)?;
        Some(self.bytes.split_to(len).freeze())
    }

    /// Each whole packet where it stands.
    fn each(&mut self, mut take: impl FnMut(&[u8])) {
        let mut at = 0;
        while let Some(len) = self.whole(at) {
            take(&self.bytes[at..at + len]);
            at += len;
        }
        self.bytes.advance(at);
    }

    fn whole(&mut self, at: usize) -> Option<usize> {
        let bytes = &self.bytes[at..];
        if bytes.len() < self.expected {
            return None;
        }
        self.expected = packet_len(bytes).unwrap_or(0);
        if self.expected == 0 || bytes.len() < self.expected {
            return None;
        }
        Some(std::mem::take(&mut self.expected))
    }
}

/// A contestant around `Packet::read` and `Packet::write`, which both versions of rumqttc and of its continuation have.
macro_rules! contestant {
    ($name:ident, $label:literal, $packet:ty, $error:path, $bytes_max:expr, $note:ident, $publish:ident) => {
        #[doc = concat!($label, " for one version.")]
        #[derive(Default)]
        pub struct $name {
            held: BytesMut,
        }

        impl Contestant for $name {
            const NAME: &'static str = $label;
            const KIND: Kind = Kind::Peer { owned: true };
            type Packet = $packet;
            type Output = BytesMut;

            fn receive(&mut self, read: &[u8], seen: &mut Seen) {
                use $error as Error;
                self.held.extend_from_slice(read);
                loop {
                    match &<$packet>::read(&mut self.held, $bytes_max) {
                        Ok(packet) => {
                            seen.packet();
                            $note(black_box(packet), seen);
                        }
                        Err(Error::InsufficientBytes(missing)) => return self.held.reserve(*missing),
                        Err(error) => panic!("{error:?}"),
                    }
                }
            }

            fn packet(&mut self, wire: &'static [u8]) -> Option<$packet> {
                Some(<$packet>::read(&mut BytesMut::from(wire), $bytes_max).expect("the packet is right"))
            }

            fn encode(&mut self, packet: &$packet, out: &mut BytesMut) {
                packet.write(out, $bytes_max).expect("the packet is right");
            }

            fn publish(&mut self, message: &Message, out: &mut BytesMut) -> bool {
                $publish(message).write(out, $bytes_max).expect("the packet is right");
                true
            }
        }
    };
}
use contestant;
