//! What a driver has to do with: a clock, and one stream to a model server, with everything that may go wrong on it.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::BytesMut;
use nats_conn_sm::{AuthError, Credentials, LinkEnd, Server, Timestamp};

use crate::model_server::{Cluster, Ending, PeerId, Reaction, Tls};

/// How many bytes the transport takes that the server does not have yet.
const ROOM: usize = 64 * 1024;

/// A clock, and a stream to the model server. Nothing of it blocks.
pub struct Network {
    pub(super) cluster: Cluster,
    pub(super) now: u64,
    pub(super) conditions: Conditions,
    pub(super) stream: Option<Stream>,
    /// The subscriptions that there are, as far as the application knows.
    pub(super) live: Vec<u64>,
    /// What is known of each link when its handshake is over, by its number for the servers.
    pub(super) handshakes: Vec<(PeerId, Handshake)>,
    /// The driver did something with it since this was last asked.
    pub(super) busy: bool,
}

/// What streams and dials are like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditions {
    pub(super) dial: Outcome,
    pub(super) tls: Outcome,
    pub(super) credentials: Outcome,
    /// How long a dial and a TLS handshake take.
    pub(super) setup: Duration,
    pub(super) latency: Duration,
    /// How much one write takes, and one read gives. A write that takes nothing waits for better times.
    pub(super) write_max: usize,
    pub(super) read_max: usize,
    /// How many more reads and writes are so small; then they are of any size. A long message a byte at a time proves nothing
    /// that its first bytes do not, and takes as long as a hundred lives.
    pub(super) small: u32,
}

/// How something that the driver begins ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Works,
    Fails,
    /// Not at all.
    Hangs,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            dial: Outcome::Works,
            tls: Outcome::Works,
            credentials: Outcome::Works,
            setup: Duration::ZERO,
            latency: Duration::ZERO,
            write_max: usize::MAX,
            read_max: usize::MAX,
            small: 0,
        }
    }
}

impl Conditions {
    fn was_small(&mut self) {
        if self.small > 0 {
            self.small -= 1;
            if self.small == 0 {
                (self.write_max, self.read_max) = (usize::MAX, usize::MAX);
            }
        }
    }
}

/// What there was when the client could read the PONG of the handshake.
pub(super) struct Handshake {
    /// How much it had written.
    pub(super) written: u64,
    /// Its subscriptions.
    pub(super) live: Vec<u64>,
}

pub(super) struct Stream {
    /// The place of its server; none if nobody has that name.
    place: Option<usize>,
    stage: Stage,
    pub(super) peer: Option<PeerId>,
    /// In transit to the server, and from it, with the time of arrival.
    up: VecDeque<(u64, Vec<u8>)>,
    down: VecDeque<(u64, Vec<u8>)>,
    /// How it ended, and when the client can see that. What is in `down` is read first.
    end: Option<(u64, LinkEnd)>,
    written: u64,
    read: u64,
    /// Nothing passes it any more, in either direction, and nobody notices.
    pub(super) frozen: bool,
    /// Its server has been made to say or do what leaves it of no use.
    pub(super) spoiled: bool,
}

enum Stage {
    /// Being dialled: when that ends, if ever.
    Dialling(Option<u64>, Option<LinkEnd>),
    /// In a TLS handshake.
    Securing(Option<u64>, Option<LinkEnd>),
    Open,
}

