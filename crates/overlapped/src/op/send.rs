//! Send: one or several buffers, finished by the operation however short the system's sends are.

use super::packet::Packet;
use super::tcp_stream::TcpStream;
use super::{InPlace, Kind, Known, Next, Op};
use crate::buffer::Buffers;
use crate::conn::delivery::Delivery;
use crate::conn::handle::Handle;
use crate::conn::locked::Locked;
use crate::conn::operation::{Direction, Progress, Role, Surroundings};
use crate::error::{OperationId, Refused, not_performed};
use crate::protocol::Protocol;
use crate::sys::socket::{SEND_BUFFERS_MAX, Socket};
use std::io::{self, IoSlice};

/// Where it is `QUIET`, its success yields no packet.
pub(super) struct Send<const QUIET: bool> {
    pub(super) buffers: Buffers,
    pub(super) transferred: usize,
    pub(super) result: io::Result<()>,
}

impl<const QUIET: bool> Send<QUIET> {
    #[inline]
    fn new(buffers: Buffers) -> Self {
        Self { buffers, transferred: 0, result: not_performed() }
    }

    fn take<D>(self, operation: D) -> (Buffers, D) {
        (self.buffers, operation)
    }

    /// The packet of one that was refused.
    fn refused<P: Protocol>(
        handle: Handle<Op<P>>,
        (buffers, operation): (Buffers, P::Operation),
        error: io::Error,
    ) -> Packet<P>
    where
        Self: Known<P>,
    {
        let send = Self { result: Err(error), ..Self::new(buffers) };
        send.into_packet(handle, operation)
    }

    #[inline(never)]
    fn send_rest_or_nothing(&mut self, socket: &Socket) -> io::Result<()> {
        if self.buffers.byte_len() == 0 {
            // It succeeds unless the connection is lost, which only the system knows.
            return socket.send(&[IoSlice::new(&[])], false).map(|_| ());
        }
        send_rest(socket, &self.buffers, &mut self.transferred, false)
    }
}

impl<P: Protocol, const QUIET: bool> Kind<P> for Send<QUIET>
where
    Self: Known<P>,
{
    const ROLE: Role = Role::Transfer;
    const QUIET: bool = QUIET;

    #[inline(always)]
    fn attempt(&mut self, with: Surroundings<'_>) -> Progress {
        let outcome = match self.buffers.as_one() {
            Some(one) if !one.is_empty() => {
                send_rest_of_one(with.socket, one, &mut self.transferred, false)
            }
            _ => self.send_rest_or_nothing(with.socket),
        };
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Progress::Blocked,
            outcome => {
                self.result = outcome;
                Progress::Complete { drained: false }
            }
        }
    }

    #[inline]
    fn has_begun(&self) -> bool {
        self.transferred > 0
    }

    fn transferred(&self) -> u64 {
        self.transferred as u64
    }

    #[inline(always)]
    fn complete(
        &mut self,
        _at: &mut Locked<'_, Op<P>>,
        _holder: &Handle<Op<P>>,
        _delivery: &mut Delivery<Op<P>>,
    ) -> Next {
        if QUIET && self.result.is_ok() { Next::Nothing } else { Next::Packet }
    }

    #[inline]
    fn into_packet(self, handle: Handle<Op<P>>, operation: P::Operation) -> Packet<P> {
        Packet::Sent {
            stream: TcpStream(handle),
            buffers: self.buffers,
            operation,
            transferred: self.transferred,
            result: self.result,
        }
    }
}

/// Sends what is left of `buffers` after `transferred` bytes, until all is sent or it would block.
/// With `more`, something follows at once, and the system may wait for it to fill a packet.
pub(super) fn send_rest(
    socket: &Socket,
    buffers: &Buffers,
    transferred: &mut usize,
    more: bool,
) -> io::Result<()> {
    match buffers.as_one() {
        Some(one) => send_rest_of_one(socket, one, transferred, more),
        None => send_rest_of_several(socket, buffers, transferred, more),
    }
}

/// What most sends are: the same for one buffer.
#[inline]
fn send_rest_of_one(
    socket: &Socket,
    bytes: &[u8],
    transferred: &mut usize,
    more: bool,
) -> io::Result<()> {
    while *transferred < bytes.len() {
        *transferred += socket.send(&[IoSlice::new(&bytes[*transferred..])], more)?;
    }
    Ok(())
}

