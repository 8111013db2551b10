//! Messages that are worth nothing after a time (5.0 section 3.3.2.3.3), or that have waited for long enough.

mod house;
mod support;

use std::sync::Arc;
use std::time::Duration;

use house::{As, House, Q1, V3, V5};
use mqtt_proto::{Codec, PropertiesBuf, Property, QoS, ReasonCode, Version};
use mqtt_session::{
    Acknowledge, ConnectOptions, Instant, Message, Outcome, Outgoing, PublishId, Published, Server, ServerOptions,
};
use support::seen::{Seen, intervals, publishes};
use support::{LEVELS, Pair, Said, VERSIONS, message};

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_micros(1);

fn expiring(seconds: u32) -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    properties.push(Property::MessageExpiryInterval(seconds)).unwrap();
    properties
}

/// A message that expires. Its name, if it waits.
fn publish(pair: &mut Pair, payload: &str, qos: QoS, seconds: u32) -> Option<PublishId> {
    let properties = expiring(seconds);
    let mut message = message("a/b", payload, qos);
    message.properties = properties.as_properties();
    match pair.client.publish(pair.now, &message).unwrap() {
        Published::Sent => None,
        Published::Pending(id) => Some(id),
    }
}

/// What the client sends, and does not get through.
fn client_sends(pair: &mut Pair) -> Vec<Seen> {
    pair.transmit();
    publishes(Codec::server(Version::V5), &std::mem::take(&mut pair.to_server))
}

/// A connection. What the client sends when it knows that it is accepted does not get through.
fn connect_and_send(pair: &mut Pair) -> Vec<Seen> {
    pair.server = Server::new(pair.now, pair.server_options.clone());
    pair.client.connect(pair.now).unwrap();
    pair.transmit();
    pair.server_reads();
    pair.transmit();
    pair.client_reads();
    client_sends(pair)
}

fn settled(pair: &Pair) -> Vec<(PublishId, Outcome)> {
    let settled = pair.client_said.iter().filter_map(|said| match said {
        Said::Published(id, outcome) => Some((*id, *outcome)),
        _ => None,
    });
    settled.collect()
}

/// v5\[MQTT-3.3.2-5\]
#[test]
fn what_expires_while_it_waits_is_settled_at_that_moment_and_not_sent() {
    for qos in LEVELS {
        let mut pair = Pair::new(ConnectOptions::new("c"));
        let stays = publish(&mut pair, "stays", qos, 20).unwrap();
        let expires = publish(&mut pair, "expires", qos, 10).unwrap();
        let for_ever = pair.publish("a/b", "for ever", qos);
        assert_eq!(pair.client.poll_timeout(), Some(Instant::ZERO + 10 * SECOND));
        pair.advance(10 * SECOND - TICK);
        assert_eq!(settled(&pair), []);
        pair.advance(TICK);
        assert_eq!(settled(&pair), [(expires, Outcome::Expired)]);
        assert_eq!(pair.client.poll_timeout(), Some(Instant::ZERO + 20 * SECOND));
        assert_eq!(pair.client.pending(), 2);
        pair.connect();
        assert_eq!(pair.server_received(), ["stays", "for ever"]);
        let outcome = if qos == QoS::AtMostOnce { Outcome::Sent } else { Outcome::Delivered(ReasonCode::Success) };
        let Published::Pending(for_ever) = for_ever else { panic!() };
        assert_eq!(settled(&pair)[1..], [(stays, outcome), (for_ever, outcome)]);
    }
}

/// A host that tells the time late sends nothing late: v5\[MQTT-3.3.2-5\].
#[test]
fn what_has_expired_is_not_sent_even_if_nobody_has_told_the_time() {
    let mut pair = Pair::new(ConnectOptions::new("c"));
    let expires = publish(&mut pair, "expires", QoS::AtLeastOnce, 10).unwrap();
    pair.now = pair.now + 10 * SECOND;
    pair.connect();
    assert!(pair.server_received().is_empty());
    assert!(settled(&pair).contains(&(expires, Outcome::Expired)));
}

/// v5\[MQTT-3.3.2-6\]
#[test]
fn each_copy_carries_what_is_left_when_it_is_sent() {
    let mut pair = Pair::new(ConnectOptions::new("c"));
    for (payload, qos) in ["0", "1", "2"].into_iter().zip(LEVELS) {
        publish(&mut pair, payload, qos, 10);
    }
    pair.now = pair.now + 2 * SECOND + TICK;
    let seen = connect_and_send(&mut pair);
    assert_eq!(intervals(&seen), [("0", Some(8)), ("1", Some(8)), ("2", Some(8))]);
    let mut pair = Pair::connected(Version::V5);
    publish(&mut pair, "at once", QoS::AtMostOnce, 10);
    publish(&mut pair, "at once, too", QoS::AtLeastOnce, u32::MAX);
    assert_eq!(intervals(&client_sends(&mut pair)), [("at once", Some(10)), ("at once, too", Some(u32::MAX))]);
}

