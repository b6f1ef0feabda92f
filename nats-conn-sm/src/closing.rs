//! Drain and close.

use crate::connection::{Connection, Stage};
use crate::error::{DisconnectReason, FlushError, RequestError, StateError};
use crate::event::{ClosedReason, EndReason, Event};
use crate::ids::LinkId;
use crate::life::{Closing, Drain, DrainStage, Life};
use crate::link::Cause;
use crate::phase::Phase;
use crate::pings::PingKind;
use crate::recording::Input;
use crate::session::{Departure, Restore};
use crate::subscriptions::Purpose;
use crate::time::Timestamp;

/// How a link is left when the connection closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Farewell {
    /// What is queued is written first.
    Written,
    /// Nothing more is written; the socket is closed in order.
    Short,
    /// The socket is dropped.
    None,
}

/// Drain.
impl Connection {
    /// Ends the connection without losing anything: subscriptions are drained, publishes and requests go on, with or
    /// without a link, until [`finish_drain`](Self::finish_drain) and the last pending request; then publishes are
    /// refused, and what is queued is written and confirmed. Ends with [`ClosedReason::Drained`], after
    /// [`Config::drain_timeout`](crate::Config::drain_timeout) at the latest, and earlier where no link can follow.
    ///
    /// New subscriptions are refused at once.
    ///
    /// # Errors
    /// When closed, or draining already.
    pub fn drain(&mut self, now: Timestamp) -> Result<(), StateError> {
        self.noted(|| Input::Drain, |machine| machine.drain_unnoted(now))
    }

    fn drain_unnoted(&mut self, now: Timestamp) -> Result<(), StateError> {
        let now = self.enter(now);
        self.require_open()?;
        self.tell(Event::Draining);
        self.life = Life::Draining(Drain {
            deadline: now + self.config.drain_timeout,
            stage: DrainStage::Interest { consumed: false },
            unread: 0,
            lost_before: self.delivery.lost(),
        });
        self.end_interest();
        Ok(())
    }

    /// Says that everything delivered has been consumed, but for so many messages that nobody is going to take. From
    /// now on requests are refused; publishes are once the last pending request has ended and there is a link.
    ///
    /// A drain waits for this with or without a link: a holder who has nothing to consume calls it right behind
    /// [`drain`](Self::drain). Ignored unless a drain is under way, and when it was called before.
    pub fn finish_drain(&mut self, now: Timestamp, unread: u64) {
        self.noted(
            || Input::FinishDrain(unread),
            |machine| machine.finish_drain_unnoted(now, unread),
        );
    }

    fn finish_drain_unnoted(&mut self, now: Timestamp, unread: u64) {
        self.enter(now);
        if let Life::Draining(drain) = &mut self.life
            && let DrainStage::Interest {
                consumed: consumed @ false,
            } = &mut drain.stage
        {
            *consumed = true;
            drain.unread = unread;
            self.go_on_draining();
        }
    }

    /// UNSUB for all, or their end where the server knows nothing of them.
    fn end_interest(&mut self) {
        let mut told = false;
        for sid in self.subscriptions.sids(|entry| entry.purpose == Purpose::Deliver) {
            if self.tell_server(sid, None) {
                told = true;
                if let Some(entry) = self.subscriptions.get_mut(sid) {
                    entry.purpose = Purpose::Drain;
                }
            } else {
                self.subscriptions.remove(sid);
                self.tell(Event::SubscriptionEnded {
                    subscription: sid,
                    reason: EndReason::Drained,
                });
            }
        }
        if told {
            self.push_ping(PingKind::DrainAll);
        }
        if let Some(session) = self.up().and_then(crate::link::Link::session_mut) {
            session.departure = Departure::None;
        }
    }

    /// Whatever a drain waits for may have happened.
    pub(crate) fn go_on_draining(&mut self) {
        if !self.has_only_writes_left() {
            return;
        }
        match &self.stage {
            Stage::Linked(link) if link.is_up() => {
                let id = link.id;
                self.drain_writes(id);
            }
            // What its end leaves is looked at then.
            Stage::Linked(link) if link.session().is_some() => {}
            Stage::Ended => {}
            Stage::Linked(_) | Stage::Waiting { .. } | Stage::Choosing { .. } => {
                if self.is_drained_without_link() {
                    self.end_drained(self.now);
                }
            }
        }
    }

    /// Everything was consumed, and no request is pending.
    fn has_only_writes_left(&self) -> bool {
        self.life.is_draining()
            && self.life.refuses_requests()
            && self.subscriptions.is_empty()
            && self.requests.is_empty()
    }

    /// Whether a drain needs no further link.
    pub(crate) fn is_drained_without_link(&self) -> bool {
        self.has_only_writes_left() && !self.outbox.has_publishes()
    }

    /// Nothing is taken any more: what is queued is written to this link and confirmed.
    fn drain_writes(&mut self, link: LinkId) {
        let Life::Draining(drain) = &mut self.life else {
            return;
        };
        let writes = DrainStage::Writes { asked: link };
        if core::mem::replace(&mut drain.stage, writes) != writes {
            self.leave_inbox();
            self.push_ping(PingKind::DrainWrites);
        }
    }

    /// No replies are awaited any more.
    pub(crate) fn leave_inbox(&mut self) {
        if let Some(inbox) = self.requests.inbox.take() {
            self.tell_server(inbox.sid, None);
            self.subscriptions.remove(inbox.sid);
        }
    }

