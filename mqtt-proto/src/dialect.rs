//! How a product's protocol departs from the standard. The one place that knows the ways in which it may.

use core::fmt;

use crate::error::EncodeError;
use crate::{Codec, TransmitBuf, Version};

/// How a product's protocol departs from the standard. [`STANDARD`](Self::STANDARD) does not.
///
/// A dialect only adds. What the standard takes, every dialect takes as the same packet; what it adds comes where the standard would
/// have refused. It belongs into [`Codec::dialect`](crate::Codec::dialect).
///
/// ```
/// use mqtt_proto::{Codec, Dialect, Leniency, Packet, Version};
///
/// let mut server = Codec::server(Version::V3_1_1);
/// let with_dup = [0x38, 0x03, 0x00, 0x01, b'a'];
/// assert!(server.decode(&mut &with_dup[..]).is_err());
///
/// server.dialect = Dialect::STANDARD.allowing(Leniency::DupAtQos0);
/// assert!(matches!(server.decode(&mut &with_dup[..])?, Some(Packet::Publish(_))));
/// # Ok::<(), mqtt_proto::DecodeError>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Dialect {
    /// Protocol names and levels in CONNECT beside the standard's own. The standard's come first, then the first that fits.
    pub protocols: &'static [Protocol],
    /// Packets of a reserved type (0, and 15 before 5.0) pass as [`Opaque`](crate::Opaque), in both directions.
    pub reserved_packet_types: bool,
    /// CONNACK may go on behind its last field, in [`ConnAck::trailing`](crate::ConnAck::trailing).
    pub connack_trailing: bool,
    /// A set of [`Leniency`].
    leniencies: u16,
}

impl Dialect {
    /// The standard and nothing else.
    pub const STANDARD: Self =
        Self { protocols: &[], reserved_packet_types: false, connack_trailing: false, leniencies: 0 };

    /// The standard with [`Protocol::BRIDGES`].
    pub const MOSQUITTO_BRIDGE: Self = Self { protocols: &Protocol::BRIDGES, ..Self::STANDARD };

    /// The same, and this is taken, too.
    #[must_use]
    pub const fn allowing(self, leniency: Leniency) -> Self {
        Self { leniencies: self.leniencies | leniency.bit(), ..self }
    }

    /// This is taken.
    #[must_use]
    pub const fn allows(&self, leniency: Leniency) -> bool {
        self.leniencies & leniency.bit() != 0
    }

    /// What a CONNECT with this protocol name and level speaks, and the protocol if it is not the standard's.
    #[inline]
    pub(crate) fn resolve(&self, name: &[u8], level: u8) -> Option<(Version, Option<&'static Protocol>)> {
        if let Some(version) = Version::from_protocol(name, level) {
            return Some((version, None));
        }
        self.find(name, level).map(|protocol| (protocol.version, Some(protocol)))
    }

    #[cold]
    fn find(&self, name: &[u8], level: u8) -> Option<&'static Protocol> {
        self.protocols.iter().find(|protocol| protocol.name == name && protocol.level == level)
    }

    /// Some protocol has this name.
    pub(crate) fn knows_name(&self, name: &[u8]) -> bool {
        Version::ALL.iter().any(|version| version.protocol_name() == name)
            || self.protocols.iter().any(|protocol| protocol.name == name)
    }
}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialect")
            .field("protocols", &self.protocols)
            .field("reserved_packet_types", &self.reserved_packet_types)
            .field("connack_trailing", &self.connack_trailing)
            .field("leniencies", &Allowed(self))
            .finish()
    }
}

struct Allowed<'a>(&'a Dialect);

impl fmt::Debug for Allowed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(Leniency::ALL.iter().filter(|&&leniency| self.0.allows(leniency))).finish()
    }
}

