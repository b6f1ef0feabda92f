//! The looking half: everything that can be asked without changing anything.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use nats_proto::ServerInfo;

use super::Machine;
use crate::dialer::Awaited;
use crate::error::Phase;
use crate::event::WaitReason;
use crate::ids::{LinkId, PublishSeq};
use crate::life::Life;
use crate::outbound::Takes;
use crate::servers::{AttemptFailure, Server, ServerStatus};
use crate::statistics::{Fate, PublishFates, Statistics};
use crate::time::Timestamp;

/// A read of less is not worth its system call.
const READ_MIN: usize = 8 * 1024;
/// More is not allocated ahead of what arrives.
const READ_MAX: usize = 1024 * 1024;

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

/// The attempt that comes next or is under way, as [`Connection::next_attempt`](crate::Connection::next_attempt) shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NextAttempt {
    /// The server.
    pub server: Server,
    /// The number of the attempt for this server since it last worked, from 1.
    pub attempt: u32,
    /// What it waits for, and why; or how far it has come.
    pub stage: AttemptStage,
    /// How the last attempt at this server failed, if it did.
    pub last_error: Option<Arc<AttemptFailure>>,
}

/// What an attempt waits for, or how far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttemptStage {
    /// It waits, as [`ConnectionEvent::BackoffWait`](crate::ConnectionEvent::BackoffWait) has reported.
    Waiting {
        /// Why.
        reason: WaitReason,
        /// How much longer.
        left: Duration,
    },
    /// The driver was asked to choose a server, and [`NextAttempt::server`] is the default: another may be taken.
    Choosing,
    /// It is under way, as [`ConnectionEvent::Connecting`](crate::ConnectionEvent::Connecting) has reported.
    UnderWay {
        /// How far it has come: what it would be said to have failed in.
        phase: Phase,
        /// How much longer it may take.
        left: Duration,
    },
}

impl AttemptStage {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::Choosing => "choosing",
            Self::UnderWay { .. } => "under_way",
        }
    }
}

/// A machine that is only looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a>(&'a Machine);

impl<'a> View<'a> {
    pub(super) fn new(machine: &'a Machine) -> Self {
        Self(machine)
    }

