//! Messages at every quality of service, in both directions.

mod support;

use std::time::Duration;

use mqtt_proto::{Delivery, PacketId, Properties, QoS, ReasonCode, Subscription, TopicFilter, Version};
use mqtt_session::{
    AckError, Acknowledge, ConnectOptions, DisconnectCause, Event, Message, Outcome, PublishError, Published,
    RequestError, ServerOptions, Violation,
};
use support::{LEVELS, Pair, Said, VERSIONS, message, topic};

fn transcript(qos: QoS, from: &str, to: &str) -> Vec<String> {
    let lines: &[&str] = match qos {
        QoS::AtMostOnce => &["> Publish"],
        QoS::AtLeastOnce => &["> Publish 1", "< PubAck 1"],
        QoS::ExactlyOnce => &["> Publish 1", "< PubRec 1", "> PubRel 1", "< PubComp 1"],
    };
    lines.iter().map(|line| line.replace('>', from).replace('<', to)).collect()
}

/// v5\[MQTT-4.3.2-2\] v5\[MQTT-4.3.3-2\] v3\[MQTT-4.3.1-1\] v3\[MQTT-4.3.2-1\] v3\[MQTT-4.3.3-1\] v5\[MQTT-4.3.1-1\] v5\[MQTT-4.3.2-1\] v5\[MQTT-4.3.3-1\]
#[test]
fn a_client_publishes_at_every_qos() {
    for version in VERSIONS {
        for qos in LEVELS {
            let mut pair = Pair::connected(version);
            let published = pair.publish("a/b", "hello", qos);
            pair.drive();
            assert_eq!(pair.trace, transcript(qos, "C", "S"));
            assert_eq!(
                pair.server_said,
                [Said::Received { topic: "a/b".into(), payload: "hello".into(), qos, dup: false }]
            );
            match published {
                Published::Sent => assert_eq!(qos, QoS::AtMostOnce),
                Published::Pending(id) => {
                    assert_eq!(pair.client_said, [Said::Published(id, Outcome::Delivered(ReasonCode::Success))])
                }
            }
            assert_eq!(pair.client.pending(), 0);
        }
    }
}

/// v3\[MQTT-4.3.1-1\] v5\[MQTT-4.3.1-1\]
#[test]
fn a_server_publishes_at_every_qos() {
    for version in VERSIONS {
        for qos in LEVELS {
            let mut pair = Pair::connected(version);
            pair.server.publish(pair.now, &message("a/b", "hello", qos)).unwrap();
            pair.drive();
            assert_eq!(pair.trace, transcript(qos, "S", "C"));
            assert_eq!(pair.client_received(), ["hello"]);
            assert_eq!(pair.server.pending(), 0);
        }
    }
}

#[test]
fn empty_and_large_payloads_arrive() {
    for version in VERSIONS {
        for len in [0, 1, 65_536, 500_000] {
            let mut pair = Pair::connected(version);
            let payload = "x".repeat(len);
            pair.publish("a", &payload, QoS::AtLeastOnce);
            pair.drive();
            assert_eq!(pair.server_received(), [payload]);
        }
    }
}

/// v3\[MQTT-4.6.0-2\] v5\[MQTT-4.6.0-2\]
#[test]
fn manual_acknowledgements_go_out_in_the_order_of_the_messages() {
    for version in VERSIONS {
        let mut options = ConnectOptions::new("c");
        options.version = version;
        options.acknowledge = Acknowledge::Manually;
        let mut pair = Pair::new(options);
        pair.connect();
        for payload in ["1", "2"] {
            pair.server.publish(pair.now, &message("a", payload, QoS::AtLeastOnce)).unwrap();
        }
        pair.transmit();
        pair.trace.clear();
        let bytes = std::mem::take(&mut pair.to_client);
        let mut input = &bytes[..];
        let mut tokens = Vec::new();
        while let Some(event) = pair.client.handle_input(pair.now, &mut input) {
            let Event::Received(message) = event else { panic!() };
            tokens.push(message.token().unwrap());
        }
        pair.client.acknowledge(pair.now, tokens[1], ReasonCode::Success, Properties::EMPTY).unwrap();
        pair.drive();
        assert!(pair.trace.is_empty());
        pair.client.acknowledge(pair.now, tokens[0], ReasonCode::Success, Properties::EMPTY).unwrap();
        pair.drive();
        assert_eq!(pair.trace, ["C PubAck 1", "C PubAck 2"]);
        assert_eq!(
            pair.client.acknowledge(pair.now, tokens[0], ReasonCode::Success, Properties::EMPTY),
            Err(AckError::Stale)
        );
    }
}

