//! The state of one associated file, and the three steps of every operation on it.
//!
//! There is little of it: operations on a file are independent of each other, so the handle keeps
//! no queue, and what is in flight is with the backend as a [`FileJob`]. Each job holds the handle
//! that its packet gives back, and the open file.

use super::handle::File;
use super::home::{Completed, Home};
use super::job::{Job, Step, Tag, Which};
use super::open_file::OpenFile;
use super::operation::Operation;
use super::platform::Backend;
use crate::error::{OperationId, Refused, Way, aborted, not_performed, port_closed};
use crate::panics::{Panics, contained};
use crate::protocol::Protocol;
use crate::sync::{Mutex, new_number};
use crate::sys::code;
use crate::sys::files::{Request, SystemFile, Transfer};
use std::any::Any;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A share in an associated file. The last one to go closes it.
pub(crate) struct FileHandle<P: Protocol>(Arc<FileCore<P>>);

struct FileCore<P: Protocol> {
    port: Arc<dyn Home<P>>,
    key: P::Key,
    /// No other handle of the process has it, before or after.
    id: u64,
    /// What the backend knows the file by.
    number: u64,
    alignment: usize,
    next_id: AtomicU32,
    /// None once closed. Shared with the jobs, so that the descriptor lives as long as they do.
    file: Mutex<Option<Arc<SystemFile>>>,
}

/// An operation in flight.
pub(super) struct FileJob<P: Protocol> {
    id: u32,
    kind: Operation,
    operation: P::Operation,
    result: io::Result<()>,
    file: Arc<SystemFile>,
    holder: FileHandle<P>,
}

impl<P: Protocol> FileHandle<P> {
    /// Associates `file` with the port under `key`.
    pub(crate) fn associate(
        port: Arc<dyn Home<P>>,
        file: OpenFile,
        key: P::Key,
    ) -> Result<Self, Refused<(OpenFile, P::Key)>> {
        if port.is_closed() {
            return Err(Refused::new(port_closed(), (file, key)));
        }
        let number = match port.files().open(port.driver(), &file.0) {
            Ok(number) => number,
            Err(error) => return Err(Refused::new(error, (file, key))),
        };
        if port.is_closed() {
            // The closing may not have seen what has just been made to carry files.
            port.files().close();
        }
        let core = FileCore {
            port,
            key,
            id: new_number(),
            number,
            alignment: file.0.alignment(),
            next_id: AtomicU32::new(0),
            file: Mutex::new(Some(Arc::new(file.0))),
        };
        Ok(Self(Arc::new(core)))
    }

    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }

    /// Step one: moves the operation in. Refused, what was given is given back as `take` makes it, and
    /// `complete` makes the complete operation of that, if its packet is asked for.
    pub(super) fn start<T: 'static>(
        &self,
        kind: Operation,
        operation: P::Operation,
        take: impl FnOnce(Operation, P::Operation) -> T,
        complete: Complete<P, T>,
    ) -> Result<OperationId, Refused<T>> {
        self.begin(kind, operation).map_err(
            |Refused { error, returned: (kind, operation), .. }| {
                let way = ToPacket { handle: self.clone(), complete };
                Refused::of_start(error, take(kind, operation), way)
            },
        )
    }

    fn begin(
        &self,
        kind: Operation,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Operation, P::Operation)>> {
        let port = &self.0.port;
        if port.is_closed() {
            return Err(Refused::new(port_closed(), (kind, operation)));
        }
        let admitted = self.open_file().and_then(|file| kind.admit(&file).map(|()| file));
        let file = match admitted {
            Ok(file) => file,
            Err(error) => return Err(Refused::new(error, (kind, operation))),
        };
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let (result, holder) = (not_performed(), self.clone());
        let job = Box::new(FileJob { id, kind, operation, result, file, holder });
        let own = job.tag();
        let done = self.backend().start(job).map_err(|(error, job)| {
            let FileJob { kind, operation, .. } = *job;
            Refused::new(error, (kind, operation))
        })?;
        let mut panics = Panics::default();
        for job in done {
            let is_own = job.tag() == own;
            let completed = job.into_completed();
            panics.run(|| if is_own { port.queue_own(completed) } else { port.queue(completed) });
        }
        // Whoever closed handle or port meanwhile may not have found the operation.
        let is_closed = self.0.file.lock().is_none();
        if is_closed || port.is_closed() {
            panics.run(|| self.cancel_which(Which::One(own)));
        }
        // The closing port may have looked before the system had it.
        if port.is_closed() {
            panics.run(|| Arc::clone(port).drain());
        }
        panics.resume();
        Ok(OperationId(id))
    }

    /// Asks for one operation to be aborted (P130-P133).
    pub(super) fn cancel(&self, id: OperationId) -> io::Result<()> {
        match self.cancel_which(Which::One(Tag { file: self.0.number, operation: id.0 })) {
            0 => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "no such operation is in flight: it completed before it could be cancelled",
            )),
            _ => Ok(()),
        }
    }

    /// Asks for every operation in flight to be aborted; returns how many there were.
    pub(super) fn cancel_all(&self) -> usize {
        self.cancel_which(Which::OfFile(self.0.number))
    }

    fn backend(&self) -> &Backend<FileJob<P>> {
        self.0.port.files().backend().expect("an associated file has one")
    }

    fn cancel_which(&self, which: Which) -> usize {
        let port = &self.0.port;
        let (count, done) = self.backend().cancel(which);
        let mut panics = Panics::default();
        for job in done {
            panics.run(|| port.queue(job.into_completed()));
        }
        panics.resume();
        count
    }

    /// Closes the file for its handles; what is in flight is cancelled, and the descriptor goes
    /// with the last of it (P140, L3).
    pub(super) fn close(&self) {
        let file = self.0.file.lock().take();
        if file.is_some() {
            self.0.port.files().closed();
            self.cancel_all();
        }
    }

    pub(super) fn open_file(&self) -> io::Result<Arc<SystemFile>> {
        self.0.file.lock().clone().ok_or_else(|| code::error(code::FILE_CLOSED))
    }

    pub(super) fn key(&self) -> &P::Key {
        &self.0.key
    }

    pub(super) fn alignment(&self) -> usize {
        self.0.alignment
    }
}

