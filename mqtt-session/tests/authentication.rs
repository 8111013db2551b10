//! Proofs in several steps, on the way to a connection and again while it is open (5.0 section 4.12).

mod support;

use std::time::Duration;

use mqtt_proto::{
    Auth, Codec, ConnAck, EncodeError, Packet, Properties, Property, QoS, ReasonCode, Subscription, TopicFilter,
    Version,
};
use mqtt_session::{
    Accept, AnswerError, Authentication, Client, ConnectError, ConnectOptions, Event, Instant, RequestError, Server,
    ServerOptions, SessionState, Transmit,
};
use support::message;
use support::talk::{Talk, auth, encoded, packets, properties, sent, text};

const CLIENT: Codec = Codec::client(Version::V5);
const SERVER: Codec = Codec::server(Version::V5);
const NONE: Properties<'static> = Properties::EMPTY;

fn options() -> ConnectOptions {
    let mut authentication = Authentication::new("M");
    authentication.data = Some(b"sesame".to_vec());
    let mut options = ConnectOptions::new("c");
    options.authentication = Some(authentication);
    options
}

/// CONNECT has arrived, and waits for an answer.
fn asking() -> Talk {
    let mut talk = Talk::new(options(), ServerOptions::default());
    assert_eq!(talk.client_speaks(), (vec!["Connect M sesame".into()], vec!["connect requested M sesame".into()]));
    talk
}

/// The server has asked back, and waits for AUTH.
fn asked() -> Talk {
    let mut talk = asking();
    talk.server.authenticate(talk.now, Some(b"why?"), NONE).unwrap();
    assert_eq!(talk.server_speaks(), (vec!["Auth 18 M why?".into()], vec!["auth 18 M why?".into()]));
    talk
}

fn connected() -> Talk {
    let mut talk = asking();
    talk.server.accept(talk.now, &mut SessionState::default(), &Accept::new("c")).unwrap();
    assert_eq!(talk.server_speaks(), (vec!["ConnAck 00 M".into()], vec!["connected M".into()]));
    talk
}

/// The client has begun again, and the server has not answered.
fn again() -> Talk {
    let mut talk = connected();
    talk.client.reauthenticate(talk.now, Some(b"again"), NONE).unwrap();
    assert_eq!(talk.client_speaks(), (vec!["Auth 19 M again".into()], vec!["auth 19 M again".into()]));
    talk
}

/// v5\[MQTT-4.12.0-2\] v5\[MQTT-4.12.0-3\] v5\[MQTT-4.12.0-5\] v5\[MQTT-3.2.0-1\]
#[test]
fn both_ends_talk_until_the_server_accepts() {
    let mut talk = asked();
    for step in ["1", "2", "3"] {
        assert!(!talk.client.is_connected() && !talk.server.is_connected());
        talk.client.authenticate(talk.now, Some(step.as_bytes()), NONE).unwrap();
        let said = format!("M {step}");
        assert_eq!(talk.client_speaks(), (vec![format!("Auth 18 {said}")], vec![format!("auth 18 {said}")]));
        talk.server.authenticate(talk.now, None, NONE).unwrap();
        assert_eq!(talk.server_speaks(), (vec!["Auth 18 M".into()], vec!["auth 18 M".into()]));
    }
    talk.client.authenticate(talk.now, None, NONE).unwrap();
    assert_eq!(talk.client_speaks(), (vec!["Auth 18 M".into()], vec!["auth 18 M".into()]));
    let mut accept = Accept::new("c");
    accept.authentication_data = Some(b"welcome");
    assert!(!format!("{accept:?}").contains(&format!("{:?}", b"welcome")));
    talk.server.accept(talk.now, &mut SessionState::default(), &accept).unwrap();
    assert_eq!(talk.server_speaks(), (vec!["ConnAck 00 M welcome".into()], vec!["connected M welcome".into()]));
    assert!(talk.client.is_connected() && talk.server.is_connected());
}

