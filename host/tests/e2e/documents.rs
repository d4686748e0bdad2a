//! Every tracked Markdown page: its links lead somewhere, some page leads to it,
//! and the tests that the specification names exist. Reads files only.

use crate::support::root;
use scry_card::CheckKind;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

/// Files that git knows or would take, by the end of their name.
fn files(pattern: &str) -> Vec<PathBuf> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", pattern];
    let listed = Command::new("git").current_dir(root()).args(arguments).output().expect("git lists the files");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).unwrap();
    let paths = listed.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from);
    paths.filter(|path| root().join(path).is_file()).collect()
}

/// What a page says beside its code.
struct Page {
    /// Anchors of its headings.
    anchors: BTreeSet<String>,
    /// Link targets as they are written.
    links: Vec<String>,
}

impl Page {
    fn read(text: &str) -> Self {
        let (mut anchors, mut links, mut is_code) = (BTreeSet::new(), Vec::new(), false);
        let mut seen = BTreeMap::<String, usize>::new();
        let mut prose = String::new();
        for line in text.lines() {
            if line.trim_start().starts_with("```") {
                is_code = !is_code;
            } else if !is_code {
                if let Some((_, heading)) = line.split_once("# ").filter(|(level, _)| level.chars().all(|c| c == '#')) {
                    let slug = slug(heading);
                    let count = seen.entry(slug.clone()).or_default();
                    anchors.insert(if *count == 0 { slug.clone() } else { format!("{slug}-{count}") });
                    *count += 1;
                }
                prose.push_str(line);
                prose.push('\n');
            }
        }
        // Code spans are the odd parts; a link's text may contain one, its target may not.
        let prose: String = prose.split("``").step_by(2).flat_map(|prose| prose.split('`').step_by(2)).collect();
        for rest in prose.split("](").skip(1) {
            links.push(rest.split(')').next().unwrap().to_owned());
        }
        Self { anchors, links }
    }
}

/// The anchor that GitHub gives a heading.
fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// A link's file, from the repository's root; none where it leads out of it.
fn target(page: &Path, link: &str) -> Option<PathBuf> {
    let mut path = page.parent()?.to_owned();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir if !path.pop() => return None,
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    Some(path)
}

fn pages() -> BTreeMap<PathBuf, Page> {
    let page = |path: PathBuf| {
        let text = std::fs::read_to_string(root().join(&path)).unwrap();
        (path, Page::read(&text))
    };
    files("*.md").into_iter().map(page).collect()
}

/// Links within the repository: page, link as written, file, and anchor.
fn links(pages: &BTreeMap<PathBuf, Page>) -> impl Iterator<Item = (&Path, &str, Option<PathBuf>, Option<&str>)> {
    let all = pages.iter().flat_map(|(path, page)| page.links.iter().map(|link| (path.as_path(), link.as_str())));
    all.filter(|(_, link)| !link.contains("://")).map(|(page, link)| {
        let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
        let target = if file.is_empty() { Some(page.to_owned()) } else { target(page, file) };
        (page, link, target, anchor)
    })
}

#[test]
fn every_link_and_anchor_resolves() {
    let pages = pages();
    assert!(pages.len() > 20 && links(&pages).count() > 50, "the pages are read");
    let broken: Vec<_> = links(&pages)
        .filter(|(_, _, target, anchor)| {
            let Some(target) = target else { return true };
            let has_anchor = |anchor: &str| pages.get(target).is_some_and(|page| page.anchors.contains(anchor));
            !root().join(target).exists() || anchor.is_some_and(|anchor| !has_anchor(anchor))
        })
        .map(|(page, link, ..)| format!("{}: ({link})", page.display()))
        .collect();
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn every_page_of_the_documents_is_linked() {
    let pages = pages();
    let linked: BTreeSet<_> =
        links(&pages).filter_map(|(page, _, target, _)| target.filter(|target| target != page)).collect();
    let lost: Vec<_> = pages.keys().filter(|page| page.starts_with("docs") && !linked.contains(*page)).collect();
    assert!(lost.is_empty(), "no page links to {lost:?}");
}

#[test]
fn links_and_anchors_are_read_as_github_shows_them() {
    let text = "# A `b` and c_d, 2×!\n[x](a.md#b) ``[no](no.md)``\n```\n# no\n[no](no.md)\n```\n## Twice\n## Twice\n";
    let page = Page::read(text);
    assert_eq!(page.anchors.iter().map(String::as_str).collect::<Vec<_>>(), ["a-b-and-c_d-2", "twice", "twice-1"]);
    assert_eq!(page.links, ["a.md#b"]);
    assert_eq!(target(Path::new("docs/a/b.md"), "../../x.md"), Some(PathBuf::from("x.md")));
    assert_eq!(target(Path::new("docs/b.md"), "../../x.md"), None);
}

/// By its last name: `…::a_name` may be a test or a module of them.
#[test]
fn the_specification_names_tests_that_exist() {
    let sources = files("*.rs");
    let code: String = sources.iter().map(|path| std::fs::read_to_string(root().join(path)).unwrap()).collect();
    let is_there = |name: &str| {
        code.contains(&format!("fn {name}("))
            || code.contains(&format!("mod {name};"))
            || code.contains(&format!("mod {name} {{"))
    };
    let page = std::fs::read_to_string(root().join("SPECIFICATION.md")).unwrap();
    let held = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").nth(1));
    let named: Vec<&str> = held.flat_map(|held| held.split('`').skip(1).step_by(2)).collect();
    let names = named.iter().filter(|named| named.contains("::") && !named.contains(' '));
    let names: BTreeSet<_> = names.filter_map(|named| named.trim_end_matches("::").rsplit("::").next()).collect();
    assert!(names.len() > 150, "{} names are read", names.len());
    let gone: Vec<_> = names.into_iter().filter(|name| !is_there(name)).collect();
    assert!(gone.is_empty(), "no test or module has these names: {gone:?}");
}

#[test]
fn every_check_is_documented() {
    let page = std::fs::read_to_string(root().join("docs/reference/validation.md")).unwrap();
    let (_, table) = page.split_once("| check | holds when |").unwrap();
    let rows = table.lines().skip(2).map_while(|line| line.strip_prefix("| ")?.split(" | ").next());
    let documented: BTreeSet<_> = rows.flat_map(|names| names.split('`').skip(1).step_by(2)).collect();
    assert_eq!(documented, CheckKind::ALL.map(CheckKind::name).into());
}
