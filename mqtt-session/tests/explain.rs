//! Reason strings and user properties: sent where they are wanted and where there is room, and else left out.

mod support;

use mqtt_proto::{
    Codec, Packet, Properties, PropertiesBuf, Property, QoS, ReasonCode, SubAck, Subscription, TopicFilter, Version,
};
use mqtt_session::{
    Accept, AckError, AckToken, Acknowledge, AnswerError, Authentication, ConnectOptions, Event, ServerOptions,
    SessionState,
};
use support::talk::{Talk, encoded, packets, properties, sent, text};
use support::{VERSIONS, message};

const NONE: Properties<'static> = Properties::EMPTY;
/// What either end takes.
const BYTES_MAX: u32 = 60;

/// The answers that explain themselves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Accept,
    Refuse,
    ClientAuth,
    ServerAuth,
    ClientPubAck,
    ClientPubRec,
    ServerPubAck,
    ServerPubRec,
    SubAck,
    UnsubAck,
    ClientDisconnect,
    ServerDisconnect,
}

const ALL: [Answer; 12] = [
    Answer::Accept,
    Answer::Refuse,
    Answer::ClientAuth,
    Answer::ServerAuth,
    Answer::ClientPubAck,
    Answer::ClientPubRec,
    Answer::ServerPubAck,
    Answer::ServerPubRec,
    Answer::SubAck,
    Answer::UnsubAck,
    Answer::ClientDisconnect,
    Answer::ServerDisconnect,
];

impl Answer {
    fn is_clients(self) -> bool {
        matches!(self, Self::ClientAuth | Self::ClientPubAck | Self::ClientPubRec | Self::ClientDisconnect)
    }

    fn is_auth(self) -> bool {
        matches!(self, Self::ClientAuth | Self::ServerAuth)
    }

    /// The bytes of this answer with `why`.
    fn bytes(self, version: Version, problem_information: Option<bool>, why: Properties<'_>) -> Vec<u8> {
        let mut talk = asking(version, problem_information, self.is_auth());
        let now = talk.now;
        let accept = |properties| {
            let mut accept = Accept::new("c");
            accept.properties = properties;
            accept
        };
        match self {
            Self::Accept => talk.server.accept(now, &mut SessionState::default(), &accept(why)).unwrap(),
            Self::Refuse => talk.server.refuse(now, ReasonCode::NotAuthorized, why).unwrap(),
            Self::ServerAuth => talk.server.authenticate(now, None, why).unwrap(),
            _ => {
                talk.server.accept(now, &mut SessionState::default(), &accept(NONE)).unwrap();
                talk.server_speaks();
                self.while_connected(&mut talk, why);
            }
        }
        let bytes = if self.is_clients() {
            sent(|out| talk.client.poll_transmit(now, out)).0
        } else {
            sent(|out| talk.server.poll_transmit(now, out)).0
        };
        assert!(bytes.len() <= BYTES_MAX as usize, "{self:?}");
        bytes
    }

