//! One open file of the system, and the calls that are made on it.
//!
//! It knows what an operation has to know beforehand: whether it may be read and written, whether
//! it has positions, and what alignment unbuffered access asks for.

use super::opening::open_regular_with;
use super::{FileState, Request};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Seek, SeekFrom};
#[cfg(target_os = "linux")]
use std::os::unix::fs::OpenOptionsExt;
#[cfg(windows)]
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;

/// How a file is opened. Everything is off until it is switched on.
///
/// ```
/// use overlapped::{FileOptions, OpenFile};
///
/// let path = std::env::temp_dir().join("overlapped-file-options");
/// let options = FileOptions::new().read(true).write(true).create(true).truncate(true);
/// let file = OpenFile::open(&path, &options)?;
/// # drop(file);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct FileOptions {
    read: bool,
    write: bool,
    create: bool,
    create_new: bool,
    truncate: bool,
    unbuffered: bool,
    regular: bool,
}

impl FileOptions {
    /// Nothing is switched on.
    pub fn new() -> Self {
        Self::default()
    }

    /// For reading.
    pub fn read(mut self, on: bool) -> Self {
        self.read = on;
        self
    }

    /// For writing.
    pub fn write(mut self, on: bool) -> Self {
        self.write = on;
        self
    }

    /// Makes the file if it is not there; needs `write`.
    pub fn create(mut self, on: bool) -> Self {
        self.create = on;
        self
    }

    /// Makes the file, and fails if it is there; needs `write`.
    pub fn create_new(mut self, on: bool) -> Self {
        self.create_new = on;
        self
    }

    /// Empties the file if it is there; needs `write`.
    pub fn truncate(mut self, on: bool) -> Self {
        self.truncate = on;
        self
    }

    /// Transfers between the device and your buffers, past the system's cache. Buffer address,
    /// offset and length must then be multiples of [`File::alignment`](crate::File::alignment);
    /// [`Buffer::aligned`](crate::Buffer::aligned) makes such buffers.
    ///
    /// # Platform
    /// `O_DIRECT` on Linux, `FILE_FLAG_NO_BUFFERING` on Windows.
    pub fn unbuffered(mut self, on: bool) -> Self {
        self.unbuffered = on;
        self
    }

    /// Refuses everything but a regular file, and opens without waiting for another process: for a
    /// name that others may change, as [`open_regular`](crate::open_regular) says. Without it a
    /// pipe, a terminal or a device is opened as well, and the opening of a pipe waits for its
    /// other end.
    pub fn regular(mut self, on: bool) -> Self {
        self.regular = on;
        self
    }
}

/// How a file was opened, as far as the system tells.
pub(super) struct Found {
    pub(super) readable: bool,
    pub(super) writable: bool,
    pub(super) appends: bool,
    pub(super) unbuffered: bool,
}

#[derive(Debug)]
pub(crate) struct SystemFile {
    file: File,
    readable: bool,
    writable: bool,
    has_positions: bool,
    /// 1 for buffered access.
    alignment: usize,
}

impl SystemFile {
    pub(crate) fn open(path: &Path, options: &FileOptions) -> io::Result<Self> {
        Self::open_unnamed(path, options)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }

    fn open_unnamed(path: &Path, options: &FileOptions) -> io::Result<Self> {
        let invalid = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        if !options.read && !options.write {
            return invalid("opened neither for reading nor for writing: switch one of them on");
        }
        if !options.write && (options.create || options.create_new || options.truncate) {
            return invalid("create, create_new and truncate need write: switch it on");
        }
        let mut system = OpenOptions::new();
        system
            .read(options.read)
            .write(options.write)
            .create(options.create)
            .create_new(options.create_new)
            .truncate(options.truncate);
        let flags = imp::open_flags(options.unbuffered);
        let opened = if options.regular {
            open_regular_with(path, &system, flags)
        } else {
            system.custom_flags(flags).open(path)
        };
        let file = opened.map_err(|error| {
            // Windows says that access was denied.
            if path.is_dir() {
                return is_directory();
            }
            if options.unbuffered && error.kind() == io::ErrorKind::InvalidInput {
                io::Error::new(
                    io::ErrorKind::Unsupported,
                    "its file system has no unbuffered access: open it buffered",
                )
            } else {
                error
            }
        })?;
        let FileOptions { read: readable, write: writable, unbuffered, .. } = *options;
        let found = Found { readable, writable, unbuffered, ..imp::adopt(&file)? };
        Self::from_parts(file, &found)
    }

