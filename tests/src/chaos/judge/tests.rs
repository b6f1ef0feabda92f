//! What is a violation, and what is not.

use nats_conn_client::PublishFates;

use super::*;
use crate::chaos::account::{Many, Published, Reply};

/// A publisher of three messages, all confirmed, which were seen.
fn sound(delivery: Delivery) -> (Account, Evidence) {
    let now = Instant::now();
    let mut account = Account::new(1, "test", Role::Publisher, delivery);
    account.published = (1..=3)
        .map(|seq| Published {
            until: Some(now),
            ..Published::accepted(seq, now)
        })
        .collect();
    account.closed = Some(ClosedReason::Drained {
        complete: true,
        unread: 0,
    });
    let mut fates = PublishFates::default();
    (fates.accepted, fates.confirmed, fates.settled) = (3, 3, 3);
    account.fates = Some(fates);
    let seen = Seen {
        notes: (0..3).map(|number| Note { life: 1, number }).collect(),
        ..Seen::default()
    };
    (
        account,
        Evidence {
            seen: vec![seen],
            outages: Vec::new(),
        },
    )
}

/// One message whose fate is this one, and how often it was seen.
fn one(delivery: Delivery, fate: Fate, times: usize) -> (Account, Evidence) {
    let (mut account, mut evidence) = sound(delivery);
    account.published.truncate(1);
    let mut fates = PublishFates::default();
    (fates.accepted, fates.settled) = (1, 1);
    match fate {
        Fate::Confirmed => fates.confirmed = 1,
        Fate::Unconfirmed => fates.unconfirmed = 1,
        Fate::Dropped => fates.dropped = 1,
        Fate::Refused => (fates.accepted, fates.settled, account.published[0].seq) = (0, 0, None),
    }
    if matches!(fate, Fate::Unconfirmed | Fate::Dropped) {
        account.lost.push((fate, 1..=1));
    }
    account.disconnects = 1;
    account.fates = Some(fates);
    evidence.seen[0].notes = vec![Note { life: 1, number: 0 }; times];
    (account, evidence)
}

fn violations((account, evidence): &(Account, Evidence)) -> usize {
    judge(std::slice::from_ref(account), evidence).violations.len()
}

#[test]
fn each_fate_allows_its_numbers_of_deliveries_and_no_other() {
    use Delivery::{AtLeastOnce, AtMostOnce};
    for (delivery, fate, allowed) in [
        (AtMostOnce, Fate::Confirmed, [false, true, false]),
        (AtMostOnce, Fate::Unconfirmed, [true, true, false]),
        (AtMostOnce, Fate::Dropped, [true, false, false]),
        (AtMostOnce, Fate::Refused, [true, false, false]),
        (AtLeastOnce, Fate::Confirmed, [false, true, true]),
        (AtLeastOnce, Fate::Dropped, [true, true, true]),
        // It is sent again until it is confirmed, or dropped, or the connection ends.
        (AtLeastOnce, Fate::Unconfirmed, [false, false, false]),
        (AtLeastOnce, Fate::Refused, [true, false, false]),
    ] {
        for (times, allowed) in allowed.into_iter().enumerate() {
            let found = violations(&one(delivery, fate, times));
            assert_eq!(found == 0, allowed, "{delivery:?}, {fate:?}, seen {times} times");
        }
    }
}

#[test]
fn a_cluster_may_pass_on_twice_what_goes_to_a_queue_group_and_nothing_else() {
    let (account, mut evidence) = one(Delivery::AtMostOnce, Fate::Confirmed, 2);
    evidence.seen.push(Seen::default());
    let mut case = (account, evidence);
    assert_eq!(violations(&case), 1);
    case.0.is_shared = true;
    assert_eq!(violations(&case), 0);
    // Nobody may see it, and one did.
    let (mut account, mut evidence) = one(Delivery::AtMostOnce, Fate::Refused, 1);
    account.is_shared = true;
    evidence.seen.push(Seen::default());
    assert_eq!(violations(&(account, evidence)), 1);
}

#[test]
fn what_a_server_confirmed_may_be_lost_with_it_and_only_then() {
    let mut case = one(Delivery::AtMostOnce, Fate::Confirmed, 0);
    let now = case.0.published[0].from;
    let second = Duration::from_secs(1);
    case.1.outages = vec![(now + second, now + 2 * second)];
    assert_eq!(violations(&case), 1);
    case.1.outages = vec![(now, now + second)];
    assert_eq!(violations(&case), 0);
}

