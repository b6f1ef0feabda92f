//! Handles of a connection that is led by hand: what they show, and what they have written.

use std::future::Future;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;
use nats_conn_sm::{EndReason, MailboxLimits, RepliesEnd, RequestMany, SubscriptionError};

use crate::core::pace::PATIENCE;
use crate::handles::puppet::Puppet;
use crate::handles::replies::Replies;
use crate::handles::subscription::Subscription;
use crate::{ClientEvent, ConnectOptions};

const MESSAGE: &str = "MSG a 1 3\r\none\r\n";

fn puppet() -> Puppet {
    in_mailboxes_of(MailboxLimits::default())
}

fn in_mailboxes_of(limits: MailboxLimits) -> Puppet {
    let options = ConnectOptions::default().mailbox(limits);
    let mut puppet = Puppet::in_a_session(options, "{\"headers\":true}");
    let _ = puppet.written();
    puppet
}

fn next<S: Stream + Unpin>(stream: &mut S) -> Poll<Option<S::Item>> {
    Pin::new(stream).poll_next(&mut Context::from_waker(Waker::noop()))
}

fn payload<S: Stream<Item = crate::Message> + Unpin>(stream: &mut S) -> Poll<Option<String>> {
    next(stream).map(|message| message.map(|message| message.text().into_owned()))
}

fn some(text: &str) -> Poll<Option<String>> {
    Poll::Ready(Some(text.into()))
}

/// A request for several replies, and the subject for them.
fn asked(puppet: &mut Puppet, many: RequestMany) -> (Replies, String) {
    let replies = puppet.client.request("q", "?").many(many).now().expect("room");
    let written = puppet.written();
    let publish = written
        .lines()
        .find_map(|line| line.strip_prefix("PUB q "))
        .expect("a request");
    let reply = publish.split(' ').next().expect("a subject").to_owned();
    (replies, reply)
}

#[test]
fn a_subscription_says_how_much_waits_for_its_holder() {
    let mut puppet = puppet();
    let mut subscription = puppet.client.subscribe("a").expect("open");
    assert_eq!(puppet.written(), "SUB a 1\r\n");
    assert_eq!((subscription.pending(), subscription.pending_bytes()), (0, 0));
    puppet.reads(&MESSAGE.repeat(2));
    assert_eq!(subscription.pending(), 2);
    assert_eq!(subscription.pending_bytes(), 2 * MESSAGE.len());
    assert!(subscription.try_next().is_some());
    assert_eq!(subscription.pending_bytes(), MESSAGE.len());
    assert_eq!((subscription.sid().get(), subscription.dropped()), (1, 0));
}

#[test]
fn how_much_may_wait_is_as_the_options_say_until_it_is_set_and_what_is_beyond_is_dropped() {
    let mut puppet = in_mailboxes_of(MailboxLimits::new(3, 1 << 20));
    let mut before = puppet.client.subscribe("a").expect("open");
    assert_eq!(before.limits(), MailboxLimits::new(3, 1 << 20));
    // Before its first message, and after it.
    before.set_limits(MailboxLimits::new(2, 1 << 20));
    puppet.reads(&MESSAGE.repeat(3));
    assert_eq!((before.pending(), before.dropped()), (2, 1));
    before.set_limits(MailboxLimits::new(4, 1 << 20));
    assert_eq!(before.limits(), MailboxLimits::new(4, 1 << 20));
    puppet.reads(&MESSAGE.repeat(3));
    assert_eq!((before.pending(), before.dropped()), (4, 2));
    assert_eq!(std::iter::from_fn(|| before.try_next()).count(), 4);
}

#[test]
fn a_subscription_is_a_stream_that_ends_behind_its_last_message() {
    let mut puppet = puppet();
    let mut subscription = puppet.client.subscribe("a").expect("open");
    assert_eq!(payload(&mut subscription), Poll::Pending);
    puppet.reads("MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\n");
    subscription.unsubscribe().expect("alive");
    assert_eq!(puppet.written(), "SUB a 1\r\nUNSUB 1\r\n");
    assert_eq!(subscription.ended(), Some(EndReason::Unsubscribed));
    assert_eq!(payload(&mut subscription), some("1"));
    assert_eq!(payload(&mut subscription), some("2"));
    assert_eq!(payload(&mut subscription), Poll::Ready(None));
    assert_eq!(subscription.unsubscribe(), Err(SubscriptionError::Unknown));
}