    fn while_connected(self, talk: &mut Talk, why: Properties<'_>) {
        let now = talk.now;
        let filter = TopicFilter::new("a").unwrap();
        match self {
            Self::ClientPubAck | Self::ClientPubRec => {
                let qos = if self == Self::ClientPubAck { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
                let token = client_takes(talk, qos);
                talk.client.acknowledge(now, token, ReasonCode::Success, why).unwrap();
            }
            Self::ServerPubAck | Self::ServerPubRec => {
                let qos = if self == Self::ServerPubAck { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
                let token = server_takes(talk, qos);
                talk.server.acknowledge(now, token, ReasonCode::NoMatchingSubscribers, why).unwrap();
            }
            Self::SubAck => {
                talk.client.subscribe(now, &[Subscription::new(filter, QoS::AtMostOnce)], NONE).unwrap();
                let packet_id = server_is_asked(talk);
                talk.server.suback(now, packet_id, &[ReasonCode::Success], why).unwrap();
            }
            Self::UnsubAck => {
                talk.client.unsubscribe(now, &[filter], NONE).unwrap();
                let packet_id = server_is_asked(talk);
                talk.server.unsuback(now, packet_id, &[ReasonCode::Success], why).unwrap();
            }
            // Before CONNACK a client doesn't know what its server takes.
            Self::ClientAuth => talk.client.reauthenticate(now, None, why).unwrap(),
            Self::ClientDisconnect => talk.client.disconnect(now, ReasonCode::Success, why).unwrap(),
            Self::ServerDisconnect => talk.server.disconnect(now, ReasonCode::ServerBusy, why).unwrap(),
            _ => panic!("{self:?} comes before"),
        }
    }
}

/// CONNECT has arrived.
fn asking(version: Version, problem_information: Option<bool>, with_method: bool) -> Talk {
    let mut options = ConnectOptions::new("c");
    options.version = version;
    options.packet_bytes_max = BYTES_MAX;
    options.acknowledge = Acknowledge::Manually;
    options.authentication = with_method.then(|| Authentication::new("M"));
    if let Some(wanted) = problem_information {
        options.properties.push(Property::RequestProblemInformation(wanted)).unwrap();
    }
    let mut server_options = ServerOptions::default();
    server_options.packet_bytes_max = BYTES_MAX;
    server_options.acknowledge = Acknowledge::Manually;
    let mut talk = Talk::new(options, server_options);
    talk.client_speaks();
    talk
}

fn connected(version: Version) -> Talk {
    let mut talk = asking(version, None, false);
    talk.server.accept(talk.now, &mut SessionState::default(), &Accept::new("c")).unwrap();
    talk.server_speaks();
    talk
}

fn client_takes(talk: &mut Talk, qos: QoS) -> AckToken {
    talk.server.publish(talk.now, &message("a", "1", qos)).unwrap();
    let (bytes, _) = sent(|out| talk.server.poll_transmit(talk.now, out));
    match talk.client.handle_input(talk.now, &mut &bytes[..]) {
        Some(Event::Received(message)) => message.token().unwrap(),
        event => panic!("{event:?}"),
    }
}

fn server_takes(talk: &mut Talk, qos: QoS) -> AckToken {
    talk.client.publish(talk.now, &message("a", "1", qos)).unwrap();
    let (bytes, _) = sent(|out| talk.client.poll_transmit(talk.now, out));
    match talk.server.handle_input(talk.now, &mut &bytes[..]) {
        Some(Event::Received(message)) => message.token().unwrap(),
        event => panic!("{event:?}"),
    }
}

fn server_is_asked(talk: &mut Talk) -> mqtt_proto::PacketId {
    let (bytes, _) = sent(|out| talk.client.poll_transmit(talk.now, out));
    match talk.server.handle_input(talk.now, &mut &bytes[..]) {
        Some(Event::SubscribeRequested(subscribe)) => subscribe.packet_id,
        Some(Event::UnsubscribeRequested(unsubscribe)) => unsubscribe.packet_id,
        event => panic!("{event:?}"),
    }
}

fn why(reason: &str) -> PropertiesBuf {
    properties([Property::ReasonString(text(reason)), Property::UserProperty((text("k"), text("v")))])
}

fn explains(answer: Answer, bytes: &[u8]) -> bool {
    let codec = if answer.is_clients() { Codec::server(Version::V5) } else { Codec::client(Version::V5) };
    let properties = match codec.decode(&mut &bytes[..]).unwrap().unwrap() {
        Packet::ConnAck(packet) => packet.properties,
        Packet::Auth(packet) => packet.properties,
        Packet::PubAck(packet) | Packet::PubRec(packet) => packet.properties,
        Packet::SubAck(packet) => packet.properties,
        Packet::UnsubAck(packet) => packet.properties,
        Packet::Disconnect(packet) => packet.properties,
        packet => panic!("{packet:?}"),
    };
    assert_eq!(properties.reason_string().is_some(), properties.user_property().is_some());
    properties.reason_string().is_some()
}

/// v5\[MQTT-3.1.2-24\] v5\[MQTT-3.2.2-15\] v5\[MQTT-3.2.2-19\] v5\[MQTT-3.2.2-20\] v5\[MQTT-3.4.2-2\] v5\[MQTT-3.4.2-3\] v5\[MQTT-3.5.2-2\] v5\[MQTT-3.5.2-3\]
/// v5\[MQTT-3.9.2-1\] v5\[MQTT-3.9.2-2\] v5\[MQTT-3.11.2-1\] v5\[MQTT-3.11.2-2\] v5\[MQTT-3.14.2-3\] v5\[MQTT-3.14.2-4\] v5\[MQTT-3.15.2-2\] v5\[MQTT-3.15.2-3\]
#[test]
fn an_explanation_is_sent_if_it_fits_to_the_byte() {
    for answer in ALL {
        let bytes = |len: usize| answer.bytes(Version::V5, None, why(&"x".repeat(len)).as_properties());
        let fitting = BYTES_MAX as usize - bytes(0).len();
        let full = bytes(fitting);
        assert_eq!((full.len(), explains(answer, &full)), (BYTES_MAX as usize, true), "{answer:?}");
        let short = bytes(fitting + 1);
        assert!(!explains(answer, &short), "{answer:?}");
        assert_eq!(short, answer.bytes(Version::V5, None, NONE), "{answer:?}: all else is there");
    }
}

/// v5\[MQTT-3.1.2-29\]
#[test]
fn a_client_that_wants_no_explanations_gets_them_only_where_the_connection_begins_or_ends() {
    for answer in ALL {
        let explained = |wanted| explains(answer, &answer.bytes(Version::V5, wanted, why("x").as_properties()));
        assert!(explained(None) && explained(Some(true)), "{answer:?}");
        let expected =
            answer.is_clients() || matches!(answer, Answer::Accept | Answer::Refuse | Answer::ServerDisconnect);
        assert_eq!(explained(Some(false)), expected, "{answer:?}");
    }
}

/// v5\[MQTT-3.1.2-29\]
#[test]
fn a_client_that_wants_no_explanations_takes_none() {
    let why = why("x");
    let suback = |packet_id| {
        let reason_codes = [ReasonCode::Success];
        let suback = SubAck { packet_id, properties: why.as_properties(), reason_codes: reason_codes[..].into() };
        encoded(Codec::server(Version::V5), &Packet::SubAck(suback))
    };
    for (wanted, said) in
        [(Some(false), "violation UnwantedExplanation"), (Some(true), "subscribed"), (None, "subscribed")]
    {
        let mut talk = asking(Version::V5, wanted, false);
        talk.server.accept(talk.now, &mut SessionState::default(), &Accept::new("c")).unwrap();
        talk.server_speaks();
        let filter = TopicFilter::new("a").unwrap();
        talk.client.subscribe(talk.now, &[Subscription::new(filter, QoS::AtMostOnce)], NONE).unwrap();
        let packet_id = server_is_asked(&mut talk);
        assert_eq!(talk.client_gets(&suback(packet_id)), [said]);
        let goodbye: &[&str] = if wanted == Some(false) { &["Disconnect 82", "closed"] } else { &[] };
        assert_eq!(talk.client_speaks().0, goodbye);
    }
    // A message may say what it wants, and so may the end.
    let mut talk = asking(Version::V5, Some(false), false);
    talk.server.accept(talk.now, &mut SessionState::default(), &Accept::new("c")).unwrap();
    talk.server_speaks();
    let mut message = message("a", "1", QoS::AtMostOnce);
    let own = properties([Property::UserProperty((text("k"), text("v")))]);
    message.properties = own.as_properties();
    talk.server.publish(talk.now, &message).unwrap();
    talk.server.disconnect(talk.now, ReasonCode::ServerBusy, why.as_properties()).unwrap();
    assert_eq!(talk.server_speaks().1, ["received a", "Peer(ServerBusy)"]);
}

#[test]
fn older_versions_have_no_place_for_explanations() {
    for answer in ALL.into_iter().filter(|answer| !answer.is_auth() && *answer != Answer::Accept) {
        let bytes = |why| answer.bytes(Version::V3_1_1, None, why);
        assert_eq!(bytes(why("x").as_properties()), bytes(NONE), "{answer:?}");
    }
}

/// v3\[MQTT-4.6.0-2\] v5\[MQTT-4.6.0-2\]
#[test]
fn an_explanation_waits_with_its_acknowledgement() {
    let mut talk = connected(Version::V5);
    let tokens = [client_takes(&mut talk, QoS::AtLeastOnce), client_takes(&mut talk, QoS::AtLeastOnce)];
    talk.client.acknowledge(talk.now, tokens[1], ReasonCode::QuotaExceeded, why("second").as_properties()).unwrap();
    assert_eq!(talk.client_speaks().0, Vec::<String>::new());
    talk.client.acknowledge(talk.now, tokens[0], ReasonCode::Success, why("first").as_properties()).unwrap();
    let (bytes, _) = sent(|out| talk.client.poll_transmit(talk.now, out));
    let mut input = &bytes[..];
    for (reason, code) in [("first", ReasonCode::Success), ("second", ReasonCode::QuotaExceeded)] {
        let Ok(Some(Packet::PubAck(ack))) = Codec::server(Version::V5).decode(&mut input) else { panic!() };
        assert_eq!((ack.properties.reason_string().unwrap().as_str(), ack.reason_code), (reason, code));
    }
}

#[test]
fn what_is_no_acknowledgement_is_the_callers_error_and_may_be_said_better() {
    for version in VERSIONS {
        let mut talk = connected(version);
        let token = client_takes(&mut talk, QoS::AtLeastOnce);
        let foreign = properties([Property::ContentType(text("t"))]);
        let wrong = [
            (ReasonCode::Banned, NONE),
            (ReasonCode::NoMatchingSubscribers, NONE),
            (ReasonCode::Success, foreign.as_properties()),
        ];
        for (reason_code, properties) in wrong.into_iter().filter(|_| version == Version::V5) {
            let result = talk.client.acknowledge(talk.now, token, reason_code, properties);
            assert!(matches!(result, Err(AckError::Invalid(_))), "{result:?}");
        }
        talk.client.acknowledge(talk.now, token, ReasonCode::Success, NONE).unwrap();
        assert_eq!(talk.client.acknowledge(talk.now, token, ReasonCode::Success, NONE), Err(AckError::Stale));
        assert_eq!(talk.client_speaks().0, ["PubAck"]);
    }
}

/// v5\[MQTT-3.1.2-24\]
#[test]
fn an_answer_that_does_not_fit_without_an_explanation_either_is_not_sent() {
    let mut talk = connected(Version::V5);
    let filter = TopicFilter::new("a").unwrap();
    talk.client.subscribe(talk.now, &[Subscription::new(filter, QoS::AtMostOnce)], NONE).unwrap();
    let packet_id = server_is_asked(&mut talk);
    // Two bytes in front, two of the identifier, one for the properties.
    let fitting = BYTES_MAX as usize - 5;
    let too_many = vec![ReasonCode::Success; fitting + 1];
    let result = talk.server.suback(talk.now, packet_id, &too_many, why("x").as_properties());
    assert!(matches!(result, Err(AnswerError::Invalid(_))), "{result:?}");
    talk.server.suback(talk.now, packet_id, &too_many[1..], NONE).unwrap();
    let (bytes, closed) = sent(|out| talk.server.poll_transmit(talk.now, out));
    assert_eq!(packets(Codec::client(Version::V5), &bytes, closed), ["SubAck"]);
}
