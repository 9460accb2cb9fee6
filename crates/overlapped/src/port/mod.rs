//! The completion port as its users see it.
//!
//! - [`Port`] is what users hold; [`builder`] makes it, [`batch`] is what they take several
//!   packets with, [`counters`] and [`Snapshot`] what they see.
//! - [`inner`] ties the scheduler to the handles, the buffers and the timers.
//! - [`files`] is what the files of a port ask it for; [`waits`] the same for what is not the library's.
//! - [`recorder`] notes each move of threads and packets while it runs.
//! - [`signals`] is what the process is told from outside; without the feature of that name there is
//!   nothing of it.

pub(crate) mod associate;
pub(crate) mod batch;
pub(crate) mod builder;
pub(crate) mod counters;
mod files;
pub(crate) mod inner;
mod platform;
pub(crate) mod recorder;
#[cfg(feature = "signals")]
mod signals;
#[cfg(not(feature = "signals"))]
#[path = "no_signals.rs"]
mod signals;
mod timer;
mod waits;

use crate::buffer::{Buffer, cache};
use crate::conn::standstill::WhyPaused;
use crate::error::Refused;
use crate::op::packet::Packet;
use crate::protocol::Protocol;
use crate::sched::{Deadline, TakeError, binding};
use crate::sys::DriverReport;
use associate::{Associable, Association};
use batch::Batch;
use builder::PortBuilder;
use counters::Counters;
use inner::Inner;
use std::fmt;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// A completion port.
///
/// Threads take packets from it: finished operations of the handles associated with it, and posted
/// values. Packets leave in the order in which they were queued. Of the threads that wait, the one
/// that came last is released first, and only while fewer threads run than the port's concurrency.
/// When a thread blocks, another one is let in: at once if the code is wrapped in
/// [`blocking`](crate::blocking), otherwise when the blocked-thread monitor sees it.
///
/// The first take of a thread binds it to the port. From then on it counts as running whenever it
/// does not wait here. The binding lasts until the thread ends, takes from another port, or
/// [leaves](Port::leave).
///
/// A port is shared by cloning. When the last clone is dropped the port is closed.
pub struct Port<P: Protocol>(Arc<Owner<P>>);

struct Owner<P: Protocol>(Arc<Inner<P>>);

impl<P: Protocol> Drop for Owner<P> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The sizes of a port's five structures at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Handles associated with the port and not closed.
    pub devices: usize,
    /// Packets in the queue.
    pub queued: usize,
    /// Threads that wait for a packet.
    pub waiting: usize,
    /// Threads that run: they hold a packet, or timed out and went on. May exceed the concurrency
    /// for a while.
    pub released: usize,
    /// Threads that were released and are blocked elsewhere.
    pub paused: usize,
    /// How many threads the port lets run.
    pub concurrency: usize,
}

impl<P: Protocol> Port<P> {
    /// A port with the default settings; see [`PortBuilder`].
    ///
    /// # Errors
    /// See [`PortBuilder::build`].
    pub fn new() -> io::Result<Self> {
        Self::builder().build()
    }

    /// Settings for a port.
    pub fn builder() -> PortBuilder<P> {
        PortBuilder::default()
    }

    pub(crate) fn from_inner(inner: Inner<P>) -> Self {
        let owner = Arc::new(Owner(Arc::new(inner)));
        let weak: Weak<Owner<P>> = Arc::downgrade(&owner);
        owner.0.scheduler().belongs_to(weak);
        Self(owner)
    }

