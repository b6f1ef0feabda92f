//! What cannot be written, and why.

use thiserror::Error;

/// The longest control line that servers take by default, in bytes of arguments: what stands between the word
/// and the line end (`max_control_line`, `parser.go`).
pub const MAX_CONTROL_LINE: usize = 4096;

/// The largest message that can be announced: servers read at most nine digits (`parseSize`, `util.go`).
pub const MAX_MESSAGE: usize = 999_999_999;

/// Why an operation cannot be written. Nothing was written then.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The server would close the connection.
    #[error(
        "the control line would have {len} bytes of arguments, {limit} are allowed; use shorter subjects"
    )]
    ControlLineTooLong {
        /// How many bytes of arguments there would be.
        len: usize,
        /// How many may be.
        limit: usize,
    },
    /// Headers and payload are larger than can be announced.
    #[error("headers and payload have {len} bytes, at most 999999999 can be sent; send it in parts")]
    MessageTooLarge {
        /// How many bytes there are.
        len: usize,
    },
    /// A raw field of a [`ServerFrame`](crate::ServerFrame) would not be read as that one field.
    #[error("the {field} would not be read as one field; remove what ends a field or a line")]
    Field {
        /// Which field.
        field: &'static str,
    },
}

crate::debug_line::debug_line!(EncodeError);

impl EncodeError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ControlLineTooLong { .. } => "control_line_too_long",
            Self::MessageTooLarge { .. } => "message_too_large",
            Self::Field { .. } => "field",
        }
    }
}

/// Whether a line with so many bytes of arguments may be written.
#[inline]
pub(crate) fn check_line(len: usize, limit: usize) -> Result<(), EncodeError> {
    if len > limit {
        Err(EncodeError::ControlLineTooLong { len, limit })
    } else {
        Ok(())
    }
}
