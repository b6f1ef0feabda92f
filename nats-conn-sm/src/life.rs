//! Whether the connection is open, being drained, or on its way to its end.

use crate::canonical::Form;
use crate::error::{PublishError, StateError};
use crate::event::ClosedReason;
use crate::ids::LinkId;
use crate::time::Timestamp;

/// The life of the connection, whatever becomes of its links.
///
/// ```text
///            drain            close, the end of the drain        the end of the link
///   Open ----------> Draining ------------------> Closing ----------> Closed
///     |                 |                            ^                   ^
///     |   close         |                            |                   |
///     +-----------------|----------------------------+                   |
///     |                 |   the end of the drain, close, without a link  |
///     |                 +------------------------------------------------+
///     |   close, no further attempt                                      |
///     +------------------------------------------------------------------+
/// ```
///
/// `Closing` is only entered where there is a session, whose queue is still written.
#[derive(Clone, Debug)]
pub(crate) enum Life {
    Open,
    Draining(Drain),
    Closing(Closing),
    Closed,
}

/// A drain under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drain {
    deadline: Timestamp,
    stage: Stage,
    /// How many messages the holder has given up to be consumed.
    unread: u64,
    /// How many publishes were lost when it began.
    mark: u64,
}

/// How far a drain has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Subscriptions end, their messages are consumed, requests get their replies; publishes are accepted, with or
    /// without a link, and requests until everything delivered was consumed.
    Interest { consumed: bool },
    /// Nothing is accepted any more; what is queued is written and confirmed. On which link that was asked for: the
    /// next one is asked anew.
    Writes { asked: LinkId },
}

/// A close under way.
#[derive(Clone, Debug)]
pub(crate) struct Closing {
    was_draining: bool,
    reason: ClosedReason,
    /// Until when what is queued may be written.
    until: Timestamp,
}

/// What a drain may be waiting for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub place: Place,
    /// Publishes are queued.
    pub has_queue: bool,
    /// Subscriptions of the application and requests that have not ended.
    pub open: u64,
}

/// Where the connection is between links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// There is a session.
    Session(LinkId),
    /// A session is on its way out; what its end leaves is looked at then.
    Leaving,
    /// An attempt, or the wait for one.
    Between,
}

/// What a drain does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum DrainStep {
    Wait,
    /// Everything queued is written to the present link and confirmed: the inbox is left, and a PING follows.
    WriteOut,
    /// Nothing is left to do.
    Over,
}

impl Life {
    /// Whether nothing new is accepted for good.
    #[inline]
    pub(crate) fn is_ending(&self) -> bool {
        matches!(self, Self::Closing(_) | Self::Closed)
    }

    pub(crate) fn is_draining(&self) -> bool {
        matches!(self, Self::Draining(_))
    }

    pub(crate) fn is_closing(&self) -> bool {
        matches!(self, Self::Closing(_))
    }

    /// Whether there is, or was until the close, a drain under way.
    pub(crate) fn shows_as_draining(&self) -> bool {
        matches!(
            self,
            Self::Draining(_)
                | Self::Closing(Closing {
                    was_draining: true,
                    ..
                })
        )
    }

    /// Whether subscriptions and the like are accepted.
    pub(crate) fn require_open(&self) -> Result<(), StateError> {
        match self {
            Self::Open => Ok(()),
            Self::Draining(_) => Err(StateError::Draining),
            Self::Closing(_) | Self::Closed => Err(StateError::Closed),
        }
    }

    /// Whether publishes are accepted.
    #[inline]
    pub(crate) fn accepts_publishes(&self) -> Result<(), PublishError> {
        match self {
            Self::Open => Ok(()),
            Self::Draining(drain) => match drain.stage {
                Stage::Interest { .. } => Ok(()),
                Stage::Writes { .. } => Err(PublishError::Draining),
            },
            Self::Closing(_) | Self::Closed => Err(PublishError::Closed),
        }
    }

    /// Whether a drain has come to the point from where requests are refused: nobody is at work any more who could
    /// have to ask.
    #[inline]
    pub(crate) fn refuses_requests(&self) -> bool {
        matches!(self, Self::Draining(drain) if drain.stage != Stage::Interest { consumed: false })
    }

    /// When a drain ends at the latest.
    pub(crate) fn drain_by(&self) -> Option<Timestamp> {
        match self {
            Self::Draining(drain) => Some(drain.deadline),
            _ => None,
        }
    }

