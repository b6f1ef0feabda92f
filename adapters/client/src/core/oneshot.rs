//! A place for one answer, and for whoever waits for it.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::core::lock::lock;

/// Where one answer is put once and taken once.
#[derive(Debug)]
pub(crate) struct Oneshot<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    answer: Option<T>,
    waker: Option<Waker>,
}

impl<T> Oneshot<T> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                answer: None,
                waker: None,
            }),
        })
    }

    /// Puts the answer there. The waker, if any, is to be woken when no lock is held any more.
    #[must_use = "who waits is to be woken"]
    pub(crate) fn put(&self, answer: T) -> Option<Waker> {
        let mut state = lock(&self.state);
        state.answer = Some(answer);
        state.waker.take()
    }

    /// Takes the answer; while there is none, the waker is kept.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<T> {
        let mut state = lock(&self.state);
        if let Some(answer) = state.answer.take() {
            return Poll::Ready(answer);
        }
        crate::core::lock::remember(&mut state.waker, cx.waker());
        Poll::Pending
    }
}
