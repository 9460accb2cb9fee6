//! What carries the files of one port: made with the first file, and chosen by the builder, by the
//! environment, or by what the system allows.

use super::helpers::Helpers;
#[cfg(target_os = "linux")]
use super::ring;
use super::{Done, FilesChoice, Job, NotStarted, SystemFile, Which};
#[cfg(windows)]
use crate::driver::iocp::{
    Iocp,
    block::Finished,
    files::{Given, OverlappedFiles},
};
use crate::driver::{Backend, Driver};
#[cfg(target_os = "linux")]
use crate::panics::Panics;
use crate::sync::Mutex;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The files of one port, and what carries them once there is one.
pub(crate) struct Files<J: Job> {
    choice: FilesChoice,
    /// Says where the choice comes from.
    chosen_by: &'static str,
    carrier: OnceLock<Carrier<J>>,
    /// Held while the carrier is made, so that only one is.
    making: Mutex<()>,
    open: AtomicUsize,
    next_number: AtomicU64,
}

enum Carrier<J: Job> {
    /// The helpers stand in if the system refuses the ring later, as a sandbox may.
    #[cfg(target_os = "linux")]
    Ring {
        ring: std::sync::Arc<ring::Ring<J>>,
        reason: String,
        stand_in: Helpers<J>,
    },
    Helpers {
        helpers: Helpers<J>,
        reason: String,
    },
    /// The kernel carries reads and writes; helpers make the calls that it knows no other way of.
    #[cfg(windows)]
    Overlapped {
        overlapped: OverlappedFiles<J>,
        helpers: Helpers<J>,
        reason: String,
    },
}

