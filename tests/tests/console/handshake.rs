//! One connection attempt, and how it can fail.

use crate::scene::*;

/// The one attempt fails: what is reported of it.
fn failure(adapter: Adapter, flags: &str, serve: impl FnOnce(&Fake)) -> Value {
    let fake = Fake::new();
    let mut console = adapter.start(&format!("--server {} {flags}", fake.url()));
    serve(&fake);
    let failed = console.until("connect_failed");
    let end = console.end();
    assert_eq!(
        (end.status, &end.lines.last().unwrap()["reason"]),
        (1, &json!("connect_failed"))
    );
    json!([failed["phase"], failed["error"], failed["detail"]])
}

fn fails(adapter: Adapter, flags: &str, serve: impl FnOnce(&Fake), phase: &str, code: &str) -> String {
    let reported = failure(adapter, flags, serve);
    assert_eq!(
        (&reported[0], &reported[1]),
        (&json!(phase), &json!(code)),
        "{reported}"
    );
    reported[2].as_str().unwrap().to_owned()
}

consoles! {
    fn a_name_that_does_not_resolve_fails_in_resolve(adapter) {
        let console = adapter.start("--server nats://does-not-exist.invalid:4222 --connect-timeout-ms 10000");
        let end = console.end();
        let failed = end.lines.iter().find(|line| line["ev"] == "connect_failed").unwrap();
        assert_eq!(failed["phase"], "resolve", "{failed}");
    }

    fn whatever_comes_in_place_of_info_fails_in_info(adapter) {
        fails(adapter, "", |fake| fake.accept().close(), "info", "eof");
        let error = |fake: &Fake| {
            let mut link = fake.accept();
            link.send("-ERR 'maximum connections exceeded'\r\n");
            link.close();
        };
        let detail = fails(adapter, "", error, "info", "maximum_connections_exceeded");
        assert!(detail.contains("maximum connections exceeded"), "{detail}");
        fails(adapter, "", |fake| fake.accept().send("PING\r\n"), "info", "expected_info");
        fails(adapter, "", |fake| fake.accept().send("SSH-2.0-OpenSSH_9.2\r\n"), "info", "protocol");
        fails(adapter, "", |fake| fake.accept().send("INFO \r\n"), "info", "protocol");
        fails(adapter, "", |fake| fake.accept().send("INFO nonsense\r\n"), "info", "protocol");
        fails(adapter, "", |fake| fake.accept().send("INFO {\"a\""), "info", "eof");
    }

    fn one_deadline_covers_all_phases(adapter) {
        let began = Instant::now();
        let stall = |fake: &Fake| {
            let mut link = fake.accept();
            link.send("INFO {");
            // Until the console gives up.
            link.rest();
        };
        fails(adapter, "--connect-timeout-ms 200", stall, "info", "timed_out");
        assert!(began.elapsed() >= ms(200), "{:?}", began.elapsed());
        let stall = |fake: &Fake| {
            let mut link = fake.accept();
            link.info(json!({}));
            link.connect();
            link.rest();
        };
        fails(adapter, "--connect-timeout-ms 200", stall, "connect", "timed_out");
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }

    fn an_error_after_info_is_reported_with_its_text_even_before_tls(adapter) {
        for (flags, fields) in [("", json!({})), ("", json!({"tls_required": true})), ("--tls-required", json!({"tls_available": true}))] {
            let throttle = |fake: &Fake| {
                let mut link = fake.accept();
                let mut text = crate::fake::info(fake.port, fields);
                text.push_str("-ERR 'Connection throttling is active. Please try again later.'\r\n");
                link.send(text);
                link.close();
            };
            let reported = failure(adapter, flags, throttle);
            assert_eq!(reported[1], "connection_throttling", "{reported}");
            assert!(reported[2].as_str().unwrap().contains("throttling"), "{reported}");
        }
    }

    fn clear_text_before_tls_fails_the_attempt(adapter) {
        let inject = |fake: &Fake| {
            let mut link = fake.accept();
            let mut text = crate::fake::info(fake.port, json!({"tls_required": true}));
            text.push_str("PING\r\n");
            link.send(text);
            let rest = link.rest();
            assert!(!rest.contains("CONNECT") && !rest.contains("PONG"), "{rest:?}");
        };
        fails(adapter, "", inject, "tls", "plaintext_before_tls");
    }

    fn required_tls_that_the_server_lacks_fails_in_tls(adapter) {
        let plain = |fake: &Fake| {
            let mut link = fake.accept();
            link.info(json!({}));
            assert_eq!(link.rest(), "");
        };
        fails(adapter, "--tls-required", plain, "tls", "tls_not_offered");
        let fake = Fake::new();
        let mut console = adapter.start(&format!("--server tls://{}", fake.address()));
        let mut link = fake.accept();
        link.info(json!({}));
        assert_eq!(link.rest(), "");
        let failed = console.until("connect_failed");
        assert_eq!((&failed["phase"], &failed["server"]), (&json!("tls"), &json!(format!("tls://{}", fake.address()))));
        assert_eq!(console.end().status, 1);
    }

    fn an_error_in_place_of_the_pong_fails_by_its_kind(adapter) {
        for (text, phase, code) in [
            ("Authorization Violation", "auth", "authorization_violation"),
            ("AUTHORIZATION VIOLATION", "auth", "authorization_violation"),
            ("User Authentication Expired", "auth", "user_authentication_expired"),
            ("User Authentication Revoked", "auth", "user_authentication_revoked"),
            ("Account Authentication Expired", "auth", "account_authentication_expired"),
            ("Authentication Timeout", "connect", "authentication_timeout"),
            ("maximum connections exceeded", "connect", "maximum_connections_exceeded"),
            ("maximum account active connections exceeded", "connect", "maximum_account_connections_exceeded"),
            ("something new", "connect", "other"),
            ("", "connect", "other"),
        ] {
            let refuse = |fake: &Fake| {
                let mut link = fake.accept();
                link.info(json!({}));
                link.connect();
                link.send(format!("-ERR '{text}'\r\n"));
                link.close();
            };
            let detail = fails(adapter, "", refuse, phase, code);
            assert!(detail.contains(text), "{detail}");
        }
    }

    fn an_end_in_place_of_the_pong_fails_in_connect(adapter) {
        let end = |fake: &Fake| {
            let mut link = fake.accept();
            link.info(json!({}));
            link.connect();
            link.close();
        };
        fails(adapter, "", end, "connect", "eof");
    }

    fn only_the_pong_is_success(adapter) {
        let fake = Fake::new();
        let mut console = adapter.start(&format!("--verbose --server {}", fake.url()));
        console.send("sub s a");
        console.send("pub b -- x");
        let mut link = fake.accept();
        // Before CONNECT: answered right after CONNECT and PING, never before.
        let mut text = crate::fake::info(fake.port, json!({}));
        text.push_str("PING\r\n");
        link.send(text);
        link.connect();
        link.expect("PONG");
        link.send("+OK\r\n+OK\r\n");
        link.send("PING\r\n");
        link.expect("PONG");
        link.info(json!({"max_payload": 5, "server_name": "later"}));
        link.expect_silence(ms(100));
        console.nothing_of("connected");
        link.send("+OK\r\nPONG\r\n");
        let connected = console.until("connected");
        assert_eq!((&connected["max_payload"], &connected["server_name"]), (&json!(5), &json!("later")));
        link.expect("SUB a 1");
        link.pong();
        link.expect_publish("PUB b 1", "x");
        console.close();
    }

    fn what_arrives_with_the_pong_counts_after_connected(adapter) {
        let fake = Fake::new();
        let mut console = adapter.start(&format!("--server {}", fake.url()));
        console.send("sub s a");
        let mut link = fake.accept();
        link.info(json!({}));
        link.connect();
        let mut text = String::from("PONG\r\n");
        text.push_str(&crate::fake::info(fake.port, json!({"max_payload": 10, "connect_urls": ["127.0.0.1:1"], "connect_info": true})));
        link.send(text);
        console.until("connected");
        assert_eq!(console.next()["ev"], "discovered_servers");
        console.refused("pub a -- 12345678901", "too_large");
        console.send("pub a -- 1234567890");
        let line = link.line_after_pings();
        assert_eq!(line, "SUB a 1");
        assert_eq!(link.line_after_pings(), "PUB a 10");
        console.close();
    }

    fn an_info_split_anywhere_with_strange_fields_is_taken(adapter) {
        let fake = Fake::new();
        let mut console = adapter.start(&format!("--server {}", fake.url()));
        let mut link = fake.accept();
        let text = "info\t{\"server_id\":null,\"port\":0,\"max_payload\":100,\"host\":\"some name\",\"connect_urls\":null,\"x\":[{}]}  \r\n";
        for byte in text.as_bytes() {
            link.send([*byte]);
            std::thread::sleep(Duration::from_micros(200));
        }
        let connect = link.connect();
        assert_eq!(connect["headers"], false);
        link.send("pong\n");
        let connected = console.until("connected");
        assert_eq!((&connected["max_payload"], connected.get("server_id")), (&json!(100), None));
        console.refused("pub a hdr=A:b -- x", "headers_unsupported");
        console.send("req r a 5000 -- x");
        assert!(link.line().starts_with("SUB _INBOX."));
        assert!(link.line().starts_with("PUB a _INBOX."));
        console.close();
    }
}

