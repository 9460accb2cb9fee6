//! What every echo server does in the same way: its options, its listening socket, its end, the
//! borders of its messages and what a message costs. Nothing here waits for a socket: that is what
//! the servers differ in.

mod cost;

pub use cost::{Cost, Framing};

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::Context;

/// Bytes that a server reads at most in one go, where it does not follow its streams.
pub const BUFFER_SIZE: usize = 8192;

/// Connections that may wait to be accepted.
pub const BACKLOG: i32 = 4096;

/// The options that all echo servers take.
#[derive(clap::Args, Clone, Debug)]
pub struct ServerOptions {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    pub addr: SocketAddr,

    /// Concurrency: how many threads may run handlers at one time (echo-threads has no such limit).
    #[arg(long, default_value = "1", value_name = "N")]
    pub threads: NonZeroUsize,

    /// Microseconds of processor time that a costly message takes.
    #[arg(long, default_value_t = 0, value_name = "U")]
    pub work_us: u64,

    /// Microseconds that a costly message blocks its thread in a sleep.
    #[arg(long, default_value_t = 0, value_name = "U")]
    pub sleep_us: u64,

    /// Of the messages of a connection whose first byte is `H`, every K-th is costly.
    #[arg(long, default_value = "1", value_name = "K")]
    pub work_every: NonZeroUsize,

    /// Bytes in a message.
    #[arg(long, default_value = "64", value_name = "B")]
    pub msg_size: NonZeroUsize,

    /// Let other processes listen on the same address, where the kernel shares the connections out.
    #[arg(long)]
    pub shared_port: bool,

    /// Be ended by the kernel when the process that started the server ends.
    #[arg(long)]
    pub end_with_parent: bool,
}

impl ServerOptions {
    /// What the options say about the cost of a message.
    pub fn cost(&self) -> Cost {
        Cost::new(
            self.msg_size,
            self.work_every,
            Duration::from_micros(self.work_us),
            Duration::from_micros(self.sleep_us),
        )
    }

    /// Prepares the process: descriptor limit, end on SIGTERM and SIGINT with exit code 0, end with
    /// the parent.
    pub fn prepare_process(&self) -> anyhow::Result<()> {
        self.prepare_process_and(|| {})
    }

    /// The same, with something to do at the end.
    pub fn prepare_process_and(&self, at_end: impl Fn() + Send + 'static) -> anyhow::Result<()> {
        raise_descriptor_limit()?;
        if self.end_with_parent {
            end_with_parent()?;
        }
        let end = move || {
            at_end();
            std::process::exit(0)
        };
        ctrlc::set_handler(end).context("cannot handle SIGTERM")
    }

    /// A blocking listening socket on the address of the options, shared if they say so.
    pub fn listen(&self) -> anyhow::Result<TcpListener> {
        listen(self.addr, self.shared_port)
    }
}

/// A blocking listening socket; with `shared_port`, others may listen on the same port.
pub fn listen(address: SocketAddr, shared_port: bool) -> anyhow::Result<TcpListener> {
    let open = || -> std::io::Result<TcpListener> {
        let kind = socket2::Type::STREAM;
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), kind, None)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(shared_port)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    open().with_context(|| format!("cannot listen on {address}"))
}

/// Tells the starter, on the first line of stdout, where the server listens.
pub fn announce(address: SocketAddr) -> anyhow::Result<()> {
    use std::io::Write;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on {address}")
        .and_then(|()| stdout.flush())
        .context("cannot write the address to stdout")
}

/// Raises the soft limit of descriptors to the hard one.
pub fn raise_descriptor_limit() -> anyhow::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context("cannot raise the descriptor limit to its hard limit")
}

/// Has the kernel send SIGTERM to this process when the thread that started it ends.
pub fn end_with_parent() -> anyhow::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))
        .context("cannot ask to be ended with the parent")
}
