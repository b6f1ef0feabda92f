//! The events of one connection, as a scenario watches them.

use nats_conn_client::{ClientEvent, ClosedReason, ConnectionEvent, DisconnectReason, Events};
use nats_conn_tests::grammar::Grammar;
use nats_conn_tests::story;

use crate::clock::{LIMIT, within};

/// Takes events one by one, remembers them, and checks each with the grammar of the life of a connection.
pub(crate) struct Watch {
    events: Events,
    grammar: Grammar,
    seen: Vec<ClientEvent>,
}

impl Watch {
    pub(crate) fn new(events: Events) -> Self {
        let mut grammar = Grammar::default();
        // Scenarios force reconnects and replace pools as they like.
        for _ in 0..64 {
            grammar.may_be_cut_short();
        }
        Self {
            events,
            grammar,
            seen: Vec::new(),
        }
    }

    /// The next event; `None` after `Closed`.
    pub(crate) async fn next(&mut self) -> Option<ClientEvent> {
        let event = self.events.next().await?;
        self.note(&event);
        Some(event)
    }

    /// Waits for the next event of this name (see [`story::name`]; `slow_consumer`, `missed` and `driver_failed` are
    /// those of the client).
    ///
    /// # Panics
    /// If it does not come.
    pub(crate) async fn until(&mut self, name: &str) -> ClientEvent {
        self.find(name, |event| (name_of(event) == name).then(|| event.clone()))
            .await
    }

    /// Waits for the first event for which `find` returns something.
    ///
    /// # Panics
    /// If it does not come.
    pub(crate) async fn find<T>(&mut self, what: &str, find: impl Fn(&ClientEvent) -> Option<T>) -> T {
        let search = async {
            while let Some(event) = self.next().await {
                if let Some(found) = find(&event) {
                    return Some(found);
                }
            }
            None
        };
        match within(LIMIT, search).await {
            Some(Some(found)) => found,
            Some(None) => panic!("closed before {what}: {}", self.story()),
            None => panic!("no {what} within {LIMIT:?}: {}", self.story()),
        }
    }

    /// Waits for the end of a session, and returns why it ended.
    pub(crate) async fn disconnected(&mut self) -> DisconnectReason {
        self.find("disconnected", |event| match event {
            ClientEvent::Connection(ConnectionEvent::Disconnected { reason, .. }) => Some((**reason).clone()),
            _ => None,
        })
        .await
    }

    /// Waits for a session, and returns the host and port of its server.
    pub(crate) async fn session(&mut self) -> String {
        self.find("session", |event| match event {
            ClientEvent::Connection(
                ConnectionEvent::Connected(session) | ConnectionEvent::Reconnected(session),
            ) => Some(session.server.to_string()),
            _ => None,
        })
        .await
    }

    /// Waits for the end, and that nothing follows.
    pub(crate) async fn closed(&mut self) -> ClosedReason {
        let reason = self
            .find("closed", |event| match event {
                ClientEvent::Connection(ConnectionEvent::Closed { reason }) => Some(reason.clone()),
                _ => None,
            })
            .await;
        assert_eq!(
            within(LIMIT, self.events.next()).await,
            Some(None),
            "after closed"
        );
        reason
    }

    /// Takes what has happened already.
    pub(crate) fn catch_up(&mut self) -> &[ClientEvent] {
        while let Some(event) = self.events.try_next() {
            self.note(&event);
        }
        &self.seen
    }

    /// How often something of this name was seen.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.seen.iter().filter(|event| name_of(event) == name).count()
    }

    /// Everything seen, in order.
    pub(crate) fn seen(&self) -> &[ClientEvent] {
        &self.seen
    }

    /// The names of everything seen, in order.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.seen.iter().map(name_of).collect()
    }

    fn note(&mut self, event: &ClientEvent) {
        self.seen.push(event.clone());
        if let ClientEvent::Connection(event) = event
            && let Err(error) = self.grammar.event(&event.clone().into())
        {
            panic!("{error}: {}", self.story());
        }
    }

    fn story(&self) -> String {
        let lines: Vec<String> = self.seen.iter().map(|event| format!("{event:?}")).collect();
        format!("seen:\n  {}", lines.join("\n  "))
    }
}

/// The name of an event, in snake case.
pub(crate) fn name_of(event: &ClientEvent) -> &'static str {
    match event {
        ClientEvent::Connection(event) => story::connection_name(event),
        ClientEvent::SlowConsumer { .. } => "slow_consumer",
        ClientEvent::Missed { .. } => "missed",
        ClientEvent::DriverFailed { .. } => "driver_failed",
        _ => "other",
    }
}
