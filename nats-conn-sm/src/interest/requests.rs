//! Requests that wait for their replies, which come to one inbox.

mod canonical;
mod deadlines;
mod free_places;

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use nats_proto::{Sid, Subject, SubjectFilter};

use self::deadlines::{Deadline, Deadlines};
use self::free_places::FreePlaces;
use crate::env::Env;
use crate::event::RepliesEnd;
use crate::ids::{PublishSeq, RequestId};
use crate::publish::RequestMany;
use crate::ranges::SeqRanges;
use crate::time::Timestamp;

/// How many low bits of a [`RequestId`] are its place in the table; the rest is a counter, so that no id is used twice.
const PLACE_BITS: u32 = 24;
const PLACE_MASK: u64 = (1 << PLACE_BITS) - 1;

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) id: RequestId,
    pub(super) subject: Subject,
    pub(super) seq: PublishSeq,
    /// Bytes of its frame.
    pub(super) len: usize,
    /// Apart, because few are for several replies.
    pub(super) many: Option<Box<Many>>,
    deadline: Timestamp,
}

/// What a request for several replies still waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Many {
    left: Option<u32>,
    stall: Option<Duration>,
    sentinel: bool,
    /// The deadline over all of it.
    timeout: Timestamp,
}

impl Many {
    /// Whether an empty reply ends it.
    pub(super) fn sentinel(&self) -> bool {
        self.sentinel
    }
}

impl Pending {
    /// How it ends now that its deadline has come, if it is for several replies.
    pub(super) fn end(&self) -> Option<RepliesEnd> {
        let many = self.many.as_ref()?;
        Some(if self.deadline == many.timeout {
            RepliesEnd::Deadline
        } else {
            RepliesEnd::Stalled
        })
    }
}

/// The one subscription for all replies.
#[derive(Clone, Debug)]
pub(super) struct Inbox {
    sid: Sid,
    /// `<prefix>.<token>`: what stands before the number of the request.
    subject: Subject,
}

/// An inbox that is not subscribed yet: a subject that nobody else has, and the filter for what comes below it.
#[derive(Clone, Debug)]
pub(crate) struct NewInbox {
    subject: Subject,
    filter: SubjectFilter,
}

impl NewInbox {
    pub(crate) fn draw(env: &mut Env) -> Option<Self> {
        let (config, rng) = env.config_and_rng();
        let subject = format!("{}.{}", config.inbox_prefix, rng.token());
        let filter = format!("{subject}.*");
        Some(Self {
            subject: Subject::new(&subject).ok()?,
            filter: SubjectFilter::new(&filter).ok()?,
        })
    }

    /// What its reply subjects begin with.
    pub(crate) fn subject(&self) -> &Subject {
        &self.subject
    }

    pub(super) fn into_parts(self) -> (Subject, SubjectFilter) {
        (self.subject, self.filter)
    }
}

impl Inbox {
    pub(super) fn new(sid: Sid, subject: Subject) -> Self {
        Self { sid, subject }
    }

    pub(super) fn sid(&self) -> Sid {
        self.sid
    }

    pub(super) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Which request a reply is for.
    pub(super) fn request_of(&self, subject: &[u8]) -> Option<RequestId> {
        let token = subject
            .strip_prefix(self.subject.as_bytes())?
            .strip_prefix(b".")?;
        // No number that was given out is longer, whatever leading zeros would make of it.
        if token.is_empty() || token.len() > 20 {
            return None;
        }
        // Nineteen digits cannot overflow.
        let (safe, rest) = token.split_at_checked(19).unwrap_or((token, &[]));
        let mut number = 0_u64;
        for byte in safe {
            number = number.wrapping_mul(10).wrapping_add(digit(*byte)?);
        }
        for byte in rest {
            number = number.checked_mul(10)?.checked_add(digit(*byte)?)?;
        }
        Some(RequestId::from_u64(number))
    }
}

#[inline]
fn digit(byte: u8) -> Option<u64> {
    let digit = byte.wrapping_sub(b'0');
    (digit <= 9).then_some(u64::from(digit))
}

/// The inbox may not be subscribed.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    /// It is tried again then.
    until: Timestamp,
    wait: Duration,
}