    fn from_parts(file: File, found: &Found) -> io::Result<Self> {
        if file.metadata()?.is_dir() {
            return Err(is_directory());
        }
        if found.appends {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it was opened for appending, so writes would ignore their offset: open it without",
            ));
        }
        Ok(Self {
            readable: found.readable,
            writable: found.writable,
            has_positions: (&file).stream_position().is_ok(),
            alignment: if found.unbuffered { imp::alignment(&file) } else { 1 },
            file,
        })
    }

    /// The same file, as if it were unbuffered on a device of such blocks.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn with_blocks(mut self, bytes: usize) -> Self {
        self.alignment = bytes;
        self
    }

    pub(crate) fn is_readable(&self) -> bool {
        self.readable
    }

    /// Systems refuse the calls that need it in different words, or some of them not at all.
    pub(crate) fn admit_writing(&self) -> io::Result<()> {
        if self.writable {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "the file was not opened for writing"))
    }

    /// False for what is like a stream: pipes and terminals. They ignore offsets.
    pub(crate) fn has_positions(&self) -> bool {
        self.has_positions
    }

    pub(crate) fn alignment(&self) -> usize {
        self.alignment
    }

    pub(crate) fn size(&self) -> io::Result<u64> {
        let metadata = self.file.metadata()?;
        if metadata.is_file() || !self.has_positions() {
            return Ok(metadata.len());
        }
        // A device has its size only as the position of its end.
        (&self.file).seek(SeekFrom::End(0))
    }

    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    pub(crate) fn state(&self) -> io::Result<FileState> {
        imp::state(&self.file)
    }

    pub(crate) fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.admit_writing()?;
        admit_position(bytes)?;
        self.file.set_len(bytes)
    }

    pub(crate) fn preallocate(&self, bytes: u64) -> io::Result<()> {
        self.admit_writing()?;
        admit_position(bytes)?;
        // An empty reservation is a mistake to the systems, and nothing to do.
        if bytes == 0 { Ok(()) } else { imp::preallocate(&self.file, bytes) }
    }

    /// Makes the call that `request` asks for, and waits for it.
    pub(crate) fn perform(&self, request: Request<'_>) -> io::Result<usize> {
        #[cfg(feature = "_simulation")]
        let request = request.disturbed()?;
        match request {
            Request::Read { room, offset } => {
                uninterrupted(|| imp::read_at(&self.file, room, offset))
            }
            Request::Write { bytes, offset } => {
                uninterrupted(|| imp::write_at(&self.file, bytes, offset))
            }
            Request::Flush => self.file.sync_all().map(|()| 0),
        }
    }
}

/// Whether a file can be so long, as far as the system can say it.
pub(crate) fn admit_position(bytes: u64) -> io::Result<()> {
    if i64::try_from(bytes).is_ok() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("{bytes} bytes reach beyond the last position that a file can have, {}", i64::MAX),
    ))
}

fn is_directory() -> io::Error {
    io::Error::new(io::ErrorKind::IsADirectory, "it is a directory")
}

#[cfg(target_os = "linux")]
fn cannot_reserve() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "its file system cannot reserve room: set the size, and expect a full disk later",
    )
}

fn uninterrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

impl TryFrom<File> for SystemFile {
    type Error = io::Error;

