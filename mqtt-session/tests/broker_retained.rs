//! What is kept for those who subscribe later.

mod house;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use house::*;
use mqtt_proto::{Property, RetainHandling, Subscription, SubscriptionOptions, Version};
use mqtt_session::{Action, BrokerOptions, Policy, Principal, Verdict};

fn handling(retain_handling: RetainHandling) -> SubscriptionOptions {
    SubscriptionOptions { retain_handling, ..options(Q0) }
}

/// v3\[MQTT-3.3.1-5\] v3\[MQTT-3.3.1-6\] v3\[MQTT-3.3.1-8\] v5\[MQTT-3.3.1-5\] v5\[MQTT-3.3.1-9\]
#[test]
fn a_new_subscription_gets_the_last_message_of_each_topic() {
    for version in VERSIONS {
        let mut house = House::new();
        let writer = house.guest(version, "writer");
        house.retain(writer, "a/b", "first", Q0);
        house.retain(writer, "a/b", "last", Q2);
        house.retain(writer, "a/c", "only", Q1);
        house.publish(writer, "a/b", "not kept", Q0);
        house.retain(writer, "b", "elsewhere", Q0);
        house.leave(writer);

        let reader = house.guest(version, "reader");
        house.subscribe(reader, "a/+", Q1);
        assert_eq!(house.got(reader), ["a/b last q1 R", "a/c only q1 R"]);
        assert_eq!(house.broker.counts().retained_messages, 3);
    }
}

#[test]
fn the_answer_to_subscribe_comes_before_what_was_kept() {
    let mut house = House::new();
    let writer = house.guest(V5, "writer");
    house.retain(writer, "a", "kept", Q0);
    let reader = house.guest(V5, "reader");
    // Each is written at once; the order within one write is that of the packets.
    house.block(reader);
    house.subscribe_with(reader, "a", options(Q0), None);
    assert!(house.said(reader).is_empty());
    let mut out = mqtt_proto::TransmitBuf::new();
    house.broker.handle_writable(house.id(reader));
    house.broker.poll_transmit(house.now, &mut out).unwrap();
    let bytes: Vec<u8> = out.slices().flatten().copied().collect();
    assert_eq!(bytes, [0x90, 4, 0, 1, 0, 0, 0x31, 8, 0, 1, b'a', 0, b'k', b'e', b'p', b't']);
}

/// v3\[MQTT-3.3.1-10\] v3\[MQTT-3.3.1-11\] v5\[MQTT-3.3.1-6\] v5\[MQTT-3.3.1-7\]
#[test]
fn an_empty_message_deletes_and_is_still_passed_on() {
    for version in VERSIONS {
        let mut house = House::new();
        let writer = house.guest(version, "writer");
        let live = house.guest(version, "live");
        house.subscribe(live, "a", Q0);
        house.retain(writer, "a", "kept", Q0);
        house.retain(writer, "a", "", Q0);
        assert_eq!(house.got(live), ["a kept", "a "]);
        assert_eq!((house.broker.counts().retained_messages, house.broker.counts().retained_bytes), (0, 0));
        let late = house.guest(version, "late");
        house.subscribe(late, "a", Q0);
        assert!(house.got(late).is_empty());
    }
}

/// v3\[MQTT-3.3.1-12\] v5\[MQTT-3.3.1-8\]
#[test]
fn a_message_that_is_not_retained_leaves_the_kept_one_alone() {
    for version in VERSIONS {
        let mut house = House::new();
        let writer = house.guest(version, "writer");
        house.retain(writer, "a", "kept", Q0);
        house.publish(writer, "a", "other", Q0);
        house.publish(writer, "a", "", Q0);
        let reader = house.guest(version, "reader");
        house.subscribe(reader, "a", Q0);
        assert_eq!(house.got(reader), ["a kept R"]);
    }
}

/// v3\[MQTT-3.1.2-7\]
#[test]
fn what_is_kept_outlives_the_session_that_published_it() {
    for version in VERSIONS {
        let mut house = House::new();
        let writer = house.guest(version, "writer");
        house.retain(writer, "a", "kept", Q0);
        house.cut(writer);
        let again = house.guest(version, "writer");
        house.leave(again);
        assert_eq!(house.broker.counts().sessions, 0);
        assert_eq!(house.broker.counts().retained_messages, 1);
    }
}

