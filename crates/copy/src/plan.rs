//! What is to be copied where. Looking changes nothing.

use crate::platform;
use crate::summary::Failure;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

/// What is to be copied where.
#[derive(Debug, Default)]
pub struct Plan {
    pub(crate) folders: Vec<Folder>,
    pub(crate) files: Vec<Entry>,
    pub(crate) links: Vec<Entry>,
    /// What cannot be copied, known before anything is changed.
    pub(crate) refused: Vec<Failure>,
    bytes: u64,
    largest_bytes: u64,
}

/// A folder whose entries are copied into another.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) source: PathBuf,
    pub(crate) target: PathBuf,
    /// It is to be made if it is not there, and then gets permissions and times of this one.
    pub(crate) like: Option<Metadata>,
}

/// A file or a link. The name is kept once where source and target have the same.
#[derive(Debug)]
pub(crate) struct Entry {
    folder: usize,
    name: OsString,
    new_name: Option<OsString>,
    pub(crate) bytes: u64,
}

impl Plan {
    /// Looks at `sources` and says what is to be made of them at or, if it is a folder, in `target`.
    /// Several sources need a folder. Folders are looked into if `recursive` says so.
    ///
    /// A source that is a link stands for what it leads to; links inside of folders are themselves.
    ///
    /// # Errors
    /// `InvalidInput` for what cannot be meant at all. What is wrong with one source is no error
    /// here: it is told when the others are copied.
    pub fn new(sources: &[PathBuf], target: &Path, recursive: bool) -> io::Result<Self> {
        let invalid = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        let into_folder = target.is_dir();
        if !into_folder && (sources.len() > 1 || ends_with_separator(target)) {
            let said = if target.exists() { "is no folder" } else { "is not there" };
            return invalid(format!(
                "{} {said}, and {} must be copied into a folder: make it first",
                target.display(),
                if sources.len() > 1 { "several sources" } else { "what ends in a separator" },
            ));
        }
        let mut plan = Self::default();
        let mut names = HashSet::new();
        for source in sources {
            let facts = match fs::metadata(source) {
                Ok(facts) => facts,
                Err(error) => {
                    plan.refuse(source, format!("it cannot be copied: {error}"));
                    continue;
                }
            };
            let (parent, new_name) = if into_folder {
                let Some(name) = name_of(source) else {
                    plan.refuse(source, "it has no name that a copy could have".to_owned());
                    continue;
                };
                (target.to_owned(), name)
            } else {
                let Some(name) = target.file_name() else {
                    return invalid(format!("{} is no name for a copy", target.display()));
                };
                (target.parent().unwrap_or(Path::new("")).to_owned(), name.to_owned())
            };
            if !names.insert(new_name.clone()) {
                plan.refuse(
                    source,
                    "an earlier source has the same name: copy it elsewhere".into(),
                );
                continue;
            }
            plan.add_source(source, &facts, parent, new_name, recursive);
        }
        Ok(plan)
    }

    fn add_source(
        &mut self,
        source: &Path,
        facts: &Metadata,
        parent: PathBuf,
        new_name: OsString,
        recursive: bool,
    ) {
        if facts.is_dir() {
            let new = parent.join(&new_name);
            if !recursive {
                return self.refuse(source, "it is a folder: give --recursive".to_owned());
            }
            if new.symlink_metadata().is_ok_and(|there| !there.is_dir()) && !new.is_dir() {
                let text = format!("{} is there and no folder: move it away", new.display());
                return self.refuse(source, text);
            }
            if is_inside(&new, source) {
                let text = format!("a folder cannot be copied into itself ({})", new.display());
                return self.refuse(source, text);
            }
            return self.add_folder(source.to_owned(), new, facts.clone());
        }
        let Some(name) = source.file_name() else {
            return self.refuse(source, "it has no name".to_owned());
        };
        let folder = self.folders.len();
        self.add_entry(folder, name.to_owned(), facts, source);
        if let Some(entry) = self.files.last_mut().filter(|entry| entry.folder == folder) {
            entry.new_name = (new_name != name).then_some(new_name);
            self.folders.push(Folder {
                source: source.parent().unwrap_or(Path::new("")).to_owned(),
                target: parent,
                like: None,
            });
        }
    }

