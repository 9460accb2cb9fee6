//! Many folders that are reached from each other by name, of which few are open at a time.
//!
//! A folder is opened from the open one that holds it, so a tree may be deeper than any path may be long,
//! and a name in it that has become a link is not followed. The folders that were used last stay open;
//! one that was closed is reached again from the nearest that is open.

use super::{Folder, Identity};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many folders of one tree are kept open.
pub(crate) const OPEN_MAX: usize = 32;

/// Where a folder is.
#[derive(Debug)]
enum Place {
    /// At this path, which the user has named; and which folder was there when it was opened first.
    Path(PathBuf, Mutex<Option<Identity>>),
    /// Under this name in another folder of the list.
    In(usize, OsString),
}

/// A list of folders, and those of them that are open.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    places: Vec<Place>,
    /// The one that was used last is at the end.
    open: Mutex<VecDeque<(usize, Arc<Folder>)>>,
}

impl Tree {
    /// Adds the folder at a path that the user has named.
    pub(crate) fn add_path(&mut self, path: PathBuf) -> usize {
        self.places.push(Place::Path(path, Mutex::new(None)));
        self.places.len() - 1
    }

    /// Adds the folder `name` of the folder `holder`.
    pub(crate) fn add(&mut self, holder: usize, name: OsString) -> usize {
        self.places.push(Place::In(holder, name));
        self.places.len() - 1
    }

    /// The path of a folder, to tell of it.
    pub(crate) fn path(&self, mut number: usize) -> PathBuf {
        let mut names = Vec::new();
        loop {
            match &self.places[number] {
                Place::Path(path, _) => {
                    let mut path = path.clone();
                    path.extend(names.iter().rev());
                    return path;
                }
                Place::In(holder, name) => {
                    names.push(name);
                    number = *holder;
                }
            }
        }
    }

    /// The folder that holds this one, and its name there; None for one that was named by a path.
    pub(crate) fn holder(&self, number: usize) -> Option<(usize, &OsString)> {
        match &self.places[number] {
            Place::Path(..) => None,
            Place::In(holder, name) => Some((*holder, name)),
        }
    }

    /// As if others had been used since.
    #[cfg(all(test, target_os = "linux"))]
    pub(crate) fn close_all(&self) {
        lock(&self.open).clear();
    }

    /// The folder, opened if it is not open.
    pub(crate) fn get(&self, number: usize) -> io::Result<Arc<Folder>> {
        let mut open = lock(&self.open);
        // From here up to one that is open, or named by a path.
        let mut way = Vec::new();
        let mut at = number;
        let mut folder = loop {
            if let Some(index) = open.iter().rposition(|(it, _)| *it == at) {
                let entry = open.remove(index);
                if let Some((_, folder)) = entry {
                    open.push_back((at, Arc::clone(&folder)));
                    break folder;
                }
            }
            match &self.places[at] {
                Place::Path(path, first) => {
                    let folder = Folder::open(path)?;
                    let mut first = lock(first);
                    if *first.get_or_insert(folder.identity()) != folder.identity() {
                        let text = "another folder was put in its place meanwhile";
                        return Err(io::Error::new(io::ErrorKind::NotADirectory, text));
                    }
                    let folder = Arc::new(folder);
                    keep(&mut open, at, &folder);
                    break folder;
                }
                Place::In(holder, name) => {
                    way.push((at, name));
                    at = *holder;
                }
            }
        };
        for (number, name) in way.into_iter().rev() {
            folder = Arc::new(folder.child(name)?);
            keep(&mut open, number, &folder);
        }
        Ok(folder)
    }
}

fn keep(open: &mut VecDeque<(usize, Arc<Folder>)>, number: usize, folder: &Arc<Folder>) {
    if open.len() == OPEN_MAX {
        open.pop_front();
    }
    open.push_back((number, Arc::clone(folder)));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
