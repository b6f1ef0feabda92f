//! The handle by which an application uses a connection.

use std::fmt;
use std::future::IntoFuture;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nats_conn_client::driver::blocking;
use nats_conn_client::{
    ClosedReason, Fate, FlushError, LinkHealth, Message, Payload, Publish, PublishError, PublishFates,
    PublishSeq, QueueGroup, RequestError, RequestMany, RespondError, ServerInfo, ServerStatus, ServerUrl,
    State, StateError, Statistics, Subject, SubjectFilter, SubscribeError,
};

use crate::closing::Closing;
use crate::events::Events;
use crate::holders::Holders;
use crate::replies::Replies;
use crate::subscription::Subscription;
use crate::wire::Wire;

/// A connection, as an application uses it. Clones share the connection; when the last client, subscription and
/// pending request is dropped it closes.
///
/// What has to wait for the server waits; everything else takes effect in the connection's state machine at once and
/// returns.
///
/// # The last line of a program
/// The last handle that is dropped waits until what was published has been handed over and the connection is closed: for
/// [`close_timeout`](nats_conn_client::ConnectOptions::close_timeout) at most, and not on a thread of the connection,
/// such as in a callback. A program that wants to know the end asks for it: `client.close()`, or
/// `client.drain()?.wait()`, which has everything confirmed. Handles for an executor
/// ([`into_inner`](Self::into_inner)) wait for nothing when they are dropped.
#[derive(Clone)]
#[must_use = "dropping the last handle closes the connection"]
pub struct Client {
    inner: nats_conn_client::Client,
    wire: Arc<Wire>,
    // Dropped after what it waits for the end of.
    holders: Holders,
}

impl Client {
    pub(crate) fn new(inner: nats_conn_client::Client, wire: Arc<Wire>, holders: Holders) -> Self {
        Self { inner, wire, holders }
    }

