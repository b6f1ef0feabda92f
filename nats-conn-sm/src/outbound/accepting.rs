//! Whether a publish is accepted, and the room that it takes.

use nats_proto::{MAX_MESSAGE, PublishFrame, Reply};

use super::ledger::Dropped;
use super::{Outbound, Room, Takes};
use crate::config::{Delivery, WhenFull};
use crate::env::Env;
use crate::error::PublishError;
use crate::frames::Tag;
use crate::ids::PublishSeq;
use crate::publish::Publish;

impl Outbound {
    /// Checks a publish, but for the room that it needs. `is_up` is asked only where the settings make that count.
    #[inline]
    pub(crate) fn check(
        &mut self,
        frame: &PublishFrame<'_>,
        is_up: impl FnOnce() -> bool,
        env: &Env,
    ) -> Result<(), PublishError> {
        let takes = |takes: Takes| takes.suits(frame.message_len(), frame.has_headers());
        if !self.takes.is_none_or(takes) {
            return Err(self.unsuitable(frame.message_len(), frame.has_headers()));
        }
        if env.config().when_full == WhenFull::Off && !is_up() {
            self.refused = true;
            return Err(PublishError::NotConnected);
        }
        // Here already, so that nothing is dropped in vain to make room.
        let max = env.config().max_control_line;
        if frame.check(max).is_err() {
            return Err(unwritable(frame.message_len(), frame.arguments_len(), max));
        }
        Ok(())
    }

    /// Why the server does not take a message of this size.
    #[cold]
    fn unsuitable(&self, size: usize, has_headers: bool) -> PublishError {
        match self.takes {
            Some(Takes { max_payload, headers }) if headers || !has_headers => {
                PublishError::TooLarge { size, max_payload }
            }
            _ => PublishError::HeadersUnsupported,
        }
    }

    /// Whether there is room, or can be made by dropping. A refusal is noted, and the server is asked for the
    /// confirmation that would make room.
    #[inline]
    pub(crate) fn room(&mut self, len: usize, env: &Env) -> Room {
        let held = self.held(env);
        if held == 0 || held.saturating_add(len) <= env.config().send_buffer {
            return Room::Fits;
        }
        self.without_room(len, held, env)
    }

    #[cold]
    fn without_room(&mut self, len: usize, held: usize, env: &Env) -> Room {
        let limit = env.config().send_buffer;
        // What is handed out or kept makes no room.
        let fixed = held.saturating_sub(self.queue.publish_bytes());
        let is_hopeless = fixed > 0 && fixed.saturating_add(len) > limit;
        if env.config().when_full == WhenFull::DropOldest && !is_hopeless {
            return Room::Drop(held.saturating_add(len).saturating_sub(limit));
        }
        self.refused = true;
        if let Some(flight) = self
            .flight
            .as_mut()
            .filter(|flight| flight.unconfirmed().kept_bytes() > 0)
        {
            // What is kept makes room as soon as the server is known to have processed it.
            flight.ask_confirmation();
        }
        Room::Full
    }

    /// Makes room.
    pub(crate) fn drop_oldest(&mut self, bytes: usize) -> Dropped {
        let dropped = self.queue.drop_oldest(bytes);
        self.settle(dropped)
    }

    /// Queues a publish that was checked and has room.
    #[inline]
    pub(crate) fn push(&mut self, frame: &PublishFrame<'_>, tag: Tag) -> PublishSeq {
        let seq = self.ledger.accept();
        self.queue.push_publish(seq, frame, tag);
        seq
    }

    /// Bytes of publishes that are held: queued, handed out, and kept for sending again.
    #[inline]
    pub(crate) fn held(&self, env: &Env) -> usize {
        let taken = self
            .flight
            .as_ref()
            .map_or(0, |flight| match env.config().delivery {
                // What is handed out is also kept.
                Delivery::AtLeastOnce => flight.unconfirmed().kept_bytes(),
                Delivery::AtMostOnce => flight.hand_bytes(),
            });
        self.queue.publish_bytes().saturating_add(taken)
    }

    /// Whether to report now that there is room again after a refusal. It is reported once.
    pub(crate) fn room_again(&mut self, up: bool, env: &Env) -> bool {
        if !self.refused {
            return false;
        }
        let half = env.config().send_buffer.checked_div(2).unwrap_or_default();
        let usable = up || env.config().when_full != WhenFull::Off;
        let room = usable && self.held(env) <= half;
        if room {
            self.refused = false;
        }
        room
    }
}

/// No server takes a message of this size, or a control line of so many bytes.
#[cold]
fn unwritable(message: usize, size: usize, max: usize) -> PublishError {
    if message > MAX_MESSAGE {
        PublishError::TooLarge {
            size: message,
            max_payload: MAX_MESSAGE as u64,
        }
    } else {
        PublishError::ControlLineTooLong { size, max }
    }
}

/// What is written of a publish whose answers go there. An empty header block counts as none.
#[inline]
pub(crate) fn publish_frame<'a>(publish: &'a Publish<'_>, reply: Option<Reply<'a>>) -> PublishFrame<'a> {
    let headers = publish.headers.filter(|headers| !headers.is_empty());
    PublishFrame::new(publish.subject, reply, headers, &publish.payload)
}
