//! The design page matches the code: what it says of modules, stories, owners and functions is compared with the
//! sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What an owner may name of another owner's module: plain data that it is made from.
const KNOWN_NAMES: [(&str, &str); 1] = [("link", "dialer::Dial")];
/// The half that only reads; every story may use it.
const LOOKING: &str = "view";

// design: 4
#[test]
fn every_module_is_in_the_picture_and_uses_only_modules_below_it() {
    let picture = listed("# 4 Module dependencies");
    let uses = uses(&modules());
    let in_picture: BTreeSet<&String> = picture.iter().collect();
    assert_eq!(
        in_picture,
        uses.keys().collect(),
        "modules in the picture and in lib.rs"
    );
    assert_eq!(upward(&picture, &uses), BTreeSet::new(), "uses that point up");
}

// design: 5
#[test]
fn a_story_calls_only_stories_below_it() {
    let stories = listed("# 5 The stories of the conductor");
    let (calls, _) = calls(&machine());
    let known: BTreeSet<String> = calls.keys().cloned().collect();
    assert_eq!(stories.iter().cloned().collect::<BTreeSet<_>>(), known);
    let order = stories
        .iter()
        .enumerate()
        .map(|(place, story)| (story.as_str(), place));
    let order: BTreeMap<&str, usize> = order.collect();
    let mut up = BTreeSet::new();
    for (story, called) in &calls {
        for (other, method) in called {
            if order[other.as_str()] < order[story.as_str()] {
                up.insert((story.as_str(), method.as_str()));
            }
        }
    }
    assert_eq!(up, BTreeSet::new(), "calls that point up");
}

// design: 5
#[test]
fn the_list_of_stories_on_the_page_is_that_of_the_source() {
    let source = read(&sources().join("machine.rs"));
    let head = source.split("\n\n").next().expect("a module comment");
    let head = head.replace("//!", "");
    let (_, list) = head.rsplit_once(':').expect("a colon before the list of stories");
    let mut names: Vec<String> = quoted(list).map(str::to_owned).collect();
    names.push("machine".to_owned());
    assert_eq!(names, listed("# 5 The stories of the conductor"));
}

// design: 7.1
#[test]
fn the_face_and_the_conductor_are_implemented_in_their_own_files_and_owners_keep_their_fields_private() {
    let inside = |module: &str, owner: &str| module == owner || module.starts_with(&format!("{owner}/"));
    let mut found = 0;
    for (module, code) in files() {
        for (type_, place) in [("Connection", "connection"), ("Machine", "machine")] {
            if !blocks(&code, &format!("impl {type_} ")).is_empty() {
                assert!(inside(&module, place), "{module} has an `impl {type_}`");
                found += 1;
            }
        }
        for owner in ["connection", "machine"].into_iter().chain(OWNERS) {
            let name = owner[..1].to_uppercase() + &owner[1..];
            for body in blocks(&code, &format!("struct {name} ")) {
                let open = body.lines().find(|line| line.trim_start().starts_with("pub"));
                assert_eq!(open, None, "{module}: struct {name}");
                found += 1;
            }
        }
    }
    assert!(found > OWNERS.len(), "the parser has found {found} places only");
}

// design: 7.2
#[test]
fn owners_do_not_know_each_other() {
    let mut known = BTreeSet::new();
    for (module, code) in modules() {
        let Some(owner) = OWNERS.iter().find(|owner| **owner == module) else {
            continue;
        };
        for path in paths(&code) {
            let module = path.split("::").next().unwrap_or_default();
            if module != *owner && OWNERS.contains(&module) {
                known.insert((*owner, path));
            }
        }
    }
    let expected = KNOWN_NAMES.map(|(owner, path)| (owner, path.to_owned()));
    assert_eq!(known, BTreeSet::from(expected));
}

// design: 3.2
#[test]
fn the_looking_half_changes_nothing() {
    let view = &machine()[LOOKING];
    assert!(view.contains("struct View"), "{LOOKING}.rs has the view");
    assert!(!view.contains("&mut"), "{LOOKING}.rs borrows something mutably");
}

