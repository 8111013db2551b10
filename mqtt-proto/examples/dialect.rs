//! A made-up product that speaks "something based on MQTT", byte for byte: `cargo run -p mqtt-proto --example dialect`.
//!
//! A Tink opens with a protocol name and level of its own, and a blob where CONNECT has its fields. The cloud adds a ticket to CONNACK, and sends
//! firmware in packets of type 0. The rest is 3.1.1, but for old Tinks, which set DUP on whatever they publish.

use std::error::Error;

use mqtt_proto::{
    Codec, ConnAck, Dialect, Leniency, Opaque, OpaqueConnect, Packet, PacketType, Protocol, ReasonCode, TransmitBuf,
    Version,
};

static PROTOCOLS: [Protocol; 1] = [Protocol { name: b"Tink", level: 9, version: Version::V3_1_1, opaque_body: true }];

const TINK: Dialect = {
    let mut dialect = Dialect::STANDARD.allowing(Leniency::DupAtQos0);
    dialect.protocols = &PROTOCOLS;
    dialect.connack_trailing = true;
    dialect.reserved_packet_types = true;
    dialect
};

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let (mut tink, mut cloud) = (Codec::client(Version::V3_1_1), Codec::server(Version::V3_1_1));
    tink.dialect = TINK;
    cloud.dialect = TINK;

    let connect = OpaqueConnect { protocol: &PROTOCOLS[0], body: b"id=7;key=\x01\x02" };
    carry(tink, cloud, Packet::OpaqueConnect(connect), b"\x10\x12\0\x04Tink\x09id=7;key=\x01\x02")?;

    let connack = ConnAck { trailing: b"ticket", ..ConnAck::new(ReasonCode::Success) };
    carry(cloud, tink, Packet::ConnAck(connack), b"\x20\x08\0\0ticket")?;

    let firmware = Opaque::new(PacketType::Reserved, 0b0001, b"v2").ok_or("type 1 to 15, or more than four flags")?;
    carry(cloud, tink, Packet::Opaque(firmware), b"\x01\x02v2")?;

    // An old Tink has DUP in its PUBLISH at QoS 0. What is read is right, and so is what is written.
    let publish = cloud.decode(&mut &b"\x38\x04\0\x01t5"[..])?.ok_or("unfinished")?;
    carry(tink, cloud, publish, b"\x30\x04\0\x01t5")?;
    println!("and to the standard nothing but the last is a packet");
    Ok(())
}

/// Sends `packet`, which has to look like this, and receives it.
fn carry(from: Codec, to: Codec, packet: Packet<'_>, wire: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut out = TransmitBuf::new();
    from.encode(&packet, &mut out)?;
    let bytes: Vec<u8> = out.slices().flatten().copied().collect();
    println!("{} sends \"{}\"", from.role, bytes.escape_ascii());
    assert_eq!(bytes, wire);
    assert_eq!(to.decode(&mut &bytes[..])?, Some(packet));

    let mut standard = to;
    standard.dialect = Dialect::STANDARD;
    assert_eq!(standard.decode(&mut &bytes[..]).is_ok(), matches!(packet, Packet::Publish(_)));
    Ok(())
}
