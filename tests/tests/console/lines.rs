//! What every line must contain: its fields and their types, and the grammar of the life of a connection.

use serde_json::{Map, Value};

/// The type of a field. The rest is by its name.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    /// A URL without user information.
    Url,
    Urls,
    /// A whole number that is not negative.
    Count,
    Number,
    Bool,
    /// One of these words.
    Word(&'static [&'static str]),
    /// An array of pairs of texts.
    Pairs,
    Object,
    Servers,
}

use Kind::{Bool, Count, Number, Object, Pairs, Servers, Text, Url, Urls, Word};

/// A line, and its fields: name, type, whether it may be absent.
type Row = (&'static str, &'static [(&'static str, Kind, bool)]);

const PHASES: Kind = Word(&["resolve", "dial", "info", "tls", "auth", "connect"]);
const REASONS: Kind = Word(&[
    "eof",
    "io",
    "stale",
    "server_error",
    "protocol",
    "lame_duck",
    "forced",
    "closed",
]);
const REMOVALS: Kind = Word(&["max_reconnects", "auth", "pruned", "replaced"]);
const DROPS: Kind = Word(&["overflow", "too_large", "headers_unsupported", "closed"]);
const ENDS: Kind = Word(&["unsubscribed", "max_reached", "drained", "refused", "closed"]);
const FAILURES: Kind = Word(&["no_responders", "timed_out", "disconnected", "closed", "refused"]);
const STATES: Kind = Word(&["connecting", "connected", "reconnecting", "draining", "closed"]);
const CLOSINGS: Kind = Word(&[
    "requested",
    "drained",
    "pool_exhausted",
    "auth",
    "no_reconnect",
    "connect_failed",
]);

const SESSION: &[(&str, Kind, bool)] = &[
    ("server", Url, false),
    ("server_id", Text, true),
    ("server_name", Text, true),
    ("version", Text, true),
    ("max_payload", Count, false),
];

#[rustfmt::skip]
const TABLE: &[Row] = &[
    ("connecting", &[("server", Url, false), ("attempt", Count, false)]),
    ("connect_failed", &[("server", Url, false), ("phase", PHASES, false), ("error", Text, false), ("detail", Text, false)]),
    ("connected", SESSION),
    ("reconnected", SESSION),
    ("disconnected", &[("server", Url, false), ("reason", REASONS, false), ("detail", Text, true), ("unconfirmed", Count, false), ("queued", Count, false)]),
    ("backoff_wait", &[("server", Url, false), ("attempt", Count, false), ("delay_ms", Count, false)]),
    ("resubscribed", &[("subscriptions", Count, false), ("refused", Count, false), ("server", Url, false)]),
    ("discovered_servers", &[("added", Urls, false), ("removed", Urls, false)]),
    ("lame_duck", &[("server", Url, false)]),
    ("server_removed", &[("server", Url, false), ("reason", REMOVALS, false)]),
    ("server_skipped", &[("url", Text, false), ("detail", Text, false)]),
    ("server_error", &[("kind", Text, false), ("text", Text, false)]),
    ("permission_denied", &[("operation", Word(&["publish", "subscribe"]), false), ("subject", Text, false), ("queue", Text, true), ("sub", Text, true)]),
    ("slow_consumer", &[("sub", Text, false), ("dropped", Count, false)]),
    ("publish_dropped", &[("count", Count, false), ("bytes", Count, false), ("reason", DROPS, false)]),
    ("cleartext_credentials", &[("server", Url, false)]),
    ("tls_raised", &[("server", Url, false)]),
    ("message", &[("sub", Text, false), ("subject", Text, false), ("reply", Text, true), ("headers", Pairs, true), ("status", Count, true), ("payload", Text, false), ("len", Count, false)]),
    ("sub_ended", &[("sub", Text, false), ("reason", ENDS, false)]),
    ("response", &[("id", Text, false), ("ok", Bool, false), ("error", FAILURES, true), ("written", Bool, true), ("subject", Text, true), ("reply", Text, true), ("headers", Pairs, true), ("status", Count, true), ("payload", Text, true), ("len", Count, true)]),
    ("flushed", &[("id", Text, false), ("ok", Bool, false), ("error", Word(&["disconnected", "closed"]), true)]),
    ("rtt", &[("ms", Number, false)]),
    ("state", &[("state", STATES, false)]),
    ("servers", &[("servers", Servers, false)]),
    ("stats", &[
        ("in_msgs", Count, false), ("in_bytes", Count, false), ("out_msgs", Count, false), ("out_bytes", Count, false),
        ("connects", Count, false), ("reconnects", Count, false), ("pending_bytes", Count, false), ("published", Count, false),
        ("queued", Count, false), ("written", Count, false), ("confirmed", Count, false), ("unconfirmed", Count, false),
        ("dropped", Count, false), ("subscriptions", Count, false), ("requests", Count, false),
        ("pings_out", Count, false), ("silence_ms", Count, true),
    ]),
    ("info", &[("info", Object, false)]),
    ("draining", &[]),
    ("closed", &[("reason", CLOSINGS, false), ("complete", Bool, true), ("unread", Count, true), ("detail", Text, true)]),
    ("error", &[("command", Text, false), ("error", Text, false), ("detail", Text, false)]),
];

const SERVER: &[(&str, Kind, bool)] = &[
    ("url", Url, false),
    ("discovered", Bool, false),
    ("current", Bool, false),
    ("lame_duck", Bool, false),
    ("failures", Count, false),
    ("last_error", Text, true),
];

/// The lines of a console whose life may not be over.
pub(crate) fn check(lines: &[Value], cuts: usize) -> Result<(), String> {
    let mut time = 0;
    for line in lines {
        check_line(line)?;
        let at = line["t"]
            .as_u64()
            .ok_or_else(|| format!("t is not a number: {line}"))?;
        if at < time {
            return Err(format!("time runs backwards: {line}"));
        }
        time = at;
    }
    check_life(lines, cuts)
}

/// The lines of a console that has ended: `closed` is the last, once. After `quit` it may be missing.
pub(crate) fn check_end(lines: &[Value], quit: bool) -> Result<(), String> {
    let closed = lines.iter().filter(|line| line["ev"] == "closed").count();
    let last = lines.last().is_some_and(|line| line["ev"] == "closed");
    match (closed, last, quit) {
        (1, true, _) | (0, _, true) => Ok(()),
        _ => Err(format!(
            "closed came {closed} times, and is the last line: {last}"
        )),
    }
}

fn check_line(line: &Value) -> Result<(), String> {
    let name = line["ev"].as_str().ok_or_else(|| format!("without ev: {line}"))?;
    let row = TABLE.iter().find(|(known, _)| *known == name);
    let (_, fields) = row.ok_or_else(|| format!("no such line: {line}"))?;
    let object = line.as_object().ok_or_else(|| format!("no object: {line}"))?;
    check_fields(object, fields).map_err(|error| format!("{error}: {line}"))?;
    match name {
        "response" | "flushed" if line["ok"] == line.get("error").is_some() => {
            Err(format!("ok and error contradict each other: {line}"))
        }
        "response" if line["ok"] == true && line.get("payload").is_none() => {
            Err(format!("a response without its message: {line}"))
        }
        "closed" if (line["reason"] == "drained") != line.get("complete").is_some() => {
            Err(format!("complete stands with drained: {line}"))
        }
        "closed"
            if line
                .get("unread")
                .is_some_and(|unread| line["reason"] != "drained" || *unread == 0) =>
        {
            Err(format!("unread stands with drained, where something is: {line}"))
        }
        "stats" => check_stats(line),
        _ => Ok(()),
    }
}

fn check_stats(line: &Value) -> Result<(), String> {
    let count = |field: &str| line[field].as_u64().unwrap_or_default();
    let fates = ["queued", "written", "confirmed", "unconfirmed", "dropped"];
    let sum: u64 = fates.into_iter().map(count).sum();
    if sum == count("published") {
        Ok(())
    } else {
        Err(format!("the fates add up to {sum}: {line}"))
    }
}

fn check_fields(object: &Map<String, Value>, fields: &[(&str, Kind, bool)]) -> Result<(), String> {
    for (name, kind, may_be_absent) in fields {
        match object.get(*name) {
            Some(value) if is(value, *kind) => {}
            None if *may_be_absent => {}
            value => return Err(format!("{name} is {value:?}, not {kind:?}")),
        }
    }
    match object.iter().find(|(_, value)| value.is_null()) {
        Some((name, _)) => Err(format!("{name} is null: what does not apply is absent")),
        None => Ok(()),
    }
}

fn is(value: &Value, kind: Kind) -> bool {
    match kind {
        Text => value.is_string(),
        Url => value.as_str().is_some_and(|url| {
            (url.starts_with("nats://") || url.starts_with("tls://")) && !url.contains('@')
        }),
        Urls => value
            .as_array()
            .is_some_and(|urls| urls.iter().all(|url| is(url, Url))),
        Count => value.is_u64(),
        Number => value.is_number(),
        Bool => value.is_boolean(),
        Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
        Pairs => value.as_array().is_some_and(|pairs| {
            let text = |value: &Value| value.is_string();
            let pair = |value: &Value| {
                value
                    .as_array()
                    .is_some_and(|pair| pair.len() == 2 && pair.iter().all(text))
            };
            pairs.iter().all(pair)
        }),
        Object => value.is_object(),
        Servers => value.as_array().is_some_and(|servers| {
            let server = |value: &Value| {
                value
                    .as_object()
                    .is_some_and(|fields| check_fields(fields, SERVER).is_ok())
            };
            servers.iter().all(server)
        }),
    }
}

/// Where in the grammar a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Start,
    Between,
    Waiting,
    Attempt,
    Session,
    Closed,
}

fn check_life(lines: &[Value], mut cuts: usize) -> Result<(), String> {
    use Place::{Attempt, Between, Closed, Session, Start, Waiting};
    let (mut place, mut connected, mut resubscribed) = (Start, false, true);
    for line in lines {
        let name = line["ev"].as_str().unwrap_or_default();
        let next = match (place, name) {
            (Closed, _) => None,
            (Start | Between | Waiting, "connecting") => Some(Attempt),
            (Between, "backoff_wait") => Some(Waiting),
            (Waiting | Attempt, "connecting" | "backoff_wait") if cuts > 0 => {
                cuts -= 1;
                Some(if name == "connecting" { Attempt } else { Waiting })
            }
            (Attempt, "connect_failed") => Some(Between),
            (Attempt, "connected") if !connected => Some(Session),
            (Attempt, "reconnected") if connected => Some(Session),
            (Session, "disconnected") => Some(Between),
            (Start | Between | Waiting | Attempt, "closed") => Some(Closed),
            (
                _,
                "connecting" | "backoff_wait" | "connect_failed" | "connected" | "reconnected"
                | "disconnected" | "closed",
            ) => None,
            (Session, "resubscribed") if !resubscribed => {
                resubscribed = true;
                Some(Session)
            }
            (_, "resubscribed") => None,
            (here, "lame_duck" | "discovered_servers" | "server_error") if here != Session => None,
            (same, _) => Some(same),
        };
        let next = next.ok_or_else(|| format!("{name} must not stand in {place:?}: {line}"))?;
        if next == Session && place != Session {
            (connected, resubscribed) = (true, false);
        }
        place = next;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn life(names: &[&str], cuts: usize) -> Result<(), String> {
        let lines: Vec<Value> = names.iter().map(|name| json!({ "ev": name })).collect();
        check_life(&lines, cuts)
    }

    #[test]
    fn a_life_follows_its_grammar() {
        let good = "connecting connected resubscribed disconnected backoff_wait connecting connect_failed connecting \
                    reconnected disconnected closed";
        assert_eq!(life(&good.split_whitespace().collect::<Vec<_>>(), 0), Ok(()));
        for bad in [
            "connected",
            "connecting connected connected",
            "connecting connected closed",
            "connecting connecting",
            "connecting connected disconnected connecting connected",
            "connecting connect_failed lame_duck",
            "connecting closed state",
            "backoff_wait connecting",
        ] {
            assert!(
                life(&bad.split_whitespace().collect::<Vec<_>>(), 0).is_err(),
                "{bad}"
            );
        }
        assert_eq!(life(&["connecting", "connecting"], 1), Ok(()));
    }

    #[test]
    fn fields_have_their_types() {
        for (line, good) in [
            (json!({"ev": "rtt", "t": 1, "ms": 0.5}), true),
            (json!({"ev": "rtt", "t": 1, "ms": "0.5"}), false),
            (json!({"ev": "lame_duck", "t": 1, "server": "nats://a:1"}), true),
            (
                json!({"ev": "lame_duck", "t": 1, "server": "nats://u:p@a:1"}),
                false,
            ),
            (json!({"ev": "lame_duck", "t": 1, "server": null}), false),
            (
                json!({"ev": "flushed", "t": 1, "id": "f", "ok": true, "error": "closed"}),
                false,
            ),
            (json!({"ev": "nonsense", "t": 1}), false),
        ] {
            assert_eq!(check_line(&line).is_ok(), good, "{line}");
        }
    }
}
