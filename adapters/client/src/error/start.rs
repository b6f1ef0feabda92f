//! Why a connection was not started.

use nats_conn_sm::ConfigError;
use nats_proto::{InvalidSubject, OneLine, UrlError};
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
    /// What [`inbox_prefix`](crate::ConnectOptions::inbox_prefix) was given is no subject.
    #[error("inbox_prefix: {reason}")]
    InboxPrefix {
        /// The text, and what is wrong with it.
        reason: InvalidSubject,
    },
    /// The thread or task that drives the connection could not be started.
    #[error("cannot run the connection: {}", OneLine(.detail))]
    NoDriver {
        /// The error of the system.
        detail: String,
    },
    /// The operating system has no random bytes to give, from which inboxes are drawn.
    #[error(
        "the operating system gives no random bytes ({}), without which inboxes can be guessed: let this process have some",
        OneLine(.detail)
    )]
    NoRandomness {
        /// The error of the system.
        detail: String,
    },
}

super::debug_as_display!(StartError);

impl StartError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Url(error) => error.code(),
            Self::Config(error) => error.code(),
            Self::Contradiction { .. } => "contradiction",
            Self::InboxPrefix { .. } => "inbox_prefix",
            Self::NoDriver { .. } => "no_driver",
            Self::NoRandomness { .. } => "no_randomness",
        }
    }
}
