//! A running copy of the tool. It is killed when the test is done with it, whatever happened.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::system;

/// Far beyond what any step takes; reaching it is a failure.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// The tool with these arguments, not started yet.
pub fn tool(arguments: &[&str]) -> Command {
    system::start_as_usual();
    let mut command = Command::new(env!("CARGO_BIN_EXE_overlapped"));
    command.args(arguments);
    command
}

/// What a copy of the tool that has ended left.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub output: String,
    pub errors: String,
}

impl Ended {
    /// The exit code.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("ended by a signal: {self:?}"))
    }

    /// The single JSON document that the tool printed.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.output).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A copy of the tool that runs.
pub struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: Stream,
    errors: Stream,
}

/// What comes out of a pipe, byte by byte, as it comes.
struct Stream {
    bytes: Receiver<u8>,
}

impl Stream {
    fn new(pipe: impl Read + Send + 'static) -> Self {
        let (sender, bytes) = channel();
        std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            loop {
                let Ok(part) = pipe.fill_buf() else { return };
                let length = part.len();
                if length == 0 || part.iter().any(|byte| sender.send(*byte).is_err()) {
                    return;
                }
                pipe.consume(length);
            }
        });
        Self { bytes }
    }

    /// Reads until `end` has come; fails the test when it does not.
    fn until(&self, end: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while !seen.ends_with(end.as_bytes()) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.bytes.recv_timeout(left) {
                Ok(byte) => seen.push(byte),
                Err(error) => {
                    panic!("{error}: {end:?} did not come after {:?}", text(seen));
                }
            }
        }
        text(seen)
    }

    /// Reads to the end, which must come before `deadline`.
    fn rest(&self, deadline: Instant) -> String {
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.bytes.recv_timeout(left) {
                Ok(byte) => seen.push(byte),
                Err(RecvTimeoutError::Disconnected) => return text(seen),
                Err(RecvTimeoutError::Timeout) => panic!("it goes on after {:?}", text(seen)),
            }
        }
    }
}

/// Where the tool listens, from the line that says so: in words, or with --json as a document.
pub fn address_in(line: &str) -> SocketAddr {
    let address = match line.strip_prefix("listening on ") {
        Some(address) => address.trim_end().to_owned(),
        None => {
            let document: serde_json::Value = serde_json::from_str(line).expect(line);
            document["address"].as_str().expect(line).to_owned()
        }
    };
    address.parse().expect(line)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text")
}

/// An address at which nobody listens, and which nobody else gets as long as this lives: the near end of
/// a connection.
pub struct Nobody {
    pub address: String,
    _connection: (TcpListener, TcpStream),
}

impl Nobody {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let stream = listener.local_addr().and_then(TcpStream::connect).expect("it listens");
        let address = stream.local_addr().expect("it is connected").to_string();
        Self { address, _connection: (listener, stream) }
    }
}

impl Running {
    /// Starts the tool.
    pub fn start(arguments: &[&str]) -> Self {
        Self::run(tool(arguments))
    }

    /// Runs a command that becomes the tool.
    pub fn run(command: Command) -> Self {
        Self::run_on(command, Stdio::piped())
    }

    /// The same with this standard input.
    pub fn run_on(mut command: Command, input: Stdio) -> Self {
        let mut child = command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the tool starts");
        let input = child.stdin.take();
        let output = Stream::new(child.stdout.take().expect("a pipe"));
        let errors = Stream::new(child.stderr.take().expect("a pipe"));
        Self { child, input, output, errors }
    }

    /// Starts the tool so that [`Running::interrupt`] works.
    pub fn start_until_interrupted(arguments: &[&str]) -> Self {
        Self::start(&[arguments, system::INTERRUPTIBLE].concat())
    }

    /// Starts a server on a free port and reads where it listens from its first line.
    pub fn serve(options: &[&str]) -> (Self, SocketAddr) {
        let options = [&["serve", "127.0.0.1:0"], options].concat();
        let running = Self::start_until_interrupted(&options);
        let address = running.address();
        (running, address)
    }

    /// Reads where it listens from its first line.
    pub fn address(&self) -> SocketAddr {
        address_in(&self.output_until("\n"))
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Reads standard output until `end` has come.
    pub fn output_until(&self, end: &str) -> String {
        self.output.until(end)
    }

    /// Reads standard error until `end` has come.
    pub fn errors_until(&self, end: &str) -> String {
        self.errors.until(end)
    }

    /// Writes to standard input.
    pub fn say(&mut self, text: &str) {
        let input = self.input.as_mut().expect("standard input is open");
        input.write_all(text.as_bytes()).and_then(|()| input.flush()).expect("the tool reads");
    }

    /// Closes standard input.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Waits for the end and gives what was not read yet.
    pub fn wait(mut self) -> Ended {
        self.close_input();
        let deadline = Instant::now() + PATIENCE;
        // The pipes end when the process has, so that waiting for them is waiting for it.
        let (output, errors) = (self.output.rest(deadline), self.errors.rest(deadline));
        let status = self.child.wait().expect("a child");
        Ended { status, output, errors }
    }

    /// Ctrl-C or what stands for it, and the end.
    pub fn interrupt(self) -> Ended {
        system::interrupt(self.child.id());
        self.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already when the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the tool to its end.
pub fn run(arguments: &[&str]) -> Ended {
    Running::start(arguments).wait()
}
