//! A directory of Windows, opened for the kernel to tell its changes.

use super::{Change, with_path};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, RawHandle};
use std::path::{Path, PathBuf};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ACTION_ADDED, FILE_ACTION_REMOVED, FILE_ACTION_RENAMED_NEW_NAME,
    FILE_ACTION_RENAMED_OLD_NAME, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OVERLAPPED,
    FILE_LIST_DIRECTORY, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE,
};

#[derive(Debug)]
pub(crate) struct SystemDirectory {
    directory: File,
    pub(crate) recursive: bool,
}

/// Where the kernel writes changes, aligned as it asks. Over a network it takes no more than this.
#[derive(Debug)]
pub(crate) struct ChangesRoom(Vec<u32>);

const ROOM_BYTES: usize = 64 << 10;

impl SystemDirectory {
    pub(crate) fn open(path: &Path, recursive: bool) -> io::Result<Self> {
        let open = || {
            let directory = OpenOptions::new()
                .access_mode(FILE_LIST_DIRECTORY)
                .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)
                .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OVERLAPPED)
                .open(path)?;
            match std::fs::metadata(path)?.is_dir() {
                true => Ok(directory),
                false => Err(io::Error::from(io::ErrorKind::NotADirectory)),
            }
        };
        let directory = open().map_err(|error| with_path(path, &error))?;
        Ok(Self { directory, recursive })
    }
}

impl AsRawHandle for SystemDirectory {
    fn as_raw_handle(&self) -> RawHandle {
        self.directory.as_raw_handle()
    }
}

impl ChangesRoom {
    pub(crate) fn new() -> Self {
        Self(vec![0; ROOM_BYTES / size_of::<u32>()])
    }

    pub(crate) fn words(&mut self) -> &mut [u32] {
        &mut self.0
    }

    /// What the kernel has written, in so many bytes. No bytes mean that there was too much.
    pub(crate) fn changes(&self, bytes: usize) -> Vec<Change> {
        if bytes == 0 {
            return vec![Change::Overflow];
        }
        let bytes: Vec<u8> =
            self.0.iter().flat_map(|word| word.to_ne_bytes()).take(bytes).collect();
        let mut rest = &bytes[..];
        let mut changes = Vec::new();
        // Each says where the next one begins, or 0 in the last one.
        while let Some((next, change)) = first(rest) {
            changes.push(change);
            match rest.get(next..) {
                Some(following) if next > 0 => rest = following,
                _ => break,
            }
        }
        changes
    }
}

/// The first record: where the next one begins, an action, how many bytes the name has, the name.
fn first(bytes: &[u8]) -> Option<(usize, Change)> {
    let word = |at: usize| Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
    let (next, action, length) = (word(0)?, word(4)?, word(8)?);
    let name = bytes.get(12..)?.get(..length as usize)?;
    let units: Vec<_> =
        name.chunks_exact(2).map(|unit| u16::from_ne_bytes([unit[0], unit[1]])).collect();
    let name = PathBuf::from(OsString::from_wide(&units));
    let change = match action {
        FILE_ACTION_ADDED => Change::Created(name),
        FILE_ACTION_REMOVED => Change::Removed(name),
        FILE_ACTION_RENAMED_OLD_NAME => Change::RenamedFrom(name),
        FILE_ACTION_RENAMED_NEW_NAME => Change::RenamedTo(name),
        _ => Change::Modified(name),
    };
    Some((next as usize, change))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record as the kernel writes it, padded to whole words.
    fn record(next: u32, action: u32, name: &[u16]) -> Vec<u32> {
        let mut bytes: Vec<u8> = name.iter().flat_map(|unit| unit.to_ne_bytes()).collect();
        let length = bytes.len() as u32;
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        let words = bytes.chunks_exact(4);
        let words = words.map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
        [next, action, length].into_iter().chain(words).collect()
    }

    fn told(records: &[Vec<u32>], bytes: usize) -> Vec<Change> {
        let mut room = ChangesRoom::new();
        let words = records.concat();
        room.words()[..words.len()].copy_from_slice(&words);
        room.changes(bytes)
    }

    fn wide(name: &str) -> Vec<u16> {
        name.encode_utf16().collect()
    }

    #[test]
    fn records_are_read_in_order_and_names_need_not_be_text() {
        let no_text = [u16::from(b'n'), 0xd800, u16::from(b't')];
        let records = [
            record(16, FILE_ACTION_RENAMED_OLD_NAME, &wide("ab")),
            record(20, FILE_ACTION_RENAMED_NEW_NAME, &no_text),
            record(0, FILE_ACTION_REMOVED, &wide("c")),
        ];
        let expected = [
            Change::RenamedFrom("ab".into()),
            Change::RenamedTo(OsString::from_wide(&no_text).into()),
            Change::Removed("c".into()),
        ];
        assert_eq!(told(&records, 16 + 20 + 14), expected);
    }

    #[test]
    fn no_bytes_are_an_overflow() {
        assert_eq!(told(&[record(0, FILE_ACTION_ADDED, &wide("old"))], 0), [Change::Overflow]);
    }

    #[test]
    fn a_record_that_says_more_than_there_is_ends_the_reading() {
        let good = record(16, FILE_ACTION_ADDED, &wide("ab"));
        let mut long = record(0, FILE_ACTION_ADDED, &wide("cd"));
        long[2] = u32::MAX;
        let of_good = [Change::Created("ab".into())];
        assert_eq!(told(&[good.clone(), long], 32), of_good);
        let mut far = good.clone();
        far[0] = u32::MAX;
        assert_eq!(told(&[far, good], 32), of_good);
    }
}
