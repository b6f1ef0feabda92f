//! What belongs to a link whose handshake is done.

use alloc::collections::VecDeque;

use nats_proto::Sid;

use crate::block::Largest;
use crate::ids::PublishSeq;
use crate::liveness::Liveness;
use crate::time::Timestamp;

/// The state of a session.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// When its PONG arrived.
    pub(crate) since: Timestamp,
    pub(crate) liveness: Liveness,
    /// The peer is silent for too long, unless there are bytes that were not looked at.
    pub(crate) looks_stale: bool,
    pub(crate) restore: Restore,
    pub(crate) departure: Departure,
    pub(crate) confirm: Confirm,
    /// The last publish of blocks that were written and are not confirmed, and their largest messages, ever smaller:
    /// a block that is followed by one with a larger message is not needed.
    largest: VecDeque<(PublishSeq, Largest)>,
}

impl Session {
    pub(crate) fn new(now: Timestamp, liveness: Liveness, restore: Restore) -> Self {
        Self {
            since: now,
            liveness,
            looks_stale: false,
            restore,
            departure: Departure::None,
            confirm: Confirm::default(),
            largest: VecDeque::new(),
        }
    }

    /// A block up to this publish was written.
    pub(crate) fn note_largest(&mut self, last: PublishSeq, largest: Largest) {
        while self
            .largest
            .back()
            .is_some_and(|(_, known)| known.message <= largest.message)
        {
            self.largest.pop_back();
        }
        self.largest.push_back((last, largest));
    }

    /// Everything up to this publish was processed.
    pub(crate) fn forget_largest(&mut self, up_to: PublishSeq) {
        while self.largest.front().is_some_and(|&(last, _)| last <= up_to) {
            self.largest.pop_front();
        }
    }

    /// The largest message that was written and not confirmed.
    pub(crate) fn largest(&self) -> Option<Largest> {
        self.largest.front().map(|&(_, largest)| largest)
    }
}

/// How far the interest of earlier links is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restore {
    /// SUBs are being written, in the order of their sids.
    Writing {
        after: Sid,
        last: Sid,
        restored: u64,
        refused: u64,
    },
    /// They are, and the PONG behind them is awaited.
    Awaiting {
        last: Sid,
        restored: u64,
        refused: u64,
    },
    Done,
}

impl Restore {
    /// A subscription was refused: it counts if it was restored.
    pub(crate) fn refuse(&mut self, sid: Sid) {
        match self {
            Self::Writing { last, refused, .. } | Self::Awaiting { last, refused, .. } if sid <= *last => {
                *refused = refused.saturating_add(1);
            }
            _ => {}
        }
    }
}

/// Leaving a server in lame duck mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Departure {
    /// The server stays, or we do until it closes the link.
    None,
    /// It begins then.
    Scheduled(Timestamp),
    /// Publishes stay queued; a PING behind what was written is not answered yet.
    Confirming { until: Timestamp },
    /// Requests that were written are given time for their replies; none lies before this place of the table.
    AwaitingReplies { until: Timestamp, place: usize },
}

impl Departure {
    /// Whether publishes are held back for the next link.
    pub(crate) fn holds_publishes(self) -> bool {
        matches!(self, Self::Confirming { .. } | Self::AwaitingReplies { .. })
    }
}

/// When the machine asks by itself what the server has processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Confirm {
    /// Bytes of publishes handed out since the last PING.
    pub(crate) bytes: usize,
    /// When to ask.
    pub(crate) due: Option<Timestamp>,
    /// A PING of this kind is on its way (it does not count as a keep-alive).
    pub(crate) outstanding: bool,
}

impl Confirm {
    /// Something was handed out, and is to be asked about then, unless an earlier moment or a PONG comes before.
    pub(crate) fn ask_at(&mut self, at: Timestamp) {
        if !self.outstanding && self.due.is_none() {
            self.due = Some(at);
        }
    }
}
