//! Files: their handle, the operations on them, and what carries these.
//!
//! Read from the bottom up:
//!
//! - [`OpenFile`] belongs to no port yet; [`File`] is the handle that association makes of it.
//! - [`state`] is what the handles of one file share, and the three steps of every operation: it is
//!   *started* as a [`job`], *completed* by the backend, and *taken* with its packet.
//! - [`operation`] names the kinds of operations. Each has its own file with what it owns, what it asks
//!   the system for, and its public method: [`read_at`], [`write_at`], [`flush`].
//! - [`home`] is what files need of their port, and what they give it: a [`Completed`] operation.
//! - [`files`] are the files of one port, and choose the backend.
//!
//! # Backends
//!
//! Unlike a socket, a file is always "ready", and a read of it may yet wait for a disk. So a backend
//! takes a whole operation, a [`job`], and gives it back complete. The job describes what it wants next,
//! and is told what came of it; it goes on after a short transfer until it says that it is complete. So
//! a backend knows no kind of operation, and an operation knows no backend.
//!
//! - *start* takes a job or, when nothing can carry it, gives it back at once. From then on the backend
//!   owns the job, and nobody touches its memory but the system.
//! - *complete*: each job that was started comes back exactly once, complete: from the start or a cancel
//!   when that is at once, with an event of the port, or by `deliver` on a helper thread. No lock is held
//!   then.
//! - *cancel* marks jobs. A marked job comes back aborted or, if the system was faster, with its result
//!   (P132).
//! - *close* drops every job, those which the system still works on when it has let go of them. It waits
//!   for nothing.
//!
//! A port makes one with its first file, so that a port without files pays for none:
//!
//! - On Linux one io_uring for the port. An eventfd in the port's event set tells its threads of
//!   completions. No thread stands by, and what the page cache holds is there when the start returns.
//! - On Windows the kernel, by overlapped reads and writes; its packets are those of the port.
//! - [`helpers`]: a few threads that make the ordinary calls. For systems and containers where io_uring
//!   is refused, for ports without an event set of the kernel's, and for flushes on Windows.
//!
//! This folder knows buffers, the calls of the system (`driver`) and what lets a thread block; it knows
//! neither sockets nor the port, which calls it.

mod files;
mod flush;
mod handle;
mod helpers;
mod home;
mod job;
mod open_file;
mod operation;
mod platform;
mod read_at;
mod state;
mod write_at;

pub(crate) use files::Files;
pub use files::FilesChoice;
pub use handle::File;
pub(crate) use home::{Completed, Home};
pub use open_file::{FileDescriptor, OpenFile};
pub(crate) use state::FileHandle;
