//! Messages that wait to be sent, in their order. They outlive the connection.

use alloc::collections::{BTreeSet, VecDeque};

use crate::outgoing::{Accepted, Waiting};
use crate::{Instant, PublishId};

/// Waiting messages. One that is dropped from the middle leaves a gap, so that neither this nor the search for what is due is a walk over all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    /// In the order of their identifiers; neither the first nor the last is a gap.
    entries: VecDeque<Entry>,
    gaps: usize,
    bytes: usize,
    /// Of those that have one.
    deadlines: BTreeSet<(Instant, PublishId)>,
}

#[derive(Clone, Debug)]
enum Entry {
    Waits(Waiting),
    Gap(PublishId),
}

impl Entry {
    const fn id(&self) -> PublishId {
        match self {
            Self::Waits(waiting) => waiting.accepted.id,
            Self::Gap(id) => *id,
        }
    }

    const fn waiting(&self) -> Option<&Waiting> {
        match self {
            Self::Waits(waiting) => Some(waiting),
            Self::Gap(_) => None,
        }
    }
}

/// An empty queue keeps room for this many.
const IDLE_CAPACITY_MAX: usize = 64;

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.entries.len().saturating_sub(self.gaps)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of the messages.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The next to be sent.
    pub(crate) fn front(&self) -> Option<&Waiting> {
        self.entries.front()?.waiting()
    }

    /// Any.
    pub(crate) fn get(&self, id: PublishId) -> Option<&Waiting> {
        self.entries.get(self.find(id)?)?.waiting()
    }

    /// The newest.
    pub(crate) fn last(&self) -> Option<PublishId> {
        self.entries.back().map(Entry::id)
    }

    /// All, in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.entries.iter().filter_map(Entry::waiting)
    }

    /// The first deadline of any of them.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// One whose deadline has come.
    pub(crate) fn over(&self, now: Instant) -> Option<&Waiting> {
        let (_, id) = self.deadlines.first().filter(|(deadline, _)| *deadline <= now)?;
        self.find(*id).and_then(|index| self.entries.get(index)?.waiting())
    }

    /// How many messages, and of how many bytes, have a deadline that has come.
    pub(crate) fn held_over(&self, now: Instant) -> (usize, usize) {
        let over = self.deadlines.iter().take_while(|(deadline, _)| *deadline <= now);
        over.filter_map(|(_, id)| self.entries.get(self.find(*id)?)?.waiting())
            .fold((0, 0), |(messages, bytes), one| {
                (messages.saturating_add(1), bytes.saturating_add(one.accepted.outgoing.bytes()))
            })
    }

    /// The newest: its identifier is higher than those of all others.
    pub(crate) fn push(&mut self, waiting: Waiting) {
        debug_assert!(self.entries.back().is_none_or(|last| last.id() < waiting.accepted.id), "not the newest");
        self.count(&waiting);
        self.entries.push_back(Entry::Waits(waiting));
    }

    /// The oldest: its identifier is lower than those of all others.
    pub(crate) fn push_front(&mut self, waiting: Waiting) {
        debug_assert!(self.entries.front().is_none_or(|first| first.id() > waiting.accepted.id), "not the oldest");
        self.count(&waiting);
        self.entries.push_front(Entry::Waits(waiting));
    }

    fn count(&mut self, waiting: &Waiting) {
        self.bytes = self.bytes.saturating_add(waiting.accepted.outgoing.bytes());
        if let Some(deadline) = waiting.deadline() {
            self.deadlines.insert((deadline, waiting.accepted.id));
        }
    }

    /// Removes the next to be sent.
    pub(crate) fn pop(&mut self) -> Option<Accepted> {
        let entry = self.entries.pop_front()?;
        self.removed(entry)
    }

    /// Removes any.
    pub(crate) fn remove(&mut self, id: PublishId) -> Option<Accepted> {
        let entry = self.entries.get_mut(self.find(id)?)?;
        let entry = core::mem::replace(entry, Entry::Gap(id));
        if let Entry::Gap(_) = entry {
            return None;
        }
        self.gaps = self.gaps.saturating_add(1);
        self.removed(entry)
    }

    fn find(&self, id: PublishId) -> Option<usize> {
        // The one looked for is mostly the first.
        if self.entries.front().is_some_and(|first| first.id() == id) {
            return Some(0);
        }
        self.entries.binary_search_by_key(&id, Entry::id).ok()
    }

    fn removed(&mut self, entry: Entry) -> Option<Accepted> {
        self.trim();
        let Entry::Waits(waiting) = entry else {
            return None;
        };
        self.bytes = self.bytes.saturating_sub(waiting.accepted.outgoing.bytes());
        if let Some(deadline) = waiting.deadline() {
            self.deadlines.remove(&(deadline, waiting.accepted.id));
        }
        Some(waiting.accepted)
    }

    /// No gap first or last, no more gaps than messages, and no large room for none.
    fn trim(&mut self) {
        if self.gaps > 0 {
            while let Some(Entry::Gap(_)) = self.entries.front() {
                self.entries.pop_front();
                self.gaps = self.gaps.saturating_sub(1);
            }
            while let Some(Entry::Gap(_)) = self.entries.back() {
                self.entries.pop_back();
                self.gaps = self.gaps.saturating_sub(1);
            }
            if self.gaps > self.len() {
                self.entries.retain(|entry| entry.waiting().is_some());
                self.gaps = 0;
            }
        }
        if self.entries.is_empty() && self.entries.capacity() > IDLE_CAPACITY_MAX {
            self.entries = VecDeque::new();
        }
    }
}

