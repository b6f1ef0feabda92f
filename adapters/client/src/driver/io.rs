//! A connected byte stream, as a driver polls it.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use bytes::BytesMut;

/// A connected byte stream, polled by the driver without any lock held.
pub trait Io: Send + 'static {
    /// Reads into the spare room of the buffer, whose length grows by what was read. 0 bytes are the end.
    ///
    /// # Errors
    /// As the system says.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>>;

    /// Writes from the front of these pieces.
    ///
    /// # Errors
    /// As the system says.
    fn poll_write(&mut self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    /// Hands what was written to the system.
    ///
    /// # Errors
    /// As the system says.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ends the direction of writing, so that the peer reads its end at once, while reading goes on: over TCP a FIN has
    /// left when this is done, over TLS the goodbye before it. A flush alone is not enough.
    ///
    /// # Errors
    /// As the system says.
    fn poll_half_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}
