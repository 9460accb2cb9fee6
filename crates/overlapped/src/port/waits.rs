//! The port as the home of what is not the library's.

use super::inner::Inner;
use crate::foreign::{Completed, Home, Waits};
use crate::protocol::Protocol;
use crate::sys::Backend;

impl<P: Protocol> Home<P> for Inner<P> {
    fn is_closed(&self) -> bool {
        self.is_closed()
    }

    fn waits(&self) -> &Waits<P> {
        &self.waits
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
}
