//! The table: how every change settles every waiter.

/// What waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiter {
    /// For the next message of a subscription.
    Message,
    /// For the next event.
    Event,
    /// For room in the send buffer.
    Publish,
    /// The same, where nothing is taken without a link.
    PublishUnlessOff,
    /// The same with a payload and headers that not every server takes.
    PublishLarge,
    /// The same for an answer.
    Respond,
    /// For the fate of a publish that was written.
    PublishConfirmed,
    /// The same, but it is still queued, and has a payload and headers that not every server takes.
    PublishConfirmedQueued,
    /// Until the server has processed a subscription.
    SubscriptionConfirmed,
    /// For the reply to a request that was written.
    Request,
    /// The same, but it is still queued, and has a payload and headers that not every server takes.
    RequestQueued,
    /// For room in the send buffer, and then for the reply.
    RequestForRoom,
    /// For the next of several replies.
    Replies,
    Flush,
    RoundTrip,
    /// For the end of a drain, which waits for the PONG of a subscription's drain.
    Drain,
    /// For the end of a close, which waits until what is queued is written.
    Close,
    /// For the end of the connection, whatever ends it.
    Closed,
    /// For the first outcome of a connection.
    Connect,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The server answers everything.
    Served,
    /// The timeout of the waiter expires, if it has one.
    TimeUp,
    /// The link is lost, and there is no other.
    LinkLost,
    /// The link is lost, and there is another at once. The server keeps holding everything back.
    Reconnected,
    /// The same with a server that takes smaller payloads.
    NarrowServer,
    /// The same with a server that knows no headers.
    OldServer,
    /// The present server takes smaller payloads from now on.
    NarrowNow,
    /// Everything that was subscribed to is refused.
    SubscriptionsRefused,
    /// Everything that was published is refused.
    PublishesRefused,
    /// The subscription is given up.
    Unsubscribed,
    Drained,
    Closing,
    /// A reconnect is forced, and there is no other link.
    Forced,
    NewPool,
    /// All handles but the waiter are dropped.
    HandlesDropped,
    /// What drives the connection panics.
    DriverPanicked,
    /// The runtime in which it is driven is dropped.
    RuntimeDropped,
}

use Change::*;
use Waiter::*;

pub(super) const CHANGES: [Change; 17] = [
    Served,
    TimeUp,
    LinkLost,
    Reconnected,
    NarrowServer,
    OldServer,
    NarrowNow,
    SubscriptionsRefused,
    PublishesRefused,
    Unsubscribed,
    Drained,
    Closing,
    Forced,
    NewPool,
    HandlesDropped,
    DriverPanicked,
    RuntimeDropped,
];

/// A waiter, what settles it how, and how it is settled at last by [`Row::served`] where it kept waiting: with
/// every change that is not named.
pub(super) struct Row {
    pub(super) waiter: Waiter,
    settled: &'static [(Change, &'static str)],
    /// How it ends when the server answers everything.
    pub(super) served: &'static str,
}

/// Settled like this or not at all, depending on timing.
pub(super) const EITHER: &str = "?";

