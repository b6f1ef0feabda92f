//! What always has to hold.

use std::hash::{Hash, Hasher};

use nats_conn_sm::{
    ClosedReason, ConnectionEvent, Delivery, Event, FlushId, RepliesEnd, RequestError, RequestId,
    RoundTripId, State,
};

use super::driver::Stage;
use super::publishes::Publishes;
use super::server::{Frame, Server};
use super::world::World;
use crate::grammar::Grammar;

/// How many messages a subscription with a maximum gets in all.
pub(super) const MAX: u64 = 2;
/// How many replies a request gets at most that several may answer.
pub(super) const REPLIES: u8 = 2;

/// What a life has come to, as far as it is needed to judge what follows.
#[derive(Clone, Debug, Default)]
pub(super) struct Checks {
    grammar: Grammar,
    place: Place,
    subscription: Course,
    is_limited: bool,
    /// The subscription is being drained, by itself or with all.
    is_ending: bool,
    /// Messages that the subscription got, on all links.
    received: u64,
    /// Those of them that came on earlier links than the one that has its SUB.
    received_before: u64,
    request: Course,
    /// Its number is compared, and is no part of the state.
    request_id: Option<RequestId>,
    /// The server has read the request.
    is_request_read: bool,
    /// How many replies there were, where several may answer.
    replies: Option<u8>,
    flush: Course,
    /// Its number is compared, and is no part of the state.
    flush_id: Option<FlushId>,
    round_trip: Course,
    /// Its number is compared, and is no part of the state.
    round_trip_id: Option<RoundTripId>,
    publishes: Publishes,
    is_draining: bool,
    is_drain_finished: bool,
    is_closing: bool,
    /// The last attempt has failed, and none was begun since.
    has_failed: bool,
    /// Dials since time passed; forced reconnects and new pools.
    dials: u8,
    forces: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Place {
    #[default]
    Outside,
    Session,
    Closed,
}

/// The life of an id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Course {
    #[default]
    None,
    Open,
    Settled,
}

impl Course {
    fn settle(&mut self, what: &str) -> Result<(), String> {
        if *self != Self::Open {
            return Err(format!("{what} is settled although it is {self:?}"));
        }
        *self = Self::Settled;
        Ok(())
    }
}

/// What is known.
impl Checks {
    /// What is needed to judge what follows, and decides nothing.
    pub(super) fn hash_judgement(&self, to: &mut impl Hasher) {
        (&self.grammar, self.has_failed, self.dials, self.forces).hash(to);
    }

    /// What decides what may follow.
    pub(super) fn hash_courses(&self, to: &mut impl Hasher) {
        let Self {
            grammar: _,
            place,
            subscription,
            is_limited,
            is_ending,
            received,
            received_before,
            request,
            request_id: _,
            is_request_read,
            replies,
            flush,
            flush_id: _,
            round_trip,
            round_trip_id: _,
            publishes,
            is_draining,
            is_drain_finished,
            is_closing,
            has_failed: _,
            dials: _,
            forces: _,
        } = self;
        (place, subscription, is_limited, is_ending).hash(to);
        if *subscription == Course::Open {
            (received, received_before).hash(to);
        }
        (request, is_request_read, flush, round_trip).hash(to);
        if *request == Course::Open {
            replies.hash(to);
        }
        (is_draining, is_drain_finished, is_closing).hash(to);
        publishes.hash(to);
    }

    /// Whether a subscription, a request, a flush and a measurement are not settled.
    pub(super) fn open(&self) -> [bool; 4] {
        [self.subscription, self.request, self.flush, self.round_trip].map(|course| course == Course::Open)
    }

    pub(super) fn may_limit(&self) -> bool {
        self.has_subscription() && !self.is_limited
    }

    pub(super) fn may_drain_subscription(&self) -> bool {
        self.has_subscription() && !self.is_ending
    }

    pub(super) fn has_subscription(&self) -> bool {
        self.subscription == Course::Open
    }

    /// There is a subscription that holds.
    pub(super) fn wants_interest(&self) -> bool {
        self.has_subscription() && !self.is_ending
    }

