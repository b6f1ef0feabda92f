//! The mailbox of one subscription, shared by the driver that fills it and the handle that empties it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use nats_conn_sm::{EndReason, Mailbox, MailboxLimits};
use nats_proto::{Message, Sid};

use crate::core::clock::DrainClock;
use crate::core::hand::{self, Hand};
use crate::core::lock::{lock, remember};

/// How long the consumer of a crowded mailbox may take nothing before reading goes on without it.
const STALLED: Duration = Duration::from_millis(50);

/// A mailbox under its own small lock, which is never held together with that of another mailbox.
#[derive(Debug)]
pub(crate) struct Mail {
    sid: Sid,
    /// Where messages for it were gathered last: in the present turn if that place is still its own. Only the driver knows.
    group: AtomicU32,
    state: Mutex<State>,
}

/// How much may wait in a mailbox, and how long reading waits for it, where nobody says otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms {
    pub(crate) limits: MailboxLimits,
    pub(crate) patience: Duration,
}

#[derive(Debug)]
struct State {
    /// Made for the first message, or for limits of its own: most subscriptions of a large number are idle.
    content: Option<Box<Content>>,
    waker: Option<Waker>,
    /// No message follows.
    ended: Option<EndReason>,
    /// The handle is gone: nobody will take anything.
    abandoned: bool,
}

#[derive(Debug)]
struct Content {
    mailbox: Mailbox,
    /// Whom to wake when this mailbox is half empty again, because reading waits for it.
    reader: Option<Waker>,
    /// How much longer reading may wait for this mailbox until it was empty once.
    patience: Duration,
    full_patience: Duration,
    holder: Holder,
    /// What was taken out of the mailbox together, and has not been given on.
    in_hand: Arc<hand::Left>,
}

/// What came of filling a mailbox.
#[derive(Debug, Default)]
#[must_use = "who waits is to be woken"]
pub(crate) struct Filled {
    pub(crate) waker: Option<Waker>,
    /// An episode of dropping began: dropped so far.
    pub(crate) slow: Option<u64>,
    /// It is more than half full, and its consumer has patience left.
    pub(crate) crowded: bool,
}

/// What a drain still finds in a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Its holder has come back and found it empty, or is gone.
    Nothing,
    /// Somebody may still take what is there, or is at work: it is waited for until then. `None`: for as long as a
    /// drain takes.
    Waits(Option<Instant>),
    /// So many messages, and nobody is waited for any longer.
    Unread(u64),
}

/// What a mailbox knows of those who empty it.
#[derive(Debug, Default)]
pub(crate) struct Holder {
    /// A message was taken, and its taker has not come back.
    pub(crate) in_hand: bool,
    /// Who polled last.
    pub(crate) poller: Option<Waker>,
    /// When somebody last came, or was called because something had arrived. Noted only during a drain.
    pub(crate) seen: Option<Instant>,
}

/// Who waits for a message to be taken: to be woken when no lock is held.
#[derive(Debug, Default)]
#[must_use = "somebody may wait for the message to be taken"]
pub(crate) struct Taken {
    /// A drain of the connection, which goes on when the holder has come back and found nothing: the driver is to be
    /// woken.
    pub(crate) drain_waits: bool,
    /// The one who reads.
    pub(crate) reader: Option<Waker>,
}

impl Mail {
    pub(crate) fn new(sid: Sid) -> Arc<Self> {
        let state = State {
            content: None,
            waker: None,
            ended: None,
            abandoned: false,
        };
        Arc::new(Self {
            sid,
            group: AtomicU32::new(0),
            state: Mutex::new(state),
        })
    }

    pub(crate) fn group(&self) -> usize {
        self.group.load(Ordering::Relaxed) as usize
    }

    pub(crate) fn gather_at(&self, group: usize) {
        // There are fewer of them than events in a turn.
        self.group.store(group as u32, Ordering::Relaxed);
    }

    pub(crate) fn sid(&self) -> Sid {
        self.sid
    }

