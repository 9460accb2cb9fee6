//! A network like TCP and UDP in memory, for tests: deterministic by seed, with a script of faults.
//!
//! It is a readiness driver like `epoll`, so everything above the driver's contract runs unchanged
//! on it. Its sockets behave as TCP over the loopback of Linux does through the epoll driver. Data
//! that came before a FIN or a reset is received first. After a reset every later call reports it,
//! also after a FIN. Data for a closed end causes a reset, and so does closing with unread data. An
//! inbox has room for 64 KiB unless [`Network::set_capacity`] says otherwise; when it is full, a
//! send would block. Events come as from an edge-triggered epoll; they are called edges here.
//!
//! With a seed of zero, edges are taken in the order in which they came and nothing is disturbed.
//! Any other seed changes the order of edges that are close to each other, adds edges without a
//! cause, makes some transfers shorter than they could be, lets some connects complete at once, and
//! lets some datagrams overtake the one before.
//!
//! Datagrams arrive whole. A datagram to an address without a socket is lost without an error, and
//! so is one that comes while the receiver's inbox is full.
//!
//! It does not simulate latency, bandwidth or lost packets. There is only one host, which has every
//! address. A backlog holds exactly its number of connections (Linux lets one more in). Waits take
//! real time unless it is [held](Network::hold_time), so a seed repeats a run exactly only if the test has one thread.
//!
//! Main disadvantage: one lock guards the whole network. It is for finding faults, not for load.
//!
//! Who may call what: a port calls [`Network`] (as the event source) and `SimulatedSocket`; tests
//! and users call what is public. Inside, `state` holds all data, `connection`, `stream`,
//! `datagram` and `events` are its transitions, and `socket` and `peer` are the two views of an end.

mod connection;
mod datagram;
mod events;
mod faults;
mod kicks;
mod peer;
mod random;
mod socket;
mod state;
mod stream;
#[cfg(all(test, not(loom)))]
mod tests;
mod waiters;

pub use datagram::DatagramPeer;
pub use faults::{Call, Faults};
pub use peer::{Peer, PeerListener};
pub(crate) use socket::SimulatedSocket;

use super::Event;
use super::family::Family;
use super::socket::Socket;

use crate::sync::Mutex;
use events::Outlet;
use state::{OutletId, Shared, State};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use waiters::Waiters;

/// A network in memory. A clone is the same network, and several ports may be on it.
///
/// ```
/// use overlapped::simulated::Network;
/// use overlapped::{Packet, Port, Protocol, Received};
///
/// struct Example;
/// impl Protocol for Example {
///     type Key = ();
///     type Operation = ();
///     type Message = ();
/// }
///
/// # fn main() -> std::io::Result<()> {
/// let network = Network::new(7);
/// let port = Port::<Example>::builder().simulated(&network).build()?;
/// let listener = port.associate(network.listen(([127, 0, 0, 1], 0).into(), 16)?, ())?;
/// listener.accept(())?;
///
/// let peer = network.connect(listener.local_addr()?)?;
/// peer.send(b"ping")?;
///
/// let Ok(Packet::Accepted { result: Ok(accepted), .. }) = port.take() else {
///     panic!("the peer was not accepted");
/// };
/// let stream = port.associate(accepted.socket, ())?;
/// stream.receive_pooled(())?;
/// let Ok(Packet::Received { buffer, result: Ok(Received::Data(length)), .. }) = port.take() else {
///     panic!("the peer's data did not come");
/// };
/// assert_eq!(buffer[..length], b"ping"[..length]);
/// # Ok(())
/// # }
/// ```
pub struct Network {
    shared: Arc<Shared>,
    /// Each clone has events of its own, so that each port sees only those of its sockets.
    outlet: OutletId,
    waiters: Arc<Waiters>,
}

impl Network {
    /// A network with nobody in it. With a `seed` of zero nothing is disturbed.
    pub fn new(seed: u64) -> Self {
        Self::with_outlet(Arc::new(Shared { seed, state: Mutex::new(State::new(seed)) }))
    }

    /// The network of a port that was given none.
    pub(crate) fn undisturbed() -> io::Result<Self> {
        Ok(Self::new(0))
    }

