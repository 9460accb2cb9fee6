//! A store of keys and values in memory, without a limit, that speaks the protocol of Redis: GET,
//! SET and PING. Ctrl-C stops it.
//!
//! ```sh
//! cargo run --release -p overlapped --example resp
//! # in another terminal:
//! redis-cli -p PORT set key value
//! redis-benchmark -p PORT -t get,set -P 16
//! ```
//!
//! It also takes an address to listen on.

use overlapped::{
    AcceptWindow, Buffer, ListenSocket, OrPacket, Packet, Port, Protocol, Received, TcpStream,
    Workers,
};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io::{self, ErrorKind};

struct Resp;

impl Protocol for Resp {
    type Key = ();
    /// Travels with a send: what came and is not answered yet. The next receive appends to it.
    type Operation = Option<Buffer>;
    type Message = ();
}

type Values = HashMap<Vec<u8>, Vec<u8>>;
/// The room that a connection receives into. A command has to fit into it.
const ROOM: usize = 64 << 10;

/// Takes a line of a mark and a number off the front of `rest`, once it is whole.
fn take_number(rest: &mut &[u8], mark: u8) -> Result<usize, ErrorKind> {
    let end = rest.iter().position(|&byte| byte == b'\n').ok_or(ErrorKind::UnexpectedEof)?;
    let digits = rest[..end].strip_prefix(&[mark]).and_then(|line| line.strip_suffix(b"\r"));
    *rest = &rest[end + 1..];
    let number = digits.and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
    number.filter(|&number| number < ROOM).ok_or(ErrorKind::InvalidData)
}

/// Takes one command off the front of `rest`. Its words stay where they are.
fn take_command<'a>(rest: &mut &'a [u8]) -> Result<Vec<&'a [u8]>, ErrorKind> {
    let mut ahead = *rest;
    let mut words = Vec::new();
    for _ in 0..take_number(&mut ahead, b'*')? {
        let length = take_number(&mut ahead, b'$')?;
        let (word, after) = ahead.split_at_checked(length + 2).ok_or(ErrorKind::UnexpectedEof)?;
        words.push(word.strip_suffix(b"\r\n").ok_or(ErrorKind::InvalidData)?);
        ahead = after;
    }
    *rest = ahead;
    Ok(words)
}

fn answer(values: &mut Values, words: &[&[u8]]) -> Vec<u8> {
    let Some((name, words)) = words.split_first() else { return Vec::new() };
    match (name.to_ascii_lowercase().as_slice(), words) {
        (b"get", [key]) => match values.get(*key) {
            Some(value) => [format!("${}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat(),
            None => b"$-1\r\n".to_vec(),
        },
        (b"set", [key, value]) => {
            values.insert(key.to_vec(), value.to_vec());
            b"+OK\r\n".to_vec()
        }
        (b"ping", []) => b"+PONG\r\n".to_vec(),
        _ => b"-ERR unknown command\r\n".to_vec(),
    }
}

/// Answers whole commands in `input`, as many as fit into one send, or else receives more.
fn go_on(values: &Mutex<Values>, stream: &TcpStream<Resp>, mut input: Buffer) {
    let mut rest = &input[..];
    let mut out = Vec::new();
    while out.len() < ROOM {
        match take_command(&mut rest) {
            Ok(words) => out.extend(answer(&mut values.lock(), &words)),
            Err(ErrorKind::UnexpectedEof) => break,
            Err(_) => {
                stream.send(out, None).or_packet(); // the last one, since no input goes with it
                return;
            }
        }
    }
    let answered = input.len() - rest.len();
    input.copy_within(answered.., 0);
    input.truncate(input.len() - answered);
    if out.is_empty() {
        stream.receive_append(input, None).or_packet();
    } else {
        stream.send(out, Some(input)).or_packet();
    }
}

fn handle(values: &Mutex<Values>, port: &Port<Resp>, packet: Packet<Resp>) {
    match packet {
        Packet::Accepted { result: Ok(accepted), .. } => {
            let Ok(stream) = port.associate(accepted.socket, ()) else { return };
            stream.receive_append(Buffer::with_capacity(ROOM), None).or_packet();
        }
        Packet::Received { stream, buffer: input, result: Ok(Received::Data(_)), .. }
        | Packet::Sent { stream, operation: Some(input), result: Ok(()), .. } => {
            go_on(values, &stream, input);
        }
        // The end, an error, or no room left for a command: the last handle closes the connection.
        _ => {}
    }
}

/// Serves until Ctrl-C: `Workers::run` ends at a signal, and the handler sees none.
pub fn serve(socket: ListenSocket) -> io::Result<()> {
    let port = Port::new()?;
    port.watch_signals()?;
    let listener = port.associate(socket, ())?;
    listener.accept_window(AcceptWindow::new(10).connections(1_000), || None)?;
    let values = Mutex::default();
    Workers::new(&port).run(move |port, packet| handle(&values, port, packet))?;
    Ok(())
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:0".into());
    let socket = ListenSocket::bind(address, 1024)?;
    println!("listening on {}", socket.local_addr()?);
    serve(socket)
}
