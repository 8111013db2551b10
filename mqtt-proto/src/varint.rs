//! The variable byte integer (5.0 section 1.5.5, 3.1.1 section 2.2.3): seven bits a byte, least significant group first.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use crate::error::Cause;

/// The largest value that four bytes hold: 268,435,455.
pub const VARINT_MAX: u32 = 0x0FFF_FFFF;

/// Bytes that `value` takes. Values above [`VARINT_MAX`] have no encoding and count as four bytes.
pub(crate) const fn len(value: u32) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

/// Appends `value`, which is at most [`VARINT_MAX`], in its shortest form.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the mask leaves seven bits")]
pub(crate) fn write(mut value: u32, out: &mut alloc::vec::Vec<u8>) {
    debug_assert!(value <= VARINT_MAX, "no encoding for {value}");
    while value > 0x7F {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads one integer from the front: its value and how many bytes it took. `None` where `input` ends inside it.
///
/// Only the shortest form is taken: v5\[MQTT-1.5.5-1\]. 3.1.1 does not ask for it; no encoder is known to write another.
#[inline(always)]
pub(crate) fn read(input: &[u8]) -> Result<Option<(u32, usize)>, Cause> {
    if let [byte @ ..=0x7F, ..] = input {
        return Ok(Some((u32::from(*byte), 1)));
    }
    read_long(input)
}

#[inline(never)]
fn read_long(input: &[u8]) -> Result<Option<(u32, usize)>, Cause> {
    match read_padded(input)? {
        Some((value, length)) if length > len(value) => Err(Cause::VarintNotShortest),
        read => Ok(read),
    }
}

/// The same in any form.
pub(crate) fn read_padded(input: &[u8]) -> Result<Option<(u32, usize)>, Cause> {
    let mut value = 0;
    for ((&byte, shift), length) in input.iter().zip([0, 7, 14, 21]).zip(1..) {
        value |= u32::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok(Some((value, length)));
        }
    }
    if input.len() < 4 { Ok(None) } else { Err(Cause::VarintTooLong) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn every_boundary_of_the_specification_round_trips() {
        let table: [(u32, &[u8]); 8] = [
            (0, &[0x00]),
            (127, &[0x7F]),
            (128, &[0x80, 0x01]),
            (16_383, &[0xFF, 0x7F]),
            (16_384, &[0x80, 0x80, 0x01]),
            (2_097_151, &[0xFF, 0xFF, 0x7F]),
            (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
            (VARINT_MAX, &[0xFF, 0xFF, 0xFF, 0x7F]),
        ];
        for (value, bytes) in table {
            let mut out = Vec::new();
            write(value, &mut out);
            assert_eq!(out, bytes);
            assert_eq!(len(value), bytes.len());
            assert_eq!(read(bytes), Ok(Some((value, bytes.len()))));
        }
    }

    #[test]
    fn a_fourth_continuation_bit_is_too_long_without_a_fifth_byte() {
        assert_eq!(read(&[0x80, 0x80, 0x80, 0x80]), Err(Cause::VarintTooLong));
        assert_eq!(read(&[0xFF, 0xFF, 0xFF, 0xFF, 0x01]), Err(Cause::VarintTooLong));
    }

    #[test]
    fn a_longer_form_than_needed_is_refused() {
        for bytes in [&[0x80, 0x00][..], &[0x81, 0x00], &[0xFF, 0x80, 0x00], &[0x80, 0x80, 0x80, 0x00]] {
            assert_eq!(read(bytes), Err(Cause::VarintNotShortest));
            assert_eq!(read_padded(bytes), Ok(Some((u32::from(bytes[0] & 0x7F), bytes.len()))));
        }
    }

    #[test]
    fn an_unfinished_integer_needs_more() {
        for bytes in [&[][..], &[0x80], &[0xFF, 0xFF], &[0x80, 0x80, 0x80]] {
            assert_eq!(read(bytes), Ok(None));
        }
    }
}
