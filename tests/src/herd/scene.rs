//! The course of a story: one queue of what is due, in virtual time.

use std::time::Duration;

use super::agenda::Agenda;
use super::others::Models;
use super::own::Machines;
use super::server::Server;
use super::{Fleet, Policy, SERVERS, Setup, Story, Wish};
use crate::sim::nanos;

const SECOND: u64 = 1_000_000_000;
/// The width of what is counted together.
const TENTH: u64 = SECOND / 10;
/// When the story begins.
const BEGINS: u64 = 5 * SECOND;
/// How long a server that crashed is away.
const AWAY: u64 = 20 * SECOND;
/// From the announcement of a lame duck to the first end of a link, and to the last one.
const GRACE: u64 = 10 * SECOND;
const LAME: u64 = 30 * SECOND;
/// How long one that is renewed is away, and as long until the next one begins.
const RENEWED: u64 = 5 * SECOND;
/// Nothing is waited for longer.
const LIMIT: u64 = 300 * SECOND;

/// How it went.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Attempts in each tenth of a second, with all servers.
    pub attempts: Vec<u64>,
    /// How many times a link was lost or left.
    pub outages: u64,
    /// How long half of those, 99 % of them, and all of them took to have a session again.
    pub recovered: [Duration; 3],
    /// How many had none at the end.
    pub left_out: u64,
    /// Attempts that were refused.
    pub refused: u64,
    /// The most attempts on a server that was up within a tenth of a second.
    pub peak: u64,
    /// The most connections that had no session at one time.
    pub most_out: u64,
    /// What was simulated: attempts, answers, timers, ends of links.
    pub events: u64,
    /// Memory of one connection with all that the simulation has of it, in bytes, where the system tells.
    pub memory: Option<u64>,
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The virtual time.
    pub time: Duration,
    /// Connections without a session.
    pub out: u64,
    /// See [`Outcome::events`].
    pub events: u64,
}

/// Lets a policy live through a story. What it is told of progress, it is told of every virtual second.
pub fn run(policy: Policy, story: Story, setup: Setup, mut progress: impl FnMut(Progress)) -> Outcome {
    let before = resident();
    let mut scene = match policy {
        Policy::Own => Scene::new(Box::new(Machines::new(setup.clients)), setup),
        Policy::Other(other) => Scene::new(Box::new(Models::new(other, setup.clients)), setup),
    };
    scene.gather();
    let used = resident()
        .zip(before)
        .map(|(now, before)| now.saturating_sub(before));
    scene.live(story, &mut progress);
    let mut outcome = scene.outcome();
    outcome.memory = used.map(|used| used / u64::from(setup.clients.max(1)));
    outcome
}

/// What of this process is in memory, in bytes.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// One connection as the scene sees it.
#[derive(Clone, Copy)]
struct Connection {
    link: Option<(u8, u32)>,
    /// The number of its last attempt: answers to others come too late.
    attempt: u32,
    wakes_at: u64,
    lost_at: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Wake,
    /// The attempt of this number was accepted by this run of the server.
    Accepted {
        attempt: u32,
        server: u8,
        run: u32,
    },
    Refused {
        attempt: u32,
        server: u8,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Stop(usize),
    Start(usize),
    Announce(usize),
    /// The links that a lame duck had are closed from here on.
    Close(usize),
    End,
}

struct Scene {
    fleet: Box<dyn Fleet>,
    setup: Setup,
    servers: [Server; SERVERS],
    connections: Vec<Connection>,
    queue: Agenda<(u32, Due)>,
    now: u64,
    wishes: Vec<Wish>,
    out: u64,
    durations: Vec<u64>,
    arrivals: [(u64, u64); SERVERS],
    outcome: Outcome,
}

impl Scene {
    fn new(fleet: Box<dyn Fleet>, setup: Setup) -> Self {
        let mut servers = [Server::default(); SERVERS];
        servers.iter_mut().for_each(Server::start);
        let connection = Connection {
            link: None,
            attempt: 0,
            wakes_at: u64::MAX,
            lost_at: None,
        };
        Self {
            fleet,
            setup,
            servers,
            connections: vec![connection; usize::try_from(setup.clients).unwrap_or_default()],
            queue: Agenda::new(2 * LIMIT),
            now: 0,
            wishes: Vec::new(),
            out: 0,
            durations: Vec::new(),
            arrivals: [(0, 0); SERVERS],
            outcome: Outcome::default(),
        }
    }

