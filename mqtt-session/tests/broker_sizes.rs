//! Clients that take small packets only.

mod house;

use house::{As, House, Q0, Q1, V5, Who, filter};
use mqtt_proto::Subscription;

/// CONNECT of `name`, with a session that stays, from a client that takes packets of at most `bytes_max`.
fn knock(house: &mut House, name: u8, bytes_max: u8) -> Who {
    let who = house.open(V5);
    let properties = [10, 0x11, 0, 0, 0, 60, 0x27, 0, 0, 0, bytes_max];
    let mut bytes = vec![0x10, 24, 0, 4, b'M', b'Q', b'T', b'T', 5, 0, 0, 0];
    bytes.extend(properties);
    bytes.extend([0, 1, name]);
    house.send_bytes(who, &bytes);
    who
}

/// v5\[MQTT-3.1.2-24\]
#[test]
fn a_client_that_does_not_take_connack_is_refused_and_keeps_its_session() {
    let mut house = House::new();
    let reader = house.join(As::resident(V5, "r"));
    house.subscribe(reader, "a", Q1);
    // CONNACK has 16 bytes here; the refusal has 5.
    let tight = knock(&mut house, b'r', 15);
    assert_eq!(house.said(tight), ["ConnAck 95", "closed"]);
    let tighter = knock(&mut house, b'r', 4);
    assert_eq!(house.said(tighter), ["closed"]);
    let writer = house.guest(V5, "writer");
    house.publish(writer, "a", "1", Q1);
    assert_eq!(house.got(reader), ["a 1 q1"]);
    let fits = knock(&mut house, b'r', 16);
    assert_eq!(house.said(fits), ["ConnAck 00 present"]);
    assert_eq!(house.said(reader), ["Disconnect 8E", "closed"]);
}

/// v5\[MQTT-3.1.2-24\]
#[test]
fn an_answer_that_a_client_does_not_take_ends_its_connection() {
    let mut house = House::new();
    let client = knock(&mut house, b'c', 20);
    house.said(client);
    let filters: Vec<_> = (0..20).map(|number| format!("a/{number}")).collect();
    let filters: Vec<_> = filters.iter().map(String::as_str).collect();
    let all: Vec<_> = filters.iter().map(|text| Subscription::new(filter(text), Q0)).collect();
    house.subscribe_all(client, &all, None);
    assert_eq!(house.said(client), ["Disconnect 95", "closed"]);
    let client = knock(&mut house, b'c', 20);
    house.said(client);
    house.unsubscribe(client, &filters);
    assert_eq!(house.said(client), ["Disconnect 95", "closed"]);
}
