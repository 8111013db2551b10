//! Products that depart from the standard, at both ends.

mod support;

use std::time::Duration;

use mqtt_proto::{
    Codec, ConnAck, Dialect, EncodeError, Leniency, Opaque, Packet, PacketType, Protocol, QoS, ReasonCode, Version,
};
use mqtt_session::{
    Accept, AnswerError, Broker, BrokerOptions, Client, ConnectError, ConnectOptions, DisconnectCause, Event, Instant,
    RequestError, Server, ServerOptions, SessionState, Transmit, Violation,
};
use support::talk::{Talk, encoded, sent};
use support::{VERSIONS, message};

const NOW: Instant = Instant::ZERO;

static OWN: [Protocol; 2] = [
    Protocol { name: b"Own", level: 3, version: Version::V3_1_1, opaque_body: true },
    Protocol { name: b"Own", level: 5, version: Version::V5, opaque_body: true },
];

fn own() -> Dialect {
    let mut dialect = Dialect::STANDARD;
    dialect.protocols = &OWN;
    dialect.connack_trailing = true;
    dialect.reserved_packet_types = true;
    dialect
}

fn protocol(version: Version) -> &'static Protocol {
    OWN.iter().find(|protocol| protocol.version == version).unwrap()
}

/// A client of this dialect, and a server; nothing has been sent.
fn ends(version: Version) -> Talk {
    let mut options = ConnectOptions::new("c");
    options.version = version;
    options.dialect = own();
    options.protocol = Some(protocol(version));
    options.opaque_connect = Some(b"secret blob".to_vec());
    options.clean_start = false;
    let mut server_options = ServerOptions::default();
    server_options.dialect = own();
    Talk::new(options, server_options)
}

/// CONNECT has arrived; the host has looked at it.
fn asking(version: Version) -> Talk {
    let mut talk = ends(version);
    let (bytes, _) = sent(|out| talk.client.poll_transmit(NOW, out));
    let mut input = &bytes[..];
    match talk.server.handle_input(NOW, &mut input) {
        Some(Event::OpaqueConnectRequested(connect)) => {
            assert_eq!((connect.protocol, connect.body), (protocol(version), &b"secret blob"[..]));
        }
        event => panic!("{event:?}"),
    }
    assert!(!talk.server.wants_input());
    talk
}

fn connected(version: Version) -> Talk {
    let mut talk = asking(version);
    talk.server.accept(NOW, &mut SessionState::default(), &Accept::new("c")).unwrap();
    talk.server_speaks();
    talk.client_gets(&[]);
    assert!(talk.client.is_connected() && talk.server.is_connected());
    talk
}

fn opaque(body: &[u8]) -> Opaque<'_> {
    Opaque::new(PacketType::Reserved, 0b0101, body).unwrap()
}

#[test]
fn a_connect_of_a_product_is_the_hosts_to_answer() {
    for version in VERSIONS {
        let mut talk = asking(version);
        assert_eq!(talk.server.version(), version);
        let mut accept = Accept::new("client 7");
        accept.session_present = true;
        accept.keep_alive = 30;
        accept.session_expiry_interval = Some(60);
        accept.trailing = b"ticket";
        assert!(!format!("{accept:?}").contains("ticket"));
        talk.server.accept(NOW, &mut SessionState::default(), &accept).unwrap();
        let agreed = talk.server.agreed().unwrap();
        assert_eq!((agreed.version, agreed.client_id.as_str(), agreed.keep_alive), (version, "client 7", 30));
        assert_eq!((agreed.session_present, agreed.session_expiry_interval), (true, 60));
        assert_eq!(talk.server.poll_timeout(), Some(NOW + Duration::from_secs(45)));

        let (bytes, _) = sent(|out| talk.server.poll_transmit(NOW, out));
        let Some(Event::Connected(connack)) = talk.client.handle_input(NOW, &mut &bytes[..]) else { panic!() };
        assert_eq!((connack.session_present, connack.trailing), (true, &b"ticket"[..]));
    }
}

#[test]
fn a_connect_of_a_product_may_be_refused() {
    for version in VERSIONS {
        let mut talk = asking(version);
        talk.server.refuse(NOW, ReasonCode::NotAuthorized, Default::default()).unwrap();
        assert_eq!(talk.server_speaks().1, ["Refused(NotAuthorized)"]);
    }
}

