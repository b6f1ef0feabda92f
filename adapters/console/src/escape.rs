//! Escapes: how bytes that separate things are written in a command.

/// Replaces `\r`, `\n`, `\t`, `\s` (a blank), `\\` and `\xNN` by what they stand for. `None` for any other escape.
pub(crate) fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            plain.push(*byte);
            continue;
        }
        let (escape, after) = rest.split_first()?;
        rest = after;
        plain.push(match escape {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b's' => b' ',
            b'\\' => b'\\',
            b'x' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                digit(digits[0])? << 4 | digit(digits[1])?
            }
            _ => return None,
        });
    }
    Some(plain)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn escapes_stand_for_bytes() {
        assert_eq!(
            unescape(br"a\sb\r\n\t\\\x00\xfF").unwrap(),
            b"a b\r\n\t\\\x00\xff"
        );
        assert_eq!(unescape("grün".as_bytes()).unwrap(), "grün".as_bytes());
    }

    #[test]
    fn what_is_no_escape_is_refused() {
        for bad in [r"\", r"\q", r"\x", r"\x0", r"\x0g", r"\x+1"] {
            assert_eq!(unescape(bad.as_bytes()), None, "{bad}");
        }
    }
}
