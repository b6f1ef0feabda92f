//! Decoding in every way a stream can arrive.

use bytes::BytesMut;
use nats_proto::{
    ClientFrame, DecodeError, Decoder, Limits, Message, ServerDecodeError, ServerDecoder, ServerLimits,
    ServerOp, WireSink,
};

/// What a stream decodes to: the same whole, byte by byte and cut in two anywhere.
pub(crate) fn decoded(stream: &[u8]) -> (Vec<ServerOp>, Option<DecodeError>) {
    decoded_within(Limits::default(), stream)
}

pub(crate) fn decoded_within(limits: Limits, stream: &[u8]) -> (Vec<ServerOp>, Option<DecodeError>) {
    let whole = in_pieces(limits, &[stream]);
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(whole, in_pieces(limits, &bytes), "byte by byte");
    for cut in 0..stream.len().min(700) {
        let (first, second) = stream.split_at(cut);
        assert_eq!(whole, in_pieces(limits, &[first, second]), "cut at {cut}");
    }
    whole
}

/// What a stream without mistakes decodes to, nothing left over.
pub(crate) fn operations(stream: &[u8]) -> Vec<ServerOp> {
    let (operations, error) = decoded(stream);
    assert_eq!(error, None, "{}", stream.escape_ascii());
    let mut buffer = BytesMut::from(stream);
    let mut decoder = Decoder::default();
    while decoder.decode(&mut buffer).unwrap().is_some() {}
    assert!(buffer.is_empty(), "{} is left over", buffer.escape_ascii());
    operations
}

/// The one operation a stream consists of.
pub(crate) fn operation(stream: &[u8]) -> ServerOp {
    let mut operations = operations(stream);
    assert_eq!(operations.len(), 1, "{}", stream.escape_ascii());
    operations.remove(0)
}

/// The one message a stream consists of.
pub(crate) fn message(stream: &[u8]) -> Message {
    match operation(stream) {
        ServerOp::Message(message) => message,
        other => panic!("{other:?} is not a message"),
    }
}

/// A message that has this header block and nothing else.
pub(crate) fn with_headers(block: &[u8]) -> Message {
    let line = format!("HMSG a 1 {0} {0}\r\n", block.len());
    message(&[line.as_bytes(), block, b"\r\n"].concat())
}

/// The error a stream ends with, after no operation.
pub(crate) fn error(stream: &[u8]) -> DecodeError {
    let (operations, error) = decoded(stream);
    assert_eq!(operations, [], "{}", stream.escape_ascii());
    error.unwrap_or_else(|| panic!("no error in {}", stream.escape_ascii()))
}

pub(crate) fn in_pieces(limits: Limits, pieces: &[&[u8]]) -> (Vec<ServerOp>, Option<DecodeError>) {
    let mut decoder = Decoder::new(limits);
    let mut buffer = BytesMut::new();
    let mut operations = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(operation)) => operations.push(operation),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.decode(&mut buffer), Err(error), "errors are final");
                    assert_eq!(
                        decoder.decode(&mut BytesMut::from("PING\r\n")),
                        Err(error),
                        "errors are final"
                    );
                    return (operations, Some(error));
                }
            }
        }
    }
    (operations, None)
}

/// What a stream from a client decodes to: the same whole, byte by byte and cut in two anywhere.
pub(crate) fn server_decoded(stream: &[u8]) -> (Vec<ClientFrame>, Option<ServerDecodeError>) {
    server_decoded_within(ServerLimits::default(), stream)
}

pub(crate) fn server_decoded_within(
    limits: ServerLimits,
    stream: &[u8],
) -> (Vec<ClientFrame>, Option<ServerDecodeError>) {
    let whole = server_in_pieces(limits, &[stream]);
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(whole, server_in_pieces(limits, &bytes), "byte by byte");
    for cut in 0..stream.len().min(700) {
        let (first, second) = stream.split_at(cut);
        assert_eq!(whole, server_in_pieces(limits, &[first, second]), "cut at {cut}");
    }
    whole
}

pub(crate) fn server_in_pieces(
    limits: ServerLimits,
    pieces: &[&[u8]],
) -> (Vec<ClientFrame>, Option<ServerDecodeError>) {
    let mut decoder = ServerDecoder::new(limits);
    let mut buffer = BytesMut::new();
    let mut frames = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(
                        decoder.decode(&mut BytesMut::from("PING\r\n")),
                        Err(error),
                        "errors are final"
                    );
                    return (frames, Some(error));
                }
            }
        }
    }
    (frames, None)
}

/// Only counts what is written.
pub(crate) struct Discard(pub(crate) usize);

impl WireSink for Discard {
    fn put_slice(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}
