//! Reason codes: 5.0's, in which the return codes of 3.1 and 3.1.1 are expressed too.

use core::fmt;

use crate::{Role, Version};

/// The packets that carry a reason code, by the list of codes that each may use (5.0 section 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReasonPlace {
    ConnAck,
    /// PUBACK and PUBREC.
    PubAck,
    /// PUBREL and PUBCOMP.
    PubRel,
    SubAck,
    UnsubAck,
    Disconnect,
    Auth,
}

// One bit per place and sender.
const CONNACK: u16 = 1;
const PUBACK_C: u16 = 1 << 1;
const PUBACK_S: u16 = 1 << 2;
const PUBACK: u16 = PUBACK_C | PUBACK_S;
const PUBREL: u16 = 1 << 3;
const SUBACK: u16 = 1 << 4;
const UNSUBACK: u16 = 1 << 5;
const DISCONNECT_C: u16 = 1 << 6;
const DISCONNECT_S: u16 = 1 << 7;
const DISCONNECT: u16 = DISCONNECT_C | DISCONNECT_S;
const AUTH_C: u16 = 1 << 8;
const AUTH_S: u16 = 1 << 9;

const fn place_bit(place: ReasonPlace, sender: Role) -> u16 {
    match (place, sender) {
        (ReasonPlace::ConnAck, _) => CONNACK,
        (ReasonPlace::PubAck, Role::Client) => PUBACK_C,
        (ReasonPlace::PubAck, Role::Server) => PUBACK_S,
        (ReasonPlace::PubRel, _) => PUBREL,
        (ReasonPlace::SubAck, _) => SUBACK,
        (ReasonPlace::UnsubAck, _) => UNSUBACK,
        (ReasonPlace::Disconnect, Role::Client) => DISCONNECT_C,
        (ReasonPlace::Disconnect, Role::Server) => DISCONNECT_S,
        (ReasonPlace::Auth, Role::Client) => AUTH_C,
        (ReasonPlace::Auth, Role::Server) => AUTH_S,
    }
}

macro_rules! reasons {
    ($( $name:ident = $value:literal, $text:literal, $places:expr; )*) => {
        /// The outcome of an operation, or the reason for an end (5.0 section 2.4).
        ///
        /// Codes from 0x80 up are failures. The return codes of 3.1 and 3.1.1 are translated at the wire, so that nobody else has to know them.
        ///
        /// ```
        /// use mqtt_proto::{QoS, ReasonCode, Version};
        ///
        /// assert!(ReasonCode::NotAuthorized.is_failure());
        /// assert_eq!(ReasonCode::SessionTakenOver.as_u8(), 0x8E);
        /// assert_eq!(ReasonCode::from_u8(0x8E), Some(ReasonCode::SessionTakenOver));
        /// assert_eq!(ReasonCode::from_u8(0x03), None);
        /// assert_eq!(ReasonCode::granted(QoS::AtLeastOnce), ReasonCode::GrantedQos1);
        ///
        /// // Older versions have fewer to say it with, or none.
        /// assert_eq!(ReasonCode::ServerBusy.to_return_code(), Some(3));
        /// assert_eq!(ReasonCode::ServerUnavailable.to_return_code(), Some(3));
        /// assert_eq!(ReasonCode::MalformedPacket.to_return_code(), None);
        /// assert_eq!(ReasonCode::NotAuthorized.for_suback(Version::V3_1_1), ReasonCode::UnspecifiedError);
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ReasonCode {
            $( #[doc = concat!("`", stringify!($value), "`: ", $text, ".")] $name = $value, )*
        }

        impl ReasonCode {
            /// Every code, in the order of its value.
            pub const ALL: &'static [Self] = &[ $( Self::$name, )* ];

            /// The code with this value in 5.0.
            #[must_use]
            pub const fn from_u8(value: u8) -> Option<Self> {
                match value { $( $value => Some(Self::$name), )* _ => None }
            }

            const fn text(self) -> &'static str {
                match self { $( Self::$name => $text, )* }
            }

            const fn places(self) -> u16 {
                match self { $( Self::$name => $places, )* }
            }
        }
    };
}