    /// Everybody connects to the first server of its list, before the story and without a queue.
    fn gather(&mut self) {
        for client in 0..self.connections.len() {
            self.fleet.begin(client, 0, &mut self.wishes);
            let dialled = self.wishes.iter().find_map(|wish| match wish {
                Wish::Dial(server) => Some(*server),
                _ => None,
            });
            self.wishes.clear();
            let server = dialled.unwrap_or_default();
            self.connections[client].link = Some((place(server), self.servers[server].run));
            self.fleet.accepted(client, server, 0, &mut self.wishes);
            self.grant(client);
        }
    }

    fn live(&mut self, story: Story, progress: &mut impl FnMut(Progress)) {
        let mut turns = turns(story);
        let mut closing: Vec<(u64, u32, usize)> = Vec::new();
        let mut second = 0;
        loop {
            let turn = turns.last().map_or(u64::MAX, |(at, _)| *at);
            let close = closing.last().map_or(u64::MAX, |(at, ..)| *at);
            let due = self.queue.next_at().unwrap_or(u64::MAX);
            self.now = turn.min(close).min(due);
            if self.now / SECOND != second {
                second = self.now / SECOND;
                progress(Progress {
                    time: Duration::from_secs(second),
                    out: self.out,
                    events: self.outcome.events,
                });
            }
            self.outcome.events += 1;
            if turn == self.now {
                match turns.pop() {
                    Some((_, Turn::Close(server))) => closing = self.to_be_closed(server),
                    Some((at, Turn::End)) if self.out > 0 && at < LIMIT => {
                        turns.push((at + SECOND, Turn::End))
                    }
                    Some((_, Turn::End)) | None => return,
                    Some((_, turn)) => self.take(turn),
                }
            } else if close == self.now {
                if let Some((_, client, server)) = closing.pop() {
                    self.close(client as usize, server);
                }
            } else if let Some((at, (client, due))) = self.queue.pop() {
                self.happen(at, client as usize, due);
            }
        }
    }

    fn take(&mut self, turn: Turn) {
        match turn {
            Turn::Start(server) => self.servers[server].start(),
            Turn::Stop(server) => {
                self.servers[server].stop();
                for client in 0..self.connections.len() {
                    self.close(client, server);
                }
            }
            Turn::Announce(server) => {
                self.servers[server].is_listening = false;
                for client in 0..self.connections.len() {
                    if self.is_linked(client, server) {
                        self.fleet.warned(client, self.now, &mut self.wishes);
                        self.grant(client);
                    }
                }
            }
            Turn::Close(_) | Turn::End => {}
        }
    }

    fn is_linked(&self, client: usize, server: usize) -> bool {
        self.connections[client]
            .link
            .is_some_and(|(linked, _)| linked == place(server))
    }

    /// When each link of a lame duck that is left is to be closed; the last one comes first.
    fn to_be_closed(&self, server: usize) -> Vec<(u64, u32, usize)> {
        let linked = (0..self.connections.len()).filter(|client| self.is_linked(*client, server));
        let linked: Vec<u32> = linked
            .map(|client| u32::try_from(client).unwrap_or(u32::MAX))
            .collect();
        let each = (LAME - GRACE) / (linked.len() as u64 + 1);
        let times = (1_u64..).zip(linked);
        let mut closing: Vec<_> = times
            .map(|(number, client)| (self.now + number * each, client, server))
            .collect();
        closing.reverse();
        closing
    }

    /// The server ends the link.
    fn close(&mut self, client: usize, server: usize) {
        if self.is_linked(client, server) {
            self.connections[client].link = None;
            self.goes_out(client);
            self.fleet.lost(client, server, self.now, &mut self.wishes);
            self.grant(client);
        }
    }

    fn goes_out(&mut self, client: usize) {
        let lost_at = &mut self.connections[client].lost_at;
        if lost_at.is_none() {
            *lost_at = Some(self.now);
            self.out += 1;
            self.outcome.outages += 1;
            self.outcome.most_out = self.outcome.most_out.max(self.out);
        }
    }

