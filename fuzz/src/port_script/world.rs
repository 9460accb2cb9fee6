//! The two networks that a script runs on.

use super::script::Script;
use super::stage::{Numbers, Ticket};
use overlapped::simulated::Network;
use overlapped::{DriverChoice, ListenSocket, Packet, Port, TcpSocket};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A client has an address of its own, by which its other end is known. It is a new one for each, so that the
/// system does not run out of ports while it remembers connections that are over.
static CLIENTS: AtomicU32 = AtomicU32::new(0);

pub enum World {
    Simulated { network: Network, is_undisturbed: bool, capacity: usize },
    System,
}

impl World {
    /// Its time stands still until the script lets it pass.
    pub fn simulated(script: &Script) -> Self {
        let network = Network::new(script.seed.into());
        network.hold_time();
        let mut capacity = 64 << 10;
        if script.capacity > 0 {
            capacity = usize::from(script.capacity);
            network.set_capacity(capacity);
        }
        Self::Simulated { network, is_undisturbed: script.seed == 0, capacity }
    }

    /// Whether what can be done is done by the next take, and how much an end holds then.
    pub fn holds_exactly(&self) -> Option<usize> {
        match self {
            Self::Simulated { is_undisturbed: true, capacity, .. } => Some(*capacity),
            _ => None,
        }
    }

    pub fn port(&self, discard: impl Fn(Packet<Numbers>) + Send + Sync + 'static) -> Port<Numbers> {
        let builder = Port::<Numbers>::builder().concurrency(1).blocked_thread_monitor(false);
        let builder = match self {
            Self::Simulated { network, .. } => builder.simulated(network),
            Self::System => builder.driver(DriverChoice::Epoll),
        };
        builder.on_discard(discard).build().expect("a port can be made")
    }

    pub fn listener(&self) -> ListenSocket {
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        let listener = match self {
            Self::Simulated { network, .. } => network.listen(address, 16),
            Self::System => ListenSocket::bind(address, 16),
        };
        listener.expect("an address is free")
    }

    /// A socket of a client.
    pub fn client(&self) -> TcpSocket {
        let socket = match self {
            Self::Simulated { network, .. } => network.stream(),
            Self::System => TcpSocket::v4().expect("a socket"),
        };
        let [_, high, middle, low] = CLIENTS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let address = Ipv4Addr::new(127, 1 + high % 250, middle, low);
        socket
            .bind(SocketAddr::new(IpAddr::V4(address), 0))
            .expect("every loopback address is ours");
        socket
    }

    pub fn advance(&self, by: Duration) {
        if let Self::Simulated { network, .. } = self {
            network.advance_time(by);
        }
    }

    /// Milliseconds of the script in this world, where they may take real time.
    pub fn time(&self, ms: u8) -> Duration {
        match self {
            Self::Simulated { .. } => Duration::from_millis(ms.into()),
            Self::System => Duration::from_micros(ms.into()),
        }
    }

    /// Nobody has left a socket, as far as that can be seen.
    pub fn assert_empty(&self) {
        if let Self::Simulated { network, .. } = self {
            assert_eq!(network.sockets(), 0, "sockets are left");
        }
    }
}

/// So that tickets may be in other threads.
const fn assert_send<T: Send>() {}
const _: () = assert_send::<Ticket>();