/// v5\[MQTT-4.12.0-1\] v5\[MQTT-4.12.0-4\]
#[test]
fn a_server_may_refuse_at_any_step() {
    let refused = vec!["Refused(BadAuthenticationMethod)".to_owned()];
    for mut talk in [asking(), asked()] {
        talk.server.refuse(talk.now, ReasonCode::BadAuthenticationMethod, NONE).unwrap();
        assert_eq!(talk.server_speaks(), (vec!["ConnAck 8C".into(), "closed".into()], refused.clone()));
        assert_eq!(talk.server_gets(&[]), refused);
    }
    // The client has answered, and the server has not looked at it yet.
    let mut talk = asked();
    talk.client.authenticate(talk.now, None, NONE).unwrap();
    talk.client_speaks();
    talk.server.refuse(talk.now, ReasonCode::NotAuthorized, NONE).unwrap();
    assert_eq!(talk.server_speaks().1, ["Refused(NotAuthorized)"]);
}

/// v5\[MQTT-3.1.2-30\]
#[test]
fn a_client_that_gives_up_disconnects_and_is_not_answered() {
    let mut talk = asked();
    talk.client.disconnect(talk.now, ReasonCode::NORMAL_DISCONNECTION, NONE).unwrap();
    assert_eq!(talk.client_speaks(), (vec!["Disconnect 00".into(), "closed".into()], vec!["Peer(Success)".into()]));
    assert_eq!(talk.server_speaks().0, ["closed"]);
}

/// v5\[MQTT-3.1.2-30\]
#[test]
fn a_client_sends_nothing_else_while_it_is_authenticated() {
    let mut talk = asked();
    let filter = Subscription::new(TopicFilter::new("a").unwrap(), QoS::AtMostOnce);
    assert_eq!(talk.client.subscribe(talk.now, &[filter], NONE), Err(RequestError::NotConnected));
    assert_eq!(talk.client.reauthenticate(talk.now, None, NONE), Err(RequestError::NotConnected));
    talk.client.publish(talk.now, &message("a", "1", QoS::AtMostOnce)).unwrap();
    assert_eq!(talk.client.poll_transmit(talk.now, &mut Default::default()), Transmit::Idle);
}

/// v5\[MQTT-3.1.2-30\] v5\[MQTT-4.12.0-3\] v5\[MQTT-4.12.0-5\]
#[test]
fn whatever_else_a_client_sends_meanwhile_ends_the_connection_with_a_connack() {
    let table = [
        (auth(CLIENT, ReasonCode::ReAuthenticate, "M", ""), "violation UnexpectedAuth", "ConnAck 82"),
        (auth(CLIENT, ReasonCode::ContinueAuthentication, "m", ""), "violation AuthenticationMethod", "ConnAck 82"),
        (encoded(CLIENT, &Packet::PingReq), "violation DuringAuthentication", "ConnAck 82"),
        (vec![0xF0, 0x00], "malformed NoAuthenticationMethod", "ConnAck 82"),
        (vec![0xF1, 0x00], "malformed ReservedFlags", "ConnAck 81"),
    ];
    for (bytes, said, sent) in table {
        let mut talk = asked();
        assert_eq!(talk.server_gets(&bytes), [said]);
        assert_eq!(talk.server_speaks().0, [sent, "closed"], "{said}");
    }
}

