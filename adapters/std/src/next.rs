//! Why there is no next one.

use std::fmt;

use thiserror::Error;

/// Why nothing came: of messages, replies or events.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NextError {
    /// Not in time; something may come later.
    #[error("nothing came in time: ask again")]
    TimedOut,
    /// Nothing follows.
    #[error("nothing follows: it has ended")]
    Ended,
}

/// The same line: `fn main() -> Result<_, _>` prints errors so.
impl fmt::Debug for NextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The outcome of a wait.
pub(crate) fn next<T>(waited: Option<Option<T>>) -> Result<T, NextError> {
    waited.ok_or(NextError::TimedOut)?.ok_or(NextError::Ended)
}
