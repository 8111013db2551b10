//! The connections, and which of them have something to send.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::ask::Parked;
use super::registry::SessionId;
use super::slab::{Key, Slab};
use super::wills::StoredWill;
use crate::{Instant, Server};

/// Names one connection of a [`Broker`](crate::Broker). When that is gone, its name is nothing to those that come after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(Key);

/// One connection, from the transport's beginning to its end.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) server: Server,
    /// Whose it is, while it is connected in MQTT's sense.
    pub(super) session: Option<SessionId>,
    pub(super) will: Option<StoredWill>,
    /// Somebody was let in, or will not be.
    pub(super) is_decided: bool,
    /// It rests until the policy has spoken.
    pub(super) parked: Option<Box<Parked>>,
    pub(super) armed: Option<Instant>,
    /// When to go on looking for its retained messages.
    pub(super) retained_from: Option<Instant>,
    output: Output,
}

/// Whether a connection is asked for output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    /// There is nothing new.
    Idle,
    /// It stands in the list.
    Listed,
    /// The transport takes nothing; if it does again, we look.
    Blocked,
    /// The host has been told to close it.
    Closed,
}

#[derive(Clone, Debug)]
pub(super) struct Connections {
    slab: Slab<Connection>,
    /// Those that may have output, in the order in which they got it.
    ready: VecDeque<ConnectionId>,
}

impl Connections {
    pub(super) const fn new() -> Self {
        Self { slab: Slab::new(), ready: VecDeque::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(super) fn insert(&mut self, server: Server) -> Option<ConnectionId> {
        self.slab
            .insert(Connection {
                server,
                session: None,
                will: None,
                is_decided: false,
                parked: None,
                armed: None,
                retained_from: None,
                output: Output::Idle,
            })
            .map(ConnectionId)
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.slab.get(id.0)
    }

    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.slab.get_mut(id.0)
    }

    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        self.slab.remove(id.0)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = ConnectionId> {
        self.slab.keys().map(ConnectionId)
    }

    /// There may be output.
    pub(super) fn mark(&mut self, id: ConnectionId) {
        if let Some(connection) = self.slab.get_mut(id.0)
            && connection.output == Output::Idle
        {
            connection.output = Output::Listed;
            self.ready.push_back(id);
        }
    }

    /// There may be output on any of them.
    pub(super) fn mark_all(&mut self) {
        let all: Vec<_> = self.ids().collect();
        all.into_iter().for_each(|id| self.mark(id));
    }

    /// The next that may have output.
    pub(super) fn next_ready(&mut self) -> Option<ConnectionId> {
        loop {
            let id = self.ready.pop_front()?;
            if let Some(connection) = self.slab.get_mut(id.0)
                && connection.output == Output::Listed
            {
                connection.output = Output::Idle;
                return Some(id);
            }
        }
    }

    pub(super) fn block(&mut self, id: ConnectionId) {
        if let Some(connection) = self.slab.get_mut(id.0)
            && connection.output != Output::Closed
        {
            connection.output = Output::Blocked;
        }
    }

    pub(super) fn unblock(&mut self, id: ConnectionId) {
        if let Some(connection) = self.slab.get_mut(id.0)
            && connection.output == Output::Blocked
        {
            connection.output = Output::Idle;
            self.mark(id);
        }
    }

    /// There will be no more output.
    pub(super) fn close(&mut self, id: ConnectionId) {
        if let Some(connection) = self.slab.get_mut(id.0) {
            connection.output = Output::Closed;
        }
    }
}
