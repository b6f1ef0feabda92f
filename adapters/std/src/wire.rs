//! What the threads of a connection and its handles share.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Instant;

use nats_conn_client::driver::{Delivered, Listening, Shared, Turn, lock};
use nats_conn_client::machine::LinkId;

use crate::bell::Bell;
use crate::link::Link;
use crate::news::Post;
use crate::ours::Ours;
use crate::outlet::Outlet;
use crate::reading::PATIENCE;
use crate::writing::Writing;

/// Events that one turn takes from the machine at most: so long may a publisher on another thread wait.
pub(crate) const EVENTS_A_TURN: usize = 1024;

/// Where so many threads wait for answers, whoever asks lets others ask first.
const CROWD: usize = 8;

/// Blocks that a thread of the application takes at most when it writes, and all but the last of them it writes: another
/// publishes while it does so.
const BLOCKS_A_HAND: usize = 3;

/// The machine, what is being written, and the thread that writes.
///
/// **Locks** are taken in this order: the outlet, the delivery, the machine; a TLS session under the outlet or alone. Nobody
/// waits for the outlet: see [`Writing`].
///
/// Subscribers of `tracing`, wakers and the functions that choose a server are called while the outlet is locked. They may call
/// the connection, because nobody waits for the outlet. They must not wait for the connection: it does not go on before they
/// return.
pub(crate) struct Wire {
    pub(crate) shared: Arc<Shared>,
    pub(crate) writing: Writing,
    pub(crate) post: Post,
    pub(crate) bell: Arc<Bell>,
    /// The bell, as the machine's tables keep it.
    pub(crate) waker: Waker,
    /// How many threads wait for an answer, or are about to.
    pub(crate) waiting: AtomicUsize,
    /// How many threads wait for a message.
    pub(crate) listening: Listening,
    /// The present link, for those who want to read it.
    link: Mutex<Option<Arc<Link>>>,
    /// Handles for an executor were given out: who polls a subscription there does not say so here.
    has_executor: AtomicBool,
    /// Until when the thread that writes means to sleep.
    planned: Mutex<Option<Instant>>,
}

impl Wire {
    pub(crate) fn new(shared: Arc<Shared>) -> Arc<Self> {
        let bell = Arc::<Bell>::default();
        let post = Post::new(bell.clone(), Ours::new(&shared));
        let wire = Self {
            shared,
            writing: Writing::new(Outlet::new(LinkId::from_u64(0)), bell.clone()),
            post,
            waker: bell.clone().into(),
            bell,
            waiting: AtomicUsize::new(0),
            listening: Listening::default(),
            link: Mutex::new(None),
            has_executor: AtomicBool::new(false),
            planned: Mutex::new(None),
        };
        Arc::new(wire)
    }

    /// The present link, if there is one.
    pub(crate) fn link(&self) -> Option<Arc<Link>> {
        lock(&self.link).clone()
    }

    /// A link is connected, or was left.
    pub(crate) fn set_link(&self, link: Option<Arc<Link>>) {
        *lock(&self.link) = link;
    }

    /// From now on subscriptions may be polled by an executor, which reads nothing itself: where there are some, the link is
    /// always read.
    pub(crate) fn polled_by_an_executor(&self) {
        self.has_executor.store(true, Ordering::Relaxed);
        if let Some(link) = self.link() {
            link.reading.go_on();
        }
    }

    /// Whether somebody who does not read himself may wait for something that comes of reading, leaving out threads that wait
    /// for messages: those are [`listening`](Self::listening).
    pub(crate) fn is_awaited(&self, turn: &Turn<'_>) -> bool {
        turn.is_awaited() || (self.has_executor.load(Ordering::Relaxed) && turn.has_subscriptions())
    }

