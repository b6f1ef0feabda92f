//! One life: the driver has its turns, time goes by, and every promise is checked after each turn and at the end.

use std::time::Duration;

use nats_conn_sm::{Connection, Event, PublishSeq, RequestId, Timestamp};
use nats_proto::Sid;

use super::{Driver, Lived, Network};
use crate::choices::Choices;
use crate::grammar::Grammar;
use crate::ledger::Ledger;
use crate::planned::Planned;
use crate::story;
use crate::wire::{self, Facts};

/// Turns at one moment at most. What needs more spins.
const TURNS: usize = 2_000;
/// Steps of one life at most.
const STEPS: usize = 60;
/// How long a client may take to be connected, or closed, when its servers are there and everything works.
const RECOVERY: Duration = Duration::from_secs(60);
/// How long a flush may take then, and a close.
const PROMPT: Duration = Duration::from_secs(10);

pub(super) struct Life<'a> {
    pub(super) network: Network,
    pub(super) connection: Connection,
    pub(super) ledger: Ledger,
    pub(super) grammar: Grammar,
    pub(super) planned: Planned,
    pub(super) choices: Choices<'a>,
    /// Servers send what no server may send: what became of publishes cannot be compared with what they executed.
    pub(super) lies: bool,
    /// Whether what was written may be written again.
    pub(super) resends: bool,
    pub(super) drain_timeout: Duration,
    pub(super) sids: Vec<Sid>,
    pub(super) requests: Vec<RequestId>,
    pub(super) told: Vec<(Timestamp, Told)>,
    pub(super) events: Vec<Event>,
    pub(super) closed: bool,
    pub(super) draining: bool,
}

/// A line of the story.
pub(super) enum Told {
    Event(Event),
    /// What the application did, or what went wrong.
    Done(&'static str),
}

impl Life<'_> {
    /// The life, and its end. The error is the first promise that was broken.
    pub(super) fn live(&mut self, driver: &mut impl Driver) -> Result<Lived, String> {
        self.run_for(driver, Duration::from_millis(1))?;
        for _ in 0..STEPS {
            if self.choices.is_empty() || self.closed {
                break;
            }
            self.step(driver)?;
        }
        self.recover(driver)?;
        let ended_early = self.closed;
        self.settle_everything(driver)?;
        self.end(driver)?;
        Ok(Lived {
            attempts: self.count("connecting"),
            sessions: self.count("connected") + self.count("reconnected"),
            fates: self.connection.publish_fates(),
            ended_early,
        })
    }

    /// What has happened, a line each.
    pub(super) fn story(&self) -> String {
        let line = |(at, told): &(Timestamp, Told)| match told {
            Told::Event(event) => {
                let line = story::line(event).unwrap_or_else(|| story::name(event).to_owned());
                format!("{at:?} {line}\n")
            }
            Told::Done(what) => format!("{at:?} -- {what}\n"),
        };
        let told: String = self.told.iter().map(line).collect();
        let now = self.network.now();
        format!("{told}{now:?} now; {}", self.connection.why(now))
    }

    fn count(&self, name: &str) -> usize {
        let named = |(_, told): &&(Timestamp, Told)| match told {
            Told::Event(event) => story::name(event) == name,
            Told::Done(_) => false,
        };
        self.told.iter().filter(named).count()
    }

    pub(super) fn note(&mut self, what: &'static str) {
        self.told.push((self.network.now(), Told::Done(what)));
    }

    fn step(&mut self, driver: &mut impl Driver) -> Result<(), String> {
        match self.choices.byte() % 32 {
            0..=9 => self.run_some(driver, 50),
            10 | 11 => self.run_some(driver, 4_000),
            12 => {
                self.heal();
                self.run_for(driver, Duration::from_secs(6))
            }
            13..=22 => {
                self.call();
                Ok(())
            }
            23..=29 => {
                self.go_wrong();
                Ok(())
            }
            30 => self.turn_late(driver),
            _ => {
                self.end_perhaps();
                self.settle(driver)
            }
        }
    }

    fn run_some(&mut self, driver: &mut impl Driver, millis: u64) -> Result<(), String> {
        let millis = self.choices.below(millis) + 1;
        self.run_for(driver, Duration::from_millis(millis))
    }

