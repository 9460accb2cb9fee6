//! The rooms of the library, read from the bottom up: each may use itself and those below, and
//! nothing points up. What is written here is what docs/rooms.md tells.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the bottom up. Those of one line do not know each other.
const ROOMS: [&[&str]; 12] = [
    &["panics", "protocol", "sync"],
    &["buffer"],
    &["sys"],
    &["error"],
    &["sched"],
    &["stalls"],
    &["conn", "file", "foreign"],
    &["op"],
    &["port"],
    &["workers"],
    &["lib"],
    // Tests that need what no user can reach. The library does not know them.
    &["tests"],
];

/// No file may be longer, so that each stays one idea.
const LINES_MAX: usize = 450;

/// How many lines outside the rooms for systems may ask what is built, `#[cfg(...)]` and `cfg!`. Those
/// of modules for tests do not count.
const CFG_LINES_MAX: usize = 10;

struct Source {
    path: PathBuf,
    /// The room that the file is in.
    room: String,
    text: String,
}

impl Source {
    /// Whether it is of the folder that talks to a system, or of one for what differs by system.
    fn is_of_a_system(&self) -> bool {
        let parts = self.path.iter().filter_map(|part| part.to_str());
        self.room == "sys" || parts.into_iter().any(|part| part == "platform")
    }

    /// Whether it is built for tests alone.
    fn is_test(&self) -> bool {
        let names = ["tests", "tests.rs", "checks.rs", "models", "models.rs"];
        self.path.iter().any(|part| names.iter().any(|name| part == *name))
    }

    /// The lines that are code, up to the tests at the end of the file.
    fn code(&self) -> impl Iterator<Item = &str> {
        let lines = self.text.lines().map(str::trim_start);
        let tests = |line: &&str| line.starts_with("mod tests {");
        lines.take_while(move |line| !tests(line)).filter(|line| !line.starts_with("//"))
    }

    /// How many times `super::` leads from its module to the root of the crate.
    fn depth(&self) -> usize {
        self.path.components().count() - usize::from(self.path.ends_with("mod.rs"))
    }

    /// The names that its code takes from the root of the crate, which is where rooms are.
    fn uses(&self) -> BTreeSet<String> {
        let from_root = "super::".repeat(self.depth());
        let mut names = BTreeSet::new();
        for line in self.code() {
            for root in ["crate::", &from_root] {
                for rest in line.split(root).skip(1) {
                    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                    names.insert(rest[..end.unwrap_or(rest.len())].to_owned());
                }
            }
        }
        names.remove("");
        names
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the sources are there") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inside = path.strip_prefix(&root).expect("it is below").to_owned();
            let first = inside.iter().next().expect("it has a name");
            let room = first.to_str().expect("names are plain").trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).expect("it is text");
            sources.push(Source { path: inside, room, text });
        }
    }
    assert!(sources.len() > 50, "the library has more files than {}", sources.len());
    sources
}

/// How high a room lies, and its place among those of its line.
fn place(room: &str) -> Option<(usize, usize)> {
    let of_line = |line: &&[&str]| line.iter().position(|name| *name == room);
    ROOMS.iter().enumerate().find_map(|(height, line)| Some((height, of_line(line)?)))
}

/// What is wrong with a use, if anything is.
fn complaint(from: &str, to: &str) -> Option<String> {
    let (Some(here), Some(there)) = (place(from), place(to)) else {
        return Some(format!("`{to}` is no room that a test knows: name its room, not the crate"));
    };
    match here == there || there.0 < here.0 {
        true => None,
        false => Some(format!("`{from}` must not know `{to}`, which is above or beside it")),
    }
}

#[test]
fn no_room_knows_one_above_or_beside_it() {
    let mut wrong = String::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        for name in source.uses() {
            if let Some(complaint) = complaint(&source.room, &name) {
                let _ = writeln!(wrong, "{}: {complaint}", source.path.display());
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that point up:\n{wrong}");
}

#[test]
fn an_arrow_up_or_aside_is_told_from_one_down() {
    assert_eq!(complaint("op", "conn"), None);
    assert_eq!(complaint("conn", "conn"), None);
    assert_eq!(complaint("port", "sync"), None);
    for (from, to) in [("conn", "op"), ("sys", "sched"), ("file", "conn"), ("sync", "buffer")] {
        assert!(complaint(from, to).is_some(), "{from} -> {to}");
    }
    assert!(complaint("conn", "Buffer").is_some(), "a name of the crate's face");
}

#[test]
fn no_file_is_long_and_few_ask_what_they_are_built_for() {
    let sources = sources();
    let long = |source: &&Source| source.text.lines().count() > LINES_MAX;
    let long: Vec<_> = sources.iter().filter(long).map(|source| &source.path).collect();
    assert!(long.is_empty(), "above {LINES_MAX} lines: {long:?}");

    let asks = |line: &&str| {
        (line.starts_with("#[cfg") || line.contains("cfg!(")) && !line.contains("(test, ")
    };
    let asking: Vec<_> = sources
        .iter()
        .filter(|source| !source.is_of_a_system())
        .flat_map(|source| {
            let lines = source.text.lines().map(str::trim_start).filter(asks);
            lines.map(|line| format!("{}: {line}", source.path.display()))
        })
        .collect();
    let found = asking.len();
    assert!(found <= CFG_LINES_MAX, "{found} lines ask: {asking:#?}");
}
