//! A child process: its exit is a packet.

use super::home::{Completed, Home};
use super::state::{Core, busy};
use super::waits::Held;
use crate::error::{OperationId, Refused, aborted, not_in_flight};
use crate::protocol::Protocol;
use crate::sync::Mutex;
use crate::sys::code;
use crate::sys::waits::{Readiness, exit_source};
use std::io;
use std::process::{Child, ExitStatus};
use std::sync::Arc;

/// A child process associated with a port: its exit is a packet, with its exit status.
///
/// A [`Child`] of the standard library is associated as it is. Take what you want of its standard streams
/// out of it before; the rest stays open with the handle.
///
/// A handle is shared by cloning. A wait holds one, and its packet gives it back. When the last one is
/// dropped the process goes on, as it does when a [`Child`] is dropped: [`kill`](Self::kill) it first, and take
/// the packet of its exit, so that on Linux nothing is left of it.
///
/// ```no_run
/// use overlapped::{Packet, Port, Protocol};
/// use std::process::Command;
/// # struct Jobs;
/// # impl Protocol for Jobs { type Key = &'static str; type Operation = (); type Message = (); }
///
/// let port = Port::<Jobs>::new()?;
/// let child = Command::new("backup").arg("--all").spawn()?;
/// let process = port.associate(child, "job")?;
/// process.wait(())?;
/// if let Packet::Exited { process, result, .. } = port.take()? {
///     println!("{} {}: {}", process.key(), process.process_id(), result?);
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Process<P: Protocol>(pub(crate) Arc<ProcessCore<P>>);

pub(crate) struct ProcessCore<P: Protocol> {
    exit: Arc<Core<P>>,
    process_id: u32,
    /// None once closed.
    child: Mutex<Option<Child>>,
}

impl<P: Protocol> ProcessCore<P> {
    /// Associates `child` with the port under `key`.
    pub(crate) fn associate(
        port: Arc<dyn Home<P>>,
        mut child: Child,
        key: P::Key,
    ) -> Result<Arc<Self>, Refused<(Child, P::Key)>> {
        let source = match exit_source(&mut child) {
            Ok(source) => source,
            Err(error) => return Err(Refused::new(error, (child, key))),
        };
        match Core::associate(port, source, key) {
            Ok(exit) => {
                let process_id = child.id();
                Ok(Arc::new(Self { exit, process_id, child: Mutex::new(Some(child)) }))
            }
            Err(refused) => Err(refused.map(|(_, key)| (child, key))),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.exit.id()
    }

    fn with_child<T>(&self, call: impl FnOnce(&mut Child) -> io::Result<T>) -> io::Result<T> {
        match self.child.lock().as_mut() {
            Some(child) => call(child),
            None => Err(code::error(code::FILE_CLOSED)),
        }
    }

    /// How the process has ended, which the system has told.
    fn status(&self) -> io::Result<ExitStatus> {
        let mut child = self.child.lock();
        // Closed while the event was on its way.
        let child = child.as_mut().ok_or_else(aborted)?;
        let status = child.try_wait()?;
        status.ok_or_else(|| io::Error::other("the system tells of an exit and has no exit status"))
    }
}

impl<P: Protocol> Held<P> for ProcessCore<P> {
    fn core(&self) -> &Core<P> {
        &self.exit
    }

    fn complete(
        self: Arc<Self>,
        operation: P::Operation,
        result: io::Result<Readiness>,
    ) -> Completed<P> {
        let result = result.and_then(|_| self.status());
        Completed::Exited { process: Process(self), operation, result }
    }
}

impl<P: Protocol> Process<P> {
    /// The completion key that it was associated under.
    pub fn key(&self) -> &P::Key {
        self.0.exit.key()
    }

    /// The number by which the system knows the process. After its exit was seen another process may have it.
    pub fn process_id(&self) -> u32 {
        self.0.process_id
    }

    /// Starts to wait for the exit.
    ///
    /// Completes with [`Packet::Exited`](crate::Packet::Exited) when the process has ended, with its exit
    /// status; at once if it has ended before, and each time again.
    ///
    /// # Errors
    /// What fails at once gives the operation back and queues no packet: `ResourceBusy` while another wait of this
    /// handle is in flight; "bad descriptor" on a closed handle; the port is closed. That somebody else has taken
    /// the exit status, such as a program that ignores `SIGCHLD`, is an error of the packet.
    ///
    /// # Cancellation
    /// [`cancel`](Self::cancel) and [`close`](Self::close) end the wait as aborted, unless it is complete. The
    /// process goes on.
    pub fn wait(&self, operation: P::Operation) -> Result<OperationId, Refused<P::Operation>> {
        self.0.exit.start(Arc::clone(&self.0) as _, Readiness::SIGNALLED, operation)
    }

    /// Ends the process by force; the exit is a packet as any other. It is no error if it has ended already.
    ///
    /// # Errors
    /// The system's, and "bad descriptor" on a closed handle.
    pub fn kill(&self) -> io::Result<()> {
        self.0.with_child(Child::kill)
    }

    /// Cancels a wait: its packet comes as aborted.
    ///
    /// # Errors
    /// `NotFound` when it is not in flight: it has completed, which is a normal outcome of the race.
    pub fn cancel(&self, id: OperationId) -> io::Result<()> {
        if self.0.exit.cancel(Some(id)) { Ok(()) } else { Err(not_in_flight()) }
    }

    /// Cancels the wait in flight; returns how many there were, one or none.
    pub fn cancel_all(&self) -> usize {
        usize::from(self.0.exit.cancel(None))
    }

    /// Closes it now, whoever else holds a handle. A wait in flight is aborted. The process goes on.
    pub fn close(&self) {
        self.0.exit.close();
        let child = self.0.child.lock().take();
        drop(child);
    }

    /// Takes the process out of its port. The key is dropped.
    ///
    /// # Errors
    /// Gives the handle back: `ResourceBusy` unless this is the last one. A wait in flight holds a handle, and
    /// so does its packet. "Bad descriptor" on a closed handle.
    pub fn into_child(self) -> Result<Child, Refused<Self>> {
        if Arc::strong_count(&self.0) > 1 {
            return Err(Refused::new(busy(), self));
        }
        let child = self.0.child.lock().take();
        // What the port waits with goes with the handle.
        child.ok_or_else(|| Refused::new(code::error(code::FILE_CLOSED), self))
    }
}

impl<P: Protocol> Clone for Process<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: Protocol> std::fmt::Debug for Process<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process").field("process_id", &self.0.process_id).finish()
    }
}
