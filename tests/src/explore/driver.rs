//! The driver, its transport and the server: what they do, and the loop in between.

use std::hash::{Hash, Hasher};

use bytes::Buf;
use nats_conn_sm::exploring;
use nats_conn_sm::{
    Action, AuthError, Connection, Credentials, LinkEnd, LinkId, ReceiveBuf, SendBuf, Timestamp,
};
use nats_proto::Sid;

use super::expects::{Expects, Situation};
use super::input::{Fault, Input, Op};
use super::server::{Frame, Server};
use super::world::{Choice, World};

/// More rounds of a driver's loop than these, without anything from outside, are a cycle.
const ROUNDS: usize = 200;
const INFO: &str = r#"{"server_id":"S","version":"2.11.0","proto":1,"headers":true,"max_payload":1048576"#;

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
    /// It was asked for credentials, and has not answered.
    pub(super) is_asked: bool,
    /// A part of the block was taken.
    pub(super) is_cut: bool,
    /// What the server has read.
    pub(super) server: Server,
    /// What it may expect.
    pub(super) expects: Expects,
    /// When the machine gave the link up, all was written, and the server had answered every PING.
    was_answered: bool,
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
            server: self.server.clone(),
            ..*self
        }
    }
}

impl Driver {
    fn new(link: LinkId) -> Self {
        Self {
            link,
            stage: Stage::Dialing,
            rx: ReceiveBuf::new(link),
            tx: SendBuf::new(link),
            rest: &[],
            info_came: false,
            pings: 0,
            is_answering: false,
            pings_in_hand: 0,
            is_asked: false,
            is_cut: false,
            server: Server::default(),
            expects: Expects::default(),
            was_answered: false,
        }
    }

    /// What its buffers do not show.
    pub(super) fn hash(&self, subscription: Option<Sid>, to: &mut impl Hasher) {
        (self.stage, self.rest, self.info_came).hash(to);
        (self.pings, self.pings_in_hand, self.is_cut, self.is_answering).hash(to);
        (self.expects, self.was_answered, self.is_asked).hash(to);
        if self.server.inbox().is_some() {
            self.server.is_inbox_proven().hash(to);
        }
        let subscription = subscription.map(Sid::get);
        subscription.and_then(|sid| self.server.told(sid)).hash(to);
        for (sid, told) in self.server.interest() {
            (Some(sid) == subscription, told).hash(to);
        }
    }

    fn end(&mut self, connection: &mut Connection, now: Timestamp, end: LinkEnd) {
        self.stage = Stage::Gone;
        self.rest = &[];
        connection.handle_link_closed(now, self.link, end, &mut self.tx);
    }

    fn hear(&mut self, op: Op) {
        self.expects.sent(op);
        match op {
            Op::Info | Op::InfoTls | Op::InfoSmall | Op::InfoLameDuck | Op::InfoServers => {
                self.info_came = true
            }
            Op::Pong => {
                self.server.proves();
                self.pings = self.pings.saturating_sub(1);
                self.is_answering = self.pings > 0;
            }
            _ => {}
        }
    }

    /// The next so many bytes of the block.
    fn unsent(&self, count: usize) -> Vec<u8> {
        self.tx.chunks().flatten().take(count).copied().collect()
    }
}

/// What happens.
impl World {
    /// What the driver, its transport and the server do.
    pub(super) fn drive(&mut self, input: Input) -> Result<(), String> {
        self.take(input)?;
        let bytes = match input {
            Input::Say(op) | Input::SayAndEnd(op) => self.bytes(op).into_bytes(),
            Input::Begin(op) => self.half(op),
            _ => Vec::new(),
        };
        if let Input::Say(op) | Input::SayAndEnd(op) | Input::Begin(op) = input {
            self.sends(op);
        }
        let (now, connection) = (self.now, &mut self.connection);
        let Some(driver) = &mut self.driver else {
            return Ok(());
        };
        let link = driver.link;
        match input {
            Input::Credentials | Input::NoCredentials => {
                driver.is_asked = false;
                let nothing = AuthError::Unusable {
                    detail: "none".into(),
                };
                let user = || Credentials::user_password("ann", "secret");
                let answer = (input == Input::Credentials).then(user).ok_or(nothing);
                connection.handle_credentials(now, link, answer);
            }
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
                driver.pings = driver.pings.saturating_add(driver.pings_in_hand);
                driver.pings_in_hand = 0;
                connection.handle_written(now, &mut driver.tx);
            }
            Input::WriteOne | Input::WriteMost => driver.is_cut = true,
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
            Input::EndUncertain | Input::EndTaken => {
                driver.tx.mark_uncertain();
                driver.end(connection, now, LinkEnd::Eof);
            }
            _ => {}
        }
        Ok(())
    }

    /// The transport takes bytes, and the server reads them.
    fn take(&mut self, input: Input) -> Result<(), String> {
        let Some(driver) = &mut self.driver else {
            return Ok(());
        };
        let left = driver.tx.remaining();
        let count = match input {
            Input::WriteAll | Input::EndTaken => left,
            Input::WriteOne => 1,
            Input::WriteMost => left.saturating_sub(1),
            _ => return Ok(()),
        };
        let frames = driver.server.read(&driver.unsent(count));
        if input != Input::EndTaken {
            driver.tx.advance(count);
        }
        let subscription = self.subscription.map(Sid::get);
        for frame in &frames {
            match frame {
                Frame::Subscribe(sid) if Some(*sid) == subscription => driver.expects.is_restored(),
                Frame::Publish(_) => driver.expects.publish_read()?,
                _ => {}
            }
        }
        let delivery = self.scope.config.delivery;
        self.checks.read(&frames, subscription, delivery)
    }

    /// What the server takes down because it sends this.
    fn sends(&mut self, op: Op) {
        let Some(driver) = &mut self.driver else { return };
        match (op, self.subscription) {
            (Op::Message, Some(sid)) => driver.server.sends(sid.get()),
            (Op::Err(Fault::Inbox), _) => driver.server.inbox_over(),
            (Op::Pong, _) if driver.pings == 0 => self.checks.publishes().server_lies(),
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
            Op::InfoServers => format!("INFO {INFO},\"connect_urls\":[\"n3.test:4222\"]}}\r\n"),
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
            Op::Err(Fault::Inbox) => {
                let driver = self.driver.as_ref();
                driver.map_or_else(String::new, |driver| driver.server.refuses_inbox())
            }
            Op::Err(fault) => format!("-ERR '{}'\r\n", fault.text()),
            Op::Rubbish => String::from("rubbish\r\n"),
        }
    }
}

