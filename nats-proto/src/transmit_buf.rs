//! Bytes on their way out: flat for small, by reference for large payloads, with known frame boundaries.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use bytes::{Buf, Bytes};

use crate::wire_sink::{SHARED_MIN, WireSink};

/// So much memory is cleared at once where none is left from earlier uses.
const AHEAD: usize = 1024;

/// Bytes on their way out: flat, interrupted by shared payloads of at least [`SHARED_MIN`] bytes that are not
/// copied.
///
/// It is written with [`ClientOp::encode`](crate::ClientOp::encode) and read as a [`Buf`], which only moves a
/// cursor: everything stays until [`clear`](Self::clear). The writer marks where each frame ends, with a tag
/// of any kind, so that after a transport has failed in the middle [`sent`](Self::sent) distinguishes the frames that
/// went out whole from the one that was cut and those that never left.
///
/// ```
/// use bytes::Buf;
/// use nats_proto::{ClientOp, TransmitBuf};
///
/// let mut buffer = TransmitBuf::new();
/// ClientOp::Ping.encode(&mut buffer)?;
/// buffer.end_frame("first");
/// ClientOp::Pong.encode(&mut buffer)?;
/// buffer.end_frame("second");
/// buffer.advance(8); // what a transport took
/// let whole: Vec<_> = buffer.frames().filter(|frame| frame.end <= buffer.sent()).collect();
/// assert_eq!((whole.len(), whole[0].tag), (1, "first"));
/// assert_eq!(buffer.cut_frame().map(|frame| frame.tag), Some("second"));
/// # Ok::<(), nats_proto::EncodeError>(())
/// ```
pub struct TransmitBuf<T = ()> {
    /// Everything but the shared payloads, after what is frozen. What lies beyond `flat_end` is left from earlier uses:
    /// memory that can be written to without an allocation and without being cleared.
    flat: Vec<u8>,
    flat_end: usize,
    /// How many bytes there are besides these: all in `rest`.
    elsewhere: usize,
    /// What a buffer of small frames has not.
    rest: Option<Box<Rest>>,
    /// The end and the tag of each frame, in order.
    ends: Vec<(usize, T)>,
    /// How many bytes belong to frames.
    framed: usize,
    sent: usize,
}

#[derive(Clone, Default)]
struct Rest {
    /// The beginning of the flat bytes, if it was shared.
    frozen: Bytes,
    insertions: Vec<Insertion>,
}

/// A shared payload within the flat bytes.
#[derive(Clone)]
struct Insertion {
    /// Before which flat byte it stands.
    flat_at: usize,
    /// Where it begins, counted over all bytes.
    start: usize,
    bytes: Bytes,
}

/// Where a frame lies in a [`TransmitBuf`], counted from its first byte, and its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame<T = ()> {
    /// The offset of its first byte.
    pub start: usize,
    /// The offset after its last byte. It went out whole if [`TransmitBuf::sent`] is at least that.
    pub end: usize,
    /// What [`TransmitBuf::end_frame`] was given.
    pub tag: T,
}

impl<T: Copy> TransmitBuf<T> {
    /// An empty buffer that has allocated nothing.
    pub const fn new() -> Self {
        Self {
            flat: Vec::new(),
            flat_end: 0,
            elsewhere: 0,
            rest: None,
            ends: Vec::new(),
            framed: 0,
            sent: 0,
        }
    }

