//! A run: servers, proxies, connections, faults, and what comes of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nats_conn_client::Delivery;
use nats_conn_sm::recording::{Recording, Replayer};

use super::account::{Account, Role};
use super::crowd;
use super::dice::Dice;
use super::judge::{Evidence, Verdict, judge};
pub use super::life::Starter;
use super::life::{Setting, Tally, recording_name};
use super::nodes::Servers;
use super::observer::Observer;
use super::proxy::Proxy;
use super::roles::live;
use crate::real_server::{RealServer, TestFolder, TlsFiles, Version};

/// Connections at a time, and what they are for.
const SLOTS: [(Role, Delivery); 14] = [
    (Role::Publisher, Delivery::AtMostOnce),
    (Role::Publisher, Delivery::AtLeastOnce),
    (Role::Subscriber, Delivery::AtMostOnce),
    (Role::Subscriber, Delivery::AtLeastOnce),
    (Role::Worker, Delivery::AtMostOnce),
    (Role::Worker, Delivery::AtMostOnce),
    (Role::Answerer, Delivery::AtMostOnce),
    (Role::Asker, Delivery::AtMostOnce),
    (Role::Asker, Delivery::AtLeastOnce),
    (Role::Echo, Delivery::AtMostOnce),
    // Where the blocking client is asked for.
    (Role::Crowd, Delivery::AtMostOnce),
    (Role::Crowd, Delivery::AtLeastOnce),
    (Role::Crowd, Delivery::AtMostOnce),
    (Role::Crowd, Delivery::AtLeastOnce),
];
/// How long links that were cut are still there.
const QUIET: Duration = Duration::from_millis(1500);
const PROGRESS: Duration = Duration::from_secs(5);

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wishes {
    /// Where all faults come from.
    pub seed: u64,
    /// How long links are harmed. The end takes some seconds more.
    pub length: Duration,
    /// Which server.
    pub version: Version,
    /// Three of them, which come and go.
    pub cluster: bool,
    /// Messages a second of one publisher.
    pub rate: u64,
    /// The shortest and the longest life of a connection, in milliseconds.
    pub lifetime: (u64, u64),
    /// Lines that show progress.
    pub verbose: bool,
}

/// What came of a run.
pub struct Outcome {
    /// By name.
    pub counts: BTreeMap<String, u64>,
    /// What must not be. Empty: all is well.
    pub violations: Vec<String>,
    /// Where the recordings of the connections concerned are kept, if something was found.
    pub kept: Option<PathBuf>,
}

impl Outcome {
    /// Counts and violations, one a line.
    pub fn table(&self) -> String {
        let mut table = String::new();
        for (name, count) in &self.counts {
            let _ = writeln!(table, "{count:>10}  {name}");
        }
        for violation in self.violations.iter().take(50) {
            let _ = writeln!(table, "VIOLATION {violation}");
        }
        if let Some(kept) = &self.kept {
            let _ = writeln!(table, "recordings: {}", kept.display());
        }
        table
    }
}

