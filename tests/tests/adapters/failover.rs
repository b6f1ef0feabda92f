//! Real servers that crash, hang, or announce lame duck mode.

use nats_conn_client::{Delivery, LameDuckPolicy};

use crate::scene::*;
use crate::traffic::Traffic;

const NUMBERS: &str = "failover.numbers";

/// Three servers that know each other, and close a lone client only long after they announced it.
fn three(version: Version) -> Arc<Cluster> {
    let config = ServerConfig::new().lame_duck(Duration::from_secs(40), Duration::from_secs(30));
    Arc::new(Cluster::start(version, 3, config))
}

/// Which of the servers a session is with.
async fn node(watch: &mut Watch, cluster: &Cluster) -> usize {
    let server = watch.session().await;
    cluster.index_of_url(&server).expect("a server of the cluster")
}

scenarios! {
    async fn a_killed_server_is_left_and_nothing_confirmed_is_lost(adapter, version) {
        let cluster = three(version);
        let (client, mut watch) = adapter.start(options(&cluster.node(0).url()));
        assert_eq!(node(&mut watch, &cluster).await, 0);
        let traffic = Traffic::start(adapter, &client, NUMBERS);
        traffic.flows(200).await;
        cluster.node(0).kill();
        assert!(matches!(watch.disconnected().await.code(), "eof" | "io"));
        assert_ne!(node(&mut watch, &cluster).await, 0);
        watch.until("resubscribed").await;
        traffic.flows(200).await;
        let book = traffic.stop().await;
        assert!(book.published() > 400);
        assert_eq!((book.confirmed_and_lost(), book.received_twice()), Default::default());
    }

    async fn a_killed_server_costs_nothing_that_was_accepted_at_least_once(adapter, version) {
        let cluster = three(version);
        let options = options(&cluster.node(0).url()).delivery(Delivery::AtLeastOnce);
        let (client, mut watch) = adapter.start(options);
        assert_eq!(node(&mut watch, &cluster).await, 0);
        let traffic = Traffic::start(adapter, &client, NUMBERS);
        traffic.flows(200).await;
        cluster.node(0).kill();
        watch.until("resubscribed").await;
        traffic.flows(200).await;
        assert_eq!(traffic.stop().await.accepted_and_lost(), Default::default());
        assert_eq!(client.publish_fates().unconfirmed, 0);
    }

    async fn a_server_that_hangs_is_found_stale_and_left(adapter, version) {
        let cluster = three(version);
        let options = options(&cluster.node(0).url()).ping_interval(Duration::from_millis(200)).max_pings_out(2);
        let (client, mut watch) = adapter.start(options);
        assert_eq!(node(&mut watch, &cluster).await, 0);
        let traffic = Traffic::start(adapter, &client, NUMBERS);
        traffic.flows(100).await;
        let hanging = cluster.clone();
        soon(elsewhere(move || hanging.node(0).stop())).await;
        assert_eq!(watch.disconnected().await.code(), "stale");
        assert_ne!(node(&mut watch, &cluster).await, 0);
        watch.until("resubscribed").await;
        traffic.flows(100).await;
        let book = traffic.stop().await;
        assert_eq!(book.confirmed_and_lost(), Default::default());
        cluster.node(0).cont();
    }

    async fn a_lame_duck_is_left_before_it_goes_and_nothing_is_lost(adapter, version) {
        let cluster = three(version);
        let options = options(&cluster.node(0).url())
            .lame_duck(LameDuckPolicy::Move { within: Duration::from_millis(300) });
        let (client, mut watch) = adapter.start(options);
        assert_eq!(node(&mut watch, &cluster).await, 0);
        let traffic = Traffic::start(adapter, &client, NUMBERS);
        traffic.flows(200).await;
        let leaving = cluster.clone();
        soon(elsewhere(move || leaving.node(0).lame_duck())).await;
        watch.until("lame_duck").await;
        assert_eq!(watch.disconnected().await.code(), "lame_duck", "left before it was closed");
        assert_ne!(node(&mut watch, &cluster).await, 0);
        watch.until("resubscribed").await;
        traffic.flows(200).await;
        let book = traffic.stop().await;
        assert_eq!(client.publish_fates().unconfirmed, 0);
        assert_eq!((book.accepted_and_lost(), book.received_twice()), Default::default());
    }
}
