//! What makes a machine live a recorded life again.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::{Buf, Bytes};
use nats_proto::{Headers, Payload};
use thiserror::Error;

use crate::action::Action;
use crate::buffers::{ReceiveBuf, SendBuf};
use crate::connection::Connection;
use crate::error::ConfigError;
use crate::event::Event;
use crate::ids::LinkId;
use crate::input::{Input, Outgoing, Piece, Received, Unsent};
use crate::publish::Publish;
use crate::recorder::{Digest, FILLER, Recording, RecordingError};
use crate::time::Timestamp;

/// A larger payload is not made up for a recording that claims one: what a machine takes by default.
const LARGEST: u64 = 64 << 20;
/// And none where so many bytes are held already.
const HELD: u64 = 4 * LARGEST;
/// So many buffers that were filled and not handed back are remembered.
const BUFFERS: usize = 16;

/// Why a replay ends before the recording does.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The recording cannot be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// Its settings cannot be used.
    #[error("the settings of the recording: {0}")]
    Config(ConfigError),
    /// It claims a payload that no server takes, or more and more of them that nobody does.
    #[error("record {record} claims {size} bytes, at once or beside what is held already")]
    TooLarge {
        /// Which record, counted from 1.
        record: u64,
        /// What it claims.
        size: u64,
    },
    /// Something else came of an input than when it was recorded.
    #[error(
        "record {record}, at {at:?}: what came of it is not what was recorded (version {version} wrote it, \
         this is {})", env!("CARGO_PKG_VERSION")
    )]
    Diverged {
        /// Which record, counted from 1.
        record: u64,
        /// When.
        at: Timestamp,
        /// The version that wrote the recording.
        version: String,
    },
}

crate::debug_line::debug_line!(ReplayError);

impl ReplayError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Recording(error) => error.code(),
            Self::Config(error) => error.code(),
            Self::TooLarge { .. } => "too_large",
            Self::Diverged { .. } => "diverged",
        }
    }
}

// Not derived: with `#[from]` the error would be its source, whose text this text already has.
impl From<ConfigError> for ReplayError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

/// A machine that lives a recorded life again, one input a [`step`](Self::step).
///
/// What comes of each input is compared with what was recorded, over the same replacements: secrets, and payloads
/// where they were not asked for, are fillers of the same length (`x` and `.`).
#[derive(Debug)]
pub struct Replayer {
    recording: Recording,
    connection: Connection,
    rx: ReceiveBuf,
    filled: Vec<SendBuf>,
    record: u64,
    ended: bool,
}

/// An input and what came of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// The input.
    pub input: Input,
    /// What came of it.
    pub output: Output,
    /// The next deadline of the machine.
    pub timeout: Option<Timestamp>,
}

/// What came of an input.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Output {
    /// Nothing that is reported.
    Nothing,
    /// An event.
    Event(Event),
    /// An action.
    Action(Action),
    /// Bytes to write.
    Bytes(Bytes),
    /// What a verb gave, as it prints.
    Answer(String),
}

impl Replayer {
    /// A machine as it was at the beginning of the recording.
    ///
    /// # Errors
    /// Its settings cannot be used.
    pub fn new(recording: Recording) -> Result<Self, ReplayError> {
        let connection = Connection::new(recording.config().clone(), recording.seed(), recording.start())?;
        Ok(Self {
            recording,
            connection,
            rx: ReceiveBuf::new(LinkId::from_u64(0)),
            filled: Vec::new(),
            record: 0,
            ended: false,
        })
    }

    /// Replays the whole of it; how many records there were.
    ///
    /// # Errors
    /// Where it cannot be read any further, or something else came of an input than was recorded.
    pub fn run(recording: Recording) -> Result<u64, ReplayError> {
        let mut replayer = Self::new(recording)?;
        while let Some(step) = replayer.step() {
            step?;
        }
        Ok(replayer.record)
    }

    /// The machine as it is now.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The next input and what comes of it; nothing at the end, and after an error.
    pub fn step(&mut self) -> Option<Result<Step, ReplayError>> {
        if self.ended {
            return None;
        }
        let step = self.next_step();
        self.ended = !matches!(step, Some(Ok(_)));
        step
    }

