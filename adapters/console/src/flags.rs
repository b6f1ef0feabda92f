//! How the console is started.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use nats_conn_client::{ConnectOptions, StartError, TlsOptions};
use nats_conn_sm::{CleartextPolicy, Config, ConfigError, Delivery, LameDuckPolicy, MailboxLimits, WhenFull};
use nats_proto::{ServerUrl, Subject, UrlError};
use thiserror::Error;

const DEFAULT_SERVER: &str = "nats://127.0.0.1:4222";

/// What stands on the command line. A flag that is given twice counts as given last, but `--server`.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flags {
    /// JSON lines, rather than lines for people.
    pub json: bool,
    /// Where to record the inputs of the state machine.
    pub record: Option<PathBuf>,
    /// All flags with their values, in order.
    given: Vec<(&'static str, String)>,
}

/// Without the values, of which some are secrets.
impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.given.iter().map(|(flag, _)| flag))
            .finish()
    }
}

/// Why the console cannot be started so.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FlagsError {
    /// There is no such flag.
    #[error("no such flag: {0}")]
    Unknown(String),
    /// A word that belongs to no flag. It is not shown: it may be a URL, or half a password.
    #[error("a word without a flag: a server is given with --server, and a value with blanks in quotes")]
    Stray,
    /// A flag lacks its value.
    #[error("{0} needs a value")]
    NoValue(&'static str),
    /// A flag has a value that it does not take.
    #[error("{flag} cannot be {value:?}: {expected}")]
    Value {
        /// Which.
        flag: &'static str,
        /// What was given; never a secret.
        value: String,
        /// What would do.
        expected: String,
    },
    /// An argument is not UTF-8.
    #[error("an argument is not UTF-8")]
    NotUtf8,
    /// Flags that contradict each other.
    #[error("{0} contradicts {1}")]
    Contradiction(&'static str, &'static str),
    /// A flag lacks another.
    #[error("{0} needs {1}, too")]
    Alone(&'static str, &'static str),
    /// A URL cannot be used.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A setting cannot be used.
    #[error(transparent)]
    Setting(ConfigError),
    /// The options cannot be used.
    #[error(transparent)]
    Start(StartError),
}

impl FlagsError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "unknown_flag",
            Self::Stray => "stray_word",
            Self::NoValue(_) => "no_value",
            Self::Value { .. } => "value",
            Self::NotUtf8 => "not_utf8",
            Self::Contradiction(..) => "contradiction",
            Self::Alone(..) => "alone",
            Self::Url(error) => error.code(),
            Self::Setting(error) => error.code(),
            Self::Start(error) => error.code(),
        }
    }
}

/// The same line: `fn main() -> Result<_, _>` prints errors so.
impl fmt::Debug for FlagsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Flags without a value.
const SWITCHES: [&str; 10] = [
    "--json",
    "--tls-required",
    "--tls-first",
    "--no-reconnect",
    "--retry-initial",
    "--no-randomize",
    "--ignore-discovered",
    "--no-echo",
    "--verbose",
    "--pedantic",
];

/// Flags with a value.
const VALUES: [&str; 31] = [
    "--server",
    "--name",
    "--user",
    "--password",
    "--token",
    "--nkey-seed",
    "--creds",
    "--tls-ca",
    "--tls-cert",
    "--tls-key",
    "--cleartext-auth",
    "--connect-timeout-ms",
    "--ping-interval-ms",
    "--max-pings-out",
    "--drain-timeout-ms",
    "--drain-patience-ms",
    "--auth-strike-gap-ms",
    "--reconnect-wait-ms",
    "--reconnect-wait-max-ms",
    "--reconnect-jitter-ms",
    "--min-stable-ms",
    "--max-reconnects",
    "--inbox-prefix",
    "--send-buffer-bytes",
    "--when-full",
    "--delivery",
    "--lame-duck",
    "--pending-msgs",
    "--pending-bytes",
    "--seed",
    "--record",
];

