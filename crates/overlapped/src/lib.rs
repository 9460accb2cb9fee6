//! The I/O completion port for Rust: overlapped operations own their buffers, and a few threads
//! take the finished ones from one queue. The port lets only as many of these threads run as there
//! are processors, and lets another one in when one blocks.
//!
//! - [`Port`] is the port. Sockets and files are [associated](Port::associate) with it once, under a
//!   completion key. Threads [take](Port::take) packets from it.
//! - [`Protocol`] names the user's three types that travel through a port: the key of a handle, the
//!   data of an operation, and what is [posted](Port::post).
//! - [`TcpListener`], [`TcpStream`] and [`UdpSocket`] are the handles that association makes. Each
//!   method that starts an operation takes its buffer by value and returns at once.
//!   On Linux Unix sockets have these handles, too, and on Windows named pipes.
//! - [`OpenFile`] and [`File`] are the same for files. Reads, writes and flushes of a file are
//!   independent: they may complete in any order.
//! - [`WaitHandle`] waits for descriptors and handles that are not the library's, and [`Process`] for the exit of
//!   a child process; [`Directory`] tells what changes in a directory.
//! - [`Packet`] is one finished operation or one posted value. It gives back the buffer, the data
//!   of the operation and the handle, so the next operation starts from it.
//! - A stream that is [disconnected](TcpStream::disconnect) is used again for the next connection,
//!   by a connect or by [`accept_into`](TcpListener::accept_into).
//! - Ctrl-C and termination are packets, too, on a port that watches them (`Port::watch_signals`, with the
//!   feature `signals`).
//! - [`Workers`] are the threads of a server: as many as are needed, between a least and a most number.
//!   Threads of your own may [take](Port::take) packets as well, or instead.
//! - [`blocking`] wraps code that blocks, so that another thread may run meanwhile. The port's
//!   blocked-thread monitor finds threads that block without it.
//! - `simulated` is a network in memory, for tests, with the feature of that name.
//!
//! # An echo server
//!
//! ```
//! use overlapped::{AcceptWindow, ListenSocket, OrPacket, Packet, Port, Protocol, Received, Workers};
//! use std::time::Duration;
//!
//! struct Echo;
//!
//! impl Protocol for Echo {
//!     type Key = ();
//!     type Operation = ();
//!     type Message = ();
//! }
//!
//! fn handle(port: &Port<Echo>, packet: Packet<Echo>) {
//!     match packet {
//!         Packet::Accepted { result: Ok(accepted), .. } => {
//!             if let Ok(stream) = port.associate(accepted.socket, ()) {
//!                 stream.receive_pooled(()).or_packet();
//!             }
//!         }
//!         Packet::Received { stream, buffer, result: Ok(Received::Data(_)), .. } => {
//!             stream.send(buffer, ()).or_packet();
//!         }
//!         Packet::Sent { stream, result: Ok(()), .. } => {
//!             stream.receive_pooled(()).or_packet();
//!         }
//!         // The end of a stream, or an error: with the packet goes the last handle of the
//!         // connection, and that closes it.
//!         _ => {}
//!     }
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let port = Port::<Echo>::new()?;
//! let listener = port.associate(ListenSocket::bind("127.0.0.1:0", 1024)?, ())?;
//! listener.accept_window(AcceptWindow::new(10), || ())?;
//! let workers = Workers::new(&port).start(handle)?;
//! # assert_eq!(&ask(&listener)?, b"ping");
//! // A server that is to run until it is ended needs no more than `run(handle)`.
//! let report = workers.stop(Duration::from_secs(10));
//! assert_eq!(report.in_handler, 0);
//! # Ok(())
//! # }
//! # fn ask(listener: &overlapped::TcpListener<Echo>) -> std::io::Result<[u8; 4]> {
//! #     use std::io::{Read, Write};
//! #     let mut client = std::net::TcpStream::connect(listener.local_addr()?)?;
//! #     client.set_read_timeout(Some(std::time::Duration::from_secs(10)))?;
//! #     client.write_all(b"ping")?;
//! #     let mut answer = [0; 4];
//! #     client.read_exact(&mut answer)?;
//! #     Ok(answer)
//! # }
//! ```
//!
//! # Where to read on
//!
//! In the repository: `docs/rooms.md` (how the library is built), `docs/from-iocp.md` (each Win32
//! call and what it is here), `docs/ownership.md` (what happens to buffers and handles when you
//! drop, cancel or close), `docs/local-sockets.md` (Unix sockets, named pipes), `docs/foreign-handles.md` (what is not the library's), `docs/scheduler.md` (which threads may run), `docs/workers.md` (the threads of a server), `docs/linux.md` and
//! `docs/windows.md` (the drivers), `docs/limits.md` (every limit, and what happens at it), and
//! `docs/contract.md` (what the port promises, and the test that checks each promise).
#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod buffer;
mod conn;
mod error;
mod file;
mod foreign;
mod op;
mod panics;
mod port;
mod protocol;
mod sched;
mod stalls;
mod sync;
mod sys;
#[cfg(all(test, not(loom)))]
mod tests;
mod workers;

pub use buffer::{Buffer, Buffers, Datagram, DatagramInfo, Datagrams, Ecn};
pub use conn::accept_window::AcceptWindow;
pub use conn::in_place::Started;
pub use conn::limits::LeastRate;
pub use conn::sockets::{DatagramSocket, ListenSocket, TcpSocket};
pub use conn::timers::TimerId;
pub use error::{OperationId, Refused, is_aborted, is_reset, is_timed_out};
pub use file::{File, FileDescriptor, FilesChoice, OpenFile};
pub use foreign::{Directory, OpenDirectory, Process, WaitDescriptor, WaitHandle};
pub use op::InPlace;
pub use op::accept::Accepted;
pub use op::or_packet::OrPacket;
pub use op::packet::Packet;
pub use op::packet_parts::{PacketHandle, PacketKind, PacketParts};
pub use op::receive::Received;
pub use op::tcp_listener::TcpListener;
pub use op::tcp_stream::TcpStream;
pub use op::transmit_file::{Transmission, TransmissionProgress};
pub use op::udp_socket::UdpSocket;
pub use port::associate::{Associable, Association};
pub use port::batch::Batch;
pub use port::builder::PortBuilder;
pub use port::counters::Counters;
pub use port::recorder::Recorder;
pub use port::{Port, Snapshot};
pub use protocol::Protocol;
pub use sched::TakeError;
pub use sched::binding::{blocking, was_seen_asleep};
pub use sched::metrics::DelayHistogram;
pub use sched::moves::{Move, Moved, RecordedThread, Recording, RecordingEnd, ThreadPlace};
pub use stalls::seat::{StallSeat, doing};
pub use stalls::table::{StallSummary, StalledThread};
pub use stalls::watch::StallWatch;
pub use stalls::{Stall, StallKind, Stalls};
#[doc(hidden)]
pub use sync::counts as atomic_writes;
#[doc(hidden)]
pub use sync::simulation;
pub use sys::directories::Change;
pub use sys::files::{FileOptions, FileState, open_at_once, open_regular};
pub use sys::options::{KeepAlive, PeerCredentials, SocketDescriptor, TcpInfo};
pub use sys::signals::Signal;
#[cfg(feature = "simulated")]
pub use sys::simulated;
pub use sys::waits::Readiness;
pub use sys::{DriverChoice, DriverReport};
pub use workers::Workers;
pub use workers::event::{WorkersCounters, WorkersEvent};
pub use workers::running::{RunningWorkers, StopReport};
pub use workers::snapshot::PoolSnapshot;

/// The example of the README, compiled with the documentation's tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
