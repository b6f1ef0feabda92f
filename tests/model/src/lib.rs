//! A strict model of NATS servers: bytes in, bytes out, virtual time, no sockets.
//!
//! For the tests of this repository and for the tour: the laboratory, `nats-conn-tests`, re-exports all of it. For a NATS
//! server use `nats-server`, for a client `nats-conn-tokio`.
//!
//! [`tcp_server`] puts it on real sockets, and [`clock`] waits without a runtime.
//!
//! A [`Cluster`] holds some servers and the links of their clients, and routes between all of them. It does what
//! a real server does (`client.go`, `parser.go`), it misbehaves where a [`Step`] says so, it remembers every
//! frame of every link ([`LinkLog`]), and it writes down what a well-behaved client never does ([`Violation`]).
//!
//! ```
//! use nats_conn_model_server::{Cluster, Settings};
//!
//! let mut cluster = Cluster::new();
//! let server = cluster.add_server(Settings::new("n1"));
//! let peer = cluster.accept(0, server).expect("it listens");
//! assert!(cluster.take_output(peer).starts_with(b"INFO {"));
//! ```

pub mod clock;
mod execute;
mod frame;
mod info;
mod lenient;
mod link;
mod routing;
mod script;
mod settings;
pub mod tcp_server;
mod violation;

use std::collections::{BTreeMap, BTreeSet};

use bytes::BytesMut;

pub use frame::Op;
pub use link::{Frame, LinkLog};
pub use routing::matches;
pub use script::{Reaction, Step, When};
pub use settings::{Auth, Settings, Tls, Urls};
pub use violation::{Fault, Violation};

use frame::{Broken, FrameLimits, Taken};
use link::{Link, Stage};

/// Some servers, their links, and what they remember. Time is in nanoseconds and only ever passed in.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    servers: Vec<Server>,
    links: Vec<Link>,
    /// What each sid of each named client stands for.
    sids: BTreeMap<(String, u64), (String, Option<String>)>,
    violations: Vec<Violation>,
    orders: Vec<Order>,
    /// Which member of a queue group is next.
    rotation: usize,
    /// What was delivered, where that is to be remembered.
    deliveries: Option<Vec<Delivery>>,
    /// Pairs of servers between which nothing is routed.
    splits: BTreeSet<(usize, usize)>,
}

/// A message on its way to one subscription of one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The link.
    pub peer: PeerId,
    /// The subscription.
    pub sid: u64,
    /// How many bytes had been sent on the link with its last one.
    pub end: u64,
    /// The payload.
    pub payload: Vec<u8>,
}

/// What a client published to [`Settings::orders`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The place of the server that took it.
    pub server: usize,
    /// Where the client waits for an answer.
    pub reply: Option<String>,
    /// The payload.
    pub text: String,
}

/// One link, from the side of the servers. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerId(pub usize);

/// What the transport of a link has to do once it has delivered the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Close it in order: the client reads what was sent, then the end of the stream.
    Close,
    /// Tear it down at once.
    Reset,
}

#[derive(Clone, Debug)]
struct Server {
    settings: Settings,
    listening: bool,
    lame_duck: bool,
    /// When the links of a lame duck are closed.
    closes_links: Option<u64>,
}

impl Cluster {
    /// No server.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more server, which listens. Its place is the number of servers before it.
    pub fn add_server(&mut self, settings: Settings) -> usize {
        self.servers.push(Server {
            settings,
            listening: true,
            lame_duck: false,
            closes_links: None,
        });
        self.servers.len() - 1
    }

    /// How many servers there are.
    pub fn servers(&self) -> usize {
        self.servers.len()
    }

    /// The settings of a server.
    pub fn settings(&self, server: usize) -> &Settings {
        &self.servers[server].settings
    }

    /// The settings of a server, to change them. No INFO is sent: see [`announce`](Self::announce).
    pub fn settings_mut(&mut self, server: usize) -> &mut Settings {
        &mut self.servers[server].settings
    }

    /// Whether a server takes new links.
    pub fn is_listening(&self, server: usize) -> bool {
        self.servers[server].listening
    }

    /// Opens a link to a server, or `None` if it does not listen. INFO is in the output.
    pub fn accept(&mut self, now: u64, server: usize) -> Option<PeerId> {
        if !self.is_listening(server) {
            return None;
        }
        let peer = PeerId(self.links.len());
        let link = Link::new(server, &mut self.servers[server].settings, now);
        let mute = link.stage == Stage::Mute;
        self.links.push(link);
        if !mute {
            self.greet(now, peer);
        }
        Some(peer)
    }

    /// The TLS handshake of a link is done. What it does to the bytes is not modelled.
    pub fn tls_done(&mut self, now: u64, peer: PeerId) {
        let link = &mut self.links[peer.0];
        link.tls_done = true;
        if link.stage == Stage::Mute {
            link.stage = Stage::Greeted;
            self.greet(now, peer);
        }
    }

