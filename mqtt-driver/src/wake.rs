//! Wakers, kept away from locks.

use std::collections::BTreeMap;
use std::task::Waker;

/// Wakers on their way out of a lock. A waker is somebody else's code, whether it is woken or dropped: it could take the very
/// lock that we hold.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    wake: Vec<Waker>,
    discard: Vec<Waker>,
}

impl Wakes {
    /// To be woken.
    pub(crate) fn wake(&mut self, waker: Option<Waker>) {
        self.wake.extend(waker);
    }

    /// To be dropped.
    pub(crate) fn discard(&mut self, waker: Option<Waker>) {
        self.discard.extend(waker);
    }

    /// Puts `waker` in a place that may hold one already.
    pub(crate) fn replace(&mut self, place: &mut Option<Waker>, waker: Waker) {
        self.discard(place.replace(waker));
    }

    /// Wakes and drops them; call it without any lock.
    pub(crate) fn run(self) {
        for waker in self.wake {
            waker.wake();
        }
    }
}

/// Tasks that wait for the same thing, first come, first served.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    next: u64,
    waiting: BTreeMap<Ticket, Waker>,
}

/// A place in a [`Queue`]. Whoever holds one gives it back with [`Queue::leave`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

impl Queue {
    /// Waits at the end, or at the place that `ticket` holds already.
    pub(crate) fn wait(&mut self, ticket: &mut Option<Ticket>, waker: Waker, wakes: &mut Wakes) {
        let next = self.next;
        let ticket = *ticket.get_or_insert(Ticket(next));
        self.next = next.max(ticket.0 + 1);
        wakes.discard(self.waiting.insert(ticket, waker));
    }

    /// Gives a place up. True: it had been called, and somebody else should be now.
    pub(crate) fn leave(&mut self, ticket: Option<Ticket>, wakes: &mut Wakes) -> bool {
        let Some(ticket) = ticket else { return false };
        let waker = self.waiting.remove(&ticket);
        let called = waker.is_none();
        wakes.discard(waker);
        called
    }

    /// Calls the first.
    pub(crate) fn call_one(&mut self, wakes: &mut Wakes) {
        wakes.wake(self.waiting.pop_first().map(|(_, waker)| waker));
    }

    /// Calls all.
    pub(crate) fn call_all(&mut self, wakes: &mut Wakes) {
        for (_, waker) in std::mem::take(&mut self.waiting) {
            wakes.wake(Some(waker));
        }
    }

    /// Somebody waits before the holder of this ticket.
    pub(crate) fn is_ahead_of(&self, ticket: Option<Ticket>) -> bool {
        let first = self.waiting.keys().next();
        first.is_some_and(|first| ticket.is_none_or(|ticket| *first < ticket))
    }
}
