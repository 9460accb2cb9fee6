//! Echo server written by hand on epoll: N threads, each with an edge-triggered epoll and a
//! listener of its own on the shared port. It does nothing that an echo server could leave out, so
//! it is the floor that the others stand on.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use overlapped_bench::server::{self, BUFFER_SIZE, Cost, Framing, ServerOptions};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send, sockopt};

/// Echo server on epoll, with N threads that share nothing but the port.
#[derive(Parser)]
#[command(name = "echo-epoll", version)]
struct Arguments {
    #[command(flatten)]
    server: ServerOptions,
}

/// Token of the listener; connections have their index in the slab.
const LISTENER: u64 = u64::MAX;
const EVENTS: usize = 256;

fn main() -> ExitCode {
    overlapped_bench::exit_code(run(&Arguments::parse().server))
}

fn run(options: &ServerOptions) -> anyhow::Result<()> {
    options.prepare_process()?;
    let first = server::listen(options.addr, true)?;
    let address: SocketAddr = first.local_addr()?;
    let mut loops = vec![Loop::new(first, options.cost())?];
    for _ in 1..options.threads.get() {
        loops.push(Loop::new(server::listen(address, true)?, options.cost())?);
    }
    server::announce(address)?;
    let (failed, failure) = std::sync::mpsc::channel();
    for mut one in loops {
        let failed = failed.clone();
        std::thread::Builder::new().spawn(move || failed.send(one.run()).ok())?;
    }
    drop(failed);
    failure.recv().context("every thread has ended")?
}

struct Connection {
    socket: OwnedFd,
    framing: Framing,
    /// Echo that the socket has not taken yet; while there is some, nothing is read.
    unsent: Vec<u8>,
}

struct Loop {
    epoll: OwnedFd,
    listener: TcpListener,
    cost: Cost,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
}

impl Loop {
    fn new(listener: TcpListener, cost: Cost) -> anyhow::Result<Self> {
        listener.set_nonblocking(true)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("cannot create an epoll")?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)
            .context("cannot register the listener")?;
        Ok(Self { epoll, listener, cost, connections: Vec::new(), free: Vec::new() })
    }

    fn run(&mut self) -> anyhow::Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        let mut buffer = vec![0; BUFFER_SIZE];
        loop {
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("cannot wait for events"),
            }
            for event in events.drain(..) {
                let epoll::Event { data, flags } = event;
                match data.u64() {
                    LISTENER => self.accept()?,
                    token => self.serve(token as usize, flags, &mut buffer),
                }
            }
        }
    }

    fn accept(&mut self) -> anyhow::Result<()> {
        loop {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            let socket = match accept_with(&self.listener, flags) {
                Ok(socket) => socket,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR | Errno::CONNABORTED) => continue,
                Err(error) => return Err(error).context("cannot accept a connection"),
            };
            sockopt::set_tcp_nodelay(&socket, true)?;
            let index = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            epoll::add(&self.epoll, &socket, EventData::new_u64(index as u64), interest)
                .context("cannot register a connection")?;
            let connection = Connection { socket, framing: Framing::default(), unsent: Vec::new() };
            self.connections[index] = Some(connection);
        }
    }

    fn serve(&mut self, index: usize, flags: EventFlags, buffer: &mut [u8]) {
        let Some(connection) = self.connections[index].as_mut() else {
            return;
        };
        if !connection.serve(flags, &self.cost, buffer) {
            self.connections[index] = None;
            self.free.push(index);
        }
    }
}

impl Connection {
    /// Echoes until nothing is left to read or the socket takes no more; false when the connection
    /// is over.
    fn serve(&mut self, flags: EventFlags, cost: &Cost, buffer: &mut [u8]) -> bool {
        while !self.unsent.is_empty() {
            match send(&self.socket, &self.unsent, SendFlags::NOSIGNAL) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(Errno::AGAIN) => return true,
                Err(_) => return false,
            }
        }
        // A short read means drained, but not the end of the stream, whose one edge may have come
        // with this event.
        let until_end = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        loop {
            let count = match recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
                Ok((0, _)) => return false,
                Ok((count, _)) => count,
                Err(Errno::AGAIN) => return true,
                Err(_) => return false,
            };
            let mut echo = &buffer[..count];
            cost.charge(&mut self.framing, echo);
            while !echo.is_empty() {
                match send(&self.socket, echo, SendFlags::NOSIGNAL) {
                    Ok(sent) => echo = &echo[sent..],
                    Err(Errno::AGAIN) => {
                        self.unsent.extend_from_slice(echo);
                        return true;
                    }
                    Err(_) => return false,
                }
            }
            if count < buffer.len() && !until_end {
                return true;
            }
        }
    }
}
