//! A NATS client for async-std: core NATS over TCP and TLS, with a connection that stays up.
//!
//! Programs that run on async-std and cannot move yet want this crate. Others take `nats-conn-tokio`, or `nats-conn-std`
//! where there is no runtime: the same names, the same promises.
//!
//! ```no_run
//! fn main() -> Result<(), nats_conn_async_std::Error> {
//!     async_std::task::block_on(async {
//!         let client = nats_conn_async_std::connect("nats://127.0.0.1:4222").await?;
//!         let mut orders = client.subscribe("orders.>")?;
//!         client.publish("orders.eu", "42").await?;
//!         if let Some(order) = orders.next().await {
//!             println!("{}: {}", order.subject(), order.text());
//!         }
//!         client.drain().await;
//!         Ok(())
//!     })
//! }
//! ```
//!
//! **End with `client.close().await` or `client.drain().await`.** `publish` returns before the message has left, and a
//! destructor cannot wait: what was published last is lost where `main` returns right after.
//!
//! The connection lives in one task. It outlives the loss of its server: it goes to another one, restores what was
//! subscribed, sends what was published meanwhile, and reports all of it with [`Events`].
//!
//! async-std is discontinued (RUSTSEC-2025-0052). This crate is for programs that still run on it; its README says
//! what it means for them.
//!
//! # Errors
//! Every call has an error of its own, with a stable `code()` for machines. Errors print as one line that names the
//! subject, the server or the option and says what to do, with `{:?}`, too; all of them become an [`Error`] with `?`, so
//! that `main` may return it, as above. What happens to the connection prints as one line each: `eprintln!("{event}")`.
//!
//! # Features
//! By default `tls://`, NKEYs and `.creds` files work: `nkeys`, `ring` and `system-roots` are on. What is not used can be left
//! out: `default-features = false` links 24 crates of others at most beside async-std, and no cryptography.
//!
//! | feature | default | brings |
//! |---|---|---|
//! | `ring` | yes | TLS with rustls, and its cryptography from ring, which needs a C compiler |
//! | `aws-lc-rs` | | TLS with rustls, and its cryptography from aws-lc-rs, also where `ring` is on |
//! | `rustls` | | TLS with a ready `ClientConfig`: [`TlsOptions::with_config`] |
//! | `system-roots` | yes | trust in what the operating system trusts, where no authority is named |
//! | `nkeys` | yes | NKEY seeds and `.creds` files: `nkey_seed`, `nkey_seed_file`, `creds` and `creds_file` of [`ConnectOptions`] |
//! | `tracing` | | a span for each connection and an event in it for each of its events: see [`monitoring`] |
//!
//! The process-wide provider of rustls is neither used nor set, whatever else in a program uses rustls. Certificates are
//! read when TLS is about to be made and not before: a connection in clear text reads none.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod io;
mod runtime;
mod tcp;

pub use io::{AsyncStdSockets, Stream};
pub use nats_conn_client::driver::{ByteStream, Target, dial_all};
pub use nats_conn_client::machine;
pub use nats_conn_client::proto;
pub use nats_conn_client::{
    Answer, Challenge, Client, ClientEvent, Closing, Confirmation, ConfirmedPublish, ConfirmedSubscription,
    Connecting, Events, Flush, IntoServers, PublishOutcome, Publishing, ReconnectDelay, Reconnecting,
    Replies, Request, RequestForMany, Responding, Response, RoundTrip, Selector, ServerChoice, Subscription,
    TlsOptions,
};
// What can go wrong:
pub use nats_conn_client::{
    ConfirmError, ConnectError, Error, PublishError, RequestError, RespondError, ServersError, StartError,
    SubscribeError,
};
#[cfg(feature = "rustls")]
pub use nats_conn_client::{TlsError, rustls};
// Of the machine:
pub use nats_conn_client::{
    AttemptError, AttemptFailure, AuthError, Backoff, CleartextPolicy, ClosedReason, Config, ConfigError,
    ConnectionEvent, Credentials, Delivery, DisconnectReason, DropReason, EndReason, Fate, FlushError,
    LameDuckPolicy, LinkEnd, LinkHealth, MailboxLimits, Phase, PublishFates, PublishSeq, RecordingOptions,
    RemovalReason, RepliesEnd, RequestMany, SeqRanges, Server, ServerStatus, Session, State, StateError,
    Statistics, SubscriptionError, WaitReason, WhenFull,
};
// For monitoring:
pub use nats_conn_client::{AttemptStage, Metric, MetricKind, Metrics, MetricsPage, NextAttempt};
#[doc(inline)]
pub use nats_conn_client::{guide, health, monitoring};
// Of the wire:
pub use nats_conn_client::{
    CowSubject, Excerpt, HeaderError, HeaderName, HeaderValue, Headers, IntoSubject, InvalidSubject, Message,
    MessageSubject, NotUtf8, Payload, QueueGroup, Secret, ServerInfo, ServerUrl, Sid, StatusCode, Subject,
    SubjectError, SubjectFilter, SubjectRef, UrlError, header,
};
pub use runtime::AsyncStd;

/// The settings of a connection that lives on async-std.
///
#[doc = nats_conn_client::options_page!()]
pub type ConnectOptions = nats_conn_client::ConnectOptions<AsyncStd>;

/// Connects to a server, or to the first that answers of a comma-separated list, with default settings.
///
/// # Cancel safety
/// Dropping the future gives the connection up, whatever it was doing: no link stays.
///
/// # Errors
/// A URL cannot be used, or no server could be reached: [`ConnectError`] prints as one line that says what to do.
pub async fn connect(urls: &str) -> Result<Client, ConnectError> {
    ConnectOptions::from_url(urls)?.connect().await
}

/// The examples of the read-me files, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