/// How long the inbox is not tried again after it was refused, at first and at most.
const REFUSED_FIRST: Duration = Duration::from_secs(1);
const REFUSED_MOST: Duration = Duration::from_secs(60);

/// How many places are kept whether they are used or not.
const KEPT_PLACES: usize = 1024;

/// The table.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    inbox: Option<Inbox>,
    /// The server refused the inbox on the present link.
    refusal: Option<Refusal>,
    places: Vec<Option<Pending>>,
    /// Its empty places: the lowest is filled next, so that those of a burst can be given back.
    free: FreePlaces,
    /// In the order of their publishes. Those that have ended are removed when they are too many.
    order: Vec<(PublishSeq, RequestId)>,
    issued: u64,
    live: usize,
    /// Deadlines; those of requests that are settled are removed when they come to the top, or are too many.
    deadlines: Deadlines,
}

impl Requests {
    pub(super) fn inbox(&self) -> Option<&Inbox> {
        self.inbox.as_ref()
    }

    pub(super) fn set_inbox(&mut self, inbox: Inbox) {
        self.inbox = Some(inbox);
    }

    pub(super) fn take_inbox(&mut self) -> Option<Inbox> {
        self.inbox.take()
    }

    pub(super) fn len(&self) -> usize {
        self.live
    }

    pub(super) fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// The server refused the inbox: it is not tried again on this link for a while, each time twice as long.
    pub(super) fn pause(&mut self, now: Timestamp) {
        let wait = self.refusal.map_or(REFUSED_FIRST, |last| {
            last.wait.saturating_mul(2).min(REFUSED_MOST)
        });
        let until = now + wait;
        self.refusal = Some(Refusal { until, wait });
    }

    /// Another link: the inbox may be tried.
    pub(super) fn resume(&mut self) {
        self.refusal = None;
    }

    /// The server has processed every SUB up to this sid. Where that of the inbox is among them, it was accepted, and the
    /// next refusal is a first one.
    pub(super) fn prove(&mut self, subs: Sid) {
        if self.inbox.as_ref().is_some_and(|inbox| inbox.sid <= subs) {
            self.refusal = None;
        }
    }

    /// Whether a request would have to subscribe an inbox that was refused just now.
    pub(super) fn is_paused(&self, now: Timestamp) -> bool {
        self.inbox.is_none() && self.refusal.is_some_and(|refusal| now < refusal.until)
    }

    /// The request that [`next_id`](Self::next_id) numbered has ended before it began.
    pub(super) fn skip(&mut self) {
        self.issued = self.issued.saturating_add(1);
    }

    /// The number that the next request will have, unless the table is full.
    pub(super) fn next_id(&self) -> Option<RequestId> {
        let place = self.free.first().unwrap_or(self.places.len()) as u64;
        if place > PLACE_MASK {
            return None;
        }
        // Where the count is used up there are no more requests, rather than numbers that come twice.
        let count = self.issued.checked_add(1)?.checked_mul(1 << PLACE_BITS)?;
        Some(RequestId::from_u64(count | place))
    }

    /// Enters the request that [`next_id`](Self::next_id) numbered.
    pub(super) fn insert(
        &mut self,
        id: RequestId,
        subject: Subject,
        seq: PublishSeq,
        len: usize,
        timeout: Timestamp,
        many: Option<RequestMany>,
    ) {
        let many = many.map(|many| {
            Box::new(Many {
                left: many.max,
                stall: many.stall,
                sentinel: many.sentinel,
                timeout,
            })
        });
        let pending = Pending {
            id,
            subject,
            seq,
            len,
            many,
            deadline: timeout,
        };
        self.issued = self.issued.saturating_add(1);
        self.live = self.live.saturating_add(1);
        self.take_place(place_of(id), pending);
        self.deadlines.push((timeout, id));
        self.order.push((seq, id));
    }

    /// Fills the place that the number names. It was the first free one when the number was given; other requests may
    /// have ended since, to make room for this one.
    fn take_place(&mut self, place: usize, pending: Pending) {
        self.free.remove(place);
        if let Some(entry) = self.places.get_mut(place) {
            *entry = Some(pending);
            return;
        }
        for free in self.places.len()..place {
            self.free.insert(free);
            self.places.push(None);
        }
        self.places.push(Some(pending));
    }

