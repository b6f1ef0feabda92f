//! Streams that return at once with nothing, where they should wait.

use std::time::{Duration, Instant};

/// An answer that came faster than this was not waited for.
const AT_ONCE: Duration = Duration::from_millis(1);
/// How long the longest rest is.
const MOST: Duration = Duration::from_millis(20);

/// Keeps a thread from asking such a stream without end: it rests for 1 ms, and twice as long each time, up to 20 ms.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// When it was refused last, and how long it rests if it is refused again at once.
    last: Option<(Instant, Duration)>,
}

impl Pace {
    /// The stream gave or took something.
    pub(crate) fn went_on(&mut self) {
        self.last = None;
    }

    /// The stream gave or took nothing. Rests if that came at once.
    pub(crate) fn refused(&mut self) {
        let rest = match self.last {
            Some((last, rest)) if last.elapsed() < AT_ONCE => rest,
            _ => return self.last = Some((Instant::now(), AT_ONCE)),
        };
        std::thread::sleep(rest);
        self.last = Some((Instant::now(), MOST.min(rest * 2)));
    }
}
