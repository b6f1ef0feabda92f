//! Which modules of a crate use which, read from its sources: so that a test can say that there are no cycles.
//!
//! A module is a file. What is compiled for tests alone does not count, nor do comments and texts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

mod text;

/// The name of the root of a crate.
pub const ROOT: &str = "lib";

/// Which modules use which: `driver::dial` for `driver/dial.rs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses(pub BTreeMap<String, BTreeSet<String>>);

impl Uses {
    /// Reads all sources of a crate, where `folder` has its `lib.rs`.
    ///
    /// # Panics
    /// The folder cannot be read.
    pub fn read(folder: &Path) -> Self {
        let sources = sources(folder).into_iter().map(|file| {
            let source = fs::read_to_string(&file).expect("a source that is text");
            let inside = file.strip_prefix(folder).expect("a file in the folder");
            (module_of(inside), source)
        });
        Self::of(sources.collect())
    }

    /// The same from sources by the names of their modules.
    pub fn of(sources: BTreeMap<String, String>) -> Self {
        let mut code: BTreeMap<String, String> = BTreeMap::new();
        let mut only_tests = BTreeSet::new();
        for (module, source) in sources {
            let (plain, tests) = text::without_tests(&text::code_only(&source));
            only_tests.extend(tests.into_iter().map(|child| child_of(&module, &child)));
            code.insert(module, text::without_inner_modules(&plain));
        }
        let is_test = |module: &String| {
            let below = |test: &String| module == test || module.starts_with(&format!("{test}::"));
            only_tests.iter().any(below)
        };
        code.retain(|module, _| !is_test(module));
        let known: BTreeSet<String> = code.keys().cloned().collect();
        let uses = code.iter().map(|(module, code)| {
            let paths = text::paths(code);
            let used = paths.iter().filter_map(|path| resolve(path, module, &known));
            let others = used.filter(|used| used != module).collect();
            (module.clone(), others)
        });
        Self(uses.collect())
    }

    /// The same without these, each a module and one that it uses.
    pub fn without(mut self, allowed: &[(&str, &str)]) -> Self {
        for (module, used) in allowed {
            self.0.get_mut(*module).into_iter().for_each(|uses| {
                uses.remove(*used);
            });
        }
        self
    }

    /// The cycles of modules that use each other: among files, and among folders.
    pub fn cycles(&self) -> BTreeSet<Vec<String>> {
        let depth = self.0.keys().map(|module| module.split("::").count()).max();
        (1..=depth.unwrap_or(1))
            .flat_map(|depth| self.merged(depth).circles())
            .collect()
    }

    /// Folders at this depth count as one module.
    fn merged(&self, depth: usize) -> Self {
        let cut = |module: &String| module.split("::").take(depth).collect::<Vec<_>>().join("::");
        let mut merged = Self::default();
        for (module, used) in &self.0 {
            let name = cut(module);
            let all = merged.0.entry(name.clone()).or_default();
            all.extend(used.iter().map(cut).filter(|used| *used != name));
        }
        merged
    }

    fn circles(&self) -> BTreeSet<Vec<String>> {
        let reached: BTreeMap<&String, BTreeSet<&String>> = self
            .0
            .keys()
            .map(|module| (module, self.reached_from(module)))
            .collect();
        let together = |a: &String, b: &String| reached[a].contains(b) && reached[b].contains(a);
        self.0
            .keys()
            .filter(|module| reached[module].contains(module))
            .map(|module| {
                self.0
                    .keys()
                    .filter(|other| together(module, other))
                    .cloned()
                    .collect()
            })
            .collect()
    }

    fn reached_from(&self, module: &String) -> BTreeSet<&String> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&String> = self.0[module].iter().collect();
        while let Some(module) = next.pop() {
            if reached.insert(module) {
                next.extend(self.0.get(module).into_iter().flatten());
            }
        }
        reached
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn module_of(file: &Path) -> String {
    let names = file.with_extension("");
    let names: Vec<_> = names.iter().map(|name| name.to_string_lossy()).collect();
    let names = names.strip_suffix(&["mod".into()]).unwrap_or(&names);
    names.join("::")
}

fn child_of(module: &str, child: &str) -> String {
    if module == ROOT {
        child.to_owned()
    } else {
        format!("{module}::{child}")
    }
}

/// The module that a path of another leads into: the longest beginning that is one.
fn resolve(path: &[String], module: &str, known: &BTreeSet<String>) -> Option<String> {
    let parents: Vec<&str> = if module == ROOT {
        Vec::new()
    } else {
        module.split("::").collect()
    };
    let mut full: Vec<&str> = match path.first()?.as_str() {
        "crate" => Vec::new(),
        "self" => parents.clone(),
        "super" => parents[..parents.len().saturating_sub(1)].to_vec(),
        // Only of a child is it sure that this is a module.
        first if known.contains(&child_of(module, first)) => {
            let mut full = parents.clone();
            full.push(first);
            full
        }
        _ => return None,
    };
    full.extend(path[1..].iter().map(String::as_str));
    loop {
        let name = if full.is_empty() {
            ROOT.to_owned()
        } else {
            full.join("::")
        };
        if known.contains(&name) {
            return Some(name);
        }
        full.pop()?;
    }
}
