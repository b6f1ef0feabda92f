//! The one timer of a driver.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Instant;

use crate::driver::runtime::Runtime;

/// One timer, armed again only when the next moment is earlier than the one it is armed for, or when it went off.
pub(crate) struct Timer<R: Runtime> {
    armed: Option<(Instant, Pin<Box<R::Sleep>>)>,
}

impl<R: Runtime> Timer<R> {
    /// A timer that is not armed.
    pub(crate) const fn new() -> Self {
        Self { armed: None }
    }

    /// Whether it went off.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((_, sleep)) = &mut self.armed else {
            return false;
        };
        if sleep.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.armed = None;
        true
    }

    /// Sleeps until this moment at the latest. `false` if it is there already.
    pub(crate) fn sleep(&mut self, runtime: &R, until: Option<Instant>, cx: &mut Context<'_>) -> bool {
        let Some(until) = until else { return true };
        if self.armed.as_ref().is_none_or(|(armed, _)| *armed > until) {
            self.armed = Some((until, Box::pin(runtime.sleep_until(until))));
        }
        !self.poll(cx)
    }
}
