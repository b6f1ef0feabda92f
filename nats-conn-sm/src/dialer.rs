//! Which server is dialled next, and when.

mod backoff;
mod canonical;
mod discovery;
mod pool;
mod round;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use nats_proto::{ServerUrl, UrlError};

use self::discovery::News;
use self::pool::Pool;
use crate::env::Env;
use crate::error::{AttemptError, Phase};
use crate::event::{ClosedReason, RemovalReason, WaitReason};
use crate::ids::{AttemptId, LinkId, ServerId};
use crate::servers::{AttemptFailure, Server, ServerStatus};
use crate::time::Timestamp;

/// The pool, and the way from one attempt to the next.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    pool: Pool,
    state: State,
    milestone: Milestone,
    /// Rounds without success, in a row.
    rounds: u32,
    /// What INFOs announced about other servers since the last session began.
    news: News,
    choices: u64,
    attempts: u64,
    connects: u64,
}

/// What is awaited before the next attempt.
#[derive(Clone, Debug)]
enum State {
    /// Nothing: there is a link, or no further attempt.
    Idle,
    Waiting {
        until: Timestamp,
        server: ServerId,
        reason: WaitReason,
    },
    /// The driver chooses the next server.
    Choosing {
        attempt: AttemptId,
        default: ServerId,
        delay: Duration,
        reason: Option<WaitReason>,
    },
}

/// The furthest that the connection ever came.
#[derive(Clone, Debug)]
enum Milestone {
    Nothing,
    /// It began an attempt; these have failed, as far as the first round goes.
    Attempted {
        failures: Vec<AttemptFailure>,
    },
    Connected,
}

/// What comes next.
#[derive(Clone, Debug)]
#[must_use]
pub(crate) enum Next {
    Dial(Dial),
    Wait {
        server: Server,
        attempt: u32,
        delay: Duration,
        until: Timestamp,
        reason: WaitReason,
    },
    Choose {
        attempt: AttemptId,
        servers: Vec<ServerStatus>,
        default: ServerId,
        delay: Duration,
    },
    GiveUp(ClosedReason),
}

/// An attempt that begins.
#[derive(Clone, Debug)]
pub(crate) struct Dial {
    pub link: LinkId,
    pub server: Server,
    /// Its number for this server since it last worked.
    pub attempt: u32,
    /// The lowest limit that the server named in its last session.
    pub max_payload: Option<u64>,
}

/// The attempt that comes next, as far as that is decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Awaited<'a> {
    pub server: &'a Server,
    /// The number that it will have.
    pub attempt: u32,
    /// Until when it waits, and why; none while the driver chooses.
    pub wait: Option<(Timestamp, WaitReason)>,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionEnd {
    Lost {
        lived: Duration,
    },
    /// It was left for a better server.
    Moved,
    /// The application asked for another link.
    Forced,
}

/// What came of a choice.
#[derive(Clone, Debug)]
#[must_use]
pub(crate) struct Chosen {
    /// The choice is not in the pool: this server, the default, is taken instead.
    pub fallback: Option<Server>,
    pub next: Next,
}

/// What an INFO announced about other servers.
#[derive(Clone, Debug, Default)]
#[must_use]
pub(crate) struct Learned {
    pub skipped: Vec<(String, UrlError)>,
    pub pruned: Vec<Server>,
    /// Servers that TLS is used with from now on.
    pub raised: Vec<Server>,
}

/// What a new pool changed.
#[derive(Clone, Debug, Default)]
#[must_use]
pub(crate) struct NewPool {
    pub gone: Vec<Server>,
    /// Servers that TLS is used with from now on.
    pub raised: Vec<Server>,
}

/// What comes next.
impl Dialer {
    /// The servers that the settings name, and those of them that they name with and without TLS.
    pub(crate) fn new(env: &mut Env) -> (Self, Vec<Server>) {
        let (config, rng) = env.config_and_rng();
        let (pool, raised) = Pool::new(&config.servers, config.randomize, rng);
        let dialer = Self {
            pool,
            state: State::Idle,
            milestone: Milestone::Nothing,
            rounds: 0,
            news: News::default(),
            choices: 0,
            attempts: 0,
            connects: 0,
        };
        (dialer, raised)
    }

    /// There is no link, and one is wanted: the next server of this round, or the end of the round.
    pub(crate) fn next(&mut self, env: &mut Env) -> Next {
        if self.pool.is_empty() {
            return self.pool_is_empty(env);
        }
        match self.pool.next(env.now()) {
            Some(server) => self.choose(server, Duration::ZERO, None, env),
            None => self.round_failed(env),
        }
    }

