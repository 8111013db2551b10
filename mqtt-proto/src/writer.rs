//! Where encoded packets wait to be sent.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

use bytes::{Buf, Bytes};

use crate::{Payload, varint};

/// A payload of at least this many bytes goes out by reference where it can; a shorter one is copied.
pub const SHARED_BYTES_MIN: usize = 4096;

/// Bytes on their way out: small things copied behind one another, large payloads held by reference between them.
///
/// Encoders append; the host writes [`slices`](Self::slices) (one vectored write) and says how far it came with [`advance`](Self::advance).
///
/// ```
/// use bytes::Bytes;
/// use mqtt_proto::TransmitBuf;
///
/// let mut out = TransmitBuf::new();
/// out.put_slice(b"head");
/// out.put_bytes(Bytes::from(vec![7; 100_000]));
/// out.put_slice(b"tail");
/// assert_eq!(out.slices().map(<[u8]>::len).collect::<Vec<_>>(), [4, 100_000, 4]);
///
/// out.advance(100_002);
/// assert_eq!(out.slices().map(<[u8]>::len).collect::<Vec<_>>(), [2, 4]);
///
/// let mut more = TransmitBuf::new();
/// more.put_slice(b"more");
/// out.append(&mut more);
/// assert_eq!(out.slices().last(), Some(&b"tailmore"[..]));
/// assert!(more.is_empty());
///
/// // Only an empty buffer gives its memory back.
/// out.release();
/// assert_eq!(out.len(), 10);
/// out.clear();
/// out.release();
/// assert!(out.is_empty());
/// ```
#[derive(Clone, Default)]
pub struct TransmitBuf {
    copied: Vec<u8>,
    /// Bytes of `copied` already sent.
    sent: usize,
    shared: VecDeque<Shared>,
    /// Bytes in `shared`.
    shared_bytes: usize,
}

/// Bytes by reference, to be sent when `copied` has been sent up to `at`.
#[derive(Clone)]
struct Shared {
    at: usize,
    bytes: Bytes,
}

impl TransmitBuf {
    /// An empty buffer, which holds no memory.
    #[must_use]
    pub const fn new() -> Self {
        Self { copied: Vec::new(), sent: 0, shared: VecDeque::new(), shared_bytes: 0 }
    }

    /// Bytes still to be sent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.copied.len().saturating_sub(self.sent).saturating_add(self.shared_bytes)
    }

    /// Nothing is left to be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends a copy of `bytes`.
    #[inline(always)]
    pub fn put_slice(&mut self, bytes: &[u8]) {
        self.copied.extend_from_slice(bytes);
    }

    /// Appends `bytes` by reference.
    pub fn put_bytes(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.shared_bytes = self.shared_bytes.saturating_add(bytes.len());
        self.shared.push_back(Shared { at: self.copied.len(), bytes });
    }

    /// What is left to be sent, in order; no slice is empty.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let mut from = self.sent;
        let mut shared = self.shared.iter().peekable();
        let mut rest = true;
        core::iter::from_fn(move || {
            if let Some(segment) = shared.next_if(|segment| segment.at <= from) {
                return Some(segment.bytes.as_ref());
            }
            let start = from;
            from = match shared.peek() {
                Some(segment) => segment.at,
                None if core::mem::take(&mut rest) => self.copied.len(),
                None => return None,
            };
            self.copied.get(start..from)
        })
        .filter(|slice| !slice.is_empty())
    }

    /// The first `count` bytes have been sent. More than [`len`](Self::len) empties the buffer.
    ///
    /// An empty buffer keeps its memory for the next packet; [`release`](Self::release) gives it back.
    pub fn advance(&mut self, mut count: usize) {
        while let Some(front) = self.shared.front_mut() {
            let before = front.at.saturating_sub(self.sent);
            if count < before {
                break;
            }
            count = count.saturating_sub(before);
            self.sent = self.sent.max(front.at);
            let taken = count.min(front.bytes.len());
            front.bytes.advance(taken);
            count = count.saturating_sub(taken);
            self.shared_bytes = self.shared_bytes.saturating_sub(taken);
            if !front.bytes.is_empty() {
                break;
            }
            self.shared.pop_front();
        }
        self.sent = self.sent.saturating_add(count).min(self.copied.len());
        self.forget_sent();
    }

    /// Drops the sent bytes once they are the larger part, or a buffer that never runs empty would grow for ever. A sent byte pays for
    /// at most one that is moved.
    fn forget_sent(&mut self) {
        if self.sent <= self.copied.len() / 2 {
            return;
        }
        self.copied.drain(..self.sent);
        for segment in &mut self.shared {
            segment.at = segment.at.saturating_sub(self.sent);
        }
        self.sent = 0;
    }

    /// Drops what has not been sent.
    pub fn clear(&mut self) {
        self.copied.clear();
        self.sent = 0;
        self.shared.clear();
        self.shared_bytes = 0;
    }

    /// Gives the memory of an empty buffer back, so that an idle connection holds none.
    pub fn release(&mut self) {
        if self.is_empty() {
            *self = Self::new();
        }
    }

    /// Moves everything out of `other` to the end of this buffer.
    pub fn append(&mut self, other: &mut Self) {
        if self.is_empty() {
            core::mem::swap(self, other);
            other.clear();
            return;
        }
        let mut from = other.sent;
        for segment in core::mem::take(&mut other.shared) {
            self.put_slice(other.copied.get(from..segment.at).unwrap_or_default());
            from = from.max(segment.at);
            self.put_bytes(segment.bytes);
        }
        self.put_slice(other.copied.get(from..).unwrap_or_default());
        other.clear();
    }

    /// Room for `bytes` more copied bytes.
    #[inline(always)]
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.copied.reserve(bytes);
    }

    #[inline(always)]
    pub(crate) fn put_u8(&mut self, value: u8) {
        self.copied.push(value);
    }

    #[inline(always)]
    pub(crate) fn put_u16(&mut self, value: u16) {
        let [high, low] = value.to_be_bytes();
        self.copied.push(high);
        self.copied.push(low);
    }

    #[inline(always)]
    pub(crate) fn put_varint(&mut self, value: usize) {
        varint::write(u32::try_from(value).unwrap_or(varint::VARINT_MAX), &mut self.copied);
    }

    /// Two bytes of length, then the bytes; the caller has checked that there are at most 65,535.
    #[inline(always)]
    pub(crate) fn put_binary(&mut self, bytes: &[u8]) {
        debug_assert!(bytes.len() <= usize::from(u16::MAX), "length was not checked");
        self.put_u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
        self.copied.extend_from_slice(bytes);
    }

    #[inline(always)]
    pub(crate) fn put_payload(&mut self, payload: Payload<'_>) {
        match payload.by_reference() {
            Some(bytes) => self.put_bytes(bytes.clone()),
            None => self.put_slice(&payload),
        }
    }
}

