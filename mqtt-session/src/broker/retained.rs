//! The last retained message of each topic.

use alloc::collections::BTreeSet;
use alloc::collections::btree_set;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::cmp::Ordering;
use core::iter::FusedIterator;
use core::ops::Bound;

use mqtt_proto::{PublishBuf, TopicFilter, TopicName};

use super::policy::Principal;
use crate::{Instant, Outgoing};

/// One message per topic, for those who subscribe later (section 3.3.1.3). Bounded by a number of messages and of bytes.
///
/// ```
/// use std::sync::Arc;
/// use mqtt_proto::{Publish, PublishBuf, TopicFilter, TopicName};
/// use mqtt_session::{Instant, RetainedStore};
///
/// let now = Instant::ZERO;
/// let mut store = RetainedStore::new(1_000, 1 << 20);
/// for (name, payload) in [("house/door", "open"), ("house/kitchen/light", "on"), ("garden/gate", "shut")] {
///     let topic = TopicName::new(name)?;
///     store.insert(now, Arc::new(PublishBuf::new(topic, &Publish::new(topic, payload))))?;
/// }
/// let house: Vec<_> = store.matches(now, TopicFilter::new("house/#")?).map(|kept| kept.topic().as_str()).collect();
/// assert_eq!(house, ["house/door", "house/kitchen/light"]);
///
/// // An empty payload deletes.
/// let door = TopicName::new("house/door")?;
/// store.insert(now, Arc::new(PublishBuf::new(door, &Publish::new(door, ""))))?;
/// assert!(store.get(now, door).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Topics are kept in order, so that a filter is looked up by jumping from one candidate to the next: `a/#` reads the topics below `a` and no others,
/// `+/status` jumps once per first level, however many topics there are behind it.
///
/// # Time
///
/// A message with a Message Expiry Interval is found for so many seconds, and no longer: v5\[MQTT-3.3.2-5\]. Its room is free again after
/// [`handle_timeout`](Self::handle_timeout), or when somebody else needs it.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use mqtt_proto::{PropertiesBuf, Property, Publish, PublishBuf, TopicName};
/// use mqtt_session::{Instant, RetainedStore};
///
/// let mut properties = PropertiesBuf::new();
/// properties.push(Property::MessageExpiryInterval(60))?;
/// let topic = TopicName::new("bus/12/arrives")?;
/// let mut publish = Publish::new(topic, "in a minute");
/// publish.properties = properties.as_properties();
///
/// let stored = Instant::ZERO;
/// let mut store = RetainedStore::new(1_000, 1 << 20);
/// store.insert(stored, Arc::new(PublishBuf::new(topic, &publish)))?;
/// let due = store.poll_timeout().unwrap();
/// assert_eq!(due, stored + Duration::from_secs(60));
///
/// assert!(store.get(stored + Duration::from_secs(59), topic).is_some());
/// assert!(store.get(due, topic).is_none());
/// assert_eq!(store.len(), 1);
/// store.handle_timeout(due);
/// assert_eq!(store.len(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RetainedStore {
    messages: BTreeSet<Retained>,
    /// Those that expire, by when they do.
    expiring: BTreeSet<(Instant, Retained)>,
    bytes: usize,
    messages_max: usize,
    bytes_max: usize,
    /// The number of the last one.
    last: u64,
}

/// A retained message is not kept, because the store is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "retained messages are full: {messages} messages, {bytes} bytes (limits: retained_messages_max, retained_bytes_max)"
)]
#[non_exhaustive]
pub struct RetainedFull {
    /// Messages in the store.
    pub messages: usize,
    /// Their bytes.
    pub bytes: usize,
}

