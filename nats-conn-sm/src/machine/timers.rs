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

/// What is due first, among the timers that were looked at.
#[derive(Clone, Copy)]
struct First {
    timer: Timer,
    /// What lies at the end of time never comes: it could not be put off any further.
    at: Timestamp,
}

impl First {
    /// Another timer. One that was looked at before comes first where both are due at one moment.
    #[inline]
    fn or(self, timer: Timer, at: Option<Timestamp>) -> Self {
        match at {
            Some(at) if at < self.at => Self { timer, at },
            _ => self,
        }
    }
}

impl View<'_> {
    /// The timer that is due first. They are looked at in the order in which they fire at one moment.
    fn next_timer(self) -> Option<(Timer, Timestamp)> {
        let machine = self.machine();
        let never = First {
            timer: Timer::Backoff,
            at: Timestamp::MAX,
        };
        let first = match machine.link.as_deref() {
            None => never.or(Timer::Backoff, machine.dialer.wakes_at()),
            Some(link) if link.is_up() => never
                .or(Timer::KeepAlive, link.keep_alive_at())
                .or(Timer::Confirm, machine.outbound.confirm_at())
                .or(Timer::Departure, link.departure_at())
                .or(Timer::Close, machine.life.close_by()),
            Some(link) => never
                .or(Timer::Answer, link.answer_by())
                .or(Timer::Attempt, link.attempt_by()),
        };
        let first = first
            .or(Timer::Drain, machine.life.drain_by())
            .or(Timer::Request, machine.interest.next_deadline());
        (first.at < Timestamp::MAX).then_some((first.timer, first.at))
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
