//! What is to be heard: subscriptions, and requests with the one inbox their replies come to.

mod canonical;
mod requests;
mod restore;
mod subscriptions;
mod table;

use alloc::vec::Vec;
use core::num::NonZeroU64;

use nats_proto::{
    ClientOp, Message, PermissionOperation, PermissionViolation, QueueGroup, Sid, Subject, SubjectFilter,
};

pub(crate) use self::requests::NewInbox;

use self::requests::{Inbox, Pending, Requests};
use self::restore::OnLink;
use self::subscriptions::{Purpose, Received, Subscription, Subscriptions};
use crate::env::Env;
use crate::error::{SubscribeError, SubscriptionError};
use crate::event::RepliesEnd;
use crate::frames::Block;
use crate::ids::{LinkId, PublishSeq, RequestId};
use crate::publish::RequestMany;
use crate::ranges::SeqRanges;
use crate::time::Timestamp;

/// The tables. `on` is, in all its methods, the link whose session takes frames now, if there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interest {
    subscriptions: Subscriptions,
    requests: Requests,
    /// There is one while there is a session.
    on_link: Option<OnLink>,
}

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Arrival {
    /// Nobody listens any more.
    Unknown,
    Deliver,
    /// The last one that was asked for: the subscription is gone.
    DeliverLast,
    /// It ends a request.
    Response {
        ended: RequestFrame,
        no_responders: bool,
    },
    /// It is one of several replies, and may be the last of them.
    Reply {
        request: RequestId,
        ended: Option<RequestFrame>,
    },
    /// It means that no (more) replies follow.
    RepliesEnded {
        ended: RequestFrame,
        end: Option<RepliesEnd>,
    },
}

/// A request, and the frame that asks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestFrame {
    pub request: RequestId,
    /// Several replies were asked for.
    pub many: bool,
    pub seq: PublishSeq,
    /// Bytes of its frame.
    pub len: usize,
}

/// A request whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expired {
    pub ended: RequestFrame,
    /// How a request for several replies ends; none for one that wants a single reply.
    pub end: Option<RepliesEnd>,
}

/// What an UNSUB with a maximum came to.
#[derive(Debug)]
#[must_use]
pub(crate) struct Limited {
    /// It has received as many already.
    pub ended: bool,
    /// The UNSUB to write.
    pub unsub: Option<ClientOp<'static>>,
}

/// What draining one subscription came to.
#[derive(Debug)]
#[must_use]
pub(crate) enum Drained {
    /// It was being drained already.
    Already,
    /// The UNSUB is to be written, and a PING.
    Unsub(ClientOp<'static>),
    /// The server knows nothing of it.
    AtOnce,
}

/// What draining all subscriptions came to.
#[derive(Debug)]
#[must_use]
pub(crate) struct DrainedAll {
    /// UNSUBs to be written, and a PING.
    pub unsubs: Vec<ClientOp<'static>>,
    /// Those of which the server knows nothing.
    pub ended: Vec<Sid>,
}

/// What a permission violation concerns.
#[derive(Debug)]
#[must_use]
pub(crate) enum Denied {
    /// This subscription, which is gone.
    Subscription(Sid),
    /// The inbox, and all requests with it.
    Inbox(Vec<RequestFrame>),
    /// A publish, and the requests on its subject.
    Publish(Vec<RequestFrame>),
    Other,
}

/// What the end of a session ends.
#[derive(Debug)]
#[must_use]
pub(crate) struct InterestLost {
    pub requests: Vec<RequestFrame>,
    /// Subscriptions that were being drained.
    pub drained: Vec<Sid>,
}

impl From<&Pending> for RequestFrame {
    fn from(pending: &Pending) -> Self {
        Self {
            request: pending.id,
            many: pending.many.is_some(),
            seq: pending.seq,
            len: pending.len,
        }
    }
}

/// Subscriptions.
impl Interest {
    /// Enters a subscription. Its SUB is to be written if there is a session.
    pub(crate) fn subscribe(
        &mut self,
        filter: SubjectFilter,
        queue: Option<QueueGroup>,
        on: Option<LinkId>,
        env: &Env,
    ) -> Result<Sid, SubscribeError> {
        let op = ClientOp::Subscribe {
            sid: self.subscriptions.next_sid(),
            filter: &filter,
            queue: queue.as_ref(),
        };
        // "SUB " and CRLF are no arguments (parser.go counts those alone).
        let size = op.encoded_len().saturating_sub(6);
        let max = env.config().max_control_line;
        if size > max {
            return Err(SubscribeError::ControlLineTooLong { size, max });
        }
        Ok(self.enter(filter, queue, Purpose::Deliver, on))
    }