    /// The machine sleeps for a while, or for a night: nobody has a turn meanwhile.
    fn turn_late(&mut self, driver: &mut impl Driver) -> Result<(), String> {
        let seconds = self.choices.pick(&[0, 1, 15, 61, 130, 3_600, 8 * 3_600]);
        self.note("the machine sleeps");
        self.network.now += seconds * 1_000_000_000;
        self.settle(driver)
    }

    /// Everything works again, and within a bounded time the client is connected, or closed.
    fn recover(&mut self, driver: &mut impl Driver) -> Result<(), String> {
        self.heal();
        // A server that allows an account less than it says ends one session for each message that is too large: the client
        // knows only of the largest that it was that one. As long as some are dropped it gets on.
        let mut dropped = None;
        while dropped != Some(self.connection.publish_fates().dropped) {
            dropped = Some(self.connection.publish_fates().dropped);
            self.run_for(driver, RECOVERY)?;
            if self.closed || self.connection.state().code() == "connected" {
                break;
            }
        }
        if self.draining && !self.closed {
            self.connection.finish_drain(self.network.now(), 0);
            self.run_for(driver, self.drain_timeout + PROMPT)?;
        }
        let state = self.connection.state().code();
        match (self.closed, self.draining, state) {
            (true, ..) | (false, false, "connected") => Ok(()),
            (false, true, _) => Err(format!("a drain does not end: {}", self.why())),
            _ => Err(format!(
                "the server has been there for a minute, and the client is not connected: {}",
                self.why()
            )),
        }
    }

    /// Where the server is there, nothing stays open: a publish is confirmed by the flush after it.
    fn settle_everything(&mut self, driver: &mut impl Driver) -> Result<(), String> {
        if self.closed {
            return Ok(());
        }
        if let Some(open) = self.ledger.still_waiting() {
            return Err(format!(
                "after a minute in which everything worked there is still {open}"
            ));
        }
        // The limit that a server has sent is remembered of it, even if that was a lie.
        let words: &[u8] = if self.lies { b"" } else { b"words" };
        if let Err(fault) = self.publish_text("last", words) {
            return Err(format!(
                "a publish is refused though everything before it has been written: {fault}"
            ));
        }
        match self.connection.flush(self.network.now()) {
            Ok(flush) => self.ledger.flushing(flush),
            Err(fault) => return Err(format!("a flush is refused though there is a session: {fault}")),
        }
        self.run_for(driver, PROMPT)?;
        if let Some(open) = self.ledger.still_waiting() {
            return Err(format!(
                "a flush does not end though the server is there: there is still {open}"
            ));
        }
        if !matches!(self.last_flush(), Some(Ok(()))) {
            return Err(format!(
                "a flush fails though the server is there: {}",
                self.why()
            ));
        }
        let fates = self.connection.publish_fates();
        if fates.queued + fates.written > 0 {
            return Err(format!(
                "a flush has ended, and not everything is settled: {fates:?}"
            ));
        }
        Ok(())
    }

    /// Every life ends, so that what became of each publish is final when it is compared with what the servers saw.
    fn end(&mut self, driver: &mut impl Driver) -> Result<(), String> {
        self.compare()?;
        if !self.closed {
            self.note("close");
            self.connection.close(self.network.now());
            self.run_for(driver, PROMPT)?;
        }
        if !self.closed {
            return Err(String::from(
                "it was closed ten seconds ago, and `Closed` has not come",
            ));
        }
        self.connection_is_over()?;
        self.compare()
    }

    fn last_flush(&self) -> Option<&Result<(), nats_conn_sm::FlushError>> {
        self.told.iter().rev().find_map(|(_, event)| match event {
            Told::Event(Event::Flushed { result, .. }) => Some(result),
            _ => None,
        })
    }

    fn why(&self) -> String {
        self.connection.why(self.network.now())
    }

