//! Numbers that need not be secret, only different.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// A seed that differs from run to run, for hosts that have no better one. The loops themselves never call it.
///
/// ```
/// let seed = mqtt_driver::random_seed();
/// # let _ = seed;
/// ```
#[must_use]
pub fn random_seed() -> u64 {
    RandomState::new().hash_one(0_u8)
}

/// xorshift64*, by Marsaglia and Vigna.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        // Spreads small seeds; zero is the one state that xorshift never leaves.
        let state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
        Self(if state == 0 { 1 } else { state })
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A client identifier for servers that don't choose one: 21 characters of those that each must take (v3\[MQTT-3.1.3-5\]).
    pub(crate) fn client_id(&mut self) -> String {
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let mut bits = (u128::from(self.next()) << 64) | u128::from(self.next());
        let mut id = String::from("mqtt");
        for _ in 0..17 {
            id.push(char::from(ALPHABET[(bits & 31) as usize]));
            bits >>= 5;
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_give_different_numbers_and_the_same_seed_the_same() {
        let first = |seed| Random::new(seed).next();
        assert_eq!(first(0), first(0));
        assert_ne!(first(0), first(1));
        assert_ne!(first(1), first(2));
    }

    #[test]
    fn a_client_identifier_is_one_that_every_server_takes() {
        for seed in 0..100 {
            let id = Random::new(seed).client_id();
            assert!(id.len() <= 23 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
        }
    }
}
