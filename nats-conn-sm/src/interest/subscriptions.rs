//! The table of subscriptions: the only record of what is to be heard.

use alloc::boxed::Box;
use core::num::NonZeroU64;

use nats_proto::{ClientOp, QueueGroup, Sid, SubjectFilter};

use super::table::Table;
use crate::canonical::Form;
use crate::ids::LinkId;

/// What is known of one subscription. There may be a hundred thousand of these: what few have is put aside.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    filter: SubjectFilter,
    rare: Option<Box<Rare>>,
    /// From the wire, on all links, delivered or dropped.
    received: u64,
    /// How many of these on earlier links.
    received_before: u64,
    /// The number of the last link on which its SUB was written or queued; none has the number 0.
    link: Option<NonZeroU64>,
    purpose: Purpose,
}

/// What few subscriptions have.
#[derive(Clone, Debug, Default)]
struct Rare {
    queue: Option<QueueGroup>,
    /// It ends when so many have been received.
    max: Option<NonZeroU64>,
}

/// What a subscription is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The application listens.
    Deliver,
    /// As `Deliver`, but UNSUB is on its way.
    Drain,
    /// The replies to requests.
    Inbox,
}

impl Subscription {
    pub(super) fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// UNSUB is on its way.
    pub(super) fn drain(&mut self) {
        self.purpose = Purpose::Drain;
    }

    pub(super) fn is_on(&self, link: LinkId) -> bool {
        self.link.is_some_and(|known| known.get() == link.as_u64())
    }

    fn queue(&self) -> Option<&QueueGroup> {
        self.rare.as_ref()?.queue.as_ref()
    }

    #[inline]
    fn max(&self) -> Option<NonZeroU64> {
        self.rare.as_ref()?.max
    }

    pub(super) fn subscribe(&self, sid: Sid) -> ClientOp<'_> {
        ClientOp::Subscribe {
            sid,
            filter: &self.filter,
            queue: self.queue(),
        }
    }

    /// The UNSUB with the number of messages that the server may still send, counted from the SUB of this link.
    pub(super) fn unsubscribe_rest(&self, sid: Sid) -> Option<ClientOp<'static>> {
        let max = NonZeroU64::new(self.max()?.get().saturating_sub(self.received_before))?;
        Some(ClientOp::Unsubscribe { sid, max: Some(max) })
    }

    /// Its SUB is being written to this link.
    pub(super) fn begin_on(&mut self, link: LinkId) {
        self.link = NonZeroU64::new(link.as_u64());
        self.received_before = self.received;
    }

    #[inline]
    fn is_exhausted(&self) -> bool {
        self.max().is_some_and(|max| self.received >= max.get())
    }
}

/// For exploration.
impl Subscription {
    /// Which link heard of it is of interest only for the present one: what other links knew is written anew.
    fn canonical(&self, present: Option<LinkId>, form: &mut Form) {
        let Self {
            filter,
            rare,
            received,
            received_before,
            link: _,
            purpose,
        } = self;
        form.text(filter.as_str().as_bytes());
        // One that is put aside with nothing in it is as good as none.
        let Rare { queue, max } = rare.as_deref().cloned().unwrap_or_default();
        form.option(queue.as_ref(), |form, queue| form.text(queue.as_str().as_bytes()));
        form.option(max, |form, max| form.number(max.get()));
        match purpose {
            Purpose::Deliver => form.variant(0),
            Purpose::Drain => form.variant(1),
            Purpose::Inbox => form.variant(2),
        }
        // An inbox has no maximum, ever.
        form.option((*purpose != Purpose::Inbox).then_some(*received), Form::number);
        let is_heard = present.is_some_and(|present| self.is_on(present));
        form.option(is_heard.then_some(*received_before), |form, before| {
            form.option((*purpose != Purpose::Inbox).then_some(before), Form::number);
        });
    }
}

/// What a message means for its subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// Nobody listens any more.
    Unknown,
    Deliver,
    /// The last one that was asked for: the subscription is gone.
    DeliverLast,
    /// It came to the inbox.
    Reply,
}

/// The table, ordered by sid, so that what is written from it is the same in every run.
#[derive(Clone, Debug, Default)]
pub(super) struct Subscriptions {
    table: Table<Subscription>,
    last: u64,
    inboxes: u64,
}