#[test]
fn a_token_of_an_earlier_connection_acknowledges_nothing() {
    let mut options = ConnectOptions::new("c");
    options.acknowledge = Acknowledge::Manually;
    let mut pair = Pair::new(options);
    pair.connect();
    pair.server.publish(pair.now, &message("a", "1", QoS::AtLeastOnce)).unwrap();
    pair.transmit();
    let bytes = std::mem::take(&mut pair.to_client);
    let Some(Event::Received(received)) = pair.client.handle_input(pair.now, &mut &bytes[..]) else { panic!() };
    let token = received.token().unwrap();
    pair.cut();
    pair.connect();
    pair.trace.clear();
    assert_eq!(pair.client.acknowledge(pair.now, token, ReasonCode::Success, Properties::EMPTY), Err(AckError::Stale));
    pair.drive();
    assert!(pair.trace.is_empty());
}

/// v5\[MQTT-3.3.4-7\] v5\[MQTT-3.3.4-8\] v5\[MQTT-4.9.0-1\] v5\[MQTT-4.9.0-2\]
#[test]
fn a_full_window_holds_back_publishes_and_nothing_else() {
    let mut server_options = ServerOptions::default();
    server_options.receive_maximum = 2;
    server_options.acknowledge = Acknowledge::Manually;
    let mut pair = Pair::with_server(ConnectOptions::new("c"), server_options);
    pair.connect();
    pair.forget_what_was_said();
    for payload in ["1", "2", "3"] {
        pair.publish("a", payload, QoS::AtLeastOnce);
    }
    pair.subscribe("b", QoS::AtMostOnce);
    pair.drive();
    assert_eq!(pair.trace, ["C Publish 1", "C Publish 2", "C Subscribe", "S SubAck"]);
    // Acknowledgements and pings don't wait either.
    pair.to_client.extend([0x32, 6, 0, 1, b'a', 0, 9, 0, 0x62, 2, 0, 8]);
    pair.client_reads();
    pair.advance(Duration::from_secs(60));
    pair.trace.clear();
    pair.transmit();
    assert_eq!(pair.trace, ["C PubAck 9", "C PubComp 8 92", "C PingReq"]);
    assert_eq!(pair.client.pending(), 3);
}

/// v5\[MQTT-3.3.4-9\]: the other end of the same rule.
#[test]
fn one_publish_more_than_receive_maximum_ends_the_connection() {
    let mut server_options = ServerOptions::default();
    server_options.receive_maximum = 2;
    server_options.acknowledge = Acknowledge::Manually;
    let mut pair = Pair::with_server(ConnectOptions::new("c"), server_options);
    pair.connect();
    pair.forget_what_was_said();
    for id in 1..=3 {
        pair.to_server.extend([0x32, 6, 0, 1, b'a', 0, id, 0]);
    }
    pair.drive();
    assert_eq!(
        pair.server_said.last(),
        Some(&Said::Disconnected(DisconnectCause::Violation(Violation::ReceiveMaximumExceeded)))
    );
    assert_eq!(pair.trace, ["S Disconnect 93"]);
}

/// v3\[MQTT-4.3.3-2\] v5\[MQTT-4.3.3-10\]
#[test]
fn a_repeated_qos_2_publish_is_answered_and_not_handed_out_again() {
    for (version, bytes) in
        [(Version::V3_1_1, &[0x34, 5, 0, 1, b'a', 0, 7][..]), (Version::V5, &[0x34, 6, 0, 1, b'a', 0, 7, 0][..])]
    {
        let mut pair = Pair::connected(version);
        for _ in 0..2 {
            pair.to_server.extend(bytes);
        }
        pair.drive();
        assert_eq!(pair.server_received().len(), 1);
        assert_eq!(
            pair.trace,
            ["S PubRec 7", "S PubRec 7", "C PubRel 7 92", "C PubRel 7 92", "S PubComp 7", "S PubComp 7 92"]
                .map(|line| { if version == Version::V5 { line.to_owned() } else { line.replace(" 92", "") } })
        );
    }
}

/// v5\[MQTT-4.3.3-4\]
#[test]
fn a_refused_qos_2_publish_gets_no_pubrel() {
    let mut pair = Pair::connected(Version::V5);
    let Published::Pending(id) = pair.publish("a", "1", QoS::ExactlyOnce) else { panic!() };
    pair.transmit();
    pair.to_server.clear();
    pair.trace.clear();
    pair.to_client = vec![0x50, 3, 0, 1, 0x97];
    pair.drive();
    assert!(pair.trace.is_empty());
    assert_eq!(pair.client_said, [Said::Published(id, Outcome::Rejected(ReasonCode::QuotaExceeded))]);
}

/// v5\[MQTT-3.2.2-15\] v5\[MQTT-3.2.2-11\] v5\[MQTT-3.2.2-14\]
#[test]
fn what_the_server_does_not_take_is_the_callers_error() {
    let mut server_options = ServerOptions::default();
    server_options.packet_bytes_max = 100;
    server_options.maximum_qos = QoS::AtLeastOnce;
    server_options.retain_available = false;
    let mut pair = Pair::with_server(ConnectOptions::new("c"), server_options);
    pair.connect();
    let large = "x".repeat(100);
    let error = pair.client.publish(pair.now, &message("a", &large, QoS::AtMostOnce));
    assert_eq!(error, Err(PublishError::TooLarge { bytes: 106, maximum: 100 }));
    assert_eq!(pair.client.publish(pair.now, &message("a", "", QoS::ExactlyOnce)), Err(PublishError::QosNotSupported));
    let mut retained = Message::new(topic("a"), "");
    retained.retain = true;
    assert_eq!(pair.client.publish(pair.now, &retained), Err(PublishError::RetainNotSupported));
}

