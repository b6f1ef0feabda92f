//! The NATS client protocol as bytes and operations, for both roles, without I/O.
//!
//! A *client* reads [`ServerOp`]s with a [`Decoder`] and writes [`ClientOp`]s; a *server* reads [`ClientFrame`]s
//! with a [`ServerDecoder`] and writes [`ServerFrame`]s. Each variant has its grammar and an example: together they
//! are a reference of the protocol.
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

mod client_op;
mod connect;
mod control_line;
mod decoder;
#[doc(hidden)]
pub mod fuzzing;
mod header_fields;
mod headers;
mod limits;
mod message;
mod message_line;
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
mod text;
mod transmit_buf;
mod wire_sink;

pub use client_op::{ClientOp, EncodeError, MAX_CONTROL_LINE, MAX_MESSAGE, Reply};
pub use connect::{Connect, ConnectError};
pub use decoder::{DecodeError, Decoder};
pub use header_fields::{HeaderError, HeaderName, HeaderValue};
pub use headers::Headers;
pub use limits::Limits;
pub use message::Message;
pub use secret::Secret;
pub use server_decoder::{ClientFrame, ServerDecodeError, ServerDecoder, ServerLimits};
pub use server_error::{PermissionOperation, PermissionViolation, ServerError, ServerErrorKind};
pub use server_frame::ServerFrame;
pub use server_info::{InfoError, ServerInfo};
pub use server_op::ServerOp;
pub use server_url::{Scheme, ServerUrl, UrlError, UserInfo};
pub use sid::Sid;
pub use snippet::Snippet;
pub use status_code::StatusCode;
pub use subject::{Subject, SubjectError};
pub use subject_filter::{QueueGroup, SubjectFilter};
pub use transmit_buf::{Frame, SHARED_MIN, TransmitBuf};
pub use wire_sink::{Payload, WireSink};
