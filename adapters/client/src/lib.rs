//! What applications hold of a NATS connection, and what its drivers share.
//!
//! Applications take one of the adapters, `nats-conn-tokio`, `nats-conn-async-std` or `nats-conn-std`, which
//! re-export what they need from here. This crate has neither sockets nor timers, and no runtime: only who writes an
//! adapter to another runtime depends on it.
//!
//! * [`Client`] publishes, subscribes, asks, drains and closes. Clones share the connection.
//! * [`Subscription`] is a stream of messages, [`Events`] a stream of what happens to the connection.
//! * [`ConnectOptions`] has every setting; [`TlsOptions`] says whom to trust.
//! * [`Error`] is what every error of it becomes with `?`.
//! * [`driver`] is for adapters: what drivers share, and what a runtime implements.
//! * [`guide`] is a book in a few short pages: the life of a connection, delivery, events, testing, coming from another client.
//!
//! # Features
//! None is on by default here; adapters have a default.
//! * `nkeys`: NKEY seeds and `.creds` files: `nkey_seed`, `nkey_seed_file`, `creds` and `creds_file` of
//!   [`ConnectOptions`].
//! * `ring` or `aws-lc-rs`: TLS with rustls and that cryptography, with `aws-lc-rs` where both are on. `rustls` alone takes a
//!   ready `ClientConfig`.
//! * `system-roots`: trusting what the operating system trusts, where [`TlsOptions`] name no authority.
//! * `futures-io`: streams of futures-io, for adapters.
//! * `tracing`: a span for each connection and an event in it for each of its events: see [`monitoring`].
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// The pages are read on the web pages of a repository, too: at their ends they say where their links lead among files. Here
// the names of items come first, and the first definition of a link is the one that counts.

/// [is closed]: crate::State::Closed
/// [`Client::why`]: crate::Client::why
/// [`Client::next_attempt`]: crate::Client::next_attempt
/// [`flush`]: crate::Client::flush
/// [`rtt`]: crate::Client::rtt
/// [`Statistics::smoothed_round_trip`]: crate::Statistics::smoothed_round_trip
/// [`publish_fates`]: crate::Client::publish_fates
///
#[doc = include_str!("../docs/health.md")]
pub mod health {}

/// [`Client::state`]: crate::Client::state
/// [`Client::why`]: crate::Client::why
/// [`Client::next_attempt`]: crate::Client::next_attempt
/// [`Client::events`]: crate::Client::events
/// [`Client::metrics`]: crate::Client::metrics
/// [`Client::statistics`]: crate::Client::statistics
/// [`Client::publish_fates`]: crate::Client::publish_fates
/// [`Client::link_health`]: crate::Client::link_health
/// [`health`]: crate::health
/// [`ConnectOptions::record`]: crate::ConnectOptions::record
/// [`ConnectOptions::name`]: crate::ConnectOptions::name
/// [`ClientEvent::code`]: crate::ClientEvent::code
///
#[doc = include_str!("../docs/monitoring.md")]
pub mod monitoring {}

/// [`life`]: crate::guide::life
/// [`delivery`]: crate::guide::delivery
/// [`events`]: crate::guide::events
/// [`monitoring`]: crate::monitoring
/// [`health`]: crate::health
/// [`embedding`]: crate::guide::embedding
/// [`testing`]: crate::guide::testing
/// [`policies`]: crate::guide::policies
/// [`recordings`]: crate::guide::recordings
/// [`coming_from`]: crate::guide::coming_from
/// [`behaviour`]: crate::machine::behaviour
/// [`design`]: crate::machine::design
///
#[doc = include_str!("../docs/README.md")]
pub mod guide {
    /// The life of a connection.
    ///
    /// [`behaviour`]: crate::machine::behaviour
    #[doc = ""]
    #[doc = include_str!("../docs/life.svg")]
    #[doc = ""]
    #[doc = include_str!("../docs/life.md")]
    pub mod life {}

    /// What becomes of what is published.
    ///
    /// [`behaviour`]: crate::machine::behaviour
    #[doc = ""]
    #[doc = include_str!("../docs/delivery.md")]
    pub mod delivery {}

    /// What is reported, and when.
    ///
    /// [`life`]: crate::guide::life#how-it-ends
    /// [`behaviour`]: crate::machine::behaviour
    /// [`health`]: crate::health
    /// [`monitoring`]: crate::monitoring
    #[doc = ""]
    #[doc = include_str!("../docs/events.md")]
    pub mod events {}

