//! The canonical form of a state, for exploration: two states with one form have one future.
//!
//! A [`Form`] is bytes with holes. What an owner writes at once is what it holds; a hole is a name, which is filled when
//! all of the state is written, because what a name is called depends on the other names.
//!
//! Kept is all that can make a difference later. Written in another way than it is held:
//!
//! - Times are relative to now. [`Timestamp::MAX`], which is "never", is kept apart. A time that is only compared with
//!   the present one says no more than that it has come; a time since something is cut off where more makes no difference.
//! - Names without an order (links, servers, choices, flushes, measurements, inboxes) are numbered as they first appear.
//! - Names with an order (subscriptions, requests, publishes) become their places among those that are mentioned. A bound
//!   ("every SUB up to this sid") becomes the number of mentioned ones up to it.
//! - Frames that wait, and texts, have the sids, inboxes and requests in them renamed.
//!
//! Left out: statistics; numbers that count on, such as the next sid, because every name to come is above all that are
//! mentioned; what can be computed from the rest; memory that is kept for use again; the settings, so that only
//! states with equal settings are to be compared. The generator is left out where nothing is shuffled and the backoff has no
//! jitter, because inboxes are renamed.
//!
//! One thing is neglected: a name with one more digit makes its frame a byte longer. Two states that differ by that alone
//! have one form, although a queue that is nearly full may refuse a byte in one of them.

mod names;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Debug;
use core::hash::{Hash, Hasher};
use core::time::Duration;

use nats_proto::Sid;

use self::names::{Name, Ordered, Plain, TOKEN, push_number};
use crate::ids::{AttemptId, FlushId, LinkId, PublishSeq, RequestId, RoundTripId, ServerId};
use crate::time::Timestamp;

/// A form that is being written.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    now: Timestamp,
    /// What every inbox begins with.
    inbox: String,
    bytes: Vec<u8>,
    /// Where a name is to be filled in, ascending.
    holes: Vec<(usize, Name)>,
}

/// An inbox in a text.
struct Mention<'a> {
    before: &'a [u8],
    token: [u8; TOKEN],
    /// The number that follows it.
    request: Option<u64>,
    after: &'a [u8],
}

/// Plain values.
impl Form {
    /// An empty form of a state at this time, whose inboxes begin with `prefix`.
    pub(crate) fn new(now: Timestamp, prefix: &str) -> Self {
        Self {
            now,
            inbox: format!("{prefix}."),
            bytes: Vec::new(),
            holes: Vec::new(),
        }
    }

    /// Which variant of an enum follows.
    pub(crate) fn variant(&mut self, place: u8) {
        self.bytes.push(place);
    }

    pub(crate) fn flag(&mut self, flag: bool) {
        self.bytes.push(u8::from(flag));
    }

    pub(crate) fn number(&mut self, number: u64) {
        push_number(&mut self.bytes, number);
    }

    pub(crate) fn size(&mut self, size: usize) {
        self.number(size as u64);
    }

    pub(crate) fn option<T>(&mut self, option: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(option.is_some());
        if let Some(value) = option {
            write(self, value);
        }
    }

