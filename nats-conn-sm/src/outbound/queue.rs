//! Frames that no link has taken yet, in order, in blocks of at most 64 KiB and some shared payloads. It knows of no link.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use nats_proto::{ClientOp, Frame, PublishFrame, TransmitBuf};

use super::ledger::Dropped;
use crate::canonical::Form;
use crate::frames::{BLOCK, Block, Largest, Tag, frame_len, message_size};
use crate::ids::PublishSeq;
use crate::pings::{Ping, PingKind};

/// The queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    /// Full blocks.
    blocks: VecDeque<Block>,
    /// The block that is being filled. It comes last.
    tail: Block,
    /// A buffer that was written, for its memory.
    spare: Option<TransmitBuf<Tag>>,
    /// Bytes of the publishes of the full blocks.
    full_bytes: usize,
}

/// Looking.
impl Queue {
    /// Bytes of the publishes that are queued.
    #[inline]
    pub(super) fn publish_bytes(&self) -> usize {
        self.full_bytes.saturating_add(self.tail.publish_bytes())
    }

    /// Bytes that wait to be handed out.
    pub(super) fn bytes(&self) -> usize {
        self.all().map(Block::live_bytes).fold(0, usize::saturating_add)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.tail.is_empty()
    }

    #[inline]
    pub(super) fn has_publishes(&self) -> bool {
        self.publish_bytes() > 0
    }

    /// The lowest number that is queued.
    pub(super) fn first_publish(&self) -> Option<PublishSeq> {
        self.all().find_map(Block::first_publish)
    }

    /// The most bytes of headers and payload that a queued message may have, and whether one may have headers.
    pub(super) fn most_demanding(&self) -> (usize, bool) {
        let largest = self.all().filter_map(Block::largest).map(Largest::message);
        (
            largest.max().unwrap_or_default(),
            self.all().any(Block::has_headers),
        )
    }

    /// Whether this publish is queued.
    pub(super) fn contains(&self, seq: PublishSeq) -> bool {
        self.all().any(|block| block.contains(seq))
    }

    /// Bytes of the publishes of the block that comes next.
    pub(super) fn next_publish_bytes(&self) -> usize {
        self.all().next().map_or(0, Block::publish_bytes)
    }

    /// What the PINGs in it are for.
    pub(super) fn pings(&self) -> impl Iterator<Item = PingKind> + '_ {
        self.all().flat_map(Block::pings).map(|ping| ping.kind())
    }
}

/// Queueing.
impl Queue {
    /// Queues a publish.
    #[inline]
    pub(super) fn push_publish(&mut self, seq: PublishSeq, frame: &PublishFrame<'_>, tag: Tag) {
        self.tail(frame.encoded_len(), || frame.shared_len())
            .push_publish(seq, frame, tag);
    }

    /// Queues a SUB or UNSUB. These need no room.
    pub(super) fn push_control(&mut self, op: ClientOp<'_>) {
        self.tail(op.encoded_len(), || 0).push_control(op);
    }

    /// Queues a PING after everything that is there.
    pub(super) fn push_ping(&mut self, ping: Ping) {
        self.tail(ClientOp::Ping.encoded_len(), || 0).push_ping(ping);
    }

    /// The flushes of its PINGs are settled otherwise.
    pub(super) fn forget_flushes(&mut self) {
        self.all_mut().for_each(Block::forget_flushes);
    }

    /// Puts frames of an earlier link in front, in order.
    pub(super) fn requeue(&mut self, mut frames: Requeue) {
        while let Some(block) = frames.blocks.pop_back() {
            self.full_bytes = self.full_bytes.saturating_add(block.publish_bytes());
            self.blocks.push_front(block);
        }
    }

    /// The block that takes a frame of `len` bytes, `shared` of which are a payload that is not copied.
    #[inline]
    fn tail(&mut self, len: usize, shared: impl FnOnce() -> usize) -> &mut Block {
        if !self.tail.has_room(len, shared) {
            let fresh = Block::from_bytes(self.spare.take().unwrap_or_default());
            let full = core::mem::replace(&mut self.tail, fresh);
            self.full_bytes = self.full_bytes.saturating_add(full.publish_bytes());
            self.blocks.push_back(full);
        }
        &mut self.tail
    }
}

