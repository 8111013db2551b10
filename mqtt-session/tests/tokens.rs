//! Acknowledgements that the host gives: each token is good for one message, on one connection of one session.

mod support;

use std::time::Duration;

use mqtt_proto::{Properties, QoS, ReasonCode, Version};
use mqtt_session::{
    AckError, AckToken, Acknowledge, Client, ConnectOptions, DisconnectCause, Event, Instant, ServerOptions, Violation,
};
use support::talk::sent;
use support::{Pair, Said, message};

const STALE: Result<(), AckError> = Err(AckError::Stale);

/// Both ends leave it to their hosts to acknowledge, and keep their sessions.
fn pair(client_id: &str) -> Pair {
    let mut options = ConnectOptions::new(client_id);
    options.acknowledge = Acknowledge::Manually;
    options.clean_start = false;
    options.session_expiry_interval = 3600;
    let mut server_options = ServerOptions::default();
    server_options.acknowledge = Acknowledge::Manually;
    let mut pair = Pair::with_server(options, server_options);
    pair.connect();
    pair.forget_what_was_said();
    pair
}

/// The tokens of what arrives at the server.
fn server_gets(pair: &mut Pair) -> Vec<AckToken> {
    pair.transmit();
    let bytes = std::mem::take(&mut pair.to_server);
    let mut input = &bytes[..];
    let mut tokens = Vec::new();
    while let Some(event) = pair.server.handle_input(pair.now, &mut input) {
        let Event::Received(received) = event else { continue };
        tokens.push(received.token().unwrap());
    }
    tokens
}

fn client_gets(pair: &mut Pair) -> Vec<AckToken> {
    pair.transmit();
    let bytes = std::mem::take(&mut pair.to_client);
    let mut input = &bytes[..];
    let mut tokens = Vec::new();
    while let Some(event) = pair.client.handle_input(pair.now, &mut input) {
        let Event::Received(received) = event else { continue };
        tokens.push(received.token().unwrap());
    }
    tokens
}

fn server_acknowledges(pair: &mut Pair, token: AckToken) -> Result<(), AckError> {
    pair.server.acknowledge(pair.now, token, ReasonCode::Success, Properties::EMPTY)
}

fn client_acknowledges(pair: &mut Pair, token: AckToken) -> Result<(), AckError> {
    pair.client.acknowledge(pair.now, token, ReasonCode::Success, Properties::EMPTY)
}

#[test]
fn a_message_is_acknowledged_once() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut pair = pair("c");
        pair.publish("a", "1", qos);
        let [token] = server_gets(&mut pair)[..] else { panic!() };
        assert_eq!(server_acknowledges(&mut pair, token), Ok(()));
        assert_eq!(server_acknowledges(&mut pair, token), STALE);
        pair.drive();
        assert_eq!(server_acknowledges(&mut pair, token), STALE);
        assert_eq!(pair.client.pending(), 0);
    }
}

/// A server is new for each connection; what counts the connections is in the session. The message comes again, with a token of its own.
#[test]
fn a_server_takes_no_token_of_the_connection_before() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut pair = pair("c");
        pair.publish("a", "1", qos);
        let [old] = server_gets(&mut pair)[..] else { panic!() };
        pair.cut();
        assert_eq!(server_acknowledges(&mut pair, old), STALE);
        pair.server = mqtt_session::Server::new(pair.now, pair.server_options.clone());
        pair.client.connect(pair.now).unwrap();
        pair.transmit();
        pair.server_reads();
        assert_eq!(server_acknowledges(&mut pair, old), STALE);
        pair.transmit();
        pair.client_reads();
        let [new] = server_gets(&mut pair)[..] else { panic!() };
        assert_ne!(old, new);
        assert_eq!(server_acknowledges(&mut pair, old), STALE);
        assert_eq!(pair.client.pending(), 1);
        assert_eq!(server_acknowledges(&mut pair, new), Ok(()));
        pair.drive();
        assert_eq!(pair.client.pending(), 0);
    }
}

#[test]
fn a_client_in_the_place_of_another_takes_no_token_of_its() {
    let mut pair = pair("c");
    pair.server.publish(pair.now, &message("a", "1", QoS::AtLeastOnce)).unwrap();
    let [old] = client_gets(&mut pair)[..] else { panic!() };
    pair.cut();
    pair.client = Client::with_session(pair.client.options().clone(), pair.client.session().clone());
    assert_eq!(client_acknowledges(&mut pair, old), STALE);
    pair.connect();
    assert_eq!(pair.client_received(), ["1"]);
    assert_eq!(client_acknowledges(&mut pair, old), STALE);
}

/// A new session begins to count anew, under the same name.
#[test]
fn a_new_session_takes_no_token_of_the_one_before() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut pair = pair("c");
        pair.publish("a", "1", qos);
        let [old_server] = server_gets(&mut pair)[..] else { panic!() };
        pair.server.publish(pair.now, &message("a", "1", qos)).unwrap();
        let [old_client] = client_gets(&mut pair)[..] else { panic!() };
        pair.cut();
        pair.kept = None;
        pair.client = Client::new(pair.client.options().clone());
        pair.advance(Duration::from_micros(1));
        pair.connect();
        pair.publish("a", "2", qos);
        let [new_server] = server_gets(&mut pair)[..] else { panic!() };
        pair.server.publish(pair.now, &message("a", "2", qos)).unwrap();
        let [new_client] = client_gets(&mut pair)[..] else { panic!() };
        assert_eq!(server_acknowledges(&mut pair, old_server), STALE);
        assert_eq!(client_acknowledges(&mut pair, old_client), STALE);
        assert_eq!(server_acknowledges(&mut pair, new_server), Ok(()));
        assert_eq!(client_acknowledges(&mut pair, new_client), Ok(()));
    }
}