impl<J: Job> Files<J> {
    /// Decides what `choice` backend here; makes nothing yet.
    pub(crate) fn new(choice: FilesChoice) -> io::Result<Self> {
        let (choice, chosen_by) = match choice {
            FilesChoice::Automatic => match std::env::var("OVERLAPPED_FILES") {
                Err(std::env::VarError::NotPresent) => (choice, ""),
                Ok(name) if name == "ring" => (FilesChoice::Ring, "OVERLAPPED_FILES asks for it"),
                Ok(name) if name == "helpers" => {
                    (FilesChoice::Helpers, "OVERLAPPED_FILES asks for them")
                }
                other => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidInput,
                        format!(
                            "OVERLAPPED_FILES names nothing that carries files ({}): set it to \
                             ring or helpers, or unset it",
                            other.unwrap_or_else(|error| error.to_string())
                        ),
                    ));
                }
            },
            FilesChoice::Ring => (choice, "the builder asked for it"),
            FilesChoice::Helpers => (choice, "the builder asked for them"),
        };
        Ok(Self {
            choice,
            chosen_by,
            carrier: OnceLock::new(),
            making: Mutex::new(()),
            open: AtomicUsize::new(0),
            next_number: AtomicU64::new(0),
        })
    }

    /// A file is associated: makes the carrier if it is the first one, and gives the file a number.
    pub(crate) fn open(&self, backend: Backend<'_>, file: &SystemFile) -> io::Result<u64> {
        let carrier = match self.carrier.get() {
            Some(carrier) => carrier,
            None => {
                let _making = self.making.lock();
                match self.carrier.get() {
                    Some(carrier) => carrier,
                    None => {
                        let carrier = self.make(backend)?;
                        self.carrier.get_or_init(|| carrier)
                    }
                }
            }
        };
        carrier.admits(backend, file)?;
        self.open.fetch_add(1, Ordering::Relaxed);
        Ok(self.next_number.fetch_add(1, Ordering::Relaxed))
    }

    /// A file that was opened here is closed.
    pub(crate) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many files are open.
    pub(crate) fn count(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    fn make(&self, backend: Backend<'_>) -> io::Result<Carrier<J>> {
        #[cfg_attr(
            not(windows),
            expect(clippy::infallible_destructuring_match, reason = "Windows has one more")
        )]
        let driver = match backend {
            Backend::Readiness(driver) => driver,
            #[cfg(windows)]
            Backend::Overlapped(_) => {
                return match self.choice {
                    FilesChoice::Ring => Err(self.no_ring("io_uring is of Linux")),
                    FilesChoice::Helpers => Ok(Carrier::Helpers {
                        helpers: Helpers::new(),
                        reason: self.chosen_by.to_owned(),
                    }),
                    FilesChoice::Automatic => Ok(Carrier::Overlapped {
                        overlapped: OverlappedFiles::new(),
                        helpers: Helpers::new(),
                        reason: "the default for files on Windows".to_owned(),
                    }),
                };
            }
        };
        let refusal = match self.choice {
            FilesChoice::Helpers => self.chosen_by.to_owned(),
            FilesChoice::Automatic | FilesChoice::Ring => match Self::ring(driver) {
                #[cfg(target_os = "linux")]
                Ok(ring) => {
                    let reason = match self.choice {
                        FilesChoice::Ring => self.chosen_by,
                        _ => "the default for files on Linux",
                    };
                    let stand_in = Helpers::new();
                    return Ok(Carrier::Ring { ring, reason: reason.to_owned(), stand_in });
                }
                #[cfg(not(target_os = "linux"))]
                Ok(never) => match never {},
                Err(refusal) => refusal,
            },
        };
        if self.choice == FilesChoice::Ring {
            return Err(self.no_ring(&refusal));
        }
        Ok(Carrier::Helpers { helpers: Helpers::new(), reason: refusal })
    }

    fn no_ring(&self, refusal: &str) -> io::Error {
        io::Error::new(
            io::ErrorKind::Unsupported,
            format!(
                "files cannot be carried by an io_uring here, as was asked for ({}): {refusal}; \
                 leave the choice open, or ask for helper threads",
                self.chosen_by
            ),
        )
    }

    #[cfg(target_os = "linux")]
    fn ring(driver: &Driver) -> Result<std::sync::Arc<ring::Ring<J>>, String> {
        let Driver::Epoll(epoll) = driver else {
            return Err(format!("the {} driver has no event set of the kernel's", driver.name()));
        };
        let ring = ring::Ring::new()?;
        epoll
            .watch_files(ring.signal())
            .map_err(|error| format!("its eventfd cannot be watched ({error})"))?;
        Ok(std::sync::Arc::new(ring))
    }

    #[cfg(not(target_os = "linux"))]
    fn ring(_driver: &Driver) -> Result<std::convert::Infallible, String> {
        Err("io_uring is of Linux".to_owned())
    }

    /// Which carrier it is, and why.
    pub(crate) fn report(&self) -> String {
        match (self.carrier.get(), self.choice) {
            #[cfg(target_os = "linux")]
            (Some(Carrier::Ring { ring, reason, .. }), _) => match ring.refusal() {
                None => format!("io_uring: {reason}"),
                Some(refusal) => format!("helper threads: {refusal}"),
            },
            (Some(Carrier::Helpers { reason, .. }), _) => format!("helper threads: {reason}"),
            #[cfg(windows)]
            (Some(Carrier::Overlapped { reason, .. }), _) => format!("overlapped: {reason}"),
            (None, FilesChoice::Automatic) if cfg!(windows) => {
                "none yet: the kernel carries them, from the first file on".to_owned()
            }
            (None, FilesChoice::Automatic) => {
                "none yet: the first file makes an io_uring or, where that is refused, helper \
                 threads"
                    .to_owned()
            }
            (None, FilesChoice::Ring) => {
                format!("none yet: the first file makes an io_uring ({})", self.chosen_by)
            }
            (None, FilesChoice::Helpers) => {
                format!("none yet: the first file makes helper threads ({})", self.chosen_by)
            }
        }
    }

    /// Starts a job. The jobs that are complete when this returns are given back; the job itself
    /// may be among them.
    #[cfg_attr(not(windows), expect(unused_variables, reason = "only iocp is asked again"))]
    pub(crate) fn start(
        &self,
        backend: Backend<'_>,
        job: Box<J>,
    ) -> Result<Done<J>, NotStarted<J>> {
        match self.carrier.get() {
            #[cfg(windows)]
            Some(Carrier::Overlapped { overlapped, helpers, .. }) => {
                let Backend::Overlapped(iocp) = backend else {
                    unreachable!("a port keeps its driver")
                };
                match overlapped.give(iocp, job) {
                    Given::Started => Ok(Vec::new()),
                    Given::Done(job) => Ok(vec![job]),
                    Given::NotOverlapped(job) => helpers.start(job).map(|()| Vec::new()),
                }
            }
            None => unreachable!("a job is on a file, and the first file made the carrier"),
            Some(Carrier::Helpers { helpers, .. }) => helpers.start(job).map(|()| Vec::new()),
            #[cfg(target_os = "linux")]
            Some(Carrier::Ring { ring, stand_in, .. }) => {
                let mut reaped = ring::Reaped::default();
                ring.start(job, &mut reaped)?;
                Ok(stand_in_for(stand_in, reaped))
            }
        }
    }

    /// Takes the jobs that have completed, after an event that said so.
    pub(crate) fn reap(&self) -> Done<J> {
        match self.carrier.get() {
            #[cfg(target_os = "linux")]
            Some(Carrier::Ring { ring, stand_in, .. }) => {
                let mut reaped = ring::Reaped::default();
                ring.reap(&mut reaped);
                stand_in_for(stand_in, reaped)
            }
            Some(_) | None => Vec::new(),
        }
    }

    /// The job of a packet of the kernel's, if it is complete.
    #[cfg(windows)]
    pub(crate) fn finish(&self, iocp: &Iocp, finished: &Finished) -> Option<Box<J>> {
        let Some(Carrier::Overlapped { overlapped, .. }) = self.carrier.get() else { return None };
        match overlapped.finish(iocp, finished)? {
            Given::Done(job) => Some(job),
            // A job asks for the same kind of thing from its start to its end.
            Given::Started | Given::NotOverlapped(_) => None,
        }
    }

    /// How many jobs have finished without their packets being taken.
    #[cfg(windows)]
    pub(crate) fn finished(&self) -> usize {
        match self.carrier.get() {
            Some(Carrier::Overlapped { overlapped, .. }) => overlapped.finished(),
            _ => 0,
        }
    }

    /// Cancels; returns how many jobs were found, and those that are complete already.
    pub(crate) fn cancel(&self, which: Which) -> (usize, Done<J>) {
        match self.carrier.get() {
            None => (0, Vec::new()),
            Some(Carrier::Helpers { helpers, .. }) => helpers.cancel(which),
            #[cfg(windows)]
            Some(Carrier::Overlapped { overlapped, helpers, .. }) => {
                let (helped, done) = helpers.cancel(which);
                (overlapped.cancel(which) + helped, done)
            }
            #[cfg(target_os = "linux")]
            Some(Carrier::Ring { ring, stand_in, .. }) => {
                let mut reaped = ring::Reaped::default();
                let in_ring = ring.cancel(which, &mut reaped);
                let mut done = stand_in_for(stand_in, reaped);
                let (helped, more) = stand_in.cancel(which);
                done.extend(more);
                (in_ring + helped, done)
            }
        }
    }

    /// The port is closed: drops every job, now or when the system lets go of it.
    pub(crate) fn close(&self) {
        match self.carrier.get() {
            None => {}
            Some(Carrier::Helpers { helpers, .. }) => helpers.close(),
            // The port takes back what the kernel has.
            #[cfg(windows)]
            Some(Carrier::Overlapped { overlapped, helpers, .. }) => {
                overlapped.cancel_all();
                helpers.close();
            }
            #[cfg(target_os = "linux")]
            Some(Carrier::Ring { ring, stand_in, .. }) => {
                let mut panics = Panics::default();
                panics.run(|| stand_in.close());
                panics.run(|| ring::Ring::close(ring));
                panics.resume();
            }
        }
    }
}

