//! What is published for those who go without a word.

mod house;

use house::*;
use mqtt_proto::{Packet, Property, Publish, ReasonCode, SubscriptionOptions, Text, Will};
use mqtt_session::BrokerOptions;

/// A house with somebody who listens to wills.
fn house_with_listener() -> (House, Who) {
    let mut house = House::new();
    let listener = house.guest(V5, "listener");
    house.subscribe(listener, "will/#", Q2);
    (house, listener)
}

/// v3\[MQTT-3.1.2-8\] v5\[MQTT-3.1.2-7\] v5\[MQTT-3.1.2-8\]
#[test]
fn a_lost_connection_publishes_the_will_once() {
    for version in VERSIONS {
        let (mut house, listener) = house_with_listener();
        let client = house.join(As::guest(version, "client").will("will/client", "gone"));
        house.cut(client);
        assert_eq!(house.got(listener), ["will/client gone"]);
        house.cut(client);
        house.advance(1_000_000 * SECOND);
        assert!(house.got(listener).is_empty());
    }
}

/// v3\[MQTT-3.1.2-10\] v3\[MQTT-3.14.4-3\] v5\[MQTT-3.1.2-10\] v5\[MQTT-3.14.4-3\]
#[test]
fn a_disconnect_in_good_order_deletes_the_will() {
    for version in VERSIONS {
        let (mut house, listener) = house_with_listener();
        let client = house.join(As::resident(version, "client").will("will/client", "gone"));
        house.leave(client);
        house.cut(client);
        house.advance(1_000_000 * SECOND);
        assert!(house.got(listener).is_empty());
    }
}

/// v5\[MQTT-3.1.2-10\]
#[test]
fn a_disconnect_with_any_other_code_publishes_it() {
    for reason_code in [ReasonCode::DisconnectWithWill, ReasonCode::UnspecifiedError, ReasonCode::MessageRateTooHigh] {
        let (mut house, listener) = house_with_listener();
        let client = house.join(As::guest(V5, "client").will("will/client", "gone"));
        house.leave_with(client, reason_code);
        assert_eq!(house.got(listener), ["will/client gone"]);
    }
}

