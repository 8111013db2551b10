//! Clients are sent elsewhere, and told why (5.0 section 4.11).

mod support;

use mqtt_proto::{Codec, Properties, Property, ReasonCode, Version};
use mqtt_session::{
    Accept, AnswerError, ConnectOptions, DisconnectCause, Disconnected, Event, ServerOptions, SessionState,
};
use support::VERSIONS;
use support::talk::{Talk, packets, properties, sent, text};

const NONE: Properties<'static> = Properties::EMPTY;

/// CONNECT has arrived, from a client that takes packets of this size.
fn asking(version: Version, packet_bytes_max: u32) -> Talk {
    let mut options = ConnectOptions::new("c");
    options.version = version;
    options.packet_bytes_max = packet_bytes_max;
    let mut talk = Talk::new(options, ServerOptions::default());
    assert_eq!(talk.client_speaks().1, ["connect requested"]);
    talk
}

/// What the client is told when the server's bytes arrive.
fn told<R>(talk: &mut Talk, look: impl FnOnce(Disconnected<'_>) -> R) -> R {
    let (bytes, closed) = sent(|out| talk.server.poll_transmit(talk.now, out));
    assert!(closed);
    match talk.client.handle_input(talk.now, &mut &bytes[..]) {
        Some(Event::Disconnected(disconnected)) => look(disconnected),
        event => panic!("{event:?}"),
    }
}

#[test]
fn a_refusal_and_a_disconnect_name_other_servers_and_say_why() {
    let more = properties([
        Property::ServerReference(text("a.example.org:8883 [::1]:1883")),
        Property::ReasonString(text("moving house")),
        Property::UserProperty((text("k"), text("v"))),
    ]);
    for is_connected in [false, true] {
        let mut talk = asking(Version::V5, 1000);
        if is_connected {
            talk.server.accept(talk.now, &mut SessionState::default(), &Accept::new("c")).unwrap();
            talk.server_speaks();
            talk.server.disconnect(talk.now, ReasonCode::ServerMoved, more.as_properties()).unwrap();
        } else {
            talk.server.refuse(talk.now, ReasonCode::ServerMoved, more.as_properties()).unwrap();
        }
        told(&mut talk, |end| {
            let code = ReasonCode::ServerMoved;
            assert_eq!(
                end.cause,
                if is_connected { DisconnectCause::Peer(code) } else { DisconnectCause::Refused(code) }
            );
            let servers: Vec<_> = end.server_references().map(|server| (server.host, server.port)).collect();
            assert_eq!(servers, [("a.example.org", Some(8883)), ("::1", Some(1883))]);
            assert_eq!(end.properties.reason_string().unwrap(), "moving house");
            assert_eq!(end.properties.user_property().unwrap().0, "k");
        });
    }
}

#[test]
fn whoever_is_told_nothing_has_no_servers() {
    let mut talk = asking(Version::V5, 1000);
    talk.server.refuse(talk.now, ReasonCode::UseAnotherServer, NONE).unwrap();
    assert_eq!(told(&mut talk, |end| end.server_references().count()), 0);
    let mut talk = asking(Version::V5, 1000);
    talk.client.handle_closed(talk.now);
    let Some(Event::Disconnected(end)) = talk.client.poll_event() else { panic!() };
    assert_eq!((end.cause, end.server_references().count()), (DisconnectCause::TransportClosed, 0));
}

/// v5\[MQTT-3.1.2-24\] v5\[MQTT-3.2.2-19\] v5\[MQTT-3.2.2-20\] v5\[MQTT-3.14.2-3\] v5\[MQTT-3.14.2-4\]
#[test]
fn where_there_is_little_room_the_reason_goes_first_and_the_servers_next() {
    let more = properties([Property::ServerReference(text("host")), Property::ReasonString(text("moving house"))]);
    // Room for everything, for no reason, for no server, and for no packet.
    let table = [(100, Some((1, true))), (12, Some((1, false))), (11, Some((0, false))), (4, None)];
    for (packet_bytes_max, expected) in table {
        let mut talk = asking(Version::V5, packet_bytes_max);
        talk.server.refuse(talk.now, ReasonCode::ServerMoved, more.as_properties()).unwrap();
        let refused = expected.map(|_| {
            told(&mut talk, |end| (end.server_references().count(), end.properties.reason_string().is_some()))
        });
        assert_eq!(refused, expected);
        assert_eq!(sent(|out| talk.server.poll_transmit(talk.now, out)), (vec![], true));
    }
    let table = [(100, Some((1, true))), (11, Some((1, false))), (10, Some((0, false)))];
    for (packet_bytes_max, expected) in table {
        let mut talk = asking(Version::V5, packet_bytes_max);
        let server_options = taciturn();
        talk.server = mqtt_session::Server::new(talk.now, server_options);
        talk.client.handle_closed(talk.now);
        talk.client.connect(talk.now).unwrap();
        talk.client_speaks();
        talk.server.accept(talk.now, &mut SessionState::default(), &Accept::new("c")).unwrap();
        talk.server_speaks();
        talk.server.disconnect(talk.now, ReasonCode::ServerMoved, more.as_properties()).unwrap();
        let left = told(&mut talk, |end| (end.server_references().count(), end.properties.reason_string().is_some()));
        assert_eq!(Some(left), expected);
    }
}

/// A server that announces nothing, so that its CONNACK is small.
fn taciturn() -> ServerOptions {
    let mut options = ServerOptions::default();
    options.receive_maximum = u16::MAX;
    options.packet_bytes_max = u32::MAX;
    options.topic_alias_maximum = 0;
    options.shared_subscription_available = true;
    options
}

/// v3\[MQTT-3.2.2-6\]
#[test]
fn older_clients_are_refused_as_far_as_their_version_goes() {
    let more = properties([Property::ServerReference(text("host"))]);
    let table = [
        (ReasonCode::ServerMoved, vec!["ConnAck 88", "closed"]),
        (ReasonCode::NotAuthorized, vec!["ConnAck 87", "closed"]),
        (ReasonCode::MalformedPacket, vec!["closed"]),
    ];
    for (code, expected) in table {
        let mut talk = asking(Version::V3_1_1, 1000);
        talk.server.refuse(talk.now, code, more.as_properties()).unwrap();
        let (bytes, closed) = sent(|out| talk.server.poll_transmit(talk.now, out));
        assert_eq!(packets(Codec::client(Version::V3_1_1), &bytes, closed), expected);
    }
}

#[test]
fn what_is_no_refusal_is_the_callers_error() {
    for version in VERSIONS {
        let mut talk = asking(version, 1000);
        for code in [ReasonCode::Success, ReasonCode::GrantedQos1] {
            assert!(matches!(talk.server.refuse(talk.now, code, NONE), Err(AnswerError::Invalid(_))));
        }
        if version == Version::V5 {
            let foreign = properties([Property::TopicAlias(mqtt_proto::TopicAlias::new(1).unwrap())]);
            let refused = talk.server.refuse(talk.now, ReasonCode::Banned, foreign.as_properties());
            assert!(matches!(refused, Err(AnswerError::Invalid(_))));
            let refused = talk.server.refuse(talk.now, ReasonCode::SessionTakenOver, NONE);
            assert!(matches!(refused, Err(AnswerError::Invalid(_))), "no code of CONNACK");
        }
        talk.server.refuse(talk.now, ReasonCode::Banned, NONE).unwrap();
        assert_eq!(talk.server.refuse(talk.now, ReasonCode::Banned, NONE), Err(AnswerError::NothingAsked));
    }
}