    fn enter(
        &mut self,
        filter: SubjectFilter,
        queue: Option<QueueGroup>,
        purpose: Purpose,
        on: Option<LinkId>,
    ) -> Sid {
        let sid = self.subscriptions.insert(filter, queue, purpose);
        if let (Some(link), Some(subscription)) = (on, self.subscriptions.get_mut(sid)) {
            subscription.begin_on(link);
        }
        sid
    }

    /// The SUB of a subscription.
    pub(crate) fn frame(&self, sid: Sid) -> Option<ClientOp<'_>> {
        Some(self.subscriptions.get(sid)?.subscribe(sid))
    }

    /// Ends a subscription: the UNSUB to write.
    pub(crate) fn unsubscribe(
        &mut self,
        sid: Sid,
        on: Option<LinkId>,
    ) -> Result<Option<ClientOp<'static>>, SubscriptionError> {
        self.require_known(sid)?;
        let unsub = self.unsub(sid, on);
        self.subscriptions.remove(sid);
        Ok(unsub)
    }

    /// Sets how many messages it gets in all.
    pub(crate) fn limit(
        &mut self,
        sid: Sid,
        max: NonZeroU64,
        on: Option<LinkId>,
    ) -> Result<Limited, SubscriptionError> {
        self.require_known(sid)?;
        let plain = self.unsub(sid, on);
        if self.subscriptions.limit(sid, max) {
            return Ok(Limited {
                ended: true,
                unsub: plain,
            });
        }
        let rest = self
            .subscriptions
            .get(sid)
            .and_then(|subscription| subscription.unsubscribe_rest(sid));
        Ok(Limited {
            ended: false,
            unsub: plain.and(rest),
        })
    }

    /// Begins to drain one subscription.
    pub(crate) fn drain(&mut self, sid: Sid, on: Option<LinkId>) -> Result<Drained, SubscriptionError> {
        self.require_known(sid)?;
        let unsub = self.unsub(sid, on);
        let Some(subscription) = self.subscriptions.get_mut(sid) else {
            return Err(SubscriptionError::Unknown);
        };
        if subscription.purpose() == Purpose::Drain {
            return Ok(Drained::Already);
        }
        subscription.drain();
        Ok(unsub.map_or(Drained::AtOnce, Drained::Unsub))
    }

    /// Begins to drain all subscriptions.
    pub(crate) fn drain_all(&mut self, on: Option<LinkId>) -> DrainedAll {
        let (mut unsubs, mut ended) = (Vec::new(), Vec::new());
        for sid in self
            .subscriptions
            .sids(|entry| entry.purpose() == Purpose::Deliver)
        {
            if let Some(unsub) = self.unsub(sid, on) {
                unsubs.push(unsub);
                if let Some(subscription) = self.subscriptions.get_mut(sid) {
                    subscription.drain();
                }
            } else {
                self.subscriptions.remove(sid);
                ended.push(sid);
            }
        }
        DrainedAll { unsubs, ended }
    }

    /// The PONG that follows an UNSUB, or those of all: the draining subscriptions that have had everything.
    pub(crate) fn drained(&mut self, one: Option<Sid>) -> Vec<Sid> {
        let drains = |subscription: &Subscription| subscription.purpose() == Purpose::Drain;
        let ended = match one {
            Some(sid) if self.subscriptions.get(sid).is_some_and(drains) => alloc::vec![sid],
            Some(_) => Vec::new(),
            None => self.subscriptions.sids(drains),
        };
        for &sid in &ended {
            self.subscriptions.remove(sid);
        }
        ended
    }

    fn require_known(&self, sid: Sid) -> Result<(), SubscriptionError> {
        let known = |subscription: &Subscription| subscription.purpose() != Purpose::Inbox;
        if self.subscriptions.get(sid).is_some_and(known) {
            Ok(())
        } else {
            Err(SubscriptionError::Unknown)
        }
    }

    /// The UNSUB of a subscription of which the server has heard.
    fn unsub(&self, sid: Sid, on: Option<LinkId>) -> Option<ClientOp<'static>> {
        let heard = self.subscriptions.get(sid)?.is_on(on?);
        heard.then_some(ClientOp::Unsubscribe { sid, max: None })
    }
}

/// Requests.
impl Interest {
    /// The number of the next request, unless there are too many.
    pub(crate) fn next_request(&self) -> Option<RequestId> {
        self.requests.next_id()
    }

    /// Whether a request would have to subscribe an inbox that this link refused just now. Another link may take it: what
    /// is asked without one waits for it.
    pub(crate) fn is_inbox_paused(&self, on: Option<LinkId>, env: &Env) -> bool {
        on.is_some() && self.requests.is_paused(env.now())
    }

    /// The request that [`next_request`](Self::next_request) numbered has ended before it began.
    pub(crate) fn skip_request(&mut self, request: RequestId, many: bool) -> RequestFrame {
        self.requests.skip();
        RequestFrame {
            request,
            many,
            seq: PublishSeq::from_u64(0),
            len: 0,
        }
    }

