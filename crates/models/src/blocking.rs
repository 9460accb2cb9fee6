//! The blocking model: one thread accepts, and each connection has a thread of its own, which
//! blocks in its calls.
//!
//! The system's scheduler does all the work that the other models do by hand, so nothing starves
//! (M15). Main disadvantage: each connection costs a stack and a thread, and with many at once
//! there is no thread for the next one; its client is then closed, and the others are served on
//! (M14).

use crate::failure::Failure;
use crate::handler::{Handler, Reply, call};
use crate::model::{Limits, Model, Server, Status, Stopped, Threads};
use crate::platform::{self, Alarm, Line};
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The stack of a connection's thread, in bytes of address space; what it does not touch costs no
/// memory. The buffer is not on it.
const STACK: usize = 256 * 1024;

/// How long accepting is put off when descriptors or memory run short.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// A thread for each connection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Blocking;

impl Model for Blocking {
    fn name(&self) -> &'static str {
        "blocking"
    }

    fn start(
        &self,
        listener: TcpListener,
        handler: Arc<dyn Handler>,
        limits: &Limits,
    ) -> io::Result<Box<dyn Server>> {
        Ok(Box::new(Running::start(listener, handler, limits)?))
    }
}

struct Running {
    shared: Arc<Shared>,
    doorkeeper: Option<Doorkeeper>,
}

/// The thread that accepts, and the listener, which is closed when that thread is done.
struct Doorkeeper {
    listener: Arc<TcpListener>,
    thread: JoinHandle<()>,
}

struct Shared {
    handler: Arc<dyn Handler>,
    limits: Limits,
    stack: AtomicUsize,
    stopping: AtomicBool,
    alarm: Alarm,
    state: Mutex<State>,
    /// A connection has ended, or the server is being stopped.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    open: HashMap<u64, Arc<Connection>>,
    /// The figures of connections that have ended, and those that no connection has.
    past: Status,
}

struct Connection {
    line: Line,
    messages: AtomicU64,
    bytes: AtomicU64,
    /// Its thread is in the handler.
    handling: AtomicBool,
}

