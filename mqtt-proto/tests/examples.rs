//! The worked examples of the two standards, each with its place, in both directions. `v3` is MQTT 3.1.1, `v5` is MQTT 5.0.
//!
//! An example often shows no more than a variable header or a payload; what it leaves out is the least that makes it a packet.

mod common;

use std::num::NonZeroU16;

use bytes::Bytes;
use common::fuzz::checks;
use mqtt_proto::Role::{Client, Server};
use mqtt_proto::Version::{V3_1_1, V5};
use mqtt_proto::{
    Ack, Auth, Cause, Codec, ConnAck, Connect, Delivery, Disconnect, Framer, PACKET_BYTES_MAX, Packet, PacketId,
    PropertiesBuf, Property, Publish, QoS, ReasonCode, Role, SubAck, Subscribe, Subscription, SubscriptionId, Text,
    TopicFilter, TopicName, TransmitBuf, UnsubAck, Unsubscribe, VARINT_MAX, Version, Will,
};

/// v3 figure 1.2, v5 figure 1-2: LATIN CAPITAL LETTER A and U+2A6D4.
#[test]
fn a_text_of_two_characters_and_five_bytes() {
    let text = "A\u{2A6D4}";
    let publish = Packet::Publish(Publish::new(TopicName::new(text).unwrap(), b""));
    for sender in [Client, Server] {
        is(V3_1_1, sender, "30 07 00 05 41 F0 AA 9B 94", publish);
        is(V5, sender, "30 08 00 05 41 F0 AA 9B 94 00", publish);
    }
    let connect = Packet::Connect(Connect::new(Text::new(text).unwrap()));
    is(V3_1_1, Client, "10 11 00 04 'MQTT' 04 02 00 00 00 05 41 F0 AA 9B 94", connect);
    is(V5, Client, "10 12 00 04 'MQTT' 05 02 00 00 00 00 05 41 F0 AA 9B 94", connect);
}

/// v3 section 2.2.3 with table 2.4, v5 table 1-1.
#[test]
fn the_sizes_of_a_remaining_length() {
    let table: [(usize, &str); 9] = [
        (0, "00"),
        (64, "40"),
        (127, "7F"),
        (128, "80 01"),
        (321, "C1 02"),
        (16_383, "FF 7F"),
        (16_384, "80 80 01"),
        (2_097_151, "FF FF 7F"),
        (2_097_152, "80 80 80 01"),
    ];
    for version in [V3_1_1, V5] {
        is(version, Client, "C0 00", Packet::PingReq);
        let (first, body) = if version.has_properties() { (0x30, &b"\0\x01t\0"[..]) } else { (0x30, &b"\0\x01t"[..]) };
        for (remaining, written) in table.into_iter().filter(|(remaining, _)| *remaining > 0) {
            let payload = vec![7; remaining - body.len()];
            let bytes = [&[first], &common::bytes(written)[..], body, &payload].concat();
            let publish = Packet::Publish(Publish::new(TopicName::new("t").unwrap(), &payload[..]));
            for sender in [Client, Server] {
                assert_eq!(checks::encode(common::codec(version, sender), &publish), bytes);
                let mut receiver = common::codec(version, sender.peer());
                receiver.packet_bytes_max = PACKET_BYTES_MAX;
                assert_eq!(receiver.decode(&mut &bytes[..]), Ok(Some(publish)));
            }
        }
    }
    // The last line of the table, 256 MiB: out by reference, and in as far as its header.
    assert_eq!(VARINT_MAX, 268_435_455);
    let payload = Bytes::from(vec![0; 268_435_455 - 3]);
    let mut out = TransmitBuf::new();
    let publish = Publish::new(TopicName::new("t").unwrap(), &payload);
    Codec::client(V3_1_1).encode(&Packet::Publish(publish), &mut out).unwrap();
    assert_eq!(out.slices().next().unwrap(), common::bytes("30 FF FF FF 7F 00 01 't'"));
    let mut framer = Framer::new(PACKET_BYTES_MAX);
    assert_eq!(framer.next(&mut &[0x30, 0xFF, 0xFF, 0xFF, 0x7F][..]), Ok(None));
    assert_eq!(framer.missing(5), 268_435_455);
}

