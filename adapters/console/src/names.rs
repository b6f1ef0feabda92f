//! The callers' labels for subscriptions.

use std::collections::HashMap;

use nats_conn_client::Subscription;
use nats_proto::Sid;

/// A subscription and what its caller calls it.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) subscription: Subscription,
    pub(crate) paused: bool,
}

/// All subscriptions, by name, and the names of those that have ended: events may still tell of them.
#[derive(Debug, Default)]
pub(crate) struct Names {
    live: Vec<Named>,
    of: HashMap<Sid, String>,
}

impl Names {
    pub(crate) fn add(&mut self, name: String, subscription: Subscription) {
        self.of.insert(subscription.sid(), name.clone());
        self.live.push(Named {
            name,
            subscription,
            paused: false,
        });
    }

    pub(crate) fn get(&mut self, name: &str) -> Option<&mut Named> {
        self.live.iter_mut().find(|named| named.name == name)
    }

    pub(crate) fn of(&self, sid: Sid) -> Option<&str> {
        self.of.get(&sid).map(String::as_str)
    }

    /// Those that have not ended. What is left out by `keep` is dropped.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&mut Named) -> bool) {
        self.live.retain_mut(keep);
    }
}
