//! What a client or a server owes its peer by the letter of the standard, and no other scenario shows.

mod support;

use std::time::Duration;

use mqtt_proto::{Properties, Property, QoS, ReasonCode, TopicFilter, TransmitBuf, Version};
use mqtt_session::{
    Accept, Acknowledge, Client, ConnectError, ConnectOptions, DisconnectCause, Event, Instant, Outcome, Outgoing,
    Server, ServerOptions, SessionState, Transmit, Violation,
};
use support::talk::{properties, sent, text};
use support::{LEVELS, Pair, Said, VERSIONS, message};

const NOW: Instant = Instant::ZERO;

/// CONNECT with further flags, and what has to stand behind the client identifier then.
fn connect(version: Version, flags: u8, client_id: &str, behind: &[u8]) -> Vec<u8> {
    let none: &[u8] = if version.has_properties() { &[0] } else { &[] };
    let len = [client_id.len() as u8];
    let head = [&b"\0\x04MQTT"[..], &[version.level(), flags, 0, 60], none, &[0], &len, client_id.as_bytes()].concat();
    let mut bytes = vec![0x10, (head.len() + behind.len()) as u8];
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(behind);
    bytes
}

fn asked(options: ServerOptions, connect: &[u8]) -> (Server, Option<Said>) {
    let mut server = Server::new(NOW, options);
    let said = server.handle_input(NOW, &mut &connect[..]).map(Said::from);
    (server, said)
}

/// PUBLISH of `x` at `a` under identifier 0x1234.
fn publish(version: Version, qos: QoS, dup: bool) -> Vec<u8> {
    let id: &[u8] = if qos == QoS::AtMostOnce { &[] } else { &[0x12, 0x34] };
    let none: &[u8] = if version.has_properties() { &[0] } else { &[] };
    let body = [&b"\0\x01a"[..], id, none, b"x"].concat();
    [&[0x30 | qos.as_u8() << 1 | u8::from(dup) << 3, body.len() as u8], &body[..]].concat()
}

fn server_says(pair: &mut Pair) -> Vec<u8> {
    let now = pair.now;
    sent(|out| pair.server.poll_transmit(now, out)).0
}

fn client_says(pair: &mut Pair) -> Vec<u8> {
    let now = pair.now;
    sent(|out| pair.client.poll_transmit(now, out)).0
}

/// v3\[MQTT-2.3.1-6\] v5\[MQTT-2.2.1-5\] v3\[MQTT-3.3.4-1\] v5\[MQTT-3.3.4-1\] v3\[MQTT-4.3.2-2\] v5\[MQTT-4.3.2-4\] v5\[MQTT-4.3.3-8\] v5\[MQTT-4.3.3-11\]
#[test]
fn every_publish_gets_the_answer_of_its_qos_under_its_own_identifier() {
    for version in VERSIONS {
        for qos in LEVELS {
            let mut pair = Pair::connected(version);
            pair.to_server = publish(version, qos, false);
            pair.to_client = publish(version, qos, false);
            pair.server_reads();
            pair.client_reads();
            let answer: &[u8] = match qos {
                QoS::AtMostOnce => &[],
                QoS::AtLeastOnce => &[0x40, 2, 0x12, 0x34],
                QoS::ExactlyOnce => &[0x50, 2, 0x12, 0x34],
            };
            assert_eq!((server_says(&mut pair), client_says(&mut pair)), (answer.into(), answer.into()));
            if qos == QoS::ExactlyOnce {
                pair.to_server = vec![0x62, 2, 0x12, 0x34];
                pair.to_client = vec![0x62, 2, 0x12, 0x34];
                pair.server_reads();
                pair.client_reads();
                let answer = vec![0x70, 2, 0x12, 0x34];
                assert_eq!((server_says(&mut pair), client_says(&mut pair)), (answer.clone(), answer));
            }
            assert_eq!((pair.server_received(), pair.client_received()), (vec!["x"], vec!["x"]));
        }
    }
}

