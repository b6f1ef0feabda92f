//! Byte streams of tokio, as the driver polls them.

use std::any::Any;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::BytesMut;
use nats_conn_client::driver::Io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;

/// Everything that a connection can run over: a TCP stream, a Unix socket, a pipe in memory, TLS over one of them.
///
/// `poll_shutdown` has to end the direction of writing, so that the peer reads its end: a connection that is closed
/// waits for the peer to close, too, and for 500 ms at most.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> ByteStream for S {}

/// A connected byte stream.
pub struct Stream(pub(crate) Box<dyn ByteStream>);

impl Stream {
    /// The same over any stream of tokio. Nagle's algorithm is switched off if it is a [`TcpStream`]; a stream that
    /// wraps one has to do so itself.
    pub fn new(stream: impl ByteStream) -> Self {
        if let Some(tcp) = (&stream as &dyn Any).downcast_ref::<TcpStream>() {
            // It fails where the peer is gone already, and reading will report that.
            let _ = tcp.set_nodelay(true);
        }
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
        // Keeps nothing between polls, and reads into memory that need not be cleared before.
        pin!(self.0.read_buf(buffer)).poll(cx)
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

    fn poll_half_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pinned().poll_shutdown(cx)
    }
}
