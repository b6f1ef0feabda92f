//! What waits to be handed to a transport: whole frames in order, in blocks of at most 64 KiB.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use nats_proto::{ClientOp, EncodeError, Frame, Sid, TransmitBuf};

use crate::block::{BLOCK, Block, Largest, Tag, frame_len, message_size};
use crate::delivery::SeqRanges;
use crate::ids::PublishSeq;
use crate::pings::{Ping, PingKind};

/// The queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    /// Full blocks.
    blocks: VecDeque<Block>,
    /// The block that is being filled. It comes last.
    tail: Block,
    /// A written-out buffer, for its memory.
    spare: Option<TransmitBuf<Tag>>,
    publish_bytes: usize,
    /// No message in the queue has more bytes of headers and payload than this.
    largest_message: usize,
    has_headers: bool,
}

impl Outbox {
    /// Bytes of the publishes that are queued.
    pub(crate) fn publish_bytes(&self) -> usize {
        self.publish_bytes
    }

    /// Bytes that wait to be handed out.
    pub(crate) fn bytes(&self) -> usize {
        self.all().map(Block::live_bytes).fold(0, usize::saturating_add)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.tail.bytes.is_empty()
    }

    pub(crate) fn has_publishes(&self) -> bool {
        self.publish_bytes > 0
    }

    /// The lowest number that is queued.
    pub(crate) fn first_publish(&self) -> Option<PublishSeq> {
        self.all()
            .find_map(|block| block.publishes.numbers().find(|&seq| !block.is_removed(seq)))
    }

    /// The most bytes of headers and payload that a queued message may have, and whether one may have headers.
    pub(crate) fn most_demanding(&self) -> (usize, bool) {
        (self.largest_message, self.has_headers)
    }

    /// Queues a publish of `len` bytes, of which `message` are headers and payload.
    pub(crate) fn push_publish(
        &mut self,
        seq: PublishSeq,
        op: ClientOp<'_>,
        shape: Shape,
        max_control_line: usize,
    ) -> Result<(), EncodeError> {
        let block = self.tail(shape.len);
        op.encode_within(max_control_line, &mut block.bytes)?;
        block.bytes.end_frame(shape.tag);
        block.publishes.push(seq);
        block.publish_bytes = block.publish_bytes.saturating_add(shape.len);
        Largest::note(&mut block.largest, seq, shape.len, shape.message);
        self.publish_bytes = self.publish_bytes.saturating_add(shape.len);
        self.largest_message = self.largest_message.max(shape.message);
        self.has_headers |= shape.has_headers;
        Ok(())
    }

    /// Queues a SUB, UNSUB or PING. These never need room.
    pub(crate) fn push_control(&mut self, op: ClientOp<'_>) {
        let subscribed = match &op {
            ClientOp::Subscribe { sid, .. } => Some(*sid),
            _ => None,
        };
        let block = self.tail(op.encoded_len());
        if op.encode_within(usize::MAX, &mut block.bytes).is_ok() {
            block.bytes.end_frame(Tag::Control);
            block.has_control = true;
            block.last_sub = block.last_sub.max(subscribed);
        }
    }

    /// Queues a PING behind everything that is there.
    pub(crate) fn push_ping(&mut self, kind: PingKind, covers: PublishSeq, subs: Sid) {
        self.push_control(ClientOp::Ping);
        self.tail.pings.push(Ping { kind, covers, subs });
    }

