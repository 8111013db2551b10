//! The statements of the specification that bytes alone can keep or break, each with every way to break it that there is room for.

mod common;

use common::fuzz::checks;
use common::packets::{Field, binary_fields, connect, connect_head, fault, field, packet, taken, text_fields};
use mqtt_proto::Role::{Client, Server};
use mqtt_proto::Version::{V3_1, V3_1_1, V5};
use mqtt_proto::{
    Cause, Codec, ConnAck, Delivery, Disconnect, EncodeError, Packet, PacketId, PacketType, Publish, QoS, ReasonCode,
    RetainHandling, Role, SubAck, TopicName, TransmitBuf, UnsubAck, Version,
};

/// v3\[MQTT-1.5.3-1\] v5\[MQTT-1.5.4-1\] v5\[MQTT-1.5.7-1\] v3\[MQTT-3.1.3-4\] v5\[MQTT-3.1.3-4\] v3\[MQTT-3.1.3-10\] v5\[MQTT-3.1.3-11\]
/// v3\[MQTT-3.1.3-11\] v5\[MQTT-3.1.3-12\] v3\[MQTT-3.3.2-1\] v5\[MQTT-3.3.2-1\] v5\[MQTT-3.3.2-13\] v5\[MQTT-3.3.2-19\]
/// v3\[MQTT-3.8.3-1\] v5\[MQTT-3.8.3-1\] v3\[MQTT-3.10.3-1\] v5\[MQTT-3.10.3-1\]
#[test]
fn no_field_of_text_takes_bytes_that_are_not_utf8() {
    let ill_formed: [&[u8]; 12] = [
        &[0x80],
        &[b'a', 0xBF],
        &[0xC0, 0x80],
        &[0xC1, 0xBF],
        &[0xE0, 0x80, 0x80],
        &[0xED, 0xA0, 0x80],
        &[0xED, 0xBF, 0xBF],
        &[0xF0, 0x80, 0x80, 0x80],
        &[0xF4, 0x90, 0x80, 0x80],
        &[0xE2, 0x82],
        &[0xF0, 0x9F, 0x92],
        &[b'a', 0xFF, b'b'],
    ];
    for text in ill_formed {
        for Field { name, version, receiver, bytes } in text_fields(text) {
            let (cause, offset) = fault(version, receiver, &bytes);
            assert_eq!(cause, Cause::InvalidUtf8, "{text:x?} as {name} in {version}");
            assert!(bytes[offset..].starts_with(&field(text)), "{text:x?} as {name} in {version} at {offset}");
        }
    }
}

/// v3\[MQTT-1.5.3-2\] v5\[MQTT-1.5.4-2\] v3\[MQTT-4.7.3-2\] v5\[MQTT-4.7.3-2\]
#[test]
fn no_field_of_text_takes_a_nul() {
    for text in [&[0][..], b"\0a", b"a\0", b"a\0b", "é\0".as_bytes()] {
        for Field { name, version, receiver, bytes } in text_fields(text) {
            let (cause, offset) = fault(version, receiver, &bytes);
            assert_eq!(cause, Cause::NulInText, "{text:x?} as {name} in {version}");
            assert!(bytes[offset..].starts_with(&field(text)), "{text:x?} as {name} in {version} at {offset}");
        }
    }
}

/// v3\[MQTT-1.5.3-3\] v5\[MQTT-1.5.4-3\], and strictness ends where well-formed text begins.
#[test]
fn every_field_of_text_keeps_what_is_utf8_byte_for_byte() {
    for text in ["\u{FEFF}", "\u{FEFF}a", "a\u{FEFF}", "\u{1}", "\u{7F}\u{80}", "\u{7FF}\u{800}", "\u{D7FF}\u{E000}"] {
        text_fields(text.as_bytes()).iter().for_each(Field::comes_back);
    }
    for text in ["\u{FFFF}\u{10000}", "\u{10FFFF}", "A\u{2A6D4}", "e\u{301}", "é", " ", "$", "$SYS"] {
        text_fields(text.as_bytes()).iter().for_each(Field::comes_back);
    }
}

