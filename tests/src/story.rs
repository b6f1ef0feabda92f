//! Events as short lines, so that a test can say what is to happen as a story.

use nats_conn_sm::{ConnectionEvent, Event, Server};

/// The name of an event, as the console prints it.
pub fn name(event: &Event) -> &'static str {
    match event {
        Event::Connection(event) => connection_name(event),
        Event::Message { .. } => "message",
        Event::Response { .. } => "response",
        Event::Reply { .. } => "reply",
        Event::RepliesEnded { .. } => "replies_ended",
        Event::Flushed { .. } => "flushed",
        Event::RoundTrip { .. } => "round_trip",
        Event::SubscriptionEnded { .. } => "subscription_ended",
        Event::Writable => "writable",
        _ => "unknown",
    }
}

/// The same for what happens to the connection.
pub fn connection_name(event: &ConnectionEvent) -> &'static str {
    match event {
        ConnectionEvent::ServerTlsRaised { .. } => "tls_raised",
        event => event.code(),
    }
}

/// The line of an event that belongs to the life of the connection; `None` for what concerns single
/// subscriptions, requests and flushes, and for INFO.
pub fn line(event: &Event) -> Option<String> {
    match event {
        Event::Connection(event) => connection_line(event),
        Event::Writable => Some(name(event).to_owned()),
        _ => None,
    }
}

fn connection_line(event: &ConnectionEvent) -> Option<String> {
    let name = connection_name(event);
    let line = match event {
        ConnectionEvent::Connecting { server, attempt, .. } if *attempt == 1 => {
            format!("{name} {}", host(server))
        }
        ConnectionEvent::Connecting { server, attempt, .. } => {
            format!("{name} {} #{attempt}", host(server))
        }
        ConnectionEvent::ConnectFailed { server, phase, error } => {
            format!("{name} {} {} {}", host(server), phase.code(), error.code())
        }
        ConnectionEvent::Connected(session) | ConnectionEvent::Reconnected(session) => {
            format!("{name} {}", host(&session.server))
        }
        ConnectionEvent::Disconnected { server, reason, .. } => {
            format!("{name} {} {}", host(server), reason.code())
        }
        ConnectionEvent::BackoffWait { server, .. } => format!("{name} {}", host(server)),
        ConnectionEvent::Resubscribed {
            subscriptions,
            refused,
            ..
        } => format!("{name} {subscriptions} {refused}"),
        ConnectionEvent::DiscoveredServers { added, removed } => {
            let hosts = |servers: &[Server]| servers.iter().map(host).collect::<Vec<_>>().join(",");
            format!("{name} +{} -{}", hosts(added), hosts(removed))
        }
        ConnectionEvent::ServerRemoved { server, reason } => {
            format!("{name} {} {}", host(server), reason.code())
        }
        ConnectionEvent::ServerSkipped { url, .. } => format!("{name} {url}"),
        ConnectionEvent::ServerChoiceRejected { server } => {
            format!("{name} {}", host(server))
        }
        ConnectionEvent::LameDuck { server }
        | ConnectionEvent::CleartextCredentials { server }
        | ConnectionEvent::ServerTlsRaised { server } => {
            format!("{name} {}", host(server))
        }
        ConnectionEvent::ServerError { error } => format!("{name} {}", error.code()),
        ConnectionEvent::PermissionDenied { subject, .. } => format!("{name} {subject}"),
        ConnectionEvent::PublishDropped {
            publishes, reason, ..
        } => {
            format!("{name} {} {}", publishes.count(), reason.code())
        }
        ConnectionEvent::Draining => name.to_owned(),
        ConnectionEvent::Closed { reason } => match reason {
            nats_conn_sm::ClosedReason::Drained { complete, unread: 0 } => {
                format!("{name} drained {complete}")
            }
            nats_conn_sm::ClosedReason::Drained { complete, unread } => {
                format!("{name} drained {complete} unread {unread}")
            }
            reason => format!("{name} {}", reason.code()),
        },
        _ => return None,
    };
    Some(line)
}

/// `n1` for `n1.test:4222`; the whole for everything else.
pub fn host(server: &Server) -> String {
    match server.host().strip_suffix(".test") {
        Some(name) => name.to_owned(),
        None => server.host().to_owned(),
    }
}
