//! Numbers that nobody can foretell who does not know the key. Names are chosen by strangers, so what is looked up by them, and what they are given, goes through this.

/// SipHash, with `C` rounds for each word and `D` at the end. Two keys that differ give numbers that have nothing to do with each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct SipHash<const C: usize, const D: usize> {
    key: (u64, u64),
}

/// For names that have to stay a secret until they are given.
pub(super) type Secret = SipHash<2, 4>;

/// What a word is taken in with.
type State = [u64; 4];

impl<const C: usize, const D: usize> SipHash<C, D> {
    pub(super) const fn new(seed: u64) -> Self {
        // Any second word will do that is not the first.
        Self { key: (seed, seed.rotate_left(32) ^ 0x9E37_79B9_7F4A_7C15) }
    }

    pub(super) fn hash(&self, bytes: &[u8]) -> u64 {
        let (one, two) = self.key;
        let mut state = [
            one ^ 0x736f_6d65_7073_6575,
            two ^ 0x646f_7261_6e64_6f6d,
            one ^ 0x6c79_6765_6e65_7261,
            two ^ 0x7465_6462_7974_6573,
        ];
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            take::<C>(&mut state, u64::from_le_bytes(*word));
        }
        // The last word: what is left, and the length behind it.
        let mut last = [0; 8];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        let length = (bytes.len() as u64) << 56;
        take::<C>(&mut state, u64::from_le_bytes(last) | length);
        let [_, _, third, _] = &mut state;
        *third ^= 0xFF;
        (0..D).for_each(|_| round(&mut state));
        state.into_iter().fold(0, |all, part| all ^ part)
    }
}

fn take<const C: usize>(state: &mut State, word: u64) {
    let [_, _, _, fourth] = state;
    *fourth ^= word;
    (0..C).for_each(|_| round(state));
    let [first, ..] = state;
    *first ^= word;
}

const fn round([a, b, c, d]: &mut State) {
    *a = a.wrapping_add(*b);
    *b = b.rotate_left(13) ^ *a;
    *a = a.rotate_left(32);
    *c = c.wrapping_add(*d);
    *d = d.rotate_left(16) ^ *c;
    *a = a.wrapping_add(*d);
    *d = d.rotate_left(21) ^ *a;
    *c = c.wrapping_add(*b);
    *b = b.rotate_left(17) ^ *c;
    *c = c.rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// From the paper that describes it: the key and the message are 0, 1, 2 and so on, the message is 15 bytes long.
    #[test]
    fn the_published_example_comes_out() {
        let hash = SipHash::<2, 4> { key: (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908) };
        let message: Vec<u8> = (0..15).collect();
        assert_eq!(hash.hash(&message), 0xa129_ca61_49be_45e5);
    }

    #[test]
    fn every_byte_and_the_seed_count() {
        let hash = Secret::new(1);
        let mut seen = alloc::collections::BTreeSet::new();
        for length in 0..40 {
            let mut message = alloc::vec![0; length];
            assert!(seen.insert(hash.hash(&message)), "{length}");
            for place in 0..length {
                message[place] = 1;
                assert!(seen.insert(hash.hash(&message)), "{length} {place}");
                message[place] = 0;
            }
        }
        assert_ne!(Secret::new(2).hash(b""), hash.hash(b""));
    }
}
