//! A client that asks an echo server and checks what comes back: connect, send and receive are
//! operations of a port.
//!
//! Run it with `cargo run -p overlapped --example asking_client ADDRESS WORD...`; a server is
//! `cargo run -p overlapped --example echo`. Each word is one question, asked when the answer to the one
//! before has come.

use overlapped::{Packet, Port, Protocol, Received, TcpSocket};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

struct Asking;

impl Protocol for Asking {
    type Key = ();
    type Operation = ();
    type Message = ();
}

/// A server that says nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks each question that is not empty, and gives back their answers: as many bytes as were asked, or more.
pub fn ask(address: SocketAddr, questions: &[Vec<u8>]) -> io::Result<Vec<Vec<u8>>> {
    let port = Port::<Asking>::new()?;
    let socket = TcpSocket::for_address(address)?;
    let stream = port.associate(socket, ())?;
    let mut questions = questions.iter().filter(|question| !question.is_empty());
    let Some(mut asked) = questions.next().cloned() else { return Ok(Vec::new()) };
    let (mut answers, mut answer) = (Vec::new(), Vec::new());
    // The first question goes along with the connect.
    stream.connect(address, asked.clone(), ())?;
    loop {
        match port.take_timeout(PATIENCE)? {
            Packet::Connected { result, stream, .. } | Packet::Sent { result, stream, .. } => {
                result?;
                stream.receive_pooled(())?;
            }
            Packet::Received { stream, buffer, result, .. } => {
                if result? == Received::End {
                    let why = "the server ended the connection before its answer was whole";
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, why));
                }
                // TCP keeps the order of bytes, and not what was sent together.
                answer.extend_from_slice(&buffer);
                if answer.len() < asked.len() {
                    stream.receive_pooled(())?;
                    continue;
                }
                answers.push(std::mem::take(&mut answer));
                match questions.next() {
                    None => return Ok(answers),
                    Some(next) => asked = next.clone(),
                }
                stream.send(asked.clone(), ())?;
            }
            // Nothing else was started.
            _ => {}
        }
    }
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_default().parse().map_err(|_| {
        io::Error::new(ErrorKind::InvalidInput, "say where: asking_client ADDRESS:PORT WORD...")
    })?;
    let questions: Vec<_> =
        arguments.filter(|word| !word.is_empty()).map(String::into_bytes).collect();
    for (question, answer) in questions.iter().zip(ask(address, &questions)?) {
        let is_echo = if *question == answer { "as it was asked" } else { "something else" };
        println!("{}: {is_echo}", String::from_utf8_lossy(&answer));
    }
    Ok(())
}
