//! One server process and what can be done to it.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde_json::Value;

use super::{ClaimedPort, ServerConfig, StartError, TestFolder, Version, monitor, try_wait_for, wait_for};

/// What a server may take to start, to reload or to go, on a machine that is busy with other tests.
const LIMIT: Duration = Duration::from_secs(30);

/// A `nats-server` of its own on 127.0.0.1, with a folder for its files. Dropping it kills the process and removes the
/// folder; when the test is failing, the end of the log is printed first.
///
/// Its ports stay its own, also while it is down. All methods take `&self`, so that one thread may crash a server that
/// another one uses.
#[derive(Debug)]
pub struct RealServer {
    version: Version,
    program: PathBuf,
    client_port: ClaimedPort,
    monitor_port: ClaimedPort,
    cluster_port: Option<ClaimedPort>,
    folder: TestFolder,
    config: Mutex<ServerConfig>,
    process: Mutex<Option<Child>>,
}

impl RealServer {
    /// Starts a server and waits until it takes clients.
    ///
    /// # Panics
    /// When there is no such server on this machine, or it does not start; the message holds what it logged.
    #[track_caller]
    pub fn start(version: Version, config: ServerConfig) -> Self {
        Self::try_start(version, config).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts a server and waits until it takes clients.
    ///
    /// # Errors
    /// Why it did not, and what it logged: a configuration it refuses, for example.
    pub fn try_start(version: Version, config: ServerConfig) -> Result<Self, StartError> {
        let server = Self::prepare(version, config)?;
        let log_start = server.launch()?;
        server.await_ready(log_start)?;
        Ok(server)
    }

    /// Which server this is.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The port for clients.
    pub fn port(&self) -> u16 {
        self.client_port.number()
    }

    /// The address for clients.
    pub fn address(&self) -> SocketAddr {
        on_loopback(&self.client_port)
    }

    /// `127.0.0.1:<port>`, as this server appears in `connect_urls`.
    pub fn host_and_port(&self) -> String {
        self.address().to_string()
    }

    /// `nats://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address())
    }

    /// `tls://localhost:<port>`.
    pub fn tls_url(&self) -> String {
        format!("tls://localhost:{}", self.port())
    }

    /// `nats://<userinfo>@127.0.0.1:<port>`, for `user:password` or a token.
    pub fn client_url_with(&self, userinfo: &str) -> String {
        format!("nats://{userinfo}@{}", self.address())
    }

    /// Where its configuration and its log are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its last configuration.
    pub fn config(&self) -> ServerConfig {
        lock(&self.config).clone()
    }

