//! The state of one associated file, and the three steps of every operation on it.
//!
//! There is little of it: operations on a file are independent of each other, so the handle keeps
//! no queue, and what is in flight is with the driver ([`crate::driver::files`]) as a [`FileJob`].
//! Each job holds the handle that its packet gives back, and the open file.

use super::open_file::OpenFile;
use crate::conn::port_closed;
use crate::driver::code;
use crate::driver::files::{Job, Request, Step, SystemFile, Tag, Which};
use crate::error::Refused;
use crate::error::{OperationId, aborted};
use crate::op::packet::Packet;
use crate::operation::file_task::FileTask;
use crate::panics::{Panics, contained};
use crate::port::associate::Association;
use crate::port::inner::Inner;
use crate::protocol::Protocol;
use crate::sync::Mutex;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A share in an associated file. The last one to go closes it.
pub(crate) struct FileHandle<P: Protocol>(Arc<FileCore<P>>);

struct FileCore<P: Protocol> {
    port: Arc<Inner<P>>,
    key: P::Key,
    /// What the driver knows the file by.
    number: u64,
    alignment: usize,
    next_id: AtomicU32,
    /// None once closed. Shared with the jobs, so that the descriptor lives as long as they do.
    file: Mutex<Option<Arc<SystemFile>>>,
}

/// An operation in flight.
pub(crate) struct FileJob<P: Protocol> {
    id: u32,
    task: FileTask,
    operation: P::Operation,
    file: Arc<SystemFile>,
    holder: FileHandle<P>,
}

impl<P: Protocol> FileHandle<P> {
    /// Associates `file` with the port under `key`.
    pub(crate) fn associate(
        port: &Arc<Inner<P>>,
        file: OpenFile,
        key: P::Key,
    ) -> Association<Self, OpenFile, P::Key> {
        if port.is_closed() {
            return Err(Refused::new(port_closed(), (file, key)));
        }
        let number = match port.files.open(port.scheduler().backend(), &file.0) {
            Ok(number) => number,
            Err(error) => return Err(Refused::new(error, (file, key))),
        };
        if port.is_closed() {
            // The closing may not have seen what has just been made to carry files.
            port.files.close();
        }
        let core = FileCore {
            port: Arc::clone(port),
            key,
            number,
            alignment: file.0.alignment(),
            next_id: AtomicU32::new(0),
            file: Mutex::new(Some(Arc::new(file.0))),
        };
        Ok(Self(Arc::new(core)))
    }

    /// Step one: moves the operation in.
    pub(crate) fn start(
        &self,
        task: FileTask,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(FileTask, P::Operation)>> {
        let port = &self.0.port;
        if port.is_closed() {
            return Err(Refused::new(port_closed(), (task, operation)));
        }
        let admitted = self.open_file().and_then(|file| task.admit(&file).map(|()| file));
        let file = match admitted {
            Ok(file) => file,
            Err(error) => return Err(Refused::new(error, (task, operation))),
        };
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let job = Box::new(FileJob { id, task, operation, file, holder: self.clone() });
        let own = job.tag();
        match port.files.start(port.scheduler().backend(), job) {
            Err((error, job)) => {
                let FileJob { task, operation, .. } = *job;
                Err(Refused::new(error, (task, operation)))
            }
            Ok(done) => {
                let mut panics = Panics::default();
                for job in done {
                    let is_own = job.tag() == own;
                    let packet = job.into_packet();
                    // A packet that the closed port refuses is dropped here.
                    panics.drop_each(if is_own {
                        port.queue_own(packet).err()
                    } else {
                        port.queue(packet).err()
                    });
                }
                // Whoever closed handle or port meanwhile may not have found the operation.
                let is_closed = self.0.file.lock().is_none();
                if is_closed || port.is_closed() {
                    panics.run(|| self.cancel_which(Which::One(own)));
                }
                if port.is_closed() {
                    // The closing may have taken back all that the kernel held before this came.
                    panics.run(|| port.drain());
                }
                panics.resume();
                Ok(OperationId(id))
            }
        }
    }

    /// Asks for one operation to be aborted (P130-P133).
    pub(crate) fn cancel(&self, id: OperationId) -> io::Result<()> {
        match self.cancel_which(Which::One(Tag { file: self.0.number, operation: id.0 })) {
            0 => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "no such operation is in flight: it completed before it could be cancelled",
            )),
            _ => Ok(()),
        }
    }

    /// Asks for every operation in flight to be aborted; returns how many there were.
    pub(crate) fn cancel_all(&self) -> usize {
        self.cancel_which(Which::OfFile(self.0.number))
    }

    fn cancel_which(&self, which: Which) -> usize {
        let port = &self.0.port;
        let (count, done) = port.files.cancel(which);
        let mut panics = Panics::default();
        for job in done {
            panics.drop_each(port.queue(job.into_packet()).err());
        }
        panics.resume();
        count
    }

    /// Closes the file for its handles; what is in flight is cancelled, and the descriptor goes
    /// with the last of it (P140, L3).
    pub(crate) fn close(&self) {
        let file = self.0.file.lock().take();
        if file.is_some() {
            self.0.port.files.closed();
            self.cancel_all();
        }
    }

    pub(crate) fn open_file(&self) -> io::Result<Arc<SystemFile>> {
        self.0.file.lock().clone().ok_or_else(|| code::error(code::FILE_CLOSED))
    }

    pub(crate) fn key(&self) -> &P::Key {
        &self.0.key
    }

    pub(crate) fn alignment(&self) -> usize {
        self.0.alignment
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
            self.port.files.closed();
        }
    }
}

impl<P: Protocol> FileJob<P> {
    /// Step three begins: everything moves into the packet.
    pub(crate) fn into_packet(self) -> Packet<P> {
        let Self { task, operation, file, holder, .. } = self;
        // Before the packet: whoever takes the last one of a closed file sees it closed.
        drop(file);
        task.into_packet(holder, operation)
    }
}

impl<P: Protocol> Job for FileJob<P> {
    fn tag(&self) -> Tag {
        Tag { file: self.holder.0.number, operation: self.id }
    }

    fn request(&mut self) -> (&SystemFile, Request<'_>) {
        (&self.file, self.task.request())
    }

    fn advance(&mut self, outcome: io::Result<usize>) -> Step {
        self.task.advance(outcome, &self.file)
    }

    fn abort(&mut self) {
        self.task.fail(aborted());
    }

    fn deliver(self: Box<Self>) {
        let port = Arc::clone(&self.holder.0.port);
        // The thread serves all files, and is to go on.
        contained(|| drop(port.queue(self.into_packet())));
    }
}
