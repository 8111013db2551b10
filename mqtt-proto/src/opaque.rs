//! Packets whose inside only a dialect's own peers understand.

use core::fmt;

use crate::connect::{field_len, read_protocol};
use crate::error::{Cause, DecodeError, EncodeError};
use crate::packet::Body;
use crate::reader::Reader;
use crate::{Codec, Frame, PacketType, Protocol, TransmitBuf};

/// A packet of a type that the standard reserves. Either end may send it where the [`Dialect`](crate::Dialect) lets it.
///
/// ```
/// use mqtt_proto::{Codec, Opaque, Packet, PacketType, TransmitBuf, Version};
///
/// let mut codec = Codec::client(Version::V5);
/// codec.dialect.reserved_packet_types = true;
/// let opaque = Opaque::new(PacketType::Reserved, 0b0011, b"own").unwrap();
/// let mut out = TransmitBuf::new();
/// codec.encode(&Packet::Opaque(opaque), &mut out)?;
///
/// let bytes = out.slices().next().unwrap();
/// assert_eq!(bytes, b"\x03\x03own");
/// assert_eq!(codec.decode(&mut &bytes[..])?, Some(Packet::Opaque(opaque)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Opaque<'a> {
    packet_type: PacketType,
    flags: u8,
    body: &'a [u8],
}

impl<'a> Opaque<'a> {
    /// `None`: `packet_type` is neither [`PacketType::Reserved`] nor, for versions before 5.0, [`PacketType::Auth`]; or `flags` has more than
    /// its four bits.
    #[must_use]
    pub const fn new(packet_type: PacketType, flags: u8, body: &'a [u8]) -> Option<Self> {
        match packet_type {
            PacketType::Reserved | PacketType::Auth if flags <= 0x0F => Some(Self { packet_type, flags, body }),
            _ => None,
        }
    }

    /// Its type, one of the two.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        self.packet_type
    }

    /// The low four bits of the first byte.
    #[must_use]
    pub const fn flags(&self) -> u8 {
        self.flags
    }

    /// What stands behind the fixed header.
    #[must_use]
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    fn may_pass(&self, codec: &Codec) -> bool {
        codec.dialect.reserved_packet_types && self.packet_type.is_reserved(codec.version)
    }
}

impl<'a> Body<'a> for Opaque<'a> {
    fn read(reader: &mut Reader<'a>, frame: &Frame<'a>, codec: &Codec) -> Result<Self, DecodeError> {
        Self::new(frame.packet_type(), frame.flags(), reader.take_rest())
            .filter(|opaque| opaque.may_pass(codec))
            .ok_or(DecodeError::new(Cause::ReservedPacketType, 0))
    }

    fn measure(&self, codec: &Codec) -> Result<usize, EncodeError> {
        if self.may_pass(codec) {
            Ok(self.body.len())
        } else {
            Err(EncodeError::NotInDialect { what: "a reserved packet type" })
        }
    }

    fn write(&self, _: &Codec, out: &mut TransmitBuf) {
        out.put_slice(self.body);
    }
}

/// Not the bytes: there may be secrets among them.
impl fmt::Debug for Opaque<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opaque({:?}, flags {:#06b}, {} bytes)", self.packet_type, self.flags, self.body.len())
    }
}

/// A CONNECT under a [`Protocol`] with an opaque body.
///
/// ```
/// use mqtt_proto::{Codec, Packet, Protocol, Version};
///
/// static PROTOCOLS: [Protocol; 1] = [Protocol { name: b"ACME", level: 1, version: Version::V3_1_1, opaque_body: true }];
///
/// let mut server = Codec::server(Version::V3_1_1);
/// server.dialect.protocols = &PROTOCOLS;
/// let bytes = b"\x10\x0B\0\x04ACME\x01blob";
/// let Some(Packet::OpaqueConnect(connect)) = server.decode(&mut &bytes[..])? else { panic!() };
/// assert_eq!(connect.body, b"blob");
/// # Ok::<(), mqtt_proto::DecodeError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the body is whatever there is")]
pub struct OpaqueConnect<'a> {
    /// One of the dialect's, with an opaque body.
    pub protocol: &'static Protocol,
    /// Everything behind the protocol level.
    pub body: &'a [u8],
}

impl<'a> Body<'a> for OpaqueConnect<'a> {
    fn read(reader: &mut Reader<'a>, _: &Frame<'a>, codec: &Codec) -> Result<Self, DecodeError> {
        let start = *reader;
        match read_protocol(reader, &codec.dialect)? {
            (version, Some(protocol)) if protocol.opaque_body && version == codec.version => {
                Ok(Self { protocol, body: reader.take_rest() })
            }
            _ => Err(start.error(Cause::ProtocolName)),
        }
    }

    fn measure(&self, codec: &Codec) -> Result<usize, EncodeError> {
        self.protocol.check(codec, true)?;
        Ok(field_len(self.protocol.name).saturating_add(1).saturating_add(self.body.len()))
    }

    fn write(&self, _: &Codec, out: &mut TransmitBuf) {
        self.protocol.write(out);
        out.put_slice(self.body);
    }
}

/// Not the bytes: there may be secrets among them.
impl fmt::Debug for OpaqueConnect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpaqueConnect({:?}, {} bytes)", self.protocol, self.body.len())
    }
}
