//! `client`: talks to an echo server line by line.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::net::{SocketAddr, TcpStream};

use clap::Args;

use crate::exit::{Reported, Usage, complain};
use crate::{output, values};

/// The longest message that is sent as one; longer lines go out as several, one after the other.
const LONGEST_MESSAGE: usize = 1_022;

/// Options of `client`.
#[derive(Args, Debug)]
pub struct ClientArguments {
    /// The server: HOST:PORT, or HOST when the port follows.
    #[arg(default_value = "127.0.0.1:12345", value_name = "ADDRESS")]
    address: String,
    /// The server's port, when ADDRESS has none.
    port: Option<u16>,
}

impl ClientArguments {
    fn resolve(&self) -> Result<SocketAddr, Usage> {
        let text = match self.port {
            Some(port) if self.address.contains(':') && !self.address.starts_with('[') => {
                // An IPv6 address without brackets, as in `client ::1 12345`.
                format!("[{}]:{port}", self.address)
            }
            Some(port) => format!("{}:{port}", self.address),
            None => self.address.clone(),
        };
        values::address(&text).map_err(|error| Usage(format!("bad address '{text}': {error}")))
    }
}

/// How a dialogue ended.
enum End {
    /// The user has no more to say.
    Quit,
    /// The connection was lost.
    Lost(io::Error),
}

/// Runs the command.
pub fn run(arguments: ClientArguments) -> anyhow::Result<()> {
    let server = arguments.resolve()?;
    let mut input = io::stdin().lock();
    loop {
        match TcpStream::connect(server) {
            Ok(stream) => {
                output::line("Connected.......")?;
                match converse(&stream, &mut input)? {
                    End::Quit => return Ok(()),
                    End::Lost(error) => {
                        complain(&format!("the connection to {server} was lost: {error}"));
                    }
                }
            }
            Err(error) => complain(&format!(
                "cannot connect to {server}: {error}; start one with `overlapped serve`"
            )),
        }
        output::text("Connect again? (Y, anything else quits): ")?;
        let mut answer = Vec::new();
        input.read_until(b'\n', &mut answer)?;
        if !answer.trim_ascii().eq_ignore_ascii_case(b"y") {
            return Err(Reported.into());
        }
    }
}

/// Sends line after line and prints what comes back, until the user quits or the connection ends.
fn converse(stream: &TcpStream, input: &mut impl BufRead) -> anyhow::Result<End> {
    let mut line = Vec::new();
    loop {
        output::text("Input message(Q to quit): ")?;
        line.clear();
        input.read_until(b'\n', &mut line)?;
        if line.is_empty() || line.trim_ascii_end().eq_ignore_ascii_case(b"q") {
            // Dropping the stream, of which everything was read, ends it gracefully.
            return Ok(End::Quit);
        }
        for message in line.chunks(LONGEST_MESSAGE) {
            let mut echo = vec![0; message.len()];
            if let Err(error) = exchange(stream, message, &mut echo) {
                return Ok(End::Lost(error));
            }
            output::text("Message from server: ")?;
            if io::stdout().is_terminal() {
                // A server may send what controls a terminal.
                output::text(&String::from_utf8_lossy(&echo))?;
            } else {
                output::bytes(&echo)?;
            }
            if echo.last() != Some(&b'\n') {
                output::text("\n")?;
            }
        }
    }
}

/// Sends a message and receives exactly as many bytes.
fn exchange(mut stream: &TcpStream, message: &[u8], echo: &mut [u8]) -> io::Result<()> {
    stream.write_all(message)?;
    stream.read_exact(echo).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "the server closed it"),
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(address: &str, port: Option<u16>) -> Result<SocketAddr, Usage> {
        ClientArguments { address: address.to_owned(), port }.resolve()
    }

    #[test]
    fn both_ways_of_naming_a_server_work() {
        let expected = SocketAddr::from(([127, 0, 0, 1], 5_566));
        assert_eq!(resolve("127.0.0.1:5566", None).expect("an address"), expected);
        assert_eq!(resolve("127.0.0.1", Some(5_566)).expect("an address"), expected);
        assert!(resolve("::1", Some(80)).expect("an address").is_ipv6());
        assert!(resolve("127.0.0.1", None).is_err());
    }
}
