//! Requests, and how they end.

use alloc::vec::Vec;

use nats_proto::Reply;

use super::Machine;
use crate::error::{PublishError, RequestError, RequestStartError};
use crate::event::Event;
use crate::frames::Tag;
use crate::ids::RequestId;
use crate::interest::{Expired, NewInbox, RequestFrame};
use crate::outbound::publish_frame;
use crate::publish::{Publish, RequestMany};
use crate::time::Timestamp;

impl Machine {
    /// The application asks a question.
    pub(crate) fn request(
        &mut self,
        request: &Publish<'_>,
        deadline: Timestamp,
        many: Option<RequestMany>,
    ) -> Result<RequestId, RequestStartError> {
        if self.life.refuses_requests() {
            return Err(RequestStartError::Draining);
        }
        self.life.accepts_publishes()?;
        let id = self.interest.next_request().ok_or(RequestStartError::TooMany)?;
        if self.interest.is_inbox_paused(self.session_link(), &self.env) {
            let refused = self.interest.skip_request(id, many.is_some());
            self.report_ended(refused, RequestError::Refused);
            return Ok(id);
        }
        let asked = self.publish_request(id, request, many.is_some())?;
        self.interest
            .ask(asked, request.subject.to_subject(), deadline, many);
        Ok(id)
    }

    /// Queues the publish of a request. The first one subscribes the inbox, unless it is refused itself.
    fn publish_request(
        &mut self,
        request: RequestId,
        publish: &Publish<'_>,
        many: bool,
    ) -> Result<RequestFrame, PublishError> {
        let (prefix, drawn) = match self.interest.inbox() {
            Some(prefix) => (prefix.clone(), None),
            None => {
                let drawn = NewInbox::draw(&mut self.env).ok_or(PublishError::Closed)?;
                (drawn.subject().clone(), Some(drawn))
            }
        };
        let reply = Reply::Inbox {
            prefix: &prefix,
            token: request.as_u64(),
        };
        let frame = publish_frame(publish, Some(reply));
        self.make_room(&frame)?;
        if let Some(inbox) = drawn {
            let sid = self.interest.adopt(inbox, self.session_link());
            self.write_sub(sid);
        }
        let seq = self.outbound.push(&frame, Tag::Request);
        self.drain_step();
        Ok(RequestFrame {
            request,
            many,
            seq,
            len: frame.encoded_len(),
        })
    }

    /// The application forgets a request. Whether it was pending.
    pub(crate) fn cancel_request(&mut self, request: RequestId) -> bool {
        let Some(ended) = self.interest.cancel(request) else {
            return false;
        };
        self.withdraw(ended);
        self.request_ended();
        true
    }

    /// The deadline of a request has come. Whether there was one.
    pub(super) fn expire_request(&mut self) -> bool {
        let Some(Expired { ended, end }) = self.interest.expire(&self.env) else {
            return false;
        };
        let written = self.withdraw(ended);
        let request = ended.request;
        self.output.emit(match end {
            Some(end) => Event::RepliesEnded {
                request,
                result: Ok(end),
            },
            None => Event::Response {
                request,
                result: Err(RequestError::TimedOut { written }),
            },
        });
        self.request_ended();
        true
    }

    /// No further reply is awaited. An earlier link may have taken the frame to the server, and it waits to be sent again.
    pub(super) fn request_answered(&mut self, ended: RequestFrame) {
        self.withdraw(ended);
        self.request_ended();
    }

    /// The server refused these.
    pub(super) fn refuse_requests(&mut self, refused: Vec<RequestFrame>) {
        for ended in refused {
            self.withdraw(ended);
            self.report_ended(ended, RequestError::Refused);
        }
        self.request_ended();
    }

    /// Takes the frame of a request back out of the queue. Whether a server may have it all the same: what a driver
    /// has in hand may be with the server, and so may what an earlier link took.
    fn withdraw(&mut self, ended: RequestFrame) -> bool {
        let withdrawn = self.outbound.withdraw(ended.seq, ended.len);
        if withdrawn.queued {
            self.check_writable();
        }
        withdrawn.may_be_written
    }

    /// Somebody may have waited for a request to end.
    #[inline]
    pub(super) fn request_ended(&mut self) {
        if !self.life.is_ending() {
            self.departure_step();
            self.drain_step();
        }
    }
}
