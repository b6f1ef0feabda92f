//! A clock that needs no runtime: the timers of the adapters are under test, so tests do not rely on them.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// How long anything may take that has to happen: much longer than it takes on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Waits for what has to happen.
///
/// # Panics
/// If it does not within [`LIMIT`].
#[track_caller]
pub fn soon<F: Future>(future: F) -> Soon<F> {
    Soon {
        future: Box::pin(future),
        pause: pause(LIMIT),
        place: Location::caller(),
    }
}

/// Waits for what may happen; `None` if it does not within this time.
pub async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let mut pause = pause(limit);
    std::future::poll_fn(move |cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        Pin::new(&mut pause).poll(cx).map(|()| None)
    })
    .await
}

/// Done after this time. For the pace of what is published and the like, never in place of an event.
pub fn pause(duration: Duration) -> Pause {
    Pause {
        until: Instant::now() + duration,
        waiting: None,
    }
}

/// What [`soon`] gives.
pub struct Soon<F> {
    future: Pin<Box<F>>,
    pause: Pause,
    place: &'static Location<'static>,
}

impl<F: Future> Future for Soon<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        if let Poll::Ready(output) = this.future.as_mut().poll(cx) {
            return Poll::Ready(output);
        }
        assert!(
            Pin::new(&mut this.pause).poll(cx).is_pending(),
            "waited {LIMIT:?} at {}",
            this.place
        );
        Poll::Pending
    }
}

/// What [`pause`] gives.
pub struct Pause {
    until: Instant,
    /// Who is woken, and its place in the clock's list.
    waiting: Option<(u64, Waker)>,
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.until {
            return Poll::Ready(());
        }
        let known = self.waiting.as_ref();
        if known.is_none_or(|(_, waker)| !waker.will_wake(cx.waker())) {
            let clock = Clock::get();
            self.leave(clock);
            let number = clock.enter(self.until, cx.waker().clone());
            self.waiting = Some((number, cx.waker().clone()));
        }
        Poll::Pending
    }
}

impl Pause {
    fn leave(&mut self, clock: &Clock) {
        if let Some((number, _)) = self.waiting.take() {
            clock.lock().waiting.remove(&(self.until, number));
        }
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        self.leave(Clock::get());
    }
}

struct Clock {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: BTreeMap<(Instant, u64), Waker>,
    next: u64,
}

impl Clock {
    fn get() -> &'static Arc<Self> {
        static CLOCK: OnceLock<Arc<Clock>> = OnceLock::new();
        CLOCK.get_or_init(|| {
            let clock = Arc::new(Clock {
                state: Mutex::default(),
                changed: Condvar::new(),
            });
            let running = clock.clone();
            std::thread::spawn(move || running.run());
            clock
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, until: Instant, waker: Waker) -> u64 {
        let mut state = self.lock();
        state.next += 1;
        let number = state.next;
        state.waiting.insert((until, number), waker);
        drop(state);
        self.changed.notify_all();
        number
    }

    fn run(&self) -> ! {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let later = state.waiting.split_off(&(now, u64::MAX));
            let due = std::mem::replace(&mut state.waiting, later);
            let first = state.waiting.keys().next().map(|(until, _)| *until);
            if !due.is_empty() {
                drop(state);
                due.into_values().for_each(Waker::wake);
                state = self.lock();
                continue;
            }
            let wait = first.map_or(LIMIT, |until| until.saturating_duration_since(now));
            state = self
                .changed
                .wait_timeout(state, wait)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}
