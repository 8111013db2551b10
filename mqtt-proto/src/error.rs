//! Everything that can be wrong with bytes, in one table: cause, reason code on the wire, statement, message.

use core::fmt;

use crate::{PacketType, ReasonCode, Role, Version};

macro_rules! causes {
    ($( $(#[doc = $doc:literal])* $name:ident => $reason:ident, $statement:literal, $message:literal; )*) => {
        /// Why bytes are not a packet that the receiver may accept.
        ///
        /// Each cause has one reason code, one place in the specification (labels clash between versions, so each carries its own), and one message.
        ///
        /// ```
        /// use mqtt_proto::{Cause, ReasonCode};
        ///
        /// let cause = Cause::TopicAliasZero;
        /// assert_eq!(cause.reason_code(), ReasonCode::TopicAliasInvalid);
        /// assert_eq!(cause.statement(), "v5[MQTT-3.3.2-8]");
        /// assert_eq!(cause.to_string(), "topic alias is zero v5[MQTT-3.3.2-8]");
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Cause {
            $( $(#[doc = $doc])* #[doc = concat!(" (", $statement, ")")] $name, )*
        }

        impl Cause {
            /// Every cause, in the order of the table.
            pub const ALL: &'static [Self] = &[ $( Self::$name, )* ];

            /// What to tell the peer, where its version lets us tell it anything.
            #[must_use]
            pub const fn reason_code(self) -> ReasonCode {
                match self { $( Self::$name => ReasonCode::$reason, )* }
            }

            /// The statements or sections of the specification that the bytes break.
            #[must_use]
            pub const fn statement(self) -> &'static str {
                match self { $( Self::$name => $statement, )* }
            }

            const fn message(self) -> &'static str {
                match self { $( Self::$name => $message, )* }
            }
        }
    };
}

causes! {
    /// A Remaining Length or another variable byte integer goes on after four bytes.
    VarintTooLong => MalformedPacket, "v3 2.2.3, v5[MQTT-1.5.5-1]", "variable byte integer is longer than four bytes";
    /// A variable byte integer has more bytes than its value needs. Versions before 5.0 are silent; it is refused there, too, for no encoder is known to write one.
    VarintNotShortest => MalformedPacket, "v5[MQTT-1.5.5-1]", "variable byte integer is not in its shortest form";
    /// The packet is larger than the receiver's limit.
    PacketTooLarge => PacketTooLarge, "v5[MQTT-3.1.2-24] v5[MQTT-3.2.2-15]", "packet is larger than the receiver's limit";
    /// Type 0, or type 15 before 5.0.
    ReservedPacketType => MalformedPacket, "v3 2.2.1, v5 2.1.2", "packet type is reserved";
    /// The low four bits of the first byte are not what the packet type asks for.
    ReservedFlags => MalformedPacket, "v3[MQTT-2.2.2-2] v5[MQTT-2.1.3-1]", "fixed header flags are not those of the packet type";
    /// A packet that only the other end may send.
    WrongDirection => ProtocolError, "v3 2.2.1, v5 2.1.2", "packet type is not for this direction";
    /// A field runs past the end of the packet or of its property section.
    UnexpectedEnd => MalformedPacket, "v3[MQTT-3.1.4-1] v5[MQTT-3.1.4-1]", "packet ends inside a field";
    /// Bytes are left over behind the last field.
    TrailingBytes => MalformedPacket, "v3[MQTT-3.1.4-1] v5[MQTT-3.1.4-1]", "bytes left over behind the last field";
    /// A text is not strict UTF-8 (overlong forms and surrogates count as errors).
    InvalidUtf8 => MalformedPacket, "v3[MQTT-1.5.3-1] v5[MQTT-1.5.4-1]", "text is not valid utf-8";
    /// A text contains U+0000.
    NulInText => MalformedPacket, "v3[MQTT-1.5.3-2] v5[MQTT-1.5.4-2]", "text contains u+0000";
    /// A text or binary data is longer than its two-byte length can say. No bytes on the wire have this fault, only values to be encoded.
    FieldTooLong => MalformedPacket, "v3[MQTT-4.7.3-3] v5[MQTT-4.7.3-3] v5 1.5.4, v5 1.5.6", "text or binary data is longer than 65,535 bytes";
    /// A packet identifier is 0.
    PacketIdZero => ProtocolError, "v3[MQTT-2.3.1-1] v5[MQTT-2.2.1-3]", "packet identifier is zero";
    /// The protocol name in CONNECT is unknown.
    ProtocolName => UnsupportedProtocolVersion, "v3[MQTT-3.1.2-1] v5[MQTT-3.1.2-1]", "protocol name is unknown";
    /// The protocol level in CONNECT is unknown, or is not the one that this codec speaks.
    ProtocolLevel => UnsupportedProtocolVersion, "v3[MQTT-3.1.2-2] v5[MQTT-3.1.2-2]", "protocol level is not supported";
    /// Bit 0 of the CONNECT flags is set.
    ConnectReservedFlag => MalformedPacket, "v3[MQTT-3.1.2-3] v5[MQTT-3.1.2-3]", "reserved connect flag is set";
    /// Will QoS or Will Retain without Will Flag.
    WillBitsWithoutWill => MalformedPacket, "v3[MQTT-3.1.2-11] v3[MQTT-3.1.2-13] v3[MQTT-3.1.2-15] v5[MQTT-3.1.2-11] v5[MQTT-3.1.2-13]", "will qos or will retain without a will";
    /// Will QoS 3.
    WillQos => MalformedPacket, "v3[MQTT-3.1.2-14] v5[MQTT-3.1.2-12]", "will qos is three";
    /// A password without a user name, before 5.0.
    PasswordWithoutUserName => MalformedPacket, "v3[MQTT-3.1.2-22]", "password without a user name";
    /// Bits 7 to 1 of the CONNACK flags are set.
    ConnAckFlags => MalformedPacket, "v3 3.2.2.1, v5[MQTT-3.2.2-1]", "reserved connack flags are set";
    /// CONNACK refuses and says that a session is present.
    SessionPresentOnRefusal => ProtocolError, "v3[MQTT-3.2.2-4] v5[MQTT-3.2.2-6]", "session present in a refusing connack";
    /// PUBLISH with both QoS bits set.
    PublishQos => MalformedPacket, "v3[MQTT-3.3.1-4] v5[MQTT-3.3.1-4]", "publish qos is three";
    /// PUBLISH at QoS 0 with DUP.
    DupAtQos0 => MalformedPacket, "v3[MQTT-3.3.1-2] v5[MQTT-3.3.1-2]", "dup is set on a qos 0 publish";
    /// A topic name contains `+` or `#`.
    WildcardInTopicName => MalformedPacket, "v3[MQTT-4.7.1-1] v3[MQTT-3.3.2-2] v5[MQTT-4.7.0-1] v5[MQTT-3.3.2-2] v5[MQTT-3.3.2-14]", "topic name contains a wildcard";
    /// A topic name or filter is empty where it may not be.
    EmptyTopic => ProtocolError, "v3[MQTT-4.7.3-1] v5[MQTT-4.7.3-1]", "topic name or filter is empty";
    /// A wildcard in a topic filter does not fill its level, or `#` is not last.
    MisplacedWildcard => MalformedPacket, "v3[MQTT-4.7.1-2] v3[MQTT-4.7.1-3] v5[MQTT-4.7.1-1] v5[MQTT-4.7.1-2]", "wildcard is misplaced in a topic filter";
    /// `$share/` without a proper name and filter behind it.
    SharedFilter => MalformedPacket, "v5[MQTT-4.8.2-1] v5[MQTT-4.8.2-2]", "shared subscription is not of the form $share/name/filter";
    /// No Local on a shared subscription.
    NoLocalOnShared => ProtocolError, "v5[MQTT-3.8.3-4]", "no local on a shared subscription";
    /// SUBSCRIBE or UNSUBSCRIBE without a filter.
    NoFilters => ProtocolError, "v3[MQTT-3.8.3-3] v3[MQTT-3.10.3-2] v5[MQTT-3.8.3-2] v5[MQTT-3.10.3-2]", "no topic filter";
    /// Reserved bits of the subscription options are set.
    SubscriptionOptions => MalformedPacket, "v3[MQTT-3.8.3-4] v5[MQTT-3.8.3-5]", "reserved subscription option bits are set";
    /// A subscription asks for QoS 3.
    SubscriptionQos => ProtocolError, "v3[MQTT-3.8.3-4] v5 3.8.3.1", "subscription qos is three";
    /// Retain Handling 3.
    RetainHandling => ProtocolError, "v5 3.8.3.1", "retain handling is three";
    /// SUBACK or UNSUBACK without a reason code.
    NoReasonCodes => ProtocolError, "v3[MQTT-3.8.4-5] v5[MQTT-3.8.4-6] v5[MQTT-3.11.3-1]", "no reason code";
    /// A reason or return code that this packet, or this sender, may not use.
    ReasonCode => ProtocolError, "v3[MQTT-3.9.3-2] v5[MQTT-3.2.2-8] v5[MQTT-3.4.2-1] v5[MQTT-3.5.2-1] v5[MQTT-3.6.2-1] v5[MQTT-3.7.2-1] v5[MQTT-3.9.3-2] v5[MQTT-3.11.3-2] v5[MQTT-3.14.2-1] v5[MQTT-3.15.2-1]", "reason code is not for this packet";
    /// A property identifier that the specification does not know.
    UnknownProperty => MalformedPacket, "v5 2.2.2.2", "property identifier is unknown";
    /// A property that this packet may not carry.
    MisplacedProperty => MalformedPacket, "v5 2.2.2.2", "property is not for this packet";
    /// A Subscription Identifier in a client's PUBLISH.
    SubscriptionIdFromClient => ProtocolError, "v5[MQTT-3.3.4-6]", "subscription identifier in a publish from a client";
    /// A Session Expiry Interval in a server's DISCONNECT.
    SessionExpiryFromServer => ProtocolError, "v5[MQTT-3.14.2-2]", "session expiry interval in a disconnect from a server";
    /// A property that may stand once stands twice.
    RepeatedProperty => ProtocolError, "v5 2.2.2.2", "property is repeated";
    /// A property value outside its range.
    PropertyValue => ProtocolError, "v5 2.2.2.2", "property value is out of range";
    /// Topic Alias 0.
    TopicAliasZero => TopicAliasInvalid, "v5[MQTT-3.3.2-8]", "topic alias is zero";
    /// A PUBLISH has neither a topic name nor a topic alias.
    NoTopic => ProtocolError, "v5[MQTT-4.7.3-1] v5 3.3.2.1", "publish has neither topic name nor topic alias";
    /// AUTH without Authentication Method, or Authentication Data without it.
    NoAuthenticationMethod => ProtocolError, "v5 3.15.2.2.2, v5 3.1.2.11.10", "authentication method is missing";
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.message(), self.statement())
    }
}

