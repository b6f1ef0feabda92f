//! Small models of the reconnect policies of other clients: the order of the servers, and the waits.

use std::time::Duration;

use super::{Fleet, SERVERS, Wish};
use crate::scenario::splitmix;
use crate::sim::nanos;

/// A policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Other {
    /// The one of the Go client (`doReconnect` and `selectNextServer` of nats.go), which the C client shares: the server
    /// that was tried goes to the end of the list, and where the list has been gone through 2 s and up to 100 ms of
    /// jitter are waited.
    CycleWait,
    /// The one of async-nats (`connector.rs`): the server with the fewest failures, in a stable order, and before the n-th
    /// attempt `2^(n-1)` milliseconds, 4 s at most and none before the first, without jitter.
    NoJitter,
    /// The next server of the list, without any wait.
    NoWait,
}

/// The connections of one of them.
pub(super) struct Models {
    policy: Other,
    each: Vec<Model>,
    chance: u64,
}

#[derive(Clone, Copy)]
struct Model {
    /// The servers in the order of the next attempts.
    order: [u8; SERVERS],
    failures: [u8; SERVERS],
    /// Attempts since the link was lost.
    tries: u32,
    /// An attempt is due when it is woken.
    waits: bool,
}

impl Models {
    pub(super) fn new(policy: Other, clients: u32) -> Self {
        let mut chance = 1;
        let each = (0..clients).map(|_| {
            let mut order = [0, 1, 2];
            for place in (1..SERVERS).rev() {
                let other = usize::try_from(splitmix(&mut chance) % (place as u64 + 1)).unwrap_or_default();
                order.swap(place, other);
            }
            Model {
                order,
                failures: [0; SERVERS],
                tries: 0,
                waits: false,
            }
        });
        Self {
            policy,
            each: each.collect(),
            chance,
        }
    }

    /// Waits as long as the policy says, and then dials.
    fn next(&mut self, client: usize, now: u64, wishes: &mut Vec<Wish>) {
        let model = &mut self.each[client];
        model.tries += 1;
        let wait = match self.policy {
            Other::NoWait => Duration::ZERO,
            Other::CycleWait if !model.tries.is_multiple_of(SERVERS as u32) => Duration::ZERO,
            Other::CycleWait => {
                let jitter =
                    Duration::from_nanos(splitmix(&mut self.chance) % nanos(Duration::from_millis(100)));
                Duration::from_secs(2) + jitter
            }
            Other::NoJitter if model.tries < 2 => Duration::ZERO,
            Other::NoJitter => {
                Duration::from_millis(1 << (model.tries - 1).min(12)).min(Duration::from_secs(4))
            }
        };
        if wait.is_zero() {
            self.dial(client, wishes);
        } else {
            model.waits = true;
            wishes.push(Wish::WakeAt(now + nanos(wait)));
        }
    }

    fn dial(&mut self, client: usize, wishes: &mut Vec<Wish>) {
        let model = &mut self.each[client];
        model.waits = false;
        let place = match self.policy {
            Other::NoJitter => {
                let fewest = |place: &usize| model.failures[usize::from(model.order[*place])];
                (0..SERVERS).min_by_key(fewest).unwrap_or_default()
            }
            _ => 0,
        };
        let server = model.order[place];
        if self.policy != Other::NoJitter {
            model.order.rotate_left(1);
        }
        wishes.push(Wish::Dial(usize::from(server)));
    }
}

impl Fleet for Models {
    fn begin(&mut self, client: usize, _now: u64, wishes: &mut Vec<Wish>) {
        self.dial(client, wishes);
    }

    fn accepted(&mut self, client: usize, _server: usize, _now: u64, _wishes: &mut Vec<Wish>) {
        let model = &mut self.each[client];
        (model.tries, model.failures) = (0, [0; SERVERS]);
    }

    fn refused(&mut self, client: usize, server: usize, now: u64, wishes: &mut Vec<Wish>) {
        let failures = &mut self.each[client].failures[server];
        *failures = failures.saturating_add(1);
        self.next(client, now, wishes);
    }

    fn lost(&mut self, client: usize, server: usize, now: u64, wishes: &mut Vec<Wish>) {
        if self.policy != Other::NoJitter {
            let order = &mut self.each[client].order;
            // Stable, and the one that was lost goes last.
            order.sort_by_key(|place| usize::from(*place) == server);
        }
        self.next(client, now, wishes);
    }

    fn warned(&mut self, _client: usize, _now: u64, _wishes: &mut Vec<Wish>) {}

    fn woken(&mut self, client: usize, _now: u64, wishes: &mut Vec<Wish>) {
        if self.each[client].waits {
            self.dial(client, wishes);
        }
    }
}
