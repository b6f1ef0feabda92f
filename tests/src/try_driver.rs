//! A driver of your own against the model server and the contract of the machine, with what goes wrong taken from bytes.
//!
//! A [`Driver`] is what stands between a [`Connection`] and a [`Network`]: one turn of its loop. [`check`] gives it a life that
//! a string of bytes describes, in virtual time (publishes, short writes and reads, streams that end, dials that fail), and
//! says which promise was broken first. `fuzz/README.md` shows how to put it under a fuzzer, `tests/tests/try_driver.rs` a driver
//! that is right and some that are not.

use std::time::Duration;

use bytes::BytesMut;
use nats_conn_sm::{Config, Connection, Event, LinkEnd, PublishSeq, Server, Timestamp};

use crate::grammar::Grammar;
use crate::ledger::Ledger;
use crate::model_server::{Cluster, Ending, PeerId, Settings};
use crate::scenario::{seed_bytes, url};
use crate::story;

/// Turns at one moment at most. What needs more spins.
const TURNS: usize = 2_000;

/// A driver that is tried.
pub trait Driver {
    /// Does everything that can be done now: takes events, passes the time on, carries out actions, writes and reads; waits
    /// for nothing. Events go to `events`, in their order.
    fn turn(&mut self, connection: &mut Connection, network: &mut Network, events: &mut Vec<Event>);
}

/// A clock, and a stream to the model server.
pub struct Network {
    cluster: Cluster,
    now: u64,
    stream: Option<Stream>,
    dial: Option<Result<(), LinkEnd>>,
    refuses: bool,
    write_max: usize,
    read_max: usize,
    busy: bool,
}

struct Stream {
    peer: PeerId,
    /// From the server, not yet read.
    down: Vec<u8>,
    end: Option<LinkEnd>,
}

impl Network {
    fn new() -> Self {
        let mut cluster = Cluster::new();
        cluster.add_server(Settings::new(String::from("n1")));
        Self {
            cluster,
            now: 1_000_000_000,
            stream: None,
            dial: None,
            refuses: false,
            write_max: usize::MAX,
            read_max: usize::MAX,
            busy: false,
        }
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.now)
    }

    /// Begins to dial; a stream that there still is, ends.
    pub fn dial(&mut self, _server: &Server) {
        self.hang_up();
        self.busy = true;
        let accepted = (!self.refuses)
            .then(|| self.cluster.accept(self.now, 0))
            .flatten();
        self.dial = Some(match accepted {
            Some(peer) => {
                self.stream = Some(Stream {
                    peer,
                    down: Vec::new(),
                    end: None,
                });
                Ok(())
            }
            None => Err(LinkEnd::Dial {
                kind: "connection_refused",
                detail: "connection refused".into(),
            }),
        });
    }

    /// How the dial ended: once for each.
    pub fn dialled(&mut self) -> Option<Result<(), LinkEnd>> {
        self.dial.take()
    }

    /// Appends what can be read now: how much that was. `Ok(0)` is the end of the stream, `None` that there is nothing yet.
    pub fn read(&mut self, buffer: &mut BytesMut) -> Option<Result<usize, LinkEnd>> {
        self.serve();
        let stream = self.stream.as_mut()?;
        let count = stream.down.len().min(self.read_max);
        if count == 0 {
            let end = stream.end.clone()?;
            return Some(if end == LinkEnd::Eof { Ok(0) } else { Err(end) });
        }
        buffer.extend_from_slice(&stream.down[..count]);
        stream.down.drain(..count);
        self.busy = true;
        Some(Ok(count))
    }

    /// Writes what the stream takes: often less than all. `None` without a stream.
    pub fn write(&mut self, bytes: &[u8]) -> Option<Result<usize, LinkEnd>> {
        let stream = self.stream.as_ref()?;
        if let Some(end) = &stream.end {
            return Some(Err(end.clone()));
        }
        let count = bytes.len().min(self.write_max);
        self.cluster.receive(self.now, stream.peer, &bytes[..count]);
        self.busy |= count > 0;
        Some(Ok(count))
    }

    /// Ends the stream, or the dial.
    pub fn hang_up(&mut self) {
        self.dial = None;
        if let Some(stream) = self.stream.take() {
            self.cluster.receive_end(self.now, stream.peer);
        }
    }

    /// What the server has to say arrives.
    fn serve(&mut self) {
        self.cluster.tick(self.now);
        let Some(stream) = &mut self.stream else { return };
        stream.down.extend(self.cluster.take_output(stream.peer));
        if stream.end.is_none() {
            stream.end = self.cluster.ending(stream.peer).map(|ending| match ending {
                Ending::Close => LinkEnd::Eof,
                Ending::Reset => reset(),
            });
        }
    }

    fn cut(&mut self) {
        if let Some(stream) = &mut self.stream {
            self.cluster.receive_end(self.now, stream.peer);
            stream.end = Some(reset());
        }
    }
}

fn reset() -> LinkEnd {
    LinkEnd::Io {
        kind: "connection_reset",
        detail: "connection reset by peer".into(),
    }
}

