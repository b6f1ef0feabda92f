//! A world in virtual time: one client machine with a well-behaved driver, links, and model servers.
//!
//! Nothing sleeps: [`World`] jumps from one moment at which something happens to the next. At every step it
//! checks what must always hold (see `check.rs`), and when it is dropped it checks the whole story: what the
//! servers saw against the fates that the client reported, the order on every wire, the grammar of the events.

mod check;
mod driver;
mod pipe;
mod route;
mod rude;
mod verbs;

use std::collections::VecDeque;
use std::time::Duration;

use nats_conn_sm::{
    Action, AuthError, Connection, Credentials, Event, LinkId, ReceiveBuf, SendBuf, ServerId, ServerStatus,
    Timestamp,
};

pub use pipe::{Pipe, PipeStage};
pub use route::{Cut, Dial, Route};

use crate::grammar::Grammar;
use crate::ledger::Ledger;
use crate::model_server::Cluster;
use crate::planned::Planned;
use crate::story;

/// The world. Tests may read and change its fields at will.
pub struct World {
    /// The servers.
    pub cluster: Cluster,
    /// The machine.
    pub client: Connection,
    /// The route to each server.
    pub routes: Vec<Route>,
    /// How the driver behaves.
    pub driver: Driver,
    /// Every event so far, with its time.
    pub events: Vec<(Timestamp, Event)>,
    /// Every action so far, with its time.
    pub actions: Vec<(Timestamp, Action)>,
    /// All links, the last one last.
    pub pipes: Vec<Pipe>,
    /// What was promised, and how it ended.
    pub ledger: Ledger,
    /// Publishes may arrive twice: delivery is at least once.
    pub resends: bool,
    /// The client is made to do what servers complain about.
    pub tolerate_violations: bool,
    /// The story is not the same in every run, or not in every build: it is not compared with a golden row.
    pub varies: bool,
    /// How much the clock of the client is ahead of that of the servers and the links. Default: not at all.
    pub ahead: Duration,
    forgotten: bool,
    grammar: Grammar,
    planned: Planned,
    now: u64,
    rx: ReceiveBuf,
    tx: SendBuf,
    /// Answers about credentials that are due later.
    credentials_due: Vec<(u64, LinkId, Answer)>,
    /// Last answers that the driver owes, where it holds them back.
    owed: Vec<(LinkId, SendBuf)>,
    /// The first event that no `wait_for` has looked at.
    looked_at: usize,
    /// The recording of the client, as far as it was taken.
    recorded: Vec<u8>,
    /// How long the recording was when it was last replayed, and how many inputs it had: nothing is replayed twice.
    replayed: Option<(usize, u64)>,
}

/// An answer about credentials.
pub type Answer = Result<Credentials, AuthError>;

/// Picks a server and a wait, out of the pool, the default, and its wait.
pub type Chooser = Box<dyn FnMut(&[ServerStatus], ServerId, Duration) -> Option<(ServerId, Duration)>>;

/// How the driver behaves where it has a choice.
pub struct Driver {
    /// What it answers when it is asked for credentials, and after which time. No time: never. When it is empty:
    /// `credentials`, at once.
    pub answers: VecDeque<(Option<Duration>, Answer)>,
    /// The server that it chooses. Default, and `None`: the default.
    pub chooser: Option<Chooser>,
    /// It does not read: what arrives stays in the socket.
    pub stops_reading: bool,
    /// It holds the last answer about a link back until it is released.
    pub holds_last_answers: bool,
    /// It reports that it cannot know how much of a block was taken when a link ends.
    pub uncertain: bool,
    /// It reports that it has resolved the name, half way through dialling.
    pub reports_progress: bool,
    /// What it answers when `answers` is empty. Default: nothing that needs an account.
    pub credentials: Credentials,
}

impl World {
    /// A world in which nothing has happened yet but the construction of this client.
    pub fn new(cluster: Cluster, client: Connection, start: Timestamp) -> Self {
        let nobody = LinkId::from_u64(0);
        Self {
            routes: vec![Route::default(); cluster.servers()],
            cluster,
            client,
            driver: Driver {
                answers: VecDeque::new(),
                chooser: None,
                stops_reading: false,
                holds_last_answers: false,
                uncertain: false,
                reports_progress: false,
                credentials: Credentials::default(),
            },
            events: Vec::new(),
            actions: Vec::new(),
            pipes: Vec::new(),
            ledger: Ledger::default(),
            resends: false,
            tolerate_violations: false,
            varies: false,
            ahead: Duration::ZERO,
            forgotten: false,
            grammar: Grammar::default(),
            planned: Planned::default(),
            now: start.as_nanos(),
            rx: ReceiveBuf::new(nobody),
            tx: SendBuf::new(nobody),
            credentials_due: Vec::new(),
            owed: Vec::new(),
            looked_at: 0,
            recorded: Vec::new(),
            replayed: None,
        }
    }

