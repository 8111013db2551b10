//! How publishes and requests end that nothing from the peer ends.

use mqtt_proto::{PacketId, ReasonCode};

use super::Connection;
use crate::saved::SessionOp;
use crate::{Event, Instant, Outcome, Outgoing, PublishId};

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
            self.session.end_given_up(packet_id);
        }
    }

    /// Settles the publish of a flight. The flight goes on: the peer may still count it, and hold its identifier.
    pub(super) fn give_up(&mut self, packet_id: PacketId, outcome: Outcome) {
        if let Some(id) = self.session.flight(packet_id).and_then(|flight| flight.stage.id()) {
            self.session.commit(SessionOp::GiveUp(packet_id));
            self.settle(id, outcome);
        }
    }

    /// The host waits for nothing any more.
    pub(crate) fn abandon(&mut self) {
        self.abandon_if(|_| true);
        for packet_id in self.session.flights() {
            // What is released has arrived.
            self.give_up(packet_id, Outcome::Delivered(ReasonCode::Success));
        }
        self.events.extend(self.link.requests.give_up().map(|id| Event::RequestLost { id }));
    }

    /// The host does not want some messages to be delivered any more.
    pub(crate) fn abandon_if(&mut self, is_unwanted: impl FnMut(&Outgoing) -> bool) {
        let events = &mut self.events;
        self.session.give_up_if(is_unwanted, &mut |id, outcome| events.push_back(Event::Published { id, outcome }));
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.link_timeout().into_iter().chain(self.session.poll_timeout()).min()
    }
}
