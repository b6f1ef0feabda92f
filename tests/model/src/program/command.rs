//! What can be said to a server that runs.

use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use nats_conn_model_server::tcp_server::{TcpCluster, TcpServer};
use nats_conn_model_server::{Auth, Reaction, Settings, Step};
use serde_json::Value;

use super::fault::{deeds, step};
use super::kinds::error_text;
use super::words::{duration, field, number};

/// A command, and for which servers it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// The place of one, or all of them.
    place: Option<usize>,
    verb: Verb,
}

#[derive(Debug, PartialEq, Eq)]
enum Verb {
    Do(Vec<Reaction>),
    Fault(Step),
    Next(Step),
    NoFaults,
    Crash,
    Restart,
    LameDuck(Duration),
    Refuse(String),
    Welcome,
    Info(String, Value),
    Split(Option<NonZeroUsize>, Duration),
    ReadRate(Option<NonZeroU64>),
    StopReading,
    Read,
    Publish(String, String),
    Links,
    Help,
    Quit,
}

/// What came of a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was done.
    Done,
    /// It was a question.
    Says(String),
    /// The program ends.
    Quit,
}

/// The commands, for `help`.
const COMMANDS: &str = "commands: do fault next no-faults crash restart lame-duck refuse welcome info split read-rate \
                        stop-reading read publish links help quit; @2 before one: only for the second server";

impl Command {
    /// A line: a verb and its arguments, with `@N` before it if it is for the N-th server alone.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let (place, line) = match line.strip_prefix('@') {
            Some(rest) => {
                let (place, line) = words(rest);
                let place: usize = number(place)?;
                let place = place.checked_sub(1).ok_or("the first server is @1")?;
                (Some(place), line)
            }
            None => (None, line),
        };
        let (word, rest) = words(line);
        let verb = match (word, rest) {
            ("do", rest) => {
                let deeds = deeds(rest)?;
                if deeds.instead {
                    return Err("`nothing` takes the place of an answer, and there is none now".into());
                }
                Verb::Do(deeds.reactions)
            }
            ("fault", rest) => Verb::Fault(step(rest)?),
            ("next", rest) => Verb::Next(step(rest)?),
            ("no-faults", "") => Verb::NoFaults,
            ("crash", "") => Verb::Crash,
            ("restart", "") => Verb::Restart,
            ("lame-duck", after) => Verb::LameDuck(duration(after)?),
            ("refuse", named) => Verb::Refuse(error_text(named)?),
            ("welcome", "") => Verb::Welcome,
            ("info", rest) => {
                let (name, value) = field(rest)?;
                Verb::Info(name, value)
            }
            ("split", "off") => Verb::Split(None, Duration::ZERO),
            ("split", rest) => {
                let (bytes, pause) = words(rest);
                let pause = if pause.is_empty() { "0" } else { pause };
                Verb::Split(Some(number(bytes)?), duration(pause)?)
            }
            ("read-rate", "off") => Verb::ReadRate(None),
            ("read-rate", rest) => Verb::ReadRate(Some(number(rest)?)),
            ("stop-reading", "") => Verb::StopReading,
            ("read", "") => Verb::Read,
            ("publish", rest) => {
                let (subject, text) = words(rest);
                if subject.is_empty() {
                    return Err("publish where? write publish SUBJECT TEXT".into());
                }
                Verb::Publish(subject.into(), text.into())
            }
            ("links", "") => Verb::Links,
            ("help", "") => Verb::Help,
            ("quit", "") => Verb::Quit,
            _ => return Err(format!("{line:?} is no command; {COMMANDS}")),
        };
        Ok(Self { place, verb })
    }

    /// Does it. The servers began with these settings.
    pub(super) fn perform(self, cluster: &TcpCluster, first: &[Settings]) -> Result<Outcome, String> {
        let places = match self.place {
            Some(place) if place >= cluster.servers() => {
                return Err(format!("there are {} servers", cluster.servers()));
            }
            Some(place) => place..place + 1,
            None => 0..cluster.servers(),
        };
        let servers = places.clone().map(|place| cluster.server(place));
        match &self.verb {
            Verb::Publish(subject, text) => cluster.publish(subject, text.as_bytes()),
            Verb::Links => {
                let counts = servers.map(|server| format!("{} {}", server.name(), server.connections()));
                return Ok(Outcome::Says(format!(
                    "links {}",
                    counts.collect::<Vec<_>>().join(" ")
                )));
            }
            Verb::Help => return Ok(Outcome::Says(COMMANDS.into())),
            Verb::Quit => return Ok(Outcome::Quit),
            verb => {
                for (server, first) in servers.zip(&first[places]) {
                    verb.on(&server, first).map_err(|error| error.to_string())?;
                }
            }
        }
        Ok(Outcome::Done)
    }
}

