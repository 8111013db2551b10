//! Shared subscriptions (5.0 section 4.8.2): of those who share one, each message is for one.

mod house;

use house::*;
use mqtt_proto::{Ack, Packet, ReasonCode, Version};
use mqtt_session::BrokerOptions;

const GROUP: &str = "$share/g/jobs/#";

fn member(house: &mut House, name: &str, qos: mqtt_proto::QoS) -> Who {
    let member = house.join(As::resident(V5, name));
    house.subscribe(member, GROUP, qos);
    member
}

fn publish(house: &mut House, writer: Who, count: usize, qos: mqtt_proto::QoS) {
    for number in 0..count {
        house.publish(writer, &format!("jobs/{number}"), "x", qos);
    }
}

#[test]
fn each_message_is_for_one_of_them_and_they_take_turns() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut house = House::new();
        let writer = house.guest(version, "writer");
        let members: Vec<_> = ["a", "b", "c"].map(|name| house.join(As::resident(version, name))).into();
        for &member in &members {
            house.subscribe(member, GROUP, Q1);
            // Once more: it changes nothing.
            house.subscribe(member, GROUP, Q1);
        }
        publish(&mut house, writer, 9, Q1);
        let got: Vec<_> = members.iter().map(|&member| house.got(member)).collect();
        assert_eq!(got[0], ["jobs/0 x q1", "jobs/3 x q1", "jobs/6 x q1"]);
        assert_eq!(got.iter().map(Vec::len).sum::<usize>(), 9);
        assert!(got.iter().all(|got| got.len() == 3));
    }
}

#[test]
fn groups_and_those_who_share_nothing_do_not_know_one_another() {
    let mut house = House::new();
    let writer = house.guest(V5, "writer");
    let first = member(&mut house, "first", Q1);
    let second = house.guest(V5, "second");
    house.subscribe(second, "$share/other/jobs/#", Q1);
    house.subscribe(second, "jobs/0", Q0);
    publish(&mut house, writer, 1, Q1);
    assert_eq!(house.got(first), ["jobs/0 x q1"]);
    assert_eq!(house.got(second), ["jobs/0 x", "jobs/0 x q1"]);
    house.unsubscribe(second, &["$share/other/jobs/#"]);
    publish(&mut house, writer, 1, Q1);
    assert_eq!((house.got(first).len(), house.got(second).len()), (1, 1));
}

/// Each member has its own QoS and identifier: v5\[MQTT-4.8.2-3\]
#[test]
fn a_member_gets_what_it_asked_for() {
    let mut house = House::new();
    let writer = house.guest(V5, "writer");
    let [a, b] = [("a", Q0, 7), ("b", Q2, 8)].map(|(name, qos, id)| {
        let member = house.guest(V5, name);
        house.subscribe_with(member, GROUP, options(qos), Some(id));
        member
    });
    publish(&mut house, writer, 2, Q2);
    assert_eq!(house.got(a), ["jobs/0 x #7"]);
    assert_eq!(house.got(b), ["jobs/1 x q2 #8"]);
}

/// v5\[MQTT-3.3.4-5\]
#[test]
fn a_copy_for_a_group_bears_no_identifier_but_its_own() {
    let mut house = House::new();
    let writer = house.guest(V5, "writer");
    let reader = house.guest(V5, "reader");
    house.subscribe_with(reader, "jobs/+", options(Q2), Some(1));
    house.subscribe_with(reader, "jobs/#", options(Q0), Some(2));
    house.subscribe_with(reader, GROUP, options(Q1), Some(3));
    house.subscribe_with(reader, "$share/other/jobs/#", options(Q0), None);
    publish(&mut house, writer, 1, Q2);
    let mut got = house.got(reader);
    got.sort();
    assert_eq!(got, ["jobs/0 x", "jobs/0 x q1 #3", "jobs/0 x q2 #1 #2"]);
}

/// 5.0 section 4.8.2: no retained messages for a shared subscription.
#[test]
fn retained_messages_are_not_for_groups() {
    let mut house = House::new();
    let writer = house.guest(V5, "writer");
    house.retain(writer, "jobs/old", "x", Q1);
    let reader = member(&mut house, "reader", Q1);
    assert!(house.got(reader).is_empty());
    house.retain(writer, "jobs/new", "x", Q1);
    assert_eq!(house.got(reader), ["jobs/new x q1"]);
}

#[test]
fn whoever_is_away_gets_something_only_if_all_are() {
    let mut house = House::new();
    let writer = house.guest(V5, "writer");
    let [a, b] = ["a", "b"].map(|name| member(&mut house, name, Q1));
    house.cut(a);
    publish(&mut house, writer, 4, Q1);
    assert_eq!(house.got(b).len(), 4);
    house.cut(b);
    publish(&mut house, writer, 4, Q1);
    let [a, b] = ["a", "b"].map(|name| house.join(As::resident(V5, name)));
    assert_eq!((house.got(a).len(), house.got(b).len()), (2, 2));
}

