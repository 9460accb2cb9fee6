//! What the tests share.

use overlapped_file_transfer::{
    Ended, Failure, FetchSettings, Fetched, SendSettings, SendWatch, Sender, Stop, fetch,
};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender as Channel, channel};
use std::time::Duration;

/// Far beyond what any step takes; reaching it is a failure.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// A folder of one test, which goes when the test is over.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("transfer-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, contents: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), contents).expect("it can be written");
        self.path(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).expect("it is there")
    }

    /// The names in it, in order.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("it is a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<String> = names.map(|it| it.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The same, and of each temporary file its name without the mark that says which file it is.
    pub fn names_without_marks(&self) -> Vec<String> {
        let names = self.names();
        let without = |name: &String| match name.split_once(".overlapped-") {
            Some((stem, rest)) => {
                let kind = rest.split('-').next().unwrap_or_default();
                format!("{stem}.overlapped-{kind}")
            }
            None => name.clone(),
        };
        names.iter().map(without).collect()
    }

    /// The one file that has this in its name.
    pub fn left(&self, part: &str) -> PathBuf {
        let names = self.names();
        let found: Vec<&String> = names.iter().filter(|name| name.contains(part)).collect();
        assert_eq!(found.len(), 1, "{names:?}");
        self.path(found[0])
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Contents of which no two places look the same.
pub fn contents(bytes: usize) -> Vec<u8> {
    let mut word = 1u32;
    (0..bytes)
        .map(|_| {
            word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (word >> 24) as u8
        })
        .collect()
}

pub fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

/// What the sender tells, for a test to wait for.
struct Told(Channel<Ended>);

impl SendWatch for Told {
    fn ended(&self, ended: &Ended) {
        let _ = self.0.send(ended.clone());
    }
}

/// A sender that looks at the time often.
pub struct World {
    pub sender: Sender,
    pub address: SocketAddr,
    pub told: Receiver<Ended>,
}

pub fn quick() -> SendSettings {
    SendSettings { tick: Duration::from_millis(10), ..SendSettings::default() }
}

impl World {
    pub fn new(path: &Path, settings: &SendSettings) -> Self {
        let (listener, address) = listen();
        let (tell, told) = channel();
        let sender = Sender::start(listener, path, settings, Told(tell)).expect("a sender");
        Self { sender, address, told }
    }

    pub fn next_end(&self) -> Ended {
        self.told.recv_timeout(PATIENCE).expect("a connection ends")
    }
}

pub fn settings() -> FetchSettings {
    FetchSettings { silence_time: PATIENCE, ..FetchSettings::default() }
}

/// Fetches to this path.
pub fn get(
    address: SocketAddr,
    target: &Path,
    settings: &FetchSettings,
) -> Result<Fetched, Failure> {
    fetch(address, Some(target), settings, &(), &Stop::default())
}

/// What a proxy does to the bytes of the file on one connection, counted from the answer's first.
#[derive(Clone, Copy, Debug)]
pub enum Harm {
    /// Nothing.
    None,
    /// Ends both sides after so many bytes.
    Cut(u64),
    /// Turns one bit of this byte.
    Change(u64),
}

/// Stands between fetchers and a sender. Connections come to harm one after the other, in this order;
/// the ones after that to none.
pub fn proxy(sender: SocketAddr, harms: Vec<Harm>) -> SocketAddr {
    let (listener, address) = listen();
    std::thread::spawn(move || {
        let mut harms = harms.into_iter();
        for client in listener.incoming().map_while(Result::ok) {
            let harm = harms.next().unwrap_or(Harm::None);
            std::thread::spawn(move || {
                let _ = forward(client, sender, harm);
            });
        }
    });
    address
}

fn forward(mut client: TcpStream, sender: SocketAddr, harm: Harm) -> std::io::Result<()> {
    let mut server = TcpStream::connect(sender)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let mut done = 0;
    let mut part = vec![0; 40_000];
    loop {
        let count = server.read(&mut part)?;
        if count == 0 {
            return client.shutdown(Shutdown::Write);
        }
        let part = &mut part[..count];
        let end = done + count as u64;
        match harm {
            Harm::Cut(at) if end >= at => {
                client.write_all(&part[..(at - done) as usize])?;
                let _ = server.shutdown(Shutdown::Both);
                return client.shutdown(Shutdown::Both);
            }
            Harm::Change(at) if (done..end).contains(&at) => part[(at - done) as usize] ^= 4,
            _ => {}
        }
        client.write_all(part)?;
        done = end;
    }
}

/// A peer that is no sender: what it does with its one connection is up to the test.
pub fn impostor(act: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let (listener, address) = listen();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("somebody comes");
        act(stream);
    });
    address
}

/// Reads a fetcher's request.
pub fn read_request(stream: &mut TcpStream) -> [u8; 48] {
    let mut request = [0; 48];
    stream.read_exact(&mut request).expect("a request");
    request
}

/// The head of a file, as `docs/send-and-fetch.md` has it.
pub fn head(name: &[u8], length: u64, offset: u64) -> Vec<u8> {
    let mut bytes = b"OVLSENDS\0\x01\0\0".to_vec();
    bytes.extend((name.len() as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(offset.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.extend(1_700_000_000u64.to_be_bytes());
    bytes.extend([0; 8]);
    bytes.extend([0; 32]);
    bytes.extend(name);
    bytes
}
