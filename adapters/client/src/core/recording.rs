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

#[cfg(test)]
mod tests {
    use super::*;

    /// What was written, and how often it was flushed.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            lock(&self.0).0.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            lock(&self.0).1 += 1;
            Ok(())
        }
    }

    #[test]
    fn what_was_recorded_is_written_once_and_in_order() {
        let kept = Kept::default();
        let sink = RecordingSink::new(kept.clone());
        let writer = sink.take().unwrap();
        assert!(sink.take().is_none(), "one connection has it");
        for bytes in ["one ", "two "] {
            writer.push(Bytes::from_static(bytes.as_bytes()));
        }
        assert!(
            lock(&kept.0).0.is_empty(),
            "nothing is written under the lock of the machine"
        );
        writer.write();
        writer.write();
        assert_eq!(*lock(&kept.0), (b"one two ".to_vec(), 2));
    }

    #[test]
    fn who_cannot_be_written_to_gets_nothing_more_and_nothing_of_it_prints() {
        struct Broken(Arc<Mutex<usize>>);

        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                *lock(&self.0) += 1;
                Err(std::io::ErrorKind::StorageFull.into())
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }

        let asked = Arc::default();
        let writer = RecordingSink::new(Broken(Arc::clone(&asked))).take().unwrap();
        for _ in 0..3 {
            writer.push(Bytes::from_static(b"secret"));
            writer.write();
        }
        assert_eq!(*lock(&asked), 1);
        assert_eq!(format!("{writer:?}"), "RecordingWriter");
    }
}
