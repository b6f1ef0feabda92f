//! What happens to a connection, for everybody who asked.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::core::event::ClientEvent;
use crate::core::hub::EventSlot;

/// A stream of everything that happens from the moment at which it was asked for; the first that is asked for after
/// `connect` begins where the connection did.
///
/// Every holder gets every event. A holder that falls behind by more than
/// [`ConnectOptions::event_capacity`](crate::ConnectOptions::event_capacity) events misses some, and learns how
/// many and where from [`ClientEvent::Missed`]; `Closed` is never missed. The stream ends after `Closed`. It does
/// not keep the connection open.
#[derive(Debug)]
#[must_use = "the events from its beginning on are lost with it"]
pub struct Events {
    slot: Arc<EventSlot>,
}

impl Events {
    pub(crate) fn new(slot: Arc<EventSlot>) -> Self {
        Self { slot }
    }

    pub(crate) fn into_slot(self) -> Arc<EventSlot> {
        self.slot
    }

    /// The next event; `None` after `Closed`.
    ///
    /// # Cancel safety
    /// Dropping the future loses no event: the next call gives it.
    pub async fn next(&mut self) -> Option<ClientEvent> {
        std::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    /// The next event if there is one already.
    pub fn try_next(&mut self) -> Option<ClientEvent> {
        self.slot.try_next()
    }

    /// The next event, if there is one; else the waker is kept until there is.
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<ClientEvent>> {
        self.slot.poll(cx)
    }
}

impl Stream for Events {
    type Item = ClientEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ClientEvent>> {
        self.poll_event(cx)
    }
}
