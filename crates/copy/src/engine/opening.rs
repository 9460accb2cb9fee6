//! How a file sets out: what is looked at before anything is made, and the two files it needs.

use super::{Engine, would_fail_again};
use crate::platform;
use crate::runs::{GRAIN, Runs};
use crate::summary::Failure;
use crate::temporary::{self, Temporary};
use crate::transfer::{Beginning, Transfer, failure};
use overlapped::{File, OpenFile};
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

/// A file that did not set out, and whether the others need not try.
type NotOpened = (Failure, bool);

impl Engine<'_> {
    /// Opens a file of the plan and what becomes its copy; None if there is nothing to do.
    pub(super) fn open(&self, number: usize) -> Result<Option<Transfer>, NotOpened> {
        let entry = &self.plan.files[number];
        let (source_path, target_path) = (self.plan.source_of(entry), self.plan.target_of(entry));
        let unreadable = |error| (failure(&source_path, "it cannot be read", &error), false);
        let wants_unbuffered = self.settings.wants_unbuffered(entry.bytes);
        let (source, source_unbuffered) =
            platform::open_source(&source_path, wants_unbuffered).map_err(unreadable)?;
        let facts = source.metadata().map_err(unreadable)?;
        if !facts.is_file() {
            return Err((refusal(&source_path, "it is no file any more".into()), false));
        }
        let is_in_new_folder =
            self.new_folders.get(self.plan.folder_of(entry)).is_some_and(|is_new| *is_new);
        let target_path = match is_in_new_folder {
            true => target_path,
            false => match self.look_at_target(&source_path, &facts, target_path)? {
                Some(path) => path,
                None => {
                    self.tallies.kept();
                    self.watch.advanced(facts.len(), 1);
                    return Ok(None);
                }
            },
        };
        if facts.len() == 0 && platform::has_contents(&source).map_err(unreadable)? {
            let text = "it is said to have 0 bytes and has contents, as files of the kernel do: \
                        read it with another tool";
            return Err((refusal(&source_path, text.to_owned()), false));
        }
        let runs = match platform::data_ranges(&source, &facts).map_err(unreadable)? {
            Some(data) => Runs::of(data, facts.len()),
            None => Runs::all(facts.len()),
        };
        if wants_unbuffered && !source_unbuffered {
            self.no_unbuffered(&source_path);
        }
        let source = self.associate(source).map_err(unreadable)?;
        let unwritable = |error: io::Error| {
            (failure(&target_path, "it cannot be written", &error), would_fail_again(&error))
        };
        let temporary = Temporary::of_copy(&target_path, wants_unbuffered, self.settings.resume)
            .map_err(unwritable)?;
        if wants_unbuffered && !temporary.unbuffered {
            self.no_unbuffered(&target_path);
        }
        let path = temporary.path.clone();
        let begun =
            temporary.file.try_clone().and_then(|file| self.associate(file)).and_then(|target| {
                // What a device asks for beyond the usual is left to the one that is buffered.
                let blocks = source.alignment().max(target.alignment());
                if blocks > GRAIN as usize {
                    return Err(io::Error::new(
                        io::ErrorKind::Unsupported,
                        format!("its device has blocks of {blocks} bytes: give --unbuffered never"),
                    ));
                }
                let target_path = target_path.clone();
                let beginning = Beginning {
                    source_path: source_path.clone(),
                    target_path,
                    source,
                    target,
                    temporary,
                    facts,
                    runs,
                };
                Transfer::begin(beginning, self.settings)
            });
        begun.map(Some).map_err(|error| {
            // The error that is told is the first one.
            let _ = temporary::remove(&temporary::record_for(&target_path));
            let _ = temporary::remove(&path);
            unwritable(error)
        })
    }

    fn associate(&self, file: std::fs::File) -> io::Result<File<super::Copying>> {
        Ok(self.port.associate(OpenFile::try_from(file)?, ())?)
    }

    fn no_unbuffered(&self, path: &Path) {
        self.tallies.cannot_be_unbuffered(|| {
            format!("the file system of {} has no unbuffered access", path.display())
        });
    }

    /// Looks at what is where the copy shall be, and gives where it really shall be; None if it is
    /// there already.
    fn look_at_target(
        &self,
        source_path: &Path,
        source: &Metadata,
        path: PathBuf,
    ) -> Result<Option<PathBuf>, NotOpened> {
        let there = match path.symlink_metadata() {
            // What is wrong otherwise shows when the file is made.
            Err(_) => return Ok(Some(path)),
            Ok(there) => there,
        };
        let refused = |text: &str| Err((refusal(&path, text.to_owned()), false));
        let (real, there) = if there.is_symlink() {
            match path.canonicalize().and_then(|real| Ok((real.metadata()?, real))) {
                Ok((there, real)) => (real, there),
                Err(_) => return refused("it is a link that leads nowhere: remove it"),
            }
        } else {
            (path.clone(), there)
        };
        if there.is_dir() {
            return refused("a folder is in the place of the file: move it away");
        }
        if !there.is_file() {
            return refused("it is no file (a pipe, a socket or a device), and is left as it is");
        }
        if platform::is_same_file((source_path, source), (&real, &there)) {
            return refused("source and target are the same file");
        }
        let same_time =
            || matches!((source.modified(), there.modified()), (Ok(a), Ok(b)) if a == b);
        if self.settings.resume && source.len() == there.len() && same_time() {
            return Ok(None);
        }
        if there.permissions().readonly() {
            return refused("it is there and may not be written: change its permissions first");
        }
        Ok(Some(real))
    }
}

fn refusal(path: &Path, text: String) -> Failure {
    Failure { path: path.to_owned(), text }
}
