//! What values say about themselves: equal or not, empty or not, and how they are shown.

mod common;

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use bytes::Bytes;
use common::golden;
use mqtt_proto::{
    Ack, Cause, Codec, Connect, Delivery, EncodeError, Frame, Packet, PacketBuf, PacketId, PacketType, Payload,
    PropertiesBuf, Property, Publish, PublishBuf, QoS, ReasonCode, Role, SubAck, Text, TopicFilter, TopicFilterBuf,
    TopicName, TopicNameBuf, TransmitBuf, Version, Will,
};

/// The first table of the specification's comparison: a question and its answers in 3.1, 3.1.1 and 5.0.
#[test]
fn versions_differ_as_they_should() {
    let answers = |question: fn(Version) -> bool| Version::ALL.map(question);
    let only_5 = [false, false, true];
    let not_3_1 = [false, true, true];
    assert_eq!(answers(Version::has_properties), only_5);
    assert_eq!(answers(Version::acks_carry_reason), only_5);
    assert_eq!(answers(Version::unsuback_carries_reasons), only_5);
    assert_eq!(answers(Version::server_may_disconnect), only_5);
    assert_eq!(answers(Version::has_auth), only_5);
    assert_eq!(answers(Version::has_receive_maximum), only_5);
    assert_eq!(answers(Version::has_subscription_options), only_5);
    assert_eq!(answers(Version::has_shared_subscriptions), only_5);
    assert_eq!(answers(Version::password_may_stand_alone), only_5);
    assert_eq!(answers(Version::server_assigns_client_id), only_5);
    assert_eq!(answers(Version::has_session_expiry), only_5);
    assert_eq!(answers(Version::client_id_may_be_empty), not_3_1);
    assert_eq!(answers(Version::has_session_present), not_3_1);
    assert_eq!(answers(Version::suback_can_refuse), not_3_1);
    assert_eq!(answers(Version::reserved_bits_are_checked), not_3_1);
    assert_eq!(answers(Version::requests_have_qos), [true, false, false]);
    assert_eq!(Version::ALL.map(Version::level), [3, 4, 5]);
    assert_eq!(Version::ALL.map(|version| version.to_string()), ["MQTT 3.1", "MQTT 3.1.1", "MQTT 5.0"]);
}

#[test]
fn packets_are_equal_exactly_where_their_hashes_are() {
    let set = golden::set();
    let hasher = BuildHasherDefault::<DefaultHasher>::new();
    for one in &set {
        for other in &set {
            let equal = one.packet == other.packet;
            assert_eq!(equal, hasher.hash_one(one.packet) == hasher.hash_one(other.packet), "{:?}", one.packet);
        }
    }
    // A packet that has been decoded is the same as the one that was built.
    let built: HashSet<_> = set.iter().map(|golden| golden.packet).collect();
    for golden in &set {
        let receiver = common::codec(golden.version, golden.sender.peer());
        assert!(built.contains(&receiver.decode(&mut &golden.bytes[..]).unwrap().unwrap()));
    }
}

#[test]
fn texts_compare_with_strings() {
    let (text, name, filter) = (Text::new("a").unwrap(), TopicName::new("a").unwrap(), TopicFilter::new("a").unwrap());
    assert!(text == "a" && text != "b" && text == *"a" && text != *"b");
    assert!(name == "a" && name != "b" && name == *"a" && name != *"b");
    assert!(filter == "a" && filter != "b" && filter == *"a" && filter != *"b");
    assert_eq!(Text::try_from("a"), Ok(text));
    assert_eq!(TopicName::try_from("a"), Ok(name));
    assert_eq!(TopicFilter::try_from("+"), TopicFilter::new("+"));
    assert_eq!((text.len(), Text::EMPTY.len()), (1, 0));
    assert!(Text::EMPTY.is_empty() && !text.is_empty());
    assert_eq!((name.text(), filter.text()), (text, text));
    assert_eq!(TopicNameBuf::from(name).as_name(), name);
    assert_eq!(TopicFilterBuf::from(filter).as_filter(), filter);
}

#[test]
fn nothing_is_empty_that_holds_something() {
    let mut properties = PropertiesBuf::new();
    assert!(properties.is_empty() && properties.as_properties().is_empty());
    properties.push(Property::ServerKeepAlive(1)).unwrap();
    assert!(!properties.is_empty() && !properties.as_properties().is_empty());

    let topic = TopicName::new("t").unwrap();
    for retain in [false, true] {
        let kept = PublishBuf::new(topic, &Publish { retain, ..Publish::new(topic, b"") });
        assert!(!kept.is_empty());
        assert_eq!(kept.retain(), retain);
    }

    let codes = [ReasonCode::Success];
    let suback = SubAck::new(PacketId::MIN, &codes);
    assert!(!suback.reason_codes.is_empty() && SubAck::new(PacketId::MIN, &[]).reason_codes.is_empty());

    let mut out = TransmitBuf::new();
    assert!(out.is_empty());
    out.put_bytes(Bytes::new());
    assert!(out.is_empty());
    assert_eq!(out, TransmitBuf::new(), "nothing is held by reference");
    out.put_slice(b"a");
    out.release();
    assert_eq!(out.len(), 1);
    out.advance(1);
    out.release();
    assert_eq!(out, TransmitBuf::new());
}

#[test]
fn a_payload_is_its_bytes_whatever_holds_them() {
    let bytes = Bytes::from_static("é".as_bytes());
    let hasher = BuildHasherDefault::<DefaultHasher>::new();
    let shared = Payload::from(&bytes);
    for payload in [Payload::from("é"), Payload::from(&[0xC3, 0xA9]), Payload::from(&bytes[..])] {
        assert_eq!((payload.as_slice(), payload.shared()), (&[0xC3, 0xA9][..], None));
        assert_eq!(payload, shared);
        assert_eq!(hasher.hash_one(payload), hasher.hash_one(shared));
    }
    assert_eq!(shared.shared(), Some(&bytes));
    assert_ne!(shared, Payload::from("e"));
}

