//! Subscribing, unsubscribing, and draining one subscription.

use core::num::NonZeroU64;

use nats_proto::{QueueGroup, Sid, SubjectFilter};

use super::Machine;
use crate::error::{StateError, SubscribeError, SubscriptionError};
use crate::event::{EndReason, Event};
use crate::interest::Drained;
use crate::pings::PingKind;

impl Machine {
    /// The application subscribes.
    pub(crate) fn subscribe(
        &mut self,
        filter: SubjectFilter,
        queue: Option<QueueGroup>,
    ) -> Result<Sid, SubscribeError> {
        self.life.require_open().map_err(|error| match error {
            StateError::Draining => SubscribeError::Draining,
            _ => SubscribeError::Closed,
        })?;
        let sid = self
            .interest
            .subscribe(filter, queue, self.session_link(), &self.env)?;
        self.write_sub(sid);
        Ok(sid)
    }

    /// Queues the SUB of a subscription that was entered just now, where there is a session.
    pub(super) fn write_sub(&mut self, sid: Sid) {
        if self.session_link().is_some()
            && let Some(sub) = self.interest.frame(sid)
        {
            self.outbound.queue(sub);
        }
    }

    /// The application ends a subscription.
    pub(crate) fn unsubscribe(&mut self, sid: Sid) -> Result<(), SubscriptionError> {
        if let Some(unsub) = self.interest.unsubscribe(sid, self.session_link())? {
            self.outbound.queue(unsub);
        }
        self.subscription_ended(sid, EndReason::Unsubscribed);
        self.drain_step();
        Ok(())
    }

    /// The application ends a subscription after so many messages in all. Zero unsubscribes.
    pub(crate) fn unsubscribe_after(&mut self, sid: Sid, max: u64) -> Result<(), SubscriptionError> {
        let Some(max) = NonZeroU64::new(max) else {
            return self.unsubscribe(sid);
        };
        let limited = self.interest.limit(sid, max, self.session_link())?;
        if let Some(unsub) = limited.unsub {
            self.outbound.queue(unsub);
        }
        if limited.ended {
            self.subscription_ended(sid, EndReason::MaxReached);
            self.drain_step();
        }
        Ok(())
    }

    /// The application drains one subscription.
    pub(crate) fn drain_subscription(&mut self, sid: Sid) -> Result<(), SubscriptionError> {
        match self.interest.drain(sid, self.session_link())? {
            Drained::Already => {}
            Drained::Unsub(unsub) => {
                self.outbound.queue(unsub);
                self.outbound
                    .ping(PingKind::DrainSubscription(sid), self.interest.last_sid());
            }
            Drained::AtOnce => self.subscriptions_drained(Some(sid)),
        }
        Ok(())
    }

    /// The PONG that follows an UNSUB, or those of all: draining subscriptions have had everything.
    pub(super) fn subscriptions_drained(&mut self, one: Option<Sid>) {
        for sid in self.interest.drained(one) {
            self.subscription_ended(sid, EndReason::Drained);
        }
        self.drain_step();
    }

    pub(super) fn subscription_ended(&mut self, subscription: Sid, reason: EndReason) {
        self.output
            .emit(Event::SubscriptionEnded { subscription, reason });
    }
}