reasons! {
    Success = 0x00, "success", CONNACK | PUBACK | PUBREL | SUBACK | UNSUBACK | DISCONNECT | AUTH_S;
    GrantedQos1 = 0x01, "granted QoS 1", SUBACK;
    GrantedQos2 = 0x02, "granted QoS 2", SUBACK;
    DisconnectWithWill = 0x04, "disconnect with will message", DISCONNECT_C;
    NoMatchingSubscribers = 0x10, "no matching subscribers", PUBACK_S;
    NoSubscriptionExisted = 0x11, "no subscription existed", UNSUBACK;
    ContinueAuthentication = 0x18, "continue authentication", AUTH_C | AUTH_S;
    ReAuthenticate = 0x19, "re-authenticate", AUTH_C;
    UnspecifiedError = 0x80, "unspecified error", CONNACK | PUBACK | SUBACK | UNSUBACK | DISCONNECT;
    MalformedPacket = 0x81, "malformed packet", CONNACK | DISCONNECT;
    ProtocolError = 0x82, "protocol error", CONNACK | DISCONNECT;
    ImplementationSpecificError = 0x83, "implementation specific error", CONNACK | PUBACK | SUBACK | UNSUBACK | DISCONNECT;
    UnsupportedProtocolVersion = 0x84, "unsupported protocol version", CONNACK;
    ClientIdentifierNotValid = 0x85, "client identifier not valid", CONNACK;
    BadUserNameOrPassword = 0x86, "bad user name or password", CONNACK;
    NotAuthorized = 0x87, "not authorized", CONNACK | PUBACK | SUBACK | UNSUBACK | DISCONNECT_S;
    ServerUnavailable = 0x88, "server unavailable", CONNACK;
    ServerBusy = 0x89, "server busy", CONNACK | DISCONNECT_S;
    Banned = 0x8A, "banned", CONNACK;
    ServerShuttingDown = 0x8B, "server shutting down", DISCONNECT_S;
    BadAuthenticationMethod = 0x8C, "bad authentication method", CONNACK | DISCONNECT_S;
    KeepAliveTimeout = 0x8D, "keep alive timeout", DISCONNECT_S;
    SessionTakenOver = 0x8E, "session taken over", DISCONNECT_S;
    TopicFilterInvalid = 0x8F, "topic filter invalid", SUBACK | UNSUBACK | DISCONNECT_S;
    TopicNameInvalid = 0x90, "topic name invalid", CONNACK | PUBACK | DISCONNECT;
    PacketIdentifierInUse = 0x91, "packet identifier in use", PUBACK | SUBACK | UNSUBACK;
    PacketIdentifierNotFound = 0x92, "packet identifier not found", PUBREL;
    ReceiveMaximumExceeded = 0x93, "receive maximum exceeded", DISCONNECT;
    TopicAliasInvalid = 0x94, "topic alias invalid", DISCONNECT;
    PacketTooLarge = 0x95, "packet too large", CONNACK | DISCONNECT;
    MessageRateTooHigh = 0x96, "message rate too high", DISCONNECT;
    QuotaExceeded = 0x97, "quota exceeded", CONNACK | PUBACK | SUBACK | DISCONNECT;
    AdministrativeAction = 0x98, "administrative action", DISCONNECT;
    PayloadFormatInvalid = 0x99, "payload format invalid", CONNACK | PUBACK | DISCONNECT;
    RetainNotSupported = 0x9A, "retain not supported", CONNACK | DISCONNECT_S;
    QosNotSupported = 0x9B, "QoS not supported", CONNACK | DISCONNECT;
    UseAnotherServer = 0x9C, "use another server", CONNACK | DISCONNECT_S;
    ServerMoved = 0x9D, "server moved", CONNACK | DISCONNECT_S;
    SharedSubscriptionsNotSupported = 0x9E, "shared subscriptions not supported", SUBACK | DISCONNECT_S;
    ConnectionRateExceeded = 0x9F, "connection rate exceeded", CONNACK | DISCONNECT_S;
    MaximumConnectTime = 0xA0, "maximum connect time", DISCONNECT_S;
    SubscriptionIdentifiersNotSupported = 0xA1, "subscription identifiers not supported", SUBACK | DISCONNECT_S;
    WildcardSubscriptionsNotSupported = 0xA2, "wildcard subscriptions not supported", SUBACK | DISCONNECT_S;
}

