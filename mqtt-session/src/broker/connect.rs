//! How clients come and go, and what becomes of their sessions (sections 3.1.4 and 4.1).

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use mqtt_proto::{Connect, Properties, ReasonCode};

use super::ask::{Newcomer, Task};
use super::connections::ConnectionId;
use super::deadlines::Owner;
use super::policy::{Credentials, Principal};
use super::registry::SessionId;
use super::route::Publisher;
use super::wills::{DelayedWill, StoredWill};
use super::{Broker, BrokerEvent, BrokerOptions, OWNERS_MAX};
use crate::{Accept, AnswerError, DisconnectCause, Instant, RequestError, Server};

/// A will whose time has come.
type DueWill = (SessionId, StoredWill);

impl Broker {
    /// A client asks for a connection.
    pub(super) fn connect(&mut self, now: Instant, id: ConnectionId, connect: &Connect<'_>) {
        let client_id = connect.client_id;
        if connect.properties.authentication_method().is_some() {
            // None is known: v5[MQTT-4.12.0-1]
            return self.refuse(now, id, ReasonCode::BadAuthenticationMethod);
        }
        if client_id.len() > self.options.client_id_bytes_max {
            // v3[MQTT-3.1.3-9]
            return self.refuse(now, id, ReasonCode::ClientIdentifierNotValid);
        }
        if connect.will.is_some_and(|will| self.is_too_deep(will.topic)) {
            return self.refuse(now, id, ReasonCode::TopicNameInvalid);
        }
        // Before anybody is asked about it.
        if let Err(reason_code) = self.check_room(client_id.as_str()) {
            return self.refuse(now, id, reason_code);
        }
        let client_id = if client_id.is_empty() { self.invent_client_id() } else { client_id.as_str().into() };
        let user_name = connect.user_name.map(|name| name.as_str().into());
        let principal = Arc::new(Principal { client_id, user_name });
        let will = connect.will.as_ref().map(|will| StoredWill::new(will, Arc::clone(&principal)));
        let newcomer = Newcomer { principal, clean_start: connect.clean_start, will };
        let credentials = Credentials { password: connect.password, properties: connect.properties };
        self.consider(now, id, Task::Connect(newcomer, credentials));
    }

    /// One who may come in. Whoever is refused changes nothing: v5\[MQTT-3.1.4-2\].
    pub(super) fn welcome(&mut self, now: Instant, id: ConnectionId, newcomer: Newcomer) {
        let client_id = Arc::clone(&newcomer.principal.client_id);
        let admitted = self.check_room(&client_id).and_then(|()| {
            self.check_welcome(id, &client_id)?;
            self.catch_up(now, &client_id);
            self.take_over(now, &client_id);
            self.attach(now, id, newcomer)
        });
        if let Err(reason_code) = admitted {
            self.refuse(now, id, reason_code);
        }
    }

    pub(super) fn refuse(&mut self, now: Instant, id: ConnectionId, reason_code: ReasonCode) {
        if let Some(connection) = self.connections.get_mut(id) {
            let refused = connection.server.refuse(now, reason_code, Properties::EMPTY);
            if matches!(refused, Err(AnswerError::Invalid(_))) {
                // The policy gave a reason that is none for this.
                let refused = connection.server.refuse(now, ReasonCode::NotAuthorized, Properties::EMPTY);
                debug_assert!(refused.is_ok(), "it asked: {refused:?}");
            }
        }
    }

    /// Is there room for this client?
    fn check_room(&self, client_id: &str) -> Result<(), ReasonCode> {
        if self.is_shutting_down || self.drain_until.is_some() {
            Err(ReasonCode::ServerUnavailable)
        } else if self.registry.len() >= self.options.sessions_max && self.registry.find(client_id).is_none() {
            Err(ReasonCode::QuotaExceeded)
        } else {
            Ok(())
        }
    }

    /// Does this client take our CONNACK? v5\[MQTT-3.1.2-24\]
    fn check_welcome(&self, id: ConnectionId, client_id: &str) -> Result<(), ReasonCode> {
        let takes = |server: &Server| server.takes(&welcome(server, &self.options, client_id));
        let found = self.connections.get(id).filter(|connection| takes(&connection.server));
        found.map(drop).ok_or(ReasonCode::PacketTooLarge)
    }

    /// A client identifier that nobody has: v3\[MQTT-3.1.3-6\] v5\[MQTT-3.1.3-6\] v5\[MQTT-3.2.2-16\]. Whoever knows it can take the session over, so
    /// one that was given away tells nothing about the next.
    fn invent_client_id(&mut self) -> Arc<str> {
        loop {
            self.clients_named = self.clients_named.wrapping_add(1);
            let number = self.secret.hash(&self.clients_named.to_le_bytes());
            let client_id = format!("auto-{number:016x}");
            if self.registry.find(&client_id).is_none() {
                return client_id.into();
            }
        }
    }

