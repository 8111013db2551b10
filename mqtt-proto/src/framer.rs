//! Cuts a stream of bytes into packets, without looking inside them.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use core::fmt;

use crate::error::{Cause, DecodeError};
use crate::header::FixedHeader;
use crate::reader::Reader;
use crate::{Codec, Dialect, PACKET_BYTES_MAX, PacketType, Version};

/// One packet's bytes, complete but not decoded: [`Codec::decode_frame`] does that.
///
/// ```
/// use mqtt_proto::{Cause, Codec, Frame, Packet, PacketType, Version};
///
/// let mut input = &[0xC0, 0x00, 0x30, 0x80, 0x01][..];
/// let frame = Frame::split(&mut input, 131)?.unwrap();
/// assert_eq!(frame.packet_type(), PacketType::PingReq);
/// assert_eq!(frame.as_bytes(), [0xC0, 0x00]);
/// assert_eq!(Codec::server(Version::V5).decode_frame(&frame)?, Packet::PingReq);
///
/// // Of the next one only the header is there, which is enough to know that it may be too large.
/// assert_eq!(Frame::split(&mut input, 131), Ok(None));
/// assert_eq!(Frame::split(&mut input, 130).unwrap_err().cause(), Cause::PacketTooLarge);
/// # Ok::<(), mqtt_proto::DecodeError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    bytes: &'a [u8],
    header: FixedHeader,
}

impl<'a> Frame<'a> {
    /// Splits one packet of the standard's off the front of `input`. `None`: it is not all there yet, and `input` is as it was.
    ///
    /// # Errors
    ///
    /// A fixed header that can't be right, or a packet of more than `packet_bytes_max` bytes; both as soon as the header is there.
    #[inline(always)]
    pub fn split(input: &mut &'a [u8], packet_bytes_max: u32) -> Result<Option<Self>, DecodeError> {
        Self::split_in(&Dialect::STANDARD, input, packet_bytes_max)
    }

    /// The same in a dialect.
    #[inline(always)]
    pub(crate) fn split_in(
        dialect: &Dialect,
        input: &mut &'a [u8],
        packet_bytes_max: u32,
    ) -> Result<Option<Self>, DecodeError> {
        match Self::measure(dialect, input, packet_bytes_max)? {
            Some(header) => Ok(Self::cut(input, header)),
            None => Ok(None),
        }
    }

    #[inline(always)]
    fn measure(dialect: &Dialect, input: &[u8], packet_bytes_max: u32) -> Result<Option<FixedHeader>, DecodeError> {
        let header = FixedHeader::read(input, dialect).map_err(|(cause, offset)| DecodeError::new(cause, offset))?;
        let Some(header) = header else {
            return Ok(None);
        };
        // The whole packet counts, not its Remaining Length: v5[MQTT-3.1.2-24]
        if header.packet_len() > packet_bytes_max as usize {
            return Err(DecodeError::new(Cause::PacketTooLarge, 1));
        }
        Ok(Some(header))
    }

    #[inline(always)]
    fn cut(input: &mut &'a [u8], header: FixedHeader) -> Option<Self> {
        let (bytes, rest) = input.split_at_checked(header.packet_len())?;
        *input = rest;
        Some(Self { bytes, header })
    }

    /// The type of the packet.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        self.header.packet_type
    }

    /// The whole packet, fixed header included.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) const fn flags(&self) -> u8 {
        self.header.flags
    }

    /// Length of the fixed header.
    pub(crate) const fn body_offset(&self) -> usize {
        self.header.len
    }

    /// Reads what stands behind the fixed header.
    pub(crate) fn body(&self) -> Reader<'a> {
        Reader::new(self.bytes.get(self.header.len..).unwrap_or_default(), self.header.len)
    }

    /// The version that a CONNECT asks for. A server needs it to choose the [`Codec`] that decodes the packet.
    ///
    /// ```
    /// use mqtt_proto::{Dialect, Framer, Version};
    ///
    /// let mut input = &[0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 0][..];
    /// let frame = Framer::new(1024).next(&mut input)?.unwrap();
    /// assert_eq!(frame.connect_version(&Dialect::STANDARD)?, Version::V3_1_1);
    /// # Ok::<(), mqtt_proto::DecodeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Another packet type, an unknown protocol name, or a protocol level that we don't speak.
    pub fn connect_version(&self, dialect: &Dialect) -> Result<Version, DecodeError> {
        if self.packet_type() != PacketType::Connect {
            return Err(DecodeError::new(Cause::WrongDirection, 0));
        }
        crate::connect::read_protocol(&mut self.body(), dialect).map(|(version, _)| version)
    }
}

/// Not the bytes: there may be secrets among them.
impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({:?}, {} bytes)", self.packet_type(), self.bytes.len())
    }
}

/// Cuts packets off the front of a stream that arrives in pieces, and remembers how long an unfinished one is going to be.
///
/// The host keeps the bytes: what is left in `input` must be at its front again next time, with more behind it. However small the
/// pieces, the work is linear in their bytes.
///
/// ```
/// use mqtt_proto::{Framer, PacketType};
///
/// let mut framer = Framer::new(1024);
/// assert!(framer.next(&mut &[0x40, 0x02, 0x00][..])?.is_none());
/// assert!(framer.is_waiting(3));
/// assert_eq!(framer.missing(3), 1);
///
/// let mut input = &[0x40, 0x02, 0x00, 0x0A, 0xC0, 0x00][..];
/// assert_eq!(framer.next(&mut input)?.unwrap().packet_type(), PacketType::PubAck);
/// assert_eq!(framer.next(&mut input)?.unwrap().packet_type(), PacketType::PingReq);
/// assert!(framer.next(&mut input)?.is_none());
/// # Ok::<(), mqtt_proto::DecodeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Framer {
    dialect: Dialect,
    packet_bytes_max: u32,
    /// Length of the unfinished packet at the front, 0 while unknown.
    expected: u32,
}

