//! What a client's process has used.

use std::time::{Duration, Instant};

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::statistics::percentile;

/// What one process has measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Messages, requests, subscriptions or connections.
    pub(crate) count: u64,
    /// How many of them reached the other end: the application, or the server.
    pub(crate) delivered: u64,
    /// CPU seconds of the process, in its own code and in the kernel.
    pub(crate) user: f64,
    pub(crate) system: f64,
    /// Seconds by the clock.
    pub(crate) wall: f64,
    /// The most memory that the process ever had, in KiB.
    pub(crate) peak_kib: u64,
    /// Of single calls, in microseconds.
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    /// How far the last was when the first was done, among several that should get the same: 1 is fair.
    pub(crate) fairness: Option<f64>,
    /// Resident bytes of each subscription or connection.
    pub(crate) bytes_each: Option<f64>,
    /// Seconds that the server saw from the accept of the second link to the last SUB.
    pub(crate) restored_after: Option<f64>,
    /// Bytes of SUB lines on the second link.
    pub(crate) restored_bytes: Option<u64>,
}

impl Measured {
    /// CPU microseconds of each.
    pub(crate) fn cpu_each(&self) -> f64 {
        (self.user + self.system) * 1e6 / self.count.max(1) as f64
    }

    /// Of each, in the process's own code.
    pub(crate) fn user_each(&self) -> f64 {
        self.user * 1e6 / self.count.max(1) as f64
    }

    /// Each second.
    pub(crate) fn rate(&self) -> f64 {
        self.count as f64 / self.wall
    }

    /// The share that arrived.
    pub(crate) fn delivered_share(&self) -> f64 {
        self.delivered as f64 / self.count.max(1) as f64
    }

    /// With the latencies of single calls, in nanoseconds.
    pub(crate) fn with_latencies(mut self, mut nanoseconds: Vec<u64>) -> Self {
        nanoseconds.sort_unstable();
        self.p50 = percentile(&nanoseconds, 50.0).map(|value| value as f64 / 1e3);
        self.p99 = percentile(&nanoseconds, 99.0).map(|value| value as f64 / 1e3);
        self
    }
}

/// Runs from when it is made.
pub(crate) struct Stopwatch {
    usage: Usage,
    started: Instant,
}

impl Stopwatch {
    pub(crate) fn start() -> Outcome<Self> {
        Ok(Self {
            usage: getrusage(UsageWho::RUSAGE_SELF)?,
            started: Instant::now(),
        })
    }

    /// What was used since.
    pub(crate) fn stop(&self, count: u64, delivered: u64) -> Outcome<Measured> {
        let wall = self.started.elapsed();
        let usage = getrusage(UsageWho::RUSAGE_SELF)?;
        Ok(Measured {
            count,
            delivered,
            user: seconds(usage.user_time()) - seconds(self.usage.user_time()),
            system: seconds(usage.system_time()) - seconds(self.usage.system_time()),
            wall: wall.as_secs_f64(),
            peak_kib: status("VmHWM:")?,
            ..Measured::default()
        })
    }
}

fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

/// The resident memory of this process, in bytes.
pub(crate) fn resident() -> Outcome<u64> {
    Ok(status("VmRSS:")? * 1024)
}

/// A line of this process's status, in KiB. The peak that getrusage knows is that of the parent, too.
fn status(key: &str) -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let value = line.and_then(|line| line.split_whitespace().next());
    Ok(value
        .ok_or("the system does not say how much memory there is")?
        .parse()?)
}

/// Ends this process when it takes too long, so that a client that hangs ends a measurement and not the run.
pub(crate) fn watch_over(limit: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        eprintln!("not done after {} s", limit.as_secs());
        std::process::exit(3);
    });
}
