//! The face: everything that can be called, and the one place where calls are recorded.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use nats_proto::{QueueGroup, ServerInfo, ServerUrl, Sid, SubjectFilter};

use crate::action::{Action, Credentials};
use crate::buffers::{ReceiveBuf, SendBuf};
use crate::canonical::Form;
use crate::config::Config;
use crate::error::{
    AuthError, ConfigError, FlushError, LinkEnd, PublishError, RequestStartError, StateError, SubscribeError,
    SubscriptionError,
};
use crate::event::{ClosedReason, Event};
use crate::ids::{AttemptId, FlushId, LinkId, PublishSeq, RequestId, RoundTripId, ServerId};
use crate::input::{Input, Progress, Received, Unsent};
use crate::machine::{Machine, NextAttempt, State};
use crate::metrics::Metrics;
use crate::publish::{Publish, RequestMany};
use crate::recorder::{
    Digest, Encode, Recorder, RecorderSlot, RecordingOptions, canonical, credentials, url,
};
use crate::servers::ServerStatus;
use crate::statistics::{Fate, LinkHealth, PublishFates, Statistics};
use crate::time::Timestamp;

/// The life of one NATS connection, from the first attempt to its close.
///
/// It does nothing by itself. Its methods are of four kinds, which may be called in any order and any number
/// of times:
///
/// - `handle_…` reports what happened outside: ignored unless it concerns the present link and is expected;
/// - verbs ([`publish`](Self::publish), [`subscribe`](Self::subscribe), …) state what the application wants;
/// - `poll_…` asks what comes of it;
/// - nouns ([`state`](Self::state), [`statistics`](Self::statistics), …) look without changing anything.
#[derive(Clone, Debug)]
pub struct Connection {
    machine: Machine,
    recorder: RecorderSlot,
}

/// Construction.
impl Connection {
    /// A connection that begins its first attempt at `now`. All its randomness comes from `seed`.
    ///
    /// # Errors
    /// Settings that cannot be used.
    pub fn new(config: Config, seed: [u8; 32], now: Timestamp) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            machine: Machine::new(config, seed, now),
            recorder: RecorderSlot::default(),
        })
    }
}

/// What happened outside. Ignored unless it concerns the present link and is expected.
impl Connection {
    /// The stream that [`Action::Connect`] asked for is there.
    pub fn handle_connected(&mut self, now: Timestamp, link: LinkId) {
        let input = self.begin(now, |_| Input::Connected(link));
        self.machine.connected(link);
        self.end(input, &());
    }

    /// The TLS handshake that [`Action::UpgradeTls`] asked for is done. `unparsed` is how many bytes lay in the
    /// [`ReceiveBuf`] of the link when the handshake was done, before anything was decrypted: they arrived in clear text,
    /// somebody on the way may have put them there, and they fail the attempt.
    pub fn handle_tls(&mut self, now: Timestamp, link: LinkId, unparsed: usize) {
        let is_clean = unparsed == 0;
        let input = self.begin(now, |_| Input::Tls(link, is_clean));
        self.machine.tls_done(link, is_clean);
        self.end(input, &());
    }

    /// The answer to [`Action::Authenticate`].
    pub fn handle_credentials(
        &mut self,
        now: Timestamp,
        link: LinkId,
        answer: Result<Credentials, AuthError>,
    ) {
        let input = self.begin(now, |_| {
            Input::Credentials(link, answer.as_ref().map(credentials).map_err(AuthError::clone))
        });
        self.machine.credentials(link, answer);
        self.end(input, &());
    }

    /// The answer to [`Action::ChooseServer`]: a server of the pool, and how long to wait before it is dialled. The
    /// very first attempt begins at once.
    pub fn handle_server_choice(
        &mut self,
        now: Timestamp,
        attempt: AttemptId,
        server: ServerId,
        delay: Duration,
    ) {
        let input = self.begin(now, |_| Input::ServerChoice(attempt, server, delay));
        self.machine.server_chosen(attempt, server, delay);
        self.end(input, &());
    }

    /// How far the driver has come with [`Action::Connect`]: it decides what a missed deadline is called.
    pub fn handle_progress(&mut self, now: Timestamp, link: LinkId, progress: Progress) {
        let input = self.begin(now, |_| Input::Progress(link, progress));
        self.machine.progressed(link, progress);
        self.end(input, &());
    }

