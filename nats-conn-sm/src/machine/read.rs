//! What was read: one operation at a time, and the end of a link once all of it was parsed.

use super::Machine;
use crate::buffers::ReceiveBuf;
use crate::error::DisconnectReason;
use crate::event::Event;
use crate::link::{Cause, Inbound};

/// What a look at the bytes came to.
enum Read {
    Event(Event),
    /// Something was parsed, or took effect; it may have left an event.
    Progress,
    Nothing,
}

impl Machine {
    /// The next event, parsing one operation after the other if nothing else is waiting.
    #[inline]
    pub(crate) fn poll_event(&mut self, rx: &mut ReceiveBuf) -> Option<Event> {
        loop {
            if let Some(event) = self.output.next_event() {
                return Some(event);
            }
            match self.read(rx) {
                Read::Event(event) => return Some(event),
                Read::Progress => {}
                Read::Nothing => return None,
            }
        }
    }

    #[inline]
    fn read(&mut self, rx: &mut ReceiveBuf) -> Read {
        let Some(link) = &mut self.link else {
            return Read::Nothing;
        };
        if rx.link() == link.id() {
            self.counters.bytes = self.counters.bytes.saturating_add(rx.unseen() as u64);
        }
        match link.read(rx, &self.env) {
            Inbound::Message(message) => {
                return self.message(message).map_or(Read::Progress, Read::Event);
            }
            Inbound::Nothing => return Read::Nothing,
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
        Read::Progress
    }
}
