//! The modules of a crate form no cycle.

use std::collections::BTreeMap;
use std::path::Path;

use nats_conn_tests::structure::Uses;

fn uses(crate_: &str) -> Uses {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    Uses::read(&root.join(crate_).join("src"))
}

fn cycles_of(sources: &[(&str, &str)]) -> Vec<Vec<String>> {
    let sources = sources
        .iter()
        .map(|(module, source)| ((*module).into(), (*source).into()));
    let cycles = Uses::of(sources.collect::<BTreeMap<_, _>>()).cycles();
    cycles.into_iter().collect()
}

#[test]
fn no_modules_of_the_wire_or_of_an_adapter_are_in_a_circle() {
    for crate_ in [
        "nats-proto",
        "adapters/client",
        "adapters/console",
        "adapters/std",
        "adapters/tokio",
        "adapters/async-std",
    ] {
        let uses = uses(crate_);
        assert!(
            uses.0.len() > 1 && uses.0["lib"].len() > 1,
            "{crate_} is read: {uses:?}"
        );
        let cycles = uses.cycles();
        assert!(cycles.is_empty(), "{crate_}: {cycles:#?}");
    }
}

#[test]
fn what_is_shared_knows_no_handle_and_handles_know_no_driver() {
    let order = ["error", "core", "options", "handles", "driver", "lib"];
    let place = |module: &str| {
        let folder = module.split("::").next().expect("a name");
        let place = order.iter().position(|known| *known == folder);
        place.unwrap_or_else(|| panic!("{module} belongs to one of {order:?}"))
    };
    for (module, used) in uses("adapters/client").0 {
        for used in used {
            assert!(place(&used) <= place(&module), "{module} uses {used}");
        }
    }
}

#[test]
fn an_adapter_names_what_it_gives_on_and_of_what_drivers_use_only_what_connectors_need() {
    for (adapter, for_connectors) in [
        ("adapters/tokio", "{Target, dial_all}"),
        ("adapters/async-std", "{ByteStream, Target, dial_all}"),
        ("adapters/std", "{Target, blocking}"),
    ] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(adapter);
        let lib = std::fs::read_to_string(root.join("src/lib.rs")).expect("a source");
        let given_on = |line: &&str| line.starts_with("pub use nats_conn_client");
        assert!(
            lib.lines().filter(given_on).all(|line| !line.contains('*')),
            "{adapter}"
        );
        let of_drivers = lib
            .lines()
            .filter(given_on)
            .filter(|line| line.contains("::driver"));
        let expected = format!("pub use nats_conn_client::driver::{for_connectors};");
        assert_eq!(of_drivers.collect::<Vec<_>>(), [expected], "{adapter}");
    }
}

#[test]
fn a_circle_is_found_whatever_form_its_paths_have() {
    let circle = vec![vec!["a".to_owned(), "b".to_owned()]];
    for (a, b) in [
        ("use crate::b::X;", "use crate::a::Y;"),
        ("use super::b::X;", "fn f() { crate::a::g() }"),
        ("use crate::{c, b::{X, Z}};", "use super::{a};"),
        ("type T = Vec<crate::b::X>;", "struct S(\n    crate::a::Y,\n);"),
    ] {
        assert_eq!(
            cycles_of(&[("lib", ""), ("a", a), ("b", b), ("c", "")]),
            circle,
            "{a} {b}"
        );
    }
}

#[test]
fn a_circle_of_folders_is_found_where_none_of_their_files_are_in_one() {
    let sources = [
        ("one::a", "use crate::two::a::X;"),
        ("one::b", ""),
        ("two::a", ""),
        ("two::b", "use crate::one::b::X;"),
    ];
    assert_eq!(cycles_of(&sources), [["one", "two"]]);
}

#[test]
fn a_circle_through_what_a_parent_or_the_root_gives_on_is_found() {
    let root = [
        ("lib", "pub use a::X;"),
        ("a", "use crate::b::Y;"),
        ("b", "use crate::X;"),
    ];
    assert_eq!(cycles_of(&root), [["a", "b", "lib"]]);
    let parent = [("p", "mod c;\npub use c::X;"), ("p::c", "use super::Y;")];
    assert_eq!(cycles_of(&parent), [["p", "p::c"]]);
}

#[test]
fn tests_comments_and_texts_do_not_count() {
    for b in [
        "// crate::a::X\n/// [`crate::a::X`]\n/* crate::a::X */",
        "const T: &str = \"crate::a::X \\\" crate::a::X\"; const R: &str = r#\"crate::a::X\"\"#;",
        "#[cfg(test)]\nmod tests {\n    use crate::a::X;\n    fn f() { let _ = '}'; crate::a::g() }\n}",
        "#[cfg(test)]\nmod tests;",
    ] {
        let sources = [
            ("a", "use crate::b::X;"),
            ("b", b),
            ("b::tests", "use crate::a::X;"),
        ];
        let uses = cycles_of(&sources[..if b.ends_with("tests;") { 3 } else { 2 }]);
        assert!(uses.is_empty(), "{b}: {uses:?}");
    }
    let behind = "#[cfg(test)]\nmod tests {\n    fn f<'a>(c: &'a str) {}\n}\nuse crate::a::X;";
    assert_eq!(cycles_of(&[("a", "use crate::b::X;"), ("b", behind)]).len(), 1);
}

#[test]
fn a_module_within_a_file_is_the_file() {
    let a = "use crate::b::X;\nmod inner {\n    use super::Y;\n}\n";
    let sources = [
        ("lib", "pub use a::X;"),
        ("a", a),
        ("b", "\nmod inner { use super::Z; }"),
    ];
    assert!(cycles_of(&sources).is_empty());
    let through = "mod inner {\n    use crate::a::Y;\n}\n";
    assert_eq!(cycles_of(&[("a", a), ("b", through)]), [["a", "b"]]);
}

#[test]
fn what_is_allowed_makes_no_circle() {
    let sources = [("a", "use crate::b::X;"), ("b", "use crate::a::X;")];
    let sources = sources.map(|(module, source)| (module.to_owned(), source.to_owned()));
    let uses = Uses::of(sources.into());
    assert!(!uses.cycles().is_empty());
    assert!(uses.without(&[("b", "a")]).cycles().is_empty());
}
