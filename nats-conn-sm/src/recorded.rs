//! A machine that is being recorded: every call is written down with a digest of what came of it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt::Debug;

use bytes::Bytes;

use crate::action::Action;
use crate::buffers::{ReceiveBuf, SendBuf};
use crate::config::Config;
use crate::connection::Connection;
use crate::error::ConfigError;
use crate::event::Event;
use crate::publish::Publish;
use crate::recording::{Digest, Input, Outgoing, Received, Recorder, RecordingOptions};
use crate::time::Timestamp;

/// Recording: see the crate's documentation.
impl Connection {
    /// As [`new`](Self::new), and recorded from its first moment on. A clone of it is not recorded.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn recorded(
        config: Config,
        seed: [u8; 32],
        now: Timestamp,
        options: RecordingOptions,
    ) -> Result<Self, ConfigError> {
        let recorder = Recorder::new(&config, seed, now, options);
        let mut connection = Self::new(config, seed, now)?;
        connection.recorder.0 = Some(Box::new(recorder));
        Ok(connection)
    }

    /// The next bytes of the recording, if it is recorded and something was since the last call. To be taken
    /// once a turn, and written to a file or wherever it is to go, in order.
    pub fn poll_recording(&mut self) -> Option<Bytes> {
        self.recorder.0.as_mut()?.take()
    }

    /// Whether it is being recorded: not if it never was, nor when the recording has stopped because nobody
    /// took it.
    pub fn is_recording(&self) -> bool {
        self.recorder
            .0
            .as_ref()
            .is_some_and(|recorder| !recorder.is_stopped())
    }

    /// Makes a call, and writes it down if that is asked for: the one branch that it costs if not.
    #[inline]
    pub(crate) fn noted<R: Debug>(
        &mut self,
        input: impl FnOnce() -> Input,
        call: impl FnOnce(&mut Self) -> R,
    ) -> R {
        if self.recorder.0.is_none() {
            return call(self);
        }
        self.note(
            |_| input(),
            call,
            |_, machine, answer| Digest::new(false).answer(answer).timeout(machine.poll_timeout()),
        )
    }

    /// The same for a call with a message.
    #[inline]
    pub(crate) fn noted_message<R: Debug>(
        &mut self,
        publish: Publish<'_>,
        input: impl FnOnce(Outgoing) -> Input,
        call: impl FnOnce(&mut Self, Publish<'_>) -> R,
    ) -> R {
        let Some(recorder) = &self.recorder.0 else {
            return call(self, publish);
        };
        let message = recorder.message(&publish);
        // Time does not come with a publish, so what it says of time may differ.
        self.note(
            |_| input(message),
            |machine| call(machine, publish),
            |_, _, answer| Digest::new(false).answer(answer),
        )
    }

    #[cold]
    fn note<R>(
        &mut self,
        input: impl FnOnce(&mut Recorder) -> Input,
        call: impl FnOnce(&mut Self) -> R,
        digest: impl FnOnce(&Recorder, &Self, &R) -> Digest,
    ) -> R {
        // What a call makes of itself is no further input.
        let Some(mut recorder) = self.recorder.0.take() else {
            return call(self);
        };
        let input = input(&mut recorder);
        let answer = call(self);
        let digest = digest(&recorder, self, &answer).value();
        recorder.push(self.now, &input, digest);
        self.recorder.0 = Some(recorder);
        answer
    }

    #[cold]
    pub(crate) fn note_event(&mut self, now: Timestamp, rx: &mut ReceiveBuf) -> Option<Event> {
        let mut recorder = self.recorder.0.take()?;
        let received = recorder.look_at(rx);
        let seen = rx.seen;
        let mut progress = false;
        let event = self.next_event(now, rx, &mut progress);
        recorder.left(rx);
        // Bytes that were only heard move the keep-alive.
        let heard = rx.seen != seen;
        if event.is_some() || progress || heard || received.buffer.is_some() || !received.pieces.is_empty() {
            let mut digest = Digest::new(recorder.payloads()).event(event.as_ref());
            if event.is_none() {
                digest = digest.timeout(self.poll_timeout());
            }
            recorder.push(self.now, &Input::Event(received), digest.value());
        }
        self.recorder.0 = Some(recorder);
        event
    }

    #[cold]
    pub(crate) fn note_taken_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if let Some(recorder) = &mut self.recorder.0 {
            let digest = Digest::new(recorder.payloads()).event(Some(&event));
            let nothing_new = Received {
                buffer: None,
                pieces: Vec::new(),
            };
            recorder.push(self.now, &Input::Event(nothing_new), digest.value());
        }
        Some(event)
    }

    #[cold]
    pub(crate) fn note_action(&mut self) -> Option<Action> {
        let action = self.actions.pop_front()?;
        if let Some(recorder) = &mut self.recorder.0 {
            let digest = Digest::new(recorder.payloads()).action(Some(&action));
            recorder.push(self.now, &Input::Action, digest.value());
        }
        Some(action)
    }

    #[cold]
    pub(crate) fn note_transmit(&mut self, now: Timestamp, tx: &mut SendBuf) -> bool {
        let buffer = (&*tx).into();
        let handed = self.present_link().is_some_and(|link| link.handed.is_some());
        let now = self.enter(now);
        let taken = self.next_transmit(now, tx);
        let still_handed = self.present_link().is_some_and(|link| link.handed.is_some());
        let told = self.has_something_to_tell();
        if taken || handed != still_handed || told {
            let timeout = self.poll_timeout();
            if let Some(recorder) = &mut self.recorder.0 {
                let mut digest = Digest::new(recorder.payloads()).answer(&taken).timeout(timeout);
                if taken {
                    digest = digest.bytes(tx.chunks());
                }
                recorder.push(self.now, &Input::Transmit(buffer), digest.value());
            }
        }
        taken
    }

    #[cold]
    pub(crate) fn note_timeout(&mut self, now: Timestamp) {
        let now = self.enter(now);
        if self.next_timer().is_some_and(|(_, at)| at <= now) {
            self.note(
                |_| Input::Timeout,
                |machine| machine.fire_timers(now),
                |_, machine, ()| Digest::new(false).timeout(machine.poll_timeout()),
            );
        }
    }
}