    pub(super) fn is_server_lying(&self) -> bool {
        self.publishes.is_server_lying()
    }

    /// What is to be waited for: a subscription that is being drained, a request, a flush or a measurement.
    pub(super) fn is_waiting(&self) -> bool {
        let [subscription, request, flush, round_trip] = self.open();
        (subscription && self.is_ending) || request || flush || round_trip
    }

    pub(super) fn is_drain_unfinished(&self) -> bool {
        self.is_draining && !self.is_drain_finished
    }

    pub(super) fn is_in_session(&self) -> bool {
        self.place == Place::Session
    }

    pub(super) fn subscription_began(&mut self) {
        (self.subscription, self.is_limited, self.is_ending) = (Course::Open, false, false);
        (self.received, self.received_before) = (0, 0);
    }

    pub(super) fn limited(&mut self) {
        self.is_limited = true;
    }

    pub(super) fn subscription_drains(&mut self) {
        self.is_ending = true;
    }

    pub(super) fn request_began(&mut self, request: RequestId) {
        (self.request, self.request_id) = (Course::Open, Some(request));
        (self.is_request_read, self.replies) = (false, None);
    }

    /// How many replies the request has, while it waits for one.
    pub(super) fn answered(&self) -> Option<u8> {
        (self.request == Course::Open).then_some(self.replies.unwrap_or_default())
    }

    pub(super) fn several_may_answer(&mut self) {
        self.replies = Some(0);
    }

    pub(super) fn request_cancelled(&mut self) -> Result<(), String> {
        self.request.settle("the request")
    }

    pub(super) fn flush_began(&mut self, flush: FlushId) {
        (self.flush, self.flush_id) = (Course::Open, Some(flush));
    }

    pub(super) fn round_trip_began(&mut self, round_trip: RoundTripId) {
        (self.round_trip, self.round_trip_id) = (Course::Open, Some(round_trip));
    }

    pub(super) fn publishes(&mut self) -> &mut Publishes {
        &mut self.publishes
    }

    pub(super) fn drain_began(&mut self) {
        (self.is_draining, self.is_ending) = (true, true);
    }

    pub(super) fn close_began(&mut self) {
        self.is_closing = true;
    }

    pub(super) fn drain_finished(&mut self) {
        self.is_drain_finished = true;
    }

    pub(super) fn forced(&mut self) {
        self.grammar.may_be_cut_short();
        self.forces = self.forces.saturating_add(1);
    }

    pub(super) fn time_passed(&mut self) {
        self.dials = 0;
    }
}

/// Events and bytes.
impl Checks {
    pub(super) fn event(&mut self, event: &Event, delivery: Delivery) -> Result<(), String> {
        self.grammar.event(event)?;
        self.publishes.event(event, delivery)?;
        match event {
            Event::Connection(ConnectionEvent::Connecting { .. }) if self.is_closing => {
                return Err(String::from("a server is dialled after the close"));
            }
            Event::Connection(ConnectionEvent::Connecting { .. }) => {
                self.dials = self.dials.saturating_add(1);
                self.has_failed = false;
            }
            Event::Connection(ConnectionEvent::ConnectFailed { .. }) => self.has_failed = true,
            Event::Connection(ConnectionEvent::Connected(_) | ConnectionEvent::Reconnected(_)) => {
                self.place = Place::Session
            }
            Event::Connection(ConnectionEvent::Disconnected { .. }) => self.place = Place::Outside,
            Event::Connection(ConnectionEvent::Closed { reason, .. }) => {
                self.place = Place::Closed;
                let is_right = match reason {
                    ClosedReason::Requested => self.is_closing,
                    ClosedReason::Drained { .. } => self.is_draining,
                    _ => self.has_failed,
                };
                if !is_right {
                    return Err(format!("it closes by itself: {}", reason.code()));
                }
                if self.open().contains(&true) {
                    return Err(String::from("closed before everything was settled"));
                }
            }
            Event::Message { .. } => self.message()?,
            Event::SubscriptionEnded { .. } => self.subscription.settle("the subscription")?,
            Event::Response { request, .. } if self.is_asked(*request, false) => {
                self.request.settle("the request")?;
            }
            Event::Reply { request, .. } if self.is_asked(*request, true) => self.reply()?,
            Event::RepliesEnded { request, result } if self.is_asked(*request, true) => {
                self.request.settle("the request")?;
                self.replies_ended(result)?;
            }
            Event::Response { .. } | Event::Reply { .. } | Event::RepliesEnded { .. } => {
                return Err(String::from("a response that nobody asked for"));
            }
            Event::Flushed { flush, .. } if Some(*flush) == self.flush_id => {
                self.flush.settle("the flush")?;
            }
            Event::Flushed { .. } => return Err(String::from("a flush that nobody asked for")),
            Event::RoundTrip { round_trip, .. } if Some(*round_trip) == self.round_trip_id => {
                self.round_trip.settle("the measurement")?;
            }
            Event::RoundTrip { .. } => return Err(String::from("a measurement that nobody asked for")),
            _ => {}
        }
        Ok(())
    }

