//! The server of files: its options, and how it stands in for a model's server.

use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use overlapped::{PoolSnapshot, Recorder};
use overlapped_http_files::{AccessLog, Server as FileServer, TimeLimits};
use overlapped_models::{Limits, Server, Status, Stopped};
use serde::{Deserialize, Serialize};

use super::secured::{self, TlsSettings};
use crate::exit::{self, Usage};
use crate::values;

/// How many files are kept open for requests to come.
pub const OPEN_FILES: usize = 256;

/// Options for `--app files` only.
#[derive(Args, Clone, Debug, Default)]
pub struct FilesArguments {
    /// Show the names in a folder that has no index.html (files only).
    #[arg(long)]
    listing: bool,
    /// Write a line for each answer to this file, or to standard output if it is '-' (files only).
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
    /// How long a client may take for the head of a request [default: 10s] (files only).
    #[arg(long, value_name = "TIME", value_parser = values::positive_duration)]
    head_timeout: Option<Duration>,
    /// How long a client may take nothing of its response [default: 60s] (files only).
    #[arg(long, value_name = "TIME", value_parser = values::positive_duration)]
    stall_timeout: Option<Duration>,
    /// Bytes of its response that a client must take in a second, on the average, once the stall
    /// timeout has passed; 0 is any number [default: 512] (files only).
    #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
    least_rate: Option<u64>,
    /// Connections that the clients of one address, or of one IPv6 network of 64 bits, may have in a
    /// process; 0 is any number [default: three quarters of those it takes] (files only).
    #[arg(long, value_name = "N")]
    connections_per_client: Option<u32>,
    /// Serve over TLS, by HTTP/1.1 and HTTP/2 (files only). --head-timeout is then also for handshakes and
    /// for the wait for a next request in HTTP/1.1, and --idle-timeout for a client that takes nothing; there
    /// is no --stall-timeout, --least-rate, --connections-per-client or --posted-accepts.
    #[arg(long, requires = "certificate", requires = "key")]
    pub(super) tls: bool,
    /// The certificate of the server and those that lead to its root, in that order, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls")]
    certificate: Option<PathBuf>,
    /// The private key of the certificate, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls")]
    key: Option<PathBuf>,
}

/// What is served from where, also as it travels to worker processes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FilesSettings {
    pub folder: PathBuf,
    pub listing: bool,
    pub access_log: Option<PathBuf>,
    pub head_timeout: Option<Duration>,
    pub stall_timeout: Option<Duration>,
    pub least_rate: Option<u64>,
    pub connections_per_client: Option<u32>,
    pub tls: Option<TlsSettings>,
}

impl FilesSettings {
    /// Whether the access log goes to standard output.
    pub fn logs_to_output(&self) -> bool {
        self.access_log.as_ref().is_some_and(|path| path.as_os_str() == "-")
    }
}

impl FilesArguments {
    /// That none of them is given, where echoes are served.
    pub fn refuse(&self) -> anyhow::Result<()> {
        let given = [
            ("--listing", self.listing),
            ("--access-log", self.access_log.is_some()),
            ("--head-timeout", self.head_timeout.is_some()),
            ("--stall-timeout", self.stall_timeout.is_some()),
            ("--least-rate", self.least_rate.is_some()),
            ("--connections-per-client", self.connections_per_client.is_some()),
            ("--tls", self.tls),
        ];
        match given.iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((name, _)) => {
                Err(Usage(format!("{name} is for files: give --app files and a folder")).into())
            }
        }
    }

    /// The settings for `folder`.
    pub fn resolve(&self, folder: PathBuf, processes: u32) -> anyhow::Result<FilesSettings> {
        let is_output = |path: &PathBuf| path.as_os_str() == "-";
        if processes > 1 && self.access_log.as_ref().is_some_and(is_output) {
            return Err(Usage(
                "--access-log - is for one process; name a file, to which all of them add"
                    .to_owned(),
            )
            .into());
        }
        let tls = self.tls()?;
        Ok(FilesSettings {
            folder,
            listing: self.listing,
            access_log: self.access_log.clone(),
            head_timeout: self.head_timeout,
            stall_timeout: self.stall_timeout,
            least_rate: self.least_rate,
            connections_per_client: self.connections_per_client,
            tls,
        })
    }

    /// What --tls needs. The files are read once before anything listens.
    fn tls(&self) -> anyhow::Result<Option<TlsSettings>> {
        let (true, Some(certificate), Some(key)) = (self.tls, &self.certificate, &self.key) else {
            return Ok(None);
        };
        let given = [
            ("--stall-timeout", self.stall_timeout.is_some(), "--idle-timeout is for that as well"),
            ("--least-rate", self.least_rate.is_some(), "--idle-timeout ends who takes nothing"),
            (
                "--connections-per-client",
                self.connections_per_client.is_some(),
                "--max-connections is for all of them",
            ),
        ];
        if let Some((option, _, instead)) = given.iter().find(|(_, given, _)| *given) {
            return Err(Usage(format!(
                "{option} means nothing with --tls: leave it out; {instead}"
            ))
            .into());
        }
        let tls = TlsSettings { certificate: certificate.clone(), key: key.clone() };
        tls.load()?;
        Ok(Some(tls))
    }
}

