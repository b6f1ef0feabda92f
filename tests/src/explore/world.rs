//! A machine with a driver that behaves. The server is whoever chooses the inputs.

use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use nats_conn_sm::exploring;
use nats_conn_sm::{
    Action, Connection, Event, LinkEnd, LinkId, Publish, ReceiveBuf, RequestId, SendBuf, State, Timestamp,
};
use nats_proto::{Sid, Subject, SubjectFilter};

use super::check::Checks;
use super::input::{Input, Op};
use super::scope::{Budget, Scope};

/// More rounds of a driver's loop than these, without anything from outside, are a cycle.
const ROUNDS: usize = 200;
const INFO: &str = r#"{"server_id":"S","version":"2.11.0","proto":1,"headers":true,"max_payload":1048576"#;

/// A machine, its driver, and what is known of its life so far.
pub struct World {
    pub(super) scope: Arc<Scope>,
    pub(super) connection: Connection,
    pub(super) now: Timestamp,
    pub(super) driver: Option<Driver>,
    pub(super) budget: Budget,
    pub(super) subscription: Option<Sid>,
    pub(super) request: Option<RequestId>,
    /// The sid of the inbox and the reply subject of the request, as they were written.
    pub(super) reply_to: Option<(String, String)>,
    pub(super) checks: Checks,
    /// What happened because of the last input.
    pub(super) events: Vec<Event>,
}

/// What the driver knows of its link.
pub(super) struct Driver {
    pub(super) link: LinkId,
    pub(super) stage: Stage,
    pub(super) rx: ReceiveBuf,
    pub(super) tx: SendBuf,
    /// What the server has left out of its last frame.
    pub(super) rest: &'static [u8],
    pub(super) info_came: bool,
    /// PINGs that were written and not answered.
    pub(super) pings: u8,
    /// The server has answered some of them, and answers the rest before time passes: what answers ever fewer PINGs than
    /// it gets has no end of states.
    pub(super) is_answering: bool,
    /// PINGs in the block that is being written.
    pub(super) pings_in_hand: u8,
    /// A part of the block was taken.
    pub(super) is_cut: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    Dialing,
    Tls,
    Open,
    /// The machine has given it up; the last answer is due.
    Leaving,
    /// The last answer was given.
    Gone,
}