/// The loop.
impl World {
    /// The loop of a driver, until nothing is left to do.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        for _ in 0..ROUNDS {
            let mut is_done = !self.hear_all()?;
            is_done &= !self.act_all();
            is_done &= !self.transmit()?;
            // A close asks for the end of the link once nothing is left to write.
            is_done &= !self.act_all();
            if is_done {
                return self.checks.publishes().settle(&self.connection);
            }
        }
        Err(String::from(
            "the driver's loop does not come to an end although no time passes",
        ))
    }

    /// Takes all events. Whether there were any.
    fn hear_all(&mut self) -> Result<bool, String> {
        let mut any = false;
        let mut nothing = ReceiveBuf::new(LinkId::from_u64(0));
        loop {
            let rx = self.driver.as_mut().map_or(&mut nothing, |driver| &mut driver.rx);
            let Some(event) = self.connection.poll_event(self.now, rx) else {
                return Ok(any);
            };
            any = true;
            let situation = self.situation();
            let mut what = self.checks.event(&event, self.scope.config.delivery);
            if let Some(driver) = &mut self.driver {
                what = what.and_then(|()| driver.expects.event(&event, situation));
            }
            if let (Some(sid), Some(driver)) = (refused(&event), &mut self.driver) {
                driver.server.over(sid.get());
            }
            self.events.push(event);
            what?;
        }
    }

    fn situation(&self) -> Situation {
        let driver = self.driver.as_ref();
        let told = driver.zip(self.subscription);
        let told = told.and_then(|(driver, sid)| driver.server.told(sid.get()));
        Situation {
            is_in_session: self.checks.is_in_session()
                && driver.is_some_and(|driver| driver.stage == Stage::Open),
            has_interest: self.checks.wants_interest(),
            was_answered: driver.is_some_and(|driver| driver.was_answered),
            has_server_interest: told.is_some_and(|told| !told.is_over),
            is_server_lying: self.checks.is_server_lying(),
        }
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
                (self.choice, self.driver) = (None, Some(Driver::new(link)));
            }
            Action::UpgradeTls { link, .. } => self.stage(link, Stage::Tls),
            Action::Disconnect { link, .. } => self.stage(link, Stage::Leaving),
            Action::Authenticate { link, .. } => {
                if let Some(driver) = self.driver.as_mut().filter(|driver| driver.link == link) {
                    driver.is_asked = true;
                }
            }
            Action::ChooseServer {
                attempt,
                servers,
                default,
                default_delay,
            } => {
                let mut others = servers.iter().map(|status| status.server.id());
                self.choice = Some(Choice {
                    attempt,
                    default,
                    delay: default_delay,
                    other: others.find(|server| *server != default),
                });
            }
        }
    }

    fn stage(&mut self, link: LinkId, stage: Stage) {
        if let Some(driver) = self.driver.as_mut().filter(|driver| driver.link == link) {
            driver.was_answered = stage == Stage::Leaving && driver.tx.is_empty() && driver.pings == 0;
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
        let text = String::from_utf8_lossy(&driver.unsent(usize::MAX)).into_owned();
        let pings = text.split("\r\n").filter(|line| *line == "PING").count();
        driver.pings_in_hand = u8::try_from(pings).unwrap_or(u8::MAX);
        let what = driver.expects.handed_out(&text);
        self.note_request(&text);
        let what = what.and_then(|()| self.checks.handed_out(&text));
        self.handed.push(text);
        what.map(|()| true)
    }

    /// What a reply to the request needs.
    fn note_request(&mut self, text: &str) {
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
    }
}

fn refused(event: &nats_conn_sm::Event) -> Option<Sid> {
    match event {
        nats_conn_sm::Event::SubscriptionEnded {
            subscription,
            reason: nats_conn_sm::EndReason::Refused,
        } => Some(*subscription),
        _ => None,
    }
}
