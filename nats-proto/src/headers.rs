//! The headers of a message, kept as the block of bytes that goes on the wire.

use alloc::vec::Vec;
use core::fmt;

use smallvec::SmallVec;

use crate::control_line::{is_blank, offset};
use crate::header_fields::{HeaderError, check_name, check_value, trim_value};
use crate::status_code::StatusCode;

/// The headers of a message: names with values, in order, names as often as they come.
///
/// They are kept as the block of bytes that is written, so sending them costs one copy. The block is
///
/// ```text
/// block = "NATS/1.0" [ SP status [ SP description ] ] CRLF { name ":" SP value CRLF } CRLF
/// ```
///
/// and is written strictly: see [`HeaderName`](crate::HeaderName) and [`HeaderValue`](crate::HeaderValue). It is
/// read leniently, because the server passes on whatever a publisher sent (ADR-4; `parser.go` only counts):
///
/// * lines may end with a bare LF, and the last line or the blank line at the end may be missing;
/// * blanks around values, and between a name and its colon, are cut off; values may be empty and need not be
///   UTF-8;
/// * a line that begins with a blank continues the value before it, joined by one blank;
/// * a CR within a value is read as a blank (as RFC 9110, section 5.5, has it for HTTP);
/// * a line with an empty name is skipped, as the Go client does;
/// * a status need not have three digits, nor be a number: then it is read as the description.
///
/// Any other line is a [`HeaderError`]; the message is still there with its raw block.
///
/// ```
/// use nats_proto::Headers;
///
/// let mut headers = Headers::new();
/// headers.append("Nats-Msg-Id", "17")?;
/// headers.append("trace", "a")?;
/// headers.append("trace", "b")?;
/// assert_eq!(headers.get("trace"), Some(&b"a"[..]));
/// assert_eq!(headers.get_all("trace").count(), 2);
/// assert_eq!(headers.get("Trace"), None); // names match exactly
/// assert_eq!(headers.get_ignore_case("Trace"), Some(&b"a"[..]));
/// assert_eq!(headers.as_block(), b"NATS/1.0\r\nNats-Msg-Id: 17\r\ntrace: a\r\ntrace: b\r\n\r\n");
/// assert_eq!(Headers::parse(headers.as_block())?, headers);
/// # Ok::<(), nats_proto::HeaderError>(())
/// ```
#[derive(Clone, Default)]
pub struct Headers {
    /// The block in canonical form; empty if nothing was ever set.
    block: Vec<u8>,
    entries: SmallVec<[Entry; 4]>,
    status: Option<StatusCode>,
    /// Where the description lies in the block; an empty range if there is none.
    description: (u32, u32),
}

/// Where one header is in the block. Its value begins after `: `.
#[derive(Clone, Copy, Debug)]
struct Entry {
    name_start: u32,
    name_end: u32,
    value_end: u32,
}

/// What the line before was, when a block is read: what a line that begins with a blank continues.
#[derive(Clone, Copy)]
enum LastLine {
    Status,
    Kept,
    Skipped,
}

impl<N: AsRef<str>, V: AsRef<[u8]>, const LEN: usize> TryFrom<[(N, V); LEN]> for Headers {
    type Error = HeaderError;

    /// See [`from_pairs`](Headers::from_pairs).
    fn try_from(pairs: [(N, V); LEN]) -> Result<Self, HeaderError> {
        Self::from_pairs(pairs)
    }
}

const VERSION: &[u8] = b"NATS/1.0";
const EMPTY_BLOCK: &[u8] = b"NATS/1.0\r\n\r\n";
const LARGEST_BLOCK: usize = 1 << 30;

