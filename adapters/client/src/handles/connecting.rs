//! The first outcome of a connection.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use nats_conn_sm::{AttemptFailure, ClosedReason, ConnectError, Event, LinkEnd, Phase, State};
use nats_proto::{DecodeError, ServerErrorKind, UrlError};
use thiserror::Error;

use crate::core::event::ClientEvent;
use crate::handles::client::Client;
use crate::handles::events::Events;
use crate::options::start_error::StartError;

/// A connection to be: done at the first outcome.
pub type Connecting = Pin<Box<dyn Future<Output = Result<Client, ConnectFailure>> + Send>>;

/// Why there is no connection. It prints as one line that says what to do.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnectFailure {
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

impl ConnectFailure {
    /// It was closed, and this is all that one event says.
    fn closed(reason: ClosedReason) -> Self {
        let failures = Vec::new();
        Self::Closed { reason, failures }
    }
}

/// The same line: `fn main() -> Result<_, _>` prints errors so, and this is the first one that people see.
impl fmt::Debug for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<UrlError> for ConnectFailure {
    fn from(error: UrlError) -> Self {
        Self::Start(error.into())
    }
}

/// Waits for the first outcome of a connection that was started: a session, the end, or, where the first connect is
/// tried again, the wait after the first round. Its events are kept for the first who asks the client for some.
///
/// # Cancel safety
/// Dropping it loses the events that it has taken; the connection goes on.
///
/// # Errors
/// Why there is no connection.
pub async fn first_outcome(
    client: &Client,
    mut events: Events,
    retry_initial: bool,
) -> Result<(), ConnectFailure> {
    let mut taken = Vec::new();
    while let Some(event) = events.next().await {
        // The outcome may be among what was missed.
        let missed = matches!(event, ClientEvent::Missed { .. }) && client.state() == State::Connected;
        let outcome = outcome(&event, retry_initial);
        taken.push(event);
        match outcome {
            Some(Err(ConnectFailure::Closed { reason, .. })) => {
                let failures = last_failures(&taken);
                return Err(ConnectFailure::Closed { reason, failures });
            }
            Some(Err(failure)) => return Err(failure),
            None if !missed => {}
            _ => {
                client.keep_events(events, taken);
                return Ok(());
            }
        }
    }
    Err(ConnectFailure::closed(ClosedReason::DriverFailed))
}

/// The same, and the client.
pub(crate) fn connecting(started: Result<(Client, Events), StartError>, retry_initial: bool) -> Connecting {
    Box::pin(async move {
        let (client, events) = started?;
        first_outcome(&client, events, retry_initial).await?;
        Ok(client)
    })
}

/// The last failed attempt with each server, in the order of these.
fn last_failures(events: &[ClientEvent]) -> Vec<AttemptFailure> {
    let mut failures: Vec<AttemptFailure> = Vec::new();
    for event in events {
        let ClientEvent::Connection(Event::ConnectFailed { server, phase, error }) = event else {
            continue;
        };
        let failure = AttemptFailure::new(server, *phase, (**error).clone());
        failures.retain(|known| known.server != failure.server);
        failures.push(failure);
    }
    failures
}

/// Whether this event is the first outcome of a connection; see [`first_outcome`].
pub fn outcome(event: &ClientEvent, retry_initial: bool) -> Option<Result<(), ConnectFailure>> {
    match event {
        // A holder who is far behind may have missed the first session.
        ClientEvent::Connection(Event::Connected(_) | Event::Reconnected(_)) => Some(Ok(())),
        ClientEvent::Connection(Event::BackoffWait { .. }) if retry_initial => Some(Ok(())),
        ClientEvent::Connection(Event::Closed {
            reason: ClosedReason::ConnectFailed { failures },
        }) => Some(Err(ConnectFailure::Unreachable {
            failures: failures.clone(),
        })),
        ClientEvent::Connection(Event::Closed { reason }) => {
            Some(Err(ConnectFailure::closed(reason.clone())))
        }
        _ => None,
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
pub fn advice(phase: Phase, error: &ConnectError) -> Option<&'static str> {
    Some(match (phase, error) {
        (
            _,
            ConnectError::Link(LinkEnd::Dial {
                kind: "connection_refused",
                ..
            }),
        ) => "is a server running there, and is the port right?",
        (_, ConnectError::Link(LinkEnd::Resolve { .. })) => "is the name spelled right?",
        (Phase::Resolve | Phase::Dial, ConnectError::TimedOut) => {
            "nothing answers there: check the address and the firewall, or raise connect_timeout"
        }
        (Phase::Info, ConnectError::TimedOut) => {
            "something accepts connections there but does not greet as a NATS server does: check the port, \
             and whether the server wants TLS first"
        }
        (_, ConnectError::Link(LinkEnd::Eof)) if phase == Phase::Info => {
            "something accepts connections there and closes them without greeting: is it a NATS server?"
        }
        // Its text says so.
        (_, ConnectError::Protocol(DecodeError::UnknownOperation(_))) => return None,
        (_, ConnectError::Protocol(_) | ConnectError::ExpectedInfo) => "check host and port",
        (_, ConnectError::Server(error)) if *error.kind() == ServerErrorKind::MaximumControlLineExceeded => {
            "CONNECT is longer than this server takes, which happens with large JWTs: raise max_control_line there"
        }
        (_, ConnectError::AuthenticationTimeout { .. }) => {
            "servers wait some 2 s for CONNECT: answer faster, or raise the timeout of its authorization"
        }
        (_, ConnectError::Server(error)) if error.is_authentication() => {
            "check user, password, token or credentials"
        }
        _ => return None,
    })
}
