//! One link of the server.

use std::io::{Read, Write};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Instant;

use memchr::memchr;

use super::Shared;
use crate::Outcome;
use crate::cells::{CUT, ECHO, GO, Headers, SUBJECT_END, Work, header_block};

/// What is read at once.
const READ: usize = 256 << 10;
/// What is sent at once, at least.
const BLOCK: usize = 256 << 10;

struct Subscription {
    filter: Vec<u8>,
    sid: Vec<u8>,
}

/// What happens after a line.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Go,
    Cut,
}

pub(super) struct Conversation<'a> {
    shared: &'a Shared,
    /// 0 for the first link to this server.
    number: u64,
    accepted: Instant,
    /// Of the client's own inboxes.
    inboxes: Vec<Subscription>,
    /// In the order in which they were made.
    subscriptions: Vec<Subscription>,
    subscribed_bytes: u64,
    verbose: bool,
    output: Vec<u8>,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(shared: &'a Shared, number: u64, accepted: Instant) -> Self {
        Self {
            shared,
            number,
            accepted,
            inboxes: Vec::new(),
            subscriptions: Vec::new(),
            subscribed_bytes: 0,
            verbose: false,
            output: Vec::new(),
        }
    }

    /// Reads and answers until the client leaves or wants to be cut off.
    pub(super) fn hold(&mut self, link: &mut (impl Read + Write)) -> Outcome<()> {
        let mut buffer = vec![0; READ];
        let mut filled = 0;
        // Of a payload that is discarded.
        let mut left = 0;
        loop {
            let count = link.read(&mut buffer[filled..])?;
            if count == 0 {
                return Ok(());
            }
            filled += count;
            let mut at = 0;
            let mut next = None;
            while next.is_none() {
                if left > 0 {
                    let skipped = left.min(filled - at);
                    (at, left) = (at + skipped, left - skipped);
                    if left > 0 {
                        break;
                    }
                    self.shared.published.fetch_add(1, Ordering::Relaxed);
                }
                let rest = &buffer[at..filled];
                let Some(end) = memchr(b'\n', rest) else { break };
                let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
                let after = end + 1;
                let operation = line.split(|byte| *byte == b' ').next().unwrap_or_default();
                if operation.eq_ignore_ascii_case(b"PUB") || operation.eq_ignore_ascii_case(b"HPUB") {
                    let size: usize = std::str::from_utf8(last_word(line))?.parse()?;
                    if second_word(line).starts_with(b"orders.") {
                        self.acknowledge();
                        (at, left) = (at + after, size + 2);
                        continue;
                    }
                    if rest.len() < after + size + 2 {
                        break;
                    }
                    next = self.message(line, &rest[after..after + size]);
                    at += after + size + 2;
                } else {
                    self.line(operation, line, after);
                    at += after;
                }
            }
            buffer.copy_within(at..filled, 0);
            filled -= at;
            link.write_all(&self.output)?;
            link.flush()?;
            self.output.clear();
            match next {
                Some(Next::Go) => self.stream(link)?,
                Some(Next::Cut) => return Ok(()),
                None => {}
            }
        }
    }

    fn acknowledge(&mut self) {
        if self.verbose {
            self.output.extend_from_slice(b"+OK\r\n");
        }
    }

    fn line(&mut self, operation: &[u8], line: &[u8], bytes: usize) {
        if operation.eq_ignore_ascii_case(b"PING") {
            self.output.extend_from_slice(b"PONG\r\n");
        } else if operation.eq_ignore_ascii_case(b"SUB") {
            self.acknowledge();
            self.subscribe(line, bytes as u64);
        } else if operation.eq_ignore_ascii_case(b"UNSUB") {
            self.acknowledge();
            // `UNSUB sid` or `UNSUB sid max`: an inbox that gets one reply is gone after it either way.
            let sid = second_word(line);
            self.inboxes.retain(|inbox| inbox.sid != sid);
        } else if operation.eq_ignore_ascii_case(b"CONNECT") {
            self.verbose = memchr::memmem::find(line, b"\"verbose\":true").is_some();
            self.acknowledge();
        }
    }

    fn subscribe(&mut self, line: &[u8], bytes: u64) {
        let subscription = Subscription {
            filter: second_word(line).to_vec(),
            sid: last_word(line).to_vec(),
        };
        if !subscription.filter.starts_with(b"orders.") {
            self.inboxes.push(subscription);
            return;
        }
        self.subscriptions.push(subscription);
        self.subscribed_bytes += bytes;
        let restored = self.shared.cell.work == Work::Restore
            && self.number == 1
            && self.subscriptions.len() as u64 == self.shared.count;
        if restored {
            let after = self.accepted.elapsed().as_secs_f64();
            let mut seen = self
                .shared
                .restored
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *seen = Some((after, self.subscribed_bytes));
            // The client knows by a message that it is done. It was the one subscribed last that it waits for, whatever was
            // restored last.
            for subscription in &self.subscriptions {
                if subscription.filter == crate::cells::filter(self.shared.count - 1).as_bytes() {
                    self.output
                        .extend(frame(&subscription.filter, &subscription.sid, &[], &[b'x'; 16]));
                }
            }
        }
    }

    /// A whole message that is not discarded.
    fn message(&mut self, line: &[u8], body: &[u8]) -> Option<Next> {
        self.acknowledge();
        let subject = second_word(line);
        if subject == GO.as_bytes() {
            return Some(Next::Go);
        }
        if subject == CUT.as_bytes() {
            return Some(Next::Cut);
        }
        if subject == ECHO.as_bytes() {
            let reply = line.split(|byte| *byte == b' ').nth(2).unwrap_or_default();
            let inbox = self.inboxes.iter().find(|inbox| matches(&inbox.filter, reply));
            if let Some(inbox) = inbox {
                self.output.extend(frame(reply, &inbox.sid, &[], body));
            }
        }
        None
    }

    /// Sends what the cell wants, to all subscriptions in turn.
    fn stream(&mut self, link: &mut impl Write) -> Outcome<()> {
        let cell = &self.shared.cell;
        let block = if cell.headers == Headers::No {
            Vec::new()
        } else {
            header_block()
        };
        let payload = vec![b'x'; cell.payload];
        let frames: Vec<Vec<u8>> = self
            .subscriptions
            .iter()
            .map(|subscription| frame(&subscription.filter, &subscription.sid, &block, &payload))
            .collect();
        let Some(first) = frames.first() else {
            return Err("nothing is subscribed".into());
        };
        let length = first.len();
        let turns = BLOCK.div_ceil(length * frames.len()).max(1);
        let turn = frames.concat();
        let (mut all, mut ends) = (Vec::new(), Vec::new());
        for _ in 0..turns {
            for frame in &frames {
                let end = ends.last().copied().unwrap_or(0) + frame.len();
                ends.push(end);
            }
            all.extend_from_slice(&turn);
        }
        let mut left = self.shared.count;
        while left > 0 {
            let now = left.min(ends.len() as u64);
            let end = ends[usize::try_from(now - 1)?];
            link.write_all(&all[..end])?;
            left -= now;
        }
        link.flush()?;
        Ok(())
    }
}

