//! Whether what connections say agrees with what the servers processed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use nats_conn_client::{ClosedReason, Delivery};

use super::account::{Account, Answer, Asked, Fate, Mailbox, Role};
use super::note::Note;
use super::observer::Seen;

/// How much later than its confirmation a message may be lost with its server: that has handed it to the sockets of
/// others by then.
const HAND_OVER: Duration = Duration::from_millis(500);

/// What happened to the servers.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// What was seen at each of them.
    pub seen: Vec<Seen>,
    /// From when until when one of them was not to be believed: it was killed, or ended, or its observer was not back
    /// yet. What a server has processed then it may have told nobody.
    pub outages: Vec<(Instant, Instant)>,
}

/// What was counted, and what must not be.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// By name.
    pub counts: BTreeMap<&'static str, u64>,
    /// What must not be, with the life it concerns.
    pub violations: Vec<(u32, String)>,
}

/// Compares them.
pub fn judge(accounts: &[Account], evidence: &Evidence) -> Verdict {
    let mut judge = Judge::new(accounts, evidence);
    for account in accounts {
        judge.ends(account);
        judge.publishes(account);
        judge.told(account);
        judge.requests(account);
    }
    judge.receivers(accounts);
    judge.replies(accounts);
    judge.orders(accounts);
    judge.verdict
}

struct Judge<'a> {
    evidence: &'a Evidence,
    /// How often each note was seen, by the server that saw it most often.
    times: HashMap<Note, u32>,
    /// The notes of each life to subscribers that were seen once, in the order of the first server.
    order: HashMap<u32, Vec<u32>>,
    verdict: Verdict,
}

impl<'a> Judge<'a> {
    fn new(accounts: &[Account], evidence: &'a Evidence) -> Self {
        let unheard: HashSet<Note> = accounts
            .iter()
            .flat_map(|account| &account.unheard)
            .copied()
            .collect();
        let (mut times, mut order) = (HashMap::new(), HashMap::<u32, Vec<u32>>::new());
        let mut verdict = Verdict::default();
        for seen in &evidence.seen {
            let mut here: HashMap<Note, u32> = HashMap::new();
            for note in &seen.notes {
                *here.entry(*note).or_default() += 1;
            }
            for (note, count) in here {
                let most = times.entry(note).or_insert(0);
                *most = count.max(*most);
            }
            verdict.violations.extend(
                seen.wrong
                    .iter()
                    .map(|wrong| (0, format!("the observer: {wrong}"))),
            );
        }
        for note in evidence.seen.first().iter().flat_map(|seen| &seen.notes) {
            if times[note] == 1 && !unheard.contains(note) {
                order.entry(note.life).or_default().push(note.number);
            }
        }
        Self {
            evidence,
            times,
            order,
            verdict,
        }
    }

    fn count(&mut self, what: &'static str, by: u64) {
        *self.verdict.counts.entry(what).or_default() += by;
    }

    fn violation(&mut self, account: &Account, text: String) {
        let text = format!("{}: {text}", account.name());
        self.verdict.violations.push((account.life, text));
    }

    /// For reports: where each of several servers saw it in what it saw.
    fn by_each(&self, note: Note) -> String {
        if !self.is_cluster() {
            return String::new();
        }
        let places = |seen: &Seen| -> Vec<usize> {
            let places = seen.notes.iter().enumerate();
            places
                .filter(|(_, seen)| **seen == note)
                .map(|(place, _)| place)
                .collect()
        };
        let each: Vec<Vec<usize>> = self.evidence.seen.iter().map(places).collect();
        format!(", by each server at {each:?}")
    }

    /// How often it was processed. What a server of a cluster sends to another for a queue group whose last member has
    /// just gone from there, that passes on to a third, where all others get it a second time: of what goes to a
    /// queue group, too, this cannot be said.
    fn processed(&self, account: &Account, note: Note) -> u32 {
        let delivered = self.delivered(note);
        if self.is_cluster() && account.is_shared {
            delivered.min(1)
        } else {
            delivered
        }
    }

    /// How often a server had it to deliver.
    fn delivered(&self, note: Note) -> u32 {
        self.times.get(&note).copied().unwrap_or(0)
    }

    fn is_cluster(&self) -> bool {
        self.evidence.seen.len() > 1
    }

    /// Whether a server may have taken to its grave what it processed between these.
    fn may_be_lost(&self, from: Instant, until: Instant) -> bool {
        let mut outages = self.evidence.outages.iter();
        outages.any(|(began, over)| from <= *over && *began <= until + HAND_OVER)
    }

