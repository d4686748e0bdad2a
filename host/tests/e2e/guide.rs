//! README and guide are run as they are read: every command of a `console` block
//! in one bash a page, and what it says compared with what the page shows.
//!
//! `SCRY_GUIDE=update cargo test -p scry --test e2e guide` writes the output of
//! today into the pages. [`docs/STYLE.md`] has the form of a page.

mod matching;
mod page;
mod shell;

use crate::support::{Guest, alone, authored_target_dir, example, example_with, root, target};
use matching::{matches, updated};
use page::{Part, parse, replaced};
use shell::Shell;
use std::path::Path;
use std::sync::Arc;

/// Blocks of commands that no test runs, by page and first line, and why not.
const UNRUN: [(&str, &str, &str); 13] = [
    ("README.md", "cargo run --release -- demo", "the page runs the demo below; the other command runs this test"),
    ("README.md", "pip install", INSTALLS),
    ("README.md", "cargo install", INSTALLS),
    ("docs/guide/install.md", "cargo install", INSTALLS),
    ("docs/guide/install.md", "rustup target add", "the tests have the target; to add it would change this machine"),
    ("docs/guide/install.md", "scry build examples/", "the tests have built them, with these very commands"),
    (
        "docs/guide/publish-and-deploy.md",
        "scry publish bikeshare.wasm oci:",
        "`oci::` and `registries::` talk to a registry",
    ),
    ("docs/guide/dashboards-and-alerts.md", "cp deploy/prometheus/", "`monitoring::` runs Prometheus on these files"),
    ("docs/guide/upgrade.md", "cargo install", INSTALLS),
    ("docs/guide/clients.md", "pip install", "the tests have an environment of their own with these packages"),
    ("docs/guide/clients.md", "perf_analyzer", "`load_generator::` runs it, in that environment"),
    ("docs/guide/container.md", "docker build", "there is no container engine"),
    ("docs/guide/signatures.md", "scry sign oci:", "`signatures::` signs in a registry"),
];
const INSTALLS: &str = "it builds for minutes and changes the user's folder";

