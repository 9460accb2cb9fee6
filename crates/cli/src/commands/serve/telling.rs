//! `--print` and `--log`: what clients send, and who comes and goes, as lines of a [`Journal`].
//!
//! Without `--print` the handler is the bare one, and without `--log` the server has no observer, so
//! what is not asked for costs nothing for a message.

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::Args;
use overlapped::{PoolSnapshot, Recorder};
use overlapped_models::{Departure, Handler, Observer, Reply, Server, Status, Stopped};
use serde::{Deserialize, Serialize};

use super::journal::{FORMAT, Journal};
use crate::exit::Usage;

/// How many bytes of a message are shown.
const SHOWN: usize = 256;

/// Options that tell what goes on.
#[derive(Args, Clone, Debug, Default, Serialize, Deserialize)]
pub struct TellingArguments {
    /// Print each message that comes, as a line bytes:N msg:TEXT on standard error (echo only). The
    /// first 256 bytes are shown, what is no printable ASCII as \n, \t, \\ or \x1b.
    #[arg(long)]
    print: bool,
    /// Tell on standard error who connects, and who leaves and why: end, reset, error, time-out or
    /// stop (echo only).
    #[arg(long)]
    log: bool,
    /// Add the lines of --print and --log to this file instead.
    #[arg(long, value_name = "FILE")]
    log_to: Option<PathBuf>,
}

impl TellingArguments {
    /// That they fit together, and with the rest.
    pub fn check(&self, is_of_files: bool) -> anyhow::Result<()> {
        let usage = |text: &str| Err(Usage(text.to_owned()).into());
        if is_of_files && (self.print || self.log || self.log_to.is_some()) {
            return usage(
                "--print, --log and --log-to are for --app echo: files have --access-log",
            );
        }
        if self.log_to.is_some() && !self.print && !self.log {
            return usage("--log-to needs --print or --log: it says where their lines go");
        }
        Ok(())
    }

    /// Where lines go, if any are asked for.
    pub fn journal(&self, json: bool) -> anyhow::Result<Option<Arc<Journal>>> {
        match self.print || self.log {
            true => Journal::open(self.log_to.as_deref(), json).map(Some),
            false => Ok(None),
        }
    }

    /// The handler, printing if that is asked for.
    pub fn handler(
        &self,
        journal: Option<&Arc<Journal>>,
        handler: impl Handler,
    ) -> Arc<dyn Handler> {
        match journal.filter(|_| self.print) {
            Some(journal) => Arc::new(Printing { handler, journal: Arc::clone(journal) }),
            None => Arc::new(handler),
        }
    }

    /// Who is told of connections, if that is asked for.
    pub fn observer(&self, journal: Option<&Arc<Journal>>) -> Option<Arc<dyn Observer>> {
        let journal = journal.filter(|_| self.log)?;
        Some(Arc::new(Logging(Arc::clone(journal))))
    }
}

/// One line; its schema is `schema/serve-log.schema.json`.
#[derive(Serialize)]
struct Event<'a> {
    format: &'static str,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    msg: Option<&'a str>,
}

impl Event<'_> {
    fn new(event: &'static str) -> Self {
        let (time, client, why, bytes, msg) = (None, None, None, None, None);
        Self { format: FORMAT, event, time, client, why, bytes, msg }
    }
}

struct Printing<H> {
    handler: H,
    journal: Arc<Journal>,
}

impl<H: Handler> Handler for Printing<H> {
    fn handle(&self, input: &[u8]) -> Reply {
        let msg = shown(input);
        if self.journal.is_json() {
            let (bytes, msg) = (Some(input.len()), Some(msg.as_str()));
            self.journal.document(&Event { bytes, msg, ..Event::new("message") });
        } else {
            self.journal.line(format!("bytes:{} msg:{msg}", input.len()));
        }
        self.handler.handle(input)
    }
}

/// The first bytes of a message, escaped so that they stay on the line and control no terminal.
fn shown(message: &[u8]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(text, "{}", message[..message.len().min(SHOWN)].escape_ascii());
    if message.len() > SHOWN {
        text += "...";
    }
    text
}

#[derive(Debug)]
struct Logging(Arc<Journal>);

impl Logging {
    fn tell(&self, event: &'static str, client: Option<SocketAddr>, why: Option<&'static str>) {
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let address = client.map(|client| client.to_string());
        if self.0.is_json() {
            let time = Some(time);
            self.0.document(&Event { time, client: address, why, ..Event::new(event) });
            return;
        }
        let client = address.as_deref().unwrap_or("a client that has gone");
        let why = why.map_or(String::new(), |why| format!(": {why}"));
        self.0.line(format!("{time} {event} {client}{why}"));
    }
}

impl Observer for Logging {
    fn came(&self, client: Option<SocketAddr>) {
        self.tell("connected", client, None);
    }

    fn left(&self, client: Option<SocketAddr>, why: Departure) {
        let why = match why {
            Departure::End => "end",
            Departure::Reset => "reset",
            Departure::TimedOut => "time-out",
            Departure::Stop => "stop",
            Departure::Error => "error",
        };
        self.tell("left", client, Some(why));
    }
}

/// A server whose lines are written to the end before it is gone.
pub struct Told {
    pub server: Box<dyn Server>,
    pub journal: Arc<Journal>,
}

impl Server for Told {
    fn status(&self) -> Status {
        let status = self.server.status();
        Status { log_lines_lost: status.log_lines_lost + self.journal.lost(), ..status }
    }

    fn snapshot(&self) -> Option<PoolSnapshot> {
        self.server.snapshot()
    }

    fn record(&self, limit: usize) -> Option<io::Result<Recorder>> {
        self.server.record(limit)
    }

    fn pause_accepts(&self, is_paused: bool) -> bool {
        self.server.pause_accepts(is_paused)
    }

    fn retire(&mut self, at_most: Duration) {
        self.server.retire(at_most);
    }

    fn stop(self: Box<Self>, deadline: Duration) -> Stopped {
        let Self { server, journal } = *self;
        let stopped = server.stop(deadline);
        journal.finish();
        let log_lines_lost = stopped.status.log_lines_lost + journal.lost();
        Stopped { status: Status { log_lines_lost, ..stopped.status }, ..stopped }
    }

    fn describe(&self) -> String {
        self.server.describe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stays_on_its_line_and_is_cut() {
        assert_eq!(shown(b"hello"), "hello");
        assert_eq!(shown(b"a\r\n\x1b[2J\\\xff"), r"a\r\n\x1b[2J\\\xff");
        assert_eq!(shown(&[b'x'; SHOWN]).len(), SHOWN);
        let cut = shown(&[0; SHOWN + 1]);
        assert!(cut.len() == 4 * SHOWN + 3 && cut.ends_with(r"\x00..."), "{cut}");
    }
}
