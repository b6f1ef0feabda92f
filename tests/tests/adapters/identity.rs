//! Every kind of credentials, against real servers.

use std::future::{pending, ready};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use nats_conn_client::machine::{AttemptError, AttemptFailure, Phase};
use nats_conn_client::proto::ServerErrorKind;
use nats_conn_client::{AuthError, Challenge, Credentials, StartError};
use nats_conn_tests::real_server::{Account, AccountUser, Operator, TestFolder};

use crate::scene::*;

/// Connects, and has the server confirm it.
async fn is_accepted(adapter: Adapter, options: Options) {
    let client = soon(adapter.connect(options)).await.expect("it is let in");
    soon(client.flush()).await.expect("a session");
    soon(client.close()).await;
}

/// Why the one attempt with one server failed.
async fn refusal(adapter: Adapter, options: Options) -> AttemptFailure {
    match soon(adapter.connect(options)).await {
        Err(ConnectError::Unreachable { failures }) => {
            assert_eq!(failures.len(), 1, "{failures:?}");
            failures[0].clone()
        }
        other => panic!("{other:?}"),
    }
}

/// The server itself refused.
async fn is_refused(adapter: Adapter, options: Options) {
    let failure = refusal(adapter, options).await;
    assert_eq!(failure.phase, Phase::Auth, "{failure:?}");
    let AttemptError::Server(error) = failure.error else {
        panic!("{failure:?}");
    };
    assert_eq!(
        *error.kind(),
        ServerErrorKind::AuthorizationViolation,
        "{error:?}"
    );
}