    /// What was due for a session before its client came back is done before. The host reads input first, and looks at the time afterwards.
    fn catch_up(&mut self, now: Instant, client_id: &str) {
        if let Some(id) = self.registry.find(client_id)
            && let Some(session) = self.registry.get_mut(id)
            && session.connection.is_none()
            && session.due().is_some_and(|due| due <= now)
        {
            self.deadlines.disarm(Owner::Session(id), &mut session.armed);
            self.handle_session_timeout(now, id);
        }
    }

    /// The client may be connected already: v3\[MQTT-3.1.4-2\] v5\[MQTT-3.1.4-3\].
    fn take_over(&mut self, now: Instant, client_id: &str) {
        if let Some(session) = self.registry.find(client_id)
            && let Some(id) = self.registry.get(session).and_then(|old| old.connection)
        {
            let sent = self.send_away(now, id, ReasonCode::SessionTakenOver);
            debug_assert!(sent.is_ok(), "it was connected: {sent:?}");
            // However that went, the session is its no more.
            self.end(now, id, DisconnectCause::Local(ReasonCode::SessionTakenOver));
        }
    }

    /// Gives a connection its session, old or new, and accepts it.
    fn attach(&mut self, now: Instant, id: ConnectionId, newcomer: Newcomer) -> Result<(), ReasonCode> {
        let Newcomer { principal, clean_start, will } = newcomer;
        let mut old = self.registry.find(&principal.client_id);
        // v3[MQTT-3.1.2-6] v5[MQTT-3.1.2-4]
        if clean_start && let Some(session) = old.take() {
            self.bury(now, session);
        }
        // v3[MQTT-3.1.2-4] v5[MQTT-3.1.2-5] v5[MQTT-3.1.2-6]
        let session = old.or_else(|| self.registry.insert(&principal, self.epoch)).ok_or(ReasonCode::QuotaExceeded)?;
        // What waits for it goes out when it is accepted.
        self.introduce(now, session, &principal);
        let (Some(connection), Some(found)) = (self.connections.get_mut(id), self.registry.get_mut(session)) else {
            return Err(ReasonCode::UnspecifiedError);
        };
        let accept = Accept {
            session_present: old.is_some(),
            ..welcome(&connection.server, &self.options, &principal.client_id)
        };
        let accepted = connection.server.accept(now, &mut found.state, &accept);
        if accepted.is_err() {
            debug_assert!(false, "it asked: {accepted:?}");
            if old.is_none() {
                self.bury(now, session);
            }
            return Err(ReasonCode::UnspecifiedError);
        }
        connection.session = Some(session);
        connection.is_decided = true;
        // Its own, whatever there was before: v3[MQTT-3.1.2-12]
        connection.will = will.map(|will| will.allowed_in(self.epoch));
        found.connection = Some(id);
        found.retained_due.extend(self.retained.last());
        found.expires = None;
        found.will = None;
        // Come back in time, and it does not end as long as it has a connection: v5[MQTT-3.1.3-9] v3[MQTT-4.1.0-2] v5[MQTT-4.1.0-1]
        self.deadlines.disarm(Owner::Session(session), &mut found.armed);
        let version = connection.server.version();
        self.push_event(BrokerEvent::Connected {
            connection: id,
            client_id: Arc::clone(&principal.client_id),
            version,
            session_present: old.is_some(),
        });
        Ok(())
    }

    /// A connection is over, though some output may be left.
    pub(super) fn end(&mut self, now: Instant, id: ConnectionId, cause: DisconnectCause) {
        if let Some(will) = self.detach(now, id, cause) {
            self.publish_will(now, will);
        }
    }

    /// Takes the session from a connection. Returns its will, if that is to be published at once.
    fn detach(&mut self, now: Instant, id: ConnectionId, cause: DisconnectCause) -> Option<DueWill> {
        let connection = self.connections.get_mut(id)?;
        connection.parked = None;
        let Some(session) = connection.session.take() else {
            self.note_refused(id, cause);
            return None;
        };
        let state = connection.server.take_session();
        let asked = connection.server.session_expiry_interval();
        // v3[MQTT-3.1.2-10] v3[MQTT-3.14.4-3] v5[MQTT-3.1.2-10] v5[MQTT-3.14.4-3]
        let will = connection.will.take().filter(|_| !cause.drops_will());
        let found = self.registry.get_mut(session)?;
        found.connection = None;
        found.state = state;
        let client_id = Arc::clone(&found.principal.client_id);
        found.expires = match asked.min(self.options.session_expiry_max) {
            u32::MAX => None,
            seconds => Some(now + Duration::from_secs(seconds.into())),
        };
        let is_over = found.expires.is_some_and(|expires| expires <= now);
        // v3[MQTT-3.1.2-8] v5[MQTT-3.1.2-8]
        let (due_now, due_later) = match will.map(|will| (will.due(now, found.expires), will)) {
            Some((due, will)) if due > now => (None, Some(DelayedWill { will, due })),
            Some((_, will)) => (Some((session, will)), None),
            None => (None, None),
        };
        found.will = due_later;
        let due = found.due();
        // Only then somebody else gets what it was sent as a member of a group: v5[MQTT-4.8.2-4]
        if is_over {
            // v3[MQTT-3.1.2-6]
            if let Some(ended) = self.registry.remove(session) {
                self.bequeath(now, ended);
            }
        } else {
            let owner = Owner::Session(session);
            self.deadlines.arm(owner, &mut found.armed, due);
        }
        self.push_event(BrokerEvent::Disconnected { connection: id, client_id, cause });
        due_now
    }

