//! The end of a connection, as a future.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use nats_conn_sm::ClosedReason;

use crate::core::locked::Locked;
use crate::core::shared::Shared;
use crate::core::waiting::{Ticket, Waiting};

/// Done when the connection is closed and its driver has ended. It does not keep the connection open.
#[derive(Debug)]
#[must_use = "await it to learn when and why the connection closed"]
pub struct Closing {
    shared: Arc<Shared>,
    waiting: Option<Ticket>,
    /// Whoever awaits it drains the connection.
    drains: bool,
}

impl Closing {
    /// The end, for whatever reason.
    ///
    /// # Cancel safety
    /// Dropping it only stops the waiting.
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: shared.clone(),
            waiting: None,
            drains: false,
        }
    }

    /// The same, for whoever drains: a drain waits no more than 1 s for a subscription that was last polled by the task,
    /// or the thread, that polls this.
    ///
    /// # Cancel safety
    /// Dropping it only stops the waiting: the drain goes on.
    pub fn of_drain(shared: &Arc<Shared>) -> Self {
        let mut closing = Self::new(shared);
        closing.drains = true;
        closing
    }

    /// Among whom to wait.
    fn watchers<'a>(&self, locked: &'a mut Locked) -> &'a mut Waiting {
        if self.drains {
            locked.draining.awaiting()
        } else {
            &mut locked.watchers
        }
    }
}

impl Future for Closing {
    type Output = ClosedReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ClosedReason> {
        let waited = self.waiting.take();
        let watch = |locked: &mut Locked| {
            let ended = locked.ended();
            let watchers = self.watchers(locked);
            // Whoever polled it before does not wait any more.
            waited.into_iter().for_each(|ticket| watchers.remove(ticket));
            let waiting = ended.is_none().then(|| watchers.add(None, cx.waker()));
            (ended, waiting)
        };
        // Who awaits a drain makes a difference to it.
        let (ended, waiting) = if self.drains && waited.is_none() {
            self.shared.call(watch)
        } else {
            self.shared.call_quietly(watch)
        };
        self.waiting = waiting;
        ended.map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        if let Some(ticket) = self.waiting.take() {
            self.shared
                .call_quietly(|locked| self.watchers(locked).remove(ticket));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Wake, Waker};

    use super::*;
    use crate::ConnectOptions;

    struct Somebody;

    impl Wake for Somebody {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn who_waits_for_the_end_again_and_again_is_remembered_once() {
        let prepared = ConnectOptions::<()>::default().prepare().unwrap();
        let shared = prepared.client.shared().clone();
        let waiting = || shared.call_quietly(|locked| locked.watchers.len());
        {
            let mut closed = pin!(Closing::new(&shared));
            for _ in 0..100 {
                let waker = Waker::from(Arc::new(Somebody));
                assert!(
                    closed
                        .as_mut()
                        .poll(&mut Context::from_waker(&waker))
                        .is_pending()
                );
            }
            assert_eq!(waiting(), 1);
        }
        assert_eq!(waiting(), 0, "nobody waits any more");
    }

    #[test]
    fn the_end_is_told_to_all_who_wait() {
        let prepared = ConnectOptions::<()>::default().prepare().unwrap();
        let (mut first, mut second) = (pin!(prepared.client.closed()), pin!(prepared.client.closed()));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(first.as_mut().poll(&mut cx).is_pending() && second.as_mut().poll(&mut cx).is_pending());
        prepared.client.shared().finish(false);
        assert_eq!(first.poll(&mut cx), Poll::Ready(ClosedReason::DriverFailed));
        assert_eq!(second.poll(&mut cx), Poll::Ready(ClosedReason::DriverFailed));
    }
}
