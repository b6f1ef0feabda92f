//! Does the same thing many times, for a profiler that counts: `cost CELL TIMES`.
//!
//! The difference of two runs, divided by the difference of their times, is what one costs: `tests/instructions`.

use std::process::ExitCode;
use std::time::Duration;

use bytes::Buf;
use nats_conn_sm::proto::{Payload, ServerUrl, Subject, SubjectFilter};
use nats_conn_sm::{Action, Config, Connection, Delivery, Event, Publish, ReceiveBuf, SendBuf, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1);
/// So many are done before their bytes are taken, and so many arrive in one read.
const BATCH: u64 = 64;
const INFO: &[u8] = b"INFO {\"max_payload\":1048576,\"headers\":true}\r\n";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let cell = arguments.next().unwrap_or_default();
    let Some(times) = arguments.next().and_then(|times| times.parse::<u64>().ok()) else {
        eprintln!(
            "cost: give a cell (publish, publish-at-least-once, message, request) and a number of times"
        );
        return ExitCode::from(2);
    };
    let batches = times / BATCH;
    match cell.as_str() {
        "publish" => Machine::connected(Delivery::AtMostOnce).publish(batches),
        "publish-at-least-once" => Machine::connected(Delivery::AtLeastOnce).publish(batches),
        "message" => Machine::connected(Delivery::AtMostOnce).receive(batches),
        "request" => Machine::connected(Delivery::AtMostOnce).request(batches),
        other => {
            eprintln!("cost: there is no cell {other}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// A machine with a session, and the buffers of its link.
struct Machine {
    connection: Connection,
    rx: ReceiveBuf,
    tx: SendBuf,
}

impl Machine {
    fn connected(delivery: Delivery) -> Self {
        let url = ServerUrl::parse("nats://127.0.0.1:4222").expect("a URL");
        let mut config = Config::new(vec![url]);
        config.delivery = delivery;
        let mut connection = Connection::new(config, [7; 32], NOW).expect("usable settings");
        let Some(Action::Connect { link, .. }) = connection.poll_action() else {
            unreachable!("the first attempt begins at once")
        };
        connection.handle_connected(NOW, link);
        let (rx, tx) = (ReceiveBuf::new(link), SendBuf::new(link));
        let mut machine = Self { connection, rx, tx };
        machine.read(INFO);
        machine.write();
        machine.read(b"PONG\r\n");
        machine
    }

    /// These bytes have arrived: how many messages and replies there are in them.
    fn read(&mut self, bytes: &[u8]) -> u64 {
        self.rx.buffer_mut().extend_from_slice(bytes);
        let mut count = 0;
        while let Some(event) = self.connection.poll_event(NOW, &mut self.rx) {
            match event {
                Event::Message { .. } | Event::Response { result: Ok(_), .. } => count += 1,
                _ => {}
            }
        }
        count
    }

    /// The transport takes everything; how many PINGs there were in it.
    fn write(&mut self) -> usize {
        let mut pings = 0;
        while self.connection.poll_transmit(NOW, &mut self.tx) {
            while self.tx.has_remaining() {
                let chunk = self.tx.chunk();
                pings += usize::from(chunk.ends_with(b"PING\r\n"));
                let len = chunk.len();
                self.tx.advance(len);
            }
            self.connection.handle_written(NOW, &mut self.tx);
        }
        pings
    }

    fn publish(&mut self, batches: u64) {
        let subject = Subject::from_static("orders.eu.created.12345");
        let payload = [b'x'; 128];
        for _ in 0..batches {
            for _ in 0..BATCH {
                let publish = Publish::new(&subject, Payload::Borrowed(&payload));
                self.connection.publish(publish).expect("room");
            }
            for _ in 0..self.write() {
                self.read(b"PONG\r\n");
            }
        }
        assert_eq!(self.connection.publish_fates().accepted, batches * BATCH);
    }

    fn receive(&mut self, batches: u64) {
        let filter = SubjectFilter::new("orders.>").expect("a filter");
        self.connection.subscribe(NOW, filter, None).expect("open");
        self.write();
        let mut message = b"MSG orders.eu.created.12345 1 128\r\n".to_vec();
        message.extend_from_slice(&[b'x'; 128]);
        message.extend_from_slice(b"\r\n");
        let read = message.repeat(usize::try_from(BATCH).expect("small"));
        for _ in 0..batches {
            assert_eq!(self.read(&read), BATCH);
        }
    }

    /// Requests and their replies.
    fn request(&mut self, batches: u64) {
        let subject = Subject::from_static("time.now");
        let within = Duration::from_secs(5);
        for _ in 0..batches {
            for _ in 0..BATCH {
                let publish = Publish::new(&subject, Payload::Borrowed(b"when?"));
                self.connection.request(NOW, publish, within).expect("open");
            }
            let mut replies = Vec::new();
            while self.connection.poll_transmit(NOW, &mut self.tx) {
                let block: Vec<u8> = self.tx.copy_to_bytes(self.tx.remaining()).to_vec();
                self.connection.handle_written(NOW, &mut self.tx);
                let inboxes = block
                    .split(|byte| *byte == b'\n')
                    .filter(|line| line.starts_with(b"PUB "))
                    .filter_map(|line| line.split(|byte| *byte == b' ').nth(2));
                for inbox in inboxes {
                    replies.extend_from_slice(b"MSG ");
                    replies.extend_from_slice(inbox);
                    replies.extend_from_slice(b" 1 5\r\n12:00\r\n");
                }
            }
            assert_eq!(self.read(&replies), BATCH);
        }
    }
}