// design: 8, 9
#[test]
fn every_function_that_the_page_names_is_where_it_says() {
    let page = page();
    let named: BTreeSet<(&str, &str)> = quoted(&page)
        .filter_map(|text| text.split_once(".rs::"))
        .filter(|(file, _)| *file != "file")
        .collect();
    assert!(named.len() > 40, "{named:?}");
    let files = files();
    let missing: Vec<_> = named
        .into_iter()
        .filter(|(file, function)| {
            let head = format!("fn {function}");
            let has = |code: &String| words_after(code, &head).any(|rest| rest.starts_with(['(', '<']));
            !files.get(*file).is_some_and(has)
        })
        .collect();
    assert_eq!(missing, []);
}

// design: 9.2
#[test]
fn the_timers_of_the_page_are_those_of_the_machine() {
    let timers = &machine()["timers"];
    let body = blocks(timers, "enum Timer ").concat();
    let variants: Vec<&str> = body
        .lines()
        .filter_map(|line| line.trim().strip_suffix(','))
        .collect();
    let page = page();
    let table = section(&page, "**9.2**");
    let rows: Vec<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    assert_eq!(rows, variants);
}

/// What the other tests rely on.
#[test]
fn uses_and_calls_are_found_in_every_form() {
    let code = |text: &str| without_tests(&plain(text));
    for text in [
        "use crate::a::X;",
        "use crate::{b, a::{X, Y}};",
        "use crate::{\n    a,\n};",
        "fn f() -> crate::a::X {}",
        "pub(crate) use crate::a::*;",
    ] {
        let found = paths(&code(text));
        assert!(
            found.iter().any(|path| path.split("::").next() == Some("a")),
            "{text}: {found:?}"
        );
    }
    for text in [
        "// crate::a::X",
        "/// [`X`](crate::a::X)",
        "const T: &str = \"crate::a\";",
        "#[cfg(test)]\nmod tests {\n    use crate::a::X;\n    fn f() { '}'; }\n}\n",
    ] {
        assert_eq!(paths(&code(text)), Vec::<String>::new(), "{text}");
    }
    let after = "#[cfg(test)]\nmod tests {\n    fn f() {}\n}\nuse crate::a::X;";
    assert_eq!(paths(&code(after)), ["a::X"]);

    let stories = [
        ("one", "impl Machine {\n    fn f(&mut self) {}\n}\n"),
        (
            "two",
            "impl Machine {\n    fn g(&mut self) {\n        self\n            .f();\n        Self::f(self);\n    }\n}\n",
        ),
    ];
    let stories = stories.map(|(name, text)| (name.to_owned(), code(text)));
    let (calls, twice) = calls(&BTreeMap::from(stories));
    assert_eq!(twice, BTreeSet::new());
    assert_eq!(calls["two"], BTreeSet::from([("one".to_owned(), "f".to_owned())]));

    let picture = ["a", "b", "c"].map(str::to_owned);
    let uses =
        |module: &str, used: &str| BTreeMap::from([(module.to_owned(), BTreeSet::from([used.to_owned()]))]);
    assert_eq!(upward(&picture, &uses("a", "c")), BTreeSet::new());
    assert_eq!(
        upward(&picture, &uses("c", "a")),
        BTreeSet::from(["c uses a".to_owned()])
    );
}

const OWNERS: [&str; 6] = ["link", "dialer", "outbound", "interest", "life", "output"];

/// Uses of a module that stands higher in the picture.
fn upward(picture: &[String], uses: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let place = |module: &String| picture.iter().position(|known| known == module);
    let pairs = uses
        .iter()
        .flat_map(|(module, used)| used.iter().map(move |used| (module, used)));
    pairs
        .filter(|(module, used)| place(used) <= place(module))
        .map(|(module, used)| format!("{module} uses {used}"))
        .collect()
}