    /// The present moment, as the client takes it.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.now) + self.ahead
    }

    /// The present moment, in nanoseconds: as the servers take it.
    pub fn nanos(&self) -> u64 {
        self.now
    }

    /// Lets this much time go by.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + nanos(time);
        self.run_until(|_| false, end);
    }

    /// Lets time go by until an event comes that was not waited for before, and returns it with its time.
    ///
    /// # Panics
    /// If it has not come within a virtual hour, with the story so far.
    pub fn wait_for(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> (Timestamp, Event) {
        let end = self.now + nanos(Duration::from_secs(3600));
        let first = self.looked_at;
        let found = |world: &World| world.events[first..].iter().position(|(_, event)| wanted(event));
        self.run_until(|world| found(world).is_some(), end);
        let Some(index) = found(self) else {
            panic!("no {what} within an hour; the story:\n{}", self.tale());
        };
        self.looked_at = first + index + 1;
        self.events[first + index].clone()
    }

    /// The same, by the name of the event: see [`story::name`].
    pub fn wait(&mut self, name: &str) -> (Timestamp, Event) {
        self.wait_for(name, |event| story::name(event) == name)
    }

    /// Passes over what has happened so far: only what comes is waited for.
    pub fn skip_past(&mut self) {
        self.looked_at = self.events.len();
    }

    /// Lets time go by until this holds, or until the time has come. Everything due at the end has happened.
    pub fn run_until(&mut self, done: impl Fn(&World) -> bool, end: u64) -> bool {
        loop {
            self.settle();
            if done(self) {
                return true;
            }
            match self.next_wakeup() {
                Some(at) if at <= end => {
                    assert!(
                        at > self.now,
                        "what is due at {at} has no effect; the story:\n{}",
                        self.tale()
                    );
                    self.now = at;
                }
                _ => {
                    self.now = self.now.max(end);
                    self.settle();
                    return done(self);
                }
            }
        }
    }

    /// Lets time go by without anybody doing anything: the machine is asleep.
    pub fn sleep(&mut self, time: Duration) {
        self.now += nanos(time);
    }

    /// The events of the connection's life so far, one line each: see [`story::line`].
    pub fn story(&self) -> Vec<String> {
        self.events
            .iter()
            .filter_map(|(_, event)| story::line(event))
            .collect()
    }

    /// The same with the time, to be read by people.
    pub fn tale(&self) -> String {
        let line = |(at, event): &(Timestamp, Event)| {
            format!(
                "{at:?} {}\n",
                story::line(event).unwrap_or_else(|| story::name(event).to_owned())
            )
        };
        let events: String = self.events.iter().map(line).collect();
        format!("{events}{:?} now; {}", self.now(), self.client.why(self.now()))
    }

    /// The names of all events so far.
    pub fn names(&self) -> Vec<&'static str> {
        self.events.iter().map(|(_, event)| story::name(event)).collect()
    }

    /// How often an event came.
    pub fn count(&self, name: &str) -> usize {
        let named = |(_, event): &&(Timestamp, Event)| story::name(event) == name;
        self.events.iter().filter(named).count()
    }

    /// The events of one name, with their times.
    pub fn all(&self, name: &str) -> Vec<(Timestamp, Event)> {
        self.events
            .iter()
            .filter(|(_, event)| story::name(event) == name)
            .cloned()
            .collect()
    }

    /// When dials began.
    pub fn dials(&self) -> Vec<Timestamp> {
        let dial =
            |(at, action): &(Timestamp, Action)| matches!(action, Action::Connect { .. }).then_some(*at);
        self.actions.iter().filter_map(dial).collect()
    }

    /// The link that the client uses at present, or used last.
    ///
    /// # Panics
    /// If there was none.
    pub fn pipe(&mut self) -> &mut Pipe {
        self.pipes.last_mut().expect("a link was asked for")
    }

    /// Subscriptions were made that are not in the ledger, because they are too many.
    pub fn tolerate_unknown_subscriptions(&mut self) {
        self.ledger.tolerate_unknown();
    }

    /// So many requests were made that are not in the ledger.
    pub fn tolerate_unknown_requests(&mut self, count: usize) {
        self.ledger.requested_unrecorded(count);
    }

    /// The machine was driven without the world: its story is not checked at the end.
    pub fn forget(&mut self) {
        self.forgotten = true;
    }

    /// What the server of the present link remembers of it.
    ///
    /// # Panics
    /// If no link was opened.
    pub fn log(&self) -> &crate::model_server::LinkLog {
        let peer = self
            .pipes
            .iter()
            .rev()
            .find_map(|pipe| pipe.peer)
            .expect("a link was opened");
        self.cluster.log(peer)
    }
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