impl ReasonCode {
    /// SUBACK's name for [`Success`](Self::Success): QoS 0 is granted.
    pub const GRANTED_QOS_0: Self = Self::Success;
    /// DISCONNECT's name for [`Success`](Self::Success).
    pub const NORMAL_DISCONNECTION: Self = Self::Success;

    /// The value on the wire in 5.0.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// 0x80 and up: the operation did not happen, or the connection ends for something that went wrong.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        self.as_u8() >= 0x80
    }

    /// SUBACK's code for a granted QoS.
    #[must_use]
    pub const fn granted(qos: crate::QoS) -> Self {
        match qos {
            crate::QoS::AtMostOnce => Self::Success,
            crate::QoS::AtLeastOnce => Self::GrantedQos1,
            crate::QoS::ExactlyOnce => Self::GrantedQos2,
        }
    }

    /// `sender` may use this code there.
    pub(crate) const fn is_allowed(self, place: ReasonPlace, sender: Role) -> bool {
        self.places() & place_bit(place, sender) != 0
    }

    /// The code for a CONNACK return code of 3.1 and 3.1.1 (3.1.1 table 3.1).
    pub(crate) const fn from_return_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Success),
            1 => Some(Self::UnsupportedProtocolVersion),
            2 => Some(Self::ClientIdentifierNotValid),
            3 => Some(Self::ServerUnavailable),
            4 => Some(Self::BadUserNameOrPassword),
            5 => Some(Self::NotAuthorized),
            _ => None,
        }
    }

    /// The CONNACK return code of 3.1 and 3.1.1 that says the same. `None`: none does, and the server closes without a CONNACK: v3\[MQTT-3.2.2-6\].
    #[must_use]
    pub const fn to_return_code(self) -> Option<u8> {
        match self {
            Self::Success => Some(0),
            Self::UnsupportedProtocolVersion => Some(1),
            Self::ClientIdentifierNotValid => Some(2),
            Self::ServerUnavailable
            | Self::ServerBusy
            | Self::Banned
            | Self::UseAnotherServer
            | Self::ServerMoved
            | Self::QuotaExceeded
            | Self::ConnectionRateExceeded => Some(3),
            Self::BadUserNameOrPassword => Some(4),
            Self::NotAuthorized => Some(5),
            _ => None,
        }
    }

    /// The code of a SUBACK as `version` writes it: before 5.0 every refusal is 0x80 (3.1.1 section 3.9.3).
    #[must_use]
    pub const fn for_suback(self, version: Version) -> Self {
        if self.is_failure() && !version.acks_carry_reason() { Self::UnspecifiedError } else { self }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:02X})", self.text(), self.as_u8())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn codes(place: ReasonPlace, sender: Role) -> Vec<u8> {
        ReasonCode::ALL.iter().filter(|code| code.is_allowed(place, sender)).map(|code| code.as_u8()).collect()
    }

    /// v5\[MQTT-3.2.2-8\] v5\[MQTT-3.4.2-1\] v5\[MQTT-3.6.2-1\] v5\[MQTT-3.9.3-2\] v5\[MQTT-3.11.3-2\] v5\[MQTT-3.14.2-1\] v5\[MQTT-3.15.2-1\]
    #[test]
    fn the_lists_of_the_specification() {
        use ReasonPlace::*;
        use Role::{Client, Server};
        assert_eq!(
            codes(ConnAck, Server),
            [
                0, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99,
                0x9A, 0x9B, 0x9C, 0x9D, 0x9F
            ]
        );
        assert_eq!(codes(PubAck, Server), [0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]);
        assert_eq!(codes(PubAck, Client), [0, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]);
        assert_eq!(codes(PubRel, Client), [0, 0x92]);
        assert_eq!(codes(SubAck, Server), [0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2]);
        assert_eq!(codes(UnsubAck, Server), [0, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91]);
        assert_eq!(
            codes(Disconnect, Client),
            [0, 4, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9B]
        );
        assert_eq!(codes(Auth, Server), [0, 0x18]);
        assert_eq!(codes(Auth, Client), [0x18, 0x19]);
    }

    #[test]
    fn values_round_trip() {
        for value in 0..=u8::MAX {
            if let Some(code) = ReasonCode::from_u8(value) {
                assert_eq!(code.as_u8(), value);
            }
        }
    }
}
