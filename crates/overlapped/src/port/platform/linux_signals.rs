//! On Linux the arrival of a signal is one more event.

use crate::port::inner::Inner;
use crate::protocol::Protocol;
use crate::sys::signals::Watch;
use crate::sys::{Backend, Driver};
use std::io;
use std::sync::{Arc, Weak};

impl<P: Protocol> Inner<P> {
    pub(in crate::port) fn start_watch(self: &Arc<Self>) -> io::Result<Watch> {
        let watch = Watch::start()?;
        match self.scheduler().backend() {
            Backend::Readiness(Driver::Epoll(epoll)) => epoll.watch(&watch)?,
            Backend::Readiness(Driver::Simulated(_)) => self.watch_from_a_thread(&watch)?,
        }
        Ok(watch)
    }

    /// For a backend without an epoll set.
    fn watch_from_a_thread(self: &Arc<Self>, watch: &Watch) -> io::Result<()> {
        let wakeup = watch.wakeup();
        let port: Weak<Self> = Arc::downgrade(self);
        let wait = move || {
            while wakeup.wait()
                && let Some(port) = port.upgrade()
            {
                port.signals_arrived();
            }
        };
        std::thread::Builder::new().name("overlapped-signals".into()).spawn(wait)?;
        Ok(())
    }
}
