//! Links to real servers that are lost, left and made again. Every console is recorded; where `GOLDEN_WRITE` is set its
//! recording becomes a golden one (`tests/golden/README.md`).

use nats_conn_tests::real_server::{
    Cluster, RealServer, ServerConfig, ServerTls, TlsFiles, User, Version, wait_for,
};

use crate::scene::*;
use crate::tape::Tape;

/// The order of servers and every wait that is drawn are the same each time. With this seed a client leaves a lame duck
/// 0.3 s after it was announced, of the 10 s that it may take.
const SEEDED: &str = "--no-randomize --seed 38";

fn start(version: Version, config: ServerConfig) -> RealServer {
    RealServer::start(version, config)
}

/// A console that is connected, and its recording.
fn recorded(adapter: Adapter, version: Version, scenario: &str, flags: &str) -> (Console, Tape) {
    let tape = Tape::new(scenario, adapter, version);
    let mut console = adapter.start(&format!("{SEEDED} {QUICK} {} {flags}", tape.flag()));
    console.until("connected");
    (console, tape)
}

/// The server has processed every command so far.
fn flush(console: &mut Console) {
    console.send("flush f");
    assert_eq!(console.until("flushed")["ok"], true);
}

consoles! {
    fn a_client_moves_away_from_a_lame_duck(adapter, version) {
        let (whole, grace) = (Duration::from_secs(30), Duration::from_secs(20));
        let one = start(version, ServerConfig::new().lame_duck(whole, grace));
        let two = start(version, ServerConfig::new());
        let servers = format!("--server {},{}", one.url(), two.url());
        let (mut console, tape) = recorded(adapter, version, "lame_duck_move", &servers);
        console.send("sub s day.>");
        console.send("pub day.one -- before");
        assert_eq!(console.until("message")["payload"], "before");
        console.send("pub day.two -- written");
        one.lame_duck();
        console.until("lame_duck");
        let moved = console.until("disconnected");
        assert_eq!((&moved["reason"], &moved["unconfirmed"]), (&json!("lame_duck"), &json!(0)));
        assert_eq!(console.until("reconnected")["server"], two.url());
        assert_eq!(console.until("resubscribed")["subscriptions"], 1);
        console.send("pub day.three -- after");
        console.until_where("after", |line| line["payload"] == "after");
        tape.close(console, &["before", "after"]);
    }

    fn a_lame_duck_with_nowhere_to_go_is_left_when_it_closes(adapter, version) {
        let (whole, grace) = (Duration::from_secs(30), Duration::from_millis(300));
        let server = start(version, ServerConfig::new().lame_duck(whole, grace));
        let servers = format!("--server {}", server.url());
        let (mut console, tape) = recorded(adapter, version, "lame_duck_alone", &servers);
        console.send("sub s a");
        flush(&mut console);
        server.lame_duck();
        console.until("lame_duck");
        console.until("disconnected");
        console.send("pub a -- queued");
        server.wait_until_gone(Duration::from_secs(40));
        server.restart();
        console.until("reconnected");
        assert_eq!(console.until("message")["payload"], "queued");
        tape.close(console, &["queued"]);
    }

    fn at_least_once_nothing_is_missing_over_cuts(adapter, version) {
        let server = start(version, ServerConfig::new());
        let flags = format!("--server {} --delivery at-least-once", server.url());
        let (mut console, tape) = recorded(adapter, version, "at_least_once", &flags);
        console.send("sub s kept.>");
        flush(&mut console);
        for round in 0..2 {
            // The server does not read any more what is written now.
            server.stop();
            for number in 0..10 {
                console.send(&format!("pub kept.{round} -- secret-{round}-{number}"));
            }
            console.ask("state");
            server.kill();
            console.until("disconnected");
            console.send(&format!("pub kept.{round} -- secret-{round}-10"));
            server.restart();
            console.until("resubscribed");
            flush(&mut console);
            let mut seen = console.seen_messages("s");
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), 11 * (round + 1), "{seen:?}");
        }
        let fates = console.ask("stats");
        assert_eq!((&fates["published"], &fates["unconfirmed"]), (&json!(22), &json!(0)), "{fates}");
        tape.close(console, &["secret-0", "secret-1"]);
    }

    fn a_drain_survives_a_lost_link(adapter, version) {
        let server = start(version, ServerConfig::new());
        let servers = format!("--server {}", server.url());
        let (mut console, tape) = recorded(adapter, version, "drain_over_a_lost_link", &servers);
        console.send("sub s a");
        console.send("sub t b workers");
        flush(&mut console);
        server.kill();
        console.until("disconnected");
        console.send("pub a -- queued");
        console.send("pubn b 20 10");
        console.send("drain");
        console.until("draining");
        server.restart();
        let closed = console.until("closed");
        assert_eq!((&closed["reason"], &closed["complete"]), (&json!("drained"), &json!(true)));
        assert_eq!(console.end().status, 0);
        tape.end(&["queued"]);
    }

    fn a_drain_delivers_what_was_on_its_way(adapter, version) {
        let server = start(version, ServerConfig::new());
        let servers = format!("--server {}", server.url());
        let (mut console, tape) = recorded(adapter, version, "drain", &servers);
        console.send("sub s a.>");
        console.send("sub t a.b workers");
        console.send("req r a.r 60000 -- question");
        console.until("message");
        console.send("pubn a.b 25 16");
        console.send("drain-sub t");
        console.send("drain");
        console.until("draining");
        console.until_where("a drained subscription", |line| line["ev"] == "sub_ended" && line["sub"] == "s");
        console.send("close");
        let end = console.end();
        let messages = end.lines.iter().filter(|line| line["ev"] == "message" && line["sub"] == "s");
        assert_eq!(messages.count(), 26);
        tape.end(&["question"]);
    }

    fn the_second_refusal_in_a_row_takes_the_server_out(adapter, version) {
        let with = |password| ServerConfig::new().user(User::with_password("annika", password));
        let server = start(version, with("hunter2"));
        let flags = format!("--server {} --user annika --password hunter2 --auth-strike-gap-ms 0", server.url());
        let (mut console, tape) = recorded(adapter, version, "auth_strikes", &flags);
        console.send("sub s a");
        flush(&mut console);
        server.restart_with(with("changed"));
        console.until("disconnected");
        for _ in 0..2 {
            // Attempts while it starts are refused by the system.
            let failed = console.until_where("a refusal", |line| line["ev"] == "connect_failed" && line["phase"] == "auth");
            assert_eq!(failed["error"], "authorization_violation");
        }
        assert_eq!(console.until("server_removed")["reason"], "auth");
        let end = console.end();
        assert_eq!(end.status, 1);
        tape.end(&["hunter2", "changed", "annika"]);
    }

    fn a_forced_reconnect_loses_nothing_that_was_queued(adapter, version) {
        let server = start(version, ServerConfig::new());
        let servers = format!("--server {} --ping-interval-ms 60000", server.url());
        let (mut console, tape) = recorded(adapter, version, "forced", &servers);
        console.send("sub s a");
        console.send("sub q a workers");
        flush(&mut console);
        for number in 1..=3 {
            console.send("reconnect");
            console.send(&format!("pub a -- secret-{number}"));
            assert_eq!(console.until("disconnected")["reason"], "forced");
            console.until("reconnected");
            assert_eq!(console.until("resubscribed")["subscriptions"], 2);
            flush(&mut console);
            assert_eq!(console.seen_messages("s").len(), number);
        }
        assert!(console.ask("rtt")["ms"].as_f64().expect("a number") > 0.0);
        tape.close(console, &["secret-"]);
    }

    fn tls_is_made_again_on_every_link(adapter, version) {
        let files = TlsFiles::new();
        let config = ServerConfig::new().tls(ServerTls::new(&files)).token("t0kenly");
        let server = start(version, config);
        let flags = format!("--server {} --token t0kenly --tls-ca {}", server.url(), files.ca.display());
        let (mut console, tape) = recorded(adapter, version, "tls", &flags);
        console.send("sub s a");
        console.send("pub a -- secret-1");
        console.until("message");
        server.restart();
        console.until("reconnected");
        console.send("pub a -- secret-2");
        console.until_where("the second", |line| line["payload"] == "secret-2");
        tape.close(console, &["t0kenly", "secret-"]);
    }

    fn requests_end_with_their_link_and_queued_ones_are_sent_on_the_next(adapter, version) {
        let server = start(version, ServerConfig::new());
        let servers = format!("--server {}", server.url());
        let (mut console, tape) = recorded(adapter, version, "requests", &servers);
        console.send("req nobody nowhere 5000 -- question");
        assert_eq!(console.until("response")["error"], "no_responders");
        // There is a responder that does not answer.
        console.send("sub service work");
        for id in ["one", "two"] {
            console.send(&format!("req {id} work 60000 -- question"));
            console.until("message");
        }
        server.kill();
        for _ in 0..2 {
            let response = console.until("response");
            assert_eq!((&response["error"], &response["written"]), (&json!("disconnected"), &json!(true)));
        }
        console.send("req queued work 2000 -- question");
        server.restart();
        console.until("reconnected");
        console.until("message");
        let response = console.until("response");
        assert_eq!((&response["id"], &response["error"]), (&json!("queued"), &json!("timed_out")), "{response}");
        tape.close(console, &["question"]);
    }

    fn a_server_that_does_not_answer_is_left_for_one_that_does(adapter, version) {
        let (one, two) = (start(version, ServerConfig::new()), start(version, ServerConfig::new()));
        let flags = format!("--server {},{} --ping-interval-ms 150", one.url(), two.url());
        let (mut console, tape) = recorded(adapter, version, "stale", &flags);
        console.send("sub s a");
        flush(&mut console);
        one.stop();
        assert_eq!(console.until("disconnected")["reason"], "stale");
        assert_eq!(console.until("reconnected")["server"], two.url());
        console.until("resubscribed");
        one.cont();
        console.send("pub a -- question");
        console.until("message");
        tape.close(console, &["question"]);
    }

    fn the_other_servers_of_a_cluster_are_learned_and_taken(adapter, version) {
        let cluster = Cluster::start(version, 3, ServerConfig::new());
        let servers = format!("--server {}", cluster.node(0).url());
        let (mut console, tape) = recorded(adapter, version, "cluster", &servers);
        console.send("sub s a");
        flush(&mut console);
        wait_for("all servers to be known", Duration::from_secs(10), || {
            let servers = console.ask("servers")["servers"].as_array().map(Vec::len);
            (servers == Some(3)).then_some(())
        });
        cluster.node(0).kill();
        let reconnected = console.until("reconnected");
        let place = reconnected["server"].as_str().and_then(|url| cluster.index_of_url(url));
        assert!(matches!(place, Some(1 | 2)), "{reconnected}");
        console.until("resubscribed");
        console.send("pub a -- question");
        console.until("message");
        tape.close(console, &["question"]);
    }

    fn what_the_next_server_does_not_take_is_dropped_and_refusals_are_reported(adapter, version) {
        let config = || {
            let user = User::with_password("annika", "hunter2").deny_publish(&["no.pub"]).deny_subscribe(&["no.sub"]);
            ServerConfig::new().user(user)
        };
        let server = start(version, config());
        let flags = format!("--server {} --user annika --password hunter2", server.url());
        let (mut console, tape) = recorded(adapter, version, "refusals", &flags);
        console.send("sub bad no.sub");
        assert_eq!(console.until("sub_ended")["reason"], "refused");
        console.send("sub good a");
        console.send("pub no.pub -- question");
        console.until("permission_denied");
        console.send("req r no.pub 5000 -- question");
        assert_eq!(console.until("response")["error"], "refused");
        server.kill();
        console.until("disconnected");
        console.send("pubn a 1 1001");
        console.send("pubn a 1 1000");
        server.restart_with(config().max_payload(1000));
        let dropped = console.until("publish_dropped");
        assert_eq!(dropped["reason"], "too_large", "{dropped}");
        assert_eq!(console.until("message")["len"], 1000);
        console.refused("pubn a 1 1001", "too_large");
        tape.close(console, &["hunter2", "annika", "question"]);
    }

    fn a_new_pool_is_used_from_the_next_link_on(adapter, version) {
        let (one, two) = (start(version, ServerConfig::new()), start(version, ServerConfig::new()));
        let servers = format!("--server {}", one.url());
        let (mut console, tape) = recorded(adapter, version, "pool", &servers);
        console.send("sub s a");
        flush(&mut console);
        console.send(&format!("set-servers {}", two.url()));
        console.ask("servers");
        one.kill();
        assert_eq!(console.until("reconnected")["server"], two.url());
        console.send("pub a -- question");
        console.until("message");
        two.kill();
        console.until("backoff_wait");
        two.restart();
        console.until("reconnected");
        tape.close(console, &["question"]);
    }
}
