//! What former runs have left in a folder.

use super::names::{self, Mark, Names};
use super::{Folder, Identity, Inability, Noting, Warnings, is_ours, open_left};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;

/// What former runs have left in a folder for some targets, to go on from.
#[derive(Debug, Default)]
pub struct Leftovers {
    /// By the stem of the target's name.
    of: HashMap<Vec<u8>, Left>,
}

/// What was left for one target.
#[derive(Debug, Default)]
pub struct Left {
    pub(crate) files: Vec<(OsString, Mark)>,
    pub(crate) records: Vec<(OsString, Mark)>,
}

impl Leftovers {
    /// Looks for what former runs have left in `folder` for the targets that `is_target` knows by their
    /// stems, and is no longer written. It is kept to go on from if `keep` says so, and removed otherwise.
    /// What `spare` names is let alone: it is part of what is to be done.
    ///
    /// A folder that cannot be listed is as one without leftovers.
    pub(crate) fn find(
        folder: &Folder,
        names: &Names,
        keep: bool,
        is_target: &mut dyn FnMut(&[u8]) -> bool,
        spare: &dyn Fn(&OsStr, Identity) -> bool,
        noting: &Noting<'_>,
    ) -> Self {
        let mut found = Self::default();
        let Ok(listed) = folder.names() else { return found };
        for name in listed.map_while(Result::ok) {
            let (is_file, (stem, mark)) =
                match (names::parsed(&name, names.file), names::parsed(&name, names.record)) {
                    (Some(parts), _) => (true, parts),
                    (None, Some(parts)) => (false, parts),
                    (None, None) => continue,
                };
            let Ok(Some(facts)) = folder.look(&name) else { continue };
            if !is_ours(&facts, mark) || !is_target(stem) || spare(&name, facts.identity) {
                continue;
            }
            // What is empty still is nothing to go on from.
            if keep && matches!(mark, Mark::File { .. }) {
                let left = found.of.entry(stem.to_owned()).or_default();
                let list = if is_file { &mut left.files } else { &mut left.records };
                list.push((name, mark));
            } else {
                remove(folder, &name, mark, noting);
            }
        }
        found
    }

    /// The same for the one target `target`, for whoever has no plan of many.
    pub fn of_one(folder: &Folder, names: &Names, keep: bool, target: &OsStr) -> Self {
        let stem = names::stem_of(target);
        let stem = stem.as_encoded_bytes();
        let warnings = Warnings::default();
        let spare = |name: &OsStr, _| name == target;
        let noting = warnings.at("".as_ref());
        Self::find(folder, names, keep, &mut |it| it == stem, &spare, &noting)
    }

    /// Takes what was left for the target called `target`.
    pub fn take(&mut self, target: &OsStr) -> Left {
        self.of.remove(names::stem_of(target).as_encoded_bytes()).unwrap_or_default()
    }
}

impl Left {
    /// Removes all that nobody writes.
    pub fn remove(self, folder: &Folder, noting: &Noting<'_>) {
        for (name, mark) in self.files.into_iter().chain(self.records) {
            remove(folder, &name, mark, noting);
        }
    }
}

/// Removes what a former run has left, if nobody writes it. It stays where that cannot be known.
fn remove(folder: &Folder, name: &OsStr, mark: Mark, noting: &Noting<'_>) {
    let _ = (|| -> io::Result<()> {
        if noting.knows(Inability::Locks, folder.identity()) {
            return Ok(());
        }
        let Some((file, _)) = open_left(folder, name, mark, None, noting)? else { return Ok(()) };
        if noting.knows(Inability::Locks, folder.identity()) {
            return Ok(());
        }
        if cfg!(windows) {
            // What is open is not gone yet there.
            drop(file);
        }
        folder.remove(name)
    })();
}
