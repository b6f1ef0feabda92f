//! Frames that are to be written: what kind they are, blocks of them, and which of them may leave now.

use alloc::vec::Vec;

use nats_proto::{ClientOp, Frame, PublishFrame, SHARED_MIN, Sid, TransmitBuf};
use smallvec::SmallVec;

use crate::canonical::Form;
use crate::ids::PublishSeq;
use crate::pings::Ping;
use crate::ranges::SeqRanges;

/// The most bytes of a block, unless one frame alone is larger. Shared payloads, which are not copied into it, count
/// apart.
pub(crate) const BLOCK: usize = 64 * 1024;

/// The most bytes of the shared payloads of a block, unless one alone is larger. Large payloads are cheaper to write the
/// more of them are handed to the system at once.
const SHARED: usize = 1024 * 1024;

/// A PING as it is written.
const PING: &[u8] = b"PING\r\n";

/// What may be written to a link now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Nothing.
    Shut,
    /// CONNECT, the PING that follows it, and PONGs.
    Hello,
    /// All but publishes, which wait for the next link.
    Control,
    /// Everything.
    All,
}

/// What a frame is: of all kinds only publishes are carried from one link to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Publish,
    /// The publish of a request.
    Request,
    Control,
}

impl Tag {
    pub(crate) fn is_publish(self) -> bool {
        self != Self::Control
    }
}

/// Whole frames in the order in which they will be written, and what is known of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Block {
    bytes: TransmitBuf<Tag>,
    /// The numbers of its publishes, in the order of their frames.
    publishes: SeqRanges,
    publish_bytes: usize,
    /// Bytes of its shared payloads, as far as they were appended as such.
    shared: u32,
    largest: Option<Largest>,
    /// One of its publishes has headers, or had when it was removed.
    has_headers: bool,
    pings: SmallVec<[Ping; 1]>,
    /// The highest sid that a SUB in it names.
    last_sub: Option<Sid>,
    has_control: bool,
    /// Publishes that leave it before it is handed out, ascending.
    removed: Vec<PublishSeq>,
    removed_bytes: usize,
}

/// Looking.
impl Block {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn bytes(&self) -> &TransmitBuf<Tag> {
        &self.bytes
    }

    pub(crate) fn publishes(&self) -> &SeqRanges {
        &self.publishes
    }

    /// Bytes of its publishes, without those that were removed.
    pub(crate) fn publish_bytes(&self) -> usize {
        self.publish_bytes
    }

    pub(crate) fn largest(&self) -> Option<Largest> {
        self.largest
    }

    /// Whether there may be headers in it.
    pub(crate) fn has_headers(&self) -> bool {
        self.has_headers
    }

    pub(crate) fn pings(&self) -> &[Ping] {
        &self.pings
    }

    pub(crate) fn last_sub(&self) -> Option<Sid> {
        self.last_sub
    }

    pub(crate) fn has_control(&self) -> bool {
        self.has_control
    }

    /// Bytes that will be handed out.
    pub(crate) fn live_bytes(&self) -> usize {
        self.bytes.len().saturating_sub(self.removed_bytes)
    }

    /// Whether a frame of `len` bytes has room in it, `shared` of which are a payload that is not copied; one frame
    /// always has.
    #[inline]
    pub(crate) fn has_room(&self, len: usize, shared: impl FnOnce() -> usize) -> bool {
        let all = self.bytes.len().saturating_add(len);
        if all <= BLOCK || self.bytes.is_empty() {
            return true;
        }
        let shared = shared().saturating_add(usize::try_from(self.shared).unwrap_or(usize::MAX));
        all.saturating_sub(shared) <= BLOCK && shared <= SHARED
    }

    /// Bytes of its SUBs and UNSUBs.
    pub(crate) fn interest_bytes(&self) -> usize {
        self.bytes
            .len()
            .saturating_sub(self.publish_bytes)
            .saturating_sub(self.removed_bytes)
            .saturating_sub(self.pings.len().saturating_mul(PING.len()))
    }

