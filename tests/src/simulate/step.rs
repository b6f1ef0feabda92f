//! The single steps of a plan.

use std::fmt;
use std::time::Duration;

use super::plan::{FILTERS, Plan, TOPICS};
use crate::sim::Cut;

/// A step and its time, counted from the beginning.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) at: Duration,
    pub(super) step: Step,
}

/// What happens. Clients and servers are meant by their places.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Publish {
        client: usize,
        topic: usize,
        count: usize,
        size: usize,
    },
    Subscribe {
        client: usize,
        filter: usize,
        queue: bool,
    },
    /// It answers requests from now on.
    Serve {
        client: usize,
    },
    Unsubscribe {
        client: usize,
        nth: usize,
    },
    DrainSubscription {
        client: usize,
        nth: usize,
    },
    Request {
        client: usize,
        timeout: Duration,
    },
    Flush {
        client: usize,
    },
    ForceReconnect {
        client: usize,
    },
    /// It drains.
    Leave {
        client: usize,
    },
    /// It stops to take what arrives, or goes on.
    Reads {
        client: usize,
        reads: bool,
    },
    /// It does nothing for so long, and its clock goes on.
    Suspend {
        client: usize,
        time: Duration,
    },
    /// Its clock is so much later at once.
    ClockLeaps {
        client: usize,
        time: Duration,
    },
    /// It knows the next password.
    Learns {
        client: usize,
    },
    /// Its present link is half-open: nothing passes, and nobody notices.
    Freeze {
        client: usize,
    },
    CutNext {
        client: usize,
        server: usize,
        cut: Cut,
    },
    Unreachable {
        client: usize,
        server: usize,
    },
    Reachable {
        client: usize,
        server: usize,
    },
    Narrow {
        client: usize,
        server: usize,
        latency: Duration,
        rate: Option<u64>,
        room: usize,
    },
    Crash {
        server: usize,
    },
    Restart {
        server: usize,
    },
    LameDuck {
        server: usize,
        closes_after: Duration,
    },
    /// It starts as another version.
    Upgrade {
        server: usize,
    },
    /// It ends its links, as it does with slow readers and stale clients; with an error, or without a word.
    HangUp {
        server: usize,
        says: bool,
    },
    Split {
        one: usize,
        other: usize,
    },
    Join {
        one: usize,
        other: usize,
    },
    /// All servers take the next password only, and end what came with the last.
    Rotate,
}

impl Step {
    /// The client that it is about.
    pub(super) fn client(&self) -> Option<usize> {
        match self {
            Self::Publish { client, .. }
            | Self::Subscribe { client, .. }
            | Self::Serve { client }
            | Self::Unsubscribe { client, .. }
            | Self::DrainSubscription { client, .. }
            | Self::Request { client, .. }
            | Self::Flush { client }
            | Self::ForceReconnect { client }
            | Self::Leave { client }
            | Self::Reads { client, .. }
            | Self::Suspend { client, .. }
            | Self::ClockLeaps { client, .. }
            | Self::Learns { client }
            | Self::Freeze { client }
            | Self::CutNext { client, .. }
            | Self::Unreachable { client, .. }
            | Self::Reachable { client, .. }
            | Self::Narrow { client, .. } => Some(*client),
            _ => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(client) = self.client() {
            write!(f, "{} ", Plan::name(client))?;
        }
        match self {
            Self::Publish {
                topic, count, size, ..
            } => {
                write!(
                    f,
                    "publishes {count} to {} of {size} bytes or more",
                    TOPICS[*topic]
                )
            }
            Self::Subscribe { filter, queue, .. } => {
                let group = if *queue { " in a queue group" } else { "" };
                write!(f, "subscribes to {}{group}", FILTERS[*filter])
            }
            Self::Serve { .. } => f.write_str("answers requests"),
            Self::Unsubscribe { nth, .. } => write!(f, "unsubscribes no. {nth}"),
            Self::DrainSubscription { nth, .. } => write!(f, "drains subscription no. {nth}"),
            Self::Request { timeout, .. } => write!(f, "requests within {timeout:?}"),
            Self::Flush { .. } => f.write_str("flushes"),
            Self::ForceReconnect { .. } => f.write_str("forces a reconnect"),
            Self::Leave { .. } => f.write_str("drains"),
            Self::Reads { reads: false, .. } => f.write_str("stops reading"),
            Self::Reads { reads: true, .. } => f.write_str("reads again"),
            Self::Suspend { time, .. } => write!(f, "is suspended for {time:?}"),
            Self::ClockLeaps { time, .. } => write!(f, "has a clock that leaps by {time:?}"),
            Self::Learns { .. } => f.write_str("learns the next password"),
            Self::Freeze { .. } => f.write_str("has a link that is half-open from now on"),
            Self::CutNext { server, cut, .. } => {
                write!(f, "has its next link to n{} cut {cut:?}", server + 1)
            }
            Self::Unreachable { server, .. } => write!(f, "cannot reach n{} any more", server + 1),
            Self::Reachable { server, .. } => write!(f, "can reach n{} again", server + 1),
            Self::Narrow {
                server,
                latency,
                rate,
                room,
                ..
            } => write!(
                f,
                "has a route to n{} with latency {latency:?}, rate {rate:?}, room {room}",
                server + 1
            ),
            Self::Crash { server } => write!(f, "n{} crashes", server + 1),
            Self::Restart { server } => write!(f, "n{} is back", server + 1),
            Self::LameDuck { server, closes_after } => {
                write!(
                    f,
                    "n{} is a lame duck and closes links after {closes_after:?}",
                    server + 1
                )
            }
            Self::Upgrade { server } => write!(f, "n{} is back as another version", server + 1),
            Self::HangUp { server, says } => {
                let how = if *says { "with an error" } else { "without a word" };
                write!(f, "n{} ends its links {how}", server + 1)
            }
            Self::Split { one, other } => {
                write!(f, "n{} and n{} lose sight of each other", one + 1, other + 1)
            }
            Self::Join { one, other } => write!(f, "n{} and n{} find each other", one + 1, other + 1),
            Self::Rotate => f.write_str("all servers take the next password only"),
        }
    }
}
