//! Transports: how many, how they end, and whose turn it is.

mod house;

use house::*;
use mqtt_proto::{Packet, Publish, ReasonCode, TransmitBuf};
use mqtt_session::{Acknowledge, Broker, BrokerOptions, Instant, OpenError, RequestError, Transmit};
use proptest::prelude::*;

#[test]
fn the_number_of_connections_is_bounded() {
    let mut options = BrokerOptions::default();
    options.connections_max = 2;
    let mut house = House::with(options);
    let first = house.open(V5);
    let _second = house.open(V5);
    let full = OpenError::TooManyConnections { connections: 2 };
    assert_eq!(house.broker.open(house.now), Err(full));
    assert_eq!(full.to_string(), "2 connections are open (limit: connections_max)");
    house.cut(first);
    assert!(house.broker.open(house.now).is_ok());
}

#[test]
fn deadlines_end_with_their_connections() {
    let mut house = House::new();
    let silent = house.open(V5);
    let alive = house.join(As::guest(V5, "alive").keep_alive(10));
    assert!(house.broker.poll_timeout().is_some());
    house.cut(silent);
    house.cut(alive);
    assert_eq!(house.broker.poll_timeout(), None);
}

#[test]
fn a_name_that_is_gone_names_nobody() {
    let mut house = House::new();
    let gone = house.guest(V5, "gone");
    house.cut(gone);
    let new = house.guest(V5, "new");
    let (gone, new) = (house.id(gone), house.id(new));
    assert_ne!(gone, new);
    let ping = [0xC0, 0];
    let mut input = &ping[..];
    house.broker.handle_input(house.now, gone, &mut input);
    assert_eq!(input, ping);
    assert!(!house.broker.wants_input(gone) && house.broker.wants_input(new));
    house.broker.handle_blocked(gone);
    house.broker.handle_writable(gone);
    house.broker.handle_closed(house.now, gone);
    assert_eq!(house.broker.poll_transmit(house.now, &mut TransmitBuf::new()), None);
    assert_eq!(house.broker.counts().connections, 1);
}

#[test]
fn whoever_does_not_connect_in_time_is_closed() {
    let mut house = House::new();
    let silent = house.open(V5);
    assert_eq!(house.broker.poll_timeout(), Some(Instant::ZERO + 10 * SECOND));
    house.advance(9 * SECOND);
    assert!(house.said(silent).is_empty());
    house.advance(SECOND);
    assert_eq!(house.said(silent), ["closed"]);
    assert_eq!(house.broker.counts().connections, 0);
    assert_eq!(house.events(), ["somebody went 80"]);
    assert_eq!(house.broker.poll_timeout(), None);
}

/// v3\[MQTT-3.1.2-24\] v5\[MQTT-3.1.2-22\]
#[test]
fn the_one_deadline_is_that_of_whoever_is_silent_longest() {
    for version in VERSIONS {
        let mut house = House::new();
        let quick = house.join(As::guest(version, "quick").keep_alive(10));
        let slow = house.join(As::guest(version, "slow").keep_alive(100));
        for _ in 0..20 {
            house.advance(7 * SECOND);
            house.send(quick, &Packet::PingReq);
        }
        assert_eq!(house.said(quick).len(), 20);
        assert!(house.said(slow).is_empty());
        house.advance(10 * SECOND);
        let goodbye = if version == V5 { &["Disconnect 8D", "closed"][..] } else { &["closed"] };
        assert_eq!(house.said(slow), goodbye);
        assert!(house.said(quick).is_empty());
        house.advance(5 * SECOND);
        assert_eq!(house.said(quick), goodbye);
    }
}

#[test]
fn a_deadline_may_come_nearer() {
    let mut house = House::new();
    let client = house.join(As::guest(V5, "client").keep_alive(2));
    assert_eq!(house.broker.poll_timeout(), Some(Instant::ZERO + 3 * SECOND));
    house.advance(3 * SECOND);
    assert_eq!(house.said(client), ["Disconnect 8D", "closed"]);
}

