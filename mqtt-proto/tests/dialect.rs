//! What dialects add to the standard, and that they change nothing else.

mod common;
#[path = "../examples/dialect.rs"]
mod example;

use bytes::Bytes;
use common::fuzz::checks::{self, PROTOCOLS, other_end, some_dialect};
use common::{bytes, codec, codecs, golden};
use mqtt_proto::Role::{Client, Server};
use mqtt_proto::Version::{V3_1, V3_1_1, V5};
use mqtt_proto::{
    Cause, Codec, ConnAck, Connect, Dialect, EncodeError, Frame, Framer, Leniency, Opaque, OpaqueConnect, Packet,
    PacketBuf, PacketType, Protocol, ReasonCode, Role, Text, TransmitBuf, Version,
};
use proptest::{collection, prelude::*};

/// Leniency, version, who receives it, what the standard says, the bytes, and the same packet as the standard has it.
type Vector = (Leniency, Version, Role, Cause, &'static str, &'static str);

#[rustfmt::skip]
const VECTORS: &[Vector] = &[
    (Leniency::ReservedBits, V3_1_1, Server, Cause::ReservedFlags, "6A 02 00 0A", "62 02 00 0A"),
    (Leniency::ReservedBits, V3_1, Server, Cause::ReservedFlags, "60 02 00 0A", "62 02 00 0A"),
    (Leniency::ReservedBits, V5, Server, Cause::ReservedFlags, "80 07 00 0A 00 00 01 'a' 00", "82 07 00 0A 00 00 01 'a' 00"),
    (Leniency::ReservedBits, V5, Client, Cause::ReservedFlags, "92 04 00 0A 00 00", "90 04 00 0A 00 00"),
    (Leniency::ReservedBits, V5, Server, Cause::ReservedFlags, "CF 00", "C0 00"),
    (Leniency::ReservedBits, V3_1_1, Server, Cause::ConnectReservedFlag, "10 0C 00 04 'MQTT' 04 03 00 3C 00 00", "10 0C 00 04 'MQTT' 04 02 00 3C 00 00"),
    (Leniency::ReservedBits, V5, Server, Cause::ConnectReservedFlag, "10 0D 00 04 'MQTT' 05 03 00 3C 00 00 00", "10 0D 00 04 'MQTT' 05 02 00 3C 00 00 00"),
    (Leniency::ReservedBits, V3_1_1, Client, Cause::ConnAckFlags, "20 02 FE 00", "20 02 00 00"),
    (Leniency::ReservedBits, V5, Client, Cause::ConnAckFlags, "20 03 81 00 00", "20 03 01 00 00"),
    (Leniency::ReservedBits, V3_1_1, Server, Cause::SubscriptionOptions, "82 0A 00 0A 00 01 'a' FE 00 01 'b' 01", "82 0A 00 0A 00 01 'a' 02 00 01 'b' 01"),
    (Leniency::ReservedBits, V5, Server, Cause::SubscriptionOptions, "82 07 00 0A 00 00 01 'a' ED", "82 07 00 0A 00 00 01 'a' 2D"),
    (Leniency::DupAtQos0, V5, Server, Cause::DupAtQos0, "38 04 00 01 'a' 00", "30 04 00 01 'a' 00"),
    (Leniency::DupAtQos0, V3_1_1, Client, Cause::DupAtQos0, "39 03 00 01 'a'", "31 03 00 01 'a'"),
    (Leniency::DupAtQos0, V3_1, Server, Cause::DupAtQos0, "38 03 00 01 'a'", "30 03 00 01 'a'"),
    (Leniency::WillBitsWithoutWill, V3_1_1, Server, Cause::WillBitsWithoutWill, "10 0C 00 04 'MQTT' 04 0A 00 3C 00 00", "10 0C 00 04 'MQTT' 04 02 00 3C 00 00"),
    (Leniency::WillBitsWithoutWill, V5, Server, Cause::WillBitsWithoutWill, "10 0D 00 04 'MQTT' 05 3A 00 3C 00 00 00", "10 0D 00 04 'MQTT' 05 02 00 3C 00 00 00"),
    (Leniency::PasswordWithoutUserName, V3_1_1, Server, Cause::PasswordWithoutUserName, "10 0F 00 04 'MQTT' 04 42 00 3C 00 00 00 01 'p'", "10 11 00 04 'MQTT' 04 C2 00 3C 00 00 00 00 00 01 'p'"),
    (Leniency::PasswordWithoutUserName, V3_1, Server, Cause::PasswordWithoutUserName, "10 12 00 06 'MQIsdp' 03 42 00 3C 00 01 'a' 00 01 'p'", "10 14 00 06 'MQIsdp' 03 C2 00 3C 00 01 'a' 00 00 00 01 'p'"),
    // In 3.1 what the flags announce may be missing.
    (Leniency::PasswordWithoutUserName, V3_1, Server, Cause::PasswordWithoutUserName, "10 0F 00 06 'MQIsdp' 03 42 00 3C 00 01 'a'", "10 0F 00 06 'MQIsdp' 03 02 00 3C 00 01 'a'"),
    (Leniency::TrailingBytes, V5, Server, Cause::TrailingBytes, "C0 01 00", "C0 00"),
    (Leniency::TrailingBytes, V3_1, Client, Cause::TrailingBytes, "D0 02 FF FF", "D0 00"),
    (Leniency::TrailingBytes, V3_1_1, Server, Cause::TrailingBytes, "40 03 00 0A 00", "40 02 00 0A"),
    (Leniency::TrailingBytes, V5, Client, Cause::TrailingBytes, "62 05 00 0A 92 00 00", "62 03 00 0A 92"),
    (Leniency::TrailingBytes, V3_1_1, Client, Cause::TrailingBytes, "20 03 00 00 00", "20 02 00 00"),
    (Leniency::TrailingBytes, V5, Client, Cause::TrailingBytes, "20 05 00 00 00 'xy'", "20 03 00 00 00"),
    (Leniency::TrailingBytes, V3_1_1, Client, Cause::TrailingBytes, "B0 04 00 0A 00 00", "B0 02 00 0A"),
    (Leniency::TrailingBytes, V3_1_1, Server, Cause::TrailingBytes, "E0 01 00", "E0 00"),
    (Leniency::TrailingBytes, V3_1_1, Server, Cause::TrailingBytes, "10 0F 00 04 'MQTT' 04 02 00 3C 00 00 00 01 'u'", "10 0C 00 04 'MQTT' 04 02 00 3C 00 00"),
    (Leniency::PaddedRemainingLength, V5, Server, Cause::VarintNotShortest, "C0 80 00", "C0 00"),
    (Leniency::PaddedRemainingLength, V3_1_1, Client, Cause::VarintNotShortest, "40 82 80 80 00 00 0A", "40 02 00 0A"),
    (Leniency::PaddedRemainingLength, V3_1, Server, Cause::VarintNotShortest, "30 83 80 00 00 01 'a'", "30 03 00 01 'a'"),
    (Leniency::SessionPresentOnRefusal, V3_1_1, Client, Cause::SessionPresentOnRefusal, "20 02 01 05", "20 02 00 05"),
    (Leniency::SessionPresentOnRefusal, V5, Client, Cause::SessionPresentOnRefusal, "20 03 01 87 00", "20 03 00 87 00"),
    (Leniency::ReturnCodeInConnAck, V5, Client, Cause::ReasonCode, "20 02 00 01", "20 03 00 84 00"),
    (Leniency::ReturnCodeInConnAck, V5, Client, Cause::ReasonCode, "20 02 00 05", "20 03 00 87 00"),
];

