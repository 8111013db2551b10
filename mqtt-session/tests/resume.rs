//! What outlives a connection.

mod support;

use mqtt_proto::{Properties, QoS, ReasonCode, Version};
use mqtt_session::{
    AckToken, Acknowledge, Client, ConnectOptions, Event, Instant, Outcome, Published, Server, ServerOptions,
};
use support::{Pair, Said, VERSIONS, message};

/// v3\[MQTT-4.4.0-1\] v5\[MQTT-4.4.0-1\] v3\[MQTT-3.3.1-1\] v5\[MQTT-3.3.1-1\] v3\[MQTT-4.6.0-1\] v5\[MQTT-4.6.0-1\]
#[test]
fn unacknowledged_publishes_are_sent_again_in_order_and_marked() {
    for version in VERSIONS {
        let mut pair = Pair::persistent(version);
        for (payload, qos) in [("1", QoS::AtLeastOnce), ("2", QoS::ExactlyOnce), ("3", QoS::AtLeastOnce)] {
            pair.publish("a", payload, qos);
        }
        pair.transmit();
        pair.cut();
        pair.trace.clear();
        pair.publish("a", "4", QoS::AtLeastOnce);
        pair.connect();
        assert_eq!(pair.trace[2..6], ["C Publish 1 dup", "C Publish 2 dup", "C Publish 3 dup", "C Publish 4"]);
        assert_eq!(pair.server_received(), ["1", "2", "3", "4"]);
        assert_eq!(pair.client.pending(), 0);
    }
}

/// v3\[MQTT-4.3.3-1\] v5\[MQTT-4.3.3-6\]
#[test]
fn after_pubrec_only_the_pubrel_is_sent_again() {
    for version in VERSIONS {
        let mut pair = Pair::persistent(version);
        let Published::Pending(id) = pair.publish("a", "1", QoS::ExactlyOnce) else { panic!() };
        pair.step();
        pair.step();
        assert_eq!(pair.trace, ["C Publish 1", "S PubRec 1"], "the client has just read PUBREC");
        pair.cut();
        pair.forget_what_was_said();
        pair.connect();
        assert_eq!(pair.trace[2..], ["C PubRel 1", "S PubComp 1"]);
        assert!(pair.server_received().is_empty());
        assert!(pair.client_said.contains(&Said::Published(id, Outcome::Delivered(ReasonCode::Success))));
    }
}

/// What the application has said that it has, it does not get again, whatever became of the acknowledgement; and that keeps its place.
///
/// v3\[MQTT-4.3.3-2\] v5\[MQTT-4.3.3-10\] v3\[MQTT-4.6.0-3\] v5\[MQTT-4.6.0-3\]
#[test]
fn a_message_that_was_taken_out_of_turn_does_not_come_again() {
    for version in VERSIONS {
        let mut options = ConnectOptions::new("c");
        options.version = version;
        options.clean_start = false;
        options.session_expiry_interval = 3600;
        options.acknowledge = Acknowledge::Manually;
        let mut pair = Pair::new(options);
        pair.connect();
        for payload in ["1", "2"] {
            pair.server.publish(pair.now, &message("a", payload, QoS::ExactlyOnce)).unwrap();
        }
        let tokens = take_tokens(&mut pair);
        pair.client.acknowledge(pair.now, tokens[1], ReasonCode::Success, Properties::EMPTY).unwrap();
        pair.cut();

        pair.forget_what_was_said();
        pair.server = Server::new(pair.now, pair.server_options.clone());
        pair.client.connect(pair.now).unwrap();
        pair.transmit();
        pair.server_reads();
        let tokens = take_tokens(&mut pair);
        assert_eq!(pair.client_received(), ["1"]);
        assert_eq!(pair.trace[2..], ["S Publish 1 dup", "S Publish 2 dup"]);
        pair.client.acknowledge(pair.now, tokens[0], ReasonCode::Success, Properties::EMPTY).unwrap();
        pair.drive();
        assert_eq!(pair.trace[4..6], ["C PubRec 1", "C PubRec 2"]);
        assert_eq!(pair.server.pending(), 0);
    }
}

/// Cut at every step of a QoS 2 flow, the message arrives exactly once. Also where CONNACK does not say whether the session is still there.
#[test]
fn qos_2_survives_a_cut_at_every_step() {
    for version in Version::ALL {
        for from_server in [false, true] {
            for steps in 0..6 {
                let mut pair = Pair::persistent(version);
                if from_server {
                    pair.server.publish(pair.now, &message("a", "once", QoS::ExactlyOnce)).unwrap();
                } else {
                    pair.publish("a", "once", QoS::ExactlyOnce);
                }
                for step in 0..steps {
                    match step % 3 {
                        0 => pair.transmit(),
                        1 => pair.server_reads(),
                        _ => pair.client_reads(),
                    }
                }
                pair.cut();
                pair.connect();
                let received = if from_server { pair.client_received() } else { pair.server_received() };
                assert_eq!(received, ["once"], "{version} from_server={from_server} cut after {steps}");
                assert_eq!((pair.client.pending(), pair.server.pending()), (0, 0));
            }
        }
    }
}

