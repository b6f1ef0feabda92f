//! The one line with which every operation begins: its fields, and the numbers among them.

use thiserror::Error;

/// A piece of a frame, by offsets from its first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    /// Offsets above `u32` cannot occur: `Limits` keeps frames below that. They saturate all the same.
    fn new(start: usize, end: usize) -> Self {
        Self {
            start: offset(start),
            end: offset(end),
        }
    }

    pub(crate) fn of(self, frame: &[u8]) -> &[u8] {
        frame
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

/// An offset within a frame, saturating: frames are kept below `u32::MAX` by [`crate::Limits`].
pub(crate) fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// A line without its end (`\n` or `\r\n`).
pub(crate) fn without_end(line: &[u8]) -> &[u8] {
    match line {
        [content @ .., b'\r', b'\n'] | [content @ .., b'\n'] => content,
        _ => line,
    }
}

pub(crate) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Without blanks at its two ends.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_blank(*first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && is_blank(*last)
    {
        bytes = rest;
    }
    bytes
}

/// Walks over the fields of a line: what lies between runs of blanks and tabs.
pub(crate) struct Fields<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// The fields of `line` (without its end) from the offset `at` on.
    pub(crate) fn new(line: &'a [u8], at: usize) -> Self {
        Self { line, at }
    }

    /// The next field, or nothing at the end of the line.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Span> {
        let mut start = self.at;
        while is_blank(*self.line.get(start)?) {
            start = start.wrapping_add(1);
        }
        self.at = field_end(self.line, start);
        Some(Span::new(start, self.at))
    }
}

/// Where the field that begins at `start` ends: at the next blank or at the end of the line. Eight bytes at a
/// time: subjects are the longest part of most lines.
#[inline]
fn field_end(line: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(chunk) = line.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let low = bytes_up_to_blank(u64::from_le_bytes(*chunk));
        if low == 0 {
            at = at.wrapping_add(8);
            continue;
        }
        at = at.wrapping_add((low.trailing_zeros() / 8) as usize);
        match line.get(at) {
            Some(byte) if !is_blank(*byte) => at = at.wrapping_add(1),
            _ => return at,
        }
    }
    while let Some(byte) = line.get(at)
        && !is_blank(*byte)
    {
        at = at.wrapping_add(1);
    }
    at
}

/// The high bit of each byte of `word` that is not above `0x20`. Exact for the lowest such byte, which is all
/// that is used: a borrow may spoil those above it.
#[inline]
fn bytes_up_to_blank(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    word.wrapping_sub(ONES.wrapping_mul(0x21)) & !word & ONES.wrapping_mul(0x80)
}

/// Why some bytes are not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum NumberError {
    #[error("is not a decimal number")]
    NotDecimal,
    #[error("is above 2^64")]
    TooLarge,
}

/// A decimal number of any number of digits, leading zeros included; no sign.
#[inline]
pub(crate) fn decimal(digits: &[u8]) -> Result<u64, NumberError> {
    let mut value = 0_u64;
    let mut too_large = digits.is_empty();
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(NumberError::NotDecimal);
        }
        let (tens, carry) = value.overflowing_mul(10);
        let (sum, overflow) = tens.overflowing_add(u64::from(digit));
        too_large |= carry | overflow;
        value = sum;
    }
    match (too_large, digits) {
        (false, _) => Ok(value),
        (true, []) => Err(NumberError::NotDecimal),
        (true, _) => Err(NumberError::TooLarge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn fields(line: &[u8]) -> Vec<&[u8]> {
        let mut fields = Fields::new(line, 0);
        core::iter::from_fn(|| fields.next())
            .map(|span| span.of(line))
            .collect()
    }

    #[test]
    fn fields_are_what_lies_between_runs_of_blanks_and_tabs() {
        let none: [&[u8]; 0] = [];
        assert_eq!(fields(b""), none);
        assert_eq!(fields(b" \t "), none);
        assert_eq!(fields(b"a"), [b"a"]);
        assert_eq!(fields(b" a\t\tbc  "), [&b"a"[..], b"bc"]);
        assert_eq!(
            fields(b"0123456789abcdef 0123456 \t01234567 x"),
            [&b"0123456789abcdef"[..], b"0123456", b"01234567", b"x"]
        );
    }

    #[test]
    fn every_byte_but_blank_and_tab_belongs_to_a_field_wherever_it_lies() {
        for byte in 0..=u8::MAX {
            for at in 0..20 {
                let mut line = [b'x'; 20];
                line[at] = byte;
                let count = if !is_blank(byte) || at == 0 || at == 19 {
                    1
                } else {
                    2
                };
                assert_eq!(fields(&line).len(), count, "byte {byte:#x} at {at}");
                let length: usize = fields(&line).iter().map(|field| field.len()).sum();
                assert_eq!(
                    length,
                    if is_blank(byte) { 19 } else { 20 },
                    "byte {byte:#x} at {at}"
                );
            }
        }
    }

    #[test]
    fn numbers_are_decimal_and_do_not_overflow() {
        assert_eq!(decimal(b"0"), Ok(0));
        assert_eq!(decimal(b"0001"), Ok(1));
        assert_eq!(decimal(b"18446744073709551615"), Ok(u64::MAX));
        assert_eq!(
            decimal(b"00000000000000000000000000018446744073709551615"),
            Ok(u64::MAX)
        );
        assert_eq!(decimal(b"18446744073709551616"), Err(NumberError::TooLarge));
        assert_eq!(decimal(b"18446744073709551620"), Err(NumberError::TooLarge));
        assert_eq!(decimal(b"99999999999999999999999"), Err(NumberError::TooLarge));
        for text in [
            &b""[..],
            b"-1",
            b"+1",
            b"1x",
            b"0x1",
            b"1 ",
            b":",
            b"/",
            b"99999999999999999999999x",
        ] {
            assert_eq!(
                decimal(text),
                Err(NumberError::NotDecimal),
                "{}",
                text.escape_ascii()
            );
        }
    }

    #[test]
    fn one_line_end_is_cut_off() {
        assert_eq!(without_end(b"a\r\n"), b"a");
        assert_eq!(without_end(b"a\n"), b"a");
        assert_eq!(without_end(b"a\r\r\n"), b"a\r");
        assert_eq!(without_end(b"a"), b"a");
        assert_eq!(without_end(b"\n"), b"");
    }
}
