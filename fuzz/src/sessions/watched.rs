//! A machine under watch: whatever a host asks of it and a peer sends to it, its promises hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use mqtt_proto::choices::Choices;
use mqtt_proto::{Codec, Frame, Packet, PacketId, Properties, QoS, ReasonCode, Role, TransmitBuf, Version};
use mqtt_session::{
    AckError, AckToken, Agreed, Client, Event, Instant, Limits, Message, Outcome, PublishError, PublishId, Published,
    RequestId, Server, SessionState, Transmit,
};

/// What both machines can do.
pub trait Machine: Clone + Debug + Eq + Hash {
    const ROLE: Role;
    fn version(&self) -> Version;
    fn session(&self) -> SessionState;
    fn is_connected(&self) -> bool;
    fn agreed(&self) -> Option<&Agreed>;
    fn pending(&self) -> usize;
    fn wants_input(&self) -> bool;
    fn handle_input<'b>(&mut self, now: Instant, input: &mut &'b [u8]) -> Option<Event<'b>>;
    fn handle_timeout(&mut self, now: Instant);
    fn handle_closed(&mut self, now: Instant);
    fn poll_event(&mut self) -> Option<Event<'static>>;
    fn poll_transmit(&mut self, now: Instant, out: &mut TransmitBuf) -> Transmit;
    fn poll_timeout(&self) -> Option<Instant>;
    fn publish(&mut self, now: Instant, message: &Message<'_>) -> Result<Published, PublishError>;
    fn abandon(&mut self, now: Instant);
    fn acknowledge(&mut self, now: Instant, token: AckToken, code: ReasonCode) -> Result<(), AckError>;
    fn disconnect(&mut self, now: Instant, code: ReasonCode) -> bool;
}

macro_rules! machine {
    ($machine:ty, $role:expr, $version:expr, $session:expr) => {
        impl Machine for $machine {
            const ROLE: Role = $role;

            fn version(&self) -> Version {
                $version(self)
            }

            fn session(&self) -> SessionState {
                $session(self)
            }

            fn is_connected(&self) -> bool {
                <$machine>::is_connected(self)
            }

            fn agreed(&self) -> Option<&Agreed> {
                <$machine>::agreed(self)
            }

            fn pending(&self) -> usize {
                <$machine>::pending(self)
            }

            fn wants_input(&self) -> bool {
                <$machine>::wants_input(self)
            }

            fn handle_input<'b>(&mut self, now: Instant, input: &mut &'b [u8]) -> Option<Event<'b>> {
                <$machine>::handle_input(self, now, input)
            }

            fn handle_timeout(&mut self, now: Instant) {
                <$machine>::handle_timeout(self, now);
            }

            fn handle_closed(&mut self, now: Instant) {
                <$machine>::handle_closed(self, now);
            }

            fn poll_event(&mut self) -> Option<Event<'static>> {
                <$machine>::poll_event(self)
            }

            fn poll_transmit(&mut self, now: Instant, out: &mut TransmitBuf) -> Transmit {
                <$machine>::poll_transmit(self, now, out)
            }

            fn poll_timeout(&self) -> Option<Instant> {
                <$machine>::poll_timeout(self)
            }

            fn publish(&mut self, now: Instant, message: &Message<'_>) -> Result<Published, PublishError> {
                <$machine>::publish(self, now, message)
            }

            fn abandon(&mut self, now: Instant) {
                <$machine>::abandon(self, now);
            }

            fn acknowledge(&mut self, now: Instant, token: AckToken, code: ReasonCode) -> Result<(), AckError> {
                <$machine>::acknowledge(self, now, token, code, Properties::EMPTY)
            }

            fn disconnect(&mut self, now: Instant, code: ReasonCode) -> bool {
                <$machine>::disconnect(self, now, code, Properties::EMPTY).is_ok()
            }
        }
    };
}

machine!(Client, Role::Client, |client: &Client| client.options().version, |client: &Client| client.session().clone());
machine!(Server, Role::Server, Server::version, |server: &Server| server.clone().take_session());

/// What an event said that its keeper has to act upon.
#[derive(Debug)]
pub enum Heard {
    Connected,
    /// With its client identifier, and whether it asks for a clean start.
    ConnectRequested(String, bool),
    Received {
        payload: Vec<u8>,
        qos: QoS,
        token: Option<AckToken>,
    },
    Published(PublishId, Outcome),
    /// SUBSCRIBE or UNSUBSCRIBE, with the number of filters.
    Asked(PacketId, usize, bool),
    Auth,
    Disconnected,
}