/// v3\[MQTT-4.5.0-2\] v5\[MQTT-4.5.0-2\] v5\[MQTT-4.3.3-13\]: without a subscription, and though it has expired.
#[test]
fn a_message_that_nobody_wants_is_acknowledged() {
    let mut pair = Pair::connected(Version::V5);
    pair.to_client = b"\x32\x0B\0\x01a\x12\x34\x05\x02\0\0\0\0".into();
    pair.to_client.extend(b"\x34\x0B\0\x01a\x12\x35\x05\x02\0\0\0\0");
    pair.to_client.extend(b"\x62\x02\x12\x35");
    pair.client_reads();
    assert_eq!(client_says(&mut pair), b"\x40\x02\x12\x34\x50\x02\x12\x35\x70\x02\x12\x35");
    let mut pair = Pair::connected(Version::V3_1_1);
    pair.to_client = publish(Version::V3_1_1, QoS::AtLeastOnce, true);
    pair.client_reads();
    assert_eq!(client_says(&mut pair), b"\x40\x02\x12\x34");
}

/// v3\[MQTT-4.3.2-2\] v5\[MQTT-4.3.2-5\] v5\[MQTT-4.3.3-12\]
#[test]
fn an_identifier_is_that_of_a_new_message_once_the_old_one_is_done() {
    for version in VERSIONS {
        for dup in [false, true] {
            let mut pair = Pair::connected(version);
            pair.to_server.extend(publish(version, QoS::AtLeastOnce, false));
            pair.to_server.extend(publish(version, QoS::AtLeastOnce, dup));
            pair.to_server.extend(publish(version, QoS::ExactlyOnce, false));
            pair.to_server.extend([0x62, 2, 0x12, 0x34]);
            pair.to_server.extend(publish(version, QoS::ExactlyOnce, dup));
            pair.server_reads();
            assert_eq!(pair.server_received().len(), 4);
        }
    }
}

/// v5\[MQTT-4.3.3-9\]
#[test]
fn an_identifier_is_free_again_when_its_message_was_refused() {
    let mut options = ServerOptions::default();
    options.acknowledge = Acknowledge::Manually;
    let mut pair = Pair::with_server(ConnectOptions::new("c"), options);
    pair.connect();
    let bytes = publish(Version::V5, QoS::ExactlyOnce, false);
    for _ in 0..2 {
        let Some(Event::Received(message)) = pair.server.handle_input(NOW, &mut &bytes[..]) else { panic!() };
        let token = message.token().unwrap();
        pair.server.acknowledge(NOW, token, ReasonCode::QuotaExceeded, Properties::EMPTY).unwrap();
        assert_eq!(server_says(&mut pair), [0x50, 3, 0x12, 0x34, 0x97]);
    }
}

/// v3\[MQTT-2.3.1-2\] v3\[MQTT-2.3.1-4\] v5\[MQTT-2.2.1-3\] v5\[MQTT-2.2.1-4\]
#[test]
fn an_identifier_in_use_is_passed_over_when_all_others_have_been_used() {
    let mut pair = Pair::connected(Version::V5);
    pair.server.publish(NOW, &message("a", "held", QoS::ExactlyOnce)).unwrap();
    pair.client.publish(NOW, &message("a", "held", QoS::ExactlyOnce)).unwrap();
    // A request has the same identifiers, and keeps its own until it is answered.
    pair.subscribe("a", QoS::AtMostOnce);
    pair.transmit();
    for (end, first) in [(0x12, 2), (0x34, 3)] {
        let mut ids = Vec::new();
        for _ in 0..70_000 {
            if end == 0x12 {
                pair.server.publish(NOW, &message("a", "", QoS::AtLeastOnce)).unwrap();
            } else {
                pair.client.publish(NOW, &message("a", "", QoS::AtLeastOnce)).unwrap();
            }
            let bytes = if end == 0x12 { server_says(&mut pair) } else { client_says(&mut pair) };
            let id = [bytes[5], bytes[6]];
            ids.push(u16::from_be_bytes(id));
            let mut ack = &[0x40, 2, id[0], id[1]][..];
            let settled = if end == 0x12 {
                pair.server.handle_input(NOW, &mut ack)
            } else {
                pair.client.handle_input(NOW, &mut ack)
            };
            assert!(matches!(settled, Some(Event::Published { .. })));
        }
        assert!(ids.iter().all(|id| *id >= first));
        let all: Vec<_> = (first..=65_535).collect();
        assert_eq!(ids[..all.len()], all);
        assert_eq!(ids[all.len()], first);
    }
}