    /// Adds a folder and all below it, nearest first.
    fn add_folder(&mut self, source: PathBuf, target: PathBuf, facts: Metadata) {
        let mut waiting = vec![(source, target, facts)];
        while let Some((source, target, facts)) = waiting.pop() {
            let folder = self.folders.len();
            match fs::read_dir(&source) {
                Err(error) => self.refuse(&source, format!("the folder cannot be read: {error}")),
                Ok(entries) => {
                    for entry in entries {
                        let looked = entry.and_then(|entry| Ok((entry.metadata()?, entry)));
                        match looked {
                            Err(error) => self
                                .refuse(&source, format!("the folder cannot be read on: {error}")),
                            Ok((facts, entry)) if facts.is_dir() => {
                                waiting.push((entry.path(), target.join(entry.file_name()), facts))
                            }
                            Ok((facts, entry)) => {
                                self.add_entry(folder, entry.file_name(), &facts, &entry.path());
                            }
                        }
                    }
                }
            }
            self.folders.push(Folder { source, target, like: Some(facts) });
        }
    }

    fn add_entry(&mut self, folder: usize, name: OsString, facts: &Metadata, path: &Path) {
        let bytes = facts.len();
        let entry = Entry { folder, name, new_name: None, bytes };
        if facts.is_file() {
            self.bytes += bytes;
            self.largest_bytes = self.largest_bytes.max(bytes);
            self.files.push(entry);
        } else if facts.is_symlink() && platform::COPIES_LINKS {
            self.links.push(entry);
        } else if facts.is_symlink() {
            self.refuse(path, "it is a link, and links are not copied on this system".to_owned());
        } else {
            self.refuse(
                path,
                "it is no file (a pipe, a socket or a device), so it is left out".into(),
            );
        }
    }

    fn refuse(&mut self, path: &Path, text: String) {
        self.refused.push(Failure { path: path.to_owned(), text });
    }

    /// How many files there are.
    pub fn files(&self) -> u64 {
        self.files.len() as u64
    }

    /// How many bytes all files have together.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many bytes the largest file has.
    pub fn largest_bytes(&self) -> u64 {
        self.largest_bytes
    }

    pub(crate) fn source_of(&self, entry: &Entry) -> PathBuf {
        self.folders[entry.folder].source.join(&entry.name)
    }

    pub(crate) fn target_of(&self, entry: &Entry) -> PathBuf {
        let name = entry.new_name.as_ref().unwrap_or(&entry.name);
        self.folders[entry.folder].target.join(name)
    }

    pub(crate) fn folder_of(&self, entry: &Entry) -> usize {
        entry.folder
    }
}

fn ends_with_separator(path: &Path) -> bool {
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.last().is_some_and(|byte| std::path::is_separator(char::from(*byte)))
}

/// The name of what `path` leads to, also of `.` and `folder/..`.
fn name_of(path: &Path) -> Option<OsString> {
    match path.file_name() {
        Some(name) => Some(name.to_owned()),
        None => path.canonicalize().ok()?.file_name().map(OsStr::to_owned),
    }
}

/// Whether `path`, which need not be there, lies in `folder` or is it.
fn is_inside(path: &Path, folder: &Path) -> bool {
    let Ok(folder) = folder.canonicalize() else { return false };
    let mut path = path.to_owned();
    loop {
        let here = if path.as_os_str().is_empty() { Path::new(".") } else { &path };
        match here.canonicalize() {
            Ok(real) => return real.starts_with(&folder),
            Err(_) if !path.pop() => return false,
            Err(_) => {}
        }
    }
}
