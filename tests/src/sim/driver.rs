//! The well-behaved driver, and the transport of the bytes.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Buf;
use nats_conn_sm::{Action, Event, LinkEnd, LinkId, Progress, ReceiveBuf, SendBuf};

use super::pipe::{Pipe, PipeStage};
use super::route::{Cut, Dial};
use super::{World, nanos};
use crate::model_server::Ending;

impl World {
    /// Everything that is due at this moment happens, until nothing more follows from it; whether anything did.
    pub fn settle(&mut self) -> bool {
        for round in 0..100_000 {
            let steps = [
                Self::bytes_arrive_at_servers,
                Self::servers_act,
                Self::dials_end,
                Self::credentials_come,
                Self::read,
                Self::take_events,
                Self::keep_time,
                Self::take_actions,
                Self::write,
            ];
            let before = self.now;
            if !steps.into_iter().fold(false, |busy, step| step(self) | busy) {
                return round > 0;
            }
            debug_assert_eq!(before, self.now, "time stands still meanwhile");
        }
        panic!("the world does not come to rest; the story:\n{}", self.tale());
    }

    /// When something happens next.
    pub fn next_wakeup(&self) -> Option<u64> {
        let ahead = nanos(self.ahead);
        let client = self.client.poll_timeout();
        let client = client.map(|at| at.as_nanos().saturating_sub(ahead));
        let pipes = self.pipes.iter().filter_map(Pipe::next_wakeup).min();
        let pipes = pipes.filter(|_| !self.driver.stops_reading);
        let credentials = self.credentials_due.iter().map(|(at, ..)| *at).min();
        [client, pipes, self.cluster.next_wakeup(), credentials]
            .into_iter()
            .flatten()
            .min()
    }

    /// Gives the last answers that were held back.
    pub fn give_last_answers(&mut self) {
        for (link, mut unsent) in std::mem::take(&mut self.owed) {
            self.client
                .handle_link_closed(self.now(), link, LinkEnd::Requested, &mut unsent);
            self.check();
        }
    }

    fn bytes_arrive_at_servers(&mut self) -> bool {
        let mut busy = false;
        for pipe in &mut self.pipes {
            let Some(peer) = pipe.peer.filter(|_| !pipe.deaf) else {
                continue;
            };
            while let Some((_, item)) = due(&mut pipe.up, self.now) {
                busy = true;
                match item {
                    Ok(mut bytes) => {
                        let count = pipe.may_arrive().min(bytes.len() as u64);
                        bytes.truncate(usize::try_from(count).unwrap_or(usize::MAX));
                        pipe.arrived += count;
                        self.cluster.receive(self.now, peer, &bytes);
                        if pipe.may_arrive() == 0 {
                            self.cluster.receive_end(self.now, peer);
                            pipe.reset(self.now + nanos(self.routes[pipe.server].latency));
                        }
                    }
                    Err(()) => self.cluster.receive_end(self.now, peer),
                }
            }
        }
        busy
    }

    fn servers_act(&mut self) -> bool {
        let mut busy = false;
        if self.cluster.next_wakeup().is_some_and(|at| at <= self.now) {
            self.cluster.tick(self.now);
            busy = true;
        }
        for pipe in self.pipes.iter_mut().filter(|pipe| !pipe.server_done) {
            let Some(peer) = pipe.peer else { continue };
            let arrival = self.now + nanos(self.routes[pipe.server].latency);
            let output = self.cluster.take_output(peer);
            if !output.is_empty() {
                pipe.down.push_back((arrival, Ok(output)));
                busy = true;
            }
            match self.cluster.ending(peer) {
                None => continue,
                Some(Ending::Reset) => pipe.reset(arrival),
                Some(Ending::Close) => {
                    pipe.down.push_back((arrival, Err(LinkEnd::Eof)));
                    self.cluster.receive_end(self.now, peer);
                }
            }
            pipe.server_done = true;
            busy = true;
        }
        busy
    }

