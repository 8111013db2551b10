//! Everything that a stranger, or a client, could make grow has an end.

mod house;

use std::time::Duration;

use house::{As, House, Q0, Q1, Q2, SECOND, V3, V5, VERSIONS};
use mqtt_proto::{
    Ack, Codec, ConnAck, Connect, Delivery, Packet, PacketId, Property, Publish, ReasonCode, Subscription, Text,
    TransmitBuf, Version, Will,
};
use mqtt_session::{BrokerOptions, Client, ConnectOptions, DisconnectCause, Drops, Event, Instant, Violation};

/// CONNECT of exactly so many bytes: some hundreds, or some thousands.
fn connect_of(version: Version, bytes: usize) -> Vec<u8> {
    let connect = |password: &[u8]| {
        let mut connect = Connect::new(Text::new("c").unwrap());
        connect.user_name = Some(Text::new("u").unwrap());
        connect.password = Some(password);
        let mut out = TransmitBuf::new();
        Codec::client(version).encode(&Packet::Connect(connect), &mut out).unwrap();
        out.slices().flatten().copied().collect::<Vec<u8>>()
    };
    // The length of the whole takes two bytes.
    let least = connect(&[]).len() + 1;
    let connect = connect(&vec![b'p'; bytes - least]);
    assert_eq!(connect.len(), bytes);
    connect
}

// --- before anybody is accepted ------------------------------------------------------------------------------------------

#[test]
fn a_connect_may_have_so_many_bytes_and_no_more() {
    for version in [V3, V5] {
        let mut options = BrokerOptions::default();
        options.server.connect_bytes_max = 1_000;
        let mut house = House::with(options);
        let fits = house.open(version);
        house.send_bytes(fits, &connect_of(version, 1_000));
        assert_eq!(house.said(fits), ["ConnAck 00"]);
        let stranger = house.open(version);
        house.send_bytes(stranger, &connect_of(version, 1_001));
        let refused: &[&str] = if version == V5 { &["ConnAck 95", "closed"] } else { &["closed"] };
        assert_eq!(house.said(stranger), refused);
        // Whoever is in may say more.
        let payload = vec![b'x'; 5_000];
        house.send(fits, &Packet::Publish(Publish::new(house::topic("t"), &payload[..])));
        assert_eq!(house.said(fits), [""; 0]);
    }
}

#[test]
fn what_is_too_large_is_refused_at_its_first_bytes() {
    for version in [V3, V5] {
        let mut house = House::new();
        let stranger = house.open(version);
        // 150,000 bytes are announced.
        for byte in [0x10, 0xF0, 0x93, 0x09, 0, 4, b'M', b'Q', b'T', b'T'] {
            house.send_bytes(stranger, &[byte]);
            assert_eq!(house.said(stranger), [""; 0]);
        }
        house.send_bytes(stranger, &[version.level()]);
        let refused: &[&str] = if version == V5 { &["ConnAck 95", "closed"] } else { &["closed"] };
        assert_eq!(house.said(stranger), refused);
    }
    // One who does not even speak of MQTT is not waited for.
    let mut house = House::new();
    let stranger = house.open(V5);
    house.send_bytes(stranger, &[0x10, 0xF0, 0x93, 0x09, 0, 5]);
    assert_eq!(house.said(stranger), ["closed"]);
}

/// The usual limit is smaller than the one for strangers.
#[test]
fn a_connect_is_no_larger_than_any_packet() {
    let mut options = BrokerOptions::default();
    options.server.packet_bytes_max = 500;
    let mut house = House::with(options);
    let stranger = house.open(V5);
    house.send_bytes(stranger, &connect_of(V5, 501));
    assert_eq!(house.said(stranger), ["ConnAck 95", "closed"]);
    let fits = house.open(V5);
    house.send_bytes(fits, &connect_of(V5, 500));
    assert_eq!(house.said(fits), ["ConnAck 00"]);
}

// --- packets that are never finished -------------------------------------------------------------------------------------

