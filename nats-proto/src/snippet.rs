//! The beginning of a line that was refused, for error messages.

use core::fmt;

/// At most the first [`MAX`](Self::MAX) bytes of something that a peer sent, for an error message. Prints with
/// everything but printable ASCII escaped.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Snippet {
    bytes: [u8; Self::MAX],
    len: u8,
}

impl Snippet {
    /// How many bytes are kept.
    pub const MAX: usize = 32;

    pub(crate) fn new(line: &[u8]) -> Self {
        let mut bytes = [0; Self::MAX];
        let mut len = 0_u8;
        for (slot, byte) in bytes.iter_mut().zip(line) {
            *slot = *byte;
            len = len.saturating_add(1);
        }
        Self { bytes, len }
    }

    /// The bytes that were kept.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl fmt::Display for Snippet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.as_bytes().escape_ascii())
    }
}

impl fmt::Debug for Snippet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