    /// Whether this is the request, and one that several may answer or that has one answer.
    fn is_asked(&self, request: RequestId, many: bool) -> bool {
        Some(request) == self.request_id && self.replies.is_some() == many
    }

    fn reply(&mut self) -> Result<(), String> {
        let replies = self.replies.map_or(1, |replies| replies.saturating_add(1));
        self.replies = Some(replies);
        if self.request != Course::Open || replies > REPLIES {
            return Err(format!(
                "reply {replies} of {REPLIES} to a request that is {:?}",
                self.request
            ));
        }
        Ok(())
    }

    fn replies_ended(&self, result: &Result<RepliesEnd, RequestError>) -> Result<(), String> {
        let replies = self.replies.unwrap_or_default();
        let is_right = match result {
            Ok(RepliesEnd::MaxReached) => replies == REPLIES,
            // Without a reply there is none that the next one could be too late after.
            Ok(RepliesEnd::Stalled) => (1..REPLIES).contains(&replies),
            Ok(RepliesEnd::Sentinel) => false,
            _ => replies < REPLIES,
        };
        match is_right {
            true => Ok(()),
            false => Err(format!("after {replies} replies it ends with {result:?}")),
        }
    }

    fn message(&mut self) -> Result<(), String> {
        if self.subscription != Course::Open {
            return Err(String::from("a message after the end of its subscription"));
        }
        self.received = self.received.saturating_add(1);
        if self.is_limited && self.received > MAX {
            return Err(format!(
                "the subscription gets message {} of {MAX}",
                self.received
            ));
        }
        Ok(())
    }

    /// The server has read these frames.
    pub(super) fn read(
        &mut self,
        frames: &[Frame],
        subscription: Option<u64>,
        delivery: Delivery,
    ) -> Result<(), String> {
        for frame in frames {
            match frame {
                Frame::Publish(payload) => self.publishes.read(payload, delivery)?,
                Frame::Request(number) if self.request_id.is_none_or(|id| id.as_u64() != *number) => {}
                Frame::Request(_) if std::mem::replace(&mut self.is_request_read, true) => {
                    return Err(String::from("the request reaches the server twice"));
                }
                Frame::Subscribe(sid) if Some(*sid) == subscription => self.received_before = self.received,
                _ => {}
            }
        }
        Ok(())
    }

    /// These bytes are to be written.
    pub(super) fn handed_out(&self, text: &str) -> Result<(), String> {
        let allowed =
            |line: &str| line.is_empty() || line.starts_with("CONNECT ") || matches!(line, "PING" | "PONG");
        if self.place != Place::Session
            && let Some(line) = text.split("\r\n").find(|line| !allowed(line))
        {
            return Err(format!("{line:?} is written before the handshake's PONG"));
        }
        if text.contains("PUB q ") && self.request != Course::Open {
            return Err(String::from("a request that is settled is written"));
        }
        Ok(())
    }

    /// What a link that is gone has left.
    fn left_behind(&self) -> Result<(), String> {
        let [_, request, flush, round_trip] = self.open();
        if self.place == Place::Outside && (flush || round_trip) {
            return Err(String::from("a flush or a measurement outlives its link"));
        }
        if self.place == Place::Outside && request && self.is_request_read {
            return Err(String::from("a request that was written outlives its link"));
        }
        Ok(())
    }

