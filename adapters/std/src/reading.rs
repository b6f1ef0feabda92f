//! Who reads a link: one thread at a time.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nats_conn_client::driver::lock;
use nats_conn_client::machine::LinkEnd;

use crate::bell::Bell;

/// How long a thread that waits for an answer or a message reads at most while nothing comes. Then the thread that reads
/// goes on, and this one sleeps until what it waits for is there, whoever brings it.
pub(crate) const PATIENCE: Duration = Duration::from_millis(20);
/// How long nobody reads at most, where nobody waits for anything.
const UNREAD: Duration = Duration::from_millis(10);

/// What reads a link, on whichever thread that has it.
pub(crate) trait Reads: Send {
    /// Reads once, and delivers what came. Says whether to go on; if not, what is to be done is for the thread that reads.
    fn read(&mut self) -> bool;
    /// Waits until reading may go on; how the link has ended, if it has.
    fn catch_up(&mut self) -> Option<LinkEnd>;
    /// Whether nobody waits for anything that reading brings.
    fn is_idle(&self) -> bool;
    /// It panicked while it read.
    fn panicked(&self);
}

/// The right to read a link.
///
/// A link has a thread that reads. Where nobody waits for anything any more, and somebody wanted to read himself, that
/// thread lays the right down, and whoever waits for a reply or a message takes it up: a thread less to wake for each,
/// which costs several times what reading does. Where somebody waits it is read: whoever finds that another reads says so,
/// and is heard at the latest when that one is done, under the same lock. Where nobody does, what comes is read after
/// [`UNREAD`], and from then on at once, until somebody wants to read himself again.
pub(crate) struct Reading {
    right: Mutex<Right>,
    /// What the thread that reads sleeps on.
    bell: Arc<Bell>,
}

struct Right {
    holder: Holder,
    /// How often it was taken up.
    taken: u64,
}

enum Holder {
    /// Somebody reads.
    Somebody {
        /// Whether the thread that reads is to go on after that.
        goes_on: bool,
        /// Somebody wanted to read himself meanwhile.
        wanted: bool,
    },
    Nobody(Box<dyn Reads>),
}

impl Holder {
    /// Somebody, of whom nothing is wanted yet.
    const KEPT: Self = Self::Somebody {
        goes_on: false,
        wanted: false,
    };
}

impl Reading {
    pub(crate) fn new() -> Self {
        Self {
            right: Mutex::new(Right {
                holder: Holder::KEPT,
                taken: 0,
            }),
            bell: Arc::default(),
        }
    }

    /// What the thread that reads sleeps on.
    pub(crate) fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    /// Somebody waits for something, or something has happened that reading tells: the link is read.
    pub(crate) fn go_on(&self) {
        let mut right = lock(&self.right);
        match &mut right.holder {
            Holder::Somebody { goes_on, .. } => *goes_on = true,
            Holder::Nobody(_) => {
                drop(right);
                self.bell.ring();
            }
        }
    }

    /// Whether there is somebody who would read himself, so that it is worth while to lay the right down.
    pub(crate) fn is_wanted(&self) -> bool {
        matches!(lock(&self.right).holder, Holder::Somebody { wanted: true, .. })
    }

    /// Whoever has the right is about to have a turn: for what those wait who have said so until now, the turn sees.
    pub(crate) fn begin_turn(&self) {
        if let Holder::Somebody { goes_on, .. } = &mut lock(&self.right).holder {
            *goes_on = false;
        }
    }