/// The frame of a message to a subscription.
fn frame(filter: &[u8], sid: &[u8], headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let subject = match filter.strip_suffix(b">") {
        Some(start) => [start, SUBJECT_END.as_bytes()].concat(),
        None => filter.to_vec(),
    };
    let operation: &[u8] = if headers.is_empty() { b"MSG " } else { b"HMSG " };
    let mut frame = [operation, &subject, b" ", sid, b" "].concat();
    if !headers.is_empty() {
        frame.extend_from_slice(format!("{} ", headers.len()).as_bytes());
    }
    frame.extend_from_slice(format!("{}\r\n", headers.len() + payload.len()).as_bytes());
    frame.extend_from_slice(headers);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(b"\r\n");
    frame
}

/// Whether an inbox takes a reply: a wildcard can only be its last token.
fn matches(filter: &[u8], subject: &[u8]) -> bool {
    match filter.strip_suffix(b"*").or_else(|| filter.strip_suffix(b">")) {
        Some(start) => subject.starts_with(start),
        None => filter == subject,
    }
}

fn second_word(line: &[u8]) -> &[u8] {
    line.split(|byte| *byte == b' ').nth(1).unwrap_or_default()
}

fn last_word(line: &[u8]) -> &[u8] {
    line.rsplit(|byte| *byte == b' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_as_the_protocol_wants_them() {
        assert_eq!(
            frame(b"orders.00000.>", b"7", &[], b"abc"),
            b"MSG orders.00000.created.12345 7 3\r\nabc\r\n"
        );
        assert_eq!(
            frame(b"a", b"7", b"NATS/1.0\r\n\r\n", b"b"),
            b"HMSG a 7 12 13\r\nNATS/1.0\r\n\r\nb\r\n"
        );
    }

    #[test]
    fn an_inbox_takes_what_is_below_it() {
        assert!(matches(b"_INBOX.a.*", b"_INBOX.a.b"));
        assert!(matches(b"_INBOX.a", b"_INBOX.a"));
        assert!(!matches(b"_INBOX.a", b"_INBOX.ab"));
        assert!(!matches(b"_INBOX.a.*", b"_INBOX.b.a"));
    }
}
