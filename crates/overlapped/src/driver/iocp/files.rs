//! The operations on files that the kernel carries: overlapped reads and writes, whose packets come
//! like those of sockets. A flush is no overlapped operation; helper threads make it.

use super::Iocp;
use super::block::{Ended, Finished, InFlight, Overlapped};
use super::request::Request;
use crate::driver::files::{self, Job, Step, SystemFile, Tag, Which};
use crate::sync::Mutex;
use std::io;
use std::os::windows::io::{AsRawHandle, RawHandle};
use windows_sys::Win32::Foundation::ERROR_HANDLE_EOF;

/// The jobs of one port that the kernel holds.
pub(crate) struct OverlappedFiles<J: Job>(Mutex<InFlight<Label, Body<J>>>);

struct Label {
    tag: Tag,
    cancelled: bool,
    /// Kept open by the job.
    file: RawHandle,
}

// SAFETY: a handle may be used on every thread.
unsafe impl Send for Label {}

struct Body<J>(Box<J>);

/// What came of a job that was given to the kernel.
pub(crate) enum Given<J> {
    Started,
    /// It is complete.
    Done(Box<J>),
    /// It asks for what the kernel has no overlapped operation for.
    NotOverlapped(Box<J>),
}

impl<J: Job> Overlapped for Body<J> {
    fn request(&mut self) -> Request<'_> {
        let (file, request) = self.0.request();
        let file = file.as_raw_handle();
        match request {
            files::Request::Read { room, offset } => Request::ReadAt(file, room, offset),
            files::Request::Write { bytes, offset } => Request::WriteAt(file, bytes, offset),
            // It is not asked for, since such jobs are not given to the kernel.
            files::Request::Flush => Request::WriteAt(file, &[], 0),
        }
    }
}

impl<J: Job> OverlappedFiles<J> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(InFlight::new()))
    }

    /// Ties the file to the port for life (P8); it must have been opened for overlapped access (P7).
    pub(crate) fn admit(&self, port: &Iocp, file: &SystemFile) -> io::Result<()> {
        port.associate_file(file).map_err(|error| {
            let text = format!(
                "the file cannot be associated; it must be opened for overlapped access, as \
                 OpenFile::open does ({error})"
            );
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })
    }

    /// Gives the job to the kernel, step by step while the steps fail or need nothing.
    pub(crate) fn give(&self, port: &Iocp, mut job: Box<J>) -> Given<J> {
        loop {
            let tag = job.tag();
            let (file, request) = job.request();
            if matches!(request, files::Request::Flush) {
                return Given::NotOverlapped(job);
            }
            let label = Label { tag, cancelled: false, file: file.as_raw_handle() };
            // The record is complete before anybody can look for the packet in it.
            let mut in_flight = self.0.lock();
            let (error, body) = match in_flight.start(port, None, label, Body(job)) {
                Ok(()) => return Given::Started,
                Err(refused) => refused,
            };
            drop(in_flight);
            job = body.0;
            if advance(&mut job, Ended { transferred: 0, result: Err(error) }) == Step::Complete {
                return Given::Done(job);
            }
        }
    }

    /// A packet of the kernel's: what came of the job it is of, if it is one of ours (F9).
    pub(crate) fn finish(&self, port: &Iocp, finished: &Finished) -> Option<Given<J>> {
        let (label, Body(mut job), outcome) = self.0.lock().finish(port, finished)?;
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
            Step::GoesOn => self.give(port, job),
        })
    }

    /// Asks the kernel to cancel; returns how many jobs it holds of those meant.
    pub(crate) fn cancel(&self, which: Which) -> usize {
        self.cancel_if(|tag| which.means(tag))
    }

    pub(crate) fn cancel_all(&self) {
        self.cancel_if(|_| true);
    }

    fn cancel_if(&self, is_meant: impl Fn(Tag) -> bool) -> usize {
        let mut in_flight = self.0.lock();
        let mut meant = Vec::new();
        for label in in_flight.labels_mut().filter(|label| is_meant(label.tag)) {
            label.cancelled = true;
            meant.push((label.tag, label.file));
        }
        for (tag, file) in &meant {
            in_flight.cancel_on(*file, |label| label.tag == *tag);
        }
        meant.len()
    }

    /// How many operations have finished without their packets being taken.
    pub(crate) fn finished(&self) -> usize {
        self.0.lock().finished(|_| true)
    }
}

/// A read at or past the end of a file reports an error here; the operation knows it as nothing.
fn advance<J: Job>(job: &mut Box<J>, ended: Ended) -> Step {
    let at_the_end = |error: &io::Error| error.raw_os_error() == Some(ERROR_HANDLE_EOF as i32);
    job.advance(match ended.all() {
        Err(error) if at_the_end(&error) => Ok(0),
        outcome => outcome,
    })
}