    fn next_step(&mut self) -> Option<Result<Step, ReplayError>> {
        let entry = match self.recording.next()? {
            Ok(entry) => entry,
            Err(error) => return Some(Err(error.into())),
        };
        self.record = self.record.saturating_add(1);
        if entry.input == Input::Stopped {
            return Some(Ok(self.told(entry.at, entry.input, Output::Nothing)));
        }
        let held = (self.rx.len() as u64).saturating_add(self.connection.statistics().pending_bytes);
        let most = LARGEST.min(HELD.saturating_sub(held));
        if let Some(size) = largest(&entry.input).filter(|size| *size > most) {
            let record = self.record;
            return Some(Err(ReplayError::TooLarge { record, size }));
        }
        let (output, digest) = self.call(entry.at, &entry.input);
        if digest.value() != entry.digest {
            return Some(Err(ReplayError::Diverged {
                record: self.record,
                at: entry.at,
                version: String::from(self.recording.version()),
            }));
        }
        Some(Ok(self.told(entry.at, entry.input, output)))
    }

    fn told(&self, at: Timestamp, input: Input, output: Output) -> Step {
        Step {
            at,
            input,
            output,
            timeout: self.connection.poll_timeout(),
        }
    }

    fn call(&mut self, now: Timestamp, input: &Input) -> (Output, Digest) {
        let digest = Digest::new(self.recording.has_payloads());
        match input {
            Input::Event(received) => {
                self.receive(received);
                let event = self.connection.poll_event(now, &mut self.rx);
                let mut digest = digest.event(event.as_ref());
                if event.is_none() {
                    digest = digest.timeout(self.connection.poll_timeout());
                }
                (event.map_or(Output::Nothing, Output::Event), digest)
            }
            Input::Action => {
                let action = self.connection.poll_action();
                let digest = digest.action(action.as_ref());
                (action.map_or(Output::Nothing, Output::Action), digest)
            }
            Input::Transmit(buffer) => self.transmit(now, buffer, digest),
            Input::Written(buffer) => {
                let mut tx = self.buffer(buffer);
                self.connection.handle_written(now, &mut tx);
                (Output::Nothing, digest.timeout(self.connection.poll_timeout()))
            }
            Input::Timeout => {
                self.connection.handle_timeout(now);
                (Output::Nothing, digest.timeout(self.connection.poll_timeout()))
            }
            Input::Publish(message) => {
                let answer = with_message(message, |publish| self.connection.publish(publish));
                (
                    Output::Answer(alloc::format!("{answer:?}")),
                    digest.answer(&answer),
                )
            }
            Input::Request(message, timeout) => {
                let answer = with_message(message, |publish| self.connection.request(now, publish, *timeout));
                (
                    Output::Answer(alloc::format!("{answer:?}")),
                    digest.answer(&answer),
                )
            }
            Input::RequestMany(message, many) => {
                let answer = with_message(message, |publish| {
                    self.connection.request_many(now, publish, *many)
                });
                (
                    Output::Answer(alloc::format!("{answer:?}")),
                    digest.answer(&answer),
                )
            }
            other => self.call_plain(now, other, digest),
        }
    }

    /// The calls whose answer is all that came of them.
    fn call_plain(&mut self, now: Timestamp, input: &Input, digest: Digest) -> (Output, Digest) {
        macro_rules! answer {
            ($call:expr) => {{
                let answer = $call;
                let digest = digest
                    .answer(&answer)
                    .timeout(self.connection.poll_timeout());
                (Output::Answer(alloc::format!("{answer:?}")), digest)
            }};
        }
        let machine = &mut self.connection;
        match input.clone() {
            Input::Connected(link) => answer!(machine.handle_connected(now, link)),
            Input::Tls(link, is_clean) => answer!(machine.handle_tls(now, link, usize::from(!is_clean))),
            Input::Credentials(link, told) => answer!(machine.handle_credentials(now, link, told)),
            Input::ServerChoice(attempt, server, delay) => {
                answer!(machine.handle_server_choice(now, attempt, server, delay))
            }
            Input::Progress(link, progress) => answer!(machine.handle_progress(now, link, progress)),
            Input::LinkClosed(link, end, unsent) => {
                let mut buffer = self.buffer(&unsent);
                self.connection.handle_link_closed(now, link, end, &mut buffer);
                // The end of an earlier link leaves what is being written alone.
                self.keep(buffer);
                answer!(())
            }
            Input::Subscribe(filter, queue) => answer!(machine.subscribe(now, filter, queue)),
            Input::Unsubscribe(sid) => answer!(machine.unsubscribe(now, sid)),
            Input::UnsubscribeAfter(sid, max) => answer!(machine.unsubscribe_after(now, sid, max)),
            Input::DrainSubscription(sid) => answer!(machine.drain_subscription(now, sid)),
            Input::CancelRequest(request) => answer!(machine.cancel_request(now, request)),
            Input::Flush => answer!(machine.flush(now)),
            Input::RoundTrip => answer!(machine.rtt(now)),
            Input::Drain => answer!(machine.drain(now)),
            Input::FinishDrain(unread) => answer!(machine.finish_drain(now, unread)),
            Input::Close => answer!(machine.close(now)),
            Input::Abort => answer!(machine.abort(now)),
            Input::DriverFailed => answer!(machine.driver_failed(now)),
            Input::ForceReconnect => answer!(machine.force_reconnect(now)),
            Input::SetServers(servers) => answer!(machine.set_servers(now, servers)),
            _ => (Output::Nothing, digest),
        }
    }

