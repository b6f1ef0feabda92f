//! Confirmations: the server has processed what was sent.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nats_conn_sm::FlushError;

use crate::core::oneshot::Oneshot;
use crate::handles::handle::Handle;

/// Done when the server has processed everything that was published before it, on the same link. If that link is
/// lost first, or there is none, it fails: a later link never completes it.
pub type Flush = Confirmation<()>;

/// The time between the sending of a PING and its PONG.
pub type RoundTrip = Confirmation<Duration>;

/// Something that the server confirms once. It has begun when it exists; dropping it only stops the waiting.
#[derive(Debug)]
#[must_use = "await it to learn whether the server has confirmed"]
pub struct Confirmation<T> {
    slot: Option<Arc<Oneshot<Result<T, FlushError>>>>,
    refused: FlushError,
    /// Keeps the connection open.
    _handle: Arc<Handle>,
}

impl Confirmation<()> {
    pub(crate) fn flush(handle: &Arc<Handle>) -> Self {
        let now = handle.shared.now();
        let slot = Oneshot::new();
        let begun = handle.shared.call(|locked| {
            let flush = locked.connection.flush(now)?;
            locked.routes.flushes.insert(flush, slot.clone());
            Ok(())
        });
        Self::begun(begun, slot, handle)
    }
}

impl Confirmation<Duration> {
    pub(crate) fn round_trip(handle: &Arc<Handle>) -> Self {
        let now = handle.shared.now();
        let slot = Oneshot::new();
        let begun = handle.shared.call(|locked| {
            let round_trip = locked.connection.rtt(now)?;
            locked.routes.round_trips.insert(round_trip, slot.clone());
            Ok(())
        });
        Self::begun(begun, slot, handle)
    }
}

impl<T> Confirmation<T> {
    /// Whether the server was asked, and it is not settled.
    pub(crate) fn has_begun(&self) -> bool {
        self.slot.is_some()
    }

    fn begun(
        begun: Result<(), FlushError>,
        slot: Arc<Oneshot<Result<T, FlushError>>>,
        handle: &Arc<Handle>,
    ) -> Self {
        let (slot, refused) = match begun {
            Ok(()) => (Some(slot), FlushError::Closed),
            Err(error) => (None, error),
        };
        Self {
            slot,
            refused,
            _handle: handle.clone(),
        }
    }
}

impl<T> Future for Confirmation<T> {
    type Output = Result<T, FlushError>;

    /// Polled again after its end it says that the connection is closed; where it had not begun, again why.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(slot) = &self.slot else {
            return Poll::Ready(Err(self.refused));
        };
        let Poll::Ready(result) = slot.poll(cx) else {
            return Poll::Pending;
        };
        self.slot = None;
        Poll::Ready(result)
    }
}