    /// For a thread that waits: the right to read, if nobody has it. If somebody has, the link is read until the thread that
    /// reads finds that nobody waits.
    pub(crate) fn take_up(&self) -> Option<Borrowed<'_>> {
        let mut right = lock(&self.right);
        let before = std::mem::replace(&mut right.holder, Holder::KEPT);
        let Holder::Nobody(reader) = before else {
            right.holder = Holder::Somebody {
                goes_on: true,
                wanted: true,
            };
            return None;
        };
        right.taken += 1;
        Some(Borrowed {
            reading: self,
            reader: Some(reader),
            reads: false,
            done: false,
        })
    }

    /// For the thread that reads, when nobody waits for anything: lets others read, and comes back when it is to go on.
    pub(crate) fn lay_down(&self, reader: Box<dyn Reads>) -> Box<dyn Reads> {
        let mut right = lock(&self.right);
        if let Holder::Somebody { goes_on, .. } = &mut right.holder
            && std::mem::take(goes_on)
        {
            // Whoever said so came after the turn in which nobody waited.
            return reader;
        }
        right.holder = Holder::Nobody(reader);
        let mut taken = right.taken;
        drop(right);
        loop {
            let rung = self.bell.sleep(Some(Instant::now() + UNREAD));
            let mut right = lock(&self.right);
            let goes_on = rung || right.taken == taken;
            taken = right.taken;
            match std::mem::replace(&mut right.holder, Holder::KEPT) {
                Holder::Nobody(reader) if goes_on => return reader,
                Holder::Nobody(reader) => right.holder = Holder::Nobody(reader),
                // Whom it was rung for is told when that one is done.
                Holder::Somebody { goes_on, wanted } => {
                    right.holder = Holder::Somebody {
                        goes_on: goes_on || rung,
                        wanted,
                    };
                }
            }
        }
    }
}

/// The right to read, taken up by a thread that waits. Dropped, it is given back.
pub(crate) struct Borrowed<'a> {
    reading: &'a Reading,
    /// There until it is dropped.
    reader: Option<Box<dyn Reads>>,
    /// In the middle of a read: if it is dropped so, that panicked.
    reads: bool,
    /// Nobody waits for anything any more.
    done: bool,
}

