//! Everything that happens because time passes, in one table.

use crate::connection::{Connection, Stage};
use crate::error::ConnectError;
use crate::ids::RequestId;
use crate::life::Life;
use crate::link::Link;
use crate::liveness::Tick;
use crate::session::Departure;
use crate::time::Timestamp;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The deadline over the attempt.
    Attempt,
    /// The end of a wait.
    Backoff,
    /// The last answer about a link.
    Answer,
    KeepAlive,
    /// Something was handed out and is not confirmed.
    Confirm,
    /// Leaving a lame duck.
    Departure,
    Request,
    Drain,
    Close,
}

impl Connection {
    /// The timer that is due first.
    pub(crate) fn next_timer(&self) -> Option<(Timer, Timestamp)> {
        let mut first: Option<(Timer, Timestamp)> = None;
        // What lies at the end of time never comes: it could not be put off any further.
        let mut consider = |timer, at: Option<Timestamp>| {
            if let Some(at) =
                at.filter(|at| *at < Timestamp::MAX && first.is_none_or(|(_, earliest)| *at < earliest))
            {
                first = Some((timer, at));
            }
        };
        match &self.stage {
            Stage::Waiting { until, .. } => consider(Timer::Backoff, Some(*until)),
            Stage::Linked(link) => match (&link.ending, link.session()) {
                (Some(ending), _) => consider(Timer::Answer, ending.answer_by),
                (None, None) => consider(Timer::Attempt, Some(link.deadline)),
                (None, Some(session)) => {
                    consider(Timer::KeepAlive, Some(session.liveness.deadline()));
                    consider(Timer::Confirm, session.confirm.due);
                    consider(
                        Timer::Departure,
                        match session.departure {
                            Departure::Scheduled(at)
                            | Departure::Confirming { until: at }
                            | Departure::AwaitingReplies { until: at, .. } => Some(at),
                            Departure::None => None,
                        },
                    );
                    if let Life::Closing(closing) = &self.life {
                        consider(Timer::Close, Some(closing.until));
                    }
                }
            },
            Stage::Choosing { .. } | Stage::Ended => {}
        }
        if let Life::Draining(drain) = &self.life {
            consider(Timer::Drain, Some(drain.deadline));
        }
        consider(Timer::Request, self.requests.deadline());
        first
    }

    /// Does everything that is due.
    pub(crate) fn fire_timers(&mut self, now: Timestamp) {
        while let Some((timer, at)) = self.next_timer() {
            if at > now {
                break;
            }
            match timer {
                Timer::Attempt => self.attempt_is_overdue(now),
                Timer::Backoff => self.wait_is_over(now),
                Timer::Answer => self.answer_is_overdue(),
                Timer::KeepAlive => self.keep_alive_is_due(now),
                Timer::Confirm => self.ask_confirmation(),
                Timer::Departure => self.departure_is_due(now),
                Timer::Request => {
                    let overdue: Option<RequestId> = self.requests.overdue(now);
                    let Some(id) = overdue else { break };
                    self.request_is_overdue(now, id);
                }
                Timer::Drain => self.drain_is_overdue(now),
                Timer::Close => self.leave_closed(now, true),
            }
        }
    }

    fn attempt_is_overdue(&mut self, now: Timestamp) {
        let Some(phase) = self.present_link().map(|link| link.phase.public()) else {
            return;
        };
        self.fail_attempt(now, phase, ConnectError::TimedOut);
    }

    fn keep_alive_is_due(&mut self, now: Timestamp) {
        let Some(session) = self.up().and_then(Link::session_mut) else {
            return;
        };
        if session.liveness.tick(now) == Tick::Stale {
            session.looks_stale = true;
        }
    }

    fn departure_is_due(&mut self, now: Timestamp) {
        match self
            .present_link()
            .and_then(Link::session)
            .map(|session| session.departure)
        {
            Some(Departure::Scheduled(_)) => self.begin_departure(now),
            _ => self.departure_may_go_on(now),
        }
    }
}
