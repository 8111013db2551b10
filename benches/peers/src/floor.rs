//! The floor: the least work that still does the job, written by hand for the packets of the cases.
//!
//! It is no codec. Of what a receiver has to check it checks lengths (by panicking) and UTF-8; it takes U+0000, wildcards in names,
//! reserved bits, wrong reason codes and misplaced or repeated properties.

use std::hint::black_box;

use bytes::{Buf, BytesMut};
use mqtt_proto::Version;

use crate::contestant::{Contestant, Kind, Message, SIX, Seen};

/// Packets borrow the receive buffer.
pub struct View {
    v5: bool,
    held: Vec<u8>,
    expected: usize,
}

impl View {
    /// For one version.
    pub fn new(version: Version) -> Self {
        Self { v5: version == Version::V5, held: Vec::new(), expected: 0 }
    }
}

impl Contestant for View {
    const NAME: &'static str = "floor";
    const KIND: Kind = Kind::Floor { owned: false };
    type Packet = Packet<'static>;
    type Output = Vec<u8>;

    fn receive(&mut self, read: &[u8], seen: &mut Seen) {
        self.held.extend_from_slice(read);
        let mut at = 0;
        while let Some((header, len)) = next(&self.held[at..], &mut self.expected) {
            let packet = Packet::read(&self.held[at..at + len], header, self.v5);
            black_box(&packet).note(seen);
            at += len;
        }
        self.held.drain(..at);
    }

    fn packet(&mut self, wire: &'static [u8]) -> Option<Packet<'static>> {
        let (header, len) = next(wire, &mut 0).expect("it is complete");
        let packet = Packet::read(&wire[..len], header, self.v5);
        matches!(packet, Packet::Publish { .. } | Packet::Ack { .. }).then_some(packet)
    }

    fn encode(&mut self, packet: &Packet<'static>, out: &mut Vec<u8>) {
        match *packet {
            Packet::Publish { first, topic, packet_id, properties, payload } => {
                let head = Head { first, topic, packet_id, properties: self.v5.then_some(properties.len()) };
                head.put(payload.len(), out);
                out.extend_from_slice(properties);
                out.extend_from_slice(payload);
            }
            Packet::Ack { first, packet_id, reason: 0 } => {
                let [high, low] = packet_id.to_be_bytes();
                out.extend_from_slice(&[first, 2, high, low]);
            }
            Packet::Ack { first, packet_id, reason } => {
                let [high, low] = packet_id.to_be_bytes();
                out.extend_from_slice(&[first, 3, high, low, reason]);
            }
            _ => panic!("there is no floor for this"),
        }
    }

    fn publish(&mut self, message: &Message, out: &mut Vec<u8>) -> bool {
        let properties = if message.six_properties { six_len() } else { 0 };
        let head = Head {
            first: if message.packet_id.is_some() { 0x32 } else { 0x30 },
            topic: message.topic,
            packet_id: message.packet_id,
            properties: self.v5.then_some(properties),
        };
        head.put(message.payload.len(), out);
        if message.six_properties {
            put_six(out);
        }
        out.extend_from_slice(&message.payload);
        true
    }
}

/// Packets share the receive buffer by one reference count each.
pub struct Owned {
    v5: bool,
    held: BytesMut,
    expected: usize,
}

impl Owned {
    /// For one version.
    pub fn new(version: Version) -> Self {
        Self { v5: version == Version::V5, held: BytesMut::new(), expected: 0 }
    }
}

impl Contestant for Owned {
    const NAME: &'static str = "floor, owned";
    const KIND: Kind = Kind::Floor { owned: true };
    type Packet = ();
    type Output = Vec<u8>;

    fn receive(&mut self, read: &[u8], seen: &mut Seen) {
        self.held.extend_from_slice(read);
        while let Some((header, len)) = next(&self.held, &mut self.expected) {
            let bytes = self.held.split_to(len).freeze();
            let packet = Packet::read(&bytes, header, self.v5);
            black_box((&bytes, &packet)).1.note(seen);
        }
    }

    fn packet(&mut self, _: &'static [u8]) -> Option<()> {
        None
    }

