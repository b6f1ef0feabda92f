//! Sees that a search does not come back, tells where it is, and ends the process: nothing else ends a loop in the machine.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nats_conn_tests::explore::{Attempt, Scope, Watch, tell_hang};

/// How often it looks.
const EVERY: Duration = Duration::from_millis(100);
/// An attempt takes microseconds: after so long one may be called a loop if memory runs short.
const SHORT: Duration = Duration::from_millis(500);
/// The size of a page of memory, in KiB.
const PAGE: u64 = 4;

/// What is allowed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How long one input may take.
    pub(super) patience: Duration,
    /// How many MiB the process may have while one takes long.
    pub(super) memory: u64,
}

/// The searches that are under way.
#[derive(Clone, Default)]
pub(super) struct Watchdog(Arc<Mutex<Vec<Watched>>>);

struct Watched {
    name: String,
    scope: Arc<Scope>,
    watch: Arc<Watch>,
    /// What it tried when it was last looked at, and since when.
    seen: (Attempt, Instant),
}

impl Watchdog {
    /// Begins to look, until the process ends.
    pub(super) fn begin(limits: Limits) -> Self {
        let dog = Self::default();
        let looking = dog.clone();
        thread::spawn(move || {
            loop {
                thread::sleep(EVERY);
                looking.look(limits);
            }
        });
        dog
    }

    /// What is to be watched as long as this search takes.
    pub(super) fn watch(&self, name: &str, scope: &Arc<Scope>) -> Arc<Watch> {
        let watch = Arc::new(Watch::default());
        self.with(|watched| {
            watched.push(Watched {
                name: name.to_owned(),
                scope: Arc::clone(scope),
                watch: Arc::clone(&watch),
                seen: (Attempt::default(), Instant::now()),
            });
        });
        watch
    }

    /// The search is over.
    pub(super) fn forget(&self, watch: &Arc<Watch>) {
        self.with(|watched| watched.retain(|one| !Arc::ptr_eq(&one.watch, watch)));
    }

    fn look(&self, limits: Limits) {
        let memory = resident().unwrap_or_default();
        self.with(|watched| {
            for one in watched {
                let attempt = one.watch.attempt();
                if attempt != one.seen.0 {
                    one.seen = (attempt, Instant::now());
                    continue;
                }
                let (Some(inputs), took) = (&attempt.inputs, one.seen.1.elapsed()) else {
                    continue;
                };
                let is_short = memory > limits.memory && took > SHORT;
                if is_short || took > limits.patience {
                    let how = if is_short {
                        "the machine does not return, and takes ever more memory"
                    } else {
                        "the machine does not return"
                    };
                    println!("{}: FAILED: {} states", one.name, attempt.states);
                    println!("{}: {how}\n{}", one.name, tell_hang(&one.scope, inputs));
                    std::process::exit(1);
                }
            }
        });
    }

    fn with<T>(&self, look: impl FnOnce(&mut Vec<Watched>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How many MiB the process has, where that can be known.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * PAGE / 1024)
}
