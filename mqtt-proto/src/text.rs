//! Validated text.

use core::fmt;

use crate::error::Cause;

/// A string as it may stand in a packet: strict UTF-8 without U+0000, at most 65,535 bytes (5.0 section 1.5.4, 3.1.1 section 1.5.3).
///
/// Control characters and non-characters may stand in it, as the standards allow: who wants to refuse them does so for all clients at once, or a
/// publisher could knock subscribers off (5.0 section 5.4.9).
///
/// It is held as bytes, so comparing and hashing it costs nothing more than that.
///
/// ```
/// use mqtt_proto::{Cause, Text};
///
/// let text = Text::new("température")?;
/// assert_eq!(text.as_str(), "température");
/// assert_eq!(text, "température");
/// assert_eq!(Text::new("nul\0"), Err(Cause::NulInText));
/// # Ok::<(), Cause>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// The text of no characters.
    pub const EMPTY: Self = Self(&[]);

    /// Checks a string.
    ///
    /// # Errors
    ///
    /// U+0000 in it, or more than 65,535 bytes: v3\[MQTT-4.7.3-3\] v5\[MQTT-4.7.3-3\].
    pub fn new(text: &'a str) -> Result<Self, Cause> {
        if text.len() > usize::from(u16::MAX) {
            return Err(Cause::FieldTooLong);
        }
        if !is_plain::<false>(text.as_bytes()) && text.as_bytes().contains(&0) {
            return Err(Cause::NulInText);
        }
        // As they are, a byte order mark included: v3[MQTT-1.5.3-3] v5[MQTT-1.5.4-3]
        Ok(Self(text.as_bytes()))
    }

    /// Checks bytes from the wire.
    #[inline]
    pub(crate) fn from_bytes(bytes: &'a [u8]) -> Result<Self, Cause> {
        if is_plain::<false>(bytes) { Ok(Self(bytes)) } else { Self::from_unusual(bytes) }
    }

    #[cold]
    fn from_unusual(bytes: &'a [u8]) -> Result<Self, Cause> {
        // v3[MQTT-1.5.3-1] v5[MQTT-1.5.4-1]
        let text = core::str::from_utf8(bytes).map_err(|_| Cause::InvalidUtf8)?;
        // v3[MQTT-1.5.3-2] v3[MQTT-4.7.3-2] v5[MQTT-1.5.4-2] v5[MQTT-4.7.3-2]
        Self::new(text)
    }

    /// As a string. Costs one pass over the bytes.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        // Checked when it was made; safe code has no cheaper way back.
        core::str::from_utf8(self.0).unwrap_or_default()
    }

    /// As UTF-8 bytes. Free.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.len()
    }

    /// There are no characters in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// A part of this text that was cut at character boundaries.
    pub(crate) const fn part(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

/// ASCII without U+0000, as most texts are; with `NAME`, without `+` and `#`, too. Looks at eight bytes at a time.
#[inline]
pub(crate) fn is_plain<const NAME: bool>(bytes: &[u8]) -> bool {
    let (words, _) = bytes.as_chunks();
    let last = match (bytes.last_chunk(), bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        // What overlaps is looked at twice.
        (Some(last), _, _) => u64::from_ne_bytes(*last),
        (None, Some(&[a, b, c, d]), Some(&[e, f, g, h])) => u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
        _ => bytes.iter().fold(all(b'a'), |word, &byte| (word << 8) | u64::from(byte)),
    };
    words.iter().fold(suspects::<NAME>(last), |found, &word| found | suspects::<NAME>(u64::from_ne_bytes(word))) == 0
}

const fn all(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Not 0 if one of eight bytes is not plain. To subtract one sets the highest bit of a byte that was 0, and of plain ones that of none.
#[inline]
const fn suspects<const NAME: bool>(word: u64) -> u64 {
    let mut found = word | word.wrapping_sub(all(1));
    if NAME {
        // `+` and `#` differ in one bit.
        found |= ((word | all(b'+' ^ b'#')) ^ all(b'+')).wrapping_sub(all(1));
    }
    found & all(0x80)
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl<'a> TryFrom<&'a str> for Text<'a> {
    type Error = Cause;

    fn try_from(text: &'a str) -> Result<Self, Cause> {
        Self::new(text)
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec;

    #[test]
    fn ill_formed_utf8_is_refused() {
        let table: [&[u8]; 6] = [
            &[0xC0, 0x80],             // overlong U+0000
            &[0xC1, 0xBF],             // overlong
            &[0xED, 0xA0, 0x80],       // surrogate U+D800
            &[0xF4, 0x90, 0x80, 0x80], // above U+10FFFF
            &[0xE2, 0x82],             // truncated
            &[0x80],                   // lone continuation
        ];
        for bytes in table {
            assert_eq!(Text::from_bytes(bytes), Err(Cause::InvalidUtf8), "{bytes:x?}");
        }
    }

    #[test]
    fn plain_is_what_a_look_at_each_byte_says() {
        for byte in 0..=u8::MAX {
            let expected = (1..0x80).contains(&byte);
            for len in 1..=33 {
                for at in 0..len {
                    let mut bytes = vec![b'x'; len];
                    bytes[at] = byte;
                    assert_eq!(is_plain::<false>(&bytes), expected, "{byte} at {at} of {len}");
                    assert_eq!(is_plain::<true>(&bytes), expected && byte != b'+' && byte != b'#');
                }
            }
        }
        assert!(is_plain::<true>(b""));
    }

    #[test]
    fn nul_is_refused_wherever_it_stands() {
        for bytes in [&[0][..], b"a\0", b"\0a", "é\0".as_bytes()] {
            assert_eq!(Text::from_bytes(bytes), Err(Cause::NulInText));
        }
    }

    /// v3\[MQTT-1.5.3-3\] v5\[MQTT-1.5.4-3\]
    #[test]
    fn a_byte_order_mark_is_a_character_like_any_other() {
        let text = Text::from_bytes(&[0xEF, 0xBB, 0xBF, b'a']).unwrap();
        assert_eq!(text.len(), 4);
        assert_ne!(text, "a");
    }

    #[test]
    fn the_longest_text_is_65535_bytes() {
        let longest = String::from_utf8(vec![b'x'; 65_535]).unwrap();
        assert!(Text::new(&longest).is_ok());
        assert_eq!(Text::new(&(longest + "x")), Err(Cause::FieldTooLong));
    }
}