    /// Publishes, and waits for room in the send buffer if there is none, for
    /// [`publish_timeout`](nats_conn_client::ConnectOptions::publish_timeout) if that is set. It does not wait until the
    /// message has left: the last handle that is dropped does.
    ///
    /// ```no_run
    /// # fn example(client: nats_conn_std::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use nats_conn_std::{Headers, Publish, Subject};
    ///
    /// let orders = Subject::from_static("orders.eu");
    /// client.publish(&orders, "42")?;
    /// let headers = Headers::new();
    /// client.publish_timeout(Publish::new(&orders, "43").with_headers(&headers), std::time::Duration::from_secs(1))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// It was refused, or there was no room in time. Nothing was queued then.
    pub fn publish<'a>(
        &self,
        subject: &'a Subject,
        payload: impl Into<Payload<'a>>,
    ) -> Result<PublishSeq, PublishError> {
        self.publish_with(Publish::new(subject, payload))
    }

    /// The same with headers or a reply subject.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn publish_with(&self, publish: Publish<'_>) -> Result<PublishSeq, PublishError> {
        self.publish_within(publish, None)
    }

    /// The same, waiting for room for so long at most.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn publish_timeout(
        &self,
        publish: Publish<'_>,
        timeout: Duration,
    ) -> Result<PublishSeq, PublishError> {
        self.publish_within(publish, Some(timeout))
    }

    /// Publishes at once or not at all.
    ///
    /// # Errors
    /// See [`PublishError`]. [`PublishError::BufferFull`] is the one that waiting helps against.
    pub fn try_publish(&self, publish: Publish<'_>) -> Result<PublishSeq, PublishError> {
        self.inner.try_publish(publish)
    }

    /// Answers a request.
    ///
    /// # Errors
    /// See [`RespondError`].
    pub fn respond<'a>(
        &self,
        request: &Message,
        payload: impl Into<Payload<'a>>,
    ) -> Result<PublishSeq, RespondError> {
        wait(pin!(self.inner.respond(request, payload)))
    }

    /// Asks, and waits for one reply, for
    /// [`request_timeout`](nats_conn_client::ConnectOptions::request_timeout) at most.
    ///
    /// ```no_run
    /// # fn example(client: nats_conn_std::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let time = nats_conn_std::Subject::from_static("time");
    /// let reply = client.request(&time, "now?")?;
    /// println!("{}", String::from_utf8_lossy(reply.payload()));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// See [`RequestError`]. A request for which there is no room in the send buffer fails at once.
    pub fn request<'a>(
        &'a self,
        subject: &'a Subject,
        payload: impl Into<Payload<'a>>,
    ) -> Result<Message, RequestError> {
        let request = self.inner.request(subject, payload);
        let response = self.wire.write_through(|| request.into_future());
        wait(pin!(response))
    }

    /// The same with headers, and with a timeout of its own.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn request_timeout(&self, request: Publish<'_>, timeout: Duration) -> Result<Message, RequestError> {
        let response = self
            .wire
            .write_through(|| self.asking(request).timeout(timeout).into_future());
        wait(pin!(response))
    }

    /// Asks, and gives what to wait for: for several requests at once on one thread.
    ///
    /// # Cancel safety
    /// Dropping what it gives cancels the request.
    ///
    /// # Errors
    /// The request could not be made: see [`RequestError`].
    pub fn start_request(&self, request: Publish<'_>, timeout: Duration) -> Result<Response, RequestError> {
        let response = self.asking(request).timeout(timeout).start()?;
        Ok(Response {
            inner: response,
            _holders: self.holders.clone(),
        })
    }

    /// Asks for several replies. The timeout is that of `many`.
    ///
    /// ```no_run
    /// # fn example(client: nats_conn_std::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use nats_conn_std::{Publish, RequestMany, Subject};
    ///
    /// let everybody = Subject::from_static("inventory.ping");
    /// let many = RequestMany::new(Duration::from_secs(2)).max(10);
    /// for reply in client.request_many(Publish::new(&everybody, ""), many)? {
    ///     println!("{:?}", reply.payload());
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The request could not be made: see [`RequestError`].
    pub fn request_many(&self, request: Publish<'_>, many: RequestMany) -> Result<Replies, RequestError> {
        let replies = self.wire.write_through(|| self.asking(request).many(many))?;
        Ok(Replies::new(replies, self.holders.clone()))
    }

    /// Subscribes to all subjects that match.
    ///
    /// # Errors
    /// See [`SubscribeError`]. What the server refuses ends the subscription later, as
    /// [`EndReason::Refused`](crate::EndReason::Refused).
    pub fn subscribe(&self, filter: impl Into<SubjectFilter>) -> Result<Subscription, SubscribeError> {
        let subscription = self.inner.subscribe(filter)?;
        Ok(Subscription::new(subscription, self.holders.clone()))
    }

    /// Subscribes as a member of a queue group: each message goes to one member of the group.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    pub fn queue_subscribe(
        &self,
        filter: impl Into<SubjectFilter>,
        queue: QueueGroup,
    ) -> Result<Subscription, SubscribeError> {
        let subscription = self.inner.queue_subscribe(filter, queue)?;
        Ok(Subscription::new(subscription, self.holders.clone()))
    }

    /// Waits until the server has processed everything published so far: which is not to say that it was permitted,
    /// nor that somebody received it.
    ///
    /// # Errors
    /// There is no link, or it was lost first.
    pub fn flush(&self) -> Result<(), FlushError> {
        wait(pin!(self.wire.write_through(|| self.inner.flush())))
    }

    /// Measures the round trip to the server.
    ///
    /// # Errors
    /// There is no link, or it was lost first.
    pub fn rtt(&self) -> Result<Duration, FlushError> {
        wait(pin!(self.wire.write_through(|| self.inner.rtt())))
    }

    /// Ends the connection in good order: every subscription is drained, what arrived is left to be consumed, then
    /// what was published is written and confirmed. That takes
    /// [`drain_timeout`](nats_conn_client::ConnectOptions::drain_timeout) at most. It has begun when this returns; what
    /// it returns waits for the end.
    ///
    /// # What it waits for
    /// For whoever has a message in hand to come back to its subscription: until then it may publish answers and make
    /// requests, also while the link is down and another is dialled. A subscription is done with when its holder has
    /// come back and found it empty, has seen its end, or has dropped it. A message in hand is waited for
    /// [`drain_hand`](crate::ConnectOptions::drain_hand), 10 s, at most, and 1 s where the thread that awaits the
    /// drain is the one that last polled that subscription: what it holds it will hardly work on. A subscription with
    /// messages in it that nobody polls is left after [`drain_patience`](crate::ConnectOptions::drain_patience), 5 s,
    /// and [`unread`](ClosedReason::Drained::unread) says how much was left. New subscriptions are refused at once, new
    /// requests when nobody is at work any more, publishes when the last of them are being written.
    ///
    /// # Patterns
    /// Who reads in a loop goes on until the loop ends by itself, which it does whatever becomes of the link:
    ///
    /// ```no_run
    /// # use nats_conn_std::{Client, Subscription};
    /// # fn work(client: &Client, order: nats_conn_std::Message) {}
    /// # fn example(client: Client, orders: Subscription) -> Result<(), Box<dyn std::error::Error>> {
    /// let drained = client.drain()?;
    /// for order in orders {
    ///     work(&client, order);
    /// }
    /// println!("{:?}", drained.wait());
    /// # Ok(()) }
    /// ```
    ///
    /// Who gives each message to a thread of its own comes back at once, and a drain does not know of that thread. There
    /// the subscription is drained first, and the connection once the threads have ended:
    ///
    /// ```no_run
    /// # use nats_conn_std::{Client, Subscription};
    /// # fn work(client: &Client, order: nats_conn_std::Message) {}
    /// # fn example(client: Client, orders: Subscription) -> Result<(), Box<dyn std::error::Error>> {
    /// orders.drain()?;
    /// std::thread::scope(|threads| {
    ///     for order in orders {
    ///         threads.spawn(|| work(&client, order));
    ///     }
    /// });
    /// println!("{:?}", client.drain()?.wait());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The connection is closed or draining already.
    pub fn drain(&self) -> Result<Closing, StateError> {
        drop(self.inner.drain()?);
        Ok(Closing::of_drain(self.inner.shared()))
    }

    /// Closes the connection, and waits for that. What is queued is still handed to an established link, for at most
    /// 500 ms.
    pub fn close(&self) -> ClosedReason {
        drop(self.inner.close());
        self.closed().wait()
    }

    /// The end of the connection, for whatever reason.
    pub fn closed(&self) -> Closing {
        Closing::new(self.inner.shared())
    }

    /// Leaves the present server, or the present attempt or wait, and dials the next server at once.
    ///
    /// # Errors
    /// The connection is closed or draining.
    pub fn force_reconnect(&self) -> Result<(), StateError> {
        self.inner.force_reconnect()
    }

    /// Replaces the pool of servers. The present link stays until it is lost.
    ///
    /// # Errors
    /// The list is empty, or the connection is closed.
    pub fn set_servers(&self, servers: Vec<ServerUrl>) -> Result<(), StateError> {
        self.inner.set_servers(servers)
    }

    /// Everything that happens from now on, once more; the first one after `connect` begins where the connection did,
    /// so that it has what happened on the way, too.
    pub fn events(&self) -> Events {
        Events::new(self.inner.events())
    }

    /// The state of the connection.
    pub fn state(&self) -> State {
        self.inner.state()
    }

    /// What the connection is doing and what it waits for, as a sentence for people.
    pub fn why(&self) -> String {
        self.inner.why()
    }

    /// The pool of servers.
    pub fn servers(&self) -> Vec<ServerStatus> {
        self.inner.servers()
    }

    /// The last INFO of the server.
    pub fn server_info(&self) -> Option<Arc<ServerInfo>> {
        self.inner.server_info()
    }

    /// The largest headers and payload together that the server takes, in bytes, if there was one yet.
    pub fn max_payload(&self) -> Option<u64> {
        self.inner.max_payload()
    }

    /// Counters and gauges.
    pub fn statistics(&self) -> Statistics {
        self.inner.statistics()
    }

    /// How long ago the server was heard, and how many PINGs it has not answered. Without a session: none.
    pub fn link_health(&self) -> Option<LinkHealth> {
        self.inner.link_health()
    }

    /// What became of everything that was published.
    pub fn publish_fates(&self) -> PublishFates {
        self.inner.publish_fates()
    }

    /// Whether everything that was ever published with this connection was confirmed by a server: nothing is under
    /// way, and nothing was lost, from the first publish on. After a drain it is the whole answer to what became of
    /// what was sent, where [`ClosedReason::Drained`] is about the drain alone.
    pub fn all_confirmed(&self) -> bool {
        self.publish_fates().all_confirmed()
    }

    /// The exit code of a program for which it is a failure that something it published was not
    /// [confirmed](Self::all_confirmed): success or failure, to be asked when the connection is closed.
    ///
    /// ```no_run
    /// # use std::process::ExitCode;
    /// # fn example(client: nats_conn_std::Client) -> Result<ExitCode, Box<dyn std::error::Error>> {
    /// client.drain()?.wait();
    /// Ok(client.exit_code())
    /// # }
    /// ```
    pub fn exit_code(&self) -> ExitCode {
        if self.all_confirmed() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    /// What became of one publish, as far as it is known.
    pub fn fate(&self, publish: PublishSeq) -> Option<Fate> {
        self.inner.fate(publish)
    }

    /// The same with futures, for an executor or for [`blocking::wait`].
    pub fn inner(&self) -> &nats_conn_client::Client {
        &self.inner
    }

    /// The same with futures, for an executor.
    pub fn into_inner(self) -> nats_conn_client::Client {
        self.inner
    }

    fn publish_within(
        &self,
        publish: Publish<'_>,
        timeout: Option<Duration>,
    ) -> Result<PublishSeq, PublishError> {
        match self.inner.try_publish(publish.clone()) {
            Err(PublishError::BufferFull { .. }) => {}
            accepted => return accepted,
        }
        let mut publishing = self.inner.publish(publish.subject, publish.payload);
        if let Some(reply) = publish.reply {
            publishing = publishing.reply_to(reply);
        }
        if let Some(headers) = publish.headers {
            publishing = publishing.headers(headers);
        }
        if let Some(timeout) = timeout {
            publishing = publishing.timeout(timeout);
        }
        wait(pin!(publishing))
    }

    fn asking<'a>(&'a self, request: Publish<'a>) -> nats_conn_client::Request<'a> {
        let asking = self.inner.request(request.subject, request.payload);
        match request.headers {
            Some(headers) => asking.headers(headers),
            None => asking,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// The reply to a request, to come. Dropping it cancels the request.
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

    /// Waits for the reply until this moment at most; `None` if it has not come then.
    pub fn wait_until(&mut self, deadline: Instant) -> Option<Result<Message, RequestError>> {
        blocking::wait(Some(deadline), Pin::new(&mut self.inner))
    }
}

/// Waits on this thread, for as long as it takes.
pub(crate) fn wait<T>(future: Pin<&mut impl Future<Output = T>>) -> T {
    match blocking::wait(None, future) {
        Some(answer) => answer,
        None => unreachable!("a wait without a deadline ends with an answer"),
    }
}
