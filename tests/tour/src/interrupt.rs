//! Ctrl-C, without a runtime.

use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

#[derive(Default)]
struct State {
    happened: bool,
    waker: Option<Waker>,
}

/// Done when Ctrl-C was pressed. To be asked for once.
pub(super) fn interrupted() -> Result<impl Future<Output = ()>, ctrlc::Error> {
    let state = Arc::new(Mutex::new(State::default()));
    let handled = state.clone();
    ctrlc::set_handler(move || {
        let mut state = handled.lock().unwrap_or_else(PoisonError::into_inner);
        state.happened = true;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    })?;
    Ok(poll_fn(move |cx| {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.happened {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }))
}