impl core::error::Error for Cause {}

/// Bytes that are not an acceptable packet: what is wrong, and where.
///
/// ```
/// use mqtt_proto::{Cause, Codec, Version};
///
/// let server = Codec::server(Version::V3_1_1);
/// let error = server.decode(&mut &[0x82, 0x02, 0x00, 0x0A][..]).unwrap_err();
/// assert_eq!(error.cause(), Cause::NoFilters);
/// assert_eq!(error.offset(), 4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{cause} at byte {offset}")]
pub struct DecodeError {
    cause: Cause,
    offset: u32,
}

impl DecodeError {
    /// `offset` counts from the first byte of the packet.
    #[cold]
    pub(crate) fn new(cause: Cause, offset: usize) -> Self {
        Self { cause, offset: u32::try_from(offset).unwrap_or(u32::MAX) }
    }

    /// What is wrong.
    #[must_use]
    pub const fn cause(self) -> Cause {
        self.cause
    }

    /// Where, in bytes from the start of the packet: the first byte of the offending field.
    #[must_use]
    pub const fn offset(self) -> u32 {
        self.offset
    }

    /// What to tell the peer.
    #[must_use]
    pub const fn reason_code(self) -> ReasonCode {
        self.cause.reason_code()
    }
}

/// A value that has no correct encoding in this version, or from this end.
///
/// It is found before the first byte is written; the buffer is as it was.
///
/// ```
/// use mqtt_proto::{Ack, Codec, EncodeError, Packet, PacketId, ReasonCode, TransmitBuf, Version};
///
/// let mut ack = Ack::new(PacketId::MIN);
/// ack.reason_code = ReasonCode::QuotaExceeded;
/// let mut out = TransmitBuf::new();
/// let error = Codec::server(Version::V3_1_1).encode(&Packet::PubAck(ack), &mut out).unwrap_err();
/// assert!(matches!(error, EncodeError::NotInVersion { .. }));
/// assert!(out.is_empty());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The version has no room for it.
    #[error("{what} does not exist in {version}")]
    NotInVersion {
        /// What was asked for.
        what: &'static str,
        /// The version in use.
        version: Version,
    },
    /// It takes a [`Dialect`](crate::Dialect) that has it: set [`Codec::dialect`](crate::Codec::dialect).
    #[error("{what} is not in the codec's dialect")]
    NotInDialect {
        /// What was asked for.
        what: &'static str,
    },
    /// This end may not send it.
    #[error("a {role} may not send {packet_type} v3 2.2.1, v5 2.1.2")]
    WrongDirection {
        /// The packet.
        packet_type: PacketType,
        /// Our end.
        role: Role,
    },
    /// The packet would be longer than a Remaining Length can say.
    #[error("packet is longer than 268,435,455 bytes v3 2.2.3, v5[MQTT-1.5.5-1]")]
    PacketTooLong,
    /// The packet is longer than the receiver has said that it takes: see [`Codec::encode_within`](crate::Codec::encode_within).
    #[error(
        "packet of {bytes} bytes is larger than the receiver's maximum of {maximum} v5[MQTT-3.1.2-24] v5[MQTT-3.2.2-15]"
    )]
    TooLarge {
        /// Size of the packet.
        bytes: usize,
        /// What the receiver takes.
        maximum: u32,
    },
    /// Binary data is longer than its two-byte length can say.
    #[error("{field} is longer than 65,535 bytes v5 1.5.6")]
    FieldTooLong {
        /// The field's name.
        field: &'static str,
    },
    /// The decoder at the other end would have to refuse it, for this cause.
    #[error("the receiver would refuse it: {0}")]
    Refused(Cause),
}

impl From<Cause> for EncodeError {
    fn from(cause: Cause) -> Self {
        Self::Refused(cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn messages_are_lower_case_and_end_with_their_statement() {
        for cause in Cause::ALL {
            let text = cause.to_string();
            assert!(text.ends_with(cause.statement()), "{text}");
            assert_eq!(cause.message(), cause.message().to_lowercase());
        }
    }

    #[test]
    fn every_cause_is_a_failure() {
        for cause in Cause::ALL {
            assert!(cause.reason_code().is_failure(), "{cause:?}");
        }
    }
}