impl Subscriptions {
    /// The sid that the next subscription gets. Sids are never used again.
    pub(super) fn next_sid(&self) -> Sid {
        Sid::new(self.last.saturating_add(1))
    }

    /// The highest sid there ever was.
    pub(super) fn last_sid(&self) -> Sid {
        Sid::new(self.last)
    }

    pub(super) fn insert(
        &mut self,
        filter: SubjectFilter,
        queue: Option<QueueGroup>,
        purpose: Purpose,
    ) -> Sid {
        let sid = self.next_sid();
        self.last = sid.get();
        if purpose == Purpose::Inbox {
            self.inboxes = self.inboxes.saturating_add(1);
        }
        let subscription = Subscription {
            filter,
            rare: queue.map(|queue| {
                Box::new(Rare {
                    queue: Some(queue),
                    max: None,
                })
            }),
            received: 0,
            received_before: 0,
            link: None,
            purpose,
        };
        self.table.push(sid, subscription);
        sid
    }

    pub(super) fn get(&self, sid: Sid) -> Option<&Subscription> {
        self.table.get(sid)
    }

    pub(super) fn get_mut(&mut self, sid: Sid) -> Option<&mut Subscription> {
        self.table.get_mut(sid)
    }

    pub(super) fn remove(&mut self, sid: Sid) -> Option<Subscription> {
        let gone = self.table.remove(sid)?;
        if gone.purpose == Purpose::Inbox {
            self.inboxes = self.inboxes.saturating_sub(1);
        }
        Some(gone)
    }

    /// How many the application has.
    pub(super) fn len(&self) -> u64 {
        (self.table.len() as u64).saturating_sub(self.inboxes)
    }

    /// Counts a message.
    #[inline]
    pub(super) fn receive(&mut self, sid: Sid) -> Received {
        let Some(subscription) = self.table.get_mut(sid) else {
            return Received::Unknown;
        };
        if subscription.purpose == Purpose::Inbox {
            return Received::Reply;
        }
        subscription.received = subscription.received.saturating_add(1);
        if subscription.is_exhausted() {
            self.table.remove(sid);
            return Received::DeliverLast;
        }
        Received::Deliver
    }

    /// Sets how many it wants in all. Whether it has them already, and is gone.
    pub(super) fn limit(&mut self, sid: Sid, max: NonZeroU64) -> bool {
        let Some(subscription) = self.table.get_mut(sid) else {
            return false;
        };
        subscription.rare.get_or_insert_default().max = Some(max);
        let exhausted = subscription.is_exhausted();
        if exhausted {
            self.table.remove(sid);
        }
        exhausted
    }

    /// The first sid above `after`, up to `last`, whose interest is to be restored.
    pub(super) fn next_to_restore(&self, after: Sid, last: Sid, inbox_only: bool) -> Option<Sid> {
        if after >= last {
            return None;
        }
        self.table
            .after(after)
            .take_while(|(sid, _)| *sid <= last)
            .find(|(_, subscription)| match subscription.purpose {
                Purpose::Deliver => !inbox_only,
                Purpose::Drain => false,
                Purpose::Inbox => true,
            })
            .map(|(sid, _)| sid)
    }

    /// The oldest subscription above `after` with this subject and queue group, whose SUB went to this link.
    pub(super) fn find(&self, after: Sid, subject: &str, queue: Option<&str>, link: LinkId) -> Option<Sid> {
        self.table
            .after(after)
            .find(|(_, subscription)| {
                subscription.filter.as_str() == subject
                    && subscription.queue().map(QueueGroup::as_str) == queue
                    && subscription.is_on(link)
            })
            .map(|(sid, _)| sid)
    }

    /// Those for which this holds, in ascending order.
    pub(super) fn sids(&self, holds: impl Fn(&Subscription) -> bool) -> alloc::vec::Vec<Sid> {
        self.table
            .iter()
            .filter(|(_, subscription)| holds(subscription))
            .map(|(sid, _)| sid)
            .collect()
    }
}

/// For exploration.
impl Subscriptions {
    pub(super) fn canonical(&self, present: Option<LinkId>, form: &mut Form) {
        let Self {
            table,
            // It counts on, and is above all that are mentioned.
            last: _,
            inboxes: _,
        } = self;
        form.list(table.iter(), |form, (sid, subscription)| {
            form.sid(sid);
            subscription.canonical(present, form);
        });
    }
}
