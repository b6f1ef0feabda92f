//! The time, as the machine counts it, and as a drain does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nats_conn_sm::Timestamp;

/// Moments of the machine are counted from the beginning of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: Instant,
}

/// One moment, as the system and as the machine counts it: the clock is read, and counted from the beginning, once for all
/// that happens at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) instant: Instant,
    pub(crate) time: Timestamp,
}

impl Clock {
    pub(crate) fn new(epoch: Instant) -> Self {
        Self { epoch }
    }

    pub(crate) fn moment(self, instant: Instant) -> Moment {
        Moment {
            instant,
            time: self.timestamp(instant),
        }
    }

    pub(crate) fn timestamp(self, instant: Instant) -> Timestamp {
        let since = instant.saturating_duration_since(self.epoch);
        let whole = since.as_secs().saturating_mul(1_000_000_000);
        Timestamp::from_nanos(whole.saturating_add(u64::from(since.subsec_nanos())))
    }

    /// `None` for a deadline too far away for the clock, which is as good as none.
    pub(crate) fn instant(self, timestamp: Timestamp) -> Option<Instant> {
        self.epoch.checked_add(Duration::from_nanos(timestamp.as_nanos()))
    }
}

/// Runs while the connection is being drained: those who take messages note the time then, and only then.
#[derive(Debug, Default)]
pub(crate) struct DrainClock {
    running: AtomicBool,
}

impl DrainClock {
    pub(crate) fn start(&self) {
        self.running.store(true, Ordering::Relaxed);
    }

    /// Whether a drain is under way.
    pub(crate) fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }

    /// The time, while a drain is under way.
    pub(crate) fn now(&self) -> Option<Instant> {
        self.is_running().then(Instant::now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_the_nanoseconds_since_the_beginning_there_and_back() {
        let epoch = Instant::now();
        let clock = Clock::new(epoch);
        for (since, nanos) in [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::new(1, 2), 1_000_000_002),
            (Duration::from_secs(86_400), 86_400_000_000_000),
        ] {
            let moment = Timestamp::from_nanos(nanos);
            assert_eq!(clock.timestamp(epoch + since), moment);
            assert_eq!(clock.instant(moment), Some(epoch + since));
        }
    }

    #[test]
    fn what_was_before_the_beginning_is_the_beginning_and_the_end_of_time_is_not_passed() {
        let epoch = Instant::now() + Duration::from_secs(10);
        let clock = Clock::new(epoch);
        assert_eq!(clock.timestamp(Instant::now()), Timestamp::ZERO);
        let centuries = Duration::from_secs(u64::from(u32::MAX) * 5);
        if let Some(end) = epoch.checked_add(centuries) {
            assert_eq!(clock.timestamp(end), Timestamp::MAX);
        }
    }

    #[test]
    fn the_clock_of_drains_gives_the_time_from_when_it_is_started() {
        let (clock, before) = (DrainClock::default(), Instant::now());
        assert_eq!(clock.now(), None);
        clock.start();
        assert!(clock.now().is_some_and(|now| now >= before));
    }
}