/// The way of a refused operation into its packet.
struct ToPacket<P: Protocol, T> {
    handle: FileHandle<P>,
    complete: Complete<P, T>,
}

type Complete<P, T> = fn(File<P>, T, io::Error) -> Completed<P>;

impl<P: Protocol, T> Way<T> for ToPacket<P, T> {
    fn deliver(self: Box<Self>, error: io::Error, returned: T, _: Option<&mut dyn Any>) {
        let Self { handle, complete } = *self;
        let port = Arc::clone(&handle.0.port);
        port.queue_own(complete(File(handle), returned, error));
    }
}

impl<P: Protocol> Clone for FileHandle<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: Protocol> Drop for FileCore<P> {
    fn drop(&mut self) {
        // The last share is gone, so nothing is in flight, and with this the file is closed.
        if self.file.lock().take().is_some() {
            self.port.files().closed();
        }
    }
}

impl<P: Protocol> FileJob<P> {
    /// Step three begins: everything moves out.
    pub(super) fn into_completed(self) -> Completed<P> {
        let Self { kind, operation, result, file, holder, .. } = self;
        // Before the packet: whoever takes the last one of a closed file sees it closed.
        drop(file);
        kind.into_completed(File(holder), operation, result)
    }
}

impl<P: Protocol> Transfer for FileJob<P> {
    fn request(&mut self) -> (&Arc<SystemFile>, Request<'_>) {
        (&self.file, self.kind.request())
    }
}

impl<P: Protocol> Job for FileJob<P> {
    fn tag(&self) -> Tag {
        Tag { file: self.holder.0.number, operation: self.id }
    }

    fn advance(&mut self, outcome: io::Result<usize>) -> Step {
        match outcome.and_then(|count| self.kind.advance(count, &self.file)) {
            Ok(Step::GoesOn) => return Step::GoesOn,
            Ok(Step::Complete) => self.result = Ok(()),
            Err(error) => self.result = Err(error),
        }
        Step::Complete
    }

    fn abort(&mut self) {
        self.result = Err(aborted());
    }

    fn deliver(self: Box<Self>) {
        let port = Arc::clone(&self.holder.0.port);
        // The thread serves all files, and is to go on.
        contained(|| port.queue(self.into_completed()));
    }

    fn discard(mut self: Box<Self>) {
        self.abort();
        let port = Arc::clone(&self.holder.0.port);
        port.queue(self.into_completed());
    }
}
