//! One worker: takes packets, and turns each into the next operation of its connection.
//!
//! Whatever happens to a connection ends that connection at the most; a worker ends only when the
//! server is stopped (E91).

use super::Shared;
use super::connection::{Connection, Connections, Receive, Serving, Stream};
use super::sweep;
use crate::handler::Reply;
use crate::parts::tally::OnDuty;
use crate::platform;
use overlapped::{Buffer, Buffers, OrPacket, Packet, Received, TcpSocket, is_aborted};
use overlapped_serving::Failure;
use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A thread that serves, as it sees the server.
pub(super) struct Worker {
    shared: Arc<Shared>,
    on_duty: OnDuty,
}

impl Worker {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), on_duty: shared.common.tally.enlist() }
    }

    fn is_stopping(&self) -> bool {
        self.shared.common.is_stopping()
    }

    pub(super) fn connections(&self) -> &Connections {
        &self.shared.common.connections
    }

    /// Does what a packet asks for.
    pub(super) fn serve(&self, packet: Packet<Serving>) {
        match packet {
            Packet::Received { stream, buffer, operation, result } => match result {
                Ok(Received::Data(_)) => self.message(stream, buffer),
                // Everything was answered before this receive was started.
                Ok(Received::End) => self.end(&stream),
                // Only a receive without room reports it, and none is started.
                Ok(Received::Readable) => self.receive(stream),
                Err(error) if is_aborted(&error) => self.receive_aborted(stream, operation),
                Err(error) => self.fail(&stream, Failure::of(&error)),
            },
            Packet::Sent { stream, buffers, transferred, result, .. } => match result {
                Ok(()) => {
                    // Back in the pool first, so that the next receive finds it warm.
                    drop(buffers);
                    self.receive(stream);
                }
                Err(error) if is_aborted(&error) => {
                    self.send_aborted(stream, &buffers, transferred);
                }
                Err(error) => self.fail(&stream, Failure::of(&error)),
            },
            Packet::Accepted { result, .. } => match result {
                Ok(accepted) => self.accepted(accepted.socket, accepted.first_data),
                Err(error) => self.not_accepted(&error),
            },
            Packet::Timer { .. } => self.sweep(),
            // The server starts nothing else.
            _ => {}
        }
    }

    fn not_accepted(&self, error: &io::Error) {
        let failure = match is_aborted(error) {
            // The listener was closed.
            true if self.is_stopping() || self.shared.retires.load(Ordering::SeqCst) => return,
            // The client sent nothing for too long.
            true => Failure::TimedOut,
            false => Failure::of(error),
        };
        self.connections().failed(failure);
    }

    /// Begins to serve a connection; the first of its data may have come along.
    pub(super) fn accepted(&self, socket: TcpSocket, first_data: Option<Buffer>) {
        let stream = match self.shared.port.associate(socket, Connection::default()) {
            Ok(stream) => stream,
            Err(refused) => return self.connections().failed(Failure::of(&refused.error)),
        };
        platform::prepare(&stream);
        // In the list before its first operation, which may end it at once (E94).
        self.waits(&stream);
        self.connections().add(&stream);
        let _in_hand = self.connections().in_hand(&stream);
        match first_data {
            None => self.receive(stream),
            Some(data) if data.is_empty() => self.end(&stream),
            Some(data) => self.message(stream, data),
        }
    }

    fn message(&self, stream: Stream, buffer: Buffer) {
        if let Some(sweep) = &self.shared.sweep {
            sweep.in_hand(stream.key());
            stream.key().speaks();
        }
        match self.on_duty.call(&*self.shared.common.handler, &buffer) {
            Some(Reply::Echo) => {
                self.waits(&stream);
                self.send(stream, buffer);
            }
            Some(Reply::Silent) => {
                drop(buffer);
                self.receive(stream);
            }
            Some(Reply::Close) => self.end(&stream),
            None => self.fail(&stream, Failure::Other),
        }
    }

    fn send(&self, stream: Stream, data: Buffer) {
        if let Err(refused) = stream.send(data, Receive::Waits) {
            self.refused(&stream, &refused.error);
        }
    }

    fn receive(&self, stream: Stream) {
        self.waits(&stream);
        match stream.receive_pooled(Receive::Waits) {
            // The stop cancels what it finds in flight. It may have looked before this receive was
            // started; then the handle's lock shows us that it has begun.
            Ok(id) if self.is_stopping() => {
                // If it has completed meanwhile, its packet is served like any other.
                let _ = stream.cancel(id);
            }
            Ok(_) => {}
            Err(refused) => self.refused(&stream, &refused.error),
        }
    }

    fn receive_aborted(&self, stream: Stream, operation: Receive) {
        if sweep::has_expired(stream.key()) {
            return self.fail(&stream, Failure::TimedOut);
        }
        if operation == Receive::LastLook {
            return self.end(&stream);
        }
        if !self.is_stopping() {
            // The sweep meant what was in flight a moment ago; the client was just in time.
            return self.receive(stream);
        }
        // Data may have come that nobody has looked at.
        match stream.receive_pooled(Receive::LastLook) {
            Ok(id) => {
                // What has come completes it now; otherwise it waits, and nobody waits for it.
                let _ = stream.shutdown(Shutdown::Read);
                let _ = stream.cancel(id);
            }
            Err(refused) => self.refused(&stream, &refused.error),
        }
    }

    fn send_aborted(&self, stream: Stream, buffers: &Buffers, transferred: usize) {
        if sweep::has_expired(stream.key()) {
            // The client does not read: what was not sent is lost, and it shall know.
            stream.abort();
            return self.fail(&stream, Failure::TimedOut);
        }
        // The stop or the sweep meant another operation, and this one goes on.
        let rest: Vec<u8> =
            buffers.iter().flat_map(|buffer| buffer.iter().copied()).skip(transferred).collect();
        self.send(stream, rest.into());
    }

    /// An operation failed at once.
    fn refused(&self, stream: &Stream, error: &io::Error) {
        let failure = Failure::of(error);
        if self.is_stopping() && failure != Failure::Reset {
            // The receiving direction was ended by the last look.
            return self.end(stream);
        }
        self.fail(stream, failure);
    }

    fn waits(&self, stream: &Stream) {
        if let Some(sweep) = &self.shared.sweep {
            sweep.waits(stream.key());
        }
    }

    fn sweep(&self) {
        let Some(sweep) = &self.shared.sweep else { return };
        // What is in flight comes back as aborted, to a worker that ends the connection.
        sweep.look(self.connections(), |stream| {
            stream.cancel_all();
        });
        if !self.is_stopping() {
            // A port that is closed needs no further look.
            self.shared.port.timer(sweep.tick(), Receive::Waits).or_packet();
        }
    }

    /// Ends a connection with an error.
    fn fail(&self, stream: &Stream, failure: Failure) {
        self.connections().remove(stream, Some(failure));
    }

    /// Ends a connection: the last handle closes it, and that is the caller's.
    fn end(&self, stream: &Stream) {
        self.connections().remove(stream, None);
    }
}