    pub(super) fn machine(self) -> &'a Machine {
        self.0
    }

    /// The time of the last call.
    pub(crate) fn now(self) -> Timestamp {
        self.0.env.now()
    }

    pub(crate) fn has_events(self) -> bool {
        self.0.output.has_events()
    }

    /// How many events and actions there ever were.
    pub(crate) fn output_count(self) -> u64 {
        self.0.output.count()
    }

    /// Whether something is to be polled without further bytes.
    pub(crate) fn has_output(self) -> bool {
        !self.0.output.is_empty() || self.0.link.as_ref().is_some_and(|link| link.has_verdict())
    }

    /// Whether a block is in the driver's hand.
    pub(crate) fn is_writing(self) -> bool {
        self.0.outbound.is_writing()
    }

    pub(crate) fn state(self) -> State {
        let Self(machine) = self;
        match &machine.life {
            Life::Closed => State::Closed,
            life if life.shows_as_draining() => State::Draining,
            // A session lasts until its `Disconnected`, also while its link is on its way out.
            _ if machine.link.as_ref().is_some_and(|link| link.has_session()) => State::Connected,
            _ if machine.dialer.ever_connected() => State::Reconnecting,
            _ => State::Connecting,
        }
    }

    pub(crate) fn is_closing(self) -> bool {
        self.0.life.is_ending()
    }

    pub(crate) fn link(self) -> Option<LinkId> {
        self.0.link.as_ref().map(|link| link.id())
    }

    pub(crate) fn server_info(self) -> Option<&'a Arc<ServerInfo>> {
        self.0.info.as_ref()
    }

    pub(crate) fn max_payload(self) -> Option<u64> {
        self.0
            .outbound
            .takes()
            .map(|Takes { max_payload, .. }| max_payload)
    }

    pub(crate) fn servers(self) -> Vec<ServerStatus> {
        let link = self.0.link.as_ref();
        let current = link.map(|link| (link.server().id(), link.has_session()));
        self.0.dialer.status(current, &self.0.env)
    }

    pub(crate) fn statistics(self) -> Statistics {
        let Self(machine) = self;
        let heard_at = machine.link.as_ref().and_then(|link| link.heard_at());
        let (out_messages, out_bytes) = machine.outbound.sent();
        let connects = machine.dialer.connects();
        Statistics {
            in_messages: machine.counters.messages,
            in_bytes: machine.counters.bytes,
            out_messages,
            out_bytes,
            attempts: machine.dialer.attempts(),
            connects,
            reconnects: connects.saturating_sub(1),
            pending_bytes: machine.outbound.held(&machine.env) as u64,
            subscriptions: machine.interest.subscriptions(),
            requests: machine.interest.requests(),
            last_inbound: heard_at,
            pings_out: heard_at.map_or(0, |_| machine.outbound.pings_out()),
            round_trip: machine.counters.round_trip,
            smoothed_round_trip: machine.counters.smoothed_round_trip,
            publishes: self.publish_fates(),
        }
    }

    pub(crate) fn publish_fates(self) -> PublishFates {
        self.0.outbound.fates()
    }

    pub(crate) fn fate(self, publish: PublishSeq) -> Option<Fate> {
        self.0.outbound.fate(publish)
    }

    pub(crate) fn read_hint(self) -> usize {
        let need = self.0.link.as_ref().map_or(0, |link| link.read_hint());
        need.clamp(READ_MIN, READ_MAX)
    }

    pub(crate) fn queued(self) -> usize {
        self.0.outbound.queued_bytes()
    }

    /// The attempt that comes next or is under way.
    pub(crate) fn next_attempt(self, now: Timestamp) -> Option<NextAttempt> {
        let Self(machine) = self;
        let (server, attempt, stage) = match &machine.link {
            Some(link) => {
                let left = link.attempt_by()?.since(now);
                let phase = link.phase();
                (
                    link.server(),
                    link.attempt(),
                    AttemptStage::UnderWay { phase, left },
                )
            }
            None => {
                let Awaited {
                    server,
                    attempt,
                    wait,
                } = machine.dialer.awaited()?;
                let stage = wait.map_or(AttemptStage::Choosing, |(until, reason)| {
                    let left = until.since(now);
                    AttemptStage::Waiting { reason, left }
                });
                (server, attempt, stage)
            }
        };
        Some(NextAttempt {
            server: server.clone(),
            attempt,
            stage,
            last_error: machine.dialer.last_error(server.id()),
        })
    }

    /// What the connection is doing and what it waits for, in one sentence.
    pub(crate) fn why(self, now: Timestamp) -> String {
        let Self(machine) = self;
        let doing = match &machine.link {
            Some(link) => link.explain(machine.interest.is_restored(), now),
            None if matches!(machine.life, Life::Closed) => {
                return String::from("closed: nothing will happen any more");
            }
            None => self.explain_wait(now),
        };
        match (&machine.life, machine.life.drain_by()) {
            (_, Some(deadline)) => {
                let left = deadline.since(now).as_millis();
                format!("draining, for {left} ms at most; {doing}")
            }
            (Life::Closing(_), _) => format!("closing; {doing}"),
            _ => doing,
        }
    }

    fn explain_wait(self, now: Timestamp) -> String {
        let Some((server, until)) = self.0.dialer.waits_for() else {
            return String::from("waiting for the driver to choose the next server");
        };
        let (left, rounds) = (until.since(now).as_millis(), self.0.dialer.rounds());
        match server {
            Some(server) => {
                format!("waiting {left} ms before dialling {server} (round {rounds} without success)")
            }
            None => format!("waiting {left} ms before dialling a server (round {rounds} without success)"),
        }
    }
}