#[test]
fn a_leniency_takes_what_it_says_and_nothing_wrong_is_written() {
    for &(leniency, version, role, cause, written, right) in VECTORS {
        let (bytes, right) = (bytes(written), bytes(right));
        let strict = codec(version, role);
        assert_eq!(cause_of(strict, &bytes), Some(cause), "{written}");
        let others = Leniency::ALL.iter().filter(|&&other| other != leniency);
        let others = others.fold(Dialect::STANDARD, |dialect, &other| dialect.allowing(other));
        assert_eq!(cause_of(within(strict, others), &bytes), Some(cause), "{written}");

        let lenient = within(strict, Dialect::STANDARD.allowing(leniency));
        let packet = decode(lenient, &bytes);
        assert_eq!(encode(other_end(lenient), &packet), Ok(right.clone()), "{written}");
        assert_eq!(encode(other_end(strict), &packet), Ok(right.clone()));
        assert_eq!(decode(strict, &right), packet);
        let kept = PacketBuf::new(lenient, Bytes::from(bytes.clone())).unwrap();
        assert_eq!(kept.packet(), packet);

        // What is kept is read by its own codec's dialect, whatever it was cut by.
        let frame = Framer::for_codec(&lenient).next(&mut &bytes[..]).unwrap().unwrap();
        assert_eq!(PacketBuf::copy(lenient, &frame), Ok(kept));
        assert_eq!(PacketBuf::copy(strict, &frame).unwrap_err().cause(), cause);
    }
    for leniency in Leniency::ALL {
        assert!(VECTORS.iter().any(|vector| vector.0 == *leniency), "{leniency:?} has no vector");
    }
}

