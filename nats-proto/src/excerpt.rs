//! The beginning of a subject, for error messages.

use core::fmt;

use crate::one_line::OneLine;

/// At most the first [`MAX`](Self::MAX) bytes of a subject, a filter or a queue group, for an error that names it: it is
/// copied without an allocation. Prints between backticks, with `…` for what was left out and everything that is not
/// printable escaped.
///
/// ```
/// use nats_proto::Excerpt;
///
/// assert_eq!(Excerpt::new("orders.eu").to_string(), "`orders.eu`");
/// assert_eq!(Excerpt::new("orders\r\n").to_string(), r"`orders\r\n`");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Excerpt {
    bytes: [u8; Self::MAX],
    len: u8,
    cut: bool,
}

impl Excerpt {
    /// How many bytes are kept.
    pub const MAX: usize = 62;

    /// The beginning of this text, in whole characters.
    pub fn new(text: &str) -> Self {
        let mut kept = 0;
        for (at, character) in text.char_indices() {
            let end = at.saturating_add(character.len_utf8());
            if end > Self::MAX {
                break;
            }
            kept = end;
        }
        let mut bytes = [0; Self::MAX];
        for (slot, byte) in bytes.iter_mut().zip(text.bytes().take(kept)) {
            *slot = byte;
        }
        Self {
            bytes,
            len: u8::try_from(kept).unwrap_or(u8::MAX),
            cut: kept < text.len(),
        }
    }

    /// What was kept.
    pub fn as_str(&self) -> &str {
        let kept = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        core::str::from_utf8(kept).unwrap_or_default()
    }

    /// Whether something was left out.
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}", OneLine(self.as_str()))?;
        f.write_str(if self.cut { "…`" } else { "`" })
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn it_keeps_whole_characters_and_says_that_it_was_cut() {
        for (text, kept) in [
            ("é".repeat(31), 62),
            ("é".repeat(32), 62),
            (alloc::format!("a{}", "é".repeat(31)), 61),
        ] {
            let excerpt = Excerpt::new(&text);
            assert_eq!(excerpt.as_str(), &text[..kept]);
            assert_eq!(excerpt.is_cut(), kept < text.len());
            assert_eq!(excerpt.to_string().ends_with("…`"), kept < text.len());
        }
    }

    #[test]
    fn it_prints_on_one_line_whatever_it_holds() {
        let hostile = Excerpt::new("a\n\u{1b}[31m\u{202e}\u{7f}b'\"");
        assert_eq!(hostile.to_string(), r#"`a\n\u{1b}[31m\u{202e}\u{7f}b'"`"#);
    }
}
