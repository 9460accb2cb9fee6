//! An echo server on a completion port: a few threads take the packets of all connections.
//!
//! ```sh
//! cargo run -p overlapped --example echo
//! # in another terminal:
//! nc -N 127.0.0.1 PORT
//! ```
//!
//! It also takes an address to listen on. Ctrl-C stops it.

use overlapped::{AcceptWindow, ListenSocket, OrPacket, Packet, Port, Protocol, Received, Workers};

struct Echo;

impl Protocol for Echo {
    type Key = ();
    type Operation = ();
    type Message = ();
}

/// What one connection does wrong ends that connection, never the thread. A start that is refused
/// is a packet with an error, too, so there is one place for errors.
fn handle(port: &Port<Echo>, packet: Packet<Echo>) {
    match packet {
        Packet::Accepted { result: Ok(accepted), .. } => {
            if let Ok(stream) = port.associate(accepted.socket, ()) {
                stream.receive_pooled(()).or_packet();
            }
        }
        Packet::Received { stream, buffer, result: Ok(Received::Data(_)), .. } => {
            stream.send(buffer, ()).or_packet();
        }
        Packet::Sent { stream, result: Ok(()), .. } => {
            stream.receive_pooled(()).or_packet();
        }
        // The last handle of a connection goes with its packet, and closes it.
        _ => {}
    }
}

/// Serves until Ctrl-C: `Workers::run` ends at a signal, and the handler sees none.
pub fn run(socket: ListenSocket) -> std::io::Result<()> {
    let port = Port::<Echo>::new()?;
    port.watch_signals()?;
    let listener = port.associate(socket, ())?;
    // 10 accepts in flight, 10,000 clients at a time; `|| ()` makes the operation of each accept.
    listener.accept_window(AcceptWindow::new(10).connections(10_000), || ())?;
    Workers::new(&port).name("echo").run(handle)?;
    Ok(())
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:0".into());
    let socket = ListenSocket::bind(address, 1024)?;
    println!("listening on {}", socket.local_addr()?);
    run(socket)
}
