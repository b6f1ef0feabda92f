//! What a client sent: the operations that a server reads.

use alloc::boxed::Box;

use bytes::Bytes;

use crate::connect::Connect;
use crate::server_info::ServerInfo;

/// An operation that a client sent, as the [`ServerDecoder`](crate::ServerDecoder) reads it. Subjects and sids are as they came: a
/// server checks only what it needs.
///
/// In the grammars below `SP` is one or more blanks or tabs, trailing ones are ignored, and `CRLF` may be a bare
/// LF, but for the one after a payload; operations are written in any case (`parser.go`). What clients should write
/// is in [`ClientOp`](crate::ClientOp).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientFrame {
    /// Who the client is. Missing fields are what the server assumes: see [`Connect::parse`].
    ///
    /// ```text
    /// CONNECT [SP] json CRLF
    /// ```
    /// ```
    /// # use nats_proto::{ClientFrame, ServerDecoder};
    /// let mut wire = bytes::BytesMut::from("CONNECT {\"verbose\":false,\"lang\":\"go\"}\r\n");
    /// let Ok(Some(ClientFrame::Connect(connect))) = ServerDecoder::default().decode(&mut wire) else { panic!() };
    /// assert_eq!((connect.verbose, connect.pedantic, &connect.lang[..]), (false, true, "go"));
    /// ```
    Connect(Box<Connect>),

    /// Asks for a PONG. Anything after the word is ignored.
    ///
    /// ```text
    /// PING CRLF
    /// ```
    /// ```
    /// # use nats_proto::{ClientFrame, ServerDecoder};
    /// let mut wire = bytes::BytesMut::from("PING\r\n");
    /// assert_eq!(ServerDecoder::default().decode(&mut wire), Ok(Some(ClientFrame::Ping)));
    /// ```
    Ping,

    /// Answers the oldest PING of the server. Anything after the word is ignored.
    ///
    /// ```text
    /// PONG CRLF
    /// ```
    /// ```
    /// # use nats_proto::{ClientFrame, ServerDecoder};
    /// let mut wire = bytes::BytesMut::from("pong\n");
    /// assert_eq!(ServerDecoder::default().decode(&mut wire), Ok(Some(ClientFrame::Pong)));
    /// ```
    Pong,

    /// A message, without or with headers. Sizes have nine digits at most; `#total` includes the headers.
    ///
    /// ```text
    /// PUB SP subject [SP reply] SP #payload CRLF payload CRLF
    /// HPUB SP subject [SP reply] SP #headers SP #total CRLF headers payload CRLF
    /// ```
    /// ```
    /// # use nats_proto::{ClientFrame, ServerDecoder};
    /// let mut wire = bytes::BytesMut::from("HPUB a.b answers 12 14\r\nNATS/1.0\r\n\r\nhi\r\n");
    /// let frame = ServerDecoder::default().decode(&mut wire).unwrap();
    /// let Some(ClientFrame::Publish { subject, reply, headers, payload }) = frame else { panic!() };
    /// assert_eq!((&subject[..], &payload[..]), (&b"a.b"[..], &b"hi"[..]));
    /// assert_eq!(reply.as_deref(), Some(&b"answers"[..]));
    /// assert_eq!(headers.as_deref(), Some(&b"NATS/1.0\r\n\r\n"[..]));
    /// ```
    Publish {
        /// Where it goes.
        subject: Bytes,
        /// Where an answer is to go.
        reply: Option<Bytes>,
        /// The header block as it came.
        headers: Option<Bytes>,
        /// The payload.
        payload: Bytes,
    },

    /// Asks for messages. The sid is any text without blanks; a second SUB with one that is taken is ignored.
    ///
    /// ```text
    /// SUB SP subject [SP queue] SP sid CRLF
    /// ```
    /// ```
    /// # use nats_proto::{ClientFrame, ServerDecoder};
    /// let mut wire = bytes::BytesMut::from("SUB a.* workers 7\r\n");
    /// let frame = ServerDecoder::default().decode(&mut wire).unwrap();
    /// let Some(ClientFrame::Subscribe { sid, subject, queue }) = frame else { panic!() };
    /// assert_eq!((&sid[..], &subject[..]), (&b"7"[..], &b"a.*"[..]));
    /// assert_eq!(queue.as_deref(), Some(&b"workers"[..]));
    /// ```
    Subscribe {
        /// The name of the subscription; any bytes without blanks.
        sid: Bytes,
        /// What is asked for.
        subject: Bytes,
        /// The group that shares the messages.
        queue: Option<Bytes>,
    },

    /// Asks for no more messages, at once or after so many since the SUB.
    ///
    /// ```text
    /// UNSUB SP sid [SP max] CRLF
    /// ```
    /// ```
    /// # use nats_proto::{ClientFrame, ServerDecoder};
    /// let mut wire = bytes::BytesMut::from("UNSUB 7 10\r\n");
    /// let frame = ServerDecoder::default().decode(&mut wire).unwrap();
    /// let Some(ClientFrame::Unsubscribe { sid, max }) = frame else { panic!() };
    /// assert_eq!((&sid[..], max), (&b"7"[..], Some(10)));
    /// ```
    Unsubscribe {
        /// The name of the subscription.
        sid: Bytes,
        /// After how many messages; what is no positive number means at once, so it is none.
        max: Option<u64>,
    },

    /// `+OK`, which a server ignores. Anything after the word is ignored, too.
    ///
    /// ```text
    /// +OK CRLF
    /// ```
    /// ```
    /// # use nats_proto::{ClientFrame, ServerDecoder};
    /// let mut wire = bytes::BytesMut::from("+OK\r\n");
    /// assert_eq!(ServerDecoder::default().decode(&mut wire), Ok(Some(ClientFrame::Ok)));
    /// ```
    Ok,

    /// `INFO` with valid JSON, which a server ignores.
    ///
    /// ```text
    /// INFO SP json CRLF
    /// ```
    /// ```
    /// # use nats_proto::{ClientFrame, ServerDecoder};
    /// let mut wire = bytes::BytesMut::from("INFO {}\r\n");
    /// assert!(matches!(ServerDecoder::default().decode(&mut wire), Ok(Some(ClientFrame::Info(_)))));
    /// ```
    Info(Box<ServerInfo>),
}
