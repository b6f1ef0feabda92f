//! A request for several replies.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nats_conn_sm::{RequestMany, Timestamp};
use nats_proto::{Excerpt, Headers};

use crate::core::locked::Locked;
use crate::core::reply_slot::ReplySlot;
use crate::core::routes::RequestRoute;
use crate::error::request::RequestError;
use crate::handles::handle::Handle;
use crate::handles::outgoing::Outgoing;
use crate::handles::replies::Replies;
use crate::handles::room::Room;

/// A request for several replies, which is being put together. Await it for its [`Replies`]: it is made at once if there
/// is room in the send buffer, and waits for room otherwise, within its timeout. [`now`](Self::now) does not wait.
///
/// # Cancel safety
/// It is made at its last poll: one that is dropped before it was done was not made.
#[derive(Debug)]
#[must_use = "a request does nothing unless it is awaited"]
pub struct RequestForMany<'a> {
    outgoing: Outgoing<'a>,
    many: RequestMany,
    room: Room<'a>,
    done: bool,
}

impl<'a> RequestForMany<'a> {
    pub(crate) fn new(handle: &'a Arc<Handle>, outgoing: Outgoing<'a>, many: RequestMany) -> Self {
        Self {
            outgoing,
            many,
            room: Room::new(handle, Some(many.timeout)),
            done: false,
        }
    }

    /// With these headers.
    pub fn headers(mut self, headers: &'a Headers) -> Self {
        self.outgoing = self.outgoing.headers(headers);
        self
    }

    /// How long to wait, for room and for all replies together, in place of the timeout so far: that of
    /// [`RequestMany`], or a shorter one that was set before [`many`](crate::Request::many).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.many.timeout = timeout;
        self.room.timeout = Some(timeout);
        self
    }

    /// Makes the request at once or not at all.
    ///
    /// # Errors
    /// The request was not made: see [`RequestError`]. [`RequestError::BufferFull`] is the one that waiting helps against.
    pub fn now(self) -> Result<Replies, RequestError> {
        let handle = self.room.handle;
        let now = handle.shared.now();
        handle
            .shared
            .call(|locked| make(locked, handle, &self.outgoing, now, self.many))
    }

    fn attempt(
        &mut self,
        locked: &mut Locked,
        now: Timestamp,
        cx: &Context<'_>,
    ) -> Poll<Result<Replies, RequestError>> {
        self.room.stop(locked);
        let mut many = self.many;
        many.timeout = self.room.left(now, many.timeout);
        match make(locked, self.room.handle, &self.outgoing, now, many) {
            Err(RequestError::BufferFull { .. }) => {}
            made => return Poll::Ready(made),
        }
        let subject = self.outgoing.excerpt();
        self.room.wait(locked, now, cx).map(|()| {
            Err(RequestError::TimedOut {
                subject,
                written: false,
            })
        })
    }
}

/// Makes a request at once or not at all.
fn make(
    locked: &mut Locked,
    handle: &Arc<Handle>,
    outgoing: &Outgoing<'_>,
    now: Timestamp,
    many: RequestMany,
) -> Result<Replies, RequestError> {
    let publish = outgoing.publish()?;
    let subject = Excerpt::new(publish.subject.as_str());
    let made = locked.connection.request_many(now, publish, many);
    let request = made.map_err(|error| RequestError::not_sent(error, subject))?;
    let slot = ReplySlot::new(handle.shared.mailbox().limits);
    let route = RequestRoute::Many(slot.clone());
    locked.routes.requests.insert(request, route);
    Ok(Replies::new(request, subject, slot, handle.clone()))
}

impl Future for RequestForMany<'_> {
    type Output = Result<Replies, RequestError>;

    /// Polled again after its end it does nothing, and says that the connection is closed.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.done {
            return Poll::Ready(Err(RequestError::Closed { written: true }));
        }
        let handle = this.room.handle;
        let now = handle.shared.now();
        let made = handle.shared.call(|locked| this.attempt(locked, now, cx));
        this.done = made.is_ready();
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConnectOptions;

    #[test]
    fn of_the_timeouts_that_are_set_the_shorter_counts_and_one_that_is_set_later_replaces_it() {
        let options = ConnectOptions::<()>::default().request_timeout(Duration::from_secs(1));
        let prepared = options.prepare().expect("prepared");
        let request = || prepared.client.request("a", "b");
        let seconds = Duration::from_secs;
        let many = RequestMany::new(seconds(4));
        let cases = [
            (request().many(many), 4),
            (request().timeout(seconds(5)).many(many), 4),
            (request().timeout(seconds(3)).many(many), 3),
            (request().timeout(seconds(3)).many(many).timeout(seconds(9)), 9),
        ];
        for (request, timeout) in cases {
            assert_eq!(request.many.timeout, seconds(timeout));
            assert_eq!(request.room.timeout, Some(seconds(timeout)), "for room, too");
        }
    }
}
