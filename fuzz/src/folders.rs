//! A folder of its own for each process, in memory where the system has such a place.

use std::path::Path;
use tempfile::TempDir;

/// A fresh folder, removed when it is dropped.
pub fn fresh() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = match memory.is_dir() {
        true => tempfile::Builder::new().prefix("overlapped-fuzz-").tempdir_in(memory),
        false => tempfile::Builder::new().prefix("overlapped-fuzz-").tempdir(),
    };
    made.expect("a folder for what is tried")
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
