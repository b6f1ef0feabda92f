//! What a client sends, and how it is written.

use core::num::NonZeroU64;

use crate::connect::Connect;
use crate::decimals::{decimal_len, put_decimal};
use crate::encode_error::{EncodeError, MAX_CONTROL_LINE, check_line};
use crate::headers::Headers;
use crate::publish_frame::{PublishFrame, Reply};
use crate::sid::Sid;
use crate::subject_filter::{QueueGroup, SubjectFilter};
use crate::subject_ref::SubjectRef;
use crate::wire_sink::{Payload, WireSink};

/// An operation of a client, to be written with [`encode`](Self::encode).
///
/// What it is made of is checked already, so that every operation that is written is read as exactly that one.
/// In the grammars below `SP` is one blank.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientOp<'a> {
    /// Who we are: the first operation, in answer to INFO. See [`Connect`] for the fields.
    ///
    /// ```text
    /// CONNECT SP json CRLF
    /// ```
    /// ```
    /// # use nats_proto::{ClientOp, Connect};
    /// let mut out = Vec::new();
    /// ClientOp::Connect(&Connect::default()).encode(&mut out)?;
    /// assert!(out.starts_with(br#"CONNECT {"verbose":false,"#) && out.ends_with(b"}\r\n"));
    /// # Ok::<(), nats_proto::EncodeError>(())
    /// ```
    Connect(&'a Connect),

    /// Wants a PONG, which also says that all that was sent before has been processed.
    ///
    /// ```text
    /// PING CRLF
    /// ```
    /// ```
    /// # use nats_proto::ClientOp;
    /// let mut out = Vec::new();
    /// ClientOp::Ping.encode(&mut out)?;
    /// assert_eq!(out, b"PING\r\n");
    /// # Ok::<(), nats_proto::EncodeError>(())
    /// ```
    Ping,

    /// Answers a PING of the server.
    ///
    /// ```text
    /// PONG CRLF
    /// ```
    /// ```
    /// # use nats_proto::ClientOp;
    /// let mut out = Vec::new();
    /// ClientOp::Pong.encode(&mut out)?;
    /// assert_eq!(out, b"PONG\r\n");
    /// # Ok::<(), nats_proto::EncodeError>(())
    /// ```
    Pong,

    /// A message, without or with headers. The sizes count bytes; `#total` includes the headers and must not
    /// be above the server's `max_payload`.
    ///
    /// ```text
    /// PUB SP subject [SP reply] SP #payload CRLF payload CRLF
    /// HPUB SP subject [SP reply] SP #headers SP #total CRLF headers payload CRLF
    /// ```
    /// ```
    /// # use nats_proto::{ClientOp, Headers, Reply, SubjectRef};
    /// let (subject, reply) = (SubjectRef::new("orders.eu").unwrap(), SubjectRef::new("answers").unwrap());
    /// let mut headers = Headers::new();
    /// headers.append("a", "b").unwrap();
    /// let mut out = Vec::new();
    /// ClientOp::Publish { subject, reply: None, headers: None, payload: "hello".into() }
    ///     .encode(&mut out)?;
    /// let reply = Some(Reply::Subject(reply));
    /// ClientOp::Publish { subject, reply, headers: Some(&headers), payload: "hello".into() }
    ///     .encode(&mut out)?;
    /// assert_eq!(
    ///     out,
    ///     b"PUB orders.eu 5\r\nhello\r\nHPUB orders.eu answers 18 23\r\nNATS/1.0\r\na: b\r\n\r\nhello\r\n"
    /// );
    /// # Ok::<(), nats_proto::EncodeError>(())
    /// ```
    Publish {
        /// Where it goes.
        subject: SubjectRef<'a>,
        /// Where an answer is to go.
        reply: Option<Reply<'a>>,
        /// Its headers. Present but empty ones are written too.
        headers: Option<&'a Headers>,
        /// Its content.
        payload: Payload<'a>,
    },

    /// Asks for messages. A server refuses some without naming the `sid`: see
    /// [`PermissionViolation`](crate::PermissionViolation).
    ///
    /// ```text
    /// SUB SP subject [SP queue] SP sid CRLF
    /// ```
    /// ```
    /// # use nats_proto::{ClientOp, QueueGroup, Sid, SubjectFilter};
    /// let (filter, queue) = (SubjectFilter::from_static("orders.>"), QueueGroup::from_static("workers"));
    /// let mut out = Vec::new();
    /// ClientOp::Subscribe { sid: Sid::new(1), filter: &filter, queue: Some(&queue) }.encode(&mut out)?;
    /// assert_eq!(out, b"SUB orders.> workers 1\r\n");
    /// # Ok::<(), nats_proto::EncodeError>(())
    /// ```
    Subscribe {
        /// The number that will stand in every message of this subscription.
        sid: Sid,
        /// What is asked for.
        filter: &'a SubjectFilter,
        /// The group that shares the messages.
        queue: Option<&'a QueueGroup>,
    },

    /// Asks for no more messages, at once or after so many since the SUB.
    ///
    /// ```text
    /// UNSUB SP sid [SP max] CRLF
    /// ```
    /// ```
    /// # use nats_proto::{ClientOp, Sid};
    /// let mut out = Vec::new();
    /// ClientOp::Unsubscribe { sid: Sid::new(1), max: None }.encode(&mut out)?;
    /// ClientOp::Unsubscribe { sid: Sid::new(2), max: std::num::NonZeroU64::new(10) }.encode(&mut out)?;
    /// assert_eq!(out, b"UNSUB 1\r\nUNSUB 2 10\r\n");
    /// # Ok::<(), nats_proto::EncodeError>(())
    /// ```
    Unsubscribe {
        /// The subscription.
        sid: Sid,
        /// After how many messages, counted by the server from the SUB on this link. At once if there is none.
        max: Option<NonZeroU64>,
    },
}

