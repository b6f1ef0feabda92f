//! How a recording is laid out, and how it is read.

use alloc::string::String;

use bytes::Bytes;
use thiserror::Error;

use super::codec::Reader;
use super::{record, settings};
use crate::config::Config;
use crate::input::Input;
use crate::time::Timestamp;

/// What a recording begins with.
pub(super) const MAGIC: &[u8] = b"NATSREC\n";
/// Which form it has.
pub(super) const VERSION: u64 = 2;

/// How to record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordingOptions {
    /// Keep payloads and the values of headers. Default: `false`: lengths and hashes.
    pub payloads: bool,
    /// How many bytes wait for [`Connection::poll_recording`](crate::Connection::poll_recording) at most. Where
    /// nobody takes them the recording stops with [`Input::Stopped`]. Default: 16 MiB.
    pub limit: usize,
}

impl Default for RecordingOptions {
    fn default() -> Self {
        Self {
            payloads: false,
            limit: 16 << 20,
        }
    }
}

/// Why a recording cannot be read, or not to its end.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// It does not begin as one.
    #[error("this is not a recording of a connection")]
    NotARecording,
    /// It has another form.
    #[error("the recording has version {found}, this program reads version {VERSION}")]
    Version {
        /// Its version.
        found: u64,
    },
    /// It ends in the middle of something. All that came before is good.
    #[error("the recording breaks off behind byte {at}")]
    Truncated {
        /// Where it ends.
        at: u64,
    },
    /// Something in it cannot be.
    #[error("byte {at} of the recording should be behind {what}, and is not")]
    Invalid {
        /// Where.
        at: u64,
        /// What was expected.
        what: &'static str,
    },
}

crate::debug_line::debug_line!(RecordingError);

impl RecordingError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotARecording => "not_a_recording",
            Self::Version { .. } => "version",
            Self::Truncated { .. } => "truncated",
            Self::Invalid { .. } => "invalid",
        }
    }
}

/// A recording that is being read: an iterator of its [`Entry`]s. It ends after the first error.
#[derive(Clone, Debug)]
pub struct Recording {
    version: String,
    payloads: bool,
    start: Timestamp,
    seed: [u8; 32],
    config: Config,
    now: u64,
    entries: Option<Reader>,
}

/// One input, and when it came.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// The input.
    pub input: Input,
    /// A digest of what came of it.
    pub digest: u32,
}

impl Recording {
    /// Reads how it begins.
    ///
    /// # Errors
    /// It is no recording, or one of another version.
    pub fn read(bytes: impl Into<Bytes>) -> Result<Self, RecordingError> {
        let bytes = bytes.into();
        if !bytes.starts_with(MAGIC) {
            return Err(RecordingError::NotARecording);
        }
        let mut reader = Reader::new(bytes, 0);
        reader.take(MAGIC.len())?;
        let found = reader.number()?;
        if found != VERSION {
            return Err(RecordingError::Version { found });
        }
        let header = reader.bytes()?;
        let at = reader.at().saturating_sub(header.len() as u64);
        let mut header = Reader::new(header, at);
        let version = header.text()?;
        let payloads = header.flag()?;
        let now = header.number()?;
        let mut seed = [0; 32];
        seed.copy_from_slice(&header.take(32)?);
        Ok(Self {
            version,
            payloads,
            start: Timestamp::from_nanos(now),
            seed,
            config: settings::read(&mut header)?,
            now,
            entries: Some(reader),
        })
    }

    /// The version of this crate that wrote it. Another one may record the same life differently.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether payloads and the values of headers are in it.
    pub fn has_payloads(&self) -> bool {
        self.payloads
    }

    /// When the connection was made.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// The seed of the connection.
    pub fn seed(&self) -> [u8; 32] {
        self.seed
    }

    /// The settings of the connection.
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn entry(&mut self) -> Result<Option<Entry>, RecordingError> {
        let Some(entries) = &mut self.entries else {
            return Ok(None);
        };
        if entries.is_empty() {
            return Ok(None);
        }
        let whole = entries.bytes()?;
        let at = entries.at().saturating_sub(whole.len() as u64);
        let mut reader = Reader::new(whole, at);
        self.now = self.now.saturating_add(reader.number()?);
        let input = record::read(&mut reader)?;
        let mut digest = [0; 4];
        digest.copy_from_slice(&reader.take(4)?);
        if !reader.is_empty() {
            return reader.invalid("the end of a record");
        }
        Ok(Some(Entry {
            at: Timestamp::from_nanos(self.now),
            input,
            digest: u32::from_le_bytes(digest),
        }))
    }
}

impl Iterator for Recording {
    type Item = Result<Entry, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.entry();
        if !matches!(entry, Ok(Some(_))) {
            self.entries = None;
        }
        entry.transpose()
    }
}