/// v5\[MQTT-1.5.4-2\]: what is binary may hold anything, and nothing.
#[test]
fn every_field_of_bytes_keeps_what_is_no_text() {
    for bytes in [&[][..], &[0], &[0xFF, 0xFE], &[0xC0, 0x80], &[0xED, 0xA0, 0x80], b"+/#"] {
        binary_fields(bytes).iter().for_each(Field::comes_back);
    }
}

/// v3\[MQTT-2.3.1-1\] v5\[MQTT-2.2.1-3\]
#[test]
fn no_packet_with_an_identifier_takes_the_identifier_0() {
    for version in Version::ALL {
        let none: &[u8] = if version.has_properties() { &[0] } else { &[] };
        let codes: &[u8] = if version.unsuback_carries_reasons() { &[0, 0] } else { &[] };
        let both = &[Client, Server][..];
        // The first byte, what stands around the identifier, and who may receive it.
        type Row<'a> = (u8, &'a [u8], &'a [u8], &'a [Role]);
        let table: [Row<'_>; 10] = [
            (0x32, b"\0\x01a", none, both),
            (0x34, b"\0\x01a", none, both),
            (0x40, b"", b"", both),
            (0x50, b"", b"", both),
            (0x62, b"", b"", both),
            (0x70, b"", b"", both),
            (0x82, b"", &[none, b"\0\x01a\0"].concat(), &[Server]),
            (0x90, b"", &[none, &[0]].concat(), &[Client]),
            (0xA2, b"", &[none, b"\0\x01a"].concat(), &[Server]),
            (0xB0, b"", codes, &[Client]),
        ];
        for (first, before, after, receivers) in table {
            for &receiver in receivers {
                let with = |id: [u8; 2]| packet(first, &[before, &id, after]);
                assert_eq!(fault(version, receiver, &with([0, 0])), (Cause::PacketIdZero, 2 + before.len()));
                taken(version, receiver, &with([0, 1]));
                taken(version, receiver, &with([0xFF, 0xFF]));
            }
        }
    }
}

/// v3\[MQTT-2.3.1-5\] v5\[MQTT-2.2.1-2\]: what would be the identifier belongs to the payload, or, in 5.0, is a length.
#[test]
fn at_qos_0_there_is_no_identifier() {
    let publish = Publish::new(TopicName::new("a").unwrap(), &[0, 5]);
    assert_eq!(publish.delivery, Delivery::AtMostOnce);
    for receiver in [Client, Server] {
        let plain = common::bytes("30 05 00 01 'a' 00 05");
        assert_eq!(common::codec(V3_1_1, receiver).decode(&mut &plain[..]), Ok(Some(Packet::Publish(publish))));
        assert_eq!(checks::encode(common::codec(V3_1_1, receiver), &Packet::Publish(publish)), plain);
        let with_properties = common::bytes("30 06 00 01 'a' 00 00 05");
        assert_eq!(common::codec(V5, receiver).decode(&mut &with_properties[..]), Ok(Some(Packet::Publish(publish))));
        assert_eq!(checks::encode(common::codec(V5, receiver), &Packet::Publish(publish)), with_properties);
        // An identifier of 10: no properties, and a payload of two bytes.
        let bytes = common::bytes("30 06 00 01 'a' 00 0A 00");
        let Some(Packet::Publish(stray)) = common::codec(V5, receiver).decode(&mut &bytes[..]).unwrap() else {
            panic!()
        };
        assert_eq!(&stray.payload[..], &[0x0A, 0]);
    }
}

