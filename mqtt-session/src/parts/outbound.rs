//! Messages in flight, at QoS 1 and 2. They outlive the connection.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use mqtt_proto::{PacketId, QoS};

use crate::PublishId;
use crate::by_packet_id::ByPacketId;
use crate::outgoing::Accepted;

/// Flights, by packet identifier.
///
/// ```text
///                      +--> AwaitPubAck --PUBACK----------------------------------+
///   waiting --PUBLISH--+                                                          +--> settled
///                      +--> AwaitPubRec --PUBREC, PUBREL--> AwaitPubComp --PUBCOMP-+
///                                |                                                |
///                                +--PUBREC with an error--------------------------+
/// ```
///
/// All three are theirs: what we owe, we send at once. What is given up is settled at once, and its flight goes on without a message: its identifier is
/// not free before the peer has said that it is done with it. If a connection ends meanwhile, a PUBREL asks the peer to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Outbound {
    flights: ByPacketId<Flight>,
    /// Number of the next flight.
    next_order: u64,
    /// Bytes of all messages held.
    bytes: usize,
    /// Flights whose publish is settled.
    settled: usize,
}

/// A message in flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Flight {
    pub(crate) stage: Stage,
    /// Place in the order of first sending.
    pub(crate) order: u64,
    /// It has been sent on the present connection, and counts against its quota. How many acknowledgements had come before. Not durable.
    pub(crate) sent: Option<NonZeroU32>,
}

/// Whose turn it is. Without a message, or its name: that has been given up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// QoS 1: they owe PUBACK.
    AwaitPubAck(Option<Accepted>),
    /// QoS 2: they owe PUBREC.
    AwaitPubRec(Option<Accepted>),
    /// QoS 2: they owe PUBCOMP, and have the message.
    AwaitPubComp(Option<PublishId>),
}

impl Stage {
    pub(crate) const fn accepted(&self) -> Option<&Accepted> {
        match self {
            Self::AwaitPubAck(accepted) | Self::AwaitPubRec(accepted) => accepted.as_ref(),
            Self::AwaitPubComp(_) => None,
        }
    }

    /// The publish that waits for it.
    pub(crate) const fn id(&self) -> Option<PublishId> {
        match self {
            Self::AwaitPubAck(Some(accepted)) | Self::AwaitPubRec(Some(accepted)) => Some(accepted.id),
            Self::AwaitPubComp(id) => *id,
            Self::AwaitPubAck(None) | Self::AwaitPubRec(None) => None,
        }
    }

    fn bytes(&self) -> usize {
        self.accepted().map_or(0, |accepted| accepted.outgoing.bytes())
    }
}

impl Outbound {
    /// Messages that are not settled.
    pub(crate) fn len(&self) -> usize {
        self.flights.len().saturating_sub(self.settled)
    }

    /// Identifiers in use.
    pub(crate) fn in_use(&self) -> usize {
        self.flights.len()
    }

    /// Bytes of the messages.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of the next flight, and flights with their identifiers.
    pub(crate) fn parts(&self) -> (u64, impl Iterator<Item = (PacketId, &Flight)>) {
        (self.next_order, self.flights.iter())
    }

    /// What [`parts`](Self::parts) took apart. `None`: that can't have been.
    pub(crate) fn from_parts(next_order: u64, mut parts: Vec<(PacketId, Flight)>) -> Option<Self> {
        parts.sort_unstable_by_key(|(packet_id, _)| *packet_id);
        let mut outbound = Self { next_order, ..Self::default() };
        for (packet_id, flight) in parts {
            outbound.bytes = outbound.bytes.saturating_add(flight.stage.bytes());
            outbound.settled = outbound.settled.saturating_add(usize::from(flight.stage.id().is_none()));
            if outbound.flight(packet_id).is_some() || flight.order >= next_order {
                return None;
            }
            outbound.flights.insert(packet_id, flight);
        }
        Some(outbound)
    }

    pub(crate) fn flight(&self, packet_id: PacketId) -> Option<&Flight> {
        self.flights.get(packet_id)
    }