/// Where a packet identifier of ours is in use on the present connection, as the peer knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    AwaitPubAck,
    AwaitPubRec,
    AwaitPubComp,
    Subscribe,
    Unsubscribe,
}

pub struct Watched<M> {
    pub machine: M,
    pub now: Instant,
    limits: Limits,
    receive_maximum: u16,
    /// Publishes that are accepted and not settled.
    pub open: BTreeSet<PublishId>,
    /// Those of a session that it began with: only the session knows their names.
    pub inherited: usize,
    pub requests: BTreeSet<RequestId>,
    /// Publishes of a session that the machine does not have now.
    pub elsewhere: usize,
    /// Messages of the present connection that are not acknowledged.
    pub tokens: Vec<AckToken>,
    /// Messages of earlier ones.
    pub late: Vec<AckToken>,
    pub heard: Vec<Heard>,
    pub in_use: BTreeMap<u16, Use>,
    /// PUBRECs for what the peer can't have, and repeated ones: PUBREL answers, and means nothing.
    answered: Vec<u16>,
    /// Acknowledgements in what has just been read, of nothing that the peer can have seen. What they name may be sent all the same, and is no longer in flight then.
    early: Vec<u16>,
    /// What was agreed last.
    packet_bytes_max: Option<u32>,
    in_flight_max: u16,
    pub is_closed: bool,
    /// Copies have been looked at, and nothing has happened since.
    is_checked: bool,
    held: Vec<u8>,
    /// What has come in, from the last boundary on.
    came: Vec<u8>,
    /// What is on its way to the peer.
    pub sent: Vec<u8>,
    /// Everything that it has said and sent.
    pub transcript: Mixed,
}

impl<M: Machine> Watched<M> {
    pub fn new(machine: M, limits: Limits, receive_maximum: u16) -> Self {
        Self {
            machine,
            now: Instant::ZERO,
            limits,
            receive_maximum,
            open: BTreeSet::new(),
            inherited: 0,
            requests: BTreeSet::new(),
            elsewhere: 0,
            tokens: Vec::new(),
            late: Vec::new(),
            heard: Vec::new(),
            in_use: BTreeMap::new(),
            answered: Vec::new(),
            early: Vec::new(),
            packet_bytes_max: None,
            in_flight_max: 0,
            is_closed: false,
            is_checked: false,
            held: Vec::new(),
            came: Vec::new(),
            sent: Vec::new(),
            transcript: Mixed::default(),
        }
    }

    /// Another machine takes the place of this one, without a word.
    pub fn replace(&mut self, machine: M) {
        self.machine = machine;
        self.requests.clear();
        self.forget_connection();
    }

    /// The session comes from elsewhere, and may be larger than what is taken here.
    pub fn inherit(&mut self, session: &SessionState) {
        self.inherited = session.pending();
        let limits = &mut self.limits;
        limits.queued_messages_max = limits.queued_messages_max.max(session.pending());
        limits.queued_bytes_max = limits.queued_bytes_max.max(session.pending_bytes());
    }

    fn forget_connection(&mut self) {
        self.in_use.clear();
        self.answered.clear();
        self.early.clear();
        self.packet_bytes_max = None;
        self.is_closed = false;
        self.is_checked = false;
        self.held.clear();
        self.came.clear();
        self.sent.clear();
        self.late.append(&mut self.tokens);
        let surplus = self.late.len().saturating_sub(8);
        self.late.drain(..surplus);
    }