macro_rules! pages {
    ($($name:ident: $path:literal,)*) => {
        const PAGES: &[&str] = &[$($path),*];
        $(#[test] fn $name() { follow($path); })*
    };
}

pages! {
    readme: "README.md",
    index: "docs/guide/README.md",
    install: "docs/guide/install.md",
    python: "docs/guide/python.md",
    first_model: "docs/guide/first-model.md",
    import: "docs/guide/import.md",
    networks: "docs/guide/networks.md",
    publish_and_deploy: "docs/guide/publish-and-deploy.md",
    canary_and_rollback: "docs/guide/canary-and-rollback.md",
    clients: "docs/guide/clients.md",
    validation_and_drift: "docs/guide/validation-and-drift.md",
    access: "docs/guide/access.md",
    signatures: "docs/guide/signatures.md",
    dashboard: "docs/guide/dashboard.md",
    watch: "docs/guide/watch.md",
    dashboards_and_alerts: "docs/guide/dashboards-and-alerts.md",
    errors: "docs/guide/errors.md",
    traces: "docs/guide/traces.md",
    backup_and_restore: "docs/guide/backup-and-restore.md",
    doctor: "docs/guide/doctor.md",
    upgrade: "docs/guide/upgrade.md",
    sizing: "docs/guide/sizing.md",
    container: "docs/guide/container.md",
    troubleshooting: "docs/guide/troubleshooting.md",
}

/// The components that a page may name.
type Component = (&'static str, fn() -> Arc<Guest>);
const COMPONENTS: [Component; 4] = [
    ("bikeshare.wasm", || example("bikeshare")),
    ("bikeshare-linear.wasm", || example("bikeshare-linear")),
    ("traps.wasm", || example_with("bikeshare-faulty", "traps")),
    ("loops.wasm", || example_with("bikeshare-faulty", "loops")),
];

/// What the page about networks has beside it.
const NETWORK: [(&str, &str); 2] =
    [("net.onnx", "tests/imports/networks/mlp.onnx"), ("golden.json", "tests/imports/networks/mlp-golden.json")];

fn read(page: &str) -> String {
    std::fs::read_to_string(root().join(page)).unwrap()
}

/// Does what a page says, from its first line to its last.
fn follow(path: &str) {
    let text = read(path);
    let parts = parse(&text).unwrap_or_else(|wrong| panic!("{path}: {wrong}"));
    let update = std::env::var("SCRY_GUIDE").is_ok_and(|mode| mode == "update");
    let mut shell = Shell::start(path);
    let folder = shell.dir.clone();
    for (name, component) in COMPONENTS.iter().filter(|(name, _)| text.contains(&format!(" {name}"))) {
        std::os::unix::fs::symlink(&component().path, folder.join(name)).unwrap();
    }
    if path == "docs/guide/networks.md" {
        for (name, file) in NETWORK {
            std::os::unix::fs::symlink(root().join(file), folder.join(name)).unwrap();
        }
    }
    // The demo's sources are compiled once, and kept between runs.
    let demo = target().join("demo");
    std::fs::create_dir_all(&demo).unwrap();
    std::os::unix::fs::symlink(demo, folder.join("scry-demo")).unwrap();
    let _alone = text.contains("scry build ").then(|| alone(&authored_target_dir()));
    let mut news = Vec::new();
    for part in parts {
        match part {
            Part::Write { path, text } => write(&folder.join(path), &shell.as_run(&text)),
            Part::Run(command) => {
                let did = shell.run(&command.text);
                // An update writes no failure where the page shows none.
                let failed = command.expected.iter().any(|line| line.starts_with("error: "));
                let shown = || format!("{path}:{}\n$ {}", command.line, command.text);
                assert_eq!(did.status != 0, failed, "{} ended with {}\n{}", shown(), did.status, did.lines.join("\n"));
                if update {
                    news.push((command.lines.clone(), updated(&command.expected, &did.lines)));
                } else if !matches(&command.expected, &did.lines) {
                    let (expected, actual) = (command.expected.join("\n"), did.lines.join("\n"));
                    panic!("{}\n--- expected\n{expected}\n--- actual\n{actual}\n{}", shown(), shell.logs());
                }
            }
            Part::Quote { line, page, text } => {
                let quoted = Path::new(path).parent().unwrap().join(&page);
                assert!(read(quoted.to_str().unwrap()).contains(&text), "{path}:{line} is not what {page} has");
            }
            Part::Unrun { .. } => {}
        }
    }
    shell.finish();
    if update {
        std::fs::write(root().join(path), replaced(&text, &news)).unwrap();
    }
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn every_page_is_run_and_what_is_not_has_a_reason() {
    let mut guide: Vec<_> = std::fs::read_dir(root().join("docs/guide")).unwrap().flatten().collect();
    guide.sort_by_key(std::fs::DirEntry::file_name);
    // Beside the pages are their pictures.
    for file in guide.iter().filter(|file| file.file_name() != "images") {
        let path = format!("docs/guide/{}", file.file_name().display());
        assert!(PAGES.contains(&path.as_str()), "{path} is not in PAGES");
    }
    let mut unrun = Vec::new();
    for path in PAGES {
        for part in parse(&read(path)).unwrap_or_else(|wrong| panic!("{path}: {wrong}")) {
            if let Part::Unrun { line, text } = part {
                let first = text.lines().next().unwrap_or_default().to_owned();
                let known = UNRUN.iter().any(|(page, begins, _)| page == path && first.starts_with(begins));
                assert!(known, "{path}:{line}: write `console`, or say in UNRUN why this cannot be run: {first}");
                unrun.push((*path, first));
            }
        }
    }
    for (page, begins, _) in UNRUN {
        assert!(unrun.iter().any(|(path, first)| *path == page && first.starts_with(begins)), "{page} has no {begins}");
    }
}
