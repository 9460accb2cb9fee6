//! The settings of a port.

use super::Port;
use super::inner::Inner;
use crate::buffer::pool::Pool;
use crate::buffer::sizes::Sizes;
use crate::conn::discard::Discard;
use crate::file::{Files, FilesChoice};
use crate::op::packet::Packet;
use crate::protocol::Protocol;
use crate::sched::Scheduler;
use crate::sys::{DriverChoice, simulated};
use std::io;
use std::marker::PhantomData;

/// Settings for a [`Port`]; each has a default.
///
/// ```
/// # struct Echo;
/// # impl overlapped::Protocol for Echo { type Key = (); type Operation = (); type Message = (); }
/// let port = overlapped::Port::<Echo>::builder().concurrency(2).buffer_size(4096).build()?;
/// assert_eq!(port.concurrency(), 2);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct PortBuilder<P: Protocol> {
    concurrency: usize,
    driver: DriverChoice,
    files: FilesChoice,
    network: Option<simulated::Network>,
    blocked_thread_monitor: bool,
    /// Of all buffers; without one they follow their streams.
    buffer_size: Option<usize>,
    pool_limit: usize,
    discard: Discard<Packet<P>>,
    protocol: PhantomData<fn() -> P>,
}

impl<P: Protocol> Default for PortBuilder<P> {
    fn default() -> Self {
        Self {
            concurrency: 0,
            driver: DriverChoice::Automatic,
            files: FilesChoice::Automatic,
            network: None,
            blocked_thread_monitor: true,
            buffer_size: None,
            pool_limit: 1024,
            discard: Discard::default(),
            protocol: PhantomData,
        }
    }
}

impl<P: Protocol> PortBuilder<P> {
    /// How many threads the port lets run; 0, the default, is the number of processors at the time
    /// the port is made, as [`available_parallelism`](std::thread::available_parallelism) tells it.
    ///
    /// # Platform
    /// On Linux that number follows the processors that the process may use, and the quota of its
    /// control group, rounded down to whole processors, at least one.
    #[must_use]
    pub fn concurrency(mut self, threads: usize) -> Self {
        self.concurrency = threads;
        self
    }

    /// Which driver carries the operations. A choice made here overrides the environment variable
    /// `OVERLAPPED_DRIVER`.
    #[must_use]
    pub fn driver(mut self, choice: DriverChoice) -> Self {
        self.driver = choice;
        self
    }

    /// What carries operations on files. A choice made here overrides the environment variable
    /// `OVERLAPPED_FILES`. Nothing is set up before the first file is associated.
    #[must_use]
    pub fn files(mut self, choice: FilesChoice) -> Self {
        self.files = choice;
        self
    }

    /// Runs the port on a simulated network, for tests. Needs the feature `simulated`.
    #[cfg(feature = "simulated")]
    #[must_use]
    pub fn simulated(mut self, network: &simulated::Network) -> Self {
        self.network = Some(network.clone());
        self
    }

    /// Whether a monitor notices threads that block outside of [`blocking`](crate::blocking)
    /// (default: yes, where the system shows it).
    ///
    /// It judges by what it sees in one instant: a thread that waits for a lock just then counts as
    /// paused for that moment. Without the monitor only [`blocking`](crate::blocking) lets other
    /// threads in.
    ///
    /// # Platform
    /// On Windows the system itself sees which threads block, and there is no monitor to switch off.
    #[must_use]
    pub fn blocked_thread_monitor(mut self, on: bool) -> Self {
        self.blocked_thread_monitor = on;
        self
    }

    /// Gives all pooled buffers one size, in bytes, at least 1.
    ///
    /// Without it they have 8 KiB, but for the [pooled receives](crate::TcpStream::receive_pooled) of
    /// a stream that fills its buffers. The next one gets 32 KiB after a buffer that was filled, and
    /// then 64 KiB; it gets less again when four in a row would have fitted into the next smaller
    /// size. So large messages come in few packets, and small ones take little memory. Set a size to
    /// have packets, or memory, with a limit of your own.
    #[must_use]
    pub fn buffer_size(mut self, bytes: usize) -> Self {
        self.buffer_size = Some(bytes.max(1));
        self
    }

    /// How many unused buffers the pool keeps (default 1,024). Where they have several sizes, it is
    /// the memory of so many of 8 KiB that is kept. With 0, every buffer is freed when it is dropped.
    ///
    /// Each thread that takes buffers of the pool keeps some for itself besides, so that it need not
    /// share them: of each size up to 64, 512 KiB, and an eighth of this limit, whichever is least.
    /// They go to the
    /// pool when the thread ends or [leaves](Port::leave) the port. When the port is closed they are
    /// freed: by a thread that waits in the port at once, by another one when it next needs a buffer
    /// of any port and keeps none, or ends.
    #[must_use]
    pub fn pool_limit(mut self, buffers: usize) -> Self {
        self.pool_limit = buffers;
        self
    }

    /// Has `hook` called with each packet that nobody takes because the port is closed: those in its
    /// queue, with their results, and those of all that was in flight, timers too, as aborted. It gets
    /// back what they own: buffers, operations, messages. Without a hook they are dropped.
    ///
    /// It is called by whoever closes the port, and later by threads of the library for what the system
    /// gave back late; also for what starts, with [`or_packet`](crate::OrPacket), when the port is
    /// closed. A panic of the hook's is treated as one of a destructor. The handles in the
    /// packets can start nothing any more. If the hook holds a clone of the port, that is not closed
    /// by dropping its other clones.
    #[must_use]
    pub fn on_discard(mut self, hook: impl Fn(Packet<P>) + Send + Sync + 'static) -> Self {
        self.discard = Discard::to(hook);
        self
    }

    /// Makes the port.
    ///
    /// # Errors
    /// The driver that was asked for, here or by `OVERLAPPED_DRIVER`, does not run on this system,
    /// `OVERLAPPED_FILES` names nothing that carries files, or the process is out of descriptors.
    pub fn build(self) -> io::Result<Port<P>> {
        let concurrency = match self.concurrency {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let (scheduler, report) =
            Scheduler::build(self.driver, self.network, concurrency, self.blocked_thread_monitor)?;
        let files = Files::new(self.files)?;
        let sizes = self.buffer_size.map_or_else(Sizes::following, Sizes::all_of);
        let pool = Pool::new(sizes, self.pool_limit);
        Ok(Port::from_inner(Inner::new(scheduler, files, report, pool, self.discard)))
    }
}

impl<P: Protocol> std::fmt::Debug for PortBuilder<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PortBuilder")
            .field("concurrency", &self.concurrency)
            .field("driver", &self.driver)
            .field("files", &self.files)
            .field("blocked_thread_monitor", &self.blocked_thread_monitor)
            .field("buffer_size", &self.buffer_size)
            .field("pool_limit", &self.pool_limit)
            .finish_non_exhaustive()
    }
}
