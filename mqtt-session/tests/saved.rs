//! A session that goes to a disk and comes back.

mod support;

use std::sync::Arc;
use std::time::Duration;

use mqtt_proto::{PropertiesBuf, Property, QoS, ReasonCode, SubscriptionId, Version};
use mqtt_session::{
    Client, ConnectOptions, ImportError, Instant, Message, Outcome, Outgoing, Published, ServerOptions, SessionState,
};
use support::talk::text;
use support::{LEVELS, Pair, Said, VERSIONS, message, topic};

const SECOND: Duration = Duration::from_secs(1);

fn reborn(session: &SessionState, now: Instant) -> SessionState {
    let bytes = session.export(now);
    let reborn = SessionState::import(now, &bytes).unwrap();
    assert_eq!(&reborn, session);
    assert_eq!(reborn.export(now), bytes);
    reborn
}

/// Both ends stop at any step of a flow, and go on in new processes with what they have saved. The message arrives exactly once, and is settled under the name that it
/// had.
///
/// v3\[MQTT-4.4.0-1\] v5\[MQTT-4.4.0-1\]
#[test]
fn both_ends_go_on_where_they_were() {
    for version in VERSIONS {
        for from_server in [false, true] {
            for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
                for steps in 0..8 {
                    let mut pair = Pair::persistent(version);
                    let published = if from_server {
                        pair.server.publish(pair.now, &message("a", "once", qos)).unwrap()
                    } else {
                        pair.publish("a", "once", qos)
                    };
                    for step in 0..steps {
                        match step % 3 {
                            0 => pair.transmit(),
                            1 => pair.server_reads(),
                            _ => pair.client_reads(),
                        }
                    }
                    pair.cut();
                    let options = pair.client.options().clone();
                    pair.client = Client::with_session(options, reborn(pair.client.session(), pair.now));
                    pair.kept = pair.kept.map(|kept| reborn(&kept, pair.now));
                    pair.connect();
                    let received = if from_server { pair.client_received() } else { pair.server_received() };
                    // A repeat at QoS 1 is marked, and known by that.
                    let once = received.len() == 1 || (qos == QoS::AtLeastOnce && received.len() == 2);
                    assert!(once, "{version} {from_server} {qos:?} {steps}: {received:?}");
                    assert_eq!((pair.client.pending(), pair.server.pending()), (0, 0));
                    let Published::Pending(id) = published else { panic!() };
                    let said = if from_server { &pair.server_said } else { &pair.client_said };
                    let settled = Said::Published(id, Outcome::Delivered(ReasonCode::Success));
                    assert_eq!(said.iter().filter(|said| **said == settled).count(), 1);
                }
            }
        }
    }
}

/// A state with something of everything, on the client's and on the server's side.
fn everything() -> SessionState {
    let mut options = ServerOptions::default();
    options.limits.queued_time_max = Some(100 * SECOND);
    options.limits.in_flight_max = 3;
    let mut client_options = ConnectOptions::new("c");
    client_options.clean_start = false;
    client_options.session_expiry_interval = 3600;
    let mut pair = Pair::with_server(client_options, options);
    pair.connect();
    // One of ours has been received, and not completed.
    pair.server.publish(pair.now, &message("released", "x", QoS::ExactlyOnce)).unwrap();
    pair.step();
    // One QoS 2 message of the client's has been received, and not released.
    pair.publish("from/client", "x", QoS::ExactlyOnce);
    pair.transmit();
    pair.server_reads();
    let mut properties = PropertiesBuf::new();
    properties.push(Property::MessageExpiryInterval(60)).unwrap();
    properties.push(Property::UserProperty((text("key"), text("value")))).unwrap();
    let large = "x".repeat(100);
    for (name, payload, qos) in [
        ("in/flight/1", "x", QoS::AtLeastOnce),
        ("in/flight/2", "x", QoS::ExactlyOnce),
        ("waits/1", "", QoS::AtLeastOnce),
        ("waits/2", large.as_str(), QoS::ExactlyOnce),
        ("waits/0", "x", QoS::AtMostOnce),
    ] {
        let mut full = Message::new(topic(name), payload);
        full.qos = qos;
        full.retain = qos == QoS::AtLeastOnce;
        full.properties = properties.as_properties();
        let mut outgoing = Outgoing::new(pair.now, Arc::new(full.to_buf()));
        outgoing.retain = qos == QoS::ExactlyOnce;
        outgoing.subscription_ids.extend([1, 268_435_455].map(|id| SubscriptionId::new(id).unwrap()));
        pair.server.deliver(pair.now, outgoing).unwrap();
    }
    pair.cut();
    pair.kept.unwrap()
}

