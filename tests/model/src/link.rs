//! One link to a model server: its stage, what it asked for, and what is remembered of it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::BytesMut;
use serde_json::Value;

use super::frame::Op;
use super::script::{Reaction, Step, When};
use super::settings::{Auth, Settings, Tls};
use super::violation::Fault;

/// A link as its server sees it.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) stage: Stage,
    pub(super) input: BytesMut,
    pub(super) output: Vec<u8>,
    pub(super) script: Vec<Step>,
    pub(super) later: Vec<(u64, Reaction)>,
    pub(super) options: Options,
    pub(super) subscriptions: BTreeMap<u64, Interest>,
    pub(super) sids_seen: BTreeSet<u64>,
    pub(super) counts: Counts,
    /// PINGs of the server that were not answered.
    pub(super) pings_out: u32,
    pub(super) next_ping: Option<u64>,
    /// The largest `max_payload` that was announced on this link.
    pub(super) announced_max_payload: u64,
    pub(super) announced_headers: bool,
    pub(super) tls_done: bool,
    /// Its log is kept.
    pub(super) remember: bool,
    pub(super) log: LinkLog,
}

/// How far a link has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// INFO has not left: TLS comes first.
    Mute,
    /// INFO has left, CONNECT is awaited.
    Greeted,
    /// CONNECT was accepted, PING is awaited.
    Introduced,
    /// The PING has come, and was not answered yet.
    Asked,
    /// PONG has left.
    Ready,
    /// Nothing is executed and nothing is sent any more, but the link stays.
    Silent,
    /// What is in `output` still leaves, then the link closes.
    Closing,
    /// Torn down.
    Gone,
}

impl Stage {
    /// Whether operations are executed.
    pub(super) fn listens(self) -> bool {
        matches!(
            self,
            Self::Mute | Self::Greeted | Self::Introduced | Self::Asked | Self::Ready
        )
    }
}

/// What CONNECT asked for. Before it: what a server assumes.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) name: Option<String>,
    pub(super) verbose: bool,
    pub(super) echo: bool,
    pub(super) headers: bool,
    pub(super) no_responders: bool,
}

impl Options {
    fn from_json(connect: &Value) -> Self {
        let flag = |name: &str, default: bool| connect[name].as_bool().unwrap_or(default);
        Self {
            name: connect["name"].as_str().map(str::to_owned),
            verbose: flag("verbose", true),
            echo: flag("echo", true),
            headers: flag("headers", false),
            no_responders: flag("no_responders", false),
        }
    }
}

/// One subscription of one link.
#[derive(Clone, Debug)]
pub(super) struct Interest {
    pub(super) filter: String,
    pub(super) queue: Option<String>,
    pub(super) delivered: u64,
    pub(super) max: Option<u64>,
}

/// How often each operation came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) pings: u64,
    pub(super) publishes: u64,
    pub(super) subscribes: u64,
    pub(super) messages: u64,
}

/// What is remembered of a link, for as long as its cluster lives.
#[derive(Clone, Debug, Default)]
pub struct LinkLog {
    /// The place of its server.
    pub server: usize,
    /// When it was opened, in nanoseconds.
    pub opened: u64,
    /// When it ended.
    pub ended: Option<u64>,
    /// The frames that came whole and were executed or refused, in order.
    pub frames: Vec<Frame>,
    /// What came after the last whole frame before the end: it was never executed.
    pub cut: Vec<u8>,
    /// The server ended it: what is in `cut` was not read, and may be whole.
    pub server_ended: bool,
    /// How many bytes came.
    pub bytes: u64,
    /// How many bytes were sent.
    pub sent: u64,
    /// How many bytes had been sent with the first PONG, the one that ends the handshake.
    pub first_pong: Option<u64>,
}

impl LinkLog {
    fn new(server: usize, now: u64) -> Self {
        Self {
            server,
            opened: now,
            ..Self::default()
        }
    }

    /// The JSON of its CONNECT.
    pub fn connect(&self) -> Option<&Value> {
        self.frames.iter().find_map(|frame| match &frame.op {
            Op::Connect(json) => Some(json),
            _ => None,
        })
    }

    /// The names of its frames, in order.
    pub fn names(&self) -> Vec<&'static str> {
        self.frames.iter().map(|frame| frame.op.name()).collect()
    }

    /// The subjects and payloads of its publishes, in order, refused ones included.
    pub fn publishes(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.frames.iter().filter_map(|frame| match &frame.op {
            Op::Publish { subject, payload, .. } => Some((subject.as_str(), payload.as_slice())),
            _ => None,
        })
    }
}

/// One whole frame of a client.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// When it was executed, in nanoseconds.
    pub at: u64,
    /// Where its first byte was in the stream of the client.
    pub start: u64,
    /// Where the byte after its last was.
    pub end: u64,
    /// What it is.
    pub op: Op,
    /// The `-ERR` that it got, if it was refused.
    pub refused: Option<String>,
}

