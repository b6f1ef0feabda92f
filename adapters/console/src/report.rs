//! What happened, as lines.

use std::time::Duration;

use nats_conn_client::{ClientEvent, RequestError};
use nats_conn_sm::{
    ClosedReason, ConnectionEvent, FlushError, LinkHealth, Server, ServerStatus, Session, Statistics,
    WaitReason,
};
use nats_proto::{Message, PermissionOperation, ServerInfo};
use serde_json::{Value, json};

use crate::line::Line;
use crate::names::Names;

/// The line for an event, if it has one. `closed` is not among them: it comes last.
pub(crate) fn event(event: &ClientEvent, names: &Names) -> Option<Line> {
    Some(match event {
        ClientEvent::Connection(event) => return life(event).or_else(|| inside(event, names)),
        ClientEvent::SlowConsumer {
            subscription,
            dropped,
        } => Line::new(event.code())
            .with_some("sub", names.of(*subscription))
            .with("dropped", *dropped),
        ClientEvent::Missed { events } => Line::new(event.code()).with("events", *events),
        ClientEvent::DriverFailed { panicked } => Line::new(event.code()).with("panicked", *panicked),
        _ => return None,
    })
}

/// The life of the connection.
fn life(event: &ConnectionEvent) -> Option<Line> {
    Some(match event {
        ConnectionEvent::Connecting { server, attempt, .. } => {
            of(event.code(), server).with("attempt", *attempt)
        }
        ConnectionEvent::ConnectFailed { server, phase, error } => {
            let detail = match error.advice(*phase) {
                Some(advice) => format!("{error} ({advice})"),
                None => error.to_string(),
            };
            of(event.code(), server)
                .with("phase", phase.code())
                .with("error", error.code())
                .with("detail", detail)
        }
        ConnectionEvent::Connected(session) => begun(event.code(), session),
        ConnectionEvent::Disconnected {
            server,
            reason,
            unconfirmed,
            queued,
            ..
        } => of(event.code(), server)
            .with("reason", reason.code())
            .with("detail", reason.to_string())
            .with("unconfirmed", unconfirmed.count())
            .with("queued", *queued),
        ConnectionEvent::BackoffWait {
            server,
            attempt,
            delay,
            reason,
            ..
        } => of(event.code(), server)
            .with("attempt", *attempt)
            .with("delay_ms", whole_millis(*delay))
            .with("why", wait_reason(reason)),
        ConnectionEvent::Reconnected(session) => begun(event.code(), session),
        ConnectionEvent::Resubscribed {
            server,
            subscriptions,
            refused,
        } => of(event.code(), server)
            .with("subscriptions", *subscriptions)
            .with("refused", *refused),
        ConnectionEvent::LameDuck { server } => of(event.code(), server),
        ConnectionEvent::ServerRemoved { server, reason } => {
            of(event.code(), server).with("reason", reason.code())
        }
        // The one name of the console that is not that of the event.
        ConnectionEvent::ServerTlsRaised { server } => of("tls_raised", server),
        ConnectionEvent::Draining => Line::new(event.code()),
        _ => return None,
    })
}

/// What happens in a session.
fn inside(event: &ConnectionEvent, names: &Names) -> Option<Line> {
    Some(match event {
        ConnectionEvent::DiscoveredServers { added, removed } => Line::new(event.code())
            .with("added", urls(added))
            .with("removed", urls(removed)),
        ConnectionEvent::ServerSkipped { url, error } => Line::new(event.code())
            .with("url", url.as_str())
            .with("detail", error.to_string()),
        ConnectionEvent::ServerError { error } => Line::new(event.code())
            .with("kind", error.code())
            .with("text", error.text()),
        ConnectionEvent::PermissionDenied {
            operation,
            subject,
            queue,
            subscription,
        } => {
            let operation = match operation {
                PermissionOperation::Subscribe => "subscribe",
                _ => "publish",
            };
            Line::new(event.code())
                .with("operation", operation)
                .with("subject", subject.as_str())
                .with_some("queue", queue.as_deref())
                .with_some("sub", subscription.and_then(|sid| names.of(sid)))
        }
        ConnectionEvent::PublishDropped {
            publishes,
            bytes,
            reason,
        } => Line::new(event.code())
            .with("count", publishes.count())
            .with("bytes", *bytes)
            .with("reason", reason.code()),
        ConnectionEvent::CleartextCredentials { server } => of(event.code(), server),
        _ => return None,
    })
}

pub(crate) fn closed(reason: &ClosedReason) -> Line {
    let line = Line::new("closed").with("reason", reason.code());
    match reason {
        ClosedReason::Drained { complete, unread } => line
            .with("complete", *complete)
            .with_some("unread", (*unread > 0).then_some(*unread)),
        ClosedReason::ConnectFailed { failures } => {
            let told: Vec<String> = failures
                .iter()
                .map(|failure| format!("{}: {}", failure.server, failure.error))
                .collect();
            line.with("detail", told.join("; "))
        }
        ClosedReason::PoolExhausted | ClosedReason::Auth | ClosedReason::NoReconnect => {
            line.with("detail", reason.to_string())
        }
        _ => line,
    }
}

