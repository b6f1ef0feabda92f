//! A block of what is written at once: whole frames in order, and what is known of them.

use alloc::vec::Vec;

use nats_proto::{Frame, Sid, TransmitBuf};
use smallvec::SmallVec;

use crate::delivery::SeqRanges;
use crate::ids::PublishSeq;
use crate::pings::Ping;

/// The most bytes of a block, unless one frame alone is larger.
pub(crate) const BLOCK: usize = 64 * 1024;

/// A PING as it is written.
const PING: &[u8] = b"PING\r\n";

/// What a frame is: of all kinds only publishes go from one link to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Publish,
    /// The publish of a request, which is never sent twice.
    Request,
    Control,
}

impl Tag {
    pub(crate) fn is_publish(self) -> bool {
        self != Self::Control
    }
}

/// Frames in the order in which they will be written, and what is known of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Block {
    pub(crate) bytes: TransmitBuf<Tag>,
    /// The numbers of its publishes, in the order of their frames.
    pub(crate) publishes: SeqRanges,
    pub(crate) publish_bytes: usize,
    pub(crate) largest: Option<Largest>,
    pub(crate) pings: SmallVec<[Ping; 1]>,
    /// The highest sid that a SUB in it names.
    pub(crate) last_sub: Option<Sid>,
    pub(crate) has_control: bool,
    /// Publishes that are to leave it before it is handed out, ascending.
    pub(crate) removed: Vec<PublishSeq>,
    removed_bytes: usize,
}

impl Block {
    pub(crate) fn from_bytes(bytes: TransmitBuf<Tag>) -> Self {
        Self {
            bytes,
            ..Self::default()
        }
    }

    /// The publish frames with their numbers.
    pub(crate) fn publish_frames(&self) -> impl Iterator<Item = (PublishSeq, Frame<Tag>)> + '_ {
        self.bytes
            .frames()
            .filter(|frame| frame.tag.is_publish())
            .zip(self.publishes.numbers())
            .map(|(f, s)| (s, f))
    }

    /// Bytes that will be handed out.
    pub(crate) fn live_bytes(&self) -> usize {
        self.bytes.len().saturating_sub(self.removed_bytes)
    }

    pub(crate) fn is_removed(&self, seq: PublishSeq) -> bool {
        self.removed.binary_search(&seq).is_ok()
    }

    pub(crate) fn remove(&mut self, seq: PublishSeq, bytes: usize) -> bool {
        let Err(place) = self.removed.binary_search(&seq) else {
            return false;
        };
        self.removed.insert(place, seq);
        self.removed_bytes = self.removed_bytes.saturating_add(bytes);
        self.publish_bytes = self.publish_bytes.saturating_sub(bytes);
        true
    }

    /// Bytes of its SUBs and UNSUBs.
    pub(crate) fn interest_bytes(&self) -> usize {
        self.bytes
            .len()
            .saturating_sub(self.publish_bytes)
            .saturating_sub(self.removed_bytes)
            .saturating_sub(self.pings.len().saturating_mul(PING.len()))
    }

    /// Writes it anew without the publishes that are to go, and with the control frames that `keep` wants: it is
    /// asked about each of them, given the frame and what its PING is for.
    pub(crate) fn rebuild(
        &mut self,
        mut keep: impl FnMut(&TransmitBuf<Tag>, Frame<Tag>, Option<Ping>) -> bool,
    ) {
        let mut next = Self {
            last_sub: self.last_sub,
            ..Self::default()
        };
        let mut numbers = self.publishes.numbers();
        let mut pings = self.pings.iter().copied();
        for frame in self.bytes.frames() {
            if frame.tag.is_publish() {
                let Some(seq) = numbers.next() else { break };
                if !self.is_removed(seq) {
                    let (message, _) = message_size(self.bytes.frame_head(frame));
                    Largest::note(&mut next.largest, seq, frame_len(frame), message);
                    next.publishes.push(seq);
                    next.publish_bytes = next.publish_bytes.saturating_add(frame_len(frame));
                    self.bytes.copy_frame(frame, &mut next.bytes);
                }
                continue;
            }
            let is_ping = self.bytes.frame_head(frame) == PING;
            let ping = if is_ping { pings.next() } else { None };
            if keep(&self.bytes, frame, ping) {
                next.has_control = true;
                next.pings.extend(ping);
                self.bytes.copy_frame(frame, &mut next.bytes);
            }
        }
        drop(numbers);
        *self = next;
    }

    /// Moves its SUBs and UNSUBs to another block, and the PINGs that no publish lies before: none if one lies before
    /// the block.
    pub(crate) fn move_control(&mut self, to: &mut Self, leads: bool) {
        let first = self.bytes.frames().find(|frame| frame.tag.is_publish());
        let leading = if leads {
            first.map_or(usize::MAX, |frame| frame.start)
        } else {
            0
        };
        self.rebuild(|bytes, frame, ping| {
            if ping.is_some() && frame.start >= leading {
                return true;
            }
            bytes.copy_frame(frame, &mut to.bytes);
            to.pings.extend(ping);
            false
        });
        to.last_sub = to.last_sub.max(self.last_sub);
    }
}

/// The publish of a block that has the most bytes of headers and payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Largest {
    pub(crate) seq: PublishSeq,
    /// Bytes of its frame.
    pub(crate) len: usize,
    /// Headers and payload.
    pub(crate) message: usize,
}

impl Largest {
    /// The first of those that are equally large stays.
    pub(crate) fn note(known: &mut Option<Self>, seq: PublishSeq, len: usize, message: usize) {
        if known.is_none_or(|known| message > known.message) {
            *known = Some(Self { seq, len, message });
        }
    }
}

/// Bytes of a whole frame.
pub(crate) fn frame_len(frame: Frame<Tag>) -> usize {
    frame.end.saturating_sub(frame.start)
}

/// Bytes of headers and payload, and whether there are headers, as a frame's own control line says.
pub(crate) fn message_size(head: &[u8]) -> (usize, bool) {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let digits = line.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
    let size = digits.iter().fold(0_usize, |size, &digit| {
        size.saturating_mul(10)
            .saturating_add(usize::from(digit.saturating_sub(b'0')))
    });
    (size, line.starts_with(b"H"))
}