#[test]
fn what_has_no_right_form_no_leniency_takes() {
    for (version, role, cause, written) in [
        (V3_1_1, Server, Cause::PacketIdZero, "40 02 00 00"),
        (V3_1_1, Server, Cause::PublishQos, "36 05 00 01 'a' 00 0A"),
        (V3_1_1, Server, Cause::WildcardInTopicName, "30 03 00 01 '#'"),
        (V3_1_1, Server, Cause::NulInText, "30 03 00 01 00"),
        (V3_1_1, Server, Cause::WillQos, "10 11 00 04 'MQTT' 04 1E 00 3C 00 00 00 01 'w' 00 00"),
        (V3_1_1, Server, Cause::SubscriptionQos, "82 06 00 0A 00 01 'a' 07"),
        (V5, Server, Cause::RetainHandling, "82 07 00 0A 00 00 01 'a' F0"),
        (V3_1_1, Server, Cause::ReservedPacketType, "F0 00"),
        (V5, Server, Cause::ReservedPacketType, "00 00"),
        (V5, Server, Cause::WrongDirection, "D0 00"),
        (V5, Server, Cause::VarintTooLong, "C0 80 80 80 80 00"),
        (V5, Server, Cause::VarintNotShortest, "30 07 00 01 'a' 82 00 01 00"),
        (V5, Client, Cause::VarintNotShortest, "20 04 00 00 80 00"),
        (V5, Client, Cause::UnexpectedEnd, "20 02 00 00"),
        (V5, Client, Cause::ReasonCode, "20 03 00 01 00"),
        (V5, Client, Cause::ReasonCode, "20 02 00 06"),
    ] {
        assert_eq!(
            cause_of(within(codec(version, role), some_dialect(0, 0xFF)), &bytes(written)),
            Some(cause),
            "{written}"
        );
    }
}