/// Handing out.
impl Queue {
    /// A buffer to fill, with memory that was used before where there is some.
    pub(super) fn buffer(&mut self) -> TransmitBuf<Tag> {
        self.spare.take().unwrap_or_default()
    }

    /// Takes back the memory of a buffer that was written.
    pub(super) fn recycle(&mut self, mut buffer: TransmitBuf<Tag>) {
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

    /// The next block to hand out.
    pub(super) fn take(&mut self) -> Option<Block> {
        loop {
            let mut block = match self.blocks.pop_front() {
                Some(block) => {
                    self.full_bytes = self.full_bytes.saturating_sub(block.publish_bytes());
                    block
                }
                None if self.tail.is_empty() => return None,
                None => core::mem::replace(
                    &mut self.tail,
                    Block::from_bytes(self.spare.take().unwrap_or_default()),
                ),
            };
            if block.has_removed() {
                block.rebuild(|_, _, _| true);
            }
            if !block.is_empty() {
                return Some(block);
            }
        }
    }

    /// Whether [`take_control`](Self::take_control) has something.
    pub(super) fn has_control(&self) -> bool {
        self.with_control().next().is_some()
    }

    /// While publishes are held back: the next block of what goes past them, SUBs and UNSUBs, and of PINGs that none
    /// lies before.
    pub(super) fn take_control(&mut self) -> Option<Block> {
        let (place, leads) = self.with_control().next()?;
        let mut taken = Block::from_bytes(self.buffer());
        self.at(place).move_control(&mut taken, leads);
        self.blocks.retain(|block| !block.is_empty());
        Some(taken)
    }

    /// The blocks with frames that go past held publishes, and whether none of these lies before the block.
    fn with_control(&self) -> impl Iterator<Item = (usize, bool)> + '_ {
        let mut leads = true;
        self.all().enumerate().filter_map(move |(place, block)| {
            let first = block.bytes().frames().next();
            let led = leads;
            leads &= block.publishes().is_empty();
            let ahead = led && first.is_some_and(|frame| !frame.tag.is_publish());
            (ahead || block.interest_bytes() > 0).then_some((place, led))
        })
    }
}

/// Dropping.
impl Queue {
    /// Takes a publish out whose frame has `len` bytes. Whether it was there.
    pub(super) fn remove(&mut self, seq: PublishSeq, len: usize) -> bool {
        if !self.has_publishes() {
            return false;
        }
        let Some(place) = self.all().position(|block| block.publishes().contains(seq)) else {
            return false;
        };
        if !self.at(place).remove(seq, len) {
            return false;
        }
        self.shrink(place, len);
        true
    }

    /// Drops the oldest publishes until `room` bytes are free of them, or none is left.
    pub(super) fn drop_oldest(&mut self, room: usize) -> Dropped {
        let mut dropped = Dropped::default();
        while dropped.bytes() < room {
            let Some(place) = self.all().position(|block| block.publish_bytes() > 0) else {
                break;
            };
            let block = self.at(place);
            let mut gone: Vec<(PublishSeq, Frame<Tag>)> = Vec::new();
            let mut freed = dropped.bytes();
            for (seq, frame) in block.publish_frames() {
                if freed >= room {
                    break;
                }
                freed = freed.saturating_add(frame_len(frame));
                gone.push((seq, frame));
            }
            let before = dropped.bytes();
            remove_all(block, &gone, &mut dropped);
            self.shrink(place, dropped.bytes().saturating_sub(before));
        }
        dropped
    }

