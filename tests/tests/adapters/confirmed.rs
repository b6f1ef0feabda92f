//! What is published and subscribed, awaited until its fate is known.

use nats_conn_client::{
    ConfirmError, Delivery, DropReason, PublishError, PublishOutcome, SubscribeError, WhenFull,
};
use nats_conn_tests::model_server::{Reaction, Step, When};

use crate::scene::*;

const TEXT: &str = "confirmed.text";

/// One server whose first links do so: the PING of the handshake is answered, and none after it.
fn silent(links: usize) -> Model {
    let cluster = Model::start(1);
    let script = vec![Step::instead(When::PingFrom(2), [])];
    cluster
        .server(0)
        .set(|settings| settings.next_scripts = vec![script; links].into());
    cluster
}

/// Where the client itself asks for no confirmation.
fn unasked(cluster: &Model) -> Options {
    options(&cluster.urls()).confirm_after(Duration::ZERO)
}

fn pings(cluster: &Model) -> usize {
    let logs = cluster.logs();
    let names = logs.iter().flat_map(|log| log.names());
    names.filter(|name| *name == "PING").count()
}

async fn connected(adapter: Adapter, options: Options) -> Client {
    let (client, mut watch) = adapter.start(options);
    watch.until("connected").await;
    client
}

fn confirming(client: &Client, text: &'static str) -> PublishOutcome {
    client.publish(TEXT, text).confirmed().now().expect("room")
}

fn unconfirmed() -> ConfirmError {
    ConfirmError::Unconfirmed {
        subject: Excerpt::new(TEXT),
    }
}

fn dropped(reason: DropReason) -> ConfirmError {
    ConfirmError::Dropped {
        subject: Excerpt::new(TEXT),
        reason,
    }
}

