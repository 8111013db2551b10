//! From a publisher to everybody who is subscribed (section 3.3.4).

use alloc::sync::Arc;

use mqtt_proto::{Properties, PropertiesBuf, PublishBuf, QoS, ReasonCode, TopicName, Version};

use super::Broker;
use super::ask::Task;
use super::connections::ConnectionId;
use super::counts::Drops;
use super::deadlines::Owner;
use super::policy::Principal;
use super::registry::{Hit, SessionId};
use super::retained::Origin;
use super::wills::travels;
use crate::{AckError, AckToken, Event, Instant, Message, Outgoing, Received, Server};

impl Broker {
    /// A client has published a message. What becomes of it is in the acknowledgement.
    pub(super) fn receive(&mut self, now: Instant, id: ConnectionId, received: &Received<'_>) {
        let message = Message {
            topic: received.topic(),
            qos: received.qos(),
            retain: received.retain(),
            properties: received.properties(),
            payload: received.payload().into(),
        };
        self.messages_received = self.messages_received.saturating_add(1);
        if self.is_too_deep(message.topic) {
            return self.refuse_topic(now, id, received.token());
        }
        self.consider(now, id, Task::Publish(message, received.token()));
    }

    pub(super) fn is_too_deep(&self, topic: TopicName<'_>) -> bool {
        topic.levels().count() > self.options.topic_levels_max
    }

    /// Says so in the acknowledgement, if there is one with a place for it.
    fn refuse_topic(&mut self, now: Instant, id: ConnectionId, token: Option<AckToken>) {
        self.publishes_refused = self.publishes_refused.saturating_add(1);
        let version = self.connections.get(id).map(|connection| connection.server.version());
        if token.is_some() && version.is_some_and(Version::acks_carry_reason) {
            self.acknowledge(now, id, token, ReasonCode::TopicNameInvalid);
        } else {
            // Gone already is as good.
            let _ = self.send_away(now, id, ReasonCode::TopicNameInvalid);
        }
    }

    pub(super) fn acknowledge(
        &mut self,
        now: Instant,
        id: ConnectionId,
        token: Option<AckToken>,
        reason_code: ReasonCode,
    ) {
        if let Some(token) = token
            && let Some(connection) = self.connections.get_mut(id)
        {
            // The connection may have ended on what it published: it was subscribed to it, say. Then the message comes again.
            let acknowledged = connection.server.acknowledge(now, token, reason_code, Properties::EMPTY);
            if matches!(acknowledged, Err(AckError::Invalid(_))) {
                // The policy gave a reason that is none for this.
                let _ = connection.server.acknowledge(now, token, ReasonCode::NotAuthorized, Properties::EMPTY);
            }
        }
    }

    /// A message of a client, alive or by its will. Returns what to answer.
    pub(super) fn route_from_client(
        &mut self,
        now: Instant,
        message: &Message<'_>,
        publisher: Option<&Publisher>,
    ) -> ReasonCode {
        if is_ours(message.topic) {
            // Taken, and passed on to nobody.
            return ReasonCode::Success;
        }
        self.route(now, message, publisher)
    }

    pub(super) fn route(&mut self, now: Instant, message: &Message<'_>, publisher: Option<&Publisher>) -> ReasonCode {
        let mut hits = core::mem::take(&mut self.hits);
        let mut groups = core::mem::take(&mut self.groups);
        let session = publisher.map(|publisher| publisher.session);
        self.registry.matches(message.topic, session, &mut hits, &mut groups);
        if self.policy.is_some() {
            if self.renew(now, &hits) {
                self.registry.matches(message.topic, session, &mut hits, &mut groups);
            }
            hits.retain(|hit| hit.grant.is_allowed);
        }
        // v3[MQTT-3.3.1-12] v5[MQTT-3.3.1-8]
        let retain = message.retain && self.options.server.retain_available;
        let is_for_host = self.listening.matches(message.topic).next().is_some();
        let mut is_for_somebody = is_for_host || !hits.is_empty();
        if retain || is_for_somebody || !groups.is_empty() {
            let kept = Arc::new(keep(message));
            if retain {
                let origin = publisher.map(|publisher| publisher.origin(self.epoch));
                let stored = self.retained.insert_from(now, Arc::clone(&kept), origin);
                self.retained_dropped = self.retained_dropped.saturating_add(stored.is_err().into());
                // Whoever comes later gets it.
                is_for_somebody |= stored.is_ok();
            }
            if is_for_host {
                self.overhear(&kept, session);
            }
            // One copy for each session, with a connection or without: v3[MQTT-3.3.5-1] v3[MQTT-4.5.0-1] v5[MQTT-3.3.4-2] v5[MQTT-4.5.0-1]
            for hits in hits.chunk_by(|one, next| one.session == next.session) {
                if let Some(hit) = hits.first() {
                    self.deliver(now, hit.session, outgoing(now, &kept, hits));
                }
            }
            for group in &groups {
                if let Some(chosen) = self.choose(now, group) {
                    is_for_somebody = true;
                    self.deliver(now, chosen.session, group.outgoing(now, &kept, &chosen));
                }
            }
        }
        (self.hits, self.groups) = (hits, groups);
        if is_for_somebody { ReasonCode::Success } else { ReasonCode::NoMatchingSubscribers }
    }

