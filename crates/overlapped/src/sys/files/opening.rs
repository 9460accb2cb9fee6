//! Opening a name that somebody else may change, without waiting for anybody.
//!
//! What was a file when a program looked at it can be a pipe when it opens it: then the opening waits
//! for the pipe's other end, and a thread is lost. A terminal would become that of the process, and a
//! file with a lease makes the opening wait for its holder. None of that happens here.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens what is at `path`, whatever it is, and waits for no other process.
///
/// A pipe is opened for reading even if no process writes to it; a read then ends at once. Later
/// reads and writes of a pipe or a terminal wait as usual.
///
/// # Errors
/// The system's. On Linux a pipe without a reader, opened for writing, and a socket are ENXIO, and a file
/// that another process holds a lease on is `WouldBlock`.
///
/// # Platform
/// On Linux it is `O_NONBLOCK | O_NOCTTY`, which takes the place of other flags that `options` may have
/// (`custom_flags`). On Windows no opening waits, and `options` are used as they are.
pub fn open_at_once(path: &Path, options: &OpenOptions) -> io::Result<File> {
    let file = imp::open(path, options, 0)?;
    imp::let_wait(&file)?;
    Ok(file)
}

/// Opens the regular file at `path`, or fails at once if something else is there by now.
///
/// It is for names that others may change: one call opens, checks what was opened, and does not
/// wait. Only a regular file is ever read or written.
///
/// # Errors
/// As [`open_at_once`]; `InvalidInput` for a pipe, a socket, a device or a terminal, `IsADirectory` for a
/// folder.
///
/// # Platform
/// On Linux the file stays non-blocking. That means nothing to a usual file, and the few of `/proc` whose
/// reads wait although they are regular (`/proc/kmsg`) answer `WouldBlock`.
pub fn open_regular(path: &Path, options: &OpenOptions) -> io::Result<File> {
    open_regular_with(path, options, 0)
}

/// The same, with more flags of the system's.
pub(super) fn open_regular_with(
    path: &Path,
    options: &OpenOptions,
    flags: imp::Flags,
) -> io::Result<File> {
    let file = match imp::open(path, options, flags) {
        Ok(file) => file,
        // Windows says of a folder that access was denied.
        Err(_) if path.is_dir() => return Err(io::Error::new(io::ErrorKind::IsADirectory, FOLDER)),
        Err(error) if imp::is_no_file(&error) => return Err(not_regular()),
        Err(error) => return Err(error),
    };
    match file.metadata() {
        Ok(facts) if facts.is_file() => Ok(file),
        Ok(facts) if facts.is_dir() => Err(io::Error::new(io::ErrorKind::IsADirectory, FOLDER)),
        // Devices of Windows have no such facts.
        _ => Err(not_regular()),
    }
}

const FOLDER: &str = "it is a directory";

fn not_regular() -> io::Error {
    let text = "it is no regular file (a pipe, a socket, a device or a terminal)";
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

#[cfg(target_os = "linux")]
mod imp {
    use super::{File, OpenOptions, Path, io};
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    use rustix::io::Errno;
    use std::os::unix::fs::OpenOptionsExt;

    pub(super) type Flags = i32;

    pub(super) fn open(path: &Path, options: &OpenOptions, flags: Flags) -> io::Result<File> {
        let at_once = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        options.clone().custom_flags(at_once | flags).open(path)
    }

    /// Reads and writes wait again.
    pub(super) fn let_wait(file: &File) -> io::Result<()> {
        Ok(fcntl_setfl(file, fcntl_getfl(file)? - OFlags::NONBLOCK)?)
    }

    /// A socket, a pipe that nobody reads, a device without a driver.
    pub(super) fn is_no_file(error: &io::Error) -> bool {
        let code = error.raw_os_error();
        code == Some(Errno::NXIO.raw_os_error()) || code == Some(Errno::NODEV.raw_os_error())
    }
}

#[cfg(windows)]
mod imp {
    use super::{File, OpenOptions, Path, io};
    use std::os::windows::fs::OpenOptionsExt;

    pub(super) type Flags = u32;

    pub(super) fn open(path: &Path, options: &OpenOptions, flags: Flags) -> io::Result<File> {
        match flags {
            0 => options.open(path),
            flags => options.clone().custom_flags(flags).open(path),
        }
    }

    pub(super) fn let_wait(_file: &File) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn is_no_file(_error: &io::Error) -> bool {
        false
    }
}