    fn dials_end(&mut self) -> bool {
        let due = |pipe: &Pipe, now| match &pipe.stage {
            PipeStage::Dialling(at, _) => at.is_some_and(|at| at <= now),
            PipeStage::Securing(at) => *at <= now,
            PipeStage::Open | PipeStage::Over => false,
        };
        let Some(index) = self.pipes.iter().position(|pipe| due(pipe, self.now)) else {
            return false;
        };
        let pipe = &mut self.pipes[index];
        let (link, server) = (pipe.link, pipe.server);
        match std::mem::replace(&mut pipe.stage, PipeStage::Open) {
            PipeStage::Dialling(_, Some(end)) => self.link_ended(index, end),
            PipeStage::Dialling(_, None) => match self.cluster.accept(self.now, server) {
                Some(peer) => {
                    self.pipes[index].peer = Some(peer);
                    self.client.handle_connected(self.now(), link);
                }
                None => self.link_ended(index, refused()),
            },
            PipeStage::Securing(_) => match self.routes[server].tls.1.clone() {
                Ok(()) => {
                    if let Some(peer) = self.pipes[index].peer {
                        self.cluster.tls_done(self.now, peer);
                    }
                    self.client.handle_tls(self.now(), link, self.rx.len());
                }
                Err(detail) => self.link_ended(
                    index,
                    LinkEnd::Tls {
                        detail: detail.into(),
                    },
                ),
            },
            PipeStage::Open | PipeStage::Over => {}
        }
        self.check();
        true
    }

    fn credentials_come(&mut self) -> bool {
        let due = self.credentials_due.iter().position(|(at, ..)| *at <= self.now);
        let Some((_, link, answer)) = due.map(|index| self.credentials_due.remove(index)) else {
            return false;
        };
        self.client.handle_credentials(self.now(), link, answer);
        self.check();
        true
    }

    fn read(&mut self) -> bool {
        if self.driver.stops_reading {
            return false;
        }
        let mut busy = false;
        for index in 0..self.pipes.len() {
            while self.pipes[index].is_open() && !self.pipes[index].mute {
                let Some((_, item)) = due(&mut self.pipes[index].down, self.now) else {
                    break;
                };
                busy = true;
                match item {
                    Ok(bytes) => self.read_bytes(index, bytes),
                    Err(end) => self.link_ended(index, end),
                }
            }
        }
        busy
    }

    fn read_bytes(&mut self, index: usize, mut bytes: Vec<u8>) {
        let pipe = &mut self.pipes[index];
        let most = self.routes[pipe.server].read_max as u64;
        let count = pipe.may_read().min(most).min(bytes.len() as u64);
        let rest = bytes.split_off(usize::try_from(count).unwrap_or(usize::MAX));
        pipe.read += count;
        let cut = pipe.may_read() == 0;
        if !rest.is_empty() && !cut {
            pipe.down.push_front((self.now, Ok(rest)));
        }
        if self.rx.link() == pipe.link {
            self.rx.buffer_mut().extend_from_slice(&bytes);
        }
        let log = pipe.peer.map(|peer| self.cluster.log(peer));
        let pong = log
            .and_then(|log| log.first_pong)
            .is_some_and(|pong| pipe.read >= pong);
        if pong && pipe.handed_at_pong.is_none() {
            pipe.handed_at_pong = Some(pipe.handed);
            pipe.live_at_pong = self.ledger.live_subscriptions();
        }
        if cut {
            pipe.up
                .push_back((self.now + nanos(self.routes[pipe.server].latency), Err(())));
            self.link_ended(index, LinkEnd::Eof);
        } else {
            // One read, then the machine acts on it.
            self.take_events();
        }
    }

    fn take_events(&mut self) -> bool {
        let mut busy = false;
        while let Some(event) = self.client.poll_event(self.now(), &mut self.rx) {
            self.record(event);
            self.check();
            busy = true;
        }
        self.check();
        busy
    }

