//! One thread of a crowd.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nats_conn_std::Client;

use super::common::{Common, Part};
use super::{Kind, lock};
use crate::chaos::dice::Dice;
use crate::chaos::life::{End, SLACK};

/// What takes longer is counted.
const LONG: Duration = Duration::from_secs(5);

/// What a thread waits for.
#[derive(Default)]
pub(super) struct Doing(Mutex<Option<Wait>>);

#[derive(Clone, Copy)]
struct Wait {
    what: &'static str,
    since: Instant,
    until: Instant,
    is_known: bool,
}

impl Doing {
    /// What takes too long, and since when; each time once.
    pub(super) fn overdue(&self) -> Option<(&'static str, Instant)> {
        let mut doing = lock(&self.0);
        let wait = doing
            .as_mut()
            .filter(|wait| !wait.is_known && wait.until < Instant::now())?;
        wait.is_known = true;
        Some((wait.what, wait.since))
    }
}

pub(super) struct Hand {
    pub(super) common: Arc<Common>,
    pub(super) client: Client,
    doing: Arc<Doing>,
    /// How the life is meant to end.
    pub(super) end: End,
    pub(super) dice: Dice,
    pub(super) part: Part,
}

impl Hand {
    pub(super) fn new(common: Arc<Common>, client: Client, doing: Arc<Doing>, end: End, dice: Dice) -> Self {
        Self {
            common,
            client,
            doing,
            end,
            dice,
            part: Part::default(),
        }
    }

    /// To its end.
    pub(super) fn work(mut self, kind: Kind) -> Part {
        match kind {
            Kind::Publisher => self.publish(),
            Kind::Asker => self.ask(),
            Kind::Echo => self.echo(),
            Kind::Subscriber | Kind::Worker | Kind::Answerer => self.receive(kind),
            Kind::Witness => return self.witness(),
        }
        let Self {
            client, doing, part, ..
        } = self;
        waiting(&doing, "the drop of a client", Duration::from_secs(1), || {
            drop(client)
        });
        part
    }

    /// Waits for something that takes so long at most.
    pub(super) fn wait<T>(&mut self, what: &'static str, limit: Duration, wait: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let outcome = waiting(&self.doing, what, limit, wait);
        if began.elapsed() > LONG {
            self.part.ended(format!("waits for more than 5 s: {what}"));
        }
        outcome
    }

    pub(super) fn wrong(&mut self, text: String) {
        let why = self.client.why();
        self.part.wrong.push(format!("{text}; {why}"));
    }

    /// A call was refused. Unless the end has begun, that must not be.
    pub(super) fn refused(&mut self, what: &str, error: &dyn std::fmt::Display) {
        if self.common.is_ending() {
            self.part.ended(format!("{what} that were refused at the end"));
        } else {
            self.wrong(format!("{what}: {error}"));
        }
    }

    /// For so long, if it is not over before.
    pub(super) fn rest(&mut self, length: Duration) {
        let until = Instant::now() + length;
        while !self.common.is_over() && Instant::now() < until {
            std::thread::sleep((until - Instant::now().min(until)).min(Duration::from_millis(20)));
        }
    }

    /// Reads all events.
    fn witness(self) -> Part {
        let Self {
            client,
            doing,
            mut part,
            ..
        } = self;
        let events = client.events();
        // The connection does not stay open for who reads events.
        drop(client);
        let mut last = None;
        for event in events {
            part.ended("events that were witnessed");
            last = Some(event);
        }
        drop(doing);
        use nats_conn_client::{ClientEvent, ConnectionEvent};
        if !matches!(
            last,
            Some(ClientEvent::Connection(ConnectionEvent::Closed { .. }))
        ) {
            part.wrong.push(format!("the last event is {last:?}"));
        }
        part
    }
}

fn waiting<T>(doing: &Doing, what: &'static str, limit: Duration, wait: impl FnOnce() -> T) -> T {
    let since = Instant::now();
    *lock(&doing.0) = Some(Wait {
        what,
        since,
        until: since + limit + SLACK,
        is_known: false,
    });
    let outcome = wait();
    *lock(&doing.0) = None;
    outcome
}