    /// The transport took all of the block that [`poll_transmit`](Self::poll_transmit) put into `tx`, so that the buffer
    /// is empty. Ignored if it is not, or if it is another buffer.
    ///
    /// What was written has left this machine: its bytes make room for others, and it is sent again only where the
    /// settings ask for that. Poll for the next block after it.
    pub fn handle_written(&mut self, now: Timestamp, tx: &mut SendBuf) {
        self.machine.enter(now);
        if self.recorder.is_on() {
            return self.written_recorded(tx);
        }
        self.machine.written(tx);
    }

    /// The one last answer about a link: after its end or its error, after a dial or a TLS handshake that
    /// failed, and after [`Action::Disconnect`] — then at once, without waiting for the socket. `unsent` is
    /// the link's [`SendBuf`] with what the transport did not take.
    pub fn handle_link_closed(&mut self, now: Timestamp, link: LinkId, end: LinkEnd, unsent: &mut SendBuf) {
        // A recorded life knows the kinds of errors that can be written down.
        let end = if self.recorder.is_on() {
            canonical(end)
        } else {
            end
        };
        let input = self.begin(now, |_| Input::LinkClosed(link, end.clone(), (&*unsent).into()));
        self.machine.link_closed(link, end, unsent);
        self.end(input, &());
    }

    /// The time of [`poll_timeout`](Self::poll_timeout) has come. Calling it more often is harmless.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.machine.enter(now);
        if self.recorder.is_on() && !self.machine.view().is_timer_due() {
            return;
        }
        self.machine.fire_timers();
        if self.recorder.is_on() {
            self.record(Input::Timeout, |digest, machine| {
                digest.timeout(machine.view().poll_timeout())
            });
        }
    }
}

/// What comes of it: any order, any number of times.
impl Connection {
    /// The next event, parsing one operation from what was read if nothing else is waiting.
    ///
    /// `rx` is read only if it belongs to the present link; without a link, pass any.
    #[must_use = "an event is returned once"]
    pub fn poll_event(&mut self, now: Timestamp, rx: &mut ReceiveBuf) -> Option<Event> {
        self.machine.enter(now);
        if self.recorder.is_on() {
            return self.poll_event_recorded(rx);
        }
        self.machine.poll_event(rx)
    }

    /// The next of the events that wait already, without parsing anything. For whoever has no part in driving the
    /// connection and wants to have heard of everything before looking at it.
    #[must_use = "an event is returned once"]
    pub fn take_event(&mut self) -> Option<Event> {
        let event = self.machine.take_event()?;
        if self.recorder.is_on() {
            let nothing_new = Received {
                buffer: None,
                pieces: Vec::new(),
            };
            self.record(Input::Event(nothing_new), |digest, _| digest.event(Some(&event)));
        }
        Some(event)
    }

    /// Whether [`take_event`](Self::take_event) has one: what [`state`](Self::state) and the like show may then be
    /// ahead of the events that were taken.
    pub fn has_events(&self) -> bool {
        self.machine.view().has_events()
    }

    /// The next thing to do outside.
    #[must_use = "an action is returned once"]
    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.machine.take_action()?;
        if self.recorder.is_on() {
            self.record(Input::Action, |digest, _| digest.action(Some(&action)));
        }
        Some(action)
    }

    /// Swaps the next block to write into `tx`, if that is empty and of the present link. Until the transport has taken
    /// all of it, which [`handle_written`](Self::handle_written) reports, there is no other.
    #[must_use = "a block that was handed out has to be written"]
    pub fn poll_transmit(&mut self, now: Timestamp, tx: &mut SendBuf) -> bool {
        self.machine.enter(now);
        if self.recorder.is_on() {
            return self.poll_transmit_recorded(tx);
        }
        self.machine.poll_transmit(tx)
    }

    /// Whether there is something to hand out: if so, wake the writer.
    #[must_use = "a writer is to be woken"]
    pub fn wants_transmit(&self) -> bool {
        self.machine.view().wants_transmit()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest, and to ask for what comes of it.
    /// Never before the last `now`; the last `now` itself while an event or an action is waiting, so that a
    /// driver that asks in another order than that of the loop does not sleep over one.
    #[must_use = "the deadline is to be kept"]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.machine.view().poll_timeout()
    }
}

