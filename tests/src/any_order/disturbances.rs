//! What goes wrong outside: servers, routes, clocks, and drivers that misbehave.

use std::time::Duration;

use nats_conn_sm::{
    AttemptId, Credentials, LinkEnd, LinkId, Progress, ReceiveBuf, SendBuf, ServerId, Timestamp,
};

use super::Life;
use crate::model_server::{Reaction, Step, When};
use crate::sim::{Cut, Dial, PipeStage};

const SECOND: Duration = Duration::from_secs(1);
/// What a server may send at any time, or what only ends the link.
const HONEST: [&str; 17] = [
    "PING\r\n",
    "+OK\r\n",
    "INFO {\"ldm\":true}\r\n",
    "INFO {\"connect_urls\":[\"n2.test:4222\",\"n9.test:1\",\"ws://x\",\"[::1]\"]}\r\n",
    "INFO {\"connect_urls\":[]}\r\n",
    "INFO {\"connect_urls\":[\"tls://n2.test:4222\",\"n2.test:4222\",\"tls://n1.test:4222\"]}\r\n",
    "INFO {\"max_payload\":700}\r\n",
    "INFO {\"max_payload\":null,\"headers\":false,\"x\":[1]}\r\n",
    "-ERR 'Permissions Violation for Subscription to \"a\"'\r\n",
    "-ERR 'Permissions Violation for Publish to \"b\"'\r\n",
    "-ERR 'maximum subscriptions exceeded'\r\n",
    "-ERR\r\n",
    "MSG a 1 99999999999999999999\r\n",
    "MSG a 9999 3\r\nabc\r\n",
    "INFO {\r\n",
    "rubbish\r\n",
    "MSG a 1 10\r\nnot whole",
];
const ERRORS: [&str; 5] = [
    "Authorization Violation",
    "User Authentication Expired",
    "Stale Connection",
    "maximum connections exceeded",
    "something new",
];

