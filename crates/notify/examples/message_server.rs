//! An echo server whose sockets report to an invisible window: one message for each event.
//!
//! ```sh
//! cargo run -p overlapped-notify --example message_server
//! # in another terminal:
//! nc -N 127.0.0.1 PORT
//! ```
//!
//! It also takes an address to listen on. One thread takes the messages one by one, as a program
//! with windows does. An event is reported once, and again only after the call that enables it: an
//! accept enables `ACCEPT`, a receive `READ`, and a send that found no room `WRITE`.

use overlapped_notify::{Message, MessageWindow, NetworkEvents, Socket, SocketId};
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

/// The number of all our messages; a window may have others.
const SOCKET_EVENT: u32 = 1;

/// The pause after a failed accept: the system may be short of something for a while.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// A connection, and what came from it and has not gone back yet.
struct Client {
    socket: Socket,
    unsent: Vec<u8>,
}

/// What a call gave, or `None` if it would have had to wait.
fn at_once(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}

impl Client {
    /// Receives and sends back until a call would have to wait. False at the end of the connection.
    ///
    /// A client that sends without a pause keeps the thread here. A larger server would leave after
    /// a few rounds: each receive enables the next message.
    fn go_on(&mut self) -> io::Result<bool> {
        loop {
            while !self.unsent.is_empty() {
                let Some(sent) = at_once(self.socket.send(&self.unsent))? else { return Ok(true) };
                self.unsent.drain(..sent);
            }
            let mut buffer = [0; 8192];
            match at_once(self.socket.receive(&mut buffer))? {
                None => return Ok(true),
                Some(0) => return Ok(false),
                Some(length) => self.unsent.extend_from_slice(&buffer[..length]),
            }
        }
    }
}

/// Serves until the window fails.
pub fn serve(listener: TcpListener) -> io::Result<()> {
    let listener = Socket::try_from(listener)?;
    let window = MessageWindow::new()?;
    // From here on the listener does not block. An accepted socket does not either, and reports
    // like its listener, so all events are asked for here.
    let events =
        NetworkEvents::ACCEPT | NetworkEvents::READ | NetworkEvents::WRITE | NetworkEvents::CLOSE;
    listener.select_messages(&window, SOCKET_EVENT, events)?;
    let mut clients: HashMap<SocketId, Client> = HashMap::new();
    loop {
        let Some(Message::Network { socket: id, event, .. }) = window.next(None)? else { continue };
        if event == NetworkEvents::ACCEPT {
            match listener.accept() {
                // Its first messages may be queued already; they are taken after this one.
                Ok((socket, _)) => {
                    clients.insert(socket.id(), Client { socket, unsent: Vec::new() });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => {
                    eprintln!("nobody was accepted: {error}");
                    thread::sleep(RETRY_AFTER);
                }
            }
            continue;
        }
        // READ: there is data. WRITE: there is room. CLOSE: what is there is the last.
        let Some(client) = clients.get_mut(&id) else { continue };
        let stays = client.go_on().unwrap_or_else(|error| {
            eprintln!("a connection failed: {error}");
            false
        });
        if !stays {
            // Dropping the socket closes it, and none of its messages comes any more.
            clients.remove(&id);
        }
    }
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:0".into());
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    serve(listener)
}
