//! What becomes of messages for which there is no room.

mod house;
mod support;

use std::sync::Arc;
use std::time::Duration;

use house::{As, House, Q1, V5};
use mqtt_proto::{PropertiesBuf, Property, QoS, ReasonCode};
use mqtt_session::{
    BrokerOptions, ConnectOptions, Event, Instant, Limits, Outcome, Outgoing, PublishError, PublishId, Published,
    SessionState, WhenFull,
};
use support::{Pair, Said, message};

const DONE: Outcome = Outcome::Delivered(ReasonCode::Success);

/// A client that holds so much.
fn pair(messages: usize, bytes: usize, when_full: WhenFull) -> Pair {
    let mut options = ConnectOptions::new("c");
    options.limits.queued_messages_max = messages;
    options.limits.queued_bytes_max = bytes;
    options.limits.when_full = when_full;
    Pair::new(options)
}

fn publish(pair: &mut Pair, payload: &str) -> PublishId {
    match pair.publish("a", payload, QoS::AtLeastOnce) {
        Published::Pending(id) => id,
        Published::Sent => panic!("not at QoS 1"),
    }
}

fn settled(pair: &mut Pair) -> Vec<(PublishId, Outcome)> {
    pair.advance(Duration::ZERO);
    let settled = pair.client_said.iter().filter_map(|said| match said {
        Said::Published(id, outcome) => Some((*id, *outcome)),
        _ => None,
    });
    settled.collect()
}

/// Not even what has expired is settled, if that makes too little room.
#[test]
fn what_is_refused_leaves_nothing_behind() {
    let mut pair = pair(9, 30, WhenFull::Refuse);
    publish(&mut pair, &"x".repeat(19));
    let mut expires = PropertiesBuf::new();
    expires.push(Property::MessageExpiryInterval(1)).unwrap();
    let mut first = message("a", "1", QoS::AtLeastOnce);
    first.properties = expires.as_properties();
    let Published::Pending(first) = pair.client.publish(pair.now, &first).unwrap() else { panic!("not at QoS 1") };
    pair.now = pair.now + Duration::from_secs(1);

    let (before, mut session) = (pair.client.clone(), pair.client.session().clone());
    let large = message("a", "1234567890", QoS::AtLeastOnce);
    let full = PublishError::QueueFull { messages: 2, bytes: 27 };
    assert_eq!(pair.client.publish(pair.now, &large), Err(full));
    assert_eq!(pair.client, before);
    let outgoing = Outgoing::new(pair.now, Arc::new(large.to_buf()));
    assert_eq!(session.enqueue(pair.now, &before.options().limits, outgoing), Err(full));
    assert_eq!(&session, before.session());

    // One byte less, and it has its room.
    publish(&mut pair, "123456789");
    assert_eq!(pair.client.poll_event(), Some(Event::Published { id: first, outcome: Outcome::Expired }));
}

#[test]
fn the_newest_may_be_dropped() {
    let mut pair = pair(2, usize::MAX, WhenFull::DropNewest);
    let ids: Vec<_> = ["1", "2", "3", "4"].map(|payload| publish(&mut pair, payload)).into();
    assert_eq!(settled(&mut pair), [(ids[2], Outcome::QueueFull), (ids[3], Outcome::QueueFull)]);
    pair.connect();
    assert_eq!(pair.server_received(), ["1", "2"]);
    assert_eq!(settled(&mut pair)[2..], [(ids[0], DONE), (ids[1], DONE)]);
}

#[test]
fn the_oldest_may_be_dropped() {
    let mut pair = pair(2, usize::MAX, WhenFull::DropOldest);
    let ids: Vec<_> = ["1", "2", "3", "4"].map(|payload| publish(&mut pair, payload)).into();
    assert_eq!(settled(&mut pair), [(ids[0], Outcome::QueueFull), (ids[1], Outcome::QueueFull)]);
    pair.connect();
    assert_eq!(pair.server_received(), ["3", "4"]);
    assert_eq!(settled(&mut pair)[2..], [(ids[2], DONE), (ids[3], DONE)]);
}

/// Bytes are those of topic and payload.
#[test]
fn as_many_of_the_oldest_are_dropped_as_it_takes_and_no_more() {
    let mut pair = pair(100, 10, WhenFull::DropOldest);
    let ids: Vec<_> = ["1", "2", "3", "4", "5"].map(|payload| publish(&mut pair, payload)).into();
    let large = publish(&mut pair, "123");
    assert_eq!(settled(&mut pair), [(ids[0], Outcome::QueueFull), (ids[1], Outcome::QueueFull)]);
    assert_eq!(pair.client.session().pending_bytes(), 10);
    // One that does not fit at all is not worth the others.
    let larger = publish(&mut pair, "1234567890");
    assert_eq!(settled(&mut pair)[2..], [(larger, Outcome::QueueFull)]);
    pair.connect();
    assert_eq!(pair.server_received(), ["3", "4", "5", "123"]);
    assert!(settled(&mut pair).contains(&(large, DONE)));
}