    /// Drops the publishes for which `refuse` returns true, given headers and payload, and whether there are headers. What
    /// the rest demands is known exactly then, so that the same question finds nothing to do.
    pub(super) fn drop_where(&mut self, mut refuse: impl FnMut(usize, bool) -> bool) -> Dropped {
        let mut dropped = Dropped::default();
        for block in self.all_mut() {
            let mut gone: Vec<(PublishSeq, Frame<Tag>)> = Vec::new();
            for (seq, frame) in block.publish_frames() {
                let (message, has_headers) = message_size(block.bytes().frame_head(frame));
                if refuse(message, has_headers) {
                    gone.push((seq, frame));
                }
            }
            remove_all(block, &gone, &mut dropped);
            if block.has_removed() {
                block.rebuild(|_, _, _| true);
            }
        }
        self.blocks.retain(|block| !block.is_empty());
        let full = self.blocks.iter().map(Block::publish_bytes);
        self.full_bytes = full.fold(0, usize::saturating_add);
        dropped
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) -> Dropped {
        let dropped = self.drop_where(|_, _| true);
        *self = Self::default();
        dropped
    }

    /// The link is gone: SUB, UNSUB and PING are produced again for the next one.
    pub(super) fn drop_control(&mut self) {
        if self.all().any(Block::has_control) {
            self.rebuild_without_control();
        }
    }

    fn all(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().chain([&self.tail])
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Block> {
        self.blocks.iter_mut().chain([&mut self.tail])
    }

    fn at(&mut self, place: usize) -> &mut Block {
        self.blocks.get_mut(place).unwrap_or(&mut self.tail)
    }

    /// So many bytes of publishes were removed from a block. Frees their memory once they are more than what stays.
    fn shrink(&mut self, place: usize, removed: usize) {
        if place < self.blocks.len() {
            self.full_bytes = self.full_bytes.saturating_sub(removed);
        }
        let block = self.at(place);
        if block.is_mostly_removed() {
            block.rebuild(|_, _, _| true);
            if block.is_empty() && place < self.blocks.len() {
                self.blocks.remove(place);
            }
        }
    }

    fn rebuild_without_control(&mut self) {
        for block in self.all_mut() {
            block.rebuild(|_, _, _| false);
        }
        self.blocks.retain(|block| !block.is_empty());
    }
}

/// For exploration.
impl Queue {
    pub(super) fn canonical(&self, form: &mut Form) {
        let Self {
            blocks,
            tail,
            // Memory.
            spare: _,
            // This follows from the frames.
            full_bytes: _,
        } = self;
        form.list(blocks, |form, block| block.canonical(form));
        tail.canonical(form);
    }
}

fn remove_all(block: &mut Block, gone: &[(PublishSeq, Frame<Tag>)], dropped: &mut Dropped) {
    for &(seq, frame) in gone {
        block.remove(seq, frame_len(frame));
        dropped.push(seq, frame_len(frame), frame.tag);
    }
}

/// Publishes of an earlier link that are to be queued again, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Requeue {
    blocks: VecDeque<Block>,
}

impl Requeue {
    pub(super) fn push(&mut self, from: &TransmitBuf<Tag>, frame: Frame<Tag>, seq: PublishSeq) {
        let fits = |block: &Block| block.len().saturating_add(frame_len(frame)) <= BLOCK;
        if !self.blocks.back().is_some_and(fits) {
            self.blocks.push_back(Block::default());
        }
        let Some(block) = self.blocks.back_mut() else {
            return;
        };
        block.copy_publish(from, frame, seq);
    }
}

#[cfg(test)]
mod tests {
    use nats_proto::{Headers, Payload, Sid, Subject, WireSink};

    use super::*;

    fn number(number: u64) -> PublishSeq {
        PublishSeq::from_u64(number)
    }

    /// Publishes numbered from 1, with payloads of these sizes and, where that is said, headers.
    fn queue_of(publishes: &[(usize, bool)]) -> Queue {
        let subject = Subject::from_static("a");
        let headers = Headers::from_pairs([("a", "b")]).unwrap();
        let mut queue = Queue::default();
        for (seq, &(size, has_headers)) in (1..).map(number).zip(publishes) {
            let payload = alloc::vec![b'x'; size];
            let payload = Payload::Borrowed(&payload);
            let headers = has_headers.then_some(&headers);
            let frame = PublishFrame::new((&subject).into(), None, headers, &payload);
            queue.push_publish(seq, &frame, Tag::Publish);
        }
        queue
    }

