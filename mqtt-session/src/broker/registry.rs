//! Sessions: whose they are, who of them is connected, and what they are subscribed to.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use mqtt_proto::{QoS, ReasonCode, SubscriptionId, SubscriptionOptions, TopicFilter, TopicFilterBuf, TopicName};

use super::connections::ConnectionId;
use super::due::RetainedDue;
use super::policy::Principal;
use super::slab::{Key, Slab};
use super::tree::SubscriptionTree;
use super::wills::DelayedWill;
use crate::{Instant, SessionState};

/// Names one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SessionId(Key);

/// What a client identifier stands for (section 4.1).
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) principal: Arc<Principal>,
    /// As of when its subscriptions are known to be allowed.
    pub(super) epoch: u32,
    /// With a connection: it may stay.
    pub(super) may_stay: bool,
    /// The connection that has it.
    pub(super) connection: Option<ConnectionId>,
    /// Without a connection: what the last one left. With one, it is there.
    pub(super) state: SessionState,
    /// Without a connection: when the session ends. `None`: never.
    pub(super) expires: Option<Instant>,
    pub(super) will: Option<DelayedWill>,
    pub(super) armed: Option<Instant>,
    pub(super) retained_due: RetainedDue,
    filters: BTreeSet<TopicFilterBuf>,
}

impl Session {
    fn new(principal: Arc<Principal>, epoch: u32) -> Self {
        Self {
            principal,
            epoch,
            may_stay: true,
            connection: None,
            state: SessionState::default(),
            expires: None,
            will: None,
            armed: None,
            retained_due: RetainedDue::default(),
            filters: BTreeSet::new(),
        }
    }

    /// When something is due while there is no connection.
    pub(super) fn due(&self) -> Option<Instant> {
        let will = self.will.as_ref().map(|will| will.due);
        will.into_iter().chain(self.expires).chain(self.state.poll_timeout()).min()
    }
}

/// How a session is subscribed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) qos: QoS,
    pub(super) no_local: bool,
    pub(super) retain_as_published: bool,
    pub(super) id: Option<SubscriptionId>,
    /// The policy has nothing against it.
    pub(super) is_allowed: bool,
}

impl Grant {
    pub(super) fn new(options: SubscriptionOptions, maximum_qos: QoS, id: Option<SubscriptionId>) -> Self {
        Self {
            // v3[MQTT-3.8.4-6] v5[MQTT-3.8.4-7]
            qos: options.qos.min(maximum_qos),
            no_local: options.no_local,
            retain_as_published: options.retain_as_published,
            id,
            is_allowed: true,
        }
    }
}

/// Everybody who is subscribed to one filter.
#[derive(Clone, Debug)]
pub(super) struct Subscribers {
    filter: TopicFilterBuf,
    grants: BTreeMap<SessionId, Grant>,
}

/// A subscription that a message is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    pub(super) session: SessionId,
    pub(super) grant: Grant,
}

#[derive(Clone, Debug)]
pub(super) struct Registry {
    sessions: Slab<Session>,
    by_client_id: BTreeMap<Arc<str>, SessionId>,
    tree: SubscriptionTree<Subscribers>,
    subscriptions: usize,
    subscriptions_per_session_max: usize,
}