    /// Bytes of a client have come.
    pub fn receive(&mut self, now: u64, peer: PeerId, bytes: &[u8]) {
        let link = &mut self.links[peer.0];
        link.log.bytes += bytes.len() as u64;
        if !link.remember && !link.stage.listens() {
            // Nobody will ask what it was.
            return;
        }
        link.input.extend_from_slice(bytes);
        while self.links[peer.0].stage.listens() {
            match self.next_frame(peer) {
                Ok(Some(Taken { op, length, odd })) => {
                    if let Some(text) = odd {
                        self.blame(peer, Fault::Spelling(text));
                    }
                    self.execute(now, peer, op, length as u64);
                }
                Ok(None) => return,
                Err(broken) => return self.break_off(peer, broken),
            }
        }
    }

    /// The client has closed its side, or its transport is gone. What is not a whole frame is never executed.
    pub fn receive_end(&mut self, now: u64, peer: PeerId) {
        self.links[peer.0].finish(now);
    }

    /// What the server has sent since the last call.
    pub fn take_output(&mut self, peer: PeerId) -> Vec<u8> {
        std::mem::take(&mut self.links[peer.0].output)
    }

    /// Whether there is output to take.
    pub fn has_output(&self, peer: PeerId) -> bool {
        !self.links[peer.0].output.is_empty()
    }

