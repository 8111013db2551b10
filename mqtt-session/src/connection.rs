//! The rules that both ends share: the only file that knows all parts, and the only one that encodes. It does not know which end it is beyond its [`Codec`].

use alloc::collections::VecDeque;

use mqtt_proto::{
    Ack, Codec, Delivery, Disconnect, EncodeError, Frame, Framer, Packet, PacketId, Properties,
    PropertiesBuf, Property, Publish, QoS, ReasonCode, Role, TransmitBuf, Version,
};

use crate::event::{DisconnectCause, Disconnected};
use crate::message::Topic;
use crate::parts::alias::InboundAliases;
use crate::parts::inbound::{Acknowledgement, Inbound};
use crate::parts::keep_alive::{Due, KeepAlive};
use crate::parts::outbound::{Outgoing, Stage};
use crate::parts::output::Output;
use crate::parts::quota::Quota;
use crate::parts::requests::Requests;
use crate::saved::{SessionOp, SessionState};
use crate::{
    AckToken, Acknowledge, Agreed, Event, Instant, Limits, Message, Outcome, PublishError,
    Published, Received, StaleAck, Violation,
};

/// What [`poll_transmit`](crate::Client::poll_transmit) found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a host must handle all three")]
pub enum Transmit {
    /// Nothing to send now.
    Idle,
    /// Bytes have been appended. Write them before asking again.
    Ready,
    /// Nothing more will be sent: write what is left, then close the transport.
    Close,
}

/// How far a connection has come.
///
/// ```text
///              connect()               CONNACK
///   Idle ---------------> AwaitConnAck ---------> Open ----+
///    |                         |                   ^       | disconnect(), DISCONNECT, error, deadline
///    | Server::new             |          accept() |       v
///    +-------> AwaitConnect -----------> DueConnAck ----> Closing ---handle_closed()---> Idle
///                    CONNECT
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// There is no transport.
    Idle,
    /// Client: the server owes CONNACK.
    AwaitConnAck,
    /// Server: the client owes CONNECT.
    AwaitConnect,
    /// Server: the host owes `accept` or `refuse`.
    DueConnAck,
    /// Both have agreed.
    Open,
    /// Nothing more is read; what is left goes out.
    Closing,
}

/// What we announced to the peer, and therefore enforce.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Announced {
    pub(crate) receive_maximum: u16,
    pub(crate) maximum_qos: QoS,
    pub(crate) retain_available: bool,
}

/// One end of a connection, and the session behind it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Connection {
    pub(crate) session: SessionState,
    pub(crate) link: Link,
    limits: Limits,
    acknowledge: Acknowledge,
    /// Counts connections, so that a token of one is nothing to the next.
    generation: u32,
    events: VecDeque<Event<'static>>,
}

/// What belongs to one connection and ends with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Link {
    pub(crate) phase: Phase,
    pub(crate) codec: Codec,
    pub(crate) agreed: Agreed,
    pub(crate) announced: Announced,
    pub(crate) keep_alive: KeepAlive,
    pub(crate) aliases: InboundAliases,
    pub(crate) requests: Requests,
    /// Reason strings and user properties may be sent in acknowledgements: v5\[MQTT-3.1.2-29\].
    pub(crate) problem_information: bool,
    /// When the handshake must be done.
    deadline: Option<Instant>,
    framer: Framer,
    output: Output,
    quota: Quota,
    inbound: Inbound,
    /// Flights of earlier connections, still to be sent again on this one.
    resend: VecDeque<PacketId>,
}

impl Link {
    fn new(phase: Phase, codec: Codec, now: Instant) -> Self {
        Self {
            phase,
            codec,
            agreed: Agreed::new(codec.version),
            announced: Announced {
                receive_maximum: u16::MAX,
                maximum_qos: QoS::ExactlyOnce,
                retain_available: true,
            },
            keep_alive: KeepAlive::new(codec.role, 0, now),
            aliases: InboundAliases::default(),
            requests: Requests::default(),
            problem_information: true,
            deadline: None,
            framer: Framer::new(codec.packet_bytes_max),
            output: Output::default(),
            quota: Quota::new(0),
            inbound: Inbound::default(),
            resend: VecDeque::new(),
        }
    }
}

