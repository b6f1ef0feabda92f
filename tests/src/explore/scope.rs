//! How large a world is: its settings, and how often each thing may happen in a life.

use std::time::Duration;

use nats_conn_sm::{Config, Delivery};

use super::input::{Input, Op};
use crate::scenario::url;

/// In a small world so many things may happen at most.
const SMALL: u32 = 4;

/// The settings of the machine, and what may happen.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The settings. Nothing is drawn but inboxes, so that the generator is no part of a state.
    pub config: Config,
    /// How often each thing may happen.
    pub budget: Budget,
    /// What every life begins with, at no cost.
    pub beginning: Vec<Input>,
}

/// How often each thing may still happen. What is not in here may happen at any time: steps of a driver that
/// behaves, answers that are due, and the next deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Publishes of the application.
    pub publishes: u8,
    /// Subscriptions of the application, each of which may be given a maximum and may be unsubscribed.
    pub subscriptions: u8,
    /// Requests of the application.
    pub requests: u8,
    /// Requests of the application that several may answer.
    pub many: u8,
    /// Flushes of the application.
    pub flushes: u8,
    /// Measurements of the round trip.
    pub round_trips: u8,
    /// Drains of the application.
    pub drains: u8,
    /// Closes of the application, aborts included.
    pub closes: u8,
    /// Forced reconnects of the application.
    pub forces: u8,
    /// New pools of the application.
    pub pools: u8,
    /// Choices of the driver of a server that does not come next by itself.
    pub choices: u8,
    /// Messages and replies of the server.
    pub messages: u8,
    /// PINGs of the server.
    pub pings: u8,
    /// INFOs of the server after its first.
    pub infos: u8,
    /// Writes that take a part of a block, and reads that end within a frame.
    pub parts: u8,
    /// What goes wrong: errors, ends, rubbish, dials that fail, answers to nothing.
    pub faults: u8,
}

impl Budget {
    /// How many things may happen in all.
    fn sum(&self) -> u32 {
        let Self {
            publishes,
            subscriptions,
            requests,
            many,
            flushes,
            round_trips,
            drains,
            closes,
            forces,
            pools,
            choices,
            messages,
            pings,
            infos,
            parts,
            faults,
        } = *self;
        let application = [
            publishes,
            subscriptions,
            requests,
            many,
            flushes,
            round_trips,
            drains,
            closes,
        ];
        let others = [forces, pools, choices, messages, pings, infos, parts, faults];
        application.into_iter().chain(others).map(u32::from).sum()
    }
}

impl Scope {
    /// How many states of this world are visited where all worlds are: most of those of a small world can be exhausted, and of a
    /// large one nothing but the beginning is within reach. All of it takes some ten minutes of two processors.
    pub fn share(&self) -> usize {
        match self.budget.sum() {
            0..=SMALL => 900_000,
            _ => 300_000,
        }
    }

    /// One server, this delivery, and nothing that may happen yet but one fault.
    pub fn new(delivery: Delivery) -> Self {
        let mut config = Config::new(vec![url("nats://n1.test:4222")]);
        config.randomize = false;
        config.backoff.jitter = Some(Duration::ZERO);
        config.max_reconnects = Some(2);
        config.delivery = delivery;
        config.confirm_after = None;
        Self {
            config,
            budget: Budget {
                faults: 1,
                ..Budget::default()
            },
            beginning: Vec::new(),
        }
    }

    /// The same with another budget.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Budget)) -> Self {
        change(&mut self.budget);
        self
    }

    /// The same from the first session on.
    #[must_use]
    pub fn in_session(mut self) -> Self {
        let also = |wanted: bool, input| wanted.then_some(input);
        let session = [
            also(self.config.custom_selection, Input::ChooseDefault),
            Some(Input::Connected),
            Some(Input::Say(Op::Info)),
            also(self.config.ask_credentials, Input::Credentials),
            Some(Input::WriteAll),
            Some(Input::Say(Op::Pong)),
        ];
        self.beginning.extend(session.into_iter().flatten());
        self
    }

    /// The same with a driver that chooses the servers.
    #[must_use]
    pub fn choosing(mut self) -> Self {
        self.config.custom_selection = true;
        self
    }

    /// The same with a driver that is asked for credentials.
    #[must_use]
    pub fn with_login(mut self) -> Self {
        self.config.ask_credentials = true;
        self
    }

    /// The same with a second server.
    #[must_use]
    pub fn two_servers(mut self) -> Self {
        self.config.servers.push(url("nats://n2.test:4222"));
        self
    }
}
