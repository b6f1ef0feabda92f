//! A request and its one reply.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nats_conn_sm as machine;
use nats_conn_sm::{RequestId, RequestMany, Timestamp};
use nats_proto::{Excerpt, Headers, InvalidSubject, Message};

use crate::core::locked::Locked;
use crate::core::oneshot::Oneshot;
use crate::core::routes::RequestRoute;
use crate::error::request::RequestError;
use crate::handles::handle::Handle;
use crate::handles::outgoing::Outgoing;
use crate::handles::request_for_many::RequestForMany;
use crate::handles::room::Room;

/// How the machine says that a request ended.
type Answer = Result<Message, machine::RequestError>;

/// A request that is being put together. Await it for its reply: it is made at once if there is room in the send buffer,
/// and waits for room otherwise, within its timeout. [`now`](Self::now) does not wait for room.
///
/// # Cancel safety
/// Dropping it cancels the request: it is taken back if it has not left, and else its reply is ignored, though somebody
/// may be working on it.
#[derive(Debug)]
#[must_use = "a request does nothing unless it is awaited"]
pub struct Request<'a> {
    outgoing: Outgoing<'a>,
    timeout: Duration,
    /// The timeout was set here.
    timeout_set: bool,
    room: Room<'a>,
    pending: Option<Pending>,
    /// It has ended, or was not made and never will be.
    done: bool,
}

impl<'a> Request<'a> {
    pub(crate) fn new(handle: &'a Arc<Handle>, outgoing: Outgoing<'a>, timeout: Duration) -> Self {
        Self {
            outgoing,
            timeout,
            timeout_set: false,
            room: Room::new(handle, Some(timeout)),
            pending: None,
            done: false,
        }
    }

    /// With these headers.
    pub fn headers(mut self, headers: &'a Headers) -> Self {
        self.outgoing = self.outgoing.headers(headers);
        self
    }

    /// How long to wait, for room and for the reply together. Default:
    /// [`ConnectOptions::request_timeout`](crate::ConnectOptions::request_timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self.timeout_set = true;
        self.room.timeout = Some(timeout);
        self
    }

    /// The same for several replies. The timeout is that of `many`, or a shorter one that was set with
    /// [`timeout`](Self::timeout) before; the default of a request does not count. [`RequestForMany::timeout`] sets another.
    ///
    /// ```no_run
    /// # async fn example(client: nats_conn_client::Client) -> Result<(), nats_conn_client::Error> {
    /// use std::time::Duration;
    /// use nats_conn_client::RequestMany;
    ///
    /// let many = RequestMany::new(Duration::from_secs(2)).max(10);
    /// let mut replies = client.request("inventory.ping", "").many(many).await?;
    /// while let Some(reply) = replies.next().await {
    ///     println!("{}", reply.text());
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancel safety
    /// Dropped before it is done, the request was not made; dropping the [`Replies`](crate::Replies) that it gives cancels
    /// it.
    pub fn many(self, mut many: RequestMany) -> RequestForMany<'a> {
        if self.timeout_set {
            many.timeout = many.timeout.min(self.timeout);
        }
        RequestForMany::new(self.room.handle, self.outgoing, many)
    }

    /// Makes the request at once or not at all, and gives what to wait for: for several requests at once.
    ///
    /// # Cancel safety
    /// Dropping what it gives cancels the request.
    ///
    /// # Errors
    /// The request was not made: see [`RequestError`]. [`RequestError::BufferFull`] is the one that waiting helps against.
    pub fn now(self) -> Result<Response, RequestError> {
        let handle = self.room.handle;
        let (now, answer) = (handle.shared.now(), Oneshot::new());
        let made = handle
            .shared
            .call(|locked| make(locked, handle, &self.outgoing, now, self.timeout, answer));
        Ok(Response {
            pending: Some(made.map_err(|error| self.not_made(error))?),
            subject: self.outgoing.excerpt(),
        })
    }

    fn attempt(
        &mut self,
        locked: &mut Locked,
        now: Timestamp,
        answer: Arc<Oneshot<Answer>>,
        cx: &Context<'_>,
    ) -> Poll<Result<Pending, NotMade>> {
        self.room.stop(locked);
        let left = self.room.left(now, self.timeout);
        match make(locked, self.room.handle, &self.outgoing, now, left, answer) {
            Err(NotMade::Refused(machine::RequestStartError::Publish(
                machine::PublishError::BufferFull { .. },
            ))) => {}
            made => return Poll::Ready(made),
        }
        self.room.wait(locked, now, cx).map(|()| Err(NotMade::TimedOut))
    }

    #[cold]
    fn not_made(&self, why: NotMade) -> RequestError {
        let subject = self.outgoing.excerpt();
        match why {
            NotMade::Invalid(error) => error.into(),
            NotMade::Refused(error) => RequestError::not_sent(error, subject),
            NotMade::TimedOut => RequestError::TimedOut {
                subject,
                written: false,
            },
        }
    }
}

