//! The bell of the thread that writes.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Wake;
use std::thread::Thread;
use std::time::Instant;

use nats_conn_client::machine::Timestamp;

/// Wakes the thread that writes, and knows until when that thread means to sleep.
#[derive(Debug)]
pub(crate) struct Bell {
    thread: OnceLock<Thread>,
    rung: AtomicBool,
    /// In nanoseconds of the machine. Read and written while the machine is locked.
    planned: AtomicU64,
}

thread_local! {
    /// How many bells were not rung on this thread because it writes itself what it calls for; `None` elsewhere.
    static MUTED: Cell<Option<u32>> = const { Cell::new(None) };
}

impl Bell {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            thread: OnceLock::new(),
            rung: AtomicBool::new(false),
            planned: AtomicU64::new(u64::MAX),
        })
    }

    /// From now on it wakes this thread.
    pub(crate) fn belongs_here(&self) {
        let _ = self.thread.set(std::thread::current());
    }

    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::Release)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    /// Sleeps until it is rung, or until this moment. Only for the thread that it belongs to.
    pub(crate) fn sleep(&self, until: Option<Instant>) {
        while !self.rung.swap(false, Ordering::Acquire) {
            match until {
                None => std::thread::park(),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return;
                    }
                    std::thread::park_timeout(left);
                }
            }
        }
    }

    /// Says until when its thread is about to sleep.
    pub(crate) fn plan(&self, until: Option<Timestamp>) {
        let until = until.map_or(u64::MAX, Timestamp::as_nanos);
        self.planned.store(until, Ordering::Relaxed);
    }

    /// Whether its thread sleeps longer than until this moment.
    pub(crate) fn oversleeps(&self, moment: Timestamp) -> bool {
        moment.as_nanos() < self.planned.load(Ordering::Relaxed)
    }

    /// Calls something on this thread without ringing any bell, and says whether one would have rung.
    pub(crate) fn muted<T>(call: impl FnOnce() -> T) -> (T, bool) {
        let unmute = Unmute(MUTED.replace(Some(0)));
        let answer = call();
        let missed = MUTED.get();
        drop(unmute);
        (answer, missed.is_some_and(|missed| missed > 0))
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        match MUTED.get() {
            Some(missed) => MUTED.set(Some(missed + 1)),
            None => self.ring(),
        }
    }
}

/// Puts back what was, also where the call panics.
struct Unmute(Option<u32>);

impl Drop for Unmute {
    fn drop(&mut self) {
        MUTED.set(self.0);
    }
}