#[test]
fn a_bridge_of_mosquitto_shows_its_level_and_speaks_its_version() {
    for (version, level, written) in [
        (V3_1, 0x83, "10 0F 00 06 'MQIsdp' 83 02 00 3C 00 01 'a'"),
        (V3_1_1, 0x84, "10 0D 00 04 'MQTT' 84 02 00 3C 00 01 'a'"),
        (V5, 0x85, "10 0E 00 04 'MQTT' 85 02 00 3C 00 00 01 'a'"),
    ] {
        let bytes = bytes(written);
        let strict = Codec::server(version);
        assert_eq!(cause_of(strict, &bytes), Some(Cause::ProtocolLevel));
        let server = within(strict, Dialect::MOSQUITTO_BRIDGE);
        let frame = Frame::split(&mut &bytes[..], 100).unwrap().unwrap();
        assert_eq!(frame.connect_version(&server.dialect), Ok(version));
        assert_eq!(frame.connect_version(&Dialect::STANDARD).unwrap_err().cause(), Cause::ProtocolLevel);

        let mut expected = Connect::new(Text::new("a").unwrap());
        expected.keep_alive = 60;
        expected.protocol = Protocol::BRIDGES.iter().find(|protocol| protocol.version == version);
        assert_eq!(expected.protocol.unwrap().level, level);
        assert_eq!(server.decode_frame(&frame), Ok(Packet::Connect(expected)));
        assert_eq!(encode(other_end(server), &Packet::Connect(expected)), Ok(bytes.clone()));
        for other in Version::ALL.into_iter().filter(|&other| other != version) {
            let wrong = within(Codec::server(other), Dialect::MOSQUITTO_BRIDGE);
            assert_eq!(wrong.decode_frame(&frame).unwrap_err().cause(), Cause::ProtocolLevel);
        }
    }
}

#[test]
fn each_protocol_of_a_dialect_comes_back_as_itself() {
    let dialect = some_dialect(1, 0);
    for protocol in &PROTOCOLS {
        let connect = if protocol.opaque_body {
            Packet::OpaqueConnect(OpaqueConnect { protocol, body: &[0, 0xFF, b'x'] })
        } else {
            Packet::Connect(Connect { protocol: Some(protocol), ..Connect::new(Text::new("a").unwrap()) })
        };
        assert_eq!(connect.packet_type(), PacketType::Connect);
        let client = within(Codec::client(protocol.version), dialect);
        let bytes = encode(client, &connect).unwrap();
        let name_and_level = [protocol.name, &[protocol.level]].concat();
        assert!(bytes[4..].starts_with(&name_and_level));
        assert_eq!(decode(other_end(client), &bytes), connect);
        checks::decodes_to_itself(client, &connect);
        for other in Version::ALL.into_iter().filter(|&other| other != protocol.version) {
            let wrong = within(Codec::server(other), dialect);
            assert_eq!(cause_of(wrong, &bytes), Some(Cause::ProtocolLevel));
        }

        let strict = Codec::server(protocol.version);
        let known = Version::ALL.iter().any(|version| version.protocol_name() == protocol.name);
        let (cause, offset) =
            if known { (Cause::ProtocolLevel, 4 + protocol.name.len()) } else { (Cause::ProtocolName, 2) };
        let error = strict.decode(&mut &bytes[..]).unwrap_err();
        assert_eq!((error.cause(), error.offset() as usize), (cause, offset));
    }
    // A name that is known with a level that is not.
    let error = within(Codec::server(V5), dialect).decode(&mut &b"\x10\x06\0\x03own\x09"[..]).unwrap_err();
    assert_eq!((error.cause(), error.offset()), (Cause::ProtocolLevel, 7));
    // Under the standard's own name and level nothing changes.
    let client = within(Codec::client(V3_1_1), dialect);
    let connect = Packet::Connect(Connect::new(Text::EMPTY));
    assert_eq!(encode(client, &connect), encode(Codec::client(V3_1_1), &connect));
}

