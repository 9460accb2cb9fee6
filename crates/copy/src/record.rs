//! What is known of the contents of a temporary file, for a run that goes on from it.
//!
//! The record names the source's size and time, and then one part after the other that was written,
//! with the checksum of its bytes. It is only ever appended to, and nothing in it is believed: a part
//! counts when the temporary file, read anew, has that checksum there. So it does not matter what of
//! record and file has reached the device before an interruption, or whether the last entry is whole.

use crate::runs::{GRAIN, Part};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
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
    pub fn of(facts: &Metadata) -> Self {
        Self { bytes: facts.len(), time_ns: facts.modified().map_or(0, ns_since_1970) }
    }
}

/// A time in nanoseconds since 1970, or before it.
pub fn ns_since_1970(time: SystemTime) -> i128 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_nanos().cast_signed(),
        Err(before) => -before.duration().as_nanos().cast_signed(),
    }
}

/// A record that is appended to.
#[derive(Debug)]
pub struct Record {
    file: File,
    held_back: Vec<u8>,
}

impl Record {
    /// Begins an empty record of a copy of this source.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn begin(path: &Path, source: Source) -> io::Result<Self> {
        let mut file = File::create(path)?;
        file.write_all(&header(source))?;
        Ok(Self { file, held_back: Vec::new() })
    }

    /// Goes on with a record that is there, and gives what it says; None when it is not of this
    /// source as it is now.
    ///
    /// # Errors
    /// There is a file that cannot be read.
    pub fn resume(path: &Path, source: Source) -> io::Result<Option<(Self, Vec<Piece>)>> {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let mut file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        if bytes.get(..HEADER_BYTES) != Some(&header(source)) {
            return Ok(None);
        }
        let pieces = pieces_in(&bytes[HEADER_BYTES..], source.bytes);
        // What a torn last entry has left is overwritten.
        let whole = (bytes.len() - HEADER_BYTES) / ENTRY_BYTES * ENTRY_BYTES;
        io::Seek::seek(&mut file, io::SeekFrom::Start((HEADER_BYTES + whole) as u64))?;
        Ok(Some((Self { file, held_back: Vec::new() }, pieces)))
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

    fn piece(offset: u64, length: usize, sum: u32) -> Piece {
        Piece { part: Part { offset, length }, sum }
    }

    #[test]
    fn a_record_gives_back_its_pieces_to_the_same_source_only() {
        let folder = std::env::temp_dir();
        let path = folder.join(format!("overlapped-record-{}", std::process::id()));
        let source = folder.join(format!("overlapped-record-source-{}", std::process::id()));
        std::fs::write(&source, vec![0; 10_000]).expect("a file can be written");
        let facts = Source::of(&source.metadata().expect("it is there"));
        let mut record = Record::begin(&path, facts).expect("a file can be made");
        let pieces = [piece(4096, 4096, 7), piece(8192, 1808, u32::MAX)];
        pieces.iter().for_each(|it| record.add(*it).expect("it can be written"));
        // What can be no part of the source is not believed.
        for wrong in [piece(8192, 1809, 1), piece(1, 4095, 1), piece(0, 100, 1), piece(0, 0, 1)] {
            record.add(wrong).expect("it can be written");
        }
        record.flush().and_then(|()| record.file.write_all(&[9; 5])).expect("it can be written");

        let (mut record, found) =
            Record::resume(&path, facts).expect("it can be read").expect("it is of this source");
        assert_eq!(found, pieces);
        record.add(piece(0, 4096, 3)).and_then(|()| record.flush()).expect("it can be written");
        let (_, found) = Record::resume(&path, facts).expect("it can be read").expect("the same");
        assert_eq!(found, [pieces[0], pieces[1], piece(0, 4096, 3)]);

        std::fs::write(&source, vec![0; 10_001]).expect("a file can be written");
        let facts = Source::of(&source.metadata().expect("it is there"));
        assert!(Record::resume(&path, facts).expect("it can be read").is_none());
        std::fs::remove_file(&path).and_then(|()| std::fs::remove_file(&source)).expect("gone");
    }
}