impl Link {
    pub(super) fn new(server: usize, settings: &mut Settings, now: u64) -> Self {
        let script = settings
            .next_scripts
            .pop_front()
            .unwrap_or_else(|| settings.script.clone());
        let aged = script.iter().filter_map(|step| match step.when {
            When::Age(age) => Some((now.saturating_add(age), &step.reactions)),
            _ => None,
        });
        let later = aged
            .flat_map(|(at, reactions)| reactions.iter().map(move |reaction| (at, reaction.clone())))
            .collect();
        Self {
            stage: if settings.tls == Tls::First {
                Stage::Mute
            } else {
                Stage::Greeted
            },
            input: BytesMut::new(),
            output: Vec::new(),
            script,
            later,
            options: Options::from_json(&Value::Null),
            subscriptions: BTreeMap::new(),
            sids_seen: BTreeSet::new(),
            counts: Counts::default(),
            pings_out: 0,
            next_ping: settings.ping_interval.map(|interval| now + interval),
            announced_max_payload: settings.max_payload,
            announced_headers: settings.headers,
            tls_done: false,
            remember: settings.remember,
            log: LinkLog::new(server, now),
        }
    }

    /// The reactions for this moment, and whether they replace the usual answer.
    pub(super) fn reactions(&self, now: When) -> (Vec<Reaction>, bool) {
        let meant = |when: When| match (when, now) {
            (When::PingFrom(first), When::Ping(count)) => count >= first,
            (when, now) => when == now,
        };
        let steps = self.script.iter().filter(|step| meant(step.when));
        let (reactions, instead): (Vec<_>, Vec<bool>) =
            steps.map(|step| (step.reactions.clone(), step.instead)).unzip();
        (reactions.concat(), instead.contains(&true))
    }

    pub(super) fn say(&mut self, bytes: &[u8]) {
        if !matches!(self.stage, Stage::Silent | Stage::Closing | Stage::Gone) {
            self.output.extend_from_slice(bytes);
            self.log.sent += bytes.len() as u64;
        }
    }

    /// `-ERR`, and then the end of the link.
    pub(super) fn refuse(&mut self, text: &str) {
        self.say(format!("-ERR '{text}'\r\n").as_bytes());
        self.close();
    }

    pub(super) fn close(&mut self) {
        self.log.server_ended = true;
        if self.stage != Stage::Gone {
            self.stage = Stage::Closing;
        }
        self.later.clear();
        self.next_ping = None;
    }

    pub(super) fn reset(&mut self, now: u64) {
        self.log.server_ended = true;
        self.output.clear();
        self.finish(now);
    }

    /// The end, seen from either side.
    pub(super) fn finish(&mut self, now: u64) {
        if self.log.ended.is_none() {
            self.log.ended = Some(now);
            self.log.cut = self.input.split().to_vec();
        }
        self.stage = Stage::Gone;
        self.later.clear();
        self.next_ping = None;
        self.subscriptions.clear();
    }

    /// Takes CONNECT: the client that it accepts, or the `-ERR` that it sends.
    pub(super) fn introduce(&mut self, connect: &Value, settings: &Settings) -> Result<(), String> {
        self.options = Options::from_json(connect);
        if !settings.headers {
            self.options.headers = false;
        }
        let text = |field: &str| connect[field].as_str().unwrap_or_default();
        let welcome = match &settings.auth {
            Auth::Open => true,
            Auth::Password { user, password } => text("user") == user && text("pass") == password,
            Auth::Token(token) => text("auth_token") == token,
            Auth::Nkey(key) => text("nkey") == key && !text("sig").is_empty(),
            Auth::Refuse(reason) => return Err(reason.clone()),
        };
        if welcome {
            Ok(())
        } else {
            Err("Authorization Violation".into())
        }
    }
}

/// What is wrong with a CONNECT.
pub(super) fn connect_faults(connect: &Value, headers: bool) -> Vec<Fault> {
    const ALLOWED: [&str; 16] = [
        "verbose",
        "pedantic",
        "tls_required",
        "name",
        "lang",
        "version",
        "protocol",
        "echo",
        "headers",
        "no_responders",
        "user",
        "pass",
        "auth_token",
        "jwt",
        "nkey",
        "sig",
    ];
    let Some(fields) = connect.as_object() else {
        return vec![Fault::ConnectField(String::from("not an object"))];
    };
    let mut faults: Vec<Fault> = fields
        .keys()
        .filter(|name| !ALLOWED.contains(&name.as_str()))
        .map(|name| Fault::ConnectField(name.clone()))
        .collect();
    for name in [
        "verbose",
        "pedantic",
        "tls_required",
        "echo",
        "headers",
        "no_responders",
    ] {
        if !connect[name].is_boolean() {
            faults.push(Fault::ConnectField(name.into()));
        }
    }
    for name in ["lang", "version"] {
        if !connect[name].is_string() {
            faults.push(Fault::ConnectField(name.into()));
        }
    }
    if connect["protocol"] != 1 {
        faults.push(Fault::ConnectField("protocol".into()));
    }
    for name in ["headers", "no_responders"] {
        if connect[name].as_bool().is_some_and(|value| value != headers) {
            faults.push(Fault::ConnectField(name.into()));
        }
    }
    faults
}
