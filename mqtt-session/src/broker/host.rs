//! What the host may do and see: it is no client, and nobody has to allow it.

use alloc::sync::Arc;

use mqtt_proto::{PublishBuf, ReasonCode, TopicFilter, Version};

use super::connections::ConnectionId;
use super::registry::{Session, SessionId};
use super::tree::TreeFull;
use super::{Broker, BrokerEvent};
use crate::{Instant, Message, RequestError};

/// A session, as it is at one moment: [`Broker::sessions`], [`Broker::session`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Whose.
    pub client_id: Arc<str>,
    /// The user that it connected as, the last time.
    pub user_name: Option<Arc<str>>,
    /// Its connection, if it has one.
    pub connection: Option<ConnectionId>,
    /// The version spoken there.
    pub version: Option<Version>,
    /// Without a connection: when it ends. `None`: never.
    pub expires: Option<Instant>,
    /// How many filters it is subscribed to.
    pub subscriptions: usize,
    /// Messages that wait for it, or have been sent and are not acknowledged.
    pub pending: usize,
    /// Their bytes.
    pub pending_bytes: usize,
}

impl Broker {
    /// Publishes a message to all who are subscribed, and keeps it if it is to be retained.
    pub fn publish(&mut self, now: Instant, message: &Message<'_>) {
        self.route(now, message, None);
    }

    /// From now on, each message that matches is also a [`BrokerEvent::Published`], once, however many of the host's filters it matches. Events are dropped if they are
    /// not fetched: [`BrokerOptions::events_max`](super::BrokerOptions::events_max).
    ///
    /// ```
    /// use mqtt_proto::{TopicFilter, TopicName};
    /// use mqtt_session::{Broker, BrokerEvent, BrokerOptions, Instant, Message};
    ///
    /// let mut broker = Broker::new(BrokerOptions::default(), 42);
    /// broker.listen(TopicFilter::new("alarm/#")?)?;
    /// broker.publish(Instant::ZERO, &Message::new(TopicName::new("alarm/attic")?, "smoke"));
    /// let Some(BrokerEvent::Published { message, .. }) = broker.poll_event() else { panic!() };
    /// assert_eq!(message.topic(), "alarm/attic");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// There are thousands of millions already.
    pub fn listen(&mut self, filter: TopicFilter<'_>) -> Result<(), TreeFull> {
        self.listening.insert(filter, ()).map(drop)
    }

    /// The end of [`listen`](Self::listen) for exactly this filter. False: there was none.
    pub fn unlisten(&mut self, filter: TopicFilter<'_>) -> bool {
        self.listening.remove(filter).is_some()
    }

    /// Tells the host of a message that it listens to.
    pub(super) fn overhear(&mut self, message: &Arc<PublishBuf>, publisher: Option<SessionId>) {
        let publisher = publisher.and_then(|id| self.registry.get(id)).map(|session| Arc::clone(&session.principal));
        self.push_event(BrokerEvent::Published { publisher, message: Arc::clone(message) });
    }

    /// Sends a client away. Its will is published: it did not leave of its own accord. Its session stays, if it may.
    ///
    /// # Errors
    ///
    /// There is no such client, or this is no reason that a server may give.
    pub fn disconnect(&mut self, now: Instant, client_id: &str, reason_code: ReasonCode) -> Result<(), RequestError> {
        let id = self
            .registry
            .find(client_id)
            .and_then(|session| self.registry.get(session)?.connection)
            .ok_or(RequestError::NotConnected)?;
        self.send_away(now, id, reason_code)
    }

    /// Ends a session with all that belongs to it; its client is sent away before (0x98). Says whether there was one.
    ///
    /// ```
    /// use mqtt_session::{Broker, BrokerOptions, Instant};
    ///
    /// let mut broker = Broker::new(BrokerOptions::default(), 42);
    /// assert!(!broker.end_session(Instant::ZERO, "nobody"));
    /// ```
    pub fn end_session(&mut self, now: Instant, client_id: &str) -> bool {
        // It may end by that already.
        let sent_away = self.disconnect(now, client_id, ReasonCode::AdministrativeAction).is_ok();
        let Some(session) = self.registry.find(client_id) else {
            return sent_away;
        };
        self.bury(now, session);
        true
    }

    /// All sessions, in no order that means anything.
    ///
    /// ```
    /// use mqtt_session::{Broker, BrokerOptions};
    ///
    /// let broker = Broker::new(BrokerOptions::default(), 42);
    /// assert_eq!(broker.sessions().count(), 0);
    /// ```
    pub fn sessions(&self) -> impl Iterator<Item = SessionInfo> {
        self.registry.sessions().map(|session| self.describe(session))
    }

    /// The session of a client.
    #[must_use]
    pub fn session(&self, client_id: &str) -> Option<SessionInfo> {
        let session = self.registry.get(self.registry.find(client_id)?)?;
        Some(self.describe(session))
    }

    /// The filters that a client is subscribed to.
    pub fn subscriptions(&self, client_id: &str) -> impl Iterator<Item = TopicFilter<'_>> {
        let session = self.registry.find(client_id).and_then(|id| self.registry.get(id));
        session.into_iter().flat_map(Session::filters)
    }

    fn describe(&self, session: &Session) -> SessionInfo {
        let server = session.connection.and_then(|id| self.connections.get(id)).map(|connection| &connection.server);
        let state = server.map_or(&session.state, |server| server.session());
        SessionInfo {
            client_id: Arc::clone(&session.principal.client_id),
            user_name: session.principal.user_name.clone(),
            connection: session.connection,
            version: server.map(|server| server.version()),
            expires: session.expires,
            subscriptions: session.filters().count(),
            pending: state.pending(),
            pending_bytes: state.pending_bytes(),
        }
    }

    /// Ends everything: connected 5.0 clients are told 0x8B, then all are closed, and no connection is opened any more. Wills are published, to sessions that stay and to retained messages.
    /// If there are more than a thousand connections, the rest is done in [`handle_timeout`](Self::handle_timeout).
    pub fn shutdown(&mut self, now: Instant) {
        self.is_shutting_down = true;
        self.drain_until = None;
        self.close_all(now);
    }

    /// Ends everything in good order: no connection is opened and nobody is let in any more, and who is connected is told 0x8B and closed as soon as nothing is on its way
    /// to it. What is left at `until` is [shut down](Self::shutdown). The broker is empty when [`counts`](Self::counts) has no connections.
    ///
    /// ```
    /// use mqtt_session::{Broker, BrokerOptions, Instant, OpenError};
    ///
    /// let now = Instant::ZERO;
    /// let mut broker = Broker::new(BrokerOptions::default(), 42);
    /// broker.drain(now, Instant::from_micros(5_000_000));
    /// assert_eq!(broker.open(now), Err(OpenError::ShuttingDown));
    /// assert_eq!(broker.poll_timeout(), Some(Instant::from_micros(5_000_000)));
    /// ```
    pub fn drain(&mut self, _: Instant, until: Instant) {
        if !self.is_shutting_down {
            self.drain_until = Some(until);
            self.connections.mark_all();
        }
    }

    /// While draining: a connection to which nothing is on its way is closed.
    pub(super) fn close_if_drained(&mut self, now: Instant, id: ConnectionId) {
        if self.drain_until.is_none() {
            return;
        }
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if connection.server.is_connected() && connection.server.pending() == 0 {
            // Gone already is as good.
            let _ = self.send_away(now, id, ReasonCode::ServerShuttingDown);
        }
    }
}
