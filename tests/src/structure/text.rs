//! As much of the grammar of Rust as is needed to find the paths in a source.

/// The source with blanks for comments and texts.
pub(super) fn code_only(source: &str) -> String {
    let mut code = String::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let skipped = comment(rest).or_else(|| literal(rest, code.chars().next_back()));
        let (taken, blank) = match skipped {
            Some(length) => (length, true),
            None => (first.len_utf8(), false),
        };
        if blank {
            code.push(' ');
        } else {
            code.push(first);
        }
        rest = &rest[taken..];
    }
    code
}

fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    let inside = rest.strip_prefix("/*")?;
    Some(inside.find("*/").map_or(rest.len(), |end| end + 4))
}

fn literal(rest: &str, before: Option<char>) -> Option<usize> {
    let in_word = before.is_some_and(|before| before.is_alphanumeric() || before == '_');
    if rest.starts_with('r') && !in_word {
        let hashes = rest[1..].bytes().take_while(|byte| *byte == b'#').count();
        let start = 1 + hashes;
        if rest[start..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let inside = &rest[start + 1..];
            return Some(
                inside
                    .find(&end)
                    .map_or(rest.len(), |found| start + 1 + found + end.len()),
            );
        }
    }
    if rest.starts_with('"') {
        return Some(quoted(rest, '"'));
    }
    // A lifetime has no second quote.
    let inside = rest.strip_prefix('\'')?;
    let second = inside.chars().next()?;
    let closes = inside[second.len_utf8()..].starts_with('\'');
    (second == '\\' || closes).then(|| quoted(rest, '\''))
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (place, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return place + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The code without modules for tests, and the names of those that are files of their own.
pub(super) fn without_tests(code: &str) -> (String, Vec<String>) {
    const MARK: &str = "#[cfg(test)]";
    let (mut plain, mut files) = (String::new(), Vec::new());
    let mut rest = code;
    while let Some(place) = rest.find(MARK) {
        plain.push_str(&rest[..place]);
        let item = &rest[place + MARK.len()..];
        let end = item.find([';', '{']).unwrap_or(item.len());
        let head: Vec<&str> = item[..end].split_whitespace().collect();
        if let [.., "mod", name] = head[..]
            && item[end..].starts_with(';')
        {
            files.push(name.to_owned());
        }
        let block = block(&item[end..]);
        rest = &item[end + block..];
    }
    plain.push_str(rest);
    (plain, files)
}

/// The same where `super` of a module within the file is the file.
pub(super) fn without_inner_modules(code: &str) -> String {
    const MARK: &str = "\nmod ";
    let (mut plain, mut rest) = (String::new(), code);
    while let Some(place) = rest.find(MARK) {
        let item = &rest[place..];
        let end = item.find([';', '{']).unwrap_or(item.len());
        let length = end + block(&item[end..]);
        plain.push_str(&rest[..place]);
        plain.push_str(&item[..length].replace("super::", "self::"));
        rest = &item[length..];
    }
    plain.push_str(rest);
    plain
}

/// How long the block is that begins here, or the semicolon.
fn block(code: &str) -> usize {
    let mut depth = 0;
    for (place, character) in code.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return place + 1;
        }
    }
    code.len()
}

/// All paths of at least two names, those of groups one by one.
pub(super) fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = code;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let starts = (first.is_alphabetic() || first == '_') && !before.is_alphanumeric() && before != '_';
        if starts && before != ':' {
            let length = path(rest, &[], &mut found);
            before = rest[..length].chars().next_back().unwrap_or(' ');
            rest = &rest[length..];
        } else {
            before = first;
            rest = &rest[first.len_utf8()..];
        }
    }
    found
}

/// Reads a path that continues after `parents`, and returns how long it is.
fn path(code: &str, parents: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut names = parents.to_vec();
    let mut place = 0;
    loop {
        let word = word(&code[place..]);
        names.push(code[place..place + word].to_owned());
        place += word;
        let Some(next) = code[place..].strip_prefix("::") else {
            break;
        };
        place += 2;
        if next.starts_with('{') {
            place += group(&code[place..], &names, found);
            return place;
        }
        if !next.starts_with(|first: char| first.is_alphabetic() || first == '_') {
            break;
        }
    }
    if names.len() > 1 {
        found.push(names);
    }
    place
}

/// Reads a group in braces.
fn group(code: &str, parents: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut place = 1;
    while let Some(next) = code[place..].chars().next() {
        if next == '}' {
            return place + 1;
        }
        place += if next.is_alphabetic() || next == '_' {
            path(&code[place..], parents, found)
        } else {
            next.len_utf8()
        };
    }
    code.len()
}

fn word(code: &str) -> usize {
    code.find(|character: char| !character.is_alphanumeric() && character != '_')
        .unwrap_or(code.len())
}
