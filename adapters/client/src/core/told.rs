//! Each event with its level and its fields, for `tracing`.
//!
//! Levels: what somebody has to look after is a warning, what ends a connection against its will an error; that it comes
//! and goes is information; what is known of servers is for debugging. What the application's own messages can cause in
//! any number is a warning the first time on a link, and for debugging from then on.
//!
//! Texts that others have written are passed as strings, so that formatters escape them.

use std::time::Duration;

use nats_conn_sm::{ClosedReason, ConnectionEvent, DisconnectReason, RemovalReason, Session};
use nats_proto::PermissionOperation;
use tracing::{Level, Span};

use crate::core::event::ClientEvent;

/// What was already reported of the present link, of events that may come in any number.
#[derive(Debug, Default)]
pub(crate) struct Told {
    errors: bool,
    permissions: bool,
    drops: bool,
    slow: bool,
}

impl Told {
    /// Notes an event, and says whether one like it was already reported of this link.
    pub(crate) fn note(&mut self, event: &ClientEvent) -> bool {
        let told = match event {
            ClientEvent::Connection(ConnectionEvent::Connected(_) | ConnectionEvent::Reconnected(_)) => {
                *self = Self::default();
                return false;
            }
            ClientEvent::Connection(ConnectionEvent::ServerError { .. }) => &mut self.errors,
            ClientEvent::Connection(ConnectionEvent::PermissionDenied { .. }) => &mut self.permissions,
            ClientEvent::Connection(ConnectionEvent::PublishDropped { .. }) => &mut self.drops,
            ClientEvent::SlowConsumer { .. } => &mut self.slow,
            _ => return false,
        };
        std::mem::replace(told, true)
    }
}

/// An event whose level is not always the same: callsites have one.
macro_rules! say {
    ($span:expr, $level:expr, $event:expr, { $($fields:tt)* }, $text:literal) => {{
        let level = $level;
        if level == Level::ERROR {
            say!(@ $span, Level::ERROR, $event, { $($fields)* }, $text);
        } else if level == Level::WARN {
            say!(@ $span, Level::WARN, $event, { $($fields)* }, $text);
        } else if level == Level::INFO {
            say!(@ $span, Level::INFO, $event, { $($fields)* }, $text);
        } else {
            say!(@ $span, Level::DEBUG, $event, { $($fields)* }, $text);
        }
    }};
    (@ $span:expr, $level:expr, $event:expr, { $($fields:tt)* }, $text:literal) => {
        tracing::event!(target: "nats_conn", parent: $span, $level, event = $event.code(), $($fields)* $text)
    };
}

pub(crate) fn tell(span: &Span, event: &ClientEvent, repeated: bool) {
    let warn_once = if repeated { Level::DEBUG } else { Level::WARN };
    match event {
        ClientEvent::Connection(event) => of_connection(span, event, warn_once),
        ClientEvent::SlowConsumer {
            subscription,
            dropped,
        } => say!(span, warn_once, event, {
            subscription = %subscription, dropped,
        }, "a subscription loses messages: its consumer is too slow"),
        ClientEvent::Missed { events } => say!(span, Level::WARN, event, {
            events,
        }, "events were left out here: what subscribes to them is too slow"),
        ClientEvent::DriverFailed { panicked } => say!(span, Level::ERROR, event, {
            panicked,
        }, "what drives the connection has ended"),
    }
}

fn of_connection(span: &Span, event: &ConnectionEvent, warn_once: Level) {
    match event {
        ConnectionEvent::Connecting {
            server,
            attempt,
            link,
        } => say!(span, Level::DEBUG, event, {
            server = %server, attempt, link = link.as_u64(),
        }, "an attempt to connect begins"),
        ConnectionEvent::ConnectFailed { server, phase, error } => {
            say!(span, Level::WARN, event, {
            server = %server, phase = phase.code(), reason = error.code(), error = error.to_string(),
            advice = error.advice(*phase),
        }, "an attempt to connect has failed")
        }
        ConnectionEvent::Connected(session) => session_began(span, session, event.code()),
        ConnectionEvent::Disconnected {
            server,
            link,
            reason,
            unconfirmed,
            queued,
        } => say!(span, level_of_end(reason), event, {
            server = %server, link = link.as_u64(), reason = reason.code(), error = reason.to_string(),
            unconfirmed = unconfirmed.count(), queued,
        }, "disconnected"),
        ConnectionEvent::BackoffWait {
            server,
            attempt,
            delay,
            reason,
            ..
        } => say!(span, Level::INFO, event, {
            server = %server, attempt, delay_ms = millis(*delay), reason = reason.code(),
        }, "the next attempt to connect waits"),
        ConnectionEvent::Reconnected(session) => session_began(span, session, event.code()),
        ConnectionEvent::Resubscribed {
            server,
            subscriptions,
            refused,
        } => say!(span, if *refused > 0 { Level::WARN } else { Level::DEBUG }, event, {
            server = %server, subscriptions, refused,
        }, "subscriptions are restored"),
        ConnectionEvent::PermissionDenied {
            operation,
            subject,
            queue,
            subscription,
        } => say!(span, warn_once, event, {
            operation = operation_name(*operation), subject = subject.as_str(), queue = queue.as_deref(),
            subscription = subscription.map(|sid| sid.to_string()),
        }, "the server refused it"),
        ConnectionEvent::ServerError { error } => say!(span, warn_once, event, {
            reason = error.code(), error = error.to_string(),
        }, "the server reports an error"),
        ConnectionEvent::PublishDropped {
            publishes,
            bytes,
            reason,
        } => say!(span, warn_once, event, {
            publishes = publishes.count(), bytes, reason = reason.code(),
        }, "publishes were dropped"),
        ConnectionEvent::Draining => say!(span, Level::INFO, event, {}, "a drain begins"),
        ConnectionEvent::Closed { reason } => closed(span, event, reason),
        other => of_servers(span, other),
    }
}

