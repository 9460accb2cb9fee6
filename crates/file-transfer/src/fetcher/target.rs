//! Where the file goes, and the unfinished file beside that place.

use super::Fetching;
use super::conversation::Head;
use super::failure::{Failure, Kind};
use super::settings::FetchSettings;
use crate::name;
use crate::wire::{Identity, Time};
use overlapped::{File, OpenFile, Port};
use overlapped_copy::Sync;
use overlapped_copy::unfinished::{
    Attributes, Names, Part, Piece, Record, Source, Temporary, forget_cached, preset, remove,
    settle_closed, settle_open, sync_folder,
};
use std::collections::BTreeMap;
use std::fs::FileTimes;
use std::io;
use std::path::{Path, PathBuf};

/// The names of what is not finished; others than a copy's, whose records are of files here.
const NAMES: Names =
    Names { file: ".overlapped-fetch", record: ".overlapped-fetched", is_private: false };

/// How long a piece of the record is; so much is lost at most when a fetch is cut.
const PIECE_BYTES: u64 = 64 << 10;

/// What the user said of the target.
pub(super) enum Place {
    /// In this folder, under the sender's name.
    Folder(PathBuf),
    /// Here.
    File(PathBuf),
}

impl Place {
    pub(super) fn of(target: Option<&Path>) -> Result<Self, Failure> {
        let Some(target) = target else { return Ok(Self::Folder(PathBuf::new())) };
        if target.is_dir() {
            return Ok(Self::Folder(target.to_owned()));
        }
        let text = target.as_os_str().as_encoded_bytes();
        let names_a_folder = text.ends_with(b"/") || (cfg!(windows) && text.ends_with(b"\\"));
        if names_a_folder || target.file_name().is_none() {
            let text = format!("{}: there is no such folder: make it first", target.display());
            return Err(Failure::new(Kind::Target, text));
        }
        Ok(Self::File(target.to_owned()))
    }

    /// Where the file goes that the sender describes.
    pub(super) fn path_for(&self, head: &Head) -> Result<PathBuf, Failure> {
        let folder = match self {
            Self::File(path) => return Ok(path.clone()),
            Self::Folder(folder) => folder,
        };
        match name::check(&head.name) {
            Ok(name) => Ok(folder.join(name)),
            Err(why) => Err(Failure::new(
                Kind::Name,
                format!(
                    "the sender's name {:?} is not taken, since {why}: say yourself what the file \
                     shall be called (fetch ADDRESS TARGET)",
                    String::from_utf8_lossy(&head.name)
                ),
            )),
        }
    }

    /// Looks at what is where the file shall be.
    pub(super) fn look_at(&self, path: &Path, force: bool) -> Result<(), Failure> {
        let refused =
            |text: &str| Err(Failure::new(Kind::Target, format!("{}: {text}", path.display())));
        let Ok(there) = path.symlink_metadata() else { return Ok(()) };
        if there.is_dir() {
            return refused("a folder is in the place of the file: move it away");
        }
        if !force {
            return refused("it is there already: give --force to replace it, or another target");
        }
        if !there.is_file() {
            return refused("it is no file (a link, a pipe or a device), and is left as it is");
        }
        if there.permissions().readonly() {
            return refused("it is there and may not be written: change its permissions first");
        }
        Ok(())
    }
}

/// Whether the file is there already, as long and as old as the sender's.
pub(super) fn is_there(path: &Path, identity: Identity) -> bool {
    let Ok(there) = path.symlink_metadata() else { return false };
    let is_same_time = || {
        let time = there.modified().map(Time::of).ok();
        // What this system makes of the sender's time.
        time.is_some() && time == identity.time.to_system().map(Time::of)
    };
    there.is_file() && there.len() == identity.bytes && is_same_time()
}

