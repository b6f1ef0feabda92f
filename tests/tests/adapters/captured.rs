//! Everything that the client tells `tracing`, in this process.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Write as _};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Names and values of fields.
pub(crate) type Fields = BTreeMap<&'static str, String>;

/// A span of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) name: &'static str,
    pub(crate) fields: Fields,
    pub(crate) told: Vec<Told>,
    holders: usize,
}

/// An event in it.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) level: Level,
    pub(crate) fields: Fields,
}

impl Told {
    /// The name of the event.
    pub(crate) fn name(&self) -> &str {
        &self.fields["event"]
    }
}

impl Span {
    /// Nobody holds it any more.
    pub(crate) fn is_over(&self) -> bool {
        self.holders == 0
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.told.iter().map(Told::name).collect()
    }

    /// The first event of this name.
    #[track_caller]
    pub(crate) fn find(&self, name: &str) -> &Told {
        let found = self.told.iter().find(|told| told.name() == name);
        found.unwrap_or_else(|| panic!("{name} is not among {:?}", self.names()))
    }
}

struct Capture(Mutex<Vec<Span>>);

/// Where all tests are one process it has the connections of all of them: each has its name.
static CAPTURE: Capture = Capture(Mutex::new(Vec::new()));

impl Capture {
    fn spans(&self) -> MutexGuard<'_, Vec<Span>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins to keep everything.
pub(crate) fn capture() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(&CAPTURE).expect("no other subscriber"));
}

/// The span of the connection with this name.
#[track_caller]
pub(crate) fn span_of(connection: &str) -> Span {
    let spans = CAPTURE.spans();
    let mut found = spans
        .iter()
        .filter(|span| span.fields.get("name").is_some_and(|name| name == connection));
    let span = found.next().expect("a span").clone();
    assert!(found.next().is_none(), "{connection} has one span");
    span
}

/// All of it as text.
pub(crate) fn all_text() -> String {
    let mut text = String::new();
    for span in CAPTURE.spans().iter() {
        let _ = writeln!(text, "{span:?}");
    }
    text
}

struct Reader<'a>(&'a mut Fields);

impl Visit for Reader<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Subscriber for &'static Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("nats_conn")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        assert!(attributes.is_root(), "a connection outlives what it was made in");
        let mut fields = Fields::new();
        attributes.record(&mut Reader(&mut fields));
        let mut spans = self.spans();
        spans.push(Span {
            name: attributes.metadata().name(),
            fields,
            told: Vec::new(),
            holders: 1,
        });
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::new();
        event.record(&mut Reader(&mut fields));
        let told = Told {
            level: *event.metadata().level(),
            fields,
        };
        let parent = event
            .parent()
            .expect("every event is in the span of its connection");
        self.with(parent, |span| {
            assert!(!span.is_over(), "{told:?} after the end of {span:?}");
            span.told.push(told);
        });
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}

    fn clone_span(&self, id: &Id) -> Id {
        self.with(id, |span| span.holders += 1);
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        self.with(&id, |span| {
            span.holders -= 1;
            span.holders == 0
        })
    }
}

impl Capture {
    fn with<R>(&self, id: &Id, call: impl FnOnce(&mut Span) -> R) -> R {
        let place = usize::try_from(id.into_u64()).expect("a place") - 1;
        call(&mut self.spans()[place])
    }
}