/// Publishing.
impl Connection {
    /// Accepts a message for sending, now or on a link to come. Never waits. It takes no time of the call, unlike the
    /// other verbs: nothing that a publish does depends on the clock.
    ///
    /// # Errors
    /// Why it was not accepted; nothing was queued then.
    pub fn publish(&mut self, publish: Publish<'_>) -> Result<PublishSeq, PublishError> {
        if self.recorder.is_on() {
            return self.publish_recorded(&publish);
        }
        self.machine.publish(&publish)
    }

    /// Asks the server to confirm that it has processed what was published so far: settled by the PONG of the
    /// same link, never by a later one.
    ///
    /// # Errors
    /// At once if there is no session.
    pub fn flush(&mut self, now: Timestamp) -> Result<FlushId, FlushError> {
        let input = self.begin(now, |_| Input::Flush);
        let answer = self.machine.flush();
        self.end(input, &answer);
        answer
    }

    /// Measures the round trip, from the handing out of a PING to its PONG.
    ///
    /// # Errors
    /// At once if there is no session.
    pub fn rtt(&mut self, now: Timestamp) -> Result<RoundTripId, FlushError> {
        let input = self.begin(now, |_| Input::RoundTrip);
        let answer = self.machine.round_trip();
        self.end(input, &answer);
        answer
    }
}

/// Subscriptions.
impl Connection {
    /// Subscribes, now and on every link to come, until the subscription ends.
    ///
    /// # Errors
    /// When closed or draining, or when subject and queue group are longer than a server takes.
    pub fn subscribe(
        &mut self,
        now: Timestamp,
        filter: SubjectFilter,
        queue: Option<QueueGroup>,
    ) -> Result<Sid, SubscribeError> {
        let input = self.begin(now, |_| Input::Subscribe(filter.clone(), queue.clone()));
        let answer = self.machine.subscribe(filter, queue);
        self.end(input, &answer);
        answer
    }

    /// Ends a subscription: no message follows the [`Event::SubscriptionEnded`].
    ///
    /// # Errors
    /// If it has ended.
    pub fn unsubscribe(&mut self, now: Timestamp, subscription: Sid) -> Result<(), SubscriptionError> {
        let input = self.begin(now, |_| Input::Unsubscribe(subscription));
        let answer = self.machine.unsubscribe(subscription);
        self.end(input, &answer);
        answer
    }

    /// Ends a subscription after `max` messages in all, counted from its beginning, also across reconnects. If
    /// it has received as many, it ends at once. A later call replaces the number. Zero unsubscribes.
    ///
    /// # Errors
    /// If it has ended.
    pub fn unsubscribe_after(
        &mut self,
        now: Timestamp,
        subscription: Sid,
        max: u64,
    ) -> Result<(), SubscriptionError> {
        let input = self.begin(now, |_| Input::UnsubscribeAfter(subscription, max));
        let answer = self.machine.unsubscribe_after(subscription, max);
        self.end(input, &answer);
        answer
    }

    /// Ends a subscription when everything that is on its way has been delivered; without a link at once.
    ///
    /// # Errors
    /// If it has ended.
    pub fn drain_subscription(&mut self, now: Timestamp, subscription: Sid) -> Result<(), SubscriptionError> {
        let input = self.begin(now, |_| Input::DrainSubscription(subscription));
        let answer = self.machine.drain_subscription(subscription);
        self.end(input, &answer);
        answer
    }
}

/// Requests.
impl Connection {
    /// Asks a question: published with a reply subject of its own, settled by one
    /// [`Event::Response`]. A reply subject in `request` is ignored.
    ///
    /// # Errors
    /// When draining and nothing is being consumed any more, or when it cannot be published.
    pub fn request(
        &mut self,
        now: Timestamp,
        request: Publish<'_>,
        timeout: Duration,
    ) -> Result<RequestId, RequestStartError> {
        self.machine.enter(now);
        let input = self.begin_untimed(|recorder| Input::Request(recorder.message(&request), timeout));
        let answer = self
            .machine
            .request(&request, self.machine.view().now() + timeout, None);
        self.end_untimed(input, &answer);
        answer
    }