/// The fields of a message, as it arrived.
pub(crate) fn message(message: &Message) -> Vec<(&'static str, Value)> {
    let mut fields = vec![("subject", lossy(message.subject_bytes()))];
    if let Some(reply) = message.reply_bytes() {
        fields.push(("reply", lossy(reply)));
    }
    match message.headers() {
        Ok(Some(headers)) => {
            let pairs: Vec<Value> = headers
                .iter()
                .map(|(name, value)| json!([name, lossy(value)]))
                .collect();
            fields.push(("headers", pairs.into()));
        }
        Ok(None) => {}
        Err(error) => fields.push(("headers_error", error.to_string().into())),
    }
    if let Some(status) = message.status() {
        fields.push(("status", status.get().into()));
    }
    fields.push(("payload", lossy(message.payload())));
    fields.push(("len", message.payload().len().into()));
    fields
}

pub(crate) fn response(id: &str, result: &Result<Message, RequestError>) -> Line {
    let line = Line::new("response").with("id", id).with("ok", result.is_ok());
    match result {
        Ok(reply) => line.with_all(message(reply)),
        Err(error) => {
            let (code, written) = match error {
                // `publish_dropped` says why; of the five words of a response this one fits.
                RequestError::Dropped { .. } => ("refused", Some(false)),
                // It is not known of these.
                RequestError::Closed { .. } | RequestError::Refused { .. } => (error.code(), None),
                _ => (error.code(), Some(error.written())),
            };
            line.with("error", code)
                .with_some("written", written)
                .with("detail", error.to_string())
        }
    }
}

pub(crate) fn flushed(id: &str, result: Result<(), FlushError>) -> Line {
    let line = Line::new("flushed").with("id", id).with("ok", result.is_ok());
    line.with_some("error", result.err().map(|error| error.code()))
}

pub(crate) fn round_trip(result: Result<Duration, FlushError>) -> Line {
    match result {
        Ok(time) => Line::new("rtt").with("ms", time.as_secs_f64() * 1000.0),
        Err(failure) => error("rtt", failure.code(), failure.to_string()),
    }
}

pub(crate) fn info(info: &ServerInfo) -> Line {
    let info: Value = serde_json::from_str(&info.to_json()).unwrap_or_default();
    Line::new("info").with("info", info)
}

pub(crate) fn servers(servers: &[ServerStatus]) -> Line {
    let servers: Vec<Value> = servers
        .iter()
        .map(|status| {
            let mut server = json!({
                "url": status.server.to_string(),
                "discovered": status.discovered,
                "current": status.current,
                "next": status.next,
                "lame_duck": status.lame_duck,
                "failures": status.failures,
            });
            if let Some(failure) = &status.last_error {
                server["last_error"] = failure.error.code().into();
            }
            server
        })
        .collect();
    Line::new("servers").with("servers", servers)
}

pub(crate) fn statistics(statistics: &Statistics, health: Option<LinkHealth>) -> Line {
    let fates = statistics.publishes;
    Line::new("stats")
        .with("in_msgs", statistics.in_messages)
        .with("in_bytes", statistics.in_bytes)
        .with("out_msgs", statistics.out_messages)
        .with("out_bytes", statistics.out_bytes)
        .with("connects", statistics.connects)
        .with("reconnects", statistics.reconnects)
        .with("pending_bytes", statistics.pending_bytes)
        .with("published", fates.accepted)
        .with("queued", fates.queued)
        .with("written", fates.written)
        .with("confirmed", fates.confirmed)
        .with("unconfirmed", fates.unconfirmed)
        .with("dropped", fates.dropped)
        .with("subscriptions", statistics.subscriptions)
        .with("requests", statistics.requests)
        .with("pings_out", statistics.pings_out)
        .with_some("silence_ms", health.map(|health| whole_millis(health.silence)))
}

pub(crate) fn error(command: &str, code: &str, detail: impl Into<String>) -> Line {
    Line::new("error")
        .with("command", command)
        .with("error", code)
        .with("detail", detail.into())
}

fn of(name: &'static str, server: &Server) -> Line {
    Line::new(name).with("server", server.to_string())
}

fn begun(name: &'static str, session: &Session) -> Line {
    of(name, &session.server)
        .with_some("server_id", session.info.server_id.as_deref())
        .with_some("server_name", session.info.server_name.as_deref())
        .with_some("version", session.info.version.as_deref())
        .with("max_payload", session.max_payload)
}

fn urls(servers: &[Server]) -> Vec<String> {
    servers.iter().map(ToString::to_string).collect()
}

fn wait_reason(reason: &WaitReason) -> &'static str {
    match reason {
        WaitReason::RoundFailed { .. } => "no server could be reached",
        WaitReason::Flapping { .. } => "the last link was short",
        _ => "chosen",
    }
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn lossy(bytes: &[u8]) -> Value {
    String::from_utf8_lossy(bytes).into_owned().into()
}
