//! A socket for datagrams. One receive is in flight at a time, and it stays in flight when its future
//! is dropped; sends wait each for an answer of its own, so any number of tasks may send.

use super::first_that_works;
use crate::answer::Answer;
use crate::arrival::{Arrival, change};
use crate::executor::{Executor, current};
use crate::packets::{Key, Operation, Packets};
use crate::sync::Mutex;
use overlapped::{Buffer, Buffers, DatagramSocket, Datagrams, OperationId};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::task::{Context, Poll};

/// The receive that is in flight, what it brought, and who waits for it.
#[derive(Default)]
pub(crate) struct State(Mutex<Receiving>);

#[derive(Default)]
struct Receiving {
    in_flight: Option<OperationId>,
    arrival: Arrival<Came>,
}

/// What a receive brought.
enum Came {
    One(Buffer, io::Result<SocketAddr>),
    Batch(Datagrams, io::Result<()>),
}

impl State {
    pub(crate) fn received(&self, buffer: Buffer, result: io::Result<SocketAddr>) {
        self.arrived(Came::One(buffer, result));
    }

    pub(crate) fn received_batch(&self, datagrams: Datagrams, result: io::Result<()>) {
        self.arrived(Came::Batch(datagrams, result));
    }

    fn arrived(&self, came: Came) {
        change(&self.0, |receiving| {
            receiving.in_flight = None;
            receiving.arrival.arrive(came)
        });
    }
}

/// A socket for datagrams (UDP).
///
/// One task receives; any number of tasks may send, by this or by a [`UdpSender`].
///
/// ```
/// use overlapped_runtime::net::UdpSocket;
///
/// # let runtime = overlapped_runtime::Runtime::new()?;
/// # runtime.block_on(async {
/// let mut server = UdpSocket::bind("127.0.0.1:0")?;
/// let client = UdpSocket::bind("127.0.0.1:0")?;
/// client.send_to("ping", server.local_addr()?).await.0?;
/// let (datagram, sender) = server.receive_from().await?;
/// assert_eq!(&datagram[..], b"ping");
/// assert_eq!(sender, client.local_addr()?);
/// # Ok::<(), std::io::Error>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UdpSocket {
    sender: UdpSender,
    /// Receives take a buffer of this size instead of one of the port's pool.
    datagram_max_bytes: Option<usize>,
    /// What is left of a batch that was received by nobody.
    rest: Datagrams,
}

