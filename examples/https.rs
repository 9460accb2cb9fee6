//! A web server with TLS, which answers every request with one page. Ctrl-C stops it.
//!
//! It needs a certificate and its key. For a try, make them yourself:
//!
//! ```sh
//! openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost \
//!     -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem
//! cargo run -p examples --example https cert.pem key.pem
//! # in another terminal:
//! curl --cacert cert.pem https://localhost:PORT/
//! ```
//!
//! The address to listen on may follow.

use overlapped::{
    AcceptWindow, ListenSocket, OrPacket, Packet, Port, Protocol, Received, TcpStream, Workers,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{ServerConfig, ServerConnection};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

struct Https;

impl Protocol for Https {
    /// The TLS of a connection; the listener has none. It moves bytes in memory, and the port moves
    /// them over the network.
    type Key = Option<Mutex<Session>>;
    /// Of a send: whether the connection goes on after it.
    type Operation = bool;
    type Message = ();
}

struct Session {
    tls: ServerConnection,
    /// What the client has said, decrypted, since the last whole request.
    request: Vec<u8>,
}

const LONGEST_REQUEST: usize = 16 << 10;
const IDLE_LIMIT: Duration = Duration::from_secs(30);
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";

impl Session {
    /// Takes what was received, answers each request that is whole, and gives what is to be sent.
    /// After an error the connection ends once that is sent, which may be an alert for the client.
    fn receive(&mut self, mut received: &[u8]) -> (Vec<u8>, io::Result<()>) {
        let mut result = Ok(());
        while !received.is_empty() && result.is_ok() {
            result = match self.tls.read_tls(&mut received) {
                // TLS takes nothing after the client's `close_notify`.
                Ok(0) => Err(io::Error::other("it goes on after it has ended")),
                taken => taken.and_then(|_| self.process()),
            };
        }
        let mut to_send = Vec::new();
        while self.tls.wants_write() {
            // A vector takes everything.
            self.tls.write_tls(&mut to_send).expect("a vector has room");
        }
        (to_send, result)
    }

    fn process(&mut self) -> io::Result<()> {
        let state = self.tls.process_new_packets().map_err(io::Error::other)?;
        let known = self.request.len();
        self.request.resize(known + state.plaintext_bytes_to_read(), 0);
        self.tls.reader().read_exact(&mut self.request[known..])?;
        while let Some(end) = self.request.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head: Vec<u8> = self.request.drain(..end + 4).collect();
            let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
            // What follows such a head would be taken for the next request.
            if head.contains("\r\ncontent-length:") || head.contains("\r\ntransfer-encoding:") {
                return Err(io::Error::other("a request with a body"));
            }
            self.tls.writer().write_all(RESPONSE)?;
        }
        match self.request.len() {
            0..LONGEST_REQUEST => Ok(()),
            _ => Err(io::Error::other("the request is too long")),
        }
    }
}

/// Takes what was received, and starts what comes next.
fn go_on(stream: &TcpStream<Https>, received: &[u8]) {
    let Some(session) = stream.key() else { return };
    // A handler that panics loses its connection, and this lock with it: nobody finds it poisoned.
    let (to_send, result) = session.lock().expect("no panic").receive(received);
    let goes_on = result.is_ok();
    if let Err(error) = result {
        eprintln!("a client: {error}");
    }
    if !to_send.is_empty() {
        stream.send(to_send, goes_on).or_packet();
    } else if goes_on {
        stream.receive_pooled(true).or_packet();
    }
}

fn handle(config: &Arc<ServerConfig>, port: &Port<Https>, packet: Packet<Https>) {
    match packet {
        Packet::Accepted { result: Ok(accepted), .. } => {
            let Ok(tls) = ServerConnection::new(Arc::clone(config)) else { return };
            let session = Session { tls, request: Vec::new() };
            if let Ok(stream) = port.associate(accepted.socket, Some(Mutex::new(session))) {
                stream.set_idle_limit(Some(IDLE_LIMIT));
                stream.receive_pooled(true).or_packet();
            }
        }
        Packet::Received { stream, buffer, result: Ok(Received::Data(_)), .. } => {
            go_on(&stream, &buffer);
        }
        // Received only now, so a client that does not read is not answered any more.
        Packet::Sent { stream, operation: true, result: Ok(()), .. } => {
            stream.receive_pooled(true).or_packet();
        }
        // The end, an error, or idle for too long: the connection goes with its last handle,
        // without a `close_notify`: every response says how long it is.
        _ => {}
    }
}

/// The certificate chain and the private key, from PEM files.
pub fn config(certificate: &Path, key: &Path) -> Result<ServerConfig, Box<dyn std::error::Error>> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    Ok(ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?)
}

/// Serves until Ctrl-C: `Workers::run` ends at a signal, and the handler sees none.
pub fn serve(socket: ListenSocket, config: ServerConfig) -> io::Result<()> {
    let port = Port::new()?;
    port.watch_signals()?;
    let listener = port.associate(socket, None)?;
    listener.accept_window(AcceptWindow::new(10).connections(10_000), || true)?;
    let config = Arc::new(config);
    Workers::new(&port).run(move |port, packet| handle(&config, port, packet))?;
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [certificate, key, rest @ ..] = &arguments[..] else {
        eprintln!("say which: https CERTIFICATE KEY [ADDRESS]");
        std::process::exit(2);
    };
    let address = rest.first().map_or("127.0.0.1:0", String::as_str);
    let socket = ListenSocket::bind(address, 1024)?;
    println!("listening on {}", socket.local_addr()?);
    Ok(serve(socket, config(certificate.as_ref(), key.as_ref())?)?)
}
