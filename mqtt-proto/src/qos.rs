//! Quality of service.

use core::fmt;

/// How hard both ends try to deliver a message (section 4.3).
///
/// ```
/// use mqtt_proto::QoS;
///
/// // A message travels at the lower of what the publisher sent and what the subscriber asked for.
/// assert_eq!(QoS::ExactlyOnce.min(QoS::AtLeastOnce), QoS::AtLeastOnce);
/// assert_eq!(QoS::from_u8(2), Some(QoS::ExactlyOnce));
/// assert_eq!(QoS::from_u8(3), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the specification has three, and the two bits on the wire leave no room")]
pub enum QoS {
    /// 0: sent once, never acknowledged; may be lost.
    #[default]
    AtMostOnce = 0,
    /// 1: sent until acknowledged; may arrive twice.
    AtLeastOnce = 1,
    /// 2: a four-packet handshake; arrives once.
    ExactlyOnce = 2,
}

impl QoS {
    /// The value on the wire, if it is 0, 1 or 2.
    #[must_use]
    pub const fn from_u8(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }

    /// The value on the wire.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for QoS {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QoS {}", self.as_u8())
    }
}