/// v5\[MQTT-3.2.2-15\]
#[test]
fn a_refused_request_leaves_nothing_behind() {
    let mut server_options = ServerOptions::default();
    server_options.packet_bytes_max = 100;
    let mut pair = Pair::with_server(ConnectOptions::new("c"), server_options);
    pair.connect();
    let before = pair.client.clone();
    let long = "x".repeat(100);
    let filter = TopicFilter::new(&long).unwrap();
    let subscription = Subscription::new(filter, QoS::AtMostOnce);
    let refused = pair.client.subscribe(pair.now, &[subscription], Properties::EMPTY);
    assert_eq!(refused, Err(RequestError::TooLarge { bytes: 108, maximum: 100 }));
    let refused = pair.client.unsubscribe(pair.now, &[filter], Properties::EMPTY);
    assert_eq!(refused, Err(RequestError::TooLarge { bytes: 107, maximum: 100 }));
    assert!(pair.client.subscribe(pair.now, &[], Properties::EMPTY).is_err());
    assert_eq!(pair.client, before);
}

#[test]
fn a_full_queue_refuses_and_says_how_full_it_is() {
    let mut options = ConnectOptions::new("c");
    options.limits.queued_messages_max = 2;
    let mut pair = Pair::new(options);
    pair.publish("a", "1", QoS::AtMostOnce);
    pair.publish("a", "2", QoS::AtLeastOnce);
    let error = pair.client.publish(pair.now, &message("a", "3", QoS::AtLeastOnce));
    assert_eq!(error, Err(PublishError::QueueFull { messages: 2, bytes: 4 }));
    pair.connect();
    assert_eq!(pair.server_received(), ["1", "2"]);
    assert!(pair.publish("a", "3", QoS::AtLeastOnce) != Published::Sent);
}

/// Identifiers of publishes and requests come from one pool: v3\[MQTT-2.3.1-2\] v5\[MQTT-2.2.1-3\]
#[test]
fn a_request_never_gets_the_identifier_of_a_flight() {
    let mut options = ConnectOptions::new("c");
    options.version = Version::V3_1_1;
    options.limits.in_flight_before_5_max = u16::MAX;
    options.limits.queued_messages_max = usize::MAX;
    let mut server_options = ServerOptions::default();
    server_options.acknowledge = Acknowledge::Manually;
    let mut pair = Pair::with_server(options, server_options);
    pair.connect();
    for _ in 0..65_535 {
        pair.publish("a", "", QoS::AtLeastOnce);
        if pair.client.pending().is_multiple_of(5_000) {
            pair.drive();
            pair.forget_what_was_said();
        }
    }
    pair.drive();
    let filter = [TopicFilter::new("b").unwrap()];
    assert!(pair.client.unsubscribe(pair.now, &filter, Properties::EMPTY).is_err());
    pair.to_client = vec![0x40, 2, 0x12, 0x34];
    pair.drive();
    pair.forget_what_was_said();
    pair.client.unsubscribe(pair.now, &filter, Properties::EMPTY).unwrap();
    pair.transmit();
    assert_eq!(pair.to_server[2..4], PacketId::new(0x1234).unwrap().get().to_be_bytes());
    assert_eq!(Delivery::AtMostOnce.packet_id(), None);
}

#[test]
fn before_5_a_client_keeps_to_what_every_server_takes() {
    for (version, in_flight) in [(Version::V3_1_1, 20), (Version::V5, 30)] {
        let mut options = ConnectOptions::new("c");
        options.version = version;
        let mut server_options = ServerOptions::default();
        server_options.acknowledge = Acknowledge::Manually;
        let mut pair = Pair::with_server(options, server_options);
        pair.connect();
        for _ in 0..30 {
            pair.publish("a", "", QoS::AtLeastOnce);
        }
        pair.drive();
        assert_eq!(pair.server_received().len(), in_flight);
    }
}

#[test]
fn an_empty_queue_takes_a_message_of_any_size() {
    let mut options = ConnectOptions::new("c");
    options.limits.queued_bytes_max = 10;
    let mut pair = Pair::new(options);
    let large = "x".repeat(100);
    pair.publish("a", &large, QoS::AtLeastOnce);
    let error = pair.client.publish(pair.now, &message("a", "", QoS::AtLeastOnce));
    assert_eq!(error, Err(PublishError::QueueFull { messages: 1, bytes: 101 }));
    pair.connect();
    assert_eq!(pair.server_received(), [large.as_str()]);
}
