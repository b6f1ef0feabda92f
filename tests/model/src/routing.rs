//! Which subscriptions a subject reaches.

/// Whether this filter takes this subject: `*` for one token, `>` for one or more at the end.
pub fn matches(filter: &str, subject: &str) -> bool {
    let mut subject = subject.split('.');
    for token in filter.split('.') {
        match (token, subject.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (token, Some(other)) if token == other => {}
            _ => return false,
        }
    }
    subject.next().is_none()
}

/// Whether a server takes a SUB with it: no empty token, no blank, `>` at the end only.
pub(super) fn is_filter(filter: &str) -> bool {
    let mut tokens = filter.split('.').peekable();
    while let Some(token) = tokens.next() {
        let blank = token.chars().any(|c| c.is_whitespace() || c.is_control());
        if token.is_empty() || blank || (token == ">" && tokens.peek().is_some()) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_whole_tokens() {
        for (filter, subject, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a", false),
            ("a", "a.b", false),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("a.*", "a.b.c", false),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            (">", "a", true),
            ("*.b", "a.b", true),
            ("a*", "ab", false),
        ] {
            assert_eq!(matches(filter, subject), expected, "{filter} {subject}");
        }
    }

    #[test]
    fn filters_have_no_empty_tokens_and_no_blanks() {
        for good in ["a", "a.*.b", ">", "a.>", "ä.b", "a>b"] {
            assert!(is_filter(good), "{good}");
        }
        for bad in ["", ".a", "a.", "a..b", "a b", "a.>.b", "a\t"] {
            assert!(!is_filter(bad), "{bad}");
        }
    }
}
