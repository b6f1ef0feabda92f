//! Which server: the versions that are supported, and where their programs are.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A supported version of `nats-server`.
///
/// Exhaustive on purpose: code that distinguishes versions has to decide about a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// 2.9.10, as Debian 12 ships it.
    V2_9,
    /// 2.15.1, the newest that is supported.
    V2_15,
}

impl Version {
    /// Every supported version, oldest first.
    pub const ALL: [Version; 2] = [Version::V2_9, Version::V2_15];

    /// The exact version `tests/run` provides, such as `2.15.1`.
    pub fn number(self) -> &'static str {
        match self {
            Version::V2_9 => "2.9.10",
            Version::V2_15 => "2.15.1",
        }
    }

    /// The environment variable that names the program, or switches this version off with `none`.
    pub fn variable(self) -> &'static str {
        match self {
            Version::V2_9 => "NATS_SERVER_2_9",
            Version::V2_15 => "NATS_SERVER_2_15",
        }
    }

    /// Whether the server can begin with TLS before its INFO (`handshake_first`, since 2.10.4).
    pub fn has_tls_first(self) -> bool {
        self >= Version::V2_15
    }

    /// Whether the environment says that tests of this version must not run: `NATS_SERVER=none` or this version's own
    /// [`variable`](Self::variable) set to `none`. It says so on standard error.
    pub fn is_switched_off(self) -> bool {
        let off = |name: &str| std::env::var(name).is_ok_and(|value| value == "none");
        let variable = ["NATS_SERVER", self.variable()]
            .into_iter()
            .find(|name| off(name));
        if let Some(name) = variable {
            eprintln!("NOT RUN against nats-server {self}: {name}=none");
        }
        variable.is_some()
    }

    /// The server's program: what [`variable`](Self::variable) names, otherwise
    /// `target/nats-server/<version>/nats-server` of the workspace, wherever `CARGO_TARGET_DIR` points.
    ///
    /// # Errors
    /// A sentence that says what to do, when there is no program or it is of another series.
    pub fn program(self) -> Result<PathBuf, String> {
        static FOUND: [OnceLock<Result<PathBuf, String>>; 2] = [OnceLock::new(), OnceLock::new()];
        FOUND[self as usize].get_or_init(|| self.find()).clone()
    }

    fn find(self) -> Result<PathBuf, String> {
        let program = match std::env::var_os(self.variable()) {
            Some(path) => PathBuf::from(path),
            None => default_program(self),
        };
        let hint = format!(
            "run `tests/run --servers` once, or set {}=/path/to/nats-server, or NATS_SERVER=none to leave out every \
             test that needs a real server",
            self.variable()
        );
        let output = Command::new(&program)
            .arg("--version")
            .output()
            .map_err(|error| format!("no nats-server {self} at {}: {error}; {hint}", program.display()))?;
        let output_text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output_text.contains(&format!("v{}.", self.series())) {
            Ok(program)
        } else {
            Err(format!(
                "{} is `{output_text}`, not {}.x; {hint}",
                program.display(),
                self.series()
            ))
        }
    }

    fn series(self) -> &'static str {
        match self {
            Version::V2_9 => "2.9",
            Version::V2_15 => "2.15",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.number())
    }
}

/// Runs a scenario against every version that is not switched off, one after another.
///
/// Prefer [`on_every_server!`](crate::on_every_server), which makes a test of each.
pub fn for_each_version(mut scenario: impl FnMut(Version)) {
    for version in Version::ALL {
        if !version.is_switched_off() {
            eprintln!("against nats-server {version}");
            scenario(version);
        }
    }
}

fn default_program(version: Version) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = tests.parent().unwrap_or(tests);
    workspace
        .join("target/nats-server")
        .join(version.number())
        .join("nats-server")
}
