//! Leaving a server in lame duck mode, before it closes the link.

use core::time::Duration;

use crate::config::LameDuckPolicy;
use crate::connection::{Connection, Stage};
use crate::error::DisconnectReason;
use crate::event::Event;
use crate::life::Life;
use crate::link::{Cause, Link};
use crate::pings::PingKind;
use crate::requests::Pending;
use crate::session::Departure;
use crate::time::Timestamp;

/// How long requests that were written are given for their replies.
const REPLIES_WITHIN: Duration = Duration::from_secs(10);

impl Connection {
    /// The server announced that it goes.
    pub(crate) fn lame_duck(&mut self, now: Timestamp) {
        let Stage::Linked(link) = &self.stage else { return };
        let server = link.server.clone();
        self.tell(Event::LameDuck { server });
        // Whether there is a better place is asked when the moment has come: one may come to be known.
        let LameDuckPolicy::Move { within } = self.config.lame_duck else {
            return;
        };
        let at = now + self.rng.duration(within);
        if let Some(session) = self.up().and_then(Link::session_mut) {
            session.departure = Departure::Scheduled(at);
        }
    }

    /// Whether there is a better place, and a reason to go there.
    fn may_move(&self, now: Timestamp) -> bool {
        let here = self.present_link().map(|link| link.server.id());
        matches!(self.life, Life::Open)
            && self.config.reconnect
            && here.is_some_and(|here| self.pool.has_healthy_other(here, now))
    }

    /// The moment has come: what is published from now on waits for the next link.
    pub(crate) fn begin_departure(&mut self, now: Timestamp) {
        let may_move = self.may_move(now);
        let Some(link) = self.up() else { return };
        let Some(session) = link.session_mut() else { return };
        if !may_move {
            session.departure = Departure::None;
            return;
        }
        session.departure = Departure::Confirming {
            until: now + REPLIES_WITHIN,
        };
        link.urgent.push(PingKind::LameDuck);
    }

    fn stay(&mut self) {
        if let Some(session) = self.up().and_then(Link::session_mut) {
            session.departure = Departure::None;
        }
    }

    /// The PONG: everything that was written was processed.
    pub(crate) fn departure_is_confirmed(&mut self, now: Timestamp) {
        let Some(session) = self.up().and_then(Link::session_mut) else {
            return;
        };
        if let Departure::Confirming { until } = session.departure {
            session.departure = Departure::AwaitingReplies { until, place: 0 };
            self.departure_may_go_on(now);
        }
    }

    /// A request was settled, or time has passed: is anybody still waiting for a reply on this link?
    pub(crate) fn departure_may_go_on(&mut self, now: Timestamp) {
        let Some(session) = self.up().and_then(Link::session_mut) else {
            return;
        };
        let (until, place) = match session.departure {
            Departure::AwaitingReplies { until, place } => (until, place),
            // It answers nothing in all that time.
            Departure::Confirming { until } if now >= until => (until, 0),
            _ => return,
        };
        if !self.may_move(now) {
            // The only better place has gone meanwhile.
            return self.stay();
        }
        // While publishes are held no request becomes a written one: each place is looked at once.
        let written = |pending: &Pending| self.delivery.was_written(pending.seq);
        match self.requests.place_from(place, written) {
            Some(place) if now < until => {
                if let Some(session) = self.up().and_then(Link::session_mut) {
                    session.departure = Departure::AwaitingReplies { until, place };
                }
            }
            _ => self.give_up(now, Cause::Decided(DisconnectReason::LameDuck), false),
        }
    }
}
