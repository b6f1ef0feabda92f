//! Everything about a connection that can be set.

use std::fmt;
use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
#[cfg(feature = "nkeys")]
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nats_conn_sm::{
    AuthError, Backoff, CleartextPolicy, Config, ConfigError, Connection, Credentials, Delivery,
    LameDuckPolicy, MailboxLimits, RecordingOptions, ServerId, ServerStatus, Timestamp, WhenFull,
};
use nats_proto::{Limits, Secret, ServerUrl, Subject, UrlError};
use thiserror::Error;

use crate::adapter::{Adapter, DriverParts, LinkSetup, Prepared};
use crate::client::Client;
use crate::credentials::{Challenge, Identity};
use crate::draining::DrainPatience;
use crate::recording::RecordingSink;
use crate::resolve::Resolver;
use crate::shared::{Shared, SharedSettings};
use crate::tls::TlsOptions;

/// Why a connection was not started.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A URL cannot be used.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Two options say the same of who we are.
    #[error("{first} contradicts {second}: set one of them")]
    Contradiction {
        /// The name of one.
        first: &'static str,
        /// The name of the other.
        second: &'static str,
    },
    /// The thread or task that drives the connection cannot be had.
    #[error("cannot run the connection: {detail}")]
    NoDriver {
        /// What the system said.
        detail: String,
    },
    /// The operating system has no random bytes to give, from which inboxes are drawn.
    #[error(
        "the operating system gives no random bytes ({detail}): set a seed of your own that nobody can guess"
    )]
    NoRandomness {
        /// What the system said.
        detail: String,
    },
}

/// The same line: `fn main() -> Result<_, _>` prints errors so.
impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Chooses the server of the next attempt, and how long to wait for it.
pub type Selector = Arc<dyn Fn(&ServerChoice<'_>) -> (ServerId, Duration) + Send + Sync>;

/// Among which servers to choose.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ServerChoice<'a> {
    /// The pool as it is.
    pub servers: &'a [ServerStatus],
    /// The server that would come next by itself.
    pub default: ServerId,
    /// How long would be waited for it.
    pub default_delay: Duration,
}

impl<'a> ServerChoice<'a> {
    /// What [`Action::ChooseServer`](nats_conn_sm::Action::ChooseServer) asks.
    pub fn new(servers: &'a [ServerStatus], default: ServerId, default_delay: Duration) -> Self {
        Self {
            servers,
            default,
            default_delay,
        }
    }
}

/// The settings of a connection. Nothing has to be set, and nothing is read from the environment.
///
/// `A` is where the connection lives; adapters have a name for the whole, such as
/// `nats_conn_tokio::ConnectOptions`.
#[derive(Clone)]
pub struct ConnectOptions<A> {
    pub(crate) config: Config,
    identity: Identity,
    tls: TlsOptions,
    resolver: Resolver,
    local_address: Option<SocketAddr>,
    selector: Option<Selector>,
    mailbox: MailboxLimits,
    patience: Duration,
    drain: DrainPatience,
    event_capacity: usize,
    request_timeout: Duration,
    publish_timeout: Option<Duration>,
    seed: Option<[u8; 32]>,
    recording: Option<(RecordingSink, RecordingOptions)>,
    adapter: A,
}

impl<A: Adapter> ConnectOptions<A> {
    /// Starts the connection and returns at once, before the first attempt: with the client, and with all events
    /// from the first `Connecting` on.
    ///
    /// # Errors
    /// The options cannot be used.
    pub fn start(self) -> Result<(A::Client, A::Events), StartError> {
        A::start(self)
    }

    /// Starts the connection and waits for the first outcome: a session, or that no server could be reached. With
    /// [`retry_initial`](Self::retry_initial) it returns after the first round without success, too, and goes on
    /// trying.
    ///
    /// # Cancel safety
    /// Dropping the future of an asynchronous adapter gives the connection up, whatever it was doing: no link stays. The
    /// first attempt has begun before the first poll.
    pub fn connect(self) -> A::Connecting {
        A::connect(self)
    }
}