impl Verb {
    fn on(&self, server: &TcpServer, first: &Settings) -> std::io::Result<()> {
        match self {
            Self::Do(reactions) => server.react(reactions),
            Self::Fault(step) => server.set(|settings| settings.script.push(step.clone())),
            Self::Next(step) => server.set(|settings| settings.next_scripts.push_back(vec![step.clone()])),
            Self::NoFaults => server.set(|settings| {
                settings.script.clear();
                settings.next_scripts.clear();
            }),
            Self::Crash => server.crash(),
            Self::Restart => server.restart()?,
            Self::LameDuck(after) => server.lame_duck(*after),
            Self::Refuse(text) => server.set(|settings| settings.auth = Auth::Refuse(text.clone())),
            Self::Welcome => server.set(|settings| settings.auth = first.auth.clone()),
            Self::Info(name, value) => {
                server.set(|settings| drop(settings.info.insert(name.clone(), value.clone())));
                server.announce();
            }
            Self::Split(most, pause) => server.set_transport(|transport| {
                transport.write_most = *most;
                transport.write_pause = *pause;
            }),
            Self::ReadRate(rate) => server.set_transport(|transport| transport.read_rate = *rate),
            Self::StopReading => server.set_transport(|transport| transport.stopped_reading = true),
            Self::Read => server.set_transport(|transport| transport.stopped_reading = false),
            Self::Publish(..) | Self::Links | Self::Help | Self::Quit => {}
        }
        Ok(())
    }
}

/// The first word, and what follows it.
fn words(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace)
        .map_or((text, ""), |(word, rest)| (word, rest.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verb(line: &str) -> Result<Verb, String> {
        Command::parse(line).map(|command| command.verb)
    }

    #[test]
    fn a_command_is_for_all_servers_or_for_one() {
        assert_eq!(
            Command::parse("crash"),
            Ok(Command {
                place: None,
                verb: Verb::Crash
            })
        );
        assert_eq!(
            Command::parse("@2  crash"),
            Ok(Command {
                place: Some(1),
                verb: Verb::Crash
            })
        );
        assert!(Command::parse("@0 crash").is_err());
        assert!(Command::parse("@x crash").is_err());
    }

    #[test]
    fn commands_have_arguments() {
        for (line, expected) in [
            ("do ping, close", Verb::Do(vec![Reaction::Ping, Reaction::Close])),
            ("lame-duck 10s", Verb::LameDuck(Duration::from_secs(10))),
            ("split 1", Verb::Split(NonZeroUsize::new(1), Duration::ZERO)),
            (
                "split 1 5ms",
                Verb::Split(NonZeroUsize::new(1), Duration::from_millis(5)),
            ),
            ("split off", Verb::Split(None, Duration::ZERO)),
            (
                "publish a.b  some text ",
                Verb::Publish("a.b".into(), "some text".into()),
            ),
            ("refuse auth", Verb::Refuse("Authorization Violation".into())),
            (
                "info max_payload=10",
                Verb::Info("max_payload".into(), Value::from(10)),
            ),
        ] {
            assert_eq!(verb(line), Ok(expected), "{line}");
        }
        for wrong in [
            "",
            "jump",
            "crash now",
            "split 0",
            "split",
            "do nothing",
            "do",
            "publish",
            "lame-duck",
            "next x",
        ] {
            assert!(verb(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_command_is_listed() {
        for line in [
            "restart",
            "no-faults",
            "welcome",
            "stop-reading",
            "read",
            "links",
            "help",
            "quit",
        ] {
            assert!(verb(line).is_ok(), "{line}");
            assert!(COMMANDS.contains(line), "{line}");
        }
    }
}
