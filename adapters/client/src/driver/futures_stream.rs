//! Byte streams of futures-io, for every runtime that has them.

use std::any::Any;
use std::fmt;
use std::io::{self, IoSlice};
use std::marker::PhantomData;
use std::net::{Shutdown, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use futures_io::{AsyncRead, AsyncWrite};

use crate::driver::io::Io;

/// Everything that a connection can run over: a TCP stream, a Unix socket, a pipe in memory, TLS over one of them.
///
/// `poll_close` has to end the direction of writing, so that the peer reads its end: a connection that is closed waits
/// for the peer to close, too, and for 500 ms at most. The sockets of async-std and async-io do not, and need not.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> ByteStream for S {}

/// What can be done about a stream that is a bare socket of a runtime. Streams that it does not know are left alone.
///
/// For a runtime whose TCP streams are sockets of the standard library within, [`tcp`](Self::tcp) is all there is to write:
///
/// ```
/// use std::any::Any;
/// use std::net::TcpStream;
///
/// use nats_conn_client::driver::Sockets;
///
/// # struct Async<T>(T);
/// # impl<T> Async<T> { fn get_ref(&self) -> &T { &self.0 } }
/// struct Smol;
///
/// impl Sockets for Smol {
///     fn tcp(stream: &dyn Any) -> Option<&TcpStream> {
///         Some(stream.downcast_ref::<Async<TcpStream>>()?.get_ref())
///     }
/// }
/// ```
pub trait Sockets: Send + Unpin + 'static {
    /// The TCP socket of a stream that is a bare one. Default: none is known.
    fn tcp(_stream: &dyn Any) -> Option<&TcpStream> {
        None
    }

    /// Switches Nagle's algorithm off. Default: of what [`tcp`](Self::tcp) gives.
    ///
    /// # Errors
    /// As the system says: the peer may be gone.
    fn write_at_once(stream: &dyn Any) -> io::Result<()> {
        Self::tcp(stream).map_or(Ok(()), |tcp| tcp.set_nodelay(true))
    }

    /// Ends the direction of writing, which `poll_close` of such sockets does not do. Default: of what
    /// [`tcp`](Self::tcp) gives.
    ///
    /// # Errors
    /// As the system says.
    fn end_writing(stream: &dyn Any) -> io::Result<()> {
        Self::tcp(stream).map_or(Ok(()), |tcp| tcp.shutdown(Shutdown::Write))
    }
}

/// A connected byte stream.
pub struct FuturesStream<K>(HalfClosing<K>);

impl<K: Sockets> FuturesStream<K> {
    /// The same over any stream of futures-io. Nagle's algorithm is switched off if it is a TCP stream of the runtime; a
    /// stream that wraps one has to do so itself.
    pub fn new(stream: impl ByteStream) -> Self {
        // It fails where the peer is gone already, and reading will report that.
        let _ = K::write_at_once(&stream);
        Self(HalfClosing {
            stream: Box::new(stream),
            sockets: PhantomData,
        })
    }

    /// What TLS can be made over: its `poll_close` ends the direction of writing, whatever the stream is.
    pub fn into_inner(self) -> HalfClosing<K> {
        self.0
    }

    fn pinned(&mut self) -> Pin<&mut HalfClosing<K>> {
        Pin::new(&mut self.0)
    }
}

impl<K> fmt::Debug for FuturesStream<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

/// A stream whose `poll_close` ends the direction of writing: that of a bare socket only flushes.
pub struct HalfClosing<K> {
    stream: Box<dyn Stored>,
    sockets: PhantomData<fn() -> K>,
}

trait Stored: AsyncRead + AsyncWrite + Send + Unpin {
    fn as_any(&self) -> &dyn Any;
}

impl<S: ByteStream> Stored for S {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<K> fmt::Debug for HalfClosing<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HalfClosing")
    }
}

impl<K: Sockets> AsyncRead for HalfClosing<K> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_read(cx, buffer)
    }
}

impl<K: Sockets> AsyncWrite for HalfClosing<K> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, piece: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write(cx, piece)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write_vectored(cx, pieces)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut *self.stream).poll_close(cx))?;
        // Of what is in the box: the box is a stream, too.
        Poll::Ready(K::end_writing(self.stream.as_ref().as_any()))
    }
}

impl<K: Sockets> Io for FuturesStream<K> {
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

    fn poll_half_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pinned().poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A socket that is always ready.
    struct Ready(TcpStream);

    impl AsyncRead for Ready {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Ready {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    struct Known;

    impl Sockets for Known {
        fn tcp(stream: &dyn Any) -> Option<&TcpStream> {
            Some(&stream.downcast_ref::<Ready>()?.0)
        }
    }

    struct Unknown;

    impl Sockets for Unknown {}

    /// Whether the peer reads the end, and whether what is written leaves at once.
    fn closed<K: Sockets>() -> (bool, bool) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let dialled = TcpStream::connect(listener.local_addr().expect("an address")).expect("it listens");
        let (peer, _) = listener.accept().expect("it was dialled");
        let ours = dialled.try_clone().expect("a handle");
        let mut stream = FuturesStream::<K>::new(Ready(dialled));
        assert_eq!(format!("{stream:?}"), "Stream");
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(stream.poll_half_close(&mut cx).is_ready());
        assert_eq!(format!("{:?}", stream.into_inner()), "HalfClosing");
        peer.set_read_timeout(Some(std::time::Duration::from_millis(50)))
            .expect("a limit");
        let ended = io::Read::read(&mut &peer, &mut [0]).is_ok_and(|read| read == 0);
        let nodelay = ours.nodelay().expect("a socket");
        drop(ours);
        (ended, nodelay)
    }

    #[test]
    fn a_socket_that_is_known_writes_at_once_and_ends_its_direction_and_any_other_is_left_alone() {
        assert_eq!(closed::<Known>(), (true, true));
        assert_eq!(closed::<Unknown>(), (false, false));
    }
}
