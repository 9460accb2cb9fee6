//! The echo server of docs/from-iocp.md, which Enter stops. It takes packets by hand, as a program
//! for Windows does; `Workers` does that for others.
//!
//! ```sh
//! cargo run -p overlapped --example from_iocp
//! ```
//!
//! Talk to it with `nc 127.0.0.1 PORT`.

use overlapped::{AcceptWindow, ListenSocket, OrPacket, Packet, Port, Protocol, Received};
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

struct Echo;

impl Protocol for Echo {
    type Key = SocketAddr; // per handle: the peer, or where the listener listens
    type Operation = u64; // per operation: how many messages were echoed so far
    type Message = Stop; // what is posted
}

struct Stop;

fn work(port: &Port<Echo>) {
    while let Ok(packet) = port.take() {
        if let Packet::Posted(Stop) = packet {
            return;
        }
        // A handler that panics costs the packet's connection, and not this thread.
        let _ = catch_unwind(AssertUnwindSafe(|| handle(port, packet)));
    }
}

fn handle(port: &Port<Echo>, packet: Packet<Echo>) {
    match packet {
        Packet::Accepted { result: Ok(accepted), .. } => {
            if let Ok(stream) = port.associate(accepted.socket, accepted.remote) {
                stream.receive_pooled(0).or_packet();
            }
        }
        Packet::Received { stream, buffer, operation: echoed, result } => match result {
            Ok(Received::Data(_)) => {
                stream.send(buffer, echoed + 1).or_packet();
            }
            Ok(_) => println!("{}: {echoed} messages", stream.key()),
            Err(error) => println!("{}: {echoed} messages, then: {error}", stream.key()),
        },
        Packet::Sent { stream, operation: echoed, result: Ok(()), .. } => {
            stream.receive_pooled(echoed).or_packet();
        }
        // An accept or a send that failed: its packet is dropped, and a connection with it.
        _ => {}
    }
}

/// How many handlers may be blocked at once, in `println` for example.
const MAY_BLOCK: usize = 2;

/// Serves until `wait_for_the_end` has returned and all that was queued before is done.
pub fn serve(socket: ListenSocket, wait_for_the_end: impl FnOnce()) -> io::Result<()> {
    let port = Port::<Echo>::new()?;
    let address = socket.local_addr()?;
    let listener = port.associate(socket, address)?;
    listener.accept_window(AcceptWindow::new(10), || 0)?;
    let workers = port.concurrency() + MAY_BLOCK;
    std::thread::scope(|threads| {
        for _ in 0..workers {
            threads.spawn(|| work(&port));
        }
        wait_for_the_end();
        listener.close();
        for _ in 0..workers {
            let _ = port.post(Stop);
        }
    });
    Ok(()) // the last clone of the port goes here, and with it what is still connected
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:0".into());
    let socket = ListenSocket::bind(address, 1024)?;
    println!("listening on {}; Enter stops it", socket.local_addr()?);
    serve(socket, || {
        let _ = io::stdin().read_line(&mut String::new());
    })
}
