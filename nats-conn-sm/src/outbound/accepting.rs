//! Whether a publish is accepted, and the room that it takes.

use nats_proto::{ClientOp, Headers, Reply};

use super::ledger::Dropped;
use super::{Outbound, Room};
use crate::config::{Delivery, WhenFull};
use crate::env::Env;
use crate::error::PublishError;
use crate::frames::{Shape, Tag};
use crate::ids::PublishSeq;
use crate::publish::Publish;

impl Outbound {
    /// Checks a publish, but for the room that it needs.
    #[inline]
    pub(crate) fn measure(
        &mut self,
        publish: &ClientOp<'_>,
        tag: Tag,
        up: bool,
        env: &Env,
    ) -> Result<Shape, PublishError> {
        let (has_headers, message) = match publish {
            ClientOp::Publish { headers, payload, .. } => (
                headers.is_some(),
                headers
                    .map_or(0, Headers::encoded_len)
                    .saturating_add(payload.len()),
            ),
            _ => (false, 0),
        };
        self.check_takes(message, has_headers)?;
        if env.config().when_full == WhenFull::Off && !up {
            self.refused = true;
            return Err(PublishError::NotConnected);
        }
        let len = publish.encoded_len();
        check_line(len.saturating_sub(message), has_headers, env)?;
        Ok(Shape::new(tag, len, message, has_headers))
    }

    #[inline]
    fn check_takes(&self, message: usize, has_headers: bool) -> Result<(), PublishError> {
        let Some(takes) = self.takes else { return Ok(()) };
        if has_headers && !takes.headers {
            return Err(PublishError::HeadersUnsupported);
        }
        if message as u64 > takes.max_payload {
            return Err(PublishError::TooLarge {
                size: message,
                max_payload: takes.max_payload,
            });
        }
        Ok(())
    }

    /// Whether there is room, or can be made by dropping. A refusal is noted, and the server is asked for the
    /// confirmation that would make room.
    #[inline]
    pub(crate) fn room(&mut self, shape: Shape, env: &Env) -> Room {
        let held = self.held(env);
        if held == 0 || held.saturating_add(shape.len()) <= env.config().send_buffer {
            return Room::Fits;
        }
        self.without_room(shape, held, env)
    }

    #[cold]
    fn without_room(&mut self, shape: Shape, held: usize, env: &Env) -> Room {
        let (limit, len) = (env.config().send_buffer, shape.len());
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

    /// Queues a publish that was measured and has room.
    #[inline]
    pub(crate) fn push(
        &mut self,
        shape: Shape,
        publish: ClientOp<'_>,
        env: &Env,
    ) -> Result<PublishSeq, PublishError> {
        let max = env.config().max_control_line;
        let seq = self.ledger.last_accepted().next();
        self.queue
            .push_publish(seq, publish, shape, max)
            .map_err(|_| PublishError::ControlLineTooLong {
                size: shape.len().saturating_sub(shape.message()),
                max,
            })?;
        Ok(self.ledger.accept())
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

/// What is written of a publish whose answers go there.
#[inline]
pub(crate) fn publish_op<'a>(publish: Publish<'a>, reply: Option<Reply<'a>>) -> ClientOp<'a> {
    ClientOp::Publish {
        subject: publish.subject,
        reply,
        headers: publish.headers.filter(|headers| !headers.is_empty()),
        payload: publish.payload,
    }
}

/// Whether the arguments of a control line are short enough, so that nothing is dropped in vain to make room; `around`
/// is what a frame has besides headers and payload.
#[inline]
fn check_line(around: usize, has_headers: bool, env: &Env) -> Result<(), PublishError> {
    // "PUB " or "HPUB ", and CRLF after the line and after the payload.
    let size = around.saturating_sub(if has_headers { 9 } else { 8 });
    let max = env.config().max_control_line;
    if size > max {
        return Err(PublishError::ControlLineTooLong { size, max });
    }
    Ok(())
}
