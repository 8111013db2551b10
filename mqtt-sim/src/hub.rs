//! A small broker, on [`Server`] alone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use mqtt_proto::{
    Connect, Properties, PublishBuf, QoS, ReasonCode, Subscribe, TopicFilterBuf, TopicName, TransmitBuf, Unsubscribe,
};
use mqtt_session::{
    Accept, Event, Instant, Outgoing, PublishError, Received, Server, ServerOptions, SessionState, Transmit,
};

use crate::node::{Node, Report};
use crate::wire::LinkId;

/// A broker in one file: connections, sessions that outlive them, and who is subscribed to what. No retained messages, no wills: `mqtt_session::Broker` has
/// those. It is here because the world needs something at the other end, and to show how little there is to do around a [`Server`]:
///
/// * a `Server` per connection, and a [`SessionState`] per client, which is with the connection while there is one;
/// * CONNECT: find the session, taking it away from a connection that still has it, and accept;
/// * a message: one [`Outgoing`] for each session that has a filter for it, to [`Server::deliver`] or [`SessionState::enqueue`];
/// * the end: take the session back, and note when it expires.
///
/// ```
/// use mqtt_session::ServerOptions;
/// use mqtt_sim::{Hub, Node};
///
/// let hub = Hub::new(ServerOptions::default());
/// assert_eq!(hub.pending(), 0);
/// ```
#[derive(Debug)]
pub struct Hub {
    options: ServerOptions,
    refuses: bool,
    connections: BTreeMap<LinkId, Connection>,
    sessions: BTreeMap<String, Session>,
    /// Connections that may have something to send.
    due: BTreeSet<LinkId>,
    reports: VecDeque<Report>,
}

#[derive(Debug)]
struct Connection {
    server: Server,
    /// Whose it is, while it has the session.
    client_id: Option<String>,
    /// Its end has been announced.
    is_over: bool,
    is_blocked: bool,
}

#[derive(Debug, Default)]
struct Session {
    subscriptions: BTreeMap<String, (TopicFilterBuf, QoS)>,
    /// What waits for the client while it is away.
    state: SessionState,
    link: Option<LinkId>,
    /// When it ends, if the client stays away.
    expires: Option<Instant>,
}

impl Hub {
    /// An empty one.
    #[must_use]
    pub const fn new(options: ServerOptions) -> Self {
        Self {
            options,
            refuses: false,
            connections: BTreeMap::new(),
            sessions: BTreeMap::new(),
            due: BTreeSet::new(),
            reports: VecDeque::new(),
        }
    }

    fn handle_event(&mut self, now: Instant, link: LinkId, event: &Event<'_>) {
        match event {
            Event::ConnectRequested(connect) => self.connect(now, link, connect),
            Event::Received(received) => self.route(now, received),
            Event::SubscribeRequested(subscribe) => self.subscribe(now, link, subscribe),
            Event::UnsubscribeRequested(unsubscribe) => self.unsubscribe(now, link, unsubscribe),
            Event::Disconnected(disconnected) => {
                if let Some(connection) = self.connections.get_mut(&link) {
                    connection.is_over = true;
                    self.due.insert(link);
                    self.reports.push_back(Report::Ended { link, cause: disconnected.cause });
                }
            }
            _ => {}
        }
    }

    fn connect(&mut self, now: Instant, link: LinkId, connect: &Connect<'_>) {
        let client_id = connect.client_id.as_str();
        if self.refuses {
            self.reports.push_back(Report::Refused);
            if let Some(connection) = self.connections.get_mut(&link) {
                // An error means that it is over already.
                let _ = connection.server.refuse(now, ReasonCode::ServerUnavailable, Properties::EMPTY);
            }
            return;
        }
        self.take_over(now, client_id);
        self.expire(now);
        let kept = if connect.clean_start { None } else { self.sessions.remove(client_id) };
        let mut accept = Accept::new(client_id);
        accept.session_present = kept.is_some();
        let mut session = kept.unwrap_or_default();
        let Some(connection) = self.connections.get_mut(&link) else { return };
        if connection.server.accept(now, &mut session.state, &accept).is_ok() {
            connection.client_id = Some(client_id.into());
            session.link = Some(link);
            session.expires = None;
        } else if !accept.session_present {
            return;
        }
        self.sessions.insert(client_id.into(), session);
    }

