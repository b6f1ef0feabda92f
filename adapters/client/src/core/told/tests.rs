//! What a subscriber of `tracing` is told.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use nats_conn_sm::{
    AttemptError, AttemptFailure, DropReason, LinkEnd, LinkId, Phase, SeqRanges, Server, Timestamp,
    WaitReason,
};
use nats_proto::{ServerError, ServerInfo, Sid, UrlError};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, with_default};
use tracing::{Event, Metadata, Subscriber};

use super::*;
use crate::ConnectOptions;
use crate::core::lock::lock;

const URL: &str = "nats://n1.test:4222";

/// Keeps the level and the fields of every event.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<(Level, Fields)>>>);

#[derive(Debug, Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Subscriber for Kept {
    /// Asked every time: threads without it have no span.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "nats_conn"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        lock(&self.0).push((*event.metadata().level(), fields));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The one event that comes of this one.
fn told(event: &ClientEvent, repeated: bool) -> (Level, Fields) {
    let kept = Kept::default();
    with_default(kept.clone(), || tell(&Span::none(), event, repeated));
    let mut all = std::mem::take(&mut *lock(&kept.0));
    assert_eq!(all.len(), 1, "{event:?}: {all:?}");
    all.remove(0)
}

fn server() -> Server {
    let options = ConnectOptions::<()>::from_url(URL).expect("a URL");
    let prepared = options.prepare().expect("usable");
    prepared.client.servers()[0].server.clone()
}

fn dial() -> AttemptError {
    AttemptError::Link(LinkEnd::Dial {
        kind: "connection_refused",
        detail: "refused".into(),
    })
}

fn lost(reason: DisconnectReason) -> ConnectionEvent {
    ConnectionEvent::Disconnected {
        server: server(),
        link: LinkId::from_u64(7),
        reason: Box::new(reason),
        unconfirmed: SeqRanges::default(),
        queued: 2,
    }
}

fn denied(operation: PermissionOperation, queue: Option<&str>, subscription: Option<Sid>) -> ConnectionEvent {
    ConnectionEvent::PermissionDenied {
        operation,
        subject: "secret.plan".into(),
        queue: queue.map(str::to_owned),
        subscription,
    }
}

fn waits(delay: Duration) -> ConnectionEvent {
    ConnectionEvent::BackoffWait {
        server: server(),
        attempt: 2,
        delay,
        until: Timestamp::ZERO,
        reason: WaitReason::Chosen,
    }
}

fn removed(reason: RemovalReason) -> ConnectionEvent {
    ConnectionEvent::ServerRemoved {
        server: server(),
        reason,
    }
}

fn restored(refused: u64) -> ConnectionEvent {
    ConnectionEvent::Resubscribed {
        server: server(),
        subscriptions: 3,
        refused,
    }
}

fn closed(reason: ClosedReason) -> ConnectionEvent {
    ConnectionEvent::Closed { reason }
}

fn drained(complete: bool, unread: u64) -> ConnectionEvent {
    closed(ClosedReason::Drained { complete, unread })
}

fn dropped() -> ConnectionEvent {
    ConnectionEvent::PublishDropped {
        publishes: SeqRanges::default(),
        bytes: 12,
        reason: DropReason::Overflow,
    }
}

fn error() -> ConnectionEvent {
    ConnectionEvent::ServerError {
        error: ServerError::parse(b"'maximum subscriptions exceeded'"),
    }
}

fn slow() -> ClientEvent {
    ClientEvent::SlowConsumer {
        subscription: Sid::new(3),
        dropped: 5,
    }
}

fn assert_told(event: impl Into<ClientEvent>, level: Level, expected: &[(&str, &str)]) {
    let event = event.into();
    let (found, fields) = told(&event, false);
    assert_eq!(found, level, "{event:?}");
    assert_eq!(fields.0["event"], event.code());
    assert!(fields.0["message"].len() > 10, "{event:?} has words for people");
    for (name, value) in expected {
        let found = fields.0.get(name).map(String::as_str);
        assert_eq!(found, Some(*value), "{name} of {event:?}");
    }
    let others = fields.0.len() - 2;
    assert_eq!(others, expected.len(), "{event:?} has only these: {fields:?}");
}

