//! What each PONG to come is for.

use alloc::collections::VecDeque;

use nats_proto::Sid;

use crate::ids::{FlushId, PublishSeq};
use crate::time::Timestamp;

/// A PING that is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ping {
    pub(crate) kind: PingKind,
    /// Every publish that lies before it on this link has this number or a lower one.
    pub(crate) covers: PublishSeq,
    /// Every SUB that lies before it on this link names this sid or a lower one.
    pub(crate) subs: Sid,
}

/// Why it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PingKind {
    /// The handshake's.
    Handshake,
    /// Nothing was heard for an interval.
    KeepAlive,
    /// The application asked for confirmation.
    Flush(FlushId),
    /// The application asked how long it takes.
    RoundTrip(FlushId),
    /// Behind the UNSUB of one subscription.
    DrainSubscription(Sid),
    /// Behind the UNSUBs of all.
    DrainAll,
    /// Behind the last publish of a drain.
    DrainWrites,
    /// Behind the restored interest.
    Restore,
    /// At-least-once wants to know, for so much was written.
    Volume,
    /// Something was handed out a while ago and is not confirmed. One at a time.
    Confirm,
    /// Before leaving a server in lame duck mode.
    LameDuck,
}

/// The PINGs of a link that were handed out and are not answered, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unanswered(VecDeque<(Ping, Timestamp)>);

impl Unanswered {
    pub(crate) fn push(&mut self, ping: Ping, now: Timestamp) {
        self.0.push_back((ping, now));
    }

    /// The PING that a PONG answers, and when it was handed out.
    pub(crate) fn answer(&mut self) -> Option<(Ping, Timestamp)> {
        self.0.pop_front()
    }

    /// Their flushes are settled otherwise: the PONGs still count, for what they confirm.
    pub(crate) fn forget_ids(&mut self) {
        for (ping, _) in &mut self.0 {
            if matches!(ping.kind, PingKind::Flush(_) | PingKind::RoundTrip(_)) {
                ping.kind = PingKind::Volume;
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// What they were for.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = PingKind> + '_ {
        self.0.iter().map(|(ping, _)| ping.kind)
    }
}
