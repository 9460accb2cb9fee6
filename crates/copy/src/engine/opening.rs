//! How a file sets out: what is looked at before anything is made, and the two files it needs.

use super::around::Place;
use super::claims::Owner;
use super::{Engine, would_fail_again};
use crate::folder::{Folder, Kind};
use crate::platform;
use crate::runs::{GRAIN, Runs};
use crate::summary::Failure;
use crate::transfer::{Beginning, Transfer, failure};
use crate::unfinished::{COPY, How, Left, Record, Source, Temporary};
use overlapped::{File, OpenFile};
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::PoisonError;

/// A file that did not set out, and whether the others need not try.
type NotOpened = (Failure, bool);

/// What is where the copy shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum There {
    Nothing,
    /// A file that is replaced.
    Old,
    /// A copy that a former run has finished.
    Copy,
}

impl Engine<'_> {
    /// Opens a file of the plan and what becomes its copy; None if there is nothing to do.
    pub(super) fn open(&self, number: usize) -> Result<Option<Transfer>, NotOpened> {
        let entry = &self.plan.files[number];
        let folder = &self.plan.folders[entry.folder];
        if self.place_of(folder.target) == Place::Out {
            return Ok(None);
        }
        let (source_path, target_path) = (self.plan.source_of(entry), self.plan.target_of(entry));
        let unreadable = |error| (failure(&source_path, "it cannot be read", &error), false);
        let unwritable = |error: io::Error| {
            (failure(&target_path, "it cannot be written", &error), would_fail_again(&error))
        };
        let wants_unbuffered = self.settings.wants_unbuffered(entry.bytes);
        // Only a link that the user has named stands for what it leads to.
        let follow = folder.like.is_none();
        let from = self.plan.sources.get(folder.source).map_err(unreadable)?;
        let (source, source_unbuffered) =
            from.open_source(&entry.name, follow, wants_unbuffered).map_err(unreadable)?;
        let facts = source.metadata().map_err(unreadable)?;
        if !facts.is_file() {
            return Err((refusal(&source_path, "it is no file any more".into()), false));
        }
        let into = self.plan.targets.get(folder.target).map_err(unwritable)?;
        let there = match self.place_of(folder.target) {
            Place::New => There::Nothing,
            _ => {
                self.look_at_target(number, (&source_path, &from, &source), (&target_path, &into))?
            }
        };
        if there == There::Copy {
            self.tallies.kept();
            self.watch.advanced(facts.len(), 1);
            return Ok(None);
        }
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
        let (name, resumes) = (entry.new_name(), self.settings.resume && !runs.is_empty());
        let avoid = |name: &OsStr| self.plan.has_target(folder.target, name);
        let noting = self.warnings.at(&target_path);
        let mut left = self.left_for(folder.target, name);
        let how = How { unbuffered: wants_unbuffered, named: resumes };
        let temporary = Temporary::open(&into, &COPY, name, how, &mut left, &avoid, &noting)
            .map_err(unwritable)?;
        self.claims.made(temporary.identity(), Owner::File(number));
        if wants_unbuffered && !temporary.unbuffered {
            self.no_unbuffered(&target_path);
        }
        let (attributes, has_list) = platform::attributes_of(&source, &facts);
        if has_list {
            self.list_is_not_copied(&source_path, into.identity());
        }
        let begun = (|| {
            let of = if resumes { Some(Source::of(&from.facts_of_open(&source)?)) } else { None };
            let source = self.associate(source)?;
            let target = self.associate(temporary.file()?.try_clone()?)?;
            // What a device asks for beyond the usual is left to the one that is buffered.
            let blocks = source.alignment().max(target.alignment());
            if blocks > GRAIN as usize {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    format!("its device has blocks of {blocks} bytes: give --unbuffered never"),
                ));
            }
            let found = match of {
                Some(of) if temporary.is_old => Record::resume(&into, &mut left, of, &noting),
                _ => None,
            };
            let record = match (found, of) {
                (None, Some(of)) => {
                    let begun = Record::begin(&into, &COPY, name, of, &avoid, &noting)?;
                    Some((begun, Vec::new()))
                }
                (found, _) => found,
            };
            left.remove(&into, &noting);
            let beginning = Beginning {
                number,
                source_path: source_path.clone(),
                target_path: target_path.clone(),
                source,
                target,
                temporary,
                replaces: there == There::Old,
                size: facts.len(),
                attributes,
                runs,
                record,
            };
            Transfer::begin(beginning, self.settings)
        })();
        begun.map(Some).map_err(unwritable)
    }

    /// What former runs have left for this target.
    fn left_for(&self, target: usize, name: &OsStr) -> Left {
        let leftovers = self.leftovers.get(&target);
        let leftovers = leftovers.map(|it| it.lock().unwrap_or_else(PoisonError::into_inner));
        leftovers.map(|mut it| it.take(name)).unwrap_or_default()
    }

    fn associate(&self, file: std::fs::File) -> io::Result<File<super::Copying>> {
        Ok(self.port.associate(OpenFile::try_from(file)?, ())?)
    }

    fn no_unbuffered(&self, path: &Path) {
        self.tallies.cannot_be_unbuffered(|| {
            format!("the file system of {} has no unbuffered access", path.display())
        });
    }

    /// Looks at what is where the copy shall be.
    fn look_at_target(
        &self,
        number: usize,
        (source_path, from, source): (&Path, &Folder, &std::fs::File),
        (path, into): (&Path, &Folder),
    ) -> Result<There, NotOpened> {
        let name = self.plan.files[number].new_name();
        let there = match into.look(name) {
            // What is wrong shows when the file is made.
            Err(_) | Ok(None) => return Ok(There::Nothing),
            Ok(Some(there)) => there,
        };
        let refused = |text: &str| Err((refusal(path, text.to_owned()), false));
        match there.kind {
            Kind::File => {}
            Kind::Link => {
                return refused(
                    "a link is in the place of the file, and a copy does not go through it: remove \
                     the link, or name in full what it leads to",
                );
            }
            Kind::Folder => return refused("a folder is in the place of the file: move it away"),
            Kind::Other => {
                return refused(
                    "it is no file (a pipe, a socket or a device), and is left as it is",
                );
            }
        }
        let told = |error| (failure(path, "it cannot be replaced", &error), false);
        let source = from.facts_of_open(source).map_err(told)?;
        if source.identity == there.identity {
            return refused("source and target are the same file");
        }
        let owner = Owner::File(number);
        let first = self.claims.claim_file(into, name, &there, owner).map_err(told)?;
        if let Some(first) = first {
            return Err((refusal(source_path, self.meant_by_two(first)), false));
        }
        let is_same_time = source.time_ns == there.time_ns;
        if self.settings.resume && source.bytes == there.bytes && is_same_time {
            return Ok(There::Copy);
        }
        if there.is_read_only {
            return refused("it is there and may not be written: change its permissions first");
        }
        Ok(There::Old)
    }
}

fn refusal(path: &Path, text: String) -> Failure {
    Failure { path: path.to_owned(), text }
}