/// v3\[MQTT-3.8.4-3\] v5\[MQTT-3.8.4-4\]
#[test]
fn subscribing_again_brings_it_again() {
    for version in VERSIONS {
        let mut house = House::new();
        let writer = house.guest(version, "writer");
        house.retain(writer, "a", "kept", Q2);
        let reader = house.guest(version, "reader");
        house.subscribe(reader, "a", Q0);
        house.subscribe(reader, "a", Q1);
        assert_eq!(house.got(reader), ["a kept R", "a kept q1 R"]);
    }
}

/// v5\[MQTT-3.3.1-10\] v5\[MQTT-3.3.1-11\]
#[test]
fn a_subscriber_may_want_it_once_or_never() {
    let mut house = House::new();
    let writer = house.guest(V5, "writer");
    house.retain(writer, "a", "kept", Q0);
    let reader = house.join(As::resident(V5, "reader"));
    house.subscribe_with(reader, "a", handling(RetainHandling::DoNotSend), None);
    assert!(house.got(reader).is_empty());
    house.subscribe_with(reader, "a", handling(RetainHandling::SendIfNew), None);
    assert!(house.got(reader).is_empty());
    house.subscribe_with(reader, "a", handling(RetainHandling::SendAtSubscribe), None);
    assert_eq!(house.got(reader), ["a kept R"]);
    house.unsubscribe(reader, &["a"]);
    house.subscribe_with(reader, "a", handling(RetainHandling::SendIfNew), None);
    assert_eq!(house.got(reader), ["a kept R"]);

    // New is what the session does not have, not what the connection does not have.
    house.leave_after_looking(reader);
    let reader = house.join(As::resident(V5, "reader"));
    house.subscribe_with(reader, "a", handling(RetainHandling::SendIfNew), None);
    assert!(house.got(reader).is_empty());
}

#[test]
fn it_bears_the_identifier_of_the_subscription_that_asked_for_it() {
    let mut house = House::new();
    let writer = house.guest(V5, "writer");
    house.retain(writer, "a/b", "kept", Q0);
    let reader = house.guest(V5, "reader");
    house.subscribe_with(reader, "a/#", options(Q0), Some(1));
    assert_eq!(house.got(reader), ["a/b kept R #1"]);
    house.subscribe_with(reader, "a/b", SubscriptionOptions { retain_as_published: true, ..options(Q0) }, Some(2));
    assert_eq!(house.got(reader), ["a/b kept R #2"]);
}

#[test]
fn each_filter_of_a_packet_brings_its_own() {
    for version in VERSIONS {
        let mut house = House::new();
        let writer = house.guest(version, "writer");
        house.retain(writer, "a", "A", Q2);
        house.retain(writer, "b", "B", Q2);
        let reader = house.guest(version, "reader");
        let all = [
            Subscription::new(filter("b"), Q0),
            Subscription::new(filter("$share/x/a"), Q0),
            Subscription::new(filter("#"), Q1),
        ];
        let all = if version == V5 { &[all[0], all[2]][..] } else { &all[..] };
        house.subscribe_all(reader, all, None);
        assert_eq!(house.got(reader), ["b B R", "a A q1 R", "b B q1 R"]);
    }
}

#[test]
fn a_subscriber_who_publishes_at_once_gets_each_message_once() {
    for version in VERSIONS {
        let mut house = House::new();
        let both = house.guest(version, "both");
        // In one piece: SUBSCRIBE to `a`, then a retained PUBLISH to it.
        let mut bytes = vec![0x82, 6, 0, 1, 0, 1, b'a', 0, 0x31, 4, 0, 1, b'a', b'x'];
        if version == V5 {
            bytes = vec![0x82, 7, 0, 1, 0, 0, 1, b'a', 0, 0x31, 5, 0, 1, b'a', 0, b'x'];
        }
        house.send_bytes(both, &bytes);
        assert_eq!(house.got(both), ["a x"]);
    }
}

