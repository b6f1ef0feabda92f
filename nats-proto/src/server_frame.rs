//! What a server sends, and how it is written.

use crate::decimals::{put_last_size, put_size};
use crate::encode_error::{EncodeError, MAX_MESSAGE};
use crate::server_info::ServerInfo;
use crate::wire_sink::WireSink;

/// An operation of a server, to be written with [`encode`](Self::encode): for test servers and proxies.
///
/// Subjects and sids are what clients sent, so they are raw bytes here; [`ServerOp`](crate::ServerOp) has the
/// grammar. What would not be read as exactly this operation is refused.
///
/// ```
/// use nats_proto::ServerFrame;
///
/// let mut out = Vec::new();
/// ServerFrame::Message { subject: b"a", sid: b"1", reply: None, headers: None, payload: b"hi" }.encode(&mut out)?;
/// ServerFrame::Err("Stale Connection").encode(&mut out)?;
/// assert_eq!(out, b"MSG a 1 2\r\nhi\r\n-ERR 'Stale Connection'\r\n");
/// # Ok::<(), nats_proto::EncodeError>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ServerFrame<'a> {
    /// What the server is and wants, with the blank before the line end that real servers write (`util.go`).
    ///
    /// ```text
    /// INFO SP json SP CRLF
    /// ```
    /// ```
    /// # use nats_proto::{ServerFrame, ServerInfo};
    /// let mut info = ServerInfo::default();
    /// info.max_payload = Some(1024);
    /// let mut out = Vec::new();
    /// ServerFrame::Info(&info).encode(&mut out)?;
    /// assert_eq!(out, b"INFO {\"max_payload\":1024} \r\n");
    /// # Ok::<(), nats_proto::EncodeError>(())
    /// ```
    Info(&'a ServerInfo),

    /// A message, as `MSG`, or `HMSG` if there are headers.
    ///
    /// ```text
    /// MSG SP subject SP sid [SP reply] SP #payload CRLF payload CRLF
    /// HMSG SP subject SP sid [SP reply] SP #headers SP #total CRLF headers payload CRLF
    /// ```
    /// ```
    /// # use nats_proto::ServerFrame;
    /// let mut out = Vec::new();
    /// ServerFrame::Message {
    ///     subject: b"a.b",
    ///     sid: b"1",
    ///     reply: Some(b"answers"),
    ///     headers: Some(b"NATS/1.0\r\n\r\n"),
    ///     payload: b"hi",
    /// }.encode(&mut out)?;
    /// assert_eq!(out, b"HMSG a.b 1 answers 12 14\r\nNATS/1.0\r\n\r\nhi\r\n");
    /// # Ok::<(), nats_proto::EncodeError>(())
    /// ```
    Message {
        /// The subject: not empty, without blanks and line ends.
        subject: &'a [u8],
        /// The subscription, as the client named it: not empty, without blanks and line ends.
        sid: &'a [u8],
        /// The reply subject: not empty, without blanks and line ends.
        reply: Option<&'a [u8]>,
        /// The header block, with its blank line; nothing checks it. An empty one counts as none.
        headers: Option<&'a [u8]>,
        /// The payload.
        payload: &'a [u8],
    },

    /// Wants a PONG.
    ///
    /// ```text
    /// PING CRLF
    /// ```
    /// ```
    /// # use nats_proto::ServerFrame;
    /// let mut out = Vec::new();
    /// ServerFrame::Ping.encode(&mut out)?;
    /// assert_eq!(out, b"PING\r\n");
    /// # Ok::<(), nats_proto::EncodeError>(())
    /// ```
    Ping,

    /// Answers a PING, and so everything before it.
    ///
    /// ```text
    /// PONG CRLF
    /// ```
    /// ```
    /// # use nats_proto::ServerFrame;
    /// let mut out = Vec::new();
    /// ServerFrame::Pong.encode(&mut out)?;
    /// assert_eq!(out, b"PONG\r\n");
    /// # Ok::<(), nats_proto::EncodeError>(())
    /// ```
    Pong,

    /// Confirms an operation of a client that asked for `verbose`.
    ///
    /// ```text
    /// +OK CRLF
    /// ```
    /// ```
    /// # use nats_proto::ServerFrame;
    /// let mut out = Vec::new();
    /// ServerFrame::Ok.encode(&mut out)?;
    /// assert_eq!(out, b"+OK\r\n");
    /// # Ok::<(), nats_proto::EncodeError>(())
    /// ```
    Ok,

    /// Refuses something, with this text: without line ends.
    ///
    /// ```text
    /// -ERR SP "'" text "'" CRLF
    /// ```
    /// ```
    /// # use nats_proto::ServerFrame;
    /// let mut out = Vec::new();
    /// ServerFrame::Err("Stale Connection").encode(&mut out)?;
    /// assert_eq!(out, b"-ERR 'Stale Connection'\r\n");
    /// # Ok::<(), nats_proto::EncodeError>(())
    /// ```
    Err(&'a str),
}

impl ServerFrame<'_> {
    /// Writes the operation.
    ///
    /// # Errors
    /// [`EncodeError::Field`] if a raw field is empty or has a blank or a line end,
    /// [`EncodeError::MessageTooLarge`] for what cannot be announced. Nothing is written then.
    pub fn encode(self, out: &mut impl WireSink) -> Result<(), EncodeError> {
        match self {
            Self::Info(info) => {
                out.put_slice(b"INFO ");
                out.put_slice(info.to_json().as_bytes());
                out.put_slice(b" \r\n");
            }
            Self::Message {
                subject,
                sid,
                reply,
                headers,
                payload,
            } => {
                check_field("subject", subject)?;
                check_field("sid", sid)?;
                check_field("reply subject", reply.unwrap_or(b"-"))?;
                let headers = headers.filter(|block| !block.is_empty());
                put_message(subject, sid, reply, headers, payload, out)?;
            }
            Self::Ping => out.put_slice(b"PING\r\n"),
            Self::Pong => out.put_slice(b"PONG\r\n"),
            Self::Ok => out.put_slice(b"+OK\r\n"),
            Self::Err(text) => {
                if text.contains(['\r', '\n']) {
                    return Err(EncodeError::Field { field: "error text" });
                }
                out.put_slice(b"-ERR '");
                out.put_slice(text.as_bytes());
                out.put_slice(b"'\r\n");
            }
        }
        Ok(())
    }
}

fn put_message(
    subject: &[u8],
    sid: &[u8],
    reply: Option<&[u8]>,
    headers: Option<&[u8]>,
    payload: &[u8],
    out: &mut impl WireSink,
) -> Result<(), EncodeError> {
    let headers_len = headers.map_or(0, <[u8]>::len);
    let total_len = headers_len.saturating_add(payload.len());
    if total_len > MAX_MESSAGE {
        return Err(EncodeError::MessageTooLarge { len: total_len });
    }
    out.put_slice(if headers.is_some() { b"HMSG " } else { b"MSG " });
    out.put_slice(subject);
    out.put_slice(b" ");
    out.put_slice(sid);
    if let Some(reply) = reply {
        out.put_slice(b" ");
        out.put_slice(reply);
    }
    if headers.is_some() {
        put_size(headers_len, out);
    }
    put_last_size(total_len, out);
    out.put_slice(headers.unwrap_or_default());
    out.put_slice(payload);
    out.put_slice(b"\r\n");
    Ok(())
}

fn check_field(field: &'static str, bytes: &[u8]) -> Result<(), EncodeError> {
    let ends_it = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    if bytes.is_empty() || bytes.iter().any(ends_it) {
        Err(EncodeError::Field { field })
    } else {
        Ok(())
    }
}
