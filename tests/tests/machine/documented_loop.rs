//! The loop that `nats-conn-sm` brings for drivers, against the model server: with every setting and every way in which a
//! link can end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::BytesMut;
use nats_conn_sm::pump::{News, Outside, Pump};
use nats_conn_sm::recording::{Input, Recording};
use nats_conn_sm::{
    Action, AuthError, CleartextPolicy, ClosedReason, Config, Connection, ConnectionEvent, Credentials,
    Delivery, Event, LameDuckPolicy, LinkEnd, Publish, RecordingOptions, RequestError, Server, Timestamp,
    WhenFull,
};
use nats_conn_tests::golden;
use nats_conn_tests::model_server::{Auth, Cluster, Ending, PeerId, Reaction, Settings, Tls};
use nats_conn_tests::scenario::{seed_bytes, url};
use nats_proto::{ServerUrl, Subject, SubjectFilter};

const SECOND: Duration = Duration::from_secs(1);
const OURS: Subject = Subject::from_static("ours");
/// More turns than any of these lives needs: the loop spins.
const TURNS: u32 = 10_000;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mishap {
    /// Nothing; the application closes.
    None,
    /// Nothing; the application drains.
    Drained,
    /// The first two dials are refused.
    Refused,
    /// The first dial is never answered.
    Unanswered,
    /// The TLS handshake of the first link fails, where there is one; else its server closes before INFO.
    NoHandshake,
    /// The server is torn down in the session and is back a second later.
    Crash,
    /// The server closes its side in the session.
    Eof,
    /// Reading fails in the session.
    ReadError,
    /// Writing fails in the session, and what the server sent before is in the socket.
    WriteError,
    /// The server does nothing any more, and the socket stays.
    Silence,
    /// A reconnect is forced.
    Forced,
}

const MISHAPS: [Mishap; 11] = [
    Mishap::None,
    Mishap::Drained,
    Mishap::Refused,
    Mishap::Unanswered,
    Mishap::NoHandshake,
    Mishap::Crash,
    Mishap::Eof,
    Mishap::ReadError,
    Mishap::WriteError,
    Mishap::Silence,
    Mishap::Forced,
];

