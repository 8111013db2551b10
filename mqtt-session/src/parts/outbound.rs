//! Messages that we have accepted and that are not settled. They outlive the connection.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use mqtt_proto::{PacketId, PublishBuf, QoS, SubscriptionId};

use crate::PublishId;

/// One message for one receiver. The message is shared; what differs between receivers is here.
///
/// ```
/// use std::sync::Arc;
/// use mqtt_proto::{Publish, PublishBuf, TopicName};
/// use mqtt_session::Outgoing;
///
/// let topic = TopicName::new("a/b")?;
/// let message = Arc::new(PublishBuf::new(topic, &Publish::new(topic, b"hello")));
/// let outgoing = Outgoing::new(message);
/// # Ok::<(), mqtt_proto::Cause>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Outgoing {
    /// The message.
    pub message: Arc<PublishBuf>,
    /// The QoS of this delivery.
    pub qos: QoS,
    /// The retain flag of this delivery.
    pub retain: bool,
    /// The receiver's subscriptions that it matches (5.0 section 3.3.2.3.8).
    pub subscription_ids: Vec<SubscriptionId>,
}

impl Outgoing {
    /// A delivery as the message was published.
    #[must_use]
    pub fn new(message: Arc<PublishBuf>) -> Self {
        Self { qos: message.qos(), retain: message.retain(), message, subscription_ids: Vec::new() }
    }

    /// What it counts for in a queue.
    pub(crate) fn bytes(&self) -> usize {
        self.message.len()
    }
}

/// Messages that wait, and messages in flight.
///
/// ```text
///                      +--> AwaitPubAck --PUBACK----------------------------------+
///   waiting --PUBLISH--+                                                          +--> settled
///                      +--> AwaitPubRec --PUBREC, PUBREL--> AwaitPubComp --PUBCOMP-+
///                                |                                                |
///                                +--PUBREC with an error--------------------------+
/// ```
///
/// All three are theirs: what we owe, we send at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Outbound {
    waiting: VecDeque<(PublishId, Outgoing)>,
    flights: BTreeMap<PacketId, Flight>,
    /// Number of the next flight.
    next_order: u64,
    /// Bytes of all messages held.
    bytes: usize,
}

/// A message in flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Flight {
    pub(crate) id: PublishId,
    pub(crate) stage: Stage,
    /// Place in the order of first sending.
    order: u64,
    /// It counts against the quota of the present connection.
    pub(crate) counted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// QoS 1: they owe PUBACK.
    AwaitPubAck(Outgoing),
    /// QoS 2: they owe PUBREC.
    AwaitPubRec(Outgoing),
    /// QoS 2: they owe PUBCOMP, and have the message.
    AwaitPubComp,
}

impl Stage {
    fn bytes(&self) -> usize {
        match self {
            Self::AwaitPubAck(outgoing) | Self::AwaitPubRec(outgoing) => outgoing.bytes(),
            Self::AwaitPubComp => 0,
        }
    }
}

