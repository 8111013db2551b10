//! Where everything that happens by chance comes from.

use std::ops::RangeInclusive;

/// Numbers that look random and follow from a seed (splitmix64). Good enough to shuffle a world, and nothing else.
///
/// ```
/// use mqtt_sim::Random;
///
/// let (mut one, mut other) = (Random::new(7), Random::new(7));
/// assert_eq!(one.within(1..=6), other.within(1..=6));
/// assert_eq!(one, other);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The numbers of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number.
    pub const fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in a range.
    pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = (*range.start(), *range.end());
        match high.saturating_sub(low).checked_add(1) {
            Some(count) => low + self.number() % count,
            None => self.number(),
        }
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.number() % 100 < chance
    }

    /// One of these.
    ///
    /// # Panics
    ///
    /// There are none.
    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())].clone()
    }

    /// A place in a list of this length, which is not zero.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        (self.number() % length as u64) as usize
    }

    /// Numbers of their own for somebody else, so that one who draws more does not change what the other gets.
    #[must_use]
    pub const fn fork(&mut self) -> Self {
        Self::new(self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_reached_at_both_ends_and_not_left() {
        let mut random = Random::new(1);
        let drawn: Vec<u64> = (0..200).map(|_| random.within(3..=5)).collect();
        assert!([3, 4, 5].iter().all(|wanted| drawn.contains(wanted)));
        assert!(drawn.iter().all(|number| (3..=5).contains(number)));
        assert!((0..100).all(|_| random.percent(100) && !random.percent(0)));
        let _ = random.within(0..=u64::MAX);
    }
}
