//! Every operation that was accepted is settled exactly once, whatever happens: random runs over a client and a server, with a ledger that knows what may be said,
//! and an ear on the wire.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mqtt_proto::{
    Codec, Packet, PacketId, Properties, PropertiesBuf, Property, QoS, ReasonCode, Subscription, TopicFilter,
    TransmitBuf, Version,
};
use mqtt_session::{
    Accept, AckToken, Acknowledge, Client, ConnectOptions, DisconnectCause, Event, Instant, Message, Outcome,
    PublishError, PublishId, Published, RequestId, Server, ServerOptions, SessionState, Transmit, WhenFull,
};
use support::topic;

/// Numbers that only have to be different.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// A message of the client's, by its payload.
#[derive(Clone, Debug)]
struct Entry {
    id: PublishId,
    topic: String,
    qos: QoS,
    expires: Option<Instant>,
    outcome: Option<Outcome>,
    /// How often the server's application has been handed it, has taken it, and has refused it.
    handed: u32,
    taken: u32,
    refused: u32,
}

/// What holds a packet identifier of the client's, as heard on the wire.
#[derive(Clone, Debug, PartialEq)]
enum Holder {
    Message { number: u32, qos: QoS, connection: u32, released: bool },
    Request,
}

struct World {
    dice: Dice,
    now: Instant,
    version: Version,
    client: Client,
    server: Server,
    server_options: ServerOptions,
    kept: Option<SessionState>,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    connected: bool,
    connection: u32,
    tokens: Vec<(AckToken, u32)>,
    ledger: BTreeMap<u32, Entry>,
    numbers: BTreeMap<PublishId, u32>,
    requests: BTreeSet<RequestId>,
    holders: BTreeMap<PacketId, Holder>,
    last_number: u32,
    last_handed: u32,
    session_was_lost: bool,
    /// The client has not heard of the server's new session.
    is_unheard: bool,
    was_abandoned: bool,
    from_server: BTreeSet<PublishId>,
    server_settled: BTreeSet<PublishId>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let version = if dice.roll(2) == 0 { Version::V3_1_1 } else { Version::V5 };
        let mut options = ConnectOptions::new("c");
        options.version = version;
        options.clean_start = false;
        options.session_expiry_interval = 3600;
        options.keep_alive = 0;
        let limits = &mut options.limits;
        limits.connect_timeout = Duration::MAX;
        limits.queued_messages_max = [1_000, 6][dice.roll(2) as usize];
        limits.when_full = [WhenFull::Refuse, WhenFull::DropNewest, WhenFull::DropOldest][dice.roll(3) as usize];
        limits.queued_time_max = (dice.roll(3) == 0).then_some(Duration::from_secs(2));
        limits.attempts_max = [2, 16, u32::MAX][dice.roll(3) as usize];
        limits.in_flight_before_5_max = 3;
        limits.topic_aliases_max = dice.roll(3) as u16;
        let mut server_options = ServerOptions::default();
        server_options.acknowledge = Acknowledge::Manually;
        server_options.receive_maximum = 3;
        server_options.limits.connect_timeout = Duration::MAX;
        Self {
            dice,
            now: Instant::ZERO,
            version,
            client: Client::new(options),
            server: Server::new(Instant::ZERO, server_options.clone()),
            server_options,
            kept: None,
            to_server: Vec::new(),
            to_client: Vec::new(),
            connected: false,
            connection: 0,
            tokens: Vec::new(),
            ledger: BTreeMap::new(),
            numbers: BTreeMap::new(),
            requests: BTreeSet::new(),
            holders: BTreeMap::new(),
            last_number: 0,
            last_handed: 0,
            session_was_lost: false,
            is_unheard: true,
            was_abandoned: false,
            from_server: BTreeSet::new(),
            server_settled: BTreeSet::new(),
        }
    }

    // --- what happens ---

    fn publish(&mut self) {
        self.last_number += 1;
        let number = self.last_number;
        let (payload, name) = (number.to_string(), format!("topic/{}", self.dice.roll(4)));
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][self.dice.roll(3) as usize];
        let mut properties = PropertiesBuf::new();
        let mut expires = None;
        if self.version == Version::V5 && self.dice.roll(3) == 0 {
            let seconds = self.dice.roll(4);
            properties.push(Property::MessageExpiryInterval(seconds as u32)).unwrap();
            expires = Some(self.now + Duration::from_secs(seconds));
        }
        let mut message = Message::new(topic(&name), payload.as_str());
        (message.qos, message.properties) = (qos, properties.as_properties());
        match self.client.publish(self.now, &message) {
            Ok(Published::Sent) => assert_eq!(qos, QoS::AtMostOnce),
            Ok(Published::Pending(id)) => {
                let entry = Entry { id, topic: name, qos, expires, outcome: None, handed: 0, taken: 0, refused: 0 };
                self.ledger.insert(number, entry);
                assert_eq!(self.numbers.insert(id, number), None, "a name was given twice");
            }
            Err(PublishError::QueueFull { .. }) => {
                assert_eq!(self.client.options().limits.when_full, WhenFull::Refuse);
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn publish_from_server(&mut self) {
        if self.server.is_connected() {
            let mut message = Message::new(topic("topic/s"), "s");
            message.qos = [QoS::AtLeastOnce, QoS::ExactlyOnce][self.dice.roll(2) as usize];
            let Ok(Published::Pending(id)) = self.server.publish(self.now, &message) else { panic!() };
            assert!(self.from_server.insert(id));
        } else {
            let refused = self.server.publish(self.now, &Message::new(topic("topic/s"), "s"));
            assert!(refused == Err(PublishError::NoSession) || self.connected, "{refused:?}");
        }
    }

    fn request(&mut self) {
        let filter = TopicFilter::new("a/b").unwrap();
        let asked = if self.dice.roll(2) == 0 {
            self.client.subscribe(self.now, &[Subscription::new(filter, QoS::AtMostOnce)], Properties::EMPTY)
        } else {
            self.client.unsubscribe(self.now, &[filter], Properties::EMPTY)
        };
        if let Ok(id) = asked {
            assert!(self.requests.insert(id), "a name was given twice");
        }
    }

    fn connect(&mut self) {
        if !self.connected {
            self.server_options.receive_maximum = 1 + self.dice.roll(4) as u16;
            self.server = Server::new(self.now, self.server_options.clone());
            self.client.connect(self.now).unwrap();
            self.connected = true;
            self.connection += 1;
        }
    }

    /// The transport breaks. Some of what is on it may still arrive.
    fn cut(&mut self) {
        if !self.connected {
            return;
        }
        if self.dice.roll(2) == 0 {
            let left = self.dice.roll(self.to_server.len() as u64 + 1) as usize;
            self.to_server.truncate(left);
            self.server_reads();
        }
        // What had been encoded, and gets no further. The client counts it as sent.
        self.transmit();
        self.connected = false;
        self.to_server.clear();
        self.to_client.clear();
        self.tokens.clear();
        self.is_unheard &= !self.client.is_connected();
        self.client.handle_closed(self.now);
        if self.server.is_connected() || self.kept.is_none() {
            self.kept = Some(self.server.take_session());
        }
        self.server.handle_closed(self.now);
        // MQTT has no way to tell a client that this is not the session that it knew.
        if self.is_unheard {
            self.lose_session();
        }
        self.listen();
        assert!(self.requests.is_empty(), "requests end with their connection");
        self.holders.retain(|_, holder| *holder != Holder::Request);
        self.forget_given_up();
    }

    /// What was given up at QoS 1 is over with its connection.
    fn forget_given_up(&mut self) {
        let (ledger, present) = (&self.ledger, self.connected.then_some(self.connection));
        self.holders.retain(|_, holder| match holder {
            Holder::Message { number, qos: QoS::AtLeastOnce, connection, .. } => {
                ledger[number].outcome.is_none() || Some(*connection) == present
            }
            Holder::Message { .. } | Holder::Request => true,
        });
    }

    /// The client's process ends, and another goes on.
    fn restart(&mut self) {
        if !self.connected {
            let bytes = self.client.session().export(self.now);
            let session = SessionState::import(self.now, &bytes).unwrap();
            // What is due has moved to the present.
            self.client.handle_timeout(self.now);
            self.listen();
            self.client = Client::with_session(self.client.options().clone(), session);
            self.client.handle_timeout(self.now);
            while let Some(event) = self.client.poll_event() {
                // Said by the process before, too.
                assert!(
                    matches!(event, Event::Published { id, .. } if self.ledger[&self.numbers[&id]].outcome.is_some())
                );
            }
        }
    }

    fn lose_session(&mut self) {
        self.kept = None;
        self.from_server.clear();
        self.server_settled.clear();
        self.session_was_lost = true;
        self.is_unheard = true;
    }

    fn acknowledge(&mut self) {
        if !self.tokens.is_empty() {
            let at = self.dice.roll(self.tokens.len() as u64) as usize;
            let (token, number) = self.tokens.remove(at);
            let refuses = self.version == Version::V5 && self.dice.roll(5) == 0;
            let reason_code = if refuses { ReasonCode::QuotaExceeded } else { ReasonCode::Success };
            let entry = self.ledger.get_mut(&number).unwrap();
            *(if refuses { &mut entry.refused } else { &mut entry.taken }) += 1;
            self.server.acknowledge(self.now, token, reason_code, Properties::EMPTY).unwrap();
            self.server.acknowledge(self.now, token, reason_code, Properties::EMPTY).unwrap_err();
        }
    }

    fn step(&mut self) {
        match self.dice.roll(40) {
            0..=7 => self.publish(),
            8..=9 => self.publish_from_server(),
            10..=11 => self.request(),
            12..=17 => self.transmit(),
            18..=21 => self.server_reads(),
            22..=25 => self.client_reads(),
            26..=30 => self.acknowledge(),
            31..=32 => self.cut(),
            33..=35 => self.connect(),
            36 => self.restart(),
            37 if !self.connected && self.dice.roll(3) == 0 => {
                self.lose_session();
            }
            38 if self.dice.roll(6) == 0 => {
                // What had been encoded is in flight.
                self.transmit();
                self.was_abandoned = true;
                self.client.abandon(self.now);
                self.listen();
                assert_eq!((self.client.pending(), self.requests.len()), (0, 0));
                self.forget_given_up();
            }
            _ => {
                self.now = self.now + Duration::from_millis(700);
                self.client.handle_timeout(self.now);
                self.server.handle_timeout(self.now);
                assert!(self.client.poll_timeout().is_none_or(|due| due > self.now), "it has been done");
            }
        }
        self.listen();
        let open = self.ledger.values().filter(|entry| entry.outcome.is_none()).count();
        assert_eq!(self.client.pending(), open);
    }

    /// Nothing fails any more: everything comes to its end.
    fn heal(&mut self) {
        for _ in 0..500 {
            self.connect();
            self.transmit();
            self.server_reads();
            self.client_reads();
            self.acknowledge();
            self.listen();
        }
        assert_eq!((self.client.pending(), self.server.pending(), self.requests.len()), (0, 0, 0));
        assert!(self.ledger.values().all(|entry| entry.outcome.is_some()));
        assert_eq!(self.holders, BTreeMap::new(), "identifiers that nobody gives back");
        assert_eq!(self.server_settled, self.from_server);
        for entry in self.ledger.values() {
            assert!(entry.qos != QoS::ExactlyOnce || entry.taken <= 1, "{entry:?}");
        }
    }

    // --- the wire ---

    fn transmit(&mut self) {
        if !self.connected {
            return;
        }
        let mut out = TransmitBuf::new();
        while self.client.poll_transmit(self.now, &mut out) == Transmit::Ready {}
        let sent: Vec<u8> = out.slices().flatten().copied().collect();
        self.overhear(&sent);
        self.to_server.extend(sent);
        let mut out = TransmitBuf::new();
        while self.server.poll_transmit(self.now, &mut out) == Transmit::Ready {}
        self.to_client.extend(out.slices().flatten());
    }

    /// No identifier in use is given to anything else, and only what is sent again says so: v3\[MQTT-2.3.1-2\] v5\[MQTT-2.2.1-3\] v3\[MQTT-3.3.1-1\] v5\[MQTT-3.3.1-1\].
    fn overhear(&mut self, mut bytes: &[u8]) {
        while let Some(packet) = Codec::server(self.version).decode(&mut bytes).unwrap() {
            match packet {
                Packet::Publish(publish) => {
                    let Some(packet_id) = publish.delivery.packet_id() else { continue };
                    let number: u32 = std::str::from_utf8(&publish.payload).unwrap().parse().unwrap();
                    let (qos, connection) = (publish.delivery.qos(), self.connection);
                    let before =
                        self.holders.insert(packet_id, Holder::Message { number, qos, connection, released: false });
                    assert_eq!(before.is_some(), publish.delivery.dup(), "{packet_id}");
                    if let Some(before) = before {
                        let Holder::Message { number: was, connection: earlier, released: false, .. } = before else {
                            panic!("{packet_id} was held by {before:?}")
                        };
                        assert!(was == number && earlier < connection, "{packet_id}");
                        assert!(publish.topic.is_some(), "sent again without its topic");
                    }
                }
                Packet::Subscribe(subscribe) => {
                    assert_eq!(self.holders.insert(subscribe.packet_id, Holder::Request), None);
                }
                Packet::Unsubscribe(unsubscribe) => {
                    assert_eq!(self.holders.insert(unsubscribe.packet_id, Holder::Request), None);
                }
                Packet::PubRel(ack) if !ack.reason_code.is_failure() => {
                    let Some(Holder::Message { released, qos: QoS::ExactlyOnce, .. }) =
                        self.holders.get_mut(&ack.packet_id)
                    else {
                        panic!("PUBREL {}", ack.packet_id)
                    };
                    *released = true;
                }
                _ => {}
            }
        }
    }

    fn client_reads(&mut self) {
        let bytes = std::mem::take(&mut self.to_client);
        let mut heard = &bytes[..];
        while let Some(packet) = Codec::client(self.version).decode(&mut heard).unwrap() {
            match packet {
                Packet::ConnAck(connack) if !connack.session_present => self.holders.clear(),
                Packet::PubAck(ack) | Packet::PubComp(ack) => drop(self.holders.remove(&ack.packet_id)),
                Packet::PubRec(ack) if ack.reason_code.is_failure() => drop(self.holders.remove(&ack.packet_id)),
                Packet::SubAck(suback) => drop(self.holders.remove(&suback.packet_id)),
                Packet::UnsubAck(unsuback) => drop(self.holders.remove(&unsuback.packet_id)),
                _ => {}
            }
        }
        let mut input = &bytes[..];
        while let Some(event) = self.client.handle_input(self.now, &mut input) {
            Self::client_said(&mut self.ledger, &self.numbers, &mut self.requests, self.now, &event);
        }
        assert!(input.is_empty());
        self.listen();
    }

    fn server_reads(&mut self) {
        let bytes = std::mem::take(&mut self.to_server);
        let mut input = &bytes[..];
        while let Some(event) = self.server.handle_input(self.now, &mut input) {
            match event {
                Event::ConnectRequested(_) => {
                    let session = self.kept.take();
                    let mut answer = Accept::new("c");
                    answer.session_present = session.is_some();
                    self.server.accept(self.now, &mut session.unwrap_or_default(), &answer).unwrap();
                }
                Event::SubscribeRequested(subscribe) => {
                    self.server
                        .suback(self.now, subscribe.packet_id, &[ReasonCode::Success], Properties::EMPTY)
                        .unwrap();
                }
                Event::UnsubscribeRequested(unsubscribe) => {
                    self.server
                        .unsuback(self.now, unsubscribe.packet_id, &[ReasonCode::Success], Properties::EMPTY)
                        .unwrap();
                }
                Event::Received(received) => {
                    let number: u32 = std::str::from_utf8(received.payload()).unwrap().parse().unwrap();
                    // One at QoS 0 that went out at once has no entry.
                    let Some(entry) = self.ledger.get_mut(&number) else { continue };
                    assert_eq!(received.topic(), entry.topic.as_str(), "an alias stands for something else");
                    if entry.handed == 0 && entry.qos != QoS::AtMostOnce {
                        // v3[MQTT-4.6.0-1] v5[MQTT-4.6.0-1]
                        assert!(self.last_handed < number, "{number} after {}", self.last_handed);
                        self.last_handed = number;
                    }
                    entry.handed += 1;
                    self.tokens.extend(received.token().map(|token| (token, number)));
                }
                Event::Published { id, outcome } => Self::server_said(&mut self.server_settled, id, outcome),
                Event::Disconnected(disconnected) => panic!("{}", disconnected.cause),
                _ => {}
            }
        }
        // What is cut off at the end stays.
        self.to_server = input.to_vec();
        self.listen();
    }

    // --- the ledger ---

    fn listen(&mut self) {
        while let Some(event) = self.client.poll_event() {
            Self::client_said(&mut self.ledger, &self.numbers, &mut self.requests, self.now, &event);
            if let Event::Published { id, outcome } = event {
                self.check(id, outcome);
            }
        }
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Published { id, outcome } => Self::server_said(&mut self.server_settled, id, outcome),
                Event::Disconnected(disconnected) => assert_eq!(disconnected.cause, DisconnectCause::TransportClosed),
                _ => {}
            }
        }
    }

    fn server_said(settled: &mut BTreeSet<PublishId>, id: PublishId, outcome: Outcome) {
        assert!(settled.insert(id), "settled twice");
        let expected = [Outcome::Delivered(ReasonCode::Success), Outcome::AttemptsExhausted];
        assert!(expected.contains(&outcome), "{outcome:?}");
    }

    fn client_said(
        ledger: &mut BTreeMap<u32, Entry>,
        numbers: &BTreeMap<PublishId, u32>,
        requests: &mut BTreeSet<RequestId>,
        now: Instant,
        event: &Event<'_>,
    ) {
        match event {
            Event::Published { id, outcome } => {
                let entry = ledger.get_mut(&numbers[id]).unwrap();
                assert_eq!(entry.id, *id);
                assert_eq!(entry.outcome.replace(*outcome), None, "settled twice: {entry:?}");
                match outcome {
                    Outcome::Sent => assert_eq!(entry.qos, QoS::AtMostOnce),
                    Outcome::Delivered(_) => assert!(entry.qos != QoS::AtMostOnce && entry.taken > 0, "{entry:?}"),
                    Outcome::Rejected(_) => assert!(entry.refused > 0, "{entry:?}"),
                    Outcome::Expired => assert!(entry.expires.unwrap() <= now && entry.handed == 0, "{entry:?}"),
                    Outcome::WaitedTooLong | Outcome::QueueFull | Outcome::Abandoned => {
                        assert_eq!(entry.handed, 0, "{entry:?}");
                    }
                    outcome => assert!(outcome.is_indeterminate(), "{outcome:?}"),
                }
            }
            Event::Subscribed { id, .. } | Event::Unsubscribed { id, .. } | Event::RequestLost { id } => {
                assert!(requests.remove(id), "a request was settled twice");
            }
            Event::Disconnected(disconnected) => assert_eq!(disconnected.cause, DisconnectCause::TransportClosed),
            _ => {}
        }
    }

    /// Nothing is said that can't have happened.
    fn check(&self, id: PublishId, outcome: Outcome) {
        let limits = &self.client.options().limits;
        let may_be = match outcome {
            Outcome::SessionLost => self.session_was_lost || self.connection <= 2,
            Outcome::AttemptsExhausted => limits.attempts_max == 2,
            Outcome::WaitedTooLong => limits.queued_time_max.is_some(),
            Outcome::QueueFull => limits.when_full != WhenFull::Refuse && limits.queued_messages_max == 6,
            Outcome::Abandoned | Outcome::AbandonedInFlight => self.was_abandoned,
            Outcome::TooLarge | Outcome::NotSentAgain => false,
            _ => true,
        };
        assert!(may_be, "{id:?} {outcome:?}");
    }
}

#[test]
fn everything_is_settled_exactly_once_and_as_it_happened() {
    let mut outcomes = BTreeMap::new();
    for seed in 1..=2_000 {
        let run = std::panic::AssertUnwindSafe(|| {
            let mut world = World::new(seed);
            for _ in 0..250 {
                world.step();
            }
            world.heal();
            world.ledger.into_values().filter_map(|entry| entry.outcome).collect::<Vec<_>>()
        });
        let run = std::panic::catch_unwind(run).unwrap_or_else(|_| panic!("seed {seed}"));
        run.into_iter().for_each(|outcome| *outcomes.entry(format!("{outcome:?}")).or_insert(0) += 1);
    }
    // A run that never gets there shows nothing.
    for name in [
        "Sent",
        "Delivered(Success)",
        "Rejected(QuotaExceeded)",
        "Expired",
        "WaitedTooLong",
        "QueueFull",
        "Abandoned",
        "AbandonedInFlight",
        "SessionLost",
        "AttemptsExhausted",
    ] {
        assert!(outcomes.get(name).is_some_and(|count| *count >= 20), "{name}: {outcomes:?}");
    }
}
