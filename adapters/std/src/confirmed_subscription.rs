//! A subscription that the server has processed, to come.

use std::pin::pin;
use std::time::Duration;

use nats_conn_client::SubscribeError;

use crate::holders::Holders;
use crate::subscription::Subscription;
use crate::waiting::wait;

impl Subscription {
    /// The same once the server has processed it: what is published anywhere from then on reaches it, as far as this server
    /// and the subject's permissions go. It is asked for once for all that wait at the same time; where the link is lost
    /// meanwhile, the subscription is restored on the next one, and confirmed there.
    ///
    /// ```no_run
    /// # fn example(client: nats_conn_std::Client) -> Result<(), nats_conn_std::Error> {
    /// let orders = client.subscribe("orders.>")?.confirmed().wait()?;
    /// # Ok(()) }
    /// ```
    ///
    /// A server that takes no more subscriptions of this user does not say which one it refused: it is taken to be the last
    /// one.
    ///
    /// # Cancel safety
    /// Dropping what this gives unsubscribes. Messages that come before the confirmation are not lost.
    pub fn confirmed(self) -> ConfirmedSubscription {
        ConfirmedSubscription::new(self.inner.confirmed(), self.holders)
    }
}

/// A [`Subscription`] that the server has processed, to come. Messages that come before are in the subscription.
///
/// # Cancel safety
/// It holds the subscription: dropping it unsubscribes, as its failure does.
#[derive(Debug)]
#[must_use = "dropping it unsubscribes: call `wait`"]
pub struct ConfirmedSubscription {
    inner: nats_conn_client::ConfirmedSubscription,
    holders: Holders,
}

impl ConfirmedSubscription {
    pub(crate) fn new(inner: nats_conn_client::ConfirmedSubscription, holders: Holders) -> Self {
        Self { inner, holders }
    }

    /// How long to wait, counted from this call. Default: as long as it takes, without a link until there is one.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.inner = self.inner.timeout(timeout);
        self
    }

    /// Waits until the server has processed it.
    ///
    /// # Errors
    /// [`SubscribeError::Refused`] with the server's words; or it ended otherwise, or was not confirmed in time. It is
    /// unsubscribed then.
    pub fn wait(self) -> Result<Subscription, SubscribeError> {
        let Self { inner, holders } = self;
        let confirmed = wait(pin!(inner))?;
        Ok(Subscription::new(confirmed, holders))
    }
}