    /// Puts a batch in. `messages` is empty afterwards. The time counts where the connection is being drained.
    pub(crate) fn fill(
        &self,
        batch: u64,
        messages: &mut VecDeque<Message>,
        terms: Terms,
        draining: Option<Instant>,
    ) -> Filled {
        let mut state = lock(&self.state);
        if state.abandoned {
            messages.clear();
            return Filled::default();
        }
        let waiting = state.waker.take();
        let content = state
            .content
            .get_or_insert_with(|| Content::new(terms, waiting.clone()));
        if waiting.is_some() && draining.is_some() {
            content.holder.seen = draining;
        }
        let began = content.mailbox.append(batch, messages);
        let slow = began.then(|| content.mailbox.dropped());
        let crowded = content.mailbox.is_crowded() && !content.patience.is_zero();
        Filled {
            waker: waiting,
            slow,
            crowded,
        }
    }

    /// Copies what is left of old batches out of the blocks they pin.
    pub(crate) fn detach_before(&self, batch: u64) {
        if let Some(content) = &mut lock(&self.state).content {
            content.mailbox.detach_before(batch);
        }
    }

    /// No message follows.
    #[must_use = "who waits is to be woken"]
    pub(crate) fn end(&self, reason: EndReason) -> Option<Waker> {
        let mut state = lock(&self.state);
        state.ended.get_or_insert(reason);
        state.waker.take()
    }

    /// The handle is gone.
    #[must_use = "the one who reads may wait for this mailbox"]
    pub(crate) fn abandon(&self) -> Option<Waker> {
        let mut state = lock(&self.state);
        state.abandoned = true;
        state.content.take()?.reader
    }

    /// Whether there is nothing left that somebody could take, nor in anybody's hand.
    pub(crate) fn is_consumed(&self) -> bool {
        let state = lock(&self.state);
        state
            .content
            .as_ref()
            .is_none_or(|content| content.mailbox.is_empty() && !content.holder.in_hand)
    }

    /// What a drain still finds here, if its holder is waited for until then.
    pub(crate) fn left(&self, now: Instant, until: impl FnOnce(&Holder) -> Option<Instant>) -> Left {
        let state = lock(&self.state);
        let Some(content) = &state.content else {
            return Left::Nothing;
        };
        if content.mailbox.is_empty() && !content.holder.in_hand {
            return Left::Nothing;
        }
        match until(&content.holder) {
            Some(until) if until <= now => Left::Unread(content.pending() as u64),
            until => Left::Waits(until),
        }
    }

    /// Takes the oldest message; no message once the subscription has ended and nothing is left.
    #[inline]
    pub(crate) fn poll_take(
        &self,
        hand: &mut Hand,
        cx: &mut Context<'_>,
        drain: &DrainClock,
        taken: &mut Taken,
    ) -> Poll<Option<Message>> {
        let mut state = lock(&self.state);
        // Asked under the lock: a drain that has seen what was here before is known here, too, and is woken.
        let message = state.take(hand, drain.now(), taken);
        if let Some(content) = &mut state.content {
            remember(&mut content.holder.poller, cx.waker());
        }
        if message.is_none() && state.ended.is_none() {
            remember(&mut state.waker, cx.waker());
            return Poll::Pending;
        }
        Poll::Ready(message)
    }

    /// Takes the oldest message if there is one.
    pub(crate) fn try_take(&self, hand: &mut Hand, drain: &DrainClock, taken: &mut Taken) -> Option<Message> {
        let mut state = lock(&self.state);
        state.take(hand, drain.now(), taken)
    }

    pub(crate) fn ended(&self) -> Option<EndReason> {
        lock(&self.state).ended
    }

    pub(crate) fn pending(&self) -> usize {
        self.look(Content::pending)
    }

