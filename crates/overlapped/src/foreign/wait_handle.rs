//! The typed handle of something that is not ours.

use super::state::Core;
use crate::error::{OperationId, Refused, not_in_flight};
use crate::protocol::Protocol;
use crate::sys::waits::{Owned, Readiness, Source};
use std::io;
use std::sync::Arc;

/// A descriptor or handle that is not one of the library's, associated with a port: to wait for it.
///
/// On Linux it is any `OwnedFd` that epoll takes: a timer, a counter (eventfd), a process (pidfd), inotify, a
/// pipe, a terminal, the socket of a database's client. On Windows it is any `OwnedHandle` that can be waited
/// for: an event, a process, a semaphore, a timer, a change notification. The library reads and writes nothing
/// of it: it says when you can.
///
/// It owns what it was made of, and gives it back with [`into_inner`](Self::into_inner). What a library of
/// others owns is duplicated first (`try_clone_to_owned` of what borrows it); the duplicate tells the same.
///
/// A handle is shared by cloning. One wait is in flight at a time. It holds the handle, and its packet gives it
/// back; when the last handle is dropped, what it owned is closed.
///
/// ```
/// use overlapped::{Packet, Port, Protocol, Readiness};
/// # struct Jobs;
/// # impl Protocol for Jobs { type Key = &'static str; type Operation = u32; type Message = (); }
/// # #[cfg(target_os = "linux")]
/// # fn main() -> std::io::Result<()> {
/// use std::io::{Read, Write};
/// use std::os::fd::OwnedFd;
///
/// let (reader, mut writer) = std::io::pipe()?;
/// let port = Port::<Jobs>::new()?;
/// let pipe = port.associate(OwnedFd::from(reader.try_clone()?), "pipe")?;
/// pipe.wait(Readiness::READABLE, 1)?;
/// writer.write_all(b"news")?;
/// let Packet::Waited { handle, operation: 1, result } = port.take()? else {
///     unreachable!("one wait was started")
/// };
/// assert!(result?.is_readable());
/// assert_eq!(*handle.key(), "pipe");
/// let mut news = [0; 4];
/// (&reader).read_exact(&mut news)?;
/// assert_eq!(&news, b"news");
/// # Ok(())
/// # }
/// # #[cfg(windows)]
/// # fn main() {}
/// ```
pub struct WaitHandle<P: Protocol>(pub(crate) Arc<Core<P>>);

/// A descriptor (`AsFd`, on Linux) or handle (`AsHandle`, on Windows) of what a [`WaitHandle`] owns: to read it,
/// or to ask the system for anything else.
///
/// It stays open while this is held, also when its handle is closed.
#[derive(Debug)]
pub struct WaitDescriptor(pub(super) Arc<Source>);

impl<P: Protocol> WaitHandle<P> {
    /// The completion key that it was associated under.
    pub fn key(&self) -> &P::Key {
        self.0.key()
    }

    /// Starts to wait, once, for what `interest` says.
    ///
    /// Completes with [`Packet::Waited`](crate::Packet::Waited) when it is so, at once if it is so already. Nothing
    /// is read: if you leave what is there, the next wait completes at once. Start the next wait when you have
    /// done what the last one allowed.
    ///
    /// # Errors
    /// What fails at once gives the operation back and queues no packet: `ResourceBusy` while another wait of this
    /// handle is in flight; "bad descriptor" on a closed handle; the port is closed; `NotFound` if the system
    /// says that somebody else has closed what the handle owns, which then is not closed a second time.
    ///
    /// # Cancellation
    /// [`cancel`](Self::cancel) and [`close`](Self::close) end it as aborted, unless it is complete.
    ///
    /// # Platform
    /// On Linux the wait is level-triggered and takes nothing away: several may be told of the same. If
    /// somebody else closes the descriptor while a wait is in flight, the system says nothing; the wait ends by
    /// a cancel. On Windows a wait does to its handle what the system's waits do: it resets an event that resets
    /// itself, and takes one from a semaphore. A mutex would belong to a thread of the system's, so do not
    /// wait for one.
    pub fn wait(
        &self,
        interest: Readiness,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<P::Operation>> {
        self.0.start(Arc::clone(&self.0) as _, interest, operation)
    }

    /// Cancels a wait: its packet comes as aborted.
    ///
    /// # Errors
    /// `NotFound` when it is not in flight: it has completed, which is a normal outcome of the race.
    pub fn cancel(&self, id: OperationId) -> io::Result<()> {
        if self.0.cancel(Some(id)) { Ok(()) } else { Err(not_in_flight()) }
    }

    /// Cancels the wait in flight; returns how many there were, one or none.
    pub fn cancel_all(&self) -> usize {
        usize::from(self.0.cancel(None))
    }

    /// Closes it now, whoever else holds a handle. A wait in flight is aborted. Where a
    /// [`descriptor`](Self::descriptor) is held, what it owned stays open for that long.
    pub fn close(&self) {
        self.0.close();
    }

    /// A descriptor of what it owns.
    ///
    /// # Errors
    /// "Bad descriptor" on a closed handle.
    pub fn descriptor(&self) -> io::Result<WaitDescriptor> {
        self.0.source().map(WaitDescriptor)
    }

    /// Takes what it owns out of its port: an `OwnedFd` on Linux, an `OwnedHandle` on Windows. The key is
    /// dropped.
    ///
    /// # Errors
    /// Gives the handle back: `ResourceBusy` unless this is the last one and no
    /// [`descriptor`](Self::descriptor) is held. A wait in flight holds a handle, and so does its packet. "Bad
    /// descriptor" on a closed handle.
    pub fn into_inner(self) -> Result<Owned, Refused<Self>> {
        self.0.into_owned().map_err(|(error, core)| Refused::new(error, Self(core)))
    }
}

impl<P: Protocol> Clone for WaitHandle<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: Protocol> std::fmt::Debug for WaitHandle<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WaitHandle").field("source", &self.0.source().ok()).finish()
    }
}
