//! The equations. Each takes any bytes, and panics where an equation does not hold.

use mqtt_proto::choices::{self, Choices};
use mqtt_proto::{
    Codec, ConnAck, Connect, DecodeError, Dialect, Frame, Framer, Leniency, Packet, PacketBuf, Properties,
    PropertiesBuf, Protocol, Publish, PublishBuf, Role, TopicFilter, TopicName, TransmitBuf, Version,
};

use super::topics;

/// What decodes from a stream encodes to an equal packet, at both ends of the connection.
pub fn decode(data: &[u8]) {
    let Some((&level, stream)) = data.split_first() else {
        return;
    };
    for role in [Role::Client, Role::Server] {
        let codec = receiver(level, role);
        let mut rest = stream;
        while decode_one(codec, &mut rest).is_some() {}
    }
}

/// A packet decodes to itself.
pub fn round_trip(data: &[u8]) {
    let mut choices = Choices::new(data);
    let (codec, packet_type) = choices::sender(&mut choices);
    choices::with_packet(&mut choices, codec, packet_type, |packet| decodes_to_itself(codec, packet));
}

/// A stream in pieces holds the same packets as the whole, and ends in the same way.
pub fn chunks(data: &[u8]) {
    let [step, stream @ ..] = data else { return };
    let mut whole = Vec::new();
    let mut rest = stream;
    let end = loop {
        match Frame::split(&mut rest, CHUNKS_PACKET_BYTES_MAX) {
            Ok(Some(frame)) => whole.push(frame.as_bytes()),
            Ok(None) => break Ok(rest.len()),
            Err(error) => break Err(error),
        }
    };
    let (frames, pieces_end) = in_pieces(stream, usize::from(*step), Framer::new(CHUNKS_PACKET_BYTES_MAX));
    assert_eq!(frames, whole);
    assert_eq!(pieces_end, end);
}

/// A dialect only adds, what it takes encodes to an equal packet, and what it was lenient about is written as the standard has it. A stream
/// in pieces is the same as the whole in a dialect, too.
pub fn dialect(data: &[u8]) {
    let [features, leniencies, level, step, stream @ ..] = data else { return };
    let dialect = some_dialect(*features, *leniencies);
    for role in [Role::Client, Role::Server] {
        let standard = receiver(*level, role);
        let mut rest = stream;
        while decode_in_both(standard, dialect, &mut rest).is_some() {}
    }

    let mut standard = Codec::server(Version::V5);
    standard.packet_bytes_max = CHUNKS_PACKET_BYTES_MAX;
    let codec = in_dialect(standard, dialect);
    let whole = in_pieces(stream, stream.len(), Framer::for_codec(&codec));
    assert_eq!(in_pieces(stream, usize::from(*step), Framer::for_codec(&codec)), whole);
    let (frames, _) = in_pieces(stream, stream.len(), Framer::for_codec(&standard));
    assert!(whole.0.starts_with(&frames));
}

/// Decodes a packet in the standard and in a dialect of it. `None` at the end of the dialect's stream.
fn decode_in_both<'a>(standard: Codec, dialect: Dialect, rest: &mut &'a [u8]) -> Option<Packet<'a>> {
    let codec = in_dialect(standard, dialect);
    let (mut strict_rest, mut dialect_rest) = (*rest, *rest);
    let strict = standard.decode(&mut strict_rest);
    if strict.is_ok() {
        assert_eq!(codec.decode(&mut dialect_rest), strict);
        assert_eq!(dialect_rest, strict_rest);
    }
    let packet = decode_one(codec, rest)?;
    // What is left of a leniency is a packet of the standard's.
    if is_of_the_standard(&packet) {
        let encoded = encode(other_end(standard), &packet);
        assert_eq!(encoded, encode(other_end(codec), &packet));
        assert_eq!(decode_whole(standard, &encoded), packet);
    }
    Some(packet)
}

fn is_of_the_standard(packet: &Packet<'_>) -> bool {
    !matches!(packet, Packet::Opaque(_) | Packet::OpaqueConnect(_) | Packet::Connect(Connect { protocol: Some(_), .. }))
        && !matches!(packet, Packet::ConnAck(ConnAck { trailing: [_, ..], .. }))
}

