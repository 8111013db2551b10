//! PUBLISH (section 3.3).

use core::fmt;
use core::ops::Deref;

use bytes::Bytes;

use crate::error::{Cause, DecodeError, EncodeError};
use crate::packet::Body;
use crate::property::PropertyPlace;
use crate::reader::Reader;
use crate::writer::SHARED_BYTES_MIN;
use crate::{Codec, Frame, Leniency, PacketId, Properties, QoS, TopicName, TransmitBuf};

/// A message on its way.
///
/// ```
/// use mqtt_proto::{Delivery, PacketId, Publish, QoS, TopicName};
///
/// let mut publish = Publish::new(TopicName::new("a/b")?, b"payload");
/// publish.delivery = Delivery::AtLeastOnce { packet_id: PacketId::MIN, dup: false };
/// assert_eq!(publish.delivery.qos(), QoS::AtLeastOnce);
/// # Ok::<(), mqtt_proto::Cause>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the specification fixes the fields")]
pub struct Publish<'a> {
    /// The topic. `None`: its Topic Alias stands for it (5.0 section 3.3.2.3.4).
    pub topic: Option<TopicName<'a>>,
    /// QoS, and what goes with it.
    pub delivery: Delivery,
    /// Towards the server: keep it for later subscribers. Towards a client: it was kept.
    pub retain: bool,
    /// 5.0 properties.
    pub properties: Properties<'a>,
    /// The message itself.
    pub payload: Payload<'a>,
}

impl<'a> Publish<'a> {
    /// A message at QoS 0, not retained.
    #[must_use]
    pub fn new(topic: TopicName<'a>, payload: impl Into<Payload<'a>>) -> Self {
        Self {
            topic: Some(topic),
            delivery: Delivery::AtMostOnce,
            retain: false,
            properties: Properties::EMPTY,
            payload: payload.into(),
        }
    }

    pub(crate) fn flags(&self) -> u8 {
        let dup = if self.delivery.dup() { DUP } else { 0 };
        dup | (self.delivery.qos().as_u8() << 1) | u8::from(self.retain)
    }
}

/// The QoS of a PUBLISH with what belongs to it: a packet identifier above QoS 0, and only there (v5\[MQTT-2.2.1-2\]).
///
/// ```
/// use mqtt_proto::{Delivery, PacketId, QoS};
///
/// let delivery = Delivery::ExactlyOnce { packet_id: PacketId::MAX, dup: true };
/// assert_eq!(delivery.qos(), QoS::ExactlyOnce);
/// assert_eq!(delivery.packet_id(), Some(PacketId::MAX));
/// assert!(delivery.dup());
/// assert_eq!(Delivery::AtMostOnce.packet_id(), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the specification has three")]
pub enum Delivery {
    /// QoS 0.
    #[default]
    AtMostOnce,
    /// QoS 1.
    AtLeastOnce {
        /// Names the delivery until its PUBACK.
        packet_id: PacketId,
        /// It may have been sent before.
        dup: bool,
    },
    /// QoS 2.
    ExactlyOnce {
        /// Names the delivery until its PUBCOMP.
        packet_id: PacketId,
        /// It may have been sent before.
        dup: bool,
    },
}

impl Delivery {
    /// The QoS.
    #[must_use]
    pub const fn qos(self) -> QoS {
        match self {
            Self::AtMostOnce => QoS::AtMostOnce,
            Self::AtLeastOnce { .. } => QoS::AtLeastOnce,
            Self::ExactlyOnce { .. } => QoS::ExactlyOnce,
        }
    }

    /// The packet identifier, above QoS 0.
    #[must_use]
    pub const fn packet_id(self) -> Option<PacketId> {
        match self {
            Self::AtMostOnce => None,
            Self::AtLeastOnce { packet_id, .. } | Self::ExactlyOnce { packet_id, .. } => Some(packet_id),
        }
    }

    /// The DUP flag; never set at QoS 0.
    #[must_use]
    pub const fn dup(self) -> bool {
        match self {
            Self::AtMostOnce => false,
            Self::AtLeastOnce { dup, .. } | Self::ExactlyOnce { dup, .. } => dup,
        }
    }
}

/// A payload: a slice, or bytes that can be sent by reference when there are many ([`SHARED_BYTES_MIN`]).
///
/// ```
/// use bytes::Bytes;
/// use mqtt_proto::Payload;
///
/// let bytes = Bytes::from_static(b"hello");
/// assert_eq!(Payload::from(&bytes), Payload::from(b"hello"));
/// ```
#[derive(Clone, Copy, Default)]
pub struct Payload<'a> {
    slice: &'a [u8],
    shared: Option<&'a Bytes>,
}

