//! Whether the connection is open, being drained, or on its way to its end.

use crate::event::ClosedReason;
use crate::ids::LinkId;
use crate::time::Timestamp;

/// The life of the connection, whatever becomes of its links.
///
/// ```text
///   Open ----> Draining ----> Closing ----> Closed
///     \                          ^             ^
///      +-------------------------+-------------+
/// ```
#[derive(Clone, Debug)]
pub(crate) enum Life {
    Open,
    Draining(Drain),
    /// What is queued is still written, if there is a session.
    Closing(Closing),
    Closed,
}

/// A drain under way.
#[derive(Clone, Debug)]
pub(crate) struct Drain {
    pub(crate) deadline: Timestamp,
    pub(crate) stage: DrainStage,
    /// How many messages the holder has given up to be consumed.
    pub(crate) unread: u64,
    /// How many publishes were lost when it began.
    pub(crate) lost_before: u64,
}

/// How far a drain has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DrainStage {
    /// Subscriptions end, their messages are consumed, requests get their replies; publishes are taken, with or
    /// without a link, and requests until the holder has said that everything delivered was consumed.
    Interest { consumed: bool },
    /// Nothing is taken any more; what is queued is written and confirmed. On which link that was asked for: the
    /// next one is asked anew.
    Writes { asked: LinkId },
}

/// A close under way.
#[derive(Clone, Debug)]
pub(crate) struct Closing {
    /// It was being drained before.
    pub(crate) draining: bool,
    pub(crate) reason: ClosedReason,
    /// Until when what is queued may be written.
    pub(crate) until: Timestamp,
}

impl Life {
    /// Whether nothing new is taken for good.
    pub(crate) fn is_ending(&self) -> bool {
        matches!(self, Self::Closing(_) | Self::Closed)
    }

    /// Whether a drain has come to the point from where publishes are refused.
    pub(crate) fn refuses_publishes(&self) -> bool {
        matches!(
            self,
            Self::Draining(Drain {
                stage: DrainStage::Writes { .. },
                ..
            })
        )
    }

    /// Whether a drain has come to the point from where requests are refused: nobody is at work any more who could
    /// have to ask.
    pub(crate) fn refuses_requests(&self) -> bool {
        matches!(self, Self::Draining(drain) if drain.stage != DrainStage::Interest { consumed: false })
    }

    pub(crate) fn is_draining(&self) -> bool {
        matches!(self, Self::Draining(_))
    }
}
