//! Where `SetConsoleCtrlHandler` belongs.

use super::Arrived;
use std::io;

#[derive(Debug)]
pub(crate) struct Watch(());

#[derive(Debug)]
pub(crate) struct Bell(());

impl Watch {
    pub(crate) fn start() -> io::Result<Self> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "signals as packets are not available on Windows yet; handle them by other means",
        ))
    }

    pub(crate) fn take(&self) -> Arrived {
        Arrived::default()
    }

    pub(crate) fn bell(&self) -> Bell {
        Bell(())
    }
}

impl Bell {
    pub(crate) fn wait(&self) -> bool {
        false
    }
}
