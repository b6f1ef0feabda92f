//! The time, as the machine counts it, and as a drain does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nats_conn_sm::Timestamp;

/// Moments of the machine are counted from the beginning of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: Instant,
}

impl Clock {
    pub(crate) fn new(epoch: Instant) -> Self {
        Self { epoch }
    }

    pub(crate) fn timestamp(self, instant: Instant) -> Timestamp {
        let since = instant.saturating_duration_since(self.epoch);
        let whole = since.as_secs().saturating_mul(1_000_000_000);
        Timestamp::from_nanos(whole.saturating_add(u64::from(since.subsec_nanos())))
    }

    pub(crate) fn instant(self, timestamp: Timestamp) -> Instant {
        let since = Duration::from_nanos(timestamp.as_nanos());
        // A deadline too far away for the clock is as good as none.
        self.epoch
            .checked_add(since)
            .unwrap_or_else(|| Instant::now() + Duration::from_secs(1 << 30))
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

    /// The time, while a drain is under way.
    pub(crate) fn now(&self) -> Option<Instant> {
        self.running.load(Ordering::Relaxed).then(Instant::now)
    }
}
