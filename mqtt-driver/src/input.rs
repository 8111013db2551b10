//! Bytes that have been read and not been consumed.

/// Room for one read. Large, so that one read takes many packets.
pub(crate) const READ_BYTES: usize = 64 << 10;

/// The front of a stream: an unfinished packet, and room to read behind it.
#[derive(Debug, Default)]
pub(crate) struct Input {
    buf: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    /// Room to read into: `bytes`, or half of what the buffer has grown to.
    pub(crate) fn room(&mut self, bytes: usize) -> &mut [u8] {
        if self.start > 0 {
            self.buf.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let free = self.buf.len() - self.end;
        // A buffer that fills up doubles, so that each byte of a large packet is moved about once.
        if free < bytes.min(self.buf.len() / 2).max(1) || self.buf.is_empty() {
            let grown = (self.buf.len() * 2).max(self.end + bytes);
            self.buf.resize(grown, 0);
        }
        &mut self.buf[self.end..]
    }

    /// So many bytes of the room have been filled.
    pub(crate) fn filled(&mut self, bytes: usize) {
        self.end = (self.end + bytes).min(self.buf.len());
    }

    /// What waits to be consumed.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.buf[self.start..self.end]
    }

    /// Only the last `left` bytes have not been consumed.
    pub(crate) fn keep_last(&mut self, left: usize) {
        self.start = self.end - left.min(self.end - self.start);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Holds a copy of `bytes` and nothing else.
    pub(crate) fn store(&mut self, bytes: &[u8]) {
        self.buf.clear();
        self.buf.extend_from_slice(bytes);
        (self.start, self.end) = (0, bytes.len());
    }

    /// Gives back the memory that is no longer needed: all but `bytes`, when there is nothing to be consumed.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        if self.is_empty() && self.buf.capacity() > bytes {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_the_order_in_which_they_went_in() {
        let mut input = Input::default();
        let (mut next_in, mut next_out) = (0_u8, 0_u8);
        for step in [1, 5, 2, 9, 30, 3, 1, 1, 64] {
            let room = input.room(64);
            let count = step.min(room.len());
            for byte in &mut room[..count] {
                *byte = next_in;
                next_in += 1;
            }
            input.filled(count);
            let left = input.unread().len() / 2;
            let taken = input.unread().len() - left;
            for &byte in &input.unread()[..taken] {
                assert_eq!(byte, next_out);
                next_out += 1;
            }
            input.keep_last(left);
        }
        assert_eq!(usize::from(next_in - next_out), input.unread().len());
        assert!(next_out > 60);
    }

    #[test]
    fn a_large_packet_in_small_pieces_moves_few_bytes() {
        let mut input = Input::default();
        let mut grown = 0;
        let mut before = 0;
        for _ in 0..100_000 {
            input.room(4096);
            input.filled(1);
            if input.buf.len() != before {
                before = input.buf.len();
                grown += 1;
            }
        }
        assert_eq!(input.unread().len(), 100_000);
        assert!(grown < 10 && before <= 262_144, "{grown} times to {before}");
    }

    #[test]
    fn an_empty_input_can_hold_no_memory() {
        let mut input = Input::default();
        input.store(b"tail");
        input.shrink(0);
        assert_eq!(input.unread(), b"tail");
        input.store(b"");
        input.shrink(0);
        assert_eq!(input.buf.capacity(), 0);
    }
}