    fn round_failed(&mut self, env: &mut Env) -> Next {
        if !self.was_connected() && !env.config().retry_initial {
            let failures = self.take_failures();
            return Next::GiveUp(ClosedReason::ConnectFailed { failures });
        }
        if self.was_connected() && !env.config().reconnect {
            return Next::GiveUp(ClosedReason::NoReconnect);
        }
        self.rounds = self.rounds.saturating_add(1);
        let rounds = self.rounds;
        self.begin_round(WaitReason::RoundFailed { rounds }, env)
    }

    /// Begins a round with a wait.
    fn begin_round(&mut self, reason: WaitReason, env: &mut Env) -> Next {
        self.pool.start_round();
        let Some(server) = self.pool.next(env.now()) else {
            return self.pool_is_empty(env);
        };
        let uses_tls = self.pool.uses_tls(server);
        let (config, rng) = env.config_and_rng();
        let tls = config.tls_required || config.tls_first || uses_tls;
        let delay = config.backoff.wait(self.rounds, tls, rng);
        self.choose(server, delay, Some(reason), env)
    }

    fn pool_is_empty(&mut self, env: &Env) -> Next {
        Next::GiveUp(if !self.was_connected() && !env.config().retry_initial {
            ClosedReason::ConnectFailed {
                failures: self.take_failures(),
            }
        } else if self.pool.only_auth_removed() {
            ClosedReason::Auth
        } else {
            ClosedReason::PoolExhausted
        })
    }

    /// Asks the driver for a choice, if that is wanted.
    fn choose(
        &mut self,
        server: ServerId,
        delay: Duration,
        reason: Option<WaitReason>,
        env: &mut Env,
    ) -> Next {
        if !env.config().custom_selection {
            return self.wait_for(server, delay, reason, env);
        }
        self.choices = self.choices.saturating_add(1);
        let attempt = AttemptId::from_u64(self.choices);
        self.state = State::Choosing {
            attempt,
            default: server,
            delay,
            reason,
        };
        Next::Choose {
            attempt,
            servers: self.pool.status(None, Some(server), env.now()),
            default: server,
            delay,
        }
    }

    /// The driver's choice; none if it is not what was asked for.
    pub(crate) fn chosen(
        &mut self,
        answered: AttemptId,
        server: ServerId,
        wanted: Duration,
        env: &mut Env,
    ) -> Option<Chosen> {
        let State::Choosing {
            attempt,
            default,
            delay,
            reason,
        } = self.state
        else {
            return None;
        };
        if attempt != answered {
            return None;
        }
        if self.pool.get(server).is_some() {
            let reason = reason.filter(|_| wanted == delay).unwrap_or(WaitReason::Chosen);
            return Some(Chosen {
                fallback: None,
                next: self.wait_for(server, wanted, Some(reason), env),
            });
        }
        let fallback = self.pool.get(default).cloned();
        let next = match fallback {
            Some(_) => self.wait_for(default, delay, reason, env),
            None => self.next(env),
        };
        Some(Chosen { fallback, next })
    }

    fn wait_for(&mut self, id: ServerId, delay: Duration, reason: Option<WaitReason>, env: &mut Env) -> Next {
        // The very first attempt waits for nothing, whatever was chosen.
        if delay.is_zero() || matches!(self.milestone, Milestone::Nothing) {
            return self.dial(id, env);
        }
        let Some(server) = self.pool.get(id).cloned() else {
            return self.next(env);
        };
        let until = env.now() + delay;
        let reason = reason.unwrap_or(WaitReason::Chosen);
        self.state = State::Waiting {
            until,
            server: id,
            reason,
        };
        Next::Wait {
            server,
            attempt: self.pool.attempt(id),
            delay,
            until,
            reason,
        }
    }

    /// The wait is over, or cut short: the next attempt begins now.
    pub(crate) fn hurry(&mut self, env: &mut Env) -> Next {
        match self.state {
            State::Waiting { server, .. } => self.dial(server, env),
            State::Idle | State::Choosing { .. } => self.next(env),
        }
    }

