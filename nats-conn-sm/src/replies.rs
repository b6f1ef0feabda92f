//! Requests and their replies.

use core::time::Duration;

use nats_proto::{Message, PermissionOperation, Reply, Subject};

use crate::block::Tag;
use crate::connection::Connection;
use crate::error::{PublishError, RequestError, RequestStartError};
use crate::event::{Event, RepliesEnd};
use crate::ids::{PublishSeq, RequestId};
use crate::publish::{Publish, RequestMany};
use crate::recording::Input;
use crate::requests::{Inbox, Pending};
use crate::subscriptions::Purpose;
use crate::time::Timestamp;

impl Connection {
    /// Asks a question: published with a reply subject of its own, settled by one
    /// [`Event::Response`]. A reply subject in `request` is ignored.
    ///
    /// # Errors
    /// When draining and nothing is being consumed any more, or when it cannot be published.
    pub fn request(
        &mut self,
        now: Timestamp,
        request: Publish<'_>,
        timeout: Duration,
    ) -> Result<RequestId, RequestStartError> {
        let input = |message| Input::Request(message, timeout);
        self.noted_message(request, input, |machine, request| {
            let now = machine.enter(now);
            machine.ask(request, now + timeout, None)
        })
    }

    /// Asks a question that several may answer (ADR-47): any number of [`Event::Reply`], then one
    /// [`Event::RepliesEnded`].
    ///
    /// # Errors
    /// When draining and nothing is being consumed any more, or when it cannot be published.
    pub fn request_many(
        &mut self,
        now: Timestamp,
        request: Publish<'_>,
        many: RequestMany,
    ) -> Result<RequestId, RequestStartError> {
        let input = |message| Input::RequestMany(message, many);
        self.noted_message(request, input, |machine, request| {
            let now = machine.enter(now);
            machine.ask(request, now + many.timeout, Some(many))
        })
    }

    fn ask(
        &mut self,
        request: Publish<'_>,
        deadline: Timestamp,
        many: Option<RequestMany>,
    ) -> Result<RequestId, RequestStartError> {
        if self.life.refuses_requests() {
            return Err(RequestStartError::Draining);
        }
        if self.life.is_ending() {
            return Err(PublishError::Closed.into());
        }
        let id = self.requests.next_id().ok_or(RequestStartError::TooMany)?;
        // Another link may take the inbox: what is asked without one waits for it.
        if self.is_up() && self.requests.is_paused(self.now) {
            self.requests.skip();
            self.tell(ended(id, many.is_some(), RequestError::Refused));
            return Ok(id);
        }
        let prefix = match &self.requests.inbox {
            Some(inbox) => inbox.subject.clone(),
            None => self.first_inbox(id, &request)?,
        };
        let reply = Some(Reply::Inbox {
            prefix: &prefix,
            token: id.as_u64(),
        });
        let Publish {
            subject,
            headers,
            payload,
            ..
        } = request;
        let (seq, len) = self.enqueue(subject, reply, headers, payload, Tag::Request)?;
        self.requests
            .insert(id, subject.clone(), seq, len, deadline, many);
        Ok(id)
    }

    /// Subscribes the inbox for its first request: one that is refused subscribes to nothing.
    fn first_inbox(&mut self, id: RequestId, request: &Publish<'_>) -> Result<Subject, PublishError> {
        let drawn = Inbox::draw(&self.config.inbox_prefix, &mut self.rng);
        let (subject, filter) = drawn.ok_or(PublishError::Closed)?;
        let reply = Some(Reply::Inbox {
            prefix: &subject,
            token: id.as_u64(),
        });
        self.take_in(request.subject, reply, request.headers, request.payload.clone())?;
        let sid = self.add_subscription(filter, None, Purpose::Inbox);
        self.requests.inbox = Some(Inbox {
            sid,
            subject: subject.clone(),
        });
        Ok(subject)
    }

    /// Forgets a request; no event follows. Whether it was still pending. If its frame was not handed out, it
    /// is not sent.
    pub fn cancel_request(&mut self, now: Timestamp, request: RequestId) -> bool {
        self.noted(
            || Input::CancelRequest(request),
            |machine| {
                let now = machine.enter(now);
                let Some(pending) = machine.requests.remove(request) else {
                    return false;
                };
                machine.unsend(&pending);
                machine.request_is_settled(now);
                true
            },
        )
    }

    /// Takes the frame of a request back out of the queue. Whether it lay there.
    fn unsend(&mut self, pending: &Pending) -> bool {
        let queued = self.take_back_frame(pending.seq, pending.len);
        if queued {
            self.told_writable();
        }
        queued
    }

    /// The same for a request that is about to be settled by a close.
    pub(crate) fn take_back_request(&mut self, request: RequestId) {
        if let Some((seq, len)) = self
            .requests
            .get(request)
            .map(|pending| (pending.seq, pending.len))
        {
            self.take_back_frame(seq, len);
        }
    }