    fn encode(&mut self, (): &(), _: &mut Vec<u8>) {}

    fn publish(&mut self, _: &Message, _: &mut Vec<u8>) -> bool {
        false
    }
}

/// The lengths of the fixed header and of the whole packet at the front, if that is all there.
#[inline]
fn next(bytes: &[u8], expected: &mut usize) -> Option<(usize, usize)> {
    if bytes.len() < 2.max(*expected) {
        return None;
    }
    let (mut remaining, mut header) = (usize::from(bytes[1] & 0x7F), 2);
    while bytes[header - 1] & 0x80 != 0 {
        remaining |= usize::from(bytes.get(header)? & 0x7F) << (7 * (header - 1));
        header += 1;
    }
    let len = header + remaining;
    *expected = if bytes.len() < len { len } else { 0 };
    (bytes.len() >= len).then_some((header, len))
}

/// What the cases are made of.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "all fields are decoded, not all are looked at")]
pub enum Packet<'a> {
    /// PUBLISH.
    Publish {
        /// Type and flags.
        first: u8,
        /// Its topic.
        topic: &'a str,
        /// Above QoS 0.
        packet_id: Option<u16>,
        /// The section without its length.
        properties: &'a [u8],
        /// Its payload.
        payload: &'a [u8],
    },
    /// PUBACK and its kin.
    Ack {
        /// Type and flags.
        first: u8,
        /// What is acknowledged.
        packet_id: u16,
        /// 0 where there is none.
        reason: u8,
    },
    /// CONNECT.
    Connect {
        /// Who.
        client_id: &'a str,
        /// Topic and payload.
        will: Option<(&'a str, &'a [u8])>,
        /// Who, again.
        user_name: &'a str,
        /// A secret.
        password: &'a [u8],
        /// The section without its length.
        properties: &'a [u8],
    },
    /// SUBSCRIBE and UNSUBSCRIBE.
    Filters {
        /// What will be acknowledged.
        packet_id: u16,
        /// The list, each filter checked.
        list: &'a [u8],
        /// Bytes behind each filter.
        options: usize,
    },
    /// PINGREQ.
    Ping,
}

impl<'a> Packet<'a> {
    #[inline]
    fn read(frame: &'a [u8], header: usize, v5: bool) -> Self {
        let mut rest = &frame[header..];
        let first = frame[0];
        match first >> 4 {
            3 => Self::Publish {
                first,
                topic: text(&mut rest),
                packet_id: (first & 0x06 != 0).then(|| rest.get_u16()),
                properties: if v5 { section(&mut rest) } else { &[] },
                payload: rest,
            },
            4..=7 => Self::Ack { first, packet_id: rest.get_u16(), reason: rest.first().copied().unwrap_or(0) },
            1 => {
                let flags = rest[7];
                rest = &rest[10..];
                let properties = if v5 { section(&mut rest) } else { &[] };
                let client_id = text(&mut rest);
                let will = (flags & 0x04 != 0).then(|| {
                    if v5 {
                        section(&mut rest);
                    }
                    (text(&mut rest), binary(&mut rest))
                });
                let user_name = if flags & 0x80 != 0 { text(&mut rest) } else { "" };
                let password = if flags & 0x40 != 0 { binary(&mut rest) } else { &[] };
                Self::Connect { client_id, will, user_name, password, properties }
            }
            8 | 10 => {
                let packet_id = rest.get_u16();
                if v5 {
                    section(&mut rest);
                }
                let options = usize::from(first >> 4 == 8);
                let list = rest;
                while !rest.is_empty() {
                    text(&mut rest);
                    rest = &rest[options..];
                }
                Self::Filters { packet_id, list, options }
            }
            _ => Self::Ping,
        }
    }

    #[inline]
    fn note(&self, seen: &mut Seen) {
        seen.packet();
        match *self {
            Self::Publish { topic, properties, payload, .. } => {
                seen.topic(topic.len());
                seen.payload(payload.len());
                note_properties(properties, seen);
            }
            Self::Connect { client_id, will, properties, .. } => {
                seen.topic(client_id.len());
                if let Some((topic, payload)) = will {
                    seen.topic(topic.len());
                    seen.payload(payload.len());
                }
                note_properties(properties, seen);
            }
            Self::Filters { mut list, options, .. } => {
                while !list.is_empty() {
                    seen.topic(binary(&mut list).len());
                    list = &list[options..];
                }
            }
            Self::Ack { .. } | Self::Ping => {}
        }
    }
}

