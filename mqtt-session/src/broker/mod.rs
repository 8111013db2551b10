//! A broker: many connections, and what they share.

mod acl;
mod ask;
mod connect;
mod connections;
mod counts;
mod deadlines;
mod due;
mod hash;
mod host;
mod options;
mod policy;
mod registry;
mod retained;
mod rights;
mod route;
mod share;
mod slab;
mod subscribe;
mod sys;
mod tree;
mod wills;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use mqtt_proto::{ReasonCode, TransmitBuf};

use crate::{Acknowledge, DisconnectCause, Event, Instant, Server, Transmit};
use ask::Task;
use connect::Closing;
use connections::Connections;
use deadlines::{Deadlines, Owner};
use hash::Secret;
use registry::{Hit, Registry};
use share::GroupHit;

pub use acl::{Access, AccessRules, RuleError};
pub use ask::{AskId, NotAsked, Question};
pub use connections::ConnectionId;
pub use counts::{BrokerCounts, Drops};
pub use host::SessionInfo;
pub use options::{BrokerEvent, BrokerOptions, OpenError};
pub use policy::{Action, Credentials, Policy, Principal, Verdict};
pub use retained::{Retained, RetainedFull, RetainedMatches, RetainedStore};
pub use tree::{Matches, SubscriptionTree, TreeFull};

/// A broker without its sockets: sessions, subscriptions, retained messages and wills over any number of connections.
///
/// The host opens a connection for each transport, hands in what it reads, writes what comes out, and tells the time. The connections don't know one another; a fault of one
/// is no concern of the others.
///
/// ```
/// use mqtt_proto::{QoS, Subscription, TopicFilter, TopicName, TransmitBuf};
/// use mqtt_session::{Broker, BrokerOptions, Client, ConnectOptions, Event, Instant, Message, Transmit};
///
/// let now = Instant::ZERO;
/// let mut broker = Broker::new(BrokerOptions::default(), 42);
/// let mut client = Client::new(ConnectOptions::new("reader"));
///
/// // A transport: here the client's output is the broker's input, and the other way round.
/// let id = broker.open(now)?;
/// client.connect(now)?;
/// let mut heard = Vec::new();
/// for _ in 0..4 {
///     let mut out = TransmitBuf::new();
///     client.poll_transmit(now, &mut out);
///     let bytes: Vec<u8> = out.slices().flatten().copied().collect();
///     broker.handle_input(now, id, &mut &bytes[..]);
///
///     let mut out = TransmitBuf::new();
///     while let Some((to, transmit)) = broker.poll_transmit(now, &mut out) {
///         assert_eq!((to, transmit), (id, Transmit::Ready));
///     }
///     let bytes: Vec<u8> = out.slices().flatten().copied().collect();
///     let mut input = &bytes[..];
///     while let Some(event) = client.handle_input(now, &mut input) {
///         match event {
///             Event::Connected(_) => {
///                 let all = [Subscription::new(TopicFilter::new("news/#")?, QoS::AtMostOnce)];
///                 client.subscribe(now, &all, Default::default())?;
///             }
///             // The broker's host has a voice of its own.
///             Event::Subscribed { .. } => broker.publish(now, &Message::new(TopicName::new("news/today")?, "rain")),
///             Event::Received(message) => heard.push(message.payload().to_vec()),
///             _ => {}
///         }
///     }
/// }
/// assert_eq!(heard, [b"rain"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # A turn
///
/// Any order of calls is safe. A good one: [`handle_input`](Self::handle_input) for each transport that has been read; [`handle_timeout`](Self::handle_timeout) if
/// [`poll_timeout`](Self::poll_timeout) has passed; then [`poll_transmit`](Self::poll_transmit) until `None`, with one write for each connection that it names. So whatever a turn brought
/// goes out in one piece per connection. A transport that takes no more is [blocked](Self::handle_blocked) until it is [writable](Self::handle_writable).
///
/// # What is kept
///
/// A session ends with its connection if the client wants that (Clean Session, or a Session Expiry Interval of 0); any other waits, with its subscriptions and the messages at QoS 1 and 2 for it, until
/// it expires. What waits for it because of a shared subscription goes to another member then. Retained messages belong to no session, and are kept as long as they are worth anything (Message Expiry Interval). All of it is bounded: see [`BrokerOptions`].
///
/// A new subscriber gets the retained messages that were there when it subscribed, as fast as it takes them, behind whatever else there is for it. One that is replaced meanwhile is not sent any
/// more, since the new one has been. After the client has been away, it gets what is retained when it comes back.
#[derive(Clone, Debug)]
pub struct Broker {
    options: BrokerOptions,
    connections: Connections,
    registry: Registry,
    /// Of no session: v3\[MQTT-3.1.2-7\].
    retained: RetainedStore,
    deadlines: Deadlines,
    events: VecDeque<BrokerEvent>,
    /// Where invented client identifiers come from, and how many there have been.
    secret: Secret,
    clients_named: u64,
    is_shutting_down: bool,
    closing: Option<Closing>,
    /// Draining: when it shuts down at the latest.
    drain_until: Option<Instant>,
    /// What the host listens to.
    listening: SubscriptionTree<()>,
    /// When it was first asked, and when its figures are due again.
    started: Option<Instant>,
    figures_due: Option<Instant>,
    messages_received: u64,
    messages_sent: u64,
    policy: Option<Arc<dyn Policy>>,
    /// Counts the changes of the policy.
    epoch: u32,
    /// Questions that have been asked.
    questions: u64,
    publishes_refused: u64,
    drops: Drops,
    opens_refused: u64,
    connects_refused: u64,
    connects_failed: u64,
    filters_refused: u64,
    retained_dropped: u64,
    events_dropped: u64,
    /// Room to work in, used again and again.
    hits: Vec<Hit>,
    groups: Vec<GroupHit>,
}