    pub(super) fn record(&mut self, event: Event) {
        if let Err(fault) = self
            .grammar
            .event(&event)
            .and_then(|()| self.ledger.event(&event))
        {
            panic!("{fault}, at {event:?}; the story:\n{}", self.tale());
        }
        self.planned.event(&event);
        self.events.push((self.now(), event));
    }

    fn keep_time(&mut self) -> bool {
        if self.client.poll_timeout().is_none_or(|at| at > self.now()) {
            return false;
        }
        self.client.handle_timeout(self.now());
        self.check_timeout_handled();
        true
    }

    fn take_actions(&mut self) -> bool {
        let mut busy = false;
        while let Some(action) = self.client.poll_action() {
            self.actions.push((self.now(), action.clone()));
            self.act(action);
            self.check();
            busy = true;
        }
        busy
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Connect { link, server, .. } => self.dial(link, server.host(), server.port()),
            Action::UpgradeTls { link, .. } => {
                let now = self.now;
                if let Some(pipe) = self
                    .pipes
                    .iter_mut()
                    .find(|pipe| pipe.link == link && pipe.is_open())
                {
                    pipe.stage = PipeStage::Securing(now + nanos(self.routes[pipe.server].tls.0));
                }
            }
            Action::Authenticate { link, .. } => {
                let usual = (Some(Duration::ZERO), Ok(self.driver.credentials.clone()));
                if let (Some(time), answer) = self.driver.answers.pop_front().unwrap_or(usual) {
                    self.credentials_due.push((self.now + nanos(time), link, answer));
                }
            }
            Action::ChooseServer {
                attempt,
                servers,
                default,
                default_delay,
            } => {
                let choose = self.driver.chooser.as_mut();
                let choice = choose.and_then(|choose| choose(&servers, default, default_delay));
                let (server, delay) = choice.unwrap_or((default, default_delay));
                self.client
                    .handle_server_choice(self.now(), attempt, server, delay);
            }
            Action::Disconnect { link, abort } => self.disconnect(link, abort),
        }
    }

    fn dial(&mut self, link: LinkId, host: &str, port: u16) {
        let open = self.pipes.iter().find(|pipe| pipe.stage != PipeStage::Over);
        assert!(open.is_none(), "{link} is asked for before {open:?} was given up");
        let server = (0..self.cluster.servers()).find(|server| {
            let settings = self.cluster.settings(*server);
            settings.host == host && settings.port == port
        });
        let Some(server) = server else {
            let unknown = LinkEnd::Resolve {
                detail: format!("{host} is not known").into(),
            };
            let stage = PipeStage::Dialling(Some(self.now + 1_000_000), Some(unknown));
            return self.begin(Pipe::new(link, 0, Cut::Never, stage));
        };
        let route = &mut self.routes[server];
        let at = self.now + nanos(route.dial_time);
        let stage = match &route.dial {
            Dial::Connects => PipeStage::Dialling(Some(at), None),
            Dial::Fails(end) => PipeStage::Dialling(Some(at), Some(end.clone())),
            Dial::Hangs => PipeStage::Dialling(None, None),
        };
        let cut = route.cuts.pop_front().unwrap_or(Cut::Never);
        self.begin(Pipe::new(link, server, cut, stage));
    }

    fn begin(&mut self, pipe: Pipe) {
        self.rx = ReceiveBuf::new(pipe.link);
        self.tx = SendBuf::new(pipe.link);
        if self.driver.reports_progress {
            self.client
                .handle_progress(self.now(), pipe.link, Progress::Dialing);
        }
        self.pipes.push(pipe);
    }

    fn disconnect(&mut self, link: LinkId, abort: bool) {
        let Some(index) = self.pipes.iter().position(|pipe| pipe.link == link) else {
            panic!("{link} was never asked for");
        };
        let latency = nanos(self.routes[self.pipes[index].server].latency);
        if self.owed.iter().any(|(owed, _)| *owed == link) {
            // It ended by itself, and this was not reported to the machine yet.
            return;
        }
        let over = self.pipes[index].stage == PipeStage::Over;
        assert!(!over, "{link} is over already; the story:\n{}", self.tale());
        let pipe = &mut self.pipes[index];
        if abort {
            pipe.up.clear();
        }
        if pipe.peer.is_some() {
            let arrival = self.now.max(pipe.busy_until) + latency;
            pipe.up.push_back((arrival, Err(())));
        }
        self.link_ended(index, LinkEnd::Requested);
    }

    /// The one last answer.
    fn link_ended(&mut self, index: usize, end: LinkEnd) {
        let pipe = &mut self.pipes[index];
        pipe.stage = PipeStage::Over;
        pipe.end = Some(end.clone());
        let link = pipe.link;
        if self.driver.uncertain {
            self.tx.mark_uncertain();
        }
        if self.driver.holds_last_answers {
            let unsent = std::mem::replace(&mut self.tx, SendBuf::new(link));
            self.owed.push((link, unsent));
        } else {
            self.client
                .handle_link_closed(self.now(), link, end, &mut self.tx);
            self.check();
        }
    }

    fn write(&mut self) -> bool {
        let mut busy = false;
        let Some(index) = self.pipes.iter().rposition(Pipe::is_open) else {
            return false;
        };
        while self.pipes[index].is_open() {
            if self.tx.is_empty() {
                self.client.handle_written(self.now(), &mut self.tx);
                if !self.client.poll_transmit(self.now(), &mut self.tx) {
                    self.check();
                    return busy;
                }
                self.check_block();
                self.pipes[index].handed += self.tx.remaining() as u64;
                busy = true;
            }
            if !self.write_some(index) {
                return busy;
            }
            busy = true;
        }
        busy
    }

    /// One write: whether the transport took anything.
    fn write_some(&mut self, index: usize) -> bool {
        let pipe = &mut self.pipes[index];
        let route = &self.routes[pipe.server];
        let room = (route.send_room as u64).saturating_sub(pipe.in_flight());
        let count = room
            .min(route.write_max as u64)
            .min(pipe.may_take())
            .min(self.tx.remaining() as u64);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let bytes = self.tx.copy_to_bytes(count).to_vec();
        if let Some(rate) = route.rate {
            let time = (count as u64).saturating_mul(1_000_000_000) / rate.max(1);
            pipe.busy_until = pipe.busy_until.max(self.now) + time;
        }
        let arrival = self.now.max(pipe.busy_until) + nanos(route.latency);
        pipe.taken += count as u64;
        if count > 0 {
            pipe.up.push_back((arrival, Ok(bytes)));
        }
        if pipe.may_take() == 0 {
            pipe.up.push_back((arrival, Err(())));
            let (kind, detail) = ("broken_pipe", "broken pipe".into());
            self.link_ended(index, LinkEnd::Io { kind, detail });
            return true;
        }
        count > 0
    }
}

impl Pipe {
    /// What is in transit is lost; the client sees a reset.
    fn reset(&mut self, arrival: u64) {
        self.up.clear();
        self.down.clear();
        let end = LinkEnd::Io {
            kind: "connection_reset",
            detail: "connection reset by peer".into(),
        };
        self.down.push_back((arrival, Err(end)));
        self.server_done = true;
    }
}

fn refused() -> LinkEnd {
    LinkEnd::Dial {
        kind: "connection_refused",
        detail: "connection refused".into(),
    }
}

/// The front of a queue, if its time has come.
fn due<T>(queue: &mut VecDeque<(u64, T)>, now: u64) -> Option<(u64, T)> {
    if queue.front()?.0 <= now {
        queue.pop_front()
    } else {
        None
    }
}
