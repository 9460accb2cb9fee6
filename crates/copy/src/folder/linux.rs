//! Linux: a folder is a descriptor.

use super::{Facts, Identity, Kind, Use, no_file};
use crate::platform::Attributes;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, Stat, fcntl_getfl, fcntl_setfl, linkat,
    mkdirat, openat, readlinkat, renameat, renameat_with, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Links are copied as links.
pub(crate) const COPIES_LINKS: bool = true;

/// An open folder. It needs no right to list the folder, only to search it.
#[derive(Debug)]
pub struct Folder {
    descriptor: OwnedFd,
    identity: Identity,
    /// Its file system has no files without a name.
    names_all: AtomicBool,
    /// It gives access lists to what is made in it, if somebody has asked.
    gives_lists: OnceLock<bool>,
}

/// A folder that is opened for its place alone, and whatever is opened, ends with an `exec`.
const PLACE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Files are opened so: a pipe does not wait for its other end, a terminal does not become ours.
const CALM: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

impl Folder {
    /// Opens the folder at `path`, whose links are followed: the user named it.
    ///
    /// # Errors
    /// It is no folder, or cannot be reached.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        Self::of(openat(CWD, path, PLACE, Mode::empty())?)
    }

    /// Opens the folder `name` in this one, and no link.
    ///
    /// # Errors
    /// As for [`open`](Self::open); `NotADirectory` for a link.
    pub fn child(&self, name: &OsStr) -> io::Result<Self> {
        let flags = PLACE | OFlags::NOFOLLOW;
        let child = Self::of(openat(&self.descriptor, name, flags, Mode::empty())?)?;
        if child.identity.device == self.identity.device {
            child.names_all.store(self.names_all.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        Ok(child)
    }

    fn of(descriptor: OwnedFd) -> io::Result<Self> {
        let facts = facts_of(&rustix::fs::fstat(&descriptor)?);
        let (names_all, gives_lists) = (AtomicBool::new(false), OnceLock::new());
        Ok(Self { descriptor, identity: facts.identity, names_all, gives_lists })
    }

    /// Which folder it is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Makes the folder `name`, with no more rights for anybody but the owner than `like` has.
    pub(crate) fn make_child(&self, name: &OsStr, like: &Attributes) -> io::Result<()> {
        // Others write in it only when it is complete. Who is on a list has at most what the group has.
        let others = if self.gives_access_lists() { 0 } else { 0o055 };
        let mode = like.permissions.mode() & others | 0o700;
        Ok(mkdirat(&self.descriptor, name, Mode::from_raw_mode(mode))?)
    }

    /// Whether it gives access lists to what is made in it.
    pub(crate) fn gives_access_lists(&self) -> bool {
        *self.gives_lists.get_or_init(|| crate::platform::gives_access_lists(&self.path()))
    }

    /// A path of it, wherever it is.
    fn path(&self) -> String {
        format!("/proc/self/fd/{}", self.descriptor.as_raw_fd())
    }

    /// What is at `name`; None if nothing is.
    ///
    /// # Errors
    /// The system does not say.
    pub fn look(&self, name: &OsStr) -> io::Result<Option<Facts>> {
        match statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(facts_of(&found))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What the system says of an open file that lies in the folder.
    ///
    /// # Errors
    /// The system's.
    pub fn facts_of_open(&self, file: &File) -> io::Result<Facts> {
        Ok(facts_of(&rustix::fs::fstat(file)?))
    }

    /// The names in it, in no order.
    pub(crate) fn names(&self) -> io::Result<impl Iterator<Item = io::Result<OsString>> + use<>> {
        Ok(self.listed()?.map(|entry| Ok(entry?.0)))
    }

    /// The names in it, in no order, what they are, and how long.
    pub(crate) fn entries(
        &self,
    ) -> io::Result<impl Iterator<Item = io::Result<(OsString, Kind, u64)>> + use<'_>> {
        let look = |(name, kind): (OsString, FileType)| match kind {
            FileType::Directory => Ok(Some((name, Kind::Folder, 0))),
            // One that is gone meanwhile is not in the folder.
            _ => Ok(self.look(&name)?.map(|facts| (name, facts.kind, facts.bytes))),
        };
        Ok(self.listed()?.filter_map(move |entry| entry.and_then(look).transpose()))
    }

    fn listed(&self) -> io::Result<impl Iterator<Item = io::Result<(OsString, FileType)>> + use<>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let entries = Dir::new(openat(&self.descriptor, ".", flags, Mode::empty())?)?;
        Ok(entries.filter_map(|entry| match entry {
            Err(error) => Some(Err(error.into())),
            Ok(entry) => match entry.file_name().to_bytes() {
                b"." | b".." => None,
                name => Some(Ok((OsString::from_vec(name.to_owned()), entry.file_type()))),
            },
        }))
    }

    /// The attributes of the folder itself, and whether it has an access list, which a copy does not get.
    pub(crate) fn attributes(&self) -> io::Result<(Attributes, bool)> {
        let facts = File::from(self.descriptor.try_clone()?).metadata()?;
        let by_list = crate::platform::group_by_list(|name, bytes| {
            rustix::fs::getxattr(self.path(), name, bytes)
        });
        Ok(crate::platform::attributes_with(&facts, by_list))
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
        let flags = OFlags::RDONLY | CALM;
        let flags = if follow { flags } else { flags | OFlags::NOFOLLOW };
        let file = match openat(&self.descriptor, name, flags, Mode::empty()) {
            Ok(opened) => File::from(opened),
            // A link, and a socket or a device without a driver, are in the place of the file.
            Err(Errno::LOOP | Errno::NXIO) => return Err(no_file()),
            Err(error) => return Err(error.into()),
        };
        let unbuffered = unbuffered && made_unbuffered(&file)?;
        Ok((file, unbuffered))
    }

    /// A new file without a name in this folder, for its owner alone; None where there are none.
    pub(crate) fn unnamed_file(&self, wanted: Use) -> io::Result<Option<(File, bool)>> {
        if self.names_all.load(Ordering::Relaxed) || !has_descriptors_by_path() {
            return Ok(None);
        }
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match openat(&self.descriptor, ".", flags, Mode::from_raw_mode(0o600)) {
            Ok(file) => {
                let file = file.into();
                let unbuffered = wanted.is_unbuffered() && made_unbuffered(&file)?;
                Ok(Some((file, unbuffered)))
            }
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS) => {
                self.names_all.store(true, Ordering::Relaxed);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A new file `name`, where there is nothing, for its owner alone. It may be renamed while it is open.
    pub(crate) fn new_file(&self, name: &OsStr, wanted: Use) -> io::Result<(File, bool)> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | CALM;
        let file = openat(&self.descriptor, name, flags, Mode::from_raw_mode(0o600))?.into();
        let unbuffered = wanted.is_unbuffered() && made_unbuffered(&file)?;
        Ok((file, unbuffered))
    }

    /// Opens the file `name` that is there, to be written if `wanted` says what for.
    pub(crate) fn old_file(&self, name: &OsStr, wanted: Option<Use>) -> io::Result<(File, bool)> {
        let access = if wanted.is_some() { OFlags::RDWR } else { OFlags::RDONLY };
        let flags = access | OFlags::NOFOLLOW | CALM;
        let file = openat(&self.descriptor, name, flags, Mode::empty())?.into();
        let unbuffered = wanted.is_some_and(Use::is_unbuffered) && made_unbuffered(&file)?;
        Ok((file, unbuffered))
    }

    /// Gives an open file without a name the name `name`, where there is nothing.
    pub(crate) fn link(&self, file: &File, name: &OsStr) -> io::Result<()> {
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        Ok(linkat(CWD, path, &self.descriptor, name, AtFlags::SYMLINK_FOLLOW)?)
    }

    /// Renames within the folder, and replaces what is there.
    pub(crate) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(renameat(&self.descriptor, from, &self.descriptor, to)?)
    }

    /// Renames within the folder, where nothing is at `to`; None where the file system cannot do that
    /// in one step.
    pub(crate) fn rename_to_nothing(&self, from: &OsStr, to: &OsStr) -> io::Result<Option<()>> {
        let here = &self.descriptor;
        match renameat_with(here, from, here, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(None),
            outcome => Ok(Some(outcome?)),
        }
    }

    /// Removes a file or a link that may not be there.
    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        match unlinkat(&self.descriptor, name, AtFlags::empty()) {
            Err(error) if error != Errno::NOENT => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Where the link `name` leads.
    pub(crate) fn read_link(&self, name: &OsStr) -> io::Result<PathBuf> {
        let text = readlinkat(&self.descriptor, name, Vec::new())?;
        Ok(OsStr::from_bytes(text.to_bytes()).into())
    }

    /// Makes a link, where there is nothing.
    pub(crate) fn make_link(&self, to: &Path, name: &OsStr) -> io::Result<()> {
        Ok(symlinkat(to, &self.descriptor, name)?)
    }

    fn as_file(&self) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(openat(&self.descriptor, ".", flags, Mode::empty())?.into())
    }

    /// Gives the folder times and permissions; each that cannot be is told.
    pub(crate) fn settle(
        &self,
        attributes: &Attributes,
        cannot: &mut dyn FnMut(crate::Inability, io::Error),
    ) -> io::Result<()> {
        let file = self.as_file()?;
        crate::platform::give_times(&file, attributes, cannot)?;
        // It has a list if the folder that holds it gives lists, and then it gives them on.
        crate::platform::give_permissions(&file, attributes, self.gives_access_lists(), cannot)
    }

    /// Brings the names in it to the device.
    ///
    /// # Errors
    /// The system's.
    pub fn sync(&self) -> io::Result<()> {
        self.as_file()?.sync_all()
    }
}