    /// Everything it has logged so far, over all its restarts.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until the log contains `text`.
    ///
    /// # Panics
    /// When it does not within `limit`.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str, limit: Duration) {
        wait_for(&format!("`{text}` in the log of {self}"), limit, || {
            self.log().contains(text).then_some(())
        });
    }

    /// Connects a bare socket and reads the first line, the INFO.
    ///
    /// # Panics
    /// When there is no INFO within 5 s: the server is down, stopped, or begins with TLS.
    #[track_caller]
    pub fn info(&self) -> Value {
        let info = || -> io::Result<Value> {
            let limit = Duration::from_secs(5);
            let stream = TcpStream::connect_timeout(&self.address(), limit)?;
            stream.set_read_timeout(Some(limit))?;
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line)?;
            let json = line
                .strip_prefix("INFO ")
                .ok_or_else(|| io::Error::other(format!("not INFO: {line:?}")))?;
            serde_json::from_str(json).map_err(io::Error::other)
        };
        info().unwrap_or_else(|error| panic!("INFO of {self}: {error}"))
    }

    /// Gets a page of the monitoring port, such as `/varz`, `/connz?subs=1`, `/subsz`, `/routez`, `/healthz`.
    ///
    /// # Errors
    /// What the transport says, also when the server is down or stopped (after 5 s), or a status other than 200.
    pub fn monitor(&self, path: &str) -> io::Result<Value> {
        let body = monitor::get(on_loopback(&self.monitor_port), path)?;
        serde_json::from_str(&body).map_err(io::Error::other)
    }

    /// How many clients are connected, as `/varz` counts them.
    ///
    /// # Errors
    /// As [`monitor`](Self::monitor).
    pub fn connections(&self) -> io::Result<u64> {
        Ok(self.monitor("/varz")?["connections"].as_u64().unwrap_or_default())
    }

    /// Whether the process is there. A [stopped](Self::stop) one is.
    pub fn is_running(&self) -> bool {
        lock(&self.process)
            .as_mut()
            .is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// SIGKILL: a crash. Waits until the process is gone. Nothing happens where it is gone already.
    pub fn kill(&self) {
        if let Some(mut child) = lock(&self.process).take() {
            // Fails only for a process that is gone.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGSTOP: the process hangs, its sockets stay open, the kernel continues to accept and acknowledge. Waits until
    /// it hangs.
    ///
    /// # Panics
    /// When the server is not running.
    #[track_caller]
    pub fn stop(&self) {
        self.signal(Signal::STOP);
        let pid = self.pid();
        wait_for(&format!("{self} to stop"), LIMIT, || {
            let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
            matches!(waitid(WaitId::Pid(pid), options), Ok(Some(_))).then_some(())
        });
    }

    /// SIGCONT: a stopped process continues where it was.
    ///
    /// # Panics
    /// When the server is not running.
    #[track_caller]
    pub fn cont(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGUSR2: lame duck mode (see [`ServerConfig::lame_duck`]). Returns once it has begun: nobody new is accepted. The
    /// process goes by itself when its clients are closed; [`wait_until_gone`](Self::wait_until_gone).
    ///
    /// # Panics
    /// When the server is not running or does not react.
    #[track_caller]
    pub fn lame_duck(&self) {
        self.signal_and_wait(Signal::USR2, &["Entering lame duck mode"]);
    }

    /// SIGTERM: an orderly shutdown. Waits until the process is gone.
    ///
    /// # Panics
    /// When the server is not running, or does not go.
    #[track_caller]
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
        self.wait_until_gone(LIMIT);
    }

    /// Waits until the process has gone by itself, and gives its status.
    ///
    /// # Panics
    /// When it was never there, or has not gone within `limit`.
    #[track_caller]
    pub fn wait_until_gone(&self, limit: Duration) -> ExitStatus {
        wait_for(&format!("{self} to go"), limit, || {
            lock(&self.process)
                .as_mut()
                .and_then(|child| child.try_wait().ok().flatten())
        })
    }

    /// Rewrites the configuration and has it read again (SIGHUP); clients stay where the server lets them.
    ///
    /// # Panics
    /// When the server is not running or refuses the configuration.
    #[track_caller]
    pub fn reload(&self, config: ServerConfig) {
        *lock(&self.config) = config;
        self.write_config().unwrap_or_else(|error| panic!("{error}"));
        let verdict = self.signal_and_wait(
            Signal::HUP,
            &["Reloaded server configuration", "Failed to reload"],
        );
        assert!(
            verdict.starts_with("Reloaded"),
            "{self} refuses the configuration:\n{}",
            self.log()
        );
    }

    /// Starts the server again on its ports; a running one is [killed](Self::kill) first.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn restart(&self) {
        self.kill();
        let started = self.launch().and_then(|log_start| self.await_ready(log_start));
        started.unwrap_or_else(|error| panic!("{error}"));
    }

    /// As [`restart`](Self::restart), with another configuration.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn restart_with(&self, config: ServerConfig) {
        *lock(&self.config) = config;
        self.restart();
    }

    /// Claims ports and a folder, without starting anything.
    pub(super) fn prepare(version: Version, config: ServerConfig) -> Result<Self, StartError> {
        let refuse = |what: &str, error: io::Error| StartError::new(version, format!("{what}: {error}"), "");
        let claim = || ClaimedPort::claim().map_err(|error| refuse("no free port", error));
        Ok(Self {
            version,
            program: version
                .program()
                .map_err(|reason| StartError::new(version, reason, ""))?,
            client_port: claim()?,
            monitor_port: claim()?,
            cluster_port: config.cluster_section().map(|_| claim()).transpose()?,
            folder: TestFolder::new("server").map_err(|error| refuse("no folder", error))?,
            config: Mutex::new(config),
            process: Mutex::new(None),
        })
    }

    pub(super) fn set_config(&self, config: ServerConfig) {
        *lock(&self.config) = config;
    }

    pub(super) fn cluster_port(&self) -> Option<u16> {
        self.cluster_port.as_ref().map(ClaimedPort::number)
    }

    /// Starts the process and gives the length of the log before it.
    pub(super) fn launch(&self) -> Result<usize, StartError> {
        self.write_config()?;
        let log = OpenOptions::new().create(true).append(true).open(self.log_path());
        let log = log.map_err(|error| self.failed(format!("its log: {error}")))?;
        let log_start = self.log().len();
        let child = self
            .spawn(log)
            .map_err(|error| self.failed(format!("{}: {error}", self.program.display())))?;
        *lock(&self.process) = Some(child);
        Ok(log_start)
    }

    /// Waits until the process started last takes clients.
    pub(super) fn await_ready(&self, mut log_start: usize) -> Result<(), StartError> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let limit = deadline.saturating_duration_since(Instant::now());
            let outcome = try_wait_for(limit, || {
                let running = self.is_running();
                let log = self.log();
                let new = log.get(log_start..).unwrap_or_default();
                // The server says so once its client listener is open (server.go, AcceptLoop).
                if new.contains("Server is ready") {
                    return Some(Ok(()));
                }
                (!running).then(|| Err(new.contains("address already in use")))
            });
            match outcome {
                Some(Ok(())) => return Ok(()),
                // A connection of another process may use the port for a moment.
                Some(Err(true)) if Instant::now() < deadline => log_start = self.launch()?,
                Some(Err(_)) => return Err(self.failed("it went at once".to_owned())),
                None => return Err(self.failed(format!("not ready within {LIMIT:?}"))),
            }
        }
    }

    fn spawn(&self, log: File) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        command
            .arg("--config")
            .arg(self.config_path())
            .current_dir(self.folder.path());
        // An empty pipe from nobody, so that a server never shares the test's terminal.
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
    }

    fn write_config(&self) -> Result<(), StartError> {
        let cluster_port = self.cluster_port();
        let text = lock(&self.config).render(self.port(), self.monitor_port.number(), cluster_port);
        std::fs::write(self.config_path(), text)
            .map_err(|error| self.failed(format!("its configuration: {error}")))
    }

    #[track_caller]
    fn signal(&self, signal: Signal) {
        let sent = kill_process(self.pid(), signal);
        sent.unwrap_or_else(|error| panic!("{signal:?} to {self}: {error}"));
    }

    /// Sends a signal and waits for the first of `answers` in what is logged from then on.
    #[track_caller]
    fn signal_and_wait(&self, signal: Signal, answers: &[&'static str]) -> &'static str {
        let log_start = self.log().len();
        self.signal(signal);
        wait_for(&format!("{answers:?} in the log of {self}"), LIMIT, || {
            let log = self.log();
            let new = log.get(log_start..).unwrap_or_default();
            answers.iter().find(|answer| new.contains(**answer)).copied()
        })
    }

    #[track_caller]
    fn pid(&self) -> Pid {
        assert!(self.is_running(), "{self} is not running");
        let pid = lock(&self.process).as_ref().map(Pid::from_child);
        pid.unwrap_or_else(|| panic!("{self} is not running"))
    }

    fn config_path(&self) -> PathBuf {
        self.folder.path().join("server.conf")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    fn failed(&self, reason: String) -> StartError {
        StartError::new(self.version, reason, &self.log())
    }
}

impl fmt::Display for RealServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nats-server {} on {}", self.version, self.address())
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines.len().saturating_sub(40);
            eprintln!(
                "{self} logged last:\n{}",
                lines.get(tail..).unwrap_or_default().join("\n")
            );
        }
    }
}

fn on_loopback(port: &ClaimedPort) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()))
}

/// A test that failed while it held the lock leaves nothing half-done in here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
