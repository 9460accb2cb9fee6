//! How operations and handles end before their time: cancel, close, port closed, last share dropped.

use super::core::{Core, Handle};
use super::delivery::{By, Delivery};
use super::state::{Direction, State};
use crate::driver::code;
use crate::operation::{OperationId, Task, aborted, loss};
use crate::panics::Panics;
use crate::port::Protocol;
use crate::sync::MutexGuard;
use std::io;
use std::net::Shutdown;
use std::time::Duration;

impl<P: Protocol> Handle<P> {
    /// Completes the operation as aborted, if it has not completed before (P130-P133).
    pub(crate) fn cancel(&self, id: OperationId) -> io::Result<()> {
        let mut state = self.0.state.lock();
        let pending = state
            .receive
            .remove(|pending| pending.id == id.0)
            .or_else(|| state.send.remove(|pending| pending.id == id.0).map(|boxed| *boxed));
        let Some(mut pending) = pending else {
            #[cfg(windows)]
            if state.cancel_held(id.0) {
                return Ok(());
            }
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "no such operation is in flight: it completed before it could be cancelled",
            ));
        };
        pending.task.fail(aborted());
        state.conclude(&mut pending.task);
        state.end_if_sent();
        let mut delivery = Delivery::by(By::Other);
        delivery.add(&self.0.port, pending.into_packet());
        drop(state);
        delivery.finish();
        Ok(())
    }

    /// Completes every operation in flight as aborted; returns how many there were. Accepts that
    /// wait for the first data of their connection are among them, and lose it.
    pub(crate) fn cancel_all(&self) -> usize {
        let mut delivery = Delivery::by(By::Other);
        let mut state = self.0.state.lock();
        let mut count = self.abort_all(&mut state, &mut delivery);
        #[cfg(windows)]
        {
            count += state.cancel_all_held();
        }
        let held = state.accepting.as_ref().map(|accepting| accepting.held());
        let waiting = state.accepting.as_mut().map(|accepting| accepting.take_waiting());
        for pending in waiting.into_iter().flatten() {
            delivery.add(&self.0.port, pending.aborted());
            count += 1;
        }
        drop(state);
        let mut panics = Panics::default();
        for held in held.into_iter().flatten() {
            panics.run(|| held.close());
            count += 1;
        }
        panics.run(|| delivery.finish());
        panics.resume();
        count
    }

    fn abort_all(&self, state: &mut MutexGuard<'_, State<P>>, delivery: &mut Delivery<P>) -> usize {
        let mut count = 0;
        while let Some(mut pending) =
            state.pop(Direction::Receive).or_else(|| state.pop(Direction::Send))
        {
            if let Task::FirstData(first_data) = &pending.task {
                let number = first_data.silent.number;
                delivery.later().finished_holds.push((pending.holder.clone(), number));
            }
            pending.task.fail(aborted());
            state.conclude(&mut pending.task);
            delivery.add(&self.0.port, pending.into_packet());
            count += 1;
        }
        state.end_if_sent();
        count
    }

    /// Closes the socket now; what is in flight completes as aborted (P140). The packets may be
    /// taken long after this has returned (P141).
    pub(crate) fn close(&self) {
        let mut delivery = Delivery::by(By::Other);
        let mut state = self.0.state.lock();
        #[cfg(windows)]
        state.end_overlapped();
        let socket = state.socket.take();
        if let Some(socket) = &socket {
            // Before the packets: whoever takes one sees the connection gone.
            self.0.port.scheduler.backend().deregister(socket);
        }
        let admission = state.admission.take();
        let mut accepting = state.accepting.take();
        let listener = self.take_reservation(&state);
        drop(socket);
        self.abort_all(&mut state, &mut delivery);
        drop(state);
        self.0.port.registry.retire(self.0.token);
        for pending in accepting.iter_mut().flat_map(|accepting| accepting.take_waiting()) {
            delivery.add(&self.0.port, pending.aborted());
        }
        let mut panics = Panics::default();
        if let Some(accepting) = accepting {
            for held in accepting.held() {
                panics.run(|| held.close());
            }
            panics.run(|| drop(accepting));
        }
        if let Some(listener) = listener.as_ref().and_then(Handle::upgrade) {
            panics.run(|| listener.cancel_accept_into(self));
            panics.run(|| drop(listener));
        }
        panics.run(|| drop(admission));
        panics.run(|| delivery.finish());
        panics.resume();
    }

    /// Closes the socket so that the peer sees a reset.
    pub(crate) fn abort(&self) {
        let state = self.0.state.lock();
        if let Some(socket) = &state.socket {
            // A connection that is over already cannot be reset.
            let _ = socket.set_linger(Some(Duration::ZERO));
        }
        #[cfg(windows)]
        {
            let mut state = state;
            state.resets = true;
        }
        #[cfg(not(windows))]
        drop(state);
        self.close();
    }

    /// The port is closed: what is in flight is dropped, with its buffers, and reported to nobody.
    pub(crate) fn discard(&self) {
        let mut dropped = Vec::new();
        let accepting = {
            let mut state = self.0.state.lock();
            while let Some(pending) =
                state.pop(Direction::Receive).or_else(|| state.pop(Direction::Send))
            {
                dropped.push(pending);
            }
            #[cfg(windows)]
            state.cancel_all_held();
            state.accepting.take()
        };
        let mut panics = Panics::default();
        panics.drop_each(dropped);
        if let Some(mut accepting) = accepting {
            panics.drop_each(accepting.take_waiting());
            for held in accepting.held() {
                panics.run(|| held.discard());
            }
            panics.run(|| drop(accepting));
        }
        panics.resume();
    }

    /// Ends directions of the connection. Each is ended once; to end it again is no error.
    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let mut state = self.0.state.lock();
        state.admits_shutdown()?;
        let ends_receive = how != Shutdown::Write && !state.shut_receive;
        let ends_send = how != Shutdown::Read && !state.shut_send;
        // What was sent before goes out first, so the end waits for what the system does not have.
        let waits = ends_send && state.sends_to_come() > 0;
        if ends_send && !waits {
            match state.socket().end_sending() {
                // The connection is over already, though no operation has met that yet.
                Err(error) if is_over(&error) => {}
                done => done?,
            }
        }
        state.end_when_sent |= waits;
        state.shut_receive |= ends_receive;
        state.shut_send |= ends_send;
        if !ends_receive {
            return Ok(());
        }
        // Receives in flight stay, and take what comes (P162). What has come already they take now,
        // as they have on Windows, whose kernel holds them: a cancel finds only those that wait.
        state.receive.set_ready();
        let mut delivery = Delivery::by(By::Other);
        let retry = self.advance(&mut state, &mut delivery) && state.owes_retry();
        drop(state);
        delivery.finish();
        if retry {
            self.0.port.defer(&self.0);
        }
        Ok(())
    }
}

/// Whether a shutdown found nothing that could still be ended.
fn is_over(error: &io::Error) -> bool {
    error.raw_os_error() == Some(code::NOT_CONNECTED) || loss(error).is_some()
}

impl<P: Protocol> Drop for Core<P> {
    fn drop(&mut self) {
        let (socket, admission) = {
            let mut state = self.state.lock();
            (state.socket.take(), state.admission.take())
        };
        if let Some(socket) = &socket {
            // The descriptor leaves the driver before it is closed: its number may be used again
            // at once, while another thread still holds an event of it.
            self.port.scheduler.backend().deregister(socket);
        }
        self.port.registry.free(self.token);
        drop((socket, admission));
    }
}