#[test]
fn a_publish_has_one_fate() {
    let mut case = sound(Delivery::AtMostOnce);
    assert_eq!(violations(&case), 0);
    case.0.fates.as_mut().expect("fates").settled = 2;
    assert_eq!(violations(&case), 1);
    let mut case = one(Delivery::AtMostOnce, Fate::Unconfirmed, 1);
    case.0.lost.push((Fate::Dropped, 1..=1));
    // Two fates, and one more than the counters say.
    assert_eq!(violations(&case), 2);
}

#[test]
fn who_awaits_a_fate_is_told_the_one_that_it_has() {
    let mut case = sound(Delivery::AtMostOnce);
    case.0.told = vec![(0, Fate::Confirmed), (2, Fate::Confirmed)];
    assert_eq!(violations(&case), 0);
    case.0.told = vec![(0, Fate::Unconfirmed), (3, Fate::Confirmed)];
    assert_eq!(violations(&case), 2);
}

#[test]
fn ends_are_checked() {
    let spoil: [fn(&mut Account); 5] = [
        |account| account.closed = None,
        |account| account.closed = Some(ClosedReason::PoolExhausted),
        |account| account.lost_while_draining = 1,
        |account| account.wrong.push("anything".into()),
        |account| account.fates.as_mut().expect("fates").queued = 1,
    ];
    for spoil in spoil {
        let mut case = sound(Delivery::AtMostOnce);
        spoil(&mut case.0);
        assert_eq!(violations(&case), 1);
    }
    let mut case = sound(Delivery::AtMostOnce);
    case.0.calm_end = true;
    assert_eq!(violations(&case), 0);
    case.0.closed = Some(ClosedReason::Drained {
        complete: false,
        unread: 0,
    });
    assert_eq!(violations(&case), 1);
}

#[test]
fn a_request_is_seen_once_at_most_and_not_at_all_if_it_never_left() {
    for (answer, allowed) in [
        (Answer::Came, [false, true, false]),
        (Answer::MayBeSeen, [true, true, false]),
        (Answer::NeverLeft, [true, false, false]),
    ] {
        for (times, allowed) in allowed.into_iter().enumerate() {
            let (mut account, mut evidence) = one(Delivery::AtLeastOnce, Fate::Confirmed, times);
            evidence.seen[0].notes = vec![Note::of_request(1, 0); times];
            let published = account.published.remove(0);
            account.asked = vec![Asked {
                number: 0,
                answer,
                from: published.from,
                until: published.from,
                many: None,
            }];
            assert_eq!(
                violations(&(account, evidence)) == 0,
                allowed,
                "{answer:?}, {times}"
            );
        }
    }
}

fn receiver(role: Role, numbers: &[u32]) -> Account {
    let (mut account, _) = sound(Delivery::AtMostOnce);
    (account.life, account.role) = (2, role);
    account.published.clear();
    account.fates = None;
    let mut mailbox = Mailbox::new(role);
    let notes = numbers.iter().map(|number| Note {
        life: 1,
        number: *number,
    });
    mailbox.received = notes.collect();
    account.mailboxes = vec![mailbox];
    account
}

#[test]
fn a_gap_needs_a_lost_link_or_a_full_mailbox() {
    let (sender, evidence) = sound(Delivery::AtMostOnce);
    let found = |receiver: &Account| {
        judge(&[sender.clone(), receiver.clone()], &evidence)
            .violations
            .len()
    };
    for whole in [&[0, 1, 2][..], &[1, 2], &[0, 1], &[]] {
        assert_eq!(found(&receiver(Role::Subscriber, whole)), 0, "{whole:?}");
    }
    let mut gap = receiver(Role::Subscriber, &[0, 2]);
    assert_eq!(found(&gap), 1);
    gap.disconnects = 1;
    assert_eq!(found(&gap), 0);
    gap.disconnects = 0;
    gap.mailboxes[0].dropped = 1;
    assert_eq!(found(&gap), 0);
    assert_eq!(found(&receiver(Role::Worker, &[0, 2])), 0);
    let mut quiet = sender.clone();
    quiet.unheard = vec![Note { life: 1, number: 1 }];
    let heard = receiver(Role::Subscriber, &[0, 2]);
    assert_eq!(judge(&[quiet, heard], &evidence).violations.len(), 0);
}

