//! An HTTP API over SQLite. Its handlers block, and nothing in them says so.
//!
//! Run it with `cargo run --release -p examples --example http_sqlite`, and then `curl ADDRESS/slow` and
//! `curl ADDRESS/`. `/slow` answers when its row is on the disk. `/` is quick beside it. Ctrl-C stops it.

use overlapped::{AcceptWindow, ListenSocket, OrPacket, Packet, Port, Protocol, Received, Workers};
use rusqlite::Connection;
use std::{error::Error, iter, path::Path, sync::Mutex};

struct Http;

impl Protocol for Http {
    /// What was received on a connection and not answered yet.
    type Key = Mutex<Vec<u8>>;
    type Operation = ();
    type Message = ();
}

fn answer(database: &Mutex<Connection>, path: Option<&str>) -> rusqlite::Result<String> {
    if path != Some("/slow") {
        return Ok("hello\n".into());
    }
    let database = database.lock().expect("no panic");
    database.execute("INSERT INTO visits DEFAULT VALUES", [])?;
    Ok(format!("visit {}\n", database.last_insert_rowid()))
}

/// Takes one request out of `received`, if it is whole, and gives the response.
fn respond(database: &Mutex<Connection>, received: &mut Vec<u8>) -> Option<String> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let (length, status, text) = match request.parse(received) {
        Ok(httparse::Status::Partial) if received.len() < 10_000 => return None,
        Ok(httparse::Status::Complete(length)) => match answer(database, request.path) {
            Ok(text) => (length, "200 OK", text),
            Err(error) => (length, "500 Internal Server Error", error.to_string()),
        },
        _ => (received.len(), "400 Bad Request", "a request of less than 10 kB, please\n".into()),
    };
    received.drain(..length);
    Some(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{text}", text.len()))
}

fn handle(database: &Mutex<Connection>, port: &Port<Http>, packet: Packet<Http>) {
    match packet {
        Packet::Accepted { result: Ok(accepted), .. } => {
            if let Ok(stream) = port.associate(accepted.socket, Mutex::default()) {
                stream.receive_pooled(()).or_packet();
            }
        }
        Packet::Received { stream, buffer, result: Ok(Received::Data(_)), .. } => {
            let mut received = stream.key().lock().expect("no panic");
            received.extend_from_slice(&buffer);
            let responses = iter::from_fn(|| respond(database, &mut received));
            stream.send(responses.collect::<String>(), ()).or_packet();
        }
        Packet::Sent { stream, result: Ok(()), .. } => {
            stream.receive_pooled(()).or_packet();
        }
        _ => {}
    }
}

/// Serves until Ctrl-C.
pub fn serve(socket: ListenSocket, file: &Path) -> Result<(), Box<dyn Error>> {
    let database = Connection::open(file)?;
    database.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")?;
    database.execute_batch("CREATE TABLE IF NOT EXISTS visits (at DEFAULT CURRENT_TIMESTAMP)")?;
    let (database, port) = (Mutex::new(database), Port::new()?);
    port.watch_signals()?;
    port.associate(socket, Mutex::default())?.accept_window(AcceptWindow::new(10), || ())?;
    Workers::new(&port).run(move |port, packet| handle(&database, port, packet))?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let socket = ListenSocket::bind("127.0.0.1:0", 1024)?;
    println!("listening on {}", socket.local_addr()?);
    serve(socket, "visits.db".as_ref())
}
