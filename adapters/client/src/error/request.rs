//! Why a request has no reply.

use nats_conn_sm as machine;
use nats_proto::{Excerpt, InvalidSubject};
use thiserror::Error;

use crate::error::publish::PublishError;

/// Why a request has no reply. [`written`](Self::written) says whether somebody may have seen it, and so whether asking
/// again is asking twice.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Nobody listens on the subject.
    #[error("no responders: nobody is subscribed to {subject}, start what answers there")]
    NoResponders {
        /// The subject.
        subject: Excerpt,
    },
    /// No reply in time.
    #[error("the request to {subject} timed out{}", no_reply(*.written))]
    TimedOut {
        /// The subject.
        subject: Excerpt,
        /// Whether the request may have been written to a server: not if it still waited here, for a link or for room,
        /// and was taken back.
        written: bool,
    },
    /// The link was lost.
    #[error("disconnected {} the request to {subject} was written{}", when(*.written), again(*.written))]
    Disconnected {
        /// The subject.
        subject: Excerpt,
        /// Whether the request had been written to a server: then it may have been answered.
        written: bool,
    },
    /// The connection is closed, or was before the reply came.
    #[error("the connection is closed: make another one")]
    Closed {
        /// Whether the request may have been written to a server before.
        written: bool,
    },
    /// The server refused the request or the subscription to its reply.
    #[error(
        "refused by the permissions of the server: allow this user {subject}, and the inbox of its replies"
    )]
    Refused {
        /// The subject.
        subject: Excerpt,
    },
    /// The request was dropped before it was sent; see
    /// [`PublishDropped`](nats_conn_sm::ConnectionEvent::PublishDropped).
    #[error("the request to {subject} was dropped before it was sent: the event `PublishDropped` says why")]
    Dropped {
        /// The subject.
        subject: Excerpt,
    },
    /// The connection is draining.
    #[error("the connection is draining: nothing new is taken, make another one")]
    Draining,
    /// As many requests as can have different ids wait for their replies: 2^24.
    #[error("too many requests wait for their replies: wait for some, or give them a shorter timeout")]
    TooMany,
    /// The subject is none that can be published to.
    #[error(transparent)]
    Subject(#[from] InvalidSubject),
    /// The send buffer is full, and this request does not wait for room.
    #[error("the send buffer is full ({limit} bytes): wait for room, or raise `send_buffer`")]
    BufferFull {
        /// The limit.
        limit: usize,
    },
    /// There is no link, and nothing is taken during an outage (`when_full = Off`).
    #[error(
        "not connected, and nothing is taken during an outage: wait for `Reconnected`, or use when_full = Error"
    )]
    NotConnected,
    /// Headers and payload together are larger than the server takes.
    #[error(
        "headers and payload for {subject} are {size} bytes, the server takes {max_payload}: \
         send it in parts, or raise max_payload there"
    )]
    TooLarge {
        /// The subject.
        subject: Excerpt,
        /// Headers and payload.
        size: usize,
        /// The server's limit.
        max_payload: u64,
    },
    /// The server does not support headers.
    #[error("the server does not support headers: ask without, or use a server of version 2.2 or newer")]
    HeadersUnsupported,
    /// Subject and inbox are longer than a server takes.
    #[error(
        "the control line for {subject} would be {size} bytes long, a server takes {max}: shorten the subject"
    )]
    ControlLineTooLong {
        /// The subject.
        subject: Excerpt,
        /// The length of the line.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// The machine gave a reason that is newer than this crate.
    #[error("refused for a reason that this version has no name for: {code}")]
    Other {
        /// The stable name of the reason.
        code: &'static str,
    },
}

super::debug_as_display!(RequestError);

/// What follows on "timed out".
const fn no_reply(written: bool) -> &'static str {
    if written {
        ": no reply came, give it more time if the answer takes long"
    } else {
        " before it was written: there is no link, or the server does not read"
    }
}

/// When the link was lost.
const fn when(written: bool) -> &'static str {
    if written { "after" } else { "before" }
}

/// What to do then.
const fn again(written: bool) -> &'static str {
    if written {
        ", it may have been processed: ask again if it may be so twice"
    } else {
        ": ask again"
    }
}

