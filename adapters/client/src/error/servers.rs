//! Why the pool of servers was not replaced.

use nats_conn_sm::StateError;
use nats_proto::UrlError;
use thiserror::Error;

/// Why the pool of servers was not replaced: nothing of it has changed.
#[derive(Clone, PartialEq, Eq, Error)]
#[error(transparent)]
#[non_exhaustive]
pub enum ServersError {
    /// A URL cannot be used.
    Url(#[from] UrlError),
    /// There are none, or the connection is closed.
    State(#[from] StateError),
}

super::debug_as_display!(ServersError);

impl ServersError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Url(error) => error.code(),
            Self::State(error) => error.code(),
        }
    }
}