    fn ends(&mut self, account: &Account) {
        self.count("connections", 1);
        self.count("sessions", account.sessions);
        self.count("links lost in a session", account.disconnects);
        for wrong in &account.wrong {
            self.violation(account, wrong.clone());
        }
        match &account.closed {
            None => self.violation(account, "it has not ended".into()),
            Some(ClosedReason::Drained { complete, .. }) => {
                let drained = if *complete {
                    "drains, complete"
                } else {
                    "drains, incomplete"
                };
                self.count(drained, 1);
                if *complete && account.lost_while_draining > 0 {
                    let lost = account.lost_while_draining;
                    self.violation(account, format!("a complete drain lost {lost} publishes"));
                }
                if account.calm_end && !complete {
                    self.violation(account, "a drain in calm was not complete".into());
                }
            }
            Some(ClosedReason::Requested) => self.count("closes", 1),
            Some(other) => self.violation(account, format!("it ended by itself: {other:?}")),
        }
        let Some(fates) = account.fates else { return };
        let sum = fates.queued + fates.written + fates.confirmed + fates.unconfirmed + fates.dropped;
        if sum != fates.accepted || fates.queued + fates.written > 0 {
            self.violation(account, format!("the counters of a closed connection: {fates:?}"));
        }
        // What was dropped with its request has no event.
        let (unconfirmed, dropped) = (
            account.reported(Fate::Unconfirmed),
            account.reported(Fate::Dropped),
        );
        let asks = account.role.asks();
        if unconfirmed != fates.unconfirmed || dropped > fates.dropped || (dropped < fates.dropped && !asks) {
            let told = format!("events told of {unconfirmed} unconfirmed and {dropped} dropped: {fates:?}");
            self.violation(account, told);
        }
        let resent = account.delivery == Delivery::AtLeastOnce && !asks;
        // What was handed over when the application closed may have been processed.
        let by_end = account.unconfirmed_by_end.iter();
        let closed: u64 = by_end.map(|range| range.end() - range.start() + 1).sum();
        if resent && fates.unconfirmed != closed {
            let text = format!("at least once, and unconfirmed, {closed} of them by its end: {fates:?}");
            self.violation(account, text);
        }
        if resent && account.calm_end && !fates.all_confirmed() {
            self.violation(account, format!("at least once, drained in calm: {fates:?}"));
        }
    }

    fn publishes(&mut self, account: &Account) {
        let once = account.delivery == Delivery::AtMostOnce;
        for (number, published) in (0..).zip(&account.published) {
            let note = Note {
                life: account.life,
                number,
            };
            let times = self.processed(account, note);
            let fates = account.fates_of(published);
            let &[fate] = fates.as_slice() else {
                self.violation(account, format!("publish {number} has the fates {fates:?}"));
                continue;
            };
            let (name, at_most) = match fate {
                Fate::Refused => ("publishes, refused for want of room", 0),
                Fate::Confirmed if once => ("publishes at most once, confirmed", 1),
                Fate::Unconfirmed if once => ("publishes at most once, unconfirmed", 1),
                Fate::Dropped if once => ("publishes at most once, dropped", 0),
                Fate::Confirmed => ("publishes at least once, confirmed", u32::MAX),
                Fate::Unconfirmed => ("publishes at least once, unconfirmed", u32::MAX),
                Fate::Dropped => ("publishes at least once, dropped", u32::MAX),
            };
            self.count(name, 1);
            let by_end = |seq: &u64| account.unconfirmed_by_end.iter().any(|range| range.contains(seq));
            // Of connections that ask, too, the counters do not say it.
            if !once
                && fate == Fate::Unconfirmed
                && account.role.asks()
                && !published.seq.as_ref().is_none_or(by_end)
            {
                self.violation(account, format!("publish {number}, at least once, is {fate:?}"));
            }
            if self.delivered(note) > times {
                self.count("messages that a cluster passed on twice to one of its servers", 1);
            }
            if times > at_most {
                self.violation(
                    account,
                    format!(
                        "publish {number} is {fate:?} and was seen {times} times{}",
                        self.by_each(note)
                    ),
                );
            }
            if fate == Fate::Unconfirmed && times > 0 {
                self.count("publishes at most once, unconfirmed and processed", 1);
            }
            if times > 1 {
                self.count("publishes at least once, processed again", 1);
            }
            if !once && times > 1 && account.disconnects == 0 {
                self.violation(
                    account,
                    format!(
                        "publish {number} was seen {times} times{}, and no link was lost",
                        self.by_each(note)
                    ),
                );
            }
            if fate == Fate::Confirmed && times == 0 {
                let until = published.until.unwrap_or_else(Instant::now);
                if self.may_be_lost(published.from, until) {
                    self.count("confirmed, and lost with the server that had processed it", 1);
                } else {
                    self.violation(
                        account,
                        format!("publish {number} is confirmed and nobody saw it"),
                    );
                }
            }
        }
    }