    pub(crate) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        for item in items {
            self.flag(true);
            write(self, item);
        }
        self.flag(false);
    }

    /// Bytes in which inboxes, and the numbers of requests that follow them, are renamed.
    pub(crate) fn text(&mut self, text: &[u8]) {
        let mut rest = text;
        while let Some(mention) = self.next_inbox(rest) {
            self.piece(mention.before);
            self.variant(2);
            self.hole(Name::Inbox(mention.token));
            if let Some(request) = mention.request {
                self.variant(3);
                self.request(RequestId::from_u64(request));
            }
            rest = mention.after;
        }
        self.piece(rest);
        self.variant(0);
    }

    /// A value without names and times, as `Debug` prints it.
    pub(crate) fn debug(&mut self, value: &impl Debug) {
        let text = format!("{value:?}");
        self.text(text.as_bytes());
    }

    /// An error, whose text alone may be that of another one.
    pub(crate) fn error(&mut self, code: &str, error: &impl Debug) {
        self.text(code.as_bytes());
        self.debug(error);
    }

    /// A value without names and times, with all that tells it from others: also what is not printed.
    pub(crate) fn whole(&mut self, value: &impl Hash) {
        value.hash(&mut Exact(&mut self.bytes));
    }

    fn piece(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.variant(1);
            self.size(bytes.len());
            self.bytes.extend_from_slice(bytes);
        }
    }

    fn next_inbox<'a>(&self, text: &'a [u8]) -> Option<Mention<'a>> {
        // Most texts are UTF-8 and mention none, which is found out quickly.
        if core::str::from_utf8(text).is_ok_and(|text| !text.contains(self.inbox.as_str())) {
            return None;
        }
        let inbox = self.inbox.as_bytes();
        let places = text.windows(inbox.len().max(1));
        for (place, _) in places.enumerate().filter(|(_, part)| *part == inbox) {
            let (before, rest) = text.split_at_checked(place)?;
            let rest = rest.strip_prefix(inbox)?;
            let Some((token, after)) = rest.split_first_chunk::<TOKEN>() else {
                continue;
            };
            let is_longer = after.first().is_some_and(u8::is_ascii_alphanumeric);
            if token.iter().all(u8::is_ascii_alphanumeric) && !is_longer {
                let number = after.strip_prefix(b".").and_then(leading_number);
                let (request, after) = number.map_or((None, after), |(number, after)| (Some(number), after));
                return Some(Mention {
                    before,
                    token: *token,
                    request,
                    after,
                });
            }
        }
        None
    }
}

/// Times.
impl Form {
    /// A time, relative to now.
    pub(crate) fn moment(&mut self, at: Timestamp) {
        if at == Timestamp::MAX {
            return self.variant(0);
        }
        self.variant(if at < self.now { 1 } else { 2 });
        self.duration(at.since(self.now).max(self.now.since(at)));
    }

    /// A time that only the present one is compared with: whether it has come, else when it will.
    pub(crate) fn due(&mut self, at: Timestamp) {
        self.moment(at.max(self.now));
    }

    /// The time since then, up to `most`.
    pub(crate) fn since(&mut self, at: Timestamp, most: Duration) {
        self.duration(self.now.since(at).min(most));
    }

    pub(crate) fn duration(&mut self, duration: Duration) {
        self.number(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }
}

/// Names.
impl Form {
    pub(crate) fn link(&mut self, link: LinkId) {
        self.hole(Name::Plain(Plain::Link, link.as_u64()));
    }

    pub(crate) fn server(&mut self, server: ServerId) {
        self.hole(Name::Plain(Plain::Server, server.as_u64()));
    }

    pub(crate) fn attempt(&mut self, attempt: AttemptId) {
        self.hole(Name::Plain(Plain::Attempt, attempt.as_u64()));
    }

    pub(crate) fn flush(&mut self, flush: FlushId) {
        self.hole(Name::Plain(Plain::Flush, flush.as_u64()));
    }

    pub(crate) fn round_trip(&mut self, round_trip: RoundTripId) {
        self.hole(Name::Plain(Plain::RoundTrip, round_trip.as_u64()));
    }

    pub(crate) fn request(&mut self, request: RequestId) {
        self.hole(Name::Place(Ordered::Request, request.as_u64()));
    }

    pub(crate) fn sid(&mut self, sid: Sid) {
        self.hole(Name::Place(Ordered::Subscription, sid.get()));
    }

    /// A bound: what is of interest is which subscriptions have this sid or a lower one.
    pub(crate) fn sids_up_to(&mut self, sid: Sid) {
        self.hole(Name::UpTo(Ordered::Subscription, sid.get()));
    }

    pub(crate) fn publish(&mut self, publish: PublishSeq) {
        self.hole(Name::Place(Ordered::Publish, publish.as_u64()));
    }

    /// A bound: what is of interest is which publishes have this number or a lower one.
    pub(crate) fn publishes_up_to(&mut self, publish: PublishSeq) {
        self.hole(Name::UpTo(Ordered::Publish, publish.as_u64()));
    }

    /// Publishes as ranges, ascending, both ends included.
    pub(crate) fn publishes<'a>(&mut self, runs: impl IntoIterator<Item = &'a (PublishSeq, PublishSeq)>) {
        let runs = runs.into_iter();
        let runs = runs
            .map(|(first, last)| (first.as_u64(), last.as_u64()))
            .collect();
        self.hole(Name::Runs(Ordered::Publish, runs));
    }

