//! `serve`: an echo server, on a completion port or by any other model.
//!
//! `settings` turns the options into what a server needs, `model` says which options a model has;
//! `service` is one running server;
//! `single` runs it in this process, `family` in several that share one listening socket;
//! `figures` is what a server counts, and `reporter` says it once a second and at the end.

mod family;
mod figures;
mod model;
mod reporter;
mod service;
mod settings;
mod single;

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::interrupt::EndArguments;
use crate::{listen, values};

/// Options of `serve`.
#[derive(Args, Debug)]
pub struct ServeArguments {
    /// Where to listen; port 0 picks a free port.
    #[arg(default_value = "127.0.0.1:12345", value_parser = values::address)]
    address: SocketAddr,
    /// How connections are served.
    #[arg(long, value_name = "NAME", default_value = model::DEFAULT, value_parser = model::names())]
    model: String,
    /// Threads the port lets run at a time; 0 is the number of processors [default: 0].
    #[arg(long, value_name = "N")]
    concurrency: Option<usize>,
    /// Threads that take packets [default: twice the concurrency and one to spare].
    #[arg(long, value_name = "N", value_parser = values::positive)]
    threads: Option<u32>,
    /// Who accepts for the port: its threads, or one of its own [default: posted].
    #[arg(long, value_enum)]
    accept: Option<Accept>,
    /// Accepts kept posted [default: 10].
    #[arg(long, value_name = "N", value_parser = values::positive)]
    posted_accepts: Option<u32>,
    /// Connections that one thread selects [default: all of them].
    #[arg(long, value_name = "N", value_parser = values::positive)]
    set_size: Option<u32>,
    /// Close a connection whose client sends nothing first for this long; posted accepts wait for
    /// the data.
    #[arg(long, value_name = "TIME", value_parser = values::positive_duration)]
    first_data: Option<Duration>,
    /// Close a connection on which nothing came for this long.
    #[arg(long, value_name = "TIME", value_parser = values::positive_duration)]
    idle_timeout: Option<Duration>,
    /// Connections at a time; more wait unaccepted [default: what the descriptor limit allows].
    #[arg(long, value_name = "N", value_parser = values::positive)]
    max_connections: Option<u32>,
    /// What carries the port's operations to the kernel [default: automatic].
    #[arg(long, value_enum)]
    driver: Option<Driver>,
    /// Connections the kernel may hold that are not accepted yet [default: what it allows].
    #[arg(long, value_name = "N", value_parser = values::positive)]
    backlog: Option<u32>,
    /// Send nothing back.
    #[arg(long)]
    receive_only: bool,
    /// Processes that share the listening socket, for more connections than one may hold.
    #[arg(long, value_name = "N", default_value = "1", value_parser = values::processes)]
    processes: u32,
    /// How long clients may take to end after Ctrl-C.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    drain_seconds: u64,
    #[command(flatten)]
    end: EndArguments,
    /// Print no status lines.
    #[arg(long)]
    quiet: bool,
    /// Print status lines and the summary as JSON objects.
    #[arg(long)]
    json: bool,
}

/// Who accepts for a completion port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accept {
    // Accepts are posted, and taken like any other operation.
    Posted,
    // A thread accepts.
    Thread,
}

/// The choice of a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Driver {
    // The best one that works here.
    Automatic,
    // Readiness by epoll, on Linux.
    Epoll,
    // The system's own completion port, on Windows.
    Iocp,
}

/// Arguments of a worker process of `serve`; its standard input is the listening socket.
#[derive(Args, Debug)]
pub struct ServeWorkerArguments {
    /// The settings, as JSON.
    settings: String,
}

/// Runs the command.
pub fn run(arguments: ServeArguments) -> anyhow::Result<()> {
    let address = arguments.address;
    family::check(arguments.processes)?;
    let descriptors = overlapped_load::limits::raise_descriptors()?;
    let settings = settings::resolve(&arguments, descriptors)?;
    let listener = listen::listen(address, settings.backlog)?;
    if settings.processes > 1 {
        family::run(&settings, listener, arguments.end)
    } else {
        single::run(&settings, listener, arguments.end)
    }
}

/// Runs a worker process of `serve --processes`.
pub fn run_worker(arguments: &ServeWorkerArguments) -> anyhow::Result<()> {
    overlapped_load::limits::raise_descriptors()?;
    family::run_worker(&serde_json::from_str(&arguments.settings)?)
}
