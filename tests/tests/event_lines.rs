//! The line that every event prints for people, in one table: each was read by a person, begins with the name of the
//! event, and stays one line whatever a server says.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nats_conn_client::ClientEvent;
use nats_conn_sm::{
    AttemptError, ClosedReason, ConnectionEvent, DisconnectReason, DropReason, EndReason, Event, FlushError,
    FlushId, LinkEnd, LinkId, Phase, RemovalReason, RepliesEnd, RequestError, RequestId, RoundTripId,
    SeqRanges, Server, Session, Timestamp, WaitReason,
};
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::story;
use nats_proto::{Decoder, Message, PermissionOperation, ServerError, ServerInfo, ServerOp, Sid, UrlError};

/// What ends a line, moves a cursor, or turns text around.
const HOSTILE: &str = "a\r\nb\u{1b}[2J\u{202e}c";
/// The same, as it is printed.
const ESCAPED: &str = r"a\r\nb\u{1b}[2J\u{202e}c";

/// The session of a client that has connected.
fn session() -> Session {
    let world = Scenario::new(1).connected();
    let mut sessions = world.events.iter().filter_map(|(_, event)| match event {
        Event::Connection(ConnectionEvent::Connected(session)) => Some(session.clone()),
        _ => None,
    });
    sessions.next().expect("it has connected")
}

fn server() -> Server {
    session().server
}

fn message() -> Message {
    let mut wire = "MSG orders.eu 1 2\r\n42\r\n".into();
    match Decoder::default().decode(&mut wire) {
        Ok(Some(ServerOp::Message(message))) => message,
        other => panic!("{other:?}"),
    }
}

fn dial() -> AttemptError {
    AttemptError::Link(LinkEnd::Dial {
        kind: "connection_refused",
        detail: "Connection refused (os error 111)".into(),
    })
}

fn denied(operation: PermissionOperation, subject: &str, queue: Option<&str>) -> ConnectionEvent {
    ConnectionEvent::PermissionDenied {
        operation,
        subject: subject.into(),
        queue: queue.map(str::to_owned),
        subscription: None,
    }
}

fn lost(reason: DisconnectReason) -> ConnectionEvent {
    ConnectionEvent::Disconnected {
        server: server(),
        link: LinkId::from_u64(1),
        reason: Box::new(reason),
        unconfirmed: SeqRanges::default(),
        queued: 2,
    }
}

fn info(urls: &[&str]) -> ConnectionEvent {
    let mut info = ServerInfo::default();
    info.max_payload = Some(512);
    info.connect_urls = urls.iter().map(|url| (*url).to_owned()).collect();
    ConnectionEvent::ServerInfoChanged { info: Arc::new(info) }
}

