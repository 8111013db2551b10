//! Virtual time, and what is to happen in it.

use std::collections::BTreeMap;

use mqtt_session::Instant;

/// It is as late as the last thing that happened. Two things at the same moment happen in the order in which they were asked for.
#[derive(Debug)]
pub(crate) struct Clock<T> {
    now: Instant,
    number: u64,
    agenda: BTreeMap<(Instant, u64), T>,
}

impl<T> Default for Clock<T> {
    fn default() -> Self {
        Self { now: Instant::ZERO, number: 0, agenda: BTreeMap::new() }
    }
}

impl<T> Clock<T> {
    pub(crate) const fn now(&self) -> Instant {
        self.now
    }

    /// Puts something on the agenda; what should have been already is next.
    pub(crate) fn at(&mut self, when: Instant, what: T) {
        self.number += 1;
        self.agenda.insert((when.max(self.now), self.number), what);
    }

    /// The next thing that happens until then. If there is none, it is then.
    pub(crate) fn next(&mut self, until: Instant) -> Option<T> {
        match self.agenda.first_entry() {
            Some(entry) if entry.key().0 <= until => {
                self.now = entry.key().0;
                Some(entry.remove())
            }
            _ => {
                self.now = self.now.max(until);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_happen_in_the_order_of_time_and_then_of_asking() {
        let mut clock = Clock::default();
        let at = Instant::from_micros;
        clock.at(at(5), "second");
        clock.at(at(5), "third");
        clock.at(at(2), "first");
        assert_eq!(clock.next(at(9)), Some("first"));
        assert_eq!(clock.now(), at(2));
        clock.at(at(1), "late");
        assert_eq!(clock.next(at(9)), Some("late"));
        assert_eq!((clock.next(at(9)), clock.next(at(9)), clock.next(at(9))), (Some("second"), Some("third"), None));
        assert_eq!(clock.now(), at(9));
    }
}