/// What a product says behind a refusal is as good as what it says behind a welcome.
#[test]
fn a_refusal_may_have_something_behind_its_last_field() {
    for version in VERSIONS {
        let mut talk = asking(version);
        let mut codec = Codec::server(version);
        codec.dialect = own();
        let refusal = ConnAck { trailing: b"try 10.0.0.7", ..ConnAck::new(ReasonCode::ServerUnavailable) };
        let bytes = encoded(codec, &Packet::ConnAck(refusal));
        let Some(Event::Disconnected(end)) = talk.client.handle_input(NOW, &mut &bytes[..]) else { panic!() };
        assert_eq!(end.cause, DisconnectCause::Refused(ReasonCode::ServerUnavailable));
        assert_eq!(end.trailing, b"try 10.0.0.7");
        assert!(!format!("{end:?}").contains("10.0.0.7"));
    }
}

#[test]
fn behind_its_connect_a_product_speaks_the_version_that_it_stands_for() {
    for version in VERSIONS {
        let mut talk = connected(version);
        talk.client.publish(NOW, &message("up", "1", QoS::AtLeastOnce)).unwrap();
        talk.server.publish(NOW, &message("down", "1", QoS::ExactlyOnce)).unwrap();
        assert_eq!(talk.client_speaks().1, ["received up"]);
        assert_eq!(talk.server_speaks().1, ["received down", "published Delivered(Success)"]);
    }
}

#[test]
fn packets_of_reserved_types_go_both_ways() {
    for version in VERSIONS {
        let mut talk = connected(version);
        talk.client.send_opaque(NOW, opaque(b"up")).unwrap();
        let (bytes, _) = sent(|out| talk.client.poll_transmit(NOW, out));
        assert_eq!(bytes, b"\x05\x02up");
        let Some(Event::Opaque(got)) = talk.server.handle_input(NOW, &mut &bytes[..]) else { panic!() };
        assert_eq!((got.flags(), got.body()), (0b0101, &b"up"[..]));
        talk.server.send_opaque(NOW, got).unwrap();
        let (bytes, _) = sent(|out| talk.server.poll_transmit(NOW, out));
        assert_eq!(talk.client.handle_input(NOW, &mut &bytes[..]), Some(Event::Opaque(opaque(b"up"))));
    }
}

#[test]
fn a_packet_of_a_reserved_type_is_bounded_like_any_other() {
    let mut talk = ends(Version::V5);
    assert_eq!(talk.client.send_opaque(NOW, opaque(b"")), Err(RequestError::NotConnected));
    assert_eq!(talk.server.send_opaque(NOW, opaque(b"")), Err(RequestError::NotConnected));
    let mut talk = connected(Version::V5);
    let maximum = ServerOptions::default().packet_bytes_max;
    let too_large = vec![0; maximum as usize];
    let bytes = too_large.len() + 4;
    assert_eq!(talk.client.send_opaque(NOW, opaque(&too_large)), Err(RequestError::TooLarge { bytes, maximum }));
    let half = vec![0; 40_000];
    assert_eq!(
        [(); 3].map(|()| talk.client.send_opaque(NOW, opaque(&half))),
        [Ok(()), Ok(()), Err(RequestError::OutputFull)]
    );
    talk.client_loses_output();
    assert_eq!(talk.client.send_opaque(NOW, opaque(&half)), Ok(()));
}

#[test]
fn a_packet_of_a_reserved_type_is_nothing_before_the_connection() {
    for version in VERSIONS {
        let mut talk = ends(version);
        talk.client_loses_output();
        let said = talk.client_gets(b"\x00\x00");
        assert_eq!(said, ["violation BeforeConnAck"]);
        let mut server = ends(version).server;
        let Some(Event::Disconnected(end)) = server.handle_input(NOW, &mut &b"\x00\x00"[..]) else { panic!() };
        assert_eq!(end.cause, DisconnectCause::Violation(Violation::FirstPacket));
    }
}

