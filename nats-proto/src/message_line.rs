//! The control line of a message: `MSG` or `HMSG`.

use crate::control_line::{Line, NumberError, Span, bytes_up_to_blank, decimal, is_blank};
use crate::sid::Sid;

/// The operations that are a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageOperation {
    Msg,
    Hmsg,
}

/// What the control line of a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageContent {
    pub(crate) sid: Sid,
    pub(crate) subject: Span,
    /// Empty if there is none.
    pub(crate) reply: Span,
    pub(crate) header_len: usize,
    pub(crate) total_len: usize,
}

/// What is wrong with the control line of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineFault {
    FieldCount,
    Sid,
    Size,
    HeadersAboveTotal,
}

impl MessageOperation {
    /// Which of them `data` begins with, the blank after the word included.
    #[inline]
    pub(crate) fn of(data: &[u8]) -> Option<Self> {
        const MSG: u32 = u32::from_le_bytes(*b"msg ");
        const MSG_TAB: u32 = u32::from_le_bytes(*b"msg\t");
        const HMSG: u32 = u32::from_le_bytes(*b"hmsg");
        // No byte but a letter becomes a small one that way.
        let first = u32::from_le_bytes(*data.first_chunk()?);
        match first | 0x0020_2020 {
            MSG | MSG_TAB => Some(Self::Msg),
            _ if first | 0x2020_2020 == HMSG && is_blank(*data.get(4)?) => Some(Self::Hmsg),
            _ => None,
        }
    }

    /// How long the word is with the blank after it.
    #[inline]
    pub(crate) fn word_len(self) -> usize {
        match self {
            Self::Msg => 4,
            Self::Hmsg => 5,
        }
    }

    /// Reads the line at the beginning of `data` if it is as servers write it: one blank between fields, CRLF, no
    /// mistakes. Gives its length, too. All else, and what is not whole, is for [`read`](Self::read), which would
    /// give the same here but looks at most bytes twice.
    #[inline]
    pub(crate) fn read_canonical(self, data: &[u8]) -> Option<(usize, MessageContent)> {
        let (subject, rest) = word(data, data.get(self.word_len()..)?)?;
        let (sid, b' ', rest) = number(rest)? else {
            return None;
        };
        // A reply that begins with a digit is rare enough to be left to the other way.
        let (reply, rest) = match rest.first()? {
            b'0'..=b'9' => (Span::default(), rest),
            _ => reply(data, rest)?,
        };
        let mut header_len = 0;
        let (mut total_len, mut end, mut rest) = number(rest)?;
        if self == Self::Hmsg {
            if end != b' ' {
                return None;
            }
            header_len = total_len;
            (total_len, end, rest) = number(rest)?;
        }
        let [b'\n', rest @ ..] = rest else { return None };
        if end != b'\r' || header_len > total_len {
            return None;
        }
        let (header_len, total_len) = (
            usize::try_from(header_len).ok()?,
            usize::try_from(total_len).ok()?,
        );
        let line_len = data.len().wrapping_sub(rest.len());
        Some((
            line_len,
            MessageContent {
                sid: Sid::new(sid),
                subject,
                reply,
                header_len,
                total_len,
            },
        ))
    }

    /// Reads a line that was taken apart.
    pub(crate) fn read(self, line: &Line, data: &[u8]) -> Result<MessageContent, LineFault> {
        let [subject, sid, third, fourth, fifth] = line.fields;
        let none = Span::default();
        let (reply, header_len, total_len) = match (self, line.count) {
            (Self::Msg, 3) => (none, None, third),
            (Self::Msg, 4) => (third, None, fourth),
            (Self::Hmsg, 4) => (none, Some(third), fourth),
            (Self::Hmsg, 5) => (third, Some(fourth), fifth),
            _ => return Err(LineFault::FieldCount),
        };
        let sid = decimal(sid.of(data)).map(Sid::new).map_err(|_| LineFault::Sid)?;
        let header_len = match header_len {
            Some(field) => parse_size(field.of(data))?,
            None => 0,
        };
        let total_len = parse_size(total_len.of(data))?;
        if header_len > total_len {
            return Err(LineFault::HeadersAboveTotal);
        }
        Ok(MessageContent {
            sid,
            subject,
            reply,
            header_len,
            total_len,
        })
    }
}

/// The field at the beginning of `rest`, which is the end of `data`, and what follows the one blank that ends it.
#[inline(always)]
fn word<'a>(data: &[u8], rest: &'a [u8]) -> Option<(Span, &'a [u8])> {
    let mut left = rest;
    loop {
        let word = u64::from_le_bytes(*left.first_chunk()?);
        let low = bytes_up_to_blank(word);
        if low == 0 {
            left = left.get(8..)?;
            continue;
        }
        // The lowest of them, in the lowest byte.
        let bits = low.trailing_zeros() & 0x38;
        if word.wrapping_shr(bits) as u8 != b' ' {
            return None;
        }
        let (_, after) = left.split_at_checked((bits / 8) as usize)?;
        let len = rest.len().wrapping_sub(after.len());
        let start = data.len().wrapping_sub(rest.len());
        let span = Span::new(start, start.wrapping_add(len));
        return match after {
            [_, after @ ..] if len > 0 => Some((span, after)),
            _ => None,
        };
    }
}

