//! The world a test runs in: a driver, peers that speak to it from outside, and the
//! [family](crate::family) of their addresses.

use crate::family::{self, any};
use overlapped::simulated::{self, Network};
use overlapped::{
    DatagramSocket, DriverChoice, ListenSocket, Port, PortBuilder, Protocol, TcpListener,
    TcpSocket, TcpStream, UdpSocket,
};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

/// The protocol of the tests: keys, per-operation data and posts are all plain numbers.
#[derive(Debug)]
pub struct Numbers;

impl Protocol for Numbers {
    type Key = u64;
    type Operation = u64;
    type Message = u64;
}

/// No test waits longer than this for anything; it fails instead. It is long, since a test may run
/// at the lowest priority beside programs that take all of the processors.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// The driver of this system's own sockets.
pub const SYSTEM: DriverChoice =
    if cfg!(windows) { DriverChoice::Iocp } else { DriverChoice::Epoll };

/// One driver and what is outside of it.
#[derive(Clone)]
pub enum World {
    /// The operating system's sockets.
    System,
    /// An in-memory network.
    Simulated(Network),
}

/// Makes one test per driver of each function `fn name(world: &World)` given.
#[macro_export]
macro_rules! on_every_driver {
    ($($name:ident),+ $(,)?) => {
        #[cfg(target_os = "linux")]
        mod epoll {
            $(#[test] fn $name() { super::$name(&$crate::world::World::System); })+
        }
        #[cfg(windows)]
        mod iocp {
            $(#[test] fn $name() { super::$name(&$crate::world::World::System); })+
        }
        mod simulated {
            $(#[test] fn $name() { super::$name(&$crate::world::World::simulated()); })+
        }
    };
}

/// The same for tests in which addresses matter: each runs over IPv4 and over IPv6.
#[macro_export]
macro_rules! on_every_driver_and_family {
    ($($name:ident),+ $(,)?) => {
        #[cfg(target_os = "linux")]
        mod epoll {
            $(#[test] fn $name() {
                $crate::family::over_both(stringify!($name), false, || {
                    super::$name(&$crate::world::World::System)
                });
            })+
        }
        #[cfg(windows)]
        mod iocp {
            $(#[test] fn $name() {
                $crate::family::over_both(stringify!($name), false, || {
                    super::$name(&$crate::world::World::System)
                });
            })+
        }
        mod simulated {
            $(#[test] fn $name() {
                $crate::family::over_both(stringify!($name), true, || {
                    super::$name(&$crate::world::World::simulated())
                });
            })+
        }
    };
}

