//! What zero and `Duration::MAX` mean in every adapter: at once, and never. What the machine does with them is in
//! `machine/durations.rs`; here are the clocks and timers of drivers, and the times that only adapters have.

use nats_conn_client::{Backoff, LameDuckPolicy, RequestMany};

use crate::scene::*;

const SUBJECT: Subject = Subject::from_static("durations");

/// Every time of the options.
fn all(urls: &str, time: Duration) -> Options {
    let mut backoff = Backoff::default();
    (backoff.base, backoff.max, backoff.jitter) = (time, time, Some(time));
    let mut policy = LameDuckPolicy::default();
    if let LameDuckPolicy::Move { within } = &mut policy {
        *within = time;
    }
    let options = options(urls)
        .backoff(backoff)
        .lame_duck(policy)
        .min_stable(time)
        .auth_strike_gap(time)
        .confirm_after(time)
        .drain_hand(time)
        .drain_patience(time)
        .close_timeout(time)
        .request_timeout(time)
        .publish_timeout(time)
        .patience(time);
    if time.is_zero() {
        return options;
    }
    options
        .connect_timeout(time)
        .ping_interval(time)
        .drain_timeout(time)
}

scenarios! {
    async fn with_the_longest_times_everything_works_and_nothing_is_given_up(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(all(&cluster.urls(), Duration::MAX));
        watch.until("connected").await;
        let mut subscription = client.subscribe(&SUBJECT).expect("open");
        soon(client.publish(&SUBJECT, "1")).await.expect("room");
        soon(client.flush()).await.expect("a session");
        assert_eq!(text(&mut subscription).await, "1");
        // An answer that takes its time.
        let mut asked = client.subscribe(filter("asked")).expect("open");
        let (asking, answering) = (client.clone(), client.clone());
        let asked_for = adapter.spawn(async move { asking.request("asked", "").await });
        let question = message(&mut asked).await;
        pause(Duration::from_millis(100)).await;
        soon(answering.respond(&question, "answer")).await.expect("room");
        assert_eq!(soon(asked_for).await.expect("answered").payload(), b"answer");
        // The link was not stable for so long: the wait has no end of its own.
        cluster.server(0).crash();
        cluster.server(0).restart().expect("its port");
        watch.until("backoff_wait").await;
        client.force_reconnect().expect("open");
        watch.until("reconnected").await;
        drop((subscription, asked));
        soon(client.drain()).await;
    }

    async fn with_no_time_at_all_what_can_be_done_at_once_is_done(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(all(&cluster.urls(), Duration::ZERO));
        watch.until("connected").await;
        let mut subscription = client.subscribe(&SUBJECT).expect("open");
        soon(client.publish(&SUBJECT, "1")).await.expect("there is room");
        assert_eq!(text(&mut subscription).await, "1");
        // Nobody asks by himself.
        soon(client.flush()).await.expect("a session");
        assert!(client.all_confirmed());
        // Nobody answers at once.
        let refused = soon(client.request(&SUBJECT, "").into_future()).await.expect_err("no time");
        assert!(format!("{refused:?}").to_lowercase().contains("tim"), "{refused:?}");
        // No wait before the next attempt.
        client.force_reconnect().expect("open");
        watch.until("reconnected").await;
        cluster.server(0).expel("Stale Connection");
        watch.until("reconnected").await;
        assert_eq!(watch.count("backoff_wait"), 0);
        // What lies there unread is not waited for.
        soon(client.publish(&SUBJECT, "2")).await.expect("there is room");
        soon(client.flush()).await.expect("a session");
        let ClosedReason::Drained { unread, .. } = soon(client.drain()).await else {
            panic!("it was drained");
        };
        assert_eq!(unread, 1, "a request that has no time is not sent");
    }

    async fn a_publish_waits_for_room_no_time_or_as_long_as_it_takes(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()).send_buffer(1000).publish_timeout(Duration::MAX));
        watch.until("connected").await;
        cluster.server(0).crash();
        watch.until("disconnected").await;
        soon(client.publish(&SUBJECT, &[0; 900][..])).await.expect("there is room");
        let at_once = soon(client.publish(&SUBJECT, &[0; 900][..]).timeout(Duration::ZERO)).await;
        assert!(at_once.is_err(), "there is no room");
        let waiting = client.clone();
        let waits = adapter.spawn(async move { waiting.publish(&SUBJECT, &[0; 900][..]).await });
        pause(Duration::from_millis(50)).await;
        cluster.server(0).restart().expect("its port");
        soon(waits).await.expect("there is room");
    }

    async fn several_replies_are_waited_for_no_time_or_as_long_as_it_takes(adapter) {
        let cluster = Model::start(1);
        let client = soon(adapter.connect(options(&cluster.urls()))).await.expect("a server");
        let _nobody_answers = client.subscribe(&SUBJECT).expect("open");
        let mut none = client.request(&SUBJECT, "").many(RequestMany::new(Duration::ZERO)).now().expect("open");
        assert!(soon(none.next()).await.is_none());
        let nobody = subject("answered");
        let longest = RequestMany::new(Duration::MAX).stall(Duration::MAX).max(1);
        let mut replies = client.request(&nobody, "").many(longest).now().expect("open");
        // A reply that says that nobody is there.
        assert!(soon(replies.next()).await.is_none());
    }

    async fn a_wait_that_somebody_else_chooses_is_none_or_without_end(adapter) {
        let cluster = Model::start(1);
        let options = || options(&cluster.urls());
        let (client, mut watch) = adapter.start(options().reconnect_delay(|_, _| Duration::MAX));
        watch.until("connected").await;
        cluster.server(0).expel("Stale Connection");
        watch.until("backoff_wait").await;
        client.force_reconnect().expect("open");
        watch.until("reconnected").await;
        let (_client, mut watch) = adapter.start(options().server_selector(|choice| (choice.default, Duration::ZERO)));
        watch.until("connected").await;
        cluster.server(0).expel("Stale Connection");
        watch.until("reconnected").await;
        assert_eq!(watch.count("backoff_wait"), 0);
    }
}