impl Borrowed<'_> {
    /// Reads once. Says whether to go on.
    pub(crate) fn read(&mut self) -> bool {
        self.reads = true;
        let goes_on = self.reader.as_mut().is_some_and(|reader| reader.read());
        self.reads = false;
        goes_on
    }

    /// This thread waits no more. Where others do, the thread that reads goes on.
    pub(crate) fn finish(mut self) {
        self.done = self.reader.as_ref().is_some_and(|reader| reader.is_idle());
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        let Some(reader) = self.reader.take() else { return };
        if self.reads {
            reader.panicked();
        }
        let mut right = lock(&self.reading.right);
        let before = std::mem::replace(&mut right.holder, Holder::Nobody(reader));
        drop(right);
        let asked = matches!(before, Holder::Somebody { goes_on: true, .. });
        if asked || !self.done {
            self.reading.bell.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    /// Somebody who reads, and what of it is seen from outside.
    #[derive(Clone, Default)]
    struct Fake(Arc<Seen>);

    #[derive(Default)]
    struct Seen {
        reads: AtomicUsize,
        busy: AtomicBool,
        panics: AtomicBool,
        panicked: AtomicBool,
    }

    impl Reads for Fake {
        fn read(&mut self) -> bool {
            assert!(!self.0.panics.load(Ordering::Relaxed), "on purpose");
            self.0.reads.fetch_add(1, Ordering::Relaxed);
            true
        }

        fn catch_up(&mut self) -> Option<LinkEnd> {
            None
        }

        fn is_idle(&self) -> bool {
            !self.0.busy.load(Ordering::Relaxed)
        }

        fn panicked(&self) {
            self.0.panicked.store(true, Ordering::Relaxed);
        }
    }

    /// Calls this with the right, which the thread that reads has laid down; it comes back afterwards.
    fn laid_down(fake: &Fake, reading: &Reading, meanwhile: impl FnOnce(Borrowed<'_>)) {
        let (begun, stop) = (Instant::now(), AtomicBool::new(false));
        thread::scope(|threads| {
            let thread = threads.spawn(|| {
                let mut reader: Box<dyn Reads> = Box::new(fake.clone());
                // On a busy machine it comes back by itself before anybody has looked.
                while !stop.load(Ordering::Relaxed) && begun.elapsed() < 2 * SOON {
                    reader = reading.lay_down(reader);
                }
            });
            let borrowed = loop {
                let laid_down = matches!(lock(&reading.right).holder, Holder::Nobody(_));
                if let Some(borrowed) = laid_down.then(|| reading.take_up()).flatten() {
                    break borrowed;
                }
                assert!(begun.elapsed() < SOON);
            };
            meanwhile(borrowed);
            stop.store(true, Ordering::Relaxed);
            thread.join().unwrap();
        });
    }

    /// How the holder is noted: whether it is somebody, and whether the thread is to go on after that.
    fn goes_on(reading: &Reading) -> Option<bool> {
        match lock(&reading.right).holder {
            Holder::Somebody { goes_on, .. } => Some(goes_on),
            Holder::Nobody(_) => None,
        }
    }

    #[test]
    fn who_comes_before_the_right_is_laid_down_has_the_thread_go_on_at_once() {
        let (fake, reading) = (Fake::default(), Reading::new());
        assert!(reading.take_up().is_none());
        drop(reading.lay_down(Box::new(fake.clone())));
        assert_eq!(goes_on(&reading), Some(false));
        reading.go_on();
        drop(reading.lay_down(Box::new(fake)));
        assert_eq!(goes_on(&reading), Some(false));
    }

    #[test]
    fn who_waited_before_a_turn_is_seen_by_it_and_keeps_nobody_from_laying_the_right_down() {
        let (fake, reading) = (Fake::default(), Reading::new());
        assert!(reading.take_up().is_none());
        reading.begin_turn();
        laid_down(&fake, &reading, |borrowed| borrowed.finish());
    }

    #[test]
    fn the_right_that_nobody_uses_comes_back_by_itself() {
        let (fake, reading) = (Fake::default(), Reading::new());
        let begun = Instant::now();
        drop(reading.lay_down(Box::new(fake)));
        assert!(begun.elapsed() >= UNREAD);
        assert_eq!(goes_on(&reading), Some(false));
    }

    #[test]
    fn one_reads_at_a_time_and_another_who_waits_has_the_thread_go_on_when_that_one_is_done() {
        let (fake, reading) = (Fake::default(), Reading::new());
        laid_down(&fake, &reading, |mut borrowed| {
            assert!(borrowed.read());
            assert!(reading.take_up().is_none());
            assert_eq!(goes_on(&reading), Some(true));
            borrowed.finish();
        });
        assert_eq!(fake.0.reads.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn who_is_done_leaves_the_right_to_the_next_who_waits_unless_somebody_waits_already() {
        let (fake, reading) = (Fake::default(), Reading::new());
        laid_down(&fake, &reading, |first| {
            first.finish();
            // The thread may have taken it back meanwhile, after a while.
            if let Some(second) = reading.take_up() {
                fake.0.busy.store(true, Ordering::Relaxed);
                second.finish();
            }
        });
        assert_eq!(goes_on(&reading), Some(false));
    }

    #[test]
    fn who_gives_up_and_who_panics_gives_the_right_back_to_the_thread() {
        let (fake, reading) = (Fake::default(), Reading::new());
        let begun = Instant::now();
        laid_down(&fake, &reading, |borrowed| drop(borrowed));
        assert!(!fake.0.panicked.load(Ordering::Relaxed));
        laid_down(&fake, &reading, |mut borrowed| {
            fake.0.panics.store(true, Ordering::Relaxed);
            let panicked = catch_unwind(AssertUnwindSafe(move || borrowed.read()));
            assert!(panicked.is_err());
        });
        assert!(fake.0.panicked.load(Ordering::Relaxed), "it is told");
        assert!(begun.elapsed() < SOON);
        assert_eq!(goes_on(&reading), Some(false));
    }
}
