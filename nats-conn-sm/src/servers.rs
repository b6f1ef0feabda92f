//! A server, and what is reported about it.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::fmt;

use nats_proto::{OneLine, Scheme, ServerUrl};

use crate::canonical::Form;
use crate::error::{AttemptError, Phase};
use crate::ids::ServerId;

/// A server of the pool, as actions and events name it. It prints as a URL without user information, and is
/// cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    id: ServerId,
    url: Arc<ServerUrl>,
    tls_name: Arc<str>,
}

impl Server {
    pub(crate) fn new(id: ServerId, url: ServerUrl) -> Self {
        let tls_name = Arc::from(url.tls_name().unwrap_or(url.host()));
        Self {
            id,
            url: Arc::new(url),
            tls_name,
        }
    }

    /// One that `self` announced: it inherits TLS, the user information, and for a bare address the TLS name.
    pub(crate) fn announce(&self, id: ServerId, url: ServerUrl) -> Self {
        let tls_name = if url.is_ip() {
            Arc::clone(&self.tls_name)
        } else {
            Arc::from(url.host())
        };
        // What is announced can ask for TLS, and never for less than the server that announces it.
        let url = if self.wants_tls() {
            url.with_scheme(Scheme::Tls)
                .with_tls_first(self.url.is_tls_first())
        } else {
            url
        };
        Self {
            id,
            url: Arc::new(url.with_userinfo(self.url.userinfo().cloned())),
            tls_name,
        }
    }

    /// The same with TLS, which `other`, the same server by another URL, has.
    pub(crate) fn with_tls_of(&self, other: &Self) -> Self {
        let url = ServerUrl::clone(&self.url).with_scheme(Scheme::Tls);
        let first = url.is_tls_first() || other.url.is_tls_first();
        let tls_name = match self.url.tls_name() {
            Some(_) => Arc::clone(&self.tls_name),
            None => Arc::clone(&other.tls_name),
        };
        Self {
            id: self.id,
            url: Arc::new(url.with_tls_first(first)),
            tls_name,
        }
    }

    /// Its number in the pool.
    pub fn id(&self) -> ServerId {
        self.id
    }

    /// Its URL.
    pub fn url(&self) -> &ServerUrl {
        &self.url
    }

    /// The host to dial: a name or an address, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        self.url.host()
    }

    /// The port to dial.
    pub fn port(&self) -> u16 {
        self.url.port()
    }

    /// The name that its certificate must be for: what [`ServerUrl::with_tls_name`] says, else the host that *we*
    /// dialled (of an announced address: the name of the server that announced it), never what INFO says
    /// (RUSTSEC-2023-0027).
    pub fn tls_name(&self) -> &str {
        &self.tls_name
    }

    pub(crate) fn wants_tls(&self) -> bool {
        self.url.is_tls()
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&*self.url, f)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({}, {})", self.id, self.url)
    }
}

/// What is known of a server of the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStatus {
    /// The server.
    pub server: Server,
    /// Whether it was learned from INFO rather than configured.
    pub discovered: bool,
    /// Whether the present link is to it.
    pub current: bool,
    /// Whether it would come next.
    pub next: bool,
    /// Whether it announced that it will shut down, within the last 2 minutes.
    pub lame_duck: bool,
    /// Failed attempts in a row.
    pub failures: u32,
    /// Its last failed attempt, until one succeeds.
    pub last_error: Option<Arc<AttemptFailure>>,
}

/// A failed attempt, kept with its server and reported by [`ClosedReason`](crate::ClosedReason).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptFailure {
    /// The server as it prints: a URL without user information.
    pub server: String,
    /// Where the attempt was.
    pub phase: Phase,
    /// What went wrong.
    pub error: AttemptError,
}

impl AttemptFailure {
    /// As [`ConnectionEvent::ConnectFailed`](crate::ConnectionEvent::ConnectFailed) reports it.
    pub fn new(server: &Server, phase: Phase, error: AttemptError) -> Self {
        Self {
            server: server.to_string(),
            phase,
            error,
        }
    }
}

/// With what to do about it.
impl fmt::Display for AttemptFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", OneLine(&self.server), self.error)?;
        match self.error.advice(self.phase) {
            Some(advice) => write!(f, " ({advice})"),
            None => Ok(()),
        }
    }
}

/// For exploration.
impl Server {
    pub(crate) fn canonical(&self, form: &mut Form) {
        let Self { id, url, tls_name } = self;
        form.server(*id);
        form.whole(url);
        form.whole(tls_name);
    }
}

impl ServerStatus {
    pub(crate) fn canonical(&self, form: &mut Form) {
        let Self {
            server,
            discovered,
            current,
            next,
            lame_duck,
            failures,
            last_error,
        } = self;
        server.canonical(form);
        for flag in [discovered, current, next, lame_duck] {
            form.flag(*flag);
        }
        form.number(u64::from(*failures));
        form.option(last_error.as_deref(), |form, failure| {
            form.error(failure.error.code(), failure)
        });
    }
}