/// Which modules each module uses.
fn uses(modules: &BTreeMap<String, String>) -> BTreeMap<String, BTreeSet<String>> {
    let of_root = exported();
    let uses = modules.iter().map(|(module, code)| {
        let used = paths(code).into_iter().map(|path| {
            let first = path.split("::").next().unwrap_or_default();
            let exporter = of_root.get(first).map(String::as_str);
            exporter.unwrap_or(first).to_owned()
        });
        let others = used.filter(|used| used != module).collect::<BTreeSet<_>>();
        for used in &others {
            assert!(
                modules.contains_key(used),
                "{module} uses crate::{used}: no module"
            );
        }
        (module.clone(), others)
    });
    uses.collect()
}

/// Names that the root exports, and the module that each comes from.
fn exported() -> BTreeMap<String, String> {
    let code = plain(&read(&sources().join("lib.rs")));
    let mut names = BTreeMap::new();
    for statement in words_after(&code, "pub use ") {
        let statement = statement.split(';').next().unwrap_or_default();
        for path in expanded(statement) {
            if let Some((module, name)) = path.split_once("::") {
                names.insert(name.to_owned(), module.to_owned());
            }
        }
    }
    names
}

/// The methods of other stories that each story calls, and methods that two of them define.
type Calls = BTreeMap<String, BTreeSet<(String, String)>>;

fn calls(stories: &BTreeMap<String, String>) -> (Calls, BTreeSet<String>) {
    let stories: BTreeMap<_, _> = stories.iter().filter(|(name, _)| *name != LOOKING).collect();
    let (mut defined, mut twice) = (BTreeMap::new(), BTreeSet::new());
    for (name, code) in &stories {
        for body in blocks(code, "impl Machine ") {
            for rest in words_after(&body, "fn ") {
                if let Some(other) = defined.insert(word(rest).to_owned(), (*name).clone()) {
                    twice.insert(other);
                }
            }
        }
    }
    let calls = stories.iter().map(|(name, code)| {
        // A chain of calls may be broken over lines.
        let code: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
        let code = code.replace("self .", "self.");
        let called = ["self.", "Self::", "Machine::"].into_iter();
        let called = called.flat_map(|before| words_after(&code, before).map(word).collect::<Vec<_>>());
        let others = called.filter_map(|method| Some((defined.get(method)?.clone(), method.to_owned())));
        (
            (*name).clone(),
            others.filter(|(other, _)| other != *name).collect(),
        )
    });
    (calls.collect(), twice)
}

/// The first words of the lines of the first block in this section.
fn listed(heading: &str) -> Vec<String> {
    let page = page();
    let section = section(&page, heading);
    let block = section.split("```").nth(1).expect("a block in the section");
    let lines = block.lines().skip(1).filter(|line| !line.trim().is_empty());
    lines.map(|line| word(line).to_owned()).collect()
}

/// From here to the next heading.
fn section<'a>(page: &'a str, from: &str) -> &'a str {
    let (_, rest) = page.split_once(from).expect("a section with this heading");
    rest.split("\n# ").next().unwrap_or(rest)
}

fn page() -> String {
    read(&sources().join("../docs/design.md"))
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../nats-conn-sm/src")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The code of each file without comments, texts and tests, by its path without `.rs`.
fn files() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut folders = vec![sources()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(sources()).expect("a file in the folder");
            let name = name.to_str().expect("a name in ASCII").replace('\\', "/");
            if let Some(name) = name.strip_suffix(".rs") {
                files.insert(name.to_owned(), without_tests(&plain(&read(&path))));
            }
        }
    }
    assert!(files.len() > 40, "the sources are read: {:?}", files.keys());
    files
}