/// v5\[MQTT-2.2.2-1\]
#[test]
fn only_acknowledgements_and_disconnect_may_leave_out_their_property_length() {
    let table: [(Role, &str, &str); 10] = [
        (Server, "10 0A 00 04 'MQTT' 05 02 00 00", "10 0D 00 04 'MQTT' 05 02 00 00 00 00 00"),
        (
            Server,
            "10 0D 00 04 'MQTT' 05 06 00 00 00 00 00",
            "10 13 00 04 'MQTT' 05 06 00 00 00 00 00 00 00 01 'w' 00 00",
        ),
        (Client, "20 02 00 00", "20 03 00 00 00"),
        (Client, "30 03 00 01 'a'", "30 04 00 01 'a' 00"),
        (Server, "32 05 00 01 'a' 00 0A", "32 06 00 01 'a' 00 0A 00"),
        (Server, "82 02 00 0A", "82 07 00 0A 00 00 01 'a' 00"),
        (Client, "90 02 00 0A", "90 04 00 0A 00 00"),
        (Server, "A2 02 00 0A", "A2 06 00 0A 00 00 01 'a'"),
        (Client, "B0 02 00 0A", "B0 04 00 0A 00 00"),
        (Client, "F0 01 18", "F0 06 18 04 15 00 01 'm'"),
    ];
    for (receiver, without, with) in table {
        assert_eq!(fault(V5, receiver, &common::bytes(without)).0, Cause::UnexpectedEnd, "{without}");
        taken(V5, receiver, &common::bytes(with));
    }
    for receiver in [Client, Server] {
        for short in ["40 02 00 0A", "50 02 00 0A", "62 02 00 0A", "70 02 00 0A", "E0 00"] {
            taken(V5, receiver, &common::bytes(short));
        }
        for code_only in ["40 03 00 0A 80", "50 03 00 0A 80", "62 03 00 0A 92", "70 03 00 0A 92", "E0 01 80"] {
            taken(V5, receiver, &common::bytes(code_only));
        }
    }
}

/// v3\[MQTT-3.1.2-1\] v5\[MQTT-3.1.2-1\] v3\[MQTT-3.1.2-2\] v5\[MQTT-3.1.2-2\]
#[test]
fn a_connect_names_its_protocol_and_level_exactly() {
    for version in Version::ALL {
        let with = |name: &[u8], level: u8| {
            let rest: &[u8] = if version.has_properties() { b"\x02\0\0\0\0\x01c" } else { b"\x02\0\0\0\x01c" };
            packet(0x10, &[&field(name), &[level], rest])
        };
        let right = version.protocol_name();
        taken(version, Server, &with(right, version.level()));
        let mut wrong: Vec<Vec<u8>> =
            vec![vec![], right[1..].to_vec(), [right, b"X"].concat(), right.to_ascii_lowercase()];
        wrong.extend((0..right.len()).map(|index| {
            let mut name = right.to_vec();
            name[index] ^= 0x20;
            name
        }));
        for name in wrong {
            assert_eq!(fault(version, Server, &with(&name, version.level())), (Cause::ProtocolName, 2), "{name:x?}");
        }
        for level in (0..=0xFF).filter(|&level| level != version.level()) {
            let (cause, offset) = fault(version, Server, &with(right, level));
            assert_eq!((cause, offset), (Cause::ProtocolLevel, 4 + right.len()), "level {level} in {version}");
        }
    }
    // The other name is known, but it is not the name of this level.
    for (version, other) in [(V3_1, &b"MQTT"[..]), (V3_1_1, b"MQIsdp"), (V5, b"MQIsdp")] {
        let bytes = packet(0x10, &[&field(other), &[version.level(), 2, 0, 0, 0, 0, 0]]);
        assert_eq!(fault(version, Server, &bytes), (Cause::ProtocolLevel, 4 + other.len()));
    }
}

