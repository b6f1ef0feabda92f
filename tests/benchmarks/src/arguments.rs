//! What is given on the command line.

use std::path::PathBuf;

use crate::cells::{self, Cell};
use crate::clients::Client;

pub(crate) const HELP: &str = "\
What NATS clients cost: CPU time of the client's own process for each message, beside other clients.

cargo run --release --manifest-path tests/benchmarks/Cargo.toml -- [OPTIONS]

  --short             fewer messages and fewer cells: some minutes on two cores
  --rounds N          so many rounds (default 5, 4 with --short); within a round all clients of a cell run one after the other
  --cells PATTERN     only these cells; `--list` names them
  --clients PATTERN   only these clients
  --targets           which of the targets were met, and by how much
  --instructions      instructions for each message in place of times, counted by valgrind
  --svg FILE          the bar chart
  --json FILE         everything that was measured, for machines; `-` is standard output, and then there is no table
  --list              the names of all cells and clients
  --help              this text

A PATTERN is one name or several with commas between them; `*` stands for anything: --cells 'publish-*,request'.
Progress goes to standard error. The exit code is 1 where a client failed, and 2 where the arguments make no sense.
";

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Command {
    Help,
    List,
    Run(Settings),
    /// A child: the server.
    Server {
        cell: Cell,
        count: u64,
        certificates: PathBuf,
    },
    /// A child: a client, which prints what it has measured.
    Client {
        client: Client,
        cell: Cell,
        count: u64,
        port: u16,
        certificates: PathBuf,
        /// Seconds after which it gives up.
        limit: u64,
    },
}

/// What is measured, and where it goes.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) short: bool,
    pub(crate) rounds: usize,
    pub(crate) cells: Vec<Cell>,
    /// Whether somebody asked for these cells by their names.
    pub(crate) cells_named: bool,
    pub(crate) clients: Vec<Client>,
    pub(crate) targets: bool,
    pub(crate) instructions: bool,
    pub(crate) svg: Option<PathBuf>,
    pub(crate) json: Option<PathBuf>,
}

/// Makes sense of the arguments, or says which of them makes none.
pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let arguments: Vec<String> = arguments.into_iter().collect();
    match arguments.first().map(String::as_str) {
        Some("server") => return parse_server(&arguments[1..]),
        Some("client") => return parse_client(&arguments[1..]),
        _ => {}
    }
    let mut settings = Settings {
        short: false,
        rounds: 5,
        cells: Vec::new(),
        cells_named: false,
        clients: Client::ALL.to_vec(),
        targets: false,
        instructions: false,
        svg: None,
        json: None,
    };
    let (mut wanted, mut rounds) = (None, None);
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .ok_or_else(|| format!("{argument} wants a value"))
        };
        match argument.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--list" => return Ok(Command::List),
            "--short" => settings.short = true,
            "--targets" => settings.targets = true,
            "--instructions" => settings.instructions = true,
            "--rounds" => {
                let given = value()?;
                let number = given.parse().ok().filter(|number| (1..=1000).contains(number));
                rounds = Some(
                    number.ok_or_else(|| format!("--rounds {given}: it wants a number from 1 to 1000"))?,
                );
            }
            "--cells" => wanted = Some(value()?),
            "--clients" => {
                let pattern = value()?;
                settings.clients = choose("clients", &pattern, Client::ALL.to_vec(), |client| client.name())?;
            }
            "--svg" => settings.svg = Some(value()?.into()),
            "--json" => settings.json = Some(value()?.into()),
            _ => return Err(format!("there is no {argument}")),
        }
    }
    settings.rounds = rounds.unwrap_or(if settings.short { 4 } else { 5 });
    settings.cells_named = wanted.is_some();
    settings.cells = match wanted {
        // Who names a cell gets it, in the short form, too.
        Some(pattern) => choose("cells", &pattern, cells::all(), |cell| &cell.name)?,
        None => cells::all()
            .into_iter()
            .filter(|cell| cell.in_short || !settings.short)
            .collect(),
    };
    Ok(Command::Run(settings))
}

/// Those whose names fit; each part of the pattern has to fit one at least.
fn choose<T: Clone>(
    what: &str,
    pattern: &str,
    all: Vec<T>,
    name: impl Fn(&T) -> &str,
) -> Result<Vec<T>, String> {
    let parts: Vec<&str> = pattern.split(',').map(str::trim).collect();
    for part in &parts {
        if !all.iter().any(|one| fits(part, name(one))) {
            let names: Vec<&str> = all.iter().map(&name).collect();
            return Err(format!(
                "--{what} {part}: none fits. There are {}",
                names.join(", ")
            ));
        }
    }
    Ok(all
        .iter()
        .filter(|one| parts.iter().any(|part| fits(part, name(one))))
        .cloned()
        .collect())
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            (0..=name.len()).any(|at| name.is_char_boundary(at) && fits(rest, &name[at..]))
        }),
    }
}

fn parse_server(arguments: &[String]) -> Result<Command, String> {
    let [cell, count, certificates] = arguments else {
        return Err("server wants CELL COUNT CERTIFICATES".into());
    };
    Ok(Command::Server {
        cell: cells::named(cell).ok_or_else(|| format!("there is no cell {cell}"))?,
        count: number(count)?,
        certificates: certificates.into(),
    })
}

fn parse_client(arguments: &[String]) -> Result<Command, String> {
    let [client, cell, count, port, certificates, limit] = arguments else {
        return Err("client wants CLIENT CELL COUNT PORT CERTIFICATES SECONDS".into());
    };
    Ok(Command::Client {
        client: Client::named(client).ok_or_else(|| format!("there is no client {client}"))?,
        cell: cells::named(cell).ok_or_else(|| format!("there is no cell {cell}"))?,
        count: number(count)?,
        port: number(port)?,
        certificates: certificates.into(),
        limit: number(limit)?,
    })
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse()
        .map_err(|_| format!("{text} is no number, or too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_string))
    }

    fn settings(line: &str) -> Settings {
        match given(line) {
            Ok(Command::Run(settings)) => settings,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn nothing_given_is_everything() {
        let settings = settings("");
        assert_eq!(settings.cells.len(), cells::all().len());
        assert_eq!(settings.clients, Client::ALL);
        assert_eq!(settings.rounds, 5);
    }

    #[test]
    fn patterns_choose_and_keep_the_order_of_the_list() {
        let settings = settings("--short --cells request,publish-*6 --clients raw,tokio-*");
        let names: Vec<&str> = settings.cells.iter().map(|cell| cell.name.as_str()).collect();
        assert_eq!(names, ["publish-16", "publish-headers-16", "request"]);
        assert_eq!(settings.clients, [Client::TokioCt, Client::TokioMt, Client::Raw]);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (line, word) in [
            ("--cells nothing", "publish-128"),
            ("--clients tokio", "tokio-ct"),
            ("--cells publish-16,nothing", "nothing"),
            ("--rounds 0", "from 1"),
            ("--rounds many", "many"),
            ("--rounds", "wants a value"),
            ("--fast", "--fast"),
            ("short", "short"),
        ] {
            let error = given(line).expect_err(line);
            assert!(error.contains(word), "{line}: {error}");
        }
    }

    #[test]
    fn stars_stand_for_anything_also_for_nothing() {
        assert!(fits("*", "publish-16"));
        assert!(fits("*publish*16*", "publish-16"));
        assert!(!fits("publish", "publish-16"));
        assert!(!fits("publish-16*6", "publish-16"));
    }
}
