//! A running server, the clients that test it, and handlers that a test can hold.

use overlapped_models::{Handler, Limits, Model, Reply, Server, Status, Stopped};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// No test waits longer than this for anything; it fails instead.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Makes one test per model of each function `fn name(model: &'static dyn Model)` given.
#[macro_export]
macro_rules! on_every_model {
    ($($name:ident),+ $(,)?) => {
        $crate::on_models!{ [$($name)+]
            blocking = Blocking,
            nonblocking = Nonblocking,
            select = Select,
            select_in_sets_of_64 = SelectInSets,
            async_select = AsyncSelect,
            event_select = EventSelect,
            overlapped_event = OverlappedEvent,
            overlapped_routine = OverlappedRoutine,
            completion_port = CompletionPort,
            completion_port_with_accept_thread = AcceptThread,
        }
    };
}

/// The same for what only holds where a handler that blocks holds up nobody else: the models that
/// have a thread for the others then.
#[macro_export]
macro_rules! on_models_with_a_thread_to_spare {
    ($($name:ident),+ $(,)?) => {
        mod with_a_thread_to_spare {
            $(use super::$name;)+
            $crate::on_models!{ [$($name)+]
                blocking = Blocking,
                completion_port = CompletionPort,
                completion_port_with_accept_thread = AcceptThread,
            }
        }
    };
}

