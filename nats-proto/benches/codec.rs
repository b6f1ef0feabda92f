//! What one message costs to decode and to encode, beside another codec in the same run.
//!
//! `codec` prints nanoseconds per message as medians of interleaved rounds, and the ratio. `codec <cell> <count>`
//! runs one cell for so many messages: run it under `valgrind --tool=callgrind` with two counts, and the difference
//! of the instructions divided by that of the counts is the cost of one message (`instructions.sh` does that).

use std::hint::black_box;
use std::time::Instant;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use nats_proto::{ClientOp, Decoder, Headers, Payload, ServerOp, Subject, TransmitBuf};
use watermelon_proto::proto::{ClientOp as PeerOp, ServerOp as PeerOperation, StreamDecoder, StreamEncoder};

/// How much one simulated read brings.
const READ: usize = 64 * 1024;
/// How many operations are encoded between two simulated writes.
const BATCH: usize = 64;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    match arguments.as_slice() {
        [] => compare(),
        [cell, count] => {
            let run = find(cell).unwrap_or_else(|| panic!("no cell is called {cell}"));
            run(count.parse().expect("the count is a number"));
        }
        _ => panic!("usage: codec [<cell> <count>]"),
    }
}

type Run = Box<dyn Fn(usize)>;

/// All cells: a name for both codecs.
const CELLS: [(&str, usize); 10] = [
    ("msg-16", 2_000_000),
    ("msg-128", 2_000_000),
    ("msg-1024", 500_000),
    ("msg-65536", 10_000),
    ("hmsg-128", 1_000_000),
    ("msg-128-by-1500", 2_000_000),
    ("msg-128-by-1", 50_000),
    ("pub-128", 4_000_000),
    ("hpub-128", 2_000_000),
    ("pub-65536", 100_000),
];

fn find(cell: &str) -> Option<Run> {
    let (codec, cell) = cell.split_once(':')?;
    let ours = codec == "ours";
    let (kind, rest) = cell.split_once('-')?;
    let (size, read) = rest.split_once("-by-").unwrap_or((rest, "65536"));
    let (size, read) = (size.parse().ok()?, read.parse().ok()?);
    debug_assert!(read <= READ);
    Some(match (kind, ours) {
        ("msg", true) => decode_ours(stream(size, false), read),
        ("msg", false) => decode_peer(stream(size, false), read),
        ("hmsg", true) => decode_ours(stream(size, true), read),
        ("hmsg", false) => decode_peer(stream(size, true), read),
        ("pub", true) => encode_ours(size, false),
        ("pub", false) => encode_peer(size, false),
        ("hpub", true) => encode_ours(size, true),
        ("hpub", false) => encode_peer(size, true),
        _ => return None,
    })
}

/// Medians of interleaved rounds, so that what else the machine does falls on both.
fn compare() {
    const ROUNDS: usize = 9;
    println!(
        "{:<18} {:>10} {:>12} {:>8}",
        "cell", "ours ns", "watermelon", "ratio"
    );
    for (cell, count) in CELLS {
        let [ours, peer] = ["ours", "peer"].map(|codec| find(&format!("{codec}:{cell}")).expect("a cell"));
        let (mut ours_times, mut peer_times) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours_times.push(time(&ours, count / ROUNDS));
            peer_times.push(time(&peer, count / ROUNDS));
        }
        let (ours, peer) = (median(ours_times), median(peer_times));
        println!("{cell:<18} {ours:>10.1} {peer:>12.1} {:>8.2}", peer / ours);
    }
}

