//! Who was to get what: what servers executed against what they delivered and what clients received.

use std::collections::BTreeMap;

use nats_proto::Sid;

use super::member::Member;
use crate::model_server::{Cluster, LinkLog, Op, PeerId, matches};

/// A time in which a client knew that its server has its interest.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pub(super) peer: PeerId,
    pub(super) sid: Sid,
    pub(super) filter: &'static str,
    pub(super) queue: bool,
    pub(super) from: u64,
    pub(super) to: Option<u64>,
}

/// A time in which two servers did not see each other.
#[derive(Clone, Debug)]
pub(super) struct Split {
    pub(super) pair: (usize, usize),
    pub(super) from: u64,
    pub(super) to: Option<u64>,
}

/// A publish that a server executed.
struct Executed<'a> {
    at: u64,
    server: usize,
    subject: &'a str,
    payload: &'a [u8],
}

/// What was delivered to a subscription on a link: where each message ends in what was sent, and its payload.
type Row<'a> = Vec<(u64, &'a [u8])>;

/// How many messages were compared.
pub(super) struct Compared {
    pub(super) executed: u64,
    pub(super) expected: u64,
    pub(super) received: u64,
}

/// Compares all of it.
///
/// # Errors
/// What somebody was to get and did not, or got and was not to.
pub(super) fn compare(cluster: &Cluster, members: &[Member], splits: &[Split]) -> Result<Compared, String> {
    let executed = executed(cluster);
    let expected = routed(cluster, members, splits, &executed)?;
    let received = received(cluster, members)?;
    Ok(Compared {
        executed: executed.len() as u64,
        expected,
        received,
    })
}

fn executed(cluster: &Cluster) -> Vec<Executed<'_>> {
    let mut all: Vec<Executed<'_>> = cluster.logs().flat_map(executed_on).collect();
    all.sort_by_key(|executed| executed.at);
    all
}

fn executed_on(log: &LinkLog) -> impl Iterator<Item = Executed<'_>> {
    let frames = log.frames.iter().filter(|frame| frame.refused.is_none());
    frames.filter_map(|frame| match &frame.op {
        Op::Publish { subject, payload, .. } => Some(Executed {
            at: frame.at,
            server: log.server,
            subject,
            payload,
        }),
        _ => None,
    })
}

/// Whoever knew that its interest was with the server has a delivery of every publish that matches; of a queue group,
/// one of them.
fn routed(
    cluster: &Cluster,
    members: &[Member],
    splits: &[Split],
    executed: &[Executed<'_>],
) -> Result<u64, String> {
    let mut delivered: BTreeMap<(PeerId, u64, &[u8]), u64> = BTreeMap::new();
    for delivery in cluster.deliveries() {
        let key = (delivery.peer, delivery.sid, delivery.payload.as_slice());
        *delivered.entry(key).or_default() += 1;
    }
    let mut expected = 0;
    let watches: Vec<&Watch> = members.iter().flat_map(|member| &member.watches).collect();
    for one in executed {
        let meant = watches
            .iter()
            .filter(|watch| is_meant(cluster, splits, watch, one));
        for watch in meant {
            expected += 1;
            let got = if watch.queue {
                let group = delivered.keys().filter(|(_, _, payload)| *payload == one.payload);
                group.count() > 0
            } else {
                delivered.contains_key(&(watch.peer, watch.sid.get(), one.payload))
            };
            if !got {
                return Err(format!(
                    "{:?} was executed on {} by n{}, and not delivered to subscription {} of {}, which the server had",
                    String::from_utf8_lossy(one.payload),
                    one.subject,
                    one.server + 1,
                    watch.sid,
                    owner(members, watch.peer),
                ));
            }
        }
    }
    Ok(expected)
}

fn is_meant(cluster: &Cluster, splits: &[Split], watch: &Watch, executed: &Executed<'_>) -> bool {
    let at = executed.at;
    let during = |from: u64, to: Option<u64>| from < at && to.is_none_or(|to| at < to);
    let log = cluster.log(watch.peer);
    let pair = (executed.server.min(log.server), executed.server.max(log.server));
    // What happens at the very moment of a split may be before or after it.
    let is_split =
        |split: &Split| split.pair == pair && split.from <= at && split.to.is_none_or(|to| at <= to);
    during(watch.from, watch.to)
        && log.ended.is_none_or(|ended| at < ended)
        && matches(watch.filter, executed.subject)
        && !splits.iter().any(is_split)
}

/// Each subscription received a beginning of what was delivered to it on each link, in order; and all of it that was
/// read while it was wanted.
fn received(cluster: &Cluster, members: &[Member]) -> Result<u64, String> {
    let mut rows: BTreeMap<(PeerId, u64), Row<'_>> = BTreeMap::new();
    for delivery in cluster.deliveries() {
        let row = rows.entry((delivery.peer, delivery.sid)).or_default();
        row.push((delivery.end, &delivery.payload));
    }
    let mut count = 0;
    for member in members {
        for subscription in &member.subscriptions {
            let sid = subscription.sid;
            for (peer, dealt_with) in &member.dealt_with {
                let sent = rows.get(&(*peer, sid.get())).map_or(&[][..], Vec::as_slice);
                let got = member.received.get(&(*peer, sid)).map_or(&[][..], Vec::as_slice);
                count += got.len() as u64;
                let same = got.iter().zip(sent).all(|(got, (_, sent))| got == sent);
                if !same || got.len() > sent.len() {
                    return Err(format!(
                        "subscription {sid} of {} received what was not sent to it, or in another order",
                        member.name
                    ));
                }
                let missing = sent[got.len()..].iter().find(|(end, _)| end <= dealt_with);
                if let (Some((_, payload)), true) = (missing, subscription.is_wanted) {
                    return Err(format!(
                        "subscription {sid} of {} has read {:?} and not received it",
                        member.name,
                        String::from_utf8_lossy(payload)
                    ));
                }
            }
        }
    }
    Ok(count)
}

fn owner(members: &[Member], peer: PeerId) -> &'static str {
    let owns = |member: &&Member| member.dealt_with.contains_key(&peer);
    members.iter().find(owns).map_or("nobody", |member| member.name)
}
