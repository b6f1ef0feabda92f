//! Prints what happens, one line an event: when, what, and what the client does about it.

use std::io::IsTerminal;
use std::time::Instant;

use nats_conn_client::{ClientEvent, ConnectionEvent, DisconnectReason, WaitReason};

/// Prints lines with the time since the start, in colour where the terminal has it.
pub(crate) struct Narrator {
    start: Instant,
    colour: bool,
}

/// How a line is meant.
#[derive(Clone, Copy)]
enum Mood {
    Good,
    Bad,
    Waiting,
    Plain,
}

impl Narrator {
    pub(crate) fn new() -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            start: Instant::now(),
            colour,
        }
    }

    /// What is done to the servers.
    pub(crate) fn stage(&self, text: &str) {
        if self.colour {
            println!(
                "{:7.3}s \x1b[1m── {text}\x1b[0m",
                self.start.elapsed().as_secs_f64()
            );
        } else {
            println!("{:7.3}s ── {text}", self.start.elapsed().as_secs_f64());
        }
    }

    /// What the client says.
    pub(crate) fn event(&self, event: &ClientEvent) {
        let (mood, name, text) = describe(event);
        let colour = match mood {
            Mood::Good => "32",
            Mood::Bad => "31",
            Mood::Waiting => "33",
            Mood::Plain => "36",
        };
        let time = self.start.elapsed().as_secs_f64();
        if self.colour {
            println!("{time:7.3}s    \x1b[{colour}m{name:<20}\x1b[0m {text}");
        } else {
            println!("{time:7.3}s    {name:<20} {text}");
        }
    }
}

fn list<T: std::fmt::Display>(servers: &[T]) -> String {
    let names: Vec<String> = servers.iter().map(ToString::to_string).collect();
    if names.is_empty() {
        String::from("none")
    } else {
        names.join(", ")
    }
}

fn describe(event: &ClientEvent) -> (Mood, &'static str, String) {
    let ClientEvent::Connection(event) = event else {
        return (Mood::Bad, "note", format!("{event:?}"));
    };
    match event {
        ConnectionEvent::Connecting { server, attempt, .. } => (
            Mood::Plain,
            "connecting",
            format!("{server}, attempt {attempt} since it last worked"),
        ),
        ConnectionEvent::ConnectFailed { server, phase, error } => (
            Mood::Bad,
            "connect failed",
            format!("{server} in phase `{}`: {error}", phase.code()),
        ),
        ConnectionEvent::Connected(session) => (Mood::Good, "connected", format!("{}", session.server)),
        ConnectionEvent::Reconnected(session) => (Mood::Good, "reconnected", format!("{}", session.server)),
        ConnectionEvent::Disconnected {
            server,
            reason,
            unconfirmed,
            queued,
            ..
        } => {
            let why = match **reason {
                DisconnectReason::LameDuck => "left before it goes",
                _ => "lost",
            };
            let fate = format!(
                "{} publishes unconfirmed, {queued} stay queued for the next link",
                unconfirmed.count()
            );
            (
                Mood::Bad,
                "disconnected",
                format!("{server} {why} ({reason}); {fate}"),
            )
        }
        ConnectionEvent::BackoffWait {
            server,
            delay,
            reason,
            attempt,
            ..
        } => {
            let why = match reason {
                WaitReason::RoundFailed { rounds } => format!("no server answered in {rounds} round(s)"),
                WaitReason::Flapping { .. } => String::from("the last link was too short"),
                _ => String::from("as chosen"),
            };
            let wait = format!("{} ms, then {server} (attempt {attempt})", delay.as_millis());
            (Mood::Waiting, "backoff wait", format!("{wait}: {why}"))
        }
        ConnectionEvent::Resubscribed {
            subscriptions,
            refused,
            ..
        } => (
            Mood::Good,
            "resubscribed",
            format!("{subscriptions} restored, {refused} refused"),
        ),
        ConnectionEvent::DiscoveredServers { added, removed } => (
            Mood::Plain,
            "discovered servers",
            format!("new: {}, gone: {}", list(added), list(removed)),
        ),
        ConnectionEvent::LameDuck { server } => (
            Mood::Waiting,
            "lame duck",
            format!("{server} announces that it goes"),
        ),
        ConnectionEvent::ServerInfoChanged { info } => (
            Mood::Plain,
            "server info",
            format!("announced: {}", info.connect_urls.join(", ")),
        ),
        ConnectionEvent::ServerRemoved { server, reason } => (
            Mood::Plain,
            "server removed",
            format!("{server}: {}", reason.code()),
        ),
        ConnectionEvent::PublishDropped {
            publishes, reason, ..
        } => (
            Mood::Bad,
            "publish dropped",
            format!("{} publishes: {}", publishes.count(), reason.code()),
        ),
        ConnectionEvent::ServerError { error } => (Mood::Bad, "server error", format!("{error}")),
        ConnectionEvent::Closed { reason } => (Mood::Good, "closed", reason.code().to_string()),
        other => (Mood::Plain, "event", format!("{other:?}")),
    }
}