    /// A message takes off under `packet_id`, at QoS 1 or 2.
    pub(crate) fn launch(&mut self, packet_id: PacketId, accepted: Accepted) {
        let stage = if accepted.outgoing.qos == QoS::ExactlyOnce {
            Stage::AwaitPubRec(Some(accepted))
        } else {
            Stage::AwaitPubAck(Some(accepted))
        };
        self.bytes = self.bytes.saturating_add(stage.bytes());
        let order = self.take_order();
        self.flights.insert(packet_id, Flight { stage, order, sent: None });
    }

    fn take_order(&mut self) -> u64 {
        let order = self.next_order;
        self.next_order = self.next_order.saturating_add(1);
        order
    }

    /// A flight has been sent on the present connection, on which so many acknowledgements had come.
    pub(crate) fn mark(&mut self, packet_id: PacketId, acknowledgements: NonZeroU32) {
        if let Some(flight) = self.flights.get_mut(packet_id) {
            flight.sent = Some(acknowledgements);
        }
    }

    /// The connection has ended: none has been sent on the present one.
    pub(crate) fn clear_marks(&mut self) {
        self.flights.values_mut().for_each(|flight| flight.sent = None);
    }

    /// The first message that has been sent on the present connection when so many acknowledgements had come.
    pub(crate) fn first_sent_at(&self, acknowledgements: NonZeroU32) -> Option<PacketId> {
        let sent = self.flights.iter().filter(|(_, flight)| flight.sent == Some(acknowledgements));
        let messages = sent.filter(|(_, flight)| flight.stage.accepted().is_some());
        messages.min_by_key(|(_, flight)| flight.order).map(|(packet_id, _)| packet_id)
    }

    /// A connection has ended on it.
    pub(crate) fn blame(&mut self, packet_id: PacketId) {
        let stage = self.flights.get_mut(packet_id).map(|flight| &mut flight.stage);
        if let Some(Stage::AwaitPubAck(Some(accepted)) | Stage::AwaitPubRec(Some(accepted))) = stage {
            accepted.outgoing.failures = accepted.outgoing.failures.saturating_add(1);
        }
    }

    /// The peer is to be told PUBREL from now on.
    pub(crate) fn release(&mut self, packet_id: PacketId) {
        let order = self.next_order;
        if let Some(flight) = self.flights.get_mut(packet_id) {
            self.bytes = self.bytes.saturating_sub(flight.stage.bytes());
            flight.stage = Stage::AwaitPubComp(flight.stage.id());
            // Releases are repeated in the order of their PUBRECs: v3[MQTT-4.6.0-4] v5[MQTT-4.6.0-4]
            flight.order = order;
            self.take_order();
        }
    }

    /// Its publish has been settled otherwise.
    pub(crate) fn give_up(&mut self, packet_id: PacketId) {
        if let Some(flight) = self.flights.get_mut(packet_id)
            && flight.stage.id().is_some()
        {
            self.bytes = self.bytes.saturating_sub(flight.stage.bytes());
            self.settled = self.settled.saturating_add(1);
            match &mut flight.stage {
                Stage::AwaitPubAck(accepted) | Stage::AwaitPubRec(accepted) => *accepted = None,
                Stage::AwaitPubComp(id) => *id = None,
            }
        }
    }

    /// A flight has ended.
    pub(crate) fn land(&mut self, packet_id: PacketId) {
        if let Some(flight) = self.flights.remove(packet_id) {
            self.bytes = self.bytes.saturating_sub(flight.stage.bytes());
            self.settled = self.settled.saturating_sub(usize::from(flight.stage.id().is_none()));
        }
    }

    /// Everything in flight, in the order in which it is to be sent again: v3\[MQTT-4.6.0-1\] v5\[MQTT-4.6.0-1\].
    pub(crate) fn in_order(&self) -> VecDeque<PacketId> {
        let mut flights: Vec<_> = self.flights.iter().map(|(packet_id, flight)| (flight.order, packet_id)).collect();
        flights.sort_unstable();
        flights.into_iter().map(|(_, packet_id)| packet_id).collect()
    }

