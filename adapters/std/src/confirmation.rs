//! Confirmations: the server has processed what was sent.

use std::pin::pin;
use std::time::Duration;

use nats_conn_client::{FlushError, StateError};

use crate::holders::Holders;
use crate::waiting::wait;

/// Done when the server has processed everything that was published before it, on the same link. If that link is
/// lost first, or there is none, it fails: a later link never completes it.
pub type Flush = Confirmation<()>;

/// The time between the sending of a PING and its PONG.
pub type RoundTrip = Confirmation<Duration>;

/// Something that the server confirms once. It has begun when it exists; dropping it only stops the waiting.
#[derive(Debug)]
#[must_use = "wait for it to learn whether the server has confirmed"]
pub struct Confirmation<T> {
    inner: nats_conn_client::Confirmation<T>,
    // Dropped after what it waits for the end of.
    _holders: Holders,
}

impl<T> Confirmation<T> {
    pub(crate) fn new(inner: nats_conn_client::Confirmation<T>, holders: Holders) -> Self {
        Self {
            inner,
            _holders: holders,
        }
    }

    /// Waits for it.
    ///
    /// # Errors
    /// There is no link, or it was lost first.
    pub fn wait(self) -> Result<T, FlushError> {
        let Self { inner, _holders } = self;
        wait(pin!(inner))
    }
}

/// Leaves the present server once it has confirmed what was published, or when the time for that is up. The flush has
/// begun when this exists; the server is left when it is waited for.
#[derive(Debug)]
#[must_use = "the server is not left until `wait` is called"]
pub struct Reconnecting {
    inner: nats_conn_client::Reconnecting,
    // Dropped after what it waits for the end of.
    _holders: Holders,
}

impl Reconnecting {
    pub(crate) fn new(inner: nats_conn_client::Reconnecting, holders: Holders) -> Self {
        Self {
            inner,
            _holders: holders,
        }
    }

    /// Waits for the confirmation, and leaves. It gives whether everything was confirmed.
    ///
    /// # Errors
    /// The connection is closed or draining.
    pub fn wait(self) -> Result<bool, StateError> {
        let Self { inner, _holders } = self;
        wait(pin!(inner))
    }
}