/// A message in a [`RetainedStore`].
///
/// ```
/// use std::sync::Arc;
/// use mqtt_proto::{Publish, PublishBuf, TopicFilter, TopicName};
/// use mqtt_session::{Instant, RetainedStore};
///
/// let now = Instant::ZERO;
/// let topic = TopicName::new("door")?;
/// let mut store = RetainedStore::new(10, 1_000);
/// store.insert(now, Arc::new(PublishBuf::new(topic, &Publish::new(topic, "open"))))?;
/// for kept in store.matches(now, TopicFilter::new("+")?) {
///     // For `Server::deliver`.
///     let outgoing = kept.outgoing();
///     assert!(outgoing.retain);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Retained {
    message: Arc<PublishBuf>,
    expires: Option<Instant>,
    origin: Option<Origin>,
    /// Counts all that were ever stored.
    pub(super) number: u64,
}

/// The client that published a retained message.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) principal: Arc<Principal>,
    /// When it was known that it may.
    pub(super) epoch: u32,
}

impl Retained {
    /// The message, as it was stored.
    #[must_use]
    pub const fn message(&self) -> &Arc<PublishBuf> {
        &self.message
    }

    /// Its topic.
    #[must_use]
    pub fn topic(&self) -> TopicName<'_> {
        self.message.topic()
    }

    /// When it is no longer worth delivering; `None`: never.
    #[must_use]
    pub const fn expires(&self) -> Option<Instant> {
        self.expires
    }

    /// A delivery to a new subscriber, at the QoS that it was published with. It is marked as retained (v3\[MQTT-3.3.1-8\]), and says what is left of its time: v5\[MQTT-3.3.2-6\].
    #[must_use]
    pub fn outgoing(&self) -> Outgoing {
        let mut outgoing = Outgoing::new(Instant::ZERO, Arc::clone(&self.message));
        outgoing.retain = true;
        outgoing.expires = self.expires;
        outgoing
    }

    /// Whose it is. `None`: the host's own.
    pub(super) const fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    fn is_expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

impl RetainedStore {
    /// An empty store for at most so many messages of at most so many bytes (topic, properties and payload) together.
    #[must_use]
    pub const fn new(messages_max: usize, bytes_max: usize) -> Self {
        Self { messages: BTreeSet::new(), expiring: BTreeSet::new(), bytes: 0, messages_max, bytes_max, last: 0 }
    }

    /// How many messages there are, those included that have expired since the last [`handle_timeout`](Self::handle_timeout).
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Bytes of all messages.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps a message in the place of the one before it, which is returned. One with an empty payload only removes that. If it has a Message Expiry Interval, that runs from `now`.
    ///
    /// # Errors
    ///
    /// [`RetainedFull`]: it is not kept. The one before it is gone all the same, because what it says is no longer true.
    pub fn insert(&mut self, now: Instant, message: Arc<PublishBuf>) -> Result<Option<Arc<PublishBuf>>, RetainedFull> {
        self.insert_from(now, message, None)
    }

    pub(super) fn insert_from(
        &mut self,
        now: Instant,
        message: Arc<PublishBuf>,
        origin: Option<Origin>,
    ) -> Result<Option<Arc<PublishBuf>>, RetainedFull> {
        // Whatever its QoS, and also if it can't be kept itself: v3[MQTT-3.3.1-7]
        let before = self.remove(message.topic());
        // v3[MQTT-3.3.1-10] v3[MQTT-3.3.1-11] v5[MQTT-3.3.1-6] v5[MQTT-3.3.1-7]
        if message.payload().is_empty() {
            return Ok(before);
        }
        if !self.has_room(&message) {
            self.handle_timeout(now);
        }
        if !self.has_room(&message) {
            return Err(RetainedFull { messages: self.messages.len(), bytes: self.bytes });
        }
        self.bytes = self.bytes.saturating_add(message.len());
        self.last = self.last.saturating_add(1);
        let Outgoing { expires, message, .. } = Outgoing::new(now, message);
        let kept = Retained { message, expires, origin, number: self.last };
        if let Some(expires) = expires {
            self.expiring.insert((expires, kept.clone()));
        }
        // v3[MQTT-3.3.1-5] v5[MQTT-3.3.1-5]
        self.messages.insert(kept);
        Ok(before)
    }

