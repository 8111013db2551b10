//! A session that ends with its connection is over at the client's end, too, before anything else is heard of it.

mod support;

use std::time::Duration;

use mqtt_proto::{Codec, Delivery, Packet, PacketId, PropertiesBuf, Property, Publish, QoS, ReasonCode, Version};
use mqtt_session::{Client, ConnectOptions, Event, Instant, Outcome, Published, SessionState, Transmit};
use support::talk::{encoded, properties};
use support::{message, topic};

const NOW: Instant = Instant::ZERO;

fn expiry(interval: Option<u32>) -> PropertiesBuf {
    properties(interval.map(Property::SessionExpiryInterval))
}

fn connack(version: Version, session_present: bool, session_expiry_interval: Option<u32>) -> Vec<u8> {
    let properties = expiry(session_expiry_interval);
    let mut connack = mqtt_proto::ConnAck::new(ReasonCode::Success);
    connack.session_present = session_present && version.has_session_present();
    connack.properties = properties.as_properties();
    encoded(Codec::server(version), &Packet::ConnAck(connack))
}

/// PUBLISH at QoS 2 with identifier 7.
fn publish(version: Version) -> Vec<u8> {
    let delivery = Delivery::ExactlyOnce { packet_id: PacketId::new(7).unwrap(), dup: false };
    encoded(Codec::server(version), &Packet::Publish(Publish { delivery, ..Publish::new(topic("in"), b"1") }))
}

fn client(version: Version, clean_start: bool, session_expiry_interval: u32) -> Client {
    let mut options = ConnectOptions::new("c");
    (options.version, options.clean_start) = (version, clean_start);
    options.session_expiry_interval = session_expiry_interval;
    Client::new(options)
}

fn flush(client: &mut Client) {
    while client.poll_transmit(NOW, &mut Default::default()) == Transmit::Ready {}
}

/// A connection on which this client gets a QoS 2 message and does not hear of its release. Then its DISCONNECT, if it sends one, and the end.
fn first_connection(client: &mut Client, given: Option<u32>, goodbye: Option<u32>) {
    let version = client.options().version;
    client.connect(NOW).unwrap();
    client.handle_input(NOW, &mut &connack(version, false, given)[..]).unwrap();
    assert!(matches!(client.handle_input(NOW, &mut &publish(version)[..]), Some(Event::Received(_))));
    if goodbye.is_some() {
        client.disconnect(NOW, ReasonCode::Success, expiry(goodbye).as_properties()).unwrap();
    }
    flush(client);
    client.handle_closed(NOW);
}

/// The next connection is to be one of a session that stays. That the server has begun a new one is lost; that it has that session is not. It uses the
/// identifier again, for a new message.
fn gets_a_new_message(client: &mut Client) -> bool {
    let version = client.options().version;
    client.options_mut().clean_start = false;
    client.options_mut().session_expiry_interval = 3600;
    client.connect(NOW).unwrap();
    flush(client);
    client.handle_closed(NOW);
    client.connect(NOW).unwrap();
    flush(client);
    client.handle_input(NOW, &mut &connack(version, true, None)[..]).unwrap();
    matches!(client.handle_input(NOW, &mut &publish(version)[..]), Some(Event::Received(_)))
}

/// v3\[MQTT-3.1.2-6\] v5\[MQTT-3.1.2-23\]
#[test]
fn a_message_of_the_next_session_is_not_taken_for_a_repeat() {
    use Version::{V3_1, V3_1_1, V5};
    // Clean start, expiry asked for, given in CONNACK, said in DISCONNECT. Then whether the session ends with the connection.
    let table = [
        (V3_1, true, 0, None, None, true),
        (V3_1, false, 0, None, None, false),
        (V3_1_1, true, 0, None, None, true),
        (V3_1_1, false, 0, None, None, false),
        (V5, true, 0, None, None, true),
        (V5, false, 0, None, None, true),
        (V5, true, 100, None, None, false),
        (V5, true, 0, Some(100), None, false),
        (V5, true, 100, Some(0), None, true),
        (V5, true, 100, None, Some(0), true),
        (V5, true, 100, None, Some(50), false),
    ];
    for (version, clean_start, asked, given, goodbye, ends) in table {
        let mut client = client(version, clean_start, asked);
        first_connection(&mut client, given, goodbye);
        let case = format!("{version} clean={clean_start} {asked} {given:?} {goodbye:?}");
        assert_eq!(gets_a_new_message(&mut client), ends, "{case}");
    }
}

