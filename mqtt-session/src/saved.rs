//! What outlives a connection.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use mqtt_proto::PacketId;

use crate::parts::outbound::{Outbound, Outgoing};
use crate::parts::packet_id::PacketIds;
use crate::{Limits, PublishError, PublishId};

/// The part of a session that both ends keep (section 4.1): messages that are queued or in flight, and the identifiers of QoS 2 messages that have been
/// received and not been released.
///
/// It is a value: a server takes it from a connection that has ended and gives it to the next one of the same client. Subscriptions are not in it; they are the broker's.
///
/// ```
/// use mqtt_session::SessionState;
///
/// assert_eq!(SessionState::default().pending(), 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionState {
    pub(crate) outbound: Outbound,
    received: BTreeSet<PacketId>,
    packet_ids: PacketIds,
    next_id: u64,
}

/// A change of what outlives the connection. All of them go through [`SessionState::commit`], so that a journal has one place to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SessionOp {
    /// A message is accepted and waits.
    Accept(PublishId, Outgoing),
    /// The first message that waits leaves the queue without a packet identifier: QoS 0, or dropped.
    Drop,
    /// The first message that waits takes off. Before the PUBLISH goes out.
    Launch(PacketId),
    /// PUBREC has come. Before the PUBREL goes out.
    Release(PacketId),
    /// A flight has ended.
    Land(PacketId),
    /// A QoS 2 message has been received. Before the PUBREC goes out.
    Receive(PacketId),
    /// A QoS 2 message has been released. Before the PUBCOMP goes out.
    Complete(PacketId),
}

impl SessionState {
    /// Messages that are not settled.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.outbound.len()
    }

    /// Bytes of those messages.
    #[must_use]
    pub const fn pending_bytes(&self) -> usize {
        self.outbound.bytes()
    }

    /// Queues a message for a client that is not connected.
    ///
    /// # Errors
    ///
    /// The queue is full.
    pub fn enqueue(&mut self, limits: &Limits, outgoing: Outgoing) -> Result<(), PublishError> {
        self.accept(limits, outgoing).map(drop)
    }

    /// Queues a message.
    pub(crate) fn accept(&mut self, limits: &Limits, outgoing: Outgoing) -> Result<PublishId, PublishError> {
        let (messages, bytes) = (self.outbound.len(), self.outbound.bytes());
        // An empty queue takes a message of any size, or whoever waits for room would wait for ever.
        let has_room = messages == 0 || bytes.saturating_add(outgoing.bytes()) <= limits.queued_bytes_max;
        if messages >= limits.queued_messages_max || !has_room {
            return Err(PublishError::QueueFull { messages, bytes });
        }
        let id = PublishId(self.take_number());
        self.commit(SessionOp::Accept(id, outgoing));
        Ok(id)
    }

    /// A number that has not been given out before: for publishes and for requests.
    pub(crate) fn take_number(&mut self) -> u64 {
        let number = self.next_id;
        self.next_id = self.next_id.saturating_add(1);
        number
    }

    /// A packet identifier that neither a flight nor a request uses.
    pub(crate) fn allocate(&mut self, asked: impl Fn(PacketId) -> bool) -> Option<PacketId> {
        let outbound = &self.outbound;
        self.packet_ids.allocate(|id| outbound.is_in_flight(id) || asked(id))
    }

    /// A QoS 2 message with this identifier has been received and not been released.
    pub(crate) fn has_received(&self, packet_id: PacketId) -> bool {
        self.received.contains(&packet_id)
    }

    /// The only way to change what outlives the connection while it lives.
    pub(crate) fn commit(&mut self, op: SessionOp) {
        match op {
            SessionOp::Accept(id, outgoing) => self.outbound.push(id, outgoing),
            SessionOp::Drop => drop(self.outbound.pop()),
            SessionOp::Launch(packet_id) => {
                if let Some((id, outgoing)) = self.outbound.pop() {
                    self.outbound.launch(packet_id, id, outgoing);
                }
            }
            SessionOp::Release(packet_id) => self.outbound.release(packet_id),
            SessionOp::Land(packet_id) => drop(self.outbound.land(packet_id)),
            SessionOp::Receive(packet_id) => drop(self.received.insert(packet_id)),
            SessionOp::Complete(packet_id) => drop(self.received.remove(&packet_id)),
        }
    }

    /// The peer has forgotten the session: v5\[MQTT-3.2.2-5\]. Returns the QoS 2 publishes that this settles, with whether the peer has had the message.
    pub(crate) fn forget(&mut self) -> Vec<(PublishId, bool)> {
        self.received.clear();
        self.outbound.ground()
    }
}
