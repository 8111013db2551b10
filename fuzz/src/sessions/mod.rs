//! Hosts and peers of all kinds, for both machines: a fuzzer's bytes choose what happens, and the machines keep their promises ([`watched`]).
//!
//! * [`client`] and [`server`]: one machine, with a peer that says anything.
//! * [`pair`]: both, with a wire that breaks, and ends that begin again from what they have exported. What is published arrives as often as its QoS and its outcome
//!   say, and when the trouble is over, everything ends.
//!
//! Each runs twice, and says and sends the same.
//!
//! * [`session`]: a session out of any bytes, if they are one. Both machines go on with it as with one of their own.
//!
//! These files are part of each target, and of a test of `mqtt-session` that replays the seeds. A seed's bytes are [`Choices`].

#![allow(dead_code, unreachable_pub, unused_imports, reason = "each target uses its part")]

mod import;
mod pair;
mod peer;
mod watched;

use std::hash::Hasher;
use std::time::Duration;

use mqtt_proto::choices::Choices;
use mqtt_proto::{
    Properties, PropertiesBuf, Property, QoS, ReasonCode, Subscription, SubscriptionId, TopicFilter, TopicName, Version,
};
use mqtt_session::{
    Accept, Acknowledge, Authentication, Client, ConnectOptions, Message, Server, ServerOptions, SessionState,
};

use peer::Peer;
use watched::{Heard, Machine, Watched, some_limits};

pub use import::{parts, session};
pub use pair::pair;

/// A client, a host that does anything, and a server that says anything.
pub fn client(data: &[u8]) {
    assert_eq!(run_client(data), run_client(data), "the same calls have the same results");
}

/// A server's end of one connection after another, and a client that says anything.
pub fn server(data: &[u8]) {
    assert_eq!(run_server(data), run_server(data), "the same calls have the same results");
}

const TIMES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_micros(1),
    Duration::from_secs(10),
    Duration::from_secs(100),
    Duration::from_secs(100_000),
];
const CODES: [ReasonCode; 4] =
    [ReasonCode::Success, ReasonCode::Success, ReasonCode::QuotaExceeded, ReasonCode::UnspecifiedError];
const OPS_MAX: usize = 200;

pub fn some_version(choices: &mut Choices<'_>) -> Version {
    choices.pick(&[Version::V5, Version::V3_1_1, Version::V3_1])
}

pub fn some_client_options(choices: &mut Choices<'_>) -> ConnectOptions {
    let mut options = ConnectOptions::new("c");
    options.version = some_version(choices);
    options.clean_start = choices.byte() % 4 == 1;
    options.session_expiry_interval = choices.pick(&[u32::MAX, 0, 100]);
    options.keep_alive = choices.pick(&[0, 1, 60, u16::MAX]);
    options.receive_maximum = choices.pick(&[2, 1, 3, 100]);
    options.packet_bytes_max = choices.pick(&[1 << 20, 20, 60]);
    options.topic_alias_maximum = choices.pick(&[0, 2]);
    options.acknowledge = choices.pick(&[Acknowledge::Manually, Acknowledge::AtOnce]);
    options.limits = some_limits(choices);
    options
}

pub fn some_server_options(choices: &mut Choices<'_>) -> ServerOptions {
    let mut options = ServerOptions::default();
    options.receive_maximum = choices.pick(&[2, 1, 3, 100]);
    options.packet_bytes_max = choices.pick(&[1 << 20, 20, 60]);
    options.topic_alias_maximum = choices.pick(&[0, 2]);
    options.server_keep_alive = choices.pick(&[None, Some(1), Some(0)]);
    options.maximum_qos = choices.pick(&[QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::AtMostOnce]);
    options.retain_available = choices.byte() % 4 != 1;
    options.acknowledge = choices.pick(&[Acknowledge::Manually, Acknowledge::AtOnce]);
    options.limits = some_limits(choices);
    options
}

