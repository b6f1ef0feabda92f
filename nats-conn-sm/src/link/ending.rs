//! The end of a link: who ended it, and what that is called.

use core::time::Duration;

use nats_proto::{ServerError, ServerErrorKind};

use super::{Cause, End, Finished, Link, LinkState, Stage};
use crate::env::Env;
use crate::error::{AttemptError, DisconnectReason, LinkEnd, Phase};
use crate::time::Timestamp;

/// How long a driver's last answer about a link is awaited.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

impl Link {
    /// We end it. Where no driver knows of it, there is no answer to wait for.
    pub(crate) fn leave(&mut self, cause: Cause, is_answer_awaited: bool, env: &Env) {
        let at = env.now();
        self.end = if is_answer_awaited {
            let until = at + ANSWER_WITHIN;
            End::Awaited { cause, at, until }
        } else {
            End::Answered { cause, at }
        };
    }

    /// The one last answer of its driver. Whether it was still awaited.
    pub(crate) fn answered(&mut self, end: LinkEnd, env: &Env) -> bool {
        self.end = match core::mem::replace(&mut self.end, End::None) {
            End::None => End::Answered {
                cause: Cause::Transport(end),
                at: env.now(),
            },
            End::Awaited { cause, at, .. } => End::Answered { cause, at },
            answered @ End::Answered { .. } => {
                self.end = answered;
                return false;
            }
        };
        true
    }

    /// The answer is no longer awaited.
    pub(crate) fn answer_is_overdue(&mut self) {
        self.end = match core::mem::replace(&mut self.end, End::None) {
            End::Awaited { cause, at, .. } => End::Answered { cause, at },
            other => other,
        };
    }

    /// The application wants another link at once: the next attempt is not to wait for this one having been short.
    pub(crate) fn force(&mut self) {
        if let (Stage::Up(_), End::Awaited { cause, .. } | End::Answered { cause, .. }) =
            (&self.stage, &mut self.end)
            && matches!(
                cause,
                Cause::Transport(_) | Cause::Decided(DisconnectReason::Stale | DisconnectReason::Protocol(_))
            )
        {
            *cause = Cause::Decided(DisconnectReason::Forced);
        }
    }

    /// Its end is complete. `known` is why the attempt failed, if its bytes showed it.
    pub(crate) fn finish(self, known: Option<(Phase, AttemptError)>, env: &Env) -> Finished {
        let (phase, is_silent_since_tls) = (self.phase(), self.is_encrypted && !self.heard_encrypted);
        let (cause, at) = match self.end {
            End::Awaited { cause, at, .. } | End::Answered { cause, at } => (cause, at),
            End::None => (Cause::Abandoned, env.now()),
        };
        match self.stage {
            Stage::Opening(_) => Finished::Attempt {
                server: self.server,
                failure: match cause {
                    Cause::Transport(end) => {
                        Some(known.unwrap_or_else(|| failure_of(phase, is_silent_since_tls, end)))
                    }
                    Cause::Decided(_) | Cause::Abandoned => None,
                },
            },
            Stage::Up(session) => Finished::Session {
                server: self.server,
                link: self.id,
                lived: at.since(session.since()),
                is_poisoned: self
                    .last_error
                    .as_ref()
                    .is_some_and(|error| *error.kind() == ServerErrorKind::MaximumPayloadViolation),
                reason: match cause {
                    Cause::Transport(end) => reason_of(self.last_error, end),
                    Cause::Decided(reason) => reason,
                    Cause::Abandoned => DisconnectReason::Eof,
                },
            },
        }
    }

    /// Until when the driver's last answer is awaited.
    pub(crate) fn answer_by(&self) -> Option<Timestamp> {
        match self.end {
            End::Awaited { until, .. } => Some(until),
            End::None | End::Answered { .. } => None,
        }
    }

    /// When the attempt must have come to its PONG.
    pub(crate) fn attempt_by(&self) -> Option<Timestamp> {
        (self.state() == LinkState::Opening).then_some(self.deadline)
    }

    /// When a keep-alive is due if nothing is heard.
    pub(crate) fn keep_alive_at(&self) -> Option<Timestamp> {
        self.up().map(|session| session.liveness().deadline())
    }

    /// When the next step of leaving a lame duck is due.
    pub(crate) fn departure_at(&self) -> Option<Timestamp> {
        self.up()?.departure().at()
    }
}

/// What the end of a session is called, given the server's last error and what its driver saw.
fn reason_of(last_error: Option<ServerError>, end: LinkEnd) -> DisconnectReason {
    match last_error {
        Some(error) if *error.kind() == ServerErrorKind::StaleConnection => DisconnectReason::Stale,
        Some(error) if error.closes() => DisconnectReason::ServerError(error),
        _ if matches!(end, LinkEnd::Eof | LinkEnd::Requested) => DisconnectReason::Eof,
        _ => DisconnectReason::Io(end),
    }
}

/// What the failure of an attempt is called when its driver ended the link.
fn failure_of(phase: Phase, is_silent_since_tls: bool, end: LinkEnd) -> (Phase, AttemptError) {
    match end {
        LinkEnd::Eof | LinkEnd::Io { .. } if is_silent_since_tls => {
            (Phase::Tls, AttemptError::ClosedAfterTls)
        }
        LinkEnd::Eof if phase == Phase::Tls => (
            phase,
            AttemptError::Tls {
                detail: "the peer closed the connection".into(),
            },
        ),
        LinkEnd::Io { detail, .. } if phase == Phase::Tls => (phase, AttemptError::Tls { detail }),
        LinkEnd::Resolve { .. } => (Phase::Resolve, AttemptError::Link(end)),
        LinkEnd::Dial { .. } => (Phase::Dial, AttemptError::Link(end)),
        LinkEnd::Tls { detail } => (Phase::Tls, AttemptError::Tls { detail }),
        end => (phase, AttemptError::Link(end)),
    }
}
