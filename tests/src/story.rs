//! Events as short lines, so that a test can say what is to happen as a story.

use nats_conn_sm::{Event, Server};

/// The name of an event, as the console prints it.
pub fn name(event: &Event) -> &'static str {
    match event {
        Event::Connecting { .. } => "connecting",
        Event::ConnectFailed { .. } => "connect_failed",
        Event::Connected(_) => "connected",
        Event::Disconnected { .. } => "disconnected",
        Event::BackoffWait { .. } => "backoff_wait",
        Event::Reconnected(_) => "reconnected",
        Event::Resubscribed { .. } => "resubscribed",
        Event::DiscoveredServers { .. } => "discovered_servers",
        Event::ServerRemoved { .. } => "server_removed",
        Event::ServerSkipped { .. } => "server_skipped",
        Event::ServerChoiceRejected { .. } => "server_choice_rejected",
        Event::LameDuck { .. } => "lame_duck",
        Event::ServerInfoChanged { .. } => "server_info_changed",
        Event::ServerError { .. } => "server_error",
        Event::PermissionDenied { .. } => "permission_denied",
        Event::PublishDropped { .. } => "publish_dropped",
        Event::CleartextCredentials { .. } => "cleartext_credentials",
        Event::ServerTlsRaised { .. } => "tls_raised",
        Event::Message { .. } => "message",
        Event::Response { .. } => "response",
        Event::Reply { .. } => "reply",
        Event::RepliesEnded { .. } => "replies_ended",
        Event::Flushed { .. } => "flushed",
        Event::RoundTrip { .. } => "round_trip",
        Event::SubscriptionEnded { .. } => "subscription_ended",
        Event::Writable => "writable",
        Event::Draining => "draining",
        Event::Closed { .. } => "closed",
        _ => "unknown",
    }
}

/// The line of an event that belongs to the life of the connection; `None` for what concerns single
/// subscriptions, requests and flushes, and for INFO.
pub fn line(event: &Event) -> Option<String> {
    let name = name(event);
    let line = match event {
        Event::Connecting { server, attempt, .. } if *attempt == 1 => format!("{name} {}", host(server)),
        Event::Connecting { server, attempt, .. } => format!("{name} {} #{attempt}", host(server)),
        Event::ConnectFailed { server, phase, error } => {
            format!("{name} {} {} {}", host(server), phase.code(), error.code())
        }
        Event::Connected(session) | Event::Reconnected(session) => {
            format!("{name} {}", host(&session.server))
        }
        Event::Disconnected { server, reason, .. } => format!("{name} {} {}", host(server), reason.code()),
        Event::BackoffWait { server, .. } => format!("{name} {}", host(server)),
        Event::Resubscribed {
            subscriptions,
            refused,
            ..
        } => format!("{name} {subscriptions} {refused}"),
        Event::DiscoveredServers { added, removed } => {
            let hosts = |servers: &[Server]| servers.iter().map(host).collect::<Vec<_>>().join(",");
            format!("{name} +{} -{}", hosts(added), hosts(removed))
        }
        Event::ServerRemoved { server, reason } => format!("{name} {} {}", host(server), reason.code()),
        Event::ServerSkipped { url, .. } => format!("{name} {url}"),
        Event::ServerChoiceRejected { server } => format!("{name} {}", host(server)),
        Event::LameDuck { server }
        | Event::CleartextCredentials { server }
        | Event::ServerTlsRaised { server } => {
            format!("{name} {}", host(server))
        }
        Event::ServerError { error } => format!("{name} {}", error.code()),
        Event::PermissionDenied { subject, .. } => format!("{name} {subject}"),
        Event::PublishDropped {
            publishes, reason, ..
        } => {
            format!("{name} {} {}", publishes.count(), reason.code())
        }
        Event::Writable | Event::Draining => name.to_owned(),
        Event::Closed { reason } => match reason {
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