/// v3\[MQTT-2.3.1-3\] v3\[MQTT-2.3.1-4\] v3\[MQTT-4.4.0-1\] v5\[MQTT-4.4.0-1\] v5\[MQTT-4.3.2-3\] v5\[MQTT-4.3.3-3\] v5\[MQTT-4.3.3-5\] v5\[MQTT-4.3.3-6\]
#[test]
fn a_server_sends_again_what_was_not_acknowledged_and_nothing_else() {
    for version in VERSIONS {
        let mut pair = Pair::persistent(version);
        for qos in [QoS::AtLeastOnce, QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::ExactlyOnce] {
            pair.server.publish(pair.now, &message("a", "x", qos)).unwrap();
        }
        pair.transmit();
        // The first is done, and of the third the message has arrived.
        pair.to_server = vec![0x40, 2, 0, 1, 0x50, 2, 0, 3];
        pair.server_reads();
        pair.cut();
        pair.trace.clear();
        pair.connect();
        let again: Vec<_> = pair.trace.iter().filter(|line| line.starts_with("S Pub")).take(3).collect();
        assert_eq!(again, ["S Publish 2 dup", "S Publish 4 dup", "S PubRel 3"]);
        assert_eq!(pair.server.pending(), 0);
    }
}

/// v5\[MQTT-4.4.0-2\]
#[test]
fn a_refused_message_is_not_sent_again() {
    for (qos, refusal) in [(QoS::AtLeastOnce, 0x40), (QoS::ExactlyOnce, 0x50)] {
        let mut pair = Pair::persistent(Version::V5);
        pair.publish("a", "x", qos);
        pair.transmit();
        pair.to_client = vec![refusal, 3, 0, 1, 0x87];
        pair.client_reads();
        assert!(matches!(pair.client_said[..], [Said::Published(_, Outcome::Rejected(ReasonCode::NotAuthorized))]));
        pair.cut();
        pair.trace.clear();
        pair.connect();
        assert_eq!(pair.trace, ["C Connect", "S ConnAck"]);
    }
}

/// v5\[MQTT-4.3.3-7\]: not the message, and not its release.
#[test]
fn what_has_been_sent_does_not_expire() {
    let mut pair = Pair::persistent(Version::V5);
    let expiring = properties([Property::MessageExpiryInterval(1)]);
    for _ in 0..2 {
        let mut message = message("a", "x", QoS::ExactlyOnce);
        message.properties = expiring.as_properties();
        pair.client.publish(pair.now, &message).unwrap();
    }
    pair.transmit();
    pair.to_client = vec![0x50, 2, 0, 1];
    pair.client_reads();
    pair.cut();
    pair.advance(Duration::from_secs(100));
    pair.trace.clear();
    pair.connect();
    let again: Vec<_> = pair.trace.iter().filter(|line| line.starts_with("C Pub")).take(2).collect();
    assert_eq!(again, ["C Publish 2 dup", "C PubRel 1"]);
}

/// v3\[MQTT-3.3.1-3\] v5\[MQTT-3.3.1-3\]
#[test]
fn a_message_that_came_marked_as_a_repeat_goes_on_as_none() {
    for version in VERSIONS {
        let mut source = Pair::connected(version);
        let bytes = publish(version, QoS::AtLeastOnce, true);
        let Some(Event::Received(message)) = source.server.handle_input(NOW, &mut &bytes[..]) else { panic!() };
        assert!(message.dup());
        let mut pair = Pair::connected(version);
        pair.server.deliver(NOW, Outgoing::new(NOW, message.to_buf().into())).unwrap();
        pair.drive();
        let received = Said::Received { topic: "a".into(), payload: "x".into(), qos: QoS::AtLeastOnce, dup: false };
        assert_eq!(pair.client_said, [received]);
    }
}

/// v5\[MQTT-3.3.4-10\] v5\[MQTT-4.9.0-3\] v5\[MQTT-3.12.4-1\]
#[test]
fn a_server_with_a_full_window_still_answers_everything() {
    let mut options = ConnectOptions::new("c");
    options.receive_maximum = 1;
    let mut pair = Pair::new(options);
    pair.connect();
    for payload in ["1", "2"] {
        pair.server.publish(NOW, &message("a", payload, QoS::ExactlyOnce)).unwrap();
    }
    assert_eq!(server_says(&mut pair)[0], 0x34);
    pair.to_server = vec![0xC0, 0, 0x82, 7, 0, 9, 0, 0, 1, b'a', 2, 0xA2, 6, 0, 10, 0, 0, 1, b'a'];
    pair.to_server.extend(publish(Version::V5, QoS::AtLeastOnce, false));
    // PUBREC is answered, and does not open the window; PUBCOMP does.
    pair.to_server.extend([0x50, 2, 0, 1]);
    pair.server_reads();
    pair.trace.clear();
    pair.transmit();
    assert_eq!(pair.trace, ["S PingResp", "S SubAck", "S UnsubAck", "S PubAck 4660", "S PubRel 1"]);
    pair.to_server = vec![0x70, 2, 0, 1];
    pair.server_reads();
    pair.trace.clear();
    pair.transmit();
    assert_eq!(pair.trace, ["S Publish 2"]);
}

