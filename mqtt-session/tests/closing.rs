//! A connection that ends while the transport takes nothing.

mod house;
mod support;

use std::time::Duration;

use house::{As, House};
use mqtt_proto::{Properties, PropertiesBuf, Property, QoS, ReasonCode, TransmitBuf, Version};
use mqtt_session::{
    BrokerOptions, Client, ConnectOptions, Event, Instant, Outcome, Published, Server, ServerOptions, Transmit,
};
use support::talk::sent;
use support::{Pair, Said, VERSIONS, message};

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_micros(1);

/// Something that ends a connection.
type End<M> = fn(&mut M, Instant);

/// Both ends give what is left seven seconds.
fn connected(version: Version) -> Pair {
    let mut options = ConnectOptions::new("c");
    options.version = version;
    options.limits.close_timeout = 7 * SECOND;
    let mut server_options = ServerOptions::default();
    server_options.limits.close_timeout = 7 * SECOND;
    let mut pair = Pair::with_server(options, server_options);
    pair.connect();
    pair.forget_what_was_said();
    pair.now = pair.now + 10 * SECOND;
    pair
}

/// What it has left has seven seconds, and not a tick more.
macro_rules! has_seven_seconds {
    ($machine:expr, $now:expr, $why:expr) => {
        let (machine, begin) = (&mut $machine, $now);
        let due = begin + 7 * SECOND;
        while machine.poll_event().is_some() {}
        assert_eq!(machine.poll_timeout(), Some(due), "{}", $why);
        let mut before = machine.clone();
        before.handle_timeout(begin + (7 * SECOND - TICK));
        assert_eq!(before, *machine, "{}", $why);
        // What has been handed out is the host's, which is told all the same when it has had its time.
        let (_, closed) = sent(|out| before.poll_transmit(begin, out));
        assert_eq!((closed, before.poll_timeout(), before.is_overdue()), (true, Some(due), false), "{}", $why);
        before.handle_timeout(due);
        assert!(before.is_overdue(), "{}", $why);
        for _ in 0..2 {
            machine.handle_timeout(due);
            assert_eq!(sent(|out| machine.poll_transmit(due, out)), (Vec::new(), true), "{}", $why);
            assert_eq!((machine.poll_event(), machine.poll_timeout()), (None, None), "{}", $why);
        }
        machine.handle_closed(due);
        assert_eq!((machine.poll_event(), machine.poll_timeout()), (None, None), "{}", $why);
    };
}

#[test]
fn what_is_left_of_a_client_has_its_time_whatever_ended_it() {
    for version in VERSIONS {
        let mut ends: Vec<(&str, End<Client>)> = vec![
            ("it leaves", |client, now| client.disconnect(now, ReasonCode::Success, Properties::EMPTY).unwrap()),
            ("malformed", |client, now| drop(client.handle_input(now, &mut &[0x00][..]))),
            ("violation", |client, now| drop(client.handle_input(now, &mut &[0x90, 4, 0, 9, 0, 0][..]))),
            ("silence", |client, now| client.handle_timeout(now)),
        ];
        if version == Version::V5 {
            ends.push(("DISCONNECT", |client, now| drop(client.handle_input(now, &mut &[0xE0, 0][..]))));
        }
        for (why, end) in ends {
            let mut pair = connected(version);
            if why == "silence" {
                pair.advance(50 * SECOND);
                pair.now = pair.now + 60 * SECOND;
            }
            pair.client.publish(pair.now, &message("a", "left", QoS::AtMostOnce)).unwrap();
            end(&mut pair.client, pair.now);
            has_seven_seconds!(pair.client, pair.now, why);
        }
        let mut options = ConnectOptions::new("c");
        (options.version, options.limits.close_timeout) = (version, 7 * SECOND);
        let refusal: &[u8] = if version == Version::V5 { &[0x20, 3, 0, 0x87, 0] } else { &[0x20, 2, 0, 5] };
        let mut client = Client::new(options);
        client.connect(Instant::ZERO).unwrap();
        assert!(client.handle_input(Instant::ZERO + SECOND, &mut &refusal[..]).is_some());
        has_seven_seconds!(client, Instant::ZERO + SECOND, "refused");
        client.connect(Instant::ZERO + 20 * SECOND).unwrap();
        client.handle_timeout(Instant::ZERO + 30 * SECOND);
        has_seven_seconds!(client, Instant::ZERO + 30 * SECOND, "no answer");
    }
}

