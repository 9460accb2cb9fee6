//! How operations and handles end before their time: cancel, shutdown, close.

use super::connections::Connections;
use super::delivery::{By, Delivery};
use super::handle::{Handle, abort};
use super::locked::Locked;
use super::operation::Operation;
use super::queue::Ready;
use super::silent;
use crate::error::{OperationId, loss, not_in_flight};
use crate::panics::Panics;
use crate::sys::code;
use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

impl<O: Operation> Handle<O> {
    /// Completes the operation as aborted, if it has not completed before (P130-P133).
    pub(crate) fn cancel(&self, id: OperationId) -> io::Result<()> {
        let mut at = self.lock();
        let Some(mut pending) = at.remove(id.0) else {
            if at.cancel_one_in_kernel(id.0) {
                return Ok(());
            }
            return Err(not_in_flight());
        };
        abort(&mut pending, &mut at);
        at.end_if_sent();
        let mut delivery = Delivery::by(By::Other);
        delivery.add(self.connections(), pending.into_packet());
        drop(at);
        delivery.finish();
        Ok(())
    }

    /// Completes every operation in flight as aborted; returns how many there were. Accepts that
    /// wait for the first data of their connection are among them, and lose it.
    pub(crate) fn cancel_all(&self) -> usize {
        let mut delivery = Delivery::by(By::Other);
        let mut at = self.lock();
        let mut count = at.abort_all(&mut delivery) + at.cancel_in_kernel();
        let (mut waiting, mut silent) = (Default::default(), Vec::new());
        if let Some(accepting) = at.rare.accepting_mut() {
            waiting = accepting.take_waiting();
            silent = accepting.silent_tokens();
        }
        count += waiting.len() + silent.len();
        for pending in waiting {
            delivery.add(self.connections(), pending.aborted());
        }
        drop(at);
        let mut panics = Panics::default();
        for token in silent {
            panics.run(|| silent::end(self.connections(), token));
        }
        panics.run(|| delivery.finish());
        panics.resume();
        count
    }

    /// Closes the socket now; what is in flight completes as aborted (P140). The packets may be
    /// taken long after this has returned (P141).
    pub(crate) fn close(&self) {
        self.connections().close(self.token());
    }

    /// Closes the socket so that the peer sees a reset.
    pub(crate) fn abort(&self) {
        // A connection that is over already cannot be reset.
        let _ = self.set_reset_on_close(true);
        self.close();
    }

    /// Whether closing resets the connection instead of ending it, whoever closes it.
    pub(crate) fn set_reset_on_close(&self, on: bool) -> io::Result<()> {
        let mut at = self.lock();
        at.reset_with_kernel(on);
        at.open_socket()?.set_linger(on.then_some(Duration::ZERO))
    }

    /// Ends directions of the connection. Each is ended once; to end it again is no error.
    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let mut at = self.lock();
        at.admits_shutdown()?;
        let ends_receive = how != Shutdown::Write && !at.shut_receive;
        let ends_send = how != Shutdown::Read && !at.shut_send;
        if ends_send {
            at.open_socket()?.has_socket_option("the end of one direction")?;
        }
        // What was sent before goes out first, so the end waits for what the system does not have.
        let waits = ends_send && at.sends_to_come() > 0;
        if ends_send && !waits {
            match at.open_socket()?.end_sending() {
                // The connection is over already, though no operation has met that yet.
                Err(error) if is_over(&error) => {}
                done => done?,
            }
        }
        at.end_when_sent |= waits;
        at.shut_receive |= ends_receive;
        at.shut_send |= ends_send;
        if !ends_receive {
            return Ok(());
        }
        // Receives in flight stay, and take what comes (P162). What has come already they take now,
        // as they have on Windows, whose kernel holds them: a cancel finds only those that wait.
        at.receive_ready = Ready(true);
        let mut delivery = Delivery::by(By::Other);
        let owes_retry = at.advance(&mut delivery);
        drop(at);
        delivery.finish();
        if owes_retry {
            self.connections().defer(self.token());
        }
        Ok(())
    }
}

impl<O: Operation> Connections<O> {
    /// What [`Handle::close`] does.
    pub(crate) fn close(self: &Arc<Self>, token: u64) {
        let connections = self;
        let mut delivery = Delivery::by(By::Other);
        let Some(mut at) = self.find(token) else { return };
        at.end_with_kernel();
        at.forget_limits();
        let socket = at.socket.take();
        if let Some(socket) = &socket {
            // Before the packets: whoever takes one sees the connection gone.
            connections.scheduler.backend().deregister(socket);
        }
        let admission = at.admission.take();
        let mut accepting = at.rare.take_accepting();
        let listener = at.take_reservation();
        drop(socket);
        at.abort_all(&mut delivery);
        drop(at);
        connections.table.retire(token);
        let mut panics = Panics::default();
        if let Some(accepting) = &mut accepting {
            for pending in accepting.take_waiting() {
                delivery.add(connections, pending.aborted());
            }
            for token in accepting.silent_tokens() {
                panics.run(|| silent::end(connections, token));
            }
        }
        panics.run(|| drop(accepting));
        if let Some(listener) = listener {
            panics.run(|| connections.cancel_accept_into(listener, token));
        }
        panics.run(|| drop(admission));
        panics.run(|| delivery.finish());
        panics.resume();
    }
}

impl<O: Operation> Locked<'_, O> {
    /// Completes what waits here as aborted; how many operations that were.
    fn abort_all(&mut self, delivery: &mut Delivery<O>) -> usize {
        let mut count = 0;
        while let Some(mut pending) = self.pop_any() {
            abort(&mut pending, self);
            delivery.add(self.connections, pending.into_packet());
            count += 1;
        }
        self.end_if_sent();
        count
    }
}

/// Whether a shutdown found nothing that could still be ended.
fn is_over(error: &io::Error) -> bool {
    error.raw_os_error() == Some(code::NOT_CONNECTED) || loss(error).is_some()
}
