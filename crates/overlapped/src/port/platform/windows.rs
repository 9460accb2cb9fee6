//! On Windows the kernel performs the operations of a port, and queues their packets itself.

use crate::conn::delivery::{By, Delivery};
use crate::op::packet::Packet;
use crate::panics::contained;
use crate::port::inner::Inner;
use crate::protocol::Protocol;
use crate::sched::Job;
use crate::sys::iocp::block::Finished;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl<P: Protocol> Inner<P> {
    pub(in crate::port) fn carry_out(&self, job: Job<Packet<P>>) -> Option<Packet<P>> {
        match job {
            Job::Packet(packet) => Some(packet),
            Job::Event(event) => self.perform(event),
            Job::Finished(token, finished) => self.finish(token, &finished),
            Job::FileFinished(finished) => self.finish_file(&finished),
            Job::DirectoryFinished(finished) => self.finish_directory(&finished),
        }
    }

    /// The packet of an operation that the kernel has carried out, if it is that far. A packet of an
    /// operation that is not ours is passed over (F9).
    fn finish(&self, token: u64, finished: &Finished) -> Option<Packet<P>> {
        let mut packet = None;
        let mut delivery = Delivery::by(By::Performer(&mut packet));
        self.connections.finish(token, finished, &mut delivery);
        delivery.finish();
        self.unless_closed(packet)
    }

    /// The packet of an operation on a file that the kernel has carried out.
    fn finish_file(&self, finished: &Finished) -> Option<Packet<P>> {
        let completed = self.files.finish(finished)?;
        self.unless_closed(self.scheduler().exchange_own(completed.into()).0)
    }

    /// The same for what waits for changes of a directory.
    fn finish_directory(&self, finished: &Finished) -> Option<Packet<P>> {
        let completed = self.waits.directories.finish(self.scheduler().backend(), finished)?;
        self.unless_closed(self.scheduler().exchange_own(completed.into()).0)
    }

    /// Nobody is told of what ends with the port (P122).
    fn unless_closed(&self, packet: Option<Packet<P>>) -> Option<Packet<P>> {
        if self.is_closed() {
            contained(|| {
                packet.into_iter().for_each(|packet| self.connections.discard.take(packet))
            });
            return None;
        }
        packet
    }

    /// How many operations have finished without their packets being taken.
    pub(in crate::port) fn finished(&self) -> usize {
        if self.is_closed() {
            return 0;
        }
        let of_one = |token| {
            let connection = self.connections.find(token);
            connection.map_or(0, |connection| connection.finished_in_kernel())
        };
        let of_sockets: usize = self.connections.table.tokens().into_iter().map(of_one).sum();
        of_sockets + self.files.finished() + self.waits.finished()
    }

    /// Takes back what the kernel still held when the port was closed. What it does not give back
    /// soon is waited for by a thread of its own, so that nobody who drops a port has to.
    pub(crate) fn drain(self: &Arc<Self>) {
        const PATIENCE: Duration = Duration::from_secs(1);
        let end = Instant::now() + PATIENCE;
        if !self.scheduler().drain(Some(end), |job| drop(self.carry_out(job))) {
            let port = Arc::clone(self);
            let drain = move || {
                port.scheduler().drain(None, |job| drop(port.carry_out(job)));
            };
            // Without memory for a thread, what is left is never freed, and never touched.
            let _ = std::thread::Builder::new().name("overlapped-drain".into()).spawn(drain);
        }
    }
}
