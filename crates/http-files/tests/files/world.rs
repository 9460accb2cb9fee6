//! A folder, a server on it, and clients that speak through raw sockets.

use overlapped_http_files::{Server, Settings, TimeLimits};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Far beyond what any step takes; reaching it is a failure.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Limits that no test meets by accident.
pub const AMPLE: TimeLimits =
    TimeLimits { head: PATIENCE, idle: PATIENCE, stall: PATIENCE, farewell: PATIENCE };

pub fn settings() -> Settings {
    Settings { time: AMPLE, ..Settings::default() }
}

/// A folder that goes when the test does.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("overlapped-http-files-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(&path, contents).expect("a file");
        path
    }

    /// A file of zeroes that takes no room.
    pub fn sparse(&self, name: &str, length: u64) -> PathBuf {
        let path = self.file(name, "");
        let file = std::fs::OpenOptions::new().write(true).open(&path).expect("the file");
        file.set_len(length).expect("a length");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Under Windows a file that is still open stays.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server on a folder.
pub struct World {
    pub server: Server,
    pub address: SocketAddr,
    pub folder: Folder,
}

impl World {
    pub fn new() -> Self {
        Self::with(settings())
    }

    pub fn with(settings: Settings) -> Self {
        let folder = Folder::new();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let server = Server::start(listener, folder.path(), &settings).expect("a server");
        Self { server, address, folder }
    }

    pub fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Client { stream, ahead: Vec::new() }
    }

    /// The answer to a request on a connection of its own.
    pub fn get(&self, target: &str) -> Response {
        self.connect().get(target, "")
    }

    /// The head of the answer to a request for a file that has lain still for long enough to have
    /// all that describes a version of it.
    pub fn settled(&self, target: &str) -> Response {
        let mut client = self.connect();
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let response = client.head(target);
            if response.headers.contains_key("Last-Modified") {
                return response;
            }
            assert!(std::time::Instant::now() < deadline, "never settled: {response:?}");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// All that comes back, to the end of the connection, when this is said and nothing more.
    pub fn told(&self, text: impl AsRef<[u8]>) -> String {
        let mut client = self.connect();
        // The server may have closed the connection over the beginning.
        let _ = client.stream.write_all(text.as_ref());
        let _ = client.stream.shutdown(std::net::Shutdown::Write);
        String::from_utf8_lossy(&client.rest_until_any_end()).into_owned()
    }

    /// Waits until the server says so, for what no client can see.
    pub fn until(&self, is_true: impl Fn(&overlapped_http_files::Status) -> bool) {
        let deadline = std::time::Instant::now() + PATIENCE;
        while !is_true(&self.server.status()) {
            assert!(std::time::Instant::now() < deadline, "{:?}", self.server.status());
            std::thread::yield_now();
        }
    }
}

pub struct Client {
    pub stream: TcpStream,
    ahead: Vec<u8>,
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }
}

impl Client {
    pub fn say(&mut self, text: impl AsRef<[u8]>) {
        self.stream.write_all(text.as_ref()).expect("the server reads");
    }

    pub fn get(&mut self, target: &str, headers: &str) -> Response {
        self.say(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n"));
        self.response()
    }

    /// The answer to a request that is said as it stands.
    pub fn ask(&mut self, request: &str) -> Response {
        self.say(request);
        self.response()
    }

    pub fn head(&mut self, target: &str) -> Response {
        self.say(format!("HEAD {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        self.read_response(false)
    }

    /// The next response, which has no body whatever its length is.
    pub fn head_response(&mut self) -> Response {
        self.read_response(false)
    }

    /// The next response, read by its length.
    pub fn response(&mut self) -> Response {
        self.read_response(true)
    }

    fn read_response(&mut self, has_body: bool) -> Response {
        let end = loop {
            match self.ahead.windows(4).position(|four| four == b"\r\n\r\n") {
                Some(end) => break end,
                None => assert!(self.more(), "ended within a head: {:?}", self.ahead),
            }
        };
        let head: Vec<u8> = self.ahead.drain(..end + 4).collect();
        let head = String::from_utf8(head).expect("text");
        let mut lines = head.trim_end().split("\r\n");
        let first = lines.next().expect("a first line");
        let status = first.strip_prefix("HTTP/1.1 ").expect(first)[..3].parse().expect(first);
        let headers: HashMap<String, String> = lines
            .map(|line| line.split_once(": ").expect(line))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        assert!(headers.contains_key("Date"), "{head}");
        let length = headers.get("Content-Length").map_or(0, |text| text.parse().expect(text));
        let length = if has_body { length } else { 0 };
        while self.ahead.len() < length {
            assert!(self.more(), "ended within a body, after {} of {length}", self.ahead.len());
        }
        let later = self.ahead.split_off(length);
        let body = std::mem::replace(&mut self.ahead, later);
        Response { status, headers, body }
    }

    fn more(&mut self) -> bool {
        let mut piece = [0; 64 * 1024];
        let length = self.stream.read(&mut piece).expect("data or an end");
        self.ahead.extend_from_slice(&piece[..length]);
        length > 0
    }

    /// Everything until the end, which must be graceful.
    pub fn rest(mut self) -> Vec<u8> {
        while self.more() {}
        self.ahead
    }

    /// Everything until the end, whichever it is.
    pub fn rest_until_any_end(mut self) -> Vec<u8> {
        let _ = self.stream.read_to_end(&mut self.ahead);
        self.ahead
    }

    /// That nothing comes but the end.
    pub fn assert_ended(self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
    }
}

/// The statuses of the answers in what was told.
pub fn statuses(told: &str) -> Vec<u16> {
    // A body may speak of versions, too.
    told.split("HTTP/1.1 ").filter_map(|answer| answer.get(..3)?.parse().ok()).collect()
}

/// Bytes that tell where they are, but for multiples of a large prime number.
pub fn pattern(length: usize) -> Vec<u8> {
    let block: Vec<u8> = (0..65_521_usize).map(|at| (at ^ (at >> 8)) as u8).collect();
    let mut bytes = block.repeat(length.div_ceil(block.len()));
    bytes.truncate(length);
    bytes
}
