//! Everything about a connection that can be set.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use nats_proto::{Limits, MAX_CONTROL_LINE, ServerUrl, Subject};

use crate::error::ConfigError;

/// The settings of a [`Connection`](crate::Connection). The defaults are those of the field: see each.
///
/// ```
/// use nats_conn_sm::Config;
///
/// let mut config = Config::new(nats_proto::ServerUrl::parse_list("nats://a:4222,nats://b:4222")?);
/// config.name = Some("billing".into());
/// config.max_reconnects = Some(60);
/// # Ok::<(), nats_proto::UrlError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The servers to begin with. At least one. A server that is named twice counts once; with TLS, if either URL asks
    /// for it ([`ConnectionEvent::ServerTlsRaised`](crate::ConnectionEvent::ServerTlsRaised)). For TLS that differs between servers there are
    /// [`ServerUrl::with_tls_name`] and [`ServerUrl::with_tls_first`].
    pub servers: Vec<ServerUrl>,
    /// The name of the connection, shown by the server's monitoring. Default: none.
    pub name: Option<String>,
    /// The `lang` field of CONNECT. Default: `rust`.
    pub lang: String,
    /// The `version` field of CONNECT. Default: the version of this crate.
    pub version: String,
    /// Asks the server to answer every operation with `+OK`. Default: `false`.
    pub verbose: bool,
    /// Asks the server for stricter checks of subjects. Default: `false`.
    pub pedantic: bool,
    /// Whether the server delivers what this connection publishes to its own subscriptions. Default: `true`.
    pub echo: bool,
    /// What the reply subjects of requests begin with. Default: `_INBOX`.
    pub inbox_prefix: Subject,

    /// The one deadline over all phases of an attempt, from resolving the name to PONG. Default: 5 s.
    pub connect_timeout: Duration,
    /// How long without inbound bytes until a PING is sent. Default: 2 min.
    pub ping_interval: Duration,
    /// How many keep-alive PINGs may be unanswered when the next is due. Default: 2. At least 1.
    pub max_pings_out: u32,
    /// Whether a lost connection is replaced. Default: `true`.
    pub reconnect: bool,
    /// Failed attempts in a row after which a server leaves the pool. Default: no limit. At least 1.
    pub max_reconnects: Option<u32>,
    /// Continue as a reconnect when every server failed at the first round. Default: `false`.
    pub retry_initial: bool,
    /// Shuffle the servers. Default: `true`.
    pub randomize: bool,
    /// Do not learn servers from INFO. Default: `false`.
    pub ignore_discovered: bool,
    /// Ask [`Action::ChooseServer`](crate::Action::ChooseServer) before each attempt. Default: `false`.
    pub custom_selection: bool,
    /// How long to wait between rounds of attempts.
    pub backoff: Backoff,
    /// A link that lived shorter than this since its PONG counts as a failed round. Default: 2 s.
    pub min_stable: Duration,

    /// TLS whatever the URL names, and an attempt without it fails. Default: `false`.
    pub tls_required: bool,
    /// Begin TLS before INFO with every server, as those with `handshake_first` expect. Implies `tls_required`. Default:
    /// `false`. For single servers: [`ServerUrl::with_tls_first`].
    pub tls_first: bool,
    /// Ask [`Action::Authenticate`](crate::Action::Authenticate) at every attempt. The user information of a
    /// server's URL takes precedence over a user, password or token of the answer. Default: `false`: the URL alone.
    pub ask_credentials: bool,
    /// What to do with a password or token that would leave in clear text. Default: [`CleartextPolicy::Warn`].
    pub cleartext_credentials: CleartextPolicy,
    /// How far apart two equal authentication errors of one server, in a row, must be for the server to leave
    /// the pool. Default: 10 s.
    pub auth_strike_gap: Duration,
    /// Never remove a server for its authentication errors. Default: `false`.
    pub ignore_auth_strikes: bool,

    /// What becomes of publishes that were written but not confirmed when the link is lost.
    pub delivery: Delivery,
    /// At most once: how long after a publish was handed out the server is asked to confirm what it has processed, unless it
    /// has confirmed that before; one PING of this kind is outstanding at a time. `None` or zero: only what the application
    /// asks for, such as a flush, confirms. [`Delivery::AtLeastOnce`] asks as often as it needs to, whatever this is set to.
    /// Default: 1 s.
    pub confirm_after: Option<Duration>,
    /// How many bytes of frames are held: queued, handed out and kept. Default: 8 MiB.
    pub send_buffer: usize,
    /// What happens to a publish for which there is no room. Default: [`WhenFull::Error`].
    pub when_full: WhenFull,
    /// The longest control line a server takes, counting its arguments. Default: 4096 bytes.
    pub max_control_line: usize,
    /// Let requests that were written keep waiting when their link is lost. Default: `false`.
    pub requests_survive: bool,

    /// What to do when a server announces that it will shut down. Default: [`LameDuckPolicy::Move`].
    pub lame_duck: LameDuckPolicy,
    /// How long a drain may take. Default: 25 s, so that it ends within the 30 s that Kubernetes leaves
    /// between SIGTERM and SIGKILL.
    pub drain_timeout: Duration,
    /// How long a close may keep writing what is queued. Default: 500 ms.
    pub close_timeout: Duration,
    /// Limits of what is accepted from a server.
    pub limits: Limits,
}