/// Kept apart, since most sends have one buffer and preparing for many costs more than sending it.
#[inline(never)]
fn send_rest_of_several(
    socket: &Socket,
    buffers: &Buffers,
    transferred: &mut usize,
    more: bool,
) -> io::Result<()> {
    loop {
        let mut slices = [IoSlice::new(&[]); SEND_BUFFERS_MAX];
        let count = buffers.rest(*transferred, &mut slices);
        if count == 0 {
            return Ok(());
        }
        *transferred += socket.send(&slices[..count], more)?;
    }
}

impl<P: Protocol> TcpStream<P> {
    /// Starts to send the filled parts of `buffers`, in order.
    ///
    /// Completes with [`Packet::Sent`] when the system has taken every byte, or with an error and
    /// the number of bytes taken before it. When the buffers come back, the peer does not
    /// necessarily have the data yet. Sends of one stream go out in the order in which they were
    /// started, each as a whole, however many buffers it has: what the system does not take in one
    /// call is sent by further calls. Sending nothing completes with success.
    ///
    /// # Errors
    /// What fails at once gives buffers and operation back and queues no packet: not connected,
    /// shut down for sending, reset before, closed, or the port is closed.
    ///
    /// # Cancellation
    /// A cancelled send reports the bytes that went out; the rest never will.
    #[inline]
    pub fn send(
        &self,
        buffers: impl Into<Buffers>,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Buffers, P::Operation)>> {
        let send = Send::<false>::new(buffers.into());
        let (take, refused) = (Send::<false>::take, Send::<false>::refused);
        Op::start(&self.0, Direction::Send, send, operation, take, refused)
    }

    /// Starts to send like [`send`](Self::send), but success yields no packet: `buffers` and
    /// `operation` are dropped.
    ///
    /// No thread is woken for it. Everything else is as for other sends: it goes out in its turn, limits
    /// of time hold for it, and a [`shutdown`](Self::shutdown) or a disconnect after it waits until it
    /// has gone out.
    /// Started, it answers
    ///
    /// - `None` if it succeeded at once: there is nothing to cancel, and nothing will be heard of it.
    /// - `Some` number if it is in flight. If it succeeds, nothing will be heard of it. If it fails,
    ///   is cancelled, is aborted by a close or is out of time, it completes with one
    ///   [`Packet::Sent`], as other sends do.
    ///
    /// Buffers and operation data are dropped while no lock is held, by the starting thread if the
    /// send succeeds at once, and otherwise by the one that finds it complete: mostly one that waits for
    /// a packet, and goes on waiting. A panic of such a drop reaches the starting thread; one of a
    /// thread that takes packets ends there. A send that yields no packet is in no counter of packets.
    ///
    /// # Errors
    /// As for [`send`](Self::send). [`or_packet`](crate::OrPacket::or_packet) makes a packet of what
    /// fails at once.
    ///
    /// # Examples
    /// ```
    /// use overlapped::{Buffer, OrPacket, Packet, Port, Protocol};
    /// # use overlapped::TcpSocket;
    /// # struct Chat;
    /// # impl Protocol for Chat { type Key = (); type Operation = u32; type Message = (); }
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let socket = TcpSocket::try_from(std::net::TcpStream::connect(listener.local_addr()?)?)?;
    /// # let port = Port::<Chat>::new()?;
    /// # let stream = port.associate(socket, ())?;
    /// // A line for somebody who need not know when it has gone out.
    /// stream.send_quiet(Buffer::from(b"hello"), 1).or_packet();
    /// stream.shutdown(std::net::Shutdown::Write)?;
    /// stream.send_quiet(Buffer::from(b"too late"), 2).or_packet();
    /// match port.take()? {
    ///     Packet::Sent { operation: 2, transferred: 0, result: Err(error), .. } => {
    ///         println!("not sent: {error}");
    ///     }
    ///     _ => panic!("only the second one yields a packet"),
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn send_quiet(
        &self,
        buffers: impl Into<Buffers>,
        operation: P::Operation,
    ) -> Result<Option<OperationId>, Refused<(Buffers, P::Operation)>> {
        let send = Send::<true>::new(buffers.into());
        let (take, refused) = (Send::<true>::take, Send::<true>::refused);
        Op::start_quiet(&self.0, Direction::Send, send, operation, take, refused)
    }

    /// Starts to send like [`send`](Self::send). If the send is complete at once, its packet may be
    /// returned instead of queued; see [`receive_in_place`](Self::receive_in_place) for when.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    #[inline]
    pub fn send_in_place(
        &self,
        buffers: impl Into<Buffers>,
        operation: P::Operation,
    ) -> InPlace<P, (Buffers, P::Operation)> {
        let send = Send::<false>::new(buffers.into());
        let (take, refused) = (Send::<false>::take, Send::<false>::refused);
        Op::start_in_place(&self.0, Direction::Send, send, operation, take, refused)
    }
}
