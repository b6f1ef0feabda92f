//! Leaving a server once it has processed what was published.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nats_conn_sm::{StateError, Timestamp};

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
    handle: Arc<Handle>,
    flush: Flush,
    deadline: Timestamp,
    waiting: Option<u64>,
}

impl Reconnecting {
    pub(crate) fn new(handle: &Arc<Handle>, within: Duration) -> Self {
        Self {
            handle: handle.clone(),
            flush: Flush::flush(handle),
            deadline: handle.shared.now() + within,
            waiting: None,
        }
    }
}

impl Future for Reconnecting {
    type Output = Result<bool, StateError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let had_begun = this.flush.has_begun();
        let flushed = Pin::new(&mut this.flush).poll(cx);
        let now = this.handle.shared.now();
        match flushed {
            // The link was lost in the meantime: that server is left already.
            Poll::Ready(Err(_)) if had_begun => return Poll::Ready(Ok(false)),
            Poll::Pending if now < this.deadline => {
                let (waiting, deadline) = (&mut this.waiting, this.deadline);
                // The driver is woken: it has to know of the deadline.
                this.handle.shared.call(|locked| {
                    waiting
                        .take()
                        .into_iter()
                        .for_each(|id| locked.waiting.remove(id));
                    *waiting = Some(locked.waiting.add(Some(deadline), cx.waker()));
                });
                return Poll::Pending;
            }
            _ => {}
        }
        let confirmed = matches!(flushed, Poll::Ready(Ok(())));
        let forced = this
            .handle
            .shared
            .with(|connection, now| connection.force_reconnect(now));
        Poll::Ready(forced.map(|()| confirmed))
    }
}

impl Drop for Reconnecting {
    fn drop(&mut self) {
        if let Some(id) = self.waiting.take() {
            self.handle
                .shared
                .call_quietly(|locked| locked.waiting.remove(id));
        }
    }
}
