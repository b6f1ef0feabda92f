//! The thread that writes, keeps the time, and does what the machine asks for.

use std::net::Shutdown;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nats_conn_client::driver::{
    Delivered, DriverParts, LinkSetup, Target, Turn, blocking, caught, dial_error, panicked,
};
use nats_conn_client::machine::{Action, AttemptId, LinkEnd, LinkId, ReceiveBuf, SendBuf, Server, ServerId};
use nats_conn_client::machine::{AuthError, ServerStatus};
use nats_conn_client::{Challenge, StartError};

use crate::attempt::{Attempt, Wanted};
use crate::connector::Std;
use crate::link::Link;
use crate::news::News;
use crate::ours::Ours;
use crate::outlet::{Outlet, SLICE};
use crate::reader::Reader;
use crate::stream::Stream;
use crate::tls::Session;
use crate::wire::{EVENTS_A_TURN, Wire};

/// How long a peer may take to end a link that was shut down. Closing a socket with unread bytes in it makes the system
/// tell the peer to throw away what it has not read yet: the last publishes.
const FAREWELL: Duration = Duration::from_millis(500);

/// Blocks that are written after a turn at most.
const BLOCKS_A_TURN: usize = 8;

/// How much longer than its attempt a thread goes on.
const SPARE: Duration = Duration::from_secs(1);

pub(crate) struct Driver {
    wire: Arc<Wire>,
    setup: Arc<LinkSetup>,
    adapter: Std,
    /// How long an attempt takes at most: nothing that was begun for it goes on longer, where that can be helped.
    attempt: Duration,
    transport: Transport,
    farewells: Vec<(Arc<Link>, Instant)>,
    /// What the machine gives while nothing was read by this thread.
    nothing: ReceiveBuf,
    /// The selector panicked: the attempt that it was asked about fails.
    selector_failed: Option<LinkEnd>,
    /// Another thread of the connection did.
    panicked: bool,
}

/// The transport of the present link.
enum Transport {
    Down,
    /// Whoever dials stops when this is dropped.
    Dialling(
        LinkId,
        #[expect(dead_code, reason = "its end is what counts")] Wanted,
    ),
    Up(Arc<Link>),
}

/// What came of a turn.
struct Outcome {
    /// What is left to be done about what happened.
    news: Vec<News>,
    actions: Vec<Action>,
    more: bool,
    closed: bool,
    /// Somebody waits for something that comes of reading.
    awaited: bool,
    until: Option<Instant>,
}

impl Driver {
    /// Runs a driver on a thread of its own.
    pub(crate) fn spawn(
        wire: Arc<Wire>,
        parts: DriverParts,
        adapter: Std,
        attempt: Duration,
    ) -> Result<(), StartError> {
        let mut driver = Self {
            wire,
            setup: parts.setup,
            adapter,
            attempt,
            transport: Transport::Down,
            farewells: Vec::new(),
            nothing: ReceiveBuf::new(LinkId::from_u64(0)),
            selector_failed: None,
            panicked: false,
        };
        let run = move || {
            Ours::new(&driver.wire.shared).enter();
            driver.run();
        };
        let thread = std::thread::Builder::new().name("nats-conn write".into());
        thread.spawn(run).map(drop).map_err(|error| StartError::NoDriver {
            detail: error.to_string(),
        })
    }

    fn run(&mut self) {
        let wire = self.wire.clone();
        while !self.panicked {
            let Some(mut outlet) = wire.writing.take() else {
                wire.bell.sleep(None);
                continue;
            };
            let (outcome, delivered) = self.turn(&mut outlet);
            let mut busy = outcome.more || delivered.again;
            for news in outcome.news {
                busy = true;
                self.happened(news, &mut outlet);
            }
            for action in outcome.actions {
                busy = true;
                self.act(action, &mut outlet);
            }
            busy |= self.write(&mut outlet);
            drop(outlet);
            if outcome.awaited
                && let Transport::Up(link) = &self.transport
            {
                // Whoever has called this thread may wait for an answer, and not on a thread that reads itself.
                link.reading.go_on();
            }
            self.end_farewells();
            if outcome.closed && self.farewells.is_empty() {
                return;
            }
            if !busy {
                wire.bell.sleep(outcome.until);
            }
        }
    }

