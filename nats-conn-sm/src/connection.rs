//! The machine itself: its state, and its public face.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use nats_proto::{ServerInfo, ServerUrl};

use crate::action::{Action, Credentials};
use crate::buffers::{ReceiveBuf, SendBuf};
use crate::config::Config;
use crate::delivery::Delivery;
use crate::error::{AttemptFailure, AuthError, ConfigError, LinkEnd, StateError};
use crate::event::{Event, WaitReason};
use crate::ids::{AttemptId, LinkId, PublishSeq, ServerId};
use crate::life::{Closing, Life};
use crate::link::Link;
use crate::outbox::Outbox;
use crate::pool::{Discovery, Pool};
use crate::recording::{Input, RecorderSlot, credentials, kind, url};
use crate::requests::Requests;
use crate::rng::Rng;
use crate::servers::ServerStatus;
use crate::statistics::{Counters, Fate, LinkHealth, PublishFates, Statistics};
use crate::subscriptions::Subscriptions;
use crate::time::Timestamp;

/// The life of one NATS connection, from the first attempt to its close.
///
/// It does nothing by itself. Its methods are of four kinds, which may be called in any order and any number
/// of times:
///
/// - `handle_…` tells what happened outside: ignored unless it concerns the present link and is expected;
/// - verbs ([`publish`](Self::publish), [`subscribe`](Self::subscribe), …) tell what the application wants;
/// - `poll_…` asks what comes of it;
/// - nouns ([`state`](Self::state), [`statistics`](Self::statistics), …) look without changing anything.
#[derive(Clone, Debug)]
pub struct Connection {
    pub(crate) config: Config,
    pub(crate) now: Timestamp,
    pub(crate) rng: Rng,
    pub(crate) life: Life,
    pub(crate) stage: Stage,
    pub(crate) pool: Pool,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) requests: Requests,
    pub(crate) outbox: Outbox,
    pub(crate) delivery: Delivery,
    pub(crate) events: VecDeque<Event>,
    pub(crate) actions: VecDeque<Action>,
    /// Rounds without success, in a row.
    pub(crate) rounds: u32,
    /// The failed attempts of the first round.
    pub(crate) failures: Vec<AttemptFailure>,
    /// What INFO taught in attempts that failed: told with the next session.
    pub(crate) discovery: Discovery,
    /// The last server's.
    pub(crate) info: Option<Arc<ServerInfo>>,
    pub(crate) max_payload: Option<u64>,
    /// A publish was refused for want of room since `Writable` was told last.
    pub(crate) refused: bool,
    pub(crate) counters: Counters,
    pub(crate) next_link: u64,
    pub(crate) next_attempt: u64,
    pub(crate) next_flush: u64,
    pub(crate) recorder: RecorderSlot,
}

/// While a life is recorded, kinds of errors are those that can be written down.
fn known(end: LinkEnd, recorded: bool) -> LinkEnd {
    match end {
        LinkEnd::Dial { kind: name, detail } if recorded => LinkEnd::Dial {
            kind: kind(name),
            detail,
        },
        LinkEnd::Io { kind: name, detail } if recorded => LinkEnd::Io {
            kind: kind(name),
            detail,
        },
        other => other,
    }
}

/// What there is of a link.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    /// The driver chooses the next server.
    Choosing {
        attempt: AttemptId,
        default: ServerId,
        delay: Duration,
        reason: Option<WaitReason>,
    },
    /// The next attempt waits.
    Waiting { until: Timestamp, server: ServerId },
    /// There is one, on its way in, up, or on its way out.
    Linked(Box<Link>),
    /// There is none, and there will be none.
    Ended,
}

/// What a connection is doing, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// There was no session yet.
    Connecting,
    /// There is a session, which may be on its way out.
    Connected,
    /// There was one, and there will be another.
    Reconnecting,
    /// It is being drained.
    Draining,
    /// It is closed.
    Closed,
}

impl State {
    /// A stable name in snake case, for machines.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Reconnecting => "reconnecting",
            Self::Draining => "draining",
            Self::Closed => "closed",
        }
    }
}

/// How far a driver has come with [`Action::Connect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// It resolves the name.
    Resolving,
    /// It knows the addresses and dials.
    Dialing,
}