/// v5 table 1-1, where the value is no length.
#[test]
fn the_sizes_of_a_subscription_identifier() {
    let table = [
        (1, "82 09 00 0A 02 0B 01 00 01 'a' 00"),
        (127, "82 09 00 0A 02 0B 7F 00 01 'a' 00"),
        (128, "82 0A 00 0A 03 0B 80 01 00 01 'a' 00"),
        (16_383, "82 0A 00 0A 03 0B FF 7F 00 01 'a' 00"),
        (16_384, "82 0B 00 0A 04 0B 80 80 01 00 01 'a' 00"),
        (2_097_151, "82 0B 00 0A 04 0B FF FF 7F 00 01 'a' 00"),
        (2_097_152, "82 0C 00 0A 05 0B 80 80 80 01 00 01 'a' 00"),
        (268_435_455, "82 0C 00 0A 05 0B FF FF FF 7F 00 01 'a' 00"),
    ];
    let subscriptions = [Subscription::new(TopicFilter::new("a").unwrap(), QoS::AtMostOnce)];
    for (id, written) in table {
        let properties = properties(&[Property::SubscriptionIdentifier(SubscriptionId::new(id).unwrap())]);
        let properties = properties.as_properties();
        is(V5, Client, written, Packet::Subscribe(Subscribe { properties, ..Subscribe::new(id_10(), &subscriptions) }));
    }
    assert_eq!(SubscriptionId::new(268_435_456), None);
}

/// v3 and v5 section 2.2.1 (3.1.1: 2.3.1): the same identifier in both directions at once.
#[test]
fn packet_identifier_1234_in_both_directions() {
    let packet_id = PacketId::new(0x1234).unwrap();
    let mut publish = Publish::new(TopicName::new("a/b").unwrap(), b"");
    publish.delivery = Delivery::AtLeastOnce { packet_id, dup: false };
    for sender in [Client, Server] {
        is(V3_1_1, sender, "32 07 00 03 'a/b' 12 34", Packet::Publish(publish));
        is(V5, sender, "32 08 00 03 'a/b' 12 34 00", Packet::Publish(publish));
        for version in [V3_1_1, V5] {
            is(version, sender, "40 02 12 34", Packet::PubAck(Ack::new(packet_id)));
        }
    }
}

/// v3 figure 3.6: user name, password, a will at QoS 1, a clean session, and a keep alive of 10 seconds.
#[test]
fn the_variable_header_of_a_connect_in_3_1_1() {
    let connect = Packet::Connect(example_connect());
    is(V3_1_1, Client, "10 1C 00 04 'MQTT' 04 CE 00 0A  00 03 'c/1' 00 01 'w' 00 02 'by' 00 01 'u' 00 01 'p'", connect);
}

/// v5 figure 3-6: the same, with a session that outlives the connection by 10 seconds.
#[test]
fn the_variable_header_of_a_connect_in_5() {
    let properties = properties(&[Property::SessionExpiryInterval(10)]);
    let connect = Connect { properties: properties.as_properties(), ..example_connect() };
    is(
        V5,
        Client,
        "10 23 00 04 'MQTT' 05 CE 00 0A 05 11 00 00 00 0A  00 03 'c/1' 00 00 01 'w' 00 02 'by' 00 01 'u' 00 01 'p'",
        Packet::Connect(connect),
    );
}

/// v3 table 3.1.
#[test]
fn the_return_codes_of_3_1_1() {
    let codes = [
        ReasonCode::Success,
        ReasonCode::UnsupportedProtocolVersion,
        ReasonCode::ClientIdentifierNotValid,
        ReasonCode::ServerUnavailable,
        ReasonCode::BadUserNameOrPassword,
        ReasonCode::NotAuthorized,
    ];
    for (return_code, reason_code) in codes.into_iter().enumerate() {
        is(V3_1_1, Server, &format!("20 02 00 0{return_code}"), Packet::ConnAck(ConnAck::new(reason_code)));
    }
}

