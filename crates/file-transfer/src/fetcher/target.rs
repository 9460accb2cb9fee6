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
    Attributes, Folder, How, Leftovers, Names, Noting, Part, Piece, Record, Source, Temporary,
    Warning, Warnings, forget_cached, new_file_mode,
};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::FileTimes;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The names of what is not finished; others than a copy's, whose records are of files here.
const NAMES: Names = Names { file: ".overlapped-fetch-", record: ".overlapped-fetched-" };

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
    folder: Arc<Folder>,
    name: OsString,
    temporary: Temporary,
    identity: Identity,
    record: Option<Record>,
    /// What the record says is there.
    pieces: Vec<Piece>,
    /// Where the piece begins that is being received, its length so far, and its checksum.
    piece: (u64, u64, crc32fast::Hasher),
    warnings: Warnings,
}

/// A fetch has one target, so no name is to be avoided: its own has no mark in it.
fn avoid(_name: &OsStr) -> bool {
    false
}

impl Unfinished {
    /// Makes it, or, with `resume`, takes what a former run has left of the same file.
    pub(super) fn open(
        port: &Port<Fetching>,
        target: &Path,
        identity: Identity,
        resume: bool,
    ) -> Result<Self, Failure> {
        let warnings = Warnings::default();
        let opened = (|| {
            let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
            let folder = Arc::new(Folder::open(target.parent().unwrap_or(Path::new("")))?);
            let noting = warnings.at(target);
            let mut left = Leftovers::of_one(&folder, &NAMES, resume, &name).take(&name);
            let how = How { unbuffered: false, named: resume };
            let temporary =
                Temporary::open(&folder, &NAMES, &name, how, &mut left, &avoid, &noting)?;
            let found = match temporary.is_old {
                true => Record::resume(&folder, &mut left, source_of(identity), &noting),
                false => None,
            };
            left.remove(&folder, &noting);
            let is_of_another = temporary.is_old && found.is_none();
            let file = temporary.file()?;
            if is_of_another {
                file.set_len(0)?;
            }
            let (record, pieces) = match found {
                Some((record, pieces)) => (Some(record), pieces),
                None => (None, Vec::new()),
            };
            let file = port.associate(OpenFile::try_from(file.try_clone()?)?, ())?;
            Ok((folder, name, temporary, file, is_of_another, record, pieces))
        })();
        let (folder, name, temporary, file, is_of_another, record, pieces) = opened
            .map_err(|error: io::Error| Failure::at(target, "it cannot be written", &error))?;
        Ok(Self {
            target: target.to_owned(),
            file,
            is_of_another,
            folder,
            name,
            temporary,
            identity,
            record,
            pieces,
            piece: (0, 0, crc32fast::Hasher::new()),
            warnings,
        })
    }

    /// Where the file is, if it has a name yet.
    pub(super) fn temporary_path(&self) -> Option<PathBuf> {
        Some(self.target.with_file_name(self.temporary.name()?))
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

    /// Begins the file's record if one is wanted. `from` is where the body begins.
    pub(super) fn begin_record(&mut self, with_record: bool, from: u64) -> Result<(), Failure> {
        let outcome = (|| {
            if with_record && self.record.is_none() {
                let noting = self.warnings.at(&self.target);
                let source = source_of(self.identity);
                let begun =
                    Record::begin(&self.folder, &NAMES, &self.name, source, &avoid, &noting);
                self.record = Some(begun?);
            }
            self.piece = (from, 0, crc32fast::Hasher::new());
            Ok(())
        })();
        outcome.map_err(|error: io::Error| {
            Failure::at(&self.target, "its record cannot be written", &error)
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
                    Failure::at(&self.target, "its record cannot be written", &error)
                })?;
            }
        }
        Ok(())
    }

    /// Asks the system to forget what it has of the file in its cache.
    pub(super) fn forget_cached(&self) {
        if let Ok(file) = self.temporary.file() {
            forget_cached(file);
        }
    }

    /// Gives the file its time and its name, and gives what its file system could not do. Nothing is in
    /// flight.
    pub(super) fn finish(mut self, settings: &FetchSettings) -> Result<Vec<Warning>, Failure> {
        if let Err(error) = self.give_name(settings) {
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
        if let Some(record) = self.record.take() {
            // It is of a file that is complete; a next fetch would find it of no use.
            let _ = record.remove();
        }
        let synced = if settings.sync == Sync::All { self.folder.sync() } else { Ok(()) };
        synced
            .map_err(|error| Failure::at(&self.target, "its new name cannot be flushed", &error))?;
        Ok(self.warnings.all())
    }

    fn give_name(&mut self, settings: &FetchSettings) -> io::Result<()> {
        let Self { temporary, warnings, target, name, .. } = self;
        let file = temporary.file()?;
        let mut times = FileTimes::new();
        if let Some(time) = self.identity.time.to_system() {
            times = times.set_modified(time);
        }
        let old = target.symlink_metadata().ok().filter(|there| there.is_file());
        let mut attributes = Attributes::of(&file.metadata()?);
        // What is new gets what its folder gives, what replaces another no more than that had.
        attributes.without_access_list = old.is_some();
        attributes.permissions = match old {
            Some(old) => Attributes::of(&old).permissions,
            None => new_file_mode(file)?,
        };
        attributes.times = times;
        attributes.cut_to = Some(self.identity.bytes);
        attributes.synced = settings.sync != Sync::None;
        let noting: Noting<'_> = warnings.at(target);
        temporary.settle(&attributes, &noting)?;
        self.file.close();
        temporary.give_name(name, settings.force, &attributes, &avoid, &noting)
    }

    /// Gives the file up; what can be gone on from stays if `keep` says so. Nothing is in flight. Gives
    /// back why, with what is kept.
    pub(super) fn abandon(mut self, keep: bool, mut failure: Failure) -> Failure {
        self.file.close();
        let outcome = match self.record.take() {
            Some(mut record) if keep => {
                failure.kept_bytes = self.piece.0;
                record.flush().and_then(|()| self.temporary.abandon(true))
            }
            record => record.map_or(Ok(()), Record::remove).and(self.temporary.abandon(false)),
        };
        if let Err(error) = outcome {
            failure.text.push_str(&format!(
                "; its temporary file (.NAME{}...) is left and of no use: remove it ({error})",
                NAMES.file
            ));
        }
        failure
    }
}

fn source_of(identity: Identity) -> Source {
    Source { bytes: identity.bytes, time_ns: identity.time.ns() }
}
