//! A broker and clients that talk to it in packets, in memory and virtual time. What clients get is noted in short words.
#![allow(dead_code, reason = "each scenario file uses its part")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mqtt_proto::{
    Ack, Codec, Connect, Delivery, Disconnect, Packet, PacketId, PropertiesBuf, Property, Publish, QoS, ReasonCode,
    Subscribe, Subscription, SubscriptionId, SubscriptionOptions, Text, TopicFilter, TopicName, TransmitBuf,
    Unsubscribe, Version, Will,
};
use mqtt_session::{
    Action, AskId, Broker, BrokerEvent, BrokerOptions, ConnectionId, DisconnectCause, Instant, Message, Policy,
    Principal, Transmit, Verdict,
};

pub(crate) const VERSIONS: [Version; 2] = [Version::V3_1_1, Version::V5];
pub(crate) const V3: Version = Version::V3_1_1;
pub(crate) const V5: Version = Version::V5;
pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// The least time there is.
pub(crate) const TICK: Duration = Duration::from_micros(1);

pub(crate) const Q0: QoS = QoS::AtMostOnce;
pub(crate) const Q1: QoS = QoS::AtLeastOnce;
pub(crate) const Q2: QoS = QoS::ExactlyOnce;

pub(crate) fn topic(name: &str) -> TopicName<'_> {
    TopicName::new(name).unwrap()
}

pub(crate) fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(text).unwrap()
}

pub(crate) fn properties<const N: usize>(all: [Property<'_>; N]) -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    all.into_iter().for_each(|property| properties.push(property).unwrap());
    properties
}

pub(crate) fn options(qos: QoS) -> SubscriptionOptions {
    SubscriptionOptions { qos, ..SubscriptionOptions::default() }
}

/// How a client connects.
#[derive(Clone, Copy)]
pub(crate) struct As<'a> {
    version: Version,
    name: &'a str,
    clean: bool,
    expiry: Option<u32>,
    keep_alive: u16,
    will: Option<Will<'a>>,
    will_delay: u32,
    user_name: Option<&'a str>,
    password: Option<&'a str>,
}

impl<'a> As<'a> {
    /// With a session that ends with the connection.
    pub(crate) fn guest(version: Version, name: &'a str) -> Self {
        Self {
            version,
            name,
            clean: true,
            expiry: None,
            keep_alive: 0,
            will: None,
            will_delay: 0,
            user_name: None,
            password: None,
        }
    }

    /// With a session that stays, as far as the version allows to say.
    pub(crate) fn resident(version: Version, name: &'a str) -> Self {
        let expiry = version.has_session_expiry().then_some(u32::MAX);
        Self { clean: false, expiry, ..Self::guest(version, name) }
    }

    pub(crate) fn clean(self, clean: bool) -> Self {
        Self { clean, ..self }
    }

    pub(crate) fn expiry(self, seconds: u32) -> Self {
        Self { expiry: Some(seconds), ..self }
    }

    pub(crate) fn keep_alive(self, keep_alive: u16) -> Self {
        Self { keep_alive, ..self }
    }

    pub(crate) fn will(self, topic: &'a str, payload: &'a str) -> Self {
        let will = Will::new(TopicName::new(topic).unwrap(), payload.as_bytes());
        self.exact_will(will)
    }

    pub(crate) fn exact_will(self, will: Will<'a>) -> Self {
        Self { will: Some(will), ..self }
    }

    pub(crate) fn will_delay(self, seconds: u32) -> Self {
        Self { will_delay: seconds, ..self }
    }

    pub(crate) fn user(self, user_name: &'a str, password: &'a str) -> Self {
        Self { user_name: Some(user_name), password: Some(password), ..self }
    }
}

/// Numbers the clients of a [`House`]. A client that connects again has a new number.
pub(crate) type Who = usize;

