//! What applications exchange.

use core::fmt;

use mqtt_proto::{
    Cause, Delivery, Payload, Properties, PropertiesBuf, Property, Publish, PublishBuf, QoS, TopicName, TopicNameBuf,
};

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

    /// The same message as a request (5.0 section 4.10): whoever receives it may answer to `response_topic`, and says `correlation_data` to tell which
    /// request is meant. Subscribe to that topic before you publish; [`Received::reply`] is the other half.
    ///
    /// Both are put into `properties`, behind what is there already and what the message has.
    ///
    /// ```
    /// use mqtt_proto::{PropertiesBuf, TopicName};
    /// use mqtt_session::Message;
    ///
    /// let mut properties = PropertiesBuf::new();
    /// let request = Message::new(TopicName::new("clock/get")?, "")
    ///     .request(TopicName::new("answers/7")?, Some(b"1"), &mut properties)?;
    /// assert_eq!(request.properties.response_topic().unwrap(), "answers/7");
    /// # Ok::<(), mqtt_proto::Cause>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A property stands there already that may stand once, or the correlation data is longer than 65,535 bytes.
    pub fn request(
        self,
        response_topic: TopicName<'_>,
        correlation_data: Option<&[u8]>,
        properties: &'a mut PropertiesBuf,
    ) -> Result<Self, Cause> {
        properties.extend_if(self.properties, |_| true)?;
        properties.push(Property::ResponseTopic(response_topic))?;
        if let Some(data) = correlation_data {
            properties.push(Property::CorrelationData(data))?;
        }
        Ok(Self { properties: properties.as_properties(), ..self })
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

    /// The answer to a request (5.0 section 4.10), at QoS 0: it goes to the response topic and says the correlation data again, and it is no request itself. `None`: this
    /// is not a request.
    ///
    /// The correlation data is put into `properties`. What is there already goes along, except another of it and a response topic.
    ///
    /// ```
    /// use mqtt_proto::{PropertiesBuf, TransmitBuf};
    /// use mqtt_session::{Client, ConnectOptions, Event, Instant};
    ///
    /// # let mut client = Client::new(ConnectOptions::new("clock"));
    /// # client.connect(Instant::ZERO)?;
    /// # client.handle_input(Instant::ZERO, &mut &[0x20, 3, 0, 0, 0][..]);
    /// let now = Instant::ZERO;
    /// let mut input = &b"\x30\x12\0\x05clock\x0A\x08\0\x03a/7\x09\0\x011"[..];
    /// if let Some(Event::Received(request)) = client.handle_input(now, &mut input) {
    ///     let mut properties = PropertiesBuf::new();
    ///     if let Some(reply) = request.reply("12:00", &mut properties) {
    ///         assert_eq!(reply.topic, "a/7");
    ///         assert_eq!(reply.properties.correlation_data(), Some(&b"1"[..]));
    ///         client.publish(now, &reply)?;
    ///     }
    /// }
    /// # assert_eq!(client.poll_transmit(now, &mut TransmitBuf::new()), mqtt_session::Transmit::Ready);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn reply<'m>(&self, payload: impl Into<Payload<'m>>, properties: &'m mut PropertiesBuf) -> Option<Message<'m>>
    where
        'a: 'm,
    {
        let topic = self.properties().response_topic()?;
        let is_requests =
            |property: &Property<'_>| matches!(property, Property::ResponseTopic(_) | Property::CorrelationData(_));
        let mut all = PropertiesBuf::new();
        let taken = all.extend_if(properties.as_properties(), |property| !is_requests(&property)).and_then(|()| {
            self.properties().correlation_data().map_or(Ok(()), |data| all.push(Property::CorrelationData(data)))
        });
        debug_assert!(taken.is_ok(), "each stood in a packet or a buffer before: {taken:?}");
        *properties = all;
        Some(Message { properties: properties.as_properties(), ..Message::new(topic, payload) })
    }

    /// What to acknowledge it with, where that is left to the host: QoS 1 and 2 with [`Acknowledge::Manually`](crate::Acknowledge::Manually).
    #[must_use]
    pub const fn token(&self) -> Option<AckToken> {
        self.token
    }

    /// A copy to keep, with its topic, and without its topic alias: that means nothing beyond the connection that it came on.
    #[must_use]
    pub fn to_buf(&self) -> PublishBuf {
        if self.publish.properties.topic_alias().is_none() {
            return PublishBuf::new(self.topic(), &self.publish);
        }
        let mut properties = PropertiesBuf::new();
        let taken =
            properties.extend_if(self.publish.properties, |property| !matches!(property, Property::TopicAlias(_)));
        debug_assert!(taken.is_ok(), "each stood in a packet before: {taken:?}");
        PublishBuf::new(self.topic(), &Publish { properties: properties.as_properties(), ..self.publish })
    }
}

/// Stands for the acknowledgement that a message is owed. It binds the connection and the message, so that a late one can't acknowledge another.
///
/// The connections of one [`SessionState`](crate::SessionState) are counted. Those of two sessions are told apart by the client's identifier and the moment at which
/// they were opened; so if a server's host gives each connection a new session, on a clock that may stand still between two of one client, it has to drop the tokens with
/// their connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AckToken {
    /// Whose session it is, and when the connection was opened, in a few bits.
    pub(crate) owner: u32,
    /// Which of its connections.
    pub(crate) generation: u32,
    pub(crate) serial: u64,
}

impl fmt::Debug for AckToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AckToken({}.{})", self.generation, self.serial)
    }
}