/// v5\[MQTT-3.2.2-5\]
#[test]
fn when_the_server_forgot_qos_1_goes_out_as_new_and_qos_2_is_settled_as_unknown() {
    for version in VERSIONS {
        let mut pair = Pair::persistent(version);
        let Published::Pending(first) = pair.publish("a", "1", QoS::AtLeastOnce) else { panic!() };
        let Published::Pending(second) = pair.publish("a", "2", QoS::ExactlyOnce) else { panic!() };
        pair.transmit();
        pair.cut();
        pair.kept = None;
        pair.forget_what_was_said();
        pair.connect();
        assert!(pair.trace.iter().any(|line| line.starts_with("C Publish") && !line.ends_with("dup")));
        assert_eq!(pair.server_received(), ["1"]);
        assert!(pair.client_said.contains(&Said::Published(first, Outcome::Delivered(ReasonCode::Success))));
        assert!(pair.client_said.contains(&Said::Published(second, Outcome::SessionLost)));
        assert_eq!(pair.client.pending(), 0);
    }
}

/// v5: Receive Maximum may be smaller on the new connection.
#[test]
fn what_is_sent_again_obeys_the_window_of_the_new_connection() {
    let mut pair = Pair::persistent(Version::V5);
    for payload in ["1", "2", "3"] {
        pair.publish("a", payload, QoS::AtLeastOnce);
    }
    pair.transmit();
    pair.cut();
    pair.server_options = ServerOptions::default();
    pair.server_options.receive_maximum = 1;
    pair.trace.clear();
    pair.connect();
    assert_eq!(
        pair.trace[2..],
        ["C Publish 1 dup", "S PubAck 1", "C Publish 2 dup", "S PubAck 2", "C Publish 3 dup", "S PubAck 3"]
    );
}

#[test]
fn a_request_without_an_answer_is_lost_with_its_connection() {
    let mut pair = Pair::persistent(Version::V5);
    pair.subscribe("a", QoS::AtMostOnce);
    pair.transmit();
    pair.cut();
    assert!(pair.client_said.contains(&Said::RequestLost));
    pair.connect();
    pair.forget_what_was_said();
    pair.subscribe("a", QoS::AtMostOnce);
    pair.drive();
    assert_eq!(pair.client_said, [Said::Subscribed(vec![ReasonCode::Success])]);
}

/// v5\[MQTT-3.1.2-23\]
#[test]
fn how_long_a_session_stays_is_known_when_its_connection_is_gone() {
    let mut pair = Pair::persistent(Version::V5);
    pair.cut();
    assert_eq!(pair.server.session_expiry_interval(), 3600);
}

/// The server sends, and the client reads. Returns what to acknowledge the messages with.
fn take_tokens(pair: &mut Pair) -> Vec<AckToken> {
    pair.transmit();
    let bytes = std::mem::take(&mut pair.to_client);
    let mut input = &bytes[..];
    let mut tokens = Vec::new();
    while let Some(event) = pair.client.handle_input(pair.now, &mut input) {
        if let Event::Received(received) = &event {
            tokens.extend(received.token());
        }
        pair.client_said.push(event.into());
    }
    tokens
}

/// v5\[MQTT-4.9.0-1\]: what was sent on one connection counts on no other, wherever the session was copied.
#[test]
fn a_copy_of_a_session_that_is_connected_starts_with_the_whole_quota() {
    let mut options = ConnectOptions::new("c");
    options.clean_start = false;
    options.session_expiry_interval = 3600;
    let mut pair = Pair::new(options.clone());
    pair.connect();
    pair.publish("a", "1", QoS::AtLeastOnce);
    pair.publish("a", "2", QoS::AtLeastOnce);
    let mut copy = Client::with_session(options, pair.client.session().clone());
    copy.connect(Instant::ZERO).unwrap();
    // CONNACK with Receive Maximum 1. Then both are acknowledged, one of which has not been sent again.
    for mut bytes in [&[0x20, 6, 1, 0, 3, 0x21, 0, 1][..], &[0x40, 2, 0, 2], &[0x40, 2, 0, 1]] {
        assert!(copy.handle_input(Instant::ZERO, &mut bytes).is_some());
    }
    assert_eq!(copy.pending(), 0);
}