/// v5\[MQTT-4.12.0-2\] v5\[MQTT-4.12.0-5\] v5\[MQTT-4.12.0-6\] v5\[MQTT-3.2.0-1\]
#[test]
fn a_client_holds_its_server_to_the_rules_of_authentication() {
    let connack = |method: Option<&str>| {
        let mut all = properties([]);
        method.into_iter().for_each(|method| all.push(Property::AuthenticationMethod(text(method))).unwrap());
        encoded(
            SERVER,
            &Packet::ConnAck(ConnAck { properties: all.as_properties(), ..ConnAck::new(ReasonCode::Success) }),
        )
    };
    let go_on = |method| auth(SERVER, ReasonCode::ContinueAuthentication, method, "");
    let mut plain = options();
    plain.authentication = None;
    // Options of the client, what it has got before, what it gets, what it says.
    let table = [
        (options(), vec![], go_on("m"), "violation AuthenticationMethod"),
        (options(), vec![], auth(SERVER, ReasonCode::Success, "M", ""), "violation UnexpectedAuth"),
        (options(), vec![], connack(None), "violation AuthenticationMethod"),
        (options(), vec![], connack(Some("m")), "violation AuthenticationMethod"),
        (options(), go_on("M"), go_on("M"), "violation UnexpectedAuth"),
        (options(), go_on("M"), connack(Some("M")), "violation EarlyConnAck"),
        (options(), go_on("M"), encoded(SERVER, &Packet::PingResp), "violation BeforeConnAck"),
        (plain.clone(), vec![], go_on("M"), "violation AuthWithoutMethod"),
        (plain, vec![], connack(Some("M")), "violation AuthenticationMethod"),
    ];
    for (options, before, bytes, said) in table {
        let mut talk = Talk::new(options, ServerOptions::default());
        talk.client_speaks();
        talk.client_gets(&before);
        assert_eq!(talk.client_gets(&bytes), [said]);
        assert_eq!(talk.client_speaks().0, ["closed"], "{said}");
    }
}

/// v5\[MQTT-4.12.0-7\]
#[test]
fn without_a_method_there_is_no_authentication() {
    let mut talk = Talk::new(ConnectOptions::new("c"), ServerOptions::default());
    talk.client_speaks();
    assert_eq!(talk.server.authenticate(talk.now, None, NONE), Err(AnswerError::NothingAsked));
    let method = properties([Property::AuthenticationMethod(text("M"))]);
    let accept = |properties| {
        let mut accept = Accept::new("c");
        accept.properties = properties;
        accept
    };
    // v5[MQTT-4.12.0-6]
    let refused = talk.server.accept(talk.now, &mut SessionState::default(), &accept(method.as_properties()));
    assert!(matches!(refused, Err(AnswerError::Invalid(_))), "{refused:?}");
    talk.server.accept(talk.now, &mut SessionState::default(), &accept(NONE)).unwrap();
    talk.server_speaks();
    assert_eq!(talk.client.reauthenticate(talk.now, None, NONE), Err(RequestError::NoAuthenticationMethod));
    let bytes = auth(CLIENT, ReasonCode::ReAuthenticate, "M", "");
    assert_eq!(talk.server_gets(&bytes), ["violation AuthWithoutMethod"]);
    assert_eq!(talk.server_speaks().0, ["Disconnect 82", "closed"]);
}

/// v5\[MQTT-4.12.1-1\]
#[test]
fn a_client_authenticates_again_while_messages_go_on() {
    let mut talk = again();
    let twice = auth(CLIENT, ReasonCode::ReAuthenticate, "M", "");
    for step in ["1", "2"] {
        talk.client.publish(talk.now, &message("a", step, QoS::AtMostOnce)).unwrap();
        talk.server.publish(talk.now, &message("b", step, QoS::AtMostOnce)).unwrap();
        talk.server.authenticate(talk.now, Some(b"why?"), NONE).unwrap();
        assert_eq!(talk.server_speaks().1, ["received b", "auth 18 M why?"]);
        assert_eq!(talk.client.reauthenticate(talk.now, None, NONE), Err(RequestError::Authenticating));
        talk.client.authenticate(talk.now, Some(step.as_bytes()), NONE).unwrap();
        assert_eq!(talk.client.authenticate(talk.now, None, NONE), Err(AnswerError::NothingAsked));
        assert_eq!(talk.client_speaks().1, ["received a".to_owned(), format!("auth 18 M {step}")]);
    }
    talk.server.approve(talk.now, Some(b"fine"), NONE).unwrap();
    assert_eq!(talk.server.approve(talk.now, None, NONE), Err(AnswerError::NothingAsked));
    assert_eq!(talk.server_speaks(), (vec!["Auth 00 M fine".into()], vec!["auth 00 M fine".into()]));
    assert!(talk.client.is_connected() && talk.server.is_connected());
    // And once more, but not twice at a time.
    talk.client.reauthenticate(talk.now, None, NONE).unwrap();
    talk.client_speaks();
    assert_eq!(talk.server_gets(&twice), ["violation UnexpectedAuth"]);
    assert_eq!(talk.server_speaks().0, ["Disconnect 82", "closed"]);
}

