//! One connection: what its messages contain, sending them, checking the echo.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send, sockopt};

/// First byte of the messages of a light connection.
pub const LIGHT: u8 = b'L';
/// First byte of the messages of a hot connection.
pub const HOT: u8 = b'H';

/// Fills `message` with what connection `number` sends as its message `sequence`.
///
/// No word depends on the one before it, so that this is cheap beside the system calls.
pub fn fill(message: &mut [u8], kind: u8, number: u64, sequence: u64) {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut word = ((number << 40) ^ sequence).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mut chunks = message.chunks_exact_mut(8);
    for chunk in &mut chunks {
        word = word.wrapping_add(STEP);
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    let rest = chunks.into_remainder();
    let last = word.wrapping_add(STEP).to_le_bytes();
    rest.copy_from_slice(&last[..rest.len()]);
    message[0] = kind;
}

/// Room that the connections of a run share, since only one is at work at a time.
pub struct Scratch {
    /// Messages being built for sending, or the one that is expected.
    message: Vec<u8>,
    /// What was received.
    received: Vec<u8>,
}

impl Scratch {
    /// Room for `count` messages of `size` bytes at a time.
    pub fn new(size: usize, count: usize) -> Self {
        let received = (size * count).max(4096) + 1;
        Self { message: vec![0; size * count], received: vec![0; received] }
    }
}

/// A connection to the server, its messages in flight and its place in the stream.
pub struct Connection {
    socket: OwnedFd,
    kind: u8,
    number: u64,
    size: usize,
    /// Messages given to `send` so far.
    sent: u64,
    /// Bytes of the echo seen so far.
    echoed: u64,
    /// What the socket has not taken yet.
    unsent: Vec<u8>,
    /// When each message in flight was to be sent, in nanoseconds of the run's clock.
    intended_ns: VecDeque<u64>,
}

impl Connection {
    /// Connects to `server` from `source`, if one is given.
    pub fn open(
        server: SocketAddr,
        source: Option<IpAddr>,
        kind: u8,
        number: u64,
        size: usize,
    ) -> anyhow::Result<Self> {
        let connect = || -> std::io::Result<OwnedFd> {
            let domain = socket2::Domain::for_address(server);
            let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
            if let Some(source) = source {
                socket.bind(&SocketAddr::new(source, 0).into())?;
            }
            socket.connect(&server.into())?;
            socket.set_nonblocking(true)?;
            socket.set_tcp_nodelay(true)?;
            Ok(socket.into())
        };
        let socket = connect().with_context(|| format!("cannot connect to {server}"))?;
        // Closing with a reset leaves nothing behind in TIME_WAIT, which would slow the runs that
        // follow.
        sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
        Ok(Self {
            socket,
            kind,
            number,
            size,
            sent: 0,
            echoed: 0,
            unsent: Vec::new(),
            intended_ns: VecDeque::new(),
        })
    }

    /// The socket.
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether the connection sends hot messages.
    pub fn is_hot(&self) -> bool {
        self.kind == HOT
    }

    /// Messages whose echo is not back.
    pub fn in_flight(&self) -> usize {
        self.intended_ns.len()
    }

    /// Sends `count` messages that were to be sent at `intended_ns`.
    pub fn send(
        &mut self,
        count: usize,
        intended_ns: u64,
        scratch: &mut Scratch,
    ) -> anyhow::Result<()> {
        let messages = &mut scratch.message[..count * self.size];
        for message in messages.chunks_mut(self.size) {
            fill(message, self.kind, self.number, self.sent);
            self.sent += 1;
            self.intended_ns.push_back(intended_ns);
        }
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(messages);
            return self.flush();
        }
        let sent = match send(&self.socket, messages, SendFlags::NOSIGNAL) {
            Ok(sent) => sent,
            Err(Errno::AGAIN) => 0,
            Err(error) => return Err(error).context("cannot send to the server"),
        };
        self.unsent.extend_from_slice(&messages[sent..]);
        Ok(())
    }

    /// Sends what the socket did not take before.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        while !self.unsent.is_empty() {
            match send(&self.socket, &self.unsent, SendFlags::NOSIGNAL) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error).context("cannot send to the server"),
            }
        }
        Ok(())
    }

    /// Reads until nothing is left, compares every byte with what was sent, and calls `echoed` with
    /// the intended sending time of each message that is complete now. Returns how many that were.
    pub fn receive(
        &mut self,
        scratch: &mut Scratch,
        mut echoed: impl FnMut(u64),
    ) -> anyhow::Result<usize> {
        let mut complete = 0;
        loop {
            let count = match recv(&self.socket, &mut *scratch.received, RecvFlags::empty()) {
                Ok((0, _)) => bail!("the server closed connection {}", self.number),
                Ok((count, _)) => count,
                Err(Errno::AGAIN) => return Ok(complete),
                Err(error) => return Err(error).context("cannot receive from the server"),
            };
            complete +=
                self.check(&mut scratch.message, &scratch.received[..count], &mut echoed)?;
            if count < scratch.received.len() {
                return Ok(complete);
            }
        }
    }

    fn check(
        &mut self,
        expected: &mut [u8],
        mut bytes: &[u8],
        echoed: &mut impl FnMut(u64),
    ) -> anyhow::Result<usize> {
        let expected = &mut expected[..self.size];
        let mut complete = 0;
        while !bytes.is_empty() {
            let sequence = self.echoed / self.size as u64;
            let offset = (self.echoed % self.size as u64) as usize;
            let count = bytes.len().min(self.size - offset);
            fill(expected, self.kind, self.number, sequence);
            if sequence >= self.sent || bytes[..count] != expected[offset..offset + count] {
                bail!("message {sequence} of connection {} came back wrong", self.number);
            }
            self.echoed += count as u64;
            bytes = &bytes[count..];
            if offset + count == self.size {
                let intended = self.intended_ns.pop_front();
                echoed(intended.context("an echo came back for a message that was not sent")?);
                complete += 1;
            }
        }
        Ok(complete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    fn message(kind: u8, number: u64, sequence: u64) -> [u8; 20] {
        let mut bytes = [0; 20];
        fill(&mut bytes, kind, number, sequence);
        bytes
    }

    #[test]
    fn contents_differ_by_connection_and_sequence() {
        let one = message(LIGHT, 1, 1);
        assert_eq!(one, message(LIGHT, 1, 1));
        assert_ne!(one, message(LIGHT, 1, 2));
        assert_ne!(one, message(LIGHT, 2, 1));
        assert_eq!(one[0], LIGHT);
        assert_eq!(message(HOT, 1, 1)[0], HOT);
    }

    /// A connection and the socket at its other end.
    fn pair(size: usize) -> (Connection, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("its address");
        let connection = Connection::open(address, None, LIGHT, 3, size).expect("a connection");
        (connection, listener.accept().expect("its other end").0)
    }

    /// Receives until `count` messages are complete.
    fn receive(connection: &mut Connection, scratch: &mut Scratch, count: usize) -> Vec<u64> {
        let mut intended = Vec::new();
        while intended.len() < count {
            let mut ready =
                [rustix::event::PollFd::new(&connection.socket, rustix::event::PollFlags::IN)];
            rustix::event::poll(&mut ready, None).expect("poll");
            connection.receive(scratch, |ns| intended.push(ns)).expect("the right echo");
        }
        intended
    }

    #[test]
    fn an_echo_in_pieces_is_complete_once() {
        let (mut connection, mut server) = pair(20);
        let mut scratch = Scratch::new(20, 2);
        connection.send(2, 7, &mut scratch).expect("sent");
        assert_eq!(connection.in_flight(), 2);
        let mut bytes = [0; 40];
        server.read_exact(&mut bytes).expect("both messages");
        server.write_all(&bytes[..13]).expect("a piece");
        server.write_all(&bytes[13..25]).expect("a piece");
        assert_eq!(receive(&mut connection, &mut scratch, 1), [7]);
        server.write_all(&bytes[25..]).expect("the rest");
        assert_eq!(receive(&mut connection, &mut scratch, 1), [7]);
        assert_eq!(connection.in_flight(), 0);
    }

    #[test]
    fn a_changed_byte_is_seen() {
        let (mut connection, _server) = pair(20);
        let mut expected = vec![0; 20];
        let mut bytes = message(LIGHT, 3, 0);
        connection.sent = 1;
        connection.intended_ns.push_back(1);
        bytes[19] ^= 1;
        let error = connection.check(&mut expected, &bytes, &mut |_| {}).expect_err("wrong echo");
        assert!(error.to_string().contains("message 0 of connection 3"), "{error}");
    }

    #[test]
    fn an_echo_of_nothing_is_seen() {
        let (mut connection, _server) = pair(20);
        let mut expected = vec![0; 20];
        let bytes = message(LIGHT, 3, 0);
        assert!(connection.check(&mut expected, &bytes, &mut |_| {}).is_err());
    }
}
