//! A request and its one reply.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nats_conn_sm as machine;
use nats_conn_sm::{RequestId, RequestMany, Timestamp};
use nats_proto::{Excerpt, Headers, Message};

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
    response: Option<Response>,
    /// It was not made, and never will be.
    failed: bool,
}

impl<'a> Request<'a> {
    pub(crate) fn new(handle: &'a Arc<Handle>, outgoing: Outgoing<'a>, timeout: Duration) -> Self {
        Self {
            outgoing,
            timeout,
            timeout_set: false,
            room: Room::new(handle, Some(timeout)),
            response: None,
            failed: false,
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
        handle
            .shared
            .call(|locked| make(locked, handle, &self.outgoing, now, self.timeout, answer))
    }

    fn attempt(
        &mut self,
        locked: &mut Locked,
        now: Timestamp,
        answer: Arc<Oneshot<Answer>>,
        cx: &Context<'_>,
    ) -> Poll<Result<Response, RequestError>> {
        self.room.stop(locked);
        let left = self.room.left(now, self.timeout);
        match make(locked, self.room.handle, &self.outgoing, now, left, answer) {
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
    timeout: Duration,
    answer: Arc<Oneshot<Answer>>,
) -> Result<Response, RequestError> {
    let publish = outgoing.publish()?;
    let subject = Excerpt::new(publish.subject.as_str());
    let made = locked.connection.request(now, publish, timeout);
    let request = made.map_err(|error| RequestError::not_sent(error, subject))?;
    let route = RequestRoute::One(answer.clone());
    locked.routes.requests.insert(request, route);
    Ok(Response {
        pending: Some(Pending {
            request,
            subject,
            answer,
            handle: handle.clone(),
        }),
    })
}

impl Future for Request<'_> {
    type Output = Result<Message, RequestError>;

    /// Polled again after its end it does nothing, and says that the connection is closed.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.failed {
            return Poll::Ready(Err(RequestError::Closed { written: true }));
        }
        let response = match &mut this.response {
            Some(response) => response,
            None => {
                let handle = this.room.handle;
                let (now, answer) = (handle.shared.now(), Oneshot::new());
                match handle.shared.call(|locked| this.attempt(locked, now, answer, cx)) {
                    Poll::Ready(Ok(response)) => this.response.insert(response),
                    Poll::Ready(Err(error)) => {
                        this.failed = true;
                        return Poll::Ready(Err(error));
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
        };
        Pin::new(response).poll(cx)
    }
}

/// The reply to a request that was made, to come. Dropping it cancels the request.
#[derive(Debug)]
#[must_use = "dropping it cancels the request"]
pub struct Response {
    pending: Option<Pending>,
}

#[derive(Debug)]
struct Pending {
    request: RequestId,
    subject: Excerpt,
    answer: Arc<Oneshot<Answer>>,
    handle: Arc<Handle>,
}

impl Future for Response {
    type Output = Result<Message, RequestError>;

    /// Polled again after its end it says that the connection is closed.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(pending) = &self.pending else {
            return Poll::Ready(Err(RequestError::Closed { written: true }));
        };
        let Poll::Ready(result) = pending.answer.poll(cx) else {
            return Poll::Pending;
        };
        let subject = pending.subject;
        self.pending = None;
        Poll::Ready(result.map_err(|error| RequestError::failed(error, subject)))
    }
}

impl Drop for Response {
    fn drop(&mut self) {
        if let Some(pending) = &self.pending {
            pending.handle.shared.cancel_request(pending.request);
        }
    }
}
