//! What happens when a client connects that is connected already.

mod house;

use house::*;
use mqtt_proto::{Packet, Publish};

/// v3\[MQTT-3.1.4-2\] v5\[MQTT-3.1.4-3\]
#[test]
fn the_new_connection_takes_over_and_the_old_one_is_told() {
    for old_version in VERSIONS {
        for new_version in VERSIONS {
            let mut house = House::new();
            let old = house.guest(old_version, "client");
            let new = house.guest(new_version, "client");
            let goodbye = if old_version == V5 { &["Disconnect 8E", "closed"][..] } else { &["closed"] };
            assert_eq!(house.said(old), goodbye);
            house.send(new, &Packet::PingReq);
            assert_eq!(house.said(new), ["PingResp"]);
            assert_eq!(house.events(), ["client came", "client went 8E", "client came"]);
            assert_eq!((house.broker.counts().connections, house.broker.counts().sessions), (1, 1));
        }
    }
}

#[test]
fn the_old_connection_is_not_listened_to_any_more() {
    for version in VERSIONS {
        let mut house = House::new();
        let listener = house.guest(version, "listener");
        house.subscribe(listener, "#", Q0);
        let old = house.guest(version, "client");
        house.block(old);
        let _new = house.guest(version, "client");
        house.say(old, &Packet::Publish(Publish::new(topic("a"), "late")));
        house.say(old, &Packet::Disconnect(mqtt_proto::Disconnect::new(mqtt_proto::ReasonCode::Success)));
        assert_eq!(house.unread(old), 0);
        house.unblock(old);
        assert!(house.got(listener).is_empty());
        assert_eq!(house.said(old).last().unwrap(), "closed");
        assert_eq!(house.broker.counts().connections, 2);
    }
}

#[test]
fn the_session_goes_over_with_all_that_is_in_it() {
    for version in VERSIONS {
        let mut house = House::new();
        let writer = house.guest(version, "writer");
        let old = house.join(As::resident(version, "client"));
        house.stop_acknowledging(old);
        house.subscribe(old, "a", Q2);
        house.publish(writer, "a", "1", Q1);
        house.publish(writer, "a", "2", Q2);
        assert_eq!(house.got(old), ["a 1 q1", "a 2 q2"]);
        house.block(old);
        house.publish(writer, "a", "3", Q1);

        let new = house.knock(As::resident(version, "client"));
        assert_eq!(house.said(new), ["ConnAck 00 present"]);
        // The third was never written, but the broker can't know.
        assert_eq!(house.got(new), ["a 1 q1 D", "a 2 q2 D", "a 3 q1 D"]);
        house.publish(writer, "a", "4", Q1);
        assert_eq!(house.got(new), ["a 4 q1"]);
    }
}

#[test]
fn a_clean_start_takes_over_nothing() {
    for version in VERSIONS {
        let mut house = House::new();
        let writer = house.guest(version, "writer");
        let old = house.join(As::resident(version, "client"));
        house.subscribe(old, "a", Q1);
        house.stop_acknowledging(old);
        house.publish(writer, "a", "1", Q1);
        let new = house.knock(As::resident(version, "client").clean(true));
        assert_eq!(house.said(new), ["ConnAck 00"]);
        house.publish(writer, "a", "2", Q1);
        assert!(house.got(new).is_empty());
        assert_eq!(house.broker.counts().subscriptions, 0);
    }
}

#[test]
fn a_session_that_was_to_end_with_its_connection_has_ended() {
    for version in VERSIONS {
        let mut house = House::new();
        let old = house.guest(version, "client");
        house.subscribe(old, "a", Q1);
        let new = house.knock(As::resident(version, "client"));
        assert_eq!(house.said(new), ["ConnAck 00"]);
        assert_eq!(house.broker.counts().subscriptions, 0);
    }
}

#[test]
fn the_will_of_the_old_connection_is_published() {
    for version in VERSIONS {
        for clean in [true, false] {
            let mut house = House::new();
            let listener = house.guest(version, "listener");
            house.subscribe(listener, "will", Q0);
            let _old = house.join(As::resident(version, "client").will("will", "old"));
            let new = house.knock(As::resident(version, "client").clean(clean).will("will", "new"));
            assert_eq!(house.got(listener), ["will old"]);
            house.cut(new);
            assert_eq!(house.got(listener), ["will new"]);
        }
    }
}

/// v5\[MQTT-3.1.3-9\]
#[test]
fn unless_it_may_wait_and_the_session_goes_on() {
    // (clean start of the new, expiry of the old, delay, published)
    let table = [(false, 60, 10, false), (true, 60, 10, true), (false, 0, 10, true), (false, 60, 0, true)];
    for (clean, expiry, delay, published) in table {
        let mut house = House::new();
        let listener = house.guest(V5, "listener");
        house.subscribe(listener, "will", Q0);
        let _old = house.join(As::resident(V5, "client").expiry(expiry).will("will", "old").will_delay(delay));
        let new = house.knock(As::resident(V5, "client").clean(clean));
        let expected = if published { &["will old"][..] } else { &[] };
        assert_eq!(house.got(listener), expected, "{clean} {expiry} {delay}");
        house.leave_after_looking(new);
        house.advance(100 * SECOND);
        assert!(house.got(listener).is_empty());
    }
}

/// v5\[MQTT-4.12.0-1\]: a broker knows no method.
#[test]
fn whoever_is_refused_takes_over_nothing() {
    let mut house = House::new();
    let old = house.guest(V5, "client");
    let method = properties([mqtt_proto::Property::AuthenticationMethod(mqtt_proto::Text::new("any").unwrap())]);
    let mut connect = mqtt_proto::Connect::new(mqtt_proto::Text::new("client").unwrap());
    connect.properties = method.as_properties();
    let new = house.open(V5);
    house.send(new, &Packet::Connect(connect));
    assert_eq!(house.said(new), ["ConnAck 8C", "closed"]);
    house.send(old, &Packet::PingReq);
    assert_eq!(house.said(old), ["PingResp"]);
}

#[test]
fn packets_behind_connect_count_from_the_new_connection() {
    for version in VERSIONS {
        let mut house = House::new();
        let listener = house.guest(version, "listener");
        house.subscribe(listener, "a", Q0);
        let _old = house.guest(version, "x");
        let new = house.open(version);
        let mut bytes = vec![0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0, 1, b'x', 0x30, 4, 0, 1, b'a', b'1'];
        if version == V5 {
            bytes =
                vec![0x10, 14, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0, 0, 0, 1, b'x', 0x30, 5, 0, 1, b'a', 0, b'1'];
        }
        house.send_bytes(new, &bytes);
        assert_eq!(house.said(new), ["ConnAck 00"]);
        assert_eq!(house.got(listener), ["a 1"]);
    }
}
