//! Sends a file to whoever asks, each time as one operation, and fetches it.
//!
//! ```sh
//! cargo run -p overlapped --example file_transfer send FILE
//! # in another terminal:
//! cargo run -p overlapped --example file_transfer fetch ADDRESS TARGET
//! ```
//!
//! First come 8 bytes, the length of the file, and then the file. The crate
//! `overlapped-file-transfer` does the same with names, checksums, limits and what else a transfer
//! needs.

use overlapped::{
    AcceptWindow, FileOptions, ListenSocket, OpenFile, OrPacket, Packet, Port, Protocol, Received,
    TcpSocket, Transmission,
};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

struct Transfer;

impl Protocol for Transfer {
    type Key = ();
    type Operation = ();
    type Message = ();
}

/// A connection on which nothing goes either way for so long is ended.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends `path` to everybody who connects, until the port fails.
pub fn send(socket: ListenSocket, path: &Path) -> io::Result<()> {
    let port = Port::<Transfer>::new()?;
    let file = Arc::new(OpenFile::open(path, &FileOptions::new().read(true))?);
    let length = file.metadata()?.len();
    let listener = port.associate(socket, ())?;
    listener.accept_window(AcceptWindow::new(4), || ())?;
    loop {
        match port.take()? {
            Packet::Accepted { result: Ok(accepted), .. } => {
                // The system sends all of it, and then ends the stream. No thread waits for it.
                let all = Transmission::of(Arc::clone(&file))
                    .range(0, length)
                    .head(length.to_be_bytes().to_vec())
                    .end_stream(true);
                let Ok(stream) = port.associate(accepted.socket, ()) else { continue };
                stream.set_idle_limit(Some(PATIENCE));
                stream.transmit_file(all, ()).or_packet();
            }
            // This receive keeps the connection until the fetcher, who has it all then, closes it.
            Packet::Transmitted { stream, result: Ok(()), .. } => {
                stream.receive_pooled(()).or_packet();
            }
            Packet::Transmitted { result: Err(error), .. }
            | Packet::Accepted { result: Err(error), .. } => {
                eprintln!("somebody did not get the file: {error}");
            }
            _ => {} // the last handle of a connection goes with its packet, and closes it
        }
    }
}

/// Fetches what is sent at `address` into `target`, which must not be there yet.
pub fn fetch(address: SocketAddr, target: &Path) -> io::Result<u64> {
    receive(address, File::create_new(target)?).or_else(|error| {
        fs::remove_file(target)?; // A part is of no use, and in the way of the next try.
        Err(error)
    })
}

fn receive(address: SocketAddr, mut target: File) -> io::Result<u64> {
    let port = Port::<Transfer>::new()?;
    let stream = port.associate(TcpSocket::for_address(address)?, ())?;
    stream.connect(address, (), ())?; // nothing is sent with it
    let mut head = Vec::new();
    let mut written = 0;
    let not_whole = || io::Error::new(ErrorKind::UnexpectedEof, "the file did not come whole");
    loop {
        match port.take_timeout(PATIENCE)? {
            Packet::Connected { stream, result, .. } => {
                result?;
                stream.receive_pooled(())?;
            }
            Packet::Received { stream, buffer, result, .. } => {
                // The end of a stream may also be that of a sender that was stopped.
                let Received::Data(_) = result? else { return Err(not_whole()) };
                // The length may come in pieces, too.
                let (of_head, of_file) = buffer.split_at(buffer.len().min(8 - head.len()));
                head.extend_from_slice(of_head);
                target.write_all(of_file)?;
                written += of_file.len() as u64;
                if let Ok(length) = head[..].try_into().map(u64::from_be_bytes)
                    && written >= length
                {
                    return if written == length { Ok(written) } else { Err(not_whole()) };
                }
                stream.receive_pooled(())?;
            }
            _ => {} // nothing else was started
        }
    }
}

fn main() -> io::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["send", file] => {
            let socket = ListenSocket::bind("127.0.0.1:0", 128)?;
            println!("listening on {}", socket.local_addr()?);
            send(socket, file.as_ref())
        }
        ["fetch", address, target] => {
            let address = address.parse().map_err(io::Error::other)?;
            println!("fetched {} bytes", fetch(address, target.as_ref())?);
            Ok(())
        }
        _ => {
            eprintln!("say what: send FILE, or fetch ADDRESS TARGET");
            std::process::exit(2);
        }
    }
}
