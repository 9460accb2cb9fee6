//! What a thread takes from the port.

use super::accept::Accepted;
use super::receive::Received;
use super::tcp_listener::TcpListener;
use super::tcp_stream::TcpStream;
use super::transmit_file::Transmission;
use super::udp_socket::UdpSocket;
use crate::buffer::{Buffer, Buffers, Datagrams};
use crate::file::{Completed, File};
use crate::foreign::{self, Directory, Process, WaitHandle};
use crate::protocol::Protocol;
use crate::sys::directories::Change;
use crate::sys::family::UnixAddr;
use crate::sys::signals::Signal;
use crate::sys::waits::Readiness;
use std::io;
use std::net::SocketAddr;
use std::process::ExitStatus;

/// One finished operation, or one posted value.
///
/// It gives back everything that was moved into the operation, and the handle, so that your program
/// can start the next operation with them. A failed operation yields a packet like any other, with
/// the error as its result.
///
/// Match the kinds that your program starts, and handle the rest in one arm, since kinds may be
/// added. That arm can use what all packets have in common: [`kind`](Self::kind),
/// [`operation`](Self::operation), [`result`](Self::result), or [`into_parts`](Self::into_parts).
#[derive(Debug)]
#[non_exhaustive]
pub enum Packet<P: Protocol> {
    /// A posted accept has completed.
    Accepted {
        /// The listener, whose key this packet carries.
        listener: TcpListener<P>,
        /// The per-operation data given at the start.
        operation: P::Operation,
        /// The connection, not associated yet. Boxed, since it is large and every other packet is
        /// small.
        result: io::Result<Box<Accepted>>,
    },
    /// A posted accept into a stream has completed.
    AcceptedInto {
        /// The listener.
        listener: TcpListener<P>,
        /// The stream given at the start, connected if `result` says so.
        stream: TcpStream<P>,
        /// The per-operation data given at the start.
        operation: P::Operation,
        /// The local and the remote address of the connection. Boxed, since they are large and
        /// every other packet is small.
        result: io::Result<Box<(SocketAddr, SocketAddr)>>,
    },
    /// A connect has completed.
    Connected {
        /// The stream, connected if `result` says so.
        stream: TcpStream<P>,
        /// The first data given at the start.
        buffers: Buffers,
        /// The per-operation data given at the start.
        operation: P::Operation,
        /// How many bytes of the first data were sent.
        transferred: usize,
        /// Whether the connection stands and all first data was sent.
        result: io::Result<()>,
    },
    /// A disconnect has completed.
    Disconnected {
        /// The stream, connected to nobody if `result` says so.
        stream: TcpStream<P>,
        /// The per-operation data given at the start.
        operation: P::Operation,
        /// Whether everything was sent before, and then the end.
        result: io::Result<()>,
    },
    /// A receive has completed.
    Received {
        /// The stream.
        stream: TcpStream<P>,
        /// The buffer given at the start, or the pooled one; its filled part is what came, behind what
        /// it had before if the receive [appends](TcpStream::receive_append).
        buffer: Buffer,
        /// The per-operation data given at the start.
        operation: P::Operation,
        /// What came: data, the end of the stream, or an error.
        result: io::Result<Received>,
    },
    /// A receive into several buffers has completed.
    ReceivedScattered {
        /// The stream.
        stream: TcpStream<P>,
        /// The buffers given at the start; their filled parts, in order, are what came.
        buffers: Buffers,
        /// The per-operation data given at the start.
        operation: P::Operation,
        /// What came: so many bytes, the end of the stream, or an error.
        result: io::Result<Received>,
    },
    /// A receive of a batch of datagrams has completed.
    ReceivedBatch {
        /// The socket.
        socket: UdpSocket<P>,
        /// What was given at the start, with what came.
        datagrams: Datagrams,
        /// The per-operation data given at the start.
        operation: P::Operation,
        /// Whether datagrams came: at least one, unless this is an error.
        result: io::Result<()>,
    },
    /// A receive of a datagram has completed.
    ReceivedFrom {
        /// The socket.
        socket: UdpSocket<P>,
        /// The buffer given at the start, or the pooled one; its filled part is the datagram.
        buffer: Buffer,
        /// The per-operation data given at the start.
        operation: P::Operation,
        /// Who sent the datagram. "Message too long" when it did not fit into the buffer, which
        /// then holds its beginning.
        result: io::Result<SocketAddr>,
    },
    /// A receive of a datagram of a Unix socket has completed. On Linux alone.
    ReceivedFromUnix {
        /// The socket.
        socket: UdpSocket<P>,
        /// The buffer given at the start, or the pooled one; its filled part is the datagram.
        buffer: Buffer,
        /// The per-operation data given at the start.
        operation: P::Operation,
        /// Who sent the datagram; one whose socket was not bound has no name. "Message too long" when
        /// it did not fit into the buffer, which then holds its beginning. Boxed, since it is large
        /// and every other packet is small.
        result: io::Result<Box<UnixAddr>>,
    },
    /// A send has completed.
    Sent {
        /// The stream.
        stream: TcpStream<P>,
        /// The buffers given at the start.
        buffers: Buffers,
        /// The per-operation data given at the start.
        operation: P::Operation,
        /// How many bytes the system took; all of them unless `result` is an error.
        transferred: usize,
        /// Whether everything was sent.
        result: io::Result<()>,
    },
    /// The send of a batch of datagrams has completed.
    SentBatch {
        /// The socket.
        socket: UdpSocket<P>,
        /// The datagrams given at the start.
        datagrams: Datagrams,
        /// The per-operation data given at the start.
        operation: P::Operation,
        /// How many of them went out, in order; all of them unless `result` is an error.
        sent: usize,
        /// Whether all were sent, or why the first that was not was refused.
        result: io::Result<()>,
    },
    /// The send of a datagram has completed.
    SentTo {
        /// The socket.
        socket: UdpSocket<P>,
        /// The buffers given at the start.
        buffers: Buffers,
        /// The per-operation data given at the start.
        operation: P::Operation,
        /// How many bytes the system took: all of them, or none when `result` is an error.
        transferred: usize,
        /// Whether the datagram was sent.
        result: io::Result<()>,
    },
    /// The transmission of a file has completed.
    Transmitted {
        /// The stream.
        stream: TcpStream<P>,
        /// What was given at the start. Boxed, since it is large and every other packet is small.
        transmission: Box<Transmission>,
        /// The per-operation data given at the start.
        operation: P::Operation,
        /// How many bytes of head, file and tail the system took.
        transferred: u64,
        /// Whether everything there was to send was sent.
        result: io::Result<()>,
    },
    /// A read of a file has completed.
    Read {
        /// The file.
        file: File<P>,
        /// The buffer given at the start; its filled part is what was read.
        buffer: Buffer,
        /// The per-operation data given at the start.
        operation: P::Operation,
        /// How many bytes were read: fewer than the capacity at the end of the file, none at or
        /// past it.
        result: io::Result<usize>,
    },
    /// A write to a file has completed.
    Written {
        /// The file.
        file: File<P>,
        /// The buffer given at the start.
        buffer: Buffer,
        /// The per-operation data given at the start.
        operation: P::Operation,
        /// How many bytes the system took; all of them unless `result` is an error.
        transferred: usize,
        /// Whether everything was written.
        result: io::Result<()>,
    },
    /// A flush of a file has completed.
    Flushed {
        /// The file.
        file: File<P>,
        /// The per-operation data given at the start.
        operation: P::Operation,
        /// Whether the device has everything.
        result: io::Result<()>,
    },
    /// A wait for a descriptor or handle that is not the library's has completed.
    Waited {
        /// The handle.
        handle: WaitHandle<P>,
        /// The per-operation data given at the start.
        operation: P::Operation,
        /// What was seen, of what was waited for.
        result: io::Result<Readiness>,
    },
    /// A wait for the changes of a directory has completed.
    Changed {
        /// The directory.
        directory: Directory<P>,
        /// The per-operation data given at the start.
        operation: P::Operation,
        /// What has changed, in order.
        result: io::Result<Vec<Change>>,
    },
    /// A wait for the exit of a process has completed.
    Exited {
        /// The process.
        process: Process<P>,
        /// The per-operation data given at the start.
        operation: P::Operation,
        /// How it has ended. That it failed is no error of the wait.
        result: io::Result<ExitStatus>,
    },
    /// A timer has run out, or was cancelled.
    Timer {
        /// The per-operation data given at the start.
        operation: P::Operation,
        /// An error when it was cancelled.
        result: io::Result<()>,
    },
    /// The process was interrupted or told to end, and the port
    /// watches for that (`Port::watch_signals`, with the feature `signals`).
    Signal(Signal),
    /// A value that was posted, verbatim.
    Posted(P::Message),
}

impl<P: Protocol> From<Completed<P>> for Packet<P> {
    fn from(completed: Completed<P>) -> Self {
        match completed {
            Completed::Read { file, buffer, operation, result } => {
                Self::Read { file, buffer, operation, result }
            }
            Completed::Written { file, buffer, operation, transferred, result } => {
                Self::Written { file, buffer, operation, transferred, result }
            }
            Completed::Flushed { file, operation, result } => {
                Self::Flushed { file, operation, result }
            }
        }
    }
}

impl<P: Protocol> From<foreign::Completed<P>> for Packet<P> {
    fn from(completed: foreign::Completed<P>) -> Self {
        match completed {
            foreign::Completed::Waited { handle, operation, result } => {
                Self::Waited { handle, operation, result }
            }
            foreign::Completed::Changed { directory, operation, result } => {
                Self::Changed { directory, operation, result }
            }
            foreign::Completed::Exited { process, operation, result } => {
                Self::Exited { process, operation, result }
            }
        }
    }
}
