//! What we send, and when.

use alloc::sync::Arc;

use mqtt_proto::{
    Ack, Cause, Delivery, EncodeError, Opaque, Packet, PacketId, Properties, PropertiesBuf, Property, Publish, QoS,
    ReasonCode, SubscriptionId, TopicAlias, TransmitBuf,
};

use super::{Connection, Link};
use crate::event::DisconnectCause;
use crate::parts::outbound::Stage;
use crate::saved::SessionOp;
use crate::{Event, Instant, Message, Outcome, Outgoing, PublishError, PublishId, Published, RequestError, RequestId};

impl Connection {
    /// Sends what has been encoded elsewhere.
    pub(crate) fn send(&mut self, bytes: &mut TransmitBuf) {
        self.link.output.buf().append(bytes);
    }

    /// Encodes something that never waits, whatever the quota is: an acknowledgement, an answer, a ping (v5\[MQTT-3.3.4-8\] v5\[MQTT-3.3.4-10\] v5\[MQTT-4.9.0-3\]).
    /// A peer that does not take it can't be served.
    pub(crate) fn answer(&mut self, now: Instant, packet: &Packet<'_>) {
        let result = self.answer_explained(*packet);
        if is_too_large(&result) {
            let event = self.fail(now, DisconnectCause::Local(ReasonCode::PacketTooLarge));
            self.push_event(event);
        } else {
            debug_assert!(result.is_ok(), "{result:?}: {packet:?}");
        }
    }

    /// The same, for whoever can do without: the peer may not take a packet of this size ([`is_too_large`]).
    pub(crate) fn try_answer(&mut self, packet: &Packet<'_>) -> Result<(), EncodeError> {
        let bytes = self.link.encode(packet)?;
        self.link.output.owe(bytes);
        Ok(())
    }

    /// The packet identifier to use next, which neither a flight nor a request uses. It is [taken](Self::take_packet_id) once a packet with it is on its way.
    /// `None`: all are in use, and whoever needs one has to wait.
    pub(crate) fn next_packet_id(&self) -> Option<PacketId> {
        let (session, requests) = (&self.session, &self.link.requests);
        if session.identifiers_in_use().saturating_add(requests.len()) >= PacketId::MAX.get().into() {
            return None;
        }
        // v3[MQTT-2.3.1-2] v3[MQTT-2.3.1-4] v5[MQTT-2.2.1-3] v5[MQTT-2.2.1-4]
        self.packet_ids.next(|packet_id| session.flight(packet_id).is_some() || requests.is_open(packet_id))
    }

    pub(crate) fn take_packet_id(&mut self, packet_id: PacketId) {
        self.packet_ids.take(packet_id);
    }

    /// Sends a packet of the dialect's own at once, or not at all: it is not kept.
    pub(crate) fn send_opaque(&mut self, opaque: Opaque<'_>) -> Result<(), RequestError> {
        if !self.is_open() {
            return Err(RequestError::NotConnected);
        }
        if !self.link.output.has_room(self.limits.output_bytes_max) {
            return Err(RequestError::OutputFull);
        }
        self.link.encode(&Packet::Opaque(opaque))?;
        Ok(())
    }

