//! What a drain waits for, and for how long: running handlers, idle subscriptions, and tasks that await it themselves.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use nats_conn_client::{Delivery, PublishError, RequestError};

use crate::scene::*;

const WORK: Subject = Subject::from_static("drain.work");
const ANSWERS: Subject = Subject::from_static("drain.answers");
const COMPLETE: ClosedReason = ClosedReason::Drained {
    complete: true,
    unread: 0,
};

/// How long a handler takes.
const TASK: Duration = Duration::from_millis(100);

/// A subscription with so many messages in its mailbox.
async fn backlog(client: &Client, cluster: &Model, messages: usize) -> Subscription {
    let subscription = client.subscribe(&WORK).expect("open");
    soon(client.flush()).await.expect("a session");
    for _ in 0..messages {
        cluster.publish(WORK.as_str(), b"?");
    }
    until(|| subscription.pending() == messages).await;
    subscription
}

/// Answers every message, and returns how many answers were accepted.
async fn answer_all(client: Client, mut subscription: Subscription) -> usize {
    let mut answered = 0;
    while soon(subscription.next()).await.is_some() {
        pause(TASK).await;
        let answer = format!("answer {answered}");
        soon(client.publish(&ANSWERS, answer.as_str()))
            .await
            .expect("a handler is running");
        answered += 1;
    }
    answered
}

/// What the servers have seen of answers, each once.
fn answers(cluster: &Model) -> BTreeSet<String> {
    let logs = cluster.logs();
    let published = logs.iter().flat_map(|log| log.publishes());
    let answers = published.filter(|(subject, _)| *subject == ANSWERS.as_str());
    answers
        .map(|(_, payload)| String::from_utf8_lossy(payload).into_owned())
        .collect()
}