    /// The port that the calling thread is bound to, if it is one of this protocol. A thread is bound
    /// by its first take, until it ends, takes from another port, or [leaves](Self::leave).
    ///
    /// So what runs in a handler finds its port without being handed it. `None` on any other thread,
    /// and when every clone of the port was dropped.
    ///
    /// ```
    /// # struct Jobs;
    /// # impl overlapped::Protocol for Jobs { type Key = (); type Operation = (); type Message = u32; }
    /// use overlapped::{Packet, Port};
    ///
    /// let port = Port::<Jobs>::new()?;
    /// assert!(Port::<Jobs>::current().is_none());
    /// port.post(1).map_err(|refused| refused.error)?;
    /// if let Packet::Posted(1) = port.take()? {
    ///     let port = Port::<Jobs>::current().ok_or_else(|| std::io::Error::other("no port"))?;
    ///     port.post(2).map_err(|refused| refused.error)?;
    /// }
    /// # assert!(matches!(port.take()?, Packet::Posted(2)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn current() -> Option<Self> {
        binding::owner()?.downcast().ok().map(Self)
    }

    pub(crate) fn inner(&self) -> &Arc<Inner<P>> {
        &self.0.0
    }

    /// Associates a socket, a file or [something else](crate::WaitHandle) with the port under a completion key
    /// and gives its typed handle.
    ///
    /// This consumes what is given, so a handle belongs to one port for life. Association
    /// queues no packet by itself.
    ///
    /// # Errors
    /// Gives the socket or file and the key back: the port is closed, the socket belongs to another
    /// driver, the backend for files cannot carry this file, the system cannot wait for this descriptor or
    /// handle, or is short of memory.
    pub fn associate<S: Associable>(
        &self,
        socket: S,
        key: P::Key,
    ) -> Association<S::Handle<P>, S, P::Key> {
        socket.associate(&associate::sealed::PortRef(self.inner()), key)
    }

    /// Puts a value at the tail of the queue, where completions go, too. Any thread may post.
    ///
    /// The queue has no limit of its own: the program has to limit what it posts.
    ///
    /// # Errors
    /// Gives the value back when the port is closed.
    pub fn post(&self, message: P::Message) -> Result<(), Refused<P::Message>> {
        self.inner().post(message, Inner::queue)
    }

    /// Puts a value where the calling thread finds it when it takes next, if it is a running thread of
    /// this port: nobody is woken for it. For what continues the work of a handler, such as a task
    /// that it has made ready. On any other thread it is a [post](Self::post).
    ///
    /// The value keeps its place in the order: it goes to the tail of the shared queue when something
    /// lies there. It does not wait for its thread: any other that would have to wait for a packet takes
    /// it, and when the thread blocks, another one is let in for it as for any packet. While a slot
    /// is free and other threads wait, one of these comes after a millisecond to see whether it still
    /// lies there.
    ///
    /// # Platform
    /// On Windows it is posted to the system's port, which lets threads in for its own queue only.
    ///
    /// # Errors
    /// Gives the value back when the port is closed.
    pub fn defer(&self, message: P::Message) -> Result<(), Refused<P::Message>> {
        self.inner().post(message, Inner::queue_own)
    }

    /// Takes the oldest packet, waiting for one as long as it takes.
    ///
    /// # Errors
    /// [`TakeError::Abandoned`] or [`TakeError::Closed`].
    pub fn take(&self) -> Result<Packet<P>, TakeError> {
        self.inner().take(Deadline::Never)
    }

    /// Takes the oldest packet, waiting for at most `timeout`. A thread that times out goes on as a
    /// running thread of the port.
    ///
    /// # Errors
    /// [`TakeError`].
    pub fn take_timeout(&self, timeout: Duration) -> Result<Packet<P>, TakeError> {
        self.inner().take(Deadline::after(Some(timeout)))
    }

    /// Takes the oldest packet if there is one that this thread may have; does not wait.
    ///
    /// It is a take like any other. The thread gives its slot back and asks for one anew: with a
    /// packet it runs as a thread of the port, and with `None` it goes on running as after a
    /// [`take_timeout`](Self::take_timeout) that timed out. If as many other threads run as the
    /// concurrency allows, there is `None` although packets are queued. A thread that calls this in
    /// a loop counts as running all the time, and keeps another from its slot.
    ///
    /// # Errors
    /// [`TakeError::Closed`].
    pub fn try_take(&self) -> Result<Option<Packet<P>>, TakeError> {
        match self.inner().take(Deadline::Now) {
            Ok(packet) => Ok(Some(packet)),
            Err(TakeError::TimedOut) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes up to `max` packets at once, in order. It waits only for the first one, at most for
    /// `timeout`, or without limit for `None`.
    ///
    /// The thread counts as one running thread, however many packets the batch holds. Packets that
    /// are left when the batch is dropped return to the head of the queue.
    ///
    /// # Errors
    /// [`TakeError`].
    ///
    /// # Panics
    /// When `max` is 0.
    pub fn take_many(&self, max: usize, timeout: Option<Duration>) -> Result<Batch<P>, TakeError> {
        assert!(max > 0, "a batch of no packets was asked for");
        Batch::take(self.inner(), max, Deadline::after(timeout))
    }

    /// Unbinds the calling thread: its slot is free for another. The unused buffers that it keeps go
    /// back to the port's pool.
    pub fn leave(&self) {
        self.inner().scheduler().leave();
        cache::leave(&self.inner().connections.pool);
    }

    /// Accept windows post no accepts until [`resume_accepts`](Self::resume_accepts): further clients wait in the backlog, or are
    /// turned away by the system when that is full. Accepts that are posted already may complete. Connections go on.
    pub fn pause_accepts(&self) {
        self.inner().connections.pause_accepts(WhyPaused::Asked);
    }

    /// Accept windows are filled again after [`pause_accepts`](Self::pause_accepts). Where the threads of the port are
    /// exhausted and that pauses accepts as well
    /// ([`Workers::pause_accepts_when_exhausted`](crate::Workers::pause_accepts_when_exhausted)), they go on when both are over.
    pub fn resume_accepts(&self) {
        self.inner().connections.resume_accepts(WhyPaused::Asked);
    }

    /// Closes the port. Threads that wait return with [`TakeError::Abandoned`]. Packets still
    /// queued, and operations in flight with their buffers, are dropped and not reported. Handles
    /// stay open until they are dropped, but can start nothing.
    ///
    /// To handle everything that is queued first, post one message for each thread, and let each
    /// thread end at the first such message that it takes.
    pub fn close(&self) {
        self.inner().close();
    }

    /// The sizes of the five structures, taken at one moment.
    pub fn snapshot(&self) -> Snapshot {
        self.inner().snapshot()
    }

    /// What has been counted since the port was made.
    pub fn counters(&self) -> Counters {
        self.inner().counters()
    }

    /// Which driver the port runs on, and why.
    pub fn driver(&self) -> DriverReport {
        let inner = self.inner();
        DriverReport { files: inner.files.report(), ..inner.report.clone() }
    }

    /// An empty buffer of the port's pool, of 8 KiB or what
    /// [`buffer_size`](PortBuilder::buffer_size) has set; it returns there when it is dropped.
    pub fn buffer(&self) -> Buffer {
        self.inner().connections.pool.get()
    }

    /// How many threads the port lets run.
    pub fn concurrency(&self) -> usize {
        self.inner().scheduler().concurrency()
    }
}

impl<P: Protocol> Clone for Port<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: Protocol> fmt::Debug for Port<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port")
            .field("driver", &self.inner().report.name)
            .field("snapshot", &self.snapshot())
            .finish()
    }
}
