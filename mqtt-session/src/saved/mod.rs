//! What outlives a connection.

mod bytes;

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::num::NonZeroU32;

use mqtt_proto::{PacketId, ReasonCode, TopicFilterBuf};

use crate::outgoing::{Accepted, Outgoing, Waiting};
use crate::parts::outbound::{Flight, Outbound, Stage};
use crate::parts::queue::Queue;
use crate::{Instant, Limits, Outcome, PublishError, PublishId, WhenFull};

pub use bytes::ImportError;

/// The part of a session that both ends keep (section 4.1): messages that are queued or in flight, and the identifiers of QoS 2 messages that have been
/// received and not been released.
///
/// It is a value: a server takes it from a connection that has ended and gives it to the next one of the same client. Subscriptions are not in it; they are the broker's.
/// [`export`](Self::export) makes bytes of it, for a disk or another process.
///
/// ```
/// use mqtt_session::SessionState;
///
/// assert_eq!(SessionState::default().pending(), 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionState {
    queue: Queue,
    outbound: Outbound,
    received: BTreeSet<PacketId>,
    /// The name of the next publish.
    next_id: u64,
    /// Counts connections, so that a token of one is nothing to the next.
    generation: u32,
}

/// A change of what outlives the connection. All of them go through [`SessionState::commit`], so that a journal has one place to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SessionOp {
    /// A connection takes it up.
    Open,
    /// A message is accepted and waits.
    Accept(Waiting),
    /// A message that waits leaves the queue without a packet identifier: QoS 0, or dropped.
    Drop(PublishId),
    /// The first message that waits takes off. Before the PUBLISH goes out.
    Launch(PacketId),
    /// PUBREC has come, or PUBREL is to do without. Before the PUBREL goes out.
    Release(PacketId),
    /// A connection has ended on a message in flight.
    Blame(PacketId),
    /// A flight's publish has been settled before its flight ends.
    GiveUp(PacketId),
    /// A flight has ended.
    Land(PacketId),
    /// A QoS 2 message has been received. Before the PUBREC goes out.
    Receive(PacketId),
    /// A QoS 2 message has been released. Before the PUBCOMP goes out.
    Complete(PacketId),
    /// The peer has forgotten the session: messages in flight at QoS 1 wait again, before the others, and all other flights have ended.
    Forget,
}

/// Connections that end on one message by chance are fewer.
const SUSPICIOUS: u32 = 2;

// --- for hosts -----------------------------------------------------------------------------------------------------------

impl SessionState {
    /// Messages that are not settled.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.queue.len().saturating_add(self.outbound.len())
    }

    /// Bytes of those messages.
    #[must_use]
    pub const fn pending_bytes(&self) -> usize {
        self.queue.bytes().saturating_add(self.outbound.bytes())
    }

    /// Queues a message for a client that is not connected. Returns how many have been dropped: by [`Limits::when_full`], perhaps this one itself, and
    /// those that had waited for too long.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use mqtt_proto::{QoS, TopicName};
    /// use mqtt_session::{Instant, Limits, Message, Outgoing, SessionState, WhenFull};
    ///
    /// let mut limits = Limits::default();
    /// limits.queued_messages_max = 1;
    /// limits.when_full = WhenFull::DropOldest;
    ///
    /// let now = Instant::ZERO;
    /// let mut message = Message::new(TopicName::new("a/b")?, "hello");
    /// message.qos = QoS::AtLeastOnce;
    /// let message = Arc::new(message.to_buf());
    /// let mut session = SessionState::default();
    /// assert_eq!(session.enqueue(now, &limits, Outgoing::new(now, Arc::clone(&message)))?, 0);
    /// assert_eq!(session.enqueue(now, &limits, Outgoing::new(now, message))?, 1);
    /// assert_eq!(session.pending(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The queue is full, or the message has no correct form. Nothing has happened then.
    pub fn enqueue(&mut self, now: Instant, limits: &Limits, outgoing: Outgoing) -> Result<usize, PublishError> {
        let mut dropped = 0;
        self.accept(now, limits, outgoing, &mut |_, _| dropped += 1)?;
        Ok(dropped)
    }

    /// Gives up the messages that are unwanted: what has not been sent won't be, and what was in flight is not sent again. Returns how many. For a session without a
    /// connection; [`Server::abandon_if`](crate::Server::abandon_if) is the same for one that has one.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use mqtt_proto::{QoS, TopicName};
    /// use mqtt_session::{Instant, Limits, Message, Outgoing, SessionState};
    ///
    /// let mut session = SessionState::default();
    /// for topic in ["house/door", "house/light"] {
    ///     let message = Message::new(TopicName::new(topic)?, "x").to_buf();
    ///     session.enqueue(Instant::ZERO, &Limits::default(), Outgoing::new(Instant::ZERO, Arc::new(message)))?;
    /// }
    /// assert_eq!(session.abandon_if(|outgoing| outgoing.message.topic() == "house/door"), 1);
    /// assert_eq!(session.pending(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn abandon_if(&mut self, is_unwanted: impl FnMut(&Outgoing) -> bool) -> usize {
        let mut given_up = 0;
        self.give_up_if(is_unwanted, &mut |_, _| given_up += 1);
        given_up
    }

    /// Drops the messages that have expired, or waited for too long, by `now`. Returns how many. For a session without a connection; a connection does it.
    pub fn handle_timeout(&mut self, now: Instant) -> usize {
        let mut dropped = 0;
        self.drop_over(now, &mut |_, _| dropped += 1);
        dropped
    }

    /// When [`handle_timeout`](Self::handle_timeout) will have something to drop.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.queue.deadline()
    }
}

