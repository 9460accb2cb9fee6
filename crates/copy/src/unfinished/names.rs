//! The names of files that are not complete, and how one is told from a file that is only called so.

use super::ns_since_1970;
use crate::folder::{self, Facts, Folder};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::time::SystemTime;

/// How the names of files go on that are not the target yet, between the target's name and the mark.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// The file that becomes the target.
    pub file: &'static str,
    /// The record of what is in it.
    pub record: &'static str,
}

/// The names that a copy uses.
pub(crate) const COPY: Names = Names { file: ".overlapped-copy-", record: ".overlapped-record-" };

/// What all such names have in them.
const COMMON: &str = ".overlapped-";

/// The longest target's name that is part of a temporary one; some file systems allow 143 bytes in all.
const STEM_BYTES_MAX: usize = 80;

/// What a name says of the file that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Which file it is: no two have the same at one time in one file system, and none has that of one that
    /// was removed and came into being at another time.
    File {
        /// Its number in its file system.
        number: u64,
        /// When it came into being, in nanoseconds; 0 where that is not known.
        born: u64,
    },
    /// It is empty still, and was made at this time, in nanoseconds since 1970, to get the other mark at
    /// once.
    New { made: u64 },
}

/// How far apart the clocks of a system and its file system may be.
const CLOCKS_NS: i128 = 2_000_000_000;

impl Mark {
    /// Of an open file that lies in this folder.
    pub(crate) fn of(folder: &Folder, file: &File) -> io::Result<Self> {
        let number = folder.facts_of_open(file)?.identity.number;
        Ok(Self::File { number, born: folder::birth_of(file) })
    }

    /// Of a file that is about to be made.
    pub(crate) fn new() -> Self {
        Self::New { made: ns_since_1970(SystemTime::now()) as u64 }
    }

    /// Whether the mark is that of the file of which these are the facts, as far as they say.
    pub(crate) fn fits(self, facts: &Facts) -> bool {
        match self {
            Self::File { number, .. } => facts.identity.number == number,
            // What was copied or restored has come to be later, whatever its times say.
            Self::New { made } => {
                facts.bytes == 0 && (facts.changed_ns - i128::from(made)).abs() < CLOCKS_NS
            }
        }
    }

    /// The same of an open file in this folder, as sure as can be.
    pub(crate) fn is_of(self, folder: &Folder, file: &File) -> io::Result<bool> {
        match self {
            Self::File { .. } => Ok(Self::of(folder, file)? == self),
            Self::New { .. } => Ok(self.fits(&folder.facts_of_open(file)?)),
        }
    }
}

/// What of a target's name is in the names of its temporary files.
pub(crate) fn stem_of(target: &OsStr) -> OsString {
    let bytes = target.as_encoded_bytes();
    if bytes.len() <= STEM_BYTES_MAX {
        return target.to_owned();
    }
    let mut other = crc32fast::Hasher::new_with_initial(0x9e37_79b9);
    other.update(bytes);
    format!("{:08x}{:08x}", crc32fast::hash(bytes), other.finalize()).into()
}

/// The name of the file with this mark, or one of the next names where that one is taken.
pub(crate) fn name_of(stem: &OsStr, ending: &str, mark: Mark, again: u64) -> OsString {
    let mark = match mark {
        Mark::File { number, born } => format!("{number:x}.{born:x}"),
        Mark::New { made } => format!("new.{made:x}"),
    };
    let next = if again == 0 { String::new() } else { format!("-{again:x}") };
    let mut name = OsString::from(".");
    name.push(stem);
    name.push(ending);
    name.push(mark);
    name.push(next);
    name
}

/// Whether a target is called as a temporary file could be; almost none is.
pub(crate) fn may_be_taken_for_one(name: &OsStr) -> bool {
    find_last(name.as_encoded_bytes(), COMMON.as_bytes()).is_some()
}

/// The stem and the mark that a name says, if it is one of such a file.
pub(crate) fn parsed<'a>(name: &'a OsStr, ending: &str) -> Option<(&'a [u8], Mark)> {
    let bytes = name.as_encoded_bytes().strip_prefix(b".")?;
    let at = find_last(bytes, ending.as_bytes())?;
    let (stem, rest) = (&bytes[..at], &bytes[at + ending.len()..]);
    let rest = std::str::from_utf8(rest).ok()?;
    let mark = rest.split_once('-').map_or(rest, |(mark, _)| mark);
    let (number, born) = mark.split_once('.')?;
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let mark = match number {
        "new" => Mark::New { made: hex(born)? },
        number => Mark::File { number: hex(number)?, born: hex(born)? },
    };
    Some((stem, mark))
}

fn find_last(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).rposition(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_name_says_which_file_it_is_and_is_never_too_long() {
        let file = Mark::File { number: u64::MAX, born: u64::MAX };
        for (mark, again) in [(file, 0), (file, 15), (Mark::new(), u64::MAX)] {
            for target in
                ["b", "", &"x".repeat(80), "a.overlapped-copy-1.2", ".b.overlapped-copy-1.2"]
            {
                let name = name_of(&stem_of(target.as_ref()), COPY.file, mark, again);
                assert_eq!(parsed(&name, COPY.file), Some((target.as_bytes(), mark)));
                assert!(may_be_taken_for_one(&name) && name.len() <= 143, "{name:?}");
                assert_eq!(parsed(&name, COPY.record), None);
            }
        }
        let stems = ["x".repeat(81), "x".repeat(255)].map(|name| stem_of(name.as_ref()));
        assert_ne!(stems[0], stems[1]);
        assert!(stems.iter().all(|stem| stem.len() == 16));
        for other in [".b.overlapped-copy", ".b.overlapped-copy-", ".b.overlapped-copy-x.1", "b"] {
            assert_eq!(parsed(other.as_ref(), COPY.file), None, "{other}");
        }
    }
}
