//! Everything that happens because time passes, in one table.

use super::{Machine, View};
use crate::error::{AttemptError, Phase};
use crate::time::Timestamp;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    /// The end of a wait.
    Backoff,
    /// The last answer about a link.
    Answer,
    /// The deadline over the attempt.
    Attempt,
    KeepAlive,
    /// The server is asked for confirmation.
    Confirm,
    /// A step of leaving a lame duck.
    Departure,
    Close,
    Drain,
    Request,
}

impl View<'_> {
    /// The timers, in the order in which they fire at one moment.
    fn timers(self) -> [(Timer, Option<Timestamp>); 9] {
        let machine = self.machine();
        let link = machine.link.as_deref();
        let up = link.is_some_and(|link| link.is_up());
        let while_up = |at: Option<Timestamp>| at.filter(|_| up);
        [
            (Timer::Backoff, machine.dialer.wakes_at()),
            (Timer::Answer, link.and_then(|link| link.answer_by())),
            (Timer::Attempt, link.and_then(|link| link.attempt_by())),
            (Timer::KeepAlive, link.and_then(|link| link.keep_alive_at())),
            (Timer::Confirm, while_up(machine.outbound.confirm_at())),
            (Timer::Departure, link.and_then(|link| link.departure_at())),
            (Timer::Close, while_up(machine.life.close_by())),
            (Timer::Drain, machine.life.drain_by()),
            (Timer::Request, machine.interest.next_deadline()),
        ]
    }

    /// The timer that is due first.
    fn next_timer(self) -> Option<(Timer, Timestamp)> {
        let mut first: Option<(Timer, Timestamp)> = None;
        for (timer, at) in self.timers() {
            // What lies at the end of time never comes: it could not be put off any further.
            let Some(at) = at.filter(|at| *at < Timestamp::MAX) else {
                continue;
            };
            if first.is_none_or(|(_, earliest)| at < earliest) {
                first = Some((timer, at));
            }
        }
        first
    }

    /// When to call [`fire_timers`](Machine::fire_timers), and to poll: now while something waits to be polled.
    pub(crate) fn poll_timeout(self) -> Option<Timestamp> {
        let now = self.now();
        if self.has_output() {
            return Some(now);
        }
        self.next_timer().map(|(_, at)| at.max(now))
    }

    /// Whether a timer is due.
    pub(crate) fn is_timer_due(self) -> bool {
        self.next_timer().is_some_and(|(_, at)| at <= self.now())
    }
}

impl Machine {
    /// Does everything that is due.
    pub(crate) fn fire_timers(&mut self) {
        while let Some((timer, at)) = self.view().next_timer() {
            if at > self.env.now() {
                break;
            }
            match timer {
                Timer::Backoff => {
                    let next = self.dialer.hurry(&mut self.env);
                    self.go(next);
                }
                Timer::Answer => self.answer_is_overdue(),
                Timer::Attempt => {
                    let phase = self.link.as_ref().map_or(Phase::Dial, |link| link.phase());
                    self.fail_attempt(phase, AttemptError::TimedOut);
                }
                Timer::KeepAlive => {
                    if let Some(link) = &mut self.link {
                        link.tick(&self.env);
                    }
                }
                Timer::Confirm => self.outbound.ask_confirmation(),
                Timer::Departure => self.departure_is_due(),
                Timer::Close => self.leave_closed(true),
                Timer::Drain => self.end_drained(false),
                Timer::Request => {
                    if !self.expire_request() {
                        break;
                    }
                }
            }
        }
    }
}
