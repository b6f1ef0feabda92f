//! The memory that a stream is read into, and how much of it a read gets.

use std::mem::take;

use bytes::{Buf, BytesMut};

/// Full blocks that are kept until what was read into them has been consumed.
const KEPT: usize = 8;
/// Reading goes on at a multiple of this. Where the system copies to a place a few bytes past that of its source, counted
/// within a page, as it would with most blocks as they are allocated, some processors copy at a fraction of their speed.
const LINE: usize = 64;
/// So much left of a block is copied twice, if its block can be used again thereby.
const SHORT: usize = 4 << 10;

/// What the machine asks for without a frame that has begun.
const USUAL: usize = 8 << 10;
/// Messages of this size and more are read into blocks of their own.
const LARGE: usize = 16 << 10;

/// How much a read has room for: as much as reads have had use for lately.
#[derive(Debug)]
pub struct Appetite {
    habit: usize,
    least: usize,
    most: usize,
    /// For large messages.
    large: usize,
    /// How large the messages are that come at present.
    frame: usize,
}

impl Appetite {
    /// A read has room for `least` bytes at least; while much arrives for `most` at most; and where messages are large, for as
    /// many as fill `large`. For more than all of these where one frame is larger.
    pub fn new(least: usize, most: usize, large: usize) -> Self {
        let least = least.min(most);
        Self {
            habit: least,
            least,
            most,
            large,
            frame: 0,
        }
    }

    /// How much room there has to be at least after so many bytes that were read before, and how much is made where there
    /// is less: for [`Blocks::make_room`]. `wanted` is what the machine wants.
    pub fn room(&self, begun: usize, wanted: usize) -> (usize, usize) {
        let rest = if wanted > USUAL { wanted } else { 0 };
        if self.frame < LARGE {
            return (rest.max(self.habit / 4), rest.max(self.habit));
        }
        // As those before it, so that a read ends where a frame does, and nothing has to be moved.
        let begun = begun % self.frame;
        let frames = self.large.div_ceil(self.frame) * self.frame;
        (rest.max(self.frame - begun), rest.max(frames - begun))
    }

    /// So much was read where there was room for so much. Says whether that is so little that blocks need not be kept.
    pub fn read(&mut self, read: usize, room: usize) -> bool {
        if read == room {
            self.habit = self.most.min(self.habit * 2);
            return false;
        }
        let little = read < self.habit / 4;
        if little {
            self.habit = self.least.max(self.habit / 2);
        }
        little
    }

    /// Messages came, and the last of them was so large. 0: those that come are not known.
    pub fn delivered(&mut self, frame: usize) {
        self.frame = frame;
    }
}

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
        if !self.is_empty() {
            *self = Self::default();
        }
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

    #[test]
    fn reads_grow_while_they_fill_their_room_and_shrink_again_when_little_comes() {
        let (least, most) = (8 << 10, 64 << 10);
        let mut appetite = Appetite::new(least, most, 128 << 10);
        assert_eq!(appetite.room(0, 0), (least / 4, least));
        for room in [2 * least, 4 * least, most, most] {
            let before = appetite.room(0, 0).1;
            assert!(!appetite.read(before, before));
            assert_eq!(appetite.room(0, 0), (room / 4, room));
        }
        assert!(!appetite.read(most / 4, most), "enough to go on with it");
        assert_eq!(appetite.room(0, 0).1, most);
        for room in [4 * least, 2 * least, least, least] {
            assert!(appetite.read(100, most));
            assert_eq!(appetite.room(0, 0).1, room);
        }
        assert_eq!(Appetite::new(least, 512, most).room(0, 0), (128, 512));
    }

    #[test]
    fn a_frame_that_has_begun_has_room_and_large_ones_are_read_whole() {
        let mut appetite = Appetite::new(8 << 10, 64 << 10, 128 << 10);
        assert_eq!(appetite.room(5, USUAL).1, 8 << 10, "as much as always");
        assert_eq!(appetite.room(5, 1 << 20), (1 << 20, 1 << 20));
        appetite.delivered(LARGE - 1);
        assert_eq!(appetite.room(5, 0).1, 8 << 10);
        let frame = 60_000;
        appetite.delivered(frame);
        for begun in [0, 100, 60_100] {
            let rest = begun % frame;
            assert_eq!(appetite.room(begun, 0), (frame - rest, 3 * frame - rest));
        }
        assert_eq!(appetite.room(100, 1 << 20), (1 << 20, 1 << 20));
    }

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
