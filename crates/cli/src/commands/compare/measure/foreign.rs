//! A server that a command line starts: one process, which says where it listens or is told.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::servers::PATIENCE;
use crate::children::{Copy, Said};
use crate::platform;

/// Stands for the address in a command.
const ADDRESS: &str = "{address}";

/// What a server that chooses its address itself says first.
const LISTENING: &str = "listening on ";

/// How often a server that was told its address is tried.
const LOOK: Duration = Duration::from_millis(10);

/// The running server.
pub struct Foreign {
    process: Copy,
    /// Read to the end, so that the server can write to it.
    _said: Receiver<Said>,
    address: SocketAddr,
}

impl Foreign {
    /// Starts `words` and waits until it listens.
    pub fn start(words: &[String]) -> anyhow::Result<Self> {
        let (sender, said) = channel();
        let told = words.iter().any(|word| word.contains(ADDRESS));
        let address = if told { Some(free_address()?) } else { None };
        let words: Vec<String> = match address {
            Some(address) => {
                words.iter().map(|word| word.replace(ADDRESS, &address.to_string())).collect()
            }
            None => words.to_vec(),
        };
        let mut process = Copy::foreign(&words, sender, |said| said)?;
        let end = Instant::now() + PATIENCE;
        let address = match address {
            Some(address) => reachable(&mut process, &words[0], address, end)?,
            None => announced(&mut process, &words[0], &said, end)?,
        };
        Ok(Self { process, _said: said, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends it. What it says of its end, and its exit code, are its own affair.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.process.close_input();
        self.process.interrupt();
        let patience = if platform::CAN_ASK_TO_END { PATIENCE } else { Duration::ZERO };
        self.process.wait(patience).map(drop)
    }
}

/// An address of this machine that nobody listens on.
fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    Ok(listener.local_addr()?)
}

/// Waits until `address` can be connected to.
fn reachable(
    process: &mut Copy,
    program: &str,
    address: SocketAddr,
    end: Instant,
) -> anyhow::Result<SocketAddr> {
    while TcpStream::connect_timeout(&address, PATIENCE).is_err() {
        if let Some(status) = process.ended()? {
            anyhow::bail!("{program} did not listen on {address} ({})", platform::ending(status));
        }
        anyhow::ensure!(
            Instant::now() < end,
            "{program} did not listen on {address} within {} s",
            PATIENCE.as_secs()
        );
        std::thread::sleep(LOOK);
    }
    Ok(address)
}

/// Waits for the line that says where it listens.
fn announced(
    process: &mut Copy,
    program: &str,
    said: &Receiver<Said>,
    end: Instant,
) -> anyhow::Result<SocketAddr> {
    match said.recv_timeout(end.saturating_duration_since(Instant::now())) {
        Ok(Said::Line(line)) => {
            let address = line.trim().strip_prefix(LISTENING).and_then(|text| text.parse().ok());
            address.with_context(|| {
                format!(
                    "{program} said '{line}'; its first line has to be '{LISTENING}ADDRESS', or \
                     its command needs {ADDRESS} where the address belongs"
                )
            })
        }
        Ok(Said::End) | Err(RecvTimeoutError::Disconnected) => {
            let status = process.wait(PATIENCE)?;
            anyhow::bail!("{program} has ended ({}) and listened nowhere", platform::ending(status))
        }
        Err(RecvTimeoutError::Timeout) => anyhow::bail!(
            "{program} did not say where it listens within {} s; put {ADDRESS} where the address \
             belongs in its command",
            PATIENCE.as_secs()
        ),
    }
}
