//! What is to be copied where. Looking changes nothing.

use crate::folder::tree::Tree;
use crate::folder::{COPIES_LINKS, Kind};
use crate::platform::Attributes;
use crate::reserved::{reserved_in_path, reserved_on_windows};
use crate::summary::Failure;
use crate::unfinished::may_be_taken_for_one;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

/// What is to be copied where. It holds some of the folders open; on Windows nobody can remove or rename
/// those as long as it lives.
#[derive(Debug, Default)]
pub struct Plan {
    /// Where files and folders come from, and where they go.
    pub(crate) sources: Tree,
    pub(crate) targets: Tree,
    pub(crate) folders: Vec<Folder>,
    pub(crate) files: Vec<Entry>,
    pub(crate) links: Vec<Entry>,
    /// What cannot be copied, known before anything is changed.
    pub(crate) refused: Vec<Failure>,
    /// Targets that are called as a temporary file could be, in small letters, by their folder in `targets`.
    like_temporary: HashSet<(usize, OsString)>,
    bytes: u64,
    largest_bytes: u64,
}

/// A folder whose entries are copied into another: numbers in `sources` and `targets`.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) source: usize,
    pub(crate) target: usize,
    /// It is to be made if it is not there, and then gets permissions and times of this one. None for one
    /// whose files were named one by one.
    pub(crate) like: Option<Attributes>,
    /// It has an access list, which is not copied.
    pub(crate) has_list: bool,
}

/// A file or a link. The name is kept once where source and target have the same.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) folder: usize,
    pub(crate) name: OsString,
    new_name: Option<OsString>,
    pub(crate) bytes: u64,
}