// --- for connections -----------------------------------------------------------------------------------------------------

impl SessionState {
    pub(crate) const fn generation(&self) -> u32 {
        self.generation
    }

    /// The next to be sent.
    pub(crate) fn front(&self) -> Option<&Waiting> {
        self.queue.front()
    }

    pub(crate) fn has_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(crate) fn flight(&self, packet_id: PacketId) -> Option<&Flight> {
        self.outbound.flight(packet_id)
    }

    /// Everything in flight, in the order in which it is to be sent again.
    pub(crate) fn flights(&self) -> VecDeque<PacketId> {
        self.outbound.in_order()
    }

    /// Packet identifiers in use by flights.
    pub(crate) fn identifiers_in_use(&self) -> usize {
        self.outbound.in_use()
    }

    /// A QoS 2 message with this identifier has been received and not been released.
    pub(crate) fn has_received(&self, packet_id: PacketId) -> bool {
        self.received.contains(&packet_id)
    }

    /// QoS 2 messages that have been received and not been released.
    pub(crate) fn unreleased(&self) -> usize {
        self.received.len()
    }

    /// Queues a message, and tells `settle` what becomes of those that are dropped: perhaps of this one, too.
    pub(crate) fn accept(
        &mut self,
        now: Instant,
        limits: &Limits,
        outgoing: Outgoing,
        settle: &mut impl FnMut(PublishId, Outcome),
    ) -> Result<PublishId, PublishError> {
        outgoing.check()?;
        let bytes = outgoing.bytes();
        let mut has_room = self.has_room(limits, bytes);
        if !has_room {
            if limits.when_full == WhenFull::Refuse && !self.will_have_room(now, limits, bytes) {
                return Err(PublishError::QueueFull { messages: self.pending(), bytes: self.pending_bytes() });
            }
            self.drop_over(now, settle);
            has_room = self.has_room(limits, bytes);
        }
        match limits.when_full {
            WhenFull::DropOldest if !has_room && self.can_make_room(limits, bytes) => {
                while let Some(first) = self.queue.front()
                    && !self.has_room(limits, bytes)
                {
                    let id = first.accepted.id;
                    settle(id, first.accepted.dropped(Outcome::QueueFull));
                    self.commit(SessionOp::Drop(id));
                }
                has_room = true;
            }
            WhenFull::Refuse | WhenFull::DropNewest | WhenFull::DropOldest => {}
        }
        let id = PublishId(self.next_id);
        let give_up = limits.queued_time_max.map(|time| now + time);
        self.commit(SessionOp::Accept(Waiting { accepted: Accepted { id, outgoing }, give_up }));
        if !has_room {
            self.commit(SessionOp::Drop(id));
            settle(id, Outcome::QueueFull);
        }
        Ok(id)
    }