/// What a packet leads to: something to say, or the end.
pub(crate) type Handled<'b> = Result<Option<Event<'b>>, DisconnectCause>;

// --- life ----------------------------------------------------------------------------------------------------------------

impl Connection {
    pub(crate) fn new(codec: Codec, limits: Limits, acknowledge: Acknowledge) -> Self {
        Self {
            session: SessionState::default(),
            link: Link::new(Phase::Idle, codec, Instant::ZERO),
            limits,
            acknowledge,
            generation: 0,
            events: VecDeque::new(),
        }
    }

    pub(crate) const fn version(&self) -> Version {
        self.link.codec.version
    }

    pub(crate) const fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn is_open(&self) -> bool {
        self.link.phase == Phase::Open
    }

    /// A transport is there. The handshake gets its deadline.
    pub(crate) fn begin(&mut self, now: Instant, phase: Phase, codec: Codec) {
        self.generation = self.generation.wrapping_add(1);
        self.link = Link::new(phase, codec, now);
        self.link.deadline = Some(now + self.limits.connect_timeout);
    }

    /// The handshake is done, and `agreed` says with what result.
    pub(crate) fn open(&mut self, now: Instant) {
        let link = &mut self.link;
        link.phase = Phase::Open;
        link.deadline = None;
        link.keep_alive = KeepAlive::new(link.codec.role, link.agreed.keep_alive, now);
        // v5[MQTT-3.3.4-7] v5[MQTT-3.3.4-9] v5[MQTT-4.9.0-1]
        link.quota = Quota::new(
            link.agreed
                .receive_maximum
                .min(self.limits.in_flight_max)
                .max(1),
        );
        if link.agreed.session_present {
            // v3[MQTT-4.4.0-1] v5[MQTT-4.4.0-1]
            link.resend = self.session.outbound.in_order();
        } else {
            for (id, delivered) in self.session.forget() {
                let outcome = if delivered {
                    Outcome::Delivered(ReasonCode::Success)
                } else {
                    Outcome::SessionLost
                };
                self.events.push_back(Event::Published { id, outcome });
            }
        }
        self.pump();
    }

    /// Ends the connection for `cause`, telling the peer where its version has a way. Returns what to tell the host.
    pub(crate) fn fail<'b>(&mut self, cause: DisconnectCause) -> Event<'b> {
        if self.is_open()
            && !matches!(
                cause,
                DisconnectCause::Peer(_) | DisconnectCause::TransportClosed
            )
        {
            self.say_goodbye(cause.reason_code());
        }
        self.link.phase = Phase::Closing;
        Event::Disconnected(Disconnected::new(cause))
    }

    /// DISCONNECT, with a code that our end may send.
    fn say_goodbye(&mut self, reason_code: ReasonCode) {
        let codec = self.link.codec;
        if codec.role == Role::Server && !codec.version.server_may_disconnect() {
            return;
        }
        let said = if codec.version.acks_carry_reason() {
            reason_code
        } else {
            ReasonCode::NORMAL_DISCONNECTION
        };
        for code in [said, ReasonCode::ProtocolError] {
            if codec
                .encode(
                    &Packet::Disconnect(Disconnect::new(code)),
                    self.link.output.buf(),
                )
                .is_ok()
            {
                return;
            }
        }
    }

    /// Our end has had enough: DISCONNECT, then close.
    pub(crate) fn disconnect(
        &mut self,
        reason_code: ReasonCode,
        properties: Properties<'_>,
    ) -> Result<(), EncodeError> {
        let codec = self.link.codec;
        if codec.role == Role::Client || codec.version.server_may_disconnect() {
            let packet = Packet::Disconnect(Disconnect {
                reason_code,
                properties,
            });
            codec.encode(&packet, self.link.output.buf())?;
        }
        self.link.phase = Phase::Closing;
        self.events.push_back(Event::Disconnected(Disconnected::new(
            DisconnectCause::Local(reason_code),
        )));
        Ok(())
    }

