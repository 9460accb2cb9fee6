//! On Windows the kernel carries the files, by overlapped reads and writes, whose packets come like those
//! of sockets. A flush is no overlapped operation; helper threads make it.

use crate::driver;
use crate::driver::files::{Request, SystemFile};
use crate::driver::iocp::block::{Ended, Finished, InFlight};
use crate::driver::iocp::{END_OF_FILE, Iocp};
use crate::file::files::{Files, FilesChoice, no_ring};
use crate::file::helpers::Helpers;
use crate::file::home::Completed;
use crate::file::job::{Done, Job, NotStarted, Step, Tag, Which};
use crate::file::state::FileJob;
use crate::protocol::Protocol;
use crate::sync::Mutex;
use std::io;
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

/// What came of a job that was given to the kernel.
enum Given<J> {
    Started,
    /// It is complete.
    Done(Box<J>),
    /// It asks for what the kernel has no overlapped operation for.
    NotOverlapped(Box<J>),
}

impl<J: Job> Backend<J> {
    pub(in crate::file) fn make(
        driver: driver::Backend<'_>,
        choice: FilesChoice,
        chosen_by: &str,
    ) -> io::Result<Self> {
        const NO_RING: &str = "io_uring is of Linux";
        let (kernel, reason) = match (choice, driver) {
            (FilesChoice::Ring, _) => return Err(no_ring(chosen_by, NO_RING)),
            (FilesChoice::Helpers, _) => (None, chosen_by),
            (FilesChoice::Automatic, driver::Backend::Readiness(_)) => (None, NO_RING),
            (FilesChoice::Automatic, driver::Backend::Overlapped(port)) => {
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

    pub(in crate::file) fn start(&self, job: Box<J>) -> Result<Done<J>, NotStarted<J>> {
        let given = match &self.kernel {
            None => Given::NotOverlapped(job),
            Some(kernel) => kernel.give(job),
        };
        match given {
            Given::Started => Ok(Vec::new()),
            Given::Done(job) => Ok(vec![job]),
            Given::NotOverlapped(job) => self.helpers.start(job).map(|()| Vec::new()),
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
        let held = held.map_or(0, |kernel| kernel.cancel_if(|tag| which.includes(tag)));
        (held + helped, done)
    }

    /// The port takes back what the kernel has.
    pub(in crate::file) fn close(&self) {
        if let Some(kernel) = &self.kernel {
            kernel.cancel_if(|_| true);
        }
        self.helpers.close();
    }
}

impl<P: Protocol> Files<P> {
    /// The operation of a packet of the kernel's, if it is complete.
    pub(crate) fn finish(&self, finished: &Finished) -> Option<Completed<P>> {
        let kernel: &Kernel<FileJob<P>> = self.backend()?.kernel.as_ref()?;
        match kernel.finish(finished)? {
            Given::Done(job) => Some(job.into_completed()),
            // A job asks for the same kind of thing from its start to its end.
            Given::Started | Given::NotOverlapped(_) => None,
        }
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

    /// Gives the job to the kernel, step by step while the steps fail or need nothing.
    fn give(&self, mut job: Box<J>) -> Given<J> {
        loop {
            let tag = job.tag();
            let (file, request) = job.request();
            if matches!(request, Request::Flush) {
                return Given::NotOverlapped(job);
            }
            let label = Label { tag, cancelled: false, file: Arc::clone(file) };
            // The record is complete before anybody can look for the packet in it.
            let mut in_flight = self.in_flight.lock();
            let (error, refused) = match in_flight.start(&self.port, None, label, job) {
                Ok(()) => return Given::Started,
                Err(refused) => refused,
            };
            drop(in_flight);
            job = refused;
            if advance(&mut job, Ended { transferred: 0, result: Err(error) }) == Step::Complete {
                return Given::Done(job);
            }
        }
    }

    /// A packet of the kernel's: what came of the job it is of, if it is one of ours (F9).
    fn finish(&self, finished: &Finished) -> Option<Given<J>> {
        let (label, mut job, outcome) = self.in_flight.lock().finish(&self.port, finished)?;
        let mut ended = outcome.of_file();
        if label.cancelled && ended.result.is_err() {
            job.abort();
            return Some(Given::Done(job));
        }
        if ended.result.is_err() {
            ended.transferred = 0;
        }
        Some(match advance(&mut job, ended) {
            Step::Complete => Given::Done(job),
            Step::GoesOn if label.cancelled => {
                job.abort();
                Given::Done(job)
            }
            Step::GoesOn => self.give(job),
        })
    }

    /// Asks the kernel to cancel; returns how many jobs it holds of those meant.
    fn cancel_if(&self, is_meant: impl Fn(Tag) -> bool) -> usize {
        let mut in_flight = self.in_flight.lock();
        let mut meant = Vec::new();
        for label in in_flight.labels_mut().filter(|label| is_meant(label.tag)) {
            label.cancelled = true;
            meant.push((label.tag, Arc::clone(&label.file)));
        }
        for (tag, file) in &meant {
            in_flight.cancel_on_file(file, |label| label.tag == *tag);
        }
        meant.len()
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