/// There are no credentials to send, and why not.
async fn fails_before_connect(adapter: Adapter, options: Options) -> AuthError {
    let failure = refusal(adapter, options).await;
    match (failure.phase, failure.error) {
        (Phase::Auth, AttemptError::Auth(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn nkey_server(version: Version, user: &AccountUser) -> Arc<RealServer> {
    real_server(
        version,
        ServerConfig::new().user(User::with_nkey(&user.public_key())),
    )
}

/// A server that knows one account, and that account.
fn account_server(version: Version) -> (Arc<RealServer>, Account) {
    let mut operator = Operator::new();
    let account = operator.account("orders");
    (
        real_server(version, operator.configure(ServerConfig::new())),
        account,
    )
}

/// A user that the server knows nothing of.
fn stranger() -> AccountUser {
    Operator::new().account("elsewhere").user("eve")
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock after 1970").as_secs()
}

/// Sets some of the credentials.
type Set = fn(Options) -> Options;

scenarios! {
    async fn a_user_with_a_password_enters(adapter, version) {
        let server = real_server(version, ServerConfig::new().user(User::with_password("ann", "s3cret")));
        is_accepted(adapter, options(&server.url()).user_password("ann", "s3cret")).await;
        is_accepted(adapter, options(&server.client_url_with("ann:s3cret"))).await;
        is_refused(adapter, options(&server.url()).user_password("ann", "wrong")).await;
        is_refused(adapter, options(&server.url())).await;
    }

    async fn a_token_enters(adapter, version) {
        let server = real_server(version, ServerConfig::new().token("t0ken"));
        is_accepted(adapter, options(&server.url()).token("t0ken")).await;
        is_accepted(adapter, options(&server.client_url_with("t0ken"))).await;
        is_refused(adapter, options(&server.url()).token("wrong")).await;
    }

    async fn what_a_url_escapes_is_shown_as_it_is(adapter, version) {
        let server = real_server(version, ServerConfig::new().user(User::with_password("a@b", "p:/?#%\"ü")));
        is_accepted(adapter, options(&server.client_url_with("a%40b:p%3A%2F%3F%23%25%22%C3%BC"))).await;
        is_accepted(adapter, options(&server.url()).user_password("a@b", "p:/?#%\"ü")).await;
    }

    async fn userinfo_of_a_url_is_for_its_server_and_the_options_are_for_the_others(adapter, version) {
        let [first, second, third] = ["ann", "bob", "eve"].map(|name| {
            real_server(version, ServerConfig::new().user(User::with_password(name, "s3cret")))
        });
        let urls = [first.client_url_with("ann:s3cret"), second.client_url_with("bob:s3cret"), third.url()];
        let options = options(&urls.join(",")).user_password("eve", "s3cret").randomize(false);
        let (client, mut watch) = adapter.start(options);
        watch.until("connected").await;
        for _ in 0..2 {
            client.force_reconnect().expect("open");
            watch.until("reconnected").await;
        }
        assert_eq!(watch.count("connect_failed"), 0);
        soon(client.flush()).await.expect("a session");
    }

    async fn a_seed_signs_in_memory_and_from_a_file(adapter, version) {
        let user = AccountUser::nkey_only();
        let server = nkey_server(version, &user);
        is_accepted(adapter, options(&server.url()).nkey_seed(user.seed())).await;
        let folder = TestFolder::new("seed").expect("a folder");
        let path = folder.write("user.nk", user.seed()).expect("a file");
        is_accepted(adapter, options(&server.url()).nkey_seed_file(&path)).await;
    }

    async fn a_wrong_seed_is_distinguished_from_an_invalid_one(adapter, version) {
        let server = nkey_server(version, &AccountUser::nkey_only());
        is_refused(adapter, options(&server.url()).nkey_seed(AccountUser::nkey_only().seed())).await;
        let cut = &AccountUser::nkey_only().seed()[..40];
        let error = fails_before_connect(adapter, options(&server.url()).nkey_seed(cut)).await;
        let AuthError::Unusable { detail } = error else { panic!("{error:?}") };
        assert!(detail.contains("seed is not valid") && !detail.contains(cut), "{detail}");
        let error = fails_before_connect(adapter, options(&server.url()).nkey_seed_file("/nowhere/user.nk")).await;
        assert!(error.to_string().contains("cannot read /nowhere/user.nk"), "{error}");
    }

    async fn a_seed_is_of_no_use_to_a_server_that_asks_nothing(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let options = options(&server.url()).nkey_seed(AccountUser::nkey_only().seed());
        assert_eq!(fails_before_connect(adapter, options).await, AuthError::NoNonce);
    }

    /// A developer's machine: the same options as elsewhere, and a server without authentication.
    async fn creds_are_accepted_by_a_server_without_authentication(adapter, version) {
        let (_, account) = account_server(version);
        let server = real_server(version, ServerConfig::new());
        let user = account.user("ann");
        is_accepted(adapter, options(&server.url()).creds(user.creds())).await;
        let folder = TestFolder::new("creds").expect("a folder");
        let path = folder.write("ann.creds", user.creds()).expect("a file");
        is_accepted(adapter, options(&server.url()).creds_file(&path)).await;
        // One that asks for something else has no nonce either, and refuses.
        let asks = real_server(version, ServerConfig::new().user(User::with_password("ann", "s3cret")));
        is_refused(adapter, options(&asks.url()).creds_file(&path)).await;
    }

    async fn byte_order_marks_are_skipped_in_files_with_credentials(adapter, version) {
        let folder = TestFolder::new("marks").expect("a folder");
        let with_mark = |name: &str, text: &str| folder.write(name, format!("\u{feff}{text}")).expect("a file");
        let user = AccountUser::nkey_only();
        let server = nkey_server(version, &user);
        is_accepted(adapter, options(&server.url()).nkey_seed_file(with_mark("user.nk", &user.seed()))).await;
        is_accepted(adapter, options(&server.url()).nkey_seed(format!("\u{feff}{}", user.seed()))).await;
        let (server, account) = account_server(version);
        let user = account.user("ann");
        is_accepted(adapter, options(&server.url()).creds_file(with_mark("ann.creds", &user.creds()))).await;
        is_accepted(adapter, options(&server.url()).creds(format!("\u{feff}{}", user.creds()))).await;
        // What is not UTF-8 is reported as such.
        let utf_16: Vec<u8> = std::iter::once(0xfeff).chain(user.creds().encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let path = folder.write("utf-16.creds", utf_16).expect("a file");
        let error = fails_before_connect(adapter, options(&server.url()).creds_file(&path)).await;
        assert!(error.to_string().ends_with("utf-16.creds is UTF-16: save it as UTF-8"), "{error}");
    }

    /// A real server looks at the NKEY or JWT first; what else is in CONNECT is for an auth callout.
    async fn a_password_or_token_beside_an_nkey_or_jwt_is_sent_with_it(adapter, version) {
        let user = AccountUser::nkey_only();
        let server = nkey_server(version, &user);
        is_accepted(adapter, options(&server.url()).nkey_seed(user.seed()).user_password("ann", "s3cret")).await;
        is_accepted(adapter, options(&server.client_url_with("t0ken")).nkey_seed(user.seed())).await;
        let (server, account) = account_server(version);
        is_accepted(adapter, options(&server.url()).token("t0ken").creds(account.user("ann").creds())).await;
        is_accepted(adapter, options(&server.client_url_with("ann:s3cret")).creds(account.user("ann").creds())).await;
    }

    async fn all_configured_credentials_are_in_connect(adapter) {
        let shared: [(Set, &[&str]); 2] = [
            (|options| options.user_password("ann", "pw"), &["user", "pass"]),
            (|options| options.token("t0ken"), &["auth_token"]),
        ];
        let keys: [(Set, &str); 3] = [
            (|options| options.nkey_seed(AccountUser::nkey_only().seed()), "nkey"),
            (|options| options.creds(stranger().creds()), "jwt"),
            (|options| options.credentials(Credentials::jwt("jwt", "sig")), "jwt"),
        ];
        for (share, fields) in shared {
            for (key, field) in keys {
                let cluster = Model::with([Settings { nonce: Some("nonce".into()), ..Settings::new("n1") }]);
                let client = soon(adapter.connect(key(share(options(&cluster.urls()))))).await.expect("a session");
                let logs = cluster.logs();
                let connect = logs[0].connect().expect("sent");
                for field in fields.iter().chain(&[field, "sig"]) {
                    assert!(connect[*field].is_string(), "no {field} in {connect}");
                }
                soon(client.close()).await;
            }
        }
    }

    async fn two_credentials_options_of_the_same_kind_are_a_contradiction(adapter) {
        let seed = || AccountUser::nkey_only().seed();
        let fresh = || options("nats://127.0.0.1:1");
        let callback = |_| ready(Ok(Credentials::default()));
        for (options, pair) in [
            (fresh().token("t").user_password("u", "p"), ("token", "user_password")),
            (fresh().nkey_seed(seed()).creds("creds"), ("nkey_seed", "creds")),
            (fresh().creds_file("a").creds("b"), ("creds_file", "creds")),
            (fresh().token("t").credentials_callback(callback), ("token", "credentials_callback")),
            (fresh().credentials(Credentials::token("t")).token("t"), ("credentials", "token")),
        ] {
            let (first, second) = pair;
            let error = StartError::Contradiction { first, second };
            assert_eq!(options.check(), Err(error.clone()));
            assert_eq!(adapter.try_start(options.clone()).err(), Some(error.clone()));
            assert_eq!(soon(adapter.connect(options)).await.err(), Some(ConnectError::Start(error.clone())));
            assert_eq!(error.to_string(), format!("{first} contradicts {second}: set one of them"));
        }
        assert_eq!(fresh().token("a").token("b").check(), Ok(()), "the same option again is another value");
    }

    async fn creds_enter_from_memory_and_from_a_file(adapter, version) {
        let (server, account) = account_server(version);
        let user = account.user("ann");
        is_accepted(adapter, options(&server.url()).creds(user.creds())).await;
        let folder = TestFolder::new("creds").expect("a folder");
        let path = folder.write("ann.creds", user.creds()).expect("a file");
        is_accepted(adapter, options(&server.url()).creds_file(&path)).await;
        is_refused(adapter, options(&server.url()).creds(stranger().creds())).await;
        let of_another = user.creds().replace(&user.seed(), &account.user("bob").seed());
        is_refused(adapter, options(&server.url()).creds(of_another)).await;
        let error = fails_before_connect(adapter, options(&server.url()).creds(user.seed())).await;
        assert!(error.to_string().contains("no NATS USER JWT"), "{error}");
    }

    async fn a_file_that_was_rotated_is_read_at_the_next_attempt(adapter, version) {
        let (server, account) = account_server(version);
        let folder = TestFolder::new("rotated").expect("a folder");
        let path = folder.write("user.creds", stranger().creds()).expect("a file");
        let (client, mut watch) = adapter.start(options(&server.url()).creds_file(&path).retry_initial(true));
        watch.until("connect_failed").await;
        folder.write("user.creds", account.user("ann").creds()).expect("a file");
        watch.until("connected").await;
        soon(client.flush()).await.expect("a session");
    }

    async fn credentials_that_expire_are_replaced_by_those_in_the_file(adapter, version) {
        let (server, account) = account_server(version);
        let folder = TestFolder::new("expiring").expect("a folder");
        let expiring = account.user_until("ann", now() + 4);
        let path = folder.write("user.creds", expiring.creds()).expect("a file");
        let (client, mut watch) = adapter.start(options(&server.url()).creds_file(&path).retry_initial(true));
        watch.until("connected").await;
        folder.write("user.creds", account.user("ann").creds()).expect("a file");
        let reason = watch.disconnected().await;
        let DisconnectReason::ServerError(error) = &reason else { panic!("{reason:?}") };
        assert!(error.is_authentication(), "{error:?}");
        watch.until("reconnected").await;
        soon(client.flush()).await.expect("a session");
    }

    async fn a_callback_may_take_its_time_for_each_challenge(adapter, version) {
        let (server, account) = account_server(version);
        let user = Arc::new(account.user("ann"));
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let callback = move |challenge: Challenge| {
            counter.fetch_add(1, Ordering::Relaxed);
            let user = user.clone();
            async move {
                pause(Duration::from_millis(50)).await;
                let nonce = challenge.nonce.ok_or(AuthError::NoNonce)?;
                Ok(Credentials::jwt(user.jwt(), user.sign(&nonce)))
            }
        };
        let (client, mut watch) = adapter.start(options(&server.url()).credentials_callback(callback));
        watch.until("connected").await;
        client.force_reconnect().expect("open");
        watch.until("reconnected").await;
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    /// The server gives the first link up; a later answer of the callback about it has no effect on the second.
    async fn an_answer_that_comes_too_late_fails_its_attempt_alone(adapter, version) {
        let config = ServerConfig::new().user(User::with_password("ann", "s3cret"));
        let server = real_server(version, config.auth_timeout(Duration::from_secs(1)));
        let asked = AtomicUsize::new(0);
        let callback = move |_| {
            let first = asked.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                pause(Duration::from_millis(if first { 2000 } else { 0 })).await;
                Ok(Credentials::user_password("ann", "s3cret"))
            }
        };
        let options = options(&server.url()).credentials_callback(callback).retry_initial(true);
        let (client, mut watch) = adapter.start(options);
        let failed = watch.until("connect_failed").await;
        let ClientEvent::Connection(ConnectionEvent::ConnectFailed { phase, error, .. }) = failed else { unreachable!() };
        assert_eq!(phase, Phase::Auth);
        assert!(error.to_string().to_lowercase().contains("authentication timeout"), "{error}");
        assert!(error.to_string().contains("our credentials had not come after"), "{error}");
        let AttemptError::AuthenticationTimeout { answered: false, after, .. } = *error else { panic!("{error:?}") };
        // The server counts from accepting the connection, we from its INFO on.
        assert!((Duration::from_millis(500)..Duration::from_secs(2)).contains(&after), "{after:?}");
        watch.until("connected").await;
        pause(Duration::from_millis(1500)).await;
        soon(client.flush()).await.expect("a session");
        assert_eq!(watch.count("disconnected"), 0);
    }

    async fn an_answer_that_never_comes_is_a_timeout(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let options = options(&server.url()).credentials_callback(|_| pending());
        let failure = refusal(adapter, options.connect_timeout(Duration::from_secs(1))).await;
        assert_eq!((failure.phase, failure.error), (Phase::Auth, AttemptError::TimedOut));
    }

    async fn a_callback_that_fails_is_reported_with_its_text(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let fail = |_| ready(Err(AuthError::Unusable { detail: "the vault is sealed".into() }));
        let error = fails_before_connect(adapter, options(&server.url()).credentials_callback(fail)).await;
        assert_eq!(error.to_string(), "credentials: the vault is sealed");
    }
}
