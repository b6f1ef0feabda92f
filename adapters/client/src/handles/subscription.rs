//! The messages of one subscription, as a stream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use nats_conn_sm::{EndReason, MailboxLimits, SubscriptionError};
use nats_proto::{Message, Sid};

use crate::core::hand::Hand;
use crate::core::locked::Locked;
use crate::core::mail::{Mail, Terms};
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
    hand: Hand,
    pub(crate) handle: Arc<Handle>,
}

impl Subscription {
    pub(crate) fn new(mail: Arc<Mail>, handle: Arc<Handle>) -> Self {
        Self {
            mail,
            hand: Hand::default(),
            handle,
        }
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
        let Self { mail, hand, handle } = self;
        next_within(handle, timeout, |cx| handle.shared.poll_take(mail, hand, cx)).await
    }

    /// The next message if it has arrived already.
    pub fn try_next(&mut self) -> Option<Message> {
        self.handle.shared.try_take(&self.mail, &mut self.hand)
    }

    /// The next message, if there is one; else the waker is kept until there is.
    #[inline]
    pub fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.handle.shared.poll_take(&self.mail, &mut self.hand, cx)
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
        self.mail.waiting_bytes() + self.hand.bytes()
    }

    /// How many messages were dropped because too many were waiting.
    pub fn dropped(&self) -> u64 {
        self.mail.dropped()
    }

    /// How much may wait.
    pub fn limits(&self) -> MailboxLimits {
        self.mail.limits(self.handle.shared.mailbox())
    }

    /// Sets how much may wait, for what arrives from now on.
    pub fn set_limits(&self, limits: MailboxLimits) {
        let terms = self.handle.shared.mailbox();
        self.mail.set_limits(Terms { limits, ..terms });
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

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::ConnectOptions;
    use crate::handles::puppet::Puppet;

    fn with_messages(count: usize) -> (Puppet, Subscription) {
        let mut puppet = Puppet::in_a_session(ConnectOptions::default(), "{}");
        let subscription = puppet.client.subscribe("a").expect("open");
        let message = format!("MSG a {} 1\r\nx\r\n", subscription.sid());
        puppet.reads(&message.repeat(count));
        (puppet, subscription)
    }

    /// How many wait in the mailbox, and how many are pending in all.
    fn waiting(subscription: &Subscription) -> (bool, usize) {
        let in_mailbox = subscription.mail.waiting_bytes() > 0;
        (in_mailbox, subscription.pending())
    }

    #[test]
    fn what_was_read_together_is_taken_together_and_is_pending_until_it_is_given_on() {
        let (mut puppet, mut subscription) = with_messages(30);
        let bytes = subscription.pending_bytes();
        assert_eq!(waiting(&subscription), (true, 30));
        assert!(subscription.try_next().is_some());
        assert_eq!(waiting(&subscription), (false, 29));
        assert_eq!(subscription.pending_bytes(), bytes / 30 * 29);
        subscription.unsubscribe().expect("open");
        assert!(puppet.written().ends_with("UNSUB 1\r\n"));
        assert!(subscription.ended().is_some());
        let mut cx = Context::from_waker(Waker::noop());
        for left in (0..29).rev() {
            let polled = subscription.poll_message(&mut cx);
            assert!(matches!(polled, Poll::Ready(Some(_))));
            assert_eq!(subscription.pending(), left);
        }
        assert_eq!(subscription.poll_message(&mut cx), Poll::Ready(None));
    }

    #[test]
    fn what_is_dropped_with_its_subscription_while_it_is_in_hand_is_not_waited_for() {
        let (mut puppet, mut subscription) = with_messages(30);
        assert!(subscription.try_next().is_some());
        puppet.client.begin_drain();
        // The server answers what asks whether all has arrived.
        puppet.written();
        puppet.reads("PONG\r\n");
        assert_eq!(puppet.client.shared().closed(), None, "29 are in hand");
        drop(subscription);
        puppet.written();
        puppet.reads("PONG\r\n");
        assert!(puppet.client.shared().closed().is_some());
    }

    #[test]
    fn a_drain_goes_on_when_all_that_was_in_hand_has_been_taken() {
        let (mut puppet, mut subscription) = with_messages(3);
        assert!(subscription.try_next().is_some());
        puppet.client.begin_drain();
        puppet.written();
        puppet.reads("PONG\r\n");
        for _ in 0..2 {
            assert!(subscription.try_next().is_some());
            puppet.written();
            assert_eq!(puppet.client.shared().closed(), None);
        }
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(subscription.poll_message(&mut cx), Poll::Ready(None));
        puppet.written();
        puppet.reads("PONG\r\n");
        assert!(puppet.client.shared().closed().is_some());
    }
}
