//! Why there is no connection.

use std::fmt;

use nats_conn_sm::{AttemptError, AttemptFailure, ClosedReason, LinkEnd, Phase};
use nats_proto::{DecodeError, ServerErrorKind, UrlError};
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
            write!(f, "{separator}{}: {}", failure.server, failure.error)?;
            if let Some(advice) = advice(failure.phase, &failure.error) {
                write!(f, " ({advice})")?;
            }
        }
        Ok(())
    }
}

/// What a person could do about it.
pub fn advice(phase: Phase, error: &AttemptError) -> Option<&'static str> {
    Some(match (phase, error) {
        (
            _,
            AttemptError::Link(LinkEnd::Dial {
                kind: "connection_refused",
                ..
            }),
        ) => "is a server running there, and is the port right?",
        (_, AttemptError::Link(LinkEnd::Resolve { .. })) => "is the name spelled right?",
        (Phase::Resolve | Phase::Dial, AttemptError::TimedOut) => {
            "nothing answers there: check the address and the firewall, or raise connect_timeout"
        }
        (Phase::Info, AttemptError::TimedOut) => {
            "something accepts connections there but does not greet as a NATS server does: check the port, \
             and whether the server wants TLS first"
        }
        (_, AttemptError::Link(LinkEnd::Eof)) if phase == Phase::Info => {
            "something accepts connections there and closes them without greeting: is it a NATS server?"
        }
        // Its text says so.
        (_, AttemptError::Protocol(DecodeError::UnknownOperation(_))) => return None,
        (_, AttemptError::Protocol(_) | AttemptError::ExpectedInfo) => "check host and port",
        (_, AttemptError::Server(error)) if *error.kind() == ServerErrorKind::MaximumControlLineExceeded => {
            "CONNECT is longer than this server takes, which happens with large JWTs: raise max_control_line there"
        }
        (_, AttemptError::AuthenticationTimeout { .. }) => {
            "servers wait some 2 s for CONNECT: answer faster, or raise the timeout of its authorization"
        }
        (_, AttemptError::Server(error)) if error.is_authentication() => {
            "check user, password, token or credentials"
        }
        _ => return None,
    })
}
