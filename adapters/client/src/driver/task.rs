//! The loop that carries one connection on an asynchronous runtime.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use nats_conn_sm::{
    Action, AttemptId, AuthError, Credentials, LinkEnd, LinkId, ReceiveBuf, SendBuf, ServerId, Timestamp,
};

use crate::core::clock::Moment;
use crate::core::delivery::{Backpressure, Delivered};
use crate::core::link_error::io_error;
use crate::core::panics::wake_each;
use crate::core::shared::{Shared, Written};
use crate::core::turn::Turn;
use crate::driver::blocks::{Appetite, Blocks};
use crate::driver::farewell::Farewell;
use crate::driver::io::Io;
use crate::driver::link::{Link, write_all};
use crate::driver::prepare::DriverParts;
use crate::driver::runtime::Runtime;
use crate::driver::setup::LinkSetup;
use crate::driver::timer::Timer;
use crate::options::identity::Answer;

mod links;

/// Events that one turn takes from the machine at most: so long may a publisher on another thread wait.
const EVENTS_A_TURN: usize = 1024;
/// Blocks that are written after a turn at most, before the stream is read again.
const BLOCKS_A_TURN: usize = 8;
/// After so many messages, or so many bytes with some in them, those who wait for messages run before more is read. A
/// runtime with several threads wakes another one for it, so that large messages are worth less than one such wake each.
const MESSAGES_A_POLL: usize = 256;
const BYTES_A_POLL: usize = 512 << 10;
/// Turns without yielding to the runtime.
const TURNS_A_POLL: usize = 32;
/// A read has room for so many bytes at least, and where messages are large for about so many.
const READ_LEAST: usize = 8 << 10;
const LARGE_READ: usize = 128 << 10;

/// The future that carries one connection, until it is closed: [`Runtime::spawn`] runs it.
///
/// It alternates between the outside (timers, dials, reading once, writing what there is), without a lock, and a turn, under one
/// lock, in which it reports to the machine, takes what that emits, and asks for bytes to write. A turn is due first of all,
/// since whoever woke the driver may have called the machine, and then where the outside has brought something or the last
/// turn has left something. Where neither is so it sleeps: everything outside was asked since the last turn, and knows whom
/// to wake, as everybody who calls the machine has since that turn.
///
/// It yields when many messages were delivered, so that on a single thread those who wait for them run before more is read.
/// What is published while it writes leaves without a turn.
///
/// If it panics or is dropped before its end the connection is closed, and everybody who waits is woken.
#[must_use = "a connection lives only while its driver runs"]
pub(crate) struct Driver<R: Runtime> {
    shared: Arc<Shared>,
    setup: Arc<LinkSetup>,
    runtime: Arc<R>,
    rx: ReceiveBuf,
    /// How many bytes the machine wants the next read to have room for.
    room: usize,
    /// What was read has not been parsed whole: nothing is read on top of it.
    unparsed: bool,
    /// The stream was asked in this poll, and had nothing: it wakes us.
    dry: bool,
    /// How many bytes were read in this poll.
    read: usize,
    blocks: Blocks,
    appetite: Appetite,
    tx: SendBuf,
    link: Link<R::Io>,
    identity: Option<(LinkId, Answer)>,
    /// The selector panicked: the attempt that it was asked about fails.
    selector_failed: Option<LinkEnd>,
    /// What is to be reported to the machine at the next turn.
    news: VecDeque<News>,
    timer: Timer<R>,
    /// Those who are to be woken: empty in between.
    woken: Vec<Waker>,
    backpressure: Backpressure,
    farewells: Vec<Farewell<R::Io>>,
    /// In the middle of a poll: if it is dropped so, it panicked.
    polling: bool,
    finished: bool,
}

/// What happened outside.
enum News {
    Connected(LinkId),
    Tls(LinkId, usize),
    Ended(LinkId, LinkEnd),
    Credentials(LinkId, Result<Credentials, AuthError>),
    Choice(AttemptId, ServerId, Duration),
}

/// What came of a turn.
struct Outcome {
    actions: Vec<Action>,
    deadline: Option<Instant>,
    more: bool,
    to_write: bool,
    closed: bool,
}

