//! The harness for drivers of other people: a driver that is right, and some that are wrong in one place each.

use std::cell::Cell;

use bytes::Buf;
use nats_conn_sm::{Action, Connection, Event, LinkEnd, LinkId, ReceiveBuf, SendBuf};
use nats_conn_tests::scenario::splitmix;
use nats_conn_tests::try_driver::{Driver, Network, check, connection};
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

/// What is wrong with a driver.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// A write that took a part is reported as one that took all.
    TakesPartForWhole,
    /// It never says what time it is.
    ForgetsTheTime,
    /// It never says that a stream has ended.
    KeepsTheEndToItself,
}

struct Mine {
    fault: Fault,
    link: LinkId,
    rx: ReceiveBuf,
    tx: SendBuf,
    open: bool,
}

impl Mine {
    fn new(fault: Fault) -> Self {
        let link = LinkId::from_u64(0);
        let (rx, tx) = (ReceiveBuf::new(link), SendBuf::new(link));
        Self {
            fault,
            link,
            rx,
            tx,
            open: false,
        }
    }

    fn ended(&mut self, connection: &mut Connection, network: &mut Network, end: LinkEnd) {
        self.open = false;
        connection.handle_link_closed(network.now(), self.link, end, &mut self.tx);
        network.hang_up(true);
    }
}

impl Driver for Mine {
    fn turn(&mut self, connection: &mut Connection, network: &mut Network, events: &mut Vec<Event>) {
        let now = network.now();
        while let Some(event) = connection.poll_event(now, &mut self.rx) {
            events.push(event);
        }
        if self.fault != Fault::ForgetsTheTime {
            connection.handle_timeout(now);
        }
        while let Some(action) = connection.poll_action() {
            match action {
                Action::Connect { link, server, .. } => {
                    self.link = link;
                    (self.rx, self.tx) = (ReceiveBuf::new(link), SendBuf::new(link));
                    network.dial(&server);
                }
                Action::Disconnect { .. } => self.ended(connection, network, LinkEnd::Requested),
                _ => unreachable!("neither TLS nor credentials nor a choice was asked for"),
            }
        }
        match network.dialled() {
            Some(Ok(())) => {
                self.open = true;
                connection.handle_connected(now, self.link);
            }
            Some(Err(end)) => self.ended(connection, network, end),
            None => {}
        }
        while self.open && (!self.tx.is_empty() || connection.poll_transmit(now, &mut self.tx)) {
            let Some(Ok(count)) = network.write(self.tx.chunk()) else {
                break;
            };
            let all = self.tx.chunk().len();
            let whole = self.fault == Fault::TakesPartForWhole;
            self.tx.advance(if whole { all } else { count });
            connection.handle_written(now, &mut self.tx);
        }
        if self.open {
            match network.read(self.rx.buffer_mut()) {
                _ if self.fault == Fault::KeepsTheEndToItself => {}
                Some(Ok(0)) => self.ended(connection, network, LinkEnd::Eof),
                Some(Err(end)) => self.ended(connection, network, end),
                Some(Ok(_)) | None => {}
            }
        }
    }
}

/// The first fault that is found in so many lives.
fn first_fault(fault: Fault) -> Option<String> {
    let mut state = 1;
    (0..100).find_map(|_| {
        let bytes: Vec<u8> = (0..8).flat_map(|_| splitmix(&mut state).to_le_bytes()).collect();
        check(&mut Mine::new(fault), |_| {}, &bytes).err()
    })
}

#[test]
fn a_driver_that_is_right_breaks_no_promise() {
    assert_eq!(first_fault(Fault::Nothing), None);
}

#[test]
fn a_write_that_is_reported_as_whole_and_was_not_is_found() {
    let told = first_fault(Fault::TakesPartForWhole).expect("it is found");
    println!("{told}");
    assert!(
        told.contains("the server cannot accept what was written"),
        "{told}"
    );
}

// behaviour: 1.1
#[test]
fn a_driver_that_forgets_the_time_is_found() {
    let told = first_fault(Fault::ForgetsTheTime).expect("it is found");
    println!("{told}");
    assert!(told.contains("the driver does not tell the machine"), "{told}");
}

#[test]
fn a_driver_that_keeps_the_end_of_a_stream_to_itself_is_found() {
    let told = first_fault(Fault::KeepsTheEndToItself).expect("it is found");
    println!("{told}");
    assert!(told.contains("a flush"), "{told}");
}

/// Lives of an ordinary run; `CONNECTION_CASES=100000` makes it a long one.
const CASES: u32 = 500;

// behaviour: 1.1, 1.4, 6.2, 11.2, 14; edge: 99, 148
#[test]
fn whatever_the_world_does_the_loop_for_drivers_keeps_every_promise_and_comes_back() {
    let cases = std::env::var("CONNECTION_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    let config = Config {
        cases: cases.unwrap_or(CASES),
        failure_persistence: None,
        max_shrink_iters: 4_000,
        ..Config::default()
    };
    let mut runner = match cases {
        // A long run tries new lives; an ordinary one is the same every time.
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    };
    let seen = [const { Cell::new(0_u32) }; 5];
    runner
        .run(&vec(any::<u8>(), 40..300), |bytes| {
            let lived = connection(&bytes);
            let fates = lived.fates;
            let counts = [
                true,
                lived.sessions > 1,
                lived.ended_early,
                fates.confirmed > 1,
                fates.unconfirmed + fates.dropped > 0,
            ];
            for (seen, count) in seen.iter().zip(counts) {
                seen.set(seen.get() + u32::from(count));
            }
            Ok(())
        })
        .unwrap_or_else(|fault| match fault {
            TestError::Fail(why, bytes) => panic!("{why}\nthe life of {bytes:?}"),
            TestError::Abort(why) => panic!("{why}"),
        });
    let [lives, reconnected, ended, confirmed, lost] = seen.map(|count| count.get());
    println!(
        "{lives} lives: {reconnected} reconnected, {ended} ended early, {confirmed} with confirmed publishes, \
         {lost} with lost ones"
    );
    // The last publish of a life is confirmed in every life that has not ended early.
    assert!(
        reconnected * 100 >= lives * 30,
        "{reconnected} of {lives} reconnect"
    );
    assert!(
        ended * 100 >= lives * 5 && ended * 100 <= lives * 70,
        "{ended} of {lives} end early"
    );
    assert!(
        confirmed * 100 >= lives * 30,
        "{confirmed} of {lives} have confirmed publishes"
    );
    assert!(lost * 100 >= lives * 10, "{lost} of {lives} have lost publishes");
}