fn time(run: &Run, count: usize) -> f64 {
    let start = Instant::now();
    run(count);
    start.elapsed().as_nanos() as f64 / count as f64
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// At least 1 MiB of messages, to be read over and over.
fn stream(size: usize, with_headers: bool) -> Vec<u8> {
    let headers = header_block();
    let mut stream = Vec::new();
    while stream.len() < 1 << 20 {
        if with_headers {
            let line = format!(
                "HMSG orders.eu.created.12345 42 {} {}\r\n",
                headers.len(),
                headers.len() + size
            );
            stream.extend_from_slice(line.as_bytes());
            stream.extend_from_slice(headers.as_bytes());
        } else {
            stream.extend_from_slice(format!("MSG orders.eu.created.12345 42 {size}\r\n").as_bytes());
        }
        stream.resize(stream.len() + size, b'x');
        stream.extend_from_slice(b"\r\n");
    }
    stream
}

/// Two headers, 76 bytes.
fn header_block() -> String {
    let block = "NATS/1.0\r\nNats-Msg-Id: 1234567890abcdef0123\r\nTracepar: 00-0af7651916cd43\r\n\r\n";
    assert_eq!(block.len(), 76);
    block.to_owned()
}

fn decode_ours(stream: Vec<u8>, read: usize) -> Run {
    Box::new(move |count| {
        let mut decoder = Decoder::default();
        let mut buffer = BytesMut::with_capacity(4 * READ);
        let mut left = count;
        for piece in stream.chunks(read).cycle() {
            buffer.reserve(decoder.need().max(piece.len()));
            buffer.extend_from_slice(piece);
            loop {
                match decoder.decode(&mut buffer) {
                    Ok(Some(ServerOp::Message(message))) => black_box(message.payload()),
                    Ok(None) => break,
                    other => panic!("{other:?} in a stream of messages"),
                };
                left -= 1;
                if left == 0 {
                    return;
                }
            }
        }
    })
}

fn decode_peer(stream: Vec<u8>, read: usize) -> Run {
    Box::new(move |count| {
        let mut decoder = StreamDecoder::new();
        let mut left = count;
        for piece in stream.chunks(read).cycle() {
            decoder.read_buf().put_slice(piece);
            loop {
                match decoder.decode() {
                    Ok(Some(PeerOperation::Message { message })) => black_box(&message.base.payload[..]),
                    Ok(None) => break,
                    other => panic!("{other:?} in a stream of messages"),
                };
                left -= 1;
                if left == 0 {
                    return;
                }
            }
        }
    })
}

fn encode_ours(size: usize, with_headers: bool) -> Run {
    let mut headers = Headers::new();
    headers
        .append("Nats-Msg-Id", "1234567890abcdef0123")
        .expect("valid");
    headers.append("Tracepar", "00-0af7651916cd43").expect("valid");
    let subject = Subject::from_static("orders.eu.created.12345");
    let payload = Bytes::from(vec![b'x'; size]);
    Box::new(move |count| {
        let mut buffer: TransmitBuf<u64> = TransmitBuf::with_capacity(READ);
        for batch in 0..count / BATCH {
            for _ in 0..BATCH {
                let payload = match size {
                    0..4096 => Payload::Borrowed(&payload),
                    _ => Payload::Shared(payload.clone()),
                };
                let headers = with_headers.then_some(&headers);
                let publish = ClientOp::Publish {
                    subject: black_box(&subject).into(),
                    reply: None,
                    headers,
                    payload,
                };
                publish.encode(&mut buffer).expect("it fits");
                buffer.end_frame(batch as u64);
            }
            discard(&mut buffer);
            buffer.clear();
        }
    })
}

fn encode_peer(size: usize, with_headers: bool) -> Run {
    use watermelon_proto::headers::{HeaderMap, HeaderName, HeaderValue};
    let mut headers = HeaderMap::new();
    if with_headers {
        headers.append(
            HeaderName::from_static("Nats-Msg-Id"),
            HeaderValue::from_static("1234567890abcdef0123"),
        );
        headers.append(
            HeaderName::from_static("Tracepar"),
            HeaderValue::from_static("00-0af7651916cd43"),
        );
    }
    let message = watermelon_proto::MessageBase {
        subject: watermelon_proto::Subject::from_static("orders.eu.created.12345"),
        reply_subject: None,
        headers,
        payload: Bytes::from(vec![b'x'; size]),
    };
    let publish = PeerOp::Publish { message };
    Box::new(move |count| {
        let mut encoder = StreamEncoder::new();
        for _ in 0..count / BATCH {
            for _ in 0..BATCH {
                encoder.enqueue_write_op(black_box(&publish));
            }
            discard(&mut encoder);
        }
    })
}

/// Takes the bytes as a vectored write would.
fn discard(buffer: &mut impl Buf) {
    while buffer.has_remaining() {
        let mut slices = [std::io::IoSlice::new(&[]); 64];
        let filled = buffer.chunks_vectored(&mut slices);
        let taken = slices[..filled].iter().map(|slice| slice.len()).sum();
        black_box(&slices);
        buffer.advance(taken);
    }
}