#[test]
fn there_may_be_more_than_any_queue_holds() {
    let mut limits = BrokerOptions::default();
    limits.server.limits.queued_messages_max = 20;
    limits.server.limits.output_bytes_max = 500;
    for version in VERSIONS {
        for qos in [Q0, Q1, Q2] {
            let mut house = House::with(limits.clone());
            let writer = house.guest(version, "writer");
            let names: Vec<_> = (0..1_000).map(|number| format!("a/{number:03}")).collect();
            for name in &names {
                house.retain(writer, name, "x", qos);
            }
            let reader = house.guest(version, "reader");
            house.subscribe(reader, "a/+", Q2);
            let got: Vec<_> =
                house.got(reader).iter().map(|words| words.split(' ').next().unwrap().to_owned()).collect();
            assert_eq!(got, names);
            assert_eq!(house.broker.counts().deliveries_dropped(), 0);
        }
    }
}

#[test]
fn what_was_still_to_be_sent_comes_on_the_next_connection() {
    let mut limits = BrokerOptions::default();
    limits.server.limits.in_flight_max = 3;
    limits.server.limits.in_flight_before_5_max = 3;
    for version in VERSIONS {
        let mut house = House::with(limits.clone());
        let writer = house.guest(version, "writer");
        for number in 0..10 {
            house.retain(writer, &format!("a/{number}"), "x", Q1);
        }
        let reader = house.join(As::resident(version, "reader"));
        house.stop_acknowledging(reader);
        house.subscribe(reader, "a/+", Q1);
        assert_eq!(house.got(reader), ["a/0 x q1 R", "a/1 x q1 R", "a/2 x q1 R"]);
        house.cut(reader);
        // One of those that wait is gone meanwhile.
        house.retain(writer, "a/7", "", Q0);
        let reader = house.join(As::resident(version, "reader"));
        let expected: Vec<_> = [0, 1, 2]
            .iter()
            .map(|n| format!("a/{n} x q1 R D"))
            .chain([3, 4, 5, 6, 8, 9].iter().map(|n| format!("a/{n} x q1 R")))
            .collect();
        assert_eq!(house.got(reader), expected);
    }
}

#[test]
fn unsubscribing_ends_what_was_still_to_be_sent() {
    let mut limits = BrokerOptions::default();
    limits.server.limits.in_flight_max = 1;
    limits.server.limits.in_flight_before_5_max = 1;
    let mut house = House::with(limits);
    let writer = house.guest(V5, "writer");
    for number in 0..10 {
        house.retain(writer, &format!("a/{number}"), "x", Q1);
    }
    let reader = house.guest(V5, "reader");
    house.stop_acknowledging(reader);
    house.subscribe(reader, "a/+", Q1);
    house.unsubscribe(reader, &["a/+"]);
    assert_eq!(house.said(reader), ["UnsubAck 00"]);
    // Nor does it come to life again.
    house.subscribe_with(reader, "a/+", handling(RetainHandling::DoNotSend), None);
    let before = house.got(reader).len();
    house.acknowledge_all(reader);
    // The one that waited already may come; the others don't.
    assert!(before + house.got(reader).len() <= 2);
}

/// What it says is no longer true: v3\[MQTT-3.3.1-7\]
#[test]
fn a_message_replaces_the_one_before_it_also_at_qos_0_and_if_it_is_not_kept_itself() {
    let mut limits = BrokerOptions::default();
    limits.retained_bytes_max = 20;
    for version in VERSIONS {
        let mut house = House::with(limits.clone());
        let writer = house.guest(version, "writer");
        house.retain(writer, "a", "first", Q2);
        house.retain(writer, "a", "second", Q0);
        let reader = house.guest(version, "reader");
        house.subscribe(reader, "a", Q2);
        assert_eq!(house.got(reader), ["a second R"]);
        house.retain(writer, "a", "much too long to be kept", Q0);
        assert_eq!(house.broker.counts().retained_messages, 0);
        assert_eq!(house.broker.counts().retained_dropped, 1);
    }
}

#[test]
fn a_full_store_keeps_no_more_and_says_so() {
    let mut limits = BrokerOptions::default();
    limits.retained_messages_max = 2;
    let mut house = House::with(limits);
    let writer = house.guest(V5, "writer");
    let reader = house.guest(V5, "reader");
    house.subscribe(reader, "#", Q0);
    for name in ["a", "b", "c"] {
        house.retain(writer, name, "x", Q0);
    }
    assert_eq!(house.got(reader).len(), 3);
    assert_eq!(house.broker.counts().retained_messages, 2);
    assert_eq!(house.broker.counts().retained_dropped, 1);
}