    pub(crate) fn handle_closed(&mut self) {
        if !matches!(self.link.phase, Phase::Idle | Phase::Closing) {
            self.events.push_back(Event::Disconnected(Disconnected::new(
                DisconnectCause::TransportClosed,
            )));
        }
        for id in self.link.requests.lose() {
            self.events.push_back(Event::RequestLost { id });
        }
        self.session.outbound.uncount();
        self.link = Link::new(Phase::Idle, self.link.codec, Instant::ZERO);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.link.deadline.is_some_and(|deadline| deadline <= now) {
            self.link.deadline = None;
            let event = self.fail(DisconnectCause::ConnectTimeout);
            self.events.push_back(event);
        } else if self.is_open() {
            match self.link.keep_alive.due(now) {
                Some(Due::Ping) => {
                    self.link.keep_alive.pinged(now);
                    self.answer(&Packet::PingReq);
                }
                Some(Due::Dead) => {
                    let event = self.fail(DisconnectCause::KeepAliveTimeout);
                    self.events.push_back(event);
                }
                None => {}
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.link.phase {
            Phase::Open => self.link.keep_alive.deadline(),
            Phase::AwaitConnAck | Phase::AwaitConnect | Phase::DueConnAck => self.link.deadline,
            Phase::Idle | Phase::Closing => None,
        }
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event<'static>> {
        let event = self.events.pop_front();
        if self.events.is_empty() {
            // An idle connection holds no buffers.
            self.events = VecDeque::new();
        }
        event
    }

    pub(crate) fn push_event(&mut self, event: Event<'static>) {
        self.events.push_back(event);
    }

    pub(crate) fn poll_transmit(&mut self, now: Instant, out: &mut TransmitBuf) -> Transmit {
        self.pump();
        if !self.link.output.is_empty() {
            self.link.output.take(out);
            self.link.keep_alive.sent(now);
            Transmit::Ready
        } else if self.link.phase == Phase::Closing {
            Transmit::Close
        } else {
            Transmit::Idle
        }
    }
}

// --- input ---------------------------------------------------------------------------------------------------------------

impl Connection {
    /// Input is of use now. Else it must wait for the host's answer, or for the peer to read ours.
    pub(crate) fn wants_input(&self) -> bool {
        match self.link.phase {
            Phase::AwaitConnAck | Phase::AwaitConnect | Phase::Open => self.link.output.is_read(),
            Phase::DueConnAck | Phase::Idle => false,
            // It is dropped.
            Phase::Closing => true,
        }
    }

    /// The next packet from `input`, if there is one and it may be handled now.
    pub(crate) fn next_frame<'b>(
        &mut self,
        now: Instant,
        input: &mut &'b [u8],
    ) -> Result<Option<Frame<'b>>, DisconnectCause> {
        if self.link.phase == Phase::Closing {
            *input = &[];
        }
        if !self.wants_input() {
            return Ok(None);
        }
        let frame = self
            .link
            .framer
            .next(input)
            .map_err(DisconnectCause::Malformed)?;
        if frame.is_some() {
            self.link.keep_alive.heard(now);
        }
        Ok(frame)
    }

