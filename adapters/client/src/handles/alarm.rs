//! Being woken at a moment, whatever else is waited for.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nats_conn_sm::Timestamp;

use crate::core::waiting::Ticket;
use crate::error::next::NextError;
use crate::handles::handle::Handle;

/// A moment at which whoever waits for something else gives up. It keeps the connection open.
#[derive(Debug)]
pub(crate) struct Alarm {
    pub(crate) handle: Arc<Handle>,
    deadline: Option<Timestamp>,
    waiting: Option<Ticket>,
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
        let rings_first = self.handle.shared.call_quietly(|locked| {
            let first = locked.alarms.next_deadline();
            *waiting = Some(locked.alarms.renew(waiting.take(), Some(deadline), cx.waker()));
            first.is_none_or(|first| deadline < first)
        });
        // Otherwise the driver sleeps no longer than until another one, and looks for the next then.
        if rings_first {
            self.handle.shared.wake_driver();
        }
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
        if let Some(ticket) = self.waiting.take() {
            self.handle
                .shared
                .call_quietly(|locked| locked.alarms.remove(ticket));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Wake, Waker};

    use nats_proto::Subject;

    use super::*;
    use crate::ConnectOptions;
    use crate::handles::inboxes::Inboxes;

    #[derive(Default)]
    struct Driver(AtomicBool);

    impl Wake for Driver {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_driver_is_woken_for_the_alarm_that_rings_first_and_for_no_other_and_not_twice() {
        let prepared = ConnectOptions::<()>::default().prepare().expect("usable");
        let handle = &Arc::new(Handle {
            shared: prepared.parts.shared,
            inboxes: Inboxes::new(Subject::from_static("_INBOX"), [0; 32]),
        });
        let driver = Arc::<Driver>::default();
        let wakes = |alarm: &mut Alarm| {
            let _ = handle.shared.drive(|turn| turn.sleep(&driver.clone().into()));
            assert!(alarm.poll(&Context::from_waker(Waker::noop())).is_pending());
            driver.0.swap(false, Ordering::Relaxed)
        };
        let after = |seconds| {
            let mut alarm = Alarm::new(handle);
            alarm.set(Duration::from_secs(seconds));
            alarm
        };
        let (mut second, mut third, mut first) = (after(200), after(300), after(100));
        assert!(wakes(&mut second));
        assert!(!wakes(&mut second), "it is known");
        assert!(!wakes(&mut third), "another is earlier");
        assert!(wakes(&mut first));
        first.set(Duration::from_secs(50));
        assert!(wakes(&mut first), "earlier than before");
    }

    #[test]
    fn an_alarm_that_is_dropped_rings_for_nobody() {
        let prepared = ConnectOptions::<()>::default().prepare().expect("usable");
        let handle = &Arc::new(Handle {
            shared: prepared.parts.shared,
            inboxes: Inboxes::new(Subject::from_static("_INBOX"), [0; 32]),
        });
        let waiting = || handle.shared.call_quietly(|locked| locked.alarms.len());
        let mut alarm = Alarm::new(handle);
        let cx = Context::from_waker(Waker::noop());
        assert!(alarm.poll(&cx).is_pending());
        assert_eq!(waiting(), 0, "without a moment nothing rings");
        alarm.set(Duration::from_secs(600));
        for _ in 0..2 {
            assert!(alarm.poll(&cx).is_pending());
            assert_eq!(waiting(), 1);
        }
        drop(alarm);
        assert_eq!(waiting(), 0);
    }
}