    /// Asks a question that several may answer (ADR-47): any number of [`Event::Reply`], then one
    /// [`Event::RepliesEnded`].
    ///
    /// # Errors
    /// When draining and nothing is being consumed any more, or when it cannot be published.
    pub fn request_many(
        &mut self,
        now: Timestamp,
        request: Publish<'_>,
        many: RequestMany,
    ) -> Result<RequestId, RequestStartError> {
        self.machine.enter(now);
        let input = self.begin_untimed(|recorder| Input::RequestMany(recorder.message(&request), many));
        let deadline = self.machine.view().now() + many.timeout;
        let answer = self.machine.request(&request, deadline, Some(many));
        self.end_untimed(input, &answer);
        answer
    }

    /// Forgets a request; no event follows. Whether it was still pending. If its frame was not handed out, it
    /// is not sent.
    pub fn cancel_request(&mut self, now: Timestamp, request: RequestId) -> bool {
        let input = self.begin(now, |_| Input::CancelRequest(request));
        let answer = self.machine.cancel_request(request);
        self.end(input, &answer);
        answer
    }
}

/// The whole connection.
impl Connection {
    /// Drops the link, if any, and dials the next server at once; a wait ends, an attempt is abandoned.
    /// Works also with reconnecting switched off.
    ///
    /// # Errors
    /// When closed or draining.
    pub fn force_reconnect(&mut self, now: Timestamp) -> Result<(), StateError> {
        let input = self.begin(now, |_| Input::ForceReconnect);
        let answer = self.machine.force_reconnect();
        self.end(input, &answer);
        answer
    }

    /// Replaces the pool. The present link stays until it is lost; failures and rounds start over; a wait ends. A server
    /// of the present pool that TLS is used with keeps TLS, whatever the new list says, and
    /// [`ConnectionEvent::ServerTlsRaised`](crate::ConnectionEvent::ServerTlsRaised) reports that.
    ///
    /// # Errors
    /// An empty list, or a closed connection.
    pub fn set_servers(&mut self, now: Timestamp, servers: Vec<ServerUrl>) -> Result<(), StateError> {
        let input = self.begin(now, |_| Input::SetServers(servers.iter().map(url).collect()));
        let answer = self.machine.set_servers(&servers);
        self.end(input, &answer);
        answer
    }

    /// Ends the connection without losing anything: subscriptions are drained, publishes and requests are still
    /// accepted, with or without a link, until [`finish_drain`](Self::finish_drain) and the last pending request; then
    /// publishes are refused, and what is queued is written and confirmed. Ends with [`ClosedReason::Drained`], after
    /// [`Config::drain_timeout`](crate::Config::drain_timeout) at the latest, and earlier where no link can follow.
    ///
    /// New subscriptions are refused at once.
    ///
    /// # Errors
    /// When closed, or draining already.
    pub fn drain(&mut self, now: Timestamp) -> Result<(), StateError> {
        let input = self.begin(now, |_| Input::Drain);
        let answer = self.machine.drain();
        self.end(input, &answer);
        answer
    }

    /// Reports that everything delivered has been consumed, except `unread` messages that nobody is going to take. From
    /// now on requests are refused; publishes are once the last pending request has ended and there is a link.
    ///
    /// A drain waits for this with or without a link: a holder who has nothing to consume calls it right after
    /// [`drain`](Self::drain). Ignored unless a drain is under way, and when it was called before.
    pub fn finish_drain(&mut self, now: Timestamp, unread: u64) {
        let input = self.begin(now, |_| Input::FinishDrain(unread));
        self.machine.finish_drain(unread);
        self.end(input, &());
    }

    /// Ends the connection: new calls are refused, subscriptions and requests end, whole frames that are queued
    /// are written for at most [`Config::close_timeout`](crate::Config::close_timeout).
    pub fn close(&mut self, now: Timestamp) {
        let input = self.begin(now, |_| Input::Close);
        self.machine.close();
        self.end(input, &());
    }

    /// Ends the connection without writing anything more.
    pub fn abort(&mut self, now: Timestamp) {
        let input = self.begin(now, |_| Input::Abort);
        self.machine.abort(ClosedReason::Requested);
        self.end(input, &());
    }