/// v3\[MQTT-2.3.1-7\] v5\[MQTT-2.2.1-6\] v3\[MQTT-3.8.4-1\] v5\[MQTT-3.8.4-1\] v3\[MQTT-3.8.4-2\] v5\[MQTT-3.8.4-2\] v3\[MQTT-3.10.4-4\] v5\[MQTT-3.10.4-4\]
/// v3\[MQTT-3.10.4-5\] v5\[MQTT-3.10.4-5\]
#[test]
fn an_answer_bears_the_identifier_of_its_request() {
    for (version, requests, answers) in [
        (Version::V3_1_1, "82 06 12 34 0001 61 01 A2 05 12 35 0001 61", "90 03 12 34 01 B0 02 12 35"),
        (Version::V5, "82 07 12 34 00 0001 61 01 A2 06 12 35 00 0001 61", "90 04 12 34 00 01 B0 04 12 35 00 00"),
    ] {
        let mut pair = Pair::connected(version);
        pair.to_server = hex(requests);
        pair.server_reads();
        assert!(matches!(&pair.server_said[..], [Said::SubscribeRequested(_), Said::Other(_)]));
        assert_eq!(server_says(&mut pair), hex(answers));
    }
}

/// v5\[MQTT-3.2.2-10\] v5\[MQTT-3.2.2-9\]
#[test]
fn a_server_without_qos_2_says_so_and_takes_subscriptions_that_ask_for_it() {
    let mut options = ServerOptions::default();
    options.maximum_qos = QoS::AtMostOnce;
    let mut pair = Pair::with_server(ConnectOptions::new("c"), options);
    pair.connect();
    assert_eq!(pair.client.agreed().unwrap().maximum_qos, QoS::AtMostOnce);
    pair.subscribe("a", QoS::ExactlyOnce);
    pair.drive();
    assert!(matches!(pair.client_said.last(), Some(Said::Subscribed(_))));
}

/// v3\[MQTT-3.10.4-3\] v5\[MQTT-3.10.4-3\]
#[test]
fn what_has_begun_goes_on_after_an_unsubscribe() {
    for version in VERSIONS {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut pair = Pair::connected(version);
            pair.server.publish(pair.now, &message("a", "x", qos)).unwrap();
            pair.transmit();
            let filter = TopicFilter::new("a").unwrap();
            pair.client.unsubscribe(pair.now, &[filter], Properties::EMPTY).unwrap();
            pair.transmit();
            pair.server_reads();
            pair.drive();
            assert_eq!((pair.client_received(), pair.server.pending()), (vec!["x"], 0));
            assert!(pair.client_said.iter().any(|said| matches!(said, Said::Unsubscribed(_))));
            assert!(matches!(pair.server_said.last(), Some(Said::Published(_, Outcome::Delivered(_)))));
        }
    }
}

/// v3\[MQTT-3.1.3-5\] v5\[MQTT-3.1.3-5\] v3\[MQTT-3.1.4-4\] v5\[MQTT-3.1.4-5\]
#[test]
fn a_client_identifier_of_1_to_23_letters_and_digits_is_always_let_in() {
    let alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for version in VERSIONS {
        for len in 1..=23 {
            for start in 0..alphabet.len() - len {
                let client_id = &alphabet[start..start + len];
                for flags in [0, 2] {
                    let (mut server, said) = asked(ServerOptions::default(), &connect(version, flags, client_id, &[]));
                    assert_eq!(said, Some(Said::ConnectRequested(client_id.into())));
                    server.accept(NOW, &mut SessionState::default(), &Accept::new(client_id)).unwrap();
                    let (bytes, closed) = sent(|out| server.poll_transmit(NOW, out));
                    assert_eq!((bytes[0], bytes[2], bytes[3], closed), (0x20, 0, 0, false));
                }
            }
        }
    }
}