    /// The peer has forgotten all flights. Returns the messages at QoS 1 in their order: they are to wait again.
    pub(crate) fn ground(&mut self) -> Vec<Accepted> {
        let mut again = Vec::new();
        for packet_id in self.in_order() {
            if let Some(Flight { stage: Stage::AwaitPubAck(Some(mut accepted)), .. }) = self.flights.remove(packet_id) {
                accepted.outgoing.was_sent = true;
                again.push(accepted);
            }
        }
        (self.bytes, self.settled) = (0, 0);
        again
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Instant, Outgoing};
    use alloc::sync::Arc;
    use mqtt_proto::{Publish, PublishBuf, TopicName};

    const ONE: NonZeroU32 = NonZeroU32::MIN;
    const TWO: NonZeroU32 = ONE.saturating_add(1);

    /// A message in flight costs this beside its own bytes.
    #[test]
    fn flights_are_small() {
        assert!(size_of::<Flight>() <= 96, "{}", size_of::<Flight>());
    }

    fn accepted(number: u64, qos: QoS) -> Accepted {
        let topic = TopicName::new("t").unwrap();
        let message = Arc::new(PublishBuf::new(topic, &Publish::new(topic, b"123456789")));
        let mut outgoing = Outgoing::new(Instant::ZERO, message);
        outgoing.qos = qos;
        Accepted { id: PublishId(number), outgoing }
    }

    fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    #[test]
    fn bytes_are_those_of_the_messages_held() {
        let mut outbound = Outbound::default();
        outbound.launch(id(1), accepted(0, QoS::ExactlyOnce));
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
            outbound.launch(id(packet_id), accepted(packet_id.into(), qos));
        }
        assert_eq!(outbound.in_order(), [id(9), id(3), id(5)]);
    }

    #[test]
    fn when_the_peer_forgot_only_messages_at_qos_1_are_left() {
        let mut outbound = Outbound::default();
        outbound.launch(id(7), accepted(1, QoS::AtLeastOnce));
        outbound.launch(id(2), accepted(2, QoS::ExactlyOnce));
        outbound.launch(id(3), accepted(3, QoS::AtLeastOnce));
        let again: Vec<_> =
            outbound.ground().iter().map(|accepted| (accepted.id.0, accepted.outgoing.was_sent)).collect();
        assert_eq!(again, [(1, true), (3, true)]);
        assert_eq!((outbound.len(), outbound.bytes(), outbound.in_use()), (0, 0, 0));
    }

    #[test]
    fn what_is_given_up_keeps_its_identifier_until_it_lands() {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut outbound = Outbound::default();
            outbound.launch(id(1), accepted(1, qos));
            outbound.give_up(id(1));
            outbound.give_up(id(1));
            assert_eq!((outbound.len(), outbound.bytes(), outbound.in_use()), (0, 0, 1));
            outbound.release(id(1));
            assert_eq!(outbound.flight(id(1)).unwrap().stage, Stage::AwaitPubComp(None));
            outbound.land(id(1));
            assert_eq!((outbound.len(), outbound.in_use()), (0, 0));
        }
    }

    #[test]
    fn the_first_message_after_the_last_acknowledgement_is_found() {
        let mut outbound = Outbound::default();
        for packet_id in [9, 3, 5] {
            outbound.launch(id(packet_id), accepted(packet_id.into(), QoS::ExactlyOnce));
            outbound.mark(id(packet_id), if packet_id == 9 { ONE } else { TWO });
        }
        assert_eq!(outbound.first_sent_at(ONE), Some(id(9)));
        assert_eq!(outbound.first_sent_at(TWO), Some(id(3)));
        outbound.release(id(3));
        assert_eq!(outbound.first_sent_at(TWO), Some(id(5)));
        outbound.clear_marks();
        assert_eq!(outbound.first_sent_at(TWO), None);
    }
}
