//! The other side of a connection, which sends any bytes.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Nobody waits for longer: what takes so long hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Connects from an address of its own, so that the system does not run out of ports while it remembers connections
/// that are over.
pub fn connect(to: SocketAddr) -> TcpStream {
    static CLIENTS: AtomicU32 = AtomicU32::new(0);
    let [_, high, middle, low] = CLIENTS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let own = SocketAddr::new(Ipv4Addr::new(127, 1 + high % 250, middle, low).into(), 0);
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let socket = socket.expect("a socket");
    socket.bind(&own.into()).expect("every loopback address is ours");
    // A signal, as the fuzzer has one for its clock, does not end it.
    socket.connect_timeout(&to.into(), PATIENCE).expect("the server listens");
    socket.set_nonblocking(false).expect("it is connected");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).expect("it is connected");
    stream.set_write_timeout(Some(PATIENCE)).expect("it is connected");
    stream
}

/// Two ends of a connection.
pub fn pair() -> (TcpStream, TcpStream) {
    static LISTENER: LazyLock<TcpListener> =
        LazyLock::new(|| TcpListener::bind("127.0.0.1:0").expect("an address is free"));
    let client = connect(LISTENER.local_addr().expect("it listens"));
    let server = LISTENER.accept().expect("a client is there").0;
    // Small pieces are not to wait for each other.
    for end in [&client, &server] {
        end.set_nodelay(true).expect("it is connected");
    }
    (client, server)
}

/// Sends `bytes`, in two pieces cut at `cut`, ends, and receives all there is to the end. It is no matter if the server
/// does not want to hear it all; that it says nothing for [`PATIENCE`] is one.
pub fn exchange(server: SocketAddr, bytes: &[u8], cut: usize) -> Vec<u8> {
    let mut stream = connect(server);
    let (first, second) = bytes.split_at(cut.min(bytes.len()));
    let sent = stream.write_all(first).and_then(|()| stream.write_all(second));
    let _ = sent.and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
        {
            panic!("the server neither answers nor ends: {error}")
        }
        _ => answer,
    }
}
