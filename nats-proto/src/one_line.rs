//! Text that somebody else wrote, on one line.

use core::fmt::{self, Write};

/// Prints a text on one line, whatever is in it: line breaks, escapes of terminals and everything else that is not
/// printable are escaped. Events and errors print so what servers, systems and libraries say.
///
/// ```
/// use nats_proto::OneLine;
///
/// assert_eq!(OneLine("a 'b'\r\n\u{1b}[31m").to_string(), r"a 'b'\r\n\u{1b}[31m");
/// ```
#[derive(Clone, Copy)]
pub struct OneLine<'a>(pub &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '\'' | '"' | '\\' => f.write_char(character)?,
                _ => fmt::Display::fmt(&character.escape_debug(), f)?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