#[test]
fn a_broken_rule_publishes_it() {
    for version in VERSIONS {
        let (mut house, listener) = house_with_listener();
        let second_connect = house.join(As::guest(version, "one").will("will/one", "gone"));
        house.send(second_connect, &Packet::Connect(mqtt_proto::Connect::new(mqtt_proto::Text::EMPTY)));
        let no_packet = house.join(As::guest(version, "two").will("will/two", "gone"));
        house.send_bytes(no_packet, &[0xF3, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(house.got(listener), ["will/one gone", "will/two gone"]);
        let goodbye = if version == V5 { &["Disconnect 82", "closed"][..] } else { &["closed"] };
        assert_eq!(house.said(second_connect), goodbye);
    }
}

#[test]
fn silence_publishes_it() {
    for version in VERSIONS {
        let (mut house, listener) = house_with_listener();
        let client = house.join(As::guest(version, "client").keep_alive(10).will("will/client", "gone"));
        house.advance(14 * SECOND);
        house.send(client, &Packet::PingReq);
        house.advance(14 * SECOND);
        assert!(house.got(listener).is_empty());
        house.advance(SECOND);
        assert_eq!(house.got(listener), ["will/client gone"]);
    }
}

#[test]
fn an_expulsion_publishes_it() {
    for version in VERSIONS {
        let (mut house, listener) = house_with_listener();
        let client = house.join(As::guest(version, "client").will("will/client", "gone"));
        house.broker.disconnect(house.now, "client", ReasonCode::AdministrativeAction).unwrap();
        house.drive();
        assert_eq!(house.got(listener), ["will/client gone"]);
        let goodbye = if version == V5 { &["Disconnect 98", "closed"][..] } else { &["closed"] };
        assert_eq!(house.said(client), goodbye);
    }
}

#[test]
fn a_client_that_was_refused_has_no_will() {
    for version in VERSIONS {
        let mut options = BrokerOptions::default();
        options.client_id_bytes_max = 10;
        let mut house = House::with(options);
        let listener = house.guest(version, "listener");
        house.subscribe(listener, "will/#", Q0);
        let client = house.knock(As::guest(version, "much too long").will("will/client", "gone"));
        house.cut(client);
        assert!(house.got(listener).is_empty());
    }
}

/// v3\[MQTT-3.1.2-16\] v3\[MQTT-3.1.2-17\] v5\[MQTT-3.1.2-14\] v5\[MQTT-3.1.2-15\]
#[test]
fn a_will_is_retained_if_it_says_so() {
    for version in VERSIONS {
        let (mut house, listener) = house_with_listener();
        let plain = Will { qos: Q2, ..Will::new(topic("will/plain"), b"gone") };
        let kept = Will { retain: true, qos: Q1, ..Will::new(topic("will/kept"), b"gone") };
        let clears = Will { retain: true, ..Will::new(topic("will/cleared"), b"") };
        house.retain(listener, "will/cleared", "here", Q0);
        house.retain(listener, "will/plain", "here", Q0);
        house.got(listener);
        for (name, will) in [("plain", plain), ("kept", kept), ("clears", clears)] {
            let client = house.join(As::guest(version, name).exact_will(will));
            house.cut(client);
        }
        assert_eq!(house.got(listener), ["will/plain gone q2", "will/kept gone q1", "will/cleared "]);
        let late = house.guest(version, "late");
        house.subscribe(late, "will/#", Q2);
        assert_eq!(house.got(late), ["will/kept gone q1 R", "will/plain here R"]);
    }
}

/// v3\[MQTT-3.1.2-12\]
#[test]
fn the_next_connection_has_its_own_will_or_none() {
    for version in VERSIONS {
        let (mut house, listener) = house_with_listener();
        let first = house.join(As::resident(version, "client").will("will/first", "gone"));
        house.leave(first);
        let second = house.join(As::resident(version, "client"));
        house.cut(second);
        assert!(house.got(listener).is_empty());
        let third = house.join(As::resident(version, "client").will("will/third", "gone"));
        house.cut(third);
        assert_eq!(house.got(listener), ["will/third gone"]);
    }
}

/// v5\[MQTT-3.1.3-10\]
#[test]
fn a_will_travels_with_its_properties_except_its_delay() {
    let (mut house, listener) = house_with_listener();
    let user = |name, value| Property::UserProperty((Text::new(name).unwrap(), Text::new(value).unwrap()));
    let travels = [user("b", "1"), Property::MessageExpiryInterval(60), user("a", "2"), user("b", "1")];
    let mut all = properties(travels);
    all.push(Property::WillDelayInterval(5)).unwrap();
    let will = Will { retain: true, properties: all.as_properties(), ..Will::new(topic("will/x"), b"gone") };
    let client = house.join(As::guest(V5, "client").exact_will(will));
    house.cut(client);
    assert_eq!(house.got(listener), ["will/x gone expires 60"]);
    let kept = house.broker.retained().get(house.now, topic("will/x")).unwrap().message();
    assert_eq!(kept.properties(), properties(travels).as_properties());
}

/// v5\[MQTT-3.8.3-3\]
#[test]
fn a_will_is_its_clients_own_message() {
    let (mut house, listener) = house_with_listener();
    let client = house.join(As::resident(V5, "client").will("will/client", "gone"));
    house.subscribe_with(client, "will/#", SubscriptionOptions { no_local: true, ..options(Q2) }, None);
    house.cut(client);
    assert_eq!(house.got(listener), ["will/client gone"]);
    let client = house.join(As::resident(V5, "client"));
    assert!(house.got(client).is_empty());
}

#[test]
fn wills_to_the_servers_topics_go_nowhere() {
    let mut house = House::new();
    let listener = house.guest(V5, "listener");
    house.subscribe(listener, "$SYS/#", Q0);
    let client = house.join(As::guest(V5, "client").will("$SYS/forged", "x"));
    house.cut(client);
    assert!(house.got(listener).is_empty());
}

/// v5\[MQTT-3.1.2-8\] v5\[MQTT-3.1.2-10\]
#[test]
fn a_delayed_will_waits_for_its_delay() {
    let (mut house, listener) = house_with_listener();
    let client = house.join(As::resident(V5, "client").will("will/client", "gone").will_delay(10));
    house.cut(client);
    house.advance(9 * SECOND);
    assert!(house.got(listener).is_empty());
    assert_eq!(house.broker.poll_timeout(), Some(house.now + SECOND));
    house.advance(SECOND);
    assert_eq!(house.got(listener), ["will/client gone"]);
    // Once, and the session stays.
    assert_eq!(house.broker.counts().sessions, 2);
    assert_eq!(house.broker.poll_timeout(), Some(mqtt_session::Instant::ZERO + 7 * 24 * 60 * 60 * SECOND));
    let client = house.join(As::resident(V5, "client"));
    house.cut(client);
    house.advance(100 * SECOND);
    assert!(house.got(listener).is_empty());
}

#[test]
fn a_delayed_will_comes_no_later_than_the_end_of_the_session() {
    let (mut house, listener) = house_with_listener();
    let guest = house.join(As::guest(V5, "guest").will("will/guest", "gone").will_delay(10));
    house.cut(guest);
    assert_eq!(house.got(listener), ["will/guest gone"]);

    let client = house.join(As::resident(V5, "client").expiry(5).will("will/client", "gone").will_delay(10));
    house.cut(client);
    house.advance(4 * SECOND);
    assert!(house.got(listener).is_empty());
    house.advance(SECOND);
    assert_eq!(house.got(listener), ["will/client gone"]);
    assert_eq!(house.broker.counts().sessions, 1);
}

#[test]
fn a_session_still_ends_after_its_delayed_will() {
    let (mut house, listener) = house_with_listener();
    let client = house.join(As::resident(V5, "client").expiry(10).will("will/client", "gone").will_delay(5));
    house.cut(client);
    house.advance(5 * SECOND);
    assert_eq!(house.got(listener), ["will/client gone"]);
    assert_eq!(house.broker.poll_timeout(), Some(house.now + 5 * SECOND));
    house.advance(5 * SECOND);
    assert_eq!(house.broker.counts().sessions, 1);
    assert!(house.got(listener).is_empty());
}

/// v5\[MQTT-3.1.3-9\]
#[test]
fn coming_back_in_time_cancels_a_delayed_will() {
    let (mut house, listener) = house_with_listener();
    let client = house.join(As::resident(V5, "client").will("will/client", "gone").will_delay(1_000));
    house.cut(client);
    house.advance(500 * SECOND);
    let client = house.join(As::resident(V5, "client"));
    house.advance(100 * SECOND);
    assert!(house.got(listener).is_empty());
    assert_eq!(house.broker.poll_timeout(), None);
    house.leave(client);
    house.advance(10_000 * SECOND);
    assert!(house.got(listener).is_empty());
}

#[test]
fn a_clean_start_ends_the_session_and_publishes_a_delayed_will() {
    let (mut house, listener) = house_with_listener();
    let client = house.join(As::resident(V5, "client").will("will/client", "gone").will_delay(10));
    house.cut(client);
    let client = house.join(As::resident(V5, "client").clean(true));
    assert_eq!(house.got(listener), ["will/client gone"]);
    house.advance(100 * SECOND);
    house.leave(client);
    assert!(house.got(listener).is_empty());
}

#[test]
fn a_refused_disconnect_does_not_delete_the_will() {
    let (mut house, listener) = house_with_listener();
    let client = house.join(As::guest(V5, "client").will("will/client", "gone"));
    let raises = properties([Property::SessionExpiryInterval(10)]);
    let mut disconnect = mqtt_proto::Disconnect::new(ReasonCode::NORMAL_DISCONNECTION);
    disconnect.properties = raises.as_properties();
    house.send(client, &Packet::Disconnect(disconnect));
    assert_eq!(house.said(client), ["Disconnect 82", "closed"]);
    assert_eq!(house.got(listener), ["will/client gone"]);
}

#[test]
fn at_shutdown_wills_are_kept_for_those_who_come_again() {
    for version in VERSIONS {
        let mut house = House::new();
        let will = Will { qos: Q1, retain: true, ..Will::new(topic("will/client"), b"gone") };
        let _client = house.join(As::guest(version, "client").exact_will(will));
        let listener = house.guest(V5, "listener");
        house.subscribe(listener, "will/#", Q2);
        let stays = house.join(As::resident(version, "stays"));
        house.subscribe(stays, "will/#", Q1);
        house.broker.shutdown(house.now);
        house.drive();
        // Nobody is told who is leaving as well.
        assert!(house.got(listener).is_empty() && house.got(stays).is_empty());
        assert_eq!(house.said(listener), ["Disconnect 8B", "closed"]);
        assert_eq!(house.broker.counts().retained_messages, 1);
        assert_eq!(house.broker.counts().connections, 0);
        assert_eq!(house.broker.counts().sessions, 1);
    }
}

#[test]
fn a_message_sent_before_the_end_arrives_before_the_will() {
    for version in VERSIONS {
        let (mut house, listener) = house_with_listener();
        let client = house.join(As::guest(version, "client").will("will/client", "gone"));
        house.say(client, &Packet::Publish(Publish::new(topic("will/client"), "here")));
        house.cut(client);
        assert_eq!(house.got(listener), ["will/client here", "will/client gone"]);
    }
}
