//! The real-server harness does what it says, against every supported server. Bare sockets only: nothing of the
//! client is needed, so a failure here is never the client's.
#![cfg(unix)]

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use nats_conn_tests::on_every_server;
use nats_conn_tests::real_server::{
    AccountUser, ClaimedPort, Cluster, ClusterSection, Operator, RealServer, ServerConfig, ServerTls,
    TlsFiles, User, wait_for,
};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);

on_every_server! {
    fn starts_and_greets_with_its_version_and_port(version) {
        let server = RealServer::start(version, ServerConfig::new().server_name("greeter").max_payload(4321));
        let info = server.info();
        assert_eq!(info["version"], version.number());
        assert_eq!(info["port"], server.port());
        assert_eq!(info["server_name"], "greeter");
        assert_eq!(info["max_payload"], 4321);
        assert_eq!(info["headers"], true);
    }

    fn carries_a_message_between_two_bare_sockets(version) {
        let server = RealServer::start(version, ServerConfig::new().trace());
        let mut receiver = Wire::connected(&server, "{}");
        receiver.send("SUB a.* 7\r\nPING\r\n");
        receiver.expect("PONG");
        Wire::connected(&server, "{}").send("PUB a.b 2\r\nhi\r\n");
        receiver.expect("MSG a.b 7 2");
        receiver.expect("hi");
        assert!(server.log().contains("[SUB a.* 7]"), "tracing shows what the server read: {}", server.log());
    }

    fn a_crash_ends_every_connection_and_frees_nothing_for_others(version) {
        let server = RealServer::start(version, ServerConfig::new());
        let mut wire = Wire::connected(&server, "{}");
        server.kill();
        assert!(!server.is_running());
        assert_eq!(wire.rest(), "");
        assert!(TcpStream::connect(server.address()).is_err(), "nobody listens on the port of a crashed server");
        let other = RealServer::start(version, ServerConfig::new());
        assert_ne!(other.port(), server.port(), "the port of a crashed server stays its own");
    }

    fn comes_back_on_the_same_port_as_another_server(version) {
        let server = RealServer::start(version, ServerConfig::new());
        let before = server.info();
        for _ in 0..3 {
            let _wire = Wire::connected(&server, "{}");
            server.restart();
        }
        let after = server.info();
        assert_eq!(before["port"], after["port"]);
        assert_ne!(before["server_id"], after["server_id"]);
        server.restart_with(ServerConfig::new().max_payload(99));
        assert_eq!(server.info()["max_payload"], 99);
    }

    fn lame_duck_tells_its_client_closes_it_after_the_grace_period_and_goes(version) {
        let grace = Duration::from_millis(200);
        let server = RealServer::start(version, ServerConfig::new().lame_duck(Duration::from_secs(30), grace));
        let mut wire = Wire::connected(&server, r#"{"protocol":1}"#);
        let begin = Instant::now();
        server.lame_duck();
        assert!(TcpStream::connect(server.address()).is_err(), "a lame duck accepts nobody");
        let rest = wire.rest();
        let last = rest.lines().last().unwrap_or_default();
        assert!(last.starts_with("INFO ") && last.contains(r#""ldm":true"#), "the last word is lame duck: {rest}");
        assert!(begin.elapsed() >= grace);
        server.wait_until_gone(SOON);
        assert!(begin.elapsed() < SOON, "a lone client does not wait for the whole duration");
    }

    fn lame_duck_durations_under_30_seconds_are_refused_by_the_server(version) {
        let config = ServerConfig::new().lame_duck(Duration::from_secs(29), Duration::from_secs(1));
        let error = RealServer::try_start(version, config).expect_err("the server refuses it");
        assert!(error.log().contains("minimum is 30 seconds"), "{error}");
    }

    fn a_stopped_server_accepts_and_is_silent_until_it_is_continued(version) {
        let server = RealServer::start(version, ServerConfig::new());
        let mut wire = Wire::connected(&server, "{}");
        server.stop();
        assert!(server.is_running());
        wire.send("PING\r\n");
        let mut greeted = TcpStream::connect(server.address()).expect("the kernel accepts for it");
        let limit = Duration::from_millis(200);
        greeted.set_read_timeout(Some(limit)).expect("a timeout");
        let silence = greeted.read(&mut [0; 1]).expect_err("nobody sends INFO");
        assert!(matches!(silence.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{silence}");
        server.cont();
        wire.expect("PONG");
        assert_eq!(server.info()["port"], server.port());
    }

    fn a_stopped_server_can_be_killed_and_restarted(version) {
        let server = RealServer::start(version, ServerConfig::new());
        server.stop();
        server.restart();
        Wire::connected(&server, "{}");
    }

    fn terminating_is_orderly(version) {
        let server = RealServer::start(version, ServerConfig::new());
        let mut wire = Wire::connected(&server, "{}");
        server.terminate();
        assert_eq!(wire.rest(), "");
        assert!(server.log().contains("Server Exiting"), "{}", server.log());
        server.restart();
        assert!(server.is_running());
    }

    fn a_reload_changes_the_running_server(version) {
        let server = RealServer::start(version, ServerConfig::new().user(User::with_password("anna", "old")));
        Wire::connected(&server, r#"{"user":"anna","pass":"old"}"#);
        server.reload(ServerConfig::new().user(User::with_password("anna", "new")));
        Wire::connected(&server, r#"{"user":"anna","pass":"new"}"#);
        let mut refused = Wire::open(&server);
        refused.send("CONNECT {\"user\":\"anna\",\"pass\":\"old\"}\r\nPING\r\n");
        refused.expect("-ERR 'Authorization Violation'");
    }

    fn permissions_are_those_of_the_user(version) {
        let bob = User::with_password("bob", "b\"ob\\").allow_publish(&["ok.>"]).deny_subscribe(&["secret"]);
        let server = RealServer::start(version, ServerConfig::new().user(bob));
        let mut wire = Wire::connected(&server, r#"{"user":"bob","pass":"b\"ob\\"}"#);
        wire.send("PUB ok.yes 0\r\n\r\nPUB no 0\r\n\r\n");
        wire.expect("-ERR 'Permissions Violation for Publish to \"no\"'");
        wire.send("SUB secret 1\r\n");
        wire.expect("-ERR 'Permissions Violation for Subscription to \"secret\"'");
    }

    fn tokens_are_required(version) {
        let server = RealServer::start(version, ServerConfig::new().token("s3cr3t"));
        assert_eq!(server.info()["auth_required"], true);
        Wire::connected(&server, r#"{"auth_token":"s3cr3t"}"#);
    }

    fn a_user_with_an_nkey_signs_the_servers_nonce(version) {
        let user = AccountUser::nkey_only();
        let server = RealServer::start(version, ServerConfig::new().user(User::with_nkey(&user.public_key())));
        Wire::signed_in(&server, &user);
    }

    fn users_of_accounts_sign_in_with_their_jwt_and_only_see_their_account(version) {
        let mut operator = Operator::new();
        let (one, two) = (operator.account("one"), operator.account("two"));
        let server = RealServer::start(version, operator.configure(ServerConfig::new()));
        let limited = one.user_with("b", serde_json::json!({ "pub": { "deny": ["no"] } }), None);
        let mut same = Wire::signed_in(&server, &one.user("a"));
        let mut foreign = Wire::signed_in(&server, &two.user("c"));
        let mut sender = Wire::signed_in(&server, &limited);
        for wire in [&mut same, &mut foreign] {
            wire.send("SUB > 1\r\nPING\r\n");
            wire.expect("PONG");
        }
        sender.send("PUB yes 0\r\n\r\nPUB no 0\r\n\r\n");
        sender.expect("-ERR 'Permissions Violation for Publish to \"no\"'");
        same.expect("MSG yes 1 0");
        foreign.send("PING\r\n");
        foreign.expect("PONG");
        Wire::signed_in(&server, &operator.system_account().user("admin"));
    }

    fn a_user_that_expired_is_refused(version) {
        let mut operator = Operator::new();
        let user = operator.account("one").user_until("late", 1_000_000_000);
        let server = RealServer::start(version, operator.configure(ServerConfig::new()));
        let mut wire = Wire::open(&server);
        wire.sign_in(&user);
        wire.expect("-ERR 'Authorization Violation'");
    }

    fn limits_and_intervals_reach_the_server(version) {
        let config = ServerConfig::new()
            .ping_interval(Duration::from_millis(1500))
            .ping_max(3)
            .write_deadline(Duration::from_secs(4))
            .max_connections(17)
            .max_subscriptions(18)
            .max_payload(100_000)
            .max_pending(190_000)
            .max_control_line(2048)
            .auth_timeout(Duration::from_millis(2500))
            .without_headers();
        let server = RealServer::start(version, config);
        let about = server.monitor("/varz").expect("the monitoring port answers");
        let expected = [
            ("ping_interval", Value::from(1_500_000_000_u64)),
            ("ping_max", Value::from(3)),
            ("write_deadline", Value::from(4_000_000_000_u64)),
            ("max_connections", Value::from(17)),
            ("max_subscriptions", Value::from(18)),
            ("max_pending", Value::from(190_000)),
            ("max_control_line", Value::from(2048)),
            ("auth_timeout", Value::from(2.5)),
        ];
        for (key, value) in expected {
            assert_eq!(about[key], value, "{key}");
        }
        assert_ne!(server.info()["headers"], true);
    }

    fn the_monitoring_port_counts_connections_and_subscriptions(version) {
        let server = RealServer::start(version, ServerConfig::new());
        let mut wire = Wire::connected(&server, r#"{"name":"watched"}"#);
        wire.send("SUB a 1\r\nSUB b 2\r\nPING\r\n");
        wire.expect("PONG");
        assert_eq!(server.connections().expect("the monitoring port answers"), 1);
        let clients = server.monitor("/connz?subs=1").expect("the monitoring port answers");
        assert_eq!(clients["connections"][0]["name"], "watched");
        assert_eq!(clients["connections"][0]["subscriptions"], 2);
        assert!(server.monitor("/subsz").expect("the monitoring port answers")["num_subscriptions"].is_u64());
        assert!(server.monitor("/no-such-page").is_err());
        drop(wire);
        wait_for("the client to be forgotten", SOON, || (server.connections().ok() == Some(0)).then_some(()));
    }

    fn a_refused_configuration_is_an_error_that_holds_the_servers_text(version) {
        let error = RealServer::try_start(version, ServerConfig::new().raw("no_such_setting: 1"));
        let error = error.expect_err("the server refuses it");
        assert!(error.log().contains("no_such_setting"), "{error}");
    }

    fn nothing_is_left_of_a_dropped_server(version) {
        let server = RealServer::start(version, ServerConfig::new());
        let (address, mut wire) = (server.address(), Wire::connected(&server, "{}"));
        let folder = server.folder().to_owned();
        assert!(folder.join("server.log").exists());
        drop(server);
        assert_eq!(wire.rest(), "");
        assert!(TcpStream::connect(address).is_err());
        assert!(!folder.exists());
    }

    fn tls_is_required_or_only_offered_as_configured(version) {
        let files = TlsFiles::new();
        let server = RealServer::start(version, ServerConfig::new().tls(ServerTls::new(&files).verify_clients()));
        let info = server.info();
        assert_eq!((&info["tls_required"], &info["tls_verify"]), (&Value::Bool(true), &Value::Bool(true)));
        server.restart_with(ServerConfig::new().tls(ServerTls::new(&files).allow_plain()));
        assert_eq!(server.info()["tls_available"], true);
        Wire::connected(&server, "{}");
    }

    fn tls_first_sends_nothing_in_clear_text(version) {
        if !version.has_tls_first() {
            return;
        }
        let files = TlsFiles::for_hosts(&["elsewhere.example"]);
        let tls = ServerTls::new(&files).verify_and_map().handshake_first();
        let server = RealServer::start(version, ServerConfig::new().tls(tls).user(User::with_certificate("CN=client")));
        let mut stream = TcpStream::connect(server.address()).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
        assert!(stream.read(&mut [0; 1]).is_err());
    }

    fn a_cluster_gossips_every_node_to_clients(version) {
        let cluster = Cluster::start(version, 3, ServerConfig::new());
        for (index, node) in cluster.nodes().iter().enumerate() {
            let info = node.info();
            assert_eq!(info["server_name"], format!("node-{index}"));
            assert_eq!(info["cluster"], "laboratory");
            assert_eq!(known_nodes(&cluster, &info), [0, 1, 2]);
        }
    }

    fn a_cluster_carries_messages_between_its_nodes(version) {
        let cluster = Cluster::start(version, 2, ServerConfig::new());
        let mut receiver = Wire::connected(cluster.node(0), "{}");
        receiver.send("SUB far 1\r\nPING\r\n");
        receiver.expect("PONG");
        let mut sender = Wire::connected(cluster.node(1), "{}");
        wait_for("interest to travel", SOON, || {
            let routes = cluster.node(1).monitor("/routez?subs=1").ok()?;
            routes.to_string().contains("far").then_some(())
        });
        sender.send("PUB far 1\r\nx\r\n");
        receiver.expect("MSG far 1 1");
    }

    fn a_cluster_removes_a_crashed_node_and_readmits_it(version) {
        let cluster = Cluster::start(version, 3, ServerConfig::new());
        cluster.node(1).kill();
        cluster.wait_until_formed();
        assert_eq!(known_nodes(&cluster, &cluster.node(0).info()), [0, 2]);
        cluster.node(1).restart();
        cluster.wait_until_formed();
        assert_eq!(known_nodes(&cluster, &cluster.node(2).info()), [0, 1, 2]);
    }

    fn a_lame_duck_in_a_cluster_names_only_the_others(version) {
        let config = ServerConfig::new().lame_duck(Duration::from_secs(30), Duration::from_millis(100));
        let cluster = Cluster::start(version, 3, config);
        let mut wire = Wire::connected(cluster.node(0), r#"{"protocol":1}"#);
        cluster.node(0).lame_duck();
        let rest = wire.rest();
        let duck = rest.lines().filter_map(|line| line.strip_prefix("INFO "));
        let mut duck = duck.map(|json| serde_json::from_str::<Value>(json).expect("INFO is JSON"));
        let duck = duck.rfind(|info| info["ldm"] == true).expect("it says lame duck");
        assert_eq!(known_nodes(&cluster, &duck), [1, 2]);
    }

    fn a_cluster_can_be_configured_not_to_gossip(version) {
        let quiet = ClusterSection::new("quiet").without_advertising();
        let cluster = Cluster::start(version, 2, ServerConfig::new().cluster(quiet));
        let info = cluster.node(1).info();
        assert_eq!((&info["cluster"], &info["connect_urls"]), (&Value::from("quiet"), &Value::Null));
    }
}

#[test]
fn many_claims_are_all_different() {
    let ports: Vec<ClaimedPort> = (0..100)
        .map(|_| ClaimedPort::claim().expect("there are enough ports"))
        .collect();
    let mut numbers: Vec<u16> = ports.iter().map(ClaimedPort::number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 100);
}

/// Which nodes an INFO names, in order.
fn known_nodes(cluster: &Cluster, info: &Value) -> Vec<usize> {
    let urls = info["connect_urls"].as_array().expect("the INFO names servers");
    let index = |url: &Value| {
        cluster
            .index_of_url(url.as_str().expect("a URL is a string"))
            .expect("one of ours")
    };
    let mut indices: Vec<usize> = urls.iter().map(index).collect();
    indices.sort_unstable();
    indices
}

/// A bare socket that speaks lines.
struct Wire {
    stream: BufReader<TcpStream>,
    info: Value,
}

impl Wire {
    /// Connects and reads INFO.
    fn open(server: &RealServer) -> Self {
        let stream = TcpStream::connect(server.address()).expect("the server listens");
        stream.set_read_timeout(Some(SOON)).expect("a timeout");
        let mut wire = Self {
            stream: BufReader::new(stream),
            info: Value::Null,
        };
        let line = wire.line();
        let info = line
            .strip_prefix("INFO ")
            .unwrap_or_else(|| panic!("not INFO: {line}"));
        wire.info = serde_json::from_str(info).expect("INFO is JSON");
        wire
    }

    /// A whole handshake with these CONNECT options.
    fn connected(server: &RealServer, options: &str) -> Self {
        let mut options: Value = serde_json::from_str(options).expect("options are JSON");
        options["verbose"] = Value::Bool(false);
        let mut wire = Self::open(server);
        wire.send(&format!("CONNECT {options}\r\nPING\r\n"));
        wire.expect("PONG");
        wire
    }

    /// A whole handshake in the name of a user with a key.
    fn signed_in(server: &RealServer, user: &AccountUser) -> Self {
        let mut wire = Self::open(server);
        wire.sign_in(user);
        wire.expect("PONG");
        wire
    }

    fn sign_in(&mut self, user: &AccountUser) {
        let signature = user.sign(self.info["nonce"].as_str().expect("the server offers a nonce"));
        let mut options = serde_json::json!({ "verbose": false, "sig": signature });
        if user.jwt().is_empty() {
            options["nkey"] = user.public_key().into();
        } else {
            options["jwt"] = user.jwt().into();
        }
        self.send(&format!("CONNECT {options}\r\nPING\r\n"));
    }

    fn send(&mut self, text: &str) {
        self.stream
            .get_mut()
            .write_all(text.as_bytes())
            .expect("the server reads");
    }

    /// The next line that is neither INFO nor PING must be this one.
    fn expect(&mut self, expected: &str) {
        let line = loop {
            let line = self.line();
            if !line.starts_with("INFO ") && line != "PING" {
                break line;
            }
        };
        assert_eq!(line, expected);
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("the server sends a line");
        line.trim_end().to_owned()
    }

    /// Everything up to the end of the stream, which may also be a reset.
    fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        if let Err(error) = self.stream.read_to_end(&mut rest) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
        }
        String::from_utf8_lossy(&rest).into_owned()
    }
}
