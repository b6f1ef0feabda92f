//! A thread that sleeps until it is called.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

use crate::core::lock::lock;

thread_local! {
    // One waker for all that this thread waits for: by it others know the thread.
    static THIS_THREAD: (Arc<Parked>, Waker) = {
        let parked = Arc::new(Parked {
            thread: std::thread::current(),
            woken: AtomicBool::new(false),
            counted: Mutex::new(None),
        });
        (parked.clone(), parked.into())
    };
}

pub(crate) struct Parked {
    thread: Thread,
    woken: AtomicBool,
    counted: Mutex<Option<Counted>>,
}

impl Parked {
    /// Calls this with what stands for this thread, and the waker that calls it.
    pub(crate) fn here<T>(call: impl FnOnce(&Self, &Waker) -> T) -> T {
        THIS_THREAD.with(|(parked, waker)| call(parked, waker))
    }

    /// Sleeps until woken; `false` if the deadline came first.
    pub(crate) fn park(&self, deadline: Option<Instant>) -> bool {
        while !self.woken.swap(false, Ordering::Acquire) {
            match deadline {
                None => std::thread::park(),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    std::thread::park_timeout(left);
                }
            }
        }
        true
    }
}

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *lock(&self.counted) = None;
        if !self.woken.swap(true, Ordering::Release) {
            self.thread.unpark();
        }
    }
}

/// How many threads wait for something of the same kind. Who is woken does not wait any more from then on, whenever it
/// runs: so whoever delivers something knows whether others wait on.
#[derive(Clone, Debug, Default)]
pub struct Listening(Arc<AtomicUsize>);

impl Listening {
    /// Whether none does. Others are seen if what they did after they [`began`](Self::begin) was seen, such as that a lock
    /// was free again.
    pub fn is_nobody(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// This thread waits from now on, until its waker is called for whatever reason. It waits for one thing at a time.
    pub fn begin(&self) {
        Parked::here(|parked, _| {
            let mut counted = lock(&parked.counted);
            let already = counted.as_ref();
            if !already.is_some_and(|counted| Arc::ptr_eq(&counted.0.0, &self.0)) {
                *counted = Some(Counted::new(self));
            }
        });
    }

    /// This thread does not wait any more, for whatever it did.
    pub fn end() {
        Parked::here(|parked, _| *lock(&parked.counted) = None);
    }
}

/// One more while it lives.
struct Counted(Listening);

impl Counted {
    fn new(among: &Listening) -> Self {
        among.0.fetch_add(1, Ordering::Relaxed);
        Self(among.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wake_this_thread() {
        Parked::here(|_, waker| waker.wake_by_ref());
    }

    #[test]
    fn a_thread_listens_to_one_thing_at_a_time_until_it_is_woken_or_stops() {
        let (one, other) = (Listening::default(), Listening::default());
        let listen = || (!one.is_nobody(), !other.is_nobody());
        assert_eq!(listen(), (false, false));
        one.begin();
        one.clone().begin();
        assert_eq!(listen(), (true, false));
        wake_this_thread();
        assert_eq!(listen(), (false, false), "it was counted once");
        one.begin();
        other.begin();
        assert_eq!(listen(), (false, true));
        Listening::end();
        assert_eq!(listen(), (false, false));
    }

    #[test]
    fn each_thread_counts() {
        let listening = Listening::default();
        listening.begin();
        std::thread::scope(|threads| {
            let other = threads.spawn(|| {
                listening.begin();
                wake_this_thread();
            });
            other.join().expect("it ran");
        });
        assert!(!listening.is_nobody());
        Listening::end();
        assert!(listening.is_nobody());
    }
}