impl Flags {
    /// Reads the arguments of the process, without its name.
    ///
    /// # Errors
    /// A flag is unknown or lacks its value.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, FlagsError> {
        let mut flags = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (name, joined) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (argument.as_str(), None),
            };
            if let Some(switch) = SWITCHES.into_iter().find(|switch| *switch == name) {
                if joined.is_some() {
                    return Err(FlagsError::Unknown(format!("{switch}=, which takes no value")));
                }
                flags.given.push((switch, String::new()));
            } else if let Some(flag) = VALUES.into_iter().find(|flag| *flag == name) {
                let value = joined
                    .or_else(|| arguments.next())
                    .ok_or(FlagsError::NoValue(flag))?;
                flags.given.push((flag, value));
            } else if name.starts_with('-') {
                return Err(FlagsError::Unknown(name.to_owned()));
            } else {
                return Err(FlagsError::Stray);
            }
        }
        flags.json = flags.has("--json");
        flags.record = flags.value("--record").map(PathBuf::from);
        Ok(flags)
    }

    /// The options that the flags ask for.
    ///
    /// # Errors
    /// A value cannot be used.
    pub fn options<A: Default>(&self) -> Result<ConnectOptions<A>, FlagsError> {
        let mut options = ConnectOptions::new(self.servers()?);
        self.connection(options.config_mut())?;
        self.timers(options.config_mut())?;
        self.buffers(options.config_mut())?;
        options = self.tls(options)?;
        options = self.credentials(options)?;
        let mut mailbox = MailboxLimits::default();
        self.number("--pending-msgs", &mut mailbox.messages)?;
        self.number("--pending-bytes", &mut mailbox.bytes)?;
        options = options.mailbox(mailbox);
        if let Some(patience) = self.parsed("--drain-patience-ms")? {
            options = options.drain_patience(Duration::from_millis(patience));
        }
        if let Some(number) = self.parsed::<u64>("--seed")? {
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&number.to_le_bytes());
            options = options.seed(seed);
        }
        match options.check() {
            Ok(()) => Ok(options),
            Err(StartError::Config(error)) => Err(in_terms_of_flags(error)),
            Err(StartError::Contradiction { first, second }) => {
                Err(FlagsError::Contradiction(flag_of(first), flag_of(second)))
            }
            Err(error) => Err(FlagsError::Start(error)),
        }
    }

    pub(crate) fn retries_initially(&self) -> bool {
        self.has("--retry-initial")
    }

    fn servers(&self) -> Result<Vec<ServerUrl>, FlagsError> {
        let mut servers = Vec::new();
        for (_, urls) in self.given.iter().filter(|(name, _)| *name == "--server") {
            servers.extend(ServerUrl::parse_list(urls)?);
        }
        if servers.is_empty() {
            servers.push(ServerUrl::parse(DEFAULT_SERVER)?);
        }
        Ok(servers)
    }

    fn connection(&self, config: &mut Config) -> Result<(), FlagsError> {
        config.name = self.value("--name").map(str::to_owned);
        config.reconnect = !self.has("--no-reconnect");
        config.retry_initial = self.has("--retry-initial");
        config.randomize = !self.has("--no-randomize");
        config.ignore_discovered = self.has("--ignore-discovered");
        config.echo = !self.has("--no-echo");
        config.verbose = self.has("--verbose");
        config.pedantic = self.has("--pedantic");
        if let Some(prefix) = self.value("--inbox-prefix") {
            config.inbox_prefix = Subject::new(prefix).map_err(|_| FlagsError::Value {
                flag: "--inbox-prefix",
                value: prefix.to_owned(),
                expected: "a subject is wanted, such as _INBOX.me".into(),
            })?;
        }
        config.max_reconnects = self.parsed("--max-reconnects")?;
        self.choice(
            "--lame-duck",
            &mut config.lame_duck,
            [
                ("notify", LameDuckPolicy::Notify),
                ("move", LameDuckPolicy::default()),
            ],
        )
    }

    fn timers(&self, config: &mut Config) -> Result<(), FlagsError> {
        self.millis("--connect-timeout-ms", &mut config.connect_timeout)?;
        self.millis("--ping-interval-ms", &mut config.ping_interval)?;
        self.number("--max-pings-out", &mut config.max_pings_out)?;
        self.millis("--drain-timeout-ms", &mut config.drain_timeout)?;
        self.millis("--auth-strike-gap-ms", &mut config.auth_strike_gap)?;
        self.millis("--reconnect-wait-ms", &mut config.backoff.base)?;
        self.millis("--reconnect-wait-max-ms", &mut config.backoff.max)?;
        self.millis("--min-stable-ms", &mut config.min_stable)?;
        if let Some(jitter) = self.parsed("--reconnect-jitter-ms")? {
            config.backoff.jitter = Some(Duration::from_millis(jitter));
        }
        Ok(())
    }

    fn buffers(&self, config: &mut Config) -> Result<(), FlagsError> {
        self.number("--send-buffer-bytes", &mut config.send_buffer)?;
        self.choice(
            "--when-full",
            &mut config.when_full,
            [
                ("error", WhenFull::Error),
                ("drop-oldest", WhenFull::DropOldest),
                ("off", WhenFull::Off),
            ],
        )?;
        self.choice(
            "--delivery",
            &mut config.delivery,
            [
                ("at-most-once", Delivery::AtMostOnce),
                ("at-least-once", Delivery::AtLeastOnce),
            ],
        )
    }

    fn tls<A>(&self, options: ConnectOptions<A>) -> Result<ConnectOptions<A>, FlagsError> {
        let mut tls = TlsOptions::new();
        for (_, path) in self.given.iter().filter(|(name, _)| *name == "--tls-ca") {
            tls = tls.with_ca_file(path);
        }
        match (self.value("--tls-cert"), self.value("--tls-key")) {
            (Some(chain), Some(key)) => tls = tls.with_client_certificate(chain, key),
            (None, None) => {}
            (Some(_), None) => return Err(FlagsError::Alone("--tls-cert", "--tls-key")),
            (None, Some(_)) => return Err(FlagsError::Alone("--tls-key", "--tls-cert")),
        }
        // Without an authority of its own a program that wants TLS trusts what the system does.
        if tls.ca_files.is_empty() {
            tls = tls.with_system_roots();
        }
        let required = self.has("--tls-required");
        Ok(options
            .tls(tls)
            .tls_required(required)
            .tls_first(self.has("--tls-first")))
    }

    fn credentials<A>(&self, mut options: ConnectOptions<A>) -> Result<ConnectOptions<A>, FlagsError> {
        self.choice(
            "--cleartext-auth",
            &mut options.config_mut().cleartext_credentials,
            [
                ("warn", CleartextPolicy::Warn),
                ("allow", CleartextPolicy::Allow),
                ("refuse", CleartextPolicy::Refuse),
            ],
        )?;
        let password = self.value("--password");
        match (self.value("--user"), password) {
            (Some(user), password) => options = options.user_password(user, password.unwrap_or_default()),
            (None, Some(_)) => return Err(FlagsError::Alone("--password", "--user")),
            (None, None) => {}
        }
        if let Some(token) = self.value("--token") {
            options = options.token(token);
        }
        self.keys(options)
    }

    fn keys<A>(&self, mut options: ConnectOptions<A>) -> Result<ConnectOptions<A>, FlagsError> {
        if let Some(path) = self.value("--nkey-seed") {
            options = options.nkey_seed_file(path);
        }
        if let Some(path) = self.value("--creds") {
            options = options.creds_file(path);
        }
        Ok(options)
    }

    fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == name)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.given
            .iter()
            .rev()
            .find(|(given, _)| *given == name)
            .map(|(_, value)| value.as_str())
    }

    fn parsed<N: std::str::FromStr>(&self, flag: &'static str) -> Result<Option<N>, FlagsError> {
        let Some(value) = self.value(flag) else {
            return Ok(None);
        };
        let unusable = |_| FlagsError::Value {
            flag,
            value: value.to_owned(),
            expected: "a number is wanted".into(),
        };
        value.parse().map(Some).map_err(unusable)
    }

    fn number<N: std::str::FromStr>(&self, flag: &'static str, place: &mut N) -> Result<(), FlagsError> {
        if let Some(number) = self.parsed(flag)? {
            *place = number;
        }
        Ok(())
    }

    fn millis(&self, flag: &'static str, place: &mut Duration) -> Result<(), FlagsError> {
        if let Some(millis) = self.parsed(flag)? {
            *place = Duration::from_millis(millis);
        }
        Ok(())
    }

    fn choice<T, const N: usize>(
        &self,
        flag: &'static str,
        place: &mut T,
        choices: [(&str, T); N],
    ) -> Result<(), FlagsError> {
        let Some(value) = self.value(flag) else {
            return Ok(());
        };
        let names = choices.each_ref().map(|(name, _)| *name).join(" or ");
        match choices.into_iter().find(|(name, _)| *name == value) {
            Some((_, choice)) => *place = choice,
            None => {
                return Err(FlagsError::Value {
                    flag,
                    value: value.to_owned(),
                    expected: format!("{names} is wanted"),
                });
            }
        }
        Ok(())
    }
}

