//! How a wait for the next one ends.

use nats_conn_client::NextError;

/// The outcome of a wait.
pub(crate) fn next<T>(waited: Option<Option<T>>) -> Result<T, NextError> {
    waited.ok_or(NextError::TimedOut)?.ok_or(NextError::Ended)
}