// --- the network and the clock -------------------------------------------------------------------------------------------

impl Broker {
    /// A broker with nothing in it. The client identifiers that it invents follow from `seed`: take a random one that nobody knows, or a fixed one for a
    /// run that can be repeated.
    #[must_use]
    pub fn new(mut options: BrokerOptions, seed: u64) -> Self {
        // So that what becomes of a message can be said in its acknowledgement.
        options.server.acknowledge = Acknowledge::Manually;
        Self {
            connections: Connections::new(),
            registry: Registry::new(options.subscriptions_per_session_max),
            retained: RetainedStore::new(options.retained_messages_max, options.retained_bytes_max),
            deadlines: Deadlines::default(),
            events: VecDeque::new(),
            secret: Secret::new(seed),
            clients_named: 0,
            is_shutting_down: false,
            closing: None,
            drain_until: None,
            listening: SubscriptionTree::new(),
            started: None,
            figures_due: None,
            messages_received: 0,
            messages_sent: 0,
            policy: None,
            epoch: 0,
            questions: 0,
            publishes_refused: 0,
            drops: Drops::default(),
            opens_refused: 0,
            connects_refused: 0,
            connects_failed: 0,
            filters_refused: 0,
            retained_dropped: 0,
            events_dropped: 0,
            hits: Vec::new(),
            groups: Vec::new(),
            options,
        }
    }

    /// A transport has been accepted. It gets a name, which is good until [`handle_closed`](Self::handle_closed).
    ///
    /// # Errors
    ///
    /// [`OpenError`]: close the transport.
    pub fn open(&mut self, now: Instant) -> Result<ConnectionId, OpenError> {
        let opened = self.check_open().and_then(|full| {
            let server = Server::new(now, self.options.server.clone());
            self.connections.insert(server).ok_or(full)
        });
        match opened {
            Ok(id) => self.arm(id),
            Err(_) => self.opens_refused = self.opens_refused.saturating_add(1),
        }
        opened
    }

    /// Is there room for one more connection? Says what to say if its name can't be had, all the same.
    fn check_open(&self) -> Result<OpenError, OpenError> {
        if self.is_shutting_down || self.drain_until.is_some() {
            return Err(OpenError::ShuttingDown);
        }
        let connections = self.connections.len();
        let full = OpenError::TooManyConnections { connections };
        if connections < self.options.connections_max { Ok(full) } else { Err(full) }
    }