/// Whether what is open can be reached by a path, which a name for an unnamed file needs.
fn has_descriptors_by_path() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| Path::new("/proc/self/fd/0").parent().is_some_and(Path::is_dir))
}

/// Switched on after the opening, since an opening that is refused for it has made the file already.
fn made_unbuffered(file: &File) -> io::Result<bool> {
    match fcntl_setfl(file, fcntl_getfl(file)? | OFlags::DIRECT) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// When the file came into being, in nanoseconds, where the file system knows; 0 where it does not.
pub(crate) fn birth_of(file: &File) -> u64 {
    let birth = file.metadata().and_then(|facts| facts.created());
    birth.map_or(0, |time| crate::unfinished::ns_since_1970(time) as u64)
}

/// The user who runs this.
fn user() -> u32 {
    static USER: OnceLock<u32> = OnceLock::new();
    *USER.get_or_init(|| rustix::process::geteuid().as_raw())
}

#[allow(clippy::useless_conversion, reason = "their types differ between processors")]
fn facts_of(found: &Stat) -> Facts {
    let kind = match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        FileType::Symlink => Kind::Link,
        _ => Kind::Other,
    };
    Facts {
        kind,
        identity: Identity { device: found.st_dev, number: found.st_ino },
        links: found.st_nlink.into(),
        bytes: found.st_size.cast_unsigned(),
        time_ns: i128::from(found.st_mtime) * 1_000_000_000 + found.st_mtime_nsec as i128,
        changed_ns: i128::from(found.st_ctime) * 1_000_000_000 + found.st_ctime_nsec as i128,
        is_read_only: found.st_mode & 0o222 == 0,
        is_ours: found.st_uid == user(),
    }
}