#[test]
fn the_broker_itself_acknowledges_what_it_takes() {
    let mut options = BrokerOptions::default();
    options.server.acknowledge = Acknowledge::Manually;
    options.server.receive_maximum = 2;
    let mut house = House::with(options);
    let writer = house.guest(V5, "writer");
    for qos in [Q1, Q2, Q1, Q2, Q1, Q2] {
        house.publish(writer, "a", "x", qos);
    }
    assert!(house.said(writer).is_empty());
}

#[test]
fn packets_may_come_in_any_pieces() {
    for version in VERSIONS {
        let mut house = House::new();
        let reader = house.guest(version, "reader");
        house.subscribe(reader, "a", Q0);
        let writer = house.guest(version, "writer");
        let mut out = TransmitBuf::new();
        let codec = mqtt_proto::Codec::client(version);
        for payload in ["1", "2"] {
            codec.encode(&Packet::Publish(Publish::new(topic("a"), payload)), &mut out).unwrap();
        }
        let bytes: Vec<u8> = out.slices().flatten().copied().collect();
        for byte in bytes {
            house.send_bytes(writer, &[byte]);
        }
        assert_eq!(house.got(reader), ["a 1", "a 2"]);
    }
}

#[test]
fn a_blocked_connection_is_left_alone_and_the_others_go_on() {
    let mut house = House::new();
    let writer = house.guest(V5, "writer");
    let (stuck, free) = (house.guest(V5, "stuck"), house.guest(V5, "free"));
    house.subscribe(stuck, "a", Q0);
    house.subscribe(free, "a", Q0);
    house.block(stuck);
    house.publish(writer, "a", "1", Q0);
    house.publish(writer, "a", "2", Q0);
    assert!(house.got(stuck).is_empty());
    assert_eq!(house.got(free), ["a 1", "a 2"]);
    house.unblock(stuck);
    assert_eq!(house.got(stuck), ["a 1", "a 2"]);
}

#[test]
fn what_a_turn_brings_goes_out_in_one_piece_per_connection() {
    let mut house = House::new();
    let writer = house.guest(V5, "writer");
    let readers: Vec<_> = (0..10)
        .map(|number| {
            let reader = house.guest(V5, &format!("{number}"));
            house.subscribe(reader, "a", Q0);
            reader
        })
        .collect();
    for payload in ["1", "2", "3"] {
        house.say(writer, &Packet::Publish(Publish::new(topic("a"), payload)));
    }
    let mut out = TransmitBuf::new();
    for reader in readers {
        let (id, transmit) = house.broker.poll_transmit(house.now, &mut out).unwrap();
        assert_eq!((id, transmit), (house.id(reader), Transmit::Ready));
        assert_eq!(out.len(), 3 * 7);
        out.clear();
    }
    assert_eq!(house.broker.poll_transmit(house.now, &mut out), None);
}

#[test]
fn a_connection_to_be_closed_is_named_once_and_after_its_last_byte() {
    let mut house = House::new();
    let client = house.guest(V5, "client");
    let id = house.id(client);
    house.broker.disconnect(house.now, "client", ReasonCode::AdministrativeAction).unwrap();
    let mut out = TransmitBuf::new();
    assert_eq!(house.broker.poll_transmit(house.now, &mut out), Some((id, Transmit::Ready)));
    assert_eq!(house.broker.poll_transmit(house.now, &mut out), Some((id, Transmit::Close)));
    assert_eq!(house.broker.poll_transmit(house.now, &mut out), None);
    assert_eq!(out.slices().next(), Some(&[0xE0, 1, 0x98][..]));
    house.broker.handle_input(house.now, id, &mut &[0xC0, 0][..]);
    house.broker.handle_blocked(id);
    house.broker.handle_writable(id);
    assert_eq!(house.broker.poll_transmit(house.now, &mut out), None);
    house.broker.handle_closed(house.now, id);
    assert_eq!(house.broker.counts().connections, 0);
}

#[test]
fn nobody_is_sent_away_who_is_not_there() {
    let mut house = House::new();
    let gone = house.join(As::resident(V5, "gone"));
    house.cut(gone);
    for name in ["gone", "never"] {
        let refused = house.broker.disconnect(house.now, name, ReasonCode::AdministrativeAction);
        assert_eq!(refused, Err(RequestError::NotConnected));
    }
    let _here = house.guest(V5, "here");
    let refused = house.broker.disconnect(house.now, "here", ReasonCode::GrantedQos2);
    assert!(matches!(refused, Err(RequestError::Invalid(_))));
    assert_eq!(house.broker.counts().connections, 1);
}

