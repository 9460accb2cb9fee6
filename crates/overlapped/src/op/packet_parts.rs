//! What all packets have in common, whatever operation they are of.

use super::accept::Accepted;
use super::packet::Packet;
use super::tcp_listener::TcpListener;
use super::tcp_stream::TcpStream;
use super::udp_socket::UdpSocket;
use crate::buffer::{Buffers, Datagrams};
use crate::file::File;
use crate::foreign::{Directory, Process, WaitHandle};
use crate::protocol::Protocol;
use std::io;

/// Of which operation a [`Packet`] is, or that it is of none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PacketKind {
    /// An accept.
    Accepted,
    /// An accept into a stream.
    AcceptedInto,
    /// A connect.
    Connected,
    /// A disconnect.
    Disconnected,
    /// A receive.
    Received,
    /// A receive of a batch of datagrams.
    ReceivedBatch,
    /// A receive of a datagram.
    ReceivedFrom,
    /// A receive of a datagram of a Unix socket.
    ReceivedFromUnix,
    /// [`Packet::ReceivedScattered`].
    ReceivedScattered,
    /// A send.
    Sent,
    /// The send of a batch of datagrams.
    SentBatch,
    /// The send of a datagram.
    SentTo,
    /// The transmission of a file.
    Transmitted,
    /// A read of a file.
    Read,
    /// A write to a file.
    Written,
    /// A flush of a file.
    Flushed,
    /// A wait for what is not the library's.
    Waited,
    /// A wait for the changes of a directory.
    Changed,
    /// A wait for the exit of a process.
    Exited,
    /// A timer.
    Timer,
    /// A signal of the process.
    Signal,
    /// A posted value.
    Posted,
}

impl PacketKind {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 22] = [
        Self::Accepted,
        Self::AcceptedInto,
        Self::Connected,
        Self::Disconnected,
        Self::Received,
        Self::ReceivedBatch,
        Self::ReceivedFrom,
        Self::ReceivedFromUnix,
        Self::ReceivedScattered,
        Self::Sent,
        Self::SentBatch,
        Self::SentTo,
        Self::Transmitted,
        Self::Read,
        Self::Written,
        Self::Flushed,
        Self::Waited,
        Self::Changed,
        Self::Exited,
        Self::Timer,
        Self::Signal,
        Self::Posted,
    ];
}

/// The handle of a packet.
#[derive(Debug)]
#[non_exhaustive]
pub enum PacketHandle<P: Protocol> {
    /// Of an accept.
    Listener(TcpListener<P>),
    /// Of an accept into a stream: the listener and the stream.
    ListenerAndStream(TcpListener<P>, TcpStream<P>),
    /// Of what is done on a connection.
    Stream(TcpStream<P>),
    /// Of datagrams.
    Datagrams(UdpSocket<P>),
    /// Of what is done on a file.
    File(File<P>),
    /// Of a wait.
    Wait(WaitHandle<P>),
    /// Of a wait for the changes of a directory.
    Directory(Directory<P>),
    /// Of a wait for the exit of a process.
    Process(Process<P>),
    /// A timer has none.
    None,
}

impl<P: Protocol> PacketHandle<P> {
    /// The completion key of the connection, socket, file or whatever it is; that of the stream where there is a
    /// listener as well. `None` where there is no handle.
    pub fn key(&self) -> Option<&P::Key> {
        match self {
            Self::Listener(listener) => Some(listener.key()),
            Self::ListenerAndStream(_, stream) | Self::Stream(stream) => Some(stream.key()),
            Self::Datagrams(socket) => Some(socket.key()),
            Self::File(file) => Some(file.key()),
            Self::Wait(handle) => Some(handle.key()),
            Self::Directory(directory) => Some(directory.key()),
            Self::Process(process) => Some(process.key()),
            Self::None => None,
        }
    }
}

/// A packet taken apart, of whatever operation it is.
#[derive(Debug)]
#[non_exhaustive]
pub struct PacketParts<P: Protocol> {
    /// Of which operation it is.
    pub kind: PacketKind,
    /// Its handle.
    pub handle: PacketHandle<P>,
    /// The per-operation data given at the start.
    pub operation: P::Operation,
    /// The buffers given at the start, or the pooled one. Of a transmission, those of its head and
    /// its tail.
    pub buffers: Buffers,
    /// The datagrams of a batch.
    pub datagrams: Option<Datagrams>,
    /// The connection of an accept that has one.
    pub accepted: Option<Box<Accepted>>,
    /// Whether it succeeded.
    pub result: io::Result<()>,
}