// A request is a publish that has a reply: what kept it from being published is what it failed with.
impl From<PublishError> for RequestError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Subject(error) => Self::Subject(error),
            PublishError::Closed => Self::Closed { written: false },
            PublishError::Draining => Self::Draining,
            PublishError::BufferFull { limit } => Self::BufferFull { limit },
            PublishError::TimedOut { subject, .. } => Self::TimedOut {
                subject,
                written: false,
            },
            PublishError::NotConnected => Self::NotConnected,
            PublishError::TooLarge {
                subject,
                size,
                max_payload,
            } => Self::TooLarge {
                subject,
                size,
                max_payload,
            },
            PublishError::HeadersUnsupported => Self::HeadersUnsupported,
            PublishError::ControlLineTooLong { subject, size, max } => {
                Self::ControlLineTooLong { subject, size, max }
            }
            PublishError::Other { code } => Self::Other { code },
        }
    }
}

impl RequestError {
    /// The machine did not make a request to this subject.
    pub(crate) fn not_sent(error: machine::RequestStartError, subject: Excerpt) -> Self {
        match error {
            machine::RequestStartError::Draining => Self::Draining,
            machine::RequestStartError::TooMany => Self::TooMany,
            machine::RequestStartError::Publish(error) => PublishError::refused(error, subject).into(),
            newer => Self::Other { code: newer.code() },
        }
    }

    /// A request to this subject was made, and failed.
    pub(crate) fn failed(error: machine::RequestError, subject: Excerpt) -> Self {
        match error {
            machine::RequestError::NoResponders => Self::NoResponders { subject },
            machine::RequestError::TimedOut { written } => Self::TimedOut { subject, written },
            machine::RequestError::Disconnected { written } => Self::Disconnected { subject, written },
            machine::RequestError::Closed => Self::Closed { written: true },
            machine::RequestError::Refused => Self::Refused { subject },
            machine::RequestError::Dropped => Self::Dropped { subject },
            newer => Self::Other { code: newer.code() },
        }
    }

    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoResponders { .. } => "no_responders",
            Self::TimedOut { .. } => "timed_out",
            Self::Disconnected { .. } => "disconnected",
            Self::Closed { .. } => "closed",
            Self::Refused { .. } => "refused",
            Self::Dropped { .. } => "dropped",
            Self::Draining => "draining",
            Self::TooMany => "too_many_requests",
            Self::Subject(error) => error.code(),
            Self::BufferFull { .. } => "buffer_full",
            Self::NotConnected => "not_connected",
            Self::TooLarge { .. } => "too_large",
            Self::HeadersUnsupported => "headers_unsupported",
            Self::ControlLineTooLong { .. } => "control_line_too_long",
            Self::Other { code } => code,
        }
    }

    /// Whether the request may have been written to a server: if not, nobody has seen it, and asking again is asking
    /// once. [`Refused`](Self::Refused) may be about the request or about the inbox of its reply.
    pub const fn written(&self) -> bool {
        match self {
            Self::TimedOut { written, .. }
            | Self::Disconnected { written, .. }
            | Self::Closed { written } => *written,
            Self::NoResponders { .. } | Self::Refused { .. } | Self::Other { .. } => true,
            Self::Dropped { .. }
            | Self::Draining
            | Self::TooMany
            | Self::Subject(_)
            | Self::BufferFull { .. }
            | Self::NotConnected
            | Self::TooLarge { .. }
            | Self::HeadersUnsupported
            | Self::ControlLineTooLong { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_was_never_written_is_told_apart_from_one_that_somebody_may_have_seen() {
        let subject = Excerpt::new("a");
        for written in [true, false] {
            for error in [
                RequestError::TimedOut { subject, written },
                RequestError::Disconnected { subject, written },
                RequestError::Closed { written },
            ] {
                assert_eq!(error.written(), written, "{error}");
            }
        }
        let (seen, unseen) = (
            RequestError::Refused { subject },
            RequestError::Dropped { subject },
        );
        assert!(seen.written() && RequestError::NoResponders { subject }.written());
        assert!(!unseen.written() && !RequestError::BufferFull { limit: 1 }.written());
    }
}
