//! What is not ours: descriptors of Linux and handles of Windows that a port only waits for.
//!
//! Read from the bottom up:
//!
//! - [`home`] is what a handle needs of its port, and what it gives it: a [`Completed`] wait.
//! - [`waits`] are the waits of one port that are in flight, by their numbers. An event names one.
//! - [`state`] is what the clones of one handle share: what they own, and whether it is waited for.
//! - [`wait_handle`] is the handle, with its public methods; [`process`] that of a child process, whose exit is
//!   waited for in the same way;
//!   [`directory`] that of a directory, whose changes are waited for in this way on Linux, and on Windows are an
//!   operation of the kernel.
//!
//! A wait is *started* as an entry of the port's waits; it is *complete* when whoever has its event, cancels
//! it or closes the handle takes the entry out, so there is one packet whatever races; and it is *taken* with
//! that packet. A number is used again only after four thousand million waits, so that an event which was on
//! its way when its wait was cancelled finds nothing.
//!
//! The lock of a handle is taken before that of the port's waits, never after it.

mod directory;
mod home;
mod platform;
mod process;
mod state;
mod wait_handle;
mod waits;

pub use directory::{Directory, OpenDirectory};
pub(crate) use home::{Completed, Home};
pub(crate) use platform::DirectoryCore;
pub use process::Process;
pub(crate) use process::ProcessCore;
pub(crate) use state::Core;
pub use wait_handle::{WaitDescriptor, WaitHandle};
pub(crate) use waits::Waits;