/// v3\[MQTT-3.1.3-7\]
#[test]
fn a_client_without_a_name_has_to_ask_for_a_clean_session_before_5() {
    for (version, clean_start, is_let) in [
        (Version::V3_1, true, false),
        (Version::V3_1, false, false),
        (Version::V3_1_1, true, true),
        (Version::V3_1_1, false, false),
        (Version::V5, true, true),
        (Version::V5, false, true),
    ] {
        let mut options = ConnectOptions::new("");
        options.version = version;
        options.clean_start = clean_start;
        let mut client = Client::new(options);
        let expected = if is_let { Ok(()) } else { Err(ConnectError::ClientId) };
        assert_eq!(client.connect(NOW), expected, "{version} {clean_start}");
        assert_eq!(client.is_idle(), !is_let);
        assert_eq!(sent(|out| client.poll_transmit(NOW, out)).0.is_empty(), !is_let);
    }
}

/// v5\[MQTT-3.1.2-28\]
#[test]
fn response_information_goes_to_whoever_asks_for_it() {
    let answer = properties([Property::ResponseInformation(text("answers/7"))]);
    for (asked_for, given) in [(None, None), (Some(false), None), (Some(true), Some("answers/7"))] {
        let mut options = ConnectOptions::new("c");
        if let Some(asked_for) = asked_for {
            options.properties.push(Property::RequestResponseInformation(asked_for)).unwrap();
        }
        let mut client = Client::new(options);
        client.connect(NOW).unwrap();
        let (mut server, _) = asked(ServerOptions::default(), &sent(|out| client.poll_transmit(NOW, out)).0);
        let mut accept = Accept::new("c");
        accept.properties = answer.as_properties();
        server.accept(NOW, &mut SessionState::default(), &accept).unwrap();
        let (connack, _) = sent(|out| server.poll_transmit(NOW, out));
        assert!(matches!(client.handle_input(NOW, &mut &connack[..]), Some(Event::Connected(_))));
        assert_eq!(client.agreed().unwrap().response_information.as_deref(), given);
    }
}

/// v5\[MQTT-3.1.3-8\] v3\[MQTT-3.2.2-5\] v5\[MQTT-3.2.2-7\] v5\[MQTT-4.13.2-1\] v3\[MQTT-3.1.4-5\] v5\[MQTT-3.1.4-6\]
#[test]
fn after_a_refusal_the_server_closes_and_does_nothing_of_what_followed() {
    for (version, connack) in [(Version::V3_1_1, &[0x20, 2, 0, 2][..]), (Version::V5, &[0x20, 3, 0, 0x85, 0])] {
        let mut bytes = connect(version, 2, "c", &[]);
        bytes.extend(publish(version, QoS::AtLeastOnce, false));
        let mut input = &bytes[..];
        let mut server = Server::new(NOW, ServerOptions::default());
        assert!(matches!(server.handle_input(NOW, &mut input), Some(Event::ConnectRequested(_))));
        assert_eq!(server.handle_input(NOW, &mut input), None);
        assert!(!input.is_empty(), "it waits for the answer");
        server.refuse(NOW, ReasonCode::ClientIdentifierNotValid, Properties::EMPTY).unwrap();
        assert_eq!(server.handle_input(NOW, &mut input), None);
        assert!(input.is_empty());
        assert_eq!(sent(|out| server.poll_transmit(NOW, out)), (connack.into(), true));
    }
}

/// v5\[MQTT-3.2.2-12\] v5\[MQTT-3.2.2-13\] v5\[MQTT-3.14.0-1\] v5\[MQTT-4.13.1-1\]
#[test]
fn a_will_beyond_what_the_server_offers_is_refused() {
    let will = b"\0\0\x01w\0\x01m";
    for (flags, code, violation) in [(0x16, 0x9B, Violation::QosTooHigh), (0x26, 0x9A, Violation::RetainNotAvailable)] {
        let mut options = ServerOptions::default();
        options.maximum_qos = QoS::AtLeastOnce;
        options.retain_available = false;
        let (mut server, said) = asked(options, &connect(Version::V5, flags, "c", will));
        assert_eq!(said, Some(Said::Disconnected(DisconnectCause::Violation(violation))));
        assert_eq!(sent(|out| server.poll_transmit(NOW, out)), (vec![0x20, 3, 0, code, 0], true));
    }
    let (_, said) = asked(ServerOptions::default(), &connect(Version::V5, 0x36, "c", will));
    assert_eq!(said, Some(Said::ConnectRequested("c".into())));
}

