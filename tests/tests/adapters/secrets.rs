//! No secret is printed anywhere: not in logs at their most verbose level, in events, in errors, or in the `Debug`
//! output of anything.

use std::fmt::{Debug, Write as _};
use std::sync::{Mutex, PoisonError};

use nats_conn_client::{Credentials, TlsOptions};
use nats_conn_tests::real_server::{AccountUser, Operator, ServerTls, TestFolder, TlsFiles};

use crate::captured::{all_text, capture};
use crate::scene::*;

/// Everything that any library logs, at every level.
struct Logged(Mutex<String>);

static LOGGED: Logged = Logged(Mutex::new(String::new()));

impl log::Log for Logged {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(text, "{} {}", record.target(), record.args());
    }

    fn flush(&self) {}
}

fn log_everything() {
    // Where all tests are one process, it may be there already.
    let _ = log::set_logger(&LOGGED);
    log::set_max_level(log::LevelFilter::Trace);
}

/// What was printed, and what must not be in it.
struct Book {
    printed: String,
    secrets: Vec<String>,
}

impl Book {
    fn new<const N: usize>(secrets: [&str; N]) -> Self {
        log_everything();
        capture();
        Self {
            printed: String::new(),
            secrets: secrets.map(str::to_owned).to_vec(),
        }
    }

    fn note(&mut self, what: &impl Debug) {
        let _ = writeln!(self.printed, "{what:?} {what:#?}");
    }

    /// A session with a reconnect, an attempt with what is wrong, and everything that can be printed of them.
    async fn keep(mut self, adapter: Adapter, right: Options, wrong: Options) {
        self.note(&right);
        let (client, mut watch) = adapter.start(right.retry_initial(true));
        watch.until("connected").await;
        let mut subscription = client.subscribe(subject("a")).expect("open");
        soon(client.publish("a", "x")).await.expect("open");
        self.note(&message(&mut subscription).await);
        client.force_reconnect().expect("open");
        watch.until("reconnected").await;
        soon(client.flush()).await.expect("a session");
        self.note(&(
            &client,
            client.servers(),
            client.state(),
            client.statistics(),
            &subscription,
        ));
        self.note(&soon(client.close()).await);
        for event in watch.catch_up() {
            let _ = writeln!(self.printed, "{event:?} {event:#?}");
        }
        self.note(&wrong);
        let failure = soon(adapter.connect(wrong)).await.expect_err("it is wrong");
        let _ = writeln!(self.printed, "{failure} {failure:?}");
        if let ConnectError::Unreachable { failures } = &failure {
            self.note(failures);
        }
        self.find();
    }

    fn find(&self) {
        let logged = LOGGED.0.lock().unwrap_or_else(PoisonError::into_inner);
        let traced = all_text();
        assert!(traced.contains("connected"), "the client tells tracing of it");
        for secret in &self.secrets {
            for (place, text) in [
                ("what was printed", &self.printed),
                ("the log", &*logged),
                ("tracing", &traced),
            ] {
                let lines: Vec<&str> = text.lines().filter(|line| line.contains(secret)).collect();
                assert!(lines.is_empty(), "{secret} in {place}: {lines:?}");
            }
        }
    }
}

/// TLS logs much, and then the credentials pass below it.
fn server(version: Version, files: &TlsFiles, config: ServerConfig) -> Arc<RealServer> {
    real_server(version, config.tls(ServerTls::new(files)))
}

fn options_for(server: &RealServer, files: &TlsFiles) -> Options {
    options(&server.tls_url()).tls(TlsOptions::new().with_ca_file(&files.ca))
}

fn with_userinfo(server: &RealServer, files: &TlsFiles, userinfo: &str) -> Options {
    let url = format!("tls://{userinfo}@localhost:{}", server.port());
    options(&url).tls(TlsOptions::new().with_ca_file(&files.ca))
}

scenarios! {
    async fn passwords_print_nowhere(adapter, version) {
        let files = TlsFiles::new();
        let user = User::with_password("MarkerName", "MarkerPassword");
        let server = server(version, &files, ServerConfig::new().user(user));
        let book = || Book::new(["MarkerName", "MarkerPassword", "MarkerWrong"]);
        let right = options_for(&server, &files).user_password("MarkerName", "MarkerPassword");
        let wrong = options_for(&server, &files).user_password("MarkerName", "MarkerWrong");
        book().keep(adapter, right, wrong).await;
        let right = with_userinfo(&server, &files, "MarkerName:MarkerPassword");
        let wrong = with_userinfo(&server, &files, "MarkerName:MarkerWrong");
        book().keep(adapter, right, wrong).await;
    }

    async fn tokens_print_nowhere(adapter, version) {
        let files = TlsFiles::new();
        let server = server(version, &files, ServerConfig::new().token("MarkerToken"));
        let book = || Book::new(["MarkerToken", "MarkerWrong"]);
        let right = options_for(&server, &files).token("MarkerToken");
        let wrong = options_for(&server, &files).token("MarkerWrong");
        book().keep(adapter, right, wrong).await;
        let right = with_userinfo(&server, &files, "MarkerToken");
        let wrong = with_userinfo(&server, &files, "MarkerWrong");
        book().keep(adapter, right, wrong).await;
    }

    async fn seeds_print_nowhere(adapter, version) {
        let files = TlsFiles::new();
        let (user, other) = (AccountUser::nkey_only(), AccountUser::nkey_only());
        let config = ServerConfig::new().user(User::with_nkey(&user.public_key()));
        let server = server(version, &files, config);
        let (seed, cut) = (user.seed(), other.seed()[..30].to_owned());
        let book = || Book::new([&seed, &other.seed(), &cut]);
        let right = options_for(&server, &files).nkey_seed(user.seed());
        let wrong = options_for(&server, &files).nkey_seed(other.seed());
        book().keep(adapter, right, wrong).await;
        let folder = TestFolder::new("seed").expect("a folder");
        let right = folder.write("right.nk", user.seed()).expect("a file");
        let wrong = folder.write("wrong.nk", &cut).expect("a file");
        let right = options_for(&server, &files).nkey_seed_file(right);
        let wrong = options_for(&server, &files).nkey_seed_file(wrong);
        book().keep(adapter, right, wrong).await;
    }

    async fn creds_and_signatures_print_nowhere(adapter, version) {
        let files = TlsFiles::new();
        let mut operator = Operator::new();
        let user = operator.account("orders").user("ann");
        let other = Operator::new().account("elsewhere").user("eve");
        let server = server(version, &files, operator.configure(ServerConfig::new()));
        let book = || Book::new([user.jwt(), &user.seed(), other.jwt(), &other.seed(), "MarkerSignature"]);
        let right = options_for(&server, &files).creds(user.creds());
        let wrong = options_for(&server, &files).creds(other.creds());
        book().keep(adapter, right, wrong).await;
        let folder = TestFolder::new("creds").expect("a folder");
        let right = folder.write("right.creds", user.creds()).expect("a file");
        let right = options_for(&server, &files).creds_file(right);
        let wrong = options_for(&server, &files).credentials(Credentials::jwt(other.jwt(), "MarkerSignature"));
        book().keep(adapter, right, wrong).await;
    }

    /// Otherwise the scenarios above would prove nothing.
    async fn the_log_is_kept(adapter, version) {
        let files = TlsFiles::new();
        let server = server(version, &files, ServerConfig::new());
        log_everything();
        let client = soon(adapter.connect(options_for(&server, &files))).await.expect("a session");
        soon(client.close()).await;
        let logged = LOGGED.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(logged.contains("rustls"), "{logged}");
    }
}