/// v3 table 3.3 and figure 3.11, v5 figure 3-9: topic `a/b`, packet identifier 10, no properties.
#[test]
fn the_variable_header_of_a_publish() {
    let mut publish = Publish::new(TopicName::new("a/b").unwrap(), b"");
    for sender in [Client, Server] {
        publish.delivery = Delivery::AtLeastOnce { packet_id: id_10(), dup: false };
        is(V3_1_1, sender, "32 07 00 03 61 2F 62 00 0A", Packet::Publish(publish));
        is(V5, sender, "32 08 00 03 61 2F 62 00 0A 00", Packet::Publish(publish));
        publish.delivery = Delivery::ExactlyOnce { packet_id: id_10(), dup: false };
        is(V3_1_1, sender, "34 07 00 03 61 2F 62 00 0A", Packet::Publish(publish));
        is(V5, sender, "34 08 00 03 61 2F 62 00 0A 00", Packet::Publish(publish));
    }
}

/// v3 figures 3.12 to 3.19, with 10 for the identifier: two bytes, and the one odd nibble of PUBREL.
#[test]
fn the_acknowledgements_of_3_1_1() {
    let ack = Ack::new(id_10());
    for sender in [Client, Server] {
        is(V3_1_1, sender, "40 02 00 0A", Packet::PubAck(ack));
        is(V3_1_1, sender, "50 02 00 0A", Packet::PubRec(ack));
        is(V3_1_1, sender, "62 02 00 0A", Packet::PubRel(ack));
        is(V3_1_1, sender, "70 02 00 0A", Packet::PubComp(ack));
    }
}

/// v3 figures 3.21 and 3.23 with table 3.5, v5 figures 3-19 and 3-21: `a/b` at QoS 1 and `c/d` at QoS 2.
#[test]
fn a_subscribe_with_two_filters() {
    let subscriptions = [("a/b", QoS::AtLeastOnce), ("c/d", QoS::ExactlyOnce)]
        .map(|(filter, qos)| Subscription::new(TopicFilter::new(filter).unwrap(), qos));
    let subscribe = Packet::Subscribe(Subscribe::new(id_10(), &subscriptions));
    is(V3_1_1, Client, "82 0E 00 0A 00 03 61 2F 62 01 00 03 63 2F 64 02", subscribe);
    is(V5, Client, "82 0F 00 0A 00 00 03 61 2F 62 01 00 03 63 2F 64 02", subscribe);
}

/// v3 figure 3.27 with table 3.6: maximum QoS 0, maximum QoS 2, failure.
#[test]
fn a_suback_with_three_codes() {
    let codes = [ReasonCode::GRANTED_QOS_0, ReasonCode::GrantedQos2, ReasonCode::UnspecifiedError];
    let suback = Packet::SubAck(SubAck::new(id_10(), &codes));
    is(V3_1_1, Server, "90 05 00 0A 00 02 80", suback);
    is(V5, Server, "90 06 00 0A 00 00 02 80", suback);
}

/// v5 section 3.9.3: a code that is about no filter in particular is set for each.
#[test]
fn a_suback_and_an_unsuback_about_the_identifier() {
    let codes = [ReasonCode::PacketIdentifierInUse; 2];
    is(V5, Server, "90 05 00 0A 00 91 91", Packet::SubAck(SubAck::new(id_10(), &codes)));
    is(V5, Server, "B0 05 00 0A 00 91 91", Packet::UnsubAck(UnsubAck::new(id_10(), &codes)));
}

/// v3 figure 3.30 with table 3.7, v5 figure 3.30.
#[test]
fn an_unsubscribe_with_two_filters() {
    let filters = ["a/b", "c/d"].map(|filter| TopicFilter::new(filter).unwrap());
    let unsubscribe = Packet::Unsubscribe(Unsubscribe::new(id_10(), &filters));
    is(V3_1_1, Client, "A2 0C 00 0A 00 03 61 2F 62 00 03 63 2F 64", unsubscribe);
    is(V5, Client, "A2 0D 00 0A 00 00 03 61 2F 62 00 03 63 2F 64", unsubscribe);
}