    /// What the reply subjects begin with, if there is an inbox.
    pub(crate) fn inbox(&self) -> Option<&Subject> {
        self.requests.inbox().map(Inbox::subject)
    }

    /// Subscribes an inbox that was drawn. Its SUB is to be written if there is a session.
    pub(crate) fn adopt(&mut self, inbox: NewInbox, on: Option<LinkId>) -> Sid {
        let (subject, filter) = inbox.into_parts();
        let sid = self.enter(filter, None, Purpose::Inbox, on);
        self.requests.set_inbox(Inbox::new(sid, subject));
        sid
    }

    /// Unsubscribes the inbox: the UNSUB to write.
    pub(crate) fn leave_inbox(&mut self, on: Option<LinkId>) -> Option<ClientOp<'static>> {
        let sid = self.requests.take_inbox()?.sid();
        let unsub = self.unsub(sid, on);
        self.subscriptions.remove(sid);
        unsub
    }

    /// Enters the request that [`next_request`](Self::next_request) numbered, whose frame was queued.
    pub(crate) fn ask(
        &mut self,
        ended: RequestFrame,
        subject: Subject,
        deadline: Timestamp,
        many: Option<RequestMany>,
    ) {
        self.requests
            .insert(ended.request, subject, ended.seq, ended.len, deadline, many);
    }

    /// Forgets a request.
    pub(crate) fn cancel(&mut self, request: RequestId) -> Option<RequestFrame> {
        self.requests
            .remove(request)
            .map(|pending| RequestFrame::from(&pending))
    }

    /// The next request whose deadline has come.
    pub(crate) fn expire(&mut self, env: &Env) -> Option<Expired> {
        let request = self.requests.overdue(env.now())?;
        let pending = self.requests.remove(request)?;
        Some(Expired {
            ended: RequestFrame::from(&pending),
            end: pending.end(),
        })
    }

    /// Publishes were dropped: the requests among them have ended.
    pub(crate) fn dropped(&mut self, publishes: &SeqRanges) -> Vec<RequestFrame> {
        let ids = self.requests.of(publishes);
        ids.into_iter().filter_map(|id| self.cancel(id)).collect()
    }

    /// The numbers of the publishes of pending requests, ascending.
    pub(crate) fn pending(&self) -> Vec<PublishSeq> {
        self.requests.numbers()
    }

    /// The first place of the table, from this one on, of a request that was written and waits for its reply.
    pub(crate) fn awaits_reply(&self, from: usize, written_up_to: Option<PublishSeq>) -> Option<usize> {
        let last = written_up_to?;
        self.requests.place_from(from, |pending| pending.seq <= last)
    }

    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.requests.deadline()
    }

    fn end_requests(&mut self, holds: impl Fn(&Pending) -> bool) -> Vec<RequestFrame> {
        let ids = self.requests.ids(holds);
        ids.into_iter().filter_map(|id| self.cancel(id)).collect()
    }
}

/// What a server sends.
impl Interest {
    /// Counts a message and returns what it is for.
    #[inline]
    pub(crate) fn route(&mut self, message: &Message, env: &Env) -> Arrival {
        match self.subscriptions.receive(message.sid()) {
            Received::Deliver => Arrival::Deliver,
            Received::DeliverLast => Arrival::DeliverLast,
            Received::Reply => self.route_reply(message, env).unwrap_or(Arrival::Unknown),
            Received::Unknown => Arrival::Unknown,
        }
    }

    fn route_reply(&mut self, message: &Message, env: &Env) -> Option<Arrival> {
        let request = self.requests.inbox()?.request_of(message.subject_bytes())?;
        let pending = self.requests.get(request)?;
        let no_responders = message.is_no_responders();
        let ended = RequestFrame::from(pending);
        let Some(many) = &pending.many else {
            self.requests.remove(request);
            return Some(Arrival::Response { ended, no_responders });
        };
        let is_sentinel = many.sentinel() && message.payload().is_empty();
        if no_responders || is_sentinel {
            self.requests.remove(request);
            let end = (!no_responders).then_some(RepliesEnd::Sentinel);
            return Some(Arrival::RepliesEnded { ended, end });
        }
        let is_last = self.requests.count_reply(request, env.now());
        if is_last {
            self.requests.remove(request);
        }
        Some(Arrival::Reply {
            request,
            ended: is_last.then_some(ended),
        })
    }