impl<A: Default> ConnectOptions<A> {
    /// The default settings, for the servers of this URL, or of a comma-separated list of URLs.
    ///
    /// # Errors
    /// The first URL that cannot be used.
    pub fn from_url(urls: &str) -> Result<Self, UrlError> {
        Ok(Self::new(ServerUrl::parse_list(urls)?))
    }

    /// The default settings, for these servers.
    pub fn new(servers: Vec<ServerUrl>) -> Self {
        Self::with_adapter(servers, A::default())
    }
}

impl<A: Default> Default for ConnectOptions<A> {
    /// The default settings, for `nats://127.0.0.1:4222`.
    fn default() -> Self {
        // It parses, so there is one.
        Self::new(ServerUrl::parse("nats://127.0.0.1:4222").into_iter().collect())
    }
}

impl<A> ConnectOptions<A> {
    /// The default settings, for these servers, in a home that has settings of its own.
    pub fn with_adapter(servers: Vec<ServerUrl>, adapter: A) -> Self {
        Self {
            config: Config::new(servers),
            identity: Identity::default(),
            tls: TlsOptions::default(),
            resolver: Resolver::SYSTEM,
            local_address: None,
            selector: None,
            mailbox: MailboxLimits::default(),
            patience: Duration::from_secs(1),
            drain: DrainPatience {
                hand: Duration::from_secs(10),
                unread: Duration::from_secs(5),
            },
            event_capacity: 4096,
            request_timeout: Duration::from_secs(10),
            publish_timeout: None,
            seed: None,
            recording: None,
            adapter,
        }
    }

    /// The same settings in another home, which has settings of its own.
    pub fn adapter<B>(self, adapter: B) -> ConnectOptions<B> {
        ConnectOptions {
            config: self.config,
            identity: self.identity,
            tls: self.tls,
            resolver: self.resolver,
            local_address: self.local_address,
            selector: self.selector,
            mailbox: self.mailbox,
            patience: self.patience,
            drain: self.drain,
            event_capacity: self.event_capacity,
            request_timeout: self.request_timeout,
            publish_timeout: self.publish_timeout,
            seed: self.seed,
            recording: self.recording,
            adapter,
        }
    }

    /// All settings of the state machine, as they are.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// All settings of the state machine, to be changed directly.
    pub fn config_mut(&mut self) -> &mut Config {
        &mut self.config
    }