    /// An empty buffer with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            flat: Vec::with_capacity(bytes),
            ..Self::new()
        }
    }

    /// Says that the bytes since the end of the last frame are one frame. Nothing happens if there are none.
    #[inline]
    pub fn end_frame(&mut self, tag: T) {
        let end = self.len();
        if end > self.framed {
            self.framed = end;
            self.ends.push((end, tag));
        }
    }

    /// How many bytes there are, sent or not.
    #[inline]
    pub fn len(&self) -> usize {
        // All of this is in memory, or was refused there: it cannot overflow.
        self.flat_end.wrapping_add(self.elsewhere)
    }

    /// Whether there are no bytes, sent or not. For what is left to send ask [`Buf::has_remaining`].
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes were sent: how far [`Buf::advance`] got.
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// How many flat bytes there is room for without allocating.
    pub fn capacity(&self) -> usize {
        self.flat.capacity()
    }

    /// The frames in order. Bytes that no [`end_frame`](Self::end_frame) has covered belong to none.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = Frame<T>> + '_ {
        let mut start = 0;
        self.ends.iter().map(move |(end, tag)| {
            let frame = Frame {
                start,
                end: *end,
                tag: *tag,
            };
            start = *end;
            frame
        })
    }

    /// How many frames there are.
    pub fn frame_count(&self) -> usize {
        self.ends.len()
    }

    /// The last frame.
    pub fn last_frame(&self) -> Option<Frame<T>> {
        self.frame(self.ends.len().checked_sub(1)?)
    }

    /// The tag of the last frame.
    pub fn last_tag(&self) -> Option<T> {
        self.ends.last().map(|(_, tag)| *tag)
    }

    /// The frame that was sent in part: its first byte was and its last byte was not.
    pub fn cut_frame(&self) -> Option<Frame<T>> {
        let index = self.ends.partition_point(|(end, _)| *end <= self.sent);
        self.frame(index).filter(|frame| frame.start < self.sent)
    }

    /// Puts a copy of a frame of this buffer at the end of another, as a frame there with the same tag. Shared
    /// payloads are not copied.
    pub fn copy_frame(&self, frame: Frame<T>, into: &mut TransmitBuf<T>) {
        for piece in self.pieces(frame.start, frame.end) {
            match piece {
                Piece::Flat(bytes) => into.put_slice(bytes),
                Piece::Shared(bytes, from, to) => into.put_shared(bytes.slice(from..to)),
            }
        }
        into.end_frame(frame.tag);
    }

    /// The beginning of a frame, up to its first shared payload or its end: the control line at least.
    pub fn frame_head(&self, frame: Frame<T>) -> &[u8] {
        self.pieces(frame.start, frame.end)
            .next()
            .map(Piece::into_slice)
            .unwrap_or_default()
    }

    /// What is not sent yet, in order, as the pieces it consists of.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces(self.sent, self.len()).map(Piece::into_slice)
    }

    /// Another buffer with the same bytes and frames and the same cursor, sharing the memory: nothing is copied
    /// but the list of frames. Both can be written to. Sharing again after that copies the flat bytes once.
    pub fn share(&mut self) -> Self {
        let mut flat = core::mem::take(&mut self.flat);
        flat.truncate(self.flat_end);
        let rest = self.rest.get_or_insert_default();
        if rest.frozen.is_empty() {
            rest.frozen = flat.into();
        } else if !flat.is_empty() {
            rest.frozen = [rest.frozen.as_ref(), flat.as_slice()].concat().into();
        }
        self.elsewhere = self.elsewhere.saturating_add(self.flat_end);
        self.flat_end = 0;
        self.clone()
    }

    /// Forgets everything. The room for flat bytes that were not shared is kept for what comes next.
    pub fn clear(&mut self) {
        self.flat_end = 0;
        self.elsewhere = 0;
        if let Some(rest) = &mut self.rest {
            rest.frozen = Bytes::new();
            rest.insertions.clear();
        }
        self.ends.clear();
        self.framed = 0;
        self.sent = 0;
    }

    /// Gives back room beyond so many flat bytes.
    pub fn shrink_to(&mut self, bytes: usize) {
        self.flat.truncate(self.flat_end);
        self.flat.shrink_to(bytes);
    }

    fn frame(&self, index: usize) -> Option<Frame<T>> {
        let (end, tag) = *self.ends.get(index)?;
        let start = index
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .map_or(0, |(end, _)| *end);
        Some(Frame { start, end, tag })
    }

    fn flat(&self) -> &[u8] {
        self.flat.get(..self.flat_end).unwrap_or_default()
    }

    /// Makes flat bytes up to `end`, and some more that the next frames need.
    #[cold]
    #[inline(never)]
    fn extend_to(&mut self, end: usize) {
        self.flat.truncate(self.flat_end);
        self.flat.reserve(end.saturating_sub(self.flat_end));
        let more = end.saturating_add(AHEAD).min(self.flat.capacity());
        self.flat.resize(more.max(end), 0);
    }

    /// The pieces from one offset to another, none of them empty.
    fn pieces(&self, start: usize, end: usize) -> Pieces<'_> {
        let (frozen, insertions) = match &self.rest {
            None => (&[][..], &[][..]),
            Some(rest) => (rest.frozen.as_ref(), rest.insertions.as_slice()),
        };
        let next = insertions.partition_point(|insertion| insertion.end() <= start);
        let (passed, insertions) = insertions.split_at_checked(next).unwrap_or_default();
        let before = passed
            .last()
            .map_or(0, |insertion| insertion.end().saturating_sub(insertion.flat_at));
        Pieces {
            frozen,
            flat: self.flat(),
            insertions,
            at: start,
            end: end.min(self.len()),
            before,
        }
    }
}

