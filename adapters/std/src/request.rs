//! Requests, and their one reply.

use std::fmt;
use std::pin::{Pin, pin};
use std::time::{Duration, Instant};

use nats_conn_client::driver::blocking;
use nats_conn_client::{Headers, Message, RequestError, RequestMany};

use crate::holders::Holders;
use crate::replies::Replies;
use crate::waiting::{wait, wait_through};
use crate::wire::Wire;

/// A request that is being put together. [`wait`](Self::wait) makes it and waits for its reply: it is made at once if
/// there is room in the send buffer, and waits for room otherwise, within its timeout. [`now`](Self::now) does not wait.
#[must_use = "a request does nothing until `wait` or `now` is called"]
pub struct Request<'a> {
    inner: nats_conn_client::Request<'a>,
    wire: &'a Wire,
    holders: &'a Holders,
}

impl<'a> Request<'a> {
    pub(crate) fn new(wire: &'a Wire, holders: &'a Holders, inner: nats_conn_client::Request<'a>) -> Self {
        Self { inner, wire, holders }
    }

    /// With these headers.
    pub fn headers(mut self, headers: &'a Headers) -> Self {
        self.inner = self.inner.headers(headers);
        self
    }

    /// How long to wait, for room and for the reply together. Default:
    /// [`ConnectOptions::request_timeout`](crate::ConnectOptions::request_timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.inner = self.inner.timeout(timeout);
        self
    }

    /// The same for several replies. The timeout is that of `many`, or a shorter one that was set with
    /// [`timeout`](Self::timeout) before; the default of a request does not count. [`RequestForMany::timeout`] sets another.
    ///
    /// ```no_run
    /// # fn example(client: nats_conn_std::Client) -> Result<(), nats_conn_std::Error> {
    /// use std::time::Duration;
    /// use nats_conn_std::RequestMany;
    ///
    /// let many = RequestMany::new(Duration::from_secs(2)).max(10);
    /// for reply in client.request("inventory.ping", "").many(many).wait()? {
    ///     println!("{}", reply.text());
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancel safety
    /// Dropped before `wait` or `now`, nothing is asked; dropping the [`Replies`] that it gives cancels the request.
    pub fn many(self, many: RequestMany) -> RequestForMany<'a> {
        RequestForMany {
            inner: self.inner.many(many),
            wire: self.wire,
            holders: self.holders,
        }
    }

    /// Asks, and waits for the reply.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn wait(self) -> Result<Message, RequestError> {
        wait_through(self.wire, pin!(self.inner))
    }

    /// Makes the request at once or not at all, and gives what to wait for: for several requests at once on one thread.
    ///
    /// # Cancel safety
    /// Dropping what it gives cancels the request.
    ///
    /// # Errors
    /// The request was not made: see [`RequestError`]. [`RequestError::BufferFull`] is the one that waiting helps against.
    pub fn now(self) -> Result<Response, RequestError> {
        Ok(Response {
            inner: self.inner.now()?,
            _holders: self.holders.clone(),
        })
    }
}

/// A request for several replies, which is being put together. [`wait`](Self::wait) makes it: at once if there is room in
/// the send buffer, and else it waits for room, within its timeout. [`now`](Self::now) does not wait.
#[must_use = "a request does nothing until `wait` or `now` is called"]
pub struct RequestForMany<'a> {
    inner: nats_conn_client::RequestForMany<'a>,
    wire: &'a Wire,
    holders: &'a Holders,
}

impl<'a> RequestForMany<'a> {
    /// With these headers.
    pub fn headers(mut self, headers: &'a Headers) -> Self {
        self.inner = self.inner.headers(headers);
        self
    }

    /// How long to wait, for room and for all replies together, in place of the timeout so far: that of
    /// [`RequestMany`], or a shorter one that was set before [`many`](Request::many).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.inner = self.inner.timeout(timeout);
        self
    }

    /// Makes the request, and waits for room if there is none.
    ///
    /// # Errors
    /// The request was not made: see [`RequestError`].
    pub fn wait(self) -> Result<Replies, RequestError> {
        let replies = wait_through(self.wire, pin!(self.inner))?;
        Ok(Replies::new(replies, self.holders.clone()))
    }

    /// Makes the request at once or not at all.
    ///
    /// # Errors
    /// The request was not made: see [`RequestError`]. [`RequestError::BufferFull`] is the one that waiting helps against.
    pub fn now(self) -> Result<Replies, RequestError> {
        Ok(Replies::new(self.inner.now()?, self.holders.clone()))
    }
}

/// The reply to a request that was made, to come. Dropping it cancels the request.
#[derive(Debug)]
#[must_use = "dropping it cancels the request"]
pub struct Response {
    inner: nats_conn_client::Response,
    // Dropped after what it waits for the end of.
    _holders: Holders,
}

impl Response {
    /// Waits for the reply.
    ///
    /// # Errors
    /// The request failed: see [`RequestError`].
    pub fn wait(mut self) -> Result<Message, RequestError> {
        wait(Pin::new(&mut self.inner))
    }

    /// Waits for the reply for so long at most; `None` if it has not come then. It can be waited for again.
    pub fn wait_timeout(&mut self, timeout: Duration) -> Option<Result<Message, RequestError>> {
        let deadline = Instant::now().checked_add(timeout);
        blocking::wait(deadline, Pin::new(&mut self.inner))
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl fmt::Debug for RequestForMany<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
