//! What belongs to a link whose handshake is done.

use super::departure::Departure;
use super::liveness::Liveness;
use crate::canonical::Form;
use crate::env::Env;
use crate::time::Timestamp;

/// The state of a session.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// When its PONG arrived.
    since: Timestamp,
    /// There was none before it.
    is_first: bool,
    liveness: Liveness,
    departure: Departure,
}

impl Session {
    pub(super) fn new(is_first: bool, env: &Env) -> Self {
        let config = env.config();
        Self {
            since: env.now(),
            is_first,
            liveness: Liveness::new(env.now(), config.ping_interval, config.max_pings_out),
            departure: Departure::None,
        }
    }

    pub(super) fn since(&self) -> Timestamp {
        self.since
    }

    pub(super) fn is_first(&self) -> bool {
        self.is_first
    }

    pub(super) fn liveness(&self) -> &Liveness {
        &self.liveness
    }

    pub(super) fn liveness_mut(&mut self) -> &mut Liveness {
        &mut self.liveness
    }

    pub(super) fn departure(&self) -> Departure {
        self.departure
    }

    pub(super) fn set_departure(&mut self, departure: Departure) {
        self.departure = departure;
    }
}

/// For exploration.
impl Session {
    pub(super) fn canonical(&self, form: &mut Form) {
        let Self {
            // The link writes how long it lived.
            since: _,
            is_first,
            liveness,
            departure,
        } = self;
        form.flag(*is_first);
        liveness.canonical(form);
        departure.canonical(form);
    }
}
