//! `send`: one file for whoever fetches it.
//!
//! The sending is in the crate `overlapped-file-transfer`. Here are its options, what is seen of it
//! (`screen`), and the summary in words and as a document (`report`).

mod report;
mod screen;

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use overlapped::open_regular;
use overlapped_file_transfer::{SendSettings, Sender};
use overlapped_load::limits;

use crate::exit::{Reported, complain};
use crate::interrupt::{self, EndArguments};
use crate::listen::{StackArguments, listen};
use crate::{output, values};
use report::Document;
use screen::{Screen, Told};

/// Descriptors of a fetcher: its connection, and the file.
const DESCRIPTORS_PER_FETCHER: u64 = 2;

/// Descriptors for everything else.
const OTHER_DESCRIPTORS: u64 = 64;

/// How soon an end is noticed, and how often the line of progress is drawn.
const LOOK: Duration = Duration::from_millis(100);

/// Options of `send`.
#[derive(Args, Debug)]
pub struct SendArguments {
    /// The file. It is opened again for each fetcher, which gets it as it is at that moment.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where to listen. By itself only this machine can fetch; 0.0.0.0:PORT is every address of it.
    /// Whoever reaches the address gets the file, and nothing is encrypted on the way.
    #[arg(default_value = "127.0.0.1:12346", value_name = "ADDRESS", value_parser = values::address)]
    address: SocketAddr,
    #[command(flatten)]
    stack: StackArguments,
    /// Name that fetchers are told [default: the file's own].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// End after so many whole deliveries [default: never, until Ctrl-C].
    #[arg(long, value_name = "N", value_parser = values::positive)]
    times: Option<u32>,
    /// Connections at a time; more wait unaccepted.
    #[arg(long, value_name = "N", default_value = "64", value_parser = values::positive)]
    max_connections: u32,
    /// How long a fetcher may take for its request.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = values::positive_duration)]
    request_timeout: Duration,
    /// How long a fetcher may take nothing of the file [default: 60s; on Windows, where it is seen
    /// every 64 MiB, 10m].
    #[arg(long, value_name = "TIME", value_parser = values::positive_duration)]
    stall_timeout: Option<Duration>,
    /// Bytes of the file that a fetcher must take a second, on average over a minute (on Windows over
    /// ten); 0 is any.
    #[arg(long, value_name = "SIZE", default_value = "1k", value_parser = values::bytes)]
    least_rate: u64,
    /// How long fetchers may take to get the rest after Ctrl-C or the last of --times.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    drain_seconds: u64,
    /// Print neither progress nor summary, only what went wrong.
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    end: EndArguments,
    /// Print where it listens and the summary as JSON, one document a line.
    #[arg(long)]
    json: bool,
}

impl SendArguments {
    fn settings(&self) -> anyhow::Result<SendSettings> {
        let room = limits::raise_descriptors()?.saturating_sub(OTHER_DESCRIPTORS);
        let most = (room / DESCRIPTORS_PER_FETCHER).max(1);
        if u64::from(self.max_connections) > most {
            anyhow::bail!(
                "{} connections need more descriptors than this process may have: give \
                 --max-connections {most}",
                self.max_connections
            );
        }
        let usual = SendSettings::default();
        Ok(SendSettings {
            name: self.name.clone(),
            connections: self.max_connections as usize,
            request_time: self.request_timeout,
            stall_time: self.stall_timeout.unwrap_or(usual.stall_time),
            least_rate: self.least_rate,
            ..usual
        })
    }
}

/// Runs the command.
pub fn run(arguments: SendArguments) -> anyhow::Result<()> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&interrupted);
    let drain = Duration::from_secs(arguments.drain_seconds);
    interrupt::on_first_or(arguments.end, drain, move || told.store(true, Ordering::Release))?;
    let settings = arguments.settings()?;
    let begun = Instant::now();
    // Before the address is taken, so that what is wrong with the file is told first.
    open_regular(&arguments.file, OpenOptions::new().read(true))
        .with_context(|| format!("{} cannot be read", arguments.file.display()))?;
    let listener = listen(arguments.address, arguments.stack, arguments.max_connections)?;
    let address = listener.local_addr()?;
    let screen = Screen::new(arguments.quiet).context("cannot start a thread for what is told")?;
    let told = Told::new(&screen, arguments.quiet);
    let sender = Sender::start(listener, &arguments.file, &settings, told)
        .with_context(|| format!("{} cannot be sent", arguments.file.display()))?;
    let name = sender.name().to_owned();
    output::listening(address, arguments.json)?;
    if !arguments.quiet {
        screen.say(&format!("fetch {name:?} by: overlapped fetch {}", to_name(address)));
    }
    let times = arguments.times.map_or(u64::MAX, u64::from);
    while !interrupted.load(Ordering::Acquire) && !sender.wait_for_deliveries(times, LOOK) {
        screen.draw(&sender.status());
    }
    screen.finish();
    let stopped = sender.stop(drain);
    screen.settle();
    let document = Document::of(&name, address, arguments.times, begun.elapsed(), &stopped);
    if arguments.json {
        output::json_line(&document)?;
    } else if !arguments.quiet {
        output::text(&report::text(&document))?;
    }
    let deliveries = stopped.status.deliveries;
    if stopped.left > 0 {
        complain(&format!(
            "{} connections were cut, since they took longer than --drain-seconds {}",
            stopped.left, arguments.drain_seconds
        ));
        return Err(Reported.into());
    }
    if arguments.times.is_some() && deliveries < times {
        complain(&format!("interrupted: {deliveries} of {times} deliveries were made"));
        return Err(Reported.into());
    }
    Ok(())
}

/// What somebody writes who wants to come here.
fn to_name(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("HOST:{} (HOST is a name or an address of this machine)", address.port())
    } else {
        address.to_string()
    }
}