#[test]
fn what_is_in_flight_is_not_dropped_for_others() {
    let mut pair = pair(2, usize::MAX, WhenFull::DropOldest);
    pair.connect();
    let first = publish(&mut pair, "1");
    let second = publish(&mut pair, "2");
    pair.transmit();
    let third = publish(&mut pair, "3");
    assert_eq!(settled(&mut pair), [(third, Outcome::QueueFull)]);
    pair.drive();
    assert_eq!(settled(&mut pair)[1..], [(first, DONE), (second, DONE)]);
}

#[test]
fn what_is_over_makes_room_first() {
    for when_full in [WhenFull::Refuse, WhenFull::DropNewest, WhenFull::DropOldest] {
        let mut pair = pair(2, usize::MAX, when_full);
        let first = publish(&mut pair, "1");
        let mut properties = PropertiesBuf::new();
        properties.push(Property::MessageExpiryInterval(1)).unwrap();
        let mut expiring = message("a", "2", QoS::AtLeastOnce);
        expiring.properties = properties.as_properties();
        let Ok(Published::Pending(second)) = pair.client.publish(pair.now, &expiring) else { panic!() };
        pair.now = pair.now + Duration::from_secs(1);
        publish(&mut pair, "3");
        assert_eq!(settled(&mut pair), [(second, Outcome::Expired)]);
        assert_ne!(first, second);
        assert_eq!(pair.client.pending(), 2);
    }
}

#[test]
fn a_session_without_a_connection_keeps_to_the_same_policy() {
    let outgoing = || Outgoing::new(Instant::ZERO, Arc::new(message("a", "1", QoS::AtLeastOnce).to_buf()));
    let mut limits = Limits::default();
    limits.queued_messages_max = 1;
    let refused = Err(PublishError::QueueFull { messages: 1, bytes: 2 });
    for (when_full, second) in
        [(WhenFull::Refuse, refused), (WhenFull::DropNewest, Ok(1)), (WhenFull::DropOldest, Ok(1))]
    {
        limits.when_full = when_full;
        let mut session = SessionState::default();
        assert_eq!(session.enqueue(Instant::ZERO, &limits, outgoing()), Ok(0));
        assert_eq!(session.enqueue(Instant::ZERO, &limits, outgoing()), second);
        assert_eq!(session.pending(), 1);
    }
}

#[test]
fn a_session_without_a_connection_is_told_the_time() {
    let mut limits = Limits::default();
    limits.queued_time_max = Some(Duration::from_secs(5));
    let mut session = SessionState::default();
    let outgoing = Outgoing::new(Instant::ZERO, Arc::new(message("a", "1", QoS::AtLeastOnce).to_buf()));
    session.enqueue(Instant::ZERO, &limits, outgoing).unwrap();
    let due = session.poll_timeout().unwrap();
    assert_eq!(due, Instant::ZERO + Duration::from_secs(5));
    assert_eq!(session.handle_timeout(Instant::from_micros(due.as_micros() - 1)), 0);
    assert_eq!(session.handle_timeout(due), 1);
    assert_eq!((session.pending(), session.pending_bytes(), session.poll_timeout()), (0, 0, None));
}

#[test]
fn a_broker_keeps_the_newest_for_a_client_that_is_away_if_it_is_told_to() {
    let mut options = BrokerOptions::default();
    options.server.limits.queued_messages_max = 2;
    options.server.limits.when_full = WhenFull::DropOldest;
    let mut house = House::with(options);
    let reader = house.join(As::resident(V5, "reader"));
    house.subscribe(reader, "a", Q1);
    house.cut(reader);
    for payload in ["1", "2", "3", "4", "5"] {
        house.broadcast(&message("a", payload, QoS::AtLeastOnce));
    }
    assert_eq!(house.broker.counts().deliveries_dropped(), 3);
    let reader = house.join(As::resident(V5, "reader"));
    assert_eq!(house.got(reader), ["a 4 q1", "a 5 q1"]);
}

/// Much is dropped from the middle, and it takes no time to speak of: I8.
#[test]
fn many_messages_that_expire_in_any_order_are_dropped_one_by_one() {
    let mut limits = Limits::default();
    limits.queued_messages_max = 60_000;
    let message = Arc::new(message("a", "1", QoS::AtLeastOnce).to_buf());
    let mut session = SessionState::default();
    for number in 0..60_000_u64 {
        let mut outgoing = Outgoing::new(Instant::ZERO, Arc::clone(&message));
        outgoing.expires = Some(Instant::from_micros(number * 48_271 % 60_007));
        session.enqueue(Instant::ZERO, &limits, outgoing).unwrap();
    }
    let mut dropped = 0;
    while let Some(due) = session.poll_timeout() {
        dropped += session.handle_timeout(due);
    }
    assert_eq!((dropped, session.pending()), (60_000, 0));
}

#[test]
fn output_that_may_be_nothing_is_one_message_at_a_time() {
    let mut options = ConnectOptions::new("c");
    options.limits.output_bytes_max = 0;
    let mut pair = Pair::new(options);
    pair.connect();
    pair.publish("a", "1", QoS::AtMostOnce);
    pair.publish("a", "2", QoS::AtLeastOnce);
    pair.drive();
    assert_eq!(pair.server_received(), ["1", "2"]);
    assert_eq!(pair.client.pending(), 0);
}
