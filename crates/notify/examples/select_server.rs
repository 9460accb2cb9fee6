//! An echo server that asks which of its sockets are ready: `select`.
//!
//! Run it with `cargo run -p overlapped-notify --example select_server [ADDRESS]`, and talk to it with
//! `nc 127.0.0.1 PORT`. One thread serves everybody, and no call but the select waits. Its price is
//! that each select looks at every socket, also at those on which nothing has happened.

use overlapped_notify::{Socket, SocketId, SocketSet, select};
use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::net::TcpListener;

/// A connection, and what came from it and has not gone back yet.
struct Client {
    socket: Socket,
    unsent: Vec<u8>,
}

impl Client {
    /// Sends what is owed, or else receives and sends it back. `Ok` is the end of the connection,
    /// and the error `WouldBlock` means that it has to wait.
    fn go_on(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            let mut buffer = [0; 8192];
            match self.socket.receive(&mut buffer)? {
                0 => return Ok(()),
                length => self.unsent.extend_from_slice(&buffer[..length]),
            }
        }
        // A send may take a part of what it is given.
        while !self.unsent.is_empty() {
            let sent = self.socket.send(&self.unsent)?;
            self.unsent.drain(..sent);
        }
        Err(ErrorKind::WouldBlock.into())
    }

    /// Goes on. False at the end of the connection; dropping the socket closes it then.
    fn stays(&mut self) -> bool {
        match self.go_on() {
            Ok(()) => false,
            Err(error) if error.kind() == ErrorKind::WouldBlock => true,
            Err(error) => {
                eprintln!("a connection failed: {error}");
                false
            }
        }
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
        clients.retain_mut(|client| !ready.contains(&client.socket.id()) || client.stays());
        if ready.contains(&listener.id()) {
            match listener.accept() {
                Ok((socket, _)) => clients.push(Client { socket, unsent: Vec::new() }),
                // The client may have gone again before it was accepted.
                Err(error) => eprintln!("nobody was accepted: {error}"),
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