    /// Time goes by, from one moment at which something is due to the next.
    fn run_for(&mut self, driver: &mut impl Driver, time: Duration) -> Result<(), String> {
        let end = self.network.now + u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        loop {
            self.settle(driver)?;
            let client = self.connection.poll_timeout().map(Timestamp::as_nanos);
            let due = [client, self.network.next_wakeup()].into_iter().flatten().min();
            match due {
                Some(at) if at <= end && at > self.network.now => self.network.now = at,
                _ if self.network.now == end => return Ok(()),
                _ => self.network.now = end,
            }
        }
    }

    /// Turns until nothing comes of another.
    fn settle(&mut self, driver: &mut impl Driver) -> Result<(), String> {
        let mut idle = 0;
        for _ in 0..TURNS {
            self.turn(driver)?;
            idle = if self.network.busy { 0 } else { idle + 1 };
            let due = self
                .connection
                .poll_timeout()
                .filter(|at| *at <= self.network.now());
            match (idle, due) {
                (0, _) => {}
                (_, None) => return self.at_rest(),
                // An event or an action waits for its turn, or the driver has forgotten about it.
                (..3, Some(_)) => {}
                (_, Some(at)) => {
                    return Err(format!(
                        "{at:?} has come, and the driver does not tell the machine"
                    ));
                }
            }
        }
        Err(format!(
            "the driver does not come to rest in {TURNS} turns at one moment"
        ))
    }

    fn turn(&mut self, driver: &mut impl Driver) -> Result<(), String> {
        if self.network.awaits_pong() {
            self.network.live = self.ledger.live_subscriptions();
        }
        self.network.serve();
        self.network.busy = false;
        let mut events = std::mem::take(&mut self.events);
        driver.turn(&mut self.connection, &mut self.network, &mut events);
        self.network.busy |= !events.is_empty();
        for event in events.drain(..) {
            self.event(event)?;
        }
        self.events = events;
        self.ledger.fates(self.connection.publish_fates())?;
        match self.network.cluster.violations().first() {
            Some(violation) if !self.lies => Err(format!(
                "the server cannot accept what was written: {violation:?}"
            )),
            _ => Ok(()),
        }
    }

    fn event(&mut self, event: Event) -> Result<(), String> {
        let verdict = if self.closed {
            Err(String::from("an event after `Closed`"))
        } else {
            self.grammar
                .event(&event)
                .and_then(|()| self.ledger.event(&event))
        };
        self.planned.event(&event);
        self.closed |= story::name(&event) == "closed";
        self.draining |= story::name(&event) == "draining";
        self.told.push((self.network.now(), Told::Event(event)));
        verdict
    }

    /// Nothing waits: what is asked and what was reported agree.
    fn at_rest(&self) -> Result<(), String> {
        let now = self.network.now();
        let next = self.connection.next_attempt(now);
        if !self.planned.agrees(next.as_ref(), now) {
            return Err(format!("{:?} was reported, and {next:?} is shown", self.planned));
        }
        self.ledger
            .reported(&self.connection.publish_fates(), self.resends)
    }

    fn connection_is_over(&mut self) -> Result<(), String> {
        let left = (
            self.connection.poll_timeout(),
            self.connection.poll_action(),
            self.connection.wants_transmit(),
        );
        let fates = self.connection.publish_fates();
        match left {
            (None, None, false) if fates.queued + fates.written == 0 && fates.settled == fates.accepted => {
                Ok(())
            }
            (None, None, false) => Err(format!("closed, and not settled: {fates:?}")),
            left => Err(format!("after `Closed` there is still {left:?}")),
        }
    }

    /// What the servers have executed agrees with what became of every publish, and with what may be on a wire.
    fn compare(&self) -> Result<(), String> {
        if self.lies {
            return Ok(());
        }
        for (peer, handshake) in &self.network.handshakes {
            let facts = Facts {
                handed_at_pong: Some(handshake.written),
                live_at_pong: &handshake.live,
                is_whole: false,
            };
            let log = self.network.cluster.log(*peer);
            wire::check(log, &facts, &self.ledger).map_err(|fault| format!("on {peer:?}: {fault}"))?;
        }
        let fate = |number| self.connection.fate(PublishSeq::from_u64(number));
        self.ledger
            .compare(self.network.cluster.logs(), self.resends, fate)
    }
}