/// A protocol name and level of a product's own, and the version that they stand for.
///
/// ```
/// use mqtt_proto::{Codec, Connect, Dialect, Packet, Protocol, Text, TransmitBuf, Version};
///
/// static PROTOCOLS: [Protocol; 1] =
///     [Protocol { name: b"ACME", level: 7, version: Version::V3_1_1, opaque_body: false }];
///
/// let mut client = Codec::client(Version::V3_1_1);
/// client.dialect.protocols = &PROTOCOLS;
/// let mut connect = Connect::new(Text::new("a")?);
/// connect.protocol = Some(&PROTOCOLS[0]);
/// let mut out = TransmitBuf::new();
/// client.encode(&Packet::Connect(connect), &mut out)?;
/// assert!(out.slices().next().unwrap().starts_with(b"\x10\x0D\0\x04ACME\x07"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "all there is to a name and a level")]
pub struct Protocol {
    /// The protocol name, of at most 65,535 bytes.
    pub name: &'static [u8],
    /// The protocol level.
    pub level: u8,
    /// The version whose packets are spoken.
    pub version: Version,
    /// What stands behind the level in CONNECT is the product's own: it comes as [`OpaqueConnect`](crate::OpaqueConnect).
    pub opaque_body: bool,
}

impl Protocol {
    /// Each version's name and level with the level's top bit set, which is how a bridge of mosquitto says what it is.
    pub const BRIDGES: [Self; 3] =
        [Self::bridge(Version::V3_1), Self::bridge(Version::V3_1_1), Self::bridge(Version::V5)];

    const fn bridge(version: Version) -> Self {
        Self { name: version.protocol_name(), level: version.level() | 0x80, version, opaque_body: false }
    }

    /// It may stand in a CONNECT with or without fields: the receiver, with the same dialect, would find exactly this one.
    pub(crate) fn check(&'static self, codec: &Codec, opaque_body: bool) -> Result<(), EncodeError> {
        if self.name.len() > usize::from(u16::MAX) {
            return Err(EncodeError::FieldTooLong { field: "protocol name" });
        }
        if codec.dialect.resolve(self.name, self.level) != Some((codec.version, Some(self))) {
            return Err(EncodeError::NotInDialect { what: "this protocol in this version" });
        }
        match (self.opaque_body, opaque_body) {
            (true, false) => Err(EncodeError::NotInDialect { what: "a CONNECT with fields under this protocol" }),
            (false, true) => Err(EncodeError::NotInDialect { what: "an opaque CONNECT under this protocol" }),
            _ => Ok(()),
        }
    }

    /// Appends name and level.
    pub(crate) fn write(&self, out: &mut TransmitBuf) {
        out.put_binary(self.name);
        out.put_u8(self.level);
    }
}

/// The name as text.
impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Protocol(\"{}\" {:#04x}, {}", self.name.escape_ascii(), self.level, self.version)?;
        f.write_str(if self.opaque_body { ", opaque body)" } else { ")" })
    }
}

