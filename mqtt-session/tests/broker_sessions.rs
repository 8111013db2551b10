//! What outlives a connection, and what does not.

mod house;

use house::*;
use mqtt_proto::{Connect, Disconnect, Packet, Property, ReasonCode, Text, Version};
use mqtt_session::BrokerOptions;

/// v3\[MQTT-3.1.2-4\] v3\[MQTT-3.1.2-5\] v3\[MQTT-3.2.2-2\] v5\[MQTT-3.1.2-5\] v5\[MQTT-3.2.2-3\]
#[test]
fn messages_wait_for_a_session_without_a_connection() {
    for version in VERSIONS {
        let mut house = House::new();
        let writer = house.guest(version, "writer");
        let reader = house.join(As::resident(version, "reader"));
        house.subscribe(reader, "a/#", Q2);
        house.leave(reader);
        for (name, qos) in [("a/0", Q0), ("a/1", Q1), ("a/2", Q2), ("b", Q1)] {
            house.publish(writer, name, "x", qos);
        }
        let reader = house.knock(As::resident(version, "reader"));
        assert_eq!(house.said(reader), ["ConnAck 00 present"]);
        assert_eq!(house.got(reader), ["a/1 x q1", "a/2 x q2"]);
        house.publish(writer, "a/0", "live", Q0);
        assert_eq!(house.got(reader), ["a/0 live"]);
        assert_eq!(house.events().iter().filter(|event| *event == "reader came back").count(), 1);
    }
}

/// v3\[MQTT-3.2.2-3\] v5\[MQTT-3.1.2-6\]
#[test]
fn a_first_connection_finds_nothing() {
    for version in VERSIONS {
        let mut house = House::new();
        let reader = house.knock(As::resident(version, "reader"));
        assert_eq!(house.said(reader), ["ConnAck 00"]);
    }
}

/// v3\[MQTT-3.1.2-6\] v3\[MQTT-3.2.2-1\] v5\[MQTT-3.1.2-4\] v5\[MQTT-3.2.2-2\]
#[test]
fn a_clean_start_forgets_and_what_it_makes_is_forgotten() {
    for version in VERSIONS {
        let mut house = House::new();
        let writer = house.guest(version, "writer");
        let reader = house.join(As::resident(version, "reader"));
        house.subscribe(reader, "a", Q1);
        house.leave(reader);
        house.publish(writer, "a", "x", Q1);

        let clean = house.knock(As::guest(version, "reader"));
        assert_eq!(house.said(clean), ["ConnAck 00"]);
        house.publish(writer, "a", "y", Q1);
        assert!(house.got(clean).is_empty());
        assert_eq!(house.broker.counts().subscriptions, 0);
        house.subscribe(clean, "b", Q1);
        house.cut(clean);
        assert_eq!((house.broker.counts().sessions, house.broker.counts().subscriptions), (1, 0));

        let reader = house.knock(As::resident(version, "reader"));
        assert_eq!(house.said(reader), ["ConnAck 00"]);
        house.publish(writer, "a", "y", Q1);
        house.publish(writer, "b", "y", Q1);
        assert!(house.got(reader).is_empty());
    }
}

/// v3\[MQTT-3.1.3-2\] v5\[MQTT-3.1.3-2\]
#[test]
fn a_session_is_found_by_its_client_identifier_and_no_other() {
    for version in VERSIONS {
        let mut house = House::new();
        let names = ["reader", "Reader", "reader ", "reade", "caf\u{e9}", "cafe\u{301}"];
        for name in names {
            let client = house.knock(As::resident(version, name));
            assert_eq!(house.said(client), ["ConnAck 00"]);
            house.subscribe(client, name, Q1);
            house.cut(client);
        }
        let writer = house.guest(version, "writer");
        for name in names {
            house.publish(writer, name, "x", Q1);
        }
        for name in names {
            let client = house.knock(As::resident(version, name));
            assert_eq!(house.said(client), ["ConnAck 00 present"]);
            assert_eq!(house.got(client), [format!("{name} x q1")]);
        }
    }
}

#[test]
fn in_5_a_clean_start_may_make_a_session_that_stays() {
    let mut house = House::new();
    let reader = house.join(As::resident(V5, "reader").clean(true));
    house.subscribe(reader, "a", Q1);
    house.cut(reader);
    let reader = house.knock(As::resident(V5, "reader"));
    assert_eq!(house.said(reader), ["ConnAck 00 present"]);
}

#[test]
fn in_5_a_session_without_an_expiry_interval_ends_with_its_connection() {
    let mut house = House::new();
    let reader = house.join(As::guest(V5, "reader").clean(false));
    house.cut(reader);
    assert_eq!(house.broker.counts().sessions, 0);
}