    /// So many publishes were lost.
    pub(crate) fn losses(&mut self, count: u64) {
        self.hole(Name::Place(Ordered::Losses, count));
    }

    fn hole(&mut self, name: Name) {
        self.holes.push((self.bytes.len(), name));
    }
}

/// The end.
impl Form {
    /// The form, with every name filled in.
    pub(crate) fn finish(self) -> Vec<u8> {
        let Self { bytes, holes, .. } = self;
        names::fill(&bytes, holes)
    }
}

/// Bytes of the protocol.
impl Form {
    /// A frame of ours.
    pub(crate) fn client_frame(&mut self, frame: &[u8]) {
        let mut words = words(frame);
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some(b"UNSUB"), Some(sid), max, None) if is_number(sid) => {
                self.variant(1);
                self.sid_text(sid);
                self.option(max, Self::text);
            }
            (Some(b"SUB"), Some(subject), Some(sid), None) if is_number(sid) => {
                self.variant(2);
                self.text(subject);
                self.sid_text(sid);
            }
            (Some(b"SUB"), Some(subject), Some(queue), Some(sid)) if is_number(sid) => {
                self.variant(3);
                self.text(subject);
                self.text(queue);
                self.sid_text(sid);
            }
            _ => {
                self.variant(0);
                self.text(frame);
            }
        }
    }

    /// What a server sent, which need not be whole.
    pub(crate) fn server_bytes(&mut self, bytes: &[u8]) {
        let lines = bytes.split_inclusive(|&byte| byte == b'\n');
        self.list(lines, |form, line| {
            let mut parts = line.splitn(4, |&byte| byte == b' ');
            match (parts.next(), parts.next(), parts.next(), parts.next()) {
                (Some(op @ (b"MSG" | b"HMSG")), Some(subject), Some(sid), Some(rest)) if is_number(sid) => {
                    form.variant(1);
                    form.text(op);
                    form.text(subject);
                    form.sid_text(sid);
                    form.text(rest);
                }
                _ => {
                    form.variant(0);
                    form.text(line);
                }
            }
        });
    }

    fn sid_text(&mut self, digits: &[u8]) {
        let number = leading_number(digits).map_or(u64::MAX, |(number, _)| number);
        self.sid(Sid::new(number));
    }
}

/// The words of the first line.
fn words(frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    let line = frame.split(|&byte| byte == b'\r').next().unwrap_or_default();
    line.split(|&byte| byte == b' ')
}

fn is_number(text: &[u8]) -> bool {
    leading_number(text).is_some_and(|(_, rest)| rest.is_empty())
}

fn leading_number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(digits)?;
    let number = core::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((number, rest))
}

/// Takes what a value gives to be hashed as it is.
struct Exact<'a>(&'a mut Vec<u8>);

