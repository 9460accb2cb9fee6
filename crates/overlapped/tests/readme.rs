//! The pages of the repository say what is so: their links lead somewhere, and the table of the
//! contract names the tests that there are. (The example of the README is compiled as a
//! documentation test of the library, whose README has the same.)

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let mut found: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|it| it == extension)).collect();
    found.sort();
    found
}

/// What stands between each `open` and the next `close`.
fn between<'a>(text: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    text.split(open).skip(1).filter_map(|rest| rest.split(close).next()).collect()
}

/// The part of a page's address that names a heading: lower case, words joined by hyphens.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn every_link_between_the_pages_leads_somewhere() {
    let mut pages = files(&root(), "md");
    for folder in ["docs", "docs/models", "bench"] {
        pages.extend(files(&root().join(folder), "md"));
    }
    let (mut links, mut broken) = (0, Vec::new());
    for page in &pages {
        let text = read(page);
        let inline = between(&text, "](", ")");
        let by_name = text
            .lines()
            .filter_map(|line| line.strip_prefix('[')?.split_once("]: ").map(|(_, target)| target));
        let outside = ["http://", "https://"];
        for link in inline.into_iter().chain(by_name) {
            if outside.iter().any(|start| link.starts_with(start)) {
                continue;
            }
            links += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                page.clone()
            } else {
                page.parent().expect("a page lies in a folder").join(file)
            };
            let leads_somewhere =
                target.exists() && (anchor.is_empty() || anchors(&read(&target)).contains(anchor));
            if !leads_somewhere {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(links > 20, "only {links} links were found in {pages:?}");
    assert!(broken.is_empty(), "these links lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn every_page_is_in_the_book() {
    let docs = root().join("docs");
    let summary = read(&docs.join("SUMMARY.md"));
    let named: BTreeSet<_> = between(&summary, "](", ")").into_iter().map(str::to_owned).collect();
    let models = files(&docs.join("models"), "md");
    let pages = files(&docs, "md").into_iter().chain(models).map(|page| {
        let within = page.strip_prefix(&docs).expect("it lies there");
        within.to_string_lossy().replace('\\', "/")
    });
    let pages: BTreeSet<_> = pages.filter(|page| page != "SUMMARY.md").collect();
    assert!(pages.len() > 30, "only {pages:?} were found");
    let missing: Vec<_> = pages.difference(&named).collect();
    let gone: Vec<_> = named.difference(&pages).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "docs/SUMMARY.md lacks {missing:?}, and names pages that there are not: {gone:?}"
    );
}

#[test]
fn the_readmes_of_the_repository_and_of_the_library_have_the_same_example() {
    let of = |page: &str| {
        let text = read(&root().join(page));
        let examples = between(&text, "```rust,no_run\n", "```");
        assert_eq!(examples.len(), 1, "{page} has one example");
        examples[0].to_owned()
    };
    assert_eq!(of("README.md"), of("crates/overlapped/README.md"));
}

#[test]
fn every_crate_has_a_readme_and_the_licences() {
    for krate in fs::read_dir(root().join("crates")).expect("the crates are there") {
        let folder = krate.expect("it can be read").path();
        assert!(read(&folder.join("README.md")).lines().count() > 5, "{folder:?}");
        for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
            // A link, where the checkout has links; it may also be a copy.
            let ours = read(&folder.join(licence));
            assert!(ours == read(&root().join(licence)) || ours.trim().ends_with(licence));
        }
    }
}

#[test]
fn the_pages_quote_the_whole_example() {
    quotes("from-iocp.md", "overlapped/examples/from_iocp.rs", "```rust\n");
    quotes("datagrams.md", "overlapped/examples/dns.rs", "```rust\n");
    quotes("tutorial.md", "overlapped/examples/framed.rs", "```rust\n");
    quotes("foreign-handles.md", "overlapped/examples/supervise.rs", "```rust\n");
    quotes("from-tokio.md", "runtime/examples/from_tokio.rs", "```rust,no_run\n");
}

fn quotes(page: &str, example: &str, fence: &str) {
    let (of_page, of_example) = (page, example);
    let page = read(&root().join("docs").join(page));
    let example = read(&root().join("crates").join(example));
    // What the file says of itself is not quoted.
    let (_, program) = example.split_once("\n\n").expect("a comment, then the program");
    let quoted = between(&page, fence, "```");
    assert_eq!(quoted.len(), 1, "the page quotes one program");
    assert!(
        quoted[0] == program,
        "docs/{of_page} and {of_example} differ; the page should quote this:\n{program}"
    );
}

/// The tests of both suites, the port's and that of the older models, as `module::name`.
fn tests_of_the_suites() -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    let suites = ["crates/overlapped/tests/contract", "crates/notify/tests/contract"];
    for file in suites.iter().flat_map(|suite| files(&root().join(suite), "rs")) {
        let module = file.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let text = read(&file);
        let lists = [
            "on_every_driver",
            "on_every_driver_and_family",
            "on_every_driver_that_limits",
            "on_every_backend",
            "in_both_forms",
        ]
        .map(|list| between(&text, &format!("\n{list}! {{"), "}"));
        let listed = lists.into_iter().flatten().flat_map(|list| {
            let lines = list.lines().filter(|line| !line.trim_start().starts_with("//"));
            lines.flat_map(|line| line.split(',')).collect::<Vec<_>>()
        });
        let alone = between(&text, "\n#[test]\n", "(").into_iter();
        let alone = alone.filter_map(|head| head.split("fn ").nth(1));
        let names = listed.chain(alone).map(str::trim).filter(|name| !name.is_empty());
        tests.extend(names.map(|name| format!("{module}::{name}")));
    }
    tests
}

#[test]
fn the_contract_names_every_test_and_no_other() {
    let page = read(&root().join("docs/contract.md"));
    let named: BTreeSet<String> = between(&page, "`", "`")
        .into_iter()
        .filter(|code| {
            let names = code.split_once("::");
            names.is_some_and(|(_, test)| test.len() > 10 && !test.contains("::"))
        })
        .map(str::to_owned)
        .collect();
    let there = tests_of_the_suites();
    assert!(there.len() > 100, "only {} tests were found", there.len());
    let missing: Vec<_> = there.difference(&named).collect();
    let gone: Vec<_> = named.difference(&there).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "docs/contract.md lacks {missing:#?}\nand names tests that do not exist: {gone:#?}"
    );
}

#[test]
fn the_contract_names_what_is_passed_over_under_wine() {
    let mut limited = BTreeSet::new();
    for file in files(&root().join("crates/overlapped/tests/contract"), "rs") {
        let module = file.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        for list in between(&read(&file), "\non_every_driver_that_limits! {", "}") {
            let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
            limited.extend(names.map(|name| format!("{module}::{name}")));
        }
    }
    assert!(limited.len() > 20, "only {} were found", limited.len());
    let page = read(&root().join("docs/contract.md"));
    let table = between(&page, "| | passed over under Wine |", "\n\n").concat();
    let code = between(&table, "`", "`").into_iter().filter(|code| code.contains("::"));
    let named: BTreeSet<String> = code.map(str::to_owned).collect();
    assert_eq!(named, limited);
}
