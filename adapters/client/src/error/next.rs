//! Why there is no next one.

use thiserror::Error;

/// Why nothing came: of messages, replies or events.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NextError {
    /// Not in time; something may come later.
    #[error("nothing came in time: ask again")]
    TimedOut,
    /// Nothing follows.
    #[error("nothing follows: it has ended")]
    Ended,
}

super::debug_as_display!(NextError);

impl NextError {
    /// A stable name in snake case, for machines.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TimedOut => "timed_out",
            Self::Ended => "ended",
        }
    }
}
