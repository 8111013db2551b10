//! A PUBLISH that owns its bytes, for whoever has to keep it: in flight, queued or retained.

use core::fmt;

use bytes::Bytes;

use crate::{Delivery, Payload, Properties, Publish, QoS, Text, TopicName};

/// A message, copied once into an allocation of exactly its size; a large payload that has a reference count is shared instead.
///
/// It has a QoS but no packet identifier: that belongs to one delivery of it.
///
/// ```
/// use bytes::Bytes;
/// use mqtt_proto::{Delivery, Publish, PublishBuf, QoS, TopicName};
///
/// let topic = TopicName::new("a/b")?;
/// let kept = PublishBuf::new(topic, &Publish::new(topic, b"hello"));
/// assert_eq!(kept.publish(Delivery::AtMostOnce), Publish::new(topic, b"hello"));
/// assert_eq!(kept.qos(), QoS::AtMostOnce);
/// assert_eq!(kept.with_qos(QoS::AtLeastOnce).qos(), QoS::AtLeastOnce);
///
/// // A large payload is shared.
/// let payload = Bytes::from(vec![7; 10_000]);
/// let kept = PublishBuf::new(topic, &Publish::new(topic, &payload));
/// assert_eq!(kept.payload_bytes().as_ptr(), payload.as_ptr());
/// # Ok::<(), mqtt_proto::Cause>(())
/// ```
#[derive(Clone)]
pub struct PublishBuf {
    /// Topic and properties, and the payload where it is not in `payload`.
    head: Bytes,
    topic_len: usize,
    properties_len: usize,
    properties: u64,
    payload: Option<Bytes>,
    qos: QoS,
    retain: bool,
}

impl PublishBuf {
    /// Keeps `publish`, which goes to `topic` (which may have been said by an alias).
    #[must_use]
    pub fn new(topic: TopicName<'_>, publish: &Publish<'_>) -> Self {
        let topic = topic.as_bytes();
        let (properties, present) = publish.properties.into_parts();
        let payload = publish.payload.by_reference().cloned();
        let copied = if payload.is_none() { publish.payload.as_slice() } else { &[] };
        let head = [topic, properties, copied].concat();
        Self {
            head: head.into(),
            topic_len: topic.len(),
            properties_len: properties.len(),
            properties: present,
            payload,
            qos: publish.delivery.qos(),
            retain: publish.retain,
        }
    }

    /// The same message at another QoS.
    #[must_use]
    pub const fn with_qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// Where it goes.
    #[must_use]
    pub fn topic(&self) -> TopicName<'_> {
        TopicName::part(Text::part(self.head.get(..self.topic_len).unwrap_or_default()))
    }

    /// Its QoS, as it was published.
    #[must_use]
    pub const fn qos(&self) -> QoS {
        self.qos
    }

    /// Its retain flag, as it was published.
    #[must_use]
    pub const fn retain(&self) -> bool {
        self.retain
    }

    /// Its properties.
    #[must_use]
    pub fn properties(&self) -> Properties<'_> {
        let range = self.topic_len..self.payload_at();
        Properties::from_parts(self.head.get(range).unwrap_or_default(), self.properties)
    }

    /// Its payload.
    #[must_use]
    pub fn payload(&self) -> Payload<'_> {
        match &self.payload {
            Some(bytes) => Payload::from(bytes),
            None => Payload::from(self.head.get(self.payload_at()..).unwrap_or_default()),
        }
    }

    /// Its payload, by reference; it keeps the message's other bytes alive where they are few.
    #[must_use]
    pub fn payload_bytes(&self) -> Bytes {
        match &self.payload {
            Some(bytes) => bytes.clone(),
            None => self.head.slice(self.payload_at().min(self.head.len())..),
        }
    }

    /// The packet that delivers it.
    #[must_use]
    pub fn publish(&self, delivery: Delivery) -> Publish<'_> {
        Publish {
            topic: Some(self.topic()),
            delivery,
            retain: self.retain,
            properties: self.properties(),
            payload: self.payload(),
        }
    }

    /// Bytes of topic, properties and payload.
    #[must_use]
    pub fn len(&self) -> usize {
        self.head.len().saturating_add(self.payload.as_ref().map_or(0, Bytes::len))
    }

    /// Never: there is a topic.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    const fn payload_at(&self) -> usize {
        self.topic_len.saturating_add(self.properties_len)
    }
}

/// Equal is what says the same, wherever its payload stands.
impl PartialEq for PublishBuf {
    fn eq(&self, other: &Self) -> bool {
        self.qos == other.qos
            && self.retain == other.retain
            && self.topic() == other.topic()
            && self.properties() == other.properties()
            && self.payload() == other.payload()
    }
}

impl Eq for PublishBuf {}

impl core::hash::Hash for PublishBuf {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        (self.qos, self.retain).hash(state);
        self.topic().hash(state);
        self.properties().hash(state);
        self.payload().hash(state);
    }
}

impl fmt::Debug for PublishBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishBuf")
            .field("topic", &self.topic())
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("properties", &self.properties())
            .field("payload", &self.payload())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PropertiesBuf, Property, SHARED_BYTES_MIN};
    use alloc::vec;

    #[test]
    fn a_large_payload_is_shared_and_a_small_one_copied() {
        let topic = TopicName::new("t").unwrap();
        for (len, shared) in [(SHARED_BYTES_MIN - 1, false), (SHARED_BYTES_MIN, true)] {
            let payload = Bytes::from(vec![7; len]);
            let kept = PublishBuf::new(topic, &Publish::new(topic, &payload));
            assert_eq!(kept.payload().shared().is_some(), shared);
            assert_eq!(kept.payload_bytes(), payload);
            assert_eq!(kept.len(), len + 1);
        }
    }

    #[test]
    fn a_shared_payload_is_equal_to_a_copied_one() {
        let topic = TopicName::new("t").unwrap();
        let payload = vec![7; SHARED_BYTES_MIN];
        let shared = PublishBuf::new(topic, &Publish::new(topic, &Bytes::from(payload.clone())));
        let copied = PublishBuf::new(topic, &Publish::new(topic, &payload[..]));
        assert_eq!(shared, copied);
        assert_ne!(shared, copied.with_qos(QoS::AtLeastOnce));
    }

    #[test]
    fn everything_comes_back() {
        let mut properties = PropertiesBuf::new();
        properties.push(Property::MessageExpiryInterval(5)).unwrap();
        let topic = TopicName::new("a/b").unwrap();
        let mut publish = Publish::new(topic, b"payload");
        publish.retain = true;
        publish.properties = properties.as_properties();
        let kept = PublishBuf::new(topic, &publish);
        assert_eq!(kept.publish(Delivery::AtMostOnce), publish);
        assert_eq!(kept.properties().message_expiry_interval(), Some(5));
    }
}