impl Outbound {
    /// Messages held.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len().saturating_add(self.flights.len())
    }

    /// Their bytes.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(crate) fn is_in_flight(&self, packet_id: PacketId) -> bool {
        self.flights.contains_key(&packet_id)
    }

    pub(crate) fn flight(&self, packet_id: PacketId) -> Option<&Flight> {
        self.flights.get(&packet_id)
    }

    pub(crate) fn flight_mut(&mut self, packet_id: PacketId) -> Option<&mut Flight> {
        self.flights.get_mut(&packet_id)
    }

    /// The next to be sent.
    pub(crate) fn front(&self) -> Option<&(PublishId, Outgoing)> {
        self.waiting.front()
    }

    pub(crate) fn push(&mut self, id: PublishId, outgoing: Outgoing) {
        self.bytes = self.bytes.saturating_add(outgoing.bytes());
        self.waiting.push_back((id, outgoing));
    }

    /// Removes the next to be sent.
    pub(crate) fn pop(&mut self) -> Option<(PublishId, Outgoing)> {
        let (id, outgoing) = self.waiting.pop_front()?;
        self.bytes = self.bytes.saturating_sub(outgoing.bytes());
        Some((id, outgoing))
    }

    /// A message takes off under `packet_id`, at QoS 1 or 2.
    pub(crate) fn launch(&mut self, packet_id: PacketId, id: PublishId, outgoing: Outgoing) {
        self.bytes = self.bytes.saturating_add(outgoing.bytes());
        let stage =
            if outgoing.qos == QoS::ExactlyOnce { Stage::AwaitPubRec(outgoing) } else { Stage::AwaitPubAck(outgoing) };
        let order = self.next_order;
        self.next_order = self.next_order.saturating_add(1);
        let before = self.flights.insert(packet_id, Flight { id, stage, order, counted: true });
        debug_assert!(before.is_none(), "packet identifier {packet_id} was in use");
    }

    /// The peer has the message of a QoS 2 flight.
    pub(crate) fn release(&mut self, packet_id: PacketId) {
        if let Some(flight) = self.flights.get_mut(&packet_id) {
            self.bytes = self.bytes.saturating_sub(flight.stage.bytes());
            flight.stage = Stage::AwaitPubComp;
            // Releases are repeated in the order of their PUBRECs: v3[MQTT-4.6.0-4] v5[MQTT-4.6.0-4]
            flight.order = self.next_order;
            self.next_order = self.next_order.saturating_add(1);
        }
    }

    /// A flight has ended.
    pub(crate) fn land(&mut self, packet_id: PacketId) -> Option<Flight> {
        let flight = self.flights.remove(&packet_id)?;
        self.bytes = self.bytes.saturating_sub(flight.stage.bytes());
        Some(flight)
    }

    /// No flight counts any more: the connection has ended.
    pub(crate) fn uncount(&mut self) {
        self.flights.values_mut().for_each(|flight| flight.counted = false);
    }

    /// Everything in flight, in the order in which it is to be sent again: v3\[MQTT-4.6.0-1\] v5\[MQTT-4.6.0-1\].
    pub(crate) fn in_order(&self) -> VecDeque<PacketId> {
        let mut flights: Vec<_> = self.flights.iter().map(|(&packet_id, flight)| (flight.order, packet_id)).collect();
        flights.sort_unstable();
        flights.into_iter().map(|(_, packet_id)| packet_id).collect()
    }

    /// The peer has forgotten all flights. Those at QoS 1 wait again, before the others; those at QoS 2 are returned, with whether the peer has had the message.
    pub(crate) fn ground(&mut self) -> Vec<(PublishId, bool)> {
        let mut settled = Vec::new();
        let mut again = Vec::new();
        for packet_id in self.in_order() {
            match self.land(packet_id) {
                Some(Flight { id, stage: Stage::AwaitPubAck(outgoing), .. }) => again.push((id, outgoing)),
                Some(Flight { id, stage: Stage::AwaitPubRec(_), .. }) => settled.push((id, false)),
                Some(Flight { id, stage: Stage::AwaitPubComp, .. }) => settled.push((id, true)),
                None => {}
            }
        }
        for (id, outgoing) in again.into_iter().rev() {
            self.bytes = self.bytes.saturating_add(outgoing.bytes());
            self.waiting.push_front((id, outgoing));
        }
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt_proto::{Publish, TopicName};

    fn outgoing(qos: QoS) -> Outgoing {
        let topic = TopicName::new("t").unwrap();
        let mut outgoing = Outgoing::new(Arc::new(PublishBuf::new(topic, &Publish::new(topic, b"123456789"))));
        outgoing.qos = qos;
        outgoing
    }

    fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    #[test]
    fn bytes_are_those_of_the_messages_held() {
        let mut outbound = Outbound::default();
        outbound.push(PublishId(0), outgoing(QoS::ExactlyOnce));
        assert_eq!(outbound.bytes(), 10);
        let (publish_id, message) = outbound.pop().unwrap();
        outbound.launch(id(1), publish_id, message);
        assert_eq!((outbound.len(), outbound.bytes()), (1, 10));
        outbound.release(id(1));
        assert_eq!((outbound.len(), outbound.bytes()), (1, 0));
        outbound.land(id(1));
        assert_eq!((outbound.len(), outbound.bytes()), (0, 0));
    }

    #[test]
    fn flights_are_sent_again_in_their_order_and_not_in_that_of_their_identifiers() {
        let mut outbound = Outbound::default();
        for (packet_id, qos) in [(9, QoS::AtLeastOnce), (3, QoS::ExactlyOnce), (5, QoS::AtLeastOnce)] {
            outbound.launch(id(packet_id), PublishId(packet_id.into()), outgoing(qos));
        }
        assert_eq!(outbound.in_order(), [id(9), id(3), id(5)]);
    }

    #[test]
    fn when_the_peer_forgot_qos_1_waits_again_and_qos_2_is_settled() {
        let mut outbound = Outbound::default();
        outbound.launch(id(1), PublishId(1), outgoing(QoS::AtLeastOnce));
        outbound.launch(id(2), PublishId(2), outgoing(QoS::ExactlyOnce));
        outbound.launch(id(3), PublishId(3), outgoing(QoS::ExactlyOnce));
        outbound.release(id(3));
        outbound.push(PublishId(4), outgoing(QoS::AtMostOnce));
        assert_eq!(outbound.ground(), [(PublishId(2), false), (PublishId(3), true)]);
        assert_eq!(outbound.pop().unwrap().0, PublishId(1));
        assert_eq!(outbound.pop().unwrap().0, PublishId(4));
        assert_eq!(outbound.bytes(), 0);
    }
}
