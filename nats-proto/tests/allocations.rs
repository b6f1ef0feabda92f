//! No allocation for a message, received or sent, once the buffers have grown.
//!
//! In a binary of its own and without the test harness, because the counter is that of the whole process and the
//! harness has threads that allocate.

use std::alloc::System;
use std::hint::black_box;

use bytes::{Buf, Bytes, BytesMut};
use nats_proto::{
    ClientOp, Decoder, Headers, IntoSubject, Payload, Reply, ServerOp, Sid, Subject, SubjectFilter,
    TransmitBuf,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How often something allocates after it has been done once.
fn allocations(mut run: impl FnMut()) -> usize {
    run();
    let region = Region::new(ALLOCATOR);
    for _ in 0..10 {
        run();
    }
    let change = region.change();
    change.allocations + change.reallocations
}

fn main() {
    // What runners ask of a binary without the test harness.
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--list") {
        if !arguments.iter().any(|argument| argument == "--ignored") {
            println!("no_message_allocates: test");
        }
        return;
    }
    // The counter counts.
    assert_eq!(allocations(|| drop(black_box(Box::new(1)))), 10);
    no_received_message_allocates();
    no_sent_message_allocates();
    println!("no message allocates, received or sent: ok");
}

fn no_received_message_allocates() {
    let messages = [
        "MSG orders.eu.created.12345 42 5\r\nhello\r\n",
        "MSG orders.eu 42 _INBOX.abc.7 5\r\nhello\r\n",
        "HMSG orders.eu 42 18 23\r\nNATS/1.0\r\na: b\r\n\r\nhello\r\n",
        "hmsg\torders.eu  42 _INBOX.abc.7 16 016\nNATS/1.0 503\r\n\r\n\r\n",
        "PING\r\n",
        "+OK\r\n",
    ]
    .concat()
    .repeat(100);
    for piece in [messages.len(), 1500, 7, 1] {
        let mut decoder = Decoder::default();
        let mut buffer = BytesMut::with_capacity(4 * messages.len());
        let mut count = 0;
        let allocated = allocations(|| {
            for piece in messages.as_bytes().chunks(piece) {
                buffer.reserve(piece.len());
                buffer.extend_from_slice(piece);
                while let Some(operation) = decoder.decode(&mut buffer).unwrap() {
                    if let ServerOp::Message(message) = &operation {
                        black_box((message.subject(), message.reply(), message.status()));
                        black_box((message.payload(), message.is_no_responders(), message.clone()));
                    }
                    count += 1;
                }
            }
        });
        assert_eq!((allocated, count), (0, 11 * 600), "in pieces of {piece}");
    }
}

fn no_sent_message_allocates() {
    let (subject, reply) = (
        Subject::from_static("orders.eu"),
        Subject::from_static("_INBOX.abc"),
    );
    let filter = SubjectFilter::from_static("orders.>");
    let mut headers = Headers::new();
    headers.append("a", "b").unwrap();
    let large = Bytes::from(vec![b'x'; 10_000]);
    let mut buffer = TransmitBuf::new();
    let text = subject.as_str();
    let allocated = allocations(|| {
        for number in 0..100_u64 {
            let inbox = Some(Reply::Inbox {
                prefix: &reply,
                token: number,
            });
            for (reply, headers, payload) in [
                (None, None, Payload::from("hello")),
                (inbox, None, Payload::from("hello")),
                (inbox, Some(&headers), Payload::from("hello")),
                (Some(Reply::from(&reply)), Some(&headers), Payload::from(&large)),
            ] {
                let subject = text.into_subject().unwrap();
                ClientOp::Publish {
                    subject: subject.as_subject_ref(),
                    reply,
                    headers,
                    payload,
                }
                .encode(&mut buffer)
                .unwrap();
                buffer.end_frame(number);
            }
            let sid = Sid::new(number);
            ClientOp::Subscribe {
                sid,
                filter: &filter,
                queue: None,
            }
            .encode(&mut buffer)
            .unwrap();
            ClientOp::Unsubscribe { sid, max: None }
                .encode(&mut buffer)
                .unwrap();
            ClientOp::Pong.encode(&mut buffer).unwrap();
            buffer.end_frame(number);
        }
        while buffer.has_remaining() {
            buffer.advance(black_box(buffer.chunk().len()));
        }
        buffer.clear();
    });
    assert_eq!(allocated, 0);
}