    pub(super) fn get(&self, id: RequestId) -> Option<&Pending> {
        self.places
            .get(place_of(id))?
            .as_ref()
            .filter(|pending| pending.id == id)
    }

    /// Counts a reply to a request for several. Whether it was the last one asked for.
    pub(super) fn count_reply(&mut self, id: RequestId, now: Timestamp) -> bool {
        let Some(pending) = self.places.get_mut(place_of(id)).and_then(Option::as_mut) else {
            return false;
        };
        let Some(many) = pending.many.as_mut() else {
            return false;
        };
        if let Some(left) = &mut many.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return true;
            }
        }
        if let Some(stall) = many.stall {
            let deadline = many.timeout.min(now + stall);
            // Replies that came together have one deadline, and leave one entry.
            if deadline != pending.deadline {
                pending.deadline = deadline;
                self.deadlines.push((deadline, id));
                self.tidy();
            }
        }
        false
    }

    pub(super) fn remove(&mut self, id: RequestId) -> Option<Pending> {
        let place = place_of(id);
        let pending = self.places.get_mut(place)?.take_if(|pending| pending.id == id)?;
        self.free.insert(place);
        self.live = self.live.saturating_sub(1);
        self.tidy();
        self.tidy_order();
        self.shrink();
        Some(pending)
    }

    /// A burst leaves no table that is walked, and held, for ever.
    fn shrink(&mut self) {
        while self.places.len() > KEPT_PLACES && self.places.last().is_some_and(Option::is_none) {
            self.places.pop();
            self.free.remove(self.places.len());
        }
        let len = self.places.len();
        if self.places.capacity() > most(len) {
            self.places.shrink_to(len.saturating_mul(2));
            self.free.shrink(len);
        }
        if self.deadlines.capacity() > most(self.deadlines.len()) {
            self.deadlines.shrink();
        }
    }

    /// The ids of those for which this holds, oldest first.
    pub(super) fn ids(&self, holds: impl Fn(&Pending) -> bool) -> Vec<RequestId> {
        let mut ids: Vec<RequestId> = self
            .places
            .iter()
            .flatten()
            .filter(|pending| holds(pending))
            .map(|pending| pending.id)
            .collect();
        ids.sort_unstable();
        ids
    }

    /// The numbers of their publishes, ascending.
    pub(super) fn numbers(&self) -> Vec<PublishSeq> {
        let live = self.order.iter().filter(|&&(_, id)| self.get(id).is_some());
        live.map(|&(seq, _)| seq).collect()
    }

    /// The requests whose publishes are among these, oldest first.
    pub(super) fn of(&self, publishes: &SeqRanges) -> Vec<RequestId> {
        let mut ids = Vec::new();
        for &(first, last) in publishes.runs() {
            let start = self.order.partition_point(|&(seq, _)| seq < first);
            let rest = self.order.get(start..).unwrap_or_default();
            let run = rest.iter().take_while(|&&(seq, _)| seq <= last);
            ids.extend(run.map(|&(_, id)| id).filter(|&id| self.get(id).is_some()));
        }
        ids
    }

    /// The first place, from this one on, of a request for which this holds.
    pub(super) fn place_from(&self, place: usize, holds: impl Fn(&Pending) -> bool) -> Option<usize> {
        let rest = self.places.get(place..)?;
        let found = rest.iter().position(|entry| entry.as_ref().is_some_and(&holds))?;
        Some(place.saturating_add(found))
    }

    /// The next deadline.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.deadlines.peek().map(|(deadline, _)| deadline)
    }

    /// A request whose deadline has come.
    pub(super) fn overdue(&self, now: Timestamp) -> Option<RequestId> {
        self.deadlines
            .peek()
            .filter(|(deadline, _)| *deadline <= now)
            .map(|(_, id)| id)
    }

    /// Keeps a deadline that counts on top, and the heap no larger than twice what it stands for.
    fn tidy(&mut self) {
        while let Some(deadline) = self.deadlines.peek() {
            if self.is_current(deadline) {
                break;
            }
            self.deadlines.pop();
        }
        if self.deadlines.len() > self.live.saturating_mul(2).saturating_add(64) {
            let mut deadlines = core::mem::take(&mut self.deadlines);
            deadlines.retain(|deadline| self.is_current(deadline));
            self.deadlines = deadlines;
        }
    }

    /// Keeps the order no longer than twice what it stands for.
    fn tidy_order(&mut self) {
        if self.order.len() > self.live.saturating_mul(2).saturating_add(64) {
            let mut order = core::mem::take(&mut self.order);
            order.retain(|&(_, id)| self.get(id).is_some());
            if order.capacity() > most(order.len()) {
                order.shrink_to(order.len().saturating_mul(2));
            }
            self.order = order;
        }
    }

    fn is_current(&self, (deadline, id): Deadline) -> bool {
        self.get(id).is_some_and(|pending| pending.deadline == deadline)
    }
}

