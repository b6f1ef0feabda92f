//! The flags of the program.

use std::time::Duration;

use nats_conn_model_server::tcp_server::Transport;
use nats_conn_model_server::{Auth, Settings, Urls};

use super::command::Command;
use super::fault::step;
use super::kinds::error_text;
use super::words::{duration, field, nanos, number};

/// What is wanted of the program.
#[derive(Debug)]
pub(super) enum Wanted {
    Run(Box<Flags>),
    Help,
    Version,
}

/// How it runs.
#[derive(Debug)]
pub(super) struct Flags {
    /// One for each server.
    pub(super) settings: Vec<Settings>,
    pub(super) transport: Transport,
    /// Commands, and how long after the start they are due.
    pub(super) at: Vec<(Duration, String)>,
    pub(super) strict: bool,
    pub(super) until_eof: bool,
}

/// The text of `--help`.
pub(super) const HELP: &str = "\
nats-conn-model-server: a NATS server that misbehaves as it is told, to test clients against.
Core NATS on 127.0.0.1 in clear text; no accounts, no JetStream, no TLS. It says on standard output where it listens, and
what clients do that they must not.

  nats-conn-model-server [FLAG]...        a flag and its value: --port 4222 or --port=4222

The server
  --port PORT               where it listens; 0: any free port (default 4222)
  --servers N               so many, on this port and those after it, which announce each other (default 1)
  --name NAME               its name; of several NAME1, NAME2, ... (default n)
  --server-version VERSION  the version that it claims to be (default 2.12.0)
  --user USER --pass PASS   takes only this user
  --token TOKEN             takes only this token
  --nkey PUBLIC             takes only this NKEY, with any signature; needs --nonce
  --nonce TEXT              the nonce that it asks clients to sign
  --refuse ERROR            takes nobody, and says this error
  --max-payload BYTES       (default 1048576)
  --max-control-line BYTES  (default 4096)
  --max-subscriptions N     on one link (default no limit)
  --no-headers              an old server, without headers
  --no-connect-info         an old server: no second INFO after the first PONG
  --deny-publish FILTER     nobody may publish there; may be repeated
  --deny-subscribe FILTER   nobody may subscribe to that; may be repeated
  --connect-urls URL,URL    announces exactly these others
  --ping-interval DURATION  PINGs clients so often (default never)
  --max-pings-out N         so many may be unanswered (default 2)
  --info NAME=JSON          a field of INFO, in place of its own; may be repeated

Faults
  --fault 'WHEN: WHAT, ...' on every link; may be repeated
  --next-fault 'WHEN: ...'  on one link only: the first of these on the first link, the second on the second, ...
  --at 'DURATION: COMMAND'  a command (see below), so long after the start; may be repeated
  --split BYTES             writes so many bytes at once at most
  --split-pause DURATION    and rests after each of these writes
  --read-rate BYTES         reads so many bytes a second at most, so that clients cannot write faster

  WHEN is one of
    accept          the link was opened; the usual answer is INFO
    connect         CONNECT has come and would be accepted
    after=5s        the link is so old
    after=100msgs   the hundredth message was sent to the client
    after=3pubs     the third publish of the client has come; the usual answer is to deliver it
    after=3subs     its third SUB has come; the usual answer is to take it
    after=3pings    its third PING has come, of which the first is in the handshake; the usual answer is PONG
    from=3pings     the third, and every later one

  WHAT is done in this order, before the usual answer, and is one of
    nothing         leaves the usual answer out: no INFO, no PONG, a publish that gets lost
    close           what was sent still arrives, then the link is closed
    reset           the link is torn down
    silence         half-open: the link stays, and nothing is answered or sent any more
    err=ERROR       an error, after which the link stays; write `err=auth, close` for those that end it
    ldm             INFO that announces lame duck mode, to this client alone
    urls='A B'      INFO that announces these others
    info=NAME=JSON  INFO with this field in place of its own; `info` alone: INFO as it is
    ping, pong      a PING, a PONG, whether asked for or not
    garbage         bytes that are no protocol
    send=TEXT       any bytes: \\r \\n \\t \\\\ \\xHH stand for one; in single quotes where it has commas
    wait=DURATION   what follows comes so much later; what is usual is done meanwhile

  ERROR is a text in single quotes, or one of
    auth auth-timeout auth-expired auth-revoked account-expired account stale slow shutdown max-connections
    max-account-connections throttled max-payload max-control-line max-subscriptions publish reply subscribe
    invalid-subject invalid-publish-subject unknown-operation parser protocol-version tls wrong-port

Commands, while it runs: a line of standard input, or a publish to the subject of --control, which is answered with `ok ...`
or `error ...` if it asks for a reply. `@2 COMMAND` is for the second server only.
  do WHAT, ...              now, on every link that is up
  fault WHEN: WHAT, ...     on every link to come
  next WHEN: WHAT, ...      on the next link only
  no-faults                 none of these any more
  crash                     tears down every link, and does not listen any more
  lame-duck DURATION        takes no new links, announces that, and closes its links after this time
  restart                   listens again
  refuse ERROR | welcome    takes nobody any more | takes clients as at first
  info NAME=JSON            a field of INFO, announced to every link
  split BYTES [DURATION]    as the flags; `split off`
  read-rate BYTES           as the flag; `read-rate off`
  stop-reading | read       reads nothing any more | reads again
  publish SUBJECT TEXT      as if by another client
  links                     how many links of each server are up
  help | quit