    fn try_from(file: File) -> io::Result<Self> {
        let found = imp::adopt(&file)?;
        Self::from_parts(file, &found)
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsRawHandle for SystemFile {
    fn as_raw_handle(&self) -> std::os::windows::io::RawHandle {
        self.file.as_raw_handle()
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsHandle for SystemFile {
    fn as_handle(&self) -> std::os::windows::io::BorrowedHandle<'_> {
        self.file.as_handle()
    }
}

#[cfg(target_os = "linux")]
impl std::os::fd::AsFd for SystemFile {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(target_os = "linux")]
impl std::os::fd::AsRawFd for SystemFile {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.file.as_raw_fd()
    }
}

/// What is the same everywhere when the system does not say more: the blocks of any usual device
/// are at most so long.
pub(super) const USUAL_ALIGNMENT: usize = 4096;

#[cfg(windows)]
use super::system_file_windows as imp;

#[cfg(target_os = "linux")]
mod imp {
    use super::{File, FileState, Found, USUAL_ALIGNMENT, io};
    use rustix::fs::{
        AtFlags, FallocateFlags, OFlags, StatxFlags, fallocate, fcntl_getfl, fcntl_setfl, statx,
    };
    use rustix::io::Errno;
    use std::os::unix::fs::{FileExt, MetadataExt};

    /// Has the file wait: a pipe that does not would end operations that are to wait, and an io_uring
    /// tells an operation on such a file to come again.
    pub(super) fn adopt(file: &File) -> io::Result<Found> {
        let flags = fcntl_getfl(file)?;
        if flags.contains(OFlags::NONBLOCK) {
            fcntl_setfl(file, flags - OFlags::NONBLOCK)?;
        }
        let mode = flags & OFlags::RWMODE;
        Ok(Found {
            readable: mode == OFlags::RDONLY || mode == OFlags::RDWR,
            writable: mode == OFlags::WRONLY || mode == OFlags::RDWR,
            appends: flags.contains(OFlags::APPEND),
            unbuffered: flags.contains(OFlags::DIRECT),
        })
    }

    pub(super) fn open_flags(unbuffered: bool) -> i32 {
        if unbuffered { OFlags::DIRECT.bits().cast_signed() } else { 0 }
    }

    /// What the file system says, or the usual block where it does not (before Linux 6.1).
    pub(super) fn alignment(file: &File) -> usize {
        let said = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN).ok();
        let said = said.filter(|it| it.stx_mask & StatxFlags::DIOALIGN.bits() != 0);
        let blocks = said.map(|it| it.stx_dio_mem_align.max(it.stx_dio_offset_align));
        blocks.filter(|block| *block > 0).map_or(USUAL_ALIGNMENT, |block| block as usize)
    }

    pub(super) fn state(file: &File) -> io::Result<FileState> {
        let all = file.metadata()?;
        let ns = |seconds: i64, ns: i64| i128::from(seconds) * 1_000_000_000 + i128::from(ns);
        Ok(FileState {
            bytes: all.len(),
            identity: all.ino(),
            names: all.nlink(),
            written_ns: ns(all.mtime(), all.mtime_nsec()),
            changed_ns: ns(all.ctime(), all.ctime_nsec()),
        })
    }

    pub(super) fn preallocate(file: &File, bytes: u64) -> io::Result<()> {
        loop {
            match fallocate(file, FallocateFlags::empty(), 0, bytes) {
                // A signal came while much was being reserved.
                Err(Errno::INTR) => {}
                Err(Errno::NOTSUP | Errno::NOSYS) => return Err(super::cannot_reserve()),
                outcome => return Ok(outcome?),
            }
        }
    }

    pub(super) fn read_at(file: &File, room: &mut [u8], offset: u64) -> io::Result<usize> {
        file.read_at(room, offset)
    }

    pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        file.write_at(bytes, offset)
    }
}