scenarios! {
    async fn a_handler_that_takes_its_time_answers_all_of_a_backlog(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        let subscription = backlog(&client, &cluster, 10).await;
        let handler = adapter.spawn(answer_all(client.clone(), subscription));
        assert_eq!(soon(client.drain()).await, COMPLETE);
        assert_eq!((soon(handler).await, answers(&cluster).len()), (10, 10));
        assert!(client.all_confirmed());
    }

    async fn a_handler_answers_all_of_a_backlog_over_an_outage(adapter) {
        for delivery in [Delivery::AtMostOnce, Delivery::AtLeastOnce] {
            let cluster = Model::start(1);
            let (client, mut watch) = adapter.start(options(&cluster.urls()).delivery(delivery));
            watch.until("connected").await;
            let subscription = backlog(&client, &cluster, 10).await;
            let handler = adapter.spawn(answer_all(client.clone(), subscription));
            let drained = client.drain();
            until(|| answers(&cluster).len() == 3).await;
            cluster.server(0).crash();
            watch.until("disconnected").await;
            pause(Duration::from_millis(300)).await;
            cluster.server(0).restart().expect("its port");
            // At most once, nobody knows what became of an answer that was not confirmed when the link went.
            let reason = soon(drained).await;
            assert!(
                reason == COMPLETE
                    || (delivery == Delivery::AtMostOnce
                        && reason == ClosedReason::Drained { complete: false, unread: 0 }),
                "{reason:?}"
            );
            assert_eq!((soon(handler).await, answers(&cluster).len()), (10, 10), "{delivery:?}");
            assert_eq!(client.all_confirmed(), reason == COMPLETE);
        }
    }

    async fn a_handler_may_ask_while_it_works(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        let other = soon(adapter.connect(options(&cluster.urls()))).await.expect("a server");
        let question = subject("drain.question");
        let mut questions = other.subscribe(&question).expect("open");
        soon(other.flush()).await.expect("a session");
        let mut subscription = backlog(&client, &cluster, 1).await;
        let (asking, asked) = (client.clone(), question.clone());
        let handler = adapter.spawn(async move {
            message(&mut subscription).await;
            pause(TASK).await;
            let response = soon(asking.request(&asked, "?").into_future()).await.expect("a reply");
            soon(asking.publish(&ANSWERS, response.payload())).await.expect("a handler is running");
            assert_eq!(soon(subscription.next()).await, None);
        });
        let mut drained = client.drain();
        assert!(within(Duration::ZERO, &mut drained).await.is_none());
        let request = message(&mut questions).await;
        soon(other.respond(&request, "answer")).await.expect("it is waited for");
        assert_eq!(soon(drained).await, COMPLETE);
        soon(handler).await;
        assert_eq!(answers(&cluster).len(), 1);
    }

    async fn a_handler_that_awaits_the_drain_itself_holds_it_up_for_a_second(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        let mut subscription = backlog(&client, &cluster, 3).await;
        let began = Instant::now();
        let handler = adapter.spawn(async move {
            message(&mut subscription).await;
            let reason = soon(client.drain()).await;
            (reason, subscription.pending())
        });
        assert_eq!(soon(handler).await, (ClosedReason::Drained { complete: true, unread: 2 }, 2));
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    }

    async fn one_task_that_reads_a_message_and_then_drains_ends_after_a_second(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        let mut subscription = backlog(&client, &cluster, 3).await;
        message(&mut subscription).await;
        let began = Instant::now();
        let reason = soon(client.drain()).await;
        assert_eq!(reason, ClosedReason::Drained { complete: true, unread: 2 });
        assert!(began.elapsed() >= Duration::from_secs(1), "a handler may have been running: {:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        assert_eq!(watch.closed().await, reason, "events say the same");
    }

    async fn one_task_that_works_and_awaits_the_drain_at_once_loses_nothing(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        let subscription = backlog(&client, &cluster, 12).await;
        let mut handler = Box::pin(answer_all(client.clone(), subscription));
        let mut drained = client.drain();
        let (mut answered, mut reason) = (None, None);
        // It takes longer than a second, but comes back to its mailbox more often.
        soon(std::future::poll_fn(|cx| {
            if answered.is_none() && let std::task::Poll::Ready(number) = handler.as_mut().poll(cx) {
                answered = Some(number);
            }
            std::pin::Pin::new(&mut drained).poll(cx).map(|closed| reason = Some(closed))
        }))
        .await;
        assert_eq!((answered, reason), (Some(12), Some(COMPLETE)));
    }

    async fn a_subscription_that_nobody_reads_is_not_waited_for(adapter) {
        let cluster = Model::start(1);
        let patience = Duration::from_millis(200);
        let (client, mut watch) = adapter.start(options(&cluster.urls()).drain_patience(patience));
        watch.until("connected").await;
        let subscription = backlog(&client, &cluster, 3).await;
        let began = Instant::now();
        let reason = soon(client.drain()).await;
        assert_eq!(reason, ClosedReason::Drained { complete: true, unread: 3 });
        assert!(began.elapsed() >= patience && began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        assert_eq!(subscription.pending(), 3, "they can still be read");
    }

    async fn a_subscription_with_nothing_in_it_is_not_waited_for_at_all(adapter) {
        let cluster = Model::start(1);
        let client = soon(adapter.connect(options(&cluster.urls()))).await.expect("a server");
        let (_never_read, mut read) = (client.subscribe(&ANSWERS).expect("open"), backlog(&client, &cluster, 1).await);
        message(&mut read).await;
        assert!(read.try_next().is_none(), "it has come back");
        let began = Instant::now();
        assert_eq!(soon(client.drain()).await, COMPLETE);
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }

    async fn a_message_in_a_hand_is_waited_for_so_long_and_no_longer(adapter) {
        let cluster = Model::start(1);
        let patience = Duration::from_millis(300);
        let (client, mut watch) = adapter.start(options(&cluster.urls()).drain_hand(patience));
        watch.until("connected").await;
        let mut subscription = backlog(&client, &cluster, 3).await;
        let (slow, taken) = (client.clone(), Arc::new(AtomicBool::new(false)));
        let takes = taken.clone();
        let handler = adapter.spawn(async move {
            message(&mut subscription).await;
            takes.store(true, Ordering::Relaxed);
            soon(slow.closed()).await;
            soon(slow.publish(&ANSWERS, "too late")).await
        });
        until(|| taken.load(Ordering::Relaxed)).await;
        let began = Instant::now();
        let reason = soon(client.drain()).await;
        assert_eq!(reason, ClosedReason::Drained { complete: true, unread: 2 });
        assert!(began.elapsed() >= patience && began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        assert_eq!(soon(handler).await, Err(PublishError::Closed));
    }

    async fn a_subscription_that_is_dropped_with_a_message_in_hand_is_done_with(adapter) {
        let cluster = Model::start(1);
        let client = soon(adapter.connect(options(&cluster.urls()))).await.expect("a server");
        let mut subscription = backlog(&client, &cluster, 3).await;
        message(&mut subscription).await;
        let drained = client.drain();
        until(|| subscription.ended().is_some()).await;
        let began = Instant::now();
        drop(subscription);
        assert_eq!(soon(drained).await, COMPLETE);
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }

    async fn without_a_link_a_drain_waits_for_running_handlers_though_nothing_is_queued(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        let mut subscription = backlog(&client, &cluster, 1).await;
        message(&mut subscription).await;
        cluster.server(0).crash();
        watch.until("disconnected").await;
        let mut drained = client.drain();
        until(|| subscription.ended().is_some()).await;
        assert!(within(TASK, &mut drained).await.is_none(), "a message is in hand");
        soon(client.publish(&ANSWERS, "answer")).await.expect("taken without a link");
        assert_eq!(soon(subscription.next()).await, None);
        assert!(within(TASK, &mut drained).await.is_none(), "something is queued");
        cluster.server(0).restart().expect("its port");
        assert_eq!(soon(drained).await, COMPLETE);
        assert_eq!(answers(&cluster).len(), 1);
    }

    async fn without_a_link_a_drain_ends_with_its_last_consumer(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        let mut subscription = backlog(&client, &cluster, 1).await;
        message(&mut subscription).await;
        cluster.server(0).crash();
        watch.until("disconnected").await;
        let drained = client.drain();
        until(|| subscription.ended().is_some()).await;
        assert_eq!(soon(subscription.next()).await, None);
        assert_eq!(soon(drained).await, COMPLETE);
    }

    /// As the documentation shows it for handlers that are spawned one a message.
    async fn handlers_spawned_per_message_finish_if_the_subscription_is_drained_first(adapter) {
        let cluster = Model::start(1);
        let client = soon(adapter.connect(options(&cluster.urls()))).await.expect("a server");
        let mut subscription = backlog(&client, &cluster, 10).await;
        subscription.drain().expect("open");
        let mut handlers = Vec::new();
        while soon(subscription.next()).await.is_some() {
            let (client, number) = (client.clone(), handlers.len());
            handlers.push(adapter.spawn(async move {
                pause(TASK).await;
                soon(client.publish(&ANSWERS, format!("answer {number}").as_str())).await.expect("open");
            }));
        }
        for handler in handlers {
            soon(handler).await;
        }
        assert_eq!(soon(client.drain()).await, COMPLETE);
        assert_eq!(answers(&cluster).len(), 10);
    }

    async fn requests_are_refused_once_no_handler_is_running(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        let mut subscription = backlog(&client, &cluster, 1).await;
        message(&mut subscription).await;
        let other = soon(adapter.connect(options(&cluster.urls()))).await.expect("a server");
        let mut questions = other.subscribe(filter("drain.question")).expect("open");
        soon(other.flush()).await.expect("a session");
        let drained = client.drain();
        let question = subject("drain.question");
        let pending = client.request(&question, "?").now().expect("a message is in hand");
        let request = message(&mut questions).await;
        assert_eq!(soon(subscription.next()).await, None);
        until(|| matches!(client.request(&question, "?").now(), Err(RequestError::Draining))).await;
        soon(other.respond(&request, "!")).await.expect("it is waited for");
        assert_eq!(soon(pending).await.expect("a reply").payload(), b"!");
        // What was asked meanwhile and given up was published and not confirmed.
        let reason = soon(drained).await;
        assert!(matches!(reason, ClosedReason::Drained { unread: 0, .. }), "{reason:?}");
    }
}