#[test]
fn whoever_is_slow_gets_something_only_if_all_are() {
    let mut broker_options = BrokerOptions::default();
    broker_options.server.limits.in_flight_max = 2;
    let mut house = House::with(broker_options);
    let writer = house.guest(V5, "writer");
    let [slow, quick] = ["slow", "quick"].map(|name| member(&mut house, name, Q1));
    house.stop_acknowledging(slow);
    publish(&mut house, writer, 10, Q1);
    assert_eq!((house.got(slow).len(), house.got(quick).len()), (2, 8));
}

/// v5\[MQTT-4.8.2-5\]
#[test]
fn what_a_session_leaves_when_it_ends_goes_to_another() {
    let mut house = House::new();
    let writer = house.guest(V5, "writer");
    let a = house.join(As::resident(V5, "a").expiry(60));
    house.subscribe(a, GROUP, Q2);
    house.stop_acknowledging(a);
    publish(&mut house, writer, 1, Q1);
    house.publish(writer, "jobs/twice", "x", Q2);
    assert_eq!(house.got(a), ["jobs/0 x q1", "jobs/twice x q2"]);
    house.cut(a);
    publish(&mut house, writer, 2, Q1);
    let b = member(&mut house, "b", Q1);
    assert!(house.got(b).is_empty());
    house.advance(60 * SECOND);
    // At QoS 2 it has been sent, and is for nobody else.
    assert_eq!(house.got(b), ["jobs/0 x q1", "jobs/0 x q1", "jobs/1 x q1"]);
}

/// v5\[MQTT-4.8.2-4\]
#[test]
fn a_message_at_qos_2_stays_with_whom_it_was_sent_to() {
    let mut house = House::new();
    let writer = house.guest(V5, "writer");
    let [a, b] = ["a", "b"].map(|name| member(&mut house, name, Q2));
    house.stop_acknowledging(a);
    publish(&mut house, writer, 1, Q2);
    assert_eq!(house.got(a), ["jobs/0 x q2"]);
    house.cut(a);
    assert!(house.got(b).is_empty());
    let a = house.join(As::resident(V5, "a"));
    assert_eq!(house.got(a), ["jobs/0 x q2 D"]);
    assert!(house.got(b).is_empty());
}

/// v5\[MQTT-4.8.2-6\]
#[test]
fn what_a_member_refuses_is_offered_to_nobody_else() {
    for qos in [Q1, Q2] {
        let mut house = House::new();
        let writer = house.guest(V5, "writer");
        let [a, b] = ["a", "b"].map(|name| member(&mut house, name, qos));
        house.stop_acknowledging(a);
        publish(&mut house, writer, 1, qos);
        assert_eq!(house.got(a).len(), 1);
        let refused = Ack { reason_code: ReasonCode::UnspecifiedError, ..Ack::new(house.unanswered(a)[0]) };
        house.send(a, &if qos == Q1 { Packet::PubAck(refused) } else { Packet::PubRec(refused) });
        assert!(house.got(b).is_empty());
        // Nor when its session ends.
        house.leave(a);
        let a = house.join(As::guest(V5, "a"));
        assert!(house.got(a).is_empty() && house.got(b).is_empty());
        house.leave(a);
        house.advance(SECOND);
        assert!(house.got(b).is_empty());
    }
}

#[test]
fn whoever_leaves_the_group_leaves_what_waits_to_the_others() {
    let mut broker_options = BrokerOptions::default();
    broker_options.server.limits.in_flight_max = 1;
    let mut house = House::with(broker_options);
    let writer = house.guest(V5, "writer");
    let a = member(&mut house, "a", Q1);
    house.stop_acknowledging(a);
    publish(&mut house, writer, 3, Q1);
    assert_eq!(house.got(a), ["jobs/0 x q1"]);
    let b = member(&mut house, "b", Q1);
    house.unsubscribe(a, &[GROUP]);
    assert_eq!(house.got(b), ["jobs/1 x q1", "jobs/2 x q1"]);
    assert_eq!(house.broker.counts().deliveries_dropped(), 0);
    // The last one leaves nothing to nobody.
    house.stop_acknowledging(b);
    publish(&mut house, writer, 3, Q1);
    house.unsubscribe(b, &[GROUP]);
    assert_eq!(house.broker.counts().deliveries_dropped(), 2);
    assert_eq!(house.broker.counts().subscriptions, 0);
}