#[test]
fn a_subscription_ends_after_as_many_messages_as_were_asked_for() {
    let mut puppet = puppet();
    let mut subscription = puppet.client.subscribe("a").expect("open");
    subscription.unsubscribe_after(2).expect("alive");
    assert_eq!(puppet.written(), "SUB a 1\r\nUNSUB 1 2\r\n");
    puppet.reads(&MESSAGE.repeat(3));
    let taken = std::iter::from_fn(|| subscription.try_next()).count();
    assert_eq!((taken, subscription.ended()), (2, Some(EndReason::MaxReached)));
    assert_eq!(subscription.unsubscribe_after(9), Err(SubscriptionError::Unknown));
}

#[test]
fn a_subscription_that_is_dropped_is_unsubscribed_and_one_that_has_ended_is_not_again() {
    let mut puppet = puppet();
    let subscribe = |puppet: &Puppet| puppet.client.subscribe("a").expect("open");
    drop(subscribe(&puppet));
    let written = puppet.written();
    assert!(
        written.is_empty() || written == "SUB a 1\r\nUNSUB 1\r\n",
        "{written}"
    );
    let second = subscribe(&puppet);
    assert_eq!(puppet.written(), "SUB a 2\r\n");
    drop(second);
    assert_eq!(puppet.written(), "UNSUB 2\r\n");
    assert_eq!(puppet.client.statistics().subscriptions, 0);
    let third = subscribe(&puppet);
    third.unsubscribe().expect("alive");
    assert_eq!(puppet.written(), "SUB a 3\r\nUNSUB 3\r\n");
    drop(third);
    assert_eq!(puppet.written(), "");
}

#[test]
fn replies_are_a_stream_that_ends_with_the_request_and_those_that_found_no_room_are_counted() {
    let mut puppet = in_mailboxes_of(MailboxLimits::new(2, 1 << 20));
    let many = RequestMany::new(Duration::from_secs(600)).max(4);
    let (mut replies, reply) = asked(&mut puppet, many);
    assert_eq!(payload(&mut replies), Poll::Pending);
    assert_eq!((replies.dropped(), replies.ended()), (0, None));
    let answer = |text: &str| format!("MSG {reply} 1 1\r\n{text}\r\n");
    puppet.reads(&["1", "2", "3", "4"].map(answer).concat());
    assert_eq!(replies.ended(), Some(Ok(RepliesEnd::MaxReached)));
    assert_eq!(payload(&mut replies), some("1"));
    assert_eq!(payload(&mut replies), some("2"));
    assert_eq!(payload(&mut replies), Poll::Ready(None));
    assert_eq!(replies.dropped(), 2);
}

#[test]
fn replies_that_are_dropped_take_their_request_back() {
    let mut puppet = puppet();
    let (replies, _) = asked(&mut puppet, RequestMany::new(Duration::from_secs(600)));
    assert_eq!(puppet.client.statistics().requests, 1);
    drop(replies);
    assert_eq!(puppet.client.statistics().requests, 0);
}

#[test]
fn events_are_a_stream_that_ends_behind_the_end() {
    let mut puppet = puppet();
    let _ = puppet.told();
    assert_eq!(next(&mut puppet.events), Poll::Pending);
    puppet.is_cut_off();
    let Poll::Ready(Some(ClientEvent::Connection(event))) = next(&mut puppet.events) else {
        panic!("the end of a link is told");
    };
    assert_eq!(event.code(), "disconnected");
    drop(puppet.client.close());
    assert!(puppet.told().last().is_some_and(ClientEvent::is_closed));
    assert_eq!(next(&mut puppet.events), Poll::Ready(None));
}

