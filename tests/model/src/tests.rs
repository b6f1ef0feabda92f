//! The model alone: it does what real servers were seen to do.

use super::*;

const CONNECT: &str = r#"CONNECT {"verbose":false,"pedantic":false,"tls_required":false,"name":"ann","lang":"rust","version":"1","protocol":1,"echo":true,"headers":true,"no_responders":true}"#;

struct Bench {
    cluster: Cluster,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        let mut cluster = Cluster::new();
        cluster.add_server(settings);
        Self { cluster }
    }

    fn open(&mut self) -> PeerId {
        let peer = self.cluster.accept(0, 0).expect("listening");
        self.cluster.take_output(peer);
        peer
    }

    /// A link past its handshake.
    fn ready(&mut self, connect: &str) -> PeerId {
        let peer = self.open();
        self.say(peer, &format!("{connect}\r\nPING\r\n"));
        peer
    }

    /// The answer to these bytes.
    fn say(&mut self, peer: PeerId, text: &str) -> String {
        self.cluster.receive(0, peer, text.as_bytes());
        self.received(peer)
    }

    fn received(&mut self, peer: PeerId) -> String {
        String::from_utf8(self.cluster.take_output(peer)).expect("text")
    }

    fn faults(&self) -> Vec<Fault> {
        self.cluster
            .violations()
            .iter()
            .map(|violation| violation.fault.clone())
            .collect()
    }
}

