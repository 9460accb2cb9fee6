//! The server in this process.

use std::net::TcpListener;
use std::sync::mpsc::{RecvTimeoutError, channel};

use anyhow::Context;

use super::figures::Figures;
use super::observing::Places;
use super::reporter::Reporter;
use super::service;
use super::settings::Settings;
use super::showing::Showing;
use crate::interrupt::{self, EndArguments};
use crate::output;

/// Serves until Ctrl-C, or what `end` names.
pub fn run(
    settings: &Settings,
    listener: TcpListener,
    places: Places,
    end: EndArguments,
) -> anyhow::Result<()> {
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
    let showing = Showing::new(settings.shown_as(address), server);
    let _observer = places.show(&showing, settings.json)?;
    let mut reporter = Reporter::new(settings.quiet, settings.json, 1);
    while interrupts.recv_timeout(reporter.wait()) == Err(RecvTimeoutError::Timeout) {
        reporter.status(&showing.figures());
    }
    let stopped = showing.stop(settings.drain);
    let stopped = stopped.context("the server has ended already")?;
    reporter.summary(&Figures::of(&stopped.status), stopped.left)
}
