//! The fixed header: packet type, four flags, Remaining Length (section 2.1 in 5.0, 2.2 in 3.1.1).

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use core::fmt;

use crate::error::Cause;
use crate::{Dialect, Leniency, Role, Version, varint};

/// The largest packet there can be, fixed header included: 268,435,460 bytes.
pub const PACKET_BYTES_MAX: u32 = varint::VARINT_MAX + 5;

/// The fifteen packet types, and the value that stands for none.
///
/// ```
/// use mqtt_proto::{PacketType, Role, Version};
///
/// assert_eq!(PacketType::from_u8(3), Some(PacketType::Publish));
/// assert_eq!(PacketType::from_u8(16), None);
/// assert!(PacketType::Disconnect.is_sent_by(Role::Server, Version::V5));
/// assert!(!PacketType::Disconnect.is_sent_by(Role::Server, Version::V3_1_1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "four bits on the wire, and every value taken")]
pub enum PacketType {
    /// None; a [`Dialect`] may pass it as [`Opaque`](crate::Opaque).
    Reserved = 0,
    /// Client asks to connect.
    Connect,
    /// Server answers.
    ConnAck,
    /// A message.
    Publish,
    /// QoS 1: received.
    PubAck,
    /// QoS 2, part 1: received.
    PubRec,
    /// QoS 2, part 2: release.
    PubRel,
    /// QoS 2, part 3: complete.
    PubComp,
    /// Client asks for messages.
    Subscribe,
    /// Server answers.
    SubAck,
    /// Client asks for messages no longer.
    Unsubscribe,
    /// Server answers.
    UnsubAck,
    /// Client is alive.
    PingReq,
    /// Server is, too.
    PingResp,
    /// The end, in good order or with a reason.
    Disconnect,
    /// Enhanced authentication, 5.0.
    Auth,
}

impl PacketType {
    /// The specification's fifteen, in the order of their values.
    pub const ALL: [Self; 15] = [
        Self::Connect,
        Self::ConnAck,
        Self::Publish,
        Self::PubAck,
        Self::PubRec,
        Self::PubRel,
        Self::PubComp,
        Self::Subscribe,
        Self::SubAck,
        Self::Unsubscribe,
        Self::UnsubAck,
        Self::PingReq,
        Self::PingResp,
        Self::Disconnect,
        Self::Auth,
    ];

    /// The type with this value, 0 to 15.
    #[must_use]
    pub const fn from_u8(value: u8) -> Option<Self> {
        Some(match value {
            0 => Self::Reserved,
            1 => Self::Connect,
            2 => Self::ConnAck,
            3 => Self::Publish,
            4 => Self::PubAck,
            5 => Self::PubRec,
            6 => Self::PubRel,
            7 => Self::PubComp,
            8 => Self::Subscribe,
            9 => Self::SubAck,
            10 => Self::Unsubscribe,
            11 => Self::UnsubAck,
            12 => Self::PingReq,
            13 => Self::PingResp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            _ => return None,
        })
    }

    /// May `sender` send it in `version`?
    #[must_use]
    pub const fn is_sent_by(self, sender: Role, version: Version) -> bool {
        let client = matches!(sender, Role::Client);
        match self {
            Self::Connect | Self::Subscribe | Self::Unsubscribe | Self::PingReq => client,
            Self::ConnAck | Self::SubAck | Self::UnsubAck | Self::PingResp => !client,
            Self::Publish | Self::PubAck | Self::PubRec | Self::PubRel | Self::PubComp => true,
            Self::Disconnect => client || version.server_may_disconnect(),
            Self::Auth => version.has_auth(),
            Self::Reserved => false,
        }
    }

    /// `version` has no such packet.
    pub(crate) const fn is_reserved(self, version: Version) -> bool {
        match self {
            Self::Reserved => true,
            Self::Auth => !version.has_auth(),
            _ => false,
        }
    }

    /// The low four bits of the first byte, where they are fixed: v3\[MQTT-2.2.2-1\] v5\[MQTT-2.1.3-1\].
    pub(crate) const fn flags(self) -> u8 {
        match self {
            // v3[MQTT-3.6.1-1] v3[MQTT-3.8.1-1] v3[MQTT-3.10.1-1] v5[MQTT-3.6.1-1] v5[MQTT-3.8.1-1] v5[MQTT-3.10.1-1]
            Self::PubRel | Self::Subscribe | Self::Unsubscribe => 0b0010,
            _ => 0,
        }
    }

    /// `flags` may stand in the first byte. PUBLISH checks its own.
    pub(crate) const fn takes_flags(self, flags: u8, version: Version) -> bool {
        const QOS: u8 = 0b0110;
        match self {
            Self::Publish => true,
            Self::PubRel | Self::Subscribe | Self::Unsubscribe if version.requests_have_qos() => {
                // DUP says that it has been sent before, RETAIN is unused.
                flags & QOS == self.flags()
            }
            // v3[MQTT-3.14.1-1] v5[MQTT-3.14.1-1] v5[MQTT-3.15.1-1]
            _ => flags == self.flags() || !version.reserved_bits_are_checked(),
        }
    }

    pub(crate) const fn first_byte(self, flags: u8) -> u8 {
        ((self as u8) << 4) | flags
    }
}

/// The specification's name.
impl fmt::Display for PacketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Reserved => "reserved packet",
            Self::Connect => "CONNECT",
            Self::ConnAck => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::PubAck => "PUBACK",
            Self::PubRec => "PUBREC",
            Self::PubRel => "PUBREL",
            Self::PubComp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::SubAck => "SUBACK",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::UnsubAck => "UNSUBACK",
            Self::PingReq => "PINGREQ",
            Self::PingResp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
        })
    }
}

/// A fixed header, and how many bytes it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FixedHeader {
    pub(crate) packet_type: PacketType,
    pub(crate) flags: u8,
    pub(crate) len: usize,
    /// Bytes behind the header.
    pub(crate) remaining: usize,
}

impl FixedHeader {
    /// Reads it from the front. `None`: `input` ends inside it. An error comes with its offset.
    #[inline(always)]
    pub(crate) fn read(input: &[u8], dialect: &Dialect) -> Result<Option<Self>, (Cause, usize)> {
        let Some((&first, rest)) = input.split_first() else {
            return Ok(None);
        };
        let packet_type = PacketType::from_u8(first >> 4).unwrap_or(PacketType::Reserved);
        if packet_type == PacketType::Reserved && !dialect.reserved_packet_types {
            return Err((Cause::ReservedPacketType, 0));
        }
        let length = match varint::read(rest) {
            Ok(length) => length,
            Err(cause) => Self::read_padded(rest, cause, dialect)?,
        };
        Ok(length.map(|(remaining, length)| Self {
            packet_type,
            flags: first & 0x0F,
            len: length.saturating_add(1),
            remaining: remaining as usize,
        }))
    }

    /// The Remaining Length that is refused because of `cause`, unless the dialect takes it. An error comes with its offset.
    #[cold]
    fn read_padded(rest: &[u8], cause: Cause, dialect: &Dialect) -> Result<Option<(u32, usize)>, (Cause, usize)> {
        if cause == Cause::VarintNotShortest && dialect.allows(Leniency::PaddedRemainingLength) {
            varint::read_padded(rest).map_err(|cause| (cause, 1))
        } else {
            Err((cause, 1))
        }
    }

    pub(crate) const fn packet_len(&self) -> usize {
        self.len.saturating_add(self.remaining)
    }
}
