//! The two buffers that belong to a driver: what was read from a link, and what is to be written to it.

use core::fmt;

use bytes::{Buf, BytesMut};
use nats_proto::TransmitBuf;

use crate::canonical::Form;
use crate::frames::{Tag, write_frame};
use crate::ids::LinkId;

/// What a driver has read from one link and the machine has not yet parsed.
///
/// The driver appends to [`buffer_mut`](Self::buffer_mut) whatever its socket gives, and hands the whole to
/// [`Connection::poll_event`](crate::Connection::poll_event), which cuts operations from the front. A new link
/// begins with a new one: bytes of a link that is gone are never parsed.
pub struct ReceiveBuf {
    link: LinkId,
    bytes: BytesMut,
    /// How much of it the machine has already counted as received.
    seen: usize,
}

impl ReceiveBuf {
    /// An empty buffer for this link.
    pub fn new(link: LinkId) -> Self {
        Self {
            link,
            bytes: BytesMut::new(),
            seen: 0,
        }
    }

    /// The link whose bytes these are.
    pub fn link(&self) -> LinkId {
        self.link
    }

    /// Where to append what was read. Taking bytes out of it loses them.
    pub fn buffer_mut(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// How many bytes were read and not yet parsed.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether everything that was read has been parsed.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many bytes the machine has already counted as received.
    pub(crate) fn seen(&self) -> usize {
        self.seen
    }

    /// How many bytes came in since the machine looked last.
    #[inline]
    pub(crate) fn unseen(&self) -> usize {
        self.bytes.len().saturating_sub(self.seen)
    }

    /// The machine has looked at `seen` bytes, or at all that there are.
    #[inline]
    pub(crate) fn mark_seen(&mut self, seen: usize) {
        self.seen = seen.min(self.bytes.len());
    }

    /// Forgets what was read.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.seen = 0;
    }

    /// The bytes that were read and not yet parsed, for a driver that takes the stream back.
    pub fn into_bytes(self) -> BytesMut {
        self.bytes
    }
}

/// For exploration.
impl ReceiveBuf {
    pub(crate) fn copy(&self) -> Self {
        Self {
            link: self.link,
            bytes: self.bytes.clone(),
            seen: self.seen,
        }
    }

    pub(crate) fn canonical(&self, form: &mut Form) {
        let Self { link, bytes, seen } = self;
        form.link(*link);
        form.server_bytes(bytes);
        // How many they are is a statistic.
        form.flag(bytes.len() > *seen);
    }
}

impl fmt::Debug for ReceiveBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiveBuf({:?}, {} bytes)", self.link, self.bytes.len())
    }
}

/// What a driver is writing to one link: a block of at most 64 KiB and some shared payloads, or one larger frame.
///
/// It reads as a [`Buf`]: write [`chunk`](Buf::chunk) or [`chunks`](Self::chunks) and
/// [`advance`](Buf::advance) by what the transport took. Once it is empty, report that to
/// [`Connection::handle_written`](crate::Connection::handle_written); handed to
/// [`Connection::handle_link_closed`](crate::Connection::handle_link_closed), what is left in it was not written.
pub struct SendBuf {
    link: LinkId,
    block: TransmitBuf<Tag>,
    /// Which block of its link that is, counted from 1.
    serial: u32,
    uncertain: bool,
}

impl SendBuf {
    /// An empty buffer for this link.
    pub fn new(link: LinkId) -> Self {
        Self {
            link,
            block: TransmitBuf::new(),
            serial: 0,
            uncertain: false,
        }
    }

    /// The link that it is for.
    pub fn link(&self) -> LinkId {
        self.link
    }

    /// Whether the transport took all of it.
    pub fn is_empty(&self) -> bool {
        !self.block.has_remaining()
    }

    /// The slices that are still to be written, in order: for a vectored write.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.block.chunks()
    }

    /// Notes that the driver cannot know how much of this block the transport took, because an operation that
    /// owned it was given up. What is left in it then counts as unconfirmed rather than as not sent.
    pub fn mark_uncertain(&mut self) {
        self.uncertain = true;
    }

    pub(crate) fn is_uncertain(&self) -> bool {
        self.uncertain
    }

    pub(crate) fn block(&self) -> &TransmitBuf<Tag> {
        &self.block
    }

    pub(crate) fn serial(&self) -> u32 {
        self.serial
    }

    pub(crate) fn fill(&mut self, block: TransmitBuf<Tag>, serial: u32) {
        self.block = block;
        self.serial = serial;
        self.uncertain = false;
    }

    pub(crate) fn take(&mut self) -> TransmitBuf<Tag> {
        self.serial = 0;
        core::mem::take(&mut self.block)
    }
}

impl Buf for SendBuf {
    fn remaining(&self) -> usize {
        self.block.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.block.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.block.advance(count);
    }
}

/// For exploration.
impl SendBuf {
    pub(crate) fn copy(&self) -> Self {
        Self {
            link: self.link,
            block: self.block.clone(),
            serial: self.serial,
            uncertain: self.uncertain,
        }
    }

    pub(crate) fn canonical(&self, form: &mut Form) {
        let Self {
            link,
            block,
            serial,
            uncertain,
        } = self;
        form.link(*link);
        // It counts on; what matters is whether this is a block that was handed out.
        form.flag(*serial > 0);
        form.flag(*uncertain);
        // Which publishes are in it is known to the machine: those of the frames that are left are the last of them.
        let left = block.frames().filter(|frame| frame.end > block.sent());
        form.list(left, |form, frame| {
            form.size(block.sent().saturating_sub(frame.start));
            write_frame(form, block, frame);
        });
    }
}

impl fmt::Debug for SendBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SendBuf({:?}, {} bytes to write)",
            self.link,
            self.block.remaining()
        )
    }
}
