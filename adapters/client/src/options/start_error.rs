//! Why a connection was not started.

use std::fmt;

use nats_conn_sm::ConfigError;
use nats_proto::UrlError;
use thiserror::Error;

/// Why a connection was not started.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A URL cannot be used.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Two options say the same: of who we are, or of how long to wait for an attempt.
    #[error("{first} contradicts {second}: set one of them")]
    Contradiction {
        /// The name of one.
        first: &'static str,
        /// The name of the other.
        second: &'static str,
    },
    /// The thread or task that drives the connection could not be started.
    #[error("cannot run the connection: {detail}")]
    NoDriver {
        /// The error of the system.
        detail: String,
    },
    /// The operating system has no random bytes to give, from which inboxes are drawn.
    #[error(
        "the operating system gives no random bytes ({detail}): set a seed of your own that nobody can guess"
    )]
    NoRandomness {
        /// The error of the system.
        detail: String,
    },
}

/// The same line: `fn main() -> Result<_, _>` prints errors so.
impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
