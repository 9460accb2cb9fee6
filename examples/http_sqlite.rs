//! An HTTP API over SQLite whose handlers block and do not say so: `/slow` answers when its row is
//! on the disk, `/` is quick beside it.
//!
//! ```sh
//! cargo run -p examples --example http_sqlite
//! # in another terminal:
//! curl http://127.0.0.1:PORT/slow
//! ```

use overlapped::{AcceptWindow, ListenSocket, OrPacket, Packet, Port, Protocol, Received, Workers};
use rusqlite::Connection;
use std::{error::Error, path::Path, sync::Mutex};

struct Http;

impl Protocol for Http {
    type Key = Mutex<Vec<u8>>; // what was received on a connection and not answered yet
    type Operation = bool; // of a send: whether the connection goes on after it
    type Message = ();
}

fn answer(database: &Mutex<Connection>, path: Option<&str>) -> (&'static str, String) {
    if path != Some("/slow") {
        return ("200 OK", "hello\n".into());
    }
    let database = database.lock().expect("no panic");
    match database.execute("INSERT INTO visits DEFAULT VALUES", []) {
        Ok(_) => ("200 OK", format!("visit {}\n", database.last_insert_rowid())),
        Err(_) => ("500 Internal Server Error", "the database failed\n".into()),
    }
}

/// Answers one request if it is whole, or else receives more.
fn go_on(database: &Mutex<Connection>, stream: &overlapped::TcpStream<Http>) {
    let mut received = stream.key().lock().expect("no panic");
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let (length, (status, text)) = match request.parse(&received) {
        Ok(httparse::Status::Partial) if received.len() < 10_000 => {
            stream.receive_pooled(true).or_packet();
            return;
        }
        Ok(httparse::Status::Complete(length)) if request.method == Some("GET") => {
            (length, answer(database, request.path))
        }
        _ => (0, ("400 Bad Request", "GET in less than 10 kB, please\n".into())),
    };
    received.drain(..length);
    let response = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{text}", text.len());
    stream.send(response, length > 0).or_packet();
}

fn handle(database: &Mutex<Connection>, port: &Port<Http>, packet: Packet<Http>) {
    match packet {
        Packet::Accepted { result: Ok(accepted), .. } => {
            let Ok(stream) = port.associate(accepted.socket, Mutex::default()) else { return };
            stream.receive_pooled(true).or_packet();
        }
        Packet::Received { stream, buffer, result: Ok(Received::Data(_)), .. } => {
            stream.key().lock().expect("no panic").extend_from_slice(&buffer);
            go_on(database, &stream);
        }
        Packet::Sent { stream, operation: true, result: Ok(()), .. } => go_on(database, &stream),
        _ => {} // the end: the last handle goes, and closes the connection
    }
}

/// Serves until Ctrl-C, which ends `Workers::run`.
pub fn serve(socket: ListenSocket, file: &Path) -> Result<(), Box<dyn Error>> {
    let database = Connection::open(file)?;
    database.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")?;
    database.execute_batch("CREATE TABLE IF NOT EXISTS visits (at DEFAULT CURRENT_TIMESTAMP)")?;
    let database = Mutex::new(database);
    let port = Port::new()?;
    port.watch_signals()?;
    let listener = port.associate(socket, Mutex::default())?;
    listener.accept_window(AcceptWindow::new(10).connections(1_000), || true)?;
    Workers::new(&port).run(move |port, packet| handle(&database, port, packet))?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let socket = ListenSocket::bind("127.0.0.1:0", 1024)?;
    println!("listening on {}", socket.local_addr()?);
    serve(socket, "visits.db".as_ref())
}
