//! On Windows the kernel carries what waits for the changes of a directory, as an overlapped operation.

use crate::error::{OperationId, Refused, Way, port_closed};
use crate::foreign::directory::{Directory, OpenDirectory};
use crate::foreign::home::{Completed, Home};
use crate::foreign::state::in_flight;
use crate::protocol::Protocol;
use crate::sync::{Mutex, new_number};
use crate::sys::directories::{ChangesRoom, SystemDirectory};
use crate::sys::iocp::Iocp;
use crate::sys::iocp::block::{Finished, InFlight, Overlapped};
use crate::sys::iocp::request::Request;
use crate::sys::waits::not_simulated;
use crate::sys::{Backend, code};
use std::any::Any;
use std::io;
use std::os::windows::io::AsRawHandle;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(crate) struct DirectoryCore<P: Protocol> {
    port: Arc<dyn Home<P>>,
    key: P::Key,
    /// No other handle of the process has it, before or after.
    id: u64,
    state: Mutex<State>,
}

struct State {
    /// None once closed. Shared with the operation in flight, so that it is open as long.
    directory: Option<Arc<SystemDirectory>>,
    /// The number that was given last.
    last: u32,
    /// The operation in flight, by its number.
    operation: Option<u32>,
}

/// The operations of a port's directories that the kernel holds.
///
/// The lock of a handle is taken before this one, never after it.
pub(crate) struct Directories<P: Protocol>(Mutex<Held<P>>);

struct Held<P: Protocol> {
    in_flight: InFlight<Label, Box<Job<P>>>,
    /// The port is closed: nothing starts any more.
    closed: bool,
}

struct Label {
    of: u64,
    cancelled: bool,
    directory: Arc<SystemDirectory>,
}

struct Job<P: Protocol> {
    room: ChangesRoom,
    directory: Arc<SystemDirectory>,
    operation: P::Operation,
    holder: Arc<DirectoryCore<P>>,
}

/// Why it was not started, and what was to be.
type Failed<P> = (io::Error, Box<Job<P>>);

impl<P: Protocol> Overlapped for Box<Job<P>> {
    fn request(&mut self) -> Request<'_> {
        let Job { room, directory, .. } = &mut **self;
        Request::DirectoryChanges(directory.as_raw_handle(), room.words(), directory.recursive)
    }
}

impl<P: Protocol> Default for Directories<P> {
    fn default() -> Self {
        Self(Mutex::new(Held { in_flight: InFlight::new(), closed: false }))
    }
}

impl<P: Protocol> Directories<P> {
    /// A packet of the kernel's: the operation that it is of, if it is one of ours (F9).
    pub(crate) fn finish(&self, driver: Backend<'_>, finished: &Finished) -> Option<Completed<P>> {
        let Backend::Overlapped(iocp) = driver else { return None };
        let (label, job, outcome) = self.0.lock().in_flight.finish(iocp, finished)?;
        let Job { room, directory, operation, holder } = *job;
        // Before the packet: whoever takes it may start the next one, or sees it closed.
        drop((label, directory));
        holder.state.lock().operation = None;
        let ended = outcome.of_file();
        let result = ended.result.map(|()| room.changes(ended.transferred));
        Some(Completed::Changed { directory: Directory(holder), operation, result })
    }

    /// How many have finished without their packets being taken.
    pub(crate) fn finished(&self) -> usize {
        self.0.lock().in_flight.finished(|_| true)
    }

    /// The port takes back what the kernel has, whose packets come while it drains.
    pub(in crate::foreign) fn close(&self) {
        let mut held = self.0.lock();
        held.closed = true;
        held.in_flight.cancel_each(|label| Some(&*label.directory));
    }

    /// Gives the job to the kernel, or back with the reason.
    fn start(&self, iocp: &Iocp, label: Label, job: Box<Job<P>>) -> Result<(), Failed<P>> {
        // The lock: the record is complete before anybody can look for the packet in it.
        let mut held = self.0.lock();
        if held.closed {
            return Err((port_closed(), job));
        }
        held.in_flight.start(iocp, None, label, job).map(drop)
    }

