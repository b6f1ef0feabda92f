//! Events as lines for people. Each begins with its name, as in `connect failed: …`, and stays one line whatever a
//! server says.

use core::fmt::{self, Display, Formatter};

use nats_proto::{OneLine, PermissionOperation};

use super::{
    ClosedReason, ConnectionEvent, DropReason, EndReason, Event, RemovalReason, RepliesEnd, Session,
    WaitReason,
};
use crate::error::{AttemptError, DisconnectReason, Phase};
use crate::servers::Server;

impl Display for Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(event) => event.fmt(f),
            Self::Message {
                subscription,
                message,
            } => {
                let subject = message.subject();
                let size = message.payload().len();
                write!(
                    f,
                    "message: {size} bytes to `{}` for subscription {subscription}",
                    OneLine(subject)
                )
            }
            Self::Response { request, result } => match result {
                Ok(reply) => write!(
                    f,
                    "response: {} bytes to request {request}",
                    reply.payload().len()
                ),
                Err(error) => write!(f, "response: none to request {request}: {error}"),
            },
            Self::Reply { request, message } => {
                write!(f, "reply: {} bytes to request {request}", message.payload().len())
            }
            Self::RepliesEnded { request, result } => match result {
                Ok(end) => write!(f, "replies ended: request {request}: {end}"),
                Err(error) => write!(f, "replies ended: request {request}: {error}"),
            },
            Self::Flushed { flush, result } => match result {
                Ok(()) => write!(f, "flushed: {flush}, confirmed by the server"),
                Err(error) => write!(f, "flushed: {flush}, not confirmed: {error}"),
            },
            Self::RoundTrip { round_trip, result } => match result {
                Ok(time) => write!(f, "round trip: {round_trip}, {time:?}"),
                Err(error) => write!(f, "round trip: {round_trip}, not measured: {error}"),
            },
            Self::SubscriptionEnded { subscription, reason } => {
                write!(f, "subscription ended: {subscription}, {reason}")
            }
            Self::Writable => f.write_str("writable: there is room again"),
        }
    }
}

impl Display for ConnectionEvent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting { server, attempt, .. } => {
                write!(f, "connecting: {}, attempt {attempt}", OneLine(server))
            }
            Self::ConnectFailed { server, phase, error } => connect_failed(f, server, *phase, error),
            Self::Connected(session) => write!(f, "connected: {session}"),
            Self::Disconnected {
                server,
                reason,
                unconfirmed,
                queued,
                ..
            } => {
                let how = how_left(reason);
                write!(f, "disconnected: {} {how} ({reason}); ", OneLine(server))?;
                count(f, unconfirmed.count(), "publish", "publishes")?;
                write!(f, " unconfirmed, {queued} stay queued for the next link")
            }
            Self::BackoffWait {
                server,
                attempt,
                delay,
                reason,
                ..
            } => {
                let millis = delay.as_millis();
                let server = OneLine(server);
                write!(
                    f,
                    "backoff wait: {millis} ms, then {server} (attempt {attempt}): {reason}"
                )
            }
            Self::Reconnected(session) => write!(f, "reconnected: {session}"),
            Self::Resubscribed {
                subscriptions,
                refused,
                ..
            } => write!(f, "resubscribed: {subscriptions} restored, {refused} refused"),
            Self::DiscoveredServers { added, removed } => {
                f.write_str("discovered servers: new: ")?;
                list(f, added)?;
                f.write_str(", gone: ")?;
                list(f, removed)
            }
            Self::ServerRemoved { server, reason } => {
                write!(f, "server removed: {}: {reason}", OneLine(server))
            }
            other => news(f, other),
        }
    }
}

/// What servers say, what becomes of publishes, and the end.
fn news(f: &mut Formatter<'_>, event: &ConnectionEvent) -> fmt::Result {
    match event {
        ConnectionEvent::ServerSkipped { url, error } => {
            write!(f, "server skipped: `{}` was announced: {error}", OneLine(url))
        }
        ConnectionEvent::ServerChoiceRejected { server } => write!(
            f,
            "server choice rejected: it is not in the pool, {} is taken instead",
            OneLine(server)
        ),
        ConnectionEvent::LameDuck { server } => {
            write!(f, "lame duck: {} announces that it goes", OneLine(server))
        }
        ConnectionEvent::ServerInfoChanged { info } => {
            f.write_str("server info changed: ")?;
            if let Some(bytes) = info.max_payload {
                write!(f, "max_payload: {bytes} bytes, ")?;
            }
            f.write_str("announced: ")?;
            list(f, &info.connect_urls)
        }
        ConnectionEvent::ServerError { error } => write!(f, "server error: {error}"),
        ConnectionEvent::PermissionDenied {
            operation,
            subject,
            queue,
            ..
        } => {
            let verb = match operation {
                PermissionOperation::Subscribe => "subscribe",
                _ => "publish",
            };
            write!(f, "permission denied: {verb} to `{}`", OneLine(subject))?;
            if let Some(queue) = queue {
                write!(f, " in queue group `{}`", OneLine(queue))?;
            }
            f.write_str(": allow this user that, or leave it")
        }
        ConnectionEvent::PublishDropped {
            publishes,
            bytes,
            reason,
        } => {
            f.write_str("publish dropped: ")?;
            count(f, publishes.count(), "publish", "publishes")?;
            write!(f, ", {bytes} bytes: {reason}")
        }
        ConnectionEvent::CleartextCredentials { server } => write!(
            f,
            "cleartext credentials: a password or token leaves without TLS for {}: use tls://",
            OneLine(server)
        ),
        ConnectionEvent::ServerTlsRaised { server } => write!(
            f,
            "server tls raised: {} is named with and without TLS, and used with it from its next link on",
            OneLine(server)
        ),
        ConnectionEvent::Draining => f.write_str("draining"),
        ConnectionEvent::Closed { reason } => write!(f, "closed: {reason}"),
        // The caller has written the others.
        _ => Ok(()),
    }
}

