//! What one seed stands for: servers, clients, and everything that happens to them.

use std::time::Duration;

use nats_conn_sm::{Backoff, Config, Delivery, LameDuckPolicy};

use super::dice::Dice;
use super::step::{Planned, Step};
use crate::model_server::{Reaction, Settings, Step as Scripted, Urls, When};
use crate::scenario::url;
use crate::sim::Cut;

/// The subjects that are published to.
pub(super) const TOPICS: [&str; 4] = ["a", "a.b", "b", "c.d.e"];
/// What is subscribed to.
pub(super) const FILTERS: [&str; 5] = ["a", "a.*", ">", "b", "c.>"];
/// Where requests go.
pub(super) const SERVICE: &str = "service";
/// The names of the clients.
const NAMES: [&str; 6] = ["ann", "bob", "cem", "dua", "eve", "fay"];

/// What one seed stands for.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// The clients that take part, by their places.
    pub clients: Vec<usize>,
    /// The numbers of the steps that are taken.
    pub steps: Vec<usize>,
    /// What is wrong on purpose.
    pub bug: Option<Bug>,
    pub(super) servers: Vec<Settings>,
    pub(super) configs: Vec<Config>,
    pub(super) all: Vec<Planned>,
    /// How long things happen.
    pub(super) lasts: Duration,
    /// Accounts have passwords, which change.
    pub(super) rotates: bool,
}

/// Something that is wrong on purpose, so that it can be seen to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The first server takes the third publish of every link and tells nobody of it.
    LosesPublish,
    /// Clients never wait between rounds of attempts.
    NeverWaits,
}

impl Bug {
    /// Every bug.
    pub const ALL: [Self; 2] = [Self::LosesPublish, Self::NeverWaits];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LosesPublish => "loses-publish",
            Self::NeverWaits => "never-waits",
        }
    }
}

