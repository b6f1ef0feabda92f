//! INFO: every field, whatever stands in it, and what a later one changes.

use nats_proto::{InfoError, ServerInfo};
use proptest::prelude::*;

const ALL: &str = r#"{
    "server_id":"id","server_name":"name","version":"2.15.1","proto":1,"git_commit":"abc","go":"go1.25","host":"0.0.0.0",
    "port":4222,"ip":"10.0.0.1","headers":true,"auth_required":true,"tls_required":true,"tls_verify":true,
    "tls_available":true,"max_payload":1048576,"jetstream":true,"client_id":7,"client_ip":"10.0.0.2","nonce":"xyz",
    "cluster":"c","cluster_dynamic":true,"domain":"d","connect_urls":["a:1","[::1]:2"],"ws_connect_urls":["w:1"],
    "ldm":true,"connect_info":true,"remote_account":"$G","acc_is_sys":true,"api_lvl":5,"xkey":"X",
    "lnoc":true,"gateway_urls":["g:1"],"import":{"a":[1]}}"#;

fn parse(json: &str) -> ServerInfo {
    ServerInfo::parse(json.as_bytes()).unwrap_or_else(|error| panic!("{error}: {json}"))
}

#[test]
fn every_field_is_read() {
    let info = parse(ALL);
    let text = |field: &Option<String>| field.clone().unwrap();
    assert_eq!(
        (
            text(&info.server_id),
            text(&info.server_name),
            text(&info.version)
        ),
        ("id".into(), "name".into(), "2.15.1".into())
    );
    assert_eq!(
        (info.proto, text(&info.git_commit), text(&info.go)),
        (Some(1), "abc".into(), "go1.25".into())
    );
    assert_eq!(
        (text(&info.host), info.port, text(&info.ip)),
        ("0.0.0.0".into(), Some(4222), "10.0.0.1".into())
    );
    assert!(info.headers && info.auth_required && info.tls_required && info.tls_verify && info.tls_available);
    assert_eq!(
        (info.max_payload, info.jetstream, info.client_id),
        (Some(1_048_576), true, Some(7))
    );
    assert_eq!(
        (text(&info.client_ip), text(&info.nonce)),
        ("10.0.0.2".into(), "xyz".into())
    );
    assert_eq!(
        (text(&info.cluster), info.cluster_dynamic, text(&info.domain)),
        ("c".into(), true, "d".into())
    );
    assert_eq!(
        (info.connect_urls.clone(), info.ws_connect_urls.clone()),
        (vec!["a:1".into(), "[::1]:2".into()], vec!["w:1".into()])
    );
    assert!(info.ldm && info.connect_info && info.acc_is_sys);
    assert_eq!(
        (text(&info.remote_account), info.api_lvl, text(&info.xkey)),
        ("$G".into(), Some(5), "X".into())
    );
    // What was read can be written; unknown fields are gone.
    let written = info.to_json();
    assert_eq!(parse(&written), info);
    assert!(!written.contains("lnoc"));
}

#[test]
fn nothing_is_fine_too() {
    let none = ServerInfo::default();
    assert_eq!(
        (parse("{}"), parse(" \t{} \t"), none.to_json()),
        (none.clone(), none, "{}".into())
    );
}

