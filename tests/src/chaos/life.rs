//! One connection from its beginning to its end, and what it says of itself.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nats_conn_client::driver::blocking;
use nats_conn_client::{
    Backoff, Client, ClientEvent, ConnectOptions, ConnectionEvent, Delivery, Events, LameDuckPolicy,
    SeqRanges, StartError, TlsOptions,
};

use super::account::{Account, Fate, Role};
use crate::grammar::Grammar;

/// What a drain may take, and a close.
pub(super) const DRAIN: Duration = Duration::from_secs(10);
/// How much longer than promised anything may take, on a machine that is busy with other things.
pub(super) const SLACK: Duration = Duration::from_secs(20);
/// A recording ends behind so many bytes.
const RECORDING: u64 = 24 << 20;

type Start = dyn Fn(ConnectOptions<()>) -> Result<(Client, Events), StartError> + Send + Sync;
type StartBlocking = dyn Fn(ConnectOptions<()>) -> Result<(nats_conn_std::Client, nats_conn_std::Events), StartError>
    + Send
    + Sync;

/// An adapter: how connections are started with it.
#[derive(Clone)]
pub struct Starter {
    /// For reports.
    pub name: &'static str,
    start: Arc<Start>,
    pub(super) start_blocking: Option<Arc<StartBlocking>>,
}

impl Starter {
    /// Connections are started so, on any thread.
    pub fn new(
        name: &'static str,
        start: impl Fn(ConnectOptions<()>) -> Result<(Client, Events), StartError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            start: Arc::new(start),
            start_blocking: None,
        }
    }

    pub(super) fn has_crowds(&self) -> bool {
        self.start_blocking.is_some()
    }

    /// The same, and crowds with the blocking client.
    pub fn with_crowds(
        mut self,
        start: impl Fn(ConnectOptions<()>) -> Result<(nats_conn_std::Client, nats_conn_std::Events), StartError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.start_blocking = Some(Arc::new(start));
        self
    }
}

/// What all lives of a run share.
pub(super) struct Setting {
    pub(super) urls: String,
    /// The same with TLS, and what to trust.
    pub(super) tls_urls: String,
    pub(super) authority: PathBuf,
    pub(super) seed: u64,
    /// Milliseconds, at least and at most.
    pub(super) lifetime: (u64, u64),
    /// Messages a second of one publisher.
    pub(super) rate: u64,
    pub(super) recordings: PathBuf,
    /// No link is harmed any more: all lives end.
    pub(super) calm: AtomicBool,
    pub(super) lives: AtomicU32,
    pub(super) tally: Arc<Tally>,
}

/// For lines that show progress.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) published: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) answered: AtomicU64,
    pub(super) unanswered: AtomicU64,
    pub(super) disconnects: AtomicU64,
}

impl Setting {
    pub(super) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }
}

/// The file with the recording of a life.
pub(super) fn recording_name(life: u32) -> String {
    format!("life-{life}.recording")
}

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Drain,
    Close,
    /// Its handles are dropped.
    Drop,
}

pub(super) struct Life<'a> {
    client: Option<Client>,
    pub(super) account: Account,
    setting: &'a Setting,
    events: Events,
    grammar: Grammar,
    /// `Draining` was reported.
    draining: bool,
    /// The application ends it: the end of its last session is no loss.
    ending: bool,
    /// Up to which publish fates were noted.
    settled: usize,
}

impl<'a> Life<'a> {
    /// Starts one. It is in the account if that cannot be done.
    pub(super) fn start(
        setting: &'a Setting,
        starter: &Starter,
        role: Role,
        delivery: Delivery,
    ) -> Result<Self, Box<Account>> {
        let start = |options| {
            let (client, events) = (starter.start)(options)?;
            Ok((client, events, ()))
        };
        Self::start_with(setting, starter, role, delivery, start).map(|(life, ())| life)
    }

    /// The same in another way, which gives something more.
    pub(super) fn start_with<T>(
        setting: &'a Setting,
        starter: &Starter,
        role: Role,
        delivery: Delivery,
        start: impl FnOnce(ConnectOptions<()>) -> Result<(Client, Events, T), StartError>,
    ) -> Result<(Self, T), Box<Account>> {
        let life = setting.lives.fetch_add(1, Ordering::Relaxed) + 1;
        let mut account = Account::new(life, starter.name, role, delivery);
        let started = options(setting, life, delivery).and_then(|options| {
            let options = options.name(account.name());
            start(options).map_err(|error| error.to_string())
        });
        match started {
            Ok((client, events, more)) => Ok((
                Self {
                    client: Some(client),
                    account,
                    setting,
                    events,
                    grammar: Grammar::default(),
                    draining: false,
                    ending: false,
                    settled: 0,
                },
                more,
            )),
            Err(error) => {
                account.wrong.push(format!("it does not start: {error}"));
                Err(Box::new(account))
            }
        }
    }

    /// One more handle.
    pub(super) fn client(&self) -> Client {
        self.client.clone().expect("it ends with the life")
    }

    pub(super) fn wrong(&mut self, text: String) {
        let why = self.client.as_ref().map(Client::why);
        self.account
            .wrong
            .push(format!("{text}; {}", why.unwrap_or_default()));
    }

    /// Counts what came of a call.
    pub(super) fn ended(&mut self, what: impl Into<String>) {
        *self.account.ends.entry(what.into()).or_default() += 1;
    }

    pub(super) fn force_reconnect(&mut self) {
        self.grammar.may_be_cut_short();
        if let Err(error) = self.client().force_reconnect() {
            self.wrong(format!("it cannot be forced to reconnect: {error}"));
        }
    }

    /// It is not held from here any more.
    pub(super) fn let_go(&mut self) {
        self.client = None;
    }