/// v5\[MQTT-4.12.1-2\]
#[test]
fn a_re_authentication_that_fails_ends_the_connection() {
    let mut talk = again();
    talk.server.disconnect(talk.now, ReasonCode::NotAuthorized, NONE).unwrap();
    let said = vec!["Peer(NotAuthorized)".to_owned()];
    assert_eq!(talk.server_speaks(), (vec!["Disconnect 87".into(), "closed".into()], said));

    let mut talk = again();
    talk.server.authenticate(talk.now, None, NONE).unwrap();
    talk.server_speaks();
    talk.client.disconnect(talk.now, ReasonCode::UnspecifiedError, NONE).unwrap();
    assert_eq!(talk.client_speaks().1, ["Peer(UnspecifiedError)"]);
}

/// v5\[MQTT-4.12.1-1\] v5\[MQTT-4.12.0-5\]
#[test]
fn a_re_authentication_keeps_to_the_method_and_to_its_turns() {
    let go_on = |codec, method| auth(codec, ReasonCode::ContinueAuthentication, method, "");
    let begin = auth(CLIENT, ReasonCode::ReAuthenticate, "m", "");
    // What the server gets.
    let table = [
        (connected(), begin, "violation AuthenticationMethod"),
        (connected(), go_on(CLIENT, "M"), "violation UnexpectedAuth"),
        (again(), go_on(CLIENT, "M"), "violation UnexpectedAuth"),
    ];
    for (mut talk, bytes, said) in table {
        assert_eq!(talk.server_gets(&bytes), [said]);
        assert_eq!(talk.server_speaks().0, ["Disconnect 82", "closed"]);
    }
    // What the client gets.
    let done = auth(SERVER, ReasonCode::Success, "M", "");
    let table = [
        (connected(), go_on(SERVER, "M"), "violation UnexpectedAuth"),
        (connected(), done, "violation UnexpectedAuth"),
        (again(), go_on(SERVER, "m"), "violation AuthenticationMethod"),
    ];
    for (mut talk, bytes, said) in table {
        assert_eq!(talk.client_gets(&bytes), [said]);
        assert_eq!(talk.client_speaks().0, ["Disconnect 82", "closed"]);
    }
}

#[test]
fn all_rounds_together_have_the_time_of_a_handshake() {
    let almost = Instant::ZERO + Duration::from_micros(9_999_999);
    let deadline = Instant::ZERO + Duration::from_secs(10);
    let mut talk = asked();
    talk.now = almost;
    talk.client.authenticate(talk.now, None, NONE).unwrap();
    talk.client_speaks();
    talk.server.authenticate(talk.now, None, NONE).unwrap();
    talk.server_speaks();
    assert_eq!((talk.client.poll_timeout(), talk.server.poll_timeout()), (Some(deadline), Some(deadline)));
    talk.now = deadline;
    talk.client.handle_timeout(talk.now);
    talk.server.handle_timeout(talk.now);
    assert_eq!(
        (talk.client_gets(&[]), talk.server_gets(&[])),
        (vec!["ConnectTimeout".into()], vec!["ConnectTimeout".into()])
    );
    assert_eq!(talk.server_speaks().0, ["closed"]);
}