    /// The PONG behind the last publish.
    pub(crate) fn writes_are_drained(&mut self, now: Timestamp) {
        if self.life.is_draining() {
            self.end_drained(now);
        }
    }

    /// The drain is over, completely or not.
    pub(crate) fn end_drained(&mut self, now: Timestamp) {
        if let Some(reason) = self.drained_reason() {
            self.shut(now, reason, Farewell::Short);
        }
    }

    /// The deadline of the drain.
    pub(crate) fn drain_is_overdue(&mut self, now: Timestamp) {
        if let Life::Draining(Drain { unread, .. }) = self.life {
            let reason = ClosedReason::Drained {
                complete: false,
                unread,
            };
            self.shut(now, reason, Farewell::Short);
        }
    }

    /// What came of a drain that ends now.
    fn drained_reason(&self) -> Option<ClosedReason> {
        let Life::Draining(drain) = &self.life else {
            return None;
        };
        let complete = self.delivery.queued() == 0
            && !self.delivery.has_written()
            && self.delivery.lost() == drain.lost_before;
        Some(ClosedReason::Drained {
            complete,
            unread: drain.unread,
        })
    }
}

/// Close.
impl Connection {
    /// Ends the connection: new calls are refused, subscriptions and requests end, whole frames that are queued
    /// are written for at most [`Config::close_timeout`](crate::Config::close_timeout).
    pub fn close(&mut self, now: Timestamp) {
        self.noted(|| Input::Close, |machine| machine.close_unnoted(now));
    }

    fn close_unnoted(&mut self, now: Timestamp) {
        let now = self.enter(now);
        if !self.life.is_ending() {
            self.shut(now, ClosedReason::Requested, Farewell::Written);
        }
    }

    /// Ends the connection without writing anything more.
    pub fn abort(&mut self, now: Timestamp) {
        self.noted(
            || Input::Abort,
            |machine| machine.abort_unnoted(now, ClosedReason::Requested),
        );
    }

    /// The driver is gone: as [`abort`](Self::abort), and the connection ends with
    /// [`ClosedReason::DriverFailed`], unless it was closing already. For the last deed of a driver whose runtime is
    /// shut down or which panicked.
    pub fn driver_failed(&mut self, now: Timestamp) {
        self.noted(
            || Input::DriverFailed,
            |machine| machine.abort_unnoted(now, ClosedReason::DriverFailed),
        );
    }

    fn abort_unnoted(&mut self, now: Timestamp, reason: ClosedReason) {
        let now = self.enter(now);
        match self.life {
            Life::Closed => {}
            Life::Closing(_) => self.leave_closed(now, true),
            Life::Open | Life::Draining(_) => self.shut(now, reason, Farewell::None),
        }
    }

    fn shut(&mut self, now: Timestamp, reason: ClosedReason, farewell: Farewell) {
        self.end_ids();
        let up = match &mut self.stage {
            Stage::Linked(link) => match &mut link.phase {
                Phase::Ready(session) => {
                    session.departure = Departure::None;
                    session.restore = Restore::Done;
                    true
                }
                _ => false,
            },
            _ => false,
        };
        if !up {
            self.give_up(now, Cause::Told, true);
            return self.end(now, reason);
        }
        self.life = Life::Closing(Closing {
            draining: self.life.is_draining(),
            reason,
            until: now + self.config.close_timeout,
        });
        match farewell {
            Farewell::Written => self.closing_is_written(now),
            Farewell::Short => self.leave_closed(now, false),
            Farewell::None => self.leave_closed(now, true),
        }
    }

    /// Everything that has an id ends.
    fn end_ids(&mut self) {
        for sid in self.subscriptions.sids(|_| true) {
            let inbox = self
                .subscriptions
                .remove(sid)
                .is_some_and(|entry| entry.purpose == Purpose::Inbox);
            if !inbox {
                self.tell(Event::SubscriptionEnded {
                    subscription: sid,
                    reason: EndReason::Closed,
                });
            }
        }
        self.requests.inbox = None;
        for id in self.requests.ids(|_| true) {
            // A question whose answer nobody waits for is not asked any more.
            self.take_back_request(id);
            self.settle_request(id, RequestError::Closed);
        }
        let mut pings: alloc::vec::Vec<PingKind> = self.outbox.pings().collect();
        if let Stage::Linked(link) = &mut self.stage {
            pings.extend(link.unanswered.kinds());
            link.unanswered.forget_ids();
        }
        self.outbox.forget_pings();
        for kind in pings {
            self.flush_failed(kind, FlushError::Closed);
        }
    }

    /// Leaves the link: nothing more is written.
    pub(crate) fn leave_closed(&mut self, now: Timestamp, abort: bool) {
        self.give_up(now, Cause::Decided(DisconnectReason::Closed), abort);
    }

    /// The end of everything. There is no link, or it is given up.
    pub(crate) fn end(&mut self, _now: Timestamp, reason: ClosedReason) {
        let reason = match reason {
            ClosedReason::Requested | ClosedReason::DriverFailed | ClosedReason::Drained { .. } => reason,
            // A drain ends where no link follows.
            reason => self.drained_reason().unwrap_or(reason),
        };
        self.end_ids();
        self.stage = Stage::Ended;
        self.life = Life::Closed;
        self.drop_queue();
        self.forget_questions();
        self.tell(Event::Closed { reason });
    }
}
