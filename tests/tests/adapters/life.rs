//! Everyday use of a client: messages, requests, a crash, and the end.

use nats_conn_client::{Fate, MailboxLimits, PublishError, RespondError, State};
use nats_conn_tests::model_server::{Step, When};

use crate::scene::*;

const SUBJECT: Subject = Subject::from_static("life.tick");

scenarios! {
    async fn what_is_published_is_received_and_confirmed(adapter) {
        let cluster = Model::start(1);
        let client = soon(adapter.connect(options(&cluster.urls()))).await.expect("a server");
        let mut subscription = client.subscribe(filter("life.*")).expect("open");
        for number in 0..1000 {
            soon(client.publish(&SUBJECT, number.to_string().as_str())).await.expect("accepted");
        }
        soon(client.flush()).await.expect("a session");
        assert_eq!(client.publish_fates().confirmed, 1000);
        for number in 0..1000 {
            assert_eq!(text(&mut subscription).await, number.to_string());
        }
        assert!(soon(client.rtt()).await.expect("a session") < LIMIT);
        assert_eq!(soon(client.close()).await, ClosedReason::Requested);
        assert_eq!(soon(subscription.next()).await, None);
        assert_eq!(subscription.ended(), Some(EndReason::Closed));
    }

    async fn a_crash_is_survived_with_subscriptions_and_publishes(adapter) {
        let cluster = Model::start(2);
        let (client, mut watch) = adapter.start(options(&cluster.server(0).url()));
        watch.until("connected").await;
        let mut subscription = client.subscribe(filter("life.*")).expect("open");
        soon(client.flush()).await.expect("a session");
        cluster.server(0).crash();
        watch.until("disconnected").await;
        soon(client.publish(&SUBJECT, "meanwhile")).await.expect("room");
        watch.until("reconnected").await;
        let restored = watch.until("resubscribed").await;
        assert!(
            matches!(restored, ClientEvent::Connection(ConnectionEvent::Resubscribed { subscriptions: 1, refused: 0, .. })),
            "{restored:?}"
        );
        assert_eq!(text(&mut subscription).await, "meanwhile");
    }

    async fn a_publish_waits_for_room_until_its_timeout_or_the_end(adapter) {
        let cluster = Model::start(1);
        let server = cluster.server(0);
        let (client, mut watch) = adapter.start(options(&cluster.urls()).send_buffer(100));
        watch.until("connected").await;
        let large = [0; 200];

        server.crash();
        watch.until("disconnected").await;
        client.publish(&SUBJECT, &large[..]).now().expect("accepted: nothing else is queued");
        let patience = Duration::from_millis(20);
        let late = soon(client.publish(&SUBJECT, "x").timeout(patience)).await;
        assert_eq!(late, Err(PublishError::TimedOut { subject: named(&SUBJECT), after: patience }));
        let publisher = client.clone();
        let waiting = adapter.spawn(async move { publisher.publish(&SUBJECT, "x").await });
        server.restart().expect("its port");
        soon(waiting).await.expect("room when the link is back");

        soon(client.flush()).await.expect("a session");
        server.crash();
        watch.until("disconnected").await;
        client.publish(&SUBJECT, &large[..]).now().expect("accepted: nothing else is queued");
        let publisher = client.clone();
        let waiting = adapter.spawn(async move { publisher.publish(&SUBJECT, "x").await });
        soon(client.close()).await;
        assert!(matches!(soon(waiting).await, Err(PublishError::Closed | PublishError::NotConnected)));
    }

    async fn a_slow_consumer_is_reported_once_and_affects_only_itself(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()).mailbox(MailboxLimits::new(10, 1 << 20)));
        watch.until("connected").await;
        let mut slow = client.subscribe(filter("life.*")).expect("open");
        for _ in 0..100 {
            soon(client.publish(&SUBJECT, "x")).await.expect("accepted");
        }
        soon(client.flush()).await.expect("a session");
        assert_eq!((slow.pending(), slow.dropped()), (10, 90));
        watch.catch_up();
        assert_eq!(watch.count("slow_consumer"), 1);
        for _ in 0..10 {
            assert!(slow.try_next().is_some());
        }
        soon(client.publish(&SUBJECT, "y")).await.expect("accepted");
        assert_eq!(text(&mut slow).await, "y");
        assert_eq!(client.state(), State::Connected);
    }

    async fn what_is_published_is_received_from_a_real_server(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let client = soon(adapter.connect(options(&server.url()))).await.expect("a server");
        let mut subscription = client.subscribe(filter("life.*")).expect("open");
        for number in 0..1000 {
            soon(client.publish(&SUBJECT, number.to_string().as_str())).await.expect("accepted");
        }
        soon(client.flush()).await.expect("a session");
        for number in 0..1000 {
            assert_eq!(text(&mut subscription).await, number.to_string());
        }
        assert_eq!(soon(client.close()).await, ClosedReason::Requested);
    }

    async fn the_fate_of_a_publish_can_be_followed(adapter) {
        let deaf = Step::instead(When::PingFrom(2), []);
        let cluster = Model::with([Settings { next_scripts: [vec![deaf]].into(), ..Settings::new("n1") }]);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        let lost = soon(client.publish(&SUBJECT, "lost")).await.expect("room");
        until(|| client.fate(lost) == Some(Fate::Written)).await;
        assert_eq!(client.publish_fates().settled, 0);
        until(|| cluster.logs()[0].publishes().count() == 1).await;
        cluster.server(0).crash();
        let unconfirmed = watch.find("disconnected", |event| match event {
            ClientEvent::Connection(ConnectionEvent::Disconnected { unconfirmed, .. }) => Some(unconfirmed.clone()),
            _ => None,
        }).await;
        assert!(unconfirmed.contains(lost));
        let kept = soon(client.publish(&SUBJECT, "kept")).await.expect("room");
        assert_eq!((client.fate(lost), client.fate(kept)), (Some(Fate::Settled), Some(Fate::Queued)));
        cluster.server(0).restart().expect("its port");
        watch.until("reconnected").await;
        soon(client.flush()).await.expect("a session");
        assert_eq!(client.fate(kept), Some(Fate::Settled));
        let fates = client.publish_fates();
        assert_eq!((fates.accepted, fates.unconfirmed, fates.confirmed, fates.settled), (2, 1, 1, kept.as_u64()));
    }

    async fn statistics_agree_with_those_of_the_server(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let client = soon(adapter.connect(options(&server.url()))).await.expect("a server");
        let _subscription = client.subscribe(filter("life.*")).expect("open");
        for _ in 0..100 {
            soon(client.publish(&SUBJECT, "12345")).await.expect("room");
        }
        soon(client.flush()).await.expect("a session");
        // The PONG may arrive before the thread that writes has returned its empty buffer.
        until(|| client.statistics().pending_bytes == 0).await;
        let statistics = client.statistics();
        let page = server.monitor("/connz").expect("it is up");
        let theirs = |field: &str| page["connections"][0][field].as_u64();
        assert_eq!(theirs("in_msgs"), Some(statistics.out_messages));
        assert_eq!(theirs("out_msgs"), Some(statistics.in_messages));
        assert_eq!(theirs("subscriptions"), Some(statistics.subscriptions));
        assert_eq!((statistics.out_messages, statistics.in_messages, statistics.pending_bytes), (100, 100, 0));
        let info = client.server_info().expect("a session");
        assert_eq!(info.version.as_deref(), Some(version.number()));
    }

    async fn a_message_without_a_reply_subject_cannot_be_answered(adapter) {
        let cluster = Model::start(1);
        let client = soon(adapter.connect(options(&cluster.urls()))).await.expect("a server");
        let mut subscription = client.subscribe(filter("life.*")).expect("open");
        soon(client.publish(&SUBJECT, "x")).await.expect("room");
        let received = message(&mut subscription).await;
        assert_eq!(soon(client.respond(&received, "y")).await, Err(RespondError::NoReplySubject));
    }
}