/// Starts what the ring could not carry on the helpers; what they cannot either has failed.
#[cfg(target_os = "linux")]
fn stand_in_for<J: Job>(helpers: &Helpers<J>, reaped: ring::Reaped<J>) -> Done<J> {
    let ring::Reaped { mut done, stranded } = reaped;
    for job in stranded {
        if let Err((error, mut job)) = helpers.start(job) {
            // An error ends every operation.
            let _ = job.advance(Err(error));
            done.push(job);
        }
    }
    done
}

impl<J: Job> Carrier<J> {
    /// Whether it can carry operations on this file.
    #[cfg_attr(not(windows), expect(unused_variables, reason = "only iocp is told of it"))]
    fn admits(&self, backend: Backend<'_>, file: &SystemFile) -> io::Result<()> {
        match self {
            #[cfg(windows)]
            Self::Overlapped { overlapped, .. } => match backend {
                Backend::Overlapped(iocp) => overlapped.admit(iocp, file),
                Backend::Readiness(_) => Err(io::ErrorKind::Unsupported.into()),
            },
            #[cfg(target_os = "linux")]
            Self::Ring { .. } => Ok(()),
            Self::Helpers { .. } if !file.has_positions() => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "helper threads carry only files with positions, and this is a pipe or a terminal: \
                 an operation on it could keep a helper thread for ever",
            )),
            Self::Helpers { .. } => Ok(()),
        }
    }

    fn helpers(&self) -> &Helpers<J> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Ring { stand_in, .. } => stand_in,
            Self::Helpers { helpers, .. } => helpers,
            #[cfg(windows)]
            Self::Overlapped { helpers, .. } => helpers,
        }
    }
}

impl<J: Job> Drop for Carrier<J> {
    /// Nothing is in flight any more; the helper threads go.
    fn drop(&mut self) {
        self.helpers().close();
    }
}