/// v3 figures 3.31 to 3.35, v5 figures 3.33 and 3.34.
#[test]
fn the_packets_of_which_every_byte_is_given() {
    is(V3_1_1, Server, "B0 02 00 0A", Packet::UnsubAck(UnsubAck::new(id_10(), &[])));
    is(V3_1_1, Client, "E0 00", Packet::Disconnect(Disconnect::new(ReasonCode::NORMAL_DISCONNECTION)));
    for version in [V3_1_1, V5] {
        is(version, Client, "C0 00", Packet::PingReq);
        is(version, Server, "D0 00", Packet::PingResp);
    }
}

/// v5 figure 3-24, where the length is 5 in words and 7 in bits; 5 is right.
#[test]
fn a_disconnect_that_ends_the_session() {
    let properties = properties(&[Property::SessionExpiryInterval(0)]);
    let properties = properties.as_properties();
    let disconnect = Disconnect { properties, ..Disconnect::new(ReasonCode::NORMAL_DISCONNECTION) };
    is(V5, Client, "E0 07 00 05 11 00 00 00 00", Packet::Disconnect(disconnect));
    let bytes = common::bytes("E0 07 00 07 11 00 00 00 00");
    assert_eq!(Codec::server(V5).decode(&mut &bytes[..]).unwrap_err().cause(), Cause::UnexpectedEnd);
}

/// v3 and v5 section 4.7, their comments in order: what matches, what does not, and what is no filter at all.
#[test]
fn topics_and_filters() {
    let matches = |filter, name| TopicFilter::new(filter).unwrap().matches(TopicName::new(name).unwrap());
    for name in ["sport/tennis/player1", "sport/tennis/player1/ranking", "sport/tennis/player1/score/wimbledon"] {
        assert!(matches("sport/tennis/player1/#", name), "{name}");
        assert!(matches("#", name), "{name}");
    }
    assert!(matches("sport/#", "sport"));
    for filter in ["#", "sport/tennis/#", "+", "+/tennis/#", "sport/+/player1", "/", "/finance", "Accounts payable"] {
        assert!(TopicFilter::new(filter).is_ok(), "{filter}");
    }
    for filter in ["sport/tennis#", "sport/tennis/#/ranking", "sport+"] {
        assert_eq!(TopicFilter::new(filter), Err(Cause::MisplacedWildcard), "{filter}");
    }
    assert!(matches("sport/tennis/+", "sport/tennis/player1"));
    assert!(matches("sport/tennis/+", "sport/tennis/player2"));
    assert!(!matches("sport/tennis/+", "sport/tennis/player1/ranking"));
    assert!(!matches("sport/+", "sport"));
    assert!(matches("sport/+", "sport/"));
    assert!(matches("+/+", "/finance"));
    assert!(matches("/+", "/finance"));
    assert!(!matches("+", "/finance"));
    assert!(!matches("#", "$SYS/broker"));
    assert!(!matches("+/monitor/Clients", "$SYS/monitor/Clients"));
    assert!(matches("$SYS/#", "$SYS/monitor/Clients"));
    assert!(matches("$SYS/monitor/+", "$SYS/monitor/Clients"));
    assert!(!matches("ACCOUNTS", "Accounts"));
    assert!(matches("Accounts payable", "Accounts payable"));
    assert!(!matches("finance", "/finance"));
}

