//! Signals of the process as packets.

use super::Port;
use super::inner::Inner;
use crate::conn::delivery::{By, Delivery};
use crate::error::port_closed;
use crate::op::Op;
use crate::op::packet::Packet;
use crate::protocol::Protocol;
use crate::sync::Mutex;
use crate::sys::signals::Watch;
use std::io;
use std::sync::Arc;

/// The watch of a port that watches.
#[derive(Default)]
pub(crate) struct Watching(Mutex<Option<Watch>>);

impl<P: Protocol> Port<P> {
    /// From now on, until the port is closed, Ctrl-C and the request to terminate arrive as
    /// [`Packet::Signal`], each at the tail of the queue.
    ///
    /// Any number of ports may watch, and each gets a packet of its own for each signal. The
    /// signals no longer end the process: the program has to end by itself. A second call has no
    /// effect.
    ///
    /// When the last port that watches is closed, the signals do again what they did before the
    /// first one watched: end the process, be ignored, or run the handler that there was. If the
    /// program handles signals by other means as well, it should set these up before the first port
    /// watches.
    ///
    /// # Platform
    /// On Linux `SIGINT` is an interrupt, `SIGTERM` and `SIGHUP` are terminations. If `SIGHUP` was
    /// ignored when the first port began to watch, it stays ignored: `nohup` starts programs in
    /// this way. `SIGINT` and `SIGTERM` arrive in any case, also in a program that a script has
    /// started in the background, for which the shell ignores `SIGINT`. If the calling thread blocks
    /// one of them, as all threads of a program do that was started so, the port starts a thread that
    /// does not, until it is closed: a signal sent to the process arrives there. One sent to a thread
    /// that blocks it waits. A port needs one descriptor for this. On the simulated driver it also
    /// needs a thread, which ends when the port is closed. On Windows Ctrl-C and Ctrl-Break are interrupts; the closing of the console, a
    /// logoff and a shutdown are terminations, after which the system leaves the process some
    /// seconds.
    ///
    /// Needs the feature `signals`.
    ///
    /// # Errors
    /// The port is closed, descriptors, threads or memory are short, or the system has no signals for it.
    pub fn watch_signals(&self) -> io::Result<()> {
        self.inner().watch_signals()
    }
}

impl<P: Protocol> Inner<P> {
    fn watch_signals(self: &Arc<Self>) -> io::Result<()> {
        let mut watching = self.signals.0.lock();
        // Looked at under the lock, since closing the port takes what is there after it said so.
        if self.is_closed() {
            return Err(port_closed());
        }
        if watching.is_some() {
            return Ok(());
        }
        *watching = Some(self.start_watch()?);
        Ok(())
    }

    /// Queues what has arrived, on a thread that takes nothing.
    pub(super) fn signals_arrived(&self) {
        let mut delivery = Delivery::by(By::Other);
        self.take_signals(&mut delivery);
        delivery.finish();
    }

    /// Packets for the signals that have arrived.
    pub(super) fn take_signals(&self, delivery: &mut Delivery<Op<P>>) {
        let arrived = self.signals.0.lock().as_ref().map(Watch::take).unwrap_or_default();
        for signal in arrived.signals() {
            delivery.add(&self.connections, Packet::Signal(signal));
        }
    }

    /// The port is closed.
    pub(super) fn unwatch_signals(&self) {
        let watch = self.signals.0.lock().take();
        drop(watch);
    }
}