impl Plan {
    /// The plan of a seed: always the same.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let servers = dice.index(4) + 1;
        let clients = dice.index(NAMES.len() - 1) + 2;
        let rotates = dice.one_in(4);
        let lasts = dice.millis(10_000, 60_000);
        let mut plan = Self {
            seed,
            clients: (0..clients).collect(),
            steps: Vec::new(),
            bug: None,
            servers: (0..servers).map(|place| server(place, &mut dice)).collect(),
            configs: (0..clients)
                .map(|place| config(place, servers, rotates, &mut dice))
                .collect(),
            all: Vec::new(),
            lasts,
            rotates,
        };
        plan.draw(&mut dice);
        plan.steps = (0..plan.all.len()).collect();
        plan
    }

    /// The same with something wrong.
    #[must_use]
    pub fn with_bug(mut self, bug: Bug) -> Self {
        match bug {
            Bug::LosesPublish => {
                let lost = Scripted::instead(When::Publish(3), Vec::<Reaction>::new());
                self.servers[0].script.push(lost);
            }
            Bug::NeverWaits => self
                .configs
                .iter_mut()
                .for_each(|config| config.backoff = Backoff::NONE),
        }
        self.bug = Some(bug);
        self
    }

    /// The same with these clients and these steps only.
    #[must_use]
    pub fn keeping(mut self, clients: Vec<usize>, steps: Vec<usize>) -> Self {
        (self.clients, self.steps) = (clients, steps);
        self
    }

    /// The command that replays it.
    pub fn command(&self) -> String {
        let whole = Self::of(self.seed);
        let list = |numbers: &[usize]| {
            let words: Vec<String> = numbers.iter().map(usize::to_string).collect();
            if words.is_empty() {
                String::from("none")
            } else {
                words.join(",")
            }
        };
        let mut command = format!(
            "cargo run --release -p nats-conn-tests --example simulate -- --seed {}",
            self.seed
        );
        if let Some(bug) = self.bug {
            command.push_str(&format!(" --bug {}", bug.name()));
        }
        if self.clients != whole.clients {
            command.push_str(&format!(" --clients {}", list(&self.clients)));
        }
        if self.steps != whole.steps {
            command.push_str(&format!(" --steps {}", list(&self.steps)));
        }
        command
    }

    /// What is still to happen, in order.
    pub(super) fn happenings(&self) -> Vec<Planned> {
        let kept = |number: &usize| self.steps.contains(number);
        let rotation = self
            .all
            .iter()
            .position(|planned| matches!(planned.step, Step::Rotate));
        let rotates = rotation.is_some_and(|number| kept(&number));
        // Whoever never learned the password would rightly give up.
        let is_kept = |(number, planned): &(usize, &Planned)| match planned.step {
            Step::Learns { .. } => rotates,
            _ => kept(number),
        };
        let kept = self.all.iter().enumerate().filter(is_kept);
        kept.map(|(_, planned)| planned.clone()).collect()
    }

    /// The name of a client.
    pub(super) fn name(place: usize) -> &'static str {
        NAMES[place % NAMES.len()]
    }

    fn draw(&mut self, dice: &mut Dice) {
        let count = 20 + dice.index(70);
        for _ in 0..count {
            let at = dice.millis(0, u64::try_from(self.lasts.as_millis()).unwrap_or(u64::MAX));
            if dice.below(10) < 6 {
                let step = self.application(dice);
                self.add(at, step);
            } else {
                self.trouble(at, dice);
            }
        }
        // Everybody listens to something from the start, so that there is something to be lost.
        for client in 0..self.configs.len() {
            let filter = dice.index(FILTERS.len());
            self.add(
                Duration::ZERO,
                Step::Subscribe {
                    client,
                    filter,
                    queue: dice.one_in(3),
                },
            );
            if dice.one_in(2) {
                self.add(Duration::ZERO, Step::Serve { client });
            }
        }
        if self.rotates {
            self.rotation(dice);
        }
        if dice.one_in(4) {
            self.rolling_upgrade(dice);
        }
        self.all.sort_by_key(|planned| planned.at);
    }

    fn add(&mut self, at: Duration, step: Step) {
        self.all.push(Planned { at, step });
    }

    fn application(&self, dice: &mut Dice) -> Step {
        let client = dice.index(self.configs.len());
        match dice.below(22) {
            0..=8 => Step::Publish {
                client,
                topic: dice.index(TOPICS.len()),
                count: dice.pick(&[1, 1, 3, 20]),
                size: dice.pick(&[0, 100, 3_000]),
            },
            9..=11 => Step::Subscribe {
                client,
                filter: dice.index(FILTERS.len()),
                queue: dice.one_in(3),
            },
            12 => Step::Unsubscribe {
                client,
                nth: dice.index(4),
            },
            13 => Step::DrainSubscription {
                client,
                nth: dice.index(4),
            },
            14..=16 => Step::Request {
                client,
                timeout: dice.millis(1, 4_000),
            },
            17..=19 => Step::Flush { client },
            20 => Step::ForceReconnect { client },
            _ if dice.one_in(3) => Step::Leave { client },
            _ => Step::Serve { client },
        }
    }

    fn trouble(&mut self, at: Duration, dice: &mut Dice) {
        let (client, server) = (dice.index(self.configs.len()), dice.index(self.servers.len()));
        let later = at + dice.millis(10, 12_000);
        match dice.below(16) {
            0 | 1 => {
                self.add(at, Step::Crash { server });
                self.add(later, Step::Restart { server });
            }
            2 => {
                let closes_after = dice.millis(1_000, 20_000);
                self.add(at, Step::LameDuck { server, closes_after });
                self.add(
                    at + closes_after + dice.millis(1, 5_000),
                    Step::Restart { server },
                );
            }
            3 | 4 => self.add(at, Step::Freeze { client }),
            5 | 6 => {
                self.add(at, Step::Unreachable { client, server });
                self.add(later, Step::Reachable { client, server });
            }
            7 | 8 => {
                let bytes = dice.below(1_500);
                let cut = dice.pick(&[
                    Cut::AfterTaking(bytes),
                    Cut::AfterArriving(bytes),
                    Cut::AfterReading(bytes),
                ]);
                self.add(at, Step::CutNext { client, server, cut });
            }
            9 => self.add(
                at,
                Step::Narrow {
                    client,
                    server,
                    latency: dice.millis(0, 400),
                    rate: dice.pick(&[None, Some(2_000), Some(100_000)]),
                    room: dice.pick(&[200, 5_000, 256 * 1024]),
                },
            ),
            10 => {
                self.add(at, Step::Reads { client, reads: false });
                self.add(later, Step::Reads { client, reads: true });
            }
            11 | 12 if !self.rotates => {
                let time = dice.millis(100, 90_000);
                let step = if dice.one_in(2) {
                    Step::Suspend { client, time }
                } else {
                    Step::ClockLeaps { client, time }
                };
                self.add(at, step);
            }
            13 => {
                let other = dice.index(self.servers.len());
                self.add(at, Step::Split { one: server, other });
                self.add(later, Step::Join { one: server, other });
            }
            14 => self.add(
                at,
                Step::HangUp {
                    server,
                    says: dice.one_in(2),
                },
            ),
            _ => {
                self.add(at, Step::Crash { server });
                self.add(at + dice.millis(1, 200), Step::Restart { server });
            }
        }
    }

    /// The servers take a new password; each client learns it somewhat earlier or later.
    fn rotation(&mut self, dice: &mut Dice) {
        let millis = u64::try_from(self.lasts.as_millis()).unwrap_or(u64::MAX);
        let at = dice.millis(6_000, millis.max(6_000));
        self.add(at, Step::Rotate);
        for client in 0..self.configs.len() {
            let learns = at + dice.millis(0, 6_000);
            self.add(
                learns.saturating_sub(Duration::from_secs(2)),
                Step::Learns { client },
            );
        }
    }

    /// One server after the other is drained of its clients, stopped, and started as another version.
    fn rolling_upgrade(&mut self, dice: &mut Dice) {
        let mut at = dice.millis(1_000, 8_000);
        for server in 0..self.servers.len() {
            let closes_after = dice.millis(2_000, 12_000);
            self.add(at, Step::LameDuck { server, closes_after });
            at += closes_after + dice.millis(10, 1_000);
            self.add(at, Step::Crash { server });
            at += dice.millis(100, 3_000);
            self.add(at, Step::Upgrade { server });
            at += dice.millis(0, 3_000);
        }
        self.lasts = self.lasts.max(at);
    }
}

