//! One path for all errors: a start that was refused becomes a packet, too.

use super::InPlace;
use super::packet::Packet;
use crate::conn::in_place::Started;
use crate::conn::timers::TimerId;
use crate::error::{OperationId, Refused};
use crate::protocol::Protocol;

/// For the result of every method that starts an operation: makes a packet of a refusal.
///
/// A start can fail at once, and then gives back what it was given. A program that does with such an
/// error what it does with the error of a packet need not handle both: after
/// [`or_packet`](Self::or_packet) there is a packet in either case.
///
/// ```
/// use overlapped::{Buffer, OrPacket, Packet, Port, Protocol};
/// # use overlapped::TcpSocket;
/// # struct Jobs;
/// # impl Protocol for Jobs { type Key = (); type Operation = u32; type Message = (); }
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let socket = TcpSocket::try_from(std::net::TcpStream::connect(listener.local_addr()?)?)?;
/// # let port = Port::<Jobs>::new()?;
/// # let stream = port.associate(socket, ())?;
/// stream.shutdown(std::net::Shutdown::Write)?;
/// stream.send(Buffer::from(b"too late"), 7).or_packet();
/// match port.take()? {
///     Packet::Sent { buffers, operation: 7, transferred: 0, result: Err(_), .. } => {
///         assert_eq!(buffers.byte_len(), 8, "everything comes back");
///     }
///     _ => panic!("one send was started"),
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// It is there for the starts of sockets, datagrams, files and timers, and for no other result.
pub trait OrPacket: sealed::Sealed {
    /// What is left of the result.
    type Answer;

    /// Queues the refusal as the packet of that operation.
    ///
    /// The packet is of the kind that the operation would have had. It has the error as its result,
    /// 0 bytes transferred, and gives back handle, buffers and operation data. It goes to the tail of
    /// the queue of the handle's port when this is called, like that of an operation that is
    /// complete at once: operations of the same direction that still wait come after it. It counts
    /// as started and is owed one packet (P46).
    ///
    /// - A start answers with the number of the operation, or `None` if it was refused; there is
    ///   nothing to cancel then.
    /// - A quiet start answers with the number if it is in flight, and else with `None`.
    /// - A start *in place* answers as if it had not been refused: with the packet, if it could
    ///   have completed in place, and otherwise with a number, when the packet is queued.
    ///
    /// If it was refused because the port is closed, there is nobody to take a packet: buffer,
    /// operation data and the handle are dropped, as those in flight were. A start in place answers
    /// with a number then, too. A timer is refused for no other reason.
    fn or_packet(self) -> Self::Answer;
}

impl<T> OrPacket for Result<OperationId, Refused<T>> {
    type Answer = Option<OperationId>;

    #[inline]
    fn or_packet(self) -> Option<OperationId> {
        self.map_err(|refused| refused.deliver(None)).ok()
    }
}

/// Of a quiet start.
impl<T> OrPacket for Result<Option<OperationId>, Refused<T>> {
    type Answer = Option<OperationId>;

    #[inline]
    fn or_packet(self) -> Option<OperationId> {
        self.map_err(|refused| refused.deliver(None)).ok().flatten()
    }
}

impl<T> OrPacket for Result<TimerId, Refused<T>> {
    type Answer = Option<TimerId>;

    #[inline]
    fn or_packet(self) -> Option<TimerId> {
        self.map_err(|refused| refused.deliver(None)).ok()
    }
}

impl<P: Protocol, T> OrPacket for InPlace<P, T> {
    type Answer = Started<Packet<P>>;

    #[inline]
    fn or_packet(self) -> Started<Packet<P>> {
        self.unwrap_or_else(|refused| {
            let mut answer: Option<Started<Packet<P>>> = None;
            refused.deliver(Some(&mut answer));
            // A refusal of another port's start, which the user has put here, was queued there.
            answer.unwrap_or(Started::InFlight(OperationId(0)))
        })
    }
}

mod sealed {
    use super::{InPlace, OperationId, Protocol, Refused, TimerId};

    pub trait Sealed {}
    impl<T> Sealed for Result<OperationId, Refused<T>> {}
    impl<T> Sealed for Result<Option<OperationId>, Refused<T>> {}
    impl<T> Sealed for Result<TimerId, Refused<T>> {}
    impl<P: Protocol, T> Sealed for InPlace<P, T> {}
}
