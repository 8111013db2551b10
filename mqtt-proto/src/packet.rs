//! One model for every packet of every version.

use core::fmt;
use core::num::NonZeroU16;

use crate::error::{DecodeError, EncodeError};
use crate::header::PacketType;
use crate::reader::Reader;
use crate::{
    Ack, Auth, Codec, ConnAck, Connect, Disconnect, Frame, Opaque, OpaqueConnect, Publish, SubAck, Subscribe,
    TransmitBuf, UnsubAck, Unsubscribe,
};

/// A control packet, borrowed from the bytes it was decoded from or from what its maker put into it.
///
/// It has the shape of 5.0; older versions leave the properties empty. The version is not in it but in the [`Codec`]. The last two come and
/// go only where its [`Dialect`](crate::Dialect) says so.
///
/// ```
/// use mqtt_proto::{Ack, Packet, PacketId, PacketType};
///
/// let packet = Packet::PubAck(Ack::new(PacketId::MIN));
/// assert_eq!(packet.packet_type(), PacketType::PubAck);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the specification closes the list")]
#[expect(missing_docs, reason = "the specification's names, documented on their types")]
pub enum Packet<'a> {
    Connect(Connect<'a>),
    ConnAck(ConnAck<'a>),
    Publish(Publish<'a>),
    PubAck(Ack<'a>),
    PubRec(Ack<'a>),
    PubRel(Ack<'a>),
    PubComp(Ack<'a>),
    Subscribe(Subscribe<'a>),
    SubAck(SubAck<'a>),
    Unsubscribe(Unsubscribe<'a>),
    UnsubAck(UnsubAck<'a>),
    PingReq,
    PingResp,
    Disconnect(Disconnect<'a>),
    Auth(Auth<'a>),
    Opaque(Opaque<'a>),
    OpaqueConnect(OpaqueConnect<'a>),
}

impl Packet<'_> {
    /// Its type.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) | Self::OpaqueConnect(_) => PacketType::Connect,
            Self::ConnAck(_) => PacketType::ConnAck,
            Self::Publish(_) => PacketType::Publish,
            Self::PubAck(_) => PacketType::PubAck,
            Self::PubRec(_) => PacketType::PubRec,
            Self::PubRel(_) => PacketType::PubRel,
            Self::PubComp(_) => PacketType::PubComp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::SubAck(_) => PacketType::SubAck,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::UnsubAck(_) => PacketType::UnsubAck,
            Self::PingReq => PacketType::PingReq,
            Self::PingResp => PacketType::PingResp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
            Self::Opaque(opaque) => opaque.packet_type(),
        }
    }
}

/// What stands behind the fixed header, for one kind of packet.
pub(crate) trait Body<'a>: Sized {
    /// Reads the fields in order. The caller checks that nothing is left over.
    fn read(reader: &mut Reader<'a>, frame: &Frame<'a>, codec: &Codec) -> Result<Self, DecodeError>;

    /// Its exact length, if it has a correct form.
    fn measure(&self, codec: &Codec) -> Result<usize, EncodeError>;

    /// How many of its bytes are not copied into a [`TransmitBuf`].
    fn by_reference(&self) -> usize {
        0
    }

    /// Appends it; has been measured.
    fn write(&self, codec: &Codec, out: &mut TransmitBuf);
}

/// PINGREQ and PINGRESP (sections 3.12 and 3.13) have none.
impl<'a> Body<'a> for () {
    fn read(_: &mut Reader<'a>, _: &Frame<'a>, _: &Codec) -> Result<Self, DecodeError> {
        Ok(())
    }

    fn measure(&self, _: &Codec) -> Result<usize, EncodeError> {
        Ok(0)
    }

    fn write(&self, _: &Codec, _: &mut TransmitBuf) {}
}

/// A packet identifier: 1 to 65,535 (section 2.2.1 in 5.0, 2.3.1 in 3.1.1).
///
/// ```
/// use mqtt_proto::PacketId;
///
/// assert_eq!(PacketId::new(10).unwrap().get(), 10);
/// assert!(PacketId::new(0).is_none());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// 1.
    pub const MIN: Self = Self(NonZeroU16::MIN);
    /// 65,535.
    pub const MAX: Self = Self(NonZeroU16::MAX);

    /// `None` for 0: v3\[MQTT-2.3.1-1\] v5\[MQTT-2.2.1-3\].
    #[must_use]
    pub const fn new(value: u16) -> Option<Self> {
        match NonZeroU16::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The value.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Debug for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