/// v3\[MQTT-4.7.2-1\] v5\[MQTT-4.7.2-1\]
#[test]
fn wildcards_at_the_front_do_not_bring_the_servers_topics() {
    let mut house = House::new();
    let mut message = mqtt_session::Message::new(topic("$SYS/version"), "1");
    message.retain = true;
    house.broadcast(&message);
    let reader = house.guest(V5, "reader");
    house.subscribe(reader, "#", Q0);
    house.subscribe(reader, "+/version", Q0);
    assert!(house.got(reader).is_empty());
    house.subscribe(reader, "$SYS/+", Q0);
    assert_eq!(house.got(reader), ["$SYS/version 1 R"]);
}

#[test]
fn a_broker_that_offers_none_keeps_none() {
    let mut none = BrokerOptions::default();
    none.server.retain_available = false;
    let mut house = House::with(none);
    let writer = house.guest(V5, "writer");
    house.retain(writer, "a", "x", Q0);
    assert_eq!(house.said(writer), ["Disconnect 9A", "closed"]);
    let mut message = mqtt_session::Message::new(topic("a"), "x");
    message.retain = true;
    house.broadcast(&message);
    assert_eq!(house.broker.counts().retained_messages, 0);
}

#[test]
fn looking_for_few_among_many_keeps_nobody_waiting() {
    let mut house = House::new();
    let writer = house.guest(V5, "writer");
    for number in 0..10_000 {
        house.retain(writer, &format!("{number:04}/value"), "x", Q0);
    }
    house.retain(writer, "9999/other", "x", Q0);
    let reader = house.guest(V5, "reader");
    house.subscribe(reader, "+/other", Q0);
    // Not in one go: whoever else is ready has a turn before the rest.
    assert!(house.got(reader).is_empty());
    let mut turns = 0;
    while let Some(next) = house.broker.poll_timeout() {
        turns += 1;
        house.advance(next.since(house.now));
    }
    assert_eq!(house.got(reader), ["9999/other x R"]);
    assert!((2..10).contains(&turns), "{turns} turns");
}

/// v5\[MQTT-3.3.2-5\] v5\[MQTT-3.3.2-6\]
#[test]
fn what_was_kept_expires_and_says_what_is_left_of_its_time() {
    let mut house = House::new();
    let writer = house.guest(V5, "writer");
    let mut message = mqtt_session::Message::new(topic("a"), "x");
    let ten_seconds = properties([Property::MessageExpiryInterval(10)]);
    message.retain = true;
    message.properties = ten_seconds.as_properties();
    house.broadcast(&message);
    house.retain(writer, "b", "for ever", Q0);

    house.advance(Duration::from_secs(4));
    let reader = house.guest(V5, "reader");
    house.subscribe(reader, "#", Q0);
    assert_eq!(house.got(reader), ["a x R expires 6", "b for ever R"]);
    house.advance(Duration::from_millis(5_900));
    house.subscribe(reader, "a", Q0);
    assert_eq!(house.got(reader), ["a x R expires 1"]);
    // Also if nobody has looked at the time.
    house.oversleep(Duration::from_millis(100));
    house.subscribe(reader, "#", Q0);
    assert_eq!(house.got(reader), ["b for ever R"]);
    assert_eq!(house.broker.counts().retained_messages, 2);
    assert_eq!(house.broker.poll_timeout(), Some(house.now));
    house.advance(Duration::ZERO);
    assert_eq!(house.broker.counts().retained_messages, 1);
}

/// v5\[MQTT-3.8.3-3\]
#[test]
fn no_local_holds_for_what_was_kept() {
    let mut house = House::new();
    let writer = house.guest(V5, "writer");
    let other = house.guest(V5, "other");
    house.retain(writer, "a", "mine", Q0);
    house.retain(other, "b", "yours", Q0);
    let no_local = SubscriptionOptions { no_local: true, ..options(Q0) };
    house.subscribe_with(writer, "#", no_local, None);
    assert_eq!(house.got(writer), ["b yours R"]);
    // It is the client that counts, not the connection or the session.
    house.leave_after_looking(writer);
    let writer = house.guest(V5, "writer");
    house.subscribe_with(writer, "#", no_local, None);
    assert_eq!(house.got(writer), ["b yours R"]);
    house.subscribe_with(writer, "#", options(Q0), None);
    assert_eq!(house.got(writer), ["a mine R", "b yours R"]);
}

