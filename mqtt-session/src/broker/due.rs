//! Which retained messages a session is still to get.

use alloc::collections::BTreeMap;

use mqtt_proto::{TopicFilterBuf, TopicNameBuf};

/// Subscriptions whose retained messages have not all been looked at, in the order in which they were asked for. One packet can name a filter many
/// thousand times, so none is searched for one by one.
#[derive(Clone, Debug, Default)]
pub(super) struct RetainedDue {
    queue: BTreeMap<u64, Due>,
    places: BTreeMap<TopicFilterBuf, u64>,
    next_place: u64,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Due {
    pub(super) filter: TopicFilterBuf,
    /// The topic of the last message that was looked at. The message itself may be replaced meanwhile, and should not be kept for this.
    pub(super) after: Option<TopicNameBuf>,
    /// The number of the last message that was in the store when this was asked for. Later ones are sent to subscribers when they come.
    pub(super) until: u64,
}

impl RetainedDue {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// All up to a number that match are due, after those of the others; also those that have been sent already.
    pub(super) fn push(&mut self, filter: TopicFilterBuf, until: u64) {
        self.remove(&filter);
        let place = self.next_place;
        self.next_place = self.next_place.saturating_add(1);
        self.places.insert(filter.clone(), place);
        self.queue.insert(place, Due { filter, after: None, until });
    }

    pub(super) fn remove(&mut self, filter: &TopicFilterBuf) {
        if let Some(place) = self.places.remove(filter) {
            self.queue.remove(&place);
            self.release();
        }
    }

    /// The client was away, and may have missed what came up to now.
    pub(super) fn extend(&mut self, until: u64) {
        self.queue.values_mut().for_each(|due| due.until = until);
    }

    /// Empty maps keep memory, and there are as many of these as sessions.
    fn release(&mut self) {
        if self.queue.is_empty() {
            (self.queue, self.places) = (BTreeMap::new(), BTreeMap::new());
        }
    }

    /// The first of them.
    pub(super) fn front(&mut self) -> Option<&mut Due> {
        Some(self.queue.first_entry()?.into_mut())
    }

    /// The first of them is done.
    pub(super) fn pop(&mut self) {
        if let Some((_, due)) = self.queue.pop_first() {
            self.places.remove(&due.filter);
            self.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use mqtt_proto::TopicFilter;

    fn filter(text: &str) -> TopicFilterBuf {
        TopicFilter::new(text).unwrap().into()
    }

    #[test]
    fn a_filter_stands_where_it_was_asked_for_last() {
        let mut due = RetainedDue::default();
        for text in ["b", "c", "a", "b"] {
            due.push(filter(text), 0);
        }
        due.remove(&filter("c"));
        let mut order = Vec::new();
        while let Some(first) = due.front() {
            order.push(first.filter.clone());
            due.pop();
        }
        assert_eq!(order, [filter("a"), filter("b")]);
        assert!(due.is_empty() && due.places.is_empty());
    }
}
