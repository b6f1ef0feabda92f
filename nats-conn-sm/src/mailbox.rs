//! What has arrived for one subscription and its holder has not taken yet.

use alloc::collections::VecDeque;

use nats_proto::Message;

/// How much a [`Mailbox`] may hold before it counts as slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailboxLimits {
    /// Messages. Default: 65 536.
    pub messages: usize,
    /// Bytes of whole frames, as [`Message::wire_len`] counts them. Default: 64 MiB.
    pub bytes: usize,
}

impl MailboxLimits {
    /// These limits.
    pub const fn new(messages: usize, bytes: usize) -> Self {
        Self { messages, bytes }
    }
}

impl Default for MailboxLimits {
    fn default() -> Self {
        Self::new(65_536, 64 << 20)
    }
}

/// The messages of one subscription between the connection that reads them and the handle that takes them.
///
/// A mailbox never makes the connection wait. What does not fit is dropped, the newest first, and counted. A
/// mailbox that begins to drop is slow, and reports that once; the episode is over when it is half empty again. A
/// message that is larger than the limits is kept if the mailbox is empty.
///
/// **Pinned memory.** A message is a view into the block that was read. One forgotten message of 20 bytes would
/// keep a block of 64 KiB alive. Messages are therefore pushed with the number of the batch they were read in;
/// a driver calls [`detach_before`](Self::detach_before) when a batch grows old, and what is still here of it
/// is replaced by copies that pin nothing else.
///
/// ```
/// use nats_conn_sm::{Mailbox, MailboxLimits};
///
/// let mailbox = Mailbox::new(MailboxLimits::default());
/// assert!(mailbox.is_empty());
/// assert_eq!(mailbox.dropped(), 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Mailbox {
    limits: MailboxLimits,
    messages: VecDeque<Message>,
    bytes: usize,
    /// How many messages at the front pin nothing but themselves.
    detached: usize,
    /// What follows them: how many messages of which batch, the oldest first.
    attached: VecDeque<Run>,
    taken: u64,
    dropped: u64,
    /// In an episode of dropping: reported once, so the next drop is not reported again.
    slow: bool,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    batch: u64,
    count: usize,
}

impl Mailbox {
    /// A frame at least this large fills the block that it was read into, or most of it: a copy frees nothing.
    const OWN_BLOCK: usize = 64 << 10;
    /// From so many messages on, an empty mailbox takes the whole queue it is given rather than its contents.
    const WORTH_SWAPPING: usize = 16;
    /// An empty mailbox gives the memory of more slots than this back.
    const KEPT_SLOTS: usize = 4096;

    /// An empty mailbox.
    pub fn new(limits: MailboxLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Takes messages of one batch in, from the front of `messages`, which is empty afterwards.
    ///
    /// Returns whether an episode of dropping began.
    pub fn append(&mut self, batch: u64, messages: &mut VecDeque<Message>) -> bool {
        let bytes = messages
            .iter()
            .fold(0, |sum: usize, message| sum.saturating_add(message.wire_len()));
        let fits = self.messages.len().saturating_add(messages.len()) <= self.limits.messages
            && self.bytes.saturating_add(bytes) <= self.limits.bytes;
        if !fits {
            return self.append_what_fits(batch, messages);
        }
        self.note_attached(batch, messages.len());
        self.bytes = self.bytes.saturating_add(bytes);
        if self.messages.is_empty() && messages.len() >= Self::WORTH_SWAPPING {
            core::mem::swap(&mut self.messages, messages);
        } else {
            self.messages.append(messages);
        }
        false
    }

    /// Takes one message in.
    ///
    /// Returns whether an episode of dropping began with it.
    pub fn push(&mut self, batch: u64, message: Message) -> bool {
        let size = message.wire_len();
        let fits = self.messages.len() < self.limits.messages
            && self.bytes.saturating_add(size) <= self.limits.bytes;
        if !fits && !self.messages.is_empty() {
            self.dropped = self.dropped.saturating_add(1);
            return !core::mem::replace(&mut self.slow, true);
        }
        self.note_attached(batch, 1);
        self.bytes = self.bytes.saturating_add(size);
        self.messages.push_back(message);
        false
    }

    /// Takes the oldest message out.
    #[inline]
    pub fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.bytes = self.bytes.saturating_sub(message.wire_len());
        self.note_taken(1);
        Some(message)
    }

