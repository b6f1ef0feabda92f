//! Measures: rounds, and in each round every cell with all clients one after the other, each in a process of its own.

use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::Outcome;
use crate::arguments::Settings;
use crate::cells::{Cell, Work};
use crate::clients::Client;
use crate::measure::Measured;
use crate::server::{Seen, write_certificates};
use crate::statistics::{median, ratio};

/// Seconds for one measurement, whatever a client does.
const LIMIT: u64 = 60;

/// What was measured of all cells.
pub(crate) struct Results {
    pub(crate) short: bool,
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    pub(crate) cells: Vec<CellResults>,
}

/// What was measured of a cell.
pub(crate) struct CellResults {
    pub(crate) cell: Cell,
    pub(crate) clients: Vec<ClientResults>,
}

/// What was measured of a client in a cell: each round, or why there is nothing.
pub(crate) struct ClientResults {
    pub(crate) client: Client,
    pub(crate) rounds: Vec<Result<Measured, String>>,
}

impl Results {
    pub(crate) fn failures(&self) -> usize {
        let clients = self.cells.iter().flat_map(|cell| &cell.clients);
        clients.filter(|client| client.failure().is_some()).count()
    }

    /// Of a cell by its name, and a client.
    pub(crate) fn of(&self, cell: &str, client: Client) -> Option<&ClientResults> {
        let cell = self.cells.iter().find(|results| results.cell.name == cell)?;
        cell.of(client)
    }
}

impl CellResults {
    pub(crate) fn of(&self, client: Client) -> Option<&ClientResults> {
        self.clients.iter().find(|results| results.client == client)
    }
}

impl ClientResults {
    /// Of each round, where it was measured.
    pub(crate) fn each(&self, value: impl Fn(&Measured) -> Option<f64>) -> Vec<Option<f64>> {
        self.rounds
            .iter()
            .map(|round| round.as_ref().ok().and_then(&value))
            .collect()
    }

    /// The median over the rounds.
    pub(crate) fn median(&self, value: impl Fn(&Measured) -> Option<f64>) -> Option<f64> {
        let values: Vec<f64> = self.each(value).into_iter().flatten().collect();
        median(&values)
    }

    /// Ours to theirs, round by round; nothing where one of them lost messages, as then they did not do the same.
    pub(crate) fn ratio(&self, peer: &Self, value: impl Fn(&Measured) -> Option<f64>) -> Option<f64> {
        if self.is_lossy() || peer.is_lossy() {
            return None;
        }
        ratio(&self.each(&value), &peer.each(&value))
    }

    /// Whether anything was lost in any round.
    pub(crate) fn is_lossy(&self) -> bool {
        self.rounds
            .iter()
            .flatten()
            .any(|round| round.delivered < round.count)
    }

    /// Why there is nothing, if there is nothing.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.rounds
            .iter()
            .find_map(|round| round.as_ref().err())
            .map(String::as_str)
    }
}

/// Measures everything that is wanted.
pub(crate) fn measure_all(settings: &Settings) -> Outcome<Results> {
    let started = Instant::now();
    let scratch = Scratch::new()?;
    write_certificates(scratch.path())?;
    let mut cells: Vec<CellResults> = settings
        .cells
        .iter()
        .map(|cell| CellResults {
            cell: cell.clone(),
            clients: settings
                .clients
                .iter()
                .filter(|client| client.can(cell))
                .map(|client| ClientResults {
                    client: *client,
                    rounds: Vec::new(),
                })
                .collect(),
        })
        .collect();
    let total = settings.rounds * cells.iter().map(|cell| cell.clients.len()).sum::<usize>();
    let mut progress = Progress {
        started,
        total,
        done: 0,
    };
    for round in 0..settings.rounds {
        for (number, results) in cells.iter_mut().enumerate() {
            let several = results.clients.len();
            let count = results.cell.count_when(settings.short);
            for turn in 0..several {
                // Each client is first, last and after each other one at some time.
                let one = &mut results.clients[(turn + round + number) % several];
                progress.say(round, settings.rounds, &results.cell, one.client);
                let count = one.client.count(&results.cell, count);
                let measured = measure(scratch.path(), one.client, &results.cell, count);
                one.rounds.push(measured.map_err(|error| error.to_string()));
            }
        }
    }
    progress.end();
    Ok(Results {
        short: settings.short,
        rounds: settings.rounds,
        seconds: started.elapsed().as_secs_f64(),
        cells,
    })
}

/// One measurement: a server and a client, each a process of its own.
fn measure(certificates: &Path, client: Client, cell: &Cell, count: u64) -> Outcome<Measured> {
    let server = Server::start(certificates, cell, count)?;
    let program = std::env::current_exe()?;
    let output = client_command(&program, certificates, client, cell, count, server.port, LIMIT).output()?;
    let seen = server.stop()?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        let last = why
            .lines()
            .rev()
            .find(|line| !line.is_empty())
            .unwrap_or("it ended without a word");
        return Err(last.into());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut measured: Measured = serde_json::from_str(text.lines().last().unwrap_or_default())?;
    match cell.work {
        Work::Publish { .. } => measured.delivered = seen.published,
        Work::Restore => {
            measured.restored_after = seen.restored_after;
            measured.restored_bytes = Some(seen.restored_bytes);
        }
        Work::Receive { .. } | Work::Request { .. } | Work::Connections => {}
    }
    Ok(measured)
}

/// How a client's process is started.
pub(crate) fn client_command(
    program: &Path,
    certificates: &Path,
    client: Client,
    cell: &Cell,
    count: u64,
    port: u16,
    limit: u64,
) -> Command {
    let mut command = Command::new(program);
    command
        .args(["client", client.name(), &cell.name])
        .args([count.to_string(), port.to_string()])
        .arg(certificates)
        .arg(limit.to_string())
        .stdin(Stdio::null());
    command
}

/// A server in a process of its own, which ends with its standard input.
pub(crate) struct Server {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn start(certificates: &Path, cell: &Cell, count: u64) -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["server", &cell.name, &count.to_string()])
            .arg(certificates)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut output = BufReader::new(child.stdout.take().ok_or("the server has no output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let port = line.trim().parse().map_err(|_| "the server did not start")?;
        Ok(Self { child, output, port })
    }

    /// Ends it, and says what it has seen.
    pub(crate) fn stop(mut self) -> Outcome<Seen> {
        drop(self.child.stdin.take());
        let mut said = String::new();
        self.output.read_to_string(&mut said)?;
        self.child.wait()?;
        Ok(serde_json::from_str(said.trim())?)
    }
}

/// A folder that is gone at the end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Outcome<Self> {
        let folder = std::env::temp_dir().join(format!("nats-conn-benchmarks-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What is being measured, on standard error.
struct Progress {
    started: Instant,
    total: usize,
    done: usize,
}

impl Progress {
    fn say(&mut self, round: usize, rounds: usize, cell: &Cell, client: Client) {
        let seconds = self.started.elapsed().as_secs_f64();
        let left = seconds / self.done.max(1) as f64 * (self.total - self.done) as f64;
        self.done += 1;
        let (done, total, round) = (self.done, self.total, round + 1);
        let (cell, client) = (&cell.name, client.name());
        let line =
            format!("round {round} of {rounds}, {done} of {total}: {cell}, {client}; {left:.0} s left");
        if std::io::stderr().is_terminal() {
            eprint!("\r{line}\x1b[K");
        } else if done % 20 == 1 {
            eprintln!("{line}");
        }
    }

    fn end(&self) {
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
    }
}