    /// What the server knows, once everything was written and processed, is what the application wants.
    fn interest(&self, server: &Server, subscription: Option<u64>) -> Result<(), String> {
        let told = subscription.and_then(|sid| server.told(sid));
        let wanted = self.wants_interest();
        let max = self.is_limited.then(|| MAX.saturating_sub(self.received_before));
        // One that ends by its maximum does so at both ends.
        let is_missing = told.is_none_or(|told| told.is_over && told.max.is_none());
        match told {
            _ if wanted && is_missing => {
                return Err(String::from("the server was not told of the subscription"));
            }
            Some(told) if wanted && told.max != max => {
                return Err(format!(
                    "the server was told a maximum of {:?} instead of {max:?}",
                    told.max
                ));
            }
            _ => {}
        }
        let is_forgotten = |sid: u64| Some(sid) != subscription || !wanted;
        if server
            .interest()
            .any(|(sid, told)| is_forgotten(sid) && !told.is_inbox && told.max.is_none())
        {
            return Err(String::from("the server still has a subscription that has ended"));
        }
        // After a PONG too many, a refusal of the inbox is taken for one of something else.
        let is_known = self.is_server_lying() || server.inbox().is_some();
        if self.request == Course::Open && !is_known {
            return Err(String::from(
                "a request waits, and the server does not know the inbox",
            ));
        }
        Ok(())
    }
}

impl World {
    /// What holds after every input.
    pub(super) fn check(&self, after_timeout: bool) -> Result<(), String> {
        self.check_numbers()?;
        let is_closed = self.connection.state() == State::Closed;
        if is_closed != (self.checks.place == Place::Closed) {
            return Err(String::from(
                "the state and the events do not agree on whether it is closed",
            ));
        }
        match self.connection.poll_timeout() {
            Some(at) if at < self.now || (after_timeout && at == self.now) => {
                return Err(format!("a deadline at {at:?}, and it is {:?}", self.now));
            }
            // A driver that is asked for a server may take its time.
            None if self.choice.is_some() => {}
            None if !is_closed => return Err(String::from("no deadline: it would wait for ever")),
            Some(at) if is_closed => return Err(format!("it is closed and has a deadline at {at:?}")),
            _ => {}
        }
        // A forced reconnect and a new pool give every server its turn again; one may be learned.
        let learned = u64::from(self.scope.budget.infos > 0);
        let servers = self.scope.config.servers.len() as u64 + learned;
        let chosen = self.scope.budget.choices - self.budget.choices;
        let most = servers * (1 + u64::from(self.checks.forces)) + u64::from(chosen);
        if u64::from(self.checks.dials) > most {
            return Err(format!("{} dials and no time has passed", self.checks.dials));
        }
        self.checks.left_behind()?;
        self.check_interest()
    }

    fn check_interest(&self) -> Result<(), String> {
        let resting = self.driver.as_ref().filter(|driver| {
            driver.stage == Stage::Open && driver.tx.is_empty() && self.checks.is_in_session()
        });
        match resting {
            Some(driver) => {
                driver.expects.at_rest()?;
                let subscription = self.subscription.map(|sid| sid.get());
                self.checks.interest(&driver.server, subscription)
            }
            None => Ok(()),
        }
    }

    fn check_numbers(&self) -> Result<(), String> {
        let fates = self.connection.publish_fates();
        let sum = fates.queued + fates.written + fates.confirmed + fates.unconfirmed + fates.dropped;
        if sum != fates.accepted {
            return Err(format!("the fates of publishes do not add up: {fates:?}"));
        }
        let statistics = self.connection.statistics();
        let open = u64::from(self.checks.subscription == Course::Open);
        if statistics.subscriptions != open {
            return Err(format!(
                "{} subscriptions, and {open} are open",
                statistics.subscriptions
            ));
        }
        let open = u64::from(self.checks.request == Course::Open);
        if statistics.requests != open {
            return Err(format!("{} requests, and {open} are open", statistics.requests));
        }
        Ok(())
    }
}
