//! Files: what reads, writes and flushes them, and gives each operation back when it is done.
//!
//! # The contract
//!
//! Unlike a socket, a file is always "ready", and a read of it may yet wait for a disk. So these
//! are completion drivers: one takes a whole operation, a [`Job`], and gives it back complete.
//! A job describes what it wants next as a [`Request`], whose memory it owns, and is told what came
//! of it; it goes on after a short transfer until it says that it is complete. So the driver knows
//! no kind of operation, and an operation knows no driver.
//!
//! - *start* takes a job or, when nothing can carry it, gives it back at once. From then on the
//!   driver owns the job, and nobody touches its memory but the system.
//! - *complete*: each job that was started comes back exactly once, complete: from [`Files::start`]
//!   or [`Files::cancel`] when that is at once, from [`Files::reap`] after an event with the token
//!   [`Event::FILES`](super::Event::FILES), or by [`Job::deliver`] on a helper thread. No lock is
//!   held then.
//! - *cancel* marks jobs. A marked job comes back aborted or, if the system was faster, with its
//!   result (P132).
//! - *close* drops every job, those which the system still works on when it has let go of them. It
//!   waits for nothing.
//!
//! Three carriers do that, and a port makes one with its first file, so that a port without files
//! pays for neither:
//!
//! - [`ring`]: one io_uring for the port. An eventfd in the port's event set tells its threads of
//!   completions. It is the default: no thread stands by, and what the page cache holds is there
//!   when the start returns.
//! - `iocp::files`: on Windows, the kernel, by overlapped reads and writes; its packets are those of
//!   the port. It is the default there.
//! - [`helpers`]: a few threads that make the ordinary calls. For systems and containers where
//!   io_uring is refused, and for ports without an event set of the kernel's.
//!
//! [`carrier`] makes and chooses them, and lets the one stand in for the other.
//!
//! [`system_file`] is one open file of the system and its calls, [`opening`] how a name that somebody else
//! may change is opened without waiting. The handle of a file calls this
//! folder; it calls nobody but through [`Job`].

mod carrier;
mod file_state;
mod helpers;
mod opening;
#[cfg(target_os = "linux")]
mod ring;
mod system_file;
#[cfg(windows)]
mod system_file_windows;

pub(crate) use carrier::Files;
pub use file_state::FileState;
pub use opening::{open_at_once, open_regular};
pub use system_file::FileOptions;
pub(crate) use system_file::SystemFile;

use std::io;

/// The most that one request transfers. Longer operations go on in parts, so that no single call
/// into the system keeps a thread, or those that wait to start something, for long.
pub(crate) const REQUEST_BYTES_MAX: usize = 1 << 20;

/// What carries a port's operations on files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FilesChoice {
    /// What the environment variable `OVERLAPPED_FILES` names (`ring` or `helpers`), or else the
    /// best that this system allows.
    #[default]
    Automatic,
    /// An io_uring of the port's own. Linux only; the first file cannot be associated where the
    /// system refuses one.
    Ring,
    /// A few helper threads, which are no threads of the port.
    Helpers,
}

/// Names one operation: the file it is on, by a number that the port gave it, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) file: u64,
    pub(crate) operation: u32,
}

/// Which operations are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    One(Tag),
    OfFile(u64),
}

impl Which {
    pub(in crate::driver) fn means(self, tag: Tag) -> bool {
        match self {
            Self::One(one) => one == tag,
            Self::OfFile(file) => file == tag.file,
        }
    }
}

/// What an operation wants of the system next.
#[derive(Debug)]
pub(crate) enum Request<'a> {
    Read { room: &'a mut [u8], offset: u64 },
    Write { bytes: &'a [u8], offset: u64 },
    Flush,
}

/// What came of a request, for the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The operation has its result.
    Complete,
    /// It is to be asked for its next request.
    GoesOn,
}

/// One operation in the hands of a driver.
pub(crate) trait Job: Send + 'static {
    fn tag(&self) -> Tag;

    /// What it wants next, of which file. The memory is the job's own, and stays where it is until
    /// the job is told the outcome; the file stays open as long as the job is there.
    fn request(&mut self) -> (&SystemFile, Request<'_>);

    /// Tells it what came of the request: how many bytes, or an error.
    fn advance(&mut self, outcome: io::Result<usize>) -> Step;

    /// Ends it as aborted, with what it transferred before.
    fn abort(&mut self);

    /// Takes it complete, from a thread that is none of the port's.
    fn deliver(self: Box<Self>);
}

/// Jobs that came back complete.
pub(crate) type Done<J> = Vec<Box<J>>;

fn port_closed() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the completion port is closed")
}

/// Why a start gave its job back.
pub(crate) type NotStarted<J> = (io::Error, Box<J>);