/// Runs it with these adapters, which take turns.
///
/// # Panics
/// If no server starts, or there is no port or folder.
pub fn run(wishes: &Wishes, starters: &[Starter]) -> Outcome {
    let folder = TestFolder::new("chaos").expect("a folder for recordings");
    let tls = TlsFiles::new();
    let servers = Servers::start(wishes.version, wishes.cluster, &tls);
    let observers = servers.observe();
    let proxies: Vec<Proxy> = (0..)
        .zip(servers.nodes())
        .map(|(place, node)| before(node, wishes.seed.wrapping_add(place)))
        .collect();
    let urls: Vec<String> = proxies.iter().map(Proxy::url).collect();
    let setting = Setting {
        tls_urls: urls.join(",").replace("nats://", "tls://"),
        urls: urls.join(","),
        authority: tls.ca.clone(),
        seed: wishes.seed,
        lifetime: wishes.lifetime,
        rate: wishes.rate.max(1),
        recordings: folder.path().to_owned(),
        calm: AtomicBool::new(false),
        lives: Default::default(),
        tally: Arc::<Tally>::default(),
    };
    let run = Run {
        wishes,
        starters,
        setting,
        servers: &servers,
        observers: &observers,
        proxies: &proxies,
        accounts: Mutex::default(),
        counts: Mutex::default(),
        wrong: Mutex::default(),
    };
    let outages = run.until_the_end();
    let Run {
        accounts,
        counts,
        wrong,
        ..
    } = run;
    let (accounts, mut counts, mut violations) = (inner(accounts), inner(counts), inner(wrong));
    for mut proxy in proxies {
        proxy.stop();
        *counts.entry("links through the proxies".to_owned()).or_default() += proxy.links();
        for (name, count) in proxy.ends() {
            *counts.entry(cut_name(name).to_owned()).or_default() += count;
        }
    }
    violations.extend(servers.settle(&observers).err());
    let seen = observers.into_iter().map(Observer::stop).collect();
    let mut verdict = judge(&accounts, &Evidence { seen, outages });
    replay(&accounts, folder.path(), &mut verdict);
    conclude(counts, violations, verdict, &accounts, &folder)
}

fn before(node: &RealServer, seed: u64) -> Proxy {
    Proxy::start(node.address(), seed).expect("a free port")
}

fn cut_name(name: &str) -> &'static str {
    match name {
        "FIN" => "links cut by FIN",
        "RST" => "links cut by RST",
        "FIN to the client" => "links cut by FIN to the client",
        "FIN to the server" => "links cut by FIN to the server",
        _ => "links silenced",
    }
}

fn inner<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Every connection was recorded, and its recording replays to the same.
fn replay(accounts: &[Account], folder: &Path, verdict: &mut Verdict) {
    for account in accounts {
        let path = folder.join(recording_name(account.life));
        let replayed = std::fs::read(path)
            .map_err(|error| error.to_string())
            .and_then(|bytes| Recording::read(bytes).map_err(|error| error.to_string()))
            .and_then(|recording| Replayer::run(recording).map_err(|error| error.to_string()));
        match replayed {
            Ok(inputs) => {
                *verdict
                    .counts
                    .entry("inputs of recordings, replayed")
                    .or_default() += inputs
            }
            Err(error) => {
                let text = format!("{}: its recording: {error}", account.name());
                verdict.violations.push((account.life, text));
            }
        }
    }
}

/// Keeps the recordings of what was found.
fn conclude(
    mut counts: BTreeMap<String, u64>,
    mut violations: Vec<String>,
    verdict: Verdict,
    accounts: &[Account],
    folder: &TestFolder,
) -> Outcome {
    let ends = accounts.iter().flat_map(|account| account.ends.clone());
    let judged = verdict
        .counts
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count));
    for (name, count) in judged.chain(ends) {
        *counts.entry(name).or_default() += count;
    }
    let mut kept = None;
    if !verdict.violations.is_empty() || !violations.is_empty() {
        let place = std::env::temp_dir().join(format!("nats-conn-soak-{}", std::process::id()));
        let lives = verdict.violations.iter().map(|(life, _)| recording_name(*life));
        let copied = std::fs::create_dir_all(&place).map(|()| {
            for name in lives.take(20) {
                // There is none of the observers, whose life is 0.
                let _ = std::fs::copy(folder.path().join(&name), place.join(&name));
            }
        });
        kept = copied.ok().map(|()| place);
    }
    violations.extend(verdict.violations.into_iter().map(|(_, text)| text));
    Outcome {
        counts,
        violations,
        kept,
    }
}

struct Run<'a> {
    wishes: &'a Wishes,
    starters: &'a [Starter],
    setting: Setting,
    servers: &'a Servers,
    observers: &'a [Observer],
    proxies: &'a [Proxy],
    accounts: Mutex<Vec<Account>>,
    counts: Mutex<BTreeMap<String, u64>>,
    wrong: Mutex<Vec<String>>,
}

