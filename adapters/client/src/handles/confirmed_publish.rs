//! A publish whose fate is waited for.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use nats_conn_sm::PublishSeq;
use nats_proto::Excerpt;

use crate::core::locked::Locked;
use crate::core::loss::{Loss, PublishSlot};
use crate::core::oneshot::Oneshot;
use crate::error::confirm::ConfirmError;
use crate::error::publish::PublishError;
use crate::handles::accepting::Accepting;
use crate::handles::alarm::Alarm;

/// A publish that is being put together, and whose fate is waited for. Await it: it waits for room as a
/// [`Publishing`](crate::Publishing) does, and then until the server has confirmed it. [`now`](Self::now) does not wait for room, and gives what waits for
/// the fate.
///
/// # Cancel safety
/// Dropped while it waits for room, nothing was published. Dropped later, only the waiting ends: the message stays
/// published.
#[derive(Debug)]
#[must_use = "a publish does nothing unless it is awaited"]
pub struct ConfirmedPublish<'a> {
    accepting: Accepting<'a>,
    /// For room and fate together.
    timeout: Option<Duration>,
    alarm: Option<Alarm>,
    outcome: Option<PublishOutcome>,
    /// It was not accepted, and never will be.
    failed: bool,
}

impl<'a> ConfirmedPublish<'a> {
    pub(crate) fn new(accepting: Accepting<'a>, timeout: Option<Duration>) -> Self {
        Self {
            accepting,
            timeout,
            alarm: None,
            outcome: None,
            failed: false,
        }
    }

    /// How long to wait, for room and for the confirmation together: the same as
    /// [`Publishing::timeout`](crate::Publishing::timeout) set before. Default: as long as it takes, with
    /// [`ConnectOptions::publish_timeout`](crate::ConnectOptions::publish_timeout) for room alone. When the time is up the
    /// message stays published: see [`ConfirmError::TimedOut`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.accepting.room.timeout = Some(timeout);
        self.timeout = Some(timeout);
        self
    }

    /// Publishes at once or not at all, and gives what to wait for: for many publishes at the same time.
    ///
    /// ```no_run
    /// # async fn example(client: nats_conn_client::Client) -> Result<(), nats_conn_client::Error> {
    /// let mut outcomes = Vec::new();
    /// for order in ["41", "42", "43"] {
    ///     outcomes.push(client.publish("orders.eu", order).confirmed().now()?);
    /// }
    /// for outcome in outcomes {
    ///     outcome.await?; // the server was asked once for all of them
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancel safety
    /// Dropping what it gives only stops the waiting: the message stays published.
    ///
    /// # Errors
    /// It was not accepted: see [`PublishError`]. [`PublishError::BufferFull`] is the one that waiting helps against.
    pub fn now(self) -> Result<PublishOutcome, PublishError> {
        let (alarm, slot) = (self.begin(), Oneshot::new());
        let seq = self.accepting.now(enter(&slot))?;
        let subject = self.accepting.outgoing.excerpt();
        Ok(PublishOutcome::new(seq, subject, slot, alarm, self.timeout))
    }

    fn poll_accepted(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PublishError>> {
        let alarm = match self.alarm.take() {
            Some(alarm) => alarm,
            None => self.begin(),
        };
        let slot = Oneshot::new();
        match self.accepting.poll(cx, enter(&slot)) {
            Poll::Pending => {
                self.alarm = Some(alarm);
                Poll::Pending
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(seq)) => {
                let subject = self.accepting.outgoing.excerpt();
                self.outcome = Some(PublishOutcome::new(seq, subject, slot, alarm, self.timeout));
                Poll::Ready(Ok(()))
            }
        }
    }

    /// The time runs from the first poll on.
    fn begin(&self) -> Alarm {
        let mut alarm = Alarm::new(self.accepting.room.handle);
        if let Some(timeout) = self.timeout {
            alarm.set(timeout);
        }
        alarm
    }
}

/// Waits for the fate of what was accepted just now, before anything can happen to it.
fn enter(slot: &PublishSlot) -> impl FnOnce(&mut Locked, PublishSeq) + use<> {
    let slot = slot.clone();
    move |locked, seq| locked.confirmations.add_publish(seq, slot)
}

impl Future for ConfirmedPublish<'_> {
    type Output = Result<PublishSeq, ConfirmError>;

    /// Polled again after its end it does nothing, and says that the connection is closed.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.failed {
            return Poll::Ready(Err(PublishError::Closed.into()));
        }
        if this.outcome.is_none() {
            match this.poll_accepted(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    this.failed = true;
                    return Poll::Ready(Err(error.into()));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        match &mut this.outcome {
            Some(outcome) => Pin::new(outcome).poll(cx),
            None => Poll::Pending,
        }
    }
}

/// What becomes of a publish that was accepted, to come: await it. It goes on across reconnects until the fate is final,
/// and keeps the connection open.
///
/// # Cancel safety
/// Dropping it only stops the waiting: the message stays published.
#[derive(Debug)]
#[must_use = "await it to learn whether the server has confirmed"]
pub struct PublishOutcome {
    seq: PublishSeq,
    subject: Excerpt,
    timeout: Option<Duration>,
    slot: PublishSlot,
    alarm: Alarm,
    end: Option<End>,
}

/// How it ended.
#[derive(Clone, Copy, Debug)]
enum End {
    Fate(Result<(), Loss>),
    TimedOut,
}

impl PublishOutcome {
    fn new(
        seq: PublishSeq,
        subject: Excerpt,
        slot: PublishSlot,
        alarm: Alarm,
        timeout: Option<Duration>,
    ) -> Self {
        Self {
            seq,
            subject,
            timeout,
            slot,
            alarm,
            end: None,
        }
    }

    /// The number of the publish, by which events name it.
    pub fn seq(&self) -> PublishSeq {
        self.seq
    }

    fn result(&self, end: End) -> Result<PublishSeq, ConfirmError> {
        let subject = self.subject;
        Err(match end {
            End::Fate(Ok(())) => return Ok(self.seq),
            End::Fate(Err(Loss::Unconfirmed)) => ConfirmError::Unconfirmed { subject },
            End::Fate(Err(Loss::Dropped(reason))) => ConfirmError::Dropped { subject, reason },
            End::TimedOut => ConfirmError::TimedOut {
                subject,
                after: self.timeout.unwrap_or_default(),
            },
        })
    }
}

impl Future for PublishOutcome {
    type Output = Result<PublishSeq, ConfirmError>;

    /// Polled again after its end it says that the connection is closed.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.end.is_some() {
            return Poll::Ready(Err(PublishError::Closed.into()));
        }
        let end = match self.slot.poll(cx) {
            Poll::Ready(fate) => End::Fate(fate),
            Poll::Pending if self.alarm.poll(cx).is_ready() => End::TimedOut,
            Poll::Pending => return Poll::Pending,
        };
        self.end = Some(end);
        Poll::Ready(self.result(end))
    }
}

impl Drop for PublishOutcome {
    fn drop(&mut self) {
        if !matches!(self.end, Some(End::Fate(_))) {
            let seq = self.seq;
            self.alarm
                .handle
                .shared
                .call_quietly(|locked| locked.confirmations.forget_publish(seq));
        }
    }
}
