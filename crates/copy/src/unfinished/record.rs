//! What is known of the contents of a temporary file, for a run that goes on from it.
//!
//! The record names the source's size and time, and then one part after the other that was written,
//! with the checksum of its bytes. It is only ever appended to, and nothing in it is believed: a part
//! counts when the temporary file, read anew, has that checksum there. So it does not matter what of
//! record and file has reached the device before an interruption, or whether the last entry is whole.

use super::names::{self, Names};
use super::{Facts, Folder, Left, Noting, make_named, open_left};
use crate::folder::Use;
use crate::runs::{GRAIN, Part};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

const MAGIC: &[u8; 16] = b"overlapped-rec-1";
const HEADER_BYTES: usize = 48;
const ENTRY_BYTES: usize = 16;

/// The longest part that is believed to be one.
const PART_BYTES_MAX: u32 = 256 << 20;

/// Entries that are held back, so that not each costs a call.
const HELD_BACK: usize = 32;

/// A part that was written, and the checksum of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Which part.
    pub part: Part,
    /// The CRC-32 of its bytes.
    pub sum: u32,
}

/// What tells one state of a source from another: a record holds for one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its length.
    pub bytes: u64,
    /// When it was changed last, in nanoseconds since 1970.
    pub time_ns: i128,
}

impl Source {
    /// Of a file that is here.
    pub fn of(facts: &Facts) -> Self {
        Self { bytes: facts.bytes, time_ns: facts.time_ns }
    }
}

/// A time in nanoseconds since 1970, or before it.
pub fn ns_since_1970(time: SystemTime) -> i128 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_nanos().cast_signed(),
        Err(before) => -before.duration().as_nanos().cast_signed(),
    }
}

/// A record that is appended to, and locked meanwhile.
#[derive(Debug)]
pub struct Record {
    folder: Arc<Folder>,
    name: OsString,
    file: File,
    held_back: Vec<u8>,
}

/// The longest record that is read: of 2^40 bytes in pieces of 64 KiB.
const RECORD_BYTES_MAX: u64 = 256 << 20;

impl Record {
    /// Begins an empty record of a copy of this source, for the target called `target` in `folder`. It
    /// gets no name that `avoid` knows.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn begin(
        folder: &Arc<Folder>,
        names: &Names,
        target: &OsStr,
        source: Source,
        avoid: &dyn Fn(&OsStr) -> bool,
        noting: &Noting<'_>,
    ) -> io::Result<Self> {
        let stem = names::stem_of(target);
        let (mut file, _, name) =
            make_named(folder, (&stem, names.record), Use::Calls, avoid, noting)?;
        if let Err(error) = file.write_all(&header(source)) {
            drop(file);
            // The error that is told is the first one.
            let _ = folder.remove(&name);
            return Err(error);
        }
        Ok(Self { folder: Arc::clone(folder), name, file, held_back: Vec::new() })
    }

    /// Goes on with a record that a former run has left of this source as it is now, and gives what it
    /// says; None when there is none. What is of another state of the source is removed.
    pub fn resume(
        folder: &Arc<Folder>,
        left: &mut Left,
        source: Source,
        noting: &Noting<'_>,
    ) -> Option<(Self, Vec<Piece>)> {
        while let Some((name, mark)) = left.records.pop() {
            // What cannot be read is of no use.
            let opened = open_left(folder, &name, mark, Some(Use::Calls), noting).ok().flatten();
            let Some((file, _)) = opened else { continue };
            match Self::read(folder, &name, file, source) {
                None => drop(folder.remove(&name)),
                read => return read,
            }
        }
        None
    }

    fn read(
        folder: &Arc<Folder>,
        name: &OsStr,
        mut file: File,
        source: Source,
    ) -> Option<(Self, Vec<Piece>)> {
        let mut bytes = Vec::new();
        (&mut file).take(RECORD_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        if bytes.get(..HEADER_BYTES) != Some(&header(source)) {
            return None;
        }
        let pieces = pieces_in(&bytes[HEADER_BYTES..], source.bytes);
        // What a torn last entry has left is overwritten.
        let whole = (bytes.len() - HEADER_BYTES) / ENTRY_BYTES * ENTRY_BYTES;
        let end = io::SeekFrom::Start((HEADER_BYTES + whole) as u64);
        io::Seek::seek(&mut file, end).ok()?;
        let folder = Arc::clone(folder);
        Some((Self { folder, name: name.to_owned(), file, held_back: Vec::new() }, pieces))
    }

    /// Removes the record: what it is of is complete, or given up.
    ///
    /// # Errors
    /// It stays.
    pub fn remove(self) -> io::Result<()> {
        let Self { folder, name, file, .. } = self;
        if cfg!(windows) {
            // What is open is not gone yet there.
            drop(file);
        }
        folder.remove(&name)
    }

    /// Takes note of a piece, whose ends are multiples of 4,096 or the end of the source.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&mut self, piece: Piece) -> io::Result<()> {
        self.held_back.extend_from_slice(&piece.part.offset.to_le_bytes());
        self.held_back.extend_from_slice(&(piece.part.length as u32).to_le_bytes());
        self.held_back.extend_from_slice(&piece.sum.to_le_bytes());
        if self.held_back.len() >= HELD_BACK * ENTRY_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes what was held back.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.held_back)?;
        self.held_back.clear();
        Ok(())
    }
}

