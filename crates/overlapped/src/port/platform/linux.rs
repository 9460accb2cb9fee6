//! On Linux a port's threads perform the operations, and the port can wait in somebody else's loop.

use crate::op::packet::Packet;
use crate::port::Port;
use crate::port::inner::Inner;
use crate::protocol::Protocol;
use crate::sched::Job;
use crate::sys::{Backend, Driver};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

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
}

impl<P: Protocol> Port<P> {
    /// A descriptor that is readable when a take would find something: to wait for the port in a
    /// loop of your own, with others. Linux only.
    ///
    /// When it is readable, [`try_take`](Self::try_take) until that gives `None`, and only then wait
    /// again; also before the first wait. It may be readable when there is nothing. Wait level-triggered
    /// (in an epoll set without `EPOLLET`), and only wait: do not read it, and do not add to it.
    ///
    /// From the first call on, a packet that is queued while no thread waits costs a system call, and
    /// what a thread of the port completes goes through the shared queue.
    ///
    /// If other threads take from the port as well, let them be fewer than its
    /// [concurrency](Self::concurrency): a thread that has polled counts as running (P63), also while
    /// it waits elsewhere, and at the limit it finds nothing although the descriptor stays readable
    /// (P97).
    ///
    /// # Errors
    /// `Unsupported` for a port on a simulated network.
    ///
    /// ```
    /// use overlapped::{Packet, Port, Protocol};
    /// # struct Numbers;
    /// # impl Protocol for Numbers { type Key = (); type Operation = (); type Message = u32; }
    ///
    /// let port = Port::<Numbers>::new()?;
    /// let flags = rustix::event::PollFlags::IN;
    /// let mut sources = [rustix::event::PollFd::from_borrowed_fd(port.descriptor()?, flags)];
    /// port.post(7)?;
    /// let mut taken = Vec::new();
    /// while taken.is_empty() {
    ///     rustix::event::poll(&mut sources, None)?;
    ///     while let Some(packet) = port.try_take()? {
    ///         taken.push(packet);
    ///     }
    /// }
    /// assert!(matches!(taken[..], [Packet::Posted(7)]));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn descriptor(&self) -> io::Result<BorrowedFd<'_>> {
        match self.inner().scheduler().backend() {
            Backend::Readiness(Driver::Epoll(epoll)) => {
                self.inner().scheduler().watch_from_outside();
                Ok(epoll.as_fd())
            }
            Backend::Readiness(Driver::Simulated(_)) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a port on a simulated network has no descriptor",
            )),
        }
    }
}