#[test]
fn reserved_types_pass_in_both_directions_where_they_may() {
    let dialect = some_dialect(2, 0);
    for strict in codecs() {
        let receiver = within(strict, dialect);
        for packet_type in [PacketType::Reserved, PacketType::Auth] {
            for (flags, body) in [(0, &b""[..]), (0b1010, b"own"), (0x0F, &[0; 200])] {
                let opaque = Opaque::new(packet_type, flags, body).unwrap();
                assert_eq!((opaque.packet_type(), opaque.flags(), opaque.body()), (packet_type, flags, body));
                let packet = Packet::Opaque(opaque);
                assert_eq!(packet.packet_type(), packet_type);
                assert_eq!(encode(other_end(strict), &packet), Err(NO_RESERVED_TYPE));
                if packet_type == PacketType::Auth && strict.version.has_auth() {
                    assert_eq!(encode(other_end(receiver), &packet), Err(NO_RESERVED_TYPE));
                    continue;
                }
                let bytes = encode(other_end(receiver), &packet).unwrap();
                assert_eq!(bytes[0], (packet_type as u8) << 4 | flags);
                assert_eq!(decode(receiver, &bytes), packet);
                assert_eq!(cause_of(strict, &bytes), Some(Cause::ReservedPacketType));
                checks::decodes_to_itself(other_end(receiver), &packet);
            }
        }
    }
    assert_eq!(Opaque::new(PacketType::Reserved, 0x10, b""), None);
    for packet_type in PacketType::ALL {
        assert_eq!(Opaque::new(packet_type, 0, b"").is_some(), packet_type == PacketType::Auth);
    }
    // A framer that lets it pass does not decide for the codec.
    let frame = Framer::for_codec(&within(Codec::server(V5), dialect)).next(&mut &[0, 0][..]).unwrap().unwrap();
    assert_eq!(Codec::server(V5).decode_frame(&frame).unwrap_err().cause(), Cause::ReservedPacketType);
    // Without the dialect it is refused at its first byte.
    for mut framer in [Framer::new(10), Framer::for_codec(&Codec::server(V5))] {
        assert_eq!(framer.next(&mut &[0x0F][..]).unwrap_err().cause(), Cause::ReservedPacketType);
    }
}

#[test]
fn connack_goes_on_behind_its_last_field() {
    for (version, written) in
        [(V3_1, "20 05 00 00 'abc'"), (V3_1_1, "20 05 01 00 'abc'"), (V5, "20 0B 00 87 05 1F 00 02 'no' 'abc'")]
    {
        let (bytes, strict) = (bytes(written), Codec::client(version));
        assert_eq!(cause_of(strict, &bytes), Some(Cause::TrailingBytes));
        let client = within(strict, some_dialect(4, 0));
        let packet = decode(client, &bytes);
        let Packet::ConnAck(connack) = packet else { panic!("{packet:?}") };
        assert_eq!(connack.trailing, b"abc");
        assert_eq!(encode(other_end(client), &packet), Ok(bytes.clone()));
        // Kept where it may be kept, though it could be dropped.
        let both = within(strict, some_dialect(4, 0xFF));
        assert_eq!(decode(both, &bytes), packet);
    }
}

