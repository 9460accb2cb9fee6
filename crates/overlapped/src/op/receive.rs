//! Receive: into a buffer of the user's, or into a pooled one taken when data is there.

use super::packet::Packet;
use super::tcp_stream::TcpStream;
use super::{InPlace, Kind, Op};
use crate::buffer::{Buffer, MaybeBuffer};
use crate::conn::handle::Handle;
use crate::conn::operation::{Direction, Progress, Role, Surroundings};
use crate::error::{OperationId, Refused, not_performed};
use crate::protocol::Protocol;
use std::io;

/// What a receive yielded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// So many bytes, at least one; they are the filled part of the buffer, or the end of that after
    /// [`receive_append`](TcpStream::receive_append).
    Data(usize),
    /// Data is there; a receive into a buffer without room waits for it and takes none.
    Readable,
    /// The peer has ended its direction, after everything that it sent. Not an error.
    End,
}

pub(super) struct Receive {
    /// None for a pooled receive that has not met data yet.
    pub(super) buffer: MaybeBuffer,
    pub(super) result: io::Result<Received>,
}

impl Receive {
    /// It fills the buffer from its start.
    #[inline]
    fn new(buffer: Option<Buffer>) -> Self {
        Self { buffer: buffer.map(Buffer::cleared).into(), result: not_performed() }
    }

    /// It fills the buffer behind what that has.
    fn appending(buffer: Buffer) -> Self {
        Self { buffer: Some(buffer).into(), result: not_performed() }
    }

    fn take<D>(mut self, operation: D) -> (Buffer, D) {
        (self.buffer.take().unwrap_or_else(Buffer::empty), operation)
    }

    /// The packet of one that was refused.
    fn refused<P: Protocol>(
        handle: Handle<Op<P>>,
        (buffer, operation): (Buffer, P::Operation),
        error: io::Error,
    ) -> Packet<P> {
        let receive = Self { buffer: Some(buffer).into(), result: Err(error) };
        receive.into_packet(handle, operation)
    }

    fn refused_pooled<P: Protocol>(
        handle: Handle<Op<P>>,
        operation: P::Operation,
        error: io::Error,
    ) -> Packet<P> {
        Self::refused(handle, (Buffer::empty(), operation), error)
    }

    #[inline]
    pub(super) fn attempt_once(&mut self, with: Surroundings<'_>) -> Progress {
        let size = with.receive_size.get();
        let (mut buffer, pooled) = match self.buffer.take() {
            None => (with.pool.get_of(size.size()), true),
            Some(buffer) if buffer.spare_len() == 0 => return self.look(buffer, with),
            Some(buffer) => (buffer, false),
        };
        let room = buffer.spare_len();
        let length = match with.socket.receive(buffer.spare_mut()) {
            Ok(length) => length,
            Err(error) => return self.failed_attempt(error, buffer, pooled),
        };
        buffer.add_filled(length);
        self.buffer.put(buffer);
        if pooled && size.may_change(length, room) {
            with.receive_size.set(size.after(length, with.pool.sizes()));
        }
        self.result = Ok(if length == 0 { Received::End } else { Received::Data(length) });
        let is_short = 0 < length && length < room;
        Progress::Complete { drained: is_short && with.socket.is_internet() }
    }

    #[inline(never)]
    fn failed_attempt(&mut self, error: io::Error, buffer: Buffer, pooled: bool) -> Progress {
        if error.kind() == io::ErrorKind::WouldBlock {
            // A pooled receive that has to wait holds no buffer meanwhile (P164).
            if !pooled {
                self.buffer.put(buffer);
            }
            return Progress::Blocked;
        }
        self.buffer.put(buffer);
        self.result = Err(error);
        Progress::Complete { drained: false }
    }

    /// Whether there is data, of which nothing is taken.
    #[inline(never)]
    fn look(&mut self, without_room: Buffer, with: Surroundings<'_>) -> Progress {
        self.buffer.put(without_room);
        match with.socket.peek() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Progress::Blocked,
            found => {
                self.result = found.map(|data| match data {
                    true => Received::Readable,
                    false => Received::End,
                });
                Progress::Complete { drained: false }
            }
        }
    }
}

impl<P: Protocol> Kind<P> for Receive {
    const ROLE: Role = Role::Transfer;

    #[inline]
    fn attempt(&mut self, with: Surroundings<'_>) -> Progress {
        self.attempt_once(with)
    }

    fn transferred(&self) -> u64 {
        match self.result {
            Ok(Received::Data(length)) => length as u64,
            _ => 0,
        }
    }

