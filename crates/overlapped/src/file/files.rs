//! The files of one port, and the backend that carries them once there is one.

use super::home::Completed;
use super::platform::{Backend, PLAN};
use super::state::FileJob;
use crate::protocol::Protocol;
use crate::sync::Mutex;
use crate::sys;
use crate::sys::files::SystemFile;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What carries a port's operations on files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FilesChoice {
    /// What the environment variable `OVERLAPPED_FILES` names (`ring` or `helpers`), or else the
    /// best that this system allows.
    #[default]
    Automatic,
    /// An io_uring of the port's own. Linux only; the first file cannot be associated where the
    /// system refuses one.
    Ring,
    /// A few helper threads, which are no threads of the port.
    Helpers,
}

/// The files of one port.
pub(crate) struct Files<P: Protocol> {
    choice: FilesChoice,
    /// Says where the choice comes from.
    chosen_by: &'static str,
    backend: OnceLock<Backend<FileJob<P>>>,
    /// Held while the backend is made, so that only one is.
    making: Mutex<()>,
    open: AtomicUsize,
    next_number: AtomicU64,
}

impl<P: Protocol> Files<P> {
    /// Decides what `choice` means here; makes nothing yet.
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
            backend: OnceLock::new(),
            making: Mutex::new(()),
            open: AtomicUsize::new(0),
            next_number: AtomicU64::new(0),
        })
    }

    /// A file is associated: makes the backend if it is the first one, and gives the file a number.
    pub(super) fn open(&self, driver: sys::Backend<'_>, file: &SystemFile) -> io::Result<u64> {
        let backend = match self.backend.get() {
            Some(backend) => backend,
            None => {
                let _making = self.making.lock();
                match self.backend.get() {
                    Some(backend) => backend,
                    None => {
                        let backend = Backend::make(driver, self.choice, self.chosen_by)?;
                        self.backend.get_or_init(|| backend)
                    }
                }
            }
        };
        backend.admit(file)?;
        self.open.fetch_add(1, Ordering::Relaxed);
        Ok(self.next_number.fetch_add(1, Ordering::Relaxed))
    }

    /// The backend, once there was a file.
    pub(super) fn backend(&self) -> Option<&Backend<FileJob<P>>> {
        self.backend.get()
    }

    /// A file that was opened here is closed.
    pub(super) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many files are open.
    pub(crate) fn count(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Which backend it is, and why.
    pub(crate) fn report(&self) -> String {
        let plan = match (self.backend.get(), self.choice) {
            (Some(backend), _) => return backend.report(),
            (None, FilesChoice::Automatic) => PLAN,
            (None, FilesChoice::Ring) => "the first file makes an io_uring",
            (None, FilesChoice::Helpers) => "the first file makes helper threads",
        };
        match self.chosen_by {
            "" => format!("none yet: {plan}"),
            chosen_by => format!("none yet: {plan} ({chosen_by})"),
        }
    }

    /// Takes what has completed, after an event that said so.
    pub(crate) fn reap(&self) -> impl Iterator<Item = Completed<P>> {
        let done = self.backend.get().map(Backend::reap);
        done.into_iter().flatten().map(|job| job.into_completed())
    }

    /// The port is closed: drops every job, now or when the system lets go of it.
    pub(crate) fn close(&self) {
        if let Some(backend) = self.backend.get() {
            backend.close();
        }
    }
}

/// Why there is no ring, though one was asked for.
pub(super) fn no_ring(chosen_by: &str, refusal: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        format!(
            "files cannot be carried by an io_uring here, as was asked for ({chosen_by}): {refusal}; \
             leave the choice open, or ask for helper threads"
        ),
    )
}
