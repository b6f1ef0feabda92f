//! Why there is no next one.

use thiserror::Error;

/// Why nothing came: of messages, replies or events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NextError {
    /// Not in time; something may come later.
    #[error("nothing came in time")]
    TimedOut,
    /// Nothing follows.
    #[error("nothing follows")]
    Ended,
}

/// The outcome of a wait.
pub(crate) fn next<T>(waited: Option<Option<T>>) -> Result<T, NextError> {
    waited.ok_or(NextError::TimedOut)?.ok_or(NextError::Ended)
}