impl UdpSocket {
    /// Binds to an address, or to the first one of several that can be had. With the port 0 the system
    /// chooses one.
    ///
    /// A name is looked up here, while another thread is let in.
    ///
    /// # Errors
    /// No address was found, or none of them can be had.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        let executor = current::get("a socket");
        let socket = first_that_works(address, DatagramSocket::bind)?;
        Self::associate(&executor, socket)
    }

    /// Takes over a socket of the standard library that is not connected, with the options that were
    /// set there.
    ///
    /// # Errors
    /// It is connected, or the system is short of memory.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<Self> {
        Self::associate(&current::get("a socket"), DatagramSocket::try_from(socket)?)
    }

    fn associate(executor: &Executor, socket: DatagramSocket) -> io::Result<Self> {
        let key = Key::Udp(State::default());
        let socket = executor.port.associate(socket, key).map_err(|refused| refused.error)?;
        let rest = Datagrams::new();
        Ok(Self { sender: UdpSender(socket), datagram_max_bytes: None, rest })
    }

    /// Connects to a peer, or to the first one of several that the system takes: from now on datagrams
    /// come from there alone, and [`send`](Self::send) goes there. Nobody is asked; what came from
    /// others before may still be received.
    ///
    /// A name is looked up here, while another thread is let in.
    ///
    /// # Errors
    /// No address was found, or none of them can be reached.
    pub fn connect(&self, peer: impl ToSocketAddrs) -> io::Result<()> {
        first_that_works(peer, |peer| self.socket().connect(peer))
    }

    /// The next datagram, and who sent it.
    ///
    /// Cancel safe: what comes after the future was dropped is found by the next call.
    ///
    /// # Errors
    /// The datagram was longer than a buffer of the port's pool, which has 8 KiB, or than
    /// [`set_datagram_max`](Self::set_datagram_max) says: it is lost, and "message too long" says so.
    /// On a connected socket, "connection refused" when nobody is there. The socket goes on.
    pub async fn receive_from(&mut self) -> io::Result<(Buffer, SocketAddr)> {
        poll_fn(|context| self.poll_receive_from(context)).await
    }

    /// The same, to be polled.
    pub fn poll_receive_from(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(Buffer, SocketAddr)>> {
        if let Some(datagram) = self.first_of_rest() {
            return Poll::Ready(datagram);
        }
        let poll = self.poll(context, |socket| {
            let started = match socket.datagram_max_bytes {
                None => socket.socket().receive_from_pooled(Operation::Plain)?,
                Some(bytes) => {
                    let buffer = Buffer::with_capacity(bytes);
                    socket.socket().receive_from(buffer, Operation::Plain)?
                }
            };
            Ok(started)
        });
        poll.map(|came| match came? {
            Came::One(buffer, result) => result.map(|sender| (buffer, sender)),
            Came::Batch(datagrams, result) => {
                result?;
                self.rest = datagrams;
                self.first_of_rest().unwrap_or_else(|| unreachable!("no batch is empty"))
            }
        })
    }

    /// The next datagram of the peer that the socket is [connected](Self::connect) to. Otherwise it is
    /// as [`receive_from`](Self::receive_from).
    ///
    /// # Errors
    /// As for `receive_from`.
    pub async fn receive(&mut self) -> io::Result<Buffer> {
        self.receive_from().await.map(|(buffer, _)| buffer)
    }

    /// As many datagrams as are there and `datagrams` has [room](Datagrams::with_room) for: at least
    /// one, and at most 64. One that was larger than its room is marked as
    /// [truncated](overlapped::Datagram::is_truncated).
    ///
    /// Cancel safe: what comes after the future was dropped is found by the next call, which then gives
    /// the memory of the call before, or fewer datagrams than there are.
    ///
    /// # Platform
    /// On Windows it is one datagram at a time, or one run of them.
    ///
    /// # Errors
    /// There is no room (`InvalidInput`). On a connected socket, "connection refused" when nobody is
    /// there. The socket goes on.
    pub async fn receive_batch(&mut self, datagrams: Datagrams) -> (io::Result<()>, Datagrams) {
        if !self.rest.is_empty() {
            return (Ok(()), mem::take(&mut self.rest));
        }
        let mut unused = Some(datagrams);
        let came = poll_fn(|context| {
            self.poll(context, |socket| {
                let datagrams = unused.take().unwrap_or_default();
                socket.socket().receive_batch(datagrams, Operation::Plain).map_err(|refused| {
                    unused = Some(refused.returned.0);
                    refused.error
                })
            })
        });
        match came.await {
            Ok(Came::Batch(datagrams, result)) => (result, datagrams),
            Ok(Came::One(buffer, result)) => {
                let mut datagrams = unused.unwrap_or_default();
                datagrams.clear();
                (result.map(|sender| datagrams.push(sender, &buffer)), datagrams)
            }
            Err(error) => (Err(error), unused.unwrap_or_default()),
        }
    }

    /// What the receive in flight brings; if there is none it is started.
    fn poll(
        &self,
        context: &Context<'_>,
        start: impl FnOnce(&Self) -> io::Result<OperationId>,
    ) -> Poll<io::Result<Came>> {
        let mut receiving = self.state().0.lock();
        let poll = receiving.arrival.poll(context);
        if poll.is_pending() && receiving.in_flight.is_none() {
            // Its packet waits for the lock, should another thread take it at once.
            match start(self) {
                Ok(id) => receiving.in_flight = Some(id),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        poll.map(Ok)
    }

    fn first_of_rest(&mut self) -> Option<io::Result<(Buffer, SocketAddr)>> {
        let datagram = self.rest.iter().next().map(|first| {
            if first.is_truncated {
                return Err(io::Error::other(
                    "message too long: a datagram had more bytes than its room",
                ));
            }
            let sender = first.info.peer.ok_or_else(|| io::Error::other("no sender is known"))?;
            Ok((Buffer::copy_of(first.bytes), sender))
        });
        self.rest.remove_first(1);
        datagram
    }

    /// How long a datagram may be that [`receive_from`](Self::receive_from) and
    /// [`receive`](Self::receive) take: at most so many bytes. Each receive then makes a buffer of this
    /// size, instead of taking one of the port's pool, which has 8 KiB. A receive that is in flight
    /// already is as it was started.
    pub fn set_datagram_max(&mut self, bytes: usize) {
        self.datagram_max_bytes = Some(bytes);
    }

    /// Sends all of `buffers` as one datagram; see [`UdpSender::send_to`].
    ///
    /// # Errors
    /// As there.
    pub async fn send_to(
        &self,
        buffers: impl Into<Buffers>,
        address: SocketAddr,
    ) -> (io::Result<()>, Buffers) {
        self.sender.send_to(buffers, address).await
    }

    /// Sends all of `buffers` as one datagram to the peer; see [`UdpSender::send`].
    ///
    /// # Errors
    /// As there.
    pub async fn send(&self, buffers: impl Into<Buffers>) -> (io::Result<()>, Buffers) {
        self.sender.send(buffers).await
    }

    /// Sends all `datagrams`; see [`UdpSender::send_batch`].
    ///
    /// # Errors
    /// As there.
    pub async fn send_batch(&self, datagrams: Datagrams) -> (io::Result<()>, Datagrams) {
        self.sender.send_batch(datagrams).await
    }

    /// What sends by this socket, for other tasks. The socket stays open as long as there is one.
    pub fn sender(&self) -> UdpSender {
        self.sender.clone()
    }

    /// The address that datagrams reach.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket().local_addr()
    }

    /// Whether it may send to a broadcast address. Off at first.
    ///
    /// # Errors
    /// The system's.
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.socket().set_broadcast(on)
    }

    /// Receives what is sent to this group from now on, on the interface with this index; 0 lets the
    /// system choose one.
    ///
    /// # Errors
    /// The system's: no group of the socket's family, or no such interface.
    pub fn join_multicast(&self, group: IpAddr, interface: u32) -> io::Result<()> {
        self.socket().join_multicast(group, interface)
    }

    /// The opposite of [`join_multicast`](Self::join_multicast).
    ///
    /// # Errors
    /// The system's: it is not in the group.
    pub fn leave_multicast(&self, group: IpAddr, interface: u32) -> io::Result<()> {
        self.socket().leave_multicast(group, interface)
    }

    /// Whether the system may join datagrams that come together to one run, which a
    /// [batch](Self::receive_batch) takes apart. Its room should then be 65,535 bytes for each; other
    /// receives are refused while it is on. Off at first.
    ///
    /// # Errors
    /// `Unsupported` where the system has no such thing.
    pub fn set_coalescing(&self, on: bool) -> io::Result<()> {
        self.socket().set_coalescing(on)
    }

    fn socket(&self) -> &overlapped::UdpSocket<Packets> {
        &self.sender.0
    }

    fn state(&self) -> &State {
        let Key::Udp(state) = self.socket().key() else {
            unreachable!("a socket for datagrams has the key of one")
        };
        state
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        // The receive in flight holds the socket, which would not close before it.
        let (in_flight, unwanted) = {
            let mut receiving = self.state().0.lock();
            (receiving.in_flight, mem::take(&mut receiving.arrival))
        };
        drop(unwanted);
        if let Some(id) = in_flight {
            // It may be complete already: then its packet comes, and ends with that.
            let _ = self.socket().cancel(id);
        }
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket").field("local", &self.local_addr().ok()).finish_non_exhaustive()
    }
}

