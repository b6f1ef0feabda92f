//! What arrives byte by byte costs linear time: however long a line is, only what is new is looked at.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use nats_proto::{Decoder, Limits, ServerDecoder, ServerLimits};

const LONG: usize = 256 << 10;
const SHORT: usize = 1 << 10;

/// Whether one frame of 256 KiB costs about what 256 frames of 1 KiB cost. If every byte that comes looked at all
/// that came before, it would cost some hundred times as much; so one good attempt of five is proof enough, and what
/// else the machine does cannot make it fail.
fn is_linear(run: impl Fn(&[u8]) -> usize, frame: impl Fn(usize) -> Vec<u8>) -> bool {
    let (long, short) = (frame(LONG), frame(SHORT).repeat(LONG / SHORT));
    let time = |stream: &[u8], expected: usize| -> Duration {
        let start = Instant::now();
        assert_eq!(run(stream), expected);
        start.elapsed()
    };
    (0..5).any(|_| time(&long, 1) < 8 * time(&short, LONG / SHORT))
}

fn received_by_a_client(stream: &[u8]) -> usize {
    let limits = Limits::default().with_line(1 << 20).with_info(1 << 20);
    let mut decoder = Decoder::new(limits);
    let mut buffer = BytesMut::with_capacity(stream.len());
    let mut count = 0;
    for byte in stream {
        buffer.extend_from_slice(&[*byte]);
        count += usize::from(decoder.decode(&mut buffer).unwrap().is_some());
    }
    count
}

fn received_by_a_server(stream: &[u8]) -> usize {
    let limits = ServerLimits::default().with_control_line(1 << 20);
    let mut decoder = ServerDecoder::new(limits);
    let mut buffer = BytesMut::with_capacity(stream.len());
    let mut count = 0;
    for byte in stream {
        buffer.extend_from_slice(&[*byte]);
        count += usize::from(decoder.decode(&mut buffer).unwrap().is_some());
    }
    count
}

fn filled(before: &str, filler: &str, len: usize, behind: &str) -> Vec<u8> {
    format!("{before}{}{behind}", filler.repeat(len)).into_bytes()
}

#[test]
fn a_line_from_a_server_that_trickles_in_costs_linear_time() {
    for (before, filler, behind) in [
        ("MSG ", "s", " 1 0\r\n\r\n"),
        ("msg ", "s", " 1  0 \n\r\n"),
        ("MSG a 1 ", "\r", "x 0\r\n\r\n"),
        ("HMSG a 1", " ", "0 0\r\n\r\n"),
        ("PING", "x", "\r\n"),
        ("-ERR '", "x", "'\r\n"),
        ("INFO {", " ", "}\r\n"),
    ] {
        assert!(
            is_linear(received_by_a_client, |len| filled(before, filler, len, behind)),
            "{before}"
        );
    }
}

#[test]
fn a_payload_from_a_server_that_trickles_in_costs_linear_time() {
    let frame = |len: usize| filled(&format!("MSG a 1 {len}\r\n"), "\n", len, "\r\n");
    assert!(is_linear(received_by_a_client, frame));
}

#[test]
fn a_line_from_a_client_that_trickles_in_costs_linear_time() {
    for (before, filler, behind) in [
        ("PUB ", "s", " 0\r\n\r\n"),
        ("SUB a", "\t", "1\n"),
        ("PING", "x", "\r\n"),
        ("CONNECT {", " ", "}\r\n"),
    ] {
        assert!(
            is_linear(received_by_a_server, |len| filled(before, filler, len, behind)),
            "{before}"
        );
    }
}

#[test]
fn a_payload_from_a_client_that_trickles_in_costs_linear_time() {
    let frame = |len: usize| filled(&format!("PUB a {len}\r\n"), "\n", len, "\r\n");
    assert!(is_linear(received_by_a_server, frame));
}