impl Config {
    /// The default settings, for these servers.
    pub fn new(servers: Vec<ServerUrl>) -> Self {
        Self {
            servers,
            name: None,
            lang: String::from("rust"),
            version: String::from(env!("CARGO_PKG_VERSION")),
            verbose: false,
            pedantic: false,
            echo: true,
            inbox_prefix: DEFAULT_INBOX_PREFIX,
            connect_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(120),
            max_pings_out: 2,
            reconnect: true,
            max_reconnects: None,
            retry_initial: false,
            randomize: true,
            ignore_discovered: false,
            custom_selection: false,
            backoff: Backoff::default(),
            min_stable: Duration::from_secs(2),
            tls_required: false,
            tls_first: false,
            ask_credentials: false,
            cleartext_credentials: CleartextPolicy::default(),
            auth_strike_gap: Duration::from_secs(10),
            ignore_auth_strikes: false,
            delivery: Delivery::default(),
            confirm_after: Some(Duration::from_secs(1)),
            send_buffer: 8 << 20,
            when_full: WhenFull::default(),
            max_control_line: MAX_CONTROL_LINE,
            requests_survive: false,
            lame_duck: LameDuckPolicy::default(),
            drain_timeout: Duration::from_secs(25),
            close_timeout: Duration::from_millis(500),
            limits: Limits::default(),
        }
    }

    /// Whether these settings can be used, as [`Connection::new`](crate::Connection::new) asks too.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.servers.is_empty() {
            return Err(ConfigError::NoServers);
        }
        if self.max_reconnects == Some(0) {
            return Err(ConfigError::ZeroMaxReconnects);
        }
        if self.max_pings_out == 0 {
            return Err(ConfigError::ZeroMaxPingsOut);
        }
        for (name, value) in [
            ("connect_timeout", self.connect_timeout),
            ("ping_interval", self.ping_interval),
            ("drain_timeout", self.drain_timeout),
        ] {
            if value.is_zero() {
                return Err(ConfigError::ZeroDuration { setting: name });
            }
        }
        if self.delivery == Delivery::AtLeastOnce && self.when_full == WhenFull::DropOldest {
            return Err(ConfigError::DropOldestWithAtLeastOnce);
        }
        Ok(())
    }
}

const DEFAULT_INBOX_PREFIX: Subject = Subject::from_static("_INBOX");

/// The wait after a round in which no server could be reached:
/// `min(max, base * 2^(rounds - 1))` and a random part on top.
///
/// The random part is uniform in `0..=min(max/2, max(wait/2, jitter))`, so that a thousand clients of one
/// server do not come back at once (ADR-40).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backoff {
    /// The wait after the first round. Default: 100 ms.
    pub base: Duration,
    /// The longest wait, the random part not counted. Default: 4 s.
    pub max: Duration,
    /// The least upper bound of the random part. `None`, the default: 100 ms, and 1 s where TLS is used.
    /// Zero: no random part at all.
    pub jitter: Option<Duration>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(100),
            max: Duration::from_secs(4),
            jitter: None,
        }
    }
}

impl Backoff {
    /// No waits at all. For tests: a server that refuses at once would be dialled in a loop.
    pub const NONE: Self = Self {
        base: Duration::ZERO,
        max: Duration::ZERO,
        jitter: Some(Duration::ZERO),
    };
}

/// What becomes of publishes that were written but not confirmed when their link is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Delivery {
    /// They count as unconfirmed and are not sent again: the server sees each publish once at most.
    #[default]
    AtMostOnce,
    /// They are kept until a PONG confirms them and sent again on the next link, before newer ones and in
    /// order: the server may see one twice, and misses none while the process lives.
    AtLeastOnce,
}

/// What happens to a publish for which the send buffer has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WhenFull {
    /// It is refused with [`PublishError::BufferFull`](crate::PublishError::BufferFull).
    #[default]
    Error,
    /// The oldest publishes that are not handed out yet make room for it.
    DropOldest,
    /// As `Error`, and refused while there is no link. What was accepted before it was lost, and had not been written,
    /// is still sent on the next one.
    Off,
}

/// What to do with a password or token that would leave in clear text for a host that is not loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CleartextPolicy {
    /// Send it, and report it once per server with
    /// [`ConnectionEvent::CleartextCredentials`](crate::ConnectionEvent::CleartextCredentials).
    #[default]
    Warn,
    /// Send it.
    Allow,
    /// Let the attempt fail.
    Refuse,
}

/// What to do when a server announces that it will shut down (lame duck mode, ADR-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LameDuckPolicy {
    /// Only the event: the link stays until the server closes it.
    Notify,
    /// Leave for another server: at a random moment within this time publishes begin to wait for the next link, and
    /// this one is left when everything written is confirmed and no reply is awaited, or 10 s later. Until then
    /// subscriptions are made and ended on it as ever, and a flush is answered unless such a publish lies before it.
    Move {
        /// The window in which the move begins. Default: 10 s.
        within: Duration,
    },
}

impl Default for LameDuckPolicy {
    fn default() -> Self {
        Self::Move {
            within: Duration::from_secs(10),
        }
    }
}