    /// Writes the block that was taken, and those that follow it: what is published meanwhile needs no turn to leave. Says whether
    /// there was something.
    fn write(&self, outlet: &mut Outlet) -> bool {
        let mut busy = false;
        for _ in 0..BLOCKS_A_TURN {
            if !outlet.write() {
                break;
            }
            busy = true;
            if !outlet.is_empty() {
                break;
            }
            let written = self.wire.shared.written(Some(&mut outlet.tx), &self.wire.waker);
            if written.turn || !written.more {
                break;
            }
        }
        busy
    }

    /// Everything under the lock of the machine: reports the news, takes events, actions and bytes.
    fn turn(&mut self, outlet: &mut Outlet) -> (Outcome, Delivered) {
        let wire = &self.wire;
        wire.shared.drive(|turn| {
            let mut news = Vec::new();
            for next in wire.post.take() {
                news.extend(report(next, turn, &mut outlet.tx));
            }
            // Events follow, and the deadline says so where there are more.
            let _ = turn.timeouts();
            // Before events and actions, because it may bring some: that there is room again, that all is written.
            if outlet.is_empty() {
                let _ = turn.transmit(&mut outlet.tx);
            }
            let more = turn.events(&mut self.nothing, EVENTS_A_TURN);
            let mut actions = Vec::new();
            while let Some(action) = turn.action() {
                if let Action::Disconnect { link, .. } = action {
                    turn.link_closed(link, LinkEnd::Requested, &mut outlet.tx);
                }
                actions.push(action);
            }
            turn.sleep(&wire.waker);
            let farewells = self.farewells.iter().map(|(_, until)| *until);
            let until = turn.deadline().into_iter().chain(farewells).min();
            wire.plan(until);
            Outcome {
                news,
                actions,
                more,
                closed: turn.is_closed(),
                awaited: wire.is_awaited(turn),
                until,
            }
        })
    }

    /// Does what is left to be done about what happened.
    fn happened(&mut self, news: News, outlet: &mut Outlet) {
        match news {
            News::Dialled(id, Ok(stream)) => self.connected(id, stream, outlet),
            News::Session(id, Ok(session)) => {
                if let Transport::Up(link) = &self.transport
                    && link.id == id
                {
                    *link.session() = Some(session);
                }
            }
            News::Dialled(id, Err(_)) | News::Session(id, Err(_)) | News::Ended(id, _) => {
                self.lost(id, outlet)
            }
            News::Panicked => self.panicked = true,
            News::Credentials(..) | News::Choice(..) => {}
        }
    }

    /// A link is connected: the thread that reads it reports that to the machine.
    fn connected(&mut self, id: LinkId, stream: Stream, outlet: &mut Outlet) {
        if !matches!(self.transport, Transport::Dialling(wanted, _) if wanted == id) {
            return;
        }
        let writable = stream.0.set_write_timeout(SLICE);
        let link = Arc::new(Link::new(id, stream));
        let (reading, wire) = (link.clone(), self.wire.clone());
        let most = self.setup.read_buffer;
        let read = move || Reader::run(reading, wire, most);
        if let Err(error) = writable.and_then(|()| self.wire.post.elsewhere("nats-conn read", read)) {
            return self.wire.post.send(News::Ended(id, dial_error(&error)));
        }
        outlet.link = Some(link.clone());
        self.wire.set_link(Some(link.clone()));
        self.transport = Transport::Up(link);
    }

    /// A link has ended by itself, or an attempt at one.
    fn lost(&mut self, id: LinkId, outlet: &mut Outlet) {
        self.farewells.retain(|(link, _)| link.id != id);
        if outlet.link.as_ref().is_some_and(|link| link.id == id) {
            // An alert of TLS says why; everything else went back to the machine.
            outlet.tx = SendBuf::new(id);
            outlet.write();
        }
        self.leave(id, true, outlet);
    }

    fn act(&mut self, action: Action, outlet: &mut Outlet) {
        match action {
            Action::Connect { link, server } => self.connect(link, server, outlet),
            Action::UpgradeTls { link, server } => {
                let target = self.target(link, server);
                self.elsewhere(link, move || {
                    let session = caught(|| Session::new(&target));
                    News::Session(link, session.unwrap_or_else(|text| Err(panicked("TLS", &text))))
                });
            }
            Action::Authenticate { link, server, nonce } => {
                let identity = self.setup.identity.clone();
                let deadline = self.deadline();
                self.elsewhere(link, move || {
                    let answer = identity.answer(Challenge::new(server, nonce));
                    let answer = blocking::wait(deadline, pin!(answer));
                    News::Credentials(link, answer.unwrap_or_else(|| Err(too_late())))
                });
            }
            Action::ChooseServer {
                attempt,
                servers,
                default,
                default_delay,
            } => self.choose(attempt, &servers, default, default_delay),
            Action::Disconnect { link, abort } => self.leave(link, abort, outlet),
        }
    }