#[test]
fn nobody_takes_a_token_of_another_session() {
    let (mut one, mut other) = (pair("one"), pair("other"));
    for pair in [&mut one, &mut other] {
        pair.server.publish(pair.now, &message("a", "1", QoS::AtLeastOnce)).unwrap();
        pair.publish("a", "1", QoS::AtLeastOnce);
    }
    let ([foreign], [own]) = (&client_gets(&mut one)[..], &client_gets(&mut other)[..]) else { panic!() };
    assert_eq!(client_acknowledges(&mut other, *foreign), STALE);
    assert_eq!(client_acknowledges(&mut other, *own), Ok(()));
    let ([foreign], [own]) = (&server_gets(&mut one)[..], &server_gets(&mut other)[..]) else { panic!() };
    assert_eq!(server_acknowledges(&mut other, *foreign), STALE);
    assert_eq!(server_acknowledges(&mut other, *own), Ok(()));
}

/// Before 5.0 nothing says how many messages there may be; their bytes are bounded. The bound is met exactly.
#[test]
fn bytes_that_nobody_has_acknowledged_are_bounded() {
    for (bytes_max, is_taken) in [(20, true), (19, false)] {
        let mut options = ConnectOptions::new("c");
        options.version = Version::V3_1_1;
        let mut server_options = ServerOptions::default();
        server_options.acknowledge = Acknowledge::Manually;
        server_options.limits.unacknowledged_bytes_max = bytes_max;
        let mut pair = Pair::with_server(options, server_options);
        pair.connect();
        // Of 10 bytes each.
        for payload in ["123", "456"] {
            pair.publish("a", payload, QoS::AtLeastOnce);
        }
        pair.transmit();
        pair.server_reads();
        let cause = DisconnectCause::Violation(Violation::UnacknowledgedBytes);
        assert_eq!(pair.server_said.contains(&Said::Disconnected(cause)), !is_taken);
    }
}

/// A server that answers with `connack`, and has sent three messages.
fn three(qos: u8, mut connack: &[u8]) -> (Client, Vec<AckToken>) {
    let mut options = ConnectOptions::new("c");
    options.acknowledge = Acknowledge::Manually;
    options.receive_maximum = 3;
    let mut client = Client::new(options);
    client.connect(Instant::ZERO).unwrap();
    sent(|out| client.poll_transmit(Instant::ZERO, out));
    client.handle_input(Instant::ZERO, &mut connack);
    let tokens = (1..=3).map(|id| publish(&mut client, qos, id)).collect();
    (client, tokens)
}

fn publish(client: &mut Client, qos: u8, id: u8) -> AckToken {
    let bytes = [0x30 | qos << 1, 7, 0, 1, b'a', 0, id, 0, b'x'];
    let event = client.handle_input(Instant::ZERO, &mut &bytes[..]);
    let Some(Event::Received(received)) = &event else { panic!("{event:?}") };
    received.token().unwrap()
}

/// v5\[MQTT-3.14.4-1\]
#[test]
fn no_acknowledgement_follows_the_one_that_did_not_fit() {
    let (mut client, tokens) = three(1, &[0x20, 8, 0, 0, 5, 0x27, 0, 0, 0, 4]);
    // It takes packets of four bytes, and one with a reason has five.
    let codes = [ReasonCode::QuotaExceeded, ReasonCode::Success, ReasonCode::QuotaExceeded];
    for (token, code) in tokens.into_iter().zip(codes).rev() {
        client.acknowledge(Instant::ZERO, token, code, Properties::EMPTY).unwrap();
    }
    let disconnect = vec![0xE0, 1, ReasonCode::PacketTooLarge.as_u8()];
    assert_eq!(sent(|out| client.poll_transmit(Instant::ZERO, out)), (disconnect, true));
    let cause = DisconnectCause::Local(ReasonCode::PacketTooLarge);
    assert_eq!(client.poll_event().map(Said::from), Some(Said::Disconnected(cause)));
    assert_eq!(client.poll_event(), None);
}

/// v5\[MQTT-4.3.3-11\]: a server that was too early is answered, and not taken to owe it for ever.
#[test]
fn a_pubrel_ahead_of_its_pubrec_leaves_nothing_that_counts() {
    let (mut client, tokens) = three(2, &[0x20, 3, 0, 0, 0]);
    let give = |client: &mut Client, token| {
        client.acknowledge(Instant::ZERO, token, ReasonCode::Success, Properties::EMPTY).unwrap();
    };
    let release = |client: &mut Client, id| client.handle_input(Instant::ZERO, &mut &[0x62, 2, 0, id][..]).is_some();
    give(&mut client, tokens[1]);
    assert!(!release(&mut client, 2));
    give(&mut client, tokens[0]);
    give(&mut client, tokens[2]);
    sent(|out| client.poll_transmit(Instant::ZERO, out));
    (1..=3).for_each(|id| assert!(!release(&mut client, id)));
    (4..=6).for_each(|id| _ = publish(&mut client, 2, id));
}
