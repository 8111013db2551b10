//! What the host of a broker says, hears and sees.

mod house;

use std::time::Duration;

use house::*;
use mqtt_proto::ReasonCode;
use mqtt_session::{BrokerEvent, BrokerOptions, Message, OpenError};

fn heard(house: &mut House) -> Vec<String> {
    let mut heard = Vec::new();
    while let Some(event) = house.broker.poll_event() {
        if let BrokerEvent::Published { publisher, message } = event {
            let who = publisher.map_or("nobody".into(), |publisher| publisher.client_id.to_string());
            heard.push(format!("{} by {who}", message.topic().as_str()));
        }
    }
    heard
}

#[test]
fn the_host_hears_each_message_once_that_it_listens_to() {
    let mut house = House::new();
    let writer = house.guest(V5, "writer");
    for text in ["a/#", "a/+", "will"] {
        house.broker.listen(filter(text)).unwrap();
    }
    house.publish(writer, "a/b", "x", Q1);
    house.publish(writer, "b", "x", Q1);
    // Somebody has it.
    assert_eq!(house.answered(writer), [ReasonCode::Success, ReasonCode::NoMatchingSubscribers]);
    house.broadcast(&Message::new(topic("a"), "x"));
    assert_eq!(heard(&mut house), ["a/b by writer", "a by nobody"]);

    let other = house.join(As::resident(V5, "other").will("will", "gone"));
    house.cut(other);
    assert_eq!(heard(&mut house), ["will by other"]);

    assert!(house.broker.unlisten(filter("a/#")));
    assert!(!house.broker.unlisten(filter("a/#")));
    house.publish(writer, "a/b/c", "x", Q0);
    house.publish(writer, "a/b", "x", Q0);
    assert_eq!(heard(&mut house), ["a/b by writer"]);
}

#[test]
fn the_host_sees_sessions() {
    let mut house = House::new();
    let writer = house.guest(V3, "writer");
    let reader = house.join(As::resident(V5, "reader").expiry(60));
    house.subscribe(reader, "a/#", Q1);
    house.subscribe(reader, "$share/g/b", Q1);
    let info = house.broker.session("reader").unwrap();
    assert_eq!((info.version, info.subscriptions, info.pending), (Some(V5), 2, 0));
    assert_eq!((info.connection, info.expires), (Some(house.id(reader)), None));

    house.cut(reader);
    house.publish(writer, "a/b", "x", Q1);
    let info = house.broker.session("reader").unwrap();
    assert_eq!((info.version, info.connection, info.pending, info.pending_bytes), (None, None, 1, 4));
    assert_eq!(info.expires, Some(house.now + 60 * SECOND));
    let filters: Vec<_> = house.broker.subscriptions("reader").map(|filter| filter.as_str()).collect();
    assert_eq!(filters, ["$share/g/b", "a/#"]);
    let mut names: Vec<_> = house.broker.sessions().map(|info| info.client_id.to_string()).collect();
    names.sort();
    assert_eq!(names, ["reader", "writer"]);
    assert!(house.broker.session("nobody").is_none());
}

#[test]
fn the_host_ends_sessions() {
    let mut house = House::new();
    let listener = house.guest(V5, "listener");
    house.subscribe(listener, "will", Q0);
    let reader = house.join(As::resident(V5, "reader").will("will", "gone").will_delay(1000));
    house.subscribe(reader, "a", Q1);
    assert!(house.broker.end_session(house.now, "reader"));
    house.drive();
    assert_eq!(house.said(reader), ["Disconnect 98", "closed"]);
    assert_eq!(house.got(listener), ["will gone"]);
    assert_eq!((house.broker.counts().sessions, house.broker.counts().subscriptions), (1, 1));
    assert!(!house.broker.end_session(house.now, "reader"));
    // One that ends with its connection, and one without a connection.
    house.guest(V3, "guest");
    let away = house.join(As::resident(V3, "away"));
    house.cut(away);
    assert!(house.broker.end_session(house.now, "guest") && house.broker.end_session(house.now, "away"));
    assert_eq!(house.broker.counts().sessions, 1);
}

#[test]
fn draining_waits_for_what_is_on_its_way_and_not_for_ever() {
    let mut house = House::new();
    let writer = house.guest(V5, "writer");
    let [quick, slow, stuck] = ["quick", "slow", "stuck"].map(|name| {
        let reader = house.join(As::resident(V5, name));
        house.subscribe(reader, "a", Q1);
        reader
    });
    house.stop_acknowledging(slow);
    house.stop_acknowledging(stuck);
    house.publish(writer, "a", "x", Q1);
    for who in [writer, quick, slow, stuck] {
        house.said(who);
    }
    let until = house.now + 10 * SECOND;
    house.broker.drain(house.now, until);
    house.drive();
    for gone in [writer, quick] {
        assert_eq!(house.said(gone), ["Disconnect 8B", "closed"]);
    }
    assert_eq!(house.broker.open(house.now), Err(OpenError::ShuttingDown));
    assert_eq!(house.broker.counts().connections, 2);

    house.acknowledge_all(slow);
    assert_eq!(house.said(slow), ["Disconnect 8B", "closed"]);
    assert!(house.said(stuck).is_empty());
    assert_eq!(house.broker.poll_timeout(), Some(until));
    house.advance(10 * SECOND);
    assert_eq!(house.said(stuck), ["Disconnect 8B", "closed"]);
    assert_eq!(house.broker.counts().connections, 0);
}

#[test]
fn nobody_is_let_in_while_the_broker_drains() {
    let mut house = House::new();
    let stuck = house.guest(V5, "stuck");
    house.subscribe(stuck, "a", Q1);
    house.stop_acknowledging(stuck);
    house.publish(stuck, "a", "x", Q1);
    let late = house.open(V5);
    house.broker.drain(house.now, house.now + SECOND);
    house.drive();
    house.introduce(late, As::guest(V5, "late"));
    assert_eq!(house.said(late), ["ConnAck 88", "closed"]);
}

#[test]
fn figures_are_retained_messages_that_only_the_broker_writes() {
    let mut broker_options = BrokerOptions::default();
    broker_options.figures_interval = Some(Duration::from_secs(10));
    let mut house = House::with(broker_options);
    assert!(house.broker.poll_timeout().is_some_and(|due| due <= house.now));
    house.advance(Duration::ZERO);
    assert_eq!(house.broker.poll_timeout(), Some(house.now + 10 * SECOND));

    let reader = house.guest(V5, "reader");
    house.subscribe(reader, "$SYS/broker/clients/connected", Q1);
    assert_eq!(house.got(reader), ["$SYS/broker/clients/connected 0 R"]);
    house.subscribe(reader, "#", Q1);
    assert!(house.got(reader).is_empty());
    house.publish(reader, "$SYS/broker/clients/connected", "7", Q0);
    house.advance(10 * SECOND);
    assert_eq!(house.got(reader), ["$SYS/broker/clients/connected 1"]);
    house.advance(10 * SECOND);
    assert!(house.got(reader).is_empty());
    house.guest(V3, "another");
    house.advance(10 * SECOND);
    assert_eq!(house.got(reader), ["$SYS/broker/clients/connected 2"]);
}
