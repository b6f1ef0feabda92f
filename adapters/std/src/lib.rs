//! A blocking NATS client: threads and `std::net`, without any asynchronous runtime.
//!
//! Applications without a runtime want this crate, and no other of its family. Those on tokio take `nats-conn-tokio`, those
//! on async-std `nats-conn-async-std`: the same names, the same promises. The parts are for those who build something
//! else: `nats-conn-sm` for the connection as a state machine, `nats-proto` for the wire.
//!
//! ```no_run
//! fn main() -> Result<(), nats_conn_std::Error> {
//!     let client = nats_conn_std::connect("nats://127.0.0.1:4222")?;
//!     let mut orders = client.subscribe("orders.>")?;
//!     client.publish("orders.eu", "42").wait()?;
//!     if let Some(order) = orders.next() {
//!         println!("{}: {}", order.subject(), order.text());
//!     }
//!     client.drain().wait();
//!     Ok(())
//! }
//! ```
//!
//! What was published is handed over before the last handle is gone: its drop waits for that, for
//! [`close_timeout`](ConnectOptions::close_timeout) at most.
//!
//! A connection has one thread that writes and keeps the time, and while it is up one that reads. A thread that publishes
//! much, or waits for a message or for the reply to a request, does their work itself where it can, which is faster than to
//! wake them. A connection outlives the loss of its server: it goes to another one, restores what was subscribed, sends what was
//! published meanwhile, and reports all of it with [`Events`]. Its threads end when it is closed, which the last [`Client`]
//! and [`Subscription`] that is dropped does too.
//!
//! What can take time takes it on threads of its own, which are left to themselves when nobody waits for them any
//! more: dialling an address, asking for credentials, reading certificates. Names are resolved on threads that all
//! connections of a process share, eight at most.
//!
//! The handles wrap those of the asynchronous adapters: `into_inner` and `inner` give them to whoever has an
//! executor, and [`blocking::wait`] waits for their futures on a thread.
//!
//! # Errors
//! Every call has an error of its own, with a stable `code()` for machines. Errors print as one line that names the
//! subject, the server or the option and says what to do, with `{:?}`, too; all of them become an [`Error`] with `?`, so
//! that `main` may return it, as above. What happens to the connection prints as one line each: `eprintln!("{event}")`.
//!
//! # Features
//! By default `tls://`, NKEYs and `.creds` files work: `nkeys`, `ring` and `system-roots` are on. What is not used can be left
//! out: `default-features = false` links 24 crates of others at most, and no cryptography.
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

mod adapter;
mod appetite;
mod attempt;
mod bell;
mod client;
mod closing;
mod confirmation;
mod confirmed_publish;
mod confirmed_subscription;
mod connector;
mod dial;
mod driver;
mod events;
mod holders;
mod link;
mod looking;
mod news;
mod next;
mod ours;
mod outlet;
mod pace;
mod publishing;
mod reader;
mod reading;
mod replies;
mod request;
mod stream;
mod subscription;
mod tls;
mod waiting;
mod wire;
mod writing;

pub use client::Client;
pub use closing::Closing;
pub use confirmation::{Confirmation, Flush, Reconnecting, RoundTrip};
pub use confirmed_publish::{ConfirmedPublish, PublishOutcome};
pub use confirmed_subscription::ConfirmedSubscription;
pub use connector::Std;
pub use events::Events;
pub use nats_conn_client::driver::{Target, blocking};
pub use nats_conn_client::machine;
pub use nats_conn_client::proto;
pub use nats_conn_client::{
    Answer, Challenge, ClientEvent, IntoServers, ReconnectDelay, Selector, ServerChoice, TlsOptions,
};
// What can go wrong:
pub use nats_conn_client::{
    ConfirmError, ConnectError, Error, NextError, PublishError, RequestError, RespondError, ServersError,
    StartError, SubscribeError,
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
pub use publishing::{Publishing, Responding};
pub use replies::Replies;
pub use request::{Request, RequestForMany, Response};
pub use stream::{ByteStream, Stream};
pub use subscription::Subscription;

/// The settings of a connection that lives on threads of its own.
///
#[doc = nats_conn_client::options_page!()]
pub type ConnectOptions = nats_conn_client::ConnectOptions<Std>;

/// Connects to a server, or to the first that answers of a comma-separated list, with default settings.
///
/// # Errors
/// A URL cannot be used, or no server could be reached: [`ConnectError`] prints as one line that says what to do.
pub fn connect(urls: &str) -> Result<Client, ConnectError> {
    ConnectOptions::from_url(urls)?.connect()
}

/// The examples of the read-me files, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
