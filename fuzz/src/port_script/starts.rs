//! Operations of connections: their starts, their ends, and what the model makes of their packets.

use super::ends::{Send, Side, bytes_of};
use super::model::{End, LISTENER, Work};
use super::script::How;
use super::stage::{Numbers, Stage, some_of};
use overlapped::{
    Accepted, Buffer, Buffers, OperationId, Packet, Received, Started, is_aborted, is_reset,
};
use std::io;
use std::net::Shutdown;

/// What became of a start.
enum Start {
    InFlight(OperationId),
    Complete(Packet<Numbers>),
    Refused(u32),
}

impl Stage<'_> {
    pub fn accept(&mut self) {
        let Some(listener) = self.listener.clone() else { return };
        let ticket = self.ticket();
        let number = ticket.number;
        let id = listener.accept(ticket).expect("the listener is open");
        self.model.started(number, Work::Accept);
        self.accepts.push((id, number));
    }

    pub fn accepted(&mut self, accepted: Accepted) {
        let is_it = |side: &Side| side.address == Some(accepted.remote);
        let client = self.sides.iter().position(is_it).expect("one of the clients");
        assert!(self.sides[client].peer.is_none(), "{client} was accepted twice");
        let end = self.sides.len();
        let stream = self.port.associate(accepted.socket, end).expect("it is associated");
        self.sides.push(Side::new(stream, None, Some(client)));
        self.sides[client].peer = Some(end);
    }

    pub fn connect(&mut self, first_bytes: usize) {
        let Some(listener) = &self.listener else { return };
        let address = listener.local_addr().expect("it listens");
        let end = self.sides.len();
        let socket = self.world.client();
        let own = socket.local_addr().expect("it is bound");
        let stream = self.port.associate(socket, end).expect("it is associated");
        let ticket = self.ticket();
        let number = ticket.number;
        let started = stream.connect(address, Buffer::from(bytes_of(number, first_bytes)), ticket);
        let mut side = Side::new(stream, Some(own), None);
        side.sends.push(Send { number, bytes: first_bytes, transferred: None });
        match started {
            Ok(id) => {
                self.model.started(number, Work::Connect { end });
                side.ids.push((id, number));
            }
            Err(refused) => {
                assert_eq!(refused.returned.1.number, number);
                side.sent(number, 0);
                side.is_over = true;
            }
        }
        self.sides.push(side);
    }

    pub fn connected(
        &mut self,
        end: End,
        number: u32,
        (buffers, transferred): (Buffers, usize),
        result: io::Result<()>,
    ) {
        let side = &mut self.sides[end];
        side.sent(number, transferred);
        match result {
            Ok(()) => {
                assert_eq!(transferred, buffers.byte_len());
                side.is_connected = true;
            }
            Err(error) => {
                let is_refusal = error.kind() == io::ErrorKind::ConnectionRefused;
                let expected = is_aborted(&error) || is_refusal || is_lost(&error);
                assert!(expected, "a connect failed: {error}");
                side.is_over = true;
            }
        }
    }

    pub fn receive(&mut self, end: End, room: u8, how: How) {
        let Some(stream) = self.sides[end].stream.clone() else { return };
        let (ticket, room) = (self.ticket(), usize::from(room) * 8);
        let number = ticket.number;
        let was_free = self.model.lane_is_free(end, false);
        let pooled = (how == How::Otherwise).then_some(usize::MAX);
        let start = match how {
            How::Queued => match stream.receive(Buffer::with_capacity(room), ticket) {
                Ok(id) => Start::InFlight(id),
                Err(refused) => Start::Refused(refused.returned.1.number),
            },
            How::InPlace => match stream.receive_in_place(Buffer::with_capacity(room), ticket) {
                Ok(started) => started.into(),
                Err(refused) => Start::Refused(refused.returned.1.number),
            },
            How::Otherwise => match stream.receive_pooled(ticket) {
                Ok(id) => Start::InFlight(id),
                Err(refused) => Start::Refused(refused.returned.number),
            },
        };
        let work = Work::Receive { end, room: pooled.unwrap_or(room) };
        self.started(end, number, work, start, was_free);
    }

    pub fn send(&mut self, end: End, bytes: usize, how: How) {
        let Some(stream) = self.sides[end].stream.clone() else { return };
        let ticket = self.ticket();
        let number = ticket.number;
        let was_free = self.model.lane_is_free(end, true);
        let content = bytes_of(number, bytes);
        let start = match how {
            How::InPlace => match stream.send_in_place(Buffer::from(content), ticket) {
                Ok(started) => started.into(),
                Err(refused) => Start::Refused(refused.returned.1.number),
            },
            _ => {
                let parts = match how {
                    How::Queued => Buffers::from(Buffer::from(content)),
                    _ => content.chunks(97).map(Buffer::copy_of).collect::<Vec<_>>().into(),
                };
                match stream.send(parts, ticket) {
                    Ok(id) => Start::InFlight(id),
                    Err(refused) => Start::Refused(refused.returned.1.number),
                }
            }
        };
        self.sides[end].sends.push(Send { number, bytes, transferred: None });
        self.started(end, number, Work::Send { end, bytes }, start, was_free);
    }

    fn started(&mut self, end: End, number: u32, work: Work, start: Start, was_free: bool) {
        let sends = matches!(work, Work::Send { .. });
        match start {
            Start::InFlight(id) => {
                self.model.started(number, work);
                self.sides[end].ids.push((id, number));
            }
            Start::Complete(packet) => {
                assert!(was_free, "{number} completed in place beside another one (P150)");
                self.model.started(number, work);
                self.taken(packet);
            }
            Start::Refused(given_back) => {
                assert_eq!(given_back, number, "P33");
                if sends {
                    self.sides[end].sends.pop();
                }
                assert!(!self.is_healthy(end, sends), "{number} was refused on a good connection");
            }
        }
    }

    pub fn received(&mut self, end: End, room: usize, buffer: &[u8], result: io::Result<Received>) {
        let expected = match &result {
            Ok(Received::Data(length)) => *length,
            _ => 0,
        };
        assert_eq!(buffer.len(), expected, "P20");
        let may_break = self.may_break(end);
        let side = &mut self.sides[end];
        match result {
            Ok(Received::Data(length)) => {
                assert!(length > 0 && length <= room, "{length} bytes in room for {room}");
                assert!(!side.saw_end, "data came after the end");
                side.received.extend_from_slice(buffer);
            }
            Ok(Received::Readable) => assert_eq!(room, 0, "P44"),
            Ok(Received::End) => side.saw_end = true,
            Err(error) if is_aborted(&error) => {}
            Err(error) => {
                assert!(is_lost(&error) && may_break, "a receive failed: {error}");
                side.is_over = true;
            }
        }
    }

    pub fn sent(
        &mut self,
        (end, number, bytes): (End, u32, usize),
        (buffers, transferred): (&Buffers, usize),
        result: io::Result<()>,
    ) {
        let back: Vec<u8> = buffers.iter().flat_map(|part| part.iter().copied()).collect();
        assert_eq!(back, bytes_of(number, bytes), "P20");
        let may_break = self.may_break(end);
        let side = &mut self.sides[end];
        side.sent(number, transferred);
        match result {
            Ok(()) => assert_eq!(transferred, bytes, "P154"),
            Err(error) if is_aborted(&error) => {}
            Err(error) => {
                assert!(is_lost(&error) && may_break, "a send failed: {error}");
                side.is_over = true;
            }
        }
    }

    pub fn cancel(&mut self, which: u8) {
        let of_accepts = self.accepts.iter().map(|(id, number)| (LISTENER, *id, *number));
        let of_sides = self.sides.iter().enumerate().flat_map(|(end, side)| {
            let has_handle = side.stream.is_some();
            side.ids.iter().filter(move |_| has_handle).map(move |(id, number)| (end, *id, *number))
        });
        let all: Vec<_> = of_accepts.chain(of_sides).collect();
        let Some((end, id, number)) = some_of(&all, which) else { return };
        let cancelled = match (end, &self.listener) {
            (LISTENER, Some(listener)) => listener.cancel(id),
            (LISTENER, None) => return,
            _ => self.sides[end].stream.as_ref().map_or(Ok(()), |stream| stream.cancel(id)),
        };
        match cancelled {
            Ok(()) => self.model.cancelled(number),
            Err(_) => self.not_found(number),
        }
    }

    pub fn shut_down(&mut self, end: End, how: Shutdown) {
        let side = &mut self.sides[end];
        let Some(stream) = &side.stream else { return };
        if stream.shutdown(how).is_ok() {
            side.has_ended_sending |= how != Shutdown::Read;
            side.has_ended_receiving |= how != Shutdown::Write;
        }
    }

    pub fn close(&mut self, end: End, aborts: bool) {
        self.sides[end].is_over = true;
        if let Some(stream) = self.sides[end].stream.take() {
            if aborts {
                stream.abort()
            } else {
                stream.close()
            }
            self.all_of(end, None);
        }
    }

    pub fn close_listener(&mut self) {
        if let Some(listener) = self.listener.take() {
            listener.close();
            self.all_of(LISTENER, None);
        }
    }

    /// Whether an operation of this end may fail because the connection is lost.
    fn may_break(&self, end: End) -> bool {
        let side = &self.sides[end];
        // Who was not accepted is reset when the listener goes.
        side.is_over || side.peer.map_or(self.listener.is_none(), |peer| self.sides[peer].is_over)
    }

    /// Whether this direction of it must admit a start.
    fn is_healthy(&self, end: End, sends: bool) -> bool {
        let side = &self.sides[end];
        let has_ended = if sends { side.has_ended_sending } else { side.has_ended_receiving };
        side.is_connected && !has_ended && !self.may_break(end)
    }

    /// Where nothing is disturbed, a take that finds nothing has left nothing undone.
    pub fn nothing_can_be_done(&self) {
        for (end, side) in self.sides.iter().enumerate() {
            if side.is_connected && side.peer.is_none() && !side.is_over && self.listener.is_some()
            {
                let waits = self.model.first_in_flight(LISTENER, false);
                assert!(waits.is_none(), "a client is there, and an accept waits");
            }
            let Some(peer) = side.peer.filter(|_| !self.may_break(end)) else { continue };
            let receives = self.model.first_in_flight(end, false).is_some();
            let sends = self.model.first_in_flight(peer, true);
            assert!(
                !receives || sends.is_none(),
                "{end} receives, and {peer} still sends {sends:?}"
            );
            // A packet that says more may be in the queue.
            let left = self.sides[peer].sent_for_certain().saturating_sub(side.received.len());
            assert!(!receives || left == 0, "{end} receives, and {left} bytes are there");
            let has_ended = self.sides[peer].has_ended_sending && sends.is_none();
            assert!(!receives || !has_ended, "{end} receives, and {peer} has ended");
        }
    }
}

impl From<Started<Packet<Numbers>>> for Start {
    fn from(started: Started<Packet<Numbers>>) -> Self {
        match started {
            Started::InFlight(id) => Self::InFlight(id),
            Started::Complete(packet) => Self::Complete(packet),
        }
    }
}

/// Whether the connection is lost.
fn is_lost(error: &io::Error) -> bool {
    is_reset(error)
        || matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected)
}