    /// What the PINGs in it are for.
    pub(crate) fn pings(&self) -> impl Iterator<Item = PingKind> + '_ {
        self.all()
            .flat_map(|block| block.pings.iter().map(|ping| ping.kind))
    }

    /// Their flushes are settled otherwise.
    pub(crate) fn forget_pings(&mut self) {
        for block in self.blocks.iter_mut().chain([&mut self.tail]) {
            for ping in &mut block.pings {
                ping.kind = PingKind::Volume;
            }
        }
    }

    /// Whether this publish is queued.
    pub(crate) fn contains(&self, seq: PublishSeq) -> bool {
        self.all()
            .any(|block| block.publishes.contains(seq) && !block.is_removed(seq))
    }

    /// A buffer to fill, with memory that was used before where there is some.
    pub(crate) fn buffer(&mut self) -> TransmitBuf<Tag> {
        self.spare.take().unwrap_or_default()
    }

    /// Bytes of the publishes of the block that comes next.
    pub(crate) fn next_publish_bytes(&self) -> usize {
        self.all().next().map_or(0, |block| block.publish_bytes)
    }

    /// The next block to hand out.
    pub(crate) fn take(&mut self) -> Option<Block> {
        loop {
            let mut block = match self.blocks.pop_front() {
                Some(block) => block,
                None if self.tail.bytes.is_empty() => return None,
                None => core::mem::replace(
                    &mut self.tail,
                    Block::from_bytes(self.spare.take().unwrap_or_default()),
                ),
            };
            self.publish_bytes = self.publish_bytes.saturating_sub(block.publish_bytes);
            if !block.removed.is_empty() {
                block.rebuild(|_, _, _| true);
            }
            if self.is_empty() {
                self.forget_demands();
            }
            if !block.bytes.is_empty() {
                return Some(block);
            }
        }
    }

    /// Whether [`take_control`](Self::take_control) has something.
    pub(crate) fn has_control(&self) -> bool {
        self.with_control().next().is_some()
    }

    /// While publishes are held back: the next block of what goes past them, SUBs and UNSUBs, and of PINGs that none
    /// lies before.
    pub(crate) fn take_control(&mut self) -> Option<Block> {
        let (place, leads) = self.with_control().next()?;
        let mut taken = Block::from_bytes(self.buffer());
        self.at(place).move_control(&mut taken, leads);
        self.blocks.retain(|block| !block.bytes.is_empty());
        Some(taken)
    }

    /// The blocks with frames that go past held publishes, and whether none of these lies before the block.
    fn with_control(&self) -> impl Iterator<Item = (usize, bool)> + '_ {
        let mut leads = true;
        self.all().enumerate().filter_map(move |(place, block)| {
            let first = block.bytes.frames().next();
            let led = leads;
            leads &= block.publishes.is_empty();
            let ahead = led && first.is_some_and(|frame| !frame.tag.is_publish());
            (ahead || block.interest_bytes() > 0).then_some((place, led))
        })
    }

    /// Takes back the memory of a buffer that was written out.
    pub(crate) fn recycle(&mut self, mut buffer: TransmitBuf<Tag>) {
        buffer.clear();
        if self
            .spare
            .as_ref()
            .is_none_or(|spare| spare.capacity() < buffer.capacity())
            && buffer.capacity() <= BLOCK.saturating_mul(2)
        {
            self.spare = Some(buffer);
        }
    }

    /// Takes a publish out whose frame has `len` bytes. Whether it was there.
    pub(crate) fn remove(&mut self, seq: PublishSeq, len: usize) -> bool {
        let Some(place) = self.all().position(|block| block.publishes.contains(seq)) else {
            return false;
        };
        let block = self.at(place);
        if !block.remove(seq, len) {
            return false;
        }
        self.publish_bytes = self.publish_bytes.saturating_sub(len);
        self.shrink(place);
        true
    }

    /// Drops the oldest publishes until `room` bytes are free of them, or none is left.
    pub(crate) fn drop_oldest(&mut self, room: usize) -> Dropped {
        let mut dropped = Dropped::default();
        while dropped.bytes < room {
            let Some(place) = self.all().position(|block| block.publish_bytes > 0) else {
                break;
            };
            let block = self.at(place);
            let mut gone: Vec<(PublishSeq, Frame<Tag>)> = Vec::new();
            let mut freed = dropped.bytes;
            for (seq, frame) in block.publish_frames().filter(|&(seq, _)| !block.is_removed(seq)) {
                if freed >= room {
                    break;
                }
                freed = freed.saturating_add(frame_len(frame));
                gone.push((seq, frame));
            }
            let before = dropped.bytes;
            for &(seq, frame) in &gone {
                block.remove(seq, frame_len(frame));
                dropped.push(seq, frame_len(frame), frame.tag);
            }
            let bytes = dropped.bytes.saturating_sub(before);
            self.publish_bytes = self.publish_bytes.saturating_sub(bytes);
            self.shrink(place);
        }
        dropped
    }

    /// Drops the publishes for which `refuse` says so, given headers and payload, and whether there are headers.
    pub(crate) fn drop_where(&mut self, mut refuse: impl FnMut(usize, bool) -> bool) -> Dropped {
        let mut dropped = Dropped::default();
        for block in self.blocks.iter_mut().chain([&mut self.tail]) {
            let gone: Vec<(PublishSeq, Frame<Tag>)> = block
                .publish_frames()
                .filter(|&(seq, frame)| {
                    let (message, has_headers) = message_size(block.bytes.frame_head(frame));
                    !block.is_removed(seq) && refuse(message, has_headers)
                })
                .collect();
            for &(seq, frame) in &gone {
                block.remove(seq, frame_len(frame));
                dropped.push(seq, frame_len(frame), frame.tag);
            }
        }
        self.publish_bytes = self.publish_bytes.saturating_sub(dropped.bytes);
        self.rebuild_all(true);
        dropped
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) -> Dropped {
        let dropped = self.drop_where(|_, _| true);
        *self = Self::default();
        dropped
    }

    /// The link is gone: SUB, UNSUB and PING are drawn anew on the next one.
    pub(crate) fn drop_control(&mut self) {
        if self.all().any(|block| block.has_control) {
            self.rebuild_all(false);
        }
    }

    /// Puts frames of an earlier link in front, in order.
    pub(crate) fn requeue(&mut self, mut frames: Requeue) {
        self.publish_bytes = self.publish_bytes.saturating_add(frames.bytes);
        self.largest_message = self.largest_message.max(frames.largest_message);
        self.has_headers |= frames.has_headers;
        while let Some(block) = frames.blocks.pop_back() {
            self.blocks.push_front(block);
        }
    }

    fn all(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().chain([&self.tail])
    }

    fn at(&mut self, place: usize) -> &mut Block {
        self.blocks.get_mut(place).unwrap_or(&mut self.tail)
    }

    /// The block that takes a frame of `len` bytes.
    fn tail(&mut self, len: usize) -> &mut Block {
        if !self.tail.bytes.is_empty() && self.tail.bytes.len().saturating_add(len) > BLOCK {
            let fresh = Block::from_bytes(self.spare.take().unwrap_or_default());
            self.blocks.push_back(core::mem::replace(&mut self.tail, fresh));
        }
        &mut self.tail
    }

    /// Frees the memory of removed frames once they are more than those that stay.
    fn shrink(&mut self, place: usize) {
        let block = self.at(place);
        if block.removed.len().saturating_mul(2) > block.bytes.frame_count() {
            block.rebuild(|_, _, _| true);
            if block.bytes.is_empty() && place < self.blocks.len() {
                self.blocks.remove(place);
            }
        }
        if self.is_empty() {
            self.forget_demands();
        }
    }

    fn rebuild_all(&mut self, keep_control: bool) {
        for block in self.blocks.iter_mut().chain([&mut self.tail]) {
            block.rebuild(|_, _, _| keep_control);
        }
        self.blocks.retain(|block| !block.bytes.is_empty());
        if self.is_empty() {
            self.forget_demands();
        }
    }

    fn forget_demands(&mut self) {
        self.largest_message = 0;
        self.has_headers = false;
    }
}

