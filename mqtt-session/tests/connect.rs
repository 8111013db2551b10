//! Connections begin, and end.

mod support;

use std::time::Duration;

use mqtt_proto::{
    Cause, Codec, Packet, PacketId, PropertiesBuf, Property, QoS, ReasonCode, Subscribe, Subscription, SubscriptionId,
    Text, TopicFilter, TransmitBuf, Version,
};
use mqtt_session::{
    Accept, Client, ConnectError, ConnectOptions, DisconnectCause, Event, Instant, RequestError, Server, ServerOptions,
    SessionState, Transmit, Violation, WillOptions,
};
use support::talk::{Talk, encoded, properties};
use support::{Pair, Said, VERSIONS};

fn hex(text: &str) -> Vec<u8> {
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// What a fresh server says and sends when it gets `input`, and whether it closes then.
fn server_reaction(input: &str) -> (Option<Said>, Vec<u8>, bool) {
    let mut server = Server::new(Instant::ZERO, ServerOptions::default());
    let bytes = hex(input);
    let said = server.handle_input(Instant::ZERO, &mut &bytes[..]).map(Said::from);
    let mut out = TransmitBuf::new();
    let mut transmit = Transmit::Ready;
    while transmit == Transmit::Ready {
        transmit = server.poll_transmit(Instant::ZERO, &mut out);
    }
    (said, out.slices().flatten().copied().collect(), transmit == Transmit::Close)
}

#[test]
fn both_ends_agree() {
    for version in VERSIONS {
        let mut options = ConnectOptions::new("c");
        options.version = version;
        options.keep_alive = 30;
        let mut pair = Pair::new(options);
        pair.connect();
        assert_eq!(pair.client_said, [Said::Connected { session_present: false }]);
        assert_eq!(pair.server_said, [Said::ConnectRequested("c".into())]);
        assert_eq!(pair.client.agreed().unwrap().client_id, "c");
        assert_eq!(pair.server.agreed().unwrap().keep_alive, 30);
    }
}

/// v5\[MQTT-3.1.2-21\] v5\[MQTT-3.2.2-9\] v5\[MQTT-3.2.2-21\] v5\[MQTT-3.2.2-22\] v5\[MQTT-3.2.2-11\]
#[test]
fn what_the_server_announces_is_what_the_client_goes_by() {
    let mut server_options = ServerOptions::default();
    server_options.receive_maximum = 7;
    server_options.packet_bytes_max = 1000;
    server_options.topic_alias_maximum = 3;
    server_options.server_keep_alive = Some(11);
    server_options.maximum_qos = QoS::AtLeastOnce;
    server_options.retain_available = false;
    let mut pair = Pair::with_server(ConnectOptions::new("c"), server_options);
    pair.connect();
    let agreed = pair.client.agreed().unwrap();
    assert_eq!((agreed.receive_maximum, agreed.packet_bytes_max, agreed.topic_alias_maximum), (7, 1000, 3));
    assert_eq!((agreed.keep_alive, agreed.maximum_qos, agreed.retain_available), (11, QoS::AtLeastOnce, false));
    assert_eq!(pair.server.agreed().unwrap().keep_alive, 11);
}

/// 5.0 sections 3.2.2.3.11 to 3.2.2.3.13
#[test]
fn a_subscription_that_the_server_has_announced_not_to_take_is_not_sent() {
    let plain = ("a/b", false);
    let table = [("a/#", false), ("$share/group/a", false), ("a", true)];
    let wanted = [
        RequestError::WildcardSubscriptionsNotSupported,
        RequestError::SharedSubscriptionsNotSupported,
        RequestError::SubscriptionIdentifiersNotSupported,
    ];
    let subscribe = |pair: &mut Pair, (filter, with_identifier): (&str, bool)| {
        let mut properties = PropertiesBuf::new();
        if with_identifier {
            properties.push(Property::SubscriptionIdentifier(SubscriptionId::new(1).unwrap())).unwrap();
        }
        let all = ["z", filter].map(|filter| Subscription::new(TopicFilter::new(filter).unwrap(), QoS::AtMostOnce));
        pair.client.subscribe(pair.now, &all, properties.as_properties()).map(drop)
    };
    let mut server_options = ServerOptions::default();
    server_options.wildcard_subscription_available = false;
    server_options.subscription_identifier_available = false;
    server_options.shared_subscription_available = false;
    let mut pair = Pair::with_server(ConnectOptions::new("c"), server_options);
    assert_eq!(subscribe(&mut pair, table[0]), Err(RequestError::NotConnected));
    pair.connect();
    pair.forget_what_was_said();
    assert_eq!(table.map(|each| subscribe(&mut pair, each)), wanted.map(Err));
    for agreed in [pair.client.agreed().unwrap(), pair.server.agreed().unwrap()] {
        let offers = [agreed.wildcard_subscription_available, agreed.subscription_identifier_available];
        assert_eq!((offers, agreed.shared_subscription_available), ([false; 2], false));
    }
    pair.drive();
    assert!(pair.trace.is_empty());
    assert_eq!(subscribe(&mut pair, plain), Ok(()));
    pair.drive();
    assert_eq!(pair.trace, ["C Subscribe", "S SubAck"]);

    // Whatever is not announced as missing is there.
    let mut server_options = ServerOptions::default();
    server_options.shared_subscription_available = true;
    let mut pair = Pair::with_server(ConnectOptions::new("c"), server_options);
    pair.connect();
    assert_eq!(table.map(|each| subscribe(&mut pair, each)), [Ok(()); 3]);
}

/// Something that a server offers, or not.
type Offer = fn(&mut ServerOptions) -> &mut bool;

/// v5\[MQTT-4.13.1-1\] v5\[MQTT-3.8.3-4\]: a client that asks for what it was told is not there.
#[test]
fn a_server_keeps_what_it_has_announced_about_subscriptions() {
    let identifier = properties([Property::SubscriptionIdentifier(SubscriptionId::new(1).unwrap())]);
    let none = PropertiesBuf::new();
    let table: [(&str, &PropertiesBuf, Offer, &str); 5] = [
        ("a/+", &none, |options| &mut options.wildcard_subscription_available, "A2"),
        ("#", &none, |options| &mut options.wildcard_subscription_available, "A2"),
        ("$share/g/+/a", &none, |options| &mut options.wildcard_subscription_available, "A2"),
        ("a", &identifier, |options| &mut options.subscription_identifier_available, "A1"),
        ("$share/g/a", &none, |options| &mut options.shared_subscription_available, "9E"),
    ];
    for (filter, properties, option, code) in table {
        for version in VERSIONS {
            if properties.is_empty() || version == Version::V5 {
                for is_available in [true, false] {
                    let mut server_options = ServerOptions::default();
                    server_options.shared_subscription_available = true;
                    *option(&mut server_options) = is_available;
                    let mut options = ConnectOptions::new("c");
                    options.version = version;
                    let mut talk = Talk::new(options, server_options);
                    assert_eq!(talk.client_speaks().1, ["connect requested"]);
                    talk.server.accept(Instant::ZERO, &mut Default::default(), &Accept::new("c")).unwrap();
                    assert_eq!(talk.server_speaks().0, ["ConnAck 00"]);
                    let all = ["z", filter]
                        .map(|filter| Subscription::new(TopicFilter::new(filter).unwrap(), QoS::AtMostOnce));
                    let subscribe = Subscribe {
                        packet_id: PacketId::MIN,
                        properties: properties.as_properties(),
                        subscriptions: all[..].into(),
                    };
                    let said = talk.server_gets(&encoded(Codec::client(version), &Packet::Subscribe(subscribe)));
                    // An older client was told nothing, and it is the host who says no.
                    if is_available || version != Version::V5 {
                        assert_eq!(said, ["subscribe requested"], "{filter}");
                        assert!(talk.server.is_connected());
                    } else {
                        assert!(said.len() == 1 && said[0].starts_with("violation "), "{filter}: {said:?}");
                        assert_eq!(
                            talk.server_speaks().0,
                            [format!("Disconnect {code}").as_str(), "closed"],
                            "{filter}"
                        );
                    }
                }
            }
        }
    }
    // A shared subscription without what comes from the client itself is never there.
    let mut server_options = ServerOptions::default();
    server_options.shared_subscription_available = true;
    let mut pair = Pair::with_server(ConnectOptions::new("c"), server_options);
    pair.connect();
    pair.to_server = b"\x82\x10\0\x0A\0\0\x0A$share/g/a\x04".into();
    pair.forget_what_was_said();
    pair.drive();
    assert!(matches!(pair.server_said[..], [Said::Disconnected(DisconnectCause::Malformed(_))]));
    assert_eq!(pair.trace, ["S Disconnect 82"]);
}

#[test]
fn response_information_is_there_if_the_server_gives_it() {
    let mut client = Client::new(ConnectOptions::new("c"));
    client.connect(Instant::ZERO).unwrap();
    let connack = hex("20 0B 00 00 08 1A 00 05 2F 61 2F 62 2F");
    assert!(matches!(client.handle_input(Instant::ZERO, &mut &connack[..]), Some(Event::Connected(_))));
    assert_eq!(client.agreed().unwrap().response_information.as_deref(), Some("/a/b/"));
    let mut pair = Pair::connected(Version::V5);
    assert_eq!(pair.client.agreed().unwrap().response_information, None);
    pair.cut();
    assert_eq!(pair.client.agreed(), None);
}

/// v5\[MQTT-3.1.3-7\] v5\[MQTT-3.2.2-16\]
#[test]
fn an_assigned_identifier_is_used_again() {
    let mut pair = Pair::new(ConnectOptions::new(""));
    pair.connect();
    assert_eq!(pair.client.agreed().unwrap().client_id, "assigned");
    pair.cut();
    pair.connect();
    assert_eq!(pair.server_said.last(), Some(&Said::ConnectRequested("assigned".into())));
}

/// v3\[MQTT-3.1.0-1\] v5\[MQTT-3.1.0-1\] v5\[MQTT-3.14.0-1\]
#[test]
fn a_first_packet_that_is_not_connect_closes_without_an_answer() {
    let (said, sent, closed) = server_reaction("C0 00");
    assert_eq!(said, Some(Said::Disconnected(DisconnectCause::Violation(Violation::FirstPacket))));
    assert!(sent.is_empty() && closed);
}

/// v3\[MQTT-3.1.0-1\] v5\[MQTT-3.1.0-1\]
#[test]
fn a_peer_with_another_protocol_is_not_waited_for() {
    // HTTP, which would be a PUBACK of 71 bytes.
    for input in ["47 45 54 20 2F", "47", "00"] {
        let (said, sent, closed) = server_reaction(input);
        assert_eq!(said, Some(Said::Disconnected(DisconnectCause::Violation(Violation::FirstPacket))));
        assert!(sent.is_empty() && closed);
    }
}

/// v3\[MQTT-3.1.2-2\] v5\[MQTT-3.1.2-2\]
#[test]
fn an_unknown_level_is_refused_in_a_form_that_the_client_understands() {
    let table = [
        ("10 0C 00 04 4D 51 54 54 03 02 00 3C 00 00", "20 02 00 01"),
        ("10 0D 00 04 4D 51 54 54 06 02 00 3C 00 00 00", "20 03 00 84 00"),
        // A bridge of mosquitto, which tries again without the bit.
        ("10 0C 00 04 4D 51 54 54 84 02 00 3C 00 00", "20 02 00 01"),
        ("10 0D 00 04 4D 51 54 54 85 02 00 3C 00 00 00", "20 03 00 84 00"),
    ];
    for (connect, connack) in table {
        let (_, sent, closed) = server_reaction(connect);
        assert_eq!(sent, hex(connack));
        assert!(closed);
    }
}

/// v3\[MQTT-3.1.3-8\]
#[test]
fn an_empty_identifier_needs_a_clean_session_before_5() {
    let (_, sent, closed) = server_reaction("10 0C 00 04 4D 51 54 54 04 00 00 3C 00 00");
    assert_eq!(sent, hex("20 02 00 02"));
    assert!(closed);
    let (said, ..) = server_reaction("10 0C 00 04 4D 51 54 54 04 02 00 3C 00 00");
    assert_eq!(said, Some(Said::ConnectRequested(String::new())));
}

/// v3\[MQTT-3.1.4-1\] v5\[MQTT-3.1.4-1\]
#[test]
fn a_malformed_connect_is_explained_to_a_5_client_only() {
    let (said, sent, closed) = server_reaction("10 0D 00 04 4D 51 54 54 05 03 00 3C 00 00 00");
    assert!(
        matches!(said, Some(Said::Disconnected(DisconnectCause::Malformed(error))) if error.cause() == Cause::ConnectReservedFlag)
    );
    assert_eq!(sent, hex("20 03 00 81 00"));
    assert!(closed);
    let (_, sent, closed) = server_reaction("10 0C 00 04 4D 51 54 54 04 03 00 3C 00 00");
    assert!(sent.is_empty() && closed);
}

/// v3\[MQTT-3.1.0-2\] v5\[MQTT-3.1.0-2\]
#[test]
fn a_second_connect_ends_the_connection() {
    for version in VERSIONS {
        let mut pair = Pair::connected(version);
        let mut again = Client::new(pair.client.options().clone());
        again.connect(pair.now).unwrap();
        let mut out = TransmitBuf::new();
        again.poll_transmit(pair.now, &mut out);
        pair.to_server = out.slices().flatten().copied().collect();
        pair.drive();
        assert_eq!(pair.server_said, [Said::Disconnected(DisconnectCause::Violation(Violation::SecondConnect))]);
        let goodbye: &[&str] = if version == Version::V5 { &["S Disconnect 82"] } else { &[] };
        assert_eq!(pair.trace, goodbye);
    }
}

/// v3\[MQTT-3.2.0-1\] v5\[MQTT-3.2.0-1\]
#[test]
fn a_client_takes_nothing_before_connack() {
    let mut client = Client::new(ConnectOptions::new("c"));
    client.connect(Instant::ZERO).unwrap();
    let event = client.handle_input(Instant::ZERO, &mut &[0xD0, 0][..]).map(Said::from);
    assert_eq!(event, Some(Said::Disconnected(DisconnectCause::Violation(Violation::BeforeConnAck))));
}

/// v5\[MQTT-3.2.2-4\]
#[test]
fn a_session_after_a_clean_start_is_refused() {
    let mut client = Client::new(ConnectOptions::new("c"));
    client.connect(Instant::ZERO).unwrap();
    let event = client.handle_input(Instant::ZERO, &mut &hex("20 03 01 00 00")[..]).map(Said::from);
    assert_eq!(event, Some(Said::Disconnected(DisconnectCause::Violation(Violation::UnexpectedSession))));
}

#[test]
fn a_refusal_is_told_with_its_reason() {
    for (version, bytes) in [(Version::V3_1_1, "20 02 00 05"), (Version::V5, "20 03 00 87 00")] {
        let mut options = ConnectOptions::new("c");
        options.version = version;
        let mut client = Client::new(options);
        client.connect(Instant::ZERO).unwrap();
        let event = client.handle_input(Instant::ZERO, &mut &hex(bytes)[..]).map(Said::from);
        assert_eq!(event, Some(Said::Disconnected(DisconnectCause::Refused(ReasonCode::NotAuthorized))));
        let mut out = TransmitBuf::new();
        assert_eq!(client.poll_transmit(Instant::ZERO, &mut out), Transmit::Ready, "its own CONNECT");
        assert_eq!(client.poll_transmit(Instant::ZERO, &mut out), Transmit::Close);
    }
}

/// v3\[MQTT-3.2.0-1\] v5\[MQTT-3.2.0-1\]
#[test]
fn a_server_with_another_protocol_is_known_by_its_first_byte() {
    for version in VERSIONS {
        for first in [&b"SSH-2.0-OpenSSH_9.2p1\r\n"[..], b"H", b"\x15", b"220 ready", &[0x30], &[0xE0]] {
            let mut options = ConnectOptions::new("c");
            options.version = version;
            let mut client = Client::new(options);
            client.connect(Instant::ZERO).unwrap();
            let said = client.handle_input(Instant::ZERO, &mut &first[..]).map(Said::from);
            let cause = DisconnectCause::Violation(Violation::BeforeConnAck);
            assert_eq!(said, Some(Said::Disconnected(cause)), "{first:?}");
        }
    }
}

#[test]
fn an_unanswered_handshake_has_a_deadline_at_both_ends() {
    let deadline = Instant::ZERO + Duration::from_secs(10);
    let mut client = Client::new(ConnectOptions::new("c"));
    client.connect(Instant::ZERO).unwrap();
    assert_eq!(client.poll_timeout(), Some(deadline));
    client.handle_timeout(deadline);
    assert_eq!(client.poll_event().map(Said::from), Some(Said::Disconnected(DisconnectCause::ConnectTimeout)));

    let mut server = Server::new(Instant::ZERO, ServerOptions::default());
    server.handle_timeout(Instant::from_micros(deadline.as_micros() - 1));
    assert_eq!(server.poll_event(), None);
    server.handle_timeout(deadline);
    assert_eq!(server.poll_event().map(Said::from), Some(Said::Disconnected(DisconnectCause::ConnectTimeout)));
}

/// v3\[MQTT-3.1.2-23\] v3\[MQTT-3.1.2-24\] v5\[MQTT-3.1.2-20\] v5\[MQTT-3.1.2-22\]
#[test]
fn pings_keep_a_silent_connection_alive_and_their_absence_ends_it() {
    for version in VERSIONS {
        let mut pair = Pair::connected(version);
        for _ in 0..5 {
            pair.advance(Duration::from_secs(60));
            pair.drive();
        }
        assert!(pair.client_said.is_empty() && pair.server_said.is_empty());
        assert_eq!(pair.trace.iter().filter(|line| *line == "S PingResp").count(), 5);

        pair.server.handle_timeout(pair.now + Duration::from_secs(90));
        assert_eq!(
            pair.server.poll_event().map(Said::from),
            Some(Said::Disconnected(DisconnectCause::KeepAliveTimeout))
        );
        pair.advance(Duration::from_secs(60));
        pair.advance(Duration::from_secs(60));
        assert_eq!(pair.client_said, [Said::Disconnected(DisconnectCause::KeepAliveTimeout)]);
        // The code for it is the server's alone.
        let goodbye = (version == Version::V5).then_some("C Disconnect 80");
        pair.trace.clear();
        pair.transmit();
        assert_eq!(pair.trace.iter().map(String::as_str).find(|line| line.starts_with("C Disconnect")), goodbye);
    }
}

/// v3\[MQTT-3.14.4-1\] v3\[MQTT-3.14.4-2\] v5\[MQTT-3.14.4-1\] v5\[MQTT-3.14.4-2\] v3\[MQTT-3.14.4-3\] v5\[MQTT-3.14.4-3\]
#[test]
fn a_disconnect_is_the_last_packet_and_drops_the_will() {
    for version in VERSIONS {
        let mut pair = Pair::connected(version);
        pair.publish("a", "1", QoS::AtMostOnce);
        pair.client.disconnect(pair.now, ReasonCode::NORMAL_DISCONNECTION, Default::default()).unwrap();
        pair.publish("a", "2", QoS::AtMostOnce);
        pair.drive();
        assert_eq!(pair.trace, ["C Publish", "C Disconnect 00"]);
        let Some(Said::Disconnected(cause)) = pair.server_said.last() else { panic!() };
        assert!(cause.drops_will());
        assert_eq!(pair.client_said, [Said::Disconnected(DisconnectCause::Local(ReasonCode::Success))]);
        assert_eq!(pair.client.poll_transmit(pair.now, &mut TransmitBuf::new()), Transmit::Close);
    }
}

/// v5\[MQTT-3.14.2-2\]
#[test]
fn a_session_expiry_of_zero_cannot_be_raised_in_disconnect() {
    let mut pair = Pair::connected(Version::V5);
    let mut properties = PropertiesBuf::new();
    properties.push(Property::SessionExpiryInterval(10)).unwrap();
    let properties = properties.as_properties();
    let refused = pair.client.disconnect(pair.now, ReasonCode::NORMAL_DISCONNECTION, properties);
    assert_eq!(refused, Err(RequestError::SessionExpiryRaised));
    assert!(pair.client.is_connected());

    // From somebody who does it all the same: DISCONNECT 00 with an interval of 10 s.
    let mut input = &[0xE0, 7, 0, 5, 0x11, 0, 0, 0, 10][..];
    let Some(Event::Disconnected(end)) = pair.server.handle_input(pair.now, &mut input) else { panic!() };
    assert_eq!(end.cause, DisconnectCause::Violation(Violation::SessionExpiryRaised));
    assert!(!end.cause.drops_will());
}

#[test]
fn a_will_travels_with_its_connect() {
    for version in VERSIONS {
        let mut options = ConnectOptions::new("c");
        options.version = version;
        let mut will = WillOptions::new("gone", "c");
        will.qos = QoS::ExactlyOnce;
        will.retain = true;
        options.will = Some(will);
        options.user_name = Some("user".into());
        options.password = Some(b"secret".to_vec());
        assert!(!format!("{options:?}").contains("secret"));
        let mut client = Client::new(options);
        client.connect(Instant::ZERO).unwrap();
        let mut out = TransmitBuf::new();
        client.poll_transmit(Instant::ZERO, &mut out);
        let bytes: Vec<u8> = out.slices().flatten().copied().collect();
        let Ok(Some(Packet::Connect(connect))) = Codec::server(version).decode(&mut &bytes[..]) else { panic!() };
        let will = connect.will.unwrap();
        assert_eq!(
            (will.topic.as_str(), will.payload, will.qos, will.retain),
            ("gone", &b"c"[..], QoS::ExactlyOnce, true)
        );
        assert_eq!((connect.user_name, connect.password), (Some(Text::new("user").unwrap()), Some(&b"secret"[..])));
        assert!(!format!("{connect:?}").contains("secret"));
    }
}

#[test]
fn options_that_make_no_connect_are_the_callers_error() {
    let mut options = ConnectOptions::new("c");
    options.version = Version::V3_1_1;
    options.password = Some(vec![1]);
    let mut client = Client::new(options);
    assert!(matches!(client.connect(Instant::ZERO), Err(ConnectError::Invalid(_))));
    assert!(client.is_idle());
    client.options_mut().user_name = Some("u".into());
    client.connect(Instant::ZERO).unwrap();
    assert_eq!(client.connect(Instant::ZERO), Err(ConnectError::NotIdle));
}

#[test]
fn garbage_ends_one_connection_with_a_reason() {
    for version in VERSIONS {
        let mut pair = Pair::connected(version);
        pair.to_server = vec![0x00, 0x00];
        pair.to_client = vec![0x62, 0x01, 0x00];
        pair.drive();
        assert!(matches!(pair.server_said[..], [Said::Disconnected(DisconnectCause::Malformed(_))]));
        assert!(matches!(pair.client_said[..], [Said::Disconnected(DisconnectCause::Malformed(_))]));
        // Before 5.0 a DISCONNECT would say that all is well, and drop the client's will.
        let goodbyes: &[&str] = if version == Version::V5 { &["C Disconnect 81", "S Disconnect 81"] } else { &[] };
        assert_eq!(pair.trace, goodbyes);
    }
}

/// A stream that trickles in says the same as one that comes at once.
#[test]
fn one_byte_at_a_time_is_as_good_as_all_at_once() {
    let mut server = Server::new(Instant::ZERO, ServerOptions::default());
    let bytes = hex("10 0D 00 04 4D 51 54 54 05 02 00 3C 00 00 01 61");
    let bytes: Vec<u8> = [&hex("10 0E")[..], &bytes[2..]].concat();
    for end in 0..bytes.len() {
        assert!(server.handle_input(Instant::ZERO, &mut &bytes[..end]).is_none());
        assert!(server.wants_input());
    }
    let event = server.handle_input(Instant::ZERO, &mut &bytes[..]);
    assert!(matches!(event, Some(Event::ConnectRequested(_))));
    assert!(!server.wants_input());
}

/// v5 3.14.2.2.2: it is what CONNECT asked for that counts, whatever the server made of it.
#[test]
fn disconnect_may_raise_what_the_server_had_lowered_and_not_what_was_zero() {
    let interval = |seconds| properties([Property::SessionExpiryInterval(seconds)]);
    for (asked, granted, is_allowed) in [(0, 100, false), (100, 0, true)] {
        let mut options = ConnectOptions::new("c");
        options.session_expiry_interval = asked;
        let mut talk = Talk::new(options, ServerOptions::default());
        talk.client_speaks();
        let mut accept = Accept::new("c");
        accept.session_expiry_interval = Some(granted);
        talk.server.accept(talk.now, &mut SessionState::default(), &accept).unwrap();
        talk.server_speaks();
        let raised = talk.client.disconnect(talk.now, ReasonCode::NORMAL_DISCONNECTION, interval(10).as_properties());
        assert_eq!(raised, if is_allowed { Ok(()) } else { Err(RequestError::SessionExpiryRaised) });

        let mut input = &[0xE0, 7, 0, 5, 0x11, 0, 0, 0, 10][..];
        let Some(Event::Disconnected(end)) = talk.server.handle_input(talk.now, &mut input) else { panic!() };
        assert_eq!(end.cause.drops_will(), is_allowed);
        assert_eq!(talk.server.session_expiry_interval(), if is_allowed { 10 } else { granted });
    }
}

#[test]
fn what_the_properties_of_a_handshake_announce_is_enforced() {
    // A client that announces topic aliases.
    let mut options = ConnectOptions::new("c");
    options.properties = properties([Property::TopicAliasMaximum(5)]);
    let mut client = Client::new(options);
    client.connect(Instant::ZERO).unwrap();
    client.handle_input(Instant::ZERO, &mut &[0x20, 3, 0, 0, 0][..]);
    let mut aliased = &[0x30, 7, 0, 1, b'a', 3, 0x23, 0, 5][..];
    assert!(matches!(client.handle_input(Instant::ZERO, &mut aliased), Some(Event::Received(_))));

    // A server that has an answer of its own for one client.
    let mut server = Server::new(Instant::ZERO, ServerOptions::default());
    let mut connect = &b"\x10\x0E\0\x04MQTT\x05\x02\0\x0A\0\0\x01a"[..];
    assert!(server.handle_input(Instant::ZERO, &mut connect).is_some());
    let all = properties([
        Property::ServerKeepAlive(100),
        Property::SessionExpiryInterval(7),
        Property::MaximumQos(QoS::AtLeastOnce),
        Property::WildcardSubscriptionAvailable(false),
    ]);
    let mut accept = Accept::new("a");
    accept.properties = all.as_properties();
    server.accept(Instant::ZERO, &mut SessionState::default(), &accept).unwrap();
    let agreed = server.agreed().unwrap();
    assert_eq!((agreed.keep_alive, agreed.session_expiry_interval), (100, 7));
    assert!(!agreed.wildcard_subscription_available);
    let mut publish = &[0x34, 6, 0, 1, b'a', 0, 1, 0][..];
    let Some(Event::Disconnected(end)) = server.handle_input(Instant::ZERO, &mut publish) else { panic!() };
    assert_eq!(end.cause, DisconnectCause::Violation(Violation::QosTooHigh));
}

/// v5 3.1.2.11.3: it can't be announced, so one is taken, and said.
#[test]
fn a_receive_maximum_of_zero_is_one_at_both_ends() {
    let mut options = ConnectOptions::new("c");
    options.receive_maximum = 0;
    let mut server_options = ServerOptions::default();
    server_options.receive_maximum = 0;
    let mut pair = Pair::with_server(options, server_options);
    pair.connect();
    assert_eq!(pair.client.agreed().unwrap().receive_maximum, 1);
    assert_eq!(pair.server.agreed().unwrap().receive_maximum, 1);
}

#[test]
fn what_is_changed_during_a_handshake_is_for_the_next() {
    let mut client = Client::new(ConnectOptions::new("c"));
    client.connect(Instant::ZERO).unwrap();
    client.options_mut().keep_alive = 1000;
    client.options_mut().client_id = "d".into();
    client.handle_input(Instant::ZERO, &mut &[0x20, 3, 0, 0, 0][..]);
    let agreed = client.agreed().unwrap();
    assert_eq!((agreed.keep_alive, agreed.client_id.as_str()), (60, "c"));
}
