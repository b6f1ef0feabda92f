//! Choosing the server of the next attempt.

use std::sync::Arc;
use std::time::Duration;

use nats_conn_sm::{ServerId, ServerStatus};

/// Chooses the server of the next attempt, and how long to wait for it.
pub type Selector = Arc<dyn Fn(&ServerChoice<'_>) -> (ServerId, Duration) + Send + Sync>;

/// How long to wait before an attempt: given its number, as
/// [`ConnectionEvent::BackoffWait`](nats_conn_sm::ConnectionEvent::BackoffWait) counts it, and the server with which it is
/// made.
pub type ReconnectDelay = Arc<dyn Fn(u32, &ServerStatus) -> Duration + Send + Sync>;

/// Among which servers to choose.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ServerChoice<'a> {
    /// The pool as it is.
    pub servers: &'a [ServerStatus],
    /// The server that would come next by itself.
    pub default: ServerId,
    /// How long would be waited for it.
    pub default_delay: Duration,
}

impl<'a> ServerChoice<'a> {
    /// What [`Action::ChooseServer`](nats_conn_sm::Action::ChooseServer) asks.
    pub fn new(servers: &'a [ServerStatus], default: ServerId, default_delay: Duration) -> Self {
        Self {
            servers,
            default,
            default_delay,
        }
    }
}
