//! Against real servers.

use nats_conn_tests::real_server::{Operator, RealServer, ServerConfig, ServerTls, TlsFiles, User};

use crate::scene::*;

fn start(version: nats_conn_tests::real_server::Version, config: ServerConfig) -> RealServer {
    RealServer::start(version, config)
}

consoles! {
    fn a_whole_day_in_the_life(adapter, version) {
        let server = start(version, ServerConfig::new());
        let mut console = adapter.start(&format!("--server {} --name day {QUICK}", server.url()));
        let connected = console.until("connected");
        assert_eq!(connected["version"], version.number());
        console.send("sub all day.>");
        console.send("sub q day.work workers");
        console.send(r"pub day.one reply=back hdr=K:a\sb hdr=K:c -- \x00\xff");
        let message = console.until("message");
        assert_eq!((&message["sub"], &message["subject"], &message["reply"]), (&json!("all"), &json!("day.one"), &json!("back")));
        assert_eq!((&message["headers"], &message["len"]), (&json!([["K", "a b"], ["K", "c"]]), &json!(2)));
        console.send("req nobody nowhere 5000 -- x");
        assert_eq!(console.until("response")["error"], "no_responders");
        console.send("req late day.x 100 -- x");
        let response = console.until("response");
        assert_eq!((&response["error"], &response["written"]), (&json!("timed_out"), &json!(true)));
        console.send("pubn day.work 100 20");
        console.send("flush f");
        // What came before the PONG is printed before it.
        console.until("flushed");
        assert_eq!(console.seen_messages("q").len(), 100);
        assert_eq!(console.seen_messages("all").len(), 102);
        assert!(console.ask("rtt")["ms"].as_f64().unwrap() > 0.0);
        assert_eq!(console.ask("info")["info"]["server_id"], connected["server_id"]);
        let stats = console.ask("stats");
        assert_eq!((&stats["published"], &stats["confirmed"], &stats["in_msgs"]), (&json!(103), &json!(103), &json!(203)), "{stats}");
        console.send("unsub all 103");
        console.send("pubn day.more 3 1");
        let ended = console.until("sub_ended");
        assert_eq!((&ended["sub"], &ended["reason"]), (&json!("all"), &json!("max_reached")));
        console.send("drain");
        let end = console.end();
        let closed = end.lines.last().unwrap();
        assert_eq!((end.status, &closed["complete"]), (0, &json!(true)));
    }

    fn the_client_reconnects_to_a_restarted_server(adapter, version) {
        let server = start(version, ServerConfig::new());
        let mut console = adapter.start(&format!("--server {} {QUICK}", server.url()));
        console.until("connected");
        console.send("sub s a");
        console.send("flush f");
        console.until("flushed");
        server.kill();
        console.until("disconnected");
        console.send("pub a -- kept");
        server.restart();
        console.until("reconnected");
        assert_eq!(console.until("resubscribed")["subscriptions"], 1);
        assert_eq!(console.until("message")["payload"], "kept");
        console.close();
    }

    fn a_wrong_password_is_refused_in_auth(adapter, version) {
        let server = start(version, ServerConfig::new().user(User::with_password("ann", "s3cret")));
        let mut console = adapter.start(&format!("--server {} --user ann --password wr0ng", server.url()));
        let failed = console.until("connect_failed");
        assert_eq!((&failed["phase"], &failed["error"]), (&json!("auth"), &json!("authorization_violation")));
        let end = console.end();
        assert_eq!(end.status, 1);
        assert!(!format!("{:?}", end.lines).contains("wr0ng"));
        let mut console = adapter.start(&format!("--server {}", server.client_url_with("ann:s3cret")));
        console.until("connected");
        console.close();
    }

    fn permissions_are_told(adapter, version) {
        let user = User::with_password("ann", "p").deny_publish(&["no.pub"]).deny_subscribe(&["no.sub", "no.queue"]);
        let server = start(version, ServerConfig::new().user(user));
        let mut console = adapter.start(&format!("--server {}", server.client_url_with("ann:p")));
        console.until("connected");
        console.send("sub bad no.sub");
        let denied = console.until("permission_denied");
        assert_eq!((&denied["operation"], &denied["subject"], &denied["sub"]), (&json!("subscribe"), &json!("no.sub"), &json!("bad")));
        let ended = console.until("sub_ended");
        assert_eq!((&ended["sub"], &ended["reason"]), (&json!("bad"), &json!("refused")));
        console.send("sub queued no.queue workers");
        let denied = console.until("permission_denied");
        assert_eq!((&denied["queue"], &denied["sub"]), (&json!("workers"), &json!("queued")));
        console.send("pub no.pub -- x");
        console.send("flush f");
        let denied = console.until("permission_denied");
        assert_eq!((&denied["operation"], &denied["subject"]), (&json!("publish"), &json!("no.pub")));
        assert_eq!(console.until("flushed")["ok"], true);
        console.send("req r no.pub 5000 -- x");
        assert_eq!(console.until("response")["error"], "refused");
        console.close();
    }

    fn tls_is_made_as_the_server_or_the_url_asks(adapter, version) {
        let files = TlsFiles::new();
        let server = start(version, ServerConfig::new().tls(ServerTls::new(&files)));
        let ca = files.ca.display().to_string();
        for url in [server.url(), server.tls_url()] {
            let mut console = adapter.start(&format!("--server {url} --tls-ca {ca} {QUICK}"));
            assert_eq!(console.until("connected")["server"], url);
            console.send("sub s a");
            console.send("pub a -- secret");
            assert_eq!(console.until("message")["payload"], "secret");
            console.close();
        }
        let untrusted = adapter.start(&format!("--server {}", server.tls_url())).end();
        let failed = untrusted.lines.iter().find(|line| line["ev"] == "connect_failed").unwrap();
        assert_eq!((untrusted.status, &failed["phase"]), (1, &json!("tls")), "{failed}");
        let missing = adapter.start(&format!("--server {} --tls-ca /nowhere/ca.pem", server.tls_url())).end();
        let failed = missing.lines.iter().find(|line| line["ev"] == "connect_failed").unwrap();
        assert_eq!((missing.status, &failed["phase"]), (1, &json!("tls")), "{failed}");
        assert!(failed["detail"].as_str().unwrap().contains("/nowhere/ca.pem"), "{failed}");
    }

    fn tls_comes_first_if_that_is_configured(adapter, version) {
        if !version.has_tls_first() {
            return;
        }
        let files = TlsFiles::new();
        let server = start(version, ServerConfig::new().tls(ServerTls::new(&files).handshake_first()));
        let ca = files.ca.display().to_string();
        let mut console = adapter.start(&format!("--server {} --tls-first --tls-ca {ca}", server.tls_url()));
        console.until("connected");
        console.close();
        let late = adapter.start(&format!("--server {} --tls-ca {ca} --connect-timeout-ms 500", server.tls_url())).end();
        let failed = late.lines.iter().find(|line| line["ev"] == "connect_failed").unwrap();
        assert_eq!((&failed["phase"], &failed["error"]), (&json!("info"), &json!("timed_out")), "{failed}");
    }

    fn a_client_certificate_is_shown(adapter, version) {
        let files = TlsFiles::new();
        let server = start(version, ServerConfig::new().tls(ServerTls::new(&files).verify_clients()));
        let flags = format!("--server {} --tls-ca {}", server.tls_url(), files.ca.display());
        let mut console = adapter.start(&format!("{flags} --tls-cert {} --tls-key {}", files.client_cert.display(), files.client_key.display()));
        console.until("connected");
        console.close();
        let end = adapter.start(&flags).end();
        assert_eq!(end.status, 1);
    }

    fn keys_and_credentials_files_sign(adapter, version) {
        let key = nats_conn_tests::real_server::AccountUser::nkey_only();
        let server = start(version, ServerConfig::new().user(User::with_nkey(&key.public_key())));
        let file = |name: &str, text: String| {
            let path = std::env::temp_dir().join(format!("nats-console-{}-{}-{name}", std::process::id(), server.port()));
            std::fs::write(&path, text).expect("a file");
            path
        };
        let seed = file("seed", key.seed());
        let mut console = adapter.start(&format!("--server {} --nkey-seed {}", server.url(), seed.display()));
        console.until("connected");
        console.close();

        let mut operator = Operator::new();
        let account = operator.account("A");
        let user = account.user("ann");
        let server = start(version, operator.configure(ServerConfig::new()));
        let creds = file("creds", user.creds());
        let mut console = adapter.start(&format!("--server {} --creds {} {QUICK}", server.url(), creds.display()));
        console.until("connected");
        // Read again at every attempt.
        std::fs::remove_file(&creds).expect("it is there");
        console.send("reconnect");
        let failed = console.until("connect_failed");
        assert_eq!(failed["phase"], "auth", "{failed}");
        std::fs::write(&creds, user.creds()).expect("a file");
        console.until("reconnected");
        let end = console.close();
        assert!(!format!("{:?}", end.lines).contains("eyJ"), "a token in the lines");
        let _ = (std::fs::remove_file(&creds), std::fs::remove_file(&seed));
    }

    fn a_lame_duck_is_reported(adapter, version) {
        let server = start(version, ServerConfig::new().lame_duck(Duration::from_secs(30), Duration::from_secs(20)));
        let mut console = adapter.start(&format!("--server {} --lame-duck notify", server.url()));
        console.until("connected");
        server.lame_duck();
        assert_eq!(console.until("lame_duck")["server"], server.url());
        console.close();
    }

    fn a_message_above_the_limit_is_refused_here(adapter, version) {
        let server = start(version, ServerConfig::new().max_payload(1000));
        let mut console = adapter.start(&format!("--server {}", server.url()));
        assert_eq!(console.until("connected")["max_payload"], 1000);
        console.refused("pubn a 1 1001", "too_large");
        console.send("sub s a");
        console.send("pubn a 1 1000");
        assert_eq!(console.until("message")["len"], 1000);
        console.close();
    }
}
