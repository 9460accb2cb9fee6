//! A chat server: each line of a client goes to all others. Ctrl-C stops it.
//!
//! ```sh
//! cargo run -p overlapped --example chat
//! # in another terminal:
//! nc -N 127.0.0.1 PORT
//! ```
//!
//! It also takes an address to listen on. A second client sees what the first one types.

use overlapped::{
    AcceptWindow, ListenSocket, OrPacket, Packet, Port, Protocol, Received, TcpStream, Workers,
};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::{collections::HashMap, io, sync::Arc};

struct Chat;

impl Protocol for Chat {
    type Key = Member;
    type Operation = ();
    type Message = ();
}

/// What the server knows of one client. It is the key of the client's connection.
#[derive(Default)]
struct Member {
    name: String,
    /// What was received since the last whole line.
    line: Mutex<Vec<u8>>,
    /// How many bytes are sent to this client and not gone yet. With too many it is disconnected.
    unsent: AtomicUsize,
}

const LONGEST_LINE: usize = 4 << 10;
const MOST_UNSENT: usize = 1 << 20;
/// Everybody who is here, by the number of the connection.
type Room = Mutex<HashMap<u64, TcpStream<Chat>>>;

fn tell_others(room: &Room, from: &TcpStream<Chat>, text: &[u8]) {
    // All sends share it. They are started under the lock, so that all get the texts in one order.
    let text: Arc<[u8]> = text.into();
    for to in room.lock().values().filter(|to| to.id() != from.id()) {
        if to.key().unsent.fetch_add(text.len(), Relaxed) > MOST_UNSENT {
            to.abort(); // All its operations fail from here; the first failed packet removes it.
        }
        to.send(Arc::clone(&text), ()).or_packet();
    }
}

/// Takes what was received, and tells the lines that are whole.
fn receive(room: &Room, from: &TcpStream<Chat>, bytes: &[u8]) {
    let mut line = from.key().line.lock();
    for part in bytes.split_inclusive(|&byte| byte == b'\n') {
        line.extend_from_slice(part);
        if line.len() > LONGEST_LINE {
            return from.abort();
        }
        if line.ends_with(b"\n") {
            tell_others(room, from, &[from.key().name.as_bytes(), b": ", &line].concat());
            line.clear();
        }
    }
}

fn handle(room: &Room, port: &Port<Chat>, packet: Packet<Chat>) {
    match packet {
        Packet::Accepted { result: Ok(accepted), .. } => {
            let member = Member { name: accepted.remote.to_string(), ..Member::default() };
            let Ok(stream) = port.associate(accepted.socket, member) else { return };
            room.lock().insert(stream.id(), stream.clone());
            stream.receive_pooled(()).or_packet();
        }
        Packet::Received { stream, buffer, result: Ok(Received::Data(_)), .. } => {
            receive(room, &stream, &buffer);
            stream.receive_pooled(()).or_packet();
        }
        Packet::Sent { stream, buffers, result: Ok(()), .. } => {
            stream.key().unsent.fetch_sub(buffers.byte_len(), Relaxed);
        }
        // The end, or an error, which every operation has after an abort: the client is gone.
        Packet::Received { stream, .. } | Packet::Sent { stream, .. } => {
            room.lock().remove(&stream.id());
        }
        _ => {}
    }
}

/// Serves until Ctrl-C: `Workers::run` ends at a signal, and the handler sees none.
pub fn serve(socket: ListenSocket) -> io::Result<()> {
    let port = Port::new()?;
    port.watch_signals()?;
    let listener = port.associate(socket, Member::default())?; // its key is not used
    // 10 accepts in flight, 1,000 clients at a time; `|| ()` makes the operation of each accept.
    listener.accept_window(AcceptWindow::new(10).connections(1_000), || ())?;
    let room = Room::default();
    Workers::new(&port).run(move |port, packet| handle(&room, port, packet))?;
    Ok(())
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:0".into());
    let socket = ListenSocket::bind(address, 1024)?;
    println!("listening on {}", socket.local_addr()?);
    serve(socket)
}