#[test]
fn the_handshake_ends_with_pong_and_an_info_about_the_connection() {
    let mut bench = Bench::new(Settings {
        account_max_payload: Some(99),
        ..Settings::new("n1")
    });
    let peer = bench.cluster.accept(0, 0).expect("listening");
    let info = bench.received(peer);
    assert!(
        info.starts_with("INFO {") && info.ends_with("} \r\n") && info.contains(r#""max_payload":1048576"#)
    );
    let answer = bench.say(peer, &format!("{CONNECT}\r\nPING\r\n"));
    assert!(
        answer.starts_with("PONG\r\nINFO {") && answer.contains(r#""max_payload":99"#),
        "{answer}"
    );
    assert_eq!(bench.faults(), []);
    assert_eq!(bench.cluster.log(peer).names(), ["CONNECT", "PING"]);
}

#[test]
fn messages_reach_plain_subscriptions_and_one_member_of_each_queue_group() {
    let mut bench = Bench::new(Settings::new("n1"));
    let (ann, bob) = (bench.ready(CONNECT), bench.ready(&CONNECT.replace("ann", "bob")));
    bench.say(ann, "SUB a.* 1\r\nSUB a.> workers 2\r\n");
    bench.say(bob, "SUB a.> workers 1\r\nSUB b 2\r\n");
    let heard_by_ann = bench.say(ann, &"PUB a.b 2\r\nhi\r\n".repeat(4));
    assert_eq!(heard_by_ann.matches("MSG a.b 1 2\r\nhi\r\n").count(), 4);
    assert_eq!(heard_by_ann.matches("MSG a.b 2 2\r\nhi\r\n").count(), 2);
    assert_eq!(bench.received(bob), "MSG a.b 1 2\r\nhi\r\n".repeat(2));
    assert_eq!(bench.faults(), []);
}

#[test]
fn unsub_with_a_maximum_counts_from_the_sub() {
    let mut bench = Bench::new(Settings::new("n1"));
    let peer = bench.ready(CONNECT);
    bench.say(peer, "SUB a 1\r\n");
    assert_eq!(bench.say(peer, "PUB a 0\r\n\r\n"), "MSG a 1 0\r\n\r\n");
    bench.say(peer, "UNSUB 1 3\r\n");
    assert_eq!(
        bench.say(peer, &"PUB a 0\r\n\r\n".repeat(5)),
        "MSG a 1 0\r\n\r\n".repeat(2)
    );
    bench.say(peer, "SUB a 2\r\n");
    bench.say(peer, "PUB a 0\r\n\r\nPUB a 0\r\n\r\nUNSUB 2 2\r\n");
    assert_eq!(
        bench.say(peer, "PUB a 0\r\n\r\n"),
        "",
        "already delivered: removed at once"
    );
    assert_eq!(bench.faults(), []);
}

#[test]
fn a_request_that_nobody_listens_to_is_answered_with_503_even_without_echo() {
    for (echo, own) in [("true", ""), ("false", "SUB q 2\r\n")] {
        let mut bench = Bench::new(Settings::new("n1"));
        let peer = bench.ready(&CONNECT.replace(r#""echo":true"#, &format!(r#""echo":{echo}"#)));
        bench.say(peer, &format!("SUB in.* 1\r\n{own}"));
        let answer = bench.say(peer, "PUB q in.7 0\r\n\r\n");
        assert_eq!(
            answer,
            "HMSG in.7 1 33 33\r\nNATS/1.0 503\r\nNats-Subject: q\r\n\r\n\r\n"
        );
    }
    let mut bench = Bench::new(Settings::new("n1"));
    let peer = bench.ready(CONNECT);
    assert_eq!(
        bench.say(peer, "SUB in.* group 1\r\nPUB q in.7 0\r\n\r\n"),
        "",
        "not to a queue subscription"
    );
}

#[test]
fn headers_are_delivered_to_clients_that_support_them_and_end_the_link_of_those_that_do_not() {
    let mut bench = Bench::new(Settings::new("n1"));
    let plain = bench.ready(&CONNECT.replace(
        r#""headers":true,"no_responders":true"#,
        r#""headers":false,"no_responders":false"#,
    ));
    let other = bench.ready(CONNECT);
    bench.say(plain, "SUB a 1\r\n");
    bench.say(other, "HPUB a 18 20\r\nNATS/1.0\r\nK:v\r\n\r\nhi\r\n");
    assert_eq!(bench.received(plain), "");
    bench.say(other, "HPUB a 17 19\r\nNATS/1.0\r\nK:v\r\n\r\nhi\r\n");
    assert_eq!(
        bench.cluster.ending(other),
        Some(Ending::Close),
        "the first HPUB was malformed"
    );
    let other = bench.ready(CONNECT);
    bench.say(other, "HPUB a 17 19\r\nNATS/1.0\r\nK:v\r\n\r\nhi\r\n");
    assert_eq!(bench.received(plain), "MSG a 1 2\r\nhi\r\n");
    bench.say(plain, "HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n");
    assert_eq!(bench.cluster.ending(plain), Some(Ending::Close));
    assert!(bench.faults().contains(&Fault::HeadersUnsupported));
}

#[test]
fn unknown_users_are_refused_and_the_link_closed() {
    let auth = Auth::Password {
        user: "u".into(),
        password: "p".into(),
    };
    let mut bench = Bench::new(Settings {
        auth,
        ..Settings::new("n1")
    });
    let peer = bench.open();
    assert_eq!(
        bench.say(peer, &format!("{CONNECT}\r\nPING\r\n")),
        "-ERR 'Authorization Violation'\r\n"
    );
    assert_eq!(bench.cluster.ending(peer), Some(Ending::Close));
    let peer = bench.open();
    let connect = CONNECT.replace("CONNECT {", r#"CONNECT {"user":"u","pass":"p","#);
    assert!(
        bench
            .say(peer, &format!("{connect}\r\nPING\r\n"))
            .starts_with("PONG\r\n")
    );
}

#[test]
fn permissions_deny_without_ending_the_link() {
    let mut settings = Settings::new("n1");
    settings.deny_publish = vec!["no.>".into()];
    settings.deny_subscribe = vec!["no.*".into()];
    let mut bench = Bench::new(settings);
    let peer = bench.ready(CONNECT);
    let answer = bench.say(
        peer,
        "PUB no.a 0\r\n\r\nPUB a no.b 0\r\n\r\nSUB no.c 1\r\nSUB no.d q 2\r\nPING\r\n",
    );
    assert_eq!(
        answer,
        "-ERR 'Permissions Violation for Publish to \"no.a\"'\r\n\
         -ERR 'Permissions Violation for Publish with Reply of \"no.b\"'\r\n\
         -ERR 'Permissions Violation for Subscription to \"no.c\"'\r\n\
         -ERR 'Permissions Violation for Subscription to \"no.d\" using queue \"q\"'\r\nPONG\r\n"
    );
    assert!(bench.cluster.log(peer).frames[2].refused.is_some());
}

#[test]
fn verbose_clients_get_ok_for_everything_but_ping_and_pong() {
    let mut bench = Bench::new(Settings {
        connect_info: false,
        ..Settings::new("n1")
    });
    let peer = bench.open();
    let connect = CONNECT.replace(r#""verbose":false"#, r#""verbose":true"#);
    assert_eq!(
        bench.say(peer, &format!("{connect}\r\nPING\r\n")),
        "+OK\r\nPONG\r\n"
    );
    assert_eq!(
        bench.say(peer, "SUB a 1\r\nUNSUB 1\r\nPUB a 0\r\n\r\nPING\r\n"),
        "+OK\r\n+OK\r\n+OK\r\nPONG\r\n"
    );
}

#[test]
fn what_a_well_behaved_client_never_does_is_written_down() {
    let line = |fault: Fault, text: &str| (fault, text.to_owned());
    let cases = [
        line(Fault::ConnectNotFirst("PING"), "PING\r\n"),
        line(Fault::PingNotSecond("SUB"), &format!("{CONNECT}\r\nSUB a 1\r\n")),
        line(
            Fault::ConnectAgain,
            &format!("{CONNECT}\r\nPING\r\n{CONNECT}\r\n"),
        ),
        line(Fault::UnaskedPong, &format!("{CONNECT}\r\nPING\r\nPONG\r\n")),
        line(
            Fault::SidTwice(1),
            &format!("{CONNECT}\r\nPING\r\nSUB a 1\r\nUNSUB 1\r\nSUB a 1\r\n"),
        ),
        line(
            Fault::UnsubWithoutSub(4),
            &format!("{CONNECT}\r\nPING\r\nUNSUB 4\r\n"),
        ),
        line(
            Fault::Spelling("pub a 0".into()),
            &format!("{CONNECT}\r\nPING\r\npub a 0\r\n\r\n"),
        ),
        line(
            Fault::Malformed("PUBLISH a 0".into()),
            &format!("{CONNECT}\r\nPING\r\nPUBLISH a 0\r\n\r\n"),
        ),
        line(
            Fault::PayloadTooLarge(1048577),
            &format!("{CONNECT}\r\nPING\r\nPUB a 1048577\r\n"),
        ),
        line(
            Fault::ConnectField("surprise".into()),
            &CONNECT.replace('{', r#"{"surprise":1,"#).replace('}', "}\r\n"),
        ),
        line(
            Fault::ConnectField("headers".into()),
            &format!(
                "{}\r\n",
                CONNECT.replace(r#""headers":true"#, r#""headers":false"#)
            ),
        ),
    ];
    for (fault, text) in cases {
        let mut bench = Bench::new(Settings::new("n1"));
        let peer = bench.open();
        bench.say(peer, &text);
        assert_eq!(bench.faults(), [fault], "{text}");
    }
}

#[test]
fn nothing_but_pong_may_come_before_our_pong() {
    let step = Step::instead(
        When::Ping(1),
        [Reaction::Ping, Reaction::later(5, Reaction::Pong)],
    );
    let mut bench = Bench::new(Settings::new("n1").with_step(step));
    let peer = bench.ready(CONNECT);
    bench.say(peer, "PONG\r\n");
    assert_eq!(bench.faults(), []);
    bench.say(peer, "SUB a 1\r\n");
    assert_eq!(bench.faults(), [Fault::BeforePong("SUB")]);
    assert_eq!(bench.cluster.next_wakeup(), Some(5));
    bench.cluster.tick(5);
    assert!(bench.received(peer).starts_with("PONG\r\n"));
    assert_eq!(bench.cluster.next_wakeup(), None);
}

#[test]
fn a_sid_must_mean_the_same_on_every_link_of_one_client() {
    let mut bench = Bench::new(Settings::new("n1"));
    for (filter, faults) in [("a", vec![]), ("a", vec![]), ("b", vec![Fault::SidReused(1)])] {
        let peer = bench.ready(CONNECT);
        bench.say(peer, &format!("SUB {filter} 1\r\n"));
        assert_eq!(bench.faults(), faults);
        bench.cluster.receive_end(0, peer);
    }
}

#[test]
fn a_frame_cut_at_the_end_of_a_link_is_kept_apart_and_never_executed() {
    let mut bench = Bench::new(Settings::new("n1"));
    let (ann, bob) = (bench.ready(CONNECT), bench.ready(&CONNECT.replace("ann", "bob")));
    bench.say(bob, "SUB a 1\r\n");
    bench.say(ann, "PUB a 5\r\nhell");
    bench.cluster.receive_end(3, ann);
    assert_eq!(bench.cluster.log(ann).cut, b"PUB a 5\r\nhell");
    assert_eq!(bench.cluster.log(ann).ended, Some(3));
    assert_eq!(bench.received(bob), "");
    assert_eq!(bench.cluster.log(ann).publishes().count(), 0);
}

#[test]
fn a_lame_duck_informs_all_clients_takes_no_links_and_closes_later() {
    let mut cluster = Cluster::new();
    for name in ["n1", "n2"] {
        cluster.add_server(Settings {
            urls: Urls::Gossip,
            ..Settings::new(name)
        });
    }
    let peer = cluster.accept(0, 0).expect("listening");
    cluster.receive(0, peer, format!("{CONNECT}\r\nPING\r\n").as_bytes());
    let greeting = String::from_utf8(cluster.take_output(peer)).expect("text");
    assert!(
        greeting.contains(r#""connect_urls":["n1.test:4222","n2.test:4222"]"#),
        "{greeting}"
    );
    cluster.lame_duck(0, Some(50));
    let info = String::from_utf8(cluster.take_output(peer)).expect("text");
    assert!(
        info.contains(r#""ldm":true"#) && info.contains(r#""connect_urls":["n2.test:4222"]"#),
        "{info}"
    );
    assert_eq!(cluster.accept(1, 0), None);
    cluster.tick(49);
    assert_eq!(cluster.ending(peer), None);
    cluster.tick(50);
    assert_eq!(cluster.ending(peer), Some(Ending::Close));
    cluster.restart(0);
    assert!(cluster.accept(60, 0).is_some());
}

#[test]
fn a_server_gives_up_a_client_that_does_not_answer_its_pings() {
    let mut bench = Bench::new(Settings {
        ping_interval: Some(10),
        ..Settings::new("n1")
    });
    let peer = bench.ready(CONNECT);
    let mut received = String::new();
    for now in [10, 20, 30] {
        assert_eq!(bench.cluster.next_wakeup(), Some(now));
        bench.cluster.tick(now);
        received += &bench.received(peer);
    }
    assert_eq!(received, "PING\r\nPING\r\n-ERR 'Stale Connection'\r\n");
    assert_eq!(bench.cluster.ending(peer), Some(Ending::Close));
}

#[test]
fn tls_first_sends_nothing_before_tls_and_tls_required_takes_no_clear_connect() {
    let mut bench = Bench::new(Settings {
        tls: Tls::First,
        ..Settings::new("n1")
    });
    let peer = bench.cluster.accept(0, 0).expect("listening");
    assert_eq!(bench.received(peer), "");
    bench.cluster.tls_done(1, peer);
    assert!(bench.received(peer).starts_with("INFO {"));
    let mut bench = Bench::new(Settings {
        tls: Tls::Required,
        ..Settings::new("n1")
    });
    let peer = bench.open();
    assert_eq!(bench.say(peer, &format!("{CONNECT}\r\nPING\r\n")), "");
    assert_eq!(bench.cluster.ending(peer), Some(Ending::Close));
    assert_eq!(bench.faults(), [Fault::TooEarly]);
}

#[test]
fn a_crash_tears_down_and_a_restart_takes_links_again() {
    let mut bench = Bench::new(Settings::new("n1"));
    let peer = bench.ready(CONNECT);
    bench.cluster.crash(7, 0);
    assert_eq!(bench.cluster.ending(peer), Some(Ending::Reset));
    assert_eq!(bench.cluster.accept(8, 0), None);
    bench.cluster.restart(0);
    assert!(bench.cluster.accept(9, 0).is_some());
}

#[test]
fn transcripts_are_read_whole() {
    let ops = parse_transcript(b"PING\r\nSUB a 1\r\nPONG\r\n");
    assert_eq!(
        ops.iter().map(Op::name).collect::<Vec<_>>(),
        ["PING", "SUB", "PONG"]
    );
}
