//! What each PONG to come is for.

use nats_proto::Sid;

use crate::canonical::Form;
use crate::ids::{FlushId, PublishSeq, RoundTripId};

/// A PING that is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ping {
    kind: PingKind,
    covers: PublishSeq,
    subs: Sid,
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
    RoundTrip(RoundTripId),
    /// After the UNSUB of one subscription.
    DrainSubscription(Sid),
    /// After the UNSUBs of all.
    DrainAll,
    /// After the last publish of a drain.
    DrainWrites,
    /// After the restored interest.
    Restore,
    /// So many bytes are unconfirmed that the server is asked what it has processed.
    Volume,
    /// Publishes are unconfirmed for so long that the server is asked. One at a time.
    Confirm,
    /// Before leaving a server in lame duck mode.
    LameDuck,
}

impl Ping {
    /// Every publish that lies before it on its link has the number `covers` or a lower one; every SUB the sid `subs`
    /// or a lower one.
    pub(crate) fn new(kind: PingKind, covers: PublishSeq, subs: Sid) -> Self {
        Self { kind, covers, subs }
    }

    pub(crate) fn kind(self) -> PingKind {
        self.kind
    }

    pub(crate) fn covers(self) -> PublishSeq {
        self.covers
    }

    pub(crate) fn subs(self) -> Sid {
        self.subs
    }

    /// Its flush is settled otherwise: the PONG counts for what it confirms.
    pub(crate) fn forget_flush(&mut self) {
        if self.kind.is_awaited() {
            self.kind = PingKind::Volume;
        }
    }
}

impl PingKind {
    /// Whether its PONG settles something that the application waits for.
    pub(crate) fn is_awaited(self) -> bool {
        matches!(self, Self::Flush(_) | Self::RoundTrip(_))
    }
}

/// For exploration.
impl Ping {
    pub(crate) fn canonical(&self, form: &mut Form) {
        let Self { kind, covers, subs } = self;
        kind.canonical(form);
        form.publishes_up_to(*covers);
        form.sids_up_to(*subs);
    }
}

impl PingKind {
    pub(crate) fn canonical(self, form: &mut Form) {
        match self {
            Self::Handshake => form.variant(0),
            Self::KeepAlive => form.variant(1),
            Self::Flush(flush) => {
                form.variant(2);
                form.flush(flush);
            }
            Self::RoundTrip(round_trip) => {
                form.variant(3);
                form.round_trip(round_trip);
            }
            Self::DrainSubscription(sid) => {
                form.variant(4);
                form.sid(sid);
            }
            Self::DrainAll => form.variant(5),
            Self::DrainWrites => form.variant(6),
            Self::Restore => form.variant(7),
            Self::Volume => form.variant(8),
            Self::Confirm => form.variant(9),
            Self::LameDuck => form.variant(10),
        }
    }
}