    /// Streams, runtimes and drivers of your own.
    ///
    /// [`Runtime`]: crate::driver::Runtime
    /// [`Io`]: crate::driver::Io
    /// [`Adapter`]: crate::driver::Adapter
    /// [`nats_conn_sm`]: crate::machine
    /// [`nats_proto`]: crate::proto
    /// [`Pump`]: crate::machine::pump::Pump
    /// [`behaviour`]: crate::machine::behaviour
    /// [`design`]: crate::machine::design
    #[doc = ""]
    #[doc = include_str!("../docs/embedding.md")]
    pub mod embedding {}

    /// Testing an application against the model server.
    ///
    /// [`policies`]: crate::guide::policies
    #[doc = ""]
    #[doc = include_str!("../docs/testing.md")]
    pub mod testing {}

    /// Trying a policy with a thousand failing servers.
    ///
    /// [`recordings`]: crate::guide::recordings
    #[doc = ""]
    #[doc = include_str!("../docs/policies.md")]
    pub mod policies {}

    /// Making and reading recordings.
    #[doc = ""]
    #[doc = include_str!("../docs/recordings.md")]
    pub mod recordings {}

    /// Coming from another client: every handler, event, status and option, and what it is here.
    ///
    /// [`behaviour`]: crate::machine::behaviour
    /// [`events`]: crate::guide::events
    #[doc = ""]
    #[doc = include_str!("../docs/coming-from.md")]
    pub mod coming_from {}
}

mod core;
pub mod driver;
mod error;
mod handles;
mod options;

pub use nats_conn_sm as machine;
pub use nats_conn_sm::{
    AttemptError, AttemptFailure, AuthError, Backoff, CleartextPolicy, ClosedReason, Config, ConfigError,
    ConnectionEvent, Credentials, Delivery, DisconnectReason, DropReason, EndReason, Fate, FlushError,
    LameDuckPolicy, LinkEnd, LinkHealth, MailboxLimits, Phase, PublishFates, PublishSeq, RecordingOptions,
    RemovalReason, RepliesEnd, RequestMany, SeqRanges, Server, ServerStatus, Session, State, StateError,
    Statistics, SubscriptionError, WaitReason, WhenFull,
};
// For monitoring:
pub use nats_conn_sm::{AttemptStage, Metric, MetricKind, Metrics, MetricsPage, NextAttempt};
pub use nats_proto as proto;
pub use nats_proto::{
    CowSubject, Excerpt, HeaderError, HeaderName, HeaderValue, Headers, IntoSubject, InvalidSubject, Message,
    MessageSubject, NotUtf8, Payload, QueueGroup, Secret, ServerInfo, ServerUrl, Sid, StatusCode, Subject,
    SubjectError, SubjectFilter, SubjectRef, UrlError, header,
};
#[cfg(feature = "rustls")]
pub use rustls;

pub use crate::core::closing::Closing;
pub use crate::core::event::ClientEvent;
pub use crate::error::confirm::ConfirmError;
pub use crate::error::connect::ConnectError;
pub use crate::error::next::NextError;
pub use crate::error::publish::PublishError;
pub use crate::error::request::RequestError;
pub use crate::error::respond::RespondError;
pub use crate::error::servers::ServersError;
pub use crate::error::start::StartError;
pub use crate::error::subscribe::SubscribeError;
#[cfg(feature = "rustls")]
pub use crate::error::tls::TlsError;
pub use crate::error::umbrella::Error;
pub use crate::handles::client::Client;
pub use crate::handles::confirmation::{Confirmation, Flush, RoundTrip};
pub use crate::handles::confirmed_publish::{ConfirmedPublish, PublishOutcome};
pub use crate::handles::confirmed_subscription::ConfirmedSubscription;
pub use crate::handles::connecting::Connecting;
pub use crate::handles::events::Events;
pub use crate::handles::publishing::{Publishing, Responding};
pub use crate::handles::reconnecting::Reconnecting;
pub use crate::handles::replies::Replies;
pub use crate::handles::request::{Request, Response};
pub use crate::handles::request_for_many::RequestForMany;
pub use crate::handles::subscription::Subscription;
pub use crate::options::connect::ConnectOptions;
pub use crate::options::identity::{Answer, Challenge};
pub use crate::options::into_servers::IntoServers;
pub use crate::options::selector::{ReconnectDelay, Selector, ServerChoice};
pub use crate::options::tls::TlsOptions;