/// How much memory so many entries may hold.
fn most(len: usize) -> usize {
    len.max(KEPT_PLACES).saturating_mul(4)
}

fn place_of(id: RequestId) -> usize {
    usize::try_from(id.as_u64() & PLACE_MASK).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn insert(requests: &mut Requests, millis: u64) -> RequestId {
        let id = requests.next_id().unwrap();
        let subject = Subject::from_static("a");
        requests.insert(
            id,
            subject,
            PublishSeq::from_u64(1),
            10,
            Timestamp::from_millis(millis),
            None,
        );
        id
    }

    #[test]
    fn a_million_settled_requests_leave_nothing() {
        let mut requests = Requests::default();
        for round in 0..1_000_000 {
            let id = insert(&mut requests, round);
            assert!(requests.remove(id).is_some());
            assert!(requests.remove(id).is_none());
        }
        assert!(requests.is_empty());
        assert_eq!(requests.places.len(), 1);
        assert!(requests.deadlines.len() <= 64);
        assert_eq!(requests.deadline(), None);
    }

    #[test]
    fn a_hundred_thousand_requests_at_once_leave_nothing() {
        let mut requests = Requests::default();
        let ids: Vec<RequestId> = (0..100_000).map(|round| insert(&mut requests, round)).collect();
        ids.iter().for_each(|&id| drop(requests.remove(id)));
        assert!(requests.places.capacity() <= 4 * KEPT_PLACES);
        assert!(requests.free.capacity() <= 4 * KEPT_PLACES);
        assert!(requests.deadlines.capacity() <= 4 * KEPT_PLACES);
        let next = insert(&mut requests, 5);
        assert!(!ids.contains(&next) && ids.iter().all(|&id| requests.get(id).is_none()));
    }

    #[test]
    fn a_burst_is_forgotten_also_while_some_request_is_always_pending() {
        let mut requests = Requests::default();
        let mut burst: Vec<RequestId> = (0..100_000).map(|round| insert(&mut requests, round)).collect();
        let mut last = burst.pop().unwrap();
        burst.iter().for_each(|&id| drop(requests.remove(id)));
        assert_eq!(requests.places.len(), 100_000, "the last place is taken");
        for round in 0..2_000 {
            let next = insert(&mut requests, round);
            assert!(requests.remove(last).is_some());
            assert!(requests.get(next).is_some());
            last = next;
        }
        assert!(requests.places.capacity() <= 4 * KEPT_PLACES);
        assert!(requests.free.capacity() <= 4 * KEPT_PLACES);
        let fresh: Vec<RequestId> = (0..5_000).map(|round| insert(&mut requests, round)).collect();
        assert!(
            fresh
                .iter()
                .all(|&id| requests.get(id).is_some_and(|pending| pending.id == id))
        );
        assert_eq!(requests.live, 5_001);
    }

    #[test]
    fn replies_at_one_moment_leave_one_deadline() {
        let mut requests = Requests::default();
        let id = requests.next_id().unwrap();
        let (subject, seq) = (Subject::from_static("a"), PublishSeq::from_u64(1));
        let many = RequestMany::new(Duration::from_secs(10)).stall(Duration::from_secs(1));
        let timeout = Timestamp::from_millis(10_000);
        requests.insert(id, subject, seq, 10, timeout, Some(many));
        for _ in 0..1000 {
            assert!(!requests.count_reply(id, Timestamp::from_millis(5)));
        }
        assert_eq!(requests.deadlines.len(), 2);
        assert_eq!(requests.deadline(), Some(Timestamp::from_millis(1005)));
    }

    #[test]
    fn a_request_keeps_its_number_whatever_ended_since_that_was_given() {
        // The last place, one in between, and so many that the table shrinks.
        for ended in [1, 2, 5_000] {
            let mut requests = Requests::default();
            let others: Vec<RequestId> = (0..5_000).map(|_| insert(&mut requests, 5)).collect();
            let id = requests.next_id().unwrap();
            for other in others.iter().rev().take(ended) {
                assert!(requests.remove(*other).is_some());
            }
            let (subject, seq) = (Subject::from_static("a"), PublishSeq::from_u64(1));
            requests.insert(id, subject, seq, 10, Timestamp::from_millis(1), None);
            assert_eq!(requests.overdue(Timestamp::from_millis(1)), Some(id));
            assert!(requests.get(id).is_some(), "{ended} ended");
            let later: Vec<RequestId> = (0..10_000).map(|_| insert(&mut requests, 9)).collect();
            assert!(later.iter().all(|&id| requests.get(id).is_some()));
            assert!(requests.remove(id).is_some());
            assert!(later.iter().all(|&id| requests.remove(id).is_some()));
        }
    }

    #[test]
    fn where_the_count_is_used_up_there_are_no_more_requests() {
        let mut requests = Requests {
            issued: (1 << (64 - PLACE_BITS)) - 2,
            ..Requests::default()
        };
        let last = insert(&mut requests, 5);
        assert_eq!(last.as_u64() >> PLACE_BITS, (1 << (64 - PLACE_BITS)) - 1);
        assert_eq!(requests.next_id(), None);
    }

    #[test]
    fn requests_are_found_by_their_publishes() {
        let mut requests = Requests::default();
        let ids: Vec<RequestId> = (1..=200)
            .map(|number| {
                let id = requests.next_id().unwrap();
                let (subject, seq) = (Subject::from_static("a"), PublishSeq::from_u64(number));
                requests.insert(id, subject, seq, 10, Timestamp::from_millis(5), None);
                id
            })
            .collect();
        for ended in ids.iter().step_by(2) {
            assert!(requests.remove(*ended).is_some());
        }
        let mut publishes = SeqRanges::default();
        for (first, last) in [(1, 4), (99, 101), (199, 900)] {
            publishes.push_run(PublishSeq::from_u64(first), PublishSeq::from_u64(last));
        }
        assert_eq!(requests.of(&publishes), [ids[1], ids[3], ids[99], ids[199]]);
        assert_eq!(requests.numbers().len(), 100);
        ids.iter().for_each(|&id| drop(requests.remove(id)));
        assert!(requests.order.len() <= 64 && requests.of(&publishes).is_empty());
    }

    #[test]
    fn an_old_number_never_names_a_new_request() {
        let mut requests = Requests::default();
        let old = insert(&mut requests, 5);
        requests.remove(old);
        let new = insert(&mut requests, 5);
        assert_ne!(old, new);
        assert!(requests.get(old).is_none());
    }

    #[test]
    fn the_earliest_deadline_that_counts_is_on_top() {
        let mut requests = Requests::default();
        let first = insert(&mut requests, 10);
        let second = insert(&mut requests, 20);
        assert_eq!(requests.overdue(Timestamp::from_millis(9)), None);
        assert_eq!(requests.overdue(Timestamp::from_millis(10)), Some(first));
        requests.remove(first);
        assert_eq!(requests.deadline(), Some(Timestamp::from_millis(20)));
        assert_eq!(requests.overdue(Timestamp::from_millis(20)), Some(second));
    }

    #[test]
    fn replies_are_told_by_their_number_alone() {
        let inbox = Inbox {
            sid: Sid::new(1),
            subject: Subject::from_static("_INBOX.abc"),
        };
        assert_eq!(inbox.request_of(b"_INBOX.abc.17"), Some(RequestId::from_u64(17)));
        for odd in [
            &b"_INBOX.abc."[..],
            b"_INBOX.abc.x",
            b"_INBOX.abc.1.2",
            b"_INBOX.xyz.1",
            b"",
            b"_INBOX.abc.99999999999999999999",
            b"_INBOX.abc.000000000000000000017",
        ] {
            assert_eq!(inbox.request_of(odd), None);
        }
    }
}