impl Hasher for Exact<'_> {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN_A: &str = "_INBOX.aaaaaaaaaaaaaaaaaaaaaa";
    const TOKEN_B: &str = "_INBOX.bbbbbbbbbbbbbbbbbbbbbb";

    fn form(now: u64, write: impl FnOnce(&mut Form)) -> Vec<u8> {
        let mut form = Form::new(Timestamp::from_millis(now), "_INBOX");
        write(&mut form);
        form.finish()
    }

    fn text(text: &str) -> Vec<u8> {
        form(0, |form| form.text(text.as_bytes()))
    }

    #[test]
    fn times_are_relative_to_now_and_never_is_never() {
        let at = |now, at| form(now, |form| form.moment(at));
        let millis = Timestamp::from_millis;
        assert_eq!(at(5, millis(7)), at(100, millis(102)));
        assert_ne!(at(5, millis(7)), at(5, millis(3)));
        assert_eq!(at(5, Timestamp::MAX), at(100, Timestamp::MAX));
        let due = |now, at| form(now, |form| form.due(millis(at)));
        assert_eq!(due(5, 5), due(100, 3));
        assert_ne!(due(5, 5), due(5, 6));
        let since = |now| form(now, |form| form.since(millis(0), Duration::from_millis(10)));
        assert_eq!(since(10), since(99));
        assert_ne!(since(9), since(10));
    }

    #[test]
    fn names_without_an_order_are_numbered_as_they_appear() {
        let links = |numbers: &[u64]| {
            form(0, |form| {
                for &number in numbers {
                    form.link(LinkId::from_u64(number));
                    form.server(ServerId::from_u64(number));
                }
            })
        };
        assert_eq!(links(&[3, 9, 3]), links(&[7, 2, 7]));
        assert_ne!(links(&[3, 9, 3]), links(&[3, 9, 9]));
    }

    #[test]
    fn publishes_become_their_places_and_bounds_count_them() {
        let state = |runs: &[(u64, u64)], single, bound| {
            form(0, |form| {
                let runs: Vec<(PublishSeq, PublishSeq)> = runs
                    .iter()
                    .map(|&(first, last)| (PublishSeq::from_u64(first), PublishSeq::from_u64(last)))
                    .collect();
                form.publishes(&runs);
                form.publish(PublishSeq::from_u64(single));
                form.publishes_up_to(PublishSeq::from_u64(bound));
            })
        };
        // 5 and 6 are gone.
        assert_eq!(state(&[(3, 4), (7, 7)], 9, 5), state(&[(1, 3)], 4, 2));
        assert_ne!(state(&[(3, 4), (7, 7)], 9, 5), state(&[(1, 3)], 4, 3));
        // What lies between two ranges keeps them apart.
        assert_ne!(state(&[(3, 4), (7, 7)], 5, 0), state(&[(1, 3)], 4, 0));
        assert_eq!(state(&[(3, 4), (7, 7)], 5, 0), state(&[(1, 2), (4, 4)], 3, 0));
    }

    #[test]
    fn inboxes_and_requests_in_texts_are_renamed() {
        assert_eq!(text(TOKEN_A), text(TOKEN_B));
        assert_ne!(text(TOKEN_A), text("_INBOX.short"));
        assert_ne!(text(TOKEN_A), text(&format!("{TOKEN_A}x")));
        assert_eq!(
            text(&format!("PUB a {TOKEN_A}.16777216 0\r\n\r\n")),
            text(&format!("PUB a {TOKEN_B}.33554432 0\r\n\r\n"))
        );
        assert_ne!(
            text(&format!("{TOKEN_A}.1 {TOKEN_B}.1")),
            text(&format!("{TOKEN_A}.1 {TOKEN_A}.1"))
        );
        assert_ne!(
            text(&format!("{TOKEN_A}.1 {TOKEN_A}.2")),
            text(&format!("{TOKEN_A}.2 {TOKEN_A}.1"))
        );
    }

    #[test]
    fn sids_in_frames_are_renamed_and_nothing_else() {
        let ours = |frame: &str| form(0, |form| form.client_frame(frame.as_bytes()));
        assert_eq!(ours("SUB a 7\r\n"), ours("SUB a 12\r\n"));
        assert_eq!(ours("UNSUB 7 3\r\n"), ours("UNSUB 12 3\r\n"));
        assert_ne!(ours("UNSUB 7 3\r\n"), ours("UNSUB 7 4\r\n"));
        assert_ne!(ours("SUB a 7\r\n"), ours("SUB b 7\r\n"));
        assert_ne!(ours("SUB a q 7\r\n"), ours("SUB a 7\r\n"));
        assert_ne!(ours("PUB a 7\r\n1234567\r\n"), ours("PUB a 7\r\n7654321\r\n"));
        let theirs = |bytes: &str| form(0, |form| form.server_bytes(bytes.as_bytes()));
        assert_eq!(theirs("MSG a 7 5\r\nhel"), theirs("MSG a 8 5\r\nhel"));
        assert_ne!(theirs("MSG a 7 5\r\nhel"), theirs("MSG a 7 5\r\nhell"));
        assert_ne!(theirs("MSG a 7"), theirs("MSG a 8"));
    }

    #[test]
    fn what_is_not_printed_makes_a_difference_too() {
        let url = |text| form(0, |form| form.whole(&nats_proto::ServerUrl::parse(text).unwrap()));
        assert_ne!(url("nats://a:b@n1"), url("nats://a:c@n1"));
        assert_eq!(url("nats://a:b@n1"), url("nats://a:b@n1"));
    }
}
