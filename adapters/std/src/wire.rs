//! What the threads of a connection and its handles share.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Instant;

use nats_conn_client::driver::{Delivered, Shared, Turn, lock};
use nats_conn_client::machine::LinkId;

use crate::bell::Bell;
use crate::holders::Ours;
use crate::news::{News, Post};
use crate::outlet::Outlet;
use crate::writing::Writing;

/// Events that one turn takes from the machine at most: so long may a publisher on another thread wait.
pub(crate) const EVENTS_A_TURN: usize = 1024;

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
    /// Until when the thread that writes means to sleep.
    planned: Mutex<Option<Instant>>,
}

impl Wire {
    pub(crate) fn new(shared: Arc<Shared>) -> (Arc<Self>, Receiver<News>) {
        let bell = Arc::<Bell>::default();
        let (post, news) = Post::new(bell.clone(), Ours::new(&shared));
        let wire = Self {
            shared,
            writing: Writing::new(Outlet::new(LinkId::from_u64(0)), bell.clone()),
            post,
            waker: bell.clone().into(),
            bell,
            planned: Mutex::new(None),
        };
        (Arc::new(wire), news)
    }

    /// Makes a call whose answer is about to be waited for. If the thread that writes sleeps, what came of the call is
    /// written on this one: to wake another takes longer than to write.
    pub(crate) fn write_through<T>(&self, call: impl FnOnce() -> T) -> T {
        if self.shared.relieve_driver().is_none() {
            return call();
        }
        // Whatever happens: if nothing is written here, it is there.
        let mut relieved = Relieved {
            wire: self,
            wrote: false,
        };
        let answer = call();
        // If somebody writes right now, that thread may have asked the machine already.
        relieved.wrote = self.writing.lend(|outlet| self.write(outlet)).is_some();
        answer
    }

    /// A publisher has filled a block: if nobody writes, it is written here, while others publish on. To wake another
    /// thread for it takes longer than to write it.
    pub(crate) fn lend_a_hand(&self) {
        let lent = self.writing.lend(|outlet| {
            if outlet.is_empty() {
                self.write(outlet);
            }
        });
        if lent.is_none() {
            std::thread::yield_now();
        }
    }

    /// Writes so much, and leaves the rest to the thread that writes. What another thread could not get rid of is left to it,
    /// too: whoever called is not to wait for a peer that does not read.
    fn write(&self, outlet: &mut Outlet) {
        for left in (0..BLOCKS_A_HAND).rev() {
            if !outlet.is_empty() {
                break;
            }
            let written = self.shared.written(Some(&mut outlet.tx), &self.waker);
            if !written.more {
                let late = written.deadline.is_some_and(|deadline| self.oversleeps(deadline));
                if written.turn || late {
                    self.bell.ring();
                }
                return;
            }
            if left > 0 {
                outlet.write();
            }
        }
        self.bell.ring();
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