#[test]
fn everything_comes_back() {
    let session = everything();
    let now = Instant::ZERO;
    assert_eq!(session.pending(), 6);
    reborn(&session, now);
    reborn(&SessionState::default(), now);
}

#[test]
fn large_payloads_come_back() {
    for len in [1_000, 100_000, 2_000_000] {
        let mut session = SessionState::default();
        let payload = vec![b'x'; len];
        let full = Message::new(topic("a"), &payload[..]);
        let outgoing = Outgoing::new(Instant::ZERO, Arc::new(full.to_buf()));
        session.enqueue(Instant::ZERO, &mqtt_session::Limits::default(), outgoing).unwrap();
        reborn(&session, Instant::ZERO);
    }
}

/// Format 1 is read for ever: this file has been written once.
#[test]
fn what_was_exported_in_format_1_still_means_the_same() {
    let golden = bytes(include_str!("golden/session-1.hex"));
    let session = everything();
    assert_eq!(SessionState::import(Instant::ZERO, &golden).as_ref(), Ok(&session), "{}", hex(&session));
    assert_eq!(session.export(Instant::ZERO), golden);
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.bytes().filter(|digit| !digit.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn hex(session: &SessionState) -> String {
    let bytes = session.export(Instant::ZERO);
    bytes.chunks(50).map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n").collect()
}

#[test]
fn moments_keep_their_distance_from_the_export() {
    let mut limits = mqtt_session::Limits::default();
    limits.queued_time_max = Some(10 * SECOND);
    let begin = Instant::from_micros(5_000_000);
    let mut session = SessionState::default();
    let outgoing = Outgoing::new(begin, Arc::new(message("a", "x", QoS::AtLeastOnce).to_buf()));
    session.enqueue(begin, &limits, outgoing).unwrap();
    let bytes = session.export(begin + 3 * SECOND);
    // A clock that goes on, one that begins anew, one that is about to end.
    for (at, due) in [(8_000_000, 15_000_000), (0, 7_000_000), (u64::MAX - 5, u64::MAX)] {
        let session = SessionState::import(Instant::from_micros(at), &bytes).unwrap();
        assert_eq!(session.poll_timeout(), Some(Instant::from_micros(due)));
    }
    // What was over at the export is over at once.
    let bytes = session.export(begin + 11 * SECOND);
    let mut session = SessionState::import(Instant::ZERO, &bytes).unwrap();
    assert_eq!(session.handle_timeout(Instant::ZERO), 1);
}

#[test]
fn what_is_no_session_is_said_to_be_none() {
    let import = |bytes: &[u8]| SessionState::import(Instant::ZERO, bytes);
    assert_eq!(import(b""), Err(ImportError::NotASession));
    assert_eq!(import(b"MQTT\x01"), Err(ImportError::NotASession));
    assert_eq!(import(b"MQTS"), Err(ImportError::Truncated));
    for format in [0, 2, 255] {
        let error = import(&[b'M', b'Q', b'T', b'S', format]).unwrap_err();
        assert_eq!(error, ImportError::UnknownFormat(format));
        assert!(error.to_string().contains(&format!("format {format},")));
    }
    // Lengths that nothing stands behind.
    assert_eq!(import(b"MQTS\x01\x01\xFF\xFF\xFF\xFF"), Err(ImportError::Truncated));
    assert!(matches!(import(b"MQTS\x01\x00\0\0\0\0"), Err(ImportError::Invalid { offset: 5, .. })));
}

#[test]
fn no_part_of_an_export_is_one() {
    let bytes = everything().export(Instant::ZERO);
    for len in 0..bytes.len() {
        assert!(SessionState::import(Instant::ZERO, &bytes[..len]).is_err(), "{len}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(SessionState::import(Instant::ZERO, &longer).is_err());
}

/// Whatever changes, the bytes are refused, or are a session that can be used and exported.
#[test]
fn no_changed_byte_does_harm() {
    let bytes = everything().export(Instant::ZERO);
    for at in 0..bytes.len() {
        // Payloads are as good as any.
        if bytes[at] == b'x' {
            continue;
        }
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            if let Ok(mut session) = SessionState::import(Instant::ZERO, &changed) {
                reborn(&session, Instant::ZERO);
                session.handle_timeout(Instant::from_micros(u64::MAX));
                let mut client = Client::with_session(ConnectOptions::new("c"), session);
                client.abandon(Instant::ZERO);
                assert_eq!(client.pending(), 0);
            }
        }
    }
}

/// Names that are used twice, or were never given, would settle a publish twice, or not at all. So would numbers above which there are none.
#[test]
fn a_session_with_impossible_names_is_refused() {
    let mut session = SessionState::default();
    for qos in LEVELS {
        let outgoing = Outgoing::new(Instant::ZERO, Arc::new(message("a", "", qos).to_buf()));
        session.enqueue(Instant::ZERO, &mqtt_session::Limits::default(), outgoing).unwrap();
    }
    let bytes = session.export(Instant::ZERO);
    // The head has 30 bytes; each message has 26, of which the names come first. Head: the next name.
    let names = [30, 30 + 26, 30 + 2 * 26];
    for (name, at) in names.into_iter().enumerate() {
        assert_eq!(usize::from(bytes[at + 5 + 7]), name);
    }
    for (at, value) in [(names[1] + 12, 0), (names[1] + 12, 2), (names[2] + 12, 3), (17, 2), (10, 0x80), (18, 0x80)] {
        let mut changed = bytes.clone();
        changed[at] = value;
        assert!(matches!(SessionState::import(Instant::ZERO, &changed), Err(ImportError::Invalid { .. })), "{at}");
    }
}

/// They would change places when the server has forgotten the session, and wait in an order that is not that of their names.
#[test]
fn a_session_whose_messages_overtook_each_other_is_refused() {
    let mut pair = Pair::persistent(Version::V5);
    for payload in ["1", "2"] {
        pair.publish("a", payload, QoS::AtLeastOnce);
    }
    pair.cut();
    let bytes = pair.client.session().export(Instant::ZERO);
    // Behind the head, two flights of the same length. The number of a flight is behind the record's head and the packet identifier.
    let length = 5 + usize::from(bytes[34]);
    let orders = [30, 30 + length].map(|at| at + 5 + 2 + 7);
    assert_eq!(orders.map(|at| bytes[at]), [0, 1]);
    for numbers in [[1, 0], [1, 1], [0, 2]] {
        let mut changed = bytes.clone();
        orders.into_iter().zip(numbers).for_each(|(at, number)| changed[at] = number);
        assert!(
            matches!(SessionState::import(Instant::ZERO, &changed), Err(ImportError::Invalid { .. })),
            "{numbers:?}"
        );
    }
}

/// The limits that were in force when it was saved are not those of now. Nothing is lost, and nothing new fits.
#[test]
fn what_was_saved_under_larger_limits_stays() {
    let mut options = ConnectOptions::new("c");
    options.version = Version::V3_1_1;
    let mut pair = Pair::new(options.clone());
    for payload in ["1", "2", "3"] {
        pair.publish("a", payload, QoS::AtLeastOnce);
    }
    options.limits.queued_messages_max = 1;
    pair.client = Client::with_session(options, reborn(pair.client.session(), pair.now));
    assert!(pair.client.publish(pair.now, &message("a", "4", QoS::AtLeastOnce)).is_err());
    pair.connect();
    assert_eq!(pair.server_received(), ["1", "2", "3"]);
}