    /// Delivers to one session.
    pub(super) fn deliver(&mut self, now: Instant, receiver: SessionId, outgoing: Outgoing) {
        let Some(session) = self.registry.get_mut(receiver) else {
            return;
        };
        let Some(id) = session.connection else {
            // v3[MQTT-3.1.2-5]
            if outgoing.qos > QoS::AtMostOnce {
                let limits = &self.options.server.limits;
                let drops = &mut self.drops;
                let queued = session.state.accept(now, limits, outgoing, &mut |_, outcome| drops.note(outcome));
                if let Err(error) = queued {
                    self.drops.note_error(error);
                }
                let owner = Owner::Session(receiver);
                let due = session.due();
                self.deadlines.arm(owner, &mut session.armed, due);
            }
            return;
        };
        if let Some(connection) = self.connections.get_mut(id) {
            let is_timed = outgoing.expires.is_some() || self.options.server.limits.queued_time_max.is_some();
            let delivered = connection.server.deliver(now, outgoing);
            self.messages_sent = self.messages_sent.saturating_add(delivered.is_ok().into());
            if let Err(error) = delivered {
                self.drops.note_error(error);
            }
            note_drops(&mut connection.server, &mut self.drops);
            self.connections.mark(id);
            // If the transport is blocked, nobody else looks at the time.
            if is_timed {
                self.arm(id);
            }
        }
    }
}

/// A client that publishes, and perhaps has gone.
pub(super) struct Publisher {
    pub(super) session: SessionId,
    pub(super) principal: Arc<Principal>,
}

impl Publisher {
    fn origin(&self, epoch: u32) -> Origin {
        Origin { principal: Arc::clone(&self.principal), epoch }
    }
}

/// One delivery of a message that matches these subscriptions of one session.
pub(super) fn outgoing(now: Instant, message: &Arc<PublishBuf>, hits: &[Hit]) -> Outgoing {
    let grants = || hits.iter().map(|hit| hit.grant);
    let granted = grants().map(|grant| grant.qos).max().unwrap_or_default();
    let mut outgoing = Outgoing::new(now, Arc::clone(message));
    // v3[MQTT-3.3.5-1] v3[MQTT-3.8.4-6] v5[MQTT-3.3.4-2] v5[MQTT-3.8.4-8]
    outgoing.qos = message.qos().min(granted);
    // v3[MQTT-3.3.1-9] v5[MQTT-3.3.1-12] v5[MQTT-3.3.1-13]
    outgoing.retain = message.retain() && grants().any(|grant| grant.retain_as_published);
    // v5[MQTT-3.3.4-3] v5[MQTT-3.3.4-4]
    outgoing.subscription_ids = grants().filter_map(|grant| grant.id).collect();
    outgoing
}

/// What is kept of a message: not the properties that end here.
fn keep(message: &Message<'_>) -> PublishBuf {
    if message.properties.iter().all(travels) {
        return message.to_buf();
    }
    let mut properties = PropertiesBuf::new();
    // In their order: v5[MQTT-3.3.2-18]
    let extended = properties.extend_if(message.properties, travels);
    debug_assert!(extended.is_ok(), "they stood in a packet: {extended:?}");
    Message { properties: properties.as_properties(), ..*message }.to_buf()
}

/// Counts what has been settled since the last time. What a connection that is ending has to say stays where it is.
pub(super) fn note_drops(server: &mut Server, drops: &mut Drops) {
    while server.is_connected()
        && let Some(event) = server.poll_event()
    {
        if let Event::Published { outcome, .. } = event {
            drops.note(outcome);
        }
    }
}

/// The server's own topics, on which clients say nothing (section 4.7.2).
fn is_ours(topic: TopicName<'_>) -> bool {
    topic.as_bytes().strip_prefix(b"$SYS").is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}
