//! Flags: what they do to CONNECT and to the machine, and those that cannot be used.

use crate::scene::*;

/// The console ends with status 2, without a line on standard output and with one on standard error.
fn unusable(adapter: Adapter, flags: &[&str]) -> String {
    let end = adapter.start_with(flags).end();
    assert_eq!(
        (end.status, end.lines.len()),
        (2, 0),
        "{flags:?}: {:?} {}",
        end.lines,
        end.errors
    );
    assert_eq!(end.errors.matches('\n').count(), 1, "{flags:?}: {}", end.errors);
    assert!(
        end.errors.ends_with('\n') && end.errors.len() > 12,
        "{flags:?}: {}",
        end.errors
    );
    end.errors
}

consoles! {
    fn unusable_flags_end_with_status_2_and_one_line(adapter) {
        for flags in [
            &["--nonsense"][..],
            &["stray"],
            &["--name"],
            &["--ping-interval-ms", "soon"],
            &["--ping-interval-ms", "-1"],
            &["--ping-interval-ms", "0"],
            &["--connect-timeout-ms", "0"],
            &["--max-pings-out", "0"],
            &["--when-full", "never"],
            &["--delivery", "exactly-once"],
            &["--lame-duck", "shoot"],
            &["--cleartext-auth", "maybe"],
            &["--max-reconnects", "-1"],
            &["--seed", "x"],
            &["--inbox-prefix", "a..b"],
            &["--inbox-prefix", "a.*"],
            &["--inbox-prefix", ""],
            &["--password", "p"],
            &["--user", "u", "--token", "t"],
            &["--nkey-seed", "f", "--creds", "f"],
            &["--server", "://user:pass@x:1"],
            &["--server", "nats://a,://b"],
            &["--tls-cert", "c"],
            &["--tls-key", "k"],
            &["--server", ""],
            &["--server", "nats://a:99999"],
            &["--server", "nats://a:port"],
            &["--server", "nats://"],
            &["--server", "nats://[::1"],
            &["--server", "nats://a,ws://b"],
            &["--server", "line\nbreak"],
            &["--nonsense\nsecond line"],
            &["--name\n", "x"],
            &["--delivery", "a\nb"],
        ] {
            unusable(adapter, flags);
        }
    }

    fn unusable_flags_say_what_to_do(adapter) {
        let reported = unusable(adapter, &["--max-reconnects", "0"]);
        assert!(reported.contains("--no-reconnect"), "{reported}");
        let reported = unusable(adapter, &["--server", "ws://a"]);
        assert!(reported.contains("not supported"), "{reported}");
        let reported = unusable(adapter, &["--server", "wss://a"]);
        assert!(reported.contains("not supported"), "{reported}");
        let reported = unusable(adapter, &["--server", "gopher://a"]);
        assert!(reported.contains("gopher"), "{reported}");
        let reported = unusable(adapter, &["--delivery", "at-least-once", "--when-full", "drop-oldest"]);
        assert!(reported.contains("at-least-once") && reported.contains("drop-oldest"), "{reported}");
        let reported = unusable(adapter, &["--when-full", "never"]);
        assert!(reported.contains("--when-full") && reported.contains("drop-oldest"), "{reported}");
    }

    fn unusable_urls_keep_their_secrets(adapter) {
        for url in ["nats://ann:hunter2@a:99999", "nats://hunter2@a:x", "ws://ann:hunter2@a", "gopher://ann:hunter2@a"] {
            let reported = unusable(adapter, &["--server", url]);
            assert!(!reported.contains("hunter2"), "{reported}");
        }
    }

    fn flags_of_connect_reach_the_server(adapter) {
        let fake = Fake::new();
        let flags = ["--server", &fake.url(), "--name", "a \"name\"\r\n", "--user", "ann", "--password", "p\"w", "--verbose",
            "--pedantic", "--no-echo", "--inbox-prefix", "MY.box"];
        let mut console = adapter.start_with(&flags);
        let mut link = fake.accept();
        link.info(json!({}));
        let connect = link.connect();
        link.send("+OK\r\n+OK\r\nPONG\r\n");
        for (field, value) in [
            ("name", json!("a \"name\"\r\n")),
            ("user", json!("ann")),
            ("pass", json!("p\"w")),
            ("verbose", json!(true)),
            ("pedantic", json!(true)),
            ("echo", json!(false)),
            ("protocol", json!(1)),
            ("headers", json!(true)),
            ("no_responders", json!(true)),
            ("tls_required", json!(false)),
        ] {
            assert_eq!(connect[field], value, "{field}: {connect}");
        }
        assert!(connect["lang"].is_string() && connect["version"].is_string(), "{connect}");
        console.until("connected");
        console.send("req r a 5000");
        let inbox = link.line();
        assert!(inbox.starts_with("SUB MY.box."), "{inbox}");
        console.close();
    }

    fn without_flags_connect_holds_only_the_required_fields(adapter) {
        let fake = Fake::new();
        let mut console = adapter.start(&format!("--server {}", fake.url()));
        let mut link = fake.accept();
        let connect = link.shake(json!({"headers": false, "auth_required": false}));
        console.until("connected");
        let allowed = ["verbose", "pedantic", "tls_required", "name", "lang", "version", "protocol", "echo", "headers", "no_responders"];
        for field in connect.as_object().unwrap().keys() {
            assert!(allowed.contains(&field.as_str()), "{field}: {connect}");
        }
        assert_eq!((&connect["headers"], &connect["no_responders"]), (&json!(false), &json!(false)));
        assert_eq!((&connect["echo"], &connect["verbose"]), (&json!(true), &json!(false)));
        console.close();
    }

    fn user_information_of_a_url_is_used_and_not_printed(adapter) {
        let fake = Fake::new();
        for (userinfo, fields) in [
            ("ann:h%40x%3A%2F", json!({"user": "ann", "pass": "h@x:/"})),
            ("hunter2token", json!({"auth_token": "hunter2token"})),
        ] {
            let url = format!("nats://{userinfo}@{}", fake.address());
            let mut console = adapter.start(&format!("--server {url}"));
            let mut link = fake.accept();
            let connect = link.shake(json!({"auth_required": true}));
            for (field, value) in fields.as_object().unwrap() {
                assert_eq!(&connect[field], value, "{connect}");
            }
            assert_eq!(console.until("connected")["server"], fake.url());
            assert_eq!(console.ask("servers")["servers"][0]["url"], fake.url());
            let end = console.close();
            let text = format!("{:?}", end.lines);
            assert!(!text.contains("h@x") && !text.contains("hunter2"), "{text}");
        }
    }

    fn a_token_is_sent(adapter) {
        let fake = Fake::new();
        let console = adapter.start(&format!("--server {} --token hunter2", fake.url()));
        let mut link = fake.accept();
        let connect = link.shake(json!({}));
        assert_eq!(connect["auth_token"], "hunter2");
        drop(console);
    }

    fn servers_may_be_repeated_listed_and_spelled_in_many_ways(adapter) {
        let fake = Fake::new();
        let spellings = format!(" {0}/ , NATS://LOCALHOST:{1}", fake.address(), dead_url().rsplit(':').next().unwrap());
        let mut console = adapter.start_with(&["--no-randomize", "--server", &spellings, "--server", "tls://[::1]"]);
        let _link = fake.shake();
        console.until("connected");
        let servers = console.ask("servers")["servers"].clone();
        let urls: Vec<&str> = servers.as_array().unwrap().iter().map(|server| server["url"].as_str().unwrap()).collect();
        assert_eq!(urls[0], fake.url());
        assert!(urls[1].to_lowercase().starts_with("nats://localhost:"), "{urls:?}");
        assert_eq!(urls[2], "tls://[::1]:4222");
        assert_eq!(servers[0]["current"], true);
        console.close();
    }

    fn without_a_server_the_default_is_dialled(adapter) {
        let mut console = adapter.start("");
        assert_eq!(console.until("connecting")["server"], "nats://127.0.0.1:4222");
    }

    fn the_same_seed_gives_the_same_random_choices(adapter) {
        let urls: Vec<String> = (0..6).map(|_| dead_url()).collect();
        let order = |seed: u32| -> Vec<Value> {
            let end = adapter.start(&format!("--seed {seed} --server {}", urls.join(","))).end();
            end.lines.iter().filter(|line| line["ev"] == "connecting").map(|line| line["server"].clone()).collect()
        };
        let first = order(7);
        assert_eq!(first.len(), 6);
        assert_eq!(order(7), first);
        assert!((8..12).any(|seed| order(seed) != first), "seeds make no difference");
        let inbox = |seed: u32| {
            let (_fake, mut link, mut console) = connected(adapter, &format!("--seed {seed}"));
            console.send("req r a 5000");
            link.line()
        };
        assert_eq!(inbox(1), inbox(1));
        assert_ne!(inbox(1), inbox(2));
    }

    fn without_a_seed_inboxes_cannot_be_guessed(adapter) {
        let inbox = || {
            let (_fake, mut link, mut console) = connected(adapter, "");
            console.send("req r a 5000");
            link.line()
        };
        assert_ne!(inbox(), inbox());
    }

    fn files_with_credentials_are_read_at_every_attempt(adapter) {
        let fake = Fake::new();
        let missing = format!("{}/nothing/here", env!("CARGO_TARGET_TMPDIR"));
        for flag in ["--nkey-seed", "--creds"] {
            let mut console = adapter.start(&format!("{flag} {missing} --retry-initial {QUICK} --server {}", fake.url()));
            for attempt in 1..=2 {
                assert_eq!(console.until("connecting")["attempt"], attempt);
                let mut link = fake.accept();
                link.info(json!({"nonce": "abc", "auth_required": true}));
                let failed = console.until("connect_failed");
                assert_eq!(failed["phase"], "auth", "{failed}");
                assert!(failed["detail"].as_str().unwrap().contains("nothing/here"), "{failed}");
            }
            console.close();
        }
    }

    fn a_token_or_password_goes_into_connect_beside_a_key(adapter) {
        let seed = "SUAMK2FG4MI6UE3ACF3FK3OIQBCEIEZV7NSWFFEW63UXMRLFM2XLAXK4GY";
        let fake = Fake::new();
        let file = std::env::temp_dir().join(format!("nats-console-key-{}-{}", std::process::id(), fake.port));
        let creds = format!(
            "\u{feff}-----BEGIN NATS USER JWT-----\neyJ.x.y\n------END NATS USER JWT------\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        std::fs::write(&file, creds).unwrap();
        for (flags, nonce, expected) in [
            ("--token t --nkey-seed", json!({"nonce": "abc"}), [true, false, false, true, true]),
            ("--user u --password p --creds", json!({"nonce": "abc"}), [false, true, true, false, true]),
            // Without a nonce the JWT is sent anyway.
            ("--token t --creds", json!({}), [true, false, true, false, true]),
        ] {
            let mut console = adapter.start(&format!("{flags} {} --server {}", file.display(), fake.url()));
            let connect = fake.accept().shake(nonce);
            let sent = ["auth_token", "user", "jwt", "nkey", "sig"].map(|field| connect.get(field).is_some_and(Value::is_string));
            assert_eq!(sent, expected, "{flags}: {connect}");
            console.until("connected");
            let end = console.close();
            assert!(!format!("{:?}", end.lines).contains("eyJ"), "{:?}", end.lines);
        }
        let _ = std::fs::remove_file(file);
    }

    fn an_nkey_without_a_nonce_fails_in_auth(adapter) {
        let fake = Fake::new();
        let file = std::env::temp_dir().join(format!("nats-console-{}-{}", std::process::id(), fake.port));
        std::fs::write(&file, "SUAMK2FG4MI6UE3ACF3FK3OIQBCEIEZV7NSWFFEW63UXMRLFM2XLAXK4GY\n").unwrap();
        let mut console = adapter.start(&format!("--nkey-seed {} --server {}", file.display(), fake.url()));
        let mut link = fake.accept();
        link.info(json!({}));
        let failed = console.until("connect_failed");
        assert_eq!((&failed["phase"], &failed["error"]), (&json!("auth"), &json!("no_nonce")), "{failed}");
        let _ = std::fs::remove_file(file);
        assert_eq!(console.end().status, 1);
    }
}
