//! A second reader, written from the standards in the plainest words there are. It only says whether bytes are a packet; the codec has to
//! say the same, about packets of any kind and about what becomes of them when a few bytes are changed.

mod common;

use common::fuzz::topics;
use common::golden;
use common::packets::varint;
use mqtt_proto::Version::{V3_1, V3_1_1, V5};
use mqtt_proto::choices::{self, Choices};
use mqtt_proto::{PacketType, Role, Version};

#[test]
fn two_readers_agree_about_packets_with_a_few_bytes_changed() {
    let mut random = Random(1);
    let (mut right, mut wrong) = (0, 0);
    for round in 0..ROUNDS {
        let made: Vec<u8> = (0..random.below(120)).map(|_| random.byte()).collect();
        for receiver in common::codecs() {
            let Some(packet) = choices::packet_buf(&mut Choices::new(&made), receiver) else { continue };
            if packet.as_bytes().len() > 2_000 {
                continue;
            }
            let mut bytes = packet.as_bytes().to_vec();
            if round % 4 > 0 {
                random.change(&mut bytes);
            }
            if agree(receiver.version, receiver.role, &bytes) { right += 1 } else { wrong += 1 }
        }
    }
    assert!(right > ROUNDS && wrong > ROUNDS, "{right} packets were right, {wrong} wrong");
}

#[test]
fn two_readers_agree_about_the_golden_packets_with_any_byte_changed() {
    for golden in golden::set() {
        let receiver = golden.sender.peer();
        assert!(agree(golden.version, receiver, &golden.bytes), "{:x?}", golden.bytes);
        for index in 0..golden.bytes.len() {
            let mut bytes = golden.bytes.clone();
            for byte in 0..=0xFF {
                bytes[index] = byte;
                Version::ALL.into_iter().for_each(|version| {
                    agree(version, receiver, &bytes);
                });
            }
        }
    }
}

/// Whether both say that it is a packet.
fn agree(version: Version, receiver: Role, bytes: &[u8]) -> bool {
    let mut input = bytes;
    let decoded = common::codec(version, receiver).decode(&mut input);
    let said = matches!(decoded, Ok(Some(_))) && input.is_empty();
    let expected = is_packet(version, receiver.peer(), bytes).is_some();
    assert_eq!(said, expected, "{bytes:02X?} to a {receiver} in {version} is {decoded:?}");
    said
}

