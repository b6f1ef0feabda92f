//! What must always hold, at every step; and what must hold of the whole story.

use bytes::Buf;
use nats_conn_sm::recording::{Recording, Replayer};
use nats_conn_sm::{Fate, PublishSeq, ReceiveBuf};

use super::World;
use crate::golden;
use crate::model_server::parse_transcript;
use crate::story;
use crate::wire;

/// Blocks are this long at most, unless a single frame is longer.
const BLOCK: usize = 64 * 1024;

impl World {
    /// After every call of the machine.
    pub(super) fn check(&mut self) {
        let fates = self.client.publish_fates();
        if let Err(fault) = self.ledger.fates(fates) {
            panic!("{fault}; the story:\n{}", self.tale());
        }
        let timeout = self.client.poll_timeout();
        assert!(
            timeout.is_none_or(|at| at >= self.now()),
            "the next timeout {timeout:?} is before now, {:?}; the story:\n{}",
            self.now(),
            self.tale()
        );
        // Where nothing waits to be polled, what is asked and what was reported agree.
        let now = self.now();
        if timeout != Some(now) && !self.client.has_events() {
            let next = self.client.next_attempt(now);
            assert!(
                self.planned.agrees(next.as_ref(), now),
                "{:?} was reported, and {next:?} is shown; the story:\n{}",
                self.planned,
                self.tale()
            );
        }
    }

    /// After `handle_timeout`: the next timeout is later than now, or there is something to be polled.
    pub(super) fn check_timeout_handled(&mut self) {
        self.check();
        if self.client.poll_timeout().is_none_or(|at| at > self.now()) {
            return;
        }
        let mut twin = self.client.clone();
        let mut rx = ReceiveBuf::new(self.rx.link());
        rx.buffer_mut().extend_from_slice(self.rx.buffer_mut());
        let output = twin.wants_transmit()
            || twin.poll_event(self.now(), &mut rx).is_some()
            || twin.poll_action().is_some()
            || twin.poll_timeout().is_none_or(|at| at > self.now());
        assert!(
            output,
            "a timeout is still due, and has no effect; the story:\n{}",
            self.tale()
        );
    }

    /// A block that the machine handed out: whole frames, and not too many.
    pub(super) fn check_block(&mut self) {
        let bytes = self.tx.chunks().collect::<Vec<&[u8]>>().concat();
        let frames = parse_transcript(&bytes).len();
        assert_eq!(bytes.len(), self.tx.remaining(), "all of it can be seen at once");
        assert!(
            bytes.len() <= BLOCK || frames == 1,
            "a block of {} bytes and {frames} frames",
            bytes.len()
        );
    }

    /// The whole story: what servers saw, the order on each wire, and the fates.
    ///
    /// # Panics
    /// If something is not as it must be.
    pub fn verify(&mut self) {
        let verdict = self.verdict();
        if let Err(fault) = verdict {
            panic!("{fault}; the story:\n{}", self.tale());
        }
    }

    /// The recording of the client so far.
    pub fn recording(&mut self) -> &[u8] {
        while let Some(bytes) = self.client.poll_recording() {
            self.recorded.extend_from_slice(&bytes);
        }
        &self.recorded
    }

    /// The recorded life replays to the same: how many inputs it has. None if it is not recorded.
    ///
    /// # Panics
    /// If it is not the same.
    pub fn verify_recording(&mut self) -> u64 {
        if !self.client.is_recording() {
            return 0;
        }
        let bytes = self.recording().to_vec();
        let length = bytes.len();
        if let Some((_, inputs)) = self.replayed.filter(|(before, _)| *before == length) {
            return inputs;
        }
        let recording = Recording::read(bytes).expect("a recording");
        let inputs =
            Replayer::run(recording).unwrap_or_else(|fault| panic!("{fault}; the story:\n{}", self.tale()));
        self.replayed = Some((length, inputs));
        inputs
    }

    fn verdict(&mut self) -> Result<(), String> {
        let violations = self.cluster.violations();
        if !self.tolerate_violations && !violations.is_empty() {
            return Err(format!("the servers complain: {violations:?}"));
        }
        for pipe in &self.pipes {
            let Some(peer) = pipe.peer else { continue };
            let fault = |fault| format!("on {}: {fault}", pipe.link);
            wire::check(self.cluster.log(peer), &pipe.facts(), &self.ledger).map_err(fault)?;
        }
        if self.client.poll_action().is_none() {
            self.ledger.reported(&self.client.publish_fates(), self.resends)?;
        }
        let fate = |number| self.client.fate(PublishSeq::from_u64(number));
        self.ledger.compare(self.cluster.logs(), self.resends, fate)?;
        if self
            .events
            .last()
            .is_some_and(|(_, event)| story::name(event) == "closed")
        {
            self.verify_closed()?;
        }
        Ok(())
    }

    /// Nothing comes after the end.
    fn verify_closed(&mut self) -> Result<(), String> {
        let left = (
            self.client.poll_timeout(),
            self.client.poll_action(),
            self.client.wants_transmit(),
        );
        if left != (None, None, false) {
            return Err(format!("after closed there is still {left:?}"));
        }
        let fates = self.client.publish_fates();
        if fates.queued + fates.written != 0 || fates.settled != fates.accepted {
            return Err(format!("closed, and not settled: {fates:?}"));
        }
        let open = (1..=fates.accepted).find(|number| {
            self.client
                .fate(PublishSeq::from_u64(*number))
                .is_some_and(|fate| fate != Fate::Settled)
        });
        open.map_or(Ok(()), |number| {
            Err(format!("closed, and publish {number} is not settled"))
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !self.forgotten && !std::thread::panicking() {
            self.verify();
        }
        if !std::thread::panicking() {
            self.verify_recording();
            if self.client.is_recording() && !self.varies {
                golden::check_story(self.recording());
            }
        }
    }
}