The rest
  --control SUBJECT         where clients publish commands
  --strict                  exits with status 1 if a client did what no server takes
  --until-eof               ends with its standard input, too
  --version, --help

Lines that it prints: `listening NAME URL`; `violation link N: ...`, what no server takes; `odd link N: ...`, what servers
tolerate and good clients do not do; and an answer to each command. Exit status: 0, 1 (see --strict; or the port is taken), 2
(wrong flags). DURATION is 250ms, 5s, 2m or 1h.
";

/// Reads the flags.
pub(super) fn parse(arguments: impl Iterator<Item = String>) -> Result<Wanted, String> {
    let mut arguments = arguments;
    let mut reading = Reading::new();
    while let Some(argument) = arguments.next() {
        let (flag, mut value) = match argument.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        match flag {
            "--help" | "-h" => return Ok(Wanted::Help),
            "--version" => return Ok(Wanted::Version),
            _ => {}
        }
        if value.is_some() && reading.switch(flag) {
            return Err(format!("{flag} has no value"));
        }
        if reading.switch(flag) {
            continue;
        }
        if !Reading::takes_value(flag) {
            return Err(format!("{flag:?} is no flag"));
        }
        let value = value.take().or_else(|| arguments.next());
        let value = value.ok_or_else(|| format!("{flag} needs a value"))?;
        reading
            .value(flag, &value)
            .map_err(|error| format!("{flag}: {error}"))?;
    }
    reading.finish().map(|flags| Wanted::Run(Box::new(flags)))
}

/// What was read so far.
struct Reading {
    settings: Settings,
    port: u16,
    servers: u16,
    user: Option<String>,
    pass: Option<String>,
    auth: Option<Auth>,
    flags: Flags,
}

/// The flags that have a value.
const WITH_VALUE: [&str; 26] = [
    "--port",
    "--servers",
    "--name",
    "--server-version",
    "--user",
    "--pass",
    "--token",
    "--nkey",
    "--nonce",
    "--refuse",
    "--max-payload",
    "--max-control-line",
    "--max-subscriptions",
    "--deny-publish",
    "--deny-subscribe",
    "--connect-urls",
    "--ping-interval",
    "--max-pings-out",
    "--info",
    "--fault",
    "--next-fault",
    "--at",
    "--split",
    "--split-pause",
    "--read-rate",
    "--control",
];

impl Reading {
    fn new() -> Self {
        Self {
            settings: Settings {
                remember: false,
                ..Settings::new("n")
            },
            port: 4222,
            servers: 1,
            user: None,
            pass: None,
            auth: None,
            flags: Flags {
                settings: Vec::new(),
                transport: Transport::default(),
                at: Vec::new(),
                strict: false,
                until_eof: false,
            },
        }
    }

    fn takes_value(flag: &str) -> bool {
        WITH_VALUE.contains(&flag)
    }

    /// Whether it is a flag without a value, which is set then.
    fn switch(&mut self, flag: &str) -> bool {
        match flag {
            "--no-headers" => self.settings.headers = false,
            "--no-connect-info" => self.settings.connect_info = false,
            "--strict" => self.flags.strict = true,
            "--until-eof" => self.flags.until_eof = true,
            _ => return false,
        }
        true
    }

    fn value(&mut self, flag: &str, value: &str) -> Result<(), String> {
        let settings = &mut self.settings;
        let text = || value.to_owned();
        match flag {
            "--port" => self.port = number(value)?,
            "--servers" => {
                self.servers = number(value)?;
                if !(1..=64).contains(&self.servers) {
                    return Err("from 1 to 64".into());
                }
            }
            "--name" => settings.name = text(),
            "--server-version" => settings.version = text(),
            "--user" => self.user = Some(text()),
            "--pass" => self.pass = Some(text()),
            "--token" => return self.only(Auth::Token(text())),
            "--nkey" => return self.only(Auth::Nkey(text())),
            "--nonce" => settings.nonce = Some(text()),
            "--refuse" => return self.only(Auth::Refuse(error_text(value)?)),
            "--max-payload" => settings.max_payload = number(value)?,
            "--max-control-line" => settings.max_control_line = number(value)?,
            "--max-subscriptions" => settings.max_subscriptions = Some(number(value)?),
            "--deny-publish" => settings.deny_publish.push(text()),
            "--deny-subscribe" => settings.deny_subscribe.push(text()),
            "--connect-urls" => {
                settings.urls = Urls::Fixed(value.split(',').map(|url| url.trim().to_owned()).collect());
            }
            "--ping-interval" => {
                settings.ping_interval = Some(nanos(duration(value)?)).filter(|nanos| *nanos > 0)
            }
            "--max-pings-out" => settings.max_pings_out = number(value)?,
            "--info" => {
                let (name, value) = field(value)?;
                settings.info.insert(name, value);
            }
            "--fault" => settings.script.push(step(value)?),
            "--next-fault" => settings.next_scripts.push_back(vec![step(value)?]),
            "--control" => settings.orders = Some(text()),
            "--at" => {
                let (after, command) = value.split_once(':').ok_or("write DURATION: COMMAND")?;
                let after = duration(after.trim())?;
                Command::parse(command.trim())?;
                self.flags.at.push((after, command.trim().to_owned()));
            }
            "--split" => self.flags.transport.write_most = Some(number(value)?),
            "--split-pause" => self.flags.transport.write_pause = duration(value)?,
            "--read-rate" => self.flags.transport.read_rate = Some(number(value)?),
            _ => return Err("no such flag".into()),
        }
        Ok(())
    }