/// Publishes something. Returns what became of that.
pub fn publish<M: Machine>(
    watched: &mut Watched<M>,
    choices: &mut Choices<'_>,
    mut payload: Vec<u8>,
) -> Option<(QoS, mqtt_session::Published)> {
    let mut properties = PropertiesBuf::new();
    if choices.byte() % 4 == 1 {
        let interval = choices.pick(&[1, 0, 50, u32::MAX]);
        properties.push(Property::MessageExpiryInterval(interval)).expect("it is the first");
    }
    payload.resize(payload.len() + choices.pick(&[0, 10, 50, 300]), 0);
    let mut message =
        Message::new(TopicName::new(choices.pick(&["t", "a/b", "longer/than/others"])).unwrap(), &payload[..]);
    message.qos = choices.pick(&[QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::AtMostOnce]);
    message.retain = choices.byte() % 8 == 1;
    message.properties = properties.as_properties();
    let qos = message.qos;
    watched.publish(&message).map(|published| (qos, published))
}

pub fn request(watched: &mut Watched<Client>, choices: &mut Choices<'_>) {
    let version = watched.machine.version();
    let before = watched.sent.len();
    let filter: TopicFilter<'_> = choices.filter(version);
    let asked = if choices.byte().is_multiple_of(2) {
        let mut properties = PropertiesBuf::new();
        if choices.byte() % 4 == 1 {
            let id = SubscriptionId::new(1).expect("it is in range");
            properties.push(Property::SubscriptionIdentifier(id)).expect("it is the first");
        }
        let all = [Subscription::new(filter, QoS::ExactlyOnce)];
        watched.machine.subscribe(watched.now, &all, properties.as_properties())
    } else {
        watched.machine.unsubscribe(watched.now, &[filter], Properties::EMPTY)
    };
    let is_refused = asked.is_err();
    if let Ok(id) = asked {
        assert!(watched.requests.insert(id), "{id:?} names two requests");
    }
    watched.settle();
    assert!(!is_refused || watched.sent.len() == before, "nothing has been sent");
}

/// What hosts of either machine do.
fn common_op<M: Machine>(watched: &mut Watched<M>, peer: &mut Peer, choices: &mut Choices<'_>, op: u8) {
    match op {
        0 => drop(publish(watched, choices, Vec::new())),
        1 if !watched.tokens.is_empty() => {
            let index = usize::from(choices.byte()) % watched.tokens.len();
            watched.acknowledge(index, choices.pick(&CODES));
        }
        2 => watched.advance(choices.pick(&TIMES), choices.byte() % 4 == 1),
        3 => watched.disconnect(choices.pick(&[
            ReasonCode::Success,
            ReasonCode::ServerBusy,
            ReasonCode::UnspecifiedError,
        ])),
        4 => watched.abandon(),
        5 => watched.check_copies(),
        6 => {
            let count = choices.pick(&[usize::MAX, 1, 2, 7]);
            let bytes = peer.take(count);
            watched.feed(&bytes);
        }
        _ => peer.speak(watched, choices),
    }
}

fn run_client(data: &[u8]) -> u64 {
    let mut choices = Choices::new(data);
    let choices = &mut choices;
    let mut options = some_client_options(choices);
    if options.version.has_auth() && choices.byte() % 4 == 1 {
        options.authentication = Some(Authentication::new("m"));
    }
    let mut watched = Watched::new(Client::new(options.clone()), options.limits.clone(), options.receive_maximum);
    client_ops(&mut watched, &mut Peer::default(), &options, choices);
    watched.close();
    watched.abandon();
    assert!(watched.open.is_empty(), "all is settled");
    watched.check_copies();
    watched.transcript.finish()
}

fn client_ops(watched: &mut Watched<Client>, peer: &mut Peer, options: &ConnectOptions, choices: &mut Choices<'_>) {
    for _ in 0..OPS_MAX {
        watched.heard.clear();
        match choices.byte() {
            0 => break,
            op @ 1..=9 => {
                let before = watched.machine.clone();
                if op % 2 == 1 && watched.machine.connect(watched.now).is_ok() {
                    assert!(before.is_idle());
                    watched.settle();
                    if choices.byte() % 8 != 1 {
                        peer.welcome(watched, choices);
                    }
                } else {
                    request(watched, choices);
                }
            }
            10..=14 => {
                peer.line.clear();
                watched.close();
                assert!(watched.machine.is_idle());
            }
            15..=17 => {
                let bytes = watched.machine.session().export(watched.now);
                let session = SessionState::import(watched.now, &bytes).expect("it has been exported");
                peer.line.clear();
                watched.replace(Client::with_session(options.clone(), session));
                watched.settle();
            }
            18..=20 => {
                let (now, data) = (watched.now, Some(&b"data"[..]));
                let _ = watched.machine.authenticate(now, data, Properties::EMPTY);
                let _ = watched.machine.reauthenticate(now, data, Properties::EMPTY);
                watched.settle();
            }
            op => common_op(watched, peer, choices, op % 12),
        }
    }
}