/// One setting that is not the default, and what the server needs for it.
type Setting = (&'static str, fn(&mut Config), fn(&mut Settings));

fn as_usual(_: &mut Settings) {}

/// Every field of [`Config`], at least once.
const SETTINGS: &[Setting] = &[
    (
        "servers",
        |config| config.servers = list("nats://n1.test,nats://n1.test:4223"),
        as_usual,
    ),
    ("name", |config| config.name = Some("loop".into()), as_usual),
    ("lang", |config| config.lang = "rs".into(), as_usual),
    ("version", |config| config.version = "0".into(), as_usual),
    ("verbose", |config| config.verbose = true, as_usual),
    ("pedantic", |config| config.pedantic = true, as_usual),
    ("echo", |config| config.echo = false, as_usual),
    (
        "inbox_prefix",
        |config| config.inbox_prefix = Subject::from_static("in.box"),
        as_usual,
    ),
    (
        "connect_timeout",
        |config| config.connect_timeout = SECOND,
        as_usual,
    ),
    ("ping_interval", |config| config.ping_interval = SECOND, as_usual),
    ("max_pings_out", |config| config.max_pings_out = 1, as_usual),
    ("reconnect", |config| config.reconnect = false, as_usual),
    (
        "max_reconnects",
        |config| config.max_reconnects = Some(9),
        as_usual,
    ),
    ("retry_initial", |config| config.retry_initial = true, as_usual),
    ("randomize", |config| config.randomize = false, as_usual),
    (
        "ignore_discovered",
        |config| config.ignore_discovered = true,
        as_usual,
    ),
    (
        "custom_selection",
        |config| config.custom_selection = true,
        as_usual,
    ),
    (
        "custom_selection",
        |config| (config.custom_selection, config.retry_initial) = (true, true),
        as_usual,
    ),
    (
        "backoff",
        |config| config.backoff.max = Duration::from_millis(10),
        as_usual,
    ),
    (
        "min_stable",
        |config| config.min_stable = Duration::ZERO,
        as_usual,
    ),
    (
        "tls_required",
        |config| config.tls_required = true,
        |settings| settings.tls = Tls::Required,
    ),
    (
        "tls_required",
        |config| (config.tls_required, config.custom_selection) = (true, true),
        |settings| settings.tls = Tls::Available,
    ),
    (
        "tls_first",
        |config| config.tls_first = true,
        |settings| settings.tls = Tls::First,
    ),
    (
        "ask_credentials",
        |config| config.ask_credentials = true,
        with_password,
    ),
    (
        "cleartext_credentials",
        |config| {
            config.cleartext_credentials = CleartextPolicy::Allow;
            config.servers = list("nats://ann:s3cret@n1.test");
        },
        with_password,
    ),
    (
        "auth_strike_gap",
        |config| config.auth_strike_gap = Duration::ZERO,
        as_usual,
    ),
    (
        "ignore_auth_strikes",
        |config| config.ignore_auth_strikes = true,
        as_usual,
    ),
    (
        "delivery",
        |config| config.delivery = Delivery::AtLeastOnce,
        as_usual,
    ),
    ("confirm_after", |config| config.confirm_after = None, as_usual),
    ("send_buffer", |config| config.send_buffer = 64, as_usual),
    (
        "when_full",
        |config| config.when_full = WhenFull::DropOldest,
        as_usual,
    ),
    ("when_full", |config| config.when_full = WhenFull::Off, as_usual),
    (
        "max_control_line",
        |config| config.max_control_line = 512,
        as_usual,
    ),
    (
        "requests_survive",
        |config| config.requests_survive = true,
        as_usual,
    ),
    (
        "lame_duck",
        |config| config.lame_duck = LameDuckPolicy::Notify,
        as_usual,
    ),
    ("drain_timeout", |config| config.drain_timeout = SECOND, as_usual),
    (
        "close_timeout",
        |config| config.close_timeout = Duration::ZERO,
        as_usual,
    ),
    ("limits", |config| config.limits.payload = 1 << 10, as_usual),
];

fn list(urls: &str) -> Vec<ServerUrl> {
    ServerUrl::parse_list(urls).expect("URLs")
}

fn with_password(settings: &mut Settings) {
    settings.auth = Auth::Password {
        user: "ann".into(),
        password: "s3cret".into(),
    };
}

#[test]
fn every_setting_has_a_row() {
    let printed = format!("{:#?}", Config::new(vec![url("nats://n1.test")]));
    let fields: BTreeSet<&str> = printed
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.split_once(": "))
        .map(|(name, _)| name)
        .filter(|name| !name.starts_with(' '))
        .collect();
    let rows: BTreeSet<&str> = SETTINGS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(fields, rows);
}

// behaviour: 1.1, 1.4, 11.2
#[test]
fn the_loop_of_the_documentation_holds_with_every_setting_and_whatever_goes_wrong() {
    for (name, set, serve) in SETTINGS {
        for mishap in MISHAPS {
            let mut config = Config::new(vec![url("nats://n1.test")]);
            set(&mut config);
            let life = Life::lived(config.clone(), *serve, mishap);
            let story = format!("{name} and {mishap:?}:\n{:#?}", life.reported);
            let at_first = matches!(mishap, Mishap::Refused | Mishap::Unanswered | Mishap::NoHandshake);
            let another = config.servers.len() > 1 && mishap != Mishap::Refused;
            let in_session = !at_first && !matches!(mishap, Mishap::None | Mishap::Drained);
            let expected = match mishap {
                _ if at_first && !config.retry_initial && !another => ("connect_failed", 0),
                _ if in_session && !config.reconnect && mishap != Mishap::Forced => ("no_reconnect", 1),
                Mishap::Drained => ("drained", 1),
                Mishap::None => ("requested", 1),
                _ if at_first => ("requested", 1),
                _ => ("requested", 2),
            };
            assert_eq!((life.reason(), life.sessions()), expected, "{story}");
            let last_words = usize::from(mishap == Mishap::WriteError);
            assert_eq!(
                life.messages,
                expected.1 + last_words,
                "what was sent is received; {story}"
            );
            life.each_link_has_one_last_answer(&story);
            if let Some(asked) = life.ended_at {
                assert_eq!(life.now(), asked, "the end is not slept over; {story}");
            }
        }
    }
}

