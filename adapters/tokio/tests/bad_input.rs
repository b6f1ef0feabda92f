//! Whatever is wrong with a server or its address: one clear line, and a typed error.

use std::io::Write;
use std::net::TcpListener;

use nats_conn_tests::model_server::Settings;
use nats_conn_tests::tcp_server::TcpCluster;
use nats_conn_tokio::{ConnectFailure, machine};

async fn failure_of(url: &str) -> ConnectFailure {
    let failure = nats_conn_tokio::connect(url).await.expect_err("it cannot work");
    let line = failure.to_string();
    println!("{line}");
    assert!(!line.contains('\n') && !line.contains("s3cret"), "{line}");
    failure
}

fn first_error(failure: &ConnectFailure) -> &machine::AttemptFailure {
    match failure {
        ConnectFailure::Unreachable { failures } => &failures[0],
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_unusable_url_is_named_without_its_password() {
    for url in [
        "",
        "http://127.0.0.1:4222",
        "nats://",
        "ws://127.0.0.1:80",
        "nats://user:s3cret@127.0.0.1:port",
    ] {
        let failure = failure_of(url).await;
        assert!(matches!(failure, ConnectFailure::Start(_)), "{url}: {failure:?}");
    }
}

#[tokio::test]
async fn a_refused_connection_says_so() {
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port();
    let failure = failure_of(&format!("nats://user:s3cret@127.0.0.1:{port}")).await;
    let first = first_error(&failure);
    assert_eq!(
        (first.phase.code(), first.error.code()),
        ("dial", "connection_refused")
    );
    assert!(failure.to_string().contains("refused"), "{failure}");
}

#[tokio::test]
async fn a_server_that_is_no_nats_server_is_told_from_one() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .expect("written");
    });
    let failure = failure_of(&format!("127.0.0.1:{port}")).await;
    assert_eq!(first_error(&failure).phase.code(), "info");
    assert!(
        failure.to_string().contains("does not look like a NATS server"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_wrong_password_says_so() {
    let cluster = TcpCluster::start_with(vec![Settings::new("n1")]).expect("a server");
    cluster.server(0).refuse_auth(true);
    let url = cluster.server(0).url().replace("nats://", "nats://user:s3cret@");
    let failure = failure_of(&url).await;
    let first = first_error(&failure);
    assert_eq!(
        (first.phase.code(), first.error.code()),
        ("auth", "authorization_violation")
    );
}
