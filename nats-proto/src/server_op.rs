//! What a server sends: the operations that a client reads.

use alloc::boxed::Box;

use crate::message::Message;
use crate::server_error::ServerError;
use crate::server_info::ServerInfo;

/// An operation that a server sent, as the [`Decoder`](crate::Decoder) reads it.
///
/// In the grammars below `SP` is one or more blanks or tabs and `CRLF` may be a bare LF, but for the one after
/// a payload; operations are written in any case (`parser.go` and all clients of the Go family).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerOp {
    /// What the server is and wants: the first thing it says, and again whenever that changes.
    ///
    /// ```text
    /// INFO SP json [SP] CRLF
    /// ```
    /// ```
    /// # use nats_proto::{Decoder, ServerOp};
    /// let mut wire = bytes::BytesMut::from("INFO {\"max_payload\":1048576} \r\n");
    /// let Ok(Some(ServerOp::Info(info))) = Decoder::default().decode(&mut wire) else { panic!() };
    /// assert_eq!(info.max_payload, Some(1_048_576));
    /// ```
    Info(Box<ServerInfo>),

    /// A message, without or with headers. The sizes count bytes; `#total` includes the headers.
    ///
    /// ```text
    /// MSG SP subject SP sid [SP reply] SP #payload CRLF payload CRLF
    /// HMSG SP subject SP sid [SP reply] SP #headers SP #total CRLF headers payload CRLF
    /// ```
    /// ```
    /// # use nats_proto::{Decoder, ServerOp};
    /// let mut wire = bytes::BytesMut::from("MSG orders.eu 1 reply.here 5\r\nhello\r\n");
    /// let Ok(Some(ServerOp::Message(message))) = Decoder::default().decode(&mut wire) else { panic!() };
    /// assert_eq!((&*message.subject(), message.payload()), ("orders.eu", &b"hello"[..]));
    /// assert_eq!(message.reply_bytes(), Some(&b"reply.here"[..]));
    /// ```
    Message(Message),

    /// Asks for a PONG. Anything after the word is ignored.
    ///
    /// ```text
    /// PING CRLF
    /// ```
    /// ```
    /// # use nats_proto::{Decoder, ServerOp};
    /// let mut wire = bytes::BytesMut::from("ping\n");
    /// assert_eq!(Decoder::default().decode(&mut wire), Ok(Some(ServerOp::Ping)));
    /// ```
    Ping,

    /// Answers the oldest PING that is not answered yet, and so everything before it. Anything after the word
    /// is ignored.
    ///
    /// ```text
    /// PONG CRLF
    /// ```
    /// ```
    /// # use nats_proto::{Decoder, ServerOp};
    /// let mut wire = bytes::BytesMut::from("PONG\r\n");
    /// assert_eq!(Decoder::default().decode(&mut wire), Ok(Some(ServerOp::Pong)));
    /// ```
    Pong,

    /// Confirms an operation, where CONNECT asked for `verbose`. Anything after the word is ignored.
    ///
    /// ```text
    /// +OK CRLF
    /// ```
    /// ```
    /// # use nats_proto::{Decoder, ServerOp};
    /// let mut wire = bytes::BytesMut::from("+OK\r\n");
    /// assert_eq!(Decoder::default().decode(&mut wire), Ok(Some(ServerOp::Ok)));
    /// ```
    Ok,

    /// Something was refused. After many of these the server closes the connection: see [`ServerError::closes`].
    ///
    /// ```text
    /// -ERR [SP] ["'"] text ["'"] CRLF
    /// ```
    /// ```
    /// # use nats_proto::{Decoder, ServerOp};
    /// let mut wire = bytes::BytesMut::from("-ERR 'Authorization Violation'\r\n");
    /// let Ok(Some(ServerOp::Err(error))) = Decoder::default().decode(&mut wire) else { panic!() };
    /// assert!(error.closes() && error.is_authentication());
    /// ```
    Err(ServerError),
}
