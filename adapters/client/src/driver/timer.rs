//! The one timer of a driver.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use crate::core::lock::remember;
use crate::driver::runtime::Runtime;

/// So much before its moment a timer is asked whether it went off: those of runtimes are rounded.
const ROUNDED: Duration = Duration::from_millis(5);

/// One timer, armed again only when the next moment is earlier than the one it is armed for, or when it went off.
pub(crate) struct Timer<R: Runtime> {
    armed: Option<(Instant, Pin<Box<R::Sleep>>)>,
    /// Whom it wakes.
    waker: Option<Waker>,
}

impl<R: Runtime> Timer<R> {
    /// A timer that is not armed.
    pub(crate) const fn new() -> Self {
        Self {
            armed: None,
            waker: None,
        }
    }

    /// Looks whether it went off; then it is not armed any more. To be called whenever its driver is polled: what it is armed
    /// for knows whom to wake then. It is not asked long before its moment, unless it has to be told that.
    pub(crate) fn poll(&mut self, now: Instant, cx: &mut Context<'_>) {
        let Some((moment, sleep)) = &mut self.armed else {
            return;
        };
        let knows = self
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()));
        if knows && *moment > now + ROUNDED {
            return;
        }
        remember(&mut self.waker, cx.waker());
        if sleep.as_mut().poll(cx).is_ready() {
            self.armed = None;
        }
    }

    /// Sleeps until this moment at the latest. `false` if it is there already.
    ///
    /// One that is armed for an earlier moment was [polled](Self::poll) in this poll of its driver, and wakes it.
    pub(crate) fn sleep(
        &mut self,
        runtime: &R,
        until: Option<Instant>,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> bool {
        let Some(until) = until else { return true };
        if until <= now {
            return false;
        }
        if self.armed.as_ref().is_none_or(|(armed, _)| *armed > until) {
            self.armed = Some((until, Box::pin(runtime.sleep_until(until))));
            self.waker = None;
            self.poll(now, cx);
        }
        self.armed.is_some()
    }
}
