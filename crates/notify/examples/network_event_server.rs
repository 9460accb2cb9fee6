//! An echo server with an event object for each socket: the network events of a socket are
//! recorded, and set its event object.
//!
//! ```sh
//! cargo run -p overlapped-notify --example network_event_server
//! # in another terminal:
//! nc -N 127.0.0.1 PORT
//! ```
//!
//! It also takes an address to listen on. A wait takes 64 event objects at the most, so one thread
//! serves 63 clients; more need more threads.

use overlapped_notify::{EventObject, NetworkEvents, Socket, WAIT_MAX, Waited, wait_any};
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

/// The pause after a failed accept: the system may be short of something for a while.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// A connection, its event object, and what came from it and has not gone back yet.
struct Client {
    socket: Socket,
    event: EventObject,
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
    fn new(socket: Socket) -> io::Result<Self> {
        let event = EventObject::manual_reset()?;
        // It reported to its listener's object. What is recorded already sets its own one at once.
        let events = NetworkEvents::READ | NetworkEvents::WRITE | NetworkEvents::CLOSE;
        socket.select_events(&event, events)?;
        Ok(Self { socket, event, unsent: Vec::new() })
    }

    /// Receives and sends back until a call would have to wait. False at the end of the connection.
    /// A client that sends without a pause keeps the thread here. A larger server would leave after
    /// a few rounds: each receive enables the next event.
    fn go_on(&mut self) -> io::Result<bool> {
        // This resets the event object in the same step, so that no event is lost between the two.
        // Which events they were does not matter: all calls are tried.
        self.socket.enumerate_network_events(Some(&self.event))?;
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

    /// Serves a client whose socket is ready. False when its connection is over: dropping the
    /// socket closes it.
    fn serve(&mut self) -> bool {
        self.go_on().unwrap_or_else(|error| {
            eprintln!("a connection failed: {error}");
            false
        })
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
        Err(error) => {
            eprintln!("nobody was accepted: {error}");
            thread::sleep(RETRY_AFTER);
        }
    }
    Ok(())
}

/// An alertable wait also runs completion routines, as in `routine_server`; there are none here.
const NOT_ALERTABLE: bool = false;

/// Serves until the wait or the listener fails.
pub fn serve(listener: TcpListener) -> io::Result<()> {
    let listener = Socket::try_from(listener)?;
    let arrival = EventObject::manual_reset()?;
    listener.select_events(&arrival, NetworkEvents::ACCEPT)?; // and it does not block any more
    let mut clients: Vec<Client> = Vec::new();
    loop {
        let mut events = vec![&arrival];
        events.extend(clients.iter().map(|client| &client.event));
        // It tells the first one that is set; the others are looked at below, so that a busy client
        // hides nobody.
        let Waited::Signaled(_) = wait_any(&events, None, NOT_ALERTABLE)? else { continue };
        clients.retain_mut(|client| {
            let is_ready = client.event.is_set();
            !is_ready || client.serve()
        });
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
