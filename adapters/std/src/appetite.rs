//! How much is read at once, and into which memory.

use bytes::BytesMut;
use nats_conn_client::driver::Blocks;

/// A read has room for so many bytes at least: an idle connection holds no more than that.
const LEAST: usize = 2 << 10;
/// What the machine asks for without a frame that has begun.
const USUAL: usize = 8 << 10;
/// Messages of this size and more are read into blocks of their own, so many bytes at once, or a little more.
const LARGE: usize = 16 << 10;
const LARGE_READ: usize = 256 << 10;

/// The memory that a stream is read into, and how much of it reads have had use for lately.
pub(crate) struct Appetite {
    blocks: Blocks,
    /// What is left of the present block: it goes on where what was read ends, and is initialised, once for each block.
    rest: BytesMut,
    habit: usize,
    most: usize,
    /// How large the messages are that come at present.
    frame: usize,
}

impl Appetite {
    /// Where nothing asks for more, so many bytes are read at once at most.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            blocks: Blocks::default(),
            rest: BytesMut::new(),
            habit: LEAST.min(most),
            most,
            frame: 0,
        }
    }

    /// Where to read, after what is in the buffer. `wanted` is what the machine wants: there is room for a frame that has
    /// begun, though it may take several reads.
    pub(crate) fn room(&mut self, buffer: &mut BytesMut, wanted: usize) -> &mut [u8] {
        let wanted = if wanted > USUAL { wanted } else { 0 };
        let (least, room, at_once) = if self.frame >= LARGE {
            // As those before it, so that a read ends where a frame does, and nothing has to be moved.
            let begun = buffer.len() % self.frame;
            let frames = LARGE_READ.div_ceil(self.frame) * self.frame;
            let room = wanted.max(frames - begun);
            (wanted.max(self.frame - begun), room, room)
        } else {
            (wanted.max(self.habit / 8), wanted.max(self.habit), self.most)
        };
        if self.rest.len() < least {
            // Before the block is looked at: what is left of it belongs to nobody then.
            self.rest = BytesMut::new();
            self.blocks.make_room(buffer, least, room);
            let end = buffer.len();
            buffer.resize(end + room, 0);
            self.rest = buffer.split_off(end);
        }
        let room = self.rest.len().min(at_once);
        &mut self.rest[..room]
    }

    /// So much was read there, of so much that had room: it belongs to the buffer.
    pub(crate) fn read(&mut self, buffer: &mut BytesMut, read: usize, room: usize) {
        buffer.unsplit(self.rest.split_to(read));
        if read == room {
            self.habit = self.most.min(self.habit * 2);
        } else if read < self.habit / 4 && self.habit > LEAST {
            self.habit = (self.habit / 2).max(LEAST);
            self.blocks.forget();
        }
    }

    /// Messages came, and this was the size of the last of them.
    pub(crate) fn delivered(&mut self, frame: usize) {
        self.frame = frame;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A read that fills all the room it gets; what it reads is consumed at once.
    fn read(appetite: &mut Appetite, buffer: &mut BytesMut) -> usize {
        let room = appetite.room(buffer, 0).len();
        appetite.read(buffer, room, room);
        assert_eq!(buffer.split_to(room).len(), room);
        room
    }

    #[test]
    fn reads_grow_while_they_fill_their_room_and_shrink_again_when_little_comes() {
        let (mut appetite, mut buffer) = (Appetite::new(64 << 10), BytesMut::new());
        assert_eq!(read(&mut appetite, &mut buffer), LEAST);
        let rooms: Vec<_> = (0..10).map(|_| read(&mut appetite, &mut buffer)).collect();
        assert_eq!(rooms.last(), Some(&(64 << 10)));
        for _ in 0..200 {
            let room = appetite.room(&mut buffer, 0).len();
            appetite.read(&mut buffer, 700.min(room), room);
            buffer.clear();
        }
        assert!(appetite.room(&mut buffer, 0).len() <= LEAST);
        assert!(appetite.rest.len() <= LEAST, "an idle connection is small");
    }

    #[test]
    fn what_is_read_is_in_one_piece_and_what_was_there_is_kept() {
        let (mut appetite, mut buffer) = (Appetite::new(64 << 10), BytesMut::new());
        let (mut sent, mut got) = (0u8, Vec::new());
        for piece in [1, 100, 5000, 3, 70_000, 20_000, 1] {
            let mut left = piece;
            while left > 0 {
                let room = appetite.room(&mut buffer, left);
                let (count, all) = (left.min(room.len()), room.len());
                for place in &mut room[..count] {
                    (*place, sent) = (sent, sent.wrapping_add(1));
                }
                appetite.read(&mut buffer, count, all);
                left -= count;
            }
            // Some of it stays for the next time.
            got.extend_from_slice(&buffer.split_to(buffer.len() - buffer.len() / 3));
        }
        got.extend_from_slice(&buffer);
        assert!((0..got.len()).all(|place| got[place] == place as u8));
        assert_eq!(got.len(), 95_105);
    }

    #[test]
    fn a_frame_that_has_begun_has_room_and_large_ones_are_read_whole() {
        let (mut appetite, mut buffer) = (Appetite::new(512), BytesMut::new());
        assert_eq!(appetite.room(&mut buffer, 0).len(), 512);
        assert_eq!(appetite.room(&mut buffer, 1 << 20).len(), 512);
        assert!(appetite.rest.len() >= 1 << 20);
        let frame = 65_570;
        for begun in [0, 100] {
            let (mut appetite, mut buffer) = (Appetite::new(512), BytesMut::zeroed(begun));
            appetite.delivered(frame);
            let room = appetite.room(&mut buffer, 0).len();
            assert_eq!(room, LARGE_READ.div_ceil(frame) * frame - begun);
        }
    }
}