    fn take_back_frame(&mut self, seq: PublishSeq, len: usize) -> bool {
        let queued = self.outbox.remove(seq, len);
        if queued {
            self.delivery.end_queued(seq);
        }
        queued
    }

    /// A message in the inbox.
    pub(crate) fn reply(&mut self, now: Timestamp, message: Message) -> Option<Event> {
        let request = self.requests.inbox.as_ref()?.request_of(message.subject())?;
        let pending = self.requests.get(request)?;
        let nobody = message.is_no_responders();
        let Some(many) = pending.many else {
            self.request_is_answered(now, request)?;
            let result = if nobody {
                Err(RequestError::NoResponders)
            } else {
                Ok(message)
            };
            return Some(Event::Response { request, result });
        };
        if nobody {
            return self.end_replies(now, request, Err(RequestError::NoResponders));
        }
        if many.sentinel && message.payload().is_empty() {
            return self.end_replies(now, request, Ok(RepliesEnd::Sentinel));
        }
        if self.requests.count_reply(request, now)
            && let Some(end) = self.end_replies(now, request, Ok(RepliesEnd::MaxReached))
        {
            self.events.push_front(end);
        }
        Some(Event::Reply { request, message })
    }

    fn end_replies(
        &mut self,
        now: Timestamp,
        request: RequestId,
        result: Result<RepliesEnd, RequestError>,
    ) -> Option<Event> {
        self.request_is_answered(now, request)?;
        Some(Event::RepliesEnded { request, result })
    }

    /// No further reply is awaited. An earlier link may have taken the frame to the server, and it waits to be sent again.
    fn request_is_answered(&mut self, now: Timestamp, request: RequestId) -> Option<()> {
        let pending = self.requests.remove(request)?;
        self.unsend(&pending);
        self.request_is_settled(now);
        Some(())
    }

    /// Ends a request that gets no reply.
    pub(crate) fn settle_request(&mut self, request: RequestId, error: RequestError) {
        let Some(pending) = self.requests.remove(request) else {
            return;
        };
        self.tell(ended(request, pending.many.is_some(), error));
    }

    /// The deadline of a request has come.
    pub(crate) fn request_is_overdue(&mut self, now: Timestamp, request: RequestId) {
        let Some(pending) = self.requests.remove(request) else {
            return;
        };
        // What a driver has in hand may be with the server, and so may what an earlier link took.
        let written = !self.unsend(&pending) || self.delivery.was_written(pending.seq);
        self.tell(match pending.many {
            Some(many) if pending.is_over(many) => Event::RepliesEnded {
                request,
                result: Ok(RepliesEnd::Deadline),
            },
            Some(_) => Event::RepliesEnded {
                request,
                result: Ok(RepliesEnd::Stalled),
            },
            None => Event::Response {
                request,
                result: Err(RequestError::TimedOut { written }),
            },
        });
        self.request_is_settled(now);
    }

    /// The link is gone: requests that were written fail, unless they are to go on waiting.
    pub(crate) fn requests_lost_link(&mut self, now: Timestamp) {
        if self.config.requests_survive {
            return;
        }
        for id in self
            .requests
            .ids(|pending| self.delivery.was_written(pending.seq))
        {
            self.settle_request(id, RequestError::Disconnected { written: true });
        }
        self.request_is_settled(now);
    }

    pub(crate) fn inbox_refused(&mut self, now: Timestamp) {
        if let Some(inbox) = self.requests.inbox.take() {
            self.subscriptions.remove(inbox.sid);
        }
        self.requests.pause(now);
        self.refuse_requests(now, |_| true);
    }

    /// A publish was refused: so are the requests on its subject.
    pub(crate) fn requests_refused(&mut self, now: Timestamp, operation: PermissionOperation, subject: &str) {
        if operation == PermissionOperation::PublishReply {
            let inbox = self.requests.inbox.as_ref();
            if let Some(request) = inbox.and_then(|inbox| inbox.request_of(subject.as_bytes())) {
                self.refuse_request(request);
                self.request_is_settled(now);
            }
            return;
        }
        self.refuse_requests(now, |pending| pending.subject.as_str() == subject);
    }

    fn refuse_request(&mut self, request: RequestId) {
        if let Some(pending) = self.requests.get(request).cloned() {
            self.unsend(&pending);
            self.settle_request(request, RequestError::Refused);
        }
    }

    fn refuse_requests(&mut self, now: Timestamp, refused: impl Fn(&Pending) -> bool) {
        for id in self.requests.ids(refused) {
            self.refuse_request(id);
        }
        self.request_is_settled(now);
    }

    /// Somebody may have waited for this request to be settled.
    fn request_is_settled(&mut self, now: Timestamp) {
        if !self.life.is_ending() {
            self.departure_may_go_on(now);
            self.go_on_draining();
        }
    }
}

/// The end of a request that gets no reply, or none any more.
fn ended(request: RequestId, many: bool, error: RequestError) -> Event {
    if many {
        Event::RepliesEnded {
            request,
            result: Err(error),
        }
    } else {
        Event::Response {
            request,
            result: Err(error),
        }
    }
}