impl Clone for Driver {
    fn clone(&self) -> Self {
        Self {
            rx: exploring::copy_received(&self.rx),
            tx: exploring::copy_unsent(&self.tx),
            ..*self
        }
    }
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
        let connection = Connection::new(scope.config.clone(), [7; 32], now).expect("usable settings");
        let mut world = Self {
            scope: Arc::clone(scope),
            connection,
            now,
            driver: None,
            budget: scope.budget,
            subscription: None,
            request: None,
            reply_to: None,
            checks: Checks::default(),
            events: Vec::new(),
        };
        world.settle().expect("a good beginning");
        for &input in &scope.beginning {
            world.apply(input).expect("a good beginning");
        }
        world.budget = scope.budget;
        world
    }

    /// What happened because of the last input.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The machine.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The canonical form of the machine and its buffers.
    pub fn form(&self) -> Vec<u8> {
        match &self.driver {
            Some(driver) => exploring::canonical_with(&self.connection, &driver.rx, &driver.tx),
            None => exploring::canonical(&self.connection),
        }
    }

    /// Everything that what may happen next depends on.
    pub fn key(&self) -> Vec<u8> {
        let mut key = self.likeness();
        // After the end nothing happens but the end of the link.
        if self.connection.state() != State::Closed {
            let budget = format!("{:?}{:?}", self.budget, self.checks.key());
            key.extend_from_slice(budget.as_bytes());
        }
        key
    }

    /// The same without how often things may happen, and without what is only needed to judge them.
    pub fn likeness(&self) -> Vec<u8> {
        let mut likeness = self.form();
        let driver = self.driver.as_ref().map(|driver| {
            (
                driver.stage,
                driver.rest,
                (driver.info_came, driver.pings, driver.pings_in_hand),
                (driver.is_cut, driver.is_answering),
            )
        });
        let asked = (
            self.subscription.is_some(),
            self.request.is_some(),
            self.reply_to.as_ref().map(|(_, subject)| subject.is_empty()),
        );
        let rest = format!("{driver:?}{asked:?}{:?}", self.checks.courses());
        likeness.extend_from_slice(rest.as_bytes());
        likeness
    }

    /// Lets this happen, and everything that the driver does because of it.
    ///
    /// # Errors
    /// What does not hold.
    pub fn apply(&mut self, input: Input) -> Result<(), String> {
        self.events.clear();
        self.pay(input);
        match input {
            Input::Publish => self.publish(),
            Input::Subscribe => self.subscribe(),
            Input::Limit => self.limit(),
            Input::Unsubscribe => self.unsubscribe(),
            Input::Request => self.ask(),
            Input::Flush => {
                if let Ok(flush) = self.connection.flush(self.now) {
                    self.checks.flush_began(flush);
                }
            }
            Input::Drain => {
                if self.connection.drain(self.now).is_ok() {
                    self.checks.drain_began();
                }
            }
            Input::FinishDrain => {
                self.checks.drain_finished();
                self.connection.finish_drain(self.now, 0);
            }
            Input::Close => self.connection.close(self.now),
            Input::ForceReconnect => {
                if self.connection.force_reconnect(self.now).is_ok() {
                    self.checks.forced();
                }
            }
            Input::Timeout => self.time_passes(),
            _ => self.drive(input),
        }
        self.settle()?;
        self.check(input == Input::Timeout)
    }

    fn publish(&mut self) {
        let subject = Subject::from_static("p");
        let _ = self.connection.publish(Publish::new(&subject, "xy"));
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
            let _ = self.connection.unsubscribe_after(self.now, sid, 2);
        }
    }

    fn unsubscribe(&mut self) {
        if let Some(sid) = self.subscription {
            let _ = self.connection.unsubscribe(self.now, sid);
        }
    }

    fn ask(&mut self) {
        let subject = Subject::from_static("q");
        let timeout = Duration::from_secs(3);
        if let Ok(request) = self
            .connection
            .request(self.now, Publish::new(&subject, "?"), timeout)
        {
            self.checks.request_began();
            self.request = Some(request);
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

    /// What the driver, its transport and the server do.
    fn drive(&mut self, input: Input) {
        let bytes = match input {
            Input::Say(op) | Input::SayAndEnd(op) => self.bytes(op).into_bytes(),
            Input::Begin(op) => self.half(op),
            _ => Vec::new(),
        };
        let (now, connection) = (self.now, &mut self.connection);
        let Some(driver) = &mut self.driver else { return };
        let link = driver.link;
        match input {
            Input::Connected => {
                driver.stage = Stage::Open;
                connection.handle_connected(now, link);
            }
            Input::DialFails => {
                let end = LinkEnd::Dial {
                    kind: "connection_refused",
                    detail: "refused".into(),
                };
                driver.end(connection, now, end);
            }
            Input::TlsDone => {
                driver.stage = Stage::Open;
                connection.handle_tls(now, link, 0);
            }
            Input::TlsFails => driver.end(connection, now, LinkEnd::Tls { detail: "no".into() }),
            Input::WriteAll => {
                driver.tx.advance(driver.tx.remaining());
                driver.pings = driver.pings.saturating_add(driver.pings_in_hand);
                driver.pings_in_hand = 0;
                connection.handle_written(now, &mut driver.tx);
            }
            Input::WriteOne => {
                driver.is_cut = true;
                driver.tx.advance(1);
            }
            Input::WriteMost => {
                driver.is_cut = true;
                driver.tx.advance(driver.tx.remaining().saturating_sub(1));
            }
            Input::LastAnswer => driver.end(connection, now, LinkEnd::Requested),
            Input::Say(op) => {
                driver.hear(op);
                driver.rx.buffer_mut().extend_from_slice(&bytes);
            }
            Input::Begin(_) => driver.rx.buffer_mut().extend_from_slice(&bytes),
            Input::Rest => {
                driver.rx.buffer_mut().extend_from_slice(driver.rest);
                driver.rest = &[];
            }
            Input::SayAndEnd(op) => {
                driver.hear(op);
                driver.rx.buffer_mut().extend_from_slice(&bytes);
                driver.end(connection, now, LinkEnd::Eof);
            }
            Input::Eof => driver.end(connection, now, LinkEnd::Eof),
            Input::EndUncertain => {
                driver.tx.mark_uncertain();
                driver.end(connection, now, LinkEnd::Eof);
            }
            _ => {}
        }
    }

    /// The first half of a frame. What is left out says nothing that has a name.
    fn half(&mut self, op: Op) -> Vec<u8> {
        let text = self.bytes(op);
        let rest: &'static [u8] = match op {
            Op::Pong => b"NG\r\n",
            Op::Info => b"}\r\n",
            _ => b"m\r\n",
        };
        if let Some(driver) = &mut self.driver {
            driver.hear(op);
            driver.rest = rest;
        }
        let mut bytes = text.into_bytes();
        bytes.truncate(bytes.len().saturating_sub(rest.len()));
        bytes
    }

    pub(super) fn bytes(&self, op: Op) -> String {
        match op {
            Op::Info => format!("INFO {INFO}}}\r\n"),
            Op::InfoTls => format!("INFO {INFO},\"tls_required\":true}}\r\n"),
            Op::InfoSmall => format!("INFO {},\"x\":1}}\r\n", INFO.replace("1048576", "1")),
            Op::InfoLameDuck => format!("INFO {INFO},\"ldm\":true}}\r\n"),
            Op::Pong => String::from("PONG\r\n"),
            Op::Ping => String::from("PING\r\n"),
            Op::Message => {
                let sid = self.subscription.map_or(99, Sid::get);
                format!("MSG a {sid} 1\r\nm\r\n")
            }
            Op::Reply => match &self.reply_to {
                Some((sid, subject)) => format!("MSG {subject} {sid} 1\r\nm\r\n"),
                None => String::from("+OK\r\n"),
            },
            Op::NoResponders => match &self.reply_to {
                Some((sid, subject)) => {
                    format!("HMSG {subject} {sid} 16 16\r\nNATS/1.0 503\r\n\r\n\r\n")
                }
                None => String::from("+OK\r\n"),
            },
            Op::Err(fault) => format!("-ERR '{}'\r\n", fault.text()),
            Op::Rubbish => String::from("rubbish\r\n"),
        }
    }

    /// The loop of a driver, until nothing is left to do.
    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..ROUNDS {
            let mut is_done = true;
            let mut nothing = ReceiveBuf::new(LinkId::from_u64(0));
            loop {
                let rx = self.driver.as_mut().map_or(&mut nothing, |driver| &mut driver.rx);
                let Some(event) = self.connection.poll_event(self.now, rx) else {
                    break;
                };
                is_done = false;
                self.checks.event(&event)?;
                self.events.push(event);
            }
            is_done &= !self.act_all();
            is_done &= !self.transmit()?;
            // A close asks for the end of the link once nothing is left to write.
            is_done &= !self.act_all();
            if is_done {
                return Ok(());
            }
        }
        Err(String::from(
            "the driver's loop does not come to an end although no time passes",
        ))
    }

    /// Whether there was anything to do.
    fn act_all(&mut self) -> bool {
        let mut any = false;
        while let Some(action) = self.connection.poll_action() {
            any = true;
            self.act(action);
        }
        any
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Connect { link, .. } => {
                self.driver = Some(Driver {
                    link,
                    stage: Stage::Dialing,
                    rx: ReceiveBuf::new(link),
                    tx: SendBuf::new(link),
                    rest: &[],
                    info_came: false,
                    pings: 0,
                    is_answering: false,
                    pings_in_hand: 0,
                    is_cut: false,
                });
            }
            Action::UpgradeTls { link, .. } => self.stage(link, Stage::Tls),
            Action::Disconnect { link, .. } => self.stage(link, Stage::Leaving),
            Action::Authenticate { .. } | Action::ChooseServer { .. } => {}
        }
    }

    fn stage(&mut self, link: LinkId, stage: Stage) {
        if let Some(driver) = self.driver.as_mut().filter(|driver| driver.link == link) {
            driver.stage = stage;
        }
    }

    fn transmit(&mut self) -> Result<bool, String> {
        let Some(driver) = self.driver.as_mut().filter(|driver| driver.stage == Stage::Open) else {
            return Ok(false);
        };
        if !driver.tx.is_empty() || !self.connection.poll_transmit(self.now, &mut driver.tx) {
            return Ok(false);
        }
        driver.is_cut = false;
        let bytes: Vec<u8> = driver.tx.chunks().flatten().copied().collect();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let pings = text.split("\r\n").filter(|line| *line == "PING").count();
        driver.pings_in_hand = u8::try_from(pings).unwrap_or(u8::MAX);
        self.checks.handed_out(&text)?;
        let inbox = |line: &str, op: &str| {
            line.starts_with(op)
                .then(|| line.split(' ').nth(2).map(str::to_owned))
        };
        for line in text.split("\r\n") {
            if let Some(Some(sid)) = inbox(line, "SUB _INBOX.") {
                let subject = self
                    .reply_to
                    .take()
                    .map_or_else(String::new, |(_, subject)| subject);
                self.reply_to = Some((sid, subject));
            }
            if let Some(Some(subject)) = inbox(line, "PUB q _INBOX.")
                && let Some((sid, _)) = self.reply_to.take()
            {
                self.reply_to = Some((sid, subject));
            }
        }
        Ok(true)
    }
}

impl Driver {
    fn end(&mut self, connection: &mut Connection, now: Timestamp, end: LinkEnd) {
        self.stage = Stage::Gone;
        self.rest = &[];
        connection.handle_link_closed(now, self.link, end, &mut self.tx);
    }

    fn hear(&mut self, op: Op) {
        match op {
            Op::Info | Op::InfoTls | Op::InfoSmall | Op::InfoLameDuck => self.info_came = true,
            Op::Pong => {
                self.pings = self.pings.saturating_sub(1);
                self.is_answering = self.pings > 0;
            }
            _ => {}
        }
    }
}