/// A buffer is what is left to be sent, however it is held.
impl PartialEq for TransmitBuf {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.slices().flatten().eq(other.slices().flatten())
    }
}

impl Eq for TransmitBuf {}

impl Hash for TransmitBuf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.len());
        self.slices().flatten().for_each(|&byte| state.write_u8(byte));
    }
}

/// Not the bytes: there may be secrets among them.
impl fmt::Debug for TransmitBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransmitBuf({} bytes in {} slices)", self.len(), self.slices().count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(buf: &TransmitBuf) -> Vec<u8> {
        buf.slices().flatten().copied().collect()
    }

    fn mixed() -> TransmitBuf {
        let mut out = TransmitBuf::new();
        out.put_bytes(Bytes::from_static(b"ab"));
        out.put_slice(b"cde");
        out.put_bytes(Bytes::from_static(b"f"));
        out.put_bytes(Bytes::from_static(b"gh"));
        out.put_slice(b"i");
        out
    }

    #[test]
    fn advancing_by_any_steps_yields_every_byte_once() {
        for step in 1..=10 {
            let mut out = mixed();
            let mut seen = Vec::new();
            while !out.is_empty() {
                let rest = flat(&out);
                assert_eq!(rest.len(), out.len());
                let taken = step.min(rest.len());
                seen.extend_from_slice(&rest[..taken]);
                out.advance(taken);
            }
            assert_eq!(seen, b"abcdefghi");
        }
    }

    #[test]
    fn bytes_put_after_a_partial_write_stay_behind() {
        let mut out = mixed();
        out.advance(4);
        out.put_slice(b"jk");
        assert_eq!(flat(&out), b"efghijk");
    }

    #[test]
    fn advancing_past_the_end_empties() {
        let mut out = mixed();
        out.advance(usize::MAX);
        assert!(out.is_empty());
        assert_eq!(out, TransmitBuf::new());
    }

    #[test]
    fn a_buffer_that_never_runs_empty_does_not_grow() {
        let mut out = TransmitBuf::new();
        let (mut put, mut sent) = (0, 0);
        while put < 1_000_000 {
            out.put_slice(&[1; 60]);
            out.put_bytes(Bytes::from_static(&[2; 40]));
            put += 100;
            let count = (put - sent) / 2;
            out.advance(count);
            sent += count;
            assert_eq!(out.len(), put - sent);
            assert!(out.copied.len() < 1000 && out.shared.len() < 10, "after {put} bytes");
        }
    }

    #[test]
    fn a_buffer_equals_another_with_the_same_bytes_left() {
        let mut shared = TransmitBuf::new();
        shared.put_bytes(Bytes::from_static(b"abc"));
        shared.put_slice(b"d");
        shared.advance(1);
        let mut copied = TransmitBuf::new();
        copied.put_slice(b"bcd");
        assert_eq!(shared, copied);
        copied.advance(1);
        assert_ne!(shared, copied);
    }

    #[test]
    fn an_empty_buffer_gives_its_memory_back_and_another_keeps_it() {
        let mut out = mixed();
        out.release();
        assert_eq!(flat(&out), b"abcdefghi");
        out.clear();
        assert!(out.copied.capacity() > 0);
        out.release();
        assert_eq!((out.copied.capacity(), out.shared.capacity()), (0, 0));
    }

    #[test]
    fn append_keeps_order_and_leaves_the_other_empty() {
        for sent in 0..10 {
            let (mut left, mut right) = (mixed(), mixed());
            right.advance(sent);
            let expected = [flat(&left), flat(&right)].concat();
            left.append(&mut right);
            assert_eq!(flat(&left), expected);
            assert_eq!(left.len(), expected.len());
            assert!(right.is_empty());
        }
    }
}