/// The buffer is as it was: see `encode`.
#[test]
fn what_is_not_in_the_dialect_is_not_written() {
    static OTHERS: [Protocol; 4] = [
        Protocol { name: b"other", level: 1, version: V3_1_1, opaque_body: false },
        // The standard's own, and so never found.
        Protocol { name: b"MQTT", level: 4, version: V3_1_1, opaque_body: false },
        // Found only once.
        Protocol { name: b"twice", level: 1, version: V3_1_1, opaque_body: false },
        Protocol { name: b"twice", level: 1, version: V3_1_1, opaque_body: true },
    ];
    static LONG: [Protocol; 1] = [Protocol { name: &[b'x'; 65_536], level: 1, version: V3_1_1, opaque_body: false }];
    let with = |protocols| {
        let mut codec = Codec::client(V3_1_1);
        codec.dialect.protocols = protocols;
        codec
    };
    let connect = |protocol| Packet::Connect(Connect { protocol: Some(protocol), ..Connect::new(Text::EMPTY) });
    let opaque = |protocol| Packet::OpaqueConnect(OpaqueConnect { protocol, body: b"x" });
    let refused = |what| Err(EncodeError::NotInDialect { what });

    let this = "this protocol in this version";
    assert_eq!(encode(Codec::client(V3_1_1), &connect(&OTHERS[0])), refused(this));
    assert_eq!(encode(with(&PROTOCOLS), &connect(&OTHERS[0])), refused(this));
    assert_eq!(encode(with(&PROTOCOLS), &connect(&Protocol::BRIDGES[2])), refused(this));
    assert_eq!(encode(with(&OTHERS), &connect(&OTHERS[1])), refused(this));
    assert_eq!(encode(with(&OTHERS), &opaque(&OTHERS[3])), refused(this));
    assert!(encode(with(&OTHERS), &connect(&OTHERS[0])).is_ok());
    assert!(encode(with(&OTHERS), &connect(&OTHERS[2])).is_ok());
    assert_eq!(encode(with(&OTHERS), &opaque(&OTHERS[0])), refused("an opaque CONNECT under this protocol"));
    assert_eq!(encode(with(&OTHERS[3..]), &connect(&OTHERS[3])), refused("a CONNECT with fields under this protocol"));
    assert_eq!(encode(with(&LONG), &connect(&LONG[0])), Err(EncodeError::FieldTooLong { field: "protocol name" }));
    let mut server = with(&OTHERS);
    server.role = Server;
    let wrong_end = Err(EncodeError::WrongDirection { packet_type: PacketType::Connect, role: Server });
    assert_eq!(encode(server, &opaque(&OTHERS[3])), wrong_end);
    assert_eq!(encode(server, &connect(&OTHERS[0])), wrong_end);

    let connack = Packet::ConnAck(ConnAck { trailing: b"x", ..ConnAck::new(ReasonCode::Success) });
    assert_eq!(encode(Codec::server(V5), &connack), refused("bytes behind the last field of CONNACK"));
    let everything_else = within(Codec::server(V5), some_dialect(3, 0xFF));
    assert_eq!(encode(everything_else, &connack), refused("bytes behind the last field of CONNACK"));
    let said = EncodeError::NotInDialect { what: "a reserved packet type" }.to_string();
    assert_eq!(said, "a reserved packet type is not in the codec's dialect");
}

#[test]
fn of_all_strings_of_up_to_two_bytes_a_dialect_adds_these() {
    let short: Vec<Vec<u8>> = (0..=2_u32)
        .flat_map(|length| {
            (0..1_u32 << (8 * length)).map(move |number| number.to_be_bytes()[4 - length as usize..].to_vec())
        })
        .collect();
    for strict in codecs() {
        let decode = |codec: Codec, bytes: &[u8]| codec.decode(&mut &bytes[..]).map(|packet| packet.is_some());
        let added = |dialect| -> Vec<u8> {
            let is_added =
                |bytes: &&Vec<u8>| decode(strict, bytes).is_err() && decode(within(strict, dialect), bytes) == Ok(true);
            short.iter().filter(is_added).map(|bytes| bytes[0]).collect()
        };
        for bytes in &short {
            assert_eq!(decode(within(strict, Dialect::default()), bytes), decode(strict, bytes));
        }

        let mut reserved: Vec<u8> = (0x00..=0x0F).collect();
        if !strict.version.has_auth() {
            reserved.extend(0xF0..=0xFF);
        }
        assert_eq!(added(some_dialect(2, 0)), reserved);

        let first_bytes: &[u8] = match strict.role {
            Server => &[0xC0, 0xE0],
            Client if strict.version.server_may_disconnect() => &[0xD0, 0xE0],
            Client => &[0xD0],
        };
        // 3.1 does not check them anyway.
        let flags = if strict.version.reserved_bits_are_checked() { 15 } else { 0 };
        let with_flags: Vec<u8> =
            first_bytes.iter().flat_map(|first| (1..=flags).map(move |flags| first | flags)).collect();
        assert_eq!(added(Dialect::STANDARD.allowing(Leniency::ReservedBits)), with_flags);
    }
}