/// v3\[MQTT-3.1.2-3\] v5\[MQTT-3.1.2-3\] v3\[MQTT-3.1.2-11\] v3\[MQTT-3.1.2-13\] v3\[MQTT-3.1.2-15\] v5\[MQTT-3.1.2-11\] v5\[MQTT-3.1.2-13\]
/// v3\[MQTT-3.1.2-14\] v5\[MQTT-3.1.2-12\] v3\[MQTT-3.1.2-22\]: each of the 256 bytes, with the fields that it announces.
#[test]
fn connect_flags_go_together_or_are_refused() {
    for version in Version::ALL {
        for flags in 0..=0xFF {
            let bytes = connect(version, flags, flags);
            let (reserved, will, will_qos, will_retain) =
                (flags & 1 != 0, flags & 4 != 0, flags >> 3 & 3, flags & 0x20 != 0);
            let (password, user_name) = (flags & 0x40 != 0, flags & 0x80 != 0);
            // 3.1 says nothing about bits that it does not use.
            let strict = version != V3_1;
            let expected = if strict && reserved {
                Some(Cause::ConnectReservedFlag)
            } else if strict && !will && (will_qos != 0 || will_retain) {
                Some(Cause::WillBitsWithoutWill)
            } else if will && will_qos == 3 {
                Some(Cause::WillQos)
            } else if version != V5 && password && !user_name {
                Some(Cause::PasswordWithoutUserName)
            } else {
                None
            };
            let at = 5 + version.protocol_name().len();
            match expected {
                Some(cause) => assert_eq!(fault(version, Server, &bytes), (cause, at), "{flags:#010b} in {version}"),
                None => {
                    let Packet::Connect(connect) = taken(version, Server, &bytes) else { panic!("{bytes:x?}") };
                    assert_eq!(connect.clean_start, flags & 2 != 0);
                    assert_eq!(
                        connect.will.map(|will| (will.qos.as_u8(), will.retain)),
                        will.then_some((will_qos, will_retain))
                    );
                    assert_eq!((connect.user_name.is_some(), connect.password.is_some()), (user_name, password));
                }
            }
        }
    }
}

/// v3\[MQTT-3.1.2-9\] v5\[MQTT-3.1.2-9\] v3\[MQTT-3.1.2-18\] v3\[MQTT-3.1.2-19\] v3\[MQTT-3.1.2-20\] v3\[MQTT-3.1.2-21\] v5\[MQTT-3.1.2-16\]
/// v5\[MQTT-3.1.2-17\] v5\[MQTT-3.1.2-18\] v5\[MQTT-3.1.2-19\] v3\[MQTT-3.1.4-1\] v5\[MQTT-3.1.4-1\]
#[test]
fn the_fields_of_a_connect_are_those_that_its_flags_announce() {
    let sets = [0x02, 0x06, 0x82, 0xC2, 0xC6, 0x86];
    for version in [V3_1_1, V5] {
        let and_5_only: &[u8] = if version.password_may_stand_alone() { &[0x42, 0x46] } else { &[] };
        let sets = [&sets[..], and_5_only].concat();
        for &flags in &sets {
            for &fields in &sets {
                // Without properties, a will looks like a user name and a password.
                let count = |flags: u8| (flags >> 7) + (flags >> 6 & 1) + (flags >> 2 & 1) * 2;
                if flags != fields && count(flags) == count(fields) {
                    continue;
                }
                let bytes = connect(version, flags, fields);
                let decoded = common::codec(version, Server).decode(&mut &bytes[..]);
                if flags == fields {
                    assert!(matches!(decoded, Ok(Some(Packet::Connect(_)))), "{decoded:?}");
                } else {
                    let cause = decoded.unwrap_err().cause();
                    let fits = matches!(cause, Cause::UnexpectedEnd | Cause::TrailingBytes | Cause::EmptyTopic);
                    assert!(fits, "flags {flags:#04x} with the fields of {fields:#04x} in {version}: {cause:?}");
                }
            }
        }
    }
}