fn server(place: usize, dice: &mut Dice) -> Settings {
    let mut settings = Settings::new(format!("n{}", place + 1));
    settings.urls = Urls::Gossip;
    settings.connect_info = !dice.one_in(3);
    settings.ping_interval = Some(u64::try_from(dice.millis(2_000, 20_000).as_nanos()).unwrap_or(u64::MAX));
    settings
}

fn config(place: usize, servers: usize, rotates: bool, dice: &mut Dice) -> Config {
    let first = dice.index(servers);
    let known = dice.index(servers) + 1;
    let urls = (0..known).map(|next| url(&format!("nats://n{}.test:4222", (first + next) % servers + 1)));
    let mut config = Config::new(urls.collect());
    config.name = Some(Plan::name(place).to_owned());
    config.retry_initial = true;
    config.randomize = dice.one_in(2);
    config.delivery = dice.pick(&[Delivery::AtMostOnce, Delivery::AtLeastOnce]);
    config.requests_survive = dice.one_in(4);
    config.verbose = dice.one_in(10);
    config.ping_interval = dice.millis(1_000, 6_000);
    config.connect_timeout = dice.millis(1_000, 5_000);
    config.send_buffer = dice.pick(&[8 << 20, 40_000]);
    config.confirm_after = dice.pick(&[
        Some(Duration::from_secs(1)),
        Some(Duration::from_millis(50)),
        None,
    ]);
    config.lame_duck = match dice.below(4) {
        0 => LameDuckPolicy::Notify,
        1 => LameDuckPolicy::Move {
            within: Duration::from_secs(1),
        },
        _ => LameDuckPolicy::default(),
    };
    config.ask_credentials = rotates;
    config
}