fn of_the_connection() -> Vec<(ConnectionEvent, &'static str)> {
    use ConnectionEvent as E;
    let (server, link) = (server(), LinkId::from_u64(1));
    let wait = |reason| E::BackoffWait {
        server: server.clone(),
        attempt: 2,
        delay: Duration::from_millis(250),
        until: Timestamp::ZERO,
        reason,
    };
    let removed = |reason| E::ServerRemoved {
        server: server.clone(),
        reason,
    };
    let dropped = |reason| E::PublishDropped {
        publishes: SeqRanges::default(),
        bytes: 12,
        reason,
    };
    let closed = |reason| E::Closed { reason };
    let stale = || DisconnectReason::ServerError(ServerError::parse(b"'Stale Connection'"));
    vec![
        (
            E::Connecting {
                server: server.clone(),
                attempt: 1,
                link,
            },
            "connecting: nats://n1.test:4222, attempt 1",
        ),
        (
            E::ConnectFailed {
                server: server.clone(),
                phase: Phase::Dial,
                error: Box::new(dial()),
            },
            "connect failed: nats://n1.test:4222 in phase `dial`: dialling failed: Connection refused (os error 111) (is a server running there, and is the port right?)",
        ),
        (
            E::ConnectFailed {
                server: server.clone(),
                phase: Phase::Tls,
                error: Box::new(AttemptError::TlsNotOffered),
            },
            "connect failed: nats://n1.test:4222 in phase `tls`: TLS is required, but the server does not offer it: use nats:// or enable TLS on the server",
        ),
        (E::Connected(session()), "connected: nats://n1.test:4222"),
        (E::Reconnected(session()), "reconnected: nats://n1.test:4222"),
        (
            lost(stale()),
            "disconnected: nats://n1.test:4222 lost (the server closed the connection: Stale Connection); 0 publishes unconfirmed, 2 stay queued for the next link",
        ),
        (
            lost(DisconnectReason::LameDuck),
            "disconnected: nats://n1.test:4222 left before it goes (the server is in lame duck mode); 0 publishes unconfirmed, 2 stay queued for the next link",
        ),
        (
            lost(DisconnectReason::Forced),
            "disconnected: nats://n1.test:4222 left (a reconnect was forced); 0 publishes unconfirmed, 2 stay queued for the next link",
        ),
        (
            wait(WaitReason::RoundFailed { rounds: 1 }),
            "backoff wait: 250 ms, then nats://n1.test:4222 (attempt 2): no server answered in 1 round",
        ),
        (
            wait(WaitReason::RoundFailed { rounds: 2 }),
            "backoff wait: 250 ms, then nats://n1.test:4222 (attempt 2): no server answered in 2 rounds",
        ),
        (
            wait(WaitReason::Flapping { rounds: 2 }),
            "backoff wait: 250 ms, then nats://n1.test:4222 (attempt 2): the last link was too short",
        ),
        (
            wait(WaitReason::Chosen),
            "backoff wait: 250 ms, then nats://n1.test:4222 (attempt 2): as chosen",
        ),
        (
            E::Resubscribed {
                server: server.clone(),
                subscriptions: 3,
                refused: 1,
            },
            "resubscribed: 3 restored, 1 refused",
        ),
        (
            E::DiscoveredServers {
                added: vec![server.clone(), server.clone()],
                removed: vec![],
            },
            "discovered servers: new: nats://n1.test:4222, nats://n1.test:4222, gone: none",
        ),
        (
            removed(RemovalReason::MaxReconnects),
            "server removed: nats://n1.test:4222: it failed as often in a row as `max_reconnects` allows",
        ),
        (
            removed(RemovalReason::Auth),
            "server removed: nats://n1.test:4222: it gave the same authentication error again, `auth_strike_gap` or more after the first",
        ),
        (
            removed(RemovalReason::Pruned),
            "server removed: nats://n1.test:4222: it is no longer announced",
        ),
        (
            removed(RemovalReason::Replaced),
            "server removed: nats://n1.test:4222: it is not in the new pool",
        ),
        (
            E::ServerSkipped {
                url: "nats://n2:x".into(),
                error: UrlError::Port,
            },
            "server skipped: `nats://n2:x` was announced: the server URL has a port that is not a number from 1 to 65535",
        ),
        (
            E::ServerChoiceRejected {
                server: server.clone(),
            },
            "server choice rejected: it is not in the pool, nats://n1.test:4222 is taken instead",
        ),
        (
            E::LameDuck {
                server: server.clone(),
            },
            "lame duck: nats://n1.test:4222 announces that it goes",
        ),
        (
            info(&["10.0.0.1:4222", "10.0.0.2:4222"]),
            "server info changed: max_payload: 512 bytes, announced: 10.0.0.1:4222, 10.0.0.2:4222",
        ),
        (
            info(&[]),
            "server info changed: max_payload: 512 bytes, announced: none",
        ),
        (
            E::ServerInfoChanged {
                info: Arc::new(ServerInfo::default()),
            },
            "server info changed: announced: none",
        ),
        (
            E::ServerError {
                error: ServerError::parse(b"'maximum subscriptions exceeded'"),
            },
            "server error: maximum subscriptions exceeded",
        ),
        (
            denied(PermissionOperation::Publish, "secret.plan", None),
            "permission denied: publish to `secret.plan`: allow this user that, or leave it",
        ),
        (
            denied(PermissionOperation::Subscribe, "secret.>", Some("spies")),
            "permission denied: subscribe to `secret.>` in queue group `spies`: allow this user that, or leave it",
        ),
        (
            dropped(DropReason::Overflow),
            "publish dropped: 0 publishes, 12 bytes: the send buffer was full, and room was made for newer ones",
        ),
        (
            dropped(DropReason::TooLarge),
            "publish dropped: 0 publishes, 12 bytes: larger than this server takes",
        ),
        (
            dropped(DropReason::HeadersUnsupported),
            "publish dropped: 0 publishes, 12 bytes: this server does not support headers",
        ),
        (
            dropped(DropReason::Closed),
            "publish dropped: 0 publishes, 12 bytes: the connection was closed first",
        ),
        (
            E::CleartextCredentials {
                server: server.clone(),
            },
            "cleartext credentials: a password or token leaves without TLS for nats://n1.test:4222: use tls://",
        ),
        (
            E::ServerTlsRaised {
                server: server.clone(),
            },
            "server tls raised: nats://n1.test:4222 is named with and without TLS, and used with it from its next link on",
        ),
        (E::Draining, "draining"),
        (closed(ClosedReason::Requested), "closed: as asked"),
        (
            closed(ClosedReason::Drained {
                complete: true,
                unread: 0,
            }),
            "closed: drained, and all that was under way was confirmed",
        ),
        (
            closed(ClosedReason::Drained {
                complete: false,
                unread: 1,
            }),
            "closed: drained, but not everything was confirmed; 1 message was not read",
        ),
        (
            closed(ClosedReason::PoolExhausted),
            "closed: no server is left in the pool",
        ),
        (
            closed(ClosedReason::Auth),
            "closed: every server was removed for its authentication errors",
        ),
        (
            closed(ClosedReason::NoReconnect),
            "closed: the link was lost, and reconnecting is off",
        ),
        (
            closed(ClosedReason::ConnectFailed {
                failures: vec![nats_conn_sm::AttemptFailure::new(&server, Phase::Dial, dial())],
            }),
            "closed: no server could be reached: nats://n1.test:4222: dialling failed: Connection refused (os error 111) (is a server running there, and is the port right?)",
        ),
        (
            closed(ClosedReason::DriverFailed),
            "closed: whoever drove the connection ended before it was closed",
        ),
    ]
}