    fn has_room(&self, message: &PublishBuf) -> bool {
        self.messages.len() < self.messages_max && self.bytes.saturating_add(message.len()) <= self.bytes_max
    }

    /// The message of a topic.
    #[must_use]
    pub fn get(&self, now: Instant, topic: TopicName<'_>) -> Option<&Retained> {
        self.messages.get(topic.as_bytes()).filter(|kept| !kept.is_expired(now))
    }

    /// Takes the message of a topic.
    pub fn remove(&mut self, topic: TopicName<'_>) -> Option<Arc<PublishBuf>> {
        let kept = self.messages.take(topic.as_bytes())?;
        self.bytes = self.bytes.saturating_sub(kept.message.len());
        let Retained { expires, ref message, .. } = kept;
        let message = Arc::clone(message);
        if let Some(expires) = expires {
            self.expiring.remove(&(expires, kept));
        }
        Some(message)
    }

    /// The messages that a filter matches, in the order of their topics' bytes.
    ///
    /// Filters that begin with a wildcard don't match topics that begin with `$`: v3\[MQTT-4.7.2-1\] v5\[MQTT-4.7.2-1\].
    #[must_use]
    pub fn matches<'a>(&'a self, now: Instant, filter: TopicFilter<'a>) -> RetainedMatches<'a> {
        self.matches_from(now, filter, Bound::Unbounded)
    }

    /// Those of [`matches`](Self::matches) behind `topic`, for whoever sends them in several steps. The store may change in between.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use mqtt_proto::{Publish, PublishBuf, TopicFilter, TopicName};
    /// use mqtt_session::{Instant, RetainedStore};
    ///
    /// let now = Instant::ZERO;
    /// let mut store = RetainedStore::new(1_000, 1 << 20);
    /// for name in ["a/1", "a/2", "a/3"] {
    ///     let topic = TopicName::new(name)?;
    ///     store.insert(now, Arc::new(PublishBuf::new(topic, &Publish::new(topic, "x"))))?;
    /// }
    /// let filter = TopicFilter::new("a/+")?;
    /// let second = store.remove(TopicName::new("a/2")?).unwrap();
    /// let rest: Vec<_> = store.matches_after(now, filter, second.topic()).map(|kept| kept.topic().as_str()).collect();
    /// assert_eq!(rest, ["a/3"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn matches_after<'a>(
        &'a self,
        now: Instant,
        filter: TopicFilter<'a>,
        topic: TopicName<'_>,
    ) -> RetainedMatches<'a> {
        self.matches_from(now, filter, Bound::Excluded(topic.as_bytes()))
    }

    fn matches_from<'a>(&'a self, now: Instant, filter: TopicFilter<'a>, from: Bound<&[u8]>) -> RetainedMatches<'a> {
        RetainedMatches {
            messages: &self.messages,
            now,
            filter: filter.as_bytes(),
            candidates: Some(self.messages.range::<[u8], _>((from, Bound::Unbounded))),
            target: Vec::new(),
        }
    }

    /// When the next message expires.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.expiring.first().map(|(expires, _)| *expires)
    }

    /// Removes messages that have expired. Not more than some thousands in one go: if there are others, [`poll_timeout`](Self::poll_timeout) is in the past.
    pub fn handle_timeout(&mut self, now: Instant) {
        for _ in 0..EXPIRED_MAX {
            if self.poll_timeout().is_none_or(|expires| expires > now) {
                return;
            }
            if let Some((_, kept)) = self.expiring.pop_first() {
                self.remove(kept.topic());
            }
        }
    }

    /// The number of the last message that was stored.
    pub(super) const fn last(&self) -> u64 {
        self.last
    }
}

/// How many expired messages are removed in one go: about a millisecond of work.
const EXPIRED_MAX: usize = 4_000;