#[test]
fn shutdown_closes_everything_and_opens_nothing() {
    let mut house = House::new();
    let old = house.guest(V3, "old");
    let new = house.join(As::resident(V5, "new"));
    let nobody = house.open(V5);
    house.broker.shutdown(house.now);
    assert_eq!(house.broker.open(house.now), Err(OpenError::ShuttingDown));
    house.drive();
    assert_eq!(house.said(old), ["closed"]);
    assert_eq!(house.said(new), ["Disconnect 8B", "closed"]);
    assert_eq!(house.said(nobody), ["closed"]);
    assert_eq!((house.broker.counts().connections, house.broker.counts().sessions), (0, 1));
    assert_eq!(house.events(), ["old came", "new came", "old went 8B", "new went 8B", "somebody went 8B"]);
}

#[test]
fn events_that_nobody_fetches_are_bounded() {
    let mut options = BrokerOptions::default();
    options.events_max = 3;
    let mut house = House::with(options);
    for _ in 0..3 {
        let client = house.guest(V5, "client");
        house.cut(client);
    }
    assert_eq!(house.broker.counts().events_dropped, 3);
    assert_eq!(house.events(), ["client came", "client was lost", "client came"]);
}

#[test]
fn the_same_calls_have_the_same_results() {
    let run = |seed| {
        let mut broker = Broker::new(BrokerOptions::default(), seed);
        let mut out = TransmitBuf::new();
        for _ in 0..3 {
            let id = broker.open(Instant::ZERO).unwrap();
            let connect = [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0, 0, 0, 0];
            broker.handle_input(Instant::ZERO, id, &mut &connect[..]);
        }
        while broker.poll_transmit(Instant::ZERO, &mut out).is_some() {}
        out.slices().flatten().copied().collect::<Vec<u8>>()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

/// A packet, cut and changed somewhere perhaps.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let packets: [&[u8]; 9] = [
        &[0x10, 14, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0, 0, 0, 1, b'x'],
        &[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 0, 0, 0, 0, 1, b'x'],
        &[0x30, 5, 0, 1, b'a', 0, b'!'],
        &[0x33, 7, 0, 1, b'a', 0, 1, 0, b'!'],
        &[0x35, 7, 0, 1, b'a', 0, 1, 0, b'!'],
        &[0x82, 7, 0, 1, 0, 0, 1, b'#', 2],
        &[0xA2, 6, 0, 1, 0, 0, 1, b'#'],
        &[0x62, 2, 0, 1],
        &[0xE0, 0],
    ];
    let packet = prop::sample::select(packets.map(<[u8]>::to_vec).to_vec());
    prop_oneof![
        8 => packet.clone(),
        2 => (packet, any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut bytes, at, byte)| {
            *at.get_mut(&mut bytes) = byte;
            bytes
        }),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

proptest! {
    #[test]
    fn whatever_one_client_sends_the_others_do_not_notice(
        pieces in prop::collection::vec((0_usize..3, bytes(), any::<bool>()), 1..60),
    ) {
        let mut house = House::new();
        let reader = house.join(As::resident(V5, "reader"));
        let writer = house.guest(V3, "writer");
        house.subscribe(reader, "good", Q2);
        let mut bad: Vec<Who> = (0..3).map(|_| house.open(V5)).collect();
        for (number, (which, bytes, cut)) in pieces.into_iter().enumerate() {
            if cut {
                house.cut(bad[which]);
                bad[which] = house.open(V5);
            }
            house.deafly_send_bytes(bad[which], &bytes);
            let payload = number.to_string();
            house.publish(writer, "good", &payload, Q1);
            let expected = format!("good {payload} q1");
            prop_assert_eq!(house.got(reader), [expected]);
        }
        bad.into_iter().for_each(|bad| house.cut(bad));
        prop_assert!(house.said(reader).is_empty() && house.said(writer).is_empty());
        prop_assert_eq!(house.broker.counts().connections, 2);
    }
}