/// v5\[MQTT-3.3.2-6\]
#[test]
fn what_waited_for_the_window_carries_what_is_left() {
    let mut server_options = ServerOptions::default();
    server_options.receive_maximum = 1;
    server_options.acknowledge = Acknowledge::Manually;
    let mut pair = Pair::with_server(ConnectOptions::new("c"), server_options);
    pair.connect();
    publish(&mut pair, "1", QoS::AtLeastOnce, 10);
    publish(&mut pair, "2", QoS::AtLeastOnce, 10);
    publish(&mut pair, "3", QoS::AtLeastOnce, 5);
    assert_eq!(intervals(&client_sends(&mut pair)), [("1", Some(10))]);
    pair.now = pair.now + 5 * SECOND + TICK;
    pair.to_client = vec![0x40, 2, 0, 1];
    pair.client_reads();
    assert_eq!(intervals(&client_sends(&mut pair)), [("2", Some(5))]);
    pair.to_client = vec![0x40, 2, 0, 2];
    pair.client_reads();
    assert_eq!(client_sends(&mut pair), []);
    assert_eq!(settled(&pair).iter().filter(|(_, outcome)| *outcome == Outcome::Expired).count(), 1);
}

#[test]
fn what_expires_at_once_is_never_sent() {
    for qos in LEVELS {
        let mut pair = Pair::connected(Version::V5);
        let id = publish(&mut pair, "0", qos, 0).unwrap();
        assert_eq!(client_sends(&mut pair), []);
        assert_eq!(settled(&pair), [(id, Outcome::Expired)]);
    }
}

/// v5\[MQTT-4.4.0-1\]: a delivery that has begun goes on. What is left is 1 at least, since some read 0 as "never".
#[test]
fn what_is_in_flight_is_sent_again_with_what_is_left_and_completed() {
    for (after, left) in [(3, 7), (10, 1), (1_000_000_000, 1)] {
        let mut pair = Pair::persistent(Version::V5);
        let first = publish(&mut pair, "1", QoS::AtLeastOnce, 10).unwrap();
        let second = publish(&mut pair, "2", QoS::ExactlyOnce, 10).unwrap();
        client_sends(&mut pair);
        pair.cut();
        pair.advance(Duration::from_secs(after));
        assert_eq!(settled(&pair), []);
        let seen = connect_and_send(&mut pair);
        assert_eq!(intervals(&seen), [("1", Some(left)), ("2", Some(left))]);
        assert!(seen.iter().all(|seen| seen.dup));
        pair.to_client = vec![0x40, 2, 0, 1, 0x50, 2, 0, 2, 0x70, 2, 0, 2];
        pair.client_reads();
        let done = Outcome::Delivered(ReasonCode::Success);
        assert_eq!(settled(&pair), [(first, done), (second, done)]);
    }
}

/// The server lost the session: the message waits again, and this time it expires. It may have arrived the first time.
#[test]
fn what_had_been_sent_and_expires_while_it_waits_again_is_in_doubt() {
    let mut pair = Pair::connected(Version::V5);
    let id = publish(&mut pair, "1", QoS::AtLeastOnce, 10).unwrap();
    client_sends(&mut pair);
    pair.cut();
    pair.advance(10 * SECOND);
    assert_eq!(connect_and_send(&mut pair), []);
    assert_eq!(settled(&pair), [(id, Outcome::SessionLost)]);
}

/// A client before 5.0 is not told, but gets nothing that has expired: v5\[MQTT-3.3.2-5\].
#[test]
fn a_server_drops_what_expires_for_clients_of_every_version() {
    for version in VERSIONS {
        let mut pair = Pair::connected(version);
        let properties = expiring(10);
        let mut kept = Message::new(support::topic("a/b"), "1");
        (kept.qos, kept.properties) = (QoS::AtLeastOnce, properties.as_properties());
        let kept = Arc::new(kept.to_buf());
        pair.server.deliver(pair.now, Outgoing::new(pair.now, Arc::clone(&kept))).unwrap();
        let old = Outgoing::new(pair.now, kept);
        pair.advance(4 * SECOND);
        pair.server.deliver(pair.now, old.clone()).unwrap();
        pair.transmit();
        let seen = publishes(Codec::client(version), &pair.to_client);
        let told = |seconds| (version == Version::V5).then_some(seconds);
        assert_eq!(intervals(&seen), [("1", told(10)), ("1", told(6))]);
        pair.drive();
        pair.advance(6 * SECOND);
        pair.trace.clear();
        for qos in LEVELS {
            let mut old = old.clone();
            old.qos = qos;
            pair.server.deliver(pair.now, old).unwrap();
            pair.drive();
            let Some(Said::Published(_, Outcome::Expired)) = pair.server_said.last() else { panic!() };
        }
        assert!(pair.trace.is_empty(), "{:?}", pair.trace);
    }
}

