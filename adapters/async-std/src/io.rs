//! Byte streams of futures-io, as the driver polls them.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use futures_io::{AsyncRead, AsyncWrite};
use nats_conn_client::Io;

/// Everything that a connection can run over: a TCP stream, a Unix socket, a pipe in memory, TLS over one of them.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> ByteStream for S {}

/// A connected byte stream.
pub struct Stream(pub(crate) Box<dyn ByteStream>);

impl Stream {
    /// The same over any stream of futures-io.
    pub fn new(stream: impl ByteStream) -> Self {
        Self(Box::new(stream))
    }

    fn pinned(&mut self) -> Pin<&mut dyn ByteStream> {
        Pin::new(&mut *self.0)
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stream")
    }
}

impl Io for Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        let filled = buffer.len();
        // futures-io reads into memory that was cleared before; what was not read is cut off again.
        buffer.resize(buffer.capacity().max(filled + 1), 0);
        let read = self.pinned().poll_read(cx, &mut buffer[filled..]);
        let count = match &read {
            Poll::Ready(Ok(count)) => *count,
            _ => 0,
        };
        buffer.truncate(filled + count);
        read
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match pieces {
            [piece] => self.pinned().poll_write(cx, piece),
            pieces => self.pinned().poll_write_vectored(cx, pieces),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pinned().poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pinned().poll_close(cx)
    }
}
