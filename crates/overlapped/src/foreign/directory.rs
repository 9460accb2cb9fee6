//! A directory: its changes are packets.

use super::platform::DirectoryCore;
use crate::error::{OperationId, Refused, not_in_flight};
use crate::protocol::Protocol;
use crate::sys::directories::SystemDirectory;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A directory that belongs to no port yet; [`Port::associate`](crate::Port::associate) makes a [`Directory`]
/// of it.
#[derive(Debug)]
pub struct OpenDirectory(pub(super) SystemDirectory);

impl OpenDirectory {
    /// Opens the directory at `path`, for its own changes and not for those in the directories in it.
    ///
    /// # Errors
    /// Each names the path: the system's, and `NotADirectory`.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        SystemDirectory::open(path.as_ref(), false).map(Self)
    }

    /// The same, with the changes in all directories below it.
    ///
    /// # Errors
    /// As for [`open`](Self::open). `Unsupported` on Linux, which tells only the changes of the directory itself:
    /// open each.
    pub fn open_with_all_below(path: impl AsRef<Path>) -> io::Result<Self> {
        SystemDirectory::open(path.as_ref(), true).map(Self)
    }
}

/// A directory associated with a port: what changes in it is a packet.
///
/// A handle is shared by cloning. One operation is in flight at a time. It holds the handle, and its packet gives
/// it back; when the last one is dropped, the directory is closed.
///
/// ```
/// use overlapped::{Change, OpenDirectory, Packet, Port, Protocol};
/// # struct Jobs;
/// # impl Protocol for Jobs { type Key = (); type Operation = (); type Message = (); }
///
/// let path = std::env::temp_dir().join(format!("overlapped-changes-{}", std::process::id()));
/// std::fs::create_dir(&path)?;
/// let port = Port::<Jobs>::new()?;
/// let directory = port.associate(OpenDirectory::open(&path)?, ())?;
/// directory.changes(())?;
/// std::fs::write(path.join("news"), b"")?;
/// if let Packet::Changed { result, .. } = port.take()? {
///     assert_eq!(result?[0], Change::Created("news".into()));
/// }
/// # std::fs::remove_dir_all(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Directory<P: Protocol>(pub(crate) Arc<DirectoryCore<P>>);

impl<P: Protocol> Directory<P> {
    /// The completion key that it was associated under.
    pub fn key(&self) -> &P::Key {
        self.0.key()
    }

    /// Starts to wait for changes.
    ///
    /// Completes with [`Packet::Changed`](crate::Packet::Changed) when something has changed, with all that the
    /// system tells at that moment, in order: at least one change, and about a thousand at most. What changes
    /// between two operations is kept for the next one, up to a limit of the system's; beyond it there is a
    /// [`Change::Overflow`](crate::Change::Overflow) in the place of what was lost.
    ///
    /// # Errors
    /// What fails at once gives the operation back and queues no packet: `ResourceBusy` while another operation
    /// of this handle is in flight; "bad descriptor" on a closed handle; the port is closed; `NotFound` when the
    /// directory was removed before.
    ///
    /// # Cancellation
    /// [`cancel`](Self::cancel) and [`close`](Self::close) end it as aborted, unless it is complete. Cancelling
    /// loses no change on Linux; on Windows it may, if the system had begun to tell.
    ///
    /// # Platform
    /// On Linux (inotify) changes are kept from the open on; that the directory itself is removed is `NotFound`, in
    /// the packet or, if other changes were told with it, of the next start. Only changes through this system
    /// are seen, not those that another machine makes on a network's file system. On Windows
    /// (`ReadDirectoryChangesW`) they are kept from the first start on, and a directory that was removed is an
    /// error of the system's.
    pub fn changes(&self, operation: P::Operation) -> Result<OperationId, Refused<P::Operation>> {
        self.0.start(operation)
    }

    /// Cancels an operation: its packet comes as aborted.
    ///
    /// # Errors
    /// `NotFound` when it is not in flight: it has completed, which is a normal outcome of the race.
    pub fn cancel(&self, id: OperationId) -> io::Result<()> {
        if self.0.cancel(Some(id)) { Ok(()) } else { Err(not_in_flight()) }
    }

    /// Cancels the operation in flight; returns how many there were, one or none.
    pub fn cancel_all(&self) -> usize {
        usize::from(self.0.cancel(None))
    }

    /// Closes it now, whoever else holds a handle. An operation in flight is aborted.
    pub fn close(&self) {
        self.0.close();
    }
}

impl<P: Protocol> Clone for Directory<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: Protocol> std::fmt::Debug for Directory<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("id", &self.0.id()).finish()
    }
}
