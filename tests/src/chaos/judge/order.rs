//! In which order messages come.

use std::collections::HashMap;

use super::Judge;
use crate::chaos::account::Account;
use crate::chaos::note::Note;

impl Judge<'_> {
    /// Whose link was never lost is processed in the order of its numbers, and received in it.
    pub(super) fn orders(&mut self, accounts: &[Account]) {
        if self.is_cluster() {
            return;
        }
        let steady = accounts.iter().filter(|account| account.disconnects == 0);
        let steady: HashMap<u32, &Account> = steady.map(|account| (account.life, account)).collect();
        let seq_of = |note: &Note| {
            let publishes = steady.get(&note.life).map(|account| &account.published);
            publishes?.get(note.number as usize)?.seq
        };
        let evidence = self.evidence;
        for (seen, whose) in evidence.seen.iter().map(|seen| (seen, "the server")) {
            self.order(seen.notes.iter(), seq_of, whose);
        }
        for account in accounts {
            for mailbox in &account.mailboxes {
                self.order(mailbox.received.iter(), seq_of, &account.name());
            }
        }
    }

    fn order<'n>(
        &mut self,
        notes: impl Iterator<Item = &'n Note>,
        seq_of: impl Fn(&Note) -> Option<u64>,
        whose: &str,
    ) {
        let mut last: HashMap<u32, u64> = HashMap::new();
        for note in notes {
            let Some(seq) = seq_of(note) else { continue };
            self.count("messages in order of senders that lost no link", 1);
            let before = last.insert(note.life, seq);
            if before.is_some_and(|before| before > seq) {
                let text = format!("{whose} has {note:?}, of number {seq}, after {before:?}");
                self.verdict.violations.push((note.life, text));
            }
        }
    }
}
