//! An echo server with overlapped operations: each is started, and its end sets an event object.
//!
//! ```sh
//! cargo run -p overlapped-notify --example overlapped_event_server
//! # in another terminal:
//! nc -N 127.0.0.1 PORT
//! ```
//!
//! It also takes an address to listen on. The operation in flight owns its buffer, and gives it back
//! at its end. A wait takes 64 event objects at the most, so one thread serves 63 clients.

use overlapped_notify::{
    Completed, EventObject, Listener, Overlapped, Received, Stream, WAIT_MAX, Waited, wait_any,
};
use std::io;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

/// The pause after a failed accept: the system may be short of something for a while.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// The one operation that a client has in flight.
enum InFlight {
    Receive(Overlapped<Vec<u8>, Received>),
    Send(Overlapped<Vec<u8>, ()>),
}

struct Client {
    stream: Stream,
    event: EventObject,
    /// There is none only while the next one is being started.
    in_flight: Option<InFlight>,
}

impl Client {
    /// Begins with a receive.
    fn new(stream: Stream) -> io::Result<Self> {
        // Starting an operation resets it, and the operation's end sets it.
        let event = EventObject::manual_reset()?;
        let receive = stream.receive(Vec::with_capacity(8192), &event)?;
        Ok(Self { stream, event, in_flight: Some(InFlight::Receive(receive)) })
    }

    /// The event is set: the operation has ended, and the next one is started. False at the end of
    /// the connection.
    fn go_on(&mut self) -> io::Result<bool> {
        let next = match self.in_flight.take() {
            Some(InFlight::Receive(receive)) => {
                // It has ended, so this does not wait.
                let Completed { buffer, result, .. } = receive.result();
                match result? {
                    Received::Data(_) => InFlight::Send(self.stream.send(buffer, &self.event)?),
                    // `Readable` is for receives into a buffer without room.
                    Received::End | Received::Readable => return Ok(false),
                }
            }
            Some(InFlight::Send(send)) => {
                let Completed { buffer, result, .. } = send.result();
                result?;
                // The same buffer again; a receive overwrites it from its start.
                InFlight::Receive(self.stream.receive(buffer, &self.event)?)
            }
            None => return Ok(false),
        };
        self.in_flight = Some(next);
        Ok(true)
    }

    /// Serves a client whose event is set. False when its connection is over: dropping the stream
    /// closes it.
    fn serve(&mut self) -> bool {
        self.go_on().unwrap_or_else(|error| {
            eprintln!("a connection failed: {error}");
            false
        })
    }
}

/// An alertable wait also runs completion routines, as in `routine_server`; there are none here.
const NOT_ALERTABLE: bool = false;

/// Serves until the wait or the listener fails.
pub fn serve(listener: TcpListener) -> io::Result<()> {
    let listener = Listener::try_from(listener)?;
    let arrival = EventObject::manual_reset()?;
    let mut accept = listener.accept(&arrival)?;
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
        if !arrival.is_set() {
            continue;
        }
        let Completed { result: accepted, .. } = accept.result();
        match accepted.and_then(|accepted| Client::new(accepted.stream)) {
            Ok(client) if clients.len() + 1 < WAIT_MAX => clients.push(client),
            Ok(_) => eprintln!("a client was turned away: {} are here", clients.len()),
            Err(error) => {
                eprintln!("nobody was accepted: {error}");
                thread::sleep(RETRY_AFTER);
            }
        }
        accept = listener.accept(&arrival)?;
    }
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:0".into());
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    serve(listener)
}