impl Registry {
    pub(super) fn new(subscriptions_per_session_max: usize) -> Self {
        Self {
            sessions: Slab::new(),
            by_client_id: BTreeMap::new(),
            tree: SubscriptionTree::new(),
            subscriptions: 0,
            subscriptions_per_session_max,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Subscriptions of all sessions.
    pub(super) const fn subscriptions(&self) -> usize {
        self.subscriptions
    }

    pub(super) fn find(&self, client_id: &str) -> Option<SessionId> {
        self.by_client_id.get(client_id).copied()
    }

    pub(super) fn get(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(id.0)
    }

    pub(super) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions.get_mut(id.0)
    }

    /// A new session, for a client that has none.
    pub(super) fn insert(&mut self, principal: &Arc<Principal>, epoch: u32) -> Option<SessionId> {
        let id = SessionId(self.sessions.insert(Session::new(Arc::clone(principal), epoch))?);
        let before = self.by_client_id.insert(Arc::clone(&principal.client_id), id);
        debug_assert!(before.is_none(), "one session per client identifier");
        Some(id)
    }

    /// Ends a session with all that belongs to it.
    pub(super) fn remove(&mut self, id: SessionId) -> Option<Session> {
        let session = self.sessions.remove(id.0)?;
        self.by_client_id.remove(&session.principal.client_id);
        for filter in &session.filters {
            self.revoke(id, filter.as_filter());
        }
        Some(session)
    }

    /// Subscribes, in the place of a subscription to the same filter: v3\[MQTT-3.8.4-3\] v5\[MQTT-3.8.4-3\]. Says whether there was none.
    pub(super) fn subscribe(
        &mut self,
        id: SessionId,
        filter: TopicFilter<'_>,
        grant: Grant,
    ) -> Result<bool, ReasonCode> {
        let subscribers = self.tree.get_mut(filter);
        if let Some(before) = subscribers.and_then(|subscribers| subscribers.grants.get_mut(&id)) {
            *before = grant;
            return Ok(false);
        }
        let session = self
            .sessions
            .get_mut(id.0)
            .filter(|session| session.filters.len() < self.subscriptions_per_session_max)
            .ok_or(ReasonCode::QuotaExceeded)?;
        let subscribers = self
            .tree
            .get_or_insert_with(filter, || Subscribers { filter: filter.into(), grants: BTreeMap::new() })
            .map_err(|_full| ReasonCode::QuotaExceeded)?;
        subscribers.grants.insert(id, grant);
        session.filters.insert(subscribers.filter.clone());
        self.subscriptions = self.subscriptions.saturating_add(1);
        Ok(true)
    }

    /// Ends the subscription to exactly this filter: v3\[MQTT-3.10.4-1\] v5\[MQTT-3.10.4-1\]. False: there is none.
    pub(super) fn unsubscribe(&mut self, id: SessionId, filter: TopicFilter<'_>) -> bool {
        let Some(filter) = self.revoke(id, filter) else {
            return false;
        };
        if let Some(session) = self.sessions.get_mut(id.0) {
            session.filters.remove(&filter);
            session.retained_due.remove(&filter);
        }
        true
    }

    /// Takes a subscription out of the tree.
    fn revoke(&mut self, id: SessionId, filter: TopicFilter<'_>) -> Option<TopicFilterBuf> {
        let subscribers = self.tree.get_mut(filter)?;
        subscribers.grants.remove(&id)?;
        let kept = subscribers.filter.clone();
        if subscribers.grants.is_empty() {
            self.tree.remove(filter);
        }
        self.subscriptions = self.subscriptions.saturating_sub(1);
        Some(kept)
    }

    pub(super) fn grant(&self, id: SessionId, filter: TopicFilter<'_>) -> Option<Grant> {
        self.tree.get(filter)?.grants.get(&id).copied()
    }

    /// Asks again which subscriptions of a session are allowed. Returns those that are, unless all are.
    pub(super) fn judge(
        &mut self,
        id: SessionId,
        is_allowed: impl Fn(TopicFilter<'_>, QoS) -> bool,
    ) -> Option<Vec<TopicFilterBuf>> {
        let session = self.sessions.get(id.0)?;
        let mut allowed = Vec::new();
        for filter in &session.filters {
            let subscribers = self.tree.get_mut(filter.as_filter());
            let Some(grant) = subscribers.and_then(|subscribers| subscribers.grants.get_mut(&id)) else { continue };
            grant.is_allowed = is_allowed(filter.as_filter(), grant.qos);
            if grant.is_allowed {
                allowed.push(filter.clone());
            }
        }
        (allowed.len() < session.filters.len()).then_some(allowed)
    }

    /// The subscriptions that a message of `publisher` under `topic` is for; those of one session stand together.
    pub(super) fn matches(&self, topic: TopicName<'_>, publisher: Option<SessionId>, hits: &mut Vec<Hit>) {
        hits.clear();
        let mut filters = 0_usize;
        for subscribers in self.tree.matches(topic) {
            filters += 1;
            let wanted = subscribers
                .grants
                .iter()
                .map(|(&session, &grant)| Hit { session, grant })
                // v5[MQTT-3.8.3-3]
                .filter(|hit| !hit.grant.no_local || Some(hit.session) != publisher);
            hits.extend(wanted);
        }
        if filters > 1 {
            hits.sort_unstable_by_key(|hit| (hit.session, hit.grant.id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> TopicFilter<'_> {
        TopicFilter::new(text).unwrap()
    }

    fn somebody(name: &str) -> Arc<Principal> {
        Arc::new(Principal::new(name, None))
    }

    fn grant() -> Grant {
        Grant::new(SubscriptionOptions::default(), QoS::ExactlyOnce, None)
    }

    fn hits(registry: &Registry, topic: &str) -> usize {
        let mut hits = Vec::new();
        registry.matches(TopicName::new(topic).unwrap(), None, &mut hits);
        hits.len()
    }

    #[test]
    fn a_session_takes_its_subscriptions_with_it() {
        let mut registry = Registry::new(10);
        let first = registry.insert(&somebody("first"), 0).unwrap();
        let second = registry.insert(&somebody("second"), 0).unwrap();
        for text in ["a/b", "a/+", "#"] {
            assert_eq!(registry.subscribe(first, filter(text), grant()), Ok(true));
        }
        assert_eq!(registry.subscribe(second, filter("#"), grant()), Ok(true));
        assert_eq!((registry.subscriptions(), hits(&registry, "a/b")), (4, 4));

        registry.remove(first).unwrap();
        assert_eq!((registry.subscriptions(), hits(&registry, "a/b")), (1, 1));
        assert_eq!(registry.find("first"), None);
        registry.remove(second).unwrap();
        assert!(registry.tree.is_empty());
    }

    #[test]
    fn subscriptions_per_session_are_bounded() {
        let mut registry = Registry::new(2);
        let id = registry.insert(&somebody("one"), 0).unwrap();
        assert_eq!(registry.subscribe(id, filter("a"), grant()), Ok(true));
        assert_eq!(registry.subscribe(id, filter("b"), grant()), Ok(true));
        assert_eq!(registry.subscribe(id, filter("c"), grant()), Err(ReasonCode::QuotaExceeded));
        assert_eq!(registry.subscribe(id, filter("b"), grant()), Ok(false));
        assert!(registry.unsubscribe(id, filter("a")));
        assert!(!registry.unsubscribe(id, filter("a")));
        assert_eq!(registry.subscribe(id, filter("c"), grant()), Ok(true));
        assert_eq!(registry.subscriptions(), 2);
    }
}