impl Entry {
    /// What it is called in the target.
    pub(crate) fn new_name(&self) -> &OsStr {
        self.new_name.as_ref().unwrap_or(&self.name)
    }
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
        if let (true, Some(why)) = (cfg!(windows), reserved_in_path(target)) {
            return invalid(format!("{}: {why}: choose another target", target.display()));
        }
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
        // One folder of the plan for all files that are named one by one and lie in one folder.
        let mut named = HashMap::new();
        let mut names = HashSet::new();
        let into = into_folder.then(|| plan.targets.add_path(target.to_owned()));
        for source in sources {
            if let (true, Some(why)) = (cfg!(windows), reserved_in_path(source)) {
                plan.refuse(source, format!("it cannot be copied: {why}"));
                continue;
            }
            let facts = match fs::metadata(source) {
                Ok(facts) => facts,
                Err(error) => {
                    plan.refuse(source, format!("it cannot be copied: {error}"));
                    continue;
                }
            };
            let (new, into) = match into {
                Some(into) => {
                    let Some(name) = name_of(source) else {
                        plan.refuse(source, "it has no name that a copy could have".to_owned());
                        continue;
                    };
                    (target.join(name), into)
                }
                None => {
                    let new = match real_target(target, &facts) {
                        Ok(new) => new,
                        Err(text) => {
                            plan.refuse(target, text);
                            continue;
                        }
                    };
                    let parent = new.parent().unwrap_or(Path::new("")).to_owned();
                    (new, plan.targets.add_path(parent))
                }
            };
            let Some(new_name) = new.file_name() else {
                return invalid(format!("{} is no name for a copy", target.display()));
            };
            if !names.insert(new_name.to_owned()) {
                let text = "an earlier source has the same name: copy it elsewhere";
                plan.refuse(source, text.into());
            } else if facts.is_dir() {
                plan.add_source_folder(source, &new, (into, new_name), recursive);
            } else if let Some(name) = source.file_name() {
                let parent = source.parent().unwrap_or(Path::new(""));
                let folder = *named.entry(parent).or_insert_with(|| {
                    let source = plan.sources.add_path(parent.to_owned());
                    plan.folders.push(Folder { source, target: into, like: None, has_list: false });
                    plan.folders.len() - 1
                });
                let kind = if facts.is_file() { Kind::File } else { Kind::Other };
                plan.add_entry(folder, name.to_owned(), Some(new_name), (kind, facts.len()));
            } else {
                plan.refuse(source, "it has no name".to_owned());
            }
        }
        Ok(plan)
    }

    fn add_source_folder(
        &mut self,
        source: &Path,
        new: &Path,
        (into, new_name): (usize, &OsStr),
        recursive: bool,
    ) {
        if !recursive {
            return self.refuse(source, "it is a folder: give --recursive".to_owned());
        }
        if let Ok(there) = new.symlink_metadata()
            && !there.is_dir()
        {
            return self.refuse(new, in_the_place_of_a_folder(there.is_symlink()).to_owned());
        }
        if is_inside(new, source) {
            let text = format!("a folder cannot be copied into itself ({})", new.display());
            return self.refuse(source, text);
        }
        let source = self.sources.add_path(source.to_owned());
        let target = self.targets.add(into, new_name.to_owned());
        self.add_folder(source, target);
    }

    /// Adds a folder and all below it, each before what is in it.
    fn add_folder(&mut self, source: usize, target: usize) {
        let mut waiting = vec![(source, target)];
        while let Some((source, target)) = waiting.pop() {
            let opened = self.sources.get(source).and_then(|open| Ok((open.attributes()?, open)));
            let ((like, has_list), open) = match opened {
                Ok(opened) => opened,
                Err(error) => {
                    let text = format!("the folder cannot be read: {error}");
                    self.refuse(&self.sources.path(source), text);
                    continue;
                }
            };
            let folder = self.folders.len();
            self.folders.push(Folder { source, target, like: Some(like), has_list });
            let refused = |error: io::Error| format!("the folder cannot be read: {error}");
            let entries = match open.entries() {
                Ok(entries) => entries,
                Err(error) => {
                    self.refuse(&self.sources.path(source), refused(error));
                    continue;
                }
            };
            for entry in entries {
                match entry {
                    Err(error) => {
                        self.refuse(&self.sources.path(source), refused(error));
                        break;
                    }
                    Ok((name, Kind::Folder, _)) => {
                        let source = self.sources.add(source, name.clone());
                        if !cfg!(windows) || self.may_be_called(&name, &self.sources.path(source)) {
                            waiting.push((source, self.targets.add(target, name)));
                        }
                    }
                    Ok((name, kind, bytes)) => self.add_entry(folder, name, None, (kind, bytes)),
                }
            }
        }
    }

    fn add_entry(
        &mut self,
        folder: usize,
        name: OsString,
        new_name: Option<&OsStr>,
        (kind, bytes): (Kind, u64),
    ) {
        let new_name = new_name.filter(|new| **new != *name).map(OsStr::to_owned);
        let entry = Entry { folder, name, new_name, bytes };
        match kind {
            Kind::File | Kind::Link if !self.may_be_called_so(&entry) => {}
            Kind::File => {
                self.bytes += bytes;
                self.largest_bytes = self.largest_bytes.max(bytes);
                self.files.push(entry);
            }
            Kind::Link if COPIES_LINKS => self.links.push(entry),
            Kind::Link => {
                let text = "it is a link, and links are not copied on this system";
                self.refuse(&self.source_of(&entry), text.to_owned());
            }
            Kind::Folder | Kind::Other => {
                let text = "it is no file (a pipe, a socket or a device), so it is left out";
                self.refuse(&self.source_of(&entry), text.to_owned());
            }
        }
    }

    /// Whether a target may have this name on Windows; tells it where not.
    fn may_be_called(&mut self, name: &OsStr, source: &Path) -> bool {
        let reserved = name.to_str().and_then(reserved_on_windows);
        if let Some(why) = reserved {
            self.refuse(source, format!("it cannot be copied under its name: {why}"));
        }
        reserved.is_none()
    }

    fn may_be_called_so(&mut self, entry: &Entry) -> bool {
        let name = entry.new_name();
        if may_be_taken_for_one(name) {
            let target = self.folders[entry.folder].target;
            self.like_temporary.insert((target, name.to_ascii_lowercase()));
        }
        !cfg!(windows) || self.may_be_called(name, &self.source_of(entry))
    }

    /// Whether a target in this folder of `targets` has such a name.
    pub(crate) fn has_target(&self, target: usize, name: &OsStr) -> bool {
        !self.like_temporary.is_empty()
            && self.like_temporary.contains(&(target, name.to_ascii_lowercase()))
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
        self.sources.path(self.folders[entry.folder].source).join(&entry.name)
    }

    pub(crate) fn target_of(&self, entry: &Entry) -> PathBuf {
        self.targets.path(self.folders[entry.folder].target).join(entry.new_name())
    }
}

/// What is said of something that is where a folder shall be.
pub(crate) fn in_the_place_of_a_folder(is_link: bool) -> &'static str {
    if is_link {
        "a link is in the place of the folder, and a copy does not go through it: move it away, or copy \
         into the folder that it leads to"
    } else {
        "it is there and no folder: move it away"
    }
}

/// Where the copy of one file goes whose target was named in full: a link that the user names leads to the
/// file that is replaced.
fn real_target(target: &Path, source: &Metadata) -> Result<PathBuf, String> {
    let is_link = target.symlink_metadata().is_ok_and(|there| there.is_symlink());
    if source.is_dir() || !is_link {
        return Ok(target.to_owned());
    }
    // The system decides whether this link may be followed.
    match fs::metadata(target).and_then(|_| target.canonicalize()) {
        Ok(real) => Ok(real),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err("it is a link that leads nowhere: remove it".to_owned())
        }
        Err(error) => Err(format!("it is a link that cannot be followed ({error}): remove it")),
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