/// v5\[MQTT-4.12.1-2\]
#[test]
fn a_re_authentication_has_its_deadline_at_both_ends_until_it_is_done() {
    let late = Duration::from_secs(10);
    let mut talk = again();
    assert_eq!(talk.server.poll_timeout(), Some(talk.now + late));
    talk.server.authenticate(talk.now, None, NONE).unwrap();
    talk.server_speaks();
    talk.now = talk.now + late;
    talk.client.handle_timeout(talk.now);
    talk.server.handle_timeout(talk.now);
    let said = vec!["AuthenticationTimeout".to_owned()];
    assert_eq!((talk.client_gets(&[]), talk.server_gets(&[])), (said.clone(), said));
    assert_eq!(sent_by_both(&mut talk), [["Disconnect 80", "closed"], ["Disconnect 87", "closed"]]);

    let mut talk = again();
    talk.server.approve(talk.now, None, NONE).unwrap();
    talk.server_speaks();
    talk.now = talk.now + late;
    talk.client.handle_timeout(talk.now);
    talk.server.handle_timeout(talk.now);
    assert!(talk.client.is_connected() && talk.server.is_connected());
    assert_eq!(talk.client.poll_timeout(), Some(Instant::ZERO + Duration::from_secs(60)));
}

fn sent_by_both(talk: &mut Talk) -> [Vec<String>; 2] {
    let (client, closed) = sent(|out| talk.client.poll_transmit(talk.now, out));
    let client = packets(SERVER, &client, closed);
    let (server, closed) = sent(|out| talk.server.poll_transmit(talk.now, out));
    [client, packets(CLIENT, &server, closed)]
}

#[test]
fn nobody_is_asked_for_ever() {
    let mut server_options = ServerOptions::default();
    server_options.limits.authentication_rounds_max = 2;
    let mut options = options();
    options.limits.authentication_rounds_max = 3;
    let mut talk = Talk::new(options, server_options);
    talk.client_speaks();
    for _ in 0..2 {
        talk.server.authenticate(talk.now, None, NONE).unwrap();
        talk.server_speaks();
        talk.client.authenticate(talk.now, None, NONE).unwrap();
        assert_eq!(talk.client_speaks().1, ["auth 18 M"]);
    }
    talk.server.authenticate(talk.now, None, NONE).unwrap();
    assert_eq!(talk.server_speaks().1, ["auth 18 M"]);
    talk.client.authenticate(talk.now, None, NONE).unwrap();
    assert_eq!(talk.client_speaks().1, ["violation AuthenticationRounds"]);
    assert_eq!(talk.server_speaks().0, ["ConnAck 97", "closed"]);

    // The client counts, too; and every re-authentication counts anew.
    let mut options = self::options();
    options.limits.authentication_rounds_max = 2;
    let mut talk = Talk::new(options, ServerOptions::default());
    talk.client_speaks();
    talk.server.accept(talk.now, &mut SessionState::default(), &Accept::new("c")).unwrap();
    talk.server_speaks();
    for _ in 0..2 {
        talk.client.reauthenticate(talk.now, None, NONE).unwrap();
        talk.client_speaks();
        talk.server.authenticate(talk.now, None, NONE).unwrap();
        talk.server_speaks();
        talk.client.authenticate(talk.now, None, NONE).unwrap();
        talk.client_speaks();
        talk.server.approve(talk.now, None, NONE).unwrap();
        assert_eq!(talk.server_speaks().1, ["auth 00 M"]);
    }
    talk.client.reauthenticate(talk.now, None, NONE).unwrap();
    talk.client_speaks();
    for _ in 0..2 {
        talk.server.authenticate(talk.now, None, NONE).unwrap();
        assert_eq!(talk.server_speaks().1, ["auth 18 M"]);
        talk.client.authenticate(talk.now, None, NONE).unwrap();
        talk.client_speaks();
    }
    talk.server.authenticate(talk.now, None, NONE).unwrap();
    assert_eq!(talk.server_speaks().1, ["violation AuthenticationRounds"]);
}

