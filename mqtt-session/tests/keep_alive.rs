//! Who is alive while packets take long to arrive.

mod support;

use std::time::Duration;

use mqtt_proto::{Codec, ConnAck, Packet, Publish, ReasonCode, Version};
use mqtt_session::{Client, ConnectOptions, DisconnectCause, Instant};
use support::talk::{encoded, sent};
use support::{Pair, Said, VERSIONS, topic};

const SECOND: Duration = Duration::from_secs(1);
const DEAD: Said = Said::Disconnected(DisconnectCause::KeepAliveTimeout);

/// A PUBLISH, and PINGRESP behind it.
fn large(version: Version) -> Vec<u8> {
    let publish = Publish::new(topic("a"), b"a large message");
    let mut bytes = encoded(Codec::server(version), &Packet::Publish(publish));
    bytes.extend(encoded(Codec::server(version), &Packet::PingResp));
    bytes
}

fn at(pair: &Pair, tick: u64) -> Instant {
    Instant::from_micros(pair.now.as_micros() - tick)
}

/// v3\[MQTT-3.1.2-23\] v5\[MQTT-3.1.2-20\]: the server counts what it hears, however long its answer takes.
#[test]
fn a_client_waits_for_an_answer_behind_a_large_message_and_goes_on_pinging() {
    for version in VERSIONS {
        let mut pair = Pair::connected(version);
        let (mut held, mut pings) = (Vec::new(), Vec::new());
        pair.advance(60 * SECOND);
        pair.transmit();
        let bytes = large(version);
        // A byte each 50 seconds, from when the server has been asked.
        for (second, byte) in (0..).step_by(50).zip(&bytes) {
            let due = Instant::ZERO + (60 + second) * SECOND;
            while let Some(next) = pair.client.poll_timeout().filter(|&next| next <= due) {
                pair.client.handle_timeout(next);
                let (bytes, closed) = sent(|out| pair.client.poll_transmit(next, out));
                assert!(!closed, "at {next:?}");
                pings.push((next.as_micros() / 1_000_000, bytes));
            }
            pair.now = due;
            held.push(*byte);
            let mut input = &held[..];
            while let Some(event) = pair.client.handle_input(due, &mut input) {
                pair.client_said.push(event.into());
            }
            held = input.to_vec();
        }
        assert_eq!(pair.client_received(), ["a large message"]);
        assert!(held.is_empty() && !pair.client_said.contains(&DEAD));
        let last = 60 + 50 * (bytes.len() as u64 - 1);
        let expected: Vec<_> = (120..=last).step_by(60).map(|second| (second, vec![0xC0, 0])).collect();
        assert_eq!(pings, expected);
    }
}

#[test]
fn a_client_gives_a_server_up_that_goes_silent_in_the_middle_of_a_packet() {
    for version in VERSIONS {
        let mut pair = Pair::connected(version);
        pair.advance(60 * SECOND);
        pair.transmit();
        pair.advance(20 * SECOND);
        let bytes = large(version);
        for _ in 0..3 {
            // The same bytes, again and again, are heard once.
            assert_eq!(pair.client.handle_input(pair.now, &mut &bytes[..7]), None);
            pair.advance(20 * SECOND);
        }
        assert_eq!(pair.client_said, [DEAD]);

        let mut pair = Pair::connected(version);
        pair.advance(60 * SECOND);
        pair.transmit();
        pair.now = pair.now + 20 * SECOND;
        assert_eq!(pair.client.handle_input(pair.now, &mut &bytes[..7]), None);
        pair.now = pair.now + 60 * SECOND;
        let before = at(&pair, 1);
        pair.client.handle_timeout(before);
        assert!(pair.client.is_connected());
        pair.advance(Duration::ZERO);
        assert_eq!(pair.client_said, [DEAD]);
    }
}

#[test]
fn bytes_are_heard_once_although_packets_before_them_are_taken() {
    for version in VERSIONS {
        let mut pair = Pair::connected(version);
        pair.advance(60 * SECOND);
        pair.transmit();
        let bytes = [large(version), large(version)].concat();
        let publish = bytes.len() / 2 - 2;
        // Two packets are there and a part of the next; they are taken one after the other, much later.
        let mut input = &bytes[..publish + 3];
        assert!(pair.client.handle_input(pair.now, &mut input).is_some());
        let rest = input.to_vec();
        pair.now = pair.now + 30 * SECOND;
        let mut input = &rest[..];
        assert!(pair.client.handle_input(pair.now, &mut input).is_none());
        assert_eq!(input.len(), 1, "PINGRESP was taken");
        pair.advance(30 * SECOND);
        pair.transmit();
        pair.now = pair.now + 59 * SECOND;
        assert!(pair.client.handle_input(pair.now, &mut &*input).is_none());
        pair.advance(SECOND);
        assert_eq!(pair.client_said, [DEAD]);
    }
}

#[test]
fn bytes_behind_connack_are_heard_once_too() {
    for version in VERSIONS {
        let mut options = ConnectOptions::new("c");
        options.version = version;
        let mut client = Client::new(options);
        client.connect(Instant::ZERO).unwrap();
        let bytes: &[u8] = if version.has_properties() { &[0x20, 3, 0, 0, 0, 0x30] } else { &[0x20, 2, 0, 0, 0x30] };
        let mut input = bytes;
        assert!(client.handle_input(Instant::ZERO, &mut input).is_some());
        client.handle_timeout(Instant::ZERO + 60 * SECOND);
        assert_eq!(client.handle_input(Instant::ZERO + 119 * SECOND, &mut input), None);
        client.handle_timeout(Instant::ZERO + 120 * SECOND);
        assert_eq!(client.poll_event().map(Said::from), Some(DEAD));
    }
}

/// v3\[MQTT-3.1.2-24\] v5\[MQTT-3.1.2-22\]
#[test]
fn a_server_counts_complete_packets_only() {
    for version in VERSIONS {
        let mut pair = Pair::connected(version);
        let ping = [0xC0, 0];
        pair.now = pair.now + 50 * SECOND;
        assert_eq!(pair.server.handle_input(pair.now, &mut &ping[..]), None);
        pair.now = pair.now + 89 * SECOND;
        assert_eq!(pair.server.handle_input(pair.now, &mut &ping[..1]), None);
        assert_eq!(pair.server.poll_timeout(), Some(pair.now + SECOND));
        pair.now = pair.now + SECOND;
        let before = at(&pair, 1);
        pair.server.handle_timeout(before);
        assert!(pair.server.is_connected());
        pair.server.handle_timeout(pair.now);
        assert_eq!(pair.server.poll_event().map(Said::from), Some(DEAD));
    }
}

/// v3\[MQTT-3.1.2-23\] v5\[MQTT-3.1.2-20\]: the server may count from CONNECT on.
#[test]
fn a_client_whose_server_took_long_to_answer_pings_an_interval_after_its_connect() {
    for version in VERSIONS {
        let mut options = ConnectOptions::new("c");
        options.version = version;
        options.keep_alive = 10;
        let mut client = Client::new(options);
        client.connect(Instant::ZERO).unwrap();
        sent(|out| client.poll_transmit(Instant::ZERO + SECOND, out));
        let connack = encoded(Codec::server(version), &Packet::ConnAck(ConnAck::new(ReasonCode::Success)));
        assert!(client.handle_input(Instant::ZERO + 9 * SECOND, &mut &connack[..]).is_some());
        assert_eq!(client.poll_timeout(), Some(Instant::ZERO + 11 * SECOND));
    }
}