    /// The driver is gone: as [`abort`](Self::abort), and the connection ends with
    /// [`ClosedReason::DriverFailed`], unless it was closing already. For a driver whose runtime is
    /// shut down or which panicked: its last call.
    pub fn driver_failed(&mut self, now: Timestamp) {
        let input = self.begin(now, |_| Input::DriverFailed);
        self.machine.abort(ClosedReason::DriverFailed);
        self.end(input, &());
    }
}

/// Looking.
impl Connection {
    /// What the connection is doing, in one word. It changes with the events that report it: a session that is being
    /// left is one until its [`ConnectionEvent::Disconnected`](crate::ConnectionEvent::Disconnected), and a connection
    /// that is closing is what it was until its [`ConnectionEvent::Closed`](crate::ConnectionEvent::Closed).
    pub fn state(&self) -> State {
        self.machine.view().state()
    }

    /// Whether it is closed, or closing: new calls are refused.
    pub fn is_closing(&self) -> bool {
        self.machine.view().is_closing()
    }

    /// The present link, from the moment it is asked for until it is gone.
    pub fn link(&self) -> Option<LinkId> {
        self.machine.view().link()
    }

    /// The INFO of the last session.
    pub fn server_info(&self) -> Option<&Arc<ServerInfo>> {
        self.machine.view().server_info()
    }

    /// The largest headers and payload together that the last server takes, in bytes.
    pub fn max_payload(&self) -> Option<u64> {
        self.machine.view().max_payload()
    }

    /// The pool, in order.
    pub fn servers(&self) -> Vec<ServerStatus> {
        self.machine.view().servers()
    }

    /// Counters and gauges.
    pub fn statistics(&self) -> Statistics {
        self.machine.view().statistics()
    }

    /// What became of the publishes that were accepted.
    pub fn publish_fates(&self) -> PublishFates {
        self.machine.view().publish_fates()
    }

    /// What became of one publish; none if no publish has this number.
    pub fn fate(&self, publish: PublishSeq) -> Option<Fate> {
        self.machine.view().fate(publish)
    }

    /// How many bytes the next read should have room for.
    pub fn read_hint(&self) -> usize {
        self.machine.view().read_hint()
    }

    /// Bytes that wait to be handed out.
    pub fn queued(&self) -> usize {
        self.machine.view().queued()
    }

    /// How long ago the server was heard, and how many PINGs it has not answered. Without a session: none.
    pub fn link_health(&self, now: Timestamp) -> Option<LinkHealth> {
        self.statistics().link_health(now.max(self.machine.view().now()))
    }

    /// The attempt that comes next, or is under way: at which server, which attempt it is, what it waits for and how
    /// long, and why. None where no attempt is planned: during a session, of which [`ServerStatus::next`] tells who would
    /// follow; while the last link is being left, until what comes next is decided, which takes 1 s at most; and when the
    /// connection is closed.
    pub fn next_attempt(&self, now: Timestamp) -> Option<NextAttempt> {
        let view = self.machine.view();
        view.next_attempt(now.max(view.now()))
    }

    /// All numbers under the names that monitoring collects them by: statistics, fates, state, pool, and health of the
    /// link.
    pub fn metrics(&self, now: Timestamp) -> Metrics {
        Metrics::new(
            self.state(),
            self.statistics(),
            self.link_health(now),
            &self.servers(),
        )
    }

    /// One sentence a person can read about what the connection is doing and what it waits for.
    pub fn why(&self, now: Timestamp) -> String {
        self.machine.view().why(now.max(self.machine.view().now()))
    }
}

/// For exploration.
impl Connection {
    /// The state. A recording is no part of it.
    pub(crate) fn form(&self) -> Form {
        let Self { machine, recorder: _ } = self;
        machine.form()
    }
}

