//! A recording of a port while it runs.

use super::Port;
use super::inner::Inner;
use crate::error::port_closed;
use crate::protocol::Protocol;
use crate::sched::moves::Recording;
use std::fmt;
use std::io;
use std::sync::Arc;

/// A recording that runs, from [`Port::record`] on. It ends when it is finished or dropped.
///
/// It does not keep the port open.
pub struct Recorder {
    recorded: Arc<dyn Recorded>,
    devices: usize,
    fetched: bool,
}

/// What is recorded, whatever its protocol.
trait Recorded: Send + Sync {
    fn end(&self) -> Option<Recording>;
}

impl<P: Protocol> Recorded for Inner<P> {
    fn end(&self) -> Option<Recording> {
        self.scheduler().end_recording()
    }
}

impl<P: Protocol> Port<P> {
    /// Begins to note each move of the port's threads and packets, with its time, until the
    /// [`Recorder`] is finished or dropped, the port is closed, or there are `limit` moves. A move takes
    /// up to 48 bytes, so 100,000 of them take 5 MB.
    ///
    /// It is for a look at a short time. While it runs every packet goes through the port's queue, and
    /// each step takes the lock of the scheduler and reads the clock, so a busy port is slower meanwhile,
    /// and what would lie in a [thread's own queue](Self::defer) is handed to any thread that waits.
    /// What completes [in place](crate::InPlace) is no packet, and is not seen.
    ///
    /// A thread that was found asleep by the blocked-thread monitor is paused from the time at which
    /// it was found. A thread in the system's wait is waiting until it has come back from there: when
    /// several are, nobody knows before which of them the system wakes for a packet, while
    /// [`Snapshot::released`](crate::Snapshot::released) counts one at once.
    ///
    /// # Errors
    /// - [`ResourceBusy`](io::ErrorKind::ResourceBusy): a recording of this port runs, or has ended by itself
    ///   and its recorder is still there.
    /// - [`BrokenPipe`](io::ErrorKind::BrokenPipe): the port is closed.
    /// - [`Unsupported`](io::ErrorKind::Unsupported): the port is one of the system's; see below.
    ///
    /// # Platform
    /// On Windows the kernel decides which thread gets which packet and which thread may run, and tells
    /// nobody. There only ports on a simulated network can be recorded.
    ///
    /// ```
    /// # struct Jobs;
    /// # impl overlapped::Protocol for Jobs { type Key = (); type Operation = (); type Message = u32; }
    /// use overlapped::{Moved, Port};
    /// use std::io::ErrorKind;
    ///
    /// let port = Port::<Jobs>::new()?;
    /// let recorder = match port.record(100_000) {
    ///     Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(()),
    ///     begun => begun?,
    /// };
    /// port.post(1)?;
    /// port.take()?;
    /// let recording = recorder.finish();
    /// let what: Vec<Moved> = recording.moves.iter().map(|one| one.what).collect();
    /// assert_eq!(what[0], Moved::Queued { queued: 1 });
    /// assert_eq!(what.last(), Some(&Moved::Taken { thread: Some(0), queued: 0 }));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn record(&self, limit: usize) -> io::Result<Recorder> {
        let inner = Arc::clone(self.inner());
        if inner.is_closed() {
            return Err(port_closed());
        }
        inner.scheduler().begin_recording(limit)?;
        let devices = inner.snapshot().devices;
        Ok(Recorder { recorded: inner, devices, fetched: false })
    }
}

impl Recorder {
    /// Ends the recording, if it has not ended by itself, and says what happened in it.
    #[must_use]
    pub fn finish(mut self) -> Recording {
        self.fetched = true;
        let recording = self.recorded.end();
        let mut recording = recording.expect("a recording is kept until it is fetched");
        recording.devices = self.devices;
        recording
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // After `finish` there may be another one.
        if !self.fetched {
            drop(self.recorded.end());
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}
