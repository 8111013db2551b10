//! Reads the fields of one packet, in order, each at most once.
//!
//! All of it is inlined, by force: a cursor whose address is taken lives in memory instead of in registers, which more than doubles the time
//! that a packet takes. For the same reason errors are made from plain values.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use core::fmt;

use crate::error::{Cause, DecodeError};
use crate::{PacketId, Text, TopicName, varint};

/// A cursor over the bytes of one packet, or of one property section in it.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// Offset in the packet of the byte behind `rest`.
    end: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, which stand `offset` bytes into the packet.
    pub(crate) const fn new(bytes: &'a [u8], offset: usize) -> Self {
        Self { rest: bytes, end: offset.saturating_add(bytes.len()) }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) const fn offset(&self) -> usize {
        self.end.saturating_sub(self.rest.len())
    }

    /// The rest, unread.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// An error at the next byte.
    #[inline(always)]
    pub(crate) fn error(&self, cause: Cause) -> DecodeError {
        DecodeError::new(cause, self.offset())
    }

    #[inline(always)]
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.error(Cause::UnexpectedEnd)),
        }
    }

    /// Everything that is left.
    #[inline(always)]
    pub(crate) const fn take_rest(&mut self) -> &'a [u8] {
        let taken = self.rest;
        self.rest = &[];
        taken
    }

    #[inline(always)]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.rest.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => Err(self.error(Cause::UnexpectedEnd)),
        }
    }

    #[inline(always)]
    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    #[inline(always)]
    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline(always)]
    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline(always)]
    pub(crate) fn varint(&mut self) -> Result<u32, DecodeError> {
        match varint::read(self.rest) {
            Ok(Some((value, length))) => {
                self.take(length)?;
                Ok(value)
            }
            Ok(None) => Err(self.error(Cause::UnexpectedEnd)),
            Err(cause) => Err(self.error(cause)),
        }
    }

    /// A part of its own that starts with its length, as a property section does.
    #[inline(always)]
    pub(crate) fn section(&mut self) -> Result<Reader<'a>, DecodeError> {
        let start = *self;
        let length = self.varint()? as usize;
        let offset = self.offset();
        match self.take(length) {
            Ok(bytes) => Ok(Reader::new(bytes, offset)),
            Err(_) => Err(start.error(Cause::UnexpectedEnd)),
        }
    }

    #[inline(always)]
    pub(crate) fn packet_id(&mut self) -> Result<PacketId, DecodeError> {
        let start = *self;
        // v3[MQTT-2.3.1-1] v5[MQTT-2.2.1-3]
        PacketId::new(self.u16()?).ok_or_else(|| start.error(Cause::PacketIdZero))
    }

    /// Two bytes of length, then that many bytes.
    #[inline(always)]
    pub(crate) fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        let start = *self;
        let length = usize::from(self.u16()?);
        self.take(length).map_err(|_| start.error(Cause::UnexpectedEnd))
    }

    #[inline(always)]
    pub(crate) fn text(&mut self) -> Result<Text<'a>, DecodeError> {
        let start = *self;
        Text::from_bytes(self.binary()?).map_err(|cause| start.error(cause))
    }

    #[inline(always)]
    pub(crate) fn topic_name(&mut self) -> Result<TopicName<'a>, DecodeError> {
        let start = *self;
        TopicName::from_bytes(self.binary()?).map_err(|cause| start.error(cause))
    }
}

/// Not the bytes: there may be secrets among them.
impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({} bytes before {})", self.rest.len(), self.end)
    }
}
