//! The publishes that are not settled yet, and what the server has read of them.

use std::hash::{Hash, Hasher};

use nats_conn_sm::{Connection, ConnectionEvent, Delivery, DropReason, Event, Fate, PublishSeq};

/// Publishes that are not settled, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Publishes {
    open: Vec<Open>,
    /// At least once has given one up, which only the end of the connection may do.
    is_one_lost: bool,
    /// A server has sent a PONG before it read the PING: what it has read proves nothing any more.
    is_server_lying: bool,
}

/// A publish that is not settled. It is known by its payload, which another one has once it is settled.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// Its number is compared, and is no part of the state.
    seq: PublishSeq,
    name: u8,
    /// How often the server has read it.
    read: u8,
}

impl Publishes {
    /// What tells one state from another.
    pub(super) fn hash(&self, to: &mut impl Hasher) {
        self.open.iter().for_each(|open| (open.name, open.read).hash(to));
        self.is_server_lying.hash(to);
    }

    pub(super) fn is_server_lying(&self) -> bool {
        self.is_server_lying
    }

    pub(super) fn server_lies(&mut self) {
        self.is_server_lying = true;
    }

    /// The payload of the next one.
    pub(super) fn next_name(&self) -> u8 {
        (b'a'..=b'z')
            .find(|name| self.open.iter().all(|open| open.name != *name))
            .unwrap_or(b'z')
    }

    pub(super) fn began(&mut self, seq: PublishSeq, name: u8) {
        self.open.push(Open { seq, name, read: 0 });
    }

    /// The server has read one.
    pub(super) fn read(&mut self, payload: &[u8], delivery: Delivery) -> Result<(), String> {
        if self.is_server_lying {
            return Ok(());
        }
        let Some(place) = self.open.iter().position(|open| [open.name; 2] == *payload) else {
            return Err(String::from("a publish reaches the server after it was settled"));
        };
        let open = &mut self.open[place];
        open.read = open.read.saturating_add(1).min(3);
        if open.read > 1 && delivery == Delivery::AtMostOnce {
            return Err(String::from(
                "at most once, and a publish reaches the server twice",
            ));
        }
        let is_first = open.read == 1;
        if is_first && self.open[place + 1..].iter().any(|later| later.read > 0) {
            return Err(String::from("a later publish reached the server before this one"));
        }
        Ok(())
    }

    /// What an event settles.
    pub(super) fn event(&mut self, event: &Event, delivery: Delivery) -> Result<(), String> {
        let Event::Connection(event) = event else {
            return Ok(());
        };
        match event {
            ConnectionEvent::Closed { .. } => self.is_one_lost = false,
            ConnectionEvent::Disconnected { unconfirmed, .. } => {
                let is_lost = |open: &Open| unconfirmed.contains(open.seq);
                self.is_one_lost = delivery == Delivery::AtLeastOnce && self.open.iter().any(is_lost);
                self.open.retain(|open| !unconfirmed.contains(open.seq));
            }
            ConnectionEvent::PublishDropped {
                publishes, reason, ..
            } => {
                let is_refused = *reason == DropReason::TooLarge;
                let was_read = |open: &Open| publishes.contains(open.seq) && open.read > 0;
                if delivery == Delivery::AtMostOnce && !is_refused && self.open.iter().any(was_read) {
                    return Err(String::from(
                        "a publish that the server has read is reported as dropped",
                    ));
                }
                self.open.retain(|open| !publishes.contains(open.seq));
            }
            _ => {}
        }
        Ok(())
    }

    /// What is settled and was not reported was confirmed.
    pub(super) fn settle(&mut self, connection: &Connection) -> Result<(), String> {
        if self.is_one_lost {
            return Err(String::from(
                "at least once, and a publish is given up although the connection goes on",
            ));
        }
        let is_settled = |open: &Open| connection.fate(open.seq) == Some(Fate::Settled);
        let was_not_read = |open: &Open| is_settled(open) && open.read == 0;
        if !self.is_server_lying && self.open.iter().any(was_not_read) {
            return Err(String::from("a publish is confirmed that no server has read"));
        }
        self.open.retain(|open| !is_settled(open));
        Ok(())
    }
}
