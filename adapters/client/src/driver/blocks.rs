//! The memory that a stream is read into.

use std::mem::take;

use bytes::{Buf, BytesMut};

/// Full blocks that are kept until what was read into them has been consumed.
const KEPT: usize = 8;
/// Reading goes on at a multiple of this. Where the system copies to a place a few bytes past that of its source, counted
/// within a page, as it would with most blocks as they are allocated, some processors copy at a fraction of their speed.
const LINE: usize = 64;
/// So much left of a block is copied twice, if its block can be used again thereby.
const SHORT: usize = 4 << 10;

/// The blocks that reading has filled lately. Messages are views into them; a block of which none is left is read into
/// again, so that a stream of messages that are consumed as they come takes the same few blocks, which are in the cache.
#[derive(Debug, Default)]
pub struct Blocks {
    full: Vec<BytesMut>,
    rest: Vec<u8>,
}

impl Blocks {
    /// Where there is room for fewer than `least` bytes after what is in the buffer, makes room for `room` bytes: what is in
    /// it goes to another block.
    pub fn make_room(&mut self, buffer: &mut BytesMut, least: usize, room: usize) {
        if buffer.capacity() - buffer.len() >= least {
            return;
        }
        let mut full = take(buffer);
        let bytes = full.len() + room.max(least) + LINE;
        if full.len() <= SHORT {
            self.rest.extend_from_slice(&full);
            full.clear();
            self.keep(full);
            *buffer = self.block(bytes);
            begin(buffer, &self.rest);
            self.rest.clear();
        } else {
            *buffer = self.block(bytes);
            begin(buffer, &full);
            full.clear();
            self.keep(full);
        }
    }

    /// Gives all memory back that is not in use.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Whether no memory is kept.
    pub fn is_empty(&self) -> bool {
        self.full.is_empty() && self.rest.capacity() == 0
    }

    fn keep(&mut self, full: BytesMut) {
        if self.full.len() == KEPT {
            self.full.remove(0);
        }
        self.full.push(full);
    }

    /// A block with room for so many bytes: the last of those that nobody looks into any more, or a new one.
    fn block(&mut self, bytes: usize) -> BytesMut {
        let free = self.full.iter_mut().rposition(|block| block.try_reclaim(bytes));
        free.map_or_else(|| BytesMut::with_capacity(bytes), |place| self.full.remove(place))
    }
}

/// Puts the rest of another block into an empty one, so that reading goes on at a multiple of [`LINE`].
fn begin(block: &mut BytesMut, rest: &[u8]) {
    let end = block.as_ptr().addr().wrapping_add(rest.len());
    let before = end.wrapping_neg() % LINE;
    block.resize(before, 0);
    block.advance(before);
    block.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(buffer: &mut BytesMut) {
        let spare = buffer.capacity() - buffer.len();
        buffer.resize(buffer.len() + spare, b'x');
    }

    #[test]
    fn a_block_is_read_into_again_once_nothing_of_it_is_held() {
        let (mut blocks, mut buffer) = (Blocks::default(), BytesMut::new());
        blocks.make_room(&mut buffer, 1000, 1000);
        let first = buffer.as_ptr().addr();
        fill(&mut buffer);
        let held = buffer.split_to(buffer.len() - 10);
        blocks.make_room(&mut buffer, 1000, 1000);
        assert!(
            buffer.as_ptr().addr().abs_diff(first) > 900,
            "somebody holds what was read"
        );
        assert_eq!(buffer.as_ref(), [b'x'; 10]);
        fill(&mut buffer);
        drop((held, buffer.split_to(buffer.len())));
        blocks.make_room(&mut buffer, 1000, 1000);
        fill(&mut buffer);
        let second = buffer.split_to(buffer.len());
        blocks.make_room(&mut buffer, 1000, 1000);
        let places = [second.as_ptr().addr(), buffer.as_ptr().addr()];
        assert!(
            places.iter().any(|place| place.abs_diff(first) < LINE),
            "the first is free"
        );
    }

    #[test]
    fn what_is_left_of_a_block_is_kept_and_reading_goes_on_at_a_line() {
        for left in [0, 1, 63, 64, 1000, SHORT, SHORT + 1, 10_000] {
            let (mut blocks, mut buffer) = (Blocks::default(), BytesMut::new());
            blocks.make_room(&mut buffer, 20_000, 20_000);
            fill(&mut buffer);
            let content: Vec<u8> = (0..buffer.len()).map(|place| (place % 251) as u8).collect();
            buffer.copy_from_slice(&content);
            buffer.advance(content.len() - left);
            blocks.make_room(&mut buffer, 1, 30_000);
            assert_eq!(buffer, content[content.len() - left..]);
            assert!(buffer.capacity() - left >= 30_000);
            assert_eq!((buffer.as_ptr().addr() + left) % LINE, 0, "with {left} left");
        }
    }

    #[test]
    fn room_that_is_there_is_used_and_blocks_that_are_held_are_not_kept_for_ever() {
        let (mut blocks, mut buffer) = (Blocks::default(), BytesMut::new());
        blocks.make_room(&mut buffer, 100, 1000);
        let first = buffer.as_ptr().addr();
        buffer.extend_from_slice(&[b'x'; 500]);
        blocks.make_room(&mut buffer, 100, 1000);
        assert_eq!((buffer.as_ptr().addr(), buffer.len()), (first, 500));
        let held: Vec<BytesMut> = (0..10)
            .map(|_| {
                fill(&mut buffer);
                let held = buffer.split_to(buffer.len());
                blocks.make_room(&mut buffer, 100, 1000);
                held
            })
            .collect();
        assert_eq!((held.len(), blocks.full.len()), (10, KEPT));
        blocks.forget();
        assert!(blocks.full.is_empty());
    }
}