    pub(crate) fn decode<'b>(&self, frame: &Frame<'b>) -> Result<Packet<'b>, DisconnectCause> {
        self.link
            .codec
            .decode_frame(frame)
            .map_err(DisconnectCause::Malformed)
    }

    /// Handles a packet that either end may send once the connection is open.
    pub(crate) fn handle_packet<'b>(&mut self, packet: Packet<'b>, bytes: usize) -> Handled<'b> {
        match packet {
            Packet::Publish(publish) => self.handle_publish(publish, bytes),
            Packet::PubAck(ack) => Ok(self.handle_puback(&ack)),
            Packet::PubRec(ack) => Ok(self.handle_pubrec(&ack)),
            Packet::PubRel(ack) => {
                self.handle_pubrel(ack.packet_id);
                Ok(None)
            }
            Packet::PubComp(ack) => Ok(self.handle_pubcomp(ack.packet_id)),
            Packet::Disconnect(packet) => {
                let cause = DisconnectCause::Peer(packet.reason_code);
                self.link.phase = Phase::Closing;
                Ok(Some(Event::Disconnected(Disconnected {
                    cause,
                    packet: Some(packet),
                })))
            }
            // Authentication beyond the first CONNECT has not been agreed to by any of our ends.
            Packet::Auth(_) => Err(DisconnectCause::Violation(Violation::UnexpectedAuth)),
            Packet::Connect(_) => Err(DisconnectCause::Violation(Violation::SecondConnect)),
            Packet::ConnAck(_) => Err(DisconnectCause::Violation(Violation::SecondConnAck)),
            Packet::Subscribe(_)
            | Packet::SubAck(_)
            | Packet::Unsubscribe(_)
            | Packet::UnsubAck(_)
            | Packet::PingReq
            | Packet::PingResp => {
                debug_assert!(false, "one end's own business: {packet:?}");
                Ok(None)
            }
        }
    }

    fn handle_publish<'b>(&mut self, publish: Publish<'b>, bytes: usize) -> Handled<'b> {
        let violation = |violation| Err(DisconnectCause::Violation(violation));
        let link = &mut self.link;
        // v5[MQTT-3.2.2-11]
        if publish.delivery.qos() > link.announced.maximum_qos {
            return violation(Violation::QosTooHigh);
        }
        // v5[MQTT-3.2.2-14]
        if publish.retain && !link.announced.retain_available {
            return violation(Violation::RetainNotAvailable);
        }
        let aliased = match publish.properties.topic_alias() {
            Some(alias) => link
                .aliases
                .resolve(alias, publish.topic)
                .map_err(DisconnectCause::Violation)?,
            None => None,
        };
        let topic = match (publish.topic, aliased) {
            (Some(name), _) => Topic::Named(name),
            (None, Some(name)) => Topic::Aliased(name),
            // The codec refuses a PUBLISH with neither.
            (None, None) => return violation(Violation::TopicAliasUnknown),
        };
        let Some(packet_id) = publish.delivery.packet_id() else {
            return Ok(Some(Event::Received(Received::new(topic, publish, None))));
        };
        let qos = publish.delivery.qos();
        if qos == QoS::ExactlyOnce {
            // A repeat is known by its identifier, whatever DUP says: v3[MQTT-4.3.3-2] v5[MQTT-4.3.3-10]
            if self.session.has_received(packet_id) {
                link.inbound.repeat(packet_id);
                self.answer(&Packet::PubRec(Ack::new(packet_id)));
                return Ok(None);
            }
            // Handed out, and not taken yet: its PUBREC will come.
            if link.inbound.is_due(packet_id) {
                return Ok(None);
            }
        }
        // v5[MQTT-3.3.4-7] v5[MQTT-3.3.4-9]
        if link.inbound.unacknowledged() >= link.announced.receive_maximum.into() {
            return violation(Violation::ReceiveMaximumExceeded);
        }
        if link.inbound.bytes().saturating_add(bytes)
            > self.limits.unacknowledged_bytes_max.max(bytes)
        {
            return violation(Violation::UnacknowledgedBytes);
        }
        let serial = link.inbound.receive(packet_id, qos, bytes);
        let token = match self.acknowledge {
            Acknowledge::AtOnce => {
                link.inbound.take(serial, ReasonCode::Success);
                self.send_acknowledgements();
                None
            }
            Acknowledge::Manually => Some(AckToken {
                generation: self.generation,
                serial,
            }),
        };
        Ok(Some(Event::Received(Received::new(topic, publish, token))))
    }

    pub(crate) fn take(
        &mut self,
        token: AckToken,
        reason_code: ReasonCode,
    ) -> Result<(), StaleAck> {
        if token.generation != self.generation
            || !self.is_open()
            || !self.link.inbound.take(token.serial, reason_code)
        {
            return Err(StaleAck);
        }
        self.send_acknowledgements();
        Ok(())
    }

    /// v3\[MQTT-4.3.2-2\] v3\[MQTT-4.3.3-2\] v5\[MQTT-4.3.2-4\] v5\[MQTT-4.3.3-8\]
    fn send_acknowledgements(&mut self) {
        while let Some(Acknowledgement {
            packet_id,
            qos,
            reason_code,
        }) = self.link.inbound.next()
        {
            let mut ack = Ack::new(packet_id);
            if self.version().acks_carry_reason() {
                ack.reason_code = reason_code;
            }
            if qos == QoS::ExactlyOnce {
                if !ack.reason_code.is_failure() {
                    self.session.commit(SessionOp::Receive(packet_id));
                }
                self.answer(&Packet::PubRec(ack));
            } else {
                self.answer(&Packet::PubAck(ack));
            }
        }
    }

    fn handle_pubrel(&mut self, packet_id: PacketId) {
        let mut ack = Ack::new(packet_id);
        if self.session.has_received(packet_id) {
            self.session.commit(SessionOp::Complete(packet_id));
            self.link.inbound.release(packet_id);
        } else if self.version().acks_carry_reason() {
            ack.reason_code = ReasonCode::PacketIdentifierNotFound;
        }
        // v3[MQTT-4.3.3-2] v5[MQTT-4.3.3-11]
        self.answer(&Packet::PubComp(ack));
    }

    /// Ends a flight, if it is at the right stage, and settles its publish.
    fn land<'b>(
        &mut self,
        packet_id: PacketId,
        is_due: impl FnOnce(&Stage) -> bool,
        reason_code: ReasonCode,
    ) -> Option<Event<'b>> {
        let flight = self
            .session
            .outbound
            .flight(packet_id)
            .filter(|flight| is_due(&flight.stage))?;
        let (id, counted) = (flight.id, flight.counted);
        self.session.commit(SessionOp::Land(packet_id));
        // v5[MQTT-4.9.0-2]
        if counted {
            self.link.quota.give();
        }
        self.pump();
        let outcome = if reason_code.is_failure() {
            Outcome::Rejected(reason_code)
        } else {
            Outcome::Delivered(reason_code)
        };
        Some(Event::Published { id, outcome })
    }

    fn handle_puback<'b>(&mut self, ack: &Ack<'_>) -> Option<Event<'b>> {
        self.land(
            ack.packet_id,
            |stage| matches!(stage, Stage::AwaitPubAck(_)),
            ack.reason_code,
        )
    }

    fn handle_pubrec<'b>(&mut self, ack: &Ack<'_>) -> Option<Event<'b>> {
        let packet_id = ack.packet_id;
        let mut release = Ack::new(packet_id);
        match self
            .session
            .outbound
            .flight(packet_id)
            .map(|flight| &flight.stage)
        {
            Some(Stage::AwaitPubRec(_)) if ack.reason_code.is_failure() => {
                // No PUBREL follows: v5[MQTT-4.3.3-4]
                return self.land(packet_id, |_| true, ack.reason_code);
            }
            // v3[MQTT-4.3.3-1] v5[MQTT-4.3.3-4]
            Some(Stage::AwaitPubRec(_)) => self.session.commit(SessionOp::Release(packet_id)),
            Some(Stage::AwaitPubComp) => {}
            Some(Stage::AwaitPubAck(_)) => return None,
            None if ack.reason_code.is_failure() => return None,
            None if self.version().acks_carry_reason() => {
                release.reason_code = ReasonCode::PacketIdentifierNotFound
            }
            None => {}
        }
        self.answer(&Packet::PubRel(release));
        None
    }

    /// Any code completes it: a peer that does not know the identifier has completed it before.
    fn handle_pubcomp<'b>(&mut self, packet_id: PacketId) -> Option<Event<'b>> {
        self.land(
            packet_id,
            |stage| matches!(stage, Stage::AwaitPubComp),
            ReasonCode::Success,
        )
    }
}

