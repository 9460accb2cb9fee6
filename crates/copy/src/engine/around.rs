//! What is done before and after the files: folders, links, and names that shall be on the device.

use super::Engine;
use super::claims::Owner;
use crate::folder::{Folder, Identity, Kind};
use crate::plan::{Entry, in_the_place_of_a_folder};
use crate::settings::Sync;
use crate::summary::Failure;
use crate::transfer::{Transfer, failure};
use crate::unfinished::{self, Inability, Leftovers};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// How a folder of the target was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It was made, so nothing is in it.
    New,
    /// It was there.
    There,
    /// Nothing can be put there, and that was told.
    Out,
}

impl Engine<'_> {
    pub(super) fn make_folders(&mut self) {
        for number in 0..self.plan.folders.len() {
            let target = self.plan.folders[number].target;
            if self.plan.folders[number].like.is_none() {
                self.places.insert(target, Place::There);
            } else {
                let place = match self.make_folder(number) {
                    Ok(place) => place,
                    Err(problem) => {
                        problem.into_iter().for_each(|problem| self.tell(problem));
                        Place::Out
                    }
                };
                self.tallies.folders(u64::from(place == Place::New));
                self.places.insert(target, place);
            }
            if self.places[&target] == Place::There && !self.leftovers.contains_key(&target) {
                let leftovers = self.find_leftovers(target);
                self.leftovers.insert(target, Mutex::new(leftovers));
            }
        }
    }

    /// Makes a folder, or finds it there. The problem is None if it was told of a folder that holds it.
    fn make_folder(&self, number: usize) -> Result<Place, Option<Failure>> {
        let (targets, folder) = (&self.plan.targets, &self.plan.folders[number]);
        let (Some((holder, name)), Some(like)) = (targets.holder(folder.target), &folder.like)
        else {
            return Ok(Place::There);
        };
        if self.place_of(holder) == Place::Out {
            return Err(None);
        }
        let problem = |what, error: io::Error| failure(&targets.path(folder.target), what, &error);
        let holder = targets.get(holder).map_err(|error| problem("it cannot be made", error))?;
        let place = match holder.make_child(name, like) {
            Ok(()) => {
                if folder.has_list {
                    let path = self.plan.sources.path(folder.source);
                    self.list_is_not_copied(&path, holder.identity());
                }
                Place::New
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Place::There,
            Err(error) => return Err(Some(problem("the folder cannot be made", error))),
        };
        let open = match targets.get(folder.target) {
            Ok(open) => open,
            Err(error) => {
                let path = targets.path(folder.target);
                let text = match holder.look(name) {
                    Ok(Some(there)) if there.kind != Kind::Folder => {
                        in_the_place_of_a_folder(there.kind == Kind::Link).to_owned()
                    }
                    _ => return Err(Some(problem("the folder cannot be opened", error))),
                };
                return Err(Some(Failure { path, text }));
            }
        };
        match self.claims.claim(open.identity(), Owner::Folder(number)) {
            None => Ok(place),
            Some(first) => {
                let path = self.plan.sources.path(folder.source);
                Err(Some(Failure { path, text: self.meant_by_two(first) }))
            }
        }
    }

    /// The source at `path` has an access list.
    pub(super) fn list_is_not_copied(&self, path: &Path, target: Identity) {
        let error = io::ErrorKind::Unsupported.into();
        self.warnings.at(path).note(Inability::AccessLists, target, &error);
    }

    /// How a folder of `targets` was found.
    pub(super) fn place_of(&self, target: usize) -> Place {
        self.places.get(&target).copied().unwrap_or(Place::There)
    }

    /// What former runs have left in a folder of `targets` for files that go there now.
    fn find_leftovers(&self, target: usize) -> Leftovers {
        let Ok(folder) = self.plan.targets.get(target) else { return Leftovers::default() };
        let path = self.plan.targets.path(target);
        let entries = || {
            let files = self.plan.files.iter();
            files.filter(|entry| self.plan.folders[entry.folder].target == target)
        };
        // Almost always nothing was left, and nobody asks.
        let mut stems: Option<HashSet<Vec<u8>>> = None;
        let mut is_target = |stem: &[u8]| {
            let stem_of =
                |entry: &Entry| unfinished::stem_of(entry.new_name()).as_encoded_bytes().to_owned();
            stems.get_or_insert_with(|| entries().map(stem_of).collect()).contains(stem)
        };
        // A leftover that is copied itself, here or from here, is a file like others.
        let spare = |name: &OsStr, identity| {
            self.plan.has_target(target, name)
                || entries().any(|entry| {
                    let source = self.plan.sources.get(self.plan.folders[entry.folder].source);
                    let there = source.and_then(|source| source.look(&entry.name));
                    there.is_ok_and(|there| there.is_some_and(|it| it.identity == identity))
                })
        };
        let noting = self.warnings.at(&path);
        let keep = self.settings.resume;
        Leftovers::find(&folder, &unfinished::COPY, keep, &mut is_target, &spare, &noting)
    }

    /// What is said of a source whose copy would be written over that of another.
    pub(super) fn meant_by_two(&self, first: Owner) -> String {
        let first = match first {
            Owner::File(number) => self.plan.source_of(&self.plan.files[number]),
            Owner::Link(number) => self.plan.source_of(&self.plan.links[number]),
            Owner::Folder(number) => self.plan.sources.path(self.plan.folders[number].source),
        };
        format!(
            "it and {} have names that mean the same in the target, so it is not copied: copy it \
             elsewhere",
            first.display()
        )
    }

    /// Something has the name already that a file shall get, and had it not when the file was opened.
    pub(super) fn was_made_meanwhile(&self, transfer: &Transfer) -> Failure {
        let entry = &self.plan.files[transfer.number];
        let folder = self.plan.targets.get(self.plan.folders[entry.folder].target);
        let there = folder.and_then(|folder| folder.look(entry.new_name())).ok().flatten();
        match there.and_then(|there| self.claims.owner(there.identity)) {
            Some(first) => {
                Failure { path: transfer.source_path.clone(), text: self.meant_by_two(first) }
            }
            None => Failure {
                path: transfer.target_path.clone(),
                text: "another program has made it meanwhile: copy it again to replace it"
                    .to_owned(),
            },
        }
    }

    pub(super) fn copy_links(&self) {
        for (number, entry) in self.plan.links.iter().enumerate() {
            if self.is_stopped() {
                return;
            }
            match self.copy_link(number, entry) {
                Ok(true) => self.tallies.linked(),
                Ok(false) => {}
                Err(problem) => self.tell(problem),
            }
        }
    }

    /// Copies a link; false if it was told of the folder that nothing can be put there.
    fn copy_link(&self, number: usize, entry: &Entry) -> Result<bool, Failure> {
        let (folder, name) = (&self.plan.folders[entry.folder], entry.new_name());
        if self.place_of(folder.target) == Place::Out {
            return Ok(false);
        }
        let problem =
            |error| failure(&self.plan.target_of(entry), "the link cannot be made", &error);
        let owner = Owner::Link(number);
        let copied = (|| {
            let leads_to = self.plan.sources.get(folder.source)?.read_link(&entry.name)?;
            let into = self.plan.targets.get(folder.target)?;
            match into.make_link(&leads_to, name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                outcome => {
                    outcome?;
                    self.own_link(&into, name, owner)?;
                    return Ok(None);
                }
            }
            let Some(there) = into.look(name)? else { return Err(io::ErrorKind::NotFound.into()) };
            if there.kind == Kind::Folder {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            if let Some(first) = self.claims.claim_file(&into, name, &there, owner)? {
                return Ok(Some(first));
            }
            if there.kind == Kind::Link && into.read_link(name)? == leads_to {
                return Ok(None);
            }
            // Only a rename replaces, and it needs a name, which nobody can know beforehand.
            let chance = RandomState::new().hash_one(number);
            let first = format!(".overlapped-link-{chance:016x}");
            into.make_link(&leads_to, first.as_ref())?;
            if let Err(error) = into.rename(first.as_ref(), name) {
                // The error that is told is the first one.
                let _ = into.remove(first.as_ref());
                return Err(error);
            }
            self.own_link(&into, name, owner)?;
            Ok(None)
        })();
        match copied.map_err(problem)? {
            None => Ok(true),
            Some(first) => {
                let path = self.plan.source_of(entry);
                Err(Failure { path, text: self.meant_by_two(first) })
            }
        }
    }

    fn own_link(&self, into: &Arc<Folder>, name: &OsStr, owner: Owner) -> io::Result<()> {
        if let Some(made) = into.look(name)? {
            self.claims.made(made.identity, owner);
        }
        Ok(())
    }

    /// Gives folders that were made the attributes of their sources, and brings names to the device.
    pub(super) fn settle_folders(&self) {
        let targets = &self.plan.targets;
        // The innermost come first: making an entry changes a folder's time.
        for folder in self.plan.folders.iter().rev() {
            let (Some(like), Place::New) = (&folder.like, self.place_of(folder.target)) else {
                continue;
            };
            let settled = targets.get(folder.target).and_then(|open| {
                let path = targets.path(folder.target);
                open.settle(like, &mut |what, error| {
                    self.warnings.at(&path).note(what, open.identity(), &error);
                })
            });
            if let Err(error) = settled {
                let path = targets.path(folder.target);
                self.tell(failure(&path, "its permissions or times cannot be set", &error));
            }
        }
        if self.settings.sync != Sync::All {
            return;
        }
        let mut done = HashSet::new();
        for folder in &self.plan.folders {
            let above = targets.holder(folder.target).map(|(holder, _)| holder);
            let above = above.filter(|_| self.place_of(folder.target) == Place::New);
            for target in [Some(folder.target), above].into_iter().flatten() {
                if self.place_of(target) != Place::Out && done.insert(target) {
                    let synced = targets.get(target).and_then(|open| open.sync());
                    if let Err(error) = synced {
                        let path = targets.path(target);
                        self.tell(failure(&path, "the folder cannot be flushed", &error));
                    }
                }
            }
        }
    }
}
