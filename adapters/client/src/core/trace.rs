//! The events of a connection as `tracing` has them: a span for the connection, and an event in it for each.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tracing::Span;

use crate::core::hub::{EventSlot, Hub};
use crate::core::lock::lock;
use crate::core::told::{Told, tell};

/// Connections of this process are numbered from 1.
static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

/// A holder of events like any other, from which whoever drives the connection takes them.
///
/// A subscriber may write to a file, take its time, and call this very connection, but not wait for it: no lock of
/// `Shared` is held while it is called, but an adapter may hold one of its own, and the thread is one that the connection
/// needs. The order is that of the machine, because one thread at a time calls it; what others bring meanwhile is left to
/// that one.
#[derive(Debug)]
pub(crate) struct Trace {
    events: Arc<EventSlot>,
    /// Somebody calls the subscriber.
    telling: AtomicBool,
    connection: Mutex<Traced>,
}

#[derive(Debug)]
struct Traced {
    id: u64,
    name: Option<String>,
    span: Span,
    told: Told,
}

impl Trace {
    /// Begins the span of a connection with this name.
    pub(crate) fn new(hub: &Hub, name: Option<&str>) -> Self {
        let id = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        Self {
            events: hub.subscribe(),
            telling: AtomicBool::new(false),
            connection: Mutex::new(Traced {
                id,
                name: name.map(str::to_owned),
                span: span(id, name),
                told: Told::default(),
            }),
        }
    }

    /// Tells what is new. To be called when no lock is held.
    pub(crate) fn tell(&self) {
        while self.events.has_some() && !self.telling.swap(true, Ordering::AcqRel) {
            // Also where the subscriber panics.
            let _telling = Telling(&self.telling);
            while let Some(event) = self.events.try_next() {
                let (span, repeated) = self.with(|connection| {
                    // Where a subscriber came after the connection, there is no span yet.
                    if connection.span.is_disabled() {
                        connection.span = span(connection.id, connection.name.as_deref());
                    }
                    (connection.span.clone(), connection.told.note(&event))
                });
                tell(&span, &event, repeated);
                if event.is_closed() {
                    // Handles may be held for long after the end.
                    let ended = self.with(|connection| std::mem::replace(&mut connection.span, Span::none()));
                    drop((span, ended));
                }
            }
        }
    }

    fn with<R>(&self, call: impl FnOnce(&mut Traced) -> R) -> R {
        call(&mut lock(&self.connection))
    }
}

/// A connection outlives what it was made in: its span has no parent.
fn span(id: u64, name: Option<&str>) -> Span {
    tracing::info_span!(target: "nats_conn", parent: None, "nats.connection", id, name)
}

struct Telling<'a>(&'a AtomicBool);

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use nats_conn_sm::State;
    use nats_proto::{ServerUrl, Sid};
    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::subscriber::{Interest, with_default};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;
    use crate::core::event::ClientEvent;
    use crate::core::panics::caught;
    use crate::options::connect::ConnectOptions;

    /// Calls this with the number of messages of each `slow_consumer`, and with that of each attempt.
    struct Calls<F>(F);

    impl<F: Fn(u64) + 'static> Subscriber for Calls<F> {
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
            assert_eq!(
                event.parent(),
                Some(&Id::from_u64(1)),
                "in the span of the connection"
            );
            event.record(&mut Numbers(&self.0));
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    struct Numbers<'a, F>(&'a F);

    impl<F: Fn(u64)> Visit for Numbers<'_, F> {
        fn record_u64(&mut self, field: &Field, value: u64) {
            if ["dropped", "attempt"].contains(&field.name()) {
                (self.0)(value);
            }
        }

        fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
    }

    fn slow(dropped: u64) -> ClientEvent {
        let subscription = Sid::new(1);
        ClientEvent::SlowConsumer {
            subscription,
            dropped,
        }
    }

    /// A connection, and what a subscriber was told.
    fn connection() -> (Arc<Hub>, Arc<Trace>, Arc<Mutex<Vec<u64>>>) {
        let hub = Hub::new(8);
        let trace = Trace::new(&hub, Some("ann"));
        (Arc::new(hub), Arc::new(trace), Arc::default())
    }

    fn told(seen: &Mutex<Vec<u64>>) -> Vec<u64> {
        lock(seen).clone()
    }

    #[test]
    fn a_subscriber_may_use_the_connection_and_what_comes_of_that_is_told_next() {
        let (hub, trace, seen) = connection();
        let (events, again, kept) = (hub.clone(), trace.clone(), seen.clone());
        let uses = move |number| {
            if number < 3 {
                events.emit_now(slow(number + 1));
                again.tell();
            }
            lock(&kept).push(number);
        };
        hub.emit_now(slow(1));
        with_default(Calls(uses), || trace.tell());
        assert_eq!(told(&seen), [1, 2, 3]);
    }

    #[test]
    fn nothing_is_locked_while_a_subscriber_is_called() {
        let servers = ServerUrl::parse_list("nats://127.0.0.1:4222").expect("a URL");
        let prepared = ConnectOptions::with_adapter(servers, ())
            .prepare()
            .expect("usable");
        let (client, shared) = (prepared.client, prepared.parts.shared);
        let (_, _, seen) = connection();
        let kept = seen.clone();
        let others = ServerUrl::parse_list("nats://127.0.0.1:4223").expect("a URL");
        let looks = move |number| {
            lock(&kept).push(number);
            client.set_servers(others.clone()).expect("open");
            // Whoever looks now has what came of that delivered first.
            assert_eq!(client.state(), State::Connecting);
        };
        with_default(Calls(looks), || {
            let _ = shared.drive(|turn| turn.waiting_events());
        });
        assert_eq!(told(&seen), [1]);
    }

    #[test]
    fn a_subscriber_that_panics_misses_what_it_panicked_about_and_nothing_else() {
        let (hub, trace, seen) = connection();
        let kept = seen.clone();
        let panics = move |number| {
            assert_ne!(number, 1, "as this test wants it");
            lock(&kept).push(number);
        };
        (1..=3).for_each(|number| hub.emit_now(slow(number)));
        with_default(Calls(panics), || {
            assert!(caught(|| trace.tell()).is_err());
            trace.tell();
        });
        assert_eq!(told(&seen), [2, 3]);
    }

    #[test]
    fn a_subscriber_that_comes_after_the_connection_has_its_span_from_then_on() {
        let (hub, trace, seen) = connection();
        hub.emit_now(slow(1));
        trace.tell();
        let kept = seen.clone();
        hub.emit_now(slow(2));
        with_default(Calls(move |number| lock(&kept).push(number)), || trace.tell());
        assert_eq!(told(&seen), [2]);
    }
}