/// An address of this machine that is not loopback.
fn other_host() -> Option<std::net::IpAddr> {
    // No packet is sent: it is asked only from where one would be.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

consoles! {
    fn a_password_in_clear_text_is_warned_of_sent_or_refused(adapter) {
        let Some(host) = other_host() else {
            println!("only loopback here: left out");
            return;
        };
        let fake = Fake::everywhere();
        let url = format!("nats://{host}:{}", fake.port);
        let mut console = adapter.start(&format!("--server {url} --user ann --password p {QUICK}"));
        let mut link = fake.shake();
        console.until("connecting");
        let warned = console.next();
        assert_eq!((&warned["ev"], &warned["server"]), (&json!("cleartext_credentials"), &json!(url)));
        assert_eq!(console.next()["ev"], "connected");
        console.send("reconnect");
        link.rest();
        let _link = fake.shake();
        console.until("reconnected");
        assert_eq!(console.count("cleartext_credentials"), 1);
        console.close();

        let mut console = adapter.start(&format!("--server {url} --token t --cleartext-auth allow"));
        let _link = fake.shake();
        console.until("connected");
        assert_eq!(console.count("cleartext_credentials"), 0);
        console.close();

        let mut console = adapter.start(&format!("--server nats://ann:pw@{host}:{} --cleartext-auth refuse", fake.port));
        let mut link = fake.accept();
        link.info(json!({}));
        assert_eq!(link.rest(), "");
        let failed = console.until("connect_failed");
        assert_eq!((&failed["phase"], &failed["error"]), (&json!("auth"), &json!("cleartext_credentials")));
        let detail = failed["detail"].as_str().unwrap();
        assert!(detail.contains("--cleartext-auth") || detail.contains("cleartext_credentials"), "{detail}");
        assert!(!detail.contains("pw"), "{detail}");
        assert_eq!(console.end().status, 1);
    }

    fn loopback_is_not_warned_of(adapter) {
        let fake = Fake::new();
        for host in ["127.0.0.1", "localhost"] {
            let mut console = adapter.start(&format!("--server nats://{host}:{} --token t", fake.port));
            let _link = fake.shake();
            console.until("connected");
            assert_eq!(console.count("cleartext_credentials"), 0);
            console.close();
        }
    }
}