/// v5 section 4.8.2.
#[test]
fn shared_subscriptions() {
    let shared = |filter| {
        let filter: TopicFilter<'static> = TopicFilter::new(filter).unwrap();
        let (name, inner) = filter.shared().unwrap();
        (filter, name.as_str(), inner.as_str())
    };
    let (one, one_name, one_filter) = shared("$share/consumer1/sport/tennis/+");
    let (two, two_name, two_filter) = shared("$share/consumer2/sport/tennis/+");
    let (finance, finance_name, finance_filter) = shared("$share/consumer1//finance");
    assert_eq!((one_name, two_name, finance_name), ("consumer1", "consumer2", "consumer1"));
    assert_eq!((one_filter, two_filter, finance_filter), ("sport/tennis/+", "sport/tennis/+", "/finance"));
    assert!(one != two && one != finance);
    let matching = |name| [one, two, finance].map(|filter| filter.matches(TopicName::new(name).unwrap()));
    assert_eq!(matching("sport/tennis/player1"), [true, true, false]);
    assert_eq!(matching("/finance"), [false, false, true]);
    assert_eq!(matching("finance"), [false; 3]);
    let subscriptions = [Subscription::new(finance, QoS::AtMostOnce)];
    is(
        V5,
        Client,
        "82 1F 00 0A 00 00 19 '$share/consumer1//finance' 00",
        Packet::Subscribe(Subscribe::new(id_10(), &subscriptions)),
    );
}

/// v5 section 4.11.
#[test]
fn server_references() {
    let references = ["myserver.xyz.org", "myserver.xyz.org:8883", "10.10.151.22:8883 [fe80::9610:3eff:fe1c]:1883"];
    let lengths = ["13 10", "18 15", "30 2D"];
    for (reference, lengths) in references.into_iter().zip(lengths) {
        let properties = properties(&[Property::ServerReference(Text::new(reference).unwrap())]);
        let properties = properties.as_properties();
        let (section, length) = lengths.split_once(' ').unwrap();
        let rest = 1 + reference.len() + 3;
        for (code, reason_code) in [("9C", ReasonCode::UseAnotherServer), ("9D", ReasonCode::ServerMoved)] {
            let tail = format!("{code} {section} 1C 00 {length} '{reference}'");
            let connack = ConnAck { properties, ..ConnAck::new(reason_code) };
            is(V5, Server, &format!("20 {:02X} 00 {tail}", 2 + rest), Packet::ConnAck(connack));
            let disconnect = Disconnect { properties, ..Disconnect::new(reason_code) };
            is(V5, Server, &format!("E0 {:02X} {tail}", 1 + rest), Packet::Disconnect(disconnect));
        }
    }
}

/// v5 section 4.12: a SCRAM challenge.
#[test]
fn a_scram_challenge() {
    let method = Property::AuthenticationMethod(Text::new("SCRAM-SHA-1").unwrap());
    let step = |data: &'static str| properties(&[method, Property::AuthenticationData(data.as_bytes())]);
    let first = step("client-first-data");
    let connect = Connect { properties: first.as_properties(), ..Connect::new(Text::EMPTY) };
    is(
        V5,
        Client,
        "10 2F 00 04 'MQTT' 05 02 00 00 22 15 00 0B 'SCRAM-SHA-1' 16 00 11 'client-first-data' 00 00",
        Packet::Connect(connect),
    );
    for (sender, data) in [(Server, "server-first-data"), (Client, "client-final-data")] {
        let step = step(data);
        let auth = Auth::new(ReasonCode::ContinueAuthentication, step.as_properties());
        is(V5, sender, &format!("F0 24 18 22 15 00 0B 'SCRAM-SHA-1' 16 00 11 '{data}'"), Packet::Auth(auth));
    }
    let last = step("server-final-data");
    let connack = ConnAck { properties: last.as_properties(), ..ConnAck::new(ReasonCode::Success) };
    is(V5, Server, "20 25 00 00 22 15 00 0B 'SCRAM-SHA-1' 16 00 11 'server-final-data'", Packet::ConnAck(connack));
}

