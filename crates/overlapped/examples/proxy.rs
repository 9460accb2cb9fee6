//! A TCP proxy: whoever connects is connected with one other address. Ctrl-C stops it.
//!
//! ```sh
//! overlapped serve 127.0.0.1:8000 DIR --app files
//! # in another terminal:
//! cargo run -p overlapped --example proxy 127.0.0.1:8000
//! # in another terminal:
//! curl http://127.0.0.1:PORT/
//! ```
//!
//! The address to listen on may follow.

use overlapped::{
    AcceptWindow, ListenSocket, OrPacket, Packet, Port, Protocol, Received, TcpSocket, TcpStream,
    Workers,
};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

struct Proxy;

impl Protocol for Proxy {
    type Key = ();
    /// The other end. It travels with each operation, so there is no table of who belongs to whom;
    /// and when neither end has an operation in flight any more, both are closed.
    type Operation = Option<TcpStream<Proxy>>;
    type Message = ();
}

/// Two connections on which nothing goes either way for so long are ended.
const IDLE_LIMIT: Duration = Duration::from_secs(300);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Starts to connect a client with `upstream`.
fn connect(port: &Port<Proxy>, client: TcpSocket, upstream: SocketAddr) -> io::Result<()> {
    let client = port.associate(client, ())?;
    let socket = TcpSocket::for_address(upstream)?;
    let server = port.associate(socket, ())?;
    client.set_idle_limit(Some(IDLE_LIMIT));
    server.set_idle_limit(Some(IDLE_LIMIT));
    // There is no first data to send, `()`. The client travels with the connect.
    let connecting = server.connect(upstream, (), Some(client))?;
    // The only error would be that the connect is complete already.
    server.set_limit(connecting, Some(CONNECT_LIMIT)).ok();
    Ok(())
}

fn handle(upstream: SocketAddr, port: &Port<Proxy>, packet: Packet<Proxy>) {
    match packet {
        Packet::Accepted { result: Ok(accepted), .. } => {
            if let Err(error) = connect(port, accepted.socket, upstream) {
                eprintln!("{}: {error}", accepted.remote);
            }
        }
        Packet::Connected { stream: server, operation: Some(client), result: Ok(()), .. } => {
            client.receive_pooled(Some(server.clone())).or_packet();
            server.receive_pooled(Some(client)).or_packet();
        }
        // The client goes with this packet, and is closed.
        Packet::Connected { result: Err(error), .. } => eprintln!("{upstream}: {error}"),
        // What came from one end goes to the other. Nothing more is received until it is sent, so a
        // slow receiver slows the sender down, and a connection holds one buffer each way at most.
        Packet::Received { stream, buffer, operation: Some(to), result: Ok(Received::Data(_)) } => {
            to.send(buffer, Some(stream)).or_packet();
        }
        Packet::Sent { stream: to, operation: Some(from), result: Ok(()), .. } => {
            from.receive_pooled(Some(to)).or_packet();
        }
        // One end has ended its stream. The other may still send.
        Packet::Received { operation: Some(to), result: Ok(Received::End), .. } => {
            // If this fails, the receive of that end fails, too, and its packet ends both.
            to.shutdown(Shutdown::Write).ok();
        }
        // One end is lost, or was idle for too long: both are closed.
        Packet::Received { stream, operation: Some(other), .. }
        | Packet::Sent { stream, operation: Some(other), .. } => {
            stream.abort();
            other.abort();
        }
        _ => {}
    }
}

/// Serves until Ctrl-C: `Workers::run` ends at a signal, and the handler sees none.
pub fn serve(socket: ListenSocket, upstream: SocketAddr) -> io::Result<()> {
    let port = Port::new()?;
    port.watch_signals()?;
    let listener = port.associate(socket, ())?;
    listener.accept_window(AcceptWindow::new(10).connections(1_000), || None)?;
    Workers::new(&port).run(move |port, packet| handle(upstream, port, packet))?;
    Ok(())
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(upstream) = arguments.next() else {
        eprintln!("say where: proxy UPSTREAM [ADDRESS]");
        std::process::exit(2);
    };
    let address = arguments.next().unwrap_or("127.0.0.1:0".into());
    let socket = ListenSocket::bind(address, 1024)?;
    println!("listening on {}", socket.local_addr()?);
    serve(socket, upstream.parse().map_err(io::Error::other)?)
}
