//! Why there is no next one.

use thiserror::Error;

/// Why nothing came: of messages, replies or events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NextError {
    /// Not in time; something may come later.
    #[error("nothing came in time: ask again")]
    TimedOut,
    /// Nothing follows.
    #[error("nothing follows: it has ended")]
    Ended,
}

/// The outcome of a wait.
pub(crate) fn next<T>(waited: Option<Option<T>>) -> Result<T, NextError> {
    waited.ok_or(NextError::TimedOut)?.ok_or(NextError::Ended)
}
