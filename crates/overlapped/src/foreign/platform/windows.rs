//! On Windows what is not ours is a handle, and a wait that is over is known before its packet is taken.

use crate::foreign::{WaitDescriptor, Waits};
use crate::protocol::Protocol;
use std::os::windows::io::{AsHandle, BorrowedHandle};

impl<P: Protocol> Waits<P> {
    /// How many waits are over without their packets being taken.
    pub(crate) fn finished(&self) -> usize {
        let directories = self.directories.finished();
        let state = self.state.lock();
        directories + state.in_flight.values().filter(|waiting| waiting.armed.has_fired()).count()
    }
}

impl AsHandle for WaitDescriptor {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        (*self.0).as_handle()
    }
}