    /// A permission violation. On a link that has ended it no longer counts as a refusal of restored interest.
    pub(crate) fn denied(
        &mut self,
        violation: &PermissionViolation,
        on: Option<LinkId>,
        env: &Env,
    ) -> Denied {
        match violation.operation {
            PermissionOperation::Subscribe => match self.denied_subscription(violation) {
                Some(sid) => self.refuse(sid, on, env),
                None => Denied::Other,
            },
            PermissionOperation::PublishReply => {
                let inbox = self.requests.inbox();
                match inbox.and_then(|inbox| inbox.request_of(violation.subject.as_bytes())) {
                    Some(request) => Denied::Publish(self.cancel(request).into_iter().collect()),
                    None => Denied::Other,
                }
            }
            _ => {
                let subject = violation.subject.as_str();
                Denied::Publish(self.end_requests(|pending| pending.subject.as_str() == subject))
            }
        }
    }

    fn denied_subscription(&mut self, violation: &PermissionViolation) -> Option<Sid> {
        if let Some(sid) = violation.sid {
            return self.subscriptions.get(sid).map(|_| sid);
        }
        let on_link = self.on_link.as_mut()?;
        let queue = violation.queue.as_deref();
        let sid = self
            .subscriptions
            .find(on_link.proven(), &violation.subject, queue, on_link.link())?;
        // SUBs are processed in the order of their sids, so that those before this one were accepted.
        on_link.prove(sid);
        Some(sid)
    }

    fn refuse(&mut self, sid: Sid, on: Option<LinkId>, env: &Env) -> Denied {
        if self.requests.inbox().map(Inbox::sid) == Some(sid) {
            self.requests.take_inbox();
            self.subscriptions.remove(sid);
            self.requests.pause(env.now());
            return Denied::Inbox(self.end_requests(|_| true));
        }
        if let Some(on_link) = self.on_link.as_mut().filter(|_| on.is_some()) {
            on_link.refuse(sid);
        }
        self.subscriptions.remove(sid);
        Denied::Subscription(sid)
    }
}

/// The life of a session.
impl Interest {
    /// A session begins. Whether there is anything to restore.
    pub(crate) fn begin_session(&mut self, link: LinkId, inbox_only: bool) -> bool {
        self.requests.resume();
        if inbox_only && self.requests.is_empty() {
            // No session has heard of it.
            let _ = self.leave_inbox(None);
        }
        let on_link = OnLink::new(link, inbox_only, &self.subscriptions);
        let anything = !on_link.is_done();
        self.on_link = Some(on_link);
        anything
    }

    pub(crate) fn is_restoring(&self) -> bool {
        self.on_link.as_ref().is_some_and(OnLink::is_writing)
    }

    /// Whether no restored interest is still to be written or proven.
    pub(crate) fn is_restored(&self) -> bool {
        self.on_link.as_ref().is_none_or(OnLink::is_done)
    }

    /// Fills a block with the next SUBs. The last sid once all are written: a PING is to follow.
    pub(crate) fn restore(&mut self, inbox_only: bool, block: &mut Block) -> Option<Sid> {
        let on_link = self.on_link.as_mut()?;
        on_link.write(&mut self.subscriptions, inbox_only, block)
    }

    /// The PONG of that PING: how many were restored, and how many refused.
    pub(crate) fn restored(&mut self) -> Option<(u64, u64)> {
        self.on_link.as_mut()?.restored()
    }

    /// The server has processed every SUB up to this sid.
    pub(crate) fn proven(&mut self, sid: Sid) {
        self.requests.prove(sid);
        if let Some(on_link) = &mut self.on_link {
            on_link.prove(sid);
        }
    }

    /// The session is over: requests that were written have ended, unless they keep waiting.
    pub(crate) fn link_lost(&mut self, written_up_to: Option<PublishSeq>, env: &Env) -> InterestLost {
        self.on_link = None;
        let requests = if env.config().requests_survive {
            Vec::new()
        } else {
            self.end_requests(|pending| written_up_to.is_some_and(|last| pending.seq <= last))
        };
        let drained = self.drained(None);
        InterestLost { requests, drained }
    }

    /// Everything that has an id ends.
    pub(crate) fn close(&mut self) -> (Vec<Sid>, Vec<RequestFrame>) {
        if let Some(on_link) = &mut self.on_link {
            on_link.stop();
        }
        let mut ended = self.subscriptions.sids(|_| true);
        for &sid in &ended {
            self.subscriptions.remove(sid);
        }
        if let Some(inbox) = self.requests.take_inbox() {
            ended.retain(|&sid| sid != inbox.sid());
        }
        (ended, self.end_requests(|_| true))
    }
}

/// Looking.
impl Interest {
    /// The highest sid there ever was.
    pub(crate) fn last_sid(&self) -> Sid {
        self.subscriptions.last_sid()
    }

    /// How many subscriptions the application has.
    pub(crate) fn subscriptions(&self) -> u64 {
        self.subscriptions.len()
    }

    /// How many requests are pending.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.len() as u64
    }
}