// --- output --------------------------------------------------------------------------------------------------------------

impl Connection {
    /// Sends what has been encoded elsewhere.
    pub(crate) fn send(&mut self, bytes: &mut TransmitBuf) {
        self.link.output.buf().append(bytes);
    }

    /// Encodes something that never waits: an acknowledgement, an answer, a ping.
    pub(crate) fn answer(&mut self, packet: &Packet<'_>) {
        let result = self.try_answer(packet);
        debug_assert!(result.is_ok(), "{result:?}: {packet:?}");
    }

    pub(crate) fn try_answer(&mut self, packet: &Packet<'_>) -> Result<(), EncodeError> {
        let codec = self.link.codec;
        let bytes = codec.encoded_len(packet)?;
        codec.encode(packet, self.link.output.buf())?;
        self.link.output.owe(bytes);
        Ok(())
    }

    /// A packet identifier that is free for a request.
    pub(crate) fn allocate(&mut self) -> Option<PacketId> {
        let requests = &self.link.requests;
        self.session
            .allocate(|packet_id| requests.is_open(packet_id))
    }

    /// The packet fits into what the peer takes: v5\[MQTT-3.1.2-24\] v5\[MQTT-3.2.2-15\].
    pub(crate) fn measure(&self, packet: &Packet<'_>) -> Result<Fit, EncodeError> {
        let bytes = self.link.codec.encoded_len(packet)?;
        let maximum = self.link.agreed.packet_bytes_max;
        Ok(if bytes > maximum as usize {
            Fit::TooLarge { bytes, maximum }
        } else {
            Fit::Fits
        })
    }

