//! `serve`: an echo server, on a completion port or by any other model, or a server of files.
//!
//! `settings` turns the options into what a server needs, `model` says which options a model has;
//! `service` is one running server, `files` makes it of the files of a folder, and `secured` does so over TLS;
//! `single` runs it in this process, `family` in several that share one listening socket;
//! `showing` is the server as who looks sees it, and `observing` the addresses on which it is seen;
//! `slowness` is a handler that is slow on purpose;
//! `telling` is `--print` and `--log`, whose lines `journal` writes;
//! `figures` is what a server counts, and `reporter` says it once a second and at the end.

mod family;
mod figures;
mod files;
mod journal;
mod model;
mod observing;
mod reporter;
mod secured;
mod service;
mod settings;
mod showing;
mod single;
mod slowness;
mod telling;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::exit::Usage;
use crate::interrupt::EndArguments;
use crate::live::terminal;
use crate::{exit, listen, values};

/// Where the server listens when nobody says where.
const DEFAULT_ADDRESS: &str = "127.0.0.1:12345";

/// Options of `serve`.
#[derive(Args, Debug)]
pub struct ServeArguments {
    /// Where to listen; port 0 picks a free port [default: 127.0.0.1:12345].
    address: Option<String>,
    #[command(flatten)]
    stack: listen::StackArguments,
    /// Take the listening socket from systemd or another parent (LISTEN_FDS) in place of an address; where
    /// there are several, the one of this name (LISTEN_FDNAMES).
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "",
          conflicts_with_all = ["dual_stack", "backlog"])]
    listen_fds: Option<String>,
    /// What is served.
    #[arg(long, value_enum, default_value_t = App::Echo)]
    app: App,
    /// The folder whose files are served, with --app files; it may stand alone.
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    #[command(flatten)]
    files: files::FilesArguments,
    /// How connections are served; files are served by completion-port.
    #[arg(long, value_name = "NAME", default_value = model::DEFAULT, value_parser = model::names())]
    model: String,
    /// Threads the port lets run at a time; 0 is the number of processors [default: 0].
    #[arg(long, value_name = "N")]
    concurrency: Option<usize>,
    /// Most threads that take packets, of which there are as many as are needed [default: 64].
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
    /// Close a connection whose client sends nothing first for this long (echo only). Until then it
    /// holds no posted accept; --max-silent limits how many there are.
    #[arg(long, value_name = "TIME", value_parser = values::positive_duration)]
    first_data: Option<Duration>,
    /// With --first-data, connections that may be silent at a time; a newcomer beyond them, or beyond
    /// --max-connections, takes the place of the one that has been silent longest [default: as many
    /// as may be open].
    #[arg(long, value_name = "N", value_parser = values::positive, requires = "first_data")]
    max_silent: Option<u32>,
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
    /// How much of that time goes by before connections without a request are closed: until then nobody is
    /// accepted, but whoever is connected is served on, and the next response of HTTP/1.1 on a connection says
    /// that it is the last [default: 0s, and with --listen-fds half of --drain-seconds].
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    grace: Option<Duration>,
    #[command(flatten)]
    end: EndArguments,
    #[command(flatten)]
    telling: telling::TellingArguments,
    #[command(flatten)]
    slowness: slowness::SlownessArguments,
    #[command(flatten)]
    observing: observing::ObservingArguments,
    /// Show a screen of the server instead of status lines, on which it can be stopped and started.
    #[arg(long, conflicts_with = "json")]
    live: bool,
    /// Print no status lines.
    #[arg(long)]
    quiet: bool,
    /// Print where it listens, status lines and the summary as JSON, one document a line.
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

/// The choice of what is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum App {
    /// What a client sends goes back to it.
    Echo,
    /// The files of a folder, by HTTP.
    Files,
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
pub fn run(arguments: &ServeArguments) -> anyhow::Result<()> {
    let place = Place::of(arguments)?;
    family::check(arguments.processes)?;
    if arguments.live {
        check_live(arguments)?;
    }
    let descriptors = overlapped_load::limits::raise_descriptors()?;
    let settings = settings::resolve(arguments, descriptors)?;
    if let Some(asked) = arguments.max_connections
        && let Err(shortage) = overlapped_load::room::check(asked.into(), 1)
    {
        // It is a limit, and need not be reached.
        exit::complain(&format!("{shortage}; it starts all the same"));
    }
    let listener = match place {
        Place::Address(address) => listen::listen(address, arguments.stack, settings.backlog)?,
        Place::Inherited(name) => listen::inherited(name)?,
    };
    let places = arguments.observing.listen()?;
    if settings.processes > 1 {
        family::run(&settings, listener, places, arguments.end)
    } else {
        single::run(&settings, listener, places, arguments.end)
    }
}

/// Refuses a screen beside what it cannot be shown with.
fn check_live(arguments: &ServeArguments) -> anyhow::Result<()> {
    arguments.end.refuse_beside("--live")?;
    if arguments.processes > 1 {
        let instead = "give --metrics ADDRESS instead, and look with `overlapped top ADDRESS`";
        return Err(Usage(format!("--live shows a server of one process: {instead}")).into());
    }
    terminal::check("--live", "leave it out, use --json, or look with `overlapped top`")?;
    Ok(())
}

/// What is listened on.
enum Place<'a> {
    Address(SocketAddr),
    /// A socket of the parent, of this name, or the only one.
    Inherited(Option<&'a str>),
}

impl<'a> Place<'a> {
    fn of(arguments: &'a ServeArguments) -> anyhow::Result<Self> {
        // The folder of a file server may stand alone, and then it is in the first place.
        let text = match (arguments.app, &arguments.address, &arguments.folder) {
            (App::Echo, Some(text), _) | (App::Files, Some(text), Some(_)) => Some(text),
            _ => None,
        };
        if let Some(name) = &arguments.listen_fds {
            return match text {
                Some(text) => Err(Usage(format!(
                    "--listen-fds takes a socket that listens already: leave out the address {text}, or \
                     the option"
                ))
                .into()),
                None if arguments.first_data.is_some() => Err(Usage(
                    "--first-data would lose clients that have sent nothing when the socket goes to another \
                     process: leave it out where --listen-fds is given"
                        .to_owned(),
                )
                .into()),
                None => Ok(Self::Inherited(Some(name.as_str()).filter(|name| !name.is_empty()))),
            };
        }
        let text = text.map_or(DEFAULT_ADDRESS, String::as_str);
        values::address(text).map(Self::Address).map_err(|error| {
            let message = format!("invalid value '{text}' for '[ADDRESS]': {error}");
            Usage(format!("{message} (see 'overlapped serve --help')")).into()
        })
    }
}

/// Runs a worker process of `serve --processes`.
pub fn run_worker(arguments: &ServeWorkerArguments) -> anyhow::Result<()> {
    overlapped_load::limits::raise_descriptors()?;
    family::run_worker(&serde_json::from_str(&arguments.settings)?)
}