/// v5\[MQTT-4.1.0-2\]
#[test]
fn a_session_ends_when_its_time_is_over_and_not_before() {
    let mut house = House::new();
    let reader = house.join(As::resident(V5, "reader").expiry(60));
    house.subscribe(reader, "a", Q1);
    // It counts from the end of the connection.
    house.advance(1_000 * SECOND);
    house.cut(reader);
    house.advance(59 * SECOND);
    let reader = house.knock(As::resident(V5, "reader").expiry(10));
    assert_eq!(house.said(reader), ["ConnAck 00 present"]);
    house.advance(1_000 * SECOND);
    house.cut(reader);
    house.advance(9 * SECOND);
    assert_eq!(house.broker.counts().sessions, 1);
    assert_eq!(house.broker.poll_timeout(), Some(house.now + SECOND));
    house.advance(SECOND);
    assert_eq!((house.broker.counts().sessions, house.broker.counts().subscriptions), (0, 0));
    assert_eq!(house.broker.poll_timeout(), None);
}

/// v3\[MQTT-4.1.0-2\] v5\[MQTT-4.1.0-1\]
#[test]
fn a_session_does_not_end_as_long_as_it_has_a_connection() {
    let mut options = BrokerOptions::default();
    options.session_expiry_max = 60;
    for version in VERSIONS {
        let mut house = House::with(options.clone());
        let writer = house.guest(version, "writer");
        let reader = house.join(As::resident(version, "reader"));
        house.subscribe(reader, "a", Q1);
        house.cut(reader);
        house.advance(SECOND);
        let reader = house.join(As::resident(version, "reader"));
        // Past the time for CONNECT, nothing is due any more.
        house.advance(20 * SECOND);
        assert_eq!(house.broker.poll_timeout(), None);
        house.advance(1_000 * SECOND);
        house.publish(writer, "a", "x", Q1);
        assert_eq!(house.got(reader), ["a x q1"]);
    }
}

#[test]
fn disconnect_may_change_how_long_a_session_stays() {
    for (seconds, stays) in [(0, false), (10, true)] {
        let mut house = House::new();
        let reader = house.join(As::resident(V5, "reader").expiry(60));
        let all = properties([Property::SessionExpiryInterval(seconds)]);
        let mut disconnect = Disconnect::new(ReasonCode::NORMAL_DISCONNECTION);
        disconnect.properties = all.as_properties();
        house.send(reader, &Packet::Disconnect(disconnect));
        assert_eq!(house.broker.counts().sessions, usize::from(stays));
        house.advance(10 * SECOND);
        assert_eq!(house.broker.counts().sessions, 0);
    }
}

#[test]
fn the_broker_may_bound_how_long_sessions_stay() {
    let mut options = BrokerOptions::default();
    options.session_expiry_max = 30;
    let mut house = House::with(options);
    // An older client can't be told.
    let old = house.join(As::resident(V3, "old"));
    house.cut(old);
    house.advance(29 * SECOND);
    assert_eq!(house.broker.counts().sessions, 1);
    house.advance(SECOND);
    assert_eq!(house.broker.counts().sessions, 0);

    let mut client = mqtt_session::Client::new({
        let mut options = mqtt_session::ConnectOptions::new("new");
        options.session_expiry_interval = 60;
        options
    });
    let id = house.broker.open(house.now).unwrap();
    client.connect(house.now).unwrap();
    let mut out = mqtt_proto::TransmitBuf::new();
    client.poll_transmit(house.now, &mut out);
    let bytes: Vec<u8> = out.slices().flatten().copied().collect();
    house.broker.handle_input(house.now, id, &mut &bytes[..]);
    out.clear();
    house.broker.poll_transmit(house.now, &mut out).unwrap();
    let bytes: Vec<u8> = out.slices().flatten().copied().collect();
    client.handle_input(house.now, &mut &bytes[..]).unwrap();
    assert_eq!(client.agreed().unwrap().session_expiry_interval, 30);
}

#[test]
fn what_was_in_flight_is_sent_again_in_order_and_before_what_waited() {
    for version in VERSIONS {
        let mut house = House::new();
        let writer = house.guest(version, "writer");
        let reader = house.join(As::resident(version, "reader"));
        house.subscribe(reader, "a", Q2);
        house.stop_acknowledging(reader);
        for (payload, qos) in [("1", Q1), ("2", Q2), ("3", Q1)] {
            house.publish(writer, "a", payload, qos);
        }
        house.cut(reader);
        house.publish(writer, "a", "4", Q1);
        let reader = house.join(As::resident(version, "reader"));
        assert_eq!(house.got(reader), ["a 1 q1 D", "a 2 q2 D", "a 3 q1 D", "a 4 q1"]);
        // All is settled now.
        house.cut(reader);
        let reader = house.join(As::resident(version, "reader"));
        assert!(house.got(reader).is_empty());
    }
}

