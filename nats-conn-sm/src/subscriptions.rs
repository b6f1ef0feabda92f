//! The table of subscriptions: the one truth about what we want to hear.

use alloc::collections::BTreeMap;
use core::num::NonZeroU64;
use core::ops::Bound;

use nats_proto::{ClientOp, QueueGroup, Sid, SubjectFilter};

use crate::ids::LinkId;

/// What is known of one subscription.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    filter: SubjectFilter,
    queue: Option<QueueGroup>,
    /// Ends when so many have been received.
    max: Option<NonZeroU64>,
    /// From the wire, on all links, delivered or dropped.
    received: u64,
    /// How many of these on earlier links.
    received_before: u64,
    /// The last link on which its SUB was written or queued.
    link: Option<LinkId>,
    pub(crate) purpose: Purpose,
}

/// What a subscription is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The application listens.
    Deliver,
    /// As `Deliver`, but UNSUB is on its way.
    Drain,
    /// The replies to requests.
    Inbox,
}

impl Subscription {
    pub(crate) fn is_on(&self, link: LinkId) -> bool {
        self.link == Some(link)
    }

    pub(crate) fn subscribe(&self, sid: Sid) -> ClientOp<'_> {
        ClientOp::Subscribe {
            sid,
            filter: &self.filter,
            queue: self.queue.as_ref(),
        }
    }

    /// The UNSUB that tells the server how many more it may send, counted from the SUB of this link.
    pub(crate) fn unsubscribe_rest(&self, sid: Sid) -> Option<ClientOp<'static>> {
        let max = NonZeroU64::new(self.max?.get().saturating_sub(self.received_before))?;
        Some(ClientOp::Unsubscribe { sid, max: Some(max) })
    }

    /// Its SUB is being written to this link.
    pub(crate) fn begin_on(&mut self, link: LinkId) {
        self.link = Some(link);
        self.received_before = self.received;
    }

    fn is_exhausted(&self) -> bool {
        self.max.is_some_and(|max| self.received >= max.get())
    }
}

/// What a message means for its subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Nobody listens any more.
    Unknown,
    Deliver,
    /// The last one that was asked for: the subscription is gone.
    DeliverLast,
    Reply,
}

/// The table, ordered by sid, so that what is written from it is the same in every run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subscriptions {
    table: BTreeMap<Sid, Subscription>,
    last: u64,
    inboxes: u64,
}

impl Subscriptions {
    /// The sid that the next subscription gets. Sids are never used again.
    pub(crate) fn next_sid(&self) -> Sid {
        Sid::new(self.last.saturating_add(1))
    }

    /// The highest sid there ever was.
    pub(crate) fn last_sid(&self) -> Sid {
        Sid::new(self.last)
    }

    pub(crate) fn insert(
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
            queue,
            max: None,
            received: 0,
            received_before: 0,
            link: None,
            purpose,
        };
        self.table.insert(sid, subscription);
        sid
    }

    pub(crate) fn get(&self, sid: Sid) -> Option<&Subscription> {
        self.table.get(&sid)
    }

    pub(crate) fn get_mut(&mut self, sid: Sid) -> Option<&mut Subscription> {
        self.table.get_mut(&sid)
    }

    pub(crate) fn remove(&mut self, sid: Sid) -> Option<Subscription> {
        let gone = self.table.remove(&sid)?;
        if gone.purpose == Purpose::Inbox {
            self.inboxes = self.inboxes.saturating_sub(1);
        }
        Some(gone)
    }

    /// How many the application has.
    pub(crate) fn len(&self) -> u64 {
        (self.table.len() as u64).saturating_sub(self.inboxes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Counts a message.
    pub(crate) fn receive(&mut self, sid: Sid) -> Arrival {
        let Some(subscription) = self.table.get_mut(&sid) else {
            return Arrival::Unknown;
        };
        if subscription.purpose == Purpose::Inbox {
            return Arrival::Reply;
        }
        subscription.received = subscription.received.saturating_add(1);
        if subscription.is_exhausted() {
            self.table.remove(&sid);
            return Arrival::DeliverLast;
        }
        Arrival::Deliver
    }

    /// Sets how many it wants in all. Whether it has them already, and is gone.
    pub(crate) fn limit(&mut self, sid: Sid, max: NonZeroU64) -> bool {
        let Some(subscription) = self.table.get_mut(&sid) else {
            return false;
        };
        subscription.max = Some(max);
        let exhausted = subscription.is_exhausted();
        if exhausted {
            self.table.remove(&sid);
        }
        exhausted
    }

    /// The first sid above `after`, up to `last`, whose interest is to be restored.
    pub(crate) fn next_to_restore(&self, after: Sid, last: Sid, inbox_only: bool) -> Option<Sid> {
        if after >= last {
            return None;
        }
        self.table
            .range((Bound::Excluded(after), Bound::Included(last)))
            .find(|(_, subscription)| match subscription.purpose {
                Purpose::Deliver => !inbox_only,
                Purpose::Drain => false,
                Purpose::Inbox => true,
            })
            .map(|(&sid, _)| sid)
    }

    /// The oldest subscription above `after` with this subject and queue group, whose SUB went to this link.
    pub(crate) fn find(&self, after: Sid, subject: &str, queue: Option<&str>, link: LinkId) -> Option<Sid> {
        self.table
            .range((Bound::Excluded(after), Bound::Unbounded))
            .find(|(_, subscription)| {
                subscription.filter.as_str() == subject
                    && subscription.queue.as_ref().map(QueueGroup::as_str) == queue
                    && subscription.is_on(link)
            })
            .map(|(&sid, _)| sid)
    }

    /// Those for which this holds, in ascending order.
    pub(crate) fn sids(&self, holds: impl Fn(&Subscription) -> bool) -> alloc::vec::Vec<Sid> {
        self.table
            .iter()
            .filter(|(_, subscription)| holds(subscription))
            .map(|(&sid, _)| sid)
            .collect()
    }
}
