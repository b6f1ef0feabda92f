//! What applications hold of a NATS connection, and what its drivers share.
//!
//! Applications take one of the adapters, `nats-conn-tokio`, `nats-conn-async-std` or `nats-conn-std`, which
//! re-export what they need from here. This crate has neither sockets nor timers, and no runtime: only who writes an
//! adapter to another runtime depends on it.
//!
//! # For applications
//! * [`Client`] publishes, subscribes, asks, drains and closes. Clones share the connection.
//! * [`Subscription`] is a stream of messages, [`Events`] a stream of what happens to the connection.
//! * [`ConnectOptions`] has every setting; [`TlsOptions`] says whom to trust.
//!
//! # For adapters
//! The machine ([`nats_conn_sm::Connection`]) lies in [`Shared`], behind one mutex, with the tables of who waits
//! for what. Handles call it directly; there is no queue of commands. A driver has turns ([`Shared::drive`]).
//!
//! * An asynchronous runtime implements [`Runtime`] and [`Io`], and is an [`Adapter`] thereby: [`Driver`] is its
//!   loop. [`dial_all`] resolves a name and dials its addresses, for any runtime.
//! * The blocking adapter implements [`Adapter`] itself, begins with [`ConnectOptions::prepare`], runs its own
//!   threads around [`Shared::drive`], and waits with [`blocking`], which needs no executor. It dials in the order of
//!   a [`Race`], holds [`Backpressure`] in the thread that reads, and calls [`Shared::finish`] from a guard.
//!
//! # Features
//! * `nkeys`: NKEY seeds and `.creds` files: `nkey_seed`, `nkey_seed_file`, `creds` and `creds_file` of
//!   [`ConnectOptions`].
//! * `rustls`, `ring`, `aws-lc-rs`, `system-roots`: building a rustls configuration from [`TlsOptions`].
//! * `console`: the line protocol of the `console` examples.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod adapter;
mod addresses;
pub mod blocking;
mod client;
mod closed;
mod confirmation;
mod connecting;
#[cfg(feature = "console")]
pub mod console;
mod credentials;
mod delivery;
mod dial;
mod draining;
mod driver;
mod events;
mod farewell;
mod handle;
mod lock;
mod mail;
#[cfg(feature = "nkeys")]
mod nkey;
mod oneshot;
mod options;
mod panics;
mod publishing;
mod recording;
mod replies;
mod request;
mod resolve;
#[cfg(feature = "rustls")]
mod rustls_config;
mod shared;
mod subscription;
mod timer;
mod tls;
mod turn;
mod waiting;

pub use adapter::{Adapter, DriverParts, Io, LinkSetup, Prepared, Runtime, Target};
pub use client::{Client, RespondError};
pub use closed::Closed;
pub use confirmation::{Confirmation, Flush, RoundTrip};
pub use connecting::{ConnectFailure, Connecting, first_outcome};
pub use credentials::{Answer, Challenge, Identity};
pub use delivery::{Backpressure, Delivered};
pub use dial::{Race, STAGGER, dial_all, dial_error, io_error, resolve_error, tls_error};
pub use driver::Driver;
pub use events::{ClientEvent, Events};
pub use nats_conn_sm as machine;
pub use nats_conn_sm::{
    AuthError, Backoff, CleartextPolicy, ClosedReason, Config, Credentials, Delivery, DisconnectReason,
    EndReason, Event, Fate, FlushError, LameDuckPolicy, LinkHealth, MailboxLimits, Publish, PublishError,
    PublishFates, PublishSeq, RecordingOptions, RepliesEnd, RequestError, RequestMany, RequestStartError,
    SeqRanges, ServerStatus, Session, State, StateError, Statistics, SubscribeError, SubscriptionError,
    WaitReason, WhenFull,
};
pub use nats_proto as proto;
pub use nats_proto::{
    HeaderName, HeaderValue, Headers, Message, Payload, QueueGroup, Secret, ServerInfo, ServerUrl, Sid,
    StatusCode, Subject, SubjectFilter,
};
pub use options::{ConnectOptions, Selector, ServerChoice, StartError};
pub use panics::{caught, panicked};
pub use publishing::{PublishFailure, Publishing};
pub use replies::Replies;
pub use request::{Request, RequestFailure, Response};
pub use resolve::Resolver;
#[cfg(feature = "rustls")]
pub use rustls;
#[cfg(feature = "rustls")]
pub use rustls_config::server_name;
pub use shared::Shared;
pub use subscription::Subscription;
pub use tls::TlsOptions;
pub use turn::Turn;
