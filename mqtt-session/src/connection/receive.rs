//! What a packet from the peer does.

use mqtt_proto::{Ack, Frame, Packet, PacketId, Properties, PropertiesBuf, Publish, QoS, ReasonCode, Role};

use super::{Connection, Phase};
use crate::event::{DisconnectCause, Disconnected};
use crate::message::Topic;
use crate::parts::inbound::Acknowledgement;
use crate::parts::outbound::Stage;
use crate::saved::SessionOp;
use crate::{AckError, AckToken, Acknowledge, Event, Instant, Outcome, Received, Violation};

/// What a packet leads to: something to say, or the end.
pub(crate) type Handled<'b> = Result<Option<Event<'b>>, DisconnectCause>;

impl Connection {
    /// Input is of use now. Else it must wait for the host's answer, or for the peer to read ours.
    pub(crate) fn wants_input(&self) -> bool {
        match self.link.phase {
            Phase::AwaitConnAck
            | Phase::DueAuth
            | Phase::AwaitConnect
            | Phase::AwaitAuth
            | Phase::Open
            | Phase::DueReAuth
            | Phase::AwaitReAuth => self.link.output.is_read(),
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
        // v3[MQTT-3.1.4-5] v5[MQTT-3.1.4-6]
        if self.link.phase == Phase::Closing {
            *input = &[];
        }
        self.link.keep_alive.offered(now, input.len());
        // What is not consumed is offered again, and was begun before.
        let begun = self.link.begun.unwrap_or(now);
        self.note_begun(begun, input);
        if !self.wants_input() {
            return Ok(None);
        }
        let frame = self.link.framer.next(input).map_err(DisconnectCause::Malformed)?;
        if frame.is_some() {
            self.link.keep_alive.heard(now, input.len());
            self.note_begun(now, input);
        }
        Ok(frame)
    }

    /// What is at the front now was begun then.
    fn note_begun(&mut self, begun: Instant, input: &[u8]) {
        let is_begun = self.link.codec.role == Role::Server && !input.is_empty();
        self.link.begun = is_begun.then_some(begun);
    }

    pub(crate) fn decode<'b>(&self, frame: &Frame<'b>) -> Result<Packet<'b>, DisconnectCause> {
        self.link.codec.decode_frame(frame).map_err(DisconnectCause::Malformed)
    }

    /// Handles a packet that either end may send once the connection is open.
    pub(crate) fn handle_packet<'b>(&mut self, now: Instant, packet: Packet<'b>, bytes: usize) -> Handled<'b> {
        match packet {
            Packet::Publish(publish) => self.handle_publish(now, publish, bytes),
            Packet::PubAck(ack) => Ok(self.handle_puback(now, &ack)),
            Packet::PubRec(ack) => Ok(self.handle_pubrec(now, &ack)),
            Packet::PubRel(ack) => {
                self.handle_pubrel(now, ack.packet_id);
                Ok(None)
            }
            Packet::PubComp(ack) => Ok(self.handle_pubcomp(now, ack.packet_id)),
            Packet::Disconnect(packet) => {
                let end = Disconnected::new(DisconnectCause::Peer(packet.reason_code));
                Ok(Some(self.ended(now, Disconnected { properties: packet.properties, ..end })))
            }
            Packet::Auth(auth) => self.handle_auth(now, auth),
            Packet::Opaque(opaque) => Ok(Some(Event::Opaque(opaque))),
            Packet::Connect(_) | Packet::OpaqueConnect(_) => Err(DisconnectCause::Violation(Violation::SecondConnect)),
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

    /// The peer has ended the connection, and says more about it.
    pub(crate) fn ended<'b>(&mut self, now: Instant, end: Disconnected<'b>) -> Event<'b> {
        self.close(now, end.cause.may_blame());
        Event::Disconnected(end)
    }

    fn handle_publish<'b>(&mut self, now: Instant, publish: Publish<'b>, bytes: usize) -> Handled<'b> {
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
            Some(alias) => link.aliases.resolve(alias, publish.topic).map_err(DisconnectCause::Violation)?,
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
            // Handed out, and not acknowledged yet: its PUBREC will come.
            if link.inbound.is_due(packet_id) {
                return Ok(None);
            }
            // A repeat is known by its identifier, whatever DUP says: v3[MQTT-4.3.3-2] v5[MQTT-4.3.3-10]
            if self.session.has_received(packet_id) {
                let serial = link.inbound.receive(packet_id, qos, 0);
                self.taken(now, serial, ReasonCode::Success, PropertiesBuf::new());
                return Ok(None);
            }
        }
        // v5[MQTT-3.3.4-7] v5[MQTT-3.3.4-9]
        if link.inbound.unacknowledged() >= link.announced.receive_maximum.into() {
            return violation(Violation::ReceiveMaximumExceeded);
        }
        if link.inbound.bytes().saturating_add(bytes) > self.limits.unacknowledged_bytes_max.max(bytes) {
            // v3[MQTT-4.8.0-2]
            return violation(Violation::UnacknowledgedBytes);
        }
        if qos == QoS::ExactlyOnce
            && self.session.unreleased().saturating_add(link.inbound.untaken()) >= self.limits.unreleased_max
        {
            if !link.codec.version.acks_carry_reason() {
                return violation(Violation::UnreleasedMessages);
            }
            let serial = link.inbound.receive(packet_id, qos, bytes);
            self.taken(now, serial, ReasonCode::QuotaExceeded, PropertiesBuf::new());
            return Ok(None);
        }
        let serial = link.inbound.receive(packet_id, qos, bytes);
        let token = match self.acknowledge {
            // Whatever becomes of it: v3[MQTT-4.5.0-2] v5[MQTT-4.5.0-2] v5[MQTT-4.3.3-13]
            Acknowledge::AtOnce => {
                self.taken(now, serial, ReasonCode::Success, PropertiesBuf::new());
                None
            }
            Acknowledge::Manually => {
                Some(AckToken { owner: link.owner, generation: self.session.generation(), serial })
            }
        };
        Ok(Some(Event::Received(Received::new(topic, publish, token))))
    }

    pub(crate) fn take(
        &mut self,
        now: Instant,
        token: AckToken,
        reason_code: ReasonCode,
        properties: Properties<'_>,
    ) -> Result<(), AckError> {
        let is_ours = token.owner == self.link.owner && token.generation == self.session.generation();
        if !is_ours || !self.is_open() {
            return Err(AckError::Stale);
        }
        let mut ack = Ack::new(PacketId::MIN);
        if self.version().acks_carry_reason() {
            ack = Ack { reason_code, properties, ..ack };
        }
        // PUBREC has the same codes and properties. It may have to wait, so this is the time to say that it would be refused.
        self.link.codec.encoded_len(&Packet::PubAck(ack))?;
        if self.taken(now, token.serial, ack.reason_code, ack.properties.into()) {
            Ok(())
        } else {
            Err(AckError::Stale)
        }
    }

    /// The host has a message. At QoS 2 it must not get it again, even if the acknowledgement has to wait for others and the connection ends before.
    /// False: it had it before.
    fn taken(&mut self, now: Instant, serial: u64, reason_code: ReasonCode, properties: PropertiesBuf) -> bool {
        let Some((packet_id, qos)) = self.link.inbound.take(serial, reason_code, properties) else { return false };
        // At QoS 1, or refused, it is not remembered, and its identifier is that of a new message: v3[MQTT-4.3.2-2] v5[MQTT-4.3.2-5] v5[MQTT-4.3.3-9]
        if qos == QoS::ExactlyOnce && !reason_code.is_failure() {
            self.session.commit(SessionOp::Receive(packet_id));
        }
        self.send_acknowledgements(now);
        true
    }

    /// v3\[MQTT-4.3.2-2\] v3\[MQTT-4.3.3-2\] v5\[MQTT-4.3.2-4\] v5\[MQTT-4.3.3-8\]
    fn send_acknowledgements(&mut self, now: Instant) {
        // One that the peer has no room for ends the connection, and nothing follows the DISCONNECT: v5[MQTT-3.14.4-1]
        while self.is_open()
            && let Some(Acknowledgement { packet_id, qos, reason_code, properties }) = self.link.inbound.next()
        {
            // v3[MQTT-2.3.1-6] v5[MQTT-2.2.1-5]
            let ack = Ack { packet_id, reason_code, properties: properties.as_properties() };
            // v3[MQTT-3.3.4-1] v5[MQTT-3.3.4-1]
            if qos == QoS::ExactlyOnce {
                self.answer(now, &Packet::PubRec(ack));
            } else {
                self.answer(now, &Packet::PubAck(ack));
            }
        }
    }

    fn handle_pubrel(&mut self, now: Instant, packet_id: PacketId) {
        let mut ack = Ack::new(packet_id);
        // It counts no longer, even if it is not known: the one before may have come ahead of our PUBREC.
        self.link.inbound.release(packet_id);
        if self.session.has_received(packet_id) {
            // v5[MQTT-4.3.3-12]
            self.session.commit(SessionOp::Complete(packet_id));
        } else if self.version().acks_carry_reason() {
            ack.reason_code = ReasonCode::PacketIdentifierNotFound;
        }
        // v3[MQTT-4.3.3-2] v5[MQTT-4.3.3-11]
        self.answer(now, &Packet::PubComp(ack));
    }

    /// Ends a flight, if it is at the right stage, and settles its publish.
    fn land<'b>(
        &mut self,
        now: Instant,
        packet_id: PacketId,
        is_due: impl FnOnce(&Stage) -> bool,
        reason_code: ReasonCode,
    ) -> Option<Event<'b>> {
        let flight = self.session.flight(packet_id).filter(|flight| is_due(&flight.stage))?;
        let (id, is_counted) = (flight.stage.id(), flight.sent.is_some());
        // Refused is settled, too: v5[MQTT-4.4.0-2] v5[MQTT-4.8.2-6]
        self.session.commit(SessionOp::Land(packet_id));
        self.acknowledged();
        // v5[MQTT-4.9.0-2]
        if is_counted {
            self.link.quota.give();
        }
        self.pump(now);
        let outcome =
            if reason_code.is_failure() { Outcome::Rejected(reason_code) } else { Outcome::Delivered(reason_code) };
        id.map(|id| Event::Published { id, outcome })
    }

    fn handle_puback<'b>(&mut self, now: Instant, ack: &Ack<'_>) -> Option<Event<'b>> {
        self.land(now, ack.packet_id, |stage| matches!(stage, Stage::AwaitPubAck(_)), ack.reason_code)
    }

    fn handle_pubrec<'b>(&mut self, now: Instant, ack: &Ack<'_>) -> Option<Event<'b>> {
        let packet_id = ack.packet_id;
        let mut release = Ack::new(packet_id);
        match self.session.flight(packet_id).map(|flight| &flight.stage) {
            Some(Stage::AwaitPubRec(_)) if ack.reason_code.is_failure() => {
                // No PUBREL follows: v5[MQTT-4.3.3-4]
                return self.land(now, packet_id, |_| true, ack.reason_code);
            }
            // v3[MQTT-4.3.3-1] v5[MQTT-4.3.3-4]
            Some(Stage::AwaitPubRec(_)) => {
                self.session.commit(SessionOp::Release(packet_id));
                self.acknowledged();
            }
            Some(Stage::AwaitPubComp(_)) => {}
            Some(Stage::AwaitPubAck(_)) => return None,
            None if ack.reason_code.is_failure() => return None,
            None if self.version().acks_carry_reason() => release.reason_code = ReasonCode::PacketIdentifierNotFound,
            None => {}
        }
        self.answer(now, &Packet::PubRel(release));
        self.pump(now);
        None
    }

    /// Any code completes it: a peer that does not know the identifier has completed it before.
    fn handle_pubcomp<'b>(&mut self, now: Instant, packet_id: PacketId) -> Option<Event<'b>> {
        self.land(now, packet_id, |stage| matches!(stage, Stage::AwaitPubComp(_)), ReasonCode::Success)
    }
}