    fn has_room(&self, limits: &Limits, bytes: usize) -> bool {
        has_room_beside(limits, self.pending(), self.pending_bytes(), bytes)
    }

    /// There is room once what has expired, or waited for too long, is gone.
    fn will_have_room(&self, now: Instant, limits: &Limits, bytes: usize) -> bool {
        let (messages, held) = self.queue.held_over(now);
        let (messages, held) = (self.pending().saturating_sub(messages), self.pending_bytes().saturating_sub(held));
        has_room_beside(limits, messages, held, bytes)
    }

    /// There would be room if nothing waited.
    fn can_make_room(&self, limits: &Limits, bytes: usize) -> bool {
        self.outbound.len() < limits.queued_messages_max
            && self.outbound.bytes().saturating_add(bytes) <= limits.queued_bytes_max
    }

    /// Drops what has expired, or waited for too long.
    pub(crate) fn drop_over(&mut self, now: Instant, settle: &mut impl FnMut(PublishId, Outcome)) {
        while let Some((id, outcome)) = self.queue.over(now).and_then(|over| Some((over.accepted.id, over.over(now)?)))
        {
            self.commit(SessionOp::Drop(id));
            settle(id, outcome);
        }
    }

    /// Gives up messages, and tells `settle` what becomes of them.
    pub(crate) fn give_up_if(
        &mut self,
        mut is_unwanted: impl FnMut(&Outgoing) -> bool,
        settle: &mut impl FnMut(PublishId, Outcome),
    ) {
        let waiting = self.queue.iter().map(|waiting| &waiting.accepted);
        let unwanted = waiting.filter(|accepted| is_unwanted(&accepted.outgoing));
        let unwanted: Vec<_> = unwanted.map(|accepted| (accepted.id, accepted.dropped(Outcome::Abandoned))).collect();
        for (id, outcome) in unwanted {
            self.commit(SessionOp::Drop(id));
            settle(id, outcome);
        }
        for packet_id in self.flights() {
            let Some(flight) = self.outbound.flight(packet_id) else { continue };
            let unwanted = flight.stage.accepted().filter(|accepted| is_unwanted(&accepted.outgoing));
            let (Some(id), is_sent) = (unwanted.map(|accepted| accepted.id), flight.sent.is_some()) else { continue };
            self.commit(SessionOp::GiveUp(packet_id));
            settle(id, Outcome::AbandonedInFlight);
            if !is_sent {
                self.end_given_up(packet_id);
            }
        }
    }

    /// Takes out what is here because of shared subscriptions, so that somebody else gets it; on request also what is in flight at QoS 1.
    pub(crate) fn take_shared(
        &mut self,
        is_wanted: impl Fn(&TopicFilterBuf) -> bool,
        in_flight: bool,
    ) -> Vec<Outgoing> {
        let is_wanted = |outgoing: &Outgoing| outgoing.share.as_ref().is_some_and(|share| is_wanted(share));
        let mut taken = Vec::new();
        if in_flight {
            for packet_id in self.flights() {
                // Not what is in flight at QoS 2: v5[MQTT-4.8.2-5]
                if let Some(Stage::AwaitPubAck(Some(accepted))) =
                    self.outbound.flight(packet_id).map(|flight| &flight.stage)
                    && is_wanted(&accepted.outgoing)
                {
                    taken.push(accepted.outgoing.clone());
                    self.commit(SessionOp::Land(packet_id));
                }
            }
        }
        let waiting = self.queue.iter().map(|waiting| &waiting.accepted);
        let ids: Vec<_> =
            waiting.filter(|accepted| is_wanted(&accepted.outgoing)).map(|accepted| accepted.id).collect();
        for id in ids {
            let waiting = self.queue.get(id);
            taken.extend(waiting.map(|waiting| waiting.accepted.outgoing.clone()));
            self.commit(SessionOp::Drop(id));
        }
        taken
    }

    /// A flight that has been given up and is not on this connection: at QoS 1 the peer keeps nothing of it; at QoS 2 it may hold the identifier, and is told
    /// PUBREL, or it would take the next message under it for a repeat.
    pub(crate) fn end_given_up(&mut self, packet_id: PacketId) {
        match self.outbound.flight(packet_id).map(|flight| &flight.stage) {
            Some(Stage::AwaitPubAck(None)) => self.commit(SessionOp::Land(packet_id)),
            Some(Stage::AwaitPubRec(None)) => self.commit(SessionOp::Release(packet_id)),
            _ => {}
        }
    }

