//! The I/O completion port: overlapped operations that own their buffers, and a few threads that
//! take the finished ones from one queue, which lets only as many of them run as there are
//! processors and lets another in when one blocks.
#![deny(unsafe_code)]

mod buffer;
mod driver;
mod error;
mod handle;
mod operation;
mod port;
mod sync;

pub use buffer::{Buffer, Buffers};
pub use driver::simulated;
pub use driver::{DriverChoice, DriverReport};
pub use error::Refused;
pub use handle::{
    AcceptWindow, Associable, Association, ListenSocket, TcpListener, TcpSocket, TcpStream,
};
pub use operation::OperationId;
pub use operation::accept::Accepted;
pub use operation::receive::Received;
pub use operation::timer::TimerId;
pub use port::batch::Batch;
pub use port::builder::PortBuilder;
pub use port::counters::{Counters, DelayHistogram};
pub use port::membership::blocking;
pub use port::packet::Packet;
pub use port::{Port, Protocol, Snapshot, TakeError};
