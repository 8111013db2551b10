//! Values by packet identifier.

use alloc::collections::VecDeque;
use core::hash::{Hash, Hasher};

use mqtt_proto::PacketId;

/// A map for identifiers that are handed out in turn: a new one goes to the back, and is mostly found at once.
///
/// Where something is removed in between, a gap stays, and nothing is moved. An operation takes O(log n) steps on average over many, whatever is removed when;
/// more only for an identifier out of turn, which only the first of a connection is.
#[derive(Clone, Debug)]
pub(crate) struct ByPacketId<T> {
    /// Rising from the first on, and beyond the highest from the lowest on. Neither the first nor the last is a gap.
    entries: VecDeque<Entry<T>>,
    gaps: usize,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    id: PacketId,
    value: Option<T>,
}

impl<T> Entry<T> {
    /// How far it is in turn behind `first`.
    const fn distance(&self, first: PacketId) -> u16 {
        distance(first, self.id)
    }
}

const fn distance(first: PacketId, id: PacketId) -> u16 {
    id.get().wrapping_sub(first.get())
}

impl<T> Default for ByPacketId<T> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), gaps: 0 }
    }
}

impl<T> ByPacketId<T> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len().saturating_sub(self.gaps)
    }

    pub(crate) fn get(&self, id: PacketId) -> Option<&T> {
        self.entries.get(self.find(id)?)?.value.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: PacketId) -> Option<&mut T> {
        let index = self.find(id)?;
        self.entries.get_mut(index)?.value.as_mut()
    }

    /// All, in the order of their identifiers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PacketId, &T)> {
        let first = self.entries.front().map(|first| first.id);
        let lowest = self.entries.partition_point(|entry| Some(entry.id) >= first);
        let entries = self.entries.range(lowest..).chain(self.entries.range(..lowest));
        entries.filter_map(|entry| Some((entry.id, entry.value.as_ref()?)))
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().filter_map(|entry| entry.value.as_mut())
    }

    /// Adds one that is not there.
    pub(crate) fn insert(&mut self, id: PacketId, value: T) {
        debug_assert!(self.get(id).is_none(), "packet identifier {id} is in use");
        // Those that it has left behind have their turn after it.
        while let (Some(first), Some(last)) = (self.entries.front(), self.entries.back())
            && last.distance(first.id) > distance(first.id, id)
            && let Some(passed) = self.entries.pop_front()
        {
            if passed.value.is_some() {
                self.entries.push_back(passed);
            } else {
                self.gaps = self.gaps.saturating_sub(1);
            }
        }
        self.entries.push_back(Entry { id, value: Some(value) });
        self.trim();
    }

    pub(crate) fn remove(&mut self, id: PacketId) -> Option<T> {
        let index = self.find(id)?;
        let value = self.entries.get_mut(index)?.value.take()?;
        self.gaps = self.gaps.saturating_add(1);
        self.trim();
        Some(value)
    }

    fn find(&self, id: PacketId) -> Option<usize> {
        let (first, last) = (self.entries.front()?.id, self.entries.back()?.id);
        let distance = distance(first, id);
        // It is there if none between them has left.
        if self.entries.get(distance.into()).is_some_and(|entry| entry.id == id) {
            return Some(distance.into());
        }
        if distance > self::distance(first, last) {
            return None;
        }
        self.entries.binary_search_by_key(&distance, |entry| entry.distance(first)).ok()
    }

    /// No gap first or last, no more gaps than values, and no large room for few.
    fn trim(&mut self) {
        if self.gaps > 0 {
            while let Some(Entry { value: None, .. }) = self.entries.front() {
                self.entries.pop_front();
                self.gaps = self.gaps.saturating_sub(1);
            }
            while let Some(Entry { value: None, .. }) = self.entries.back() {
                self.entries.pop_back();
                self.gaps = self.gaps.saturating_sub(1);
            }
            if self.gaps > self.len() {
                self.entries.retain(|entry| entry.value.is_some());
                self.gaps = 0;
            }
        }
        if self.entries.capacity() / 4 > self.entries.len() {
            self.entries.shrink_to(self.entries.len().saturating_mul(2));
        }
    }
}

/// Gaps are nothing, and it does not matter whose turn is first.
impl<T: PartialEq> PartialEq for ByPacketId<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T: Eq> Eq for ByPacketId<T> {}

impl<T: Hash> Hash for ByPacketId<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.len().hash(state);
        self.iter().for_each(|entry| entry.hash(state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    /// Beside a map that is known to be right: identifiers in turn, a window of any width, and any of it removed next.
    #[test]
    fn it_is_a_map_and_keeps_its_bounds() {
        let mut chance = 1_u32;
        for width in [1, 2, 3, 10, 100] {
            let (mut ours, mut right) = (ByPacketId::default(), BTreeMap::new());
            let mut cursor = 65_000_u16;
            for step in 0..3_000_u32 {
                chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let removed = right.keys().nth((chance >> 8) as usize % right.len().max(1)).copied();
                if let Some(removed) = removed.filter(|_| right.len() >= width || chance >> 30 == 0) {
                    assert_eq!(ours.remove(removed), right.remove(&removed));
                    assert_eq!(ours.remove(removed), None);
                }
                // Now and then identifiers are used elsewhere, or their turn begins anew.
                cursor =
                    if chance.is_multiple_of(997) { 0 } else { cursor.wrapping_add(1 + (chance >> 29) as u16 / 7) };
                if let Some(next) = PacketId::new(cursor).filter(|next| !right.contains_key(next)) {
                    assert_eq!(ours.get(next), None);
                    ours.insert(next, step);
                    right.insert(next, step);
                }
                assert!(ours.iter().eq(right.iter().map(|(id, value)| (*id, value))), "{ours:?} {right:?}");
                assert!(right.iter().all(|(id, value)| ours.get(*id) == Some(value)));
                assert_eq!(ours.len(), right.len());
                assert!(ours.entries.len() <= 2 * ours.len() && ours.entries.capacity() <= 8 * ours.len() + 4);
            }
        }
    }

    #[test]
    fn what_is_empty_holds_no_memory() {
        let mut map = ByPacketId::default();
        (1..=100).for_each(|value| map.insert(id(value), value));
        (1..=100).rev().for_each(|value| assert_eq!(map.remove(id(value)), Some(value)));
        assert_eq!((map.len(), map.entries.capacity()), (0, 0));
    }

    #[test]
    fn equal_maps_hold_the_same_wherever_they_begin() {
        let (mut one, mut other) = (ByPacketId::default(), ByPacketId::default());
        [65_535, 1, 2, 3].into_iter().for_each(|value| one.insert(id(value), value));
        [1, 3, 65_535].into_iter().for_each(|value| other.insert(id(value), value));
        assert_ne!(one, other);
        one.remove(id(2));
        assert_eq!(one, other);
        assert!(one.iter().map(|(id, _)| id.get()).eq([1, 3, 65_535]));
    }
}