    /// The publishes that were not removed, with their numbers.
    pub(crate) fn publish_frames(&self) -> impl Iterator<Item = (PublishSeq, Frame<Tag>)> + '_ {
        self.bytes
            .frames()
            .filter(|frame| frame.tag.is_publish())
            .zip(self.publishes.numbers())
            .map(|(frame, seq)| (seq, frame))
            .filter(|&(seq, _)| !self.is_removed(seq))
    }

    /// Whether this publish is in it.
    pub(crate) fn contains(&self, seq: PublishSeq) -> bool {
        self.publishes.contains(seq) && !self.is_removed(seq)
    }

    pub(crate) fn first_publish(&self) -> Option<PublishSeq> {
        self.publishes.numbers().find(|&seq| !self.is_removed(seq))
    }

    fn is_removed(&self, seq: PublishSeq) -> bool {
        self.removed.binary_search(&seq).is_ok()
    }

    pub(crate) fn has_removed(&self) -> bool {
        !self.removed.is_empty()
    }

    /// Whether more of its frames were removed than stay.
    pub(crate) fn is_mostly_removed(&self) -> bool {
        self.removed.len().saturating_mul(2) > self.bytes.frame_count()
    }
}

/// Filling.
impl Block {
    pub(crate) fn from_bytes(bytes: TransmitBuf<Tag>) -> Self {
        Self {
            bytes,
            ..Self::default()
        }
    }

    /// Appends a publish that was checked.
    #[inline]
    pub(crate) fn push_publish(&mut self, seq: PublishSeq, frame: &PublishFrame<'_>, tag: Tag) {
        frame.write(&mut self.bytes);
        self.bytes.end_frame(tag);
        self.publishes.push(seq);
        let len = frame.encoded_len();
        self.publish_bytes = self.publish_bytes.saturating_add(len);
        if len >= SHARED_MIN {
            // Smaller ones have none that is shared.
            self.note_shared(frame.shared_len());
        }
        self.has_headers |= frame.has_headers();
        Largest::note(&mut self.largest, seq, len, frame.message_len());
    }

    #[cold]
    fn note_shared(&mut self, len: usize) {
        let shared = u32::try_from(len).unwrap_or(u32::MAX);
        self.shared = self.shared.saturating_add(shared);
    }

    /// Appends a copy of a publish that lies in another buffer.
    pub(crate) fn copy_publish(&mut self, from: &TransmitBuf<Tag>, frame: Frame<Tag>, seq: PublishSeq) {
        let (message, has_headers) = message_size(from.frame_head(frame));
        Largest::note(&mut self.largest, seq, frame_len(frame), message);
        self.has_headers |= has_headers;
        self.publishes.push(seq);
        self.publish_bytes = self.publish_bytes.saturating_add(frame_len(frame));
        from.copy_frame(frame, &mut self.bytes);
    }

    /// Appends a SUB, UNSUB or PONG: no limit of a control line applies to these.
    pub(crate) fn push_control(&mut self, op: ClientOp<'_>) {
        let subscribed = match &op {
            ClientOp::Subscribe { sid, .. } => Some(*sid),
            _ => None,
        };
        if op.encode_within(usize::MAX, &mut self.bytes).is_ok() {
            self.bytes.end_frame(Tag::Control);
            self.has_control = true;
            self.last_sub = self.last_sub.max(subscribed);
        }
    }

    /// Appends a PING.
    pub(crate) fn push_ping(&mut self, ping: Ping) {
        self.push_control(ClientOp::Ping);
        self.pings.push(ping);
    }

    /// CONNECT, which ends with this PING, is in it.
    pub(crate) fn note_hello(&mut self, ping: Ping) {
        self.pings.push(ping);
    }

    /// The flushes of its PINGs are settled otherwise: the PONGs count for what they confirm.
    pub(crate) fn forget_flushes(&mut self) {
        self.pings.iter_mut().for_each(Ping::forget_flush);
    }
}

