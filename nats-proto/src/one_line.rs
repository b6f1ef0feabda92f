//! What somebody else wrote, on one line.

use core::fmt::{self, Write};

/// Prints something on one line, whatever is in it: line breaks, escapes of terminals and everything else that is not
/// printable are escaped. Events and errors print so what servers, systems and libraries say.
///
/// ```
/// use nats_proto::OneLine;
///
/// assert_eq!(OneLine("a 'b'\r\n\u{1b}[31m").to_string(), r"a 'b'\r\n\u{1b}[31m");
/// ```
#[derive(Clone, Copy)]
pub struct OneLine<T>(pub T);

impl<T: fmt::Display> fmt::Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

impl<T: fmt::Display> fmt::Debug for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '\'' | '"' | '\\' => self.0.write_char(character)?,
                _ => fmt::Display::fmt(&character.escape_debug(), self.0)?,
            }
        }
        Ok(())
    }
}
