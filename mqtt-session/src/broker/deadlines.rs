//! When something is due, over all connections and sessions.

use alloc::collections::BTreeSet;

use super::connections::ConnectionId;
use super::registry::SessionId;
use crate::Instant;

/// Deadlines in their order. Each owner has one at most, and keeps a copy of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Deadlines {
    queue: BTreeSet<(Instant, Owner)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Connection(ConnectionId),
    /// One without a connection.
    Session(SessionId),
}

impl Deadlines {
    pub(super) fn first(&self) -> Option<Instant> {
        self.queue.first().map(|(due, _)| *due)
    }

    /// Sees to it that `owner` is asked at `due`, or before. A deadline that has moved back is found out when it fires, so that one which moves with every
    /// packet costs nothing.
    pub(super) fn arm(&mut self, owner: Owner, armed: &mut Option<Instant>, due: Option<Instant>) {
        if let Some(due) = due
            && armed.is_none_or(|armed| due < armed)
        {
            self.disarm(owner, armed);
            self.queue.insert((due, owner));
            *armed = Some(due);
        }
    }

    pub(super) fn disarm(&mut self, owner: Owner, armed: &mut Option<Instant>) {
        if let Some(due) = armed.take() {
            self.queue.remove(&(due, owner));
        }
    }

    /// The next owner whose deadline has come. It has none any more.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Owner> {
        let (_, owner) = *self.queue.first().filter(|(due, _)| *due <= now)?;
        self.queue.pop_first();
        Some(owner)
    }
}
