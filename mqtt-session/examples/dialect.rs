//! A made-up product that speaks "something based on MQTT", at both ends: `cargo run -p mqtt-session --example dialect`.
//!
//! A Tink opens with a protocol name and level of its own, and a blob where CONNECT has its fields. The cloud adds a ticket to CONNACK, and sends
//! firmware in packets of type 0, which the Tink confirms in kind. Between, it is plain 3.1.1. Only the host understands the product's own words; the
//! machines do the rest: handshake, deadlines, messages, acknowledgements.

use std::error::Error;

use mqtt_proto::{Dialect, Opaque, PacketType, Protocol, QoS, ReasonCode, TopicName, TransmitBuf, Version};
use mqtt_session::{
    Accept, Client, ConnectOptions, Event, Instant, Message, Server, ServerOptions, SessionState, Transmit,
};

static PROTOCOLS: [Protocol; 1] = [Protocol { name: b"Tink", level: 9, version: Version::V3_1_1, opaque_body: true }];

fn tink_dialect() -> Dialect {
    let mut dialect = Dialect::STANDARD;
    dialect.protocols = &PROTOCOLS;
    dialect.connack_trailing = true;
    dialect.reserved_packet_types = true;
    dialect
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let now = Instant::ZERO;
    let mut options = ConnectOptions::new("7");
    options.version = Version::V3_1_1;
    options.dialect = tink_dialect();
    options.protocol = Some(&PROTOCOLS[0]);
    options.opaque_connect = Some(b"id=7;alive=60".to_vec());
    let mut tink = Client::new(options);
    let mut options = ServerOptions::default();
    options.dialect = tink_dialect();
    let mut cloud = Server::new(now, options);

    tink.connect(now)?;
    let mut heard = Vec::new();
    // The wire: what the one has to send, the other gets, until nobody has anything to send.
    loop {
        let up = output(|out| tink.poll_transmit(now, out));
        let mut input = &up[..];
        while let Some(event) = cloud.handle_input(now, &mut input) {
            heard.push(at_cloud(&mut cloud, now, event)?);
        }
        let down = output(|out| cloud.poll_transmit(now, out));
        let mut input = &down[..];
        while let Some(event) = tink.handle_input(now, &mut input) {
            heard.push(at_tink(&mut tink, now, event)?);
        }
        if up.is_empty() && down.is_empty() {
            break;
        }
    }
    heard.iter().for_each(|line| println!("{line}"));
    let expected = [
        "cloud: id=7;alive=60 asks to come in",
        "tink: in, with ticket 42",
        "cloud: t says 21",
        "tink: firmware v2",
        "cloud: v2 is installed",
    ];
    assert_eq!(heard, expected);
    Ok(())
}

fn at_cloud(cloud: &mut Server, now: Instant, event: Event<'_>) -> Result<String, Box<dyn Error>> {
    Ok(match event {
        Event::OpaqueConnectRequested(connect) => {
            let asked = str::from_utf8(connect.body)?;
            if asked.starts_with("id=7;") {
                let mut accept = Accept::new("7");
                accept.keep_alive = 60;
                accept.trailing = b"42";
                cloud.accept(now, &mut SessionState::default(), &accept)?;
            } else {
                cloud.refuse(now, ReasonCode::NotAuthorized, Default::default())?;
            }
            format!("cloud: {asked} asks to come in")
        }
        Event::Received(message) => {
            let firmware = Opaque::new(PacketType::Reserved, 0b0001, b"v2").ok_or("four bits, and a reserved type")?;
            cloud.send_opaque(now, firmware)?;
            format!("cloud: {} says {}", message.topic(), str::from_utf8(message.payload())?)
        }
        Event::Opaque(opaque) => format!("cloud: {} is installed", str::from_utf8(opaque.body())?),
        event => return Err(format!("{event:?}").into()),
    })
}

fn at_tink(tink: &mut Client, now: Instant, event: Event<'_>) -> Result<String, Box<dyn Error>> {
    Ok(match event {
        Event::Connected(connack) => {
            let mut message = Message::new(TopicName::new("t")?, "21");
            message.qos = QoS::AtMostOnce;
            tink.publish(now, &message)?;
            format!("tink: in, with ticket {}", str::from_utf8(connack.trailing)?)
        }
        Event::Opaque(opaque) => {
            tink.send_opaque(now, opaque)?;
            format!("tink: firmware {}", str::from_utf8(opaque.body())?)
        }
        event => return Err(format!("{event:?}").into()),
    })
}

fn output(mut poll: impl FnMut(&mut TransmitBuf) -> Transmit) -> Vec<u8> {
    let mut out = TransmitBuf::new();
    while poll(&mut out) == Transmit::Ready {}
    out.slices().flatten().copied().collect()
}
