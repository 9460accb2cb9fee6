//! The pages of the models name tests that exist, and there is one for each model.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    text.replace("\r\n", "\n")
}

/// All functions of the suites of this crate and of the library, as `file::name`, and those of the
/// units of this crate by their name alone.
fn functions() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let suites = [
        "crates/models/tests/models",
        "crates/notify/tests/contract",
        "crates/overlapped/tests/contract",
    ];
    for file in suites.iter().flat_map(|suite| files(&root().join(suite))) {
        let module = file.file_stem().expect("a name").to_string_lossy().into_owned();
        found.extend(names(&read(&file)).into_iter().map(|name| format!("{module}::{name}")));
    }
    for file in files(&root().join("crates/models/src")) {
        found.extend(names(&read(&file)));
    }
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
}

fn names(text: &str) -> BTreeSet<String> {
    let heads = text.split("fn ").skip(1);
    let end = |letter: char| !letter.is_alphanumeric() && letter != '_';
    heads.filter_map(|head| head.split(end).next()).map(str::to_owned).collect()
}

/// What is in code quotes and looks like a test: a long name, perhaps of a module.
fn named_tests(page: &str) -> Vec<&str> {
    let code = page.split('`').skip(1).step_by(2);
    code.filter(|code| {
        let name = code.rsplit("::").next().unwrap_or(code);
        name.matches('_').count() > 3 && name.chars().all(|it| it.is_alphanumeric() || it == '_')
    })
    .collect()
}

#[test]
fn every_model_has_a_page_and_a_row_and_names_only_tests_that_exist() {
    let there = functions();
    let choosing = read(&root().join("docs/choosing.md"));
    for model in overlapped_models::models() {
        let name = model.name();
        let page = read(&root().join(format!("docs/models/{name}.md")));
        assert!(page.starts_with(&format!("# Model `{name}`: ")), "{name}");
        for part in
            ["When to use it", "What limits it", "Pitfalls", "Linux and Windows", "Measured"]
        {
            assert!(page.contains(&format!("\n## {part}")), "{name} lacks {part:?}");
        }
        let named = named_tests(&page);
        assert!(named.len() > 3, "{name} names {} tests", named.len());
        for test in named {
            assert!(there.contains(test), "{name} names a test that does not exist: {test}");
        }
        assert!(choosing.contains(&format!("[`{name}`](models/{name}.md)")), "{name}");
    }
}
