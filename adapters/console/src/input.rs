//! Lines of standard input, read by a thread of their own, so that no runtime has to know how.

use std::collections::VecDeque;
use std::io::BufRead;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Lines that were read and not yet taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Input {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    ended: bool,
    waker: Option<Waker>,
}

/// Begins to read standard input.
pub(crate) fn standard_input() -> Input {
    let input = Input::default();
    let reader = input.clone();
    std::thread::spawn(move || reader.read(std::io::stdin().lock()));
    input
}

impl Input {
    /// The next line without its end; `None` at the end of input.
    pub(crate) fn poll_line(&self, cx: &mut Context<'_>) -> Poll<Option<Vec<u8>>> {
        let mut state = self.lock();
        if let Some(line) = state.lines.pop_front() {
            return Poll::Ready(Some(line));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, mut source: impl BufRead) {
        loop {
            let mut line = Vec::new();
            let ended = !matches!(source.read_until(b'\n', &mut line), Ok(1..));
            let waker = {
                let mut state = self.lock();
                if ended {
                    state.ended = true;
                } else {
                    while let Some(b'\n' | b'\r') = line.last() {
                        line.pop();
                    }
                    state.lines.push_back(line);
                }
                state.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
            if ended {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_without_their_ends_and_then_the_end() {
        let input = Input::default();
        input.read(&b"one\r\n\ntwo"[..]);
        let mut cx = Context::from_waker(Waker::noop());
        let mut next = || input.poll_line(&mut cx);
        assert_eq!(next(), Poll::Ready(Some(b"one".to_vec())));
        assert_eq!(next(), Poll::Ready(Some(Vec::new())));
        assert_eq!(next(), Poll::Ready(Some(b"two".to_vec())));
        assert_eq!(next(), Poll::Ready(None));
    }
}