/// v5\[MQTT-3.1.2-8\] v5\[MQTT-4.1.0-2\]
#[test]
fn a_session_whose_time_is_over_is_not_taken_up_by_a_host_that_looks_late() {
    let mut house = House::new();
    let listener = house.guest(V5, "listener");
    house.subscribe(listener, "will", Q0);
    let reader = house.join(As::resident(V5, "reader").expiry(60).will("will", "gone").will_delay(10));
    house.subscribe(reader, "a", Q1);
    house.cut(reader);
    house.oversleep(61 * SECOND);
    let reader = house.knock(As::resident(V5, "reader").expiry(60));
    assert_eq!(house.said(reader), ["ConnAck 00"]);
    assert_eq!(house.got(listener), ["will gone"]);
}

/// v5\[MQTT-3.1.2-8\]
#[test]
fn a_will_whose_time_has_come_is_not_recalled_by_a_host_that_looks_late() {
    let mut house = House::new();
    let listener = house.guest(V5, "listener");
    house.subscribe(listener, "will", Q0);
    let reader = house.join(As::resident(V5, "reader").will("will", "gone").will_delay(10));
    house.cut(reader);
    house.oversleep(10 * SECOND);
    let reader = house.knock(As::resident(V5, "reader"));
    assert_eq!(house.said(reader), ["ConnAck 00 present"]);
    assert_eq!(house.got(listener), ["will gone"]);
}

/// v3\[MQTT-4.3.3-2\] v5\[MQTT-4.3.3-10\]
#[test]
fn a_qos_2_message_sent_again_after_a_break_is_passed_on_once() {
    for version in VERSIONS {
        let mut house = House::new();
        let reader = house.guest(version, "reader");
        house.subscribe(reader, "a", Q2);
        let writer = house.join(As::resident(version, "writer"));
        house.stop_acknowledging(writer);
        let packet_id = mqtt_proto::PacketId::new(9).unwrap();
        let send = |dup| {
            let delivery = mqtt_proto::Delivery::ExactlyOnce { packet_id, dup };
            Packet::Publish(mqtt_proto::Publish { delivery, ..mqtt_proto::Publish::new(topic("a"), "x") })
        };
        house.send(writer, &send(false));
        house.cut(writer);
        let writer = house.join(As::resident(version, "writer"));
        house.send(writer, &send(true));
        assert_eq!(house.got(reader), ["a x q2"]);
    }
}

#[test]
fn a_session_goes_from_one_version_to_another() {
    let mut house = House::new();
    let writer = house.guest(V5, "writer");
    let reader = house.join(As::resident(V5, "reader"));
    house.subscribe_with(reader, "a", options(Q1), Some(5));
    house.cut(reader);
    house.publish(writer, "a", "x", Q1);
    let reader = house.knock(As::resident(V3, "reader"));
    assert_eq!(house.said(reader), ["ConnAck 00 present"]);
    assert_eq!(house.got(reader), ["a x q1"]);
    house.cut(reader);
    house.publish(writer, "a", "y", Q1);
    let reader = house.knock(As::resident(V5, "reader"));
    assert_eq!(house.said(reader), ["ConnAck 00 present"]);
    assert_eq!(house.got(reader), ["a y q1 #5"]);
}

#[test]
fn the_queue_of_a_session_without_a_connection_is_bounded() {
    let mut limits = BrokerOptions::default();
    limits.server.limits.queued_messages_max = 3;
    for version in VERSIONS {
        let mut house = House::with(limits.clone());
        let writer = house.guest(version, "writer");
        let reader = house.join(As::resident(version, "reader"));
        house.subscribe(reader, "a", Q1);
        house.cut(reader);
        for payload in ["1", "2", "3", "4", "5"] {
            house.publish(writer, "a", payload, Q1);
        }
        assert_eq!(house.broker.counts().deliveries_dropped(), 2);
        let reader = house.join(As::resident(version, "reader"));
        assert_eq!(house.got(reader), ["a 1 q1", "a 2 q1", "a 3 q1"]);
    }
}

/// v3\[MQTT-3.1.3-6\] v5\[MQTT-3.1.3-6\] v5\[MQTT-3.2.2-16\]
#[test]
fn a_client_without_a_name_gets_one() {
    let mut house = House::new();
    for version in VERSIONS {
        let first = house.guest(version, "");
        let second = house.guest(version, "");
        for client in [first, second] {
            house.send(client, &Packet::PingReq);
            assert_eq!(house.said(client), ["PingResp"]);
        }
    }
    let names: std::collections::BTreeSet<_> = house.events().into_iter().collect();
    assert_eq!(names.len(), 4);
    assert_eq!(house.broker.counts().sessions, 4);
}

