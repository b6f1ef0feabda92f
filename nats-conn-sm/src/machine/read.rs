//! What was read: one operation at a time, and the end of a link once all of it was parsed.

use nats_proto::ServerOp;

use super::Machine;
use crate::buffers::ReceiveBuf;
use crate::error::DisconnectReason;
use crate::event::Event;
use crate::link::{Cause, Inbound};

impl Machine {
    /// The next event, parsing one operation after the other if nothing else is waiting.
    #[inline]
    pub(crate) fn poll_event(&mut self, rx: &mut ReceiveBuf) -> Option<Event> {
        loop {
            if self.output.has_events() {
                return self.output.next_event();
            }
            let link = self.link.as_mut()?;
            if rx.link() == link.id() {
                self.counters.bytes = self.counters.bytes.saturating_add(rx.unseen() as u64);
            }
            let inbound = if link.may_have_messages(rx) {
                match link.decode(rx, &self.env) {
                    // Here, and not as one `Inbound` of many: a message is large, and is moved once.
                    Ok(Some(ServerOp::Message(message))) => match self.message(message) {
                        Some(event) => return Some(event),
                        None => continue,
                    },
                    decoded => link.accept(decoded, &self.env),
                }
            } else {
                link.read(rx, &self.env)
            };
            if !self.take(inbound, rx) {
                return None;
            }
        }
    }

    /// Whether something was parsed, or took effect; it may have left an event.
    #[inline(never)]
    fn take(&mut self, inbound: Inbound, rx: &mut ReceiveBuf) -> bool {
        match inbound {
            Inbound::Nothing => return false,
            Inbound::Skipped => {}
            Inbound::Ping => self.outbound.owe_pong(),
            Inbound::Pong => self.pong(),
            Inbound::Error(error) => self.server_error(error),
            Inbound::FirstInfo(change) => self.first_info(change, rx),
            Inbound::Info(change) => self.info(change),
            Inbound::Failed(phase, error) => self.attempt_failed(phase, error),
            Inbound::Broken(error) => self.leave(Cause::Decided(DisconnectReason::Protocol(error)), true),
            Inbound::Stale => self.leave(Cause::Decided(DisconnectReason::Stale), true),
            Inbound::Over => self.link_over(None),
        }
        true
    }
}