/// The smallest step of the clock.
const TICK: Duration = Duration::from_micros(1);

#[test]
fn a_packet_has_so_long_from_its_first_byte_to_its_last() {
    for version in [V3, V5] {
        let mut options = BrokerOptions::default();
        options.server.limits.packet_timeout = 10 * SECOND;
        let mut house = House::with(options);
        // Without keep alive, nothing else would ever end it.
        let slow = house.guest(version, "slow");
        let healthy = house.guest(version, "healthy");
        house.advance(1_000 * SECOND);
        house.send_bytes(slow, &[0x30]);
        // Each byte comes in time, and the whole does not.
        for byte in [100, 0, 1, b't', b'x', b'x', b'x', b'x', b'x'] {
            house.advance(SECOND);
            house.send_bytes(slow, &[byte]);
        }
        house.advance(SECOND - TICK);
        assert_eq!(house.said(slow), [""; 0]);
        house.events();
        house.advance(TICK);
        let told: &[&str] = if version == V5 { &["Disconnect 97", "closed"] } else { &["closed"] };
        assert_eq!(house.said(slow), told);
        assert_eq!(house.events(), ["slow went 97"]);
        assert_eq!(house.said(healthy), [""; 0]);
    }
}

#[test]
fn each_packet_has_its_own_time() {
    let mut options = BrokerOptions::default();
    options.server.limits.packet_timeout = 10 * SECOND;
    let mut house = House::with(options);
    let slow = house.guest(V5, "slow");
    // The end of one comes with the beginning of the next, again and again.
    house.send_bytes(slow, &[0xC0]);
    for _ in 0..20 {
        house.advance(10 * SECOND - TICK);
        house.send_bytes(slow, &[0x00, 0xC0]);
        assert_eq!(house.said(slow), ["PingResp"]);
    }
    // Whoever is between two packets has all the time there is.
    house.send_bytes(slow, &[0x00]);
    house.advance(100_000 * SECOND);
    assert_eq!(house.said(slow), ["PingResp"]);
    // It counts from what was offered first, not from what ended the packet before.
    house.send_bytes(slow, &[0xC0]);
    house.advance(10 * SECOND);
    assert_eq!(house.said(slow), ["Disconnect 97", "closed"]);
}

// --- messages that are never released ------------------------------------------------------------------------------------

/// Only what is taken at QoS 2 and not released is remembered.
#[test]
fn messages_that_are_not_released_are_bounded() {
    let mut options = BrokerOptions::default();
    options.server.limits.unreleased_max = 3;
    let mut house = House::with(options);
    let reader = house.guest(V5, "reader");
    house.subscribe(reader, "#", Q0);
    let writer = house.guest(V5, "writer");
    house.stop_acknowledging(writer);
    for payload in ["1", "2", "3", "4", "5"] {
        house.publish(writer, "t", payload, Q2);
    }
    assert_eq!(house.got(reader), ["t 1", "t 2", "t 3"]);
    let (taken, full) = (ReasonCode::Success, ReasonCode::QuotaExceeded);
    assert_eq!(house.answered(writer), [taken, taken, taken, full, full]);
    // Others wait for nothing.
    house.publish(writer, "t", "6", Q1);
    assert_eq!(house.got(reader), ["t 6"]);
    // One is released, and there is room for one.
    let first = house.unanswered(writer)[0];
    house.send(writer, &Packet::PubRel(Ack::new(first)));
    house.publish(writer, "t", "7", Q2);
    house.publish(writer, "t", "8", Q2);
    assert_eq!(house.got(reader), ["t 7"]);
}

#[test]
fn before_5_somebody_who_releases_nothing_is_closed() {
    let mut options = BrokerOptions::default();
    options.server.limits.unreleased_max = 3;
    let mut house = House::with(options);
    let reader = house.guest(V5, "reader");
    house.subscribe(reader, "#", Q0);
    let writer = house.guest(V3, "writer");
    house.stop_acknowledging(writer);
    for payload in ["1", "2", "3"] {
        house.publish(writer, "t", payload, Q2);
    }
    assert_eq!(house.said(writer), [""; 0]);
    house.events();
    house.publish(writer, "t", "4", Q2);
    assert_eq!(house.said(writer), ["closed"]);
    assert_eq!(house.events(), ["writer went 97"]);
    assert_eq!(house.got(reader), ["t 1", "t 2", "t 3"]);
}