/// Found and ordered by the topic's bytes.
impl Borrow<[u8]> for Retained {
    fn borrow(&self) -> &[u8] {
        self.message.topic().as_bytes()
    }
}

impl Ord for Retained {
    fn cmp(&self, other: &Self) -> Ordering {
        let this: &[u8] = self.borrow();
        this.cmp(other.borrow())
    }
}

impl PartialOrd for Retained {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Retained {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Retained {}

/// Yields the retained messages that a filter matches. Made by [`RetainedStore::matches`].
///
/// ```
/// use mqtt_proto::TopicFilter;
/// use mqtt_session::{Instant, RetainedStore};
///
/// let store = RetainedStore::new(10, 1_000);
/// assert!(store.matches(Instant::ZERO, TopicFilter::new("#")?).next().is_none());
/// # Ok::<(), mqtt_proto::Cause>(())
/// ```
#[derive(Clone, Debug)]
pub struct RetainedMatches<'a> {
    messages: &'a BTreeSet<Retained>,
    now: Instant,
    filter: &'a [u8],
    /// Where we are. `None`: at the end.
    candidates: Option<btree_set::Range<'a, Retained>>,
    /// Where to jump.
    target: Vec<u8>,
}

impl<'a> Iterator for RetainedMatches<'a> {
    type Item = &'a Retained;

    fn next(&mut self) -> Option<&'a Retained> {
        loop {
            let (kept, is_match) = self.look()?;
            if is_match {
                return Some(kept);
            }
        }
    }
}

impl<'a> RetainedMatches<'a> {
    /// Looks at one more message, and says whether it matches. For those who can't afford to look at all of them in one go: `matches_after` goes on behind it.
    pub(super) fn look(&mut self) -> Option<(&'a Retained, bool)> {
        let candidate = self.candidates.as_mut()?.next();
        let verdict =
            candidate.map_or(Verdict::End, |candidate| judge(self.filter, candidate.borrow(), &mut self.target));
        match verdict {
            Verdict::Match | Verdict::TooShort => {}
            Verdict::Jump => {
                let from = Bound::Included(self.target.as_slice());
                let range = self.messages.range::<[u8], _>((from, Bound::Unbounded));
                self.candidates = Some(range);
            }
            Verdict::End => {
                self.candidates = None;
                return None;
            }
        }
        // v5[MQTT-3.3.2-5]
        candidate.map(|candidate| (candidate, verdict == Verdict::Match && !candidate.is_expired(self.now)))
    }
}

impl FusedIterator for RetainedMatches<'_> {}

/// What a candidate tells about the way on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Match,
    /// No match here; perhaps the next.
    TooShort,
    /// No match here, and none before `target`.
    Jump,
    /// No match here or later.
    End,
}

/// Compares level by level. At the first difference, everything up to there can be skipped that shares it.
///
/// The topics below a prefix `p/` are contiguous in byte order, but `p` itself need not be next to them: `p!` stands between.
fn judge(filter: &[u8], topic: &[u8], target: &mut Vec<u8>) -> Verdict {
    target.clear();
    // v3[MQTT-4.7.2-1] v5[MQTT-4.7.2-1]
    if topic.starts_with(b"$") && matches!(filter.first(), Some(b'+' | b'#')) {
        target.push(b'$' + 1);
        return Verdict::Jump;
    }
    let mut wanted = filter.split(|&byte| byte == b'/').peekable();
    // Where the topic's next level begins.
    let mut at = Some(0);
    while let Some(level) = wanted.next() {
        if level == b"#" {
            return Verdict::Match;
        }
        let Some(start) = at else {
            return Verdict::TooShort;
        };
        let (before, rest) = topic.split_at_checked(start).unwrap_or_default();
        let len = rest.iter().position(|&byte| byte == b'/');
        let found = rest.get(..len.unwrap_or(rest.len())).unwrap_or_default();
        // v3[MQTT-4.7.3-4] v5[MQTT-4.7.3-4]
        if level != b"+" && level != found {
            target.extend_from_slice(before);
            target.extend_from_slice(level);
            if target.as_slice() > topic {
                return Verdict::Jump;
            }
            if wanted.peek().is_some() {
                target.push(b'/');
                if target.as_slice() > topic {
                    return Verdict::Jump;
                }
            }
            return behind(before, target);
        }
        at = len.map(|len| start.saturating_add(len).saturating_add(1));
    }
    match at {
        None => Verdict::Match,
        // Too long, like everything else below.
        Some(start) => behind(topic.get(..start).unwrap_or_default(), target),
    }
}

