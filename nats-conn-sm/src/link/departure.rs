//! Leaving a server in lame duck mode before it closes the link.

use core::time::Duration;

use crate::time::Timestamp;

/// How long requests that were written are given for their replies.
const REPLIES_WITHIN: Duration = Duration::from_secs(10);

/// How far it has come.
///
/// ```text
///   None --> Scheduled --> Confirming --> AwaitingReplies --> (the link is left)
///     ^          |             |                |
///     +----------+-------------+----------------+  no better server is known, or the connection drains or closes
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Departure {
    /// The server stays, or we do until it closes the link.
    None,
    /// It begins then.
    Scheduled(Timestamp),
    /// Publishes stay queued; a PING that follows what was written is not answered yet.
    Confirming { until: Timestamp },
    /// Requests that were written are given time for their replies; none lies before this place of the table.
    AwaitingReplies { until: Timestamp, place: usize },
}

impl Departure {
    /// The moment has come: publishes wait for the next link from now on.
    pub(super) fn begun(now: Timestamp) -> Self {
        Self::Confirming {
            until: now + REPLIES_WITHIN,
        }
    }

    /// Everything that was written was processed; none if that was not awaited.
    pub(super) fn confirmed(self) -> Option<Self> {
        match self {
            Self::Confirming { until } => Some(Self::AwaitingReplies { until, place: 0 }),
            _ => None,
        }
    }

    /// Whether publishes are held back for the next link.
    pub(super) fn holds_publishes(self) -> bool {
        matches!(self, Self::Confirming { .. } | Self::AwaitingReplies { .. })
    }

    /// When something is due.
    pub(super) fn at(self) -> Option<Timestamp> {
        match self {
            Self::Scheduled(at)
            | Self::Confirming { until: at }
            | Self::AwaitingReplies { until: at, .. } => Some(at),
            Self::None => None,
        }
    }

    /// From which place of the table on replies are awaited, if only these, or time, keep the link.
    pub(super) fn waits_from(self, now: Timestamp) -> Option<usize> {
        match self {
            Self::AwaitingReplies { place, .. } => Some(place),
            // The server answers nothing in all that time.
            Self::Confirming { until } if now >= until => Some(0),
            _ => None,
        }
    }

    /// A reply is still awaited at this place; none if it is too late for that.
    pub(super) fn wait_at(self, place: usize, now: Timestamp) -> Option<Self> {
        match self {
            Self::AwaitingReplies { until, .. } | Self::Confirming { until } if now < until => {
                Some(Self::AwaitingReplies { until, place })
            }
            _ => None,
        }
    }
}
