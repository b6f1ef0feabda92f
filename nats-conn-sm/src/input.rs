//! The inputs of the machine as data: what a recording keeps and a replay feeds.

use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use nats_proto::{QueueGroup, ServerUrl, Sid, Subject, SubjectFilter};

use crate::action::Credentials;
use crate::error::{AuthError, LinkEnd};
use crate::ids::{AttemptId, LinkId, RequestId, ServerId};
use crate::publish::RequestMany;

/// One call of the machine. Secrets in it are fillers; payloads too, unless they were asked for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Input {
    /// [`handle_connected`](crate::Connection::handle_connected).
    Connected(LinkId),
    /// [`handle_tls`](crate::Connection::handle_tls), and whether no clear text was unparsed.
    Tls(LinkId, bool),
    /// [`handle_credentials`](crate::Connection::handle_credentials).
    Credentials(LinkId, Result<Credentials, AuthError>),
    /// [`handle_server_choice`](crate::Connection::handle_server_choice).
    ServerChoice(AttemptId, ServerId, Duration),
    /// [`handle_progress`](crate::Connection::handle_progress).
    Progress(LinkId, Progress),
    /// [`handle_link_closed`](crate::Connection::handle_link_closed).
    LinkClosed(LinkId, LinkEnd, Unsent),
    /// [`handle_timeout`](crate::Connection::handle_timeout), where a timer was due.
    Timeout,
    /// [`poll_event`](crate::Connection::poll_event), where something came of it or bytes had arrived.
    Event(Received),
    /// [`poll_action`](crate::Connection::poll_action), where there was one.
    Action,
    /// [`handle_written`](crate::Connection::handle_written), where it was the block that had been handed out.
    Written(Unsent),
    /// [`poll_transmit`](crate::Connection::poll_transmit), where something was handed out or waited to be polled.
    Transmit(Unsent),
    /// [`publish`](crate::Connection::publish).
    Publish(Outgoing),
    /// [`subscribe`](crate::Connection::subscribe).
    Subscribe(SubjectFilter, Option<QueueGroup>),
    /// [`unsubscribe`](crate::Connection::unsubscribe).
    Unsubscribe(Sid),
    /// [`unsubscribe_after`](crate::Connection::unsubscribe_after).
    UnsubscribeAfter(Sid, u64),
    /// [`drain_subscription`](crate::Connection::drain_subscription).
    DrainSubscription(Sid),
    /// [`request`](crate::Connection::request).
    Request(Outgoing, Duration),
    /// [`request_many`](crate::Connection::request_many).
    RequestMany(Outgoing, RequestMany),
    /// [`cancel_request`](crate::Connection::cancel_request).
    CancelRequest(RequestId),
    /// [`flush`](crate::Connection::flush).
    Flush,
    /// [`rtt`](crate::Connection::rtt).
    RoundTrip,
    /// [`drain`](crate::Connection::drain).
    Drain,
    /// [`finish_drain`](crate::Connection::finish_drain).
    FinishDrain(u64),
    /// [`close`](crate::Connection::close).
    Close,
    /// [`abort`](crate::Connection::abort).
    Abort,
    /// [`driver_failed`](crate::Connection::driver_failed).
    DriverFailed,
    /// [`force_reconnect`](crate::Connection::force_reconnect).
    ForceReconnect,
    /// [`set_servers`](crate::Connection::set_servers).
    SetServers(Vec<ServerUrl>),
    /// The recording ends here, though the connection went on: nobody took what was recorded, and it had
    /// reached [`RecordingOptions::limit`](crate::recording::RecordingOptions::limit).
    Stopped,
}

/// How far a driver has come with [`Action::Connect`](crate::Action::Connect).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// It resolves the name.
    Resolving,
    /// It knows the addresses and dials.
    Dialing,
}

/// What a [`SendBuf`](crate::SendBuf) looked like that was handed to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsent {
    /// Its link.
    pub link: LinkId,
    /// The bytes of its block.
    pub len: u64,
    /// How many of these the transport did not take.
    pub remaining: u64,
    /// Whether its driver cannot know that.
    pub uncertain: bool,
}

/// The bytes that a [`ReceiveBuf`](crate::ReceiveBuf) held which the machine had not seen before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// It was another buffer than the one before: its link, and how many of its bytes count as seen.
    pub buffer: Option<(LinkId, u64)>,
    /// The bytes.
    pub pieces: Vec<Piece>,
}

/// A piece of what was received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Piece {
    /// As it arrived, but for secrets.
    Bytes(Bytes),
    /// (A part of) a payload.
    Elided {
        /// How many bytes.
        len: u64,
        /// FNV-1a (64 bits) of the payload up to the end of this part.
        hash: u64,
    },
}

/// A message that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outgoing {
    /// Where to.
    pub subject: Subject,
    /// Where replies go to.
    pub reply: Option<Subject>,
    /// The header block.
    pub headers: Option<Bytes>,
    /// The payload.
    pub payload: Piece,
    /// The payload was shared rather than copied.
    pub shared: bool,
}

impl Piece {
    /// How many bytes it stands for.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Elided { len, .. } => *len,
        }
    }

    /// Whether it stands for no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_as_long_as_what_it_stands_for() {
        let elided = Piece::Elided { len: 3, hash: 0 };
        assert_eq!((elided.len(), elided.is_empty()), (3, false));
        let bytes = Piece::Bytes(Bytes::new());
        assert_eq!((bytes.len(), bytes.is_empty()), (0, true));
    }
}
