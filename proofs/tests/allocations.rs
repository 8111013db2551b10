//! Decoding allocates nothing, nor does encoding into a buffer that has been in use; and keeping allocates no more than what arrived.

mod counting;

#[path = "../../mqtt-proto/tests/common/mod.rs"]
mod common;

use std::hint::black_box;

use common::fuzz::checks;
use common::golden::{self, Golden};
use counting::{Allocations, allocations};
use mqtt_proto::{
    Codec, DecodeError, Frame, Framer, PACKET_BYTES_MAX, Packet, PacketBuf, PacketType, Properties, Publish,
    PublishBuf, TransmitBuf, choices,
};

const NONE: Allocations = Allocations { count: 0, largest: 0 };

/// Else the tests below would prove nothing.
#[test]
fn an_allocation_is_seen() {
    assert_eq!(allocations(|| drop(black_box(Vec::<u8>::with_capacity(100)))), Allocations { count: 1, largest: 100 });
    assert_eq!(allocations(|| drop(black_box(vec![0_u64; 100]))), Allocations { count: 1, largest: 800 });
    let mut growing = Vec::<u8>::with_capacity(100);
    assert_eq!(allocations(|| black_box(&mut growing).reserve_exact(200)), Allocations { count: 1, largest: 200 });
    assert_eq!(allocations(|| ()), NONE);
}

#[test]
fn every_packet_of_the_golden_set_decodes_without_an_allocation() {
    for Golden { version, sender, bytes, packet } in golden::set() {
        let receiver = common::codec(version, sender.peer());
        assert_eq!(allocations(|| view(receiver, &bytes)), NONE, "{packet:?}");
    }
}

/// Properties, user properties among them, lists, long payloads: whatever these choices make.
#[test]
fn any_packet_decodes_and_encodes_without_an_allocation() {
    let mut seen = [0; 16];
    for_any_packet(|sender, packet| {
        seen[packet.packet_type() as usize] += 1;
        let bytes = checks::encode(sender, packet);
        assert_eq!(allocations(|| view(checks::other_end(sender), &bytes)), NONE, "{packet:?}");

        let mut out = TransmitBuf::new();
        sender.encode(packet, &mut out).expect("it is a packet");
        out.advance(out.len());
        let again = allocations(|| {
            assert_eq!(sender.encoded_len(packet), Ok(bytes.len()));
            sender.encode(packet, &mut out).expect("it is a packet");
            assert!(out.slices().flatten().eq(&bytes));
            out.advance(out.len());
        });
        assert_eq!(again, NONE, "{packet:?}");
    });
    assert!(PacketType::ALL.into_iter().all(|packet_type| seen[packet_type as usize] > 100), "{seen:?}");
}

/// Bytes that nobody meant well with, whole and in crumbs: nothing is allocated to find that out.
#[test]
fn a_refusal_allocates_nothing() {
    let mut refused = 0;
    for_hostile_bytes(|receiver, bytes| {
        let allocated = allocations(|| {
            refused += u32::from(receiver.decode(&mut &bytes[..]).is_err());
            let mut framer = Framer::new(receiver.packet_bytes_max);
            for end in 0..=bytes.len().min(100) {
                if framer.next(&mut &bytes[..end]).is_err() {
                    break;
                }
            }
        });
        assert_eq!(allocated, NONE, "{bytes:x?}");
    });
    assert!(refused > 1_000, "{refused} were refused");
}

/// In one piece of its own size, so that neither an announced length nor a list of small things makes us take more than the peer has sent.
#[test]
fn keeping_a_packet_takes_no_more_than_what_arrived() {
    let mut kept = 0;
    for_hostile_bytes(|receiver, bytes| {
        let allocated = allocations(|| kept += u32::from(keep(receiver, bytes).is_ok_and(|kept| kept)));
        assert!(allocated.largest <= bytes.len() && allocated.count <= 2, "{allocated:?} for {bytes:x?}");
    });
    assert!(kept > 1_000, "{kept} were kept");
}

/// Decodes, and looks at everything that is in the packet.
fn view(receiver: Codec, mut bytes: &[u8]) {
    let packet = receiver.decode(&mut bytes).expect("it is a packet").expect("it is complete");
    assert!(bytes.is_empty());
    assert_eq!(packet, black_box(packet));
    match packet {
        Packet::Connect(body) => {
            look_at(body.properties);
            body.will.iter().for_each(|will| look_at(will.properties));
        }
        Packet::ConnAck(body) => look_at(body.properties),
        Packet::Publish(body) => {
            look_at(body.properties);
            black_box((body.topic.map(|topic| topic.levels().count()), body.payload.len()));
        }
        Packet::PubAck(body) | Packet::PubRec(body) | Packet::PubRel(body) | Packet::PubComp(body) => {
            look_at(body.properties);
        }
        Packet::Subscribe(body) => {
            look_at(body.properties);
            black_box(body.subscriptions.iter().filter(|one| one.filter.shared().is_some()).count());
        }
        Packet::SubAck(body) => {
            look_at(body.properties);
            black_box(body.reason_codes.iter().count());
        }
        Packet::Unsubscribe(body) => {
            look_at(body.properties);
            black_box(body.filters.iter().count());
        }
        Packet::UnsubAck(body) => {
            look_at(body.properties);
            black_box(body.reason_codes.iter().count());
        }
        Packet::PingReq | Packet::PingResp => {}
        Packet::Disconnect(body) => look_at(body.properties),
        Packet::Auth(body) => look_at(body.properties),
        Packet::Opaque(_) | Packet::OpaqueConnect(_) => {}
    }
}

fn look_at(properties: Properties<'_>) {
    black_box(properties.iter().count());
    black_box(properties.user_properties().count());
}

/// In all the ways there are. Whether there was something to keep.
fn keep(receiver: Codec, bytes: &[u8]) -> Result<bool, DecodeError> {
    let Some(frame) = Frame::split(&mut &bytes[..], receiver.packet_bytes_max)? else { return Ok(false) };
    let kept = PacketBuf::copy(receiver, &frame)?;
    if let Packet::Publish(publish @ Publish { topic: Some(topic), .. }) = kept.packet() {
        black_box(PublishBuf::new(topic, &publish));
    }
    Ok(true)
}

fn for_any_packet(mut check: impl FnMut(Codec, &Packet<'_>)) {
    let mut random = Random(1);
    for mut sender in common::codecs() {
        sender.packet_bytes_max = PACKET_BYTES_MAX;
        for packet_type in PacketType::ALL {
            if packet_type.is_sent_by(sender.role, sender.version) {
                for length in 0..200 {
                    let bytes = random.bytes(length);
                    let mut choices = choices::Choices::new(&bytes);
                    choices::with_packet(&mut choices, sender, packet_type, |packet| check(sender, packet));
                }
            }
        }
    }
}

/// Packets; packets in which one byte is another, which makes lengths lie; and large lengths with little behind them.
fn for_hostile_bytes(mut check: impl FnMut(Codec, &[u8])) {
    let mut random = Random(2);
    for_any_packet(|sender, packet| {
        let mut bytes = checks::encode(sender, packet);
        let receiver = checks::other_end(sender);
        check(receiver, &bytes);
        check(receiver, &[&bytes[..1], &[0xFF, 0xFF, 0xFF, 0x7F], &bytes[1..]].concat());
        let index = random.next() as usize % bytes.len();
        bytes[index] = random.next() as u8;
        check(receiver, &bytes);
    });
}

/// The same numbers every time (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}
