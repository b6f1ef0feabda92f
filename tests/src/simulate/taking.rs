//! What each step does.

use super::crowd::Crowd;
use super::member::Member;
use super::plan::SERVICE;
use super::step::Step;
use super::watch::Split;
use crate::model_server::Reaction;
use crate::sim::{Dial, PipeStage, nanos};

impl Crowd {
    /// Takes a step. One about a client that does not take part, or has gone, does nothing.
    pub(super) fn take(&mut self, step: Step) {
        match step.client() {
            Some(place) => self.take_of_client(place, step),
            None => self.take_of_server(step),
        }
    }

    fn take_of_client(&mut self, place: usize, step: Step) {
        let now = self.now;
        let Some(member) = self.member(place).filter(|member| member.closed.is_none()) else {
            return;
        };
        let is_application = member.suspended.is_none() && !member.leaves;
        match step {
            Step::Reads { reads, .. } => member.world.driver.stops_reading = !reads,
            Step::Suspend { time, .. } => member.suspended = Some(now + nanos(time)),
            Step::Learns { .. } => member.learn(1),
            Step::Freeze { .. } => member.freeze(),
            Step::CutNext { server, cut, .. } => member.world.routes[server].cuts.push_back(cut),
            Step::Unreachable { server, .. } => member.lose_sight_of(server),
            Step::Reachable { server, .. } => member.world.routes[server].dial = Dial::Connects,
            Step::Narrow {
                server,
                latency,
                rate,
                room,
                ..
            } => {
                let route = &mut member.world.routes[server];
                (route.latency, route.rate, route.send_room) = (latency, rate, room);
            }
            _ if !is_application => {}
            Step::Publish {
                topic, count, size, ..
            } => member.publish(topic, count, size),
            Step::Subscribe { filter, queue, .. } => member.subscribe(Member::filter(filter), queue),
            Step::Serve { .. } => member.subscribe(SERVICE, true),
            Step::Unsubscribe { nth, .. } => member.unsubscribe(now, nth, false),
            Step::DrainSubscription { nth, .. } => member.unsubscribe(now, nth, true),
            Step::Request { timeout, .. } => member.request(timeout),
            Step::Flush { .. } => member.flush(),
            Step::ForceReconnect { .. } => {
                let outcome = member.world.force_reconnect();
                assert!(outcome.is_ok(), "a forced reconnect is refused: {outcome:?}");
            }
            Step::Leave { .. } => member.leave(now),
            Step::ClockLeaps { time, .. } => {
                member.world.ahead += time;
                member.world.tell_time();
            }
            _ => {}
        }
    }

    fn take_of_server(&mut self, step: Step) {
        match step {
            Step::Crash { server } => self.cluster.crash(self.now, server),
            Step::Restart { server } => self.cluster.restart(server),
            Step::LameDuck { server, closes_after } => {
                let closes_at = self.now + nanos(closes_after);
                self.cluster.lame_duck(server, Some(closes_at));
            }
            Step::Upgrade { server } => {
                let settings = self.cluster.settings_mut(server);
                settings.version = String::from("2.14.0");
                settings.connect_info = true;
                self.cluster.restart(server);
            }
            Step::HangUp { server, says } => self.hang_up(server, says.then_some("Stale Connection")),
            Step::Split { one, other } => self.split(one, other, true),
            Step::Join { one, other } => self.split(one, other, false),
            Step::Rotate => {
                self.password = 1;
                self.demand_password();
                for server in 0..self.cluster.servers() {
                    self.hang_up(server, Some("User Authentication Expired"));
                }
            }
            _ => {}
        }
    }

    fn hang_up(&mut self, server: usize, text: Option<&str>) {
        for peer in self.cluster.ready_links(server) {
            if let Some(text) = text {
                self.cluster.reaction(self.now, peer, Reaction::error(text));
            }
            self.cluster.reaction(self.now, peer, Reaction::Close);
        }
    }

    pub(super) fn split(&mut self, one: usize, other: usize, is_split: bool) {
        if one == other {
            return;
        }
        let (now, pair) = (self.now, (one.min(other), one.max(other)));
        let open = self
            .splits
            .iter_mut()
            .find(|split| split.pair == pair && split.to.is_none());
        match (open, is_split) {
            (None, true) => self.splits.push(Split {
                pair,
                from: now,
                to: None,
            }),
            (Some(split), false) => split.to = Some(now),
            _ => {}
        }
        self.cluster.split(one, other, is_split);
    }
}

impl Member {
    /// Its link is half-open, if it has one.
    fn freeze(&mut self) {
        if self.world.pipes.last().is_some_and(|pipe| pipe.peer.is_some()) {
            self.world.freeze();
        }
    }

    /// The route to this server is gone: nothing passes what is open, and dialling never ends.
    fn lose_sight_of(&mut self, server: usize) {
        self.world.routes[server].dial = Dial::Hangs;
        if let Some(pipe) = self.world.pipes.last_mut().filter(|pipe| pipe.server == server) {
            match &mut pipe.stage {
                PipeStage::Dialling(at, _) => *at = None,
                _ => (pipe.deaf, pipe.mute) = (true, true),
            }
        }
    }
}
