//! The mailbox of one subscription, shared by the driver that fills it and the handle that empties it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use nats_conn_sm::{EndReason, Mailbox, MailboxLimits};
use nats_proto::{Message, Sid};

use crate::lock::{lock, remember};
use crate::shared::Shared;

/// How long the consumer of a crowded mailbox may take nothing before reading goes on without it.
const STALLED: Duration = Duration::from_millis(50);

/// A mailbox behind its own small lock, which is never held together with that of another mailbox.
#[derive(Debug)]
pub(crate) struct Mail {
    sid: Sid,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    mailbox: Mailbox,
    waker: Option<Waker>,
    /// No message follows.
    ended: Option<EndReason>,
    /// The handle is gone: nobody will take anything.
    abandoned: bool,
    /// Whom to wake when this mailbox is half empty again, because reading waits for it.
    reader: Option<Waker>,
    /// How much longer reading may wait for this mailbox until it was empty once.
    patience: Duration,
    full_patience: Duration,
}

/// What came of filling a mailbox.
#[derive(Debug, Default)]
pub(crate) struct Filled {
    pub(crate) waker: Option<Waker>,
    /// An episode of dropping began: dropped so far.
    pub(crate) slow: Option<u64>,
    /// It is more than half full, and its consumer has patience left.
    pub(crate) crowded: bool,
}

impl Mail {
    pub(crate) fn new(sid: Sid, limits: MailboxLimits, patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            sid,
            state: Mutex::new(State {
                mailbox: Mailbox::new(limits),
                waker: None,
                ended: None,
                abandoned: false,
                reader: None,
                patience,
                full_patience: patience,
            }),
        })
    }

    pub(crate) fn sid(&self) -> Sid {
        self.sid
    }

    /// Puts a batch in. `messages` is empty afterwards.
    pub(crate) fn fill(&self, batch: u64, messages: &mut VecDeque<Message>) -> Filled {
        let mut state = lock(&self.state);
        if state.abandoned {
            messages.clear();
            return Filled::default();
        }
        let began = state.mailbox.append(batch, messages);
        Filled {
            waker: state.waker.take(),
            slow: began.then(|| state.mailbox.dropped()),
            crowded: state.mailbox.is_crowded() && !state.patience.is_zero(),
        }
    }

    /// Copies what is left of old batches out of the blocks they pin.
    pub(crate) fn detach_before(&self, batch: u64) {
        lock(&self.state).mailbox.detach_before(batch);
    }

    /// No message follows.
    pub(crate) fn end(&self, reason: EndReason) -> Option<Waker> {
        let mut state = lock(&self.state);
        state.ended.get_or_insert(reason);
        state.waker.take()
    }

    /// The handle is gone.
    pub(crate) fn abandon(&self) {
        let mut state = lock(&self.state);
        state.abandoned = true;
        state.mailbox.clear();
    }

    /// Whether there is nothing left that somebody could take.
    pub(crate) fn is_consumed(&self) -> bool {
        let state = lock(&self.state);
        state.abandoned || state.mailbox.is_empty()
    }

    /// Takes the oldest message; `None` once the subscription has ended and nothing is left.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>, shared: &Shared) -> Poll<Option<Message>> {
        let mut state = lock(&self.state);
        let (message, wake) = state.take();
        if message.is_none() && state.ended.is_none() {
            remember(&mut state.waker, cx.waker());
            return Poll::Pending;
        }
        drop(state);
        wake.wake(shared);
        Poll::Ready(message)
    }

    /// Takes the oldest message if there is one.
    pub(crate) fn try_take(&self, shared: &Shared) -> Option<Message> {
        let (message, wake) = lock(&self.state).take();
        wake.wake(shared);
        message
    }

    pub(crate) fn ended(&self) -> Option<EndReason> {
        lock(&self.state).ended
    }

    pub(crate) fn pending(&self) -> usize {
        lock(&self.state).mailbox.len()
    }

    pub(crate) fn pending_bytes(&self) -> usize {
        lock(&self.state).mailbox.bytes()
    }

    pub(crate) fn dropped(&self) -> u64 {
        lock(&self.state).mailbox.dropped()
    }

    pub(crate) fn limits(&self) -> MailboxLimits {
        lock(&self.state).mailbox.limits()
    }

    pub(crate) fn set_limits(&self, limits: MailboxLimits) {
        lock(&self.state).mailbox.set_limits(limits);
    }
}

impl State {
    /// Takes a message, and says who waits for that.
    fn take(&mut self) -> (Option<Message>, Waiting) {
        let Some(message) = self.mailbox.pop() else {
            return (None, Waiting::Nobody);
        };
        let mut waiting = Waiting::Nobody;
        if self.mailbox.is_empty() {
            self.patience = self.full_patience;
            if self.ended.is_some() {
                waiting = Waiting::Drain;
            }
        }
        if self.reader.is_some()
            && !self.mailbox.is_crowded()
            && let Some(reader) = self.reader.take()
        {
            waiting = Waiting::Reader(reader);
        }
        (Some(message), waiting)
    }
}

/// Who waits for a message to be taken.
enum Waiting {
    Nobody,
    /// A drain of the connection, which goes on when the last message was taken.
    Drain,
    /// The one who reads.
    Reader(Waker),
}

impl Waiting {
    /// To be called when the lock of the mailbox is released.
    fn wake(self, shared: &Shared) {
        match self {
            Self::Nobody => {}
            Self::Drain => shared.wake_driver(),
            Self::Reader(waker) => waker.wake(),
        }
    }
}

/// A crowded mailbox for whose consumer reading waits.
///
/// Reading waits as long as the consumer takes something every 50 ms and the mailbox has patience left, which it
/// gets back when it was emptied once. So a consumer that is only behind loses nothing, and one that is slow for
/// good costs the other subscriptions a bounded time and then its own messages.
#[derive(Debug)]
pub(crate) struct Crowded {
    mail: Arc<Mail>,
    since: Instant,
    taken: u64,
    checked: Instant,
}

impl Crowded {
    pub(crate) fn new(mail: Arc<Mail>, now: Instant, waker: &Waker) -> Self {
        let taken = {
            let mut state = lock(&mail.state);
            state.reader = Some(waker.clone());
            state.mailbox.taken()
        };
        Self {
            mail,
            since: now,
            taken,
            checked: now,
        }
    }

    /// Whether to go on waiting for it: then when to ask again.
    pub(crate) fn check(&mut self, now: Instant) -> Option<Instant> {
        let mut state = lock(&self.mail.state);
        let waited = now.saturating_duration_since(self.since);
        if state.abandoned || !state.mailbox.is_crowded() {
            if !state.mailbox.is_empty() {
                state.patience = state.patience.saturating_sub(waited);
            }
            state.reader = None;
            return None;
        }
        let unchecked = now.saturating_duration_since(self.checked);
        let stalled = unchecked >= STALLED && state.mailbox.taken() == self.taken;
        if stalled || waited >= state.patience {
            state.patience = Duration::ZERO;
            state.reader = None;
            return None;
        }
        if unchecked >= STALLED {
            self.taken = state.mailbox.taken();
            self.checked = now;
        }
        Some(std::cmp::min(self.checked + STALLED, self.since + state.patience))
    }
}