impl ClientOp<'_> {
    /// Writes the operation.
    ///
    /// # Errors
    /// [`EncodeError`] if a server would close the connection; nothing is written then.
    #[inline]
    pub fn encode(self, out: &mut impl WireSink) -> Result<(), EncodeError> {
        self.encode_within(MAX_CONTROL_LINE, out)
    }

    /// As [`encode`](Self::encode), for a server whose `max_control_line` is not the default.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    #[inline]
    pub fn encode_within(self, max_control_line: usize, out: &mut impl WireSink) -> Result<(), EncodeError> {
        match self {
            Self::Publish {
                subject,
                reply,
                headers,
                payload,
            } => PublishFrame::new(subject, reply, headers, &payload).encode_within(max_control_line, out),
            Self::Ping => {
                out.put_slice(b"PING\r\n");
                Ok(())
            }
            Self::Pong => {
                out.put_slice(b"PONG\r\n");
                Ok(())
            }
            Self::Connect(connect) => put_connect(connect, max_control_line, out),
            Self::Subscribe { sid, filter, queue } => {
                put_subscribe(sid, filter, queue, max_control_line, out)
            }
            Self::Unsubscribe { sid, max } => put_unsubscribe(sid, max, max_control_line, out),
        }
    }

    /// How many bytes [`encode`](Self::encode) writes.
    pub fn encoded_len(&self) -> usize {
        match self {
            Self::Connect(connect) => connect.to_json().len().saturating_add(10),
            Self::Ping | Self::Pong => 6,
            Self::Publish {
                subject,
                reply,
                headers,
                payload,
            } => PublishFrame::new(*subject, *reply, *headers, payload).encoded_len(),
            Self::Subscribe { sid, filter, queue } => {
                subscribe_arguments(*sid, filter, *queue).saturating_add(6)
            }
            Self::Unsubscribe { sid, max } => unsubscribe_arguments(*sid, *max).saturating_add(8),
        }
    }
}

fn put_connect(
    connect: &Connect,
    max_control_line: usize,
    out: &mut impl WireSink,
) -> Result<(), EncodeError> {
    let json = connect.to_json();
    check_line(json.len(), max_control_line)?;
    out.reserve(json.len().saturating_add(10));
    out.put_slice(b"CONNECT ");
    out.put_slice(json.as_bytes());
    out.put_slice(b"\r\n");
    Ok(())
}

fn put_subscribe(
    sid: Sid,
    filter: &SubjectFilter,
    queue: Option<&QueueGroup>,
    max_control_line: usize,
    out: &mut impl WireSink,
) -> Result<(), EncodeError> {
    check_line(subscribe_arguments(sid, filter, queue), max_control_line)?;
    out.put_slice(b"SUB ");
    out.put_slice(filter.as_bytes());
    out.put_slice(b" ");
    if let Some(queue) = queue {
        out.put_slice(queue.as_bytes());
        out.put_slice(b" ");
    }
    put_decimal(sid.get(), out);
    out.put_slice(b"\r\n");
    Ok(())
}

fn put_unsubscribe(
    sid: Sid,
    max: Option<NonZeroU64>,
    max_control_line: usize,
    out: &mut impl WireSink,
) -> Result<(), EncodeError> {
    check_line(unsubscribe_arguments(sid, max), max_control_line)?;
    out.put_slice(b"UNSUB ");
    put_decimal(sid.get(), out);
    if let Some(max) = max {
        out.put_slice(b" ");
        put_decimal(max.get(), out);
    }
    out.put_slice(b"\r\n");
    Ok(())
}

fn subscribe_arguments(sid: Sid, filter: &SubjectFilter, queue: Option<&QueueGroup>) -> usize {
    let queue = queue.map_or(0, |queue| queue.as_bytes().len().saturating_add(1));
    filter
        .as_bytes()
        .len()
        .saturating_add(1)
        .saturating_add(queue)
        .saturating_add(decimal_len(sid.get()))
}

fn unsubscribe_arguments(sid: Sid, max: Option<NonZeroU64>) -> usize {
    let max = max.map_or(0, |max| decimal_len(max.get()).saturating_add(1));
    decimal_len(sid.get()).saturating_add(max)
}
