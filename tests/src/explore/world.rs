//! A machine with a driver that behaves. The server is whoever chooses the inputs.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use nats_conn_sm::exploring;
use nats_conn_sm::{
    AttemptId, Connection, Event, Publish, RequestId, RequestMany, ServerId, State, Timestamp,
};
use nats_proto::{Sid, Subject, SubjectFilter};

use super::check::{Checks, MAX, REPLIES};
use super::driver::Driver;
use super::input::{Input, Op};
use super::scope::{Budget, Scope};

/// A machine, its driver, and what is known of its life so far.
pub struct World {
    pub(super) scope: Arc<Scope>,
    pub(super) connection: Connection,
    pub(super) now: Timestamp,
    pub(super) driver: Option<Driver>,
    /// The question which server is next, until it is answered.
    pub(super) choice: Option<Choice>,
    pub(super) budget: Budget,
    pub(super) subscription: Option<Sid>,
    pub(super) request: Option<RequestId>,
    /// The sid of the inbox and the reply subject of the request, as they were written.
    pub(super) reply_to: Option<(String, String)>,
    pub(super) checks: Checks,
    /// What happened because of the last input.
    pub(super) events: Vec<Event>,
    /// What was handed out because of it.
    pub(super) handed: Vec<String>,
}

/// A question which server is next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub(super) attempt: AttemptId,
    pub(super) default: ServerId,
    pub(super) delay: Duration,
    /// Another one of the pool.
    pub(super) other: Option<ServerId>,
}

impl Clone for World {
    fn clone(&self) -> Self {
        Self {
            scope: Arc::clone(&self.scope),
            connection: self.connection.clone(),
            driver: self.driver.clone(),
            reply_to: self.reply_to.clone(),
            checks: self.checks.clone(),
            events: Vec::new(),
            handed: Vec::new(),
            ..*self
        }
    }
}

impl World {
    /// The first state: the first server is being dialled, and then came what every life begins with.
    ///
    /// # Panics
    /// If the settings cannot be used, or the first state is wrong already.
    pub fn new(scope: &Arc<Scope>, now: Timestamp) -> Self {
        Self::begin(scope, now).expect("a good beginning")
    }

    /// The first state, and what is wrong with it.
    pub(super) fn begin(scope: &Arc<Scope>, now: Timestamp) -> Result<Self, String> {
        let connection =
            Connection::new(scope.config.clone(), [7; 32], now).map_err(|error| error.to_string())?;
        let mut world = Self {
            scope: Arc::clone(scope),
            connection,
            now,
            driver: None,
            choice: None,
            budget: scope.budget,
            subscription: None,
            request: None,
            reply_to: None,
            checks: Checks::default(),
            events: Vec::new(),
            handed: Vec::new(),
        };
        world.settle()?;
        for &input in &scope.beginning {
            world.apply(input)?;
        }
        world.budget = scope.budget;
        Ok(world)
    }

    /// What happened because of the last input.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// What was handed to the transport because of the last input.
    pub fn handed(&self) -> &[String] {
        &self.handed
    }

    /// The machine.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Forgets what happened because of the last input.
    pub(super) fn forget(&mut self) {
        (self.events, self.handed) = (Vec::new(), Vec::new());
    }

    /// The canonical form of the machine and its buffers.
    pub fn form(&self) -> Vec<u8> {
        match &self.driver {
            Some(driver) => exploring::canonical_with(&self.connection, &driver.rx, &driver.tx),
            None => exploring::canonical(&self.connection),
        }
    }

    /// Everything that what may happen next depends on, given the form.
    pub(super) fn key(&self, form: Vec<u8>) -> Vec<u8> {
        let mut key = Bytes(self.likeness_of(form));
        // After the end nothing happens but the end of the link.
        if self.connection.state() != State::Closed {
            self.budget.hash(&mut key);
            self.checks.hash_judgement(&mut key);
        }
        key.0
    }

    /// The same without how often things may happen, and without what is only needed to judge them.
    pub fn likeness(&self) -> Vec<u8> {
        self.likeness_of(self.form())
    }

    fn likeness_of(&self, form: Vec<u8>) -> Vec<u8> {
        let mut likeness = Bytes(form);
        if let Some(driver) = &self.driver {
            driver.hash(self.subscription, &mut likeness);
        }
        (self.subscription.is_some(), self.request.is_some()).hash(&mut likeness);
        let choice = self.choice.map(|choice| (choice.delay, choice.other.is_some()));
        choice.hash(&mut likeness);
        let reply_to = self.reply_to.as_ref();
        reply_to
            .map(|(_, subject)| subject.is_empty())
            .hash(&mut likeness);
        self.checks.hash_courses(&mut likeness);
        likeness.0
    }
}