/// Taking out.
impl Block {
    /// Marks a publish of `len` bytes as removed. Whether it was not yet.
    pub(crate) fn remove(&mut self, seq: PublishSeq, len: usize) -> bool {
        let Err(place) = self.removed.binary_search(&seq) else {
            return false;
        };
        self.removed.insert(place, seq);
        self.removed_bytes = self.removed_bytes.saturating_add(len);
        self.publish_bytes = self.publish_bytes.saturating_sub(len);
        true
    }

    /// Writes it anew without the publishes that were removed, and with the control frames that `keep` wants: it is
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
                    next.copy_publish(&self.bytes, frame, seq);
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

    /// Its bytes, and the numbers of its publishes.
    pub(crate) fn into_parts(self) -> (TransmitBuf<Tag>, SeqRanges) {
        (self.bytes, self.publishes)
    }
}

/// The publish of a block that has the most bytes of headers and payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Largest {
    seq: PublishSeq,
    /// Bytes of its frame.
    len: usize,
    /// Bytes of headers and payload.
    message: usize,
}

impl Largest {
    /// The first of those that are equally large stays.
    #[inline]
    pub(crate) fn note(known: &mut Option<Self>, seq: PublishSeq, len: usize, message: usize) {
        if known.is_none_or(|known| message > known.message) {
            *known = Some(Self { seq, len, message });
        }
    }

    pub(crate) fn seq(self) -> PublishSeq {
        self.seq
    }

    pub(crate) fn len(self) -> usize {
        self.len
    }

    pub(crate) fn message(self) -> usize {
        self.message
    }
}

/// Bytes of a whole frame.
pub(crate) fn frame_len(frame: Frame<Tag>) -> usize {
    frame.end.saturating_sub(frame.start)
}

/// Bytes of headers and payload, and whether there are headers, as a frame's own control line states.
pub(crate) fn message_size(head: &[u8]) -> (usize, bool) {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let digits = line.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
    let size = digits.iter().fold(0_usize, |size, &digit| {
        size.saturating_mul(10)
            .saturating_add(usize::from(digit.saturating_sub(b'0')))
    });
    (size, line.starts_with(b"H"))
}

/// For exploration.
impl Block {
    pub(crate) fn canonical(&self, form: &mut Form) {
        let Self {
            bytes,
            publishes,
            // These follow from the frames.
            publish_bytes: _,
            shared: _,
            largest: _,
            has_headers: _,
            has_control: _,
            pings,
            last_sub,
            removed: _,
            removed_bytes: _,
        } = self;
        let mut numbers = publishes.numbers();
        let live = bytes.frames().filter_map(|frame| {
            let seq = if frame.tag.is_publish() {
                numbers.next()
            } else {
                None
            };
            (!seq.is_some_and(|seq| self.is_removed(seq))).then_some((seq, frame))
        });
        form.list(live, |form, (seq, frame)| {
            form.option(seq, Form::publish);
            write_frame(form, bytes, frame);
        });
        form.list(pings, |form, ping| ping.canonical(form));
        form.sids_up_to(last_sub.unwrap_or(Sid::new(0)));
    }
}

impl Largest {
    pub(crate) fn canonical(&self, form: &mut Form) {
        // The length follows from the frame.
        let Self { seq, len: _, message } = self;
        form.publish(*seq);
        form.size(*message);
    }
}

/// A whole frame, with its tag.
pub(crate) fn write_frame(form: &mut Form, from: &TransmitBuf<Tag>, frame: Frame<Tag>) {
    form.variant(match frame.tag {
        Tag::Publish => 0,
        Tag::Request => 1,
        Tag::Control => 2,
    });
    let mut copy = TransmitBuf::new();
    from.copy_frame(frame, &mut copy);
    form.client_frame(&copy.chunks().collect::<Vec<_>>().concat());
}
