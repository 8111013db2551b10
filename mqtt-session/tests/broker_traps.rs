//! What brokers get wrong, one client at a time: hostile bytes, and habits that are odd but allowed. Beside each, two clients talk that never notice.

mod house;

use std::sync::Arc;

use house::*;
use mqtt_proto::{
    Ack, Connect, Delivery, Packet, PacketId, Property, Publish, ReasonCode, SubscriptionOptions, Text, TopicAlias,
    TransmitBuf,
};
use mqtt_session::{Access, AccessRules, BrokerOptions, Message, Transmit};

/// Two who do nothing wrong.
struct Others {
    writer: Who,
    reader: Who,
    messages: usize,
}

impl Others {
    fn new(house: &mut House) -> Self {
        let reader = house.join(As::resident(V5, "healthy reader"));
        house.subscribe(reader, "healthy/+", Q2);
        Self { writer: house.guest(V3, "healthy writer"), reader, messages: 0 }
    }

    fn are_well(&mut self, house: &mut House) {
        for (qos, words) in [(Q0, ""), (Q1, " q1"), (Q2, " q2")] {
            self.messages += 1;
            let name = format!("healthy/{}", self.messages);
            house.publish(self.writer, &name, "x", qos);
            assert_eq!(house.got(self.reader), [format!("{name} x{words}")]);
        }
        assert!(house.said(self.reader).is_empty() && house.said(self.writer).is_empty());
    }
}

/// What comes back to the byte, and whether the connection is to be closed.
fn raw(house: &mut House, who: Who, bytes: &[u8]) -> (Vec<u8>, bool) {
    let (id, mut input) = (house.id(who), bytes);
    house.broker.handle_input(house.now, id, &mut input);
    assert!(input.is_empty(), "all is taken");
    let mut out = TransmitBuf::new();
    let mut closed = false;
    while let Some((to, transmit)) = house.broker.poll_transmit(house.now, &mut out) {
        assert_eq!(to, id, "nobody else hears of it");
        closed |= transmit == Transmit::Close;
    }
    (out.slices().flatten().copied().collect(), closed)
}

/// A packet: its first byte, and what stands behind its length.
fn packet(first: u8, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    [&[first, u8::try_from(body.len()).unwrap()], &body[..]].concat()
}

fn packet_id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

fn publish_as(delivery: Delivery) -> Packet<'static> {
    Packet::Publish(Publish { delivery, ..Publish::new(topic("a"), "x") })
}