impl Framer {
    /// A framer for the standard that refuses packets of more than `packet_bytes_max` bytes, fixed header included.
    #[must_use]
    pub const fn new(packet_bytes_max: u32) -> Self {
        Self { dialect: Dialect::STANDARD, packet_bytes_max, expected: 0 }
    }

    /// A framer that takes and refuses what `codec` does.
    ///
    /// ```
    /// use mqtt_proto::{Codec, Framer, PacketType, Version};
    ///
    /// let mut codec = Codec::server(Version::V5);
    /// codec.dialect.reserved_packet_types = true;
    /// let frame = Framer::for_codec(&codec).next(&mut &[0x00, 0x00][..])?.unwrap();
    /// assert_eq!(frame.packet_type(), PacketType::Reserved);
    /// # Ok::<(), mqtt_proto::DecodeError>(())
    /// ```
    #[must_use]
    pub const fn for_codec(codec: &Codec) -> Self {
        Self { dialect: codec.dialect, packet_bytes_max: codec.packet_bytes_max, expected: 0 }
    }

    /// The next packet, if it is complete. Else `input` is left alone.
    ///
    /// # Errors
    ///
    /// Those of [`Frame::split`]. The stream can't be read any further then.
    #[inline(always)]
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Frame<'a>>, DecodeError> {
        if input.len() < self.expected as usize {
            return Ok(None);
        }
        let Some(header) = Frame::measure(&self.dialect, input, self.packet_bytes_max)? else {
            return Ok(None);
        };
        let frame = Frame::cut(input, header);
        self.expected =
            if frame.is_some() { 0 } else { u32::try_from(header.packet_len()).unwrap_or(PACKET_BYTES_MAX) };
        Ok(frame)
    }

    /// `held` bytes are known to be too few for the packet at the front, so that there is no need to call [`next`](Self::next).
    #[must_use]
    pub const fn is_waiting(&self, held: usize) -> bool {
        held < self.expected as usize
    }

    /// How many bytes behind the `held` ones complete the packet at the front, as far as is known: at least 1. A host may reserve that much,
    /// since it has been checked against the limit; better is to grow with what arrives.
    #[must_use]
    pub fn missing(&self, held: usize) -> usize {
        (self.expected as usize).saturating_sub(held).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    #[test]
    fn any_chunking_yields_the_same_packets() {
        let mut stream = vec![0x30, 0x05, 0x00, 0x01, b'a', b'x', b'y', 0xC0, 0x00];
        stream.extend([0x30, 0x83, 0x01, 0x00, 0x01, b'a']);
        stream.extend(vec![7; 128]);
        for chunk in 1..=stream.len() {
            let mut framer = Framer::new(1024);
            let mut held = Vec::new();
            let mut lengths = Vec::new();
            for piece in stream.chunks(chunk) {
                held.extend_from_slice(piece);
                let mut input = &held[..];
                while let Some(frame) = framer.next(&mut input).unwrap() {
                    lengths.push(frame.as_bytes().len());
                }
                held = input.to_vec();
            }
            assert_eq!(lengths, [7, 2, 134], "chunks of {chunk}");
        }
    }

    #[test]
    fn the_limit_counts_the_whole_packet_and_is_checked_at_the_header() {
        let mut input = &[0x30, 0x80, 0x01][..];
        assert_eq!(Framer::new(130).next(&mut input).unwrap_err().cause(), Cause::PacketTooLarge);
        assert_eq!(Framer::new(131).next(&mut input), Ok(None));
    }

    #[test]
    fn it_waits_until_the_packet_at_the_front_is_there() {
        let stream = [0x40, 0x02, 0x00, 0x0A, 0xC0];
        let mut framer = Framer::new(1024);
        for held in 0..=4 {
            // Nothing is known before the length has been read.
            assert_eq!(framer.is_waiting(held), (3..4).contains(&held));
            assert_eq!(framer.next(&mut &stream[..held]).unwrap().is_some(), held == 4);
        }
        assert!(!framer.is_waiting(1));
    }

    #[test]
    fn a_codec_hands_its_limit_to_its_framer() {
        let mut codec = Codec::server(Version::V5);
        codec.packet_bytes_max = 130;
        assert_eq!(Framer::for_codec(&codec), Framer::new(130));
        let error = Framer::for_codec(&codec).next(&mut &[0x30, 0x80, 0x01][..]).unwrap_err();
        assert_eq!(error.cause(), Cause::PacketTooLarge);
    }

    #[test]
    fn a_bad_header_is_refused_at_its_first_wrong_byte() {
        assert_eq!(Framer::new(100).next(&mut &[0x00][..]).unwrap_err().cause(), Cause::ReservedPacketType);
        let error = Framer::new(100).next(&mut &[0x30, 0x80, 0x80, 0x80, 0x80][..]).unwrap_err();
        assert_eq!((error.cause(), error.offset()), (Cause::VarintTooLong, 1));
    }
}