    /// Until when what is queued may be written before the close.
    pub(crate) fn close_by(&self) -> Option<Timestamp> {
        match self {
            Self::Closing(closing) => Some(closing.until),
            _ => None,
        }
    }
}

/// Drain.
impl Life {
    /// A drain, to be over at `deadline`; so many publishes were lost before it.
    pub(crate) fn draining(deadline: Timestamp, mark: u64) -> Self {
        Self::Draining(Drain {
            deadline,
            stage: Stage::Interest { consumed: false },
            unread: 0,
            mark,
        })
    }

    /// Everything delivered was consumed, but for so many messages. Whether that is news to a drain.
    pub(crate) fn consumed(&mut self, left: u64) -> bool {
        let Self::Draining(Drain { stage, unread, .. }) = self else {
            return false;
        };
        let is_news = *stage == Stage::Interest { consumed: false };
        if is_news {
            *stage = Stage::Interest { consumed: true };
            *unread = left;
        }
        is_news
    }

    /// Something ended that a drain may have waited for.
    pub(crate) fn drain_step(&mut self, facts: Facts) -> DrainStep {
        if facts.open > 0 || !self.refuses_requests() {
            return DrainStep::Wait;
        }
        let Self::Draining(drain) = self else {
            return DrainStep::Wait;
        };
        match facts.place {
            Place::Session(link) => {
                let writes = Stage::Writes { asked: link };
                if core::mem::replace(&mut drain.stage, writes) == writes {
                    DrainStep::Wait
                } else {
                    DrainStep::WriteOut
                }
            }
            Place::Between if !facts.has_queue => DrainStep::Over,
            Place::Between | Place::Leaving => DrainStep::Wait,
        }
    }

    /// A link is gone: whether the drain needs no other one.
    pub(crate) fn is_drained_without_link(&self, facts: Facts) -> bool {
        self.refuses_requests() && facts.open == 0 && !facts.has_queue
    }

    /// How many publishes were lost when the drain began.
    pub(crate) fn drain_mark(&self) -> Option<u64> {
        match self {
            Self::Draining(drain) => Some(drain.mark),
            _ => None,
        }
    }

    /// What a drain comes to that ends now.
    pub(crate) fn drained(&self, complete: bool) -> Option<ClosedReason> {
        match self {
            Self::Draining(drain) => Some(ClosedReason::Drained {
                complete,
                unread: drain.unread,
            }),
            _ => None,
        }
    }
}

/// Close.
impl Life {
    /// The close that follows: what is queued may be written until then.
    pub(crate) fn closing(&self, reason: ClosedReason, until: Timestamp) -> Self {
        Self::Closing(Closing {
            was_draining: self.is_draining(),
            reason,
            until,
        })
    }

    /// Why a close under way was begun.
    pub(crate) fn closing_reason(&self) -> Option<ClosedReason> {
        match self {
            Self::Closing(closing) => Some(closing.reason.clone()),
            _ => None,
        }
    }

    /// What the end is called: a drain ends as one where no further link can be had.
    pub(crate) fn ends_as(&self, reason: ClosedReason, complete: bool) -> ClosedReason {
        match reason {
            ClosedReason::Requested | ClosedReason::DriverFailed | ClosedReason::Drained { .. } => reason,
            reason => self.drained(complete).unwrap_or(reason),
        }
    }
}

/// For exploration.
impl Life {
    pub(crate) fn canonical(&self, form: &mut Form) {
        match self {
            Self::Open => form.variant(0),
            Self::Draining(drain) => {
                form.variant(1);
                drain.canonical(form);
            }
            Self::Closing(closing) => {
                form.variant(2);
                closing.canonical(form);
            }
            Self::Closed => form.variant(3),
        }
    }
}

impl Drain {
    fn canonical(&self, form: &mut Form) {
        let Self {
            deadline,
            stage,
            unread,
            mark,
        } = self;
        form.due(*deadline);
        match *stage {
            Stage::Interest { consumed } => {
                form.variant(0);
                form.flag(consumed);
            }
            Stage::Writes { asked } => {
                form.variant(1);
                form.link(asked);
            }
        }
        form.number(*unread);
        form.losses(*mark);
    }
}

impl Closing {
    fn canonical(&self, form: &mut Form) {
        let Self {
            was_draining,
            reason,
            until,
        } = self;
        form.flag(*was_draining);
        form.debug(reason);
        form.due(*until);
    }
}