/// v5 section 4.12: a Kerberos challenge, in which some steps have no data. The tokens stand for themselves.
#[test]
fn a_kerberos_challenge() {
    let method = Property::AuthenticationMethod(Text::new("GS2-KRB5").unwrap());
    let no_data = properties(&[method]);
    let step = |data: &'static str| properties(&[method, Property::AuthenticationData(data.as_bytes())]);
    let connect = Connect { properties: no_data.as_properties(), ..Connect::new(Text::EMPTY) };
    is(V5, Client, "10 18 00 04 'MQTT' 05 02 00 00 0B 15 00 08 'GS2-KRB5' 00 00", Packet::Connect(connect));
    let auth = Auth::new(ReasonCode::ContinueAuthentication, no_data.as_properties());
    is(V5, Server, "F0 0D 18 0B 15 00 08 'GS2-KRB5'", Packet::Auth(auth));
    let token = step("initial");
    let auth_with = Auth::new(ReasonCode::ContinueAuthentication, token.as_properties());
    is(V5, Client, "F0 17 18 15 15 00 08 'GS2-KRB5' 16 00 07 'initial'", Packet::Auth(auth_with));
    let token = step("reply");
    let auth_with = Auth::new(ReasonCode::ContinueAuthentication, token.as_properties());
    is(V5, Server, "F0 15 18 13 15 00 08 'GS2-KRB5' 16 00 05 'reply'", Packet::Auth(auth_with));
    is(V5, Client, "F0 0D 18 0B 15 00 08 'GS2-KRB5'", Packet::Auth(auth));
    let outcome = step("outcome");
    let connack = ConnAck { properties: outcome.as_properties(), ..ConnAck::new(ReasonCode::Success) };
    is(V5, Server, "20 18 00 00 15 15 00 08 'GS2-KRB5' 16 00 07 'outcome'", Packet::ConnAck(connack));
}

/// v5 section 4.10: a request, and its response.
#[test]
fn a_request_and_its_response() {
    let request = properties(&[
        Property::ResponseTopic(TopicName::new("r/1").unwrap()),
        Property::CorrelationData(&[0x00, 0xFF]),
    ]);
    let publish = Publish { properties: request.as_properties(), ..Publish::new(TopicName::new("q").unwrap(), b"?") };
    is(V5, Client, "30 10 00 01 'q' 0B 08 00 03 'r/1' 09 00 02 00 FF '?'", Packet::Publish(publish));
    let response = properties(&[Property::CorrelationData(&[0x00, 0xFF])]);
    let (topic, properties) = (publish.properties.response_topic().unwrap(), response.as_properties());
    let publish = Publish { properties, ..Publish::new(topic, b"!") };
    is(V5, Client, "30 0C 00 03 'r/1' 05 09 00 02 00 FF '!'", Packet::Publish(publish));
    let asked =
        self::properties(&[Property::RequestResponseInformation(true), Property::ReceiveMaximum(NonZeroU16::MIN)]);
    let connect = Connect { properties: asked.as_properties(), ..Connect::new(Text::EMPTY) };
    is(V5, Client, "10 12 00 04 'MQTT' 05 02 00 00 05 19 01 21 00 01 00 00", Packet::Connect(connect));
}

/// The bytes are those of the packet, and the packet is that of the bytes.
fn is(version: Version, sender: Role, written: &str, packet: Packet<'_>) {
    let bytes = common::bytes(written);
    assert_eq!(checks::encode(common::codec(version, sender), &packet), bytes, "{packet:?}");
    let mut input = &bytes[..];
    assert_eq!(common::codec(version, sender.peer()).decode(&mut input), Ok(Some(packet)), "{written}");
    assert!(input.is_empty(), "{written}");
}

fn example_connect() -> Connect<'static> {
    let mut connect = Connect::new(Text::new("c/1").unwrap());
    connect.keep_alive = 10;
    connect.will = Some(Will { qos: QoS::AtLeastOnce, ..Will::new(TopicName::new("w").unwrap(), b"by") });
    connect.user_name = Some(Text::new("u").unwrap());
    connect.password = Some(b"p");
    connect
}

fn properties(list: &[Property<'_>]) -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    for &property in list {
        properties.push(property).unwrap();
    }
    properties
}

fn id_10() -> PacketId {
    PacketId::new(10).unwrap()
}
