//! What one connection says of what it sent and received, from its beginning to its end.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Instant;

use nats_conn_client::{ClosedReason, Delivery, PublishFates, RepliesEnd};

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
    /// It publishes to subscriptions of its own.
    Echo,
    /// A blocking client that several threads use for all of this at the same time.
    Crowd,
}

impl Role {
    /// Whether requests are made, which are sent once at most whatever was promised for publishes.
    pub fn asks(self) -> bool {
        matches!(self, Self::Asker | Self::Crowd)
    }
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
    /// What was told of one that was accepted, to who was not told its number.
    pub nameless: Option<Fate>,
}

impl Published {
    /// One that was not accepted, or not yet.
    pub fn refused(from: Instant) -> Self {
        Self {
            seq: None,
            from,
            until: None,
            nameless: None,
        }
    }

    /// One that was accepted.
    pub fn accepted(seq: u64, from: Instant) -> Self {
        Self {
            seq: Some(seq),
            ..Self::refused(from)
        }
    }
}

/// One subscription.
#[derive(Clone, Debug)]
pub struct Mailbox {
    /// What it is for: [`Role::Subscriber`], [`Role::Worker`] or [`Role::Answerer`].
    pub role: Role,
    /// Notes that arrived, in order.
    pub received: Vec<Note>,
    /// What it had no room for.
    pub dropped: u64,
}

impl Mailbox {
    /// An empty one.
    pub fn new(role: Role) -> Self {
        Self {
            role,
            received: Vec::new(),
            dropped: 0,
        }
    }
}

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its number.
    pub number: u32,
    /// How it ended.
    pub answer: Answer,
    /// Before the call.
    pub from: Instant,
    /// When its end was known.
    pub until: Instant,
    /// Of one that wants several.
    pub many: Option<Many>,
}

/// What came of a request for several replies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Many {
    /// In order.
    pub replies: Vec<Reply>,
    /// How it ended, unless it failed or was given up.
    pub end: Option<RepliesEnd>,
}

/// One of several replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reply {
    /// The life that answered.
    pub by: u32,
    /// Which of its replies to this request it is, from 0.
    pub place: u32,
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
    /// What it asked.
    pub asked: Vec<Asked>,
    /// What it sent to itself or to those who answer, and to no subscriber.
    pub unheard: Vec<Note>,
    /// Its subscriptions to what others send.
    pub mailboxes: Vec<Mailbox>,
    /// Sessions that began.
    pub sessions: u64,
    /// Sessions that were lost, the last one not counted where it was ended by the application.
    pub disconnects: u64,
    /// What events reported as unconfirmed or dropped.
    pub lost: Vec<(Fate, RangeInclusive<u64>)>,
    /// Those that were reported as unconfirmed because the application ended the connection.
    pub unconfirmed_by_end: Vec<RangeInclusive<u64>>,
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
            unheard: Vec::new(),
            mailboxes: Vec::new(),
            sessions: 0,
            disconnects: 0,
            lost: Vec::new(),
            unconfirmed_by_end: Vec::new(),
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
            return vec![published.nameless.unwrap_or(Fate::Refused)];
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
