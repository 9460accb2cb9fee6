//! A stream, and what waits for its operations.

use super::family::{Family, Tcp};
use super::receive::{ReadHalf, Receiving};
use super::send::{SendAll, Sending, WriteHalf};
use crate::arrival::{change, wake};
use crate::executor::{Executor, current};
use crate::packets::{Key, Operation, Packets};
use crate::sync::Mutex;
use overlapped::{Buffer, Buffers, KeepAlive, Received, TcpSocket};
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;

/// The handle of the port for a stream.
pub(crate) type Handle = overlapped::TcpStream<Packets>;

/// What waits for the operations of a stream.
#[derive(Default)]
pub(crate) struct State {
    pub(super) receiving: Mutex<Receiving>,
    pub(super) sending: Mutex<Sending>,
}

impl State {
    pub(crate) fn received(&self, buffer: Buffer, result: io::Result<Received>) {
        change(&self.receiving, |receiving| receiving.arrived(buffer, result));
    }

    pub(crate) fn sent(&self, operation: Operation, buffers: Buffers, result: io::Result<()>) {
        let (waker, unwanted) = self.sending.lock().sent(operation, buffers, result);
        drop(unwanted);
        wake(waker);
    }

    pub(super) fn of(stream: &Handle) -> &Self {
        match stream.key() {
            Key::Stream(state) => state,
            _ => unreachable!("a stream has the key of a stream"),
        }
    }
}

/// A stream of TCP.
pub type TcpStream = Stream<Tcp>;

/// A stream: [`TcpStream`], or `UnixStream` on Linux.
///
/// Its own operations take and give buffers: what is received comes in a buffer of the port's pool, of
/// which a stream that waits holds none. For crates that read and write by copying, it implements
/// their traits: those of futures-io, and with a feature each those of tokio (`tokio-io`) and `hyper`.
///
/// Dropping it ends the connection. What was being sent goes out first.
pub struct Stream<F> {
    pub(crate) reader: ReadHalf,
    pub(crate) writer: WriteHalf,
    family: PhantomData<fn() -> F>,
}

impl<F> Stream<F> {
    pub(super) fn associate(executor: &Arc<Executor>, socket: TcpSocket) -> io::Result<Handle> {
        let associated = executor.port.associate(socket, Key::Stream(State::default()));
        associated.map_err(|refused| refused.error)
    }

    pub(super) fn of(stream: Handle, executor: Arc<Executor>) -> Self {
        let reader = ReadHalf::new(stream.clone());
        Self { reader, writer: WriteHalf::new(stream, executor), family: PhantomData }
    }

    /// What comes next, in a buffer of the port's pool, or `None` at the end of the stream.
    ///
    /// Cancel safe: what comes after the future was dropped is found by the next call, and so is an
    /// error.
    ///
    /// # Errors
    /// The connection was lost.
    pub fn receive(&mut self) -> impl Future<Output = io::Result<Option<Buffer>>> + '_ {
        self.reader.receive()
    }

    /// Sends all of `buffers`, and gives them back when the system has every byte.
    ///
    /// Dropping the future takes nothing back: the send goes on, as a whole, and the next one goes out
    /// behind it.
    ///
    /// # Errors
    /// The connection was lost, or sending was ended. An error of a send whose future was dropped comes
    /// with the next one.
    pub fn send(&mut self, buffers: impl Into<Buffers>) -> SendAll<'_> {
        self.writer.send(buffers)
    }

    /// What has come, without waiting, as [`receive`](Self::receive) gives it. If nothing has, a receive
    /// is in flight from then on, and what it brings is given by the next call of any kind.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when nothing is known to have come; the connection was
    /// lost.
    pub fn try_receive(&mut self) -> io::Result<Option<Buffer>> {
        self.reader.try_receive()
    }

    /// Copies what has come into `room`, without waiting, and says how many bytes that were; 0 at the end
    /// of the stream. Otherwise it is as [`try_receive`](Self::try_receive).
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when nothing is known to have come; the connection was
    /// lost.
    pub fn try_read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.reader.try_read(room)
    }

    /// Sends a copy of the beginning of `bytes`, without waiting, and says how many bytes that were. They
    /// go out as a whole.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) while 128 KiB that were copied have not gone out; the
    /// connection was lost, or sending was ended. An error of what was copied before comes with the next
    /// call.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.try_write(bytes)
    }

    /// Ends sending, behind everything that was sent before: the peer sees the end of the stream.
    ///
    /// # Errors
    /// The connection was lost.
    pub fn end_sending(&mut self) -> io::Result<()> {
        self.writer.end_sending()
    }

    /// Both halves, to be used by one task at the same time.
    pub fn split(&mut self) -> (&mut ReadHalf, &mut WriteHalf) {
        (&mut self.reader, &mut self.writer)
    }

    /// Both halves, which can go to different tasks. The connection ends when both were dropped.
    pub fn into_split(mut self) -> (ReadHalf, WriteHalf) {
        self.writer.ends_sending_when_dropped = true;
        (self.reader, self.writer)
    }

    pub(super) fn stream(&self) -> &Handle {
        self.writer.stream()
    }
}

impl TcpStream {
    /// Takes over a connected stream of the standard library.
    ///
    /// # Errors
    /// It is not connected, or the system is short of memory.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        let executor = current::get("a stream");
        let stream = Self::associate(&executor, TcpSocket::try_from(stream)?)?;
        Ok(Self::of(stream, executor))
    }

    /// Our address.
    ///
    /// # Errors
    /// The connection is closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream().local_addr()
    }

    /// The address of the peer.
    ///
    /// # Errors
    /// The connection is closed.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream().peer_addr()
    }

    /// Whether small sends go out at once (`TCP_NODELAY`), instead of being collected.
    ///
    /// # Errors
    /// The connection is closed.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.stream().set_nodelay(on)
    }

    /// Whether and when the system asks a silent peer whether it is there.
    ///
    /// # Errors
    /// The connection is closed, or the system refuses the times.
    pub fn set_keep_alive(&self, keep_alive: Option<KeepAlive>) -> io::Result<()> {
        self.stream().set_keep_alive(keep_alive)
    }
}

impl<F: Family> fmt::Debug for Stream<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(F::STREAM)
            .field("peer", &F::peer(self.stream()).ok())
            .finish_non_exhaustive()
    }
}