    /// Bytes from the peer.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        self.came.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let mut input = &held[..];
        while let Some(event) = self.machine.handle_input(self.now, &mut input) {
            self.hear(&event);
        }
        let waits_for_more = self.machine.wants_input() && !input.is_empty();
        assert!(!waits_for_more || !self.is_closed, "input after the end is dropped");
        self.held = input.to_vec();
        self.watch_input();
        self.settle();
    }

    pub fn close(&mut self) {
        self.machine.handle_closed(self.now);
        self.forget_connection();
        self.settle();
        assert!(self.requests.is_empty(), "requests end with the connection");
    }

    pub fn publish(&mut self, message: &Message<'_>) -> Option<Published> {
        let before = self.machine.clone();
        let published = self.machine.publish(self.now, message);
        match published {
            Ok(Published::Sent) => assert_eq!(message.qos, QoS::AtMostOnce),
            Ok(Published::Pending(id)) => assert!(self.open.insert(id), "{id:?} names two publishes"),
            // To make room, it may have dropped what was over.
            Err(_) if before.poll_timeout().is_some_and(|due| due <= self.now) => {}
            Err(_) => assert_eq!(self.machine, before, "nothing has happened"),
        }
        self.settle();
        published.ok()
    }

    pub fn abandon(&mut self) {
        self.machine.abandon(self.now);
        self.settle();
        assert_eq!(self.machine.pending(), 0);
        assert!(self.requests.is_empty());
    }

    /// True: the machine has taken note, and is not to hand it out again.
    pub fn acknowledge(&mut self, index: usize, code: ReasonCode) -> bool {
        let token = self.tokens.remove(index);
        let is_possible = self.machine.is_connected();
        let taken = self.machine.acknowledge(self.now, token, code);
        assert_eq!(taken.is_ok(), is_possible, "{taken:?}");
        if taken.is_ok() {
            assert_eq!(self.machine.acknowledge(self.now, token, code), Err(AckError::Stale), "once is enough");
        }
        for &token in &self.late {
            assert_eq!(self.machine.acknowledge(self.now, token, code), Err(AckError::Stale), "too late");
        }
        self.settle();
        taken.is_ok()
    }

    pub fn disconnect(&mut self, code: ReasonCode) {
        let before = self.machine.clone();
        if !self.machine.disconnect(self.now, code) {
            assert_eq!(self.machine, before, "nothing has happened");
        }
        self.settle();
    }

    /// Time passes; the machine is woken when it has asked for that, or late.
    pub fn advance(&mut self, duration: Duration, is_late: bool) {
        let until = self.now + duration;
        for round in 0.. {
            assert!(round < 1_000, "it is never satisfied");
            let Some(deadline) = self.machine.poll_timeout().filter(|&deadline| deadline <= until && !is_late) else {
                break;
            };
            let early = Instant::from_micros(deadline.as_micros().saturating_sub(1));
            if self.now <= early && early < deadline {
                let mut other = self.machine.clone();
                other.handle_timeout(early);
                assert_eq!(other, self.machine, "too early to do anything");
            }
            self.now = self.now.max(deadline);
            self.wake();
        }
        self.now = until;
        self.wake();
    }

    fn wake(&mut self) {
        self.machine.handle_timeout(self.now);
        self.settle();
        let next = self.machine.poll_timeout();
        assert!(next.is_none_or(|next| next > self.now), "{next:?} is due, and has been handled");
    }

    /// A copy is as good, and so is what has been on a disk.
    pub fn check_copies(&mut self) {
        if std::mem::replace(&mut self.is_checked, true) {
            return;
        }
        let copy = self.machine.clone();
        assert_eq!(copy, self.machine);
        assert_eq!(hash(&copy), hash(&self.machine));
        let session = self.machine.session();
        let bytes = session.export(self.now);
        let again = SessionState::import(self.now, &bytes).expect("it has been exported");
        assert_eq!(again.export(self.now), bytes);
        assert_eq!(again.pending(), session.pending());
    }

    /// Takes everything that it has to say and to send, and looks at it.
    pub fn settle(&mut self) {
        self.is_checked = false;
        while let Some(event) = self.machine.poll_event() {
            self.hear(&event);
        }
        self.note_agreed();
        let sent = self.take_output();
        sent.hash(&mut self.transcript);
        self.watch_output(&sent);
        self.sent.extend_from_slice(&sent);
        while let Some(event) = self.machine.poll_event() {
            self.hear(&event);
        }
        let unsettled = self.open.len() + self.inherited;
        assert_eq!(self.machine.pending() + self.elsewhere, unsettled, "what is not settled is pending");
        assert!(self.machine.pending() <= self.limits.queued_messages_max);
        if self.machine.pending() > 1 {
            let bytes = self.machine.session().pending_bytes();
            assert!(bytes <= self.limits.queued_bytes_max, "{bytes} bytes are pending");
        }
        assert!(self.requests.len() <= self.limits.requests_max);
        if self.machine.is_connected() && self.machine.version().has_receive_maximum() {
            assert!(self.tokens.len() <= self.receive_maximum.into(), "more is handed out than we take");
        }
    }

    fn note_agreed(&mut self) {
        if let Some(agreed) = self.machine.agreed() {
            self.packet_bytes_max = Some(agreed.packet_bytes_max);
            let own = if agreed.version.has_receive_maximum() {
                self.limits.in_flight_max
            } else {
                self.limits.in_flight_before_5_max
            };
            self.in_flight_max = agreed.receive_maximum.min(own).max(1);
        }
    }

    fn take_output(&mut self) -> Vec<u8> {
        let (mut all, mut out) = (Vec::new(), TransmitBuf::new());
        loop {
            match self.machine.poll_transmit(self.now, &mut out) {
                Transmit::Ready => {
                    assert!(!self.is_closed, "output after the end");
                    assert!(!out.is_empty(), "ready with nothing");
                    out.slices().for_each(|slice| all.extend_from_slice(slice));
                    out.clear();
                }
                Transmit::Idle => {
                    assert!(!self.is_closed && out.is_empty());
                    return all;
                }
                Transmit::Close => {
                    assert!(out.is_empty() && !self.machine.is_connected());
                    self.is_closed = true;
                    return all;
                }
            }
        }
    }

    fn hear(&mut self, event: &Event<'_>) {
        format!("{event:?}").hash(&mut self.transcript);
        self.note_agreed();
        let heard = match event {
            Event::Connected(_) => Heard::Connected,
            Event::ConnectRequested(connect) => {
                Heard::ConnectRequested(connect.client_id.as_str().into(), connect.clean_start)
            }
            Event::Received(message) => {
                self.tokens.extend(message.token());
                Heard::Received { payload: message.payload().to_vec(), qos: message.qos(), token: message.token() }
            }
            Event::Published { id, outcome } => {
                if !self.open.remove(id) {
                    assert!(self.inherited > 0, "{id:?} is settled a second time: {outcome:?}");
                    self.inherited -= 1;
                }
                Heard::Published(*id, *outcome)
            }
            Event::Subscribed { id, .. } | Event::Unsubscribed { id, .. } | Event::RequestLost { id } => {
                assert!(self.requests.remove(id), "{id:?} is answered a second time");
                return;
            }
            Event::SubscribeRequested(ask) => Heard::Asked(ask.packet_id, ask.subscriptions.len(), true),
            Event::UnsubscribeRequested(ask) => Heard::Asked(ask.packet_id, ask.filters.len(), false),
            Event::Auth(_) => Heard::Auth,
            Event::Disconnected(_) => Heard::Disconnected,
            other => panic!("{other:?}"),
        };
        self.heard.push(heard);
    }

    // --- the wire --------------------------------------------------------------------------------------------------------

    /// What the peer's packets mean for the identifiers in use.
    fn watch_input(&mut self) {
        let came = std::mem::take(&mut self.came);
        let mut rest = &came[..];
        let codec = codec(self.machine.version(), M::ROLE);
        while let Ok(Some(frame)) = Frame::split(&mut rest, mqtt_proto::PACKET_BYTES_MAX) {
            let Ok(packet) = codec.decode_frame(&frame) else {
                assert!(!self.machine.is_connected(), "what is no packet ends the connection");
                break;
            };
            self.watch_packet(&packet);
        }
        self.came = rest.to_vec();
    }

    fn watch_packet(&mut self, packet: &Packet<'_>) {
        let used = |id: PacketId| self.in_use.get(&id.get()).copied();
        match packet {
            Packet::PubAck(ack) if used(ack.packet_id) == Some(Use::AwaitPubAck) => self.free(ack.packet_id),
            Packet::PubAck(ack) if used(ack.packet_id).is_none() => self.early.push(ack.packet_id.get()),
            Packet::PubRec(ack) => match used(ack.packet_id) {
                Some(Use::AwaitPubRec) if ack.reason_code.is_failure() => self.free(ack.packet_id),
                Some(Use::AwaitPubRec) => drop(self.in_use.insert(ack.packet_id.get(), Use::AwaitPubComp)),
                None | Some(Use::Subscribe | Use::Unsubscribe) if !ack.reason_code.is_failure() => {
                    self.answered.push(ack.packet_id.get());
                }
                // It may have its PUBCOMP behind it, and its identifier another use before the answer is seen.
                Some(Use::AwaitPubComp) => self.answered.push(ack.packet_id.get()),
                None => self.early.push(ack.packet_id.get()),
                Some(Use::AwaitPubAck | Use::Subscribe | Use::Unsubscribe) => {}
            },
            Packet::PubComp(ack) if used(ack.packet_id) == Some(Use::AwaitPubComp) => self.free(ack.packet_id),
            Packet::SubAck(ack) if used(ack.packet_id) == Some(Use::Subscribe) => self.free(ack.packet_id),
            Packet::UnsubAck(ack) if used(ack.packet_id) == Some(Use::Unsubscribe) => self.free(ack.packet_id),
            _ => {}
        }
    }

    fn free(&mut self, packet_id: PacketId) {
        self.in_use.remove(&packet_id.get());
    }

    fn watch_output(&mut self, mut sent: &[u8]) {
        let codec = codec(self.machine.version(), M::ROLE.peer());
        while !sent.is_empty() {
            let before = sent.len();
            let packet = codec.decode(&mut sent).expect("what is sent is right").expect("it is whole");
            let bytes = before - sent.len();
            if let Some(maximum) = self.packet_bytes_max {
                assert!(bytes <= maximum as usize, "{bytes} bytes, and the peer takes {maximum}: {packet:?}");
            }
            match packet {
                Packet::Publish(publish) => {
                    if let Some(id) = publish.delivery.packet_id() {
                        let is_2 = publish.delivery.qos() == QoS::ExactlyOnce;
                        self.begin(id, if is_2 { Use::AwaitPubRec } else { Use::AwaitPubAck });
                        if let Some(index) = self.early.iter().position(|&early| early == id.get()) {
                            self.early.remove(index);
                            self.free(id);
                        }
                        let is_out = |used: &&Use| matches!(used, Use::AwaitPubAck | Use::AwaitPubRec);
                        let out = self.in_use.values().filter(is_out).count();
                        assert!(out <= self.in_flight_max.into(), "{out} in flight, at most {}", self.in_flight_max);
                    }
                }
                Packet::PubRel(ack) => {
                    let id = ack.packet_id.get();
                    if let Some(index) = self.answered.iter().position(|&answered| answered == id) {
                        self.answered.remove(index);
                    } else {
                        let used = self.in_use.insert(id, Use::AwaitPubComp);
                        assert!(used.is_none_or(|used| used == Use::AwaitPubComp), "{used:?} is released");
                    }
                }
                Packet::Subscribe(ask) => self.begin(ask.packet_id, Use::Subscribe),
                Packet::Unsubscribe(ask) => self.begin(ask.packet_id, Use::Unsubscribe),
                _ => {}
            }
        }
        self.early.clear();
    }

    fn begin(&mut self, packet_id: PacketId, now: Use) {
        let before = self.in_use.insert(packet_id.get(), now);
        assert_eq!(before, None, "packet identifier {packet_id} is in use, and used again for {now:?}");
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = Mixed::default();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A hash without branches. A fuzzer follows each comparison, and the standard library's hash would be half of all that it has to follow.
#[derive(Default)]
pub struct Mixed(u64);

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        words.iter().for_each(|&word| self.write_u64(u64::from_le_bytes(word)));
        rest.iter().for_each(|&byte| self.write_u64(byte.into()));
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(word.into());
    }

    fn write_u16(&mut self, word: u16) {
        self.write_u64(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

pub fn codec(version: Version, role: Role) -> Codec {
    let mut codec = match role {
        Role::Client => Codec::client(version),
        Role::Server => Codec::server(version),
    };
    codec.packet_bytes_max = mqtt_proto::PACKET_BYTES_MAX;
    codec
}

/// Bounds that a short input reaches.
pub fn some_limits(choices: &mut Choices<'_>) -> Limits {
    let mut limits = Limits::default();
    limits.in_flight_max = choices.pick(&[1, 2, 3, 20]);
    limits.in_flight_before_5_max = limits.in_flight_max;
    limits.queued_messages_max = choices.pick(&[4, 1, 16]);
    limits.queued_bytes_max = choices.pick(&[1 << 20, 40, 400]);
    limits.queued_time_max = choices.pick(&[None, Some(Duration::from_secs(3)), Some(Duration::from_secs(30))]);
    limits.when_full = choices.pick(&[
        mqtt_session::WhenFull::Refuse,
        mqtt_session::WhenFull::DropNewest,
        mqtt_session::WhenFull::DropOldest,
    ]);
    limits.attempts_max = choices.pick(&[16, 1, 2, u32::MAX]);
    limits.topic_aliases_max = choices.pick(&[0, 1, 2]);
    limits.output_bytes_max = choices.pick(&[64 << 10, 1, 64]);
    limits.unacknowledged_bytes_max = choices.pick(&[16 << 20, 20, 200]);
    limits.requests_max = choices.pick(&[2, 1, 256]);
    limits
}
