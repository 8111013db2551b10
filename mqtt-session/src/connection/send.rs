//! What we send, and when.

use alloc::sync::Arc;

use mqtt_proto::{
    Ack, Cause, Delivery, EncodeError, Packet, PacketId, Properties, PropertiesBuf, Property, Publish, QoS, ReasonCode,
    TransmitBuf, Version,
};

use super::{Connection, Link};
use crate::event::DisconnectCause;
use crate::parts::outbound::{Outgoing, Stage};
use crate::saved::SessionOp;
use crate::{Event, Message, Outcome, PublishError, Published};

/// Whether the peer takes a packet of this size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    Fits,
    TooLarge { bytes: usize, maximum: u32 },
}

/// An answer does not fit into what the peer takes.
pub(crate) const TOO_LARGE: EncodeError = EncodeError::Refused(Cause::PacketTooLarge);

impl Connection {
    /// Sends what has been encoded elsewhere.
    pub(crate) fn send(&mut self, bytes: &mut TransmitBuf) {
        self.link.output.buf().append(bytes);
    }

    /// Encodes something that never waits: an acknowledgement, an answer, a ping. A peer that does not take it can't be served.
    pub(crate) fn answer(&mut self, packet: &Packet<'_>) {
        let result = self.answer_explained(*packet);
        if result == Err(TOO_LARGE) {
            let event = self.fail(DisconnectCause::Local(ReasonCode::PacketTooLarge));
            self.push_event(event);
        } else {
            debug_assert!(result.is_ok(), "{result:?}: {packet:?}");
        }
    }

    /// Err with [`TOO_LARGE`]: the peer does not take a packet of this size. v5\[MQTT-3.1.2-24\] v5\[MQTT-3.2.2-15\]
    pub(crate) fn try_answer(&mut self, packet: &Packet<'_>) -> Result<(), EncodeError> {
        let codec = self.link.codec;
        let bytes = codec.encoded_len(packet)?;
        if bytes > self.link.agreed.packet_bytes_max as usize {
            return Err(TOO_LARGE);
        }
        codec.encode(packet, self.link.output.buf())?;
        self.link.output.owe(bytes);
        Ok(())
    }

    /// A packet identifier that is free for a request.
    pub(crate) fn allocate(&mut self) -> Option<PacketId> {
        let requests = &self.link.requests;
        self.session.allocate(|packet_id| requests.is_open(packet_id))
    }

    /// The packet fits into what the peer takes: v5\[MQTT-3.1.2-24\] v5\[MQTT-3.2.2-15\].
    pub(crate) fn measure(&self, packet: &Packet<'_>) -> Result<Fit, EncodeError> {
        self.link.measure(packet)
    }

    /// Accepts a message of the application: sends it, or queues a copy.
    pub(crate) fn publish(&mut self, message: &Message<'_>) -> Result<Published, PublishError> {
        self.link.check(&message.publish(delivery(message.qos, PacketId::MIN, false)))?;
        if message.qos == QoS::AtMostOnce && self.may_send_at_once() {
            let packet = Packet::Publish(message.publish(Delivery::AtMostOnce));
            self.link.codec.encode(&packet, self.link.output.buf())?;
            return Ok(Published::Sent);
        }
        self.accept(Outgoing::new(Arc::new(message.to_buf())))
    }

    /// Accepts a message that is kept already.
    pub(crate) fn deliver(&mut self, outgoing: Outgoing) -> Result<Published, PublishError> {
        if outgoing.qos == QoS::AtMostOnce && self.may_send_at_once() {
            self.link.transmit(&outgoing, Delivery::AtMostOnce)?;
            return Ok(Published::Sent);
        }
        self.accept(outgoing)
    }

    /// Whether a message would overtake nothing if it went out now.
    pub(crate) fn may_send_at_once(&self) -> bool {
        self.is_open()
            && !self.session.outbound.has_waiting()
            && self.link.resend.is_empty()
            && self.link.output.has_room(self.limits.output_bytes_max)
    }

    fn accept(&mut self, outgoing: Outgoing) -> Result<Published, PublishError> {
        let id = self.session.accept(&self.limits, outgoing)?;
        self.pump();
        Ok(Published::Pending(id))
    }

    /// Sends what waits, as far as quota and output allow.
    pub(super) fn pump(&mut self) {
        while self.is_open() && self.link.output.has_room(self.limits.output_bytes_max) {
            let moved = if self.link.resend.is_empty() { self.send_waiting() } else { self.send_again() };
            if !moved {
                return;
            }
        }
    }