/// What is known of a publish frame that is about to be queued.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) tag: Tag,
    /// Bytes of the whole frame.
    pub(crate) len: usize,
    /// Bytes of headers and payload.
    pub(crate) message: usize,
    pub(crate) has_headers: bool,
}

/// Publishes that were dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dropped {
    pub(crate) publishes: SeqRanges,
    pub(crate) bytes: usize,
    /// There may be requests among them.
    pub(crate) has_requests: bool,
}

impl Dropped {
    pub(crate) fn push(&mut self, seq: PublishSeq, len: usize, tag: Tag) {
        self.has_requests |= tag == Tag::Request;
        self.publishes.push(seq);
        self.bytes = self.bytes.saturating_add(len);
    }
}

/// Frames of an earlier link that are to be queued again, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requeue {
    blocks: VecDeque<Block>,
    bytes: usize,
    largest_message: usize,
    has_headers: bool,
}

impl Requeue {
    pub(crate) fn push(&mut self, from: &TransmitBuf<Tag>, frame: Frame<Tag>, seq: PublishSeq) {
        let fits = self
            .blocks
            .back()
            .is_some_and(|block| block.bytes.len().saturating_add(frame_len(frame)) <= BLOCK);
        if !fits {
            self.blocks.push_back(Block::default());
        }
        let Some(block) = self.blocks.back_mut() else {
            return;
        };
        from.copy_frame(frame, &mut block.bytes);
        block.publishes.push(seq);
        block.publish_bytes = block.publish_bytes.saturating_add(frame_len(frame));
        self.bytes = self.bytes.saturating_add(frame_len(frame));
        let (message, has_headers) = message_size(from.frame_head(frame));
        Largest::note(&mut block.largest, seq, frame_len(frame), message);
        self.largest_message = self.largest_message.max(message);
        self.has_headers |= has_headers;
    }
}

#[cfg(test)]
mod tests {
    use nats_proto::WireSink;

    use super::*;

    #[test]
    fn of_two_written_buffers_the_larger_is_used_again_unless_it_is_huge() {
        let buffer = |bytes: usize| {
            let mut buffer = TransmitBuf::new();
            buffer.put_slice(&alloc::vec![b'x'; bytes]);
            buffer
        };
        let mut outbox = Outbox::default();
        for bytes in [100, 10_000, 1_000, 1 << 20] {
            outbox.recycle(buffer(bytes));
        }
        let again = outbox.buffer().capacity();
        assert!((10_000..=2 * BLOCK).contains(&again), "{again}");
        assert_eq!(outbox.buffer().capacity(), 0, "it is used once");
    }
}
