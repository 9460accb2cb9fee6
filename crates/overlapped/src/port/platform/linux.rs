//! On Linux a port's threads perform the operations, and the arrival of a signal is one more event.

use crate::op::packet::Packet;
use crate::port::inner::Inner;
use crate::protocol::Protocol;
use crate::sched::Job;
use crate::sys::signals::Watch;
use crate::sys::{Backend, Driver};
use std::io;
use std::sync::{Arc, Weak};

impl<P: Protocol> Inner<P> {
    #[inline(always)]
    pub(in crate::port) fn carry_out(&self, job: Job<Packet<P>>) -> Option<Packet<P>> {
        match job {
            Job::Packet(packet) => Some(packet),
            Job::Event(event) => self.perform(event),
        }
    }

    /// How many operations have finished without their packets being taken: none, since whoever
    /// finishes one takes it.
    pub(in crate::port) fn finished(&self) -> usize {
        0
    }

    /// Takes back what the kernel still held when the port was closed: nothing.
    pub(crate) fn drain(self: &Arc<Self>) {}

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
