//! Publishing: what is accepted, and what is told of what was not sent; flush and round trip.

use nats_proto::{ClientOp, Headers, Payload, Reply, Subject};

use crate::block::Tag;
use crate::config::WhenFull;
use crate::connection::{Connection, Stage};
use crate::error::{FlushError, PublishError, RequestError};
use crate::event::{DropReason, Event};
use crate::ids::{FlushId, PublishSeq};
use crate::outbox::{Dropped, Shape};
use crate::pings::PingKind;
use crate::publish::Publish;
use crate::recording::Input;
use crate::time::Timestamp;

impl Connection {
    /// Accepts a message for sending, now or on a link to come. Never waits.
    ///
    /// # Errors
    /// Why it was not accepted; nothing was queued then.
    pub fn publish(&mut self, publish: Publish<'_>) -> Result<PublishSeq, PublishError> {
        self.noted_message(publish, Input::Publish, |machine, publish| {
            let Publish {
                subject,
                reply,
                headers,
                payload,
            } = publish;
            machine
                .enqueue(subject, reply.map(Reply::Subject), headers, payload, Tag::Publish)
                .map(|(seq, _)| seq)
        })
    }

    /// Checks a publish, and makes room for it: its frame, and the bytes of headers and payload in it.
    pub(crate) fn take_in<'a>(
        &mut self,
        subject: &'a Subject,
        reply: Option<Reply<'a>>,
        headers: Option<&'a Headers>,
        payload: Payload<'a>,
    ) -> Result<(ClientOp<'a>, Shape), PublishError> {
        let headers = headers.filter(|headers| !headers.is_empty());
        let message = headers
            .map_or(0, Headers::encoded_len)
            .saturating_add(payload.len());
        self.admit(message, headers.is_some())?;
        let op = ClientOp::Publish {
            subject,
            reply,
            headers,
            payload,
        };
        let len = op.encoded_len();
        self.check_line(len.saturating_sub(message), headers.is_some())?;
        self.make_room(len)?;
        let shape = Shape {
            tag: Tag::Publish,
            len,
            message,
            has_headers: headers.is_some(),
        };
        Ok((op, shape))
    }

    /// Queues a publish; its number and the bytes of its frame.
    pub(crate) fn enqueue(
        &mut self,
        subject: &Subject,
        reply: Option<Reply<'_>>,
        headers: Option<&Headers>,
        payload: Payload<'_>,
        tag: Tag,
    ) -> Result<(PublishSeq, usize), PublishError> {
        let (op, shape) = self.take_in(subject, reply, headers, payload)?;
        let shape = Shape { tag, ..shape };
        let Shape { len, message, .. } = shape;
        let seq = self.delivery.next();
        self.outbox
            .push_publish(seq, op, shape, self.config.max_control_line)
            .map_err(|_| PublishError::ControlLineTooLong {
                size: len.saturating_sub(message),
                max: self.config.max_control_line,
            })?;
        let seq = self.delivery.accept();
        // Requests that made room may have been the last that a drain waited for.
        if self.life.is_draining() {
            self.go_on_draining();
        }
        Ok((seq, len))
    }

    /// Whether such a message may be taken, but for the room that it needs.
    fn admit(&mut self, message: usize, has_headers: bool) -> Result<(), PublishError> {
        self.check(message, has_headers)?;
        if self.config.when_full == WhenFull::Off && !self.is_up() {
            self.refused = true;
            return Err(PublishError::NotConnected);
        }
        Ok(())
    }

    fn check(&self, message: usize, has_headers: bool) -> Result<(), PublishError> {
        if self.life.is_ending() {
            return Err(PublishError::Closed);
        }
        if self.life.refuses_publishes() {
            return Err(PublishError::Draining);
        }
        if has_headers && self.info.as_ref().is_some_and(|info| !info.headers) {
            return Err(PublishError::HeadersUnsupported);
        }
        match self.max_payload {
            Some(max_payload) if message as u64 > max_payload => Err(PublishError::TooLarge {
                size: message,
                max_payload,
            }),
            _ => Ok(()),
        }
    }

    /// Whether the arguments of a control line are short enough, so that nothing is dropped in vain to make room;
    /// `around` is what a frame has besides headers and payload.
    fn check_line(&self, around: usize, has_headers: bool) -> Result<(), PublishError> {
        // "PUB " or "HPUB ", and CRLF behind the line and behind the payload.
        let size = around.saturating_sub(if has_headers { 9 } else { 8 });
        let max = self.config.max_control_line;
        if size > max {
            return Err(PublishError::ControlLineTooLong { size, max });
        }
        Ok(())
    }

    fn make_room(&mut self, len: usize) -> Result<(), PublishError> {
        let limit = self.config.send_buffer;
        let held = self.held_bytes();
        if held == 0 || held.saturating_add(len) <= limit {
            return Ok(());
        }
        // What is handed out or kept makes no room.
        let fixed = held.saturating_sub(self.outbox.publish_bytes());
        let hopeless = fixed > 0 && fixed.saturating_add(len) > limit;
        if self.config.when_full != WhenFull::DropOldest || hopeless {
            self.refused = true;
            if self.delivery.kept_bytes() > 0 {
                // What is kept makes room as soon as the server is known to have processed it.
                self.ask_confirmation();
            }
            return Err(PublishError::BufferFull { limit });
        }
        let room = held.saturating_add(len).saturating_sub(limit);
        let dropped = self.outbox.drop_oldest(room);
        self.tell_dropped(dropped, DropReason::Overflow);
        Ok(())
    }

    /// Settles publishes that were dropped, and the requests among them.
    pub(crate) fn tell_dropped(&mut self, dropped: Dropped, reason: DropReason) {
        let count = dropped.publishes.count();
        if count == 0 {
            return;
        }
        self.delivery.drop_queued(count);
        if dropped.has_requests {
            for id in self
                .requests
                .ids(|pending| dropped.publishes.contains(pending.seq))
            {
                self.settle_request(id, RequestError::Dropped);
            }
        }
        let bytes = dropped.bytes as u64;
        // Under a steady overflow one event tells of all that was dropped since the holder looked last.
        if let Some(Event::PublishDropped {
            publishes,
            bytes: known,
            reason: same,
        }) = self.events.back_mut()
            && *same == reason
            && publishes.last() < dropped.publishes.first()
        {
            for &(first, last) in dropped.publishes.runs() {
                publishes.push_run(first, last);
            }
            *known = known.saturating_add(bytes);
            return;
        }
        self.tell(Event::PublishDropped {
            publishes: dropped.publishes,
            bytes,
            reason,
        });
    }

    /// Tells once that there is room again after a refusal.
    pub(crate) fn told_writable(&mut self) {
        if !self.refused || self.life.is_ending() {
            return;
        }
        let half = self.config.send_buffer.checked_div(2).unwrap_or_default();
        let room = match self.config.when_full {
            WhenFull::Off => self.is_up() && self.held_bytes() <= half,
            _ => self.held_bytes() <= half,
        };
        if room {
            self.refused = false;
            self.tell(Event::Writable);
        }
    }

    /// Asks the server to confirm that it has processed what was published so far: settled by the PONG of the
    /// same link, never by a later one.
    ///
    /// # Errors
    /// At once if there is no session.
    pub fn flush(&mut self, now: Timestamp) -> Result<FlushId, FlushError> {
        self.noted(
            || Input::Flush,
            |machine| machine.ping_behind(now, PingKind::Flush),
        )
    }

    /// Measures the round trip, from the handing out of a PING to its PONG.
    ///
    /// # Errors
    /// At once if there is no session.
    pub fn rtt(&mut self, now: Timestamp) -> Result<FlushId, FlushError> {
        self.noted(
            || Input::RoundTrip,
            |machine| machine.ping_behind(now, PingKind::RoundTrip),
        )
    }

    fn ping_behind(&mut self, now: Timestamp, kind: fn(FlushId) -> PingKind) -> Result<FlushId, FlushError> {
        self.enter(now);
        if self.life.is_ending() {
            return Err(FlushError::Closed);
        }
        if !self.is_up() {
            return Err(FlushError::Disconnected);
        }
        let id = FlushId::from_u64(self.next_flush);
        self.next_flush = self.next_flush.saturating_add(1);
        self.push_ping(kind(id));
        Ok(id)
    }

    /// Queues a PING behind everything that is queued.
    pub(crate) fn push_ping(&mut self, kind: PingKind) {
        let (covers, subs) = (self.delivery.last_accepted(), self.subscriptions.last_sid());
        self.outbox.push_ping(kind, covers, subs);
    }

    /// Everything that is queued is dropped: the connection closes.
    pub(crate) fn drop_queue(&mut self) {
        let dropped = self.outbox.clear();
        self.tell_dropped(dropped, DropReason::Closed);
    }

    /// Whether there is a session whose interest frames may be queued now.
    pub(crate) fn session_link(&self) -> Option<crate::ids::LinkId> {
        match &self.stage {
            Stage::Linked(link) if link.is_up() => Some(link.id),
            _ => None,
        }
    }
}