/// Gives the driver the life that these bytes describe. The same bytes are the same life.
///
/// # Errors
/// The first promise that was broken, with the story until then.
///
/// # Panics
/// If `change` makes the settings unusable. What the driver panics with is passed on.
pub fn check(driver: &mut impl Driver, change: impl FnOnce(&mut Config), data: &[u8]) -> Result<(), String> {
    let mut config = Config::new(vec![url("nats://n1.test:4222")]);
    config.retry_initial = true;
    change(&mut config);
    let network = Network::new();
    let connection = Connection::new(config, seed_bytes(1), network.now()).expect("usable settings");
    let mut life = Life {
        network,
        connection,
        ledger: Ledger::default(),
        grammar: Grammar::default(),
        story: Vec::new(),
        closed: false,
    };
    let lived = life.live(driver, data);
    lived.map_err(|fault| format!("{fault}; the story:\n{}", life.story.join("\n")))
}

struct Life {
    network: Network,
    connection: Connection,
    ledger: Ledger,
    grammar: Grammar,
    story: Vec<String>,
    closed: bool,
}

impl Life {
    fn live(&mut self, driver: &mut impl Driver, data: &[u8]) -> Result<(), String> {
        self.run_for(driver, Duration::from_millis(1))?;
        for pair in data.chunks(2) {
            let size = usize::from(*pair.get(1).unwrap_or(&0));
            match pair[0] % 10 {
                0..=3 => self.publish(size),
                4 => {
                    _ = self
                        .connection
                        .flush(self.network.now())
                        .map(|id| self.ledger.flushing(id))
                }
                5 => self.network.cut(),
                6 => self.network.write_max = size + 1,
                7 => self.network.read_max = size + 1,
                8 => self.network.refuses = size % 2 == 1,
                _ => {}
            }
            self.run_for(
                driver,
                Duration::from_millis(size as u64 * u64::from(pair[0] / 10)),
            )?;
        }
        self.network.refuses = false;
        self.run_for(driver, Duration::from_secs(60))?;
        if !self.closed && self.connection.state().code() != "connected" {
            return Err(format!(
                "the server has been there for a minute, and the client is not connected: {}",
                self.connection.why(self.network.now())
            ));
        }
        self.compare()?;
        self.connection.close(self.network.now());
        self.run_for(driver, Duration::from_secs(60))?;
        if !self.closed {
            return Err(String::from(
                "it was closed a minute ago, and `Closed` has not come",
            ));
        }
        self.compare()
    }

    fn publish(&mut self, size: usize) {
        let number = self.connection.publish_fates().accepted + 1;
        let payload = format!("{number} {}", "x".repeat(size));
        let subject = nats_proto::Subject::new("a").expect("a subject");
        let message = nats_conn_sm::Publish::new(&subject, payload.clone());
        if let Ok(seq) = self.connection.publish(message) {
            self.ledger.published(seq, "a", payload.as_bytes());
        }
    }

    /// Time goes by, from one moment at which something is due to the next.
    fn run_for(&mut self, driver: &mut impl Driver, time: Duration) -> Result<(), String> {
        let end = self.network.now + u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        loop {
            self.settle(driver)?;
            let client = self.connection.poll_timeout().map(Timestamp::as_nanos);
            let due = [client, self.network.cluster.next_wakeup()]
                .into_iter()
                .flatten()
                .min();
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
            self.network.busy = false;
            let mut events = Vec::new();
            driver.turn(&mut self.connection, &mut self.network, &mut events);
            self.network.serve();
            let busy = self.network.busy || !events.is_empty();
            for event in events {
                self.event(&event)?;
            }
            self.ledger.fates(self.connection.publish_fates())?;
            if let Some(violation) = self.network.cluster.violations().first() {
                return Err(format!(
                    "the server cannot accept what was written: {violation:?}"
                ));
            }
            idle = if busy { 0 } else { idle + 1 };
            if idle == 3 {
                let overdue = self
                    .connection
                    .poll_timeout()
                    .filter(|at| *at <= self.network.now());
                return overdue.map_or(Ok(()), |at| {
                    Err(format!(
                        "{at:?} has come, and the driver does not tell the machine"
                    ))
                });
            }
        }
        Err(format!(
            "the driver does not come to rest in {TURNS} turns at one moment"
        ))
    }

    fn event(&mut self, event: &Event) -> Result<(), String> {
        let line = story::line(event).unwrap_or_else(|| story::name(event).to_owned());
        self.story.push(format!("{:?} {line}", self.network.now()));
        if self.closed {
            return Err(String::from("an event after `Closed`"));
        }
        self.closed = story::name(event) == "closed";
        self.grammar.event(event)?;
        self.ledger.event(event)
    }

    /// What the server has executed agrees with what became of every publish.
    fn compare(&self) -> Result<(), String> {
        let fate = |number| self.connection.fate(PublishSeq::from_u64(number));
        self.ledger.compare(self.network.cluster.logs(), false, fate)
    }
}
