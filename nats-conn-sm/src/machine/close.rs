//! Close: what ends with the connection, and how its link is left.

use super::Machine;
use crate::error::{FlushError, RequestError};
use crate::event::{ClosedReason, ConnectionEvent, DropReason, EndReason, Event};
use crate::life::Life;
use crate::link::Cause;
use crate::pings::PingKind;

/// How a link is left when the connection closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    /// What is queued is written first.
    Written,
    /// Nothing more is written; the socket is closed in order.
    Short,
    /// The socket is dropped.
    None,
}

impl Machine {
    /// The application closes.
    pub(crate) fn close(&mut self) {
        if !self.life.is_ending() {
            self.shut(ClosedReason::Requested, Farewell::Written);
        }
    }

    /// The connection ends without writing anything more.
    pub(crate) fn abort(&mut self, reason: ClosedReason) {
        match self.life {
            Life::Closed => {}
            Life::Closing(_) => self.leave_closed(true),
            Life::Open | Life::Draining(_) => self.shut(reason, Farewell::None),
        }
    }

    /// Everything ends; a session is left first.
    pub(super) fn shut(&mut self, reason: ClosedReason, farewell: Farewell) {
        self.end_ids();
        let Some(link) = self.link.as_deref_mut().filter(|link| link.has_session()) else {
            self.leave(Cause::Abandoned, true);
            return self.end(reason);
        };
        link.stay();
        let until = self.env.now() + self.env.config().close_timeout;
        self.life = self.life.closing(reason, until);
        match farewell {
            Farewell::Written => self.leave_if_written(),
            Farewell::Short => self.leave_closed(false),
            Farewell::None => self.leave_closed(true),
        }
    }

    /// While closing: once nothing is left to write, the link goes.
    pub(super) fn leave_if_written(&mut self) {
        if self.life.is_closing() && self.session_link().is_some() && self.outbound.is_written_out() {
            self.leave_closed(false);
        }
    }

    /// Everything that has an id ends.
    fn end_ids(&mut self) {
        let (subscriptions, requests) = self.interest.close();
        for subscription in subscriptions {
            let reason = EndReason::Closed;
            self.output
                .emit(Event::SubscriptionEnded { subscription, reason });
        }
        for ended in requests {
            // A question whose answer nobody waits for is not asked any more.
            let _ = self.outbound.withdraw(ended.seq, ended.len);
            self.report_ended(ended, RequestError::Closed);
        }
        for ping in self.outbound.forget_flushes() {
            self.flush_failed(ping, FlushError::Closed);
        }
    }

    /// The PONG of a flush or a measurement will not come.
    pub(super) fn flush_failed(&mut self, ping: PingKind, error: FlushError) {
        match ping {
            PingKind::Flush(flush) => self.output.emit(Event::Flushed {
                flush,
                result: Err(error),
            }),
            PingKind::RoundTrip(round_trip) => self.output.emit(Event::RoundTrip {
                round_trip,
                result: Err(error),
            }),
            _ => {}
        }
    }

    /// The end of everything. There is no session.
    pub(super) fn end(&mut self, reason: ClosedReason) {
        let reason = self.life.ends_as(reason, self.is_drain_complete());
        self.end_ids();
        self.link = None;
        self.dialer.stop();
        self.outbound.abandon();
        self.life = Life::Closed;
        let dropped = self.outbound.clear();
        self.report_dropped(dropped, DropReason::Closed);
        self.output.withdraw_choice();
        self.output
            .emit(Event::Connection(ConnectionEvent::Closed { reason }));
    }

    /// Whether a drain under way has lost nothing so far, and has nothing left to confirm.
    pub(super) fn is_drain_complete(&self) -> bool {
        self.life
            .drain_mark()
            .is_some_and(|mark| self.outbound.nothing_lost_since(mark))
    }
}
