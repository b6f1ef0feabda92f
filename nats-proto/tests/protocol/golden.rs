//! What real servers sent, recorded, and the operations that it is.
//!
//! The files are what a plain socket received from nats-server 2.9.10 and 2.15.1 on loopback while a client wrote
//! what the name says. Server ids, nonces, keys, commits and addresses are replaced by fillers of the same kind;
//! nothing else is changed.

use nats_proto::{PermissionOperation, ServerErrorKind, ServerInfo, ServerOp, StatusCode};

use crate::wire::operations;

const VERSIONS: [&str; 2] = ["2.9.10", "2.15.1"];

/// The transcript of one version, decoded in all ways.
fn transcript(version: &str, name: &str) -> Vec<ServerOp> {
    let path = format!("{}/tests/golden/{version}-{name}.txt", env!("CARGO_MANIFEST_DIR"));
    operations(&std::fs::read(&path).unwrap_or_else(|error| panic!("{error}: {path}")))
}

/// A transcript in short, without what differs between versions: the INFO after the first PONG.
fn shape(operations: &[ServerOp]) -> Vec<String> {
    let mut shape = Vec::new();
    for operation in operations {
        shape.push(match operation {
            ServerOp::Info(info) if info.connect_info => continue,
            ServerOp::Info(info) if info.ldm => "INFO ldm".to_owned(),
            ServerOp::Info(_) => "INFO".to_owned(),
            ServerOp::Message(message) => {
                let reply = message
                    .reply_bytes()
                    .map_or(String::new(), |reply| format!(" {}", reply.escape_ascii()));
                let headers = message
                    .header_block()
                    .map_or(String::new(), |block| format!(" {}", block.escape_ascii()));
                let (subject, payload) = (
                    message.subject_bytes().escape_ascii(),
                    message.payload().escape_ascii(),
                );
                format!("MSG {subject} {}{reply}{headers} [{payload}]", message.sid())
            }
            ServerOp::Ping => "PING".to_owned(),
            ServerOp::Pong => "PONG".to_owned(),
            ServerOp::Ok => "+OK".to_owned(),
            ServerOp::Err(error) => format!("-ERR {}", error.code()),
            other => panic!("{other:?}"),
        });
    }
    shape
}

fn infos(operations: &[ServerOp]) -> Vec<&ServerInfo> {
    let mut infos = Vec::new();
    for operation in operations {
        if let ServerOp::Info(info) = operation {
            infos.push(&**info);
        }
    }
    infos
}