    /// Whether a message may overtake nothing and go out now.
    fn may_send_at_once(&self) -> bool {
        self.is_open()
            && !self.session.outbound.has_waiting()
            && self.link.resend.is_empty()
            && self.link.output.has_room(self.limits.output_bytes_max)
    }

    /// Accepts a message of the application: sends it, or queues a copy.
    pub(crate) fn publish(&mut self, message: &Message<'_>) -> Result<Published, PublishError> {
        self.check(message)?;
        if message.qos == QoS::AtMostOnce && self.may_send_at_once() {
            self.link.codec.encode(
                &Packet::Publish(message.publish(Delivery::AtMostOnce)),
                self.link.output.buf(),
            )?;
            return Ok(Published::Sent);
        }
        self.accept(Outgoing::new(alloc::sync::Arc::new(message.keep())))
    }

    /// Accepts a message that is kept already.
    pub(crate) fn deliver(&mut self, outgoing: Outgoing) -> Result<Published, PublishError> {
        if outgoing.qos == QoS::AtMostOnce && self.may_send_at_once() {
            self.transmit(&outgoing, Delivery::AtMostOnce)?;
            return Ok(Published::Sent);
        }
        self.accept(outgoing)
    }

    fn accept(&mut self, outgoing: Outgoing) -> Result<Published, PublishError> {
        let id = self.session.accept(&self.limits, outgoing)?;
        self.pump();
        Ok(Published::Pending(id))
    }

    /// What the caller can know to be wrong with a message.
    fn check(&self, message: &Message<'_>) -> Result<(), PublishError> {
        let delivery = delivery(message.qos, PacketId::MIN, false);
        match self.measure(&Packet::Publish(message.publish(delivery)))? {
            Fit::TooLarge { bytes, maximum } => {
                return Err(PublishError::TooLarge { bytes, maximum });
            }
            Fit::Fits => {}
        }
        if message.qos > self.link.agreed.maximum_qos {
            return Err(PublishError::QosNotSupported);
        }
        if message.retain && !self.link.agreed.retain_available {
            return Err(PublishError::RetainNotSupported);
        }
        Ok(())
    }

    /// Sends what waits, as far as quota and output allow.
    fn pump(&mut self) {
        while self.is_open() && self.link.output.has_room(self.limits.output_bytes_max) {
            let sent = if self.link.resend.is_empty() {
                self.send_waiting()
            } else {
                self.send_again()
            };
            if !sent {
                return;
            }
        }
    }

    /// Sends the next flight of an earlier connection again. False: it has to wait.
    fn send_again(&mut self) -> bool {
        let Some(&packet_id) = self.link.resend.front() else {
            return false;
        };
        let outgoing = match self
            .session
            .outbound
            .flight(packet_id)
            .map(|flight| &flight.stage)
        {
            Some(Stage::AwaitPubAck(outgoing) | Stage::AwaitPubRec(outgoing)) => {
                if !self.link.quota.is_free() {
                    return false;
                }
                Some(outgoing.clone())
            }
            Some(Stage::AwaitPubComp) => None,
            // It was settled meanwhile.
            None => {
                self.link.resend.pop_front();
                return true;
            }
        };
        self.link.resend.pop_front();
        let sent = match outgoing {
            // v3[MQTT-3.3.1-1] v5[MQTT-3.3.1-1]
            Some(outgoing) => self.transmit(&outgoing, delivery(outgoing.qos, packet_id, true)),
            None => {
                self.answer(&Packet::PubRel(Ack::new(packet_id)));
                Ok(())
            }
        };
        match sent {
            Ok(()) => {
                self.link.quota.take();
                if let Some(flight) = self.session.outbound.flight_mut(packet_id) {
                    flight.counted = true;
                }
            }
            Err(_) => {
                if let Some(id) = self
                    .session
                    .outbound
                    .flight(packet_id)
                    .map(|flight| flight.id)
                {
                    self.session.commit(SessionOp::Land(packet_id));
                    self.events.push_back(Event::Published {
                        id,
                        outcome: Outcome::TooLarge,
                    });
                }
            }
        }
        true
    }