// behaviour: 1.1
#[test]
fn the_loop_of_the_documentation_sleeps_over_no_deadline() {
    let life = Life::lived(
        Config::new(vec![url("nats://n1.test")]),
        as_usual,
        Mishap::Silence,
    );
    let silent = life.silent_since.expect("it was silent");
    let at = |wanted: fn(&Event) -> bool| {
        let found = life.reported.iter().find(|(_, event)| wanted(event));
        found.map(|(at, _)| at.since(silent))
    };
    let timed_out = |event: &Event| {
        let outcome = Err(RequestError::TimedOut { written: true });
        matches!(event, Event::Response { result, .. } if *result == outcome)
    };
    assert_eq!(at(timed_out), Some(3 * SECOND));
    // Two keep-alives unanswered, and the third due: the loop does not sleep past that verdict either.
    assert_eq!(
        at(|event| matches!(event, Event::Connection(ConnectionEvent::Disconnected { .. }))),
        Some(360 * SECOND)
    );
}

/// A stream and nothing else: neither TLS nor credentials. It says of each write that it took one byte more.
#[derive(Default)]
struct Bare {
    dials: u32,
    /// How many dials fail at once.
    refused: u32,
    arrives: Vec<&'static [u8]>,
    lines: Vec<String>,
    /// How often the stream was to be closed, or the dial given up.
    hung_up: u32,
}

impl Outside for Bare {
    fn now(&mut self) -> Timestamp {
        Timestamp::ZERO
    }

    fn event(&mut self, connection: &mut Connection, event: Event) {
        if let Event::Connection(ConnectionEvent::Connected(_)) = event {
            connection.close(Timestamp::ZERO);
        }
        self.lines.push(event.to_string());
    }

    fn dial(&mut self, _: &Server) -> Result<(), LinkEnd> {
        self.dials += 1;
        match self.dials <= self.refused {
            true => Err(LinkEnd::dial("connection_refused", "nobody is there")),
            false => Ok(()),
        }
    }

    fn read(&mut self, buffer: &mut BytesMut) -> Option<Result<usize, LinkEnd>> {
        let bytes = self.arrives.pop()?;
        buffer.extend_from_slice(bytes);
        Some(Ok(bytes.len()))
    }

    fn write(&mut self, bytes: &[u8]) -> Option<Result<usize, LinkEnd>> {
        Some(Ok(bytes.len() + 1))
    }

    fn hang_up(&mut self, _: bool) {
        self.hung_up += 1;
    }
}

