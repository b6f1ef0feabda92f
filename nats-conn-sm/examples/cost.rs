//! Does the same thing many times, for a profiler that counts: `cost CELL TIMES`.
//!
//! The difference of two runs, divided by the difference of their times, is what one costs: `tests/instructions`.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use nats_conn_sm::proto::{
    ClientOp, Decoder, Headers, Payload, ServerOp, ServerUrl, Subject, SubjectFilter, SubjectRef, TransmitBuf,
};
use nats_conn_sm::{
    Action, Config, Connection, ConnectionEvent, Delivery, Event, LinkEnd, LinkId, Publish, ReceiveBuf,
    SendBuf, Timestamp,
};

const NOW: Timestamp = Timestamp::from_millis(1);
/// So many are done before their bytes are taken, and so many arrive in one read.
const BATCH: u64 = 64;
/// So many subscriptions are restored at once.
const SUBSCRIPTIONS: u64 = 6400;
/// What one read of the codec's cells brings.
const READ: usize = 64 * 1024;
const INFO: &[u8] = b"INFO {\"max_payload\":1048576,\"headers\":true}\r\n";

/// A name, and what does it so many times: a multiple of [`BATCH`], or of [`SUBSCRIPTIONS`] where they are restored.
type Cell = (&'static str, fn(u64));

const CELLS: [Cell; 13] = [
    ("publish", |times| {
        Machine::connected(Delivery::AtMostOnce).publish(times, None);
    }),
    ("publish-headers", |times| {
        Machine::connected(Delivery::AtMostOnce).publish(times, Some(headers()));
    }),
    ("publish-at-least-once", |times| {
        Machine::connected(Delivery::AtLeastOnce).publish(times, None);
    }),
    ("message", |times| {
        Machine::connected(Delivery::AtMostOnce).receive(times, &message(1, None));
    }),
    ("message-headers", |times| {
        Machine::connected(Delivery::AtMostOnce).receive(times, &message(1, Some(&headers())));
    }),
    ("request", |times| {
        Machine::connected(Delivery::AtMostOnce).request(times);
    }),
    ("subscribe", |times| {
        Machine::connected(Delivery::AtMostOnce).subscribe(times);
    }),
    ("restore", |times| {
        Machine::connected(Delivery::AtMostOnce).restore(times);
    }),
    ("decode", |times| decode(times, &message(42, None), READ)),
    ("decode-headers", |times| {
        decode(times, &message(42, Some(&headers())), READ);
    }),
    ("decode-bytewise", |times| decode(times, &message(42, None), 1)),
    ("encode", |times| encode(times, None)),
    ("encode-headers", |times| encode(times, Some(&headers()))),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let cell = arguments.next().unwrap_or_default();
    let times = arguments.next().and_then(|times| times.parse().ok());
    let known = CELLS.iter().find(|(name, _)| *name == cell);
    let (Some((_, run)), Some(times)) = (known, times) else {
        let names = CELLS.map(|(name, _)| name).join(", ");
        eprintln!("cost: give a cell ({names}) and a number of times");
        return ExitCode::from(2);
    };
    run(times);
    ExitCode::SUCCESS
}

/// Two headers, 76 bytes.
fn headers() -> Headers {
    let mut headers = Headers::new();
    for (name, value) in [
        ("Nats-Msg-Id", "1234567890abcdef0123"),
        ("Tracepar", "00-0af7651916cd43"),
    ] {
        headers.append(name, value).expect("a header");
    }
    headers
}

const SUBJECT: &str = "orders.eu.created.12345";
const PAYLOAD: [u8; 128] = [b'x'; 128];
const QUESTION: &[u8] = b"when?";

/// A message as it arrives.
fn message(sid: u64, headers: Option<&Headers>) -> Vec<u8> {
    let headers = headers.map(Headers::as_block);
    let total = headers.map_or(0, <[u8]>::len) + PAYLOAD.len();
    let line = match headers {
        None => format!("MSG {SUBJECT} {sid} {total}\r\n"),
        Some(headers) => format!("HMSG {SUBJECT} {sid} {} {total}\r\n", headers.len()),
    };
    [line.as_bytes(), headers.unwrap_or_default(), &PAYLOAD, b"\r\n"].concat()
}

/// The decoder alone, fed with reads of the same size.
fn decode(times: u64, message: &[u8], read: usize) {
    let stream = message.repeat((1 << 20) / message.len());
    let (mut decoder, mut buffer) = (Decoder::default(), BytesMut::with_capacity(4 * READ));
    let mut left = times;
    for piece in stream.chunks(read).cycle() {
        buffer.reserve(decoder.need().max(piece.len()));
        buffer.extend_from_slice(piece);
        while let Some(operation) = decoder.decode(&mut buffer).expect("messages") {
            let ServerOp::Message(message) = operation else {
                unreachable!("a stream of messages")
            };
            black_box(message.payload());
            left -= 1;
            if left == 0 {
                return;
            }
        }
    }
}

/// The encoder alone.
fn encode(times: u64, headers: Option<&Headers>) {
    let subject = Subject::from_static(SUBJECT);
    let mut buffer = TransmitBuf::with_capacity(READ);
    for batch in 0..times / BATCH {
        for _ in 0..BATCH {
            let publish = ClientOp::Publish {
                subject: SubjectRef::from(black_box(&subject)),
                reply: None,
                headers,
                payload: Payload::Borrowed(black_box(&PAYLOAD[..])),
            };
            publish.encode(&mut buffer).expect("it fits");
            buffer.end_frame(batch);
        }
        black_box(buffer.chunk());
        buffer.clear();
    }
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
        config.backoff.base = Duration::ZERO;
        config.backoff.jitter = Some(Duration::ZERO);
        let mut connection = Connection::new(config, [7; 32], NOW).expect("usable settings");
        let link = dial(&mut connection);
        let (rx, tx) = (ReceiveBuf::new(link), SendBuf::new(link));
        let mut machine = Self { connection, rx, tx };
        machine.open();
        machine
    }

    /// The handshake.
    fn open(&mut self) {
        self.read(INFO);
        self.write();
        self.read(b"PONG\r\n");
    }

    /// These bytes have arrived: how many messages and replies there are in them, or whether they say that all
    /// subscriptions are restored.
    fn read(&mut self, bytes: &[u8]) -> u64 {
        self.rx.buffer_mut().extend_from_slice(bytes);
        let mut count = 0;
        while let Some(event) = self.connection.poll_event(NOW, &mut self.rx) {
            match event {
                Event::Message { .. }
                | Event::Response { result: Ok(_), .. }
                | Event::Connection(ConnectionEvent::Resubscribed { .. }) => count += 1,
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

    fn publish(&mut self, times: u64, headers: Option<Headers>) {
        let subject = Subject::from_static(SUBJECT);
        for _ in 0..times / BATCH {
            for _ in 0..BATCH {
                let mut publish = Publish::new(&subject, Payload::Borrowed(&PAYLOAD));
                publish.headers = headers.as_ref();
                self.connection.publish(publish).expect("room");
            }
            for _ in 0..self.write() {
                self.read(b"PONG\r\n");
            }
        }
        assert_eq!(self.connection.publish_fates().accepted, times / BATCH * BATCH);
    }

    fn receive(&mut self, times: u64, message: &[u8]) {
        let filter = SubjectFilter::new("orders.>").expect("a filter");
        self.connection.subscribe(NOW, filter, None).expect("open");
        self.write();
        let read = message.repeat(usize::try_from(BATCH).expect("small"));
        for _ in 0..times / BATCH {
            assert_eq!(self.read(&read), BATCH);
        }
    }

    /// Subscriptions that come and go.
    fn subscribe(&mut self, times: u64) {
        let filter = SubjectFilter::new("orders.>").expect("a filter");
        for _ in 0..times / BATCH {
            let mut sids = Vec::new();
            for _ in 0..BATCH {
                sids.push(
                    self.connection
                        .subscribe(NOW, filter.clone(), None)
                        .expect("open"),
                );
            }
            self.write();
            for sid in sids {
                self.connection.unsubscribe(NOW, sid).expect("alive");
            }
            self.write();
            self.read(b"");
        }
    }

    /// Many subscriptions, on a new link again and again.
    fn restore(&mut self, times: u64) {
        for number in 0..SUBSCRIPTIONS {
            let filter = SubjectFilter::new(&format!("orders.eu.{number}")).expect("a filter");
            self.connection.subscribe(NOW, filter, None).expect("open");
        }
        self.write();
        for _ in 0..times / SUBSCRIPTIONS {
            let link = self.rx.link();
            self.connection
                .handle_link_closed(NOW, link, LinkEnd::Eof, &mut self.tx);
            self.read(b"");
            let link = dial(&mut self.connection);
            (self.rx, self.tx) = (ReceiveBuf::new(link), SendBuf::new(link));
            self.open();
            assert_eq!(self.write(), 1);
            assert_eq!(self.read(b"PONG\r\n"), 1);
        }
    }

    /// Requests and their replies.
    fn request(&mut self, times: u64) {
        let subject = Subject::from_static("time.now");
        let within = Duration::from_secs(5);
        for _ in 0..times / BATCH {
            for _ in 0..BATCH {
                let publish = Publish::new(&subject, Payload::Borrowed(QUESTION));
                self.connection.request(NOW, publish, within).expect("open");
            }
            let mut replies = Vec::new();
            while self.connection.poll_transmit(NOW, &mut self.tx) {
                answer(self.tx.chunk(), &mut replies);
                self.tx.advance(self.tx.remaining());
                self.connection.handle_written(NOW, &mut self.tx);
            }
            assert_eq!(self.read(&replies), BATCH);
        }
    }
}

/// What a server does with requests, as cheaply as it can be done: it is no part of what is measured.
fn answer(mut block: &[u8], replies: &mut Vec<u8>) {
    while let Some(end) = memchr::memchr(b'\n', block) {
        let Some(line) = block[..end].strip_prefix(b"PUB time.now ") else {
            block = &block[end + 1..];
            continue;
        };
        // Before " 5" and the CR.
        let inbox = &line[..line.len() - 3];
        replies.extend_from_slice(b"MSG ");
        replies.extend_from_slice(inbox);
        replies.extend_from_slice(b" 1 5\r\n12:00\r\n");
        block = &block[end + 1 + QUESTION.len() + 2..];
    }
}

/// Begins an attempt, for which the driver has a stream at once.
fn dial(connection: &mut Connection) -> LinkId {
    connection.handle_timeout(NOW);
    let Some(Action::Connect { link, .. }) = connection.poll_action() else {
        unreachable!("an attempt begins at once")
    };
    connection.handle_connected(NOW, link);
    link
}
