//! SUBSCRIBE and UNSUBSCRIBE, and the retained messages that follow (sections 3.8.4 and 3.10.4).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use mqtt_proto::{
    EncodeError, Properties, ReasonCode, RetainHandling, Subscribe, Subscription, SubscriptionId, TopicFilter,
    Unsubscribe,
};

use super::Broker;
use super::ask::Refusal;
use super::connections::ConnectionId;
use super::counts::Drops;
use super::due::Due;
use super::policy::Principal;
use super::registry::{Grant, SessionId};
use super::retained::{Retained, RetainedStore};
use super::rights::Rules;
use super::route::note_drops;
use crate::{AnswerError, Instant, Message, PublishError, Server};

impl Broker {
    /// What was not refused is done.
    pub(super) fn subscribe(
        &mut self,
        now: Instant,
        id: ConnectionId,
        subscribe: &Subscribe<'_>,
        refusals: &[Refusal],
    ) {
        let mut refusals = refusals.iter().peekable();
        let Some(session) = self.connections.get(id).and_then(|connection| connection.session) else {
            return;
        };
        // One after the other, and one answer with a code for each: v3[MQTT-3.8.4-4] v3[MQTT-3.8.4-5] v5[MQTT-3.8.4-5] v5[MQTT-3.8.4-6]
        let identifier = subscribe.properties.subscription_identifier();
        let codes: Vec<_> = (0..)
            .zip(subscribe.subscriptions.iter())
            .map(|(place, subscription)| match refusals.next_if(|(refused, _)| *refused == place) {
                Some((_, reason_code)) => refusal(*reason_code),
                None => self.subscribe_one(session, &subscription, identifier),
            })
            .collect();
        let refused = codes.iter().filter(|code| code.is_failure()).count();
        self.filters_refused = self.filters_refused.saturating_add(refused as u64);
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let server = &mut connection.server;
        let answered = server.suback(now, subscribe.packet_id, &codes, Properties::EMPTY);
        if let Err(error) = answered {
            let refused = match error {
                // v5[MQTT-3.1.2-24]
                AnswerError::Invalid(EncodeError::TooLarge { .. }) => Some(ReasonCode::PacketTooLarge),
                // In 3.1 there is no other way to say no.
                _ => codes.into_iter().find(|code| code.is_failure()),
            };
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
        if let Some(reason_code) = self.unavailable(filter) {
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
            // v5 4.8.2
            _ if filter.shared().is_some() => false,
            // v3[MQTT-3.3.1-6] v3[MQTT-3.8.4-3] v5[MQTT-3.3.1-9] v5[MQTT-3.8.4-4]
            RetainHandling::SendAtSubscribe => true,
            // v5[MQTT-3.3.1-10]
            RetainHandling::SendIfNew => is_new,
            // v5[MQTT-3.3.1-11]
            RetainHandling::DoNotSend => false,
        };
        if wants_retained && let Some(session) = self.registry.get_mut(session) {
            session.retained_due.push(filter.into(), self.retained.last());
        }
        ReasonCode::granted(grant.qos)
    }

    /// We don't offer this. A 5.0 client knows, and has been sent away by now; others are told for each filter.
    fn unavailable(&self, filter: TopicFilter<'_>) -> Option<ReasonCode> {
        let server = &self.options.server;
        // Before 5.0 the prefix means nothing, but nobody who writes it wants the topic.
        if filter.as_bytes().starts_with(b"$share/") && !server.shared_subscription_available {
            Some(ReasonCode::SharedSubscriptionsNotSupported)
        // v3[MQTT-3.8.3-2]
        } else if filter.has_wildcard() && !server.wildcard_subscription_available {
            Some(ReasonCode::WildcardSubscriptionsNotSupported)
        } else {
            None
        }
    }

    pub(super) fn unsubscribe(&mut self, now: Instant, id: ConnectionId, unsubscribe: &Unsubscribe<'_>) {
        let Some(session) = self.connections.get(id).and_then(|connection| connection.session) else {
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
        for filter in unsubscribe.filters.iter().filter(|filter| filter.shared().is_some()) {
            self.hand_over(now, session, filter);
        }
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        // v3[MQTT-3.10.4-4] v3[MQTT-3.10.4-5] v5[MQTT-3.10.4-4] v5[MQTT-3.10.4-5]
        let server = &mut connection.server;
        let answered = server.unsuback(now, unsubscribe.packet_id, &codes, Properties::EMPTY);
        if answered.is_err() {
            // It takes no answer of this size: v5[MQTT-3.1.2-24]
            let _ = self.send_away(now, id, ReasonCode::PacketTooLarge);
        }
    }

    /// Sends retained messages that a client is still to get, as long as they need not wait behind others: there may be more than any queue holds.
    /// A filter may match few of many, so what is looked at in one go is bounded, too.
    pub(super) fn send_retained(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if connection.retained_from.is_some_and(|from| now < from) {
            return;
        }
        connection.retained_from = None;
        let Some(session) = connection.session else {
            return;
        };
        let Some(found) = self.registry.get_mut(session) else {
            return;
        };
        let mut due = core::mem::take(&mut found.retained_due);
        let reader = Arc::clone(&found.principal);
        let server = &mut connection.server;
        let rules = Rules { policy: self.policy.as_deref(), epoch: self.epoch };
        let mut slice = Slice {
            retained: &self.retained,
            rules,
            reader: &reader,
            looks_left: LOOKS_MAX,
            sent: 0,
            drops: &mut self.drops,
        };
        while server.has_room()
            && slice.looks_left > 0
            && let Some(first) = due.front()
        {
            let grant = self.registry.grant(session, first.filter.as_filter());
            let grant = grant.filter(|grant| grant.is_allowed);
            if grant.is_some_and(|grant| !slice.send(now, server, first, grant)) {
                break;
            }
            due.pop();
        }
        let Slice { looks_left, sent, .. } = slice;
        if looks_left == 0 && !due.is_empty() {
            connection.retained_from = Some(now + PAUSE);
        }
        if let Some(found) = self.registry.get_mut(session) {
            found.retained_due = due;
        }
        if sent > 0 {
            self.connections.mark(id);
        }
    }
}

/// A reason that the policy gave, if it is one for a subscription.
const fn refusal(reason_code: ReasonCode) -> ReasonCode {
    match reason_code {
        ReasonCode::UnspecifiedError
        | ReasonCode::ImplementationSpecificError
        | ReasonCode::TopicFilterInvalid
        | ReasonCode::QuotaExceeded => reason_code,
        _ => ReasonCode::NotAuthorized,
    }
}

/// How many retained messages are looked at for one connection before others have their turn: well below a millisecond of work.
const LOOKS_MAX: usize = 4_000;

/// When they have had it: in the next turn of the host.
const PAUSE: Duration = Duration::from_micros(1);

/// What is sent in one go.
struct Slice<'a> {
    retained: &'a RetainedStore,
    rules: Rules<'a>,
    reader: &'a Principal,
    looks_left: usize,
    sent: usize,
    drops: &'a mut Drops,
}

impl Slice<'_> {
    /// Sends more of what is due, while there is room and time. True: that was all.
    fn send(&mut self, now: Instant, server: &mut Server, due: &mut Due, grant: Grant) -> bool {
        let filter = due.filter.as_filter();
        let mut messages = match &due.after {
            Some(last) => self.retained.matches_after(now, filter, last.as_name()),
            None => self.retained.matches(now, filter),
        };
        let mut last = None;
        let is_done = loop {
            let Some(looks_left) = self.looks_left.checked_sub(1).filter(|_| server.has_room()) else {
                break false;
            };
            self.looks_left = looks_left;
            let Some((kept, is_match)) = messages.look() else {
                break true;
            };
            if is_match && kept.number <= due.until && self.may_send(kept, grant) {
                let mut outgoing = kept.outgoing();
                outgoing.qos = outgoing.qos.min(grant.qos);
                outgoing.subscription_ids.extend(grant.id);
                match server.deliver(now, outgoing) {
                    Ok(_) => self.sent += 1,
                    Err(PublishError::QueueFull { .. }) => break false,
                    Err(error) => self.drops.note_error(error),
                }
            }
            last = Some(kept);
        };
        if let Some(last) = last {
            due.after = Some(last.topic().into());
        }
        note_drops(server, self.drops);
        is_done
    }

    /// Nobody gets its own who does not want that, or what its publisher may leave behind no longer.
    fn may_send(&self, kept: &Retained, grant: Grant) -> bool {
        kept.origin().is_none_or(|origin| {
            // v5[MQTT-3.8.3-3]
            let is_own = origin.principal.client_id == self.reader.client_id;
            !(grant.no_local && is_own)
                && self.rules.may_publish(&origin.principal, origin.epoch, &Message::from(&**kept.message()))
        })
    }
}