/// Recording: see the documentation of the crate.
impl Connection {
    /// As [`new`](Self::new), and recorded from its first moment on. A clone of it is not recorded.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn recorded(
        config: Config,
        seed: [u8; 32],
        now: Timestamp,
        options: RecordingOptions,
    ) -> Result<Self, ConfigError> {
        let recorder = Recorder::new(&config, seed, now, options);
        let mut connection = Self::new(config, seed, now)?;
        connection.recorder.set(recorder);
        Ok(connection)
    }

    /// The next bytes of the recording, if it is recorded and something was since the last call. To be taken
    /// once in each round of the driver's loop, and written to a file or elsewhere, in order.
    #[must_use = "what was recorded is returned once"]
    pub fn poll_recording(&mut self) -> Option<Bytes> {
        self.recorder.get_mut()?.take()
    }

    /// Whether it is being recorded: not if it never was, nor when the recording has stopped because nobody
    /// took it.
    pub fn is_recording(&self) -> bool {
        self.recorder.get().is_some_and(|recorder| !recorder.is_stopped())
    }

    /// Takes the time of a call, and its input if that is to be recorded: the one branch that it costs if not.
    #[inline]
    fn begin(&mut self, now: Timestamp, input: impl FnOnce(&Recorder) -> Input) -> Option<Box<Input>> {
        self.machine.enter(now);
        self.begin_untimed(input)
    }

    #[inline]
    fn begin_untimed(&mut self, input: impl FnOnce(&Recorder) -> Input) -> Option<Box<Input>> {
        self.recorder.get().map(|recorder| Box::new(input(recorder)))
    }

    /// Records what came of the call.
    #[inline]
    fn end(&mut self, input: Option<Box<Input>>, answer: &dyn Encode) {
        if let Some(input) = input {
            self.record(*input, |digest, machine| {
                digest.answer(answer).timeout(machine.view().poll_timeout())
            });
        }
    }

    /// The same for a call whose record has no deadline.
    #[inline]
    fn end_untimed(&mut self, input: Option<Box<Input>>, answer: &dyn Encode) {
        if let Some(input) = input {
            self.record(*input, |digest, _| digest.answer(answer));
        }
    }

    #[cold]
    fn record(&mut self, input: Input, digest: impl FnOnce(Digest, &Machine) -> Digest) {
        if let Some(recorder) = self.recorder.get_mut() {
            let digest = digest(Digest::new(recorder.payloads()), &self.machine);
            recorder.push(self.machine.view().now(), &input, digest.value());
        }
    }

    #[cold]
    fn publish_recorded(&mut self, publish: &Publish<'_>) -> Result<PublishSeq, PublishError> {
        let input = self.begin_untimed(|recorder| Input::Publish(recorder.message(publish)));
        let answer = self.machine.publish(publish);
        self.end_untimed(input, &answer);
        answer
    }

    /// Recorded where something came of it, or bytes had arrived.
    #[cold]
    fn poll_event_recorded(&mut self, rx: &mut ReceiveBuf) -> Option<Event> {
        let received = self.recorder.get_mut()?.look_at(rx);
        let before = (rx.len(), rx.seen(), self.machine.view().output_count());
        let event = self.machine.poll_event(rx);
        self.recorder.get_mut()?.leave(rx);
        let after = (rx.len(), rx.seen(), self.machine.view().output_count());
        let is_new = received.buffer.is_some() || !received.pieces.is_empty();
        if event.is_some() || before != after || is_new {
            self.record(Input::Event(received), |digest, machine| {
                let digest = digest.event(event.as_ref());
                match event {
                    Some(_) => digest,
                    None => digest.timeout(machine.view().poll_timeout()),
                }
            });
        }
        event
    }

    /// Recorded where it was the block in the driver's hand.
    #[cold]
    fn written_recorded(&mut self, tx: &mut SendBuf) {
        let buffer = Unsent::from(&*tx);
        let was_writing = self.machine.view().is_writing();
        self.machine.written(tx);
        if was_writing != self.machine.view().is_writing() {
            self.record(Input::Written(buffer), |digest, machine| {
                digest.timeout(machine.view().poll_timeout())
            });
        }
    }

    /// Recorded where something was handed out, or waits to be polled.
    #[cold]
    fn poll_transmit_recorded(&mut self, tx: &mut SendBuf) -> bool {
        let buffer = Unsent::from(&*tx);
        let taken = self.machine.poll_transmit(tx);
        if taken || self.machine.view().has_output() {
            self.record(Input::Transmit(buffer), |digest, machine| {
                let digest = digest.answer(&taken).timeout(machine.view().poll_timeout());
                if taken { digest.bytes(tx.chunks()) } else { digest }
            });
        }
        taken
    }
}