/// `Some` if `bytes` are one whole packet that `sender` may send.
fn is_packet(version: Version, sender: Role, bytes: &[u8]) -> Option<()> {
    let (&first, rest) = bytes.split_first()?;
    let mut input = In(rest);
    let remaining = input.varint()?;
    if remaining as usize != input.0.len() || bytes.len() > 1 << 20 {
        return None;
    }
    let packet_type = PacketType::from_u8(first >> 4)?;
    let flags = first & 0x0F;
    let v5 = version == V5;
    let from_client = sender == Role::Client;
    let fixed_flags = match packet_type {
        PacketType::PubRel | PacketType::Subscribe | PacketType::Unsubscribe if version == V3_1 => flags & 6 == 2,
        PacketType::PubRel | PacketType::Subscribe | PacketType::Unsubscribe => flags == 2,
        PacketType::Publish => true,
        _ => flags == 0 || version == V3_1,
    };
    let direction = match packet_type {
        PacketType::Connect | PacketType::Subscribe | PacketType::Unsubscribe | PacketType::PingReq => from_client,
        PacketType::ConnAck | PacketType::SubAck | PacketType::UnsubAck | PacketType::PingResp => !from_client,
        PacketType::Disconnect => from_client || v5,
        PacketType::Auth => v5,
        PacketType::Reserved => false,
        _ => true,
    };
    ensure(fixed_flags && direction)?;
    let codes = choices::reason_codes(packet_type, sender, version);
    let ids = choices::property_ids(packet_type, sender);
    match packet_type {
        PacketType::Connect => connect(&mut input, version, ids)?,
        PacketType::ConnAck => {
            let (flags, code) = (input.u8()?, input.u8()?);
            ensure(flags <= 1 || version == V3_1)?;
            ensure(if v5 { codes.contains(&code) } else { code <= 5 })?;
            ensure(flags & 1 == 0 || code == 0 || version == V3_1)?;
            properties(&mut input, version, ids)?;
        }
        PacketType::Publish => publish(&mut input, version, flags, ids)?,
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
            input.id()?;
            if v5 && !input.0.is_empty() {
                ensure(codes.contains(&input.u8()?))?;
                if !input.0.is_empty() {
                    properties(&mut input, version, ids)?;
                }
            }
        }
        PacketType::Subscribe => {
            input.id()?;
            properties(&mut input, version, ids)?;
            ensure(!input.0.is_empty())?;
            while !input.0.is_empty() {
                let filter = input.filter(version)?;
                let options = input.u8()?;
                ensure(options & 3 < 3)?;
                ensure(version != V3_1_1 || options < 4)?;
                if v5 {
                    ensure(options < 0x30)?;
                    ensure(options & 4 == 0 || !filter.starts_with("$share/"))?;
                }
            }
        }
        PacketType::SubAck => {
            input.id()?;
            properties(&mut input, version, ids)?;
            ensure(!input.0.is_empty() && input.0.iter().all(|code| codes.contains(code)))?;
            input.0 = &[];
        }
        PacketType::Unsubscribe => {
            input.id()?;
            properties(&mut input, version, ids)?;
            ensure(!input.0.is_empty())?;
            while !input.0.is_empty() {
                input.filter(version)?;
            }
        }
        PacketType::UnsubAck => {
            input.id()?;
            if v5 {
                properties(&mut input, version, ids)?;
                ensure(!input.0.is_empty() && input.0.iter().all(|code| codes.contains(code)))?;
                input.0 = &[];
            }
        }
        PacketType::PingReq | PacketType::PingResp | PacketType::Reserved => {}
        PacketType::Disconnect => {
            if v5 && !input.0.is_empty() {
                ensure(codes.contains(&input.u8()?))?;
                if !input.0.is_empty() {
                    properties(&mut input, version, ids)?;
                }
            }
        }
        PacketType::Auth => {
            ensure(codes.contains(&input.u8()?))?;
            ensure(properties(&mut input, version, ids)?.contains(&0x15))?;
        }
    }
    ensure(input.0.is_empty())
}

fn connect(input: &mut In<'_>, version: Version, ids: &[u8]) -> Option<()> {
    let (name, level): (&[u8], u8) = match version {
        V3_1 => (b"MQIsdp", 3),
        V3_1_1 => (b"MQTT", 4),
        _ => (b"MQTT", 5),
    };
    ensure(input.binary()? == name && input.u8()? == level)?;
    let flags = input.u8()?;
    let bit = |number: u8| flags >> number & 1 == 1;
    let (reserved, will, will_qos, will_retain) = (bit(0), bit(2), flags >> 3 & 3, bit(5));
    let (password, user_name) = (bit(6), bit(7));
    ensure(!will || will_qos < 3)?;
    ensure(version == V3_1 || !reserved)?;
    ensure(version == V3_1 || will || (will_qos == 0 && !will_retain))?;
    ensure(version == V5 || user_name || !password)?;
    input.take(2)?;
    let found = properties(input, version, ids)?;
    ensure(!found.contains(&0x16) || found.contains(&0x15))?;
    input.text()?;
    if will {
        properties(input, version, choices::WILL)?;
        input.name()?;
        input.binary()?;
    }
    // In 3.1 a field may be missing that the flags announce.
    let there = |input: &In<'_>| version != V3_1 || !input.0.is_empty();
    if user_name && there(input) {
        input.text()?;
    }
    if password && there(input) {
        input.binary()?;
    }
    Some(())
}

fn publish(input: &mut In<'_>, version: Version, flags: u8, ids: &[u8]) -> Option<()> {
    let (dup, qos) = (flags & 8 != 0, flags >> 1 & 3);
    ensure(qos < 3 && !(dup && qos == 0))?;
    let topic = input.text()?;
    if qos > 0 {
        input.id()?;
    }
    let found = properties(input, version, ids)?;
    ensure(if topic.is_empty() { found.contains(&0x23) } else { topics::is_name(topic) })?;
    input.0 = &[];
    Some(())
}

