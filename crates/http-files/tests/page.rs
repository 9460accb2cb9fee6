//! docs/http-files.md says what is so: its table of what the standards demand names the tests.

use std::collections::BTreeSet;
use std::path::Path;

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The tests of a file, by their names with that of the file: `module::test`.
fn tests_of(path: &Path, found: &mut BTreeSet<String>) {
    let text = read(path);
    let module = path.file_stem().expect("a name").to_string_lossy().into_owned();
    let after = text.split("#[test]\n").skip(1);
    for name in after.filter_map(|rest| rest.split("fn ").nth(1)?.split('(').next()) {
        found.insert(format!("{module}::{name}"));
    }
}

fn tests_in(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|it| it == "rs") {
            tests_of(&path, &mut found);
        }
    }
    found
}

/// The rows of the tables in the section on standards: section, level, demand, what is done, test.
fn rows() -> Vec<Vec<String>> {
    let page = read(&root().join("../../docs/http-files.md"));
    let section = page.split("\n## What the standards demand\n").nth(1).expect("the section");
    let section = section.split("\n## ").next().expect("its end");
    let lines =
        section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| section"));
    lines
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

#[test]
fn every_test_that_the_table_names_is_there() {
    let mut there = tests_in(&root().join("tests/files"));
    there.extend(tests_in(&root().join("src")));
    let rows = rows();
    assert!(rows.len() > 80, "only {} rows", rows.len());
    let mut wrong = Vec::new();
    for row in &rows {
        assert_eq!(row.len(), 5, "{row:?}");
        let test = &row[4];
        let named: Vec<&str> = test.split('`').filter(|name| name.contains("::")).collect();
        let has_reason = test.starts_with("not for us: ") || test.starts_with("left out: ");
        if named.is_empty() != has_reason {
            wrong.push(format!("{row:?} has neither a test nor a reason, or both"));
        }
        if row[1].starts_with("MUST") && test.starts_with("left out: ") {
            wrong.push(format!("{row:?} leaves out what must be"));
        }
        wrong.extend(
            named
                .iter()
                .filter(|name| !there.contains(**name))
                .map(|name| format!("no test {name}")),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_test_of_the_standards_is_in_the_table() {
    let named: BTreeSet<String> = rows()
        .iter()
        .flat_map(|row| {
            row[4]
                .split('`')
                .filter(|name| name.contains("::"))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    let mut missing = BTreeSet::new();
    for module in ["messages", "framing", "semantics", "conditions", "versions"] {
        let mut there = BTreeSet::new();
        tests_of(&root().join(format!("tests/files/{module}.rs")), &mut there);
        assert!(!there.is_empty(), "{module}");
        missing.extend(there.into_iter().filter(|test| !named.contains(test)));
    }
    assert!(missing.is_empty(), "docs/http-files.md does not name {missing:#?}");
}
