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

/// One message per topic, for those who subscribe later (section 3.3.1.3). Bounded by a number of messages and of bytes.
///
/// ```
/// use std::sync::Arc;
/// use mqtt_proto::{Publish, PublishBuf, TopicFilter, TopicName};
/// use mqtt_session::RetainedStore;
///
/// let mut store = RetainedStore::new(1_000, 1 << 20);
/// for (name, payload) in [("house/door", "open"), ("house/kitchen/light", "on"), ("garden/gate", "shut")] {
///     let topic = TopicName::new(name)?;
///     store.insert(Arc::new(PublishBuf::new(topic, &Publish::new(topic, payload))))?;
/// }
/// let house: Vec<_> = store.matches(TopicFilter::new("house/#")?).map(|message| message.topic().as_str()).collect();
/// assert_eq!(house, ["house/door", "house/kitchen/light"]);
///
/// // An empty payload deletes.
/// let door = TopicName::new("house/door")?;
/// store.insert(Arc::new(PublishBuf::new(door, &Publish::new(door, ""))))?;
/// assert!(store.get(door).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Topics are kept in order, so that a filter is looked up by jumping from one candidate to the next: `a/#` reads the topics below `a` and no others,
/// `+/status` jumps once per first level, however many topics there are behind it.
#[derive(Clone, Debug)]
pub struct RetainedStore {
    messages: BTreeSet<ByTopic>,
    bytes: usize,
    messages_max: usize,
    bytes_max: usize,
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

impl RetainedStore {
    /// An empty store for at most so many messages of at most so many bytes (topic, properties and payload) together.
    #[must_use]
    pub const fn new(messages_max: usize, bytes_max: usize) -> Self {
        Self { messages: BTreeSet::new(), bytes: 0, messages_max, bytes_max }
    }

    /// How many messages there are.
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

    /// Keeps a message in the place of the one before it, which is returned. One with an empty payload only removes that.
    ///
    /// # Errors
    ///
    /// [`RetainedFull`]: it is not kept. The one before it is gone all the same, because what it says is no longer true.
    pub fn insert(&mut self, message: Arc<PublishBuf>) -> Result<Option<Arc<PublishBuf>>, RetainedFull> {
        // Whatever its QoS, and also if it can't be kept itself: v3[MQTT-3.3.1-7]
        let before = self.remove(message.topic());
        // v3[MQTT-3.3.1-10] v3[MQTT-3.3.1-11] v5[MQTT-3.3.1-6] v5[MQTT-3.3.1-7]
        if message.payload().is_empty() {
            return Ok(before);
        }
        let bytes = self.bytes.saturating_add(message.len());
        if self.messages.len() >= self.messages_max || bytes > self.bytes_max {
            return Err(RetainedFull { messages: self.messages.len(), bytes: self.bytes });
        }
        // v3[MQTT-3.3.1-5] v5[MQTT-3.3.1-5]
        self.messages.insert(ByTopic(message));
        self.bytes = bytes;
        Ok(before)
    }

    /// The message of a topic.
    #[must_use]
    pub fn get(&self, topic: TopicName<'_>) -> Option<&Arc<PublishBuf>> {
        self.messages.get(topic.as_bytes()).map(|kept| &kept.0)
    }

    /// Takes the message of a topic.
    pub fn remove(&mut self, topic: TopicName<'_>) -> Option<Arc<PublishBuf>> {
        let message = self.messages.take(topic.as_bytes())?.0;
        self.bytes = self.bytes.saturating_sub(message.len());
        Some(message)
    }

    /// The messages that a filter matches, in the order of their topics' bytes.
    ///
    /// Filters that begin with a wildcard don't match topics that begin with `$`: v3\[MQTT-4.7.2-1\] v5\[MQTT-4.7.2-1\].
    #[must_use]
    pub fn matches<'a>(&'a self, filter: TopicFilter<'a>) -> RetainedMatches<'a> {
        self.matches_from(filter, Bound::Unbounded)
    }

    /// Those of [`matches`](Self::matches) behind `topic`, for whoever sends them in several steps. The store may change in between.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use mqtt_proto::{Publish, PublishBuf, TopicFilter, TopicName};
    /// use mqtt_session::RetainedStore;
    ///
    /// let mut store = RetainedStore::new(1_000, 1 << 20);
    /// for name in ["a/1", "a/2", "a/3"] {
    ///     let topic = TopicName::new(name)?;
    ///     store.insert(Arc::new(PublishBuf::new(topic, &Publish::new(topic, "x"))))?;
    /// }
    /// let filter = TopicFilter::new("a/+")?;
    /// let second = store.remove(TopicName::new("a/2")?).unwrap();
    /// let rest: Vec<_> = store.matches_after(filter, second.topic()).map(|message| message.topic().as_str()).collect();
    /// assert_eq!(rest, ["a/3"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn matches_after<'a>(&'a self, filter: TopicFilter<'a>, topic: TopicName<'_>) -> RetainedMatches<'a> {
        self.matches_from(filter, Bound::Excluded(topic.as_bytes()))
    }

