//! Where the recording of a connection goes.

use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::core::lock::lock;
use crate::core::panics::caught;

/// What a recording is written to. Clones are one and the same, and the first connection made has it.
#[derive(Clone)]
pub(crate) struct RecordingSink(Arc<Mutex<Option<Box<dyn Write + Send>>>>);

impl RecordingSink {
    pub(crate) fn new(writer: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(writer)))))
    }

    /// For the connection that is being made, if none had it before.
    pub(crate) fn take(&self) -> Option<RecordingWriter> {
        let writer = lock(&self.0).take()?;
        Some(RecordingWriter {
            waiting: Mutex::new(VecDeque::new()),
            writer: Mutex::new(Some(writer)),
        })
    }
}

/// Writes what was recorded, in order, without holding the lock of the machine.
pub(crate) struct RecordingWriter {
    waiting: Mutex<VecDeque<Bytes>>,
    writer: Mutex<Option<Box<dyn Write + Send>>>,
}

impl RecordingWriter {
    /// To be called while the machine is locked.
    pub(crate) fn push(&self, bytes: Bytes) {
        lock(&self.waiting).push_back(bytes);
    }

    /// To be called when it is no longer. Whoever cannot be written to, or panics, gets nothing more.
    pub(crate) fn write(&self) {
        let mut writer = lock(&self.writer);
        loop {
            let Some(bytes) = lock(&self.waiting).pop_front() else {
                return;
            };
            let written = writer
                .as_mut()
                .map(|writer| caught(|| writer.write_all(&bytes).and_then(|()| writer.flush())));
            if !matches!(written, None | Some(Ok(Ok(())))) {
                *writer = None;
            }
        }
    }
}

impl fmt::Debug for RecordingWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordingWriter")
    }
}
