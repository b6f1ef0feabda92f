//! Numbers as they are written.

use crate::wire_sink::WireSink;

/// Writes a blank and a size. Small ones, which most are, without a loop and in one piece of known length.
#[inline]
pub(crate) fn put_size(size: usize, out: &mut impl WireSink) {
    let [hundreds, tens, ones] = digits(size);
    match size {
        0..10 => out.put_slice(&[b' ', ones]),
        10..100 => out.put_slice(&[b' ', tens, ones]),
        100..1000 => out.put_slice(&[b' ', hundreds, tens, ones]),
        _ => put_large_size(size, b"", out),
    }
}

/// As [`put_size`], and the end of the line.
#[inline]
pub(crate) fn put_last_size(size: usize, out: &mut impl WireSink) {
    let [hundreds, tens, ones] = digits(size);
    match size {
        0..10 => out.put_slice(&[b' ', ones, b'\r', b'\n']),
        10..100 => out.put_slice(&[b' ', tens, ones, b'\r', b'\n']),
        100..1000 => out.put_slice(&[b' ', hundreds, tens, ones, b'\r', b'\n']),
        _ => put_large_size(size, b"\r\n", out),
    }
}

/// A blank and a size below 10 000, with zeros after it; and how long that is without these.
#[inline]
pub(crate) fn short_size(size: usize) -> ([u8; 8], usize) {
    // All four digits, the first in the lowest byte: two pairs at once, exact below 100. 5243 / 524288 is a bit above
    // 1 / 100, 103 / 1024 above 1 / 10.
    let size = size as u32;
    let hundreds = size.wrapping_mul(5243) >> 19;
    let pairs = hundreds | size.wrapping_sub(hundreds.wrapping_mul(100)) << 16;
    let tens = pairs.wrapping_mul(103) >> 10 & 0x000f_000f;
    let digits = tens | pairs.wrapping_sub(tens.wrapping_mul(10)) << 8;
    // The leading zeros leave; one that is alone stays.
    let leading = (digits | 1 << 24).trailing_zeros() & 0x18;
    let text = u64::from((digits | 0x3030_3030).wrapping_shr(leading)) << 8 | u64::from(b' ');
    (text.to_le_bytes(), 5_usize.wrapping_sub((leading / 8) as usize))
}

/// The digits of a number below 1000; of a larger one, three that mean nothing.
#[inline]
fn digits(number: usize) -> [u8; 3] {
    // Exact below 1000, and cheaper than dividing: 656 / 65536 is a bit above 1 / 100, 205 / 2048 above 1 / 10.
    let number = number as u32;
    let hundreds = number.wrapping_mul(656) >> 16;
    let rest = number.wrapping_sub(hundreds.wrapping_mul(100));
    let tens = rest.wrapping_mul(205) >> 11;
    let ones = rest.wrapping_sub(tens.wrapping_mul(10));
    [hundreds, tens, ones].map(|digit| b'0'.wrapping_add(digit as u8))
}

#[cold]
fn put_large_size(size: usize, end: &[u8], out: &mut impl WireSink) {
    out.put_slice(b" ");
    put_decimal(wide(size), out);
    out.put_slice(end);
}

/// How many digits a size has.
#[inline]
pub(crate) fn size_len(size: usize) -> usize {
    match size {
        0..10 => 1,
        10..100 => 2,
        100..1000 => 3,
        _ => decimal_len(wide(size)),
    }
}

pub(crate) fn put_decimal(number: u64, out: &mut impl WireSink) {
    with_decimal(number, |digits| out.put_slice(digits));
}

/// Lends the digits of a number.
#[inline]
pub(crate) fn with_decimal(number: u64, take: impl FnOnce(&[u8])) {
    take(itoa::Buffer::new().format(number).as_bytes());
}

#[inline]
fn wide(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

#[inline]
pub(crate) fn decimal_len(number: u64) -> usize {
    number
        .checked_ilog10()
        .map_or(1, |log| (log as usize).wrapping_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_short_size_is_written_as_it_is_printed() {
        for size in 0..10_000 {
            let (text, len) = short_size(size);
            assert_eq!(text[..len], *alloc::format!(" {size}").as_bytes());
            assert_eq!(text[len..], [0; 8][len..]);
            assert_eq!(size_len(size), len - 1);
        }
    }
}
