//! The port as the home of files.

use super::inner::Inner;
use crate::file::{Completed, Files, Home};
use crate::protocol::Protocol;
use crate::sys::Backend;
use std::sync::Arc;

impl<P: Protocol> Home<P> for Inner<P> {
    fn is_closed(&self) -> bool {
        self.is_closed()
    }

    fn files(&self) -> &Files<P> {
        &self.files
    }

    fn driver(&self) -> Backend<'_> {
        self.scheduler().backend()
    }

    fn queue(&self, completed: Completed<P>) {
        self.connections.queue_or_discard(completed.into());
    }

    fn queue_own(&self, completed: Completed<P>) {
        self.connections.queue_own_or_discard(completed.into());
    }

    fn drain(self: Arc<Self>) {
        Self::drain(&self);
    }
}
