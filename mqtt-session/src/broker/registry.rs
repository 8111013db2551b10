//! Sessions: whose they are, who of them is connected, and what they are subscribed to.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use mqtt_proto::{QoS, ReasonCode, SubscriptionId, SubscriptionOptions, TopicFilter, TopicFilterBuf, TopicName};

use super::connections::ConnectionId;
use super::due::RetainedDue;
use super::policy::Principal;
use super::share::{Group, GroupHit};
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

    pub(super) fn filters(&self) -> impl Iterator<Item = TopicFilter<'_>> {
        self.filters.iter().map(TopicFilterBuf::as_filter)
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
    groups: Vec<Group>,
}

impl Subscribers {
    fn new(filter: TopicFilter<'_>) -> Self {
        Self { filter: filter.into(), grants: BTreeMap::new(), groups: Vec::new() }
    }

    fn group_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        self.groups.iter_mut().find(|group| *group.name == *name)
    }

    fn grant_mut(&mut self, id: SessionId, share: Option<&[u8]>) -> Option<&mut Grant> {
        match share {
            Some(name) => self.group_mut(name)?.grant_mut(id),
            None => self.grants.get_mut(&id),
        }
    }

    fn insert(&mut self, id: SessionId, whole: TopicFilter<'_>, share: Option<&[u8]>, grant: Grant) {
        let Some(name) = share else {
            self.grants.insert(id, grant);
            return;
        };
        if self.group_mut(name).is_none() {
            self.groups.push(Group::new(whole, name));
        }
        if let Some(group) = self.group_mut(name) {
            group.join(id, grant);
        }
    }

    /// False: there was no such subscription.
    fn remove(&mut self, id: SessionId, share: Option<&[u8]>) -> bool {
        let Some(name) = share else {
            return self.grants.remove(&id).is_some();
        };
        let has_left = self.group_mut(name).is_some_and(|group| group.leave(id));
        self.groups.retain(|group| !group.is_empty());
        has_left
    }

    fn is_empty(&self) -> bool {
        self.grants.is_empty() && self.groups.is_empty()
    }
}

/// A filter as it is matched, and the name under which it is shared.
pub(super) fn split(whole: TopicFilter<'_>) -> (TopicFilter<'_>, Option<&[u8]>) {
    whole.shared().map_or((whole, None), |(name, filter)| (filter, Some(name.as_bytes())))
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

    pub(super) fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values()
    }

    /// v3\[MQTT-3.1.3-2\] v5\[MQTT-3.1.3-2\]
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
        if let Some(before) = self.grant_mut(id, filter) {
            *before = grant;
            return Ok(false);
        }
        let (inner, share) = split(filter);
        let session = self
            .sessions
            .get_mut(id.0)
            .filter(|session| session.filters.len() < self.subscriptions_per_session_max)
            .ok_or(ReasonCode::QuotaExceeded)?;
        let subscribers = self
            .tree
            .get_or_insert_with(inner, || Subscribers::new(inner))
            .map_err(|_full| ReasonCode::QuotaExceeded)?;
        subscribers.insert(id, filter, share, grant);
        session.filters.insert(if share.is_some() { filter.into() } else { subscribers.filter.clone() });
        self.subscriptions = self.subscriptions.saturating_add(1);
        Ok(true)
    }

    /// Ends the subscription to exactly this filter: v3\[MQTT-3.10.4-1\] v5\[MQTT-3.10.4-1\]. False: there is none.
    pub(super) fn unsubscribe(&mut self, id: SessionId, filter: TopicFilter<'_>) -> bool {
        if !self.revoke(id, filter) {
            return false;
        }
        let filter = filter.into();
        if let Some(session) = self.sessions.get_mut(id.0) {
            session.filters.remove(&filter);
            session.retained_due.remove(&filter);
        }
        true
    }

    /// Takes a subscription out of the tree.
    fn revoke(&mut self, id: SessionId, filter: TopicFilter<'_>) -> bool {
        let (inner, share) = split(filter);
        let Some(subscribers) = self.tree.get_mut(inner) else {
            return false;
        };
        // v3[MQTT-3.10.4-2] v5[MQTT-3.10.4-2]
        if !subscribers.remove(id, share) {
            return false;
        }
        if subscribers.is_empty() {
            self.tree.remove(inner);
        }
        self.subscriptions = self.subscriptions.saturating_sub(1);
        true
    }

    /// How a session is subscribed to a filter that is not shared.
    pub(super) fn grant(&self, id: SessionId, filter: TopicFilter<'_>) -> Option<Grant> {
        self.tree.get(filter)?.grants.get(&id).copied()
    }

    fn grant_mut(&mut self, id: SessionId, filter: TopicFilter<'_>) -> Option<&mut Grant> {
        let (inner, share) = split(filter);
        self.tree.get_mut(inner)?.grant_mut(id, share)
    }

    /// Those who share a filter under a name.
    pub(super) fn members(&self, filter: TopicFilter<'_>, name: &[u8]) -> impl Iterator<Item = SessionId> {
        let groups = self.tree.get(filter).into_iter().flat_map(|subscribers| &subscribers.groups);
        groups.filter(|group| *group.name == *name).flat_map(Group::members)
    }

    /// The same, to choose one of them, and what is known of each.
    pub(super) fn group_mut<'a>(
        &'a mut self,
        filter: TopicFilter<'_>,
        name: &[u8],
    ) -> Option<(impl Fn(SessionId) -> Option<&'a Session>, &'a mut Group)> {
        let sessions = &self.sessions;
        let group = self.tree.get_mut(filter)?.group_mut(name)?;
        Some((|id: SessionId| sessions.get(id.0), group))
    }

    /// Asks again which subscriptions of a session are allowed. Returns the verdict on each.
    pub(super) fn judge(
        &mut self,
        id: SessionId,
        is_allowed: impl Fn(TopicFilter<'_>, QoS) -> bool,
    ) -> Vec<(TopicFilterBuf, bool)> {
        let Some(session) = self.sessions.get(id.0) else {
            return Vec::new();
        };
        let mut judged = Vec::new();
        for filter in &session.filters {
            let (inner, share) = split(filter.as_filter());
            let Some(grant) = self.tree.get_mut(inner).and_then(|found| found.grant_mut(id, share)) else { continue };
            grant.is_allowed = is_allowed(filter.as_filter(), grant.qos);
            judged.push((filter.clone(), grant.is_allowed));
        }
        judged
    }

    /// The subscriptions that a message of `publisher` under `topic` is for; those of one session stand together.
    pub(super) fn matches(
        &self,
        topic: TopicName<'_>,
        publisher: Option<SessionId>,
        hits: &mut Vec<Hit>,
        groups: &mut Vec<GroupHit>,
    ) {
        hits.clear();
        groups.clear();
        let mut filters = 0_usize;
        // v3[MQTT-3.3.2-3] v5[MQTT-3.3.2-3]
        for subscribers in self.tree.matches(topic) {
            filters += 1;
            let wanted = subscribers
                .grants
                .iter()
                .map(|(&session, &grant)| Hit { session, grant })
                // v5[MQTT-3.8.3-3]
                .filter(|hit| !hit.grant.no_local || Some(hit.session) != publisher);
            hits.extend(wanted);
            groups.extend(subscribers.groups.iter().map(GroupHit::new));
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
        registry.matches(TopicName::new(topic).unwrap(), None, &mut hits, &mut Vec::new());
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