/// Makes the tests of the two above.
#[macro_export]
macro_rules! on_models {
    ([$($name:ident)+]) => {};
    ([$($name:ident)+] $module:ident = $model:ident, $($rest:tt)*) => {
        mod $module {
            $(#[test] fn $name() { super::$name(&$crate::world::variants::$model); })+
        }
        $crate::on_models!{ [$($name)+] $($rest)* }
    };
}

/// The models as the tests name them: what there is, and variants that limits make of it.
pub mod variants {
    use overlapped_models::{Accepting, Handler, Limits, Model, Server};
    pub use overlapped_models::{
        AsyncSelect, Blocking, CompletionPort, EventSelect, Nonblocking, OverlappedEvent,
        OverlappedRoutine, Select,
    };
    use std::io;
    use std::net::TcpListener;
    use std::sync::Arc;

    /// Makes a variant of a model.
    macro_rules! variant {
        ($(#[$doc:meta])* $name:ident is $model:ident with $limits:expr) => {
            $(#[$doc])*
            pub struct $name;

            impl Model for $name {
                fn name(&self) -> &'static str {
                    $model.name()
                }

                fn start(
                    &self,
                    listener: TcpListener,
                    handler: Arc<dyn Handler>,
                    limits: &Limits,
                ) -> io::Result<Box<dyn Server>> {
                    let change: fn(Limits) -> Limits = $limits;
                    $model.start(listener, handler, &change(limits.clone()))
                }
            }
        };
    }

    variant! {
        /// The completion port with a thread that accepts.
        AcceptThread is CompletionPort
            with |limits| Limits { accepting: Accepting::Thread, ..limits }
    }
    variant! {
        /// A thread for every 64 connections.
        SelectInSets is Select with |limits| Limits { set_size: 64, ..limits }
    }
}

/// Whether a test must be left out since it runs under Wine, which differs there from Windows for
/// the `reason` given. Whoever starts Wine says so in the environment.
pub fn is_left_out_on_wine(test: &str, reason: &str) -> bool {
    let on_wine = std::env::var_os("OVERLAPPED_WINE").is_some();
    if on_wine {
        println!("skip   {test}: {reason}");
    }
    on_wine
}

/// A server on a port of its own.
pub struct Service {
    server: Option<Box<dyn Server>>,
    pub address: SocketAddr,
}

impl Service {
    pub fn start(model: &dyn Model, handler: impl Handler, limits: &Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let server = model.start(listener, Arc::new(handler), limits).expect("the server starts");
        Self { server: Some(server), address }
    }

    fn server(&self) -> &dyn Server {
        &**self.server.as_ref().expect("it was not stopped")
    }

    pub fn status(&self) -> Status {
        self.server().status()
    }

    pub fn describe(&self) -> String {
        self.server().describe()
    }

    pub fn stop(mut self, deadline: Duration) -> Stopped {
        self.server.take().expect("it was not stopped").stop(deadline)
    }

    /// Waits until the status is as wanted, or fails.
    pub fn until(&self, what: &str, condition: impl Fn(&Status) -> bool) {
        until(what, || {
            let status = self.status();
            if condition(&status) { Ok(()) } else { Err(format!("{status:?}")) }
        });
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }
}

/// Waits until `look` finds what is wanted, or fails with what it found last.
pub fn until(what: &str, look: impl Fn() -> Result<(), String>) {
    let start = Instant::now();
    while let Err(found) = look() {
        assert!(start.elapsed() < PATIENCE, "{what} has not come about: {found}");
        std::thread::yield_now();
    }
}

/// A client with blocking calls, none of which takes longer than [`PATIENCE`].
pub struct Client(pub TcpStream);

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit can be set");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time limit can be set");
        stream.set_nodelay(true).expect("an option can be set");
        Self(stream)
    }

    pub fn send(&self, bytes: &[u8]) {
        (&self.0).write_all(bytes).expect("the client can send");
    }

    pub fn receive(&self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        (&self.0).read_exact(&mut bytes).expect("the client can receive");
        bytes
    }

    /// Everything until the end of the stream.
    pub fn receive_all(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        (&self.0).read_to_end(&mut bytes).expect("the stream ends gracefully");
        bytes
    }

    /// Sends and checks the echo.
    pub fn echo(&self, bytes: &[u8]) {
        self.send(bytes);
        assert!(self.receive(bytes.len()) == bytes, "the echo is what was sent");
    }

    pub fn shut_down_sending(&self) {
        self.0.shutdown(Shutdown::Write).expect("it is connected");
    }

    /// Waits for the end of the connection, graceful or not, and ignores what comes before it.
    pub fn await_end(&self) {
        let mut bytes = [0; 4096];
        loop {
            match (&self.0).read(&mut bytes) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    let late = [std::io::ErrorKind::WouldBlock, std::io::ErrorKind::TimedOut];
                    assert!(!late.contains(&error.kind()), "the connection has not ended");
                    return;
                }
            }
        }
    }

    /// Whether there is nothing to receive at this moment.
    pub fn has_nothing(&self) -> bool {
        self.0.set_nonblocking(true).expect("an option can be set");
        let found = self.0.peek(&mut [0]);
        self.0.set_nonblocking(false).expect("an option can be set");
        matches!(found, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// Closes the connection with a reset.
    pub fn reset(self) {
        socket2::SockRef::from(&self.0)
            .set_linger(Some(Duration::ZERO))
            .expect("an option can be set");
    }

    /// Sends without reading until the server takes no more for half a second; returns how many
    /// bytes that were. They are the pattern.
    pub fn send_until_stuck(&self) -> usize {
        /// Far more than the system's buffers in both directions hold.
        const TOO_MUCH: usize = 512 << 20;
        // The pattern repeats, so a piece that starts anywhere is part of this.
        let source = message(PERIOD + 65_536);
        self.0.set_write_timeout(Some(Duration::from_millis(500))).expect("a limit can be set");
        let mut sent = 0;
        loop {
            let start = sent % PERIOD;
            match (&self.0).write(&source[start..start + 65_536]) {
                Ok(length) => sent += length,
                Err(error) => {
                    let kind = error.kind();
                    // Each system has its own name for it.
                    let late = [std::io::ErrorKind::WouldBlock, std::io::ErrorKind::TimedOut];
                    assert!(late.contains(&kind), "{error}");
                    return sent;
                }
            }
            assert!(sent < TOO_MUCH, "the server takes whatever comes and holds it somewhere");
        }
    }

    /// Sends without reading until the server's echo is stuck on its way: it has received nothing
    /// while so many more pieces of 32 KiB were sent, which now wait for it in the system. Returns
    /// how many bytes were sent.
    pub fn send_until_echo_is_stuck(&self, service: &Service, pieces: usize) -> usize {
        const PIECE: usize = 32 * 1_024;
        let source = message(PERIOD + PIECE);
        let before = service.status().bytes;
        let (mut sent, mut stalled) = (0, 0);
        while stalled < pieces {
            let start = sent % PERIOD;
            self.send(&source[start..start + PIECE]);
            sent += PIECE;
            let start = Instant::now();
            let received = || service.status().bytes - before;
            let received_before = received();
            while received() < sent as u64 && start.elapsed() < Duration::from_millis(500) {
                std::thread::yield_now();
            }
            let all_stalled = received() == received_before || stalled == 0;
            stalled = if received() < sent as u64 && all_stalled { stalled + 1 } else { 0 };
        }
        sent
    }

    /// Receives to the graceful end, checks that it is the pattern, and returns the length.
    pub fn receive_pattern(&self) -> usize {
        let source = message(PERIOD + 65_536);
        let mut place = 0;
        let mut bytes = vec![0; 65_536];
        loop {
            let length = (&self.0).read(&mut bytes).expect("the stream goes on to its end");
            if length == 0 {
                return place;
            }
            let start = place % PERIOD;
            let right = bytes[..length] == source[start..start + length];
            assert!(right, "byte {place} and following");
            place += length;
        }
    }
}

/// A byte that depends on its place, so that lost, doubled and exchanged bytes show. It repeats
/// after a prime number of bytes, which no buffer's size divides.
fn pattern(place: usize) -> u8 {
    let place = place % PERIOD;
    (place ^ (place >> 8)) as u8
}

const PERIOD: usize = 65_521;

/// The first bytes of the pattern.
pub fn message(length: usize) -> Vec<u8> {
    (0..length).map(pattern).collect()
}

/// A gate that handlers stand at.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    open: bool,
    standing: usize,
}