impl Running {
    fn start(
        listener: TcpListener,
        handler: Arc<dyn Handler>,
        limits: &Limits,
    ) -> io::Result<Self> {
        platform::prepare_listener(&listener)?;
        // Accepted connections inherit it, where they inherit anything.
        socket2::SockRef::from(&listener).set_tcp_nodelay(true)?;
        let listener = Arc::new(listener);
        let shared = Arc::new(Shared {
            handler,
            limits: limits.clone(),
            stack: AtomicUsize::new(STACK),
            stopping: AtomicBool::new(false),
            alarm: Alarm::new()?,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let (accepting, door) = (Arc::clone(&shared), Arc::clone(&listener));
        let thread = std::thread::Builder::new()
            .name("accept".into())
            .stack_size(STACK)
            .spawn(move || accept(&accepting, &door))?;
        Ok(Self { shared, doorkeeper: Some(Doorkeeper { listener, thread }) })
    }

    fn end(&mut self, deadline: Duration) -> Stopped {
        let shared = &self.shared;
        let deadline = Instant::now().checked_add(deadline);
        shared.announce_stop();
        if let Some(Doorkeeper { listener, thread }) = self.doorkeeper.take() {
            platform::wake(&listener);
            // A panic was reported by its thread, and there is nobody else to tell.
            let _ = thread.join();
        }
        let mut state = shared.lock();
        for connection in state.open.values() {
            connection.line.end_input();
        }
        shared.alarm.ring();
        while !state.open.is_empty() {
            let rest = deadline.map(|end| end.saturating_duration_since(Instant::now()));
            if rest == Some(Duration::ZERO) {
                break;
            }
            state = shared.wait(state, rest);
        }
        let left = std::mem::take(&mut state.open);
        for connection in left.values() {
            connection.add_to(&mut state.past);
            connection.line.reset();
        }
        state.past.errors.aborted += left.len() as u64;
        Stopped { status: state.past, left: left.len() as u64 }
    }
}

impl Server for Running {
    fn status(&self) -> Status {
        let state = self.shared.lock();
        let mut status = state.past;
        let mut handling = 0;
        for connection in state.open.values() {
            connection.add_to(&mut status);
            handling += usize::from(connection.handling.load(Ordering::Relaxed));
        }
        status.connected = state.open.len() as u64;
        // The thread that accepts waits like those of the connections.
        let waiting = state.open.len() - handling + 1;
        status.threads = Threads { waiting, released: handling, paused: 0 };
        status
    }

    fn stop(mut self: Box<Self>, deadline: Duration) -> Stopped {
        self.end(deadline)
    }

    fn describe(&self) -> String {
        format!("blocking calls, a thread with a stack of {} KiB per connection", STACK / 1024)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.doorkeeper.is_some() {
            self.end(Duration::ZERO);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        match timeout {
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                self.changed.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn announce_stop(&self) {
        {
            let _state = self.lock();
            self.stopping.store(true, Ordering::Relaxed);
        }
        self.changed.notify_all();
    }

    /// Admission before accept: waits until one more connection is allowed. False when the server
    /// is being stopped.
    fn has_room(&self) -> bool {
        let mut state = self.lock();
        while !self.is_stopping() && state.open.len() >= self.limits.connections {
            state = self.wait(state, None);
        }
        !self.is_stopping()
    }

    /// Puts accepting off until something has changed, at most for a while.
    fn defer(&self) {
        let mut state = self.lock();
        state.past.accept_deferrals += 1;
        if !self.is_stopping() {
            drop(self.wait(state, Some(RETRY_AFTER)));
        }
    }
}

/// Accepts until the server is stopped, whatever single clients do.
fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    let mut next = 0;
    while shared.has_room() {
        match platform::accept(listener) {
            // Whoever comes now comes too late.
            Ok(_) if shared.is_stopping() => return,
            Ok(None) => {}
            Ok(Some(stream)) => {
                welcome(shared, Line::new(stream, &shared.alarm), next);
                next += 1;
            }
            Err(_) if shared.is_stopping() => return,
            Err(error) if is_the_clients(&error) => {}
            Err(_) => shared.defer(),
        }
    }
}

/// An error that concerns one client, which went away before it was accepted, and not the listener.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Interrupted
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
    )
}

fn welcome(shared: &Arc<Shared>, line: Line, id: u64) {
    let connection = Arc::new(Connection {
        line,
        messages: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        handling: AtomicBool::new(false),
    });
    {
        let mut state = shared.lock();
        state.open.insert(id, Arc::clone(&connection));
        state.past.accepted += 1;
        state.past.peak_connected = state.past.peak_connected.max(state.open.len() as u64);
    }
    let serving = Arc::clone(shared);
    let started = std::thread::Builder::new()
        .stack_size(shared.stack.load(Ordering::Relaxed))
        .spawn(move || {
            let failure = converse(&serving, &connection).err();
            depart(&serving, id, failure);
        });
    if started.is_err() {
        depart(shared, id, Some(Failure::Other));
    }
}

/// Takes a connection off the list and counts what it did, unless the stop has done so.
fn depart(shared: &Shared, id: u64, failure: Option<Failure>) {
    let connection = {
        let mut state = shared.lock();
        let Some(connection) = state.open.remove(&id) else { return };
        connection.add_to(&mut state.past);
        if let Some(failure) = failure {
            failure.add_to(&mut state.past.errors, 1);
        }
        connection
    };
    if failure == Some(Failure::TimedOut) {
        connection.line.give_up();
    }
    drop(connection);
    shared.changed.notify_all();
}

/// Serves one connection to its end.
fn converse(shared: &Shared, connection: &Connection) -> Result<(), Failure> {
    let line = &connection.line;
    let Limits { first_data, idle_timeout, buffer_size, .. } = shared.limits;
    let failed = |error: io::Error| Failure::of(&error);
    set_limit(first_data.or(idle_timeout), |limit| line.set_receive_limit(limit))?;
    set_limit(idle_timeout, |limit| line.set_send_limit(limit))?;
    let mut awaits_first = first_data.is_some();
    let mut buffer = vec![0; buffer_size.max(1)];
    loop {
        let length = match line.receive(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        };
        if std::mem::take(&mut awaits_first) {
            line.set_receive_limit(None).map_err(failed)?;
            set_limit(idle_timeout, |limit| line.set_receive_limit(limit))?;
        }
        connection.messages.fetch_add(1, Ordering::Relaxed);
        connection.bytes.fetch_add(length as u64, Ordering::Relaxed);
        connection.handling.store(true, Ordering::Relaxed);
        let reply = call(&*shared.handler, &buffer[..length]);
        connection.handling.store(false, Ordering::Relaxed);
        match reply {
            Some(Reply::Echo) => line.send_all(&buffer[..length]).map_err(failed)?,
            Some(Reply::Silent) => {}
            Some(Reply::Close) => return Ok(()),
            None => return Err(Failure::Other),
        }
    }
}

/// Sets a time limit of a socket, if there is one. The system takes no limit of zero.
fn set_limit(
    limit: Option<Duration>,
    set: impl FnOnce(Option<Duration>) -> io::Result<()>,
) -> Result<(), Failure> {
    let Some(limit) = limit else { return Ok(()) };
    set(Some(limit.max(Duration::from_micros(1)))).map_err(|error| Failure::of(&error))
}

impl Connection {
    fn add_to(&self, status: &mut Status) {
        status.messages += self.messages.load(Ordering::Relaxed);
        status.bytes += self.bytes.load(Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::Echo;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    fn echo(mut client: &TcpStream) -> io::Result<[u8; 4]> {
        let mut echo = [0; 4];
        client.write_all(b"ping")?;
        client.read_exact(&mut echo)?;
        Ok(echo)
    }

    #[test]
    fn m14_without_a_thread_for_a_client_it_is_closed_and_the_others_are_served() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let server = Running::start(listener, Arc::new(Echo), &Limits::default())
            .expect("the server starts");
        let first = TcpStream::connect(address).expect("it listens");
        assert_eq!(&echo(&first).expect("it is served"), b"ping");

        // No system has room for a stack of this size.
        server.shared.stack.store(1 << (usize::BITS - 4), Ordering::Relaxed);
        let second = TcpStream::connect(address).expect("it listens");
        echo(&second).expect_err("there is no thread for it");
        assert_eq!(&echo(&first).expect("it is served on"), b"ping");

        server.shared.stack.store(STACK, Ordering::Relaxed);
        let third = TcpStream::connect(address).expect("it listens");
        assert_eq!(&echo(&third).expect("there are threads again"), b"ping");
        let status = server.status();
        assert_eq!((status.accepted, status.connected, status.errors.other), (3, 2, 1));
    }
}