/// On to the first topic that does not begin with `prefix`, which ends with a slash.
fn behind(prefix: &[u8], target: &mut Vec<u8>) -> Verdict {
    let Some((_slash, parent)) = prefix.split_last() else {
        return Verdict::End;
    };
    target.clear();
    target.extend_from_slice(parent);
    target.push(b'/' + 1);
    Verdict::Jump
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use core::time::Duration;
    use mqtt_proto::{PropertiesBuf, Property, Publish};

    const NOW: Instant = Instant::ZERO;

    fn message(name: &str, payload: &str) -> Arc<PublishBuf> {
        let topic = TopicName::new(name).unwrap();
        Arc::new(PublishBuf::new(topic, &Publish::new(topic, payload)))
    }

    fn topic(name: &str) -> TopicName<'_> {
        TopicName::new(name).unwrap()
    }

    #[test]
    fn the_number_of_messages_is_bounded() {
        let mut store = RetainedStore::new(2, 1_000);
        store.insert(NOW, message("a", "1")).unwrap();
        store.insert(NOW, message("b", "1")).unwrap();
        let full = RetainedFull { messages: 2, bytes: 4 };
        assert_eq!(store.insert(NOW, message("c", "1")), Err(full));
        store.insert(NOW, message("b", "2")).unwrap();
        store.insert(NOW, message("a", "")).unwrap();
        store.insert(NOW, message("c", "1")).unwrap();
        assert_eq!((store.len(), store.bytes()), (2, 4));
    }

    #[test]
    fn the_bytes_of_messages_are_bounded() {
        let mut store = RetainedStore::new(100, 10);
        store.insert(NOW, message("a", "12345")).unwrap();
        store.insert(NOW, message("b", "123")).unwrap();
        assert!(store.insert(NOW, message("c", "")).is_ok());
        assert!(store.insert(NOW, message("c", "1")).is_err());
        assert_eq!(store.bytes(), 10);
    }

    #[test]
    fn a_message_that_does_not_fit_takes_the_old_one_with_it() {
        let mut store = RetainedStore::new(100, 10);
        store.insert(NOW, message("a", "old")).unwrap();
        assert!(store.insert(NOW, message("a", "far too long")).is_err());
        assert!(store.get(NOW, topic("a")).is_none());
        assert_eq!(store.bytes(), 0);
    }

    #[test]
    fn a_lookup_jumps_over_what_cannot_match() {
        let mut store = RetainedStore::new(10_000, 1_000_000);
        for group in 0..10 {
            for item in 0..100 {
                let name = alloc::format!("g{group}/item{item}/value");
                store.insert(NOW, message(&name, "x")).unwrap();
            }
            let name = alloc::format!("g{group}/status");
            store.insert(NOW, message(&name, "x")).unwrap();
        }
        let filter = TopicFilter::new("+/status").unwrap();
        let mut target = Vec::new();
        let mut jumps = 0;
        let mut from: Vec<u8> = Vec::new();
        let mut found: Vec<String> = Vec::new();
        while let Some(candidate) =
            store.messages.range::<[u8], _>((Bound::Included(from.as_slice()), Bound::Unbounded)).next()
        {
            jumps += 1;
            match judge(filter.as_bytes(), candidate.borrow(), &mut target) {
                Verdict::Match => {
                    let topic = candidate.topic();
                    found.push(topic.as_str().into());
                    from = topic.as_bytes().into();
                    from.push(0);
                }
                Verdict::Jump => from.clone_from(&target),
                Verdict::TooShort => panic!("all topics have two levels"),
                Verdict::End => break,
            }
        }
        assert_eq!(found.len(), 10);
        assert!(jumps <= 30, "{jumps} jumps");
    }

    fn brief(name: &str, seconds: u32) -> Arc<PublishBuf> {
        let mut properties = PropertiesBuf::new();
        properties.push(Property::MessageExpiryInterval(seconds)).unwrap();
        let mut publish = Publish::new(topic(name), "x");
        publish.properties = properties.as_properties();
        Arc::new(PublishBuf::new(topic(name), &publish))
    }

    fn second(number: u64) -> Instant {
        NOW + Duration::from_secs(number)
    }

    /// v5\[MQTT-3.3.2-5\]
    #[test]
    fn what_has_expired_is_not_found_and_then_not_held() {
        let mut store = RetainedStore::new(100, 1_000);
        for (name, seconds) in [("a", 3), ("b", 1), ("c", 2), ("d", 0)] {
            store.insert(second(1), brief(name, seconds)).unwrap();
        }
        store.insert(second(1), message("e", "stays")).unwrap();
        let found = |store: &RetainedStore, at| {
            let filter = TopicFilter::new("#").unwrap();
            store.matches(second(at), filter).map(|kept| kept.topic().as_str().into()).collect::<Vec<String>>()
        };
        assert_eq!(found(&store, 1), ["a", "b", "c", "e"]);
        assert_eq!(found(&store, 2), ["a", "c", "e"]);
        assert!(store.get(second(2), topic("b")).is_none());
        assert_eq!((store.len(), store.poll_timeout()), (5, Some(second(1))));
        store.handle_timeout(second(2));
        assert_eq!((store.len(), store.poll_timeout()), (3, Some(second(3))));
        // Neither a message in its place nor its end leaves a deadline behind.
        store.insert(second(2), message("c", "now without")).unwrap();
        store.remove(topic("a")).unwrap();
        assert_eq!((store.poll_timeout(), store.expiring.len()), (None, 0));
        store.handle_timeout(second(100));
        assert_eq!(found(&store, 100), ["c", "e"]);
        assert_eq!(store.bytes(), message("c", "now without").len() + message("e", "stays").len());
    }

    #[test]
    fn the_room_of_what_has_expired_is_there_for_others() {
        let mut store = RetainedStore::new(2, 1_000);
        store.insert(NOW, brief("a", 1)).unwrap();
        store.insert(NOW, brief("b", 9)).unwrap();
        assert!(store.insert(NOW, message("c", "x")).is_err());
        assert!(store.insert(second(1), message("c", "x")).is_ok());
        assert!(store.insert(second(1), message("d", "x")).is_err());
    }

    #[test]
    fn messages_that_expire_together_go_in_several_goes() {
        let mut store = RetainedStore::new(100_000, 10_000_000);
        for number in 0..=EXPIRED_MAX {
            store.insert(NOW, brief(&alloc::format!("{number}"), 1)).unwrap();
        }
        store.handle_timeout(second(1));
        assert_eq!((store.len(), store.poll_timeout()), (1, Some(second(1))));
        store.handle_timeout(second(1));
        assert_eq!((store.len(), store.bytes(), store.poll_timeout()), (0, 0, None));
    }

    /// v5\[MQTT-3.3.2-6\]
    #[test]
    fn a_delivery_has_what_is_left_of_the_time() {
        let mut store = RetainedStore::new(100, 1_000);
        store.insert(second(5), brief("a", 10)).unwrap();
        let outgoing = store.get(second(8), topic("a")).unwrap().outgoing();
        assert_eq!((outgoing.expiry_interval(second(8)), outgoing.expires), (Some(7), Some(second(15))));
    }
}
