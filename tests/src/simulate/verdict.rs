//! The end: the world heals, everybody comes back, and all accounts are compared.

use std::mem;
use std::time::Duration;

use nats_conn_sm::Config;

use super::crowd::Crowd;
use super::member::Member;
use super::plan::{Plan, TOPICS};
use super::watch::{self, Compared};
use crate::sim::{Pipe, Route, World};

/// How long a flush may take in a world that is whole.
const FLUSH: Duration = Duration::from_secs(5);
/// How long a drain may take there, and a move away from a lame duck that was announced before.
const DRAIN: Duration = Duration::from_secs(60);
impl Crowd {
    /// Heals the world and judges.
    ///
    /// # Errors
    /// What was not as it must be.
    pub(super) fn judge(&mut self, plan: &Plan) -> Result<Compared, String> {
        self.tell("-- the world heals");
        self.heal();
        let longest = plan
            .configs
            .iter()
            .map(|config| way_back(config, plan.servers.len()))
            .max();
        self.run_for(longest.unwrap_or_default())?;
        self.all_are_back(longest.unwrap_or_default())?;
        self.flush_all("after the world healed")?;
        for topic in 0..TOPICS.len() {
            let staying = self.members.iter_mut().filter(|member| member.stays());
            staying.for_each(|member| member.publish(topic, 1, 0));
        }
        self.flush_all("after the last publishes")?;
        self.all_is_settled()?;
        let compared = watch::compare(&self.cluster, &self.members, &self.splits)?;
        self.all_leave()?;
        for index in 0..self.members.len() {
            self.acting = index;
            let world = &mut self.members[index].world;
            mem::swap(&mut self.cluster, &mut world.cluster);
            world.verify();
            mem::swap(&mut self.cluster, &mut world.cluster);
        }
        Ok(compared)
    }

    fn heal(&mut self) {
        for server in 0..self.cluster.servers() {
            if !self.cluster.is_listening(server) {
                self.cluster.restart(server);
            }
            for other in 0..server {
                self.split(server, other, false);
            }
        }
        let (now, password) = (self.now, self.password);
        for member in &mut self.members {
            let world = &mut member.world;
            world
                .routes
                .iter_mut()
                .for_each(|route| *route = Route::default());
            world.pipes.iter_mut().for_each(Pipe::spare);
            world.driver.stops_reading = false;
            member.suspended = member.suspended.map(|_| now);
            member.learn(password);
        }
    }

    fn all_are_back(&mut self, within: Duration) -> Result<(), String> {
        for (index, member) in self.members.iter().enumerate() {
            self.acting = index;
            let (name, now) = (member.name, member.world.now());
            if !member.leaves
                && let Some(end) = &member.closed
            {
                return Err(format!("{name} came to an end that nobody asked for: {end}"));
            }
            if member.stays() && member.session.is_none() {
                let why = member.world.client.why(now);
                return Err(format!(
                    "{name} is not back {within:?} after the world healed: {why}"
                ));
            }
        }
        Ok(())
    }

    fn flush_all(&mut self, when: &str) -> Result<(), String> {
        let staying = |member: &&mut Member| member.stays();
        self.members.iter_mut().filter(staying).for_each(Member::flush);
        self.run_for(FLUSH)?;
        for (index, member) in self
            .members
            .iter()
            .enumerate()
            .filter(|(_, member)| member.stays())
        {
            self.acting = index;
            if member.flushed != Some(Ok(())) {
                return Err(format!(
                    "the flush of {} {when} gave {:?}",
                    member.name, member.flushed
                ));
            }
        }
        Ok(())
    }

    /// After a flush every fate is final; at least once nothing is lost; and no request is older than its deadline.
    fn all_is_settled(&mut self) -> Result<(), String> {
        for (index, member) in self
            .members
            .iter()
            .enumerate()
            .filter(|(_, member)| member.stays())
        {
            self.acting = index;
            let world = &member.world;
            let fates = world.client.publish_fates();
            if fates.queued + fates.written > 0 {
                return Err(format!(
                    "{} has unsettled publishes after a flush: {fates:?}",
                    member.name
                ));
            }
            let lost = world.ledger.lost();
            if world.resends && !lost.is_empty() {
                return Err(format!("{} sends at least once, and lost {lost:?}", member.name));
            }
            let now = world.now().as_nanos();
            let late = member.requests.iter().find(|(_, (_, until))| *until < now);
            if let Some((request, _)) = late {
                return Err(format!(
                    "{} still waits for {request:?} after its deadline",
                    member.name
                ));
            }
        }
        Ok(())
    }

    /// Half of them drain, half of them close.
    fn all_leave(&mut self) -> Result<(), String> {
        let now = self.now;
        for (index, member) in self
            .members
            .iter_mut()
            .enumerate()
            .filter(|(_, member)| member.stays())
        {
            if index % 2 == 0 {
                member.leave(now);
            } else {
                member.leaves = true;
                member.world.close();
            }
        }
        self.run_for(DRAIN)?;
        match self.members.iter().position(|member| member.closed.is_none()) {
            Some(index) => {
                self.acting = index;
                let World { client, .. } = &self.members[index].world;
                let why = client.why(self.members[index].world.now());
                Err(format!(
                    "{} does not come to its end: {why}",
                    self.members[index].name
                ))
            }
            None => Ok(()),
        }
    }
}

/// How long a client needs at most until it has a session in a world that is whole, whatever it still believes in: it
/// finds out that its link is dead, an attempt that hangs comes to its limit, the longest wait ends.
fn way_back(config: &Config, servers: usize) -> Duration {
    let is_stale = config.ping_interval * (config.max_pings_out + 2);
    let attempts = config.connect_timeout * u32::try_from(servers + 1).unwrap_or(u32::MAX);
    is_stale + attempts + config.backoff.max * 2 + Duration::from_secs(2)
}