#[test]
fn connecting_again_makes_no_room_for_more_of_them() {
    let mut options = BrokerOptions::default();
    options.server.limits.unreleased_max = 3;
    let mut house = House::with(options);
    let mut answered = Vec::new();
    for round in 0..5_u16 {
        let writer = house.knock(As::resident(V5, "writer"));
        house.stop_acknowledging(writer);
        let packet_id = PacketId::new(100 + round).unwrap();
        let delivery = Delivery::ExactlyOnce { packet_id, dup: false };
        house.send(writer, &Packet::Publish(Publish { delivery, ..Publish::new(house::topic("t"), b"x") }));
        answered.extend(house.answered(writer));
        house.cut(writer);
    }
    let (taken, full) = (ReasonCode::NoMatchingSubscribers, ReasonCode::QuotaExceeded);
    assert_eq!(answered, [taken, taken, taken, full, full]);
}

/// A client is flooded by its server.
#[test]
fn a_client_remembers_no_more_of_them_either() {
    for version in [V3, V5] {
        let mut options = ConnectOptions::new("c");
        options.version = version;
        options.limits.unreleased_max = 2;
        let mut client = Client::new(options);
        client.connect(Instant::ZERO).unwrap();
        let connack = Packet::ConnAck(ConnAck::new(ReasonCode::Success));
        let publish = |id| {
            let delivery = Delivery::ExactlyOnce { packet_id: PacketId::new(id).unwrap(), dup: false };
            Packet::Publish(Publish { delivery, ..Publish::new(house::topic("t"), b"x") })
        };
        let mut out = TransmitBuf::new();
        for packet in [connack, publish(1), publish(2), publish(3)] {
            Codec::server(version).encode(&packet, &mut out).unwrap();
        }
        let bytes: Vec<u8> = out.slices().flatten().copied().collect();
        let mut input = &bytes[..];
        let mut seen = Vec::new();
        while let Some(event) = client.handle_input(Instant::ZERO, &mut input) {
            seen.push(match event {
                Event::Connected(_) => "connected",
                Event::Received(_) => "received",
                Event::Disconnected(end) => {
                    assert_eq!(end.cause, DisconnectCause::Violation(Violation::UnreleasedMessages));
                    "closed"
                }
                other => panic!("{other:?}"),
            });
        }
        let mut expected = vec!["connected", "received", "received"];
        if version == V3 {
            expected.push("closed");
        }
        assert_eq!(seen, expected);
    }
}

// --- what is lost is counted ---------------------------------------------------------------------------------------------

fn drops(house: &House) -> Drops {
    house.broker.counts().drops
}

#[test]
fn each_lost_message_is_counted_with_its_reason() {
    let mut options = BrokerOptions::default();
    options.server.limits.queued_messages_max = 3;
    options.server.limits.queued_time_max = Some(100 * SECOND);
    let mut house = House::with(options);
    let away = house.join(As::resident(V5, "away"));
    house.subscribe(away, "t", Q1);
    house.leave(away);
    let writer = house.guest(V5, "writer");
    let expiring = house::properties([Property::MessageExpiryInterval(10)]);
    house.publish_at(writer, "t", Q1, &expiring);
    for payload in ["1", "2", "3"] {
        house.publish(writer, "t", payload, Q1);
    }
    assert_eq!((drops(&house).queue_full, drops(&house).total()), (1, 1));
    house.advance(10 * SECOND);
    assert_eq!((drops(&house).expired, drops(&house).total()), (1, 2));
    house.advance(90 * SECOND);
    assert_eq!((drops(&house).waited_too_long, drops(&house).total()), (2, 4));
    house.publish(writer, "t", "4", Q1);
    assert!(house.broker.end_session(house.now, "away"));
    assert_eq!((drops(&house).session_ended, drops(&house).total()), (1, 5));
    assert_eq!(house.broker.counts().deliveries_dropped(), 5);
}