fn of_the_machine() -> Vec<(Event, &'static str)> {
    use Event as E;
    let (request, subscription) = (RequestId::from_u64(7), Sid::new(3));
    let flushed = |result| E::Flushed {
        flush: FlushId::from_u64(7),
        result,
    };
    let round_trip = |result| E::RoundTrip {
        round_trip: RoundTripId::from_u64(7),
        result,
    };
    let ended = |reason| E::SubscriptionEnded { subscription, reason };
    let replies = |result| E::RepliesEnded { request, result };
    vec![
        (E::Connection(ConnectionEvent::Draining), "draining"),
        (
            E::Message {
                subscription,
                message: message(),
            },
            "message: 2 bytes to `orders.eu` for subscription 3",
        ),
        (
            E::Response {
                request,
                result: Ok(message()),
            },
            "response: 2 bytes to request 7",
        ),
        (
            E::Response {
                request,
                result: Err(RequestError::Closed),
            },
            "response: none to request 7: the connection was closed: make another one",
        ),
        (
            E::Reply {
                request,
                message: message(),
            },
            "reply: 2 bytes to request 7",
        ),
        (
            replies(Ok(RepliesEnd::MaxReached)),
            "replies ended: request 7: as many replies as asked for have arrived",
        ),
        (
            replies(Ok(RepliesEnd::Stalled)),
            "replies ended: request 7: no further reply in time",
        ),
        (
            replies(Ok(RepliesEnd::Sentinel)),
            "replies ended: request 7: the last reply has arrived",
        ),
        (
            replies(Ok(RepliesEnd::Deadline)),
            "replies ended: request 7: the time is up",
        ),
        (
            replies(Err(RequestError::Closed)),
            "replies ended: request 7: the connection was closed: make another one",
        ),
        (flushed(Ok(())), "flushed: 7, confirmed by the server"),
        (
            flushed(Err(FlushError::Closed)),
            "flushed: 7, not confirmed: the connection was closed: make another one",
        ),
        (round_trip(Ok(Duration::from_micros(250))), "round trip: 7, 250µs"),
        (
            round_trip(Err(FlushError::Closed)),
            "round trip: 7, not measured: the connection was closed: make another one",
        ),
        (
            ended(EndReason::Unsubscribed),
            "subscription ended: 3, unsubscribed",
        ),
        (
            ended(EndReason::MaxReached),
            "subscription ended: 3, as many messages as asked for have arrived",
        ),
        (ended(EndReason::Drained), "subscription ended: 3, drained"),
        (
            ended(EndReason::Refused),
            "subscription ended: 3, refused by the permissions of the server",
        ),
        (
            ended(EndReason::Closed),
            "subscription ended: 3, the connection was closed",
        ),
        (E::Writable, "writable: there is room again"),
    ]
}

fn of_a_client() -> Vec<(ClientEvent, &'static str)> {
    use ClientEvent as E;
    vec![
        (E::Connection(ConnectionEvent::Draining), "draining"),
        (
            E::SlowConsumer {
                subscription: Sid::new(3),
                dropped: 5,
            },
            "slow consumer: subscription 3 has lost 5 messages so far: read faster, or raise its limits",
        ),
        (
            E::Missed { events: 5 },
            "missed: 5 events before this one: read them faster, or raise `event_capacity`",
        ),
        (E::DriverFailed { panicked: true }, "driver failed: it panicked"),
        (
            E::DriverFailed { panicked: false },
            "driver failed: its runtime was shut down",
        ),
    ]
}