/// What such a driver reports when this arrives, the last first.
fn bare(refused: u32, arrives: &[&'static [u8]]) -> Vec<String> {
    let servers = list("nats://n1.test,nats://n2.test");
    let mut connection =
        Connection::new(Config::new(servers), seed_bytes(7), Timestamp::ZERO).expect("usable");
    let mut outside = Bare {
        refused,
        arrives: arrives.to_vec(),
        ..Bare::default()
    };
    let (mut pump, mut news) = (Pump::new(), News::Ready);
    let mut turns = 0;
    while pump.turn(&mut connection, &mut outside, news).is_some() {
        news = News::Connected;
        turns += 1;
        assert!(turns < TURNS, "the loop spins: {:#?}", outside.lines);
    }
    outside.lines
}

// behaviour: 2.1
#[test]
fn a_dial_that_fails_at_once_is_a_failed_attempt_and_the_next_server_is_dialled() {
    let lines = bare(1, &[b"PONG\r\n", b"INFO {}\r\n"]);
    assert!(
        lines[1].contains("dialling failed: nobody is there"),
        "{lines:#?}"
    );
    assert!(lines[3].starts_with("connected: nats://n"), "{lines:#?}");
}

// behaviour: 2.1
#[test]
fn a_driver_that_brings_no_tls_fails_the_attempts_for_which_it_is_wanted() {
    let info = b"INFO {\"tls_required\":true}\r\n";
    let lines = bare(0, &[info, info]);
    let failed = lines
        .iter()
        .filter(|line| line.contains("this driver makes none"));
    assert_eq!(failed.count(), 3, "each attempt, and the end: {lines:#?}");
}

// behaviour: 11.2
#[test]
fn an_abort_closes_the_stream_and_gives_up_the_dial() {
    for news in [News::Ready, News::Connected] {
        let mut connection = Connection::new(
            Config::new(list("nats://n1.test")),
            seed_bytes(7),
            Timestamp::ZERO,
        )
        .expect("usable");
        let (mut pump, mut outside) = (Pump::new(), Bare::default());
        let first = pump.turn(&mut connection, &mut outside, News::Ready);
        let second = pump.turn(&mut connection, &mut outside, news.clone());
        assert!(first.is_some() && second.is_some());
        connection.abort(Timestamp::ZERO);
        assert_eq!(pump.turn(&mut connection, &mut outside, News::Ready), None);
        assert_eq!(outside.hung_up, 1, "{news:?}: {:#?}", outside.lines);
        assert_eq!(connection.poll_action(), None, "nothing is left to be done");
    }
}

/// A connection, the loop's outside, and one server.
struct Life {
    mishap: Mishap,
    cluster: Cluster,
    now: u64,
    turns: u32,
    peer: Option<PeerId>,
    /// What `wait` returns next.
    news: Option<News>,
    /// What the server has sent, and was not read yet.
    arrived: Vec<u8>,
    dials: u64,
    upgrades: u64,
    writes: u64,
    writing_fails: bool,
    reading_fails: bool,
    back_at: Option<u64>,
    silent_since: Option<Timestamp>,
    /// When the application asked for the end.
    ended_at: Option<Timestamp>,
    messages: usize,
    reported: Vec<(Timestamp, Event)>,
    recorded: Vec<u8>,
}

impl Life {
    fn lived(config: Config, serve: fn(&mut Settings), mishap: Mishap) -> Self {
        let mut cluster = Cluster::new();
        let mut settings = Settings::new("n1");
        serve(&mut settings);
        cluster.add_server(settings);
        let mut life = Self {
            mishap,
            cluster,
            now: 1_000_000_000,
            turns: 0,
            peer: None,
            news: None,
            arrived: Vec::new(),
            dials: 0,
            upgrades: 0,
            writes: 0,
            writing_fails: false,
            reading_fails: false,
            back_at: None,
            silent_since: None,
            ended_at: None,
            messages: 0,
            reported: Vec::new(),
            recorded: Vec::new(),
        };
        let options = RecordingOptions::default();
        let mut connection =
            Connection::recorded(config, seed_bytes(7), life.now(), options).expect("usable settings");
        let filter = SubjectFilter::new("greetings").expect("a filter");
        connection.subscribe(life.now(), filter, None).expect("open");
        let (mut pump, mut news) = (Pump::new(), News::Ready);
        while let Some(next) = pump.turn(&mut connection, &mut life, news) {
            news = life.wait(next.until, next.writable);
        }
        assert_eq!(
            connection.poll_action(),
            None::<Action>,
            "nothing is left to be done"
        );
        assert!(life.peer.is_none(), "no stream is left open");
        while let Some(bytes) = connection.poll_recording() {
            life.recorded.extend_from_slice(&bytes);
        }
        golden::check_story(&life.recorded);
        life
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.now)
    }

    fn reason(&self) -> &'static str {
        match self.reported.last() {
            Some((_, Event::Connection(ConnectionEvent::Closed { reason }))) => ClosedReason::code(reason),
            _ => "still open",
        }
    }

    fn sessions(&self) -> usize {
        let begins = |event: &Event| {
            matches!(
                event,
                Event::Connection(ConnectionEvent::Connected(_) | ConnectionEvent::Reconnected(_))
            )
        };
        self.reported.iter().filter(|(_, event)| begins(event)).count()
    }

    fn each_link_has_one_last_answer(&self, story: &str) {
        let mut answers = BTreeMap::<u64, usize>::new();
        for entry in Recording::read(self.recorded.clone()).expect("a recording") {
            if let Input::LinkClosed(link, ..) = entry.expect("whole").input {
                *answers.entry(link.as_u64()).or_default() += 1;
            }
        }
        assert_eq!(answers.len() as u64, self.dials, "{story}");
        assert!(answers.values().all(|count| *count == 1), "{answers:?} {story}");
    }

    /// The session is up, and a message has come: what was to go wrong goes wrong.
    fn go_wrong(&mut self, connection: &mut Connection) {
        let peer = self.peer.expect("a session");
        match self.mishap {
            Mishap::Crash => {
                self.cluster.crash(self.now, 0);
                self.back_at = Some(self.now + 1_000_000_000);
            }
            Mishap::Eof => self.cluster.reaction(self.now, peer, Reaction::Close),
            Mishap::ReadError => self.reading_fails = true,
            Mishap::WriteError => {
                self.writing_fails = true;
                self.cluster.publish("greetings", None, b"last words");
                connection.flush(self.now()).expect("up");
            }
            Mishap::Silence => {
                self.silent_since = Some(self.now());
                self.cluster.reaction(self.now, peer, Reaction::Silence);
                connection
                    .request(self.now(), Publish::new(&OURS, "?"), 3 * SECOND)
                    .expect("made");
            }
            Mishap::Forced => connection.force_reconnect(self.now()).expect("open"),
            _ => {}
        }
    }

    fn finish(&mut self, connection: &mut Connection) {
        self.ended_at = Some(self.now());
        if self.mishap == Mishap::Drained {
            connection.drain(self.now()).expect("open");
            connection.finish_drain(self.now(), 0);
        } else {
            connection.close(self.now());
        }
    }

    fn has_something_to_read(&mut self) -> bool {
        let Some(peer) = self.peer else { return false };
        self.arrived.extend(self.cluster.take_output(peer));
        !self.arrived.is_empty() || self.cluster.ending(peer).is_some() || self.reading_fails
    }

    fn wait(&mut self, until: Option<Timestamp>, writing: bool) -> News {
        self.turns += 1;
        let last = self.reported.len().saturating_sub(9);
        assert!(
            self.turns < TURNS,
            "the loop spins: {:#?}",
            &self.reported[last..]
        );
        if let Some(news) = self.news.take() {
            return news;
        }
        loop {
            if self.has_something_to_read() || writing {
                return News::Ready;
            }
            let until = until.map(Timestamp::as_nanos);
            let next = [until, self.cluster.next_wakeup(), self.back_at]
                .into_iter()
                .flatten()
                .min();
            let Some(next) = next else {
                panic!("it waits for nothing: {:#?}", self.reported);
            };
            self.now = self.now.max(next);
            if self.back_at.is_some_and(|at| at <= self.now) {
                self.back_at = None;
                self.cluster.restart(0);
            }
            self.cluster.tick(self.now);
            if until.is_some_and(|until| until <= self.now) {
                return News::Ready;
            }
        }
    }

    fn leave(&mut self) {
        if let Some(peer) = self.peer.take() {
            self.cluster.receive_end(self.now, peer);
        }
        (self.news, self.writing_fails, self.reading_fails) = (None, false, false);
        self.arrived.clear();
    }
}