/// v5\[MQTT-3.3.2-9\] v5\[MQTT-3.3.2-10\] v5\[MQTT-3.3.2-11\] v5\[MQTT-3.3.2-12\]
#[test]
fn every_alias_up_to_the_maximum_is_taken_and_none_above_it() {
    let aliased = |alias: u8| [0x30, 7, 0, 1, b'a', 3, 0x23, 0, alias];
    let pair = || {
        let mut options = ConnectOptions::new("c");
        options.topic_alias_maximum = 3;
        let mut server_options = ServerOptions::default();
        server_options.topic_alias_maximum = 3;
        let mut pair = Pair::with_server(options, server_options);
        pair.connect();
        pair.forget_what_was_said();
        pair
    };
    let mut taken = pair();
    taken.to_server = (1..=3).flat_map(aliased).collect();
    taken.to_client = taken.to_server.clone();
    taken.drive();
    assert_eq!((taken.server_received().len(), taken.client_received().len()), (3, 3));
    let mut refused = pair();
    refused.to_server = aliased(4).into();
    refused.to_client = aliased(4).into();
    refused.drive();
    let end = [Said::Disconnected(DisconnectCause::Violation(Violation::TopicAliasTooHigh))];
    assert_eq!((&refused.server_said[..], &refused.client_said[..]), (&end[..], &end[..]));
    assert_eq!(refused.trace, ["C Disconnect 94", "S Disconnect 94"]);
}

/// v3\[MQTT-4.8.0-2\]: what the server can't hold ends the connection that it came on.
#[test]
fn more_than_there_is_room_for_ends_the_connection_that_brought_it() {
    for version in VERSIONS {
        let mut server_options = ServerOptions::default();
        server_options.acknowledge = Acknowledge::Manually;
        server_options.limits.unacknowledged_bytes_max = 1;
        let mut options = ConnectOptions::new("c");
        options.version = version;
        let mut pair = Pair::with_server(options, server_options);
        pair.connect();
        pair.forget_what_was_said();
        // The first is always taken.
        pair.publish("a", "1", QoS::AtLeastOnce);
        pair.publish("a", "2", QoS::AtLeastOnce);
        pair.drive();
        assert_eq!(pair.server_received(), ["1"]);
        let end = Said::Disconnected(DisconnectCause::Violation(Violation::UnacknowledgedBytes));
        assert_eq!(pair.server_said.last(), Some(&end));
        assert_eq!(pair.server.poll_transmit(NOW, &mut TransmitBuf::new()), Transmit::Close);
    }
}

/// v3\[MQTT-4.1.0-1\] v5\[MQTT-3.1.2-23\]: identifiers of messages that are not released yet, and messages that are not acknowledged.
#[test]
fn a_session_goes_from_one_connection_to_the_next() {
    for version in VERSIONS {
        let mut pair = Pair::persistent(version);
        pair.to_server = publish(version, QoS::ExactlyOnce, false);
        pair.server_reads();
        pair.server.publish(pair.now, &message("a", "x", QoS::AtLeastOnce)).unwrap();
        pair.cut();
        assert_eq!(pair.kept.as_ref().unwrap().pending(), 1);
        pair.connect();
        pair.to_server = publish(version, QoS::ExactlyOnce, true);
        pair.drive();
        assert_eq!((pair.server_received(), pair.client_received()), (vec!["x"], vec!["x"]));
    }
}

/// v5\[MQTT-3.1.2-25\]: it was accepted before anybody knew, and those behind it go on.
#[test]
fn a_message_that_turns_out_to_be_too_large_is_settled_without_being_sent() {
    let mut options = ServerOptions::default();
    options.packet_bytes_max = 50;
    let mut pair = Pair::with_server(ConnectOptions::new("c"), options);
    pair.publish("a", &"x".repeat(50), QoS::AtLeastOnce);
    pair.publish("a", "y", QoS::AtLeastOnce);
    pair.connect();
    assert_eq!(pair.server_received(), ["y"]);
    let settled: Vec<_> = pair.client_said.iter().filter(|said| matches!(said, Said::Published(..))).collect();
    let delivered = Outcome::Delivered(ReasonCode::Success);
    assert!(
        matches!(settled[..], [Said::Published(_, Outcome::TooLarge), Said::Published(_, last)] if *last == delivered)
    );
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.bytes().filter_map(|digit| char::from(digit).to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