/// The code of each module of the crate, with that of its folder. `super` that leads out of it is `crate`.
fn modules() -> BTreeMap<String, String> {
    let mut modules: BTreeMap<String, String> = BTreeMap::new();
    for (name, code) in files() {
        let depth = name.split('/').count();
        let module = name.split('/').next().expect("a first name").to_owned();
        if module != "lib" {
            let code = code.replace(&"super::".repeat(depth), "crate::");
            modules.entry(module).or_default().push_str(&code);
        }
    }
    modules
}

/// The files of the conductor by the name of their story.
fn machine() -> BTreeMap<String, String> {
    let stories = files().into_iter().filter_map(|(name, code)| {
        let story = name
            .strip_prefix("machine/")
            .or((name == "machine").then_some("machine"))?;
        Some((story.to_owned(), code))
    });
    stories.collect()
}

/// Paths that begin at the root of the crate, without that; those of groups one by one.
fn paths(code: &str) -> Vec<String> {
    words_after(code, "crate::").flat_map(expanded).collect()
}

/// `a::{b, c::{d, e}}` one by one.
fn expanded(text: &str) -> Vec<String> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    let (before, rest) = text.split_at(end.unwrap_or(text.len()));
    let before = before.trim_end_matches(':');
    if !rest.starts_with('{') || (!before.is_empty() && !text[before.len()..].starts_with("::{")) {
        return vec![before.to_owned()];
    }
    let inside = &rest[1..block(rest).saturating_sub(1)];
    let (mut paths, mut depth, mut start) = (Vec::new(), 0, 0);
    let ends = inside.char_indices().chain([(inside.len(), ',')]);
    for (place, c) in ends {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = inside[start..place].trim();
                start = (place + 1).min(inside.len());
                paths.extend((!part.is_empty()).then(|| expanded(part)).into_iter().flatten());
            }
            _ => {}
        }
    }
    let join = |path: String| {
        if before.is_empty() {
            path
        } else {
            format!("{before}::{path}")
        }
    };
    paths.into_iter().map(join).collect()
}

/// The bodies of the blocks whose head begins with this.
fn blocks(code: &str, head: &str) -> Vec<String> {
    words_after(code, head)
        .filter_map(|rest| {
            let open = rest.find(['{', ';', '('])?;
            rest[open..].starts_with('{').then(|| {
                let body = &rest[open..];
                body[1..block(body).saturating_sub(1).max(1)].to_owned()
            })
        })
        .collect()
}

/// How long the block in braces is that begins here, or the text up to a semicolon.
fn block(code: &str) -> usize {
    let mut depth = 0;
    for (place, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(c, '}' | ';') {
            return place + 1;
        }
    }
    code.len()
}

/// What follows each place where this begins a word.
fn words_after<'a>(code: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    code.match_indices(mark).filter_map(move |(place, _)| {
        let before = code[..place].chars().next_back();
        let is_inside = before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '.');
        (!is_inside).then(|| &code[place + mark.len()..])
    })
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// What stands in single backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The source with a blank for each comment and each text.
fn plain(source: &str) -> String {
    let (mut code, mut rest) = (String::new(), source);
    while let Some(c) = rest.chars().next() {
        let length = skipped(rest);
        code.push(if length.is_some() { ' ' } else { c });
        rest = &rest[length.unwrap_or(c.len_utf8())..];
    }
    code
}

/// How long the comment or literal is that begins here, if one does. Raw texts are not written in this crate.
fn skipped(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with('"') {
        return Some(literal(rest, '"'));
    }
    let inside = rest.strip_prefix('\'')?;
    let first = inside.chars().next()?;
    // A lifetime has no second quote.
    let closes = inside[first.len_utf8()..].starts_with('\'');
    (first == '\\' || closes).then(|| literal(rest, '\''))
}

fn literal(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (place, c) in rest.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return place + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The code without what is compiled for tests alone.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let (mut plain, mut rest) = (String::new(), code);
    while let Some((before, item)) = rest.split_once(MARK) {
        plain.push_str(before);
        let open = item.find(['{', ';']).unwrap_or(item.len());
        rest = &item[open + block(&item[open..])..];
    }
    plain.push_str(rest);
    plain
}
