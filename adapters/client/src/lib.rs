//! What applications hold of a NATS connection, and what its drivers share.
//!
//! Applications take one of the adapters, `nats-conn-tokio`, `nats-conn-async-std` or `nats-conn-std`, which
//! re-export what they need from here. This crate has neither sockets nor timers, and no runtime: only who writes an
//! adapter to another runtime depends on it.
//!
//! * [`Client`] publishes, subscribes, asks, drains and closes. Clones share the connection.
//! * [`Subscription`] is a stream of messages, [`Events`] a stream of what happens to the connection.
//! * [`ConnectOptions`] has every setting; [`TlsOptions`] says whom to trust.
//! * [`driver`] is for adapters: what drivers share, and what a runtime implements.
//!
//! # Features
//! None is on by default here; adapters have a default.
//! * `nkeys`: NKEY seeds and `.creds` files: `nkey_seed`, `nkey_seed_file`, `creds` and `creds_file` of
//!   [`ConnectOptions`].
//! * `ring` or `aws-lc-rs`: TLS with rustls and that cryptography, with `aws-lc-rs` where both are on. `rustls` alone takes a
//!   ready `ClientConfig`.
//! * `system-roots`: trusting what the operating system trusts, where [`TlsOptions`] name no authority.
//! * `futures-io`: streams of futures-io, for adapters.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod core;
pub mod driver;
mod handles;
mod options;

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
#[cfg(feature = "rustls")]
pub use rustls;

pub use crate::core::event::ClientEvent;
pub use crate::handles::client::{Client, RespondError};
pub use crate::handles::confirmation::{Confirmation, Flush, RoundTrip};
pub use crate::handles::connecting::{ConnectFailure, Connecting, advice};
pub use crate::handles::events::Events;
pub use crate::handles::publishing::{PublishFailure, Publishing};
pub use crate::handles::replies::Replies;
pub use crate::handles::request::{Request, RequestFailure, Response};
pub use crate::handles::subscription::Subscription;
pub use crate::options::connect::ConnectOptions;
pub use crate::options::identity::{Answer, Challenge};
pub use crate::options::selector::{ReconnectDelay, Selector, ServerChoice};
pub use crate::options::start_error::StartError;
pub use crate::options::tls::TlsOptions;
#[cfg(feature = "rustls")]
pub use crate::options::tls_error::TlsError;