impl Outside for Life {
    fn now(&mut self) -> Timestamp {
        Life::now(self)
    }

    fn event(&mut self, connection: &mut Connection, event: Event) {
        self.reported.push((Life::now(self), event.clone()));
        match event {
            Event::Connection(ConnectionEvent::Connected(_) | ConnectionEvent::Reconnected(_)) => {
                connection.publish(Publish::new(&OURS, "hello")).expect("room");
                connection.flush(Life::now(self)).expect("up");
            }
            Event::Flushed { result: Ok(()), .. } => {
                self.cluster.publish("greetings", None, b"from somebody else");
            }
            Event::Message { .. } => {
                self.messages += 1;
                let last_words = usize::from(self.mishap == Mishap::WriteError && self.messages > 1);
                let at_first = matches!(
                    self.mishap,
                    Mishap::None
                        | Mishap::Drained
                        | Mishap::Refused
                        | Mishap::Unanswered
                        | Mishap::NoHandshake
                );
                match self.messages - last_words {
                    1 if last_words == 1 => {}
                    1 if !at_first => self.go_wrong(connection),
                    _ => self.finish(connection),
                }
            }
            _ => {}
        }
    }

    fn dial(&mut self, _: &Server) -> Result<(), LinkEnd> {
        self.leave();
        self.dials += 1;
        let refused = || LinkEnd::Dial {
            kind: "connection_refused",
            detail: "connection refused".into(),
        };
        self.news = match self.mishap {
            Mishap::Refused if self.dials <= 2 => Some(News::Failed(refused())),
            Mishap::Unanswered if self.dials == 1 => None,
            _ => match self.cluster.accept(self.now, 0) {
                Some(peer) => {
                    self.peer = Some(peer);
                    let tls = self.cluster.settings(0).tls;
                    if self.mishap == Mishap::NoHandshake && self.dials == 1 && tls == Tls::None {
                        self.cluster.take_output(peer);
                        self.cluster.reaction(self.now, peer, Reaction::Close);
                    }
                    Some(News::Connected)
                }
                None => Some(News::Failed(refused())),
            },
        };
        Ok(())
    }