/// The flag that sets this option.
fn flag_of(option: &'static str) -> &'static str {
    match option {
        "user_password" => "--user",
        "token" => "--token",
        "nkey_seed_file" => "--nkey-seed",
        "creds_file" => "--creds",
        other => other,
    }
}

/// What the machine says of its settings, said of the flags that set them.
fn in_terms_of_flags(error: ConfigError) -> FlagsError {
    let zero = |flag, expected: &str| FlagsError::Value {
        flag,
        value: "0".into(),
        expected: expected.into(),
    };
    match error {
        ConfigError::NoServers => FlagsError::NoValue("--server"),
        ConfigError::ZeroMaxReconnects => zero(
            "--max-reconnects",
            "use --no-reconnect for no reconnecting, or at least 1 attempt a server",
        ),
        ConfigError::ZeroMaxPingsOut => zero(
            "--max-pings-out",
            "at least 1 PING must be allowed to be unanswered",
        ),
        ConfigError::DropOldestWithAtLeastOnce => {
            FlagsError::Contradiction("--when-full drop-oldest", "--delivery at-least-once")
        }
        ConfigError::ZeroDuration {
            setting: "connect_timeout",
        } => zero("--connect-timeout-ms", "give it some time"),
        ConfigError::ZeroDuration {
            setting: "ping_interval",
        } => zero("--ping-interval-ms", "give it some time"),
        ConfigError::ZeroDuration { .. } => zero("--drain-timeout-ms", "give it some time"),
        other => FlagsError::Setting(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<ConnectOptions<()>, FlagsError> {
        Flags::parse(line.split_whitespace().map(str::to_owned))?.options()
    }

    fn config(line: &str) -> Config {
        options(line).unwrap().config().clone()
    }

    #[test]
    fn without_flags_everything_is_as_by_default() {
        let config = config("");
        assert_eq!(config.servers[0].to_string(), DEFAULT_SERVER);
        assert_eq!(
            format!("{config:?}"),
            format!("{:?}", Config::new(config.servers.clone()))
        );
    }

    #[test]
    fn servers_may_be_repeated_and_lists() {
        let servers = config("--server nats://a:1,b --server=tls://c:3").servers;
        let urls: Vec<String> = servers.iter().map(ToString::to_string).collect();
        assert_eq!(urls, ["nats://a:1", "nats://b:4222", "tls://c:3"]);
    }

    #[test]
    fn every_flag_of_the_page_is_taken() {
        let config = config(
            "--json --name n --user u --password p --creds f --tls-required --tls-first --tls-ca ca \
             --tls-cert c --tls-key k --cleartext-auth refuse --connect-timeout-ms 1 --ping-interval-ms 2 \
             --max-pings-out 3 --drain-timeout-ms 4 --drain-patience-ms 15 --auth-strike-gap-ms 5 --reconnect-wait-ms 6 \
             --reconnect-wait-max-ms 7 --reconnect-jitter-ms 8 --min-stable-ms 9 --max-reconnects 10 \
             --no-reconnect --retry-initial --no-randomize --ignore-discovered --no-echo --verbose --pedantic \
             --inbox-prefix in --send-buffer-bytes 11 --when-full off --delivery at-least-once \
             --lame-duck notify --pending-msgs 12 --pending-bytes 13 --seed 14 --record f",
        );
        let millis = Duration::from_millis;
        assert_eq!(
            (config.connect_timeout, config.ping_interval),
            (millis(1), millis(2))
        );
        assert_eq!((config.max_pings_out, config.drain_timeout), (3, millis(4)));
        assert_eq!(
            (config.auth_strike_gap, config.min_stable),
            (millis(5), millis(9))
        );
        assert_eq!((config.backoff.base, config.backoff.max), (millis(6), millis(7)));
        assert_eq!(
            (config.backoff.jitter, config.max_reconnects),
            (Some(millis(8)), Some(10))
        );
        assert_eq!(
            (config.when_full, config.delivery),
            (WhenFull::Off, Delivery::AtLeastOnce)
        );
        assert_eq!(
            (config.lame_duck, config.send_buffer),
            (LameDuckPolicy::Notify, 11)
        );
        assert_eq!(config.cleartext_credentials, CleartextPolicy::Refuse);
        assert!(config.tls_required && config.tls_first && config.verbose && config.pedantic);
        assert!(!config.echo && !config.reconnect && !config.randomize);
        assert!(config.retry_initial && config.ignore_discovered && config.ask_credentials);
    }

    #[test]
    fn no_secret_is_shown_whatever_is_forgotten() {
        for line in [
            "nats://me:hunter2@n1",
            "--user me --password half hunter2",
            "--password hunter2 --nonsense",
            "--verbose=hunter2",
        ] {
            let error = options(line).unwrap_err();
            assert!(
                !format!("{error} {error:?}").contains("hunter2"),
                "{line}: {error}"
            );
        }
        let given = [
            "--user",
            "me",
            "--password",
            "hunter2",
            "--server",
            "nats://hunter2@n1",
        ];
        let flags = Flags::parse(given.map(String::from)).unwrap();
        assert_eq!(format!("{flags:?}"), r#"["--user", "--password", "--server"]"#);
    }

    #[test]
    fn what_is_unusable_says_so_in_one_line() {
        for line in [
            "--nonsense",
            "stray",
            "--name",
            "--json=yes",
            "--server ws://a",
            "--server nats://a:99999",
            "--ping-interval-ms soon",
            "--when-full never",
            "--password p",
            "--tls-cert c",
            "--user u --token t",
            "--nkey-seed f --creds f",
            "--inbox-prefix a..b",
        ] {
            let error = options(line).unwrap_err().to_string();
            assert!(!error.is_empty() && !error.contains('\n'), "{line}: {error}");
        }
    }
}
