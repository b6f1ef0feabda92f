//! Who writes: one thread at a time, and which is the next.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use crate::bell::Bell;
use crate::outlet::Outlet;

/// The outlet, which nobody waits for. The thread that writes comes back when it is rung for; others, who only lend a hand,
/// go on without it.
///
/// **No wake-up is lost.** The thread that writes leaves word before it looks a second time, and whoever has the outlet
/// looks for word after giving it back: with a fence between the two steps on each side, one of them sees the other.
///
/// **The thread that writes is not kept away.** As long as its word is there nobody else gets the outlet. So it has to
/// wait for one write of another thread at most, which takes a [`SLICE`](crate::outlet::SLICE) where the peer does not
/// read.
pub(crate) struct Writing {
    outlet: Mutex<Outlet>,
    /// The word that the thread that writes leaves: it has been here, and waits to be rung for.
    word: AtomicBool,
    bell: Arc<Bell>,
}

impl Writing {
    pub(crate) fn new(outlet: Outlet, bell: Arc<Bell>) -> Self {
        Self {
            outlet: Mutex::new(outlet),
            word: AtomicBool::new(false),
            bell,
        }
    }

    /// For the thread that writes. `None` while another one has it, which rings the bell when it is done.
    pub(crate) fn take(&self) -> Option<MutexGuard<'_, Outlet>> {
        let outlet = self.try_lock().or_else(|| {
            self.word.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            self.try_lock()
        })?;
        self.word.store(false, Ordering::Relaxed);
        Some(outlet)
    }

    /// For any other thread. `None` while somebody has it, or the thread that writes is the next.
    pub(crate) fn lend<T>(&self, write: impl FnOnce(&mut Outlet) -> T) -> Option<T> {
        if self.word.load(Ordering::Relaxed) {
            return None;
        }
        // Dropped after the outlet is given back, also by a panic.
        let _looks = LooksForWord(self);
        let mut outlet = self.try_lock()?;
        Some(write(&mut outlet))
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Outlet>> {
        match self.outlet.try_lock() {
            Ok(outlet) => Some(outlet),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// Rings for the thread that writes if it was there meanwhile.
struct LooksForWord<'a>(&'a Writing);

impl Drop for LooksForWord<'_> {
    fn drop(&mut self) {
        fence(Ordering::SeqCst);
        if self.0.word.load(Ordering::Relaxed) {
            self.0.bell.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;
    use std::time::Instant;

    use nats_conn_client::machine::LinkId;

    use super::*;

    fn writing() -> (Writing, Arc<Bell>) {
        let bell = Arc::<Bell>::default();
        let outlet = Outlet::new(LinkId::from_u64(0));
        (Writing::new(outlet, bell.clone()), bell)
    }

    fn has_rung(bell: &Bell) -> bool {
        bell.sleep(Some(Instant::now()))
    }

    /// What the thread that writes gets.
    fn takes(writing: &Writing) -> bool {
        thread::scope(|threads| threads.spawn(|| writing.take().is_some()).join().unwrap())
    }

    #[test]
    fn the_thread_that_writes_is_rung_for_if_it_came_meanwhile_and_then_it_is_the_next() {
        let (writing, bell) = writing();
        let came = writing.lend(|_| {
            let got = takes(&writing);
            (got, has_rung(&bell))
        });
        assert_eq!(came, Some((false, false)));
        assert!(has_rung(&bell));
        assert!(writing.lend(|_| ()).is_none(), "its turn has not come yet");
        assert!(takes(&writing));
        assert!(writing.lend(|_| ()).is_some());
        assert!(!has_rung(&bell), "nobody came meanwhile");
    }

    #[test]
    fn whoever_comes_while_the_thread_that_writes_is_at_it_goes_on_without() {
        let (writing, bell) = writing();
        let outlet = writing.take().unwrap();
        assert!(writing.lend(|_| ()).is_none());
        drop(outlet);
        assert!(writing.lend(|_| ()).is_some());
        assert!(!has_rung(&bell));
    }

    #[test]
    fn a_panic_gives_the_outlet_back_and_rings() {
        let (writing, bell) = writing();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            writing.lend(|_| {
                assert!(!takes(&writing));
                panic!("on purpose");
            })
        }));
        assert!(panicked.is_err() && has_rung(&bell) && takes(&writing));
        assert!(writing.lend(|_| ()).is_some());
    }
}
