//! A name with several addresses, some of which accept and then do not work.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use nats_conn_client::Backoff;
use nats_conn_client::machine::{AttemptError, Phase};

use crate::raw::{BlackHole, greet, raw_server};
use crate::scene::*;

/// The name of all of them.
const NAME: &str = "nats://several.test:4222";

/// A server of which the links are counted.
struct Counted {
    address: SocketAddr,
    links: Arc<AtomicUsize>,
}

impl Counted {
    fn start(serve: impl Fn(usize, std::net::TcpStream) + Send + Sync + Clone + 'static) -> Self {
        let links = Arc::new(AtomicUsize::new(0));
        let count = links.clone();
        let url = raw_server(move |number, stream| {
            count.fetch_add(1, Ordering::SeqCst);
            serve(number, stream);
        });
        Self {
            address: address_of(&url),
            links,
        }
    }

    /// Accepts, sends nothing, and does not close.
    fn silent() -> Self {
        Self::start(|_, stream| {
            let _open = stream;
            std::thread::park();
        })
    }

    /// Does the handshake, and answers no PING after it.
    fn freezing() -> Self {
        Self::start(|_, stream| {
            let _open = greet(stream);
            std::thread::park();
        })
    }

    fn links(&self) -> usize {
        self.links.load(Ordering::SeqCst)
    }
}

fn address_of(url: &str) -> SocketAddr {
    url.trim_start_matches("nats://").parse().expect("an address")
}

/// The name has these addresses, in this order.
fn named(addresses: impl Into<Vec<SocketAddr>>) -> Options {
    let addresses = addresses.into();
    options(NAME)
        .resolver(move |_, _| std::future::ready(Ok(addresses.clone())))
        .backoff(Backoff::NONE)
        .retry_initial(true)
}

/// Leaves the session, and waits for the next.
async fn again(client: &Client, watch: &mut Watch) {
    client.force_reconnect().expect("open");
    watch.session().await;
}

scenarios! {
    // behaviour: 3.8
    async fn a_silent_address_costs_one_attempt_and_comes_last_from_then_on(adapter) {
        let (silent, cluster) = (Counted::silent(), Model::start(1));
        let options = named([silent.address, cluster.server(0).address()]);
        let (client, mut watch) = adapter.start(options.connect_timeout(Duration::from_millis(500)).ignore_discovered(true));
        watch.session().await;
        assert_eq!((watch.count("connect_failed"), silent.links()), (1, 1));
        let failed = watch.seen().iter().find_map(|event| match event {
            ClientEvent::Connection(ConnectionEvent::ConnectFailed { phase, error, .. }) => Some((*phase, (**error).clone())),
            _ => None,
        });
        assert_eq!(failed, Some((Phase::Info, AttemptError::TimedOut)));
        for _ in 0..3 {
            again(&client, &mut watch).await;
        }
        assert_eq!((watch.count("connect_failed"), silent.links()), (1, 1), "for as long as the connection lives");
    }

    // behaviour: 3.8
    async fn a_session_that_goes_stale_is_followed_by_one_with_another_address(adapter) {
        let (freezing, cluster) = (Counted::freezing(), Model::start(1));
        let options = named([freezing.address, cluster.server(0).address()])
            .ping_interval(Duration::from_millis(50))
            .ignore_discovered(true);
        let (client, mut watch) = adapter.start(options);
        watch.session().await;
        assert_eq!(watch.disconnected().await, DisconnectReason::Stale);
        watch.session().await;
        soon(client.flush()).await.expect("of the one that answers");
        again(&client, &mut watch).await;
        assert_eq!((watch.count("connect_failed"), freezing.links()), (0, 1));
    }

    // behaviour: 3.8
    async fn addresses_that_all_failed_take_turns(adapter) {
        let silent = [Counted::silent(), Counted::silent(), Counted::silent()];
        let options = named(silent.iter().map(|server| server.address).collect::<Vec<_>>());
        let (_client, mut watch) = adapter.start(options.connect_timeout(Duration::from_millis(100)));
        for _ in 0..6 {
            watch.until("connect_failed").await;
        }
        let links: Vec<usize> = silent.iter().map(Counted::links).collect();
        // The seventh attempt may have begun.
        assert!(links == [2, 2, 2] || links == [3, 2, 2], "{links:?}");
    }

    /// It refused once, and is there again; so is the other one.
    // behaviour: 3.8
    async fn an_address_that_refused_comes_last_until_it_works_again(adapter) {
        let (first, second) = (Model::start(1), Model::start(1));
        let options = named([first.server(0).address(), second.server(0).address()]).ignore_discovered(true);
        first.server(0).crash();
        let (client, mut watch) = adapter.start(options);
        watch.session().await;
        assert_eq!(watch.count("connect_failed"), 0, "the other one is tried within the attempt");
        first.server(0).restart().expect("its port");
        again(&client, &mut watch).await;
        assert_eq!((first.logs().len(), second.logs().len()), (0, 2));
        second.server(0).crash();
        watch.session().await;
        second.server(0).restart().expect("its port");
        again(&client, &mut watch).await;
        assert_eq!((first.logs().len(), second.logs().len()), (2, 2), "it worked again, and the other one failed since");
    }

    /// An attempt that is abandoned while nothing answers counts for the address that it was dialling.
    // behaviour: 3.8
    async fn an_address_that_does_not_accept_comes_last(adapter) {
        let (hole, cluster) = (BlackHole::new(), Model::start(1));
        let hole = address_of(&hole.url());
        let asked = AtomicUsize::new(0);
        let server = cluster.server(0).address();
        // The second time the name has another address, too.
        let options = named([]).resolver(move |_, _| {
            let first = asked.fetch_add(1, Ordering::SeqCst) == 0;
            let addresses = if first { vec![hole] } else { vec![hole, server] };
            std::future::ready(Ok(addresses))
        });
        let (_client, mut watch) = adapter.start(options.connect_timeout(Duration::from_millis(200)));
        watch.until("connect_failed").await;
        watch.session().await;
        assert_eq!(watch.count("connect_failed"), 1);
    }

    /// Without a custom resolver: the addresses of `localhost` are those of this machine.
    async fn the_resolver_of_the_system_is_asked_by_default(adapter) {
        let cluster = Model::start(1);
        let url = format!("nats://localhost:{}", cluster.server(0).port());
        let client = soon(adapter.connect(options(&url))).await.expect("a session");
        soon(client.flush()).await.expect("a session");
    }
}
