//! Time as the machine sees it: nanoseconds since an epoch the caller picks.

use core::fmt;
use core::ops::Add;
use core::time::Duration;

/// A moment, in nanoseconds since an epoch that the caller chooses and keeps for the life of a connection.
///
/// The machine has no clock. A driver usually takes the moment of its start as the epoch and passes the
/// monotonic time since then; a test passes whatever it likes. All arithmetic saturates.
///
/// ```
/// use core::time::Duration;
/// use nats_conn_sm::Timestamp;
///
/// let start = Timestamp::ZERO;
/// let later = start + Duration::from_millis(5);
/// assert_eq!(later.since(start), Duration::from_millis(5));
/// assert_eq!(start.since(later), Duration::ZERO);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The epoch itself.
    pub const ZERO: Self = Self(0);
    /// The last moment that can be represented, some 584 years after the epoch.
    pub const MAX: Self = Self(u64::MAX);

    /// The moment `nanos` nanoseconds after the epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The moment `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// The time that has gone by since `earlier`, zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Duration::from_nanos(self.0))
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn a_moment_is_told_in_nanoseconds_milliseconds_and_as_people_read_it() {
        let moment = Timestamp::from_nanos(1_234_567_890);
        assert_eq!((moment.as_nanos(), moment.as_millis()), (1_234_567_890, 1_234));
        assert_eq!(format!("{moment:?}"), "1.23456789s");
    }
}
