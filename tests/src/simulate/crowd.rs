//! Many clients and their servers in one virtual time.

use std::mem;
use std::time::Duration;

use nats_conn_sm::Action;

use super::member::{Member, password_of};
use super::plan::Plan;
use super::step::Planned;
use super::watch::Split;
use crate::model_server::{Auth, Cluster, Op};
use crate::scenario::Scenario;
use crate::sim::nanos;
use crate::story;

/// Rounds in which all settle at one moment: more are a loop.
const ROUNDS: usize = 10_000;
/// Moments of one virtual second in which something happens, for each client: more are a loop.
const MOMENTS: u64 = 20_000;

/// Attempts within a second: for each server, as many rounds as the waits leave room for, and what an application forces.
const ROUNDS_A_SECOND: usize = 6;
const FORCED_A_SECOND: usize = 12;

/// Clients, servers, and the time.
pub(super) struct Crowd {
    pub(super) cluster: Cluster,
    pub(super) members: Vec<Member>,
    /// The place of each member in the plan.
    places: Vec<usize>,
    /// The member that acts.
    pub(super) acting: usize,
    pub(super) now: u64,
    pub(super) start: u64,
    pub(super) splits: Vec<Split>,
    /// Which password the servers take.
    pub(super) password: u32,
    /// What happened, line by line, where it is told.
    pub(super) told: Option<Vec<String>>,
    pub(super) moments: u64,
    /// The second that is counted, and its moments.
    second: (u64, u64),
}

impl Crowd {
    /// The beginning of a plan.
    pub(super) fn begin(plan: &Plan, is_told: bool) -> Self {
        let mut cluster = Cluster::new();
        for settings in &plan.servers {
            cluster.add_server(settings.clone());
        }
        cluster.remember_deliveries();
        let mut crowd = Self {
            cluster,
            members: Vec::new(),
            places: plan.clients.clone(),
            acting: 0,
            now: 0,
            start: 0,
            splits: Vec::new(),
            password: 0,
            told: is_told.then(Vec::new),
            moments: 0,
            second: (0, 0),
        };
        for place in plan.clients.iter().filter(|place| **place < plan.configs.len()) {
            let config = plan.configs[*place].clone();
            let scenario = Scenario::new(plan.servers.len()).seed(plan.seed ^ (*place as u64) << 48);
            let mut world = scenario.config(|known| *known = config).begin();
            world.cluster = Cluster::new();
            world.varies = true;
            (crowd.now, crowd.start) = (world.nanos(), world.nanos());
            let mut member = Member::new(Plan::name(*place), world);
            if plan.rotates {
                member.learn(0);
            }
            crowd.members.push(member);
        }
        if plan.rotates {
            crowd.demand_password();
        }
        crowd
    }

    /// The member at this place of the plan.
    pub(super) fn member(&mut self, place: usize) -> Option<&mut Member> {
        let index = self.places.iter().position(|known| *known == place)?;
        self.acting = index;
        self.members.get_mut(index)
    }

    pub(super) fn demand_password(&mut self) {
        for server in 0..self.cluster.servers() {
            self.cluster.settings_mut(server).auth = Auth::Password {
                user: String::from("crowd"),
                password: password_of(self.password),
            };
        }
    }

    /// Takes all steps at their times.
    ///
    /// # Errors
    /// What was not as it must be.
    pub(super) fn live(&mut self, plan: &Plan) -> Result<(), String> {
        for Planned { at, step } in plan.happenings() {
            self.run_until(self.start + nanos(at))?;
            self.tell(&format!("-- {step}"));
            self.take(step);
        }
        self.run_until(self.start + nanos(plan.lasts))
    }

    pub(super) fn run_for(&mut self, time: Duration) -> Result<(), String> {
        self.run_until(self.now + nanos(time))
    }

    fn run_until(&mut self, end: u64) -> Result<(), String> {
        loop {
            self.settle()?;
            match self.next_wakeup() {
                Some(at) if at <= end => {
                    if at <= self.now {
                        return Err(format!("what is due at {at} has no effect at {}", self.now));
                    }
                    self.go_on(at)?;
                }
                _ => {
                    self.go_on(self.now.max(end))?;
                    return self.settle();
                }
            }
        }
    }

    fn go_on(&mut self, at: u64) -> Result<(), String> {
        let time = Duration::from_nanos(at - self.now);
        self.now = at;
        self.members
            .iter_mut()
            .for_each(|member| member.world.sleep(time));
        self.moments += 1;
        let second = at / 1_000_000_000;
        if self.second.0 != second {
            self.second = (second, 0);
            self.attempts_are_few()?;
        }
        self.second.1 += 1;
        if self.second.1 > MOMENTS * self.members.len().max(1) as u64 {
            return Err(format!("{} moments within one second: a hot loop", self.second.1));
        }
        Ok(())
    }