    fn receive(&mut self, received: &Received) {
        if let Some((link, _)) = received.buffer {
            self.rx = ReceiveBuf::new(link);
        }
        for piece in &received.pieces {
            let buffer = self.rx.buffer_mut();
            match piece {
                Piece::Bytes(bytes) => buffer.extend_from_slice(bytes),
                Piece::Elided { len, .. } => {
                    let len = usize::try_from(*len).unwrap_or_default();
                    buffer.resize(buffer.len().saturating_add(len), FILLER);
                }
            }
        }
        if let Some((_, seen)) = received.buffer {
            self.rx.mark_seen(usize::try_from(seen).unwrap_or(usize::MAX));
        }
    }

    fn transmit(&mut self, now: Timestamp, buffer: &Unsent, digest: Digest) -> (Output, Digest) {
        let mut tx = self.buffer(buffer);
        let taken = self.connection.poll_transmit(now, &mut tx);
        let mut digest = digest.answer(&taken).timeout(self.connection.poll_timeout());
        let mut output = Output::Nothing;
        if taken {
            digest = digest.bytes(tx.chunks());
            output = Output::Bytes(tx.chunks().flatten().copied().collect());
        }
        self.keep(tx);
        (output, digest)
    }

    /// For the next call that is given it.
    fn keep(&mut self, buffer: SendBuf) {
        if buffer.block().is_empty() {
            return;
        }
        if self.filled.len() >= BUFFERS {
            self.filled.remove(0);
        }
        self.filled.push(buffer);
    }

    /// A buffer in this state: the one that was filled so, as far as it was written; else an empty one.
    fn buffer(&mut self, wanted: &Unsent) -> SendBuf {
        let fits = |filled: &SendBuf| {
            filled.link() == wanted.link
                && filled.block().len() as u64 == wanted.len
                && filled.remaining() as u64 >= wanted.remaining
        };
        let place = self.filled.iter().rposition(fits);
        let mut buffer = match place {
            Some(place) if wanted.len > 0 => self.filled.remove(place),
            _ => SendBuf::new(wanted.link),
        };
        let left = usize::try_from(wanted.remaining).unwrap_or(usize::MAX);
        let written = buffer.remaining().saturating_sub(left);
        buffer.advance(written);
        if wanted.uncertain {
            buffer.mark_uncertain();
        }
        buffer
    }
}

/// The bytes that have to be made up for this input.
fn largest(input: &Input) -> Option<u64> {
    match input {
        Input::Event(received) => Some(
            received
                .pieces
                .iter()
                .map(Piece::len)
                .fold(0, u64::saturating_add),
        ),
        Input::Publish(message) | Input::Request(message, _) | Input::RequestMany(message, _) => {
            Some(message.payload.len())
        }
        _ => None,
    }
}

fn with_message<R>(message: &Outgoing, call: impl FnOnce(Publish<'_>) -> R) -> R {
    let payload = match &message.payload {
        Piece::Bytes(bytes) => bytes.clone(),
        Piece::Elided { len, .. } => {
            Bytes::from(alloc::vec![FILLER; usize::try_from(*len).unwrap_or_default()])
        }
    };
    let headers = message
        .headers
        .as_deref()
        .and_then(|block| Headers::parse(block).ok());
    call(Publish {
        subject: (&message.subject).into(),
        reply: message.reply.as_ref().map(Into::into),
        headers: headers.as_ref(),
        payload: if message.shared {
            Payload::Shared(payload)
        } else {
            Payload::Borrowed(&payload)
        },
    })
}