    fn upgrade(&mut self, _: &Server) -> Result<(), LinkEnd> {
        self.upgrades += 1;
        if self.mishap == Mishap::NoHandshake && self.upgrades == 1 {
            self.leave();
            self.news = Some(News::Failed(LinkEnd::Tls {
                detail: "unknown issuer".into(),
            }));
        } else {
            let peer = self.peer.expect("a stream");
            self.cluster.tls_done(self.now, peer);
            self.news = Some(News::Secured);
        }
        Ok(())
    }

    fn credentials(&mut self, _: &Server, _: Option<&str>) -> Result<Credentials, AuthError> {
        Ok(Credentials::user_password("ann", "s3cret"))
    }

    fn read(&mut self, buffer: &mut BytesMut) -> Option<Result<usize, LinkEnd>> {
        if !self.has_something_to_read() {
            return None;
        }
        let broken = || LinkEnd::Io {
            kind: "connection_reset",
            detail: "connection reset".into(),
        };
        if self.reading_fails {
            return Some(Err(broken()));
        }
        let count = self.arrived.len().min(11);
        if count == 0 {
            return match self.peer.and_then(|peer| self.cluster.ending(peer))? {
                Ending::Close => Some(Ok(0)),
                Ending::Reset => Some(Err(broken())),
            };
        }
        buffer.extend(self.arrived.drain(..count));
        Some(Ok(count))
    }

    fn write(&mut self, bytes: &[u8]) -> Option<Result<usize, LinkEnd>> {
        if self.writing_fails {
            return Some(Err(LinkEnd::Io {
                kind: "broken_pipe",
                detail: "broken pipe".into(),
            }));
        }
        self.writes += 1;
        // Every other time it takes nothing, and never much.
        let count = bytes.len().min(7);
        if self.writes.is_multiple_of(2) {
            return None;
        }
        let peer = self.peer.expect("a stream");
        self.cluster.receive(self.now, peer, &bytes[..count]);
        Some(Ok(count))
    }

    fn hang_up(&mut self, _: bool) {
        self.leave();
    }
}