impl<'a> Payload<'a> {
    /// The bytes.
    #[must_use]
    pub const fn as_slice(&self) -> &'a [u8] {
        self.slice
    }

    /// The bytes with their reference count, where there is one.
    #[must_use]
    pub const fn shared(&self) -> Option<&'a Bytes> {
        self.shared
    }

    /// What an encoder will not copy.
    pub(crate) fn by_reference(&self) -> Option<&'a Bytes> {
        self.shared.filter(|bytes| bytes.len() >= SHARED_BYTES_MIN)
    }
}

impl Deref for Payload<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.slice
    }
}

impl<'a> From<&'a [u8]> for Payload<'a> {
    fn from(slice: &'a [u8]) -> Self {
        Self { slice, shared: None }
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Payload<'a> {
    fn from(slice: &'a [u8; N]) -> Self {
        Self { slice, shared: None }
    }
}

impl<'a> From<&'a str> for Payload<'a> {
    fn from(text: &'a str) -> Self {
        Self { slice: text.as_bytes(), shared: None }
    }
}

impl<'a> From<&'a Bytes> for Payload<'a> {
    fn from(bytes: &'a Bytes) -> Self {
        Self { slice: bytes, shared: Some(bytes) }
    }
}

impl PartialEq for Payload<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.slice == other.slice
    }
}

impl Eq for Payload<'_> {}

impl core::hash::Hash for Payload<'_> {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.slice.hash(state);
    }
}

/// Says how many bytes there are, not what they are.
impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} bytes)", self.slice.len())
    }
}

const DUP: u8 = 0b1000;

impl<'a> Body<'a> for Publish<'a> {
    #[inline(always)]
    fn read(reader: &mut Reader<'a>, frame: &Frame<'a>, codec: &Codec) -> Result<Self, DecodeError> {
        let flags = frame.flags();
        // v3[MQTT-3.3.1-4] v5[MQTT-3.3.1-4]
        let qos = QoS::from_u8((flags >> 1) & 0b11).ok_or(DecodeError::new(Cause::PublishQos, 0))?;
        let dup = flags & DUP != 0;
        // v3[MQTT-3.3.1-2] v5[MQTT-3.3.1-2]; in 3.1, too, DUP belongs to QoS above 0.
        if dup && qos == QoS::AtMostOnce && !codec.dialect.allows(Leniency::DupAtQos0) {
            return Err(DecodeError::new(Cause::DupAtQos0, 0));
        }
        let start = *reader;
        let topic = reader.binary()?; // v3[MQTT-3.3.2-1] v5[MQTT-3.3.2-1]
        let topic = if topic.is_empty() && codec.version.has_properties() {
            None
        } else {
            Some(TopicName::from_bytes(topic).map_err(|cause| start.error(cause))?)
        };
        let delivery = match qos {
            QoS::AtMostOnce => Delivery::AtMostOnce, // v3[MQTT-2.3.1-5] v5[MQTT-2.2.1-2]
            QoS::AtLeastOnce => Delivery::AtLeastOnce { packet_id: reader.packet_id()?, dup },
            QoS::ExactlyOnce => Delivery::ExactlyOnce { packet_id: reader.packet_id()?, dup },
        };
        let properties = Properties::read(reader, codec.version, PropertyPlace::Publish, codec.role.peer())?;
        if topic.is_none() && properties.topic_alias().is_none() {
            return Err(start.error(Cause::NoTopic));
        }
        let payload = reader.take_rest().into();
        Ok(Self { topic, delivery, retain: flags & 1 != 0, properties, payload })
    }

    #[inline(always)]
    fn measure(&self, codec: &Codec) -> Result<usize, EncodeError> {
        let version = codec.version;
        self.properties.check(version, PropertyPlace::Publish, codec.role)?;
        if self.topic.is_none() && self.properties.topic_alias().is_none() {
            return Err(Cause::NoTopic.into());
        }
        let id = if self.delivery.packet_id().is_some() { 2 } else { 0 };
        let topic = self.topic.map_or(0, |topic| topic.as_bytes().len());
        Ok(topic
            .saturating_add(2 + id)
            .saturating_add(self.properties.encoded_len(version))
            .saturating_add(self.payload.len()))
    }

    fn by_reference(&self) -> usize {
        self.payload.by_reference().map_or(0, Bytes::len)
    }

    #[inline(always)]
    fn write(&self, codec: &Codec, out: &mut TransmitBuf) {
        out.put_binary(self.topic.map_or(&[], |topic| topic.as_bytes()));
        if let Some(packet_id) = self.delivery.packet_id() {
            out.put_u16(packet_id.get());
        }
        self.properties.write(codec.version, out);
        out.put_payload(self.payload);
    }
}
