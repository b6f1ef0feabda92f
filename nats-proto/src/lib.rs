//! The NATS client protocol as bytes and operations, for both roles, without I/O.
//!
//! It is for those who write a client, a server, a proxy or a tool that looks at the wire. Applications take a client:
//! `nats-conn-tokio`, or `nats-conn-std` where there is no runtime. The life of a connection, as a state machine over this
//! codec, is `nats-conn-sm`.
//!
//! A *client* reads [`ServerOp`]s with a [`Decoder`] and writes [`ClientOp`]s; a *server* reads [`ClientFrame`]s
//! with a [`ServerDecoder`] and writes [`ServerFrame`]s. Each variant has its grammar and an example: together they
//! are a reference of the protocol. What a client writes strictly a server reads a bit more leniently, and the other
//! way round: the two sides of an operation are documented apart.
//!
//! | from the server | | from the client | |
//! |---|---|---|---|
//! | `INFO` | [`ServerOp::Info`] | `CONNECT` | [`ClientOp::Connect`] |
//! | `MSG`, `HMSG` | [`ServerOp::Message`] | `PUB`, `HPUB` | [`ClientOp::Publish`] |
//! | `PING` | [`ServerOp::Ping`] | `PING` | [`ClientOp::Ping`] |
//! | `PONG` | [`ServerOp::Pong`] | `PONG` | [`ClientOp::Pong`] |
//! | `+OK` | [`ServerOp::Ok`] | `SUB` | [`ClientOp::Subscribe`] |
//! | `-ERR` | [`ServerOp::Err`] | `UNSUB` | [`ClientOp::Unsubscribe`] |
//!
//! The same from the side of the server: [`ServerFrame`] and [`ClientFrame`].
//!
//! ```
//! use bytes::BytesMut;
//! use nats_proto::{ClientOp, Connect, Decoder, ServerOp, Sid, SubjectFilter};
//!
//! // What came from a server, in whatever pieces.
//! let mut received = BytesMut::from("INFO {\"headers\":true} \r\nPONG\r\nMSG orders.eu 1 5\r\nhello\r\n");
//! let mut decoder = Decoder::default();
//! let mut to_send = Vec::new();
//! while let Some(operation) = decoder.decode(&mut received)? {
//!     match operation {
//!         ServerOp::Info(info) => {
//!             let mut connect = Connect::default();
//!             connect.headers = info.headers;
//!             ClientOp::Connect(&connect).encode(&mut to_send)?;
//!             ClientOp::Ping.encode(&mut to_send)?;
//!         }
//!         ServerOp::Pong => {
//!             let filter = SubjectFilter::from_static("orders.*");
//!             ClientOp::Subscribe { sid: Sid::new(1), filter: &filter, queue: None }.encode(&mut to_send)?;
//!         }
//!         ServerOp::Message(message) => assert_eq!(message.payload(), b"hello"),
//!         other => println!("{other:?}"),
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The protocol in short
//! A connection is two streams of operations. Each operation begins with a control line of fields between blanks;
//! some are followed by as many bytes as the line announces, and by CRLF. There is no other framing, so a reader that
//! loses count has lost the connection.
//!
//! ```text
//! server  INFO {"server_id":"…","max_payload":1048576,"headers":true,"nonce":"…",…} CRLF
//! client  CONNECT {"verbose":false,"headers":true,"protocol":1,…} CRLF PING CRLF
//! server  PONG CRLF                                   or  -ERR 'Authorization Violation' CRLF, and the end
//! client  SUB orders.* 1 CRLF PUB orders.eu 5 CRLF hello CRLF
//! server  MSG orders.eu 1 5 CRLF hello CRLF
//! client  UNSUB 1 CRLF
//! ```
//!
//! * *Handshake*: the server speaks first, with INFO. The client upgrades to TLS if INFO or its own URL wants it,
//!   answers with CONNECT, and knows that it was accepted by the PONG to the PING after it. Fields: [`ServerInfo`]
//!   and [`Connect`].
//! * *Lines*: clients write one blank between fields and CRLF at the end. Readers take operations in any case, runs
//!   of blanks and tabs, and a bare LF; only after a payload it must be CRLF.
//! * *Sizes* are decimal and count bytes, of headers and payload together where there are headers. A client sends no
//!   more than `max_payload` of INFO, and no control line with more than [`MAX_CONTROL_LINE`] bytes after its word.
//! * *Subjects* are tokens between dots ([`Subject`]); subscriptions may use `*` for one token and `>` for the rest
//!   ([`SubjectFilter`]), and share messages in a [`QueueGroup`].
//! * *Headers* are a block before the payload ([`Headers`]), with an optional [`StatusCode`] in its first line.
//! * *Order*: what one side writes is processed in that order. A PONG therefore also says that everything before its
//!   PING has been processed.
//! * *Errors*: `-ERR` ([`ServerError`]) says what was refused, and mostly is the last thing before the server closes.
//!
//! A [`ServerUrl`] says where a server is. [`TransmitBuf`] holds what is on its way out and knows where each operation
//! ends, so that one that was written in part can be distinguished from a whole one.
//!
//! # What holds
//! * Any bytes give operations or an error, never a panic; the same ones however they were split.
//! * Nothing is allocated ahead of what arrived; a message is a piece of the caller's buffer, not a copy.
//! * Whatever a publisher can put into a message, it is delivered: see [`Message`].
//! * Whatever is written is read back as exactly that one operation: subjects, queue groups, header names and
//!   values are checked when they are made, and there is no way around it.
//! * Secrets print as `[redacted]`.
//!
//! # Features
//! * `std` (off by default): `Buf::chunks_vectored` of [`TransmitBuf`]. Without it the crate is `no_std` with
//!   `alloc`.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::panic
    )
)]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod client_frame;
mod client_op;
mod connect;
mod control_line;
mod debug_line;
mod decimals;
mod decoder;
mod encode_error;
mod excerpt;
#[doc(hidden)]
pub mod fuzzing;
pub mod header;
mod header_fields;
mod headers;
mod into_subject;
mod invalid_subject;
mod limits;
mod message;
mod message_line;
mod message_subject;
mod not_utf8;
mod one_line;
mod publish_frame;
mod secret;
mod server_decoder;
mod server_error;
mod server_frame;
mod server_info;
mod server_op;
mod server_url;
mod sid;
mod snippet;
mod status_code;
mod subject;
mod subject_filter;
mod subject_ref;
mod text;
mod transmit_buf;
mod wire_sink;

