//! What came of requests for several replies.

use std::collections::HashMap;

use nats_conn_client::Delivery;

use super::Judge;
use crate::chaos::account::{Account, Many, Role};
use crate::chaos::note::Note;

impl Judge<'_> {
    /// Several replies to one request: each once, from somebody who had the request, and in order.
    pub(super) fn replies(&mut self, accounts: &[Account]) {
        let answerers: HashMap<u32, Answerer<'_>> = accounts
            .iter()
            .map(|account| (account.life, Answerer::new(account)))
            .collect();
        let is_cluster = self.is_cluster();
        for account in accounts {
            for asked in &account.asked {
                let Some(many) = &asked.many else { continue };
                self.count("requests for several replies", 1);
                self.count("replies to requests for several", many.replies.len() as u64);
                let note = Note::of_request(account.life, asked.number);
                let way = match (is_cluster, account.disconnects) {
                    (false, 0) => Way::Steady,
                    (false, _) => Way::Broken,
                    (true, _) => Way::Moved,
                };
                if let Err(wrong) = check_replies(note, many, way, &answerers) {
                    self.violation(account, format!("request {}: {wrong}: {many:?}", asked.number));
                }
            }
        }
    }
}

/// Who may have answered.
struct Answerer<'a> {
    account: &'a Account,
    /// How often it had which request.
    had: HashMap<Note, usize>,
}

impl<'a> Answerer<'a> {
    fn new(account: &'a Account) -> Self {
        let mailboxes = account.mailboxes.iter();
        let answering = mailboxes.filter(|mailbox| mailbox.role == Role::Answerer);
        let mut had = HashMap::new();
        for note in answering.flat_map(|mailbox| &mailbox.received) {
            *had.entry(*note).or_default() += 1;
        }
        Self { account, had }
    }
}

/// How replies come to who asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// On one link.
    Steady,
    /// Some may be lost.
    Broken,
    /// Through a cluster: some may be lost, and who moves within it may have one from two servers.
    Moved,
}

/// The replies to this request.
fn check_replies(
    note: Note,
    many: &Many,
    way: Way,
    answerers: &HashMap<u32, Answerer<'_>>,
) -> Result<(), &'static str> {
    let mut places: HashMap<u32, Vec<u32>> = HashMap::new();
    for reply in &many.replies {
        places.entry(reply.by).or_default().push(reply.place);
    }
    for (by, places) in &places {
        let Some(by) = answerers.get(by) else {
            return Err("a reply of nobody");
        };
        let Some(requests) = by.had.get(&note) else {
            return Err("a reply of somebody who had no request");
        };
        let too_often = |place: &u32| places.iter().filter(|other| *other == place).count() > *requests;
        let sends_once = by.account.delivery == Delivery::AtMostOnce && way != Way::Moved;
        if sends_once && places.iter().any(too_often) {
            return Err("a reply that came twice");
        }
        // On one link nothing overtakes and nothing is left out.
        if way == Way::Steady
            && by.account.disconnects == 0
            && !places.iter().copied().eq(0..places.len() as u32)
        {
            return Err("replies that are not the first ones in order");
        }
    }
    Ok(())
}