/// v3\[MQTT-3.1.3-3\] v5\[MQTT-3.1.3-3\] v3\[MQTT-3.1.3-1\] v5\[MQTT-3.1.3-1\]
#[test]
fn the_client_identifier_is_always_there_and_comes_first() {
    for version in Version::ALL {
        let mut bytes = connect(version, 0xC6, 0xC6);
        let Packet::Connect(connect) = taken(version, Server, &bytes) else { panic!("{bytes:x?}") };
        let will = connect.will.unwrap();
        assert_eq!((connect.client_id.as_str(), will.topic.as_str(), will.payload), ("c", "w", &b"m"[..]));
        assert_eq!((connect.user_name.unwrap().as_str(), connect.password.unwrap()), ("u", &b"p"[..]));
        // Without it there is no CONNECT, even if nothing else is announced.
        bytes = packet(0x10, &[&connect_head(version, 0x02)]);
        assert_eq!(fault(version, Server, &bytes), (Cause::UnexpectedEnd, bytes.len()));
        bytes = packet(0x10, &[&connect_head(version, 0x02), &[0]]);
        assert_eq!(fault(version, Server, &bytes), (Cause::UnexpectedEnd, bytes.len() - 1));
    }
}

/// v5\[MQTT-3.2.2-1\]; 3.1.1 says the same in section 3.2.2.1.
#[test]
fn connack_flags_hold_one_bit() {
    for flags in 0..=0xFF {
        for (version, bytes) in [(V3_1_1, vec![0x20, 2, flags, 0]), (V5, vec![0x20, 3, flags, 0, 0])] {
            if flags > 1 {
                assert_eq!(fault(version, Client, &bytes), (Cause::ConnAckFlags, 2));
            } else {
                let Packet::ConnAck(connack) = taken(version, Client, &bytes) else { panic!("{bytes:x?}") };
                assert_eq!(connack.session_present, flags == 1);
            }
        }
    }
}

/// v3\[MQTT-3.2.2-4\] v5\[MQTT-3.2.2-6\]
#[test]
fn no_session_is_present_in_a_refusal() {
    for code in 1..=5 {
        assert_eq!(fault(V3_1_1, Client, &[0x20, 2, 1, code]), (Cause::SessionPresentOnRefusal, 2));
        taken(V3_1_1, Client, &[0x20, 2, 0, code]);
    }
    let codes = mqtt_proto::choices::reason_codes(PacketType::ConnAck, Server, V5);
    for &code in codes.iter().filter(|&&code| code != 0) {
        assert_eq!(fault(V5, Client, &[0x20, 3, 1, code, 0]), (Cause::SessionPresentOnRefusal, 2));
        taken(V5, Client, &[0x20, 3, 0, code, 0]);
        let mut refusal = ConnAck::new(ReasonCode::from_u8(code).unwrap());
        refusal.session_present = true;
        let error = Codec::server(V5).encoded_len(&Packet::ConnAck(refusal));
        assert_eq!(error, Err(EncodeError::Refused(Cause::SessionPresentOnRefusal)));
    }
}

/// v3\[MQTT-3.2.2-6\]
#[test]
fn what_no_return_code_says_is_not_said_before_5() {
    let unsaid = ReasonCode::ALL.iter().filter(|code| code.to_return_code().is_none());
    for &code in unsaid {
        for version in [V3_1, V3_1_1] {
            let mut out = TransmitBuf::new();
            let error = Codec::server(version).encode(&Packet::ConnAck(ConnAck::new(code)), &mut out);
            assert!(matches!(error, Err(EncodeError::NotInVersion { .. })), "{code}: {error:?}");
            assert!(out.is_empty());
        }
    }
    for code in 6..=0xFF {
        assert_eq!(fault(V3_1_1, Client, &[0x20, 2, 0, code]), (Cause::ReasonCode, 3));
    }
}

