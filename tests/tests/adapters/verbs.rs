//! What an application calls: text for subjects, and one rule for all that waits for room.

use nats_conn_client::{
    Headers, PublishError, RequestError, RequestMany, RespondError, StateError, SubjectError, SubscribeError,
    header,
};
use nats_conn_tests::model_server::{Step, When};

use crate::scene::*;

const TEXT: &str = "verbs.text";

async fn connected(adapter: Adapter, url: &str) -> Client {
    soon(adapter.connect(options(url))).await.expect("a server")
}

/// A client whose link is lost, and whose buffer is full.
async fn without_room(adapter: Adapter, cluster: &Model) -> (Client, Watch, Subscription) {
    let (client, mut watch) = adapter.start(options(&cluster.urls()).send_buffer(100));
    watch.until("connected").await;
    let subscription = client.subscribe(TEXT).expect("open");
    soon(client.flush()).await.expect("a session");
    cluster.server(0).crash();
    watch.until("disconnected").await;
    client
        .publish("verbs.else", &[0; 200][..])
        .now()
        .expect("nothing else is queued");
    (client, watch, subscription)
}

scenarios! {
    async fn text_is_taken_wherever_a_subject_is_wanted(adapter) {
        let cluster = Model::start(1);
        let client = connected(adapter, &cluster.urls()).await;
        let (string, subject, all) = (String::from(TEXT), subject(TEXT), filter("verbs.>"));
        let mut subscriptions = [
            client.subscribe("verbs.*"),
            client.subscribe(&string),
            client.subscribe(string.clone()),
            client.subscribe(&subject),
            client.subscribe(subject.clone()),
            client.subscribe(&all),
            client.queue_subscribe(TEXT, "workers"),
            client.queue_subscribe(TEXT, String::from("others")),
            client.subscribe(all.clone()),
        ]
        .map(|subscribed| subscribed.expect("a filter"));
        soon(client.publish(TEXT, "1")).await.expect("room");
        soon(client.publish(&string, "2")).await.expect("room");
        soon(client.publish(string.clone(), "3")).await.expect("room");
        soon(client.publish(&subject, "4")).await.expect("room");
        soon(client.publish(subject.clone(), "5")).await.expect("room");
        for subscription in &mut subscriptions {
            for number in 1..=5 {
                let message = message(subscription).await;
                assert_eq!(message.subject(), TEXT);
                assert_eq!(message.text(), number.to_string());
            }
        }
    }

    async fn an_answer_goes_to_the_reply_of_a_message_as_it_is_and_may_have_headers(adapter) {
        let cluster = Model::start(1);
        let client = connected(adapter, &cluster.urls()).await;
        let mut requests = client.subscribe(TEXT).expect("open");
        let service = client.clone();
        let answering = adapter.spawn(async move {
            let headers = Headers::try_from([(header::NATS_SERVICE_ERROR_CODE, "404")]).expect("a header");
            let first = message(&mut requests).await;
            soon(service.respond(&first, "one").headers(&headers)).await.expect("room");
            let second = message(&mut requests).await;
            let reply = second.reply().expect("a reply subject");
            soon(service.publish(reply, "two")).await.expect("room");
            let third = message(&mut requests).await;
            service.respond(&third, "three").now().expect("room");
            let nobody = message(&mut requests).await;
            assert_eq!(soon(service.respond(&nobody, "x")).await, Err(RespondError::NoReplySubject));
            assert_eq!(service.respond(&nobody, "x").now(), Err(RespondError::NoReplySubject));
        });
        let first = soon(client.request(TEXT, "")).await.expect("an answer");
        let headers = first.headers().expect("readable").expect("some");
        assert_eq!(headers.get_str(header::NATS_SERVICE_ERROR_CODE), Some("404"));
        assert_eq!(soon(client.request(TEXT, "")).await.expect("an answer").text(), "two");
        assert_eq!(soon(client.request(TEXT, "")).await.expect("an answer").text(), "three");
        soon(client.publish(TEXT, "")).await.expect("room");
        soon(answering).await;
    }

    async fn answers_come_to_an_inbox_of_the_applications_own(adapter) {
        let cluster = Model::start(1);
        let options = options(&cluster.urls()).inbox_prefix("mine");
        let client = soon(adapter.connect(options)).await.expect("a server");
        let inbox = client.new_inbox();
        assert!(inbox.as_str().starts_with("mine.") && inbox != client.new_inbox(), "{inbox}");
        let mut requests = client.subscribe(TEXT).expect("open");
        let mut answers = client.subscribe(&inbox).expect("open");
        soon(client.publish(TEXT, "?").reply_to(&inbox)).await.expect("room");
        let request = message(&mut requests).await;
        soon(client.respond(&request, "here")).await.expect("room");
        assert_eq!(text(&mut answers).await, "here");
    }

    async fn what_is_no_subject_fails_at_the_call_and_is_named(adapter) {
        let cluster = Model::start(1);
        let client = connected(adapter, &cluster.urls()).await;
        let text = soon(client.publish("a..b", "x")).await.expect_err("no subject").to_string();
        assert_eq!(text, "`a..b`: the subject has an empty token at byte 2; remove the dot");
        let reason = |error| match error {
            PublishError::Subject(error) => (error.subject.to_string(), error.reason),
            other => panic!("{other}"),
        };
        let wildcard = (String::from("`a.*`"), SubjectError::Wildcard { at: 2 });
        assert_eq!(reason(client.publish("a.*", "x").now().expect_err("no subject")), wildcard);
        let replying = client.publish("a", "x").reply_to("a.*");
        assert_eq!(reason(replying.now().expect_err("no reply subject")), wildcard);
        let asked = soon(client.request("", "x")).await;
        assert!(matches!(asked, Err(RequestError::Subject(error)) if error.reason == SubjectError::Empty), "{asked:?}");
        let asked = client.request("a b", "x").now().err();
        assert!(matches!(asked, Some(RequestError::Subject(error)) if error.code() == "subject_byte"), "{asked:?}");
        let many = client.request("a b", "x").many(RequestMany::new(LIMIT));
        assert!(matches!(soon(many).await, Err(RequestError::Subject(_))));
        let tail = client.subscribe("a.>.b").err();
        assert!(
            matches!(tail, Some(SubscribeError::Subject(error)) if error.subject.as_str() == "a.>.b"),
            "{tail:?}"
        );
        let group = client.queue_subscribe("a", "two words").err();
        assert!(
            matches!(group, Some(SubscribeError::Subject(error)) if error.subject.as_str() == "two words"),
            "{group:?}"
        );
        assert_eq!(client.publish_fates().accepted, 0);
    }

    // behaviour: 6.6
    async fn what_is_to_be_done_at_once_fails_with_a_full_buffer(adapter) {
        let cluster = Model::start(1);
        let (client, _watch, _subscription) = without_room(adapter, &cluster).await;
        let full = RequestError::BufferFull { limit: 100 };
        assert_eq!(client.publish(TEXT, "x").now(), Err(PublishError::BufferFull { limit: 100 }));
        assert_eq!(client.request(TEXT, "x").now().err(), Some(full.clone()));
        let many = client.request(TEXT, "x").many(RequestMany::new(LIMIT));
        assert_eq!(many.now().err(), Some(full));
        assert_eq!(client.statistics().requests, 0);
    }

    // behaviour: 6.6, 7.3
    async fn a_request_waits_for_room_within_its_timeout_and_is_answered_then(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch, mut requests) = without_room(adapter, &cluster).await;
        let timed_out = RequestError::TimedOut { subject: Excerpt::new(TEXT), written: false };
        let short = Duration::from_millis(20);
        assert_eq!(soon(client.request(TEXT, "x").timeout(short)).await, Err(timed_out.clone()));
        let many = client.request(TEXT, "x").many(RequestMany::new(short));
        assert_eq!(soon(many).await.err(), Some(timed_out));

        let asking = client.clone();
        let asked = adapter.spawn(async move { asking.request(TEXT, "?").timeout(LIMIT * 2).await });
        let asking = client.clone();
        let asked_many = adapter.spawn(async move {
            let mut replies = asking.request(TEXT, "?").many(RequestMany::new(LIMIT * 2).max(1)).await?;
            Ok::<_, RequestError>(replies.next().await)
        });
        cluster.server(0).restart().expect("its port");
        watch.until("reconnected").await;
        for _ in 0..2 {
            let request = message(&mut requests).await;
            soon(client.respond(&request, "!")).await.expect("room");
        }
        assert_eq!(soon(asked).await.expect("a reply").text(), "!");
        assert_eq!(soon(asked_many).await.expect("made").expect("a reply").text(), "!");
    }

    // behaviour: 6.6
    async fn a_request_that_waits_for_room_and_is_dropped_is_not_made(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch, mut requests) = without_room(adapter, &cluster).await;
        let request = client.request(TEXT, "never").timeout(LIMIT * 2);
        assert!(within(Duration::from_millis(20), request).await.is_none(), "it waits");
        cluster.server(0).restart().expect("its port");
        watch.until("reconnected").await;
        soon(client.publish(TEXT, "after")).await.expect("room");
        assert_eq!(text(&mut requests).await, "after");
    }

    // behaviour: 11.4
    async fn draining_and_closing_again_give_the_same_end(adapter) {
        let cluster = Model::start(1);
        let client = connected(adapter, &cluster.urls()).await;
        client.begin_drain();
        let complete = ClosedReason::Drained { complete: true, unread: 0 };
        assert_eq!(soon(client.drain()).await, complete);
        client.begin_drain();
        assert_eq!(soon(client.drain()).await, complete);
        client.begin_close();
        assert_eq!(soon(client.close()).await, complete);
    }

    // behaviour: 11.3
    async fn a_forced_reconnect_can_flush_first(adapter) {
        let cluster = Model::start(2);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        for _ in 0..100 {
            soon(client.publish(TEXT, "x")).await.expect("room");
        }
        assert_eq!(soon(client.flush_and_reconnect(LIMIT)).await, Ok(true));
        assert!(client.all_confirmed());
        watch.until("disconnected").await;
        watch.until("reconnected").await;
        soon(client.close()).await;
        assert_eq!(soon(client.flush_and_reconnect(LIMIT)).await, Err(StateError::Closed));
    }

    // behaviour: 11.3
    async fn a_forced_reconnect_flushes_for_so_long_at_most(adapter) {
        let cluster = Model::start(2);
        // It answers the handshake, and no PING after it.
        cluster.server(0).set(|settings| settings.script = vec![Step::instead(When::PingFrom(2), [])]);
        let (client, mut watch) = adapter.start(options(&cluster.server(0).url()));
        watch.until("connected").await;
        soon(client.publish(TEXT, "x")).await.expect("room");
        let left = soon(client.flush_and_reconnect(Duration::from_millis(20))).await;
        assert_eq!(left, Ok(false));
        watch.until("disconnected").await;
        watch.until("reconnected").await;
    }
}
