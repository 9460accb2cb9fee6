//! On Linux a ring carries the files, or helper threads where it is refused.

mod flight;
mod ring;

use crate::file::files::{FilesChoice, no_ring};
use crate::file::helpers::Helpers;
use crate::file::job::{Done, Job, NotStarted, Which};
use crate::file::{FileDescriptor, OpenFile};
use crate::panics::Panics;
use crate::sys::files::SystemFile;
use crate::sys::{self, Driver};
use flight::Reaped;
use ring::Ring;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// What a port has before its first file, if nothing was asked for.
pub(in crate::file) const PLAN: &str =
    "the first file makes an io_uring or, where that is refused, helper threads";

/// What carries the files of one port.
pub(in crate::file) struct Backend<J: Job> {
    ring: Option<Arc<Ring<J>>>,
    /// Alone, or for what the system refuses the ring later, as a sandbox may.
    helpers: Helpers<J>,
    reason: String,
}

impl<J: Job> Backend<J> {
    pub(in crate::file) fn make(
        driver: sys::Backend<'_>,
        choice: FilesChoice,
        chosen_by: &str,
    ) -> io::Result<Self> {
        let (ring, reason) = match choice {
            FilesChoice::Helpers => (None, chosen_by.to_owned()),
            FilesChoice::Automatic | FilesChoice::Ring => match (watched_ring(driver), choice) {
                (Ok(ring), FilesChoice::Ring) => (Some(ring), chosen_by.to_owned()),
                (Ok(ring), _) => (Some(ring), "the default for files on Linux".to_owned()),
                (Err(refusal), FilesChoice::Ring) => return Err(no_ring(chosen_by, &refusal)),
                (Err(refusal), _) => (None, refusal),
            },
        };
        Ok(Self { ring: ring.map(Arc::new), helpers: Helpers::new(), reason })
    }

    pub(in crate::file) fn report(&self) -> String {
        match &self.ring {
            None => format!("helper threads: {}", self.reason),
            Some(ring) => match ring.refusal() {
                None => format!("io_uring: {}", self.reason),
                Some(refusal) => format!("helper threads: {refusal}"),
            },
        }
    }

    pub(in crate::file) fn admit(&self, file: &SystemFile) -> io::Result<()> {
        if self.ring.is_some() { Ok(()) } else { Helpers::<J>::admit(file) }
    }

    pub(in crate::file) fn start(&self, job: Box<J>) -> Result<Done<J>, NotStarted<J>> {
        let Some(ring) = &self.ring else {
            return self.helpers.start(job).map(|()| Vec::new());
        };
        let mut reaped = Reaped::default();
        ring.start(job, &mut reaped)?;
        Ok(self.stand_in(reaped))
    }

    pub(in crate::file) fn reap(&self) -> Done<J> {
        let mut reaped = Reaped::default();
        if let Some(ring) = &self.ring {
            ring.reap(&mut reaped);
        }
        self.stand_in(reaped)
    }

    pub(in crate::file) fn cancel(&self, which: Which) -> (usize, Done<J>) {
        let mut reaped = Reaped::default();
        let in_ring = self.ring.as_ref().map_or(0, |ring| ring.cancel(which, &mut reaped));
        let mut done = self.stand_in(reaped);
        let (helped, more) = self.helpers.cancel(which);
        done.extend(more);
        (in_ring + helped, done)
    }

    pub(in crate::file) fn close(&self) {
        let mut panics = Panics::default();
        panics.run(|| self.helpers.close());
        panics.run(|| self.ring.as_ref().map(Ring::close));
        panics.resume();
    }

    /// Starts what the ring could not carry on the helpers; what they cannot either has failed.
    fn stand_in(&self, reaped: Reaped<J>) -> Done<J> {
        let Reaped { mut done, stranded } = reaped;
        for job in stranded {
            if let Err((error, mut job)) = self.helpers.start(job) {
                // An error ends every operation.
                let _ = job.advance(Err(error));
                done.push(job);
            }
        }
        done
    }
}

/// A ring whose signal stands in the port's event set.
fn watched_ring<J: Job>(driver: sys::Backend<'_>) -> Result<Ring<J>, String> {
    let sys::Backend::Readiness(driver) = driver;
    let Driver::Epoll(epoll) = driver else {
        return Err(format!("the {} driver has no event set of the kernel's", driver.name()));
    };
    let ring = Ring::new()?;
    epoll
        .watch_files(ring.signal())
        .map_err(|error| format!("its eventfd cannot be watched ({error})"))?;
    Ok(ring)
}

impl AsFd for OpenFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsFd for FileDescriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        (*self.0).as_fd()
    }
}