/// Construction.
impl Connection {
    /// A connection that begins its first attempt at `now`. All its randomness comes from `seed`.
    ///
    /// # Errors
    /// Settings that cannot be used.
    pub fn new(config: Config, seed: [u8; 32], now: Timestamp) -> Result<Self, ConfigError> {
        config.validate()?;
        let mut rng = Rng::new(seed);
        let (pool, raised) = Pool::new(&config.servers, config.randomize, &mut rng);
        let mut connection = Self {
            config,
            now,
            rng,
            life: Life::Open,
            stage: Stage::Ended,
            pool,
            subscriptions: Subscriptions::default(),
            requests: Requests::default(),
            outbox: Outbox::default(),
            delivery: Delivery::default(),
            events: VecDeque::new(),
            actions: VecDeque::new(),
            rounds: 0,
            failures: Vec::new(),
            discovery: Discovery::default(),
            info: None,
            max_payload: None,
            refused: false,
            counters: Counters::default(),
            next_link: 1,
            next_attempt: 1,
            next_flush: 1,
            recorder: RecorderSlot::default(),
        };
        for server in raised {
            connection.tell(Event::ServerTlsRaised { server });
        }
        connection.go_on(now);
        Ok(connection)
    }
}

/// What happened outside. Ignored unless it concerns the present link and is expected.
impl Connection {
    /// The stream that [`Action::Connect`] asked for is there.
    pub fn handle_connected(&mut self, now: Timestamp, link: LinkId) {
        self.noted(
            || Input::Connected(link),
            |machine| {
                let now = machine.enter(now);
                machine.stream_is_up(now, link);
            },
        );
    }

    /// The TLS handshake that [`Action::UpgradeTls`] asked for is done.
    pub fn handle_tls(&mut self, now: Timestamp, link: LinkId) {
        self.noted(
            || Input::Tls(link),
            |machine| {
                let now = machine.enter(now);
                machine.tls_is_up(now, link);
            },
        );
    }

    /// The answer to [`Action::Authenticate`].
    pub fn handle_credentials(
        &mut self,
        now: Timestamp,
        link: LinkId,
        answer: Result<Credentials, AuthError>,
    ) {
        let shown = answer.as_ref().map(credentials).map_err(AuthError::clone);
        self.noted(
            || Input::Credentials(link, shown),
            |machine| {
                let now = machine.enter(now);
                machine.identified(now, link, answer);
            },
        );
    }

    /// The answer to [`Action::ChooseServer`]: a server of the pool, and how long to wait before it is dialled. The
    /// very first attempt begins at once.
    pub fn handle_server_choice(
        &mut self,
        now: Timestamp,
        attempt: AttemptId,
        server: ServerId,
        delay: Duration,
    ) {
        self.noted(
            || Input::ServerChoice(attempt, server, delay),
            |machine| {
                let now = machine.enter(now);
                machine.chosen(now, attempt, server, delay);
            },
        );
    }

    /// How far the driver has come with [`Action::Connect`]: it says what a deadline that passes is called.
    pub fn handle_progress(&mut self, now: Timestamp, link: LinkId, progress: Progress) {
        self.noted(
            || Input::Progress(link, progress),
            |machine| {
                machine.enter(now);
                machine.progressed(link, progress);
            },
        );
    }

    /// The one last answer about a link: after its end or its error, after a dial or a TLS handshake that
    /// failed, and after [`Action::Disconnect`] — then at once, without waiting for the socket. `unsent` is
    /// the link's [`SendBuf`] with what the transport did not take.
    pub fn handle_link_closed(&mut self, now: Timestamp, link: LinkId, end: LinkEnd, unsent: &mut SendBuf) {
        let end = known(end, self.recorder.0.is_some());
        let (shown, buffer) = (end.clone(), (&*unsent).into());
        self.noted(
            || Input::LinkClosed(link, shown, buffer),
            |machine| {
                let now = machine.enter(now);
                machine.link_closed(now, link, end, unsent);
            },
        );
    }

    /// Time has come to [`poll_timeout`](Self::poll_timeout). Calling it more often is harmless.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if self.recorder.0.is_some() {
            return self.note_timeout(now);
        }
        let now = self.enter(now);
        self.fire_timers(now);
    }
}

/// What comes of it: any order, any number of times.
impl Connection {
    /// The next event, parsing one operation from what was read if nothing else is waiting.
    ///
    /// `rx` is read only if it belongs to the present link; without a link, pass any.
    pub fn poll_event(&mut self, now: Timestamp, rx: &mut ReceiveBuf) -> Option<Event> {
        if self.recorder.0.is_some() {
            return self.note_event(now, rx);
        }
        self.next_event(now, rx, &mut false)
    }