/// The file beside its place.
pub(super) struct Unfinished {
    pub(super) target: PathBuf,
    pub(super) file: File<Fetching>,
    /// What a former run has left is of no use.
    pub(super) is_of_another: bool,
    /// Where it is.
    pub(super) path: PathBuf,
    record_path: PathBuf,
    /// None once it was let go of.
    kept: Option<std::fs::File>,
    identity: Identity,
    record: Option<Record>,
    /// What the record says is there.
    pieces: Vec<Piece>,
    /// Where the piece begins that is being received, its length so far, and its checksum.
    piece: (u64, u64, crc32fast::Hasher),
}

impl Unfinished {
    /// Makes it, or, with `resume`, takes what a former run has left of the same file.
    pub(super) fn open(
        port: &Port<Fetching>,
        target: &Path,
        identity: Identity,
        resume: bool,
    ) -> Result<Self, Failure> {
        let unwritable = |error: io::Error| Failure::at(target, "it cannot be written", &error);
        let record_path = NAMES.record_for(target);
        let temporary = Temporary::open(&NAMES, target, false, resume).map_err(unwritable)?;
        let Temporary { path, file, is_old, .. } = temporary;
        let begun = (|| {
            let found = match is_old && resume {
                true => Record::resume(&record_path, source_of(identity))?,
                false => None,
            };
            let is_of_another = is_old && found.is_none();
            if is_of_another {
                file.set_len(0)?;
            }
            let (record, pieces) = match found {
                Some((record, pieces)) => (Some(record), pieces),
                None => (None, Vec::new()),
            };
            let associated = port.associate(OpenFile::try_from(file.try_clone()?)?, ())?;
            Ok((associated, record, pieces, is_of_another))
        })();
        match begun {
            Ok((associated, record, pieces, is_of_another)) => Ok(Self {
                target: target.to_owned(),
                file: associated,
                is_of_another,
                path,
                record_path,
                kept: Some(file),
                identity,
                record,
                pieces,
                piece: (0, 0, crc32fast::Hasher::new()),
            }),
            Err(error) => {
                drop(file);
                if !resume {
                    let _ = remove(&path);
                }
                Err(unwritable(error))
            }
        }
    }

    /// The pieces that lie one behind the other from the start of the file on, as the record has them.
    pub(super) fn take_chain(&mut self) -> Vec<Piece> {
        // What was noted last of a place counts.
        let mut by_place: BTreeMap<u64, Piece> =
            self.pieces.drain(..).map(|piece| (piece.part.offset, piece)).collect();
        let mut chain = Vec::new();
        let mut at = 0;
        while let Some(piece) = by_place.remove(&at) {
            at += piece.part.length as u64;
            chain.push(piece);
        }
        chain
    }

    /// So much is there from a former run.
    pub(super) fn is_right_to(&mut self, right: u64) {
        self.piece.0 = right;
    }

    /// Gives the file its length, and begins its record if one is wanted. `from` is where the body
    /// begins.
    pub(super) fn make_room(&mut self, with_record: bool, from: u64) -> Result<(), Failure> {
        let bytes = self.identity.bytes;
        let outcome = (|| {
            if with_record && self.record.is_none() {
                self.record = Some(Record::begin(&self.record_path, source_of(self.identity))?);
            }
            self.piece = (from, 0, crc32fast::Hasher::new());
            let Some(file) = &self.kept else { return Ok(()) };
            // A disk that is too small is found now, and not at the last byte.
            if bytes > 0 { preset(file, bytes, true) } else { Ok(()) }
        })();
        outcome.map_err(|error| {
            Failure::at(&self.target, &format!("there is no room for its {bytes} bytes"), &error)
        })
    }

    /// Takes note of bytes that are received, which belong at `at` and follow those before.
    pub(super) fn note(&mut self, mut at: u64, mut bytes: &[u8]) -> Result<(), Failure> {
        let Some(record) = &mut self.record else { return Ok(()) };
        let end_of_file = self.identity.bytes;
        while !bytes.is_empty() {
            let (start, length, sum) = &mut self.piece;
            let end = ((*start / PIECE_BYTES + 1) * PIECE_BYTES).min(end_of_file);
            let (now, rest) = bytes.split_at((end - at).min(bytes.len() as u64) as usize);
            sum.update(now);
            *length += now.len() as u64;
            at += now.len() as u64;
            bytes = rest;
            if at == end {
                let part = Part { offset: *start, length: *length as usize };
                let piece = Piece { part, sum: sum.clone().finalize() };
                self.piece = (end, 0, crc32fast::Hasher::new());
                record.add(piece).map_err(|error| {
                    Failure::at(&self.record_path, "it cannot be written", &error)
                })?;
            }
        }
        Ok(())
    }