fn header(source: Source) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..16].copy_from_slice(MAGIC);
    bytes[16..24].copy_from_slice(&source.bytes.to_le_bytes());
    bytes[32..].copy_from_slice(&source.time_ns.to_le_bytes());
    bytes
}

fn pieces_in(bytes: &[u8], size: u64) -> Vec<Piece> {
    let piece = |entry: &[u8]| {
        let offset = u64::from_le_bytes(entry[..8].try_into().ok()?);
        let length = u32::from_le_bytes(entry[8..12].try_into().ok()?);
        let sum = u32::from_le_bytes(entry[12..].try_into().ok()?);
        let end = offset.checked_add(length.into())?;
        let can_be = (1..=PART_BYTES_MAX).contains(&length)
            && end <= size
            && offset.is_multiple_of(GRAIN)
            && (end == size || end.is_multiple_of(GRAIN));
        can_be.then_some(Piece { part: Part { offset, length: length as usize }, sum })
    };
    bytes.chunks_exact(ENTRY_BYTES).filter_map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unfinished::{Leftovers, Warnings};

    fn piece(offset: u64, length: usize, sum: u32) -> Piece {
        Piece { part: Part { offset, length }, sum }
    }

    #[test]
    fn a_record_gives_back_its_pieces_to_the_same_source_only() {
        let path = std::env::temp_dir().join(format!("overlapped-record-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).expect("a folder can be made");
        let folder = Arc::new(Folder::open(&path).expect("it is there"));
        let warnings = Warnings::default();
        let noting = warnings.at(&path);
        let source = Source { bytes: 10_000, time_ns: 5 };
        let target = OsStr::new("target");
        let left = || {
            let mut left = Leftovers::of_one(&folder, &names::COPY, true, target);
            left.take(target)
        };
        let begun = Record::begin(&folder, &names::COPY, target, source, &|_| false, &noting);
        let mut record = begun.expect("a file can be made");
        let pieces = [piece(4096, 4096, 7), piece(8192, 1808, u32::MAX)];
        pieces.iter().for_each(|it| record.add(*it).expect("it can be written"));
        // What can be no part of the source is not believed.
        for wrong in [piece(8192, 1809, 1), piece(1, 4095, 1), piece(0, 100, 1), piece(0, 0, 1)] {
            record.add(wrong).expect("it can be written");
        }
        record.flush().and_then(|()| record.file.write_all(&[9; 5])).expect("it can be written");
        // As long as it is written nobody else has it.
        assert!(Record::resume(&folder, &mut left(), source, &noting).is_none());
        drop(record);

        let resumed = Record::resume(&folder, &mut left(), source, &noting);
        let (mut record, found) = resumed.expect("it is of this source");
        assert_eq!(found, pieces);
        record.add(piece(0, 4096, 3)).and_then(|()| record.flush()).expect("it can be written");
        drop(record);
        let resumed = Record::resume(&folder, &mut left(), source, &noting);
        assert_eq!(resumed.expect("the same").1, [pieces[0], pieces[1], piece(0, 4096, 3)]);

        let other = Source { bytes: 10_001, ..source };
        assert!(Record::resume(&folder, &mut left(), other, &noting).is_none());
        assert_eq!(std::fs::read_dir(&path).expect("it is there").count(), 0, "it was removed");
        drop(folder);
        std::fs::remove_dir(&path).expect("gone");
    }
}
