//! Where the log goes, and whether it can go there now.

use super::AccessLog;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// What lines are written to.
pub(super) trait Output: Send {
    /// Writes a part of the bytes, and tells how many. It does not wait for a reader for long.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
}

/// Opens what the settings name.
///
/// # Errors
/// It can never be written. A pipe that nobody reads is not such a thing.
pub(super) fn open(log: &AccessLog) -> io::Result<Box<dyn Output>> {
    Ok(match log {
        AccessLog::StandardOutput => Box::new(imp::standard_output()?),
        AccessLog::File(path) => Box::new(Named {
            file: match imp::open(path) {
                Err(error) if imp::has_no_reader(&error) => None,
                opened => Some(opened.map_err(|error| named(path, &error))?),
            },
            path: path.clone(),
        }),
    })
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    let text = format!("the access log {} cannot be opened: {error}", path.display());
    io::Error::new(error.kind(), text)
}

/// A file that is found again by its name when it was moved away or removed.
struct Named {
    path: std::path::PathBuf,
    /// None while it cannot be opened.
    file: Option<File>,
}

impl Output for Named {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // What is written into a file without a name is lost.
        let kept = self.file.take().filter(|file| imp::is_at(file, &self.path));
        let file = match kept {
            Some(file) => file,
            None => imp::open(&self.path)?,
        };
        let written = imp::write(&file, bytes);
        // A pipe whose reader has gone must be opened anew for the next one.
        if !matches!(&written, Err(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            self.file = Some(file);
        }
        written
    }
}

/// Standard output, without a buffer of the program's.
struct Standard(File);

impl Output for Standard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        imp::write(&self.0, bytes)
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    options
}

#[cfg(target_os = "linux")]
mod imp {
    use super::{File, Path, Standard, Write, io, options};
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::OFlags;
    use rustix::io::Errno;
    use std::os::fd::AsFd;
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

    /// How long a write waits for room. The thread of the log has time.
    const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

    /// A pipe that says that it has room has room for so much.
    const PIPE_BYTES: usize = 4096;

    const FILE_BYTES: usize = 256 * 1024;

    pub(super) fn standard_output() -> io::Result<Standard> {
        Ok(Standard(File::from(io::stdout().as_fd().try_clone_to_owned()?)))
    }

    /// The opening of a pipe must not wait for its reader.
    pub(super) fn open(path: &Path) -> io::Result<File> {
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        options().custom_flags(flags.bits().cast_signed()).open(path).map_err(|error| {
            if has_no_reader(&error) {
                io::Error::new(io::ErrorKind::BrokenPipe, NoReader)
            } else {
                error
            }
        })
    }

    /// A pipe without a reader.
    #[derive(Debug)]
    struct NoReader;

    impl std::fmt::Display for NoReader {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("nobody reads the pipe")
        }
    }

    impl std::error::Error for NoReader {}

    pub(super) fn has_no_reader(error: &io::Error) -> bool {
        error.raw_os_error() == Some(Errno::NXIO.raw_os_error())
            || error.get_ref().is_some_and(|inner| inner.is::<NoReader>())
    }

    /// Whether the name still is that of the open file.
    pub(super) fn is_at(file: &File, path: &Path) -> bool {
        let of = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        match (file.metadata(), path.metadata()) {
            (Ok(open), Ok(there)) => of(open) == of(there),
            _ => false,
        }
    }

    pub(super) fn write(mut file: &File, bytes: &[u8]) -> io::Result<usize> {
        let mut fds = [PollFd::new(file, PollFlags::OUT)];
        let ready = loop {
            match poll(&mut fds, Some(&PATIENCE)) {
                Err(Errno::INTR) => {}
                ready => break ready?,
            }
        };
        if ready == 0 {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "nobody reads it"));
        }
        let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
        let most = if is_file { FILE_BYTES } else { PIPE_BYTES };
        file.write(&bytes[..bytes.len().min(most)])
    }
}

#[cfg(windows)]
mod imp {
    use super::{File, Path, Standard, Write, io, options};
    use std::os::windows::io::AsHandle;

    pub(super) fn standard_output() -> io::Result<Standard> {
        Ok(Standard(File::from(io::stdout().as_handle().try_clone_to_owned()?)))
    }

    pub(super) fn open(path: &Path) -> io::Result<File> {
        options().open(path)
    }

    pub(super) fn has_no_reader(_error: &io::Error) -> bool {
        false
    }

    pub(super) fn is_at(_file: &File, _path: &Path) -> bool {
        true
    }

    pub(super) fn write(mut file: &File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }
}
