//! Faults, as they are written: `WHEN: WHAT, WHAT`.

use std::time::Duration;

use nats_conn_model_server::{Reaction, Step, When};
use serde_json::{Value, json};

use super::kinds::error_text;
use super::words::{bytes, duration, field, list, nanos, number};

/// Not the protocol, in a way that no parser takes.
const GARBAGE: &[u8] = b"\x00\xff{not the protocol}\x80\r\n\r\n";

/// What is done, and whether the usual answer is left out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Deeds {
    pub(super) reactions: Vec<Reaction>,
    pub(super) instead: bool,
}

/// `WHEN: WHAT, WHAT`.
pub(super) fn step(text: &str) -> Result<Step, String> {
    let (moment, what) = text
        .split_once(':')
        .ok_or_else(|| format!("{text:?} is no fault: write WHEN: WHAT"))?;
    let moment = when(moment.trim())?;
    let Deeds { reactions, instead } = deeds(what)?;
    if instead && matches!(moment, When::Age(_) | When::Message(_)) {
        return Err("`nothing` takes the place of an answer, and there is none then".into());
    }
    Ok(if instead {
        Step::instead(moment, reactions)
    } else {
        Step::also(moment, reactions)
    })
}

/// `accept`, `connect`, `after=5s`, `after=100msgs`, `from=3pings`.
fn when(text: &str) -> Result<When, String> {
    let unknown = || {
        format!(
            "{text:?} is no moment: write accept, connect, after=5s, after=100msgs, after=3pings, after=3pubs, \
             after=3subs or from=3pings"
        )
    };
    let (word, amount) = match text {
        "accept" => return Ok(When::Accept),
        "connect" => return Ok(When::Connect),
        text => text.split_once('=').ok_or_else(unknown)?,
    };
    let unit = amount.trim_start_matches(|c: char| c.is_ascii_digit());
    let count = || match number(&amount[..amount.len() - unit.len()])? {
        0 => Err(String::from("the first is 1")),
        count => Ok(count),
    };
    match (word, unit.trim_end_matches('s')) {
        ("after", "msg") => Ok(When::Message(count()?)),
        ("after", "pub") => Ok(When::Publish(count()?)),
        ("after", "sub") => Ok(When::Subscribe(count()?)),
        ("after", "ping") => Ok(When::Ping(count()?)),
        ("from", "ping") => Ok(When::PingFrom(count()?)),
        ("after", _) => duration(amount)
            .map(|age| When::Age(nanos(age)))
            .map_err(|_| unknown()),
        _ => Err(unknown()),
    }
}

/// `WHAT, WHAT`.
pub(super) fn deeds(text: &str) -> Result<Deeds, String> {
    let mut deeds = Deeds {
        reactions: Vec::new(),
        instead: false,
    };
    let mut wait = Duration::ZERO;
    for part in list(text)? {
        let (word, argument) = match part.split_once('=') {
            Some((word, argument)) => (word, Some(argument)),
            None => (part, None),
        };
        if word == "wait" {
            wait = wait.saturating_add(duration(argument.unwrap_or_default())?);
            continue;
        }
        if (word, argument) == ("nothing", None) {
            deeds.instead = true;
            continue;
        }
        let reaction = reaction(word, argument)?;
        deeds.reactions.push(if wait.is_zero() {
            reaction
        } else {
            Reaction::later(nanos(wait), reaction)
        });
    }
    Ok(deeds)
}

fn reaction(word: &str, argument: Option<&str>) -> Result<Reaction, String> {
    Ok(match (word, argument) {
        ("close", None) => Reaction::Close,
        ("reset", None) => Reaction::Reset,
        ("silence", None) => Reaction::Silence,
        ("pong", None) => Reaction::Pong,
        ("ping", None) => Reaction::Ping,
        ("garbage", None) => Reaction::Send(GARBAGE.to_vec()),
        ("send", Some(text)) => Reaction::Send(bytes(super::words::unquoted(text).unwrap_or(text))?),
        ("err", Some(named)) => Reaction::Error(error_text(named)?),
        ("ldm", None) => Reaction::InfoWith("ldm".into(), json!(true)),
        ("info", None) => Reaction::Info,
        ("info", Some(text)) => {
            let (name, value) = field(text)?;
            Reaction::InfoWith(name, value)
        }
        ("urls", Some(urls)) => {
            let urls: Vec<Value> = urls.split_whitespace().map(Value::from).collect();
            Reaction::InfoWith("connect_urls".into(), Value::Array(urls))
        }
        _ => return Err(format!("{word:?} is nothing that a server does: see --help")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_when_and_what() {
        for (text, expected) in [
            (
                "after=100msgs:close",
                Step::also(When::Message(100), [Reaction::Close]),
            ),
            ("accept: nothing", Step::instead(When::Accept, [])),
            ("from=3pings: nothing", Step::instead(When::PingFrom(3), [])),
            (
                "after=1ping: pong, pong",
                Step::also(When::Ping(1), [Reaction::Pong, Reaction::Pong]),
            ),
            (
                "connect: err='a: b, c', wait=1s, wait=500ms, reset",
                Step::also(
                    When::Connect,
                    [
                        Reaction::error("a: b, c"),
                        Reaction::later(1_500_000_000, Reaction::Reset),
                    ],
                ),
            ),
            (
                "after=5s: ldm",
                Step::also(
                    When::Age(5_000_000_000),
                    [Reaction::InfoWith("ldm".into(), json!(true))],
                ),
            ),
            (
                "after=2pubs: send=+OK\\r\\n",
                Step::also(When::Publish(2), [Reaction::send("+OK\r\n")]),
            ),
            (
                "after=1sub: err=auth",
                Step::also(When::Subscribe(1), [Reaction::error("Authorization Violation")]),
            ),
        ] {
            assert_eq!(step(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_fault_says_what_is_wrong() {
        for (text, expected) in [
            ("close", "write WHEN: WHAT"),
            ("later: close", "is no moment"),
            ("after=0pubs: close", "the first is 1"),
            ("after=5parsecs: close", "is no moment"),
            ("from=5s: close", "is no moment"),
            ("accept: explode", "see --help"),
            ("accept: close=now", "see --help"),
            ("accept: err=nonsense", "is no error of a server"),
            ("accept: wait=1", "is no duration"),
            ("after=5s: nothing", "there is none then"),
            ("accept: info=x", "NAME=JSON"),
        ] {
            let error = step(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