    fn left(queue: &Queue) -> Vec<u64> {
        (1..10).filter(|&seq| queue.contains(number(seq))).collect()
    }

    #[test]
    fn what_is_left_after_a_drop_demands_no_more_than_it_does() {
        let mut queue = queue_of(&[(10, false), (500, false), (20, false)]);
        assert_eq!(queue.most_demanding(), (500, false));
        assert_eq!(queue.drop_where(|size, _| size > 100).publishes().count(), 1);
        assert_eq!(queue.most_demanding(), (20, false));
        assert_eq!(queue.first_publish(), Some(number(1)));
        assert_eq!(left(&queue), [1, 3]);
    }

    #[test]
    fn a_drop_leaves_the_blocks_and_the_headers_of_what_stays() {
        let mut queue = queue_of(&[(40_000, false), (100, true), (50_000, false), (40_000, false)]);
        assert_eq!(queue.drop_where(|size, _| size > 40_000).publishes().count(), 1);
        assert_eq!(left(&queue), [1, 2, 4]);
        assert!(queue.most_demanding().1);
        assert_eq!(
            queue.drop_where(|_, has_headers| has_headers).publishes().count(),
            1
        );
        assert_eq!(left(&queue), [1, 4]);
        assert!(!queue.most_demanding().1);
    }

    #[test]
    fn a_block_from_which_most_was_taken_keeps_the_rest() {
        let mut queue = queue_of(&[(20_000, false), (20_000, false), (20_000, false), (40_000, false)]);
        let len = "PUB a 20000\r\n".len() + 20_000 + 2;
        assert!(queue.remove(number(1), len));
        assert!(queue.remove(number(3), len));
        assert_eq!(left(&queue), [2, 4]);
    }

    #[test]
    fn a_ping_does_not_go_past_a_publish_in_the_block_before_it() {
        let ping = Ping::new(PingKind::DrainWrites, number(1), Sid::new(0));
        let mut queue = queue_of(&[(2 * BLOCK, false)]);
        queue.push_ping(ping);
        assert_eq!(queue.all().count(), 2);
        assert!(!queue.has_control());
        let mut queue = queue_of(&[]);
        queue.push_ping(ping);
        assert!(queue.has_control());
    }

    #[test]
    fn large_payloads_that_are_shared_go_into_one_block_up_to_a_mebibyte_and_copied_ones_up_to_64_kib() {
        let subject = Subject::from_static("a");
        let bytes = alloc::vec![b'x'; 60 << 10];
        let blocks = |payload: Payload<'_>| -> Vec<usize> {
            let frame = PublishFrame::new((&subject).into(), None, None, &payload);
            let mut queue = Queue::default();
            for number in 1..=20 {
                let seq = PublishSeq::from_u64(number);
                queue.push_publish(seq, &frame, Tag::Publish);
            }
            let blocks = core::iter::from_fn(|| queue.take());
            blocks.map(|block| block.bytes().frame_count()).collect()
        };
        assert_eq!(blocks(Payload::Shared(bytes.clone().into())), [17, 3]);
        assert_eq!(blocks(Payload::Borrowed(&bytes)), [1; 20]);
    }

    #[test]
    fn of_two_written_buffers_the_larger_is_used_again_unless_it_is_huge() {
        let buffer = |bytes: usize| {
            let mut buffer = TransmitBuf::new();
            buffer.put_slice(&alloc::vec![b'x'; bytes]);
            buffer
        };
        let mut queue = Queue::default();
        for bytes in [100, 10_000, 1_000, 1 << 20] {
            queue.recycle(buffer(bytes));
        }
        let again = queue.buffer().capacity();
        assert!((10_000..=2 * BLOCK).contains(&again), "{again}");
        assert_eq!(queue.buffer().capacity(), 0, "it is used once");
    }
}