    /// Sends the first message that waits. False: there is none, or it has to go on waiting.
    fn send_waiting(&mut self) -> bool {
        let Some((id, outgoing)) = self.session.outbound.front() else {
            return false;
        };
        let (id, outgoing) = (*id, outgoing.clone());
        if outgoing.qos == QoS::AtMostOnce {
            let outcome = if self.transmit(&outgoing, Delivery::AtMostOnce).is_ok() {
                Outcome::Sent
            } else {
                Outcome::TooLarge
            };
            self.session.commit(SessionOp::Drop);
            self.events.push_back(Event::Published { id, outcome });
            return true;
        }
        if !self.link.quota.is_free() {
            return false;
        }
        let Some(packet_id) = self.allocate() else {
            return false;
        };
        if self.fits(&outgoing, delivery(outgoing.qos, packet_id, false)) {
            self.session.commit(SessionOp::Launch(packet_id));
            self.link.quota.take();
            let sent = self.transmit(&outgoing, delivery(outgoing.qos, packet_id, false));
            debug_assert!(sent.is_ok(), "it was measured: {sent:?}");
        } else {
            // v5[MQTT-3.1.2-25]
            self.session.commit(SessionOp::Drop);
            self.events.push_back(Event::Published {
                id,
                outcome: Outcome::TooLarge,
            });
        }
        true
    }

    fn fits(&self, outgoing: &Outgoing, delivery: Delivery) -> bool {
        let properties = self.outgoing_properties(outgoing);
        let properties = properties
            .as_ref()
            .map_or(outgoing.message.properties(), PropertiesBuf::as_properties);
        let packet = Packet::Publish(self.outgoing_publish(outgoing, delivery, properties));
        matches!(self.measure(&packet), Ok(Fit::Fits))
    }

    /// Encodes one delivery, or says that it is too large.
    fn transmit(&mut self, outgoing: &Outgoing, delivery: Delivery) -> Result<(), PublishError> {
        let properties = self.outgoing_properties(outgoing);
        let properties = properties
            .as_ref()
            .map_or(outgoing.message.properties(), PropertiesBuf::as_properties);
        let packet = Packet::Publish(self.outgoing_publish(outgoing, delivery, properties));
        match self.measure(&packet)? {
            Fit::TooLarge { bytes, maximum } => Err(PublishError::TooLarge { bytes, maximum }),
            Fit::Fits => Ok(self.link.codec.encode(&packet, self.link.output.buf())?),
        }
    }

    /// The message's properties with what is this receiver's own; `None` where the message's are as good.
    fn outgoing_properties(&self, outgoing: &Outgoing) -> Option<PropertiesBuf> {
        if outgoing.subscription_ids.is_empty() || !self.version().has_properties() {
            return None;
        }
        let mut properties = PropertiesBuf::from(outgoing.message.properties());
        for &id in &outgoing.subscription_ids {
            // v5[MQTT-3.3.4-3] v5[MQTT-3.3.4-4]
            let pushed = properties.push(Property::SubscriptionIdentifier(id));
            debug_assert!(pushed.is_ok(), "it may stand any number of times");
        }
        Some(properties)
    }

    fn outgoing_publish<'a>(
        &self,
        outgoing: &'a Outgoing,
        delivery: Delivery,
        properties: Properties<'a>,
    ) -> Publish<'a> {
        Publish {
            topic: Some(outgoing.message.topic()),
            delivery,
            retain: outgoing.retain,
            properties: if self.version().has_properties() {
                properties
            } else {
                Properties::EMPTY
            },
            payload: outgoing.message.payload(),
        }
    }
}

/// Whether the peer takes a packet of this size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    Fits,
    TooLarge { bytes: usize, maximum: u32 },
}

fn delivery(qos: QoS, packet_id: PacketId, dup: bool) -> Delivery {
    match qos {
        QoS::AtMostOnce => Delivery::AtMostOnce,
        QoS::AtLeastOnce => Delivery::AtLeastOnce { packet_id, dup },
        QoS::ExactlyOnce => Delivery::ExactlyOnce { packet_id, dup },
    }
}
