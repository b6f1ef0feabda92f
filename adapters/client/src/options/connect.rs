//! Everything about a connection that can be set.

use std::fmt;
use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nats_conn_sm::{
    Backoff, Config, Delivery, LameDuckPolicy, MailboxLimits, RecordingOptions, ServerId, ServerStatus,
    WhenFull,
};
use nats_proto::{InvalidSubject, Limits, ServerUrl, Subject, UrlError};

use crate::core::draining::DrainPatience;
use crate::core::recording::RecordingSink;
use crate::error::start::StartError;
use crate::options::identity::Identity;
use crate::options::resolver::Resolver;
use crate::options::selector::{ReconnectDelay, Selector, ServerChoice};
use crate::options::tls::TlsOptions;

/// The settings of a connection. Nothing has to be set. Of the environment only `SSL_CERT_FILE` and `SSL_CERT_DIR` count, and
/// only where the roots of the system are trusted: see [`TlsOptions`].
///
/// # Times
/// They mean what they say, here and wherever a call takes one: [`Duration::ZERO`] is at once, and [`Duration::MAX`] is never,
/// or for ever. What cannot be at once is [`StartError::Config`]: `connect_timeout`, `ping_interval` and `drain_timeout` must not
/// be zero. What follows from it:
///
/// | option | zero | `Duration::MAX` |
/// |---|---|---|
/// | [`connect_timeout`](Self::connect_timeout) | an error | an attempt takes as long as it takes |
/// | [`ping_interval`](Self::ping_interval) | an error | no keep-alive, and no dead peer is found by it |
/// | [`backoff`](Self::backoff): `base`, `max` | no wait | `base`: as long as `max`; both: until a reconnect is forced |
/// | `Backoff::jitter` | no random part | one of up to half of `max` |
/// | [`reconnect_delay`](Self::reconnect_delay), the wait of a [`server_selector`](Self::server_selector) | no wait | until a reconnect is forced |
/// | [`min_stable`](Self::min_stable) | every session was a success | every lost link counts as a failed round |
/// | [`auth_strike_gap`](Self::auth_strike_gap) | two equal refusals are enough | a server never leaves for them |
/// | [`confirm_after`](Self::confirm_after) | not asked: the one exception | not asked |
/// | [`lame_duck`](Self::lame_duck): `within` | moves at once | stays until the server closes the link |
/// | [`drain_timeout`](Self::drain_timeout) | an error | a drain waits for all there is to wait for |
/// | [`drain_hand`](Self::drain_hand), [`drain_patience`](Self::drain_patience) | nobody is waited for | only `drain_timeout` ends the wait |
/// | [`close_timeout`](Self::close_timeout) | what is queued is dropped | a close waits until all of it is written |
/// | [`request_timeout`](Self::request_timeout) | timed out, and not sent | waits until it is answered or the connection closes |
/// | [`publish_timeout`](Self::publish_timeout) | room is there, or it fails | waits for room |
/// | [`patience`](Self::patience) | reading never waits for a consumer | it waits for one that makes progress, between two keep-alives |
///
/// `A` is where the connection lives; adapters have a name for the whole, such as
/// `nats_conn_tokio::ConnectOptions`.
#[derive(Clone)]
pub struct ConnectOptions<A> {
    pub(crate) config: Config,
    /// What is wrong with the prefix of inboxes that was given last, if something is.
    pub(crate) inbox_prefix: Result<(), InvalidSubject>,
    pub(crate) identity: Identity,
    pub(crate) tls: TlsOptions,
    pub(crate) resolver: Resolver,
    pub(crate) local_address: Option<SocketAddr>,
    pub(crate) selector: Option<Selector>,
    pub(crate) reconnect_delay: Option<ReconnectDelay>,
    pub(crate) read_buffer: usize,
    pub(crate) mailbox: MailboxLimits,
    pub(crate) patience: Duration,
    pub(crate) drain: DrainPatience,
    pub(crate) event_capacity: usize,
    pub(crate) request_timeout: Duration,
    pub(crate) publish_timeout: Option<Duration>,
    pub(crate) seed: Option<[u8; 32]>,
    pub(crate) recording: Option<(RecordingSink, RecordingOptions)>,
    pub(crate) adapter: A,
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
    /// The default settings, for these servers, with an adapter that has settings of its own.
    pub fn with_adapter(servers: Vec<ServerUrl>, adapter: A) -> Self {
        Self {
            config: Config::new(servers),
            inbox_prefix: Ok(()),
            identity: Identity::default(),
            tls: TlsOptions::default(),
            resolver: Resolver::SYSTEM,
            local_address: None,
            selector: None,
            reconnect_delay: None,
            read_buffer: 64 << 10,
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

    /// The same settings with another adapter, which has settings of its own.
    pub fn adapter<B>(self, adapter: B) -> ConnectOptions<B> {
        ConnectOptions {
            config: self.config,
            inbox_prefix: self.inbox_prefix,
            identity: self.identity,
            tls: self.tls,
            resolver: self.resolver,
            local_address: self.local_address,
            selector: self.selector,
            reconnect_delay: self.reconnect_delay,
            read_buffer: self.read_buffer,
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

    /// The language and version of the client library that CONNECT names. Default: `rust`, and the version of
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

    /// What the reply subjects of requests begin with: a subject, as text or checked already. One that is none is told
    /// when the connection starts, and by [`check`](Self::check). Default: `_INBOX`.
    pub fn inbox_prefix(mut self, prefix: impl TryInto<Subject, Error: Into<InvalidSubject>>) -> Self {
        self.inbox_prefix = match prefix.try_into() {
            Ok(prefix) => {
                self.config.inbox_prefix = prefix;
                Ok(())
            }
            Err(error) => Err(error.into()),
        };
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

    /// Chooses the server of each attempt, and how long to wait for it. Called by the driver; it must not block, and it may
    /// call the connection, but must not wait for it. A panic in it fails the attempt. Where only the wait is to be another, there is [`reconnect_delay`](Self::reconnect_delay).
    /// Default: the machine's order.
    pub fn server_selector(
        mut self,
        select: impl Fn(&ServerChoice<'_>) -> (ServerId, Duration) + Send + Sync + 'static,
    ) -> Self {
        self.selector = Some(Arc::new(select));
        self.config.custom_selection = true;
        self
    }

    /// Gives how long to wait before each attempt. It is given the number of the attempt with this server, 1 after one that
    /// worked, and the server, which is that of the machine's order. [`Duration::ZERO`] is at once; [`Duration::MAX`] is
    /// until a reconnect is forced, the servers are replaced, or the connection is closed. Only the very first attempt of a
    /// connection waits for nothing, whatever this gives.
    ///
    /// It takes the place of [`backoff`](Self::backoff), which waits after each round of servers only: between servers of a
    /// round, too, this is asked. A [`server_selector`](Self::server_selector) gives the wait itself: both are
    /// [`StartError::Contradiction`]. Called by the driver; it must not block, and it may call the connection, but must not
    /// wait for it. A panic in it fails the attempt. Default: none.
    ///
    /// ```
    /// # use nats_conn_client::ConnectOptions;
    /// # use std::time::Duration;
    /// # fn example<A>(options: ConnectOptions<A>) -> ConnectOptions<A> {
    /// // As other clients do: 2 s between two attempts with one server, and none between servers.
    /// options.reconnect_delay(|attempt, _| if attempt == 1 { Duration::ZERO } else { Duration::from_secs(2) })
    /// # }
    /// ```
    pub fn reconnect_delay(
        mut self,
        delay: impl Fn(u32, &ServerStatus) -> Duration + Send + Sync + 'static,
    ) -> Self {
        self.reconnect_delay = Some(Arc::new(delay));
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

    /// What becomes of publishes that were written but not confirmed when the link is lost. Default: at most once.
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.config.delivery = delivery;
        self
    }

    /// At most once: how long after a publish was handed out the server is asked to confirm what it has processed, unless
    /// it has confirmed that before. [`Duration::ZERO`] switches it off, as [`Duration::MAX`] does: the server is asked only by
    /// a flush and the like. Default: 1 s.
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
    /// Default: 5 s. What is left there then is reported as
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

    /// How long a request waits, for room and for its reply together, unless it says otherwise. Default: 10 s.
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

    /// For how many bytes a read makes room, at most; for more where a frame is larger, and memory that is there already is used.
    /// Little spares memory where there are many connections: each holds the room of its next read. Much spares system calls
    /// where much arrives. Less than 512 counts as 512, and more than 16 MiB as 16 MiB. Default: 64 KiB.
    pub fn read_buffer(mut self, bytes: usize) -> Self {
        self.read_buffer = bytes.clamp(512, 16 << 20);
        self
    }

    /// The local address to dial from. Default: the system chooses.
    pub fn local_address(mut self, address: SocketAddr) -> Self {
        self.local_address = Some(address);
        self
    }

    /// The seed of the state machine, from which it draws the inboxes of requests, jitter and the order of servers. For tests:
    /// who knows it can guess those inboxes. Default: from the operating system, from which the key of
    /// [`Client::new_inbox`](crate::Client::new_inbox) comes in any case.
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
        if self.selector.is_some() && self.reconnect_delay.is_some() {
            let (first, second) = ("server_selector", "reconnect_delay");
            return Err(StartError::Contradiction { first, second });
        }
        if let Err(reason) = self.inbox_prefix {
            return Err(StartError::InboxPrefix { reason });
        }
        Ok(self.config.validate()?)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_the_server_of_this_machine_is_meant() {
        let options = ConnectOptions::<()>::default();
        let servers: Vec<String> = options.config.servers.iter().map(ServerUrl::to_string).collect();
        assert_eq!(servers, ["nats://127.0.0.1:4222"]);
    }

    #[test]
    fn who_chooses_the_server_also_chooses_the_wait() {
        let options = ConnectOptions::<()>::default().reconnect_delay(|_, _| Duration::ZERO);
        assert_eq!(options.check(), Ok(()));
        let both = options.server_selector(|choice| (choice.default, choice.default_delay));
        let (first, second) = ("server_selector", "reconnect_delay");
        assert_eq!(both.check(), Err(StartError::Contradiction { first, second }));
    }

    #[test]
    fn a_prefix_of_inboxes_that_is_no_subject_is_told_by_the_start_and_a_later_one_replaces_it() {
        let options = ConnectOptions::<()>::default();
        for bad in ["", "a b", "a.*", ".a"] {
            let reason = Subject::new(bad).unwrap_err();
            let options = options.clone().inbox_prefix(bad);
            assert_eq!(options.check(), Err(StartError::InboxPrefix { reason }));
            let started = options.clone().prepare().map(|_| ());
            assert_eq!(started, Err(StartError::InboxPrefix { reason }));
            assert_eq!(options.inbox_prefix("mine").check(), Ok(()));
        }
        let subject = Subject::from_static("mine");
        for options in [
            options.clone().inbox_prefix(String::from("mine")),
            options.clone().inbox_prefix(&subject),
            options.inbox_prefix(subject.clone()),
        ] {
            assert_eq!(options.config().inbox_prefix, subject);
        }
    }

    #[test]
    fn a_read_has_room_for_something_and_not_for_everything() {
        for (bytes, expected) in [(0, 512), (1000, 1000), (usize::MAX, 16 << 20)] {
            let options = ConnectOptions::<()>::default().read_buffer(bytes);
            assert_eq!(options.read_buffer, expected);
        }
    }

    #[test]
    fn no_time_at_all_switches_the_questions_for_confirmation_off() {
        let second = Duration::from_secs(1);
        for (after, expected) in [(Duration::ZERO, None), (second, Some(second))] {
            let options = ConnectOptions::<()>::default().confirm_after(after);
            assert_eq!(options.config().confirm_after, expected);
        }
    }
}