#[test]
fn a_program_fails_unless_all_that_it_published_was_confirmed() {
    let said = |code: ExitCode| format!("{code:?}");
    let (good, bad) = (said(ExitCode::SUCCESS), said(ExitCode::FAILURE));
    assert_ne!(good, bad);
    let mut puppet = puppet();
    assert_eq!(said(puppet.client.exit_code()), good, "nothing was published");
    puppet.client.publish("a", "x").now().expect("room");
    assert_eq!(said(puppet.client.exit_code()), bad);
    let flush = puppet.client.flush();
    assert!(puppet.written().ends_with("PING\r\n"));
    puppet.reads("PONG\r\n");
    assert_eq!(said(puppet.client.exit_code()), good);
    drop(flush);
}

#[test]
fn who_waits_for_the_fate_of_a_publish_is_remembered_until_it_is_known_or_nobody_waits() {
    let mut puppet = puppet();
    let shared = puppet.client.shared().clone();
    let waiting = || shared.call_quietly(|locked| !locked.confirmations.is_empty());
    let publish = |puppet: &Puppet| puppet.client.publish("a", "x").confirmed().now().expect("room");
    assert!(!waiting());
    let outcome = publish(&puppet);
    assert!(waiting());
    drop(outcome);
    assert!(!waiting(), "nobody waits");
    let outcome = publish(&puppet);
    let _ = puppet.written();
    puppet.reads("PONG\r\n");
    assert!(!waiting(), "it is known");
    drop(outcome);
}

/// Nothing of a subscription is kept after its handle, whatever it ended with.
#[test]
fn what_a_server_said_of_a_subscription_is_kept_as_long_as_its_handle() {
    let mut puppet = puppet();
    let shared = puppet.client.shared().clone();
    let subscription: Subscription = puppet.client.subscribe("secret").expect("open");
    let sid = subscription.sid();
    let _ = puppet.written();
    let words = "Permissions Violation for Subscription to \"secret\"";
    puppet.reads(&format!("-ERR '{words}'\r\n"));
    assert_eq!(subscription.ended(), Some(EndReason::Refused));
    assert_eq!(subscription.refusal().as_deref(), Some(words));
    drop(subscription);
    assert!(shared.call_quietly(|locked| locked.confirmations.refusal(sid).is_none()));
}

fn polled<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// With a block that the driver has not come for.
fn ahead() -> Puppet {
    let puppet = puppet();
    puppet.paces_publishers();
    let payload = [b'x'; 1024];
    let publish = || polled(pin!(puppet.client.publish("large", &payload[..])));
    let accepted = std::iter::repeat_with(publish).take_while(Poll::is_ready);
    assert!((55..60).contains(&accepted.count()));
    puppet
}

#[test]
fn a_publisher_that_is_ahead_waits_for_the_driver_unless_it_has_little_time_or_nobody_writes() {
    let mut puppet = ahead();
    let client = puppet.client.clone();
    let mut patient = pin!(client.publish("patient", "1").timeout(PATIENCE * 2));
    let mut brief = pin!(client.publish("brief", "2").timeout(PATIENCE));
    assert!(polled(patient.as_mut()).is_pending());
    assert!(matches!(polled(brief.as_mut()), Poll::Ready(Ok(_))));
    assert!(polled(patient.as_mut()).is_pending());
    client.publish("now", "3").now().expect("room");
    assert!(puppet.written().contains("PUB now"));
    assert!(matches!(polled(patient.as_mut()), Poll::Ready(Ok(_))));

    let mut puppet = ahead();
    puppet.is_cut_off();
    let client = puppet.client.clone();
    for _ in 0..200 {
        let queued = polled(pin!(client.publish("large", &[b'x'; 1024][..])));
        assert!(matches!(queued, Poll::Ready(Ok(_))));
    }
}

#[test]
fn of_publishers_who_waited_for_the_driver_together_the_first_goes_first_whoever_is_polled_first() {
    let mut puppet = ahead();
    let client = puppet.client.clone();
    let (mut first, mut second) = (pin!(client.publish("a", "1")), pin!(client.publish("a", "2")));
    assert!(polled(first.as_mut()).is_pending() && polled(second.as_mut()).is_pending());
    let _ = puppet.written();
    assert!(polled(second.as_mut()).is_pending());
    assert!(polled(first.as_mut()).is_ready() && polled(second.as_mut()).is_ready());
    assert_eq!(puppet.written(), "PUB a 1\r\n1\r\nPUB a 1\r\n2\r\n");
}