    /// Sends the next flight of an earlier connection again. False: it has to wait.
    fn send_again(&mut self) -> bool {
        let Some(&packet_id) = self.link.resend.front() else { return false };
        let flight = self.session.outbound.flight(packet_id);
        let sent = match flight.map(|flight| &flight.stage) {
            Some(Stage::AwaitPubAck(outgoing) | Stage::AwaitPubRec(outgoing)) => {
                if !self.link.quota.is_free() {
                    return false;
                }
                // v3[MQTT-3.3.1-1] v5[MQTT-3.3.1-1]
                self.link.transmit(outgoing, delivery(outgoing.qos, packet_id, true))
            }
            Some(Stage::AwaitPubComp) => {
                self.answer(&Packet::PubRel(Ack::new(packet_id)));
                Ok(())
            }
            // It has been settled meanwhile.
            None => Ok(()),
        };
        self.link.resend.pop_front();
        let Some(flight) = self.session.outbound.flight_mut(packet_id) else { return true };
        match sent {
            Ok(()) => {
                flight.counted = true;
                self.link.quota.take();
            }
            Err(error) => {
                let id = flight.id;
                self.session.commit(SessionOp::Land(packet_id));
                self.push_event(Event::Published { id, outcome: outcome(error) });
            }
        }
        true
    }

    /// Sends the first message that waits. False: there is none, or it has to go on waiting.
    fn send_waiting(&mut self) -> bool {
        let Some(qos) = self.session.outbound.front().map(|(_, outgoing)| outgoing.qos) else { return false };
        if qos == QoS::AtMostOnce {
            return self.send_front(Delivery::AtMostOnce);
        }
        // v5[MQTT-4.9.0-2]
        if !self.link.quota.is_free() {
            return false;
        }
        self.allocate().is_some_and(|packet_id| self.send_front(delivery(qos, packet_id, false)))
    }

    fn send_front(&mut self, delivery: Delivery) -> bool {
        let Some((id, outgoing)) = self.session.outbound.front() else { return false };
        let id = *id;
        let settled = match (self.link.transmit(outgoing, delivery), delivery.packet_id()) {
            (Ok(()), Some(packet_id)) => {
                self.session.commit(SessionOp::Launch(packet_id));
                self.link.quota.take();
                return true;
            }
            (Ok(()), None) => Outcome::Sent,
            (Err(error), _) => outcome(error),
        };
        self.session.commit(SessionOp::Drop);
        self.push_event(Event::Published { id, outcome: settled });
        true
    }
}

impl Link {
    fn measure(&self, packet: &Packet<'_>) -> Result<Fit, EncodeError> {
        let bytes = self.codec.encoded_len(packet)?;
        let maximum = self.agreed.packet_bytes_max;
        Ok(if bytes > maximum as usize { Fit::TooLarge { bytes, maximum } } else { Fit::Fits })
    }

    /// The peer takes this message.
    fn check(&self, publish: &Publish<'_>) -> Result<(), PublishError> {
        // v5[MQTT-3.1.2-24] v5[MQTT-3.2.2-15]
        if let Fit::TooLarge { bytes, maximum } = self.measure(&Packet::Publish(*publish))? {
            return Err(PublishError::TooLarge { bytes, maximum });
        }
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
    fn transmit(&mut self, outgoing: &Outgoing, delivery: Delivery) -> Result<(), PublishError> {
        let message = &outgoing.message;
        let own = own_properties(outgoing, self.codec.version);
        let properties = own.as_ref().map_or(message.properties(), PropertiesBuf::as_properties);
        let publish = Publish {
            topic: Some(message.topic()),
            delivery,
            retain: outgoing.retain,
            // A message from a 5.0 client goes to older ones, too, without them.
            properties: if self.codec.version.has_properties() { properties } else { Properties::EMPTY },
            payload: message.payload(),
        };
        self.check(&publish)?;
        Ok(self.codec.encode(&Packet::Publish(publish), self.output.buf())?)
    }
}

/// The message's properties with what is this receiver's own; `None` where the message's are as good.
fn own_properties(outgoing: &Outgoing, version: Version) -> Option<PropertiesBuf> {
    if outgoing.subscription_ids.is_empty() || !version.has_properties() {
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
        PublishError::TooLarge { .. } | PublishError::QueueFull { .. } | PublishError::Invalid(_) => Outcome::TooLarge,
    }
}
