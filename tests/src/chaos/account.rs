//! What one connection says of what it sent and received, from its beginning to its end.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Instant;

use nats_conn_client::{ClosedReason, Delivery, PublishFates};

use super::note::Note;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It publishes.
    Publisher,
    /// It subscribes to all that is published.
    Subscriber,
    /// It is one of a queue group.
    Worker,
    /// It makes requests.
    Asker,
    /// It answers them.
    Answerer,
}

/// One publish. Its place in the account is its number.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    /// The number that the connection gave it. `None`: it was not accepted.
    pub seq: Option<u64>,
    /// Before the call.
    pub from: Instant,
    /// When its fate was seen to be final.
    pub until: Option<Instant>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With its reply.
    Came,
    /// Without, and somebody may have seen it.
    MayBeSeen,
    /// Without, and it never left.
    NeverLeft,
}

/// The fate of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It was not accepted.
    Refused,
    /// A server has processed it.
    Confirmed,
    /// Written, and perhaps processed.
    Unconfirmed,
    /// Not sent; at least once: not sent again.
    Dropped,
}

/// One life.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its number, from 1, which is also that of its notes.
    pub life: u32,
    /// Who drove it.
    pub adapter: &'static str,
    /// What it was for.
    pub role: Role,
    /// What it promised.
    pub delivery: Delivery,
    /// A queue group subscribes to what it publishes.
    pub is_shared: bool,
    /// What it published, by number.
    pub published: Vec<Published>,
    /// The fates of publishes, by number, as they were told to who awaited them.
    pub told: Vec<(usize, Fate)>,
    /// What it asked, by number, with the time from before the call to the answer.
    pub asked: Vec<(Answer, Instant, Instant)>,
    /// Notes that arrived, in order.
    pub received: Vec<Note>,
    /// What its mailbox had no room for.
    pub mailbox_dropped: u64,
    /// Sessions that began.
    pub sessions: u64,
    /// Sessions that were lost, the last one not counted where it was ended by the application.
    pub disconnects: u64,
    /// What events reported as unconfirmed or dropped.
    pub lost: Vec<(Fate, RangeInclusive<u64>)>,
    /// How many were reported as unconfirmed because the application ended the connection.
    pub unconfirmed_by_end: u64,
    /// How many of both were reported behind `Draining`.
    pub lost_while_draining: u64,
    /// The counters at its end.
    pub fates: Option<PublishFates>,
    /// Its end.
    pub closed: Option<ClosedReason>,
    /// No link was harmed while it ended, and nothing but a drain ended it.
    pub calm_end: bool,
    /// What else came of its calls, and how often.
    pub ends: BTreeMap<String, u64>,
    /// What must not be.
    pub wrong: Vec<String>,
}

impl Account {
    /// An empty one.
    pub fn new(life: u32, adapter: &'static str, role: Role, delivery: Delivery) -> Self {
        Self {
            life,
            adapter,
            role,
            delivery,
            is_shared: false,
            published: Vec::new(),
            told: Vec::new(),
            asked: Vec::new(),
            received: Vec::new(),
            mailbox_dropped: 0,
            sessions: 0,
            disconnects: 0,
            lost: Vec::new(),
            unconfirmed_by_end: 0,
            lost_while_draining: 0,
            fates: None,
            closed: None,
            calm_end: false,
            ends: BTreeMap::new(),
            wrong: Vec::new(),
        }
    }

    /// Every fate that is reported of one publish: one, if all is well.
    pub fn fates_of(&self, published: &Published) -> Vec<Fate> {
        let Some(seq) = published.seq else {
            return vec![Fate::Refused];
        };
        let reported = self.lost.iter().filter(|(_, range)| range.contains(&seq));
        let mut fates: Vec<Fate> = reported.map(|(fate, _)| *fate).collect();
        // Nothing can be asked of a connection that nobody holds; everything is settled at its end.
        let settled = match self.fates {
            Some(fates) => fates.settled >= seq,
            None => self.closed.is_some(),
        };
        if fates.is_empty() && settled {
            fates.push(Fate::Confirmed);
        }
        fates
    }

    /// How many publishes events reported so.
    pub fn reported(&self, fate: Fate) -> u64 {
        let ranges = self.lost.iter().filter(|(reported, _)| *reported == fate);
        ranges.map(|(_, range)| range.end() - range.start() + 1).sum()
    }

    /// Its name in reports.
    pub fn name(&self) -> String {
        format!("life {} ({:?} on {})", self.life, self.role, self.adapter)
    }
}