/// CONNECT in 5.0 with a session that stays, and further properties, from a client that answers no messages.
fn knock_with<const N: usize>(house: &mut House, name: &str, more: [Property<'_>; N]) -> Who {
    let mut all = properties(more);
    all.push(Property::SessionExpiryInterval(u32::MAX)).unwrap();
    let mut connect = Connect::new(Text::new(name).unwrap());
    (connect.clean_start, connect.properties) = (false, all.as_properties());
    let who = house.open(V5);
    house.stop_acknowledging(who);
    house.send(who, &Packet::Connect(connect));
    who
}

// --- no packet, or not its sender's --------------------------------------------------------------------------------------

#[test]
fn a_packet_that_is_none_ends_its_own_connection() {
    let none: &[u8] = &[0];
    // (what is wrong, the packet before 5.0, the packet in 5.0, what 5.0 is told)
    let both: [(&str, Vec<u8>, Vec<u8>, u8); 17] = [
        ("length of five bytes", vec![0x30, 0xFF, 0xFF, 0xFF, 0xFF], vec![0x30, 0xFF, 0xFF, 0xFF, 0xFF], 0x81),
        ("flags of SUBSCRIBE", packet(0x80, &[b"\0\x01\0\x01a\0"]), packet(0x80, &[b"\0\x01\0\0\x01a\0"]), 0x81),
        ("flags of PINGREQ", vec![0xC1, 0], vec![0xC1, 0], 0x81),
        ("a byte too many", vec![0xC0, 1, 0], vec![0xC0, 1, 0], 0x81),
        ("QoS 3", packet(0x36, &[b"\0\x01a\0\x01x"]), packet(0x36, &[b"\0\x01a\0\x01", none, b"x"]), 0x81),
        ("a repeat at QoS 0", packet(0x38, &[b"\0\x01ax"]), packet(0x38, &[b"\0\x01a", none, b"x"]), 0x81),
        ("PUBLISH 0", packet(0x32, &[b"\0\x01a\0\0x"]), packet(0x32, &[b"\0\x01a\0\0", none, b"x"]), 0x82),
        ("SUBSCRIBE 0", packet(0x82, &[b"\0\0\0\x01a\0"]), packet(0x82, &[b"\0\0", none, b"\0\x01a\0"]), 0x82),
        ("wildcard in a topic", packet(0x30, &[b"\0\x03a/+x"]), packet(0x30, &[b"\0\x03a/+", none, b"x"]), 0x81),
        ("no UTF-8", packet(0x30, &[b"\0\x02\xC3\x28x"]), packet(0x30, &[b"\0\x02\xC3\x28", none, b"x"]), 0x81),
        ("U+0000", packet(0x30, &[b"\0\x02a\0x"]), packet(0x30, &[b"\0\x02a\0", none, b"x"]), 0x81),
        ("no filter", packet(0x82, &[b"\0\x01"]), packet(0x82, &[b"\0\x01", none]), 0x82),
        ("nothing to unsubscribe", packet(0xA2, &[b"\0\x01"]), packet(0xA2, &[b"\0\x01", none]), 0x82),
        ("subscription at QoS 3", packet(0x82, &[b"\0\x01\0\x01a\x03"]), packet(0x82, &[b"\0\x01\0\0\x01a\x03"]), 0x82),
        ("CONNACK", packet(0x20, &[b"\0\0"]), packet(0x20, &[b"\0\0\0"]), 0x82),
        ("SUBACK", packet(0x90, &[b"\0\x01\0"]), packet(0x90, &[b"\0\x01\0\0"]), 0x82),
        ("PINGRESP", vec![0xD0, 0], vec![0xD0, 0], 0x82),
    ];
    let only_in_5: [(&str, Vec<u8>, u8); 19] = [
        ("a longer length than needed", vec![0xC0, 0x80, 0], 0x81),
        ("options that mean nothing", packet(0x82, &[b"\0\x01\0\0\x01a\xC0"]), 0x81),
        ("retain handling 3", packet(0x82, &[b"\0\x01\0\0\x01a\x30"]), 0x82),
        ("no local, shared", packet(0x82, &[b"\0\x01\0\0\x0A$share/g/a\x04"]), 0x82),
        ("shared under no name", packet(0x82, &[b"\0\x01\0\0\x09$share//a\0"]), 0x81),
        ("shared, and no filter", packet(0x82, &[b"\0\x01\0\0\x08$share/g\0"]), 0x81),
        ("subscription identifier 0", packet(0x82, &[b"\0\x01\x02\x0B\0\0\x01a\0"]), 0x82),
        ("a publisher's subscription identifier", packet(0x30, &[b"\0\x01a\x02\x0B\x01x"]), 0x82),
        ("a property twice", packet(0x30, &[b"\0\x01a\x04\x01\0\x01\0x"]), 0x82),
        ("a property of another packet", packet(0x30, &[b"\0\x01a\x05\x11\0\0\0\x01x"]), 0x81),
        ("a property that is cut", packet(0x30, &[b"\0\x01a\x02\x11\0"]), 0x81),
        ("wildcard in a response topic", packet(0x30, &[b"\0\x01a\x04\x08\0\x01#x"]), 0x81),
        ("alias 0", packet(0x30, &[b"\0\x01a\x03\x23\0\0x"]), 0x94),
        ("alias above the maximum", packet(0x30, &[b"\0\x01a\x03\x23\xFF\xFFx"]), 0x94),
        ("an alias that stands for nothing", packet(0x30, &[b"\0\0\x03\x23\0\x01x"]), 0x82),
        ("neither topic nor alias", packet(0x30, &[b"\0\0\0x"]), 0x82),
        ("AUTH of nobody", vec![0xF0, 0], 0x82),
        ("a reason that only servers have", packet(0x40, &[b"\0\x09\x10"]), 0x82),
        ("a client that redirects", packet(0xE0, &[b"\0\x04\x1C\0\x01a"]), 0x81),
    ];
    let mut house = House::new();
    let mut others = Others::new(&mut house);
    let mut send = |version, what: &str, bytes: &[u8], code: Option<u8>| {
        let hostile = house.join(As::resident(version, "hostile"));
        let goodbye = code.map_or(vec![], |code| vec![0xE0, 1, code]);
        let (answer, closed) = raw(&mut house, hostile, bytes);
        assert!(closed, "{what}");
        assert_eq!(answer, goodbye, "{what}");
        house.cut(hostile);
        others.are_well(&mut house);
    };
    for (what, old, new, code) in &both {
        send(V3, what, old, None);
        send(V5, what, new, Some(*code));
    }
    for (what, bytes, code) in &only_in_5 {
        send(V5, what, bytes, Some(*code));
    }
}

#[test]
fn a_connect_that_is_none_makes_nobody() {
    let old = |flags: u8, behind: &[u8]| packet(0x10, &[b"\0\x04MQTT\x04", &[flags], b"\0\0\0\x01h", behind]);
    let new = |flags: u8, behind: &[u8]| packet(0x10, &[b"\0\x04MQTT\x05", &[flags], b"\0\0\0\0\x01h", behind]);
    let asks =
        |all: &[u8]| packet(0x10, &[b"\0\x04MQTT\x05\x02\0\0", &[u8::try_from(all.len()).unwrap()], all, b"\0\x01h"]);
    let bare: &[u8] = &[];
    let no = |code: u8| vec![0x20, 3, 0, code, 0];
    let table: [(&str, Vec<u8>, Vec<u8>); 17] = [
        ("no CONNECT", vec![0xC0, 0], bare.into()),
        ("version 6", packet(0x10, &[b"\0\x04MQTT\x06\x02\0\0\0\0\x01h"]), no(0x84)),
        ("version 2", packet(0x10, &[b"\0\x04MQTT\x02\x02\0\0\0\x01h"]), vec![0x20, 2, 0, 1]),
        ("another protocol", packet(0x10, &[b"\0\x04HTTP\x04\x02\0\0\0\x01h"]), bare.into()),
        ("flag 0", old(0x03, b""), bare.into()),
        ("flag 0", new(0x03, b""), no(0x81)),
        ("QoS of no will", old(0x0A, b""), bare.into()),
        ("a retained will that is none", new(0x22, b""), no(0x81)),
        ("will at QoS 3", old(0x1E, b"\0\x01a\0\x01x"), bare.into()),
        ("will at QoS 3", new(0x1E, b"\0\0\x01a\0\x01x"), no(0x81)),
        ("wildcard in the topic of a will", old(0x06, b"\0\x01#\0\x01x"), bare.into()),
        ("wildcard in the topic of a will", new(0x06, b"\0\0\x01#\0\x01x"), no(0x81)),
        ("password without a user", old(0x42, b"\0\x01x"), bare.into()),
        ("receive maximum 0", asks(b"\x21\0\0"), no(0x82)),
        ("packets of no size", asks(b"\x27\0\0\0\0"), no(0x82)),
        ("data and no method", asks(b"\x16\0\x01x"), no(0x82)),
        ("a topic alias in a will", new(0x06, b"\x03\x23\0\x01\0\x01a\0\x01x"), no(0x81)),
    ];
    let mut house = House::new();
    let mut others = Others::new(&mut house);
    // Whose name it has, and who never notices either.
    let owner = house.join(As::resident(V5, "h").will("healthy/will", "gone"));
    for (what, bytes, expected) in &table {
        let hostile = house.open(V5);
        let (answer, closed) = raw(&mut house, hostile, bytes);
        assert!(closed, "{what}");
        assert_eq!(answer, *expected, "{what}");
        house.cut(hostile);
        others.are_well(&mut house);
        assert_eq!(house.broker.counts().sessions, 3);
    }
    // In 5.0 a password needs no user.
    assert!(house.said(owner).is_empty());
    let with_password = house.open(V5);
    house.send_bytes(with_password, &new(0x42, b"\0\x01x"));
    assert_eq!(house.said(with_password), ["ConnAck 00"]);
}

// --- connecting ----------------------------------------------------------------------------------------------------------

/// v3\[MQTT-3.2.0-1\] v5\[MQTT-3.2.0-1\]
#[test]
fn nothing_goes_out_before_connack_and_nothing_with_a_refusal() {
    let mut house = House::new();
    let writer = house.guest(V3, "writer");
    let reader = house.join(As::resident(V5, "r"));
    house.subscribe(reader, "a", Q1);
    house.cut(reader);
    house.publish(writer, "a", "x", Q1);
    let refused = house.open(V5);
    let connect = packet(0x10, &[b"\0\x04MQTT\x05\0\0\0\x09\x11\0\0\0\x09\x15\0\x01m\0\x01r"]);
    assert_eq!(raw(&mut house, refused, &connect), (vec![0x20, 3, 0, 0x8C, 0], true));
    house.cut(refused);
    let back = house.open(V3);
    let connect = packet(0x10, &[b"\0\x04MQTT\x04\0\0\0\0\x01r"]);
    let expected = [&[0x20, 2, 1, 0][..], &packet(0x32, &[b"\0\x01a\0\x01x"])].concat();
    assert_eq!(raw(&mut house, back, &connect), (expected, false));
}

/// v5\[MQTT-3.1.2-24\] v5\[MQTT-3.3.4-9\]
#[test]
fn what_a_client_takes_is_a_matter_of_each_connection() {
    let mut house = House::new();
    let mut others = Others::new(&mut house);
    let writer = house.guest(V3, "writer");
    let reader = knock_with(&mut house, "reader", []);
    house.said(reader);
    house.subscribe(reader, "a", Q2);
    let long = "long".repeat(50);
    for payload in ["1", "2", &long, "3", "4"] {
        house.publish(writer, "a", payload, Q1);
    }
    assert_eq!(house.got(reader).len(), 5);
    house.cut(reader);
    let small = [Property::ReceiveMaximum(2.try_into().unwrap()), Property::MaximumPacketSize(100.try_into().unwrap())];
    let reader = knock_with(&mut house, "reader", small);
    assert_eq!(house.said(reader), ["ConnAck 00 present"]);
    assert_eq!(house.got(reader), ["a 1 q1 D", "a 2 q1 D"]);
    house.acknowledge_all(reader);
    assert_eq!(house.got(reader), ["a 3 q1 D", "a 4 q1 D"]);
    house.cut(reader);
    others.are_well(&mut house);
    // What has been sent and is too large now is over; what is small on the next connection is not.
    let reader = knock_with(&mut house, "reader", []);
    assert!(house.got(reader).is_empty());
    house.publish(writer, "a", &long, Q1);
    assert_eq!(house.got(reader).len(), 1);
}

/// v3\[MQTT-3.1.2-24\] v5\[MQTT-3.1.2-22\]: what it is sent is no sign of life, nor what it has begun to send.
#[test]
fn a_client_that_only_listens_is_silent() {
    for version in VERSIONS {
        let mut house = House::new();
        let mut others = Others::new(&mut house);
        let listener = house.join(As::guest(version, "listener").keep_alive(10));
        let patient = house.guest(version, "patient");
        house.subscribe(listener, "a", Q0);
        for _ in 0..14 {
            house.advance(SECOND);
            others.are_well(&mut house);
            house.publish(others.writer, "a", "x", Q0);
        }
        assert_eq!(house.got(listener).len(), 14);
        assert!(house.said(listener).is_empty());
        house.advance(SECOND);
        let goodbye = if version == V5 { &["Disconnect 8D", "closed"][..] } else { &["closed"] };
        assert_eq!(house.said(listener), goodbye);
        // Whoever does not count may be silent for ever.
        house.advance(1_000_000 * SECOND);
        house.send(patient, &Packet::PingReq);
        assert_eq!(house.said(patient), ["PingResp"]);
    }
}

/// v5\[MQTT-3.14.4-1\]: also not what was published before it could read that it has to go.
#[test]
fn nothing_follows_a_disconnect() {
    let mut house = House::new();
    let writer = house.guest(V3, "writer");
    let old = house.join(As::resident(V5, "reader"));
    house.subscribe(old, "a", Q1);
    house.block(old);
    let new = house.join(As::resident(V5, "reader"));
    house.publish(writer, "a", "x", Q1);
    house.unblock(old);
    assert!(house.got(old).is_empty());
    assert_eq!(house.said(old), ["Disconnect 8E", "closed"]);
    assert_eq!(house.got(new), ["a x q1"]);
}

// --- publishing ----------------------------------------------------------------------------------------------------------

/// v3\[MQTT-3.3.1-3\] v5\[MQTT-3.3.1-3\]
#[test]
fn a_repeat_is_one_between_two_and_nobody_else() {
    for version in VERSIONS {
        let mut house = House::new();
        let reader = house.guest(version, "reader");
        house.subscribe(reader, "a", Q2);
        let writer = house.guest(version, "writer");
        house.stop_acknowledging(writer);
        // At QoS 1 the identifier is free, and each is a message. At QoS 2 it is not, whatever DUP says.
        for dup in [true, true, false] {
            house.send(writer, &publish_as(Delivery::AtLeastOnce { packet_id: packet_id(9), dup }));
            assert_eq!(house.got(reader), ["a x q1"]);
        }
        house.send(writer, &publish_as(Delivery::ExactlyOnce { packet_id: packet_id(9), dup: true }));
        assert_eq!(house.got(reader), ["a x q2"]);
        for dup in [true, false] {
            house.send(writer, &publish_as(Delivery::ExactlyOnce { packet_id: packet_id(9), dup }));
            assert!(house.got(reader).is_empty());
        }
        house.send(writer, &Packet::PubRel(Ack::new(packet_id(9))));
        house.send(writer, &publish_as(Delivery::ExactlyOnce { packet_id: packet_id(9), dup: false }));
        assert_eq!(house.got(reader), ["a x q2"]);
        assert!(house.said(writer).is_empty());
    }
}

/// It may be about a session that is gone.
#[test]
fn an_answer_to_nothing_does_no_harm() {
    for version in VERSIONS {
        let mut house = House::new();
        let mut others = Others::new(&mut house);
        let odd = house.guest(version, "odd");
        let [puback, pubrec, pubrel, pubcomp] = [0x40, 0x50, 0x62, 0x70].map(|first| packet(first, &[&[0, 9]]));
        let is_new = version == V5;
        let table = [
            (puback, vec![]),
            (pubrec, packet(0x62, &[&[0, 9], if is_new { &[0x92] } else { &[] }])),
            (pubrel, packet(0x70, &[&[0, 9], if is_new { &[0x92] } else { &[] }])),
            (pubcomp, vec![]),
        ];
        for (bytes, answer) in table {
            assert_eq!(raw(&mut house, odd, &bytes), (answer, false), "{bytes:?}");
        }
        others.are_well(&mut house);
    }
}

/// v5\[MQTT-4.4.0-2\] v5\[MQTT-4.9.0-2\]: it has had its say, its room is free, and it does not get it again.
#[test]
fn what_a_receiver_has_answered_is_over_whatever_it_said() {
    let mut limits = BrokerOptions::default();
    limits.server.limits.in_flight_max = 1;
    for (qos, reason_code) in [
        (Q1, ReasonCode::UnspecifiedError),
        (Q1, ReasonCode::QuotaExceeded),
        (Q2, ReasonCode::UnspecifiedError),
        (Q2, ReasonCode::PacketIdentifierInUse),
    ] {
        let mut house = House::with(limits.clone());
        let mut others = Others::new(&mut house);
        let reader = house.join(As::resident(V5, "reader"));
        house.subscribe(reader, "a", Q2);
        house.stop_acknowledging(reader);
        house.publish(others.writer, "a", "1", qos);
        house.publish(others.writer, "a", "2", qos);
        assert_eq!(house.got(reader).len(), 1);
        // To the byte: a client's own codec knows better than to say some of these.
        let packet_id = house.unanswered(reader)[0].get().to_be_bytes();
        let first = if qos == Q1 { 0x40 } else { 0x50 };
        house.send_bytes(reader, &packet(first, &[&packet_id, &[reason_code.as_u8()]]));
        let words = if qos == Q1 { "a 2 q1" } else { "a 2 q2" };
        assert_eq!(house.got(reader), [words]);
        house.cut(reader);
        let reader = house.join(As::resident(V5, "reader"));
        assert_eq!(house.got(reader), [format!("{words} D")]);
        others.are_well(&mut house);
    }
}

/// v5\[MQTT-3.3.4-10\] v5\[MQTT-4.9.0-3\]
#[test]
fn a_full_window_holds_up_nothing_but_messages() {
    let mut limits = BrokerOptions::default();
    limits.server.limits.in_flight_max = 1;
    limits.server.limits.in_flight_before_5_max = 1;
    for version in VERSIONS {
        let mut house = House::with(limits.clone());
        let mut others = Others::new(&mut house);
        let full = house.join(As::resident(version, "full"));
        house.subscribe(full, "a", Q1);
        house.stop_acknowledging(full);
        house.publish(others.writer, "a", "1", Q1);
        house.publish(others.writer, "a", "2", Q1);
        house.send(full, &Packet::PingReq);
        house.subscribe_with(full, "b", options(Q0), None);
        house.unsubscribe(full, &["b"]);
        let unsuback = if version == V5 { "UnsubAck 00" } else { "UnsubAck" };
        assert_eq!(house.said(full), ["PingResp", "SubAck 00", unsuback]);
        for qos in [Q1, Q2] {
            house.publish(full, "healthy/from-full", "x", qos);
        }
        assert_eq!(house.answered(full), [ReasonCode::Success; 2]);
        assert_eq!(house.got(others.reader).len(), 2);
        assert_eq!(house.got(full), ["a 1 q1"]);
        others.are_well(&mut house);
    }
}

/// v5\[MQTT-3.3.4-9\]
#[test]
fn a_publisher_that_takes_more_than_its_share_is_sent_away() {
    let mut two = BrokerOptions::default();
    two.server.receive_maximum = 2;
    let mut house = House::with(two);
    let mut others = Others::new(&mut house);
    let greedy = house.guest(V5, "greedy");
    house.subscribe(others.reader, "a", Q0);
    house.stop_acknowledging(greedy);
    for number in 1..=2 {
        house.send(greedy, &publish_as(Delivery::ExactlyOnce { packet_id: packet_id(number), dup: false }));
    }
    // One more of those at QoS 0, and a repeat, are none of these.
    house.send(greedy, &publish_as(Delivery::AtMostOnce));
    house.send(greedy, &publish_as(Delivery::ExactlyOnce { packet_id: packet_id(2), dup: true }));
    assert!(house.said(greedy).is_empty());
    assert_eq!(house.got(others.reader), ["a x"; 3]);
    house.send(greedy, &publish_as(Delivery::ExactlyOnce { packet_id: packet_id(3), dup: false }));
    assert_eq!(house.said(greedy), ["Disconnect 93", "closed"]);
    assert!(house.got(others.reader).is_empty());
    others.are_well(&mut house);
}

/// v3\[MQTT-3.3.5-2\]: before 5.0 there is no way to say no, so it is taken and dropped; in 5.0 what is refused takes nobody's share.
#[test]
fn what_may_not_be_published_goes_nowhere_and_its_publisher_stays() {
    let mut options = BrokerOptions::default();
    options.server.receive_maximum = 2;
    for version in VERSIONS {
        let mut house = House::with(options.clone());
        let mut rules = AccessRules::new();
        rules.deny(None, Access::Publish, "a").unwrap();
        rules.allow(None, Access::All, "#").unwrap();
        house.broker.set_policy(Arc::new(rules));
        let mut others = Others::new(&mut house);
        house.subscribe(others.reader, "a", Q2);
        let writer = house.guest(version, "writer");
        house.publish(writer, "a", "x", Q0);
        for _ in 0..5 {
            house.retain(writer, "a", "x", Q1);
            house.publish(writer, "a", "x", Q2);
        }
        let answer = if version == V5 { ReasonCode::NotAuthorized } else { ReasonCode::Success };
        assert_eq!(house.answered(writer), [answer; 10]);
        assert!(house.got(others.reader).is_empty());
        assert_eq!(house.broker.counts().retained_messages, 0);
        assert_eq!(house.broker.counts().publishes_refused, 11);
        house.send(writer, &Packet::PingReq);
        assert_eq!(house.said(writer), ["PingResp"]);
        others.are_well(&mut house);
    }
}

/// v5\[MQTT-3.3.2-7\]
#[test]
fn an_alias_is_good_on_its_own_connection_only() {
    let mut house = House::new();
    let mut others = Others::new(&mut house);
    house.subscribe(others.reader, "a", Q0);
    let alias = properties([Property::TopicAlias(TopicAlias::new(1).unwrap())]);
    let named = Packet::Publish(Publish { properties: alias.as_properties(), ..Publish::new(topic("a"), "x") });
    let unnamed = Packet::Publish(Publish {
        topic: None,
        properties: alias.as_properties(),
        ..Publish::new(topic("unused"), "by alias")
    });
    let first = house.join(As::resident(V5, "first"));
    house.send(first, &named);
    house.send(first, &unnamed);
    assert_eq!(house.got(others.reader), ["a x", "a by alias"]);
    let second = house.guest(V5, "second");
    house.cut(first);
    let again = house.join(As::resident(V5, "first"));
    for stranger in [second, again] {
        house.send(stranger, &unnamed);
        assert_eq!(house.said(stranger), ["Disconnect 82", "closed"]);
    }
    assert!(house.got(others.reader).is_empty());
    others.are_well(&mut house);
}

/// v5\[MQTT-3.3.2-5\] v5\[MQTT-3.3.2-6\] v5\[MQTT-4.3.3-7\]
#[test]
fn what_waits_grows_old_and_what_is_on_its_way_arrives() {
    let mut limits = BrokerOptions::default();
    limits.server.limits.in_flight_max = 1;
    let mut house = House::with(limits);
    let mut others = Others::new(&mut house);
    let writer = house.guest(V5, "writer");
    let reader = house.join(As::resident(V5, "r"));
    house.subscribe(reader, "a", Q2);
    house.stop_acknowledging(reader);
    let in_ten = properties([Property::MessageExpiryInterval(10)]);
    for (number, payload) in [(1, "1"), (2, "2")] {
        let delivery = Delivery::ExactlyOnce { packet_id: packet_id(number), dup: false };
        let message = Publish { delivery, properties: in_ten.as_properties(), ..Publish::new(topic("a"), payload) };
        house.send(writer, &Packet::Publish(message));
    }
    assert_eq!(house.got(reader), ["a 1 q2 expires 10"]);
    house.cut(reader);
    house.advance(4 * SECOND);
    others.are_well(&mut house);
    // PUBREC of the first makes room for the second, which has six seconds left.
    let back = house.open(V5);
    let connect = packet(0x10, &[b"\0\x04MQTT\x05\0\0\0\x05\x11\0\0\0\x3C\0\x01r"]);
    let (answer, _) = raw(&mut house, back, &connect);
    let repeat = packet(0x3C, &[b"\0\x01a\0\x01\x05\x02\0\0\0\x06", b"1"]);
    assert!(answer.ends_with(&repeat), "{answer:X?}");
    house.cut(back);
    house.advance(7 * SECOND);
    // The first is on its way since it could still arrive. The second is not.
    let back = house.join(As::resident(V5, "r"));
    assert_eq!(house.got(back), ["a 1 q2 D expires 1"]);
    assert_eq!(house.broker.counts().deliveries_dropped(), 1);
    others.are_well(&mut house);
}

// --- subscriptions -------------------------------------------------------------------------------------------------------

/// v5\[MQTT-3.8.3-3\]: a client is who it says it is, on whichever connection.
#[test]
fn no_local_is_about_the_client_and_not_its_connection() {
    let mut house = House::new();
    let mut others = Others::new(&mut house);
    let not_mine = SubscriptionOptions { no_local: true, ..options(Q1) };
    let both = house.join(As::resident(V5, "both"));
    house.subscribe_with(both, "a", not_mine, None);
    house.cut(both);
    let both = house.join(As::resident(V5, "both"));
    house.publish(both, "a", "mine", Q1);
    house.publish(others.writer, "a", "yours", Q1);
    assert_eq!(house.got(both), ["a yours q1"]);
    // Published just before another connection took over.
    house.say(both, &publish_as(Delivery::AtMostOnce));
    let again = house.join(As::resident(V5, "both"));
    assert!(house.got(again).is_empty());
    others.are_well(&mut house);
}

/// 5.0 section 4.8.2: the filter is what stands behind the name.
#[test]
fn a_shared_filter_means_what_it_would_alone() {
    let table = [
        ("$share/g/#", "a", true),
        ("$share/g/#", "/a", true),
        ("$share/g/#", "$SYS/a", false),
        ("$share/g/+/a", "$SYS/a", false),
        ("$share/g/$SYS/#", "$SYS/a", true),
        ("$share/g//a", "/a", true),
        ("$share/g//a", "a", false),
        ("$share/g/a/#", "a", true),
        ("$share/g/a", "$share/g/a", false),
    ];
    for (filter, name, is_for_it) in table {
        let mut house = House::new();
        let reader = house.guest(V5, "reader");
        house.subscribe(reader, filter, Q0);
        house.broadcast(&Message::new(topic(name), "x"));
        assert_eq!(house.got(reader).len(), usize::from(is_for_it), "{filter} {name}");
    }
}

/// v3\[MQTT-3.10.4-3\] v5\[MQTT-3.10.4-3\]
#[test]
fn what_is_on_its_way_arrives_though_its_subscription_has_ended() {
    for version in VERSIONS {
        let mut house = House::new();
        let mut others = Others::new(&mut house);
        let reader = house.join(As::resident(version, "reader"));
        house.subscribe(reader, "a", Q2);
        house.stop_acknowledging(reader);
        house.publish(others.writer, "a", "1", Q1);
        house.publish(others.writer, "a", "2", Q2);
        assert_eq!(house.got(reader).len(), 2);
        house.unsubscribe(reader, &["a"]);
        house.publish(others.writer, "a", "3", Q1);
        house.cut(reader);
        let reader = house.join(As::resident(version, "reader"));
        assert_eq!(house.got(reader), ["a 1 q1 D", "a 2 q2 D"]);
        house.cut(reader);
        let reader = house.join(As::resident(version, "reader"));
        assert!(house.got(reader).is_empty());
        others.are_well(&mut house);
    }
}