    /// Takes the oldest `max` messages out, and appends them to `taken`. Where these are all, and `taken` is empty, the two
    /// queues change places, unless that of the mailbox was so large that its memory is given back instead.
    ///
    /// What was taken counts towards no limit any more, and is not reached by [`detach_before`](Self::detach_before).
    pub fn pop_many(&mut self, max: usize, taken: &mut VecDeque<Message>) {
        let are_all = max >= self.messages.len() && taken.is_empty();
        if !are_all || self.messages.capacity() > Self::KEPT_SLOTS {
            let (before, count) = (taken.len(), max.min(self.messages.len()));
            taken.extend(self.messages.drain(..count));
            let bytes = taken.iter().skip(before).map(Message::wire_len);
            self.bytes = bytes.fold(self.bytes, usize::saturating_sub);
            self.note_taken(count);
            return;
        }
        core::mem::swap(&mut self.messages, taken);
        self.bytes = 0;
        self.note_taken(taken.len());
    }

    /// Replaces what was pushed with a batch older than this by copies that pin nothing but themselves. Frames
    /// of 64 KiB and more stay: they fill the blocks they were read into.
    pub fn detach_before(&mut self, batch: u64) {
        while let Some(run) = self.attached.front().copied()
            && run.batch < batch
        {
            self.attached.pop_front();
            for message in self.messages.iter_mut().skip(self.detached).take(run.count) {
                if message.wire_len() < Self::OWN_BLOCK {
                    *message = message.detach();
                }
            }
            self.detached = self.detached.saturating_add(run.count);
        }
    }

    /// Drops everything, without counting it as dropped. The memory is given back.
    pub fn clear(&mut self) {
        self.messages = VecDeque::new();
        self.attached = VecDeque::new();
        self.bytes = 0;
        self.detached = 0;
    }

    /// Other limits, for what comes from now on.
    pub fn set_limits(&mut self, limits: MailboxLimits) {
        self.limits = limits;
    }

    /// The limits.
    pub fn limits(&self) -> MailboxLimits {
        self.limits
    }

    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// How many messages at the front came in one batch, and are still views into what was read then; or how many are
    /// views into nothing but themselves.
    pub fn oldest(&self) -> usize {
        match self.attached.front() {
            Some(run) if self.detached == 0 => run.count,
            _ => self.detached,
        }
    }

    /// How many bytes of frames wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many messages have been taken out.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// How many messages have been dropped because there was no room.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether it is in an episode of dropping.
    pub fn is_slow(&self) -> bool {
        self.slow
    }

    /// Whether it is more than half full.
    pub fn is_crowded(&self) -> bool {
        self.messages.len() > self.limits.messages / 2 || self.bytes > self.limits.bytes / 2
    }

    /// So many messages were taken from the front.
    #[inline]
    fn note_taken(&mut self, count: usize) {
        self.taken = self.taken.saturating_add(count as u64);
        let mut left = count.saturating_sub(self.detached);
        self.detached = self.detached.saturating_sub(count);
        while left > 0
            && let Some(run) = self.attached.front_mut()
        {
            let gone = left.min(run.count);
            run.count = run.count.saturating_sub(gone);
            left = left.saturating_sub(gone);
            if run.count == 0 {
                self.attached.pop_front();
            }
        }
        if self.slow && !self.is_crowded() {
            self.slow = false;
        }
        if self.messages.is_empty() && self.messages.capacity() > Self::KEPT_SLOTS {
            self.messages = VecDeque::new();
        }
    }

    fn append_what_fits(&mut self, batch: u64, messages: &mut VecDeque<Message>) -> bool {
        let mut began = false;
        for message in messages.drain(..) {
            began |= self.push(batch, message);
        }
        began
    }

