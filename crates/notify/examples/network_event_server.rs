//! An echo server with an event object for each socket: the network events of a socket are recorded,
//! and set its event object.
//!
//! Run it with `cargo run -p overlapped-notify --example network_event_server [ADDRESS]`, and talk to it
//! with `nc 127.0.0.1 PORT`. A wait takes 64 event objects at the most, so one thread serves 63
//! clients; more need more threads.

use overlapped_notify::{EventObject, NetworkEvents, Socket, WAIT_MAX, Waited, wait_any};
use std::io::{self, ErrorKind};
use std::net::TcpListener;

/// A connection, its event object, and what came from it and has not gone back yet.
struct Client {
    socket: Socket,
    event: EventObject,
    unsent: Vec<u8>,
}

impl Client {
    fn new(socket: Socket) -> io::Result<Self> {
        let event = EventObject::manual_reset()?;
        // Until now it reported to the event object of the listener. What is recorded sets this one.
        let events = NetworkEvents::READ | NetworkEvents::WRITE | NetworkEvents::CLOSE;
        socket.select_events(&event, events)?;
        Ok(Self { socket, event, unsent: Vec::new() })
    }

    /// Receives and sends back until a call would block, which is the error `WouldBlock`. `Ok` is the
    /// end of the connection. (A client that sends without a pause keeps the thread here; a larger
    /// server would leave after a few rounds. The receive has the next event recorded.)
    fn go_on(&mut self) -> io::Result<()> {
        // This resets the event object in the same step, so that no event is lost between the two.
        let record = self.socket.enumerate_network_events(Some(&self.event))?;
        if record.events().is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        loop {
            while !self.unsent.is_empty() {
                let sent = self.socket.send(&self.unsent)?;
                self.unsent.drain(..sent);
            }
            let mut buffer = [0; 8192];
            match self.socket.receive(&mut buffer)? {
                0 => return Ok(()),
                length => self.unsent.extend_from_slice(&buffer[..length]),
            }
        }
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

/// Accepts one client, if there is one and a place in the wait.
fn accept(listener: &Socket, event: &EventObject, clients: &mut Vec<Client>) -> io::Result<()> {
    listener.enumerate_network_events(Some(event))?;
    let client = match listener.accept() {
        Ok((socket, _)) => Client::new(socket),
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
        Err(error) => Err(error),
    };
    match client {
        Ok(client) if clients.len() + 1 < WAIT_MAX => clients.push(client),
        Ok(_) => eprintln!("a client was turned away: {} are here", clients.len()),
        Err(error) => eprintln!("nobody was accepted: {error}"),
    }
    Ok(())
}

/// Serves until the wait or the listener fails.
pub fn serve(listener: TcpListener) -> io::Result<()> {
    let listener = Socket::try_from(listener)?;
    let arrival = EventObject::manual_reset()?;
    listener.select_events(&arrival, NetworkEvents::ACCEPT)?;
    let mut clients: Vec<Client> = Vec::new();
    loop {
        let mut events = vec![&arrival];
        events.extend(clients.iter().map(|client| &client.event));
        // It tells the first one that is set; the others are looked at below, so that a busy client
        // hides nobody.
        let Waited::Signaled(_) = wait_any(&events, None, false)? else { continue };
        clients.retain_mut(|client| !client.event.is_set() || client.stays());
        if arrival.is_set() {
            accept(&listener, &arrival, &mut clients)?;
        }
    }
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:0".into());
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    serve(listener)
}
