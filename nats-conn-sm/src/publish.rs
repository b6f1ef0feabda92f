//! What is to be published, and what is asked of several repliers.

use core::time::Duration;

use nats_proto::{Headers, Payload, SubjectRef};

/// A message to publish.
///
/// ```
/// use nats_conn_sm::Publish;
/// use nats_proto::{Subject, SubjectRef};
///
/// const ORDERS: Subject = Subject::from_static("orders.eu");
/// let publish = Publish::new(&ORDERS, "42");
/// let publish = Publish::new(SubjectRef::new("orders.eu")?, "42");
/// # Ok::<(), nats_proto::InvalidSubject>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Publish<'a> {
    /// Where to.
    pub subject: SubjectRef<'a>,
    /// Where replies go to. Default: nowhere.
    pub reply: Option<SubjectRef<'a>>,
    /// Headers. Default: none. An empty block counts as none.
    pub headers: Option<&'a Headers>,
    /// Its payload. Shared payloads of 4 KiB or more are not copied.
    pub payload: Payload<'a>,
}

impl<'a> Publish<'a> {
    /// A message without headers or reply subject.
    #[inline]
    pub fn new(subject: impl Into<SubjectRef<'a>>, payload: impl Into<Payload<'a>>) -> Self {
        Self {
            subject: subject.into(),
            reply: None,
            headers: None,
            payload: payload.into(),
        }
    }

    /// The same with a reply subject.
    #[inline]
    pub fn reply_to(mut self, reply: impl Into<SubjectRef<'a>>) -> Self {
        self.reply = Some(reply.into());
        self
    }

    /// The same with headers.
    pub fn with_headers(mut self, headers: &'a Headers) -> Self {
        self.headers = Some(headers);
        self
    }
}

/// When a request for several replies is done (ADR-47). Whatever comes first ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestMany {
    /// The deadline over all of it.
    pub timeout: Duration,
    /// After so many replies. Default: no limit.
    pub max: Option<u32>,
    /// When no further reply came for so long after one. Default: no such limit.
    pub stall: Option<Duration>,
    /// At a reply with an empty payload. Default: `false`.
    pub sentinel: bool,
}

impl RequestMany {
    /// All replies until a deadline.
    pub const fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            max: None,
            stall: None,
            sentinel: false,
        }
    }

    /// The same, done after so many replies: 0 is as 1.
    pub const fn max(mut self, replies: u32) -> Self {
        self.max = Some(replies);
        self
    }

    /// The same, done when no further reply came for so long.
    pub const fn stall(mut self, stall: Duration) -> Self {
        self.stall = Some(stall);
        self
    }

    /// The same, done at a reply with an empty payload.
    pub const fn sentinel(mut self) -> Self {
        self.sentinel = true;
        self
    }
}