/// The host of one server.
struct Desk {
    options: ServerOptions,
    kept: Option<SessionState>,
    is_asked: bool,
    questions: Vec<(mqtt_proto::PacketId, usize, bool)>,
}

impl Desk {
    fn new(options: ServerOptions, session: SessionState) -> Self {
        Self { options, kept: Some(session), is_asked: false, questions: Vec::new() }
    }

    fn listen(&mut self, watched: &mut Watched<Server>) {
        for heard in watched.heard.drain(..) {
            match heard {
                Heard::ConnectRequested(..) => self.is_asked = true,
                Heard::Asked(id, filters, is_subscribe) => self.questions.push((id, filters, is_subscribe)),
                _ => {}
            }
        }
    }

    fn answer(&mut self, watched: &mut Watched<Server>, choices: &mut Choices<'_>) {
        let now = watched.now;
        if let Some((id, filters, is_subscribe)) = self.questions.pop() {
            let code = choices.pick(&[ReasonCode::Success, ReasonCode::UnspecifiedError]);
            let codes = vec![code; filters];
            let _ = if is_subscribe {
                watched.machine.suback(now, id, &codes, Properties::EMPTY)
            } else {
                watched.machine.unsuback(now, id, &codes, Properties::EMPTY)
            };
            return watched.settle();
        }
        if !self.is_asked {
            return;
        }
        match choices.byte() % 8 {
            0 => {
                let _ = watched.machine.authenticate(now, Some(b"?"), Properties::EMPTY);
                let _ = watched.machine.approve(now, None, Properties::EMPTY);
            }
            1 => {
                let _ = watched.machine.refuse(now, ReasonCode::NotAuthorized, Properties::EMPTY);
            }
            _ => {
                let session = self.kept.clone().filter(|_| choices.byte() % 4 != 1);
                let mut answer = Accept::new("c");
                answer.session_present = session.is_some();
                let is_new = session.is_none();
                if watched.machine.accept(now, &mut session.unwrap_or_default(), &answer).is_ok() {
                    if is_new {
                        watched.open.clear();
                        watched.late.clear();
                        watched.inherited = 0;
                    }
                    (self.kept, watched.elsewhere) = (None, 0);
                }
            }
        }
        watched.settle();
    }

    /// The connection is over; the next one begins.
    fn next(&mut self, watched: &mut Watched<Server>, is_crash: bool) {
        if !is_crash {
            watched.close();
        }
        if self.kept.is_none() {
            let mut session = watched.machine.take_session();
            watched.elsewhere = session.pending();
            watched.settle();
            if is_crash {
                let bytes = session.export(watched.now);
                session = SessionState::import(watched.now, &bytes).expect("it has been exported");
            }
            self.kept = Some(session);
        }
        (self.is_asked, self.questions) = (false, Vec::new());
        watched.replace(Server::new(watched.now, self.options.clone()));
    }
}

fn run_server(data: &[u8]) -> u64 {
    let mut choices = Choices::new(data);
    let choices = &mut choices;
    let options = some_server_options(choices);
    let machine = Server::new(mqtt_session::Instant::ZERO, options.clone());
    let mut watched = Watched::new(machine, options.limits.clone(), options.receive_maximum);
    let mut desk = Desk::new(options, SessionState::default());
    server_ops(&mut watched, &mut Peer::default(), &mut desk, choices);
    watched.abandon_all(&mut desk.kept);
    watched.transcript.finish()
}

fn server_ops(watched: &mut Watched<Server>, peer: &mut Peer, desk: &mut Desk, choices: &mut Choices<'_>) {
    peer.hello(choices);
    for _ in 0..OPS_MAX {
        match choices.byte() {
            0 => break,
            1..=20 => desk.answer(watched, choices),
            op @ 21..=25 => {
                peer.line.clear();
                desk.next(watched, op % 2 == 1);
                peer.hello(choices);
            }
            op => common_op(watched, peer, choices, op % 12),
        }
        desk.listen(watched);
    }
}

impl Watched<Server> {
    fn abandon_all(&mut self, kept: &mut Option<SessionState>) {
        self.abandon();
        assert_eq!(self.open.len(), kept.as_ref().map_or(0, SessionState::pending), "all is settled, or kept");
    }
}
