//! The server in this process.

use std::net::TcpListener;
use std::sync::mpsc::{RecvTimeoutError, channel};

use super::figures::Figures;
use super::reporter::Reporter;
use super::service;
use super::settings::Settings;
use crate::interrupt::{self, EndArguments};
use crate::output;

/// Serves until Ctrl-C, or what `end` names.
pub fn run(settings: &Settings, listener: TcpListener, end: EndArguments) -> anyhow::Result<()> {
    let (interrupted, interrupts) = channel();
    interrupt::on_first_or(end, settings.drain, move || {
        let _ = interrupted.send(());
    })?;
    let address = listener.local_addr()?;
    let server = service::start(settings, listener)?;
    output::listening(address, settings.json)?;
    if !settings.quiet && !settings.json {
        output::status(&server.describe());
    }
    let mut reporter = Reporter::new(settings.quiet, settings.json, 1);
    while interrupts.recv_timeout(reporter.wait()) == Err(RecvTimeoutError::Timeout) {
        reporter.status(&Figures::of(&server.status()));
    }
    let stopped = server.stop(settings.drain);
    reporter.summary(&Figures::of(&stopped.status), stopped.left)
}