    /// A name for a request.
    pub(crate) fn name_request(&mut self) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request = self.next_request.saturating_add(1);
        id
    }

    /// Accepts a message of the application: sends it, or queues a copy.
    pub(crate) fn publish(&mut self, now: Instant, message: &Message<'_>) -> Result<Published, PublishError> {
        if message.properties.topic_alias().is_some() {
            return Err(PublishError::TopicAlias);
        }
        let publish = message.publish(delivery(message.qos, PacketId::MIN, false));
        // What expires at once is not sent.
        let is_over = message.properties.message_expiry_interval() == Some(0);
        // v3[MQTT-4.3.1-1] v5[MQTT-4.3.1-1]
        if message.qos == QoS::AtMostOnce && self.may_send_at_once() && !is_over {
            self.link.put(&publish, &Own::default())?;
            return Ok(Published::Sent);
        }
        self.link.check_offered(&publish)?;
        self.link.measure(&Packet::Publish(publish))?;
        self.accept(now, Outgoing::new(now, Arc::new(message.to_buf())))
    }

    /// Accepts a message that is kept already.
    pub(crate) fn deliver(&mut self, now: Instant, outgoing: Outgoing) -> Result<Published, PublishError> {
        if outgoing.qos == QoS::AtMostOnce && self.may_send_at_once() && !outgoing.is_expired(now) {
            outgoing.check()?;
            self.link.transmit(now, &outgoing, Delivery::AtMostOnce)?;
            return Ok(Published::Sent);
        }
        self.accept(now, outgoing)
    }

    /// Whether a message would overtake nothing if it went out now.
    pub(crate) fn may_send_at_once(&self) -> bool {
        self.is_open()
            // v3[MQTT-4.6.0-5] v3[MQTT-4.6.0-6] v5[MQTT-4.6.0-5] v5[MQTT-4.6.0-6]
            && !self.session.has_waiting()
            && self.link.resend.is_empty()
            && self.link.output.has_room(self.limits.output_bytes_max)
    }

    /// The same, also at QoS 1 and 2.
    pub(crate) fn may_take_off_at_once(&self) -> bool {
        self.may_send_at_once() && self.link.quota.is_free()
    }

    fn accept(&mut self, now: Instant, outgoing: Outgoing) -> Result<Published, PublishError> {
        let events = &mut self.events;
        let mut settle = |id, outcome| events.push_back(Event::Published { id, outcome });
        let id = self.session.accept(now, &self.limits, outgoing, &mut settle)?;
        self.pump(now);
        Ok(Published::Pending(id))
    }

    /// Sends what waits, as far as quota and output allow.
    pub(super) fn pump(&mut self, now: Instant) {
        // v3[MQTT-3.14.4-2] v5[MQTT-3.14.4-1]
        while self.is_open() && self.link.output.has_room(self.limits.output_bytes_max) {
            let moved = if self.link.resend.is_empty() { self.send_waiting(now) } else { self.send_again(now) };
            if !moved {
                return;
            }
        }
    }

    /// Sends the next flight of an earlier connection again. False: it has to wait.
    fn send_again(&mut self, now: Instant) -> bool {
        let Some(&packet_id) = self.link.resend.front() else { return false };
        let sent = match self.session.flight(packet_id).map(|flight| &flight.stage) {
            Some(Stage::AwaitPubAck(Some(accepted)) | Stage::AwaitPubRec(Some(accepted))) => {
                if !self.link.quota.is_free() {
                    return false;
                }
                // v3[MQTT-2.3.1-3] v3[MQTT-2.3.1-4] v3[MQTT-3.3.1-1] v5[MQTT-3.3.1-1]
                let delivery = delivery(accepted.outgoing.qos, packet_id, true);
                // Without a look at its expiry: v5[MQTT-4.3.3-7]
                self.link.transmit(now, &accepted.outgoing, delivery)
            }
            // v5[MQTT-4.3.3-5] v5[MQTT-4.3.3-6]
            Some(Stage::AwaitPubComp(_)) => {
                self.answer(now, &Packet::PubRel(Ack::new(packet_id)));
                Ok(())
            }
            Some(Stage::AwaitPubAck(None) | Stage::AwaitPubRec(None)) | None => {
                // It has been settled meanwhile.
                self.link.resend.pop_front();
                return true;
            }
        };
        if sent.is_ok() {
            self.link.resend.pop_front();
            self.mark_sent(packet_id);
        } else {
            // At QoS 2 it stays in front, for its PUBREL.
            self.give_up(packet_id, Outcome::NotSentAgain);
            self.session.end_given_up(packet_id);
        }
        true
    }

    /// A flight is on its way. It counts.
    fn mark_sent(&mut self, packet_id: PacketId) {
        self.session.mark(packet_id, self.link.acknowledgements);
        self.link.quota.take();
    }

    /// Sends the first message that waits. False: there is none, or it has to go on waiting.
    fn send_waiting(&mut self, now: Instant) -> bool {
        // v3[MQTT-4.6.0-5] v3[MQTT-4.6.0-6] v5[MQTT-4.6.0-5] v5[MQTT-4.6.0-6]
        let Some(first) = self.session.front() else { return false };
        // v5[MQTT-3.3.2-5]
        if let Some(outcome) = first.over(now) {
            let id = first.accepted.id;
            return self.drop_waiting(id, outcome);
        }
        let qos = first.accepted.outgoing.qos;
        if qos == QoS::AtMostOnce {
            return self.send_front(now, Delivery::AtMostOnce);
        }
        // v5[MQTT-4.9.0-2]
        if !self.link.quota.is_free() {
            return false;
        }
        // v3[MQTT-3.3.1-3] v3[MQTT-4.3.2-1] v5[MQTT-3.3.1-3] v5[MQTT-4.3.2-1] v5[MQTT-4.3.2-2] v5[MQTT-4.3.3-1] v5[MQTT-4.3.3-2]
        self.next_packet_id().is_some_and(|packet_id| self.send_front(now, delivery(qos, packet_id, false)))
    }

    fn drop_waiting(&mut self, id: PublishId, outcome: Outcome) -> bool {
        self.session.commit(SessionOp::Drop(id));
        self.settle(id, outcome);
        true
    }

    fn send_front(&mut self, now: Instant, delivery: Delivery) -> bool {
        let Some(first) = self.session.front().map(|waiting| &waiting.accepted) else { return false };
        let settled = match (self.link.transmit(now, &first.outgoing, delivery), delivery.packet_id()) {
            (Ok(()), Some(packet_id)) => {
                // v5[MQTT-4.3.2-3] v5[MQTT-4.3.3-3]
                self.take_packet_id(packet_id);
                self.session.commit(SessionOp::Launch(packet_id));
                self.mark_sent(packet_id);
                return true;
            }
            (Ok(()), None) => Outcome::Sent,
            (Err(error), _) => first.dropped(outcome(error)),
        };
        let id = first.id;
        self.drop_waiting(id, settled)
    }
}