    fn with_outlet(shared: Arc<Shared>) -> Self {
        let waiters = Arc::new(Waiters::default());
        let outlet = {
            let mut state = shared.state.lock();
            let id = state.new_id();
            state.outlets.insert(id, Outlet::new(Arc::clone(&waiters)));
            id
        };
        Self { shared, outlet, waiters }
    }

    pub(crate) fn listening(&self, address: SocketAddr, backlog: usize) -> io::Result<Socket> {
        let socket = SimulatedSocket::open(&self.shared, Family::of(address));
        socket.bind(address)?;
        socket.listen(backlog)?;
        Ok(Socket::Simulated(Box::new(socket)))
    }

    pub(crate) fn unconnected(&self, family: Family) -> Socket {
        Socket::Simulated(Box::new(SimulatedSocket::open(&self.shared, family)))
    }

    pub(crate) fn for_datagrams(&self, address: SocketAddr) -> io::Result<Socket> {
        Ok(Socket::Simulated(Box::new(SimulatedSocket::datagrams(&self.shared, address)?)))
    }

    /// A datagram socket of the outside, bound to `address`; port 0 is any free one.
    ///
    /// # Errors
    /// The system's "address in use".
    pub fn datagram_peer(&self, address: SocketAddr) -> io::Result<DatagramPeer> {
        DatagramPeer::bind(&self.shared, address)
    }

    /// Connects from the outside, waiting at most ten seconds for room in the backlog.
    ///
    /// # Errors
    /// `ConnectionRefused` when nobody listens, `TimedOut`.
    pub fn connect(&self, address: SocketAddr) -> io::Result<Peer> {
        Peer::connect(&self.shared, None, address)
    }

    /// As [`Network::connect`], from this source address; its port 0 is any free one.
    ///
    /// # Errors
    /// Those of [`Network::connect`], and the system's "address in use" or "not available".
    pub fn connect_from(&self, source: SocketAddr, address: SocketAddr) -> io::Result<Peer> {
        Peer::connect(&self.shared, Some(source), address)
    }

    /// Listens on the outside; port 0 is any free one. 128 connections wait there at most.
    ///
    /// # Errors
    /// The system's "address in use".
    pub fn listener(&self, address: SocketAddr) -> io::Result<PeerListener> {
        PeerListener::bind(&self.shared, address)
    }

    /// The script of calls that are to fail.
    pub fn faults(&self) -> Faults {
        Faults { shared: Arc::clone(&self.shared) }
    }

    /// How many bytes each end of the connections made from now on holds until they are received.
    ///
    /// A datagram socket loses what comes while it holds as many, each datagram counting for a byte
    /// at least; that changes at once.
    pub fn set_capacity(&self, bytes: usize) {
        self.shared.state.lock().capacity = bytes.max(1);
    }

    /// Lets the time of its ports stand still from now on: what timers and limits of time are set by.
    /// It goes on in steps, by [`Network::advance_time`], so what comes of it does not depend on how fast
    /// the machine is. How long a take waits is real time all the same.
    pub fn hold_time(&self) {
        self.advance_time(Duration::ZERO);
    }

    /// Lets time pass at once; it stands still before and afterwards.
    pub fn advance_time(&self, by: Duration) {
        self.shared.state.lock().step_time(by);
    }

    pub(crate) fn now(&self) -> Instant {
        self.shared.state.lock().now()
    }

    /// How many sockets are open: those of ports, those of the outside, and connections that
    /// nobody has accepted yet.
    pub fn sockets(&self) -> usize {
        self.shared.state.lock().endpoints.len()
    }

    /// How many bytes were sent and not yet received.
    pub fn bytes_in_flight(&self) -> usize {
        self.shared.state.lock().bytes_in_flight()
    }
}

impl Clone for Network {
    fn clone(&self) -> Self {
        Self::with_outlet(Arc::clone(&self.shared))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.shared.state.lock().outlets.remove(&self.outlet);
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state.lock();
        formatter
            .debug_struct("Network")
            .field("seed", &self.shared.seed)
            .field("sockets", &state.endpoints.len())
            .field("bytes_in_flight", &state.bytes_in_flight())
            .finish()
    }
}
