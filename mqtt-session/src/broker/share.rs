//! Shared subscriptions: of those who share one, each message is for one (5.0 section 4.8.2).
//!
//! Who gets it is decided anew for each message: of those who are connected and have room, the next in turn; then one who is connected; then one who is away, and will find it.
//! What a session leaves behind when it ends, or leaves the group, goes to another member, except at QoS 2 once it has been sent.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use mqtt_proto::{PublishBuf, TopicFilter, TopicFilterBuf};

use super::Broker;
use super::registry::{Grant, Hit, Session, SessionId};
use super::route::outgoing;
use crate::{Instant, Outcome, Outgoing};

/// Those who share one filter under one name.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) name: Box<[u8]>,
    /// As their clients wrote it.
    whole: Arc<TopicFilterBuf>,
    /// In the order of their names.
    members: Vec<(SessionId, Grant)>,
    /// Whose turn it is.
    next: usize,
}

/// How well a member can take a message now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Readiness {
    /// It may not have it.
    Forbidden,
    /// It will find it when it comes back.
    Away,
    /// It is connected, and others wait before this one.
    Busy,
    Ready,
}

impl Group {
    pub(super) fn new(filter: TopicFilter<'_>, name: &[u8]) -> Self {
        Self { name: name.into(), whole: Arc::new(filter.into()), members: Vec::new(), next: 0 }
    }

    pub(super) fn members(&self) -> impl Iterator<Item = SessionId> {
        self.members.iter().map(|&(id, _)| id)
    }

    fn find(&self, id: SessionId) -> Result<usize, usize> {
        self.members.binary_search_by_key(&id, |&(member, _)| member)
    }

    pub(super) fn grant_mut(&mut self, id: SessionId) -> Option<&mut Grant> {
        let index = self.find(id).ok()?;
        self.members.get_mut(index).map(|(_, grant)| grant)
    }

    /// A session joins, or is subscribed otherwise from now on.
    pub(super) fn join(&mut self, id: SessionId, grant: Grant) {
        match self.find(id) {
            Ok(index) => {
                if let Some((_, before)) = self.members.get_mut(index) {
                    *before = grant;
                }
            }
            Err(index) => self.members.insert(index, (id, grant)),
        }
    }

    pub(super) fn leave(&mut self, id: SessionId) -> bool {
        let found = self.find(id);
        if let Ok(index) = found {
            self.members.remove(index);
            // The others keep their turns.
            self.next = self.next.saturating_sub(usize::from(index < self.next));
        }
        found.is_ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The first in turn of those who are most ready.
    fn choose(&mut self, readiness: impl Fn(SessionId, &Grant) -> Readiness) -> Option<(SessionId, Grant)> {
        let start = if self.next < self.members.len() { self.next } else { 0 };
        let (before, after) = self.members.split_at_checked(start)?;
        let mut best = None;
        for (index, (id, grant)) in (start..).zip(after).chain((0..).zip(before)) {
            let ready = readiness(*id, grant);
            if best.is_none_or(|(found, _)| found < ready) {
                best = Some((ready, index));
            }
            if ready == Readiness::Ready {
                break;
            }
        }
        let (_, index) = best.filter(|(found, _)| *found > Readiness::Forbidden)?;
        self.next = index.saturating_add(1);
        self.members.get(index).copied()
    }
}

/// A group that a message is for.
#[derive(Clone, Debug)]
pub(super) struct GroupHit {
    whole: Arc<TopicFilterBuf>,
}

impl GroupHit {
    pub(super) fn new(group: &Group) -> Self {
        Self { whole: Arc::clone(&group.whole) }
    }

    /// A message for the member that was chosen.
    pub(super) fn outgoing(&self, now: Instant, message: &Arc<PublishBuf>, chosen: &Hit) -> Outgoing {
        // A copy of its own, with its own QoS and identifier: v5[MQTT-3.3.4-5] v5[MQTT-4.8.2-3]
        Outgoing { share: Some(Arc::clone(&self.whole)), ..outgoing(now, message, core::slice::from_ref(chosen)) }
    }
}

impl Broker {
    /// Who of a group gets the next message. `None`: nobody may.
    pub(super) fn choose(&mut self, now: Instant, hit: &GroupHit) -> Option<Hit> {
        let (name, filter) = hit.whole.as_filter().shared()?;
        if self.policy.is_some() {
            let members: Vec<_> = self.registry.members(filter, name.as_bytes()).collect();
            for member in members {
                self.judge(now, member);
            }
        }
        let Self { registry, connections, .. } = self;
        let (sessions, group) = registry.group_mut(filter, name.as_bytes())?;
        let readiness = |id: SessionId, grant: &Grant| match sessions(id) {
            Some(session) if grant.is_allowed => match session.connection.and_then(|id| connections.get(id)) {
                Some(connection) if connection.server.is_ready() => Readiness::Ready,
                Some(_) => Readiness::Busy,
                None => Readiness::Away,
            },
            _ => Readiness::Forbidden,
        };
        let (session, grant) = group.choose(readiness)?;
        Some(Hit { session, grant })
    }

    /// What a session leaves that has ended.
    pub(super) fn bequeath(&mut self, now: Instant, mut session: Session) {
        // When all go, nobody is there to take it.
        if !self.is_shutting_down {
            for outgoing in session.state.take_shared(|_| true, true) {
                self.offer_again(now, outgoing);
            }
        }
        session.state.end(&mut |outcome| self.drops.note(outcome));
    }

    /// What waits for a session that has left a group.
    pub(super) fn hand_over(&mut self, now: Instant, id: SessionId, filter: TopicFilter<'_>) {
        let Some(session) = self.registry.get_mut(id) else {
            return;
        };
        let state = match session.connection.and_then(|id| self.connections.get_mut(id)) {
            Some(connection) => connection.server.session_mut(),
            None => &mut session.state,
        };
        // What is in flight stays with it.
        for outgoing in state.take_shared(|whole| whole.as_filter() == filter, false) {
            self.offer_again(now, outgoing);
        }
    }

    fn offer_again(&mut self, now: Instant, outgoing: Outgoing) {
        let hit = outgoing.share.clone().map(|whole| GroupHit { whole });
        match hit.and_then(|hit| Some((self.choose(now, &hit)?, hit))) {
            Some((chosen, hit)) => {
                let again = hit.outgoing(now, &outgoing.message, &chosen);
                self.deliver(now, chosen.session, Outgoing { expires: outgoing.expires, ..again });
            }
            // The last has left: v5 4.8.2
            None => self.drops.note(Outcome::SessionLost),
        }
    }
}