    /// The same; says whether anything changed.
    #[inline]
    pub(crate) fn next_event(
        &mut self,
        now: Timestamp,
        rx: &mut ReceiveBuf,
        progress: &mut bool,
    ) -> Option<Event> {
        let now = self.enter(now);
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            match self.parse_one(now, rx) {
                Parsed::Event(event) => return Some(event),
                Parsed::Operation => *progress = true,
                Parsed::Nothing => return self.events.pop_front(),
            }
        }
    }

    /// The next of the events that wait already, without parsing anything. For whoever has no part in driving the
    /// connection and wants to have heard of everything before looking at it.
    pub fn take_event(&mut self) -> Option<Event> {
        if self.recorder.0.is_some() {
            return self.note_taken_event();
        }
        self.events.pop_front()
    }

    /// Whether [`take_event`](Self::take_event) has one: what [`state`](Self::state) and the like show may then be
    /// ahead of the events that were taken.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// The next thing to do outside.
    pub fn poll_action(&mut self) -> Option<Action> {
        if self.recorder.0.is_some() {
            return self.note_action();
        }
        self.actions.pop_front()
    }

    /// Swaps the next block to write into `tx`, if that is empty and of the present link. Handing it back
    /// empty says that the transport took all of it.
    pub fn poll_transmit(&mut self, now: Timestamp, tx: &mut SendBuf) -> bool {
        if self.recorder.0.is_some() {
            return self.note_transmit(now, tx);
        }
        let now = self.enter(now);
        self.next_transmit(now, tx)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest, and to ask for what comes of it.
    /// Never before the last `now`; the last `now` itself while an event or an action is waiting, so that a
    /// driver that asks in another order than that of the loop does not sleep over one.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        if self.has_something_to_tell() {
            return Some(self.now);
        }
        self.next_timer().map(|(_, at)| at.max(self.now))
    }

    /// Whether [`poll_event`](Self::poll_event) or [`poll_action`](Self::poll_action) has something without
    /// further bytes.
    pub(crate) fn has_something_to_tell(&self) -> bool {
        let verdict = self.present_link().is_some_and(|link| match &link.ending {
            Some(ending) => ending.answer_by.is_none(),
            None => link.session().is_some_and(|session| session.looks_stale),
        });
        verdict || !self.events.is_empty() || !self.actions.is_empty()
    }
}

/// What parsing came to.
pub(crate) enum Parsed {
    /// An operation, and this is what it says.
    Event(Event),
    /// An operation; look whether it left an event.
    Operation,
    /// There is no whole operation.
    Nothing,
}

/// The whole connection.
impl Connection {
    /// Drops the link, if any, and dials the next server at once; a wait ends, an attempt is abandoned.
    /// Works also with reconnecting switched off.
    ///
    /// # Errors
    /// When closed or draining.
    pub fn force_reconnect(&mut self, now: Timestamp) -> Result<(), StateError> {
        self.noted(
            || Input::ForceReconnect,
            |machine| {
                let now = machine.enter(now);
                machine.require_open()?;
                machine.leave_by_force(now);
                Ok(())
            },
        )
    }

    /// Replaces the pool. The present link stays until it is lost; failures and rounds start anew; a wait ends. A server
    /// of the present pool that is spoken to with TLS stays so, whatever the new list says, and
    /// [`Event::ServerTlsRaised`] says so.
    ///
    /// # Errors
    /// An empty list, or a closed connection.
    pub fn set_servers(&mut self, now: Timestamp, servers: Vec<ServerUrl>) -> Result<(), StateError> {
        let shown = || Input::SetServers(servers.iter().map(url).collect());
        self.noted(shown, |machine| {
            let now = machine.enter(now);
            if servers.is_empty() {
                return Err(StateError::NoServers);
            }
            if machine.life.is_ending() {
                return Err(StateError::Closed);
            }
            machine.replace_pool(now, &servers);
            Ok(())
        })
    }
}

/// Looking.
impl Connection {
    /// What the connection is doing, in one word. It changes with the events that tell of it: a session that is being
    /// left is one until its [`Event::Disconnected`], and a connection that is closing is what it was until its
    /// [`Event::Closed`].
    pub fn state(&self) -> State {
        match &self.life {
            Life::Closed => State::Closed,
            Life::Draining(_) | Life::Closing(Closing { draining: true, .. }) => State::Draining,
            // A session lasts until its `Disconnected`, also while its link is on its way out.
            _ if self.present_link().is_some_and(|link| link.session().is_some()) => State::Connected,
            _ if self.counters.connects == 0 => State::Connecting,
            _ => State::Reconnecting,
        }
    }

    /// Whether it is closed, or closing: new calls are refused.
    pub fn is_closing(&self) -> bool {
        self.life.is_ending()
    }

    /// The present link, from the moment it is asked for until it is gone.
    pub fn link(&self) -> Option<LinkId> {
        self.present_link().map(|link| link.id)
    }