/// v3\[MQTT-3.3.1-2\] v5\[MQTT-3.3.1-2\] v3\[MQTT-3.3.1-4\] v5\[MQTT-3.3.1-4\]: all sixteen.
#[test]
fn publish_flags_are_refused_at_qos_3_and_with_dup_at_qos_0() {
    for version in Version::ALL {
        for receiver in [Client, Server] {
            for flags in 0..=0x0F {
                let (dup, qos) = (flags & 8 != 0, flags >> 1 & 3);
                let id: &[u8] = if qos > 0 { &[0, 10] } else { &[] };
                let none: &[u8] = if version.has_properties() { &[0] } else { &[] };
                let bytes = packet(0x30 | flags, &[b"\0\x01a", id, none]);
                match (qos, dup) {
                    (3, _) => assert_eq!(fault(version, receiver, &bytes), (Cause::PublishQos, 0)),
                    (0, true) => assert_eq!(fault(version, receiver, &bytes), (Cause::DupAtQos0, 0)),
                    _ => {
                        let Packet::Publish(publish) = taken(version, receiver, &bytes) else { panic!("{bytes:x?}") };
                        let delivery = publish.delivery;
                        assert_eq!(
                            (delivery.qos().as_u8(), delivery.dup(), publish.retain),
                            (qos, dup, flags & 1 != 0)
                        );
                    }
                }
            }
        }
    }
}

/// v3\[MQTT-3.3.2-2\] v5\[MQTT-3.3.2-2\] v5\[MQTT-3.3.2-14\] v3\[MQTT-4.7.1-1\] v5\[MQTT-4.7.0-1\]: in PUBLISH, in the will, and in Response Topics.
#[test]
fn no_topic_name_takes_a_wildcard_wherever_it_stands() {
    for name in ["+", "#", "a/+", "a/#", "+a", "a#b", "/+/", "é#", "$SYS/#"] {
        let mut tried = 0;
        for Field { name: place, version, receiver, bytes } in text_fields(name.as_bytes()) {
            if ["topic name", "will topic", "response topic"].iter().any(|topic| place.contains(topic)) {
                assert_eq!(fault(version, receiver, &bytes).0, Cause::WildcardInTopicName, "{name} as {place}");
                tried += 1;
            }
        }
        // Three versions with a will topic and a topic name to either end; 5.0's Response Topic also in the will.
        assert_eq!(tried, 3 * 3 + 3);
    }
}

/// v5\[MQTT-3.3.2-8\]
#[test]
fn no_topic_alias_is_0() {
    for receiver in [Client, Server] {
        assert_eq!(fault(V5, receiver, &common::bytes("30 07 00 01 'a' 03 23 00 00")), (Cause::TopicAliasZero, 7));
        assert_eq!(fault(V5, receiver, &common::bytes("30 06 00 00 03 23 00 00")), (Cause::TopicAliasZero, 6));
        taken(V5, receiver, &common::bytes("30 06 00 00 03 23 00 01"));
        taken(V5, receiver, &common::bytes("30 06 00 00 03 23 FF FF"));
    }
    assert_eq!(mqtt_proto::TopicAlias::new(0), None);
}

/// v5\[MQTT-3.3.2-18\]
#[test]
fn user_properties_keep_their_order_and_their_repeats() {
    let bytes = common::bytes("30 15 00 01 'a' 11 26 00 01 'z' 00 00 26 00 01 'a' 00 00 26 00 00 00 00");
    for receiver in [Client, Server] {
        let Packet::Publish(publish) = taken(V5, receiver, &bytes) else { panic!("{bytes:x?}") };
        let names: Vec<_> = publish.properties.user_properties().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["z", "a", ""]);
        assert_eq!(checks::encode(common::codec(V5, receiver.peer()), &Packet::Publish(publish)), bytes);
    }
}

/// v3\[MQTT-3.8.3-3\] v5\[MQTT-3.8.3-2\] v3\[MQTT-3.10.3-2\] v5\[MQTT-3.10.3-2\]
#[test]
fn a_request_without_a_filter_is_none() {
    for version in Version::ALL {
        let none: &[u8] = if version.has_properties() { &[0] } else { &[] };
        for first in [0x82, 0xA2] {
            let bytes = packet(first, &[&[0, 10], none]);
            assert_eq!(fault(version, Server, &bytes), (Cause::NoFilters, bytes.len()));
        }
        taken(version, Server, &packet(0x82, &[&[0, 10], none, b"\0\x01a\0"]));
        taken(version, Server, &packet(0xA2, &[&[0, 10], none, b"\0\x01a"]));
    }
}