#[test]
fn attempts_are_for_debugging_and_their_failures_are_warnings_with_phase_reason_and_advice() {
    let connecting = ConnectionEvent::Connecting {
        server: server(),
        attempt: 4,
        link: LinkId::from_u64(7),
    };
    let fields = [("server", URL), ("attempt", "4"), ("link", "7")];
    assert_told(connecting, Level::DEBUG, &fields);
    let error = dial();
    let failed = ConnectionEvent::ConnectFailed {
        server: server(),
        phase: Phase::Dial,
        error: Box::new(error.clone()),
    };
    let text = error.to_string();
    let fields = [
        ("server", URL),
        ("phase", "dial"),
        ("reason", "connection_refused"),
        ("error", text.as_str()),
        ("advice", error.advice(Phase::Dial).expect("some")),
    ];
    assert_told(failed, Level::WARN, &fields);
}

#[test]
fn a_wait_is_information_and_its_length_is_in_milliseconds_even_an_endless_one() {
    for (delay, millis) in [
        (Duration::from_micros(250_900), "250"),
        (Duration::MAX, "18446744073709551615"),
    ] {
        let fields = [
            ("server", URL),
            ("attempt", "2"),
            ("delay_ms", millis),
            ("reason", "chosen"),
        ];
        assert_told(waits(delay), Level::INFO, &fields);
    }
}

#[test]
fn the_end_of_a_link_is_a_warning_unless_the_application_or_a_lame_duck_has_ended_it() {
    use DisconnectReason as R;
    for (reason, level) in [
        (R::Closed, Level::INFO),
        (R::Forced, Level::INFO),
        (R::LameDuck, Level::INFO),
        (R::Eof, Level::WARN),
        (R::Stale, Level::WARN),
        (R::Io(LinkEnd::Eof), Level::WARN),
    ] {
        let (code, text) = (reason.code(), reason.to_string());
        let fields = [
            ("server", URL),
            ("link", "7"),
            ("reason", code),
            ("error", text.as_str()),
            ("unconfirmed", "0"),
            ("queued", "2"),
        ];
        assert_told(lost(reason), level, &fields);
    }
}

#[test]
fn an_end_that_was_asked_for_is_information_an_incomplete_drain_a_warning_and_any_other_end_an_error() {
    let failures = vec![AttemptFailure::new(&server(), Phase::Dial, dial())];
    assert_told(
        closed(ClosedReason::Requested),
        Level::INFO,
        &[("reason", "requested")],
    );
    for (complete, unread, level) in [(true, 0, Level::INFO), (false, 1, Level::WARN)] {
        let (yes, number) = (complete.to_string(), unread.to_string());
        let fields = [
            ("reason", "drained"),
            ("complete", yes.as_str()),
            ("unread", number.as_str()),
        ];
        assert_told(drained(complete, unread), level, &fields);
    }
    for reason in [
        ClosedReason::PoolExhausted,
        ClosedReason::Auth,
        ClosedReason::NoReconnect,
        ClosedReason::ConnectFailed { failures },
        ClosedReason::DriverFailed,
    ] {
        let code = reason.code();
        assert_told(closed(reason), Level::ERROR, &[("reason", code)]);
    }
    assert_told(ConnectionEvent::Draining, Level::INFO, &[]);
}