/// Publishers may do everything, except what `taken` says.
#[derive(Debug, Default)]
struct Rules {
    taken: Mutex<Vec<(&'static str, &'static str)>>,
    asked: AtomicUsize,
}

impl Policy for Rules {
    fn check(&self, who: &Principal, action: &Action<'_>) -> Verdict {
        let verb = match action {
            Action::Publish { .. } => "publish",
            Action::Store { .. } => "store",
            _ => return Verdict::Allow,
        };
        self.asked.fetch_add(1, Ordering::Relaxed);
        let taken = self.taken.lock().unwrap().contains(&(&*who.client_id, verb));
        if taken { Verdict::DENY } else { Verdict::Allow }
    }
}

#[test]
fn what_its_publisher_may_leave_behind_no_longer_is_kept_from_others() {
    let mut house = House::new();
    let rules = Arc::new(Rules::default());
    house.broker.set_policy(Arc::clone(&rules) as Arc<dyn Policy>);
    for name in ["one", "two", "three"] {
        let writer = house.join(As::guest(V5, name));
        house.retain(writer, name, "x", Q0);
        house.leave(writer);
    }
    let mut message = mqtt_session::Message::new(topic("host"), "x");
    message.retain = true;
    house.broadcast(&message);
    let reader = house.guest(V5, "reader");
    let before = rules.asked.load(Ordering::Relaxed);
    house.subscribe(reader, "#", Q0);
    assert_eq!(house.got(reader), ["host x R", "one x R", "three x R", "two x R"]);
    // Of what has been said already nobody is asked again.
    assert_eq!(rules.asked.load(Ordering::Relaxed), before);

    *rules.taken.lock().unwrap() = vec![("one", "publish"), ("two", "store")];
    house.broker.policy_changed();
    house.subscribe(reader, "#", Q0);
    assert_eq!(house.got(reader), ["host x R", "three x R"]);
    // It was not removed.
    rules.taken.lock().unwrap().clear();
    house.broker.policy_changed();
    house.subscribe(reader, "#", Q0);
    assert_eq!(house.got(reader).len(), 4);
}

/// A writer, and a reader who has got the first of so many retained messages and acknowledges nothing.
fn house_in_the_middle(version: Version, count: usize) -> (House, Who, Who) {
    let mut limits = BrokerOptions::default();
    limits.server.limits.in_flight_max = 1;
    limits.server.limits.in_flight_before_5_max = 1;
    let mut house = House::with(limits);
    let writer = house.guest(version, "writer");
    for number in 0..count {
        house.retain(writer, &format!("a/{number}"), "old", Q1);
    }
    let reader = house.join(As::resident(version, "reader"));
    house.stop_acknowledging(reader);
    house.subscribe(reader, "a/+", Q1);
    assert_eq!(house.got(reader), ["a/0 old q1 R"]);
    (house, writer, reader)
}

#[test]
fn what_comes_while_others_are_still_to_be_sent_is_not_sent_twice() {
    for version in VERSIONS {
        let (mut house, writer, reader) = house_in_the_middle(version, 5);
        house.retain(writer, "a/3", "new", Q1);
        house.acknowledge_all(reader);
        // Nor is an old one behind the new one.
        assert_eq!(house.got(reader), ["a/1 old q1 R", "a/3 new q1", "a/2 old q1 R", "a/4 old q1 R"]);
    }
}

#[test]
fn what_came_while_the_client_was_away_is_sent_with_the_others() {
    for version in VERSIONS {
        let (mut house, writer, reader) = house_in_the_middle(version, 3);
        house.cut(reader);
        // At most once: it does not wait.
        house.retain(writer, "a/2", "new", Q0);
        let reader = house.join(As::resident(version, "reader"));
        assert_eq!(house.got(reader), ["a/0 old q1 R D", "a/1 old q1 R", "a/2 new R"]);
    }
}
