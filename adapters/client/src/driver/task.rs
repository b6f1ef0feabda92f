//! The loop that carries one connection on an asynchronous runtime.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use nats_conn_sm::{
    Action, AttemptId, AuthError, Credentials, LinkEnd, LinkId, ReceiveBuf, SendBuf, ServerId, ServerStatus,
};

use crate::core::delivery::{Backpressure, Delivered};
use crate::core::link_error::io_error;
use crate::core::panics::{Caught, panicked};
use crate::core::shared::Shared;
use crate::core::turn::Turn;
use crate::driver::farewell::Farewell;
use crate::driver::io::Io;
use crate::driver::link::{Link, write_all};
use crate::driver::prepare::DriverParts;
use crate::driver::runtime::Runtime;
use crate::driver::setup::LinkSetup;
use crate::driver::target::Target;
use crate::driver::timer::Timer;
use crate::options::identity::{Answer, Challenge};

/// Events that one turn takes from the machine at most: so long may a publisher on another thread wait.
const EVENTS_A_TURN: usize = 1024;
/// Turns without yielding to the runtime.
const TURNS_A_POLL: usize = 32;
/// A read has room for so many bytes at least, and while much arrives for as many as the options say at most, unless one
/// frame is larger.
const READ_LEAST: usize = 8 << 10;
/// How long a link is still read when it cannot be written to any more: the system does not always report its end at once.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// The future that carries one connection, until it is closed: [`Runtime::spawn`] runs it.
///
/// Each of its turns reads once and writes what there is, without a lock; then reports to the machine, takes what it
/// emits, and delivers that, under one lock; then yields if messages were delivered, so that on a single thread
/// those who wait for them run before more is read.
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
    /// How many bytes reads have had use for lately.
    habit: usize,
    tx: SendBuf,
    link: Link<R::Io>,
    identity: Option<(LinkId, Answer)>,
    /// The selector panicked: the attempt that it was asked about fails.
    selector_failed: Option<LinkEnd>,
    /// What is to be reported to the machine at the next turn.
    news: VecDeque<News>,
    timer: Timer<R>,
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
        let habit = READ_LEAST.min(parts.setup.read_buffer);
        Self {
            shared: parts.shared,
            setup: parts.setup,
            runtime,
            rx: ReceiveBuf::new(nowhere),
            room: 0,
            unparsed: false,
            habit,
            tx: SendBuf::new(nowhere),
            link: Link::Down,
            identity: None,
            selector_failed: None,
            news: VecDeque::new(),
            timer: Timer::new(),
            backpressure: Backpressure::default(),
            farewells: Vec::new(),
            polling: false,
            finished: false,
        }
    }

    fn poll_turns(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..TURNS_A_POLL {
            let mut busy = self.poll_outside(cx);
            let (outcome, delivered) = self.turn(cx);
            let now = Instant::now();
            let messages = delivered.messages;
            self.unparsed = outcome.more;
            busy |= outcome.more || delivered.again || !outcome.actions.is_empty() || outcome.to_write;
            self.backpressure.note(delivered, now, cx.waker());
            for action in outcome.actions {
                self.perform(action, now);
            }
            if outcome.closed && self.farewells.is_empty() {
                return Poll::Ready(());
            }
            if messages && !outcome.closed {
                self.poll_write(cx);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if !busy {
                let until = self.next_wakeup(outcome.deadline, now);
                if self.timer.sleep(&*self.runtime, until, cx) {
                    return Poll::Pending;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Everything under the lock: reports the news, takes events, actions and bytes.
    fn turn(&mut self, cx: &Context<'_>) -> (Outcome, Delivered) {
        let Self {
            shared,
            rx,
            room,
            tx,
            link,
            news,
            ..
        } = self;
        shared.drive(|turn| {
            while let Some(news) = news.pop_front() {
                report(turn, news, tx);
            }
            // What was read came before the deadline that has passed, as far as anybody can tell.
            let mut more = turn.events(rx, EVENTS_A_TURN);
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
            turn.sleep(cx.waker());
            Outcome {
                actions,
                deadline: turn.deadline(),
                more,
                to_write,
                closed: turn.is_closed(),
            }
        })
    }

    fn perform(&mut self, action: Action, now: Instant) {
        match action {
            Action::Connect { link, server } => {
                // A handshake does not wait for consumers that still read what an earlier link brought.
                self.backpressure = Backpressure::default();
                self.rx = ReceiveBuf::new(link);
                self.tx = SendBuf::new(link);
                if let Some(end) = self.selector_failed.take() {
                    self.news.push_back(News::Ended(link, end));
                    return;
                }
                let (runtime, target) = (self.runtime.clone(), self.target(link, server));
                let dial = Caught::new(async move { runtime.dial(target).await });
                self.link = Link::Dialing(
                    link,
                    Box::pin(async {
                        dial.await
                            .unwrap_or_else(|text| Err(panicked("what dials", &text)))
                    }),
                );
            }
            Action::UpgradeTls { link, server } => match std::mem::replace(&mut self.link, Link::Down) {
                Link::Up { id, io, .. } if id == link => {
                    let (runtime, target) = (self.runtime.clone(), self.target(link, server));
                    let upgrade = Caught::new(async move { runtime.upgrade(io, target).await });
                    self.link = Link::Upgrading(
                        link,
                        Box::pin(async { upgrade.await.unwrap_or_else(|text| Err(panicked("TLS", &text))) }),
                    );
                }
                other => self.link = other,
            },
            Action::Authenticate { link, server, nonce } => {
                let answer = self.setup.identity.answer(Challenge::new(server, nonce));
                self.identity = Some((link, answer));
            }
            Action::ChooseServer {
                attempt,
                servers,
                default,
                default_delay,
            } => {
                self.choose(attempt, &servers, default, default_delay);
            }
            Action::Disconnect { link, abort } => self.leave(link, abort, now),
        }
    }

    fn target(&self, link: LinkId, server: nats_conn_sm::Server) -> Target {
        Target::new(server, link, self.setup.clone(), self.shared.clone())
    }

    fn choose(&mut self, attempt: AttemptId, servers: &[ServerStatus], default: ServerId, delay: Duration) {
        // What was kept of an earlier question is about an attempt that was called off.
        self.selector_failed = None;
        let (server, delay) = match self.setup.choose(servers, default, delay) {
            Ok(chosen) => chosen,
            Err(end) => {
                self.selector_failed = Some(end);
                (default, delay)
            }
        };
        self.news.push_back(News::Choice(attempt, server, delay));
    }

    /// Leaves the link: its end has been reported to the machine already.
    fn leave(&mut self, link: LinkId, abort: bool, now: Instant) {
        self.identity.take_if(|(asked, _)| *asked == link);
        let is_this = match &self.link {
            Link::Down => false,
            Link::Dialing(id, _) | Link::Upgrading(id, _) => *id == link,
            Link::Up { id, .. } | Link::Failing { id, .. } => *id == link,
        };
        if !is_this {
            return;
        }
        if let Link::Up { io, .. } = std::mem::replace(&mut self.link, Link::Down)
            && !abort
        {
            self.farewells.push(Farewell::new(io, now));
        }
    }

    /// Everything outside the lock. Says whether another round is due before the driver sleeps.
    fn poll_outside(&mut self, cx: &mut Context<'_>) -> bool {
        let mut busy = self.timer.poll(cx);
        busy |= self.poll_identity(cx);
        busy |= self.poll_opening(cx);
        busy |= self.poll_write(cx);
        busy |= self.poll_read(cx);
        if !self.farewells.is_empty() {
            let now = Instant::now();
            self.farewells
                .retain_mut(|farewell| farewell.poll(cx, now).is_pending());
        }
        busy || !self.news.is_empty()
    }

    fn poll_identity(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((link, answer)) = &mut self.identity else {
            return false;
        };
        let Poll::Ready(answer) = answer.as_mut().poll(cx) else {
            return false;
        };
        self.news.push_back(News::Credentials(*link, answer));
        self.identity = None;
        true
    }

    fn poll_opening(&mut self, cx: &mut Context<'_>) -> bool {
        let (id, opened, upgraded) = match &mut self.link {
            Link::Dialing(id, opening) => (*id, opening.as_mut().poll(cx), false),
            Link::Upgrading(id, opening) => (*id, opening.as_mut().poll(cx), true),
            Link::Down | Link::Up { .. } | Link::Failing { .. } => return false,
        };
        let Poll::Ready(opened) = opened else { return false };
        match opened {
            Ok(io) => {
                self.link = Link::Up {
                    id,
                    io,
                    flushed: true,
                };
                self.news.push_back(if upgraded {
                    // Nothing was read over the new stream yet.
                    News::Tls(id, self.rx.len())
                } else {
                    News::Connected(id)
                });
            }
            Err(end) => self.lost(id, end),
        }
        true
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
    fn poll_read(&mut self, cx: &mut Context<'_>) -> bool {
        if self.unparsed {
            // Perhaps nothing comes of what is left, and then the stream is still to be asked before the driver sleeps.
            return true;
        }
        let failing = matches!(self.link, Link::Failing { .. });
        let now = Instant::now();
        // What is left of a link that fails is little, and it is not to be lost.
        if !failing && self.backpressure.is_active() && self.backpressure.check(now).is_some() {
            return false;
        }
        let (Link::Up { id, io, .. } | Link::Failing { id, io, .. }) = &mut self.link else {
            return false;
        };
        let id = *id;
        let most = self.setup.read_buffer;
        let buffer = self.rx.buffer_mut();
        // The machine never asks for less than a usual read; for more where a frame is larger.
        let frame = if self.room > READ_LEAST { self.room } else { 0 };
        buffer.reserve(frame.max(self.habit));
        let spare = buffer.capacity() - buffer.len();
        match io.poll_read(cx, buffer) {
            Poll::Ready(Ok(0)) => self.lost(id, LinkEnd::Eof),
            Poll::Ready(Ok(read)) if read == spare => self.habit = most.min(self.habit * 2),
            Poll::Ready(Ok(read)) if read < self.habit / 4 => {
                self.habit = READ_LEAST.min(most).max(self.habit / 2)
            }
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => self.lost(id, io_error(&error)),
            Poll::Pending => match &self.link {
                Link::Failing { until, .. } if *until <= now => self.lost(id, LinkEnd::Eof),
                _ => return false,
            },
        }
        true
    }

    /// Writing to the link has failed.
    fn fail(&mut self, end: LinkEnd) {
        self.link = match std::mem::replace(&mut self.link, Link::Down) {
            Link::Up { id, io, .. } => {
                let until = Instant::now() + LAST_WORDS;
                Link::Failing { id, io, end, until }
            }
            other => other,
        };
    }

    fn lost(&mut self, link: LinkId, end: LinkEnd) {
        let first = match std::mem::replace(&mut self.link, Link::Down) {
            Link::Failing { end, .. } => end,
            _ => end,
        };
        self.news.push_back(News::Ended(link, first));
    }

    fn next_wakeup(&mut self, machine: Option<Instant>, now: Instant) -> Option<Instant> {
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
