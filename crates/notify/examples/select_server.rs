//! An echo server that asks which of its sockets are ready: `select`.
//!
//! ```sh
//! cargo run -p overlapped-notify --example select_server
//! # in another terminal:
//! nc -N 127.0.0.1 PORT
//! ```
//!
//! It also takes an address to listen on. One thread serves everybody, and no call but the select
//! waits. Its price is that each select looks at every socket, also at those on which nothing has
//! happened.

use overlapped_notify::{Socket, SocketId, SocketSet, select};
use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

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
    /// Sends what is owed, or else receives and sends it back, as far as no call has to wait. False
    /// at the end of the connection.
    fn go_on(&mut self) -> io::Result<bool> {
        if self.unsent.is_empty() {
            let mut buffer = [0; 8192];
            match at_once(self.socket.receive(&mut buffer))? {
                None => return Ok(true),
                Some(0) => return Ok(false),
                Some(length) => self.unsent.extend_from_slice(&buffer[..length]),
            }
        }
        // A send may take a part of what it is given.
        while !self.unsent.is_empty() {
            let Some(sent) = at_once(self.socket.send(&self.unsent))? else { return Ok(true) };
            self.unsent.drain(..sent);
        }
        Ok(true)
    }

    /// Serves a client whose socket is ready. False when its connection is over: dropping the
    /// socket closes it.
    fn serve(&mut self) -> bool {
        self.go_on().unwrap_or_else(|error| {
            eprintln!("a connection failed: {error}");
            false
        })
    }
}

/// The sockets that are ready: the listener, or those of clients.
fn ready(listener: &Socket, clients: &[Client]) -> io::Result<HashSet<SocketId>> {
    // A set holds 64 sockets unless it is told otherwise.
    let mut readable = SocketSet::with_capacity(clients.len() + 1);
    let mut writable = SocketSet::with_capacity(clients.len() + 1);
    readable.insert(listener);
    for client in clients {
        // From a client that does not read its echo nothing more is received.
        let set = if client.unsent.is_empty() { &mut readable } else { &mut writable };
        set.insert(&client.socket);
    }
    // It waits as long as it takes, and leaves in the sets what is ready.
    select(Some(&mut readable), Some(&mut writable), None, None)?;
    Ok(readable.iter().chain(writable.iter()).map(Socket::id).collect())
}

/// Serves until the listener fails.
pub fn serve(listener: TcpListener) -> io::Result<()> {
    let listener = Socket::try_from(listener)?;
    let mut clients: Vec<Client> = Vec::new();
    loop {
        let ready = ready(&listener, &clients)?;
        clients.retain_mut(|client| {
            let is_ready = ready.contains(&client.socket.id());
            !is_ready || client.serve()
        });
        if ready.contains(&listener.id()) {
            match listener.accept() {
                Ok((socket, _)) => clients.push(Client { socket, unsent: Vec::new() }),
                // The client may also have gone again before it was accepted.
                Err(error) => {
                    eprintln!("nobody was accepted: {error}");
                    thread::sleep(RETRY_AFTER);
                }
            }
        }
    }
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:0".into());
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    serve(listener)
}
