//! Clients that ask without a pause, or at a pace, and note whatever is not as it should be.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::handing_over::{World, contents};
use crate::process::{PATIENCE, Running};

/// How a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// For a page, on one connection until the server says that it ends.
    Kept,
    /// For a page, each time on a new connection.
    Fresh,
    /// For a large file, on one connection until the server says that it ends.
    Large,
    /// For echoes, twenty on a connection.
    Echo,
    /// For an echo, each time on a new connection.
    EchoOnce,
}

trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// A connection, with or without TLS.
pub struct Connection {
    stream: Box<dyn Stream>,
    ahead: Vec<u8>,
}

impl Connection {
    pub fn open(address: SocketAddr, trust: Option<Arc<ClientConfig>>) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let stream: Box<dyn Stream> = match trust {
            None => Box::new(stream),
            Some(trust) => {
                let name = "localhost".try_into().expect("a name");
                let tls = ClientConnection::new(trust, name).map_err(io::Error::other)?;
                Box::new(StreamOwned::new(tls, stream))
            }
        };
        Ok(Self { stream, ahead: Vec::new() })
    }

    pub fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush())
    }

    /// Reads just these bytes.
    pub fn hear(&mut self, expected: &[u8]) -> io::Result<()> {
        let mut heard = vec![0; expected.len()];
        self.stream.read_exact(&mut heard)?;
        if heard == expected { Ok(()) } else { Err(io::Error::other("other bytes came back")) }
    }

    pub fn echo(&mut self, message: &[u8]) -> io::Result<()> {
        self.say(message)?;
        self.hear(message)
    }

    /// Gets a file, whole; whether the server says that this was the last answer.
    pub fn get(&mut self, name: &str) -> io::Result<bool> {
        self.say(format!("GET /{name} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
        let end = loop {
            match self.ahead.windows(4).position(|four| four == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => self.more()?,
            }
        };
        let head = String::from_utf8_lossy(&self.ahead[..end]).to_lowercase();
        let expected = contents(name);
        let length = format!("\r\ncontent-length: {}\r\n", expected.len());
        if !head.starts_with("http/1.1 200 ") || !head.contains(&length) {
            return Err(io::Error::other(head));
        }
        while self.ahead.len() < end + expected.len() {
            self.more()?;
        }
        if self.ahead[end..] != expected {
            return Err(io::Error::other("another body"));
        }
        self.ahead.clear();
        Ok(head.contains("\r\nconnection: close\r\n"))
    }

    fn more(&mut self) -> io::Result<()> {
        let mut piece = [0; 16 * 1024];
        let length = self.stream.read(&mut piece)?;
        self.ahead.extend_from_slice(&piece[..length]);
        if length > 0 { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// That nothing comes but a graceful end.
    pub fn ends(mut self) -> io::Result<()> {
        match self.stream.read(&mut [0; 16])? {
            0 => Ok(()),
            _ => Err(io::Error::other("more came after the last answer")),
        }
    }
}

/// Clients, and what they saw.
pub struct Clients {
    kinds: Vec<Kind>,
    trust: Option<Arc<ClientConfig>>,
    /// The time from one request of a client to the next.
    pace: Option<Duration>,
    /// Answers of each client.
    answers: Vec<AtomicU64>,
    connections: AtomicU64,
    faults: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

impl Clients {
    pub fn new(kinds: &[Kind]) -> Self {
        Self {
            kinds: kinds.to_vec(),
            trust: None,
            pace: None,
            answers: kinds.iter().map(|_| AtomicU64::new(0)).collect(),
            connections: AtomicU64::new(0),
            faults: Mutex::default(),
            is_over: AtomicBool::new(false),
        }
    }

    pub fn over_tls(world: &World, kinds: &[Kind]) -> Self {
        Self { trust: Some(world.trust()), ..Self::new(kinds) }
    }

    pub fn paced(self, pace: Duration) -> Self {
        Self { pace: Some(pace), ..self }
    }

    /// Lets them ask while `then` runs. It gives the server that has their connections when they go.
    pub fn go_to(&self, address: SocketAddr, then: impl FnOnce() -> Running) {
        let server = thread::scope(|scope| {
            // Whatever fails, they end.
            let over = Over(&self.is_over);
            for number in 0..self.kinds.len() {
                scope.spawn(move || self.ask(number, address));
            }
            let server = then();
            drop(over);
            server
        });
        assert_eq!(server.interrupt().code(), 0);
    }

    /// Waits until each client has had so many answers more.
    pub fn wait_for_more(&self, answers: u64) {
        let all = || self.answers.iter().map(|count| count.load(Ordering::SeqCst));
        let wanted: Vec<u64> = all().map(|count| count + answers).collect();
        let deadline = Instant::now() + PATIENCE;
        while all().zip(&wanted).any(|(count, wanted)| count < *wanted) {
            self.assert_content();
            assert!(Instant::now() < deadline, "{:?} of {wanted:?}", all().collect::<Vec<_>>());
            thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// That nobody was refused, and every answer was whole.
    pub fn assert_content(&self) {
        let faults = self.faults.lock().expect("no panic");
        assert!(faults.is_empty(), "{} faults, such as {:?}", faults.len(), faults.first());
    }

    /// What there was, in a line.
    pub fn said(&self, took: Duration) -> String {
        let answers: u64 = self.answers.iter().map(|count| count.load(Ordering::SeqCst)).sum();
        format!(
            "{answers} answers on {} connections in {took:.1?}, {:.0} a second, {} faults",
            self.connections.load(Ordering::SeqCst),
            answers as f64 / took.as_secs_f64(),
            self.faults.lock().expect("no panic").len()
        )
    }

    fn ask(&self, number: usize, address: SocketAddr) {
        let kind = self.kinds[number];
        let mut connection = None;
        let mut due = Instant::now();
        let mut round = 0_u32;
        while !self.is_over.load(Ordering::SeqCst) {
            if let Some(pace) = self.pace {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                due += pace;
            }
            round += 1;
            match self.ask_once(kind, &mut connection, address, round) {
                Ok(()) => drop(self.answers[number].fetch_add(1, Ordering::SeqCst)),
                Err(error) => {
                    connection = None;
                    let fault = format!("{kind:?}, request {round}: {error} ({:?})", error.kind());
                    self.faults.lock().expect("no panic").push(fault);
                }
            }
        }
    }

    fn ask_once(
        &self,
        kind: Kind,
        kept: &mut Option<Connection>,
        address: SocketAddr,
        round: u32,
    ) -> io::Result<()> {
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => {
                self.connections.fetch_add(1, Ordering::SeqCst);
                Connection::open(address, self.trust.clone())?
            }
        };
        let message = [round as u8; 100];
        let goes_on = match kind {
            Kind::Kept | Kind::Fresh => !connection.get("page")?,
            Kind::Large => !connection.get("large")?,
            Kind::Echo | Kind::EchoOnce => {
                connection.echo(&message)?;
                !round.is_multiple_of(20)
            }
        };
        match kind {
            Kind::Fresh | Kind::EchoOnce => {}
            Kind::Kept | Kind::Large if !goes_on => connection.ends()?,
            _ if goes_on => *kept = Some(connection),
            _ => {}
        }
        Ok(())
    }
}

/// Ends the clients when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
