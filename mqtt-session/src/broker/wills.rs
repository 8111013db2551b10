//! What clients want to be said when they go without a word (section 3.1.2.5).

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;

use mqtt_proto::{Property, PublishBuf, Will};

use super::policy::Principal;
use crate::{Instant, Message};

/// The will of a connection that was accepted.
#[derive(Clone, Debug)]
pub(super) struct StoredWill {
    message: Box<PublishBuf>,
    /// Whose.
    pub(super) principal: Arc<Principal>,
    /// When it was known that this client may publish it.
    pub(super) epoch: u32,
    /// Its Will Delay Interval.
    delay: Duration,
}

/// The will of a session whose connection has ended, and that may still come back.
#[derive(Clone, Debug)]
pub(super) struct DelayedWill {
    pub(super) will: StoredWill,
    pub(super) due: Instant,
}

impl StoredWill {
    /// v3\[MQTT-3.1.2-8\] v5\[MQTT-3.1.2-7\]
    pub(super) fn new(will: &Will<'_>, principal: Arc<Principal>) -> Self {
        let message = Message {
            topic: will.topic,
            qos: will.qos,
            // v3[MQTT-3.1.2-16] v3[MQTT-3.1.2-17] v5[MQTT-3.1.2-14] v5[MQTT-3.1.2-15]
            retain: will.retain,
            // v5[MQTT-3.1.3-10]
            properties: will.properties,
            payload: will.payload.into(),
        };
        let delay = will.properties.will_delay_interval().unwrap_or(0);
        Self { message: Box::new(message.to_buf()), principal, epoch: 0, delay: Duration::from_secs(delay.into()) }
    }

    /// Its client was found to be allowed to publish it.
    pub(super) fn allowed_in(self, epoch: u32) -> Self {
        Self { epoch, ..self }
    }

    pub(super) fn message(&self) -> Message<'_> {
        Message::from(&*self.message)
    }

    /// When to publish it, if its connection ends at `now`, and the session at `session_end` (`None`: never).
    pub(super) fn due(&self, now: Instant, session_end: Option<Instant>) -> Instant {
        // v5[MQTT-3.1.3-9]
        let due = now + self.delay;
        session_end.map_or(due, |end| due.min(end))
    }
}

/// The properties that travel with a message from its publisher to its receivers: v5\[MQTT-3.3.2-4\] v5\[MQTT-3.3.2-15\] v5\[MQTT-3.3.2-16\]
/// v5\[MQTT-3.3.2-17\] v5\[MQTT-3.3.2-20\].
pub(super) const fn travels(property: Property<'_>) -> bool {
    matches!(
        property,
        Property::PayloadFormatIndicator(_)
            | Property::MessageExpiryInterval(_)
            | Property::ContentType(_)
            | Property::ResponseTopic(_)
            | Property::CorrelationData(_)
            | Property::UserProperty(_)
    )
}