/// Why a request was not made. What names its subject is made of it outside the lock.
enum NotMade {
    Invalid(InvalidSubject),
    Refused(machine::RequestStartError),
    TimedOut,
}

/// Makes a request at once or not at all.
fn make(
    locked: &mut Locked,
    handle: &Arc<Handle>,
    outgoing: &Outgoing<'_>,
    now: Timestamp,
    timeout: Duration,
    answer: Arc<Oneshot<Answer>>,
) -> Result<Pending, NotMade> {
    let publish = outgoing.publish().map_err(NotMade::Invalid)?;
    let made = locked.connection.request(now, publish, timeout);
    let request = made.map_err(NotMade::Refused)?;
    let route = RequestRoute::One(answer.clone());
    locked.routes.requests.insert(request, route);
    Ok(Pending {
        request,
        answer,
        handle: handle.clone(),
        settled: false,
    })
}

impl Future for Request<'_> {
    type Output = Result<Message, RequestError>;

    /// Polled again after its end it does nothing, and says that the connection is closed.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.done {
            return Poll::Ready(Err(RequestError::Closed { written: true }));
        }
        let pending = match &mut this.pending {
            Some(pending) => pending,
            None => {
                let handle = this.room.handle;
                let (now, answer) = (handle.shared.now(), Oneshot::new());
                let due = this.room.due(now, this.timeout);
                let attempt = |locked: &mut Locked| this.attempt(locked, now, answer, cx);
                match handle.shared.call_until(due, attempt) {
                    Poll::Ready(Ok(pending)) => this.pending.insert(pending),
                    Poll::Ready(Err(why)) => {
                        this.done = true;
                        return Poll::Ready(Err(this.not_made(why)));
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
        };
        let Poll::Ready(answer) = pending.poll(cx) else {
            return Poll::Pending;
        };
        (this.done, this.pending) = (true, None);
        Poll::Ready(answer.map_err(|error| RequestError::failed(error, this.outgoing.excerpt())))
    }
}

/// The reply to a request that was made, to come. Dropping it cancels the request.
#[derive(Debug)]
#[must_use = "dropping it cancels the request"]
pub struct Response {
    pending: Option<Pending>,
    subject: Excerpt,
}

/// A request that was made. Dropping it cancels the request, unless it is settled.
#[derive(Debug)]
struct Pending {
    request: RequestId,
    answer: Arc<Oneshot<Answer>>,
    handle: Arc<Handle>,
    settled: bool,
}

impl Pending {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        let answer = self.answer.poll(cx);
        self.settled = answer.is_ready();
        answer
    }
}

impl Future for Response {
    type Output = Result<Message, RequestError>;

    /// Polled again after its end it says that the connection is closed.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(pending) = &mut self.pending else {
            return Poll::Ready(Err(RequestError::Closed { written: true }));
        };
        let Poll::Ready(answer) = pending.poll(cx) else {
            return Poll::Pending;
        };
        self.pending = None;
        Poll::Ready(answer.map_err(|error| RequestError::failed(error, self.subject)))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.settled {
            self.handle.shared.cancel_request(self.request);
        }
    }
}
