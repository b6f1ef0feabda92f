//! The end of a stream in good order, while the connection has gone on already.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::BytesMut;

use crate::driver::io::Io;

/// How long it may take.
const PATIENCE: Duration = Duration::from_millis(500);

/// A stream that is shut down and then read to its end. Closing a socket with unread bytes in it makes the system
/// tell the peer to throw away what it has not read yet: the last publishes.
pub(crate) struct Farewell<S> {
    io: S,
    deadline: Instant,
    /// Nothing more is written, and the peer knows.
    half_closed: bool,
    scratch: BytesMut,
}

impl<S: Io> Farewell<S> {
    pub(crate) fn new(io: S, now: Instant) -> Self {
        Self {
            io,
            deadline: now + PATIENCE,
            half_closed: false,
            scratch: BytesMut::new(),
        }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Ready when the stream can be dropped.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        if now >= self.deadline {
            return Poll::Ready(());
        }
        if !self.half_closed {
            match self.io.poll_half_close(cx) {
                Poll::Ready(Ok(())) => self.half_closed = true,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        loop {
            self.scratch.clear();
            self.scratch.reserve(16 << 10);
            match self.io.poll_read(cx, &mut self.scratch) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