    /// Whether the server has ended the link. The transport answers with [`receive_end`](Self::receive_end).
    pub fn ending(&self, peer: PeerId) -> Option<Ending> {
        match self.links[peer.0].stage {
            Stage::Closing => Some(Ending::Close),
            Stage::Gone => Some(Ending::Reset),
            _ => None,
        }
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn next_wakeup(&self) -> Option<u64> {
        let links = self.links.iter().filter(|link| link.stage.listens());
        let timers = links.flat_map(|link| {
            link.next_ping
                .into_iter()
                .chain(link.later.iter().map(|(at, _)| *at))
        });
        timers
            .chain(self.servers.iter().filter_map(|server| server.closes_links))
            .min()
    }

    /// Does what is due: PINGs, delayed reactions, the end of a lame duck.
    pub fn tick(&mut self, now: u64) {
        for peer in (0..self.links.len()).map(PeerId) {
            let link = &mut self.links[peer.0];
            let due: Vec<Reaction> = link
                .later
                .extract_if(.., |(at, _)| *at <= now)
                .map(|(_, reaction)| reaction)
                .collect();
            for reaction in due {
                self.perform(now, peer, reaction);
            }
            self.ping_if_due(now, peer);
        }
        for server in 0..self.servers.len() {
            if self.servers[server].closes_links.is_some_and(|at| at <= now) {
                self.servers[server].closes_links = None;
                self.each_link_of(server, |link| link.close());
            }
        }
    }

    /// Does something on a link, now.
    pub fn reaction(&mut self, now: u64, peer: PeerId, reaction: Reaction) {
        self.perform(now, peer, reaction);
    }

    /// Sends INFO, as it is now, to every link of a server that is past its handshake.
    pub fn announce(&mut self, server: usize) {
        for peer in (0..self.links.len()).map(PeerId) {
            if self.links[peer.0].log.server == server && self.links[peer.0].stage == Stage::Ready {
                self.send_info(peer, info::Kind::Update);
            }
        }
    }

    /// Puts a server into lame duck mode: it takes no new links, sends INFO to all clients, and closes their
    /// links at `closes_at`, if ever.
    pub fn lame_duck(&mut self, server: usize, closes_at: Option<u64>) {
        self.servers[server].lame_duck = true;
        self.servers[server].listening = false;
        self.servers[server].closes_links = closes_at;
        self.announce(server);
        // As a real server: the flag was in this INFO, and is not repeated.
        self.gossip(server);
    }

    /// Tears down all links of a server; nobody can reach it.
    pub fn crash(&mut self, now: u64, server: usize) {
        self.servers[server].listening = false;
        self.servers[server].closes_links = None;
        self.each_link_of(server, |link| link.reset(now));
        self.gossip(server);
    }

    /// Starts a server again, out of lame duck mode.
    pub fn restart(&mut self, server: usize) {
        self.servers[server].listening = true;
        self.servers[server].lame_duck = false;
        self.gossip(server);
    }

    /// All links that there ever were, in the order of their opening.
    pub fn logs(&self) -> impl ExactSizeIterator<Item = &LinkLog> {
        self.links.iter().map(|link| &link.log)
    }

    /// What is remembered of a link.
    pub fn log(&self, peer: PeerId) -> &LinkLog {
        &self.links[peer.0].log
    }

    /// The links of a server that are open and past their handshake.
    pub fn ready_links(&self, server: usize) -> Vec<PeerId> {
        let ready = |link: &Link| link.log.server == server && link.stage == Stage::Ready;
        (0..self.links.len())
            .filter(|index| ready(&self.links[*index]))
            .map(PeerId)
            .collect()
    }

    /// Everything that a client did and must not do, in order.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// The same, and forgets it.
    pub fn take_violations(&mut self) -> Vec<Violation> {
        std::mem::take(&mut self.violations)
    }

    /// What was published to [`Settings::orders`] since the last call, in order.
    pub fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    /// Publishes as if by a client of some other server.
    pub fn publish(&mut self, subject: &str, reply: Option<&str>, payload: &[u8]) {
        self.route(None, subject, reply, None, payload);
    }

    /// The same with a header block.
    pub fn publish_with_headers(
        &mut self,
        subject: &str,
        reply: Option<&str>,
        headers: &[u8],
        payload: &[u8],
    ) {
        self.route(None, subject, reply, Some(headers), payload);
    }

    /// Remembers every delivery from now on.
    pub fn remember_deliveries(&mut self) {
        self.deliveries.get_or_insert_default();
    }

    /// Every delivery that was to be remembered, in order.
    pub fn deliveries(&self) -> &[Delivery] {
        self.deliveries.as_deref().unwrap_or_default()
    }

    /// Lets two servers lose sight of each other, or find each other again: nothing is routed between them meanwhile.
    /// What they announce does not change.
    pub fn split(&mut self, one: usize, other: usize, is_split: bool) {
        let pair = (one.min(other), one.max(other));
        if is_split {
            self.splits.insert(pair);
        } else {
            self.splits.remove(&pair);
        }
    }

    fn is_split(&self, one: usize, other: usize) -> bool {
        self.splits.contains(&(one.min(other), one.max(other)))
    }

    fn next_frame(&mut self, peer: PeerId) -> Result<Option<Taken>, Broken> {
        let link = &mut self.links[peer.0];
        let settings = &self.servers[link.log.server].settings;
        let payload = settings
            .account_max_payload
            .unwrap_or(u64::MAX)
            .min(settings.max_payload);
        frame::next(
            &mut link.input,
            FrameLimits {
                line: settings.max_control_line,
                payload,
            },
        )
    }

    /// The client wrote what cannot be parsed: the link ends, as a server ends it.
    fn break_off(&mut self, peer: PeerId, broken: Broken) {
        let link = &mut self.links[peer.0];
        match broken {
            Broken::Malformed(text) => {
                link.refuse("Unknown Protocol Operation");
                self.blame(peer, Fault::Malformed(text));
            }
            Broken::LineTooLong => {
                link.refuse("maximum control line exceeded");
                self.blame(peer, Fault::LineTooLong);
            }
            Broken::PayloadTooLarge(size) => {
                link.refuse("Maximum Payload Violation");
                if size > link.announced_max_payload {
                    self.blame(peer, Fault::PayloadTooLarge(size));
                }
            }
        }
    }

    fn blame(&mut self, peer: PeerId, fault: Fault) {
        self.violations.push(Violation { peer, fault });
    }

    fn ping_if_due(&mut self, now: u64, peer: PeerId) {
        let link = &mut self.links[peer.0];
        let settings = &self.servers[link.log.server].settings;
        let (Some(at), Some(interval)) = (link.next_ping, settings.ping_interval) else {
            return;
        };
        if at > now || !link.stage.listens() {
            return;
        }
        if link.pings_out >= settings.max_pings_out {
            return link.refuse("Stale Connection");
        }
        link.pings_out += 1;
        link.next_ping = Some(now + interval);
        link.say(b"PING\r\n");
    }

    fn each_link_of(&mut self, server: usize, mut act: impl FnMut(&mut Link)) {
        for link in self
            .links
            .iter_mut()
            .filter(|link| link.log.server == server && link.stage != Stage::Gone)
        {
            act(link);
        }
    }

    /// The others announce that a server came or went, if they gossip.
    fn gossip(&mut self, changed: usize) {
        for server in 0..self.servers.len() {
            if server != changed && self.servers[server].settings.urls == Urls::Gossip {
                self.announce(server);
            }
        }
    }
}

/// Reads a whole transcript of a client, for tests of what was written.
///
/// # Panics
/// If it is not a sequence of whole, well-formed frames.
pub fn parse_transcript(bytes: &[u8]) -> Vec<Op> {
    let mut buffer = BytesMut::from(bytes);
    let limits = FrameLimits {
        line: usize::MAX / 2,
        payload: u64::MAX,
    };
    let mut ops = Vec::new();
    while !buffer.is_empty() {
        match frame::next(&mut buffer, limits) {
            Ok(Some(Taken { op, odd: None, .. })) => ops.push(op),
            other => panic!("after {} frames: {other:?}", ops.len()),
        }
    }
    ops
}

#[cfg(test)]
mod tests;