    /// Whoever has this client's session gives it back: v5\[MQTT-3.1.4-3\].
    fn take_over(&mut self, now: Instant, client_id: &str) {
        let Some(link) = self.sessions.get(client_id).and_then(|session| session.link) else { return };
        if let Some(connection) = self.connections.get_mut(&link) {
            // An error only means that it is over already.
            let _ = connection.server.disconnect(now, ReasonCode::SessionTakenOver, Properties::EMPTY);
        }
        self.reports.push_back(Report::TakenOver);
        self.drain_events(now, link);
        self.leave(now, link);
    }

    /// Takes the session from a connection.
    fn leave(&mut self, now: Instant, link: LinkId) {
        self.due.insert(link);
        let Some(connection) = self.connections.get_mut(&link) else { return };
        let Some(client_id) = connection.client_id.take() else { return };
        let interval = connection.server.session_expiry_interval();
        let Some(session) = self.sessions.get_mut(&client_id) else { return };
        session.state = connection.server.take_session();
        session.link = None;
        session.expires = (interval < u32::MAX).then(|| now + Duration::from_secs(interval.into()));
        self.expire(now);
    }

    fn expire(&mut self, now: Instant) {
        self.sessions
            .retain(|_, session| session.link.is_some() || session.expires.is_none_or(|expires| now < expires));
    }

    fn subscribe(&mut self, now: Instant, link: LinkId, subscribe: &Subscribe<'_>) {
        let Some((connection, session)) = self.of(link) else { return };
        let mut codes = Vec::new();
        for subscription in &subscribe.subscriptions {
            let (filter, qos) = (subscription.filter, subscription.options.qos);
            session.subscriptions.insert(filter.as_str().into(), (filter.into(), qos));
            codes.push(ReasonCode::granted(qos));
        }
        // An error means that the connection is over, and then nobody waits for the answer.
        let _ = connection.server.suback(now, subscribe.packet_id, &codes, Properties::EMPTY);
    }

    fn unsubscribe(&mut self, now: Instant, link: LinkId, unsubscribe: &Unsubscribe<'_>) {
        let Some((connection, session)) = self.of(link) else { return };
        let codes: Vec<_> = unsubscribe
            .filters
            .iter()
            .map(|filter| match session.subscriptions.remove(filter.as_str()) {
                Some(_) => ReasonCode::Success,
                None => ReasonCode::NoSubscriptionExisted,
            })
            .collect();
        let _ = connection.server.unsuback(now, unsubscribe.packet_id, &codes, Properties::EMPTY);
    }

    fn of(&mut self, link: LinkId) -> Option<(&mut Connection, &mut Session)> {
        let connection = self.connections.get_mut(&link)?;
        let session = self.sessions.get_mut(connection.client_id.as_ref()?)?;
        Some((connection, session))
    }

    /// One copy to each session that wants it, at the highest QoS that it asked for.
    fn route(&mut self, now: Instant, received: &Received<'_>) {
        let message = Arc::new(received.to_buf());
        for (client_id, session) in &mut self.sessions {
            let Some(granted) = session.granted(received.topic()) else { continue };
            let mut outgoing = Outgoing::new(now, Arc::clone(&message));
            outgoing.qos = received.qos().min(granted);
            outgoing.retain = false;
            let connection = session.link.and_then(|link| self.connections.get_mut(&link));
            let delivered = match connection {
                Some(connection) => connection.server.deliver(now, outgoing).map(drop),
                None if outgoing.qos == QoS::AtMostOnce => Ok(()),
                None => session.state.enqueue(now, &self.options.limits, outgoing).map(drop),
            };
            self.due.extend(session.link);
            match delivered {
                Ok(()) => {}
                Err(PublishError::TooLarge { .. }) => self.reports.push_back(dropped(client_id, &message, true)),
                Err(PublishError::QueueFull { .. }) => self.reports.push_back(dropped(client_id, &message, false)),
                Err(error) => self.reports.push_back(Report::Mistake { what: error.to_string() }),
            }
        }
    }

    fn drain_events(&mut self, now: Instant, link: LinkId) {
        while let Some(event) = self.connections.get_mut(&link).and_then(|connection| connection.server.poll_event()) {
            self.handle_event(now, link, &event);
        }
    }
}

