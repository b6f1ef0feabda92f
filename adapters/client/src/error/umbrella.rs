//! Everything that can go wrong, in one type.

use nats_conn_sm::{AuthError, ConfigError, FlushError, StateError, SubscriptionError};
use nats_proto::{HeaderError, InvalidSubject, NotUtf8, SubjectError, UrlError};
use thiserror::Error;

use crate::error::confirm::ConfirmError;
use crate::error::connect::ConnectError;
use crate::error::next::NextError;
use crate::error::publish::PublishError;
use crate::error::request::RequestError;
use crate::error::respond::RespondError;
use crate::error::servers::ServersError;
use crate::error::start::StartError;
use crate::error::subscribe::SubscribeError;
#[cfg(feature = "rustls")]
use crate::error::tls::TlsError;

/// Everything that can go wrong: each of the errors of this crate becomes one with `?`. It prints as the error that it
/// is, with `{:?}`, too, so that `main` may return it:
///
/// ```no_run
/// async fn run(client: nats_conn_client::Client) -> Result<(), nats_conn_client::Error> {
///     let orders = client.subscribe("orders.>")?;
///     orders.unsubscribe_after(1)?;
///     client.publish("orders.eu", "42").await?;
///     client.flush().await?;
///     client.close().await;
///     Ok(())
/// }
/// ```
///
/// Programs with other errors beside these have a type of their own, or `Box<dyn std::error::Error>`.
#[derive(Clone, PartialEq, Eq, Error)]
#[error(transparent)]
#[non_exhaustive]
pub enum Error {
    /// There is no connection.
    Connect(#[from] ConnectError),
    /// The connection was not started.
    Start(#[from] StartError),
    /// A publish was not accepted.
    Publish(#[from] PublishError),
    /// A publish was not confirmed.
    Confirm(#[from] ConfirmError),
    /// A message was not answered.
    Respond(#[from] RespondError),
    /// A request has no reply.
    Request(#[from] RequestError),
    /// A subscription was not made.
    Subscribe(#[from] SubscribeError),
    /// A call about a subscription changed nothing.
    Subscription(#[from] SubscriptionError),
    /// Nothing came: of messages, replies or events.
    Next(#[from] NextError),
    /// A flush, or a measurement of the round trip, failed.
    Flush(#[from] FlushError),
    /// A call about the whole connection changed nothing.
    State(#[from] StateError),
    /// The pool of servers was not replaced.
    Servers(#[from] ServersError),
    /// The URL of a server cannot be used.
    Url(#[from] UrlError),
    /// A text is no subject, filter or queue group.
    Subject(#[from] InvalidSubject),
    /// The same, of a text that was checked on its own.
    Token(#[from] SubjectError),
    /// The name or the value of a header cannot be used.
    Header(#[from] HeaderError),
    /// A payload, the value of a header or a subject is no text.
    Text(#[from] NotUtf8),
    /// A setting cannot be used.
    Config(#[from] ConfigError),
    /// Credentials could not be obtained.
    Auth(#[from] AuthError),
    /// The settings of TLS cannot be used.
    #[cfg(feature = "rustls")]
    Tls(#[from] TlsError),
}

super::debug_as_display!(Error);

impl Error {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Connect(error) => error.code(),
            Self::Start(error) => error.code(),
            Self::Publish(error) => error.code(),
            Self::Confirm(error) => error.code(),
            Self::Respond(error) => error.code(),
            Self::Request(error) => error.code(),
            Self::Subscribe(error) => error.code(),
            Self::Subscription(error) => error.code(),
            Self::Next(error) => error.code(),
            Self::Flush(error) => error.code(),
            Self::State(error) => error.code(),
            Self::Servers(error) => error.code(),
            Self::Url(error) => error.code(),
            Self::Subject(error) => error.code(),
            Self::Token(error) => error.code(),
            Self::Header(error) => error.code(),
            Self::Text(error) => error.code(),
            Self::Config(error) => error.code(),
            Self::Auth(error) => error.code(),
            #[cfg(feature = "rustls")]
            Self::Tls(error) => error.code(),
        }
    }
}