    /// Asks the system to forget what it has of the file in its cache.
    pub(super) fn forget_cached(&self) {
        if let Some(file) = &self.kept {
            forget_cached(file);
        }
    }

    /// Gives the file its time and its name. Nothing is in flight.
    pub(super) fn finish(mut self, settings: &FetchSettings) -> Result<(), Failure> {
        let outcome = self.give_name(settings);
        if let Err(error) = outcome {
            let failure = match error.kind() {
                io::ErrorKind::AlreadyExists => Failure::new(
                    Kind::Target,
                    format!(
                        "{}: it was made by somebody else meanwhile: give --force to replace it",
                        self.target.display()
                    ),
                ),
                _ => Failure::at(&self.target, "it cannot get its name", &error),
            };
            return Err(self.abandon(settings.resume, failure));
        }
        // The lock goes with it.
        self.kept = None;
        let folder = self.target.parent().unwrap_or(Path::new(""));
        match settings.sync {
            Sync::All => sync_folder(folder)
                .map_err(|error| Failure::at(folder, "the new name cannot be flushed", &error)),
            _ => Ok(()),
        }
    }

    fn give_name(&mut self, settings: &FetchSettings) -> io::Result<()> {
        let Some(file) = &self.kept else { return Ok(()) };
        let mut times = FileTimes::new();
        if let Some(time) = self.identity.time.to_system() {
            times = times.set_modified(time);
        }
        let old = self.target.symlink_metadata().ok().filter(|there| there.is_file());
        let facts = match old {
            Some(old) => old,
            None => file.metadata()?,
        };
        let mut attributes = Attributes::of(&facts);
        attributes.times = times;
        attributes.cut_to = Some(self.identity.bytes);
        attributes.synced = settings.sync != Sync::None;
        settle_open(file, &attributes)?;
        self.file.close();
        if cfg!(windows) {
            // What is open cannot be renamed there.
            self.kept = None;
        }
        settle_closed(&self.path, &attributes)?;
        if settings.force {
            std::fs::rename(&self.path, &self.target)?;
        } else {
            rename_to_nothing(&self.path, &self.target)?;
        }
        if let Some(record) = self.record.take() {
            drop(record);
            // It is of a file that is complete; a next fetch would find it of no use.
            let _ = remove(&self.record_path);
        }
        Ok(())
    }

    /// Gives the file up; what can be gone on from stays if `keep` says so. Nothing is in flight. Gives
    /// back why, with what is kept.
    pub(super) fn abandon(mut self, keep: bool, mut failure: Failure) -> Failure {
        self.file.close();
        let record = self.record.take();
        let outcome = match record {
            Some(mut record) if keep => {
                failure.kept_bytes = self.piece.0;
                record.flush()
            }
            record => {
                drop(record);
                if cfg!(windows) {
                    // What is open cannot be removed there.
                    self.kept = None;
                }
                remove(&self.record_path).and_then(|()| remove(&self.path))
            }
        };
        if let Err(error) = outcome {
            let path = self.path.display();
            failure.text.push_str(&format!("; {path} is left and of no use: remove it ({error})"));
        }
        failure
    }
}

fn source_of(identity: Identity) -> Source {
    Source { bytes: identity.bytes, time_ns: identity.time.ns() }
}

/// Renames, and fails if something is there.
fn rename_to_nothing(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Not every file system has it.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            outcome => return Ok(outcome?),
        }
    }
    if to.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    std::fs::rename(from, to)
}
