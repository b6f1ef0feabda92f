//! What was asked for as text, and is none.

use thiserror::Error;

/// Bytes that were asked for as text, and are not UTF-8: a payload, the value of a header, or the subject of a message.
///
/// ```
/// use nats_proto::HeaderValue;
///
/// let value = HeaderValue::try_from(&b"caf\xe9"[..])?;
/// assert_eq!(
///     value.to_str().unwrap_err().to_string(),
///     "the header value is not UTF-8 from byte 3 on: read its bytes"
/// );
/// # Ok::<(), nats_proto::HeaderError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[error("the {what} is not UTF-8 from byte {at} on: read its bytes")]
#[non_exhaustive]
pub struct NotUtf8 {
    /// What it is: `payload`, `header value` or `subject`.
    pub what: &'static str,
    /// The offset of the first byte that is not text.
    pub at: usize,
}

crate::debug_line::debug_line!(NotUtf8);

impl NotUtf8 {
    /// The text, if it is one.
    #[inline]
    pub(crate) fn check<'a>(what: &'static str, bytes: &'a [u8]) -> Result<&'a str, Self> {
        core::str::from_utf8(bytes).map_err(|error| Self {
            what,
            at: error.valid_up_to(),
        })
    }

    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        "not_utf8"
    }
}
