//! A message on which connections end, again and again.

mod support;

use mqtt_proto::{Properties, QoS, ReasonCode, Version};
use mqtt_session::{ConnectOptions, DisconnectCause, Outcome, PublishId, Published};
use support::{Pair, Said, VERSIONS, message};

const DONE: Outcome = Outcome::Delivered(ReasonCode::Success);

fn options(version: Version, attempts_max: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new("c");
    options.version = version;
    options.clean_start = false;
    options.session_expiry_interval = 3600;
    options.limits.attempts_max = attempts_max;
    options
}

fn publish(pair: &mut Pair, payload: &str, qos: QoS) -> PublishId {
    match pair.publish("a", payload, qos) {
        Published::Pending(id) => id,
        Published::Sent => panic!("at QoS 0"),
    }
}

fn outcome(pair: &Pair, id: PublishId) -> Option<Outcome> {
    let mut settled = pair.client_said.iter().filter_map(|said| match said {
        Said::Published(settled, outcome) if *settled == id => Some(*outcome),
        _ => None,
    });
    let outcome = settled.next();
    assert_eq!(settled.next(), None, "settled twice");
    outcome
}

/// How a server dies of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Death {
    /// What it has acknowledged before arrives.
    Late,
    /// Nothing of this turn does.
    Sudden,
}

/// One connection to a server that dies of every message that says `poison`. False: it did not die.
fn connection(pair: &mut Pair, death: Death) -> bool {
    pair.server = mqtt_session::Server::new(pair.now, pair.server_options.clone());
    pair.client.connect(pair.now).unwrap();
    loop {
        pair.transmit();
        // The server reads up to the message that it dies of.
        let poison = pair.to_server.windows(6).position(|bytes| bytes == b"poison");
        if let Some(at) = poison {
            pair.to_server.truncate(at);
            pair.server_reads();
            if death == Death::Late {
                pair.to_server.clear();
                pair.transmit();
                pair.client_reads();
            }
            pair.cut();
            return true;
        }
        if pair.to_server.is_empty() && pair.to_client.is_empty() {
            return false;
        }
        pair.server_reads();
        pair.client_reads();
    }
}

#[test]
fn only_the_message_that_kills_is_given_up() {
    for version in VERSIONS {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            for death in [Death::Late, Death::Sudden] {
                for at in [0, 1, 4] {
                    let mut pair = Pair::new(options(version, 5));
                    let ids: Vec<_> = (0..10)
                        .map(|number| publish(&mut pair, if number == at { "poison" } else { "good" }, qos))
                        .collect();
                    let mut deaths = 0;
                    while connection(&mut pair, death) {
                        deaths += 1;
                        assert!(deaths < 50, "{version} {qos:?} {death:?} {at}");
                    }
                    assert!(deaths >= 5, "{deaths}");
                    for (number, &id) in ids.iter().enumerate() {
                        let expected = if number == at { Outcome::AttemptsExhausted } else { DONE };
                        assert_eq!(outcome(&pair, id), Some(expected), "{version} {qos:?} {death:?} {at} {number}");
                    }
                    assert_eq!(pair.client.pending(), 0);
                    // And life goes on.
                    let next = publish(&mut pair, "next", qos);
                    pair.drive();
                    assert_eq!(outcome(&pair, next), Some(DONE));
                }
            }
        }
    }
}

/// Each is found, however many there are.
#[test]
fn good_messages_between_many_bad_ones_arrive() {
    for death in [Death::Late, Death::Sudden] {
        let mut pair = Pair::new(options(Version::V3_1_1, 4));
        let all = ["poison", "good"].iter().cycle().take(16);
        let ids: Vec<_> = all.map(|payload| (publish(&mut pair, payload, QoS::AtLeastOnce), *payload)).collect();
        while connection(&mut pair, death) {}
        for (id, payload) in ids {
            let expected = if payload == "good" { DONE } else { Outcome::AttemptsExhausted };
            assert_eq!(outcome(&pair, id), Some(expected), "{death:?}");
        }
    }
}

/// The server forgets the session each time, so that the message goes out as new.
#[test]
fn attempts_are_counted_across_lost_sessions() {
    let mut pair = Pair::new(options(Version::V3_1_1, 3));
    let id = publish(&mut pair, "poison", QoS::AtLeastOnce);
    for attempt in 1..=3 {
        assert_eq!(outcome(&pair, id), None, "{attempt}");
        assert!(connection(&mut pair, Death::Sudden));
        pair.kept = None;
    }
    assert_eq!(outcome(&pair, id), Some(Outcome::AttemptsExhausted));
}

#[test]
fn the_limit_is_met_exactly_and_can_be_lifted() {
    for (attempts_max, given_up_after) in [(1, Some(1)), (16, Some(16)), (u32::MAX, None)] {
        let mut pair = Pair::new(options(Version::V5, attempts_max));
        let id = publish(&mut pair, "poison", QoS::AtLeastOnce);
        let deaths = (1..=40).find(|_| {
            assert!(connection(&mut pair, Death::Sudden));
            outcome(&pair, id).is_some()
        });
        assert_eq!(deaths, given_up_after);
    }
}