/// What one copy of a message has of its own.
#[derive(Default)]
struct Own<'a> {
    subscription_ids: &'a [SubscriptionId],
    /// Instead of the message's.
    expiry_interval: Option<u32>,
}

impl Own<'_> {
    const fn is_nothing(&self) -> bool {
        self.subscription_ids.is_empty() && self.expiry_interval.is_none()
    }
}

impl Link {
    /// Encodes a packet that fits into what the peer takes. Returns its size.
    fn encode(&mut self, packet: &Packet<'_>) -> Result<usize, EncodeError> {
        // v5[MQTT-3.1.2-24] v5[MQTT-3.2.2-15]
        self.codec.encode_within(packet, self.agreed.packet_bytes_max, self.output.buf())
    }

    /// The packet fits into what the peer takes.
    pub(crate) fn measure(&self, packet: &Packet<'_>) -> Result<(), EncodeError> {
        let (bytes, maximum) = (self.codec.encoded_len(packet)?, self.agreed.packet_bytes_max);
        if bytes > maximum as usize { Err(EncodeError::TooLarge { bytes, maximum }) } else { Ok(()) }
    }

    /// The peer takes messages of this kind.
    fn check_offered(&self, publish: &Publish<'_>) -> Result<(), PublishError> {
        // v5[MQTT-3.2.2-11]
        if publish.delivery.qos() > self.agreed.maximum_qos {
            return Err(PublishError::QosNotSupported);
        }
        // v5[MQTT-3.2.2-14]
        if publish.retain && !self.agreed.retain_available {
            return Err(PublishError::RetainNotSupported);
        }
        Ok(())
    }

    /// Encodes one delivery, if the peer takes it.
    fn transmit(&mut self, now: Instant, outgoing: &Outgoing, delivery: Delivery) -> Result<(), PublishError> {
        let message = &outgoing.message;
        let mut publish = Publish { retain: outgoing.retain, delivery, ..message.publish(Delivery::AtMostOnce) };
        let mut own = Own { subscription_ids: &outgoing.subscription_ids, expiry_interval: None };
        if !self.codec.version.has_properties() {
            // A message from a 5.0 client goes to older ones, too, without them.
            publish.properties = Properties::EMPTY;
            own = Own::default();
        } else if outgoing.expires.is_some() {
            // v5[MQTT-3.3.2-6]
            let left = outgoing.expiry_interval(now);
            own.expiry_interval = left.filter(|_| left != publish.properties.message_expiry_interval());
        }
        self.put(&publish, &own)
    }