/// The host may decide when a message is over, also for one that does not say so itself.
#[test]
fn a_host_may_set_when_a_message_expires() {
    let mut pair = Pair::connected(Version::V5);
    let mut outgoing = Outgoing::new(pair.now, Arc::new(message("a/b", "1", QoS::AtLeastOnce).to_buf()));
    outgoing.expires = Some(pair.now + Duration::from_millis(1_500));
    pair.server.deliver(pair.now, outgoing).unwrap();
    pair.transmit();
    assert_eq!(intervals(&publishes(Codec::client(Version::V5), &pair.to_client)), [("1", Some(2))]);
}

/// The host's epoch may be anywhere.
#[test]
fn nothing_wraps_at_the_end_of_time() {
    let mut pair = Pair::new(ConnectOptions::new("c"));
    pair.now = Instant::from_micros(u64::MAX - 5);
    publish(&mut pair, "1", QoS::AtLeastOnce, u32::MAX);
    assert_eq!(pair.client.poll_timeout(), Some(Instant::from_micros(u64::MAX)));
    pair.advance(4 * TICK);
    assert_eq!(pair.client.pending(), 1);
    pair.advance(SECOND);
    assert_eq!(pair.client.pending(), 0);
}

#[test]
fn what_has_waited_for_the_time_allowed_is_dropped_wherever_it_stands() {
    for qos in LEVELS {
        let mut options = ConnectOptions::new("c");
        options.limits.queued_time_max = Some(10 * SECOND);
        let mut pair = Pair::new(options);
        let Published::Pending(first) = pair.publish("a", "1", qos) else { panic!() };
        pair.advance(5 * SECOND);
        let sooner = publish(&mut pair, "2", qos, 3).unwrap();
        let Published::Pending(third) = pair.publish("a", "3", qos) else { panic!() };
        assert_eq!(pair.client.poll_timeout(), Some(Instant::ZERO + 8 * SECOND));
        pair.advance(3 * SECOND);
        pair.advance(2 * SECOND - TICK);
        assert_eq!(settled(&pair), [(sooner, Outcome::Expired)]);
        pair.advance(TICK);
        assert_eq!(settled(&pair)[1..], [(first, Outcome::WaitedTooLong)]);
        pair.advance(5 * SECOND);
        assert_eq!(settled(&pair)[2..], [(third, Outcome::WaitedTooLong)]);
        assert_eq!(pair.client.poll_timeout(), None);
    }
}

/// It bounds waiting, not delivery.
#[test]
fn what_is_in_flight_does_not_wait() {
    let mut options = ConnectOptions::new("c");
    options.clean_start = false;
    options.session_expiry_interval = 3600;
    options.limits.queued_time_max = Some(SECOND);
    let mut pair = Pair::new(options);
    pair.connect();
    pair.publish("a", "1", QoS::AtLeastOnce);
    pair.transmit();
    pair.cut();
    pair.advance(100 * SECOND);
    assert_eq!(pair.client.pending(), 1);
    pair.connect();
    assert_eq!(pair.server_received(), ["1"]);
}

/// v5\[MQTT-3.3.2-5\] v5\[MQTT-3.3.2-6\]
#[test]
fn a_broker_keeps_messages_for_a_session_no_longer_than_they_live() {
    for version in [V3, V5] {
        let mut house = House::new();
        let reader = house.join(As::resident(version, "reader"));
        house.subscribe(reader, "a/#", Q1);
        house.cut(reader);
        for (topic, seconds) in [("a/short", 10), ("a/long", 20)] {
            let properties = expiring(seconds);
            let mut message = message(topic, "x", QoS::AtLeastOnce);
            message.properties = properties.as_properties();
            house.broadcast(&message);
        }
        house.broadcast(&message("a/ever", "x", QoS::AtLeastOnce));
        let begin = house.now;
        assert_eq!(house.broker.poll_timeout(), Some(begin + 10 * SECOND));
        house.advance(10 * SECOND);
        assert_eq!(house.broker.counts().deliveries_dropped(), 1);
        assert_eq!(house.broker.poll_timeout(), Some(begin + 20 * SECOND));
        house.advance(2 * SECOND);
        let reader = house.join(As::resident(version, "reader"));
        let long = if version == V5 { "a/long x q1 expires 8" } else { "a/long x q1" };
        assert_eq!(house.got(reader), [long, "a/ever x q1"]);
    }
}
