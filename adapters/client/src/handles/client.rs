//! The handle by which an application uses a connection.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use nats_conn_sm::{Fate, LinkHealth, PublishFates, PublishSeq, ServerStatus, State, StateError, Statistics};
use nats_proto::{
    Excerpt, IntoSubject, InvalidSubject, Message, Payload, QueueGroup, ServerInfo, Subject, SubjectFilter,
};

use crate::core::closing::Closing;
use crate::core::event::ClientEvent;
use crate::core::shared::Shared;
use crate::error::servers::ServersError;
use crate::error::subscribe::SubscribeError;
use crate::handles::confirmation::{Flush, RoundTrip};
use crate::handles::events::Events;
use crate::handles::handle::Handle;
use crate::handles::inboxes::Inboxes;
use crate::handles::outgoing::Outgoing;
use crate::handles::publishing::{Publishing, Responding};
use crate::handles::reconnecting::Reconnecting;
use crate::handles::request::Request;
use crate::handles::subscription::Subscription;
use crate::options::into_servers::IntoServers;

/// A connection, as an application uses it. Clones share the connection; when the last client, subscription and
/// pending request is dropped it closes.
///
/// Nothing here waits but what is awaited: the other calls take effect in the connection's state machine at once
/// and return.
///
/// # The last line of a program
/// Dropping the last handle closes, but a destructor cannot wait. Where the runtime ends right after it, as on return
/// from `main`, what was published last has not left yet, and never does. So wait for the end of the connection before:
///
/// ```no_run
/// # async fn example(client: nats_conn_client::Client) -> Result<(), nats_conn_client::Error> {
/// client.close().await;    // hands over what was published
/// # Ok(()) }
/// # async fn or(client: nats_conn_client::Client) -> Result<(), nats_conn_client::Error> {
/// client.drain().await;   // or: has it confirmed, after what was received has been consumed
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "dropping the last handle closes the connection, and what was published last may not leave: end with `client.close().await`"]
pub struct Client {
    handle: Arc<Handle>,
    request_timeout: Duration,
    publish_timeout: Option<Duration>,
}

impl Client {
    pub(crate) fn new(
        shared: Arc<Shared>,
        request_timeout: Duration,
        publish_timeout: Option<Duration>,
        inboxes: Inboxes,
    ) -> Self {
        Self {
            handle: Arc::new(Handle { shared, inboxes }),
            request_timeout,
            publish_timeout,
        }
    }