    /// Without those in the hand of the holder.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.look(|content| content.mailbox.bytes())
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.look(|content| content.mailbox.dropped())
    }

    pub(crate) fn limits(&self, terms: Terms) -> MailboxLimits {
        let state = lock(&self.state);
        let content = state.content.as_ref();
        content.map_or(terms.limits, |content| content.mailbox.limits())
    }

    /// The limits of these terms, for this mailbox alone.
    pub(crate) fn set_limits(&self, terms: Terms) {
        let mut state = lock(&self.state);
        let waiting = state.waker.clone();
        let content = state.content.get_or_insert_with(|| Content::new(terms, waiting));
        content.mailbox.set_limits(terms.limits);
    }

    fn look<N: Default>(&self, look: impl FnOnce(&Content) -> N) -> N {
        let state = lock(&self.state);
        state.content.as_deref().map_or_else(N::default, look)
    }
}

impl State {
    /// Takes a message, those in the hand of the holder first. The time counts where the connection is being drained.
    fn take(&mut self, hand: &mut Hand, draining: Option<Instant>, taken: &mut Taken) -> Option<Message> {
        let content = self.content.as_mut()?;
        // The last message is done with, if there was one.
        let was_in_hand = content.holder.in_hand;
        content.holder.seen = draining;
        let next = hand.next();
        let Some(message) = next.or_else(|| hand.fill(&mut content.mailbox, &content.in_hand)) else {
            content.holder.in_hand = false;
            taken.drain_waits = was_in_hand && self.ended.is_some() && draining.is_some();
            return None;
        };
        content.holder.in_hand = true;
        if content.mailbox.is_empty() {
            content.patience = content.full_patience;
        }
        if content.reader.is_some() && !content.mailbox.is_crowded() {
            taken.reader = content.reader.take();
        }
        Some(message)
    }
}

impl Content {
    fn new(terms: Terms, poller: Option<Waker>) -> Box<Self> {
        Box::new(Self {
            mailbox: Mailbox::new(terms.limits),
            reader: None,
            patience: terms.patience,
            full_patience: terms.patience,
            holder: Holder {
                poller,
                ..Holder::default()
            },
            in_hand: Arc::default(),
        })
    }

    /// How many messages the holder has not given on.
    fn pending(&self) -> usize {
        self.mailbox.len() + self.in_hand.count()
    }

    /// How many it has.
    fn given(&self) -> u64 {
        self.mailbox.taken() - self.in_hand.count() as u64
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
        let mut taken = 0;
        if let Some(content) = &mut lock(&mail.state).content {
            content.reader = Some(waker.clone());
            taken = content.given();
        }
        Self {
            mail,
            since: now,
            taken,
            checked: now,
        }
    }

    /// It was filled again: who has taken enough of it meanwhile has called the waker, and would call nobody now.
    pub(crate) fn refilled(&self, waker: &Waker) {
        if let Some(content) = &mut lock(&self.mail.state).content {
            remember(&mut content.reader, waker);
        }
    }

    /// Whether this is the mailbox that reading waits for.
    pub(crate) fn is_for(&self, mail: &Arc<Mail>) -> bool {
        Arc::ptr_eq(&self.mail, mail)
    }

    /// Whether to go on waiting for it: then when to ask again.
    pub(crate) fn check(&mut self, now: Instant) -> Option<Instant> {
        let mut state = lock(&self.mail.state);
        let content = state.content.as_mut()?;
        let waited = now.saturating_duration_since(self.since);
        if !content.mailbox.is_crowded() {
            if !content.mailbox.is_empty() {
                content.patience = content.patience.saturating_sub(waited);
            }
            content.reader = None;
            return None;
        }
        let unchecked = now.saturating_duration_since(self.checked);
        let stalled = unchecked >= STALLED && content.given() == self.taken;
        if stalled || waited >= content.patience {
            content.patience = Duration::ZERO;
            content.reader = None;
            return None;
        }
        if unchecked >= STALLED {
            self.taken = content.given();
            self.checked = now;
        }
        Some(std::cmp::min(
            self.checked + STALLED,
            self.since + content.patience,
        ))
    }
}

#[cfg(test)]
pub(crate) mod tests;
