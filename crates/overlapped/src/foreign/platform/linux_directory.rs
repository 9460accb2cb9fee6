//! On Linux the changes of a directory are waited for by its inotify descriptor, and then read.

use crate::error::{OperationId, Refused, aborted};
use crate::foreign::directory::{Directory, OpenDirectory};
use crate::foreign::home::{Completed, Home};
use crate::foreign::state::Core;
use crate::foreign::waits::Held;
use crate::protocol::Protocol;
use crate::sys::directories::{Change, SystemDirectory};
use crate::sys::waits::Readiness;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Of the directories of a port nothing is kept beside their waits.
pub(crate) struct Directories<P: Protocol>(PhantomData<fn() -> P>);

impl<P: Protocol> Default for Directories<P> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<P: Protocol> Directories<P> {
    #[expect(clippy::unused_self, reason = "on Windows the kernel holds what they wait for")]
    pub(in crate::foreign) fn close(&self) {}
}

pub(crate) struct DirectoryCore<P: Protocol> {
    core: Arc<Core<P>>,
    /// The directory was removed, and nothing else comes.
    gone: AtomicBool,
}

impl<P: Protocol> DirectoryCore<P> {
    pub(crate) fn associate(
        port: Arc<dyn Home<P>>,
        directory: OpenDirectory,
        key: P::Key,
    ) -> Result<Arc<Self>, Refused<(OpenDirectory, P::Key)>> {
        match Core::associate(port, directory.0.into_owned(), key) {
            Ok(core) => Ok(Arc::new(Self { core, gone: AtomicBool::new(false) })),
            Err(refused) => {
                Err(refused.map(|(owned, key)| (OpenDirectory(SystemDirectory::of(owned)), key)))
            }
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.core.id()
    }

    pub(in crate::foreign) fn key(&self) -> &P::Key {
        self.core.key()
    }

    pub(in crate::foreign) fn start(
        self: &Arc<Self>,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<P::Operation>> {
        self.core.start(Arc::clone(self) as _, Readiness::READABLE, operation)
    }

    pub(in crate::foreign) fn cancel(&self, which: Option<OperationId>) -> bool {
        self.core.cancel(which)
    }

    pub(in crate::foreign) fn close(&self) {
        self.core.close();
    }

    fn read(&self) -> io::Result<Vec<Change>> {
        // Closed while its event was on its way.
        let source = self.core.source().map_err(|_| aborted())?;
        let read = SystemDirectory::read(&*source)?;
        if read.gone {
            self.gone.store(true, Ordering::SeqCst);
        }
        match read.gone && read.changes.is_empty() {
            true => Err(gone()),
            false => Ok(read.changes),
        }
    }
}

impl<P: Protocol> Held<P> for DirectoryCore<P> {
    fn core(&self) -> &Core<P> {
        &self.core
    }

    fn admit(&self) -> io::Result<()> {
        if self.gone.load(Ordering::SeqCst) { Err(gone()) } else { Ok(()) }
    }

    fn complete(
        self: Arc<Self>,
        operation: P::Operation,
        result: io::Result<Readiness>,
    ) -> Completed<P> {
        let result = result.and_then(|_| self.read());
        Completed::Changed { directory: Directory(self), operation, result }
    }
}

fn gone() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        "the directory is no longer there, so nothing changes in it",
    )
}
