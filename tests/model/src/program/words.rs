//! The words of flags, faults and commands.

use std::time::Duration;

use serde_json::Value;

/// `250ms`, `5s`, `2m`, `1h`; `0` alone is zero.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(format!("{text:?} is no duration: write 250ms, 5s, 2m or 1h")),
    };
    let count: u64 = number(digits)?;
    let millis = count
        .checked_mul(millis)
        .filter(|millis| *millis < u64::MAX / 1_000_000);
    millis
        .map(Duration::from_millis)
        .ok_or_else(|| format!("{text:?} is too long"))
}

/// Nanoseconds, as the model counts. A duration that was [read](duration) has so few.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A number that fits.
pub(super) fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is no number that fits"))
}

/// `field=JSON`; what is no JSON is a text.
pub(super) fn field(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| format!("{text:?} is no field: write NAME=JSON"))?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((name.to_owned(), value))
}

/// The parts between commas, none of them within single quotes or brackets.
pub(super) fn list(text: &str) -> Result<Vec<&str>, String> {
    let mut parts = Vec::new();
    let (mut start, mut quoted, mut depth) = (0, false, 0_usize);
    for (index, c) in text.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                parts.push(text[start..index].trim());
                start = index + 1;
            }
            _ => {}
        }
    }
    if quoted {
        return Err(format!("a quote is not closed in {text:?}"));
    }
    parts.push(text[start..].trim());
    Ok(parts)
}

/// What stands in single quotes, if it does.
pub(super) fn unquoted(text: &str) -> Option<&str> {
    text.strip_prefix('\'')?.strip_suffix('\'')
}

/// Bytes: `\r`, `\n`, `\t`, `\\` and `\xHH` stand for one.
pub(super) fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let wrong = || format!("an escape in {text:?} is none of \\r \\n \\t \\\\ \\xHH");
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        bytes.push(match rest.next() {
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('t') => b'\t',
            Some('\\') => b'\\',
            Some('x') => {
                let digits: String = rest.by_ref().take(2).collect();
                u8::from_str_radix(&digits, 16).map_err(|_| wrong())?
            }
            _ => return Err(wrong()),
        });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        for wrong in ["5", "s", "", "-1s", "1.5s", "99999999999999h", "5 s", "9ö"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn commas_within_quotes_and_brackets_do_not_part() {
        assert_eq!(
            list("a, err='b, c',info=urls=[\"x\",\"y\"], d").unwrap(),
            ["a", "err='b, c'", "info=urls=[\"x\",\"y\"]", "d"]
        );
        assert!(list("'").is_err());
    }

    #[test]
    fn escapes_stand_for_bytes() {
        assert_eq!(bytes(r"a\r\n\x00\xff\\").unwrap(), b"a\r\n\x00\xff\\");
        for wrong in [r"\", r"\q", r"\x", r"\xg0"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
