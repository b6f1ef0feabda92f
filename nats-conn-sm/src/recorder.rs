//! What writes a recording of a connection while it lives: everything that goes into its machine, in a form that may be
//! shown to others, and a digest of what comes of it.

mod codec;
mod digest;
mod format;
mod outputs;
mod record;
mod redactor;
mod settings;

use core::fmt;

use bytes::{Buf, Bytes};
use nats_proto::Payload;

pub use self::format::{Entry, Recording, RecordingError, RecordingOptions};

pub(crate) use self::digest::Digest;
pub(crate) use self::outputs::Encode;
pub(crate) use self::record::canonical;
pub(crate) use self::redactor::{FILLER, credentials, url};

use self::codec::Writer;
use self::format::{MAGIC, VERSION};
use self::redactor::Redactor;
use crate::buffers::{ReceiveBuf, SendBuf};
use crate::config::Config;
use crate::ids::LinkId;
use crate::input::{Input, Outgoing, Piece, Received, Unsent};
use crate::publish::Publish;
use crate::time::Timestamp;

/// A recording on its way to whoever takes it.
pub(crate) struct Recorder {
    options: RecordingOptions,
    written: Writer,
    last: u64,
    /// The read buffer as it was left: its link, its bytes, and how many of them count as seen.
    rx: (LinkId, usize, usize),
    redactor: Redactor,
    /// Nobody took what was written: nothing more is.
    stopped: bool,
}

impl Recorder {
    pub(crate) fn new(config: &Config, seed: [u8; 32], now: Timestamp, options: RecordingOptions) -> Self {
        let mut written = Writer::default();
        written.0.extend_from_slice(MAGIC);
        written.number(VERSION);
        let mut header = Writer::default();
        header.text(env!("CARGO_PKG_VERSION"));
        header.flag(options.payloads);
        header.number(now.as_nanos());
        header.0.extend_from_slice(&seed);
        settings::write(config, &mut header);
        written.bytes(&header.0);
        Self {
            options,
            written,
            last: now.as_nanos(),
            rx: (LinkId::from_u64(0), 0, 0),
            redactor: Redactor::new(options.payloads),
            stopped: false,
        }
    }

    pub(crate) fn payloads(&self) -> bool {
        self.options.payloads
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    pub(crate) fn take(&mut self) -> Option<Bytes> {
        let written = core::mem::take(&mut self.written.0);
        (!written.is_empty()).then(|| Bytes::from(written))
    }

    pub(crate) fn push(&mut self, now: Timestamp, input: &Input, digest: u32) {
        if self.stopped {
            return;
        }
        let mut one = Writer::default();
        let now = now.as_nanos();
        one.number(now.saturating_sub(self.last));
        record::write(input, &mut one);
        one.0.extend_from_slice(&digest.to_le_bytes());
        if self.written.0.len().saturating_add(one.0.len()) > self.options.limit {
            self.stopped = true;
            one = Writer::default();
            one.number(now.saturating_sub(self.last));
            record::write(&Input::Stopped, &mut one);
            one.0.extend_from_slice(&[0; 4]);
        }
        self.written.bytes(&one.0);
        self.last = now;
    }

    /// What of this buffer is new; nothing if all of it is known.
    pub(crate) fn look_at(&mut self, rx: &mut ReceiveBuf) -> Received {
        let (link, len, seen) = self.rx;
        let known = rx.link() == link && rx.seen() == seen && rx.len() >= len;
        let buffer = (!known).then_some((rx.link(), rx.seen() as u64));
        if !known {
            self.redactor = Redactor::new(self.options.payloads);
        }
        let skip = if known { len } else { 0 };
        let fresh = rx.buffer_mut().get(skip..).unwrap_or_default();
        Received {
            buffer,
            pieces: self.redactor.redact(fresh),
        }
    }

    /// How the machine left it.
    pub(crate) fn leave(&mut self, rx: &ReceiveBuf) {
        self.rx = (rx.link(), rx.len(), rx.seen());
    }

    pub(crate) fn message(&self, publish: &Publish<'_>) -> Outgoing {
        let bytes = publish.payload.as_slice();
        Outgoing {
            subject: publish.subject.to_subject(),
            reply: publish.reply.map(|reply| reply.to_subject()),
            headers: publish
                .headers
                .filter(|headers| !headers.is_empty())
                .map(|headers| {
                    let block = headers.as_block();
                    if self.options.payloads {
                        Bytes::copy_from_slice(block)
                    } else {
                        Bytes::from(redactor::header_block(block))
                    }
                }),
            payload: if self.options.payloads {
                Piece::Bytes(Bytes::copy_from_slice(bytes))
            } else {
                redactor::elided(bytes)
            },
            shared: matches!(publish.payload, Payload::Shared(_)),
        }
    }
}

impl From<&SendBuf> for Unsent {
    fn from(buffer: &SendBuf) -> Self {
        Self {
            link: buffer.link(),
            len: buffer.block().len() as u64,
            remaining: buffer.remaining() as u64,
            uncertain: buffer.is_uncertain(),
        }
    }
}

/// Where a machine has its recorder, if it has one. A copy of a machine is not recorded: there is one life to
/// record.
#[derive(Default)]
pub(crate) struct RecorderSlot(Option<alloc::boxed::Box<Recorder>>);

impl RecorderSlot {
    pub(crate) fn set(&mut self, recorder: Recorder) {
        self.0 = Some(alloc::boxed::Box::new(recorder));
    }

    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&Recorder> {
        self.0.as_deref()
    }

    pub(crate) fn get_mut(&mut self) -> Option<&mut Recorder> {
        self.0.as_deref_mut()
    }
}

impl Clone for RecorderSlot {
    fn clone(&self) -> Self {
        Self(None)
    }
}

impl fmt::Debug for RecorderSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "On" } else { "Off" })
    }
}
