//! What a server has read of one link, and what it therefore knows.

use std::collections::BTreeMap;

use super::input::Fault;

/// The server's end of a link.
#[derive(Clone, Debug, Default)]
pub(super) struct Server {
    /// Bytes that are no whole frame yet.
    wire: Vec<u8>,
    /// What it was told about each sid.
    interest: BTreeMap<u64, Told>,
    /// The inbox that it was told of last.
    inbox: Option<String>,
    /// It has sent a PONG since.
    is_inbox_proven: bool,
}

/// A subscription as the server knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Told {
    pub(super) is_inbox: bool,
    /// How many messages it may send, from the SUB of this link on.
    pub(super) max: Option<u64>,
    /// How many it has sent.
    pub(super) sent: u64,
    /// It was told to end it, or ended it.
    pub(super) is_over: bool,
}

/// A frame that arrived whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// Its payload names the publish.
    Publish(Vec<u8>),
    /// A request, by its number.
    Request(u64),
    Subscribe(u64),
    Other,
}

impl Server {
    /// The transport took these bytes.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Vec<Frame> {
        self.wire.extend_from_slice(bytes);
        let mut frames = Vec::new();
        while let Some((frame, len)) = first_frame(&self.wire) {
            let text = String::from_utf8_lossy(&self.wire[..len]).into_owned();
            self.wire.drain(..len);
            self.learn(&text);
            frames.push(frame);
        }
        frames
    }

    fn learn(&mut self, text: &str) {
        let words: Vec<&str> = text.trim_end().split(' ').collect();
        match words[..] {
            ["SUB", subject, sid] => {
                let told = Told {
                    is_inbox: subject.starts_with("_INBOX."),
                    max: None,
                    sent: 0,
                    is_over: false,
                };
                if told.is_inbox {
                    (self.inbox, self.is_inbox_proven) = (Some(subject.to_owned()), false);
                }
                self.interest.insert(number(sid), told);
            }
            ["UNSUB", sid] => self.over(number(sid)),
            ["UNSUB", sid, max] => {
                if let Some(told) = self.interest.get_mut(&number(sid)) {
                    told.max = Some(number(max));
                    told.is_over |= told.sent >= number(max);
                }
            }
            _ => {}
        }
    }

    /// It sends a message for this sid.
    pub(super) fn sends(&mut self, sid: u64) {
        if let Some(told) = self.interest.get_mut(&sid) {
            told.sent = told.sent.saturating_add(1);
            told.is_over |= told.max.is_some_and(|max| told.sent >= max);
        }
    }

    /// It ended this one, or was told to.
    pub(super) fn over(&mut self, sid: u64) {
        if let Some(told) = self.interest.get_mut(&sid) {
            told.is_over = true;
        }
    }

    /// It sends a PONG.
    pub(super) fn proves(&mut self) {
        self.is_inbox_proven = true;
    }

    /// Whether it has sent a PONG since it was told of the inbox.
    pub(super) fn is_inbox_proven(&self) -> bool {
        self.is_inbox_proven
    }

    /// The sid of the inbox, if it has one.
    pub(super) fn inbox(&self) -> Option<u64> {
        let mut inboxes = self.interest().filter(|(_, told)| told.is_inbox);
        inboxes.next().map(|(sid, _)| sid)
    }

    /// The frame that refuses the inbox. One that it had taken it takes away when its settings change, and says which.
    pub(super) fn refuses_inbox(&self) -> String {
        let subject = self.inbox.as_deref().unwrap_or("_INBOX.*");
        let text = Fault::Inbox.text().replace("_INBOX.*", subject);
        match self.inbox() {
            Some(sid) if self.is_inbox_proven => format!("-ERR '{text} (sid \"{sid}\")'\r\n"),
            _ => format!("-ERR '{text}'\r\n"),
        }
    }

    /// It ended the inbox.
    pub(super) fn inbox_over(&mut self) {
        for told in self.interest.values_mut().filter(|told| told.is_inbox) {
            told.is_over = true;
        }
    }

    /// What it was told about this sid, if anything.
    pub(super) fn told(&self, sid: u64) -> Option<Told> {
        self.interest.get(&sid).copied()
    }

    /// The subscriptions that it still has.
    pub(super) fn interest(&self) -> impl Iterator<Item = (u64, Told)> + '_ {
        self.interest
            .iter()
            .filter(|(_, told)| !told.is_over)
            .map(|(sid, told)| (*sid, *told))
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or(u64::MAX)
}

/// The first whole frame, and how many bytes it has.
fn first_frame(wire: &[u8]) -> Option<(Frame, usize)> {
    let end = wire.windows(2).position(|two| two == b"\r\n")?;
    let line = std::str::from_utf8(&wire[..end]).unwrap_or_default();
    let words: Vec<&str> = line.split(' ').collect();
    let head = end + 2;
    match words[..] {
        ["PUB", _, reply, size] if reply.starts_with("_INBOX.") => {
            let number = reply.rsplit('.').next().map_or(u64::MAX, number);
            let len = head + payload(wire, head, size)?.len() + 2;
            Some((Frame::Request(number), len))
        }
        ["PUB", _, size] | ["PUB", _, _, size] => {
            let payload = payload(wire, head, size)?;
            Some((Frame::Publish(payload.to_vec()), head + payload.len() + 2))
        }
        ["SUB", _, sid] => Some((Frame::Subscribe(number(sid)), head)),
        _ => Some((Frame::Other, head)),
    }
}

fn payload<'a>(wire: &'a [u8], head: usize, size: &str) -> Option<&'a [u8]> {
    let end = head + usize::try_from(number(size)).ok()?;
    (wire.len() >= end + 2).then(|| &wire[head..end])
}
