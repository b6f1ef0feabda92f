//! The transport of the present link, and writing to it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Buf;
use nats_conn_sm::{LinkEnd, LinkId, SendBuf};

use crate::driver::io::Io;
use crate::driver::pieces::with_pieces;

/// The transport of the present link.
pub(super) enum Link<S> {
    Down,
    Dialing(LinkId, Opening<S>),
    Upgrading(LinkId, Opening<S>),
    Up {
        id: LinkId,
        io: S,
        flushed: bool,
    },
    /// Writing has failed. What the server sent before it went still counts, and says more than the broken pipe does:
    /// it is read until that fails, too, or until this moment.
    Failing {
        id: LinkId,
        io: S,
        end: LinkEnd,
        until: Instant,
    },
}

/// A stream, to come.
pub(super) type Opening<S> = Pin<Box<dyn Future<Output = Result<S, LinkEnd>> + Send>>;

/// Writes what there is and flushes it. Not `flushed` means: something was written that the system may not have yet.
pub(super) fn write_all(
    io: &mut impl Io,
    tx: &mut SendBuf,
    flushed: &mut bool,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while !tx.is_empty() {
        *flushed = false;
        let written = match with_pieces(tx, |pieces| io.poll_write(cx, pieces)) {
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(Ok(written)) => written,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        };
        tx.advance(written);
    }
    let done = io.poll_flush(cx)?;
    *flushed = done.is_ready();
    done.map(Ok)
}
