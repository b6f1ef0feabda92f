//! The canonical form of the pool, and of the way from one attempt to the next.

use super::{Dialer, Milestone, State};
use crate::canonical::Form;
use crate::env::Env;
use crate::event::WaitReason;

impl Dialer {
    pub(crate) fn canonical(&self, form: &mut Form, env: &Env) {
        let Self {
            pool,
            state,
            milestone,
            rounds,
            news,
            // These count on.
            choices: _,
            attempts: _,
            connects: _,
        } = self;
        pool.canonical(form, env);
        state.canonical(form);
        match milestone {
            Milestone::Nothing => form.variant(0),
            Milestone::Attempted { failures } => {
                form.variant(1);
                form.list(failures, |form, failure| {
                    form.error(failure.error.code(), failure)
                });
            }
            Milestone::Connected => form.variant(2),
        }
        form.number(u64::from(*rounds));
        news.canonical(form);
    }
}

impl State {
    fn canonical(&self, form: &mut Form) {
        match *self {
            Self::Idle => form.variant(0),
            Self::Waiting {
                until,
                server,
                // Only to be looked at.
                reason: _,
            } => {
                form.variant(1);
                form.due(until);
                form.server(server);
            }
            Self::Choosing {
                attempt,
                default,
                delay,
                reason,
            } => {
                form.variant(2);
                form.attempt(attempt);
                form.server(default);
                form.duration(delay);
                form.option(reason, |form, reason: WaitReason| form.debug(&reason));
            }
        }
    }
}