fn in_dialect(mut codec: Codec, dialect: Dialect) -> Codec {
    codec.dialect = dialect;
    codec
}

/// One bit for each thing that a dialect can do.
pub fn some_dialect(features: u8, leniencies: u8) -> Dialect {
    let mut dialect = Dialect::STANDARD;
    if features & 1 != 0 {
        dialect.protocols = &PROTOCOLS;
    }
    dialect.reserved_packet_types = features & 2 != 0;
    dialect.connack_trailing = features & 4 != 0;
    let set = Leniency::ALL.iter().enumerate().filter(|(bit, _)| leniencies >> bit & 1 != 0);
    set.fold(dialect, |dialect, (_, &leniency)| dialect.allowing(leniency))
}

/// Bridges, and a made-up protocol in all versions, with fields and without.
pub static PROTOCOLS: [Protocol; 10] = {
    const fn own(level: u8, version: Version, opaque_body: bool) -> Protocol {
        Protocol { name: b"own", level, version, opaque_body }
    }
    let [v3_1, v3_1_1, v5] = Protocol::BRIDGES;
    [
        v3_1,
        v3_1_1,
        v5,
        own(3, Version::V3_1, false),
        own(4, Version::V3_1_1, false),
        own(5, Version::V5, false),
        own(0, Version::V3_1, true),
        own(1, Version::V3_1_1, true),
        own(2, Version::V5, true),
        Protocol { name: b"MQTT", level: 3, version: Version::V3_1, opaque_body: false },
    ]
};

/// Filters, names and matching are what the plain words of the specification say.
pub fn topic_match(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Some((filter_text, name_text)) = text.split_once('\0') else {
        return;
    };
    let (filter, name) = (TopicFilter::new(filter_text), TopicName::new(name_text));
    assert_eq!(filter.is_ok(), topics::is_filter(filter_text), "{filter_text:?} as a filter");
    assert_eq!(name.is_ok(), topics::is_name(name_text), "{name_text:?} as a name");
    if let (Ok(filter), Ok(name)) = (filter, name) {
        assert_eq!(filter.matches(name), topics::matches(filter_text, name_text), "{filter:?} and {name:?}");
    }
}

/// Decodes a packet and checks everything that must hold of one. `None` at the end of the stream, good or bad.
pub fn decode_one<'a>(codec: Codec, rest: &mut &'a [u8]) -> Option<Packet<'a>> {
    let before = *rest;
    match codec.decode(rest) {
        Ok(Some(packet)) => {
            encodes_to_itself(codec, &before[..before.len() - rest.len()], &packet);
            Some(packet)
        }
        Ok(None) => {
            assert_eq!(*rest, before, "nothing was taken");
            None
        }
        Err(error) => {
            assert_eq!(*rest, before, "nothing was taken");
            assert!(error.offset() as usize <= before.len(), "{error} in {} bytes", before.len());
            None
        }
    }
}

/// `encode(decode(bytes))` is the same packet in its shortest form, and so is every copy of it.
fn encodes_to_itself(codec: Codec, bytes: &[u8], packet: &Packet<'_>) {
    let encoded = encode(other_end(codec), packet);
    assert_eq!(decode_whole(codec, &encoded), *packet, "decoded from {bytes:x?}, encoded to {encoded:x?}");
    // A leniency may fill in what is missing.
    assert!(encoded.len() <= bytes.len() || codec.dialect != Dialect::STANDARD, "{bytes:x?} became {encoded:x?}");
    for bytes in [bytes, &encoded[..]] {
        let kept = PacketBuf::new(codec, bytes.to_vec().into()).expect("it has been decoded before");
        assert_eq!(kept.packet(), *packet);
    }
    for properties in properties_of(packet) {
        let mut rebuilt = PropertiesBuf::new();
        for property in &properties {
            rebuilt.push(property).expect("it stood in a packet");
        }
        assert_eq!(rebuilt.as_properties(), properties);
    }
    if let Packet::Publish(publish @ Publish { topic: Some(topic), .. }) = packet {
        assert_eq!(PublishBuf::new(*topic, publish).publish(publish.delivery), *publish);
    }
}

