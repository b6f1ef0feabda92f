//! Names: what is written for them when all of a state is.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// How many letters and digits stand between the prefix of an inbox and the number of a request.
pub(super) const TOKEN: usize = 22;

/// What fills a hole.
#[derive(Clone, Debug)]
pub(super) enum Name {
    /// Numbered as it first appears.
    Plain(Plain, u64),
    /// An inbox, numbered in the same way.
    Inbox([u8; TOKEN]),
    /// Its place among those that are mentioned.
    Place(Ordered, u64),
    /// How many of those that are mentioned lie up to here.
    UpTo(Ordered, u64),
    /// Ranges, both ends included.
    Runs(Ordered, Vec<(u64, u64)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Plain {
    Link,
    Server,
    Attempt,
    Flush,
    RoundTrip,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ordered {
    Subscription,
    Request,
    Publish,
    /// How many publishes were lost: of interest is only whether it is as many as at another time.
    Losses,
}

/// Fills these names into these bytes, each at its place. The places are ascending.
pub(super) fn fill(bytes: &[u8], holes: Vec<(usize, Name)>) -> Vec<u8> {
    let mentioned = Mentioned::of(&holes);
    let mut plain: BTreeMap<(Plain, u64), u64> = BTreeMap::new();
    let mut counts: BTreeMap<Plain, u64> = BTreeMap::new();
    let mut inboxes: Vec<[u8; TOKEN]> = Vec::new();
    let mut form = Vec::with_capacity(bytes.len().saturating_add(holes.len().saturating_mul(2)));
    let mut written = 0;
    for (place, name) in holes {
        form.extend_from_slice(bytes.get(written..place).unwrap_or_default());
        written = place;
        match name {
            Name::Plain(kind, number) => {
                let known = plain.entry((kind, number)).or_insert_with(|| {
                    let count = counts.entry(kind).or_default();
                    *count = count.saturating_add(1);
                    *count
                });
                push_number(&mut form, *known);
            }
            Name::Inbox(token) => {
                let known = inboxes.iter().position(|known| *known == token);
                let known = known.unwrap_or_else(|| {
                    inboxes.push(token);
                    inboxes.len().saturating_sub(1)
                });
                push_number(&mut form, known as u64);
            }
            Name::Place(kind, number) | Name::UpTo(kind, number) => {
                push_number(&mut form, mentioned.up_to(kind, number));
            }
            Name::Runs(kind, runs) => mentioned.push_runs(&mut form, kind, &runs),
        }
    }
    form.extend_from_slice(bytes.get(written..).unwrap_or_default());
    form
}

/// The numbers of each kind with an order that are mentioned, as ranges that do not touch, each with how many numbers
/// lie before it.
struct Mentioned(BTreeMap<Ordered, Vec<(u64, u64, u64)>>);

impl Mentioned {
    fn of(holes: &[(usize, Name)]) -> Self {
        let mut all: BTreeMap<Ordered, Vec<(u64, u64)>> = BTreeMap::new();
        for (_, name) in holes {
            match name {
                Name::Place(kind, number) => all.entry(*kind).or_default().push((*number, *number)),
                Name::Runs(kind, runs) => all.entry(*kind).or_default().extend(runs),
                Name::Plain(..) | Name::Inbox(_) | Name::UpTo(..) => {}
            }
        }
        Self(all.into_iter().map(|(kind, runs)| (kind, joined(runs))).collect())
    }

    /// How many numbers up to this one are mentioned.
    fn up_to(&self, kind: Ordered, number: u64) -> u64 {
        let runs = self.0.get(&kind).map(Vec::as_slice).unwrap_or_default();
        let next = runs.partition_point(|(first, _, _)| *first <= number);
        let run = next.checked_sub(1).and_then(|place| runs.get(place));
        run.map_or(0, |&(first, last, before)| {
            before.saturating_add(count(first, last.min(number)))
        })
    }

    /// Ranges whose ends have no mentioned number between them are one.
    fn push_runs(&self, form: &mut Vec<u8>, kind: Ordered, runs: &[(u64, u64)]) {
        let mut merged: Vec<(u64, u64)> = Vec::new();
        for &(first, last) in runs {
            let (first, last) = (self.up_to(kind, first), self.up_to(kind, last));
            match merged.last_mut() {
                Some((_, end)) if end.saturating_add(1) == first => *end = last,
                _ => merged.push((first, last)),
            }
        }
        push_number(form, merged.len() as u64);
        for (first, last) in merged {
            push_number(form, first);
            push_number(form, last);
        }
    }
}

fn joined(mut runs: Vec<(u64, u64)>) -> Vec<(u64, u64, u64)> {
    runs.sort_unstable();
    let mut joined: Vec<(u64, u64, u64)> = Vec::new();
    for (first, last) in runs {
        match joined.last_mut() {
            Some((_, end, _)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => {
                let before = joined.last().map_or(0, |&(first, last, before)| {
                    before.saturating_add(count(first, last))
                });
                joined.push((first, last, before));
            }
        }
    }
    joined
}

fn count(first: u64, last: u64) -> u64 {
    last.saturating_sub(first).saturating_add(1)
}

/// A number below 255 is one byte.
pub(super) fn push_number(bytes: &mut Vec<u8>, number: u64) {
    match u8::try_from(number) {
        Ok(small) if small < u8::MAX => bytes.push(small),
        _ => {
            bytes.push(u8::MAX);
            bytes.extend_from_slice(&number.to_le_bytes());
        }
    }
}