impl<P: Protocol> Packet<P> {
    /// Of which operation it is, or that it is of none.
    pub fn kind(&self) -> PacketKind {
        match self {
            Self::Accepted { .. } => PacketKind::Accepted,
            Self::AcceptedInto { .. } => PacketKind::AcceptedInto,
            Self::Connected { .. } => PacketKind::Connected,
            Self::Disconnected { .. } => PacketKind::Disconnected,
            Self::Received { .. } => PacketKind::Received,
            Self::ReceivedBatch { .. } => PacketKind::ReceivedBatch,
            Self::ReceivedFrom { .. } => PacketKind::ReceivedFrom,
            Self::ReceivedFromUnix { .. } => PacketKind::ReceivedFromUnix,
            Self::ReceivedScattered { .. } => PacketKind::ReceivedScattered,
            Self::Sent { .. } => PacketKind::Sent,
            Self::SentBatch { .. } => PacketKind::SentBatch,
            Self::SentTo { .. } => PacketKind::SentTo,
            Self::Transmitted { .. } => PacketKind::Transmitted,
            Self::Read { .. } => PacketKind::Read,
            Self::Written { .. } => PacketKind::Written,
            Self::Flushed { .. } => PacketKind::Flushed,
            Self::Waited { .. } => PacketKind::Waited,
            Self::Changed { .. } => PacketKind::Changed,
            Self::Exited { .. } => PacketKind::Exited,
            Self::Timer { .. } => PacketKind::Timer,
            Self::Signal(_) => PacketKind::Signal,
            Self::Posted(_) => PacketKind::Posted,
        }
    }

    /// One more share in the handle that it gives back.
    pub(crate) fn share_of_handle(&self) -> PacketHandle<P> {
        match self {
            Self::Accepted { listener, .. } => PacketHandle::Listener(listener.clone()),
            Self::AcceptedInto { listener, stream, .. } => {
                PacketHandle::ListenerAndStream(listener.clone(), stream.clone())
            }
            Self::Connected { stream, .. }
            | Self::Disconnected { stream, .. }
            | Self::Received { stream, .. }
            | Self::ReceivedScattered { stream, .. }
            | Self::Sent { stream, .. }
            | Self::Transmitted { stream, .. } => PacketHandle::Stream(stream.clone()),
            Self::ReceivedBatch { socket, .. }
            | Self::ReceivedFrom { socket, .. }
            | Self::ReceivedFromUnix { socket, .. }
            | Self::SentBatch { socket, .. }
            | Self::SentTo { socket, .. } => PacketHandle::Datagrams(socket.clone()),
            Self::Read { file, .. } | Self::Written { file, .. } | Self::Flushed { file, .. } => {
                PacketHandle::File(file.clone())
            }
            Self::Waited { handle, .. } => PacketHandle::Wait(handle.clone()),
            Self::Changed { directory, .. } => PacketHandle::Directory(directory.clone()),
            Self::Exited { process, .. } => PacketHandle::Process(process.clone()),
            Self::Timer { .. } | Self::Signal(_) | Self::Posted(_) => PacketHandle::None,
        }
    }

    /// The per-operation data given at the start; `None` for a signal and a posted value.
    pub fn operation(&self) -> Option<&P::Operation> {
        match self {
            Self::Accepted { operation, .. }
            | Self::AcceptedInto { operation, .. }
            | Self::Connected { operation, .. }
            | Self::Disconnected { operation, .. }
            | Self::Received { operation, .. }
            | Self::ReceivedBatch { operation, .. }
            | Self::ReceivedFrom { operation, .. }
            | Self::ReceivedFromUnix { operation, .. }
            | Self::ReceivedScattered { operation, .. }
            | Self::Sent { operation, .. }
            | Self::SentBatch { operation, .. }
            | Self::SentTo { operation, .. }
            | Self::Transmitted { operation, .. }
            | Self::Read { operation, .. }
            | Self::Written { operation, .. }
            | Self::Flushed { operation, .. }
            | Self::Waited { operation, .. }
            | Self::Changed { operation, .. }
            | Self::Exited { operation, .. }
            | Self::Timer { operation, .. } => Some(operation),
            Self::Signal(_) | Self::Posted(_) => None,
        }
    }

    /// The per-operation data. Everything else is dropped; if that drops the last handle of a
    /// connection, the connection is closed. `None` for a signal and a posted value.
    pub fn into_operation(self) -> Option<P::Operation> {
        self.into_parts().ok().map(|parts| parts.operation)
    }