#[test]
fn nothing_arrives_twice_and_a_queue_group_shares() {
    let (sender, evidence) = sound(Delivery::AtMostOnce);
    let found = |receivers: &[Account]| {
        let accounts = [std::slice::from_ref(&sender), receivers].concat();
        judge(&accounts, &evidence).violations.len()
    };
    assert_eq!(found(&[receiver(Role::Subscriber, &[0, 0])]), 1);
    assert_eq!(found(&[receiver(Role::Subscriber, &[9])]), 1);
    let (one, other) = (receiver(Role::Worker, &[0, 2]), receiver(Role::Worker, &[1]));
    assert_eq!(found(&[one.clone(), other]), 0);
    assert_eq!(found(&[one.clone(), one]), 2);
}

#[test]
fn who_lost_no_link_is_processed_and_received_in_order() {
    let (sender, mut evidence) = sound(Delivery::AtMostOnce);
    let found = |accounts: &[Account], evidence: &Evidence| judge(accounts, evidence).violations.len();
    let receiver = receiver(Role::Subscriber, &[0, 2, 1]);
    assert_eq!(found(&[sender.clone(), receiver.clone()], &evidence), 1);
    evidence.seen[0].notes.swap(0, 1);
    assert_eq!(found(std::slice::from_ref(&sender), &evidence), 1);
    let mut lost = sender.clone();
    lost.disconnects = 1;
    assert_eq!(found(&[lost, receiver], &evidence), 0);
    // Threads publish at the same time: the numbers of the connection count.
    let mut crowd = sender;
    (crowd.published[0].seq, crowd.published[1].seq) = (Some(2), Some(1));
    assert_eq!(found(&[crowd], &evidence), 0);
}

#[test]
fn what_a_crowd_publishes_at_least_once_is_unconfirmed_by_its_end_alone() {
    let mut case = one(Delivery::AtLeastOnce, Fate::Unconfirmed, 1);
    case.0.role = Role::Crowd;
    assert_eq!(violations(&case), 1);
    case.0.unconfirmed_by_end = vec![1..=1];
    assert_eq!(violations(&case), 0);
}

#[test]
fn what_was_told_without_a_number_counts() {
    for (fate, allowed) in [
        (Fate::Unconfirmed, [true, true, false]),
        (Fate::Dropped, [true, false, false]),
    ] {
        for (times, allowed) in allowed.into_iter().enumerate() {
            let mut case = one(Delivery::AtMostOnce, Fate::Refused, times);
            case.0.published[0].nameless = Some(fate);
            assert_eq!(violations(&case) == 0, allowed, "{fate:?}, {times}");
        }
    }
}

#[test]
fn replies_come_once_in_order_and_from_who_had_the_request() {
    let (mut asker, mut evidence) = one(Delivery::AtMostOnce, Fate::Confirmed, 1);
    let note = Note::of_request(1, 0);
    evidence.seen[0].notes = vec![note];
    let from = asker.published.remove(0).from;
    let mut answerer = receiver(Role::Answerer, &[]);
    answerer.mailboxes[0].received.push(note);
    let mut found = |places: &[u32], disconnects, asked: &Account| {
        let replies = places.iter().map(|place| Reply { by: 2, place: *place });
        asker.disconnects = disconnects;
        asker.asked = vec![Asked {
            number: 0,
            answer: Answer::Came,
            from,
            until: from,
            many: Some(Many {
                replies: replies.collect(),
                end: None,
            }),
        }];
        judge(&[asker.clone(), asked.clone()], &evidence).violations.len()
    };
    assert_eq!(found(&[0, 1, 2], 0, &answerer), 0);
    assert_eq!(found(&[0, 1], 0, &answerer), 0);
    assert_eq!(found(&[0, 2], 0, &answerer), 1);
    assert_eq!(found(&[0, 2], 1, &answerer), 0);
    assert_eq!(found(&[1, 0], 0, &answerer), 1);
    assert_eq!(found(&[1, 1], 1, &answerer), 1);
    let mut again = answerer.clone();
    again.delivery = Delivery::AtLeastOnce;
    assert_eq!(found(&[1, 1], 1, &again), 0);
    // Who has the request twice answers twice.
    let mut twice = answerer.clone();
    twice.mailboxes[0].received = vec![note; 2];
    assert_eq!(found(&[1, 1], 1, &twice), 1, "and had it once too often");
    assert_eq!(found(&[0], 0, &receiver(Role::Answerer, &[])), 1);
}

#[test]
fn gaps_are_counted_between_what_arrived() {
    let count = |text: &str| gaps(text.bytes().map(|byte| byte == b'x'));
    assert_eq!(
        ["", "..", ".x.", "x.x", "x..x", "x.x.x."].map(count),
        [0, 0, 0, 1, 1, 2]
    );
}