    fn matches_from<'a>(&'a self, filter: TopicFilter<'a>, from: Bound<&[u8]>) -> RetainedMatches<'a> {
        RetainedMatches {
            messages: &self.messages,
            filter: filter.as_bytes(),
            candidates: Some(self.messages.range::<[u8], _>((from, Bound::Unbounded))),
            target: Vec::new(),
        }
    }
}

/// A message that is found and ordered by its topic's bytes.
#[derive(Clone, Debug)]
struct ByTopic(Arc<PublishBuf>);

impl Borrow<[u8]> for ByTopic {
    fn borrow(&self) -> &[u8] {
        self.0.topic().as_bytes()
    }
}

impl Ord for ByTopic {
    fn cmp(&self, other: &Self) -> Ordering {
        let this: &[u8] = self.borrow();
        this.cmp(other.borrow())
    }
}

impl PartialOrd for ByTopic {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByTopic {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for ByTopic {}

/// Yields the retained messages that a filter matches. Made by [`RetainedStore::matches`].
///
/// ```
/// use mqtt_proto::TopicFilter;
/// use mqtt_session::RetainedStore;
///
/// let store = RetainedStore::new(10, 1_000);
/// assert!(store.matches(TopicFilter::new("#")?).next().is_none());
/// # Ok::<(), mqtt_proto::Cause>(())
/// ```
#[derive(Clone, Debug)]
pub struct RetainedMatches<'a> {
    messages: &'a BTreeSet<ByTopic>,
    filter: &'a [u8],
    /// Where we are. `None`: at the end.
    candidates: Option<btree_set::Range<'a, ByTopic>>,
    /// Where to jump.
    target: Vec<u8>,
}

impl<'a> Iterator for RetainedMatches<'a> {
    type Item = &'a Arc<PublishBuf>;

    fn next(&mut self) -> Option<&'a Arc<PublishBuf>> {
        loop {
            let (message, is_match) = self.look()?;
            if is_match {
                return Some(message);
            }
        }
    }
}

impl<'a> RetainedMatches<'a> {
    /// Looks at one more message, and says whether it matches. For those who can't afford to look at all of them in one go: `matches_after` goes on behind it.
    pub(super) fn look(&mut self) -> Option<(&'a Arc<PublishBuf>, bool)> {
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
        candidate.map(|candidate| (&candidate.0, verdict == Verdict::Match))
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
    use mqtt_proto::Publish;

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
        store.insert(message("a", "1")).unwrap();
        store.insert(message("b", "1")).unwrap();
        let full = RetainedFull { messages: 2, bytes: 4 };
        assert_eq!(store.insert(message("c", "1")), Err(full));
        store.insert(message("b", "2")).unwrap();
        store.insert(message("a", "")).unwrap();
        store.insert(message("c", "1")).unwrap();
        assert_eq!((store.len(), store.bytes()), (2, 4));
    }

    #[test]
    fn the_bytes_of_messages_are_bounded() {
        let mut store = RetainedStore::new(100, 10);
        store.insert(message("a", "12345")).unwrap();
        store.insert(message("b", "123")).unwrap();
        assert!(store.insert(message("c", "")).is_ok());
        assert!(store.insert(message("c", "1")).is_err());
        assert_eq!(store.bytes(), 10);
    }

    #[test]
    fn a_message_that_does_not_fit_takes_the_old_one_with_it() {
        let mut store = RetainedStore::new(100, 10);
        store.insert(message("a", "old")).unwrap();
        assert!(store.insert(message("a", "far too long")).is_err());
        assert!(store.get(topic("a")).is_none());
        assert_eq!(store.bytes(), 0);
    }

    #[test]
    fn a_lookup_jumps_over_what_cannot_match() {
        let mut store = RetainedStore::new(10_000, 1_000_000);
        for group in 0..10 {
            for item in 0..100 {
                let name = alloc::format!("g{group}/item{item}/value");
                store.insert(message(&name, "x")).unwrap();
            }
            let name = alloc::format!("g{group}/status");
            store.insert(message(&name, "x")).unwrap();
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
                    let topic = candidate.0.topic();
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
}