scenarios! {
    // behaviour: 6.2
    async fn a_publish_is_confirmed_when_the_server_has_processed_it_and_asked_at_once(adapter) {
        let cluster = Model::start(1);
        let client = connected(adapter, unasked(&cluster)).await;
        let mut subscription = client.subscribe(TEXT).expect("open");
        for number in 1..=3 {
            let seq = soon(client.publish(TEXT, "x").confirmed()).await.expect("a session");
            assert_eq!(seq.as_u64(), number);
            assert!(client.all_confirmed());
            assert_eq!(cluster.logs()[0].publishes().count() as u64, number);
            assert_eq!(text(&mut subscription).await, "x");
        }
        assert_eq!(pings(&cluster), 1 + 3, "the handshake's, and one for each");
    }

    // behaviour: 6.2
    async fn many_that_wait_at_the_same_time_share_their_pings(adapter) {
        let cluster = Model::start(1);
        let client = connected(adapter, unasked(&cluster)).await;
        let outcomes: Vec<PublishOutcome> = (0..1000).map(|_| confirming(&client, "x")).collect();
        let subscriptions: Vec<_> = (0..100)
            .map(|_| client.subscribe(TEXT).expect("open").confirmed())
            .collect();
        for outcome in outcomes {
            soon(outcome).await.expect("a session");
        }
        for subscription in subscriptions {
            let _ = soon(subscription).await.expect("a session");
        }
        assert!(pings(&cluster) < 250, "{} PINGs", pings(&cluster));
    }

    // behaviour: 6.2
    async fn tasks_that_wait_for_one_publish_each_share_their_pings(adapter) {
        let cluster = Model::start(1);
        let client = connected(adapter, unasked(&cluster)).await;
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let client = client.clone();
                adapter.spawn(async move {
                    for _ in 0..20 {
                        client.publish(TEXT, "x").confirmed().await.expect("a session");
                    }
                })
            })
            .collect();
        for task in tasks {
            soon(task).await;
        }
        assert_eq!(client.publish_fates().confirmed, 400);
        // On one thread all of them publish before the driver runs.
        let most = if adapter == Adapter::TokioCurrentThread { 40 } else { 1 + 400 };
        assert!(pings(&cluster) <= most, "{} PINGs", pings(&cluster));
    }

    // behaviour: 6.2
    async fn what_was_written_when_the_link_was_lost_is_unconfirmed_and_what_was_queued_is_confirmed_later(adapter) {
        let cluster = silent(1);
        let client = connected(adapter, unasked(&cluster)).await;
        let written = confirming(&client, "written");
        until(|| cluster.logs()[0].publishes().count() == 1 && pings(&cluster) == 2).await;
        cluster.server(0).crash();
        assert_eq!(soon(written).await, Err(unconfirmed()));
        let queued = confirming(&client, "queued");
        cluster.server(0).restart().expect("its port");
        assert_eq!(soon(queued).await.map(|seq| seq.as_u64()), Ok(2));
        let fates = client.publish_fates();
        assert_eq!((fates.confirmed, fates.unconfirmed), (1, 1));
    }

    // behaviour: 6.2
    async fn at_least_once_is_confirmed_by_the_link_that_it_was_sent_again_on(adapter) {
        let cluster = silent(2);
        let client = connected(adapter, unasked(&cluster).delivery(Delivery::AtLeastOnce)).await;
        let outcomes = ["a", "b", "c"].map(|text| confirming(&client, text));
        for links in 1..=2 {
            until(|| {
                let logs = cluster.logs();
                logs.len() == links && logs[links - 1].publishes().count() == 3
            })
            .await;
            cluster.server(0).crash();
            cluster.server(0).restart().expect("its port");
        }
        for (outcome, number) in outcomes.into_iter().zip(1..) {
            assert_eq!(soon(outcome).await.map(|seq| seq.as_u64()), Ok(number));
        }
        assert!(client.all_confirmed());
    }

    // behaviour: 6.2
    async fn what_was_dropped_says_why(adapter) {
        let cluster = Model::start(1);
        let options = unasked(&cluster).send_buffer(1000).when_full(WhenFull::DropOldest);
        let (client, mut watch) = adapter.start(options);
        watch.until("connected").await;
        cluster.server(0).crash();
        watch.until("disconnected").await;
        let of = |bytes| client.publish(TEXT, vec![b'x'; bytes]).confirmed().now().expect("room is made");
        let (oldest, large) = (of(200), of(900));
        assert_eq!(soon(oldest).await, Err(dropped(DropReason::Overflow)));
        let small = confirming(&client, "x");
        cluster.server(0).set(|settings| settings.max_payload = 100);
        cluster.server(0).restart().expect("its port");
        assert_eq!(soon(large).await, Err(dropped(DropReason::TooLarge)));
        assert!(soon(small).await.is_ok());
        watch.until("reconnected").await;
        cluster.server(0).crash();
        watch.until("disconnected").await;
        let last = confirming(&client, "x");
        soon(client.close()).await;
        assert_eq!(soon(last).await, Err(dropped(DropReason::Closed)));
        let never = soon(client.publish(TEXT, "x").confirmed()).await;
        assert_eq!(never, Err(ConfirmError::Publish(PublishError::Closed)));
    }

    // behaviour: 6.2
    async fn what_is_not_confirmed_in_time_stays_published(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(unasked(&cluster).send_buffer(100));
        watch.until("connected").await;
        cluster.server(0).crash();
        watch.until("disconnected").await;
        let short = Duration::from_millis(20);
        let timed_out = ConfirmError::TimedOut { subject: Excerpt::new(TEXT), after: short };
        let large = &[b'x'; 200][..];
        assert_eq!(soon(client.publish(TEXT, large).confirmed().timeout(short)).await, Err(timed_out.clone()));
        // There is no room for another one.
        let late = PublishError::TimedOut { subject: Excerpt::new(TEXT), after: short };
        let not_accepted = soon(client.publish(TEXT, "x").timeout(short).confirmed()).await;
        assert_eq!(not_accepted, Err(ConfirmError::Publish(late)));
        assert_eq!(client.publish_fates().queued, 1);
        cluster.server(0).restart().expect("its port");
        watch.until("reconnected").await;
        soon(client.flush()).await.expect("a session");
        assert_eq!(client.publish_fates().confirmed, 1);
        let outcome = client.publish(TEXT, "x").timeout(LIMIT).confirmed().now().expect("room");
        assert!(soon(outcome).await.is_ok(), "in time");
    }

    // behaviour: 6.2
    async fn an_outcome_that_is_dropped_leaves_the_publish_and_keeps_nobody_from_the_others(adapter) {
        let cluster = Model::start(1);
        let client = connected(adapter, unasked(&cluster)).await;
        let mut subscription = client.subscribe(TEXT).expect("open");
        drop(confirming(&client, "a"));
        let outcome = confirming(&client, "b");
        drop(confirming(&client, "c"));
        soon(outcome).await.expect("a session");
        for expected in ["a", "b", "c"] {
            assert_eq!(text(&mut subscription).await, expected);
        }
    }

    // behaviour: 6.2
    async fn an_outcome_keeps_the_connection_open_until_it_is_known(adapter) {
        let cluster = Model::start(1);
        let client = connected(adapter, unasked(&cluster)).await;
        let outcome = confirming(&client, "x");
        let end = client.closed();
        drop(client);
        soon(outcome).await.expect("a session");
        assert_eq!(soon(end).await, ClosedReason::Requested);
    }

    // behaviour: 7.5
    async fn a_subscription_is_confirmed_when_the_server_has_processed_it_with_what_came_before(adapter) {
        let cluster = Model::start(1);
        let early = Reaction::send("MSG confirmed.text 1 1\r\na\r\n");
        cluster.server(0).set(|settings| settings.script = vec![Step::also(When::Subscribe(1), [early])]);
        let client = connected(adapter, unasked(&cluster)).await;
        let subscribed = client.subscribe(TEXT).expect("open").confirmed();
        let mut subscription = soon(subscribed).await.expect("it is allowed");
        cluster.publish(TEXT, b"b");
        assert_eq!(text(&mut subscription).await, "a");
        assert_eq!(text(&mut subscription).await, "b");
        // One that was confirmed is not asked for again.
        let before = pings(&cluster);
        assert!(soon(subscription.confirmed()).await.is_ok());
        assert_eq!(pings(&cluster), before);
    }

    // behaviour: 7.5
    async fn a_subscription_that_the_server_refuses_gives_its_words(adapter) {
        let cluster = Model::start(1);
        cluster.server(0).set(|settings| settings.deny_subscribe = vec!["secret.>".into()]);
        let client = connected(adapter, unasked(&cluster)).await;
        let good = client.subscribe(TEXT).expect("open").confirmed();
        let bad = client.subscribe("secret.plan").expect("open").confirmed();
        let words = String::from("Permissions Violation for Subscription to \"secret.plan\"");
        assert_eq!(soon(bad).await.err(), Some(SubscribeError::Refused { words: words.clone() }));
        assert!(soon(good).await.is_ok());
        let mut late = client.subscribe("secret.plan").expect("open");
        assert_eq!(soon(late.next()).await, None);
        assert_eq!(late.refusal().as_ref(), Some(&words));
        assert_eq!(soon(late.confirmed()).await.err(), Some(SubscribeError::Refused { words }));
    }

    // behaviour: 7.5
    async fn of_too_many_subscriptions_the_last_is_refused(adapter) {
        let cluster = Model::start(1);
        cluster.server(0).set(|settings| settings.max_subscriptions = Some(2));
        let client = connected(adapter, unasked(&cluster)).await;
        let subscriptions = [1, 2, 3].map(|_| client.subscribe(TEXT).expect("open").confirmed());
        let mut outcomes = Vec::new();
        for subscription in subscriptions {
            outcomes.push(soon(subscription).await);
        }
        let [Ok(_), Ok(_), Err(SubscribeError::Refused { words })] = &outcomes[..] else {
            panic!("{outcomes:?}")
        };
        assert_eq!(words.to_lowercase(), "maximum subscriptions exceeded");
    }

    // behaviour: 7.5
    async fn a_subscription_is_confirmed_by_the_link_that_it_is_restored_on(adapter) {
        let cluster = silent(1);
        let client = connected(adapter, unasked(&cluster)).await;
        let subscribed = client.subscribe(TEXT).expect("open").confirmed();
        until(|| pings(&cluster) == 2).await;
        cluster.server(0).crash();
        cluster.server(0).restart().expect("its port");
        let mut subscription = soon(subscribed).await.expect("it is restored");
        cluster.publish(TEXT, b"x");
        assert_eq!(text(&mut subscription).await, "x");
    }

    // behaviour: 7.5
    async fn a_restored_subscription_that_the_next_server_refuses_gives_its_words(adapter) {
        let cluster = silent(1);
        let client = connected(adapter, unasked(&cluster)).await;
        let subscribed = client.subscribe(TEXT).expect("open").confirmed();
        until(|| pings(&cluster) == 2).await;
        cluster.server(0).crash();
        cluster.server(0).set(|settings| settings.deny_subscribe = vec![TEXT.into()]);
        cluster.server(0).restart().expect("its port");
        let refused = soon(subscribed).await.err();
        assert!(
            matches!(&refused, Some(SubscribeError::Refused { words }) if words.contains(TEXT)),
            "{refused:?}"
        );
    }

    // behaviour: 7.5
    async fn a_subscription_that_ends_before_it_is_confirmed_says_how(adapter) {
        let cluster = silent(1);
        let client = connected(adapter, unasked(&cluster)).await;
        let short = Duration::from_millis(20);
        let late = client.subscribe(TEXT).expect("open").confirmed().timeout(short);
        assert_eq!(soon(late).await.err(), Some(SubscribeError::TimedOut { after: short }));
        assert_eq!(client.statistics().subscriptions, 0, "it is unsubscribed");
        let ended = client.subscribe(TEXT).expect("open");
        ended.unsubscribe().expect("it lives");
        let reason = EndReason::Unsubscribed;
        assert_eq!(soon(ended.confirmed()).await.err(), Some(SubscribeError::Ended { reason }));
        let drained = client.subscribe(TEXT).expect("open").confirmed();
        let closed = client.subscribe(TEXT).expect("open").confirmed();
        drop(drained);
        soon(client.close()).await;
        assert_eq!(soon(closed).await.err(), Some(SubscribeError::Closed));
    }

    // behaviour: 6.2, 7.5
    async fn real_servers_confirm_and_refuse_with_their_words(adapter, version) {
        let ann = User::with_password("ann", "s3cret").deny_publish(&["secret.>"]).deny_subscribe(&["secret.>"]);
        let server = real_server(version, ServerConfig::new().user(ann));
        let (client, mut watch) = adapter.start(options(&server.client_url_with("ann:s3cret")));
        watch.until("connected").await;
        let subscribed = client.subscribe("open.*").expect("open").confirmed();
        let mut subscription = soon(subscribed).await.expect("it is allowed");
        soon(client.publish("open.door", "x").confirmed()).await.expect("a session");
        assert_eq!(text(&mut subscription).await, "x");
        for queue in [None, Some("workers")] {
            let secret = match queue {
                None => client.subscribe("secret.plan"),
                Some(queue) => client.queue_subscribe("secret.plan", queue),
            };
            let refused = soon(secret.expect("open").confirmed()).await.err();
            let Some(SubscribeError::Refused { words }) = &refused else {
                panic!("{refused:?}")
            };
            let text = "Permissions Violation for Subscription to \"secret.plan\"";
            assert!(words.starts_with(text), "{words}");
        }
        // It is processed, which is all that this says.
        soon(client.publish("secret.plan", "x").confirmed()).await.expect("processed");
        watch.until("permission_denied").await;
        let outcomes: Vec<_> = (0..1000)
            .map(|_| client.publish("open.door", "y").confirmed().now().expect("room"))
            .collect();
        for outcome in outcomes {
            soon(outcome).await.expect("a session");
        }
        assert!(client.all_confirmed());
    }
}