    fn connect(&mut self, link: LinkId, server: Server, outlet: &mut Outlet) {
        *outlet = Outlet::new(link);
        if let Some(end) = self.selector_failed.take() {
            return self.wire.post.send(News::Ended(link, end));
        }
        let (wanted, attempt) = Attempt::new();
        self.transport = Transport::Dialling(link, wanted);
        let target = self.target(link, server);
        let adapter = self.adapter.clone();
        let deadline = self.deadline();
        self.elsewhere(link, move || {
            let dialled = caught(|| adapter.dial(target, &attempt, deadline));
            News::Dialled(
                link,
                dialled.unwrap_or_else(|text| Err(panicked("what dials", &text))),
            )
        });
    }

    fn elsewhere(&self, link: LinkId, work: impl FnOnce() -> News + Send + 'static) {
        if let Err(error) = self.wire.post.elsewhere("nats-conn help", work) {
            self.wire.post.send(News::Ended(link, dial_error(&error)));
        }
    }

    /// When what is begun now for an attempt ends by itself: after the deadline of the attempt, so that the
    /// machine reports the timeout first, which says more than a thread that was slow.
    fn deadline(&self) -> Option<Instant> {
        // Too far away for the clock is as good as never.
        Instant::now().checked_add(self.attempt)?.checked_add(SPARE)
    }

    fn target(&self, link: LinkId, server: Server) -> Target {
        Target::new(server, link, self.setup.clone(), self.wire.shared.clone())
    }

    fn choose(&mut self, attempt: AttemptId, servers: &[ServerStatus], default: ServerId, delay: Duration) {
        // What was kept of an earlier question is about an attempt that was called off.
        self.selector_failed = None;
        let (server, delay) = match self.setup.choose(servers, default, delay) {
            Ok(chosen) => chosen,
            Err(end) => {
                self.selector_failed = Some(end);
                (default, delay)
            }
        };
        self.wire.post.send(News::Choice(attempt, server, delay));
    }

    fn end_farewells(&mut self) {
        let now = Instant::now();
        self.farewells.retain(|(link, until)| {
            if *until <= now {
                link.shutdown(Shutdown::Both);
            }
            now < *until
        });
    }

    /// Leaves the link: its end has been reported to the machine already.
    fn leave(&mut self, id: LinkId, abort: bool, outlet: &mut Outlet) {
        let is_this = match &self.transport {
            Transport::Down => false,
            Transport::Dialling(link, _) => *link == id,
            Transport::Up(link) => link.id == id,
        };
        if !is_this {
            return;
        }
        let Transport::Up(link) = std::mem::replace(&mut self.transport, Transport::Down) else {
            return;
        };
        self.wire.set_link(None);
        if abort {
            outlet.link = None;
            link.leave(Shutdown::Both);
        } else {
            outlet.close();
            link.leave(Shutdown::Write);
            self.farewells.push((link, Instant::now() + FAREWELL));
        }
    }
}

impl Drop for Driver {
    /// The end, in good order or not.
    fn drop(&mut self) {
        let panicked = self.panicked || std::thread::panicking();
        if let Transport::Up(link) = &self.transport {
            link.leave(Shutdown::Both);
        }
        for (link, _) in &self.farewells {
            link.shutdown(Shutdown::Both);
        }
        self.wire.post.close();
        self.wire.shared.finish(panicked);
    }
}

/// Reports to the machine, and gives on what leaves something to be done when it is not locked any more.
fn report(news: News, turn: &mut Turn<'_>, tx: &mut SendBuf) -> Option<News> {
    match news {
        News::Dialled(id, Err(ref end)) | News::Session(id, Err(ref end)) | News::Ended(id, ref end) => {
            turn.link_closed(id, end.clone(), tx);
            Some(news)
        }
        News::Choice(attempt, server, delay) => {
            turn.server_choice(attempt, server, delay);
            None
        }
        News::Credentials(link, answer) => {
            turn.credentials(link, answer);
            None
        }
        News::Dialled(_, Ok(_)) | News::Session(_, Ok(_)) | News::Panicked => Some(news),
    }
}

fn too_late() -> AuthError {
    AuthError::Unusable {
        detail: "they did not come in time".into(),
    }
}
