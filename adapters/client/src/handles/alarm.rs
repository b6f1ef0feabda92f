//! Being woken at a moment, whatever else is waited for.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nats_conn_sm::Timestamp;

use crate::error::next::NextError;
use crate::handles::handle::Handle;

/// A moment at which whoever waits for something else gives up. It keeps the connection open.
#[derive(Debug)]
pub(crate) struct Alarm {
    pub(crate) handle: Arc<Handle>,
    deadline: Option<Timestamp>,
    waiting: Option<u64>,
}

impl Alarm {
    /// No moment yet: it never rings.
    pub(crate) fn new(handle: &Arc<Handle>) -> Self {
        Self {
            handle: handle.clone(),
            deadline: None,
            waiting: None,
        }
    }

    /// It rings after so long, counted from now.
    pub(crate) fn set(&mut self, after: Duration) {
        self.deadline = Some(self.handle.shared.now() + after);
    }

    /// Ready when the moment has come; else the waker is kept until it does.
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else {
            return Poll::Pending;
        };
        if deadline <= self.handle.shared.now() {
            return Poll::Ready(());
        }
        let waiting = &mut self.waiting;
        // The driver is woken: it has to know of the deadline.
        self.handle.shared.call(|locked| {
            if let Some(id) = waiting.take() {
                locked.waiting.remove(id);
            }
            *waiting = Some(locked.waiting.add(Some(deadline), cx.waker()));
        });
        Poll::Pending
    }
}

/// The next one of what is polled, for so long at most.
pub(crate) async fn next_within<T>(
    handle: &Arc<Handle>,
    timeout: Duration,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<Option<T>>,
) -> Result<T, NextError> {
    let mut alarm = Alarm::new(handle);
    alarm.set(timeout);
    poll_fn(|cx| match poll(cx) {
        Poll::Ready(next) => Poll::Ready(next.ok_or(NextError::Ended)),
        Poll::Pending => alarm.poll(cx).map(|()| Err(NextError::TimedOut)),
    })
    .await
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(id) = self.waiting.take() {
            self.handle
                .shared
                .call_quietly(|locked| locked.waiting.remove(id));
        }
    }
}
