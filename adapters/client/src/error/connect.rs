//! Why there is no connection.

use std::fmt;

use nats_conn_sm::{AttemptFailure, ClosedReason};
use nats_proto::UrlError;
use thiserror::Error;

use crate::error::start::StartError;

/// Why there is no connection. It prints as one line that says what to do.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The options cannot be used.
    #[error(transparent)]
    Start(#[from] StartError),
    /// No server could be reached.
    #[error("cannot connect: {}", Failures(.failures))]
    Unreachable {
        /// Every failed attempt, in order.
        failures: Vec<AttemptFailure>,
    },
    /// The connection was closed before there was an outcome.
    #[error("the connection was closed before it was up: {}{}", .reason.code(), After(.failures))]
    Closed {
        /// Why.
        reason: ClosedReason,
        /// The last failed attempt with each server.
        failures: Vec<AttemptFailure>,
    },
}

impl ConnectError {
    /// It was closed, and this is all that one event says.
    pub(crate) fn closed(reason: ClosedReason) -> Self {
        let failures = Vec::new();
        Self::Closed { reason, failures }
    }

    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Start(error) => error.code(),
            Self::Unreachable { .. } => "unreachable",
            Self::Closed { .. } => "closed",
        }
    }
}

super::debug_as_display!(ConnectError);

impl From<UrlError> for ConnectError {
    fn from(error: UrlError) -> Self {
        Self::Start(error.into())
    }
}

struct After<'a>(&'a [AttemptFailure]);

impl fmt::Display for After<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, "; {}", Failures(self.0))
    }
}

struct Failures<'a>(&'a [AttemptFailure]);

impl fmt::Display for Failures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, failure) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{failure}")?;
        }
        Ok(())
    }
}