/// At QoS 2, what has been received and waits for PUBCOMP is not lost.
#[test]
fn a_session_takes_only_with_it_what_was_not_received() {
    for version in VERSIONS {
        let mut house = House::new();
        let reader = house.guest(version, "reader");
        house.subscribe(reader, "#", Q2);
        let writer = house.guest(V5, "writer");
        house.stop_acknowledging(reader);
        for qos in [Q1, Q2, Q2] {
            house.publish(writer, "t", "x", qos);
        }
        // PUBREC for one of them.
        let second = house.unanswered(reader)[1];
        house.send(reader, &Packet::PubRec(Ack::new(second)));
        assert_eq!(drops(&house).total(), 0);
        house.cut(reader);
        assert_eq!((drops(&house).session_ended, drops(&house).total()), (2, 2));
    }
}

#[test]
fn who_is_not_let_in_is_counted_and_told_to_the_host() {
    let mut options = BrokerOptions::default();
    options.connections_max = 2;
    options.client_id_bytes_max = 5;
    let mut house = House::with(options);
    let refused = house.knock(As::guest(V5, "much too long"));
    assert_eq!(house.said(refused), ["ConnAck 85", "closed"]);
    assert_eq!(house.events(), ["somebody went 85"]);
    let silent = house.open(V5);
    house.advance(10 * SECOND);
    assert_eq!(house.said(silent), ["closed"]);
    assert_eq!(house.events(), ["somebody went 80"]);
    let odd = house.open(V5);
    house.send_bytes(odd, b"GET / HTTP/1.1");
    assert_eq!(house.said(odd), ["closed"]);
    assert_eq!(house.events(), ["somebody went 82"]);
    let gone = house.open(V5);
    house.cut(gone);
    assert_eq!(house.events(), ["somebody was lost"]);
    let first = house.guest(V5, "1");
    house.guest(V5, "2");
    assert!(house.broker.open(house.now).is_err());
    let counts = house.broker.counts();
    assert_eq!((counts.connects_refused, counts.connects_failed, counts.opens_refused), (1, 3, 1));
    // Whoever was in has gone, and was not refused.
    house.leave(first);
    assert_eq!(house.events(), ["1 came", "2 came", "1 went 00"]);
    let counts = house.broker.counts();
    assert_eq!((counts.connects_refused, counts.connects_failed), (1, 3));
}

#[test]
fn filters_that_are_refused_are_counted() {
    let mut options = BrokerOptions::default();
    options.subscriptions_per_session_max = 1;
    let mut house = House::with(options);
    let reader = house.guest(V5, "reader");
    let all = ["a", "b", "c"].map(|text| Subscription::new(house::filter(text), Q0));
    house.subscribe_all(reader, &all, None);
    assert_eq!(house.said(reader), ["SubAck 00 97 97"]);
    assert_eq!(house.broker.counts().filters_refused, 2);
}

// --- sessions and queues -------------------------------------------------------------------------------------------------

#[test]
fn no_session_outlives_its_connection_by_more_than_a_week() {
    let week = 7 * 24 * 60 * 60 * SECOND;
    for version in VERSIONS {
        let mut house = House::new();
        let client = house.join(As::resident(version, "client"));
        house.advance(2 * week);
        house.cut(client);
        house.advance(week - TICK);
        assert_eq!(house.broker.counts().sessions, 1);
        house.advance(TICK);
        assert_eq!(house.broker.counts().sessions, 0);
    }
}

