//! Panics in callbacks of the application: they fail what the callback was asked for, not the connection.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use nats_conn_sm::LinkEnd;

/// Calls the application: the text of its panic, if it panics.
///
/// # Errors
/// The text of the panic.
pub fn caught<T>(call: impl FnOnce() -> T) -> Result<T, Box<str>> {
    // What a panic leaves half done belongs to the application; of ours nothing is touched by the call.
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| text(&*panic))
}

/// What a panicking callback is to an attempt; `whose` is its name, as in "the connector".
pub fn panicked(whose: &str, text: &str) -> LinkEnd {
    LinkEnd::Dial {
        kind: "callback_panicked",
        detail: format!("{whose} panicked: {text}").into(),
    }
}

fn text(panic: &(dyn Any + Send)) -> Box<str> {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(without a text)")
        .into()
}

/// Wakes them all, also where one of them panics, which happens afterwards: wakers belong to executors, and one that is
/// broken must not leave the others asleep for ever.
pub(crate) fn wake_all(mut wakers: Vec<Waker>) {
    wake_each(&mut wakers);
}

/// The same for a place that is kept for the next ones.
pub(crate) fn wake_each(wakers: &mut Vec<Waker>) {
    let mut panic = None;
    // Every one is woken before the first panic goes on.
    for waker in wakers.drain(..) {
        let woken = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        panic = panic.or(woken.err());
    }
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

/// A future of the application's that gives the text of its panic, if it panics.
pub(crate) struct Caught<F>(Pin<Box<F>>);

impl<F: Future> Caught<F> {
    pub(crate) fn new(future: F) -> Self {
        Self(Box::pin(future))
    }
}

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, Box<str>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match caught(|| self.0.as_mut().poll(cx)) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(text) => Poll::Ready(Err(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Sleeper {
        broken: bool,
        woken: AtomicUsize,
    }

    impl Wake for Sleeper {
        fn wake(self: Arc<Self>) {
            assert!(!self.broken, "on purpose");
            self.woken.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn who_is_woken_after_a_broken_one_is_woken_and_the_panic_is_not_lost() {
        let sleeper = |broken| {
            Arc::new(Sleeper {
                broken,
                ..Sleeper::default()
            })
        };
        let all = [false, true, false, true, false].map(sleeper);
        let wakers = all.iter().cloned().map(Waker::from).collect();
        assert_eq!(caught(|| wake_all(wakers)), Err("on purpose".into()));
        let woken = all.map(|sleeper| sleeper.woken.load(Ordering::SeqCst));
        assert_eq!(woken, [1, 0, 1, 0, 1]);
    }

    #[test]
    fn the_text_of_a_panic_is_kept_whatever_it_was_made_of() {
        let number = 7;
        assert_eq!(caught(|| panic!("plain")), Err::<(), _>("plain".into()));
        assert_eq!(
            caught(|| panic!("formatted {number}")),
            Err::<(), _>("formatted 7".into())
        );
        let odd = caught(|| std::panic::panic_any(number));
        assert_eq!(odd, Err::<(), _>("(without a text)".into()));
        assert_eq!(caught(|| number), Ok(7));
    }
}