    fn note_attached(&mut self, batch: u64, count: usize) {
        if count == 0 {
            return;
        }
        match self.attached.back_mut() {
            Some(run) if run.batch == batch => run.count = run.count.saturating_add(count),
            _ => self.attached.push_back(Run { batch, count }),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use bytes::BytesMut;
    use nats_proto::{Decoder, Limits, ServerOp};

    use super::*;

    fn messages(payloads: &[&str]) -> VecDeque<Message> {
        let mut wire = BytesMut::new();
        for payload in payloads {
            wire.extend_from_slice(format!("MSG a 1 {}\r\n{payload}\r\n", payload.len()).as_bytes());
        }
        let mut decoder = Decoder::new(Limits::default());
        let mut decoded = VecDeque::new();
        while let Some(ServerOp::Message(message)) = decoder.decode(&mut wire).unwrap() {
            decoded.push_back(message);
        }
        assert_eq!(decoded.len(), payloads.len());
        decoded
    }

    fn taken(mailbox: &mut Mailbox) -> alloc::vec::Vec<alloc::string::String> {
        core::iter::from_fn(|| mailbox.pop())
            .map(|message| alloc::string::String::from_utf8_lossy(message.payload()).into_owned())
            .collect()
    }

    #[test]
    fn messages_leave_in_the_order_they_came() {
        let mut mailbox = Mailbox::new(MailboxLimits::default());
        mailbox.append(1, &mut messages(&["1", "2"]));
        mailbox.append(2, &mut messages(&["3"]));
        mailbox.push(2, messages(&["4"]).remove(0).unwrap());
        assert_eq!(mailbox.len(), 4);
        assert_eq!(taken(&mut mailbox), ["1", "2", "3", "4"]);
        assert_eq!((mailbox.bytes(), mailbox.taken()), (0, 4));
    }

    #[test]
    fn beyond_the_limit_the_newest_is_dropped_and_told_once_per_episode() {
        let mut mailbox = Mailbox::new(MailboxLimits::new(4, 1 << 20));
        assert!(!mailbox.append(1, &mut messages(&["1", "2", "3"])));
        assert!(
            mailbox.append(1, &mut messages(&["4", "5", "6"])),
            "an episode begins"
        );
        assert!(!mailbox.append(1, &mut messages(&["7"])), "the same episode");
        assert_eq!(mailbox.dropped(), 3);
        mailbox.pop();
        assert!(mailbox.is_slow(), "three of four is more than half");
        mailbox.pop();
        assert!(!mailbox.is_slow(), "half empty: the episode is over");
        assert!(
            mailbox.append(2, &mut messages(&["8", "9", "10"])),
            "a new episode"
        );
        assert_eq!(taken(&mut mailbox), ["3", "4", "8", "9"]);
        assert_eq!(mailbox.dropped(), 4);
    }

    #[test]
    fn the_limit_of_bytes_counts_whole_frames() {
        let frame = messages(&["12345"]).remove(0).unwrap().wire_len();
        let mut mailbox = Mailbox::new(MailboxLimits::new(100, frame * 2));
        assert!(mailbox.append(1, &mut messages(&["12345", "12345", "12345"])));
        assert_eq!(
            (mailbox.len(), mailbox.bytes(), mailbox.dropped()),
            (2, frame * 2, 1)
        );
    }

    #[test]
    fn a_message_larger_than_the_limits_is_kept_by_an_empty_mailbox() {
        let mut mailbox = Mailbox::new(MailboxLimits::new(10, 1));
        assert!(mailbox.append(1, &mut messages(&["large", "second"])));
        assert_eq!((mailbox.len(), mailbox.dropped()), (1, 1));
    }

    #[test]
    fn old_batches_are_copied_out_of_their_blocks() {
        let mut mailbox = Mailbox::new(MailboxLimits::default());
        mailbox.append(1, &mut messages(&["1", "2"]));
        mailbox.append(2, &mut messages(&["3"]));
        let places = |mailbox: &Mailbox| -> alloc::vec::Vec<*const u8> {
            mailbox
                .messages
                .iter()
                .map(|message| message.payload().as_ptr())
                .collect()
        };
        let before = places(&mailbox);
        mailbox.detach_before(2);
        let after = places(&mailbox);
        assert_ne!(before[0], after[0]);
        assert_ne!(before[1], after[1]);
        assert_eq!(before[2], after[2], "the young batch stays where it was read");
        mailbox.pop();
        mailbox.detach_before(3);
        assert_ne!(before[2], places(&mailbox)[1]);
        assert_eq!(taken(&mut mailbox), ["2", "3"]);
    }

    #[test]
    fn other_limits_hold_for_what_comes_and_clearing_counts_nothing_as_dropped() {
        let mut mailbox = Mailbox::new(MailboxLimits::new(10, 1 << 20));
        mailbox.append(1, &mut messages(&["1", "2", "3"]));
        mailbox.set_limits(MailboxLimits::new(3, 1 << 20));
        assert_eq!(mailbox.limits(), MailboxLimits::new(3, 1 << 20));
        assert!(mailbox.append(1, &mut messages(&["4"])));
        assert!(mailbox.is_crowded() && mailbox.is_slow() && !mailbox.is_empty());
        mailbox.clear();
        assert_eq!((mailbox.len(), mailbox.bytes(), mailbox.dropped()), (0, 0, 1));
        assert!(mailbox.is_empty());
    }

    #[test]
    fn popping_keeps_the_account_of_what_is_attached() {
        let mut mailbox = Mailbox::new(MailboxLimits::default());
        for batch in 0..10 {
            mailbox.append(batch, &mut messages(&["a", "b", "c"]));
        }
        for _ in 0..4 {
            mailbox.pop();
        }
        mailbox.detach_before(5);
        for _ in 0..20 {
            mailbox.pop();
        }
        assert_eq!(mailbox.len(), 6);
        assert_eq!(
            mailbox.detached + mailbox.attached.iter().map(|run| run.count).sum::<usize>(),
            6
        );
    }

    #[test]
    fn taking_many_is_as_taking_them_one_by_one() {
        for max in [0, 1, 3, 4, 5, 9, 10, 100] {
            for already in [0, 2] {
                let mut one_by_one = Mailbox::new(MailboxLimits::new(9, 1 << 20));
                for batch in 0..5 {
                    one_by_one.append(batch, &mut messages(&["a", "bb"]));
                }
                one_by_one.detach_before(2);
                let mut at_once = one_by_one.clone();
                let before = messages(&["0"; 2]).into_iter().take(already);
                let (mut taken, mut expected) = (before.clone().collect(), before.collect::<VecDeque<_>>());
                at_once.pop_many(max, &mut taken);
                expected.extend((0..max).map_while(|_| one_by_one.pop()));
                assert_eq!(taken, expected);
                let account = |mailbox: &Mailbox| {
                    let attached = mailbox.attached.iter().map(|run| (run.batch, run.count));
                    let attached: alloc::vec::Vec<_> = attached.collect();
                    let counts = (mailbox.len(), mailbox.bytes(), mailbox.taken(), mailbox.dropped());
                    (counts, mailbox.detached, attached, mailbox.is_slow())
                };
                assert_eq!(account(&at_once), account(&one_by_one), "{max} of 9");
            }
        }
    }

    #[test]
    fn much_room_is_given_back_only_when_it_is_empty() {
        let mut mailbox = Mailbox::new(MailboxLimits::new(10_000, 1 << 30));
        mailbox.append(1, &mut messages(&["x"; 5000]));
        assert!(mailbox.pop().is_some());
        assert_eq!(mailbox.len(), 4999);
        while mailbox.pop().is_some() {}
        assert_eq!(mailbox.messages.capacity(), 0);
    }

    #[test]
    fn what_is_cleared_is_gone_and_counts_as_nothing() {
        let mut mailbox = Mailbox::new(MailboxLimits::new(10, 1 << 30));
        mailbox.append(1, &mut messages(&["x"; 3]));
        mailbox.clear();
        assert_eq!((mailbox.len(), mailbox.bytes(), mailbox.dropped()), (0, 0, 0));
        assert!(mailbox.pop().is_none());
    }

    #[test]
    fn the_oldest_are_those_of_one_batch_or_those_that_pin_nothing() {
        let mut mailbox = Mailbox::new(MailboxLimits::default());
        assert_eq!(mailbox.oldest(), 0);
        mailbox.append(1, &mut messages(&["1", "2"]));
        mailbox.append(2, &mut messages(&["3"; 3]));
        assert_eq!(mailbox.oldest(), 2);
        mailbox.pop();
        assert_eq!(mailbox.oldest(), 1);
        mailbox.detach_before(3);
        assert_eq!(mailbox.oldest(), 4);
        mailbox.append(3, &mut messages(&["4"]));
        mailbox.pop_many(4, &mut VecDeque::new());
        assert_eq!(mailbox.oldest(), 1);
    }

    #[test]
    fn a_batch_is_remembered_once_however_often_it_comes() {
        let mut mailbox = Mailbox::new(MailboxLimits::default());
        for _ in 0..100 {
            mailbox.append(1, &mut messages(&["1"]));
        }
        mailbox.append(2, &mut messages(&["2"]));
        assert_eq!(mailbox.attached.len(), 2);
    }

    #[test]
    fn more_than_half_of_either_limit_is_crowded() {
        let frame = messages(&["12345"]).remove(0).unwrap().wire_len();
        for limits in [MailboxLimits::new(4, 1 << 20), MailboxLimits::new(100, frame * 4)] {
            let mut mailbox = Mailbox::new(limits);
            mailbox.append(1, &mut messages(&["12345", "12345"]));
            assert!(!mailbox.is_crowded(), "half of {limits:?}");
            mailbox.append(1, &mut messages(&["12345"]));
            assert!(mailbox.is_crowded(), "three quarters of {limits:?}");
        }
    }
}
