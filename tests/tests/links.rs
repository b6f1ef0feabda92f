//! The links of the pages lead somewhere, in a repository's web pages as in `cargo doc`.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All pages, but not what was built.
fn pages() -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                if name != "target" && name != "node_modules" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(".md") {
                found.push(path);
            }
        }
    }
    found
}

/// The page without its blocks of code.
fn prose(page: &str) -> String {
    let mut fenced = false;
    let mut lines = page.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    let mut prose = String::new();
    lines.by_ref().for_each(|line| {
        prose.push_str(line);
        prose.push('\n');
    });
    prose
}

/// Where the links in the text of a page lead.
fn inline(page: &str) -> Vec<&str> {
    let ends = page.split("](").skip(1);
    ends.filter_map(|rest| rest.split(')').next()).collect()
}

/// The links that a page defines at its end: names and places.
fn defined(page: &str) -> Vec<(&str, &str)> {
    let definitions = page.lines().filter_map(|line| line.strip_prefix('['));
    definitions.filter_map(|line| line.split_once("]: ")).collect()
}

/// Whether there is the file, and in it the heading, if one is named.
fn leads_somewhere(page: &Path, place: &str) -> bool {
    if place.starts_with("https://") || place.starts_with("http://") {
        return true;
    }
    let (file, heading) = place.split_once('#').unwrap_or((place, ""));
    let target = if file.is_empty() {
        page.to_owned()
    } else {
        page.with_file_name(file)
    };
    let anchor = |line: &str| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().replace(' ', "-")
    };
    match fs::read_to_string(&target) {
        Ok(text) => {
            heading.is_empty()
                || text
                    .lines()
                    .any(|line| line.starts_with('#') && anchor(line) == heading)
        }
        Err(_) => heading.is_empty() && target.exists(),
    }
}

#[test]
fn every_link_of_every_page_leads_somewhere() {
    let (mut dead, mut count) = (Vec::new(), 0);
    for page in pages() {
        let text = prose(&fs::read_to_string(&page).expect("a page"));
        let places = defined(&text).into_iter().map(|(_, place)| place);
        for place in inline(&text).into_iter().chain(places) {
            count += 1;
            if !leads_somewhere(&page, place) {
                dead.push(format!("{}: {place}", page.display()));
            }
        }
    }
    assert!(count > 50, "{count} links are read");
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn in_cargo_doc_an_item_stands_before_the_file_that_a_page_links_to() {
    let mut count = 0;
    for folder in ["adapters/client", "nats-conn-sm"] {
        let source = fs::read_to_string(root().join(folder).join("src/lib.rs")).expect("a source");
        for page in pages() {
            if page.parent() != Some(&root().join(folder).join("docs")) {
                continue;
            }
            let name = page.file_name().unwrap_or_default().to_string_lossy();
            let include = format!("include_str!(\"../docs/{name}\")");
            let text = prose(&fs::read_to_string(&page).expect("a page"));
            let Some((before, _)) = source.split_once(&include) else {
                continue; // Nobody sees it in `cargo doc`.
            };
            let module = before.rsplit("pub mod ").next().unwrap_or_default();
            for (label, _) in defined(&text) {
                count += 1;
                assert!(
                    module.contains(&format!("/// [{label}]: crate::")),
                    "{name}: {label}"
                );
                let used = text.matches(&format!("[{label}]")).count();
                assert!(used > 1, "{name}: {label} is defined and not used");
            }
        }
    }
    assert!(count > 30, "{count} links are read");
}

#[test]
fn a_dead_link_is_found() {
    let page = root().join("README.md");
    assert!(leads_somewhere(&page, "SECURITY.md#reporting") && leads_somewhere(&page, "tests"));
    assert!(!leads_somewhere(&page, "SECURITY.md#nothing") && !leads_somewhere(&page, "crate::Client"));
    let text = prose("a [b](c.md)\n```\n[d](e)\n```\n[f]\n\n[f]: g.md\n");
    assert_eq!(inline(&text), ["c.md"]);
    assert_eq!(defined(&text), [("f", "g.md")]);
}