/// The variant of each event, what it prints, and what it should print.
fn table() -> Vec<(String, String, &'static str)> {
    fn rows<E: Debug + ToString>(
        kind: &str,
        events: Vec<(E, &'static str)>,
    ) -> Vec<(String, String, &'static str)> {
        let row = |(event, expected): (E, &'static str)| {
            let debug = format!("{event:?}");
            let variant = debug
                .split(|c: char| !c.is_alphanumeric())
                .next()
                .unwrap_or_default();
            (format!("{kind}::{variant}"), event.to_string(), expected)
        };
        events.into_iter().map(row).collect()
    }
    [
        rows("ConnectionEvent", of_the_connection()),
        rows("Event", of_the_machine()),
        rows("ClientEvent", of_a_client()),
    ]
    .concat()
}

#[test]
fn every_event_prints_the_line_that_was_read() {
    let wrong: Vec<_> = table()
        .into_iter()
        .filter(|(_, line, expected)| line != expected)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_variant_has_a_line_that_begins_with_its_name() {
    let mut declared = BTreeSet::new();
    for source in [
        "../nats-conn-sm/src/event.rs",
        "../adapters/client/src/core/event.rs",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
        let source = fs::read_to_string(path).expect("a source");
        let mut kind = None;
        for line in source.lines() {
            if let Some(name) = line.strip_prefix("pub enum ") {
                kind = Some(name.trim_end_matches(" {")).filter(|name| name.ends_with("Event"));
            } else if line == "}" {
                kind = None;
            } else if let (Some(kind), Some(variant)) = (kind, line.strip_prefix("    "))
                && variant.starts_with(char::is_uppercase)
            {
                let end = variant
                    .find(|c: char| !c.is_alphanumeric())
                    .unwrap_or(variant.len());
                declared.insert(format!("{kind}::{}", &variant[..end]));
            }
        }
    }
    assert!(declared.len() > 30, "{declared:?}");
    let rows: BTreeSet<String> = table().iter().map(|(variant, ..)| variant.clone()).collect();
    assert_eq!(rows, declared);
    for (variant, line, _) in table() {
        let (_, variant) = variant.split_once("::").expect("a variant");
        let name = line.split(':').next().unwrap_or_default().replace(' ', "");
        if variant != "Connection" {
            assert_eq!(name, variant.to_lowercase(), "{line}");
        }
        assert!(!line.contains(['{', '}', '\n']), "{line}");
    }
}

#[test]
fn every_event_has_a_code_of_its_own_which_the_line_begins_with_and_the_page_on_monitoring_lists() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../adapters/client/docs/monitoring.md");
    let page = fs::read_to_string(page).expect("the page");
    let mut codes = BTreeSet::new();
    let of_connections = of_the_connection().into_iter().map(|(event, _)| event.into());
    let of_clients = of_a_client().into_iter().map(|(event, _)| event);
    for event in of_connections.chain(of_clients) {
        let (code, line) = (event.code(), event.to_string());
        let words = line.split(':').next().unwrap_or_default();
        assert_eq!(code, words.replace(' ', "_"), "{line}");
        assert!(page.contains(&format!("`{code}`")), "{code} is on the page");
        codes.insert(code);
        if let ClientEvent::Connection(event) = &event {
            assert_eq!(event.code(), code);
            // The console has had its own name for this one from the beginning.
            let known = if code == "server_tls_raised" {
                "tls_raised"
            } else {
                code
            };
            assert_eq!(story::connection_name(event), known);
        }
    }
    // That the tables have every variant is tested above.
    let variants: BTreeSet<String> = table()
        .into_iter()
        .map(|(variant, ..)| variant)
        .filter(|variant| !variant.starts_with("Event::") && variant != "ClientEvent::Connection")
        .collect();
    assert_eq!(codes.len(), variants.len(), "{codes:?}");
}

#[test]
fn an_event_stays_one_line_whatever_a_server_says() {
    use ConnectionEvent as E;
    let detail = || HOSTILE.into();
    let end = || LinkEnd::Io {
        kind: "io",
        detail: detail(),
    };
    let spoken = || ServerError::parse(HOSTILE.as_bytes());
    let failed = |error| E::ConnectFailed {
        server: server(),
        phase: Phase::Info,
        error: Box::new(error),
    };
    let events = [
        E::ServerError { error: spoken() },
        lost(DisconnectReason::ServerError(spoken())),
        lost(DisconnectReason::Io(end())),
        failed(AttemptError::Server(spoken())),
        failed(AttemptError::Link(end())),
        failed(AttemptError::Tls { detail: detail() }),
        E::ServerSkipped {
            url: HOSTILE.into(),
            error: UrlError::Host,
        },
        E::ServerSkipped {
            url: "x".into(),
            error: UrlError::Scheme {
                scheme: HOSTILE.into(),
            },
        },
        denied(PermissionOperation::Publish, HOSTILE, None),
        denied(PermissionOperation::Subscribe, "x", Some(HOSTILE)),
        info(&[HOSTILE]),
    ];
    for event in events {
        for line in [
            event.to_string(),
            Event::from(event.clone()).to_string(),
            ClientEvent::from(event).to_string(),
        ] {
            assert!(
                !line.contains(|c: char| c.is_control() || c == '\u{202e}'),
                "{line:?}"
            );
            assert!(line.contains(ESCAPED), "{line}");
        }
    }
}