    #[inline]
    fn into_packet(self, handle: Handle<Op<P>>, operation: P::Operation) -> Packet<P> {
        let Self { mut buffer, result } = self;
        let buffer = buffer.take().unwrap_or_else(Buffer::empty);
        Packet::Received { stream: TcpStream(handle), buffer, operation, result }
    }
}

impl<P: Protocol> TcpStream<P> {
    /// Starts to receive into `buffer`, from its start.
    ///
    /// Completes with [`Packet::Received`] as soon as some data is there, at the end of the stream,
    /// or with an error; a buffer without room waits for data and takes none. Receives of one
    /// stream are filled in the order in which they were started.
    ///
    /// # Errors
    /// What fails at once gives buffer and operation back and queues no packet: not connected, shut
    /// down for receiving, reset before, closed, or the port is closed.
    ///
    /// # Cancellation
    /// [`cancel`](Self::cancel) or [`close`](Self::close) completes it as aborted at once; no byte
    /// of the stream is lost by a cancelled receive.
    pub fn receive(
        &self,
        buffer: Buffer,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Buffer, P::Operation)>> {
        let receive = Receive::new(Some(buffer));
        Op::start(&self.0, Direction::Receive, receive, operation, Receive::take, Receive::refused)
    }

    /// Starts to receive like [`receive`](Self::receive). If the receive is complete at once, with
    /// data, at the end of the stream, or with an error that comes after the start, its packet may be
    /// returned ([`Started::Complete`](crate::Started::Complete)) instead of queued. It is the packet
    /// that a take would have given, so one function can handle both.
    ///
    /// ```
    /// # use overlapped::{Packet, Port, Protocol, Received, TcpSocket};
    /// # use std::io::{Read, Write};
    /// # struct Echo;
    /// # impl Protocol for Echo { type Key = (); type Operation = (); type Message = (); }
    /// /// Starts what comes next, and goes on with it for as long as it completes in place.
    /// fn handle(mut packet: Packet<Echo>) {
    ///     loop {
    ///         let next = match packet {
    ///             Packet::Received { stream, buffer, result: Ok(Received::Data(_)), .. } => {
    ///                 stream.send_in_place(buffer, ()).ok()
    ///             }
    ///             Packet::Sent { stream, result: Ok(()), .. } => {
    ///                 stream.receive_pooled_in_place(()).ok()
    ///             }
    ///             _ => None,
    ///         };
    ///         match next.and_then(|started| started.complete()) {
    ///             Some(next) => packet = next,
    ///             None => return,
    ///         }
    ///     }
    /// }
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let mut client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let port = Port::<Echo>::new()?;
    /// # let stream = port.associate(TcpSocket::try_from(listener.accept()?.0)?, ())?;
    /// # stream.receive_pooled(())?;
    /// # drop(stream);
    /// # client.write_all(b"ping")?;
    /// # client.shutdown(std::net::Shutdown::Write)?;
    /// # std::thread::spawn(move || while let Ok(packet) = port.take() { handle(packet) });
    /// # let mut answer = String::new();
    /// # client.read_to_string(&mut answer)?;
    /// # assert_eq!(answer, "ping");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// It completes in place only if
    ///
    /// - the calling thread is bound to this port (its last take was from it) and runs: it is not in
    ///   [`blocking`](crate::blocking);
    /// - no other operation of this direction of the stream is owed a packet, so that none is
    ///   overtaken. An operation is owed one from its start until the packet is handed out by a take
    ///   or by the iterator of a [`Batch`](crate::Batch);
    /// - the thread has had no more of this since its last take than others can bear: at most 64
    ///   completions, 4 while others wait, and about a millisecond, or a few of your program's steps
    ///   if these are longer.
    ///
    /// In every other case it is as if [`receive`](Self::receive) had been called. What completes in
    /// place counts in [`Counters::completed_in_place`](crate::Counters), and not as queued or taken.
    ///
    /// # Platform
    /// On Windows the first such start changes a mode of the socket, which holds for its duplicates as
    /// well (`FILE_SKIP_COMPLETION_PORT_ON_SUCCESS`). Nothing completes in place there if a provider of
    /// TCP on that system is not one of the kernel's handles, since that mode breaks it; and a thread
    /// is taken to keep others waiting always.
    ///
    /// # Errors
    /// As for [`receive`](Self::receive).
    pub fn receive_in_place(
        &self,
        buffer: Buffer,
        operation: P::Operation,
    ) -> InPlace<P, (Buffer, P::Operation)> {
        self.start_receive_in_place(Receive::new(Some(buffer)), operation)
    }

