//! A client that asks an echo server and checks what comes back: connect, send and receive are
//! operations of a port.
//!
//! ```sh
//! cargo run -p overlapped --example echo
//! # in another terminal:
//! cargo run -p overlapped --example asking_client ADDRESS hello again
//! ```
//!
//! Each word is one question, asked when the answer to the one before has come.

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

/// A server from which nothing comes for so long has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks each question and gives back their answers: as many bytes as were asked, or more. A
/// question without bytes is an error, since nothing answers it.
pub fn ask(address: SocketAddr, questions: &[Vec<u8>]) -> io::Result<Vec<Vec<u8>>> {
    if questions.iter().any(Vec::is_empty) {
        return Err(io::Error::new(ErrorKind::InvalidInput, "a question without bytes"));
    }
    let port = Port::<Asking>::new()?;
    let socket = TcpSocket::for_address(address)?;
    let stream = port.associate(socket, ())?;
    let mut questions = questions.iter();
    let Some(mut asked) = questions.next().cloned() else { return Ok(Vec::new()) };
    let mut answers = Vec::new();
    let mut answer = Vec::new();
    // The first question goes along with the connect.
    stream.connect(address, asked.clone(), ())?;
    loop {
        match port.take_timeout(PATIENCE)? {
            Packet::Connected { result, stream, .. } | Packet::Sent { result, stream, .. } => {
                result?;
                stream.receive_pooled(())?;
            }
            Packet::Received { stream, buffer, result, .. } => {
                let Received::Data(_) = result? else {
                    let why = "the server ended the connection before its answer was whole";
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, why));
                };
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
    let Some(Ok(address)) = arguments.next().map(|address| address.parse()) else {
        eprintln!("say where: asking_client ADDRESS:PORT WORD...");
        std::process::exit(2);
    };
    let questions: Vec<_> =
        arguments.filter(|word| !word.is_empty()).map(String::into_bytes).collect();
    let answers = ask(address, &questions)?;
    for (question, answer) in questions.iter().zip(&answers) {
        let is_echo = if question == answer { "as it was asked" } else { "something else" };
        println!("{}: {is_echo}", String::from_utf8_lossy(answer));
    }
    if answers == questions { Ok(()) } else { Err(io::Error::other("it does not echo")) }
}