/// What happens.
impl World {
    /// Lets this happen, and everything that the driver does because of it.
    ///
    /// # Errors
    /// What does not hold.
    pub fn apply(&mut self, input: Input) -> Result<(), String> {
        self.forget();
        let answered = self.checks.answered().filter(|_| self.is_answer(input));
        self.pay(input);
        match input {
            Input::Publish => self.publish(),
            Input::Subscribe => self.subscribe(),
            Input::Limit => self.limit(),
            Input::Unsubscribe => self.unsubscribe(),
            Input::DrainSubscription => self.drain_subscription(),
            Input::Request => self.ask(),
            Input::RequestMany => self.ask_many(),
            Input::Cancel => self.cancel()?,
            Input::Flush => {
                if let Ok(flush) = self.connection.flush(self.now) {
                    self.checks.flush_began(flush);
                }
            }
            Input::RoundTrip => {
                if let Ok(round_trip) = self.connection.rtt(self.now) {
                    self.checks.round_trip_began(round_trip);
                }
            }
            Input::Drain => {
                if self.connection.drain(self.now).is_ok() {
                    self.checks.drain_began();
                    self.nothing_to_restore();
                }
            }
            Input::FinishDrain => {
                self.checks.drain_finished();
                self.connection.finish_drain(self.now, 0);
            }
            Input::Close | Input::Abort => {
                self.checks.close_began();
                if input == Input::Close {
                    self.connection.close(self.now);
                } else {
                    self.connection.abort(self.now);
                }
            }
            Input::ForceReconnect => {
                if self.connection.force_reconnect(self.now).is_ok() {
                    self.checks.forced();
                }
            }
            Input::NewPool => {
                let servers = self.scope.config.servers.clone();
                if self.connection.set_servers(self.now, servers).is_ok() {
                    self.checks.forced();
                }
            }
            Input::ChooseDefault | Input::ChooseOther | Input::ChooseNone => self.choose(input),
            Input::Timeout => self.time_passes(),
            _ => self.drive(input)?,
        }
        self.settle()?;
        if answered.is_some_and(|before| self.checks.answered() == Some(before)) {
            return Err(String::from("a reply comes, and its request goes on waiting"));
        }
        self.check(input == Input::Timeout)
    }

    /// Whether this is the reply to the present request, from a server that has the inbox.
    fn is_answer(&self, input: Input) -> bool {
        let Some((sid, subject)) = &self.reply_to else {
            return false;
        };
        matches!(input, Input::Say(Op::Reply | Op::NoResponders))
            && self
                .request
                .is_some_and(|request| subject.ends_with(&format!(".{request}")))
            && self
                .driver
                .as_ref()
                .and_then(|driver| driver.server.inbox())
                .is_some_and(|inbox| inbox.to_string() == *sid)
    }

    fn publish(&mut self) {
        let name = self.checks.publishes().next_name();
        let subject = Subject::from_static("p");
        // Two bytes: more than a server takes whose max_payload is 1.
        let payload = [name; 2];
        let publish = Publish::new(&subject, payload.as_slice());
        if let Ok(seq) = self.connection.publish(publish) {
            self.checks.publishes().began(seq, name);
        }
    }

    fn subscribe(&mut self) {
        let filter = SubjectFilter::new("a").expect("a filter");
        if let Ok(sid) = self.connection.subscribe(self.now, filter, None) {
            self.checks.subscription_began();
            self.subscription = Some(sid);
        }
    }

    fn limit(&mut self) {
        if let Some(sid) = self.subscription {
            self.checks.limited();
            let _ = self.connection.unsubscribe_after(self.now, sid, MAX);
        }
    }

    fn unsubscribe(&mut self) {
        if let Some(sid) = self.subscription {
            let _ = self.connection.unsubscribe(self.now, sid);
        }
    }

    fn drain_subscription(&mut self) {
        if let Some(sid) = self.subscription {
            self.checks.subscription_drains();
            self.nothing_to_restore();
            let _ = self.connection.drain_subscription(self.now, sid);
        }
    }

    /// What is being drained is not restored.
    fn nothing_to_restore(&mut self) {
        if let Some(driver) = &mut self.driver {
            driver.expects.is_restored();
        }
    }

    fn ask(&mut self) {
        let subject = Subject::from_static("q");
        let timeout = Duration::from_secs(3);
        if let Ok(request) = self
            .connection
            .request(self.now, Publish::new(&subject, "?"), timeout)
        {
            self.checks.request_began(request);
            self.request = Some(request);
        }
    }

    fn ask_many(&mut self) {
        let subject = Subject::from_static("q");
        let many = RequestMany::new(Duration::from_secs(3))
            .max(REPLIES.into())
            .stall(Duration::from_secs(1));
        let asked = self
            .connection
            .request_many(self.now, Publish::new(&subject, "?"), many);
        if let Ok(request) = asked {
            self.checks.request_began(request);
            self.checks.several_may_answer();
            self.request = Some(request);
        }
    }

    fn choose(&mut self, input: Input) {
        let Some(choice) = self.choice.take() else { return };
        let (server, delay) = match (input, choice.other) {
            (Input::ChooseOther, Some(other)) => (other, Duration::ZERO),
            (Input::ChooseNone, _) => (ServerId::from_u64(u64::MAX), Duration::ZERO),
            _ => (choice.default, choice.delay),
        };
        self.connection
            .handle_server_choice(self.now, choice.attempt, server, delay);
    }

    fn cancel(&mut self) -> Result<(), String> {
        match self.request {
            Some(request) if self.connection.cancel_request(self.now, request) => {
                self.checks.request_cancelled()
            }
            _ => Err(String::from("a request that waits cannot be forgotten")),
        }
    }

    fn time_passes(&mut self) {
        if let Some(at) = self.connection.poll_timeout() {
            if at > self.now {
                self.checks.time_passed();
            }
            self.now = at.max(self.now);
            self.connection.handle_timeout(self.now);
        }
    }
}

/// Takes what a value gives to be hashed as it is.
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
