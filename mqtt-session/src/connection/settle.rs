//! How publishes and requests end that nothing from the peer ends.

use mqtt_proto::{PacketId, ReasonCode};

use super::Connection;
use crate::parts::outbound::Stage;
use crate::saved::SessionOp;
use crate::{Event, Instant, Outcome, PublishId};

impl Connection {
    /// A publish is settled, which the host is told in its own time.
    pub(super) fn settle(&mut self, id: PublishId, outcome: Outcome) {
        self.events.push_back(Event::Published { id, outcome });
    }

    /// Drops what has expired, or waited for too long: v5\[MQTT-3.3.2-5\].
    pub(super) fn drop_over(&mut self, now: Instant) {
        let events = &mut self.events;
        self.session.drop_over(now, &mut |id, outcome| events.push_back(Event::Published { id, outcome }));
    }

    /// The session has ended, or the peer has forgotten it.
    pub(crate) fn forget(&mut self, now: Instant) {
        let events = &mut self.events;
        self.session.forget(&mut |id, outcome| events.push_back(Event::Published { id, outcome }));
        // What waits again may have expired in flight.
        self.drop_over(now);
    }

    /// An acknowledgement has come: what was sent before it is not what ends connections.
    pub(super) fn acknowledged(&mut self) {
        self.link.acknowledgements = self.link.acknowledgements.saturating_add(1);
        self.link.quota.widen();
    }

    /// The session leaves the connection. Repeated calls do nothing.
    pub(crate) fn part(&mut self) {
        let blamed = self.session.first_sent_at(self.link.acknowledgements).filter(|_| self.link.may_blame);
        if let Some(packet_id) = blamed {
            self.session.commit(SessionOp::Blame(packet_id));
            let accepted = self.session.flight(packet_id).and_then(|flight| flight.stage.accepted());
            let attempts_max = self.limits.attempts_max;
            if attempts_max < u32::MAX && accepted.is_some_and(|accepted| accepted.outgoing.failures >= attempts_max) {
                self.give_up(packet_id, Outcome::AttemptsExhausted);
            }
        }
        self.session.clear_marks();
        for packet_id in self.session.flights() {
            self.end_given_up(packet_id);
        }
    }

    /// Settles the publish of a flight. The flight goes on: the peer may still count it, and hold its identifier.
    pub(super) fn give_up(&mut self, packet_id: PacketId, outcome: Outcome) {
        if let Some(id) = self.session.flight(packet_id).and_then(|flight| flight.stage.id()) {
            self.session.commit(SessionOp::GiveUp(packet_id));
            self.settle(id, outcome);
        }
    }

    /// A flight that has been given up and is not on this connection: at QoS 1 the peer keeps nothing of it; at QoS 2 it may hold the identifier, and is told
    /// PUBREL, or it would take the next message under it for a repeat.
    pub(super) fn end_given_up(&mut self, packet_id: PacketId) {
        match self.session.flight(packet_id).map(|flight| &flight.stage) {
            Some(Stage::AwaitPubAck(None)) => self.session.commit(SessionOp::Land(packet_id)),
            Some(Stage::AwaitPubRec(None)) => self.session.commit(SessionOp::Release(packet_id)),
            _ => {}
        }
    }

    /// The host waits for nothing any more.
    pub(crate) fn abandon(&mut self) {
        while let Some(first) = self.session.front().map(|waiting| &waiting.accepted) {
            let (id, outcome) = (first.id, first.dropped(Outcome::Abandoned));
            self.session.commit(SessionOp::Drop(id));
            self.settle(id, outcome);
        }
        for packet_id in self.session.flights() {
            let Some(flight) = self.session.flight(packet_id) else { continue };
            let is_sent = flight.sent.is_some();
            let outcome = match flight.stage {
                Stage::AwaitPubComp(_) => Outcome::Delivered(ReasonCode::Success),
                Stage::AwaitPubAck(_) | Stage::AwaitPubRec(_) => Outcome::AbandonedInFlight,
            };
            self.give_up(packet_id, outcome);
            if !is_sent {
                self.end_given_up(packet_id);
            }
        }
        self.events.extend(self.link.requests.give_up().map(|id| Event::RequestLost { id }));
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.link_timeout().into_iter().chain(self.session.poll_timeout()).min()
    }
}
