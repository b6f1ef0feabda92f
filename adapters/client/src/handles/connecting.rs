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

#[cfg(test)]
mod tests {

    use std::pin::pin;
    use std::time::Duration;

    use nats_conn_sm::{AttemptError, Phase, Server, Timestamp, WaitReason};

    use super::*;
    use crate::ConnectOptions;
    use crate::driver::blocking::wait;
    use crate::handles::puppet::Puppet;

    fn servers() -> Vec<Server> {
        let options = ConnectOptions::<()>::from_url("nats://a.test,nats://b.test").expect("URLs");
        let client = options.randomize(false).prepare().expect("usable").client;
        client.servers().into_iter().map(|status| status.server).collect()
    }

    fn failed(server: &Server, phase: Phase) -> ClientEvent {
        let error = Box::new(AttemptError::TlsNotOffered);
        let server = server.clone();
        ConnectionEvent::ConnectFailed { server, phase, error }.into()
    }

    fn closed(reason: ClosedReason) -> ClientEvent {
        ConnectionEvent::Closed { reason }.into()
    }

    #[test]
    fn the_first_outcome_is_a_session_the_end_or_a_wait_where_the_first_connect_is_tried_again() {
        let server = servers().remove(0);
        let wait: ClientEvent = ConnectionEvent::BackoffWait {
            server: server.clone(),
            attempt: 2,
            delay: Duration::ZERO,
            until: Timestamp::ZERO,
            reason: WaitReason::Chosen,
        }
        .into();
        assert_eq!(outcome(&wait, true), Some(Ok(())));
        assert_eq!(outcome(&wait, false), None);
        assert_eq!(outcome(&failed(&server, Phase::Dial), true), None);
        let mut puppet = Puppet::in_a_session(ConnectOptions::default(), "{}");
        let session = puppet.session();
        for event in [
            ConnectionEvent::Connected(session.clone()),
            ConnectionEvent::Reconnected(session),
        ] {
            assert_eq!(outcome(&event.into(), false), Some(Ok(())));
        }
        let unreachable = ClosedReason::ConnectFailed { failures: Vec::new() };
        let failures = Vec::new();
        let expected = ConnectError::Unreachable { failures };
        assert_eq!(outcome(&closed(unreachable), false), Some(Err(expected)));
        let expected = ConnectError::closed(ClosedReason::Auth);
        assert_eq!(outcome(&closed(ClosedReason::Auth), false), Some(Err(expected)));
    }

    #[test]
    fn of_each_server_the_last_failure_is_told_in_the_order_of_these() {
        let [a, b] = &servers()[..] else {
            panic!("two servers")
        };
        let events = [
            failed(a, Phase::Dial),
            failed(b, Phase::Tls),
            failed(a, Phase::Info),
            closed(ClosedReason::PoolExhausted),
        ];
        let told = last_failures(&events);
        let told: Vec<_> = told
            .iter()
            .map(|failure| (&failure.server, failure.phase))
            .collect();
        assert_eq!(
            told,
            [(&b.to_string(), Phase::Tls), (&a.to_string(), Phase::Info)]
        );
    }

    #[test]
    fn an_end_without_a_session_tells_the_failures_and_one_without_a_driver_that() {
        let options = || ConnectOptions::<()>::default().prepare().expect("usable");
        let prepared = options();
        let shared = prepared.parts.shared;
        shared.hub().emit_now(failed(&servers()[0], Phase::Dial));
        shared.hub().emit_now(closed(ClosedReason::PoolExhausted));
        let outcome = first_outcome(&prepared.client, prepared.events, false);
        let Some(Err(ConnectError::Closed { reason, failures })) = wait(None, pin!(outcome)) else {
            panic!("it has closed");
        };
        assert_eq!((reason, failures.len()), (ClosedReason::PoolExhausted, 1));
    }
}