impl<R: Runtime> Driver<R> {
    pub(crate) fn new(parts: DriverParts, runtime: Arc<R>) -> Self {
        let nowhere = LinkId::from_u64(0);
        let appetite = Appetite::new(READ_LEAST, parts.setup.read_buffer, LARGE_READ);
        parts.shared.pace_publishers();
        Self {
            shared: parts.shared,
            setup: parts.setup,
            runtime,
            rx: ReceiveBuf::new(nowhere),
            room: 0,
            unparsed: false,
            dry: false,
            read: 0,
            blocks: Blocks::default(),
            appetite,
            tx: SendBuf::new(nowhere),
            link: Link::Down,
            identity: None,
            selector_failed: None,
            news: VecDeque::new(),
            timer: Timer::new(),
            woken: Vec::new(),
            backpressure: Backpressure::default(),
            farewells: Vec::new(),
            polling: false,
            finished: false,
        }
    }

    fn poll_turns(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut now = self.shared.moment();
        self.timer.poll(now.instant, cx);
        (self.dry, self.read) = (false, 0);
        let (mut messages, mut due, mut deadline) = (0, true, None);
        for _ in 0..TURNS_A_POLL {
            let news = self.poll_outside(now.instant, cx);
            if !news && !due {
                if self.falls_asleep(deadline, now.instant, cx) {
                    return Poll::Pending;
                }
                now = self.shared.moment();
            }
            let (outcome, delivered) = self.turn(news, now, cx);
            if delivered.messages > 0 {
                messages += delivered.messages;
                self.appetite.delivered(delivered.frame);
            }
            self.unparsed = outcome.more;
            due = outcome.more || delivered.again || !outcome.actions.is_empty();
            self.backpressure.note(delivered, now.instant, cx.waker());
            for action in outcome.actions {
                self.perform(action, now.instant);
            }
            if outcome.closed && self.farewells.is_empty() {
                return Poll::Ready(());
            }
            deadline = outcome.deadline;
            if outcome.to_write {
                let written = self.write(now.time, cx);
                due |= written.turn || written.more;
                deadline = written.deadline;
            }
            let many = messages >= MESSAGES_A_POLL || messages > 0 && self.read >= BYTES_A_POLL;
            if many && !outcome.closed {
                break;
            }
            if due {
                now = self.shared.moment();
            }
        }
        self.runtime.let_others_run(cx);
        Poll::Pending
    }

    /// Whether there is nothing to do until the machine's deadline, or until somebody calls.
    fn falls_asleep(&mut self, deadline: Option<Instant>, now: Instant, cx: &mut Context<'_>) -> bool {
        let until = self.next_wakeup(deadline, now);
        self.timer.sleep(&*self.runtime, until, now, cx)
    }

    /// Everything under the lock: reports the news, takes events, actions and bytes.
    fn turn(&mut self, outside: bool, now: Moment, cx: &Context<'_>) -> (Outcome, Delivered) {
        let Self {
            shared,
            rx,
            room,
            tx,
            link,
            news,
            ..
        } = self;
        shared.drive_at(now, |turn| {
            while let Some(news) = news.pop_front() {
                report(turn, news, tx);
            }
            // What was read came before the deadline that has passed, as far as anybody can tell.
            let mut more = (outside || turn.has_events()) && turn.events(rx, EVENTS_A_TURN);
            if turn.timeouts() {
                more = turn.events(rx, EVENTS_A_TURN);
            }
            let mut actions = Vec::new();
            while let Some(action) = turn.action() {
                if let Action::Disconnect { link, .. } = action {
                    turn.link_closed(link, LinkEnd::Requested, tx);
                }
                actions.push(action);
            }
            let writable = matches!(link, Link::Up { flushed: true, .. }) && tx.is_empty();
            let to_write = writable && turn.transmit(tx);
            *room = turn.read_hint();
            let mut deadline = None;
            if !to_write && !more {
                // Otherwise it does not sleep yet.
                turn.sleep(cx.waker());
                deadline = turn.deadline();
            }
            Outcome {
                actions,
                deadline,
                more,
                to_write,
                closed: turn.is_closed(),
            }
        })
    }

    /// Writes the block that was taken, and those that follow it: what was published meanwhile needs no turn to leave.
    fn write(&mut self, now: Timestamp, cx: &mut Context<'_>) -> Written {
        for _ in 0..BLOCKS_A_TURN {
            let Link::Up { io, flushed, .. } = &mut self.link else {
                return Written::turn();
            };
            let tx = match write_all(io, &mut self.tx, flushed, cx) {
                Poll::Ready(Ok(())) => Some(&mut self.tx),
                Poll::Ready(Err(error)) => {
                    self.fail(io_error(&error));
                    return Written::turn();
                }
                Poll::Pending => None,
            };
            let written = self.shared.written_at(now, tx, cx.waker(), &mut self.woken);
            wake_each(&mut self.woken);
            if written.turn || !written.more {
                return written;
            }
        }
        Written::turn()
    }

