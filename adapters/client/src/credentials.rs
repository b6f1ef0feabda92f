//! Who we are, worked out anew at every attempt.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use nats_conn_sm::{AuthError, Credentials, Server};

/// An answer to a [`Challenge`], to come.
pub type Answer = Pin<Box<dyn Future<Output = Result<Credentials, AuthError>> + Send>>;

/// What a server asks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Challenge {
    /// The server.
    pub server: Server,
    /// What an NKEY has to sign, if the server sent something.
    pub nonce: Option<String>,
}

impl Challenge {
    /// What [`Action::Authenticate`](nats_conn_sm::Action::Authenticate) asks.
    pub fn new(server: Server, nonce: Option<String>) -> Self {
        Self { server, nonce }
    }
}

/// Where credentials come from. Files are read, and callbacks called, again at every attempt: what was rotated in
/// the meantime is used. Nothing of it prints.
#[derive(Clone)]
pub struct Identity(Source);

#[derive(Clone)]
enum Source {
    /// The URLs alone.
    Urls,
    Fixed(Credentials),
    Callback(Arc<dyn Fn(Challenge) -> Answer + Send + Sync>),
    #[cfg(feature = "nkeys")]
    Keys(crate::nkey::KeySource),
}

impl Identity {
    /// Whoever the URLs of the servers say, or nobody.
    pub(crate) const URLS: Self = Self(Source::Urls);

    pub(crate) fn fixed(credentials: Credentials) -> Self {
        Self(Source::Fixed(credentials))
    }

    pub(crate) fn callback<F, A>(callback: F) -> Self
    where
        F: Fn(Challenge) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Credentials, AuthError>> + Send + 'static,
    {
        Self(Source::Callback(Arc::new(move |challenge| {
            Box::pin(callback(challenge))
        })))
    }

    #[cfg(feature = "nkeys")]
    pub(crate) fn keys(source: crate::nkey::KeySource) -> Self {
        Self(Source::Keys(source))
    }

    /// Answers a challenge. Files are small and read at once, on the thread that polls.
    pub fn answer(&self, challenge: Challenge) -> Answer {
        match &self.0 {
            Source::Urls => Box::pin(std::future::ready(Ok(Credentials::default()))),
            Source::Fixed(credentials) => Box::pin(std::future::ready(Ok(credentials.clone()))),
            Source::Callback(callback) => callback(challenge),
            #[cfg(feature = "nkeys")]
            Source::Keys(source) => {
                let source = source.clone();
                Box::pin(async move { source.answer(challenge.nonce.as_deref()) })
            }
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Source::Urls => "Identity(of the URLs)",
            Source::Fixed(_) => "Identity([redacted])",
            Source::Callback(_) => "Identity(callback)",
            #[cfg(feature = "nkeys")]
            Source::Keys(_) => "Identity(key)",
        })
    }
}
