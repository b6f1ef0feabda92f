//! The pieces of a block, as the system takes them.

use std::io::IoSlice;

use nats_conn_sm::SendBuf;

/// Pieces that are handed to the system in one write.
const PIECES: usize = 64;

/// Calls this with the pieces of what is to be written, as many as go into one write.
pub fn with_pieces<T>(tx: &SendBuf, write: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
    let mut chunks = tx.chunks();
    let first = IoSlice::new(chunks.next().unwrap_or_default());
    // Most blocks are one piece: room for others is not made for it.
    let Some(second) = chunks.next() else {
        return write(&[first]);
    };
    let mut pieces = [first; PIECES];
    pieces[1] = IoSlice::new(second);
    let mut count = 2;
    for (place, chunk) in pieces[2..].iter_mut().zip(chunks) {
        *place = IoSlice::new(chunk);
        count += 1;
    }
    write(&pieces[..count])
}