    fn dial(&mut self, id: ServerId, env: &mut Env) -> Next {
        let Some(server) = self.pool.get(id).cloned() else {
            return self.next(env);
        };
        let attempt = self.pool.begin_attempt(id, env.now());
        self.attempts = self.attempts.saturating_add(1);
        self.state = State::Idle;
        if matches!(self.milestone, Milestone::Nothing) {
            self.milestone = Milestone::Attempted { failures: Vec::new() };
        }
        Next::Dial(Dial {
            link: LinkId::from_u64(self.attempts),
            server,
            attempt,
            max_payload: self.pool.max_payload(id),
        })
    }

    /// No further attempt: nothing is awaited any more.
    pub(crate) fn stop(&mut self) {
        self.state = State::Idle;
    }

    fn was_connected(&self) -> bool {
        matches!(self.milestone, Milestone::Connected)
    }

    fn take_failures(&mut self) -> Vec<AttemptFailure> {
        match &mut self.milestone {
            Milestone::Attempted { failures } => core::mem::take(failures),
            Milestone::Nothing | Milestone::Connected => Vec::new(),
        }
    }
}

/// How attempts and sessions end.
impl Dialer {
    /// An attempt failed. Its server may leave the pool for that.
    pub(crate) fn failed(
        &mut self,
        server: &Server,
        phase: Phase,
        error: &AttemptError,
        env: &Env,
    ) -> Option<(Server, RemovalReason)> {
        let id = server.id();
        let failure = AttemptFailure::new(server, phase, error.clone());
        let counts = self.was_connected() || env.config().retry_initial;
        if let Milestone::Attempted { failures } = &mut self.milestone
            && !counts
        {
            failures.push(failure.clone());
        }
        let counted = self.pool.fail(id, failure, counts);
        let is_spent = counts && env.config().max_reconnects.is_some_and(|max| counted >= max);
        let reason = if self.note_auth_failure(id, error, env) {
            RemovalReason::Auth
        } else if is_spent {
            RemovalReason::MaxReconnects
        } else {
            return None;
        };
        let removed = self.pool.remove(id, reason)?;
        self.news.retain(&self.pool);
        Some((removed, reason))
    }

    /// Whether this is the second authentication error of a kind.
    fn note_auth_failure(&mut self, id: ServerId, error: &AttemptError, env: &Env) -> bool {
        match error {
            AttemptError::Server(said) if said.is_authentication() => {
                self.strike(id, said.code(), env) && !env.config().ignore_auth_strikes
            }
            AttemptError::Server(_) | AttemptError::AuthenticationTimeout { .. } => {
                self.pool.end_auth_row(id);
                false
            }
            _ => false,
        }
    }

    /// Notes an authentication error. Whether it is the second of its kind in a row, long enough after the first.
    pub(crate) fn strike(&mut self, id: ServerId, code: &'static str, env: &Env) -> bool {
        self.pool
            .strike(id, code, env.now(), env.config().auth_strike_gap)
    }

    /// A session begins. Whether it is the first.
    pub(crate) fn succeeded(&mut self, id: ServerId, lame_duck: bool, max_payload: u64) -> bool {
        self.pool.succeed(id, lame_duck);
        self.note_limit(id, max_payload);
        self.connects = self.connects.saturating_add(1);
        let is_first = !self.was_connected();
        self.milestone = Milestone::Connected;
        is_first
    }

    /// A session is over, and a link is wanted.
    pub(crate) fn after_session(&mut self, id: ServerId, end: SessionEnd, env: &mut Env) -> Next {
        self.pool.lose(id);
        if !env.config().reconnect && end != SessionEnd::Forced {
            return Next::GiveUp(ClosedReason::NoReconnect);
        }
        self.pool.start_round();
        match end {
            SessionEnd::Lost { lived } if lived < env.config().min_stable => {
                self.rounds = self.rounds.saturating_add(1);
                let rounds = self.rounds;
                self.begin_round(WaitReason::Flapping { rounds }, env)
            }
            _ => {
                self.rounds = 0;
                self.next(env)
            }
        }
    }

    /// A forced reconnect: failed rounds are forgotten.
    pub(crate) fn forget_rounds(&mut self) {
        self.rounds = 0;
    }

    /// A forced reconnect during an attempt: this server comes last among equals.
    pub(crate) fn pass_over(&mut self, id: ServerId) {
        self.pool.lose(id);
    }

    /// Every server has its turn again.
    pub(crate) fn start_round(&mut self) {
        self.pool.start_round();
    }
}