    /// Publishes, and waits for room in the send buffer if there is none, or for the socket while it is a block ahead of that:
    /// await it, or see [`Publishing`] for headers, a reply subject, a timeout, and how not to wait. It does not wait until the
    /// message has left:
    /// [`confirmed`](Publishing::confirmed) waits until the server has processed it, and before the runtime ends, wait for
    /// [`close`](Self::close), [`drain`](Self::drain) or [`flush`](Self::flush).
    ///
    /// ```no_run
    /// # async fn example(client: nats_conn_client::Client) -> Result<(), nats_conn_client::Error> {
    /// use nats_conn_client::Headers;
    ///
    /// client.publish("orders.eu", "42").await?;
    /// let headers = Headers::try_from([("region", "eu")])?;
    /// client.publish("orders.eu", "43").headers(&headers).timeout(std::time::Duration::from_secs(1)).await?;
    /// client.publish("orders.eu", "44").now()?; // or BufferFull
    /// client.publish("orders.eu", "45").confirmed().await?; // processed by the server, or an error
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancel safety
    /// Dropped before it is done, the publish was not accepted: nothing of it is queued.
    ///
    /// # Errors
    /// See [`PublishError`](crate::PublishError).
    #[inline]
    pub fn publish<'a>(
        &'a self,
        subject: impl IntoSubject<'a>,
        payload: impl Into<Payload<'a>>,
    ) -> Publishing<'a> {
        Publishing::new(
            &self.handle,
            Outgoing::new(subject, payload),
            self.publish_timeout,
        )
    }

    /// Answers a request, and waits for room as [`publish`](Self::publish) does.
    ///
    /// ```no_run
    /// # async fn example(client: nats_conn_client::Client) -> Result<(), nats_conn_client::Error> {
    /// let mut requests = client.subscribe("time")?;
    /// while let Some(request) = requests.next().await {
    ///     client.respond(&request, "noon").await?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancel safety
    /// Dropped before it is done, the answer was not accepted: nothing of it is queued.
    ///
    /// # Errors
    /// See [`RespondError`](crate::RespondError).
    pub fn respond<'a>(&'a self, request: &'a Message, payload: impl Into<Payload<'a>>) -> Responding<'a> {
        let reply = request.reply().and_then(|reply| reply.to_subject_ref().ok());
        Responding::new(reply.map(|reply| self.publish(reply, payload)))
    }

    /// Asks, and waits for one reply: await it, or see [`Request`] for headers, timeout, several replies, and how not to
    /// wait for room.
    ///
    /// ```no_run
    /// # async fn example(client: nats_conn_client::Client) -> Result<(), nats_conn_client::Error> {
    /// let reply = client.request("time", "").await?;
    /// println!("{}", reply.text());
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancel safety
    /// Dropping what is awaited cancels the request: it is taken back if it has not left, and else its reply is ignored,
    /// though somebody may be working on it.
    ///
    /// # Errors
    /// See [`RequestError`](crate::RequestError).
    pub fn request<'a>(
        &'a self,
        subject: impl IntoSubject<'a>,
        payload: impl Into<Payload<'a>>,
    ) -> Request<'a> {
        Request::new(
            &self.handle,
            Outgoing::new(subject, payload),
            self.request_timeout,
        )
    }

    /// A subject that nobody else has, below the [`inbox_prefix`](crate::ConnectOptions::inbox_prefix) of this
    /// connection: for replies that are collected by hand. Nobody can guess it.
    ///
    /// ```no_run
    /// # async fn example(client: nats_conn_client::Client) -> Result<(), nats_conn_client::Error> {
    /// let inbox = client.new_inbox();
    /// let mut answers = client.subscribe(&inbox)?;
    /// client.publish("inventory.ping", "").reply_to(&inbox).await?;
    /// # Ok(()) }
    /// ```
    pub fn new_inbox(&self) -> Subject {
        self.handle.inboxes.draw()
    }

    /// Subscribes to all subjects that match.
    ///
    /// ```no_run
    /// # async fn example(client: nats_conn_client::Client) -> Result<(), nats_conn_client::Error> {
    /// let mut orders = client.subscribe("orders.>")?;
    /// while let Some(order) = orders.next().await {
    ///     println!("{}: {}", order.subject(), order.text());
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// See [`SubscribeError`]. What the server refuses ends the subscription later, as
    /// [`EndReason::Refused`](nats_conn_sm::EndReason::Refused); [`confirmed`](Subscription::confirmed) waits for that.
    pub fn subscribe(
        &self,
        filter: impl TryInto<SubjectFilter, Error: Into<InvalidSubject>>,
    ) -> Result<Subscription, SubscribeError> {
        self.subscribe_as(filter.try_into().map_err(Into::into)?, None)
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
        let queue = queue.try_into().map_err(Into::into)?;
        self.subscribe_as(filter.try_into().map_err(Into::into)?, Some(queue))
    }

    /// Asks the server to confirm that it has processed everything published so far. It has when this is done:
    /// which is not to say that it was permitted, nor that somebody received it.
    ///
    /// # Cancel safety
    /// Dropping it only stops the waiting: the server is asked all the same. A later flush begins anew.
    pub fn flush(&self) -> Flush {
        Flush::flush(&self.handle)
    }

    /// Measures the round trip to the server.
    ///
    /// # Cancel safety
    /// Dropping it only stops the waiting. A later measurement begins anew.
    pub fn rtt(&self) -> RoundTrip {
        RoundTrip::round_trip(&self.handle)
    }

    /// Ends the connection in good order: every subscription is drained, what arrived is left to be consumed, then
    /// what was published is written and confirmed. What is awaited is done when the connection is closed; that takes
    /// [`ConnectOptions::drain_timeout`](crate::ConnectOptions::drain_timeout) at most. Where it is draining already, or
    /// closed, it gives the end of that.
    ///
    /// # What it waits for
    /// For whoever has a message in hand to come back to its subscription: until then it may publish answers and make
    /// requests, also while the link is down and another is dialled. A subscription is done with when its holder has
    /// come back and found it empty, has seen its end, or has dropped it. A message in hand is waited for
    /// [`drain_hand`](crate::ConnectOptions::drain_hand), 10 s, at most, and 1 s where the task that awaits the
    /// drain is the one that last polled that subscription: what it holds it will hardly work on. A subscription with
    /// messages in it that nobody polls is left after [`drain_patience`](crate::ConnectOptions::drain_patience), 5 s,
    /// and [`unread`](nats_conn_sm::ClosedReason::Drained::unread) says how much was left. New subscriptions are refused at once, new
    /// requests when nobody is at work any more, publishes when the last of them are being written.
    ///
    /// # Patterns
    /// Who reads in a loop goes on until the loop ends by itself, which it does whatever becomes of the link:
    ///
    /// ```no_run
    /// # use nats_conn_client::{Client, Subscription};
    /// # async fn work(client: &Client, order: nats_conn_client::Message) {}
    /// # async fn example(client: Client, mut orders: Subscription) -> Result<(), nats_conn_client::Error> {
    /// let drained = client.drain();
    /// while let Some(order) = orders.next().await {
    ///     work(&client, order).await;
    /// }
    /// println!("{:?}", drained.await);
    /// # Ok(()) }
    /// ```
    ///
    /// Who gives each message to a task of its own comes back at once, and a drain does not know of that task. There the
    /// subscription is drained first, and the connection once the tasks have ended:
    ///
    /// ```no_run
    /// # use nats_conn_client::{Client, Subscription};
    /// # async fn work(client: Client, order: nats_conn_client::Message) {}
    /// # fn spawn<F: Future>(task: F) -> F { task }
    /// # async fn example(client: Client, mut orders: Subscription) -> Result<(), nats_conn_client::Error> {
    /// orders.drain()?;
    /// let mut tasks = Vec::new();
    /// while let Some(order) = orders.next().await {
    ///     tasks.push(spawn(work(client.clone(), order)));
    /// }
    /// for task in tasks {
    ///     task.await;
    /// }
    /// println!("{:?}", client.drain().await);
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancel safety
    /// The drain has begun when this returns. Dropping what it gives only stops the waiting: the drain goes on, and
    /// [`closed`](Self::closed) waits for its end. To begin a drain without waiting there is
    /// [`begin_drain`](Self::begin_drain).
    pub fn drain(&self) -> Closing {
        self.begin_drain();
        Closing::of_drain(&self.handle.shared)
    }

    /// Begins to [`drain`](Self::drain), and returns. Nothing changes where it is draining or closed already.
    pub fn begin_drain(&self) {
        self.handle.shared.with(|connection, now| {
            // An error means that it has begun already, or that there is nothing left to drain.
            let _ = connection.drain(now);
        });
    }

    /// Closes the connection. What is queued is still handed to an established link, for at most 500 ms. What is awaited
    /// gives the end of the connection: where it was closed before, that end.
    ///
    /// # Cancel safety
    /// The closing has begun when this returns. Dropping what it gives only stops the waiting: the closing goes on, and
    /// [`closed`](Self::closed) waits for its end. To begin without waiting there is [`begin_close`](Self::begin_close).
    pub fn close(&self) -> Closing {
        self.begin_close();
        self.closed()
    }

    /// Begins to [`close`](Self::close), and returns.
    pub fn begin_close(&self) {
        self.handle.shared.with(|connection, now| connection.close(now));
    }

    /// Waits until the connection is closed, for whatever reason. It does not keep the connection open.
    ///
    /// # Cancel safety
    /// Dropping it only stops the waiting.
    pub fn closed(&self) -> Closing {
        Closing::new(&self.handle.shared)
    }

    /// Leaves the present server, or the present attempt or wait, and dials the next server at once. Flushes that wait
    /// fail; see [`flush_and_reconnect`](Self::flush_and_reconnect).
    ///
    /// # Errors
    /// The connection is closed or draining.
    pub fn force_reconnect(&self) -> Result<(), StateError> {
        self.handle
            .shared
            .with(|connection, now| connection.force_reconnect(now))
    }

    /// The same once the server has confirmed everything published so far, or when that took so long; without a link at
    /// once. Await it: it gives whether everything was confirmed. Where the link is lost meanwhile the server is left
    /// already, and nothing more is done.
    ///
    /// # Cancel safety
    /// Dropped before it is done, the server is not left; what was published is flushed all the same.
    ///
    /// # Errors
    /// The connection is closed or draining.
    pub fn flush_and_reconnect(&self, within: Duration) -> Reconnecting {
        Reconnecting::new(&self.handle, within)
    }

    /// Replaces the pool of servers: by URLs as text, as [`ConnectOptions::from_url`](crate::ConnectOptions::from_url) takes
    /// them, or a `Vec<ServerUrl>`. The present link stays until it is lost. A server of the present pool that is spoken
    /// to with TLS stays so, whatever the new list says
    /// ([`ConnectionEvent::ServerTlsRaised`](nats_conn_sm::ConnectionEvent::ServerTlsRaised)).
    ///
    /// # Errors
    /// A URL cannot be used, the list is empty, or the connection is closed.
    pub fn set_servers(&self, servers: impl IntoServers) -> Result<(), ServersError> {
        let servers = servers.into_servers()?;
        self.handle
            .shared
            .with(|connection, now| connection.set_servers(now, servers))?;
        Ok(())
    }

    /// One more stream of events, from now on; the first one after `connect` begins where the connection did, so that
    /// it has what happened on the way, too.
    pub fn events(&self) -> Events {
        Events::new(self.handle.shared.hub().subscribe())
    }

    /// The first who asks gets these events and what follows on this stream.
    pub(crate) fn keep_events(&self, events: Events, taken: Vec<ClientEvent>) {
        self.handle.shared.hub().keep(events.into_slot(), taken);
    }

    /// The state of the connection.
    pub fn state(&self) -> State {
        self.handle.shared.look(|connection| connection.state())
    }

    /// What the connection is doing and what it waits for, as a sentence for people.
    pub fn why(&self) -> String {
        let now = self.handle.shared.now();
        self.handle.shared.look(|connection| connection.why(now))
    }

    /// The pool of servers.
    pub fn servers(&self) -> Vec<ServerStatus> {
        self.handle.shared.look(|connection| connection.servers())
    }

    /// The last INFO of the server.
    pub fn server_info(&self) -> Option<Arc<ServerInfo>> {
        self.handle
            .shared
            .look(|connection| connection.server_info().cloned())
    }

    /// The largest headers and payload together that the server takes, in bytes, if there was one yet.
    pub fn max_payload(&self) -> Option<u64> {
        self.handle.shared.look(|connection| connection.max_payload())
    }

    /// Counters and gauges.
    pub fn statistics(&self) -> Statistics {
        self.handle.shared.look(|connection| connection.statistics())
    }

    /// How long ago the server was heard, and how many PINGs it has not answered: for a watchdog that is to know before
    /// the keep-alive gives the link up. Without a session: none.
    pub fn link_health(&self) -> Option<LinkHealth> {
        let now = self.handle.shared.now();
        self.statistics().link_health(now)
    }

    /// What became of everything that was published.
    pub fn publish_fates(&self) -> PublishFates {
        self.handle.shared.look(|connection| connection.publish_fates())
    }

    /// Whether everything that was ever published with this connection was confirmed by a server: nothing is under
    /// way, and nothing was lost, from the first publish on. After a drain it is the whole answer to what became of
    /// what was sent, where [`ClosedReason::Drained`](nats_conn_sm::ClosedReason::Drained) is about the drain alone.
    pub fn all_confirmed(&self) -> bool {
        self.publish_fates().all_confirmed()
    }

    /// The exit code of a program for which it is a failure that something it published was not
    /// [confirmed](Self::all_confirmed): success or failure, to be asked when the connection is closed.
    ///
    /// ```no_run
    /// # use std::process::ExitCode;
    /// # async fn example(client: nats_conn_client::Client) -> Result<ExitCode, nats_conn_client::Error> {
    /// client.drain().await;
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
        self.handle.shared.look(|connection| connection.fate(publish))
    }

    /// What adapters and drivers use: the state that this handle shares with its driver.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    fn subscribe_as(
        &self,
        filter: SubjectFilter,
        queue: Option<QueueGroup>,
    ) -> Result<Subscription, SubscribeError> {
        let name = Excerpt::new(filter.as_str());
        let subscribed = self.handle.shared.subscribe(filter, queue);
        let mail = subscribed.map_err(|error| SubscribeError::refused(error, name))?;
        Ok(Subscription::new(mail, self.handle.clone()))
    }
}
