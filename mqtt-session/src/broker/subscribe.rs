//! SUBSCRIBE and UNSUBSCRIBE, and the retained messages that follow (sections 3.8.4 and 3.10.4).

use alloc::sync::Arc;
use alloc::vec::Vec;

use mqtt_proto::{
    Properties, ReasonCode, RetainHandling, Subscribe, Subscription, SubscriptionId, TopicFilter, Unsubscribe,
};

use super::Broker;
use super::connections::ConnectionId;
use super::registry::{Grant, RetainedDue, SessionId};
use super::retained::RetainedStore;
use super::route::dropped_since;
use crate::{Instant, Outgoing, PublishError, Server};

impl Broker {
    pub(super) fn subscribe(&mut self, now: Instant, id: ConnectionId, subscribe: &Subscribe<'_>) {
        let Some((connection, session)) =
            self.connections.get(id).and_then(|connection| Some((connection, connection.session?)))
        else {
            return;
        };
        // What a 5.0 client was told that we don't have, it may not ask for: v5[MQTT-4.13.1-1]
        if connection.server.version().has_properties()
            && let Some(reason_code) = self.unavailable(subscribe)
        {
            let sent = self.send_away(now, id, reason_code);
            debug_assert!(sent.is_ok(), "it was connected: {sent:?}");
            return;
        }
        // One after the other, and one answer: v3[MQTT-3.8.4-4] v5[MQTT-3.8.4-5]
        let identifier = subscribe.properties.subscription_identifier();
        let codes: Vec<_> = subscribe
            .subscriptions
            .iter()
            .map(|subscription| self.subscribe_one(session, &subscription, identifier))
            .collect();
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let server = &mut connection.server;
        let answered = server.suback(now, subscribe.packet_id, &codes, Properties::EMPTY);
        if answered.is_err() {
            // In 3.1 there is no other way to say no.
            let refused = codes.into_iter().find(|code| code.is_failure());
            let refused = refused.unwrap_or(ReasonCode::UnspecifiedError);
            // Gone already is as good.
            let _ = self.send_away(now, id, refused);
        }
        self.send_retained(now, id);
    }

    fn subscribe_one(
        &mut self,
        session: SessionId,
        subscription: &Subscription<'_>,
        identifier: Option<SubscriptionId>,
    ) -> ReasonCode {
        let filter = subscription.filter;
        let options = subscription.options;
        if let Some(reason_code) = self.unavailable_filter(filter) {
            return reason_code;
        }
        if filter.levels().count() > self.options.topic_levels_max {
            return ReasonCode::TopicFilterInvalid;
        }
        let grant = Grant::new(options, self.options.server.maximum_qos, identifier);
        let is_new = match self.registry.subscribe(session, filter, grant) {
            Ok(is_new) => is_new,
            Err(reason_code) => return reason_code,
        };
        let wants_retained = match options.retain_handling {
            // v3[MQTT-3.3.1-6] v3[MQTT-3.8.4-3] v5[MQTT-3.3.1-9] v5[MQTT-3.8.4-4]
            RetainHandling::SendAtSubscribe => true,
            // v5[MQTT-3.3.1-10]
            RetainHandling::SendIfNew => is_new,
            // v5[MQTT-3.3.1-11]
            RetainHandling::DoNotSend => false,
        };
        if wants_retained && let Some(session) = self.registry.get_mut(session) {
            let due = &mut session.retained_due;
            due.retain(|due| due.filter.as_filter() != filter);
            due.push_back(RetainedDue { filter: filter.into(), after: None });
        }
        ReasonCode::granted(grant.qos)
    }

    /// The first thing in a SUBSCRIBE that we don't offer.
    fn unavailable(&self, subscribe: &Subscribe<'_>) -> Option<ReasonCode> {
        let has_identifier = subscribe.properties.subscription_identifier().is_some();
        if has_identifier && !self.options.server.subscription_identifier_available {
            return Some(ReasonCode::SubscriptionIdentifiersNotSupported);
        }
        subscribe.subscriptions.iter().find_map(|subscription| self.unavailable_filter(subscription.filter))
    }

    fn unavailable_filter(&self, filter: TopicFilter<'_>) -> Option<ReasonCode> {
        let server = &self.options.server;
        // Before 5.0 the prefix means nothing, but nobody who writes it wants the topic.
        if filter.as_bytes().starts_with(b"$share/") && !server.shared_subscription_available {
            Some(ReasonCode::SharedSubscriptionsNotSupported)
        } else if filter.has_wildcard() && !server.wildcard_subscription_available {
            Some(ReasonCode::WildcardSubscriptionsNotSupported)
        } else {
            None
        }
    }

    pub(super) fn unsubscribe(&mut self, now: Instant, id: ConnectionId, unsubscribe: &Unsubscribe<'_>) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let Some(session) = connection.session else {
            return;
        };
        // v3[MQTT-3.10.4-6] v5[MQTT-3.10.4-6]
        let codes: Vec<_> = unsubscribe
            .filters
            .iter()
            .map(|filter| match self.registry.unsubscribe(session, filter) {
                true => ReasonCode::Success,
                false => ReasonCode::NoSubscriptionExisted,
            })
            .collect();
        // v3[MQTT-3.10.4-4] v3[MQTT-3.10.4-5] v5[MQTT-3.10.4-4] v5[MQTT-3.10.4-5]
        let server = &mut connection.server;
        let answered = server.unsuback(now, unsubscribe.packet_id, &codes, Properties::EMPTY);
        debug_assert!(answered.is_ok(), "it asked: {answered:?}");
    }

    /// Sends retained messages that a client is still to get, as long as they need not wait behind others: there may be more than any queue holds.
    pub(super) fn send_retained(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let Some(session) = connection.session else {
            return;
        };
        while connection.server.has_room()
            && let Some(found) = self.registry.get_mut(session)
            && let Some(mut due) = found.retained_due.pop_front()
        {
            let Some(grant) = self.registry.grant(session, due.filter.as_filter()) else {
                continue;
            };
            let server = &mut connection.server;
            let (is_done, dropped) = send_some(now, server, &self.retained, &mut due, grant);
            self.deliveries_dropped = self.deliveries_dropped.saturating_add(dropped);
            if !is_done {
                if let Some(found) = self.registry.get_mut(session) {
                    found.retained_due.push_front(due);
                }
                break;
            }
        }
    }
}

/// Sends retained messages while there is room. Returns whether these were all, and how many can't be sent.
fn send_some(
    now: Instant,
    server: &mut Server,
    retained: &RetainedStore,
    due: &mut RetainedDue,
    grant: Grant,
) -> (bool, u64) {
    let filter = due.filter.as_filter();
    let mut messages = match &due.after {
        Some(last) => retained.matches_after(filter, last.topic()),
        None => retained.matches(filter),
    };
    let mut last = None;
    let mut dropped = 0;
    let is_done = loop {
        let Some(message) = messages.next() else {
            break true;
        };
        let mut outgoing = Outgoing::new(Arc::clone(message));
        outgoing.qos = message.qos().min(grant.qos);
        // v3[MQTT-3.3.1-8]
        outgoing.retain = true;
        outgoing.subscription_ids.extend(grant.id);
        match server.deliver(now, outgoing) {
            Ok(_) => {}
            Err(PublishError::QueueFull { .. }) => break false,
            Err(_) => dropped += 1,
        }
        last = Some(message);
        if !server.has_room() {
            break false;
        }
    };
    if let Some(last) = last {
        due.after = Some(Arc::clone(last));
    }
    (is_done, dropped + dropped_since(server))
}