    /// Starts to receive into the room of `buffer` behind what it has already, which stays: for a
    /// program that collects until a message is whole.
    ///
    /// Otherwise like [`receive`](Self::receive). [`Received::Data`] tells how many bytes are new. At
    /// the end of the stream, and with an error, the buffer has what it had. A buffer that is full
    /// waits for data and takes none ([`Received::Readable`]); see
    /// [`Buffer::spare_len`].
    ///
    /// ```
    /// use overlapped::{Buffer, OrPacket, Packet, Port, Protocol, Received};
    /// # use overlapped::TcpSocket;
    /// # use std::io::Write;
    /// # struct Lines;
    /// # impl Protocol for Lines { type Key = (); type Operation = (); type Message = (); }
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let mut client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let port = Port::<Lines>::new()?;
    /// # let stream = port.associate(TcpSocket::try_from(listener.accept()?.0)?, ())?;
    /// # client.write_all(b"one ")?;
    /// stream.receive_append(Buffer::with_capacity(100), ()).or_packet();
    /// # drop(stream);
    /// let line = loop {
    ///     match port.take()? {
    ///         Packet::Received { buffer, result: Ok(Received::Data(_)), .. }
    ///             if buffer.ends_with(b"\n") => break buffer,
    ///         Packet::Received { stream, buffer, result: Ok(Received::Data(_)), .. } => {
    ///             # client.write_all(b"line\n")?;
    ///             stream.receive_append(buffer, ()).or_packet();
    ///         }
    ///         _ => panic!("the stream ended before the line"),
    ///     }
    /// };
    /// assert_eq!(&line[..], b"one line\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`receive`](Self::receive).
    pub fn receive_append(
        &self,
        buffer: Buffer,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Buffer, P::Operation)>> {
        self.start_receive(Receive::appending(buffer), operation)
    }

    /// Starts to receive like [`receive_append`](Self::receive_append). If the receive is complete at
    /// once, its packet may be returned instead of queued; see
    /// [`receive_in_place`](Self::receive_in_place) for when.
    ///
    /// # Errors
    /// As for [`receive`](Self::receive).
    pub fn receive_append_in_place(
        &self,
        buffer: Buffer,
        operation: P::Operation,
    ) -> InPlace<P, (Buffer, P::Operation)> {
        self.start_receive_in_place(Receive::appending(buffer), operation)
    }

    /// Starts to receive into a buffer of the port's pool, which is taken when data is there: a
    /// connection that waits holds no buffer.
    ///
    /// Otherwise like [`receive`](Self::receive). Dropping the buffer of the packet returns it to
    /// the pool. How large it is follows the stream, unless
    /// [`PortBuilder::buffer_size`](crate::PortBuilder::buffer_size) sets a size for all.
    ///
    /// # Errors
    /// As for [`receive`](Self::receive); the operation is given back.
    #[inline]
    pub fn receive_pooled(
        &self,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<P::Operation>> {
        Op::start(
            &self.0,
            Direction::Receive,
            Receive::new(None),
            operation,
            |_, operation| operation,
            Receive::refused_pooled,
        )
    }

    /// Starts to receive like [`receive_pooled`](Self::receive_pooled). If the receive is complete at
    /// once, its packet may be returned instead of queued; see
    /// [`receive_in_place`](Self::receive_in_place) for when.
    ///
    /// # Errors
    /// As for [`receive_pooled`](Self::receive_pooled).
    #[inline]
    pub fn receive_pooled_in_place(&self, operation: P::Operation) -> InPlace<P, P::Operation> {
        Op::start_in_place(
            &self.0,
            Direction::Receive,
            Receive::new(None),
            operation,
            |_, operation| operation,
            Receive::refused_pooled,
        )
    }

    /// Starts a receive whose buffer is given back when it is refused.
    #[inline]
    fn start_receive(
        &self,
        receive: Receive,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Buffer, P::Operation)>> {
        let (take, refused) = (Receive::take, Receive::refused);
        Op::start(&self.0, Direction::Receive, receive, operation, take, refused)
    }

    #[inline]
    fn start_receive_in_place(
        &self,
        receive: Receive,
        operation: P::Operation,
    ) -> InPlace<P, (Buffer, P::Operation)> {
        let (take, refused) = (Receive::take, Receive::refused);
        Op::start_in_place(&self.0, Direction::Receive, receive, operation, take, refused)
    }
}
