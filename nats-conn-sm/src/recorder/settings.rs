//! The settings of a connection, as a recording begins with them: every one, secrets as fillers.

use alloc::vec::Vec;

use nats_proto::{Limits, Subject};

use super::codec::{Reader, Writer};
use super::format::RecordingError;
use super::redactor;
use crate::config::{Backoff, CleartextPolicy, Config, Delivery, LameDuckPolicy, WhenFull};

pub(crate) fn write(config: &Config, to: &mut Writer) {
    write_connect(config, to);
    write_attempts(config, to);
    write_safety(config, to);
    write_traffic(config, to);
    write_ends(config, to);
}

pub(crate) fn read(from: &mut Reader) -> Result<Config, RecordingError> {
    let mut config = Config::new(from.urls()?);
    read_connect(&mut config, from)?;
    read_attempts(&mut config, from)?;
    read_safety(&mut config, from)?;
    read_traffic(&mut config, from)?;
    read_ends(&mut config, from)?;
    Ok(config)
}

/// The servers, and the fields of CONNECT.
fn write_connect(config: &Config, to: &mut Writer) {
    let servers: Vec<_> = config.servers.iter().map(redactor::url).collect();
    to.urls(&servers);
    to.option(config.name.as_deref(), Writer::text);
    to.text(&config.lang);
    to.text(&config.version);
    for flag in [config.verbose, config.pedantic, config.echo] {
        to.flag(flag);
    }
    to.text(config.inbox_prefix.as_str());
}

fn read_connect(config: &mut Config, from: &mut Reader) -> Result<(), RecordingError> {
    config.name = from.option(Reader::text)?;
    config.lang = from.text()?;
    config.version = from.text()?;
    config.verbose = from.flag()?;
    config.pedantic = from.flag()?;
    config.echo = from.flag()?;
    config.inbox_prefix = from.parsed("a subject", |text| Subject::new(&text))?;
    Ok(())
}

/// When links are made, and when they are given up.
fn write_attempts(config: &Config, to: &mut Writer) {
    to.duration(config.connect_timeout);
    to.duration(config.ping_interval);
    to.number(u64::from(config.max_pings_out));
    to.flag(config.reconnect);
    to.option(config.max_reconnects, |to, max| to.number(u64::from(max)));
    for flag in [
        config.retry_initial,
        config.randomize,
        config.ignore_discovered,
        config.custom_selection,
    ] {
        to.flag(flag);
    }
    to.duration(config.backoff.base);
    to.duration(config.backoff.max);
    to.option(config.backoff.jitter, Writer::duration);
    to.duration(config.min_stable);
}

fn read_attempts(config: &mut Config, from: &mut Reader) -> Result<(), RecordingError> {
    config.connect_timeout = from.duration()?;
    config.ping_interval = from.duration()?;
    config.max_pings_out = from.small()?;
    config.reconnect = from.flag()?;
    config.max_reconnects = from.option(Reader::small)?;
    config.retry_initial = from.flag()?;
    config.randomize = from.flag()?;
    config.ignore_discovered = from.flag()?;
    config.custom_selection = from.flag()?;
    config.backoff = Backoff {
        base: from.duration()?,
        max: from.duration()?,
        jitter: from.option(Reader::duration)?,
    };
    config.min_stable = from.duration()?;
    Ok(())
}

/// TLS and credentials.
fn write_safety(config: &Config, to: &mut Writer) {
    for flag in [config.tls_required, config.tls_first, config.ask_credentials] {
        to.flag(flag);
    }
    to.byte(match config.cleartext_credentials {
        CleartextPolicy::Warn => 0,
        CleartextPolicy::Allow => 1,
        CleartextPolicy::Refuse => 2,
    });
    to.duration(config.auth_strike_gap);
    to.flag(config.ignore_auth_strikes);
}

fn read_safety(config: &mut Config, from: &mut Reader) -> Result<(), RecordingError> {
    config.tls_required = from.flag()?;
    config.tls_first = from.flag()?;
    config.ask_credentials = from.flag()?;
    config.cleartext_credentials = match from.byte()? {
        0 => CleartextPolicy::Warn,
        1 => CleartextPolicy::Allow,
        2 => CleartextPolicy::Refuse,
        _ => return from.invalid("a policy"),
    };
    config.auth_strike_gap = from.duration()?;
    config.ignore_auth_strikes = from.flag()?;
    Ok(())
}

/// What is sent.
fn write_traffic(config: &Config, to: &mut Writer) {
    to.flag(config.delivery == Delivery::AtLeastOnce);
    to.option(config.confirm_after, Writer::duration);
    to.size(config.send_buffer);
    to.byte(match config.when_full {
        WhenFull::Error => 0,
        WhenFull::DropOldest => 1,
        WhenFull::Off => 2,
    });
    to.size(config.max_control_line);
    to.flag(config.requests_survive);
}

fn read_traffic(config: &mut Config, from: &mut Reader) -> Result<(), RecordingError> {
    config.delivery = if from.flag()? {
        Delivery::AtLeastOnce
    } else {
        Delivery::AtMostOnce
    };
    config.confirm_after = from.option(Reader::duration)?;
    config.send_buffer = from.size()?;
    config.when_full = match from.byte()? {
        0 => WhenFull::Error,
        1 => WhenFull::DropOldest,
        2 => WhenFull::Off,
        _ => return from.invalid("a policy"),
    };
    config.max_control_line = from.size()?;
    config.requests_survive = from.flag()?;
    Ok(())
}

/// How it ends, and the limits of what is read.
fn write_ends(config: &Config, to: &mut Writer) {
    match config.lame_duck {
        LameDuckPolicy::Notify => to.flag(false),
        LameDuckPolicy::Move { within } => to.option(Some(within), Writer::duration),
    }
    to.duration(config.drain_timeout);
    to.duration(config.close_timeout);
    for limit in [config.limits.line, config.limits.info, config.limits.payload] {
        to.size(limit);
    }
}

fn read_ends(config: &mut Config, from: &mut Reader) -> Result<(), RecordingError> {
    config.lame_duck = match from.option(Reader::duration)? {
        None => LameDuckPolicy::Notify,
        Some(within) => LameDuckPolicy::Move { within },
    };
    config.drain_timeout = from.duration()?;
    config.close_timeout = from.duration()?;
    config.limits = Limits::default()
        .with_line(from.size()?)
        .with_info(from.size()?)
        .with_payload(from.size()?);
    Ok(())
}

/// Breaks the build where a setting is added, which is then to be written and read above.
const _: fn(Config) = |config| {
    let Config {
        servers: _,
        name: _,
        lang: _,
        version: _,
        verbose: _,
        pedantic: _,
        echo: _,
        inbox_prefix: _,
        connect_timeout: _,
        ping_interval: _,
        max_pings_out: _,
        reconnect: _,
        max_reconnects: _,
        retry_initial: _,
        randomize: _,
        ignore_discovered: _,
        custom_selection: _,
        backoff: _,
        min_stable: _,
        tls_required: _,
        tls_first: _,
        ask_credentials: _,
        cleartext_credentials: _,
        auth_strike_gap: _,
        ignore_auth_strikes: _,
        delivery: _,
        confirm_after: _,
        send_buffer: _,
        when_full: _,
        max_control_line: _,
        requests_survive: _,
        lame_duck: _,
        drain_timeout: _,
        close_timeout: _,
        limits: _,
    } = config;
};