impl Session {
    fn granted(&self, topic: TopicName<'_>) -> Option<QoS> {
        self.subscriptions.values().filter(|(filter, _)| filter.as_filter().matches(topic)).map(|(_, qos)| *qos).max()
    }
}

fn dropped(client_id: &str, message: &PublishBuf, is_too_large: bool) -> Report {
    Report::Dropped {
        client_id: client_id.into(),
        topic: message.topic().as_str().into(),
        payload: message.payload().to_vec(),
        is_too_large,
    }
}

impl Node for Hub {
    fn open(&mut self, now: Instant, link: LinkId) {
        let server = Server::new(now, self.options.clone());
        let connection = Connection { server, client_id: None, is_over: false, is_blocked: false };
        self.connections.insert(link, connection);
    }

    fn wants_input(&self, link: LinkId) -> bool {
        self.connections.get(&link).is_some_and(|connection| !connection.is_over && connection.server.wants_input())
    }

    fn handle_input(&mut self, now: Instant, link: LinkId, input: &mut &[u8]) {
        while let Some(connection) = self.connections.get_mut(&link)
            && let Some(event) = connection.server.handle_input(now, input)
        {
            self.handle_event(now, link, &event);
        }
        self.drain_events(now, link);
        self.due.insert(link);
    }

    fn handle_closed(&mut self, now: Instant, link: LinkId) {
        if let Some(connection) = self.connections.get_mut(&link) {
            connection.server.handle_closed(now);
            self.drain_events(now, link);
            self.leave(now, link);
            self.connections.remove(&link);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.expire(now);
        for session in self.sessions.values_mut().filter(|session| session.link.is_none()) {
            session.state.handle_timeout(now);
        }
        let links: Vec<_> = self.connections.keys().copied().collect();
        for link in links {
            if let Some(connection) = self.connections.get_mut(&link)
                && connection.server.poll_timeout().is_some_and(|deadline| deadline <= now)
            {
                connection.server.handle_timeout(now);
                self.drain_events(now, link);
                self.due.insert(link);
            }
        }
    }

    fn handle_blocked(&mut self, link: LinkId) {
        if let Some(connection) = self.connections.get_mut(&link) {
            connection.is_blocked = true;
        }
    }

    fn handle_writable(&mut self, link: LinkId) {
        if let Some(connection) = self.connections.get_mut(&link) {
            connection.is_blocked = false;
            self.due.insert(link);
        }
    }

    fn poll_transmit(&mut self, now: Instant, out: &mut TransmitBuf) -> Option<(LinkId, Transmit)> {
        while let Some(&link) = self.due.first() {
            if let Some(connection) = self.connections.get_mut(&link) {
                if connection.is_blocked && connection.is_over {
                    // Who does not read need not be told goodbye, or would hold the connection for ever.
                    return Some((link, Transmit::Close));
                }
                if connection.is_blocked {
                    self.due.remove(&link);
                    continue;
                }
                let transmit = connection.server.poll_transmit(now, out);
                self.drain_events(now, link);
                if transmit != Transmit::Idle {
                    return Some((link, transmit));
                }
            }
            self.due.remove(&link);
        }
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let connections = self.connections.values().filter_map(|connection| connection.server.poll_timeout());
        let sessions = self.sessions.values().flat_map(|session| [session.expires, session.state.poll_timeout()]);
        connections.chain(sessions.flatten()).min()
    }

    fn poll_report(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    fn crash(&mut self, now: Instant) {
        let links: Vec<_> = self.connections.keys().copied().collect();
        links.into_iter().for_each(|link| self.leave(now, link));
        self.connections.clear();
        self.due.clear();
        // What a real one would have on a disk.
        for (client_id, session) in &mut self.sessions {
            match SessionState::import(now, &session.state.export(now)) {
                Ok(state) => session.state = state,
                Err(error) => {
                    let error = error.to_string();
                    self.reports.push_back(Report::Unreadable { client_id: client_id.clone(), error });
                }
            }
        }
    }

    fn offer(&mut self, options: ServerOptions) {
        self.options = options;
    }

    fn refuse(&mut self, refuses: bool) {
        self.refuses = refuses;
    }

    fn pending(&self) -> usize {
        let connected: usize = self.connections.values().map(|connection| connection.server.pending()).sum();
        connected + self.sessions.values().map(|session| session.state.pending()).sum::<usize>()
    }
}
