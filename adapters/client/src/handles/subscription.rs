//! The messages of one subscription, as a stream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use nats_conn_sm::{EndReason, MailboxLimits, SubscriptionError};
use nats_proto::{Message, Sid};

use crate::core::locked::Locked;
use crate::core::mail::Mail;
use crate::error::next::NextError;
use crate::handles::alarm::next_within;
use crate::handles::handle::Handle;

/// A subscription: a stream of its messages.
///
/// It goes on across reconnects, and ends after its last message when it was unsubscribed, drained, refused, has
/// had as many messages as asked for, or when the connection closed: [`ended`](Self::ended) says which. Dropping
/// it unsubscribes. It keeps the connection open.
///
/// What is not taken in time waits in a mailbox of 65 536 messages and 64 MiB; beyond that the newest are dropped,
/// [`dropped`](Self::dropped) counts them, and [`ClientEvent::SlowConsumer`](crate::ClientEvent::SlowConsumer)
/// reports it.
///
/// A message is a view into the block that was read from the socket. Who keeps messages for long keeps whole
/// blocks of up to 64 KiB alive; [`Message::detach`] makes a copy that does not.
#[derive(Debug)]
#[must_use = "dropping it unsubscribes"]
pub struct Subscription {
    mail: Arc<Mail>,
    pub(crate) handle: Arc<Handle>,
}

impl Subscription {
    pub(crate) fn new(mail: Arc<Mail>, handle: Arc<Handle>) -> Self {
        Self { mail, handle }
    }

    /// The number by which events name it.
    pub fn sid(&self) -> Sid {
        self.mail.sid()
    }

    /// The next message; `None` when no message follows.
    ///
    /// # Cancel safety
    /// Dropping the future loses no message: the next call gives it. Dropping the `Subscription` unsubscribes.
    pub async fn next(&mut self) -> Option<Message> {
        std::future::poll_fn(|cx| self.poll_message(cx)).await
    }

    /// The next message, for so long at most, counted from the first poll.
    ///
    /// # Cancel safety
    /// As [`next`](Self::next): no message is lost.
    ///
    /// # Errors
    /// None came in time, or none follows.
    pub async fn next_timeout(&mut self, timeout: Duration) -> Result<Message, NextError> {
        next_within(&self.handle, timeout, |cx| {
            self.handle.shared.poll_take(&self.mail, cx)
        })
        .await
    }

    /// The next message if it has arrived already.
    pub fn try_next(&mut self) -> Option<Message> {
        self.handle.shared.try_take(&self.mail)
    }

    /// The next message, if there is one; else the waker is kept until there is.
    pub fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.handle.shared.poll_take(&self.mail, cx)
    }

    /// Ends it now. What has arrived can still be taken.
    ///
    /// # Errors
    /// It has ended already.
    pub fn unsubscribe(&self) -> Result<(), SubscriptionError> {
        self.handle
            .shared
            .with(|connection, now| connection.unsubscribe(now, self.sid()))
    }

    /// Ends it when it has received so many messages in all, counted from its beginning and across reconnects. A
    /// later call replaces the number; as many as that received already end it at once.
    ///
    /// # Errors
    /// It has ended already.
    pub fn unsubscribe_after(&self, messages: u64) -> Result<(), SubscriptionError> {
        self.handle
            .shared
            .with(|connection, now| connection.unsubscribe_after(now, self.sid(), messages))
    }

    /// Ends it when everything that is already on its way has arrived: it is unsubscribed at the server, which is asked to confirm.
    ///
    /// # Errors
    /// It has ended already.
    pub fn drain(&self) -> Result<(), SubscriptionError> {
        self.handle
            .shared
            .with(|connection, now| connection.drain_subscription(now, self.sid()))
    }

    /// Why it ended, once it has: messages that arrived before may still be waiting.
    pub fn ended(&self) -> Option<EndReason> {
        self.mail.ended()
    }

    /// What the server said when it refused it, if it did.
    pub fn refusal(&self) -> Option<String> {
        let sid = self.sid();
        self.handle
            .shared
            .call_quietly(|locked| locked.confirmations.refusal(sid).map(String::from))
    }

    /// How many messages wait to be taken.
    pub fn pending(&self) -> usize {
        self.mail.pending()
    }

    /// How many bytes wait to be taken.
    pub fn pending_bytes(&self) -> usize {
        self.mail.pending_bytes()
    }

    /// How many messages were dropped because too many were waiting.
    pub fn dropped(&self) -> u64 {
        self.mail.dropped()
    }

    /// How much may wait.
    pub fn limits(&self) -> MailboxLimits {
        self.mail.limits()
    }

    /// Sets how much may wait, for what arrives from now on.
    pub fn set_limits(&self, limits: MailboxLimits) {
        self.mail.set_limits(limits);
    }
}

impl Stream for Subscription {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.poll_message(cx)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(reader) = self.mail.abandon() {
            reader.wake();
        }
        let sid = self.sid();
        if self.mail.ended().is_some() {
            // Whatever it ended with: it may have been refused without a name before.
            let forget = |locked: &mut Locked| locked.confirmations.forget_subscription(sid);
            self.handle.shared.call_quietly(forget);
            // A drain of the connection may wait for what was left here.
            return self.handle.shared.wake_driver();
        }
        let now = self.handle.shared.now();
        self.handle.shared.call(|locked| {
            locked.routes.mail.remove(&sid);
            locked.confirmations.forget_subscription(sid);
            // An error means that it has ended in the meantime.
            let _ = locked.connection.unsubscribe(now, sid);
        });
    }
}