/// Gaps are nothing.
impl PartialEq for Queue {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Queue {}

impl core::hash::Hash for Queue {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.len().hash(state);
        self.iter().for_each(|waiting| waiting.hash(state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outgoing;
    use alloc::sync::Arc;
    use alloc::vec::Vec;
    use mqtt_proto::{Publish, PublishBuf, TopicName};

    fn waiting(id: u64, deadline: Option<u64>) -> Waiting {
        let topic = TopicName::new("t").unwrap();
        let message = Arc::new(PublishBuf::new(topic, &Publish::new(topic, b"123456789")));
        let accepted = Accepted { id: PublishId(id), outgoing: Outgoing::new(Instant::ZERO, message) };
        Waiting { accepted, give_up: deadline.map(Instant::from_micros) }
    }

    fn ids(queue: &Queue) -> Vec<u64> {
        queue.iter().map(|waiting| waiting.accepted.id.0).collect()
    }

    #[test]
    fn what_leaves_from_the_middle_is_not_met_again() {
        let mut queue = Queue::default();
        for id in 0..6 {
            queue.push(waiting(id, None));
        }
        assert!(queue.remove(PublishId(2)).is_some());
        assert!(queue.remove(PublishId(2)).is_none());
        assert!(queue.remove(PublishId(1)).is_some());
        assert_eq!((queue.len(), queue.bytes(), ids(&queue)), (4, 40, [0, 3, 4, 5].into()));
        assert_eq!(queue.pop().unwrap().id, PublishId(0));
        assert_eq!(queue.front().unwrap().accepted.id, PublishId(3));
        assert!(queue.remove(PublishId(5)).is_some());
        assert!(queue.remove(PublishId(4)).is_some());
        assert_eq!(queue.pop().unwrap().id, PublishId(3));
        assert!(queue.is_empty() && queue.pop().is_none());
        assert_eq!((queue.len(), queue.bytes()), (0, 0));
    }

    #[test]
    fn gaps_are_never_more_than_messages() {
        let mut queue = Queue::default();
        queue.push(waiting(0, None));
        for id in 1..1_000 {
            queue.push(waiting(id, None));
            queue.remove(PublishId(id - 1).max(PublishId(1)));
            assert!(queue.entries.len() <= 2 * queue.len(), "{id}");
        }
    }

    #[test]
    fn the_first_deadline_is_known_wherever_it_stands() {
        let mut queue = Queue::default();
        for (id, deadline) in [(1, None), (2, Some(30)), (3, Some(10)), (4, Some(20))] {
            queue.push(waiting(id, deadline));
        }
        queue.push_front(waiting(0, Some(15)));
        let mut order = Vec::new();
        while let Some(deadline) = queue.deadline() {
            assert!(queue.over(Instant::from_micros(deadline.as_micros() - 1)).is_none());
            let id = queue.over(deadline).unwrap().accepted.id;
            order.push(id.0);
            queue.remove(id);
        }
        assert_eq!((order, ids(&queue)), ([3, 0, 4, 2].into(), [1].into()));
    }

    #[test]
    fn equal_queues_hold_the_same_messages_with_and_without_gaps() {
        let (mut one, mut other) = (Queue::default(), Queue::default());
        for id in 0..5 {
            one.push(waiting(id, None));
            if id != 2 {
                other.push(waiting(id, None));
            }
        }
        assert_ne!(one, other);
        one.remove(PublishId(2));
        assert_eq!(one, other);
    }
}
