//! An echo server with completion routines: each operation is started with the code that is to run
//! at its end.
//!
//! ```sh
//! cargo run -p overlapped-notify --example routine_server
//! # in another terminal:
//! nc -N 127.0.0.1 PORT
//! ```
//!
//! It also takes an address to listen on. A routine runs on the thread that started its operation,
//! and only while that thread is in an alertable wait. So everything here runs on one thread, and
//! nothing needs a lock.

use overlapped_notify::{
    Completed, EventObject, Listener, Received, Stream, Waited, sleep_alertable, wait_any,
};
use std::io;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

/// The pause after a failed accept: the system may be short of something for a while.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// The wait may run completion routines.
const ALERTABLE: bool = true;

/// Starts to receive; at its end the routine sends back what came.
fn receive(stream: Stream, buffer: Vec<u8>) {
    // The routine holds the stream. When the last handle is dropped, the connection is closed.
    let same = stream.clone();
    let started = stream.receive_then(buffer, move |ended| match ended.result {
        Ok(Received::Data(_)) => send(same, ended.buffer),
        // `Readable` is for receives into a buffer without room.
        Ok(Received::End | Received::Readable) => {}
        Err(error) => eprintln!("a receive failed: {error}"),
    });
    if let Err(refused) = started {
        eprintln!("a receive was not started: {}", refused.error);
    }
}

/// Starts to send; at its end the routine receives again, into the same buffer.
fn send(stream: Stream, data: Vec<u8>) {
    let same = stream.clone();
    let started = stream.send_then(data, move |ended| match ended.result {
        Ok(()) => receive(same, ended.buffer),
        Err(error) => eprintln!("a send failed: {error}"),
    });
    if let Err(refused) = started {
        eprintln!("a send was not started: {}", refused.error);
    }
}

/// Serves until the wait or the listener fails.
pub fn serve(listener: TcpListener) -> io::Result<()> {
    let listener = Listener::try_from(listener)?;
    let arrival = EventObject::manual_reset()?;
    let mut accept = listener.accept(&arrival)?;
    loop {
        // A set event is reported before queued routines run, and many arrivals would starve them.
        // So these have their turn first, without a wait.
        sleep_alertable(Some(Duration::ZERO));
        match wait_any(&[&arrival], None, ALERTABLE)? {
            Waited::RoutinesRan | Waited::TimedOut => {}
            Waited::Signaled(_) => {
                let Completed { result: accepted, .. } = accept.result();
                match accepted {
                    Ok(accepted) => receive(accepted.stream, Vec::with_capacity(8192)),
                    Err(error) => {
                        eprintln!("nobody was accepted: {error}");
                        thread::sleep(RETRY_AFTER);
                    }
                }
                accept = listener.accept(&arrival)?;
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
