//! A client that publishes numbers to itself, and a tally of what was published and received.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nats_conn_client::{PublishSeq, SeqRanges};

use crate::scene::*;

/// Numbers that are published and received, until it is stopped.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    received: Arc<AtomicU64>,
    running: Task<Book>,
}

/// What was published and what was received.
pub(crate) struct Book {
    client: Client,
    events: Events,
    /// What is known not to have been confirmed.
    unconfirmed: Vec<SeqRanges>,
    published: BTreeMap<u64, PublishSeq>,
    received: BTreeMap<u64, u32>,
}

impl Traffic {
    /// Publishes some numbers every millisecond, and takes them from a subscription of the same connection: what a
    /// server has confirmed it has sent back before.
    pub(crate) fn start(adapter: Adapter, client: &Client, to: &str) -> Self {
        let (stop, received) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let subscription = client.subscribe(filter(to)).expect("open");
        let book = Book {
            client: client.clone(),
            events: client.events(),
            unconfirmed: Vec::new(),
            published: BTreeMap::new(),
            received: BTreeMap::new(),
        };
        let running = adapter.spawn(book.keep(subject(to), subscription, stop.clone(), received.clone()));
        Self {
            stop,
            received,
            running,
        }
    }

    /// Waits until so many more numbers have come back.
    pub(crate) async fn flows(&self, numbers: u64) {
        let aim = self.received.load(Ordering::Relaxed) + numbers;
        let flows = async {
            while self.received.load(Ordering::Relaxed) < aim {
                pause(Duration::from_millis(2)).await;
            }
        };
        soon(flows).await;
    }

    /// Publishes no more, waits until every number that was published has met its fate and everything that comes back
    /// has come, and returns the tally.
    pub(crate) async fn stop(self) -> Book {
        self.stop.store(true, Ordering::Relaxed);
        soon(self.running).await
    }
}

impl Book {
    /// Numbers that were published.
    pub(crate) fn published(&self) -> usize {
        self.published.len()
    }

    /// Numbers that a server has confirmed and that never came back.
    pub(crate) fn confirmed_and_lost(&self) -> BTreeSet<u64> {
        let unconfirmed = |seq| self.unconfirmed.iter().any(|ranges| ranges.contains(seq));
        self.lost()
            .filter(|number| !unconfirmed(self.published[number]))
            .collect()
    }

    /// Numbers that were accepted and never came back.
    pub(crate) fn accepted_and_lost(&self) -> BTreeSet<u64> {
        self.lost().collect()
    }

    /// Numbers that came back more than once.
    pub(crate) fn received_twice(&self) -> BTreeSet<u64> {
        let twice = self.received.iter().filter(|(_, times)| **times > 1);
        twice.map(|(number, _)| *number).collect()
    }

    fn lost(&self) -> impl Iterator<Item = u64> {
        self.published
            .keys()
            .copied()
            .filter(|number| !self.received.contains_key(number))
    }

    async fn keep(
        mut self,
        subject: Subject,
        mut subscription: Subscription,
        stop: Arc<AtomicBool>,
        received: Arc<AtomicU64>,
    ) -> Self {
        while !stop.load(Ordering::Relaxed) {
            for _ in 0..3 {
                let number = self.published.len() as u64;
                let seq = soon(self.client.publish(&subject, number.to_string().as_str())).await;
                self.published.insert(number, seq.expect("accepted"));
            }
            self.take(&mut subscription);
            received.store(self.received.len() as u64, Ordering::Relaxed);
            pause(Duration::from_millis(1)).await;
        }
        let settled = async {
            while !self.is_settled() {
                // Its PONG settles what was written; what arrived before it lies in the mailbox then.
                if self.client.flush().await.is_err() {
                    pause(Duration::from_millis(5)).await;
                }
            }
        };
        soon(settled).await;
        self.take(&mut subscription);
        self.take_events();
        assert_eq!(subscription.dropped(), 0, "the mailbox was large enough");
        self
    }

    fn is_settled(&self) -> bool {
        let last = self.published.values().next_back().copied();
        last.is_none_or(|last| self.client.publish_fates().settled >= last.as_u64())
    }

    fn take_events(&mut self) {
        while let Some(event) = self.events.try_next() {
            match event {
                ClientEvent::Connection(ConnectionEvent::Disconnected { unconfirmed, .. }) => {
                    self.unconfirmed.push(unconfirmed)
                }
                ClientEvent::Connection(ConnectionEvent::PublishDropped { publishes, .. }) => {
                    self.unconfirmed.push(publishes)
                }
                ClientEvent::Missed { .. } => panic!("{event:?}"),
                _ => {}
            }
        }
        let reported: u64 = self.unconfirmed.iter().map(SeqRanges::count).sum();
        let fates = self.client.publish_fates();
        assert_eq!(
            reported,
            fates.unconfirmed + fates.dropped,
            "reported as it is counted"
        );
    }

    fn take(&mut self, subscription: &mut Subscription) {
        while let Some(message) = subscription.try_next() {
            let number = std::str::from_utf8(message.payload())
                .ok()
                .and_then(|text| text.parse().ok());
            *self.received.entry(number.expect("a number")).or_default() += 1;
        }
    }
}
