//! The server side of `compare`: one model in a process of its own.
//!
//! It says its address and its name, serves until its standard input ends, and says what it has
//! counted. A line on its standard input asks how many connections it holds.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use overlapped_models::{Echo, Limits};
use serde::{Deserialize, Serialize};

use crate::{listen, output, platform};

/// How long the server may take to end its connections.
const DRAIN: Duration = Duration::from_secs(2);

/// Arguments of the server of one model.
#[derive(Args, Debug)]
pub struct ModelServerArguments {
    /// Name of the model.
    #[arg(long)]
    model: String,
    /// Connections it must be able to hold.
    #[arg(long)]
    connections: usize,
    /// Where to listen, together with other processes; without it on a free port.
    #[arg(long)]
    join: Option<SocketAddr>,
    /// Let other processes listen on the same port.
    #[arg(long)]
    shared: bool,
}

/// What a model's server says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelReport {
    /// It listens.
    Listening {
        /// Where.
        address: SocketAddr,
        /// The server in its own words.
        description: String,
    },
    /// What it holds now, when it was asked.
    Status {
        /// Connections that are open.
        connected: u64,
    },
    /// It has ended.
    Stopped {
        /// Messages it received.
        messages: u64,
        /// Connections it ended by force.
        left: u64,
        /// The most connections it had open at once.
        peak_connected: u64,
        /// How often it put accepting off for want of descriptors or memory.
        accept_deferrals: u64,
        /// Connections that ended on this side for want of a thread or for another such reason.
        other_errors: u64,
    },
}

/// Runs the server.
pub fn run(arguments: &ModelServerArguments) -> anyhow::Result<()> {
    platform::end_with_parent();
    overlapped_load::limits::raise_descriptors()?;
    let model = overlapped_models::model(&arguments.model)
        .with_context(|| format!("there is no model named {}", arguments.model))?;
    let backlog = overlapped_load::limits::backlog_limit().unwrap_or(4_096);
    let place = arguments.join.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let listener = if arguments.shared || arguments.join.is_some() {
        listen::listen_shared(place, backlog)?
    } else {
        listen::listen(place, listen::StackArguments::default(), backlog)?
    };
    let address = listener.local_addr()?;
    let limits = Limits { connections: arguments.connections, ..Limits::default() };
    let server = model.start(listener, Arc::new(Echo), &limits)?;
    output::json_line(&ModelReport::Listening { address, description: server.describe() })?;
    for _question in std::io::stdin().lines().map_while(Result::ok) {
        output::json_line(&ModelReport::Status { connected: server.status().connected })?;
    }
    // The parent has closed the pipe, or is gone; either way it is time to end.
    let stopped = server.stop(DRAIN);
    output::json_line(&ModelReport::Stopped {
        messages: stopped.status.messages,
        left: stopped.left,
        peak_connected: stopped.status.peak_connected,
        accept_deferrals: stopped.status.accept_deferrals,
        other_errors: stopped.status.errors.other,
    })
}
