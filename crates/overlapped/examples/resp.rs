//! A store of keys and values in memory that speaks the protocol of Redis.
//!
//! Run it with `cargo run --release -p overlapped --example resp [ADDRESS]`, and then `redis-cli -p PORT`, or
//! `redis-benchmark -p PORT -t get,set -P 16`. It knows GET, SET and PING. Ctrl-C stops it.

use overlapped::{AcceptWindow, Buffer, ListenSocket, OrPacket, Packet, Port, Protocol};
use overlapped::{Received, TcpStream, Workers};
use std::{collections::HashMap, io, sync::Mutex};

struct Resp;

impl Protocol for Resp {
    type Key = ();
    /// A send has the buffer of what is not answered yet, into which the next receive appends.
    type Operation = Option<Buffer>;
    type Message = ();
}

type Values = HashMap<Vec<u8>, Vec<u8>>;
/// The room that a connection receives into. A command has to fit into it.
const ROOM: usize = 64 << 10;

/// Why there is no command to take.
enum Stop {
    Incomplete,
    Malformed,
}

/// Takes a line of a mark and a number off the front of `rest`.
fn take_number(rest: &mut &[u8], mark: u8) -> Result<usize, Stop> {
    let end = rest.iter().position(|&byte| byte == b'\n').ok_or(Stop::Incomplete)?;
    let digits = rest[..end].strip_prefix(&[mark]).and_then(|line| line.strip_suffix(b"\r"));
    *rest = &rest[end + 1..];
    let number = digits.and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
    number.filter(|&number| number < ROOM).ok_or(Stop::Malformed)
}

/// Takes one command off the front of `rest`. Its words stay where they are.
fn take_command<'a>(rest: &mut &'a [u8]) -> Result<Vec<&'a [u8]>, Stop> {
    let (mut ahead, mut words) = (*rest, Vec::with_capacity(3));
    for _ in 0..take_number(&mut ahead, b'*')? {
        let length = take_number(&mut ahead, b'$')?;
        let (word, after) = ahead.split_at_checked(length + 2).ok_or(Stop::Incomplete)?;
        words.push(word.strip_suffix(b"\r\n").ok_or(Stop::Malformed)?);
        ahead = after;
    }
    *rest = ahead;
    Ok(words)
}

fn answer(values: &mut Values, words: &[&[u8]], out: &mut Vec<u8>) {
    let Some((name, words)) = words.split_first() else { return };
    match (name.to_ascii_lowercase().as_slice(), words) {
        (b"get", [key]) => match values.get(*key) {
            Some(value) => {
                out.extend_from_slice(format!("${}\r\n", value.len()).as_bytes());
                out.extend_from_slice(value);
                out.extend_from_slice(b"\r\n");
            }
            None => out.extend_from_slice(b"$-1\r\n"),
        },
        (b"set", [key, value]) => {
            values.insert(key.to_vec(), value.to_vec());
            out.extend_from_slice(b"+OK\r\n");
        }
        (b"ping", []) => out.extend_from_slice(b"+PONG\r\n"),
        _ => out.extend_from_slice(b"-ERR unknown command\r\n"),
    }
}

/// Answers every command that is whole in `input` by one send, which may be empty, and keeps the rest.
fn answer_all(values: &Mutex<Values>, stream: &TcpStream<Resp>, mut input: Buffer) {
    let (mut rest, mut out) = (&input[..], Vec::with_capacity(512));
    loop {
        match take_command(&mut rest) {
            Ok(words) => answer(&mut values.lock().expect("no panic"), &words, &mut out),
            Err(Stop::Incomplete) => break,
            Err(Stop::Malformed) => return stream.close(),
        }
    }
    let answered = input.len() - rest.len();
    input.copy_within(answered.., 0);
    input.truncate(input.len() - answered);
    stream.send(out, Some(input)).or_packet();
}

fn handle(values: &Mutex<Values>, port: &Port<Resp>, packet: Packet<Resp>) {
    match packet {
        Packet::Accepted { result: Ok(accepted), .. } => {
            if let Ok(stream) = port.associate(accepted.socket, ()) {
                stream.receive_append(Buffer::with_capacity(ROOM), None).or_packet();
            }
        }
        Packet::Received { stream, buffer, result: Ok(Received::Data(_)), .. } => {
            answer_all(values, &stream, buffer);
        }
        Packet::Sent { stream, operation: Some(input), result: Ok(()), .. } => {
            stream.receive_append(input, None).or_packet();
        }
        // The end, or an error, as of a receive without room: the last handle closes the connection.
        _ => {}
    }
}

/// Serves until Ctrl-C.
pub fn serve(socket: ListenSocket) -> io::Result<()> {
    let port = Port::new()?;
    port.watch_signals()?;
    port.associate(socket, ())?.accept_window(AcceptWindow::new(10), || None)?;
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