#[test]
fn every_packet_of_the_standard_is_the_same_in_every_dialect() {
    for golden in golden::set() {
        for (features, leniencies) in [(1, 0), (2, 0), (4, 0), (0, 0xFF), (7, 0xFF)] {
            let receiver = within(codec(golden.version, golden.sender.peer()), some_dialect(features, leniencies));
            assert_eq!(decode(receiver, &golden.bytes), golden.packet);
            assert_eq!(encode(other_end(receiver), &golden.packet), Ok(golden.bytes.clone()));
        }
    }
}

#[test]
fn a_stream_in_pieces_of_any_one_size_holds_the_same_packets_in_a_dialect() {
    for version in Version::ALL {
        let set = golden::set();
        let mut stream: Vec<u8> =
            set.iter().filter(|golden| golden.version == version).flat_map(|golden| golden.bytes.clone()).collect();
        stream.splice(0..0, bytes("03 03 'own' 00 82 80 80 00 'xy' F1 00 C0 81 00 00"));
        for step in 0..=0xFF {
            checks::dialect(&[&[7, 0xFF, version.level(), step], &stream[..]].concat());
        }
    }
}

#[test]
fn opaque_bytes_are_not_shown() {
    let connect = OpaqueConnect { protocol: &PROTOCOLS[6], body: b"secret" };
    assert_eq!(format!("{connect:?}"), "OpaqueConnect(Protocol(\"own\" 0x00, MQTT 3.1, opaque body), 6 bytes)");
    let opaque = Opaque::new(PacketType::Reserved, 0b0101, b"secret").unwrap();
    assert_eq!(format!("{opaque:?}"), "Opaque(Reserved, flags 0b0101, 6 bytes)");
    let connack = ConnAck { trailing: b"secret", ..ConnAck::new(ReasonCode::Success) };
    assert!(format!("{connack:?}").ends_with("properties: [], trailing: (6 bytes) }"));
    assert!(format!("{:?}", ConnAck::new(ReasonCode::Success)).ends_with("properties: [] }"));
    let connect = Connect { protocol: Some(&PROTOCOLS[0]), ..Connect::new(Text::EMPTY) };
    assert!(format!("{connect:?}").starts_with("Connect { protocol: Protocol(\"MQIsdp\" 0x83, MQTT 3.1), clean_start"));
}

#[test]
fn the_example_is_right() {
    example::main().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_stream_of_rubbish_is_read_by_the_rules(stream in collection::vec(any::<u8>(), 4..64)) {
        checks::dialect(&stream);
    }
}

const NO_RESERVED_TYPE: EncodeError = EncodeError::NotInDialect { what: "a reserved packet type" };

fn within(mut codec: Codec, dialect: Dialect) -> Codec {
    codec.dialect = dialect;
    codec
}

fn decode(codec: Codec, mut bytes: &[u8]) -> Packet<'_> {
    let packet = codec.decode(&mut bytes).unwrap().unwrap();
    assert!(bytes.is_empty());
    packet
}

fn cause_of(codec: Codec, bytes: &[u8]) -> Option<Cause> {
    codec.decode(&mut &bytes[..]).err().map(|error| error.cause())
}

/// Encodes behind other bytes, which a refusal must leave alone.
fn encode(sender: Codec, packet: &Packet<'_>) -> Result<Vec<u8>, EncodeError> {
    let mut out = TransmitBuf::new();
    out.put_slice(b"sent before");
    let before = out.clone();
    let encoded = sender.encode(packet, &mut out);
    if encoded.is_err() {
        assert_eq!(out, before, "refused, but written");
    }
    encoded.map(|()| out.slices().flatten().copied().skip(before.len()).collect())
}
