//! Server URLs: all forms that people write, and what each error says.

use std::collections::HashSet;

use nats_proto::{Scheme, Secret, ServerUrl, UrlError, UserInfo};
use proptest::prelude::*;

fn parse(text: &str) -> ServerUrl {
    ServerUrl::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn token(text: &str) -> Option<UserInfo> {
    Some(UserInfo::Token(Secret::from(text)))
}

fn password(user: &str, password: &str) -> Option<UserInfo> {
    Some(UserInfo::Password {
        user: user.into(),
        password: password.into(),
    })
}

#[test]
fn schemes_hosts_and_ports() {
    for (text, scheme, host, port) in [
        ("nats://localhost:4222", Scheme::Nats, "localhost", 4222),
        ("localhost", Scheme::Nats, "localhost", 4222),
        ("localhost:", Scheme::Nats, "localhost", 4222),
        ("nats://localhost:/", Scheme::Nats, "localhost", 4222),
        ("  tls://Example.COM:1/ ", Scheme::Tls, "example.com", 1),
        ("TLS://a:65535", Scheme::Tls, "a", 65535),
        ("Nats://a_b-c.d", Scheme::Nats, "a_b-c.d", 4222),
        ("10.0.0.1:4333", Scheme::Nats, "10.0.0.1", 4333),
        ("nats://[::1]", Scheme::Nats, "::1", 4222),
        ("[::1]:4333", Scheme::Nats, "::1", 4333),
        ("[::1]:", Scheme::Nats, "::1", 4222),
        ("[0:0:0:0:0:0:0:1]:4333/", Scheme::Nats, "::1", 4333),
        ("[FE80::1%eth0]:4333", Scheme::Nats, "fe80::1%eth0", 4333),
        ("tls://[::ffff:1.2.3.4]", Scheme::Tls, "::ffff:1.2.3.4", 4222),
        ("m\u{fc}nchen.example", Scheme::Nats, "m\u{fc}nchen.example", 4222),
        ("host:0042", Scheme::Nats, "host", 42),
    ] {
        let url = parse(text);
        assert_eq!(
            (url.scheme(), url.host(), url.port(), url.userinfo()),
            (scheme, host, port, None),
            "{text}"
        );
        assert_eq!(text.parse::<ServerUrl>(), Ok(url));
    }
}

#[test]
fn userinfo_is_percent_decoded() {
    for (text, userinfo) in [
        ("nats://alice:secret@h", password("alice", "secret")),
        ("alice:secret@h:1", password("alice", "secret")),
        ("nats://token@h", token("token")),
        ("nats://a%40b:p%2F%25%c3%A4@h", password("a@b", "p/%\u{e4}")),
        ("nats://a@b:c@h", password("a@b", "c")),
        ("nats://user:pa:ss@h", password("user", "pa:ss")),
        ("nats://user:@h", password("user", "")),
        ("nats://:pass@h", password("", "pass")),
        ("nats://user:a/b?c#d@h/", password("user", "a/b?c#d")),
        ("user:x://y@h", password("user", "x://y")),
        ("nats://@h", None),
    ] {
        assert_eq!(parse(text).userinfo(), userinfo.as_ref(), "{text}");
        assert_eq!(parse(text).host(), "h", "{text}");
    }
}

#[test]
fn errors_do_not_show_userinfo() {
    let scheme = |scheme: &str| UrlError::Scheme {
        scheme: scheme.into(),
    };
    let web_socket = |scheme: &str| UrlError::WebSocket {
        scheme: scheme.into(),
    };
    for (text, error, part) in [
        ("", UrlError::Empty, "is empty"),
        ("  ", UrlError::Empty, "is empty"),
        ("ws://hunter2@h", web_socket("ws"), "`ws://` is not supported yet"),
        (
            "WSS://hunter2@h",
            web_socket("wss"),
            "`wss://` is not supported yet",
        ),
        ("http://hunter2@h", scheme("http"), "`http://` is not a scheme"),
        ("HTTPS://h", scheme("https"), "`https://` is not a scheme"),
        ("nats+x-1.0://h", scheme("nats+x-1.0"), "is not a scheme"),
        ("nats://", UrlError::Host, "no usable host"),
        ("nats:///", UrlError::Host, "no usable host"),
        (":4222", UrlError::Host, "no usable host"),
        ("nats://hunter2@", UrlError::Host, "no usable host"),
        ("nats://ho st", UrlError::Host, "no usable host"),
        ("nats://ho\tst", UrlError::Host, "no usable host"),
        ("nats://h%20", UrlError::Host, "no usable host"),
        ("nats://hunter2@h:0", UrlError::Port, "from 1 to 65535"),
        ("nats://h:65536", UrlError::Port, "from 1 to 65535"),
        ("nats://h:+1", UrlError::Port, "from 1 to 65535"),
        ("nats://h:-1", UrlError::Port, "from 1 to 65535"),
        ("nats://h:x", UrlError::Port, "from 1 to 65535"),
        ("nats://[::1]:x", UrlError::Port, "from 1 to 65535"),
        ("::1", UrlError::Ipv6, "in brackets"),
        ("fe80::1:4222", UrlError::Ipv6, "in brackets"),
        ("[::1", UrlError::Ipv6, "in brackets"),
        ("[::g]", UrlError::Ipv6, "in brackets"),
        ("[1.2.3.4]", UrlError::Ipv6, "in brackets"),
        ("[]", UrlError::Ipv6, "in brackets"),
        ("[::1%]", UrlError::Ipv6, "in brackets"),
        ("[::1%a b]", UrlError::Ipv6, "in brackets"),
        ("[::1]x", UrlError::Path, "something after"),
        ("nats://h/path", UrlError::Path, "something after"),
        ("nats://h//", UrlError::Path, "something after"),
        ("nats://h?x", UrlError::Path, "something after"),
        ("nats://h#x", UrlError::Path, "something after"),
        ("://h", UrlError::EmptyScheme, "nothing before `://`"),
        ("://", UrlError::EmptyScheme, "nothing before `://`"),
        (" ://h:4222", UrlError::EmptyScheme, "nothing before `://`"),
        ("://u:hunter2@h:1", UrlError::EmptyScheme, "nothing before `://`"),
        ("://hunter2@h", UrlError::EmptyScheme, "nothing before `://`"),
        ("nats://.", UrlError::Host, "no usable host"),
        ("nats://-:4222", UrlError::Host, "no usable host"),
        ("nats:h", UrlError::Port, "from 1 to 65535"),
        ("nats:/h", UrlError::Path, "something after"),
        ("//h", UrlError::Path, "something after"),
        ("nats:///h", UrlError::Path, "something after"),
        ("nats://nats://h", UrlError::Path, "something after"),
        ("1nats://h", UrlError::Path, "something after"),
        ("nats://hunter2%@h", UrlError::Userinfo, "percent-encoded"),
        ("nats://hunter2%4@h", UrlError::Userinfo, "percent-encoded"),
        ("nats://hunter2%+4@h", UrlError::Userinfo, "percent-encoded"),
        ("nats://hunter2%4x:p@h", UrlError::Userinfo, "percent-encoded"),
        ("nats://u:hunter2%ff@h", UrlError::Userinfo, "percent-encoded"),
    ] {
        assert_eq!(ServerUrl::parse(text), Err(error.clone()), "{text}");
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(part), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn lists_are_separated_by_commas() {
    let list = ServerUrl::parse_list(" nats://a:1 ,b,, tls://u:p@[::1]:2/ ,").unwrap();
    let shown: Vec<String> = list.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["nats://a:1", "nats://b:4222", "tls://[::1]:2"]);
    assert_eq!(ServerUrl::parse_list(" , ,"), Err(UrlError::Empty));
    assert_eq!(ServerUrl::parse_list(""), Err(UrlError::Empty));
    assert_eq!(ServerUrl::parse_list("a,b:x"), Err(UrlError::Port));
}

#[test]
fn nothing_shows_userinfo() {
    let url = parse("tls://alice:hunter2@h");
    let shown = format!("{url} {url:?} {:?}", url.userinfo());
    assert!(!shown.contains("hunter2") && !shown.contains("alice"), "{shown}");
    assert_eq!(format!("{url:?}"), "tls://h:4222");
    assert_eq!(parse("[fe80::1%eth0]").to_string(), "nats://[fe80::1%eth0]:4222");
    let secret = Secret::from(String::from("hunter2"));
    assert_eq!(
        (format!("{secret} {secret:?}"), secret.expose()),
        ("[redacted] [redacted]".into(), "hunter2")
    );
    assert_ne!(secret, Secret::from("other"));
}

#[test]
fn identity_is_host_and_port() {
    let url = parse("nats://a:b@Host:4222");
    assert!(url.has_identity_of(&parse("tls://HOST")));
    assert!(!url.has_identity_of(&parse("host:4223")));
    assert!(!url.has_identity_of(&parse("other:4222")));
    let changed = url.clone().with_scheme(Scheme::Tls).with_userinfo(token("t"));
    assert_eq!(
        (changed.scheme(), changed.userinfo()),
        (Scheme::Tls, token("t").as_ref())
    );
    assert!(changed.has_identity_of(&url) && changed != url);
    let set: HashSet<ServerUrl> = [url.clone(), url, changed].into();
    assert_eq!(set.len(), 2);
}

#[test]
fn loopback_is_what_is_literally_loopback() {
    for (host, is_loopback, is_ip) in [
        ("localhost", true, false),
        ("LOCALHOST", true, false),
        ("127.0.0.1", true, true),
        ("127.255.0.9", true, true),
        ("[::1]", true, true),
        ("128.0.0.1", false, true),
        ("[::2]", false, true),
        ("[fe80::1%lo]", false, true),
        ("localhost.example", false, false),
        ("127.0.0.1.example", false, false),
        ("10.0.0.1", false, true),
    ] {
        let url = parse(host);
        assert_eq!((url.is_loopback(), url.is_ip()), (is_loopback, is_ip), "{host}");
    }
}

/// A user name with a password that begins with `//` looks like a scheme, and so does a token with `://` in it.
#[test]
fn what_may_be_userinfo_is_not_named_as_a_scheme() {
    for text in [
        "hunter2://@[",
        "hunter2://x@h",
        "Hunter2://u:p@h:1/",
        "hunter2://@",
    ] {
        let error = ServerUrl::parse(text).unwrap_err();
        assert_eq!(error, UrlError::SchemeOrUserinfo, "{text}");
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("write `%2F` for `/`"), "{shown}");
        assert!(!shown.to_lowercase().contains("hunter2"), "{shown}");
    }
    assert_eq!(
        parse("hunter2:%2F%2Fx@h").userinfo(),
        password("hunter2", "//x").as_ref()
    );
}

/// Every slash of these is one of a scheme that went wrong: read as userinfo, it would name a user whom nobody meant.
#[test]
fn slashes_of_a_scheme_that_went_wrong_are_not_read_as_userinfo() {
    for text in [
        "//u:hunter2@h",
        "/u:hunter2@h",
        "//hunter2@h",
        "nats:///u:hunter2@h",
        "tls:////hunter2@h",
        "nats:/u:hunter2@h",
        "TLS:/hunter2@h",
        "nats//u:hunter2@h",
        "nats/u:hunter2@h",
        "nats://nats://u:hunter2@h",
        "nats://TLS://hunter2@h",
        "tls://://u:hunter2@h",
        "nats://ws://u:hunter2@h",
        "nats://http://u:hunter2@h",
    ] {
        let error = ServerUrl::parse(text).unwrap_err();
        assert_eq!(error, UrlError::SchemeOrUserinfo, "{text}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{text}");
    }
    // With the slash percent-encoded it is what was meant.
    assert_eq!(parse("nats://%2Fu:p@h").userinfo(), password("/u", "p").as_ref());
    // A user may be called like a scheme, and a token or password may have slashes in it.
    assert_eq!(parse("nats:nats@h").userinfo(), password("nats", "nats").as_ref());
    assert_eq!(parse("nats://a/b==@h").userinfo(), token("a/b==").as_ref());
    assert_eq!(
        parse("nats://u:/p/q@h").userinfo(),
        password("u", "/p/q").as_ref()
    );
}

#[test]
fn how_tls_is_made_with_a_server_belongs_to_its_url() {
    let plain = parse("nats://10.0.0.1");
    assert_eq!(
        (plain.tls_name(), plain.is_tls_first(), plain.is_tls()),
        (None, false, false)
    );
    assert!(parse("tls://h").is_tls());
    let named = plain.clone().with_tls_name("nats.example.com");
    assert_eq!(
        (named.tls_name(), named.is_tls()),
        (Some("nats.example.com"), false)
    );
    assert!(named.has_identity_of(&plain) && named != plain);
    let first = plain.with_tls_first(true);
    assert!(first.is_tls_first() && first.is_tls());
    assert_eq!(
        first.to_string(),
        "tls://10.0.0.1:4222",
        "TLS is what it is spoken to with"
    );
    assert!(!first.with_tls_first(false).is_tls_first());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,20}", like in "((nats|tls|ws|x)://)?([a-z:%]{0,4}@)?[a-z\\[\\]:%.1]{0,9}(:[0-9]{0,3})?/?") {
        nats_proto::fuzzing::url(text.as_bytes());
        nats_proto::fuzzing::url(like.as_bytes());
    }

    #[test]
    fn no_error_shows_userinfo(
        scheme in "((nats|tls|wss|http|x)://)?",
        before in "[a-z:/@%#?]{0,3}",
        behind in "[a-z:/@%#?.\\[\\]]{0,4}",
        place in "(\\[|h|a b|h:x|h/x|\\PC{0,9})",
    ) {
        for userinfo in [format!("{before}hunter2{behind}"), format!("hunter2{behind}")] {
            if let Err(error) = ServerUrl::parse(&format!("{scheme}{userinfo}@{place}")) {
                let shown = format!("{error} {error:?}");
                prop_assert!(!shown.contains("hunter2"), "{scheme}{userinfo}@{place}: {shown}");
            }
        }
    }
}