    /// Takes events.
    pub(super) fn listen(&mut self) {
        while let Some(event) = self.events.try_next() {
            self.note(event);
        }
    }

    /// Up to which publish all fates are final.
    pub(super) fn settled(&self) -> u64 {
        let client = self.client.as_ref();
        client.map_or(u64::MAX, |client| client.publish_fates().settled)
    }

    /// Takes events, and notes whose fate is final.
    pub(super) fn look(&mut self) {
        self.listen();
        let settled = self.settled();
        let now = Instant::now();
        while let Some(published) = self.account.published.get_mut(self.settled) {
            if published.seq.is_some_and(|seq| seq > settled) {
                break;
            }
            published.until.get_or_insert(now);
            self.settled += 1;
        }
    }

    fn note(&mut self, event: ClientEvent) {
        match &event {
            ClientEvent::Connection(event) => {
                if let Err(error) = self.grammar.event(&event.clone().into()) {
                    self.wrong(error);
                }
                self.note_of_connection(event);
            }
            ClientEvent::SlowConsumer { .. } => {}
            other => self.wrong(other.to_string()),
        }
    }

    fn note_of_connection(&mut self, event: &ConnectionEvent) {
        match event {
            ConnectionEvent::Connected(_) | ConnectionEvent::Reconnected(_) => self.account.sessions += 1,
            ConnectionEvent::Disconnected {
                unconfirmed, reason, ..
            } => {
                if self.ending && reason.code() == "closed" {
                    self.account.unconfirmed_by_end.extend(unconfirmed.iter());
                } else {
                    self.account.disconnects += 1;
                    self.setting.tally.disconnects.fetch_add(1, Ordering::Relaxed);
                }
                self.lost(Fate::Unconfirmed, unconfirmed);
            }
            ConnectionEvent::PublishDropped { publishes, .. } => self.lost(Fate::Dropped, publishes),
            ConnectionEvent::Draining => self.draining = true,
            ConnectionEvent::Closed { reason } => self.account.closed = Some(reason.clone()),
            ConnectionEvent::ServerRemoved { .. }
            | ConnectionEvent::PermissionDenied { .. }
            | ConnectionEvent::ServerSkipped { .. } => self.wrong(event.to_string()),
            _ => {}
        }
    }

    fn lost(&mut self, fate: Fate, publishes: &SeqRanges) {
        self.account
            .lost
            .extend(publishes.iter().map(|range| (fate, range)));
        if self.draining {
            self.account.lost_while_draining += publishes.count();
        }
    }

    /// Begins the end. What the subscription still gives is to be taken before [`finish`](Self::finish).
    pub(super) fn begin_end(&mut self, end: End) {
        self.look();
        self.ending = true;
        self.account.calm_end = end == End::Drain && self.setting.is_calm();
        match end {
            End::Drain => self.client().begin_drain(),
            End::Close => self.client().begin_close(),
            End::Drop => {}
        }
    }

    /// Waits for the end. Where it is the last drop, nobody else holds the connection any more.
    pub(super) fn finish(mut self, end: End) -> Account {
        if end == End::Drop {
            self.let_go();
        } else {
            let closed = self.client.as_ref().map(Client::closed);
            let in_time =
                |closed| blocking::wait(Some(Instant::now() + DRAIN + SLACK), pin!(closed)).is_some();
            if !closed.is_some_and(in_time) {
                self.wrong(format!("{end:?} has not ended"));
            }
        }
        let deadline = Instant::now() + SLACK;
        while let Some(Some(event)) = blocking::wait_for(Some(deadline), |cx| self.events.poll_event(cx)) {
            self.note(event);
        }
        self.look();
        if let Some(client) = &self.client {
            self.account.fates = Some(client.publish_fates());
            let requests = client.statistics().requests;
            if requests > 0 {
                self.wrong(format!("{requests} requests are pending"));
            }
        }
        self.account
    }
}

fn options(setting: &Setting, life: u32, delivery: Delivery) -> Result<ConnectOptions<()>, String> {
    let mut backoff = Backoff::default();
    backoff.base = Duration::from_millis(10);
    backoff.max = Duration::from_millis(300);
    backoff.jitter = Some(Duration::from_millis(20));
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&setting.seed.to_le_bytes());
    seed[8..12].copy_from_slice(&life.to_le_bytes());
    let file = File::create(setting.recordings.join(recording_name(life)))
        .map_err(|error| format!("no recording: {error}"))?;
    let with_tls = life.is_multiple_of(3);
    let urls = if with_tls {
        &setting.tls_urls
    } else {
        &setting.urls
    };
    let options = ConnectOptions::<()>::from_url(urls).map_err(|error| error.to_string())?;
    Ok(options
        .tls(TlsOptions::new().with_ca_file(&setting.authority))
        .seed(seed)
        .record(Short {
            file,
            left: RECORDING,
        })
        .delivery(delivery)
        .backoff(backoff)
        .min_stable(Duration::from_millis(100))
        .connect_timeout(Duration::from_secs(2))
        .ping_interval(Duration::from_millis(700))
        .max_pings_out(2)
        // The servers announce themselves, and not their proxies.
        .ignore_discovered(true)
        .retry_initial(true)
        .send_buffer(1 << 20)
        .event_capacity(1 << 16)
        .drain_timeout(DRAIN)
        // Without patience slow subscribers lose messages.
        .patience(Duration::from_secs(u64::from(life % 2)))
        .lame_duck(LameDuckPolicy::Move {
            within: Duration::from_millis(300),
        }))
}

/// A file that takes so many bytes.
struct Short {
    file: File,
    left: u64,
}

impl Write for Short {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or_else(|| io::Error::other("the recording is long enough"))?;
        self.file.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
