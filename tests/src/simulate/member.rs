//! One client of the crowd: its world, and what its application saw.

use std::collections::BTreeMap;
use std::time::Duration;

use nats_conn_sm::{ConnectionEvent, Credentials, Event, FlushId, LinkId, PublishError, RequestId};
use nats_proto::{Message, Sid};

use super::plan::{FILTERS, SERVICE, TOPICS};
use super::watch::Watch;
use crate::model_server::PeerId;
use crate::sim::{World, nanos};
use crate::story;

/// The queue group of everybody.
const GROUP: &str = "workers";
/// How much later than its deadline a request may end: nothing is late in virtual time.
const SLACK: u64 = 1;

/// One client.
pub(super) struct Member {
    pub(super) world: World,
    pub(super) name: &'static str,
    pub(super) subscriptions: Vec<Subscription>,
    /// The link of the present session, as its server numbers it.
    pub(super) session: Option<PeerId>,
    /// When it does something again, where it is suspended.
    pub(super) suspended: Option<u64>,
    /// It drains or was closed: what it still does is not the subject.
    pub(super) leaves: bool,
    pub(super) closed: Option<String>,
    pub(super) watches: Vec<Watch>,
    /// What each subscription has received on each link, in order.
    pub(super) received: BTreeMap<(PeerId, Sid), Vec<Vec<u8>>>,
    /// How many bytes of each link the machine has dealt with.
    pub(super) dealt_with: BTreeMap<PeerId, u64>,
    /// Flushes that are not answered, with the number of subscriptions that were made before.
    flushes: BTreeMap<FlushId, usize>,
    /// The last flush was answered, and how.
    pub(super) flushed: Option<Result<(), String>>,
    /// How the reply to each request begins, and until when, by the clock of the client.
    pub(super) requests: BTreeMap<RequestId, (Vec<u8>, u64)>,
    made: u64,
    /// How many events were looked at.
    pub(super) seen: usize,
}

/// One subscription of its application.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub(super) sid: Sid,
    pub(super) filter: &'static str,
    pub(super) queue: bool,
    /// It was neither ended nor drained.
    pub(super) is_wanted: bool,
    /// What comes is answered.
    serves: bool,
}

impl Member {
    pub(super) fn new(name: &'static str, world: World) -> Self {
        Self {
            world,
            name,
            subscriptions: Vec::new(),
            session: None,
            suspended: None,
            leaves: false,
            closed: None,
            watches: Vec::new(),
            received: BTreeMap::new(),
            dealt_with: BTreeMap::new(),
            flushes: BTreeMap::new(),
            flushed: None,
            requests: BTreeMap::new(),
            made: 0,
            seen: 0,
        }
    }

    /// Whether it is expected to have a session where it can have one.
    pub(super) fn stays(&self) -> bool {
        self.closed.is_none() && !self.leaves
    }

    /// A payload that nobody else has ever sent.
    fn payload(&mut self, size: usize) -> Vec<u8> {
        self.made += 1;
        let mut payload = format!("{} {} ", self.name, self.made).into_bytes();
        payload.resize(size.max(payload.len()), b'.');
        payload
    }

    pub(super) fn publish(&mut self, topic: usize, count: usize, size: usize) {
        for _ in 0..count {
            let payload = self.payload(size);
            let refused = self.world.publish(TOPICS[topic], &payload).err();
            if !matches!(refused, None | Some(PublishError::BufferFull { .. })) {
                assert!(!self.stays(), "a publish is refused: {refused:?}");
            }
        }
    }

    pub(super) fn subscribe(&mut self, filter: &'static str, queue: bool) {
        let outcome = self.world.try_subscribe(filter, queue.then_some(GROUP));
        match outcome {
            Ok(sid) => self.subscriptions.push(Subscription {
                sid,
                filter,
                queue,
                is_wanted: true,
                serves: filter == SERVICE,
            }),
            Err(refused) => assert!(!self.stays(), "a subscription is refused: {refused}"),
        }
    }

