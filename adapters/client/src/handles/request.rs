//! A request and its one reply.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nats_conn_sm as machine;
use nats_conn_sm::{Publish, RequestId, RequestMany};
use nats_proto::{Excerpt, Headers, Message};

use crate::core::oneshot::Oneshot;
use crate::core::reply_slot::ReplySlot;
use crate::core::routes::RequestRoute;
use crate::error::request::RequestError;
use crate::handles::handle::Handle;
use crate::handles::replies::Replies;

/// A request that is being put together. Await it for its reply, or [`start`](Self::start) it.
///
/// A request for which there is no room in the send buffer fails at once; it does not wait for room.
#[derive(Debug)]
#[must_use = "a request does nothing unless it is awaited or started"]
pub struct Request<'a> {
    handle: &'a Arc<Handle>,
    publish: Publish<'a>,
    timeout: Duration,
}

impl<'a> Request<'a> {
    pub(crate) fn new(handle: &'a Arc<Handle>, publish: Publish<'a>, timeout: Duration) -> Self {
        Self {
            handle,
            publish,
            timeout,
        }
    }

    /// With these headers.
    pub fn headers(mut self, headers: &'a Headers) -> Self {
        self.publish.headers = Some(headers);
        self
    }

    /// How long to wait for the reply. Default: [`ConnectOptions::request_timeout`](crate::ConnectOptions::request_timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Makes the request now, and gives what to wait for.
    ///
    /// # Cancel safety
    /// Dropping what it gives cancels the request.
    ///
    /// # Errors
    /// The request could not be made: see [`RequestError`].
    pub fn start(self) -> Result<Response, RequestError> {
        let shared = &self.handle.shared;
        let now = shared.now();
        let subject = Excerpt::new(self.publish.subject.as_str());
        let answer = Oneshot::new();
        let request = shared.call(|locked| {
            let request = locked.connection.request(now, self.publish, self.timeout)?;
            locked
                .routes
                .requests
                .insert(request, RequestRoute::One(answer.clone()));
            Ok::<_, machine::RequestStartError>(request)
        });
        let request = request.map_err(|error| RequestError::not_sent(error, subject))?;
        Ok(Response {
            pending: Some(Pending {
                request,
                subject,
                answer,
                handle: self.handle.clone(),
            }),
            failed: None,
        })
    }

    /// Makes the request now, for several replies. The timeout is that of `many`.
    ///
    /// ```no_run
    /// # async fn example(client: nats_conn_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use nats_conn_client::{RequestMany, Subject};
    ///
    /// let everybody = Subject::from_static("inventory.ping");
    /// let mut replies = client.request(&everybody, "").many(RequestMany::new(Duration::from_secs(2)).max(10))?;
    /// while let Some(reply) = replies.next().await {
    ///     println!("{:?}", reply.payload());
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The request could not be made: see [`RequestError`].
    pub fn many(self, many: RequestMany) -> Result<Replies, RequestError> {
        let shared = &self.handle.shared;
        let now = shared.now();
        let subject = Excerpt::new(self.publish.subject.as_str());
        let slot = ReplySlot::new(shared.mailbox_limits());
        let request = shared.call(|locked| {
            let request = locked.connection.request_many(now, self.publish, many)?;
            locked
                .routes
                .requests
                .insert(request, RequestRoute::Many(slot.clone()));
            Ok::<_, machine::RequestStartError>(request)
        });
        let request = request.map_err(|error| RequestError::not_sent(error, subject))?;
        Ok(Replies::new(request, subject, slot, self.handle.clone()))
    }
}

impl IntoFuture for Request<'_> {
    type Output = Result<Message, RequestError>;
    type IntoFuture = Response;

    /// Makes the request at once, not at the first poll.
    fn into_future(self) -> Response {
        self.start().unwrap_or_else(|error| Response {
            pending: None,
            failed: Some(error),
        })
    }
}

/// The reply to a request, to come. Dropping it cancels the request.
#[derive(Debug)]
#[must_use = "dropping it cancels the request"]
pub struct Response {
    pending: Option<Pending>,
    failed: Option<RequestError>,
}

#[derive(Debug)]
struct Pending {
    request: RequestId,
    subject: Excerpt,
    answer: Arc<Oneshot<Result<Message, machine::RequestError>>>,
    handle: Arc<Handle>,
}

impl Future for Response {
    type Output = Result<Message, RequestError>;

    /// Polled again after its end it says that the connection is closed.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
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