impl Life<'_> {
    /// Everything works again, for as long as a reconnect takes.
    pub(super) fn heal(&mut self) {
        for place in 0..self.world.cluster.servers() {
            if !self.world.cluster.is_listening(place) {
                self.world.cluster.restart(place);
            }
            let settings = self.world.cluster.settings_mut(place);
            settings.script.clear();
            settings.next_scripts.clear();
        }
        self.world
            .routes
            .iter_mut()
            .for_each(|route| *route = Default::default());
        self.world.driver.stops_reading = false;
        self.world.driver.holds_last_answers = false;
        self.world.driver.uncertain = false;
        self.world.give_last_answers();
        self.world.run_for(6 * SECOND);
    }

    pub(super) fn disturb(&mut self) {
        let place = self.choices.index(self.world.cluster.servers());
        match self.choices.byte() % 20 {
            0 => self.world.crash(place),
            1 | 2 => {
                self.world.crash(place);
                self.world.cluster.restart(place);
            }
            3 => self.schedule_reaction(Reaction::Close),
            4 => {
                let text = self.choices.pick(&ERRORS);
                self.schedule_reaction(Reaction::error(text));
                if self.choices.one_in(2) {
                    self.schedule_reaction(Reaction::Close);
                }
            }
            5 => {
                if self.has_peer() {
                    self.world.freeze();
                }
            }
            6 => {
                let closes = self.choices.one_in(2).then(|| self.world.nanos() + 5_000_000_000);
                self.world.cluster.lame_duck(place, closes);
            }
            7..=9 => self.say_something(),
            10 => {
                let subject = self.choices.pick(&["a", "a.b", "q", "c.x"]);
                for _ in 0..self.choices.index(4) {
                    self.world.cluster.publish(subject, None, b"from elsewhere");
                }
            }
            11 => self.cut_next(place),
            12 => self.narrow(place),
            13 => self.world.routes[place].dial = self.bad_dial(),
            14 => self.refuse_next(place),
            15 => self.world.driver.stops_reading = self.choices.one_in(2),
            16 => self.world.driver.holds_last_answers = self.choices.one_in(2),
            17 => self.world.driver.uncertain = self.choices.one_in(2),
            18 => self.leap(),
            _ => self.world.give_last_answers(),
        }
    }

    /// The machine sleeps for a while, or for a night.
    fn leap(&mut self) {
        let seconds = self.choices.pick(&[1, 15, 61, 130, 3_600, 8 * 3_600]);
        self.world.sleep(seconds * SECOND);
        self.world.tell_time();
        self.world.run_for(Duration::ZERO);
    }

    fn has_peer(&self) -> bool {
        self.world.pipes.last().is_some_and(|pipe| pipe.peer.is_some())
    }

    fn schedule_reaction(&mut self, reaction: Reaction) {
        if self.has_peer() {
            self.world.reaction(reaction);
        }
    }

    fn say_something(&mut self) {
        if self.honest || self.choices.one_in(2) {
            let reaction = match self.choices.pick(&HONEST) {
                "PING\r\n" => Reaction::Ping,
                text => Reaction::send(text),
            };
            return self.schedule_reaction(reaction);
        }
        let mut bytes = self.choices.raw(24);
        if self.choices.one_in(2) {
            bytes.extend_from_slice(b"PONG\r\n-ERR 'Maximum Payload Violation'\r\nMSG a 1 1\r\nx\r\n");
        }
        self.schedule_reaction(Reaction::Send(bytes));
    }

    fn cut_next(&mut self, place: usize) {
        let bytes = self.choices.below(900);
        let cut = self.choices.pick(&[
            Cut::AfterTaking(bytes),
            Cut::AfterArriving(bytes),
            Cut::AfterReading(bytes),
        ]);
        self.world.routes[place].cuts.push_back(cut);
    }

    fn narrow(&mut self, place: usize) {
        let sizes = [0, 1, 7, 100, 5_000, 1 << 20];
        let (room, write, read) = (
            self.choices.pick(&sizes),
            self.choices.pick(&sizes),
            self.choices.pick(&sizes),
        );
        let latency = Duration::from_millis(self.choices.below(400));
        let route = &mut self.world.routes[place];
        // A write that takes nothing is one that waits for room.
        (route.send_room, route.write_max, route.read_max) = (room, write.max(1), read.max(1));
        route.latency = latency;
    }

    fn bad_dial(&mut self) -> Dial {
        match self.choices.byte() % 3 {
            0 => Dial::Hangs,
            1 => Dial::Fails(LinkEnd::Eof),
            _ => Dial::Fails(LinkEnd::Resolve {
                detail: "no such name".into(),
            }),
        }
    }

    fn refuse_next(&mut self, place: usize) {
        let (when, reactions) = match self.choices.byte() % 4 {
            0 => (When::Accept, vec![Reaction::Close]),
            1 => (When::Accept, vec![Reaction::Silence]),
            2 => (
                When::Connect,
                vec![Reaction::error(self.choices.pick(&ERRORS)), Reaction::Close],
            ),
            _ => (When::Ping(1), vec![Reaction::Reset]),
        };
        let settings = self.world.cluster.settings_mut(place);
        settings
            .next_scripts
            .push_back(vec![Step::instead(when, reactions)]);
    }

    /// Calls that no well-behaved driver makes.
    pub(super) fn be_rude(&mut self) {
        match self.choices.byte() % 8 {
            0 => self.go_back_in_time(),
            1 | 2 => self.answer_about_another_link(),
            3 => self.bring_foreign_buffers(),
            4 => self.compare_copies(),
            5 if !self.honest => self.lie_about_the_link(),
            _ => {
                let attempt = AttemptId::from_u64(self.choices.below(20));
                let server = ServerId::from_u64(self.choices.below(8));
                let delay = Duration::from_millis(self.choices.below(3_000));
                let now = self.world.now();
                self.world
                    .client
                    .handle_server_choice(now, attempt, server, delay);
            }
        }
    }

    fn go_back_in_time(&mut self) {
        let past = Timestamp::from_millis(self.choices.below(60_000)).min(self.world.now());
        self.world.client.handle_timeout(past);
        let mut nothing = ReceiveBuf::new(LinkId::from_u64(0));
        self.world.poll_event_with(past, &mut nothing);
        let at = self.world.client.poll_timeout();
        assert!(at.is_none_or(|at| at >= self.world.now()), "{at:?}");
    }

    fn other_link(&mut self) -> LinkId {
        let present = self.world.client.link();
        let near = self.world.pipes.last().map_or(0, |pipe| pipe.link.as_u64());
        let link = match self.choices.byte() % 4 {
            0 => 0,
            1 => near.saturating_sub(1),
            2 => near + 1,
            _ => u64::MAX - near,
        };
        let link = LinkId::from_u64(link);
        if Some(link) == present {
            LinkId::from_u64(0)
        } else {
            link
        }
    }

    fn answer_about_another_link(&mut self) {
        let (now, link) = (self.world.now(), self.other_link());
        let client = &mut self.world.client;
        match self.choices.byte() % 5 {
            0 => client.handle_connected(now, link),
            1 => client.handle_tls(now, link, 0),
            2 => client.handle_credentials(now, link, Ok(Credentials::default())),
            3 => client.handle_progress(now, link, Progress::Resolving),
            _ => client.handle_link_closed(now, link, LinkEnd::Eof, &mut SendBuf::new(link)),
        }
    }

    fn bring_foreign_buffers(&mut self) {
        let (now, link) = (self.world.now(), self.other_link());
        assert!(!self.world.client.poll_transmit(now, &mut SendBuf::new(link)));
        self.world.client.handle_written(now, &mut SendBuf::new(link));
        let mut foreign = ReceiveBuf::new(link);
        foreign
            .buffer_mut()
            .extend_from_slice(b"MSG a 1 1\r\nx\r\nPONG\r\n");
        self.world.poll_event_with(now, &mut foreign);
        assert_eq!(foreign.len(), 20, "bytes of another link are not touched");
    }

    /// What no sensible driver does: steps that are not due, and an end with another buffer.
    fn lie_about_the_link(&mut self) {
        let now = self.world.now();
        let Some(link) = self.world.client.link() else {
            return;
        };
        match self.choices.byte() % 4 {
            0 => self.world.client.handle_connected(now, link),
            1 => self.world.client.handle_tls(now, link, 0),
            2 => self
                .world
                .client
                .handle_credentials(now, link, Ok(Credentials::default())),
            _ => {
                let Some(pipe) = self.world.pipes.last_mut().filter(|pipe| pipe.link == link) else {
                    return;
                };
                pipe.stage = PipeStage::Over;
                let mut foreign = SendBuf::new(link);
                self.world
                    .client
                    .handle_link_closed(now, link, LinkEnd::Eof, &mut foreign);
            }
        }
    }

    /// Two clones given the same inputs give the same outputs; and a clone may replace the machine.
    fn compare_copies(&mut self) {
        let (mut one, mut other) = (self.world.client.clone(), self.world.client.clone());
        let mut now = self.world.now();
        for _ in 0..3 {
            now = now + Duration::from_millis(self.choices.below(20_000));
            let reported = [&mut one, &mut other].map(|client| {
                client.handle_timeout(now);
                let mut nothing = ReceiveBuf::new(LinkId::from_u64(0));
                let events: Vec<_> = std::iter::from_fn(|| client.poll_event(now, &mut nothing)).collect();
                let actions: Vec<_> = std::iter::from_fn(|| client.poll_action()).collect();
                let mut tx = SendBuf::new(client.link().unwrap_or(LinkId::from_u64(0)));
                let written = client.poll_transmit(now, &mut tx);
                let bytes: Vec<u8> = tx.chunks().flatten().copied().collect();
                (events, actions, written, bytes, client.poll_timeout())
            });
            assert_eq!(reported[0], reported[1]);
        }
        if self.copies {
            self.world.client = self.world.client.clone();
        }
    }
}