impl Headers {
    /// No headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// From names and values, in order: of a map, a vector, or whatever gives pairs. From an array also with `try_from`.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use nats_proto::{HeaderError, Headers, header};
    ///
    /// let map = BTreeMap::from([("region", "eu"), ("trace", "a")]);
    /// let headers = Headers::from_pairs(&map)?;
    /// assert_eq!(headers, Headers::try_from([("region", "eu"), ("trace", "a")])?);
    /// let headers = Headers::try_from([(header::NATS_MSG_ID, "17")])?;
    /// assert_eq!(headers.get_str(header::NATS_MSG_ID), Some("17"));
    /// # Ok::<(), HeaderError>(())
    /// ```
    ///
    /// # Errors
    /// [`HeaderError`] of the first name or value that cannot be written.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<[u8]>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, HeaderError> {
        let mut headers = Self::new();
        for (name, value) in pairs {
            headers.append(name, value)?;
        }
        Ok(headers)
    }

    /// Reads a block as it came with a message, leniently.
    ///
    /// # Errors
    /// [`HeaderError::Version`], [`HeaderError::NoColon`], [`HeaderError::Name`], [`HeaderError::TooLarge`].
    pub fn parse(block: &[u8]) -> Result<Self, HeaderError> {
        let mut headers = Self::new();
        if block.len() > LARGEST_BLOCK {
            return Err(HeaderError::TooLarge);
        }
        let mut lines = block
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let (status, description) = lines
            .next()
            .and_then(parse_status_line)
            .ok_or(HeaderError::Version)?;
        headers.block.reserve(block.len());
        headers.begin(status, description);

        let mut last = LastLine::Status;
        for (line, number) in lines.zip(1_usize..) {
            match (line, last) {
                ([], _) => break,
                ([first, ..], _) if is_blank(*first) && trim_value(line).is_empty() => {}
                ([first, ..], LastLine::Kept) if is_blank(*first) => {
                    headers.continue_last(trim_value(line))?
                }
                ([first, ..], LastLine::Skipped) if is_blank(*first) => {}
                _ => {
                    let colon = memchr::memchr(b':', line).ok_or(HeaderError::NoColon { line: number })?;
                    let (name, value) = line.split_at_checked(colon).unwrap_or_default();
                    let name = name.trim_ascii_end();
                    if name.is_empty() {
                        last = LastLine::Skipped;
                        continue;
                    }
                    check_name(name).map_err(|_| HeaderError::Name { line: number })?;
                    headers.push(name, trim_value(value.get(1..).unwrap_or_default()))?;
                    last = LastLine::Kept;
                }
            }
        }
        Ok(headers)
    }

    /// Adds a header after those that are there, even if there is one of that name.
    ///
    /// # Errors
    /// [`HeaderError`] if the name or the value cannot be written; nothing is changed then.
    pub fn append(&mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) -> Result<(), HeaderError> {
        let (name, value) = (name.as_ref().as_bytes(), value.as_ref());
        check_name(name)?;
        check_value(value)?;
        self.push(name, value)
    }

    /// Sets the only header of that name: removes those that are there and adds this one at the end.
    ///
    /// # Errors
    /// [`HeaderError`] if the name or the value cannot be written; nothing is changed then.
    pub fn insert(&mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) -> Result<(), HeaderError> {
        let (name, value) = (name.as_ref(), value.as_ref());
        check_name(name.as_bytes())?;
        check_value(value)?;
        self.remove(name);
        self.push(name.as_bytes(), value)
    }

    /// Removes all headers of exactly that name and says how many there were.
    pub fn remove(&mut self, name: impl AsRef<str>) -> usize {
        let name = name.as_ref();
        let removed = self.get_all(name).count();
        if removed == 0 {
            return 0;
        }
        let mut kept = Self::new();
        kept.begin(self.status, self.description_bytes());
        for (other, value) in self.raw_entries().filter(|(other, _)| *other != name.as_bytes()) {
            // Cannot fail: it is shorter than what it is made from.
            let _ = kept.push(other, value);
        }
        *self = kept;
        removed
    }

    /// Sets the status line. A test server needs this; clients do not send one.
    ///
    /// The code is written with three digits at least, because some clients fail on less.
    ///
    /// # Errors
    /// [`HeaderError::ValueByte`] or [`HeaderError::ValueBlank`] if the description cannot be written.
    pub fn set_status(&mut self, status: StatusCode, description: &str) -> Result<(), HeaderError> {
        check_value(description.as_bytes())?;
        let mut with_status = Self::new();
        with_status.begin(Some(status), description.as_bytes());
        for (name, value) in self.raw_entries() {
            with_status.push(name, value)?;
        }
        *self = with_status;
        Ok(())
    }

    /// The value of the first header of exactly that name. For the names that servers know there are constants in
    /// [`header`](crate::header).
    pub fn get(&self, name: impl AsRef<str>) -> Option<&[u8]> {
        self.get_all(name).next()
    }

    /// As [`get`](Self::get), as text: nothing also if the value is not UTF-8.
    pub fn get_str(&self, name: impl AsRef<str>) -> Option<&str> {
        core::str::from_utf8(self.get(name)?).ok()
    }

    /// The value of the last header of exactly that name: what counts where a name may come several times and a later
    /// one replaces an earlier one.
    pub fn get_last(&self, name: impl AsRef<str>) -> Option<&[u8]> {
        self.get_all(name).last()
    }

    /// The values of all headers of exactly that name, in order.
    pub fn get_all<N: AsRef<str>>(&self, name: N) -> impl Iterator<Item = &[u8]> + use<'_, N> {
        self.raw_entries()
            .filter(move |(other, _)| *other == name.as_ref().as_bytes())
            .map(|(_, value)| value)
    }

    /// The value of the first header whose name differs at most in the case of ASCII letters.
    pub fn get_ignore_case(&self, name: impl AsRef<str>) -> Option<&[u8]> {
        let name = name.as_ref().as_bytes();
        self.raw_entries()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// All names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.raw_entries()
            .map(|(name, value)| (core::str::from_utf8(name).unwrap_or_default(), value))
    }

    /// How many headers there are; the status is none.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no headers. There may still be a status.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The status, where the block has one.
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// What follows the status; nothing if there is nothing, or if it is not UTF-8.
    pub fn description(&self) -> Option<&str> {
        core::str::from_utf8(self.description_bytes())
            .ok()
            .filter(|text| !text.is_empty())
    }

    /// The block as it is written, from `NATS/1.0` to the blank line.
    pub fn as_block(&self) -> &[u8] {
        if self.block.is_empty() {
            EMPTY_BLOCK
        } else {
            &self.block
        }
    }

    /// How many bytes [`as_block`](Self::as_block) has: what counts towards the server's `max_payload`.
    pub fn encoded_len(&self) -> usize {
        self.as_block().len()
    }

    fn raw_entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(|entry| {
            let value_start = entry.name_end.saturating_add(2);
            (
                self.piece(entry.name_start, entry.name_end),
                self.piece(value_start, entry.value_end),
            )
        })
    }

    fn description_bytes(&self) -> &[u8] {
        self.piece(self.description.0, self.description.1)
    }

    fn piece(&self, start: u32, end: u32) -> &[u8] {
        self.block.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Writes the status line and the blank line into an empty block.
    fn begin(&mut self, status: Option<StatusCode>, description: &[u8]) {
        self.status = status;
        self.block.extend_from_slice(VERSION);
        if let Some(status) = status {
            let mut digits = itoa::Buffer::new();
            let digits = digits.format(status.get());
            self.block.push(b' ');
            self.block.resize(
                self.block
                    .len()
                    .saturating_add(3_usize.saturating_sub(digits.len())),
                b'0',
            );
            self.block.extend_from_slice(digits.as_bytes());
        }
        if !description.is_empty() {
            self.block.push(b' ');
            let start = self.block.len();
            self.extend_without_cr(description);
            self.description = (offset(start), offset(self.block.len()));
        }
        self.block.extend_from_slice(b"\r\n\r\n");
    }

    /// Adds a header whose name and value have been checked.
    fn push(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeaderError> {
        if self.block.is_empty() {
            self.block.extend_from_slice(EMPTY_BLOCK);
        }
        self.check_room(name.len().saturating_add(value.len()))?;
        self.block.truncate(self.block.len().saturating_sub(2));
        let name_start = self.block.len();
        self.block.extend_from_slice(name);
        let name_end = self.block.len();
        self.block.extend_from_slice(b": ");
        self.extend_without_cr(value);
        self.entries.push(Entry {
            name_start: offset(name_start),
            name_end: offset(name_end),
            value_end: offset(self.block.len()),
        });
        self.block.extend_from_slice(b"\r\n\r\n");
        Ok(())
    }

    /// Adds a blank and `more` to the value of the last header.
    fn continue_last(&mut self, more: &[u8]) -> Result<(), HeaderError> {
        self.check_room(more.len())?;
        self.block.truncate(self.block.len().saturating_sub(4));
        if !self.block.ends_with(b" ") {
            self.block.push(b' ');
        }
        self.extend_without_cr(more);
        if let Some(last) = self.entries.last_mut() {
            last.value_end = offset(self.block.len());
        }
        self.block.extend_from_slice(b"\r\n\r\n");
        Ok(())
    }

    fn check_room(&self, more: usize) -> Result<(), HeaderError> {
        match self.block.len().saturating_add(more).saturating_add(8) {
            size if size > LARGEST_BLOCK => Err(HeaderError::TooLarge),
            _ => Ok(()),
        }
    }

    /// Only what was received can have a CR here.
    fn extend_without_cr(&mut self, bytes: &[u8]) {
        let start = self.block.len();
        self.block.extend_from_slice(bytes);
        for byte in self.block.iter_mut().skip(start).filter(|byte| **byte == b'\r') {
            *byte = b' ';
        }
    }
}

/// Equal if status, description and headers are, in the same order.
impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.as_block() == other.as_block()
    }
}

