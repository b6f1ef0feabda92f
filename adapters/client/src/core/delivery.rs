//! What one turn of a driver has for the application: gathered under the lock, delivered after it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use nats_conn_sm::{EndReason, FlushError, RepliesEnd, RequestError};
use nats_proto::{Message, Sid};

use crate::core::event::ClientEvent;
use crate::core::hub::Hub;
use crate::core::loss::{Loss, PublishSlot, SubscriptionSlot};
use crate::core::mail::{Crowded, Mail, Terms};
use crate::core::oneshot::Oneshot;
use crate::core::reply_slot::ReplySlot;

/// For how many batches a message may pin the block it was read into. A batch is read into one block of 64 KiB at
/// most, so mailboxes pin 2 MiB at most beyond what they are charged for.
const PINNED_BATCHES: usize = 32;
/// Smaller replies are copied out of the block they were read into.
const PINNING: usize = 32 << 10;
/// A group that grew beyond this gives its memory back.
const KEPT_SLOTS: usize = 4096;

/// Reused from turn to turn, so that a turn in steady state allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    /// The number of this turn.
    batch: u64,
    /// Messages by mailbox: the first `used` of them belong to this turn.
    groups: Vec<Group>,
    used: usize,
    /// Where the last message was put.
    latest: usize,
    pub(crate) ends: Vec<(Arc<Mail>, EndReason)>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) events: Vec<ClientEvent>,
    wakers: Vec<Waker>,
    /// Where those are gathered who are woken after the turn.
    woken: Vec<Waker>,
    /// Which mailboxes were filled by the last batches.
    window: VecDeque<(u64, Vec<Arc<Mail>>)>,
    /// What holds for mailboxes.
    terms: Terms,
    /// The time of this turn, where the connection is being drained.
    draining: Option<Instant>,
}

#[derive(Debug, Default)]
struct Group {
    mail: Option<Arc<Mail>>,
    messages: VecDeque<Message>,
}

/// The end of something that a future waits for.
#[derive(Debug)]
pub(crate) enum Answer {
    Response(
        Arc<Oneshot<Result<Message, RequestError>>>,
        Result<Message, RequestError>,
    ),
    Reply(Arc<ReplySlot>, Message),
    RepliesEnded(Arc<ReplySlot>, Result<RepliesEnd, RequestError>),
    Flushed(Arc<Oneshot<Result<(), FlushError>>>, Result<(), FlushError>),
    RoundTrip(
        Arc<Oneshot<Result<Duration, FlushError>>>,
        Result<Duration, FlushError>,
    ),
    Fate(PublishSlot, Result<(), Loss>),
    Subscribed(SubscriptionSlot, Result<(), EndReason>),
}

/// What a turn brought.
#[derive(Debug, Default)]
#[must_use]
pub struct Delivered {
    /// So many messages were put into mailboxes: let those who wait for them run before reading on for long.
    pub messages: usize,
    /// How large the last of them was, as it was read.
    pub(crate) frame: usize,
    /// Something ended that the machine may wait for: have another turn before sleeping.
    pub again: bool,
    /// Mailboxes that are more than half full.
    crowded: Vec<Arc<Mail>>,
}

impl Delivered {
    /// How large the last message that was put into a mailbox was, as it was read. None was: 0.
    pub fn frame(&self) -> usize {
        self.frame
    }

    /// Whether there is something to [note](Backpressure::note).
    pub fn is_crowding(&self) -> bool {
        !self.crowded.is_empty()
    }
}

#[cfg(test)]
impl Delivered {
    /// A turn that has crowded this mailbox.
    pub(crate) fn crowding(mail: Arc<Mail>) -> Self {
        Self {
            crowded: vec![mail],
            ..Self::default()
        }
    }
}

impl Delivery {
    pub(crate) fn new(terms: Terms) -> Self {
        Self {
            terms,
            ..Self::default()
        }
    }

    pub(crate) fn begin(&mut self) {
        self.batch += 1;
    }

    /// The connection is being drained, and this is the time of the turn.
    pub(crate) fn drains(&mut self, now: Instant) {
        self.draining = Some(now);
    }

