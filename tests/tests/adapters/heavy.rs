//! Scenarios that need much time and many resources: few of these run at a time (`.config/nextest.toml`).

use nats_conn_client::{Delivery, LameDuckPolicy};

use crate::raw::Proxy;
use crate::scene::*;
use crate::traffic::Traffic;

const NUMBERS: &str = "heavy.numbers";

fn three(version: Version) -> Arc<Cluster> {
    let config = ServerConfig::new().lame_duck(Duration::from_secs(40), Duration::from_secs(30));
    Arc::new(Cluster::start(version, 3, config))
}

/// With which server the session is.
fn current(client: &Client, cluster: &Cluster) -> Option<usize> {
    let servers = client.servers();
    let current = servers.iter().find(|status| status.current)?;
    cluster.index_of_url(&current.server.to_string())
}

/// Replaces one server after the other, each when messages flow again, and the first once more.
async fn roll(client: &Client, cluster: &Arc<Cluster>, traffic: &Traffic, announced: bool) {
    for node in [0, 1, 2, 0] {
        traffic.flows(100).await;
        if announced {
            let (leaving, here) = (cluster.clone(), current(client, cluster) == Some(node));
            soon(elsewhere(move || leaving.node(node).lame_duck())).await;
            if here {
                until(|| current(client, cluster).is_some_and(|current| current != node)).await;
                traffic.flows(100).await;
            }
        }
        let replaced = cluster.clone();
        let replace = move || {
            replaced.node(node).restart();
            replaced.wait_until_formed();
        };
        soon(elsewhere(replace)).await;
    }
    traffic.flows(100).await;
}

scenarios! {
    async fn announced_replacements_of_a_whole_cluster_lose_nothing(adapter, version) {
        let cluster = three(version);
        let policy = LameDuckPolicy::Move { within: Duration::from_millis(200) };
        let (client, mut watch) = adapter.start(options(&cluster.node(0).url()).lame_duck(policy));
        watch.until("connected").await;
        until(|| client.servers().len() == 3).await;
        let traffic = Traffic::start(adapter, &client, NUMBERS);
        roll(&client, &cluster, &traffic, true).await;
        let book = traffic.stop().await;
        watch.catch_up();
        assert!(watch.count("lame_duck") >= 1, "{:?}", watch.names());
        assert_eq!(client.publish_fates().unconfirmed, 0);
        assert_eq!((book.accepted_and_lost(), book.received_twice()), Default::default());
    }

    async fn crashes_of_a_whole_cluster_lose_nothing_that_was_confirmed(adapter, version) {
        let cluster = three(version);
        let (client, mut watch) = adapter.start(options(&cluster.node(0).url()));
        watch.until("connected").await;
        until(|| client.servers().len() == 3).await;
        let traffic = Traffic::start(adapter, &client, NUMBERS);
        roll(&client, &cluster, &traffic, false).await;
        let book = traffic.stop().await;
        watch.catch_up();
        assert!(watch.count("disconnected") >= 1);
        assert_eq!((book.confirmed_and_lost(), book.received_twice()), Default::default());
    }

    async fn crashes_of_a_whole_cluster_lose_nothing_that_was_accepted_at_least_once(adapter, version) {
        let cluster = three(version);
        let (client, mut watch) = adapter.start(options(&cluster.node(0).url()).delivery(Delivery::AtLeastOnce));
        watch.until("connected").await;
        until(|| client.servers().len() == 3).await;
        let traffic = Traffic::start(adapter, &client, NUMBERS);
        roll(&client, &cluster, &traffic, false).await;
        let book = traffic.stop().await;
        watch.catch_up();
        assert!(watch.count("disconnected") >= 1);
        assert_eq!(book.accepted_and_lost(), Default::default());
        assert_eq!(client.publish_fates().unconfirmed, 0);
    }

    async fn ten_thousand_subscriptions_are_there_again_after_a_restart(adapter, version) {
        const COUNT: u64 = 10_000;
        let server = real_server(version, ServerConfig::new());
        let (client, mut watch) = adapter.start(options(&server.url()));
        watch.until("connected").await;
        let to = |number: u64| subject(&format!("heavy.many.{number}"));
        let subscribe = |number| client.subscribe(to(number)).expect("open");
        let mut subscriptions: Vec<Subscription> = (0..COUNT).map(subscribe).collect();
        soon(client.flush()).await.expect("a session");
        let held = || server.monitor("/connz").expect("it is up")["connections"][0]["subscriptions"].as_u64();
        assert_eq!(held(), Some(COUNT));
        let restarting = server.clone();
        soon(elsewhere(move || restarting.restart())).await;
        let restored = watch.until("resubscribed").await;
        assert!(
            matches!(restored, ClientEvent::Connection(ConnectionEvent::Resubscribed { subscriptions: COUNT, refused: 0, .. })),
            "{restored:?}"
        );
        assert_eq!(held(), Some(COUNT));
        for number in 0..COUNT {
            soon(client.publish(to(number), number.to_string().as_str())).await.expect("room");
        }
        for (number, subscription) in subscriptions.iter_mut().enumerate() {
            assert_eq!(text(subscription).await, number.to_string());
        }
        drop(subscriptions);
        soon(client.flush()).await.expect("a session");
        assert_eq!(held(), Some(0));
    }

    /// To the server we are the slow consumer: it closes the link without an error, and we reconnect.
    async fn a_client_that_the_server_calls_slow_reconnects(adapter, version) {
        let config = ServerConfig::new().max_payload(100_000).max_pending(200_000).write_deadline(Duration::from_secs(1));
        let server = real_server(version, config);
        let proxy = Proxy::before(server.address());
        let sender = soon(adapter.connect(options(&server.url()))).await.expect("a server");
        let (client, mut watch) = adapter.start(options(&proxy.url()));
        watch.until("connected").await;
        let mut subscription = client.subscribe(filter("heavy.flood")).expect("open");
        soon(client.flush()).await.expect("a session");
        proxy.choke(true);
        let (flood, payload) = (subject("heavy.flood"), vec![b'x'; 50_000]);
        while !server.log().contains("Slow Consumer") {
            for _ in 0..20 {
                soon(sender.publish(&flood, &payload[..])).await.expect("room");
            }
            soon(sender.flush()).await.expect("a session");
        }
        proxy.choke(false);
        let reason = watch.disconnected().await;
        assert!(matches!(reason.code(), "eof" | "io"), "{reason:?}");
        watch.until("resubscribed").await;
        while subscription.try_next().is_some() {}
        soon(sender.publish(&flood, "again")).await.expect("room");
        assert_eq!(text(&mut subscription).await, "again");
        assert_eq!(watch.count("server_removed") + watch.count("server_error"), 0);
    }
}
