//! Leaving a server in lame duck mode for a better one.

use super::Machine;
use crate::config::LameDuckPolicy;
use crate::error::DisconnectReason;
use crate::event::{ConnectionEvent, Event};
use crate::life::Life;
use crate::link::Cause;
use crate::pings::PingKind;

impl Machine {
    /// The server of the session announced that it will shut down.
    pub(super) fn lame_duck(&mut self) {
        let Some(link) = &mut self.link else { return };
        let server = link.server().clone();
        self.output
            .emit(Event::Connection(ConnectionEvent::LameDuck { server }));
        // Whether there is a better server is asked at that moment: one may become known until then.
        if let LameDuckPolicy::Move { within } = self.env.config().lame_duck {
            let delay = self.env.rng().duration(within);
            link.schedule_departure(self.env.now() + delay);
        }
    }

    /// A step of the departure is due.
    pub(super) fn departure_is_due(&mut self) {
        let may_move = self.may_move();
        match &mut self.link {
            Some(link) if link.departure_is_scheduled() => {
                if may_move {
                    link.begin_departure(&self.env);
                    self.outbound.urgent(PingKind::LameDuck);
                } else {
                    link.stay();
                }
            }
            _ => self.departure_step(),
        }
    }

    /// The PONG: everything that was written was processed.
    pub(super) fn departure_is_confirmed(&mut self) {
        if self.link.as_mut().is_some_and(|link| link.departure_confirmed()) {
            self.departure_step();
        }
    }

    /// A request has ended, or time has passed: is anybody still waiting for a reply on this link?
    #[inline]
    pub(super) fn departure_step(&mut self) {
        let waits_from = |link: &crate::link::Link| link.departure_waits_from(&self.env);
        if let Some(from) = self.link.as_deref().and_then(waits_from) {
            self.wait_for_replies(from);
        }
    }

    fn wait_for_replies(&mut self, from: usize) {
        let may_move = self.may_move();
        let Some(link) = &mut self.link else { return };
        if !may_move {
            // The only better server has left the pool since.
            return link.stay();
        }
        // While publishes are held no request becomes a written one: each place is looked at once.
        let awaited = self.interest.awaits_reply(from, self.outbound.written_up_to());
        if !awaited.is_some_and(|place| link.departure_waits_at(place, &self.env)) {
            self.leave(Cause::Decided(DisconnectReason::LameDuck), false);
        }
    }

    /// Whether there is a better server, and a reason to move to it.
    fn may_move(&self) -> bool {
        matches!(self.life, Life::Open)
            && self.env.config().reconnect
            && self
                .link
                .as_ref()
                .is_some_and(|link| self.dialer.better_than(link.server().id(), &self.env))
    }
}
