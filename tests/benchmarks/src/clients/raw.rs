//! A bare socket and bytes that were encoded before: what the kernel takes, and nobody can do without.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use memchr::memchr;

use super::Plan;
use crate::Outcome;
use crate::cells::{ECHO, GO, Headers, SUBJECT, Work, filter, header_block};
use crate::measure::{Measured, Stopwatch};

const BLOCK: usize = 64 << 10;

/// Does what the plan says.
pub(super) fn run(plan: &Plan) -> Outcome<Measured> {
    let mut stream = TcpStream::connect(("127.0.0.1", plan.port))?;
    stream.set_nodelay(true)?;
    stream.write_all(b"CONNECT {\"verbose\":false,\"headers\":true}\r\n")?;
    round_trip(&mut stream)?;
    match plan.cell.work {
        Work::Publish { .. } => publish(plan, &mut stream),
        Work::Receive { .. } => receive(plan, &mut stream),
        Work::Request { .. } => request(plan, &mut stream),
        Work::Restore | Work::Connections => Err("a bare socket does not do that".into()),
    }
}

/// A PING, and what comes until its PONG.
fn round_trip(stream: &mut TcpStream) -> Outcome<()> {
    stream.write_all(b"PING\r\n")?;
    let mut seen = Vec::new();
    while !seen.ends_with(b"PONG\r\n") {
        let mut byte = [0; 256];
        let count = stream.read(&mut byte)?;
        if count == 0 {
            return Err("the server has closed the link".into());
        }
        seen.extend_from_slice(&byte[..count]);
    }
    Ok(())
}

/// What the plan publishes, once.
fn frame(plan: &Plan) -> Vec<u8> {
    let payload = vec![b'x'; plan.cell.payload];
    let mut frame = Vec::new();
    if plan.cell.headers == Headers::No {
        frame.extend_from_slice(format!("PUB {SUBJECT} {}\r\n", payload.len()).as_bytes());
    } else {
        let block = header_block();
        let total = block.len() + payload.len();
        frame.extend_from_slice(format!("HPUB {SUBJECT} {} {total}\r\n", block.len()).as_bytes());
        frame.extend_from_slice(&block);
    }
    frame.extend_from_slice(&payload);
    frame.extend_from_slice(b"\r\n");
    frame
}

fn publish(plan: &Plan, stream: &mut TcpStream) -> Outcome<Measured> {
    let frame = frame(plan);
    let in_block = (BLOCK / frame.len()).max(1);
    let block = frame.repeat(in_block);
    let stopwatch = Stopwatch::start()?;
    let mut left = plan.count;
    while left > 0 {
        let now = left.min(in_block as u64);
        stream.write_all(&block[..frame.len() * usize::try_from(now)?])?;
        left -= now;
    }
    round_trip(stream)?;
    stopwatch.stop(plan.count, 0)
}

/// Reads as many bytes as there will be: that is all a bare socket can know without looking at them.
fn receive(plan: &Plan, stream: &mut TcpStream) -> Outcome<Measured> {
    stream.write_all(format!("SUB {} 1\r\n", filter(0)).as_bytes())?;
    round_trip(stream)?;
    let mut buffer = vec![0; BLOCK];
    let stopwatch = Stopwatch::start()?;
    stream.write_all(format!("PUB {GO} 0\r\n\r\n").as_bytes())?;
    let mut filled = stream.read(&mut buffer)?;
    while memchr(b'\n', &buffer[..filled]).is_none() {
        filled += stream.read(&mut buffer[filled..])?;
    }
    let line = memchr(b'\n', &buffer).ok_or("there is no line")?;
    let size: usize = std::str::from_utf8(&buffer[..line])?
        .trim_end()
        .rsplit(' ')
        .next()
        .unwrap_or_default()
        .parse()?;
    let mut left = (line + 1 + size + 2) * usize::try_from(plan.count)? - filled;
    while left > 0 {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err("the server has closed the link".into());
        }
        left = left.saturating_sub(count);
    }
    stopwatch.stop(plan.count, plan.count)
}

fn request(plan: &Plan, stream: &mut TcpStream) -> Outcome<Measured> {
    stream.write_all(b"SUB _INBOX.raw.* 1\r\n")?;
    let payload = "x".repeat(plan.cell.payload);
    let request = format!("PUB {ECHO} _INBOX.raw.1 {}\r\n{payload}\r\n", payload.len());
    let reply = format!("MSG _INBOX.raw.1 1 {}\r\n{payload}\r\n", payload.len());
    let mut buffer = vec![0; reply.len()];
    let mut latencies = Vec::new();
    let stopwatch = Stopwatch::start()?;
    for _ in 0..plan.count {
        let before = Instant::now();
        stream.write_all(request.as_bytes())?;
        stream.read_exact(&mut buffer)?;
        latencies.push(u64::try_from(before.elapsed().as_nanos())?);
    }
    Ok(stopwatch.stop(plan.count, plan.count)?.with_latencies(latencies))
}
