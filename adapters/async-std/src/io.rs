//! Byte streams of futures-io, as the driver polls them.

use std::any::Any;
use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_io::Async;
use bytes::BytesMut;
use futures_io::{AsyncRead, AsyncWrite};
use nats_conn_client::Io;

/// Everything that a connection can run over: a TCP stream, a Unix socket, a pipe in memory, TLS over one of them.
///
/// `poll_close` has to end the direction of writing, so that the peer reads its end: a connection that is closed waits
/// for the peer to close, too, and for 500 ms at most. The sockets of async-std and async-io do not, and need not.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> ByteStream for S {}

/// A connected byte stream.
pub struct Stream(pub(crate) Closing);

impl Stream {
    /// The same over any stream of futures-io. Nagle's algorithm is switched off if it is a TCP stream of async-std or
    /// async-io; a stream that wraps one has to do so itself.
    pub fn new(stream: impl ByteStream) -> Self {
        stream.write_at_once();
        Self(Closing(Box::new(stream)))
    }

    fn pinned(&mut self) -> Pin<&mut Closing> {
        Pin::new(&mut self.0)
    }
}

/// A stream whose `poll_close` ends the direction of writing: that of a bare socket only flushes.
pub(crate) struct Closing(Box<dyn Stored>);

/// A byte stream with what can be done about it if it is a socket.
trait Stored: AsyncRead + AsyncWrite + Send + Unpin {
    fn write_at_once(&self);
    fn end_writing(&self) -> io::Result<()>;
}

impl<S: ByteStream> Stored for S {
    fn write_at_once(&self) {
        let stream: &dyn Any = self;
        // It fails where the peer is gone already, which reading tells.
        let _ = if let Some(tcp) = stream.downcast_ref::<Async<TcpStream>>() {
            tcp.get_ref().set_nodelay(true)
        } else if let Some(tcp) = stream.downcast_ref::<async_std::net::TcpStream>() {
            tcp.set_nodelay(true)
        } else {
            Ok(())
        };
    }

    fn end_writing(&self) -> io::Result<()> {
        let stream: &dyn Any = self;
        if let Some(tcp) = stream.downcast_ref::<Async<TcpStream>>() {
            return tcp.get_ref().shutdown(Shutdown::Write);
        }
        if let Some(tcp) = stream.downcast_ref::<async_std::net::TcpStream>() {
            return tcp.shutdown(Shutdown::Write);
        }
        #[cfg(unix)]
        if let Some(unix) = stream.downcast_ref::<Async<UnixStream>>() {
            return unix.get_ref().shutdown(Shutdown::Write);
        }
        #[cfg(unix)]
        if let Some(unix) = stream.downcast_ref::<async_std::os::unix::net::UnixStream>() {
            return unix.shutdown(Shutdown::Write);
        }
        Ok(())
    }
}

impl AsyncRead for Closing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Closing {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, piece: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, piece)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write_vectored(cx, pieces)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut *self.0).poll_close(cx))?;
        // Of what is in the box: the box is a stream, too.
        Poll::Ready(self.0.as_ref().end_writing())
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
