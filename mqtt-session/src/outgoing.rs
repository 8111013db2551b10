//! A message on its way out, for one receiver.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use mqtt_proto::{Codec, Delivery, Packet, PublishBuf, QoS, SubscriptionId, TopicFilterBuf, Version};

use crate::{Instant, Outcome, PublishError, PublishId};

/// One message for one receiver. The message is shared; what differs between receivers is here.
///
/// ```
/// use std::sync::Arc;
/// use mqtt_proto::{Publish, PublishBuf, TopicName};
/// use mqtt_session::{Instant, Outgoing};
///
/// let topic = TopicName::new("a/b")?;
/// let message = Arc::new(PublishBuf::new(topic, &Publish::new(topic, b"hello")));
/// let outgoing = Outgoing::new(Instant::ZERO, message);
/// assert_eq!(outgoing.expires, None);
/// # Ok::<(), mqtt_proto::Cause>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Outgoing {
    /// The message.
    pub message: Arc<PublishBuf>,
    /// The QoS of this delivery.
    pub qos: QoS,
    /// The retain flag of this delivery.
    pub retain: bool,
    /// It has been sent in a session that the peer lost.
    pub(crate) was_sent: bool,
    /// Connections that ended on it.
    pub(crate) failures: u32,
    /// The receiver's subscriptions that it matches (5.0 section 3.3.2.3.8).
    pub subscription_ids: Vec<SubscriptionId>,
    /// The shared subscription because of which it is this receiver's. Not exported.
    pub(crate) share: Option<Arc<TopicFilterBuf>>,
    /// When it is no longer worth delivering; `None`: never. What is left of the time goes with the message.
    pub expires: Option<Instant>,
}

impl Outgoing {
    /// A delivery as the message was published. Its Message Expiry Interval, if it has one, runs from `now`: v5\[MQTT-3.3.2-6\].
    #[must_use]
    pub fn new(now: Instant, message: Arc<PublishBuf>) -> Self {
        let interval = message.properties().message_expiry_interval();
        Self {
            qos: message.qos(),
            retain: message.retain(),
            was_sent: false,
            failures: 0,
            expires: interval.map(|seconds| now + Duration::from_secs(seconds.into())),
            message,
            subscription_ids: Vec::new(),
            share: None,
        }
    }

    /// What it counts for in a queue.
    pub(crate) fn bytes(&self) -> usize {
        let ids = self.subscription_ids.len().saturating_mul(size_of::<SubscriptionId>());
        self.message.len().saturating_add(ids)
    }

    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// The Message Expiry Interval to send now: the seconds that are left, begun ones included, so that it is 0 only for what has expired. That has
    /// been sent before, and still says 1: some peers read 0 as "never".
    pub(crate) fn expiry_interval(&self, now: Instant) -> Option<u32> {
        let left = self.expires?.since(now).as_micros().div_ceil(1_000_000);
        Some(u32::try_from(left).unwrap_or(u32::MAX).max(1))
    }

    /// Whether its properties may stand in a PUBLISH. Topic aliases may not: which there are is known when it is sent.
    pub(crate) fn check(&self) -> Result<(), PublishError> {
        let properties = self.message.properties();
        if properties.is_empty() {
            return Ok(());
        }
        if properties.topic_alias().is_some() {
            return Err(PublishError::TopicAlias);
        }
        let publish = self.message.publish(Delivery::AtMostOnce);
        Codec::server(Version::V5).encoded_len(&Packet::Publish(publish))?;
        Ok(())
    }
}

/// A message that has been accepted and is not settled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Accepted {
    pub(crate) id: PublishId,
    pub(crate) outgoing: Outgoing,
}

impl Accepted {
    /// How it ends if it is dropped while it waits, for a reason that is true of a message that has never been sent.
    pub(crate) const fn dropped(&self, outcome: Outcome) -> Outcome {
        if self.outgoing.was_sent { Outcome::SessionLost } else { outcome }
    }
}

/// One that waits to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Waiting {
    pub(crate) accepted: Accepted,
    /// When it has waited for long enough.
    pub(crate) give_up: Option<Instant>,
}

impl Waiting {
    /// When it is dropped.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.accepted.outgoing.expires.into_iter().chain(self.give_up).min()
    }

    /// How it ends if it is dropped now for having waited too long. `None`: it may go on waiting.
    pub(crate) fn over(&self, now: Instant) -> Option<Outcome> {
        // v5[MQTT-3.3.2-5]
        if self.accepted.outgoing.is_expired(now) {
            Some(self.accepted.dropped(Outcome::Expired))
        } else if self.give_up.is_some_and(|give_up| give_up <= now) {
            Some(self.accepted.dropped(Outcome::WaitedTooLong))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt_proto::{PropertiesBuf, Property, Publish, TopicName};

    fn outgoing(now: Instant, interval: u32) -> Outgoing {
        let topic = TopicName::new("t").unwrap();
        let mut properties = PropertiesBuf::new();
        properties.push(Property::MessageExpiryInterval(interval)).unwrap();
        let mut publish = Publish::new(topic, b"");
        publish.properties = properties.as_properties();
        Outgoing::new(now, Arc::new(PublishBuf::new(topic, &publish)))
    }

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    /// v5\[MQTT-3.3.2-6\]
    #[test]
    fn what_is_left_counts_begun_seconds_and_is_zero_only_for_what_has_expired() {
        let outgoing = outgoing(at(5), 2);
        for (now, left, expired) in [
            (0, 3, false),
            (5, 2, false),
            (6, 2, false),
            (1_000_005, 1, false),
            (2_000_004, 1, false),
            (2_000_005, 1, true),
            (u64::MAX, 1, true),
        ] {
            assert_eq!(outgoing.expiry_interval(at(now)), Some(left), "{now}");
            assert_eq!(outgoing.is_expired(at(now)), expired, "{now}");
        }
    }

    #[test]
    fn no_interval_and_no_moment_wraps() {
        assert_eq!(outgoing(at(0), u32::MAX).expiry_interval(at(0)), Some(u32::MAX));
        assert_eq!(outgoing(at(0), u32::MAX).expiry_interval(at(1_000_000)), Some(u32::MAX - 1));
        let late = outgoing(at(u64::MAX), u32::MAX);
        assert!(late.is_expired(at(u64::MAX)) && !late.is_expired(at(u64::MAX - 1)));
        assert!(outgoing(at(0), 0).is_expired(at(0)));
        let mut far = outgoing(at(0), 1);
        far.expires = Some(at(u64::MAX));
        assert_eq!(far.expiry_interval(at(0)), Some(u32::MAX));
    }
}