    /// What the last server said of itself.
    pub fn server_info(&self) -> Option<&Arc<ServerInfo>> {
        self.info.as_ref()
    }

    /// The largest headers and payload together that the last server takes, in bytes.
    pub fn max_payload(&self) -> Option<u64> {
        self.max_payload
    }

    /// The pool, in order.
    pub fn servers(&self) -> Vec<ServerStatus> {
        let current = self.present_link().map(|link| link.server.id());
        let next = match &self.stage {
            Stage::Waiting { server, .. } | Stage::Choosing { default: server, .. } => Some(*server),
            Stage::Linked(link) => self
                .pool
                .follower(link.server.id(), link.session().is_some(), self.now),
            Stage::Ended => None,
        };
        self.pool.status(current, next, self.now)
    }

    /// Counters and gauges.
    pub fn statistics(&self) -> Statistics {
        let session = self
            .present_link()
            .filter(|link| link.is_up())
            .and_then(|link| Some((link, link.session()?)));
        let Counters {
            in_messages,
            in_bytes,
            out_messages,
            out_bytes,
            attempts,
            connects,
            reconnects,
            round_trip,
            smoothed_round_trip,
        } = self.counters;
        Statistics {
            in_messages,
            in_bytes,
            out_messages,
            out_bytes,
            attempts,
            connects,
            reconnects,
            pending_bytes: self.held_bytes() as u64,
            subscriptions: self.subscriptions.len(),
            requests: self.requests.len() as u64,
            last_inbound: session.map(|(_, session)| session.liveness.heard_at()),
            pings_out: session.map_or(0, |(link, _)| link.unanswered.len() as u64),
            round_trip,
            smoothed_round_trip,
            publishes: self.publish_fates(),
        }
    }

    /// How long ago the server was heard, and how many PINGs it has not answered. Without a session: none.
    pub fn link_health(&self, now: Timestamp) -> Option<LinkHealth> {
        self.statistics().link_health(now.max(self.now))
    }

    /// What became of the publishes that were accepted.
    pub fn publish_fates(&self) -> PublishFates {
        self.delivery.fates(self.first_unwritten())
    }

    /// What one publish has come to; none if no publish has this number.
    pub fn fate(&self, publish: PublishSeq) -> Option<Fate> {
        if publish == PublishSeq::from_u64(0) || publish > self.delivery.last_accepted() {
            return None;
        }
        if self.delivery.is_written(publish) {
            return Some(Fate::Written);
        }
        let queued = self.first_unwritten().is_some_and(|first| publish >= first) && self.is_queued(publish);
        Some(if queued { Fate::Queued } else { Fate::Settled })
    }

    /// How many bytes the next read should have room for.
    pub fn read_hint(&self) -> usize {
        let need = self.present_link().map_or(0, |link| link.decoder.need());
        need.clamp(READ_MIN, READ_MAX)
    }

    /// Bytes that wait to be handed out.
    pub fn queued(&self) -> usize {
        self.outbox.bytes()
    }
}

/// A read of less is not worth its system call.
const READ_MIN: usize = 8 * 1024;
/// More is not allocated ahead of what arrives.
const READ_MAX: usize = 1024 * 1024;

/// What every part of the machine needs.
impl Connection {
    /// Takes the time, which never runs backwards.
    pub(crate) fn enter(&mut self, now: Timestamp) -> Timestamp {
        self.now = self.now.max(now);
        self.now
    }

    pub(crate) fn present_link(&self) -> Option<&Link> {
        match &self.stage {
            Stage::Linked(link) => Some(link),
            _ => None,
        }
    }

    /// The link with this number, if it is the present one and not on its way out.
    pub(crate) fn link_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        match &mut self.stage {
            Stage::Linked(link) if link.id == id && link.ending.is_none() => Some(link),
            _ => None,
        }
    }

    /// The link whose session is up.
    pub(crate) fn up(&mut self) -> Option<&mut Link> {
        match &mut self.stage {
            Stage::Linked(link) if link.is_up() => Some(link),
            _ => None,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.present_link().is_some_and(Link::is_up)
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.events.push_back(event);
    }

    pub(crate) fn require_open(&self) -> Result<(), StateError> {
        match &self.life {
            Life::Open => Ok(()),
            Life::Draining(_) => Err(StateError::Draining),
            Life::Closing(_) | Life::Closed => Err(StateError::Closed),
        }
    }

    /// One sentence a person can read about what the connection is doing and what it waits for.
    pub fn why(&self, now: Timestamp) -> String {
        self.explain(now.max(self.now))
    }
}