/// Sends by a [`UdpSocket`]; any number of tasks may have one.
#[derive(Clone)]
pub struct UdpSender(overlapped::UdpSocket<Packets>);

impl UdpSender {
    /// Sends all of `buffers` as one datagram to `address`, and gives them back when the system has
    /// it, whole or not at all. Whether it arrives is not known.
    ///
    /// Dropping the future takes nothing back: the datagram goes out. An error of that is told to
    /// nobody.
    ///
    /// # Errors
    /// The datagram is too long, the address is of the other family or cannot be reached, or it is a
    /// broadcast address and [`set_broadcast`](UdpSocket::set_broadcast) is off.
    pub async fn send_to(
        &self,
        buffers: impl Into<Buffers>,
        address: SocketAddr,
    ) -> (io::Result<()>, Buffers) {
        let answer = Answer::new();
        let operation = Operation::SendTo(Arc::clone(&answer));
        match self.0.send_to(buffers, address, operation) {
            Ok(_) => answer.wait().await,
            Err(refused) => (Err(refused.error), refused.returned.0),
        }
    }

    /// Sends like [`send_to`](Self::send_to), to the peer that the socket is
    /// [connected](UdpSocket::connect) to.
    ///
    /// # Errors
    /// As there; the socket is not connected; "connection refused" when an earlier datagram found
    /// nobody.
    pub async fn send(&self, buffers: impl Into<Buffers>) -> (io::Result<()>, Buffers) {
        let answer = Answer::new();
        match self.0.send(buffers, Operation::SendTo(Arc::clone(&answer))) {
            Ok(_) => answer.wait().await,
            Err(refused) => (Err(refused.error), refused.returned.0),
        }
    }

    /// Sends all `datagrams`, in order, in as few calls of the system as it can. Each says where it
    /// goes ([`DatagramInfo`](overlapped::DatagramInfo)).
    ///
    /// Those that went out are removed from what is given back: with an error, the first that is left
    /// is the one that was refused. Dropping the future takes nothing back, as for
    /// [`send_to`](Self::send_to).
    ///
    /// # Errors
    /// Those of `send_to` for one of them, or there are none (`InvalidInput`).
    pub async fn send_batch(&self, datagrams: Datagrams) -> (io::Result<()>, Datagrams) {
        let answer = Answer::new();
        match self.0.send_batch(datagrams, Operation::SendBatch(Arc::clone(&answer))) {
            Ok(_) => answer.wait().await,
            Err(refused) => (Err(refused.error), refused.returned.0),
        }
    }
}

impl fmt::Debug for UdpSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSender")
            .field("local", &self.0.local_addr().ok())
            .finish_non_exhaustive()
    }
}
