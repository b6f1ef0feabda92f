//! The life of a NATS connection as a pure state machine: bytes, time and calls go in; bytes, actions, events
//! and a deadline come out.
//!
//! It is for those who bring a client to a runtime or a platform of their own. Applications take a client that is made of
//! it: `nats-conn-tokio`, or `nats-conn-std` where there is no runtime. The wire alone is `nats-proto`.
//!
//! It has no clock, no entropy, no sockets, threads or wakers, and keeps no secret. A driver owns the socket
//! and the two buffers, and runs one loop: it says what happened, asks what comes of it, and waits. [`Pump`](pump::Pump) is
//! that loop over one stream. It is complete: it works with every setting of [`Config`], and only what
//! [`Outside`](pump::Outside) names has to be added to it. Its source is also the shortest answer to who writes a loop of
//! another shape and asks which call comes when. The example `pump` runs it over TCP, `mio_loop` on mio beside other work.
//!
//! ```
//! use nats_conn_sm::proto::ServerUrl;
//! use nats_conn_sm::pump::{News, Outside, Pump, Wait};
//! use nats_conn_sm::{Config, Connection};
//!
//! fn drive<O: Outside>(outside: &mut O, wait: impl Fn(&mut O, Wait) -> News) -> Result<(), Box<dyn std::error::Error>> {
//!     let config = Config::new(vec![ServerUrl::parse("nats://127.0.0.1:4222")?]);
//!     let seed = [0; 32]; // 32 random bytes of the operating system
//!     let mut connection = Connection::new(config, seed, outside.now())?;
//!     let (mut pump, mut news) = (Pump::new(), News::Ready);
//!     while let Some(next) = pump.turn(&mut connection, outside, news) {
//!         news = wait(outside, next);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Invariants
//!
//! - Any call in any order, any bytes, any answer about a link that is gone: no panic, nothing lost.
//! - Every id gets exactly one final event: subscriptions end once, requests are answered once, flushes settle
//!   once, the connection closes once.
//! - The five counters of [`PublishFates`] always add up to what was accepted.
//! - The same seed and the same inputs give the same outputs, byte for byte.
//! - Nothing but CONNECT, PING and PONG is written before the PONG of the handshake; then come the interest
//!   that still holds, a PING, and what was queued, in order and in whole frames.
//!
//! How the crate is built is described in [`design`]; what the client does, paragraph by paragraph, in [`behaviour`].
//!
//! # The life, as a grammar
//!
//! ```text
//! life    = { attempt failed } ( closed | attempt connected session )
//! attempt = [ backoff_wait ] connecting
//! failed  = connect_failed
//! session = { any } disconnected ( rest | closed )
//! rest    = { attempt failed } ( attempt reconnected session )
//! ```
//!
//! `closed` may stand anywhere outside a session and ends everything. `backoff_wait` and `connecting` may be cut
//! short by it, by a forced reconnect or by a new pool.
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

mod action;
mod buffers;
mod canonical;
mod config;
mod connection;
mod debug_line;
mod dialer;
mod env;
mod error;
mod event;
#[doc(hidden)]
pub mod exploring;
mod frames;
#[doc(hidden)]
pub mod fuzzing;
mod ids;
mod input;
mod interest;
mod life;
mod link;
mod machine;
mod mailbox;
mod metrics;
mod outbound;
mod output;
mod pings;
mod publish;
pub mod pump;
mod ranges;
mod recorder;
mod replay;
mod rng;
mod servers;
mod statistics;
mod time;

/// Recording a connection, and living a recorded life again.
///
/// [`Connection::recorded`](crate::Connection::recorded) makes a machine that writes down every call with what went into it. The driver takes
/// what was written with [`Connection::poll_recording`](crate::Connection::poll_recording), once in each round of its loop, and appends it to a file. The
/// file begins with the settings and the seed, so it is complete in itself: a [`Replayer`](recording::Replayer) makes a machine live the same
/// life again, and compares each event, action, block of bytes and deadline with what was recorded. The example `replay`
/// prints such a file as a timeline. A machine that is not recorded pays for one branch in each call.
///
/// A recording may be shown to others. Passwords, tokens, JWTs, signatures, NKEYs, nonces and the user information of
/// URLs are fillers of the same encoded length; payloads are their length and a hash (FNV-1a, 64 bits) and the
/// values of headers are fillers, unless [`RecordingOptions::payloads`](recording::RecordingOptions::payloads) asks for them. Subjects, header names, the
/// texts of errors, names and addresses of servers stay. So does the seed: whoever has the file knows the inboxes of a
/// connection that is still alive.
pub mod recording {
    pub use crate::input::{Input, Outgoing, Piece, Received, Unsent};
    pub use crate::recorder::{Entry, Recording, RecordingError, RecordingOptions};
    pub use crate::replay::{Output, ReplayError, Replayer, Step};
}

// What comes first counts: at their ends the pages say where their links lead among files.

/// [`ServerErrorKind`]: crate::proto::ServerErrorKind
///
#[doc = include_str!("../docs/behaviour.md")]
pub mod behaviour {}

/// [`behaviour`]: crate::behaviour
///
#[doc = include_str!("../docs/design.md")]
pub mod design {}

pub use action::{Action, Credentials};
pub use buffers::{ReceiveBuf, SendBuf};
pub use config::{Backoff, CleartextPolicy, Config, Delivery, LameDuckPolicy, WhenFull};
pub use connection::Connection;
pub use error::{
    AttemptError, AuthError, ConfigError, DisconnectReason, FlushError, LinkEnd, Phase, PublishError,
    RequestError, RequestStartError, StateError, SubscribeError, SubscriptionError,
};
pub use event::{
    ClosedReason, ConnectionEvent, DropReason, EndReason, Event, RemovalReason, RepliesEnd, Session,
    WaitReason,
};
pub use ids::{AttemptId, FlushId, LinkId, PublishSeq, RequestId, RoundTripId, ServerId};
pub use input::Progress;
pub use machine::{AttemptStage, NextAttempt, State};
pub use mailbox::{Mailbox, MailboxLimits};
pub use metrics::{Metric, MetricKind, Metrics, MetricsPage};
pub use nats_proto as proto;
pub use publish::{Publish, RequestMany};
pub use ranges::SeqRanges;
pub use recorder::RecordingOptions;
pub use servers::{AttemptFailure, Server, ServerStatus};
pub use statistics::{Fate, LinkHealth, PublishFates, Statistics};
pub use time::Timestamp;
