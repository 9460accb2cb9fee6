//! Windows: a folder is a path, and a handle that keeps others from moving or replacing it meanwhile.
//!
//! Files are opened for overlapped access, as a completion port wants it.

use super::{Facts, Identity, Kind, Use, busy, no_file};
use crate::platform::Attributes;
use crate::unfinished::ns_since_1970;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const FILE_FLAG_OVERLAPPED: u32 = 0x4000_0000;
const FILE_FLAG_NO_BUFFERING: u32 = 0x2000_0000;
const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
const FILE_SHARE_READ: u32 = 1;
const FILE_SHARE_WRITE: u32 = 2;
const FILE_SHARE_DELETE: u32 = 4;
const FILE_LIST_DIRECTORY: u32 = 1;
const FILE_READ_ATTRIBUTES: u32 = 0x80;
const SYNCHRONIZE: u32 = 0x0010_0000;
const ERROR_SHARING_VIOLATION: i32 = 32;

/// There are two kinds of links, and making one needs a right that few have.
pub(crate) const COPIES_LINKS: bool = false;

/// An open folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    identity: Identity,
    /// Others may not rename or remove the folder as long as this is open.
    held: File,
}

impl Folder {
    /// Opens the folder at `path`, whose links are followed: the user named it.
    ///
    /// # Errors
    /// It is no folder, or cannot be reached.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        Self::opened(path.to_owned(), 0)
    }

    /// Opens the folder `name` in this one, and no link.
    ///
    /// # Errors
    /// As for [`open`](Self::open); `NotADirectory` for a link.
    pub fn child(&self, name: &OsStr) -> io::Result<Self> {
        Self::opened(self.path.join(name), FILE_FLAG_OPEN_REPARSE_POINT)
    }

    fn opened(path: PathBuf, flags: u32) -> io::Result<Self> {
        let held = OpenOptions::new()
            .access_mode(FILE_LIST_DIRECTORY | FILE_READ_ATTRIBUTES | SYNCHRONIZE)
            .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE)
            .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | flags)
            .open(&path)?;
        let facts = held.metadata()?;
        if !facts.is_dir() || facts.is_symlink() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let identity = identity_of(&held)?;
        Ok(Self { path, identity, held })
    }

    /// Which folder it is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Makes the folder `name`.
    pub(crate) fn make_child(&self, name: &OsStr, _like: &Attributes) -> io::Result<()> {
        std::fs::create_dir(self.path.join(name))
    }

    /// What is at `name`; None if nothing is.
    ///
    /// # Errors
    /// The system does not say.
    pub fn look(&self, name: &OsStr) -> io::Result<Option<Facts>> {
        let path = self.path.join(name);
        let found = match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found?,
        };
        let opened = OpenOptions::new()
            .access_mode(FILE_READ_ATTRIBUTES)
            .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)
            .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)
            .open(&path)?;
        self.facts_of(&opened, &found).map(Some)
    }

    /// What the system says of an open file that lies in the folder.
    ///
    /// # Errors
    /// The system's.
    pub fn facts_of_open(&self, file: &File) -> io::Result<Facts> {
        self.facts_of(file, &file.metadata()?)
    }

    fn facts_of(&self, file: &File, found: &Metadata) -> io::Result<Facts> {
        let mut identity = identity_of(file)?;
        if identity.device == 0 {
            // Not every file system tells it of every handle.
            identity.device = self.identity.device;
        }
        Ok(Facts {
            kind: kind_of(found),
            identity,
            links: winapi_util::file::information(file)?.number_of_links(),
            bytes: found.len(),
            time_ns: found.modified().map_or(0, ns_since_1970),
            changed_ns: found.created().map_or(0, ns_since_1970),
            is_read_only: found.permissions().readonly(),
            // Whose it is, is for the folder's access list to say.
            is_ours: true,
        })
    }

    /// The names in it, in no order.
    pub(crate) fn names(&self) -> io::Result<impl Iterator<Item = io::Result<OsString>> + use<>> {
        Ok(std::fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name())))
    }

    /// The names in it, in no order, what they are, and how long.
    pub(crate) fn entries(
        &self,
    ) -> io::Result<impl Iterator<Item = io::Result<(OsString, Kind, u64)>> + use<>> {
        Ok(std::fs::read_dir(&self.path)?.map(|entry| {
            let entry = entry?;
            let facts = entry.metadata()?;
            Ok((entry.file_name(), kind_of(&facts), facts.len()))
        }))
    }

    /// The attributes of the folder itself; access lists are not looked at.
    pub(crate) fn attributes(&self) -> io::Result<(Attributes, bool)> {
        Ok((Attributes::of(&self.held.metadata()?), false))
    }

    /// Opens the file `name` for reading. A link is followed only if `follow` says so: the user named it.
    /// The second value says whether the cache is passed by, where that was wanted.
    ///
    /// # Errors
    /// It is no file, or cannot be read.
    pub fn open_source(
        &self,
        name: &OsStr,
        follow: bool,
        unbuffered: bool,
    ) -> io::Result<(File, bool)> {
        let flags = if follow { 0 } else { FILE_FLAG_OPEN_REPARSE_POINT };
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags | flags_of(Use::Port { unbuffered }))
            .open(self.path.join(name))?;
        if file.metadata()?.is_symlink() {
            return Err(no_file());
        }
        Ok((file, unbuffered))
    }

    /// A new file without a name; there are none.
    pub(crate) fn unnamed_file(&self, _wanted: Use) -> io::Result<Option<(File, bool)>> {
        Ok(None)
    }

    /// A new file `name`, where there is nothing, which nobody else may write. It is as private as its
    /// folder. It may be renamed while it is open.
    pub(crate) fn new_file(&self, name: &OsStr, wanted: Use) -> io::Result<(File, bool)> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .share_mode(FILE_SHARE_READ | FILE_SHARE_DELETE)
            .custom_flags(flags_of(wanted))
            .open(self.path.join(name))?;
        Ok((file, wanted.is_unbuffered()))
    }

    /// Opens the file `name` that is there, to be written if `wanted` says what for.
    pub(crate) fn old_file(&self, name: &OsStr, wanted: Option<Use>) -> io::Result<(File, bool)> {
        let wanted = wanted.unwrap_or(Use::Calls);
        let opened = OpenOptions::new()
            .read(true)
            // Also one that is only looked at: so it shows whether somebody writes it.
            .write(true)
            .share_mode(FILE_SHARE_READ | FILE_SHARE_DELETE)
            .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT | flags_of(wanted))
            .open(self.path.join(name));
        match opened {
            Err(error) if error.raw_os_error() == Some(ERROR_SHARING_VIOLATION) => Err(busy()),
            opened => Ok((opened?, wanted.is_unbuffered())),
        }
    }

    /// Gives a file without a name one; there are no such files.
    pub(crate) fn link(&self, _file: &File, _name: &OsStr) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Renames within the folder, and replaces what is there.
    pub(crate) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    /// Renames within the folder where nothing is at `to`; it cannot be done in one step.
    pub(crate) fn rename_to_nothing(&self, _from: &OsStr, _to: &OsStr) -> io::Result<Option<()>> {
        Ok(None)
    }

    /// Removes a file that may not be there.
    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        match std::fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// See [`COPIES_LINKS`].
    pub(crate) fn read_link(&self, _name: &OsStr) -> io::Result<PathBuf> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// See [`COPIES_LINKS`].
    pub(crate) fn make_link(&self, _to: &Path, _name: &OsStr) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Folders keep the time at which they were made.
    pub(crate) fn settle(
        &self,
        _attributes: &Attributes,
        _cannot: &mut dyn FnMut(crate::Inability, io::Error),
    ) -> io::Result<()> {
        Ok(())
    }

    /// There is no call for it.
    ///
    /// # Errors
    /// None.
    pub fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    /// Where `name` lies, for a file that is closed before it gets its attributes.
    pub(crate) fn path_of(&self, name: &OsStr) -> PathBuf {
        self.path.join(name)
    }
}

/// Calls that wait cannot be made on what was opened for a port.
fn flags_of(wanted: Use) -> u32 {
    match wanted {
        Use::Calls => 0,
        Use::Port { unbuffered: false } => FILE_FLAG_OVERLAPPED,
        Use::Port { unbuffered: true } => FILE_FLAG_OVERLAPPED | FILE_FLAG_NO_BUFFERING,
    }
}

fn kind_of(found: &Metadata) -> Kind {
    match found.file_type() {
        it if it.is_symlink() => Kind::Link,
        it if it.is_dir() => Kind::Folder,
        it if it.is_file() => Kind::File,
        _ => Kind::Other,
    }
}

fn identity_of(file: &File) -> io::Result<Identity> {
    let more = winapi_util::file::information(file)?;
    Ok(Identity { device: more.volume_serial_number(), number: more.file_index() })
}

/// The number of a file is enough on this system.
pub(crate) fn birth_of(_file: &File) -> u64 {
    0
}