#[inline]
fn binary<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let len = usize::from(rest.get_u16());
    let (field, behind) = rest.split_at(len);
    *rest = behind;
    field
}

#[inline]
fn text<'a>(rest: &mut &'a [u8]) -> &'a str {
    std::str::from_utf8(binary(rest)).expect("the stream is right")
}

/// A section of properties, each of them checked.
#[inline]
fn section<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let mut len = usize::from(rest.get_u8());
    if len & 0x80 != 0 {
        len = (len & 0x7F) | usize::from(rest.get_u8()) << 7;
    }
    let (properties, behind) = rest.split_at(len);
    *rest = behind;
    walk(properties, |rest| text(rest).as_bytes(), |_, _| {});
    properties
}

fn note_properties(properties: &[u8], seen: &mut Seen) {
    if !properties.is_empty() {
        walk(properties, binary, |name, value| seen.user_property(name.len(), value.len()));
    }
}

#[inline]
fn walk<'a>(
    mut rest: &'a [u8],
    string: impl Fn(&mut &'a [u8]) -> &'a [u8],
    mut user_property: impl FnMut(&'a [u8], &'a [u8]),
) {
    while let [id, behind @ ..] = rest {
        rest = behind;
        match id {
            0x26 => user_property(string(&mut rest), string(&mut rest)),
            0x03 | 0x08 => drop(string(&mut rest)),
            0x09 => drop(binary(&mut rest)),
            0x02 | 0x11 => rest.advance(4),
            0x21..=0x23 => rest.advance(2),
            _ => panic!("no case has this property"),
        }
    }
}

/// A PUBLISH up to its properties, or rather to their length.
struct Head<'a> {
    first: u8,
    topic: &'a str,
    packet_id: Option<u16>,
    properties: Option<usize>,
}

impl Head<'_> {
    #[inline]
    fn put(&self, payload: usize, out: &mut Vec<u8>) {
        let topic = self.topic.as_bytes();
        let properties = self.properties.map_or(0, |len| len + if len < 128 { 1 } else { 2 });
        let mut remaining = 2 + topic.len() + if self.packet_id.is_some() { 2 } else { 0 } + properties + payload;
        out.reserve(5 + remaining);
        out.push(self.first);
        while remaining > 127 {
            out.push(remaining as u8 | 0x80);
            remaining >>= 7;
        }
        out.push(remaining as u8);
        put_binary(topic, out);
        if let Some(packet_id) = self.packet_id {
            out.extend_from_slice(&packet_id.to_be_bytes());
        }
        match self.properties {
            None => {}
            Some(len @ 0..128) => out.push(len as u8),
            Some(len) => out.extend_from_slice(&[len as u8 | 0x80, (len >> 7) as u8]),
        }
    }
}

#[inline]
fn put_binary(field: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(field.len() as u16).to_be_bytes());
    out.extend_from_slice(field);
}

fn six_len() -> usize {
    let user = SIX.user_properties.iter().map(|(name, value)| 5 + name.len() + value.len()).sum::<usize>();
    5 + 9 + SIX.content_type.len() + SIX.response_topic.len() + SIX.correlation_data.len() + user
}

fn put_six(out: &mut Vec<u8>) {
    out.push(0x02);
    out.extend_from_slice(&SIX.message_expiry_interval.to_be_bytes());
    out.push(0x03);
    put_binary(SIX.content_type.as_bytes(), out);
    out.push(0x08);
    put_binary(SIX.response_topic.as_bytes(), out);
    out.push(0x09);
    put_binary(SIX.correlation_data, out);
    for (name, value) in SIX.user_properties {
        out.push(0x26);
        put_binary(name.as_bytes(), out);
        put_binary(value.as_bytes(), out);
    }
}