    /// Makes a call whose answer is about to be waited for. If the thread that writes sleeps, what came of the call is
    /// written on this one: to wake another takes longer than to write. With the answer comes the link, where that was
    /// written, and nothing else is due for a while: this thread is to read it, or to see that another does.
    pub(crate) fn write_to_read<T>(&self, call: impl FnOnce() -> T) -> (T, Option<Arc<Link>>) {
        if self.shared.relieve_driver().is_none() {
            return (call(), None);
        }
        // Whatever happens: if nothing is written here, it is there.
        let mut relieved = Relieved {
            wire: self,
            wrote: false,
        };
        let answer = call();
        if self.waiting.load(Ordering::Relaxed) >= CROWD {
            // Those whose answers came with the last one are about to ask again: one write takes all of it.
            std::thread::yield_now();
        }
        // If somebody writes right now, that thread may have asked the machine already.
        let lent = self.writing.lend(|outlet| {
            let all = self.write(outlet);
            let link = outlet.link.as_ref()?;
            if all {
                return Some(link.clone());
            }
            link.reading.go_on();
            None
        });
        relieved.wrote = lent.is_some();
        (answer, lent.flatten())
    }

    /// The same for a call whose answer is waited for later.
    pub(crate) fn write_through<T>(&self, call: impl FnOnce() -> T) -> T {
        let (answer, link) = self.write_to_read(call);
        if let Some(link) = link {
            link.reading.go_on();
        }
        answer
    }

    /// A publisher has filled a block: if nobody writes, it is written here, while others publish on. To wake another
    /// thread for it takes longer than to write it. If somebody does, that thread may need this processor.
    pub(crate) fn lend_a_hand(&self) {
        let lent = self.writing.lend(|outlet| {
            self.write(outlet);
            if let Some(link) = &outlet.link {
                link.reading.go_on();
            }
        });
        if lent.is_none() {
            std::thread::yield_now();
        }
    }

    /// Writes so much, and leaves the rest to the thread that writes. What another thread could not get rid of is left to it,
    /// too: whoever called is not to wait for a peer that does not read. Says whether nothing is left, and nothing is due
    /// for as long as a thread reads that waits for an answer.
    fn write(&self, outlet: &mut Outlet) -> bool {
        for left in (0..BLOCKS_A_HAND).rev() {
            if !outlet.is_empty() {
                break;
            }
            let written = self.shared.written(Some(&mut outlet.tx), &self.waker);
            if !written.more {
                let oversleeps = |deadline| self.oversleeps(deadline);
                let due = written.turn || written.deadline.is_some_and(oversleeps);
                if due {
                    self.bell.ring();
                }
                let while_reading = Instant::now() + PATIENCE;
                return !due && written.deadline.is_none_or(|deadline| while_reading < deadline);
            }
            if left > 0 {
                outlet.write();
            }
        }
        self.bell.ring();
        false
    }

    /// A turn of any thread but the one that writes, which is woken only if there is something to do for it.
    pub(crate) fn turn<T>(&self, report: impl FnOnce(&mut Turn<'_>) -> T) -> (T, Delivered) {
        let ((answer, ring), delivered) = self.shared.drive(|turn| {
            let answer = report(turn);
            // An action that waits makes the deadline the present moment.
            let late = turn.deadline().is_some_and(|deadline| self.oversleeps(deadline));
            (answer, late || turn.wants_transmit() || turn.is_closed())
        });
        if ring || delivered.again {
            self.bell.ring();
        }
        (answer, delivered)
    }

    /// Notes until when the thread that writes is about to sleep. To be called while the machine is locked.
    pub(crate) fn plan(&self, until: Option<Instant>) {
        *lock(&self.planned) = until;
    }

    /// Whether that thread sleeps longer than until this moment.
    fn oversleeps(&self, moment: Instant) -> bool {
        lock(&self.planned).is_none_or(|planned| moment < planned)
    }
}

/// The thread that writes sleeps, and is not woken by anybody.
struct Relieved<'a> {
    wire: &'a Wire,
    /// Its work was done here.
    wrote: bool,
}

impl Drop for Relieved<'_> {
    fn drop(&mut self) {
        if !self.wrote {
            self.wire.bell.ring();
        }
    }
}
