//! The handle by which an application uses a connection.

use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use nats_conn_client::{
    Fate, IntoServers, IntoSubject, InvalidSubject, LinkHealth, Message, Payload, PublishFates, PublishSeq,
    QueueGroup, ServerInfo, ServerStatus, ServersError, State, StateError, Statistics, Subject,
    SubjectFilter, SubscribeError,
};

use crate::closing::Closing;
use crate::confirmation::{Flush, Reconnecting, RoundTrip};
use crate::events::Events;
use crate::holders::Holders;
use crate::publishing::{Publishing, Responding};
use crate::request::Request;
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
/// such as in a callback. A program that wants to know the end asks for it: `client.close().wait()`, or
/// `client.drain().wait()`, which has everything confirmed. Handles for an executor
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

    /// Publishes: [`wait`](Publishing::wait) waits for room in the send buffer if there is none, for
    /// [`publish_timeout`](nats_conn_client::ConnectOptions::publish_timeout) if that is set. See [`Publishing`] for
    /// headers, a reply subject, a timeout, and how not to wait. It does not wait until the message has left: the last
    /// handle that is dropped does, and [`confirmed`](Publishing::confirmed) waits until the server has processed it.
    ///
    /// ```no_run
    /// # fn example(client: nats_conn_std::Client) -> Result<(), nats_conn_std::Error> {
    /// use nats_conn_std::Headers;
    ///
    /// client.publish("orders.eu", "42").wait()?;
    /// let headers = Headers::try_from([("region", "eu")])?;
    /// client.publish("orders.eu", "43").headers(&headers).timeout(std::time::Duration::from_secs(1)).wait()?;
    /// client.publish("orders.eu", "44").now()?; // or BufferFull
    /// client.publish("orders.eu", "45").confirmed().wait()?; // processed by the server, or an error
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancel safety
    /// Dropped before [`wait`](Publishing::wait) or [`now`](Publishing::now), nothing is published.
    pub fn publish<'a>(
        &'a self,
        subject: impl IntoSubject<'a>,
        payload: impl Into<Payload<'a>>,
    ) -> Publishing<'a> {
        Publishing::new(&self.wire, &self.holders, self.inner.publish(subject, payload))
    }

    /// Answers a request, and waits for room as [`publish`](Self::publish) does.
    ///
    /// ```no_run
    /// # fn example(client: nats_conn_std::Client) -> Result<(), nats_conn_std::Error> {
    /// for request in client.subscribe("time")? {
    ///     client.respond(&request, "noon").wait()?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancel safety
    /// As [`publish`](Self::publish).
    pub fn respond<'a>(&'a self, request: &'a Message, payload: impl Into<Payload<'a>>) -> Responding<'a> {
        Responding::new(&self.wire, self.inner.respond(request, payload))
    }

    /// Asks: [`wait`](Request::wait) waits for one reply, for
    /// [`request_timeout`](nats_conn_client::ConnectOptions::request_timeout) at most. See [`Request`] for headers,
    /// timeout, several replies, and how not to wait.
    ///
    /// ```no_run
    /// # fn example(client: nats_conn_std::Client) -> Result<(), nats_conn_std::Error> {
    /// let reply = client.request("time", "").wait()?;
    /// println!("{}", reply.text());
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancel safety
    /// Dropped before [`wait`](Request::wait) or [`now`](Request::now), nothing is asked.
    pub fn request<'a>(
        &'a self,
        subject: impl IntoSubject<'a>,
        payload: impl Into<Payload<'a>>,
    ) -> Request<'a> {
        Request::new(&self.wire, &self.holders, self.inner.request(subject, payload))
    }

    /// A subject that nobody else has, below the [`inbox_prefix`](crate::ConnectOptions::inbox_prefix) of this
    /// connection: for replies that are collected by hand. Nobody can guess it.
    ///
    /// ```no_run
    /// # fn example(client: nats_conn_std::Client) -> Result<(), nats_conn_std::Error> {
    /// let inbox = client.new_inbox();
    /// let answers = client.subscribe(&inbox)?;
    /// client.publish("inventory.ping", "").reply_to(&inbox).wait()?;
    /// # Ok(()) }
    /// ```
    pub fn new_inbox(&self) -> Subject {
        self.inner.new_inbox()
    }

    /// Subscribes to all subjects that match.
    ///
    /// ```no_run
    /// # fn example(client: nats_conn_std::Client) -> Result<(), nats_conn_std::Error> {
    /// for order in client.subscribe("orders.>")? {
    ///     println!("{}: {}", order.subject(), order.text());
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// See [`SubscribeError`]. What the server refuses ends the subscription later, as
    /// [`EndReason::Refused`](crate::EndReason::Refused); [`confirmed`](Subscription::confirmed) waits for that.
    pub fn subscribe(
        &self,
        filter: impl TryInto<SubjectFilter, Error: Into<InvalidSubject>>,
    ) -> Result<Subscription, SubscribeError> {
        let subscription = self.inner.subscribe(filter)?;
        Ok(Subscription::new(subscription, self.holders.clone()))
    }

    /// Subscribes as a member of a queue group: each message goes to one member of the group.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    pub fn queue_subscribe(
        &self,
        filter: impl TryInto<SubjectFilter, Error: Into<InvalidSubject>>,
        queue: impl TryInto<QueueGroup, Error: Into<InvalidSubject>>,
    ) -> Result<Subscription, SubscribeError> {
        let subscription = self.inner.queue_subscribe(filter, queue)?;
        Ok(Subscription::new(subscription, self.holders.clone()))
    }

    /// Asks the server to confirm that it has processed everything published so far: which is not to say that it was
    /// permitted, nor that somebody received it. It has begun when this returns; what it returns waits for it.
    ///
    /// # Cancel safety
    /// Dropping it only stops the waiting: the server is asked all the same. A later flush begins anew.
    pub fn flush(&self) -> Flush {
        let flush = self.wire.write_through(|| self.inner.flush());
        Flush::new(flush, self.holders.clone())
    }

    /// Measures the round trip to the server. It has begun when this returns; what it returns waits for it.
    ///
    /// # Cancel safety
    /// Dropping it only stops the waiting. A later measurement begins anew.
    pub fn rtt(&self) -> RoundTrip {
        let round_trip = self.wire.write_through(|| self.inner.rtt());
        RoundTrip::new(round_trip, self.holders.clone())
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
    /// and [`unread`](crate::ClosedReason::Drained::unread) says how much was left. New subscriptions are refused at once, new
    /// requests when nobody is at work any more, publishes when the last of them are being written.
    ///
    /// # Patterns
    /// Who reads in a loop goes on until the loop ends by itself, which it does whatever becomes of the link:
    ///
    /// ```no_run
    /// # use nats_conn_std::{Client, Subscription};
    /// # fn work(client: &Client, order: nats_conn_std::Message) {}
    /// # fn example(client: Client, orders: Subscription) -> Result<(), nats_conn_std::Error> {
    /// let drained = client.drain();
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
    /// # fn example(client: Client, orders: Subscription) -> Result<(), nats_conn_std::Error> {
    /// orders.drain()?;
    /// std::thread::scope(|threads| {
    ///     for order in orders {
    ///         threads.spawn(|| work(&client, order));
    ///     }
    /// });
    /// println!("{:?}", client.drain().wait());
    /// # Ok(()) }
    /// ```
    ///
    /// Where the connection is draining already, or closed, what is returned gives the end of that.
    ///
    /// # Cancel safety
    /// Dropping what it returns only stops the waiting: the drain goes on, and [`closed`](Self::closed) waits for its end.
    /// To begin a drain without waiting there is [`begin_drain`](Self::begin_drain).
    pub fn drain(&self) -> Closing {
        self.begin_drain();
        Closing::of_drain(self.inner.shared())
    }

    /// Begins to [`drain`](Self::drain), and returns. Nothing changes where it is draining or closed already.
    pub fn begin_drain(&self) {
        self.inner.begin_drain();
    }

    /// Closes the connection. What is queued is still handed to an established link, for at most 500 ms. It has begun
    /// when this returns; what it returns waits for the end, and gives the earlier end where the connection was closed
    /// before.
    ///
    /// # Cancel safety
    /// Dropping what it returns only stops the waiting: the closing goes on. To begin without waiting there is
    /// [`begin_close`](Self::begin_close).
    pub fn close(&self) -> Closing {
        self.begin_close();
        self.closed()
    }

    /// Begins to [`close`](Self::close), and returns.
    pub fn begin_close(&self) {
        self.inner.begin_close();
    }

    /// The end of the connection, for whatever reason.
    ///
    /// # Cancel safety
    /// Dropping it only stops the waiting.
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

    /// The same once the server has confirmed everything published so far, or when that took so long; without a link at
    /// once. Where the link is lost meanwhile the server is left already, and nothing more is done.
    ///
    /// ```no_run
    /// # fn example(client: nats_conn_std::Client) -> Result<(), nats_conn_std::Error> {
    /// let confirmed = client.flush_and_reconnect(std::time::Duration::from_secs(2)).wait()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancel safety
    /// Dropped before [`wait`](Reconnecting::wait), the server is not left; what was published is flushed all the same.
    pub fn flush_and_reconnect(&self, within: Duration) -> Reconnecting {
        let reconnecting = self.wire.write_through(|| self.inner.flush_and_reconnect(within));
        Reconnecting::new(reconnecting, self.holders.clone())
    }

    /// Replaces the pool of servers: by URLs as text, as [`ConnectOptions::from_url`](crate::ConnectOptions::from_url) takes
    /// them, or a `Vec<ServerUrl>`. The present link stays until it is lost.
    ///
    /// # Errors
    /// A URL cannot be used, the list is empty, or the connection is closed.
    pub fn set_servers(&self, servers: impl IntoServers) -> Result<(), ServersError> {
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
    /// what was sent, where [`ClosedReason::Drained`](crate::ClosedReason::Drained) is about the drain alone.
    pub fn all_confirmed(&self) -> bool {
        self.publish_fates().all_confirmed()
    }

    /// The exit code of a program for which it is a failure that something it published was not
    /// [confirmed](Self::all_confirmed): success or failure, to be asked when the connection is closed.
    ///
    /// ```no_run
    /// # use std::process::ExitCode;
    /// # fn example(client: nats_conn_std::Client) -> Result<ExitCode, nats_conn_std::Error> {
    /// client.drain().wait();
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

    /// The same with futures, for what does not poll subscriptions.
    pub(crate) fn wrapped(&self) -> &nats_conn_client::Client {
        &self.inner
    }

    /// The same with futures, for an executor or for [`blocking::wait`](crate::blocking::wait). From then on a thread of the
    /// connection reads whenever there is a subscription: who polls one on an executor does not read himself.
    pub fn inner(&self) -> &nats_conn_client::Client {
        self.wire.polled_by_an_executor();
        &self.inner
    }

    /// The same with futures, for an executor.
    pub fn into_inner(self) -> nats_conn_client::Client {
        self.wire.polled_by_an_executor();
        self.inner
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
