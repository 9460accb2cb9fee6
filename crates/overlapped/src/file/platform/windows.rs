//! On Windows the kernel carries the files, by overlapped reads and writes, whose packets come like those
//! of sockets. A flush is no overlapped operation; helper threads make it.

use crate::file::files::{Files, FilesChoice, no_ring};
use crate::file::helpers::Helpers;
use crate::file::home::Completed;
use crate::file::job::{Done, Job, NotStarted, Step, Tag, Which};
use crate::file::state::FileJob;
use crate::file::{FileDescriptor, OpenFile};
use crate::protocol::Protocol;
use crate::sync::Mutex;
use crate::sys;
use crate::sys::files::{Request, SystemFile};
use crate::sys::iocp::block::{Ended, Finished, InFlight};
use crate::sys::iocp::{END_OF_FILE, Iocp};
use std::io;
use std::os::windows::io::{AsHandle, BorrowedHandle};
use std::sync::Arc;

/// What a port has before its first file, if nothing was asked for.
pub(in crate::file) const PLAN: &str = "the kernel carries them, from the first file on";

/// What carries the files of one port.
pub(in crate::file) struct Backend<J: Job> {
    kernel: Option<Kernel<J>>,
    /// Alone, or for what the kernel knows no overlapped operation for.
    helpers: Helpers<J>,
    reason: String,
}

struct Kernel<J: Job> {
    port: Arc<Iocp>,
    in_flight: Mutex<InFlight<Label, Box<J>>>,
}

struct Label {
    tag: Tag,
    cancelled: bool,
    file: Arc<SystemFile>,
}

impl<J: Job> Backend<J> {
    pub(in crate::file) fn make(
        driver: sys::Backend<'_>,
        choice: FilesChoice,
        chosen_by: &str,
    ) -> io::Result<Self> {
        const NO_RING: &str = "io_uring is of Linux";
        let (kernel, reason) = match (choice, driver) {
            (FilesChoice::Ring, _) => return Err(no_ring(chosen_by, NO_RING)),
            (FilesChoice::Helpers, _) => (None, chosen_by),
            (FilesChoice::Automatic, sys::Backend::Readiness(_)) => (None, NO_RING),
            (FilesChoice::Automatic, sys::Backend::Overlapped(port)) => {
                let in_flight = Mutex::new(InFlight::new());
                let kernel = Kernel { port: Arc::clone(port), in_flight };
                (Some(kernel), "the default for files on Windows")
            }
        };
        Ok(Self { kernel, helpers: Helpers::new(), reason: reason.to_owned() })
    }

    pub(in crate::file) fn report(&self) -> String {
        let name = if self.kernel.is_some() { "overlapped" } else { "helper threads" };
        format!("{name}: {}", self.reason)
    }

    pub(in crate::file) fn admit(&self, file: &SystemFile) -> io::Result<()> {
        match &self.kernel {
            None => Helpers::<J>::admit(file),
            Some(kernel) => kernel.admit(file),
        }
    }

    pub(in crate::file) fn start(&self, mut job: Box<J>) -> Result<Done<J>, NotStarted<J>> {
        match &self.kernel {
            // A job asks for the same kind of thing from its start to its end.
            Some(kernel) if !matches!(job.request().1, Request::Flush) => {
                Ok(kernel.give(job).into_iter().collect())
            }
            _ => self.helpers.start(job).map(|()| Vec::new()),
        }
    }

    /// No event of a readiness driver tells of files here.
    #[expect(clippy::unused_self, reason = "a ring has completions to take")]
    pub(in crate::file) fn reap(&self) -> Done<J> {
        Vec::new()
    }

    pub(in crate::file) fn cancel(&self, which: Which) -> (usize, Done<J>) {
        let (helped, done) = self.helpers.cancel(which);
        let held = self.kernel.as_ref();
        (held.map_or(0, |kernel| kernel.cancel(|tag| which.includes(tag))) + helped, done)
    }

    /// The port takes back what the kernel has.
    pub(in crate::file) fn close(&self) {
        if let Some(kernel) = &self.kernel {
            kernel.cancel(|_| true);
        }
        self.helpers.close();
    }
}

impl<P: Protocol> Files<P> {
    /// The operation of a packet of the kernel's, if it is complete.
    pub(crate) fn finish(&self, finished: &Finished) -> Option<Completed<P>> {
        let kernel: &Kernel<FileJob<P>> = self.backend()?.kernel.as_ref()?;
        kernel.finish(finished).map(|job| job.into_completed())
    }

    /// How many operations have finished without their packets being taken.
    pub(crate) fn finished(&self) -> usize {
        let kernel = self.backend().and_then(|backend| backend.kernel.as_ref());
        kernel.map_or(0, |kernel| kernel.in_flight.lock().finished(|_| true))
    }
}

impl<J: Job> Kernel<J> {
    /// Ties the file to the port for life (P8); it must have been opened for overlapped access (P7).
    fn admit(&self, file: &SystemFile) -> io::Result<()> {
        self.port.associate_file(file).map_err(|error| {
            let text = format!(
                "the file cannot be associated; it must be opened for overlapped access, as \
                 OpenFile::open does ({error})"
            );
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })
    }

    /// Gives the job to the kernel, unless its step fails at once or needs nothing; gives it back when it
    /// is complete with that.
    fn give(&self, mut job: Box<J>) -> Option<Box<J>> {
        loop {
            let file = Arc::clone(job.request().0);
            let label = Label { tag: job.tag(), cancelled: false, file };
            // The lock: the record is complete before anybody can look for the packet in it.
            let started = self.in_flight.lock().start(&self.port, None, label, job);
            let Err((error, refused)) = started else { return None };
            job = refused;
            if advance(&mut job, Ended { transferred: 0, result: Err(error) }) == Step::Complete {
                return Some(job);
            }
        }
    }

    /// A packet of the kernel's: the job it is of, if it is one of ours (F9) and complete.
    fn finish(&self, finished: &Finished) -> Option<Box<J>> {
        let (label, mut job, outcome) = self.in_flight.lock().finish(&self.port, finished)?;
        let mut ended = outcome.of_file();
        if ended.result.is_err() {
            ended.transferred = 0;
        }
        let is_aborted = label.cancelled && ended.result.is_err();
        if !is_aborted && advance(&mut job, ended) == Step::Complete {
            return Some(job);
        }
        if label.cancelled {
            job.abort();
            return Some(job);
        }
        self.give(job)
    }

    /// Asks the kernel to cancel; returns how many jobs it holds of those meant.
    fn cancel(&self, is_meant: impl Fn(Tag) -> bool) -> usize {
        self.in_flight.lock().cancel_each(|label| {
            let meant = is_meant(label.tag);
            label.cancelled |= meant;
            meant.then_some(&*label.file)
        })
    }
}

/// A read at or past the end of a file reports an error here; the operation knows it as nothing.
fn advance<J: Job>(job: &mut Box<J>, ended: Ended) -> Step {
    let at_the_end = |error: &io::Error| error.raw_os_error() == Some(END_OF_FILE);
    job.advance(match ended.all() {
        Err(error) if at_the_end(&error) => Ok(0),
        outcome => outcome,
    })
}

impl AsHandle for OpenFile {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.as_handle()
    }
}

impl AsHandle for FileDescriptor {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        (*self.0).as_handle()
    }
}
