//! Subscribing, unsubscribing, and draining one subscription.

use core::num::NonZeroU64;

use nats_proto::{ClientOp, QueueGroup, Sid, SubjectFilter};

use crate::connection::Connection;
use crate::error::{StateError, SubscribeError, SubscriptionError};
use crate::event::{EndReason, Event};
use crate::pings::PingKind;
use crate::recording::Input;
use crate::subscriptions::{Purpose, Subscription};
use crate::time::Timestamp;

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
        if self.recorder.0.is_none() {
            return self.subscribe_unnoted(now, filter, queue);
        }
        let shown = (filter.clone(), queue.clone());
        self.noted(
            || Input::Subscribe(shown.0, shown.1),
            |machine| machine.subscribe_unnoted(now, filter, queue),
        )
    }

    fn subscribe_unnoted(
        &mut self,
        now: Timestamp,
        filter: SubjectFilter,
        queue: Option<QueueGroup>,
    ) -> Result<Sid, SubscribeError> {
        self.enter(now);
        self.require_open().map_err(|error| match error {
            StateError::Draining => SubscribeError::Draining,
            _ => SubscribeError::Closed,
        })?;
        let sid = self.subscriptions.next_sid();
        let op = ClientOp::Subscribe {
            sid,
            filter: &filter,
            queue: queue.as_ref(),
        };
        // "SUB " and CRLF are no arguments (parser.go counts those alone).
        let size = op.encoded_len().saturating_sub(6);
        let max = self.config.max_control_line;
        if size > max {
            return Err(SubscribeError::ControlLineTooLong { size, max });
        }
        Ok(self.add_subscription(filter, queue, Purpose::Deliver))
    }

    pub(crate) fn add_subscription(
        &mut self,
        filter: SubjectFilter,
        queue: Option<QueueGroup>,
        purpose: Purpose,
    ) -> Sid {
        let sid = self.subscriptions.insert(filter, queue, purpose);
        if let Some(link) = self.session_link()
            && let Some(subscription) = self.subscriptions.get_mut(sid)
        {
            subscription.begin_on(link);
            self.outbox.push_control(subscription.subscribe(sid));
        }
        sid
    }

    /// Ends a subscription: no message follows the [`Event::SubscriptionEnded`].
    ///
    /// # Errors
    /// If it has ended.
    pub fn unsubscribe(&mut self, now: Timestamp, subscription: Sid) -> Result<(), SubscriptionError> {
        self.noted(
            || Input::Unsubscribe(subscription),
            |machine| machine.unsubscribe_unnoted(now, subscription),
        )
    }

    fn unsubscribe_unnoted(&mut self, now: Timestamp, subscription: Sid) -> Result<(), SubscriptionError> {
        self.enter(now);
        self.own(subscription)?;
        self.tell_server(subscription, None);
        self.subscriptions.remove(subscription);
        self.tell(Event::SubscriptionEnded {
            subscription,
            reason: EndReason::Unsubscribed,
        });
        self.go_on_draining();
        Ok(())
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
        self.noted(
            || Input::UnsubscribeAfter(subscription, max),
            |machine| machine.unsubscribe_after_unnoted(now, subscription, max),
        )
    }

    fn unsubscribe_after_unnoted(
        &mut self,
        now: Timestamp,
        subscription: Sid,
        max: u64,
    ) -> Result<(), SubscriptionError> {
        let Some(max) = NonZeroU64::new(max) else {
            return self.unsubscribe(now, subscription);
        };
        self.enter(now);
        self.own(subscription)?;
        let on_wire = self.is_on_wire(subscription);
        if self.subscriptions.limit(subscription, max) {
            if on_wire {
                self.outbox.push_control(ClientOp::Unsubscribe {
                    sid: subscription,
                    max: None,
                });
            }
            self.tell(Event::SubscriptionEnded {
                subscription,
                reason: EndReason::MaxReached,
            });
            self.go_on_draining();
        } else {
            let rest = self
                .subscriptions
                .get(subscription)
                .and_then(|entry| entry.unsubscribe_rest(subscription));
            if let Some(rest) = rest.filter(|_| on_wire) {
                self.outbox.push_control(rest);
            }
        }
        Ok(())
    }

    /// Ends a subscription when everything that is on its way has been delivered; without a link at once.
    ///
    /// # Errors
    /// If it has ended.
    pub fn drain_subscription(&mut self, now: Timestamp, subscription: Sid) -> Result<(), SubscriptionError> {
        self.noted(
            || Input::DrainSubscription(subscription),
            |machine| machine.drain_subscription_unnoted(now, subscription),
        )
    }

    fn drain_subscription_unnoted(
        &mut self,
        now: Timestamp,
        subscription: Sid,
    ) -> Result<(), SubscriptionError> {
        self.enter(now);
        self.own(subscription)?;
        let Some(entry) = self.subscriptions.get_mut(subscription) else {
            return Err(SubscriptionError::Unknown);
        };
        if entry.purpose == Purpose::Drain {
            return Ok(());
        }
        entry.purpose = Purpose::Drain;
        if self.tell_server(subscription, None) {
            self.push_ping(PingKind::DrainSubscription(subscription));
        } else {
            self.drained(Some(subscription));
        }
        Ok(())
    }

    fn own(&self, sid: Sid) -> Result<(), SubscriptionError> {
        let known = self
            .subscriptions
            .get(sid)
            .is_some_and(|entry| entry.purpose != Purpose::Inbox);
        if known {
            Ok(())
        } else {
            Err(SubscriptionError::Unknown)
        }
    }

    /// Whether the SUB of this subscription was written or queued on the present link.
    pub(crate) fn is_on_wire(&self, sid: Sid) -> bool {
        let Some(link) = self.session_link() else {
            return false;
        };
        self.subscriptions.get(sid).is_some_and(|entry| entry.is_on(link))
    }

    /// Queues an UNSUB if the server has heard of the subscription. Whether it has.
    pub(crate) fn tell_server(&mut self, sid: Sid, max: Option<NonZeroU64>) -> bool {
        let on_wire = self.is_on_wire(sid);
        if on_wire {
            self.outbox.push_control(ClientOp::Unsubscribe { sid, max });
        }
        on_wire
    }

    /// The PONG behind an UNSUB, or behind those of all: draining subscriptions have had everything.
    pub(crate) fn drained(&mut self, one: Option<Sid>) {
        let drains = |entry: &Subscription| entry.purpose == Purpose::Drain;
        let ended = match one {
            Some(sid) if self.subscriptions.get(sid).is_some_and(drains) => alloc::vec![sid],
            Some(_) => return self.go_on_draining(),
            None => self.subscriptions.sids(drains),
        };
        for subscription in ended {
            self.subscriptions.remove(subscription);
            self.tell(Event::SubscriptionEnded {
                subscription,
                reason: EndReason::Drained,
            });
        }
        self.go_on_draining();
    }
}
