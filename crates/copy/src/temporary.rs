//! The file beside the target that becomes the target when it is complete.
//!
//! Its name follows from the target's, so that a later run finds what a run that was killed has left,
//! and it is locked while it is written, so that two runs never write one. The target is not
//! touched before the end, which is a rename.

use crate::platform;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// How the names of files end that are not the target yet, and who may read them.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// The file that becomes the target.
    pub file: &'static str,
    /// The record of what is in it.
    pub record: &'static str,
    /// Whether a new file is readable for its owner alone, whatever is usual, until it has its final
    /// permissions.
    pub is_private: bool,
}

/// The names that a copy uses.
const COPY: Names =
    Names { file: ".overlapped-copy", record: ".overlapped-record", is_private: true };

impl Names {
    /// Where the temporary file of `target` lies.
    pub fn file_for(&self, target: &Path) -> PathBuf {
        with_ending(target, self.file)
    }

    /// Where the record of what is in the temporary file lies.
    pub fn record_for(&self, target: &Path) -> PathBuf {
        with_ending(target, self.record)
    }
}

/// The longest name that is part of a temporary one; file systems allow 255 bytes in all.
const NAME_BYTES_MAX: usize = 200;

/// How often what others do at the same time is waited out.
const TRIES: usize = 16;

/// A file that is not complete yet.
#[derive(Debug)]
pub struct Temporary {
    /// Where it lies.
    pub path: PathBuf,
    /// The file, open for reading and writing, on Windows for overlapped access, and locked.
    pub file: File,
    /// Whether the system's cache is passed by.
    pub unbuffered: bool,
    /// A former run has made it.
    pub is_old: bool,
}

impl Temporary {
    /// Makes the temporary file of a copy to `target`.
    pub(crate) fn of_copy(target: &Path, unbuffered: bool, reuse: bool) -> io::Result<Self> {
        Self::open(&COPY, target, unbuffered, reuse)
    }

    /// Makes the temporary file for `target`. One that a former run has left is taken if `reuse`
    /// says so, and replaced otherwise.
    ///
    /// # Errors
    /// It cannot be made; `ResourceBusy` while another run writes it.
    pub fn open(names: &Names, target: &Path, unbuffered: bool, reuse: bool) -> io::Result<Self> {
        let path = names.file_for(target);
        let is_private = names.is_private;
        for _ in 0..TRIES {
            match platform::open_temporary(&path, true, unbuffered, is_private) {
                Ok((file, unbuffered)) => {
                    return Ok(Self { path, file, unbuffered, is_old: false });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            let (file, unbuffered) =
                match platform::open_temporary(&path, false, unbuffered, is_private) {
                    Ok(opened) => opened,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) if error.kind() == io::ErrorKind::ResourceBusy => return Err(error),
                    Err(error) => {
                        let text =
                            format!("{} stands in the way ({error}): remove it", path.display());
                        return Err(io::Error::new(error.kind(), text));
                    }
                };
            // Whoever had it locked may have given it its final name meanwhile.
            if !platform::is_at(&file, &path) {
                continue;
            }
            if reuse {
                return Ok(Self { path, file, unbuffered, is_old: true });
            }
            drop(file);
            remove(&path)?;
            remove(&names.record_for(target))?;
        }
        Err(platform::busy())
    }
}

/// Where the temporary file of `target` lies.
pub(crate) fn path_for(target: &Path) -> PathBuf {
    COPY.file_for(target)
}

/// Where the record of what is in the temporary file lies.
pub(crate) fn record_for(target: &Path) -> PathBuf {
    COPY.record_for(target)
}

fn with_ending(target: &Path, ending: &str) -> PathBuf {
    let name = target.file_name().unwrap_or_default();
    let bytes = name.as_encoded_bytes();
    let mut new = OsString::from(".");
    if bytes.len() <= NAME_BYTES_MAX {
        new.push(name);
    } else {
        new.push(format!("{:08x}", crc32fast::hash(bytes)));
    }
    new.push(ending);
    target.with_file_name(new)
}

/// Removes a file that may not be there.
///
/// # Errors
/// It is there and stays.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_name_is_beside_its_target_and_never_too_long() {
        assert_eq!(path_for(Path::new("a/b")), Path::new("a/.b.overlapped-copy"));
        assert_eq!(record_for(Path::new("b")), Path::new(".b.overlapped-record"));
        let names = ["x".repeat(201), "x".repeat(255)].map(|name| path_for(Path::new(&name)));
        assert_ne!(names[0], names[1]);
        assert!(names.iter().all(|name| name.as_os_str().len() < 255));
    }
}