impl Eq for Headers {}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Headers(\"{}\")", self.as_block().escape_ascii())
    }
}

/// The status and the description of a block, from its first line only; nothing if it does not begin with
/// `NATS/1.0`.
pub(crate) fn parse_status(block: &[u8]) -> Option<(Option<StatusCode>, &[u8])> {
    let end = memchr::memchr(b'\n', block).unwrap_or(block.len());
    parse_status_line(block.get(..end)?)
}

fn parse_status_line(line: &[u8]) -> Option<(Option<StatusCode>, &[u8])> {
    let rest = match line.strip_prefix(VERSION)? {
        rest @ ([] | [b' ' | b'\t' | b'\r', ..]) => trim_value(rest),
        _ => return None,
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, description) = rest.split_at_checked(digits)?;
    let number = core::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok());
    Some(match number {
        Some(number) => (Some(StatusCode::new(number)), trim_value(description)),
        None => (None, rest),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_a_gibibyte_and_no_more() {
        let headers = Headers {
            block: EMPTY_BLOCK.to_vec(),
            ..Headers::new()
        };
        let around = EMPTY_BLOCK.len() + 8;
        assert_eq!(headers.check_room(LARGEST_BLOCK - around), Ok(()));
        assert_eq!(
            headers.check_room(LARGEST_BLOCK - around + 1),
            Err(HeaderError::TooLarge)
        );
        assert_eq!(headers.check_room(usize::MAX), Err(HeaderError::TooLarge));
    }
}
