//! The one line with which every operation begins: its fields, and the numbers among them.

use thiserror::Error;

/// A piece of a frame, by offsets from its first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    #[inline]
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self {
            start: offset(start),
            end: offset(end),
        }
    }

    #[inline]
    pub(crate) fn of(self, frame: &[u8]) -> &[u8] {
        frame
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

/// An offset within a frame as it is kept. Nothing is lost: [`crate::Limits`] keeps frames below 2 GiB, and where
/// there is no such limit a wrong offset only gives a wrong piece.
#[inline]
pub(crate) fn offset(at: usize) -> u32 {
    at as u32
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

/// A control line taken apart: its fields are what lies between runs of blanks and tabs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The fields, of which no operation has more than five; those that are missing are empty.
    pub(crate) fields: [Span; 5],
    /// How many fields there are, also those beyond the fifth.
    pub(crate) count: usize,
    /// How long the line is with its end, `\n` or `\r\n`.
    pub(crate) len: usize,
}

impl Line {
    /// Takes apart the line at the beginning of `data` from the offset `from` on. Nothing if it has no end.
    ///
    /// Looks at every byte once, mostly eight at a time, and needs no search for the line end before.
    pub(crate) fn scan(data: &[u8], from: usize) -> Option<Self> {
        let mut line = Self {
            fields: [Span::default(); 5],
            count: 0,
            len: 0,
        };
        let mut start = from;
        loop {
            let (end, stop) = field_end(data, start)?;
            if end > start {
                if let Some(field) = line.fields.get_mut(line.count) {
                    *field = Span::new(start, end);
                }
                line.count = line.count.wrapping_add(1);
            }
            start = end.wrapping_add(1);
            if stop == b'\n' {
                line.len = start;
                return Some(line);
            }
            if stop == b'\r' {
                line.len = start.wrapping_add(1);
                return Some(line);
            }
        }
    }
}

/// Where the field that begins at `start` ends, and with which byte: a blank, a tab, a line feed, or a CR before
/// a line feed. Nothing if none of these comes.
#[inline]
fn field_end(data: &[u8], start: usize) -> Option<(usize, u8)> {
    let mut at = start;
    loop {
        let rest = data.get(at..)?;
        let word = match rest.first_chunk::<8>() {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => last_word(rest)?,
        };
        let low = bytes_up_to_blank(word);
        if low == 0 {
            at = at.wrapping_add(8);
            continue;
        }
        let bits = low.trailing_zeros();
        at = at.wrapping_add((bits / 8) as usize);
        let stop = (word >> (bits & 0x38)) as u8;
        match stop {
            b' ' | b'\t' | b'\n' => return Some((at, stop)),
            b'\r' if *data.get(at.wrapping_add(1))? == b'\n' => return Some((at, stop)),
            _ => at = at.wrapping_add(1),
        }
    }
}

/// Fewer than eight bytes, filled up with some that end no field.
#[cold]
#[inline(never)]
fn last_word(rest: &[u8]) -> Option<u64> {
    let mut word = [0xff; 8];
    word.get_mut(..rest.len())?.copy_from_slice(rest);
    (!rest.is_empty()).then_some(u64::from_le_bytes(word))
}

/// The high bit of each byte of `word` that is not above `0x20`. Exact for the lowest such byte, which is all
/// that is used: a borrow may spoil those above it.
#[inline]
pub(crate) fn bytes_up_to_blank(word: u64) -> u64 {
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
pub(crate) fn decimal(digits: &[u8]) -> Result<u64, NumberError> {
    // So many digits cannot overflow.
    if digits.is_empty() || digits.len() > 19 {
        return long_decimal(digits);
    }
    let mut value = 0_u64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(NumberError::NotDecimal);
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    Ok(value)
}

#[cold]
fn long_decimal(digits: &[u8]) -> Result<u64, NumberError> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(NumberError::NotDecimal);
    }
    let add = |value: u64, digit: &u8| {
        value
            .checked_mul(10)?
            .checked_add(u64::from(digit.wrapping_sub(b'0')))
    };
    digits.iter().try_fold(0, add).ok_or(NumberError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// The fields of a line, the same with both line ends and whatever follows them.
    fn fields(content: &[u8]) -> Vec<Vec<u8>> {
        let mut seen = None;
        for end in [&b"\n"[..], b"\r\n", b"\r\nbehind it", b"\n12345678"] {
            let data = [content, end].concat();
            let line = Line::scan(&data, 0).unwrap();
            assert_eq!(line.len, content.len() + if end[0] == b'\n' { 1 } else { 2 });
            let kept = &line.fields[..line.count.min(5)];
            let fields: Vec<Vec<u8>> = kept.iter().map(|field| field.of(&data).to_vec()).collect();
            assert_eq!(*seen.get_or_insert_with(|| fields.clone()), fields);
        }
        seen.unwrap()
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
        for byte in (0..=u8::MAX).filter(|byte| *byte != b'\n') {
            // A CR at the end of the line would belong to its end.
            for at in 0..if byte == b'\r' { 19 } else { 20 } {
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

    /// The bytes before it are passed over without a look at each, so none of them may be taken for one.
    #[test]
    fn the_first_byte_up_to_a_blank_is_found_in_a_word_at_once() {
        for filler in [0x21_u8, b'x', 0x7f, 0x80, 0xa0, 0xff] {
            assert_eq!(
                bytes_up_to_blank(u64::from_le_bytes([filler; 8])),
                0,
                "{filler:#x}"
            );
            for byte in 0..=u8::MAX {
                for at in 0..8 {
                    let mut word = [filler; 8];
                    word[at] = byte;
                    // What follows does not matter.
                    word[7] = if at < 7 { b' ' } else { byte };
                    let found = bytes_up_to_blank(u64::from_le_bytes(word));
                    let first = if byte <= b' ' {
                        Some(at)
                    } else {
                        (at < 7).then_some(7)
                    };
                    let bit = first.map_or(64, |first| 8 * first as u32 + 7);
                    assert_eq!(found.trailing_zeros(), bit, "{byte:#x} at {at} in {filler:#x}");
                }
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