fn connect_failed(f: &mut Formatter<'_>, server: &Server, phase: Phase, error: &AttemptError) -> fmt::Result {
    let (server, phase_name) = (OneLine(server), phase.code());
    write!(f, "connect failed: {server} in phase `{phase_name}`: {error}")?;
    match error.advice(phase) {
        Some(advice) => write!(f, " ({advice})"),
        None => Ok(()),
    }
}

fn how_left(reason: &DisconnectReason) -> &'static str {
    match reason {
        DisconnectReason::LameDuck => "left before it goes",
        DisconnectReason::Forced | DisconnectReason::Closed => "left",
        _ => "lost",
    }
}

fn count(f: &mut Formatter<'_>, number: u64, one: &str, several: &str) -> fmt::Result {
    write!(f, "{number} {}", if number == 1 { one } else { several })
}

fn list<T: Display>(f: &mut Formatter<'_>, items: &[T]) -> fmt::Result {
    if items.is_empty() {
        return f.write_str("none");
    }
    for (index, item) in items.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        write!(f, "{separator}{}", OneLine(item))?;
    }
    Ok(())
}

impl Display for Session {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        OneLine(&self.server).fmt(f)
    }
}

impl Display for WaitReason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoundFailed { rounds } => {
                f.write_str("no server answered in ")?;
                count(f, u64::from(*rounds), "round", "rounds")
            }
            Self::Flapping { .. } => f.write_str("the last link was too short"),
            Self::Chosen => f.write_str("as chosen"),
        }
    }
}

impl Display for RemovalReason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MaxReconnects => "it failed as often in a row as `max_reconnects` allows",
            Self::Auth => {
                "it gave the same authentication error again, `auth_strike_gap` or more after the first"
            }
            Self::Pruned => "it is no longer announced",
            Self::Replaced => "it is not in the new pool",
        })
    }
}

impl Display for DropReason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overflow => "the send buffer was full, and room was made for newer ones",
            Self::TooLarge => "larger than this server takes",
            Self::HeadersUnsupported => "this server does not support headers",
            Self::Closed => "the connection was closed first",
        })
    }
}

impl Display for EndReason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsubscribed => "unsubscribed",
            Self::MaxReached => "as many messages as asked for have arrived",
            Self::Drained => "drained",
            Self::Refused => "refused by the permissions of the server",
            Self::Closed => "the connection was closed",
        })
    }
}

impl Display for RepliesEnd {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MaxReached => "as many replies as asked for have arrived",
            Self::Stalled => "no further reply in time",
            Self::Sentinel => "the last reply has arrived",
            Self::Deadline => "the time is up",
        })
    }
}

impl Display for ClosedReason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested => f.write_str("as asked"),
            Self::Drained { complete, unread } => {
                f.write_str(if *complete {
                    "drained, and all that was under way was confirmed"
                } else {
                    "drained, but not everything was confirmed"
                })?;
                if *unread == 0 {
                    return Ok(());
                }
                f.write_str("; ")?;
                count(f, *unread, "message was", "messages were")?;
                f.write_str(" not read")
            }
            Self::PoolExhausted => f.write_str("no server is left in the pool"),
            Self::Auth => f.write_str("every server was removed for its authentication errors"),
            Self::NoReconnect => f.write_str("the link was lost, and reconnecting is off"),
            Self::ConnectFailed { failures } => {
                f.write_str("no server could be reached: ")?;
                for (index, failure) in failures.iter().enumerate() {
                    let separator = if index == 0 { "" } else { "; " };
                    write!(f, "{separator}{failure}")?;
                }
                Ok(())
            }
            Self::DriverFailed => f.write_str("whoever drove the connection ended before it was closed"),
        }
    }
}
