//! Every kind of credentials and of TLS, against real servers.

use std::sync::Arc;
use std::time::Duration;

use nats_conn_tests::real_server::{
    AccountUser, Operator, RealServer, ServerConfig, ServerTls, TestFolder, TlsFiles, User, for_each_version,
};
use nats_conn_tokio::{
    AuthError, Challenge, CleartextPolicy, Client, ConnectFailure, ConnectOptions, Credentials, TlsOptions,
};

fn options(url: &str) -> ConnectOptions {
    ConnectOptions::from_url(url)
        .unwrap()
        .connect_timeout(Duration::from_secs(5))
}

fn connect(options: ConnectOptions) -> Result<Client, ConnectFailure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = options.connect().await?;
        client.flush().await.unwrap();
        client.close().await;
        Ok(client)
    })
}

fn refusal(options: ConnectOptions) -> String {
    connect(options).unwrap_err().to_string()
}

#[test]
fn user_and_password_and_token() {
    for_each_version(|version| {
        let config = ServerConfig::new().user(User::with_password("ann", "s3cret"));
        let server = RealServer::start(version, config);
        connect(options(&server.url()).user_password("ann", "s3cret")).unwrap();
        connect(options(&server.client_url_with("ann:s3cret"))).unwrap();
        let wrong = refusal(options(&server.url()).user_password("ann", "marker"));
        assert!(
            wrong.contains("Authorization Violation") && !wrong.contains("marker"),
            "{wrong}"
        );

        let server = RealServer::start(version, ServerConfig::new().token("t0ken"));
        connect(options(&server.url()).token("t0ken")).unwrap();
        connect(options(&server.client_url_with("t0ken"))).unwrap();
        assert!(connect(options(&server.url())).is_err());
    });
}

#[test]
fn nkeys_and_creds_from_memory_and_from_files() {
    for_each_version(|version| {
        let folder = TestFolder::new("identity").unwrap();
        let user = AccountUser::nkey_only();
        let config = ServerConfig::new().user(User::with_nkey(&user.public_key()));
        let server = RealServer::start(version, config);
        connect(options(&server.url()).nkey_seed(user.seed())).unwrap();
        let path = folder.write("seed", user.seed()).unwrap();
        connect(options(&server.url()).nkey_seed_file(&path)).unwrap();
        std::fs::remove_file(&path).unwrap();
        let missing = refusal(options(&server.url()).nkey_seed_file(&path));
        assert!(missing.contains("cannot read"), "{missing}");

        let mut operator = Operator::new();
        let account = operator.account("orders");
        let user = account.user("ann");
        let server = RealServer::start(version, operator.configure(ServerConfig::new()));
        connect(options(&server.url()).creds(user.creds())).unwrap();
        let path = folder.write("ann.creds", user.creds()).unwrap();
        connect(options(&server.url()).creds_file(&path)).unwrap();
        let other = account.user("bob");
        let (jwt, key) = (other.jwt().to_owned(), Arc::new(other));
        let callback = move |challenge: Challenge| {
            let (jwt, key) = (jwt.clone(), key.clone());
            async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                let nonce = challenge.nonce.ok_or(AuthError::NoNonce)?;
                Ok(Credentials::jwt(jwt, key.sign(&nonce)))
            }
        };
        connect(options(&server.url()).credentials_callback(callback)).unwrap();
    });
}

#[test]
fn tls_is_made_with_an_authority_and_the_name_that_was_dialled() {
    for_each_version(|version| {
        let files = TlsFiles::new();
        let server = RealServer::start(version, ServerConfig::new().tls(ServerTls::new(&files)));
        let trusting = TlsOptions::new().with_ca_file(&files.ca);
        connect(options(&server.tls_url()).tls(trusting.clone())).unwrap();
        connect(options(&server.url()).tls(trusting.clone())).unwrap();
        let unknown =
            refusal(options(&server.tls_url()).tls(TlsOptions::new().with_ca_file(&TlsFiles::new().ca)));
        assert!(
            unknown.contains("UnknownIssuer") || unknown.contains("BadSignature"),
            "{unknown}"
        );
        let untrusting = refusal(options(&server.tls_url()));
        assert!(untrusting.contains("no authority is trusted"), "{untrusting}");

        let elsewhere = TlsFiles::for_hosts(&["elsewhere.example"]);
        let server = RealServer::start(version, ServerConfig::new().tls(ServerTls::new(&elsewhere)));
        let misnamed = refusal(options(&server.tls_url()).tls(TlsOptions::new().with_ca_file(&elsewhere.ca)));
        assert!(misnamed.contains("not valid for name"), "{misnamed}");

        let plain = RealServer::start(version, ServerConfig::new());
        let not_offered = refusal(options(&plain.tls_url()).tls(trusting.clone()));
        assert!(not_offered.contains("does not offer it"), "{not_offered}");
        let required = refusal(options(&plain.url()).tls(trusting).tls_required(true));
        assert!(required.contains("does not offer it"), "{required}");
    });
}

#[test]
fn a_client_certificate_is_shown_and_tls_can_come_first() {
    for_each_version(|version| {
        let files = TlsFiles::new();
        let tls = ServerTls::new(&files).verify_clients();
        let server = RealServer::start(version, ServerConfig::new().tls(tls));
        let trusting = TlsOptions::new().with_ca_file(&files.ca);
        let showing = trusting
            .clone()
            .with_client_certificate(&files.client_cert, &files.client_key);
        connect(options(&server.tls_url()).tls(showing.clone())).unwrap();
        assert!(connect(options(&server.tls_url()).tls(trusting.clone())).is_err());
        let ready = TlsOptions::new().with_config(showing.client_config().unwrap());
        connect(options(&server.tls_url()).tls(ready)).unwrap();

        if version.has_tls_first() {
            let tls = ServerTls::new(&files).handshake_first();
            let server = RealServer::start(version, ServerConfig::new().tls(tls));
            connect(options(&server.tls_url()).tls(trusting).tls_first(true)).unwrap();
        }
    });
}

#[test]
fn large_messages_pass_through_tls() {
    for_each_version(|version| {
        let files = TlsFiles::new();
        let server = RealServer::start(version, ServerConfig::new().tls(ServerTls::new(&files)));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let tls = TlsOptions::new().with_ca_file(&files.ca);
            let client = options(&server.tls_url()).tls(tls).connect().await.unwrap();
            let subject = nats_conn_tokio::Subject::from_static("large");
            let mut subscription = client.subscribe(&subject).unwrap();
            let payload = vec![7_u8; 1 << 20];
            for _ in 0..32 {
                client.publish(&subject, &payload[..]).await.unwrap();
            }
            for _ in 0..32 {
                let message = tokio::time::timeout(Duration::from_secs(20), subscription.next()).await;
                assert_eq!(message.unwrap().unwrap().payload(), payload);
            }
            client.close().await;
        });
    });
}

#[tokio::test]
async fn a_password_prints_nowhere_and_is_not_sent_in_clear_text_when_that_is_refused() {
    let options = options("nats://ann:marker@192.0.2.1:4222")
        .cleartext_credentials(CleartextPolicy::Refuse)
        .connect_timeout(Duration::from_millis(50));
    assert!(!format!("{options:?}").contains("marker"));
    let (client, mut events) = options.start().unwrap();
    while let Some(event) = events.next().await {
        assert!(!format!("{event:?}").contains("marker"));
    }
    assert!(!format!("{client:?} {:?}", client.servers()).contains("marker"));
}
