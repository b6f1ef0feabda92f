//! What the client promised and how it ended: every id is settled exactly once.

use std::collections::{BTreeMap, BTreeSet};

use nats_conn_sm::{
    ConnectionEvent, EndReason, Event, Fate, FlushId, PublishFates, PublishSeq, RequestId, RoundTripId,
    SeqRanges,
};
use nats_proto::Sid;

use crate::model_server::LinkLog;

/// The book-keeping of one connection.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    subscriptions: BTreeMap<Sid, Subscription>,
    requests: BTreeMap<RequestId, Promise>,
    flushes: BTreeMap<FlushId, Promise>,
    round_trips: BTreeMap<RoundTripId, Promise>,
    /// What was published under each number, from 1; `None` for those of requests.
    published: Vec<Option<(String, Vec<u8>)>>,
    unconfirmed: BTreeSet<u64>,
    dropped: BTreeSet<u64>,
    last: PublishFates,
    closed: bool,
    /// Requests were made: their publishes may be dropped without an event.
    requested: bool,
    /// Subscriptions that the ledger does not know are ignored.
    unknown: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Subscription {
    messages: u64,
    draining: bool,
    ended: Option<EndReason>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Promise {
    Open,
    Settled,
    /// Cancelled: no event follows.
    Cancelled,
}

impl Ledger {
    /// A subscription was made.
    pub fn subscribed(&mut self, sid: Sid) {
        let before = self.subscriptions.insert(sid, Subscription::default());
        assert!(before.is_none(), "sid {sid} was given out twice");
    }

    /// A subscription drains from now on.
    pub fn drains(&mut self, sid: Sid) {
        if let Some(subscription) = self.subscriptions.get_mut(&sid) {
            subscription.draining = true;
        }
    }

    /// All subscriptions drain from now on.
    pub fn all_drain(&mut self) {
        self.subscriptions
            .values_mut()
            .for_each(|subscription| subscription.draining = true);
    }

    /// A request was made.
    pub fn requested(&mut self, request: RequestId) {
        self.requested_unsent(request);
        self.requested = true;
        self.published.push(None);
    }

    /// A request was made that is refused without being sent.
    pub fn requested_unsent(&mut self, request: RequestId) {
        let before = self.requests.insert(request, Promise::Open);
        assert!(before.is_none(), "{request:?} was given out twice");
    }

    /// A request was cancelled; whether that was still possible.
    pub fn cancelled(&mut self, request: RequestId, possible: bool) {
        let Some(promise) = self.requests.get_mut(&request) else {
            return;
        };
        if possible {
            assert_eq!(
                *promise,
                Promise::Open,
                "{request:?} was cancelled when it was settled"
            );
            *promise = Promise::Cancelled;
        }
    }

    /// A measurement began.
    pub fn measuring(&mut self, round_trip: RoundTripId) {
        let before = self.round_trips.insert(round_trip, Promise::Open);
        assert!(before.is_none(), "{round_trip:?} was given out twice");
    }

    /// A flush began.
    pub fn flushing(&mut self, flush: FlushId) {
        let before = self.flushes.insert(flush, Promise::Open);
        assert!(before.is_none(), "{flush:?} was given out twice");
    }

    /// A publish was accepted.
    pub fn published(&mut self, seq: PublishSeq, subject: &str, payload: &[u8]) {
        self.published.push(Some((subject.to_owned(), payload.to_vec())));
        assert_eq!(
            seq.as_u64(),
            self.published.len() as u64,
            "publishes are numbered from 1 without gaps"
        );
    }

    /// So many requests were made that are not in the ledger.
    pub fn requested_unrecorded(&mut self, count: usize) {
        self.requested = true;
        self.unknown = true;
        self.published.extend(std::iter::repeat_n(None, count));
    }

    /// Subscriptions that the ledger does not know are ignored.
    pub fn tolerate_unknown(&mut self) {
        self.unknown = true;
    }

    /// The subscriptions that are alive and not draining.
    pub fn live_subscriptions(&self) -> Vec<u64> {
        let live = self
            .subscriptions
            .iter()
            .filter(|(_, sub)| sub.ended.is_none() && !sub.draining);
        live.map(|(sid, _)| sid.get()).collect()
    }

    /// How many subscriptions were made whose end was not reported.
    pub fn open_subscriptions(&self) -> u64 {
        self.subscriptions
            .values()
            .filter(|sub| sub.ended.is_none())
            .count() as u64
    }

    /// Whether this sid was given to the application.
    pub fn knows(&self, sid: u64) -> bool {
        self.subscriptions.contains_key(&Sid::new(sid))
    }

    /// How many messages a subscription has had.
    pub fn messages(&self, sid: Sid) -> u64 {
        self.subscriptions.get(&sid).map_or(0, |sub| sub.messages)
    }

    /// How a subscription ended.
    pub fn end(&self, sid: Sid) -> Option<EndReason> {
        self.subscriptions.get(&sid).and_then(|sub| sub.ended)
    }

    /// The numbers that events have settled as unconfirmed.
    pub fn unconfirmed(&self) -> &BTreeSet<u64> {
        &self.unconfirmed
    }

    /// The numbers that events have settled as dropped.
    pub fn dropped(&self) -> &BTreeSet<u64> {
        &self.dropped
    }

    /// The publishes, but for those of requests, that events have settled as unconfirmed or dropped.
    pub fn lost(&self) -> Vec<u64> {
        let is_publish = |number: &&u64| {
            let index = usize::try_from(**number).unwrap_or(usize::MAX).wrapping_sub(1);
            self.published.get(index).is_some_and(Option::is_some)
        };
        let lost = self.unconfirmed.union(&self.dropped);
        lost.filter(is_publish).copied().collect()
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn event(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::Message { subscription, .. } | Event::SubscriptionEnded { subscription, .. }
                if self.unknown && !self.subscriptions.contains_key(subscription) =>
            {
                Ok(())
            }
            Event::Message { subscription, .. } => {
                let sub = self.alive(*subscription)?;
                sub.messages += 1;
                Ok(())
            }
            Event::SubscriptionEnded { subscription, reason } => {
                self.alive(*subscription)?.ended = Some(*reason);
                Ok(())
            }
            Event::Response { request, .. } if self.unknown && !self.requests.contains_key(request) => Ok(()),
            Event::Response { request, .. } | Event::RepliesEnded { request, .. } => {
                settle(&mut self.requests, *request)
            }
            Event::Reply { request, .. } => match self.requests.get(request) {
                Some(Promise::Open) => Ok(()),
                other => Err(format!("a reply for {request:?}, which is {other:?}")),
            },
            Event::Flushed { flush, .. } => settle(&mut self.flushes, *flush),
            Event::RoundTrip { round_trip, .. } => settle(&mut self.round_trips, *round_trip),
            Event::Connection(ConnectionEvent::Disconnected { unconfirmed, .. }) => {
                Self::settled(&mut self.unconfirmed, &self.dropped, unconfirmed)
            }
            Event::Connection(ConnectionEvent::PublishDropped { publishes, .. }) => {
                Self::settled(&mut self.dropped, &self.unconfirmed, publishes)
            }
            Event::Connection(ConnectionEvent::Closed { .. }) => self.close(),
            _ => Ok(()),
        }
    }

    /// The five counters add up, and what is final stays so.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn fates(&mut self, now: PublishFates) -> Result<(), String> {
        let sum = now.queued + now.written + now.confirmed + now.unconfirmed + now.dropped;
        let accepted = self.published.len() as u64;
        let before = std::mem::replace(&mut self.last, now);
        let final_before = (
            before.confirmed,
            before.unconfirmed,
            before.dropped,
            before.settled,
        );
        let kept = now.confirmed >= final_before.0
            && now.unconfirmed >= final_before.1
            && now.dropped >= final_before.2
            && now.settled >= final_before.3;
        match () {
            () if sum != now.accepted => Err(format!("the fates do not add up: {now:?}")),
            () if now.accepted != accepted => Err(format!("{accepted} were accepted: {now:?}")),
            () if !kept => Err(format!("what was final changed: {before:?}, then {now:?}")),
            () if now.settled > now.confirmed + now.unconfirmed + now.dropped => {
                Err(format!("more is settled than final: {now:?}"))
            }
            () => Ok(()),
        }
    }

    /// The counters agree with what events reported. To be asked when no event is waiting. Publishes of requests that ended
    /// while they were queued are settled without an event: as dropped, or, where they are sent `again`, as unconfirmed
    /// if an earlier link had taken them.
    ///
    /// # Errors
    /// What does not agree.
    pub fn reported(&self, now: &PublishFates, again: bool) -> Result<(), String> {
        let (unconfirmed, dropped) = (self.unconfirmed.len() as u64, self.dropped.len() as u64);
        let silently_dropped = now.dropped > dropped;
        let silently_unconfirmed = now.unconfirmed > unconfirmed;
        if now.unconfirmed < unconfirmed
            || now.dropped < dropped
            || (silently_dropped && !self.requested)
            || (silently_unconfirmed && !(self.requested && again))
        {
            return Err(format!(
                "events reported {unconfirmed} unconfirmed and {dropped} dropped: {now:?}"
            ));
        }
        Ok(())
    }

    /// What the servers executed agrees with the fates, at any moment.
    ///
    /// # Errors
    /// What does not agree.
    pub fn compare<'a>(
        &self,
        logs: impl Iterator<Item = &'a LinkLog>,
        again: bool,
        fate: impl Fn(u64) -> Option<Fate>,
    ) -> Result<(), String> {
        let mut executed = vec![0_u64; self.published.len() + 1];
        let mut newest = 0;
        let numbers = self.numbers();
        for log in logs {
            let mut previous = 0;
            for (subject, payload) in log.publishes() {
                let Some(number) = numbers.get(&(subject, payload)).copied().flatten() else {
                    continue;
                };
                let place = &mut executed[usize::try_from(number).unwrap_or(usize::MAX)];
                *place += 1;
                if *place == 1 && number < newest {
                    return Err(format!("publish {number} arrived first after {newest}"));
                }
                if number <= previous {
                    return Err(format!("publish {number} arrived after {previous} on one link"));
                }
                (previous, newest) = (number, newest.max(number));
            }
        }
        for (number, times) in (0_u64..).zip(executed).skip(1) {
            let unique = self.published[usize::try_from(number - 1).unwrap_or(usize::MAX)].as_ref();
            let key = unique.map(|(subject, payload)| (subject.as_str(), payload.as_slice()));
            if key.and_then(|key| numbers.get(&key).copied().flatten()).is_some() {
                self.compare_one(number, times, again, fate(number))?;
            }
        }
        Ok(())
    }

    fn compare_one(&self, number: u64, times: u64, again: bool, fate: Option<Fate>) -> Result<(), String> {
        let (unconfirmed, dropped) = (self.unconfirmed.contains(&number), self.dropped.contains(&number));
        let settled = fate.is_none() || fate == Some(Fate::Settled);
        let confirmed = settled && !unconfirmed && !dropped;
        if times > 1 && !again {
            return Err(format!("publish {number} was executed {times} times"));
        }
        if confirmed && times == 0 {
            return Err(format!(
                "publish {number} is confirmed, and no server has seen it"
            ));
        }
        if (dropped || fate == Some(Fate::Queued)) && times > 0 && !again {
            return Err(format!("publish {number} was executed, and is dropped or queued"));
        }
        Ok(())
    }

    /// Which number each publish has by what it says; nothing where two say the same.
    fn numbers(&self) -> BTreeMap<(&str, &[u8]), Option<u64>> {
        let mut numbers = BTreeMap::new();
        for (number, published) in (1_u64..).zip(&self.published) {
            let Some((subject, payload)) = published else {
                continue;
            };
            let again = |known: &mut Option<u64>| *known = None;
            numbers
                .entry((subject.as_str(), payload.as_slice()))
                .and_modify(again)
                .or_insert(Some(number));
        }
        numbers
    }

    fn alive(&mut self, sid: Sid) -> Result<&mut Subscription, String> {
        match self.subscriptions.get_mut(&sid) {
            Some(subscription) if subscription.ended.is_none() => Ok(subscription),
            other => Err(format!("subscription {sid} is {other:?}")),
        }
    }

    fn settled(here: &mut BTreeSet<u64>, there: &BTreeSet<u64>, ranges: &SeqRanges) -> Result<(), String> {
        for number in ranges.iter().flatten() {
            if there.contains(&number) || !here.insert(number) {
                return Err(format!("publish {number} is settled a second time"));
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        self.closed = true;
        let subscriptions = self.subscriptions.iter().filter(|(_, sub)| sub.ended.is_none());
        let subscriptions: Vec<_> = subscriptions.map(|(sid, _)| sid).collect();
        let waiting = self.still_waiting();
        if subscriptions.is_empty() && waiting.is_none() {
            return Ok(());
        }
        Err(format!(
            "closed, and left open: {subscriptions:?} {}",
            waiting.unwrap_or_default()
        ))
    }

    /// Requests, flushes and round trips that have had no end yet, as a text.
    pub fn still_waiting(&self) -> Option<String> {
        let requests: Vec<_> = open(&self.requests);
        let flushes: Vec<_> = open(&self.flushes);
        let round_trips: Vec<_> = open(&self.round_trips);
        if requests.is_empty() && flushes.is_empty() && round_trips.is_empty() {
            return None;
        }
        Some(format!("{requests:?} {flushes:?} {round_trips:?}"))
    }
}

fn settle<I: Ord + Copy + std::fmt::Debug>(table: &mut BTreeMap<I, Promise>, id: I) -> Result<(), String> {
    match table.get_mut(&id) {
        Some(promise) if *promise == Promise::Open => {
            *promise = Promise::Settled;
            Ok(())
        }
        other => Err(format!("{id:?} is settled, and was {other:?}")),
    }
}

fn open<I: Copy>(table: &BTreeMap<I, Promise>) -> Vec<I> {
    table
        .iter()
        .filter(|(_, promise)| **promise == Promise::Open)
        .map(|(id, _)| *id)
        .collect()
}