impl Network {
    pub(super) fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            now: 1_000_000_000,
            conditions: Conditions::default(),
            stream: None,
            live: Vec::new(),
            handshakes: Vec::new(),
            busy: false,
        }
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.now)
    }

    /// Begins to dial; a stream that there still is, ends.
    pub fn dial(&mut self, server: &Server) {
        self.hang_up(true);
        self.busy = true;
        let place = (0..self.cluster.servers()).find(|place| {
            let settings = self.cluster.settings(*place);
            settings.host == server.host() && settings.port == server.port()
        });
        let fault = match (self.conditions.dial, place) {
            (_, None) => Some(LinkEnd::resolve("no such name")),
            (Outcome::Fails, _) => Some(refused()),
            _ => None,
        };
        self.stream = Some(Stream {
            place,
            stage: Stage::Dialling(self.ends_at(self.conditions.dial), fault),
            peer: None,
            up: VecDeque::new(),
            down: VecDeque::new(),
            end: None,
            written: 0,
            read: 0,
            frozen: false,
            spoiled: false,
        });
    }

    /// How the dial ended: once for each, and nothing before.
    pub fn dialled(&mut self) -> Option<Result<(), LinkEnd>> {
        let now = self.now;
        let stream = self.stream.as_mut()?;
        let Stage::Dialling(at, fault) = &mut stream.stage else {
            return None;
        };
        at.filter(|at| *at <= now)?;
        let fault = fault.take();
        self.busy = true;
        let accepted = match stream.place {
            Some(place) if fault.is_none() => self.cluster.accept(now, place),
            _ => None,
        };
        if accepted.is_none() {
            self.stream = None;
            return Some(Err(fault.unwrap_or_else(refused)));
        }
        stream.peer = accepted;
        stream.stage = Stage::Open;
        Some(Ok(()))
    }

    /// Begins a TLS handshake over the stream.
    pub fn start_tls(&mut self) {
        let at = self.ends_at(self.conditions.tls);
        self.serve();
        self.busy = true;
        let Some(stream) = &mut self.stream else { return };
        let has_tls = stream
            .place
            .is_some_and(|place| self.cluster.settings(place).tls != Tls::None);
        let fault = match self.conditions.tls {
            Outcome::Fails => Some("the certificate has expired"),
            _ if !has_tls || !stream.down.is_empty() => Some("that is no TLS"),
            _ => None,
        };
        stream.stage = Stage::Securing(at, fault.map(LinkEnd::tls));
    }

    /// How the TLS handshake ended: once for each, and nothing before. If it failed, there is no stream any more.
    pub fn secured(&mut self) -> Option<Result<(), LinkEnd>> {
        let now = self.now;
        let stream = self.stream.as_mut()?;
        let Stage::Securing(at, fault) = &mut stream.stage else {
            return None;
        };
        let ended = stream
            .end
            .clone()
            .filter(|(at, _)| *at <= now)
            .map(|(_, end)| end);
        if ended.is_none() {
            at.filter(|at| *at <= now)?;
        }
        self.busy = true;
        if let Some(end) = ended.or(fault.take()) {
            self.hang_up(true);
            return Some(Err(end));
        }
        stream.stage = Stage::Open;
        if let Some(peer) = stream.peer {
            self.cluster.tls_done(now, peer);
        }
        Some(Ok(()))
    }

    /// What is answered to [`Action::Authenticate`](nats_conn_sm::Action::Authenticate).
    ///
    /// # Errors
    /// They cannot be had now.
    pub fn credentials(&self) -> Result<Credentials, AuthError> {
        match self.conditions.credentials {
            Outcome::Works => Ok(Credentials::default()),
            Outcome::Fails | Outcome::Hangs => Err(AuthError::NoNonce),
        }
    }

    /// Appends what can be read now: how much that was. `Ok(0)` is the end of the stream, `None` that there is nothing yet.
    pub fn read(&mut self, buffer: &mut BytesMut) -> Option<Result<usize, LinkEnd>> {
        self.serve();
        let now = self.now;
        let stream = self.stream.as_mut()?;
        if stream.frozen || !matches!(stream.stage, Stage::Open) {
            return None;
        }
        let Some((_, bytes)) = stream.down.front_mut().filter(|(at, _)| *at <= now) else {
            if !stream.down.is_empty() {
                return None;
            }
            let (_, end) = stream.end.clone().filter(|(at, _)| *at <= now)?;
            return Some(if end == LinkEnd::Eof { Ok(0) } else { Err(end) });
        };
        let count = bytes.len().min(self.conditions.read_max);
        buffer.extend_from_slice(&bytes[..count]);
        if count == bytes.len() {
            stream.down.pop_front();
        } else {
            bytes.drain(..count);
        }
        stream.read += count as u64;
        self.busy = true;
        self.note_pong();
        self.conditions.was_small();
        Some(Ok(count))
    }

    /// Writes what the stream takes: often less than all. `None`: nothing now.
    pub fn write(&mut self, bytes: &[u8]) -> Option<Result<usize, LinkEnd>> {
        let now = self.now;
        let arrival = now + nanos(self.conditions.latency);
        let stream = self
            .stream
            .as_mut()
            .filter(|stream| matches!(stream.stage, Stage::Open))?;
        if let Some((_, end)) = stream.end.as_ref().filter(|(at, _)| *at <= now) {
            return Some(Err(match end {
                LinkEnd::Eof => LinkEnd::io("broken_pipe", "broken pipe"),
                end => end.clone(),
            }));
        }
        let held: usize = stream.up.iter().map(|(_, bytes)| bytes.len()).sum();
        let room = ROOM.saturating_sub(held);
        let count = bytes.len().min(self.conditions.write_max).min(room);
        if count == 0 {
            return None;
        }
        stream.written += count as u64;
        self.busy = true;
        self.conditions.was_small();
        match stream.peer {
            // The usual case without a detour.
            Some(peer) if arrival == now && held == 0 && !stream.frozen => {
                self.cluster.receive(now, peer, &bytes[..count]);
            }
            _ => stream.up.push_back((arrival, bytes[..count].to_vec())),
        }
        Some(Ok(count))
    }

    /// Ends the stream, or the dial. With `abort`, what is in transit is lost.
    pub fn hang_up(&mut self, abort: bool) {
        let Some(stream) = self.stream.take() else { return };
        let Some(peer) = stream.peer else { return };
        if !abort && !stream.frozen && stream.end.is_none() {
            for (_, bytes) in stream.up {
                self.cluster.receive(self.now, peer, &bytes);
            }
        }
        self.cluster.receive_end(self.now, peer);
    }

    /// What is in transit and due arrives, and the servers do what they have to.
    pub(super) fn serve(&mut self) {
        let now = self.now;
        let arrival = now + nanos(self.conditions.latency);
        if let Some(Stream {
            peer: Some(peer),
            up,
            end: None,
            frozen: false,
            ..
        }) = &mut self.stream
        {
            while up.front().is_some_and(|(at, _)| *at <= now) {
                let (_, bytes) = up.pop_front().unwrap_or_default();
                self.cluster.receive(now, *peer, &bytes);
            }
        }
        if self.cluster.next_wakeup().is_some_and(|at| at <= now) {
            self.cluster.tick(now);
        }
        let Some(stream) = &mut self.stream else { return };
        let Some(peer) = stream.peer else { return };
        let output = self.cluster.take_output(peer);
        if !output.is_empty() {
            stream.down.push_back((arrival, output));
        }
        if stream.end.is_some() {
            return;
        }
        match self.cluster.ending(peer) {
            None => {}
            Some(Ending::Close) => {
                stream.end = Some((arrival, LinkEnd::Eof));
                self.cluster.receive_end(now, peer);
            }
            Some(Ending::Reset) => {
                stream.down.clear();
                stream.end = Some((arrival, reset()));
            }
        }
    }

    /// When something happens next by itself.
    pub(super) fn next_wakeup(&self) -> Option<u64> {
        let later = |at: &u64| *at > self.now;
        let stream = self.stream.as_ref().map(|stream| {
            let stage = match stream.stage {
                Stage::Dialling(at, _) | Stage::Securing(at, _) => at,
                Stage::Open => None,
            };
            let front = |queue: &VecDeque<(u64, Vec<u8>)>| {
                let front = queue.front().map(|(at, _)| *at);
                front.filter(|_| !stream.frozen)
            };
            let end = stream.end.as_ref().map(|(at, _)| *at);
            [stage, front(&stream.up), front(&stream.down), end]
        });
        let stream = stream.into_iter().flatten().flatten();
        stream.chain(self.cluster.next_wakeup()).filter(later).min()
    }

    /// The stream is reset: what is in transit is lost, in both directions.
    pub(super) fn cut(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        if let Some(peer) = stream.peer {
            self.cluster.receive_end(self.now, peer);
            stream.down.clear();
            stream.up.clear();
            stream.frozen = false;
            stream.end = Some((self.now, reset()));
        }
    }

    /// The server of the stream does something on it.
    pub(super) fn react(&mut self, reaction: Reaction) {
        if let Some(peer) = self.stream.as_ref().and_then(|stream| stream.peer) {
            self.cluster.reaction(self.now, peer, reaction);
        }
    }

    fn ends_at(&self, outcome: Outcome) -> Option<u64> {
        (outcome != Outcome::Hangs).then(|| self.now + nanos(self.conditions.setup))
    }

    /// With the bytes that were just read, the handshake may be over.
    fn note_pong(&mut self) {
        let Some(stream) = &self.stream else { return };
        let Some(peer) = stream.peer else { return };
        let first = self.cluster.log(peer).first_pong;
        let known = self.handshakes.last().is_some_and(|(last, _)| *last == peer);
        if !known && first.is_some_and(|first| stream.read >= first) {
            let live = std::mem::take(&mut self.live);
            self.handshakes.push((
                peer,
                Handshake {
                    written: stream.written,
                    live,
                },
            ));
        }
    }

    /// Whether a stream is open whose handshake is not over.
    pub(super) fn awaits_pong(&self) -> bool {
        let peer = self.stream.as_ref().and_then(|stream| stream.peer);
        peer.is_some_and(|peer| self.handshakes.last().is_none_or(|(last, _)| *last != peer))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn refused() -> LinkEnd {
    LinkEnd::dial("connection_refused", "connection refused")
}

fn reset() -> LinkEnd {
    LinkEnd::io("connection_reset", "connection reset by peer")
}