impl Run<'_> {
    /// Gives when servers were not to be believed.
    fn until_the_end(&self) -> Vec<(Instant, Instant)> {
        let ended = AtomicBool::new(false);
        let mut outages = Vec::new();
        std::thread::scope(|threads| {
            let slots = (0..)
                .zip(SLOTS)
                .map(|(slot, (role, delivery))| threads.spawn(move || self.fill(slot, role, delivery)));
            let slots: Vec<_> = slots.collect();
            threads.spawn(|| self.show(&ended));
            let end = Instant::now() + self.wishes.length;
            let mut dice = Dice::new(self.wishes.seed, u64::MAX);
            while Instant::now() < end {
                std::thread::sleep(Duration::from_millis(100).min(end - Instant::now().min(end)));
                outages.extend(self.strike(&mut dice));
            }
            for proxy in self.proxies {
                proxy.calm();
            }
            // What was cut last has to be gone: a link that is lost in a drain may make it incomplete.
            std::thread::sleep(QUIET);
            self.setting.calm.store(true, Ordering::Relaxed);
            for slot in slots {
                if slot.join().is_err() {
                    self.wrong("a thread of the run has panicked".into());
                }
            }
            ended.store(true, Ordering::Relaxed);
        });
        outages
    }

    /// One life after the other.
    fn fill(&self, slot: usize, role: Role, delivery: Delivery) {
        let mut dice = Dice::new(self.wishes.seed, 1000 + slot as u64);
        let is_crowd = role == Role::Crowd;
        let able = self
            .starters
            .iter()
            .filter(|starter| !is_crowd || starter.has_crowds());
        let starters: Vec<&Starter> = able.collect();
        let mut turn = slot;
        while !self.setting.is_calm() {
            let Some(starter) = starters.get(turn % starters.len().max(1)) else {
                return;
            };
            let account = if is_crowd {
                crowd::live(&self.setting, starter, delivery, &mut dice)
            } else {
                Some(live(&self.setting, starter, role, delivery, &mut dice))
            };
            let Some(account) = account else { return };
            let has_failed = !account.wrong.is_empty();
            self.accounts
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(account);
            if has_failed {
                // Not in a hurry: it may be the same again.
                std::thread::sleep(Duration::from_millis(500));
            }
            turn += 1;
        }
    }

    fn strike(&self, dice: &mut Dice) -> Option<(Instant, Instant)> {
        let (blow, outage) = self.servers.strike(dice, self.observers)?;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(blow.name().to_owned()).or_default() += 1;
        drop(counts);
        // Between blows there is a time in which everything is to be believed.
        std::thread::sleep(dice.millis(1500, 3500));
        outage
    }

    fn show(&self, ended: &AtomicBool) {
        let began = Instant::now();
        let mut next = began + PROGRESS;
        while !ended.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(50));
            if Instant::now() >= next && self.wishes.verbose {
                next += PROGRESS;
                eprintln!("{:>4} s: {}", began.elapsed().as_secs(), self.progress());
            }
        }
    }

    fn progress(&self) -> String {
        let tally = &self.setting.tally;
        let of = |number: &std::sync::atomic::AtomicU64| number.load(Ordering::Relaxed);
        let observed: usize = self.observers.iter().map(Observer::count).sum();
        format!(
            "{} lives, {} links, {} lost in a session, {} published, {observed} observed, {} received, {} answered, {} not",
            self.setting.lives.load(Ordering::Relaxed),
            self.proxies.iter().map(Proxy::links).sum::<u64>(),
            of(&tally.disconnects),
            of(&tally.published),
            of(&tally.received),
            of(&tally.answered),
            of(&tally.unanswered),
        )
    }

    fn wrong(&self, text: String) {
        self.wrong
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(text);
    }
}