    pub(super) fn filter(place: usize) -> &'static str {
        FILTERS[place % FILTERS.len()]
    }

    /// Ends one of its subscriptions, or drains it.
    pub(super) fn unsubscribe(&mut self, now: u64, nth: usize, drains: bool) {
        let Some(subscription) = self.subscriptions.get_mut(nth) else {
            return;
        };
        subscription.is_wanted = false;
        let sid = subscription.sid;
        self.end_watches(now, |watch| watch.sid == sid);
        let outcome = if drains {
            self.world.drain_subscription(sid)
        } else {
            self.world.unsubscribe(sid)
        };
        // It may have ended before: that is an error, and no harm.
        let _ = outcome;
    }

    pub(super) fn request(&mut self, timeout: Duration) {
        let payload = self.payload(0);
        let expected = [b"answer to ", payload.as_slice()].concat();
        if let Ok(request) = self.world.request(SERVICE, &payload, timeout) {
            let until = self.world.now().as_nanos() + nanos(timeout);
            self.requests.insert(request, (expected, until));
        }
    }

    pub(super) fn flush(&mut self) {
        self.flushed = None;
        match self.world.flush() {
            Ok(flush) => _ = self.flushes.insert(flush, self.subscriptions.len()),
            Err(refused) => self.flushed = Some(Err(refused.to_string())),
        }
    }

    /// It drains: what arrives meanwhile is its own affair.
    pub(super) fn leave(&mut self, now: u64) {
        self.leaves = true;
        self.end_watches(now, |_| true);
        for subscription in &mut self.subscriptions {
            subscription.is_wanted = false;
        }
        if self.world.drain().is_ok() {
            self.world.finish_drain();
        }
    }

    pub(super) fn learn(&mut self, password: u32) {
        self.world.driver.credentials = Credentials::user_password("crowd", password_of(password));
    }

    pub(super) fn end_watches(&mut self, now: u64, which: impl Fn(&Watch) -> bool) {
        for watch in self
            .watches
            .iter_mut()
            .filter(|watch| watch.to.is_none() && which(watch))
        {
            watch.to = Some(now);
        }
    }

    /// Takes note of the events since the last call, and answers what is to be answered.
    ///
    /// # Errors
    /// What an event must not say.
    pub(super) fn observe(&mut self, now: u64) -> Result<bool, String> {
        let is_new = self.seen < self.world.events.len();
        while let Some((_, event)) = self.world.events.get(self.seen) {
            let event = event.clone();
            self.seen += 1;
            self.take(now, event)?;
        }
        if let Some(peer) = self.session {
            let read = self.world.pipes.iter().rev().find(|pipe| pipe.peer == Some(peer));
            self.dealt_with.insert(peer, read.map_or(0, |pipe| pipe.read));
        }
        Ok(is_new)
    }

    fn take(&mut self, now: u64, event: Event) -> Result<(), String> {
        match event {
            Event::Connection(
                ConnectionEvent::Connected(session) | ConnectionEvent::Reconnected(session),
            ) => {
                self.session = self.peer_of(session.link);
            }
            Event::Connection(ConnectionEvent::Disconnected { .. }) => {
                self.end_watches(now, |_| true);
                self.session = None;
            }
            Event::Connection(ConnectionEvent::Resubscribed { .. }) => {
                let restored = self.restored();
                self.begin_watches(now, |subscription| restored.contains(&subscription.sid.get()));
            }
            Event::Flushed { flush, result } => {
                if let (Some(made), true) = (self.flushes.remove(&flush), result.is_ok()) {
                    let before: Vec<Sid> = self.subscriptions[..made].iter().map(|made| made.sid).collect();
                    self.begin_watches(now, |subscription| before.contains(&subscription.sid));
                }
                self.flushed = Some(result.map_err(|error| error.to_string()));
            }
            Event::SubscriptionEnded { subscription, .. } => {
                self.end_watches(now, |watch| watch.sid == subscription);
                let ended = self
                    .subscriptions
                    .iter_mut()
                    .find(|known| known.sid == subscription);
                if let Some(ended) = ended {
                    ended.is_wanted = false;
                }
            }
            Event::Message {
                subscription,
                message,
            } => self.receive(subscription, &message)?,
            Event::Response { request, result } => {
                let Some((expected, until)) = self.requests.remove(&request) else {
                    return Err(format!("an answer to {request:?}, which was not made"));
                };
                let late = self.world.now().as_nanos() > until + SLACK;
                match result {
                    Ok(message) if !message.payload().starts_with(&expected) => {
                        return Err(format!("{request:?} has the answer to another: {message:?}"));
                    }
                    Ok(_) if late => return Err(format!("{request:?} was answered after its deadline")),
                    _ => {}
                }
            }
            Event::Connection(ConnectionEvent::Closed { .. }) => self.closed = story::line(&event),
            _ => {}
        }
        Ok(())
    }

    fn receive(&mut self, sid: Sid, message: &Message) -> Result<(), String> {
        let Some(peer) = self.session else {
            return Err(format!("a message outside a session: {message:?}"));
        };
        let row = self.received.entry((peer, sid)).or_default();
        row.push(message.payload().to_vec());
        let subscription = self.subscriptions.iter().find(|known| known.sid == sid);
        if subscription.is_some_and(|subscription| subscription.serves)
            && let Some(Ok(reply)) = message.reply().map(|reply| reply.to_str())
        {
            let answer = [b"answer to ", message.payload(), &self.payload(0)].concat();
            // Where there is no room, the request goes without an answer.
            drop(self.world.publish(reply, &answer));
        }
        Ok(())
    }

    fn peer_of(&self, link: LinkId) -> Option<PeerId> {
        let pipe = self.world.pipes.iter().rev().find(|pipe| pipe.link == link);
        pipe.and_then(|pipe| pipe.peer)
    }

    /// What the present session restored.
    fn restored(&self) -> Vec<u64> {
        let pipe = self
            .world
            .pipes
            .iter()
            .rev()
            .find(|pipe| pipe.peer == self.session);
        pipe.map(|pipe| pipe.live_at_pong.clone()).unwrap_or_default()
    }

    fn begin_watches(&mut self, now: u64, which: impl Fn(&Subscription) -> bool) {
        let Some(peer) = self.session else { return };
        for subscription in self
            .subscriptions
            .iter()
            .filter(|one| one.is_wanted && which(one))
        {
            let is_watched = |watch: &Watch| watch.peer == peer && watch.sid == subscription.sid;
            if !self.watches.iter().any(is_watched) {
                self.watches.push(Watch {
                    peer,
                    sid: subscription.sid,
                    filter: subscription.filter,
                    queue: subscription.queue,
                    from: now,
                    to: None,
                });
            }
        }
    }
}

/// The password of this number.
pub(super) fn password_of(number: u32) -> String {
    format!("password no. {number}")
}
