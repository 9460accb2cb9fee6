//! The load generator: one thread over one epoll, cheap enough to be faster than the servers it
//! asks.
//!
//! - [`connection`]: contents of messages, sending, and checking what comes back.
//! - [`schedule`]: when the messages of a fixed rate are due.
//! - [`outcome`]: the document that a run prints.
//! - [`session`]: connections, epoll and clock of a run, which the three modes share:
//!   [`ping`] (closed loop), [`paced`] (fixed rate beside hot connections), [`idle`] (memory).

mod connection;
mod idle;
pub mod outcome;
mod paced;
mod ping;
mod schedule;
mod session;

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use outcome::Outcome;

/// What the load generator does.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Mode {
    /// Closed loop: every connection keeps a number of messages in flight.
    Ping(PingOptions),
    /// Fixed rate over light connections, beside hot ones that send back to back.
    Paced(PacedOptions),
    /// Memory of the server for connections that sent one message and are silent since.
    Idle(IdleOptions),
}

/// Options of every mode.
#[derive(clap::Args, Clone, Debug)]
pub struct CommonOptions {
    /// Address of the server.
    #[arg(long, value_name = "ADDR")]
    pub addr: SocketAddr,

    /// Process whose processor time, context switches and memory are read.
    #[arg(long, value_name = "PID")]
    pub server_pid: Option<u32>,

    /// Bytes in a message.
    #[arg(long, default_value = "64", value_name = "B")]
    pub msg_size: NonZeroUsize,

    /// Be ended by the kernel when the process that started the load generator ends.
    #[arg(long)]
    pub end_with_parent: bool,
}

/// How long a run with a measured time takes.
#[derive(clap::Args, Clone, Debug)]
pub struct TimeOptions {
    /// Seconds before the measured time.
    #[arg(long, default_value_t = 1.0, value_name = "S")]
    pub warm_up: f64,

    /// Seconds of measured time.
    #[arg(long, default_value_t = 5.0, value_name = "S")]
    pub seconds: f64,
}

/// Options of the closed loop.
#[derive(clap::Args, Clone, Debug)]
pub struct PingOptions {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: CommonOptions,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub time: TimeOptions,

    /// Connections.
    #[arg(long, default_value = "128", value_name = "C")]
    pub connections: NonZeroUsize,

    /// Messages in flight on each connection.
    #[arg(long, default_value = "1", value_name = "D")]
    pub depth: NonZeroUsize,
}

/// Options of the fixed rate.
#[derive(clap::Args, Clone, Debug)]
pub struct PacedOptions {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: CommonOptions,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub time: TimeOptions,

    /// Light connections, which share the rate evenly.
    #[arg(long, default_value = "200", value_name = "L")]
    pub light: NonZeroUsize,

    /// Messages per second over all light connections together.
    #[arg(long, default_value_t = 2000.0, value_name = "R")]
    pub rate: f64,

    /// Hot connections, which send `H` messages, the next when the echo is back.
    #[arg(long, default_value_t = 0, value_name = "H")]
    pub hot: usize,

    /// The run is marked as lagged when the generator's own p99 lag is above this many
    /// microseconds.
    #[arg(long, default_value_t = 500.0, value_name = "U")]
    pub lag_bound_us: f64,
}

/// Options of the idle mode.
#[derive(clap::Args, Clone, Debug)]
pub struct IdleOptions {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: CommonOptions,

    /// Connections.
    #[arg(long, default_value = "10000", value_name = "N")]
    pub connections: NonZeroUsize,

    /// Source addresses 127.0.0.1, 127.0.0.2 ... that the connections are spread over.
    #[arg(long, default_value = "8", value_name = "N",
          value_parser = clap::value_parser!(u8).range(1..=254))]
    pub sources: u8,

    /// Seconds to hold the connections after the memory was read, to look at the server by hand.
    #[arg(long, default_value_t = 0.0, value_name = "S")]
    pub hold: f64,
}

impl Mode {
    /// Runs the load and says what was seen.
    pub fn run(&self) -> anyhow::Result<Outcome> {
        crate::server::raise_descriptor_limit()?;
        if self.common().end_with_parent {
            crate::server::end_with_parent()?;
        }
        // Without this the kernel may wake the generator 50 us late.
        rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1))?;
        match self {
            Self::Ping(options) => ping::run(options),
            Self::Paced(options) => paced::run(options),
            Self::Idle(options) => idle::run(options),
        }
    }

    fn common(&self) -> &CommonOptions {
        match self {
            Self::Ping(options) => &options.common,
            Self::Paced(options) => &options.common,
            Self::Idle(options) => &options.common,
        }
    }
}