/// v3\[MQTT-3.8.3-4\] v5\[MQTT-3.8.3-5\]: each of the 256 bytes.
#[test]
fn subscription_options_are_what_their_version_knows() {
    for options in 0..=0xFF {
        for version in Version::ALL {
            let none: &[u8] = if version.has_properties() { &[0] } else { &[] };
            let bytes = packet(0x82, &[&[0, 10], none, b"\0\x01a", &[options]]);
            let reserved = match version {
                V3_1 => 0,
                V3_1_1 => 0xFC,
                _ => 0xC0,
            };
            let expected = if options & reserved != 0 {
                Some(Cause::SubscriptionOptions)
            } else if options & 3 == 3 {
                Some(Cause::SubscriptionQos)
            } else if version == V5 && options >> 4 == 3 {
                Some(Cause::RetainHandling)
            } else {
                None
            };
            if let Some(cause) = expected {
                assert_eq!(fault(version, Server, &bytes), (cause, bytes.len() - 1), "{options:#04x} in {version}");
                continue;
            }
            let Packet::Subscribe(subscribe) = taken(version, Server, &bytes) else { panic!("{bytes:x?}") };
            let found = subscribe.subscriptions.iter().next().unwrap().options;
            let used = if version == V5 { options } else { options & 3 };
            let handling = [RetainHandling::SendAtSubscribe, RetainHandling::SendIfNew, RetainHandling::DoNotSend];
            assert_eq!(Some(found.qos), QoS::from_u8(used & 3));
            assert_eq!((found.no_local, found.retain_as_published), (used & 4 != 0, used & 8 != 0));
            assert_eq!(found.retain_handling, handling[usize::from(used >> 4)]);
        }
    }
}

/// v5\[MQTT-3.8.3-4\]: an ordinary subscription may have it; a shared one may not, wherever it stands in the list.
#[test]
fn no_shared_subscription_takes_no_local() {
    let subscribe = |list: &str| {
        let list = common::bytes(list);
        packet(0x82, &[&[0, 10, 0], &list])
    };
    for options in (0..0x30).filter(|options| options & 3 != 3) {
        let bytes = subscribe(&format!("00 01 'a' 04 00 0A '$share/g/a' {options:02X}"));
        if options & 4 != 0 {
            assert_eq!(fault(V5, Server, &bytes), (Cause::NoLocalOnShared, 9), "{options:#04x}");
        } else {
            taken(V5, Server, &bytes);
        }
    }
    taken(V5, Server, &subscribe("00 06 '$share' 04 00 0A 'xshare/g/a' 04"));
}

