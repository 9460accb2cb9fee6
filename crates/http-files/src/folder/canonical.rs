//! Everywhere: a path is resolved with all its links, and what comes out must lie in the folder.
//!
//! Between that and the opening somebody who may write in the folder could put a link in place, so
//! this is for folders that only trusted people change.

use super::{Found, leads_out, not_for_clients};
use crate::target::Place;
use overlapped::open_regular;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(crate) struct Canonical(PathBuf);

impl Canonical {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        path.canonicalize().map(Self)
    }

    fn resolve(&self, place: &Place) -> io::Result<PathBuf> {
        let mut path = self.0.clone();
        for name in place.names().split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            path.push(system_name(name)?);
        }
        let path = path.canonicalize()?;
        if path.starts_with(&self.0) { Ok(path) } else { Err(leads_out()) }
    }

    pub(super) fn find(&self, place: &Place) -> io::Result<Found> {
        let path = self.resolve(place)?;
        let kind = path.metadata()?;
        if kind.is_dir() {
            return Ok(Found::Folder);
        }
        if !kind.is_file() {
            return Err(not_for_clients());
        }
        // By now it may be something else, whose opening would wait.
        match open_regular(&path, OpenOptions::new().read(true)) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Err(not_for_clients()),
            opened => opened.map(Found::File),
        }
    }

    pub(super) fn list(&self, place: &Place, most: usize) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in self.resolve(place)?.read_dir()?.take(most) {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() || kind.is_file() || kind.is_symlink() {
                names.push(entry.file_name());
            }
        }
        Ok(names)
    }
}

#[cfg(unix)]
fn system_name(name: &[u8]) -> io::Result<&OsStr> {
    Ok(std::os::unix::ffi::OsStrExt::from_bytes(name))
}

#[cfg(not(unix))]
fn system_name(name: &[u8]) -> io::Result<&OsStr> {
    std::str::from_utf8(name)
        .map(OsStr::new)
        .map_err(|_| io::Error::new(io::ErrorKind::NotFound, "no name here is written so"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::target;

    #[test]
    fn links_that_lead_out_are_refused_without_the_kernels_help() {
        let path =
            std::env::temp_dir().join(format!("overlapped-canonical-{}", std::process::id()));
        std::fs::create_dir_all(path.join("in/sub")).expect("a folder");
        std::fs::write(path.join("in/file"), "x").expect("a file");
        std::fs::write(path.join("outside"), "x").expect("a file");
        let _ = std::os::unix::fs::symlink("../outside", path.join("in/out"));
        let _ = std::os::unix::fs::symlink("../file", path.join("in/sub/inner"));
        let folder = Canonical::open(&path.join("in")).expect("a folder");
        let find = |text| folder.find(&target::parse(text).expect("a target").0);
        assert!(matches!(find("/file"), Ok(Found::File(..))));
        assert!(matches!(find("/sub/inner"), Ok(Found::File(..))));
        assert!(matches!(find("/sub"), Ok(Found::Folder)));
        let error = find("/out").expect_err("outside");
        assert_eq!(super::super::status_of(&error), 403);
        let error = find("/missing").expect_err("missing");
        assert_eq!(super::super::status_of(&error), 404);
        assert_eq!(
            folder.list(&target::parse("/").expect("a target").0, 10).expect("names").len(),
            3
        );
        std::fs::remove_dir_all(path).expect("removed");
    }
}
