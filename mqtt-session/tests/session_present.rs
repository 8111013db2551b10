//! Session Present: what either end makes of it, for each thing that the other may remember.

mod support;

use std::sync::Arc;

use mqtt_proto::{Codec, Delivery, Packet, PacketId, Publish, QoS, ReasonCode, Version};
use mqtt_session::{
    Accept, AnswerError, Client, ConnectOptions, Instant, Limits, Outgoing, ServerOptions, SessionState, Transmit,
};
use support::talk::{Talk, encoded, packets, sent, words};
use support::{VERSIONS, message, topic};

const NOW: Instant = Instant::ZERO;

fn options(version: Version, clean_start: bool) -> ConnectOptions {
    let mut options = ConnectOptions::new("c");
    options.version = version;
    options.clean_start = clean_start;
    if version.has_session_expiry() {
        options.session_expiry_interval = 3600;
    }
    options
}

/// A session with a QoS 2 message in flight, and one that was received and not released.
fn session(version: Version) -> SessionState {
    let mut client = Client::new(options(version, false));
    client.connect(NOW).unwrap();
    client.handle_input(NOW, &mut &connack(version, false)[..]);
    client.publish(NOW, &message("out", "1", QoS::ExactlyOnce)).unwrap();
    client.handle_input(NOW, &mut &publish(version)[..]).unwrap();
    while client.poll_transmit(NOW, &mut Default::default()) == Transmit::Ready {}
    client.handle_closed(NOW);
    client.session().clone()
}

fn connack(version: Version, session_present: bool) -> Vec<u8> {
    let mut connack = mqtt_proto::ConnAck::new(ReasonCode::Success);
    connack.session_present = session_present;
    encoded(Codec::server(version), &Packet::ConnAck(connack))
}

/// The message that was received and not released, once more.
fn publish(version: Version) -> Vec<u8> {
    let delivery = Delivery::ExactlyOnce { packet_id: PacketId::new(7).unwrap(), dup: false };
    encoded(Codec::server(version), &Packet::Publish(Publish { delivery, ..Publish::new(topic("in"), b"1") }))
}

/// What a client says and sends when CONNACK arrives, and then a message that its session knows.
fn reaction(version: Version, clean_start: bool, has_state: bool, session_present: bool) -> String {
    let state = if has_state { session(version) } else { SessionState::default() };
    let mut client = Client::with_session(options(version, clean_start), state);
    client.connect(NOW).unwrap();
    while client.poll_transmit(NOW, &mut Default::default()) == Transmit::Ready {}
    let bytes = [connack(version, session_present), publish(version)].concat();
    let mut input = &bytes[..];
    let mut all = Vec::new();
    while let Some(event) = client.handle_input(NOW, &mut input) {
        all.push(words(&event));
    }
    while let Some(event) = client.poll_event() {
        all.push(words(&event));
    }
    let (bytes, closed) = sent(|out| client.poll_transmit(NOW, out));
    all.extend(packets(Codec::server(version), &bytes, closed).into_iter().map(|packet| format!("> {packet}")));
    all.join(", ")
}

/// v3\[MQTT-3.2.2-1\] v5\[MQTT-3.2.2-4\] v5\[MQTT-3.2.2-5\] v3\[MQTT-4.4.0-1\] v5\[MQTT-4.4.0-1\]
#[test]
fn a_client_resumes_discards_starts_or_closes() {
    let resumes = "connected, > Publish, > PubRec";
    let discards = "connected, received in, published SessionLost, > PubRec";
    let starts = "connected, received in, > PubRec";
    let closes = "violation UnexpectedSession, > closed";
    // Clean start, has state, session present.
    let table = [
        (false, true, true, resumes),
        (false, true, false, discards),
        // It has not asked for a clean start, so it can go on with any session: it may have forgotten its half, and know that.
        (false, false, true, starts),
        (false, false, false, starts),
        (true, true, true, closes),
        (true, true, false, discards),
        (true, false, true, closes),
        (true, false, false, starts),
    ];
    for version in VERSIONS {
        for (clean_start, has_state, session_present, expected) in table {
            let found = reaction(version, clean_start, has_state, session_present);
            assert_eq!(found, expected, "{version} clean={clean_start} state={has_state} present={session_present}");
        }
    }
}

