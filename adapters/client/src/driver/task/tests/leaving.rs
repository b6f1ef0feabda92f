//! What becomes of an attempt that is given up.

use std::future::{Pending, pending, ready};

use super::*;

/// A runtime on which no dial ends, each of which holds this.
struct Endless(Arc<()>);

impl Runtime for Endless {
    type Io = Scripted;
    type Sleep = Pending<()>;

    fn spawn(&self, _: impl Future<Output = ()> + Send + 'static) -> Result<(), StartError> {
        Ok(())
    }

    fn sleep_until(&self, _: Instant) -> Pending<()> {
        pending()
    }

    fn dial(&self, _: Target) -> impl Future<Output = Result<Scripted, LinkEnd>> + Send + 'static {
        let held = self.0.clone();
        async move {
            let _held = held;
            pending().await
        }
    }

    fn upgrade(
        &self,
        io: Scripted,
        _: Target,
    ) -> impl Future<Output = Result<Scripted, LinkEnd>> + Send + 'static {
        ready(Ok(io))
    }
}

#[test]
fn a_dial_that_is_given_up_is_dropped_at_once() {
    let held = Arc::new(());
    let servers = vec!["nats://localhost".parse().unwrap()];
    let options = ConnectOptions::with_adapter(servers, Endless(held.clone()));
    let prepared = options.prepare().unwrap();
    let mut driver = Driver::new(prepared.parts, Arc::new(prepared.adapter));
    let mut poll = || {
        let cx = &mut Context::from_waker(Waker::noop());
        (0..4).any(|_| Pin::new(&mut driver).poll(cx).is_ready())
    };
    assert!(!poll());
    assert_eq!(
        Arc::strong_count(&held),
        3,
        "this test, the runtime, and the dial"
    );
    prepared.client.begin_close();
    assert!(poll(), "nothing is left to wait for");
    assert_eq!(Arc::strong_count(&held), 2);
}

#[test]
fn a_driver_whose_last_stream_is_left_in_good_order_is_done_in_the_same_poll() {
    let (mut driver, _called, client, _writing) = asleep_in_a_session();
    if let Link::Up { io, .. } = &mut driver.link {
        io.reads = [Read::Later, Read::Later, Read::Reset].into();
    }
    client.begin_close();
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut driver).poll(cx).is_ready());
}
