//! What always has to hold.

use std::time::Duration;

use nats_conn_sm::{
    ConnectionEvent, Event, FlushId, LinkEnd, LinkId, Progress, Publish, ReceiveBuf, SendBuf, State,
};
use nats_proto::Subject;

use super::world::{Stage, World};
use crate::grammar::Grammar;
use crate::story;

/// What a life has come to, as far as it is needed to judge what follows.
#[derive(Clone, Debug, Default)]
pub(super) struct Checks {
    grammar: Grammar,
    place: Place,
    subscription: Course,
    is_limited: bool,
    request: Course,
    flush: Course,
    /// Its number is compared, and is no part of the state.
    flush_id: Option<FlushId>,
    is_draining: bool,
    is_drain_finished: bool,
    /// Dials since time passed, and forced reconnects.
    dials: u8,
    forces: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Outside,
    Session,
    Closed,
}

/// The life of an id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    pub(super) fn key(&self) -> impl std::fmt::Debug + '_ {
        (&self.grammar, self.dials, self.forces)
    }

    /// What decides what may follow.
    pub(super) fn courses(&self) -> impl std::fmt::Debug + '_ {
        let Self {
            grammar: _,
            place,
            subscription,
            is_limited,
            request,
            flush,
            flush_id: _,
            is_draining,
            is_drain_finished,
            dials: _,
            forces: _,
        } = self;
        (
            (place, subscription, is_limited, request, flush),
            (is_draining, is_drain_finished),
        )
    }

    /// Whether there are a subscription, a request and a flush that are not settled.
    pub(super) fn open(&self) -> [bool; 3] {
        [self.subscription, self.request, self.flush].map(|course| course == Course::Open)
    }

    pub(super) fn may_limit(&self) -> bool {
        self.has_subscription() && !self.is_limited
    }

    pub(super) fn has_subscription(&self) -> bool {
        self.subscription == Course::Open
    }

    pub(super) fn is_drain_unfinished(&self) -> bool {
        self.is_draining && !self.is_drain_finished
    }

    pub(super) fn is_in_session(&self) -> bool {
        self.place == Place::Session
    }

    pub(super) fn subscription_began(&mut self) {
        (self.subscription, self.is_limited) = (Course::Open, false);
    }

    pub(super) fn limited(&mut self) {
        self.is_limited = true;
    }

    pub(super) fn request_began(&mut self) {
        self.request = Course::Open;
    }

    pub(super) fn flush_began(&mut self, flush: FlushId) {
        (self.flush, self.flush_id) = (Course::Open, Some(flush));
    }

    pub(super) fn drain_began(&mut self) {
        self.is_draining = true;
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
    pub(super) fn event(&mut self, event: &Event) -> Result<(), String> {
        self.grammar.event(event)?;
        match event {
            Event::Connection(ConnectionEvent::Connecting { .. }) => {
                self.dials = self.dials.saturating_add(1)
            }
            Event::Connection(ConnectionEvent::Connected(_) | ConnectionEvent::Reconnected(_)) => {
                self.place = Place::Session
            }
            Event::Connection(ConnectionEvent::Disconnected { .. }) => self.place = Place::Outside,
            Event::Connection(ConnectionEvent::Closed { .. }) => {
                self.place = Place::Closed;
                let open = [self.subscription, self.request, self.flush];
                if open.contains(&Course::Open) {
                    return Err(format!("closed before everything was settled: {self:?}"));
                }
            }
            Event::Message { .. } if self.subscription != Course::Open => {
                return Err(String::from("a message after the end of its subscription"));
            }
            Event::SubscriptionEnded { .. } => self.subscription.settle("the subscription")?,
            Event::Response { .. } => self.request.settle("the request")?,
            Event::Flushed { flush, .. } if Some(*flush) == self.flush_id => {
                self.flush.settle("the flush")?
            }
            Event::Flushed { .. } => return Err(String::from("a flush that nobody asked for")),
            _ => {}
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
            None if !is_closed => return Err(String::from("no deadline: it would wait for ever")),
            Some(at) if is_closed => return Err(format!("it is closed and has a deadline at {at:?}")),
            _ => {}
        }
        // A forced reconnect gives every server its turn again.
        let most = self.scope.config.servers.len() as u64 * (1 + u64::from(self.checks.forces));
        if u64::from(self.checks.dials) > most {
            return Err(format!("{} dials and no time has passed", self.checks.dials));
        }
        Ok(())
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

    /// What holds in every state: answers about links that are gone or were never there, steps that are not due, and
    /// looking, change nothing; and after the end nothing is accepted.
    ///
    /// # Errors
    /// What does not hold.
    pub fn verify(&self) -> Result<(), String> {
        let is_closed = self.connection.state() == State::Closed;
        let mut copy = self.clone();
        let (now, connection) = (copy.now, &mut copy.connection);
        let present = connection.link();
        let last = self.driver.as_ref().map_or(0, |driver| driver.link.as_u64());
        for number in [0, last.saturating_sub(1), last, last + 1] {
            let link = LinkId::from_u64(number);
            let stage = self.driver.as_ref().map(|driver| driver.stage);
            let is_present = Some(link) == present;
            if !is_present || stage != Some(Stage::Dialing) {
                connection.handle_connected(now, link);
            }
            if !is_present || stage != Some(Stage::Tls) {
                connection.handle_tls(now, link, 0);
            }
            if !is_present {
                connection.handle_progress(now, link, Progress::Dialing);
                connection.handle_link_closed(now, link, LinkEnd::Eof, &mut SendBuf::new(link));
                connection.handle_written(now, &mut SendBuf::new(link));
                let mut rx = ReceiveBuf::new(link);
                rx.buffer_mut().extend_from_slice(b"PONG\r\nMSG a 1 1\r\nx\r\n");
                if connection.poll_event(now, &mut rx).is_some()
                    || connection.poll_transmit(now, &mut SendBuf::new(link))
                {
                    return Err(format!("something came of {link:?}, which is not there"));
                }
            }
        }
        if connection.poll_timeout().is_none_or(|at| at > now) {
            connection.handle_timeout(now);
        }
        let _ = (connection.why(now + Duration::from_secs(1)), connection.servers());
        if is_closed {
            let subject = Subject::from_static("p");
            let refused = connection.publish(Publish::new(&subject, "xy")).is_err()
                && connection.flush(now).is_err()
                && connection.drain(now).is_err()
                && connection.force_reconnect(now).is_err();
            if !refused {
                return Err(String::from("it is closed and accepts something"));
            }
            connection.close(now);
        }
        let (action, event) = (connection.poll_action(), connection.take_event());
        if action.is_some() || event.is_some() {
            return Err(format!("of what concerns nobody came {action:?} and {event:?}"));
        }
        if copy.form() != self.form() {
            return Err(String::from("what concerns nobody has changed the state"));
        }
        Ok(())
    }
}

/// The line of a story.
pub(super) fn lines(events: &[Event]) -> String {
    let all = events
        .iter()
        .map(|event| story::line(event).unwrap_or_else(|| story::name(event).to_owned()));
    all.collect::<Vec<_>>().join(", ")
}