/// As [`word`], for what few messages have.
#[inline(never)]
fn reply<'a>(data: &[u8], rest: &'a [u8]) -> Option<(Span, &'a [u8])> {
    word(data, rest)
}

/// The number at the beginning of `rest`, the byte that ends it, and what follows that. Nothing if it could be above
/// `u64`.
#[inline(always)]
fn number(rest: &[u8]) -> Option<(u64, u8, &[u8])> {
    let Some(chunk) = rest.first_chunk() else {
        return long_number(rest);
    };
    // The first digit is in the lowest byte. Zeros come from above, which are no digits.
    let mut word = u64::from_le_bytes(*chunk);
    let (mut value, mut digits) = (0_u64, 0_usize);
    loop {
        let digit = (word as u8).wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        digits = digits.wrapping_add(1);
        word >>= 8;
    }
    match digits {
        1..=7 => Some((value, word as u8, rest.get(digits.wrapping_add(1)..)?)),
        _ => long_number(rest),
    }
}

/// As [`number`], for any number of digits, and where few bytes follow.
#[inline(never)]
fn long_number(rest: &[u8]) -> Option<(u64, u8, &[u8])> {
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    let (number, [end, after @ ..]) = rest.split_at_checked(digits)? else {
        return None;
    };
    (digits <= 19).then_some((decimal(number).ok()?, *end, after))
}

/// A size; one that no memory could hold counts as the largest there is, which every limit refuses.
fn parse_size(digits: &[u8]) -> Result<usize, LineFault> {
    match decimal(digits) {
        Ok(size) => Ok(usize::try_from(size).unwrap_or(usize::MAX)),
        Err(NumberError::TooLarge) => Ok(usize::MAX),
        Err(NumberError::NotDecimal) => Err(LineFault::Size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What both ways say of a line, after a look at the word.
    fn both(line: &[u8]) -> (Option<MessageContent>, Result<MessageContent, LineFault>) {
        let operation = MessageOperation::of(line).unwrap();
        let scanned = Line::scan(line, operation.word_len()).unwrap();
        let canonical = operation.read_canonical(line).map(|(line_len, content)| {
            assert_eq!(line_len, scanned.len);
            content
        });
        (canonical, operation.read(&scanned, line))
    }

    #[test]
    fn a_line_as_servers_write_it_is_read_the_fast_way_and_alike() {
        for line in [
            &b"MSG a 1 0\r\n\r\n"[..],
            b"MSG a 9 19\r\n",
            b"MSG orders.eu.created.12345 42 _INBOX.abc.7 128\r\npayload",
            b"HMSG a 1 12 12\r\nNATS/1.0\r\n\r\n\r\n",
            b"HMSG orders.eu 1234567890123456789 r 98 765\r\n",
            b"msg \xff 1 0000000000000000005\r\n",
            b"MSG a 1234567 7654321\r\n",
            b"MSG a 12345678 87654321\r\n payload",
            b"HMSG a 123456789 r 98765432 987654321\r\n payload",
        ] {
            let (canonical, read) = both(line);
            assert_eq!(
                canonical.ok_or(LineFault::FieldCount),
                read,
                "{}",
                line.escape_ascii()
            );
            assert!(canonical.is_some(), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn any_other_line_is_left_to_the_slow_way() {
        for (line, is_right) in [
            (&b"MSG a  1 0\r\n"[..], true),
            (b"MSG a\t1 0\r\n", true),
            (b"MSG a 1\t0\r\n", true),
            (b"MSG  a 1 0\r\n", true),
            (b"MSG a 1 0 \r\n", true),
            (b"MSG a 1 0\n", true),
            (b"MSG a 1 7 0\r\n", true),
            (b"MSG a 1 r\t0\r\n", true),
            (b"MSG a 12345678901234567890 0\r\n", true),
            (b"MSG a 1 12345678901234567890\r\n payload", true),
            (b"MSG a 1\0 0\r\n payload", false),
            (b"MSG a 1 0\0\r\n payload", false),
            (b"MSG a 1 12345678\0\r\n payload", false),
            (b"HMSG a 1 0\t0\r\n", true),
            (b"MSG a 1  0\r\n", true),
            // Two blanks are not an empty subject.
            (b"MSG  1 0\r\n", false),
            (b"HMSG  1 0 0\r\n", false),
            (b"MSG a 1 r s 0\r\n", false),
            (b"MSG a 1 :\r\n", false),
            (b"MSG a 1 /\r\n", false),
            (b"MSG a x 0\r\n", false),
            (b"HMSG a 1 13 12\r\n", false),
        ] {
            let (canonical, read) = both(line);
            assert_eq!(
                (canonical, read.is_ok()),
                (None, is_right),
                "{}",
                line.escape_ascii()
            );
        }
    }
}
