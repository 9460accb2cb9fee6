//! The typed handle of a file.

use super::open_file::FileDescriptor;
use super::state::FileHandle;
use crate::error::OperationId;
use crate::protocol::Protocol;
use crate::sched::binding::blocking;
use std::fs::Metadata;
use std::io;

/// A file associated with a port.
///
/// A handle is shared by cloning; its methods take `&self`, and any number of operations may be in
/// flight. They are independent of each other: neither their effects on the file nor their packets
/// have an order. If you need an order, start the next operation when you have the packet of the
/// one before.
///
/// Every operation in flight holds a handle and its packet gives it back; when the last one is
/// dropped the file is closed.
///
/// ```
/// use overlapped::{Buffer, FileOptions, OpenFile, Packet, Port, Protocol};
///
/// struct Copy;
/// impl Protocol for Copy { type Key = (); type Operation = &'static str; type Message = (); }
///
/// let path = std::env::temp_dir().join("overlapped-file-example");
/// let port = Port::<Copy>::new()?;
/// let options = FileOptions::new().read(true).write(true).create(true).truncate(true);
/// let file = port.associate(OpenFile::open(&path, &options)?, ())?;
/// file.write_at(Buffer::from(b"overlapped"), 0, "write")?;
/// let Ok(Packet::Written { file, buffer, operation, result, .. }) = port.take() else {
///     unreachable!("one write was started")
/// };
/// result?;
/// assert_eq!(operation, "write");
/// file.read_at(buffer, 4, "read")?;
/// let Ok(Packet::Read { buffer, result, .. }) = port.take() else {
///     unreachable!("one read was started")
/// };
/// assert_eq!(result?, 6, "the file ends before the buffer is full");
/// assert_eq!(&buffer[..], b"lapped");
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Platform
/// On Linux an io_uring of the port's own carries the operations, or helper threads where that is
/// refused; see [`FilesChoice`](crate::FilesChoice). The ring also carries pipes and terminals,
/// which ignore offsets; helper threads refuse them at their association.
pub struct File<P: Protocol>(pub(crate) FileHandle<P>);

impl<P: Protocol> File<P> {
    /// The completion key that the file was associated under.
    pub fn key(&self) -> &P::Key {
        self.0.key()
    }

    /// How long the file is now, in bytes.
    ///
    /// # Errors
    /// The system's, and "bad descriptor" on a closed handle.
    pub fn size(&self) -> io::Result<u64> {
        self.0.open_file()?.size()
    }

    /// What the file system says of the file now: its size, its times, what it is. The call waits for
    /// the system, and gives the calling thread's slot away meanwhile.
    ///
    /// # Errors
    /// The system's, and "bad descriptor" on a closed handle.
    pub fn metadata(&self) -> io::Result<Metadata> {
        let file = self.0.open_file()?;
        blocking(|| file.metadata())
    }

    /// Makes the file `bytes` long: cuts it, or lengthens it by zeroes. The call waits for the
    /// system, and gives the calling thread's slot away meanwhile.
    ///
    /// # Errors
    /// `PermissionDenied` for a file that was not opened for writing, `InvalidInput` beyond the last
    /// position that a file can have, the system's, and "bad descriptor" on a closed handle.
    pub fn set_size(&self, bytes: u64) -> io::Result<()> {
        let file = self.0.open_file()?;
        blocking(|| file.set_size(bytes))
    }

    /// Reserves room on the device for the first `bytes` bytes, and lengthens the file to them by
    /// zeroes; a file that is longer stays as long. So a full disk is an error of this call, and
    /// not of a later write. The call waits for the system, and gives the calling thread's slot
    /// away meanwhile.
    ///
    /// # Errors
    /// `PermissionDenied` and `InvalidInput` as for [`set_size`](Self::set_size); the system's,
    /// such as `StorageFull`; "bad descriptor" on a closed handle; `Unsupported` from a file system
    /// that cannot reserve; use [`set_size`](Self::set_size) there.
    ///
    /// # Platform
    /// On Windows, when the file is closed, the system frees room that was reserved and not
    /// written. The file keeps its length.
    pub fn preallocate(&self, bytes: u64) -> io::Result<()> {
        let file = self.0.open_file()?;
        blocking(|| file.preallocate(bytes))
    }

    /// Buffer address, offset and length must be multiples of this number of bytes if the file was
    /// opened [unbuffered](crate::FileOptions::unbuffered); 1 otherwise.
    pub fn alignment(&self) -> usize {
        self.0.alignment()
    }

    /// A descriptor of its file.
    ///
    /// # Errors
    /// "Bad descriptor" on a closed handle.
    pub fn descriptor(&self) -> io::Result<FileDescriptor> {
        self.0.open_file().map(FileDescriptor)
    }

    /// Cancels one operation. Its packet comes as aborted or, if the system completes the operation
    /// nevertheless, with its result.
    ///
    /// # Errors
    /// `NotFound` when no such operation is in flight or it was cancelled before: it has completed,
    /// which is a normal outcome of the race.
    pub fn cancel(&self, id: OperationId) -> io::Result<()> {
        self.0.cancel(id)
    }

    /// Cancels every operation in flight on this file; returns how many there were.
    pub fn cancel_all(&self) -> usize {
        self.0.cancel_all()
    }

    /// Closes the file now, whoever else holds a handle. Every operation in flight is cancelled and
    /// completes, as aborted or with its result; the packets may come after this has returned. The
    /// system closes the file with the last of them.
    pub fn close(&self) {
        self.0.close();
    }
}

impl<P: Protocol> Clone for File<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P: Protocol> std::fmt::Debug for File<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File").field("size", &self.size().ok()).finish()
    }
}
