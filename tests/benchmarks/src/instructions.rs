//! Instructions for each message, of the client's process without the kernel, counted by valgrind: the difference of two
//! runs, divided by the difference of their counts.

use std::path::Path;
use std::process::{Command, Stdio};

use serde::Serialize;

use crate::Outcome;
use crate::arguments::Settings;
use crate::cells::{Cell, Work};
use crate::clients::Client;
use crate::run::{Scratch, Server, client_command};
use crate::server::write_certificates;

/// Seconds for one run, which takes some fifty times as long as without valgrind.
const LIMIT: u64 = 600;
/// What is counted where nobody says what.
const CELLS: [&str; 6] = [
    "publish-128",
    "publish-headers-128",
    "receive-128",
    "receive-headers-128",
    "receive-headers-unread-128",
    "request",
];

/// What was counted.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Instructions {
    pub(crate) counted: Vec<Counted>,
}

/// One client in one cell.
#[derive(Debug, Serialize)]
pub(crate) struct Counted {
    pub(crate) cell: String,
    pub(crate) client: &'static str,
    /// Of each, or why there is nothing.
    pub(crate) each: Result<f64, String>,
}

impl Instructions {
    /// Of a cell and a client, where it was counted.
    pub(crate) fn of(&self, cell: &str, client: Client) -> Option<f64> {
        let found = self
            .counted
            .iter()
            .find(|one| one.cell == cell && one.client == client.name());
        found.and_then(|one| one.each.as_ref().ok().copied())
    }

    pub(crate) fn failures(&self) -> usize {
        self.counted.iter().filter(|one| one.each.is_err()).count()
    }
}

/// Counts for all clients in the cells that are named, or in those that have targets.
pub(crate) fn count_all(settings: &Settings) -> Outcome<Instructions> {
    let there = Command::new("valgrind")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success());
    if !there {
        return Err("--instructions needs valgrind, which is not installed".into());
    }
    let scratch = Scratch::new()?;
    write_certificates(scratch.path())?;
    let mut instructions = Instructions::default();
    for cell in &settings.cells {
        if !settings.cells_named && !CELLS.contains(&cell.name.as_str()) {
            continue;
        }
        for client in settings.clients.iter().copied().filter(|client| client.can(cell)) {
            eprintln!("{}, {}", cell.name, client.name());
            let each = each(scratch.path(), client, cell).map_err(|error| error.to_string());
            instructions.counted.push(Counted {
                cell: cell.name.clone(),
                client: client.name(),
                each,
            });
        }
    }
    Ok(instructions)
}

fn each(certificates: &Path, client: Client, cell: &Cell) -> Outcome<f64> {
    let (few, many) = match (client, cell.work) {
        (Client::Nats, Work::Request { .. }) => (100, 300),
        (_, Work::Request { .. }) => (512, 2560),
        // Each subscription gets some.
        (_, Work::Receive { subscriptions }) if subscriptions > 1000 => (subscriptions, 3 * subscriptions),
        _ => (4000, 24_000),
    };
    let difference =
        run(certificates, client, cell, many)?.saturating_sub(run(certificates, client, cell, few)?);
    Ok(difference as f64 / (many - few) as f64)
}

fn run(certificates: &Path, client: Client, cell: &Cell, count: u64) -> Outcome<u64> {
    let server = Server::start(certificates, cell, count)?;
    let program = std::env::current_exe()?;
    let mut valgrind = Command::new("valgrind");
    // Or else it counts every byte that `rep movsb` moves and `rep stosb` clears.
    let tunables = [
        "glibc.cpu.x86_rep_movsb_threshold",
        "glibc.cpu.x86_rep_stosb_threshold",
    ];
    let tunables = tunables.map(|tunable| format!("{tunable}=0x40000000"));
    valgrind.env("GLIBC_TUNABLES", tunables.join(":"));
    valgrind
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(&program);
    let client = client_command(&program, certificates, client, cell, count, server.port, LIMIT);
    let output = valgrind.args(client.get_args()).stdin(Stdio::null()).output()?;
    server.stop()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let why = said
            .lines()
            .rev()
            .find(|line| !line.starts_with("==") && !line.is_empty());
        return Err(why.unwrap_or("it ended without a word").into());
    }
    collected(&said).ok_or_else(|| "valgrind did not say how many".into())
}

/// How many instructions callgrind says there were.
fn collected(said: &str) -> Option<u64> {
    let (_, count) = said.lines().find_map(|line| line.split_once("Collected : "))?;
    count.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_in_what_callgrind_says() {
        let said = "==7== Events    : Ir\n==7== Collected : 123456\n==7== \n==7== I refs: 1";
        assert_eq!(collected(said), Some(123_456));
        assert_eq!(collected("==7== I refs: 1"), None);
    }
}