#[test]
fn a_field_of_another_type_or_range_counts_as_missing() {
    for value in [
        "null",
        "1",
        "-1",
        "1.5",
        "1e300",
        "\"x\"",
        "[]",
        "[1,null,{}]",
        "{}",
        "true",
        "99999999999999999999999",
    ] {
        let json: String = parse(ALL).to_json();
        let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&json).unwrap();
        for name in fields.keys() {
            let info = parse(&format!("{{\"{name}\":{value}}}"));
            let written: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(&info.to_json()).unwrap();
            assert!(written.len() <= 1, "{name}: {value} gave {written:?}");
            if let Some(kept) = written.get(name) {
                assert_eq!(kept, &serde_json::from_str::<serde_json::Value>(value).unwrap());
            }
        }
    }
    let info = parse(
        r#"{"port":65536,"max_payload":-1,"client_id":1.5,"proto":1e99,"connect_urls":["a",1,null,"b"],"headers":"true"}"#,
    );
    assert_eq!(
        (info.port, info.max_payload, info.client_id, info.proto),
        (None, None, None, None)
    );
    assert_eq!((info.connect_urls.len(), info.headers), (2, false));
    assert_eq!(parse(r#"{"port":65535,"api_lvl":-3}"#).port, Some(65535));
    assert_eq!(parse(r#"{"port":65535,"api_lvl":-3}"#).api_lvl, Some(-3));
    assert_eq!(parse(r#"{"port":1,"port":2}"#).port, Some(2));
}

#[test]
fn what_is_no_json_object_is_an_error() {
    for (json, error) in [
        ("", InfoError::Empty),
        (" \t ", InfoError::Empty),
        ("[]", InfoError::NotAnObject),
        ("1", InfoError::NotAnObject),
        ("null", InfoError::NotAnObject),
    ] {
        assert_eq!(ServerInfo::parse(json.as_bytes()), Err(error), "{json}");
    }
    for json in ["{", "{\"a\"}", "x", "{} {}", "{\"a\":1,}"] {
        assert!(
            matches!(ServerInfo::parse(json.as_bytes()), Err(InfoError::Json { .. })),
            "{json}"
        );
    }
    assert!(matches!(
        ServerInfo::parse(b"{\"a\":x}"),
        Err(InfoError::Json { at: 6 })
    ));
    let shown = [
        InfoError::Empty,
        InfoError::Json { at: 6 },
        InfoError::NotAnObject,
    ]
    .map(|error| error.to_string());
    assert!(
        shown[0].contains("anything") && shown[1].contains("byte 6") && shown[2].contains("object"),
        "{shown:?}"
    );
}

#[test]
fn bytes_that_are_not_utf_8_are_replaced() {
    let info = ServerInfo::parse(b"{\"server_name\":\"a\xffb\"}").unwrap();
    assert_eq!(info.server_name.as_deref(), Some("a\u{fffd}b"));
}

#[test]
fn a_later_info_changes_what_it_names() {
    let mut info = parse(ALL);
    info.merge(parse(
        r#"{"server_id":"id2","max_payload":1024,"connect_urls":["c:3"],"client_ip":null}"#,
    ));
    assert_eq!(
        (info.server_id.as_deref(), info.max_payload),
        (Some("id2"), Some(1024))
    );
    assert_eq!(
        (info.connect_urls.clone(), info.ws_connect_urls.clone()),
        (vec!["c:3".into()], vec!["w:1".into()])
    );
    assert_eq!(
        (info.client_ip.as_deref(), info.version.as_deref()),
        (Some("10.0.0.2"), Some("2.15.1"))
    );
    // What a server leaves out if it is false.
    assert!(!(info.auth_required || info.jetstream || info.tls_required || info.connect_info));
}

#[test]
fn nonce_headers_and_lame_duck_mode_outlast_a_later_info() {
    let mut info = parse(r#"{"nonce":"first","headers":true,"ldm":true}"#);
    info.merge(parse(r#"{"nonce":"second"}"#));
    assert_eq!(
        (info.nonce.as_deref(), info.headers, info.ldm),
        (Some("first"), true, true)
    );
    let mut info = parse("{}");
    info.merge(parse(r#"{"nonce":"second","headers":true,"ldm":true}"#));
    assert_eq!(
        (info.nonce.as_deref(), info.headers, info.ldm),
        (None, false, true)
    );
}

#[test]
fn the_account_stays_known_when_a_later_info_does_not_name_it() {
    let mut info = parse(r#"{"remote_account":"SYS","acc_is_sys":true}"#);
    info.merge(parse("{}"));
    assert_eq!(
        (info.remote_account.as_deref(), info.acc_is_sys),
        (Some("SYS"), true)
    );
    info.merge(parse(r#"{"remote_account":"A"}"#));
    assert_eq!(
        (info.remote_account.as_deref(), info.acc_is_sys),
        (Some("A"), false)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60), text in "\\{(\"[a-z_]{1,9}\":[0-9tn\\[\\]{}\"]{1,5},?){0,3}\\}") {
        let _ = ServerInfo::parse(&bytes);
        if let Ok(info) = ServerInfo::parse(text.as_bytes()) {
            prop_assert_eq!(ServerInfo::parse(info.to_json().as_bytes()), Ok(info));
        }
    }
}
