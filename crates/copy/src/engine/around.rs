//! What is done before and after the files: folders, links, and names that shall be on the device.

use super::Engine;
use crate::platform::{self, Attributes};
use crate::settings::Sync;
use crate::temporary;
use crate::transfer::failure;
use std::collections::HashSet;
use std::io;
use std::path::PathBuf;

impl Engine<'_> {
    pub(super) fn make_folders(&mut self) {
        for folder in &self.plan.folders {
            let made = match &folder.like {
                None => false,
                Some(_) => match std::fs::create_dir(&folder.target) {
                    Ok(()) => true,
                    Err(_) if folder.target.is_dir() => false,
                    Err(error) => {
                        self.tell(failure(&folder.target, "the folder cannot be made", &error));
                        false
                    }
                },
            };
            self.tallies.folders(u64::from(made));
            self.new_folders.push(made);
        }
    }

    pub(super) fn copy_links(&self) {
        for entry in self.plan.links.iter().take_while(|_| !self.is_stopped()) {
            let (source, target) = (self.plan.source_of(entry), self.plan.target_of(entry));
            let there = target.symlink_metadata();
            let copied = if there.is_ok_and(|there| there.is_dir()) {
                Err(io::ErrorKind::IsADirectory.into())
            } else {
                let path = temporary::path_for(&target);
                temporary::remove(&path)
                    .and_then(|()| platform::copy_link(&source, &path))
                    .and_then(|()| std::fs::rename(&path, &target))
            };
            match copied {
                Ok(()) => self.tallies.linked(),
                Err(error) => self.tell(failure(&target, "the link cannot be made", &error)),
            }
        }
    }

    /// Gives folders that were made the attributes of their sources, and brings names to the device.
    pub(super) fn settle_folders(&self) {
        let folders = self.plan.folders.iter().zip(&self.new_folders);
        // The innermost come first: making an entry changes a folder's time.
        for (folder, _) in folders.clone().rev().filter(|(_, is_new)| **is_new) {
            let Some(like) = &folder.like else { continue };
            if let Err(error) = platform::settle_folder(&folder.target, &Attributes::of(like)) {
                self.tell(failure(
                    &folder.target,
                    "its permissions or times cannot be set",
                    &error,
                ));
            }
        }
        if self.settings.sync != Sync::All {
            return;
        }
        let mut done: HashSet<PathBuf> = HashSet::new();
        for (folder, is_new) in folders {
            let above = folder.target.parent().filter(|_| *is_new).map(PathBuf::from);
            for path in [Some(folder.target.clone()), above].into_iter().flatten() {
                if !done.contains(&path) {
                    if let Err(error) = platform::sync_folder(&path) {
                        self.tell(failure(&path, "the folder cannot be flushed", &error));
                    }
                    done.insert(path);
                }
            }
        }
    }
}