#[test]
fn what_is_left_of_a_server_has_its_time_whatever_ended_it() {
    for version in VERSIONS {
        let ends: [(&str, End<Server>); 4] = [
            ("it leaves", |server, now| server.disconnect(now, ReasonCode::ServerBusy, Properties::EMPTY).unwrap()),
            ("malformed", |server, now| drop(server.handle_input(now, &mut &[0x00][..]))),
            ("DISCONNECT", |server, now| drop(server.handle_input(now, &mut &[0xE0, 0][..]))),
            ("silence", |server, now| server.handle_timeout(now)),
        ];
        for (why, end) in ends {
            let mut pair = connected(version);
            pair.server.publish(pair.now, &message("a", "left", QoS::AtMostOnce)).unwrap();
            if why == "silence" {
                pair.now = Instant::ZERO + 90 * SECOND;
            }
            end(&mut pair.server, pair.now);
            has_seven_seconds!(pair.server, pair.now, why);
        }
        let mut options = ServerOptions::default();
        options.limits.close_timeout = 7 * SECOND;
        let mut server = Server::new(Instant::ZERO, options);
        let none: &[u8] = if version.has_properties() { &[0] } else { &[] };
        let connect =
            [&[0x10, 13 + none.len() as u8, 0, 4][..], b"MQTT", &[version.level(), 2, 0, 60], none, b"\0\x01c"];
        assert!(server.handle_input(Instant::ZERO, &mut &connect.concat()[..]).is_some());
        server.refuse(Instant::ZERO + SECOND, ReasonCode::NotAuthorized, Properties::EMPTY).unwrap();
        has_seven_seconds!(server, Instant::ZERO + SECOND, "refused");
    }
}

/// Messages go on having theirs, and a host can tell which has come.
#[test]
fn the_deadline_of_a_message_is_not_taken_for_that_of_the_connection() {
    let mut pair = connected(Version::V5);
    pair.client.disconnect(pair.now, ReasonCode::Success, Properties::EMPTY).unwrap();
    let mut expiring = PropertiesBuf::new();
    expiring.push(Property::MessageExpiryInterval(1)).unwrap();
    let mut message = message("a", "1", QoS::AtLeastOnce);
    message.properties = expiring.as_properties();
    let Published::Pending(id) = pair.client.publish(pair.now, &message).unwrap() else { panic!() };
    assert_eq!(pair.client.poll_timeout(), Some(pair.now + SECOND));
    pair.client.handle_timeout(pair.now + SECOND);
    assert!(matches!(pair.client.poll_event(), Some(Event::Disconnected(_))));
    assert_eq!(pair.client.poll_event(), Some(Event::Published { id, outcome: Outcome::Expired }));
    assert!(!pair.client.is_overdue());
    assert_eq!(pair.client.poll_timeout(), Some(pair.now + 7 * SECOND));
    pair.client.handle_timeout(pair.now + 7 * SECOND);
    assert!(pair.client.is_overdue());
    pair.client.handle_closed(pair.now);
    assert!(!pair.client.is_overdue());
}

#[test]
fn a_blocked_connection_of_a_broker_is_closed_when_what_was_left_has_had_its_time() {
    for version in VERSIONS {
        for is_shut_down in [false, true] {
            let mut options = BrokerOptions::default();
            options.server.limits.close_timeout = 7 * SECOND;
            let mut house = House::with(options);
            let client = house.join(As::guest(version, "client"));
            let id = house.id(client);
            house.broker.handle_blocked(id);
            if is_shut_down {
                house.broker.shutdown(house.now);
            } else {
                house.broker.disconnect(house.now, "client", ReasonCode::AdministrativeAction).unwrap();
            }
            let mut out = TransmitBuf::new();
            let due = house.now + 7 * SECOND;
            assert_eq!(house.broker.poll_timeout(), Some(due));
            house.broker.handle_timeout(house.now + (7 * SECOND - TICK));
            assert_eq!(house.broker.poll_transmit(house.now, &mut out), None);
            house.broker.handle_timeout(due);
            assert_eq!(house.broker.poll_transmit(due, &mut out), Some((id, Transmit::Close)));
            assert_eq!(house.broker.poll_transmit(due, &mut out), None);
            assert!(out.is_empty());
            house.broker.handle_closed(due, id);
            assert_eq!((house.broker.poll_timeout(), house.broker.counts().connections), (None, 0));
        }
    }
}

/// By default it is two seconds.
#[test]
fn a_goodbye_that_nobody_takes_is_not_said_later() {
    let mut pair = Pair::connected(Version::V5);
    pair.client.disconnect(pair.now, ReasonCode::Success, Properties::EMPTY).unwrap();
    pair.advance(2 * SECOND);
    pair.drive();
    assert_eq!((pair.trace.len(), pair.client_said.len()), (0, 1));
    assert!(matches!(pair.client_said[0], Said::Disconnected(_)));
}