/// The same for statements about how many threads run. They are passed over, with a word, where the
/// system lets every thread run: under Wine.
#[macro_export]
macro_rules! on_every_driver_that_limits {
    ($($name:ident),+ $(,)?) => {
        #[cfg(target_os = "linux")]
        mod limited_epoll {
            $(#[test] fn $name() { super::$name(&$crate::world::World::System); })+
        }
        #[cfg(windows)]
        mod limited_iocp {
            $(#[test] fn $name() {
                if !$crate::world::skips(stringify!($name)) {
                    super::$name(&$crate::world::World::System);
                }
            })+
        }
        mod limited_simulated {
            $(#[test] fn $name() { super::$name(&$crate::world::World::simulated()); })+
        }
    };
}

/// Whether this is Wine, which does something differently; then it says that `test` is passed over,
/// and why.
pub fn wine_differs(world: &World, test: &str, why: &str) -> bool {
    let is_wine = world.is_kernel()
        && Port::<Numbers>::new()
            .expect("a port can be made")
            .driver()
            .blocked_thread_monitor
            .contains("Wine");
    if is_wine {
        println!("skipped: {test}: {why}");
    }
    is_wine
}

/// Whether this is Wine, whose ports let every thread run; then it says that `test` is passed over.
#[cfg(windows)]
pub fn skips(test: &str) -> bool {
    let monitor =
        Port::<Numbers>::new().expect("a port can be made").driver().blocked_thread_monitor;
    let skips = monitor.contains("Wine");
    if skips {
        println!("skipped: {test}: {monitor}");
    }
    skips
}

/// Whether this process may have so many descriptors; if not, says that `test` is passed over. The
/// limit is raised as far as the process may.
#[cfg(target_os = "linux")]
pub fn may_have_descriptors(test: &str, count: u64) -> bool {
    use rustix::process::{Resource, getrlimit, setrlimit};
    // For the tests that run at the same time.
    const OTHERS: u64 = 300;
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("it may be raised up to the maximum");
    let may = limit.maximum.is_none_or(|maximum| maximum >= count + OTHERS);
    if !may {
        println!("skipped: {test}: it takes {count} descriptors, and {limit:?} are allowed");
    }
    may
}

/// The same: there is no such limit.
#[cfg(windows)]
pub fn may_have_descriptors(_test: &str, _count: u64) -> bool {
    true
}

impl World {
    /// Whether the kernel carries the operations and is queue and scheduler itself.
    pub fn is_kernel(&self) -> bool {
        cfg!(windows) && matches!(self, Self::System)
    }

    /// The length of a send that waits for its receiver. A kernel that carries the operations may
    /// finish a shorter one that seemed to wait.
    pub fn long_send(&self) -> usize {
        if self.is_kernel() { 64 << 20 } else { 100_001 }
    }

    pub fn simulated() -> Self {
        Self::Simulated(Network::new(0))
    }

    /// A world of the same kind, with nobody in it.
    pub fn another(&self) -> Self {
        match self {
            Self::System => Self::System,
            Self::Simulated(_) => Self::simulated(),
        }
    }

    /// Nobody has left a socket, as far as that can be seen.
    pub fn assert_empty(&self) {
        if let Self::Simulated(network) = self {
            assert_eq!(network.sockets(), 0, "sockets are left");
        }
    }

    /// A port in this world. Tests of the exact rules switch the monitor off.
    pub fn port<P: Protocol>(
        &self,
        settings: impl FnOnce(PortBuilder<P>) -> PortBuilder<P>,
    ) -> Port<P> {
        let builder = settings(Port::<P>::builder());
        let builder = match self {
            Self::System => builder.driver(SYSTEM),
            Self::Simulated(network) => builder.simulated(network),
        };
        builder.build().expect("a port can be made")
    }

    /// A port of exactly this concurrency, without a monitor.
    pub fn exact_port(&self, concurrency: usize) -> Port<Numbers> {
        self.port(|builder| builder.concurrency(concurrency).blocked_thread_monitor(false))
    }

    pub fn listen_socket(&self) -> ListenSocket {
        match self {
            Self::System => ListenSocket::bind(any(), 1024),
            Self::Simulated(network) => network.listen(any(), 1024),
        }
        .expect("one can listen on a port that the system chooses")
    }

    pub fn listen(&self, port: &Port<Numbers>, key: u64) -> (TcpListener<Numbers>, SocketAddr) {
        let listener = port.associate(self.listen_socket(), key).expect("a listener is associated");
        let address = listener.local_addr().expect("a listener has an address");
        (listener, address)
    }

    /// A peer that connects to a listener of the port.
    pub fn connect(&self, address: SocketAddr) -> Peer {
        match self {
            Self::System => {
                let stream = std::net::TcpStream::connect(address).expect("the listener is there");
                stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
                stream.set_nodelay(true).expect("an option can be set");
                Peer::System(stream)
            }
            Self::Simulated(network) => {
                Peer::Simulated(network.connect(address).expect("the listener is there"))
            }
        }
    }

    /// Whether somebody who connects to this address is refused.
    pub fn is_refused(&self, address: SocketAddr) -> bool {
        match self {
            Self::System => std::net::TcpStream::connect(address).is_err(),
            Self::Simulated(network) => network.connect(address).is_err(),
        }
    }

    /// A fresh socket to connect from the port.
    pub fn socket(&self) -> TcpSocket {
        match self {
            Self::System if family::is_v6() => TcpSocket::v6().expect("a socket can be made"),
            Self::System => TcpSocket::v4().expect("a socket can be made"),
            Self::Simulated(network) if family::is_v6() => network.stream_v6(),
            Self::Simulated(network) => network.stream(),
        }
    }

    /// Somebody outside who listens for connections of the port.
    pub fn peer_listener(&self) -> PeerListener {
        match self {
            Self::System => PeerListener::System(
                std::net::TcpListener::bind(any()).expect("one can listen outside"),
            ),
            Self::Simulated(network) => {
                PeerListener::Simulated(network.listener(any()).expect("one can listen outside"))
            }
        }
    }

    /// A datagram socket of the port under `key`, and its address.
    pub fn datagram(&self, port: &Port<Numbers>, key: u64) -> (UdpSocket<Numbers>, SocketAddr) {
        let socket = self.datagram_socket(any()).expect("a datagram socket can be bound");
        let address = socket.local_addr().expect("it is bound");
        (port.associate(socket, key).expect("a datagram socket is associated"), address)
    }

    pub fn datagram_socket(&self, address: SocketAddr) -> io::Result<DatagramSocket> {
        match self {
            Self::System => DatagramSocket::bind(address),
            Self::Simulated(network) => network.datagram(address),
        }
    }

    /// Somebody outside who sends and receives datagrams.
    pub fn datagram_peer(&self) -> DatagramPeer {
        match self {
            Self::System => {
                let socket = std::net::UdpSocket::bind(any()).expect("it can be bound");
                socket.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
                DatagramPeer::System(socket)
            }
            Self::Simulated(network) => {
                DatagramPeer::Simulated(network.datagram_peer(any()).expect("it can be bound"))
            }
        }
    }

    /// A stream of the port under `key`, connected to a peer.
    pub fn stream(&self, port: &Port<Numbers>, key: u64) -> (TcpStream<Numbers>, Peer) {
        let (socket, peer) = self.connected_socket();
        (port.associate(socket, key).expect("a socket is associated"), peer)
    }

    /// A connected socket that belongs to no port, and its peer.
    pub fn connected_socket(&self) -> (TcpSocket, Peer) {
        match self {
            Self::System => {
                let listener = std::net::TcpListener::bind(any()).expect("one can listen outside");
                let address = listener.local_addr().expect("a listener has an address");
                let peer = self.connect(address);
                let (stream, _) = listener.accept().expect("the peer has connected");
                stream.set_nodelay(true).expect("an option can be set");
                (TcpSocket::try_from(stream).expect("it becomes non-blocking"), peer)
            }
            Self::Simulated(network) => {
                let port = self.port::<Numbers>(|builder| builder.concurrency(1));
                let listener = port
                    .associate(network.listen(any(), 1).expect("one can listen"), 0)
                    .expect("a listener is associated");
                listener.accept(0).expect("an accept is posted");
                let peer = self.connect(listener.local_addr().expect("it has an address"));
                match port.take_timeout(PATIENCE) {
                    Ok(overlapped::Packet::Accepted { result, .. }) => {
                        (result.expect("the peer has connected").socket, peer)
                    }
                    other => panic!("an accept was owed, not {other:?}"),
                }
            }
        }
    }
}

/// A connection seen from outside the port. Its calls block, at most for [`PATIENCE`].
#[derive(Debug)]
pub enum Peer {
    System(std::net::TcpStream),
    Simulated(simulated::Peer),
}

impl Peer {
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::System(stream) => stream.local_addr(),
            Self::Simulated(peer) => peer.local_addr(),
        }
        .expect("it is connected")
    }

    pub fn send(&self, bytes: &[u8]) {
        match self {
            Self::System(stream) => (&*stream).write_all(bytes),
            Self::Simulated(peer) => peer.send(bytes),
        }
        .expect("the peer can send");
    }

    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::System(stream) => (&*stream).read(buffer),
            Self::Simulated(peer) => peer.receive(buffer),
        }
    }

    pub fn receive_exact(&self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match self.receive(&mut bytes[filled..]).expect("the peer can receive") {
                0 => panic!("the stream ended after {filled} of {length} bytes"),
                count => filled += count,
            }
        }
        bytes
    }

    /// Everything that comes until the end of the stream.
    pub fn receive_all(&self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut part = vec![0; 64 << 10];
        loop {
            match self.receive(&mut part).expect("the peer can receive") {
                0 => return all,
                length => all.extend_from_slice(&part[..length]),
            }
        }
    }

    /// Ends the peer's sending direction.
    pub fn shut_down_sending(&self) {
        match self {
            Self::System(stream) => stream.shutdown(Shutdown::Write).expect("it is connected"),
            Self::Simulated(peer) => peer.shutdown().expect("it is connected"),
        }
    }

    /// Closes the connection with a reset.
    pub fn reset(self) {
        match self {
            Self::System(stream) => socket2::SockRef::from(&stream)
                .set_linger(Some(Duration::ZERO))
                .expect("an option can be set"),
            Self::Simulated(peer) => peer.reset(),
        }
    }
}