    /// A connection is over. Tells the host, unless somebody was let in on it.
    fn note_refused(&mut self, id: ConnectionId, cause: DisconnectCause) {
        if let Some(connection) = self.connections.get_mut(id)
            && !core::mem::replace(&mut connection.is_decided, true)
        {
            let count = match cause {
                DisconnectCause::Refused(_) => &mut self.connects_refused,
                _ => &mut self.connects_failed,
            };
            *count = count.saturating_add(1);
            self.push_event(BrokerEvent::Refused { connection: id, cause });
        }
    }

    pub(super) fn handle_session_timeout(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.registry.get_mut(id) else {
            return;
        };
        session.armed = None;
        // v5[MQTT-4.1.0-2]
        if session.expires.is_some_and(|expires| expires <= now) {
            self.bury(now, id);
            return;
        }
        // v5[MQTT-3.1.2-10]
        let will = session.will.take_if(|will| will.due <= now);
        session.state.drop_over(now, &mut |_, outcome| self.drops.note(outcome));
        let due = session.due();
        let owner = Owner::Session(id);
        self.deadlines.arm(owner, &mut session.armed, due);
        if let Some(will) = will {
            self.publish_will(now, (id, will.will));
        }
    }

    /// Ends a session that has no connection. A will that was still to come comes now: v5\[MQTT-3.1.2-8\].
    pub(super) fn bury(&mut self, now: Instant, id: SessionId) {
        if let Some(mut session) = self.registry.remove(id) {
            let owner = Owner::Session(id);
            self.deadlines.disarm(owner, &mut session.armed);
            let will = session.will.take();
            self.bequeath(now, session);
            if let Some(will) = will {
                self.publish_will(now, (id, will.will));
            }
        }
    }

    fn publish_will(&mut self, now: Instant, (session, will): DueWill) {
        if self.may_publish(&will) {
            let publisher = Publisher { session, principal: Arc::clone(&will.principal) };
            self.route_from_client(now, &will.message(), Some(&publisher));
        } else {
            self.publishes_refused = self.publishes_refused.saturating_add(1);
        }
    }

    /// Ends a client's connection, with DISCONNECT where its version has that.
    pub(super) fn send_away(
        &mut self,
        now: Instant,
        id: ConnectionId,
        reason_code: ReasonCode,
    ) -> Result<(), RequestError> {
        let connection = self.connections.get_mut(id).ok_or(RequestError::NotConnected)?;
        connection.server.disconnect(now, reason_code, Properties::EMPTY).map_err(|error| match error {
            AnswerError::NothingAsked => RequestError::NotConnected,
            AnswerError::Invalid(error) => RequestError::Invalid(error),
        })?;
        self.connections.mark(id);
        self.settle(now, id);
        Ok(())
    }

    /// Begins to end all connections.
    pub(super) fn close_all(&mut self, now: Instant) {
        if self.closing.is_none() {
            let ids = self.connections.ids().collect();
            self.closing = Some(Closing { since: now, ids, wills: Vec::new() });
        }
        self.close_some(now);
    }

    /// Ends some of them, and when that is done with all, publishes some of their wills: nobody gets one who is leaving, too.
    pub(super) fn close_some(&mut self, now: Instant) {
        let Some(mut closing) = self.closing.take() else {
            return;
        };
        let reason_code = ReasonCode::ServerShuttingDown;
        let rest = closing.ids.len().saturating_sub(OWNERS_MAX);
        let ids = closing.ids.split_off(rest);
        let room = OWNERS_MAX.saturating_sub(ids.len());
        for id in ids {
            if let Some(connection) = self.connections.get_mut(id) {
                // Whoever has not connected has nothing to be told, and is closed all the same.
                let _ = connection.server.disconnect(now, reason_code, Properties::EMPTY);
            }
            closing.wills.extend(self.detach(now, id, DisconnectCause::Local(reason_code)));
            self.connections.mark(id);
            self.arm(id);
        }
        if closing.ids.is_empty() {
            let rest = closing.wills.len().saturating_sub(room);
            for will in closing.wills.split_off(rest) {
                self.publish_will(now, will);
            }
        }
        if !closing.ids.is_empty() || !closing.wills.is_empty() {
            self.closing = Some(closing);
        }
    }
}

/// Connections that are still to be ended, and wills of those that have been.
#[derive(Clone, Debug)]
pub(super) struct Closing {
    pub(super) since: Instant,
    ids: Vec<ConnectionId>,
    wills: Vec<DueWill>,
}

/// What a client is told that may come in.
fn welcome<'a>(server: &Server, options: &BrokerOptions, client_id: &'a str) -> Accept<'a> {
    let session_expiry_interval = server.session_expiry_interval().min(options.session_expiry_max);
    Accept { session_expiry_interval: Some(session_expiry_interval), ..Accept::new(client_id) }
}
