//! The name and the value of one header, checked as strictly as they are written.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use thiserror::Error;

use crate::control_line::is_blank;
use crate::not_utf8::NotUtf8;
use crate::text::{Text, validated_text};

/// The name of a header: printable ASCII (33 to 126) without a colon, at least one byte (ADR-4).
///
/// Names are compared exactly as they are written; [`Headers::get_ignore_case`](crate::Headers::get_ignore_case)
/// is the exception.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeaderName(Text);

validated_text!(HeaderName, HeaderError, check_name, |_: &str, reason| reason);

/// The value of a header: any bytes but CR and LF, without blanks at its ends.
///
/// Blanks at the ends are refused because every reader cuts them off: they would not arrive.
///
/// ```
/// use nats_proto::HeaderValue;
///
/// const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// assert_eq!(JSON.to_str(), Ok("application/json"));
/// assert!(HeaderValue::try_from("a\r\nb: c").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeaderValue(Bytes);

/// Why something cannot be a header, or why a header block cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// A name without a byte.
    #[error("the header name is empty")]
    NameEmpty,
    /// A byte that a name cannot have.
    #[error("the header name has the byte {byte:#04x} at {at}; use printable ASCII without a colon")]
    NameByte {
        /// The byte.
        byte: u8,
        /// Its offset in the name.
        at: usize,
    },
    /// CR or LF in a value or a description.
    #[error("the header value has the byte {byte:#04x} at {at}; CR and LF are not allowed")]
    ValueByte {
        /// The byte.
        byte: u8,
        /// Its offset in the value.
        at: usize,
    },
    /// A blank or tab at an end of a value or a description.
    #[error("the header value begins or ends with a blank, which readers cut off; trim it")]
    ValueBlank,
    /// More than 1 GiB of headers.
    #[error("the header block would be larger than 1 GiB")]
    TooLarge,
    /// A received block does not begin with `NATS/1.0`.
    #[error("the header block does not begin with `NATS/1.0`")]
    Version,
    /// A line of a received block has no colon.
    #[error("line {line} of the header block has no colon")]
    NoColon {
        /// The line; the one with `NATS/1.0` is 0.
        line: usize,
    },
    /// A line of a received block has a name that is none.
    #[error("line {line} of the header block has a name with a byte that is not printable ASCII")]
    Name {
        /// The line; the one with `NATS/1.0` is 0.
        line: usize,
    },
}

crate::debug_line::debug_line!(HeaderError);

impl HeaderError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NameEmpty => "header_name_empty",
            Self::NameByte { .. } => "header_name_byte",
            Self::ValueByte { .. } => "header_value_byte",
            Self::ValueBlank => "header_value_blank",
            Self::TooLarge => "headers_too_large",
            Self::Version => "headers_version",
            Self::NoColon { .. } => "headers_no_colon",
            Self::Name { .. } => "headers_name",
        }
    }
}

impl HeaderValue {
    /// From a literal: without a copy, checked when compiling if used in a `const`.
    ///
    /// # Panics
    /// If the literal is not valid. In a `const` that is an error of the compiler.
    #[expect(
        clippy::panic,
        reason = "a wrong literal is a mistake in the program, found when compiling"
    )]
    pub const fn from_static(text: &'static str) -> Self {
        match check_value(text.as_bytes()) {
            Ok(()) => Self(Bytes::from_static(text.as_bytes())),
            Err(_) => panic!("not a valid HeaderValue"),
        }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value as text.
    ///
    /// # Errors
    /// [`NotUtf8`] if it is not, which a value need not be.
    pub fn to_str(&self) -> Result<&str, NotUtf8> {
        NotUtf8::check("header value", &self.0)
    }
}

impl TryFrom<Bytes> for HeaderValue {
    type Error = HeaderError;

    fn try_from(bytes: Bytes) -> Result<Self, HeaderError> {
        check_value(&bytes)?;
        Ok(Self(bytes))
    }
}

impl TryFrom<Vec<u8>> for HeaderValue {
    type Error = HeaderError;

    fn try_from(bytes: Vec<u8>) -> Result<Self, HeaderError> {
        Bytes::from(bytes).try_into()
    }
}

impl TryFrom<String> for HeaderValue {
    type Error = HeaderError;

    fn try_from(text: String) -> Result<Self, HeaderError> {
        text.into_bytes().try_into()
    }
}

impl TryFrom<&[u8]> for HeaderValue {
    type Error = HeaderError;

    fn try_from(bytes: &[u8]) -> Result<Self, HeaderError> {
        Bytes::copy_from_slice(bytes).try_into()
    }
}

impl TryFrom<&str> for HeaderValue {
    type Error = HeaderError;

    fn try_from(text: &str) -> Result<Self, HeaderError> {
        text.as_bytes().try_into()
    }
}

impl AsRef<[u8]> for HeaderName {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for HeaderValue {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// Whether `name` can be written as the name of a header.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "counts the bytes of a slice, which fit"
)]
pub(crate) const fn check_name(name: &[u8]) -> Result<(), HeaderError> {
    if name.is_empty() {
        return Err(HeaderError::NameEmpty);
    }
    let mut rest = name;
    let mut at = 0;
    while let [byte, tail @ ..] = rest {
        if *byte == b':' || !byte.is_ascii_graphic() {
            return Err(HeaderError::NameByte { byte: *byte, at });
        }
        rest = tail;
        at += 1;
    }
    Ok(())
}

/// Whether `value` can be written as the value of a header.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "counts the bytes of a slice, which fit"
)]
pub(crate) const fn check_value(value: &[u8]) -> Result<(), HeaderError> {
    if let [b' ' | b'\t', ..] | [.., b' ' | b'\t'] = value {
        return Err(HeaderError::ValueBlank);
    }
    let mut rest = value;
    let mut at = 0;
    while let [byte, tail @ ..] = rest {
        if matches!(*byte, b'\r' | b'\n') {
            return Err(HeaderError::ValueByte { byte: *byte, at });
        }
        rest = tail;
        at += 1;
    }
    Ok(())
}

/// What a reader cuts off the ends of a value: blanks, and what is left of a line end.
pub(crate) fn trim_value(mut value: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = value
        && (is_blank(*first) || *first == b'\r')
    {
        value = rest;
    }
    while let [rest @ .., last] = value
        && (is_blank(*last) || *last == b'\r')
    {
        value = rest;
    }
    value
}
