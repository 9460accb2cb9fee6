//! The file that becomes the target when it is complete.

use super::names::{self, Names};
use super::{
    Attributes, Folder, Identity, Inability, Left, Noting, lock, make_named, named, open_left,
};
use crate::folder::Use;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// How a temporary file is made.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// The system's cache is passed by, where the file system allows it.
    pub unbuffered: bool,
    /// It has a name from the start, for a later run to find.
    pub named: bool,
}

/// A file that is not complete yet.
#[derive(Debug)]
pub struct Temporary {
    folder: Arc<Folder>,
    names: Names,
    stem: OsString,
    /// None as long as it has none.
    name: Option<OsString>,
    /// None once it was let go of.
    file: Option<File>,
    identity: Identity,
    /// The cache is passed by.
    pub unbuffered: bool,
    /// A former run has made it.
    pub is_old: bool,
}

/// Where a name cannot be given in one step to what has none yet, one of this process is given at a time.
static NAMING: Mutex<()> = Mutex::new(());

impl Temporary {
    /// Makes the temporary file of the target called `target` in `folder`, or takes one that is `left` of
    /// a former run. It gets no name that `avoid` knows.
    ///
    /// # Errors
    /// It cannot be made; `ResourceBusy` while another run writes what is left.
    pub fn open(
        folder: &Arc<Folder>,
        names: &Names,
        target: &OsStr,
        how: How,
        left: &mut Left,
        avoid: &dyn Fn(&OsStr) -> bool,
        noting: &Noting<'_>,
    ) -> io::Result<Self> {
        let stem = names::stem_of(target);
        let wanted = Use::Port { unbuffered: how.unbuffered };
        let (mut name, mut is_old, mut made) = (None, false, None);
        while let (Some((old, mark)), None) = (left.files.pop(), &made) {
            match open_left(folder, &old, mark, Some(wanted), noting) {
                Ok(None) => {}
                Ok(Some(opened)) => (name, is_old, made) = (Some(old), true, Some(opened)),
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => return Err(error),
                // What cannot be opened cannot be gone on from.
                Err(_) => {}
            }
        }
        if made.is_none() && !how.named {
            made = folder.unnamed_file(wanted)?;
            if made.is_none() && cfg!(not(windows)) {
                let error = io::ErrorKind::Unsupported.into();
                noting.note(Inability::UnnamedFiles, folder.identity(), &error);
            }
        }
        let (file, unbuffered) = match made {
            Some(made) => made,
            None => {
                let names = (stem.as_os_str(), names.file);
                let (file, unbuffered, new) = make_named(folder, names, wanted, avoid, noting)?;
                name = Some(new);
                (file, unbuffered)
            }
        };
        let facts = folder.facts_of_open(&file)?;
        let folder = Arc::clone(folder);
        let (names, identity, file) = (*names, facts.identity, Some(file));
        Ok(Self { folder, names, stem, name, file, identity, unbuffered, is_old })
    }

    /// Which file it is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Its name in its folder; None as long as it has none.
    pub fn name(&self) -> Option<&OsStr> {
        self.name.as_deref()
    }

    /// The file, open for reading and writing, on Windows for overlapped access.
    ///
    /// # Errors
    /// It was let go of.
    pub fn file(&self) -> io::Result<&File> {
        self.file.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Gives the file, which is written, its attributes as far as that is done while it is open. What its
    /// file system cannot do is noted.
    ///
    /// # Errors
    /// It cannot get its length, or the device fails.
    pub fn settle(&self, attributes: &Attributes, noting: &Noting<'_>) -> io::Result<()> {
        let place = self.folder.identity();
        crate::platform::settle_open(&self.folder, self.file()?, attributes, &mut |what, error| {
            noting.note(what, place, &error);
        })
    }

    /// Gives the file the name `target`. What is there is replaced if `replace` says so. Nobody else has
    /// the file open in this process.
    ///
    /// # Errors
    /// The system's; `AlreadyExists` if something is there that is not to be replaced.
    pub fn give_name(
        &mut self,
        target: &OsStr,
        replace: bool,
        attributes: &Attributes,
        avoid: &dyn Fn(&OsStr) -> bool,
        noting: &Noting<'_>,
    ) -> io::Result<()> {
        let folder = Arc::clone(&self.folder);
        if let (None, Some(file)) = (&self.name, &self.file) {
            if !replace {
                folder.link(file, target)?;
                self.file = None;
                return Ok(());
            }
            // Only a rename replaces, and it needs a name.
            lock(file, &folder, noting)?;
            let give = |name: &OsStr| folder.link(file, name).map(|()| true);
            self.name = Some(named(&folder, file, (&self.stem, self.names.file), avoid, give)?);
        }
        let Some(name) = self.name.clone() else { return Err(io::ErrorKind::NotFound.into()) };
        if cfg!(windows) {
            // What is open gets neither its last attributes nor another's place there.
            self.file = None;
            crate::platform::settle_closed(&folder, &name, attributes, &mut |what, error| {
                noting.note(what, folder.identity(), &error);
            })?;
        } else if folder.look(&name)?.is_none_or(|facts| facts.identity != self.identity) {
            let text = "its temporary file was removed or replaced meanwhile: copy it again";
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        if replace {
            folder.rename(&name, target)?;
        } else {
            rename_to_nothing(&folder, &name, target, noting)?;
        }
        self.name = None;
        // The lock goes with it.
        self.file = None;
        Ok(())
    }

    /// Lets go of the file. It stays, if it has a name, where `keep` says so.
    ///
    /// # Errors
    /// It stays although it should not.
    pub fn abandon(&mut self, keep: bool) -> io::Result<()> {
        let (name, file) = (self.name.take(), self.file.take());
        let name = name.filter(|_| !keep);
        let is_ours = |name: &OsStr| {
            let there = self.folder.look(name);
            there.is_ok_and(|there| there.is_some_and(|facts| facts.identity == self.identity))
        };
        let Some(name) = name.filter(|name| is_ours(name)) else { return Ok(()) };
        if cfg!(windows) {
            // What is open is not gone yet there.
            drop(file);
        }
        self.folder.remove(&name)
    }
}

/// What was begun and goes nowhere leaves nothing.
impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = self.abandon(false);
    }
}

/// Renames within a folder, where nothing is at `to`.
fn rename_to_nothing(
    folder: &Folder,
    from: &OsStr,
    to: &OsStr,
    noting: &Noting<'_>,
) -> io::Result<()> {
    if folder.rename_to_nothing(from, to)?.is_some() {
        return Ok(());
    }
    if cfg!(not(windows)) {
        let error = io::ErrorKind::Unsupported.into();
        noting.note(Inability::NoReplace, folder.identity(), &error);
    }
    let _one = NAMING.lock().unwrap_or_else(PoisonError::into_inner);
    if folder.look(to)?.is_some() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    folder.rename(from, to)
}
