//! A port, handles on it, and clients.

use overlapped::{Port, Protocol, TcpSocket, TcpStream};
use overlapped_serving::{Connections, Listed, SHARDS};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Far beyond what any step takes; reaching it is a failure.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// A deadline that nobody meets.
pub fn patience() -> Option<Instant> {
    Instant::now().checked_add(PATIENCE)
}

#[derive(Debug)]
pub struct Serving;

impl Protocol for Serving {
    type Key = Key;
    type Operation = ();
    type Message = ();
}

pub type Stream = TcpStream<Serving>;
pub type List = Connections<Stream>;

/// A key that looks into the list while it is given its place.
#[derive(Debug)]
pub struct Key {
    place: AtomicU32,
    list: Arc<List>,
    /// How many were open then.
    pub open_when_listed: AtomicU64,
}

impl Listed for Key {
    fn place(&self) -> u32 {
        self.place.load(Ordering::Relaxed)
    }

    fn keep_place(&self, place: u32) {
        self.place.store(place, Ordering::Relaxed);
        self.open_when_listed.store(self.list.open(), Ordering::Relaxed);
    }
}

pub struct World {
    pub port: Port<Serving>,
    pub list: Arc<List>,
}

impl World {
    pub fn new() -> Arc<Self> {
        let port = Port::new().expect("a port");
        Arc::new(Self { port, list: Arc::default() })
    }

    fn associate(&self, socket: TcpSocket) -> Stream {
        let key = Key {
            place: AtomicU32::new(0),
            list: Arc::clone(&self.list),
            open_when_listed: AtomicU64::new(0),
        };
        self.port.associate(socket, key).expect("a handle")
    }

    /// A handle that is not connected.
    pub fn stream(&self) -> Stream {
        self.associate(TcpSocket::v4().expect("a socket"))
    }

    /// One more in every shard of the list.
    pub fn round(&self) -> Vec<Stream> {
        let streams: Vec<_> = (0..SHARDS).map(|_| self.stream()).collect();
        streams.iter().for_each(|stream| self.list.add(stream));
        streams
    }

    /// A connection, and its client.
    pub fn connection(&self) -> (Stream, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let client = std::net::TcpStream::connect(address).expect("it listens");
        client.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let (accepted, _) = listener.accept().expect("a client");
        (self.associate(TcpSocket::try_from(accepted).expect("a socket")), client)
    }
}
