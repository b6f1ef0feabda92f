//! Keep-alive, and leaving a server in lame duck mode.

use super::departure::Departure;
use super::session::Session;
use super::{Link, Stage};
use crate::env::Env;
use crate::time::Timestamp;

impl Link {
    pub(crate) fn wants_keep_alive(&self) -> bool {
        self.session()
            .is_some_and(|session| session.liveness().wants_ping())
    }

    pub(crate) fn keep_alive_left(&mut self) {
        if let Stage::Up(session) = &mut self.stage {
            session.liveness_mut().ping_handed_out();
        }
    }

    /// The moment of the keep-alive has come.
    pub(crate) fn tick(&mut self, env: &Env) {
        if let Some(session) = self.up_mut() {
            session.liveness_mut().tick(env.now());
        }
    }

    /// The server will shut down: it is to be left then. Ignored without a session.
    pub(crate) fn schedule_departure(&mut self, at: Timestamp) {
        self.set_departure(Departure::Scheduled(at));
    }

    /// Whether that moment is still to come.
    pub(crate) fn departure_is_scheduled(&self) -> bool {
        matches!(self.up().map(Session::departure), Some(Departure::Scheduled(_)))
    }

    /// Publishes wait for the next link from now on.
    pub(crate) fn begin_departure(&mut self, env: &Env) {
        self.set_departure(Departure::begun(env.now()));
    }

    /// Everything that was written was processed. Whether that was awaited.
    pub(crate) fn departure_confirmed(&mut self) -> bool {
        let next = self.up().and_then(|session| session.departure().confirmed());
        if let Some(next) = next {
            self.set_departure(next);
        }
        next.is_some()
    }

    /// From which place of the table on replies are awaited, if only these, or time, keep the link.
    pub(crate) fn departure_waits_from(&self, env: &Env) -> Option<usize> {
        self.up()?.departure().waits_from(env.now())
    }

    /// A reply is still awaited at this place. Whether there is time for that.
    pub(crate) fn departure_waits_at(&mut self, place: usize, env: &Env) -> bool {
        let next = self
            .up()
            .and_then(|session| session.departure().wait_at(place, env.now()));
        if let Some(next) = next {
            self.set_departure(next);
        }
        next.is_some()
    }

    /// The server is not left after all.
    pub(crate) fn stay(&mut self) {
        self.set_departure(Departure::None);
    }

    fn set_departure(&mut self, departure: Departure) {
        if let Some(session) = self.up_mut() {
            session.set_departure(departure);
        }
    }
}
