//! The settings of a connection, as a recording begins with them: every one, secrets as fillers.

use nats_proto::{Limits, Subject};

use super::RecordingError;
use super::codec::{Reader, Writer};
use super::redactor;
use crate::config::{Backoff, CleartextPolicy, Config, Delivery, LameDuckPolicy, WhenFull};

pub(crate) fn write(config: &Config, to: &mut Writer) {
    // Taken apart in full, so that a new setting cannot be forgotten.
    let Config {
        servers,
        name,
        lang,
        version,
        verbose,
        pedantic,
        echo,
        inbox_prefix,
        connect_timeout,
        ping_interval,
        max_pings_out,
        reconnect,
        max_reconnects,
        retry_initial,
        randomize,
        ignore_discovered,
        custom_selection,
        backoff,
        min_stable,
        tls_required,
        tls_first,
        ask_credentials,
        cleartext_credentials,
        auth_strike_gap,
        ignore_auth_strikes,
        delivery,
        send_buffer,
        when_full,
        max_control_line,
        requests_survive,
        lame_duck,
        drain_timeout,
        close_timeout,
        limits,
    } = config;
    let servers: alloc::vec::Vec<_> = servers.iter().map(redactor::url).collect();
    to.urls(&servers);
    to.option(name.as_deref(), Writer::text);
    to.text(lang);
    to.text(version);
    for flag in [verbose, pedantic, echo] {
        to.flag(*flag);
    }
    to.text(inbox_prefix.as_str());
    to.duration(*connect_timeout);
    to.duration(*ping_interval);
    to.number(u64::from(*max_pings_out));
    to.flag(*reconnect);
    to.option(*max_reconnects, |to, max| to.number(u64::from(max)));
    for flag in [retry_initial, randomize, ignore_discovered, custom_selection] {
        to.flag(*flag);
    }
    to.duration(backoff.base);
    to.duration(backoff.max);
    to.option(backoff.jitter, Writer::duration);
    to.duration(*min_stable);
    for flag in [tls_required, tls_first, ask_credentials] {
        to.flag(*flag);
    }
    to.byte(match cleartext_credentials {
        CleartextPolicy::Warn => 0,
        CleartextPolicy::Allow => 1,
        CleartextPolicy::Refuse => 2,
    });
    to.duration(*auth_strike_gap);
    to.flag(*ignore_auth_strikes);
    to.flag(*delivery == Delivery::AtLeastOnce);
    to.size(*send_buffer);
    to.byte(match when_full {
        WhenFull::Error => 0,
        WhenFull::DropOldest => 1,
        WhenFull::Off => 2,
    });
    to.size(*max_control_line);
    to.flag(*requests_survive);
    match lame_duck {
        LameDuckPolicy::Notify => to.flag(false),
        LameDuckPolicy::Move { within } => to.option(Some(*within), Writer::duration),
    }
    to.duration(*drain_timeout);
    to.duration(*close_timeout);
    for limit in [limits.line, limits.info, limits.payload] {
        to.size(limit);
    }
}

pub(crate) fn read(from: &mut Reader) -> Result<Config, RecordingError> {
    let mut config = Config::new(from.urls()?);
    config.name = from.option(Reader::text)?;
    config.lang = from.text()?;
    config.version = from.text()?;
    config.verbose = from.flag()?;
    config.pedantic = from.flag()?;
    config.echo = from.flag()?;
    config.inbox_prefix = from.parsed("a subject", |text| Subject::new(&text))?;
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
    config.delivery = if from.flag()? {
        Delivery::AtLeastOnce
    } else {
        Delivery::AtMostOnce
    };
    config.send_buffer = from.size()?;
    config.when_full = match from.byte()? {
        0 => WhenFull::Error,
        1 => WhenFull::DropOldest,
        2 => WhenFull::Off,
        _ => return from.invalid("a policy"),
    };
    config.max_control_line = from.size()?;
    config.requests_survive = from.flag()?;
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
    Ok(config)
}
