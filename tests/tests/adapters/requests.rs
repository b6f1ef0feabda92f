//! Requests: each ends exactly once, however it ends.

use nats_conn_client::{Headers, NextError, QueueGroup, RepliesEnd, RequestError, RequestMany};
use nats_conn_tests::model_server::{Op, Step, When};

use crate::scene::*;

const SERVICE: Subject = Subject::from_static("service.echo");

/// Answers what comes to a subject with what came, until the connection closes.
fn echo(adapter: Adapter, client: &Client) -> Task<()> {
    let mut requests = client.subscribe(&SERVICE).expect("open");
    let client = client.clone();
    adapter.spawn(async move {
        while let Some(request) = requests.next().await {
            client.respond(&request, request.payload()).await.expect("open");
        }
    })
}

async fn connected(adapter: Adapter, server: &RealServer) -> Client {
    soon(adapter.connect(options(&server.url())))
        .await
        .expect("a server")
}

scenarios! {
    async fn a_request_gets_its_reply_or_no_responders(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let (client, service) = (connected(adapter, &server).await, connected(adapter, &server).await);
        assert_eq!(soon(client.request(&SERVICE, "?").into_future()).await, Err(RequestError::NoResponders { subject: named(&SERVICE) }));
        let serving = echo(adapter, &service);
        soon(service.flush()).await.expect("a session");
        for number in 0..100 {
            let question = number.to_string();
            let reply = soon(client.request(&SERVICE, question.as_str()).into_future()).await.expect("a reply");
            assert_eq!(reply.payload(), question.as_bytes());
        }
        soon(service.close()).await;
        soon(serving).await;
        until(|| server.connections().ok() == Some(1)).await;
        assert_eq!(soon(client.request(&SERVICE, "?").into_future()).await, Err(RequestError::NoResponders { subject: named(&SERVICE) }));
        assert_eq!(client.statistics().requests, 0);
    }

    async fn a_thousand_requests_at_once_each_get_their_own_reply(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let (client, service) = (connected(adapter, &server).await, connected(adapter, &server).await);
        let _serving = echo(adapter, &service);
        soon(service.flush()).await.expect("a session");
        let pending: Vec<_> = (0..1000)
            .map(|number: u32| (number, client.request(&SERVICE, number.to_string().as_str()).now().expect("room")))
            .collect();
        for (number, response) in pending {
            assert_eq!(soon(response).await.expect("a reply").payload(), number.to_string().as_bytes());
        }
        soon(client.flush()).await.expect("a session");
        let connections = server.monitor("/connz?subs=1").expect("it is up");
        let subscriptions: u64 = connections["connections"].as_array().expect("a list").iter()
            .map(|connection| connection["subscriptions"].as_u64().expect("a number"))
            .sum();
        assert_eq!(subscriptions, 2, "the service's, and one inbox for all requests");
    }

    async fn a_request_that_is_not_answered_times_out_and_a_late_reply_is_nobodys(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let client = connected(adapter, &server).await;
        let mut requests = client.subscribe(&SERVICE).expect("open");
        let patience = Duration::from_millis(50);
        let late = soon(client.request(&SERVICE, "?").timeout(patience).into_future()).await;
        assert_eq!(late, Err(RequestError::TimedOut { subject: named(&SERVICE), written: true }));
        let request = message(&mut requests).await;
        soon(client.respond(&request, "late")).await.expect("room");
        let second = client.request(&SERVICE, "second").now().expect("room");
        let request = message(&mut requests).await;
        soon(client.respond(&request, "in time")).await.expect("room");
        soon(client.respond(&request, "twice")).await.expect("room");
        assert_eq!(soon(second).await.expect("a reply").payload(), b"in time");
        soon(client.flush()).await.expect("a session");
        assert_eq!(client.statistics().requests, 0);
    }

    async fn a_request_that_is_dropped_is_taken_back(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        cluster.server(0).crash();
        watch.until("disconnected").await;
        drop(client.request(&SERVICE, "never sent").now().expect("room"));
        assert_eq!(client.statistics().requests, 0);
        cluster.server(0).restart().expect("its port");
        watch.until("reconnected").await;
        soon(client.flush()).await.expect("a session");
        assert_eq!(cluster.logs().last().expect("a link").publishes().count(), 0);
    }

    async fn many_replies_end_as_they_were_asked_to(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let client = connected(adapter, &server).await;
        let mut requests = client.subscribe(&SERVICE).expect("open");
        let answering = client.clone();
        let _serving = adapter.spawn(async move {
            while let Some(request) = requests.next().await {
                for reply in ["one", "two", "", "three"] {
                    answering.respond(&request, reply).await.expect("open");
                }
            }
        });
        let (all, short) = (RequestMany::new(LIMIT), Duration::from_millis(100));
        let cases = [
            (all.max(2), 2, RepliesEnd::MaxReached),
            (all.sentinel(), 2, RepliesEnd::Sentinel),
            (all.stall(short), 4, RepliesEnd::Stalled),
            (RequestMany::new(Duration::from_millis(300)), 4, RepliesEnd::Deadline),
        ];
        for (many, count, end) in cases {
            let mut replies = client.request(&SERVICE, "?").many(many).now().expect("room");
            let mut received = 0;
            while soon(replies.next()).await.is_some() {
                received += 1;
            }
            assert_eq!((received, replies.ended()), (count, Some(Ok(end))));
        }
        let nobody = subject("service.none");
        let mut replies = client.request(&nobody, "?").many(all).now().expect("room");
        assert_eq!(soon(replies.next()).await, None);
        assert_eq!(replies.ended(), Some(Err(RequestError::NoResponders { subject: named(&nobody) })));
    }

    async fn replies_are_waited_for_so_long_at_most_and_taken_without_waiting(adapter) {
        let cluster = Model::start(1);
        let client = soon(adapter.connect(options(&cluster.urls()))).await.expect("a server");
        let mut requests = client.subscribe(&SERVICE).expect("open");
        let mut replies = client.request(&SERVICE, "?").many(RequestMany::new(LIMIT).max(3)).now().expect("room");
        let request = message(&mut requests).await;
        assert_eq!(replies.try_next(), None);
        let short = Duration::from_millis(5);
        assert_eq!(soon(replies.next_timeout(short)).await, Err(NextError::TimedOut));
        assert_eq!(soon(requests.next_timeout(short)).await, Err(NextError::TimedOut));
        for reply in ["one", "two", "three"] {
            client.respond(&request, reply).now().expect("room");
        }
        assert_eq!(soon(replies.next_timeout(LIMIT)).await.expect("a reply").payload(), b"one");
        let mut rest = Vec::new();
        until(|| {
            rest.extend(std::iter::from_fn(|| replies.try_next()));
            rest.len() == 2
        })
        .await;
        assert_eq!(rest[1].payload(), b"three");
        assert_eq!(soon(replies.next_timeout(LIMIT)).await, Err(NextError::Ended));
        assert_eq!(replies.ended(), Some(Ok(RepliesEnd::MaxReached)));
        soon(client.close()).await;
        assert_eq!(soon(requests.next_timeout(LIMIT)).await, Err(NextError::Ended));
    }

    async fn a_lost_link_fails_what_was_written_and_keeps_what_was_not(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        // There has to be a responder.
        let mut requests = client.subscribe(&SERVICE).expect("open");
        let written = client.request(&SERVICE, "written").now().expect("room");
        message(&mut requests).await;
        cluster.server(0).crash();
        watch.until("disconnected").await;
        assert_eq!(soon(written).await, Err(RequestError::Disconnected { subject: named(&SERVICE), written: true }));
        let queued = client.request(&SERVICE, "queued").now().expect("room");
        cluster.server(0).restart().expect("its port");
        let request = message(&mut requests).await;
        assert_eq!(request.payload(), b"queued");
        soon(client.respond(&request, "here")).await.expect("room");
        assert_eq!(soon(queued).await.expect("a reply").payload(), b"here");
    }

    async fn requests_survive_a_disconnect_if_configured(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let (client, mut watch) = adapter.start(options(&server.url()).requests_survive(true));
        watch.until("connected").await;
        let mut requests = client.subscribe(&SERVICE).expect("open");
        let pending = client.request(&SERVICE, "?").timeout(LIMIT).now().expect("room");
        let request = message(&mut requests).await;
        let restarting = server.clone();
        soon(elsewhere(move || restarting.restart())).await;
        watch.until("resubscribed").await;
        soon(client.respond(&request, "on another link")).await.expect("room");
        assert_eq!(soon(pending).await.expect("a reply").payload(), b"on another link");
    }

    async fn a_close_ends_every_request_and_no_new_one_begins(adapter) {
        let silent = Step::instead(When::Publish(1), []);
        let cluster = Model::with([Settings { script: vec![silent], ..Settings::new("n1") }]);
        let client = soon(adapter.connect(options(&cluster.urls()))).await.expect("a session");
        let pending = client.request(&SERVICE, "?").now().expect("room");
        let mut replies = client.request(&SERVICE, "?").many(RequestMany::new(LIMIT)).now().expect("room");
        soon(client.close()).await;
        assert_eq!(soon(pending).await, Err(RequestError::Closed { written: true }));
        while soon(replies.next()).await.is_some() {}
        assert!(replies.ended().is_some());
        assert!(matches!(client.request(&SERVICE, "?").now(), Err(RequestError::Closed { written: false })));
    }

    async fn headers_go_both_ways_and_one_member_of_a_group_answers(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let (client, service) = (connected(adapter, &server).await, connected(adapter, &server).await);
        for _ in 0..3 {
            let group = QueueGroup::new("echoes").expect("a name");
            let mut requests = service.queue_subscribe(&SERVICE, group).expect("open");
            let answering = service.clone();
            let _serving = adapter.spawn(async move {
                while let Some(request) = requests.next().await {
                    let headers = request.headers().expect("a good block").expect("headers");
                    let reply = subject(&request.reply().expect("a reply subject"));
                    answering.publish(&reply, "").headers(&headers).await.expect("open");
                }
            });
        }
        soon(service.flush()).await.expect("a session");
        let mut headers = Headers::new();
        headers.append("Trace", "7").expect("valid");
        let mut replies = client
            .request(&SERVICE, "?")
            .headers(&headers)
            .many(RequestMany::new(LIMIT).stall(Duration::from_millis(200))).now()
            .expect("room");
        let reply = soon(replies.next()).await.expect("a reply");
        assert_eq!(reply.headers().expect("a good block").expect("headers").get("Trace"), Some(&b"7"[..]));
        assert_eq!(soon(replies.next()).await, None, "one member answers");
    }

    /// The only interest is that of this client, and the server does not send its messages back.
    async fn without_echo_a_service_of_the_same_client_does_not_respond(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let client = soon(adapter.connect(options(&server.url()).echo(false))).await.expect("a server");
        let _own = client.subscribe(&SERVICE).expect("open");
        assert_eq!(soon(client.request(&SERVICE, "?").into_future()).await, Err(RequestError::NoResponders { subject: named(&SERVICE) }));
    }

    async fn the_inbox_begins_as_it_was_asked_to(adapter) {
        let cluster = Model::start(1);
        let options = options(&cluster.urls()).inbox_prefix(subject("_INBOX_ann"));
        let client = soon(adapter.connect(options)).await.expect("a session");
        assert_eq!(soon(client.request(&SERVICE, "?").into_future()).await, Err(RequestError::NoResponders { subject: named(&SERVICE) }));
        let logs = cluster.logs();
        let filters: Vec<&str> = logs[0].frames.iter()
            .filter_map(|frame| match &frame.op {
                Op::Subscribe { filter, .. } => Some(filter.as_str()),
                _ => None,
            })
            .collect();
        assert!(matches!(filters[..], [inbox] if inbox.starts_with("_INBOX_ann.") && inbox.ends_with(".*")), "{filters:?}");
    }
}