pub use client_frame::ClientFrame;
pub use client_op::ClientOp;
pub use connect::{Connect, ConnectError};
pub use decoder::{DecodeError, Decoder};
pub use encode_error::{EncodeError, MAX_CONTROL_LINE, MAX_MESSAGE};
pub use excerpt::Excerpt;
pub use header_fields::{HeaderError, HeaderName, HeaderValue};
pub use headers::Headers;
pub use into_subject::IntoSubject;
pub use invalid_subject::{InvalidSubject, SubjectError};
pub use limits::Limits;
pub use message::Message;
pub use message_subject::MessageSubject;
pub use not_utf8::NotUtf8;
pub use one_line::OneLine;
pub use publish_frame::{PublishFrame, Reply};
pub use secret::Secret;
pub use server_decoder::{ServerDecodeError, ServerDecoder, ServerLimits};
pub use server_error::{PermissionOperation, PermissionViolation, ServerError, ServerErrorKind};
pub use server_frame::ServerFrame;
pub use server_info::{InfoError, ServerInfo};
pub use server_op::ServerOp;
pub use server_url::{Scheme, ServerUrl, UrlError, UserInfo};
pub use sid::Sid;
pub use snippet::Snippet;
pub use status_code::StatusCode;
pub use subject::Subject;
pub use subject_filter::{QueueGroup, SubjectFilter};
pub use subject_ref::{CowSubject, SubjectRef};
pub use transmit_buf::{Frame, TransmitBuf};
pub use wire_sink::{Payload, SHARED_MIN, WireSink};

/// The example of the read-me file, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
