//! What applications exchange.

use core::fmt;

use mqtt_proto::{Delivery, Payload, Properties, Publish, PublishBuf, QoS, TopicName, TopicNameBuf};

/// A message to be published.
///
/// ```
/// use mqtt_proto::{QoS, TopicName};
/// use mqtt_session::Message;
///
/// let mut message = Message::new(TopicName::new("greetings/world")?, "hello");
/// message.qos = QoS::AtLeastOnce;
/// # Ok::<(), mqtt_proto::Cause>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Message<'a> {
    /// Where it goes.
    pub topic: TopicName<'a>,
    /// How hard to try.
    pub qos: QoS,
    /// Keep it for later subscribers, too.
    pub retain: bool,
    /// 5.0 properties.
    pub properties: Properties<'a>,
    /// The message itself.
    pub payload: Payload<'a>,
}

impl<'a> Message<'a> {
    /// A message at QoS 0, not retained.
    #[must_use]
    pub fn new(topic: TopicName<'a>, payload: impl Into<Payload<'a>>) -> Self {
        Self { topic, qos: QoS::AtMostOnce, retain: false, properties: Properties::EMPTY, payload: payload.into() }
    }

    /// The packet that delivers it.
    pub(crate) const fn publish(&self, delivery: Delivery) -> Publish<'a> {
        Publish {
            topic: Some(self.topic),
            delivery,
            retain: self.retain,
            properties: self.properties,
            payload: self.payload,
        }
    }

    /// A copy to keep.
    #[must_use]
    pub fn to_buf(self) -> PublishBuf {
        // Only the QoS is kept of a delivery; the packet identifier that has to go with it is not.
        PublishBuf::new(self.topic, &self.publish(Delivery::AtMostOnce)).with_qos(self.qos)
    }
}

impl<'a> From<&'a PublishBuf> for Message<'a> {
    fn from(kept: &'a PublishBuf) -> Self {
        Self {
            topic: kept.topic(),
            qos: kept.qos(),
            retain: kept.retain(),
            properties: kept.properties(),
            payload: kept.payload(),
        }
    }
}

/// A message that has arrived. Borrows the host's input; [`to_buf`](Self::to_buf) keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Received<'a> {
    topic: Topic<'a>,
    publish: Publish<'a>,
    token: Option<AckToken>,
}

/// The topic of a message, as it came or as its alias remembered it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Topic<'a> {
    Named(TopicName<'a>),
    Aliased(TopicNameBuf),
}

impl<'a> Received<'a> {
    pub(crate) const fn new(topic: Topic<'a>, publish: Publish<'a>, token: Option<AckToken>) -> Self {
        Self { topic, publish, token }
    }

    /// Where it was published.
    #[must_use]
    pub fn topic(&self) -> TopicName<'_> {
        match &self.topic {
            Topic::Named(name) => *name,
            Topic::Aliased(name) => name.as_name(),
        }
    }

    /// The message itself.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.publish.payload.as_slice()
    }

    /// The QoS it came with.
    #[must_use]
    pub const fn qos(&self) -> QoS {
        self.publish.delivery.qos()
    }

    /// Towards a client: it was kept, and is sent because of a new subscription. Towards a server: it should be kept.
    #[must_use]
    pub const fn retain(&self) -> bool {
        self.publish.retain
    }

    /// It may have come before. Says nothing at QoS 2, where repeats are not passed on.
    #[must_use]
    pub const fn dup(&self) -> bool {
        self.publish.delivery.dup()
    }

    /// 5.0 properties.
    #[must_use]
    pub const fn properties(&self) -> Properties<'a> {
        self.publish.properties
    }

    /// What to acknowledge it with, where that is left to the host: QoS 1 and 2 with [`Acknowledge::Manually`](crate::Acknowledge::Manually).
    #[must_use]
    pub const fn token(&self) -> Option<AckToken> {
        self.token
    }

    /// A copy to keep.
    #[must_use]
    pub fn to_buf(&self) -> PublishBuf {
        PublishBuf::new(self.topic(), &self.publish)
    }
}

/// Stands for the acknowledgement that a message is owed. It binds the connection and the message, so that a late one can't acknowledge another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AckToken {
    pub(crate) generation: u32,
    pub(crate) serial: u64,
}

impl fmt::Debug for AckToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AckToken({}.{})", self.generation, self.serial)
    }
}