/// What is learned of servers.
fn of_servers(span: &Span, event: &ConnectionEvent) {
    match event {
        ConnectionEvent::DiscoveredServers { added, removed } => {
            say!(span, Level::DEBUG, event, {
            added = added.len(), removed = removed.len(),
        }, "other servers are announced")
        }
        ConnectionEvent::ServerRemoved { server, reason } => {
            let is_given_up = matches!(reason, RemovalReason::MaxReconnects | RemovalReason::Auth);
            let level = if is_given_up { Level::WARN } else { Level::DEBUG };
            say!(span, level, event, {
                server = %server, reason = reason.code(),
            }, "a server left the pool");
        }
        ConnectionEvent::ServerSkipped { url, error } => say!(span, Level::DEBUG, event, {
            url = url.as_str(), error = error.to_string(),
        }, "an announced server cannot be used"),
        ConnectionEvent::ServerChoiceRejected { server } => {
            say!(span, Level::WARN, event, {
            server = %server,
        }, "the chosen server is not in the pool: the default is taken")
        }
        ConnectionEvent::LameDuck { server } => say!(span, Level::INFO, event, {
            server = %server,
        }, "the server will shut down"),
        ConnectionEvent::ServerInfoChanged { info } => say!(span, Level::DEBUG, event, {
            server_name = info.server_name.as_deref(), max_payload = info.max_payload,
        }, "the server has sent another INFO"),
        ConnectionEvent::CleartextCredentials { server } => {
            say!(span, Level::WARN, event, {
            server = %server,
        }, "a password or token leaves in clear text: use tls://")
        }
        ConnectionEvent::ServerTlsRaised { server } => say!(span, Level::INFO, event, {
            server = %server,
        }, "the server is named with TLS, too: only TLS is used with it"),
        _ => {}
    }
}

fn session_began(span: &Span, session: &Session, name: &'static str) {
    let Session {
        server,
        link,
        info,
        max_payload,
        ..
    } = session;
    tracing::info!(
        target: "nats_conn",
        parent: span,
        event = name,
        server = %server,
        link = link.as_u64(),
        server_name = info.server_name.as_deref(),
        version = info.version.as_deref(),
        max_payload,
        "{name}"
    );
}

fn closed(span: &Span, event: &ConnectionEvent, reason: &ClosedReason) {
    let level = match reason {
        ClosedReason::Requested | ClosedReason::Drained { complete: true, .. } => Level::INFO,
        ClosedReason::Drained { .. } => Level::WARN,
        _ => Level::ERROR,
    };
    let (complete, unread) = match reason {
        ClosedReason::Drained { complete, unread } => (Some(*complete), Some(*unread)),
        _ => (None, None),
    };
    say!(span, level, event, { reason = reason.code(), complete, unread, }, "the connection is closed");
}

/// What the application, or a move away from a lame duck, has ended is no reason to worry.
fn level_of_end(reason: &DisconnectReason) -> Level {
    match reason {
        DisconnectReason::Closed | DisconnectReason::Forced | DisconnectReason::LameDuck => Level::INFO,
        _ => Level::WARN,
    }
}

fn operation_name(operation: PermissionOperation) -> &'static str {
    match operation {
        PermissionOperation::Publish => "publish",
        PermissionOperation::PublishReply => "publish_reply",
        PermissionOperation::Subscribe => "subscribe",
        _ => "other",
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
