//! A client's days: messages, requests, a crash, and the end.

use nats_conn_client::{MailboxLimits, PublishFailure, State};

use crate::scene::*;

const SUBJECT: Subject = Subject::from_static("life.tick");

scenarios! {
    async fn what_is_published_is_received_and_confirmed(home) {
        let cluster = Model::start(1);
        let client = soon(home.connect(options(&cluster.urls()))).await.expect("a server");
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

    async fn a_crash_is_survived_with_subscriptions_and_publishes(home) {
        let cluster = Model::start(2);
        let (client, mut watch) = home.start(options(&cluster.server(0).url()));
        watch.until("connected").await;
        let mut subscription = client.subscribe(filter("life.*")).expect("open");
        soon(client.flush()).await.expect("a session");
        cluster.server(0).crash();
        watch.until("disconnected").await;
        soon(client.publish(&SUBJECT, "meanwhile")).await.expect("room");
        watch.until("reconnected").await;
        let restored = watch.until("resubscribed").await;
        assert!(
            matches!(restored, ClientEvent::Connection(Event::Resubscribed { subscriptions: 1, refused: 0, .. })),
            "{restored:?}"
        );
        assert_eq!(text(&mut subscription).await, "meanwhile");
    }

    async fn a_publish_waits_for_room_until_its_timeout_or_the_end(home) {
        let cluster = Model::start(1);
        let server = cluster.server(0);
        let (client, mut watch) = home.start(options(&cluster.urls()).send_buffer(100));
        watch.until("connected").await;
        let (subject, large) = (SUBJECT, [0; 200]);
        let full = Publish::new(&subject, &large[..]);

        server.crash();
        watch.until("disconnected").await;
        client.try_publish(full.clone()).expect("accepted: nothing else is queued");
        let patience = Duration::from_millis(20);
        let late = soon(client.publish(&SUBJECT, "x").timeout(patience)).await;
        assert_eq!(late, Err(PublishFailure::TimedOut(patience)));
        let publisher = client.clone();
        let waiting = home.spawn(async move { publisher.publish(&SUBJECT, "x").await });
        server.restart().expect("its port");
        soon(waiting).await.expect("room when the link is back");

        soon(client.flush()).await.expect("a session");
        server.crash();
        watch.until("disconnected").await;
        client.try_publish(full.clone()).expect("accepted: nothing else is queued");
        let publisher = client.clone();
        let waiting = home.spawn(async move { publisher.publish(&SUBJECT, "x").await });
        soon(client.close()).await;
        assert!(matches!(soon(waiting).await, Err(PublishFailure::Refused(_))));
    }

    async fn a_slow_consumer_is_told_once_and_costs_only_itself(home) {
        let cluster = Model::start(1);
        let (client, mut watch) = home.start(options(&cluster.urls()).mailbox(MailboxLimits::new(10, 1 << 20)));
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

    async fn what_is_published_is_received_from_a_real_server(home, version) {
        let server = real_server(version, ServerConfig::new());
        let client = soon(home.connect(options(&server.url()))).await.expect("a server");
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
}