    fn happen(&mut self, at: u64, client: usize, due: Due) {
        let connection = &mut self.connections[client];
        match due {
            Due::Wake => {
                if connection.wakes_at != at {
                    return;
                }
                connection.wakes_at = u64::MAX;
                self.fleet.woken(client, self.now, &mut self.wishes);
            }
            Due::Accepted { attempt, server, run } => {
                if attempt != connection.attempt {
                    return;
                }
                let server = usize::from(server);
                if self.servers[server].run == run {
                    connection.link = Some((place(server), run));
                    if let Some(lost_at) = connection.lost_at.take() {
                        self.durations.push(self.now - lost_at);
                        self.out -= 1;
                    }
                    self.fleet.accepted(client, server, self.now, &mut self.wishes);
                } else {
                    self.fleet.refused(client, server, self.now, &mut self.wishes);
                }
            }
            Due::Refused { attempt, server } => {
                if attempt != connection.attempt {
                    return;
                }
                self.outcome.refused += 1;
                self.fleet
                    .refused(client, usize::from(server), self.now, &mut self.wishes);
            }
        }
        self.grant(client);
    }

    /// Does what a connection wished for.
    fn grant(&mut self, client: usize) {
        let mut wishes = std::mem::take(&mut self.wishes);
        for wish in wishes.drain(..) {
            match wish {
                Wish::Dial(server) => self.dial(client, server),
                Wish::HangUp => {
                    self.connections[client].attempt += 1;
                    if self.connections[client].link.take().is_some() {
                        self.goes_out(client);
                    }
                }
                Wish::WakeAt(at) => {
                    let connection = &mut self.connections[client];
                    if at < connection.wakes_at {
                        connection.wakes_at = at;
                        self.push(at, client, Due::Wake);
                    }
                }
            }
        }
        self.wishes = wishes;
    }

    fn dial(&mut self, client: usize, server: usize) {
        let connection = &mut self.connections[client];
        connection.attempt += 1;
        let attempt = connection.attempt;
        let latency = nanos(self.setup.latency);
        let arrives = self.now + latency;
        self.count(server);
        let each = SECOND / u64::from(self.setup.accepts.max(1));
        let run = self.servers[server].run;
        let place = place(server);
        match self.servers[server].connect(arrives, each, self.setup.queue) {
            Some(done) => self.push(
                done + latency,
                client,
                Due::Accepted {
                    attempt,
                    server: place,
                    run,
                },
            ),
            None => self.push(
                arrives + latency,
                client,
                Due::Refused {
                    attempt,
                    server: place,
                },
            ),
        }
    }

    fn count(&mut self, server: usize) {
        let tenth = self.now / TENTH;
        let index = usize::try_from(tenth).unwrap_or_default();
        let attempts = &mut self.outcome.attempts;
        attempts.resize(attempts.len().max(index + 1), 0);
        attempts[index] += 1;
        if self.servers[server].is_listening {
            let (counted, count) = &mut self.arrivals[server];
            if *counted != tenth {
                (*counted, *count) = (tenth, 0);
            }
            *count += 1;
            self.outcome.peak = self.outcome.peak.max(*count);
        }
    }

    fn push(&mut self, at: u64, client: usize, due: Due) {
        let client = u32::try_from(client).unwrap_or(u32::MAX);
        self.queue.push(at, (client, due));
    }

    fn outcome(mut self) -> Outcome {
        self.durations.sort_unstable();
        let all = self.outcome.outages;
        let after = |percent: u64| {
            let place = (all * percent).div_ceil(100).saturating_sub(1);
            let place = usize::try_from(place).unwrap_or(usize::MAX);
            self.durations
                .get(place)
                .map_or(Duration::MAX, |time| Duration::from_nanos(*time))
        };
        self.outcome.recovered = [after(50), after(99), after(100)];
        self.outcome.left_out = self.out;
        self.outcome
    }
}

/// What happens when, the last first.
fn turns(story: Story) -> Vec<(u64, Turn)> {
    let mut turns = match story {
        Story::Crash => vec![
            (BEGINS, Turn::Stop(0)),
            (BEGINS + AWAY, Turn::Start(0)),
            (BEGINS + 3 * AWAY, Turn::End),
        ],
        Story::LameDucks => {
            let mut at = BEGINS;
            let mut turns = Vec::new();
            for server in 0..SERVERS {
                turns.push((at, Turn::Announce(server)));
                turns.push((at + GRACE, Turn::Close(server)));
                turns.push((at + LAME, Turn::Stop(server)));
                turns.push((at + LAME + RENEWED, Turn::Start(server)));
                at += LAME + 2 * RENEWED;
            }
            turns.push((at + LAME, Turn::End));
            turns
        }
    };
    turns.reverse();
    turns
}

fn place(server: usize) -> u8 {
    u8::try_from(server).unwrap_or(u8::MAX)
}
