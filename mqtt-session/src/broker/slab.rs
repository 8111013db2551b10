//! Values with numbers that are not mistaken for one another.

use alloc::vec::Vec;

/// Numbered places for values. A number is good for one value: its place is used again, under another number.
#[derive(Clone, Debug)]
pub(super) struct Slab<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

/// Names one value of a slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    place: u32,
    /// Counts the values that have been there.
    generation: u32,
}

#[derive(Clone, Debug)]
struct Place<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len().saturating_sub(self.free.len())
    }

    /// `None`: there are no more numbers.
    pub(super) fn insert(&mut self, value: T) -> Option<Key> {
        if let Some(place) = self.free.pop()
            && let Some(free) = self.places.get_mut(index(place))
        {
            free.value = Some(value);
            return Some(Key { place, generation: free.generation });
        }
        let place = u32::try_from(self.places.len()).ok()?;
        self.places.push(Place { generation: 0, value: Some(value) });
        Some(Key { place, generation: 0 })
    }

    pub(super) fn get(&self, key: Key) -> Option<&T> {
        self.places.get(index(key.place)).filter(|place| place.generation == key.generation)?.value.as_ref()
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.places.get_mut(index(key.place)).filter(|place| place.generation == key.generation)?.value.as_mut()
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        let place = self.places.get_mut(index(key.place)).filter(|place| place.generation == key.generation)?;
        let value = place.value.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key.place);
        Some(value)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.places.iter().filter_map(|place| place.value.as_ref())
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        (0..)
            .zip(&self.places)
            .filter(|(_, place)| place.value.is_some())
            .map(|(number, place)| Key { place: number, generation: place.generation })
    }
}

fn index(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_good_for_one_value() {
        let mut slab = Slab::new();
        let first = slab.insert("first").unwrap();
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second").unwrap();
        assert_eq!(second.place, first.place);
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&"second"));
        assert_eq!(slab.keys().collect::<Vec<_>>(), [second]);
        assert_eq!(slab.len(), 1);
    }
}