/// v3\[MQTT-3.9.3-1\] v5\[MQTT-3.9.3-1\] v5\[MQTT-3.11.3-1\] v3\[MQTT-3.8.4-5\] v5\[MQTT-3.8.4-6\]
#[test]
fn codes_keep_their_order_and_there_is_at_least_one() {
    use ReasonCode::{GrantedQos1, GrantedQos2, NoSubscriptionExisted, NotAuthorized, Success, UnspecifiedError};
    let id = PacketId::new(10).unwrap();
    let codes = [GrantedQos2, Success, UnspecifiedError, GrantedQos1, Success];
    for (version, bytes) in [
        (V3_1_1, "90 07 00 0A 02 00 80 01 00"),
        (V5, "90 08 00 0A 00 02 00 80 01 00"),
        (V3_1, "90 06 00 0A 02 00 01 00"),
    ] {
        let codes: Vec<_> =
            codes.into_iter().filter(|code| version.suback_can_refuse() || !code.is_failure()).collect();
        let (bytes, suback) = (common::bytes(bytes), Packet::SubAck(SubAck::new(id, &codes)));
        assert_eq!(checks::encode(Codec::server(version), &suback), bytes);
        assert_eq!(taken(version, Client, &bytes), suback);
        let none: &[u8] = if version.has_properties() { &[0] } else { &[] };
        let empty = packet(0x90, &[&[0, 10], none]);
        assert_eq!(fault(version, Client, &empty), (Cause::NoReasonCodes, empty.len()));
        let error = Codec::server(version).encoded_len(&Packet::SubAck(SubAck::new(id, &[])));
        assert_eq!(error, Err(EncodeError::Refused(Cause::NoReasonCodes)));
    }
    let codes = [NoSubscriptionExisted, Success, NotAuthorized, Success];
    let (bytes, unsuback) = (common::bytes("B0 07 00 0A 00 11 00 87 00"), Packet::UnsubAck(UnsubAck::new(id, &codes)));
    assert_eq!(checks::encode(Codec::server(V5), &unsuback), bytes);
    assert_eq!(taken(V5, Client, &bytes), unsuback);
    assert_eq!(fault(V5, Client, &[0xB0, 3, 0, 10, 0]), (Cause::NoReasonCodes, 5));
}

/// v3\[MQTT-3.14.1-1\] v5\[MQTT-3.14.1-1\] v5\[MQTT-3.15.1-1\]: to either end, and before anything else is looked at.
#[test]
fn disconnect_and_auth_have_no_flags() {
    for flags in 1..=0x0F {
        assert_eq!(fault(V3_1_1, Server, &[0xE0 | flags, 0]), (Cause::ReservedFlags, 0));
        for receiver in [Client, Server] {
            assert_eq!(fault(V5, receiver, &[0xE0 | flags, 1, 0xFF]), (Cause::ReservedFlags, 0));
            assert_eq!(fault(V5, receiver, &[0xF0 | flags, 0]), (Cause::ReservedFlags, 0));
        }
    }
}

/// v5\[MQTT-3.1.2-24\] v5\[MQTT-3.2.2-15\]: the whole packet counts, and its header is enough to know.
#[test]
fn a_packet_of_more_than_the_limit_is_refused_at_its_header() {
    for version in Version::ALL {
        for receiver in [Client, Server] {
            for body in [5_u32, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
                let header = &packet(0x30, &[&vec![0; body as usize]])[..];
                let header = &header[..header.len() - body as usize];
                let mut codec = common::codec(version, receiver);
                codec.packet_bytes_max = u32::try_from(header.len()).unwrap() + body;
                assert_eq!(codec.decode(&mut &header[..]), Ok(None));
                codec.packet_bytes_max -= 1;
                let error = codec.decode(&mut &header[..]).unwrap_err();
                assert_eq!((error.cause(), error.offset()), (Cause::PacketTooLarge, 1));
                assert_eq!(error.reason_code(), ReasonCode::PacketTooLarge);
            }
        }
    }
}

/// v5\[MQTT-3.14.2-1\] v5\[MQTT-3.2.2-8\]: whoever finds a fault may use its reason code to say so.
#[test]
fn every_fault_can_be_told_to_the_peer() {
    for &cause in Cause::ALL {
        let reason_code = cause.reason_code();
        let connack = Codec::server(V5).encoded_len(&Packet::ConnAck(ConnAck::new(reason_code))).is_ok();
        let disconnect = [Codec::client(V5), Codec::server(V5)]
            .map(|codec| codec.encoded_len(&Packet::Disconnect(Disconnect::new(reason_code))).is_ok());
        match cause {
            // Only a CONNECT has them.
            Cause::ProtocolName | Cause::ProtocolLevel => assert!(connack, "{cause:?}"),
            // No CONNECT has it.
            Cause::TopicAliasZero => assert_eq!(disconnect, [true; 2]),
            _ => assert_eq!((connack, disconnect), (true, [true; 2]), "{cause:?}"),
        }
    }
}
