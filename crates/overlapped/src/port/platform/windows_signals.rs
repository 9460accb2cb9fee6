//! On Windows the system tells of signals on a thread of its own.

use crate::port::inner::Inner;
use crate::protocol::Protocol;
use crate::sys::signals::Watch;
use std::io;
use std::sync::{Arc, Weak};

impl<P: Protocol> Inner<P> {
    pub(in crate::port) fn start_watch(self: &Arc<Self>) -> io::Result<Watch> {
        let port: Weak<Self> = Arc::downgrade(self);
        Watch::start(move || {
            if let Some(port) = port.upgrade() {
                port.signals_arrived();
            }
        })
    }
}