/// What is learned of servers.
impl Dialer {
    /// Replaces the pool; rounds start over.
    pub(crate) fn set_pool(&mut self, servers: &[ServerUrl], env: &mut Env) -> NewPool {
        let (config, rng) = env.config_and_rng();
        let replaced = self.pool.replace(servers, config.randomize, rng);
        self.rounds = 0;
        self.news.raise(&replaced.raised);
        self.news.retain(&self.pool);
        NewPool {
            gone: replaced.gone,
            raised: replaced.raised,
        }
    }

    /// Takes what an INFO of `from` announces about other servers.
    pub(crate) fn learn(&mut self, from: &Server, urls: &[String], env: &mut Env) -> Learned {
        let (config, rng) = env.config_and_rng();
        if config.ignore_discovered {
            return Learned::default();
        }
        let found = self.pool.discover(from, urls, config.randomize, rng);
        self.news.note(&found);
        Learned {
            skipped: found.skipped,
            pruned: found.removed,
            raised: found.raised,
        }
    }

    /// Servers that came and servers that left since this was asked last, if there are any.
    pub(crate) fn take_discovered(&mut self) -> Option<(Vec<Server>, Vec<Server>)> {
        self.news.take()
    }

    pub(crate) fn mark_lame_duck(&mut self, id: ServerId, env: &Env) {
        self.pool.mark_lame_duck(id, env.now());
    }

    /// A link to this server is encrypted.
    pub(crate) fn note_tls(&mut self, id: ServerId) {
        self.pool.note_tls(id);
    }

    /// What a server takes, as its INFO in a session states.
    pub(crate) fn note_limit(&mut self, id: ServerId, max_payload: u64) {
        self.pool.set_max_payload(id, max_payload);
    }

    /// Whether the warning about secrets in clear text is due, which a server gets once.
    pub(crate) fn warn_once(&mut self, id: ServerId) -> bool {
        self.pool.warn_once(id)
    }
}

/// Looking.
impl Dialer {
    pub(crate) fn contains(&self, id: ServerId) -> bool {
        self.pool.get(id).is_some()
    }

    /// Whether TLS is used with this server of the pool.
    pub(crate) fn wants_tls(&self, id: ServerId) -> bool {
        self.pool.get(id).is_some_and(Server::wants_tls)
    }

    /// Whether there is a server to move to from this one.
    pub(crate) fn better_than(&self, id: ServerId, env: &Env) -> bool {
        self.pool.has_healthy_other(id, env.now())
    }

    /// The end of the wait.
    pub(crate) fn wakes_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Waiting { until, .. } => Some(until),
            State::Idle | State::Choosing { .. } => None,
        }
    }

    /// Which server a wait is for, and until when it lasts.
    pub(crate) fn waits_for(&self) -> Option<(Option<&Server>, Timestamp)> {
        match self.state {
            State::Waiting { until, server, .. } => Some((self.pool.get(server), until)),
            State::Idle | State::Choosing { .. } => None,
        }
    }

    /// The attempt that is waited or asked for.
    pub(crate) fn awaited(&self) -> Option<Awaited<'_>> {
        let (id, wait) = match self.state {
            State::Waiting {
                until,
                server,
                reason,
            } => (server, Some((until, reason))),
            State::Choosing { default, .. } => (default, None),
            State::Idle => return None,
        };
        Some(Awaited {
            server: self.pool.get(id)?,
            attempt: self.pool.attempt(id),
            wait,
        })
    }

    /// How the last attempt at this server failed, if it did.
    pub(crate) fn last_error(&self, id: ServerId) -> Option<Arc<AttemptFailure>> {
        self.pool.last_error(id)
    }

    pub(crate) fn rounds(&self) -> u32 {
        self.rounds
    }

    /// Whether there ever was a session.
    pub(crate) fn ever_connected(&self) -> bool {
        self.was_connected()
    }

    pub(crate) fn attempts(&self) -> u64 {
        self.attempts
    }

    pub(crate) fn connects(&self) -> u64 {
        self.connects
    }

    /// The pool, in order. `current` is the server of the link, and whether that has a session.
    pub(crate) fn status(&self, current: Option<(ServerId, bool)>, env: &Env) -> Vec<ServerStatus> {
        let next = match (&self.state, current) {
            (State::Waiting { server, .. } | State::Choosing { default: server, .. }, _) => Some(*server),
            (State::Idle, Some((id, in_session))) => self.pool.follower(id, in_session, env.now()),
            (State::Idle, None) => None,
        };
        self.pool.status(current.map(|(id, _)| id), next, env.now())
    }
}
