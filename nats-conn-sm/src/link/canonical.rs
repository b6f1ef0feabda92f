//! The canonical form of a link.

use core::time::Duration;

use super::departure::Departure;
use super::handshake::{Handshake, Upgrade};
use super::{Cause, Challenge, End, Link, Stage};
use crate::canonical::Form;
use crate::env::Env;

impl Link {
    pub(crate) fn canonical(&self, form: &mut Form, env: &Env) {
        let Self {
            id,
            server,
            stage,
            end,
            deadline,
            // Only to be looked at.
            attempt: _,
            decoder,
            info,
            max_payload,
            is_encrypted,
            heard_encrypted,
            challenge,
            last_error,
        } = self;
        form.link(*id);
        server.canonical(form);
        match stage {
            Stage::Opening(handshake) => {
                form.variant(0);
                handshake.canonical(form);
                form.due(*deadline);
            }
            Stage::Up(session) => {
                form.variant(1);
                // A session that has lived so long may live longer.
                let until = end.at().unwrap_or(env.now());
                form.duration(until.since(session.since()).min(env.config().min_stable));
                session.canonical(form);
            }
        }
        end.canonical(form);
        form.debug(decoder);
        form.debug(info);
        form.number(*max_payload);
        form.flag(*is_encrypted);
        form.flag(*heard_encrypted);
        form.option(challenge.as_deref(), |form, Challenge { since, answer_took }| {
            // Once it is answered only that time is of interest.
            form.option(answer_took.is_none().then_some(*since), |form, since| {
                form.since(since, Duration::MAX);
            });
            form.option(*answer_took, Form::duration);
        });
        form.option(last_error.as_ref(), |form, error| form.error(error.code(), error));
    }
}

impl End {
    /// When it ended is of interest for how long its session lived.
    fn canonical(&self, form: &mut Form) {
        match self {
            Self::None => form.variant(0),
            Self::Awaited { cause, at: _, until } => {
                form.variant(1);
                cause.canonical(form);
                form.due(*until);
            }
            Self::Answered { cause, at: _ } => {
                form.variant(2);
                cause.canonical(form);
            }
        }
    }
}

impl Cause {
    fn canonical(&self, form: &mut Form) {
        match self {
            Self::Transport(end) => {
                form.variant(0);
                form.error(end.code(), end);
            }
            Self::Decided(reason) => {
                form.variant(1);
                form.error(reason.code(), reason);
            }
            Self::Abandoned => form.variant(2),
        }
    }
}

impl Handshake {
    fn canonical(self, form: &mut Form) {
        match self {
            Self::Dialing(progress) => {
                form.variant(0);
                form.option(progress, |form, progress| form.debug(&progress));
            }
            Self::UpgradingTls(Upgrade::First) => form.variant(1),
            Self::UpgradingTls(Upgrade::AfterInfo) => form.variant(2),
            Self::AwaitingInfo => form.variant(3),
            Self::Authenticating => form.variant(4),
            Self::AwaitingPong => form.variant(5),
        }
    }
}

impl Departure {
    pub(super) fn canonical(self, form: &mut Form) {
        match self {
            Self::None => form.variant(0),
            Self::Scheduled(at) => {
                form.variant(1);
                form.due(at);
            }
            Self::Confirming { until } => {
                form.variant(2);
                form.due(until);
            }
            Self::AwaitingReplies { until, place } => {
                form.variant(3);
                form.due(until);
                form.size(place);
            }
        }
    }
}