    /// The peer has forgotten the session: v5\[MQTT-3.2.2-5\]. What was in flight at QoS 2 is not sent again, since it could arrive twice.
    pub(crate) fn forget(&mut self, settle: &mut impl FnMut(PublishId, Outcome)) {
        for packet_id in self.flights() {
            match self.outbound.flight(packet_id).map(|flight| &flight.stage) {
                Some(Stage::AwaitPubRec(Some(accepted))) => settle(accepted.id, Outcome::SessionLost),
                Some(Stage::AwaitPubComp(Some(id))) => settle(*id, Outcome::Delivered(ReasonCode::Success)),
                _ => {}
            }
        }
        self.commit(SessionOp::Forget);
    }

    /// Tells `settle` what becomes of everything here, if the session ends now.
    pub(crate) fn end(&mut self, settle: &mut impl FnMut(Outcome)) {
        self.forget(&mut |_, outcome| settle(outcome));
        while let Some(id) = self.queue.front().map(|first| first.accepted.id) {
            self.commit(SessionOp::Drop(id));
            settle(Outcome::SessionLost);
        }
    }

    /// The next message to be sent, again or for the first time, is one that connections have ended on.
    pub(crate) fn is_suspicious(&self) -> bool {
        let flights = self.outbound.in_order();
        let first = flights.front().and_then(|&packet_id| self.outbound.flight(packet_id));
        let first = first.map_or(self.queue.front().map(|waiting| &waiting.accepted), |flight| flight.stage.accepted());
        first.is_some_and(|accepted| accepted.outgoing.failures >= SUSPICIOUS)
    }

    /// The message that was sent first of those that no acknowledgement followed on the present connection.
    pub(crate) fn first_sent_at(&self, acknowledgements: NonZeroU32) -> Option<PacketId> {
        self.outbound.first_sent_at(acknowledgements)
    }

    /// A flight has been sent on the present connection. Nothing durable.
    pub(crate) fn mark(&mut self, packet_id: PacketId, acknowledgements: NonZeroU32) {
        self.outbound.mark(packet_id, acknowledgements);
    }

    /// The connection has ended. Nothing durable.
    pub(crate) fn clear_marks(&mut self) {
        self.outbound.clear_marks();
    }

    /// The only way to change what outlives the connection while it lives.
    pub(crate) fn commit(&mut self, op: SessionOp) {
        match op {
            SessionOp::Open => self.generation = self.generation.wrapping_add(1),
            SessionOp::Accept(waiting) => {
                self.next_id = waiting.accepted.id.0.saturating_add(1);
                self.queue.push(waiting);
            }
            SessionOp::Drop(id) => drop(self.queue.remove(id)),
            SessionOp::Launch(packet_id) => {
                if let Some(accepted) = self.queue.pop() {
                    self.outbound.launch(packet_id, accepted);
                }
            }
            SessionOp::Release(packet_id) => self.outbound.release(packet_id),
            SessionOp::Blame(packet_id) => self.outbound.blame(packet_id),
            SessionOp::GiveUp(packet_id) => self.outbound.give_up(packet_id),
            SessionOp::Land(packet_id) => self.outbound.land(packet_id),
            SessionOp::Receive(packet_id) => drop(self.received.insert(packet_id)),
            SessionOp::Complete(packet_id) => drop(self.received.remove(&packet_id)),
            SessionOp::Forget => {
                self.received.clear();
                for accepted in self.outbound.ground().into_iter().rev() {
                    self.queue.push_front(Waiting { accepted, give_up: None });
                }
            }
        }
    }
}

/// There is room for a message beside so many messages and bytes.
const fn has_room_beside(limits: &Limits, messages: usize, held: usize, bytes: usize) -> bool {
    // Holding nothing, it takes a message of any size, or whoever waits for room would wait for ever.
    messages < limits.queued_messages_max && (messages == 0 || held.saturating_add(bytes) <= limits.queued_bytes_max)
}