/// Each delivery has its own, and there may be many.
#[test]
fn subscription_identifiers_count_among_the_bytes_of_a_queue() {
    let mut house = House::new();
    let away = house.join(As::resident(V5, "away"));
    for (number, text) in (1..).zip(["t", "#", "+", "t/#"]) {
        house.subscribe_with(away, text, house::options(Q1), Some(number));
    }
    house.cut(away);
    let writer = house.guest(V5, "writer");
    house.publish(writer, "t", "x", Q1);
    assert_eq!(house.broker.session("away").unwrap().pending_bytes, 2 + 4 * 4);
}

// --- work ----------------------------------------------------------------------------------------------------------------

#[test]
fn sessions_that_end_together_keep_nobody_waiting() {
    let mut house = House::new();
    let healthy = house.guest(V5, "healthy");
    for number in 0..2_500 {
        let client = house.join(As::guest(V5, &number.to_string()).expiry(60));
        house.cut(client);
    }
    assert_eq!(house.broker.counts().sessions, 2_501);
    // Nothing else is due any more.
    house.advance(20 * SECOND);
    house.oversleep(40 * SECOND);
    for left in [1_501, 501, 1] {
        assert!(house.broker.poll_timeout().is_some_and(|due| due <= house.now));
        house.broker.handle_timeout(house.now);
        assert_eq!(house.broker.counts().sessions, left);
        house.send(healthy, &Packet::PingReq);
        assert_eq!(house.said(healthy), ["PingResp"]);
    }
    assert!(house.broker.poll_timeout().is_none_or(|due| due > house.now));
}

#[test]
fn a_shutdown_of_many_goes_on_from_call_to_call() {
    let mut house = House::new();
    let witness = house.join(As::resident(V5, "witness"));
    house.subscribe(witness, "gone", Q1);
    house.cut(witness);
    for number in 0..2_500 {
        house.join(
            As::guest(V5, &number.to_string()).exact_will(Will { qos: Q1, ..Will::new(house::topic("gone"), b"x") }),
        );
    }
    house.broker.shutdown(house.now);
    let connected = |house: &House| house.broker.sessions().filter(|session| session.connection.is_some()).count();
    assert_eq!(connected(&house), 1_500);
    // No will comes before all have been ended.
    let mut calls = 0;
    while house.broker.poll_timeout().is_some_and(|due| due <= house.now) {
        let pending = house.broker.session("witness").unwrap().pending;
        assert!(pending == 0 || connected(&house) == 0);
        house.broker.handle_timeout(house.now);
        calls += 1;
    }
    assert_eq!((calls, connected(&house), house.broker.session("witness").unwrap().pending), (4, 0, 2_500));
    house.drive();
    assert_eq!(house.broker.counts().connections, 0);
}

// --- depth ---------------------------------------------------------------------------------------------------------------

#[test]
fn topic_names_have_so_many_levels_and_no_more() {
    let mut options = BrokerOptions::default();
    options.topic_levels_max = 3;
    for version in VERSIONS {
        let mut house = House::with(options.clone());
        let reader = house.guest(V5, "reader");
        house.subscribe(reader, "#", Q0);
        for qos in [Q0, Q1, Q2] {
            let writer = house.guest(version, "writer");
            house.publish(writer, "a/b/c", "x", qos);
            assert_eq!(house.got(reader), ["a/b/c x"]);
            house.answered(writer);
            house.publish(writer, "a/b/c/d", "x", qos);
            assert_eq!(house.got(reader), [""; 0]);
            match (version, qos) {
                (V5, Q0) => assert_eq!(house.said(writer), ["Disconnect 90", "closed"]),
                (V5, _) => {
                    assert_eq!(house.answered(writer), [ReasonCode::TopicNameInvalid]);
                    house.leave(writer);
                }
                _ => assert_eq!(house.said(writer), ["closed"]),
            }
        }
        let heir = house.knock(As::guest(version, "heir").will("a/b/c/d", "x"));
        let refused: &[&str] = if version == V5 { &["ConnAck 90", "closed"] } else { &["closed"] };
        assert_eq!(house.said(heir), refused);
        assert_eq!(house.broker.counts().publishes_refused, 3);
    }
}