    /// A transport has been read. Takes every complete packet that may be taken now from the front of `input`; the rest is to be offered again, with what
    /// comes behind it. [`wants_input`](Self::wants_input) tells whether that may be now.
    pub fn handle_input(&mut self, now: Instant, id: ConnectionId, input: &mut &[u8]) {
        self.check_stay(now, id);
        while let Some(connection) = self.connections.get_mut(id)
            && connection.parked.is_none()
            && let Some(event) = connection.server.handle_input(now, input)
        {
            self.handle_event(now, id, event);
        }
        self.connections.mark(id);
        self.settle(now, id);
    }

    /// Input of this connection would be handled now. False while the client does not read what we answer, or if there is no such connection.
    #[must_use]
    pub fn wants_input(&self, id: ConnectionId) -> bool {
        self.connections
            .get(id)
            .is_some_and(|connection| connection.parked.is_none() && connection.server.wants_input())
    }

    /// A transport is gone, or has been closed as [`Transmit::Close`] asked. Its name is free.
    pub fn handle_closed(&mut self, now: Instant, id: ConnectionId) {
        self.end(now, id, DisconnectCause::TransportClosed);
        if let Some(mut connection) = self.connections.remove(id) {
            let owner = Owner::Connection(id);
            self.deadlines.disarm(owner, &mut connection.armed);
            while let Some(event) = connection.server.poll_event() {
                if let Event::Published { outcome, .. } = event {
                    self.drops.note(outcome);
                }
            }
        }
    }