#[test]
fn what_a_server_refuses_is_told_with_its_words_and_to_whom_it_happened() {
    use PermissionOperation as O;
    for (operation, name) in [(O::Publish, "publish"), (O::PublishReply, "publish_reply")] {
        let fields = [("operation", name), ("subject", "secret.plan")];
        assert_told(denied(operation, None, None), Level::WARN, &fields);
    }
    let fields = [
        ("operation", "subscribe"),
        ("subject", "secret.plan"),
        ("queue", "spies"),
        ("subscription", "3"),
    ];
    let refused = denied(O::Subscribe, Some("spies"), Some(Sid::new(3)));
    assert_told(refused, Level::WARN, &fields);
    let fields = [
        ("reason", "maximum_subscriptions_exceeded"),
        ("error", "maximum subscriptions exceeded"),
    ];
    assert_told(error(), Level::WARN, &fields);
    let fields = [("publishes", "0"), ("bytes", "12"), ("reason", "overflow")];
    assert_told(dropped(), Level::WARN, &fields);
    for (refused, level) in [(0, Level::DEBUG), (1, Level::WARN)] {
        let number = refused.to_string();
        let fields = [
            ("server", URL),
            ("subscriptions", "3"),
            ("refused", number.as_str()),
        ];
        assert_told(restored(refused), level, &fields);
    }
}

#[test]
fn what_is_learned_of_servers_is_for_debugging_unless_somebody_has_to_look_after_it() {
    let discovered = ConnectionEvent::DiscoveredServers {
        added: vec![server(), server()],
        removed: vec![server()],
    };
    assert_told(discovered, Level::DEBUG, &[("added", "2"), ("removed", "1")]);
    for (reason, level) in [
        (RemovalReason::MaxReconnects, Level::WARN),
        (RemovalReason::Auth, Level::WARN),
        (RemovalReason::Pruned, Level::DEBUG),
        (RemovalReason::Replaced, Level::DEBUG),
    ] {
        let fields = [("server", URL), ("reason", reason.code())];
        assert_told(removed(reason), level, &fields);
    }
    let skipped = ConnectionEvent::ServerSkipped {
        url: "nats://n2:x".into(),
        error: UrlError::Port,
    };
    let text = UrlError::Port.to_string();
    let fields = [("url", "nats://n2:x"), ("error", text.as_str())];
    assert_told(skipped, Level::DEBUG, &fields);
    let mut info = ServerInfo::default();
    info.max_payload = Some(512);
    let changed = ConnectionEvent::ServerInfoChanged { info: Arc::new(info) };
    assert_told(changed, Level::DEBUG, &[("max_payload", "512")]);
    use ConnectionEvent as E;
    for (event, level) in [
        (E::ServerChoiceRejected { server: server() }, Level::WARN),
        (E::LameDuck { server: server() }, Level::INFO),
        (E::CleartextCredentials { server: server() }, Level::WARN),
        (E::ServerTlsRaised { server: server() }, Level::INFO),
    ] {
        assert_told(event, level, &[("server", URL)]);
    }
}

#[test]
fn what_the_client_itself_has_to_say_is_a_warning_and_that_its_driver_ended_an_error() {
    assert_told(slow(), Level::WARN, &[("subscription", "3"), ("dropped", "5")]);
    let missed = ClientEvent::Missed { events: 5 };
    assert_told(missed, Level::WARN, &[("events", "5")]);
    let failed = ClientEvent::DriverFailed { panicked: true };
    assert_told(failed, Level::ERROR, &[("panicked", "true")]);
}

#[test]
fn what_comes_in_any_number_is_a_warning_once_and_for_debugging_when_it_comes_again() {
    let many = [
        error().into(),
        denied(PermissionOperation::Publish, None, None).into(),
        dropped().into(),
        slow(),
    ];
    let mut before = Told::default();
    for event in &many {
        assert!(!before.note(event), "one does not speak for another: {event:?}");
        assert!(before.note(event) && before.note(event), "{event:?}");
        assert_eq!(told(event, false).0, Level::WARN);
        assert_eq!(told(event, true).0, Level::DEBUG);
    }
    let rare = lost(DisconnectReason::Eof).into();
    assert!(!before.note(&rare) && !before.note(&rare), "what is rare is told");
    assert!(before.note(&many[0]), "the end of a link changes nothing");
}
