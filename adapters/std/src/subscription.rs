//! The messages of one subscription, one after the other.

use std::task::Poll;
use std::time::{Duration, Instant};

use nats_conn_client::driver::blocking;
use nats_conn_client::{EndReason, MailboxLimits, Message, NextError, Sid, SubscriptionError};

use crate::holders::Holders;
use crate::next::next;
use crate::waiting::wait_for_message;

/// A subscription: an iterator over its messages, which waits for the next one.
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
    pub(crate) inner: nats_conn_client::Subscription,
    // Dropped after what it waits for the end of.
    pub(crate) holders: Holders,
}

impl Subscription {
    pub(crate) fn new(inner: nats_conn_client::Subscription, holders: Holders) -> Self {
        Self { inner, holders }
    }

    /// The number by which events name it.
    pub fn sid(&self) -> Sid {
        self.inner.sid()
    }

    /// Waits for the next message, for so long at most.
    ///
    /// # Errors
    /// None came in time, or none follows.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Message, NextError> {
        let deadline = Instant::now().checked_add(timeout);
        let Self { inner, holders } = self;
        next(wait_for_message(holders.wire(), deadline, |cx| {
            inner.poll_message(cx)
        }))
    }

    /// The next message if it has arrived already.
    pub fn try_next(&mut self) -> Option<Message> {
        match blocking::poll_once(|cx| self.inner.poll_message(cx)) {
            Poll::Ready(message) => message,
            Poll::Pending => None,
        }
    }

    /// All messages from now on; each is waited for.
    pub fn iter(&mut self) -> impl Iterator<Item = Message> + '_ {
        self.by_ref()
    }

    /// Ends it now. What has arrived can still be taken.
    ///
    /// # Errors
    /// It has ended already.
    pub fn unsubscribe(&self) -> Result<(), SubscriptionError> {
        self.inner.unsubscribe()
    }

    /// Ends it when it has received so many messages in all, counted from its beginning and across reconnects. A
    /// later call replaces the number; as many as that received already end it at once.
    ///
    /// # Errors
    /// It has ended already.
    pub fn unsubscribe_after(&self, messages: u64) -> Result<(), SubscriptionError> {
        self.inner.unsubscribe_after(messages)
    }

    /// Ends it when everything that is already on its way has arrived: it is unsubscribed at the server, which is asked to confirm.
    ///
    /// # Errors
    /// It has ended already.
    pub fn drain(&self) -> Result<(), SubscriptionError> {
        self.inner.drain()
    }

    /// Why it ended, once it has: messages that arrived before may still be waiting.
    pub fn ended(&self) -> Option<EndReason> {
        self.inner.ended()
    }

    /// What the server said when it refused it, if it did.
    pub fn refusal(&self) -> Option<String> {
        self.inner.refusal()
    }

    /// How many messages wait to be taken.
    pub fn pending(&self) -> usize {
        self.inner.pending()
    }

    /// How many bytes wait to be taken.
    pub fn pending_bytes(&self) -> usize {
        self.inner.pending_bytes()
    }

    /// How many messages were dropped because too many were waiting.
    pub fn dropped(&self) -> u64 {
        self.inner.dropped()
    }

    /// How much may wait.
    pub fn limits(&self) -> MailboxLimits {
        self.inner.limits()
    }

    /// Sets how much may wait, for what arrives from now on.
    pub fn set_limits(&self, limits: MailboxLimits) {
        self.inner.set_limits(limits);
    }

    /// The same as a stream, for an executor.
    pub fn into_inner(self) -> nats_conn_client::Subscription {
        self.holders.wire().polled_by_an_executor();
        self.inner
    }
}

impl Iterator for Subscription {
    type Item = Message;

    /// Waits for the next message; `None` when no message follows.
    fn next(&mut self) -> Option<Message> {
        let Self { inner, holders } = self;
        wait_for_message(holders.wire(), None, |cx| inner.poll_message(cx)).flatten()
    }
}
