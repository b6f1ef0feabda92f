//! One transport to one server, and everything that dies with it.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use nats_proto::{Decoder, ServerError, ServerErrorKind, ServerInfo, Sid, TransmitBuf};

use crate::block::{Largest, Tag};
use crate::delivery::SeqRanges;
use crate::error::{DisconnectReason, LinkEnd};
use crate::ids::{LinkId, PublishSeq};
use crate::phase::Phase;
use crate::pings::{PingKind, Unanswered};
use crate::servers::Server;
use crate::session::Session;
use crate::time::Timestamp;

/// The state of a link.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) id: LinkId,
    pub(crate) server: Server,
    pub(crate) phase: Phase,
    /// When the attempt must have come to its PONG.
    pub(crate) deadline: Timestamp,
    pub(crate) decoder: Decoder,
    /// TLS is established.
    pub(crate) encrypted: bool,
    /// Something arrived since.
    pub(crate) heard_encrypted: bool,
    /// The driver was asked who we are, and there is no session yet.
    pub(crate) challenge: Option<Box<Challenge>>,
    pub(crate) info: Arc<ServerInfo>,
    /// The largest headers and payload together that this server takes.
    pub(crate) max_payload: u64,
    /// CONNECT and PING, until they are handed out.
    pub(crate) hello: Option<TransmitBuf<Tag>>,
    pub(crate) unanswered: Unanswered,
    /// PONGs that we owe.
    pub(crate) pongs_due: u32,
    /// PINGs that go in front of the next block.
    pub(crate) urgent: Vec<PingKind>,
    pub(crate) handed: Option<Handed>,
    /// Everything that was handed out on this link.
    pub(crate) handed_up_to: HandedUpTo,
    /// The server has processed every SUB up to this sid.
    pub(crate) proven_subs: Sid,
    pub(crate) last_error: Option<ServerError>,
    pub(crate) ending: Option<Ending>,
}

/// A question who we are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Challenge {
    pub(crate) since: Timestamp,
    /// How long the driver took to answer, if it did.
    pub(crate) answer_took: Option<Duration>,
}

/// The highest numbers that were handed out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HandedUpTo {
    pub(crate) publish: PublishSeq,
    pub(crate) sub: Sid,
}

/// The block that a driver is writing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handed {
    pub(crate) publishes: SeqRanges,
    pub(crate) publish_bytes: usize,
    pub(crate) len: usize,
    /// The publish in it that has the most bytes of headers and payload.
    pub(crate) largest: Option<Largest>,
    /// CONNECT lies in it: its memory is not kept.
    pub(crate) is_hello: bool,
    /// A PONG has proven these to be written.
    pub(crate) proven: Option<PublishSeq>,
}

impl Handed {
    /// Its publishes above those that are proven, up to `up_to`.
    pub(crate) fn unproven(&self, up_to: Option<PublishSeq>) -> SeqRanges {
        let mut ranges = SeqRanges::default();
        for &(first, last) in self.publishes.runs() {
            let first = self.proven.map_or(first, |proven| first.max(proven.next()));
            let last = up_to.map_or(last, |up_to| last.min(up_to));
            if first <= last {
                ranges.push_run(first, last);
            }
        }
        ranges
    }
}

/// A link that is on its way out.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) cause: Cause,
    /// When it ended.
    pub(crate) at: Timestamp,
    /// Until when its driver's last answer is awaited; none: it has come, or is no longer awaited.
    pub(crate) answer_by: Option<Timestamp>,
}

/// Who ended it.
#[derive(Clone, Debug)]
pub(crate) enum Cause {
    /// Its driver, or the peer.
    Link(LinkEnd),
    /// We did, and this is why.
    Decided(DisconnectReason),
    /// We did; the attempt that failed has been told, or is not to be told.
    Told,
}

impl Link {
    pub(crate) fn session(&self) -> Option<&Session> {
        match &self.phase {
            Phase::Ready(session) => Some(session),
            _ => None,
        }
    }

    pub(crate) fn session_mut(&mut self) -> Option<&mut Session> {
        match &mut self.phase {
            Phase::Ready(session) => Some(session),
            _ => None,
        }
    }

    /// Whether it is up: the handshake is done and no end has come.
    pub(crate) fn is_up(&self) -> bool {
        self.ending.is_none() && self.session().is_some()
    }

    /// Whether something goes in front of the next block.
    pub(crate) fn has_urgent(&self) -> bool {
        self.pongs_due > 0
            || self
                .session()
                .is_some_and(|session| session.liveness.wants_ping() || !self.urgent.is_empty())
    }

    /// What its end is called, given what its driver saw.
    pub(crate) fn reason_of(&self, end: &LinkEnd) -> DisconnectReason {
        match &self.last_error {
            Some(error) if *error.kind() == ServerErrorKind::StaleConnection => DisconnectReason::Stale,
            Some(error) if error.closes() => DisconnectReason::ServerError(error.clone()),
            _ if matches!(end, LinkEnd::Eof | LinkEnd::Requested) => DisconnectReason::Eof,
            _ => DisconnectReason::Io(end.clone()),
        }
    }
}
