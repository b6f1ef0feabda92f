//! Leaving a server once it has processed what was published.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nats_conn_sm::{FlushError, StateError};

use crate::handles::alarm::Alarm;
use crate::handles::confirmation::Flush;
use crate::handles::handle::Handle;

/// Leaves the present server once it has confirmed what was published, or when the time for that is up. The flush has
/// begun when this exists; the server is left when it is awaited. It gives whether everything was confirmed.
///
/// # Cancel safety
/// Dropped before it is done, the server is not left; what was published is flushed all the same.
#[derive(Debug)]
#[must_use = "the server is not left unless it is awaited"]
pub struct Reconnecting {
    flush: Flush,
    alarm: Alarm,
    done: bool,
}

impl Reconnecting {
    pub(crate) fn new(handle: &Arc<Handle>, within: Duration) -> Self {
        let flush = Flush::flush(handle);
        let mut alarm = Alarm::new(handle);
        alarm.set(within);
        Self {
            flush,
            alarm,
            done: false,
        }
    }
}

impl Future for Reconnecting {
    type Output = Result<bool, StateError>;

    /// Polled again after its end it does nothing, and says that the connection is closed.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.done {
            return Poll::Ready(Err(StateError::Closed));
        }
        let had_begun = this.flush.has_begun();
        let flushed = Pin::new(&mut this.flush).poll(cx);
        if flushed.is_pending() && this.alarm.poll(cx).is_pending() {
            return Poll::Pending;
        }
        this.done = true;
        match flushed {
            Poll::Ready(Err(FlushError::Closed)) => return Poll::Ready(Err(StateError::Closed)),
            // The link was lost in the meantime: that server is left already.
            Poll::Ready(Err(_)) if had_begun => return Poll::Ready(Ok(false)),
            _ => {}
        }
        let confirmed = matches!(flushed, Poll::Ready(Ok(())));
        let shared = &this.alarm.handle.shared;
        let forced = shared.with(|connection, now| connection.force_reconnect(now));
        Poll::Ready(forced.map(|()| confirmed))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use bytes::Buf;
    use nats_conn_sm::{Action, ClosedReason, LinkEnd, LinkId, ReceiveBuf, SendBuf, State};

    use super::*;
    use crate::ConnectOptions;
    use crate::core::shared::Shared;
    use crate::handles::client::Client;

    /// A connection that is driven by hand.
    struct Driven {
        client: Client,
        shared: Arc<Shared>,
        link: LinkId,
        rx: ReceiveBuf,
        tx: SendBuf,
        /// How many the machine has asked for.
        actions: usize,
    }

    impl Driven {
        fn connected() -> Self {
            let prepared = ConnectOptions::<()>::default().prepare().expect("prepared");
            let nothing = LinkId::from_u64(0);
            let mut driven = Self {
                client: prepared.client,
                shared: prepared.parts.shared,
                link: nothing,
                rx: ReceiveBuf::new(nothing),
                tx: SendBuf::new(nothing),
                actions: 0,
            };
            driven.turns(b"");
            driven.turns(b"INFO {\"server_id\":\"x\",\"max_payload\":1048576,\"headers\":true}\r\n");
            driven.turns(b"PONG\r\n");
            assert_eq!(driven.client.state(), State::Connected);
            driven
        }

        /// Reads this, and does all that the machine wants.
        fn turns(&mut self, bytes: &[u8]) {
            self.rx.buffer_mut().extend_from_slice(bytes);
            for _ in 0..4 {
                let (shared, rx, tx) = (self.shared.clone(), &mut self.rx, &mut self.tx);
                let actions = &mut self.actions;
                let (link, _) = shared.drive(|turn| {
                    let _ = turn.timeouts();
                    while turn.events(rx, usize::MAX) {}
                    let mut dialled = None;
                    while let Some(action) = turn.action() {
                        *actions += 1;
                        if let Action::Connect { link, .. } = action {
                            dialled = Some(link);
                        }
                    }
                    let _ = turn.transmit(tx);
                    while turn.events(rx, usize::MAX) {}
                    dialled
                });
                let written = self.tx.remaining();
                self.tx.advance(written);
                if let Some(link) = link {
                    (self.link, self.rx, self.tx) = (link, ReceiveBuf::new(link), SendBuf::new(link));
                    let _ = shared.drive(|turn| turn.connected(link));
                }
            }
        }

        fn lose_the_link(&mut self) {
            let (link, rx, tx) = (self.link, &mut self.rx, &mut self.tx);
            let _ = self.shared.drive(|turn| {
                turn.link_closed(link, LinkEnd::Eof, tx);
                while turn.events(rx, usize::MAX) {}
            });
        }
    }

    fn poll(reconnecting: Pin<&mut Reconnecting>) -> Poll<Result<bool, StateError>> {
        reconnecting.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn where_the_link_is_lost_meanwhile_that_server_is_left_already_and_nothing_more_is_done() {
        let mut driven = Driven::connected();
        let mut leaving = pin!(driven.client.flush_and_reconnect(Duration::from_secs(60)));
        assert!(poll(leaving.as_mut()).is_pending());
        driven.turns(b"");
        driven.lose_the_link();
        driven.turns(b"");
        let before = driven.actions;
        assert_eq!(poll(leaving.as_mut()), Poll::Ready(Ok(false)));
        driven.turns(b"");
        assert_eq!(driven.actions, before, "neither a wait nor an attempt is ended");
    }

    #[test]
    fn where_the_connection_is_closed_meanwhile_that_is_said() {
        let mut driven = Driven::connected();
        let mut leaving = pin!(driven.client.flush_and_reconnect(Duration::from_secs(60)));
        assert!(poll(leaving.as_mut()).is_pending());
        driven.client.begin_close();
        driven.turns(b"");
        driven.lose_the_link();
        assert_eq!(driven.shared.closed(), Some(ClosedReason::Requested));
        assert_eq!(poll(leaving.as_mut()), Poll::Ready(Err(StateError::Closed)));
    }

    #[test]
    fn without_a_link_nothing_is_flushed_and_the_wait_for_the_next_attempt_is_over() {
        let mut driven = Driven::connected();
        driven.lose_the_link();
        driven.turns(b"");
        let before = driven.actions;
        let mut leaving = pin!(driven.client.flush_and_reconnect(Duration::from_secs(60)));
        assert_eq!(poll(leaving.as_mut()), Poll::Ready(Ok(false)));
        driven.turns(b"");
        assert!(driven.actions > before, "it has begun");
        assert_eq!(
            poll(leaving.as_mut()),
            Poll::Ready(Err(StateError::Closed)),
            "once"
        );
    }
}