/// The identifiers of the properties that come next, if all of `ids` and right.
fn properties(input: &mut In<'_>, version: Version, ids: &[u8]) -> Option<Vec<u8>> {
    let mut found = Vec::new();
    if version != V5 {
        return Some(found);
    }
    let length = input.varint()?;
    let mut input = In(input.take(length as usize)?);
    while !input.0.is_empty() {
        let id = u8::try_from(input.varint()?).ok()?;
        // A Subscription Identifier may repeat in PUBLISH, which alone has a Content Type beside it.
        let repeats = id == 0x26 || (id == 0x0B && ids.contains(&0x03));
        ensure(ids.contains(&id) && (repeats || !found.contains(&id)))?;
        found.push(id);
        match id {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => ensure(input.u8()? <= 1)?,
            0x13 | 0x22 => drop(input.take(2)?),
            0x21 | 0x23 => ensure(input.take(2)? != [0; 2])?,
            0x02 | 0x11 | 0x18 => drop(input.take(4)?),
            0x27 => ensure(input.take(4)? != [0; 4])?,
            0x0B => ensure(input.varint()? > 0)?,
            0x03 | 0x12 | 0x15 | 0x1A | 0x1C | 0x1F => drop(input.text()?),
            0x08 => drop(input.name()?),
            0x09 | 0x16 => drop(input.binary()?),
            0x26 => drop((input.text()?, input.text()?)),
            _ => return None,
        }
    }
    Some(found)
}

fn ensure(right: bool) -> Option<()> {
    right.then_some(())
}

struct In<'a>(&'a [u8]);

impl<'a> In<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        if count > self.0.len() {
            return None;
        }
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn id(&mut self) -> Option<()> {
        ensure(self.take(2)? != [0, 0])
    }

    /// By the algorithm in 5.0's section 1.5.5, and back again, since only the shortest form is right.
    fn varint(&mut self) -> Option<u32> {
        let (mut value, mut multiplier, before) = (0, 1, self.0);
        loop {
            let byte = self.u8()?;
            value += u32::from(byte & 127) * multiplier;
            if byte & 128 == 0 {
                let taken = &before[..before.len() - self.0.len()];
                return (varint(value as usize) == taken).then_some(value);
            }
            if multiplier == 128 * 128 * 128 {
                return None;
            }
            multiplier *= 128;
        }
    }

    fn binary(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.u8()?) * 256 + usize::from(self.u8()?);
        self.take(length)
    }

    fn text(&mut self) -> Option<&'a str> {
        let text = str::from_utf8(self.binary()?).ok()?;
        (!text.contains('\0')).then_some(text)
    }

    fn name(&mut self) -> Option<()> {
        ensure(topics::is_name(self.text()?))
    }

    fn filter(&mut self, version: Version) -> Option<&'a str> {
        let filter = self.text()?;
        // Before 5.0 a dollar is a letter like any other.
        let right = topics::is_filter(&if version == V5 { filter.to_owned() } else { filter.replace('$', "x") });
        right.then_some(filter)
    }
}

/// The same numbers every time.
struct Random(u64);

impl Random {
    fn byte(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 56) as u8
    }

    fn below(&mut self, end: usize) -> usize {
        (usize::from(self.byte()) * 256 + usize::from(self.byte())) % end
    }

    /// One to three changes; mostly the Remaining Length is made to fit again.
    fn change(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            let some =
                [0, 1, 2, 3, 4, 0x0B, 0x15, 0x16, 0x23, 0x24, 0x26, 0x7F, 0x80, 0xC0, 0xFF, b'+', b'#', b'/', b'$'];
            let byte = if self.byte() < 128 { some[self.below(some.len())] } else { self.byte() };
            match self.below(5) {
                0 => bytes.insert(at, byte),
                1 if bytes.len() > 1 => drop(bytes.remove(at)),
                2 => bytes[at] ^= 1 << self.below(8),
                3 => bytes[at] = bytes[at].wrapping_add(1),
                _ => bytes[at] = byte,
            }
        }
        if self.byte() < 240 {
            let header = 1 + bytes[1..].iter().take_while(|&&byte| byte >= 128).count() + 1;
            let body = bytes.split_off(header.min(bytes.len()));
            bytes.truncate(1);
            bytes.extend(varint(body.len()));
            bytes.extend(body);
        }
    }
}

const ROUNDS: usize = 4_000;
