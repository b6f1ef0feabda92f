//! What stands in the manifests is complete, and what others say of it is so.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use nats_conn_tests::real_server::Version;
use serde_json::Value;

fn read(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(file)).expect("a text")
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

/// Those that are to be published.
fn published() -> Vec<Value> {
    let mut packages = packages();
    packages.retain(|package| package["publish"].is_null());
    packages
}

fn name(package: &Value) -> &str {
    package["name"].as_str().expect("a name")
}

#[test]
fn each_crate_that_is_to_be_published_has_all_that_its_page_shows() {
    let published = published();
    assert!(!published.is_empty());
    for package in &published {
        let name = name(package);
        for field in ["description", "license", "repository", "rust_version"] {
            assert!(package[field].is_string(), "{name} has no {field}");
        }
        for list in ["authors", "keywords", "categories"] {
            let list = package[list].as_array();
            assert!(list.is_some_and(|list| !list.is_empty()), "{name}");
        }
        assert_eq!(package["documentation"], format!("https://docs.rs/{name}"));
        let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
        for file in ["README.md", "LICENSE-APACHE", "LICENSE-MIT"] {
            let path = manifest.with_file_name(file);
            let text = fs::read_to_string(&path);
            assert!(text.is_ok_and(|text| !text.is_empty()), "{}", path.display());
        }
        assert_eq!(package["readme"], "README.md", "{name}");
        let docs = &package["metadata"]["docs"]["rs"];
        assert_eq!(docs["all-features"], true, "{name}");
        assert_eq!(
            docs["rustdoc-args"],
            serde_json::json!(["--cfg", "docsrs"]),
            "{name}"
        );
    }
}

#[test]
fn what_is_published_needs_nothing_that_is_not() {
    let published = published();
    let names: BTreeSet<&str> = published.iter().map(name).collect();
    for package in &published {
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            // Whatever has a version stays in the manifest that is uploaded.
            let stays = dependency["kind"] != "dev" || dependency["req"] != "*";
            if !dependency["path"].is_null() && stays {
                let (of, needed) = (name(package), name(dependency));
                assert!(
                    names.contains(needed),
                    "{of} needs {needed}, without publish = false"
                );
                assert_ne!(dependency["req"], "*", "{of} needs {needed} in no version");
            }
        }
    }
}

#[test]
fn the_test_command_packs_every_crate_that_is_to_be_published() {
    let run = read("tests/run");
    let step = run.split("check_packages() {").nth(1).expect("the step");
    let line = step.lines().find(|line| line.contains("for crate in"));
    let line = line.expect("the list").trim_end_matches("; do");
    let packed = line.split_whitespace().skip(3).collect::<BTreeSet<_>>();
    assert_eq!(packed, published().iter().map(name).collect::<BTreeSet<_>>());
}

#[test]
fn by_default_every_adapter_has_tls_that_trusts_what_the_system_does_and_nkeys() {
    let adapters = ["nats-conn-async-std", "nats-conn-std", "nats-conn-tokio"];
    for package in packages()
        .iter()
        .filter(|package| adapters.contains(&name(package)))
    {
        let default = &package["features"]["default"];
        assert_eq!(
            *default,
            serde_json::json!(["nkeys", "ring", "system-roots"]),
            "{}",
            name(package)
        );
        // What a page lists is what there is.
        let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
        for page in ["README.md", "src/lib.rs"].map(|page| manifest.with_file_name(page)) {
            let text = fs::read_to_string(&page).expect("a text");
            for feature in package["features"].as_object().expect("features").keys() {
                let default = default
                    .as_array()
                    .expect("a list")
                    .iter()
                    .any(|name| name == feature);
                let row = format!("| `{feature}` | {}", if default { "yes |" } else { "|" });
                assert!(
                    feature == "default" || text.contains(&row),
                    "{}: {row}",
                    page.display()
                );
            }
        }
    }
}

#[test]
fn the_first_screen_says_what_to_write_and_with_what_it_works() {
    let readme = read("README.md");
    let screen = readme.split("\n## ").next().expect("the beginning");
    let packages = packages();
    let tokio = packages
        .iter()
        .find(|package| name(package) == "nats-conn-tokio")
        .expect("it is a member");
    let field = |name: &str| tokio[name].as_str().expect("a text");
    let git = format!("nats-conn-tokio = {{ git = \"{}\"", field("repository"));
    let version = format!("version = \"{}\"", field("version"));
    let rust = format!("| Rust | {} or newer |", field("rust_version"));
    let [oldest, newest] = Version::ALL.map(Version::number);
    let servers = format!("tested against {oldest} and {newest} |");
    for wanted in [&git, &version, &rust, &servers] {
        assert!(screen.contains(wanted.as_str()), "{wanted}");
    }
    for (feature, _) in tokio["features"].as_object().expect("features") {
        let internal = ["default", "rustls", "system-roots"].contains(&feature.as_str());
        assert!(internal || screen.contains(&format!("`{feature}`")), "{feature}");
    }
    assert!(screen.lines().count() <= 40, "one screen");
}