    /// The name of the connection, shown by the server's monitoring. Default: none.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.config.name = Some(name.into());
        self
    }

    /// The language and version of the client library that the server is told. Default: `rust`, and the version of
    /// the state machine.
    pub fn library(mut self, lang: impl Into<String>, version: impl Into<String>) -> Self {
        self.config.lang = lang.into();
        self.config.version = version.into();
        self
    }

    /// Asks the server to answer every operation with `+OK`. Default: `false`.
    pub fn verbose(mut self, verbose: bool) -> Self {
        self.config.verbose = verbose;
        self
    }

    /// Asks the server for stricter checks of subjects. Default: `false`.
    pub fn pedantic(mut self, pedantic: bool) -> Self {
        self.config.pedantic = pedantic;
        self
    }

    /// Whether the server delivers what this connection publishes to its own subscriptions. Default: `true`.
    pub fn echo(mut self, echo: bool) -> Self {
        self.config.echo = echo;
        self
    }

    /// What the reply subjects of requests begin with. Default: `_INBOX`.
    pub fn inbox_prefix(mut self, prefix: Subject) -> Self {
        self.config.inbox_prefix = prefix;
        self
    }

    /// The deadline over one whole attempt, from resolving the name to the server's PONG. Default: 5 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = timeout;
        self
    }

    /// How long without inbound bytes until a PING is sent. Default: 2 min.
    pub fn ping_interval(mut self, interval: Duration) -> Self {
        self.config.ping_interval = interval;
        self
    }

    /// How many keep-alive PINGs may be unanswered when the next is due. Default: 2.
    pub fn max_pings_out(mut self, pings: u32) -> Self {
        self.config.max_pings_out = pings;
        self
    }

    /// Whether a lost connection is replaced. Default: `true`.
    pub fn reconnect(mut self, reconnect: bool) -> Self {
        self.config.reconnect = reconnect;
        self
    }

    /// Failed attempts in a row after which a server leaves the pool. Default: no limit.
    pub fn max_reconnects(mut self, attempts: u32) -> Self {
        self.config.max_reconnects = Some(attempts);
        self
    }

    /// Keep trying when no server can be reached at first. Default: `false`.
    pub fn retry_initial(mut self, retry: bool) -> Self {
        self.config.retry_initial = retry;
        self
    }

    /// Shuffle the servers. Default: `true`.
    pub fn randomize(mut self, randomize: bool) -> Self {
        self.config.randomize = randomize;
        self
    }

    /// Do not use servers that servers announce. Default: `false`.
    pub fn ignore_discovered(mut self, ignore: bool) -> Self {
        self.config.ignore_discovered = ignore;
        self
    }

    /// Chooses the server of each attempt. Called by the driver; it must not block. Default: the machine's order.
    pub fn server_selector(
        mut self,
        select: impl Fn(&ServerChoice<'_>) -> (ServerId, Duration) + Send + Sync + 'static,
    ) -> Self {
        self.selector = Some(Arc::new(select));
        self.config.custom_selection = true;
        self
    }

    /// How long to wait between rounds of attempts. Default: see [`Backoff`].
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.config.backoff = backoff;
        self
    }

    /// A link that lived shorter than this counts as a failed round. Default: 2 s.
    pub fn min_stable(mut self, min_stable: Duration) -> Self {
        self.config.min_stable = min_stable;
        self
    }

    /// How to make TLS. Default: no authority is trusted.
    pub fn tls(mut self, tls: TlsOptions) -> Self {
        self.tls = tls;
        self
    }

    /// TLS whatever the URL says; an attempt without it fails. Default: `false`.
    pub fn tls_required(mut self, required: bool) -> Self {
        self.config.tls_required = required;
        self
    }

    /// Begin TLS before INFO with every server, as those with `handshake_first` expect. Default: `false`. For single
    /// servers, and for the name that a certificate must be for, see [`ServerUrl::with_tls_first`] and
    /// [`ServerUrl::with_tls_name`]:
    ///
    /// ```
    /// use nats_conn_client::{ConnectOptions, ServerUrl};
    ///
    /// let first = ServerUrl::parse("tls://10.0.0.1:4222")?.with_tls_name("nats.example.com").with_tls_first(true);
    /// let options = ConnectOptions::<()>::new(vec![first, ServerUrl::parse("tls://backup.example.com")?]);
    /// # Ok::<(), nats_conn_client::proto::UrlError>(())
    /// ```
    pub fn tls_first(mut self, first: bool) -> Self {
        self.config.tls_first = first;
        self
    }

    /// A user with a password. User information in the URL of a server goes before it.
    ///
    /// Everything that is set of who we are goes into CONNECT: a user with a password, or a token, beside an NKEY or a
    /// JWT, as servers with an auth callout may want it. Two of the same kind, such as a token and a user, are
    /// [`StartError::Contradiction`].
    pub fn user_password(mut self, user: impl Into<Secret>, password: impl Into<Secret>) -> Self {
        self.identity
            .set_user_password(Credentials::user_password(user, password));
        self.asking()
    }

    /// A token. User information in the URL of a server goes before it. It may stand beside an NKEY or a JWT: see
    /// [`user_password`](Self::user_password).
    pub fn token(mut self, token: impl Into<Secret>) -> Self {
        self.identity.set_token(Credentials::token(token));
        self.asking()
    }

    /// Credentials that stay as they are. What they leave open other options may say.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.identity.set_credentials(credentials);
        self.asking()
    }

    /// Asks for credentials at every attempt: all of them, so that no other option may say who we are. Servers wait some
    /// 2 s for the answer.
    ///
    /// ```
    /// # use nats_conn_client::{ConnectOptions, Credentials, AuthError, Challenge};
    /// # fn example<A>(options: ConnectOptions<A>) -> ConnectOptions<A> {
    /// options.credentials_callback(|challenge: Challenge| async move {
    ///     let token = "fetched from a vault for each attempt";
    ///     Ok::<_, AuthError>(Credentials::token(token))
    /// })
    /// # }
    /// ```
    pub fn credentials_callback<F, R>(mut self, callback: F) -> Self
    where
        F: Fn(Challenge) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Credentials, AuthError>> + Send + 'static,
    {
        self.identity.set_callback(callback);
        self.asking()
    }

    /// An NKEY, by its seed. It signs the nonce of the server; one that sends none fails the attempt
    /// ([`AuthError::NoNonce`]).
    #[cfg(feature = "nkeys")]
    pub fn nkey_seed(mut self, seed: impl Into<Secret>) -> Self {
        self.identity
            .set_keys("nkey_seed", crate::nkey::KeySource::Seed(seed.into()));
        self.asking()
    }

    /// An NKEY, by a file with its seed, which is read again at every attempt; see [`nkey_seed`](Self::nkey_seed). UTF-8,
    /// with or without a byte order mark.
    #[cfg(feature = "nkeys")]
    pub fn nkey_seed_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.identity
            .set_keys("nkey_seed_file", crate::nkey::KeySource::SeedFile(path.into()));
        self.asking()
    }

    /// A user JWT and its seed, as the text of a `.creds` file. The seed signs the nonce of the server; one that sends none,
    /// because it wants no credentials, gets a signature of nothing.
    #[cfg(feature = "nkeys")]
    pub fn creds(mut self, creds: impl Into<Secret>) -> Self {
        self.identity
            .set_keys("creds", crate::nkey::KeySource::Creds(creds.into()));
        self.asking()
    }

    /// A user JWT and its seed, in a `.creds` file, which is read again at every attempt; see [`creds`](Self::creds).
    /// UTF-8, with or without a byte order mark.
    #[cfg(feature = "nkeys")]
    pub fn creds_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.identity
            .set_keys("creds_file", crate::nkey::KeySource::CredsFile(path.into()));
        self.asking()
    }

    /// What to do with a password or token that would leave in clear text for another host. Default: warn.
    pub fn cleartext_credentials(mut self, policy: CleartextPolicy) -> Self {
        self.config.cleartext_credentials = policy;
        self
    }

    /// How far apart two equal authentication errors of a server must be for it to leave the pool. Default: 10 s.
    pub fn auth_strike_gap(mut self, gap: Duration) -> Self {
        self.config.auth_strike_gap = gap;
        self
    }

    /// Never remove a server for its authentication errors. Default: `false`.
    pub fn ignore_auth_strikes(mut self, ignore: bool) -> Self {
        self.config.ignore_auth_strikes = ignore;
        self
    }

    /// What becomes of publishes that were written but not confirmed when the link is lost. Default: at most once.
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.config.delivery = delivery;
        self
    }

    /// At most once: how long after a publish was handed out the server is asked to confirm what it has processed, unless
    /// it has confirmed that before. Zero: it is asked only by a flush and the like. Default: 1 s.
    pub fn confirm_after(mut self, after: Duration) -> Self {
        self.config.confirm_after = Some(after).filter(|after| !after.is_zero());
        self
    }

    /// How many bytes of publishes are held: queued, handed out and kept. Default: 8 MiB.
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.config.send_buffer = bytes;
        self
    }

    /// What happens to a publish for which there is no room. Default: it is refused, or waits if it may.
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.config.when_full = when_full;
        self
    }

    /// The longest control line that the server takes, its arguments counted. Default: 4096 bytes.
    pub fn max_control_line(mut self, bytes: usize) -> Self {
        self.config.max_control_line = bytes;
        self
    }

    /// Lets requests that were written go on waiting when their link is lost. Default: `false`.
    pub fn requests_survive(mut self, survive: bool) -> Self {
        self.config.requests_survive = survive;
        self
    }

    /// What to do when a server announces that it goes. Default: move to another within 10 s.
    pub fn lame_duck(mut self, policy: LameDuckPolicy) -> Self {
        self.config.lame_duck = policy;
        self
    }

    /// How long a drain may take. Default: 25 s, so that it ends before the 30 s are over that Kubernetes leaves
    /// between the signal to end and the kill.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.config.drain_timeout = timeout;
        self
    }

    /// How long a drain of the connection waits for a message in somebody's hand: for whoever has taken it to come back
    /// to the subscription, or to drop it. Counted from the take or from the beginning of the drain, whichever is
    /// later. Default: 10 s. It is 1 s at most where the task, or the thread, that awaits the drain is the one that last
    /// polled the subscription.
    pub fn drain_hand(mut self, patience: Duration) -> Self {
        self.drain.hand = patience;
        self
    }

    /// How long a drain of the connection waits for a subscription in which messages lie, of which none is in anybody's
    /// hand, and that nobody polls. Counted from the beginning of the drain, or from when somebody last polled it.
    /// Default: 5 s. What is left there then is told as
    /// [`unread`](nats_conn_sm::ClosedReason::Drained::unread). It is 1 s at most where the task, or the thread, that
    /// awaits the drain is the one that last polled the subscription.
    pub fn drain_patience(mut self, patience: Duration) -> Self {
        self.drain.unread = patience;
        self
    }

    /// How long a close may go on writing what is queued. Default: 500 ms.
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.config.close_timeout = timeout;
        self
    }

    /// Limits of what is accepted from a server. Default: see [`Limits`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// How long a request waits for its reply unless it says otherwise. Default: 10 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// How long a publish waits for room unless it says otherwise. Default: as long as it takes.
    pub fn publish_timeout(mut self, timeout: Duration) -> Self {
        self.publish_timeout = Some(timeout);
        self
    }

    /// How much a subscription holds before it counts as slow. Default: 65 536 messages, 64 MiB.
    pub fn mailbox(mut self, limits: MailboxLimits) -> Self {
        self.mailbox = limits;
        self
    }

    /// How long reading waits, in all, for a subscription whose mailbox is more than half full and whose consumer
    /// goes on taking messages, before its messages are dropped. A consumer that empties its mailbox once gets all
    /// of it back; one that takes nothing for 50 ms is not waited for. Zero: reading never waits. Default: 1 s.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How many events a holder of [`Events`](crate::Events) may be behind before it misses some. Default: 4096.
    pub fn event_capacity(mut self, events: usize) -> Self {
        self.event_capacity = events;
        self
    }

    /// Finds the addresses of hosts that are names, at every attempt, within the deadline of that. It is given the host
    /// and the port, and its order counts: addresses that did not work come last, and families take turns. The future
    /// is dropped when the attempt is given up; it must not block the thread, except in the blocking adapter, where it
    /// is waited for on a thread of its own. Default: the operating system's resolver, which is asked on threads of the
    /// process, 8 at most and one for a name, that neither hold up a runtime nor the end of the process.
    ///
    /// ```
    /// # use nats_conn_client::ConnectOptions;
    /// # fn example<A>(options: ConnectOptions<A>) -> ConnectOptions<A> {
    /// options.resolver(|host: String, port: u16| async move {
    ///     match host.as_str() {
    ///         "nats.internal" => Ok(vec![([10, 0, 0, 1], port).into(), ([10, 0, 0, 2], port).into()]),
    ///         _ => Err(std::io::Error::other(format!("no address for {host}"))),
    ///     }
    /// })
    /// # }
    /// ```
    pub fn resolver<F, R>(mut self, resolve: F) -> Self
    where
        F: Fn(String, u16) -> R + Send + Sync + 'static,
        R: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        self.resolver = Resolver::own(resolve);
        self
    }

    /// The local address to dial from. Default: the system chooses.
    pub fn local_address(mut self, address: SocketAddr) -> Self {
        self.local_address = Some(address);
        self
    }

    /// The seed of the state machine, from which it draws inboxes, jitter and the order of servers. For tests:
    /// who knows it can guess inboxes. Default: from the operating system.
    pub fn seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Writes a recording of the connection there, to be replayed with the example `replay` of `nats-conn-sm`. It
    /// may be shown to others: secrets and payloads are fillers. Each turn of the driver writes once, without the lock
    /// of the machine, and waits for that: give it a file. Where writing fails recording ends, the connection
    /// does not. Of clones of these options the first connection made is recorded. Default: no recording.
    pub fn record(self, writer: impl Write + Send + 'static) -> Self {
        self.record_with(writer, RecordingOptions::default())
    }

    /// The same with settings, such as payloads in full.
    pub fn record_with(mut self, writer: impl Write + Send + 'static, options: RecordingOptions) -> Self {
        self.recording = Some((RecordingSink::new(writer), options));
        self
    }

    /// Whether these options can be used, as starting asks too.
    ///
    /// # Errors
    /// The first setting that cannot be used, or two that contradict each other.
    pub fn check(&self) -> Result<(), StartError> {
        if let Some((first, second)) = self.identity.contradiction() {
            return Err(StartError::Contradiction { first, second });
        }
        Ok(self.config.validate()?)
    }

    /// For adapters: makes the machine and the handles. The driver is still to be run.
    ///
    /// # Errors
    /// The options cannot be used.
    pub fn prepare(self) -> Result<Prepared<A>, StartError> {
        self.check()?;
        let epoch = Instant::now();
        let ping_interval = self.config.ping_interval;
        let seed = self.seed.map_or_else(system_seed, Ok)?;
        let recording = self
            .recording
            .and_then(|(sink, options)| Some((sink.take()?, options)));
        let (connection, recording) = match recording {
            Some((writer, options)) => {
                let connection = Connection::recorded(self.config, seed, Timestamp::ZERO, options)?;
                (connection, Some(writer))
            }
            None => (Connection::new(self.config, seed, Timestamp::ZERO)?, None),
        };
        let settings = SharedSettings {
            mailbox: self.mailbox,
            // What has arrived and was not read is no silence: between two keep-alives there is a read.
            patience: self.patience.min(ping_interval),
            drain: self.drain,
            event_capacity: self.event_capacity,
        };
        let shared = Shared::new(connection, epoch, settings, recording);
        let events = shared.hub().subscribe();
        let setup = Arc::new(LinkSetup {
            identity: self.identity,
            tls: self.tls,
            resolver: self.resolver,
            local_address: self.local_address,
            selector: self.selector,
        });
        Ok(Prepared {
            client: Client::new(shared.clone(), self.request_timeout, self.publish_timeout),
            events,
            parts: DriverParts { shared, setup },
            adapter: self.adapter,
        })
    }

    fn asking(mut self) -> Self {
        self.config.ask_credentials = true;
        self
    }
}

impl<A> fmt::Debug for ConnectOptions<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("config", &self.config)
            .field("identity", &self.identity)
            .field("tls", &self.tls)
            .field("mailbox", &self.mailbox)
            .finish_non_exhaustive()
    }
}

/// 32 bytes that nobody can guess.
fn system_seed() -> Result<[u8; 32], StartError> {
    let mut seed = [0; 32];
    match getrandom::fill(&mut seed) {
        Ok(()) => Ok(seed),
        Err(error) => Err(StartError::NoRandomness {
            detail: error.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_the_server_of_this_machine_is_meant() {
        let options = ConnectOptions::<()>::default();
        let servers: Vec<String> = options.config.servers.iter().map(ServerUrl::to_string).collect();
        assert_eq!(servers, ["nats://127.0.0.1:4222"]);
    }
}