/// A running file server, as a model's server.
struct Files(FileServer);

/// Starts the server on `listener`.
pub fn start(
    files: &FilesSettings,
    limits: &Limits,
    listener: TcpListener,
) -> anyhow::Result<Box<dyn Server>> {
    let usual = TimeLimits::default();
    let by_itself = overlapped_http_files::Settings::default();
    // The last quarter is for others.
    let per_client = limits.connections - limits.connections / 4;
    let settings = overlapped_http_files::Settings {
        concurrency: limits.concurrency,
        threads: limits.threads,
        posted_accepts: limits.posted_accepts,
        connections: limits.connections,
        connections_per_client: files
            .connections_per_client
            .map_or(per_client, |connections| connections as usize),
        least_rate: files.least_rate.unwrap_or(by_itself.least_rate),
        driver: limits.driver,
        blocked_thread_monitor: limits.blocked_thread_monitor,
        listing: files.listing,
        open_files: OPEN_FILES,
        access_log: files.access_log.as_ref().map(|path| match path.as_os_str() {
            name if name == "-" => AccessLog::StandardOutput,
            _ => AccessLog::File(path.clone()),
        }),
        time: TimeLimits {
            head: files.head_timeout.unwrap_or(usual.head),
            idle: limits.idle_timeout.unwrap_or(usual.idle),
            stall: files.stall_timeout.unwrap_or(usual.stall),
            ..usual
        },
        on_log_trouble: Some(|trouble| exit::complain(&trouble.to_string())),
        ..by_itself
    };
    if let Some(tls) = &files.tls {
        return secured::start(tls, &files.folder, &settings, limits, listener);
    }
    let server =
        FileServer::start(listener, &files.folder, &settings).context("cannot serve the folder")?;
    Ok(Box::new(Files(server)))
}

impl Server for Files {
    fn status(&self) -> Status {
        translate(&self.0.status())
    }

    fn retire(&mut self, at_most: Duration) {
        self.0.retire(at_most);
    }

    fn stop(self: Box<Self>, deadline: Duration) -> Stopped {
        let stopped = self.0.stop(deadline);
        tell_of_lost_lines(stopped.status.log_lines_lost);
        Stopped { status: translate(&stopped.status), left: stopped.left }
    }

    fn snapshot(&self) -> Option<PoolSnapshot> {
        self.0.snapshot()
    }

    fn record(&self, limit: usize) -> Option<io::Result<Recorder>> {
        Some(self.0.record(limit))
    }

    fn pause_accepts(&self, is_paused: bool) -> bool {
        self.0.pause_accepts(is_paused);
        true
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}

/// Complains of lines that the access log does not have.
pub fn tell_of_lost_lines(lost: u64) {
    if lost > 0 {
        exit::complain(&format!(
            "{lost} lines of the access log were lost, since it could not be written in time"
        ));
    }
}

/// The messages of a file server are its responses, and the bytes those of their bodies.
pub fn translate(status: &overlapped_http_files::Status) -> Status {
    Status {
        connected: status.connected,
        peak_connected: status.peak_connected,
        accepted: status.accepted,
        messages: status.responses,
        bytes: status.body_bytes,
        errors: status.errors,
        accept_deferrals: status.accept_deferrals,
        refused: status.refused,
        log_lines_lost: status.log_lines_lost,
        threads: status.threads,
    }
}