macro_rules! leniencies {
    ($( $(#[doc = $doc:literal])* $name:ident; )*) => {
        /// Something that the standard refuses and real peers send.
        ///
        /// It is read as the nearest packet that is right, and that is what encoding the packet yields: nothing wrong is ever written. Only what
        /// can be read in that way is here; a wildcard in a topic name, say, is not.
        ///
        /// ```
        /// use mqtt_proto::{Dialect, Leniency};
        ///
        /// const TOLERANT: Dialect = Dialect::STANDARD.allowing(Leniency::ReservedBits).allowing(Leniency::DupAtQos0);
        /// assert!(TOLERANT.allows(Leniency::DupAtQos0));
        /// assert!(!TOLERANT.allows(Leniency::TrailingBytes));
        ///
        /// let everything = Leniency::ALL.iter().fold(Dialect::STANDARD, |dialect, &each| dialect.allowing(each));
        /// assert!(everything.allows(Leniency::TrailingBytes));
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Leniency {
            $( $(#[doc = $doc])* $name, )*
        }

        impl Leniency {
            /// Every leniency.
            pub const ALL: &'static [Self] = &[ $( Self::$name, )* ];
        }
    };
}

leniencies! {
    /// Reserved bits of the fixed header (v3\[MQTT-2.2.2-2\] v5\[MQTT-2.1.3-1\]), of the CONNECT flags (v3\[MQTT-3.1.2-3\]
    /// v5\[MQTT-3.1.2-3\]), of the CONNACK flags (v5\[MQTT-3.2.2-1\]) and of the subscription options (v3\[MQTT-3.8.3-4\]
    /// v5\[MQTT-3.8.3-5\]) that are not what they have to be; they are ignored.
    ///
    /// From servers that answer with the flags of the request, and from clients that set DUP on whatever they send again, as in 3.1.
    ReservedBits;
    /// DUP on a PUBLISH at QoS 0 (v3\[MQTT-3.3.1-2\] v5\[MQTT-3.3.1-2\]); it is ignored.
    ///
    /// From servers that hand on the flags of the publisher.
    DupAtQos0;
    /// Will QoS or Will Retain without Will Flag (v3\[MQTT-3.1.2-11\] v5\[MQTT-3.1.2-11\] v5\[MQTT-3.1.2-13\]); there is no will.
    ///
    /// From clients that write their settings for a will whether they have one or not.
    WillBitsWithoutWill;
    /// A password without a user name before 5.0 (v3\[MQTT-3.1.2-22\]); the user name is read as empty.
    ///
    /// From clients whose password is a token that says who they are, which 5.0 came to allow.
    PasswordWithoutUserName;
    /// Bytes behind the last field of a packet (v3\[MQTT-3.1.4-1\] v5\[MQTT-3.1.4-1\]); they are dropped. A packet that ends in a list or a payload
    /// has no such place, and behind a short acknowledgement of 5.0 they are read as what it left out.
    ///
    /// From senders that pad, and from clients that send a user name or a password without its flag.
    TrailingBytes;
    /// A Remaining Length of more bytes than its value needs, at most four (v5\[MQTT-1.5.5-1\]; older versions are silent, and read as strictly
    /// without this). Only this one: in properties it stays an error.
    ///
    /// From small devices that leave room for the length before they know it.
    PaddedRemainingLength;
    /// Session Present in a CONNACK that refuses (v3\[MQTT-3.2.2-4\] v5\[MQTT-3.2.2-6\]); there is no session.
    SessionPresentOnRefusal;
    /// A CONNACK that refuses in the form of 3.1.1, two bytes with a return code, in 5.0 (v5\[MQTT-3.2.2-8\]).
    ///
    /// From servers that don't know 5.0: their standard has them refuse it so (v3\[MQTT-3.1.2-2\]).
    ReturnCodeInConnAck;
}

impl Leniency {
    const fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn each_leniency_is_allowed_alone() {
        for &one in Leniency::ALL {
            let dialect = Dialect::STANDARD.allowing(one);
            for &other in Leniency::ALL {
                assert_eq!(dialect.allows(other), one == other);
                assert!(!Dialect::STANDARD.allows(other));
            }
        }
    }

    #[test]
    fn the_standard_comes_first_then_the_first_that_fits() {
        const fn protocol(name: &'static [u8], level: u8, version: Version) -> Protocol {
            Protocol { name, level, version, opaque_body: true }
        }
        static PROTOCOLS: [Protocol; 3] = [
            protocol(b"MQTT", 4, Version::V5),
            protocol(b"MQTT", 3, Version::V3_1_1),
            protocol(b"MQTT", 3, Version::V3_1),
        ];
        let dialect = Dialect { protocols: &PROTOCOLS, ..Dialect::STANDARD };
        assert_eq!(dialect.resolve(b"MQTT", 4), Some((Version::V3_1_1, None)));
        assert_eq!(dialect.resolve(b"MQTT", 3), Some((Version::V3_1_1, Some(&PROTOCOLS[1]))));
        assert_eq!(dialect.resolve(b"MQTT", 0x84), None);
        assert_eq!(Dialect::STANDARD.resolve(b"MQTT", 3), None);
    }

    #[test]
    fn it_says_what_it_is() {
        let dialect = Dialect { protocols: &Protocol::BRIDGES[1..2], ..Dialect::STANDARD };
        let expected = "Dialect { protocols: [Protocol(\"MQTT\" 0x84, MQTT 3.1.1)], reserved_packet_types: false, \
                        connack_trailing: false, leniencies: {DupAtQos0} }";
        assert_eq!(format!("{:?}", dialect.allowing(Leniency::DupAtQos0)), expected);
    }
}
