//! The conductor: it owns the owners, and is the only one that sees two of them.
//!
//! A function here reads as a list: what happened, which owner hears of it, what is emitted. The files of this folder
//! are one story each, and call only those further down this list:
//! `timers`, `read`, `write`, `session`, `link_end`, `attempt`, `requests`, `publish`, `subscribe`, `depart`, `drain`,
//! `close`, `leave`, and this one.

mod attempt;
mod close;
mod depart;
mod drain;
mod leave;
mod link_end;
mod publish;
mod read;
mod requests;
mod session;
mod subscribe;
mod timers;
mod view;
mod write;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;

use nats_proto::ServerInfo;

pub(crate) use self::view::View;
pub use self::view::{AttemptStage, NextAttempt, State};

use crate::action::Action;
use crate::canonical::Form;
use crate::config::Config;
use crate::dialer::Dialer;
use crate::env::Env;
use crate::error::RequestError;
use crate::event::{DropReason, Event};
use crate::ids::LinkId;
use crate::interest::{Interest, RequestFrame};
use crate::life::Life;
use crate::link::Link;
use crate::outbound::{Dropped, Outbound};
use crate::output::Output;
use crate::time::Timestamp;

/// The whole machine. Between two calls exactly one of these holds: there is a link; the dialer waits or chooses;
/// life is closed.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    env: Env,
    life: Life,
    link: Option<Box<Link>>,
    dialer: Dialer,
    outbound: Outbound,
    interest: Interest,
    output: Output,
    counters: Counters,
    /// The INFO of the last session.
    info: Option<Arc<ServerInfo>>,
}

/// What came in.
#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    messages: u64,
    bytes: u64,
    round_trip: Option<Duration>,
    smoothed_round_trip: Option<Duration>,
}

impl Machine {
    /// A machine that has begun its first attempt.
    pub(crate) fn new(config: Config, seed: [u8; 32], now: Timestamp) -> Self {
        let mut env = Env::new(config, seed, now);
        let (dialer, raised) = Dialer::new(&mut env);
        let mut machine = Self {
            env,
            life: Life::Open,
            link: None,
            dialer,
            outbound: Outbound::default(),
            interest: Interest::default(),
            output: Output::default(),
            counters: Counters::default(),
            info: None,
        };
        machine.tls_raised(raised);
        machine.next_attempt();
        machine
    }

    /// Takes the time of a call, which never runs backwards.
    #[inline]
    pub(crate) fn enter(&mut self, now: Timestamp) {
        self.env.advance(now);
    }

    /// The looking half.
    pub(crate) fn view(&self) -> View<'_> {
        View::new(self)
    }

    /// The next event of those that wait already.
    #[inline]
    pub(crate) fn take_event(&mut self) -> Option<Event> {
        self.output.next_event()
    }

    pub(crate) fn take_action(&mut self) -> Option<Action> {
        self.output.next_action()
    }
}

/// For exploration.
impl Machine {
    /// The state, each owner's part written by itself.
    pub(crate) fn form(&self) -> Form {
        let Self {
            env,
            life,
            link,
            dialer,
            outbound,
            interest,
            output,
            counters: _,
            info,
        } = self;
        let mut form = env.form();
        dialer.canonical(&mut form, env);
        life.canonical(&mut form);
        form.option(link.as_deref(), |form, link| link.canonical(form, env));
        outbound.canonical(&mut form);
        interest.canonical(&mut form);
        output.canonical(&mut form);
        form.option(info.as_deref(), |form, info| form.debug(info));
        form
    }
}

/// What several stories need.
impl Machine {
    /// The link whose session takes frames now.
    #[inline]
    fn session_link(&self) -> Option<LinkId> {
        self.link
            .as_ref()
            .filter(|link| link.is_up())
            .map(|link| link.id())
    }

    /// Reports once that there is room again after a refusal.
    #[inline]
    fn check_writable(&mut self) {
        let up = self.session_link().is_some();
        if !self.life.is_ending() && self.outbound.room_again(up, &self.env) {
            self.output.emit(Event::Writable);
        }
    }

    /// Publishes were dropped, and the requests among them.
    #[cold]
    fn report_dropped(&mut self, dropped: Dropped, reason: DropReason) {
        if dropped.publishes().is_empty() {
            return;
        }
        if dropped.has_requests() {
            for ended in self.interest.dropped(dropped.publishes()) {
                self.report_ended(ended, RequestError::Dropped);
            }
        }
        let bytes = dropped.bytes() as u64;
        self.output.emit_dropped(dropped.into_publishes(), bytes, reason);
    }

    /// A request gets no reply, or none any more.
    fn report_ended(&mut self, ended: RequestFrame, error: RequestError) {
        let request = ended.request;
        self.output.emit(if ended.many {
            let result = Err(error);
            Event::RepliesEnded { request, result }
        } else {
            let result = Err(error);
            Event::Response { request, result }
        });
    }
}