    /// Everything outside the lock. Says whether a turn is due for it.
    fn poll_outside(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        self.poll_identity(cx);
        self.poll_opening(cx);
        let written = self.poll_write(cx);
        let read = self.poll_read(now, cx);
        let leaving = self.farewells.len();
        if leaving > 0 {
            self.farewells
                .retain_mut(|farewell| farewell.poll(cx, now).is_pending());
        }
        // The last one to leave may be all that a closed connection waits for.
        written || read || self.farewells.len() < leaving || !self.news.is_empty()
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> bool {
        let Link::Up { io, flushed, .. } = &mut self.link else {
            return false;
        };
        if *flushed && self.tx.is_empty() {
            return false;
        }
        match write_all(io, &mut self.tx, flushed, cx) {
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(error)) => {
                self.fail(io_error(&error));
                true
            }
            Poll::Pending => false,
        }
    }

    /// Whether this is not all: only a stream that was asked and had nothing wakes the driver when something arrives.
    fn poll_read(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        if self.unparsed {
            // Perhaps nothing comes of what is left, and then the stream is still to be asked before the driver sleeps.
            return true;
        }
        if self.dry {
            return false;
        }
        let failing = matches!(self.link, Link::Failing { .. });
        // What is left of a link that fails is little, and it is not to be lost.
        if !failing && self.backpressure.is_active() && self.backpressure.check(now).is_some() {
            return false;
        }
        let (Link::Up { id, io, .. } | Link::Failing { id, io, .. }) = &mut self.link else {
            return false;
        };
        let id = *id;
        let buffer = self.rx.buffer_mut();
        let (least, room) = self.appetite.room(buffer.len(), self.room);
        self.blocks.make_room(buffer, least, room);
        let spare = buffer.capacity() - buffer.len();
        let outcome = io.poll_read(cx, buffer);
        self.dry = outcome.is_pending();
        match outcome {
            Poll::Ready(Ok(0)) => self.lost(id, LinkEnd::Eof),
            Poll::Ready(Ok(read)) => {
                self.read = self.read.saturating_add(read);
                if self.appetite.read(read, spare) {
                    self.blocks.forget();
                }
            }
            Poll::Ready(Err(error)) => self.lost(id, io_error(&error)),
            Poll::Pending => match &self.link {
                Link::Failing { until, .. } if *until <= now => self.lost(id, LinkEnd::Eof),
                _ => return false,
            },
        }
        true
    }

    fn next_wakeup(&mut self, machine: Option<Instant>, now: Instant) -> Option<Instant> {
        if let Link::Up { .. } = self.link
            && !self.backpressure.is_active()
            && self.farewells.is_empty()
        {
            return machine;
        }
        let held_up = self.backpressure.is_active();
        let reading = self.backpressure.check(now);
        // Reading waits no longer, and the stream was not polled: what arrives there would wake nobody.
        let reading = reading.or(held_up.then_some(now));
        let farewells = self.farewells.iter().map(Farewell::deadline);
        let failing = match &self.link {
            Link::Failing { until, .. } => Some(*until),
            _ => None,
        };
        let own = reading.into_iter().chain(failing).chain(farewells);
        machine.into_iter().chain(own).min()
    }
}

impl<R: Runtime> Future for Driver<R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.finished {
            return Poll::Ready(());
        }
        this.polling = true;
        let done = this.poll_turns(cx);
        this.polling = false;
        if done.is_ready() {
            this.finished = true;
            this.shared.finish(false);
        }
        done
    }
}

impl<R: Runtime> Drop for Driver<R> {
    fn drop(&mut self) {
        if !self.finished {
            self.shared.finish(self.polling);
        }
    }
}

// Nothing in it is pinned in place.
impl<R: Runtime> Unpin for Driver<R> {}

impl<R: Runtime> fmt::Debug for Driver<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("rx", &self.rx)
            .field("tx", &self.tx)
            .finish_non_exhaustive()
    }
}

fn report(turn: &mut Turn<'_>, news: News, tx: &mut SendBuf) {
    match news {
        News::Connected(link) => turn.connected(link),
        News::Tls(link, unparsed) => turn.tls_done(link, unparsed),
        News::Ended(link, end) => turn.link_closed(link, end, tx),
        News::Credentials(link, answer) => turn.credentials(link, answer),
        News::Choice(attempt, server, delay) => turn.server_choice(attempt, server, delay),
    }
}

#[cfg(test)]
mod tests;
