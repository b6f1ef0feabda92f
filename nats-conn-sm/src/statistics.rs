//! Numbers about a connection (ADR-40, and more).

use core::fmt;
use core::time::Duration;

use crate::time::Timestamp;

/// Counters since the connection was made, and present values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Statistics {
    /// Messages received, those for subscriptions that are gone included.
    pub in_messages: u64,
    /// Bytes received from sockets, as the machine saw them (TLS not counted).
    pub in_bytes: u64,
    /// Publishes written whole.
    pub out_messages: u64,
    /// Bytes handed to sockets and taken by them.
    pub out_bytes: u64,
    /// Attempts that began.
    pub attempts: u64,
    /// Sessions that began.
    pub connects: u64,
    /// Sessions that began, but for the first.
    pub reconnects: u64,
    /// Bytes of frames held: queued, handed out and kept.
    pub pending_bytes: u64,
    /// Subscriptions that are alive, the request inbox not counted.
    pub subscriptions: u64,
    /// Requests that are pending.
    pub requests: u64,
    /// When bytes came from the server last, of the present session. Without a session: none.
    pub last_inbound: Option<Timestamp>,
    /// PINGs of the present session that were handed out and have no PONG yet, whatever they are for: keep-alives,
    /// flushes, confirmations.
    pub pings_out: u64,
    /// The last round trip that was measured: of a keep-alive, a flush or `rtt`.
    pub round_trip: Option<Duration>,
    /// The round trip smoothed over the last eight measurements (RFC 6298's first coefficient).
    pub smoothed_round_trip: Option<Duration>,
    /// The fates of what was published.
    pub publishes: PublishFates,
}

impl Statistics {
    /// How alive the present session is at `now`. Without a session: none.
    pub fn link_health(&self, now: Timestamp) -> Option<LinkHealth> {
        self.last_inbound.map(|last| LinkHealth {
            silence: now.since(last),
            pings_out: self.pings_out,
        })
    }
}

/// How alive a session is, for those who want to know before the keep-alive gives it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkHealth {
    /// How long ago the last bytes of the server arrived. On an idle connection it grows up to the PING interval and a
    /// round trip.
    pub silence: Duration,
    /// PINGs that were handed out and have no PONG yet, whatever they are for.
    pub pings_out: u64,
}

/// What became of the publishes that were accepted: the five counters always add up to `accepted`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PublishFates {
    /// Publishes that were accepted, those of requests included.
    pub accepted: u64,
    /// Waiting to be written.
    pub queued: u64,
    /// Handed wholly to a transport; a PONG or the end of the link decides.
    pub written: u64,
    /// Processed by a server: a PONG answered a later PING.
    pub confirmed: u64,
    /// Written, and their link ended before a PONG confirmed them.
    pub unconfirmed: u64,
    /// Dropped without being sent; at least once: without being sent again, where an earlier link had taken them.
    pub dropped: u64,
    /// The highest number up to which every fate is final.
    pub settled: u64,
}

impl PublishFates {
    /// Whether everything that was ever published was confirmed: nothing is under way, and nothing was lost. A request
    /// that ended before it was sent counts as lost.
    pub const fn all_confirmed(&self) -> bool {
        self.confirmed == self.accepted
    }
}

/// One line for people:
///
/// ```
/// use nats_conn_sm::PublishFates;
///
/// let mut fates = PublishFates::default();
/// (fates.accepted, fates.confirmed, fates.unconfirmed, fates.written) = (4, 2, 1, 1);
/// assert_eq!(fates.to_string(), "published: 4, of which 2 confirmed, 1 unconfirmed, 0 dropped, 1 under way");
/// ```
impl fmt::Display for PublishFates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            accepted,
            confirmed,
            unconfirmed,
            dropped,
            ..
        } = self;
        let under_way = self.queued.saturating_add(self.written);
        write!(
            f,
            "published: {accepted}, of which {confirmed} confirmed, {unconfirmed} unconfirmed, {dropped} dropped, \
             {under_way} under way"
        )
    }
}

/// What became of one publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// Waiting to be written.
    Queued,
    /// Handed wholly to a transport.
    Written,
    /// Final: confirmed, unconfirmed or dropped. Which of them was reported by
    /// [`ConnectionEvent::Disconnected`](crate::ConnectionEvent::Disconnected) and
    /// [`ConnectionEvent::PublishDropped`](crate::ConnectionEvent::PublishDropped); in neither, it was confirmed, or was that of a request
    /// which ended while it was still, or again, waiting to be written.
    Settled,
}
