//! A subscription that the server has processed, to come.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use nats_conn_sm::EndReason;

use crate::core::loss::SubscriptionSlot;
use crate::core::oneshot::Oneshot;
use crate::error::subscribe::SubscribeError;
use crate::handles::alarm::Alarm;
use crate::handles::subscription::Subscription;

/// A [`Subscription`] that the server has processed, to come: await it. The server is asked for it once for all that wait
/// at the same time, on each link until one has answered. Messages that come before are in the subscription.
///
/// # Cancel safety
/// It holds the subscription: dropping it unsubscribes, as its failure does.
#[derive(Debug)]
#[must_use = "dropping it unsubscribes: await it"]
pub struct ConfirmedSubscription {
    subscription: Option<Subscription>,
    /// None where it had ended before.
    slot: Option<SubscriptionSlot>,
    timeout: Option<Duration>,
    alarm: Alarm,
}

impl Subscription {
    /// Waits until the server has processed it: what is published anywhere from then on reaches it, as far as this server
    /// and the subject's permissions go. It is asked for once for all that wait at the same time; where the link is lost
    /// meanwhile, the subscription is restored on the next one, and confirmed there.
    ///
    /// ```no_run
    /// # async fn example(client: nats_conn_client::Client) -> Result<(), nats_conn_client::Error> {
    /// let mut orders = client.subscribe("orders.>")?.confirmed().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// A server that takes no more subscriptions of this user does not say which one it refused: it is taken to be the last
    /// one.
    ///
    /// # Cancel safety
    /// Dropping what this gives unsubscribes. Messages that come before the confirmation are not lost.
    ///
    /// # Errors
    /// [`SubscribeError::Refused`](crate::SubscribeError::Refused) with the server's words; or it ended otherwise, or was
    /// not confirmed in time. It is unsubscribed then.
    pub fn confirmed(self) -> ConfirmedSubscription {
        let (slot, sid) = (Oneshot::new(), self.sid());
        let known = self.handle.shared.call(|locked| {
            let lives = locked.routes.mail.contains_key(&sid);
            lives.then(|| locked.confirmations.add_subscription(sid, slot.clone()))
        });
        let waits = known.is_some();
        if let Some(Some(answer)) = known {
            // Nobody waits for it yet.
            let _ = slot.put(answer);
        }
        let alarm = Alarm::new(&self.handle);
        ConfirmedSubscription::new(self, waits.then_some(slot), alarm)
    }
}

impl ConfirmedSubscription {
    fn new(subscription: Subscription, slot: Option<SubscriptionSlot>, alarm: Alarm) -> Self {
        Self {
            subscription: Some(subscription),
            slot,
            timeout: None,
            alarm,
        }
    }

    /// How long to wait, counted from this call. Default: as long as it takes, without a link until there is one.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self.alarm.set(timeout);
        self
    }

    /// Whether the server has processed the SUB, or why it never will.
    fn poll_heard(&self, cx: &mut Context<'_>) -> Poll<Result<(), EndReason>> {
        match (&self.slot, &self.subscription) {
            (Some(slot), _) => slot.poll(cx),
            (None, Some(subscription)) => match subscription.ended() {
                Some(EndReason::MaxReached) => Poll::Ready(Ok(())),
                Some(reason) => Poll::Ready(Err(reason)),
                None => {
                    // The end is being delivered at this moment.
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            },
            (None, None) => Poll::Ready(Err(EndReason::Closed)),
        }
    }
}

impl Future for ConfirmedSubscription {
    type Output = Result<Subscription, SubscribeError>;

    /// Polled again after its end it says that the connection is closed.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let heard = match self.poll_heard(cx) {
            Poll::Ready(heard) => heard,
            Poll::Pending if self.alarm.poll(cx).is_ready() => {
                self.subscription = None;
                self.slot = None;
                let after = self.timeout.unwrap_or_default();
                return Poll::Ready(Err(SubscribeError::TimedOut { after }));
            }
            Poll::Pending => return Poll::Pending,
        };
        self.slot = None;
        let Some(subscription) = self.subscription.take() else {
            return Poll::Ready(Err(SubscribeError::Closed));
        };
        Poll::Ready(match heard {
            Ok(()) => Ok(subscription),
            Err(EndReason::Refused) => Err(SubscribeError::Refused {
                words: subscription.refusal().unwrap_or_default(),
            }),
            Err(EndReason::Closed) => Err(SubscribeError::Closed),
            Err(reason) => Err(SubscribeError::Ended { reason }),
        })
    }
}
