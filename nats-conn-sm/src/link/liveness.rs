//! Whether the peer is still there: keep-alive PINGs, counted from being handed out.

use core::time::Duration;

use crate::canonical::Form;
use crate::time::Timestamp;

/// The keep-alive of one session.
#[derive(Clone, Debug)]
pub(super) struct Liveness {
    interval: Duration,
    max_out: u32,
    /// When bytes came in last.
    heard_at: Timestamp,
    /// When something is to be done if nothing is heard.
    tick: Timestamp,
    /// Keep-alives handed out since anything was heard.
    unanswered: u32,
    /// A keep-alive waits to be handed out.
    waiting: bool,
    /// Ticks since anything was heard.
    silent: u32,
    /// The peer is silent for too long, unless there are bytes that were not looked at.
    is_suspect: bool,
}

/// What a tick asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tick {
    Nothing,
    /// Send a keep-alive.
    Ping,
    /// The peer is gone, unless there are bytes that were not looked at.
    Stale,
}

impl Liveness {
    pub(super) fn new(now: Timestamp, interval: Duration, max_out: u32) -> Self {
        Self {
            interval,
            max_out,
            heard_at: now,
            tick: now + interval,
            unanswered: 0,
            waiting: false,
            silent: 0,
            is_suspect: false,
        }
    }

    /// When to call [`tick`](Self::tick).
    pub(super) fn deadline(&self) -> Timestamp {
        self.tick
    }

    /// Bytes came in.
    pub(super) fn heard(&mut self, now: Timestamp) {
        self.heard_at = now;
        self.tick = now + self.interval;
        self.unanswered = 0;
        self.waiting = false;
        self.silent = 0;
        self.is_suspect = false;
    }

    /// When bytes came in last; for a session of which none did yet, its beginning: that was a PONG.
    pub(super) fn heard_at(&self) -> Timestamp {
        self.heard_at
    }

    /// Whether a keep-alive waits to be handed out.
    pub(super) fn wants_ping(&self) -> bool {
        self.waiting
    }

    /// The keep-alive was handed out.
    pub(super) fn ping_handed_out(&mut self) {
        if core::mem::take(&mut self.waiting) {
            self.unanswered = self.unanswered.saturating_add(1);
        }
    }

    /// Whether the peer counts as gone once there is no operation left to look at.
    pub(super) fn is_suspect(&self) -> bool {
        self.is_suspect
    }

    /// The deadline has come.
    pub(super) fn tick(&mut self, now: Timestamp) -> Tick {
        let half = self.interval.checked_div(2).unwrap_or_default();
        let late = now.since(self.tick) > half;
        self.tick = now + self.interval;
        if late {
            return self.late();
        }
        self.silent = self.silent.saturating_add(1);
        let stale = if self.waiting {
            self.silent >= 3
        } else {
            self.unanswered >= self.max_out
        };
        self.is_suspect |= stale;
        match (stale, self.waiting) {
            (true, _) => Tick::Stale,
            (false, true) => Tick::Nothing,
            (false, false) => self.ask(),
        }
    }

    /// The process slept: what it missed proves nothing about the peer.
    fn late(&mut self) -> Tick {
        self.silent = 1;
        if self.waiting {
            self.unanswered = 0;
            return Tick::Nothing;
        }
        if self.unanswered > 0 {
            self.unanswered = 1;
            return Tick::Nothing;
        }
        self.ask()
    }

    fn ask(&mut self) -> Tick {
        self.waiting = true;
        Tick::Ping
    }
}

/// For exploration.
impl Liveness {
    pub(super) fn canonical(&self, form: &mut Form) {
        let Self {
            // Settings.
            interval: _,
            max_out: _,
            // A statistic.
            heard_at: _,
            tick,
            unanswered,
            waiting,
            silent,
            is_suspect,
        } = self;
        // How late a tick comes makes a difference.
        form.moment(*tick);
        form.number(u64::from(*unanswered));
        form.flag(*waiting);
        form.number(u64::from(*silent));
        form.flag(*is_suspect);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(120);

    fn at(intervals: f64) -> Timestamp {
        Timestamp::ZERO + INTERVAL.mul_f64(intervals)
    }

    #[test]
    fn two_unanswered_and_the_next_due_is_stale() {
        let mut liveness = Liveness::new(Timestamp::ZERO, INTERVAL, 2);
        for round in 1..=2 {
            assert_eq!(liveness.tick(at(f64::from(round))), Tick::Ping);
            liveness.ping_handed_out();
        }
        assert_eq!(liveness.deadline(), at(3.0));
        assert_eq!(liveness.tick(at(3.0)), Tick::Stale);
    }

    #[test]
    fn a_keep_alive_that_cannot_leave_for_three_intervals_is_stale() {
        let mut liveness = Liveness::new(Timestamp::ZERO, INTERVAL, 2);
        assert_eq!(liveness.tick(at(1.0)), Tick::Ping);
        assert_eq!(liveness.tick(at(2.0)), Tick::Nothing);
        assert_eq!(liveness.tick(at(3.0)), Tick::Stale);
    }

    #[test]
    fn inbound_bytes_begin_anew() {
        let mut liveness = Liveness::new(Timestamp::ZERO, INTERVAL, 2);
        liveness.tick(at(1.0));
        liveness.ping_handed_out();
        liveness.heard(at(1.5));
        assert_eq!(liveness.deadline(), at(2.5));
        assert_eq!(liveness.tick(at(2.5)), Tick::Ping);
    }

    #[test]
    fn a_tick_hours_late_sends_one_ping_and_grants_the_whole_grace() {
        let mut liveness = Liveness::new(Timestamp::ZERO, INTERVAL, 2);
        assert_eq!(liveness.tick(at(240.0)), Tick::Ping);
        liveness.ping_handed_out();
        assert_eq!(liveness.tick(at(241.0)), Tick::Ping);
        liveness.ping_handed_out();
        assert_eq!(liveness.tick(at(242.0)), Tick::Stale);
    }

    #[test]
    fn a_late_tick_with_two_unanswered_counts_one_and_sends_none() {
        let mut liveness = Liveness::new(Timestamp::ZERO, INTERVAL, 2);
        for round in 1..=2 {
            liveness.tick(at(f64::from(round)));
            liveness.ping_handed_out();
        }
        assert_eq!(liveness.tick(at(3.6)), Tick::Nothing);
        assert_eq!(liveness.tick(at(4.6)), Tick::Ping);
        liveness.ping_handed_out();
        assert_eq!(liveness.tick(at(5.6)), Tick::Stale);
    }

    #[test]
    fn a_tick_is_late_behind_half_an_interval_and_not_before() {
        for (late, expected) in [(3.5, Tick::Stale), (3.51, Tick::Nothing)] {
            let mut liveness = Liveness::new(Timestamp::ZERO, INTERVAL, 2);
            for round in 1..=2 {
                liveness.tick(at(f64::from(round)));
                liveness.ping_handed_out();
            }
            assert_eq!(liveness.tick(at(late)), expected, "at {late}");
        }
    }
}
