//! What a handle needs of the port that it is associated with, and what it gives it.

use super::directory::Directory;
use super::process::Process;
use super::wait_handle::WaitHandle;
use super::waits::Waits;
use crate::protocol::Protocol;
use crate::sys::Backend;
use crate::sys::directories::Change;
use crate::sys::waits::Readiness;
use std::io;
use std::process::ExitStatus;

/// The port of a handle.
pub(crate) trait Home<P: Protocol>: Send + Sync {
    fn is_closed(&self) -> bool;

    fn waits(&self) -> &Waits<P>;

    fn driver(&self) -> Backend<'_>;

    /// Queues what is complete; drops it when the port is closed. No lock is held.
    fn queue(&self, completed: Completed<P>);

    /// The same for what completed while the calling thread started it.
    fn queue_own(&self, completed: Completed<P>);
}

/// A complete wait with everything that it gives back.
pub(crate) enum Completed<P: Protocol> {
    Waited { handle: WaitHandle<P>, operation: P::Operation, result: io::Result<Readiness> },
    Changed { directory: Directory<P>, operation: P::Operation, result: io::Result<Vec<Change>> },
    Exited { process: Process<P>, operation: P::Operation, result: io::Result<ExitStatus> },
}
