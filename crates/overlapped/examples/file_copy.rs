//! Copies a file by reads and writes in flight on one port.
//!
//! ```sh
//! cargo run -p overlapped --example file_copy SOURCE TARGET
//! ```
//!
//! Each of a few slots reads a block, writes it to the same place, and goes on with the next block.
//! So blocks complete in any order, and nothing waits for anything but its own block. The crate
//! `overlapped-copy` does the same with holes, times, permissions and what else a copy needs.

use overlapped::{Buffer, File, FileOptions, OpenFile, Packet, Port, Protocol};
use std::io::{self, ErrorKind};
use std::path::Path;

struct Copying;

impl Protocol for Copying {
    type Key = ();
    /// Where the block begins.
    type Operation = u64;
    type Message = ();
}

/// How many blocks are on their way at a time, and how large each is.
const SLOTS: usize = 4;
const BLOCK: usize = 256 << 10;

/// What is left to do.
struct Rest {
    source: File<Copying>,
    size: u64,
    next: u64,
    /// Blocks that are being read or written.
    busy_slots: usize,
}

impl Rest {
    /// Starts to read the next block into `buffer`, if there is one.
    fn read_next(&mut self, buffer: Buffer) -> io::Result<()> {
        if self.next < self.size {
            let offset = self.next;
            // The offset is also the operation, and so comes back with the packet.
            self.source.read_at(buffer, offset, offset)?;
            self.next += BLOCK as u64;
            self.busy_slots += 1;
        }
        Ok(())
    }
}

/// Copies, and gives the number of bytes. What an error leaves of the target stays.
pub fn copy(source: &Path, target: &Path) -> io::Result<u64> {
    let port = Port::<Copying>::new()?;
    let source = OpenFile::open(source, &FileOptions::new().read(true))?;
    let size = source.metadata()?.len();
    // An existing target is not overwritten.
    let options = FileOptions::new().write(true).create_new(true);
    let target = port.associate(OpenFile::open(target, &options)?, ())?;
    let mut rest = Rest { source: port.associate(source, ())?, size, next: 0, busy_slots: 0 };
    for _ in 0..SLOTS {
        rest.read_next(Buffer::with_capacity(BLOCK))?;
    }
    let mut copied = 0;
    while rest.busy_slots > 0 {
        match port.take()? {
            Packet::Read { buffer, operation: offset, result, .. } => {
                // A read is short only at the end of the file.
                let expected = (size - offset).min(BLOCK as u64);
                if (result? as u64) < expected {
                    let why = "the source became shorter while it was copied";
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, why));
                }
                target.write_at(buffer, offset, offset)?;
            }
            Packet::Written { buffer, transferred, result, .. } => {
                result?; // A write that did not take the whole block is an error.
                copied += transferred as u64;
                rest.busy_slots -= 1;
                rest.read_next(buffer)?;
            }
            // Nothing else was started.
            _ => {}
        }
    }
    // A copy that is told as done shall be on the disk.
    target.flush(0)?; // the operation, an offset, is not used
    loop {
        if let Packet::Flushed { result, .. } = port.take()? {
            return result.map(|()| copied);
        }
    }
}

fn main() -> io::Result<()> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [source, target] = &arguments[..] else {
        eprintln!("say what: file_copy SOURCE TARGET");
        std::process::exit(2);
    };
    println!("copied {} bytes", copy(source.as_ref(), target.as_ref())?);
    Ok(())
}
