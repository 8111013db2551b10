//! Everything that a stranger, or a client, could make grow has an end.

mod house;

use std::time::Duration;

use house::{House, SECOND, V3, V5};
use mqtt_proto::{Codec, Connect, Packet, Publish, Text, TransmitBuf, Version};
use mqtt_session::BrokerOptions;

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