impl Gate {
    /// Waits until the gate is open.
    pub fn pass(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().expect("nobody panics with it");
        state.standing += 1;
        changed.notify_all();
        while !state.open {
            state = changed.wait(state).expect("nobody panics with it");
        }
        state.standing -= 1;
    }

    pub fn open(&self) {
        let (state, changed) = &*self.0;
        state.lock().expect("nobody panics with it").open = true;
        changed.notify_all();
    }

    /// Waits until so many stand at the gate.
    pub fn await_standing(&self, count: usize) {
        let (state, changed) = &*self.0;
        let state = state.lock().expect("nobody panics with it");
        let (state, result) = changed
            .wait_timeout_while(state, PATIENCE, |state| state.standing < count)
            .expect("nobody panics with it");
        drop(state);
        assert!(!result.timed_out(), "{count} handlers were to stand at the gate");
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // A test that fails must not leave a handler standing, or the server would wait for it.
        if std::thread::panicking() {
            self.open();
        }
    }
}

/// Does what the input begins with, and echoes everything else: `gate` stands at the gate first,
/// `panic` panics, `close` closes, `silent` sends nothing. No [`message`] contains these words.
#[derive(Clone, Default)]
pub struct Obedient(pub Gate);

impl Handler for Obedient {
    fn handle(&self, input: &[u8]) -> Reply {
        if input.starts_with(b"gate") {
            self.0.pass();
        } else if input.starts_with(b"panic") {
            // A panic that does not write to the test's output.
            std::panic::resume_unwind(Box::new("as the client asked"));
        } else if input.starts_with(b"close") {
            return Reply::Close;
        } else if input.starts_with(b"silent") {
            return Reply::Silent;
        }
        Reply::Echo
    }
}

/// Whether this process may have so many descriptors; if not, says that `test` is passed over. The
/// limit is raised as far as the process may.
#[cfg(target_os = "linux")]
pub fn may_have_descriptors(test: &str, count: u64) -> bool {
    use rustix::process::{Resource, getrlimit, setrlimit};
    // For the tests that run at the same time.
    const OTHERS: u64 = 500;
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("it may be raised up to the maximum");
    let may = limit.maximum.is_none_or(|maximum| maximum >= count + OTHERS);
    if !may {
        println!("skipped: {test}: it takes {count} descriptors, and {limit:?} are allowed");
    }
    may
}

/// Windows has no such limit.
#[cfg(windows)]
pub fn may_have_descriptors(_test: &str, _count: u64) -> bool {
    true
}