/// v5\[MQTT-3.2.2-16\]
#[test]
fn a_name_that_was_given_can_be_used_again() {
    let mut client = mqtt_session::Client::new({
        let mut options = mqtt_session::ConnectOptions::new("");
        options.session_expiry_interval = 60;
        options
    });
    let mut house = House::new();
    let id = house.broker.open(house.now).unwrap();
    client.connect(house.now).unwrap();
    let mut out = mqtt_proto::TransmitBuf::new();
    client.poll_transmit(house.now, &mut out);
    let bytes: Vec<u8> = out.slices().flatten().copied().collect();
    house.broker.handle_input(house.now, id, &mut &bytes[..]);
    out.clear();
    house.broker.poll_transmit(house.now, &mut out).unwrap();
    let bytes: Vec<u8> = out.slices().flatten().copied().collect();
    client.handle_input(house.now, &mut &bytes[..]).unwrap();
    let name = client.agreed().unwrap().client_id.clone();
    assert!(!name.is_empty());
    house.broker.handle_closed(house.now, id);
    let again = house.knock(As::resident(V5, &name));
    assert_eq!(house.said(again), ["ConnAck 00 present"]);
}

/// v3\[MQTT-3.1.3-8\]
#[test]
fn before_5_a_session_that_stays_needs_a_name() {
    let mut house = House::new();
    let nameless = house.knock(As::resident(V3, ""));
    assert_eq!(house.said(nameless), ["ConnAck 85", "closed"]);
    let nameless = house.knock(As::guest(Version::V3_1, ""));
    assert_eq!(house.said(nameless), ["ConnAck 85", "closed"]);
    assert_eq!(house.broker.counts().sessions, 0);
    // In 5.0 it gets one.
    let named = house.knock(As::resident(V5, ""));
    assert_eq!(house.said(named), ["ConnAck 00"]);
}

/// v3\[MQTT-3.1.3-9\] v5\[MQTT-3.1.4-2\]
#[test]
fn the_number_of_sessions_is_bounded() {
    let mut limits = BrokerOptions::default();
    limits.sessions_max = 2;
    for version in VERSIONS {
        let mut house = House::with(limits.clone());
        let one = house.join(As::resident(version, "one"));
        house.cut(one);
        let _two = house.guest(version, "two");
        let third = house.knock(As::guest(version, "three"));
        let refusal = if version == V5 { "ConnAck 97" } else { "ConnAck 88" };
        assert_eq!(house.said(third), [refusal, "closed"]);
        let third = house.knock(As::guest(version, ""));
        assert_eq!(house.said(third), [refusal, "closed"]);
        // Whoever has one may come back.
        let one = house.knock(As::resident(version, "one"));
        assert_eq!(house.said(one), ["ConnAck 00 present"]);
        assert_eq!(house.broker.counts().sessions, 2);
    }
}

#[test]
fn a_session_taken_up_keeps_its_subscriptions_through_many_connections() {
    for version in VERSIONS {
        let mut house = House::new();
        let writer = house.guest(version, "writer");
        let reader = house.join(As::resident(version, "reader"));
        house.subscribe(reader, "a", Q1);
        house.cut(reader);
        for round in 0..10 {
            let payload = round.to_string();
            house.publish(writer, "a", &payload, Q1);
            let reader = house.join(As::resident(version, "reader"));
            assert_eq!(house.got(reader), [format!("a {payload} q1")]);
            house.cut(reader);
        }
        assert_eq!(house.broker.counts().sessions, 2);
        assert_eq!(house.broker.counts().connections, 1);
    }
}

/// v5\[MQTT-3.1.4-6\] v3\[MQTT-3.1.4-5\]
#[test]
fn what_follows_a_refused_connect_is_not_done() {
    let mut limits = BrokerOptions::default();
    limits.client_id_bytes_max = 3;
    for version in VERSIONS {
        let mut house = House::with(limits.clone());
        let listener = house.guest(version, "l");
        house.subscribe(listener, "#", Q0);
        let long = house.open(version);
        let mut out = mqtt_proto::TransmitBuf::new();
        let codec = mqtt_proto::Codec::client(version);
        codec.encode(&Packet::Connect(Connect::new(Text::new("long").unwrap())), &mut out).unwrap();
        let publish = mqtt_proto::Publish { retain: true, ..mqtt_proto::Publish::new(topic("a"), "x") };
        codec.encode(&Packet::Publish(publish), &mut out).unwrap();
        let bytes: Vec<u8> = out.slices().flatten().copied().collect();
        house.send_bytes(long, &bytes);
        assert_eq!(house.said(long), ["ConnAck 85", "closed"]);
        assert!(house.got(listener).is_empty());
        assert_eq!(house.broker.counts().retained_messages, 0);
    }
}
