//! The handles of `nats-conn-std` have the names that those of the asynchronous adapters have: what is awaited there has
//! `wait` here, and nothing else differs but what stands in [`DIFFERENCES`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The names of the methods of each type.
type Methods = BTreeMap<String, BTreeSet<String>>;

/// Methods that only one side has, and why.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    ("Client", "shared", "for adapters: what std's client is made of"),
    ("Client", "inner", "std's client holds one for executors"),
    ("Client", "into_inner", "std's client holds one for executors"),
    ("Events", "into_inner", "the stream for executors"),
    ("Events", "next", "std: that of Iterator"),
    (
        "Events",
        "next_timeout",
        "elsewhere a stream of events does not keep the connection whose driver has the time",
    ),
    ("Events", "poll_event", "for executors"),
    ("Replies", "into_inner", "the stream for executors"),
    ("Replies", "next", "std: that of Iterator"),
    ("Replies", "poll_reply", "for executors"),
    ("Subscription", "into_inner", "the stream for executors"),
    ("Subscription", "iter", "a loop over a subscription that is kept"),
    ("Subscription", "next", "std: that of Iterator"),
    ("Subscription", "poll_message", "for executors"),
];
/// How std waits for what is awaited elsewhere.
const WAITS: [&str; 2] = ["wait", "wait_timeout"];

#[test]
fn what_is_awaited_has_wait_without_a_runtime_and_the_same_names_otherwise() {
    let awaited = methods("adapters/client/src/handles");
    let waiting = methods("adapters/std/src");
    let both: Vec<&String> = awaited
        .keys()
        .filter(|name| waiting.contains_key(*name))
        .collect();
    assert!(both.len() >= 10, "too few types were found: {both:?}");
    let mut unused: BTreeSet<(&str, &str)> = DIFFERENCES
        .iter()
        .map(|(kind, method, _)| (*kind, *method))
        .collect();
    let mut wrong = Vec::new();
    for kind in both {
        for method in awaited[kind].symmetric_difference(&waiting[kind]) {
            let is_known = unused.remove(&(kind.as_str(), method.as_str()));
            let is_wait = WAITS.contains(&method.as_str()) && waiting[kind].contains(method);
            if !is_known && !is_wait {
                wrong.push(format!("{kind}::{method}"));
            }
        }
    }
    assert!(wrong.is_empty(), "only one side has {wrong:?}");
    assert!(
        unused.is_empty(),
        "both sides have them now, or neither: {unused:?}"
    );
}

/// The public methods in the inherent `impl` blocks of the sources in a folder.
fn methods(folder: &str) -> Methods {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let mut methods = Methods::new();
    for path in sources(&folder) {
        let text = fs::read_to_string(&path).expect("a source");
        let mut kind = None;
        for line in text.lines().take_while(|line| *line != "mod tests {") {
            if let Some(head) = line.strip_prefix("impl") {
                kind = (!head.contains(" for ")).then(|| type_name(head)).flatten();
            } else if line == "}" {
                kind = None;
            } else if let (Some(kind), Some(method)) = (&kind, method_name(line)) {
                methods.entry(kind.clone()).or_default().insert(method);
            }
        }
    }
    methods
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| path.extension().is_some_and(|is| is == "rs"))
        .collect()
}

/// The type of `impl<'a> Type<'a> {`, without the `impl`.
fn type_name(head: &str) -> Option<String> {
    let head = match head.strip_prefix('<') {
        Some(generic) => generic.split_once("> ")?.1,
        None => head.strip_prefix(' ')?,
    };
    let end = head.find(|character: char| !character.is_alphanumeric())?;
    Some(head[..end].to_owned())
}

/// The method of `    pub async fn method(`.
fn method_name(line: &str) -> Option<String> {
    let declared = line.strip_prefix("    pub ")?;
    let name = ["async fn ", "const fn ", "fn "]
        .iter()
        .find_map(|keyword| declared.strip_prefix(keyword))?;
    let end = name.find(['(', '<'])?;
    Some(name[..end].to_owned())
}
