//! Drain: the connection ends without losing anything.

use super::Machine;
use super::close::Farewell;
use crate::error::StateError;
use crate::event::{ConnectionEvent, EndReason, Event};
use crate::life::{DrainStep, Facts, Life, Place};
use crate::link::LinkState;
use crate::pings::PingKind;

impl Machine {
    /// The application drains.
    pub(crate) fn drain(&mut self) -> Result<(), StateError> {
        self.life.require_open()?;
        self.output.emit(Event::Connection(ConnectionEvent::Draining));
        let deadline = self.env.now() + self.env.config().drain_timeout;
        self.life = Life::draining(deadline, self.outbound.mark());
        self.drain_interest();
        if let Some(link) = &mut self.link {
            link.stay();
        }
        Ok(())
    }

    /// UNSUB for all, or their end where the server knows nothing of them.
    fn drain_interest(&mut self) {
        let drained = self.interest.drain_all(self.session_link());
        let has_unsubs = !drained.unsubs.is_empty();
        for unsub in drained.unsubs {
            self.outbound.queue(unsub);
        }
        for subscription in drained.ended {
            let reason = EndReason::Drained;
            self.output
                .emit(Event::SubscriptionEnded { subscription, reason });
        }
        if has_unsubs {
            self.outbound.ping(PingKind::DrainAll, self.interest.last_sid());
        }
    }

    /// Everything delivered has been consumed, but for so many messages.
    pub(crate) fn finish_drain(&mut self, unread: u64) {
        if self.life.consumed(unread) {
            self.drain_step();
        }
    }

    /// Something has ended that a drain may have waited for.
    #[inline]
    pub(super) fn drain_step(&mut self) {
        if !self.life.is_draining() {
            return;
        }
        match self.life.drain_step(self.facts()) {
            DrainStep::Wait => {}
            DrainStep::WriteOut => {
                if let Some(unsub) = self.interest.leave_inbox(self.session_link()) {
                    self.outbound.queue(unsub);
                }
                self.outbound
                    .ping(PingKind::DrainWrites, self.interest.last_sid());
            }
            DrainStep::Over => self.end_drained(self.is_drain_complete()),
        }
    }

    /// A link is gone: whether a drain needs no other one, and has ended for that.
    pub(super) fn end_drained_without_link(&mut self) -> bool {
        let is_over = self.life.is_drained_without_link(self.facts());
        if is_over {
            self.end_drained(self.is_drain_complete());
        }
        is_over
    }

    fn facts(&self) -> Facts {
        let place = match self.link.as_ref().map(|link| (link.id(), link.state())) {
            Some((id, LinkState::Up)) => Place::Session(id),
            Some((_, LinkState::UpEnded)) => Place::Leaving,
            Some((_, LinkState::Opening | LinkState::OpeningEnded)) | None => Place::Between,
        };
        Facts {
            place,
            has_queue: self.outbound.has_publishes(),
            open: self
                .interest
                .subscriptions()
                .saturating_add(self.interest.requests()),
        }
    }

    /// The drain is over, completely or not.
    pub(super) fn end_drained(&mut self, complete: bool) {
        if let Some(reason) = self.life.drained(complete) {
            self.shut(reason, Farewell::Short);
        }
    }
}