    /// Waits keep attempts apart, whatever the servers do.
    fn attempts_are_few(&mut self) -> Result<(), String> {
        let most = self.cluster.servers() * ROUNDS_A_SECOND + FORCED_A_SECOND;
        for (index, member) in self.members.iter().enumerate() {
            let now = member.world.now();
            let actions = member.world.actions.iter().rev();
            let last = actions.take_while(|(at, _)| now.since(*at) < Duration::from_secs(1));
            let dials = last.filter(|(_, action)| matches!(action, Action::Connect { .. }));
            if dials.count() > most {
                self.acting = index;
                return Err(format!(
                    "{} made more than {most} attempts within a second",
                    member.name
                ));
            }
        }
        Ok(())
    }

    fn next_wakeup(&self) -> Option<u64> {
        let awake = |member: &Member| match member.suspended {
            Some(until) => Some(until),
            None => member.world.next_wakeup(),
        };
        let members = self.members.iter().filter_map(awake).min();
        [members, self.cluster.next_wakeup()].into_iter().flatten().min()
    }

    /// Everything that is due at this moment happens.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        for _ in 0..ROUNDS {
            let mut is_busy = false;
            for index in 0..self.members.len() {
                is_busy |= self.let_act(index)?;
            }
            if self.cluster.next_wakeup().is_some_and(|at| at <= self.now) {
                self.cluster.tick(self.now);
                is_busy = true;
            }
            self.end_watches();
            if !is_busy {
                return Ok(());
            }
        }
        Err(String::from("the crowd does not come to rest"))
    }

    fn let_act(&mut self, index: usize) -> Result<bool, String> {
        self.acting = index;
        let member = &mut self.members[index];
        match member.suspended {
            Some(until) if until > self.now => return Ok(false),
            Some(_) => {
                member.suspended = None;
                member.world.tell_time();
            }
            None => {}
        }
        mem::swap(&mut self.cluster, &mut member.world.cluster);
        let is_busy = member.world.settle();
        mem::swap(&mut self.cluster, &mut member.world.cluster);
        let first = member.seen;
        let outcome = member.observe(self.now);
        if self.told.is_some() {
            self.tell_events(index, first);
        }
        outcome.map(|is_new| is_busy || is_new).map_err(|what| {
            let name = self.members[index].name;
            format!("{name}: {what}")
        })
    }

    /// Nobody is promised anything by a server that has ended the link.
    fn end_watches(&mut self) {
        let (cluster, now) = (&self.cluster, self.now);
        for member in &mut self.members {
            member.end_watches(now, |watch| cluster.log(watch.peer).server_ended);
        }
    }

    fn tell_events(&mut self, index: usize, first: usize) {
        let member = &self.members[index];
        let name = member.name;
        let events = member.world.events[first..].iter();
        let lines: Vec<String> = events
            .filter(|(_, event)| story::name(event) != "server_info_changed")
            .map(|(_, event)| story::line(event).unwrap_or_else(|| story::name(event).to_owned()))
            .collect();
        for line in lines {
            self.tell(&format!("   {name} {line}"));
        }
    }

    /// What the servers executed of the client that acted last.
    pub(super) fn tell_frames(&mut self) {
        let Some(member) = self.members.get(self.acting) else {
            return;
        };
        // After a panic the servers are still with the client.
        let cluster = if self.cluster.servers() == 0 {
            &member.world.cluster
        } else {
            &self.cluster
        };
        let mut lines = Vec::new();
        for peer in member.world.pipes.iter().filter_map(|pipe| pipe.peer) {
            let log = cluster.log(peer);
            lines.extend(log.frames.iter().map(|frame| {
                let at = Duration::from_nanos(frame.at.saturating_sub(self.start)).as_secs_f64();
                let what = match &frame.op {
                    Op::Publish { subject, payload, .. } => {
                        let beginning = &payload[..payload.len().min(20)];
                        format!("{subject} {:?}", String::from_utf8_lossy(beginning))
                    }
                    Op::Subscribe { filter, sid, .. } => format!("{filter} {sid}"),
                    _ => String::new(),
                };
                let (server, name) = (log.server + 1, frame.op.name());
                format!("{at:>10.6} s n{server} got {name} {what} on link {}", peer.0)
            }));
        }
        if let Some(told) = &mut self.told {
            told.push(format!("-- what servers got from {}", member.name));
            told.extend(lines);
        }
    }

    pub(super) fn tell(&mut self, line: &str) {
        let time = Duration::from_nanos(self.now - self.start);
        if let Some(told) = &mut self.told {
            told.push(format!("{:>10.6} s {line}", time.as_secs_f64()));
        }
    }
}