    /// Asks the kernel to cancel what the handle has in flight. False if that was asked before, or it has
    /// finished (P131).
    fn cancel(&self, of: u64) -> bool {
        let mut held = self.0.lock();
        let is_meant = |label: &&mut Label| label.of == of && !label.cancelled;
        let Some(label) = held.in_flight.labels_mut().find(is_meant) else { return false };
        label.cancelled = true;
        let directory = Arc::clone(&label.directory);
        held.in_flight.cancel_of_file(&*directory, |label| label.of == of)
    }
}

impl<P: Protocol> DirectoryCore<P> {
    pub(crate) fn associate(
        port: Arc<dyn Home<P>>,
        directory: OpenDirectory,
        key: P::Key,
    ) -> Result<Arc<Self>, Refused<(OpenDirectory, P::Key)>> {
        let admitted = match port.driver() {
            _ if port.is_closed() => Err(port_closed()),
            Backend::Overlapped(iocp) => iocp.associate_directory(&directory.0),
            Backend::Readiness(_) => Err(not_simulated()),
        };
        if let Err(error) = admitted {
            return Err(Refused::new(error, (directory, key)));
        }
        port.waits().open.fetch_add(1, Ordering::Relaxed);
        let directory = Some(Arc::new(directory.0));
        let state = Mutex::new(State { directory, last: 0, operation: None });
        Ok(Arc::new(Self { port, key, id: new_number(), state }))
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(in crate::foreign) fn key(&self) -> &P::Key {
        &self.key
    }

    pub(in crate::foreign) fn start(
        self: &Arc<Self>,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<P::Operation>> {
        self.begin(operation).map(OperationId).map_err(|(error, operation)| {
            Refused::of_start(error, operation, ToPacket(Arc::clone(self)))
        })
    }

    fn begin(self: &Arc<Self>, operation: P::Operation) -> Result<u32, (io::Error, P::Operation)> {
        let port = &self.port;
        let Backend::Overlapped(iocp) = port.driver() else {
            return Err((not_simulated(), operation));
        };
        let mut state = self.state.lock();
        let Some(directory) = &state.directory else {
            return Err((code::error(code::FILE_CLOSED), operation));
        };
        if state.operation.is_some() {
            return Err((in_flight(), operation));
        }
        let directory = Arc::clone(directory);
        let label = Label { of: self.id, cancelled: false, directory: Arc::clone(&directory) };
        let (room, holder) = (ChangesRoom::new(), Arc::clone(self));
        let job = Box::new(Job { room, directory, operation, holder });
        if let Err((error, job)) = port.waits().directories.start(iocp, label, job) {
            return Err((error, job.operation));
        }
        state.last = state.last.wrapping_add(1);
        let number = state.last;
        state.operation = Some(number);
        Ok(number)
    }

    pub(in crate::foreign) fn cancel(&self, which: Option<OperationId>) -> bool {
        let state = self.state.lock();
        let Some(number) = state.operation else { return false };
        which.is_none_or(|id| id.0 == number) && self.port.waits().directories.cancel(self.id)
    }

    /// The kernel closes the directory with the operation in flight.
    pub(in crate::foreign) fn close(&self) {
        let directory = self.state.lock().directory.take();
        if directory.is_some() {
            self.port.waits().open.fetch_sub(1, Ordering::Relaxed);
            self.cancel(None);
        }
    }
}

impl<P: Protocol> Drop for DirectoryCore<P> {
    fn drop(&mut self) {
        // The last share is gone, so nothing is in flight.
        if self.state.lock().directory.take().is_some() {
            self.port.waits().open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The way of a refused start into its packet.
struct ToPacket<P: Protocol>(Arc<DirectoryCore<P>>);

impl<P: Protocol> Way<P::Operation> for ToPacket<P> {
    fn deliver(
        self: Box<Self>,
        error: io::Error,
        operation: P::Operation,
        _: Option<&mut dyn Any>,
    ) {
        let directory = Directory(self.0);
        let port = Arc::clone(&directory.0.port);
        port.queue_own(Completed::Changed { directory, operation, result: Err(error) });
    }
}