    /// Where to gather those who are woken after the turn.
    pub(crate) fn take_woken(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.woken)
    }

    /// They are woken: the memory is for the next turn.
    pub(crate) fn keep_woken(&mut self, woken: Vec<Waker>) {
        if woken.capacity() <= KEPT_SLOTS {
            self.woken = woken;
        }
    }

    pub(crate) fn wakers(&mut self) -> &mut Vec<Waker> {
        &mut self.wakers
    }

    /// Where the last message of this turn was put, if it was for this subscription, as it often is: nobody has to be asked
    /// where that is.
    #[inline]
    pub(crate) fn latest(&mut self, sid: Sid) -> Option<&mut VecDeque<Message>> {
        let group = self.groups[..self.used].get_mut(self.latest)?;
        let mail = group.mail.as_ref()?;
        (mail.sid() == sid).then_some(&mut group.messages)
    }

    /// Gathers a message with the others of this turn for the same mailbox.
    #[inline]
    pub(crate) fn message(&mut self, mail: &Arc<Mail>, message: Message) {
        let mut place = mail.group();
        let gathered = self.groups[..self.used].get(place);
        let is_own = |group: &Group| group.mail.as_ref().is_some_and(|own| Arc::ptr_eq(own, mail));
        if !gathered.is_some_and(is_own) {
            place = self.used;
            mail.gather_at(place);
            if place == self.groups.len() {
                self.groups.push(Group::default());
            }
            self.groups[place].mail = Some(mail.clone());
            self.used += 1;
        }
        self.latest = place;
        self.groups[place].messages.push_back(message);
    }

    /// Delivers the events, while the machine is still locked. Whom to wake comes into `wakers`. `Closed` comes after
    /// everything else, so that all is delivered at once where it is among them.
    pub(crate) fn deliver_events(&mut self, hub: &Hub, wakers: &mut Vec<Waker>) -> Delivered {
        let mut delivered = Delivered::default();
        if self.events.last().is_some_and(ClientEvent::is_closed) {
            self.deliver(hub, wakers, &mut delivered);
        } else {
            self.emit(hub, wakers);
        }
        delivered
    }

    /// Delivers everything, in the order events, messages, ends, answers, and `Closed` after all. So whoever has
    /// an answer finds in the other places what the machine emitted before it.
    pub(crate) fn deliver(&mut self, hub: &Hub, wakers: &mut Vec<Waker>, delivered: &mut Delivered) {
        if self.is_empty() {
            return;
        }
        wakers.append(&mut self.wakers);
        let closed = self.events.pop_if(|event| event.is_closed());
        self.emit(hub, wakers);
        self.deliver_messages(delivered, wakers);
        // Those who turned out to be slow just now.
        self.emit(hub, wakers);
        for (mail, reason) in self.ends.drain(..) {
            wakers.extend(mail.end(reason));
            delivered.again = true;
        }
        for answer in self.answers.drain(..) {
            wakers.extend(answer.deliver());
        }
        if let Some(closed) = closed {
            hub.emit(std::iter::once(closed), wakers);
        }
    }

    /// Whether the turn has brought nothing, as one that only writes.
    fn is_empty(&self) -> bool {
        self.used == 0
            && self.answers.is_empty()
            && self.wakers.is_empty()
            && self.events.is_empty()
            && self.ends.is_empty()
    }

    fn emit(&mut self, hub: &Hub, wakers: &mut Vec<Waker>) {
        if !self.events.is_empty() {
            hub.emit(self.events.drain(..), wakers);
        }
    }

    fn deliver_messages(&mut self, delivered: &mut Delivered, wakers: &mut Vec<Waker>) {
        if self.used == 0 {
            return;
        }
        let mut filled = self.oldest_of_window();
        for group in self.groups.iter_mut().take(self.used) {
            let Some(mail) = group.mail.take() else { continue };
            delivered.messages += group.messages.len();
            delivered.frame = group.messages.back().map_or(0, Message::wire_len);
            let outcome = mail.fill(self.batch, &mut group.messages, self.terms, self.draining);
            if group.messages.capacity() > KEPT_SLOTS {
                group.messages = VecDeque::new();
            }
            wakers.extend(outcome.waker);
            if let Some(dropped) = outcome.slow {
                self.events.push(ClientEvent::SlowConsumer {
                    subscription: mail.sid(),
                    dropped,
                });
            }
            if outcome.crowded {
                delivered.crowded.push(mail.clone());
            }
            filled.push(mail);
        }
        self.used = 0;
        self.window.push_back((self.batch, filled));
    }

    /// Takes the oldest batch out of the window when it is full: what is left of it is copied out of its block.
    fn oldest_of_window(&mut self) -> Vec<Arc<Mail>> {
        if self.window.len() < PINNED_BATCHES {
            return Vec::new();
        }
        let Some((batch, mut filled)) = self.window.pop_front() else {
            return Vec::new();
        };
        for mail in filled.drain(..) {
            mail.detach_before(batch + 1);
        }
        filled
    }
}

/// A reply that pins no more than itself, however long nobody takes it. A large one fills its block anyway.
fn own(reply: Message) -> Message {
    if reply.wire_len() < PINNING {
        reply.detach()
    } else {
        reply
    }
}

impl Answer {
    fn deliver(self) -> Option<Waker> {
        match self {
            Self::Response(slot, result) => slot.put(result.map(own)),
            Self::Reply(slot, message) => slot.push(message),
            Self::RepliesEnded(slot, result) => slot.end(result),
            Self::Flushed(slot, result) => slot.put(result),
            Self::RoundTrip(slot, result) => slot.put(result),
            Self::Fate(slot, fate) => slot.put(fate),
            Self::Subscribed(slot, heard) => slot.put(heard),
        }
    }
}

/// For whom reading waits.
///
/// While a mailbox is more than half full and its consumer makes progress, the driver does not read: so a burst
/// reaches a consumer that is a little behind without loss and with bounded memory. It is asked again when the
/// consumer has caught up or has stopped taking, and at last when the mailbox's patience
/// ([`ConnectOptions::patience`](crate::ConnectOptions::patience)) is used up; from then on messages of that
/// subscription are dropped when its mailbox is full, and the connection does not wait for it any more.
#[derive(Debug, Default)]
pub struct Backpressure {
    crowded: Vec<Crowded>,
}

impl Backpressure {
    /// Notes the mailboxes that a turn has crowded. `waker` is woken when one of them has room again.
    pub fn note(&mut self, delivered: Delivered, now: Instant, waker: &Waker) {
        for mail in delivered.crowded {
            // A read takes several turns: its mailbox waits, and is charged for that, once.
            match self.crowded.iter().find(|crowded| crowded.is_for(&mail)) {
                Some(crowded) => crowded.refilled(waker),
                None => self.crowded.push(Crowded::new(mail, now, waker)),
            }
        }
    }

    /// Whether reading waits.
    pub fn is_active(&self) -> bool {
        !self.crowded.is_empty()
    }

    /// Whether reading still waits, and when to ask again if nobody is woken before.
    pub fn check(&mut self, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        self.crowded.retain_mut(|crowded| match crowded.check(now) {
            Some(again) => {
                next = Some(next.map_or(again, |next| next.min(again)));
                true
            }
            None => false,
        });
        next
    }
}

#[cfg(test)]
mod tests;