    /// Who awaits a fate is told what events and counters say.
    fn told(&mut self, account: &Account) {
        self.count("fates that were awaited", account.told.len() as u64);
        for (number, told) in &account.told {
            let fates = account
                .published
                .get(*number)
                .map(|published| account.fates_of(published));
            if fates.as_deref() != Some(&[*told]) {
                self.violation(
                    account,
                    format!("publish {number} was told to be {told:?}, and is {fates:?}"),
                );
            }
        }
    }

    fn requests(&mut self, account: &Account) {
        for Asked {
            number,
            answer,
            from,
            until,
            many: _,
        } in &account.asked
        {
            let note = Note::of_request(account.life, *number);
            let times = self.processed(account, note);
            let (name, at_most) = match answer {
                Answer::Came => ("requests, answered", 1),
                Answer::MayBeSeen => ("requests, failed after they were written", 1),
                Answer::NeverLeft => ("requests, failed before they were written", 0),
            };
            self.count(name, 1);
            if times > at_most {
                self.violation(
                    account,
                    format!(
                        "request {number}: {answer:?}, and it was seen {times} times{}",
                        self.by_each(note)
                    ),
                );
            }
            if *answer == Answer::Came && times == 0 && !self.may_be_lost(*from, *until) {
                self.violation(
                    account,
                    format!("request {number} was answered and nobody saw it"),
                );
            }
        }
    }

    fn receivers(&mut self, accounts: &[Account]) {
        let mut group: HashMap<Note, u32> = HashMap::new();
        for account in accounts {
            for mailbox in &account.mailboxes {
                self.mailbox(account, mailbox, &mut group);
            }
        }
        self.count("messages received by queue groups", group.len() as u64);
        for (note, times) in group {
            let seen = self.delivered(note);
            if times > seen && !self.is_cluster() {
                let text =
                    format!("{note:?} went to {times} members of a queue group, and was seen {seen} times");
                self.verdict.violations.push((note.life, text));
            }
        }
    }

    fn mailbox(&mut self, account: &Account, mailbox: &Mailbox, group: &mut HashMap<Note, u32>) {
        let mut here: HashMap<Note, u32> = HashMap::new();
        for note in &mailbox.received {
            *here.entry(*note).or_default() += 1;
        }
        for (note, times) in &here {
            self.arrived(account, *note, *times);
            if mailbox.role == Role::Worker {
                *group.entry(*note).or_default() += times;
            }
        }
        if mailbox.role == Role::Subscriber {
            self.count("messages received by subscribers", mailbox.received.len() as u64);
            self.count("messages that a slow subscriber dropped", mailbox.dropped);
            self.gaps(account, mailbox, &here);
        }
    }

    /// Nothing arrives that was not sent, nor more often than it was. Who moves within a cluster may have one message
    /// from two servers.
    fn arrived(&mut self, account: &Account, note: Note, times: u32) {
        let seen = self.delivered(note);
        if self.is_cluster() {
            if times > seen.max(1) {
                self.count("messages received from two servers", 1);
                if account.disconnects == 0 {
                    self.violation(account, format!("{note:?} arrived {times} times in one session"));
                }
            }
        } else if times > seen {
            self.violation(
                account,
                format!("{note:?} arrived {times} times, and was seen {seen} times"),
            );
        }
    }

    /// Gaps in what one sent are where the receiver had no link, one for each it lost, or no room. What was processed
    /// twice has no place in an order and is left out. Servers of a cluster lose messages between each other, and
    /// promise no order over a move.
    fn gaps(&mut self, account: &Account, mailbox: &Mailbox, here: &HashMap<Note, u32>) {
        let senders: HashSet<u32> = here.keys().map(|note| note.life).collect();
        for sender in senders {
            let order = self.order.get(&sender).map_or(&[][..], Vec::as_slice);
            let arrived = |number: &u32| {
                here.contains_key(&Note {
                    life: sender,
                    number: *number,
                })
            };
            let gaps = gaps(order.iter().map(arrived));
            self.count("gaps in what a subscriber received", gaps);
            if !self.is_cluster() && gaps > account.disconnects + mailbox.dropped {
                let (lost, dropped) = (account.disconnects, mailbox.dropped);
                let text = format!(
                    "{gaps} gaps in what life {sender} sent, with {lost} links lost and {dropped} messages dropped"
                );
                self.violation(account, text);
            }
        }
    }
}

/// How many runs of `false` lie between two of `true`.
fn gaps(arrived: impl Iterator<Item = bool>) -> u64 {
    let (mut gaps, mut open, mut begun) = (0, false, false);
    for here in arrived {
        if here {
            gaps += u64::from(open);
            (open, begun) = (false, true);
        } else {
            open = begun;
        }
    }
    gaps
}

mod order;
mod replies;
#[cfg(test)]
mod tests;