    /// Whether the operation succeeded. A signal and a posted value did.
    ///
    /// # Errors
    /// The operation's.
    pub fn result(&self) -> Result<(), &io::Error> {
        fn of<T>(result: &io::Result<T>) -> Result<(), &io::Error> {
            result.as_ref().map(|_| ())
        }
        match self {
            Self::Accepted { result, .. } => of(result),
            Self::AcceptedInto { result, .. } => of(result),
            Self::Received { result, .. } => of(result),
            Self::ReceivedFrom { result, .. } => of(result),
            Self::ReceivedFromUnix { result, .. } => of(result),
            Self::ReceivedScattered { result, .. } => of(result),
            Self::Read { result, .. } => of(result),
            Self::Waited { result, .. } => of(result),
            Self::Changed { result, .. } => of(result),
            Self::Exited { result, .. } => of(result),
            Self::Connected { result, .. }
            | Self::Disconnected { result, .. }
            | Self::Sent { result, .. }
            | Self::ReceivedBatch { result, .. }
            | Self::SentBatch { result, .. }
            | Self::SentTo { result, .. }
            | Self::Transmitted { result, .. }
            | Self::Written { result, .. }
            | Self::Flushed { result, .. }
            | Self::Timer { result, .. } => of(result),
            Self::Signal(_) | Self::Posted(_) => Ok(()),
        }
    }

    /// Takes the packet apart, whatever operation it is of. Values that only some kinds have are
    /// left out, such as the number of bytes transferred, or the sender of a datagram.
    ///
    /// # Errors
    /// The packet itself, when it is a signal or a posted value.
    pub fn into_parts(self) -> Result<PacketParts<P>, Self> {
        use PacketHandle::{self as Of, Listener, ListenerAndStream, Stream};
        let (kind, nothing) = (self.kind(), Buffers::from(()));
        let (mut connection, mut batch) = (None, None);
        let (handle, operation, buffers, result) = match self {
            Self::Accepted { listener, operation, result } => {
                let result = result.map(|accepted| connection = Some(accepted));
                (Listener(listener), operation, nothing, result)
            }
            Self::AcceptedInto { listener, stream, operation, result } => {
                (ListenerAndStream(listener, stream), operation, nothing, result.map(|_| ()))
            }
            Self::Connected { stream, buffers, operation, result, .. }
            | Self::Sent { stream, buffers, operation, result, .. } => {
                (Stream(stream), operation, buffers, result)
            }
            Self::Disconnected { stream, operation, result } => {
                (Stream(stream), operation, nothing, result)
            }
            Self::Received { stream, buffer, operation, result } => {
                (Stream(stream), operation, buffer.into(), result.map(|_| ()))
            }
            Self::ReceivedScattered { stream, buffers, operation, result } => {
                (Stream(stream), operation, buffers, result.map(|_| ()))
            }
            Self::ReceivedFrom { socket, buffer, operation, result } => {
                (Of::Datagrams(socket), operation, buffer.into(), result.map(|_| ()))
            }
            Self::ReceivedFromUnix { socket, buffer, operation, result } => {
                (Of::Datagrams(socket), operation, buffer.into(), result.map(|_| ()))
            }
            Self::ReceivedBatch { socket, datagrams, operation, result }
            | Self::SentBatch { socket, datagrams, operation, result, .. } => {
                batch = Some(datagrams);
                (Of::Datagrams(socket), operation, nothing, result)
            }
            Self::SentTo { socket, buffers, operation, result, .. } => {
                (Of::Datagrams(socket), operation, buffers, result)
            }
            Self::Transmitted { stream, transmission, operation, result, .. } => {
                let (head, tail) = transmission.into_buffers();
                let buffers = head.into_iter().chain(tail).collect::<Vec<_>>().into();
                (Stream(stream), operation, buffers, result)
            }
            Self::Read { file, buffer, operation, result } => {
                (PacketHandle::File(file), operation, buffer.into(), result.map(|_| ()))
            }
            Self::Written { file, buffer, operation, result, .. } => {
                (PacketHandle::File(file), operation, buffer.into(), result)
            }
            Self::Flushed { file, operation, result } => {
                (PacketHandle::File(file), operation, nothing, result)
            }
            Self::Waited { handle, operation, result } => {
                (PacketHandle::Wait(handle), operation, nothing, result.map(|_| ()))
            }
            Self::Changed { directory, operation, result } => {
                (PacketHandle::Directory(directory), operation, nothing, result.map(|_| ()))
            }
            Self::Exited { process, operation, result } => {
                (PacketHandle::Process(process), operation, nothing, result.map(|_| ()))
            }
            Self::Timer { operation, result } => (PacketHandle::None, operation, nothing, result),
            packet @ (Self::Signal(_) | Self::Posted(_)) => return Err(packet),
        };
        Ok(PacketParts {
            kind,
            handle,
            operation,
            buffers,
            datagrams: batch,
            accepted: connection,
            result,
        })
    }
}