/// v5\[MQTT-3.1.2-29\] v5\[MQTT-3.15.2-2\] v5\[MQTT-3.15.2-3\]
#[test]
fn an_auth_explains_itself_where_that_is_wanted_and_fits() {
    let why =
        properties([Property::ReasonString(text("because it is so")), Property::UserProperty((text("a"), text("b")))]);
    let long = text("a text of more than thirty bytes");
    let table = [
        (vec![], Some("because it is so")),
        (vec![Property::RequestProblemInformation(false)], None),
        (vec![Property::RequestProblemInformation(true)], Some("because it is so")),
    ];
    for (asked, explained) in table {
        let mut options = options();
        asked.into_iter().for_each(|property| options.properties.push(property).unwrap());
        let mut talk = Talk::new(options, ServerOptions::default());
        talk.client_speaks();
        talk.server.authenticate(talk.now, Some(b"why?"), why.as_properties()).unwrap();
        let (bytes, _) = sent(|out| talk.server.poll_transmit(talk.now, out));
        let Some(Event::Auth(Auth { properties, .. })) = talk.client.handle_input(talk.now, &mut &bytes[..]) else {
            panic!()
        };
        assert_eq!(properties.reason_string().map(|text| text.as_str()), explained);
        assert_eq!(properties.user_property().is_some(), explained.is_some());
        assert_eq!(properties.authentication_data(), Some(&b"why?"[..]));
    }

    let mut options = options();
    options.packet_bytes_max = 30;
    let mut talk = Talk::new(options, ServerOptions::default());
    talk.client_speaks();
    let why = properties([Property::ReasonString(long)]);
    talk.server.authenticate(talk.now, Some(b"why?"), why.as_properties()).unwrap();
    assert_eq!(talk.server_speaks().1, ["auth 18 M why?"]);
    talk.client.authenticate(talk.now, None, NONE).unwrap();
    talk.client_speaks();
    let too_large = talk.server.authenticate(talk.now, Some(&[0; 30]), NONE);
    assert!(matches!(too_large, Err(AnswerError::Invalid(EncodeError::TooLarge { .. }))), "{too_large:?}");
    talk.server.authenticate(talk.now, Some(b"short"), NONE).expect("it is still our turn");
}

#[test]
fn older_versions_have_no_authentication() {
    let mut options = options();
    options.version = Version::V3_1_1;
    let mut client = Client::new(options);
    assert!(matches!(client.connect(Instant::ZERO), Err(ConnectError::Invalid(EncodeError::NotInVersion { .. }))));
}

#[test]
fn a_verb_out_of_turn_is_an_error_and_does_nothing() {
    let mut server = Server::new(Instant::ZERO, ServerOptions::default());
    assert_eq!(server.authenticate(Instant::ZERO, None, NONE), Err(AnswerError::NothingAsked));
    assert_eq!(server.approve(Instant::ZERO, None, NONE), Err(AnswerError::NothingAsked));
    let mut talk = asked();
    assert_eq!(talk.server.authenticate(talk.now, None, NONE), Err(AnswerError::NothingAsked));
    let accepted = talk.server.accept(talk.now, &mut SessionState::default(), &Accept::new("c"));
    assert_eq!(accepted, Err(AnswerError::NothingAsked));
    let mut talk = connected();
    assert_eq!(talk.client.authenticate(talk.now, None, NONE), Err(AnswerError::NothingAsked));
    assert_eq!(talk.server.authenticate(talk.now, None, NONE), Err(AnswerError::NothingAsked));
    // A method or data of its own would stand there twice.
    let method = properties([Property::AuthenticationMethod(text("M"))]);
    assert!(matches!(
        talk.client.reauthenticate(talk.now, None, method.as_properties()),
        Err(RequestError::Invalid(EncodeError::Refused(_)))
    ));
    assert!(talk.client.reauthenticate(talk.now, None, NONE).is_ok());
}

#[test]
fn secrets_are_not_shown() {
    let talk = asking();
    assert!(format!("{:?}", talk.client.options()).contains("hidden"));
    for shown in [format!("{:?}", talk.client), format!("{:?}", talk.server)] {
        assert!(!shown.contains("sesame") && !shown.contains(&format!("{:?}", b"sesame")), "{shown}");
    }
}
