//! Servers in lame duck mode.

use nats_conn_client::LameDuckPolicy;
use nats_conn_tests::model_server::Urls;

use crate::scene::*;

const SUBJECT: Subject = Subject::from_static("duck.one");

fn two() -> Model {
    let announcing = |name: &str| Settings {
        urls: Urls::Gossip,
        ..Settings::new(name)
    };
    Model::with([announcing("n1"), announcing("n2")])
}

/// Longer than any test: the server closes nothing by itself.
const LONG: Duration = Duration::from_secs(600);

scenarios! {
    async fn the_link_moves_when_everything_written_is_confirmed(adapter) {
        let cluster = two();
        let policy = LameDuckPolicy::Move { within: Duration::from_millis(50) };
        let (client, mut watch) = adapter.start(options(&cluster.server(0).url()).lame_duck(policy));
        watch.until("discovered_servers").await;
        let mut subscription = client.subscribe(filter("duck.*")).expect("open");
        cluster.server(0).lame_duck(LONG);
        for number in 0..100 {
            soon(client.publish(&SUBJECT, number.to_string().as_str())).await.expect("room");
            pause(Duration::from_millis(1)).await;
        }
        assert_eq!(watch.disconnected().await.code(), "lame_duck");
        assert_eq!(watch.session().await, cluster.server(1).url());
        watch.until("resubscribed").await;
        for number in 0..100 {
            assert_eq!(text(&mut subscription).await, number.to_string());
        }
        assert_eq!((client.publish_fates().unconfirmed, watch.count("lame_duck")), (0, 1));
    }

    async fn with_notify_the_client_stays_until_the_link_is_closed(adapter) {
        let cluster = two();
        let (client, mut watch) = adapter.start(options(&cluster.server(0).url()).lame_duck(LameDuckPolicy::Notify));
        watch.until("discovered_servers").await;
        let mut subscription = client.subscribe(filter("duck.*")).expect("open");
        cluster.server(0).lame_duck(Duration::from_millis(200));
        watch.until("lame_duck").await;
        soon(client.publish(&SUBJECT, "still here")).await.expect("room");
        assert_eq!(text(&mut subscription).await, "still here");
        assert_eq!(watch.disconnected().await.code(), "eof");
        assert_eq!(watch.session().await, cluster.server(1).url());
    }

    async fn with_nowhere_to_go_the_link_stays(adapter) {
        let cluster = Model::with([Settings::new("n1")]);
        let policy = LameDuckPolicy::Move { within: Duration::ZERO };
        let (client, mut watch) = adapter.start(options(&cluster.urls()).lame_duck(policy));
        watch.until("connected").await;
        let mut subscription = client.subscribe(filter("duck.*")).expect("open");
        cluster.server(0).lame_duck(LONG);
        watch.until("lame_duck").await;
        for number in 0..20 {
            soon(client.publish(&SUBJECT, number.to_string().as_str())).await.expect("room");
            assert_eq!(text(&mut subscription).await, number.to_string());
        }
        assert_eq!(client.statistics().connects, 1);
    }

    /// By the signal: SIGUSR2. The server announces it, and closes the link a second later.
    async fn a_real_lame_duck_without_a_cluster_is_reported_and_found_again_when_it_is_back(adapter, version) {
        let config = ServerConfig::new().lame_duck(Duration::from_secs(30), Duration::from_millis(100));
        let server = real_server(version, config);
        let (client, mut watch) = adapter.start(options(&server.url()));
        watch.until("connected").await;
        let mut subscription = client.subscribe(filter("duck.*")).expect("open");
        let going = server.clone();
        soon(elsewhere(move || going.lame_duck())).await;
        watch.until("lame_duck").await;
        assert_eq!(watch.disconnected().await.code(), "eof");
        soon(client.publish(&SUBJECT, "meanwhile")).await.expect("room");
        let returning = server.clone();
        soon(elsewhere(move || returning.restart())).await;
        watch.until("resubscribed").await;
        assert_eq!(text(&mut subscription).await, "meanwhile");
    }
}
