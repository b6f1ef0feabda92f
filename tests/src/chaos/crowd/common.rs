//! What the threads of a crowd share, and what each of them says.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::lock;
use crate::chaos::account::{Account, Asked, Fate, Mailbox, Published};
use crate::chaos::life::{Life, Setting, Tally};
use crate::chaos::note::Note;

pub(super) struct Common {
    pub(super) life: u32,
    pub(super) is_shared: bool,
    /// Messages a second of one publisher.
    pub(super) rate: u64,
    pub(super) tally: Arc<Tally>,
    /// Nothing more is begun.
    pub(super) over: AtomicBool,
    /// The end of the connection has begun: what is refused is refused for that.
    pub(super) ending: AtomicBool,
    lines: Mutex<Lines>,
    asked: AtomicU32,
}

/// What was published, by number.
#[derive(Default)]
struct Lines {
    all: Vec<Line>,
    /// Up to which number it is known that fates are final.
    settled: usize,
}

struct Line {
    published: Published,
    /// The call has returned.
    is_done: bool,
}

impl Common {
    pub(super) fn new(setting: &Setting, account: &Account) -> Self {
        Self {
            life: account.life,
            is_shared: account.is_shared,
            rate: setting.rate,
            tally: setting.tally.clone(),
            over: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            lines: Mutex::default(),
            asked: AtomicU32::new(0),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    pub(super) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    /// The note of the next request.
    pub(super) fn question(&self) -> (u32, Note) {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        (number, Note::of_request(self.life, number))
    }

    /// Something is about to be published.
    pub(super) fn reserve(&self) -> (usize, Note) {
        let mut lines = lock(&self.lines);
        let number = lines.all.len();
        lines.all.push(Line {
            published: Published::refused(Instant::now()),
            is_done: false,
        });
        let note = Note {
            life: self.life,
            number: u32::try_from(number).unwrap_or(u32::MAX),
        };
        (number, note)
    }

    /// It was accepted, with this number, or with another fate that was told at once, or not at all.
    pub(super) fn published(&self, number: usize, seq: Option<u64>, nameless: Option<Fate>) {
        self.tally.published.fetch_add(1, Ordering::Relaxed);
        if let Some(line) = lock(&self.lines).all.get_mut(number) {
            (line.published.seq, line.published.nameless, line.is_done) = (seq, nameless, true);
        }
    }

    /// All fates up to this number are final.
    pub(super) fn settle(&self, settled: u64) {
        let (mut lines, now) = (lock(&self.lines), Instant::now());
        while let Some(line) = {
            let place = lines.settled;
            lines.all.get_mut(place)
        } {
            if !line.is_done || line.published.seq.is_some_and(|seq| seq > settled) {
                return;
            }
            line.published.until = Some(now);
            lines.settled += 1;
        }
    }

    pub(super) fn published_so_far(&self) -> Vec<Published> {
        lock(&self.lines).all.iter().map(|line| line.published).collect()
    }
}

/// What one thread says.
#[derive(Default)]
pub(super) struct Part {
    pub(super) told: Vec<(usize, Fate)>,
    pub(super) asked: Vec<Asked>,
    pub(super) unheard: Vec<Note>,
    pub(super) mailboxes: Vec<Mailbox>,
    pub(super) ends: BTreeMap<String, u64>,
    pub(super) wrong: Vec<String>,
}

impl Part {
    pub(super) fn ended(&mut self, what: impl Into<String>) {
        *self.ends.entry(what.into()).or_default() += 1;
    }

    pub(super) fn add_to(self, life: &mut Life<'_>) {
        life.account.told.extend(self.told);
        life.account.asked.extend(self.asked);
        life.account.unheard.extend(self.unheard);
        life.account.mailboxes.extend(self.mailboxes);
        life.account.wrong.extend(self.wrong);
        for (what, count) in self.ends {
            *life.account.ends.entry(what).or_default() += count;
        }
    }
}