/// One connection, seen from the client.
struct Peer {
    id: ConnectionId,
    codec: Codec,
    /// Messages since we last looked: topic, payload, then `q1` or `q2`, `R` for retained, `D` for a repeat, `#n` for subscription identifiers.
    got: Vec<String>,
    /// Other packets since we last looked.
    said: Vec<String>,
    /// What PUBACK and PUBREC said since we last looked.
    answered: Vec<ReasonCode>,
    /// PUBRELs since we last looked.
    released: usize,
    /// Answers messages as the specification asks.
    acknowledges: bool,
    unanswered: Vec<Packet<'static>>,
    is_deaf: bool,
    next_packet_id: u16,
    input: Vec<u8>,
    /// Bytes that the broker would not take yet.
    unread: Vec<u8>,
}

pub(crate) struct House {
    pub(crate) broker: Broker,
    pub(crate) now: Instant,
    peers: Vec<Peer>,
    /// What the policy has asked its host, in the order in which that looked.
    asks: Vec<AskId>,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(BrokerOptions::default())
    }

    pub(crate) fn with(options: BrokerOptions) -> Self {
        Self { broker: Broker::new(options, 1), now: Instant::ZERO, peers: Vec::new(), asks: Vec::new() }
    }

    /// With somebody who decides.
    pub(crate) fn guarded(script: &Arc<Script>) -> Self {
        Self::guarded_with(BrokerOptions::default(), script)
    }

    pub(crate) fn guarded_with(options: BrokerOptions, script: &Arc<Script>) -> Self {
        let mut house = Self::with(options);
        house.broker.set_policy(Arc::<Script>::clone(script));
        house
    }

    /// The policy is told that it has changed, and everything that follows happens.
    pub(crate) fn policy_changed(&mut self) {
        self.broker.policy_changed();
        self.drive();
    }

    /// How many questions the host has looked at.
    pub(crate) fn asks(&self) -> usize {
        self.asks.len()
    }

    /// Answers the question of this number, and offers again what waited behind it. False: nobody waits for that.
    pub(crate) fn answer(&mut self, number: usize, verdict: Verdict) -> bool {
        let answered = self.broker.answer(self.now, self.asks[number], verdict).is_ok();
        self.drive();
        self.offer_rest();
        answered
    }

    /// Offers what the broker would not take before, as far as it wants it now.
    pub(crate) fn offer_rest(&mut self) {
        while let Some(who) =
            self.peers.iter().position(|peer| !peer.unread.is_empty() && self.broker.wants_input(peer.id))
        {
            let before = self.unread(who);
            self.send_bytes(who, &[]);
            assert!(self.unread(who) < before, "it wanted input and took none");
        }
    }

    /// A transport, and nothing said.
    pub(crate) fn open(&mut self, version: Version) -> Who {
        self.peers.push(Peer {
            id: self.broker.open(self.now).unwrap(),
            codec: Codec::client(version),
            got: Vec::new(),
            said: Vec::new(),
            answered: Vec::new(),
            released: 0,
            acknowledges: true,
            unanswered: Vec::new(),
            is_deaf: false,
            next_packet_id: 0,
            input: Vec::new(),
            unread: Vec::new(),
        });
        self.peers.len() - 1
    }

    /// Connects, and leaves CONNACK to be looked at.
    pub(crate) fn knock(&mut self, who: As<'_>) -> Who {
        let peer = self.open(who.version);
        self.introduce(peer, who);
        peer
    }

    /// CONNECT on a transport that is open.
    pub(crate) fn introduce(&mut self, peer: Who, who: As<'_>) {
        let mut will_properties = PropertiesBuf::new();
        if who.will_delay > 0 {
            will_properties.push(Property::WillDelayInterval(who.will_delay)).unwrap();
        }
        let mut connect_properties = PropertiesBuf::new();
        if let Some(seconds) = who.expiry {
            connect_properties.push(Property::SessionExpiryInterval(seconds)).unwrap();
        }
        let mut connect = Connect::new(Text::new(who.name).unwrap());
        connect.clean_start = who.clean;
        connect.keep_alive = who.keep_alive;
        connect.properties = connect_properties.as_properties();
        connect.will = who.will;
        connect.user_name = who.user_name.map(|name| Text::new(name).unwrap());
        connect.password = who.password.map(str::as_bytes);
        if let Some(will) = connect.will.as_mut()
            && who.will_delay > 0
        {
            will.properties = will_properties.as_properties();
        }
        self.send(peer, &Packet::Connect(connect));
    }

    /// Connects, which must succeed.
    pub(crate) fn join(&mut self, who: As<'_>) -> Who {
        let peer = self.knock(who);
        let said = self.said(peer);
        assert!(said.len() == 1 && said[0].starts_with("ConnAck 00"), "{said:?}");
        peer
    }

    pub(crate) fn guest(&mut self, version: Version, name: &str) -> Who {
        self.join(As::guest(version, name))
    }

    /// A client sends a packet, and everything that follows happens.
    pub(crate) fn send(&mut self, who: Who, packet: &Packet<'_>) {
        let mut out = TransmitBuf::new();
        self.peers[who].codec.encode(packet, &mut out).unwrap();
        let bytes: Vec<u8> = out.slices().flatten().copied().collect();
        self.send_bytes(who, &bytes);
    }

    pub(crate) fn send_bytes(&mut self, who: Who, bytes: &[u8]) {
        self.say_bytes(who, bytes);
        self.drive();
    }

    /// Sends what may be anything, and does not look at what comes back.
    pub(crate) fn deafly_send_bytes(&mut self, who: Who, bytes: &[u8]) {
        self.peers[who].is_deaf = true;
        self.send_bytes(who, bytes);
    }

    /// A client sends a packet, and nothing is written yet.
    pub(crate) fn say(&mut self, who: Who, packet: &Packet<'_>) {
        let mut out = TransmitBuf::new();
        self.peers[who].codec.encode(packet, &mut out).unwrap();
        let bytes: Vec<u8> = out.slices().flatten().copied().collect();
        self.say_bytes(who, &bytes);
    }

    fn say_bytes(&mut self, who: Who, bytes: &[u8]) {
        let peer = &mut self.peers[who];
        peer.unread.extend(bytes);
        let mut input = &peer.unread[..];
        self.broker.handle_input(self.now, peer.id, &mut input);
        let rest = input.to_vec();
        peer.unread = rest;
    }

    pub(crate) fn packet_id(&mut self, who: Who) -> PacketId {
        let peer = &mut self.peers[who];
        peer.next_packet_id += 1;
        PacketId::new(peer.next_packet_id).unwrap()
    }

    fn delivery(&mut self, who: Who, qos: QoS) -> Delivery {
        match qos {
            QoS::AtMostOnce => Delivery::AtMostOnce,
            QoS::AtLeastOnce => Delivery::AtLeastOnce { packet_id: self.packet_id(who), dup: false },
            QoS::ExactlyOnce => Delivery::ExactlyOnce { packet_id: self.packet_id(who), dup: false },
        }
    }

    pub(crate) fn publish(&mut self, who: Who, name: &str, payload: &str, qos: QoS) {
        let delivery = self.delivery(who, qos);
        self.send(who, &Packet::Publish(Publish { delivery, ..Publish::new(topic(name), payload) }));
    }

    /// Publishes a retained message.
    pub(crate) fn retain(&mut self, who: Who, name: &str, payload: &str, qos: QoS) {
        let delivery = self.delivery(who, qos);
        self.send(who, &Packet::Publish(Publish { delivery, retain: true, ..Publish::new(topic(name), payload) }));
    }

    pub(crate) fn publish_at(&mut self, who: Who, name: &str, qos: QoS, properties: &PropertiesBuf) {
        let (delivery, properties) = (self.delivery(who, qos), properties.as_properties());
        self.send(who, &Packet::Publish(Publish { delivery, properties, ..Publish::new(topic(name), b"x") }));
    }

    pub(crate) fn publish_with(&mut self, who: Who, name: &str, payload: &str, properties: &PropertiesBuf) {
        let properties = properties.as_properties();
        self.send(who, &Packet::Publish(Publish { properties, ..Publish::new(topic(name), payload) }));
    }

    /// Subscribes at a QoS, which must be granted.
    pub(crate) fn subscribe(&mut self, who: Who, text: &str, qos: QoS) {
        self.subscribe_with(who, text, options(qos), None);
        assert_eq!(self.said(who), [format!("SubAck {:02X}", qos.as_u8())]);
    }

    pub(crate) fn subscribe_with(&mut self, who: Who, text: &str, options: SubscriptionOptions, id: Option<u32>) {
        let all = [Subscription { filter: filter(text), options }];
        self.subscribe_all(who, &all, id);
    }

    pub(crate) fn subscribe_all(&mut self, who: Who, all: &[Subscription<'_>], id: Option<u32>) {
        let mut properties = PropertiesBuf::new();
        if let Some(id) = id {
            let id = SubscriptionId::new(id).unwrap();
            properties.push(Property::SubscriptionIdentifier(id)).unwrap();
        }
        let properties = properties.as_properties();
        let packet_id = self.packet_id(who);
        self.send(who, &Packet::Subscribe(Subscribe { properties, ..Subscribe::new(packet_id, all) }));
    }

    pub(crate) fn unsubscribe(&mut self, who: Who, all: &[&str]) {
        let filters: Vec<_> = all.iter().map(|text| filter(text)).collect();
        let packet_id = self.packet_id(who);
        self.send(who, &Packet::Unsubscribe(Unsubscribe::new(packet_id, &filters)));
    }

    /// DISCONNECT, and the transport is closed.
    pub(crate) fn leave(&mut self, who: Who) {
        self.leave_with(who, ReasonCode::NORMAL_DISCONNECTION);
    }

    pub(crate) fn leave_with(&mut self, who: Who, reason_code: ReasonCode) {
        self.send(who, &Packet::Disconnect(Disconnect::new(reason_code)));
        assert_eq!(self.said(who), ["closed"]);
    }

    /// DISCONNECT after its last answers have been looked at.
    pub(crate) fn leave_after_looking(&mut self, who: Who) {
        self.said(who);
        self.leave(who);
    }

    /// The transport breaks.
    pub(crate) fn cut(&mut self, who: Who) {
        self.broker.handle_closed(self.now, self.peers[who].id);
        self.drive();
    }

    pub(crate) fn block(&mut self, who: Who) {
        self.broker.handle_blocked(self.peers[who].id);
    }

    pub(crate) fn unblock(&mut self, who: Who) {
        self.broker.handle_writable(self.peers[who].id);
        self.drive();
    }

    /// From now on, nothing that this client gets is answered.
    pub(crate) fn stop_acknowledging(&mut self, who: Who) {
        self.peers[who].acknowledges = false;
    }

    /// Answers what has been left unanswered, and from now on everything.
    /// Identifiers of packets that a client has not answered.
    pub(crate) fn unanswered(&self, who: Who) -> Vec<PacketId> {
        let ids = self.peers[who].unanswered.iter().map(|answer| match answer {
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => ack.packet_id,
            other => panic!("{other:?} is no answer"),
        });
        ids.collect()
    }

    pub(crate) fn acknowledge_all(&mut self, who: Who) {
        self.peers[who].acknowledges = true;
        for ack in std::mem::take(&mut self.peers[who].unanswered) {
            self.say(who, &ack);
        }
        self.drive();
    }

    pub(crate) fn advance(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.broker.handle_timeout(self.now);
        while self.broker.poll_timeout().is_some_and(|due| due <= self.now) {
            self.broker.handle_timeout(self.now);
        }
        self.drive();
    }

    /// Time passes, and the broker has not looked at it when the next input comes.
    pub(crate) fn oversleep(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    pub(crate) fn broadcast(&mut self, message: &Message<'_>) {
        self.broker.publish(self.now, message);
        self.drive();
    }

    /// Writes and reads until nobody has anything to say.
    pub(crate) fn drive(&mut self) {
        let mut out = TransmitBuf::new();
        while let Some((id, transmit)) = self.broker.poll_transmit(self.now, &mut out) {
            let who = self.peers.iter().rposition(|peer| peer.id == id).unwrap();
            let peer = &mut self.peers[who];
            match transmit {
                Transmit::Ready => peer.input.extend(out.slices().flatten()),
                Transmit::Close => {
                    assert!(out.is_empty());
                    peer.said.push("closed".into());
                    self.broker.handle_closed(self.now, id);
                }
                Transmit::Idle => panic!("idle connections are not named"),
            }
            out.clear();
            self.read(who);
        }
    }

    /// A client reads what has come.
    fn read(&mut self, who: Who) {
        let bytes = std::mem::take(&mut self.peers[who].input);
        if self.peers[who].is_deaf {
            return;
        }
        let mut input = &bytes[..];
        let codec = self.peers[who].codec;
        while let Some(packet) = codec.decode(&mut input).unwrap() {
            let peer = &mut self.peers[who];
            match &packet {
                Packet::Publish(publish) => peer.got.push(message_words(publish)),
                Packet::PubAck(ack) | Packet::PubRec(ack) => peer.answered.push(ack.reason_code),
                Packet::PubRel(_) => peer.released += 1,
                Packet::PubComp(_) => {}
                other => peer.said.push(packet_words(other)),
            }
            match answer(&packet) {
                Some(answer) if peer.acknowledges => self.say(who, &answer),
                answer => peer.unanswered.extend(answer),
            }
        }
        assert!(input.is_empty(), "the broker writes whole packets");
    }

    /// Messages that a client got since we last asked.
    pub(crate) fn got(&mut self, who: Who) -> Vec<String> {
        std::mem::take(&mut self.peers[who].got)
    }

    /// What PUBACK and PUBREC said to a client since we last asked.
    pub(crate) fn answered(&mut self, who: Who) -> Vec<ReasonCode> {
        std::mem::take(&mut self.peers[who].answered)
    }

    /// PUBRELs that a client got since we last asked.
    pub(crate) fn released(&mut self, who: Who) -> usize {
        std::mem::take(&mut self.peers[who].released)
    }

    /// Other packets that a client got since we last asked.
    pub(crate) fn said(&mut self, who: Who) -> Vec<String> {
        std::mem::take(&mut self.peers[who].said)
    }

    pub(crate) fn id(&self, who: Who) -> ConnectionId {
        self.peers[who].id
    }

    pub(crate) fn unread(&self, who: Who) -> usize {
        self.peers[who].unread.len()
    }

    /// What the broker told its host since we last asked.
    pub(crate) fn events(&mut self) -> Vec<String> {
        let asks = &mut self.asks;
        std::iter::from_fn(|| self.broker.poll_event())
            .map(|event| match event {
                BrokerEvent::Asked { ask, question } => {
                    asks.push(ask);
                    format!("{}?", question_words(question.who(), &question.action()))
                }
                BrokerEvent::Connected { client_id, session_present, .. } => {
                    format!("{client_id} came{}", if session_present { " back" } else { "" })
                }
                BrokerEvent::Disconnected { client_id, cause, .. } => match cause {
                    DisconnectCause::TransportClosed => format!("{client_id} was lost"),
                    cause => format!("{client_id} went {:02X}", cause.reason_code().as_u8()),
                },
                BrokerEvent::Refused { cause, .. } => match cause {
                    DisconnectCause::TransportClosed => "somebody was lost".into(),
                    cause => format!("somebody went {:02X}", cause.reason_code().as_u8()),
                },
                other => panic!("{other:?}"),
            })
            .collect()
    }
}

fn message_words(publish: &Publish<'_>) -> String {
    let name = publish.topic.expect("the broker uses no aliases");
    let mut words = format!("{name} {}", String::from_utf8_lossy(&publish.payload));
    if publish.delivery.qos() > QoS::AtMostOnce {
        words += &format!(" q{}", publish.delivery.qos().as_u8());
    }
    if publish.retain {
        words += " R";
    }
    if publish.delivery.dup() {
        words += " D";
    }
    let mut ids: Vec<u32> = publish.properties.subscription_identifiers().map(SubscriptionId::get).collect();
    ids.sort_unstable();
    ids.iter().for_each(|id| words += &format!(" #{id}"));
    if let Some(seconds) = publish.properties.message_expiry_interval() {
        words += &format!(" expires {seconds}");
    }
    words
}

fn packet_words(packet: &Packet<'_>) -> String {
    let codes = |codes: &mut dyn Iterator<Item = ReasonCode>| {
        codes.map(|code| format!(" {:02X}", code.as_u8())).collect::<String>()
    };
    match packet {
        Packet::ConnAck(connack) => {
            let present = if connack.session_present { " present" } else { "" };
            format!("ConnAck {:02X}{present}", connack.reason_code.as_u8())
        }
        Packet::SubAck(suback) => format!("SubAck{}", codes(&mut suback.reason_codes.iter())),
        Packet::UnsubAck(unsuback) => format!("UnsubAck{}", codes(&mut unsuback.reason_codes.iter())),
        Packet::Disconnect(disconnect) => format!("Disconnect {:02X}", disconnect.reason_code.as_u8()),
        other => format!("{:?}", other.packet_type()),
    }
}

/// What a client has to answer.
fn answer(packet: &Packet<'_>) -> Option<Packet<'static>> {
    match packet {
        Packet::Publish(publish) => match publish.delivery {
            Delivery::AtMostOnce => None,
            Delivery::AtLeastOnce { packet_id, .. } => Some(Packet::PubAck(Ack::new(packet_id))),
            Delivery::ExactlyOnce { packet_id, .. } => Some(Packet::PubRec(Ack::new(packet_id))),
        },
        Packet::PubRec(ack) => Some(Packet::PubRel(Ack::new(ack.packet_id))),
        Packet::PubRel(ack) => Some(Packet::PubComp(Ack::new(ack.packet_id))),
        _ => None,
    }
}

/// A policy that notes what it is asked, and says what it was told to.
#[derive(Debug, Default)]
pub(crate) struct Script(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    asked: Vec<String>,
    verdicts: Vec<(String, Verdict)>,
}

impl Script {
    /// Everybody may do everything, as long as nothing else is said.
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// From now on, this is the answer to all questions that begin so. What was said last counts.
    pub(crate) fn say(&self, question: &str, verdict: Verdict) {
        self.0.lock().unwrap().verdicts.push((question.into(), verdict));
    }

    /// What was asked since we last looked.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().asked)
    }
}

impl Policy for Script {
    fn check(&self, who: &Principal, action: &Action<'_>) -> Verdict {
        let question = question_words(who, action);
        let mut lines = self.0.lock().unwrap();
        let found = lines.verdicts.iter().rfind(|(beginning, _)| question.starts_with(beginning));
        let verdict = found.map_or(Verdict::Allow, |&(_, verdict)| verdict);
        lines.asked.push(question);
        verdict
    }
}

/// `client(user) verb object`
fn question_words(who: &Principal, action: &Action<'_>) -> String {
    let client = &who.client_id;
    let user = who.user_name.as_deref().map_or(String::new(), |user| format!("({user})"));
    let wish = match action {
        Action::Connect(credentials) => {
            let password = credentials.password.map(|password| format!(" {}", String::from_utf8_lossy(password)));
            format!("connect{}", password.unwrap_or_default())
        }
        Action::Stay => "stay".into(),
        Action::Publish { topic, qos } => format!("publish {topic} q{}", qos.as_u8()),
        Action::Store { topic } => format!("store {topic}"),
        Action::Subscribe { filter, share, qos } => {
            let share = share.map_or(String::new(), |share| format!(" of {share}"));
            format!("subscribe {} q{}{share}", filter.as_str(), qos.as_u8())
        }
        other => panic!("{other:?}"),
    };
    format!("{client}{user} {wish}")
}
