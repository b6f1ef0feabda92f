//! Names of headers that servers and clients of NATS know.
//!
//! ```
//! use nats_proto::{Headers, header};
//!
//! let headers = Headers::try_from([(header::NATS_MSG_ID, "17"), (header::NATS_EXPECTED_STREAM, "ORDERS")])?;
//! assert_eq!(headers.get_str(header::NATS_MSG_ID), Some("17"));
//! # Ok::<(), nats_proto::HeaderError>(())
//! ```

use crate::header_fields::HeaderName;

/// The number of a message by which a stream recognizes one that it has already.
pub const NATS_MSG_ID: HeaderName = HeaderName::from_static("Nats-Msg-Id");

/// The stream that is to take the message.
pub const NATS_EXPECTED_STREAM: HeaderName = HeaderName::from_static("Nats-Expected-Stream");

/// The sequence number that the last message of the stream is to have.
pub const NATS_EXPECTED_LAST_SEQUENCE: HeaderName = HeaderName::from_static("Nats-Expected-Last-Sequence");

/// The sequence number that the last message of this subject is to have.
pub const NATS_EXPECTED_LAST_SUBJECT_SEQUENCE: HeaderName =
    HeaderName::from_static("Nats-Expected-Last-Subject-Sequence");

/// The [`NATS_MSG_ID`] that the last message of the stream is to have.
pub const NATS_EXPECTED_LAST_MSG_ID: HeaderName = HeaderName::from_static("Nats-Expected-Last-Msg-Id");

/// That the message replaces earlier ones of its subject (`sub`) or of the stream (`all`).
pub const NATS_ROLLUP: HeaderName = HeaderName::from_static("Nats-Rollup");

/// How long a stream keeps the message.
pub const NATS_TTL: HeaderName = HeaderName::from_static("Nats-TTL");

/// The stream that a stored message comes from.
pub const NATS_STREAM: HeaderName = HeaderName::from_static("Nats-Stream");

/// The subject of a stored message.
pub const NATS_SUBJECT: HeaderName = HeaderName::from_static("Nats-Subject");

/// The sequence number of a stored message.
pub const NATS_SEQUENCE: HeaderName = HeaderName::from_static("Nats-Sequence");

/// The sequence number of the message before it.
pub const NATS_LAST_SEQUENCE: HeaderName = HeaderName::from_static("Nats-Last-Sequence");

/// When a message was stored.
pub const NATS_TIME_STAMP: HeaderName = HeaderName::from_static("Nats-Time-Stamp");

/// What went wrong in a service (ADR-32).
pub const NATS_SERVICE_ERROR: HeaderName = HeaderName::from_static("Nats-Service-Error");

/// Its number (ADR-32).
pub const NATS_SERVICE_ERROR_CODE: HeaderName = HeaderName::from_static("Nats-Service-Error-Code");

/// The status of a message, where clients show it as a header. On the wire it stands in the first line: see
/// [`Headers::status`](crate::Headers::status).
pub const STATUS: HeaderName = HeaderName::from_static("Status");

/// What follows the status, where clients show it as a header: see
/// [`Headers::description`](crate::Headers::description).
pub const DESCRIPTION: HeaderName = HeaderName::from_static("Description");
