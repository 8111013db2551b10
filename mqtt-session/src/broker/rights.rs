//! What clients were found to be allowed, and until when that is believed.
//!
//! Each change of the policy begins a new epoch. A session of an older one is judged again before anything is delivered to it, or sent on its connection: its
//! subscriptions, and what waits for it or is in flight because of them.

use alloc::sync::Arc;

use mqtt_proto::{ReasonCode, TopicFilter};

use super::Broker;
use super::ask::about;
use super::connections::ConnectionId;
use super::policy::{Action, Policy, Principal};
use super::registry::{Hit, SessionId, split};
use super::route::Publisher;
use super::wills::StoredWill;
use crate::{Instant, Message, Outgoing};

impl Broker {
    /// From now on, `policy` decides what clients may do. Without one, everybody may do everything.
    pub fn set_policy(&mut self, policy: Arc<dyn Policy>) {
        self.policy = Some(policy);
        self.policy_changed();
    }

    /// The policy answers differently from now on. Nothing that it has said before is believed any more: whoever may not stay is sent away (0x87), and what
    /// waits for clients that may not receive it is dropped. What stands in a connection's output already is as good as sent.
    pub fn policy_changed(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        // Each is looked at when it is asked for output.
        self.connections.mark_all();
    }

    pub(super) fn publisher(&self, id: ConnectionId) -> Option<Publisher> {
        let session = self.connections.get(id)?.session?;
        let principal = Arc::clone(&self.registry.get(session)?.principal);
        Some(Publisher { session, principal })
    }

    /// Before anything goes out on a connection, or is taken from it.
    pub(super) fn check_stay(&mut self, now: Instant, id: ConnectionId) {
        if self.policy.is_none() {
            return;
        }
        let Some(session) = self.connections.get(id).and_then(|connection| connection.session) else {
            return;
        };
        self.judge(now, session);
        if self.registry.get(session).is_some_and(|session| !session.may_stay) {
            // Gone already is as good.
            let _ = self.send_away(now, id, ReasonCode::NotAuthorized);
        }
    }

    /// Who takes a session up may be somebody else than who made it.
    pub(super) fn introduce(&mut self, now: Instant, id: SessionId, principal: &Arc<Principal>) {
        if let Some(session) = self.registry.get_mut(id) {
            // Who was sent away, and may come in again, may stay.
            if session.principal != *principal || !session.may_stay {
                session.epoch = self.epoch.wrapping_sub(1);
            }
            // Its name is the key that it was found by.
            session.principal = Arc::clone(principal);
        }
        self.judge(now, id);
    }

    /// Before a message is delivered. True: what was found may be different now.
    pub(super) fn renew(&mut self, now: Instant, hits: &[Hit]) -> bool {
        let mut is_changed = false;
        for hit in hits {
            is_changed |= self.judge(now, hit.session);
        }
        is_changed
    }

    /// Judges a session of an older epoch.
    pub(super) fn judge(&mut self, now: Instant, id: SessionId) -> bool {
        let (Some(session), Some(policy)) = (self.registry.get_mut(id), &self.policy) else {
            return false;
        };
        if session.epoch == self.epoch {
            return false;
        }
        session.epoch = self.epoch;
        let who = Arc::clone(&session.principal);
        let may = |action: &Action<'_>| policy.check(&who, action).is_allowed();
        let connection = session.connection;
        session.may_stay = connection.is_none() || may(&Action::Stay);
        let may_stay = session.may_stay;
        let is_allowed = |filter: TopicFilter<'_>, qos| may_stay && may(&Action::subscribe(filter, qos));
        let judged = self.registry.judge(id, is_allowed);
        let is_unwanted = |outgoing: &Outgoing| {
            let topic = outgoing.message.topic();
            let is_match = |whole: TopicFilter<'_>| split(whole).0.matches(topic);
            let mut matching = judged.iter().filter(|(filter, _)| is_match(filter.as_filter())).peekable();
            if matching.peek().is_some() {
                return !matching.any(|(_, is_allowed)| *is_allowed);
            }
            // What it was sent for is unsubscribed.
            let alone = TopicFilter::new(topic.as_str());
            let alone = alone.map(|filter| Action::Subscribe { filter, share: None, qos: outgoing.qos });
            !(may_stay && alone.is_ok_and(|action| may(&action)))
        };
        let connection = connection.and_then(|id| self.connections.get_mut(id));
        if let Some(connection) = connection {
            connection.server.abandon_if(now, is_unwanted);
        } else if let Some(session) = self.registry.get_mut(id) {
            session.state.give_up_if(is_unwanted, &mut |_, outcome| self.drops.note(outcome));
        }
        true
    }

    /// A client that is gone may publish what it left behind.
    pub(super) fn may_publish(&self, will: &StoredWill) -> bool {
        let rules = Rules { policy: self.policy.as_deref(), epoch: self.epoch };
        rules.may_publish(&will.principal, will.epoch, &will.message())
    }
}

/// What holds now.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) policy: Option<&'a dyn Policy>,
    pub(super) epoch: u32,
}

impl Rules<'_> {
    /// Something that was allowed in an epoch is so still.
    pub(super) fn may_publish(self, who: &Principal, epoch: u32, message: &Message<'_>) -> bool {
        let policy = self.policy.filter(|_| epoch != self.epoch);
        policy.is_none_or(|policy| {
            about(message).into_iter().flatten().all(|action| policy.check(who, &action).is_allowed())
        })
    }
}