#[rustfmt::skip]
pub(super) const TABLE: &[Row] = &[
    Row { waiter: Message, served: "message", settled: &[
        (SubscriptionsRefused, "ended"), (Unsubscribed, "ended"),
        (Closing, "ended"), (DriverPanicked, "ended"), (RuntimeDropped, "ended"),
    ] },
    Row { waiter: Event, served: "disconnected", settled: &[
        (LinkLost, "disconnected"), (Reconnected, "disconnected"), (NarrowServer, "disconnected"),
        (OldServer, "disconnected"), (Forced, "disconnected"), (NarrowNow, "server_info_changed"),
        (PublishesRefused, "server_error"), (Drained, "draining"), (Closing, "disconnected"),
        (HandlesDropped, "disconnected"), (DriverPanicked, "disconnected"), (RuntimeDropped, "driver_failed"),
    ] },
    Row { waiter: Publish, served: "accepted", settled: &[
        (TimeUp, "timed_out"), (NarrowServer, "accepted"), (Drained, "draining"),
        (Closing, "closed"), (DriverPanicked, "closed"), (RuntimeDropped, "closed"),
    ] },
    // With another link at once it may have been looked at when there was none, or not.
    Row { waiter: PublishUnlessOff, served: "accepted", settled: &[
        (TimeUp, "timed_out"), (LinkLost, "not_connected"), (Forced, "not_connected"),
        (Reconnected, EITHER), (NarrowServer, EITHER), (OldServer, EITHER), (Drained, "draining"),
        (Closing, "closed"), (DriverPanicked, EITHER), (RuntimeDropped, "closed"),
    ] },
    Row { waiter: PublishLarge, served: "accepted", settled: &[
        (TimeUp, "timed_out"), (NarrowServer, "too_large"), (NarrowNow, "too_large"),
        (OldServer, "headers_unsupported"), (Drained, "draining"),
        (Closing, "closed"), (DriverPanicked, "closed"), (RuntimeDropped, "closed"),
    ] },
    Row { waiter: Respond, served: "accepted", settled: &[
        (NarrowServer, "accepted"), (Drained, "draining"),
        (Closing, "closed"), (DriverPanicked, "closed"), (RuntimeDropped, "closed"),
    ] },
    Row { waiter: PublishConfirmed, served: "confirmed", settled: &[
        (TimeUp, "confirmation_timed_out"), (LinkLost, "unconfirmed"), (Reconnected, "unconfirmed"),
        (NarrowServer, "unconfirmed"), (OldServer, "unconfirmed"), (Forced, "unconfirmed"),
        (Closing, "unconfirmed"), (DriverPanicked, "unconfirmed"), (RuntimeDropped, "unconfirmed"),
    ] },
    Row { waiter: PublishConfirmedQueued, served: "confirmed", settled: &[
        (TimeUp, "confirmation_timed_out"), (NarrowServer, "dropped"), (OldServer, "dropped"), (NarrowNow, "dropped"),
        (Closing, "dropped"), (DriverPanicked, "dropped"), (RuntimeDropped, "dropped"),
    ] },
    Row { waiter: SubscriptionConfirmed, served: "confirmed", settled: &[
        (TimeUp, "timed_out"), (SubscriptionsRefused, "refused"),
        (Closing, "closed"), (DriverPanicked, "closed"), (RuntimeDropped, "closed"),
    ] },
    Row { waiter: Request, served: "reply", settled: &[
        (TimeUp, "timed_out"), (LinkLost, "disconnected"), (Reconnected, "disconnected"),
        (NarrowServer, "disconnected"), (OldServer, "disconnected"), (Forced, "disconnected"),
        (SubscriptionsRefused, "refused"), (PublishesRefused, "refused"),
        (Closing, "closed"), (DriverPanicked, "disconnected"), (RuntimeDropped, "closed"),
    ] },
    Row { waiter: RequestQueued, served: "reply", settled: &[
        (TimeUp, "timed_out"), (NarrowServer, "dropped"), (OldServer, "dropped"),
        (NarrowNow, "dropped"), (PublishesRefused, "refused"),
        (Closing, "closed"), (DriverPanicked, "closed"), (RuntimeDropped, "closed"),
    ] },
    Row { waiter: RequestForRoom, served: "reply", settled: &[
        (TimeUp, "timed_out"), (Drained, "draining"),
        (Closing, "closed"), (DriverPanicked, "closed"), (RuntimeDropped, "closed"),
    ] },
    Row { waiter: Replies, served: "reply", settled: &[
        (TimeUp, "deadline"), (LinkLost, "disconnected"), (Reconnected, "disconnected"),
        (NarrowServer, "disconnected"), (OldServer, "disconnected"), (Forced, "disconnected"),
        (SubscriptionsRefused, "refused"), (PublishesRefused, "refused"),
        (Closing, "closed"), (DriverPanicked, "disconnected"), (RuntimeDropped, "closed"),
    ] },
    Row { waiter: Flush, served: "done", settled: &[
        (LinkLost, "disconnected"), (Reconnected, "disconnected"), (NarrowServer, "disconnected"),
        (OldServer, "disconnected"), (Forced, "disconnected"),
        (Closing, "closed"), (DriverPanicked, "disconnected"), (RuntimeDropped, "closed"),
    ] },
    Row { waiter: RoundTrip, served: "done", settled: &[
        (LinkLost, "disconnected"), (Reconnected, "disconnected"), (NarrowServer, "disconnected"),
        (OldServer, "disconnected"), (Forced, "disconnected"),
        (Closing, "closed"), (DriverPanicked, "disconnected"), (RuntimeDropped, "closed"),
    ] },
    Row { waiter: Drain, served: "drained", settled: &[
        (LinkLost, "drained"), (Reconnected, "drained"), (NarrowServer, "drained"), (OldServer, "drained"),
        (Closing, "requested"), (DriverPanicked, "driver_failed"), (RuntimeDropped, "driver_failed"),
    ] },
    Row { waiter: Close, served: "requested", settled: &[
        (LinkLost, "requested"), (Reconnected, "requested"), (NarrowServer, "requested"), (OldServer, "requested"),
        (DriverPanicked, "requested"), (RuntimeDropped, "requested"),
    ] },
    Row { waiter: Closed, served: "requested", settled: &[
        (Closing, "requested"), (HandlesDropped, "requested"),
        (DriverPanicked, "driver_failed"), (RuntimeDropped, "driver_failed"),
    ] },
    Row { waiter: Connect, served: "connected", settled: &[
        (LinkLost, "unreachable"), (Reconnected, "unreachable"), (NarrowServer, "unreachable"),
        (OldServer, "unreachable"), (PublishesRefused, "unreachable"), (Drained, "drained"), (Closing, "requested"),
        (DriverPanicked, "driver_failed"), (RuntimeDropped, "driver_failed"),
    ] },
];

impl Row {
    /// How this change settles it; `None` if it keeps waiting.
    pub(super) fn expected(&self, change: Change) -> Option<&'static str> {
        if change == Served {
            return Some(self.served).filter(|_| !matches!(self.waiter, Event | Closed));
        }
        self.settled
            .iter()
            .find(|(named, _)| *named == change)
            .map(|(_, how)| *how)
    }
}
