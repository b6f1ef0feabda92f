//! The replies to a request that wants several.

use std::time::{Duration, Instant};

use nats_conn_client::driver::blocking;
use nats_conn_client::{Message, NextError, RepliesEnd, RequestError};

use crate::holders::Holders;
use crate::next::next;

/// The replies to a request for several: an iterator that waits, and ends when the request is done;
/// [`ended`](Self::ended) says why. Dropping it cancels the request.
#[derive(Debug)]
#[must_use = "dropping it cancels the request"]
pub struct Replies {
    inner: nats_conn_client::Replies,
    // Dropped after what it waits for the end of.
    _holders: Holders,
}

impl Replies {
    pub(crate) fn new(inner: nats_conn_client::Replies, holders: Holders) -> Self {
        Self {
            inner,
            _holders: holders,
        }
    }

    /// Waits for the next reply, for so long at most.
    ///
    /// # Errors
    /// None came in time, or none follows.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Message, NextError> {
        let deadline = Instant::now().checked_add(timeout);
        next(blocking::wait_for(deadline, |cx| self.inner.poll_reply(cx)))
    }

    /// The next reply if it has arrived already.
    pub fn try_next(&mut self) -> Option<Message> {
        self.inner.try_next()
    }

    /// What ended the request, once it has ended: replies that came before may still be waiting.
    pub fn ended(&self) -> Option<Result<RepliesEnd, RequestError>> {
        self.inner.ended()
    }

    /// How many replies were dropped because too many were waiting.
    pub fn dropped(&self) -> u64 {
        self.inner.dropped()
    }

    /// The same as a stream, for an executor.
    pub fn into_inner(self) -> nats_conn_client::Replies {
        self.inner
    }
}

impl Iterator for Replies {
    type Item = Message;

    /// Waits for the next reply; `None` when no reply follows.
    fn next(&mut self) -> Option<Message> {
        blocking::wait_for(None, |cx| self.inner.poll_reply(cx)).flatten()
    }
}