/// A network that fails, as opposed to a message that kills.
#[test]
fn what_is_not_the_messages_fault_never_counts() {
    let ends: [fn(&mut Pair); 6] = [
        // Something was acknowledged after the message went out.
        |pair| {
            let last = pair.trace.iter().rev().find_map(|line| line.strip_prefix("C Publish ")).unwrap();
            pair.to_client = vec![0x40, 2, 0, last.parse().unwrap()];
            pair.client_reads();
        },
        // The network went silent.
        |pair| {
            pair.to_client.clear();
            pair.advance(std::time::Duration::from_secs(60));
            pair.advance(std::time::Duration::from_secs(60));
            assert!(matches!(pair.client_said.last(), Some(Said::Disconnected(DisconnectCause::KeepAliveTimeout))));
        },
        // The host had enough.
        |pair| pair.client.disconnect(pair.now, ReasonCode::Success, Properties::EMPTY).unwrap(),
        // The server says goodbye.
        |pair| {
            pair.to_client = vec![0xE0, 1, ReasonCode::ServerShuttingDown.as_u8()];
            pair.client_reads();
        },
        |pair| {
            pair.to_client = vec![0xE0, 1, ReasonCode::SessionTakenOver.as_u8()];
            pair.client_reads();
        },
        // The connection ends before the message goes out.
        |pair| {
            pair.cut();
            pair.client.connect(pair.now).unwrap();
        },
    ];
    for (number, end) in ends.into_iter().enumerate() {
        let mut pair = Pair::new(options(Version::V5, 2));
        let id = publish(&mut pair, "1", QoS::AtLeastOnce);
        for _ in 0..40 {
            let other = pair.publish("a", "2", QoS::AtLeastOnce);
            assert_ne!(other, Published::Sent);
            pair.server = mqtt_session::Server::new(pair.now, pair.server_options.clone());
            pair.client.connect(pair.now).unwrap();
            pair.transmit();
            if number != 5 {
                pair.server_reads();
                pair.transmit();
                pair.client_reads();
                pair.transmit();
            }
            end(&mut pair);
            pair.cut();
        }
        assert_eq!(outcome(&pair, id), None, "{number}");
    }
}

/// A DISCONNECT that complains does count.
#[test]
fn a_complaint_of_the_server_counts() {
    let mut pair = Pair::new(options(Version::V5, 3));
    let id = publish(&mut pair, "1", QoS::AtLeastOnce);
    for _ in 0..3 {
        assert_eq!(outcome(&pair, id), None);
        pair.server = mqtt_session::Server::new(pair.now, pair.server_options.clone());
        pair.client.connect(pair.now).unwrap();
        pair.transmit();
        pair.server_reads();
        pair.transmit();
        pair.client_reads();
        pair.transmit();
        pair.to_client = vec![0xE0, 1, ReasonCode::ImplementationSpecificError.as_u8()];
        pair.client_reads();
        pair.cut();
    }
    assert_eq!(outcome(&pair, id), Some(Outcome::AttemptsExhausted));
}

/// The server may hold the identifier of a QoS 2 message that was given up. It is free when the server has said so, or the next message under it would be taken
/// for a repeat, and be lost: R4.
#[test]
fn the_identifier_of_a_qos_2_message_that_was_given_up_is_released_first() {
    for version in VERSIONS {
        let mut pair = Pair::new(options(version, 1));
        let id = publish(&mut pair, "bad", QoS::ExactlyOnce);
        pair.server = mqtt_session::Server::new(pair.now, pair.server_options.clone());
        pair.client.connect(pair.now).unwrap();
        pair.transmit();
        pair.server_reads();
        pair.transmit();
        pair.client_reads();
        pair.transmit();
        // The server has the message, and its PUBREC gets lost.
        pair.server_reads();
        assert_eq!(pair.server_received(), ["bad"]);
        pair.cut();
        assert_eq!(outcome(&pair, id), Some(Outcome::AttemptsExhausted));
        pair.trace.clear();
        let next = publish(&mut pair, "next", QoS::ExactlyOnce);
        pair.connect();
        assert_eq!(pair.trace[2..5], ["C PubRel 1", "C Publish 2", "S PubComp 1"]);
        assert_eq!(pair.server_received(), ["bad", "next"]);
        assert_eq!(outcome(&pair, next), Some(DONE));
    }
}

/// The same rule at the other end: a client that dies of a message.
#[test]
fn a_server_gives_up_a_message_that_kills_its_client() {
    let mut pair = Pair::persistent(Version::V5);
    pair.server_options.limits.attempts_max = 3;
    pair.cut();
    pair.connect();
    pair.server.publish(pair.now, &message("a", "poison", QoS::AtLeastOnce)).unwrap();
    for death in 1..=3 {
        assert_eq!(pair.server.pending(), 1, "{death}");
        pair.transmit();
        pair.cut();
        if death < 3 {
            pair.server = mqtt_session::Server::new(pair.now, pair.server_options.clone());
            pair.client.connect(pair.now).unwrap();
            pair.transmit();
            pair.server_reads();
        }
    }
    let gave_up = |said: &Said| matches!(said, Said::Published(_, Outcome::AttemptsExhausted));
    assert_eq!(pair.server_said.iter().filter(|said| gave_up(said)).count(), 1);
    assert_eq!(pair.kept.as_ref().unwrap().pending(), 0);
}
