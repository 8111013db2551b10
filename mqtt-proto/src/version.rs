//! Protocol versions, and the one place that knows how they differ.

use core::fmt;

/// A version of the protocol.
///
/// The rest of the workspace never matches on it: it asks one of the questions below.
///
/// ```
/// use mqtt_proto::Version;
///
/// assert!(Version::V5.has_properties());
/// assert!(!Version::V3_1_1.has_properties());
/// assert_eq!(Version::V3_1.protocol_name(), b"MQIsdp");
/// assert_eq!(Version::from_protocol(b"MQTT", 4), Some(Version::V3_1_1));
/// assert_eq!(Version::from_protocol(b"MQTT", 3), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Version {
    /// MQTT 3.1, protocol name `MQIsdp`, level 3.
    V3_1,
    /// MQTT 3.1.1, level 4.
    V3_1_1,
    /// MQTT 5.0, level 5.
    #[default]
    V5,
}

impl Version {
    /// Every version, oldest first.
    pub const ALL: [Self; 3] = [Self::V3_1, Self::V3_1_1, Self::V5];

    /// The version that a CONNECT with this protocol name and level speaks, if it is one of ours.
    #[must_use]
    pub const fn from_protocol(name: &[u8], level: u8) -> Option<Self> {
        match (name, level) {
            (b"MQIsdp", 3) => Some(Self::V3_1),
            (b"MQTT", 4) => Some(Self::V3_1_1),
            (b"MQTT", 5) => Some(Self::V5),
            _ => None,
        }
    }

    /// The protocol name in CONNECT.
    #[must_use]
    pub const fn protocol_name(self) -> &'static [u8] {
        match self {
            Self::V3_1 => b"MQIsdp",
            Self::V3_1_1 | Self::V5 => b"MQTT",
        }
    }

    /// The protocol level (5.0 calls it the protocol version) in CONNECT.
    #[must_use]
    pub const fn level(self) -> u8 {
        match self {
            Self::V3_1 => 3,
            Self::V3_1_1 => 4,
            Self::V5 => 5,
        }
    }

    /// Packets have a property section.
    #[must_use]
    pub const fn has_properties(self) -> bool {
        self.is_5()
    }

    /// PUBACK, PUBREC, PUBREL, PUBCOMP and DISCONNECT can carry a reason code.
    #[must_use]
    pub const fn acks_carry_reason(self) -> bool {
        self.is_5()
    }

    /// UNSUBACK carries one reason code per filter.
    #[must_use]
    pub const fn unsuback_carries_reasons(self) -> bool {
        self.is_5()
    }

    /// A server may send DISCONNECT.
    #[must_use]
    pub const fn server_may_disconnect(self) -> bool {
        self.is_5()
    }

    /// The AUTH packet exists.
    #[must_use]
    pub const fn has_auth(self) -> bool {
        self.is_5()
    }

    /// Each side says how many unacknowledged publishes it takes (Receive Maximum).
    #[must_use]
    pub const fn has_receive_maximum(self) -> bool {
        self.is_5()
    }

    /// A subscription carries No Local, Retain As Published and Retain Handling.
    #[must_use]
    pub const fn has_subscription_options(self) -> bool {
        self.is_5()
    }

    /// `$share/{name}/{filter}` is part of the protocol.
    #[must_use]
    pub const fn has_shared_subscriptions(self) -> bool {
        self.is_5()
    }

    /// A password may come without a user name.
    #[must_use]
    pub const fn password_may_stand_alone(self) -> bool {
        self.is_5()
    }

    /// An empty client identifier asks the server to assign one, whatever Clean Start says.
    #[must_use]
    pub const fn server_assigns_client_id(self) -> bool {
        self.is_5()
    }

    /// A client identifier may be empty at all (with a clean session, at least).
    #[must_use]
    pub const fn client_id_may_be_empty(self) -> bool {
        !self.is_3_1()
    }

    /// The first byte of CONNACK says whether the server kept a session.
    #[must_use]
    pub const fn has_session_present(self) -> bool {
        !self.is_3_1()
    }

    /// SUBACK can refuse a filter.
    #[must_use]
    pub const fn suback_can_refuse(self) -> bool {
        !self.is_3_1()
    }

    /// The session outlives its connection by an interval (Session Expiry Interval); before 5.0 a flag says whether it does at all.
    #[must_use]
    pub const fn has_session_expiry(self) -> bool {
        self.is_5()
    }

    /// Unused bits of CONNECT flags, subscription options and fixed headers must be zero, and the fields that the CONNECT flags
    /// announce must be there. 3.1 left both open.
    #[must_use]
    pub const fn reserved_bits_are_checked(self) -> bool {
        !self.is_3_1()
    }

    /// PUBREL, SUBSCRIBE and UNSUBSCRIBE have a QoS, which is 1, and a DUP flag, set when they are sent again.
    #[must_use]
    pub const fn requests_have_qos(self) -> bool {
        self.is_3_1()
    }

    const fn is_5(self) -> bool {
        matches!(self, Self::V5)
    }

    const fn is_3_1(self) -> bool {
        matches!(self, Self::V3_1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V3_1 => "MQTT 3.1",
            Self::V3_1_1 => "MQTT 3.1.1",
            Self::V5 => "MQTT 5.0",
        })
    }
}

/// Which end of a connection we are.
///
/// ```
/// use mqtt_proto::Role;
///
/// assert_eq!(Role::Client.peer(), Role::Server);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a connection has two ends")]
pub enum Role {
    /// The end that sends CONNECT.
    Client,
    /// The end that answers it.
    Server,
}

impl Role {
    /// The other end.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}
