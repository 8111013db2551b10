//! What happened, as a number to compare and as lines to read.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};

use mqtt_session::Instant;

/// Everything that happened, hashed; and the last lines of it, if somebody is going to read them.
#[derive(Debug)]
pub(crate) struct Trace {
    hasher: Fold,
    happenings: u64,
    lines_max: usize,
    lines: VecDeque<String>,
}

impl Trace {
    pub(crate) const fn new(lines_max: usize) -> Self {
        Self { hasher: Fold(0), happenings: 0, lines_max, lines: VecDeque::new() }
    }

    /// Writes something down.
    pub(crate) fn note(&mut self, now: Instant, who: impl Debug + Hash, what: impl Debug + Hash) {
        self.happenings += 1;
        (now, &who, &what).hash(&mut self.hasher);
        if self.lines_max > 0 {
            if self.lines.len() == self.lines_max {
                self.lines.pop_front();
            }
            let micros = now.as_micros();
            let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
            self.lines.push_back(format!("{seconds:>4}.{rest:06} {who:?} {what:?}"));
        }
    }

    /// How many things have been written down.
    pub(crate) const fn happenings(&self) -> u64 {
        self.happenings
    }

    /// A number that is another one, in all likelihood, if anything at all went differently.
    pub(crate) fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}

/// A hasher that is the same on every run.
#[derive(Clone, Debug)]
pub(crate) struct Fold(pub(crate) u64);

impl Fold {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517C_C1B7_2722_0A95);
    }
}

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
        self.mix(bytes.len() as u64);
    }

    fn write_u8(&mut self, number: u8) {
        self.mix(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.mix(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.mix(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }

    fn finish(&self) -> u64 {
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        mixed ^ (mixed >> 32)
    }
}

/// The hash of one thing.
pub(crate) fn fingerprint(what: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = Fold(0);
    what.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_or_one_microsecond_makes_another_hash() {
        let hash = |micros, bytes: &[u8]| {
            let mut trace = Trace::new(1);
            trace.note(Instant::from_micros(micros), "a", bytes);
            trace.hash()
        };
        assert_eq!(hash(1, b"x"), hash(1, b"x"));
        assert_ne!(hash(1, b"x"), hash(1, b"y"));
        assert_ne!(hash(1, b"x"), hash(2, b"x"));
        assert_ne!(hash(1, b"x"), hash(1, b"x\0"));
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut trace = Trace::new(2);
        (0..5).for_each(|number| trace.note(Instant::ZERO, "n", number));
        assert_eq!(trace.happenings(), 5);
        assert_eq!(trace.into_lines(), ["   0.000000 \"n\" 3", "   0.000000 \"n\" 4"]);
    }
}
