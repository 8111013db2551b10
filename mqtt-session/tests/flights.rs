//! What is in flight: how much, in which order, and under which identifiers.

mod support;

use mqtt_proto::{QoS, ReasonCode, Version};
use mqtt_session::{Acknowledge, ConnectOptions, Outcome, Published, Server, ServerOptions};
use support::{Pair, Said, VERSIONS};

/// A connection, as far as the client knows that it is accepted. What it sends then is noted, and has not arrived.
fn connect(pair: &mut Pair) {
    pair.trace.clear();
    pair.server = Server::new(pair.now, pair.server_options.clone());
    pair.client.connect(pair.now).unwrap();
    pair.transmit();
    pair.server_reads();
    pair.transmit();
    pair.client_reads();
    pair.transmit();
}

/// Releases are sent again in the order of their PUBRECs, beside the publishes in theirs: v3\[MQTT-4.6.0-1\] v5\[MQTT-4.6.0-1\] v3\[MQTT-4.6.0-4\] v5\[MQTT-4.6.0-4\].
#[test]
fn releases_are_sent_again_in_the_order_in_which_they_were_owed() {
    for version in VERSIONS {
        let mut pair = Pair::persistent(version);
        for payload in ["1", "2", "3", "4"] {
            pair.publish("a", payload, QoS::ExactlyOnce);
        }
        pair.transmit();
        pair.to_server.clear();
        // PUBREC of the third and the first.
        pair.to_client = vec![0x50, 2, 0, 3, 0x50, 2, 0, 1];
        pair.client_reads();
        pair.cut();
        pair.kept = Some(Default::default());
        connect(&mut pair);
        assert_eq!(pair.trace[2..], ["C Publish 2 dup", "C Publish 4 dup", "C PubRel 3", "C PubRel 1"]);
        pair.drive();
        assert_eq!(pair.client.pending(), 0);
        assert_eq!(pair.server_received(), ["2", "4"]);
    }
}

/// A release that is resumed has its place in the window, though it need not wait for one: v5\[MQTT-3.3.4-7\] v5\[MQTT-4.9.0-2\].
#[test]
fn resumed_releases_count_until_they_are_completed() {
    let mut pair = Pair::persistent(Version::V5);
    for payload in ["1", "2"] {
        pair.publish("a", payload, QoS::ExactlyOnce);
    }
    pair.step();
    pair.step();
    assert_eq!(pair.trace[2..4], ["S PubRec 1", "S PubRec 2"]);
    pair.cut();
    pair.publish("a", "3", QoS::AtLeastOnce);
    pair.server_options.receive_maximum = 2;
    connect(&mut pair);
    assert_eq!(pair.trace[2..], ["C PubRel 1", "C PubRel 2"], "the window of two is taken");
    pair.to_server.clear();
    pair.to_client = vec![0x70, 2, 0, 1];
    pair.client_reads();
    pair.trace.clear();
    pair.transmit();
    assert_eq!(pair.trace, ["C Publish 3"]);
    // More than was taken is never given back.
    pair.to_client = vec![0x70, 2, 0, 2, 0x70, 2, 0, 2, 0x40, 2, 0, 3, 0x40, 2, 0, 3];
    pair.client_reads();
    for payload in ["4", "5", "6"] {
        pair.publish("a", payload, QoS::AtLeastOnce);
    }
    pair.trace.clear();
    pair.transmit();
    assert_eq!(pair.trace.len(), 2, "{:?}", pair.trace);
}

/// All identifiers are in use: the next message waits, and gets the first that is free. v3\[MQTT-2.3.1-2\] v3\[MQTT-2.3.1-4\] v5\[MQTT-2.2.1-3\] v5\[MQTT-2.2.1-4\]
#[test]
fn with_all_identifiers_in_use_messages_wait_for_one() {
    let mut options = ConnectOptions::new("c");
    options.limits.in_flight_max = u16::MAX;
    options.limits.queued_messages_max = usize::MAX;
    let mut server_options = ServerOptions::default();
    server_options.acknowledge = Acknowledge::Manually;
    server_options.receive_maximum = u16::MAX;
    let mut pair = Pair::with_server(options, server_options);
    pair.connect();
    pair.forget_what_was_said();
    for number in 0..65_635 {
        pair.publish("a", "", QoS::AtLeastOnce);
        if number % 5_000 == 0 {
            pair.transmit();
        }
    }
    pair.transmit();
    let mut sent: Vec<_> = pair.trace.iter().map(|line| line.strip_prefix("C Publish ").unwrap().to_owned()).collect();
    sent.sort_unstable();
    sent.dedup();
    assert_eq!((sent.len(), pair.client.pending()), (65_535, 65_635));
    for id in [0x1234, 0x0001, 0xFFFF_u16] {
        pair.trace.clear();
        let [high, low] = id.to_be_bytes();
        pair.to_client = vec![0x40, 2, high, low];
        pair.client_reads();
        pair.transmit();
        assert_eq!(pair.trace, [format!("C Publish {id}")]);
    }
}

/// v3\[MQTT-4.3.3-1\] v5\[MQTT-4.3.3-1\]: what the next server does not take any more may have arrived at the one before. Its identifier is given back in order.
#[test]
fn what_can_not_be_sent_again_is_in_doubt() {
    for (qos, sent) in [(QoS::AtLeastOnce, None), (QoS::ExactlyOnce, Some("C PubRel 1"))] {
        let mut pair = Pair::persistent(Version::V5);
        let large = "x".repeat(50);
        let Published::Pending(id) = pair.publish("a", &large, qos) else { panic!() };
        pair.transmit();
        pair.server_reads();
        pair.cut();
        pair.server_options.packet_bytes_max = 50;
        connect(&mut pair);
        assert_eq!(pair.trace.get(2).map(String::as_str), sent);
        pair.drive();
        assert!(pair.client_said.contains(&Said::Published(id, Outcome::NotSentAgain)));
        assert_eq!((pair.client.pending(), pair.server_received().len()), (0, 1));
        // The identifier is good for another message.
        for payload in ["1", "2"] {
            pair.publish("a", payload, qos);
        }
        pair.drive();
        assert_eq!(pair.server_received(), [large.as_str(), "1", "2"]);
    }
}

/// Nothing is said of what was given up, and its window and identifier stay taken until the server has answered: v5\[MQTT-3.3.4-7\].
#[test]
fn what_is_abandoned_in_flight_goes_on_silently() {
    for version in VERSIONS {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut pair = Pair::connected(version);
            let Published::Pending(first) = pair.publish("a", "1", qos) else { panic!() };
            pair.transmit();
            pair.client.abandon(pair.now);
            assert_eq!(pair.client.pending(), 0);
            let Published::Pending(second) = pair.publish("a", "2", qos) else { panic!() };
            pair.drive();
            assert_eq!(pair.server_received(), ["1", "2"]);
            let settled: Vec<_> =
                pair.client_said.iter().filter(|said| matches!(said, Said::Published(..))).cloned().collect();
            let done = Outcome::Delivered(ReasonCode::Success);
            assert_eq!(settled, [Said::Published(first, Outcome::AbandonedInFlight), Said::Published(second, done)]);
        }
    }
}