/// `decode(encode(packet)) == packet`.
pub fn decodes_to_itself(sender: Codec, packet: &Packet<'_>) {
    let receiver = other_end(sender);
    let bytes = encode(sender, packet);
    let decoded = decode_whole(receiver, &bytes);
    assert_eq!(decoded, *packet);
    assert_eq!(encode(sender, &decoded), bytes);
    encodes_to_itself(receiver, &bytes, packet);
}

/// The bytes of a packet that must be right; as many as were announced.
pub fn encode(sender: Codec, packet: &Packet<'_>) -> Vec<u8> {
    let mut out = TransmitBuf::new();
    sender.encode(packet, &mut out).unwrap_or_else(|error| panic!("{error}: {packet:?}"));
    let bytes: Vec<u8> = out.slices().flatten().copied().collect();
    assert_eq!(sender.encoded_len(packet), Ok(bytes.len()));
    assert_eq!(out.len(), bytes.len());
    bytes
}

/// The one packet that `bytes` must be.
fn decode_whole(receiver: Codec, mut bytes: &[u8]) -> Packet<'_> {
    let packet = receiver.decode(&mut bytes).unwrap_or_else(|error| panic!("{error}: {bytes:x?}"));
    assert!(bytes.is_empty(), "left over: {bytes:x?}");
    packet.expect("the packet is complete")
}

/// The codec at the other end of the connection.
pub fn other_end(mut codec: Codec) -> Codec {
    codec.role = codec.role.peer();
    codec
}

fn receiver(level: u8, role: Role) -> Codec {
    let version = match level {
        3 => Version::V3_1,
        4 => Version::V3_1_1,
        5 => Version::V5,
        other => Version::ALL[usize::from(other % 3)],
    };
    let mut codec = Codec::client(version);
    codec.role = role;
    codec
}

fn properties_of<'a>(packet: &Packet<'a>) -> Vec<Properties<'a>> {
    match packet {
        Packet::Connect(Connect { properties, will, .. }) => {
            [*properties].into_iter().chain(will.map(|will| will.properties)).collect()
        }
        Packet::ConnAck(body) => vec![body.properties],
        Packet::Publish(body) => vec![body.properties],
        Packet::PubAck(body) | Packet::PubRec(body) | Packet::PubRel(body) | Packet::PubComp(body) => {
            vec![body.properties]
        }
        Packet::Subscribe(body) => vec![body.properties],
        Packet::SubAck(body) => vec![body.properties],
        Packet::Unsubscribe(body) => vec![body.properties],
        Packet::UnsubAck(body) => vec![body.properties],
        Packet::PingReq | Packet::PingResp => vec![],
        Packet::Disconnect(body) => vec![body.properties],
        Packet::Auth(body) => vec![body.properties],
        Packet::Opaque(_) | Packet::OpaqueConnect(_) => vec![],
    }
}

/// Feeds `stream` to `framer`: pieces of `step` bytes, or of some bytes each where that is 0.
fn in_pieces(stream: &[u8], step: usize, mut framer: Framer) -> (Vec<&[u8]>, Result<usize, DecodeError>) {
    let mut frames = Vec::new();
    // What the host holds is `stream[from..to]`; the packet at its front is known to end at `needed` or behind it.
    let (mut from, mut to, mut needed) = (0, 0, 0);
    while to < stream.len() {
        let piece = if step > 0 { step } else { 1 + to * to % 7 };
        to = stream.len().min(to + piece);
        let mut held = &stream[from..to];
        loop {
            match framer.next(&mut held) {
                Ok(Some(frame)) => {
                    from = to - held.len();
                    assert!(from >= needed, "complete without the missing bytes");
                    frames.push(frame.as_bytes());
                }
                Ok(None) => break,
                Err(error) => return (frames, Err(error)),
            }
        }
        needed = to + framer.missing(held.len());
    }
    (frames, Ok(stream.len() - from))
}

/// Small, so that a small input reaches it.
const CHUNKS_PACKET_BYTES_MAX: u32 = 300;