#[test]
fn every_transcript_is_the_operations_that_it_is() {
    let with_info = |rest: &[&'static str]| [&["INFO", "PONG"], rest].concat();
    for (name, expected) in [
        (
            "connect",
            with_info(&[
                "MSG a.b 1 [hello]",
                "MSG a.b 2 [hello]",
                "MSG a.b 1 reply.to []",
                "MSG a.b 2 reply.to []",
                "MSG a.b 1 [world]",
                "MSG a.b 2 [world]",
                "PONG",
            ]),
        ),
        (
            "headers",
            with_info(&[
                "MSG h 1 NATS/1.0\\r\\nKey: value\\r\\n\\r\\n [hello]",
                "MSG h 1 r NATS/1.0\\r\\n\\r\\n []",
                "PONG",
            ]),
        ),
        (
            "verbose",
            vec![
                "INFO",
                "+OK",
                "PONG",
                "-ERR invalid_subject",
                "+OK",
                "-ERR invalid_publish_subject",
                "+OK",
                "+OK",
                "PONG",
            ],
        ),
        (
            "unknown-operation",
            with_info(&["-ERR unknown_protocol_operation"]),
        ),
        (
            "payload-violation",
            with_info(&["-ERR maximum_payload_violation"]),
        ),
        ("control-line", with_info(&["-ERR maximum_control_line_exceeded"])),
        ("long-connect", vec!["INFO", "-ERR maximum_control_line_exceeded"]),
        ("lame-duck", with_info(&["INFO ldm"])),
        ("auth-violation", vec!["INFO", "-ERR authorization_violation"]),
        ("auth-timeout", vec!["INFO", "-ERR authentication_timeout"]),
        ("nonce", vec!["INFO", "-ERR authorization_violation"]),
        (
            "max-connections",
            vec!["INFO", "-ERR maximum_connections_exceeded"],
        ),
        (
            "max-subscriptions",
            with_info(&["-ERR maximum_subscriptions_exceeded", "PONG"]),
        ),
        ("cluster", with_info(&["INFO", "PING", "INFO"])),
    ] {
        for version in VERSIONS {
            assert_eq!(shape(&transcript(version, name)), expected, "{version} {name}");
        }
    }
}

#[test]
fn no_responders_is_a_status_without_payload() {
    for version in VERSIONS {
        let all = transcript(version, "no-responders");
        let message = all.iter().find_map(|operation| match operation {
            ServerOp::Message(message) => Some(message),
            _ => None,
        });
        let message = message.unwrap();
        assert_eq!(
            (message.subject_bytes(), message.sid().get()),
            (&b"_INBOX.x.1"[..], 9)
        );
        assert!(message.is_no_responders());
        let headers = message.headers().unwrap().unwrap();
        assert_eq!(headers.status(), Some(StatusCode::NO_RESPONDERS));
        // Newer servers say to which subject.
        let subject = (version == "2.15.1").then_some("nobody.home");
        assert_eq!(headers.get_str("Nats-Subject"), subject, "{version}");
    }
}

#[test]
fn rubbish_of_other_clients_is_delivered() {
    for version in VERSIONS {
        let all = transcript(version, "rubbish");
        let messages: Vec<_> = all
            .iter()
            .filter_map(|operation| match operation {
                ServerOp::Message(message) => Some(message),
                _ => None,
            })
            .collect();
        assert_eq!(messages.len(), 3, "{version}");
        assert_eq!(
            (messages[0].subject_bytes(), messages[0].payload()),
            (&b"\xff\xfe"[..], &b"x"[..])
        );
        assert_eq!(
            messages[1].headers().unwrap().unwrap().get("K"),
            Some(&b"\xff"[..])
        );
        assert!(messages[2].headers().is_err());
        assert_eq!(messages[2].header_block(), Some(&b"not a header block"[..]));
        assert_eq!(all.last(), Some(&ServerOp::Pong));
    }
}

#[test]
fn permission_violations_name_what_was_refused() {
    for version in VERSIONS {
        let all = transcript(version, "permissions");
        let violations: Vec<_> = all
            .iter()
            .filter_map(|operation| match operation {
                ServerOp::Err(error) => error.permission(),
                _ => None,
            })
            .map(|violation| {
                (
                    violation.operation,
                    violation.subject.as_str(),
                    violation.queue.as_deref(),
                )
            })
            .collect();
        let subscribe = PermissionOperation::Subscribe;
        let expected = [
            (PermissionOperation::Publish, "no", None),
            (subscribe, "no.*", None),
            (subscribe, "no.*", Some("grp")),
            (subscribe, "ok.no", None),
            (subscribe, "a\"b\\c\u{fffd}", None),
        ];
        assert_eq!(violations, expected, "{version}");
        assert_eq!(all.last(), Some(&ServerOp::Pong));
    }
}

#[test]
fn infos_say_what_the_server_is_and_wants() {
    for version in VERSIONS {
        let all = transcript(version, "connect");
        let first = infos(&all)[0];
        assert_eq!(first.version.as_deref(), Some(version));
        assert_eq!(
            (first.server_name.as_deref(), first.proto, first.headers),
            (Some("golden"), Some(1), true)
        );
        assert_eq!(
            (first.max_payload, first.auth_required, first.nonce.as_deref()),
            (Some(1_048_576), false, None)
        );
        // Newer servers answer CONNECT with another INFO, after the first PONG.
        let connect_info = infos(&all).iter().position(|info| info.connect_info);
        assert_eq!(connect_info, (version == "2.15.1").then_some(1));
        assert!(version != "2.15.1" || infos(&all)[1].remote_account.as_deref() == Some("$G"));

        let nonce = transcript(version, "nonce");
        assert!(infos(&nonce)[0].auth_required && infos(&nonce)[0].nonce.is_some());

        let cluster = transcript(version, "cluster");
        let cluster = infos(&cluster);
        let urls: Vec<usize> = cluster.iter().map(|info| info.connect_urls.len()).collect();
        assert_eq!(urls[urls.len() - 2..], [2, 1], "{version}");
        assert_eq!(cluster[0].cluster.as_deref(), Some("golden"));

        let lame_duck = transcript(version, "lame-duck");
        let mut merged = infos(&lame_duck)[0].clone();
        assert!(!merged.ldm);
        for info in infos(&lame_duck) {
            merged.merge(info.clone());
        }
        assert!(merged.ldm && merged.headers);
    }
}

#[test]
fn refused_credentials_are_distinguished_from_late_ones() {
    for version in VERSIONS {
        let last = |name| match transcript(version, name).pop() {
            Some(ServerOp::Err(error)) => error,
            other => panic!("{other:?}"),
        };
        assert!(last("auth-violation").is_authentication() && last("auth-violation").closes());
        assert!(!last("auth-timeout").is_authentication() && last("auth-timeout").closes());
        assert_eq!(
            last("max-connections").kind(),
            &ServerErrorKind::MaximumConnectionsExceeded
        );
    }
}
