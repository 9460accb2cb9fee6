//! The server of docs/tutorial.md: frames with their length in front, back-pressure, an idle limit,
//! and a graceful stop. Ctrl-C stops it.
//!
//! ```sh
//! cargo run -p overlapped --example framed
//! # in another terminal:
//! printf '\0\0\0\5hello' | nc -q 1 127.0.0.1 PORT
//! ```

use overlapped::{
    AcceptWindow, ListenSocket, OrPacket, Packet, Port, Protocol, Received, TcpStream, Workers,
    is_timed_out,
};
use std::io;
use std::sync::Mutex;
use std::time::Duration;

struct Framed;

impl Protocol for Framed {
    /// What was received on a connection and is not a whole frame yet.
    type Key = Mutex<Vec<u8>>;
    type Operation = ();
    type Message = ();
}

const LONGEST_FRAME: usize = 64 << 10;

/// Takes one frame off the front, if it is whole: 4 bytes with its length, big-endian, and as many
/// bytes.
fn take_frame(received: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let Some((length, rest)) = received.split_first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    if length > LONGEST_FRAME {
        let error = format!("a frame of {length} bytes; the longest is {LONGEST_FRAME}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, error));
    }
    let Some(frame) = rest.get(..length).map(<[u8]>::to_vec) else { return Ok(None) };
    received.drain(..4 + length);
    Ok(Some(frame))
}

/// What your server does with a frame. It may block.
fn answer(frame: &[u8]) -> Vec<u8> {
    frame.to_ascii_uppercase()
}

/// Answers every frame that is whole now, or receives more if there is none.
fn go_on(stream: &TcpStream<Framed>, bytes: &[u8]) {
    // A handler that panics loses its connection, and this lock with it: nobody finds it poisoned.
    let mut received = stream.key().lock().expect("no panic");
    received.extend_from_slice(bytes);
    let mut answers = Vec::new();
    let wrong = loop {
        match take_frame(&mut received) {
            Ok(Some(frame)) => {
                let answer = answer(&frame);
                answers.extend_from_slice(&(answer.len() as u32).to_be_bytes());
                answers.extend_from_slice(&answer);
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    if !answers.is_empty() {
        // Nothing is received until this is sent. So a client that does not read its answers is not
        // asked for more.
        stream.send(answers, ()).or_packet();
    } else if wrong.is_none() {
        stream.receive_pooled(()).or_packet();
    }
    if let Some(error) = wrong {
        eprintln!("a client sent {error}");
        // `close` takes back what the system has not taken of the send. What it has taken goes out,
        // unless the client is still sending; `abort` would drop that, too.
        stream.close();
    }
}

fn handle(port: &Port<Framed>, packet: Packet<Framed>, idle_limit: Duration) {
    match packet {
        Packet::Accepted { result: Ok(accepted), .. } => {
            if let Ok(stream) = port.associate(accepted.socket, Mutex::default()) {
                stream.set_idle_limit(Some(idle_limit));
                stream.receive_pooled(()).or_packet();
            }
        }
        Packet::Received { stream, buffer, result: Ok(Received::Data(_)), .. } => {
            go_on(&stream, &buffer);
        }
        Packet::Sent { stream, result: Ok(()), .. } => {
            stream.receive_pooled(()).or_packet();
        }
        Packet::Received { result: Err(error), .. } if is_timed_out(&error) => {
            eprintln!("a client said nothing for {idle_limit:?}");
        }
        // The end, or another error: the connection's last handle goes, and closes it.
        _ => {}
    }
}

/// Serves until Ctrl-C: `Workers::run` ends at a signal, and the handler sees none.
pub fn serve(socket: ListenSocket, idle_limit: Duration) -> io::Result<()> {
    let port = Port::new()?;
    port.watch_signals()?;
    let listener = port.associate(socket, Mutex::default())?;
    listener.accept_window(AcceptWindow::new(10).connections(1_000), || ())?;
    // After the signal nobody is accepted. Handlers and sends have 5 s to end, and what clients
    // send meanwhile is answered; then all connections are closed.
    let workers = Workers::new(&port).stop_within(Duration::from_secs(5));
    let report = workers.run(move |port, packet| handle(port, packet, idle_limit))?;
    let left = report.in_handler + report.discarded;
    println!("stopped; handlers and packets that were left: {left}");
    Ok(())
}

fn main() -> io::Result<()> {
    let socket = ListenSocket::bind("127.0.0.1:0", 1024)?;
    println!("listening on {}", socket.local_addr()?);
    serve(socket, Duration::from_secs(60))
}
