//! The first outcome of a connection.

use std::future::Future;
use std::pin::Pin;

use nats_conn_sm::{AttemptFailure, ClosedReason, ConnectionEvent, State};

use crate::core::event::ClientEvent;
use crate::error::connect::ConnectError;
use crate::error::start::StartError;
use crate::handles::client::Client;
use crate::handles::events::Events;

/// A connection to be: done at the first outcome.
pub type Connecting = Pin<Box<dyn Future<Output = Result<Client, ConnectError>> + Send>>;

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
) -> Result<(), ConnectError> {
    let mut taken = Vec::new();
    while let Some(event) = events.next().await {
        // The outcome may be among what was missed.
        let missed = matches!(event, ClientEvent::Missed { .. }) && client.state() == State::Connected;
        let outcome = outcome(&event, retry_initial);
        taken.push(event);
        match outcome {
            Some(Err(ConnectError::Closed { reason, .. })) => {
                let failures = last_failures(&taken);
                return Err(ConnectError::Closed { reason, failures });
            }
            Some(Err(failure)) => return Err(failure),
            None if !missed => {}
            _ => {
                client.keep_events(events, taken);
                return Ok(());
            }
        }
    }
    Err(ConnectError::closed(ClosedReason::DriverFailed))
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
        let ClientEvent::Connection(ConnectionEvent::ConnectFailed { server, phase, error }) = event else {
            continue;
        };
        let failure = AttemptFailure::new(server, *phase, (**error).clone());
        failures.retain(|known| known.server != failure.server);
        failures.push(failure);
    }
    failures
}

/// Whether this event is the first outcome of a connection; see [`first_outcome`].
pub fn outcome(event: &ClientEvent, retry_initial: bool) -> Option<Result<(), ConnectError>> {
    match event {
        // A holder who is far behind may have missed the first session.
        ClientEvent::Connection(ConnectionEvent::Connected(_) | ConnectionEvent::Reconnected(_)) => {
            Some(Ok(()))
        }
        ClientEvent::Connection(ConnectionEvent::BackoffWait { .. }) if retry_initial => Some(Ok(())),
        ClientEvent::Connection(ConnectionEvent::Closed {
            reason: ClosedReason::ConnectFailed { failures },
        }) => Some(Err(ConnectError::Unreachable {
            failures: failures.clone(),
        })),
        ClientEvent::Connection(ConnectionEvent::Closed { reason }) => {
            Some(Err(ConnectError::closed(reason.clone())))
        }
        _ => None,
    }
}