/// CONNACK of 3.1 has no flag. Who asked to go on does, and does not claim to know that the server does.
#[test]
fn a_client_that_is_not_told_resumes_if_it_asked_to() {
    let version = Version::V3_1;
    assert_eq!(reaction(version, false, true, false), "connected, > Publish, > PubRec");
    assert_eq!(reaction(version, true, true, false), "connected, received in, published SessionLost, > PubRec");
    for clean_start in [false, true] {
        let mut client = Client::new(options(version, clean_start));
        client.connect(NOW).unwrap();
        client.handle_input(NOW, &mut &connack(version, false)[..]).unwrap();
        let agreed = client.agreed().unwrap();
        assert_eq!((agreed.session_present, agreed.is_resumed), (false, !clean_start));
    }
}

/// v3\[MQTT-3.1.4-3\] v5\[MQTT-3.1.4-4\] v3\[MQTT-3.2.2-1\] v3\[MQTT-3.2.2-2\] v3\[MQTT-3.2.2-3\] v5\[MQTT-3.2.2-2\] v5\[MQTT-3.2.2-3\]
#[test]
fn a_server_says_that_a_session_is_there_unless_a_clean_start_was_asked_for() {
    let table = [(false, false, false), (false, true, true), (true, false, false), (true, true, false)];
    for version in VERSIONS {
        for (clean_start, had_before, expected) in table {
            let mut talk = Talk::new(options(version, clean_start), ServerOptions::default());
            talk.client_speaks();
            let mut accept = Accept::new("c");
            accept.session_present = had_before;
            talk.server.accept(NOW, &mut SessionState::default(), &accept).unwrap();
            let (bytes, _) = sent(|out| talk.server.poll_transmit(NOW, out));
            let Ok(Some(Packet::ConnAck(connack))) = Codec::client(version).decode(&mut &bytes[..]) else { panic!() };
            assert_eq!(connack.session_present, expected, "{version} clean={clean_start} before={had_before}");
            assert_eq!(talk.server.agreed().unwrap().session_present, expected);
        }
    }
}

/// A host may hand over what it has kept, whatever the client asked for.
///
/// v3\[MQTT-3.1.2-6\] v5\[MQTT-3.1.2-4\]
#[test]
fn a_server_throws_away_what_the_client_does_and_settles_it() {
    for version in VERSIONS {
        let mut talk = Talk::new(options(version, true), ServerOptions::default());
        talk.client_speaks();
        // In flight at QoS 2, received and not released; and one that waits.
        let mut kept = session(version);
        let waits = Outgoing::new(NOW, Arc::new(message("out", "2", QoS::AtLeastOnce).to_buf()));
        kept.enqueue(NOW, &Limits::default(), waits).unwrap();
        let mut accept = Accept::new("c");
        accept.session_present = true;
        talk.server.accept(NOW, &mut kept, &accept).unwrap();
        let said: Vec<_> = std::iter::from_fn(|| talk.server.poll_event()).map(|event| words(&event)).collect();
        assert_eq!(said, ["published SessionLost", "published Abandoned"]);
        let (_, said) = talk.server_speaks();
        assert_eq!(said, ["connected"]);
        assert_eq!(talk.server_gets(&publish(version)), ["received in"]);
        assert_eq!((kept, talk.server.pending()), (SessionState::default(), 0));
    }
}

/// An answer that is none takes nothing.
#[test]
fn a_session_stays_with_the_host_until_the_client_is_accepted() {
    for version in VERSIONS {
        let mut talk = Talk::new(options(version, false), ServerOptions::default());
        let mut kept = session(version);
        let before = kept.clone();
        let mut accept = Accept::new("c");
        accept.session_present = true;
        assert_eq!(talk.server.accept(NOW, &mut kept, &accept), Err(AnswerError::NothingAsked));
        talk.client_speaks();
        accept.trailing = b"in no dialect";
        assert!(matches!(talk.server.accept(NOW, &mut kept, &accept), Err(AnswerError::Invalid(_))));
        assert_eq!(kept, before);
        accept.trailing = b"";
        talk.server.accept(NOW, &mut kept, &accept).unwrap();
        assert_eq!((kept, talk.server.pending()), (SessionState::default(), 1));
    }
}

/// v3\[MQTT-3.2.2-4\] v5\[MQTT-3.2.2-6\]
#[test]
fn a_refusal_never_says_that_a_session_is_there() {
    for version in VERSIONS {
        let mut talk = Talk::new(options(version, false), ServerOptions::default());
        talk.client_speaks();
        talk.server.refuse(NOW, ReasonCode::NotAuthorized, Default::default()).unwrap();
        let (bytes, _) = sent(|out| talk.server.poll_transmit(NOW, out));
        assert_eq!(bytes[2], 0);
    }
}