    /// Who is taken is said once.
    fn only(&mut self, auth: Auth) -> Result<(), String> {
        match self.auth.replace(auth) {
            None => Ok(()),
            Some(_) => Err("one of --user, --token, --nkey and --refuse".into()),
        }
    }

    fn finish(mut self) -> Result<Flags, String> {
        match (self.user.take(), self.pass.take()) {
            (Some(user), Some(password)) => self.only(Auth::Password { user, password })?,
            (None, None) => {}
            _ => return Err("--user and --pass go together".into()),
        }
        if let Some(auth) = self.auth.take() {
            self.settings.auth = auth;
        }
        if matches!(self.settings.auth, Auth::Nkey(_)) && self.settings.nonce.is_none() {
            return Err("--nkey needs --nonce".into());
        }
        let split = self.flags.transport;
        if split.write_most.is_none() && !split.write_pause.is_zero() {
            return Err("--split-pause needs --split".into());
        }
        if self.servers > 1 && self.settings.urls == Urls::None {
            self.settings.urls = Urls::Gossip;
        }
        for place in 0..self.servers {
            let port = match self.port {
                0 => 0,
                first => first
                    .checked_add(place)
                    .ok_or("--port and --servers: there are no ports after 65535")?,
            };
            let mut settings = self.settings.clone();
            settings.port = port;
            if self.servers > 1 {
                settings.name = format!("{}{}", settings.name, place + 1);
            }
            self.flags.settings.push(settings);
        }
        Ok(self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::super::kinds::KINDS;
    use super::*;

    fn flags(arguments: &[&str]) -> Result<Flags, String> {
        match parse(arguments.iter().map(|argument| (*argument).to_owned()))? {
            Wanted::Run(flags) => Ok(*flags),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_has_to_be_said() {
        let flags = flags(&[]).unwrap();
        assert_eq!(flags.settings.len(), 1);
        assert_eq!(
            (flags.settings[0].port, flags.settings[0].auth.clone()),
            (4222, Auth::Open)
        );
        assert!(!flags.settings[0].remember, "it may run for weeks");
        assert_eq!(flags.transport, Transport::default());
    }

    #[test]
    fn several_servers_have_ports_in_a_row_and_announce_each_other() {
        let flags = flags(&["--servers=3", "--port", "5000", "--name", "east"]).unwrap();
        let named: Vec<_> = flags
            .settings
            .iter()
            .map(|settings| (settings.name.as_str(), settings.port))
            .collect();
        assert_eq!(named, [("east1", 5000), ("east2", 5001), ("east3", 5002)]);
        assert!(
            flags
                .settings
                .iter()
                .all(|settings| settings.urls == Urls::Gossip)
        );
    }

    #[test]
    fn wrong_flags_are_refused_with_what_is_wrong() {
        for (arguments, expected) in [
            (&["--prot", "1"][..], "\"--prot\" is no flag"),
            (&["4222"], "\"4222\" is no flag"),
            (&["--port"], "--port needs a value"),
            (&["--port", "70000"], "--port: \"70000\" is no number that fits"),
            (&["--strict=yes"], "--strict has no value"),
            (&["--user", "ann"], "--user and --pass go together"),
            (&["--token", "t", "--refuse", "auth"], "one of --user"),
            (&["--nkey", "U"], "--nkey needs --nonce"),
            (&["--fault", "never"], "--fault: \"never\" is no fault"),
            (&["--at", "5s: jump"], "is no command"),
            (&["--servers", "0"], "from 1 to 64"),
            (&["--port", "65535", "--servers", "2"], "no ports after 65535"),
            (&["--split", "0"], "is no number that fits"),
            (&["--split-pause", "1s"], "needs --split"),
        ] {
            let error = flags(arguments).unwrap_err();
            assert!(error.contains(expected), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn the_help_names_every_flag_and_every_error() {
        for flag in WITH_VALUE
            .iter()
            .chain(&["--no-headers", "--no-connect-info", "--strict", "--until-eof"])
        {
            assert!(HELP.contains(&format!("{flag} ")), "{flag}");
        }
        for (name, _) in KINDS {
            assert!(HELP.split_whitespace().any(|word| word == name), "{name}");
        }
        assert!(HELP.lines().all(|line| line.chars().count() <= 125));
    }
}
