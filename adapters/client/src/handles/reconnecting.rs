//! Leaving a server once it has processed what was published.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nats_conn_sm::StateError;

use crate::handles::alarm::Alarm;
use crate::handles::confirmation::Flush;
use crate::handles::handle::Handle;

/// Leaves the present server once it has confirmed what was published, or when the time for that is up. The flush has
/// begun when this exists; the server is left when it is awaited. It gives whether everything was confirmed.
///
/// # Cancel safety
/// Dropped before it is done, the server is not left; what was published is flushed all the same.
#[derive(Debug)]
#[must_use = "the server is not left unless it is awaited"]
pub struct Reconnecting {
    flush: Flush,
    alarm: Alarm,
    done: bool,
}

impl Reconnecting {
    pub(crate) fn new(handle: &Arc<Handle>, within: Duration) -> Self {
        let flush = Flush::flush(handle);
        let mut alarm = Alarm::new(handle);
        alarm.set(within);
        Self {
            flush,
            alarm,
            done: false,
        }
    }
}

impl Future for Reconnecting {
    type Output = Result<bool, StateError>;

    /// Polled again after its end it does nothing, and says that the connection is closed.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.done {
            return Poll::Ready(Err(StateError::Closed));
        }
        let had_begun = this.flush.has_begun();
        let flushed = Pin::new(&mut this.flush).poll(cx);
        if flushed.is_pending() && this.alarm.poll(cx).is_pending() {
            return Poll::Pending;
        }
        this.done = true;
        // The link was lost in the meantime: that server is left already.
        if had_begun && matches!(flushed, Poll::Ready(Err(_))) {
            return Poll::Ready(Ok(false));
        }
        let confirmed = matches!(flushed, Poll::Ready(Ok(())));
        let shared = &this.alarm.handle.shared;
        let forced = shared.with(|connection, now| connection.force_reconnect(now));
        Poll::Ready(forced.map(|()| confirmed))
    }
}
