//! The end of a link: what its driver had not written, what is lost with it, and what follows.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Machine;
use crate::buffers::SendBuf;
use crate::config::Delivery;
use crate::dialer::SessionEnd;
use crate::error::{AttemptError, DisconnectReason, FlushError, LinkEnd, Phase, RequestError};
use crate::event::{ConnectionEvent, DropReason, EndReason, Event};
use crate::ids::{LinkId, ServerId};
use crate::link::Finished;
use crate::outbound::Lost;
use crate::pings::PingKind;

impl Machine {
    /// The one last answer about a link.
    pub(crate) fn link_closed(&mut self, id: LinkId, end: LinkEnd, unsent: &mut SendBuf) {
        // Also where nobody waits for the answer any more.
        self.output.answered(id);
        let Some(link) = self.link.as_deref_mut().filter(|link| link.id() == id) else {
            return;
        };
        if link.answered(end, &self.env) {
            self.outbound
                .take_back(Some(unsent), &self.interest.pending(), &self.env);
        }
    }

    /// No answer came in time: all that was handed out may have been written.
    pub(super) fn answer_is_overdue(&mut self) {
        if let Some(link) = &mut self.link {
            link.answer_is_overdue();
            self.outbound.take_back(None, &self.interest.pending(), &self.env);
        }
    }

    /// The link is gone, and its bytes are parsed. `known` is why an attempt failed, if they showed it.
    pub(super) fn link_over(&mut self, known: Option<(Phase, AttemptError)>) {
        let Some(link) = self.link.take() else { return };
        match link.finish(known, &self.env) {
            Finished::Attempt { server, failure } => self.attempt_over(server, failure),
            Finished::Session {
                server,
                link,
                reason,
                lived,
                is_poisoned,
            } => {
                let end = match reason {
                    DisconnectReason::Forced => SessionEnd::Forced,
                    DisconnectReason::LameDuck => SessionEnd::Moved,
                    _ => SessionEnd::Lost { lived },
                };
                let lost = self.lose_publishes(end, is_poisoned);
                self.output.emit(Event::Connection(ConnectionEvent::Disconnected {
                    server: server.clone(),
                    link,
                    reason: Box::new(reason),
                    unconfirmed: lost.unconfirmed,
                    queued: self.outbound.queued(),
                }));
                self.lose_ids(lost.pings);
                self.after_session(server.id(), end);
            }
        }
    }

    /// The attempt failed, whether or not its link has ended by itself.
    pub(super) fn attempt_failed(&mut self, phase: Phase, error: AttemptError) {
        if self.link.as_ref().is_some_and(|link| link.has_ended()) {
            self.link_over(Some((phase, error)));
        } else {
            self.fail_attempt(phase, error);
        }
    }

    /// What was written is queued again where that is promised and there is a next link, or lost.
    fn lose_publishes(&mut self, end: SessionEnd, is_poisoned: bool) -> Lost {
        let config = self.env.config();
        let follows = !self.life.is_ending() && (config.reconnect || end == SessionEnd::Forced);
        let resend = config.delivery == Delivery::AtLeastOnce && follows;
        let pending = self.interest.pending();
        let mut lost = self.outbound.link_lost(is_poisoned, resend, &pending, &self.env);
        if let Some(poison) = lost.poison.take() {
            self.report_dropped(poison, DropReason::TooLarge);
        }
        if self.life.is_ending() {
            let dropped = self.outbound.clear();
            self.report_dropped(dropped, DropReason::Closed);
        }
        lost
    }

    /// Flushes, requests and drains that the link ends.
    fn lose_ids(&mut self, pings: Vec<PingKind>) {
        let error = if self.life.is_ending() {
            FlushError::Closed
        } else {
            FlushError::Disconnected
        };
        for ping in pings {
            self.flush_failed(ping, error);
        }
        let lost = self.interest.link_lost(self.outbound.written_up_to(), &self.env);
        for ended in lost.requests {
            self.report_ended(ended, RequestError::Disconnected { written: true });
        }
        for sid in lost.drained {
            self.subscription_ended(sid, EndReason::Drained);
        }
        self.check_writable();
    }

    fn after_session(&mut self, server: ServerId, end: SessionEnd) {
        if let Some(reason) = self.life.closing_reason() {
            return self.end(reason);
        }
        if !self.end_drained_without_link() {
            let next = self.dialer.after_session(server, end, &mut self.env);
            self.go(next);
        }
    }
}