/// 3.1.1 section 3.9.3: before 5.0 one code stands for every refusal. What is granted is said alike in all versions.
#[test]
fn a_suback_grants_alike_and_refuses_as_its_version_can() {
    let granted = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce].map(ReasonCode::granted);
    assert_eq!(granted.map(ReasonCode::as_u8), [0, 1, 2]);
    for version in Version::ALL {
        assert_eq!(granted.map(|code| code.for_suback(version)), granted);
        for &refusal in ReasonCode::ALL.iter().filter(|code| code.is_failure()) {
            let said = if version == Version::V5 { refusal } else { ReasonCode::UnspecifiedError };
            assert_eq!(refusal.for_suback(version), said, "in {version}");
        }
    }
}

#[test]
fn values_are_shown_in_short() {
    let shows = |value: &dyn Debug, shown: &str| assert_eq!(format!("{value:?}"), shown);
    let (text, name, filter) =
        (Text::new("a\"").unwrap(), TopicName::new("a/b").unwrap(), TopicFilter::new("+").unwrap());
    shows(&text, r#""a\"""#);
    shows(&name, r#""a/b""#);
    shows(&filter, r#""+""#);
    assert_eq!(format!("{text:>3}|{name:<4}|{filter}"), " a\"|a/b |+");
    shows(&PacketId::MAX, "#65535");
    assert_eq!(PacketId::MAX.to_string(), "65535");
    assert_eq!(QoS::ExactlyOnce.to_string(), "QoS 2");
    assert_eq!(ReasonCode::SessionTakenOver.to_string(), "session taken over (0x8E)");
    shows(&Payload::from(b"secret"), "(6 bytes)");

    let mut properties = PropertiesBuf::new();
    properties.push(Property::ServerKeepAlive(1)).unwrap();
    properties.push(Property::AuthenticationData(b"secret")).unwrap();
    shows(&properties, "[ServerKeepAlive(1), AuthenticationData(6 bytes)]");
    shows(&properties.as_properties().iter(), "PropertiesIter { reader: Reader(12 bytes before 12) }");
    shows(&SubAck::new(PacketId::MIN, &[ReasonCode::Success]).reason_codes, "[Success]");

    let mut connect = Connect::new(Text::EMPTY);
    connect.will = Some(Will::new(name, b"will"));
    connect.password = Some(b"secret");
    shows(
        &connect,
        "Connect { clean_start: true, keep_alive: 0, client_id: \"\", will: Some(Will { topic: \"a/b\", \
         payload: (4 bytes), qos: AtMostOnce, retain: false, properties: [] }), user_name: None, \
         password: Some((hidden)), properties: [] }",
    );
    let kept = PublishBuf::new(name, &Publish::new(name, b"secret"));
    shows(&kept, "PublishBuf { topic: \"a/b\", qos: AtMostOnce, retain: false, properties: [], payload: (6 bytes) }");

    let frame = Frame::split(&mut &[0x40, 2, 0, 10, 0xC0][..], 10).unwrap().unwrap();
    shows(&frame, "Frame(PubAck, 4 bytes)");
    assert_eq!(frame.packet_type(), PacketType::PubAck);
    let kept = PacketBuf::copy(Codec::server(Version::V3_1_1), &frame).unwrap();
    let ack = Packet::PubAck(Ack::new(PacketId::new(10).unwrap()));
    shows(&kept, &format!("PacketBuf {{ version: V3_1_1, packet: {ack:?} }}"));
    let mut out = TransmitBuf::new();
    out.put_slice(b"secret");
    out.put_bytes(Bytes::from_static(b"secret"));
    shows(&out, "TransmitBuf(12 bytes in 2 slices)");
}

#[test]
fn errors_end_with_the_place_in_the_specification() {
    let error = Codec::server(Version::V5).decode(&mut &[0x00][..]).unwrap_err();
    assert_eq!(error.to_string(), "packet type is reserved v3 2.2.1, v5 2.1.2 at byte 0");
    let refused = EncodeError::from(Cause::NoFilters).to_string();
    assert!(refused.ends_with(Cause::NoFilters.statement()), "{refused}");
    let what = EncodeError::NotInVersion { what: "AUTH", version: Version::V3_1_1 };
    assert_eq!(what.to_string(), "AUTH does not exist in MQTT 3.1.1");
    let long = EncodeError::FieldTooLong { field: "password" };
    assert_eq!(long.to_string(), "password is longer than 65,535 bytes v5 1.5.6");
    assert!(EncodeError::PacketTooLong.to_string().ends_with("v5[MQTT-1.5.5-1]"));
    for (role, who) in [(Role::Client, "client"), (Role::Server, "server")] {
        let error = EncodeError::WrongDirection { packet_type: PacketType::SubAck, role }.to_string();
        assert_eq!(error, format!("a {who} may not send SUBACK v3 2.2.1, v5 2.1.2"));
    }
}

#[test]
fn a_delivery_says_what_belongs_to_its_qos() {
    let packet_id = PacketId::MIN;
    for (delivery, qos, id, dup) in [
        (Delivery::AtMostOnce, QoS::AtMostOnce, None, false),
        (Delivery::AtLeastOnce { packet_id, dup: true }, QoS::AtLeastOnce, Some(packet_id), true),
        (Delivery::ExactlyOnce { packet_id, dup: false }, QoS::ExactlyOnce, Some(packet_id), false),
    ] {
        assert_eq!((delivery.qos(), delivery.packet_id(), delivery.dup()), (qos, id, dup));
    }
}