#[test]
fn the_standard_has_none_of_this() {
    for version in VERSIONS {
        let talk = ends(version);
        let mut client = talk.client.clone();
        let (connect, _) = sent(|out| client.poll_transmit(NOW, out));
        let mut server = Server::new(NOW, ServerOptions::default());
        let said = server.handle_input(NOW, &mut &connect[..]);
        assert!(matches!(said, Some(Event::Disconnected(_))), "{said:?}");

        let mut talk = Talk::new(standard(version), ServerOptions::default());
        talk.client_speaks();
        let mut accept = Accept::new("c");
        accept.trailing = b"ticket";
        let refused = talk.server.accept(NOW, &mut SessionState::default(), &accept);
        assert!(matches!(refused, Err(AnswerError::Invalid(EncodeError::NotInDialect { .. }))), "{refused:?}");
        talk.server.accept(NOW, &mut SessionState::default(), &Accept::new("c")).unwrap();
        talk.server_speaks();
        let sent = talk.client.send_opaque(NOW, opaque(b"x"));
        assert!(matches!(sent, Err(RequestError::Invalid(EncodeError::NotInDialect { .. }))), "{sent:?}");
        assert_eq!(talk.server_gets(b"\x00\x00"), ["malformed ReservedPacketType"]);
    }
}

fn standard(version: Version) -> ConnectOptions {
    let mut options = ConnectOptions::new("c");
    options.version = version;
    options
}

#[test]
fn options_that_do_not_fit_their_dialect_are_the_callers_error() {
    let connect = |change: fn(&mut ConnectOptions)| {
        let mut options = ends(Version::V3_1_1).client.options().clone();
        change(&mut options);
        Client::new(options).connect(NOW)
    };
    assert_eq!(connect(|_| {}), Ok(()));
    let wrong: [fn(&mut ConnectOptions); 4] = [
        |options| options.protocol = None,
        |options| options.opaque_connect = None,
        |options| options.version = Version::V5,
        |options| options.dialect = Dialect::STANDARD,
    ];
    for change in wrong {
        assert!(matches!(connect(change), Err(ConnectError::Invalid(EncodeError::NotInDialect { .. }))));
    }
}

#[test]
fn a_bridge_says_what_it_is() {
    for (version, bridge) in VERSIONS.into_iter().zip([1, 2]) {
        let bridge = &Protocol::BRIDGES[bridge];
        let mut options = standard(version);
        options.dialect = Dialect::MOSQUITTO_BRIDGE;
        options.protocol = Some(bridge);
        let mut server_options = ServerOptions::default();
        server_options.dialect = Dialect::MOSQUITTO_BRIDGE;
        let mut talk = Talk::new(options, server_options);
        let (bytes, _) = sent(|out| talk.client.poll_transmit(NOW, out));
        let Some(Event::ConnectRequested(connect)) = talk.server.handle_input(NOW, &mut &bytes[..]) else { panic!() };
        assert_eq!((connect.client_id.as_str(), connect.protocol), ("c", Some(bridge)));
    }
}

#[test]
fn what_a_dialect_is_lenient_about_is_taken() {
    let mut options = standard(Version::V3_1_1);
    let mut server_options = ServerOptions::default();
    server_options.dialect = Dialect::STANDARD.allowing(Leniency::DupAtQos0);
    options.keep_alive = 0;
    let mut talk = Talk::new(options, server_options);
    talk.client_speaks();
    talk.server.accept(NOW, &mut SessionState::default(), &Accept::new("c")).unwrap();
    assert_eq!(talk.server_gets(b"\x38\x03\0\x01a"), ["received a"]);
}

#[test]
fn a_broker_lets_in_nobody_whom_it_cannot_understand() {
    for version in VERSIONS {
        let mut options = BrokerOptions::default();
        options.server.dialect = own();
        let mut broker = Broker::new(options, 1);
        let id = broker.open(NOW).unwrap();
        let mut talk = ends(version);
        let (bytes, _) = sent(|out| talk.client.poll_transmit(NOW, out));
        broker.handle_input(NOW, id, &mut &bytes[..]);
        let mut out = Default::default();
        assert_eq!(broker.poll_transmit(NOW, &mut out), Some((id, Transmit::Ready)));
        let bytes: Vec<u8> = out.slices().flatten().copied().collect();
        assert_eq!(talk.client_gets(&bytes), ["Refused(NotAuthorized)"]);
    }
}

#[test]
fn secrets_of_a_product_are_not_shown() {
    for version in VERSIONS {
        let talk = asking(version);
        for shown in [format!("{:?}", talk.client), format!("{:?}", talk.server)] {
            assert!(!shown.contains("blob") && !shown.contains(&format!("{:?}", b"secret blob")), "{shown}");
        }
    }
}