/// Without the memory that is left from earlier uses.
impl<T: Clone> Clone for TransmitBuf<T> {
    fn clone(&self) -> Self {
        Self {
            flat: self.flat.get(..self.flat_end).unwrap_or_default().to_vec(),
            flat_end: self.flat_end,
            elsewhere: self.elsewhere,
            rest: self.rest.clone(),
            ends: self.ends.clone(),
            framed: self.framed,
            sent: self.sent,
        }
    }
}

impl<T: Copy> Default for TransmitBuf<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy> WireSink for TransmitBuf<T> {
    #[inline]
    fn reserve(&mut self, additional: usize) {
        let spare = self.flat.len().wrapping_sub(self.flat_end);
        if additional > spare {
            self.flat.reserve(additional.wrapping_sub(spare));
        }
    }

    #[inline]
    fn room(&mut self, len: usize) -> Option<&mut [u8]> {
        let start = self.flat_end;
        if len > self.flat.len().wrapping_sub(start) {
            self.extend_to(start.saturating_add(len));
        }
        self.flat_end = start.wrapping_add(len);
        self.flat.get_mut(start..self.flat_end)
    }

    #[inline]
    fn put_slice(&mut self, bytes: &[u8]) {
        if let Some(room) = self.room(bytes.len()) {
            room.copy_from_slice(bytes);
        }
    }

    fn put_shared(&mut self, bytes: Bytes) {
        if bytes.len() < SHARED_MIN {
            return self.put_slice(&bytes);
        }
        let start = self.len();
        self.elsewhere = self.elsewhere.saturating_add(bytes.len());
        let rest = self.rest.get_or_insert_default();
        rest.insertions.push(Insertion {
            flat_at: rest.frozen.len().saturating_add(self.flat_end),
            start,
            bytes,
        });
    }
}

/// What is not sent yet. Advancing beyond the end stops there.
impl<T: Copy> Buf for TransmitBuf<T> {
    fn remaining(&self) -> usize {
        self.len().saturating_sub(self.sent)
    }

    fn chunk(&self) -> &[u8] {
        self.chunks().next().unwrap_or_default()
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>]) -> usize {
        let mut count = 0_usize;
        for (slot, chunk) in slices.iter_mut().zip(self.chunks()) {
            *slot = std::io::IoSlice::new(chunk);
            count = count.saturating_add(1);
        }
        count
    }

    fn advance(&mut self, count: usize) {
        self.sent = self.sent.saturating_add(count).min(self.len());
    }
}

/// Shows only lengths: a CONNECT with its secrets may lie in it.
impl<T: Copy> fmt::Debug for TransmitBuf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransmitBuf")
            .field("len", &self.len())
            .field("sent", &self.sent)
            .field("frames", &self.ends.len())
            .field(
                "shared",
                &self.rest.as_ref().map_or(0, |rest| rest.insertions.len()),
            )
            .finish()
    }
}

impl Insertion {
    fn end(&self) -> usize {
        self.start.saturating_add(self.bytes.len())
    }
}

/// A run of bytes that lie together.
enum Piece<'a> {
    Flat(&'a [u8]),
    /// From one offset to another within the shared bytes.
    Shared(&'a Bytes, usize, usize),
}

impl<'a> Piece<'a> {
    fn into_slice(self) -> &'a [u8] {
        match self {
            Self::Flat(bytes) => bytes,
            Self::Shared(bytes, from, to) => bytes.get(from..to).unwrap_or_default(),
        }
    }
}

struct Pieces<'a> {
    frozen: &'a [u8],
    /// What follows the frozen bytes.
    flat: &'a [u8],
    /// Those that end after `at`.
    insertions: &'a [Insertion],
    at: usize,
    end: usize,
    /// How many shared bytes lie before `at` in insertions that are passed.
    before: usize,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.at >= self.end {
            return None;
        }
        let at = self.at;
        if let Some((insertion, rest)) = self.insertions.split_first()
            && insertion.start <= at
        {
            self.insertions = rest;
            self.before = self.before.saturating_add(insertion.bytes.len());
            self.at = insertion.end().min(self.end);
            let (from, to) = (
                at.saturating_sub(insertion.start),
                self.at.saturating_sub(insertion.start),
            );
            return Some(Piece::Shared(&insertion.bytes, from, to));
        }
        let until = self
            .insertions
            .first()
            .map_or(self.end, |insertion| insertion.start.min(self.end));
        let from = at.saturating_sub(self.before);
        let wanted = until.saturating_sub(at);
        let behind = self.frozen.get(from..).filter(|rest| !rest.is_empty());
        let flat = behind.or_else(|| self.flat.get(from.saturating_sub(self.frozen.len())..))?;
        let piece = flat.get(..wanted).unwrap_or(flat);
        self.at = at.saturating_add(piece.len());
        Some(Piece::Flat(piece))
    }
}
