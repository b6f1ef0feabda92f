//! What a home for a connection has to bring: sockets, timers, TLS, and a way to run a driver.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use nats_conn_sm::{LinkEnd, LinkId, Progress, Server, ServerId, ServerStatus};

use crate::client::Client;
use crate::connecting::{Connecting, connecting};
use crate::credentials::Identity;
use crate::driver::Driver;
use crate::events::Events;
use crate::options::{ConnectOptions, Selector, ServerChoice, StartError};
use crate::panics::{caught, panicked};
use crate::resolve::Resolver;
use crate::shared::Shared;
use crate::tls::TlsOptions;

/// Where a connection lives: what [`ConnectOptions::start`] and [`ConnectOptions::connect`] give.
///
/// Everything that implements [`Runtime`] is one. The blocking adapter implements it directly, with handles of its
/// own around [`Client`] and [`Events`], and a driver of its own around [`Shared`]; it begins with
/// [`ConnectOptions::prepare`].
pub trait Adapter: Sized {
    /// The handle of the application.
    type Client;
    /// The stream of events.
    type Events;
    /// What `connect` gives: a future, or the outcome itself.
    type Connecting;

    /// Starts the connection, before its first attempt.
    ///
    /// # Errors
    /// The options cannot be used.
    fn start(options: ConnectOptions<Self>) -> Result<(Self::Client, Self::Events), StartError>;

    /// Starts the connection and waits for the first outcome.
    ///
    /// # Cancel safety
    /// Where it is a future, dropping it has to give the connection up, and leave no link.
    fn connect(options: ConnectOptions<Self>) -> Self::Connecting;
}

impl<R: Runtime> Adapter for R {
    type Client = Client;
    type Events = Events;
    type Connecting = Connecting;

    fn start(options: ConnectOptions<Self>) -> Result<(Client, Events), StartError> {
        let Prepared {
            client,
            events,
            parts,
            adapter,
        } = options.prepare()?;
        let adapter = Arc::new(adapter);
        adapter.spawn(Driver::new(parts, adapter.clone()))?;
        Ok((client, events))
    }

    fn connect(options: ConnectOptions<Self>) -> Connecting {
        let retry_initial = options.config.retry_initial;
        connecting(Self::start(options), retry_initial)
    }
}

/// What [`ConnectOptions::prepare`] gives an adapter: the handles, and what its driver needs.
#[derive(Debug)]
pub struct Prepared<A> {
    /// The handle of the application.
    pub client: Client,
    /// A stream of all events from the first `Connecting` on.
    pub events: Events,
    /// What the driver needs.
    pub parts: DriverParts,
    /// The adapter, as it was set.
    pub adapter: A,
}

/// What a driver needs. A driver that is not a [`Driver`] calls [`Shared::finish`] at its end, from a guard that
/// also runs when it panics: until then whoever waits goes on waiting.
#[derive(Debug)]
pub struct DriverParts {
    /// The machine, shared with the handles.
    pub shared: Arc<Shared>,
    /// How links are made.
    pub setup: Arc<LinkSetup>,
}

/// How links are made.
#[derive(Clone)]
#[non_exhaustive]
pub struct LinkSetup {
    /// Who we are.
    pub identity: Identity,
    /// How to make TLS.
    pub tls: TlsOptions,
    /// Who finds the addresses of a name.
    pub resolver: Resolver,
    /// The local address to dial from.
    pub local_address: Option<SocketAddr>,
    /// Who chooses the next server.
    pub selector: Option<Selector>,
}

impl LinkSetup {
    /// The server of the next attempt and how long to wait for it, as the application's selector says; the defaults
    /// where there is none.
    ///
    /// # Errors
    /// The selector panicked: the attempt that it was asked about ends so.
    pub fn choose(
        &self,
        servers: &[ServerStatus],
        default: ServerId,
        delay: Duration,
    ) -> Result<(ServerId, Duration), LinkEnd> {
        let Some(select) = &self.selector else {
            return Ok((default, delay));
        };
        caught(|| select(&ServerChoice::new(servers, default, delay)))
            .map_err(|text| panicked("the server selector", &text))
    }
}

impl fmt::Debug for LinkSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkSetup")
            .field("identity", &self.identity)
            .field("tls", &self.tls)
            .field("resolver", &self.resolver)
            .field("local_address", &self.local_address)
            .finish_non_exhaustive()
    }
}

/// An asynchronous runtime. Handles are not generic over it; only the driver is.
pub trait Runtime: Send + Sync + Sized + 'static {
    /// A connected byte stream, plain or TLS.
    type Io: Io;
    /// A timer.
    type Sleep: Future<Output = ()> + Send + 'static;

    /// Runs the driver until it ends.
    ///
    /// # Errors
    /// [`StartError::NoDriver`] if it cannot be run.
    fn spawn(&self, driver: Driver<Self>) -> Result<(), StartError>;

    /// Done at this moment.
    ///
    /// # Cancel safety
    /// It is dropped and made anew when there is an earlier moment to wait for.
    fn sleep_until(&self, deadline: Instant) -> Self::Sleep;

    /// Connects a stream to the host and port of the target. Dropped when the attempt is given up.
    ///
    /// The future must not block the thread. It has no deadline of its own: the machine gives an attempt up when
    /// its deadline has passed.
    ///
    /// # Cancel safety
    /// It is dropped when the attempt is given up: no socket may stay open then.
    fn dial(&self, target: Target) -> impl Future<Output = Result<Self::Io, LinkEnd>> + Send + 'static;

    /// Makes a TLS handshake over the stream; its certificate must be for [`Server::tls_name`] of the target.
    ///
    /// # Cancel safety
    /// It is dropped when the attempt is given up, and the stream with it.
    fn upgrade(
        &self,
        io: Self::Io,
        target: Target,
    ) -> impl Future<Output = Result<Self::Io, LinkEnd>> + Send + 'static;
}

/// Where a stream is to be connected to.
#[derive(Clone, Debug)]
pub struct Target {
    /// The server.
    pub server: Server,
    /// The link to be.
    pub link: LinkId,
    /// How links are made.
    pub setup: Arc<LinkSetup>,
    pub(crate) shared: Arc<Shared>,
}

impl Target {
    /// For adapters with a driver of their own.
    pub fn new(server: Server, link: LinkId, setup: Arc<LinkSetup>, shared: Arc<Shared>) -> Self {
        Self {
            server,
            link,
            setup,
            shared,
        }
    }

    /// Says how far the dialling has come, so that a failure names the right phase.
    pub fn progress(&self, progress: Progress) {
        self.shared
            .with(|connection, now| connection.handle_progress(now, self.link, progress));
    }
}

/// A connected byte stream, polled by the driver without any lock held.
pub trait Io: Send + 'static {
    /// Reads into the spare room of the buffer, whose length grows by what was read. 0 bytes are the end.
    ///
    /// # Errors
    /// As the system says.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>>;

    /// Writes from the front of these pieces.
    ///
    /// # Errors
    /// As the system says.
    fn poll_write(&mut self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    /// Hands what was written to the system.
    ///
    /// # Errors
    /// As the system says.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Says that nothing more will be written.
    ///
    /// # Errors
    /// As the system says.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}
