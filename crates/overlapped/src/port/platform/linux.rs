//! On Linux a port's threads perform the operations.

use crate::op::packet::Packet;
use crate::port::inner::Inner;
use crate::protocol::Protocol;
use crate::sched::Job;
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
