//! The grammar of the life of a connection, checked with every event.
//!
//! ```text
//! life      = { attempt failed } ( closed | attempt connected session )
//! attempt   = [ backoff_wait ] connecting
//! failed    = connect_failed
//! session   = { any } disconnected ( rest | closed )
//! rest      = { attempt failed } ( attempt reconnected session )
//! ```
//! `closed` may stand anywhere outside a session and ends everything. `backoff_wait` and `connecting` may be cut
//! short by a forced reconnect or a new pool, and only by these.

use nats_conn_sm::{ConnectionEvent, Event};

use crate::story;

/// Where in the grammar a connection is.
#[derive(Clone, Debug, Default)]
pub struct Grammar {
    place: Place,
    /// Whether there was a session before.
    connected: bool,
    /// How many forced reconnects and new pools may still cut an attempt or a wait short.
    cuts: u32,
    /// Whether `resubscribed` may come: once a session.
    resubscribed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before the first `connecting`.
    #[default]
    Start,
    /// After `connect_failed` or `disconnected`.
    Between,
    /// After `backoff_wait`.
    Waiting,
    /// After `connecting`.
    Attempt,
    Session,
    Closed,
}

impl Grammar {
    /// A forced reconnect or a new pool was asked for.
    pub fn may_be_cut_short(&mut self) {
        self.cuts += 1;
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// Why it must not occur here.
    pub fn event(&mut self, event: &Event) -> Result<(), String> {
        let name = story::name(event);
        let next = match (self.place, event) {
            (Place::Closed, _) => return Err(format!("{name} after closed")),
            (
                Place::Start | Place::Between | Place::Waiting,
                Event::Connection(ConnectionEvent::Connecting { .. }),
            ) => Place::Attempt,
            (Place::Between, Event::Connection(ConnectionEvent::BackoffWait { .. })) => Place::Waiting,
            (Place::Attempt, Event::Connection(ConnectionEvent::ConnectFailed { .. })) => Place::Between,
            (Place::Attempt, Event::Connection(ConnectionEvent::Connected(_))) if !self.connected => {
                Place::Session
            }
            (Place::Attempt, Event::Connection(ConnectionEvent::Reconnected(_))) if self.connected => {
                Place::Session
            }
            (Place::Session, Event::Connection(ConnectionEvent::Disconnected { .. })) => Place::Between,
            (
                Place::Start | Place::Between | Place::Waiting | Place::Attempt,
                Event::Connection(ConnectionEvent::Closed { .. }),
            ) => Place::Closed,
            (
                Place::Waiting | Place::Attempt,
                Event::Connection(ConnectionEvent::Connecting { .. } | ConnectionEvent::BackoffWait { .. }),
            ) => {
                self.cuts = self.cuts.checked_sub(1).ok_or_else(|| self.misplaced(name))?;
                if matches!(event, Event::Connection(ConnectionEvent::Connecting { .. })) {
                    Place::Attempt
                } else {
                    Place::Waiting
                }
            }
            (place, other) if self.may_stand(other) => place,
            _ => return Err(self.misplaced(name)),
        };
        self.enter(next);
        Ok(())
    }

    fn enter(&mut self, next: Place) {
        if next == Place::Session && self.place != Place::Session {
            self.connected = true;
            self.resubscribed = true;
        }
        self.place = next;
    }

    /// An event that is not a step of the grammar: whether it may occur here.
    fn may_stand(&mut self, event: &Event) -> bool {
        let session = self.place == Place::Session;
        match event {
            Event::Connection(
                ConnectionEvent::Connecting { .. }
                | ConnectionEvent::ConnectFailed { .. }
                | ConnectionEvent::Connected(_)
                | ConnectionEvent::Reconnected(_)
                | ConnectionEvent::Disconnected { .. }
                | ConnectionEvent::BackoffWait { .. }
                | ConnectionEvent::Closed { .. },
            ) => false,
            Event::Connection(ConnectionEvent::Resubscribed { .. }) => {
                session && std::mem::take(&mut self.resubscribed)
            }
            Event::Connection(
                ConnectionEvent::DiscoveredServers { .. }
                | ConnectionEvent::LameDuck { .. }
                | ConnectionEvent::ServerInfoChanged { .. }
                | ConnectionEvent::ServerError { .. }
                | ConnectionEvent::PermissionDenied { .. },
            )
            | Event::Message { .. }
            | Event::Reply { .. } => session,
            Event::Connection(ConnectionEvent::CleartextCredentials { .. }) => self.place == Place::Attempt,
            Event::Connection(ConnectionEvent::ServerChoiceRejected { .. }) => !session,
            _ => true,
        }
    }

    fn misplaced(&self, name: &str) -> String {
        format!("{name} must not stand in {:?}", self.place)
    }
}