    fn put_as_it_is(&mut self, publish: &Publish<'_>) -> Result<(), PublishError> {
        self.check_offered(publish)?;
        self.encode(&Packet::Publish(*publish))?;
        Ok(())
    }

    /// Encodes a PUBLISH with its full topic and without an alias: so, or with an alias.
    fn put(&mut self, publish: &Publish<'_>, own: &Own<'_>) -> Result<(), PublishError> {
        // What is sent again has its full topic: it may be the last that the peer hears of it.
        let topic = publish.topic.filter(|_| !publish.delivery.dup());
        let Some((topic, chosen)) = topic.and_then(|topic| Some((topic, self.topics.choose(topic)?))) else {
            return self.put_with(publish, own, None);
        };
        let short = if chosen.is_known() { None } else { Some(topic) };
        match self.put_with(&Publish { topic: short, ..*publish }, own, Some(chosen.alias)) {
            Ok(()) => {
                self.topics.written(topic, chosen);
                Ok(())
            }
            // It may fit without a new alias.
            Err(PublishError::TooLarge { .. }) if !chosen.is_known() => self.put_with(publish, own, None),
            Err(error) => Err(error),
        }
    }

    fn put_with(
        &mut self,
        publish: &Publish<'_>,
        own: &Own<'_>,
        alias: Option<TopicAlias>,
    ) -> Result<(), PublishError> {
        if own.is_nothing() && alias.is_none() {
            return self.put_as_it_is(publish);
        }
        let mut properties = core::mem::take(&mut self.properties);
        let filled = fill(&mut properties, publish.properties, own, alias);
        debug_assert!(filled.is_ok(), "each stands there once, or may stand any number of times: {filled:?}");
        let result = self.put_as_it_is(&Publish { properties: properties.as_properties(), ..*publish });
        properties.clear();
        self.properties = properties;
        result
    }
}

/// The message's properties with what is this copy's own.
fn fill(
    out: &mut PropertiesBuf,
    properties: Properties<'_>,
    own: &Own<'_>,
    alias: Option<TopicAlias>,
) -> Result<(), Cause> {
    let is_new = own.expiry_interval.is_some();
    out.extend_if(properties, |property| !(is_new && matches!(property, Property::MessageExpiryInterval(_))))?;
    if let Some(seconds) = own.expiry_interval {
        out.push(Property::MessageExpiryInterval(seconds))?;
    }
    if let Some(alias) = alias {
        out.push(Property::TopicAlias(alias))?;
    }
    // v5[MQTT-3.3.4-3] v5[MQTT-3.3.4-4]
    own.subscription_ids.iter().try_for_each(|&id| out.push(Property::SubscriptionIdentifier(id)))
}

/// The peer does not take a packet of this size.
pub(crate) const fn is_too_large<T>(result: &Result<T, EncodeError>) -> bool {
    matches!(result, Err(EncodeError::TooLarge { .. }))
}

fn delivery(qos: QoS, packet_id: PacketId, dup: bool) -> Delivery {
    match qos {
        QoS::AtMostOnce => Delivery::AtMostOnce,
        QoS::AtLeastOnce => Delivery::AtLeastOnce { packet_id, dup },
        QoS::ExactlyOnce => Delivery::ExactlyOnce { packet_id, dup },
    }
}

/// How a message ends that was accepted before it was known that the peer would not take it: v5\[MQTT-3.1.2-25\].
const fn outcome(error: PublishError) -> Outcome {
    match error {
        PublishError::QosNotSupported => Outcome::Rejected(ReasonCode::QosNotSupported),
        PublishError::RetainNotSupported => Outcome::Rejected(ReasonCode::RetainNotSupported),
        PublishError::TooLarge { .. }
        | PublishError::QueueFull { .. }
        | PublishError::TopicAlias
        | PublishError::NoSession
        | PublishError::Invalid(_) => Outcome::TooLarge,
    }
}