/// A listener outside the port.
pub enum PeerListener {
    System(std::net::TcpListener),
    Simulated(simulated::PeerListener),
}

impl PeerListener {
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::System(listener) => listener.local_addr().expect("a listener has an address"),
            Self::Simulated(listener) => listener.local_addr().expect("a listener has an address"),
        }
    }

    pub fn accept(&self) -> Peer {
        match self {
            Self::System(listener) => {
                let (stream, _) = listener.accept().expect("somebody connects");
                stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
                Peer::System(stream)
            }
            Self::Simulated(listener) => {
                Peer::Simulated(listener.accept().expect("somebody connects"))
            }
        }
    }
}

/// A datagram socket outside the port. Its receives block, at most for [`PATIENCE`].
pub enum DatagramPeer {
    System(std::net::UdpSocket),
    Simulated(simulated::DatagramPeer),
}

impl DatagramPeer {
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::System(socket) => socket.local_addr(),
            Self::Simulated(peer) => peer.local_addr(),
        }
        .expect("it is bound")
    }

    pub fn send_to(&self, bytes: &[u8], address: SocketAddr) {
        match self {
            Self::System(socket) => socket.send_to(bytes, address).map(|_| ()),
            Self::Simulated(peer) => peer.send_to(bytes, address),
        }
        .expect("the peer can send");
    }

    pub fn receive_from(&self) -> (Vec<u8>, SocketAddr) {
        let mut room = vec![0; 1 << 16];
        let (length, from) = match self {
            Self::System(socket) => socket.recv_from(&mut room),
            Self::Simulated(peer) => peer.receive_from(&mut room),
        }
        .expect("a datagram comes");
        room.truncate(length);
        (room, from)
    }
}
