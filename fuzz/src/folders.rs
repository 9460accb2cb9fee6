//! Folders that inputs are tried in.

use std::path::{Path, PathBuf};
use tempfile::TempDir;

const PREFIX: &str = "overlapped-fuzz-";

/// An empty folder, in memory where there is one.
///
/// What lives as long as its process is dropped by nobody, so the folders of processes that are gone are removed
/// first.
pub fn fresh() -> TempDir {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    remove_left(&parent);
    let prefix = format!("{PREFIX}{}-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir_in(parent).expect("a folder can be made")
}

fn remove_left(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    let is_left = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?.strip_prefix(PREFIX)?;
        let id: u32 = name.split('-').next()?.parse().ok()?;
        Some(Path::new("/proc/self").exists() && !Path::new(&format!("/proc/{id}")).exists())
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if is_left(&path) == Some(true) {
            // Another process may be at it, too.
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

/// The names in a folder, in order.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.expect("an entry").file_name().to_string_lossy().into_owned()
    };
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names
}