    /// Time has passed. Early or repeated calls do nothing. One call does what is due for a thousand connections and sessions at most, so that the others don't wait until a hundred
    /// thousand have ended; if there are more, [`poll_timeout`](Self::poll_timeout) says so: it has passed still.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.drain_until.is_some_and(|until| until <= now) {
            self.shutdown(now);
        }
        self.publish_figures(now);
        self.retained.handle_timeout(now);
        self.close_some(now);
        for _ in 0..OWNERS_MAX {
            let Some(owner) = self.deadlines.pop(now) else {
                break;
            };
            match owner {
                Owner::Connection(id) => {
                    if let Some(connection) = self.connections.get_mut(id) {
                        connection.armed = None;
                        self.handle_connection_timeout(now, id);
                    }
                }
                Owner::Session(id) => self.handle_session_timeout(now, id),
            }
        }
    }

    fn handle_connection_timeout(&mut self, now: Instant, id: ConnectionId) {
        self.check_stay(now, id);
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if let Some(parked) = connection.parked.take_if(|parked| parked.deadline <= now) {
            return self.go_on(now, id, *parked, Verdict::DENY);
        }
        if connection.parked.is_none() {
            connection.server.handle_timeout(now);
            if connection.server.is_overdue() {
                self.connections.unblock(id);
            }
        }
        self.connections.mark(id);
        self.settle(now, id);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), if nothing else happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let figures = self.options.figures_interval.map(|_| self.figures_due.unwrap_or(Instant::ZERO));
        let closing = self.closing.as_ref().map(|closing| closing.since);
        let expires = self.retained.poll_timeout();
        self.deadlines.first().into_iter().chain(self.drain_until).chain(figures).chain(closing).chain(expires).min()
    }

    /// The transport takes no more bytes for now. [`poll_transmit`](Self::poll_transmit) leaves the connection alone until [`handle_writable`](Self::handle_writable); what
    /// gathers meanwhile is bounded by [`Limits`](crate::Limits). If the connection ends and takes nothing for [`Limits::close_timeout`](crate::Limits::close_timeout) after that, it is to be
    /// [closed](Transmit::Close) all the same.
    pub fn handle_blocked(&mut self, id: ConnectionId) {
        self.connections.block(id);
    }

    /// The transport takes bytes again.
    pub fn handle_writable(&mut self, id: ConnectionId) {
        self.connections.unblock(id);
    }

    /// The next connection that has something to send, if there is one: [`Ready`](Transmit::Ready) after its bytes have been appended to `out`, or [`Close`](Transmit::Close), once, when
    /// all that it had has been handed out or had its time. Connections take turns.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut TransmitBuf) -> Option<(ConnectionId, Transmit)> {
        while let Some(id) = self.connections.next_ready() {
            self.check_stay(now, id);
            let Some(connection) = self.connections.get_mut(id) else {
                continue;
            };
            let mut transmit = connection.server.poll_transmit(now, out);
            let is_nobody = !connection.server.is_connected();
            if transmit == Transmit::Idle && is_nobody && self.is_shutting_down {
                transmit = Transmit::Close;
            }
            self.settle(now, id);
            match transmit {
                Transmit::Idle => {
                    self.close_if_drained(now, id);
                    continue;
                }
                Transmit::Ready => self.connections.mark(id),
                Transmit::Close => self.connections.close(id),
            }
            return Some((id, transmit));
        }
        None
    }

    /// What has happened.
    pub fn poll_event(&mut self) -> Option<BrokerEvent> {
        self.events.pop_front()
    }

    fn has_room_for_events(&self) -> bool {
        self.events.len() < self.options.events_max
    }

    fn push_event(&mut self, event: BrokerEvent) {
        if self.has_room_for_events() {
            self.events.push_back(event);
        } else {
            self.events_dropped = self.events_dropped.saturating_add(1);
        }
    }

    fn handle_event(&mut self, now: Instant, id: ConnectionId, event: Event<'_>) {
        match event {
            Event::ConnectRequested(connect) => self.connect(now, id, &connect),
            // Only its maker can read it.
            Event::OpaqueConnectRequested(_) => self.refuse(now, id, ReasonCode::NotAuthorized),
            Event::Received(message) => self.receive(now, id, &message),
            Event::SubscribeRequested(subscribe) => self.consider(now, id, Task::Subscribe(subscribe)),
            Event::UnsubscribeRequested(unsubscribe) => self.unsubscribe(now, id, &unsubscribe),
            Event::Disconnected(disconnected) => self.end(now, id, disconnected.cause),
            Event::Published { outcome, .. } => self.drops.note(outcome),
            // A client's, or not agreed to.
            Event::Connected(_)
            | Event::Subscribed { .. }
            | Event::Unsubscribed { .. }
            | Event::RequestLost { .. }
            | Event::Opaque(_)
            | Event::Auth(_) => {}
        }
    }

    /// After everything that may have changed a connection.
    fn settle(&mut self, now: Instant, id: ConnectionId) {
        while let Some(connection) = self.connections.get_mut(id)
            && let Some(event) = connection.server.poll_event()
        {
            self.handle_event(now, id, event);
        }
        self.send_retained(now, id);
        self.arm(id);
    }

    /// Sees to it that the connection is asked when something is due on it.
    fn arm(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            let due = match &connection.parked {
                // Its own deadlines rest, too.
                Some(parked) => Some(parked.deadline),
                None => connection.server.poll_timeout(),
            };
            let due = due.into_iter().chain(connection.retained_from).min();
            let owner = Owner::Connection(id);
            self.deadlines.arm(owner, &mut connection.armed, due);
        }
    }
}

/// How many connections and sessions are ended, or asked what is due on them, in one call.
const OWNERS_MAX: usize = 1_000;

// --- figures --------------------------------------------------------------------------------------------------------------

impl Broker {
    /// How much there is of everything.
    #[must_use]
    pub fn counts(&self) -> BrokerCounts {
        BrokerCounts {
            connections: self.connections.len(),
            sessions: self.registry.len(),
            subscriptions: self.registry.subscriptions(),
            retained_messages: self.retained.len(),
            retained_bytes: self.retained.bytes(),
            opens_refused: self.opens_refused,
            connects_refused: self.connects_refused,
            connects_failed: self.connects_failed,
            filters_refused: self.filters_refused,
            drops: self.drops,
            publishes_refused: self.publishes_refused,
            retained_dropped: self.retained_dropped,
            events_dropped: self.events_dropped,
        }
    }

    /// The options that it was made with.
    #[must_use]
    pub const fn options(&self) -> &BrokerOptions {
        &self.options
    }

    /// The retained messages.
    #[must_use]
    pub const fn retained(&self) -> &RetainedStore {
        &self.retained
    }
}