/// What the client's options say meanwhile is for the next connection.
#[test]
fn it_counts_what_was_asked_for_on_that_connection() {
    for (version, clean_start, asked) in [(Version::V3_1_1, true, 0), (Version::V5, true, 7), (Version::V5, false, 0)] {
        let mut client = client(version, clean_start, asked);
        client.connect(NOW).unwrap();
        client.options_mut().clean_start = !clean_start;
        client.options_mut().session_expiry_interval = 1;
        client.handle_input(NOW, &mut &connack(version, !clean_start, None)[..]).unwrap();
        assert_eq!(client.agreed().unwrap().session_expiry_interval, asked);
    }
    // Among the other properties it counts, too.
    let mut client = client(Version::V5, true, 0);
    client.options_mut().properties = expiry(Some(7));
    client.connect(NOW).unwrap();
    client.handle_input(NOW, &mut &connack(Version::V5, false, None)[..]).unwrap();
    assert_eq!(client.agreed().unwrap().session_expiry_interval, 7);
}

/// In flight: QoS 1 waits again, for it was not acknowledged; QoS 2 could arrive twice. No CONNACK is awaited for that, and a disk gets the same.
#[test]
fn what_was_in_flight_is_settled_or_waits_when_the_connection_ends() {
    for version in Version::ALL {
        let mut client = client(version, true, 0);
        client.connect(NOW).unwrap();
        client.handle_input(NOW, &mut &connack(version, false, None)[..]).unwrap();
        let mut ids = [QoS::AtLeastOnce, QoS::ExactlyOnce].into_iter().map(|qos| {
            let Ok(Published::Pending(id)) = client.publish(NOW, &message("out", "1", qos)) else { panic!() };
            id
        });
        let (Some(_), Some(second), None) = (ids.next(), ids.next(), ids.next()) else { panic!() };
        flush(&mut client);
        client.handle_closed(NOW);
        let events: Vec<_> = std::iter::from_fn(|| client.poll_event()).collect();
        assert!(matches!(events[0], Event::Disconnected(_)));
        assert_eq!(events[1..], [Event::Published { id: second, outcome: Outcome::SessionLost }]);
        assert_eq!(client.pending(), 1);

        let kept = SessionState::import(NOW, &client.session().export(NOW)).unwrap();
        let mut reborn = Client::with_session(client.options().clone(), kept);
        for client in [&mut client, &mut reborn] {
            client.connect(NOW).unwrap();
            flush(client);
            client.handle_input(NOW, &mut &connack(version, false, None)[..]).unwrap();
            let mut out = Default::default();
            client.poll_transmit(NOW, &mut out);
            assert_eq!(out.slices().next().map(|bytes| bytes[0]), Some(0x32), "QoS 1, and no repeat");
        }
    }
}

/// What expired in flight would have gone on. It is not sent as new, and no deadline stays behind.
#[test]
fn what_has_expired_in_flight_does_not_wait_again() {
    let mut client = client(Version::V5, true, 0);
    client.connect(NOW).unwrap();
    client.handle_input(NOW, &mut &connack(Version::V5, false, None)[..]).unwrap();
    let properties = properties([Property::MessageExpiryInterval(1)]);
    let mut message = message("out", "1", QoS::AtLeastOnce);
    message.properties = properties.as_properties();
    let Ok(Published::Pending(id)) = client.publish(NOW, &message) else { panic!() };
    flush(&mut client);
    let later = NOW + Duration::from_secs(2);
    client.handle_timeout(later);
    assert_eq!(client.poll_event(), None);
    client.handle_closed(later);
    assert!(matches!(client.poll_event(), Some(Event::Disconnected(_))));
    assert_eq!(client.poll_event(), Some(Event::Published { id, outcome: Outcome::SessionLost }));
    assert_eq!(client.poll_timeout(), None);
}

/// Nothing was agreed, and nothing exchanged: what it has may still be the other half of what the server has.
#[test]
fn a_connection_without_connack_ends_nothing() {
    for version in Version::ALL {
        let mut client = client(version, false, 3600);
        first_connection(&mut client, None, None);
        let before = client.session().clone();
        client.options_mut().session_expiry_interval = 0;
        client.connect(NOW).unwrap();
        flush(&mut client);
        client.handle_closed(NOW);
        assert_eq!(client.session(), &before);
    }
}
